"""Endless work of exchange: conversions that a stopped program left half way are brought to their end."""

import asyncio
import logging

from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.rates import converting, renewing

logger = logging.getLogger("msingi.payments")
LOOK_S = 5.0
RENEW_S = 3_600.0


async def keep_sample_rates(stack: Stack) -> None:
    """For ever, in a sandbox: renew the sample's rates before they end."""
    while stack.settings.sandbox:
        await asyncio.sleep(RENEW_S)
        try:
            await renewing.renew_sample(stack)
        except (Outage, Refusal) as later:
            logger.warning("the sample's rates wait: %s", later)


loops = [rounds.for_ever("conversions", converting.finish_left, LOOK_S, soon_s=LOOK_S), keep_sample_rates]
