"""What fees do by themselves: stand beside the ledger's door from the start, and settle what broke off."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import charges, rounds
from msingi.payments.fees.taking import Taking

LOOK_S = 300.0


async def stand_beside(stack: Stack) -> None:
    """At start: payments that cost something are paid with their fees."""
    stack.local[charges.KEY] = Taking(stack)


async def mend(stack: Stack) -> None:
    """Settle fees whose payment broke off, and give back what is owed."""
    known = charges.of(stack)
    if isinstance(known, Taking):
        await known.mend()


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("fees", mend, LOOK_S, first_s=LOOK_S)]
starts = [stand_beside]
