"""Verbs on accounts: PINs, staff, and the software of institutions."""

import os
from datetime import datetime, timedelta

import msgspec

from msingi.identity import acts as identity
from msingi.kernel import log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.log import leaf
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import limits, rules, store, wire
from msingi.signin.clients import client, remembered
from msingi.signin.errors import CoolingOff, OwnAccount, SameHand
from msingi.signin.model import Client, ClientProposal, NewStaff, Recovered, StaffLine
from msingi.signin.passkeys import store as passkeys
from msingi.signin.provider import rsakeys
from msingi.signin.wallets import store as wallets
from msingi.signin.ways import store as ways


async def _keep_pin(stack: Stack, tx: Tx, account: PersonId, pin: str) -> None:
    salt = os.urandom(16)
    digest = stack.keys.blind(rules.pin_text(account, salt, pin))
    await store.put_pin(tx, account, await stack.seal.seal(tx, account, salt + digest, "signin.pin"))


async def set_pin(stack: Stack, ctx: Context, person_id: PersonId, pin: str) -> None:
    """Set or replace somebody's PIN; sign-ins with the old one end. Raises PinNotAcceptable."""
    rules.check_new_pin(pin)
    permit = policy.decide(ctx, "signin.set-pin", person_id)
    async with stack.db.transaction(permit) as tx:
        await _keep_pin(stack, tx, person_id, pin)
        await store.end_everything(tx, person_id, ctx.at)
        log.append(tx, permit, subject=person_id)


async def recover(stack: Stack, ctx: Context, person_id: PersonId, pin: str, checks: tuple[str, ...]) -> datetime:
    """Give somebody back their account at a centre, after an officer's checks; until when they must take it slowly.

    The person types a new PIN; passkeys, wallet keys, known devices and open sign-ins end, every phone that is known
    hears of it, and no lock that earlier tries put on the account stands any longer. For three days nothing weighty can
    be approved (`check_not_recovering`), so that the owner can still object.
    `checks` are at least two of `model.CHECKS`. Raises PinNotAcceptable, ChecksMissing.
    """
    rules.check_new_pin(pin)
    rules.check_recovery(checks)
    permit = policy.decide(ctx, "signin.recover", person_id)
    person = await identity.read_person(stack, job_context("signin", "identity-proofing"), person_id)
    until = ctx.at + timedelta(seconds=rules.COOLING_S)
    async with stack.db.transaction(permit) as tx:
        await _keep_pin(stack, tx, person_id, pin)
        await passkeys.remove_all(tx, person_id)
        await wallets.remove_all(tx, person_id)
        await store.forget_devices(tx, person_id)
        places = [limits.new_devices(stack, person_id), *limits.ways_to(stack, person_id, await ways.institutions(tx))]
        await ways.open_all(tx, places)
        ended = await store.end_everything(tx, person_id, ctx.at)
        await store.put_recovery(tx, person_id, ctx.actor.institution, checks, ctx.at, until)
        if phone := person.demographics.phone:
            text = wire.say("sms_recovered", person.demographics.language or stack.profile.language)
            await stack.outbox.emit(tx, "sms.requested", SmsRequested(phone, text, "recovery"))
        await stack.outbox.emit(tx, "signin.recovered", Recovered(person_id, until))
        detail: leaf.Detail = {"checks": " ".join(checks), "institution": ctx.actor.institution, "sessions": ended}
        log.append(tx, permit, subject=person_id, detail=detail)
    return until


async def check_not_recovering(tx: Tx, person_id: PersonId, at: datetime) -> None:
    """Raises CoolingOff while an account was given back less than three days ago."""
    until = await store.recovering_until(tx, person_id, at)
    if until is not None:
        raise CoolingOff(retry_after_s=int((until - at).total_seconds()) + 1)


async def add_staff(stack: Stack, ctx: Context, new: NewStaff) -> PersonId:
    """Give a member of staff an account, or replace it; gives the account's id. Raises PinNotAcceptable.

    What was signed in before ends: tokens say the roles of their sign-in, and would keep those that were taken away.
    """
    rules.check_new_pin(new.pin)
    rules.check_staff_id(new.staff_id)
    account = rules.staff_account_id(new.staff_id)
    permit = policy.decide(ctx, "signin.add-staff", account)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, account)
        sealed = await stack.seal.seal(tx, account, msgspec.json.encode((new.name, new.phone)), "signin.staff")
        await store.put_staff(tx, account, new.staff_id, new.institution, new.roles, sealed)
        await _keep_pin(stack, tx, account, new.pin)
        await store.end_everything(tx, account, ctx.at)
        detail: leaf.Detail = {
            "staff": new.staff_id,
            "institution": new.institution,
            "roles": " ".join(sorted(new.roles)),
        }
        log.append(tx, permit, subject=account, detail=detail)
    return account


