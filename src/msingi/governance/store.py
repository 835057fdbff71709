"""The governance room's rows about cases: SQL runs here and nowhere else in this folder."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from msingi.governance.model import (
    Author,
    Case,
    CaseId,
    Exhibit,
    Kind,
    Message,
    NewExhibit,
    Outcome,
    Stage,
    State,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.log import leaf
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
FROM_THE_NEWEST = UUID(int=(1 << 128) - 1)
FROM_THE_OLDEST = UUID(int=0)
ENDINGS = {"application/pdf": "pdf", "image/jpeg": "jpg", "image/png": "png", "text/plain": "txt"}
CASE_LABEL, MESSAGE_LABEL, EXHIBIT_LABEL = "governance.case", "governance.message", "governance.exhibit"


class Written(msgspec.Struct, frozen=True):
    """What a person wrote when they opened a case; kept sealed."""

    text: str
    wanted: str


def _case(row: Row) -> Case:
    return Case(
        case_id=CaseId(row["case_id"]),
        person_id=PersonId(row["person_id"]),
        reference=row["reference"],
        kind=Kind(row["kind"]),
        institution=row["institution"],
        stage=Stage(row["stage"]),
        state=State(row["state"]),
        opened_at=row["opened_at"],
        due_at=row["due_at"],
        subject=row["subject"],
        about=row["about"],
        language=row["language"],
        channel=row["channel"],
        assisted_by=row["assisted_by"],
        officer=row["officer"],
        outcome=Outcome(row["outcome"]),
        ground=row["ground"],
        answered_at=row["answered_at"],
        closed_at=row["closed_at"],
        escalated_at=row["escalated_at"],
        appealed=row["appealed"],
        late=row["late"],
    )


async def put_case(tx: Tx, seals: Seals, case: Case, written: Written) -> None:
    """A new case, with what the person wrote."""
    sealed = await seals.seal(tx, case.person_id, msgspec.json.encode(written), CASE_LABEL)
    await tx.do(
        Q.put_case, case.person_id, case.case_id, case.reference, case.kind, case.institution, case.stage, case.state,
        case.subject, case.about, case.language, case.channel, case.assisted_by, case.officer, case.outcome,
        case.ground, case.opened_at, case.due_at, case.answered_at, case.closed_at, case.escalated_at, case.appealed,
        case.late, sealed,
    )  # fmt: skip


async def move_case(tx: Tx, case: Case) -> None:
    """Keep what has changed of a case."""
    await tx.do(
        Q.move_case, case.person_id, case.case_id, case.stage, case.state, case.officer, case.outcome, case.ground,
        case.due_at, case.answered_at, case.closed_at, case.escalated_at, case.appealed, case.late,
    )  # fmt: skip


async def case_by_id(tx: Tx, person_id: PersonId, case_id: UUID) -> Case | None:
    """One case, locked."""
    row = await tx.row(Q.case_by_id, person_id, case_id)
    return None if row is None else _case(row)


async def case_by_reference(tx: Tx, person_id: PersonId, reference: str) -> Case | None:
    """The case of the person with this reference."""
    row = await tx.row(Q.case_by_reference, person_id, reference)
    return None if row is None else _case(row)


async def written(tx: Tx, seals: Seals, person_id: PersonId, case_id: UUID) -> Written:
    """What the person wrote when they opened the case. Raises Erased when it can never be read again."""
    row = await tx.row(Q.case_by_id, person_id, case_id)
    assert row is not None
    return msgspec.json.decode(await seals.unseal(tx, person_id, bytes(row["sealed"]), CASE_LABEL), type=Written)


async def count_open(tx: Tx, person_id: PersonId) -> int:
    """How many cases of a person wait for an answer."""
    return await tx.value(Q.count_open, person_id)


async def cases_of(tx: Tx, person_id: PersonId, after: UUID | None, limit: int) -> list[Case]:
    """A person's cases, newest first."""
    return [_case(row) for row in await tx.rows(Q.cases_of, person_id, after or FROM_THE_NEWEST, limit)]


async def queue(tx: Tx, institution: str, after: UUID | None, limit: int) -> list[Case]:
    """Cases that wait for an institution, or for the authority if none is named; oldest first."""
    start = after or FROM_THE_OLDEST
    if institution:
        rows = await tx.rows(Q.queue_of_institution, institution, start, limit)
    else:
        rows = await tx.rows(Q.queue_of_authority, start, limit)
    return [_case(row) for row in rows]


async def due_cases(tx: Tx, now: datetime, appeal: timedelta, limit: int) -> list[Case]:
    """Cases whose time may have come, locked."""
    return [_case(row) for row in await tx.rows(Q.due_cases, now, appeal, limit)]


async def put_message(
    tx: Tx, seals: Seals, case: Case, at: datetime, author: Author, name: str, institution: str, text: str
) -> None:
    """A message of a case."""
    sealed = await seals.seal(tx, case.person_id, text.encode(), MESSAGE_LABEL)
    await tx.do(Q.put_message, case.person_id, case.case_id, uuid7(), at, author, name, institution, sealed)


async def messages_of(tx: Tx, seals: Seals, case: Case) -> list[Message]:
    """All messages of a case, in order."""
    found = []
    for row in await tx.rows(Q.messages_of, case.person_id, case.case_id):
        text = (await seals.unseal(tx, case.person_id, bytes(row["sealed"]), MESSAGE_LABEL)).decode()
        author = Author(row["author"])
        found.append(Message(row["message_id"], row["at"], author, row["name"], row["institution"], text))
    return found


async def put_exhibit(tx: Tx, seals: Seals, case: Case, at: datetime, made: NewExhibit) -> UUID:
    """A file of a case; its id."""
    exhibit_id = uuid7()
    sealed = await seals.seal(tx, case.person_id, made.body, EXHIBIT_LABEL)
    await tx.do(
        Q.put_exhibit, case.person_id, case.case_id, exhibit_id, at, made.media_type, len(made.body), sealed,
    )  # fmt: skip
    return exhibit_id


async def exhibits_of(tx: Tx, case: Case) -> list[Exhibit]:
    """The files of a case, without their content."""
    rows = await tx.rows(Q.exhibits_of, case.person_id, case.case_id)
    return [
        Exhibit(r["exhibit_id"], r["at"], _file_name(n, r["media_type"]), r["media_type"], r["size_bytes"])
        for n, r in enumerate(rows, 1)
    ]


def _file_name(number: int, media_type: str) -> str:
    """What a file is called here: its own name, which may tell more than its sender means to, is not kept."""
    return f"evidence-{number}.{ENDINGS.get(media_type, 'bin')}"


async def exhibit(tx: Tx, seals: Seals, case: Case, exhibit_id: UUID) -> NewExhibit | None:
    """One file of a case."""
    row = await tx.row(Q.exhibit, case.person_id, case.case_id, exhibit_id)
    if row is None:
        return None
    body = await seals.unseal(tx, case.person_id, bytes(row["sealed"]), EXHIBIT_LABEL)
    return NewExhibit(_file_name(1, row["media_type"]), row["media_type"], body)


async def line_of_log(tx: Tx, seals: Seals, person_id: PersonId, record_id: UUID) -> bytes | None:
    """Salt and body of the record of one act about the person; None if there is none."""
    sealed = await tx.value(Q.line_of_log, person_id, record_id)
    return None if sealed is None else await seals.unseal(tx, person_id, bytes(sealed), leaf.LABEL)
