"""What fees do by themselves: stand beside the ledger's door from the start, and settle what broke off."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import charges
from msingi.payments.fees.taking import Taking

logger = logging.getLogger("msingi.payments")
LOOK_S = 300.0


async def stand_beside(stack: Stack) -> None:
    """At start: payments that cost something are paid with their fees."""
    stack.local[charges.KEY] = Taking(stack)


async def mend_for_ever(stack: Stack) -> None:
    """For ever: settle fees whose payment broke off, and give back what is owed."""
    while True:
        await asyncio.sleep(LOOK_S)
        try:
            known = charges.of(stack)
            if isinstance(known, Taking) and not crossing.elsewhere(stack, "payments"):
                await known.mend()
        except (Outage, Refusal) as later:
            logger.warning("fees wait: %s", later)
        except Exception:
            logger.exception("fees could not be settled")


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [mend_for_ever]
starts = [stand_beside]
