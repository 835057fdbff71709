"""Verbs of sign-in: prove a PIN, send and prove a code, keep sessions, set PINs, and register accounts."""

import asyncio
import os
import secrets
from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.identity.model import Person, Status
from msingi.kernel import log, policy
from msingi.kernel.context import ANYBODY, Context, Kind, context, job_context
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Erased, NotFound, Refusal
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import limits, rules, store, wire
from msingi.signin.accounts import add_client as add_client
from msingi.signin.accounts import add_client_together as add_client_together
from msingi.signin.accounts import add_staff as add_staff
from msingi.signin.accounts import check_not_recovering as check_not_recovering
from msingi.signin.accounts import client_proposals as client_proposals
from msingi.signin.accounts import close_staff as close_staff
from msingi.signin.accounts import decide_client as decide_client
from msingi.signin.accounts import has_operator as has_operator
from msingi.signin.accounts import list_clients as list_clients
from msingi.signin.accounts import list_staff as list_staff
from msingi.signin.accounts import propose_client as propose_client
from msingi.signin.accounts import recover as recover
from msingi.signin.accounts import retire_client as retire_client
from msingi.signin.accounts import rotate_client_key as rotate_client_key
from msingi.signin.accounts import set_pin as set_pin
from msingi.signin.clients import client as client
from msingi.signin.errors import AccessDenied, NoPhone, TooManyTries
from msingi.signin.model import (
    CODE_TRIES,
    CODE_TTL_S,
    DeviceAdded,
    PinResult,
    Place,
    Proved,
    Session,
    SignedOut,
    StaffAccount,
    Verdict,
    Who,
)

ANSWER_FLOOR_S = 0.25


def proving(request_id: str = "") -> Context:
    """The context in which anybody tries to prove who they are."""
    return context(ANYBODY, "identity-proofing", "public-task", request_id=request_id)


def own_work() -> Context:
    """The context of sign-in's own looks at the register."""
    return job_context("signin", "identity-proofing")


def is_staff_login(login: str) -> bool:
    """Whether what was typed is a staff id."""
    return rules.is_staff_login(login)


def is_self(ctx: Context, account: PersonId) -> bool:
    """Whether a member of staff acts on their own account."""
    return ctx.actor.kind is Kind.STAFF and rules.staff_account_id(ctx.actor.id) == account


async def find_account(stack: Stack, login: str, ctx: Context) -> PersonId | None:
    """Whose account is meant by a number, a phone number or a staff id; None for nobody's and for one out of use."""
    if rules.is_staff_login(login):
        return rules.staff_account_id(login)
    for find in (identity.person_by_number, identity.person_by_phone):
        try:
            return await find(stack, ctx, login)
        except Refusal:
            continue
    return None


async def load_who(stack: Stack, tx: Tx, account: PersonId | None, login: str) -> Who | None:
    """The account behind a login, with a member of staff's roles; None if staff with this id do not exist."""
    if account is None or not rules.is_staff_login(login):
        return None if account is None else Who(account)
    found = await staff_account(stack, tx, account)
    if found is None:
        return None
    return Who(account, found.staff_id, found.institution, found.roles, found.name)


async def staff_account(stack: Stack, tx: Tx, account: PersonId) -> StaffAccount | None:
    """A staff account with its name and phone unsealed."""
    row = await store.staff(tx, account)
    if row is None:
        return None
    name, phone = msgspec.json.decode(
        await stack.seal.unseal(tx, account, row["sealed"], "signin.staff"), type=tuple[str, str]
    )
    return StaffAccount(
        account_id=account,
        staff_id=row["staff_id"],
        institution=row["institution"],
        roles=frozenset(row["roles"]),
        name=name,
        phone=phone,
    )


async def pin_is_right(stack: Stack, tx: Tx, account: PersonId | None, pin: str) -> bool:
    """Whether this is the account's PIN. Works as long for nobody's account as for somebody's (law 1)."""
    stored = None if account is None else (await store.pins(tx, [account])).get(account)
    return await pin_fits(stack, tx, account, stored, pin)


async def stored_pins(tx: Tx, accounts: list[PersonId]) -> dict[PersonId, bytes]:
    """The sealed PIN hashes of several accounts; those without PIN are absent."""
    return await store.pins(tx, accounts)


