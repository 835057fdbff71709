"""Mutual TLS of the exchange: whom the handshake lets in, whom a message refuses, and what a proxy may say."""

import asyncio
import base64
import json
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace
from tests.exchange import places, serving
from tests.exchange.places import BANK, HOSPITAL, KEYS, governor, right_order
from tests.running import free_port

from msingi.cli import cli
from msingi.exchange import acts, certificates, client, doorway, mutual, registry, server
from msingi.exchange.model import KeyOrder, Offer, SubsystemId
from msingi.kernel import clock
from msingi.kernel.context import job_context

WEATHER, DISTANT = "XT/GOV/rita/identity/weather", "XT/GOV/rita/identity/distant"
DAY = timedelta(days=1)


def pem(key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def self_signed(folder: Path, name: str = "localhost") -> Path:
    """A server's certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder(named, named, key.public_key(), 1, clock.now() - DAY, clock.now() + DAY)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    made = made.add_extension(x509.BasicConstraints(True, None), True).sign(key, SHA256())
    (folder / "server.pem").write_bytes(made.public_bytes(Encoding.PEM) + pem(key))
    return folder / "server.pem"


class Held:
    """A certificate that a client holds: by `jwk`, for a fresh P-256 key, valid around `at`."""

    def __init__(self, folder: Path, jwk, *, claims="", at=None, name="held", own=False) -> None:
        private = client.private_key(jwk)
        key = private if own else ec.generate_private_key(ec.SECP256R1())
        self.der = certificates.issued(
            claims or jwk["kid"], private.sign, "hospitali", key.public_key(), at or clock.now(), 1
        )  # fmt: skip
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificates.as_pem(self.der) + pem(key))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module", autouse=True)
async def place(stack, ctx_of, folder):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    setup = job_context("setup")
    for subsystem in (HOSPITAL, BANK):
        right = {"purpose": "statistics", "basis": "public-task", "fields": ("sky",)}
        await acts.grant_right(stack, setup, replace(right_order(subsystem, **right), service="weather"))
    yield self_signed(folder)
    registry._offered.clear()
    registry._offered.update(kept)


@asynccontextmanager
async def listening(stack, place, *, required=True):
    """The exchange's server, which ends TLS itself."""
    port, before = free_port(), stack.settings
    stack.settings = replace(
        before, gateway_url=f"https://localhost:{port}", gateway_mtls=required, trusted_proxies="127.0.0.1",
        gateway_certificate=str(place),
    )  # fmt: skip
    made = server.Server(stack)
    try:
        await made.start(host="127.0.0.1", port=port, doorway=doorway.doorway(stack))
        yield made
    finally:
        await made.stop(0.5)
        stack.settings = before


def asked(stack, subsystem=HOSPITAL, key=None, service=WEATHER, **headers):
    return client.prepare(
        stack.settings.gateway_url, "XT/" + subsystem, key or KEYS[subsystem], client.service_path(service),
        headers={"msingi-purpose": "statistics"} | {n.replace("_", "-"): v for n, v in headers.items()},
    )  # fmt: skip


class Connection:
    """One TLS connection of a client with its certificate."""

    async def open(self, stack, place, held):
        context = mutual.holding(None if held is None else held.file, None, place)
        port = int(stack.settings.gateway_url.rpartition(":")[2])
        self.reader, self.writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="localhost"
        )
        return self

    async def send(self, prepared) -> tuple[int, str]:
        """Status and problem of the answer; raises ssl.SSLError or OSError where there is no connection."""
        self.writer.write(serving.on_wire(prepared))
        head = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)).decode("latin-1").split("\r\n")
        fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        await self.reader.readexactly(int(fields.get("content-length", "0")))
        return int(head[0].split(" ")[1]), fields.get("msingi-problem", "")


async def sent(stack, place, held, prepared) -> tuple[int, str]:
    try:
        opened = await Connection().open(stack, place, held)
    except (OSError, EOFError) as no:
        return 0, str(no)
    try:
        return await opened.send(prepared)
    except (OSError, EOFError) as no:  # a client of TLS 1.3 hears of it when it reads
        return 0, str(no)
    finally:
        opened.writer.close()


