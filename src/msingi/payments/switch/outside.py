"""What customers of our own bank do: find somebody at another participant, see what it costs, confirm."""

import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import Outage, TooMany
from msingi.kernel.ids import random_id
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.switch import errors, house, moving, roll, rules, settling, wire
from msingi.payments.switch.model import State

LOOK_UPS, OFFERS, WINDOW_S = 10, 20, 60  # in so many seconds


class Found(Struct, frozen=True):
    """Somebody at another participant, as the payer sees them before confirming; `currencies` are those in which they
    can be paid from here."""

    fsp: str
    name: str
    kind: str
    identifier: str
    currencies: tuple[str, ...] = ()


class Offer(Struct, frozen=True):
    """What a payment to another participant costs, shown before it is confirmed; amounts in minor units.

    `send_minor` leaves the payer's account, `receive_minor` arrives, `fee_minor` is what the other side keeps.
    """

    quote_id: str
    to: Found
    currency: str
    send_minor: int
    receive_minor: int
    fee_minor: int
    valid_until: str
    ilp_packet: str
    condition: str


class Sent(Struct, frozen=True):
    """A payment to another participant that was made."""

    transfer_id: str
    to: Found
    amount_minor: int
    currency: str


async def find(stack: Stack, ctx: Context, kind: str, identifier: str) -> Found:
    """Somebody at another participant by type and identifier, with the name to confirm.

    Raises UnknownParty, TooMany.
    """
    await _counted(stack, ctx, "look-ups", LOOK_UPS)
    path = f"/parties/{kind}/{quote(identifier, safe='')}"
    answer = wire.PartyAnswer
    party = msgspec.convert(await house.asked(stack, "GET", path, "", None, path), answer).party
    fsp = party.party_id_info.fsp_id or ""
    return Found(fsp, party.name or "?", kind, identifier, await _payable(stack, fsp, party.supported_currencies))


async def counted_offer(stack: Stack, ctx: Context) -> None:
    """Count an offer that somebody asks for: an offer says that its payee exists. Raises TooMany."""
    await _counted(stack, ctx, "offers", OFFERS)


async def _counted(stack: Stack, ctx: Context, what: str, most: int) -> None:
    """Whoever asks leaves a record and has so many tries in a minute: names are not to be collected.

    Raises TooMany.
    """
    permit = policy.decide(ctx, "payments.pay-outside", _subject(ctx), own_account=False)
    who = f"{what}/{ctx.actor.kind}:{ctx.actor.institution}:{ctx.actor.id}"
    subject = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        n = await ledger_store.count_alias(tx, who, ctx.at, WINDOW_S)
        log.append(tx, permit, subject=subject, detail={"what": f"{what} at another institution"})
    if n > most:
        raise TooMany(retry_after_s=WINDOW_S)


async def _payable(stack: Stack, fsp: str, supported: list[str] | None) -> tuple[str, ...]:
    """In which currencies our bank can pay at a participant; the country's own first."""
    book, home = await roll.of(stack), stack.profile.currency.code
    theirs, ours = (
        {c for (f, c), a in book.accounts.items() if f == one and a.active} for one in (fsp, house.bank_of(book))
    )
    exchanged = {pair.target for pair in book.pairs if pair.source == home and book.providers(home, pair.target)}
    found = theirs & (ours | exchanged) & set(supported or theirs)
    return tuple(sorted(found, key=lambda code: (code != home, code)))


def _subject(ctx: Context) -> Any:
    return parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else policy.NOBODY


