"""Acts of the governing authority and of members: joining, approval, keys, services and rights. Part of the acts."""

import base64
import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from msingi.exchange import registry, rules, store
from msingi.exchange.errors import BadCall, BadKey, InstitutionExists, InstitutionUnknown, NoRight, OfferUnknown
from msingi.exchange.model import (
    Institution,
    JoinOrder,
    Key,
    KeyOrder,
    Offer,
    Right,
    RightOrder,
    Standing,
    Subsystem,
    SubsystemId,
    SubsystemOrder,
)
from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.stack import Stack


def public_key(x: str) -> Ed25519PublicKey:
    """The key of which `x` is the JWK member (RFC 8037 section 2). Raises BadKey."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(x + "=" * (-len(x) % 4)))
    except ValueError:
        raise BadKey() from None


def checked_key(jwk: dict[str, str], subsystem: str, ctx: Context) -> Key:
    """A key from its public JWK, named by its thumbprint (RFC 7638). Raises BadKey, also for a private one."""
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or "x" not in jwk:
        raise BadKey("only Ed25519 keys (RFC 8037) are accepted")
    if "d" in jwk:
        raise BadKey("the private part was sent: this key is burnt, make a new one and keep its private part")
    raw = public_key(jwk["x"]).public_bytes_raw()
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    members = f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()
    kid = base64.urlsafe_b64encode(hashlib.sha256(members).digest()).rstrip(b"=").decode()
    return Key(kid, SubsystemId(subsystem), x, True, ctx.at)


async def join_institution(stack: Stack, ctx: Context, order: JoinOrder) -> Institution:
    """Register an institution with its first subsystem and key; it waits for approval (law 1).

    Raises BadCall, BadKey, InstitutionExists.
    """
    permit = policy.decide(ctx, "exchange.join_institution", policy.NOBODY)
    subsystem = f"{order.member_class}/{order.institution}/{order.subsystem}"
    rules.member_parts(subsystem, 3, "subsystem")
    if not order.name or not order.contact.strip():
        raise BadCall("an institution has a name and a contact", field="name")
    key = checked_key(order.key, subsystem, ctx)
    made = Institution(order.institution, order.member_class, order.name, Standing.PENDING, order.contact, ctx.at)
    async with stack.db.transaction(permit) as tx:
        first = Subsystem(SubsystemId(subsystem), order.subsystem, ctx.at)
        fresh = await store.put_institution(tx, made) and await store.put_subsystem(tx, first, order.institution)
        if not fresh or not await store.put_key(tx, key):
            raise InstitutionExists()
        log.append(tx, permit, detail={"institution": order.institution, "subsystem": subsystem, "key": key.kid})
    return made


async def approve(stack: Stack, ctx: Context, institution: str) -> Institution:
    """Let an institution ask and answer, for the first time or again (law 1). Raises InstitutionUnknown."""
    return await _stand(stack, ctx, "exchange.approve", institution, Standing.ACTIVE)


async def suspend(stack: Stack, ctx: Context, institution: str) -> Institution:
    """Refuse every message of an institution from now on (law 1). Raises InstitutionUnknown."""
    return await _stand(stack, ctx, "exchange.suspend", institution, Standing.SUSPENDED)


async def _stand(stack: Stack, ctx: Context, act: str, institution: str, standing: Standing) -> Institution:
    permit = policy.decide(ctx, act, policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if not await store.set_standing(tx, institution, standing):
            raise InstitutionUnknown()
        found = await store.institution_by_id(tx, institution)
        log.append(tx, permit, detail={"institution": institution, "standing": standing.value})
    assert found is not None
    return found


async def add_subsystem(stack: Stack, ctx: Context, order: SubsystemOrder) -> Subsystem:
    """One more piece of software of an institution, with its first key.

    Raises InstitutionUnknown, InstitutionExists, BadCall, BadKey.
    """
    member_class, institution, _ = rules.member_parts(order.subsystem, 3, "subsystem")
    own = institution == ctx.actor.institution
    permit = policy.decide(ctx, "exchange.add_subsystem", policy.NOBODY, own_institution=own)
    key = checked_key(order.key, order.subsystem, ctx)
    made = Subsystem(order.subsystem, order.name, ctx.at)
    async with stack.db.transaction(permit) as tx:
        found = await store.institution_by_id(tx, institution)
        if found is None or found.member_class != member_class:
            raise InstitutionUnknown()
        if not await store.put_subsystem(tx, made, institution) or not await store.put_key(tx, key):
            raise InstitutionExists()
        log.append(tx, permit, detail={"subsystem": order.subsystem, "key": key.kid})
    return made


async def add_key(stack: Stack, ctx: Context, order: KeyOrder) -> Key:
    """One more key for a subsystem; the older ones stay valid until stopped, so nothing stands still.

    Raises InstitutionUnknown, InstitutionExists for a known key, BadKey.
    """
    _, institution, _ = rules.member_parts(order.subsystem, 3, "subsystem")
    own = institution == ctx.actor.institution
    permit = policy.decide(ctx, "exchange.add_key", policy.NOBODY, own_institution=own)
    key = checked_key(order.key, order.subsystem, ctx)
    async with stack.db.transaction(permit) as tx:
        if await store.institution_of(tx, order.subsystem) is None:
            raise InstitutionUnknown()
        if not await store.put_key(tx, key):
            raise InstitutionExists()
        log.append(tx, permit, detail={"subsystem": order.subsystem, "key": key.kid})
    return key


async def stop_key(stack: Stack, ctx: Context, kid: str) -> None:
    """Accept a key no longer: every message that it signed and that is not yet decided is refused (law 1)."""
    async with stack.db.reading("exchange") as tx:
        held = await store.key_by_kid(tx, kid)
    own = held is not None and held.institution == ctx.actor.institution
    permit = policy.decide(ctx, "exchange.stop_key", policy.NOBODY, own_institution=own)
    async with stack.db.transaction(permit) as tx:
        if held is None:
            raise InstitutionUnknown("no such key")
        await store.stop_key(tx, kid)
        log.append(tx, permit, detail={"subsystem": held.key.subsystem, "key": kid})


async def grant_right(stack: Stack, ctx: Context, order: RightOrder) -> Right:
    """Give a subsystem a right to a service, or say anew what it gives (laws 2, 6).

    Raises OfferUnknown, InstitutionUnknown, RightExceedsOffer, BadCall.
    """
    async with stack.db.reading("exchange") as tx:
        offer = await store.offer_by_code(tx, order.service)
    own = offer is not None and offer.owner.split("/")[1] == ctx.actor.institution
    permit = policy.decide(ctx, "exchange.grant_right", policy.NOBODY, own_institution=own)
    if offer is None:
        raise OfferUnknown()
    rules.check_right(order, offer)
    async with stack.db.transaction(permit) as tx:
        if await store.institution_of(tx, order.client) is None:
            raise InstitutionUnknown()
        made = msgspec.convert(msgspec.to_builtins(order) | {"version": 1}, Right)
        made = msgspec.structs.replace(made, version=await store.put_right(tx, made))
        what = {"client": order.client, "service": order.service, "for": order.purpose, "basis": order.basis}
        log.append(tx, permit, detail=what | {"law": order.law, "fields": " ".join(order.fields)})
    return made


async def end_right(stack: Stack, ctx: Context, client: str, service: str, purpose: str, basis: str) -> None:
    """End a right now: later decisions refuse. Raises NoRight when there is none."""
    async with stack.db.reading("exchange") as tx:
        offer = await store.offer_by_code(tx, service)
    own = offer is not None and offer.owner.split("/")[1] == ctx.actor.institution
    permit = policy.decide(ctx, "exchange.end_right", policy.NOBODY, own_institution=own)
    async with stack.db.transaction(permit) as tx:
        if not await store.end_right(tx, client, service, purpose, basis, ctx.at):
            raise NoRight("there is no such right")
        log.append(tx, permit, detail={"client": client, "service": service, "for": purpose, "basis": basis})


async def publish_offer(stack: Stack, ctx: Context, offer: Offer) -> Offer:
    """Put a service into the catalogue, or say anew what it offers.

    Raises BadCall, and InstitutionExists when another owner has the code.
    """
    permit = policy.decide(ctx, "exchange.publish_offer", policy.NOBODY)
    rules.check_offer(offer)
    async with stack.db.transaction(permit) as tx:
        if not await store.put_offer(tx, offer):
            raise InstitutionExists("another owner offers a service of this code")
        what = {"service": offer.service, "owner": offer.owner, "fields": " ".join(offer.fields)}
        log.append(tx, permit, detail=what)
    return offer


async def publish_registered(stack: Stack) -> None:
    """Bring the catalogue up to what the rooms of this program offer; writes, and logs, only what changed."""
    for offer in registry.offered():
        async with stack.db.reading("exchange") as tx:
            known = await store.offer_by_code(tx, offer.service)
        if known != offer:
            await publish_offer(stack, job_context("setup"), offer)
