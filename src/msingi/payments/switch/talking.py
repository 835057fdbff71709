"""Requests between participants that move no money: parties, registrations, quotes, requests to pay, authorisations.

The switch checks, remembers who was asked, and passes on byte for byte; only who was asked can answer (law 6).
"""

import time
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.stack import Stack
from msingi.payments.switch import desk, errors, post, roll, rules, sending, store, translating, wire
from msingi.payments.switch.model import Fsp, Message, Talk

ASKED_S = 120.0  # so long an answer about a party is expected
MOST_ASKED = 50_000
RECENT = 20_000
UNKNOWN_PER_WINDOW, WINDOW_S = 60, 60.0
GUESSED = ("quotes", "bulkQuotes", "transactionRequests")  # their refusals say who does not exist
ANSWERS: dict[str, type[Struct]] = {
    "quotes": wire.QuoteAnswer,
    "bulkQuotes": wire.BulkQuoteAnswer,
    "transactionRequests": wire.RequestToPayAnswer,
    "authorizations": wire.AuthorizationAnswer,
    "transactions": Struct,
    "fxQuotes": wire.ConversionQuoteAnswer,
    rules.RECALLS: Struct,
}


class Asked(Struct):
    """In memory: who was asked about which party by whom, and how often a participant asked for nobody."""

    pending: dict[tuple[str, str, str], float]
    misses: dict[str, list[float]]


def _asked(stack: Stack) -> Asked:
    found = stack.local.get("payments.switch.asked")
    if not isinstance(found, Asked):
        found = stack.local["payments.switch.asked"] = Asked({}, {})
    return found


def _misses(stack: Stack, source: str) -> list[float]:
    """When a participant lately asked for nobody, by look-up or by quote. Raises TooOften after too many of these."""
    asked, since = _asked(stack), time.monotonic() - WINDOW_S
    found = asked.misses[source] = [t for t in asked.misses.get(source, []) if t > since]
    if len(found) >= UNKNOWN_PER_WINDOW:
        raise errors.TooOften(retry_after_s=int(WINDOW_S))
    return found


def record(ctx: Context, message: Message, act: str) -> bytes:
    """What the log's batch root covers of a message: who, what, for which purpose, and the hash of its content."""
    return msgspec.json.encode(
        {
            "act": act,
            "actor": ctx.actor.id,
            "purpose": ctx.purpose,
            "basis": ctx.basis,
            "method": message.method,
            "resource": message.path.split("/")[1],
            "hash": rules.content_hash(message.source, message.body).hex(),
        },
        order="sorted",
    )


async def _pass_on(
    stack: Stack, ctx: Context, message: Message, to: Fsp, talk: Talk | None = None, id_: str = ""
) -> bool:
    letter = sending.passed(await roll.of(stack), message, to.fsp, clock.now() + sending.SOON, id_)
    slip = desk.Slip(record(ctx, message, "payments.switch-message"), talk=talk, letters=(letter,))
    kept = await desk.of(stack).keep(slip)
    if kept:
        post.of(stack).send([letter])
    return kept


async def ask(stack: Stack, ctx: Context, message: Message, resource: str, id_: str, to: str) -> None:
    """Pass a request on to the participant that it is for; its answer is expected from nobody else.

    The same request again is passed on again. Raises Modified, UnknownFsp, BadSyntax, TooOften.
    """
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    if resource in GUESSED:
        _misses(stack, message.source)
    book = await roll.of(stack)
    destination = book.active(to, "FSPIOP-Destination")
    if destination.fsp == message.source:
        raise errors.BadSyntax("Nobody asks itself.", field="FSPIOP-Destination", rule="destination!=source")
    hashed = rules.content_hash(message.source, message.body)
    talk = Talk(resource, id_, hashed, message.source, destination.fsp)
    if await _pass_on(stack, ctx, message, destination, talk):
        _known(stack)[resource, id_] = talk
        return
    first = await _talk(stack, resource, id_)
    if first != talk:
        raise errors.Modified(field="ID", rule="same-id-same-content")
    await _pass_on(stack, ctx, message, destination)


