"""The verbs of programmes: open and close one, take people in and out, open cycles, and look.

A cycle is opened here, checked person by person by the stack (`preparing.py`), and from then on is a payment file like
any other: `payments.files` approves it (four eyes), pays it and reports on it.
"""

from collections.abc import Sequence
from uuid import UUID

from msgspec import structs

from msingi.identity import acts as identity
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.programmes import errors, preparing, rules, store
from msingi.payments.programmes.model import (
    Beneficiaries,
    Cycle,
    CycleOpened,
    LeftOutPage,
    Programme,
    ProgrammeOrder,
    Taken,
    Why,
)

MAX_LIST = 1_000
MAX_PAGE = 500
CYCLES = 50
MOST_MINOR = ledger_rules.MAX_BALANCE_MINOR // 1_000_000  # so that a cycle for a whole country still has a sum


def _permit(ctx: Context, act: str, subject: policy.Subject = policy.NOBODY) -> policy.Permit:
    return policy.decide(ctx, act, subject, own_account=bool(ctx.actor.institution))


def _who(ctx: Context) -> str:
    return f"{ctx.actor.kind}:{ctx.actor.id}"


async def _own(tx: accounts.Tx, ctx: Context, programme_id: UUID) -> Programme:
    """A programme of the actor's institution. Raises NoSuchProgramme."""
    found = await store.programme(tx, programme_id)
    if found is None or found.institution != ctx.actor.institution:
        raise errors.NoSuchProgramme()
    return found


async def open_programme(stack: Stack, ctx: Context, order: ProgrammeOrder) -> Programme:
    """Open a programme; the same order again gives the first answer.

    Raises Malformed for wrong shapes or rules, NoSuchAccount unless the payer is an account of the institution's,
    ProgrammeCodeTaken where the code stands for another programme.
    """
    permit = _permit(ctx, "payments.open-programme")
    rules.check_order(order, MOST_MINOR)
    rules.check_eligibility(order.eligibility, {region.code for region in stack.profile.regions})
    payer = ledger_rules.id_of(order.payer)
    async with stack.db.transaction(permit) as tx:
        holder = await accounts.institution_of(tx, payer)
        if holder is None or holder["institution"] != ctx.actor.institution:
            raise ledger_errors.NoSuchAccount(party="payer")
        made = Programme(
            *(uuid7(), ctx.actor.institution, order.code, order.name.strip(), ledger_rules.number_of(payer)),
            *(holder["currency"], order.amount_minor, order.eligibility, 0, _who(ctx), ctx.at),
            *(None, order.claim_days, order.warn_days),
        )
        if holder["currency"] != stack.profile.currency.code:
            raise Malformed("Programmes pay in the country's currency.", field="payer", rule="known-currency")
        if not await store.add_programme(tx, made, payer):
            known = await store.programme_by_code(tx, ctx.actor.institution, order.code)
            assert known is not None
            same = ("name", "payer", "amount_minor", "eligibility", "claim_days", "warn_days")
            if any(getattr(known, part) != getattr(made, part) for part in same):
                raise errors.ProgrammeCodeTaken(programme=order.code)
            made = known
        log.append(tx, permit, detail={"what": "programme opened", "programme": order.code})
    return made


