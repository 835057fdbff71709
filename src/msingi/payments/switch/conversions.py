"""Currency conversion between participants, in the form of FSPIOP API 2.0: services, fxQuotes, fxTransfers.

An exchange provider (FXP) is a participant with a rate of its own and cover in two currencies. Its quote goes to
whoever asks. An fxTransfer reserves the source currency for it; once it has fulfilled, it waits for the transfer that
decides it, whose payee it pays in the target currency. Both are paid in one chain of the ledger, or neither is.
"""

from datetime import timedelta
from urllib.parse import urlsplit
from uuid import UUID

from msgspec.structs import replace

from msingi.kernel import clock, policy
from msingi.kernel.context import Context
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import ledger, orders
from msingi.payments.switch import desk, errors, linking, moving, post, roll, rules, sending, store, talking, wire
from msingi.payments.switch.linking import CODE, CONVERSIONS, SCOPE
from msingi.payments.switch.model import Message, State, Talk, Transfer

QUOTES = "fxQuotes"
PATIENCE = timedelta(minutes=1)  # for a provider's fulfilment, where the order does not say
MOST_TOLD = 16


async def who_converts(stack: Stack, ctx: Context, message: Message) -> None:
    """Which participants convert currencies: all, or those of one pair. Raises BadSyntax."""
    pieces = urlsplit(message.path).path.split("/")[2:]
    if pieces[0] != "FXP" or len(pieces) not in (1, 3):
        raise errors.BadSyntax("The service is named by FXP, or FXP and a pair.", field="FSPIOP-URI", rule="FXP")
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    book = await roll.of(stack)
    found = wire.Providers(book.providers(*pieces[1:])[:MOST_TOLD])
    letter = sending.own(book, message.source, "PUT", urlsplit(message.path).path, found, "2.0")
    await desk.of(stack).keep(desk.Slip(talking.record(ctx, message, "payments.switch-message"), letters=(letter,)))
    post.of(stack).send([letter])


async def quote(stack: Stack, ctx: Context, message: Message) -> None:
    """Ask an exchange provider for its terms, which it answers to whoever asked; the switch passes both on unchanged.

    Raises BadSyntax, NotConverted, Modified.
    """
    wanted = wire.read(message.body, wire.ConversionQuoteRequest)
    terms = wanted.conversion_terms
    if terms.initiating_fsp != message.source:
        raise errors.BadSyntax("Whoever pays asks.", field="initiatingFsp", rule="initiatingFsp=FSPIOP-Source")
    given = terms.source_amount if terms.amount_type == "SEND" else terms.target_amount
    if given.amount is None:
        raise errors.MissingElement("The amount that is known is missing.", field="amount", rule=terms.amount_type)
    currencies = terms.source_amount.currency, terms.target_amount.currency
    _converts(await roll.of(stack), terms.counter_party_fsp, *currencies)
    to = terms.counter_party_fsp
    await talking.ask(stack, ctx, message, QUOTES, wanted.conversion_request_id, to)


def _converts(book: roll.Roll, fsp: str, source: str, target: str) -> None:
    """Raises UnknownFsp, NotConverted."""
    book.active(fsp, "counterPartyFsp")
    if fsp not in book.providers(source, target):
        raise errors.NotConverted(source=source, target=target)


async def order(stack: Stack, ctx: Context, message: Message) -> None:
    """Reserve the source currency for the provider, then send the order on (laws 2, 5 and 9).

    The same request again answers again. Raises NoLiquidity, Modified, Expired, UnknownFsp, NotConverted, BadSyntax.
    """
    wanted, book = wire.read(message.body, wire.ConversionRequest), await roll.of(stack)
    permit = policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    made = _ordered(message, wanted, book)
    debit, credit = _accounts(book, made)
    if await _again(stack, made):
        return
    # The conversion may have to wait for its transfer, which may take longer than the provider's answer.
    left_s = rules.hold_s(made.expires_at, clock.now()) + int(rules.FOLLOWS.total_seconds())
    letter = sending.passed(book, message, made.payee, made.expires_at, made.id)
    by = orders.By(permit, linking.holder(stack, made.payer), SCOPE)
    hold = orders.reserve(
        by, f"{made.id}/{uuid7()}", debit, credit, made.amount_minor, made.currency, CODE, timeout_s=left_s
    )
    (ending,) = await ledger.post(stack, [hold])
    moving.reserved(ending)
    made = replace(made, hold=hold.id)
    talk = Talk(linking.DECIDED_BY, made.linked, made.hash, made.payer, made.id)
    if await desk.of(stack).keep(desk.Slip(moving.record("reserved", made), talk, begun=made, letters=(letter,))):
        return post.of(stack).send([letter])
    await ledger.post(stack, linking.freed(stack, permit, made))
    if not await _again(stack, made):
        raise errors.Modified("Another conversion is for this transfer.", field="determiningTransferId", rule="once")
    return None


