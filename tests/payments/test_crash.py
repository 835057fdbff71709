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

from msingi.kernel.postgres import as_app
from msingi.payments import acts, audit, rules
from msingi.payments.model import AccountKind

KILLS = int(os.environ.get("MSINGI_TEST_KILLS", "8"))
SEED = int(os.environ.get("MSINGI_TEST_SEED", "4"))
LOAD = Path(__file__).parent / "load.py"


@pytest.fixture(scope="module")
async def first(stack):
    """Ten accounts with money, with successive indexes; gives the first index."""
    source = await kit.treasury(stack)
    accounts = [await acts.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT) for _ in range(10)]
    for account in accounts:
        paid = kit.order(stack, "institution:hazina", source.number, account.number, 500)
        await acts.writer.of(stack).post([paid])
    return rules.index_of(rules.id_of(accounts[0].number))


async def test_killing_the_writer_at_any_point_loses_no_acknowledged_transfer(stack, owner_url, first):
    chance = random.Random(SEED)
    acknowledged: dict[str, tuple[int, int]] = {}
    writers = await asyncio.create_subprocess_exec(
        *(sys.executable, LOAD, as_app(owner_url), str(stack.settings.home), str(first)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert writers.stdin is not None and writers.stdout is not None
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
    writers.stdin.close()
    await writers.wait()
    assert len(acknowledged) > KILLS
    rows = await kit.owner_does(owner_url, "SELECT id, seq, reason FROM payments.journal")
    books = {row["id"].hex: (row["seq"], row["reason"]) for row in rows}
    assert len(books) == len(rows), "an id stands twice in the journal"
    lost = {id: ending for id, ending in acknowledged.items() if books.get(id) != ending}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged transfers are lost or differ"
    found = await audit.check_books(stack.db)
    assert found.ok, found.problems
    assert found.sums == {"TZS": 0}
