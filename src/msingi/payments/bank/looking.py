"""Looking shops up for payments: whoever asks while one look-up is under way waits for the next, which answers all.

The register is read afresh for every payment, so that a shop that was closed is never paid. Alone, a payment waits for
one round trip; among many, they share it, and the register costs next to nothing beside the ledger.
"""

import asyncio

from msingi.kernel.stack import Stack
from msingi.payments.bank import store

KEY = "payments.bank.looking"
MOST = 1_000


class Looking:
    """The look-ups of one program; one statement at a time."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._asked: dict[str, asyncio.Future[store.Shop | None]] = {}
        self._work: asyncio.Task[None] | None = None

    async def shop(self, code: str) -> store.Shop | None:
        """The shop with a number, as the register had it after this was asked. Raises Outage."""
        answer = self._asked.get(code)
        if answer is None:
            answer = self._asked[code] = asyncio.get_running_loop().create_future()
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._look())
        return await asyncio.shield(answer)

    async def _look(self) -> None:
        while self._asked:
            asked = {code: self._asked.pop(code) for code in list(self._asked)[:MOST]}
            try:
                async with self._stack.db.reading("payments") as tx:
                    found = {shop.merchant.code: shop for shop in await store.merchants(tx, list(asked))}
            except BaseException as failure:
                for answer in asked.values():
                    if not answer.done():
                        answer.set_exception(failure)
                        answer.exception()  # seen, also where whoever asked has gone
                if not isinstance(failure, Exception):
                    raise
                continue
            for code, answer in asked.items():
                if not answer.done():
                    answer.set_result(found.get(code))


def of(stack: Stack) -> Looking:
    """The look-ups of this stack."""
    found = stack.local.get(KEY)
    if not isinstance(found, Looking):
        found = stack.local[KEY] = Looking(stack)
    return found
