"""Acts that cross to another machine: what is carried comes back as it was, people under their other name."""

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
