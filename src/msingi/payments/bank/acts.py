"""Verbs of shops: register and close one, show and read its code, find out who is meant, and pay."""

from datetime import UTC, datetime

import msgspec

from msingi.identity import acts as identity
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import charges, orders, parties
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import emv, looking, paying, rules, store, tariff
from msingi.payments.bank.errors import IsAgent, NoSuchMerchant
from msingi.payments.bank.model import Merchant, MerchantOrder, OwnMerchant, Payee, Purchase, Scanned
from msingi.payments.model import Alias, Receipt

LATEST = datetime(9999, 1, 1, tzinfo=UTC)
MAX_PAGE = 100


@crossing("payments", "portal", "cli")
async def register_merchant(stack: Stack, ctx: Context, order: MerchantOrder) -> Merchant:
    """Give a shop its number. The same key again gives the same shop.

    Raises Malformed for words that a square code cannot carry or an unknown kind of shop, NoSuchAccount where the
    person has no wallet or the account is no institution's, and what identity says of a wrong number.
    """
    _check_merchant(stack, order)
    person, account = await _owner(stack, ctx, order)
    permit = policy.decide(ctx, "payments.register-merchant", person or policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        scope = f"merchant:{ctx.actor.institution}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=Merchant)
        if person is not None:
            wallets = await accounts.default_wallets(tx, [person])
            if person not in wallets:
                raise ledger_errors.NoSuchAccount(party="payee")
            account = wallets[person][0]
        made = Merchant(
            code=rules.merchant_code(await store.merchant_place(tx)),
            name=order.name.strip(),
            latin=order.latin.strip(),
            city=order.city.strip(),
            category=order.category,
            is_open=True,
            registered_at=ctx.at,
        )
        await store.add_merchant(tx, store.Shop(made, account, ctx.actor.institution))
        log.append(tx, permit, subject=person, detail={"what": "shop registered", "shop": made.code})
        await once.settle(tx, "payments", scope, msgspec.json.encode(made))
    return made


def _check_merchant(stack: Stack, order: MerchantOrder) -> None:
    rules.check_key(order.key)
    rules.check_words("name", order.name, 60)
    for field, text, most in (("latin", order.latin, 25), ("city", order.city, 15)):
        rules.check_words(field, text, most)
        if not emv.ASCII.fullmatch(text):
            raise Malformed("Write Latin letters without accents here.", field=field, rule="ascii")
    if order.category not in tariff.of(stack).categories:
        raise Malformed("This country has no such kind of shop.", field="category", rule="known-category")
    if bool(order.number) == bool(order.account):
        raise Malformed("Name a person or an account, one of them.", field="number", rule="number or account")


async def _owner(stack: Stack, ctx: Context, order: MerchantOrder) -> tuple[PersonId | None, int]:
    """The person behind a shop, or the account of the institution behind it."""
    if order.number:
        return await identity.person_by_number(stack, ctx, order.number, to="payments.register-merchant"), 0
    account = ledger_rules.id_of(order.account)
    policy.decide(ctx, "payments.register-merchant", policy.NOBODY)
    async with stack.db.reading("payments") as tx:
        holder = await accounts.institution_of(tx, account)
    if holder is None or holder["kind"] == "issue":
        raise ledger_errors.NoSuchAccount(party="payee")
    return None, account


@crossing("payments", "portal")
async def close_merchant(stack: Stack, ctx: Context, code: str) -> Merchant:
    """Close a shop for good: nobody can pay it any more. Raises NoSuchMerchant unless the institution registered it."""
    permit = policy.decide(ctx, "payments.close-merchant", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        shop = await store.merchant(tx, code)
        if shop is None or shop.registrar != ctx.actor.institution:
            raise NoSuchMerchant()
        await store.close_merchant(tx, code, ctx.actor.institution, ctx.at)
        log.append(tx, permit, detail={"what": "shop closed", "shop": code})
    return msgspec.structs.replace(shop.merchant, is_open=False)


@crossing("payments", "portal")
async def registered_merchants(
    stack: Stack, ctx: Context, *, before: datetime = LATEST, before_code: str = "", limit: int = 25
) -> list[OwnMerchant]:
    """A page of the shops that the officer's institution registered, newest first; `before` (and the code at that
    instant) is the last of the page before. Accounts are masked."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} shops.", field="limit", rule=f"1..{MAX_PAGE}")
    permit = policy.decide(ctx, "payments.list-merchants", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.merchants_of_registrar(tx, ctx.actor.institution, (before, before_code), limit)
        log.append(tx, permit, detail={"what": "register of shops", "count": len(found)})
    masked = [ledger_rules.masked_number(ledger_rules.number_of(shop.account)) for shop in found]
    return [OwnMerchant(shop.merchant, number) for shop, number in zip(found, masked, strict=True)]


@crossing("payments", "portal")
async def own_merchants(stack: Stack, ctx: Context) -> list[OwnMerchant]:
    """The shops that are paid into accounts of the actor, or of the actor's institution, the oldest first."""
    person = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    permit = policy.decide(
        ctx,
        "payments.own-merchants",
        person or policy.NOBODY,
        holder="person" if person else "institution",
        own_account=not person and bool(ctx.actor.institution),
    )
    async with stack.db.transaction(permit) as tx:
        held = await accounts.accounts(tx, person, ctx.actor.institution)
        found = await store.merchants_of_accounts(tx, [ledger_rules.id_of(a.number) for a in held])
        log.append(tx, permit, subject=person, detail={"what": "own shops", "count": len(found)})
    return [OwnMerchant(shop.merchant, ledger_rules.number_of(shop.account)) for shop in found]


@crossing("payments", "portal")
async def merchant_code(
    stack: Stack, ctx: Context, code: str, *, amount_minor: int = 0, bill: str = "", terminal: str = ""
) -> str:
    """The text of a square code of an own shop: without an amount a static one for the wall, with an amount a dynamic
    one for one sale, which may name the shop's bill. Raises NoSuchMerchant unless it is an open shop of one's own."""
    if amount_minor:
        rules.check_amount(amount_minor)
    rules.check_words("terminal", terminal, 25, needed=False)
    own = next((m.merchant for m in await own_merchants(stack, ctx) if m.merchant.code == code), None)
    if own is None or not own.is_open:
        raise NoSuchMerchant()
    return text_of(stack, own, amount_minor, bill, terminal)


def text_of(stack: Stack, shop: Merchant, amount_minor: int = 0, bill: str = "", terminal: str = "") -> str:
    """A shop's code as text. Raises Malformed for a bill or terminal that it cannot carry."""
    profile = stack.profile
    local = shop.name[:25] if shop.name != shop.latin else ""
    said = emv.Code(
        merchant=shop.code,
        name=shop.latin,
        city=shop.city,
        country=profile.alpha2,
        currency=profile.currency.code,
        category=shop.category,
        amount_minor=amount_minor,
        bill=bill,
        terminal=terminal,
        language=profile.language if local else "",
        local_name=local,
    )
    return emv.write(said, tariff.of(stack).qr_domain, profile.currency)


@crossing("payments", "portal")
async def see_merchant(stack: Stack, ctx: Context, code: str) -> Merchant:
    """A shop as the register has it, for whoever is about to pay. Raises NoSuchMerchant, also for a closed one."""
    return (await open_shop(stack, ctx, code)).merchant


async def open_shop(stack: Stack, ctx: Context, code: str) -> store.Shop:
    """An open shop with its account, for what the bank pays into it. Raises NoSuchMerchant."""
    permit = policy.decide(ctx, "payments.see-merchant", policy.NOBODY)
    plain = code.replace(" ", "")
    async with stack.db.transaction(permit) as tx:
        shop = await store.merchant(tx, plain) if rules.is_merchant_code(plain) else None
        log.append(tx, permit, detail={"what": "shop looked up", "shop": plain if shop else ""})
    if shop is None or not shop.merchant.is_open:
        raise NoSuchMerchant()
    return shop


@crossing("payments", "portal")
async def scan(stack: Stack, ctx: Context, text: str) -> Scanned:
    """What a square code asks for, with the shop's name from the register, never from the code.

    Raises NotACode, ForeignCode, NoSuchMerchant.
    """
    profile = stack.profile
    said = emv.read(text, tariff.of(stack).qr_domain, profile.currency, profile.alpha2)
    shop = await see_merchant(stack, ctx, said.merchant)
    return Scanned(shop, profile.currency.code, said.amount_minor, said.extra_minor, said.bill)


@crossing("payments", "portal")
async def find_payee(stack: Stack, ctx: Context, typed: str) -> Payee:
    """Whom a payer means: a phone, identity number, virtual id, account or shop's number, whichever it is.

    People's names are masked, and looking them up is limited (TooMany). Raises NoSuchAccount where it is nobody.
    """
    alias = alias_of(stack, typed)
    if alias is None:
        raise ledger_errors.NoSuchAccount(party="payee")
    if alias.kind == "merchant":
        shop = await see_merchant(stack, ctx, alias.value)
        return Payee(alias, shop.name, stack.profile.currency.code)
    found = await payments.resolve_alias(stack, ctx, alias)
    return Payee(alias, found.name, found.currency)


@crossing("payments", "portal")
async def pay_merchant(stack: Stack, ctx: Context, order: Purchase) -> Receipt:
    """Pay a shop from an own account; the receipt comes once it is durable. The same key again gives the first one.

    Raises NoSuchMerchant, Malformed, AmountOutOfRange, or the ledger's reason for a rejection.
    """
    rules.check_key(order.key)
    rules.check_amount(order.amount_minor)
    rules.check_words("bill", order.bill, 140, needed=False)
    asked = ledger_rules.id_of(order.payer), order.amount_minor, order.key
    who = await paying.payer_out_of(stack, ctx, "payments.pay-merchant", *asked)
    code = order.merchant.replace(" ", "")
    # The register is public; the payment itself is the act.
    shop = await looking.of(stack).shop(code) if rules.is_merchant_code(code) else None
    if shop is None or not shop.merchant.is_open:
        raise NoSuchMerchant()
    if shop.merchant.category == tariff.of(stack).agents.category:
        raise IsAgent()
    paid = orders.pay(
        who.by("shop"),
        order.key,
        ledger_rules.id_of(order.payer),
        shop.account,
        order.amount_minor,
        order.currency,
        "MERC",
        reference=order.bill,
        payer=parties.own_name(stack, ctx),
        payee=shop.merchant.name,
    )
    charging = charges.of(stack)
    if charging is None:
        return await paying.post(stack, [paid])
    return paying.receipt_of(*await charging.sell(paid, shop.account))


def alias_of(stack: Stack, typed: str) -> Alias | None:
    """What kind of alias a typed text is, by its form alone; None for what can be nothing."""
    return rules.alias_of(typed, stack.profile.phone_prefix, stack.profile.phone_digits)


def categories(stack: Stack) -> dict[str, dict[str, str]]:
    """The kinds of shops of the country, by ISO 18245 code, in its languages."""
    return tariff.of(stack).categories
