"""What the bank does by itself: reads the tariff at start, and pays standing orders on their day."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.bank import standing, tariff, telling

LOOK_S = 60.0
TELL_S = 3.0


async def check_tariff(stack: Stack) -> None:
    """At start: the country's bank.toml is whole. Raises TariffWrong, naming every mistake."""
    tariff.of(stack)


async def pay_standing_orders(stack: Stack) -> int:
    """Pay what is due. Whatever breaks, a day is paid once, because its transfer has one id."""
    return await standing.run_standing(stack, standing.job())


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [
    rounds.for_ever("standing orders", pay_standing_orders, LOOK_S),
    rounds.for_ever("receipts by message", telling.tell, TELL_S),
]
starts = [check_tariff]
