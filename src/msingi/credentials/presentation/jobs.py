"""What presentation does by itself: forgetting answers, and fetching ahead what trusted issuers publish."""

import asyncio
import logging

import httpx

from msingi.credentials.presentation import acts, issuers
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.presentation")
FORGET_EVERY_S, FETCH_EVERY_S = 60.0, 900.0


async def forget(stack: Stack) -> None:
    """Forget answers and requests whose time is over, every minute."""
    while True:
        await asyncio.sleep(FORGET_EVERY_S)
        try:
            if await acts.has_forgettable(stack):
                await acts.forget_presentations(stack, job_context("presentation"))
        except Outage as outage:
            logger.warning("forgetting waits: %s", outage)


async def fetch(stack: Stack) -> None:
    """Fetch keys and status lists of the operator's trusted issuers, every quarter of an hour; none, no connection."""
    while True:
        try:
            if (await issuers.kept(stack)).entries:
                async with httpx.AsyncClient(timeout=20, follow_redirects=False) as client:
                    await acts.keep_published(stack, job_context("presentation"), client)
        except Outage as outage:
            logger.warning("fetching waits: %s", outage)
        except ValueError as wrong:
            logger.error("the list of trusted issuers is not used: %s", wrong)
        await asyncio.sleep(FETCH_EVERY_S)


loops = [forget, fetch]
