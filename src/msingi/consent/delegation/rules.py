"""The laws of acting for others as pure functions."""

from datetime import date, datetime, timedelta

from msingi.consent.delegation.model import DELEGABLE, DelegationOrder
from msingi.consent.errors import DelegationWrong
from msingi.kernel.ids import PersonId

MOST_DAYS = 365
MOST_LIVE = 5


def check_order(order: DelegationOrder, person_id: PersonId, delegate_id: PersonId, live: int) -> None:
    """A delegation names known purposes and a term, and somebody else (laws 1 and 2). Raises DelegationWrong."""
    if not order.purposes or set(order.purposes) - set(DELEGABLE):
        raise DelegationWrong(field="purposes", rule=f"some of {', '.join(DELEGABLE)}")
    if not 1 <= order.days <= MOST_DAYS:
        raise DelegationWrong(field="days", rule=f"1 to {MOST_DAYS}")
    if person_id == delegate_id:
        raise DelegationWrong(field="number", rule="somebody else's")
    if live >= MOST_LIVE:
        raise DelegationWrong(field="number", rule=f"at most {MOST_LIVE} at a time")


def until(order: DelegationOrder, now: datetime) -> datetime:
    """When a delegation ends by itself."""
    return now + timedelta(days=order.days)


def is_child(birth: str, adult_age: int, today: date) -> bool:
    """Whether somebody born on `birth` (YYYY, YYYY-MM or YYYY-MM-DD) is surely under age (law 3).

    A date that is known in part is read as its latest day; one that is not known makes nobody a child.
    """
    parts = [int(part) for part in birth.split("-")] if birth else []
    if not parts:
        return False
    year, month, day = (*parts, *(12, 28)[len(parts) - 1 :])[:3]
    of_age = date(year + adult_age, month, min(day, 28) if month == 2 else day)
    return today < of_age
