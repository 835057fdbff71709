"""What the exchange does by itself: bringing its catalogue up to date, and forgetting old message ids."""

import asyncio
import logging

from msingi.exchange import acts
from msingi.exchange.signature import WINDOW_S
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
EVERY_S = 600.0
KEEP_S = 3 * WINDOW_S  # a message is accepted until at most two windows after it was first seen


async def forget(stack: Stack) -> None:
    """Forget message ids that no longer need remembering, every ten minutes."""
    while True:
        await asyncio.sleep(EVERY_S)
        try:
            await acts.forget_messages(stack, job_context("exchange-forget"), KEEP_S)
        except Outage as outage:
            logger.warning("forgetting waits: %s", outage)


starts = [acts.publish_registered]
loops = [forget]
