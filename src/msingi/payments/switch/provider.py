"""Our customers pay in a currency that the house does not deal in: by way of an exchange provider of the switch.

Every provider of the pair is asked for its terms at once, and the best is shown with rate, charge and what arrives. The
customer's money is held until the switch says how the transfer ended: then it is paid, or free again.
"""

import asyncio
from datetime import datetime, timedelta
from fractions import Fraction
from urllib.parse import quote

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import random_id
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments.rates.errors import NoRate
from msingi.payments.rates.model import Side
from msingi.payments.switch import errors, house, linking, outside, roll, rules, settling, store, wire
from msingi.payments.switch.model import State

MOST_ASKED = 4
RATE_DIGITS = 8
QUOTED = timedelta(seconds=90)


class Converted(Struct, frozen=True):
    """A payment by way of an exchange provider, as the customer sees it before confirming; amounts in minor units.

    `send_minor` leaves the payer's account; `charge_minor` of it is the provider's charge, and the rest is converted at
    `rate`. `sent_minor` of `currency` goes on to the payee's participant, which keeps `their_fee_minor`.
    """

    nonce: str
    conversion: str
    provider: str
    to: outside.Found
    source: str
    currency: str
    digits: int
    send_minor: int
    charge_minor: int
    rate: str
    sent_minor: int
    receive_minor: int
    their_fee_minor: int
    valid_until: datetime
    conversion_condition: str
    ilp_packet: str
    condition: str


def _whose(ctx: Context) -> str:
    return f"person:{ctx.actor.id}" if ctx.actor.kind is Kind.PERSON else f"institution:{ctx.actor.institution}"


def transfer_id(ctx: Context, nonce: str) -> str:
    """The id of the transfer that an offer leads to: whoever asked for it, and nobody else, has it."""
    return outside.wire_id(f"exchange/{_whose(ctx)}/{nonce}")


async def ask(
    stack: Stack, ctx: Context, to: outside.Found, target: str, amount_minor: int, side: Side = Side.SEND
) -> Converted:
    """What it costs to pay somebody by way of the best provider: `amount_minor` leaves (SEND, charges included) or
    arrives. Raises NoRate if nobody converts, UnknownParty, UnknownFsp, BadCurrency, Outage, TooMany.
    """
    await outside.counted_offer(stack, ctx)
    source, book = stack.profile.currency, await roll.of(stack)
    digits = rules.settled_in(book.currencies, target).digits
    book.account(to.fsp, target, "payeeFsp")
    mine = house.bank_of(book)
    asked = [one for one in book.providers(source.code, target) if one not in (mine, to.fsp)][:MOST_ASKED]
    if not asked:
        raise NoRate(source=source.code, target=target)
    nonce = random_id()
    theirs = None
    if side is Side.RECEIVE:
        theirs = await _offered(stack, mine, to, target, amount_minor, digits, side)
        amount_minor = rules.minor(theirs.transfer_amount.amount, digits)
    told = [_terms(stack, ctx, mine, one, nonce, (source.digits, digits), target, amount_minor, side) for one in asked]
    found = [one for one in await asyncio.gather(*told, return_exceptions=True) if isinstance(one, _Terms)]
    if not found:
        raise NoRate(source=source.code, target=target)
    best = min(found, key=lambda one: Fraction(one.give, one.take))
    if theirs is None:
        theirs = await _offered(stack, mine, to, target, best.take, digits, side)
    receive = _receive(theirs, target, best.take, digits)
    price = Fraction(best.take, 10**digits) / Fraction(max(best.give - best.charge, 1), 10**source.digits)
    return Converted(
        *(nonce, best.id, best.provider, to, source.code, target, digits, best.give, best.charge, _decimal(price)),
        *(best.take, receive, best.take - receive, min(best.until, rules.instant(theirs.expiration, "expiration"))),
        *(best.condition, theirs.ilp_packet, theirs.condition),
    )


class _Terms(Struct, frozen=True):
    """What one provider promised; amounts in minor units."""

    id: str
    provider: str
    give: int
    take: int
    charge: int
    until: datetime
    condition: str


def _decimal(price: Fraction) -> str:
    """A price as people read it: rounded to eight decimals, without needless zeros."""
    return f"{float(round(price, RATE_DIGITS)):.{RATE_DIGITS}f}".rstrip("0").rstrip(".")


async def _terms(
    stack: Stack, ctx: Context, mine: str, fsp: str, nonce: str, digits: tuple[int, int], target: str,
    amount_minor: int, side: Side,
) -> _Terms:  # fmt: skip
    """The terms of one provider. Raises UnknownParty, Outage, BadSyntax for others than were asked for."""
    source, request, conversion = stack.profile.currency.code, random_id(), random_id()
    sends = side is Side.SEND
    give = wire.MaybeMoney(source, rules.amount(amount_minor, digits[0]) if sends else None)
    take = wire.MaybeMoney(target, None if sends else rules.amount(amount_minor, digits[1]))
    until = rules.told(clock.now() + QUOTED)
    wanted = wire.Conversion(
        *(conversion, mine, fsp, side.upper(), give, take, until), determining_transfer_id=transfer_id(ctx, nonce)
    )
    body = wire.ConversionQuoteRequest(request, wanted)
    answer = await house.asked(stack, "POST", "/fxQuotes", fsp, body, f"/fxQuotes/{request}")
    said = msgspec.convert(answer, wire.ConversionQuoteAnswer)
    terms = said.conversion_terms
    same = (terms.conversion_id, terms.counter_party_fsp, terms.source_amount.currency, terms.target_amount.currency)
    if same != (conversion, fsp, source, target) or not said.condition:
        raise errors.BadSyntax("The terms are not those that were asked for.", field="conversionTerms", rule="as-asked")
    got = [
        rules.minor(money.amount or "", places)
        for money, places in ((terms.source_amount, digits[0]), (terms.target_amount, digits[1]))
    ]
    if got[0 if sends else 1] != amount_minor:
        raise errors.BadSyntax("The terms are for another amount.", field="conversionTerms", rule="as-asked")
    charge = sum(
        rules.minor(one.source_amount.amount, digits[0])
        for one in terms.charges or ()
        if one.source_amount is not None and one.source_amount.currency == source and one.source_amount.amount != "0"
    )
    return _Terms(
        conversion, fsp, got[0], got[1], charge, rules.instant(terms.expiration, "expiration"), said.condition
    )


