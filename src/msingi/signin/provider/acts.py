"""Verbs of the provider: push, authorize, agree, redeem, refresh, tell claims, revoke, and admit callers."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Overtaken
from msingi.kernel.ids import PersonId, token, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import store, wire
from msingi.signin.errors import (
    AccessDenied,
    FlowLost,
    InvalidGrant,
)
from msingi.signin.model import Agreement, Client, Session
from msingi.signin.provider import rules
from msingi.signin.provider.minting import ID_TYPE as ID_TYPE
from msingi.signin.provider.minting import Bound, subject_of, tokens
from msingi.signin.provider.minting import claims_about as claims_about
from msingi.signin.provider.minting import mint as mint
from msingi.signin.provider.minting import software_token as software_token
from msingi.signin.provider.model import (
    ACCESS_TTL_S,
    CODE_TTL_S,
    FLOW_TTL_S,
    REFRESH_TTL_S,
    Asked,
    Flow,
    Once,
    Outcome,
    Terms,
    TokenOrder,
    Tokens,
)
from msingi.signin.provider.onces import claim_last, claim_once

RECEIPT_TYPE = "consent-receipt+jwt"


def client_context(client: Client, proved: bool, request_id: str) -> Context:
    """The context of what a client's software asks for; `proved` when it showed its key."""
    actor = Actor(Kind.CLIENT, client.client_id, client.institution, assurance=int(proved), name=client.name)
    return context(actor, "identity-proofing", "contract", request_id=request_id, channel="api")


