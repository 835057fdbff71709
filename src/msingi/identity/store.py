"""The only file of this room that runs SQL. It decides nothing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

import msgspec

from msingi.identity.model import (
    Candidate,
    CaseId,
    CaseKind,
    Cause,
    DuplicateCase,
    Link,
    LinkKind,
    Reason,
    Status,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import listed

Q = sql.load(__name__)


class NewPerson(msgspec.Struct):
    """The rows of one new person, ready to write; `number_sealed` is None for a held one."""

    person_id: PersonId
    status: Status
    region: str
    birth_year: int | None
    sex: str
    version_sealed: bytes
    search_keys: list[int]
    number_sealed: bytes | None = None
    photo_sealed: bytes | None = None
    links: list[Link] = []


class Found(msgspec.Struct):
    """What a search found: rows (place, person_id, sealed, wrapped), bearers by name, phones in use."""

    candidates: list[Row]
    bearers: dict[int, int]
    phones: set[bytes]


async def lock_stripes(tx: Tx, stripes: Iterable[int]) -> None:
    """Take the locks of these stripes, in ascending order; at the beginning of a transaction without a round trip."""
    if tx.begun:
        await tx.value(Q.lock_stripes, sorted(set(stripes)))
    else:
        tx.ahead(Q.lock_stripes, sorted(set(stripes)))


async def search(
    tx: Tx, keys_by_place: Sequence[Sequence[int]], most: int, names: Iterable[int], phones: Sequence[bytes]
) -> Found:
    """What the register knows: who shares the rarest keys with each place, bearers of names, phones in use."""
    keys = [key for keys in keys_by_place for key in keys]
    places = [place for place, keys in enumerate(keys_by_place) for _ in keys]
    found = Found([], {}, set())
    for row in await tx.rows(Q.search, keys, places, most, list(set(names)), phones):
        if row["place"] is not None:
            found.candidates.append(row)
        elif row["name"] is not None:
            found.bearers[row["name"]] = row["people"]
        else:
            found.phones.add(bytes(row["sealed"]))
    return found


async def merged(tx: Tx, person_ids: Iterable[PersonId]) -> dict[PersonId, PersonId]:
    """Which of these records were merged, and into whom."""
    wanted = list(person_ids)
    return {row["person_id"]: row["merged_into"] for row in await tx.rows(Q.merged, wanted)} if wanted else {}


async def name_counts(tx: Tx, keys: Iterable[int]) -> dict[int, int]:
    """How many people bear each name; names that nobody bears are absent."""
    return {row["key"]: row["people"] for row in await tx.rows(Q.name_counts, list(set(keys)))}


async def count_names(tx: Tx, counts: dict[int, int]) -> None:
    """Add to the counts of names."""
    keys = sorted(counts)
    await tx.do(Q.count_names, keys, [counts[key] for key in keys])


async def issue_numbers(tx: Tx, wanted: dict[bytes, PersonId], at: datetime) -> set[bytes]:
    """Keep blinded numbers; gives those that were free."""
    rows = await tx.rows(Q.issue_numbers, list(wanted), list(wanted.values()), at)
    return {bytes(row["number_key"]) for row in rows}


async def add_people(
    tx: Tx,
    new: Sequence[NewPerson],
    names: dict[int, int],
    reason: str,
    at: datetime,
    *,
    numbers: Mapping[bytes, PersonId] = MappingProxyType({}),
    phones: Mapping[bytes, PersonId] = MappingProxyType({}),
    last: bool = False,
) -> None:
    """Write new people with their first version, search keys, photos and ties, and count their names; people without
    photo and ties together with the commit, if nothing before it needs them (`last`). With them the blinded numbers and
    phones that nobody else has: raises Overtaken, then or at the commit, if somebody has one."""
    ids, keys = [p.person_id for p in new], sorted((key, p.person_id) for p in new for key in p.search_keys)
    counted = sorted(names)
    columns = (
        ids,
        [p.status for p in new],
        [p.region for p in new],
        [p.birth_year for p in new],
        [p.sex for p in new],
        [p.number_sealed for p in new],
        at,
        reason,
        [p.version_sealed for p in new],
        [key for key, _ in keys],
        [person_id for _, person_id in keys],
        counted,
        [names[key] for key in counted],
        list(numbers),
        list(numbers.values()),
        list(phones),
        list(phones.values()),
    )
    if last:
        tx.later.append((Q.add_people, columns))
        return
    await tx.value(Q.add_people, *columns)
    photos = [(p.person_id, p.photo_sealed) for p in new if p.photo_sealed is not None]
    if photos:
        await tx.do(Q.add_photos, [p for p, _ in photos], [photo for _, photo in photos], at)
    links = [(p.person_id, link) for p in new for link in p.links]
    if links:
        kinds, others = [link.kind for _, link in links], [link.other for _, link in links]
        await tx.do(Q.add_links, [p for p, _ in links], kinds, others, at)


async def add_search_keys(tx: Tx, keys: Iterable[tuple[int, PersonId]]) -> None:
    """Write search keys, ascending, so that neighbours in the index are written together."""
    ordered = sorted(keys)
    await tx.do(Q.add_search_keys, [key for key, _ in ordered], [person for _, person in ordered])


async def drop_search_keys(tx: Tx, keys: Iterable[int], person_id: PersonId) -> None:
    """Remove search keys of a person."""
    await tx.do(Q.drop_search_keys, list(keys), person_id)


async def add_version(tx: Tx, person_id: PersonId, sealed: bytes, reason: str, at: datetime) -> None:
    """Write a further version of a person."""
    await tx.do(Q.add_versions, [person_id], [sealed], reason, at)


async def add_photo(tx: Tx, person_id: PersonId, sealed: bytes, at: datetime) -> None:
    """Write a further photo of a person."""
    await tx.do(Q.add_photos, [person_id], [sealed], at)


async def link_phones(tx: Tx, phones: dict[bytes, PersonId]) -> set[PersonId]:
    """Let blinded phones find people; gives those people whose phone was free."""
    if not phones:
        return set()
    rows = await tx.rows(Q.link_phones, list(phones), list(phones.values()))
    return {PersonId(row["person_id"]) for row in rows}


async def unlink_phone(tx: Tx, phone_key: bytes, person_id: PersonId) -> None:
    """A phone finds the person no longer."""
    await tx.do(Q.unlink_phone, phone_key, person_id)


async def add_cases(tx: Tx, cases: Sequence[DuplicateCase], at: datetime) -> None:
    """Write cases with their candidates."""
    await tx.do(Q.add_cases, [c.case_id for c in cases], [c.person_id for c in cases], at, [c.kind for c in cases])
    await add_candidates(tx, cases)


async def add_candidates(tx: Tx, cases: Sequence[DuplicateCase]) -> None:
    """Write the candidates of cases; those whom a case has already get these bits and reasons."""
    flat = [(case.case_id, found) for case in cases for found in case.candidates]
    await tx.do(
        Q.add_candidates,
        [case_id for case_id, _ in flat],
        [found.person_id for _, found in flat],
        [found.bits for _, found in flat],
        [msgspec.to_builtins(found.reasons) for _, found in flat],
    )


async def asked_before(tx: Tx, pairs: Sequence[tuple[PersonId, PersonId]]) -> list[Row]:
    """Rows (place, case_id, bits, reasons) of those pairs that somebody was asked about before."""
    return await tx.rows(Q.asked_before, [p for p, _ in pairs], [o for _, o in pairs], list(range(len(pairs))))


async def waiting_case_of(tx: Tx, person_id: PersonId) -> CaseId | None:
    """The case of a person that waits, locked."""
    return await tx.value(Q.waiting_case_of, person_id)


async def by_numbers(tx: Tx, number_keys: Iterable[bytes]) -> dict[bytes, tuple[PersonId, Status]]:
    """Who has these blinded numbers, and where their records stand."""
    rows = await tx.rows(Q.by_number, listed(list(number_keys)))
    return {bytes(row["key"]): (PersonId(row["person_id"]), Status(row["status"])) for row in rows}


async def by_phone(tx: Tx, phone_key: bytes) -> tuple[PersonId, Status] | None:
    """Whom a blinded phone finds."""
    row = await tx.row(Q.by_phone, phone_key)
    return None if row is None else (PersonId(row["person_id"]), Status(row["status"]))


async def people(tx: Tx, person_ids: Iterable[PersonId]) -> dict[PersonId, tuple[Row, tuple[Link, ...]]]:
    """The rows of people with their newest versions, and their ties; unknown ids are absent."""
    found = {}
    for row in await tx.rows(Q.people, list(person_ids)):
        ties = tuple(Link(LinkKind(kind), PersonId(other)) for kind, other in row["ties"])
        found[PersonId(row["person_id"])] = row, ties
    return found


async def current(tx: Tx, person_ids: Iterable[PersonId]) -> dict[PersonId, Row]:
    """Rows (status, sealed) of people with their newest versions, without their ties; unknown ids are absent."""
    rows = await tx.rows(Q.people, list(person_ids))
    return {PersonId(row["person_id"]): row for row in rows}


async def versions(tx: Tx, person_id: PersonId) -> list[Row]:
    """Rows (valid_from, reason, sealed) of a person, oldest first."""
    return await tx.rows(Q.versions, person_id)


async def newest_photo(tx: Tx, person_id: PersonId) -> bytes | None:
    """The sealed photo of a person."""
    return await tx.value(Q.newest_photo, person_id)


async def lock_person(tx: Tx, person_id: PersonId) -> tuple[Status, PersonId | None] | None:
    """A person's status and whom the record merged into, locked until the transaction ends."""
    row = await tx.row(Q.lock_person, person_id)
    return None if row is None else (Status(row["status"]), row["merged_into"])


