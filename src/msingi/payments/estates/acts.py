"""Verbs of estates: enter a certificate, agree to it, look, close."""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.identity import acts as identity
from msingi.identity.model import Status
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import holders, homes, parties, store_shared
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.circles import deaths
from msingi.payments.estates import paying, rules, store
from msingi.payments.estates.errors import EstateEnded, EstateExists, EstateNotEmpty, NoSuchEstate, NotDeceased
from msingi.payments.estates.model import Estate, EstateAccount, EstateOrder, Heir, Kept, State
from msingi.payments.fraud.acts import cursor
from msingi.payments.groups.mandates import today

MAX_PAGE = 100


class EstatePage(Struct, frozen=True):
    """A page of estates, the newest first; pass `next_place` for the next page, None on the last one."""

    estates: list[Estate]
    next_place: str | None


@crossing("payments", "portal")
async def propose_estate(stack: Stack, ctx: Context, order: EstateOrder) -> Estate:
    """Enter a certificate: who inherits what of somebody who died. Nothing moves before a second officer agrees.

    The same key again gives the same estate. Raises Malformed, NoSuchAccount (party: holder, or heir), NotDeceased,
    EstateExists.
    """
    bank_rules.check_key(order.key)
    bank_rules.check_words("number", order.number, 60)
    bank_rules.check_words("authority", order.authority, 80)
    rules.check_order(order, today(stack))
    permit = policy.decide(ctx, "payments.propose-estate", policy.ANYONE)
    account, currency = ledger_rules.id_of(order.account), stack.profile.currency.code
    person = await _dead(stack, permit, account)
    for heir in order.heirs:
        await _payable(stack, permit, heir.account, person, currency)
    kept = Kept(
        person_id=person, estate_id=uuid7(), account=account, number=order.number, authority=order.authority,
        issued_on=order.issued_on, currency=currency, heirs=order.heirs, state=State.PROPOSED, made_by=ctx.actor.id,
        made_at=ctx.at, stopped=0,
    )  # fmt: skip
    async with stack.db.transaction(permit) as tx:
        scope = f"estate:{ctx.actor.id}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            found = await store.estate(tx, stack.seal, msgspec.json.decode(first, type=UUID))
            assert found is not None
            kept = found
        else:
            if not await store.add(tx, stack.seal, kept):
                raise EstateExists()
            log.append(tx, permit, subject=person, detail={"what": "estate proposed", "number": order.number})
            await once.settle(tx, "payments", scope, msgspec.json.encode(kept.estate_id))
    return await _shown(stack, ctx, kept)


async def _dead(stack: Stack, permit: policy.Permit, account: int) -> PersonId:
    """Who held an account alone and has died. Raises NoSuchAccount, NotDeceased."""
    async with stack.db.transaction(permit) as tx:
        owners = await store_shared.owners_of(tx, account)
        log.append(tx, permit, detail={"what": "whose account a certificate names"})
    if not owners:
        raise ledger_errors.NoSuchAccount(party="holder")
    async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
        alone = await accounts.holder_ref_of(near, account) == parties.person_ref(stack, owners[0])
    try:
        status, _ = await identity.status_of(stack, job_context(holders.JOB), owners[0])
    except NotFound:
        raise NotDeceased() from None
    if status is not Status.DECEASED or not alone:
        raise NotDeceased()
    return owners[0]


async def _payable(stack: Stack, permit: policy.Permit, number: str, dead: PersonId, currency: str) -> None:
    """Raises NoSuchAccount unless an heir can be paid on an account that is not the dead person's."""
    account = ledger_rules.id_of(number)
    async with homes.home(stack, ledger_rules.shard_of(account)).db.reading("payments") as near:
        row = await accounts.account(near, account)
        owner = await accounts.holder_ref_of(near, account) if row is not None else None
    closed = row is None or ledger_rules.is_closed(row["flags"]) or row["currency"] != currency
    if closed or owner == parties.person_ref(stack, dead):
        raise ledger_errors.NoSuchAccount(party="heir")


