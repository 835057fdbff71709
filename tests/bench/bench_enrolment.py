"""Enrolment with duplicate search in a large register: `bench_enrolment.py [--people N] [--seconds S] [--workers W]`.

First N invented people are laid down by the direct path (COPY as the database's owner, keys made afterwards): the same
rows that N enrolments leave in the identity room, without the log's entries. Then people are enrolled one by one and
in bulk, each with the whole search and durable; one in ten is a known person with a slip of the pen, to be held.
The bulk comes first: whoever touches a page of an index first after a checkpoint also writes all of it to the journal.
The names follow Zipf's law over many invented names, because a sample of two dozen would make everybody alike.

A large register is kept and resumed: `--people 1000000 --keep DIR` lays down chunks of 5,000, each in a transaction
that also writes that it is done; interrupted, the same command goes on with the chunks that are missing, and a finished
register is measured at once. With `--lay` it stops after that.
"""

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import os
import random
import statistics
import tempfile
import time
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.bench.bench_act import fsync_ms, jiffies

from msingi import app, countries
from msingi.identity import acts, blocking, enrolment, numbers
from msingi.identity.model import Address, Birth, Demographics, EnrolmentOrder, Held, Name, Row, Sex, encoded
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.seal import _encrypt
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack, keystore_of

CHUNK = 5_000
TABLES = {
    "kernel.person_key": ("person_id", "wrapped"),
    "identity.person": ("person_id", "status", "region", "birth_year", "sex", "number_sealed", "enrolled_at"),
    "identity.version": ("person_id", "valid_from", "reason", "sealed"),
    "identity.number": ("number_key", "person_id", "issued_at"),
    "identity.status_change": ("person_id", "at", "status", "cause"),
    "identity.phone": ("phone_key", "person_id"),
    "identity.search_key": ("key", "person_id"),
}


def zipf(count: int, seed: str) -> tuple[list[str], list[float]]:
    """Invented names, and how often each or one before it is borne."""
    rng = random.Random(seed)
    parts = [c + v for c in "bcdfghjklmnprstvwyz" for v in "aeiou"]
    names = list(dict.fromkeys("".join(rng.choices(parts, k=rng.choice((2, 2, 3, 3, 4)))) for _ in range(count * 2)))
    names = names[:count]
    return names, list(itertools.accumulate(1 / (place + 10) for place in range(len(names))))


GIVEN, FAMILY, STREETS = zipf(4_000, "given"), zipf(20_000, "family"), zipf(8_000, "streets")


def drawn(rng: random.Random, names: tuple[list[str], list[float]]) -> str:
    """A name, the common ones more often."""
    return names[0][bisect(names[1], rng.random() * names[1][-1])].title()


def order_of(index: int) -> EnrolmentOrder:
    """The invented person of this index, always the same one."""
    rng = random.Random(index)
    town = f"{rng.randrange(1, 3000)}"
    born = date(2020, 1, 1) - timedelta(days=int(rng.triangular(0, 29_000, 3_000)))
    return EnrolmentOrder(
        name=Name(drawn(rng, GIVEN), drawn(rng, FAMILY)),
        birth=Birth(born.isoformat()),
        sex=rng.choice((Sex.FEMALE, Sex.MALE)),
        region=rng.choice(PROFILE.regions).code,
        address=Address((f"{drawn(rng, STREETS)} {rng.randint(1, 240)}",), f"Town{town}", town),
        phone=f"{PROFILE.phone_prefix}7{index:0{PROFILE.phone_digits - 1}d}" if rng.random() < 0.7 else "",
    )


def with_slip(order: EnrolmentOrder, rng: random.Random) -> EnrolmentOrder:
    """The same person, written down by somebody else: two letters of the family name exchanged, no phone."""
    family, place = order.name.family, rng.randrange(1, len(order.name.family) - 1)
    letters = [*family]
    letters[place : place + 2] = reversed(letters[place : place + 2])
    return EnrolmentOrder(Name(order.name.given, "".join(letters)), order.birth, order.sex, order.region, order.address)


PROFILE = countries.load("taifa")


