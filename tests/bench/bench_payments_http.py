"""Single transfers over HTTP: `python tests/bench/bench_payments_http.py [--accounts N] [--seconds S]`.

One server process (one worker) with the whole application. Every request is authenticated by the institution's access
token and pays one transfer: decided, journalled, chained, left in the log, answered when it is durable. The clients
are raw sockets in another process that sends ready-made requests. The yardstick is pgbench's TPC-B on the same server.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvicorn
import uvloop
from joserfc.jwk import ECKey
from tests.bench.bench_payments import BANK, cpu_s, filled, tpc_b
from tests.running import free_port

from msingi import app, countries
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.lean import LeanProtocol
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate, rewritten
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.model import Client, Profile
from msingi.signin.provider import acts as provider

GOAL = 0.8


async def open_stack(home: Path, dsn: str, port: int) -> Stack:
    """The stack on a migrated database; both processes use the same home, and so the same keys."""
    settings = Settings(home=home, host="127.0.0.1", port=port, sandbox=True)
    return await Stack.open(settings, as_app(dsn), countries.load("taifa"))


async def serve(home: Path, dsn: str, port: int) -> None:
    """The server's process: one worker."""
    built = app.build(await open_stack(home, dsn, port), background=False)
    await uvicorn.Server(
        uvicorn.Config(built, port=port, log_level="warning", access_log=False, http=LeanProtocol)
    ).serve()


async def token_of(stack: Stack) -> str:
    """An access token for the bank's own software."""
    who: dict[str, Any] = {"client_id": "bench", "name": "Bench", "institution": BANK, "profile": Profile.CONFIDENTIAL}
    client = Client(**who, jwks=(ECKey.generate_key("P-256").as_dict(private=False),), scopes=frozenset(["treasurer"]))
    await signin.add_client(stack, job_context("setup"), client)
    ctx = context(Actor(Kind.CLIENT, "bench", BANK, assurance=2), "identity-proofing", "public-task")
    return (await provider.software_token(stack, ctx, client, "treasurer", "", ())).access_token


async def load(port: int, requests: list[bytes], seconds: float, lanes: int) -> tuple[int, float, list[float]]:
    """Send requests for some seconds over `lanes` connections: how many, in which time, and how long each took (ms)."""
    took: list[float] = []
    stop = time.perf_counter() + seconds

    async def lane() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < stop and requests:
            writer.write(requests.pop())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 201"):
                raise RuntimeError((head + body).decode())
            took.append((time.perf_counter() - began) * 1e3)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*[lane() for _ in range(lanes)])
    return len(took), time.perf_counter() - began, sorted(took)


def request(port: int, token: str, key: str, order: dict[str, object]) -> bytes:
    """One transfer as it travels."""
    body = msgspec.json.encode(order)
    head = (
        f"POST /v1/payments/transfers HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Idempotency-Key: {key}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def main(options: argparse.Namespace) -> None:
    """Prepare, measure between two runs of the yardstick, judge."""
    with tempfile.TemporaryDirectory() as folder:
        home, port, server = Path(folder) / "home", free_port(), EmbeddedServer(Path(folder) / "pg")
        conn = await asyncpg.connect(server.url)
        await conn.execute("CREATE DATABASE yard")
        await conn.close()
        yard = rewritten(server.url, database="yard")
        subprocess.run([server.bin_path / "pgbench", "-i", "-q", "-s", "10", yard], capture_output=True, check=True)
        await migrate(server.url)
        stack = await open_stack(home, server.url, port)
        app.load_policies()
        await app.start_rooms(stack)
        bench = await filled(stack, server.url, options.accounts)
        token = await token_of(stack)
        requests = [
            request(
                *(port, token, order.key),
                {
                    "payer": order.payer,
                    "payee": {"kind": "account", "value": order.payee.value},
                    "amount_minor": order.amount_minor,
                    "currency": order.currency,
                },
            )
            for order in bench.bank_orders(60_000)
        ]
        child = subprocess.Popen(
            [sys.executable, __file__, "--serve", str(home), "--dsn", server.url, "--port", str(port)], env=os.environ
        )
        pid = server._server.get_pid()
        try:
            await ready(port)
            await load(port, requests, 1.0, 64)
            for lanes in (64, 256):
                before, _ = await asyncio.to_thread(tpc_b, server, yard, options.seconds, pid)
                own, theirs = cpu_s(child.pid), cpu_s(pid)
                done, wall, took = await load(port, requests, options.seconds, lanes)
                own, theirs = cpu_s(child.pid) - own, cpu_s(pid) - theirs
                after, yard_cpu = await asyncio.to_thread(tpc_b, server, yard, options.seconds, pid)
                ratio = done / wall / statistics.mean((before, after))
                print(
                    f"{lanes:3} connections {done / wall:7,.0f}/s {ratio:5.2f} x TPC-B ({before:,.0f}, {after:,.0f}/s; "
                    f"goal {GOAL}), p50 {took[len(took) // 2]:.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms; "
                    f"CPU us each: server {own / done * 1e6:.0f} + PostgreSQL {theirs / done * 1e6:.0f}, "
                    f"TPC-B {yard_cpu:.0f}",
                    flush=True,
                )
        finally:
            child.terminate()
            child.wait()
            await stack.close()
            server.stop()


async def ready(port: int) -> None:
    """Wait until the server listens."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            return writer.close()
        except OSError:
            await asyncio.sleep(0.2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve(chosen.serve, chosen.dsn, chosen.port))
    else:
        uvloop.run(main(chosen))
