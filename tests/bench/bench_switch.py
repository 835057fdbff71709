"""FSPIOP end to end: `python tests/bench/bench_switch.py [--seconds S] [--flows N]`.

A flow is a quote and a transfer between two participants, both signed (RS256, 2048 bit) and every signature checked by
the switch: four messages in, four out, each kept durably (fsync on) before it is acknowledged. Switch and PostgreSQL
run in processes of their own; "per core" is flows for each second of CPU time that these two used together. The
participants, which sign four times a flow, are the load and not counted. Beside it, in the same run: what the four
checks of signatures alone cost, and pgbench's TPC-B.
"""

import argparse
import asyncio
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import uvloop
from tests.payments_switch import kit
from tests.payments_switch.fsp import Participant, at, payee
from tests.running import free_port

from msingi import app, countries
from msingi.kernel.lean import LeanProtocol
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments.switch import jws
from msingi.payments.switch.line import Way


class Caller(Participant):
    """A participant that sends with the lean client, and wakes who waits for an answer by its path."""

    way: Way

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waiting: dict[str, asyncio.Future[Any]] = {}
        self.statuses: dict[int, int] = {}

    def took(self, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
        waiter = self.waiting.pop(path, None)
        if waiter is not None and not waiter.done():
            waiter.set_result(json.loads(body))
        elif self.reply is not None:
            task = asyncio.ensure_future(self.reply(self, method, path, headers, body))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return 200 if method in ("PUT", "PATCH") else 202

    async def send(self, method: str, path: str, body: Any = None, to: str = "", **more: Any) -> Any:
        """Send a signed message."""
        headers, content = self.signed(method, path, body, to, **more)
        status = await self.way.send(method, f"/fspiop{path}", headers, content)
        self.statuses[status] = self.statuses.get(status, 0) + 1

    async def ask(self, path: str, body: Any, to: str, answer: str) -> Any:
        """Send a request, and wait for its answer."""
        waiter = self.waiting[answer] = asyncio.get_running_loop().create_future()
        await self.send("POST", path, body, to)
        async with asyncio.timeout(20):
            return await waiter

    async def flow(self, to: str) -> None:
        """A quote and its transfer."""
        quote = self.quote(to, "1", "USD")
        offer = await self.ask("/quotes", quote, to, f"/quotes/{quote['quoteId']}")
        wanted = {
            "transferId": str(uuid4()), "payeeFsp": to, "payerFsp": self.name, "amount": offer["transferAmount"],
            "ilpPacket": offer["ilpPacket"], "condition": offer["condition"], "expiration": at(30),
        }  # fmt: skip
        done = await self.ask("/transfers", wanted, to, f"/transfers/{wanted['transferId']}")
        assert done.get("transferState") == "COMMITTED", done


def serve(url: str, home: str, port: int) -> None:
    """The switch in a process of its own."""
    import uvicorn

    async def run() -> None:
        settings = Settings(home=Path(home), port=port, log_level="error")
        stack = await Stack.open(settings, as_app(url), countries.load("taifa"))
        config = uvicorn.Config(
            app.build(stack), port=port, log_level="error", access_log=False, lifespan="on", http=LeanProtocol
        )
        await uvicorn.Server(config).serve()

    uvloop.run(run())


def cpu(processes: list[psutil.Process]) -> float:
    """CPU seconds that these have used so far, also those of them that have ended between."""
    total = 0.0
    for one in processes:
        for each in [one, *one.children(recursive=True)]:
            times = each.cpu_times()
            total += times.user + times.system
    return total


async def measure(callers: list[Caller], flows: int, seconds: float) -> list[float]:
    """Run flows side by side for some seconds; how long each took."""
    took: list[float] = []
    stop = time.perf_counter() + seconds

    async def one(n: int) -> None:
        while time.perf_counter() < stop:
            began = time.perf_counter()
            await callers[n % 2].flow(callers[1 - n % 2].name)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*[one(n) for n in range(flows)])
    return took


