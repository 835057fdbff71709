"""How fast records are stored, read, searched and summarised: `python tests/bench/bench_health.py [--people N]`.

Every person gets the adult sample (36 resources in one transaction: validated, indexed, compressed, sealed under the
person's key, logged). The yardstick is the same server taking the same JSON by one durable INSERT of plain text per
resource and transaction, and giving it back by primary key: no validation, index, seal, permit or log at all.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg

from msingi import app, countries
from msingi.health import acts, samples, structure, wire
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel import context as contexts
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

CLIENTS = 4


def doctor() -> Context:
    """A clinician at this moment."""
    actor = Actor(Kind.STAFF, "doctor", "zahanati", frozenset({"clinician"}), 2)
    return contexts.context(actor, "health-care", "contract")


async def enrol(stack: Stack, count: int) -> list[str]:
    """Identity numbers of people unlike each other."""
    chance, numbers = random.Random(7), []
    while len(numbers) < count:
        given, family = ("".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=9)) for _ in range(2))
        born = f"{chance.randrange(1940, 2000)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
        order = EnrolmentOrder(name=Name(given=given, family=family), birth=Birth(date=born))
        ctx = job_context("bench", purpose="identity-registration")
        outcome = await identity.enrol(stack, ctx, order, given + family)
        if isinstance(outcome, Enrolled):
            numbers.append(outcome.number)
    return numbers


async def rate(work: list[Callable[[], Awaitable[Any]]], weight: int = 1) -> float:
    """Pieces per second with CLIENTS at once; each piece of work counts `weight`."""
    waiting = iter(work)

    async def client() -> None:
        for one in waiting:
            await one()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(work) * weight / (time.perf_counter() - began)


async def yardstick(url: str, bundles: list[dict[str, Any]], reads: int) -> tuple[float, float]:
    """Resources a second by plain durable INSERT, and reads a second by primary key."""
    pool = await asyncpg.create_pool(url, min_size=CLIENTS, max_size=CLIENTS)
    await pool.execute("CREATE TABLE plain (id uuid PRIMARY KEY DEFAULT uuidv7(), body text)")

    async def store(bundle: dict[str, Any]) -> None:
        rows = [(wire.encode(e["resource"]).decode(),) for e in bundle["entry"]]
        async with pool.acquire() as conn, conn.transaction():
            await conn.executemany("INSERT INTO plain (body) VALUES ($1)", rows)

    stored = await rate([lambda b=b: store(b) for b in bundles], len(bundles[0]["entry"]))
    ids = [row["id"] for row in await pool.fetch("SELECT id FROM plain")]
    chosen = random.Random(1).choices(ids, k=reads)
    query = "SELECT body FROM plain WHERE id = $1"
    read = await rate([lambda i=i: pool.fetchval(query, i) for i in chosen])
    await pool.close()
    return stored, read


async def measure(url: str, home: Path, people: int, reads: int) -> None:
    """Store, read, search and summarise; print a line for each."""
    stack = await Stack.open(Settings(home=home), as_app(url), countries.load("taifa"))
    app.load_policies()
    app.furnish(stack)
    await app.start_rooms(stack)
    numbers = await enrol(stack, people)
    bundles = [samples.for_person("adult", stack.profile.number_system, number) for number in numbers]
    size = len(bundles[0]["entry"])

    began = time.perf_counter()
    for bundle in bundles:
        structure.check(bundle)
    checked = people * size / (time.perf_counter() - began)
    answers: list[dict[str, Any]] = []

    async def send(bundle: dict[str, Any]) -> None:
        answers.append(await acts.store_bundle(stack, doctor(), bundle))

    stored = await rate([lambda b=b: send(b) for b in bundles], size)
    locations = [e["response"]["location"].split("/") for a in answers for e in a["entry"]]
    clinical = [one for one in locations if one[0] in ("Observation", "Condition", "MedicationRequest", "Patient")]
    patients = [one[1] for one in locations if one[0] == "Patient"]
    chance = random.Random(3)
    chosen = chance.choices(clinical, k=reads)
    read = await rate([lambda i=i: acts.read(stack, doctor(), i[0], i[1]) for i in chosen])
    code = ("code", "http://loinc.org|85354-9")
    asked = chance.choices(patients, k=reads // 2)
    found = await rate([lambda p=p: acts.search(stack, doctor(), "Observation", (("patient", p), code)) for p in asked])
    asked = chance.choices(patients, k=reads // 4)
    summaries = await rate([lambda p=p: acts.summary_of_patient(stack, doctor(), p) for p in asked])
    plain_stored, plain_read = await yardstick(url, bundles, reads)
    async with stack.db.plumbing() as conn:
        used = await conn.fetchval(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c WHERE relnamespace = 'health'::regnamespace "
            "AND relkind = 'r'"
        )
    print(f"validated          {checked:9,.0f} resources/s (one process, no database)")
    print(f"stored             {stored:9,.0f} resources/s   plain INSERT {plain_stored:9,.0f}/s   "
          f"ratio {stored / plain_stored:.3f}")  # fmt: skip
    ratio = read / plain_read
    print(f"read, logged       {read:9,.0f} /s             plain SELECT {plain_read:9,.0f}/s   ratio {ratio:.3f}")
    print(f"search by code     {found:9,.0f} /s (5 matches a page, each opened and judged)")
    print(f"$summary           {summaries:9,.0f} /s")
    print(
        f"on disk            {(used or 0) / (people * size):9,.0f} bytes a resource, with all indexes and the directory"
    )
    await stack.close()


def main() -> None:
    """Start a database of its own, measure, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--reads", type=int, default=800)
    asked = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory(prefix="msingi-bench-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        server = EmbeddedServer(place / "pg")
        try:
            asyncio.run(_run(server.url, place / "home", asked.people, asked.reads))
        finally:
            server.stop()


async def _run(url: str, home: Path, people: int, reads: int) -> None:
    await migrate(url)
    await measure(url, home, people, reads)


if __name__ == "__main__":
    main()