async def test_a_certificate_that_the_registered_key_signed_is_let_in(stack, place, folder):
    async with listening(stack, place):
        for held in (Held(folder, KEYS[HOSPITAL]), Held(folder, KEYS[HOSPITAL], own=True)):
            assert await sent(stack, place, held, asked(stack)) == (200, "")
        tls = mutual.holding(held.file, None, place)
        answer = await client.send(asked(stack), stack.keys.public("exchange"), tls)
        assert answer.json == {"sky": "clear"}


async def by_curl(place, held, prepared) -> tuple[str, str]:
    """What curl gets, and what it says of the handshake."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    command = ["curl", "-sS", "--cacert", str(place), prepared.url]
    command += [] if held is None else ["--cert", str(held.file)]
    for name, value in prepared.headers.items():
        command += ["-H", f"{name}: {value}"]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=20, text=True)
    return done.stdout, done.stderr


async def test_curl_is_let_in_with_the_same_files(stack, place, folder):
    async with listening(stack, place):
        found = await by_curl(place, Held(folder, KEYS[HOSPITAL], name="curl"), asked(stack))
        assert found == ('{"sky":"clear"}', "")


@pytest.mark.parametrize(
    ("wrong", "alert"),
    [
        ("none", "certificate required"), ("expired", "certificate expired"), ("early", "bad certificate"),
        ("unknown", "unknown ca"), ("forged", "decrypt error"), ("self-signed", "unknown ca"), ("chain", "unknown ca"),
    ],
)  # fmt: skip
async def test_who_has_no_right_certificate_does_not_get_through_the_handshake(stack, place, folder, wrong, alert):
    stranger, now = client.new_key(), clock.now()
    held = {
        "none": lambda: None,
        "expired": lambda: Held(folder, KEYS[HOSPITAL], at=now - 2 * DAY),
        "early": lambda: Held(folder, KEYS[HOSPITAL], at=now + DAY),
        "unknown": lambda: Held(folder, stranger),
        "forged": lambda: Held(folder, stranger, claims=KEYS[HOSPITAL]["kid"]),
        "self-signed": lambda: _named(folder, place),
        "chain": lambda: _chained(folder),
    }[wrong]()
    async with listening(stack, place):
        assert (await sent(stack, place, held, asked(stack)))[0] == 0
        told, why = await by_curl(place, held, asked(stack))
        assert not told and f"alert {alert}" in why
        good = Held(folder, KEYS[HOSPITAL], name="good")
        assert await sent(stack, place, good, asked(stack)) == (200, "")


def _named(folder, place):
    """The server's own certificate, shown by a client."""
    held = Held(folder, client.new_key(), name="named")
    held.file.write_bytes(place.read_bytes())
    return held


def _chained(folder):
    """A certificate signed by a certificate that the registered key signed: only the key itself may sign."""
    between = Held(folder, KEYS[HOSPITAL], name="between", own=True)
    other = client.new_key()
    middle = client.private_key(other)
    der = certificates.issued(
        KEYS[HOSPITAL]["kid"], client.private_key(KEYS[HOSPITAL]).sign, other["kid"], middle.public_key(),
        clock.now(), 1,
    )  # fmt: skip
    last = Held(folder, other, name="last")
    last.file.write_bytes(last.file.read_bytes() + certificates.as_pem(der) + certificates.as_pem(between.der))
    return last


async def test_the_certificate_of_another_member_does_not_help(stack, place, folder):
    async with listening(stack, place):
        told = await sent(stack, place, Held(folder, KEYS[BANK], name="bank"), asked(stack))
        assert told == (401, "exchange.signature-refused")


async def test_the_header_counts_for_nothing_where_tls_ends_here(stack, place, folder):
    bank, hospital = Held(folder, KEYS[BANK], name="bank"), Held(folder, KEYS[HOSPITAL], name="hospital")
    header = f":{base64.b64encode(hospital.der).decode()}:"
    async with listening(stack, place):
        for held in (bank, hospital):
            told = await sent(stack, place, held, asked(stack, client_cert=header))
            assert told == (400, "exchange.bad-call")
    async with listening(stack, place, required=False):  # nor where no certificate was shown at all
        assert await sent(stack, place, None, asked(stack, client_cert=header)) == (400, "exchange.bad-call")


