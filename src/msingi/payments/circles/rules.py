"""The laws of rotating groups as pure functions: the lot, the days, what a turn pays to whom, and what leaving ends."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct

from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.payments.circles.errors import StillOwing
from msingi.payments.circles.model import CircleOrder, KeptDue, KeptRound

FEWEST, MOST = 3, 30
EVERY = {"week": 7, "two-weeks": 14, "month": 0}
AHEAD_DAYS = 92
UNDER_WAY = ("to-pot", "to-member", "setting-off")


def check_order(order: CircleOrder, today: date) -> None:
    """Raises Malformed unless a circle can be kept: how many, how often, from when, and the founder's place."""
    total = len(order.members) + 1
    if not FEWEST <= total <= MOST:
        raise Malformed(f"A circle has {FEWEST} to {MOST} members.", field="members", rule=f"{FEWEST}..{MOST}")
    if order.every not in EVERY:
        raise Malformed("A round is each week, every two weeks, or each month.", field="every", rule="|".join(EVERY))
    if not 0 < (order.first_day - today).days <= AHEAD_DAYS:
        rule = f"1..{AHEAD_DAYS} days ahead"
        raise Malformed("The first turn is from tomorrow to three months ahead.", field="first_day", rule=rule)
    if not 1 <= order.founder_turn <= total:
        raise Malformed("The founder's turn is one of the turns.", field="founder_turn", rule=f"1..{total}")


def day_of(first: date, every: str, round_: int) -> date:
    """The day of a round, from 1. Months keep the day of the first, or end on their last."""
    if step := EVERY[every]:
        return first + timedelta(days=step * (round_ - 1))
    months = first.month - 1 + round_ - 1
    year, month = first.year + months // 12, months % 12 + 1
    following = date(year + month // 12, month % 12 + 1, 1)
    return min(date(year, month, 1) + timedelta(days=first.day - 1), following - timedelta(days=1))


def seal_of(seed: bytes) -> str:
    """What is shown of a lot before it is drawn: whoever sees the seed later can tell that it was this one."""
    return hashlib.sha256(seed).hexdigest()


def drawn(seed: bytes, answered: Sequence[tuple[int, datetime]]) -> list[int]:
    """The places in the order of turns (law 2): sorted by SHA-256 of the seed, the instants at which all answered (by
    place, ISO 8601 in UTC, joined by commas), and the place, each after a bar.

    The stack fixed the seed before anybody answered, and the members, not the stack, choose when they answer; so
    neither of them chooses the order, and everybody can do the sum again.
    """
    moments = ",".join(at.isoformat() for _, at in sorted(answered))
    places = [place for place, _ in answered]
    return sorted(places, key=lambda place: hashlib.sha256(f"{seed.hex()}|{moments}|{place}".encode()).digest())


def dues(order_of_turns: Sequence[PersonId]) -> list[KeptDue]:
    """What everybody pays: one amount to each other member, at that member's turn."""
    return [
        KeptDue(round=n, person_id=payer, to_person=whose, state="open")
        for n, whose in enumerate(order_of_turns, 1)
        for payer in order_of_turns
        if payer != whose
    ]


class Plan(Struct, frozen=True):
    """What a turn pays, in contributions: `own` to whose turn it is, and one for each of `set_off`, which that member
    owed to others whose turn was before (law 4). `spent` are the contributions in the pot that pay for it."""

    own: int
    spent: list[KeptDue]
    set_off: list[KeptDue]


def plan(all_dues: Iterable[KeptDue], round_: int, whose: PersonId, past: set[int]) -> Plan:
    """What is in the pot for a round, divided: first what the member whose turn it is owes for rounds that are paid
    out (`past`), the oldest first; the rest to that member (laws 1 and 4)."""
    found = list(all_dues)
    spent = [d for d in found if d.round == round_ and d.state == "in"]
    planned = [d for d in found if d.by_turn == round_ and d.state == "setting-off"]  # before something broke off
    owed = sorted((d for d in found if d.person_id == whose and d.state == "open" and d.round in past), key=_round)
    set_off = planned or owed[: len(spent)]
    return Plan(len(spent) - len(set_off), spent, set_off)


def _round(due: KeptDue) -> int:
    return due.round


def is_complete(all_dues: Iterable[KeptDue], round_: int) -> bool:
    """Whether everybody has paid for a round who shall."""
    return all(d.state in ("in", "out", "void") for d in all_dues if d.round == round_)


def next_turn(
    rounds: Sequence[KeptRound], all_dues: Sequence[KeptDue], today: date, but: Collection[int]
) -> KeptRound | None:
    """The turn to pay out next: one that was begun; one whose day is over; the one that is collected, if everybody has
    paid; or one to which something came in late. Not one of `but`, where something is under way."""
    for one in rounds:
        if one.round in but:
            continue
        if one.state == "paying" or (one.state == "open" and (one.day < today or is_complete(all_dues, one.round))):
            return one
        if one.state == "paid" and any(d.round == one.round and d.state == "in" for d in all_dues):
            return one
        if one.state == "open":
            return None  # turns come in their order: nobody is paid early because others were fast
    return None


def leaving(all_dues: Sequence[KeptDue], who: PersonId, amount_minor: int) -> list[KeptDue]:
    """The dues that end when a member leaves: between her and each other one those of both ways, if neither is paid.

    Where she has paid and is not paid yet, the other still owes her turn (law 5). Raises StillOwing where she was paid
    and has not paid.
    """
    mine = {d.to_person: d for d in all_dues if d.person_id == who}
    theirs = {d.person_id: d for d in all_dues if d.to_person == who}
    owing = [d for other, d in mine.items() if d.state == "open" and theirs[other].state in ("in", "out")]
    if owing:
        raise StillOwing(left_minor=len(owing) * amount_minor)
    pairs = [(mine[other], theirs[other]) for other in mine]
    return [due for pair in pairs if pair[0].state == pair[1].state == "open" for due in pair]


def ended_by_death(all_dues: Sequence[KeptDue], who: PersonId) -> list[KeptDue]:
    """The dues that end when a member has died: between her and each other one those of both ways, if neither is paid.

    What others have paid her stays owed by what she left, and what she has paid is still paid at her turn.
    """
    theirs = {d.person_id: d for d in all_dues if d.to_person == who}
    pairs = [(d, theirs[d.to_person]) for d in all_dues if d.person_id == who and d.to_person in theirs]
    return [due for pair in pairs if pair[0].state == pair[1].state == "open" for due in pair]
