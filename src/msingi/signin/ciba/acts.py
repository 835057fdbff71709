"""Verbs of requests to approve: ask, list, decide, and redeem."""

import os
from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, wire
from msingi.signin import store as counters
from msingi.signin.ciba import rules, store
from msingi.signin.ciba.model import MOST_OPEN, MOST_TOLD, Accepted, Decision, Pointer, Waiting, Wish
from msingi.signin.errors import FlowLost, InvalidGrant, SlowDown, TooManyTries
from msingi.signin.model import Client, Closed
from msingi.signin.provider import acts as provider
from msingi.signin.provider.extend import TokenAsk
from msingi.signin.provider.model import Once, Terms, Tokens
from msingi.signin.provider.onces import claim_once


def _place(stack: Stack, client: Client, named: str) -> bytes:
    """Where an institution's requests to a person are counted, until one is approved."""
    return limits.way_key(stack, limits.Way.REQUESTS, named, client.institution)


async def ask(
    stack: Stack,
    ctx: Context,
    client: Client,
    wish: Wish,
    person_id: PersonId | None,
    onces: tuple[Once, ...],
    hint: str = "",
) -> Accepted:
    """Put a request before a person, and tell them by SMS. Nobody's request waits and runs out (law 2).

    `hint` is what named nobody. After six requests of this institution that were not approved, further ones are kept
    without a message (law 3); after sixty, TooManyTries is raised until the person opens the way, or for a while.
    """
    known = person_id is not None
    about = person_id if person_id is not None else PersonId(uuid7())
    phone, language = "", stack.profile.language
    if known:
        person = await signin.active_person(stack, about, signin.own_work())
        phone, language = (person.demographics.phone, person.demographics.language or language) if person else ("", "")
    permit = policy.decide(ctx, "signin.ask-approval", about)
    request_id, secret = uuid7(), os.urandom(32)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, onces)
        key = _place(stack, client, str(about) if known else f"nobody|{limits.digits(hint)}")
        taken = await limits.take_code(tx, key, ctx.at, MOST_OPEN)
        wait_s, quiet = taken.wait_s, taken.tries > MOST_TOLD
        if known and (taken.closed_s or taken.tries == MOST_TOLD + 1):
            how, by = "way" if taken.closed_s else "quiet", client.institution
            closed = Closed(person_id=about, how=how, via=client.name, by=by, wait_s=taken.closed_s)
            await stack.outbox.emit(tx, Closed.kind, closed)
        if not wait_s:
            until = ctx.at + timedelta(seconds=wish.lives_s)
            hashed = wire.secret_hash(secret)
            await store.put_request(tx, about, request_id, client.client_id, hashed, wish, ctx.at, until)
            if phone and not quiet:
                parts = {
                    "client": client.name,
                    "message": wish.message,
                    "link": f"{stack.settings.url}/signin/requests",
                }
                text = wire.say("sms_request", language, **parts)
                await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "approval"))
        detail = rules.described(client, wish) | {"result": "locked" if wait_s else "kept" if quiet else "asked"}
        log.append(tx, permit, subject=about if known and not wait_s else None, detail=detail)
    if wait_s:
        raise TooManyTries(retry_after_s=wait_s)
    return Accepted(wire.seal(stack.seal, "ciba", Pointer(about, request_id, secret)), wish.lives_s)


