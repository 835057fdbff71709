"""Acts that cross to another machine: what is carried comes back as it was, people under their other name."""

import asyncio
import importlib
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from msingi.kernel import crossing
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.ids import PersonId

MASK = 0x5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A5A


def other(person_id: PersonId) -> PersonId:
    """The name on the other machine: its own inverse."""
    return PersonId(UUID(int=person_id.int ^ MASK))


class Seen(Struct, frozen=True):
    """A result with people at several depths, and a UUID that is nobody."""

    person: PersonId
    guardian: PersonId | None
    others: tuple[PersonId, ...]
    by_region: dict[str, list[PersonId]]
    document: UUID
    body: dict[str, Any]


@crossing.crossing("elsewhere", room="testing")
async def looked(stack: Any, ctx: Any, who: PersonId, people: Iterable[PersonId] = (), *, on: date) -> Seen | None:
    """An act of a room that may run elsewhere."""
    return None


@crossing.crossing("elsewhere", room="testing", remember=True)
async def counted(stack: Any, ctx: Any, region: str) -> dict[tuple[str, str], int]:
    """Another one, whose result has pairs for keys."""
    return {(region, "female"): 1}


@crossing.crossing("elsewhere", room="testing")
async def each(stack: Any, ctx: Any, holder: PersonId | str) -> list[Seen | Refusal]:
    """Some succeed and some are refused; the holder is a person, or an institution's code."""
    return []


class WithMore(Refusal):
    """A refusal that carries more than words."""

    code = "testing.with-more"
    carried: ClassVar[dict[str, type]] = {"days": list[date]}

    def __init__(self, days: list[date]) -> None:
        super().__init__("several", count=len(days))
        self.days = days


uuids = st.uuids().map(PersonId)
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=2)


@settings(max_examples=40, deadline=None)
@given(uuids, st.none() | uuids, st.lists(uuids, max_size=3), st.uuids(), AMOUNTS)
def test_people_are_swapped_wherever_the_type_says_and_nothing_else_is(person, guardian, others, document, amount):
    known = crossing.known("testing")["looked"]
    seen = Seen(person, guardian, tuple(others), {"R1": others}, document, {"value": amount, "id": str(person)})
    raw = known.written("return", seen, other)
    there = msgspec.json.decode(bytes(raw))
    assert there["person"] == str(other(person)) and there["document"] == str(document)
    back = known.read("return", raw, other)
    assert msgspec.structs.replace(back, body={}) == msgspec.structs.replace(seen, body={})
    assert Decimal(str(back.body["value"])) == amount and back.body["id"] == str(person)
    args = known.bound((person, iter(others)), {"on": date(2026, 1, 2)})
    carried = {name: known.written(name, value, other) for name, value in args.items()}
    assert {n: known.read(n, raw, other) for n, raw in carried.items()} == {
        "who": person, "people": others, "on": date(2026, 1, 2),
    }  # fmt: skip
    with pytest.raises(msgspec.ValidationError):
        known.read("nonsense", raw, other)


@settings(max_examples=20, deadline=None)
@given(st.lists(uuids | st.lists(st.dates(), max_size=2), max_size=4), uuids | st.from_regex(r"[a-z][a-z0-9-]{1,30}"))
def test_each_ending_comes_back_as_it_was_and_so_does_whoever_holds(ends, holder):
    known = crossing.known("testing")["each"]
    told = [Seen(e, None, (), {}, e, {}) if isinstance(e, UUID) else WithMore(e) for e in ends]
    back = known.read("return", known.written("return", told, other), other)
    for given_, got in zip(told, back, strict=True):
        if isinstance(given_, WithMore):
            assert isinstance(got, WithMore) and got.days == given_.days and got.facts == given_.facts
        else:
            assert got == given_
    raw = known.written("holder", holder, other)
    assert known.read("holder", raw, other) == holder
    assert msgspec.json.decode(bytes(raw)) == (str(other(holder)) if isinstance(holder, UUID) else holder)


async def test_a_room_that_runs_elsewhere_is_told_so():
    stack = SimpleNamespace(local={crossing.FAR: {"testing": None}})
    assert crossing.elsewhere(stack, "testing") and not crossing.elsewhere(stack, "other")
    assert not crossing.elsewhere(SimpleNamespace(local={}), "testing")