async def programmes(stack: Stack, ctx: Context, *, after: str = "", limit: int = 50) -> list[Programme]:
    """A page of the institution's programmes by code; `after` is the last code of the page before."""
    permit = _permit(ctx, "payments.read-programme", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.programmes(tx, ctx.actor.institution, after, max(1, min(limit, MAX_PAGE)))
        log.append(tx, permit, detail={"what": "programmes listed"})
    return found


async def programme(stack: Stack, ctx: Context, programme_id: UUID) -> Programme:
    """A programme, with how many people stand in it. Raises NoSuchProgramme."""
    permit = _permit(ctx, "payments.read-programme", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await _own(tx, ctx, programme_id)
        counts = await store.people_in(tx, [programme_id])
        log.append(tx, permit, detail={"what": "programme", "programme": found.code})
    return structs.replace(found, people=counts.get(programme_id, 0))


async def close_programme(stack: Stack, ctx: Context, programme_id: UUID) -> Programme:
    """End a programme: what was paid stays, cycles that were opened go on. Raises NoSuchProgramme, ProgrammeClosed."""
    permit = _permit(ctx, "payments.close-programme")
    async with stack.db.transaction(permit) as tx:
        found = await _own(tx, ctx, programme_id)
        if not await store.close_programme(tx, programme_id, ctx.at):
            raise errors.ProgrammeClosed()
        log.append(tx, permit, detail={"what": "programme closed", "programme": found.code})
    return structs.replace(found, closed_at=ctx.at)


async def enrol_beneficiaries(stack: Stack, ctx: Context, programme_id: UUID, numbers: Sequence[str]) -> list[Taken]:
    """Take people into a programme by identity number: up to 1,000 in one call, each with its own outcome.

    Handing a list in again changes nothing for those who stand in it. Everybody who is found learns of it. Raises
    Malformed for too many, NoSuchProgramme, ProgrammeClosed, TooManyMisses for whoever tries numbers out.
    """
    if not 1 <= len(numbers) <= MAX_LIST:
        raise Malformed(f"A list has 1 to {MAX_LIST} numbers.", field="numbers", rule=f"count 1..{MAX_LIST}")
    _permit(ctx, "payments.enrol-beneficiary")
    async with stack.db.reading("payments") as tx:
        found = await _own(tx, ctx, programme_id)
    if found.closed_at is not None:
        raise errors.ProgrammeClosed()
    wrong, people = await _persons(stack, ctx, list(dict.fromkeys(numbers)))
    judged = await preparing.judged(stack, ctx, list(people.values()), found.eligibility, ctx.at.date())
    refused = {person: why for person in people.values() if (why := judged[person].why) is not None}
    fit = [person for person in dict.fromkeys(people.values()) if person not in refused]
    permit = _permit(ctx, "payments.enrol-beneficiary", tuple(fit))
    async with stack.db.transaction(permit) as tx:
        new = await store.take_in(tx, programme_id, fit, _who(ctx), ctx.at) if fit else set()
        for person in new:
            log.append(tx, permit, subject=person, detail={"what": "taken into a programme", "programme": found.name})
        if not new:
            log.append(tx, permit, detail={"what": "nobody taken into a programme", "programme": found.code})
    told, seen = [], set()
    for line, number in enumerate(numbers, 1):
        person = people.get(number)
        why = (Why.MALFORMED if number in wrong else Why.NOT_FOUND) if person is None else refused.get(person)
        outcome = "refused" if why else "enrolled" if person in new and person not in seen else "already"
        seen.add(person)
        told.append(Taken(line, outcome, why))
    return told


async def _persons(stack: Stack, ctx: Context, numbers: list[str]) -> tuple[set[str], dict[str, PersonId]]:
    """The malformed ones among some numbers, and the people behind the others, whatever their status."""
    try:
        return set(), await identity.persons_by_number(stack, ctx, numbers, any_status=True)
    except Malformed:
        if len(numbers) == 1:
            return set(numbers), {}
    half = len(numbers) // 2
    wrong, people = await _persons(stack, ctx, numbers[:half])
    more_wrong, more = await _persons(stack, ctx, numbers[half:])
    return wrong | more_wrong, people | more


async def end_beneficiary(stack: Stack, ctx: Context, programme_id: UUID, person: PersonId) -> bool:
    """Somebody leaves a programme, and learns of it; False for somebody who did not stand in it."""
    permit = _permit(ctx, "payments.end-beneficiary", person)
    async with stack.db.transaction(permit) as tx:
        found = await _own(tx, ctx, programme_id)
        left = await store.take_out(tx, programme_id, person, ctx.at)
        subject = person if left else None
        log.append(tx, permit, subject=subject, detail={"what": "left a programme", "programme": found.name})
    return left


async def beneficiaries(
    stack: Stack, ctx: Context, programme_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> Beneficiaries:
    """A page of those who stand in a programme, without names and numbers. Raises NoSuchProgramme."""
    permit = _permit(ctx, "payments.read-programme", policy.ANYONE)
    most = max(1, min(limit, MAX_PAGE))
    async with stack.db.transaction(permit) as tx:
        await _own(tx, ctx, programme_id)
        found = await store.list_page(tx, programme_id, after, most + 1)
        log.append(tx, permit, detail={"what": "list of a programme"})
    page = found[:most]
    return Beneficiaries(page, page[-1].person_id if len(found) > most else None)


async def open_cycle(stack: Stack, ctx: Context, programme_id: UUID, label: str, *, retry: bool = False) -> UUID:
    """Open a cycle, such as 2026-03, or retry it for those whom it has not paid; gives the id of its payment file.

    The same label again gives the first file. Raises CycleUnderWay for a retry before the last file has ended,
    NobodyLeft, ProgrammeClosed, NoSuchProgramme, Malformed.
    """
    rules.check_label(label)
    permit = _permit(ctx, "payments.open-cycle", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await _own(tx, ctx, programme_id)
        open_ = await store.lock_programme(tx, programme_id)
        attempt, state = await store.last_attempt(tx, programme_id, label)
        if attempt and not retry:
            log.append(tx, permit, detail={"what": "cycle asked for again", "programme": found.code})
            return await store.first_file(tx, programme_id, label)
        if not open_:
            raise errors.ProgrammeClosed()
        if attempt and state != "finished":
            raise errors.CycleUnderWay(state=state)
        if not await store.someone_left(tx, programme_id, label):
            raise errors.NobodyLeft()
        file_id, name = uuid7(), rules.message_id(found.code, label, attempt + 1)
        at = ctx.at.isoformat(timespec="seconds")
        file = (name, at, once.content_hash(name.encode()), ctx.purpose, ctx.basis, _who(ctx), ctx.at)
        await store.add_cycle(tx, file_id, found, ledger_rules.id_of(found.payer), label, attempt + 1, file)
        await stack.outbox.emit(tx, "payments.cycle-opened", CycleOpened(str(file_id)))
        log.append(tx, permit, detail={"what": "cycle opened", "programme": found.code, "cycle": label})
    return file_id


async def cycles(stack: Stack, ctx: Context, programme_id: UUID, limit: int = CYCLES) -> list[Cycle]:
    """The newest cycles of a programme with their progress. Raises NoSuchProgramme."""
    permit = _permit(ctx, "payments.read-programme", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await _own(tx, ctx, programme_id)
        found = await store.cycles(tx, programme_id, max(1, min(limit, MAX_PAGE)))
        log.append(tx, permit, detail={"what": "cycles of a programme"})
    return found


async def left_out(
    stack: Stack, ctx: Context, file_id: UUID, *, after: UUID | None = None, limit: int = 100
) -> LeftOutPage:
    """A page of those who were left out of a cycle, with the reasons. Raises NoSuchFile."""
    permit = _permit(ctx, "payments.read-programme", policy.ANYONE)
    most = max(1, min(limit, MAX_PAGE))
    async with stack.db.transaction(permit) as tx:
        programme_id = await store.programme_of(tx, file_id)
        if programme_id is None:
            raise ledger_errors.NoSuchFile()
        await _own(tx, ctx, programme_id)
        found = await store.left_out(tx, file_id, after, most + 1)
        log.append(tx, permit, detail={"what": "those left out of a cycle"})
    page = found[:most]
    return LeftOutPage(page, page[-1].person_id if len(found) > most else None)
