"""How fast people sign in, and questions are answered: `python tests/bench/bench_signin.py [--logins N] [--answers N]`.

One login is what a FAPI 2.0 client does for somebody who has a session: pushed request, authorize, token, userinfo;
with private_key_jwt, PKCE and DPoP, every step an act with durable leaves. The server is one process; the clients sign
in another, so the server's own CPU is told apart. The yardstick is the ES256 work that one login cannot do without.

One answer is a question of an institution over HTTP, with its access token and a DPoP proof for this very request, to a
signed yes or no with a durable leaf of its own. Its ceiling is one verification and one signature.
"""

import argparse
import asyncio
import base64
import hashlib
import logging
import os
import re
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import msgspec
import uvicorn
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.jwk import ECKey
from tests.running import free_port
from tests.signin import party
from tests.signin.people import Somebody, enrol

from msingi import app, countries
from msingi.kernel.context import job_context
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts, page
from msingi.signin.model import Client, Place, Profile
from msingi.signin.provider import acts as provider
from msingi.signin.provider.model import Asked

TARGET_PER_S = 100
ANSWERS_PER_S = 1_000
VERIFIES, SIGNS = 6, 2  # two assertions, three proofs, one access token; an access token and an ID token
PLACE = Place(b"bench", "127.0.0.0/24")
LETTERS = str.maketrans("0123456789", "ghijklmnop")
BACK = "https://rp.example/back"


def yardstick() -> tuple[float, float]:
    """Logins and answers a second that one core could do if they were nothing but their ES256 work."""
    key, message = ec.generate_private_key(ec.SECP256R1()), b"x" * 400
    signature, public = key.sign(message, ec.ECDSA(SHA256())), key.public_key()
    began = time.process_time()
    for _ in range(1_000):
        key.sign(message, ec.ECDSA(SHA256()))
    sign = (time.process_time() - began) / 1_000
    began = time.process_time()
    for _ in range(1_000):
        public.verify(signature, message, ec.ECDSA(SHA256()))
    verify = (time.process_time() - began) / 1_000
    print(f"raw ES256 on one core                {1 / sign:8.0f} signatures/s, {1 / verify:.0f} verifications/s")
    return 1 / (VERIFIES * verify + SIGNS * sign), 1 / (verify + sign)


async def open_stack(home: Path, dsn: str, port: int) -> Stack:
    """The stack on a migrated database; both processes use the same home, and so the same keys."""
    settings = Settings(home=home, host="127.0.0.1", port=port, sandbox=True)
    return await Stack.open(settings, as_app(dsn), countries.load("taifa"))


async def serve(home: Path, dsn: str, port: int) -> None:
    """The server's process."""
    stack = await open_stack(home, dsn, port)
    built = app.build(stack, background=False)
    await uvicorn.Server(uvicorn.Config(built, port=port, log_level="warning", access_log=False)).serve()


async def signed_in(stack: Stack, person: Somebody, pin: str) -> str:
    """The cookie of a session with two factors, for somebody who has agreed to be known to the client."""
    sent: list[str] = []

    async def take(_: Stack, payload: bytes) -> None:
        sent.append(msgspec.json.decode(payload, type=SmsRequested).text)

    stack.outbox.subscribe("sms.requested", take)
    found = await acts.verify_pin(stack, acts.proving(), person.number, pin, PLACE, "bench")
    assert found.who, found
    text = ("sms_signin", "en", "bench")
    challenge, _ = await acts.send_code(stack, acts.proving(), found.who, PLACE.device_hash, "bench", text)
    await stack.outbox.drain(stack)
    code = re.findall(r"\d{6}", sent[-1])[0]
    _, cookie = await acts.verify_code(stack, acts.proving(), found.who, challenge, code, PLACE, "bench")
    asked = Asked(client_id="bank", redirect_uri=BACK, scopes=("openid",), challenge="", request_id="", expires_at=0)
    await provider.agree(stack, cookie, await acts.client(stack, "bank"), asked, ("name", "birthdate"), "bench")
    return cookie


