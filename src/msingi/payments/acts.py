"""The verbs of the payments room: open, pay, look, issue. Each one is permitted, and each one is answered for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit, Subject
from msingi.kernel.stack import Stack
from msingi.payments import book, charges, errors, ledger, parties, rules, shards, store, transfers, writer
from msingi.payments.model import (
    Account,
    AccountKind,
    Alias,
    IssueOrder,
    MaskedPayee,
    Order,
    Reason,
    Receipt,
    Statement,
    TransferOrder,
)
from msingi.payments.model import Kind as Movement

PERSONAL = (AccountKind.WALLET, AccountKind.CURRENT, AccountKind.SAVINGS)
BELOW_ZERO = (AccountKind.SETTLEMENT, AccountKind.POSITION, AccountKind.TRANSIT)
ALIAS_LOOKUPS = parties.ALIAS_LOOKUPS
MAX_PAGE = 500


@crossing("payments", "cli")
async def open_account(
    stack: Stack,
    ctx: Context,
    owner: PersonId | str,
    kind: AccountKind,
    *,
    currency: str = "",
    tier: int = 1,
    label: str = "",
    floor_minor: int = 0,
) -> Account:
    """Open an account for a person (an id; wallet, current, savings) or an institution (its code; the other kinds).

    `currency` defaults to the country's. A person's first wallet becomes the default, which phone number and
    identity number lead to. `floor_minor` is the lowest balance: below zero only for settlement, position and
    transit accounts. Raises Malformed for a kind or a floor that the holder cannot have, or an unknown tier.
    """
    person = owner if isinstance(owner, UUID) else None
    if kind in (AccountKind.JOINT, AccountKind.GROUP) or (kind in PERSONAL) != (person is not None):
        raise Malformed(f"{kind} is not an account of this kind of holder.", field="kind", rule="kind-of-holder")
    if not -rules.MAX_BALANCE_MINOR <= floor_minor <= 0 or (floor_minor and kind not in BELOW_ZERO):
        raise Malformed(f"{kind} accounts do not go that far below zero.", field="floor_minor", rule="kind-of-account")
    if person and tier not in {t.tier for t in stack.profile.tiers}:
        raise Malformed("This country has no such tier.", field="tier", rule="known-tier")
    currency = currency or stack.profile.currency.code
    permit = policy.decide(
        ctx,
        "payments.open-account",
        person or policy.NOBODY,
        holder="person" if person else "institution",
        own_account=not person and owner == ctx.actor.institution,
        kind=kind,
        tier=tier if person else 0,
    )
    async with stack.db.transaction(permit) as tx:
        if person:
            first = kind is AccountKind.WALLET and not await store.default_wallets(tx, [person])
            opening = stack, permit, tx, [person], kind, currency, tier, [first], ctx
            (opened,) = await shards.open_person_accounts(*opening)
        else:
            floor = -rules.MAX_BALANCE_MINOR if kind is AccountKind.ISSUE else floor_minor
            ref = parties.institution_ref(stack, str(owner))
            opened = await store.open_institution_account(tx, str(owner), ref, kind, currency, floor, label, ctx.at)
        log.append(tx, permit, subject=person, detail={"what": "account opened", "kind": kind, "currency": currency})
        number = rules.number_of(opened)
        return next(a for a in await shards.accounts(stack, tx, person, str(owner)) if a.number == number)


async def wallets_for(stack: Stack, ctx: Context, people: Sequence[PersonId]) -> dict[PersonId, int]:
    """The default wallet (account id) of each of `people`, opened in the lowest tier where one is missing."""
    wanted = tuple(dict.fromkeys(people))
    permit = policy.decide(
        ctx, "payments.open-account", wanted, holder="person", own_account=False, kind="wallet", tier=1
    )
    async with stack.db.transaction(permit) as tx:
        known = {p: account for p, (account, _) in (await store.default_wallets(tx, wanted)).items()}
        missing = [p for p in wanted if p not in known]
        if missing:
            currency, tier = stack.profile.currency.code, min(t.tier for t in stack.profile.tiers)
            opened = await shards.open_person_accounts(
                *(stack, permit, tx, missing, AccountKind.WALLET, currency, tier, [True] * len(missing), ctx)
            )
            known |= dict(zip(missing, opened, strict=True))
        if missing:
            log.append_all(tx, permit, missing, {"what": "wallet opened to be paid into"})
        else:
            log.append(tx, permit, detail={"what": "wallets found", "count": len(known)})
    return known


@crossing("payments", "portal", "channels", "governance")
async def transfer(stack: Stack, ctx: Context, order: TransferOrder) -> Receipt:
    """Pay from an own account to an alias; the receipt comes once the transfer is durable.

    The same key again gives the first receipt; with other content it raises DifferentContent. Raises the reason of
    the rejection (InsufficientFunds, OverTierLimit, ...), NotPermitted, NoSuchAccount, or Malformed.
    """
    payer = transfers.payer_of(stack, ctx)
    ready = transfers.plain(stack, ctx, order, payer) or await transfers.ordered(stack, ctx, order, payer)
    charging = charges.of(stack)
    if charging is not None and charging.concerned(ready, order.fee_minor):
        ending = await charging.pay(ready, order.fee_minor)
    else:
        ending = await ledger.post_one(stack, ready)
    ended = transfers.told(order, ready, ending)
    if isinstance(ended, Refusal):
        raise ended
    return ended


@crossing("payments", "cli")
async def transfer_many(stack: Stack, ctx: Context, orders: Sequence[TransferOrder]) -> list[Receipt | Refusal]:
    """Pay up to 1,000 orders at once, each under its own permit; receipts or refusals in the order of `orders`.

    Raises Malformed for more than 1,000.
    """
    if len(orders) > writer.MAX_BATCH:
        raise Malformed("Send at most 1000 orders at once.", field="orders", rule="count<=1000")
    charging = charges.of(stack)
    told: list[Receipt | Refusal] = []
    ready: list[Order] = []
    places: list[int] = []
    payer: transfers.Payer | None = None  # one actor, one act, the same facts: one decision
    for wanted in orders:
        try:
            payer = payer or transfers.payer_of(stack, ctx)
            made = transfers.plain(stack, ctx, wanted, payer) or await transfers.ordered(stack, ctx, wanted, payer)
            if charging is not None and charging.concerned(made, wanted.fee_minor):
                told.append(transfers.told(wanted, made, await charging.pay(made, wanted.fee_minor)))
                continue
            ready.append(made)
            places.append(len(told))
            told.append(_PENDING)
        except Refusal as refused:
            told.append(refused)
    for place, order, ending in zip(places, ready, await ledger.post(stack, ready), strict=True):
        told[place] = transfers.told(orders[place], order, ending)
    return told


_PENDING = Refusal("Not decided yet.")


def _reader(ctx: Context, person: PersonId | None) -> tuple[Permit, Subject, PersonId | None]:
    """The permit to read accounts: the actor's own, a named person's, or those of the actor's institution."""
    if person is None and ctx.actor.kind is Kind.PERSON:
        person = parties.person_of(ctx)
    subject: Subject = person or policy.NOBODY
    permit = policy.decide(
        ctx,
        "payments.read-account",
        subject,
        holder="person" if person else "institution",
        own_account=not person and bool(ctx.actor.institution),
    )
    return permit, subject, person


