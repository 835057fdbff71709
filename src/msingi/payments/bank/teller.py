"""The branch: an officer opens accounts, raises tiers, takes and pays cash, and counts the drawer each evening.

A teller's drawer is an account of the bank with the teller's label, filled by the treasurer: cash taken in leaves it
for the customer's account, cash paid out comes back into it. So the ledger says at any moment what must lie in it.
Whoever is looked up reads who looked and why; whoever is paid out gets a text message whether wanted or not.
"""

from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.errors import NotInUse
from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.errors import Malformed, NotFound, NotPermitted
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit, Subject
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import errors, homes, orders, parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import acts, paying, rules, store, store_teller, tariff, telling
from msingi.payments.bank.errors import NotAtTheCounter, OverTellerLimit
from msingi.payments.bank.floats import Closing, closed
from msingi.payments.groups.mandates import today
from msingi.payments.model import Account, AccountKind, Receipt
from msingi.payments.products.daily import end_of

MOST_ENTRIES = 20_000
PERSONAL = frozenset(kind.value for kind in payments.PERSONAL)


class Customer(Struct, frozen=True, kw_only=True):
    """Somebody at the counter: initials, and the accounts that the person holds."""

    person: PersonId
    name: str
    accounts: list[Account]


class Counted(Struct, frozen=True, kw_only=True):
    """A drawer that was counted: what the ledger expects in it, what was counted, and the day's closing."""

    till: str
    at: datetime
    expected_minor: int
    counted_minor: int
    closing: Closing


class TellerDay(Struct, frozen=True, kw_only=True):
    """A teller's day so far, and what the ledger expects in the drawer now."""

    closing: Closing
    expected_minor: int


def _permit(stack: Stack, ctx: Context, act: str, subject: Subject) -> Permit:
    """The permit of an officer of the bank that keeps the accounts. Raises NotPermitted."""
    if ctx.actor.kind is not Kind.STAFF or ctx.actor.institution != tariff.of(stack).institution:
        raise NotPermitted("Only officers of the bank work at its counters.")
    return policy.decide(ctx, act, subject)


def _reason(text: str) -> str:
    rules.check_words("reason", text.strip(), 120)
    return text.strip()


async def look(stack: Stack, ctx: Context, typed: str, reason: str) -> Customer:
    """The customer whom a phone or an identity number means, with accounts; the customer reads the reason.

    Raises NoSuchAccount where it is nobody, Malformed without a reason.
    """
    said, alias = _reason(reason), acts.alias_of(stack, typed)
    _permit(stack, ctx, "payments.teller-look", policy.NOBODY)
    if alias is None or alias.kind not in ("phone", "identity"):
        raise errors.NoSuchAccount(party="payee")
    find = identity.person_by_phone if alias.kind == "phone" else identity.person_by_number
    try:
        person = await find(stack, ctx, alias.value)
    except (NotFound, NotInUse):
        raise errors.NoSuchAccount(party="payee") from None
    permit = _permit(stack, ctx, "payments.teller-look", person)
    async with stack.db.transaction(permit) as tx:
        held = await shards.accounts(stack, tx, person, "")
        log.append(tx, permit, subject=person, detail={"what": "looked up at a counter", "why": said})
    return Customer(person=person, name=await parties.initials_of(stack, ctx, person), accounts=held)


async def open_for(stack: Stack, ctx: Context, person: PersonId, kind: AccountKind, reason: str) -> Account:
    """Open an account for a customer at the counter, in the lowest tier. Raises Malformed."""
    said = _reason(reason)
    permit = _permit(stack, ctx, "payments.teller-open", person)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=person, detail={"what": "account opened at a counter", "why": said})
    return await payments.open_account(stack, ctx, person, kind, tier=min(t.tier for t in stack.profile.tiers))


