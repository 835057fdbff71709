"""The house's own bank as one participant of the switch: its messages are those of every other, only they go inside.

What customers pay to others leaves their account for the bank's clearing account while the bank's position pays the
other participant: both are reserved as one chain and committed as one. What arrives is paid out of clearing once the
switch has said that it is committed. So clearing and position always tell the same, with opposite signs.
"""

import asyncio
import hmac
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import NotFound, Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import homes, ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.model import AccountKind, Alias
from msingi.payments.rates import converting
from msingi.payments.rates.errors import NoSuchQuote
from msingi.payments.switch import acts, door, errors, ilp, moving, post, roll, rules, sending, settling, store, wire
from msingi.payments.switch.model import Letter, Message

JOB, CODE, SCOPE = "switch-bank", "OUTB", "switch/outward"
ANSWER_S, OFFER_S = 30.0, 120.0
HOLD_S = 3 * 86_400  # longer than the switch goes on telling how a transfer ended
KINDS = {"MSISDN": "phone", "ACCOUNT_ID": "account", "PERSONAL_ID": "identity"}
START_COVER_MINOR = 10**9


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
    if fsp not in (await roll.of(stack)).fsps:
        await acts.settle_currency(stack, ctx, currency.code, currency.digits)
        await acts.join(stack, ctx, fsp, institution, name, "", post.INSIDE)
    await settle_in(stack, ctx, fsp, currency.code, currency.digits)


async def settle_in(
    stack: Stack, ctx: Context, fsp: str, code: str, digits: int, cover: int = START_COVER_MINOR
) -> None:
    """Our own bank settles in one more currency, with cover and a clearing account; repeating it is harmless."""
    book = await roll.of(stack)
    if (fsp, code) not in book.accounts:
        await acts.settle_currency(stack, ctx, code, digits)
        await acts.open_accounts(stack, ctx, fsp, code)
        await settling.bring_cover(stack, ctx, fsp, code, cover, f"first-{code}")
        await settling.set_limit(stack, ctx, fsp, code, cover)
    await clearing(stack, fsp, code)


async def clearing(stack: Stack, fsp: str, code: str = "") -> int:
    """The bank's clearing account in a currency (the country's by default), opened if it is missing."""
    code = code or stack.profile.currency.code
    known = stack.local.get(f"payments.switch.clearing.{code}")
    if isinstance(known, int):
        return known
    name, floor = f"switch/{fsp}/clearing", -ledger_rules.MAX_BALANCE_MINOR
    permit = policy.decide(_ctx(), "payments.switch-clear", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held = [one for one in await ledger_store.accounts(tx, None, name) if one.currency == code]
        if held:
            found = int(ledger_rules.id_of(held[0].number))
        else:
            owner = parties.institution_ref(stack, name)
            found = await ledger_store.open_institution_account(
                tx, name, owner, AccountKind.SETTLEMENT, code, floor, "clearing", clock.now()
            )
        log.append(tx, permit, detail={"what": "clearing account", "currency": code})
    stack.local[f"payments.switch.clearing.{code}"] = found
    return found


async def receive(stack: Stack, letter: Letter) -> None:
    """A letter of the switch for our own bank: answer it as every participant would."""
    path = urlsplit(letter.path).path
    if path.startswith("/transfers/") and letter.method == "PUT" and await _ours(stack, path.split("/")[2]):
        await ended(stack, path.split("/")[2], paid=not path.endswith("/error"))
    if path.startswith("/fxTransfers/") and path.endswith("/error"):
        from msingi.payments.switch import provider

        await provider.conversion_ended(stack, path.split("/")[2])
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
            answer = await _fulfilled(stack, wanted_transfer)
            await _say(stack, "PUT", f"/transfers/{wanted_transfer.transfer_id}", asker, answer)
            await _credit(stack, wanted_transfer)
    except Refusal as refused:
        if letter.method in ("GET", "POST"):
            failed = path if letter.method == "GET" else f"{path}/{body.get('quoteId') or body.get('transferId')}"
            await _say(stack, "PUT", failed + "/error", asker, _told(refused))


async def _ours(stack: Stack, transfer_id: str) -> bool:
    """Whether a transfer is one that our bank ordered; one that the switch never took is."""
    try:
        return (await moving.found(stack, transfer_id)).payer == bank_of(await roll.of(stack))
    except errors.UnknownId:
        return True


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
    amount = rules.minor(wanted.amount.amount, await _digits(stack, currency))
    content = msgspec.json.encode({"transactionId": wanted.transaction_id, "quoteId": wanted.quote_id})
    packet = ilp.pack(ilp.Packet(amount, f"g.house.account.{ledger_rules.number_of(account)}", content))
    condition = ilp.condition_of(ilp.fulfilment_of(_secret(stack), packet))
    until = rules.told(clock.now() + timedelta(seconds=OFFER_S))
    return wire.QuoteAnswer(wanted.amount, until, packet, condition, wanted.amount)


async def _digits(stack: Stack, code: str) -> int:
    return rules.settled_in((await roll.of(stack)).currencies, code).digits


async def _fulfilled(stack: Stack, wanted: wire.TransferRequest) -> wire.TransferAnswer:
    """The fulfilment, if the packet is our own and says the same amount. Raises BadFulfilment."""
    packet = ilp.unpack(wanted.ilp_packet)
    fulfilment = ilp.fulfilment_of(_secret(stack), wanted.ilp_packet)
    amount = rules.minor(wanted.amount.amount, await _digits(stack, wanted.amount.currency))
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
    source = await clearing(stack, mine, wanted.amount.currency)
    words = (wanted.payer_fsp, "")
    paid = orders.pay(
        by, wanted.transfer_id, source, account, packet.amount_minor, wanted.amount.currency, "INBD",
        payer=words[0], payee=words[1],
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [paid])
    ledger_errors.check([ending])


async def asked(stack: Stack, method: str, path: str, to: str, body: Any, answer: str) -> Any:
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


async def ended(stack: Stack, transfer_id: str, *, paid: bool) -> None:
    """The switch said how a transfer of our customer's ended: pay the hold, or free it. Repeating it is harmless."""
    with suppress(NoSuchQuote):  # a payment abroad: its id is that of the conversion
        await converting.finish(stack, transfer_id, paid=paid)
        return
    permit = policy.decide(_ctx(), "payments.switch-credit", policy.NOBODY)
    code = stack.profile.currency.code
    for shard in homes.known(stack):
        hold = ledger_rules.transfer_id(SCOPE, transfer_id, shard)
        async with homes.home(stack, shard).db.reading("payments") as tx:
            open_hold = await store.hold_owner(tx, shard, hold)
        if open_hold is None:
            continue
        owner, amount = open_hold
        by = orders.By(permit, owner, SCOPE)
        if paid:
            order = orders.commit(by, f"{transfer_id}/paid", hold, amount, code, CODE)
        else:
            order = orders.void(by, f"{transfer_id}/void", hold, code, CODE)
        ledger_errors.check(await ledger.post(stack, [order]))
