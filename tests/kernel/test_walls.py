"""The kernel's laws 1 to 3 and 6: no permit, no leaf, no key: no data."""

import asyncpg
import pytest

from msingi.kernel import log, policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import DifferentContent, Erased, LeafMissing, NotPermitted
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.postgres import as_app
from msingi.kernel.sql import Query

RULES = """
@id("demo.note: people write notes about themselves")
permit (principal is Person, action == Action::"demo.note", resource) when { context.own };
@id("demo.sweep: the sweeper job reaches everyone")
permit (principal is Job, action == Action::"demo.sweep", resource) when { principal.name == "sweeper" };
"""
INSERT = Query("insert", "INSERT INTO demo.note (person_id, text) VALUES ($1, $2)", "")
SELECT = Query("select", "SELECT person_id, text FROM demo.note", "")


@pytest.fixture(scope="module", autouse=True)
async def demo(owner_url, stack):
    conn = await asyncpg.connect(owner_url)
    await conn.execute("""CREATE SCHEMA demo; CREATE TABLE demo.note (person_id uuid, text text);
        SELECT kernel.wall('demo', 'note', 'person_id')""")
    await conn.close()
    before = policy._policies
    policy.load([], {"demo": RULES})
    yield
    policy._policies = before


async def person(stack) -> PersonId:
    person_id = PersonId(uuid7())
    permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, person_id)
        log.append(tx, permit, subject=person_id)
    return person_id


def own(ctx_of, person_id):
    return ctx_of(Kind.PERSON, person_id, purpose="subject-access", basis="contract")


async def test_law_1_a_permit_comes_only_from_a_decision(ctx_of):
    with pytest.raises(TypeError):
        policy.Permit(object(), "demo.note", job_context("x"), None, "")
    with pytest.raises(NotPermitted):
        policy.decide(own(ctx_of, uuid7()), "demo.note", PersonId(uuid7()))
    with pytest.raises(NotPermitted):
        policy.decide(job_context("other"), "demo.sweep", policy.ANYONE)


async def test_law_2_no_leaf_no_commit(stack, ctx_of):
    person_id = await person(stack)
    permit = policy.decide(own(ctx_of, person_id), "demo.note", person_id)
    with pytest.raises(LeafMissing):
        async with stack.db.transaction(permit) as tx:
            await tx.do(INSERT, person_id, "unlogged")
    async with stack.db.transaction(permit) as tx:
        assert await tx.rows(SELECT) == []
        await tx.do(INSERT, person_id, "logged")
        log.append(tx, permit, subject=person_id)
    async with stack.db.transaction(permit) as tx:
        assert [r["text"] for r in await tx.rows(SELECT)] == ["logged"]
        log.append(tx, permit, subject=person_id)


async def test_law_2_every_permit_of_a_batch_owes_a_leaf(stack, ctx_of):
    one, two = await person(stack), await person(stack)
    permits = [policy.decide(own(ctx_of, p), "demo.note", p) for p in (one, two)]
    with pytest.raises(LeafMissing):
        async with stack.db.transaction(*permits) as tx:
            log.append(tx, permits[0], subject=one)


async def test_law_3_the_database_says_no_when_python_is_bypassed(stack, owner_url, ctx_of):
    mine, other = await person(stack), await person(stack)
    for p in (mine, other):
        permit = policy.decide(own(ctx_of, p), "demo.note", p)
        async with stack.db.transaction(permit) as tx:
            await tx.do(INSERT, p, "secret")
            log.append(tx, permit, subject=p)
    raw = await asyncpg.connect(as_app(owner_url))
    try:
        assert await raw.fetchval("SELECT count(*) FROM demo.note") == 0
        assert await raw.fetchval("SELECT count(*) FROM kernel.person_key") == 0
        assert await raw.fetchval("SELECT count(*) FROM log.record WHERE person_id = $1", mine) == 0
        for forbidden in (
            "INSERT INTO demo.note VALUES (gen_random_uuid(), 'x')",
            "ALTER TABLE demo.note DISABLE ROW LEVEL SECURITY",
            "SET ROLE postgres",
            "TRUNCATE log.record",
            "UPDATE log.record SET act = 'x'",
            "DELETE FROM kernel.migration",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await raw.execute(forbidden)
    finally:
        await raw.close()
    permit = policy.decide(own(ctx_of, mine), "demo.note", mine)
    async with stack.db.transaction(permit) as tx:
        assert {r["person_id"] for r in await tx.rows(SELECT)} == {mine}
        log.append(tx, permit, subject=mine)
    async with stack.db.reading("demo") as tx:
        assert await tx.rows(SELECT) == []


async def test_a_reading_cannot_write(stack):
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with stack.db.reading("demo") as tx:
            await tx.do(INSERT, uuid7(), "x")


async def test_law_6_erasing_the_key_erases_the_content(stack):
    person_id = await person(stack)
    permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        blob = await stack.seal.seal(tx, person_id, b"asha", "demo")
        assert await stack.seal.unseal(tx, person_id, blob, "demo") == b"asha"
        with pytest.raises(ValueError, match="changed"):
            await stack.seal.unseal(tx, person_id, blob, "other place")
        log.append(tx, permit)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.erase(tx, person_id)
        log.append(tx, permit)
    with pytest.raises(Erased):
        async with stack.db.transaction(permit) as tx:
            await stack.seal.unseal(tx, person_id, blob, "demo")


async def test_law_4_claim_before_act(stack):
    from msingi.kernel import once

    permit = policy.decide(job_context("sweeper"), "demo.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        assert await once.claim(tx, "demo", "k1", {"amount": 1, "to": "x"}) is None
        await once.settle(tx, "demo", "k1", b"receipt 1")
        log.append(tx, permit)
    async with stack.db.transaction(permit) as tx:
        assert await once.claim(tx, "demo", "k1", {"to": "x", "amount": 1}) == b"receipt 1"
    with pytest.raises(DifferentContent):
        async with stack.db.transaction(permit) as tx:
            await once.claim(tx, "demo", "k1", {"to": "y", "amount": 1})


def test_law_7_pseudonyms_are_pairwise(stack):
    person_id = PersonId(uuid7())
    a, b = stack.pseudonym.of("bank", person_id), stack.pseudonym.of("clinic", person_id)
    assert a != b and len(a) == 26
    assert stack.pseudonym.person("bank", a) == person_id
    assert stack.pseudonym.person("clinic", a) != person_id
