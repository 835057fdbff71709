"""Holds whose payee is in another shard: reserved here, promised there; committed here, then paid out there.

The promise (EXPECT) takes room for the money on the payee's side when it is reserved, weighed like any hold; so a
commit cannot fail there, whatever happens meanwhile. The payer's shard decides how a hold ends, also by its clock;
the promise follows. No transaction spans two shards: every step has an id derived from the hold's, so that taking all
of them again changes nothing that is done, and `follow_up` takes those that a crash left.
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
from msingi.payments import between, homes, rules, store, store_shards, writer
from msingi.payments import orders as making
from msingi.payments.batch import Ending
from msingi.payments.model import Hold, Kind, Order, Outcome, Reason

logger = logging.getLogger("msingi.payments")
CODE = "XPCT"
ENDS = frozenset((int(Kind.COMMIT), int(Kind.ABORT)))
FIRST = UUID(int=0)
_TURNED = int.from_bytes(b"\xff" * 6 + bytes(10))  # leaves version and variant of an id as they are
_LAST = (1 << 8) - 1


def twin(hold: UUID, shard: int) -> UUID:
    """The id of a hold's promise in another shard, and of the hold that a promise stands for: six bytes turned over,
    and the shard as the last."""
    return UUID(int=(hold.int ^ _TURNED) & ~_LAST | shard)


def may_end_across(stack: Stack, chain: Sequence[Order]) -> bool:
    """Whether a chain ends a hold of which this program does not know that both its accounts are in one shard."""
    if len(homes.known(stack)) == 1:
        return False
    for order in chain:
        if order.kind in ENDS and order.pending is not None:
            book = writer.of(stack, rules.shard_of(order.pending.int)).book
            hold = book.holds.get(order.pending) if book is not None else None
            if hold is None or _crosses(hold):
                return True
    return False


def _crosses(hold: Hold) -> bool:
    return rules.shard_of(hold.debit) != rules.shard_of(hold.credit)


async def reserve(stack: Stack, chain: Sequence[Order]) -> list[Ending]:
    """Reserve for a payee in another shard, alone or with other reservations of the same payers' shard, all or none.

    Raises Malformed for more than one way out, for a chain of anything else, and for a hold without an end: what
    nothing ends by itself would be taken for a payment under way.
    """
    shard = rules.shard_of(chain[0].debit)
    far = [order for order in chain if rules.shard_of(order.credit) != shard]
    one_way = len(far) == 1 and all(order.kind == Kind.RESERVE for order in chain)
    if not one_way or len(chain) > between.MAX_CHAIN or not far[0].timeout_s:
        raise Malformed(
            "Linked reservations lead to at most one other shard, and end by themselves.",
            field="orders",
            rule="one-crossing",
        )
    near = writer.of(stack, shard)
    endings = await near.post(making.linked(list(chain)))
    if any(isinstance(ending, Refusal) or ending.reason for ending in endings):
        return endings
    refused = await _promise(stack, far[0])
    if not refused:
        return endings
    voids = [_ending(order.id, order, Kind.ABORT, shard, "void", order.amount) for order in chain]
    await near.post(making.linked(voids))
    told: list[Ending] = []
    for order, ending in zip(chain, endings, strict=True):
        assert isinstance(ending, Outcome)
        told.append(structs.replace(ending, reason=refused if order is far[0] else int(Reason.LINKED)))
    return told


async def _promise(stack: Stack, hold: Order | Hold) -> int:
    refused = await promised(stack, hold)
    if isinstance(refused, Refusal):
        raise AssertionError(f"hold {hold.id} was promised with other content")
    return refused


async def promised(stack: Stack, hold: Order | Hold) -> int | Refusal:
    """Take room for what a hold, or a reversal, will pay, on its payee's side; the reason if there is none, the Refusal
    if it was promised with other content."""
    there = rules.shard_of(hold.credit)
    made = twin(hold.id, there)
    hashed = rules.body_hash(
        *(made, hold.debit, hold.credit, hold.amount, hold.currency, CODE, ""), int(Kind.EXPECT), hold.id
    )
    order = Order(
        *(made, hold.owner, hold.debit, hold.credit, hold.amount, hold.currency, CODE, hashed, None),
        *(between.PERMIT_TEXT, "", "", "", int(Kind.EXPECT), hold.id),
    )
    (ending,) = await writer.of(stack, there).post([order])
    return ending if isinstance(ending, Refusal) else ending.reason


def _ending(hold: UUID, of: Order | Hold, kind: Kind, shard: int, step: str, amount: int, reference: str = "") -> Order:
    """The order that ends a hold or a promise; its id follows from the hold's and the step."""
    code = of.code if isinstance(of, Order) else CODE
    order_id = between.step_id(hold, step, shard)
    hashed = rules.body_hash(order_id, 0, 0, amount, of.currency, code, reference, int(kind), hold)
    return Order(
        *(order_id, of.owner, 0, 0, amount, of.currency, code, hashed, None),
        *(between.PERMIT_TEXT, reference, "", "", int(kind), hold),
    )


