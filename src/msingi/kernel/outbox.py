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


class SmsRequested(msgspec.Struct, frozen=True):
    """A text message to send: `to` in E.164, `why` one word for the operator's statistics."""

    to: str
    text: str
    why: str


class Outbox:
    """Delivers events to the doers that rooms have subscribed; at least once, in no promised order."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._doers: dict[str, list[EventDoer]] = {}
        self._woken = asyncio.Event()

    def subscribe(self, kind: str, doer: EventDoer) -> None:
        """Call `doer(stack, payload)` for each event of this kind."""
        self._doers.setdefault(kind, []).append(doer)

    def wanted(self, kind: str) -> bool:
        """Whether any room listens to this kind of event; for emitters that tell thousands of things a second."""
        return bool(self._doers.get(kind))

    async def emit(self, tx: Tx, kind: str, payload: Any) -> None:
        """Put an event (any msgspec-encodable payload) into the transaction; it is written with the commit."""
        tx.events.append((kind, msgspec.json.encode(payload)))
        if self._woken.set not in tx.after_commit:
            tx.after_commit.append(self._woken.set)

    async def deliver(self, stack: "Stack", limit: int = 50) -> int:
        """Deliver up to `limit` due events, and say how many were taken. A doer that fails is tried again later."""
        async with self._db.plumbing() as conn:
            events = await conn.fetch(Q.due_events.text, limit)
            done = []
            for event in events:
                try:
                    for doer in self._doers.get(event["kind"], []):
                        await doer(stack, bytes(event["payload"]))
                    done.append(event["id"])
                except Exception as failure:
                    logger.exception("event failed", extra={"event": event["kind"]})
                    last = type(failure).__name__ if event["tries"] + 1 >= MAX_TRIES else None
                    await conn.execute(Q.postpone.text, event["id"], 2.0 ** event["tries"], last)
            await conn.execute(Q.delivered.text, done)
        return len(events)

    async def drain(self, stack: "Stack") -> None:
        """Deliver until nothing is due; for tests and for a clean stop."""
        while await self.deliver(stack):
            pass

    async def run(self, stack: "Stack") -> None:
        """Deliver for ever: at once when this process emits, otherwise within a second."""
        while True:
            self._woken.clear()
            try:
                if not await self.deliver(stack):
                    await asyncio.wait_for(self._woken.wait(), IDLE_S)
            except TimeoutError:
                continue
            except Exception:
                logger.exception("outbox round failed")
                await asyncio.sleep(IDLE_S)
