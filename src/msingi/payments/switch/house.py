"""The house's own bank as one participant of the switch: its messages are those of every other, only they go inside.

What customers pay to others leaves their account for the bank's clearing account while the bank's position pays the
other participant: both are reserved as one chain and committed as one. What arrives is paid out of clearing once the
switch has said that it is committed. So clearing and position always tell the same, with opposite signs.
"""

import asyncio
import hmac
from contextlib import suppress
from datetime import timedelta
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import structs

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
from msingi.payments.switch import (
    acts,
    cancelling,
    door,
    errors,
    ilp,
    iso,
    moving,
    post,
    roll,
    rules,
    sending,
    settling,
    store,
    wire,
)
from msingi.payments.switch.model import Letter, Message

JOB, CODE, SCOPE, INWARD = "switch-bank", "OUTB", "switch/outward", "switch/credit"
CARRIER = "payments.switch.carrier"  # stack.local: what other banks say about recalls goes there (`Recalling`)
ANSWER_S, OFFER_S = 30.0, 120.0
REFUND, BACK = "REFUND", "refundOf"  # the scenario of a quote, and what our packet says of it
HOLD_S = 3 * 86_400  # longer than the switch goes on telling how a transfer ended
KINDS = {"MSISDN": "phone", "ACCOUNT_ID": "account", "PERSONAL_ID": "identity"}
START_COVER_MINOR = 10**9
MOST_NAMES = 10_000


class Recalling(Protocol):
    """Whoever keeps our bank's recalls (`payments.recalls`)."""

    async def asked(self, stack: Stack, wanted: cancelling.Request) -> None:
        """Another bank asks a payment back."""

    async def answered(self, stack: Stack, told: cancelling.Answer, source: str) -> None:
        """A bank answers a recall of ours."""

    async def account_for(self, stack: Stack, transfer: str, source: str, amount: int, currency: str) -> int:
        """The account to which a bank may pay back so much of a transfer; it is asked before the bank pays."""
        ...

    async def came_back(self, stack: Stack, transfer: str, source: str, by_transfer: str, amount: int) -> None:
        """A bank has paid back."""


def _carrier(stack: Stack) -> Recalling:
    """Raises UnknownId where nobody keeps recalls."""
    found: Recalling | None = stack.local.get(CARRIER)  # type: ignore[assignment]
    if found is None:
        raise errors.UnknownId(field="FSPIOP-URI", rule="recalls")
    return found


def bank_of(book: roll.Roll) -> str:
    """The name of our own bank as a participant. Raises UnknownFsp if it has not joined."""
    for name, fsp in book.fsps.items():
        if fsp.endpoint == post.INSIDE:
            return name
    raise errors.UnknownFsp(party="house")


def _ctx() -> Context:
    return job_context(JOB, "payment", "contract")


def _names(stack: Stack) -> dict[str, str]:
    """Whom payments under way in this program pay, for the customer's statement; after a stop it says the account."""
    found = stack.local.setdefault("payments.switch.names", {})
    assert isinstance(found, dict)
    return found


def paying(stack: Stack, transfer_id: str, name: str) -> None:
    """Remember whom a payment pays until it has ended."""
    names = _names(stack)
    if len(names) >= MOST_NAMES:
        names.pop(next(iter(names)))
    names[transfer_id] = name


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
            await say(stack, "PUT", path, asker, await _party(stack, path))
        elif letter.method == "POST" and resource == "quotes":
            wanted = wire.read(letter.body, wire.QuoteRequest)
            await say(stack, "PUT", f"/quotes/{wanted.quote_id}", asker, await _quoted(stack, wanted, asker))
        elif letter.method == "POST" and resource == "transfers":
            wanted_transfer = wire.read(letter.body, wire.TransferRequest)
            answer = await _fulfilled(stack, wanted_transfer)
            await say(stack, "PUT", f"/transfers/{wanted_transfer.transfer_id}", asker, answer)
            await _credit(stack, wanted_transfer)
        elif letter.method == "POST" and resource == rules.RECALLS:
            await _carrier(stack).asked(stack, cancelling.request(letter.body))
        elif letter.method == "PUT" and resource == rules.RECALLS and not path.endswith("/error"):
            await _carrier(stack).answered(stack, cancelling.answer(letter.body), asker)
    except Refusal as refused:
        if letter.method in ("GET", "POST"):
            named = body.get("quoteId") or body.get("transferId") or iso.id_of(body)
            failed = path if letter.method == "GET" else f"{path}/{named}"
            await say(stack, "PUT", failed + "/error", asker, _told(refused))


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


async def say(stack: Stack, method: str, path: str, to: str, body: Any) -> None:
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


async def _quoted(stack: Stack, wanted: wire.QuoteRequest, asker: str) -> wire.QuoteAnswer:
    """Our bank takes no fee for what arrives; the packet names the account, so that nothing need be remembered.

    A payment back (scenario REFUND) goes to the account that had paid, whatever party it names.
    """
    currency, kind = wanted.amount.currency, wanted.transaction_type
    amount = rules.minor(wanted.amount.amount, await _digits(stack, currency))
    told = {"transactionId": wanted.transaction_id, "quoteId": wanted.quote_id}
    if kind.scenario == REFUND and kind.refund_info is not None:
        back = told[BACK] = kind.refund_info.original_transaction_id
        account = await _carrier(stack).account_for(stack, back, asker, amount, currency)
    else:
        who = wanted.payee.party_id_info
        _, identifier, _ = _named(f"/parties/{who.party_id_type}/{quote(who.party_identifier, safe='')}")
        account, _, theirs = await parties.payee(stack, _ctx(), Alias(KINDS[who.party_id_type], identifier))
        if currency != theirs:
            raise errors.BadCurrency()
    content = msgspec.json.encode(told)
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
    by = orders.By(permit, parties.institution_ref(stack, f"switch/{mine}/clearing"), INWARD)
    source = await clearing(stack, mine, wanted.amount.currency)
    back = msgspec.json.decode(packet.content).get(BACK, "")
    paid = orders.pay(
        by, wanted.transfer_id, source, account, packet.amount_minor, wanted.amount.currency,
        "REVR" if back else "INBD", payer=wanted.payer_fsp,
    )  # fmt: skip
    (ending,) = await ledger.post(stack, [paid])
    ledger_errors.check([ending])
    if back:
        await _carrier(stack).came_back(stack, back, wanted.payer_fsp, wanted.transfer_id, packet.amount_minor)


async def asked(stack: Stack, method: str, path: str, to: str, body: Any, answer: str) -> Any:
    """Ask at the switch, and wait for the answer. Raises UnknownParty for an error, Outage for silence."""
    waiter = _waiters(stack)[answer] = asyncio.get_running_loop().create_future()
    await say(stack, method, path, to, body if body is not None else {})
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
        if paid:  # the number of the payment at both banks stands in the statement: it is asked for under this one
            order = orders.commit(by, f"{transfer_id}/paid", hold, amount, code, CODE, reference=transfer_id)
            order = structs.replace(order, payee=_names(stack).pop(transfer_id, ""))
        else:
            order = orders.void(by, f"{transfer_id}/void", hold, code, CODE)
        ledger_errors.check(await ledger.post(stack, [order]))