async def pin_fits(stack: Stack, tx: Tx, account: PersonId | None, stored: bytes | None, pin: str) -> bool:
    """Whether a PIN is the one whose sealed hash was read."""
    blob = os.urandom(48)
    if account is not None and stored is not None:
        blob = await stack.seal.unseal(tx, account, stored, "signin.pin")
    return wire.same(blob[16:], stack.keys.blind(rules.pin_text(account, blob[:16], pin[:64])))


async def verify_pin(
    stack: Stack,
    ctx: Context,
    login: str,
    pin: str,
    place: Place,
    via: str,
    *,
    one_factor: bool = False,
    card: PersonId | None = None,
    untold: bool = False,
) -> PinResult:
    """One attempt with a PIN. With `one_factor`, a right one opens a session at once.

    `card` is whose card was shown instead of a login; it counts as that person's tries and as no second factor,
    because a printed code can be copied. A wrong PIN, an unknown number and an account without PIN end alike, after
    the same time (law 1). While one PIN is tried on many people, it alone signs nobody in on a new device. With
    `untold`, a person on a new device in a locked network gets that verdict, and the caller tells nobody (law 2).
    """
    begun = asyncio.get_running_loop().time()
    login = rules.tidy_login(login[:100])
    account = card or await find_account(stack, login, own_work())
    permit = policy.decide(ctx, "signin.verify-pin", policy.NOBODY if account is None else account)
    async with stack.db.transaction(permit) as tx:
        who = await load_who(stack, tx, account, login)
        subject = None if who is None else who.person_id
        known = who is not None and await store.device_known(tx, who.person_id, place.device_hash, ctx.at)
        key = stack.keys.blind(
            rules.place_key(str(subject or login), place.device_hash if known else None, place.network)
        )
        tries = await store.open_place(tx, key, ctx.at)
        network = None if known else limits.network_place(stack, place, ctx.at)
        wait_s = rules.locked_s(tries, ctx.at) or (network and await limits.network_wait_s(tx, network, ctx.at))
        result = PinResult(Verdict.LOCKED, retry_after_s=wait_s or 0)
        if result.retry_after_s and untold and not known and not rules.is_staff_login(login):
            right = await pin_is_right(stack, tx, subject, pin)
            result = PinResult(Verdict.UNTOLD, who if right else None)
        elif not result.retry_after_s:
            if await pin_is_right(stack, tx, subject, pin):
                alone = one_factor and (known or not await limits.is_sprayed(stack, tx, pin, ctx.at))
                cookie = await _open_session(stack, tx, ctx, who, ("pin",), place) if who and alone else ""
                result = PinResult(Verdict.RIGHT, who, cookie=cookie)
                await store.forget_place(tx, key)
            else:
                result = PinResult(Verdict.WRONG)
                await store.count_failure(tx, key, rules.after_failure(tries, ctx.at))
                if network:
                    await store.add_failure(tx, network, ctx.at)
                    await limits.count_spray(stack, tx, pin, ctx.at)
        log.append(
            tx,
            permit,
            # While a place is locked nothing is tried, and strangers must not fill a person's record.
            subject=subject if result.who or result.verdict is Verdict.WRONG else None,
            detail={
                "result": result.verdict,
                "to": via,
                "device": "known" if known else "new",
                "by": "card" if card else "login",
            },
        )
    if result.verdict is not Verdict.RIGHT:
        await asyncio.sleep(max(0.0, begun + ANSWER_FLOOR_S - asyncio.get_running_loop().time()))
    return result


async def active_person(stack: Stack, person_id: PersonId, ctx: Context) -> Person | None:
    """A person whose identity is in use; None for anybody else."""
    try:
        person = await identity.read_person(stack, ctx, person_id)
    except (NotFound, Erased):
        return None
    return person if person.status is Status.ACTIVE else None


async def _phone_of(stack: Stack, person_id: PersonId) -> str:
    person = await active_person(stack, person_id, own_work())
    if person is None or not person.demographics.phone:
        raise NoPhone()
    return person.demographics.phone


