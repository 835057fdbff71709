"""What products do by themselves: the catalogue is read at start, and each day is counted once it is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.products import catalogue, daily

logger = logging.getLogger("msingi.payments")
LOOK_S = 300.0


async def check_catalogue(stack: Stack) -> None:
    """At start: the country's products.toml is whole. Raises CatalogueWrong, naming every mistake."""
    catalogue.of(stack)


async def count_every_day(stack: Stack) -> None:
    """For ever: count what is due. Whatever breaks, each day counts once and each month is paid once."""
    while True:
        done = 0
        try:
            if catalogue.of(stack).products and not crossing.elsewhere(stack, "payments"):
                done = await daily.run(stack)
        except (Outage, Refusal) as later:
            logger.warning("interest waits: %s", later)
        except Exception:
            logger.exception("interest could not be counted")
        await asyncio.sleep(0 if done else LOOK_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [count_every_day]
starts = [check_catalogue]
