"""Endless work of governance: the clock of cases."""

import asyncio
import logging

from msingi.governance import acts
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")
EVERY_S = 60.0
BATCH = 100


async def keep_the_clock(stack: Stack) -> None:
    """Move cases whose time has come, a batch at a time, every minute (law 2)."""
    while True:
        try:
            moved = await acts.move_due(stack, job_context("case-clock", "redress", "legal-obligation"), BATCH)
        except Outage as outage:
            logger.warning("the clock of cases waits: %s", outage)
            moved = 0
        if moved < BATCH:
            await asyncio.sleep(EVERY_S)


loops = [keep_the_clock]
