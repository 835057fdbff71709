"""Nobody finds out who exists by trying: look-ups that find nobody are counted for whoever asks."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from msingi import countries
from msingi.identity import acts, finding, numbers
from msingi.identity.errors import TooManyMisses, UnknownNumber
from msingi.kernel import clock, log, policy, tally
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotFound, TooMany
from msingi.kernel.postgres import as_app
from msingi.kernel.stack import Stack

FEW = tally.Limit("identity.find: misses of a member of staff", 3, 3600)


@pytest.fixture
async def neighbour(stack: Stack, owner_url: str) -> AsyncIterator[Stack]:
    """Another process on the same database with the same keys."""
    made = await Stack.open(stack.settings, as_app(owner_url), countries.load("taifa"))
    yield made
    await made.close()


def _clerk(ctx_of: Any, name: str) -> Any:
    return ctx_of(Kind.STAFF, name, institution="registry", purpose="redress", roles=["enrolment-officer"])


async def _misses(stack: Stack, ctx: Any, count: int) -> None:
    for _ in range(count):
        with pytest.raises(UnknownNumber):
            await acts.person_by_number(stack, ctx, numbers.draw())


async def test_who_tries_numbers_is_stopped_and_others_are_not(
    stack: Stack, neighbour: Stack, ctx_of: Any, monkeypatch: Any
) -> None:
    monkeypatch.setitem(finding.MISSES, Kind.STAFF, FEW)
    curious, honest = _clerk(ctx_of, "curious-1"), _clerk(ctx_of, "honest-1")
    await _misses(stack, curious, 2)
    await _misses(neighbour, curious, 1)  # all processes count together
    with pytest.raises(TooManyMisses) as refused:
        await acts.person_by_number(neighbour, curious, numbers.draw())
    assert 0 < int(refused.value.facts["retry_after_s"]) <= 3600
    await _misses(stack, curious, 1)  # this process learns of the others' count with its next miss
    with pytest.raises(TooManyMisses):
        await acts.person_by_phone(stack, curious, "+255700000001")
    await _misses(stack, honest, 1)


async def test_misses_by_phone_and_in_lists_count_too(stack: Stack, ctx_of: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(finding.MISSES, Kind.STAFF, FEW)
    monkeypatch.setattr(finding, "LIST_MISSES", tally.Limit("lists", 10, 3600))
    clerk = _clerk(ctx_of, "curious-2")
    for _ in range(3):
        with pytest.raises(NotFound):
            await acts.person_by_phone(stack, clerk, "+255700000001")
    with pytest.raises(TooManyMisses):
        await acts.person_by_number(stack, clerk, numbers.draw())
    assert await acts.persons_by_number(stack, clerk, [numbers.draw() for _ in range(10)]) == {}
    with pytest.raises(TooManyMisses):
        await acts.persons_by_number(stack, clerk, [numbers.draw()])


async def test_a_window_ends_and_its_count_is_forgotten(stack: Stack, monkeypatch: Any) -> None:
    limit, at = tally.Limit("tests", 2, 60), clock.now()
    monkeypatch.setattr(tally, "_SWEEP_ONE_IN", 1)
    permit = policy.decide(job_context("signin"), "identity.find", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        assert await tally.add(stack, tx, limit, "x", at) == 1
        assert await tally.add(stack, tx, limit, "x", at, 4) == 5
        with pytest.raises(TooMany):
            tally.check(stack, limit, "x", at)
        later = at + timedelta(seconds=61)
        tally.check(stack, limit, "x", later)
        assert await tally.add(stack, tx, limit, "x", later) == 1
        log.append(tx, permit)
