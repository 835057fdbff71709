"""The audit finds whatever a superuser does to the log behind the stack's back."""

from hashlib import sha256

import pytest
from tests.kernel_log.conftest import put

from msingi.kernel.log import sequencer
from msingi.kernel.log.audit import check_log

ROOT = sha256(b"b").digest()


@pytest.fixture(scope="module", autouse=True)
async def filled(stack, person, act, owner_url):
    """A log with three levels' worth of entries, records of several kinds, and several heads."""
    import asyncpg

    people = [await person() for _ in range(3)]
    await act(people[0], what="one")
    await sequencer.catch_up(stack)
    await act(*people, what="three")
    await act(None, what="nobody")
    await act(people[1], what="and a batch", roots=(ROOT,))
    await sequencer.catch_up(stack)
    conn = await asyncpg.connect(owner_url)
    await put(conn, 9_000)
    await conn.close()
    await sequencer.catch_up(stack)
    await act(people[2], what="last")
    await sequencer.catch_up(stack)
    yield
    assert await codes(stack) == set()  # every case put back what it took, so each found its own fault


async def codes(stack, **more) -> set[str]:
    found = await check_log(stack, **more)
    return {problem.code for problem in found.problems}


async def test_a_sound_log_has_no_findings(stack):
    steps: list[tuple[int, int]] = []
    found = await check_log(stack, progress=lambda *at: steps.append(at))
    assert found.ok, found.problems
    assert found.entries == 9_009 and found.checkpoints == 5 and found.waiting == 0
    assert found.records == found.opened == 10 and found.batches == 9_001
    assert [done for done, _ in steps] == [4_096, 8_192, 9_009] and steps[-1][1] == 9_009


async def test_entries_that_wait_are_counted_and_no_problem(stack, act):
    await act(None)
    found = await check_log(stack)
    assert found.ok and found.waiting == 1
    await sequencer.catch_up(stack)


