"""Endless work of rights across machines: errands are sent where the register is, and retention runs on every part."""

import asyncio
import logging

from msingi.governance.apart import acts, sending
from msingi.governance.keeping import acts as keeping
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")
LOOK_S = 1.0
RETENTION_EVERY_S = 3600.0


async def send_errands(stack: Stack) -> None:
    """Send what is due, at once when this program wrote it down, otherwise within seconds (law 2).

    A part of a stack grants nothing, so it has nothing to send.
    """
    while not stack.settings.rooms:
        sending.woken(stack).clear()
        try:
            while await acts.send_errand(stack, job_context("rights", "redress", "legal-obligation")):
                pass
            await asyncio.wait_for(sending.woken(stack).wait(), LOOK_S)
        except TimeoutError:
            continue
        except Outage as outage:
            logger.warning("errands wait: %s", outage)
            await asyncio.sleep(LOOK_S)


async def retain_apart(stack: Stack) -> None:
    """Destroy what has had its time on a machine that runs a part of the stack, once an hour (law 6)."""
    while stack.settings.rooms:
        await asyncio.sleep(RETENTION_EVERY_S)
        try:
            await keeping.sweep(stack, job_context("retention"))
        except Outage as outage:
            logger.warning("retention waits: %s", outage)


loops = [send_errands, retain_apart]
