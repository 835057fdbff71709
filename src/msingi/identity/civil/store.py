"""The only file of this sub-room that runs SQL. It decides nothing."""

from collections.abc import Sequence
from datetime import date, datetime

from msingi.identity.civil.model import Count, EventKind, EventState, Notification, NotificationId
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.seal import Seals

Q = sql.load(__name__)
WHY = "identity.notification-because"


def _notification(row: Row, because: str = "") -> Notification:
    return Notification(
        NotificationId(row["notification_id"]),
        EventKind(row["kind"]),
        EventState(row["state"]),
        row["region"],
        row["institution"],
        row["notified_at"],
        because,
        row["person_id"],
    )


async def add_notification(tx: Tx, made: Notification, sealed: bytes, by: str) -> None:
    """Keep what was told."""
    told = made.institution, by, made.notified_at
    await tx.do(Q.add_notification, made.notification_id, made.kind, made.region, sealed, *told)


async def waiting_notifications(tx: Tx, after: NotificationId, limit: int) -> tuple[list[Notification], int]:
    """A page of what waits, and how many wait in all."""
    rows = await tx.rows(Q.waiting_notifications, after, limit)
    return [_notification(row) for row in rows], await tx.value(Q.waiting_count)


async def lock_notification(
    tx: Tx, seals: Seals, notification_id: NotificationId
) -> tuple[Notification, bytes | None] | None:
    """A notification with its sealed content, locked until the transaction ends."""
    row = await tx.row(Q.lock_notification, notification_id)
    if row is None:
        return None
    why = ""
    if row["because"] is not None:
        why = seals.unseal_with_room_key(f"{WHY}:{notification_id}", bytes(row["because"])).decode()
    return _notification(row, why), row["sealed"] and bytes(row["sealed"])


async def close_notification(
    tx: Tx,
    seals: Seals,
    notification_id: NotificationId,
    state: EventState,
    person_id: PersonId | None,
    by: str,
    at: datetime,
    because: str,
) -> None:
    """Write what became of a notification. Its reason is sealed for the room: nobody may be known whom it is about."""
    why = seals.seal_with_room_key(f"{WHY}:{notification_id}", because.encode())
    await tx.do(Q.close_notification, notification_id, state, person_id, by, at, why)


async def next_number(tx: Tx, register: str) -> int:
    """The next number of a year's register; whoever takes one next waits until this transaction has ended."""
    return await tx.value(Q.next_number, register)


async def add_entry(
    tx: Tx,
    person_id: PersonId,
    kind: EventKind,
    version: int,
    entry_number: str,
    month: date,
    region: str,
    late: bool,
    sealed: bytes,
    by: str,
    at: datetime,
) -> None:
    """Write a version of an entry."""
    where = month.replace(day=1), region, late, sealed, by, at
    await tx.do(Q.add_entry, person_id, kind, version, entry_number, *where)


async def supersede(tx: Tx, person_id: PersonId, kind: EventKind, version: int) -> None:
    """A version is corrected by the next."""
    await tx.do(Q.supersede, person_id, kind, version)


async def entries(tx: Tx, person_id: PersonId, kind: EventKind) -> Sequence[Row]:
    """All versions of a person's entries of one kind, oldest first."""
    return await tx.rows(Q.entries, person_id, kind)


async def counts(tx: Tx, since: date, until: date) -> list[Count]:
    """Entries of events from one month to another, by kind and region."""
    rows = await tx.rows(Q.counts, since.replace(day=1), until.replace(day=1))
    return [Count(EventKind(r["kind"]), r["region"], r["entries"], r["late"]) for r in rows]


async def birth_of(tx: Tx, person_id: PersonId) -> tuple[bytes | None, PersonId | None]:
    """Where a birth took place, sealed, and who the mother is."""
    row = await tx.row(Q.birth_of, person_id)
    return (None, None) if row is None else (row["place"], row["mother_id"])
