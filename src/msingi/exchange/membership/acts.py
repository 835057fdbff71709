"""Verbs of membership: joining, standing, keys, services by their descriptions, and requests for rights."""

from datetime import datetime
from uuid import UUID

from msingi.exchange import store as exchange
from msingi.exchange.errors import InstitutionExists, InstitutionUnknown, OfferUnknown
from msingi.exchange.governance import checked_key
from msingi.exchange.membership import rules, store, wire
from msingi.exchange.membership.errors import AlreadyDecided, ApplicationUnknown, KeyNotOwn
from msingi.exchange.membership.model import (
    Application,
    ApplicationShown,
    ApplyOrder,
    AskRight,
    Change,
    OfferOrder,
    RightAsked,
    State,
)
from msingi.exchange.model import Institution, InstitutionId, Key, Offer, Right, Standing, Subsystem, SubsystemId
from msingi.exchange.rules import institution_named, member_parts
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import TooMany
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack

MOST_WAITING = 500


async def apply(stack: Stack, ctx: Context, order: ApplyOrder, *, proved: bool) -> Application:
    """Ask for an institution to join; it waits for the authority (law 1). The same key asks once.

    Raises BadCall, BadKey, InstitutionExists, TooMany while very many wait.
    """
    permit = policy.decide(ctx, "exchange.apply", policy.NOBODY)
    subsystem = rules.checked(order)
    key = checked_key(order.key, subsystem, ctx)
    made = Application(
        uuid7(), order.institution, order.member_class, order.name, order.contact.strip(), order.subsystem, key.kid,
        key.x, order.law.strip(), proved, State.WAITING, "", ctx.at,
    )  # fmt: skip
    async with stack.db.transaction(permit) as tx:
        again = await store.same_waiting(tx, key.kid)
        known = await exchange.institution_by_id(tx, order.institution)
        if known is not None or (again is None and await exchange.key_by_kid(tx, key.kid) is not None):
            raise InstitutionExists("a member has this code, or this key")
        if again is None:
            if await store.waiting(tx) >= MOST_WAITING:
                raise TooMany(retry_after_s=3600)
            await store.put_application(tx, made)
        found = made if again is None else await store.application(tx, again)
        log.append(tx, permit, detail={"institution": order.institution, "key": key.kid, "proved": proved})
    assert found is not None
    return found


async def application(stack: Stack, number: UUID) -> ApplicationShown:
    """How an application stands, for whoever knows its number; public. Raises ApplicationUnknown."""
    async with stack.db.reading("exchange") as tx:
        found = await store.application(tx, number)
    if found is None:
        raise ApplicationUnknown()
    client = f"{stack.profile.alpha2}/{found.member_class}/{found.institution}/{found.subsystem}"
    return ApplicationShown(
        number, found.institution, found.kid, found.proved, found.state, found.because, client
    )  # fmt: skip


