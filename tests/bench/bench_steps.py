"""How many steps of Python a payment takes, by each door: `python -m tests.bench.bench_steps [--files N]`.

A step is a bytecode that the interpreter executes (`sys.settrace`). Their number depends on the program alone, not on
the machine nor on what else it does, so that two versions can be compared where seconds mean nothing. What C does
(hashing, packing, sockets, signatures) is not counted, and what the load does is left out.
"""

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import CodeType
from typing import Any

import uvicorn
import uvloop
from tests.bench import bench_payments_http as over_http
from tests.bench import bench_switch as switch
from tests.bench.bench_payments import filled
from tests.payments_switch import kit
from tests.running import free_port

from msingi import app
from msingi.kernel.lean import LeanProtocol
from msingi.kernel.postgres import EmbeddedServer, migrate
from msingi.kernel.stack import Stack
from msingi.payments import acts

LOAD = ("/tests/", "asyncio/streams", "python3.11/json", "email/utils")
HERE = ("/site-packages/", "/src/msingi/", "/lib/python3.11/")


async def counted(name: str, times: int, files: int, run: Callable[[int], Awaitable[None]]) -> None:
    """Run something `times` times, and print how many steps and calls one of them took, and in which files."""
    steps: Counter[CodeType] = Counter()
    calls: Counter[CodeType] = Counter()

    def trace(frame: Any, event: str, arg: Any) -> Any:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
            calls[frame.f_code] += 1
        elif event == "opcode":
            steps[frame.f_code] += 1
        return trace

    sys.settrace(trace)
    await run(times)
    sys.settrace(None)
    own = {code: n for code, n in steps.items() if not any(part in code.co_filename for part in LOAD)}
    total, called = sum(own.values()) / times, sum(calls[code] for code in own) / times
    print(f"{name:34} {total:9,.0f} steps, {called:7,.0f} calls", flush=True)
    places: Counter[str] = Counter()
    for code, n in own.items():
        place = next((code.co_filename.split(part)[-1] for part in HERE if part in code.co_filename), code.co_filename)
        places[place] += n
    for place, n in places.most_common(files):
        print(f"    {n / times:9,.0f} {place}")


def shared_out(lanes: int, one: Callable[[int], Awaitable[Any]]) -> Callable[[int], Awaitable[None]]:
    """What does `one(lane)` some number of times, over `lanes` side by side."""

    async def run(times: int) -> None:
        left = iter(range(times))

        async def lane(number: int) -> None:
            for _ in left:
                await one(number)

        await asyncio.gather(*[lane(n) for n in range(lanes)])

    return run


async def payments(stack: Stack, server: EmbeddedServer, port: int, files: int) -> None:
    """A single transfer in process, and over HTTP."""
    bench = await filled(stack, server.url, 1_000)
    orders = bench.person_orders()

    async def pay(_: int) -> None:
        await acts.transfer(stack, *next(orders))

    run = shared_out(256, pay)
    await run(512)
    await counted("transfer, 256 in flight", 1_000, files, run)
    token = await over_http.token_of(stack)
    ready = []
    for order in bench.bank_orders(3_000):
        payee = {"kind": "account", "value": order.payee.value}
        told = {"payer": order.payer, "payee": payee, "amount_minor": order.amount_minor, "currency": order.currency}
        ready.append(over_http.request(port, token, order.key, told))
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in range(64)]

    async def post(lane: int) -> None:
        reader, writer = lines[lane]
        writer.write(ready.pop())
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]))
        assert head.startswith(b"HTTP/1.1 201"), head

    run = shared_out(64, post)
    await run(256)
    await counted("transfer over HTTP, 64 connections", 500, files, run)


async def flows(stack: Stack, port: int, files: int) -> None:
    """A quote and a transfer through the switch."""
    await kit.currency(stack)
    callers = [await switch._joined(stack, name, port) for name in ("one", "two")]
    run = shared_out(16, lambda lane: callers[lane % 2].flow(callers[1 - lane % 2].name))
    await run(64)
    await counted("flow of the switch, 16 side by side", 64, files, run)


async def main(options: argparse.Namespace) -> None:
    """One process, so that all of it is counted: the server, and the load, which is left out."""
    with tempfile.TemporaryDirectory() as folder:
        server, port = EmbeddedServer(Path(folder) / "pg"), free_port()
        await migrate(server.url)
        stack = await over_http.open_stack(Path(folder) / "home", server.url, port)
        built = app.build(stack, background=False)
        serving = uvicorn.Server(uvicorn.Config(built, http=LeanProtocol, port=port, log_config=None, access_log=False))
        running = asyncio.create_task(serving.serve())
        await over_http.ready(port)
        await payments(stack, server, port, options.files)
        await flows(stack, port, options.files)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=12)
    uvloop.run(main(parser.parse_args()))
