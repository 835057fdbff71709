"""What seizures do by themselves: hold what comes in, free what is held when the order's day is over."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.seizures import holding

LOOK_S = 300.0


async def keep(stack: Stack) -> int:
    """One look at each order in force; nothing is held twice."""
    await holding.run(stack, holding.job())
    return 0


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("seizures", keep, LOOK_S)]
