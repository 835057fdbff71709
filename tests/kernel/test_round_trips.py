"""What travels together, and what still holds although it does: budgets, remembered keys, plans, released permits."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msingi import countries
from msingi.kernel import db as db_of
from msingi.kernel import log, once, policy
from msingi.kernel import tx as tx_of
from msingi.kernel.context import job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Conflict, DifferentContent, Erased, LeafMissing, Malformed, Outage
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.inline import render, renders
from msingi.kernel.postgres import as_app
from msingi.kernel.sql import Query
from msingi.kernel.stack import Stack

RULES = """
@id("demo.note: the job writes notes")
permit (principal is Job, action == Action::"demo.note", resource);
"""
INSERT = Query("insert", "INSERT INTO demo.note (person_id, text) VALUES ($1, $2)", "")
COUNT = Query("count", "SELECT count(*) FROM demo.note WHERE text = $1", "")
LOOK = Query("look", "SELECT n FROM demo.big WHERE n = $1", "")
EVENTS = Query("events", "SELECT kind FROM kernel.outbox WHERE kind LIKE 'demo.%' ORDER BY id", "")


@pytest.fixture(scope="module", autouse=True)
async def demo(owner_url: str, stack: Stack) -> AsyncIterator[None]:
    assert stack.db
    conn = await asyncpg.connect(owner_url)
    await conn.execute("""CREATE SCHEMA demo; CREATE TABLE demo.note (person_id uuid, text text);
        SELECT kernel.wall('demo', 'note', 'person_id');
        CREATE TABLE demo.big (n int PRIMARY KEY, filler text); SELECT kernel.wall('demo', 'big', NULL)""")
    await conn.close()
    before = policy._policies
    policy.load([], {"demo": RULES})
    yield
    policy._policies = before


@pytest.fixture
async def neighbour(stack: Stack, owner_url: str) -> AsyncIterator[Stack]:
    """Another process on the same database with the same keys."""
    made = await Stack.open(stack.settings, as_app(owner_url), countries.load("taifa"))
    yield made
    await made.close()


def _permit(*people: PersonId) -> policy.Permit:
    return policy.decide(job_context("x"), "demo.note", people)


async def _person(stack: Stack) -> PersonId:
    person = PersonId(uuid7())
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, person)
        log.append(tx, permit, subject=person)
    return person


async def _note(stack: Stack, person: PersonId, text: str) -> int:
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        await tx.do(INSERT, person, text)
        log.append(tx, permit, subject=person)
    return tx.statements


async def _written(stack: Stack, text: str) -> int:
    permit = policy.decide(job_context("x"), "demo.note", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit)
        return await tx.value(COUNT, text)


async def test_budget_a_whole_act_takes_three_round_trips(stack: Stack) -> None:
    """Claim with BEGIN; one row; receipt, event, leaf and a look at the key with COMMIT."""
    person = await _person(stack)
    await _note(stack, person, "so that the key is remembered")
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        assert await once.claim(tx, "demo", "budget", b"content") is None
        await tx.do(INSERT, person, "budget")
        await once.settle(tx, "demo", "budget", b"receipt")
        await stack.outbox.emit(tx, "demo.noted", {"n": 1})
        log.append(tx, permit, subject=person)
    assert tx.statements == 3
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        assert await once.claim(tx, "demo", "budget", b"content") == b"receipt"
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=person)
        assert not tx.begun
    assert tx.statements == 1
    async with stack.db.plumbing() as conn:
        assert [row["kind"] for row in await conn.fetch(EVENTS.text)] == ["demo.noted"]


async def test_an_act_that_fails_before_its_first_statement_costs_no_round_trip(stack: Stack) -> None:
    opened: list[Tx] = []
    with pytest.raises(LeafMissing):
        async with stack.db.transaction(_permit()) as tx:
            opened.append(tx)
    with pytest.raises(ZeroDivisionError):
        async with stack.db.transaction(_permit()) as tx:
            opened.append(tx)
            _ = 1 // 0
    assert [tx.statements for tx in opened] == [0, 0]


async def test_a_remembered_key_that_was_erased_elsewhere_opens_and_writes_nothing(
    stack: Stack, neighbour: Stack
) -> None:
    """Law 6, although keys are remembered: what was opened with a key that is gone never leaves the transaction."""
    person = await _person(stack)
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        blob = await stack.seal.seal(tx, person, b"secret", "demo")
        log.append(tx, permit, subject=person)
    permit = _permit(person)
    async with neighbour.db.transaction(permit) as tx:
        await neighbour.seal.erase(tx, person)
        log.append(tx, permit)
    got = b""
    with pytest.raises(Erased):
        permit = _permit(person)
        async with stack.db.transaction(permit) as tx:
            await tx.do(INSERT, person, "after the erasure")
            got = await stack.seal.unseal(tx, person, blob, "demo")
            log.append(tx, permit, subject=person)
    assert got == b"secret" and await _written(stack, "after the erasure") == 0
    with pytest.raises(Erased):  # and from now on it is not even opened
        async with stack.db.transaction(_permit(person)) as tx:
            await stack.seal.unseal(tx, person, blob, "demo")


async def test_a_key_that_was_renewed_elsewhere_is_an_outage_once(stack: Stack, neighbour: Stack) -> None:
    """An erasure seals anew what a law keeps: other programs find the new key at the second attempt, never the old."""
    person = await _person(stack)
    await _note(stack, person, "so that the key is remembered")
    for seals in (False, True):
        permit = _permit(person)
        async with neighbour.db.transaction(permit) as tx:
            await neighbour.seal.erase(tx, person)
            await neighbour.seal.create_key(tx, person)
            blob = await neighbour.seal.seal(tx, person, b"kept", "demo")
            log.append(tx, permit)
        with pytest.raises(Outage):
            permit = _permit(person)
            async with stack.db.transaction(permit) as tx:
                if seals:
                    await stack.seal.seal(tx, person, b"under the old key", "demo")
                else:
                    await stack.seal.unseal(tx, person, blob, "demo")
                log.append(tx, permit, subject=person)
        permit = _permit(person)
        async with stack.db.transaction(permit) as tx:
            assert await stack.seal.unseal(tx, person, blob, "demo") == b"kept"
            log.append(tx, permit, subject=person)
    await _note(stack, person, "remembered again")
    with pytest.raises(Outage):  # a changed blob looks the same at first
        async with stack.db.transaction(_permit(person)) as tx:
            await stack.seal.unseal(tx, person, blob[:-1] + b"x", "demo")
    with pytest.raises(ValueError, match="changed"):
        async with stack.db.transaction(_permit(person)) as tx:
            await stack.seal.unseal(tx, person, blob[:-1] + b"x", "demo")


async def test_a_repetition_does_not_answer_with_an_erased_key_either(stack: Stack, neighbour: Stack) -> None:
    person = await _person(stack)
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        await once.claim(tx, "demo", "receipt of the erased", b"")
        blob = await stack.seal.seal(tx, person, b"secret", "demo")
        await once.settle(tx, "demo", "receipt of the erased", blob)
        log.append(tx, permit, subject=person)
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:  # remembers the key
        await stack.seal.unseal(tx, person, blob, "demo")
        log.append(tx, permit, subject=person)
    permit = _permit(person)
    async with neighbour.db.transaction(permit) as tx:
        await neighbour.seal.erase(tx, person)
        log.append(tx, permit)
    with pytest.raises(Erased):
        async with stack.db.transaction(_permit(person)) as tx:
            first = await once.claim(tx, "demo", "receipt of the erased", b"")
            await stack.seal.unseal(tx, person, first or b"", "demo")


async def test_a_remembered_key_does_not_pass_the_wall(stack: Stack) -> None:
    """A permit for one person cannot use another's key, although this process remembers it."""
    mine, other = await _person(stack), await _person(stack)
    permit = _permit(other)
    async with stack.db.transaction(permit) as tx:
        blob = await stack.seal.seal(tx, other, b"secret", "demo")
        log.append(tx, permit)
    with pytest.raises(Erased):
        permit = _permit(mine)
        async with stack.db.transaction(permit) as tx:
            await stack.seal.unseal(tx, other, blob, "demo")
            log.append(tx, permit, subject=mine)


