"""One message at the door of the switch: whose it is, what it asks for, and who answers for it."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec

from msingi.kernel import clock
from msingi.kernel.context import ANYBODY, Actor, Context, Kind
from msingi.kernel.errors import Refusal, TooLarge
from msingi.kernel.ids import token
from msingi.kernel.settings import LOOPBACK
from msingi.kernel.stack import Stack
from msingi.payments.switch import (
    conversions,
    desk,
    errors,
    iso,
    jws,
    moving,
    post,
    recalling,
    roll,
    rules,
    sending,
    talking,
    wire,
)
from msingi.payments.switch.model import Fsp, Message
from msingi.payments.switch.roll import Roll

logger = logging.getLogger("msingi.switch")
CHANNEL = "fspiop"
RESOURCES = (
    *("parties", "participants", "quotes", "transfers", "bulkQuotes", "bulkTransfers"),
    *("transactionRequests", "authorizations", "transactions", *rules.CONVERSION, rules.RECALLS),
)
Verb = Callable[[Stack, Context, Message], Awaitable[None]]


def recognise(stack: Stack, book: Roll, message: Message) -> Fsp:
    """The participant that sent a message, proved.

    1. It names an active participant as its source. 2. A signature, where there is one, is that participant's key's.
    3. Without one only a request to read counts, with the participant's token. Raises UnknownFsp, BadSignature,
    NotTheSource (law 6).
    """
    if not message.source:
        raise errors.MissingElement("The header FSPIOP-Source is missing.", field="FSPIOP-Source", rule="required")
    fsp = book.active(message.source, "FSPIOP-Source")
    if "fspiop-signature" in message.headers:
        uri = urlsplit(message.path).path
        jws.verify(fsp.key, message.headers, message.method, uri, message.body)
        return fsp
    sandbox = stack.settings.sandbox and stack.settings.host in LOOPBACK
    if book.trusts_network(fsp, sandbox):
        return fsp
    shown = message.headers.get("authorization", "").removeprefix("Bearer ")
    if message.method != "GET" or not book.knows_token(fsp.fsp, shown):
        raise errors.NotTheSource(field="FSPIOP-Signature", rule="signature")
    return fsp


def context_of(fsp: Fsp) -> Context:
    """The circumstances of a participant's message: it pays for its customers, by contract."""
    actor = Actor(Kind.CLIENT, fsp.fsp, fsp.institution, frozenset({"switch-participant"}), 1, fsp.name)
    return Context(actor, "payment", "contract", token(9), clock.now(), CHANNEL)


def checked(message: Message) -> tuple[str, str]:
    """Flavour and version of a message with the headers that FSPIOP requires.

    Raises BadSyntax, MissingElement, BadVersion, TooLarge.
    """
    if len(message.body) > wire.MAX_BODY_BYTES:
        raise TooLarge(limit_bytes=wire.MAX_BODY_BYTES)
    resource = message.path.split("/")[1].split("?")[0]
    if "content-type" not in message.headers:
        raise errors.MissingElement("The header Content-Type is missing.", field="Content-Type", rule="required")
    flavour, version = rules.content_type(message.headers["content-type"], resource)
    rules.dated(message.headers)
    if message.method in ("GET", "POST"):
        if "accept" not in message.headers:
            raise errors.MissingElement("The header Accept is missing.", field="Accept", rule="required")
        version = rules.accepted(message.headers["accept"], resource)
    return flavour, version


def outside() -> Context:
    """The circumstances of a message whose sender is not proved yet."""
    return Context(ANYBODY, "payment", "contract", token(9), clock.now(), CHANNEL)


async def take(stack: Stack, ctx: Context, message: Message) -> int:
    """Take a message at a door that has only moved its bytes; the HTTP status to answer. See `receive`."""
    return await receive(stack, message)


async def public_keys(stack: Stack, ctx: Context) -> dict[str, str]:
    """The public key of each participant and of the hub, in PEM; public."""
    return {name: fsp.key for name, fsp in (await roll.of(stack)).fsps.items()}