async def send_code(
    stack: Stack, ctx: Context, who: Who, bound_to: bytes, place: str, text: tuple[str, str, str], *, act: str = ""
) -> tuple[UUID, str]:
    """Send a one-time code by SMS; gives the challenge's id and the last two digits of the phone number.

    `bound_to` is what the answer must come from (a browser, an institution), `place` where codes are counted (empty:
    by browser); `text` names the message, the language and the asking client; `act` what this is, if no sign-in and
    no answer. Raises NoPhone, and TooManyTries after six codes.
    """
    name, language, via = text
    act = act or ("signin.send-answer-code" if ctx.actor.kind is Kind.CLIENT else "signin.send-code")
    permit = policy.decide(ctx, act, who.person_id)
    phone = "" if who.staff_id else await _phone_of(stack, who.person_id)
    challenge_id = uuid7()
    async with stack.db.transaction(permit) as tx:
        if who.staff_id:
            account = await staff_account(stack, tx, who.person_id)
            phone = account.phone if account else ""
        key = await limits.code_place(stack, tx, who.person_id, bound_to, place, ctx.at)
        wait = await limits.take_code(tx, key, ctx.at)
        if not wait:
            code = f"{secrets.randbelow(10**6):06d}"
            hashed = stack.keys.blind(f"signin.code|{challenge_id}|{code}")
            until = ctx.at + timedelta(seconds=CODE_TTL_S)
            await store.put_challenge(tx, who.person_id, challenge_id, bound_to, hashed, ctx.at, until)
            message = wire.say(name, language, code=code, client=via)
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, message, "code"))
        log.append(tx, permit, subject=who.person_id, detail={"to": via, "result": "locked" if wait else "sent"})
    if wait:
        raise TooManyTries(retry_after_s=wait)
    return challenge_id, phone[-2:]


async def try_code(
    stack: Stack, tx: Tx, ctx: Context, who: PersonId, challenge: UUID, bound_to: bytes, code: str
) -> Verdict:
    """Count and judge one answer to a one-time code (law 3)."""
    sent = await store.try_challenge(tx, who, challenge, bound_to)
    if sent is None or sent["used_at"] or sent["expires_at"] <= ctx.at or sent["tries"] > CODE_TRIES:
        return Verdict.EXPIRED
    digits = "".join(c for c in code[:32] if c.isdigit())
    if not wire.same(sent["code_hash"], stack.keys.blind(f"signin.code|{challenge}|{digits}")):
        return Verdict.WRONG
    await store.use_challenge(tx, who, challenge, ctx.at)
    return Verdict.RIGHT


async def verify_code(
    stack: Stack, ctx: Context, who: Who, challenge: UUID, code: str, place: Place, via: str
) -> tuple[Verdict, str]:
    """One attempt with the one-time code; a right one opens a session with two factors and gives its cookie."""
    permit = policy.decide(ctx, "signin.verify-code", who.person_id)
    cookie = ""
    async with stack.db.transaction(permit) as tx:
        verdict = await try_code(stack, tx, ctx, who.person_id, challenge, place.device_hash, code)
        if verdict is Verdict.RIGHT:
            cookie = await _open_session(stack, tx, ctx, who, ("pin", "otp"), place)
            key = await limits.code_place(stack, tx, who.person_id, place.device_hash, "", ctx.at)
            await store.forget_place(tx, key)
            await _know_device(stack, tx, who.person_id, place, ctx)
        detail: leaf.Detail = {"result": str(verdict), "to": via, "browser": rules.device_name(place.agent)}
        log.append(tx, permit, subject=who.person_id, detail=detail)
    return verdict, cookie


async def _know_device(stack: Stack, tx: Tx, person_id: PersonId, place: Place, ctx: Context) -> None:
    """The device is known from now on; others hear of one that is new beside known ones."""
    if await store.know_device(tx, person_id, place.device_hash, ctx.at):
        await stack.outbox.emit(tx, "signin.device-added", DeviceAdded(person_id, ctx.at))


async def accept_factor(stack: Stack, ctx: Context, proved: Proved, place: Place, via: str) -> str:
    """Open a session for somebody who proved themselves by a factor of another room; the session's cookie.

    Raises AccessDenied if the identity is out of use. Where two factors were proved, the device is known from now on.
    """
    if await active_person(stack, proved.person_id, own_work()) is None:
        raise AccessDenied(rule="identity in use")
    permit = policy.decide(ctx, "signin.verify-factor", proved.person_id)
    async with stack.db.transaction(permit) as tx:
        cookie = await _open_session(stack, tx, ctx, Who(proved.person_id), proved.methods, place, proved.factors)
        if proved.factors > 1:
            await _know_device(stack, tx, proved.person_id, place, ctx)
        detail: leaf.Detail = {
            "result": "right",
            "to": via,
            "by": " ".join(proved.methods),
            "browser": rules.device_name(place.agent),
        }
        log.append(tx, permit, subject=proved.person_id, detail=detail)
    return cookie


