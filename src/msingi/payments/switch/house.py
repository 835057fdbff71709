"""The house's own bank as one participant of the switch: its messages are those of every other, only they go inside.

What customers pay to others leaves their account for the bank's clearing account while the bank's position pays the
other participant: both are reserved as one chain and committed as one. What arrives is paid out of clearing once the
switch has said that it is committed. So clearing and position always tell the same, with opposite signs.
"""

import asyncio
import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.errors import NotFound, Outage, Refusal
from msingi.kernel.ids import random_id
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.model import AccountKind, Alias
from msingi.payments.switch import acts, door, errors, ilp, moving, post, roll, rules, sending, settling, store, wire
from msingi.payments.switch.model import Letter, Message, State

JOB, CODE, SCOPE = "switch-bank", "OUTB", "switch/outward"
ANSWER_S, OFFER_S = 30.0, 120.0
HOLD_S = 3 * 86_400  # longer than the switch goes on telling how a transfer ended
KINDS = {"MSISDN": "phone", "ACCOUNT_ID": "account", "PERSONAL_ID": "identity"}
START_COVER_MINOR = 10**9


class Found(Struct, frozen=True):
    """Somebody at another participant, as the payer sees them before confirming."""

    fsp: str
    name: str
    kind: str
    identifier: str


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


def bank_of(book: roll.Roll) -> str:
    """The name of our own bank as a participant. Raises UnknownFsp if it has not joined."""
    for name, fsp in book.fsps.items():
        if fsp.endpoint == post.INSIDE:
            return name
    raise errors.UnknownFsp(party="house")


def _ctx() -> Context:
    return job_context(JOB, "payment", "contract")


def _waiters(stack: Stack) -> dict[str, "asyncio.Future[tuple[str, Any]]"]:
    """Who waits in this program for an answer, by its path."""
    found = stack.local.setdefault("payments.switch.house", {})
    assert isinstance(found, dict)
    return found


async def join(stack: Stack, ctx: Context, fsp: str, institution: str, name: str) -> None:
    """Our own bank joins in the country's currency, with a clearing account of its own; repeating it is harmless."""
    currency = stack.profile.currency
    book = await roll.of(stack)
    if fsp not in book.fsps:
        await acts.settle_currency(stack, ctx, currency.code, currency.digits)
        await acts.join(stack, ctx, fsp, institution, name, "", post.INSIDE)
        await acts.open_accounts(stack, ctx, fsp, currency.code)
        await settling.bring_cover(stack, ctx, fsp, currency.code, START_COVER_MINOR, "first-cover")
        await settling.set_limit(stack, ctx, fsp, currency.code, START_COVER_MINOR)
    await _clearing(stack, fsp)