def verify_us() -> float:
    """What one check of a signature costs alone, in microseconds."""
    private, public = jws.new_key()
    body = b"x" * 700
    headers = {k.lower(): v for k, v in jws.sign(private, "POST", "/quotes", "a", "", "", body).items()}
    headers["fspiop-source"] = "a"
    began = time.perf_counter()
    for _ in range(500):
        jws.verify(public, headers, "POST", "/quotes", body)
    return (time.perf_counter() - began) / 500 * 1e6


def tpcb(url: str) -> str:
    """pgbench's TPC-B beside it, where pgbench is installed."""
    try:
        subprocess.run(["pgbench", "-i", "-q", "-s", "5", url], check=True, capture_output=True)
        out = subprocess.run(["pgbench", "-M", "prepared", "-c", "8", "-T", "4", url], capture_output=True, text=True)
    except FileNotFoundError:
        return "not installed"
    found = re.search(r"tps = ([\d.]+)", out.stdout)
    return f"{float(found[1]):,.0f}/s" if found else "failed"


async def main(seconds: float, flows: int) -> None:
    """Measure, and print one line a figure."""
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedServer(Path(folder) / "pg", "")
        await migrate(server.url)
        home, port = Path(folder) / "home", free_port()
        stack = await Stack.open(Settings(home=home), as_app(server.url), countries.load("taifa"))
        app.load_policies()
        await kit.currency(stack)
        callers = [await _joined(stack, name, port) for name in ("one", "two")]
        child = subprocess.Popen([sys.executable, __file__, "--serve", server.url, str(home), str(port)])
        try:
            await _ready(port)
            postmaster = int((Path(folder) / "pg" / "postmaster.pid").read_text().splitlines()[0])
            watched = [psutil.Process(child.pid)], [psutil.Process(postmaster)]
            await measure(callers, flows, 2)
            before, began = [cpu(w) for w in watched], time.perf_counter()
            took = await measure(callers, flows, seconds)
            wall = time.perf_counter() - began
            used = [cpu(w) - b for w, b in zip(watched, before, strict=True)]
            print(f"flows (quote + transfer, signed, durable)  {len(took):6d} in {wall:.1f} s, {flows} side by side")
            print(f"rate, with the load on the same cores      {len(took) / wall:6.0f} /s")
            print(f"per core of switch and PostgreSQL          {len(took) / sum(used):6.0f} /s   (goal 200)")
            print(f"CPU a flow, switch                         {used[0] / len(took) * 1e6:6.0f} us")
            print(f"CPU a flow, PostgreSQL                     {used[1] / len(took) * 1e6:6.0f} us")
            print(f"of it four checks of signatures            {4 * verify_us():6.0f} us")
            print(f"p50, p99                                   {_ms(took, 50):6.0f} {_ms(took, 99):.0f} ms")
            print(f"memory of the switch                       {watched[0][0].memory_info().rss / 1e6:6.0f} MB")
            print(f"TPC-B, 8 clients                           {tpcb(server.url)}")
            print(f"answers                                    {callers[0].statuses}")
        finally:
            child.terminate()
            child.wait(20)
            await stack.close()
            server.stop()


async def _joined(stack: Stack, name: str, port: int) -> Caller:
    made = Caller(name)
    await made.start()
    made.reply, made.way = payee, Way(f"http://127.0.0.1:{port}")
    from msingi.payments.switch import acts, settling

    await acts.join(stack, kit.setup(), name, name, name, made.public, made.endpoint)
    await acts.open_accounts(stack, kit.setup(), name, "USD")
    await settling.bring_cover(stack, kit.setup(), name, "USD", 10**12, name)
    await settling.set_limit(stack, kit.setup(), name, "USD", 10**12)
    return made


async def _ready(port: int) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            except OSError:
                await asyncio.sleep(0.2)


def _ms(took: list[float], percent: int) -> float:
    return statistics.quantiles(took, n=100)[percent - 1] * 1000


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        options = argparse.ArgumentParser(description=__doc__)
        options.add_argument("--seconds", type=float, default=10)
        options.add_argument("--flows", type=int, default=32)
        chosen = options.parse_args()
        uvloop.run(main(chosen.seconds, chosen.flows))
