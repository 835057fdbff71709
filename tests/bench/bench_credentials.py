"""How fast wallets fetch credentials: `python tests/bench/bench_credentials.py [--requests N] [--connections N]`.

One request is what a wallet does with an access token: a fresh nonce, then SD-JWT VCs for so many new keys, with a
proof of each and a DPoP proof of the token's key; the answer comes when the copies, their status entries and the leaf
in the log are durable. The server is one process and the wallets another, so that the server's own CPU is told apart.
The yardstick is the ES256 work that a request cannot do without, by raw `cryptography` in the same run.
"""

import argparse
import asyncio
import hashlib
import logging
import re
import statistics
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from tests.bench.bench_signin import LETTERS, cpu_s, open_stack, serve
from tests.credentials.wallet_kit import Wallet, dpop, new_key, offer_in, proof
from tests.running import free_port
from tests.signin.people import enrol

from msingi import app
from msingi.credentials.forms import jose
from msingi.credentials.issuance import acts
from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.postgres import EmbeddedServer, migrate
from msingi.kernel.stack import Stack

TARGET_PER_S = 500
CONFIGURATION = "national-id.sd-jwt"
PEOPLE = 24


def yardstick() -> tuple[float, float]:
    """Seconds of one core for an ES256 signature and for a verification."""
    key, message = ec.generate_private_key(ec.SECP256R1()), b"x" * 900
    signature, public = key.sign(message, ec.ECDSA(SHA256())), key.public_key()
    began = time.process_time()
    for _ in range(2_000):
        key.sign(message, ec.ECDSA(SHA256()))
    sign = (time.process_time() - began) / 2_000
    began = time.process_time()
    for _ in range(2_000):
        public.verify(signature, message, ec.ECDSA(SHA256()))
    verify = (time.process_time() - began) / 2_000
    print(f"raw ES256 on one core            {1 / sign:8.0f} signatures/s, {1 / verify:.0f} verifications/s")
    return sign, verify


async def wallets(stack: Stack, port: int) -> list[Wallet]:
    """Wallets of different people, each with a token bound to its key."""
    url, made = f"http://127.0.0.1:{port}", []
    async with httpx.AsyncClient(base_url=url) as http:
        for place in range(PEOPLE):
            born = date(1940, 1, 1) + timedelta(days=place * 397)
            names = [hashlib.sha256(f"{place}{part}".encode()).hexdigest().translate(LETTERS)[:9] for part in "gf"]
            person = await enrol(stack, *names, f"+25570000{place:04}", born)
            holder = Actor(Kind.PERSON, str(person.person_id), assurance=2)
            ctx = context(holder, "credential-issuance", "legal-obligation")
            offer = await acts.make_offer(stack, ctx, person.person_id, "national-id", with_code=False)
            wallet = Wallet(http, url)
            answer = await wallet.redeem(offer_in(offer.by_value), None, bound=True)
            assert answer.status_code == 200, answer.text
            made.append(wallet)
    return made


async def call(
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, headers: str = "", body: bytes = b""
) -> bytes:
    """The body of the answer to one POST."""
    reader, writer = streams
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    writer.write((head + headers + "\r\n").encode() + body)
    answer = await reader.readuntil(b"\r\n\r\n")
    content = await reader.readexactly(int(re.findall(rb"content-length: (\d+)", answer.lower())[0]))
    assert answer.startswith(b"HTTP/1.1 200"), (answer, content)
    return content


async def measure(port: int, pids: tuple[int, int], found: list[Wallet], batch: int, requests: int, lanes: int) -> Any:
    """Fetch again and again, and print rate, latency and CPU; gives credentials a second of server CPU."""
    took: list[float] = []
    left = [requests]
    keys = [new_key() for _ in range(batch)]

    async def lane(wallet: Wallet) -> None:
        streams = await asyncio.open_connection("127.0.0.1", port)
        path, seen = "/oid4vci/credential", set()
        while left[0] > 0:
            left[0] -= 1
            began = time.perf_counter()
            nonce = msgspec.json.decode(await call(streams, "/oid4vci/nonce"))["c_nonce"]
            asked = {
                "credential_configuration_id": CONFIGURATION,
                "proofs": {"jwt": [proof(key, wallet.issuer, nonce) for key in keys]},
            }
            assert wallet.key
            shown = dpop(wallet.key, "POST", wallet.issuer + path, wallet.token)
            headers = f"Authorization: DPoP {wallet.token}\r\nDPoP: {shown}\r\n"
            answer = msgspec.json.decode(await call(streams, path, headers, msgspec.json.encode(asked)))
            took.append((time.perf_counter() - began) * 1e3)
            for one in answer["credentials"]:
                status = msgspec.json.decode(jose.unb64(one["credential"].split(".")[1]))["status"]["status_list"]
                assert (status["uri"], status["idx"]) not in seen
                seen.add((status["uri"], status["idx"]))
            assert len(answer["credentials"]) == batch
        streams[1].close()

    left[0] = 30
    await lane(found[0])
    took.clear()
    left[0] = requests
    before, began = [cpu_s(p) for p in pids], time.perf_counter()
    await asyncio.gather(*(lane(found[place % len(found)]) for place in range(lanes)))
    wall = time.perf_counter() - began
    count = len(took) * batch
    server, database = ((cpu_s(p) - b) / count * 1e3 for p, b in zip(pids, before, strict=True))
    took.sort()
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    print(
        f"{batch:2} SD-JWT VC a request, {lanes:2} at once {count / wall:8.0f}/s   p50 {p50:.0f} ms   p99 {p99:.0f} ms"
        f"   CPU: server {server:.2f} ms, database {database:.2f} ms a credential"
    )
    return 1e3 / server, 1e3 / (server + database)


async def main(requests: int, lanes: int) -> None:
    """Prepare, measure, judge."""
    logging.disable(logging.INFO)
    sign, verify = yardstick()
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        server = EmbeddedServer(Path(folder) / "pg")
        await migrate(server.url)
        stack = await open_stack(home, server.url, port)
        app.load_policies()
        await app.start_rooms(stack)
        command = [sys.executable, __file__, "--serve", str(home), "--dsn", server.url, "--port", str(port)]
        child = await asyncio.create_subprocess_exec(*command)
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/oauth/jwks")
                break
            except httpx.HTTPError:
                await asyncio.sleep(0.1)
        postmaster = int((Path(folder) / "pg" / "postmaster.pid").read_text().splitlines()[0])
        rates = {}
        try:
            found = await wallets(stack, port)
            for batch in (1, 10, 20):
                pids, count = (child.pid, postmaster), requests // (1 + batch // 4)
                rates[batch] = await measure(port, pids, found, batch, count, lanes)
        finally:
            child.terminate()
            await child.wait()
            await stack.close()
            server.stop()
    for batch, (alone, with_database) in rates.items():
        # One access token and one DPoP proof a request; a proof and a signature for each copy.
        ceiling = batch / (2 * verify + batch * (verify + sign))
        verdict = "reached" if alone >= TARGET_PER_S else "not reached"
        print(
            f"{batch:2} a request: {alone:6.0f} a second of server CPU ({with_database:.0f} with the database's), "
            f"{alone / ceiling:.2f} of the ceiling {ceiling:.0f}; goal {TARGET_PER_S}: {verdict}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1_200)
    parser.add_argument("--connections", type=int, default=24)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve(chosen.serve, chosen.dsn, chosen.port))
    else:
        uvloop.run(main(chosen.requests, chosen.connections))
