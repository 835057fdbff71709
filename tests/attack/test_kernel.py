"""The kernel's walls, attacked from inside: with Python objects, with session facts, and with the database password."""

import copy
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from msingi.kernel import log, once, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.db import Connection
from msingi.kernel.errors import LeafMissing
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import sequencer
from msingi.kernel.postgres import as_app
from msingi.kernel.sql import Query
from msingi.kernel.stack import Stack

RULES = """
@id("demo.note: people write notes about themselves")
permit (principal, action == Action::"demo.note", resource);
"""
INSERT = Query("insert", "INSERT INTO demo.note (person_id, text) VALUES ($1, $2)", "")
COUNT = Query("count", "SELECT count(*) FROM demo.note", "")
FACT = Query("fact", "SELECT current_setting('msingi.' || $1)", "")


@pytest.fixture(scope="module", autouse=True)
async def demo(owner_url: str, stack: Stack) -> AsyncIterator[None]:
    conn = await asyncpg.connect(owner_url)
    await conn.execute("""CREATE SCHEMA demo; CREATE TABLE demo.note (person_id uuid, text text);
        SELECT kernel.wall('demo', 'note', 'person_id');
        INSERT INTO demo.note VALUES (gen_random_uuid(), 'of somebody else')""")
    await conn.close()
    before = policy._policies
    policy.load([], {"demo": RULES})
    yield
    policy._policies = before


@pytest.fixture
async def raw(owner_url: str) -> AsyncIterator[Connection]:
    """What somebody with the application's password has: a connection, and any SQL."""
    conn = await asyncpg.connect(as_app(owner_url))
    yield conn
    await conn.close()


def _permit(ctx: Context, *people: PersonId) -> policy.Permit:
    return policy.decide(ctx, "demo.note", people)


async def test_a_permit_cannot_be_made_copied_or_widened() -> None:
    permit = _permit(job_context("x"))
    with pytest.raises(TypeError):
        policy.Permit(object(), "demo.note", permit.context, None, "")
    with pytest.raises(AttributeError):
        permit.everything = True  # type: ignore[attr-defined]
    assert copy.copy(permit).subjects == ()


async def test_a_repeated_claim_keeps_nothing_of_what_is_done_beside_it(stack: Stack, raw: Any) -> None:
    """Whoever gets a first receipt again owes no leaf; so whatever else the transaction did must not stay."""
    person = PersonId(uuid7())
    permit = _permit(job_context("x"))
    async with stack.db.transaction(permit) as tx:
        await once.claim(tx, "demo", "again", b"content")
        await once.settle(tx, "demo", "again", b"receipt")
        log.append(tx, permit)
    other = _permit(job_context("x"), person)
    async with stack.db.transaction(other) as tx:
        assert await once.claim(tx, "demo", "again", b"content") == b"receipt"
        await tx.do(INSERT, person, "without a trace")
    permit = _permit(job_context("x"), person)
    async with stack.db.transaction(permit) as tx:
        assert await tx.value(COUNT) == 0
        log.append(tx, permit)


async def test_a_swallowed_refusal_to_commit_commits_nothing(stack: Stack) -> None:
    person = PersonId(uuid7())
    permit = _permit(job_context("x"), person)
    try:
        async with stack.db.transaction(permit) as tx:
            await tx.do(INSERT, person, "unlogged")
    except LeafMissing:
        pass
    permit = _permit(job_context("x"), person)
    async with stack.db.transaction(permit) as tx:
        assert await tx.value(COUNT) == 0
        log.append(tx, permit)


HOSTILE = (
    "x'; SET LOCAL msingi.reach = '*'; --",
    "x''; SET LOCAL msingi.reach = '*'; --",
    "x\\'; SET LOCAL msingi.reach = '*'; --",
    "x\\",
    "x\n'; SET LOCAL msingi.reach = '*'\n; --",
    "$$x$$; SET LOCAL msingi.reach = '*'",
    "\u2019\u02bc\uff07; SET LOCAL msingi.reach = '*'",
    "E'\\047; SET LOCAL msingi.reach = ''*'",
)


@pytest.mark.parametrize("scs", ["on", "off"])
@pytest.mark.parametrize("text", HOSTILE)
async def test_names_are_never_statements(stack: Stack, text: str, scs: str) -> None:
    """Actor and institution stand in the opening statement as literals, whatever the server makes of backslashes."""
    actor = Actor(Kind.CLIENT, text, text)
    permit = _permit(context(actor, "operations", "public-task"))
    async with stack.db.plumbing() as conn:
        await conn.execute(f"SET standard_conforming_strings = {scs}")  # the pool hands this connection out again
    async with stack.db.transaction(permit) as tx:
        assert await tx.value(FACT, "reach") == ""
        assert await tx.value(FACT, "institution") == text
        assert await tx.value(FACT, "actor") == f"client:{text}"
        assert await tx.value(COUNT) == 0
        log.append(tx, permit)
    async with stack.db.plumbing() as conn:
        await conn.execute("SET standard_conforming_strings = on")


