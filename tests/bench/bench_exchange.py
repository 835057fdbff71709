"""How fast the exchange decides and answers: `python tests/bench/bench_exchange.py [--messages N] [--connections C]`.

Each message is signed by its institution; the gateway verifies it, decides on a right and a live consent, leaves a
durable leaf with the person, asks a room, filters, and signs the answer. Client, gateway and HTTP server share one
process, and the database has its own. The yardstick is the same HTTP server giving the same answer with nothing done.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from tests.consent.people import agreement_order, newborn
from tests.exchange import places
from tests.exchange.places import HOSPITAL, KEYS, SERVICE
from tests.running import free_port

from msingi import app, countries
from msingi.consent import acts as consents
from msingi.consent.model import GrantOrder
from msingi.exchange import acts, client
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate, rewritten
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

TARGET_PER_S, TARGET_P50_MS = 1_500, 10.0
PEOPLE = 50


async def prepared_stack(stack: Stack, owner_url: str) -> list[str]:
    """One hospital with a right, and people who consented; their names at the hospital."""
    places.offer_services()
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


async def one_connection(port: int, requests: list[bytes], took_ms: list[float]) -> None:
    """Send requests one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while requests:
        raw = requests.pop()
        began = time.perf_counter()
        writer.write(raw)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        body = await reader.readexactly(length)
        took_ms.append((time.perf_counter() - began) * 1e3)
        if b" 200 " not in head[:20]:
            raise SystemExit(f"refused: {head!r} {body!r}")
    writer.close()


async def measure(what: str, application: Any, port: int, requests: list[bytes], connections: int) -> float:
    """Serve and send; prints rate, latency, and CPU of this process. Gives messages a second."""
    config = uvicorn.Config(application, port=port, lifespan="off", log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    warm = [requests.pop() for _ in range(min(100, len(requests) // 4))]
    await one_connection(port, warm, [])
    count, took_ms = len(requests), []
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_connection(port, requests, took_ms) for _ in range(connections)))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    server.should_exit = True
    await running
    took_ms.sort()
    print(
        f"{what:32} {connections:3} connections {count / wall:8.0f}/s   p50 {statistics.median(took_ms):6.2f} ms"
        f"   p99 {took_ms[int(count * 0.99)]:6.2f} ms   CPU {cpu / count * 1e6:5.0f} us a message"
    )
    return count / wall


async def nothing_done(scope: Any, receive: Any, send: Any) -> None:
    """The yardstick: the same server, the same size of answer."""
    body = b'{"name":{"given":"Asha","family":"Mrisho"},"birth_date":"1990-02-03"}'
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def main(messages: int, connections: int) -> None:
    """Prepare, measure, judge."""
    import logging

    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "pg")
        await migrate(rewritten(server.url, database="postgres"))
        settings = Settings(home=Path(folder) / "home", base_url="http://127.0.0.1", sandbox=True)
        stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
        built = app.build(stack, background=False)
        names = await prepared_stack(stack, server.url)
        port = free_port()
        base_url = f"http://127.0.0.1:{port}"

        def requests(count: int) -> list[bytes]:
            return [as_bytes(base_url, names[n % PEOPLE]) for n in range(count)]

        await measure("nothing done (yardstick)", nothing_done, port, requests(messages), connections)
        await measure("decided, durable leaf, signed", built, port, requests(messages // 4), 1)
        rate = await measure("decided, durable leaf, signed", built, port, requests(messages), connections)
        print(f"goal {TARGET_PER_S}/s at 16 connections: {'reached' if rate >= TARGET_PER_S else 'not reached'}")
        await stack.close()
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=3_000)
    parser.add_argument("--connections", type=int, default=16)
    chosen = parser.parse_args()
    uvloop.run(main(chosen.messages, chosen.connections))
