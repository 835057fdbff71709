"""What happens to dormant accounts by itself: the law is followed each hour, so that no day is missed."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.dormant import daily

LOOK_S = 3600.0
FIRST_S = 30.0


async def follow_the_law(stack: Stack) -> int:
    """Do what is due by the law of dormant accounts. Whatever breaks, the next look goes on where it broke."""
    return await daily.run(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("dormant accounts", follow_the_law, LOOK_S, soon_s=0.1, first_s=FIRST_S)]
