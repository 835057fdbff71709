"""What the channels do by themselves: deliver requested messages, and forget what is old."""

import asyncio
import logging

import msgspec

from msingi.channels import acts
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.channels")
FORGET_EVERY_S = 900


async def deliver(stack: Stack, payload: bytes) -> None:
    """Hand a requested message to the gateway; a failure makes the outbox try again (law 1)."""
    await acts.deliver(stack, job_context("outbox"), msgspec.json.decode(payload, type=SmsRequested))


async def forget(stack: Stack) -> None:
    """For ever: remove what is past its time."""
    while True:
        try:
            await acts.forget(stack, job_context("channels-retention"))
        except Outage:
            logger.warning("forgetting is put off")
        await asyncio.sleep(FORGET_EVERY_S)


doers = {"sms.requested": deliver}
outside = ("sms.requested",)  # a gateway may be slow
loops = [forget]
