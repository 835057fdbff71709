"""The gate before the ledger: orders of customers pass it on their one way to the writer, whatever door they came by.

What stands at the gate is registered by a sub-room (`payments.fraud`), so that the ledger knows nothing of its rules.
An order that is stopped ends with the Refusal that says why, as if the writer had given it; nothing has moved.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack
from msingi.payments.batch import Ending
from msingi.payments.model import Order, Outcome

KEY = "payments.gate"
Chain = Sequence[Order]


class Gate(Protocol):
    """Whoever weighs orders before the ledger does."""

    def concerned(self, chains: Sequence[Chain]) -> bool:
        """Whether any of these orders is to be weighed; asked for everything, so it costs next to nothing."""
        ...

    def passes(self, order: Order) -> bool:
        """Admit at once an order that stands alone and that nothing can speak against, or that is not to be weighed;
        False: nothing was counted, and `admit` has to weigh it."""
        ...

    async def admit(self, chain: Chain) -> Refusal | None:
        """Weigh a chain, and count it as sent; the Refusal if it must not go."""
        ...

    def settle(self, chain: Chain, posted: bool) -> None:
        """What was admitted has ended: it is no longer counted if nothing was paid."""
        ...

    def settle_one(self, order: Order, posted: bool) -> None:
        """As `settle` for an order that `passes` admitted."""
        ...


def of(stack: Stack) -> Gate | None:
    """The stack's gate, if one is registered."""
    return stack.local.get(KEY)  # type: ignore[return-value]


async def through(
    gate: Gate, chains: Sequence[Chain], go: Callable[[Sequence[Chain]], Awaitable[list[list[Ending]]]]
) -> list[list[Ending]]:
    """The endings of chains, of which those that the gate lets pass go to the ledger.

    An Outage leaves what was admitted counted: it may have been paid, and repeating it counts once.
    """
    refused = [await gate.admit(chain) for chain in chains]
    passed = [chain for chain, no in zip(chains, refused, strict=True) if no is None]
    went = iter(await go(passed) if passed else [])
    told: list[list[Ending]] = []
    for chain, no in zip(chains, refused, strict=True):
        endings: list[Ending] = [no] * len(chain) if no is not None else next(went)
        if no is None:
            gate.settle(chain, all(isinstance(end, Outcome) and not end.reason for end in endings))
        told.append(endings)
    return told
