"""The laws of seizures as pure functions."""

from datetime import date, timedelta

from msingi.kernel.errors import Malformed
from msingi.payments.seizures.errors import SecondOfficer, SeizureEnded
from msingi.payments.seizures.model import SeizureOrder, State


def check_order(order: SeizureOrder, today: date, longest_days: int) -> None:
    """Raises Malformed unless an order was given already, and ends in time."""
    if order.issued_on > today:
        raise Malformed("The order was given on a day that has come.", field="issued_on", rule="<=today")
    if not today <= order.last_day <= today + timedelta(days=longest_days):
        rule = f"today..+{longest_days}"
        raise Malformed("The last day is from today to what the law allows.", field="last_day", rule=rule)


def holdable(left_minor: int, posted: int, reserved: int, floor: int, protected: int) -> int:
    """How much more may be held: at most what the order still wants, and never of the protected minimum (law 1)."""
    return max(0, min(left_minor, posted - reserved - floor - protected))


def check_active(state: State) -> None:
    """Raises SeizureEnded."""
    if state is not State.ACTIVE:
        raise SeizureEnded(state=state.value)


def check_second(made_by: str, officer: str) -> None:
    """Law 3. Raises SecondOfficer."""
    if made_by == officer:
        raise SecondOfficer()