async def ask_offer(stack: Stack, ctx: Context, to: Found, amount_minor: int) -> Offer:
    """What it costs to pay this much to somebody at another participant, before it is confirmed.

    Raises UnknownParty if the other participant makes no offer, Outage if it is silent, TooMany.
    """
    await counted_offer(stack, ctx)
    currency = stack.profile.currency
    quote_id = random_id()
    mine = house.bank_of(await roll.of(stack))
    amount = wire.Money(currency.code, rules.amount(amount_minor, currency.digits))
    payer = wire.Party(wire.PartyName("ALIAS", "customer", None, mine))
    payee = wire.Party(wire.PartyName(to.kind, to.identifier, None, to.fsp))
    body = wire.QuoteRequest(
        quote_id, random_id(), payee, payer, "SEND", amount, wire.TransactionType("TRANSFER", "PAYER", "CONSUMER")
    )
    found = await house.asked(stack, "POST", "/quotes", to.fsp, body, f"/quotes/{quote_id}")
    answer = msgspec.convert(found, wire.QuoteAnswer)
    send = rules.minor(answer.transfer_amount.amount, currency.digits)
    arrives = answer.payee_receive_amount
    receive_minor = rules.minor(arrives.amount, currency.digits) if arrives else send
    fee = rules.minor(answer.payee_fsp_fee.amount, currency.digits) if answer.payee_fsp_fee else send - receive_minor
    if send != amount_minor or answer.transfer_amount.currency != currency.code:
        raise errors.BadSyntax("The offer is for another amount.", field="transferAmount", rule="as-asked")
    return Offer(
        *(quote_id, to, currency.code, send, receive_minor, fee, answer.expiration),
        *(answer.ilp_packet, answer.condition),
    )


async def pay_outside(stack: Stack, ctx: Context, account: str, offer: Offer, key: str) -> Sent:
    """Pay what was offered from an own account; the same key pays once.

    The customer's money is held until the switch says how the transfer ended. Raises the ledger's reason,
    UnknownParty if the other side refused (nothing was paid), Outage if it is not known yet: then it is on its way, and
    is paid or freed by itself.
    """
    own = ctx.actor.kind is not Kind.PERSON and bool(ctx.actor.institution)
    permit = policy.decide(ctx, "payments.pay-outside", _subject(ctx), own_account=own)
    whose = f"person:{ctx.actor.id}" if ctx.actor.kind is Kind.PERSON else f"institution:{ctx.actor.institution}"
    debit = ledger_rules.id_of(account)
    transfer_id = wire_id(f"{whose}/{debit}/{settling._key(key)}")
    mine = house.bank_of(await roll.of(stack))
    before = await known(stack, transfer_id)
    if before is not None:
        return Sent(transfer_id, offer.to, before, offer.currency)
    house.paying(stack, transfer_id, offer.to.name)
    expires = clock.now() + timedelta(seconds=house.ANSWER_S)
    by = orders.By(permit, parties.holder_ref(stack, whose), house.SCOPE)
    hold = orders.reserve(
        by, transfer_id, debit, await house.clearing(stack, mine), offer.send_minor, offer.currency, house.CODE,
        timeout_s=house.HOLD_S, payee=offer.to.name,
    )  # fmt: skip
    ledger_errors.check(await ledger.post(stack, [hold]))
    amount = wire.Money(offer.currency, rules.amount(offer.send_minor, stack.profile.currency.digits))
    body = wire.TransferRequest(
        transfer_id, offer.to.fsp, mine, amount, offer.ilp_packet, offer.condition, rules.told(expires)
    )
    try:
        await house.asked(stack, "POST", "/transfers", offer.to.fsp, body, f"/transfers/{transfer_id}")
    except errors.SwitchRefusal:
        await house.ended(stack, transfer_id, paid=False)
        raise
    subject = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=subject, detail={"what": "paid to another institution", "to": offer.to.fsp})
    return Sent(transfer_id, offer.to, offer.send_minor, offer.currency)


async def known(stack: Stack, transfer_id: str) -> int | None:
    """What an earlier try with the same key paid; None if there was none, or it never left.

    Raises UnknownParty if the other side refused it, Outage while it is under way.
    """
    try:
        first = await moving.found(stack, transfer_id)
    except errors.UnknownId:
        return None
    if first.payer != house.bank_of(await roll.of(stack)):
        return None  # somebody else's transfer of this id: ours will be refused
    if first.state is State.ABORTED:
        raise errors.UnknownParty("The other side refused this payment; a new try needs a new key.")
    if first.state is State.RESERVED:
        raise Outage("the payment is on its way", 10)
    return first.amount_minor


def wire_id(text: str) -> str:
    """The id of a transfer on the wire that a key means: a UUID of version 4 in form, the same for every repetition."""
    raw = int.from_bytes(hmac.digest(b"switch/outward", text.encode(), "sha256")[:16])
    return str(UUID(int=raw & ~(0xF << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62))
