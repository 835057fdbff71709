"""The only file of this sub-room that runs SQL. It decides nothing."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from msingi.identity.biometrics.model import Captured, ReferenceId, RequestId, Task
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


async def add(
    tx: Tx,
    person_id: PersonId,
    reference_id: ReferenceId,
    at: datetime,
    modalities: Iterable[str],
    missing: Iterable[str],
    sealed: bytes,
) -> None:
    """Write what was captured of a person, and its reference."""
    await tx.do(Q.add_biometric, person_id, reference_id, at, list(modalities), list(missing), sealed)
    await tx.do(Q.add_reference, reference_id, person_id)


async def captured(tx: Tx, person_id: PersonId) -> list[Captured]:
    """What was captured of a person, newest first."""
    return [msgspec.convert(dict(row), Captured) for row in await tx.rows(Q.biometrics_of, person_id)]


async def records(tx: Tx, request_id: RequestId) -> Row | None:
    """The row (person_id, sealed) behind an insert that was sent."""
    return await tx.row(Q.records, request_id)


async def add_task(tx: Tx, task: Task, due_at: datetime) -> None:
    """Write a request to the matcher."""
    await tx.do(Q.add_task, task.request_id, task.person_id, task.reference_id, task.ask, due_at)


async def take_tasks(tx: Tx, at: datetime, most: int) -> list[Task]:
    """Requests that are due, taken up."""
    return [msgspec.convert(dict(row), Task) for row in await tx.rows(Q.take_tasks, at, most)]


async def lock_task(tx: Tx, request_id: RequestId) -> Task | None:
    """A request that has no answer yet, locked."""
    row = await tx.row(Q.lock_task, request_id)
    return None if row is None else msgspec.convert(dict(row), Task)


async def close_task(tx: Tx, request_id: RequestId, state: str, failure: str = "") -> None:
    """Write what became of a request."""
    await tx.do(Q.close_task, request_id, state, failure)


async def people_behind(tx: Tx, references: Iterable[ReferenceId]) -> dict[ReferenceId, PersonId]:
    """Whom references stand for; unknown ones are absent."""
    rows = await tx.rows(Q.people_behind, list(references))
    return {ReferenceId(row["reference_id"]): PersonId(row["person_id"]) for row in rows}


async def orphans(tx: Tx, most: int) -> list[tuple[ReferenceId, PersonId]]:
    """References whose records were destroyed."""
    return [(ReferenceId(r["reference_id"]), PersonId(r["person_id"])) for r in await tx.rows(Q.orphans, most)]


async def forget_reference(tx: Tx, reference_id: ReferenceId) -> None:
    """Keep nothing of a reference."""
    await tx.do(Q.forget_reference, reference_id)


async def drop_tasks(tx: Tx, reference_id: ReferenceId) -> None:
    """Ask nothing more about a reference."""
    await tx.do(Q.drop_tasks, reference_id)


async def counts(tx: Tx) -> dict[str, int]:
    """How many requests are in each state, the done ones left out."""
    return {row["state"]: row["tasks"] for row in await tx.rows(Q.task_counts)}
