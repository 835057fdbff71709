"""Quotes, and conversions by them: both sides are reserved first, then both are paid, or both are freed.

Every step has an id derived from the quote's, so that taking it again after a crash changes nothing that is done.
"""

from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.errors import DifferentContent, Refusal, TooMany
from msingi.kernel.ids import random_id
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import acts as ledger_acts
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import model as ledger_model
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.batch import Ending
from msingi.payments.groups import mandates
from msingi.payments.model import Order, Reason
from msingi.payments.rates import acts, errors, rules, store
from msingi.payments.rates.model import Exchanged, Quote, QuoteState, Side

SCOPE, CODE, FEE_CODE = "fx", "FXCV", "FXFE"
JOB = "payments-exchange"
QUOTED_S = 120
QUOTES, WINDOW_S = 30, 60  # so many quotes for a holder in so many seconds
HOLD_S = 3 * 86_400  # the longest that somebody waits for what a conversion is for
OWN_HOLD_S = 600
PATIENCE, SWEEP = timedelta(seconds=15), 100


def job() -> Context:
    """The house's own part of an exchange: its positions pay and are paid."""
    return job_context(JOB, "payment", "contract")


async def quote(stack: Stack, ctx: Context, source: str, target: str, amount_minor: int, side: Side) -> Quote:
    """What a conversion costs and gives, binding the house for two minutes (law 5).

    Raises NoRate, NoPosition, AmountNotConverted, BadRate, TooMany.
    """
    permit, owner = mandates.own(stack, ctx, "payments.exchange")
    return await quoted(stack, permit, owner, source, target, amount_minor, side)


async def quoted(
    stack: Stack, permit: Permit, owner: int, source: str, target: str, amount_minor: int, side: Side,
    terms: bytes = b"",
) -> Quote:  # fmt: skip
    """A quote for a holder, under a permit that was given; `terms` say what the conversion is for."""
    now = permit.context.at
    rules.currency_code(source, "source")
    rules.currency_code(target, "target")
    async with stack.db.transaction(permit) as tx:
        digits = {p.currency: p.digits for p in await store.positions(tx)}
        rate = next(
            (r for r in await store.in_force(tx, now) if (r.order.source, r.order.target) == (source, target)), None
        )
        if rate is None:
            raise errors.NoRate(source=source, target=target)
        worked = rules.convert(rate.order, digits[source], digits[target], amount_minor, side)
        ends = min(rate.order.valid_until, now + timedelta(seconds=QUOTED_S))
        made = Quote(
            *(random_id(), source, target, worked.total_minor, worked.fee_minor, worked.converted_minor),
            *(worked.target_minor, worked.margin_minor, rules.customer_rate(rate.order), rate.order.middle, ends),
        )
        asked = await ledger_store.count_alias(tx, f"quotes/{owner}", now, WINDOW_S)
        if asked <= QUOTES:
            await store.add_quote(tx, made, owner, rate.id)
        if terms and asked <= QUOTES:
            await store.put_terms(tx, UUID(made.id), terms)
        words = f"exchange of {source} for {target} quoted"
        log.append(tx, permit, subject=_subject(permit.context), detail={"what": words, "quote": made.id})
    if asked > QUOTES:
        raise TooMany(retry_after_s=WINDOW_S)
    return made


def _subject(ctx: Context):
    return parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None


async def is_for(stack: Stack, permit: Permit, quote_id: str, terms: bytes) -> None:
    """Keep what an offered conversion is for; nobody exchanges by such a quote but who knows its terms."""
    async with stack.db.transaction(permit) as tx:
        await store.put_terms(tx, UUID(quote_id), terms)
        log.append(tx, permit, subject=_subject(permit.context), detail={"what": "what an exchange is for"})


async def held_for(stack: Stack, age: timedelta) -> list[str]:
    """Conversions that are held for something else, and whose quote ended this long ago."""
    async with stack.db.reading("payments") as tx:
        return await store.held_for(tx, clock.now() - age, SWEEP)


async def find(stack: Stack, quote_id: str) -> store.Kept:
    """A quote as it stands. Raises NoSuchQuote."""
    try:
        wanted = UUID(quote_id)
    except ValueError:
        raise errors.NoSuchQuote() from None
    async with stack.db.reading("payments") as tx:
        found = await store.quote(tx, wanted)
    if found is None:
        raise errors.NoSuchQuote()
    return found


