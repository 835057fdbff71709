"""What estates do by themselves: what comes in after a death is paid to the heirs; what was refused is tried again."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.estates import paying

LOOK_S, FIRST_S = 3600.0, 45.0


async def pay_heirs(stack: Stack) -> int:
    """One look at each open estate; nothing is paid twice."""
    await paying.run(stack, paying.job())
    return 0


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("estates", pay_heirs, LOOK_S, first_s=FIRST_S)]
