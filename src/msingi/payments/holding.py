"""The verbs of two-phase payment and of paying back: reserve, commit, void, reverse.

A holder reserves own money for a payee, who can rely on it until the hold ends: a deposit, a delivery, a fare whose
amount is not known yet. Whoever received a transfer may pay it back, and officers may have a wrong one paid back.
"""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import (
    backward,
    book,
    charges,
    errors,
    homes,
    ledger,
    orders,
    parties,
    rules,
    shards,
    store,
    store_shared,
)
from msingi.payments.groups import mandates
from msingi.payments.model import Kind as Movement
from msingi.payments.model import Order, Outcome, TransferOrder

HOLD_CODE, REVERSE_CODE = "HOLD", "REVR"
MAX_HOLD_S = 31 * 86_400


class Held(Struct, frozen=True):
    """A hold as its payer sees it: minor units reserved, and until when it lasts; None once it has ended."""

    hold_id: str
    payer: str
    to: str
    amount_minor: int
    currency: str
    expires_at: datetime | None


class Paid(Struct, frozen=True):
    """A movement that another one led to: out of a hold, or back to where it came from."""

    transfer_id: str
    seq: int
    amount_minor: int
    currency: str
    at: datetime


class ReversalOrder(Struct, frozen=True):
    """An order to pay back `amount_minor` of a transfer; `reason` are words for both sides (1-140 characters)."""

    key: str
    transfer_id: str
    amount_minor: int
    reason: str


@crossing("payments")
async def reserve(stack: Stack, ctx: Context, wanted: TransferOrder, timeout_s: int) -> Held:
    """Reserve own money for a payee, for 1 second to 31 days by the ledger's clock.

    The same key again gives the same hold. Raises as a transfer does.
    """
    rules.check_order(wanted)
    if not 1 <= timeout_s <= MAX_HOLD_S:
        raise Malformed("A hold lasts from a second to 31 days.", field="timeout_s", rule=f"1..{MAX_HOLD_S}")
    debit = rules.id_of(wanted.payer)
    permit, owner = await mandates.payer_of(stack, ctx, "payments.reserve", debit, wanted.amount_minor, wanted.key)
    credit, name, _ = await parties.payee(stack, ctx, wanted.payee)
    by = orders.By(permit, owner, f"{owner}/{debit}")
    order = orders.reserve(
        *(by, wanted.key, debit, credit, wanted.amount_minor, wanted.currency, HOLD_CODE),
        timeout_s=timeout_s,
        reference=wanted.reference,
        payer=parties.own_name(stack, ctx),
        payee=name,
    )
    (ending,) = errors.check(await ledger.post(stack, [order]))
    until = book.instant(ending.at_us + timeout_s * 1_000_000)
    return Held(str(order.id), wanted.payer, name, order.amount, order.currency, until)


@crossing("payments")
async def commit_hold(
    stack: Stack, ctx: Context, key: str, hold_id: str, payer: str, amount_minor: int, currency: str
) -> Paid:
    """Pay what a hold of the own account `payer` reserves, or less: the rest is free again at once.

    Raises NoSuchHold, HoldEnded, OverHold.
    """
    by, hold = await _by(stack, ctx, key, hold_id, payer)
    order = orders.commit(by, key, hold, amount_minor, currency, HOLD_CODE)
    return _paid(order, *errors.check(await ledger.post(stack, [order])))


@crossing("payments")
async def void_hold(stack: Stack, ctx: Context, key: str, hold_id: str, payer: str, currency: str) -> None:
    """End a hold of the own account `payer` without paying. Raises NoSuchHold, HoldEnded."""
    by, hold = await _by(stack, ctx, key, hold_id, payer)
    errors.check(await ledger.post(stack, [orders.void(by, key, hold, currency, HOLD_CODE)]))


async def _by(stack: Stack, ctx: Context, key: str, hold_id: str, payer: str) -> tuple[orders.By, UUID]:
    """Who ends a hold. Its amount was counted when it was reserved, so that ending it counts nothing."""
    rules.check_key(key)
    debit = rules.id_of(payer)
    permit, owner = await mandates.payer_of(stack, ctx, "payments.reserve", debit, 0, key)
    return orders.By(permit, owner, f"{owner}/{debit}"), _id(hold_id)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Malformed("The id of a hold or a transfer is a UUID.", field="id", rule="uuid") from None


def _paid(order: Order, outcome: Outcome) -> Paid:
    return Paid(str(order.id), outcome.seq, order.amount, order.currency, book.instant(outcome.at_us))


@crossing("payments")
async def reverse(stack: Stack, ctx: Context, wanted: ReversalOrder) -> Paid:
    """Pay a transfer back, in whole or in part: by whoever received it, or by an officer who corrects a mistake.

    It is a new transfer that names the old one; all of them together never pay back more than was paid.
    Raises NoSuchTransfer, OverOriginal, NothingToReverse, InsufficientFunds.
    """
    rules.check_key(wanted.key)
    if not 1 <= len(wanted.reason) <= 140 or not wanted.reason.isprintable():
        raise Malformed("Say why, in at most 140 printable characters.", field="reason", rule="length<=140")
    original = _id(wanted.transfer_id)
    if ctx.actor.kind is Kind.STAFF and "account-officer" in ctx.actor.roles:
        permit = policy.decide(ctx, "payments.reverse", policy.ANYONE, holder="other", own_account=False)
        owner = None
    else:
        permit, owner = mandates.own(stack, ctx, "payments.reverse")
    async with stack.db.transaction(permit) as tx:
        async with shards.beside(stack, rules.shard_of(original.int), permit, tx) as near:
            row = await store.transfer(near, original)
        fee_of = row["pending_id"] if row is not None and row["kind"] == Movement.ARRIVE else original
        if row is None or row["kind"] != Movement.POST:  # it may have reached its payee elsewhere, by another row
            row = await backward.received(stack, original) or row
        holder = None
        if row is not None:
            async with homes.home(stack, rules.shard_of(row["credit"])).db.reading("payments") as near:
                holder = await store.holder_ref_of(near, row["credit"])
        if row is None or holder is None or owner not in (None, holder):
            raise errors.NoSuchTransfer()
        # Whoever must part with the money sees that it was asked for, whoever asked.
        subjects = await store_shared.owners_of(tx, row["credit"])
        for subject in subjects or [None]:
            log.append(tx, permit, subject=subject, detail={"what": "transfer to be paid back", "why": wanted.reason})
    by = orders.By(permit, holder, f"reversal/{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}")
    order = orders.reverse(
        *(by, wanted.key, UUID(bytes=row["id"].bytes), wanted.amount_minor, row["currency"], REVERSE_CODE),
        reference=wanted.reason,
    )
    ended = await ledger.post(stack, [order])
    await charges.tell_paid_back(stack, UUID(bytes=fee_of.bytes), wanted.amount_minor, ended)
    return _paid(order, *errors.check(ended))
