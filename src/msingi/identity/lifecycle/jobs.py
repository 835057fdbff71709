"""Endless work of the life cycle: tell that rights ended by time, and forget old notices."""

import asyncio
import logging

from msingi.identity.lifecycle import guardians, relying
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.identity")
EVERY_S = 3600.0
BATCH = 200


async def keep_up(stack: Stack) -> None:
    """For ever, every hour: guardianships that ended by majority or by their day, and notices past their time."""
    while True:
        try:
            while await guardians.tell_ended(stack, job_context("identity-life-cycle"), BATCH) == BATCH:
                pass
            await relying.forget_notices(stack, job_context("identity-life-cycle"))
        except Outage as outage:
            logger.warning("the life cycle waits: %s", outage)
        await asyncio.sleep(EVERY_S)


loops = [keep_up]