async def exchange(stack: Stack, ctx: Context, quote_id: str, payer: str, payee: str, key: str) -> Exchanged:
    """Convert by a quote, from one own account into another of the target's currency. The same key converts once.

    Raises NoSuchQuote, QuoteExpired, QuoteUsed, PositionFull, NoSuchAccount, and the ledger's reasons.
    """
    ledger_rules.check_key(key)
    permit, owner = mandates.own(stack, ctx, "payments.exchange")
    debit, credit = ledger_rules.id_of(payer), ledger_rules.id_of(payee)
    found = await find(stack, quote_id)
    if found.owner != owner or found.terms:
        raise errors.NoSuchQuote()
    held = {a.number: a for a in await ledger_acts.accounts(stack, replace(ctx, purpose="payment"))}
    for number, currency in ((payer, found.quote.source), (payee, found.quote.target)):
        account = held.get(ledger_rules.number_of(ledger_rules.id_of(number)))
        if account is None:
            raise ledger_errors.NoSuchAccount(party="payee" if number == payee else "payer")
        if account.currency != currency:
            raise ledger_errors.CurrencyMismatch()
    taken = await take(stack, permit, owner, quote_id, debit, credit, key)
    if taken.state is not QuoteState.PAID:
        await finish(stack, quote_id, paid=True)
    return Exchanged(replace(taken, state=QuoteState.PAID), payer, payee)


async def take(
    stack: Stack, permit: Permit, owner: int, quote_id: str, payer: int, payee: int, key: str,
    hold_s: int = OWN_HOLD_S,
) -> Quote:  # fmt: skip
    """Confirm a quote (law 5) and reserve both sides of it: HELD, or PAID if the same key had finished it.

    `payer` pays in the source currency, `payee` receives the target's. Raises NoSuchQuote, QuoteExpired, QuoteUsed,
    PositionFull, and the ledger's reasons: then nothing stays reserved, and the quote is over.
    """
    kept = await find(stack, quote_id)
    if kept.owner != owner:
        raise errors.NoSuchQuote()
    now = clock.now()
    async with stack.db.transaction(permit) as tx:
        if not await store.take_quote(tx, UUID(quote_id), owner, key, (payer, payee), now):
            kept = await store.quote(tx, UUID(quote_id)) or kept
            _again(kept, key, payer, payee)
        log.append(
            tx, permit, subject=_subject(permit.context), detail={"what": "exchange confirmed", "quote": quote_id}
        )
    if kept.quote.state in (QuoteState.PAYING, QuoteState.PAID):
        return kept.quote
    await _reserved(stack, permit, kept._replace(key=key, payer=payer, payee=payee), hold_s)
    return replace(kept.quote, state=QuoteState.HELD)


def _again(kept: store.Kept, key: str, payer: int, payee: int) -> None:
    """Whether a quote that cannot be taken was taken by this very order. Raises QuoteExpired, QuoteUsed."""
    if kept.quote.state is QuoteState.OFFERED:
        raise errors.QuoteExpired()
    if kept.key != key or kept.quote.state is QuoteState.FREED:
        raise errors.QuoteUsed()
    if (kept.payer, kept.payee) != (payer, payee):
        raise DifferentContent(key=key)


class _Steps:
    """The holds of a quote and who orders them: the customer's (what is converted, and the fee) and the house's."""

    def __init__(self, stack: Stack, permit: Permit, kept: store.Kept) -> None:
        self.quote = kept.quote
        self.theirs = orders.By(permit, kept.owner, SCOPE)
        self.own = orders.By(policy.decide(job(), "payments.fx-pay-exchange", policy.NOBODY), acts.owner(stack), SCOPE)
        here, there = ledger_rules.shard_of(kept.payer), ledger_rules.shard_of(kept.payee)
        found = self.quote
        self.holds = [(self.theirs, "paid", here, found.converted_minor, found.source, CODE)]
        if found.fee_minor:
            self.holds.append((self.theirs, "fee", here, found.fee_minor, found.source, FEE_CODE))
        self.holds.append((self.own, "given", there, found.target_minor, found.target, CODE))

    def key(self, what: str) -> str:
        """The key of a step; its scope is the house's own, so nobody else can have ordered under it."""
        return f"{self.quote.id}/{what}"

    def ends(self, paid: bool) -> list[Order]:
        """The orders that pay all holds, or free them."""
        made = []
        for by, what, shard, amount, currency, code in self.holds:
            hold = ledger_rules.transfer_id(SCOPE, self.key(what), shard)
            if paid:
                made.append(orders.commit(by, self.key(f"{what}/done"), hold, amount, currency, code))
            else:
                made.append(orders.void(by, self.key(f"{what}/void"), hold, currency, code))
        return made


