"""Transfers through the switch: prepare, fulfil, abort, tell, and the end of those that nobody answered.

The ledger decides; the rows here say what its holds were for. Every step can be repeated: ids are derived.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import DifferentContent, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.batch import Ending
from msingi.payments.model import Reason
from msingi.payments.switch import desk, errors, linking, post, roll, rules, sending, store, translating, wire
from msingi.payments.switch.linking import CODE, SCOPE, holder
from msingi.payments.switch.model import Message, Part, SettledCurrency, State, Transfer

TRANSFERS, BULK = linking.TRANSFERS, "bulkTransfers"
RECENT = 20_000
SWEEP = 200
_NO_HOLD = UUID(int=0)


def _known(stack: Stack) -> dict[str, Transfer]:
    """The newest transfers in memory: what they order never changes, and their state only ends."""
    found = stack.local.setdefault("payments.switch.recent", {})
    assert isinstance(found, dict)
    return found


def _remember(stack: Stack, transfer: Transfer) -> None:
    known = _known(stack)
    if len(known) >= RECENT:
        for old in list(known)[: RECENT // 2]:
            del known[old]
    known[transfer.id] = transfer


async def _find(stack: Stack, id_: str, resource: str, *, fresh: bool = False) -> Transfer:
    """A transfer. Raises UnknownId. What memory says has ended has ended; `fresh` asks the database anyway."""
    number = rules.correlation(id_, "ID")
    found = None if fresh else _known(stack).get(number)
    if found is None:
        async with stack.db.reading("payments") as tx:
            found = await store.transfer(tx, number)
            if found is None:  # a ULID may be the UUID of a transfer that came in the other flavour
                found = await store.transfer(tx, translating.uuid_of(number))
    if found is None or found.resource != resource:
        raise errors.UnknownId(field="ID", rule="known")
    _remember(stack, found)
    return found


async def found(stack: Stack, id_: str) -> Transfer:
    """A transfer by its id. Raises UnknownId."""
    return await _find(stack, id_, TRANSFERS)


async def prepare(stack: Stack, ctx: Context, message: Message, wanted: wire.Wanted, resource: str) -> None:
    """Reserve the amount on the payer's side, then send the request on (laws 2 and 5).

    The same request again answers again. Raises NoLiquidity, Modified, Expired, UnknownFsp, BadCurrency, BadSyntax.
    """
    book = await roll.of(stack)
    permit = policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    currency = rules.settled_in(book.currencies, wanted.currency)
    transfer = _ordered(message, wanted, currency, resource)
    for name, field in ((wanted.payer, "payerFsp"), (wanted.payee, "payeeFsp")):
        book.active(name, field)
    if transfer.id in _known(stack):
        return await _again(stack, transfer)
    behind, known = await linking.behind(stack, book, transfer)
    if behind is not None:
        if known:
            return await _again(stack, transfer)
        rules.decides(transfer, behind)
        transfer = replace(transfer, funder=behind.payee, linked=behind.id)
    pays = transfer.funder or wanted.payer
    debit = book.money(pays, currency, "payerFsp")
    credit = book.money(wanted.payee, currency, "payeeFsp")
    if wanted.payee in (wanted.payer, pays):
        raise errors.BadSyntax("Payer and payee are one participant.", field="payeeFsp", rule="payee!=payer")
    left_s = rules.hold_s(transfer.expires_at, clock.now())
    letter = sending.passed(book, message, wanted.payee, transfer.expires_at, transfer.id)
    by = orders.By(permit, holder(stack, pays), SCOPE)
    # A key of its own for each try: what a try that was never acknowledged reserved, the ledger frees by itself.
    hold = orders.reserve(
        by, f"{wanted.id}/{uuid7()}", debit, credit, transfer.amount_minor, transfer.currency, CODE, timeout_s=left_s
    )
    (ending,) = await ledger.post(stack, [hold])
    reserved(ending)
    transfer = replace(transfer, hold=hold.id)
    slip = desk.Slip(record("reserved", transfer), begun=transfer, letters=(letter,))
    if await desk.of(stack).keep(slip):
        _remember(stack, transfer)
        return post.of(stack).send([letter])
    await ledger.post(stack, [orders.void(by, f"{hold.id}/void", hold.id, transfer.currency, CODE)])
    return await _again(stack, transfer)


def _ordered(message: Message, wanted: wire.Wanted, currency: SettledCurrency, resource: str) -> Transfer:
    """The transfer that a request orders. Raises BadSyntax."""
    if wanted.payer != message.source:
        raise errors.BadSyntax("Only the payer's participant orders.", field="payerFsp", rule="payerFsp=FSPIOP-Source")
    if message.destination and message.destination not in (wanted.payee, roll.HUB):
        raise errors.BadSyntax(
            "The destination is the payee's participant.", field="FSPIOP-Destination", rule="destination=payeeFsp"
        )
    amounts = [rules.minor(text, currency.digits) for text in wanted.amounts]
    parts = tuple(Part(*one) for one in zip(wanted.ids, amounts, wanted.conditions, strict=True)) if wanted.ids else ()
    if len({part.id for part in parts}) != len(parts):
        raise errors.BadSyntax("Every transfer of a bulk has an id of its own.", field="transferId", rule="unique")
    return Transfer(
        *(rules.correlation(wanted.id, "transferId"), rules.content_hash(message.source, message.body), resource),
        *(wanted.payer, wanted.payee, currency.currency, sum(amounts), wanted.condition),
        *(rules.instant(wanted.expiration, "expiration"), _NO_HOLD, wanted.flavour, parts),
    )


def reserved(ending: Ending) -> None:
    """Raises the reason why nothing could be reserved."""
    if isinstance(ending, Refusal):
        changed = isinstance(ending, DifferentContent)
        raise errors.Modified(field="transferId", rule="same-id-same-content") if changed else ending
    if ending.reason in (Reason.INSUFFICIENT_FUNDS, Reason.TRANSFER_LIMIT, Reason.DAY_LIMIT):
        raise errors.NoLiquidity()
    if ending.reason:
        raise ledger_errors.refusal(ending.reason)


def record(what: str, transfer: Transfer) -> bytes:
    """What the log's batch root covers of a step of a transfer."""
    return msgspec.json.encode(
        {
            "act": f"payments.switch-transfer/{what}",
            "transfer": transfer.id,
            "hash": transfer.hash.hex(),
            "payer": transfer.payer,
            "payee": transfer.payee,
            "currency": transfer.currency,
            "amount_minor": transfer.amount_minor,
            "settled_minor": transfer.settled_minor,
            "with": transfer.linked,
        },
        order="sorted",
    )


