"""What shops take of vouchers: seen first, then taken off the voucher, paid out of the trust account, and settled.

The amount leaves the voucher before the money moves, under a key that is the transfer's: whatever breaks off in
between, repeating it or the stack's own recovery pays it once, and a refusal by the ledger puts it back.
"""

from datetime import timedelta

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.errors import DifferentContent, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import store as bank
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.book import instant
from msingi.payments.model import Outcome
from msingi.payments.vouchers import acts, errors, numbers, rules, store
from msingi.payments.vouchers.model import Offered, Spending, Spent

JOB = "payments-vouchers"
LATE = timedelta(minutes=1)
AT_ONCE = 200


def job() -> Context:
    """The context in which the stack itself moves the money of vouchers."""
    return job_context(JOB, "social-protection", "public-task")


def _permit(ctx: Context, act: str) -> policy.Permit:
    own = ctx.actor.kind is Kind.PERSON
    facts = {"holder": "person" if own else "institution", "own_account": not own and bool(ctx.actor.institution)}
    return policy.decide(ctx, act, policy.ANYONE, **facts)


async def _own_shop(stack: Stack, ctx: Context, permit: policy.Permit, code: str) -> bank.Shop:
    """The shop of one's own with a number, or the first. Raises NoSuchMerchant."""
    person = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        held = await accounts.accounts(tx, person, ctx.actor.institution)
        found = await bank.merchants_of_accounts(tx, [ledger_rules.id_of(a.number) for a in held])
        log.append(tx, permit, subject=person, detail={"what": "own shops", "count": len(found)})
    for shop in found:
        if shop.merchant.is_open and code in ("", shop.merchant.code):
            return shop
    raise NoSuchMerchant()


async def takes_vouchers(stack: Stack, ctx: Context) -> str:
    """The number of the actor's shop that takes vouchers; empty where there is none."""
    permit = _permit(ctx, "payments.see-voucher")
    try:
        shop = await _own_shop(stack, ctx, permit, "")
    except NoSuchMerchant:
        return ""
    async with stack.db.transaction(permit) as tx:
        takes = await store.takes_vouchers(tx, [shop.merchant.code])
        log.append(tx, permit, detail={"what": "whether a shop takes vouchers"})
    return shop.merchant.code if takes else ""


async def see_voucher(stack: Stack, ctx: Context, number: str, shop: str = "") -> Offered:
    """What a voucher holds, for a shop of the actor's that may take it. Wrong numbers are limited.

    Raises NoSuchVoucher, VoucherEnded, ShopNotApproved, NoSuchMerchant, TooMany.
    """
    permit = _permit(ctx, "payments.see-voucher")
    mine = await _own_shop(stack, ctx, permit, shop)
    kept = await numbers.find(stack, ctx, permit, number)
    async with stack.db.transaction(permit) as tx:
        groups = await store.shop_groups(tx, kept.voucher.scheme_id, mine.merchant.code)
        holders = await store.holders(tx, [kept.voucher.serial])
        for person in list(holders.values()) or [None]:
            log.append(tx, permit, subject=person, detail={"what": "voucher shown", "shop": mine.merchant.code})
    one = kept.voucher
    rules.amount_of(one, groups, 0, ctx.at)
    return Offered(
        *(one.serial, kept.scheme, one.group, one.left_minor, one.currency, kept.digits, one.in_parts, one.expires_at)
    )


async def take_voucher(stack: Stack, ctx: Context, order: Spending) -> Spent:
    """Take a voucher at a shop of the actor's, in whole or in part: the shop is paid at once. The same key again gives
    the first answer.

    Raises NoSuchVoucher, VoucherEnded, VoucherTooSmall, ShopNotApproved, NoSuchMerchant, TooMany, or why the ledger
    does not pay.
    """
    permit = _permit(ctx, "payments.take-voucher")
    shop = await _own_shop(stack, ctx, permit, order.shop)
    return await _taken(stack, ctx, permit, order, shop)