async def _reserved(stack: Stack, permit: Permit, kept: store.Kept, hold_s: int) -> None:
    """Reserve both sides: the house's first, so that a customer's money is never held for what it cannot pay."""
    steps, found = _Steps(stack, permit, kept), kept.quote
    gives = await acts.dealt(stack, steps.own.permit, found.target, ledger_rules.shard_of(kept.payee))
    gets = await acts.dealt(stack, steps.own.permit, found.source, ledger_rules.shard_of(kept.payer))
    given = orders.reserve(
        steps.own, steps.key("given"), gives.position, kept.payee, found.target_minor, found.target, CODE,
        timeout_s=hold_s,
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [given])
    if not isinstance(ending, Refusal) and ending.reason == Reason.INSUFFICIENT_FUNDS:
        await finish(stack, found.id, paid=False)
        raise errors.PositionFull(currency=found.target)
    await _or_free(stack, kept, [ending])
    to = {"paid": gets.position, "fee": gets.fees}
    chain = [
        orders.reserve(by, steps.key(what), kept.payer, to[what], amount, currency, code, timeout_s=hold_s)
        for by, what, _, amount, currency, code in steps.holds[:-1]
    ]
    await _or_free(stack, kept, await ledger.post_linked(stack, chain))


async def _or_free(stack: Stack, kept: store.Kept, endings: list[Ending]) -> None:
    """Raise the ledger's reason, after everything that was reserved is free again."""
    try:
        ledger_errors.check(endings)
    except Refusal:
        await finish(stack, kept.quote.id, paid=False)
        raise


async def finish(stack: Stack, quote_id: str, *, paid: bool) -> None:
    """Pay both sides of a held quote, or free both. Repeating it is harmless; once decided it stays so (law 1)."""
    kept = await find(stack, quote_id)
    decided = QuoteState.PAYING if paid else QuoteState.FREED
    permit = policy.decide(job(), "payments.fx-pay-exchange", policy.NOBODY)
    if kept.quote.state is QuoteState.HELD and await _turned(stack, permit, quote_id, QuoteState.HELD, decided):
        kept = kept._replace(quote=replace(kept.quote, state=decided))
    if kept.quote.state is not decided:
        return
    for ending in await _posted(stack, _Steps(stack, permit, kept).ends(paid)):
        if isinstance(ending, Refusal):
            raise ending
        if paid and ending.reason:
            raise ledger_errors.refusal(ending.reason)
    if paid:
        await _turned(stack, permit, quote_id, QuoteState.PAYING, QuoteState.PAID)


async def _posted(stack: Stack, ends: list[Order]) -> list[Ending]:
    """Post the ends of holds: as one where they stand in one shard, else each for itself, and again after a crash."""
    shards = {ledger_rules.shard_of(order.pending.int) for order in ends if order.pending is not None}
    if len(shards) == 1 and ends[0].kind == ledger_model.Kind.COMMIT:
        return await ledger.post_linked(stack, ends)
    return [ending for order in ends for ending in await ledger.post(stack, [order])]


async def _turned(stack: Stack, permit: Permit, quote_id: str, before: QuoteState, after: QuoteState) -> bool:
    async with stack.db.transaction(permit) as tx:
        turned = await store.turn(tx, UUID(quote_id), before, after)
        log.append(tx, permit, detail={"what": f"exchange {after.name.lower()}", "quote": quote_id})
    return turned


async def finish_left(stack: Stack) -> int:
    """Bring to their end what a stopped program left: what was being paid is paid, what was only held is freed."""
    now = clock.now()
    async with stack.db.reading("payments") as tx:
        left = await store.left_open(tx, now - PATIENCE, now - timedelta(seconds=HOLD_S) - PATIENCE, SWEEP)
    for quote_id, state in left:
        await finish(stack, quote_id, paid=state is QuoteState.PAYING)
    return len(left)
