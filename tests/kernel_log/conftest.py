"""A small room of its own, so that the log's tests leave real leaves by real acts."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from msingi import countries
from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.sql import Query
from msingi.kernel.stack import Stack

RULES = """
@id("demo.sweep: the sweeper job reaches everyone")
permit (principal is Job, action == Action::"demo.sweep", resource) when { principal.name == "sweeper" };
"""
SEALED = Query("sealed", "SELECT sealed FROM log.record WHERE person_id = $1 AND record_id = $2", "")
BATCH = """INSERT INTO log.batch (pending_id, entry_no, root, count)
SELECT $1, n, substring($2::bytea FROM n * 32 + 1 FOR 32), 1 FROM generate_series(0, length($2::bytea) / 32 - 1) AS n"""
Act = Callable[..., Awaitable[list[UUID]]]


@pytest.fixture(scope="module")
async def stack(owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack in which no room has begun to work, so that the tests know every entry of the log."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), base_url="http://127.0.0.1:8080", sandbox=True)
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    yield made
    await made.close()


@pytest.fixture(scope="module", autouse=True)
async def rules(stack: Stack) -> AsyncIterator[None]:
    """The rules of the room called demo are in force while the module's tests run."""
    before = policy._policies
    policy.load([], {"demo": RULES})
    yield
    policy._policies = before


@pytest.fixture(scope="module")
async def person(stack: Stack) -> Callable[[], Awaitable[PersonId]]:
    """Makes a person who has a key."""

    async def make() -> PersonId:
        person_id = PersonId(uuid7())
        permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
        async with stack.db.transaction(permit) as tx:
            await stack.seal.create_key(tx, person_id)
            log.append(tx, permit, subject=person_id, detail={"what": "key made"})
        return person_id

    return make


@pytest.fixture(scope="module")
async def act(stack: Stack) -> Act:
    """One transaction that leaves a record for each of the given people; gives the records' ids."""

    async def do(*subjects: PersonId | None, what: str = "looked", roots: tuple[bytes, ...] = ()) -> list[UUID]:
        permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
        async with stack.db.transaction(permit) as tx:
            refs = [log.append(tx, permit, subject=s, detail={"what": what}) for s in subjects]
            for root in roots:
                log.append_root(tx, permit, root=root, count=3)
        return [ref.record_id for ref in refs]

    return do


@pytest.fixture(scope="module")
async def unsealed(stack: Stack) -> Callable[[PersonId, UUID], Awaitable[bytes]]:
    """What a person's key opens of one of the person's records."""

    async def open_(person_id: PersonId, record_id: UUID) -> bytes:
        permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
        async with stack.db.transaction(permit) as tx:
            sealed = await tx.value(SEALED, person_id, record_id)
            plain = await stack.seal.unseal(tx, person_id, sealed, leaf.LABEL)
            log.append(tx, permit, subject=person_id, detail={"what": "read"})
        return plain

    return open_


async def put(conn: asyncpg.Connection, *counts: int) -> list[bytes]:
    """Entries of batches, as transactions would leave them, one transaction for each count."""
    entries = []
    for count in counts:
        raw, pending_id = os.urandom(32 * count), uuid7()
        await conn.execute("INSERT INTO log.pending (id, entries) VALUES ($1, $2)", pending_id, raw)
        await conn.execute(BATCH, pending_id, raw)
        entries += [raw[i : i + 32] for i in range(0, len(raw), 32)]
    return entries


@pytest.fixture
async def owner(owner_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection, to tamper with the log."""
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()
