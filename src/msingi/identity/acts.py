"""What the identity room does, and what other rooms may ask of it. Each act: permit, transaction, leaf."""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date
from itertools import islice
from uuid import UUID

import msgspec

from msingi.identity import adjudication, bulk, deliveries, enrolment, numbers, photo, rules, standing, store
from msingi.identity.answering import match_many as match_many
from msingi.identity.answering import tidy_said as tidy_said
from msingi.identity.civil import register
from msingi.identity.enrolment import PHOTO, unseal_version
from msingi.identity.finding import person_by_number as person_by_number
from msingi.identity.finding import person_by_phone as person_by_phone
from msingi.identity.finding import persons_by_number as persons_by_number
from msingi.identity.model import (
    BirthOrder,
    BirthRegistered,
    CaseId,
    CaseView,
    Cause,
    Decided,
    Decision,
    DuplicatePage,
    Enrolled,
    EnrolmentOrder,
    Outcome,
    Person,
    Progress,
    Row,
    RowOutcome,
    Status,
    Version,
)
from msingi.identity.payees import payees_by_number as payees_by_number
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed, NotFound, Outage, Overtaken
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

ROOM = "identity"
TRIES = 5


def own_key(ctx: Context, act: str, key: str) -> str:
    """A caller's idempotency key: another caller's equal key is another key. Raises Malformed."""
    if not 1 <= len(key) <= 200:
        raise Malformed("Send a key of 1 to 200 characters.", field="Idempotency-Key", rule="1-200-characters")
    return f"{act}:{ctx.actor.kind}:{ctx.actor.id}:{key}"


async def enrol(stack: Stack, ctx: Context, order: EnrolmentOrder, idempotency_key: str) -> Outcome:
    """Enrol a person: Enrolled with a number, or Held if the person may be known already (law 3).

    Raises Malformed (NumberWrong, PhotoRefused), naming field and rule; DifferentContent for a used key.
    """
    key = own_key(ctx, "enrol", idempotency_key)
    for _ in range(TRIES):
        with suppress(Overtaken):  # a number drawn twice, or a phone that found somebody else meanwhile: look again
            return await _enrol(stack, ctx, order, key)
    raise Outage("others were faster each time", retry_after_s=1)


async def _enrol(stack: Stack, ctx: Context, order: EnrolmentOrder, key: str) -> Outcome:
    prepared = await enrolment.prepare(stack, order)
    permit = policy.decide(ctx, "identity.enrol", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await enrolment.take_turn(tx, [prepared])  # travels with the claim
        if first := await once.claim(tx, ROOM, key, enrolment.content(stack, order)):
            return await enrolment.repeated(tx, stack, first)
        for fault in (await enrolment.resolve_links(tx, stack, [prepared])).values():
            raise fault
        [outcome] = await enrolment.enrol_all(tx, stack, [prepared], [permit], last=True)
        await once.settle(tx, ROOM, key, enrolment.receipt(outcome))
    return outcome


async def enrol_many(
    stack: Stack,
    ctx: Context,
    rows: Iterable[Row],
    source: str,
    progress: Callable[[Progress], None] | None = None,
    batch_rows: int = 100,
    total: int | None = None,
) -> list[RowOutcome]:
    """Enrol rows in bulk, `batch_rows` to a transaction; one outcome per row, in order.

    `source` names the file: the same row key of the same source is dealt with once, so a bulk that was interrupted
    is resumed by running it again. A row that is wrong is refused and the others go on. With `total` rows, how far it
    is stands in `deliveries`, also after a restart. Raises NotPermitted, Outage.
    """
    outcomes: list[RowOutcome] = []
    counted = Counter[str]()
    waiting = iter(rows)
    told = None if total is None else await deliveries.begin(stack, ctx, source, total)
    while chunk := list(islice(waiting, batch_rows)):
        batch = await bulk.enrol_batch(stack, ctx, source, chunk)
        if told is not None:
            await told.note(batch)
        for outcome in batch:
            outcomes.append(outcome)
            counted[bulk.sort_of(outcome)] += 1
        if progress is not None:
            progress(Progress(len(outcomes), *(counted[sort] for sort in bulk.SORTS)))
    return outcomes


async def record_birth(stack: Stack, ctx: Context, order: BirthOrder, idempotency_key: str) -> Outcome:
    """Record the notification of a birth and register the child, tied to its mother; the source of SDG 16.9.1.

    The child gets a number, or is held like any enrolment; a held birth is registered with the decision.
    Raises Malformed, as `enrol`, and unless the birth is known to the day.
    """
    today = clock.today()
    prepared = await enrolment.prepare(stack, order.child)
    born = rules.child_birth(prepared.demographics.birth, order.notified_on, today)
    if order.mother.strip():
        prepared.link_numbers["mother"] = numbers.parse(order.mother, "mother")
    permit = policy.decide(ctx, "identity.register-birth", policy.ANYONE)
    key = own_key(ctx, "birth", idempotency_key)
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, enrolment.content(stack, order)):
            return await enrolment.repeated(tx, stack, first)
        for fault in (await enrolment.resolve_links(tx, stack, [prepared])).values():
            raise fault
        [outcome] = await enrolment.enrol_all(tx, stack, [prepared], [permit])
        registered = clock.now() if isinstance(outcome, Enrolled) else None
        mother = next((link.other for link in prepared.links if link.kind == "mother"), None)
        said = rules.short_text(order.place, "place")
        place = await stack.seal.seal(tx, prepared.person_id, said.encode(), register.BIRTHPLACE)
        region, notified = prepared.demographics.region, order.notified_on or today
        await store.add_birth(
            tx, prepared.person_id, mother, born.replace(day=1), region, place, notified, registered_at=registered
        )
        if registered is not None:
            await register.enter_birth(tx, stack, prepared.person_id, f"{ctx.actor.kind}:{ctx.actor.id}")
            await stack.outbox.emit(tx, BirthRegistered.kind, BirthRegistered(prepared.person_id))
        if mother is not None:
            log.append(tx, permit, subject=mother, detail={"what": "a birth was recorded with you as the mother"})
        await once.settle(tx, ROOM, key, enrolment.receipt(outcome))
    return outcome


