"""What an act costs before it does anything: `bench_act.py [--seconds N]`.

Three acts of a room of its own: one that writes (claim, one row, a receipt, an event, a leaf about a person), one that
reads a sealed row about a person, and one that leaves only a leaf. One connection, one act at a time; the disk's own
fsync stands beside as a yardstick, and decisions are timed with and without the cache.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from msingi import app, countries
from msingi.kernel import log, once, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.sql import Query
from msingi.kernel.stack import Stack

ROOM = """CREATE SCHEMA IF NOT EXISTS demo;
CREATE TABLE IF NOT EXISTS demo.note (person_id uuid, note_id uuid, sealed bytea, PRIMARY KEY (person_id, note_id));
SELECT kernel.wall('demo', 'note', 'person_id')"""
RULES = '@id("demo: all") permit (principal is Job, action == Action::"demo.note", resource);'
WRITE = Query("write", "INSERT INTO demo.note (person_id, note_id, sealed) VALUES ($1, $2, $3)", "")
READ = Query("read", "SELECT sealed FROM demo.note WHERE person_id = $1 ORDER BY note_id LIMIT 1", "")
ROOMS = ("identity", "consent", "signin", "credentials", "payments", "health", "exchange", "evidence")


def jiffies(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Acts:
    """The three acts on a few people."""

    def __init__(self, stack: Stack, people: list[PersonId]) -> None:
        self.stack, self.people, self.n = stack, people, 0

    def _next(self) -> tuple[PersonId, policy.Permit]:
        self.n += 1
        person = self.people[self.n % len(self.people)]
        return person, policy.decide(job_context("bench"), "demo.note", person)

    async def write(self) -> None:
        """Claim, seal, one row, receipt, event, leaf."""
        person, permit = self._next()
        async with self.stack.db.transaction(permit) as tx:
            key = str(uuid7())
            assert await once.claim(tx, "demo", key, b"content") is None
            sealed = await self.stack.seal.seal(tx, person, b"a note of some length" * 5, "demo")
            await tx.do(WRITE, person, uuid7(), sealed)
            await once.settle(tx, "demo", key, b"receipt")
            await self.stack.outbox.emit(tx, "demo.noted", {"person": str(person)})
            log.append(tx, permit, subject=person, detail={"what": "noted"})

    async def read(self) -> None:
        """One row of one person, opened; a leaf."""
        person, permit = self._next()
        async with self.stack.db.transaction(permit) as tx:
            sealed = await tx.value(READ, person)
            await self.stack.seal.unseal(tx, person, sealed, "demo")
            log.append(tx, permit, subject=person, detail={"what": "read"})

    async def leaf(self) -> None:
        """Nothing but the leaf."""
        person, permit = self._next()
        async with self.stack.db.transaction(permit) as tx:
            log.append(tx, permit, subject=person, detail={"what": "nothing"})


async def measured(stack: Stack, act: Callable[[], Awaitable[None]], seconds: float) -> str:
    """Round trips, milliseconds and CPU of an act, on the pool's one connection."""
    link = stack.db._pool._holders[0]._con
    for _ in range(50):
        await act()
    backend = await link.fetchval("SELECT pg_backend_pid()")
    trips = 0

    def count(_: Any) -> None:
        nonlocal trips
        trips += 1

    link.add_query_logger(count)
    for _ in range(20):
        await act()
    link.remove_query_logger(count)
    took: list[float] = []
    cpu, theirs, ends = time.process_time(), jiffies(backend), time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began = time.perf_counter()
        await act()
        took.append(time.perf_counter() - began)
    mine = (time.process_time() - cpu) / len(took) * 1e6
    theirs = (jiffies(backend) - theirs) / len(took) * 1e6
    took.sort()
    return (
        f"{trips / 20:4.1f} round trips  p50 {statistics.median(took) * 1e3:6.2f} ms  "
        f"p99 {took[int(len(took) * 0.99)] * 1e3:6.2f} ms  CPU {mine:5.0f} us here + {theirs:5.0f} us in PostgreSQL"
    )


def decisions() -> None:
    """Decisions of the real rules, with and without the cache."""
    actor = Actor(Kind.STAFF, "officer-1", "registry", frozenset({"enrolment-officer"}), 2)
    ctx: Context = context(actor, "identity-registration", "public-task")
    person = PersonId(UUID(int=7))
    app.load_policies()

    def rate(rounds: int, forget: bool) -> float:
        began = time.perf_counter()
        for _ in range(rounds):
            if forget:
                policy._policies.cache.clear()
            policy.decide(ctx, "identity.read", person)
        return (time.perf_counter() - began) / rounds * 1e6

    rate(100, True)
    cached, fresh = min(rate(5_000, False) for _ in range(5)), min(rate(200, True) for _ in range(5))
    print(f"decision, cached      {cached:6.1f} us  (goal <= 5)")
    print(f"decision, not cached  {fresh:6.1f} us  (goal <= 250)")


def fsync_ms(folder: Path) -> float:
    """What the disk takes to keep eight kilobytes."""
    took = []
    with (folder / "yardstick").open("wb") as file:
        for _ in range(100):
            began = time.perf_counter()
            file.write(bytes(8192))
            file.flush()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


async def main() -> None:
    """Measure, and print a line each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=2.0)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        print(f"fdatasync of 8 kB, p50 {fsync_ms(folder):.2f} ms")
        server = EmbeddedServer(folder / "pg")
        try:
            await migrate(server.url)
            owner = await asyncpg.connect(server.url)
            await owner.execute(ROOM)
            await owner.close()
            settings = Settings(home=folder / "home", pool_size=1)
            stack = await Stack.open(settings, as_app(server.url), countries.load("taifa"))
            policy.load([], {"demo": RULES})
            people = [PersonId(uuid7()) for _ in range(20)]
            permit = policy.decide(job_context("bench"), "demo.note", policy.ANYONE)
            async with stack.db.transaction(permit) as tx:
                for person in people:
                    await stack.seal.create_key(tx, person)
                    await tx.do(WRITE, person, uuid7(), await stack.seal.seal(tx, person, b"x", "demo"))
                log.append(tx, permit)
            acts = Acts(stack, people)
            for title, act in (("writes", acts.write), ("reads", acts.read), ("leaf only", acts.leaf)):
                print(f"act that {title:<10}", await measured(stack, act, chosen.seconds))
            await stack.close()
        finally:
            server.stop()
    decisions()


if __name__ == "__main__":
    asyncio.run(main())