async def _clearing(stack: Stack, fsp: str) -> int:
    """The bank's clearing account in the country's currency, opened if it is missing."""
    known = stack.local.get("payments.switch.clearing")
    if isinstance(known, int):
        return known
    code, floor = stack.profile.currency.code, -ledger_rules.MAX_BALANCE_MINOR
    name = f"switch/{fsp}/clearing"
    permit = policy.decide(_ctx(), "payments.switch-clear", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held = await ledger_store.accounts(tx, None, name)
        if held:
            found = int(ledger_rules.id_of(held[0].number))
        else:
            owner = parties.institution_ref(stack, name)
            found = await ledger_store.open_institution_account(
                tx, name, owner, AccountKind.SETTLEMENT, code, floor, "clearing", clock.now()
            )
        log.append(tx, permit, detail={"what": "clearing account"})
    stack.local["payments.switch.clearing"] = found
    return found


async def receive(stack: Stack, letter: Letter) -> None:
    """A letter of the switch for our own bank: answer it as every participant would."""
    path = urlsplit(letter.path).path
    if path.startswith("/transfers/") and letter.method == "PUT":
        await _ended(stack, path.split("/")[2], paid=not path.endswith("/error"))
    waiter = _waiters(stack).pop(path.removesuffix("/error"), None) if letter.method == "PUT" else None
    body = msgspec.json.decode(letter.body) if letter.body else {}
    if waiter is not None and not waiter.done():
        waiter.set_result(("error" if path.endswith("/error") else "", body))
        return
    asker, resource = letter.headers.get("FSPIOP-Source", ""), path.split("/")[1]
    try:
        if letter.method == "GET" and resource == "parties":
            await _say(stack, "PUT", path, asker, await _party(stack, path))
        elif letter.method == "POST" and resource == "quotes":
            wanted = wire.read(letter.body, wire.QuoteRequest)
            await _say(stack, "PUT", f"/quotes/{wanted.quote_id}", asker, await _quoted(stack, wanted))
        elif letter.method == "POST" and resource == "transfers":
            wanted_transfer = wire.read(letter.body, wire.TransferRequest)
            answer = _fulfilled(stack, wanted_transfer)
            await _say(stack, "PUT", f"/transfers/{wanted_transfer.transfer_id}", asker, answer)
            await _credit(stack, wanted_transfer)
    except Refusal as refused:
        if letter.method in ("GET", "POST"):
            failed = path if letter.method == "GET" else f"{path}/{body.get('quoteId') or body.get('transferId')}"
            await _say(stack, "PUT", failed + "/error", asker, _told(refused))


def _told(refused: Refusal) -> wire.ErrorBody:
    """Why our bank refuses, without telling a stranger what is the customer's own matter."""
    if isinstance(refused, NotFound):
        return sending.failed("3204", "Party not found")
    return sending.failed("5100", "Generic payee rejection")


async def _say(stack: Stack, method: str, path: str, to: str, body: Any) -> None:
    """Our bank says something at the switch's door, signed like everybody's."""
    book = await roll.of(stack)
    letter = sending.own(book, to, method, path, body, source=bank_of(book))
    headers = {name.lower(): value for name, value in letter.headers.items()}
    if method in ("GET", "POST"):
        headers["accept"] = headers["content-type"]
    await door.receive(stack, Message(method, path, headers, letter.body))


async def _party(stack: Stack, path: str) -> wire.PartyAnswer:
    kind, identifier, _ = _named(path)
    _, name, _ = await parties.payee(stack, _ctx(), Alias(KINDS[kind], identifier))
    mine = bank_of(await roll.of(stack))
    who = wire.PartyName(kind, identifier.lstrip("+"), None, mine)
    return wire.PartyAnswer(wire.Party(who, name))


def _named(path: str) -> tuple[str, str, str]:
    from msingi.payments.switch.talking import party_path

    kind, identifier, sub = party_path(path)
    if kind not in KINDS:
        raise errors.UnknownParty()
    if kind == "MSISDN":
        identifier = "+" + identifier.lstrip("+")
    return kind, identifier, sub


def _secret(stack: Stack) -> bytes:
    return hmac.digest(stack.keys.mac("blind", "payments"), b"switch/ilp", "sha256")


async def _quoted(stack: Stack, wanted: wire.QuoteRequest) -> wire.QuoteAnswer:
    """Our bank takes no fee for what arrives; the packet names the account, so that nothing need be remembered."""
    who = wanted.payee.party_id_info
    _, identifier, _ = _named(f"/parties/{who.party_id_type}/{quote(who.party_identifier, safe='')}")
    account, _, currency = await parties.payee(stack, _ctx(), Alias(KINDS[who.party_id_type], identifier))
    if currency != wanted.amount.currency:
        raise errors.BadCurrency()
    digits = stack.profile.currency.digits
    amount = rules.minor(wanted.amount.amount, digits)
    content = msgspec.json.encode({"transactionId": wanted.transaction_id, "quoteId": wanted.quote_id})
    packet = ilp.pack(ilp.Packet(amount, f"g.house.account.{ledger_rules.number_of(account)}", content))
    condition = ilp.condition_of(ilp.fulfilment_of(_secret(stack), packet))
    until = rules.told(clock.now() + timedelta(seconds=OFFER_S))
    return wire.QuoteAnswer(wanted.amount, until, packet, condition, wanted.amount)


def _fulfilled(stack: Stack, wanted: wire.TransferRequest) -> wire.TransferAnswer:
    """The fulfilment, if the packet is our own and says the same amount. Raises BadFulfilment."""
    packet = ilp.unpack(wanted.ilp_packet)
    fulfilment = ilp.fulfilment_of(_secret(stack), wanted.ilp_packet)
    amount = rules.minor(wanted.amount.amount, stack.profile.currency.digits)
    if ilp.condition_of(fulfilment) != wanted.condition or packet.amount_minor != amount:
        raise errors.BadFulfilment()
    return wire.TransferAnswer("COMMITTED", fulfilment, rules.told(clock.now()))


async def _credit(stack: Stack, wanted: wire.TransferRequest) -> None:
    """The switch has committed: pay the customer out of clearing. Repeating it pays once."""
    mine = bank_of(await roll.of(stack))
    packet = ilp.unpack(wanted.ilp_packet)
    account = ledger_rules.id_of(packet.address.rpartition(".")[2])
    permit = policy.decide(_ctx(), "payments.switch-credit", policy.NOBODY)
    by = orders.By(permit, parties.institution_ref(stack, f"switch/{mine}/clearing"), "switch/credit")
    clearing = await _clearing(stack, mine)
    words = (wanted.payer_fsp, "")
    paid = orders.pay(
        by, wanted.transfer_id, clearing, account, packet.amount_minor, wanted.amount.currency, "INBD",
        payer=words[0], payee=words[1],
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [paid])
    ledger_errors.check([ending])


# What customers of our bank do.


async def find(stack: Stack, ctx: Context, kind: str, identifier: str) -> Found:
    """Somebody at another participant by type and identifier, with the name to confirm. Raises UnknownParty."""
    policy.decide(ctx, "payments.pay-outside", _subject(ctx), own_account=False)
    path = f"/parties/{kind}/{quote(identifier, safe='')}"
    answer = wire.PartyAnswer
    party = msgspec.convert(await _asked(stack, "GET", path, "", None, path), answer).party
    return Found(party.party_id_info.fsp_id or "", party.name or "?", kind, identifier)


def _subject(ctx: Context) -> Any:
    return parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else policy.NOBODY


async def _asked(stack: Stack, method: str, path: str, to: str, body: Any, answer: str) -> Any:
    """Ask at the switch, and wait for the answer. Raises UnknownParty for an error, Outage for silence."""
    waiter = _waiters(stack)[answer] = asyncio.get_running_loop().create_future()
    await _say(stack, method, path, to, body if body is not None else {})
    try:
        async with asyncio.timeout(ANSWER_S):
            wrong, found = await waiter
    except TimeoutError:
        raise Outage("the other participant does not answer", 30) from None
    finally:
        _waiters(stack).pop(answer, None)
    if wrong:
        raise errors.UnknownParty()
    return found


async def ask_offer(stack: Stack, ctx: Context, to: Found, amount_minor: int) -> Offer:
    """What it costs to pay this much to somebody at another participant, before it is confirmed.

    Raises UnknownParty if the other participant makes no offer, Outage if it is silent.
    """
    policy.decide(ctx, "payments.pay-outside", _subject(ctx), own_account=False)
    currency = stack.profile.currency
    quote_id = random_id()
    mine = bank_of(await roll.of(stack))
    amount = wire.Money(currency.code, rules.amount(amount_minor, currency.digits))
    payer = wire.Party(wire.PartyName("ALIAS", "customer", None, mine))
    payee = wire.Party(wire.PartyName(to.kind, to.identifier, None, to.fsp))
    body = wire.QuoteRequest(
        quote_id, random_id(), payee, payer, "SEND", amount, wire.TransactionType("TRANSFER", "PAYER", "CONSUMER")
    )
    found = await _asked(stack, "POST", "/quotes", to.fsp, body, f"/quotes/{quote_id}")
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
    transfer_id = _wire_id(f"{whose}/{debit}/{settling._key(key)}")
    mine = bank_of(await roll.of(stack))
    known = await _known(stack, transfer_id)
    if known is not None:
        return Sent(transfer_id, offer.to, known, offer.currency)
    expires = clock.now() + timedelta(seconds=ANSWER_S)
    by = orders.By(permit, parties.holder_ref(stack, whose), SCOPE)
    hold = orders.reserve(
        by, transfer_id, debit, await _clearing(stack, mine), offer.send_minor, offer.currency, CODE,
        timeout_s=HOLD_S, payee=offer.to.name,
    )  # fmt: skip
    ledger_errors.check(await ledger.post(stack, [hold]))
    amount = wire.Money(offer.currency, rules.amount(offer.send_minor, stack.profile.currency.digits))
    body = wire.TransferRequest(
        transfer_id, offer.to.fsp, mine, amount, offer.ilp_packet, offer.condition, rules.told(expires)
    )
    try:
        await _asked(stack, "POST", "/transfers", offer.to.fsp, body, f"/transfers/{transfer_id}")
    except errors.SwitchRefusal:
        await _ended(stack, transfer_id, paid=False)
        raise
    subject = parties.person_of(ctx) if ctx.actor.kind is Kind.PERSON else None
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=subject, detail={"what": "paid to another institution", "to": offer.to.fsp})
    return Sent(transfer_id, offer.to, offer.send_minor, offer.currency)