async def test_many_keys_and_many_claims_take_a_fixed_number_of_round_trips(stack: Stack) -> None:
    people = [PersonId(uuid7()) for _ in range(20)]
    permit = _permit(*people)
    async with stack.db.transaction(permit) as tx:
        told = await once.claim_many(tx, "demo", {f"many-{n}": n for n in range(20)})
        assert set(told.values()) == {None}
        await stack.seal.create_keys(tx, people)
        for n, person in enumerate(people):
            await stack.seal.seal(tx, person, b"x", "demo")
            await once.settle(tx, "demo", f"many-{n}", b"receipt %d" % n)
            log.append(tx, permit, subject=person)
    assert tx.statements <= 5
    permit = _permit(*people)
    async with stack.db.transaction(permit) as tx:
        wanted = {"many-1": 1, "many-2": 2, "new": 0, "many-3": "other"}
        told = await once.claim_many(tx, "demo", wanted)
        assert (told["many-1"], told["many-2"], told["new"]) == (b"receipt 1", b"receipt 2", None)
        assert isinstance(told["many-3"], DifferentContent)
        await stack.seal.fetch(tx, people)
        log.append(tx, permit)
    assert tx.statements <= 5


async def test_a_key_claimed_twice_in_one_transaction_answers_with_what_was_settled(stack: Stack) -> None:
    permit = _permit()
    async with stack.db.transaction(permit) as tx:
        assert await once.claim(tx, "demo", "twice", b"a") is None
        with pytest.raises(Conflict):
            await once.claim(tx, "demo", "twice", b"a")
        await once.settle(tx, "demo", "twice", b"receipt")
        assert await once.claim(tx, "demo", "twice", b"a") == b"receipt"
        with pytest.raises(DifferentContent):
            await once.claim(tx, "demo", "twice", b"b")
        tx.repeated = False
        log.append(tx, permit)


