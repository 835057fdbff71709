"""Making tokens: access tokens (RFC 9068), ID tokens, and the claims that go into them and into userinfo."""

import hashlib
import os
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.ids import PersonId, token, uuid7
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import store, wire
from msingi.signin.errors import InvalidGrant
from msingi.signin.model import NUMBER_CLAIM, Client
from msingi.signin.provider import extend, rsakeys, rules
from msingi.signin.provider.model import (
    ACCESS_TTL_S,
    ACR,
    ID_TTL_S,
    REFRESH_TTL_S,
    AccessClaims,
    Once,
    Terms,
    Tokens,
)
from msingi.signin.provider.onces import claim_once
from msingi.signin.provider.wire import ACCESS_TYPE, USERINFO
from msingi.signin.rules import amr

ID_TYPE = "JWT"
NO_SESSION = UUID(int=0)


class Bound(msgspec.Struct, frozen=True):
    """The grant that tokens come from: whose, its id, the browser session if any, and the key they are bound to."""

    person_id: PersonId
    grant_id: UUID
    session_id: UUID = NO_SESSION
    jkt: str = ""


def subject_of(stack: Stack, client: Client, person_id: PersonId, staff_id: str) -> str:
    """`sub`: a person's pseudonym at the client's institution (law 7), or a member of staff's id."""
    return staff_id or stack.pseudonym.of(client.institution, person_id)


def session_name(stack: Stack, client_id: str, session_id: UUID) -> str:
    """`sid`: how one client knows a browser session (OpenID Connect Back-Channel Logout 1.0, section 2.1)."""
    return wire.b64(stack.keys.blind(f"signin.sid|{client_id}|{session_id}")[:18])


async def tokens(
    stack: Stack,
    ctx: Context,
    client: Client,
    bound: Bound,
    terms: Terms,
    scopes: tuple[str, ...],
    refresh: str = "",
) -> Tokens:
    """The tokens of a grant. Raises InvalidGrant if the identity is out of use and claims were granted."""
    now, issuer, more = int(ctx.at.timestamp()), stack.settings.url, extend.of(stack)
    sub = subject_of(stack, client, bound.person_id, terms.staff_id)
    opens = more.audience(scopes, terms.details)
    access = AccessClaims(
        iss=issuer,
        sub=sub,
        aud=issuer if "api" in scopes else issuer + (opens or USERINFO),
        exp=now + ACCESS_TTL_S,
        iat=now,
        jti=token(12),
        client_id=client.client_id,
        scope=" ".join(scopes),
        sector=client.institution,
        kind=Kind.STAFF if terms.staff_id else Kind.PERSON,
        grant=str(bound.grant_id),
        acr=ACR[terms.factors],
        auth_time=terms.proved_at,
        roles=terms.roles,
        institution=terms.institution,
        name=terms.name,
        cnf={"jkt": bound.jkt} if bound.jkt else None,
        authorization_details=terms.details,
        passed=terms.passed,
    )
    signed = wire.sign(stack.keys, ACCESS_TYPE, access)
    identity = ""
    if "openid" in scopes:
        known = await _identity(stack, ctx, client, bound, terms, signed)
        identity = await rsakeys.signed_for(stack, client, ID_TYPE, known)
    told = []
    for detail in terms.details:
        known = more.details.get(detail["type"])
        told.append(await known.answer(stack, ctx, bound.person_id, detail) if known else detail)
    return Tokens(
        access_token=signed,
        token_type="DPoP" if bound.jkt else "Bearer",
        expires_in=ACCESS_TTL_S,
        scope=" ".join(scopes),
        id_token=identity,
        refresh_token=refresh,
        authorization_details=told,
    )


async def _identity(
    stack: Stack, ctx: Context, client: Client, bound: Bound, terms: Terms, access_token: str
) -> dict[str, Any]:
    """The claims of an ID token (OpenID Connect Core, sections 2 and 3.1.3.6)."""
    now = int(ctx.at.timestamp())
    claims: dict[str, Any] = {
        "iss": stack.settings.url,
        "sub": subject_of(stack, client, bound.person_id, terms.staff_id),
        "aud": client.client_id,
        "exp": now + ID_TTL_S,
        "iat": now,
        "auth_time": terms.proved_at,
        "acr": ACR[terms.factors],
        "amr": amr(terms.methods),
        "at_hash": wire.b64(hashlib.sha256(access_token.encode()).digest()[:16]),
    }
    if bound.session_id != NO_SESSION:
        claims["sid"] = session_name(stack, client.client_id, bound.session_id)
    if terms.nonce:
        claims["nonce"] = terms.nonce
    if terms.id_claims:
        owned = (bound.person_id, bound.grant_id)
        claims |= await claims_about(stack, ctx, client, owned, terms, terms.id_claims)
    return claims