async def log_in(http: httpx.AsyncClient, key: ECKey, cookie: dict[str, str]) -> None:
    """One whole login."""
    bank = party.Party(http, "bank", key, BACK)
    uri = await bank.push(scope="openid profile")
    there = "/oauth/authorize?" + urlencode({"client_id": "bank", "request_uri": uri})
    answer = await http.get(there, cookies=cookie)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    tokens = (await bank.redeem(code)).json()
    known = await bank.userinfo(tokens["access_token"])
    assert known.status_code == 200 and known.json()["name"], known.text


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process and its children have used (proc(5))."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


async def measure(
    port: int, pids: tuple[int, int], key: ECKey, cookie: dict[str, str], logins: int, lanes: int
) -> float:
    """Log in again and again, and print rate, latency and CPU; gives logins a second of server CPU."""
    party.ISSUER = f"http://127.0.0.1:{port}"
    took: list[float] = []
    left = [logins]

    async def lane() -> None:
        async with httpx.AsyncClient(base_url=party.ISSUER) as http:
            while left[0] > 0:
                left[0] -= 1
                began = time.perf_counter()
                await log_in(http, key, cookie)
                took.append((time.perf_counter() - began) * 1e3)

    left[0] = 20
    await lane()
    took.clear()
    left[0] = logins
    before, began = [cpu_s(p) for p in pids], time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    wall = time.perf_counter() - began
    server, database = ((cpu_s(p) - b) / len(took) * 1e3 for p, b in zip(pids, before, strict=True))
    took.sort()
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(
        f"full FAPI login, {lanes:2} at a time         {len(took) / wall:8.0f}/s   p50 {p50:.0f} ms   p99 {p99:.0f} ms"
        f"   CPU: server {server:.1f} ms, database {database:.1f} ms a login"
    )
    return 1e3 / server


def questions(people: list[Somebody]) -> dict[str, list[dict[str, Any]]]:
    """The questions to ask, by kind: facts, and PINs."""
    return {
        "facts": [
            {"number": p.number, "said": {"name": p.full_name, "birth_date": p.birth_date.isoformat()}} for p in people
        ],
        "PIN": [{"number": p.number, "pin": "4711"} for p in people],
    }


async def measure_answers(
    port: int, pids: tuple[int, int], key: ECKey, kind: str, asked: list[dict[str, Any]], count: int, lanes: int
) -> float:
    """Ask again and again, and print rate, latency and CPU; gives answers a second of server CPU.

    Proofs are made before the clock starts: the asking side's work is not what is measured.
    """
    party.ISSUER = f"http://127.0.0.1:{port}"
    door = party.ISSUER + "/v1/authenticate"
    took: list[float] = []
    async with httpx.AsyncClient(base_url=party.ISSUER, limits=httpx.Limits(max_connections=lanes)) as http:
        bank = party.Party(http, "bank", key, BACK)
        form = {"grant_type": "client_credentials", "scope": "authenticate"}
        token = (await bank.post("/oauth/token", form)).json()["access_token"]
        bodies = [msgspec.json.encode(question) for question in asked]
        raw = [
            (
                f"POST /v1/authenticate HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: DPoP {token}\r\n"
                f"DPoP: {bank.proof('POST', door, token)}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(bodies[i % len(bodies)])}\r\n\r\n"
            ).encode()
            + bodies[i % len(bodies)]
            for i in range(count + lanes)
        ]

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while raw:
            began = time.perf_counter()
            writer.write(raw.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(re.findall(rb"content-length: (\d+)", head.lower())[0])
            body = await reader.readexactly(length)
            assert head.startswith(b"HTTP/1.1 200"), (head, body)
            told = msgspec.json.decode(body)["answer"].split(".")[1]
            assert b'"result":"yes"' in base64.urlsafe_b64decode(told + "==="), told
            took.append((time.perf_counter() - began) * 1e3)
        writer.close()

    before, began = [cpu_s(p) for p in pids], time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(lanes)))
    wall = time.perf_counter() - began
    server, database = ((cpu_s(p) - b) / len(took) * 1e3 for p, b in zip(pids, before, strict=True))
    took.sort()
    print(
        f"yes/no by {kind:6} {lanes:2} at a time        {len(took) / wall:8.0f}/s  p50 {statistics.median(took):.0f} ms"
        f"   p99 {took[int(len(took) * 0.99)]:.0f} ms   CPU: server {server:.2f}, database {database:.2f} ms each"
    )
    return 1e3 / server