BYTE = "overlay(bytes PLACING '\\x00' FROM 700 FOR 1)"
SWAP = "substring(bytes FROM 35 FOR 34) || substring(bytes FROM 1 FOR 34) || substring(bytes FROM 69)"
SWAP_HASHES = "substring(bytes FROM 33 FOR 32) || substring(bytes FROM 1 FOR 32) || substring(bytes FROM 65)"
AT_3 = "level = {} AND n = 3"
TAMPERING = {
    "an entry changed": ([f"UPDATE log.tile SET bytes = {BYTE} WHERE {AT_3.format(-1)}"], "entry-changed"),
    "two entries swapped": ([f"UPDATE log.tile SET bytes = {SWAP} WHERE {AT_3.format(-1)}"], "entry-changed"),
    "two entries and their hashes swapped": (
        [
            f"UPDATE log.tile SET bytes = {SWAP} WHERE {AT_3.format(-1)}",
            f"UPDATE log.tile SET bytes = {SWAP_HASHES} WHERE {AT_3.format(0)}",
        ],
        "checkpoint-root",
    ),
    "a hash changed": ([f"UPDATE log.tile SET bytes = {BYTE} WHERE {AT_3.format(0)}"], "checkpoint-root"),
    "an upper hash changed": (
        [f"UPDATE log.tile SET bytes = {BYTE} WHERE level = 1 AND n = 0"],
        "tile-changed",
    ),
    "a bundle removed": ([f"DELETE FROM log.tile WHERE {AT_3.format(-1)}"], "tile-size"),
    "a tile removed": ([f"DELETE FROM log.tile WHERE {AT_3.format(0)}"], "tile-count"),
    "an upper tile removed": (["DELETE FROM log.tile WHERE level = 1"], "tile-changed"),
    "the last entry cut off": (
        ["UPDATE log.tile SET bytes = substring(bytes FROM 1 FOR length(bytes) - 34) WHERE level = -1 AND n = 35"],
        "tile-size",
    ),
    "a tile too many": (["INSERT INTO log.tile VALUES (0, 36, '\\x00')"], "tile-count"),
    "a tile of a strange level": (["INSERT INTO log.tile VALUES (9, 0, '\\x00')"], "tile-count"),
    "a root changed": (
        ["UPDATE log.checkpoint SET root = sha256('x') WHERE size = (SELECT max(size) FROM log.checkpoint)"],
        "checkpoint-row",
    ),
    "a head of another log": (
        ["UPDATE log.checkpoint SET note = replace(note, '127.0.0.1', '127.0.0.2') WHERE size > 5"],
        "checkpoint-signature",
    ),
    "a head signed by nobody": (
        ["UPDATE log.checkpoint SET note = regexp_replace(note, '— .*', '— x YWJjZGVmZ2g=') || E'\\n'"],
        "checkpoint-signature",
    ),
    "no head at all": (["DELETE FROM log.checkpoint WHERE size > 0"], "tile-count"),
    "heads in another order of time": (
        ["UPDATE log.checkpoint SET at = now() + interval '1 day' WHERE size = 0"],
        "checkpoint-order",
    ),
    "a head moved to another size": (
        ["UPDATE log.checkpoint SET size = size + 1 WHERE size BETWEEN 2 AND 100"],
        "checkpoint-row",
    ),
    "the place of a transaction removed": (
        ["DELETE FROM log.placed WHERE pending_id IN (SELECT pending_id FROM log.inner)"],
        "record-without-entry",
    ),
    "the place of strangers removed": (["DELETE FROM log.placed WHERE count = 9000"], "place-gap"),
    "a transaction moved": (["UPDATE log.placed SET first_index = 2 WHERE first_index = 0"], "place-gap"),
    "the last place removed": (
        ["DELETE FROM log.placed WHERE first_index = (SELECT max(first_index) FROM log.placed)"],
        "place-gap",
    ),
    "commitments changed": (
        ["UPDATE log.inner SET commitments = overlay(commitments PLACING '\\x00' FROM 5 FOR 1)"],
        "commitments-changed",
    ),
    "one record of several removed": (["DELETE FROM log.record WHERE inner_no = 2"], "record-missing"),
    "all records of several removed": (
        ["DELETE FROM log.record WHERE pending_id IN (SELECT pending_id FROM log.inner)"],
        "record-missing",
    ),
    "the only record of a transaction removed": (
        [
            "DELETE FROM log.record r WHERE NOT EXISTS (SELECT FROM log.inner i WHERE i.pending_id = r.pending_id)"
            " AND pending_id = (SELECT pending_id FROM log.record ORDER BY at DESC LIMIT 1)"
        ],
        "record-missing",
    ),
    "a batch removed": (["DELETE FROM log.batch WHERE root = sha256('b')"], "record-missing"),
    "a batch changed": (["UPDATE log.batch SET root = sha256('x') WHERE root = sha256('b')"], "batch-changed"),
    "many things at once": (["DELETE FROM log.batch"], "record-missing"),
    "a record added": (
        [
            "INSERT INTO log.record SELECT person_id, gen_random_uuid(), at, act, pending_id, entry_no, inner_no,"
            " sealed FROM log.record WHERE inner_no = 1"
        ],
        "record-missing",
    ),
    "a record moved to an entry that is not there": (
        ["UPDATE log.record SET entry_no = 7 WHERE inner_no = 1"],
        "record-place",
    ),
    "entries removed before they had a place": (
        ["INSERT INTO log.record SELECT person_id, gen_random_uuid(), at, act, gen_random_uuid(), 0, 0, sealed"
         " FROM log.record LIMIT 1"],
        "record-without-entry",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERING)
async def test_tampering_is_found(stack, owner, case):
    statements, code = TAMPERING[case]
    copies = ("tile", "placed", "checkpoint", "record", "inner", "batch")
    for table in copies:
        await owner.execute(f"CREATE TABLE kept_{table} AS TABLE log.{table}")
    try:
        for statement in statements:
            assert await owner.execute(statement) not in ("UPDATE 0", "DELETE 0", "INSERT 0 0")
        assert code in await codes(stack)
    finally:
        for table in copies:
            await owner.execute(
                f"DELETE FROM log.{table}; INSERT INTO log.{table} TABLE kept_{table}; DROP TABLE kept_{table}"
            )


async def test_a_sealed_record_that_was_changed_or_exchanged_is_found(stack, owner):
    rows = await owner.fetch("SELECT ctid::text AS at, sealed FROM log.record ORDER BY at LIMIT 3")
    kept = [(row["at"], row["sealed"]) for row in rows]
    await owner.execute("CREATE TABLE kept_sealed AS SELECT record_id, sealed FROM log.record")
    flipped = bytes([kept[0][1][20] ^ 1])
    for statement, args in [
        ("UPDATE log.record SET sealed = overlay(sealed PLACING $1 FROM 21 FOR 1)", [flipped]),
        # A record of a person in the place of another record of the same person: it opens, but is not the one.
        (
            "UPDATE log.record r SET sealed = (SELECT sealed FROM log.record o WHERE o.person_id = r.person_id "
            "AND o.record_id <> r.record_id LIMIT 1) WHERE person_id = $1",
            [await owner.fetchval("SELECT person_id FROM log.record GROUP BY 1 HAVING count(*) > 1 LIMIT 1")],
        ),
    ]:
        await owner.execute(statement, *args)
        assert await codes(stack, unseal=False) == set()  # the seals stay shut
        assert await codes(stack) == {"record-changed"}
        await owner.execute(
            "UPDATE log.record r SET sealed = k.sealed FROM kept_sealed k WHERE k.record_id = r.record_id"
        )
    assert await codes(stack) == set()
    await owner.execute("DROP TABLE kept_sealed")


async def test_the_list_of_problems_has_an_end(stack, owner):
    await owner.execute("CREATE TABLE kept AS TABLE log.batch; UPDATE log.batch SET root = ''")
    found = await check_log(stack)
    assert len(found.problems) == 200 and found.unlisted == 8_801
    assert len(found.wrong) == 201 and found.wrong[-1] == "and 8801 more"
    await owner.execute("DELETE FROM log.batch")
    found = await check_log(stack)
    assert [p.where for p in found.problems[:2]] == ["entries 7 to 4095", "entries 4096 to 8191"], found.wrong
    await owner.execute("INSERT INTO log.batch TABLE kept; DROP TABLE kept")
    assert "9010 entries under 6 signed heads, 9001 of them batches, 11 records" in (await check_log(stack)).summary


async def test_a_batch_must_be_kept_by_a_room(stack, owner):
    roots = {row["root"] for row in await owner.fetch("SELECT root FROM log.batch")}
    assert await codes(stack, batch_roots=roots) == set()
    found = await check_log(stack, batch_roots=roots - {ROOT})
    assert [(p.code, p.where) for p in found.problems] == [("batch-unknown", "entry 7")]
