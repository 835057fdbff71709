"""The sequencer: one at a time, nothing lost, never two roots for a size."""

import asyncio

import asyncpg
import pytest
from tests.kernel_log.conftest import put

from msingi.kernel.ids import uuid7
from msingi.kernel.log import jobs, merkle, note, sequencer, store
from msingi.kernel.log.audit import check_log
from msingi.kernel.log.sequencer import LogBroken, Sequencer


async def all_entries(conn: asyncpg.Connection) -> list[bytes]:
    rows = await conn.fetch("SELECT bytes FROM log.tile WHERE level = -1 ORDER BY n")
    return [row["bytes"][i + 2 : i + 34] for row in rows for i in range(0, len(row["bytes"]), 34)]


async def heads(conn: asyncpg.Connection) -> list[asyncpg.Record]:
    return await conn.fetch("SELECT size, root, note FROM log.checkpoint ORDER BY size")


async def begin(stack, conn: asyncpg.Connection) -> Sequencer:
    found = await Sequencer.begin(conn, stack.keys, stack.settings.origin)
    assert found is not None
    return found


async def assert_sound(stack, owner, entries: list[bytes]) -> None:
    """All entries are there once, in order, and every signed head is the root of what stood before it."""
    assert await all_entries(owner) == entries
    leaves = [merkle.leaf_hash(e) for e in entries]
    vkeys = sequencer.log_vkeys(stack.keys, stack.settings.origin)
    for head in await heads(owner):
        point, _ = note.check(head["note"], vkeys)
        assert (point.size, point.root) == (head["size"], head["root"])
        assert point.root == merkle.tree_root(leaves[: point.size])
    assert (await check_log(stack)).problems == []


async def test_an_empty_log_has_a_signed_head(stack, owner):
    await sequencer.catch_up(stack)
    [head] = await heads(owner)
    assert (head["size"], head["root"]) == (0, merkle.EMPTY_ROOT)
    await assert_sound(stack, owner, [])


async def test_entries_get_their_places_in_order(stack, owner):
    entries: list[bytes] = []
    for counts in [(1,), (1, 1, 3), (250,), (1, 5), (300, 300), (1000,)]:
        entries += await put(owner, *counts)
        await sequencer.catch_up(stack)
    assert await owner.fetchval("SELECT count(*) FROM log.pending") == 0
    assert [h["size"] for h in await heads(owner)] == [0, 1, 6, 256, 262, 862, 1862]
    await assert_sound(stack, owner, entries)
    placed = await owner.fetch("SELECT first_index, count FROM log.placed ORDER BY first_index")
    assert [tuple(p) for p in placed[:4]] == [(0, 1), (1, 1), (2, 1), (3, 3)]


async def test_a_large_queue_is_taken_in_rounds(stack, owner, monkeypatch):
    monkeypatch.setattr(sequencer, "MAX_ENTRIES", 100)
    before = await all_entries(owner)
    fresh = await put(owner, *[7] * 60)
    async with sequencer.connection(stack.db.dsn) as conn:
        one = await begin(stack, conn)
        counts = []
        while count := await one.round():
            counts.append(count)
    assert sum(counts) == 420 and max(counts) <= 106
    await assert_sound(stack, owner, before + fresh)


async def test_of_two_sequencers_one_works(stack, owner):
    before = await all_entries(owner)
    async with sequencer.connection(stack.db.dsn) as first, sequencer.connection(stack.db.dsn) as second:
        working = await begin(stack, first)
        assert await Sequencer.begin(second, stack.keys, stack.settings.origin) is None
        fresh = await put(owner, 3)
        assert await working.round() == 3
        await first.close()  # the lock goes with the connection, however it ends
        taking_over = await begin(stack, second)
        fresh += await put(owner, 2)
        assert await taking_over.round() == 2
    await assert_sound(stack, owner, before + fresh)


