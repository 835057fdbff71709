"""Who may act for whom: grant a guardian's right, end it, and let guardians see for whom they have it."""

from datetime import date
from uuid import UUID

from msingi.identity import adjudication, numbers, standing
from msingi.identity import rules as identity_rules
from msingi.identity import store as people
from msingi.identity.enrolment import number_key, unseal_version
from msingi.identity.errors import NotInUse, UnknownGuardianship, UnknownNumber
from msingi.identity.lifecycle import rules, store
from msingi.identity.lifecycle.model import GuardianOrder, Guardianship
from msingi.identity.model import Person, Status
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack


async def grant_guardian(stack: Stack, ctx: Context, person_id: PersonId, order: GuardianOrder) -> Guardianship:
    """Give a person a guardian; several may be. Raises UnknownNumber, NotInUse, GuardianAlready, Malformed."""
    because, today = identity_rules.reason(order.because), clock.today()
    key = number_key(stack, numbers.parse(order.guardian, "guardian"))
    permit = policy.decide(ctx, "identity.grant-guardian", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = (await people.by_numbers(tx, [key])).get(key)
        if found is None:
            raise UnknownNumber()
        if found[1] is not Status.ACTIVE:
            raise NotInUse(status=found[1])
        guardian_id = found[0]
        identity_rules.check_living((await standing.locked(tx, person_id))[0])
        row, _ = (await people.people(tx, [person_id]))[person_id]
        known = await unseal_version(tx, stack, person_id, row["sealed"])
        adult_on = identity_rules.majority(known.birth, stack.profile.adult_age)
        same = guardian_id == person_id
        until = rules.guardian_until(adult_on, order.kind, order.until, today, same=same)
        right = Guardianship(person_id, guardian_id, order.kind, today, until)
        sealed = await standing.seal_words(tx, stack, person_id, because)
        await store.add_guardianship(tx, right, sealed, clock.now())
        await standing.guardians_changed(tx, stack, person_id)
        log.append(tx, permit, subject=person_id, detail={"what": "guardian granted", "kind": order.kind})
        log.append(tx, permit, subject=guardian_id, detail={"what": "became a guardian", "kind": order.kind})
    return right


async def end_guardian(stack: Stack, ctx: Context, person_id: PersonId, guardian_id: PersonId, because: str) -> None:
    """End a guardian's right today. Raises UnknownGuardianship, Malformed without a reason."""
    why = identity_rules.reason(because)
    permit = policy.decide(ctx, "identity.end-guardian", (person_id, guardian_id))
    async with stack.db.transaction(permit) as tx:
        await standing.locked(tx, person_id)
        if not await store.end_guardianship(tx, person_id, guardian_id, clock.today()):
            raise UnknownGuardianship()
        await standing.guardians_changed(tx, stack, person_id)
        for subject in (person_id, guardian_id):
            log.append(tx, permit, subject=subject, detail={"what": "guardianship ended", "because": why})


@crossing("payments")
async def guardians_of(
    stack: Stack, ctx: Context, person_id: PersonId, on: date | None = None
) -> tuple[Guardianship, ...]:
    """Who may act for a person today, or on a day; a merged guardian's right is its kept record's."""
    permit = policy.decide(ctx, "identity.read-guardians", policy.ANYONE, mine=_own(ctx, person_id))
    async with stack.db.transaction(permit) as tx:
        found = await store.guardians(tx, person_id, on or clock.today(), clock.now())
        rights = [
            Guardianship(g.person_id, await standing.kept(tx, g.guardian_id), g.kind, g.since, g.until) for g in found
        ]
        log.append(tx, permit, subject=person_id, detail={"what": "guardians read"})
    return tuple(dict.fromkeys(rights))


@crossing("payments")
async def wards_of(stack: Stack, ctx: Context, guardian_id: PersonId) -> tuple[Guardianship, ...]:
    """For whom somebody may act today: the rights alone, for rooms that let guardians act in them."""
    permit = policy.decide(ctx, "identity.read-guardians", policy.ANYONE, mine=_own(ctx, guardian_id))
    async with stack.db.transaction(permit) as tx:
        found = await store.wards(tx, guardian_id, clock.today())
        log.append(tx, permit, subject=guardian_id, detail={"what": "for whom to act, read"})
    return tuple({right.person_id: right for right in found}.values())


def _own(ctx: Context, person_id: PersonId) -> bool:
    return ctx.actor.kind is Kind.PERSON and ctx.actor.id == str(person_id)


async def my_wards(stack: Stack, ctx: Context) -> tuple[tuple[Guardianship, Person], ...]:
    """For whom the person who asks may act today, with their records; the dead and the merged are left out."""
    if ctx.actor.kind is not Kind.PERSON:
        raise NotPermitted(act="identity.read-wards")
    me = PersonId(UUID(ctx.actor.id))
    permit = policy.decide(ctx, "identity.read-wards", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rights = {r.person_id: r for r in await store.wards(tx, me, clock.today())}
        seen = await adjudication.read_people(tx, stack, rights)
        shown = {p: person for p, person in seen.items() if person.status in (Status.ACTIVE, Status.SUSPENDED)}
        for person_id in shown:
            log.append(tx, permit, subject=person_id, detail={"what": "read by a guardian"})
        if not shown:
            log.append(tx, permit, subject=me, detail={"what": "nobody to act for"})
    return tuple((rights[person_id], person) for person_id, person in shown.items())


async def tell_ended(stack: Stack, ctx: Context, limit: int = 200) -> int:
    """Tell everybody of rights that ended by time, mostly by majority; how many people it was about."""
    permit = policy.decide(ctx, "identity.tell-ended", policy.ANYONE)
    today = clock.today()
    async with stack.db.transaction(permit) as tx:
        due = await store.ended_guardianships(tx, today, limit)
        for person_id in due:
            await standing.guardians_changed(tx, stack, person_id)
            log.append(tx, permit, subject=person_id, detail={"what": "guardianship ended by time"})
        await store.told_ends(tx, due, today)
        tx.repeated = not due  # nothing was due, so nothing was done, and no leaf is owed
    return len(due)
