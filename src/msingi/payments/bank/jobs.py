"""What the bank does by itself: reads the tariff at start, and pays standing orders on their day."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.bank import standing, tariff, telling

logger = logging.getLogger("msingi.payments")
LOOK_S = 60.0
TELL_S = 3.0


async def check_tariff(stack: Stack) -> None:
    """At start: the country's bank.toml is whole. Raises TariffWrong, naming every mistake."""
    tariff.of(stack)


async def pay_standing_orders(stack: Stack) -> None:
    """For ever: pay what is due. Whatever breaks, a day is paid once, because its transfer has one id."""
    while True:
        done = 0
        try:
            if not crossing.elsewhere(stack, "payments"):  # the machine that runs the room pays
                done = await standing.run_standing(stack, standing.job())
        except (Outage, Refusal) as later:
            logger.warning("standing orders wait: %s", later)
        except Exception:
            logger.exception("standing orders could not be paid")
        await asyncio.sleep(0 if done else LOOK_S)


async def tell_for_ever(stack: Stack) -> None:
    """For ever: send receipts by text message to those who want them."""
    while True:
        done = 0
        try:
            if not crossing.elsewhere(stack, "payments"):
                done = await telling.tell(stack)
        except (Outage, Refusal) as later:
            logger.warning("receipts by message wait: %s", later)
        except Exception:
            logger.exception("receipts by message could not be sent")
        await asyncio.sleep(0 if done else TELL_S)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [pay_standing_orders, tell_for_ever]
starts = [check_tariff]
