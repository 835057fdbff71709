"""kill -9 under load, many times: what was acknowledged stands in the books, and the books agree.

MSINGI_TEST_KILLS sets the number of kills (default 8), MSINGI_TEST_SEED where they fall.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from tests.payments import kit
from tests.payments.test_files import BOSS, CLERK, balance

from msingi.kernel.postgres import as_app
from msingi.payments import acts, audit, files, rules
from msingi.payments.model import AccountKind

KILLS = int(os.environ.get("MSINGI_TEST_KILLS", "8"))
SEED = int(os.environ.get("MSINGI_TEST_SEED", "4"))
LOAD = Path(__file__).parent / "load.py"


@pytest.fixture(scope="module")
async def first(stack, owner_url):
    """Ten accounts with money, with successive indexes, in a journal of short chapters; gives the first index."""
    await kit.owner_does(owner_url, "UPDATE payments.shard SET chapter_rows = 64")
    source = await kit.treasury(stack)
    accounts = [await acts.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT) for _ in range(10)]
    for account in accounts:
        paid = kit.order(stack, "institution:hazina", source.number, account.number, 500)
        await acts.writer.of(stack).post([paid])
    return rules.index_of(rules.id_of(accounts[0].number))


@pytest.fixture
async def lives(stack, owner_url, first):
    """The program that starts one life after the other, to be killed."""
    writers = await asyncio.create_subprocess_exec(
        *(sys.executable, LOAD, as_app(owner_url), str(stack.settings.home), str(first)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writers.stdin is not None and writers.stdout is not None
    yield writers
    writers.stdin.close()
    await writers.wait()


async def test_killing_the_writer_at_any_point_loses_no_acknowledged_transfer(stack, owner_url, lives):
    writers = lives
    chance = random.Random(SEED)
    acknowledged: dict[str, tuple[int, int]] = {}
    for kill in range(KILLS):
        writers.stdin.write(f"{SEED * 1000 + kill}\n".encode())
        pid = int((await writers.stdout.readline()).split()[1])
        fate: asyncio.TimerHandle | None = None
        while (line := await writers.stdout.readline()) != b"GONE\n":
            id, _, rest = line.decode().partition(" ")
            if rest:
                seq, reason = map(int, rest.split())
                assert acknowledged.setdefault(id, (seq, reason)) == (seq, reason)
            if fate is None:  # it works: from here on it may die at any point
                later = chance.uniform(0.0, 0.3)
                fate = asyncio.get_running_loop().call_later(later, os.kill, pid, signal.SIGKILL)
    assert len(acknowledged) > KILLS
    rows = await kit.owner_does(owner_url, "SELECT id, seq, reason FROM payments.journal")
    books = {row["id"].hex: (row["seq"], row["reason"]) for row in rows}
    assert len(books) == len(rows), "an id stands twice in the journal"
    lost = {id: ending for id, ending in acknowledged.items() if books.get(id) != ending}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged transfers are lost or differ"
    found = await audit.check_books(stack.db)
    assert found.ok, found.problems
    assert found.sums == {"TZS": 0}


async def test_killing_the_program_that_pays_a_file_pays_everybody_once(stack, owner_url, lives, monkeypatch):
    """kill -9 of the whole process while a message is on its way: nobody knows whether it was carried out."""
    chance = random.Random(SEED)
    monkeypatch.setattr(files, "PART", 3)
    source = await kit.treasury(stack, 10**6)
    people = [await kit.enrolled(stack) for _ in range(9)]
    lines = [(f"E{n}", one.number, str(100 + n)) for n, one in enumerate(people)] + [("EX", "999999999999", "5")]
    kept = await files.upload_payment_file(stack, CLERK, kit.pain_001(source.number, lines, message="KILLED"))
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    half_way = 0  # deaths after which the ledger has paid some, and the file is not finished
    for message in (*[chance.choice((2, 3)) for _ in range(KILLS // 3 + 1)], 0):
        lives.stdin.write(f"{kept.file_id} {message}\n".encode())
        told = [(await lives.stdout.readline()).split()]
        while told[-1] != [b"GONE"]:
            told.append((await lives.stdout.readline()).split())
        seen = await files.payment_file(stack, BOSS, kept.file_id)
        (paid,) = await kit.owner_does(owner_url, "SELECT count(*) FROM payments.journal WHERE code = 'G2P'")
        half_way += paid[0] > 0 and seen.paid + seen.rejected < len(lines)
    assert half_way and [b"PAID", b"9", b"1"] in told
    assert [await balance(stack, person) for person in people] == [100 + n for n in range(len(people))]
    ended = (await files.file_lines(stack, BOSS, kept.file_id, limit=500)).lines
    assert [line.status for line in ended] == ["paid"] * len(people) + ["rejected"]
    found = await audit.check_books(stack.db)
    assert found.ok and found.sums == {"TZS": 0}, found.problems
