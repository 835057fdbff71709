"""Endless work of biometrics: send to the matcher what is due, also what a crash left behind."""

import asyncio
import logging

import httpx

from msingi.identity.biometrics import acts
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.identity")
LOOK_S = 3.0


async def ask_matcher(stack: Stack) -> None:
    """For ever, where the operator named a matcher."""
    if not stack.settings.abis_url:
        return
    async with httpx.AsyncClient() as client:
        while True:
            done = 0
            try:
                done = await acts.work_off(stack, client)
            except Outage as outage:
                logger.warning("the matcher waits: %s", outage)
            except Exception:
                logger.exception("a request to the matcher could not be worked off")
            if done < acts.BATCH:
                await asyncio.sleep(LOOK_S)


loops = [ask_matcher]
