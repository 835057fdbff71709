"""Paying back what came from another shard: promised there, taken here, and then paid out there.

What was received is paid back in the shard that received it, because only there is known how much of it is left to be
paid back (law 5). Before that the other side promises to take it (EXPECT), so that it cannot refuse what is already
under way; the reversal decides, and the promise ends as it did. Every id follows from the reversal's, so that all
steps can be taken again. `across.follow_up` ends what a crash left: a reversal that was promised and not yet decided
is never decided then, for its id is taken first.
"""

from collections.abc import Sequence
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack
from msingi.payments import across, between, homes, rules, store, writer
from msingi.payments.batch import Ending
from msingi.payments.model import Hold, Kind, Order, Outcome, Reason

_REVERSE = int(Kind.REVERSE)
_WAITING = frozenset((int(Kind.RESERVE), int(Kind.EXPECT)))


def may_lead_back(stack: Stack, chain: Sequence[Order]) -> bool:
    """Whether a chain pays something back of which this program does not know that it came from the same shard."""
    if len(homes.known(stack)) == 1:
        return False
    for order in chain:
        if order.kind == _REVERSE and order.pending is not None:
            shard = rules.shard_of(order.pending.int)
            book = writer.of(stack, shard).book
            known = book.originals.get(order.pending) if book is not None else None
            if known is None or rules.shard_of(known.debit) != shard:
                return True
    return False


async def pay_back(stack: Stack, chain: Sequence[Order]) -> list[Ending]:
    """Post a chain of one shard that pays back what came from others, all or none; the endings in their order."""
    taken: list[tuple[Order, Hold]] = []
    for order in chain:
        row = await _row(stack, order.pending) if order.kind == _REVERSE and order.pending is not None else None
        if row is None or rules.shard_of(row["debit"]) == rules.shard_of(row["credit"]):
            continue
        way = Hold(order.id, row["credit"], row["debit"], order.amount, order.currency, order.owner, 0, 0)
        refused = await across.promised(stack, way)
        if isinstance(refused, Refusal) or refused:
            for one, made in taken:
                await _end(stack, one, made, 0)
            return [_refused(one, order, refused) for one in chain]
        taken.append((order, way))
    endings = await across.end(stack, chain)
    done = all(isinstance(ending, Outcome) and not ending.reason for ending in endings)
    for order, way in taken:
        await _end(stack, order, way, order.amount if done else 0)
    return endings


def _refused(one: Order, order: Order, why: int | Refusal) -> Ending:
    if one is not order:
        return Outcome(0, int(Reason.LINKED), 0, 0, 0)
    return why if isinstance(why, Refusal) else Outcome(0, why, 0, 0, 0)


async def _end(stack: Stack, order: Order, way: Hold, paid: int) -> None:
    words = order.reference if paid else ""  # as `follow_up` says it
    await across.follow(stack, order.id, way.credit, order.owner, order.currency, paid, words)


async def received(stack: Stack, transfer_id: UUID) -> store.Row | None:
    """The row by which a transfer reached its payee, in the payee's shard: what can be paid back. None if it did not.

    A transfer to another shard, or linked to one, is reserved under its own id and arrives under others.
    """
    row = await _row(stack, transfer_id)
    if row is None or row["status"] != 1 or row["kind"] == _REVERSE:
        return None
    root = row["pending_id"] if row["kind"] == Kind.COMMIT else row["id"]
    there = rules.shard_of(row["credit"])
    if there == rules.shard_of(transfer_id.int):
        return await _row(stack, transfer_id, ended=True) if row["kind"] in _WAITING else row
    root = UUID(bytes=root.bytes)
    promise = across.twin(root, there)
    for candidate in (between.step_id(root, "arrive", there), between.step_id(promise, "paid", there)):
        found = await _row(stack, candidate)
        if found is not None and found["status"] == 1:
            return found if await _row(stack, root, ended=True) is not None else None
    return None


async def _row(stack: Stack, transfer_id: UUID, *, ended: bool = False) -> store.Row | None:
    """A row of the journal, or the one that paid out of it."""
    shard = rules.shard_of(transfer_id.int)
    if shard not in homes.known(stack):
        return None
    permit = policy.decide(job_context(between.JOB), "payments.finish-crossing", policy.ANYONE)
    async with homes.home(stack, shard).db.transaction(permit) as tx:
        found = await (store.end_of if ended else store.transfer)(tx, transfer_id)
        log.append(tx, permit, detail={"what": "transfer between shards looked up", "id": str(transfer_id)})
    return found
