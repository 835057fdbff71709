"""Endless work of programmes: cycles that were opened are checked, whoever opened them and wherever."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.programmes import preparing, store, uncollected

logger = logging.getLogger("msingi.payments")
LOOK_S = 5.0
COLLECT_S = 600.0


async def on_cycle_opened(stack: Stack, payload: bytes) -> None:
    """Wake the loop; the cycle itself stands in the database, so nothing is lost if nobody listens."""
    _woken(stack).set()


def _woken(stack: Stack) -> asyncio.Event:
    found = stack.local.get("payments.cycles")
    if not isinstance(found, asyncio.Event):
        found = stack.local["payments.cycles"] = asyncio.Event()
    return found


async def check_cycles(stack: Stack) -> None:
    """For ever: check the lists of cycles, also those that a crashed program left half-way."""
    woken = _woken(stack)
    while True:
        woken.clear()
        try:
            async with stack.db.reading("payments") as tx:
                due = await store.due(tx)
            for file_id in due:
                await preparing.prepare(stack, file_id)
        except (Outage, Refusal) as later:
            logger.warning("cycles of payments wait: %s", later)
        except Exception:
            logger.exception("a cycle of payments could not be checked")
        try:
            await asyncio.wait_for(woken.wait(), LOOK_S)
        except TimeoutError:
            continue


async def look_after_payments(stack: Stack) -> int:
    """Tell people of payments that they have not collected, and send back what nobody did."""
    return await uncollected.tell(stack) + await uncollected.send_back(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {"payments.cycle-opened": on_cycle_opened}
loops = [
    check_cycles,
    rounds.for_ever("uncollected payments", look_after_payments, COLLECT_S, soon_s=1.0),
]