async def _again(stack: Stack, wanted: Transfer) -> None:
    """The same id again: the answer again if it has ended, patience if it is under way, and no to other content."""
    first = await _find(stack, wanted.id, wanted.resource, fresh=True)
    if first.hash != wanted.hash:
        raise errors.Modified(field="transferId", rule="same-id-same-content")
    if first.state is not State.RESERVED:
        await answer(stack, first, first.payer)


async def fulfil(
    stack: Stack, ctx: Context, message: Message, id_: str, resource: str, fulfilled: dict[str, str] | str, final: bool
) -> None:
    """Commit a transfer for its fulfilment, tell the payer's participant, and the payee's too unless `final`.

    Raises UnknownId, BadFulfilment, Expired (laws 3, 4 and 6).
    """
    book = await roll.of(stack)
    permit = policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    transfer = await _find(stack, id_, resource)
    if message.source != transfer.payee:
        raise errors.UnknownId(field="ID", rule="own")
    if isinstance(fulfilled, str):
        rules.fulfils(fulfilled, transfer.condition)
        amount, words = transfer.amount_minor, fulfilled
    else:
        amount, words = rules.payable(transfer, fulfilled)[0], ""
    if transfer.state is State.COMMITTED:
        return  # it was answered before, with the same fulfilment
    if transfer.state is State.ABORTED or transfer.expires_at <= clock.now():
        raise errors.Expired(field="expiration", rule="in-time")
    if not amount:
        return await end(stack, permit, transfer, [_on(book, message, transfer)], State.ABORTED)
    behind = await linking.of(stack, transfer)
    by = orders.By(permit, holder(stack, transfer.funder or transfer.payer), SCOPE)
    done = orders.commit(by, f"{transfer.id}/done", transfer.hold, amount, transfer.currency, CODE, reference=words)
    for ending in await ledger.post_linked(stack, [*linking.paid(stack, permit, behind), done]):
        if isinstance(ending, Refusal):
            raise errors.Modified(field="fulfilment", rule="same-id-same-content")
        if ending.reason:
            raise errors.Expired(field="expiration", rule="in-time")
    ended = replace(transfer, state=State.COMMITTED, fulfilment=words, completed_at=clock.now(), settled_minor=amount)
    letters = [_on(book, message, transfer)]
    if not final:
        told = {"completedTimestamp": rules.told(clock.now()), "transferState": "COMMITTED"}
        path = f"/{resource}/{transfer.id}"
        letters.append(sending.own(book, transfer.payee, "PATCH", path, told, transfer.version, until=_surely()))
    besides, more = linking.ended(book, behind, State.COMMITTED)
    await _ended(stack, ended, [*letters, *more], besides)


