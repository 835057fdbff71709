"""Bills and requests to pay: somebody asks for an amount, and it is paid once, by whoever pays first.

A bill has a reference that anybody may pay. Sent to one person it is a request to pay, which that person alone pays
or refuses. Before an account pays a bill it takes it, and posts one transfer with an id that is derived from the bill:
so whatever breaks off, nobody pays it a second time (law 6).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel import log, once, policy, tally
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.kernel.tally import Limit
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import acts, paying, rules, store_asking
from msingi.payments.bank.errors import BillEnded, NoSuchBill, NotYours
from msingi.payments.bank.model import Bill, BillOrder
from msingi.payments.fees.errors import FeeChanged
from msingi.payments.model import Receipt

MISSES = Limit("payments.bill-misses", most=10, window_s=600)
SENT = Limit("payments.bills-sent", most=50, window_s=86_400)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
MAX_PAGE = 100
TAKEN = timedelta(minutes=10)
MAX_DAYS = 366


@crossing("payments", "portal")
async def make_bill(stack: Stack, ctx: Context, order: BillOrder) -> Bill:
    """Ask for an amount, to be paid into an own account: of anybody who has the reference, or of `payer` alone.

    The same key again gives the same bill. Raises NoSuchAccount for a foreign account or an unknown payer, Malformed,
    AmountOutOfRange, TooMany after fifty bills that a person sent on one day.
    """
    rules.check_key(order.key)
    rules.check_amount(order.amount_minor)
    rules.check_words("title", order.title, 80)
    if not 1 <= order.days <= MAX_DAYS:
        raise Malformed(f"A bill can be paid for 1 to {MAX_DAYS} days.", field="days", rule=f"1..{MAX_DAYS}")
    who = paying.payer(stack, ctx, "payments.make-bill")
    actor = f"{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
    if who.person is not None:
        tally.check(stack, SENT, actor, ctx.at)
    payer = await _person(stack, ctx, order.payer) if order.payer else None
    name = await _asker_name(stack, ctx, order.account)
    permit = policy.decide(ctx, "payments.send-bill", payer) if payer else who.permit
    async with stack.db.transaction(permit) as tx:
        scope = f"bill:{who.owner}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=Bill)
        owed = store_asking.Owed(
            reference=rules.bill_reference(await store_asking.bill_place(tx)),
            account_id=ledger_rules.id_of(order.account), asker=who.owner, name=name, title=order.title.strip(),
            amount=order.amount_minor, currency=stack.profile.currency.code, made_at=ctx.at,
            expires_at=ctx.at + timedelta(days=order.days), is_public=payer is None,
        )  # fmt: skip
        await store_asking.add_bill(tx, owed)
        if payer is not None:
            await store_asking.send_bill(tx, payer, owed.reference, ctx.at)
        if who.person is not None:
            await tally.add(stack, tx, SENT, actor, ctx.at)
        log.append(tx, permit, subject=payer or who.person, detail={"what": "bill", "reference": owed.reference})
        made = _shown(owed)
        await once.settle(tx, "payments", scope, msgspec.json.encode(made))
    return made


async def _person(stack: Stack, ctx: Context, typed: str) -> PersonId:
    """The person whom a request to pay is sent to. Raises NoSuchAccount."""
    alias = acts.alias_of(stack, typed)
    if alias is None or alias.kind not in ("phone", "identity"):
        raise ledger_errors.NoSuchAccount(party="payer")
    find = identity.person_by_phone if alias.kind == "phone" else identity.person_by_number
    try:
        return await find(stack, ctx, alias.value)
    except (NotFound, NotInUse):
        raise ledger_errors.NoSuchAccount(party="payer") from None


async def _asker_name(stack: Stack, ctx: Context, number: str) -> str:
    """How the payer sees who asks: the shop of this account, or else its (masked) holder. Raises NoSuchAccount."""
    held = {ledger_rules.id_of(a.number) for a in await payments.accounts(stack, ctx)}
    if ledger_rules.id_of(number) not in held:
        raise ledger_errors.NoSuchAccount(party="payee")
    return parties.own_name(stack, ctx)


def _shown(owed: store_asking.Owed) -> Bill:
    return Bill(
        reference=owed.reference, name=owed.name, title=owed.title, amount_minor=owed.amount, currency=owed.currency,
        made_at=owed.made_at, expires_at=owed.expires_at, state=owed.state, paid_at=owed.paid_at,
    )  # fmt: skip


@crossing("payments", "portal")
async def see_bill(stack: Stack, ctx: Context, reference: str) -> Bill:
    """What a reference asks for, before it is paid. Ten wrong ones in ten minutes are the limit.

    Raises NoSuchBill, also for one that was sent to somebody else; TooMany.
    """
    return _shown(await _open(stack, ctx, reference))


async def _open(stack: Stack, ctx: Context, reference: str) -> store_asking.Owed:
    person = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    permit = policy.decide(ctx, "payments.see-bill", person or policy.NOBODY)
    actor = f"{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
    tally.check(stack, MISSES, actor, ctx.at)
    plain = reference.replace(" ", "")
    async with stack.db.transaction(permit) as tx:
        owed = await store_asking.bill(tx, plain) if rules.is_bill_reference(plain) else None
        mine = owed is not None and (owed.is_public or await store_asking.is_sent(tx, plain))
        if not mine:
            await tally.add(stack, tx, MISSES, actor, ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "bill looked up", "found": "yes" if mine else "no"})
    if owed is None or not mine:
        raise NoSuchBill()
    return owed


@crossing("payments", "portal")
async def pay_bill(
    stack: Stack, ctx: Context, reference: str, payer: str, fee_minor: int | None = None
) -> Receipt:  # fmt: skip
    """Pay a bill out of an own account (its number). Repeated by the same payer, it gives the first receipt.

    `fee_minor` is what the payer was told that it costs, and the most that it may (None: whatever the terms say).
    Raises NoSuchBill, BillEnded where somebody else paid it or it is over, FeeChanged, or the ledger's reason.
    """
    owed = await _open(stack, ctx, reference)
    if owed.state not in ("open", "paid") or (owed.state == "open" and owed.expires_at <= ctx.at):
        raise BillEnded(state=owed.state if owed.state != "open" else "expired")
    debit = ledger_rules.id_of(payer)
    key = f"{owed.reference}/{owed.attempt}"
    who = await paying.payer_out_of(stack, ctx, "payments.pay-bill", debit, owed.amount, key)
    if owed.state == "open":
        await _take(stack, ctx, who, owed, debit)
    elif owed.taker != debit:
        raise BillEnded(state="paid")
    by = orders.By(who.permit, who.owner, scope=f"bill/{owed.reference}")
    paid = orders.pay(
        by, str(owed.attempt), debit, owed.account_id, owed.amount, owed.currency, "BILL",
        reference=f"{owed.reference} {owed.title}"[:140], payer=parties.own_name(stack, ctx), payee=owed.name,
    )  # fmt: skip
    try:
        receipt = await paying.post_charged(stack, paid, fee_minor)
    except (ledger_errors.TransferRejected, ledger_errors.NoSuchAccount, FeeChanged):
        async with stack.db.transaction(who.permit) as tx:
            await store_asking.try_again(tx, owed)
            log.append(tx, who.permit, subject=who.person, detail={"what": "bill not paid"})
        raise
    async with stack.db.transaction(who.permit) as tx:
        await store_asking.end_bill(tx, owed.reference, "paid", receipt.at)
        log.append(tx, who.permit, subject=who.person, detail={"what": "bill paid", "reference": owed.reference})
    return receipt


async def _take(stack: Stack, ctx: Context, who: paying.Payer, owed: store_asking.Owed, debit: int) -> None:
    """Let this account alone pay a bill. Raises BillEnded while another one does, or once it has.

    Whoever took it and broke off keeps it for TAKEN; after that the ledger says whether that transfer was decided.
    """
    async with stack.db.transaction(who.permit) as tx:
        if owed.taker not in (None, debit):
            late = owed.taken_at is not None and owed.taken_at + TAKEN < ctx.at
            if not late or await store_asking.decided(tx, _transfer_of(owed)):
                raise BillEnded(state="being-paid")
        if not await store_asking.take_bill(tx, owed, debit, ctx.at):
            raise BillEnded(state="being-paid")
        log.append(tx, who.permit, subject=who.person, detail={"what": "bill taken to be paid"})


def _transfer_of(owed: store_asking.Owed) -> UUID:
    """The id of the transfer by which the account that took a bill pays it."""
    shard = ledger_rules.shard_of(owed.taker or 0)
    return ledger_rules.transfer_id(f"bill/{owed.reference}", str(owed.attempt), shard)


@crossing("payments", "portal")
async def bills_for_me(stack: Stack, ctx: Context) -> list[Bill]:
    """The open requests to pay that were sent to the actor, newest first."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-bills", person)
    async with stack.db.transaction(permit) as tx:
        found = await store_asking.bills_for_person(tx, person, ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "requests to pay", "count": len(found)})
    return [_shown(owed) for owed in found]