async def test_asked_for_but_not_required(stack, place, folder):
    async with listening(stack, place, required=False):
        assert await sent(stack, place, None, asked(stack)) == (200, "")
        assert await sent(stack, place, Held(folder, KEYS[HOSPITAL]), asked(stack)) == (200, "")
        expired = Held(folder, KEYS[HOSPITAL], at=clock.now() - 2 * DAY)
        assert (await sent(stack, place, expired, asked(stack)))[0] == 0


async def test_a_new_key_is_let_in_and_a_stopped_one_is_refused_at_once_even_on_an_open_connection(
    stack, place, folder, ctx_of
):
    extra = client.new_key()
    held = Held(folder, extra, name="extra")
    async with listening(stack, place) as running:
        assert (await sent(stack, place, held, asked(stack)))[0] == 0
        await acts.add_key(stack, governor(ctx_of), KeyOrder(SubsystemId(HOSPITAL), client.public_part(extra)))
        await running.doorway.refresh()
        opened = await Connection().open(stack, place, held)
        assert await opened.send(asked(stack)) == (200, "")
        await acts.stop_key(stack, governor(ctx_of), extra["kid"])
        assert await opened.send(asked(stack)) == (403, "exchange.not-standing")  # signed by another, active key
        opened.writer.close()
        await running.doorway.refresh()
        assert (await sent(stack, place, held, asked(stack)))[0] == 0
        assert await sent(stack, place, Held(folder, KEYS[HOSPITAL]), asked(stack)) == (200, "")


async def test_a_renewed_server_certificate_is_taken_without_a_restart(stack, folder, tmp_path):
    first = self_signed(tmp_path)
    held = Held(folder, KEYS[HOSPITAL])
    async with listening(stack, first) as running:
        old = tmp_path / "old.pem"
        shutil.copy(first, old)
        self_signed(tmp_path)
        await running.doorway.refresh()
        assert await sent(stack, first, held, asked(stack)) == (200, "")
        assert (await sent(stack, old, held, asked(stack)))[0] == 0  # whoever trusts the old one alone is not served