async def change_status(
    tx: Tx,
    person_id: PersonId,
    status: Status,
    cause: Cause,
    because: bytes,
    at: datetime,
    *,
    number_sealed: bytes | None = None,
    merged_into: PersonId | None = None,
) -> None:
    """Write a change of status and its history; `because` is sealed."""
    await tx.do(Q.change_status, person_id, status, number_sealed, merged_into)
    await tx.do(Q.note_status, person_id, at, status, cause, because)


async def statuses(tx: Tx, person_id: PersonId) -> list[Row]:
    """Rows (at, status, cause, because, which is sealed) of a person, oldest first."""
    return await tx.rows(Q.statuses, person_id)


async def status_of(tx: Tx, person_id: PersonId) -> tuple[Status, PersonId | None] | None:
    """A person's status and whom the record merged into; None for nobody."""
    row = await tx.row(Q.status_of, person_id)
    return None if row is None else (Status(row["status"]), row["merged_into"])


async def restate(tx: Tx, person_id: PersonId, region: str, birth_year: int | None, sex: str) -> None:
    """Bring the facts for statistics in line with a new version."""
    await tx.do(Q.restate, person_id, region, birth_year, sex)


def _candidate(row: Row) -> Candidate:
    return Candidate(PersonId(row["person_id"]), row["bits"], msgspec.convert(row["reasons"], tuple[Reason, ...]))


