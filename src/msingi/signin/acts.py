"""Verbs of sign-in: prove a PIN, send and prove a code, keep sessions, set PINs, and register accounts."""

import asyncio
import os
import secrets
from datetime import timedelta
from uuid import UUID

from msingi.identity import acts as identity
from msingi.identity.model import Person, Status
from msingi.kernel import log, policy
from msingi.kernel.context import ANYBODY, Context, Kind, context, job_context
from msingi.kernel.db import Tx
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
    Closed,
    DeviceAdded,
    PinResult,
    Place,
    Proved,
    Verdict,
    Who,
)
from msingi.signin.sessions import end_everything as end_everything
from msingi.signin.sessions import end_session as end_session
from msingi.signin.sessions import is_self as is_self
from msingi.signin.sessions import list_sessions as list_sessions
from msingi.signin.sessions import live_session as live_session
from msingi.signin.sessions import load_who, open_session, staff_account
from msingi.signin.sessions import still_live as still_live

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
    held: tuple[PersonId | None, str] = (None, ""),
) -> PinResult:
    """One attempt with a PIN. With `one_factor`, a right one opens a session at once.

    `card` is whose card was shown instead of a login; it counts as that person's tries and as no second factor,
    because a printed code can be copied. A wrong PIN, an unknown number and an account without PIN end alike, after
    the same time (law 1). While one PIN is tried on many people, it alone signs nobody in on a new device. With
    `untold`, whoever comes on a new device in a locked network gets that verdict, and the caller tells nobody (law 2).
    `held` is whose phone or wallet was proved just before, and which: tries count there, as on a known device.
    """
    begun = asyncio.get_running_loop().time()
    login = rules.tidy_login(login[:100])
    account = card or await find_account(stack, login, own_work())
    permit = policy.decide(ctx, "signin.verify-pin", policy.NOBODY if account is None else account)
    async with stack.db.transaction(permit) as tx:
        who = await load_who(stack, tx, account, login)
        subject = None if who is None else who.person_id
        device = held[1].encode() if subject is not None and subject == held[0] else b""
        if subject is not None and not device and await store.device_known(tx, subject, place.device_hash, ctx.at):
            device = place.device_hash
        key = stack.keys.blind(rules.place_key(str(subject or login), device or None, place.network))
        tries = await limits.open_pin(tx, subject, key, ctx.at)
        network = None if device else limits.network_place(stack, place, ctx.at)
        wait_s = rules.locked_s(tries, ctx.at) or (network and await limits.network_wait_s(tx, network, ctx.at)) or 0
        if wait_s and (device or not untold):
            result = PinResult(Verdict.LOCKED, retry_after_s=wait_s)
        elif not await pin_is_right(stack, tx, subject, pin):
            result = PinResult(Verdict.UNTOLD if wait_s else Verdict.WRONG)
        elif wait_s:
            result = PinResult(Verdict.UNTOLD, who)
        else:
            alone = one_factor and (device or not await limits.is_sprayed(stack, tx, pin, ctx.at))
            cookie = await open_session(stack, tx, ctx, who, ("pin",), place) if who and alone else ""
            result = PinResult(Verdict.RIGHT, who, cookie=cookie)
            await store.forget_place(tx, key)
        if result.verdict is Verdict.WRONG:
            await _count_wrong(stack, tx, ctx, who, (key, tries, network), pin, via)
        log.append(
            tx,
            permit,
            # While a place is locked nothing is tried, and strangers must not fill a person's record.
            subject=subject if result.who or result.verdict is Verdict.WRONG else None,
            detail={
                "result": result.verdict,
                "to": via,
                "device": "known" if device else "new",
                "by": "card" if card else "login",
            },
        )
    if result.verdict is not Verdict.RIGHT:
        await asyncio.sleep(max(0.0, begun + ANSWER_FLOOR_S - asyncio.get_running_loop().time()))
    return result


async def _count_wrong(
    stack: Stack, tx: Tx, ctx: Context, who: Who | None, at: tuple[bytes, rules.Tries, bytes | None], pin: str, via: str
) -> None:
    """Count a wrong PIN where it was tried; its owner hears of it when that closes the place."""
    key, tries, network = at
    after = rules.after_failure(tries, ctx.at)
    await store.count_failure(tx, key, after)
    if network:
        await store.add_failure(tx, network, ctx.at)
        await limits.count_spray(stack, tx, pin, ctx.at)
    if who is not None and (closed_s := rules.locked_s(after, ctx.at)):
        closed = Closed(person_id=who.person_id, how="pin", via=via, wait_s=closed_s, staff=bool(who.staff_id))
        await stack.outbox.emit(tx, Closed.kind, closed)


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
        taken = await limits.take_code(tx, key, ctx.at)
        wait = taken.wait_s
        if taken.closed_s and place:
            by = ctx.actor.institution
            closed = Closed(person_id=who.person_id, how="way", via=via, by=by, wait_s=taken.closed_s)
            await stack.outbox.emit(tx, Closed.kind, closed)
        if not wait:
            code = f"{secrets.randbelow(10**6):06d}"
            hashed = stack.keys.blind(f"signin.code|{challenge_id}|{code}")
            until = ctx.at + timedelta(seconds=CODE_TTL_S)
            await store.put_challenge(tx, who.person_id, challenge_id, bound_to, hashed, ctx.at, until)
            message = wire.say(name, language, code=code, client=stack.profile.retold(via, language))
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, message, "code"))
        log.append(tx, permit, subject=who.person_id, detail={"to": via, "result": "locked" if wait else "sent"})
    if wait:
        raise TooManyTries(retry_after_s=wait)
    return challenge_id, phone[-2:]


async def try_code(
    stack: Stack, tx: Tx, ctx: Context, who: PersonId, challenge: UUID, bound_to: bytes, code: str, *, use: bool = True
) -> Verdict:
    """Count and judge one answer to a one-time code (law 3); without `use` a right one works once more."""
    sent = await store.try_challenge(tx, who, challenge, bound_to)
    if sent is None or sent["used_at"] or sent["expires_at"] <= ctx.at or sent["tries"] > CODE_TRIES:
        return Verdict.EXPIRED
    digits = "".join(c for c in code[:32] if c.isdigit())
    if not wire.same(sent["code_hash"], stack.keys.blind(f"signin.code|{challenge}|{digits}")):
        return Verdict.WRONG
    if use:
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
        if verdict is Verdict.RIGHT and who.staff_id:  # with the roles of now; a closed account gets nowhere
            staff = await load_who(stack, tx, who.person_id, who.staff_id)
            who, verdict = staff or who, verdict if staff else Verdict.EXPIRED
        if verdict is Verdict.RIGHT:
            cookie = await open_session(stack, tx, ctx, who, ("pin", "otp"), place)
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
        cookie = await open_session(stack, tx, ctx, Who(proved.person_id), proved.methods, place, proved.factors)
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