async def test_the_password_alone_shows_nobody(raw: Any) -> None:
    """Without session facts: no rows by SELECT, COPY, a view, a function, or a cursor."""
    for schema, table in await raw.fetch(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'kernel', 'log') "
        "AND has_table_privilege(c.oid, 'SELECT')"
    ):
        assert await raw.fetchval(f"SELECT count(*) FROM {schema}.{table}") == 0, (schema, table)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await raw.fetch("SELECT * FROM payments.journal")
    assert await raw.fetch("SELECT * FROM consent.live(gen_random_uuid(), 'a', 'b', ARRAY['c'], now())") == []
    assert not await raw.fetchval("SELECT consent.unchanged(ARRAY[gen_random_uuid()], ARRAY[1::bigint])")


TAMPER = (
    "DELETE FROM log.pending",
    "UPDATE log.pending SET entries = repeat('x', 32)::bytea",
    "UPDATE log.tile SET bytes = ''",
    "INSERT INTO log.tile VALUES (0, 9, '')",
    "DELETE FROM log.tile",
    "INSERT INTO log.checkpoint (size, root, note) VALUES (9, '', '')",
    "UPDATE log.checkpoint SET root = ''",
    "DELETE FROM log.checkpoint",
    "INSERT INTO log.placed VALUES (gen_random_uuid(), 0, 1)",
    "DELETE FROM log.placed",
    "DELETE FROM log.record",
    "UPDATE log.record SET act = 'x'",
    "DELETE FROM log.inner",
    "DELETE FROM log.batch",
    "DELETE FROM kernel.once",
    "UPDATE payments.journal SET amount = 1",
    "DELETE FROM payments.journal",
    "DELETE FROM payments.batch",
    "DELETE FROM consent.revision",
    "TRUNCATE log.pending",
    "COPY log.pending TO PROGRAM 'cat'",
    "ALTER TABLE log.pending DISABLE TRIGGER ALL",
    "CREATE TABLE log.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE FUNCTION kernel.reach() RETURNS uuid[] LANGUAGE sql RETURN NULL",
    "SET ROLE msingi_sequencer",
    "SET SESSION AUTHORIZATION postgres",
)


@pytest.mark.parametrize("statement", TAMPER)
async def test_the_application_role_does_not_rewrite_what_was_written(raw: Any, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await raw.execute(statement)


async def test_the_sequencers_role_reads_nobody_and_adds_no_act(owner_url: str) -> None:
    async with sequencer.connection(as_app(owner_url)) as conn:
        for statement in (
            "SELECT * FROM log.record", "SELECT * FROM kernel.person_key", "SELECT * FROM kernel.once",
            "SELECT * FROM identity.person", "DELETE FROM log.tile", "UPDATE log.checkpoint SET root = ''",
            "INSERT INTO log.pending (id, entries) VALUES (gen_random_uuid(), repeat('x', 32)::bytea)",
        ):  # fmt: skip
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_no_function_of_the_owner_runs_what_a_caller_brings(raw: Any, owner_url: str) -> None:
    """Functions with the owner's rights look for types and tables in pg_catalog first, and in pg_temp last.

    With a domain called text in its temporary schema, the application's role became superuser.
    """
    owner = await asyncpg.connect(owner_url)
    try:
        found = await owner.fetch(
            "SELECT p.oid::regprocedure::text AS name, p.proconfig, has_function_privilege('public', p.oid, 'EXECUTE') "
            "AS anybody FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
            "WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
    finally:
        await owner.close()
    assert found
    for function in found:
        assert "search_path=pg_catalog, pg_temp" in (function["proconfig"] or []), function["name"]
        assert not function["anybody"], function["name"]
    await raw.execute("""
        CREATE FUNCTION pg_temp.evil(v pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
          RAISE EXCEPTION 'evil ran as %', current_user; END $$;
        CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.evil(VALUE))""")
    await raw.execute("SELECT payments.index_chapter(0::int2, 1, 'debit')")
    await raw.execute("SELECT consent.live(gen_random_uuid(), 'a', 'b', ARRAY['x'], now())")


async def test_migrations_take_temporary_tables_away(server: Any) -> None:
    from msingi.kernel.postgres import migrate, rewritten

    owner = await asyncpg.connect(server.url)
    await owner.execute("CREATE DATABASE attack_temp")
    await owner.close()
    url = rewritten(server.url, database="attack_temp")
    await migrate(url, [])
    made = await asyncpg.connect(as_app(url))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await made.execute("CREATE TEMPORARY TABLE x ()")
    await made.close()
