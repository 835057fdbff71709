"""What rotating groups do by themselves: each turn is paid out on its day, also if nobody is there."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.circles import turning

LOOK_S = 600.0


async def pay_turns(stack: Stack) -> int:
    """Pay the turns that are due. Whatever breaks, each turn is paid once."""
    return await turning.run_circles(stack, turning.job())


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("rotating groups", pay_turns, LOOK_S, soon_s=1.0)]