async def test_the_endless_work_of_two_processes_under_load(stack, owner, monkeypatch):
    monkeypatch.setattr(sequencer, "ROUND_S", 0.02)
    monkeypatch.setattr(sequencer, "STANDBY_S", 0.05)
    before = await all_entries(owner)
    loops = [asyncio.create_task(loop(stack)) for loop in jobs.loops for _ in range(2)]
    fresh: list[bytes] = []
    for round_no in range(12):
        fresh += await put(owner, 1, 40, 2)
        if round_no in (3, 7):  # the server ends the one that works: the other takes over
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
                "AND objid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                store.SEQUENCER_LOCK,
            )
        await asyncio.sleep(0.03)
    for _ in range(200):
        if not await owner.fetchval("SELECT count(*) FROM log.pending"):
            break
        await asyncio.sleep(0.05)
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
    assert len(await heads(owner)) > 3
    after = await all_entries(owner)
    assert sorted(after[len(before) :]) == sorted(fresh) and after[: len(before)] == before
    await assert_sound(stack, owner, after)


@pytest.mark.parametrize("after", ["take_pending", "write_growth", "publish"])
async def test_a_crash_at_any_step_loses_nothing(stack, owner, monkeypatch, after):
    before, known = await all_entries(owner), await heads(owner)
    fresh = await put(owner, 5, 300)
    real = getattr(store, after)

    async def then_die(conn, *args):
        result = await real(conn, *args)
        await owner.execute("SELECT pg_terminate_backend($1)", conn.get_server_pid())
        return result

    monkeypatch.setattr(store, after, then_die)
    async with sequencer.connection(stack.db.dsn) as conn:
        doomed = await begin(stack, conn)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)):
            await doomed.round()
    assert await heads(owner) == known and await all_entries(owner) == before
    monkeypatch.setattr(store, after, real)
    await sequencer.catch_up(stack)
    await assert_sound(stack, owner, before + fresh)


async def test_a_size_has_one_root(stack, owner):
    async with sequencer.connection(stack.db.dsn) as conn:
        one = await begin(stack, conn)
        with pytest.raises(asyncpg.UniqueViolationError):
            await store.publish(conn, one.sign(one.edge))
        for forbidden in ("UPDATE log.checkpoint SET size = 1", "DELETE FROM log.tile", "DELETE FROM log.placed"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(forbidden)


async def test_nothing_is_signed_on_top_of_a_changed_tree(stack, owner):
    await put(owner, 3)
    await sequencer.catch_up(stack)
    size = (await heads(owner))[-1]["size"]
    level, n = 0, size // 256
    good = await owner.fetchval("SELECT bytes FROM log.tile WHERE level = $1 AND n = $2", level, n)
    for bad in (bytes([good[0] ^ 1]) + good[1:], good[:-32], b""):
        await owner.execute("UPDATE log.tile SET bytes = $3 WHERE level = $1 AND n = $2", level, n, bad)
        with pytest.raises(LogBroken):
            await sequencer.catch_up(stack)
    await owner.execute("UPDATE log.tile SET bytes = $3 WHERE level = $1 AND n = $2", level, n, good)
    await sequencer.catch_up(stack)


async def test_rotation_of_the_key_goes_on_under_the_same_name(stack, owner):
    entries = await all_entries(owner) + await put(owner, 1)
    stack.keys.rotate("log")
    await sequencer.catch_up(stack)
    newest = note.parse_note((await heads(owner))[-1]["note"])
    vkeys = sequencer.log_vkeys(stack.keys, stack.settings.origin)
    assert len(vkeys) == 2
    assert [v.vkey for v in note.verify(newest, vkeys)] == [vkeys[0]]
    await assert_sound(stack, owner, entries)


async def test_the_log_keeps_its_name_at_another_address(stack, owner):
    async with sequencer.connection(stack.db.dsn) as conn:
        moved = await Sequencer.begin(conn, stack.keys, "elsewhere.example/log")
        assert moved is not None and moved.origin == stack.settings.origin


async def test_an_entry_has_32_bytes(stack, owner):
    for wrong in (b"", b"x" * 31, b"x" * 65):
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute("INSERT INTO log.pending (id, entries) VALUES ($1, $2)", uuid7(), wrong)
