"""The laws of dormancy as pure functions: months, the next step of an account, and what may be claimed."""

from datetime import date, timedelta

from msgspec import Struct

from msingi.kernel.errors import Malformed
from msingi.payments.bank.tariff import Dormant
from msingi.payments.dormant.errors import NothingUnclaimed
from msingi.payments.dormant.model import State


class Step(Struct, frozen=True):
    """What becomes of an account today: its state, the day to look again, and the day on which it falls asleep."""

    state: State
    look_on: date
    falls_on: date | None = None


def later(day: date, months: int) -> date:
    """The same day some months later, or that month's last day if it is shorter."""
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def first_look(last: date, law: Dormant) -> date:
    """The first day on which an account is to be told, if nothing happens after `last`."""
    return later(last, law.after_months) - timedelta(days=law.warn_days)


def step(state: State, falls_on: date | None, last: date, today: date, law: Dormant) -> Step:
    """What becomes of an account whose customer last acted on day `last` (law 1).

    Nobody falls asleep untold: an account that is found late is told first, and has all the days of warning.
    """
    if today < first_look(last, law):
        return Step(State.ACTIVE, first_look(last, law))
    if state is State.ACTIVE or falls_on is None:
        falls = max(later(last, law.after_months), today + timedelta(days=law.warn_days))
        return Step(State.WARNED, falls, falls)
    if today < falls_on:
        return Step(State.WARNED, falls_on, falls_on)
    return Step(State.DORMANT, later(today, 12 * law.hand_over_years))


def check_claim(wanted_minor: int, handed_minor: int, claimed_minor: int) -> None:
    """Raises NothingUnclaimed where so much is not left of what was handed over (law 4)."""
    if not 0 < wanted_minor <= handed_minor - claimed_minor:
        raise NothingUnclaimed()


def check_reason(reason: str) -> str:
    """The words of an official. Raises Malformed unless they have 1 to 140 printable characters."""
    plain = reason.strip()
    if not 1 <= len(plain) <= 140 or not plain.isprintable():
        raise Malformed("Say why, in at most 140 printable characters.", field="reason", rule="length<=140")
    return plain
