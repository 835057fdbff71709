"""What vouchers do by themselves: end when their time is over, send money back, and settle what broke off."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.vouchers import funding, spending

logger = logging.getLogger("msingi.payments")
LOOK_S = 20.0


async def keep(stack: Stack) -> int:
    """One round: what broke off is settled, what ended is released and sent back; how much there was to do."""
    if crossing.elsewhere(stack, "payments"):  # the machine that runs the room does it
        return 0
    settled = await spending.recover(stack)
    return settled + await funding.release(stack) + await funding.bring_back(stack)


async def keep_vouchers(stack: Stack) -> None:
    """For ever: keep vouchers. Whatever breaks, each movement is made once."""
    while True:
        done = 0
        try:
            done = await keep(stack)
        except (Outage, Refusal) as later:
            logger.warning("vouchers wait: %s", later)
        except Exception:
            logger.exception("vouchers could not be kept")
        await asyncio.sleep(1.0 if done else LOOK_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [keep_vouchers]
