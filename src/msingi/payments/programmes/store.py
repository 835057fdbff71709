"""The only file of programmes that runs SQL: programmes, who stands in them, cycles and what their check said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.programmes.model import (
    Beneficiary,
    Checked,
    Cycle,
    Eligibility,
    LeftOut,
    OpenCycle,
    Programme,
    Why,
)
from msingi.payments.rules import number_of

Q = sql.load(__name__)
NOBODY = UUID(int=0)


def _person(value: Any) -> PersonId:
    return PersonId(UUID(bytes=value.bytes))


def _programme(row: Row, people: int) -> Programme:
    return Programme(
        UUID(bytes=row["programme_id"].bytes),
        row["institution"],
        row["code"],
        row["name"],
        number_of(row["payer"]),
        row["currency"],
        row["amount"],
        msgspec.convert(row["eligibility"], Eligibility),
        people,
        row["opened_by"],
        row["opened_at"],
        row["closed_at"],
        row["claim_days"],
        row["warn_days"],
    )


async def add_programme(tx: Tx, made: Programme, payer: int) -> bool:
    """Open a programme; False if the institution has one of this code."""
    rules = msgspec.to_builtins(made.eligibility)
    return (
        await tx.do(
            Q.add_programme,
            *(made.programme_id, made.institution, made.code, made.name, payer, made.currency, made.amount_minor),
            *(rules, made.opened_by, made.opened_at, made.claim_days, made.warn_days),
        )
        == 1
    )


async def programme(tx: Tx, programme_id: UUID) -> Programme | None:
    """A programme, without counting its people."""
    row = await tx.row(Q.programme, programme_id)
    return _programme(row, 0) if row is not None else None


async def programme_by_code(tx: Tx, institution: str, code: str) -> Programme | None:
    """The programme that a code stands for, without counting its people."""
    row = await tx.row(Q.programme_by_code, institution, code)
    return _programme(row, 0) if row is not None else None


async def programmes(tx: Tx, institution: str, after: str, limit: int) -> list[Programme]:
    """A page of an institution's programmes, with how many people stand in each."""
    rows = await tx.rows(Q.programmes, institution, after, limit)
    counts = await people_in(tx, [row["programme_id"] for row in rows])
    return [_programme(row, counts.get(row["programme_id"], 0)) for row in rows]


async def people_in(tx: Tx, programmes: Sequence[UUID]) -> dict[UUID, int]:
    """How many people stand in each of some programmes; empty ones are absent."""
    return {row["programme_id"]: row["people"] for row in await tx.rows(Q.count_people, programmes)}


async def close_programme(tx: Tx, programme_id: UUID, at: datetime) -> bool:
    """End a programme; False if it had ended."""
    return await tx.do(Q.close_programme, programme_id, at) == 1


async def take_in(tx: Tx, programme_id: UUID, people: Sequence[PersonId], who: str, at: datetime) -> set[PersonId]:
    """Take people into a programme; those who are new in it."""
    return {_person(row["person_id"]) for row in await tx.rows(Q.take_in, programme_id, people, who, at)}


async def take_out(tx: Tx, programme_id: UUID, person: PersonId, at: datetime) -> bool:
    """Somebody leaves a programme; False for somebody who did not stand in it."""
    return await tx.do(Q.take_out, programme_id, person, at) == 1


async def list_page(tx: Tx, programme_id: UUID, after: UUID | None, limit: int) -> list[Beneficiary]:
    """A page of those who stand in a programme."""
    rows = await tx.rows(Q.list_page, programme_id, after or NOBODY, limit)
    return [Beneficiary(_person(row["person_id"]), row["enrolled_by"], row["enrolled_at"]) for row in rows]


async def lock_programme(tx: Tx, programme_id: UUID) -> bool:
    """Be the one who opens a cycle of a programme; False if the programme is closed."""
    row = await tx.row(Q.lock_programme, programme_id)
    return row is not None and row["closed_at"] is None


async def last_attempt(tx: Tx, programme_id: UUID, label: str) -> tuple[int, str]:
    """The number and state of a cycle's last file; (0, "") if the label is new."""
    row = await tx.row(Q.last_attempt, programme_id, label)
    return (row["attempt"], row["state"]) if row is not None else (0, "")


