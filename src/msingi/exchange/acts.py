"""Verbs of the exchange: deciding and answering messages, recognising software, and the public catalogue."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from msingi.exchange import forward, registry, rules, store
from msingi.exchange.decisions import CHANNEL, Yes, client_actor, docket
from msingi.exchange.errors import (
    AnswerFailed,
    InstitutionUnknown,
    MessageSeen,
    MessageTooLarge,
    NotStanding,
    OfferUnknown,
)
from msingi.exchange.governance import add_key as add_key
from msingi.exchange.governance import add_subsystem as add_subsystem
from msingi.exchange.governance import approve as approve
from msingi.exchange.governance import end_right as end_right
from msingi.exchange.governance import grant_right as grant_right
from msingi.exchange.governance import join_institution as join_institution
from msingi.exchange.governance import publish_offer as publish_offer
from msingi.exchange.governance import publish_registered as publish_registered
from msingi.exchange.governance import stop_key as stop_key
from msingi.exchange.governance import suspend as suspend
from msingi.exchange.model import Call, Caller, Institution, Offer, Released, Right, Standing, SubsystemId
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context
from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack

MOST_ROOM_BYTES = 32 * 1024 * 1024


async def ask(stack: Stack, caller: Caller, call: Call) -> Released:
    """Decide a message, record the decision, and if it is yes ask the service: what may leave (laws 1 to 6).

    Raises ExchangeRefusal, ConsentMissing or NotPermitted, each recorded before it is told; what the service itself
    refuses is passed on as it is. Raises AnswerFailed when the service breaks.
    """
    yes = await docket(stack).decide(caller, call)
    if yes.granted.offer.url:
        return await forward.released(stack, call, yes)
    return await _released(stack, call, yes)


async def _released(stack: Stack, call: Call, yes: Yes) -> Released:
    """Ask a room of this stack, and let out the granted fields of what it says (law 2)."""
    handler, granted, ctx = registry.handler_of(call.service), yes.granted, yes.ctx
    if handler is None:
        raise AnswerFailed("the service is not answered by this program")
    try:
        values = await handler(
            stack, ctx, yes.person_id, method=call.method, path=call.path, query=call.query, body=await _whole(call),
            fields=granted.sources,
        )  # fmt: skip
    except Refusal as own:
        told = msgspec.json.encode(own.problem(call.message_id))
        return Released(own.status, told, "application/problem+json", yes.record_id, ctx.consent)
    kept, media_type = rules.answered(values, granted, clock.today()), "application/json"
    if granted.offer.document:
        kept, media_type = kept.get(granted.offer.document), granted.offer.media_type
    return Released(200, msgspec.json.encode(kept), media_type, yes.record_id, ctx.consent)


async def _whole(call: Call) -> bytes:
    """The body of a call to a room of this stack, which takes it in one piece. Raises MessageTooLarge."""
    if call.inflow is None:
        return call.body
    held, size = [call.body], len(call.body)
    async for chunk in call.inflow:
        held.append(chunk)
        size += len(chunk)
        if size > MOST_ROOM_BYTES:
            raise MessageTooLarge(limit_bytes=MOST_ROOM_BYTES)
    return b"".join(held)


async def about_person(stack: Stack, service: str) -> bool:
    """Whether the first segment after a service names a person; so for unknown ones, to record whom they meant."""
    shelf = stack.local.setdefault("exchange.about", {})
    assert isinstance(shelf, dict)
    if service not in shelf:
        async with stack.db.reading("exchange") as tx:
            found = await store.offer_by_code(tx, service)
        if found is None:
            return True
        shelf[service] = found.about_person
    return shelf[service]


async def caller_of(stack: Stack, kid: str) -> tuple[Caller, str] | None:
    """Whose key this is, with the key's JWK member `x`; None for an unknown one."""
    async with stack.db.reading("exchange") as tx:
        held = await store.key_by_kid(tx, kid)
    if held is None:
        return None
    return Caller(held.institution, held.key.subsystem, held.name, kid), held.key.x