async def main(logins: int, lanes: int, answers: int) -> None:
    """Prepare, measure, judge."""
    logging.disable(logging.INFO)
    ceiling, answer_ceiling = yardstick()
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        server = EmbeddedServer(Path(folder) / "pg")
        await migrate(server.url)
        stack = await open_stack(home, server.url, port)
        app.load_policies()
        await app.start_rooms(stack)
        key = ECKey.generate_key("P-256")
        bank: dict[str, Any] = {"client_id": "bank", "name": "Bank", "institution": "benki", "profile": Profile.FAPI}
        claims, scopes = frozenset(["name", "birthdate"]), frozenset(["openid", "profile", "authenticate"])
        jwks = (key.as_dict(private=False),)
        client = Client(**bank, jwks=jwks, redirect_uris=(BACK,), scopes=scopes, claims=claims)
        await acts.add_client(stack, job_context("setup"), client)
        person = await enrol(stack, "Asha", "Mushi", "+255700000001")
        await acts.set_pin(stack, job_context("setup"), person.person_id, "4711")
        everybody = [person]
        for place in range(2, 201):
            born = date(1940, 1, 1) + timedelta(days=place * 97)
            names = [hashlib.sha256(f"{place}{part}".encode()).hexdigest().translate(LETTERS)[:9] for part in "gf"]
            someone = await enrol(stack, *names, f"+25570000{place:04}", born)
            await acts.set_pin(stack, job_context("setup"), someone.person_id, "4711")
            everybody.append(someone)
        cookie = {page.SESSION: await signed_in(stack, person, "4711")}
        command = [sys.executable, __file__, "--serve", str(home), "--dsn", server.url, "--port", str(port)]
        child = await asyncio.create_subprocess_exec(*command)
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/oauth/jwks")
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
        postmaster = int((Path(folder) / "pg" / "postmaster.pid").read_text().splitlines()[0])
        pids = (child.pid, postmaster)
        await measure(port, pids, key, cookie, max(20, logins // 4), 1)
        per_core = await measure(port, pids, key, cookie, logins, lanes)
        per_kind = {}
        for kind, asked in questions(everybody).items():
            await measure_answers(port, pids, key, kind, asked, 200, 8)
            per_kind[kind] = await measure_answers(port, pids, key, kind, asked, answers, 64)
        child.terminate()
        await child.wait()
        await stack.close()
        server.stop()
    print(
        f"logins a second of server CPU        {per_core:8.0f}, {per_core / ceiling:.2f} of the ceiling {ceiling:.0f}"
    )
    print(f"  goal {TARGET_PER_S} a second and core: {'reached' if per_core >= TARGET_PER_S else 'not reached'}")
    for kind, rate in per_kind.items():
        print(
            f"answers by {kind:6} a second of server CPU {rate:6.0f}, {rate / answer_ceiling:.2f} of the ceiling "
            f"{answer_ceiling:.0f}; goal {ANSWERS_PER_S}: {'reached' if rate >= ANSWERS_PER_S else 'not reached'}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logins", type=int, default=400)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--answers", type=int, default=3_000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve(chosen.serve, chosen.dsn, chosen.port))
    else:
        uvloop.run(main(chosen.logins, chosen.connections, chosen.answers))
