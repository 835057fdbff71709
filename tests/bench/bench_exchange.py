"""How fast the exchange decides and answers: `python tests/bench/bench_exchange.py [--messages N] [--connections C]`.

`msingi gateway` runs as it does for a country: its own process, every message verified, decided on a right and a live
consent, recorded durably before the service is asked, forwarded to the institution's HTTP server, filtered, and the
answer signed. The yardstick is nginx as a TLS reverse proxy before the same server, and the raw cost of one Ed25519
verification and signature, in the same run. The steps of a message are timed one by one, too, in this process.

`--flat` prints the memory of the gateway while the messages pass, twenty times in all: it is to stay flat. It needs
nobody beside it, and runs for as long as it takes:
`nice -n 19 python tests/bench/bench_exchange.py --flat --messages 1000000`.
"""

import argparse
import asyncio
import json
import logging
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from msgspec.structs import replace
from nacl.bindings import crypto_sign_open
from tests.bench import exchange_steps
from tests.consent.people import agreement_order, newborn
from tests.exchange import places
from tests.exchange.places import HOSPITAL, KEYS, SERVICE
from tests.running import ROOT, Running, free_port

from msingi import app, countries
from msingi.consent import acts as consents
from msingi.consent.model import GrantOrder
from msingi.exchange import acts, client, registry
from msingi.kernel import clock
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