@crossing("payments", "portal")
async def refuse_bill(stack: Stack, ctx: Context, reference: str) -> Bill:
    """Refuse a request to pay that was sent to the actor. Raises NoSuchBill, NotYours, BillEnded."""
    owed = await _open(stack, ctx, reference)
    if owed.is_public:
        raise NotYours()
    return await _ended(stack, ctx, owed, "payments.refuse-bill", "refused")


@crossing("payments", "portal")
async def withdraw_bill(stack: Stack, ctx: Context, reference: str) -> Bill:
    """Take back an own bill that was not paid. Raises NoSuchBill, BillEnded."""
    who = paying.payer(stack, ctx, "payments.withdraw-bill")
    async with stack.db.transaction(who.permit) as tx:
        owed = await store_asking.bill(tx, reference.replace(" ", ""))
        log.append(tx, who.permit, subject=who.person, detail={"what": "own bill looked up"})
    if owed is None or owed.asker != who.owner:
        raise NoSuchBill()
    return await _ended(stack, ctx, owed, "payments.withdraw-bill", "withdrawn")


async def _ended(stack: Stack, ctx: Context, owed: store_asking.Owed, act: str, state: str) -> Bill:
    who = paying.payer(stack, ctx, act)
    async with stack.db.transaction(who.permit) as tx:
        if not await store_asking.end_bill(tx, owed.reference, state, None):
            raise BillEnded(state=owed.state)
        log.append(tx, who.permit, subject=who.person, detail={"what": f"bill {state}", "reference": owed.reference})
    return msgspec.structs.replace(_shown(owed), state=state)


