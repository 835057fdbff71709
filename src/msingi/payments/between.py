"""Transfers between shards: reserved on the payer's side, arrived on the payee's, then committed, or else given back.

No transaction spans two shards. Each step is an order with an id derived from the transfer's, so that taking all of
them again after a crash changes nothing that is done and does what is not. The first row is the truth: while its
hold stands open, the transfer is under way, and `finish_crossings` brings it to an end.
"""

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from msgspec import structs

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import homes, rules, store, writer
from msingi.payments import orders as making
from msingi.payments.batch import Ending
from msingi.payments.model import Kind, Order, Outcome, Reason

logger = logging.getLogger("msingi.payments")
JOB = "payments-crossings"
PERMIT_TEXT = f"job:{JOB}@ operations public-task"
MAX_CHAIN = 16
PATIENCE_S = 5.0


def crosses(chain: Sequence[Order]) -> bool:
    """Whether a chain leads to an account of another shard than its payers'."""
    return any(order.credit and rules.shard_of(order.credit) != rules.shard_of(order.debit) for order in chain)


async def cross(stack: Stack, chain: Sequence[Order]) -> list[Ending]:
    """Post a chain of which one payment leads to another shard, all or none; the endings in their order.

    Raises Malformed for a chain that cannot cross: longer than 16, with two ways out, or with anything but payments.
    """
    far = [order for order in chain if rules.shard_of(order.credit) != rules.shard_of(order.debit)]
    if len(far) > 1 or len(chain) > MAX_CHAIN or any(order.kind != Kind.POST for order in chain):
        raise Malformed(
            "Linked orders pay at most one account of another shard, and only by plain payments.",
            field="orders",
            rule="one-crossing",
        )
    reserving = [_as(order, Kind.RESERVE, order.id) for order in chain]
    shard = rules.shard_of(chain[0].debit)
    endings = await writer.of(stack, shard).post(making.linked(reserving))
    if any(isinstance(ending, Refusal) or ending.reason for ending in endings):
        return endings
    first = [ending for ending in endings if isinstance(ending, Outcome)]
    return await _follow(stack, [structs.replace(order, permit=None) for order in chain], first)


async def _follow(stack: Stack, chain: list[Order], first: list[Outcome]) -> list[Ending]:
    """The steps after the reservation; `first` are its outcomes."""
    shard = rules.shard_of(chain[0].debit)
    (far,) = [order for order in chain if rules.shard_of(order.credit) != shard]
    there = rules.shard_of(far.credit)
    arrival = _as(far, Kind.ARRIVE, step_id(far.id, "arrive", there), far.id)
    (arrived,) = await writer.of(stack, there).post([arrival])
    if isinstance(arrived, Refusal):
        raise AssertionError(f"transfer {far.id} arrived with other content")
    kind, name = (Kind.ABORT, "abort") if arrived.reason else (Kind.COMMIT, "commit")
    ends = [_as(order, kind, step_id(order.id, name, shard), order.id) for order in chain]
    done: list[Ending] = []
    for order, ending, began in zip(chain, await writer.of(stack, shard).post(making.linked(ends)), first, strict=True):
        if isinstance(ending, Refusal) or ending.reason:
            raise AssertionError(f"transfer {far.id} could not be ended: {ending}")
        reason = (arrived.reason if order is far else int(Reason.LINKED)) if arrived.reason else 0
        done.append(structs.replace(ending, reason=reason, repeated=began.repeated))
    return done


def step_id(transfer_id: UUID, step: str, shard: int) -> UUID:
    """The id of a step ("arrive", "commit", "abort") of a transfer between shards, in the shard of that step."""
    return rules.transfer_id(f"crossing/{transfer_id.hex}", step, shard)


def _as(order: Order, kind: Kind, order_id: UUID, pending: UUID | None = None) -> Order:
    """A step of a payment. What follows the reservation is ordered by this room, for whoever ordered the first."""
    hashed = rules.body_hash(
        *(order_id, order.debit, order.credit, order.amount, order.currency, order.code, order.reference),
        *(int(kind), pending),
    )
    text = order.permit_text if pending is None else PERMIT_TEXT
    return structs.replace(
        order, id=order_id, kind=int(kind), pending=pending, body_hash=hashed, permit_text=text, linked=False
    )


async def finish_crossings(stack: Stack, patience_s: float = PATIENCE_S) -> int:
    """Bring every transfer to its end that began more than `patience_s` ago and still waits; how many did."""
    finished = 0
    for shard in homes.known(stack):
        home = homes.home(stack, shard)
        async with home.db.reading("payments") as tx:
            waiting = await store.waiting_crossings(tx, shard, clock.now() - timedelta(seconds=patience_s))
        for transfer_id, seq in waiting:
            try:
                finished += await _finish(stack, home, shard, transfer_id, seq)
            except Outage as later:
                logger.warning("a transfer between shards waits: %s", later)
    return finished


async def _finish(stack: Stack, home: Stack, shard: int, transfer_id: UUID, seq: int) -> bool:
    """Read the chain around a reservation from the journal, and take the steps that are left."""
    permit = policy.decide(job_context(JOB), "payments.finish-crossing", policy.ANYONE)
    async with home.db.transaction(permit) as tx:
        rows = await store.rows_between(tx, shard, seq - MAX_CHAIN, seq + MAX_CHAIN)
        log.append(tx, permit, detail={"what": "transfer between shards taken up", "id": str(transfer_id)})
    place = next(n for n, row in enumerate(rows) if row["seq"] == seq)
    start, stop = place, place
    while start > 0 and rows[start - 1]["linked"]:
        start -= 1
    while rows[stop]["linked"]:
        stop += 1
    chain = [_ordered(row) for row in rows[start : stop + 1]]
    if any(order is None for order in chain):
        return False  # it has ended meanwhile
    first = [Outcome(row["seq"], 0, 0, 0, 0) for row in rows[start : stop + 1]]
    await _follow(stack, [order for order in chain if order is not None], first)
    return True


def _ordered(row: store.Row) -> Order | None:
    """The payment that a reservation stands for; None if it is no longer open."""
    if row["owner"] is None:
        return None
    return Order(
        *(UUID(bytes=row["id"].bytes), row["owner"], row["debit"], row["credit"], row["amount"], row["currency"]),
        *(row["code"], b"", None, PERMIT_TEXT, row["reference"] or "", row["payer"] or "", row["payee"] or ""),
    )
