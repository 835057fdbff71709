"""The rows of moving: the only file here that runs SQL."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from msingi.exchange.moving.errors import RoomBusy
from msingi.exchange.moving.model import Cells, Move, Raw, Table
from msingi.kernel import sql
from msingi.kernel.db import Tx

Q = sql.load(__name__)
PAGE = 500


async def tables(tx: Tx, room: str) -> list[Table]:
    """Everything that a room keeps."""
    return [Table(*row.values()) for row in await tx.rows(Q.tables, room)]


async def rows(tx: Tx, room: str, tab: str) -> AsyncIterator[list[Raw]]:
    """The rows of a table, always in the same order, page by page."""
    conn: Any = await tx.open()
    page: list[Raw] = []
    async for row in conn.cursor(Q.rows_of_table.text, room, tab, prefetch=PAGE):
        page.append(Raw(list(row["cells"]), row["label"], row["person"]))
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


async def put_rows(tx: Tx, room: str, tab: str, page: list[Cells]) -> int:
    """Put rows into a table; how many."""
    return await tx.value(Q.put_rows, room, tab, page)


async def counters(tx: Tx, room: str) -> dict[str, int]:
    """Where a room's counters stand; those that were never used are left out."""
    return {row["counter"]: row["last"] for row in await tx.rows(Q.counters, room) if row["last"] is not None}


async def put_counters(tx: Tx, room: str, told: dict[str, int]) -> None:
    """Put counters where they stood."""
    for counter, last in told.items():
        await tx.value(Q.put_counter, room, counter, last)


async def empty(tx: Tx, room: str) -> bool:
    """Take out what an unused room holds; False if it was used."""
    return await tx.value(Q.empty_room, room)


async def close(tx: Tx, room: str, wait_ms: int) -> None:
    """Nothing of a room changes any more. Raises RoomBusy if somebody goes on writing."""
    try:
        await tx.value(Q.close_room, room, wait_ms)
    except asyncpg.LockNotAvailableError:
        raise RoomBusy() from None


async def reopen(tx: Tx, room: str) -> None:
    """The room may change again."""
    await tx.value(Q.open_room, room)


async def move_of(tx: Tx, room: str) -> Move | None:
    """How far a room is on its way."""
    row = await tx.row(Q.move_of, room)
    return None if row is None else Move(*(row[n] for n in ("room", "side", "other", "state", "since", "root")))


async def put_move(tx: Tx, now: Move) -> None:
    """A room is so far on its way."""
    await tx.do(Q.put_move, now.room, now.side, now.other, now.state, now.since, now.root)


async def drop_move(tx: Tx, room: str) -> None:
    """A room stays after all."""
    await tx.do(Q.drop_move, room)


async def parts(tx: Tx, room: str) -> set[int]:
    """The parts that were taken."""
    return {row["part"] for row in await tx.rows(Q.parts, room)}


async def put_part(tx: Tx, room: str, number: int) -> None:
    """A part was taken."""
    await tx.do(Q.put_part, room, number)


async def same_names(tx: Tx, peer: str) -> None:
    """A peer knows people by the ids that stand in the records that it takes."""
    await tx.do(Q.same_names, peer)
