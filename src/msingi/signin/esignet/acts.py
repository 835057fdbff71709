"""Verbs of a sign-in through eSignet's doors: the steps of our own pages, kept in one row instead of in the browser.

Every proof is an act of sign-in itself (`verify_pin`, `send_code`, `verify_code`), every consent and code one of the
provider: what stops a guesser or a thief there, stops them here.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import store as agreements
from msingi.signin import untold, wire
from msingi.signin.errors import FlowLost, NoPhone, TooManyTries
from msingi.signin.esignet import reading, store
from msingi.signin.esignet.model import LINK_TTL_S, LINKED_TTL_S, Chosen, Link, Login
from msingi.signin.esignet.rules import Fault
from msingi.signin.model import CLAIMS, Client, Who
from msingi.signin.provider import acts as provider
from msingi.signin.provider import rules

_LABEL = "signin.login"
Change = Callable[[Login], Login]


def key_of(login_id: str) -> bytes:
    """How a sign-in stands in the table: its id is a secret, of which only the hash is kept."""
    return wire.secret_hash(login_id.encode())


async def begin(stack: Stack, ctx: Context, login_id: str, login: Login) -> None:
    """Keep a sign-in that begins."""
    permit = policy.decide(ctx, "signin.begin-login", policy.NOBODY)
    until = datetime.fromtimestamp(login.flow.expires_at, UTC)
    async with stack.db.transaction(permit) as tx:
        await store.put_login(tx, key_of(login_id), _sealed(stack, login), until)
        log.append(tx, permit, detail={"client": login.flow.asked.client_id, "result": "begun"})


async def follow(stack: Stack, ctx: Context, key: bytes, step: str, change: Change | None = None) -> Login:
    """The sign-in as it stands, after `change` if one is given. Raises Fault for an unknown one, and as `change`."""
    permit = policy.decide(ctx, "signin.follow-login", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        sealed = await (store.held_login if change else store.login)(tx, key, ctx.at)
        if sealed is None:
            raise Fault("invalid_transaction_id", "this sign-in is unknown, or took too long")
        login = msgspec.msgpack.decode(stack.seal.unseal_with_room_key(_LABEL, bytes(sealed)), type=Login)
        if change:
            login = change(login)
            await store.change_login(tx, key, _sealed(stack, login))
        log.append(tx, permit, detail={"client": login.flow.asked.client_id, "result": step})
    return login


def _sealed(stack: Stack, login: Login) -> bytes:
    return stack.seal.seal_with_room_key(_LABEL, msgspec.msgpack.encode(login))


def check_open(login: Login) -> Login:
    """Raises Fault for a sign-in that gave its code."""
    if login.over:
        raise Fault("invalid_transaction_id", "this sign-in is over")
    return login


def known_to(login: Login, by_link: bool) -> Who | None:
    """Whose PIN was right on this very device; what the other device showed counts for nothing here."""
    return login.flow.who if login.by_link == by_link else None


async def send_code(
    stack: Stack,
    ctx: Context,
    key: bytes,
    login: Login,
    client: Client,
    individual: str,
    bound_to: bytes,
    lang: str,
    *,
    by_link: bool,
) -> str:
    """Send the code of the second factor to whose PIN was right; the last two digits of their phone. Raises Fault.

    Nobody is sent anything because somebody else typed their number: without the PIN no message leaves.
    """
    who = known_to(login, by_link)
    if who is None:
        raise Fault("send_otp_failed", "a code is sent once the PIN was right: authenticate with PIN first")
    if not wire.same(login.named, stack.keys.blind(f"signin.login|{individual}")):
        raise Fault("invalid_identifier", "not the number whose PIN was right")
    text = ("sms_signin", lang, client.name)
    challenge_id, tail = uuid7(), ""
    if login.flow.untold:
        async with untold.Floor():
            with suppress(NoPhone, TooManyTries):  # these would tell that the PIN was right
                if login.flow.untold == untold.REAL:
                    challenge_id, _ = await signin.send_code(stack, ctx, who, bound_to, "", text)
    else:
        try:
            challenge_id, tail = await signin.send_code(stack, ctx, who, bound_to, "", text)
        except TooManyTries as locked:
            wait_s = locked.facts.get("retry_after_s")
            raise Fault("send_otp_failed", f"too many codes; again in {wait_s} seconds") from None

    def sent(was: Login) -> Login:
        flow = msgspec.structs.replace(check_open(was).flow, challenge_id=challenge_id, tail=tail)
        return msgspec.structs.replace(was, flow=flow)

    await follow(stack, ctx, key, "code sent", sent)
    return tail


async def undecided(stack: Stack, login: Login, client: Client, request_id: str) -> tuple[str, ...]:
    """What the person who signed in must still decide about. Raises Fault unless somebody did."""
    if not login.session:
        raise Fault("invalid_transaction", "nobody has signed in yet")
    pointer = wire.unseal(stack.seal, "session", login.session, wire.Pointer)
    ctx = provider.self_context(pointer, "consent-management", request_id)
    permit = policy.decide(ctx, "signin.list-agreements", pointer.person_id)
    async with stack.db.transaction(permit) as tx:
        agreed, refused = await agreements.decided_claims(tx, pointer.person_id, client.client_id)
        log.append(tx, permit, subject=pointer.person_id, detail={"agreements": len(agreed)})
    return rules.claims_to_ask(login.flow.asked, client, agreed, refused)


async def known_claims(stack: Stack, login: Login) -> frozenset[str]:
    """Which of the claims that were asked for the register holds of the person who signed in."""
    pointer = wire.unseal(stack.seal, "session", login.session, wire.Pointer)
    person = await signin.active_person(stack, pointer.person_id, signin.own_work())
    if person is None:
        raise Fault("invalid_transaction", "this identity is out of use")
    of = person.demographics
    held = (of.name.full, of.name.given, of.name.family, of.birth.date, of.phone, person.number)
    return frozenset(name for name, value in zip(CLAIMS, held, strict=True) if value)


async def agree(stack: Stack, login: Login, client: Client, given: Chosen, request_id: str) -> tuple[str, ...]:
    """Keep what the person decided, and give it. Raises Fault for more or less than may be decided."""
    asked = login.flow.asked
    ticked = reading.decided(asked, given)
    kept = tuple(c for c in ticked if not c.startswith("details:"))
    try:
        await provider.agree(stack, login.session, client, asked, kept, request_id)
    except FlowLost:
        raise Fault("invalid_transaction", "the sign-in was ended meanwhile") from None
    return ticked


async def give_code(
    stack: Stack, ctx: Context, key: bytes, login: Login, client: Client, decided: tuple[str, ...] | None
) -> str:
    """The authorization code, once. Raises Fault while something is still to be proved or decided."""
    try:
        outcome = await provider.authorize(stack, login.session, login.flow, client, ctx.request_id, decided)
    except FlowLost:
        raise Fault("invalid_transaction_id", "this sign-in gave its code before") from None
    if not outcome.code:
        raise Fault("invalid_transaction", "something is still to be proved or decided")
    await follow(stack, ctx, key, "code given", lambda was: msgspec.structs.replace(was, over=True))
    return outcome.code


async def link_code(stack: Stack, ctx: Context, key: bytes, device_hash: bytes) -> tuple[str, int]:
    """A code with which one other device may go on with this sign-in, and until when (Unix time). Raises Fault."""
    secret = os.urandom(16)
    until = int(ctx.at.timestamp()) + LINK_TTL_S

    def offered(login: Login) -> Login:
        if check_open(login).flow.device_hash != device_hash or login.session:
            raise Fault("invalid_transaction_id", "a sign-in of this browser that nobody has finished")
        flow = login.flow
        if login.by_link:
            flow = msgspec.structs.replace(flow, who=None, challenge_id=None, untold=0)
        # What was proved on a device that was linked before is not the next one's.
        new = {"link": wire.secret_hash(secret), "link_until": until, "linked_at": 0, "signed": None, "flow": flow}
        return msgspec.structs.replace(login, **new)

    await follow(stack, ctx, key, "link offered", offered)
    return wire.seal(stack.seal, "link", Link(key, secret)), until


def _opened(stack: Stack, label: str, text: str, code: str) -> Link:
    try:
        return wire.unseal(stack.seal, label, text, Link)
    except FlowLost:
        raise Fault(code, "not a code of this provider") from None


def opened_code(stack: Stack, text: str) -> Link:
    """A link code, not yet looked up. Raises Fault."""
    return _opened(stack, "link", text, "invalid_link_code")


async def link(stack: Stack, ctx: Context, text: str) -> tuple[str, Login]:
    """Let the device that shows this code go on with the sign-in, once; the id that it works with. Raises Fault."""
    found, now = opened_code(stack, text), int(ctx.at.timestamp())

    def linked(login: Login) -> Login:
        if not wire.same(login.link, wire.secret_hash(found.secret)) or login.over or login.session:
            raise Fault("invalid_link_code", "this code was replaced, or is no longer needed")
        if login.linked_at or login.link_until <= now:
            raise Fault("invalid_link_code", "this code was used, or is too old")
        return msgspec.structs.replace(login, linked_at=now)

    login = await follow(stack, ctx, found.login, "linked", linked)
    return wire.seal(stack.seal, "linked", found), login


async def linked_login(stack: Stack, ctx: Context, text: str, step: str) -> tuple[Link, Login]:
    """The sign-in that a linked device goes on with; nothing that the browser itself proved. Raises Fault."""
    found = _opened(stack, "linked", text, "invalid_transaction_id")
    login = check_open(await follow(stack, ctx, found.login, step))
    late = int(ctx.at.timestamp()) > login.linked_at + LINKED_TTL_S
    if late or not wire.same(login.link, wire.secret_hash(found.secret)) or (login.session and not login.by_link):
        raise Fault("invalid_transaction_id", "this link is too old, or was replaced")
    return found, login


async def accept(stack: Stack, ctx: Context, key: bytes, decided: tuple[str, ...] | None) -> None:
    """Keep what was decided on the linked device, for the browser that waits for it; None where nothing was asked."""

    def kept(was: Login) -> Login:
        return msgspec.structs.replace(check_open(was), accepted=decided, settled=True)

    await follow(stack, ctx, key, "decided", kept)