PEOPLE = 200
FLAT_PART = 2_000  # signed at a time: a signature counts for minutes
ANSWER = json.dumps(
    {"name": {"given": "Asha", "family": "Mrisho"}, "birth_date": "1990-02-03", "phone": "+255700000001"}
    | {"address": "x" * 280}
)
CONF = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 10000000;
  ssl_certificate {folder}/c.pem; ssl_certificate_key {folder}/k.pem;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
  upstream service {{ server 127.0.0.1:{service}; keepalive 64; keepalive_requests 10000000; }}
  upstream gateway {{ server 127.0.0.1:{gateway}; keepalive 64; keepalive_requests 10000000; }}
  server {{ listen 127.0.0.1:{service}; location / {{ default_type application/json; return 200 '{answer}'; }} }}
  server {{ listen 127.0.0.1:{plain} ssl; location / {{ proxy_pass http://service; }} }}
  server {{ listen 127.0.0.1:{tls} ssl; location / {{ proxy_pass http://gateway; }} }}
}}
"""


def certificate(folder: Path) -> ssl.SSLContext:
    """A certificate for this machine, and a context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, clock.now(), clock.now().replace(year=2099))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False).sign(key, SHA256())
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    raw = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "k.pem").write_bytes(raw)
    return ssl.create_default_context(cafile=str(folder / "c.pem"))


async def prepared_stack(stack: Stack, owner_url: str, service_port: int) -> list[str]:
    """One hospital with a right to a service at an address, and people who consented; their names at the hospital."""
    places.offer_services()
    offer, _ = registry._offered["person"]
    registry._offered["person"] = (replace(offer, url=f"http://127.0.0.1:{service_port}"), places.person_fields)
    await acts.publish_registered(stack)
    setup = job_context("setup")
    await acts.join_institution(stack, setup, places.join_order(HOSPITAL))
    await acts.approve(stack, setup, "hospitali")
    await acts.grant_right(stack, setup, places.right_order())
    agreed = await consents.publish_agreement(stack, job_context("setup", "consent-management"), agreement_order())
    names = []
    for _ in range(PEOPLE):
        person = await newborn(stack, owner_url)
        me = Context(Actor(Kind.PERSON, str(person), assurance=2), "consent-management", "consent", "b", setup.at)
        await consents.grant(stack, me, person, GrantOrder(agreed.order.agreement, 1))
        names.append(stack.pseudonym.of("hospitali", person))
    return names


def as_bytes(base_url: str, name: str) -> bytes:
    """One signed request, as it goes over the wire."""
    made = client.prepare(
        base_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], client.service_path(SERVICE, name),
        headers={"msingi-purpose": "health-care"},
    )  # fmt: skip
    head = "".join(f"{field}: {value}\r\n" for field, value in made.message.fields.items())
    return f"GET {made.message.path} HTTP/1.1\r\n{head}\r\n".encode()


class Desk(asyncio.Protocol):
    """One connection that sends requests one after the other, and takes the time of each."""

    def __init__(self, requests: list[bytes], took_ms: list[float], done: "asyncio.Future[None]") -> None:
        self.requests, self.took_ms, self.done = requests, took_ms, done
        self.got = b""

    def connection_made(self, transport: Any) -> None:
        """Begin."""
        self.transport = transport
        self.send()

    def send(self) -> None:
        """The next request, or the end."""
        if self.requests:
            self.began = time.perf_counter()
            self.transport.write(self.requests.pop())
        elif not self.done.done():
            self.done.set_result(None)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """An answer, or a part of it."""
        self.got += data
        head, found, body = self.got.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self.took_ms.append((time.perf_counter() - self.began) * 1e3)
        if b" 200 " not in head[:20]:
            self.done.set_exception(SystemExit(f"refused: {self.got!r}"))
            return
        self.got = b""
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side ended it."""
        if not self.done.done():
            self.done.set_exception(SystemExit("the connection was closed"))


async def sent(port: int, requests: list[bytes], connections: int, tls: ssl.SSLContext | None) -> list[float]:
    """Send all requests over some connections; how long each took, in milliseconds."""
    loop, took_ms = asyncio.get_running_loop(), list[float]()
    ends = []
    for _ in range(connections):
        ends.append(loop.create_future())
        made = Desk(requests, took_ms, ends[-1])
        await loop.create_connection(
            lambda made=made: made, "127.0.0.1", port, ssl=tls, server_hostname="localhost" if tls else None
        )
    await asyncio.gather(*ends)
    return sorted(took_ms)


def cpu_of(processes: list[psutil.Process]) -> float:
    """CPU seconds that processes have used."""
    total = 0.0
    for one in processes:
        try:
            times = one.cpu_times()
            total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


class Bench:
    """What is measured, and the processes whose CPU counts."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.postmaster = psutil.Process(server._server.get_postmaster_info().pid)
        self.others: dict[str, list[psutil.Process]] = {}
        self.gateway_us = 0.0

    def counted(self) -> dict[str, list[psutil.Process]]:
        """Processes by name; the database with all that it started."""
        return {**self.others, "PostgreSQL": [self.postmaster, *self.postmaster.children()]}

    async def measure(
        self, what: str, port: int, requests: list[bytes], connections: int, tls: ssl.SSLContext | None = None
    ) -> tuple[float, float, float]:
        """Send, print, and give messages a second, the median in milliseconds, and CPU microseconds a message."""
        warm = [requests.pop() for _ in range(min(200, len(requests) // 4))]
        await sent(port, warm, connections, tls)
        count, counted = len(requests), self.counted()
        before = {name: cpu_of(those) for name, those in counted.items()}
        began = time.perf_counter()
        took_ms = await sent(port, requests, connections, tls)
        wall = time.perf_counter() - began
        cpu = {name: (cpu_of(those) - before[name]) / count * 1e6 for name, those in counted.items()}
        told = ", ".join(f"{name} {us:.0f}" for name, us in cpu.items() if us >= 1)
        print(
            f"{what:38} {connections:3} connections {count / wall:7.0f}/s   p50 {statistics.median(took_ms):6.2f} ms"
            f"   p99 {took_ms[int(count * 0.99)]:6.2f} ms   CPU us a message: {told}"
        )
        self.gateway_us = cpu.get("gateway", 0)
        return count / wall, statistics.median(took_ms), self.gateway_us + cpu.get("PostgreSQL", 0)


def raw_cost() -> tuple[float, float]:
    """CPU microseconds of one Ed25519 verification and one signature of 600 bytes on this machine, now."""
    key, text = client.private_key(client.new_key()), b"x" * 600
    signed, public = key.sign(text) + text, key.public_key().public_bytes_raw()
    rounds = 1_000
    began = time.process_time()
    for _ in range(rounds):
        crypto_sign_open(signed, public)
    between = time.process_time()
    for _ in range(rounds):
        key.sign(text)
    return (between - began) / rounds * 1e6, (time.process_time() - between) / rounds * 1e6


def started(home: Path, port: int) -> subprocess.Popen[bytes]:
    """`msingi gateway`, ready."""
    command = [sys.executable, "-m", "msingi", "gateway", "--home", str(home), "--port", str(port)]
    env = Running(home, 0).env() | {"MSINGI_BASE_URL": "http://127.0.0.1"}
    gateway = subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE)
    assert gateway.stderr is not None and b"answered" in gateway.stderr.readline()
    return gateway


async def flat(bench: Bench, port: int, names: list[str], base_url: str, messages: int, connections: int) -> None:
    """The gateway's memory while it answers many messages, each signed shortly before it is sent."""
    process = bench.others["gateway"][0]
    step, first_bytes, took_ms = max(FLAT_PART, messages // 20), 0, list[float]()
    began = time.perf_counter()
    for done in range(0, messages, FLAT_PART):
        requests = [as_bytes(base_url, names[n % PEOPLE]) for n in range(done, min(done + FLAT_PART, messages))]
        took_ms += await sent(port, requests, connections, None)
        passed = min(done + FLAT_PART, messages)
        if passed // step == done // step and passed < messages:
            continue
        now_bytes = process.memory_info().rss
        first_bytes = first_bytes or now_bytes
        print(
            f"{passed:9} messages: {now_bytes / 1e6:6.1f} MB, {(now_bytes - first_bytes) / 1e6:+5.1f} MB since the "
            f"first line, {process.num_fds()} open files, p50 {statistics.median(took_ms):.1f} ms, "
            f"{len(took_ms) / (time.perf_counter() - began):.0f}/s with signing in between",
            flush=True,
        )
        took_ms, began = [], time.perf_counter()


async def main(messages: int, connections: int, *, only_flat: bool) -> None:
    """Prepare, measure, judge."""
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        home = folder / "home"
        home.mkdir(mode=0o711)
        server = EmbeddedServer(home / "pg")
        await migrate(server.url)
        settings = Settings(home=home, base_url="http://127.0.0.1", sandbox=True)
        stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
        app.load_policies()
        ports = {name: free_port() for name in ("service", "gateway", "plain", "tls")}
        names = await prepared_stack(stack, server.url, ports["service"])
        base_url = f"http://127.0.0.1:{ports['gateway']}"
        tls = certificate(folder)
        (folder / "nginx.conf").write_text(CONF.format(folder=folder, answer=ANSWER, **ports))
        if not shutil.which("nginx"):
            raise SystemExit("nginx is not installed: it is the yardstick (apt-get install nginx-light)")
        nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")])
        bench = Bench(server)
        gateway: subprocess.Popen[bytes] | None = None

        def requests(count: int) -> list[bytes]:
            return [as_bytes(base_url, names[n % PEOPLE]) for n in range(count)]

        try:
            gateway = started(home, ports["gateway"])
            bench.others = {
                "gateway": [psutil.Process(gateway.pid)],
                "nginx": [psutil.Process(nginx.pid), *psutil.Process(nginx.pid).children()],
            }
            verify_us, sign_us = raw_cost()
            print(
                f"raw Ed25519: verify {verify_us:.0f} us, sign {sign_us:.0f} us, together {verify_us + sign_us:.0f} us"
            )
            if only_flat:
                return await flat(bench, ports["gateway"], names, base_url, messages, connections)
            rss = bench.others["gateway"][0].memory_info().rss
            few = max(400, messages // 5)
            _, nginx_ms, _ = await bench.measure("nginx TLS proxy", ports["plain"], requests(few), 1, tls)
            await bench.measure("nginx TLS proxy", ports["plain"], requests(messages), connections, tls)
            await bench.measure("gateway, durable", ports["gateway"], requests(few), 1)
            rate, p50, cpu = await bench.measure("gateway, durable", ports["gateway"], requests(messages), connections)
            stack.settings = replace(stack.settings, gateway_url=base_url)
            steps = await exchange_steps.measured(
                stack, requests(512 + PEOPLE), ANSWER.encode(), connections, warm=PEOPLE
            )
            exchange_steps.told(steps, bench.gateway_us)
            await bench.measure("nginx TLS -> gateway, durable", ports["tls"], requests(messages), connections, tls)
            grown = bench.others["gateway"][0].memory_info().rss
            conn = await asyncpg.connect(server.url)
            await conn.execute("ALTER ROLE msingi_app SET synchronous_commit = off")
            await conn.close()
            gateway.terminate()
            gateway.wait()
            gateway = started(home, ports["gateway"])
            bench.others["gateway"] = [psutil.Process(gateway.pid)]
            _, quick_ms, _ = await bench.measure("gateway, disk not waited for", ports["gateway"], requests(few), 1)
        finally:
            for child in (gateway, nginx):
                if child is not None:
                    child.terminate()
                    child.wait()
            await stack.close()
            server.stop()
        judged(rate, p50, cpu, quick_ms - nginx_ms, rss, grown)


def judged(rate: float, p50: float, cpu: float, added_ms: float, rss: int, grown: int) -> None:
    """Say which goals were reached."""
    for what, found, reached in (
        ("rate at 16 connections >= 1500/s", f"{rate:.0f}/s", rate >= 1_500),
        ("p50 at 16 connections <= 10 ms", f"{p50:.2f} ms", p50 <= 10),
        ("added to nginx at one connection, disk not waited for <= 0.5 ms", f"{added_ms:.2f} ms", added_ms <= 0.5),
        ("CPU a message, gateway and database <= 200 us", f"{cpu:.0f} us", cpu <= 200),
        ("memory of the gateway <= 150 MB", f"{rss / 1e6:.0f} MB, then {grown / 1e6:.0f} MB", grown <= 150e6),
    ):
        print(f"goal {what}: {found}: {'reached' if reached else 'not reached'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=6_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--flat", action="store_true")
    chosen = parser.parse_args()
    uvloop.run(main(chosen.messages, chosen.connections, only_flat=chosen.flat))
