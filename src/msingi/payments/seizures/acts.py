"""Verbs of seizures: enter an order, see, pay it over, lift it; and what the holder of the account sees."""

from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import homes, parties, store_shared
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import tariff
from msingi.payments.groups.mandates import today
from msingi.payments.model import Flag
from msingi.payments.seizures import holding, rules, store
from msingi.payments.seizures.errors import NoSeizureLaw, NoSuchSeizure, NothingHeld, SeizureEnded
from msingi.payments.seizures.model import Kept, Seizure, SeizureOrder, SeizurePage, State

MAX_PAGE = 100


def law(stack: Stack) -> tariff.SeizureLaw:
    """What the country says of seizures. Raises NoSeizureLaw."""
    found = tariff.of(stack).seizure
    if found is None:
        raise NoSeizureLaw()
    return found


@crossing("payments", "portal")
async def seize(stack: Stack, ctx: Context, order: SeizureOrder) -> Seizure:
    """Enter a legal order: what the account can give above the protected minimum is held at once, and the holder told.

    The same key again gives the same seizure. Raises Malformed, NoSuchAccount, NoSeizureLaw.
    """
    told = law(stack)
    bank_rules.check_key(order.key)
    bank_rules.check_amount(order.amount_minor)
    bank_rules.check_words("number", order.number, 60)
    bank_rules.check_words("authority", order.authority, 80)
    rules.check_order(order, today(stack), told.longest_days)
    account, pay_to = ledger_rules.id_of(order.account), ledger_rules.id_of(order.pay_to)
    permit = policy.decide(ctx, "payments.seize", policy.ANYONE)
    async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
        row = await accounts.account(near, account)
    async with stack.db.transaction(permit) as tx:
        scope = f"seizure:{ctx.actor.id}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            seizure_id = msgspec.json.decode(first, type=UUID)
        else:
            taker = await accounts.institution_of(tx, pay_to)
            if row is None or row["flags"] & Flag.CLOSED:
                raise ledger_errors.NoSuchAccount(party="payer")
            if taker is None or pay_to == account:
                raise ledger_errors.NoSuchAccount(party="payee")
            seizure_id = uuid7()
            kept = Kept(
                seizure_id=seizure_id, account=account, pay_to=pay_to, number=order.number.strip(),
                pay_to_name=parties.institution_name(stack, taker["institution"]), authority=order.authority.strip(),
                issued_on=order.issued_on, last_day=order.last_day, amount=order.amount_minor,
                protected=told.protected_minor, currency=row["currency"], state="active", made_by=ctx.actor.id,
                made_at=ctx.at, why="",
            )  # fmt: skip
            await store.add(tx, kept)
            await once.settle(tx, "payments", scope, msgspec.json.encode(seizure_id))
        for person in await store_shared.owners_of(tx, account) or [None]:
            log.append(tx, permit, subject=person, detail={"what": "order over an account", "number": order.number})
    await holding.grow(stack, seizure_id)
    shown, kept = await _read(stack, ctx, permit, seizure_id)
    await holding.tell(stack, kept, "seized", contest=told.contest)
    return shown


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchSeizure() from None


def _shown(kept: Kept, ctx: Context) -> Seizure:
    return Seizure(
        seizure_id=str(kept.seizure_id), account=ledger_rules.number_of(kept.account), number=kept.number,
        authority=kept.authority, issued_on=kept.issued_on, last_day=kept.last_day, amount_minor=kept.amount,
        held_minor=kept.held, paid_minor=kept.paid, protected_minor=kept.protected, currency=kept.currency,
        pay_to=kept.pay_to_name, state=State(kept.state), made_at=kept.made_at,
        made_by_me=kept.made_by == ctx.actor.id, why=kept.why,
    )  # fmt: skip


async def _read(stack: Stack, ctx: Context, permit: policy.Permit, wanted: UUID) -> tuple[Seizure, Kept]:
    async with stack.db.transaction(permit) as tx:
        kept = await store.seizure(tx, wanted)
        people = await store_shared.owners_of(tx, kept.account) if kept else []
        for person in people or [None]:
            log.append(tx, permit, subject=person, detail={"what": "order over an account read"})
    if kept is None:
        raise NoSuchSeizure()
    return _shown(kept, ctx), kept


