"""A payment file whose program dies again and again, at every step of every part: everybody is paid once.

Death is played within the process, seeded and fast (`test_crash.py` kills whole processes that write the ledger): at a
drawn step nothing goes on, writer and memory are thrown away, and the next life begins with the database alone.
"""

import random

import pytest
from tests.payments import kit
from tests.payments.test_files import BOSS, CLERK, balance

from msingi.payments import errors as ledger_errors
from msingi.payments import files, store_files, working
from msingi.payments.model import FileState

STEPS = (
    (files, "opened"),
    (working, "_credits"),
    (working.ledger, "post"),
    (working, "_end"),
    (store_files, "end_part"),
    (store_files, "finish"),
)
SEEDS, PEOPLE, LINES_A_PART = (3, 11), 12, 3


class Dead(Exception):
    """The program dies here."""


def _dying(monkeypatch, draw: random.Random) -> None:
    """Let the program die at a drawn call of a drawn step, before or after what it does."""
    left, after = [draw.randint(6, 22)], draw.random() < 0.5

    def deadly(does):
        def passing() -> bool:
            left[0] -= 1
            return left[0] > 0

        async def step(*args, **more):
            if not passing() and not after:
                raise Dead
            done = await does(*args, **more)
            if left[0] <= 0:
                raise Dead
            return done

        def plain(*args):
            if not passing():
                raise Dead
            return does(*args)

        return plain if does is files.opened else step

    for where, name in STEPS:
        monkeypatch.setattr(where, name, deadly(getattr(where, name)))


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_file_is_paid_once_however_often_its_program_dies(stack, monkeypatch, seed):
    draw = random.Random(seed)
    monkeypatch.setattr(files, "PART", LINES_A_PART)
    monkeypatch.setattr(working, "LEASE_S", 0)  # the next life need not wait for the dead
    source = await kit.treasury(stack, 10**6)
    people = [await kit.enrolled(stack) for _ in range(PEOPLE)]
    lines = [(f"E{n}", p.number, str(100 + n)) for n, p in enumerate(people)] + [("EX", "999999999999", "5")]
    raw = kit.pain_001(source.number, lines, message=f"DIE-{seed}")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    lives, done = 0, None
    while done is None or done.state is not FileState.FINISHED:
        lives += 1
        assert lives < 60
        with monkeypatch.context() as life:
            _dying(life, draw)
            try:
                done = await working.run_file(stack, kept.file_id)
            except (Dead, ledger_errors.FileNotReady):
                done = None
    assert lives > 1 and (done.paid, done.rejected) == (PEOPLE, 1)
    assert [await balance(stack, person) for person in people] == [100 + n for n in range(PEOPLE)]
    ended = (await files.file_lines(stack, BOSS, kept.file_id, limit=500)).lines
    assert [line.status for line in ended] == ["paid"] * PEOPLE + ["rejected"]
    assert len({line.transfer_id for line in ended if line.transfer_id}) == PEOPLE
