"""Standing orders: a payment that repeats each week or month, once for each day, whatever breaks off or runs twice."""

from datetime import date, timedelta
from uuid import UUID

import msgspec

from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import acts, paying, rules, store_asking
from msingi.payments.bank.errors import NoSuchStanding
from msingi.payments.bank.model import Standing, StandingOrder
from msingi.payments.groups import mandates

JOB = "payments-bank"
AT_ONCE = 200
EVERY = ("week", "month")


@crossing("payments", "portal")
async def make_standing(stack: Stack, ctx: Context, order: StandingOrder) -> Standing:
    """Order a payment that repeats. The same key again gives the same order.

    Raises NoSuchAccount or NoSuchMerchant where nobody is meant, Malformed, AmountOutOfRange.
    """
    rules.check_key(order.key)
    rules.check_amount(order.amount_minor)
    rules.check_words("reference", order.reference, 100, needed=False)
    if order.every not in EVERY:
        raise Malformed("A payment repeats each week or each month.", field="every", rule="week or month")
    today = _today(stack)
    if not today <= order.first_day <= today + timedelta(days=366):
        raise Malformed("The first day is from today to a year ahead.", field="first_day", rule="today..+366")
    if order.last_day is not None and order.last_day < order.first_day:
        raise Malformed("The last day comes before the first.", field="last_day", rule="first<=last")
    who = paying.payer(stack, ctx, "payments.make-standing")
    if who.person is None:
        raise Malformed("Standing orders are for people.", field="payer", rule="person")
    payee, name = await payee_of(stack, ctx, order.payee)
    async with stack.db.transaction(who.permit) as tx:
        scope = f"standing:{who.owner}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=Standing)
        kept = store_asking.Standing(
            person_id=who.person, id=uuid7(), payer=ledger_rules.id_of(order.payer), payee=payee,
            own_name=parties.own_name(stack, ctx), name=name, amount=order.amount_minor,
            currency=stack.profile.currency.code, reference=order.reference, every=order.every,
            first_day=order.first_day, last_day=order.last_day, due=order.first_day,
            fee=order.fee_minor,
        )  # fmt: skip
        await store_asking.add_standing(tx, kept)
        log.append(tx, who.permit, subject=who.person, detail={"what": "standing order", "every": order.every})
        made = _shown(kept)
        await once.settle(tx, "payments", scope, msgspec.json.encode(made))
    return made


def _today(stack: Stack) -> date:
    return (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()


async def payee_of(stack: Stack, ctx: Context, typed: str) -> tuple[int, str]:
    """The account that a typed payee leads to, and the name that its owner gave or the masked one."""
    alias = acts.alias_of(stack, typed)
    if alias is not None and alias.kind == "merchant":
        shop = await acts.open_shop(stack, ctx, alias.value)
        return shop.account, shop.merchant.name
    found = await acts.find_payee(stack, ctx, typed)  # counts the look-up, and limits it
    account, name, _ = await parties.payee(stack, ctx, found.alias)
    return account, name


def _shown(kept: store_asking.Standing) -> Standing:
    return Standing(
        standing_id=str(kept.id), name=kept.name, amount_minor=kept.amount, currency=kept.currency, every=kept.every,
        due=kept.due, reference=kept.reference, last_result=kept.last_result, fee_minor=kept.fee,
    )  # fmt: skip


@crossing("payments", "portal")
async def own_standing(stack: Stack, ctx: Context) -> list[Standing]:
    """The actor's standing orders, the newest first, also those that are over."""
    person = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-standing", person)
    async with stack.db.transaction(permit) as tx:
        found = await store_asking.standing_of_person(tx, person)
        log.append(tx, permit, subject=person, detail={"what": "standing orders", "count": len(found)})
    return [_shown(kept) for kept in found]


@crossing("payments", "portal")
async def stop_standing(stack: Stack, ctx: Context, standing_id: str) -> None:
    """Stop a standing order of the actor's. Raises NoSuchStanding."""
    who = paying.payer(stack, ctx, "payments.stop-standing")
    wanted = next((s for s in await own_standing(stack, ctx) if s.standing_id == standing_id), None)
    if wanted is None or who.person is None:
        raise NoSuchStanding()
    async with stack.db.transaction(who.permit) as tx:
        if not await store_asking.stop_standing(tx, who.person, UUID(standing_id)):
            raise NoSuchStanding()
        log.append(tx, who.permit, subject=who.person, detail={"what": "standing order stopped"})


async def run_standing(stack: Stack, ctx: Context, today: date | None = None) -> int:
    """Pay what is due up to today (the country's day); how many days' payments were decided.

    A day that the ledger refuses is noted with the reason, and the next day is tried as planned. Days that were missed
    (the stack stood still) are paid one after the other.
    """
    day = today or _today(stack)
    done = 0
    seeing = policy.decide(ctx, "payments.see-standing", policy.ANYONE)
    async with stack.db.transaction(seeing) as tx:
        due = await store_asking.standing_due(tx, day, AT_ONCE)
        log.append(tx, seeing, detail={"what": "standing orders due", "count": len(due)})
        tx.repeated = not due  # nothing was due, so nothing was seen, and no leaf is owed
    for kept in due:
        await _run(stack, kept)
        done += 1
    return done


async def _run(stack: Stack, kept: store_asking.Standing) -> None:
    assert kept.due is not None
    permit = policy.decide(job_context(JOB, "payment", "contract"), "payments.run-standing", kept.person_id)
    mine = parties.person_ref(stack, kept.person_id)
    debit = mandates.Debit(kept.payer, kept.amount, f"{kept.id}/{kept.due}", "payments.run-standing")
    result = "paid"
    try:
        owner = await mandates.owner_for(stack, job(), kept.person_id, debit, mine)
    except Refusal as refused:  # more than one holder may pay alone: the ledger says no to the person's own reference
        owner, result = mine, refused.code
    by = orders.By(permit, owner, f"standing/{kept.id}")
    paid = orders.pay(
        by, kept.due.isoformat(), kept.payer, kept.payee, kept.amount, kept.currency, "STDO",
        reference=kept.reference, payer=kept.own_name, payee=kept.name,
    )  # fmt: skip
    try:
        await paying.post_charged(stack, paid, kept.fee)
    except Refusal as refused:
        result = result if result != "paid" else refused.code
    after: date | None = rules.next_day(kept.due, kept.every, kept.first_day)
    if kept.last_day is not None and after > kept.last_day:
        after = None
    async with stack.db.transaction(permit) as tx:
        await store_asking.standing_done(tx, kept, after, result)
        log.append(tx, permit, subject=kept.person_id, detail={"what": "standing order", "result": result})


def job() -> Context:
    """The context in which the stack itself pays what is due."""
    return job_context(JOB, "payment", "contract")