def _on(book: roll.Roll, message: Message, transfer: Transfer) -> sending.Letter:
    """What the payee's participant said, for the payer's: told until it is taken."""
    return sending.passed(book, message, transfer.payer, _surely(), transfer.id)


def _surely() -> datetime:
    return clock.now() + sending.SURELY


async def _ended(
    stack: Stack, ended: Transfer, letters: Sequence[sending.Letter], besides: Transfer | None = None
) -> None:
    slip = desk.Slip(record(ended.state.name.lower(), ended), ended=ended, besides=besides, letters=letters)
    if await desk.of(stack).keep(slip):
        _remember(stack, ended)
        post.of(stack).send(letters)
    else:
        _known(stack).pop(ended.id, None)


async def end(
    stack: Stack, permit: policy.Permit, transfer: Transfer, letters: Sequence[sending.Letter], state: State
) -> None:
    """Free what was reserved and end the transfer so, with the conversion behind it, which is freed first: then nothing
    can commit either. Raises Expired if it was committed meanwhile."""
    behind = await linking.of(stack, transfer)
    if behind is not None:
        await ledger.post(stack, linking.freed(stack, permit, behind))
    (ending,) = await ledger.post(stack, linking.freed(stack, permit, transfer))
    if not isinstance(ending, Refusal) and ending.reason and await _paid(stack, transfer) is not None:
        raise errors.Expired("It was committed.", field="ID", rule="reserved")
    besides, more = linking.ended(await roll.of(stack), behind, state)
    await _ended(stack, replace(transfer, state=state, completed_at=clock.now()), [*letters, *more], besides)


async def abort(stack: Stack, ctx: Context, message: Message, id_: str, resource: str) -> None:
    """The payee's participant refuses: free the reservation and tell the payer's. Raises UnknownId, Expired."""
    permit = policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    transfer = await _find(stack, id_, resource)
    if message.source != transfer.payee:
        raise errors.UnknownId(field="ID", rule="own")
    if transfer.state is State.ABORTED:
        return
    if transfer.state is State.COMMITTED:
        raise errors.Expired("It was committed.", field="ID", rule="reserved")
    await end(stack, permit, transfer, [_on(await roll.of(stack), message, transfer)], State.ABORTED)


async def progress(stack: Stack, ctx: Context, message: Message, id_: str, resource: str) -> None:
    """Pass on that the payee's participant is at work on a bulk. Raises UnknownId."""
    policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    transfer = await _find(stack, id_, resource)
    if message.source != transfer.payee:
        raise errors.UnknownId(field="ID", rule="own")
    letter = sending.forward(message, transfer.payer, transfer.expires_at)
    await desk.of(stack).keep(desk.Slip(record("progress", transfer), letters=(letter,)))
    post.of(stack).send([letter])


async def tell(stack: Stack, ctx: Context, message: Message, id_: str, resource: str) -> None:
    """Answer how a transfer stands, to one of its two participants. Raises UnknownId."""
    policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    transfer = await _find(stack, id_, resource, fresh=True)
    if message.source not in (transfer.payer, transfer.payee):
        raise errors.UnknownId(field="ID", rule="own")
    await answer(stack, transfer, message.source)