async def _open_session(
    stack: Stack, tx: Tx, ctx: Context, who: Who, methods: tuple[str, ...], place: Place, factors: int = 0
) -> str:
    """Open a session and give the sealed cookie that names it; each method counts as a factor unless told."""
    secret = os.urandom(32)
    session = Session(
        person_id=who.person_id,
        session_id=uuid7(),
        factors=factors or len(methods),
        methods=methods,
        proved_at=ctx.at,
        seen_at=ctx.at,
        expires_at=ctx.at + timedelta(seconds=rules.ABSOLUTE_S),
        agent=rules.device_name(place.agent),
    )
    await store.put_session(tx, session, wire.secret_hash(secret))
    pointer = wire.Pointer(who.person_id, session.session_id, secret, who.staff_id, who.institution)
    return wire.seal(stack.seal, "session", pointer)


async def live_session(stack: Stack, tx: Tx, ctx: Context, pointer: wire.Pointer) -> Session | None:
    """The session that a cookie names, if it still holds; marks it as used. Staff roles are read afresh."""
    return await still_live(stack, tx, ctx, pointer, await store.session(tx, pointer.person_id, pointer.item_id))


async def still_live(stack: Stack, tx: Tx, ctx: Context, pointer: wire.Pointer, row: Row | None) -> Session | None:
    """The session in `row`, which `pointer` names, if it still holds; as `live_session`."""
    if row is None or not wire.same(row["secret_hash"], wire.secret_hash(pointer.secret)):
        return None
    if not rules.session_is_live(ctx.at, row["seen_at"], row["expires_at"]):
        return None
    more = {}
    if pointer.staff_id:
        account = await staff_account(stack, tx, pointer.person_id)
        if account is None:
            return None
        more = {f: getattr(account, f) for f in ("staff_id", "institution", "roles", "name")}
    if ctx.at - row["seen_at"] > timedelta(seconds=rules.TOUCH_S):
        await store.touch_session(tx, pointer.person_id, pointer.item_id, ctx.at)
    return msgspec.convert({**row, "person_id": pointer.person_id, **more}, Session)


async def list_sessions(stack: Stack, ctx: Context, account: PersonId) -> list[Session]:
    """Where one is signed in, newest first."""
    permit = policy.decide(ctx, "signin.list-sessions", account, self=is_self(ctx, account))
    async with stack.db.transaction(permit) as tx:
        found = await store.live_sessions(tx, account, ctx.at)
        log.append(tx, permit, subject=account, detail={"sessions": len(found)})
    return found


async def end_session(stack: Stack, ctx: Context, account: PersonId, session_id: UUID) -> bool:
    """End one of one's own sessions and all tokens that came out of it; False if it was not open."""
    permit = policy.decide(ctx, "signin.end-session", account, self=is_self(ctx, account))
    async with stack.db.transaction(permit) as tx:
        ended = await store.end_session(tx, account, session_id, ctx.at)
        if ended:
            staff_id = ctx.actor.id if ctx.actor.kind is Kind.STAFF else ""
            await _tell_clients(stack, tx, account, staff_id, session_id)
        log.append(tx, permit, subject=account, detail={"ended": ended})
    return ended


async def _tell_clients(
    stack: Stack, tx: Tx, account: PersonId, staff_id: str = "", session_id: UUID | None = None
) -> None:
    """Let the software that signed somebody in hear that this ended (OpenID Connect Back-Channel Logout 1.0)."""
    for client_id in await store.clients_to_tell(tx, account, session_id):
        await stack.outbox.emit(tx, "signin.signed-out", SignedOut(client_id, account, staff_id, session_id))


async def end_everything(stack: Stack, ctx: Context, person_id: PersonId) -> int:
    """End all sessions and tokens of somebody whose identity is out of use; the number of sessions that were open."""
    permit = policy.decide(ctx, "signin.end-everything", person_id)
    async with stack.db.transaction(permit) as tx:
        ended = await store.end_everything(tx, person_id, ctx.at)
        await _tell_clients(stack, tx, person_id)
        log.append(tx, permit, subject=person_id, detail={"sessions": ended})
    return ended
