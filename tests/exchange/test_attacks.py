"""Attacks on the exchange's own server, over the wire: each is refused, and others are answered meanwhile."""

import asyncio
import base64
from datetime import timedelta
from time import monotonic
from urllib.parse import quote
from uuid import uuid4

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from msgspec.structs import replace
from tests.consent.people import agreement_order, newborn, oneself, steward
from tests.exchange import places, serving
from tests.exchange.places import BANK, HOSPITAL, KEYS, governor
from tests.exchange.serving import on_wire, raw

from msingi.consent import acts as consents
from msingi.consent.model import GrantOrder
from msingi.exchange import acts, client, registry, signature
from msingi.exchange.inbound import Limits
from msingi.exchange.model import KeyOrder, SubsystemId
from msingi.kernel import clock

LIMITS = Limits(connections=24, head_s=1.0, body_wait_s=1.0, body_bytes=2_000_000, body_rate=50_000, idle_s=3.0)


@pytest.fixture(scope="module", autouse=True)
async def place(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    agreed = await consents.publish_agreement(stack, steward(ctx_of), agreement_order("for-care"))
    async with serving.listening(stack, LIMITS):
        yield agreed
    registry._offered.clear()
    registry._offered.update(kept)


@pytest.fixture
async def person(stack, owner_url):
    return await newborn(stack, owner_url)


@pytest.fixture
async def name(stack, ctx_of, person, place):
    """The hospital's name for somebody who consented."""
    await consents.grant(stack, oneself(ctx_of, person), person, GrantOrder(place.order.agreement, place.version))
    return stack.pseudonym.of("hospitali", person)


def made(stack, name, subsystem=HOSPITAL, key=None, url="", **more):
    headers = {"msingi-purpose": "health-care"} | more.pop("headers", {})
    return client.prepare(
        url or stack.settings.gateway_url, "XT/" + subsystem, key or KEYS[subsystem],
        client.service_path(places.SERVICE, name), headers=headers, **more,
    )  # fmt: skip


async def sent(stack, prepared, **changes):
    status, fields, body = await raw(stack.settings.gateway_url, on_wire(prepared, **changes))
    return status, fields.get("msingi-problem", ""), body


async def test_the_true_message_is_answered(stack, name):
    assert (await sent(stack, made(stack, name)))[0] == 200


async def test_replay(stack, name):
    one = made(stack, name)
    told = await asyncio.gather(*(sent(stack, one) for _ in range(4)))  # at once, in the same batch
    assert sorted(status for status, _, _ in told) == [200, 409, 409, 409]
    assert (await sent(stack, one))[:2] == (409, "exchange.message-seen")


async def test_old_future_and_foreign_messages(stack, name):
    for shift in (-signature.WINDOW_S - 5, signature.WINDOW_S + 5):
        with clock.freeze(clock.now() + timedelta(seconds=shift)):
            one = made(stack, name)
        assert (await sent(stack, one))[:2] == (401, "exchange.signature-refused")
    other = made(stack, name, url="http://exchange.example")
    assert (await sent(stack, other))[1] == "exchange.signature-refused"


@pytest.mark.parametrize(
    "change",
    [
        {"msingi_purpose": "payment"}, {"msingi_fields": "phone"}, {"msingi_basis": "vital-interest"},
        {"x_road_id": str(uuid4())}, {"x_road_client": "XT/" + BANK},
        {"content_digest": signature.content_digest(b"x")},
        {"signature": "msingi=:" + base64.b64encode(bytes(64)).decode() + ":"}, {"signature": ""},
        {"host": "elsewhere.example"}, {"x_road_userid": "TZ1"}, {"content_type": "text/plain"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
async def test_a_tampered_header(stack, name, change):
    assert (await sent(stack, made(stack, name), **change))[:2] == (401, "exchange.signature-refused")


async def test_a_tampered_body_method_and_path(stack, name, owner_url):
    one = made(stack, name, method="POST", body=b"true")
    for old, new in ((b"true", b"fals"), (b"POST", b"PUT "), (name.encode(), name.encode()[::-1])):
        wrong = on_wire(one).replace(old, new).replace(b"PUT  ", b"PUT ")
        status, fields, _ = await raw(stack.settings.gateway_url, wrong)
        assert (status, fields["msingi-problem"]) == (401, "exchange.signature-refused"), new


async def test_another_institution(stack, name, ctx_of, person):
    assert (await sent(stack, made(stack, name, BANK)))[1] == "exchange.no-right"
    assert (await sent(stack, made(stack, name, HOSPITAL, KEYS[BANK])))[1] == "exchange.signature-refused"
    assert (await sent(stack, made(stack, name, HOSPITAL, client.new_key())))[1] == "exchange.signature-refused"


async def test_a_stopped_key_and_a_suspended_institution_within_a_second(stack, name, ctx_of):
    fresh = client.new_key()
    key = await acts.add_key(stack, governor(ctx_of), KeyOrder(SubsystemId(HOSPITAL), client.public_part(fresh)))
    assert (await sent(stack, made(stack, name, key=fresh)))[0] == 200
    await acts.stop_key(stack, governor(ctx_of), key.kid)
    assert (await sent(stack, made(stack, name, key=fresh)))[1] == "exchange.not-standing"
    await acts.suspend(stack, governor(ctx_of), "hospitali")
    assert (await sent(stack, made(stack, name)))[1] == "exchange.not-standing"
    await acts.approve(stack, governor(ctx_of), "hospitali")
    assert (await sent(stack, made(stack, name)))[0] == 200


async def test_a_forged_consent(stack, owner_url, name):
    """A consent is looked for where consents are; what a message says of one counts for nothing."""
    other = stack.pseudonym.of("hospitali", await newborn(stack, owner_url))
    forged = {"msingi-consent": str(uuid4()), "msingi-record": str(uuid4())}
    assert (await sent(stack, made(stack, other, headers=forged)))[:2] == (403, "consent.missing")
    lied = made(stack, other, headers={"msingi-basis": "vital-interest"})
    assert (await sent(stack, lied))[:2] == (403, "exchange.no-right")


async def test_a_withdrawal_is_obeyed_by_every_message_after_it_under_load(stack, ctx_of, person, name):
    receipt = (await consents.consents_of(stack, oneself(ctx_of, person), person)).items[0]
    told: list[tuple[float, int]] = []

    async def keep_asking():
        while len(told) < 60:
            began = monotonic()
            status, _, _ = await sent(stack, made(stack, name))
            told.append((began, status))

    asking = [asyncio.create_task(keep_asking()) for _ in range(4)]
    while len(told) < 12:
        await asyncio.sleep(0.005)
    await consents.withdraw(stack, oneself(ctx_of, person), person, receipt.consent_id)
    at = monotonic()
    await asyncio.gather(*asking)
    assert {status for began, status in told if began > at} == {403}  # not one more
    assert any(status == 200 for began, status in told if began < at)


async def test_a_stolen_bearer_token_without_its_key(stack, name):
    url = stack.settings.gateway_url
    path = client.service_path(places.SERVICE, name)
    for more in ("", "msingi-purpose: health-care\r\nx-road-client: XT/" + HOSPITAL + "\r\n"):
        head = f"GET {path} HTTP/1.1\r\nhost: {url[7:]}\r\nauthorization: Bearer stolen\r\n{more}\r\n"
        status, fields, _ = await raw(url, head.encode())
        assert (status, fields["msingi-problem"]) == (401, "exchange.signature-refused")


class Sized:
    """A body that never ends, or one of a size."""

    def __init__(self, size=None):
        self.size = size

    async def __aiter__(self):
        sent = 0
        while self.size is None or sent < self.size:
            sent += 65_536
            yield bytes(65_536)


async def test_oversized_and_endless_bodies(stack, name, ctx_of):
    await acts.grant_right(stack, governor(ctx_of), places.right_order(endpoints=("GET /**", "POST /**")))
    declared = made(stack, name, method="POST", headers={"content-length": str(LIMITS.body_bytes + 1)})
    status, fields, _ = await raw(stack.settings.gateway_url, on_wire(declared))
    assert (status, fields["msingi-problem"]) == (413, "exchange.message-too-large")
    endless = on_wire(made(stack, name, method="POST", headers={"transfer-encoding": "chunked"}))
    host, _, port = stack.settings.gateway_url[7:].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    told = asyncio.create_task(reader.read(4096))
    writer.write(endless)
    sent_bytes = 0
    try:
        async with asyncio.timeout(10):
            while sent_bytes < 50 * LIMITS.body_bytes:
                writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
                sent_bytes += 65_536
                await writer.drain()
    except ConnectionError:
        pass
    assert sent_bytes < 20 * LIMITS.body_bytes  # it was cut off, and told why
    answer = await told
    assert b" 413 " in answer.split(b"\r\n")[0] and b"exchange.message-too-large" in answer
    writer.close()
    assert (await sent(stack, made(stack, name)))[0] == 200


async def test_an_unsigned_body_is_not_even_read(stack, name):
    one = on_wire(made(stack, name, method="POST", headers={"content-length": "1000000"}), signature="")
    status, fields, _ = await raw(stack.settings.gateway_url, one)  # it does not wait for the body
    assert (status, fields["connection"]) == (401, "close")


async def test_slow_clients_lose_their_connection_and_nobody_waits_for_them(stack, name):
    host, _, port = stack.settings.gateway_url[7:].partition(":")
    slow_head = await asyncio.open_connection(host, int(port))
    slow_head[1].write(b"GET /r1/XT HTTP/1.1\r\nhost: a\r\n")
    slow_body = await asyncio.open_connection(host, int(port))
    slow_body[1].write(on_wire(made(stack, name, method="POST", headers={"content-length": "1000"})) + b"abc")
    began = monotonic()
    assert (await sent(stack, made(stack, name)))[0] == 200 and monotonic() - began < 2
    async with asyncio.timeout(60):
        assert await slow_head[0].read(100) == b""
        told = await slow_body[0].read(4096)
    assert b" 408 " in told.split(b"\r\n")[0] and b"exchange.too-slow" in told
    for _, writer in (slow_head, slow_body):
        writer.close()


async def test_too_many_connections_are_told_so(stack, name):
    host, _, port = stack.settings.gateway_url[7:].partition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(LIMITS.connections)]
    status, _, _ = await raw(stack.settings.gateway_url, on_wire(made(stack, name)))
    assert status == 503
    for _, writer in held:
        writer.close()
    await asyncio.sleep(0.1)
    assert (await sent(stack, made(stack, name)))[0] == 200


@pytest.mark.parametrize(
    "line",
    [
        b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /r1/" + b"a" * 40_000,
        b"GET /r1/x HTTP/1.1\r\n" + b"".join(b"h%d: v\r\n" % n for n in range(200)) + b"\r\n",
        b"POST /r1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /r1/x HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"GET /r1/x HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n", b"GET /r1/x HTTP/1.1\r\nhost : a\r\n\r\n",
    ],
    ids=["version", "tls", "long", "many", "smuggled", "two-lengths", "folded", "blank"],
)  # fmt: skip
async def test_what_is_not_http_is_refused(stack, name, line):
    status, _, _ = await raw(stack.settings.gateway_url, line)
    assert status in (0, 400)


def certificate(jwk, first, last):
    """A self-signed certificate of an institution's own key."""
    key = client.private_key(jwk)
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hospitali")])
    return x509.CertificateBuilder(named, named, key.public_key(), 7, first, last).sign(key, None)


def shown(found, *, as_nginx):
    if as_nginx:
        return quote(found.public_bytes(Encoding.PEM).decode(), safe="")
    return f":{base64.b64encode(found.public_bytes(Encoding.DER)).decode()}:"


async def test_client_certificates_are_bound_to_registered_keys(stack, name):
    now = clock.now()
    hour = timedelta(hours=1)
    before = stack.settings
    try:
        stack.settings = replace(before, gateway_mtls=True)
        one = made(stack, name)
        assert (await sent(stack, one))[1] == "exchange.signature-refused"  # none was shown
        for as_nginx in (True, False):
            good = shown(certificate(KEYS[HOSPITAL], now - hour, now + hour), as_nginx=as_nginx)
            assert (await sent(stack, made(stack, name), client_cert=good))[0] == 200
        for wrong in (
            certificate(KEYS[HOSPITAL], now - 2 * hour, now - hour),
            certificate(KEYS[HOSPITAL], now + hour, now + 2 * hour),
            certificate(KEYS[BANK], now - hour, now + hour), certificate(client.new_key(), now - hour, now + hour),
        ):  # fmt: skip
            told = await sent(stack, made(stack, name), client_cert=shown(wrong, as_nginx=True))
            assert told[:2] == (401, "exchange.signature-refused")
        assert (await sent(stack, made(stack, name), client_cert="rubbish"))[1] == "exchange.signature-refused"
    finally:
        stack.settings = before


async def test_only_a_trusted_proxy_says_which_certificate_was_shown(stack, name):
    now, hour = clock.now(), timedelta(hours=1)
    good = shown(certificate(KEYS[HOSPITAL], now - hour, now + hour), as_nginx=True)
    before = stack.settings
    stack.settings = replace(before, trusted_proxies="")
    try:
        async with serving.listening(stack) as server:
            server.trusted = frozenset()
            told = await sent(stack, made(stack, name), client_cert=good)
            assert told[:2] == (400, "exchange.bad-call")
    finally:
        stack.settings = before
