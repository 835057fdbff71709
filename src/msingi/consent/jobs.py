"""Endless work of the consent room: writing down what has expired."""

import asyncio
import logging

from msingi.consent import acts
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.consent")
EVERY_S = 60.0
BATCH = 200


async def write_down_expiries(stack: Stack) -> None:
    """Sign the end of consents that have expired, a batch at a time; decisions never wait for this."""
    while True:
        try:
            ended = await acts.expire_due(stack, job_context("consent-expiry"), BATCH)
        except Outage as outage:
            logger.warning("expiries wait: %s", outage)
            ended = 0
        if ended < BATCH:
            await asyncio.sleep(EVERY_S)


loops = [write_down_expiries]