@crossing("payments", "portal")
async def decide_estate(stack: Stack, ctx: Context, estate_id: str, *, agrees: bool) -> Estate:
    """Agree to what another officer entered, or refuse it. What is agreed to is done at once: standing orders and seats
    in rotating groups end, and what is free is paid to the heirs.

    Raises NoSuchEstate, EstateEnded, OwnEstate.
    """
    permit = policy.decide(ctx, "payments.decide-estate", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = await _found(stack, tx, estate_id, hold=True)
        rules.check_deciding(kept.state, kept.made_by, ctx.actor.id)
        state = State.OPEN if agrees else State.REFUSED
        await store.decide(tx, kept, state, ctx.actor.id, ctx.at)
        log.append(tx, permit, subject=kept.person_id, detail={"what": "estate decided", "agreed": agrees})
    if agrees:
        await paying.settle(stack, kept.estate_id)
    return await see_estate(stack, ctx, estate_id)


async def _found(stack: Stack, tx: store.Tx, estate_id: str, *, hold: bool = False) -> Kept:
    """Raises NoSuchEstate."""
    try:
        kept = await store.estate(tx, stack.seal, UUID(estate_id), hold=hold)
    except ValueError:
        kept = None
    if kept is None:
        raise NoSuchEstate()
    return kept


@crossing("payments", "portal")
async def see_estate(stack: Stack, ctx: Context, estate_id: str) -> Estate:
    """One estate: its statement. Raises NoSuchEstate."""
    permit = policy.decide(ctx, "payments.see-estates", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = await _found(stack, tx, estate_id)
        log.append(tx, permit, subject=kept.person_id, detail={"what": "estate looked at"})
    return await _shown(stack, ctx, kept)


@crossing("payments", "portal")
async def see_estates(stack: Stack, ctx: Context, *, place: str = "", limit: int = 25) -> EstatePage:
    """A page of the estates, the newest first. Raises Malformed."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} estates.", field="limit", rule=f"1..{MAX_PAGE}")
    start: tuple[datetime, UUID] | None = cursor(place)
    permit = policy.decide(ctx, "payments.see-estates", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.estates(tx, stack.seal, start, limit + 1)
        log.append(tx, permit, detail={"what": "estates", "count": min(len(found), limit)})
    last = found[limit - 1] if len(found) > limit else None
    after = f"{last.made_at.isoformat()}|{last.estate_id}" if last else None
    return EstatePage([await _shown(stack, ctx, one) for one in found[:limit]], after)


@crossing("payments", "portal")
async def close_estate(stack: Stack, ctx: Context, estate_id: str) -> Estate:
    """Close the empty accounts of an estate, and the estate: nothing arrives there any more (law 5).

    Raises NoSuchEstate, EstateEnded unless it is open, EstateNotEmpty.
    """
    permit = policy.decide(ctx, "payments.decide-estate", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = await _found(stack, tx, estate_id)
        log.append(tx, permit, subject=kept.person_id, detail={"what": "estate to be closed"})
    if kept.state is not State.OPEN:
        raise EstateEnded(state=kept.state.value)
    await paying.settle(stack, kept.estate_id)
    if await deaths.owed(stack, paying.permit(), kept.person_id) or not await paying.close(
        stack, paying.permit(), kept
    ):
        raise EstateNotEmpty()
    async with stack.db.transaction(permit) as tx:
        await store.close(tx, kept, ctx.at)
        log.append(tx, permit, subject=kept.person_id, detail={"what": "estate closed"})
    return await see_estate(stack, ctx, estate_id)


async def _name(stack: Stack, ctx: Context, by: policy.Permit, account: int) -> str:
    """Whose account it is: initials, or an institution's name; empty for nobody's."""
    async with stack.db.transaction(by) as tx:
        holder = await accounts.institution_of(tx, account)
        people = await store_shared.owners_of(tx, account)
        tx.repeated = True
    if holder is not None:
        return parties.institution_name(stack, holder["institution"])
    return " & ".join([await parties.initials_of(stack, ctx, person) for person in people])


async def _shown(stack: Stack, ctx: Context, kept: Kept) -> Estate:
    """An estate as an officer sees it."""
    by = paying.permit()
    async with stack.db.transaction(by) as tx:
        fresh = await store.estate(tx, stack.seal, kept.estate_id) or kept
        parts = await store.parts(tx, kept)
        tx.repeated = True
    held = await paying.held(stack, kept)
    heirs = []
    for place, heir in enumerate(kept.heirs, 1):
        mine = [part for part in parts if part.place == place]
        name = await _name(stack, ctx, by, ledger_rules.id_of(heir.account))
        heirs.append(
            Heir(
                account=heir.account, name=name, parts=heir.parts,
                paid_minor=sum(part.amount for part in mine if part.state == "paid"),
                waiting_minor=sum(part.amount for part in mine if part.state != "paid"),
                why=next((part.why for part in mine if part.why), ""),
            )
        )  # fmt: skip
    lines = [
        EstateAccount(
            account=ledger_rules.number_of(number), kind=kind, currency=row["currency"], balance_minor=row["posted"],
            held_minor=row["reserved"], closed=ledger_rules.is_closed(row["flags"]),
        )
        for number, (row, kind) in held.items()
    ]  # fmt: skip
    return Estate(
        estate_id=str(kept.estate_id), name=await parties.initials_of(stack, ctx, kept.person_id), number=kept.number,
        authority=kept.authority, issued_on=kept.issued_on, state=fresh.state, made_by_me=kept.made_by == ctx.actor.id,
        made_at=kept.made_at, currency=kept.currency, heirs=heirs, accounts=lines, stopped=fresh.stopped,
        owed_minor=await deaths.owed(stack, by, kept.person_id),
    )  # fmt: skip