@crossing("payments", "portal")
async def made_bills(
    stack: Stack, ctx: Context, *, before: datetime = LATEST, before_reference: str = "", limit: int = 25
) -> list[Bill]:
    """A page of the bills that the actor (or the actor's institution) made, newest first.

    A bill whose money arrived while its payer's program broke off is found in the ledger here, and told as paid.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} bills.", field="limit", rule=f"1..{MAX_PAGE}")
    who = paying.payer(stack, ctx, "payments.made-bills")
    async with stack.db.transaction(who.permit) as tx:
        page = await store_asking.bills_of_asker(tx, who.owner, (before, before_reference), limit)
        found = [await _as_paid(tx, owed) for owed in page]
        log.append(tx, who.permit, subject=who.person, detail={"what": "own bills", "count": len(found)})
    return [_shown(owed) for owed in found]


async def _as_paid(tx: accounts.Tx, owed: store_asking.Owed) -> store_asking.Owed:
    """A bill as the ledger says that it stands, where an account has taken it."""
    row = await accounts.transfer(tx, _transfer_of(owed)) if owed.state == "open" and owed.taker else None
    if row is not None and row["status"] == 1:
        await store_asking.end_bill(tx, owed.reference, "paid", row["at"])
        return msgspec.structs.replace(owed, state="paid", paid_at=row["at"])
    if row is not None:
        await store_asking.try_again(tx, owed)
    return owed


@crossing("payments")
async def own_bill(stack: Stack, ctx: Context, reference: str) -> Bill:
    """One bill that the actor (or the actor's institution) made, also one for one person only. Raises NoSuchBill."""
    who = paying.payer(stack, ctx, "payments.made-bills")
    plain = reference.replace(" ", "")
    async with stack.db.transaction(who.permit) as tx:
        owed = await store_asking.bill(tx, plain) if rules.is_bill_reference(plain) else None
        mine = owed is not None and owed.asker == who.owner
        shown = _shown(await _as_paid(tx, owed)) if owed is not None and mine else None
        log.append(tx, who.permit, subject=who.person, detail={"what": "own bill", "found": "yes" if mine else "no"})
    if shown is None:
        raise NoSuchBill()
    return shown