def test_pairs_for_keys_and_refusals_come_back():
    known = crossing.known("testing")["counted"]
    raw = known.written("return", {("R1", "female"): 2}, other)
    assert known.read("return", raw, other) == {("R1", "female"): 2}
    told = crossing.refusal_written(WithMore([date(2026, 1, 2)]))
    no = crossing.refusal_read(msgspec.json.decode(msgspec.json.encode(told), type=crossing.No))
    assert isinstance(no, WithMore) and no.days == [date(2026, 1, 2)] and no.facts == {"count": 1}
    assert type(crossing.refusal_read(crossing.refusal_written(NotFound("gone")))) is NotFound
    assert type(crossing.refusal_read(crossing.No("unheard-of", "x", {}))) is Refusal


async def test_without_a_carrier_the_act_itself_is_called_and_with_one_it_is_carried_and_remembered():
    here = SimpleNamespace(local={})
    assert await counted(here, job_context("x"), "R1") == {("R1", "female"): 1}
    asked: list[str] = []

    async def carrier(stack: Any, known: crossing.Crossing, ctx: Any, args: dict[str, Any]) -> Any:
        asked.append(f"{known.name} {args}")
        return {("far", "female"): 7}

    far = SimpleNamespace(local={crossing.FAR: {"testing": carrier}})
    for _ in range(2):
        assert await counted(far, job_context("x"), region="R1") == {("far", "female"): 7}
    assert asked == ["counted {'region': 'R1'}"]


def test_a_person_who_acts_is_named_as_there():
    person = PersonId(UUID(int=7))
    ctx = context(Actor(Kind.PERSON, str(person)), "subject-access", "legal-obligation")
    assert crossing.context_for(ctx, other).actor.id == str(other(person))
    assert crossing.context_for(job_context("x"), other).actor.id == "x"


def package(folder, monkeypatch, **parts: str):
    """A sub-room made of these parts, imported."""
    root = folder / "crossroom" / "inn"
    root.mkdir(parents=True)
    (folder / "crossroom" / "__init__.py").write_text("")
    (root / "__init__.py").write_text("")
    for name, text in parts.items():
        (root / f"{name}.py").write_text("from uuid import UUID\nclass Tx: pass\n" + text)
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module("crossroom.inn")


async def test_a_sub_room_is_covered_as_a_whole_and_what_it_keeps_to_itself_is_not(tmp_path, monkeypatch):
    acts = """
async def look(stack, ctx, number: UUID) -> int: return 1
async def _own(stack, ctx) -> int: return 2
async def within(stack, ctx, tx: Tx) -> int: return 3
async def untold(stack, ctx, anything) -> int: return 4
async def other(db, ctx) -> int: return 5
def plain(stack, ctx) -> int: return 6
"""
    inn = package(tmp_path, monkeypatch, acts=acts, desk="from crossroom.inn.acts import look as look\n")
    assert crossing.cover(inn, "above") == 1 and crossing.cover(inn, "above") == 0
    known = {name: one for name, one in crossing.known("inn").items() if one.act.__module__.startswith("crossroom")}
    assert list(known) == ["look"] and known["look"].callers == ("above",)
    desk = importlib.import_module("crossroom.inn.desk")  # it gives the act out again: that one is carried, too

    async def carrier(stack: Any, known: crossing.Crossing, ctx: Any, args: dict[str, Any]) -> Any:
        return 7

    far = SimpleNamespace(local={crossing.FAR: {"inn": carrier}})
    assert await desk.look(far, job_context("x"), UUID(int=1)) == 7


def test_two_acts_of_one_name_stop_the_program():
    async def looked(stack: Any, ctx: Any) -> None: ...

    looked.__module__ = "somewhere.else"
    with pytest.raises(ValueError, match="names two acts"):
        crossing.crossing("x", room="testing")(looked)


async def test_endless_work_rests_while_its_room_runs_elsewhere(monkeypatch):
    monkeypatch.setattr(crossing, "LOOK_S", 0.01)
    stack, at_work = SimpleNamespace(local={}), asyncio.Event()
    began = 0

    async def work(_: Any) -> None:
        nonlocal began
        began += 1
        at_work.set()
        try:
            await asyncio.sleep(3600)
        finally:
            at_work.clear()

    async def until(wanted: bool) -> None:
        while at_work.is_set() is not wanted:
            await asyncio.sleep(0.001)

    task = asyncio.create_task(crossing.while_here(stack, "testing", work))
    async with asyncio.timeout(30):
        await until(True)
        stack.local[crossing.FAR] = {"testing": None}
        await until(False)
        stack.local[crossing.FAR] = {}
        await until(True)
    assert began == 2
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