class Builder:
    """Lays down a share of the register from a process of its own."""

    def __init__(self, settings: Settings) -> None:
        self.keystore = keystore_of(settings)
        self.secret, self.at = self.keystore.mac("blind"), clock.now()
        self.totals, self.names = blocking.total_keys(self.secret), Counter[int]()

    def rows(self, index: int) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """The rows of one person, with the tables that they belong to."""
        order, person_id, number, at = order_of(index), PersonId(uuid7()), numbers.draw(), self.at
        person = Demographics(
            name=order.name,
            birth=order.birth,
            sex=order.sex,
            region=order.region,
            address=order.address,
            phone=order.phone,
        )
        raw = AESGCM.generate_key(256)
        key, traits = AESGCM(raw), blocking.traits(person)
        self.names.update(blocking.name_keys(self.secret, traits).values())
        self.names[self.totals[person_id.int % len(self.totals)]] += 1
        sealed = _encrypt(key, encoded(person), enrolment.VERSION)
        sealed_number = _encrypt(key, number.encode(), enrolment.NUMBER)
        year = int(order.birth.date[:4])
        yield "kernel.person_key", (person_id, self.keystore.wrap(raw, person_id.bytes))
        yield "identity.person", (person_id, "active", order.region, year, str(order.sex), sealed_number, at)
        yield "identity.version", (person_id, at, "enrolment", sealed)
        yield "identity.number", (self.keystore.blind(f"number:{number}"), person_id, at)
        yield "identity.status_change", (person_id, at, "active", "officer")
        if order.phone:
            yield "identity.phone", (self.keystore.blind(f"phone:{order.phone}"), person_id)
        for found in blocking.search_keys(self.secret, traits):
            yield "identity.search_key", (found, person_id)

    async def lay(self, url: str, indexes: range, people: int) -> None:
        """Write the chunks that begin at these indexes, and count their names; those that were written are skipped."""
        owner = await asyncpg.connect(url)
        done = {row["first"] for row in await owner.fetch("SELECT first FROM bench_laid")}
        for start in indexes:
            while start not in done:
                with contextlib.suppress(asyncpg.UniqueViolationError):  # a number drawn twice: the chunk draws again
                    await self.lay_chunk(owner, start, min(start + CHUNK, people))
                    done.add(start)
        await owner.close()

    async def lay_chunk(self, owner: asyncpg.Connection, start: int, end: int) -> None:
        """Write the people start <= index < end in one transaction."""
        tables: dict[str, list[tuple[Any, ...]]] = {table: [] for table in TABLES}
        self.names.clear()
        for index in range(start, end):
            for table, row in self.rows(index):
                tables[table].append(row)
        async with owner.transaction():
            for table, records in tables.items():
                schema, _, name = table.partition(".")
                await owner.copy_records_to_table(
                    name, schema_name=schema, columns=TABLES[table], records=sorted(records)
                )
            names = sorted(self.names.items())  # ascending, so that two builders never wait in a ring
            await owner.execute(
                "INSERT INTO identity.name_count AS n SELECT * FROM unnest($1::bigint[], $2::bigint[]) "
                "ON CONFLICT (key) DO UPDATE SET people = n.people + excluded.people",
                [key for key, _ in names],
                [people for _, people in names],
            )
            await owner.execute("INSERT INTO bench_laid VALUES ($1)", start)


def _lay(url: str, settings: Settings, worker: int, workers: int, people: int) -> None:
    asyncio.run(Builder(settings).lay(url, range(worker * CHUNK, people, workers * CHUNK), people))


async def build(url: str, settings: Settings, people: int, workers: int) -> None:
    """Lay down `people` people from several processes; the largest index is made at the end, as a restore does it."""
    owner = await asyncpg.connect(url)
    await owner.execute("CREATE TABLE IF NOT EXISTS bench_laid (first int PRIMARY KEY)")
    if await owner.fetchval("SELECT count(*) FROM bench_laid WHERE first < 0"):
        await owner.close()
        return
    await owner.execute("ALTER TABLE identity.search_key DROP CONSTRAINT IF EXISTS search_key_pkey")
    keystore_of(settings)  # makes the secrets, before two processes could
    jobs = [
        multiprocessing.get_context("spawn").Process(target=_lay, args=(url, settings, worker, workers, people))
        for worker in range(workers)
    ]
    for job in jobs:
        job.start()
    while any(job.is_alive() for job in jobs):
        await asyncio.sleep(0.2)
    if any(job.exitcode for job in jobs):
        raise SystemExit("a builder failed")
    await owner.execute(
        "SET maintenance_work_mem = '1GB'; ALTER TABLE identity.search_key ADD PRIMARY KEY (key, person_id)"
    )
    await owner.execute("VACUUM (ANALYZE)")
    await owner.execute("CHECKPOINT")
    await owner.execute("INSERT INTO bench_laid VALUES (-1)")  # finished: the index is made
    await owner.close()


class Search:
    """Times of the search alone: statement, unsealing and comparison of everybody who shares a key."""

    def __init__(self) -> None:
        self.took: list[float] = []
        self._real = enrolment._compare

    async def __call__(self, *args: Any) -> Any:
        began = time.perf_counter()
        found = await self._real(*args)
        self.took.append(time.perf_counter() - began)
        return found


