"""Endless work: whatever breaks is told, and the next turn is taken all the same."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from msingi.kernel import crossing
from msingi.kernel.errors import Outage
from msingi.payments import errors, rounds


async def test_a_turn_that_breaks_is_told_and_the_next_one_is_taken(monkeypatch, caplog):
    monkeypatch.setattr(crossing, "elsewhere", lambda *_: False)
    ends: list[Any] = [Outage("the database is away"), errors.NoSuchFile(), ZeroDivisionError(), 3, None]
    all_taken = asyncio.Event()

    async def turn(_: Any) -> int | None:
        if not ends:
            all_taken.set()
            return 0
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    loop = asyncio.create_task(rounds.for_ever("what is due", turn, 0)(cast(Any, SimpleNamespace())))
    await all_taken.wait()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):  # it ends by being stopped, and by nothing else
        await loop
    told = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in told] == ["what is due"] * 3 and "is tried again" in told[2]


async def test_only_the_machine_that_runs_the_room_takes_turns(monkeypatch):
    places = [True, True, False]
    monkeypatch.setattr(crossing, "elsewhere", lambda *_: places.pop(0) if places else False)
    taken = asyncio.Event()

    async def turn(_: Any) -> None:
        assert not places
        taken.set()

    loop = asyncio.create_task(rounds.for_ever("what is due", turn, 0)(cast(Any, SimpleNamespace())))
    await taken.wait()
    loop.cancel()
