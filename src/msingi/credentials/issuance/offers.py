"""Offers for wallets: by value and by reference, a code that is used once, and a transaction code beside it."""

import hashlib
import hmac
import os
import secrets
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from msingi.credentials.issuance import rules, store
from msingi.credentials.issuance.errors import NoSuchOffer
from msingi.credentials.issuance.model import Kind, Offer, Offered
from msingi.identity import acts as identity
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import wire
from msingi.signin.errors import FlowLost, InvalidGrant, InvalidRequest

GRANT = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
SCHEME = "openid-credential-offer"
HAIP_SCHEME = "haip-vci"
_LINK_LABEL = "credentials.offer-link"
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ"


def body(stack: Stack, configurations: tuple[str, ...], code: str, tx_code: bool) -> dict[str, Any]:
    """The credential offer (OpenID4VCI 1.0, section 4.1.1); without a code the wallet uses the authorization code."""
    grants: dict[str, Any] = {"authorization_code": {}}
    if code:
        grants = {GRANT: {"pre-authorized_code": code}}
        if tx_code:
            grants[GRANT]["tx_code"] = {"input_mode": "numeric", "length": rules.TX_DIGITS}
    return {
        "credential_issuer": stack.settings.url,
        "credential_configuration_ids": list(configurations),
        "grants": grants,
    }


def by_value(offer: dict[str, Any], scheme: str = SCHEME) -> str:
    """The offer in full, as an address that opens a wallet."""
    return f"{scheme}://?credential_offer={quote(msgspec.json.encode(offer).decode(), safe='')}"


def by_reference(stack: Stack, link: str, scheme: str = SCHEME) -> str:
    """The address that opens a wallet, which then fetches the offer."""
    return f"{scheme}://?credential_offer_uri={quote(f'{stack.settings.url}/credentials/offers/{link}', safe='')}"


def _tx_hash(stack: Stack, offer_id: UUID, tx_code: str) -> bytes:
    """A transaction code has a million values: the hash is keyed, so that the table alone does not tell it."""
    return hmac.digest(stack.keys.mac("room"), b"credentials.tx" + offer_id.bytes + tx_code.encode(), hashlib.sha256)


async def make(
    stack: Stack, ctx: Context, person_id: PersonId, kind: Kind, *, with_code: bool, by_sms: bool,
    code_by_sms: bool = False,
) -> Offered:  # fmt: skip
    """Write an offer of all forms of a kind; the permit is asked for here.

    Where HAIP 1.0 is required, the wallet must let the person sign in: the offer then holds no code (section 4.2).
    """
    offer_id, secret = uuid7(), os.urandom(32)
    with_code = with_code and not kind.haip
    tx_code = f"{secrets.randbelow(10**rules.TX_DIGITS):0{rules.TX_DIGITS}}" if with_code else ""
    link = "".join(secrets.choice(_ALPHABET) for _ in range(16))
    until = ctx.at + timedelta(minutes=rules.OFFER_MINUTES)
    configurations = tuple(kind.configuration(form) for form in kind.formats)
    code = wire.seal(stack.seal, "pre-authorized", wire.Pointer(person_id, offer_id, secret))
    offered = body(stack, configurations, "" if kind.haip else code, with_code)
    language, phone = "", ""
    if by_sms or code_by_sms:
        person = await identity.read_person(stack, job_context("credentials", "credential-issuance"), person_id)
        language, phone = person.demographics.language, person.demographics.phone
        if by_sms and not phone:
            raise NotFound("The person has no telephone number in the register.")
    permit = policy.decide(
        ctx, "credentials.make_offer", person_id, own_institution=kind.institution == ctx.actor.institution
    )
    async with stack.db.transaction(permit) as tx:
        offer = Offer(
            person_id=person_id,
            offer_id=offer_id,
            configurations=configurations,
            secret_hash=wire.secret_hash(secret),
            tx_hash=_tx_hash(stack, offer_id, tx_code) if with_code else b"",
            tries=0,
            used=False,
            expires_at=until,
        )
        if not kind.haip:
            await store.add_offer(tx, offer)
        sealed = stack.seal.seal_with_room_key(_LINK_LABEL, msgspec.json.encode(offered))
        await store.add_offer_link(tx, link, sealed, until)
        if by_sms:
            name = stack.profile.say(kind.name, language)
            text = f"{name}: {stack.settings.url}/credentials/offer/{link}"
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "credential-offer"))
        if code_by_sms and phone and tx_code:
            text = f"{stack.profile.say(kind.name, language)}: {tx_code}"
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "credential-code"))
        log.append(tx, permit, subject=person_id, detail={"kind": kind.kind, "by_sms": by_sms})
    told = "" if code_by_sms and phone else tx_code
    scheme = HAIP_SCHEME if kind.haip else SCHEME
    return Offered(
        link=by_reference(stack, link, scheme), by_value=by_value(offered, scheme), tx_code=told, expires_at=until
    )