async def applications(
    stack: Stack, ctx: Context, state: State = State.WAITING, after: UUID | None = None, limit: int = 50
) -> list[Application]:
    """Who asks to join, oldest first."""
    permit = policy.decide(ctx, "exchange.applications", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.applications(tx, state, after, limit)
        log.append(tx, permit, detail={"shown": len(found)})
    return found


async def admit_member(stack: Stack, ctx: Context, number: UUID) -> Institution:
    """Let an institution join: from now on its software may ask, for what it has a right to (law 2).

    Raises ApplicationUnknown, AlreadyDecided, InstitutionExists.
    """
    permit = policy.decide(ctx, "exchange.admit_member", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        asked = await _locked(tx, number)
        now = rules.decided(asked, State.APPROVED, "", ctx.at)
        name = f"{asked.member_class}/{asked.institution}/{asked.subsystem}"
        made = Institution(
            InstitutionId(asked.institution), asked.member_class, asked.name, Standing.ACTIVE, asked.contact, ctx.at
        )
        software = Subsystem(SubsystemId(name), asked.subsystem, ctx.at)
        key = Key(asked.kid, software.subsystem, asked.x, True, ctx.at)
        fresh = await exchange.put_institution(tx, made)
        if not fresh or not await exchange.put_subsystem(tx, software, made.institution):
            raise InstitutionExists()
        if not await exchange.put_key(tx, key):
            raise InstitutionExists("another member holds this key")
        await store.decide_application(tx, now)
        await _change(tx, ctx, made.institution, Standing.ACTIVE, "joined")
        log.append(tx, permit, detail={"institution": made.institution, "key": key.kid, "proved": asked.proved})
    return made


async def decline_member(stack: Stack, ctx: Context, number: UUID, because: str) -> None:
    """Refuse an application, with the reason that the institution reads (law 2).

    Raises ReasonMissing, ApplicationUnknown, AlreadyDecided.
    """
    permit = policy.decide(ctx, "exchange.decline_member", policy.NOBODY)
    told = rules.reason(because)
    async with stack.db.transaction(permit) as tx:
        asked = await _locked(tx, number)
        await store.decide_application(tx, rules.decided(asked, State.DECLINED, told, ctx.at))
        log.append(tx, permit, detail={"institution": asked.institution, "because": told})


async def _locked(tx: Tx, number: UUID) -> Application:
    found = await store.application(tx, number, lock=True)
    if found is None:
        raise ApplicationUnknown()
    return found


async def _change(tx: Tx, ctx: Context, institution: str, standing: Standing, because: str) -> None:
    made = Change(institution, ctx.at, standing, because, ctx.actor.institution)
    await store.put_change(tx, made, ctx.actor.id)


async def suspend_member(stack: Stack, ctx: Context, institution: str, because: str) -> Institution:
    """Refuse every message of an institution from now on, for a public reason; one person is enough (law 2).

    Raises ReasonMissing, InstitutionUnknown, AlreadyDecided.
    """
    permit = policy.decide(ctx, "exchange.suspend_member", policy.NOBODY)
    told = rules.reason(because)
    async with stack.db.transaction(permit) as tx:
        if (await _member(tx, institution)).standing is Standing.SUSPENDED:
            raise AlreadyDecided("it is suspended")
        await exchange.set_standing(tx, institution, Standing.SUSPENDED)
        await _change(tx, ctx, institution, Standing.SUSPENDED, told)
        log.append(tx, permit, detail={"institution": institution, "because": told})
        return await _member(tx, institution)


async def reinstate_member(stack: Stack, ctx: Context, institution: str, because: str) -> Institution:
    """Let a suspended institution ask and answer again; not by the person who suspended it (laws 2, 3).

    Raises ReasonMissing, InstitutionUnknown, SecondEyes, AlreadyDecided.
    """
    permit = policy.decide(ctx, "exchange.reinstate_member", policy.NOBODY)
    told = rules.reason(because)
    async with stack.db.transaction(permit) as tx:
        if (await _member(tx, institution)).standing is Standing.ACTIVE:
            raise AlreadyDecided("it is active")
        last = await store.changes(tx, institution, 1)
        rules.reinstatable(last[0][1] if last and last[0][0].standing is Standing.SUSPENDED else "", ctx.actor.id)
        await exchange.set_standing(tx, institution, Standing.ACTIVE)
        await _change(tx, ctx, institution, Standing.ACTIVE, told)
        log.append(tx, permit, detail={"institution": institution, "because": told})
        return await _member(tx, institution)


async def _member(tx: Tx, institution: str) -> Institution:
    found = await exchange.institution_by_id(tx, institution)
    if found is None:
        raise InstitutionUnknown()
    return found


async def roll_key(stack: Stack, ctx: Context, jwk: dict[str, str]) -> Key:
    """Add a key to the software that signed this request with a key still active (law 4).

    Raises KeyNotOwn, BadKey, InstitutionExists for a known key.
    """
    own = _own_software(ctx)
    permit = policy.decide(ctx, "exchange.roll_key", policy.NOBODY, own_subsystem=own)
    key = checked_key(jwk, ctx.actor.id, ctx)
    async with stack.db.transaction(permit) as tx:
        if not await exchange.put_key(tx, key):
            raise InstitutionExists("this key is known")
        log.append(tx, permit, detail={"subsystem": ctx.actor.id, "key": key.kid})
    return key


async def stop_own_key(stack: Stack, ctx: Context, kid: str) -> None:
    """Stop an older key of the software that signed this request (law 4). Raises KeyNotOwn."""
    own = _own_software(ctx)
    permit = policy.decide(ctx, "exchange.stop_own_key", policy.NOBODY, own_subsystem=own)
    async with stack.db.transaction(permit) as tx:
        held = await exchange.key_by_kid(tx, kid)
        if held is None or held.key.subsystem != ctx.actor.id:
            raise KeyNotOwn()
        await exchange.stop_key(tx, kid)
        log.append(tx, permit, detail={"subsystem": ctx.actor.id, "key": kid})


def _own_software(ctx: Context) -> bool:
    """Whether the actor is software that signed its request: its id is then a subsystem of its institution."""
    named = ctx.actor.kind == "client" and ctx.actor.id.count("/") in (2, 3)
    return named and institution_named(ctx.actor.id) == ctx.actor.institution


def _own(ctx: Context, subsystem: str, name: str) -> dict[str, bool]:
    """Whether a subsystem is the actor itself, and whether it is of the actor's institution. Raises BadCall."""
    institution = institution_named(subsystem) if name == "client" else member_parts(subsystem, 3, name)[1]
    itself = _own_software(ctx) and ctx.actor.id == subsystem
    return {"own_subsystem": itself, "own_institution": institution == ctx.actor.institution}


async def describe_offer(stack: Stack, ctx: Context, order: OfferOrder) -> Offer:
    """Offer a service by its OpenAPI description, or describe it anew.

    Raises DescriptionWrong naming the place, BadCall, AddressNotNamed, InstitutionUnknown, InstitutionExists for
    another's code.
    """
    permit = policy.decide(ctx, "exchange.describe_offer", policy.NOBODY, **_own(ctx, order.owner, "owner"))
    offer = rules.offer_of(order, wire.description(order.openapi))
    if "governing-authority" not in ctx.actor.roles:
        rules.address_named(offer.url, stack.settings.service_hosts.split(","))
    async with stack.db.transaction(permit) as tx:
        if await exchange.institution_of(tx, order.owner) is None:
            raise InstitutionUnknown("the owner's software is not registered")
        if not await exchange.put_offer(tx, offer):
            raise InstitutionExists("another owner offers a service of this code")
        what = {"service": offer.service, "owner": offer.owner, "fields": " ".join(offer.fields)}
        log.append(tx, permit, detail=what)
    stack.local.pop("exchange.about", None)
    stack.local.pop("exchange.book", None)
    return offer


async def ask_right(stack: Stack, ctx: Context, order: AskRight, owner: str = "") -> RightAsked:
    """Ask the owner of a service for a right (law 5); `owner` is whose the asker says it is.

    Raises OfferUnknown, InstitutionUnknown, RightExceedsOffer.
    """
    permit = policy.decide(ctx, "exchange.ask_right", policy.NOBODY, **_own(ctx, order.client, "client"))
    async with stack.db.transaction(permit) as tx:
        offer = await exchange.offer_by_code(tx, order.service)
        if offer is None or not offer.active or owner not in ("", offer.owner):
            raise OfferUnknown()
        if await exchange.institution_of(tx, order.client) is None:
            raise InstitutionUnknown("this software is not registered")
        rules.check_ask(order, offer)
        made = RightAsked(uuid7(), order, offer.owner, ctx.actor.id, ctx.at, State.WAITING, "")
        await store.put_request(tx, made)
        log.append(tx, permit, detail={"service": order.service, "client": order.client, "for": order.purpose})
    return made


async def decide_right(
    stack: Stack, ctx: Context, number: UUID, yes: bool, because: str, fields: tuple[str, ...] = ()
) -> RightAsked:
    """Grant what was asked, or less of it (`fields`), until its day; or refuse it, with a reason (laws 3, 5).

    Raises ApplicationUnknown, AlreadyDecided, SecondEyes, ReasonMissing, RightExceedsOffer, BadCall.
    """
    seen = await request(stack, number)
    owner = institution_named(seen.owner) if seen else ""
    permit = policy.decide(ctx, "exchange.decide_right", policy.NOBODY, own_institution=owner == ctx.actor.institution)
    told = rules.reason(because) if not yes or because.strip() else ""
    async with stack.db.transaction(permit) as tx:
        asked = await store.request(tx, number)
        if asked is None:
            raise ApplicationUnknown()
        now = rules.answered(asked, yes, told, ctx.actor.id, ctx.at, fields)
        if yes:
            await _grant(tx, now)
        await store.decide_request(tx, now)
        what = {"service": now.order.service, "client": now.order.client, "for": now.order.purpose}
        log.append(tx, permit, detail=what | {"granted": yes, "because": told, "law": now.order.law})
    stack.local.pop("exchange.book", None)
    return now


async def _grant(tx: Tx, now: RightAsked) -> None:
    offer = await exchange.offer_by_code(tx, now.order.service)
    if offer is None:
        raise OfferUnknown()
    order = rules.right_of(now.order, now.until)
    rules.check_ask(now.order, offer)
    made = Right(
        order.client, order.service, order.purpose, order.basis, order.law, order.fields, order.endpoints,
        order.by_number, 1, order.until,
    )  # fmt: skip
    await exchange.put_right(tx, made)


# What everybody may see: it says nothing about people.


async def rights(
    stack: Stack, service: str = "", institution: str = "", after: str = "", limit: int = 50, at: datetime | None = None
) -> list[tuple[Right, str]]:
    """Who may ask what of whom, for which purpose and on which law, until when; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.rights(tx, at or clock.now(), service, institution, after, limit)


async def requests(
    stack: Stack, institution: str = "", state: str = "", before: UUID | None = None, limit: int = 50
) -> list[RightAsked]:
    """Requests for rights and what became of them, newest first; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.requests(tx, institution, state, before, limit)


async def request(stack: Stack, number: UUID) -> RightAsked | None:
    """One request for a right and what became of it; public."""
    async with stack.db.reading("exchange") as tx:
        found = await store.requests(tx, "", "", UUID(int=number.int + 1), 1)
    return found[0] if found and found[0].request == number else None


async def changes(stack: Stack, institution: str, limit: int = 50) -> list[Change]:
    """How an institution's standing changed, and why; public."""
    async with stack.db.reading("exchange") as tx:
        return [change for change, _ in await store.changes(tx, institution, limit)]


async def software(stack: Stack, institution: str) -> tuple[list[Subsystem], list[Key]]:
    """An institution's software and its public keys; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.subsystems(tx, institution), await store.keys(tx, institution)
