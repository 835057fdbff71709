"""What vouchers do by themselves: end when their time is over, send money back, and settle what broke off."""

from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.vouchers import funding, spending

LOOK_S = 20.0


async def keep(stack: Stack) -> int:
    """One round: what broke off is settled, what ended is released and sent back; how much there was to do."""
    if crossing.elsewhere(stack, "payments"):  # the machine that runs the room does it
        return 0
    settled = await spending.recover(stack)
    return settled + await funding.release(stack) + await funding.bring_back(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("vouchers", keep, LOOK_S, soon_s=1.0)]