async def test_released_permits_owe_no_leaf_and_keep_nothing(stack: Stack) -> None:
    person = await _person(stack)
    needed, spare = _permit(person), _permit(person)
    async with stack.db.transaction(needed, spare) as tx:
        await tx.do(INSERT, person, "kept")
        log.append(tx, needed, subject=person)
        tx.release(spare)
    assert await _written(stack, "kept") == 1
    spare = _permit(person)
    async with stack.db.transaction(spare) as tx:
        await tx.do(INSERT, person, "not kept")
        tx.release(spare)
    assert await _written(stack, "not kept") == 0


async def test_a_large_ending_goes_the_long_way_and_is_kept_all_the_same(stack: Stack) -> None:
    person = await _person(stack)
    permit = _permit(person)
    async with stack.db.transaction(permit) as tx:
        await tx.do(INSERT, person, "large")
        await stack.outbox.emit(tx, "demo.large", "x" * (tx_of.INLINE_BYTES + 1))
        log.append(tx, permit, subject=person)
    assert await _written(stack, "large") == 1


async def test_no_commit_goes_unseen(stack: Stack) -> None:
    """An act that swallows a database error stands in a dead transaction: it must not look committed."""
    permit = _permit()
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        async with stack.db.transaction(permit) as tx:
            with pytest.raises(asyncpg.PostgresError):
                await tx.do(Query("bad", "SELECT 1 / 0", ""))
            log.append(tx, permit)


async def test_plans_do_not_outlive_the_table_they_were_made_for(
    stack: Stack, owner_url: str, monkeypatch: Any
) -> None:
    """The trap: a statement run while its table is empty keeps scanning it when it is large, for hours."""
    owner = await asyncpg.connect(owner_url)
    monkeypatch.setattr(db_of, "PLANS_LAST_S", 1e9)  # however slow the machine is
    try:
        await owner.execute("ALTER TABLE demo.big SET (autovacuum_enabled = false)")
        await owner.execute("VACUUM ANALYZE demo.big")
        for _ in range(12):
            async with stack.db.reading("demo") as tx:
                await tx.value(LOOK, 1)
        await owner.execute("INSERT INTO demo.big SELECT n, repeat('x', 100) FROM generate_series(1, 60000) n")

        async def blocks_read() -> int:
            before = await owner.fetchval("SELECT pg_stat_get_tuples_returned('demo.big'::regclass)")
            async with stack.db.reading("demo") as tx:
                assert await tx.value(LOOK, 59_999) == 59_999
                await (await tx.open()).execute("SELECT pg_stat_force_next_flush()")
            return await owner.fetchval("SELECT pg_stat_get_tuples_returned('demo.big'::regclass)") - before

        assert await blocks_read() > 10_000, "the trap is gone by itself: PostgreSQL has learned something"
        monkeypatch.setattr(db_of, "PLANS_LAST_S", -1.0)
        assert await blocks_read() == 0
    finally:
        await owner.close()


