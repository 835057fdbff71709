"""The post of the switch: letters to participants are sent at once, and again until they are taken or out of time.

A letter stands in the database before it is sent. What this program has in hand it sends by itself; what a stopped
program left behind is taken up when it is due.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments.switch import desk, roll, store
from msingi.payments.switch.line import Way
from msingi.payments.switch.model import Letter

logger = logging.getLogger("msingi.switch")
INSIDE = "inside:"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
MOST_AT_ONCE = 200
Inside = Callable[[Stack, Letter], Awaitable[None]]


class Post:
    """Sends letters. `inside` takes those for the participant that this stack runs itself."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._ways: dict[str, Way] = {}
        self._hand: dict[UUID, asyncio.Task[None]] = {}
        self._stopped = False
        self.inside: Inside | None = None

    def send(self, letters: Sequence[Letter]) -> None:
        """Send letters that are kept; nobody waits for it."""
        for letter in letters:
            if letter.id not in self._hand and not self._stopped:
                self._hand[letter.id] = asyncio.create_task(self._sent(letter))

    async def idle(self) -> None:
        """Wait until nothing is in hand."""
        while self._hand:
            await asyncio.wait(list(self._hand.values()))

    async def _sent(self, letter: Letter) -> None:
        try:
            try:
                taken = await self._taken(letter)
            except Outage as outage:
                logger.info("a participant did not take a letter: %s", outage, extra={"code": letter.fsp})
                taken = False
            except Refusal as refused:
                logger.info("refused inside", extra={"code": refused.code})
                taken = True
            if taken or clock.now() >= letter.until:
                desk.of(self._stack).note(desk.Slip(b"", taken=(letter.id,)))
            else:
                await self._postpone(letter)
        except Outage as outage:
            logger.warning("a letter waits: %s", outage)  # it stands in the database, and is due before long
        finally:
            self._hand.pop(letter.id, None)

    async def _taken(self, letter: Letter) -> bool:
        """Whether the participant took it: an answer 2xx, or one that says that it never will (3xx, 4xx)."""
        book = await roll.of(self._stack)
        fsp = book.fsps.get(letter.fsp)
        if fsp is None:
            return True
        if fsp.endpoint == INSIDE:
            if self.inside is not None:
                await self.inside(self._stack, letter)
            return True
        way = self._ways.get(fsp.endpoint)
        if way is None:
            way = self._ways[fsp.endpoint] = Way(fsp.endpoint)
        status = await way.send(letter.method, letter.path, letter.headers, letter.body)
        if status >= 300:
            logger.warning("a participant answered %s", status, extra={"code": letter.fsp})
        return status < 500 and status != 429

    async def _postpone(self, letter: Letter) -> None:
        pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**letter.tries)
        permit = policy.decide(job_context(desk.JOB, "payment", "contract"), "payments.switch-keep", policy.NOBODY)
        async with self._stack.db.transaction(permit) as tx:
            await store.postpone_letters(tx, [(letter.id, clock.now() + timedelta(seconds=pause))])
            log.append(tx, permit, detail={"what": "a letter waits", "participant": letter.fsp})

    async def collect(self) -> int:
        """Take up what is due and not in hand; how many."""
        async with self._stack.db.reading("payments") as tx:
            due = await store.due_letters(tx, clock.now(), MOST_AT_ONCE)
        fresh = [letter for letter in due if letter.id not in self._hand]
        self.send(fresh)
        return len(fresh)

    def close(self) -> None:
        """Stop sending; what is in hand stays in the database."""
        self._stopped = True
        for task in self._hand.values():
            task.cancel()
        for way in self._ways.values():
            way.close()


def of(stack: Stack) -> Post:
    """The post of this stack; the same one for the whole program."""
    found = stack.local.get("payments.switch.post")
    if not isinstance(found, Post):
        found = stack.local["payments.switch.post"] = Post(stack)
    return found
