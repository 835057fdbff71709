"""The outbox: an event leaves if and only if the transaction that emitted it committed.

Why our own sixty lines and not a job library: see docs/decisions/0003-outbox.md.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Database, Tx

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack

Q = sql.load(__name__)
logger = logging.getLogger("msingi.outbox")
EventDoer = Callable[["Stack", bytes], Awaitable[None]]
MAX_TRIES = 8
IDLE_S = 1.0
AT_ONCE = 20  # events that are handed to others at a time


class SmsRequested(msgspec.Struct, frozen=True):
    """A text message to send: `to` in E.164, `why` one word for the operator's statistics."""

    to: str
    text: str
    why: str


class Outbox:
    """Delivers events to the doers that rooms have subscribed; at least once, in no promised order.

    Two lanes: what is done in this stack, one event after the other, and what is handed to somebody outside, such as a
    gateway or a peer, several at a time. So whoever does not answer delays only what waits beside it in the same round,
    and never what happens here.
    """

    def __init__(self, db: Database) -> None:
        self._db = db
        self._doers: dict[str, list[EventDoer]] = {}
        self._outside: set[str] = set()
        self._woken = {False: asyncio.Event(), True: asyncio.Event()}

    def subscribe(self, kind: str, doer: EventDoer, *, outside: bool = False) -> None:
        """Call `doer(stack, payload)` for each event of this kind; `outside` if it waits for another's machine."""
        self._doers.setdefault(kind, []).append(doer)
        if outside:
            self._outside.add(kind)

    def wanted(self, kind: str) -> bool:
        """Whether any room listens to this kind of event; for emitters that tell thousands of things a second."""
        return bool(self._doers.get(kind))

    async def emit(self, tx: Tx, kind: str, payload: Any) -> None:
        """Put an event (any msgspec-encodable payload) into the transaction; it is written with the commit."""
        tx.events.append((kind, msgspec.json.encode(payload)))
        wake = self._woken[kind in self._outside].set
        if wake not in tx.after_commit:
            tx.after_commit.append(wake)

    async def deliver(self, stack: "Stack", limit: int = 50, *, outside: bool = False) -> int:
        """Deliver up to `limit` due events of a lane, and say how many were taken. A doer that fails is tried again."""
        async with self._db.plumbing() as conn:
            events = await conn.fetch(Q.due_events.text, limit, list(self._outside), outside)
            if outside:
                failures = await asyncio.gather(*(self._done(stack, event) for event in events))
            else:
                failures = [await self._done(stack, event) for event in events]
            for event, failure in zip(events, failures, strict=True):
                if failure is not None:
                    last = type(failure).__name__ if event["tries"] + 1 >= MAX_TRIES else None
                    await conn.execute(Q.postpone.text, event["id"], 2.0 ** event["tries"], last)
            done = [event["id"] for event, failure in zip(events, failures, strict=True) if failure is None]
            await conn.execute(Q.delivered.text, done)
        return len(events)

    async def _done(self, stack: "Stack", event: Any) -> Exception | None:
        """Call the doers of an event; what went wrong, or None."""
        try:
            for doer in self._doers.get(event["kind"], []):
                await doer(stack, bytes(event["payload"]))
        except Exception as failure:
            logger.exception("event failed", extra={"event": event["kind"]})
            return failure
        return None

    async def drain(self, stack: "Stack") -> None:
        """Deliver until nothing is due; for tests and for a clean stop."""
        while await self.deliver(stack) or (self._outside and await self.deliver(stack, outside=True)):
            pass

    async def run(self, stack: "Stack") -> None:
        """Deliver for ever: at once when this process emits, otherwise within a second."""
        await asyncio.gather(self._lane(stack, outside=False), self._lane(stack, outside=True))

    async def _lane(self, stack: "Stack", *, outside: bool) -> None:
        woken, limit = self._woken[outside], AT_ONCE if outside else 50
        while True:
            woken.clear()
            try:
                if not await self.deliver(stack, limit, outside=outside):
                    await asyncio.wait_for(woken.wait(), IDLE_S)
            except TimeoutError:
                continue
            except Exception:
                logger.exception("outbox round failed")
                await asyncio.sleep(IDLE_S)