async def admit(stack: Stack, caller: Caller, message_id: UUID) -> Actor:
    """Recognise the software that signed a message to another door than the exchange's own (laws 1, 4).

    Raises NotStanding, MessageSeen.
    """
    actor = client_actor(caller)
    ctx = Context(actor, "data-exchange", "legal-obligation", str(message_id), clock.now(), CHANNEL)
    permit = policy.decide(ctx, "exchange.admit", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held = await store.key_by_kid(tx, caller.kid)
        if held is None or not held.key.active or held.standing is not Standing.ACTIVE:
            raise NotStanding("the institution, its subsystem or this key is not active")
        shown = await store.key_by_kid(tx, caller.tls_kid) if caller.tls_kid else held
        if shown is None or not shown.key.active:
            raise NotStanding("the key of this connection's certificate is not active")
        if not await store.claim_message(tx, caller.subsystem, message_id, ctx.at):
            raise MessageSeen()
        log.append(tx, permit, detail={"subsystem": caller.subsystem, "key": caller.kid})
    return actor


async def forget_messages(stack: Stack, ctx: Context, older_than_s: int) -> int:
    """Forget message ids that are too old to be accepted again; how many."""
    permit = policy.decide(ctx, "exchange.forget_messages", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        before = datetime.fromtimestamp(ctx.at.timestamp() - older_than_s, UTC)
        gone = await store.forget_messages(tx, before)
        log.append(tx, permit, detail={"count": gone})
    return gone


# The public catalogue: no permit, because it holds nothing about people.


async def institutions(stack: Stack, after: str = "", limit: int = 50) -> list[Institution]:
    """Members by code, with their standing; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.institutions_after(tx, after, limit)


async def institution(stack: Stack, code: str) -> Institution:
    """One member; public. Raises InstitutionUnknown."""
    async with stack.db.reading("exchange") as tx:
        found = await store.institution_by_id(tx, code)
    if found is None:
        raise InstitutionUnknown()
    return found


async def catalogue(stack: Stack, after: str = "", limit: int = 50, owner: str = "", words: str = "") -> list[Offer]:
    """Services by code, of an owner, or holding words; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.offers_after(tx, after, limit, owner, words)


async def offer(stack: Stack, service: str) -> Offer:
    """One service; public. Raises OfferUnknown."""
    async with stack.db.reading("exchange") as tx:
        found = await store.offer_by_code(tx, service)
    if found is None:
        raise OfferUnknown()
    return found


async def code_of(stack: Stack, owner: str, name: str) -> str:
    """Our code of the service that an owner's clients know as `name`; `name` itself where there is no other."""
    aliases = stack.local.setdefault("exchange.aliases", {})
    assert isinstance(aliases, dict)
    if (owner, name) not in aliases:
        async with stack.db.reading("exchange") as tx:
            found = await store.code_by_alias(tx, owner, name)
        if found is None:
            return name
        aliases[owner, name] = found
    return aliases[owner, name]


async def offer_of(stack: Stack, owner: str, service: str) -> Offer:
    """One service of an owner; public. Raises OfferUnknown."""
    found = await offer(stack, await code_of(stack, owner, service))
    if found.owner != owner or not found.active:
        raise OfferUnknown()
    return found


async def rights_of(stack: Stack, client: str, owner: str) -> list[Right]:
    """What a subsystem may ask of an owner's services; public, as rights to people's data should be."""
    async with stack.db.reading("exchange") as tx:
        return await store.rights_of(tx, SubsystemId(client), owner, clock.now())


async def client_list(stack: Stack) -> list[tuple[str, str, dict[str, str], str, str]]:
    """Active members and their software: class, code, name, subsystem id (or empty) and its name; public."""
    async with stack.db.reading("exchange") as tx:
        rows = await store.clients(tx)
    return [
        (r["member_class"], r["institution"], r["name"], r["subsystem"] or "", r["subsystem_name"] or "") for r in rows
    ]
