"""The only file of this sub-room that runs SQL. It decides nothing."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import msgspec

from msingi.identity.reception import rules
from msingi.identity.reception.model import (
    ApplicationId,
    Centre,
    Device,
    PacketId,
    PacketLine,
    PacketState,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


def _centre(row: Row) -> Centre:
    return msgspec.convert(dict(row), Centre)


async def keep_centre(tx: Tx, c: Centre) -> None:
    """Write a centre as it is now."""
    hours = c.opens_min, c.closes_min, c.slot_min, list(c.weekdays), c.open
    await tx.do(Q.keep_centre, c.centre, c.name, c.region, c.desks, *hours)


async def centres(tx: Tx, region: str) -> list[Centre]:
    """The open centres of a region, or of all (empty)."""
    return [_centre(row) for row in await tx.rows(Q.centres, region)]


async def centre(tx: Tx, code: str) -> Centre | None:
    """One centre."""
    row = await tx.row(Q.centre, code)
    return None if row is None else _centre(row)


async def taken(tx: Tx, code: str, since: date) -> dict[tuple[date, int], int]:
    """How many desks are taken at each time of a centre."""
    rows = await tx.rows(Q.taken, code, since, since + rules.AHEAD)
    return {(row["day"], row["slot_min"]): row["desks"] for row in rows}


async def take_desk(tx: Tx, where: Centre, day: date, at_min: int, application_id: ApplicationId) -> bool:
    """Give a free desk to an application; False if all are taken. Tried again if somebody was faster."""
    while True:
        desks = [row["desk"] for row in await tx.rows(Q.taken_desks, where.centre, day, at_min)]
        desk = rules.free_desk(where.desks, desks)
        if desk is None:
            return False
        if await tx.value(Q.take_desk, where.centre, day, at_min, desk, application_id) is not None:
            return True


async def free_desk(tx: Tx, code: str, day: date, application_id: ApplicationId) -> None:
    """Give a time back."""
    await tx.do(Q.free_desk, code, day, application_id)


async def count_application(tx: Tx, place: bytes, at: datetime) -> int:
    """Count an application from a network; how many there were in this hour."""
    return await tx.value(Q.count_application, place, at)


async def add_application(
    tx: Tx, key: bytes, application_id: ApplicationId, region: str, sealed: bytes, *rest: Any
) -> bool:
    """Keep an application; `rest` is centre, day, time, made, expiry. False if the reference was drawn before."""
    return await tx.value(Q.add_application, key, application_id, region, sealed, *rest) is not None


async def lock_application(tx: Tx, key: bytes, at: datetime) -> Row | None:
    """An application by its blinded reference; none if its time is over."""
    return await tx.row(Q.lock_application, key, at)


async def close_application(tx: Tx, key: bytes, state: str, at: datetime) -> None:
    """Write what became of an application, and forget what it said."""
    await tx.do(Q.close_application, key, state, at)


async def day_of_centre(tx: Tx, code: str, day: date) -> list[tuple[int, int]]:
    """(time, people) of a centre's day."""
    return [(row["slot_min"], row["people"]) for row in await tx.rows(Q.day_of_centre, code, day)]


async def forget_applications(tx: Tx, at: datetime) -> int:
    """Forget applications whose time is over; how many."""
    return await tx.value(Q.forget_applications, at)


async def add_device(tx: Tx, device: str, officer: str, institution: str, key: bytes, at: datetime) -> bool:
    """Keep a device; False if the name is taken."""
    return await tx.value(Q.add_device, device, officer, institution, key, at) is not None


async def device(tx: Tx, name: str, *, lock: bool = False) -> Row | None:
    """One device; with `lock` a revocation under way is waited for."""
    return await tx.row(Q.lock_device if lock else Q.device, name)


async def devices(tx: Tx, institution: str) -> list[Device]:
    """The devices of an institution, with what has not arrived from each."""
    return [
        Device(
            row["device"],
            row["officer"],
            row["institution"],
            row["registered_at"],
            row["revoked_at"],
            len(row["sequences"]),
            rules.missing(row["sequences"]),
        )
        for row in await tx.rows(Q.devices, institution)
    ]


async def revoke_device(tx: Tx, name: str, institution: str, at: datetime, because: str) -> bool:
    """A device is trusted no more; False if the institution has no such device."""
    return await tx.value(Q.revoke_device, name, institution, at, because) is not None


async def add_packet(tx: Tx, packet_id: PacketId, *rest: Any) -> bool:
    """Keep a packet, False for a repeated one; `rest`: device, sequence, state, the two times, sealed, hash, rule."""
    return await tx.value(Q.add_packet, packet_id, *rest) is not None


async def lock_packet(tx: Tx, packet_id: PacketId) -> Row | None:
    """One packet, locked until the transaction ends."""
    return await tx.row(Q.lock_packet, packet_id)


async def due_packets(tx: Tx, limit: int) -> Sequence[PacketId]:
    """Packets of which nothing has become yet, oldest first."""
    return [PacketId(row["packet_id"]) for row in await tx.rows(Q.due_packets, limit)]


async def waiting_packets(tx: Tx, after: PacketId, limit: int) -> tuple[list[PacketLine], int]:
    """A page of packets that wait for a person, and how many wait in all."""
    rows = await tx.rows(Q.waiting_packets, after, limit)
    return [line_of(row) for row in rows], await tx.value(Q.waiting_packet_count)


def line_of(row: Row, because: str = "") -> PacketLine:
    """A packet as the queue shows it, with the opened reason of what became of it."""
    return PacketLine(
        PacketId(row["packet_id"]),
        row["device"],
        row["sequence"],
        PacketState(row["state"]),
        row["captured_at"],
        row["received_at"],
        row["rule"],
        because,
    )


async def settle_packet(
    tx: Tx,
    packet_id: PacketId,
    state: PacketState,
    rule: str,
    person_id: PersonId | None = None,
    by: str | None = None,
    because: bytes | None = None,
) -> None:
    """Write what became of a packet; `because` is sealed."""
    await tx.do(Q.settle_packet, packet_id, state, rule, person_id, by, because)
