"""Verbs of the exchange: deciding and answering messages, recognising software, and the public catalogue."""

import time
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from msingi.consent import acts as consents
from msingi.consent.errors import ConsentMissing
from msingi.exchange import registry, rules, store
from msingi.exchange.errors import (
    AnswerFailed,
    ExchangeRefusal,
    InstitutionUnknown,
    MessageSeen,
    NoRight,
    NotStanding,
    OfferUnknown,
    PersonUnknown,
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
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.errors import Erased, Malformed, NotPermitted, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

CHANNEL = "exchange"
BOOK_S = 1.0  # how long rights are remembered for choosing one; the decision itself reads them in its transaction
PERSON_TEXT_MOST = 64
UNSTATED = "public-task"  # the basis on which a no is recorded when the message names none and no right says it
Book = tuple[Offer | None, list[Right], float]


def client_actor(caller: Caller) -> Actor:
    """The actor that an institution's software is in every act that it asks for."""
    return Actor(Kind.CLIENT, caller.subsystem, caller.institution, frozenset(), 2, caller.name)


def _context(caller: Caller, call: Call, basis: str, consent: str = "") -> Context:
    return Context(client_actor(caller), call.purpose, basis, call.message_id, clock.now(), CHANNEL, consent)


async def _book(stack: Stack, call: Call, *, fresh: bool = False) -> tuple[Offer | None, list[Right]]:
    """The service and the client's rights to it, remembered for BOOK_S seconds."""
    shelf = stack.local.setdefault("exchange.book", {})
    assert isinstance(shelf, dict)
    key = (call.client, call.service)
    known: Book | None = shelf.get(key)
    if known is None or fresh or known[2] < time.monotonic():
        async with stack.db.reading("exchange") as tx:
            offer = await store.offer_by_code(tx, call.service)
            rights = await store.rights_to(tx, call.client, call.service, clock.now())
        if len(shelf) > 10_000:
            shelf.clear()
        known = shelf[key] = (offer, rights, time.monotonic() + BOOK_S)
    return known[0], known[1]


async def _choose(stack: Stack, call: Call) -> tuple[Offer, Right]:
    """The service and the right on which the call may rest; looks anew before it says no."""
    for fresh in (False, True):
        offer, rights = await _book(stack, call, fresh=fresh)
        if offer is not None and offer.active and offer.owner == call.owner:
            try:
                return offer, rules.choose(rights, call, clock.now())
            except NoRight:
                if fresh:
                    raise
    raise OfferUnknown()


async def _person_named(stack: Stack, caller: Caller, call: Call, basis: str) -> tuple[PersonId | None, bool]:
    """Whom the call names, and whether by number; None when nobody is, or nobody is found."""
    if not call.person or len(call.person) > PERSON_TEXT_MOST:
        return None, False
    try:
        return stack.pseudonym.person(caller.institution, call.person), False
    except Malformed:
        pass
    ctx = _context(caller, call, basis)
    try:
        return await consents.person_by_number(stack, ctx, call.person), True
    except Refusal:  # malformed, unknown or out of use: the asker does not learn which
        return None, True


async def ask(stack: Stack, caller: Caller, call: Call) -> Released:
    """Decide a message, record the decision, and if it is yes ask the service: what may leave (laws 1 to 6).

    Raises ExchangeRefusal, ConsentMissing or NotPermitted, each recorded before it is told; what the service itself
    refuses is passed on as it is. Raises AnswerFailed when the service breaks.
    """
    basis, person_id = call.basis or UNSTATED, None
    try:
        offer, right = await _choose(stack, call)
        basis = right.basis
        person_id, by_number = await _person_named(stack, caller, call, basis)
        if by_number and not right.by_number:
            raise NoRight("this right does not allow naming people by identity number")
        if offer.about_person and person_id is None:
            # Whether a number exists is nobody's business who may only ask with consent.
            raise ConsentMissing() if right.basis == "consent" else PersonUnknown()
        granted, ctx, record_id = await _answerable(stack, caller, call, right, person_id, by_number)
    except (ExchangeRefusal, ConsentMissing, NotPermitted, Erased) as no:
        if person_id is None:
            person_id, _ = await _person_named(stack, caller, call, basis)
        refusal = PersonUnknown() if isinstance(no, Erased) else no
        await _refused(stack, caller, call, basis, person_id, refusal.code)
        raise refusal from None
    return await _released(stack, call, granted, ctx, person_id, record_id)


async def _answerable(
    stack: Stack, caller: Caller, call: Call, right: Right, person_id: PersonId | None, by_number: bool
) -> tuple[rules.Granted, Context, UUID]:
    """The yes, decided on what the database says now and recorded with the person in the same transaction (law 5)."""
    ctx = _context(caller, call, right.basis)
    permit = policy.decide(ctx, "exchange.answered", policy.NOBODY if person_id is None else person_id)
    async with stack.db.transaction(permit) as tx:
        weighed = await store.scales(
            tx, call.client, UUID(call.message_id), ctx.at, call.kid, call.service, call.purpose, right.basis
        )
        if not weighed.fresh:
            raise MessageSeen()
        granted = rules.decide(
            call, weighed.standing, weighed.key_active, weighed.offer, weighed.right, ctx.at, by_number
        )
        consent = ""
        if granted.needs_consent:
            if person_id is None:
                raise ConsentMissing()
            fields = rules.consent_fields(call.service, granted.fields)
            live = await consents.live_consent(tx, person_id, caller.institution, call.purpose, fields)
            consent = str(live.consent_id)
        what: dict[str, str | int | bool] = {
            "service": call.service, "owner": call.owner, "method": call.method, "law": granted.right.law,
            "fields": " ".join(granted.fields),
        }  # fmt: skip
        if consent:
            what["consent"] = consent
        left = log.append(tx, permit, subject=person_id, detail=what)
    return granted, msgspec.structs.replace(ctx, consent=consent), left.record_id


async def _refused(
    stack: Stack, caller: Caller, call: Call, basis: str, person_id: PersonId | None, reason: str
) -> None:
    """Record a no with the person whom the message named; with nobody when there is no such person (law 5)."""
    ctx = _context(caller, call, basis)
    what: dict[str, str | int | bool] = {
        "service": call.service, "owner": call.owner, "method": call.method, "reason": reason,
    }  # fmt: skip
    permit = policy.decide(ctx, "exchange.refused", policy.NOBODY if person_id is None else person_id)
    try:
        async with stack.db.transaction(permit) as tx:
            await store.claim_message(tx, call.client, UUID(call.message_id), ctx.at)
            log.append(tx, permit, subject=person_id, detail=what)
    except Erased:
        await _refused(stack, caller, call, basis, None, reason)


async def _released(
    stack: Stack, call: Call, granted: rules.Granted, ctx: Context, person_id: PersonId | None, record_id: UUID
) -> Released:
    """Ask the service, and let out the granted fields of what it says (law 2)."""
    handler = registry.handler_of(call.service)
    if handler is None:
        raise AnswerFailed("the service is not answered by this program")
    try:
        values = await handler(
            stack, ctx, person_id, method=call.method, path=call.path, query=call.query, body=call.body,
            fields=granted.fields,
        )  # fmt: skip
    except Refusal as own:
        told = msgspec.json.encode(own.problem(call.message_id))
        return Released(own.status, told, "application/problem+json", record_id, ctx.consent)
    kept = rules.filtered(values, granted.fields)
    media_type = "application/json"
    if granted.document:
        kept, media_type = kept.get(granted.document), granted.media_type
    return Released(200, msgspec.json.encode(kept), media_type, record_id, ctx.consent)


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