async def test_an_act_chooses_its_isolation_although_its_plans_are_forgotten(stack: Stack, monkeypatch: Any) -> None:
    monkeypatch.setattr(db_of, "PLANS_LAST_S", -1.0)
    permit = _permit()
    async with stack.db.transaction(permit) as tx:
        await tx.do(Query("one_view", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", ""))
        assert await tx.value(Query("level", "SHOW transaction_isolation", "")) == "repeatable read"
        log.append(tx, permit)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
VALUES = st.tuples(
    TEXTS,
    st.binary(max_size=40),
    st.integers(-(2**62), 2**62),
    st.uuids(),
    st.lists(TEXTS, max_size=4),
    st.lists(st.binary(max_size=20), max_size=4),
    st.lists(st.uuids(), max_size=3),
    st.datetimes(datetime(1900, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC)),
)
ECHO = "SELECT $1::text, $2::bytea, $3::bigint, $4::uuid, $5::text[], $6::bytea[], $7::uuid[], $8::timestamptz -- $9"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES, conforming=st.booleans())
async def test_literals_mean_their_values_and_nothing_else(stack: Stack, values: Any, conforming: bool) -> None:
    async with stack.db.plumbing() as conn:
        await conn.execute(f"SET LOCAL standard_conforming_strings = {'on' if conforming else 'off'}")
        row = await conn.fetchrow(render(ECHO, values))
        assert row is not None
        got = tuple(UUID(str(v)) if isinstance(v, UUID) else v for v in row.values())
    assert got == tuple(values)


def test_what_has_no_literal_is_refused() -> None:
    with pytest.raises(Malformed):
        render("SELECT $1", ["a\0b"])
    with pytest.raises(Malformed):
        render("SELECT $1", [["a\0b"]])
    with pytest.raises(TypeError):
        render("SELECT $1", [{"a": 1}])


POUR_HEAD, POUR_END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
FAIL = Query("fail", "SELECT 1 / $1::int", "")


def _copied(n: int, text: str) -> bytes:
    """A row of demo.heap in PostgreSQL's binary COPY format."""
    raw = text.encode()
    return (2).to_bytes(2) + (4).to_bytes(4) + n.to_bytes(4) + len(raw).to_bytes(4) + raw


async def test_rows_that_are_poured_travel_with_the_commit_in_one_message(stack: Stack, owner_url: str):
    conn = await asyncpg.connect(owner_url)
    await conn.execute("CREATE TABLE demo.heap (n int PRIMARY KEY, text text); GRANT INSERT ON demo.heap TO msingi_app")
    permit = _permit()
    many = 20_000  # 300 kB and more: longer than a socket holds, so that both sides read and write by turns
    async with stack.db.transaction(permit) as tx:
        tx.pour("demo.heap", ("n", "text"), POUR_HEAD + b"".join(_copied(n, "row") for n in range(many)) + POUR_END)
        tx.pour("demo.heap", ("n", "text"), POUR_HEAD + _copied(many, "last") + POUR_END)
        log.append(tx, permit)
    assert tx.statements == 1
    assert await conn.fetchval("SELECT count(*) FROM demo.heap") == many + 1
    # A row that is there already, a statement that fails before any row is asked for, and a stream that is cut off:
    # nothing of it stays, and the connection serves the next act as if nothing had been.
    doubled = POUR_HEAD + _copied(many + 1, "new") + _copied(0, "there already") + POUR_END
    for before, stream, failure in (
        (None, doubled, asyncpg.UniqueViolationError),
        (0, doubled, asyncpg.DivisionByZeroError),
        (None, POUR_HEAD + _copied(many + 2, "x")[:9], asyncpg.BadCopyFileFormatError),
    ):
        permit = _permit()
        with pytest.raises(failure):
            async with stack.db.transaction(permit) as tx:
                if before is not None:
                    tx.later.append((FAIL, (before,)))
                tx.pour("demo.heap", ("n", "text"), stream)
                tx.pour("demo.heap", ("n", "text"), POUR_HEAD + _copied(many + 3, "after") + POUR_END)
                log.append(tx, permit)
        person = await _person(stack)
        await _note(stack, person, f"after {failure.__name__}")
        assert await _written(stack, f"after {failure.__name__}") == 1
    assert await conn.fetchval("SELECT max(n) FROM demo.heap") == many
    await conn.close()


def test_functions_left_for_the_end_are_called_by_one_statement() -> None:
    made = renders(
        [
            ("SELECT room.one($1, $2::text::uuid[])", (1, "a, b")),
            ("-- of two lines\nSELECT room.two($1,\n  $2::int)", ("it's", 2)),
            ("SELECT count(*) FROM room.tab WHERE x = $1", (3,)),
            ("SELECT room.three($1)", (4,)),
            ("INSERT INTO room.tab SELECT room.four($1)", (5,)),
            ("SELECT room.five()", ()),
            ("SELECT room.six($1)", (6,)),
        ]
    )
    assert [" ".join(text.split()) for text in made] == [
        "SELECT room.one(1, 'a, b'::text::uuid[]), room.two(E'it''s', 2::int)",
        "SELECT count(*) FROM room.tab WHERE x = 3",
        "SELECT room.three(4)",
        "INSERT INTO room.tab SELECT room.four(5)",
        "SELECT room.five(), room.six(6)",
    ]
