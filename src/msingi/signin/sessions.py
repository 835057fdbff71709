"""Whose account it is, and the browsers in which somebody is signed in."""

import os
from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.signin import rules, store, wire
from msingi.signin.model import Place, Session, SignedOut, StaffAccount, Who


def is_self(ctx: Context, account: PersonId) -> bool:
    """Whether a member of staff acts on their own account."""
    return ctx.actor.kind is Kind.STAFF and rules.staff_account_id(ctx.actor.id) == account


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


async def open_session(
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