async def read_many(stack: Stack, ctx: Context, person_ids: Iterable[PersonId]) -> dict[PersonId, Person]:
    """People as they are now; unknown ids are absent. A leaf for each. Raises Erased."""
    wanted = tuple(dict.fromkeys(person_ids))
    permit = policy.decide(ctx, "identity.read", wanted)
    async with stack.db.transaction(permit) as tx:
        found = await adjudication.read_people(tx, stack, wanted)
        for person_id in found:
            log.append(tx, permit, subject=person_id, detail={"what": "read"})
        if not found:
            log.append(tx, permit, detail={"what": "nobody found"})
    return found


async def read_person(stack: Stack, ctx: Context, person_id: PersonId) -> Person:
    """A person as he or she is now. Raises NotFound, Erased."""
    found = await read_many(stack, ctx, [person_id])
    if person_id not in found:
        raise NotFound()
    return found[person_id]


async def read_history(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[Version, ...]:
    """All versions of a person, oldest first, none overlapping another (law 4). Raises NotFound, Erased."""
    permit = policy.decide(ctx, "identity.read-history", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = await store.versions(tx, person_id)
        if not rows:
            raise NotFound()
        begun = [(r["valid_from"], r["reason"], await unseal_version(tx, stack, person_id, r["sealed"])) for r in rows]
        log.append(tx, permit, subject=person_id, detail={"what": "history read", "versions": len(rows)})
    return rules.with_ends(begun)


async def read_photo(stack: Stack, ctx: Context, person_id: PersonId, *, tiny: bool = False) -> bytes | None:
    """The newest photo, a JPEG of 240 x 320 pixels; or `tiny`, a WebP of at most 1,024 bytes. None without one."""
    permit = policy.decide(ctx, "identity.read-photo", person_id)
    async with stack.db.transaction(permit) as tx:
        sealed = await store.newest_photo(tx, person_id)
        picture = sealed and await stack.seal.unseal(tx, person_id, sealed, PHOTO)
        log.append(tx, permit, subject=person_id, detail={"what": "photo read" if picture else "no photo to read"})
    return photo.tiny(picture) if picture and tiny else picture


async def duplicates_waiting(stack: Stack, ctx: Context, after: CaseId | None = None, limit: int = 50) -> DuplicatePage:
    """Held enrolments that wait for a decision, oldest first, at most `limit` (1 to 200); names nobody."""
    if not 1 <= limit <= 200:
        raise Malformed("From 1 to 200.", field="limit", rule="1-200")
    permit = policy.decide(ctx, "identity.see-duplicates", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        cases, waiting = await store.waiting_cases(tx, after or CaseId(UUID(int=0)), limit)
        log.append(tx, permit, detail={"what": "queue of duplicates listed"})
    return DuplicatePage(tuple(cases), waiting, cases[-1].case_id if len(cases) == limit else None)


async def read_duplicate(stack: Stack, ctx: Context, case_id: CaseId) -> CaseView:
    """A case with the records to compare, for the officer who decides. Raises UnknownCase, Erased."""
    permit = policy.decide(ctx, "identity.see-duplicates", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        view = await adjudication.view(tx, stack, case_id)
        for person in (view.held, *view.candidates):
            log.append(tx, permit, subject=person.person_id, detail={"what": "compared as a possible duplicate"})
    return view


async def decide_duplicate(stack: Stack, ctx: Context, case_id: CaseId, decision: Decision) -> Decided:
    """Decide a held enrolment: merge it into a known person (no new number), or enrol it as somebody else.

    The same decision again gives the same answer. Raises UnknownCase, AlreadyDecided, Malformed.
    """
    because = rules.reason(decision.because)
    permit = policy.decide(ctx, "identity.decide-duplicate", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        return await adjudication.decide(tx, stack, permit, case_id, decision.same_as, because)


async def set_phone(stack: Stack, ctx: Context, person_id: PersonId, phone: str) -> None:
    """Change a person's phone, or remove it with an empty text; a new version. Raises Malformed, PhoneInUse."""
    wanted = rules.phone(phone, stack.profile)
    permit = policy.decide(ctx, "identity.set-phone", person_id)
    async with stack.db.transaction(permit) as tx:
        rules.check_living(await _lock(tx, person_id))
        before = (await adjudication.read_people(tx, stack, [person_id]))[person_id].demographics
        after = msgspec.structs.replace(before, phone=wanted)
        await standing.revise(tx, stack, person_id, after, "phone changed", relink=True)
        log.append(tx, permit, subject=person_id, detail={"what": "phone changed"})


async def _lock(tx: Tx, person_id: PersonId) -> Status:
    """A person's status, locked. Raises NotFound."""
    return (await standing.locked(tx, person_id))[0]


async def status_of(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[Status, PersonId | None]:
    """Where a record stands now, and whom it was merged into; for rooms that follow it. Raises NotFound."""
    permit = policy.decide(ctx, "identity.read-status", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.status_of(tx, person_id)
        subject = None if found is None else person_id
        log.append(tx, permit, subject=subject, detail={"what": "status read" if found else "nobody found"})
    if found is None:
        raise NotFound()
    return found


async def suspend(stack: Stack, ctx: Context, person_id: PersonId, because: str, cause: Cause = Cause.OFFICER) -> None:
    """Suspend an identity for now. Raises NotFound, NotInThisState, Malformed without a reason."""
    await _change(stack, ctx, "identity.suspend", person_id, Status.SUSPENDED, because, cause)


async def reactivate(
    stack: Stack, ctx: Context, person_id: PersonId, because: str, cause: Cause = Cause.OFFICER
) -> None:
    """Make a suspended or deactivated identity usable again; never a dead one (law 8). Raises as `suspend`."""
    await _change(stack, ctx, "identity.reactivate", person_id, Status.ACTIVE, because, cause)


async def deactivate(
    stack: Stack, ctx: Context, person_id: PersonId, because: str, cause: Cause = Cause.OFFICER
) -> None:
    """Take an identity out of use; its number is never given to anybody else. Raises as `suspend`."""
    await _change(stack, ctx, "identity.deactivate", person_id, Status.DEACTIVATED, because, cause)


async def _change(
    stack: Stack, ctx: Context, act: str, person_id: PersonId, wanted: Status, because: str, cause: Cause
) -> None:
    """One change of status (law 7); a held record changes by the decision of its case only."""
    why = rules.reason(because)
    if cause in (Cause.DEATH, Cause.DUPLICATE):
        raise Malformed("A death is registered, a duplicate is merged.", field="cause", rule="cause-of-an-officer")
    permit = policy.decide(ctx, act, person_id)
    async with stack.db.transaction(permit) as tx:
        rules.check_officer_change(await _lock(tx, person_id), wanted)
        await standing.change(tx, stack, person_id, wanted, cause, why)
        log.append(tx, permit, subject=person_id, detail={"what": wanted.value})


async def register_births_by_region(stack: Stack, ctx: Context, on: date) -> dict[tuple[str, str], int]:
    """How many children under five on the day `on` have a registered birth, by (region code, sex); to the month.

    SDG 16.9.1, numerator. Counts of people with a number who are active or suspended.
    """
    permit = policy.decide(ctx, "identity.count", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        counts = await store.births_by_region(tx, on.replace(year=on.year - 5, day=1), on)
        log.append(tx, permit, detail={"what": "births counted by region"})
    return counts


@crossing("health")
async def count_people(
    stack: Stack, ctx: Context, people: Iterable[PersonId], born_to: date
) -> dict[tuple[str, str], int]:
    """How many of `people` have a number and were born by the year of `born_to`, by (region code, sex).

    It answers other rooms' questions for published figures: they know whom, this room knows where and how old.
    """
    permit = policy.decide(ctx, "identity.count", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        counts = await store.count_people(tx, list(people), born_to.year)
        log.append(tx, permit, detail={"what": "people counted by region and sex"})
    return counts


async def adults_by_region(stack: Stack, ctx: Context, on: date) -> dict[str, int]:
    """How many adults have a number on the day `on`, by region code; to the year of birth."""
    permit = policy.decide(ctx, "identity.count", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        counts = await store.adults_by_region(tx, on.year - stack.profile.adult_age)
        log.append(tx, permit, detail={"what": "adults counted by region"})
    return counts