def _known(stack: Stack) -> dict[tuple[str, str], Talk]:
    """The newest requests in memory: they never change."""
    found = stack.local.setdefault("payments.switch.talks", {})
    assert isinstance(found, dict)
    if len(found) > RECENT:
        for old in list(found)[: RECENT // 2]:
            del found[old]
    return found


async def _talk(stack: Stack, resource: str, id_: str) -> Talk:
    """A request by its id. Raises UnknownId."""
    found = _known(stack).get((resource, id_))
    if found is None:
        async with stack.db.reading("payments") as tx:
            found = await store.talk(tx, resource, rules.correlation(id_, "ID"))
            if found is None:  # a ULID may be the UUID of a request that came in the other flavour
                found = await store.talk(tx, resource, translating.uuid_of(id_))
    if found is None:
        raise errors.UnknownId(field="ID", rule="known")
    return found


async def answer(stack: Stack, ctx: Context, message: Message, resource: str, id_: str, *, failure: bool) -> None:
    """Pass the answer of whoever was asked on to whoever asked; a failure may also be told the other way.

    Raises UnknownId for an answer that nobody waits for, or of somebody else (law 6).
    """
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    book = await roll.of(stack)
    talk = await _talk(stack, resource, id_)
    other = talk.source if message.source == talk.destination else talk.destination
    if message.source not in (talk.destination, talk.source) or (message.source == talk.source and not failure):
        raise errors.UnknownId(field="ID", rule="asked")
    if message.destination and message.destination != other:
        raise errors.BadSyntax("The answer is for whoever asked.", field="FSPIOP-Destination", rule="destination=asker")
    _readable(message, wire.ErrorBody if failure else ANSWERS[resource])
    if failure and resource in GUESSED and other == talk.source:
        _asked(stack).misses.setdefault(other, []).append(time.monotonic())
    await _pass_on(stack, ctx, message, book.active(other, "FSPIOP-Destination"), id_=talk.id)


def _readable(message: Message, kind: type[Struct]) -> None:
    """Raises BadSyntax unless an answer has the members that FSPIOP asks for; ISO 20022 is passed on as it is."""
    if "iso20022" not in message.headers.get("content-type", ""):
        wire.read(message.body, kind)


async def question(stack: Stack, ctx: Context, message: Message, resource: str, id_: str) -> None:
    """Pass on a GET of one of the two participants to the other. Raises UnknownId."""
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    book = await roll.of(stack)
    if resource in ("authorizations", "transactions"):  # these begin with a GET
        return await ask(stack, ctx, message, resource, rules.correlation(id_, "ID"), message.destination)
    talk = await _talk(stack, resource, id_)
    if message.source not in (talk.source, talk.destination):
        raise errors.UnknownId(field="ID", rule="own")
    other = talk.destination if message.source == talk.source else talk.source
    await _pass_on(stack, ctx, message, book.active(other, "FSPIOP-Destination"), id_=talk.id)
    return None


# Parties and registrations.


def party_path(path: str) -> tuple[str, str, str]:
    """Type, identifier and sub-identifier of a path /parties/... or /participants/...; /error is left out.

    Raises BadSyntax for a type that FSPIOP does not know, or an identifier that is too long.
    """
    pieces = [unquote(piece) for piece in urlsplit(path).path.split("/")[2:]]
    if pieces and pieces[-1] == "error":
        pieces.pop()
    if not 2 <= len(pieces) <= 3 or pieces[0] not in wire.PARTY_TYPES:
        rule = "|".join(wire.PARTY_TYPES)
        raise errors.BadSyntax("A party is named by type and identifier.", field="Type", rule=rule)
    if not all(0 < len(piece) <= 128 and piece.isprintable() for piece in pieces):
        raise errors.BadSyntax("An identifier has 1 to 128 characters.", field="ID", rule="length<=128")
    return pieces[0], pieces[1], pieces[2] if len(pieces) == 3 else ""


def _ref(stack: Stack, path: str) -> bytes:
    return stack.keys.blind("switch/party/" + "\0".join(party_path(path)), "payments")


async def look_up(stack: Stack, ctx: Context, message: Message) -> None:
    """Ask the participant that keeps a party's account about it; our own bank where nobody is registered.

    Raises UnknownParty, UnknownFsp, TooOften after too many look-ups that found nobody.
    """
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    asked, now = _asked(stack), time.monotonic()
    misses = _misses(stack, message.source)
    book = await roll.of(stack)
    ref = _ref(stack, message.path)
    keeper = message.destination if message.destination != roll.HUB else ""
    if not keeper:
        async with stack.db.reading("payments") as tx:
            keeper = await store.party_fsp(tx, ref, _currency(message))
    if not keeper:
        keeper = next((f.fsp for f in book.fsps.values() if f.endpoint == post.INSIDE and f.active), "")
    if not keeper or keeper == message.source:
        misses.append(now)
        raise errors.UnknownParty()
    to = book.active(keeper, "FSPIOP-Destination")
    if len(asked.pending) >= MOST_ASKED:
        asked.pending = {k: t for k, t in asked.pending.items() if t > now}
    asked.pending[to.fsp, message.source, urlsplit(message.path).path] = now + ASKED_S
    await _pass_on(stack, ctx, message, to)


def _currency(message: Message) -> str:
    return parse_qs(urlsplit(message.path).query).get("currency", [""])[0]


async def party_answer(stack: Stack, ctx: Context, message: Message, *, failure: bool) -> None:
    """Pass on what a participant says of a party, to whoever asked it. Raises UnknownId if nobody did (law 6)."""
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    asked, now = _asked(stack), time.monotonic()
    path = message.path.removesuffix("/error") if failure else message.path
    key = (message.source, message.destination, path)
    if asked.pending.get(key, 0.0) < now:
        raise errors.UnknownId(field="ID", rule="asked")
    _readable(message, wire.ErrorBody if failure else wire.PartyAnswer)
    if failure:
        asked.misses.setdefault(message.destination, []).append(now)
    book = await roll.of(stack)
    await _pass_on(stack, ctx, message, book.active(message.destination, "FSPIOP-Destination"))
    asked.pending.pop(key, None)


async def register_party(stack: Stack, ctx: Context, message: Message) -> None:
    """A participant says that it keeps a party's account; it is told back what is registered.

    Raises BadSyntax unless it speaks for itself, Modified if another participant registered the party.
    """
    wanted = wire.read(message.body, wire.Registration)
    if wanted.fsp_id != message.source:
        raise errors.BadSyntax("A participant registers its own parties.", field="fspId", rule="fspId=FSPIOP-Source")
    book = await roll.of(stack)
    currency = wanted.currency or (book.currencies[0].currency if book.currencies else "")
    permit = policy.decide(ctx, "payments.switch-party", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        kept = await store.put_party(tx, _ref(stack, message.path), currency, message.source, ctx.at)
        log.append(tx, permit, detail={"what": "a party registered", "kept": kept})
    if not kept:
        raise errors.Modified("Another participant registered this party.", field="ID", rule="one-participant")
    await _say(stack, ctx, message, {"fspId": message.source})


async def drop_party(stack: Stack, ctx: Context, message: Message) -> None:
    """A participant no longer keeps a party's account. Raises UnknownParty if it does not."""
    book = await roll.of(stack)
    currency = _currency(message) or (book.currencies[0].currency if book.currencies else "")
    permit = policy.decide(ctx, "payments.switch-party", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.drop_party(tx, _ref(stack, message.path), currency, message.source)
        log.append(tx, permit, detail={"what": "a registration ended", "known": gone})
    if not gone:
        raise errors.UnknownParty()
    await _say(stack, ctx, message, {})


async def who_keeps(stack: Stack, ctx: Context, message: Message) -> None:
    """Which participant keeps a party's account. Raises UnknownParty, TooOften."""
    policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    async with stack.db.reading("payments") as tx:
        keeper = await store.party_fsp(tx, _ref(stack, message.path), _currency(message))
    if not keeper:
        _misses(stack, message.source).append(time.monotonic())
        raise errors.UnknownParty()
    await _say(stack, ctx, message, {"fspId": keeper})


async def _say(stack: Stack, ctx: Context, message: Message, body: dict[str, str]) -> None:
    book = await roll.of(stack)
    letter = sending.own(book, message.source, "PUT", urlsplit(message.path).path, body)
    slip = desk.Slip(record(ctx, message, "payments.switch-message"), letters=(letter,))
    await desk.of(stack).keep(slip)
    post.of(stack).send([letter])