async def test_who_never_ends_the_handshake_loses_the_connection(stack, place, folder, monkeypatch):
    monkeypatch.setattr(server, "HANDSHAKE_S", 0.3)
    async with listening(stack, place):
        port = int(stack.settings.gateway_url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await sent(stack, place, Held(folder, KEYS[HOSPITAL]), asked(stack)) == (200, "")
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


async def test_a_service_can_ask_the_exchange_for_its_certificate(stack, place, folder, ctx_of, monkeypatch):
    authority = folder / "authority.pem"
    authority.write_bytes(mutual.authorities(stack))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(place)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(authority)
    seen = []

    async def answer(reader, writer):
        seen.append(writer.get_extra_info("peercert"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"sky":"far"}')

    monkeypatch.setenv("SSL_CERT_FILE", str(place))
    stack.local.pop("exchange.outward", None)
    listener = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    offer = Offer(
        "distant", places.OWNER, {"en": "Distant"}, fields=("sky",), purposes=("statistics",), bases=("public-task",),
        needs_consent=False, about_person=False, openapi={"openapi": "3.1.0"}, url=f"https://localhost:{port}",
    )  # fmt: skip
    await acts.publish_offer(stack, job_context("setup"), offer)
    right = {"purpose": "statistics", "basis": "public-task", "fields": ("sky",)}
    await acts.grant_right(stack, governor(ctx_of), replace(right_order(**right), service="distant"))
    async with listening(stack, place), listener:
        told = await sent(stack, place, Held(folder, KEYS[HOSPITAL]), asked(stack, service=DISTANT))
    assert told == (200, "") and seen[0]["issuer"] == ((("commonName", stack.keys.signer("exchange").kid),),)


async def test_an_institution_makes_its_certificate_and_asks_with_it(stack, place, tmp_path, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(place))

    async def msingi(*args: str):
        done = await asyncio.to_thread(CliRunner().invoke, cli, ["join", *args, "--folder", str(tmp_path)])
        return done.exit_code, done.output

    async with listening(stack, place):
        known = {"exchange": "http://127.0.0.1:9", "client": "XT/" + HOSPITAL, "key": KEYS[HOSPITAL],
                 "exchange_keys": stack.keys.public("exchange")}  # fmt: skip
        (tmp_path / "exchange.json").write_text(json.dumps(known))
        ask, there = ("ask", WEATHER, "--purpose", "statistics"), ("address", stack.settings.gateway_url)
        for command in (ask, there):  # the exchange has moved to a gateway: no certificate, no connection
            code, words = await msingi(*command)
            assert code == 1 and "does not answer" in words
        assert (await msingi("certificate", "--days", "7"))[0] == 0
        assert all((tmp_path / name).stat().st_mode & 0o077 == 0 for name in ("tls.pem", "tls-key.pem"))
        assert (await msingi(*there))[0] == 0
        assert await msingi(*ask) == (0, '{"sky":"clear"}\n')
        others = known | {"exchange_keys": [client.public_part(client.new_key()) | {"kid": "other"}]}
        (tmp_path / "exchange.json").write_text(json.dumps(others))
        assert (await msingi(*there))[0] == 1  # what answers there does not sign with the exchange's keys
        assert json.loads((tmp_path / "exchange.json").read_text()) == others


PROXY = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl; ssl_certificate {server}; ssl_certificate_key {server}; ssl_protocols TLSv1.3;
    ssl_verify_client optional_no_ca;
    location / {{
      proxy_pass http://unix:{folder}/gateway.sock; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $http_host; proxy_set_header Client-Cert $ssl_client_escaped_cert;
    }}
  }}
}}
"""


@pytest.fixture
async def proxied(stack, place, tmp_path):
    """nginx before the gateway's socket, as the how-to sets it up."""
    if not shutil.which("nginx"):
        pytest.skip("nginx is not installed")
    tmp_path.chmod(0o711)
    port, before = free_port(), stack.settings
    stack.settings = replace(
        before, gateway_url=f"https://localhost:{port}", gateway_mtls=True, trusted_proxies="unix:"
    )
    (tmp_path / "nginx.conf").write_text(PROXY.format(folder=tmp_path, port=port, server=place))
    running = server.Server(stack)
    await running.start(path=str(tmp_path / "gateway.sock"))
    (tmp_path / "gateway.sock").chmod(0o777)
    for above in tmp_path.parents[:3]:
        if above.stat().st_uid == place.stat().st_uid:
            above.chmod(above.stat().st_mode | 0o111)
    nginx = subprocess.Popen(["nginx", "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
    for _ in range(100):
        await asyncio.sleep(0.05)
        if (tmp_path / "nginx.pid").exists():
            break
    yield running
    nginx.terminate()
    nginx.wait()
    await running.stop(0.5)
    stack.settings = before


async def test_behind_nginx_its_word_counts_and_nobody_elses(stack, place, folder, proxied):
    hospital = Held(folder, KEYS[HOSPITAL], name="hospital")
    assert await sent(stack, place, hospital, asked(stack)) == (200, "")
    forged = quote(certificates.as_pem(hospital.der).decode(), safe="")
    for name, held in {
        "none": None, "other": Held(folder, KEYS[BANK], name="bank"), "unknown": Held(folder, client.new_key()),
        "expired": Held(folder, KEYS[HOSPITAL], at=clock.now() - 2 * DAY, name="expired"),
        "impostor": Held(folder, client.new_key(), claims=KEYS[HOSPITAL]["kid"], name="impostor"),
    }.items():  # fmt: skip
        for header in ({}, {"client_cert": forged}):  # nginx sets the header anew, whatever a client sends
            told = await sent(stack, place, held, asked(stack, **header))
            # optional_no_ca lets expired and unknown ones through the handshake: the exchange refuses them
            assert told[0] in (400, 401), (name, told)
