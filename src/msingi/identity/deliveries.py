"""How far bulk enrolments are: written down after every batch, so that a page shows it, also after a restart.

A run that was interrupted is resumed by running it again: its counts begin at nothing, and rows that were dealt with
before are recognised and counted within moments; so at the end they are exact.
"""

from collections import Counter
from datetime import datetime

from msgspec import Struct

from msingi.identity import store_notices
from msingi.identity.model import Held, RowOutcome
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.stack import Stack

SHOWN = 100


class Delivery(Struct, frozen=True, omit_defaults=True):
    """A bulk enrolment and how far it is; `total` rows where that is known, `at` when it last went on."""

    source: str
    begun_at: datetime
    at: datetime
    enrolled: int
    held: int
    refused: int
    total: int | None = None

    @property
    def done(self) -> int:
        """Rows dealt with."""
        return self.enrolled + self.held + self.refused


class Recorder:
    """Writes down how far one run is; made by `begin`."""

    def __init__(self, stack: Stack, ctx: Context, source: str) -> None:
        self._stack, self._ctx, self._source = stack, ctx, source
        self._counted: Counter[str] = Counter()

    async def note(self, outcomes: list[RowOutcome]) -> None:
        """Count a batch that was dealt with, repeated rows by what they were."""
        for outcome in outcomes:
            kind = "refused" if outcome.outcome is None else "held" if isinstance(outcome.outcome, Held) else "enrolled"
            self._counted[kind] += 1
        permit = policy.decide(self._ctx, "identity.note-delivery", policy.NOBODY)
        async with self._stack.db.transaction(permit) as tx:
            counts = (self._counted[kind] for kind in ("enrolled", "held", "refused"))
            await store_notices.advance_delivery(tx, self._source, clock.now(), *counts)
            log.append(tx, permit, detail={"what": "delivery advanced", "source": self._source[:60]})


async def begin(stack: Stack, ctx: Context, source: str, total: int | None) -> Recorder:
    """A bulk enrolment begins, or begins again."""
    permit = policy.decide(ctx, "identity.note-delivery", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        by = f"{ctx.actor.kind}:{ctx.actor.id}"
        await store_notices.begin_delivery(tx, source, total, clock.now(), by)
        log.append(tx, permit, detail={"what": "delivery begun", "source": source[:60]})
    return Recorder(stack, ctx, source)


async def deliveries(stack: Stack, ctx: Context) -> list[Delivery]:
    """The newest 100 bulk enrolments, and how far each is."""
    permit = policy.decide(ctx, "identity.see-deliveries", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store_notices.deliveries(tx, SHOWN)
        log.append(tx, permit, detail={"what": "deliveries listed"})
    return [
        Delivery(r["source"], r["begun_at"], r["at"], r["enrolled"], r["held"], r["refused"], r["total"]) for r in found
    ]
