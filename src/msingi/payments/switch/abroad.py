"""Our customers pay in another currency: a quote with rate, fees and what arrives first, then one payment for it.

The conversion and the transfer have one id and one end. The customer's money and the house's position are held until
the switch says how the transfer ended; then both currencies are paid, or both are freed.
"""

from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import random_id
from msingi.kernel.stack import Stack
from msingi.payments import parties
from msingi.payments import rules as ledger_rules
from msingi.payments.groups import mandates
from msingi.payments.rates import converting
from msingi.payments.rates.errors import NoSuchQuote, QuoteExpired
from msingi.payments.rates.model import Quote, QuoteState, Side
from msingi.payments.switch import errors, house, moving, outside, roll, rules, wire
from msingi.payments.switch.model import State

ORDERED, GRACE = timedelta(minutes=1), timedelta(minutes=3)  # after a quote's end: the last order, the sweep


class Terms(Struct, frozen=True, array_like=True):
    """What the payee's participant promised: for whom, how much arrives, and the packet that the payment must carry."""

    to: outside.Found
    receive_minor: int
    fee_minor: int
    until: datetime
    ilp_packet: str
    condition: str


class AbroadOffer(Struct, frozen=True):
    """A payment in another currency as the customer sees it before confirming.

    `quote` says what leaves, the fee, the rate and what is sent on; `receive_minor` arrives in the target currency,
    `their_fee_minor` is what the payee's participant keeps. It can be confirmed until `valid_until`.
    """

    quote: Quote
    to: outside.Found
    receive_minor: int
    their_fee_minor: int
    digits: int
    valid_until: datetime


async def ask_abroad(
    stack: Stack, ctx: Context, to: outside.Found, target: str, amount_minor: int, side: Side = Side.SEND
) -> AbroadOffer:
    """What it costs to pay somebody in another currency: `amount_minor` leaves (SEND, fees included) or arrives.

    Raises NoRate, NoPosition, AmountNotConverted, BadCurrency, UnknownParty, UnknownFsp, Outage, TooMany.
    """
    await outside.counted_offer(stack, ctx)
    permit, owner = mandates.own(stack, ctx, "payments.pay-outside")
    source, book = stack.profile.currency.code, await roll.of(stack)
    digits = rules.settled_in(book.currencies, target).digits
    book.account(house.bank_of(book), target, "payerFsp")
    book.account(to.fsp, target, "payeeFsp")
    if side is Side.SEND:
        quote = await converting.quoted(stack, permit, owner, source, target, amount_minor, side)
        theirs = await _asked(stack, to, target, quote.target_minor, digits, "SEND")
    else:
        theirs = await _asked(stack, to, target, amount_minor, digits, "RECEIVE")
        wanted = rules.minor(theirs.transfer_amount.amount, digits)
        quote = await converting.quoted(stack, permit, owner, source, target, wanted, side)
    terms = _terms(to, target, digits, quote, theirs)
    await converting.is_for(stack, permit, quote.id, msgspec.msgpack.encode(terms))
    until = min(quote.valid_until, terms.until)
    return AbroadOffer(quote, to, terms.receive_minor, terms.fee_minor, digits, until)


async def _asked(
    stack: Stack, to: outside.Found, target: str, amount_minor: int, digits: int, kind: str
) -> wire.QuoteAnswer:
    """The offer of the payee's participant."""
    quote_id, mine = random_id(), house.bank_of(await roll.of(stack))
    body = wire.QuoteRequest(
        quote_id,
        random_id(),
        wire.Party(wire.PartyName(to.kind, to.identifier, None, to.fsp)),
        wire.Party(wire.PartyName("ALIAS", "customer", None, mine)),
        kind,
        wire.Money(target, rules.amount(amount_minor, digits)),
        wire.TransactionType("TRANSFER", "PAYER", "CONSUMER"),
    )
    found = await house.asked(stack, "POST", "/quotes", to.fsp, body, f"/quotes/{quote_id}")
    return msgspec.convert(found, wire.QuoteAnswer)