def _ordered(message: Message, wanted: wire.ConversionRequest, book: roll.Roll) -> Transfer:
    """The conversion that a request orders. Raises BadSyntax, MissingElement, UnknownFsp, NotConverted."""
    if wanted.initiating_fsp != message.source:
        raise errors.BadSyntax("Whoever pays orders.", field="initiatingFsp", rule="initiatingFsp=FSPIOP-Source")
    if message.destination and message.destination not in (wanted.counter_party_fsp, roll.HUB):
        raise errors.BadSyntax(
            "The destination is the provider.", field="FSPIOP-Destination", rule="destination=counterPartyFsp"
        )
    if not wanted.determining_transfer_id:
        raise errors.MissingElement(
            "A conversion belongs to a transfer here.", field="determiningTransferId", rule="required"
        )
    give, take = wanted.source_amount, wanted.target_amount
    _converts(book, wanted.counter_party_fsp, give.currency, take.currency)
    amount, target = (
        rules.minor(money.amount, rules.settled_in(book.currencies, money.currency).digits) for money in (give, take)
    )
    until = rules.instant(wanted.expiration, "expiration") if wanted.expiration else clock.now() + PATIENCE
    return Transfer(
        *(wanted.commit_request_id, rules.content_hash(message.source, message.body), CONVERSIONS),
        *(wanted.initiating_fsp, wanted.counter_party_fsp, give.currency, amount, wanted.condition, until, UUID(int=0)),
        linked=wanted.determining_transfer_id, target_currency=take.currency, target_minor=target,
    )  # fmt: skip


def _accounts(book: roll.Roll, made: Transfer) -> tuple[int, int]:
    """Whom the source currency leaves and reaches. Raises BadCurrency."""
    currency = rules.settled_in(book.currencies, made.currency)
    if made.payer == made.payee:
        raise errors.BadSyntax("Nobody converts with itself.", field="counterPartyFsp", rule="counterParty!=initiating")
    return book.money(made.payer, currency, "initiatingFsp"), book.money(made.payee, currency, "counterPartyFsp")


async def _again(stack: Stack, wanted: Transfer) -> bool:
    """Whether this id came before: its answer again if there is one. Raises Modified for other content."""
    async with stack.db.reading("payments") as tx:
        first = await store.transfer(tx, wanted.id)
    if first is None:
        return False
    if first.hash != wanted.hash:
        raise errors.Modified(field="commitRequestId", rule="same-id-same-content")
    if first.fulfilment or first.state is not State.RESERVED:
        await moving.answer(stack, first, first.payer)
    return True


async def _found(stack: Stack, id_: str) -> Transfer:
    """A conversion as the database has it: a promise and its end may have come elsewhere. Raises UnknownId."""
    async with stack.db.reading("payments") as tx:
        found = await store.transfer(tx, rules.correlation(id_, "ID"))
    if found is None or found.resource != CONVERSIONS:
        raise errors.UnknownId(field="ID", rule="known")
    return found


async def promise(stack: Stack, ctx: Context, message: Message, id_: str) -> None:
    """The provider fulfils: from now on the conversion ends with its transfer, and the provider cannot go back.

    Raises UnknownId, BadFulfilment, Expired (laws 3, 4, 6 and 9).
    """
    said = wire.read(message.body, wire.ConversionAnswer)
    if said.conversion_state not in ("RESERVED", "COMMITTED") or not said.fulfilment:
        rule = "RESERVED with a fulfilment; a refusal goes to /error"
        raise errors.BadSyntax("A conversion is answered with its fulfilment.", field="conversionState", rule=rule)
    policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    found, book = await _found(stack, id_), await roll.of(stack)
    if message.source != found.payee:
        raise errors.UnknownId(field="ID", rule="own")
    rules.fulfils(said.fulfilment, found.condition)
    if found.fulfilment:
        return  # it was answered before, with the same fulfilment
    if found.state is not State.RESERVED or found.expires_at <= clock.now():
        raise errors.Expired(field="expiration", rule="in-time")
    promised = replace(found, fulfilment=said.fulfilment)
    letters = [sending.passed(book, message, found.payer, clock.now() + sending.SURELY, found.id)]
    slip = desk.Slip(moving.record("promised", promised), promised=promised, letters=letters)
    if await desk.of(stack).keep(slip):
        post.of(stack).send(letters)


async def refuse(stack: Stack, ctx: Context, message: Message, id_: str) -> None:
    """The provider does not convert: free what was reserved for it. Raises UnknownId, Expired after its promise."""
    wire.read(message.body, wire.ErrorBody)
    permit = policy.decide(ctx, "payments.switch-transfer", policy.NOBODY)
    found, book = await _found(stack, id_), await roll.of(stack)
    if message.source != found.payee:
        raise errors.UnknownId(field="ID", rule="own")
    if found.state is State.ABORTED:
        return
    if found.state is State.COMMITTED or found.fulfilment:
        raise errors.Expired("It was promised.", field="ID", rule="reserved")
    letter = sending.passed(book, message, found.payer, clock.now() + sending.SURELY, found.id)
    await moving.end(stack, permit, found, [letter], State.ABORTED)


def verb(method: str, rest: list[str]):
    """What a message about fxTransfers asks for; None where FSPIOP has nothing there."""
    failure = rest[1:] == ["error"]
    if method == "POST" and not rest:
        return order
    if method == "GET" and len(rest) == 1:
        return lambda s, c, m: moving.tell(s, c, m, rest[0], CONVERSIONS)
    if method == "PUT" and rest and (failure or len(rest) == 1):
        does = refuse if failure else promise
        return lambda s, c, m: does(s, c, m, rest[0])
    return None
