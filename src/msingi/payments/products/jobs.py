"""What products do by themselves: the catalogue is read at start, and each day is counted once it is over."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.products import catalogue, daily

LOOK_S = 300.0


async def check_catalogue(stack: Stack) -> None:
    """At start: the country's products.toml is whole. Raises CatalogueWrong, naming every mistake."""
    catalogue.of(stack)


async def count_every_day(stack: Stack) -> int:
    """Count what is due. Whatever breaks, each day counts once and each month is paid once."""
    return await daily.run(stack) if catalogue.of(stack).products else 0


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("interest", count_every_day, LOOK_S)]
starts = [check_catalogue]
