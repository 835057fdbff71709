"""Random entries of status lists, taken ahead in bulk, so that a signed copy costs no search for one.

What a process took and did not give out before it ended stays taken: one more entry that looks like any other.
"""

import asyncio
import secrets
from typing import Any

from msingi.credentials import rules as cards
from msingi.credentials.issuance import store
from msingi.credentials.model import Place
from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack

DRAWN = 2048
CROWDED = 0.6
"""A list in which fewer of the drawn entries are free is as good as full: 400,000 of its million are taken."""


class Pool:
    """The entries that this process has taken and not yet given out, in the random order in which they were drawn."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._free: list[Place] = []
        self._filling = asyncio.Lock()

    async def take(self, count: int) -> list[Place]:
        """`count` entries that nobody has."""
        while len(self._free) < count:
            async with self._filling:
                if len(self._free) < count:
                    self._free += await self._fill()
        taken, self._free = self._free[-count:], self._free[:-count]
        return taken

    async def _fill(self) -> list[Place]:
        draws = list({secrets.randbelow(cards.LIST_SIZE) for _ in range(DRAWN)})
        secrets.SystemRandom().shuffle(draws)
        permit = policy.decide(
            job_context("credentials", "credential-issuance"), "credentials.reserve_entries", policy.NOBODY
        )
        async with self._stack.db.transaction(permit) as tx:
            found = await store.reserve(tx, draws, CROWDED)
            log.append(tx, permit, detail={"entries": len(found)})
        return found


def pool(stack: Stack) -> Pool:
    """The pool of this process."""
    known: Any = stack.local.get("credentials.places")
    if known is None:
        known = stack.local["credentials.places"] = Pool(stack)
    return known