async def waiting(stack: Stack, ctx: Context, person_id: PersonId) -> list[Waiting]:
    """What waits for the person's decision, newest first."""
    permit = policy.decide(ctx, "signin.list-approvals", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = await store.waiting(tx, person_id, ctx.at)
        log.append(tx, permit, subject=person_id, detail={"requests": len(rows)})
    found = []
    for row in rows:
        client = await signin.client(stack, row["client_id"])
        wish = msgspec.convert(row["wish"], Wish)
        found.append(
            Waiting(
                request_id=row["request_id"],
                client_id=client.client_id,
                software=client.name,
                institution=client.institution,
                message=wish.message,
                claims=tuple(dict.fromkeys(wish.claims + wish.id_claims)),
                essential=wish.essential,
                factors=wish.factors,
                asked_at=row["made_at"],
                expires_at=row["expires_at"],
            )
        )
    return found


async def decide(
    stack: Stack,
    ctx: Context,
    person_id: PersonId,
    request_id: UUID,
    decision: Decision,
    methods: tuple[str, ...],
    proved_at: int,
) -> None:
    """The person's yes or no (law 1). `methods` and `proved_at` (Unix time) say how they signed in to say so.

    Raises NotFound for what no longer waits, NotPermitted for fewer factors than the software asked for.
    """
    async with stack.db.transaction(policy.decide(ctx, "signin.list-approvals", person_id)) as tx:
        row = await store.hold(tx, person_id, request_id)
        log.append(tx, tx.permits[0], subject=person_id, detail={"requests": int(row is not None)})
    if row is None:
        raise NotFound()
    wish, client = msgspec.convert(row["wish"], Wish), await signin.client(stack, row["client_id"])
    enough = ctx.actor.assurance >= wish.factors
    permit = policy.decide(ctx, "signin.decide-approval", person_id, enough=enough or not decision.approve)
    async with stack.db.transaction(permit) as tx:
        row = await store.hold(tx, person_id, request_id)
        if row is None or row["decided"] != "waiting" or row["expires_at"] <= ctx.at:
            raise NotFound()
        terms, detail = None, rules.described(client, wish) | {"result": "refused"}
        if decision.approve:
            await signin.check_not_recovering(tx, person_id, ctx.at)
            gives = rules.given(wish, decision.claims)
            terms = _terms(wish, gives, ctx.actor.assurance, methods, proved_at)
            asked = dict.fromkeys(wish.claims + wish.id_claims)
            receipt = await provider.keep_agreement(stack, tx, ctx, person_id, client, tuple(asked), gives)
            detail |= {
                "result": "approved",
                "claims": " ".join(gives),
                "receipt": wire.b64(wire.secret_hash(receipt.encode())),
            }
            await counters.forget_place(tx, _place(stack, client, str(person_id)))
        await store.decide(tx, person_id, request_id, "approved" if terms else "refused", terms)
        log.append(tx, permit, subject=person_id, detail=detail)


def _terms(wish: Wish, gives: tuple[str, ...], factors: int, methods: tuple[str, ...], proved_at: int) -> Terms:
    return Terms(
        redirect_uri="",
        challenge="",
        scopes=wish.scopes,
        claims=tuple(c for c in wish.claims if c in gives),
        id_claims=tuple(c for c in wish.id_claims if c in gives),
        factors=min(factors, 2),
        methods=methods,
        proved_at=proved_at,
        outlives="offline_access" in wish.scopes,
    )


async def redeem(ask: TokenAsk) -> Tokens:
    """Tokens for an approved request (law 4); raises what CIBA, section 11, names while there are none."""
    stack, ctx, client = ask.stack, ask.ctx, ask.client
    try:
        pointer = wire.unseal(stack.seal, "ciba", ask.params.get("auth_req_id", ""), Pointer)
    except FlowLost:
        raise InvalidGrant(rule="an auth_req_id of this provider") from None
    person_id, request_id = pointer.person_id, pointer.request_id
    permit = policy.decide(ctx, "signin.poll-approval", person_id)
    async with stack.db.transaction(permit) as tx:
        await claim_once(tx, ask.onces)
        row = await store.hold(tx, person_id, request_id)
        if row is None or not wire.same(row["secret_hash"], wire.secret_hash(pointer.secret)):
            raise InvalidGrant(rule="unknown")
        state = msgspec.convert({f: row[f] for f in rules.State.__struct_fields__}, rules.State)
        refusal = rules.poll(state, client, ctx.at)
        slow = state.slow + isinstance(refusal, SlowDown)
        if state.client_id == client.client_id:
            decided = "redeemed" if refusal is None else state.decided
            await store.polled(tx, person_id, request_id, ctx.at, slow, decided)
        # What was approved is in the person's record; that software keeps asking is not worth a line of it.
        log.append(tx, permit, detail={"to": client.name, "result": type(refusal).__name__ if refusal else "redeemed"})
    if refusal is not None:
        raise refusal
    return await provider.mint(stack, ctx, client, person_id, msgspec.convert(row["terms"], Terms), ask.jkt, ())
