"""The laws of estates as pure functions."""

from collections.abc import Sequence
from datetime import date

from msingi.kernel.errors import Malformed
from msingi.payments.estates.errors import EstateEnded, OwnEstate
from msingi.payments.estates.model import EstateOrder, State
from msingi.payments.groups.rules import divided

MOST_HEIRS, MOST_PARTS = 30, 10_000


def check_order(order: EstateOrder, today: date) -> None:
    """Raises Malformed for a certificate of tomorrow, no heirs, too many, one twice, or shares that are none."""
    if order.issued_on > today:
        raise Malformed("The certificate was issued already.", field="issued_on", rule="<=today")
    if not 1 <= len(order.heirs) <= MOST_HEIRS:
        raise Malformed(f"A certificate names 1 to {MOST_HEIRS} heirs.", field="heirs", rule=f"1..{MOST_HEIRS}")
    if not all(1 <= heir.parts <= MOST_PARTS for heir in order.heirs):
        raise Malformed("A share is a whole number of parts.", field="parts", rule=f"1..{MOST_PARTS}")
    if len({heir.account for heir in order.heirs}) < len(order.heirs):
        raise Malformed("An heir is named once.", field="heirs", rule="once")


def check_deciding(state: State, made_by: str, by: str) -> None:
    """Law 1: a second officer decides, once. Raises EstateEnded, OwnEstate."""
    if state is not State.PROPOSED:
        raise EstateEnded(state=state.value)
    if made_by == by:
        raise OwnEstate()


def shares(available: int, waiting: int, parts: Sequence[int]) -> list[int]:
    """Law 2: what each heir gets of what is in an account and does not wait for one of them already (law 3)."""
    left = available - waiting
    return divided(left, parts) if left > 0 else []
