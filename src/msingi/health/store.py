"""The only file of the room that runs SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg

from msingi.health.errors import PatientExists
from msingi.health.model import Row
from msingi.health.searching import Bounds
from msingi.kernel import sql
from msingi.kernel.db import Row as Record
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)
HISTORY_LIMIT = 500


async def owners(tx: Tx, ids: Sequence[UUID]) -> list[Record]:
    """Directory rows (id, rtype, institution, person_id) of these ids."""
    return await tx.rows(Q.owners, list(ids)) if ids else []


async def lock_conditions(tx: Tx, hashes: Sequence[int]) -> None:
    """Wait for other writers with the same conditions, until the transaction ends."""
    if hashes:
        await tx.rows(Q.lock_conditions, list(hashes))


async def add(tx: Tx, rows: Sequence[Row]) -> None:
    """Store first versions, in one round trip for each table. Raises PatientExists if another writer was first."""
    people = [r for r in rows if r.person_id is not None]
    registry = [r for r in rows if r.person_id is None]
    try:
        if people:
            await tx.many(
                Q.add_resource,
                [
                    (
                        r.person_id,
                        r.rtype,
                        r.id,
                        r.institution,
                        r.version,
                        r.updated,
                        r.started,
                        r.ended,
                        r.keys,
                        r.body,
                    )
                    for r in people
                ],
            )
            await tx.many(Q.add_owner, [(r.id, r.rtype, r.institution, r.person_id) for r in people])
    except asyncpg.UniqueViolationError:
        raise PatientExists() from None
    if registry:
        await tx.many(
            Q.add_registry,
            [
                (r.id, r.rtype, r.institution, r.version, r.updated, r.started, r.ended, r.keys, r.body)
                for r in registry
            ],
        )


async def lock(tx: Tx, person_id: PersonId | None, rtype: str, id: UUID) -> Record | None:
    """The present version, locked until the transaction ends."""
    if person_id is None:
        return await tx.row(Q.lock_registry, rtype, id)
    return await tx.row(Q.lock_resource, person_id, rtype, id)


async def replace(tx: Tx, row: Row) -> None:
    """Put a new version in place and the old one into the history."""
    if row.person_id is None:
        await tx.do(Q.keep_registry_version, row.rtype, row.id)
        await tx.do(
            Q.replace_registry, row.rtype, row.id, row.version, row.updated, row.started, row.ended, row.keys, row.body
        )
        return
    await tx.do(Q.keep_resource_version, row.person_id, row.rtype, row.id)
    await tx.do(
        Q.replace_resource,
        row.person_id,
        row.rtype,
        row.id,
        row.version,
        row.updated,
        row.started,
        row.ended,
        row.keys,
        row.body,
    )


async def resource(tx: Tx, person_id: PersonId, rtype: str, id: UUID, version: int = 0) -> Record | None:
    """The present version, or version `version`."""
    present = await tx.row(Q.resource_by_id, person_id, rtype, id)
    if present is None or version in (0, present["version"]):
        return present
    return await tx.row(Q.resource_version, person_id, rtype, id, version)


async def resource_history(tx: Tx, person_id: PersonId, rtype: str, id: UUID) -> list[Record]:
    """All versions, newest first, up to HISTORY_LIMIT."""
    return await tx.rows(Q.resource_history, person_id, rtype, id, HISTORY_LIMIT)


async def patients_of(tx: Tx, people: Sequence[PersonId], institution: str) -> dict[PersonId, Record]:
    """The Patient that an institution keeps for each of these people."""
    found = await tx.rows(Q.patients_of, list(people), institution) if people else []
    return {PersonId(r["person_id"]): r for r in found}


async def record_of(tx: Tx, person_id: PersonId, institution: str, rtypes: Sequence[str], limit: int) -> list[Record]:
    """A person's resources of some types, newest first; institution "" means every one."""
    return await tx.rows(Q.record_of, person_id, institution, list(rtypes), limit)


async def everything_of(
    tx: Tx, person_id: PersonId, institution: str, existing: datetime, after: tuple[datetime, UUID], limit: int
) -> list[Record]:
    """A page of a person's whole record, newest first."""
    return await tx.rows(Q.everything_of, person_id, institution, existing, *after, limit)


async def candidates(
    tx: Tx,
    rtype: str,
    *,
    person_id: PersonId | None,
    institution: str,
    registry: bool,
    keys: tuple[list[int], list[int]],
    existing: datetime,
    after: tuple[datetime, UUID],
    bounds: Bounds,
    ids: Sequence[UUID],
    limit: int,
) -> list[Record]:
    """Resources that the index cannot rule out, newest first, after the keyset (clinical time, id)."""
    rest: tuple[Any, ...] = (*keys, existing, *after, *bounds, list(ids), limit)
    if registry:
        return await tx.rows(Q.search_registry, rtype, *rest)
    if person_id is not None:
        return await tx.rows(Q.search_person, person_id, rtype, institution, *rest)
    return await tx.rows(Q.search_institution, institution, rtype, *rest)


async def registry_by_ids(tx: Tx, ids: Sequence[UUID]) -> list[Record]:
    """Present versions of registry entries."""
    return await tx.rows(Q.registry_by_ids, list(ids)) if ids else []


async def registry_history(tx: Tx, rtype: str, id: UUID) -> list[Record]:
    """All versions of a registry entry, newest first."""
    return await tx.rows(Q.registry_history, rtype, id, HISTORY_LIMIT)


async def post(tx: Tx, person_id: PersonId, id: UUID, at: datetime, hashes: Sequence[int], *, anew: bool) -> None:
    """Post the counted codes of a resource; `anew` takes back what it posted before."""
    if anew:
        await tx.do(Q.unpost, person_id, id)
    if hashes:
        await tx.many(Q.post, [(person_id, one, id, at) for one in hashes])


async def post_all(tx: Tx, postings: Sequence[tuple[PersonId, int, UUID, datetime]]) -> None:
    """Post the counted codes of new resources, in one round trip."""
    if postings:
        await tx.many(Q.post, list(postings))


async def set_cohort(tx: Tx, person_id: PersonId, born: date) -> None:
    """When a person was born, for the counts."""
    await tx.do(Q.set_cohort, person_id, born)


async def doses_of_cohort(tx: Tx, born_from: date, born_to: date, hashes: Sequence[int]) -> dict[PersonId, int]:
    """The people of a birth cohort who have a record, and how many doses each has had."""
    rows = await tx.rows(Q.doses_of_cohort, born_from, born_to, list(hashes))
    return {PersonId(row["person_id"]): row["doses"] for row in rows}


async def forget(tx: Tx, person_id: PersonId) -> int:
    """Remove keys, postings and cohort of a person; the number of resources touched."""
    return await tx.do(Q.forget_person, person_id)
