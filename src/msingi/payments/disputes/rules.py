"""The laws of disputes as pure functions."""

from datetime import datetime, timedelta

from msingi.kernel.errors import Malformed
from msingi.payments.disputes.errors import CannotDispute, DisputeEnded, NotYetFurther
from msingi.payments.disputes.model import State
from msingi.payments.fraud.model import DisputeTerms

WAITING = (State.OPEN, State.ANSWERED)


def check_opening(terms: DisputeTerms, paid_at: datetime, now: datetime) -> None:
    """Law 1: within the days of its kind. Raises CannotDispute."""
    if now > paid_at + timedelta(days=terms.file_days):
        raise CannotDispute(rule="days", days=terms.file_days)


def deadlines(terms: DisputeTerms, now: datetime) -> tuple[datetime, datetime]:
    """Until when the other side answers, and until when a person decides."""
    return now + timedelta(days=terms.answer_days), now + timedelta(days=terms.decide_days)


def holdable(amount: int, posted: int, reserved: int, floor: int) -> int:
    """Law 2: how much may be held of what the payee has."""
    return max(0, min(amount, posted - reserved - floor))


def check_refund(state: State, refund: int, amount: int) -> None:
    """Law 3: a dispute that waits ends with at most what was paid. Raises DisputeEnded, Malformed."""
    if state not in WAITING:
        raise DisputeEnded(state=state.value)
    if not 0 <= refund <= amount:
        raise Malformed("At most what was paid is paid back.", field="refund_minor", rule="0..amount")


def check_answer(state: State) -> None:
    """The other side answers once. Raises DisputeEnded."""
    if state is not State.OPEN:
        raise DisputeEnded(state=state.value)


def check_further(state: State, decide_due: datetime, complaint: str, now: datetime) -> None:
    """Law 5. Raises NotYetFurther."""
    if complaint or (state in WAITING and now <= decide_due):
        raise NotYetFurther(state=state.value)