@crossing("payments", "portal", "channels", "governance")
async def accounts(stack: Stack, ctx: Context, person: PersonId | None = None) -> list[Account]:
    """The accounts of the actor, of `person` (staff), or of the actor's institution, the default one first."""
    permit, _, person = _reader(ctx, person)
    async with stack.db.transaction(permit) as tx:
        found = await shards.accounts(stack, tx, person, ctx.actor.institution)
        log.append(tx, permit, subject=person, detail={"what": "accounts and balances"})
    return found


async def balances_of(stack: Stack, ctx: Context, person: PersonId) -> dict[str, int]:
    """What a person has in all accounts together: minor units by currency."""
    totals: dict[str, int] = {}
    for account in await accounts(stack, ctx, person):
        totals[account.currency] = totals.get(account.currency, 0) + account.balance_minor
    return totals


@crossing("payments", "portal", "channels", "governance")
async def statement(
    stack: Stack,
    ctx: Context,
    number: str,
    *,
    after: int | None = None,
    limit: int = 50,
    person: PersonId | None = None,
) -> Statement:
    """A page of an account's entries, newest first; `after` is the `next_after` of the page before.

    Raises NoSuchAccount unless it is the actor's, `person`'s (staff), or the actor's institution's.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} entries.", field="limit", rule=f"1..{MAX_PAGE}")
    account = rules.id_of(number)
    permit, _, person = _reader(ctx, person)
    async with stack.db.transaction(permit) as tx:
        currency = await _own_currency(tx, account, person, ctx.actor.institution)
        before = after if after is not None else 1 << 62
        async with shards.beside(stack, account, permit, tx) as near:
            found = await store.entries(near, account, before, limit + 1)
        log.append(tx, permit, subject=person, detail={"what": "statement", "account": rules.masked_number(number)})
    page = found[:limit]
    return Statement(number, currency, page, page[-1].seq if len(found) > limit else None)


@crossing("payments", "cli")
async def balance_at(stack: Stack, ctx: Context, number: str, at: datetime, *, person: PersonId | None = None) -> int:
    """The balance that an account had at a past instant (aware), in minor units. Raises NoSuchAccount."""
    account = rules.id_of(number)
    permit, _, person = _reader(ctx, person)
    async with stack.db.transaction(permit) as tx:
        await _own_currency(tx, account, person, ctx.actor.institution)
        async with shards.beside(stack, account, permit, tx) as near:
            balance = await store.balance_at(near, account, at)
        log.append(tx, permit, subject=person, detail={"what": "balance at a past moment"})
    return balance


async def _own_currency(tx: store.Tx, account: int, person: PersonId | None, institution: str) -> str:
    """The currency of an account that the reader may read. Raises NoSuchAccount."""
    found = (await shards.currencies(tx, person, institution)).get(account)
    if found is None:
        raise errors.NoSuchAccount()
    return found


@crossing("payments", "portal", "channels", "governance")
async def receipt(stack: Stack, ctx: Context, transfer_id: str) -> Receipt:
    """The receipt of a transfer that one of the actor's accounts paid or received; the balance is the reader's.

    Raises NoSuchTransfer for an unknown or somebody else's transfer, or the reason why it was rejected.
    """
    try:
        wanted = UUID(transfer_id)
    except ValueError:
        raise Malformed("A transfer id is a UUID.", field="transfer_id", rule="uuid") from None
    permit, _, person = _reader(ctx, None)
    async with stack.db.transaction(permit) as tx:
        own = await shards.currencies(tx, person, ctx.actor.institution)
        async with shards.beside(stack, rules.shard_of(wanted.int), permit, tx) as near:
            row = await store.transfer(near, wanted)
            if row is not None and row["kind"] == Movement.RESERVE:  # what was paid out of it, if it was
                row = await store.end_of(near, wanted)
        log.append(tx, permit, subject=person, detail={"what": "receipt"})
    if row is None or not (row["debit"] in own or row["credit"] in own):  # the database shows no others either
        raise errors.NoSuchTransfer()
    if row["reason"] != Reason.NONE:
        raise errors.refusal(row["reason"])
    paid = row["debit"] in own
    payer = rules.number_of(row["debit"])
    return Receipt(
        str(row["id"]),
        row["seq"],
        payer if paid else row["payer"] or rules.masked_number(payer),
        row["payee"] or rules.masked_number(rules.number_of(row["credit"])),
        row["amount"],
        row["currency"],
        row["reference"] or "",
        row["debit_after"] if paid else row["credit_after"],
        row["at"],
    )


@crossing("payments", "portal", "channels", "governance")
async def resolve_alias(stack: Stack, ctx: Context, alias: Alias) -> MaskedPayee:
    """The masked name behind an alias, for a payer to confirm: initials of a person, or an institution's name.

    The person sees that somebody asked. Raises NoSuchAccount, or TooMany after ten look-ups in a minute.
    """
    await parties.count_lookup(stack, ctx, alias)
    _, name, currency = await parties.payee(stack, ctx, alias)
    return MaskedPayee(name, currency)


@crossing("payments", "cli")
async def issue(stack: Stack, ctx: Context, order: IssueOrder) -> Receipt:
    """Create money: the issuing side pays an institution's account, and owes what it paid (its balance falls below 0).

    Raises NoSuchAccount unless the payee is an institution's government, trust or float account.
    """
    credit = rules.id_of(order.payee)
    if not 0 < order.amount_minor <= rules.MAX_AMOUNT_MINOR:
        raise errors.AmountOutOfRange(largest_minor=rules.MAX_AMOUNT_MINOR)
    permit = policy.decide(ctx, "payments.issue", policy.NOBODY)
    async with stack.db.reading("payments") as tx:
        holder = await store.institution_of(tx, credit)
        source = await store.issue_account(tx, holder["currency"]) if holder else None
    if holder is None or holder["kind"] not in ("government", "trust", "float"):
        raise errors.NoSuchAccount(party="payee")
    if source is None:
        raise errors.NoSuchAccount("No issuing account is open in this currency.", party="payer")
    owner = parties.institution_ref(stack, source["institution"])
    debit, currency = source["account_id"], holder["currency"]
    transfer_id = rules.transfer_id(f"issue/{owner}", order.key, rules.shard_of(debit))
    hashed = rules.body_hash(transfer_id, debit, credit, order.amount_minor, currency, "ISSU", order.reference)
    payer, payee = (parties.institution_name(stack, code) for code in (source["institution"], holder["institution"]))
    wanted = Order(
        *(transfer_id, owner, debit, credit, order.amount_minor, currency, "ISSU", hashed, permit),
        *(parties.permit_text(permit), order.reference, payer, payee),
    )
    (ending,) = await ledger.post(stack, [wanted])
    if isinstance(ending, Refusal):
        raise ending
    if ending.reason:
        raise errors.refusal(ending.reason)
    number = rules.number_of(debit)
    at = book.instant(ending.at_us)
    return Receipt(
        *(str(transfer_id), ending.seq, number, payee, order.amount_minor, currency, order.reference),
        *(ending.debit_after, at),
    )


@crossing("evidence")
async def account_holders(stack: Stack, ctx: Context) -> list[PersonId]:
    """Everybody who holds at least one account, each once: for the published figure of SDG 8.10.2, and nothing else."""
    permit = policy.decide(ctx, "payments.count-holders", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        holders = await store.every_holder(tx)
        log.append(tx, permit, detail={"what": "account holders counted", "count": len(holders)})
    return holders
