"""What happens to dormant accounts by itself: the law is followed each hour, so that no day is missed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.dormant import daily

logger = logging.getLogger("msingi.payments")
LOOK_S = 3600.0
FIRST_S = 30.0


async def follow_the_law(stack: Stack) -> None:
    """For ever: do what is due. Whatever breaks, the next look goes on where it broke."""
    await asyncio.sleep(FIRST_S)
    while True:
        done = 0
        try:
            if not crossing.elsewhere(stack, "payments"):
                done = await daily.run(stack)
        except (Outage, Refusal) as later:
            logger.warning("dormant accounts wait: %s", later)
        except Exception:
            logger.exception("dormant accounts could not be followed")
        await asyncio.sleep(0.1 if done else LOOK_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [follow_the_law]
