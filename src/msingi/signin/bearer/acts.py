"""Verbs on access tokens: tell the claims, end a grant, and say who calls."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid_of_text
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import store, wire
from msingi.signin.errors import FlowLost, InvalidGrant, InvalidProof, InvalidToken
from msingi.signin.model import Client
from msingi.signin.provider import extend
from msingi.signin.provider.acts import claims_about, client_context
from msingi.signin.provider.model import ACR, AccessClaims, Held, Once, Shown, Terms
from msingi.signin.provider.onces import claim_once
from msingi.signin.provider.proofs import verify_dpop
from msingi.signin.provider.wire import USERINFO, SeenTokens, read_access
from msingi.signin.rules import staff_account_id
from msingi.signin.together import Together

_PROOFS_KEPT = 200_000
_FACTORS = {urn: count for count, urn in ACR.items()}


class ProofMemory:
    """The proofs that this process saw, until they expire (RFC 9449, section 11.1)."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def first_time(self, once: Once, now: float) -> bool:
        """Remember a proof; False if it was seen before."""
        if self._seen.get(once.what, 0) > now:
            return False
        if len(self._seen) >= _PROOFS_KEPT:
            self._seen = {what: until for what, until in self._seen.items() if until > now}
        self._seen[once.what] = once.until
        return True


def verify(stack: Stack, shown: Shown, audiences: tuple[str, ...]) -> tuple[AccessClaims, Once | None]:
    """The claims of a shown access token, and what of its proof may not come twice. Raises InvalidToken."""
    now = clock.now().timestamp()
    seen = stack.local.setdefault("signin.tokens", SeenTokens())
    assert isinstance(seen, SeenTokens)
    claims = read_access(stack.keys, shown.token, stack.settings.url, audiences, now, seen)
    bound = (claims.cnf or {}).get("jkt", "")
    if not bound:
        if shown.scheme != "bearer":
            raise InvalidToken(rule="the token is not bound to a key: send it as Bearer")
        return claims, None
    # A bound token sent as Bearer is a stolen one (RFC 9449, section 7.2).
    if shown.scheme != "dpop" or not shown.proof:
        raise InvalidToken(rule="the token is bound to a key: send it as DPoP with a proof")
    try:
        proof = verify_dpop(shown.proof, shown.method, stack.settings.url + shown.path, now, shown.token)
    except InvalidProof as wrong:
        raise InvalidToken(rule=f"DPoP proof: {wrong.facts.get('rule', '')}") from None
    if proof.jkt != bound:
        raise InvalidToken(rule="DPoP proof: key of the token")
    return claims, proof.once


def owner(stack: Stack, claims: AccessClaims) -> PersonId:
    """Whose token it is. Raises InvalidToken for a token of software."""
    if claims.kind == Kind.STAFF:
        return staff_account_id(claims.sub)
    try:
        return stack.pseudonym.person(claims.sector, claims.sub)
    except Malformed:
        raise InvalidToken(rule="a person's token") from None


async def userinfo(stack: Stack, shown: Shown, request_id: str) -> tuple[dict[str, Any], Client]:
    """The claims that the person granted, for the software that shows the token, and which that is.

    Raises InvalidToken.

    (OpenID Connect Core, section 5.3)
    """
    issuer = stack.settings.url
    claims, once = verify(stack, shown, (issuer + USERINFO, issuer))
    if "openid" not in claims.scope.split():
        raise InvalidToken(rule="scope openid")
    client = await signin.client(stack, claims.client_id)
    person_id = owner(stack, claims)
    ctx = client_context(client, bool(once), request_id)
    permit = policy.decide(ctx, "signin.userinfo", person_id)
    async with stack.db.transaction(permit) as tx:
        try:
            await claim_once(tx, (once,) if once else ())
        except InvalidProof:
            raise InvalidToken(rule="DPoP proof: used before") from None
        row = await store.live_grant(tx, person_id, UUID(claims.grant), ctx.at)
        if row is None:
            raise InvalidToken(rule="ended")
        terms = msgspec.convert(row["terms"], Terms)
        log.append(tx, permit, subject=person_id, detail={"to": client.name, "claims": " ".join(terms.claims)})
    try:
        owned = (person_id, UUID(claims.grant))
        return {"sub": claims.sub, **await claims_about(stack, ctx, client, owned, terms, terms.claims)}, client
    except InvalidGrant:
        raise InvalidToken(rule="identity in use") from None


async def revoke(stack: Stack, ctx: Context, client: Client, text: str, onces: tuple[Once, ...]) -> bool:
    """End the grant behind a refresh or access token of this client (RFC 7009); False if there is nothing to end.

    All tokens of the same grant end with it.
    """
    try:
        pointer = wire.unseal(stack.seal, "refresh", text, wire.Pointer)
        person_id, grant_id = pointer.person_id, pointer.item_id
    except FlowLost:
        try:
            audiences = (stack.settings.url, stack.settings.url + USERINFO)
            claims = read_access(stack.keys, text, stack.settings.url, audiences, ctx.at.timestamp())
        except InvalidToken:
            return False
        grant_id = UUID(claims.grant)
        if claims.kind == Kind.CLIENT:
            return claims.client_id == client.client_id and await _end_software_token(stack, ctx, claims, onces)
        person_id = owner(stack, claims)
    permit = policy.decide(ctx, "signin.revoke", person_id)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        row = await store.live_grant(tx, person_id, grant_id, ctx.at)
        ended = row is not None and row["client_id"] == client.client_id
        if ended:
            await store.end_grant(tx, person_id, grant_id, ctx.at)
        log.append(tx, permit, subject=person_id if row else None, detail={"to": client.name, "ended": ended})
    return ended