async def first_file(tx: Tx, programme_id: UUID, label: str) -> UUID:
    """The first payment file of a cycle that was opened."""
    return UUID(bytes=(await tx.value(Q.first_file, programme_id, label)).bytes)


async def someone_left(tx: Tx, programme_id: UUID, label: str) -> bool:
    """Whether somebody is left to be paid in a cycle."""
    return await tx.value(Q.someone_left, programme_id, label)


async def add_cycle(
    tx: Tx, file_id: UUID, wanted: Programme, payer: int, label: str, attempt: int, file: Sequence[Any]
) -> None:
    """Open a cycle with its empty payment file: `file` are message id, its instant as text, content hash, purpose,
    basis, who and when."""
    message_id, message_at, sha256, purpose, basis, who, at = file
    await tx.do(
        Q.add_file,
        *(file_id, wanted.institution, message_id, message_at, sha256, wanted.currency, purpose, basis, who, at),
    )
    await tx.do(Q.add_block, file_id, message_id, payer)
    await tx.do(Q.add_cycle, file_id, wanted.programme_id, label, attempt, who, at)


async def cycles(tx: Tx, programme_id: UUID, limit: int) -> list[Cycle]:
    """The newest cycles of a programme with their progress."""
    return [
        Cycle(
            r["label"],
            r["attempt"],
            UUID(bytes=r["file_id"].bytes),
            r["opened_by"],
            r["opened_at"],
            r["ready"],
            r["checked"],
            r["left_out"],
            r["state"],
            r["lines"],
            r["total"],
            r["paid"],
            r["rejected"],
            r["currency"],
        )
        for r in await tx.rows(Q.cycles, programme_id, limit)
    ]


async def programme_of(tx: Tx, file_id: UUID) -> UUID | None:
    """The programme whose cycle a payment file is, if it is one."""
    found = await tx.value(Q.cycle_of_file, file_id)
    return UUID(bytes=found.bytes) if found else None


async def left_out(tx: Tx, file_id: UUID, after: UUID | None, limit: int) -> list[LeftOut]:
    """A page of those who were left out of a cycle."""
    rows = await tx.rows(Q.left_out, file_id, after or NOBODY, limit)
    return [LeftOut(_person(row["person_id"]), Why(row["why"])) for row in rows]


async def due(tx: Tx) -> list[UUID]:
    """Cycles whose list has not been checked to the end."""
    return [UUID(bytes=row["file_id"].bytes) for row in await tx.rows(Q.due_cycles)]


async def open_cycle(tx: Tx, file_id: UUID) -> OpenCycle | None:
    """A cycle that is still being checked, locked until the transaction ends."""
    row = await tx.row(Q.open_cycle, file_id)
    if row is None:
        return None
    return OpenCycle(
        file_id,
        UUID(bytes=row["programme_id"].bytes),
        row["label"],
        row["institution"],
        row["name"],
        row["amount"],
        row["currency"],
        msgspec.convert(row["eligibility"], Eligibility),
        row["cursor"],
        row["lines"],
        row["opened_at"].date(),
    )


async def to_check(tx: Tx, cycle: OpenCycle, limit: int) -> list[PersonId]:
    """The next people to check."""
    rows = await tx.rows(Q.to_check, cycle.programme_id, cycle.label, cycle.cursor or NOBODY, limit)
    return [_person(row["person_id"]) for row in rows]


async def add_checked(tx: Tx, cycle: OpenCycle, found: Checked, cursor: PersonId) -> None:
    """Write what the check of some people said: lines of the file, and those left out; and how far it is."""
    numbers = list(range(cycle.lines + 1, cycle.lines + 1 + len(found.people)))
    if found.people:
        await tx.do(Q.add_part, cycle.file_id, cycle.lines + 1, len(found.people), found.total_minor, found.sealed)
    people = list(found.people) + [one.person_id for one in found.left_out]
    places = [*numbers, *([None] * len(found.left_out))]
    reasons = [""] * len(found.people) + [one.why.value for one in found.left_out]
    await tx.do(Q.add_checked, cycle.file_id, people, places, reasons)
    await tx.do(Q.move_cursor, cycle.file_id, cursor)


async def make_ready(tx: Tx, file_id: UUID, at: datetime) -> None:
    """Everybody has been checked: the file waits for its approval."""
    await tx.do(Q.make_ready, file_id)
    await tx.do(Q.close_file, file_id, at)
    await tx.do(Q.close_block, file_id)
