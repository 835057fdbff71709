"""What seizures do by themselves: hold what comes in, free what is held when the order's day is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.seizures import holding

logger = logging.getLogger("msingi.payments")
LOOK_S = 300.0


async def keep_seizures(stack: Stack) -> None:
    """For ever: look at each order in force. Whatever breaks, nothing is held twice."""
    while True:
        try:
            if not crossing.elsewhere(stack, "payments"):  # the machine that runs the room does it
                await holding.run(stack, holding.job())
        except (Outage, Refusal) as later:
            logger.warning("seizures wait: %s", later)
        except Exception:
            logger.exception("seizures could not be kept")
        await asyncio.sleep(LOOK_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [keep_seizures]