async def take_for_shop(stack: Stack, ctx: Context, order: Spending, details: str = "") -> Spent:
    """Take a voucher for an approved shop: by software of the institution that gives it, to which the holder told the
    number. The shop is named by its number or by `details`, as the institution's own register names it.

    Raises as `take_voucher` does.
    """
    permit = acts.permit_of(ctx, "payments.take-voucher-for", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        named = await store.shops_named(tx, ctx.actor.institution, details) if details and not order.shop else []
        code = order.shop or (named[0] if len(named) == 1 else "")
        shop = await bank.merchant(tx, code) if bank_rules.is_merchant_code(code) else None
        log.append(tx, permit, detail={"what": "shop for a voucher", "shop": code if shop else ""})
    if shop is None or not shop.merchant.is_open:
        raise NoSuchMerchant()
    return await _taken(stack, ctx, permit, order, shop, own=ctx.actor.institution)


async def _taken(
    stack: Stack, ctx: Context, permit: policy.Permit, order: Spending, shop: bank.Shop, own: str = ""
) -> Spent:
    ledger_rules.check_key(order.key)
    kept = await numbers.find(stack, ctx, permit, order.number)
    if own and kept.institution != own:
        raise errors.NoSuchVoucher()
    serial = kept.voucher.serial
    async with stack.db.transaction(permit) as tx:
        kept = (await store.vouchers(tx, [serial], lock=True))[serial]
        begun = await store.spending(tx, serial, order.key)
        if begun is not None:
            if begun.shop != shop.merchant.code or order.amount_minor not in (0, begun.amount):
                raise DifferentContent(key=order.key)
            log.append(tx, permit, detail={"what": "voucher taken before", "shop": begun.shop})
        else:
            groups = await store.shop_groups(tx, kept.voucher.scheme_id, shop.merchant.code)
            amount = rules.amount_of(kept.voucher, groups, order.amount_minor, ctx.at)
            begun = store.Spending(
                *(serial, order.key, shop.merchant.code, shop.account, amount, "begun", None, ctx.at)
            )
            await store.begin(tx, begun, rules.after(kept.voucher, amount), acts.who_is(ctx))
            for person in list((await store.holders(tx, [serial])).values()) or [None]:
                log.append(tx, permit, subject=person, detail={"what": "voucher taken", "shop": begun.shop})
    return await settle(stack, begun)


async def settle(stack: Stack, begun: store.Spending) -> Spent:
    """Pay what was begun, or tell how it ended. Raises the ledger's reason, after the amount was put back; Outage where
    nobody can tell yet: then it stays begun, and is taken up again."""
    permit = policy.decide(job(), "payments.pay-voucher", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = (await store.vouchers(tx, [begun.serial]))[begun.serial]
        scheme = await store.scheme(tx, kept.voucher.scheme_id)
        shop = await bank.merchant(tx, begun.shop)
        log.append(tx, permit, detail={"what": "voucher to be paid", "shop": begun.shop})
    assert scheme is not None and shop is not None
    if begun.state == "refused":
        raise errors.VoucherEnded("The ledger did not pay this; ask again under another key.", state="refused")
    by = orders.By(permit, parties.institution_ref(stack, scheme.institution), f"voucher/{begun.serial}")
    paid = orders.pay(
        *(by, begun.key, ledger_rules.id_of(scheme.trust), begun.account, begun.amount, scheme.currency, "VCHR"),
        reference=f"{begun.serial} {kept.voucher.group}"[:140],
        payer=parties.institution_name(stack, scheme.institution), payee=shop.merchant.name,
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [paid])
    done = isinstance(ending, Outcome) and not ending.reason
    async with stack.db.transaction(permit) as tx:
        await store.end(tx, begun, paid.id if done else None)
        log.append(tx, permit, detail={"what": "voucher paid" if done else "voucher not paid", "shop": begun.shop})
    (outcome,) = ledger_errors.check([ending])
    left = kept.voucher.left_minor
    return Spent(
        *(begun.serial, begun.shop, begun.amount, left if kept.voucher.in_parts else 0),
        *(scheme.currency, str(paid.id), instant(outcome.at_us)),
    )


async def recover(stack: Stack) -> int:
    """Take up what was begun a while ago and has not ended; how many."""
    permit = policy.decide(job(), "payments.pay-voucher", policy.ANYONE)
    now = job().at
    async with stack.db.reading("payments") as tx:
        due = await store.spendings_open(tx, now - LATE, AT_ONCE)
    for begun in due:
        try:
            await settle(stack, begun)
        except Refusal:
            continue  # it was put back, which is an end
    if due:
        async with stack.db.transaction(permit) as tx:
            log.append(tx, permit, detail={"what": "vouchers taken up again", "count": len(due)})
    return len(due)
