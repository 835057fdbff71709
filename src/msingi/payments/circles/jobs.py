"""What rotating groups do by themselves: each turn is paid out on its day, also if nobody is there."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.circles import turning

logger = logging.getLogger("msingi.payments")
LOOK_S = 600.0


async def keep_circles(stack: Stack) -> None:
    """For ever: pay the turns that are due. Whatever breaks, each turn is paid once."""
    while True:
        done = 0
        try:
            if not crossing.elsewhere(stack, "payments"):  # the machine that runs the room does it
                done = await turning.run_circles(stack, turning.job())
        except (Outage, Refusal) as later:
            logger.warning("rotating groups wait: %s", later)
        except Exception:
            logger.exception("turns could not be paid")
        await asyncio.sleep(1.0 if done else LOOK_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [keep_circles]
