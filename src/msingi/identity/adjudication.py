"""Held enrolments inside one transaction: what the officer sees, and what a decision brings about."""

from collections.abc import Iterable
from datetime import timedelta

from msingi.identity import enrolment, pairs, rules, standing, store, store_notices
from msingi.identity.civil import register
from msingi.identity.enrolment import phone_key, seal_number, unseal_number, unseal_version
from msingi.identity.errors import AlreadyDecided, UnknownCase
from msingi.identity.model import (
    BirthRegistered,
    CaseId,
    CaseKind,
    CaseView,
    Cause,
    Decided,
    Person,
    PersonEnrolled,
    PersonMerged,
    Status,
)
from msingi.kernel import clock, log
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack


async def read_people(tx: Tx, stack: Stack, person_ids: Iterable[PersonId]) -> dict[PersonId, Person]:
    """People as they are now, in the order asked for; unknown ids are absent. Raises Erased."""
    wanted = list(person_ids)
    rows = await store.people(tx, wanted)
    found = {}
    for person_id in wanted:
        if person_id not in rows:
            continue
        row, links = rows[person_id]
        found[person_id] = Person(
            person_id=person_id,
            number=await unseal_number(tx, stack, person_id, row["number_sealed"]),
            status=Status(row["status"]),
            enrolled_at=row["enrolled_at"],
            demographics=await unseal_version(tx, stack, person_id, row["sealed"]),
            links=links,
        )
    return found


async def view(tx: Tx, stack: Stack, case_id: CaseId) -> CaseView:
    """A case and the people in it. Raises UnknownCase, Erased."""
    found = await store.lock_case(tx, case_id)
    if found is None:
        raise UnknownCase()
    case = found[0]
    people = await read_people(tx, stack, [case.person_id, *(c.person_id for c in case.candidates)])
    return CaseView(case, people[case.person_id], tuple(people[c.person_id] for c in case.candidates))


async def decide(tx: Tx, stack: Stack, permit: Permit, case_id: CaseId, same_as: int | None, because: str) -> Decided:
    """Carry out a decision once. Raises UnknownCase, AlreadyDecided, Malformed for a candidate out of range."""
    found = await store.lock_case(tx, case_id)
    if found is None:
        raise UnknownCase()
    case, decided, decided_as = found
    if same_as is not None and not 0 <= same_as < len(case.candidates):
        raise Malformed("There is no such candidate.", field="same_as", rule="candidate-of-the-case")
    target = None if same_as is None else await standing.kept(tx, case.candidates[same_as].person_id)
    if decided:
        before = None if decided_as is None else await standing.kept(tx, decided_as)
        if before != target:
            raise AlreadyDecided()
        log.append(tx, permit, subject=case.person_id, detail={"what": "decision repeated; nothing changed"})
        row = await store.lock_person(tx, case.person_id)
        if target is not None and row is not None and row[0] is not Status.MERGED:
            return await _answer(tx, stack, case_id, case.person_id, proposed=True, found=case.kind is CaseKind.FOUND)
        if case.kind is CaseKind.FOUND:
            return await _answer(tx, stack, case_id, case.person_id, merged=target is not None, found=True)
        return await _answer(tx, stack, case_id, target or case.person_id, merged=target is not None)
    at, by = clock.now(), f"{permit.context.actor.kind}:{permit.context.actor.id}"
    sealed = await standing.seal_words(tx, stack, case.person_id, because)
    if case.kind is CaseKind.FOUND:
        if target is not None:
            await pairs.propose_same(tx, stack, permit, case.person_id, target, because)
        else:
            for subject in (case.person_id, *(c.person_id for c in case.candidates)):
                log.append(tx, permit, subject=subject, detail={"what": "not a duplicate"})
        await store.close_case(tx, case_id, at, target, sealed, by)
        return await _answer(tx, stack, case_id, case.person_id, proposed=target is not None, found=True)
    if same_as is not None and target is not None:
        merged_today = await store_notices.merged_by(tx, by, at - timedelta(days=1))
        if rules.needs_second(case.candidates[same_as].bits, merged_today):
            await pairs.propose_same(tx, stack, permit, case.person_id, target, because)
            await store.close_case(tx, case_id, at, target, sealed, by)
            return await _answer(tx, stack, case_id, case.person_id, proposed=True)
    held = await store.lock_person(tx, case.person_id)
    rules.check_change(held[0] if held else Status.MERGED, Status.ACTIVE if target is None else Status.MERGED)
    if target is None:
        await enrol_held(tx, stack, case.person_id, Cause.OFFICER, because)
        log.append(tx, permit, subject=case.person_id, detail={"what": "enrolled: not a duplicate"})
    else:
        await join(tx, stack, case.person_id, target, because)
        for subject in (case.person_id, target):
            log.append(tx, permit, subject=subject, detail={"what": "a second enrolment was merged into the first"})
    await settle_birth(tx, stack, case.person_id, target, by)
    await store.close_case(tx, case_id, at, target, sealed, by)
    return await _answer(tx, stack, case_id, target or case.person_id, merged=target is not None)


async def enrol_held(tx: Tx, stack: Stack, person_id: PersonId, cause: Cause, because: str) -> None:
    """A held person, or one that was merged while held, gets what an enrolment gives: number, phone, event."""
    at = clock.now()
    person = (await read_people(tx, stack, [person_id]))[person_id].demographics
    number = (await enrolment.issue_numbers(tx, stack, [person_id], at))[person_id]
    sealed = await seal_number(tx, stack, person_id, number)
    await standing.change(tx, stack, person_id, Status.ACTIVE, cause, because, number_sealed=sealed)
    if person.phone:
        await store.link_phones(tx, {phone_key(stack, person.phone): person_id})
    await stack.outbox.emit(tx, PersonEnrolled.kind, PersonEnrolled(person_id))


async def settle_birth(tx: Tx, stack: Stack, held: PersonId, known: PersonId | None, by: str) -> None:
    """Register the birth of a held child, if there is one: as the child's own, or as the known person's."""
    at, child = clock.now(), known or held
    if known is None:
        settled = await store.register_held_birth(tx, held, at)
    elif settled := (place := await store.held_birthplace(tx, held)) is not None:
        said = await stack.seal.unseal(tx, held, bytes(place), register.BIRTHPLACE)
        anew = await stack.seal.seal(tx, known, said, register.BIRTHPLACE)
        settled = await store.move_held_birth(tx, held, known, at, anew)
    if settled:
        await register.enter_birth(tx, stack, child, by)
        await stack.outbox.emit(tx, BirthRegistered.kind, BirthRegistered(child))


async def join(tx: Tx, stack: Stack, merged: PersonId, kept: PersonId, because: str) -> None:
    """Write that the record `merged` is of the person `kept`, and tell everybody; nothing of either is lost."""
    at = clock.now()
    await standing.change(tx, stack, merged, Status.MERGED, Cause.DUPLICATE, because, merged_into=kept)
    await store_notices.tell(tx, merged, "merged", at, other=kept)
    await store_notices.rely_on_kept(tx, merged, kept, at)
    await stack.outbox.emit(tx, PersonMerged.kind, PersonMerged(merged, kept))


async def _answer(
    tx: Tx,
    stack: Stack,
    case_id: CaseId,
    person_id: PersonId,
    *,
    merged: bool = False,
    proposed: bool = False,
    found: bool = False,
) -> Decided:
    person = (await read_people(tx, stack, [person_id]))[person_id]
    return Decided(case_id, person_id, person.number, merged, proposed, found)
