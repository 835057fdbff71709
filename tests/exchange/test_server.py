"""The exchange's own server before an institution's HTTP service: what passes, what is filtered, what is streamed."""

import hashlib
import os
from uuid import uuid4

import psutil
import pytest
from tests.consent.people import newborn
from tests.exchange import places, serving
from tests.exchange.places import HOSPITAL, KEYS, governor, right_order
from tests.exchange.serving import BIG, on_wire, raw

from msingi.exchange import acts, client, registry, signature
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.model import Check, Offer, Question
from msingi.kernel.context import job_context

SERVICE, DOCUMENT = "XT/GOV/rita/identity/clinic-record", "XT/GOV/rita/identity/clinic-scan"


@pytest.fixture(scope="module", autouse=True)
async def place(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    async with serving.institution() as behind, serving.listening(stack):
        url = f"http://127.0.0.1:{behind.port}/api"
        fields = ("name.given", "name.family", "region", "visits.day", "hiv")
        about = {"title": {"en": "Record"}, "purposes": ("health-care",), "bases": ("vital-interest",)}
        rest = {"needs_consent": False, "about_person": True, "openapi": {"openapi": "3.1.0"}, "url": url}
        questions = {
            "over-18": Question("birth_date", Check.AGE_AT_LEAST, 18),
            "lives-in": Question("region", Check.EQUALS, asked=True),
        }
        setup = job_context("setup")
        await acts.publish_offer(
            stack, setup, Offer("clinic-record", places.OWNER, fields=fields, questions=questions, **about, **rest)
        )
        await acts.publish_offer(
            stack, setup, Offer("clinic-scan", places.OWNER, fields=("scan",), document="scan", **about, **rest)
        )
        granted = ("name.given", "visits.day", "over-18", "lives-in")
        endpoints = ("GET /**", "POST /**")
        for service, names in (("clinic-record", granted), ("clinic-scan", ("scan",))):
            order = right_order(basis="vital-interest", fields=names, endpoints=endpoints)
            await acts.grant_right(stack, governor(ctx_of), _of(order, service))
        yield behind
    registry._offered.clear()
    registry._offered.update(kept)


def _of(order, service):
    from msgspec.structs import replace

    return replace(order, service=service)


@pytest.fixture
async def name(stack, owner_url):
    return stack.pseudonym.of("hospitali", await newborn(stack, owner_url))


def prepared(stack, name, rest="", service=SERVICE, **more):
    headers = {"msingi-purpose": "health-care"} | more.pop("headers", {})
    return client.prepare(
        stack.settings.gateway_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], client.service_path(service, name, rest),
        headers=headers, **more,
    )  # fmt: skip


async def ask(stack, made, body=None):
    taken = bytearray()
    told = await client.download(made, stack.keys.public("exchange"), taken.extend, body)
    return told, bytes(taken)


async def test_an_institutions_own_service_answers_and_only_granted_fields_leave(stack, place, name):
    told, body = await ask(stack, prepared(stack, name, query="since=2026"))
    assert told.status == 200 and told.record
    assert body == b'{"name":{"given":"Asha"},"visits":[{"day":"2026-01-02"},{"day":"2026-03-04"}],"over-18":true}'
    told, body = await ask(stack, prepared(stack, name, "list"))
    assert b"never" not in body and body.count(b"over-18") == 2


async def test_the_service_learns_who_asks_and_knows_the_person_by_its_own_name(stack, place, name):
    user = {"x-road-userid": "TZ1", "x-custom": "kept", "connection": "keep-alive, x-hop", "x-hop": "1"}
    made = prepared(stack, name, "a%20b", query="since=2026", headers=user)
    await ask(stack, made)
    one = place.asked[-1]
    person = stack.pseudonym.person("hospitali", name)
    assert one["target"] == f"/api/{stack.pseudonym.of('rita', person)}/a%20b?since=2026"
    fields = one["fields"]
    assert fields["x-road-client"] == "XT/" + HOSPITAL and fields["x-road-service"] == SERVICE
    assert (fields["x-road-userid"], fields["x-custom"]) == ("TZ1", "kept") and "x-hop" not in fields
    assert fields["msingi-purpose"] == "health-care" and fields["msingi-basis"] == "vital-interest"
    assert fields["msingi-fields"] == "birth_date name.given visits.day" and "signature" not in fields
    assert fields["x-road-id"] == made.message.fields["x-road-id"]


async def test_yes_or_no_without_the_value(stack, place, name):
    async def said(fields):
        return (await ask(stack, prepared(stack, name, headers={"msingi-fields": fields})))[1]

    assert await said("over-18") == b'{"over-18":true}'
    assert await said("lives-in=dodoma") == b'{"lives-in":true}'
    assert await said("lives-in=Tanga over-18") == b'{"lives-in":false,"over-18":true}'
    for wrong, code in (("birth_date", "no-right"), ("region", "no-right"), ("lives-in", "bad-call"),
                        ("over-18=3", "bad-call"), ("lives-in=a lives-in=b", "bad-call")):  # fmt: skip
        told, _ = await ask(stack, prepared(stack, name, headers={"msingi-fields": wrong}))
        assert told.problem == "exchange." + code, wrong


