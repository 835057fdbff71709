"""Endless work of the switch: letters that wait, and transfers whose time is over."""

import asyncio
import logging

from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.switch import abroad, acts, house, moving, neighbour, post, roll

logger = logging.getLogger("msingi.switch")
LOOK_S = 1.0


async def deliver(stack: Stack) -> None:
    """For ever: take up letters that a stopped program, or a participant that did not answer, left."""
    sender = post.of(stack)
    try:
        while True:
            try:
                await sender.collect()
            except Outage as outage:
                logger.warning("letters wait: %s", outage)
            except Exception:
                logger.exception("letters could not be taken up")
            await asyncio.sleep(LOOK_S)
    finally:
        sender.close()


async def end_overdue(stack: Stack) -> None:
    """End reserved transfers whose time is over, and payments abroad that a stopped program left."""
    await moving.expire(stack)
    await abroad.end_left(stack)


async def make_hub(stack: Stack) -> None:
    """At start: the hub has a name and a key of its own, with which it signs what it says."""
    if roll.HUB not in (await roll.of(stack)).fsps:
        await acts.join(stack, job_context("setup"), roll.HUB, "switch", "Switch", "", "")
    post.of(stack).inside = house.receive


loops = [deliver, rounds.for_ever("overdue transfers", end_overdue, LOOK_S), neighbour.neighbours]
starts = [make_hub]