@crossing("payments", "portal")
async def pay_seized(stack: Stack, ctx: Context, seizure_id: str) -> Seizure:
    """A second officer pays over what is held; the holder is told (law 3). With the whole paid the order has ended.

    Raises NoSuchSeizure, SeizureEnded, SecondOfficer, NothingHeld, or the ledger's reason.
    """
    permit = policy.decide(ctx, "payments.pay-seized", policy.ANYONE)
    _, kept = await _read(stack, ctx, permit, _id(seizure_id))
    rules.check_active(State(kept.state))
    rules.check_second(kept.made_by, ctx.actor.id)
    paid = await holding.pay(stack, permit, kept)
    if not paid:
        raise NothingHeld()
    _, kept = await _read(stack, ctx, permit, kept.seizure_id)
    await holding.settle(stack, permit, kept.seizure_id, ctx.actor.id)
    await holding.tell(stack, kept, "paid", paid)
    return (await _read(stack, ctx, permit, kept.seizure_id))[0]


@crossing("payments", "portal")
async def lift_seizure(stack: Stack, ctx: Context, seizure_id: str, why: str) -> Seizure:
    """End an order before its day, by the paper that `why` names: what is held is free. What was paid stays paid.

    Raises NoSuchSeizure, SeizureEnded, Malformed.
    """
    bank_rules.check_words("why", why, 140)
    permit = policy.decide(ctx, "payments.lift-seizure", policy.ANYONE)
    _, kept = await _read(stack, ctx, permit, _id(seizure_id))
    rules.check_active(State(kept.state))
    async with stack.db.transaction(permit) as tx:
        if not await store.end(tx, kept.seizure_id, State.LIFTED, ctx.actor.id, why.strip()):
            raise SeizureEnded(state="lifted")
        for person in await store_shared.owners_of(tx, kept.account) or [None]:
            log.append(tx, permit, subject=person, detail={"what": "order lifted", "number": kept.number, "why": why})
    await holding.free(stack, permit, kept)
    await holding.tell(stack, kept, "ended")
    return (await _read(stack, ctx, permit, kept.seizure_id))[0]


@crossing("payments", "portal")
async def see_seizures(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> SeizurePage:
    """A page of all orders, newest first, for account officers. Raises Malformed."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} orders.", field="limit", rule=f"1..{MAX_PAGE}")
    start = None
    if place:
        at, _, last = place.partition("|")
        try:
            start = datetime.fromisoformat(at), UUID(last)
        except ValueError:
            raise Malformed("This is no place in the list.", field="place", rule="as-given") from None
        if start[0].tzinfo is None:
            raise Malformed("This is no place in the list.", field="place", rule="as-given")
    permit = policy.decide(ctx, "payments.see-seizures", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.page(tx, start, limit + 1)
        found = [await store.seizure(tx, UUID(bytes=row["seizure_id"].bytes)) for row in rows[:limit]]
        log.append(tx, permit, detail={"what": "orders over accounts", "count": len(found)})
    last_row = rows[limit - 1] if len(rows) > limit else None
    after = f"{last_row['made_at'].isoformat()}|{last_row['seizure_id']}" if last_row else None
    return SeizurePage([_shown(kept, ctx) for kept in found if kept], after)


@crossing("payments", "portal")
async def own_seizures(stack: Stack, ctx: Context) -> list[Seizure]:
    """The orders over the actor's accounts, newest first, also those that have ended."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-seizures", me)
    async with stack.db.transaction(permit) as tx:
        held = [row["account_id"] for row in await accounts.held(tx, me, "")]
        found = [await store.seizure(tx, one) for one in await store.of_accounts(tx, held)]
        log.append(tx, permit, subject=me, detail={"what": "orders over own accounts", "count": len(found)})
    return [_shown(kept, ctx) for kept in found if kept]
