"""The laws of recalls as pure functions."""

from datetime import datetime, timedelta

from msingi.kernel.errors import Malformed
from msingi.payments.disputes.model import Kind
from msingi.payments.fraud.model import DisputeTerms
from msingi.payments.recalls.errors import CannotRecall, RecallEnded, RecallNotYetFurther
from msingi.payments.recalls.model import State
from msingi.payments.switch import cancelling

OVER = (State.REFUNDED, State.REFUSED)
# What is wrong, as camt.056 says it; and what another bank's code means most nearly, for our customer.
REASONS = {Kind.NOT_MINE: "FRAD", Kind.WRONG_PAYEE: "AC03", Kind.NOT_DELIVERED: "CUST", Kind.DOUBLE: "DUPL"}
KINDS = {code: kind for kind, code in REASONS.items()} | {
    "AM09": Kind.DOUBLE, "TECH": Kind.DOUBLE, "UPAY": Kind.WRONG_PAYEE,
}  # fmt: skip
_FROM = {
    cancelling.PENDING: (State.ASKED, State.PENDING),
    cancelling.COMES_BACK: (State.ASKED, State.PENDING),
    cancelling.REFUSED: (State.ASKED, State.PENDING, State.PROMISED),
}
_TO = {
    cancelling.PENDING: State.PENDING, cancelling.COMES_BACK: State.PROMISED, cancelling.REFUSED: State.REFUSED,
}  # fmt: skip


def check_asking(terms: DisputeTerms, paid_at: datetime, now: datetime) -> None:
    """Law 1: within the days of its kind. Raises CannotRecall."""
    if now > paid_at + timedelta(days=terms.file_days):
        raise CannotRecall(rule="days", days=terms.file_days)


def after_answer(state: State, told: str) -> State | None:
    """How a recall of ours stands after an answer of camt.029; None where it changes nothing (law 3)."""
    return _TO[told] if state in _FROM[told] else None


def refundable(state: State, amount: int, refunded: int, wanted: int) -> int:
    """Law 2: how much of what another bank wants to pay back is taken: no more than was paid. Raises RecallEnded."""
    if state is State.REFUSED or not 0 < wanted <= amount - refunded:
        raise RecallEnded(state=state.value)
    return wanted


def check_words(state: State) -> None:
    """Our customer answers once, before the officer decides. Raises RecallEnded."""
    if state is not State.ASKED:
        raise RecallEnded(state=state.value)


def check_decision(state: State, back: int, amount: int, reason: str) -> None:
    """Laws 3 and 4. Raises RecallEnded, Malformed."""
    if state not in (State.ASKED, State.ANSWERED):
        raise RecallEnded(state=state.value)
    if not 0 <= back <= amount:
        raise Malformed("At most what was paid is paid back.", field="refund_minor", rule="0..amount")
    if not back and reason not in cancelling.REFUSALS:
        raise Malformed("A refusal has a reason.", field="reason", rule="|".join(cancelling.REFUSALS))


def check_further(state: State, due_at: datetime, complaint: str, now: datetime) -> None:
    """Law 5. Raises RecallNotYetFurther."""
    if complaint or (state not in OVER and now <= due_at):
        raise RecallNotYetFurther(state=state.value)