async def claims_about(
    stack: Stack, ctx: Context, client: Client, owner: tuple[PersonId, UUID], terms: Terms, names: tuple[str, ...]
) -> dict[str, Any]:
    """The claims of these names that are known; one without value is left out (OpenID Connect Core, 5.3.2).

    `owner` is the person and the grant, which is the consent that a third party's reading rests on.
    Raises InvalidGrant if the identity is out of use.
    """
    if terms.staff_id:
        return {"name": terms.name} if "name" in names else {}
    if not names:
        return {}
    basis = ("public-task", "") if client.first_party else ("consent", str(owner[1]))
    reading = msgspec.structs.replace(ctx, basis=basis[0], consent=basis[1])
    person = await signin.active_person(stack, owner[0], reading)
    if person is None:
        raise InvalidGrant(rule="identity in use")
    of = person.demographics
    known = {
        "name": of.name.full,
        "given_name": of.name.given,
        "family_name": of.name.family,
        "birthdate": of.birth.date,
        "phone_number": of.phone,
        NUMBER_CLAIM: person.number,
    }
    return {name: known[name] for name in names if known.get(name)}


async def software_token(
    stack: Stack, ctx: Context, client: Client, scope: str, jkt: str, onces: tuple[Once, ...]
) -> Tokens:
    """An access token for an institution's software itself (RFC 6749, section 4.4); its scopes become roles.

    Raises UnauthorizedClient for a public client, InvalidScope for scopes about people or not registered.
    """
    scopes = rules.check_software_scopes(client, scope)
    rules.check_token_key(client, jkt)
    permit = policy.decide(ctx, "signin.client-token", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        log.append(tx, permit, detail={"client": client.client_id, "scopes": " ".join(scopes)})
    now = int(ctx.at.timestamp())
    claims = AccessClaims(
        iss=stack.settings.url,
        sub=client.client_id,
        aud=stack.settings.url,
        exp=now + ACCESS_TTL_S,
        iat=now,
        jti=token(12),
        client_id=client.client_id,
        scope=" ".join(scopes),
        sector=client.institution,
        kind=Kind.CLIENT,
        grant=str(uuid7()),
        roles=scopes,
        institution=client.institution,
        name=client.name,
        cnf={"jkt": jkt} if jkt else None,
    )
    signed = wire.sign(stack.keys, ACCESS_TYPE, claims)
    return Tokens(signed, "DPoP" if jkt else "Bearer", ACCESS_TTL_S, " ".join(scopes))


async def mint(
    stack: Stack,
    ctx: Context,
    client: Client,
    person_id: PersonId,
    terms: Terms,
    jkt: str,
    onces: tuple[Once, ...],
) -> Tokens:
    """Tokens that no browser asked for: an upper room, or a telephone, has proved whose they are.

    The grant is kept like any other, so that the person and the client can end it. Raises InvalidGrant.
    """
    rules.check_token_key(client, jkt)
    grant_id, secret = uuid7(), os.urandom(32)
    lasting = rules.gives_refresh(client, terms.scopes)
    until = ctx.at + timedelta(seconds=REFRESH_TTL_S if lasting else ACCESS_TTL_S)
    permit = policy.decide(ctx, "signin.token", person_id)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        code = os.urandom(32)  # no code: the hash of something that nobody has
        store.put_grant(tx, person_id, grant_id, NO_SESSION, client.client_id, code, terms, ctx.at, until)
        store.redeem_grant(tx, person_id, grant_id, ctx.at, wire.secret_hash(secret), until)
        log.append(tx, permit, subject=person_id, detail={"to": client.name, "result": "tokens"})
    refresh = wire.seal(stack.seal, "refresh", wire.Pointer(person_id, grant_id, secret)) if lasting else ""
    return await tokens(stack, ctx, client, Bound(person_id, grant_id, jkt=jkt), terms, terms.scopes, refresh)