async def _known(stack: Stack, transfer_id: str) -> int | None:
    """What an earlier try with the same key paid; None if there was none, or it never left.

    Raises UnknownParty if the other side refused it, Outage while it is under way.
    """
    try:
        first = await moving.found(stack, transfer_id)
    except errors.UnknownId:
        return None
    if first.state is State.ABORTED:
        raise errors.UnknownParty("The other side refused this payment; a new try needs a new key.")
    if first.state is State.RESERVED:
        raise Outage("the payment is on its way", 10)
    return first.amount_minor


def _wire_id(text: str) -> str:
    """The id of a transfer on the wire that a key means: a UUID of version 4 in form, the same for every repetition."""
    raw = int.from_bytes(hmac.digest(b"switch/outward", text.encode(), "sha256")[:16])
    return str(UUID(int=raw & ~(0xF << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62))


async def _ended(stack: Stack, transfer_id: str, *, paid: bool) -> None:
    """The switch said how a transfer of our customer's ended: pay the hold, or free it. Repeating it is harmless."""
    permit = policy.decide(_ctx(), "payments.switch-credit", policy.NOBODY)
    code = stack.profile.currency.code
    async with stack.db.reading("payments") as tx:
        shards = [row["shard"] for row in await ledger_store.shards(tx)]
        holds = [ledger_rules.transfer_id(SCOPE, transfer_id, shard) for shard in shards]
        known = [await store.hold_owner(tx, shard, hold) for shard, hold in zip(shards, holds, strict=True)]
    for hold, open_hold in zip(holds, known, strict=True):
        if open_hold is None:
            continue
        owner, amount = open_hold
        by = orders.By(permit, owner, SCOPE)
        if paid:
            order = orders.commit(by, f"{transfer_id}/paid", hold, amount, code, CODE)
        else:
            order = orders.void(by, f"{transfer_id}/void", hold, code, CODE)
        ledger_errors.check(await ledger.post(stack, [order]))