async def introspect(stack: Stack, ctx: Context, client: Client, text: str, onces: tuple[Once, ...]) -> dict[str, Any]:
    """What an access or refresh token is good for (RFC 7662, section 2.2); inactive where it is another's.

    Software learns only about tokens of its own institution: its own, and those that its services are shown.
    """
    inactive: dict[str, Any] = {"active": False}
    audiences = [stack.settings.url + path for path in ("", USERINFO)]
    audiences += [stack.settings.url + s.audience for s in extend.of(stack).scopes.values() if s.audience]
    permit = policy.decide(ctx, "signin.introspect", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        log.append(tx, permit, detail={"client": client.client_id})
    try:
        claims = read_access(stack.keys, text, stack.settings.url, tuple(audiences), ctx.at.timestamp())
    except InvalidToken:
        return inactive
    if claims.sector != client.institution or await _ends(stack).ask(UUID(claims.grant)):
        return inactive
    told = msgspec.to_builtins(claims)
    kept = {
        n: told[n] for n in ("iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "cnf", "acr") if n in told
    }
    return {"active": True, "token_type": "DPoP" if claims.cnf else "Bearer"} | kept


async def _end_software_token(stack: Stack, ctx: Context, claims: AccessClaims, onces: tuple[Once, ...]) -> bool:
    permit = policy.decide(ctx, "signin.revoke", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        await store.end_token(tx, UUID(claims.grant), datetime.fromtimestamp(claims.exp, UTC))
        log.append(tx, permit, detail={"client": claims.client_id, "ended": True})
    return True


async def _live(stack: Stack, shown: Shown, audience: str) -> AccessClaims:
    # 1. Signature, issuer, audience, time, and the proof of the key that the token is bound to.
    claims, once = verify(stack, shown, (audience,))
    # 2. The proof is new to this process.
    memory = stack.local.setdefault("signin.proofs", ProofMemory())
    assert isinstance(memory, ProofMemory)
    if once is not None and not memory.first_time(once, clock.now().timestamp()):
        raise InvalidToken(rule="DPoP proof: used before")
    # 3. The grant has not ended.
    if await _ends(stack).ask(uuid_of_text(claims.grant)):
        raise InvalidToken(rule="ended")
    return claims


def _ends(stack: Stack) -> Together[UUID, bool]:
    """Whether grants have ended, asked of the database for all requests of the same moment together."""
    found = stack.local.get("signin.ends")
    if isinstance(found, Together):
        return found

    async def look(grants: list[UUID]) -> list[bool | Exception]:
        if not await store.count_ended(stack.db, grants):  # nearly always, and in one round trip
            return [False] * len(grants)
        async with stack.db.reading("signin") as tx:
            ended = await store.grants_ended(tx, grants)
        return [grant in ended for grant in grants]

    made = stack.local["signin.ends"] = Together[UUID, bool](look)
    return made


async def held(stack: Stack, shown: Shown, audience: str) -> Held:
    """What a token opens at the doors under the path `audience`, which an upper room's scope or detail named.

    Raises InvalidToken, naming the step. It leaves no leaf: what the upper room does with it is the act.
    """
    claims = await _live(stack, shown, stack.settings.url + audience)
    if claims.kind != Kind.PERSON:
        raise InvalidToken(rule="a person's token")
    return Held(
        person_id=owner(stack, claims),
        grant_id=UUID(claims.grant),
        client_id=claims.client_id,
        institution=claims.sector,
        scopes=tuple(claims.scope.split()),
        details=claims.authorization_details,
        passed=claims.passed,
        jkt=(claims.cnf or {}).get("jkt", ""),
    )


async def admit(stack: Stack, shown: Shown) -> Actor:
    """Who calls one of the stack's own doors with this access token. Raises InvalidToken, naming the step."""
    claims = await _live(stack, shown, stack.settings.url)
    # 4. Who that is to us; for a person this links a pseudonym, which is an act of its own kind.
    roles, factors = frozenset(claims.roles), _FACTORS.get(claims.acr, 0)
    if claims.kind == Kind.CLIENT:
        return Actor(Kind.CLIENT, claims.client_id, claims.institution, roles, 1, claims.name)
    if claims.kind == Kind.STAFF:
        return Actor(Kind.STAFF, claims.sub, claims.institution, roles, factors, claims.name)
    policy.decide(signin.proving(), "signin.admit", policy.NOBODY)
    return Actor(Kind.PERSON, str(owner(stack, claims)), assurance=factors)