async def fetched(stack: Stack, link: str) -> dict[str, Any]:
    """The offer at a short address. Raises NoSuchOffer."""
    async with stack.db.reading("credentials") as tx:
        sealed = await store.offer_at(tx, link, clock.now())
    if sealed is None:
        raise NoSuchOffer()
    return msgspec.json.decode(stack.seal.unseal_with_room_key(_LINK_LABEL, sealed))


async def redeem(stack: Stack, ctx: Context, code: str, tx_code: str | None) -> tuple[PersonId, tuple[str, ...]]:
    """Whose offer a pre-authorized code is, and what it offers; the code is used up (law 4).

    Raises InvalidGrant for a bad code and a wrong transaction code, InvalidRequest for one that is missing or not
    asked for (OpenID4VCI 1.0, section 6.3).
    """
    try:
        pointer = wire.unseal(stack.seal, "pre-authorized", code, wire.Pointer)
    except FlowLost:
        raise InvalidGrant(rule="a code of this issuer") from None
    permit = policy.decide(ctx, "credentials.redeem_offer", pointer.person_id)
    refusal: InvalidGrant | InvalidRequest | None = None
    async with stack.db.transaction(permit) as tx:
        offer = await store.hold_offer(tx, pointer.person_id, pointer.item_id)
        refusal = _refused(stack, offer, pointer.secret, tx_code, ctx.at)
        if offer and refusal is None:
            await store.use_offer(tx, offer)
        elif offer and isinstance(refusal, InvalidGrant) and offer.tx_hash and not offer.used:
            await store.count_try(tx, offer)
        told = "redeemed" if refusal is None else str(refusal.facts.get("rule", "refused"))
        log.append(tx, permit, subject=pointer.person_id, detail={"result": told})
    if refusal is not None:
        raise refusal
    assert offer is not None
    return offer.person_id, offer.configurations


def _refused(
    stack: Stack, offer: Offer | None, secret: bytes, tx_code: str | None, at: Any
) -> InvalidGrant | InvalidRequest | None:
    if offer is None or not wire.same(offer.secret_hash, wire.secret_hash(secret)):
        return InvalidGrant(rule="a code of this issuer")
    if offer.used or offer.expires_at <= at or offer.tries >= rules.TX_TRIES:
        return InvalidGrant(rule="used once, in time, with few wrong transaction codes")
    if not offer.tx_hash:
        return (
            None if tx_code is None else InvalidRequest("No transaction code was expected.", field="tx_code", rule="-")
        )
    if tx_code is None:
        return InvalidRequest("The transaction code is missing.", field="tx_code", rule="required")
    if not hmac.compare_digest(offer.tx_hash, _tx_hash(stack, offer.offer_id, tx_code)):
        return InvalidGrant("The transaction code is wrong.", rule="tx_code")
    return None