async def answer(stack: Stack, transfer: Transfer, to: str) -> None:
    """Tell one of its participants how a transfer, a bulk or a conversion stands."""
    book = await roll.of(stack)
    path = f"/{transfer.resource}/{transfer.id}"
    if transfer.state is State.ABORTED:
        letter = sending.error(book, to, path, sending.failed("3300", "The transfer was aborted"), transfer.version)
    else:
        letter = sending.own(book, to, "PUT", path, _standing(transfer), transfer.version)
    record = msgspec.json.encode({"act": "payments.switch-transfer/told", "transfer": transfer.id, "to": to})
    await desk.of(stack).keep(desk.Slip(record, letters=(letter,)))
    post.of(stack).send([letter])


def _standing(transfer: Transfer) -> msgspec.Struct:
    """How a transfer stands, as the wire tells it."""
    at = rules.told(transfer.completed_at) if transfer.completed_at else None
    done = transfer.state is State.COMMITTED
    if transfer.resource == BULK:
        return wire.BulkAnswer("COMPLETED" if done else "PROCESSING", at)
    state = "COMMITTED" if done else "RESERVED"
    if transfer.resource == linking.CONVERSIONS:
        return wire.ConversionAnswer(state, transfer.fulfilment or None, at)
    return wire.TransferAnswer(state, transfer.fulfilment or None, at)


async def _paid(stack: Stack, transfer: Transfer) -> tuple[int, str] | None:
    """What the ledger paid out of the transfer's hold, and the fulfilment that came with it; None if nothing."""
    number = ledger_rules.transfer_id(SCOPE, f"{transfer.id}/done", ledger_rules.shard_of(transfer.hold.int))
    permit = policy.decide(job_context(desk.JOB, "payment", "contract"), "payments.switch-look", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        row = await ledger_store.transfer(tx, number)
        log.append(tx, permit, detail={"what": "how a transfer between participants ended", "id": transfer.id})
    return (row["amount"], row["reference"] or "") if row is not None and not row["reason"] else None


async def expire(stack: Stack) -> int:
    """End the reserved transfers whose time is over, and tell both participants (law 4); how many."""
    book = await roll.of(stack)
    async with stack.db.reading("payments") as tx:
        late = await store.overdue(tx, clock.now() - timedelta(seconds=1), SWEEP)
    permit = policy.decide(job_context(desk.JOB, "payment", "contract"), "payments.switch-transfer", policy.NOBODY)
    for transfer in late:
        path = f"/{transfer.resource}/{transfer.id}"
        if transfer.resource == linking.CONVERSIONS and await _waits(stack, transfer):
            continue
        body = sending.failed("3303", "Transfer expired")
        both = (transfer.payer, transfer.payee)
        letters = [sending.error(book, to, path, body, transfer.version, surely=True) for to in both]
        try:
            await end(stack, permit, transfer, letters, State.ABORTED)
        except errors.Expired:
            await _found_paid(stack, book, transfer)
    return len(late)


async def _waits(stack: Stack, conversion: Transfer) -> bool:
    """Whether the transfer that decides a conversion is under way still: then both end with that one."""
    found = await linking.decider(stack, conversion)
    return found is not None and found.state is State.RESERVED


async def _found_paid(stack: Stack, book: roll.Roll, transfer: Transfer) -> None:
    """The ledger had committed, and the program stopped before it was noted here: note it, and tell both now."""
    paid = await _paid(stack, transfer)
    assert paid is not None
    done = replace(transfer, state=State.COMMITTED, fulfilment=paid[1], completed_at=clock.now(), settled_minor=paid[0])
    path = f"/{transfer.resource}/{transfer.id}"
    letters = [sending.own(book, transfer.payer, "PUT", path, _standing(done), done.version, until=_surely())]
    patch = {"completedTimestamp": rules.told(clock.now()), "transferState": "COMMITTED"}
    letters.append(sending.own(book, transfer.payee, "PATCH", path, patch, done.version, until=_surely()))
    besides, more = linking.ended(book, await linking.of(stack, transfer), State.COMMITTED)
    await _ended(stack, done, [*letters, *more], besides)