async def push(stack: Stack, ctx: Context, asked: Asked, onces: tuple[Once, ...]) -> str:
    """Accept a pushed request: gives it sealed, so that nobody but this stack can read or change it."""
    permit = policy.decide(ctx, "signin.push", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        log.append(tx, permit, detail={"client": asked.client_id, "scopes": " ".join(asked.scopes)})
    return wire.seal(stack.seal, "request", asked)


def self_context(pointer: wire.Pointer, purpose: str, request_id: str) -> Context:
    """The context of what the owner of a session does for themselves."""
    if pointer.staff_id:
        actor = Actor(Kind.STAFF, pointer.staff_id, pointer.institution)
    else:
        actor = Actor(Kind.PERSON, str(pointer.person_id))
    return context(actor, purpose, "contract", request_id=request_id)


async def authorize(
    stack: Stack,
    cookie: str,
    flow: Flow,
    client: Client,
    request_id: str,
    decided: tuple[str, ...] | None = None,
) -> Outcome:
    """What becomes of a request in a browser with this session cookie: a code, claims to decide about, or neither.

    One transaction: the session is looked at, and a code made if nothing stands in its way (law 4). `decided` are
    the claims that the person has just ticked; None when nobody was asked yet.
    Raises AccessDenied for staff at a third party's software, FlowLost for a request that gave a code before.
    """
    try:
        pointer = wire.unseal(stack.seal, "session", cookie, wire.Pointer)
    except FlowLost:
        return Outcome()
    ctx = self_context(pointer, "identity-proofing", request_id)
    account, asked = pointer.person_id, flow.asked
    if pointer.staff_id and not client.first_party:
        raise AccessDenied(rule="staff accounts are for the stack's own software")
    own = signin.is_self(ctx, account)
    permit = policy.decide(ctx, "signin.authorize", account, self=own, first_party=client.first_party)
    async with _given_once(stack, permit) as tx:
        row = await store.session_and_agreement(tx, account, pointer.item_id, client.client_id)
        session = await signin.still_live(stack, tx, ctx, pointer, row)
        if session and asked.subject not in ("", subject_of(stack, client, account, session.staff_id)):
            session = None  # the client named somebody else (OpenID Connect Core, sections 3.1.2.2 and 5.5.1)
        outcome = Outcome(session=session)
        if session is not None and rules.session_suffices(asked, flow.begun_at, session, ctx.at.timestamp()):
            agreed: tuple[str, ...] = asked.claims + asked.id_claims + asked.powers
            refused: tuple[str, ...] = ()
            if row is not None and not client.first_party:
                refused = tuple(row["refused"] or ())
                agreed = tuple(row["claims"] or ()) if decided is None else decided
            undecided = rules.claims_to_ask(asked, client, agreed, refused) if decided is None else ()
            outcome = Outcome(session=session, undecided=undecided)
            if not undecided:
                outcome = Outcome(session=session, code=_make_code(stack, tx, ctx, session, flow, client, agreed))
        result = "code" if outcome.code else "asks consent" if outcome.undecided else "signs in anew"
        log.append(tx, permit, subject=account, detail={"to": client.name, "result": result})
    return outcome


@asynccontextmanager
async def _given_once(stack: Stack, permit: Permit) -> AsyncIterator[Tx]:
    """The transaction of an authorization. Raises FlowLost if its request gave a code before."""
    try:
        async with stack.db.transaction(permit) as tx:
            yield tx
    except Overtaken:
        raise FlowLost(rule="a request is used once") from None


def _make_code(
    stack: Stack, tx: Tx, ctx: Context, session: Session, flow: Flow, client: Client, agreed: tuple[str, ...]
) -> str:
    asked, now = flow.asked, int(ctx.at.timestamp())
    claim_last(tx, Once(f"request|{asked.request_id}", now + FLOW_TTL_S))
    terms = Terms(
        redirect_uri=asked.redirect_uri,
        challenge=asked.challenge,
        scopes=tuple(s for s in asked.scopes if f"scope:{s}" not in asked.powers or f"scope:{s}" in agreed),
        claims=tuple(c for c in asked.claims if c in agreed),
        id_claims=tuple(c for c in asked.id_claims if c in agreed),
        nonce=asked.nonce,
        jkt=asked.jkt,
        factors=session.factors,
        methods=session.methods,
        proved_at=int(session.proved_at.timestamp()),
        staff_id=session.staff_id,
        institution=session.institution,
        roles=tuple(sorted(session.roles)),
        name=session.name,
        outlives="offline_access" in asked.scopes and not client.first_party,
        details=tuple(
            detail
            for place, detail in enumerate(asked.details)
            if f"details:{place}" not in asked.powers or f"details:{place}" in agreed
        ),
        passed=asked.passed,
    )
    secret, grant_id = os.urandom(32), uuid7()
    until = ctx.at + timedelta(seconds=CODE_TTL_S)
    hashed, account = wire.secret_hash(secret), session.person_id
    store.put_grant(tx, account, grant_id, session.session_id, asked.client_id, hashed, terms, ctx.at, until)
    return wire.seal(stack.seal, "code", wire.Pointer(account, grant_id, secret))


async def agree(
    stack: Stack, cookie: str, client: Client, asked: Asked, claims: tuple[str, ...], request_id: str
) -> str:
    """Keep what the person decided that a client may learn, in place of what they decided before; the receipt.

    Claims that were asked for and are not among `claims` count as refused: they are asked for again only if the
    client cannot work without them. The receipt is a JWS by the provider's key. Raises FlowLost if nobody is signed in.
    """
    pointer = wire.unseal(stack.seal, "session", cookie, wire.Pointer)
    ctx = self_context(pointer, "consent-management", request_id)
    permit = policy.decide(ctx, "signin.agree", pointer.person_id)
    wanted = dict.fromkeys(asked.claims + asked.id_claims)
    async with stack.db.transaction(permit) as tx:
        if await signin.live_session(stack, tx, ctx, pointer) is None:
            raise FlowLost(rule="signed in")
        named = pointer.person_id, pointer.staff_id
        receipt = await keep_agreement(stack, tx, ctx, named[0], client, tuple(wanted), claims, staff_id=named[1])
        detail: leaf.Detail = {
            "to": client.name,
            "institution": client.institution,
            "claims": " ".join(claims),
            "refused": " ".join(c for c in wanted if c not in claims),
        }
        log.append(tx, permit, subject=pointer.person_id, detail=detail)
    return receipt


async def keep_agreement(
    stack: Stack,
    tx: Tx,
    ctx: Context,
    person_id: PersonId,
    client: Client,
    wanted: tuple[str, ...],
    claims: tuple[str, ...],
    *,
    staff_id: str = "",
) -> str:
    """Keep in an act's transaction that of `wanted` the person gave `claims` and refused the rest; the receipt."""
    agreed, refused = await store.decided_claims(tx, person_id, client.client_id)
    # What was decided earlier about claims that nobody asks for today stays.
    agreed = tuple(dict.fromkeys((*(c for c in agreed if c not in wanted), *claims)))
    refused = tuple(dict.fromkeys(c for c in (*refused, *wanted) if c not in agreed))
    said = {
        "iss": stack.settings.url,
        "iat": int(ctx.at.timestamp()),
        "jti": token(12),
        "sub": subject_of(stack, client, person_id, staff_id),
        "controller": client.institution,
        "software": {"client_id": client.client_id, "name": client.name},
        "purpose": "identity-proofing",
        "claims": list(agreed),
        "refused": list(refused),
    }
    receipt = wire.sign(stack.keys, RECEIPT_TYPE, said)
    await store.put_agreement(tx, person_id, client.client_id, agreed, refused, receipt, ctx.at)
    return receipt


async def list_agreements(stack: Stack, ctx: Context, person_id: PersonId) -> list[Agreement]:
    """What the person agreed that software may learn, newest first."""
    permit = policy.decide(ctx, "signin.list-agreements", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.agreements(tx, person_id)
        log.append(tx, permit, subject=person_id, detail={"agreements": len(found)})
    return found


async def withdraw(stack: Stack, ctx: Context, person_id: PersonId, client_id: str) -> bool:
    """Take an agreement back; all tokens of that client end at once. False if there was none."""
    permit = policy.decide(ctx, "signin.withdraw", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.withdraw_agreement(tx, person_id, client_id, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"to": client_id, "withdrawn": found})
    return found


async def redeem(
    stack: Stack, ctx: Context, client: Client, order: TokenOrder, jkt: str, onces: tuple[Once, ...]
) -> Tokens:
    """Tokens for a code or for a refresh token. `jkt` is the key that a DPoP proof showed, empty without one.

    Raises InvalidGrant, naming the check; a code that comes twice also ends the tokens of its first use (law 4).
    """
    fresh = order.grant_type == "authorization_code"
    try:
        text, label = (order.code, "code") if fresh else (order.refresh_token, "refresh")
        pointer = wire.unseal(stack.seal, label, text, wire.Pointer)
    except FlowLost:
        raise InvalidGrant(rule=f"a {'code' if fresh else 'refresh token'} of this provider") from None
    rules.check_token_key(client, jkt)
    person_id, grant_id = pointer.person_id, pointer.item_id
    permit = policy.decide(ctx, "signin.token", person_id)
    refresh, twice = "", False
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        row = await store.hold_grant(tx, person_id, grant_id)
        kept = None if row is None else row["code_hash" if fresh else "refresh_hash"]
        if row is None or not wire.same(kept, wire.secret_hash(pointer.secret)):
            raise InvalidGrant(rule="unknown")
        if row["client_id"] != client.client_id:
            raise InvalidGrant(rule="made for another client")
        terms, scopes = msgspec.convert(row["terms"], Terms), ()
        twice = fresh and row["used_at"] is not None
        if twice:
            await store.end_grant(tx, person_id, grant_id, ctx.at)
        elif row["ended_at"] or row["expires_at"] <= ctx.at:
            raise InvalidGrant(rule="ended or expired")
        elif fresh:
            rules.check_redemption(terms, redirect_uri=order.redirect_uri, verifier=order.verifier, jkt=jkt)
            scopes, secret = terms.scopes, os.urandom(32)
            life = ACCESS_TTL_S
            if rules.gives_refresh(client, scopes):
                life, refresh = (
                    REFRESH_TTL_S,
                    wire.seal(stack.seal, "refresh", wire.Pointer(person_id, grant_id, secret)),
                )
            until = ctx.at + timedelta(seconds=life)
            store.redeem_grant(tx, person_id, grant_id, ctx.at, wire.secret_hash(secret), until)
        else:
            scopes, refresh = rules.narrowed(order.scope, terms.scopes), order.refresh_token
        detail: leaf.Detail = {
            "to": client.name,
            "result": "code came twice, tokens ended" if twice else order.grant_type,
        }
        log.append(tx, permit, subject=person_id, detail=detail)
    if twice:
        raise InvalidGrant("The code was used before; what came of it has ended.", rule="used once")
    bound = Bound(person_id, grant_id, row["session_id"], jkt)
    return await tokens(stack, ctx, client, bound, terms, scopes, refresh)


def is_subject(stack: Stack, client: Client, cookie: str, sub: str) -> bool:
    """Whether the browser's session belongs to the `sub` that this client knows."""
    try:
        pointer = wire.unseal(stack.seal, "session", cookie, wire.Pointer)
    except FlowLost:
        return False
    return subject_of(stack, client, pointer.person_id, pointer.staff_id) == sub


async def leave(stack: Stack, cookie: str, request_id: str) -> None:
    """End the session that a cookie names; nothing happens for a cookie that is not ours."""
    try:
        pointer = wire.unseal(stack.seal, "session", cookie, wire.Pointer)
    except FlowLost:
        return
    ctx = self_context(pointer, "subject-access", request_id)
    await signin.end_session(stack, ctx, pointer.person_id, pointer.item_id)
