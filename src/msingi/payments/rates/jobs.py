"""Endless work of exchange: conversions that a stopped program left half way are brought to their end."""

import asyncio
import logging

from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.payments.rates import converting

logger = logging.getLogger("msingi.payments")
LOOK_S = 5.0


async def finish_conversions(stack: Stack) -> None:
    """For ever: finish what was being paid, free what was held for too long."""
    while True:
        try:
            await converting.finish_left(stack)
        except Outage as outage:
            logger.warning("conversions wait: %s", outage)
        except Exception:
            logger.exception("conversions could not be finished")
        await asyncio.sleep(LOOK_S)


loops = [finish_conversions]
