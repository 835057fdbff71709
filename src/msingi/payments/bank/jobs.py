"""What the bank does by itself: at start it reads the country's tariff, so that a wrong one is found at once."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments.bank import tariff


async def check_tariff(stack: Stack) -> None:
    """At start: the country's bank.toml is whole. Raises TariffWrong, naming every mistake."""
    tariff.of(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops: list[Callable[[Stack], Awaitable[None]]] = []
starts = [check_tariff]
