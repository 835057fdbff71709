"""Endless work of reception: enrol packets that arrived, and forget applications whose time is over."""

import asyncio
import logging

from msingi.identity.reception import acts, field
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.identity")
LOOK_S = 2.0
FORGET_EVERY_S = 3600.0
BATCH = 50


async def enrol_packets(stack: Stack) -> None:
    """For ever: whatever has arrived, also what a crash left behind."""
    while True:
        done = 0
        try:
            done = await field.work_off(stack, BATCH)
        except Outage as outage:
            logger.warning("packets wait: %s", outage)
        except Exception:
            logger.exception("a packet could not be worked off")
        if done < BATCH:
            await asyncio.sleep(LOOK_S)


async def forget(stack: Stack) -> None:
    """For ever, every hour: applications whose time is over."""
    while True:
        try:
            await acts.forget_applications(stack, job_context("identity-reception"))
        except Outage as outage:
            logger.warning("forgetting is put off: %s", outage)
        await asyncio.sleep(FORGET_EVERY_S)


loops = [enrol_packets, forget]