def _case(row: Row, found: tuple[Candidate, ...]) -> DuplicateCase:
    return DuplicateCase(
        CaseId(row["case_id"]), PersonId(row["person_id"]), row["opened_at"], found, CaseKind(row["kind"])
    )


async def waiting_cases(tx: Tx, after: CaseId, limit: int) -> tuple[list[DuplicateCase], int]:
    """A page of cases that wait, with their candidates; and how many wait in all."""
    rows = await tx.rows(Q.waiting_cases, after, limit)
    found: dict[CaseId, list[Candidate]] = {CaseId(row["case_id"]): [] for row in rows}
    for row in await tx.rows(Q.case_candidates, list(found)):
        found[CaseId(row["case_id"])].append(_candidate(row))
    cases = [_case(row, tuple(found[CaseId(row["case_id"])])) for row in rows]
    return cases, await tx.value(Q.waiting_count)


async def lock_case(tx: Tx, case_id: CaseId) -> tuple[DuplicateCase, bool, PersonId | None] | None:
    """A case, whether it was decided, and as whom; locked until the transaction ends."""
    row = await tx.row(Q.lock_case, case_id)
    if row is None:
        return None
    found = tuple(_candidate(c) for c in await tx.rows(Q.case_candidates, [case_id]))
    return _case(row, found), row["decided_at"] is not None, row["same_as"]


async def close_case(tx: Tx, case_id: CaseId, at: datetime, same_as: PersonId | None, because: bytes, by: str) -> None:
    """Write the decision of a case; `because` is sealed."""
    await tx.do(Q.close_case, case_id, at, same_as, because, by)


async def add_birth(
    tx: Tx, child: PersonId, mother: PersonId | None, month: date, *rest: Any, registered_at: datetime | None
) -> None:
    """Write a birth; `rest` is region, the sealed place, and the day of its notification."""
    await tx.do(Q.add_birth, child, mother, month, *rest, registered_at)


async def register_held_birth(tx: Tx, held: PersonId, at: datetime) -> bool:
    """Register a held child's birth, if there is one."""
    return await tx.do(Q.register_held_birth, held, at) > 0


async def held_birthplace(tx: Tx, held: PersonId) -> bytes | None:
    """Where a held child was born, sealed; None without a birth that waits."""
    return await tx.value(Q.held_birthplace, held)


async def move_held_birth(tx: Tx, held: PersonId, known: PersonId, at: datetime, place: bytes) -> bool:
    """A held child's birth becomes the known person's, with its place sealed for that person."""
    return await tx.do(Q.move_held_birth, held, known, at, place) > 0


async def part_birth(tx: Tx, parted: PersonId, kept: PersonId) -> None:
    """A birth that had moved from a merged record goes back to it."""
    await tx.do(Q.drop_moved_birth, parted, kept)


async def void_death(tx: Tx, person_id: PersonId) -> None:
    """The registered death of a person counts no more."""
    await tx.do(Q.void_death, person_id)


async def births_by_region(tx: Tx, first_month: date, last: date) -> dict[tuple[str, str], int]:
    """Registered births by region and sex of children born in these months."""
    rows = await tx.rows(Q.births_by_region, first_month, last)
    return {(row["region"], row["sex"]): row["people"] for row in rows}


async def count_people(tx: Tx, people: list[PersonId], last_birth_year: int) -> dict[tuple[str, str], int]:
    """How many of these people were born in this year or earlier, by region and sex."""
    rows = await tx.rows(Q.count_people, people, last_birth_year)
    return {(row["region"], row["sex"]): row["people"] for row in rows}


async def adults_by_region(tx: Tx, last_birth_year: int) -> dict[str, int]:
    """People by region who were born in this year or earlier."""
    return {row["region"]: row["people"] for row in await tx.rows(Q.adults_by_region, last_birth_year)}