async def test_what_a_service_says_wrong_does_not_leave(stack, place, name):
    told, body = await ask(stack, prepared(stack, name, "no"))
    assert told.status == 404 and b"Asha" not in body and b"No record" in body and not told.error
    for rest in ("html", "moved", "gone"):
        told, body = await ask(stack, prepared(stack, name, rest))
        assert told.status == 502 and told.problem == "exchange.service-failed" and b"Asha" not in body, rest
    status, fields, _ = await raw(stack.settings.gateway_url, on_wire(prepared(stack, name)))
    assert status == 200 and "set-cookie" not in fields and fields["etag"] == '"7"'


async def test_a_service_that_is_away_is_said_to_be(stack, name):
    stack.local["exchange.pools"].clear()
    offer = await acts.offer(stack, "clinic-record")
    from msgspec.structs import replace

    await acts.publish_offer(stack, job_context("setup"), replace(offer, url="http://127.0.0.1:1"))
    told, _ = await ask(stack, prepared(stack, name))
    assert (told.status, told.error) == (502, "Server.ServerProxy.NetworkError")
    await acts.publish_offer(stack, job_context("setup"), offer)
    assert (await ask(stack, prepared(stack, name)))[0].status == 200


class Slices:
    """A large body in pieces."""

    def __init__(self, pieces, size=None):
        self.pieces, self.size = pieces, size

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


@pytest.mark.parametrize("sized", [True, False])
async def test_a_large_body_is_passed_on_in_constant_memory(stack, place, name, sized):
    block = os.urandom(64 * 1024)
    digest = hashlib.sha256()
    for _ in range(BIG // len(block)):
        digest.update(block)
    import base64

    told = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    made = prepared(stack, name, "scan", method="POST", headers={"content-digest": told})
    before = psutil.Process().memory_info().rss
    pieces = (block for _ in range(BIG // len(block)))
    answer, _ = await ask(stack, made, Slices(pieces, BIG if sized else None))
    assert answer.status == 200 and place.asked[-1]["sha256"] == digest.hexdigest() and place.asked[-1]["size"] == BIG
    assert psutil.Process().memory_info().rss - before < BIG / 2


async def test_a_large_body_that_was_tampered_with_never_reaches_a_service_whole(stack, place, name):
    block = bytes(64 * 1024)
    told = signature.content_digest(b"another body")
    made = prepared(stack, name, "scan", method="POST", headers={"content-digest": told})
    answer, _ = await ask(stack, made, Slices([block] * 40, len(block) * 40))
    assert (answer.status, answer.problem) == (401, "exchange.signature-refused")
    assert not place.asked[-1]["whole"]


async def test_a_large_answer_is_streamed_and_signed_at_its_end(stack, place, name):
    size = [0]
    made = prepared(stack, name, "big", DOCUMENT)
    before = psutil.Process().memory_info().rss
    told = await client.download(
        made, stack.keys.public("exchange"), lambda chunk: size.__setitem__(0, size[0] + len(chunk))
    )
    assert told.status == 200 and told.media_type == "application/pdf" and size[0] == BIG
    assert psutil.Process().memory_info().rss - before < BIG / 2
    with pytest.raises(SignatureRefused):  # another exchange's key
        await client.download(prepared(stack, name, "big", DOCUMENT), [client.new_key()], lambda chunk: None)


async def test_a_digest_that_the_service_told_is_signed_at_once_and_checked(stack, place, name):
    told, body = await ask(stack, prepared(stack, name, "told", DOCUMENT))
    assert told.status == 200 and len(body) == 2 * 1024 * 1024
    with pytest.raises(Exception, match="middle of its answer"):
        await ask(stack, prepared(stack, name, "lied", DOCUMENT))


async def test_several_messages_on_one_connection_come_back_in_order(stack, name):
    made = [prepared(stack, name, headers={"x-road-id": str(uuid4())}) for _ in range(5)]
    import asyncio

    host, _, port = stack.settings.gateway_url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"".join(on_wire(one) for one in made))
    for one in made:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        assert head.startswith("HTTP/1.1 200") and one.message.fields["x-road-id"] in head
        length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0])
        await reader.readexactly(length)
    writer.close()


async def test_many_at_once_share_a_transaction_and_each_has_its_leaf(stack, ctx_of, owner_url):
    import asyncio

    from tests.consent.people import oneself

    from msingi.consent import acts as consents

    people = [await newborn(stack, owner_url) for _ in range(8)]
    named = [stack.pseudonym.of("hospitali", one) for one in people]
    told = await asyncio.gather(*(ask(stack, prepared(stack, one)) for one in named for _ in range(3)))
    assert [one.status for one, _ in told] == [200] * 24 and len({one.record for one, _ in told}) == 24
    for number, person in enumerate(people):
        page = await consents.accesses(stack, oneself(ctx_of, person, "subject-access"), person)
        mine = {one.record for one, _ in told[number * 3 : number * 3 + 3]}
        assert {str(line.record_id) for line in page.items if line.act == "exchange.answered"} == mine


async def test_who_is_there_and_whether_it_lives(stack):
    import json

    url = stack.settings.gateway_url
    status, _, body = await raw(url, b"GET /listClients HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n\r\n")
    codes = {one["id"]["member_code"] for one in json.loads(body)["member"]}
    assert status == 200 and "hospitali" in codes
    assert (await raw(url, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 200
    assert (await raw(url, b"GET /v1/anything HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 404