async def receive(stack: Stack, message: Message) -> int:
    """Take a message; the HTTP status to answer. What it causes reaches participants as their callbacks.

    What is wrong with the form or the sender of a message, and with an answer, is refused at once; what becomes of a
    request that was well formed is told as an error callback.
    """
    flavour, version = checked(message)
    book = await roll.of(stack)
    fsp = recognise(stack, book, message)
    ctx = context_of(fsp)
    asks = message.method in ("GET", "POST", "DELETE")
    try:
        await _verb(message, flavour)(stack, ctx, message)
    except errors.BadSyntax:
        raise
    except Refusal as refused:
        if not asks or isinstance(refused, errors.TooOften):
            raise
        await _fail(stack, book, ctx, message, refused, version)
    return 202 if asks else 200


async def _fail(stack: Stack, book: Roll, ctx: Context, message: Message, refused: Refusal, version: str) -> None:
    """Tell a refusal to the sender of a request, as its callback."""
    path = urlsplit(message.path).path
    if message.method == "POST" and path.count("/") == 1:
        members = msgspec.json.decode(message.body)
        path += "/" + str(next((members[k] for k in _IDS if k in members), iso.id_of(members)))
    letter = sending.error(book, message.source, path, wire.refused(refused), version)
    await desk.of(stack).keep(desk.Slip(talking.record(ctx, message, "payments.switch-refused"), letters=(letter,)))
    post.of(stack).send([letter])
    logger.info("refused", extra={"code": refused.code})


_IDS = (
    *("quoteId", "transferId", "bulkQuoteId", "bulkTransferId", "transactionRequestId", "requestId"),
    *("conversionRequestId", "commitRequestId"),
)


def _verb(message: Message, flavour: str) -> Verb:
    """What a message asks for. Raises BadSyntax where FSPIOP has nothing there."""
    pieces = urlsplit(message.path).path.split("/")[1:]
    resource, rest, method = pieces[0], pieces[1:], message.method
    failure = bool(rest) and rest[-1] == "error"
    if resource == "parties":
        if method == "GET":
            return talking.look_up
        if method == "PUT":
            return lambda s, c, m: talking.party_answer(s, c, m, failure=failure)
    elif resource == "participants" and len(rest) in (2, 3):
        found = {"GET": talking.who_keeps, "POST": talking.register_party, "DELETE": talking.drop_party}.get(method)
        if found is not None:
            return found
    elif resource in ("transfers", "bulkTransfers"):
        return _transfer_verb(method, resource, rest, failure, flavour)
    elif resource == "services" and method == "GET" and rest:
        return conversions.who_converts
    elif resource == conversions.CONVERSIONS:
        found = conversions.verb(method, rest)
        if found is not None:
            return found
    elif resource in talking.ANSWERS:
        if method == "POST" and not rest and resource == rules.RECALLS:
            return recalling.ask
        if method == "POST" and not rest:
            return conversions.quote if resource == conversions.QUOTES else _ask(resource, flavour)
        if method == "GET" and len(rest) == 1:
            return lambda s, c, m: talking.question(s, c, m, resource, rest[0])
        if method == "PUT" and rest and resource == rules.RECALLS:
            return lambda s, c, m: recalling.answer(s, c, m, rest[0], failure=failure)
        if method == "PUT" and rest:
            return lambda s, c, m: talking.answer(s, c, m, resource, rest[0], failure=failure)
    raise errors.BadSyntax("FSPIOP has no such request.", field="FSPIOP-URI", rule="api-definition-1.1")


def _transfer_verb(method: str, resource: str, rest: list[str], failure: bool, flavour: str) -> Verb:
    if method == "POST" and not rest:
        return lambda s, c, m: moving.prepare(s, c, m, _wanted(m, resource, flavour), resource)
    if method == "GET" and len(rest) == 1:
        return lambda s, c, m: moving.tell(s, c, m, rest[0], resource)
    if method == "PUT" and len(rest) == 2 and failure:
        return lambda s, c, m: _aborted(s, c, m, rest[0], resource, flavour)
    if method == "PUT" and len(rest) == 1:
        return lambda s, c, m: _fulfilled(s, c, m, rest[0], resource, flavour)
    raise errors.BadSyntax("FSPIOP has no such request.", field="FSPIOP-URI", rule="api-definition-1.1")