def orders(people: int, first: int) -> Iterator[tuple[EnrolmentOrder, bool]]:
    """People who come to be enrolled, and whether the register knows them: one in ten."""
    rng = random.Random(f"who comes:{first}")
    for index in itertools.count(people + first):
        known = rng.random() < 0.1
        yield (with_slip(order_of(rng.randrange(people)), rng) if known else order_of(index)), known


def spread(took: list[float]) -> str:
    """Median and 95th percentile in milliseconds."""
    took.sort()
    return f"p50 {statistics.median(took) * 1e3:6.2f} ms  p95 {took[int(len(took) * 0.95)] * 1e3:6.2f} ms"


async def measured(
    stack: Stack, owner: asyncpg.Connection, people: int, batch: int, seconds: float, search: Search
) -> None:
    """Enrol for a while, `batch` people a transaction, and print what it took."""
    ctx = job_context("bench", "identity-registration", "legal-obligation")
    trips = 0
    async with stack.db.glance() as link:  # the one that is lent again and again; to ask the pool for it waits for ever
        backend = await link.fetchval("SELECT pg_backend_pid()")
    came = await owner.fetchval("SELECT count(*) FROM kernel.once")
    coming, source = orders(people, came), f"bench-{came}"
    took: list[float] = []
    counted, n = Counter[str](), 0

    def count(_: Any) -> None:
        nonlocal trips
        trips += 1

    async def once(size: int) -> None:
        nonlocal n
        n += 1
        ahead = [next(coming) for _ in range(size)]
        began = time.perf_counter()
        if size == 1:
            outcomes = [await acts.enrol(stack, ctx, ahead[0][0], f"{source}-{n}")]
        else:
            rows = [Row(f"{n}-{place}", order) for place, (order, _) in enumerate(ahead)]
            outcomes = [row.outcome for row in await acts.enrol_many(stack, ctx, rows, source, batch_rows=size)]
        took.append(time.perf_counter() - began)
        for (_, known), outcome in zip(ahead, outcomes, strict=True):
            assert outcome is not None
            counted[("known" if known else "new") + (" held" if isinstance(outcome, Held) else " enrolled")] += 1

    link = stack.db._pool._holders[0]._con
    for _ in range(30 if batch == 1 else 3):
        await once(batch)
    link.add_query_logger(count)
    for _ in range(10):
        await once(batch)
    link.remove_query_logger(count)
    took.clear(), counted.clear(), search.took.clear()
    mine, theirs, began = time.process_time(), jiffies(backend), time.perf_counter()
    while time.perf_counter() - began < seconds:
        await once(batch)
    wall, done = time.perf_counter() - began, counted.total()
    mine, theirs = (time.process_time() - mine) / done, (jiffies(backend) - theirs) / done
    print(
        f"{'one by one' if batch == 1 else f'{batch} a transaction'}: {done / wall:.0f}/s one after the other, "
        f"{1 / (mine + theirs):.0f}/s per core (CPU {mine * 1e6:.0f} us here + {theirs * 1e6:.0f} us in PostgreSQL), "
        f"{trips / 10:.1f} round trips\n  transaction {spread(took)}\n  search      {spread(search.took)}"
        f"{'' if batch == 1 else ' for the batch'}\n  {dict(sorted(counted.items()))}",
        flush=True,
    )


async def main() -> None:
    """Build, measure, and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--people", type=int, default=20_000, help="how many are enrolled before")
    options.add_argument("--seconds", type=float, default=8.0)
    options.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that build the register")
    options.add_argument("--keep", type=Path, help="keep the register in this directory, and find it there again")
    options.add_argument("--lay", action="store_true", help="lay the register down (see --keep), and stop")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or Path(name)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o711)
        print(f"fdatasync of 8 kB, p50 {fsync_ms(folder):.2f} ms", flush=True)
        server = EmbeddedServer(folder / "pg")
        try:
            settings = Settings(home=folder / "home", pool_size=1)
            await migrate(server.url)
            began = time.perf_counter()
            await build(server.url, settings, chosen.people, chosen.workers)
            print(f"{chosen.people:,} people laid down in {time.perf_counter() - began:.0f} s", flush=True)
            if chosen.lay:
                return
            stack = await Stack.open(settings, as_app(server.url), PROFILE)
            app.load_policies()
            app.settle_memory()  # as the server does
            search = enrolment._compare = Search()
            owner = await asyncpg.connect(server.url)
            for batch in (100, 1):
                await measured(stack, owner, chosen.people, batch, chosen.seconds, search)
            await owner.close()
            await stack.close()
        finally:
            server.stop()


if __name__ == "__main__":
    uvloop.run(main())  # as the server does