def _terms(to: outside.Found, target: str, digits: int, quote: Quote, theirs: wire.QuoteAnswer) -> Terms:
    """What was promised. Raises BadSyntax for another amount or another currency than was asked for: a participant that
    answers in dollars what was asked in shillings gets nothing."""
    arrives, fee = theirs.payee_receive_amount, theirs.payee_fsp_fee
    if {one.currency for one in (theirs.transfer_amount, arrives, fee) if one is not None} != {target}:
        raise errors.BadSyntax("The offer is in another currency.", field="transferAmount", rule="as-asked")
    sent = rules.minor(theirs.transfer_amount.amount, digits)
    if sent != quote.target_minor:
        raise errors.BadSyntax("The offer is for another amount.", field="transferAmount", rule="as-asked")
    receive = rules.minor(arrives.amount, digits) if arrives else sent
    if receive > sent:
        raise errors.BadSyntax("No more arrives than is sent.", field="payeeReceiveAmount", rule="<=transferAmount")
    until = rules.instant(theirs.expiration, "expiration")
    return Terms(to, receive, sent - receive, until, theirs.ilp_packet, theirs.condition)


async def pay_abroad(stack: Stack, ctx: Context, account: str, quote_id: str, key: str) -> outside.Sent:
    """Pay by an offer, from an own account in the country's currency. The same key pays once.

    Raises NoSuchQuote, QuoteExpired, QuoteUsed, PositionFull, the ledger's reasons, UnknownParty if the other side
    refused (nothing was paid), Outage if it is not known yet: then it is on its way, and is paid or freed by itself.
    """
    ledger_rules.check_key(key)
    permit, owner = mandates.own(stack, ctx, "payments.pay-outside")
    kept = await converting.find(stack, quote_id)
    if kept.owner != owner or not kept.terms:
        raise NoSuchQuote()
    terms, found = msgspec.msgpack.decode(kept.terms, type=Terms), kept.quote
    if found.state is QuoteState.OFFERED and terms.until <= clock.now():
        raise QuoteExpired()
    mine = house.bank_of(await roll.of(stack))
    to = await house.clearing(stack, mine, found.target)
    taken = await converting.take(
        stack, permit, owner, quote_id, ledger_rules.id_of(account), to, key, converting.HOLD_S
    )
    sent = outside.Sent(quote_id, terms.to, found.total_minor, found.source)
    if taken.state is QuoteState.HELD and not await _sent_before(stack, quote_id):
        await _send(stack, mine, taken, terms)
    await converting.finish(stack, quote_id, paid=True)
    subject = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=subject, detail={"what": "paid abroad", "to": terms.to.fsp})
    return sent


async def _sent_before(stack: Stack, transfer_id: str) -> bool:
    """Whether an earlier try had paid. Raises UnknownParty if it was refused, Outage while it is under way."""
    try:
        return await outside.known(stack, transfer_id) is not None
    except errors.UnknownParty:
        await converting.finish(stack, transfer_id, paid=False)
        raise


async def _send(stack: Stack, mine: str, taken: Quote, terms: Terms) -> None:
    """Order the transfer in the target currency, and wait for its end. Never so late that `end_left` may have freed it:
    the order itself lives for half a minute. Raises QuoteExpired."""
    if clock.now() > taken.valid_until + ORDERED:
        await converting.finish(stack, taken.id, paid=False)
        raise QuoteExpired()
    digits = rules.settled_in((await roll.of(stack)).currencies, taken.target).digits
    amount = wire.Money(taken.target, rules.amount(taken.target_minor, digits))
    until = rules.told(clock.now() + timedelta(seconds=house.ANSWER_S))
    body = wire.TransferRequest(taken.id, terms.to.fsp, mine, amount, terms.ilp_packet, terms.condition, until)
    try:
        await house.asked(stack, "POST", "/transfers", terms.to.fsp, body, f"/transfers/{taken.id}")
    except errors.SwitchRefusal:
        await converting.finish(stack, taken.id, paid=False)
        raise


async def end_left(stack: Stack) -> int:
    """Payments that a stopped program had confirmed and not ordered, or whose end it did not hear: bring them to the
    end that the switch knows; how many were left."""
    left = await converting.held_for(stack, GRACE)
    for quote_id in left:
        try:
            transfer = await moving.found(stack, quote_id)
            ours = transfer.payer == house.bank_of(await roll.of(stack))
            state = transfer.state if ours else State.ABORTED
        except errors.UnknownId:
            state = State.ABORTED  # it never reached the switch, and is too late for it now
        if state is not State.RESERVED:
            await converting.finish(stack, quote_id, paid=state is State.COMMITTED)
    return len(left)


async def promised(stack: Stack, ctx: Context, quote_id: str) -> tuple[Quote, Terms]:
    """An offer as it was made, for whoever it was made for. Raises NoSuchQuote."""
    _, owner = mandates.own(stack, ctx, "payments.pay-outside")
    kept = await converting.find(stack, quote_id)
    if kept.owner != owner or not kept.terms:
        raise NoSuchQuote()
    return kept.quote, msgspec.msgpack.decode(kept.terms, type=Terms)