async def set_tier(stack: Stack, ctx: Context, person: PersonId, number: str, tier: int, reason: str) -> None:
    """Put a customer's account into another tier after its papers were seen; from the next payment on its limits hold.

    `reason` names the papers. Raises NoSuchAccount, Malformed for an unknown tier.
    """
    said, account = _reason(reason), ledger_rules.id_of(number)
    if tier not in {t.tier for t in stack.profile.tiers}:
        raise Malformed("This country has no such tier.", field="tier", rule="known-tier")
    permit = _permit(stack, ctx, "payments.teller-tier", person)
    async with stack.db.transaction(permit) as tx:
        if account not in {row["account_id"] for row in await accounts.held(tx, person, "")}:
            raise errors.NoSuchAccount()
        async with shards.beside(stack, account, permit, tx) as near:
            if not await store_teller.set_tier(near, account, tier):
                raise errors.NoSuchAccount()
        log.append(tx, permit, subject=person, detail={"what": "tier of an account", "tier": tier, "why": said})


async def own_till(stack: Stack, ctx: Context) -> str:
    """The number of the officer's drawer, opened when it is first asked for."""
    bank, currency, label = tariff.of(stack).institution, stack.profile.currency.code, f"till {ctx.actor.id}"
    permit = _permit(stack, ctx, "payments.teller-cash", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store_teller.till_of(tx, bank, label, currency)
        log.append(tx, permit, detail={"what": "drawer of a teller"})
    if found is not None:
        return ledger_rules.number_of(found)
    return (await payments.open_account(stack, ctx, bank, AccountKind.FLOAT, currency=currency, label=label)).number


async def _own(stack: Stack, permit: Permit, person: PersonId, number: str) -> accounts.Row:
    """A customer's account. Raises NoSuchAccount."""
    wanted = ledger_rules.id_of(number)
    async with stack.db.transaction(permit) as tx:
        rows = await accounts.held(tx, person, "")
        log.append(tx, permit, subject=person, detail={"what": "account of a customer at a counter"})
    found = next((row for row in rows if row["account_id"] == wanted), None)
    if found is None:
        raise errors.NoSuchAccount()
    return found


async def take_in(stack: Stack, ctx: Context, key: str, person: PersonId, number: str, amount_minor: int) -> Receipt:
    """Pay cash that a customer handed over into the customer's account, out of the drawer. The same key, once.

    Raises NoSuchAccount, AmountOutOfRange, or the ledger's reason (InsufficientFunds: the drawer's limit is used up).
    """
    rules.check_key(key)
    rules.check_amount(amount_minor)
    permit = _permit(stack, ctx, "payments.teller-cash", person)
    row, till = await _own(stack, permit, person, number), ledger_rules.id_of(await own_till(stack, ctx))
    bank = tariff.of(stack).institution
    by = orders.By(permit, parties.institution_ref(stack, bank), f"teller-in/{till}")
    names = {"payer": parties.institution_name(stack, bank), "payee": await parties.initials_of(stack, ctx, person)}
    paid = orders.pay(by, key, till, row["account_id"], amount_minor, row["currency"], "CSHI", **names)
    return await paying.post(stack, [paid])


async def pay_out(
    stack: Stack, ctx: Context, key: str, person: PersonId, number: str, amount_minor: int, reason: str
) -> Receipt:
    """Take from a customer's account the cash that is handed over now. `reason` says how the customer was known. The
    customer gets a message. The same key, once.

    Raises OverTellerLimit, NotAtTheCounter, NoSuchAccount, AmountOutOfRange, or the ledger's reason.
    """
    rules.check_key(key)
    rules.check_amount(amount_minor)
    said = _reason(reason)
    permit = _permit(stack, ctx, "payments.teller-cash", person)
    row, till = await _own(stack, permit, person, number), ledger_rules.id_of(await own_till(stack, ctx))
    if amount_minor > tariff.of(stack).teller_alone_minor:
        raise OverTellerLimit(most_minor=tariff.of(stack).teller_alone_minor)
    if row["kind"] not in PERSONAL:
        raise NotAtTheCounter()
    async with homes.home(stack, ledger_rules.shard_of(row["account_id"])).db.reading("payments") as near:
        owner = await accounts.holder_ref_of(near, row["account_id"])
    if owner is None or owner != parties.person_ref(stack, person):
        raise NotAtTheCounter()
    by, bank = orders.By(permit, owner, f"teller-out/{till}"), tariff.of(stack).institution
    names = {"payer": await parties.initials_of(stack, ctx, person), "payee": parties.institution_name(stack, bank)}
    taken = orders.pay(by, key, row["account_id"], till, amount_minor, row["currency"], "CSHO", **names)
    receipt = await paying.post(stack, [taken])
    async with stack.db.transaction(permit) as tx:
        told: dict[str, str | int | bool] = {"what": "cash paid out at a counter", "why": said, "amount": amount_minor}
        log.append(tx, permit, subject=person, detail=told)
    blanks = {"amount": telling.written(stack, amount_minor, row["currency"]), "name": names["payee"]}
    words = {
        tongue: one["cash_out"].format(ref=receipt.transfer_id[:8], **blanks) for tongue, one in telling.texts().items()
    }
    teller = job_context(telling.JOB, "payment", "contract")
    await telling.tell_person(stack, teller, person, words, f"counter/{receipt.transfer_id}")
    return receipt


async def slip(stack: Stack, ctx: Context, transfer_id: str) -> Receipt:
    """What was done at the officer's drawer, for the paper that the customer takes along. Raises NoSuchTransfer."""
    till = ledger_rules.id_of(await own_till(stack, ctx))
    permit = _permit(stack, ctx, "payments.teller-cash", policy.NOBODY)
    try:
        wanted = UUID(transfer_id)
        there = homes.home(stack, ledger_rules.shard_of(wanted.int))
    except (ValueError, errors.NoSuchAccount):
        raise errors.NoSuchTransfer() from None
    async with there.db.transaction(permit) as near:
        row = await accounts.transfer(near, wanted)
        log.append(near, permit, detail={"what": "slip of a counter"})
    if row is None or row["status"] != 1 or till not in (row["debit"], row["credit"]):
        raise errors.NoSuchTransfer()
    customer = row["credit"] if row["debit"] == till else row["debit"]
    other = row["payee"] if row["debit"] == till else row["payer"]
    return Receipt(
        str(row["id"]), row["seq"], ledger_rules.masked_number(ledger_rules.number_of(customer)), other,
        row["amount"], row["currency"], row["code"], 0, row["at"],
    )  # fmt: skip


async def day(stack: Stack, ctx: Context) -> TellerDay:
    """The officer's day so far, and what the ledger expects in the drawer now: what was counted last, and all cash
    since."""
    number = await own_till(stack, ctx)
    till, on = ledger_rules.id_of(number), today(stack)
    permit = _permit(stack, ctx, "payments.teller-cash", policy.NOBODY)
    start = end_of(stack, on - timedelta(days=1)) + timedelta(microseconds=1)
    async with stack.db.transaction(permit) as tx:
        last = await store_teller.last_count(tx, till)
        since = last["at"] if last else datetime(2000, 1, 1, tzinfo=start.tzinfo)
        async with shards.beside(stack, till, permit, tx) as near:
            opening = await accounts.balance_at(near, till, start - timedelta(microseconds=1))
            of_day = await store.entries_between(near, till, start, ctx.at, MOST_ENTRIES)
            moved = await store.entries_between(near, till, since, ctx.at, MOST_ENTRIES)
        log.append(tx, permit, detail={"what": "day of a teller"})
    currency = stack.profile.currency.code
    cash = closed(number, currency, on, 0, moved).cash_minor
    expected = (last["counted"] if last else 0) + cash
    return TellerDay(closing=closed(number, currency, on, opening, of_day), expected_minor=expected)


async def count(stack: Stack, ctx: Context, counted_minor: int) -> Counted:
    """Say what was counted in the drawer; a difference stands for ever, beside the officer's name. Raises Malformed."""
    if not 0 <= counted_minor <= ledger_rules.MAX_AMOUNT_MINOR:
        raise Malformed("Count what lies in the drawer.", field="counted", rule="0..")
    now = await day(stack, ctx)
    closing, expected = now.closing, now.expected_minor
    permit = _permit(stack, ctx, "payments.teller-cash", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store_teller.add_count(
            tx, ledger_rules.id_of(closing.agent), ctx.at, ctx.actor.id, expected, counted_minor
        )
        told: dict[str, str | int | bool] = {"what": "drawer counted", "difference": counted_minor - expected}
        log.append(tx, permit, detail=told)
    return Counted(till=closing.agent, at=ctx.at, expected_minor=expected, counted_minor=counted_minor, closing=closing)
