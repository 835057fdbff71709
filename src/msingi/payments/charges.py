"""What stands beside the ledger's door for payments that cost something: a sub-room registers how fees are taken.

The ledger knows nothing of products. A payment that nobody charges passes by at the price of one look into a set.
"""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from msingi.kernel.stack import Stack
from msingi.payments.batch import Ending
from msingi.payments.model import Order

KEY = "payments.charges"


class Charges(Protocol):
    """Whoever knows what payments cost."""

    def concerned(self, order: Order, agreed_minor: int | None) -> bool:
        """Whether a payment may cost something; asked for each one, so it costs next to nothing."""
        ...

    async def pay(self, order: Order, agreed_minor: int | None) -> Ending:
        """Post a payment together with what it costs, all or none; how it ended. Raises FeeChanged where it would
        cost more than its payer was told."""
        ...

    async def sell(self, order: Order, seller: int) -> tuple[Order, Ending]:
        """Post a payment to a shop (account `seller`) with what the shop pays for it; the order that was decided."""
        ...

    async def paid_back(self, original: UUID, amount_minor: int) -> None:
        """A transfer was paid back: give back what it cost, where its product says so."""
        ...


def of(stack: Stack) -> Charges | None:
    """The stack's charges, if some are registered."""
    return stack.local.get(KEY)  # type: ignore[return-value]


async def tell_paid_back(stack: Stack, original: UUID, amount_minor: int, endings: Sequence[Ending]) -> None:
    """Tell that a transfer was paid back, where it was."""
    known = of(stack)
    if known is not None and all(not getattr(ending, "reason", 1) for ending in endings):
        await known.paid_back(original, amount_minor)
