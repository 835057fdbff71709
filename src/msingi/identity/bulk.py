"""Bulk enrolment, one batch of rows to a transaction: each row has its own permit, claim, leaf and outcome."""

from collections.abc import Sequence
from typing import Final

from msingi.identity import enrolment
from msingi.identity.enrolment import Prepared
from msingi.identity.model import EnrolmentOrder, Held, Row, RowOutcome
from msingi.kernel import once, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed, NotPermitted, Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

SORTS: Final = ("enrolled", "held", "refused", "repeated")
_Ready = tuple[Row, EnrolmentOrder, Prepared, Permit]


def sort_of(outcome: RowOutcome) -> str:
    """Under which of SORTS a row's outcome is counted."""
    if outcome.repeated:
        return "repeated"
    if outcome.outcome is None:
        return "refused"
    return "held" if isinstance(outcome.outcome, Held) else "enrolled"


async def enrol_batch(stack: Stack, ctx: Context, source: str, rows: Sequence[Row]) -> list[RowOutcome]:
    """Enrol one batch; the outcomes are in the order of the rows. Raises NotPermitted, Outage."""
    done: dict[int, RowOutcome] = {}
    ready: dict[int, _Ready] = {}
    for place, row in enumerate(rows):
        try:
            if row.order is None:
                raise row.fault or Malformed("An empty row.", field="row", rule="order")
            prepared = await enrolment.prepare(stack, row.order)
            permit = policy.decide(ctx, "identity.enrol", policy.ANYONE)
            ready[place] = (row, row.order, prepared, permit)
        except NotPermitted:
            raise
        except Refusal as refusal:
            done[place] = RowOutcome(row.key, refusal=refusal)
    if ready:
        async with stack.db.transaction(*(permit for *_, permit in ready.values())) as tx:
            done |= await _enrol(tx, stack, source, ready)
    return [done[place] for place in range(len(rows))]


async def _enrol(tx: Tx, stack: Stack, source: str, ready: dict[int, _Ready]) -> dict[int, RowOutcome]:
    done: dict[int, RowOutcome] = {}
    links = await enrolment.resolve_links(tx, stack, [prepared for _, _, prepared, _ in ready.values()])
    faults = {place: links[n] for n, place in enumerate(ready) if n in links}
    content = {place: enrolment.content(stack, order) for place, (_, order, *_) in ready.items() if place not in faults}
    keys = {place: f"bulk:{source}:{ready[place][0].key}" for place in content}
    firsts = {key: place for place, key in reversed(keys.items())}
    claimed = await once.claim_many(tx, "identity", {key: content[place] for key, place in firsts.items()})
    for place, (row, _, _, permit) in ready.items():
        try:
            if place in faults:
                raise faults[place]
            key = keys[place]
            again = firsts[key] != place  # a key that stands twice in a batch
            first = await once.claim(tx, "identity", key, content[place]) if again else claimed[key]
            if isinstance(first, Refusal):
                raise first
            if first is not None:
                done[place] = RowOutcome(row.key, await enrolment.repeated(tx, stack, first), repeated=True)
        except Refusal as refusal:
            done[place] = RowOutcome(row.key, refusal=refusal)
        if place in done:
            tx.release(permit)  # nothing is done for this row, so its permit owes no leaf
    left = {place: found for place, found in ready.items() if place not in done}
    tx.repeated = not left  # a batch in which nothing is done leaves nothing
    if left:
        outcomes = await enrolment.enrol_all(
            tx, stack, [prepared for _, _, prepared, _ in left.values()], [permit for *_, permit in left.values()]
        )
        for (place, (row, *_)), outcome in zip(left.items(), outcomes, strict=True):
            await once.settle(tx, "identity", keys[place], enrolment.receipt(outcome))
            done[place] = RowOutcome(row.key, outcome)
    return done