def _wanted(message: Message, resource: str, flavour: str) -> wire.Wanted:
    """What a request to transfer says. Raises BadSyntax."""
    if flavour == "iso20022":
        return iso.wanted(message, resource)
    if resource == "bulkTransfers":
        bulk = wire.read(message.body, wire.BulkRequest)
        parts = bulk.individual_transfers
        if len({part.transfer_amount.currency for part in parts}) != 1:
            raise errors.BadSyntax("A bulk is in one currency.", field="transferAmount", rule="one-currency")
        return wire.Wanted(
            *(bulk.bulk_transfer_id, bulk.payer_fsp, bulk.payee_fsp, parts[0].transfer_amount.currency),
            *(tuple(part.transfer_amount.amount for part in parts), "", bulk.expiration),
            *(tuple(part.transfer_id for part in parts), tuple(part.condition for part in parts)),
        )
    one = wire.read(message.body, wire.TransferRequest)
    return wire.Wanted(
        *(one.transfer_id, one.payer_fsp, one.payee_fsp, one.amount.currency, (one.amount.amount,)),
        *(one.condition, one.expiration),
    )


async def _fulfilled(stack: Stack, ctx: Context, message: Message, id_: str, resource: str, flavour: str) -> None:
    if resource == "bulkTransfers":
        bulk = wire.read(message.body, wire.BulkAnswer)
        if bulk.bulk_transfer_state not in ("COMPLETED", "REJECTED"):
            return await moving.progress(stack, ctx, message, id_, resource)
        paid = {r.transfer_id: r.fulfilment for r in bulk.individual_transfer_results if r.fulfilment}
        if bulk.bulk_transfer_state == "REJECTED":
            paid = {}
        return await moving.fulfil(stack, ctx, message, id_, resource, paid, True)
    state, fulfilment = iso.fulfilment(message) if flavour == "iso20022" else _state(message)
    if state not in ("COMMITTED", "RESERVED") or not fulfilment:
        rule = "COMMITTED or RESERVED with a fulfilment; a refusal goes to /error"
        raise errors.BadSyntax("A transfer is answered with its fulfilment.", field="transferState", rule=rule)
    return await moving.fulfil(stack, ctx, message, id_, resource, fulfilment, state == "COMMITTED")


def _state(message: Message) -> tuple[str, str]:
    one = wire.read(message.body, wire.TransferAnswer)
    return one.transfer_state, one.fulfilment or ""


async def _aborted(stack: Stack, ctx: Context, message: Message, id_: str, resource: str, flavour: str) -> None:
    if flavour == "fspiop":
        wire.read(message.body, wire.ErrorBody)
    await moving.abort(stack, ctx, message, id_, resource)


def _ask(resource: str, flavour: str) -> Verb:
    """A request that is passed on, with the id and the destination that its body names."""

    async def verb(stack: Stack, ctx: Context, message: Message) -> None:
        id_, to = iso.quote(message) if flavour == "iso20022" else _addressed(resource, message)
        destination = message.destination if message.destination != roll.HUB else ""
        await talking.ask(stack, ctx, message, resource, id_, destination or to)

    return verb


def _addressed(resource: str, message: Message) -> tuple[str, str]:
    """The id of a request, and whom its body names; empty where only the header does. Raises BadSyntax."""
    if resource == "quotes":
        quote = wire.read(message.body, wire.QuoteRequest)
        payer = quote.payer.party_id_info.fsp_id
        if payer and payer != message.source:
            raise errors.BadSyntax("The payer is the source's customer.", field="payer", rule="fspId=FSPIOP-Source")
        return quote.quote_id, quote.payee.party_id_info.fsp_id or ""
    if resource == "bulkQuotes":
        return wire.read(message.body, wire.BulkQuoteRequest).bulk_quote_id, ""
    if resource == "transactionRequests":
        wanted = wire.read(message.body, wire.RequestToPay)
        return wanted.transaction_request_id, wanted.payer.fsp_id or ""
    raise errors.BadSyntax("This resource is not created.", field="FSPIOP-URI", rule="api-definition-1.1")