async def end(stack: Stack, chain: Sequence[Order]) -> list[Ending]:
    """Commit or void holds of one shard, all or none, of which some may pay into another shard."""
    near = writer.of(stack, rules.shard_of(chain[0].pending.int if chain[0].pending else chain[0].debit))
    ways: dict[UUID, Hold] = {}
    for order in chain:
        hold = await _open(stack, order) if order.kind in ENDS and order.pending is not None else None
        if hold is None or not _crosses(hold):
            continue
        ways[hold.id] = hold
        if order.kind == Kind.COMMIT and (refused := await _promise(stack, hold)):
            return [Outcome(0, refused if one is order else int(Reason.LINKED), 0, 0, 0) for one in chain]
    ready = list(chain) if len(chain) == 1 else making.linked(list(chain))
    endings = await near.post(ready)
    book = near.book
    for order, ending in zip(chain, endings, strict=True):
        if isinstance(ending, Refusal) or ending.reason or order.kind not in ENDS or order.pending is None:
            continue
        was = ways.get(order.pending) or (book.originals.get(order.pending) if book is not None else None)
        if was is not None and rules.shard_of(was.debit) != rules.shard_of(was.credit):
            paid = order.amount if order.kind == Kind.COMMIT else 0
            await follow(stack, order.pending, was.credit, order.owner, order.currency, paid, order.reference)
    return endings


async def _open(stack: Stack, order: Order) -> Hold | None:
    """The hold that an order ends, if it is open: from memory, or from the database where another program made it."""
    assert order.pending is not None
    shard = rules.shard_of(order.pending.int)
    book = writer.of(stack, shard).book
    known = book.holds.get(order.pending) if book is not None else None
    if known is not None:
        return known
    async with homes.home(stack, shard).db.reading("payments") as tx:
        return await store_shards.hold_of(tx, shard, order.pending)


async def follow(stack: Stack, hold: UUID, credit: int, owner: int, currency: str, paid: int, reference: str) -> None:
    """Let the promise end as the hold has ended: `paid` minor units, or nothing."""
    there = rules.shard_of(credit)
    promise = Hold(twin(hold, there), 0, credit, paid or 1, currency, owner, 0, 0)
    kind, step = (Kind.COMMIT, "paid") if paid else (Kind.ABORT, "void")
    order = _ending(promise.id, promise, kind, there, step, promise.amount, reference)
    (ending,) = await writer.of(stack, there).post([order])
    wanting = isinstance(ending, Refusal) or ending.reason
    if wanting and (paid or isinstance(ending, Refusal)):
        raise AssertionError(f"the promise for hold {hold} could not be ended: {ending}")


async def follow_up(stack: Stack, patience_s: float = between.PATIENCE_S) -> int:
    """End the promises whose holds have ended, by time or before a crash; how many there were."""
    ended = 0
    for shard in homes.known(stack):
        last = FIRST
        while True:
            async with homes.home(stack, shard).db.reading("payments") as tx:
                page = await store_shards.promises(tx, shard, last, clock.now() - timedelta(seconds=patience_s))
            if not page:
                break
            last = page[-1]["id"]
            try:
                ended += await _followed(stack, page)
            except Outage as later:
                logger.warning("a hold between shards waits: %s", later)
    return ended


async def _followed(stack: Stack, page: Sequence[store.Row]) -> int:
    by_shard: dict[int, dict[UUID, store.Row]] = {}
    for row in page:
        origin = rules.shard_of(row["debit"])
        by_shard.setdefault(origin, {})[twin(row["id"], origin)] = row
    ended = 0
    for origin, promised in by_shard.items():
        home = homes.home(stack, origin)
        async with home.db.reading("payments") as tx:
            over = promised.keys() - await store_shards.still_held(tx, origin, list(promised))
        for hold in over:
            permit = policy.decide(job_context(between.JOB), "payments.finish-crossing", policy.ANYONE)
            async with home.db.transaction(permit) as tx:
                decided = await store.transfer(tx, hold)
                if decided is not None and decided["kind"] == Kind.REVERSE:
                    paid = decided if decided["status"] == 1 else None
                else:
                    paid = await store.end_of(tx, hold)
                log.append(tx, permit, detail={"what": "hold between shards taken up", "id": str(hold)})
            row = promised[hold]
            if decided is None and not await _never(stack, hold, row["currency"]):
                continue  # decided this moment: the next round sees how
            amount, words = (paid["amount"], paid["reference"] or "") if paid is not None else (0, "")
            await follow(stack, hold, row["credit"], row["owner"], row["currency"], amount, words)
            ended += 1
    return ended


async def _never(stack: Stack, reversal: UUID, currency: str) -> bool:
    """Take the id of a reversal that was promised and not decided, by an order that is rejected; False if it was."""
    hashed = rules.body_hash(reversal, 0, 0, 0, currency, CODE, "", int(Kind.ABORT), reversal)
    order = Order(
        *(reversal, 0, 0, 0, 1, currency, CODE, hashed, None),
        *(between.PERMIT_TEXT, "", "", "", int(Kind.ABORT), reversal),
    )
    (ending,) = await writer.of(stack, rules.shard_of(reversal.int)).post([order])
    return not isinstance(ending, Refusal)
