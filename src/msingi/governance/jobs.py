"""Endless work of governance: the clock of cases, and retention."""

import asyncio
import logging

from msingi.governance import acts, handing, telling
from msingi.governance.figures import acts as figures
from msingi.governance.keeping import acts as keeping
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")
EVERY_S = 60.0
BATCH = 100
RETENTION_EVERY_S = 3600.0


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


async def retain(stack: Stack) -> None:
    """Destroy what has had its time, and publish the last quarter's figures, once an hour (laws 5 and 8).

    A run that breaks off goes on where it was.
    """
    while True:
        try:
            figures_ctx = job_context("case-figures", "statistics")
            await figures.publish_figures(stack, figures_ctx, figures.before(figures_ctx.at))
            await asyncio.sleep(RETENTION_EVERY_S)
            made = await keeping.sweep(stack, job_context("retention"))
            logger.info("retention", extra={"certificates": len(made)})
        except Outage as outage:
            logger.warning("retention waits: %s", outage)
            await asyncio.sleep(RETENTION_EVERY_S / 60)


doers = {
    "governance.case-moved": telling.tell,
    "governance.rectification-granted": handing.hand_over,
    "governance.objection-granted": handing.stop,
}
loops = [keep_the_clock, retain]