async def _offered(
    stack: Stack, mine: str, to: outside.Found, target: str, amount_minor: int, digits: int, side: Side
) -> wire.QuoteAnswer:
    """The offer of the payee's participant, for what the provider will pay it."""
    quote_id = random_id()
    body = wire.QuoteRequest(
        *(quote_id, random_id(), wire.Party(wire.PartyName(to.kind, to.identifier, None, to.fsp))),
        *(wire.Party(wire.PartyName("ALIAS", "customer", None, mine)), side.upper()),
        *(wire.Money(target, rules.amount(amount_minor, digits)),),
        wire.TransactionType("TRANSFER", "PAYER", "CONSUMER"),
    )
    found = await house.asked(stack, "POST", "/quotes", to.fsp, body, f"/quotes/{quote_id}")
    return msgspec.convert(found, wire.QuoteAnswer)


def _receive(theirs: wire.QuoteAnswer, target: str, sent_minor: int, digits: int) -> int:
    """What arrives, of what is sent on. Raises BadSyntax for another amount or currency than was asked for."""
    arrives = theirs.payee_receive_amount or theirs.transfer_amount
    receive = rules.minor(arrives.amount, digits)
    asked = {theirs.transfer_amount.currency, arrives.currency} == {target}
    if not asked or rules.minor(theirs.transfer_amount.amount, digits) != sent_minor or receive > sent_minor:
        raise errors.BadSyntax("The offer is for another amount.", field="transferAmount", rule="as-asked")
    return receive


async def pay(stack: Stack, ctx: Context, account: str, offer: Converted, key: str) -> outside.Sent:
    """Pay by an offer, from an own account; an offer is paid once, whatever the key.

    The conversion is ordered, and once the provider has promised, the transfer. Raises the ledger's reasons,
    UnknownParty if somebody refused (nothing was paid), Expired, Outage if it is not known yet: then it is on its way,
    and is paid or freed by itself.
    """
    own = ctx.actor.kind is not Kind.PERSON and bool(ctx.actor.institution)
    subject = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else policy.NOBODY
    permit = policy.decide(ctx, "payments.pay-outside", subject, own_account=own)
    settling._key(key)
    number, debit = transfer_id(ctx, offer.nonce), ledger_rules.id_of(account)
    book = await roll.of(stack)
    mine = house.bank_of(book)
    sent = outside.Sent(number, offer.to, offer.send_minor, offer.source)
    if await outside.known(stack, number) is not None:
        return sent
    if offer.valid_until <= clock.now():
        raise errors.Expired(field="valid_until", rule="in-time")
    by = orders.By(permit, parties.holder_ref(stack, _whose(ctx)), house.SCOPE)
    hold = orders.reserve(
        by, number, debit, await house.clearing(stack, mine), offer.send_minor, offer.source, house.CODE,
        timeout_s=house.HOLD_S, payee=offer.to.name,
    )  # fmt: skip
    ledger_errors.check(await ledger.post(stack, [hold]))
    until = rules.told(clock.now() + timedelta(seconds=house.ANSWER_S))
    home = stack.profile.currency
    give = wire.Money(offer.source, rules.amount(offer.send_minor, home.digits))
    take = wire.Money(offer.currency, rules.amount(offer.sent_minor, offer.digits))
    fx = wire.ConversionRequest(
        offer.conversion, mine, offer.provider, give, take, offer.conversion_condition, number, until
    )
    body = wire.TransferRequest(number, offer.to.fsp, mine, take, offer.ilp_packet, offer.condition, until)
    try:
        path = f"/{linking.CONVERSIONS}/{quote(offer.conversion, safe='')}"
        await house.asked(stack, "POST", f"/{linking.CONVERSIONS}", offer.provider, fx, path)
        await house.asked(stack, "POST", "/transfers", offer.to.fsp, body, f"/transfers/{number}")
    except errors.SwitchRefusal:
        await house.ended(stack, number, paid=False)
        raise
    person = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        log.append(
            tx, permit, subject=person,
            detail={"what": "paid by way of an exchange provider", "to": offer.to.fsp, "provider": offer.provider},
        )  # fmt: skip
    return sent


async def conversion_ended(stack: Stack, conversion_id: str) -> None:
    """The switch said that a conversion of ours is over without being paid: free the customer's money, unless its
    transfer is under way still, whose own end will say so."""
    async with stack.db.reading("payments") as tx:
        conversion = await store.transfer(tx, conversion_id)
    if conversion is None or conversion.state is not State.ABORTED:
        return
    found = await linking.decider(stack, conversion)
    if found is None or found.state is State.ABORTED:
        await house.ended(stack, conversion.linked, paid=False)