async def close_staff(stack: Stack, ctx: Context, staff_id: str) -> int:
    """Close the account of a member of staff; gives the number of sessions that ended with it.

    What was signed in ends at once, and nothing signs in again; `add_staff` opens the account anew. Nobody closes
    their own, so that a last operator cannot lock the door from outside. Raises NotFound, OwnAccount.
    """
    account = rules.staff_account_id(staff_id)
    permit = policy.decide(ctx, "signin.close-staff", account)
    if ctx.actor.kind is Kind.STAFF and rules.staff_account_id(ctx.actor.id) == account:
        raise OwnAccount()
    async with stack.db.transaction(permit) as tx:
        if not await store.close_staff(tx, account):
            raise NotFound("There is no open account with this staff id.")
        ended = await store.end_everything(tx, account, ctx.at)
        log.append(tx, permit, subject=account, detail={"staff": staff_id, "sessions": ended})
    return ended


async def list_staff(stack: Stack, ctx: Context, after: str = "", limit: int = 50) -> list[StaffLine]:
    """Accounts of staff by staff id, `limit` (1 to 200) after the id `after`, closed ones too."""
    permit = policy.decide(ctx, "signin.list-staff", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.staff_after(tx, after, max(1, min(limit, 200)))
        log.append(tx, permit, detail={"accounts": len(found)})
    return found


async def has_operator(stack: Stack, ctx: Context) -> bool:
    """Whether there is an operator who can put in force what somebody else proposes."""
    permit = policy.decide(ctx, "signin.list-staff", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.has_role(tx, "operator")
        log.append(tx, permit, detail={"operator": found})
    return found


async def add_client(stack: Stack, ctx: Context, new: Client) -> None:
    """Register software of an institution, or replace its registration. Raises BadRegistration."""
    rules.check_registration(new)
    permit = policy.decide(ctx, "signin.add-client", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store.put_client(tx, new)
        tx.after_commit.append(remembered(stack).clear)
        log.append(tx, permit, detail={"client": new.client_id, "institution": new.institution})
    await rsakeys.ready(stack, new)


async def propose_client(stack: Stack, ctx: Context, new: Client) -> None:
    """Propose software to be registered, or registered anew; another operator decides. Raises BadRegistration."""
    rules.check_registration(new)
    permit = policy.decide(ctx, "signin.propose-client", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store.put_client_proposal(tx, new, ctx.actor.id, ctx.at)
        log.append(tx, permit, detail={"client": new.client_id, "institution": new.institution})


async def client_proposals(stack: Stack, ctx: Context) -> list[ClientProposal]:
    """Registrations that wait for another operator, the oldest first, at most 200."""
    permit = policy.decide(ctx, "signin.client-proposals", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.client_proposals(tx)
        log.append(tx, permit, detail={"proposals": len(found)})
    return found


async def add_client_together(stack: Stack, ctx: Context, new: Client) -> bool:
    """Propose software; or put it in force, if another operator proposed it in the very same words before.

    Whether it is in force now. Raises BadRegistration.
    """
    for waiting in await client_proposals(stack, ctx):
        if waiting.registration == new and waiting.proposed_by != ctx.actor.id:
            await decide_client(stack, ctx, new.client_id, True, waiting.mark)
            return True
    await propose_client(stack, ctx, new)
    return False


async def decide_client(stack: Stack, ctx: Context, client_id: str, approve: bool, mark: str = "") -> None:
    """Register proposed software, or refuse it; never one's own. `mark` is that of the proposal that was looked at.

    Raises NotFound, also for a proposal whose words changed since, and SameHand.
    """
    permit = policy.decide(ctx, "signin.decide-client", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.held_client_proposal(tx, client_id)
        if found is None:
            raise NotFound("No registration of this software waits.")
        if mark and found.mark != mark:
            raise NotFound("The registration was worded anew since: look at it again.")
        if found.proposed_by == ctx.actor.id:
            raise SameHand()
        if approve:
            await store.put_client(tx, found.registration)
            tx.after_commit.append(remembered(stack).clear)
        await store.end_client_proposal(tx, client_id)
        log.append(tx, permit, detail={"client": client_id, "approved": approve, "proposed_by": found.proposed_by})
    if approve:
        await rsakeys.ready(stack, found.registration)


async def rotate_client_key(stack: Stack, ctx: Context, client_id: str, jwks: tuple[dict, ...]) -> None:
    """Replace a client's public keys; send old and new together first for a change without pause."""
    registered = await client(stack, client_id)
    rules.check_registration(msgspec.structs.replace(registered, jwks=jwks))
    permit = policy.decide(ctx, "signin.rotate-client-key", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store.put_client_keys(tx, client_id, jwks)
        tx.after_commit.append(remembered(stack).clear)
        log.append(tx, permit, detail={"client": client_id, "keys": len(jwks)})


async def list_clients(
    stack: Stack, ctx: Context, after: str = "", limit: int = 50, institution: str = ""
) -> list[Client]:
    """Registered software by id, `limit` (1 to 200) after the id `after`; of one institution where it is named."""
    permit = policy.decide(ctx, "signin.list-clients", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.clients_after(tx, after, max(1, min(limit, 200)), institution)
        log.append(tx, permit, detail={"clients": len(found)})
    return found


async def retire_client(stack: Stack, ctx: Context, client_id: str) -> bool:
    """Let a client be used no longer; its tokens run out within minutes. False if there was none."""
    permit = policy.decide(ctx, "signin.retire-client", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.retire_client(tx, client_id)
        tx.after_commit.append(remembered(stack).clear)
        log.append(tx, permit, detail={"client": client_id, "retired": gone})
    return gone
