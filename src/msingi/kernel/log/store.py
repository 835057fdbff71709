"""The log's rows: the only file of the log that runs SQL. All functions take a plumbing connection in a transaction,
except the lock, which lives as long as its connection."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.ids import PersonId
from msingi.kernel.log import note
from msingi.kernel.log.merkle import Node, Span, fold, span_nodes
from msingi.kernel.log.tiles import (
    ENTRIES,
    HEIGHT,
    Edge,
    Tile,
    edge_of,
    edge_tiles,
    node_in_tile,
    tile_of,
    tile_size,
    unbundle,
)

if TYPE_CHECKING:
    from msingi.kernel.db import Connection, Row

Q = sql.load(__name__)
SEQUENCER_LOCK = 7_211_002
MAX_KNOWN = 20_000
Tiles = dict[tuple[int, int], bytes]


class Head(Struct, frozen=True):
    """A published tree head: `size`, 32-byte `root`, and the signed `note`."""

    size: int
    root: bytes
    note: str


class Place(Struct, frozen=True):
    """Where a record stands: the `index` of its entry (None while it waits for the sequencer), its number among
    the record commitments that the entry covers, and those commitments (32 bytes each; empty if it is alone)."""

    index: int | None
    inner_no: int
    commitments: bytes


async def take_lock(conn: "Connection") -> bool:
    """Become the one sequencer for the life of this connection; False if another one is at work."""
    return bool(await conn.fetchval(Q.try_lock.text, SEQUENCER_LOCK))


async def something_waits(conn: "Connection") -> bool:
    """Does any entry wait for its place?"""
    return bool(await conn.fetchval(Q.something_waits.text))


async def take_pending(conn: "Connection", transactions: int, entries: int) -> list[tuple[UUID, bytes]]:
    """Take waiting entries out, oldest ids first; a little more than `entries` of them at most."""
    rows = await conn.fetch(Q.take_pending.text, transactions, entries * 32)
    return sorted((row["id"], row["entries"]) for row in rows)


async def write_growth(
    conn: "Connection", placed: Sequence[tuple[UUID, int, int]], written: Sequence[tuple[Tile, bytes]]
) -> None:
    """Write where entries stand (pending id, first index, count), and the tiles that changed."""
    columns = ("pending_id", "first_index", "count")
    await conn.copy_records_to_table("placed", schema_name="log", columns=columns, records=placed)
    levels = [tile.level for tile, _ in written]
    await conn.execute(Q.write_tiles.text, levels, [tile.n for tile, _ in written], [raw for _, raw in written])


async def publish(conn: "Connection", head: Head) -> None:
    """Publish a signed tree head. Raises UniqueViolationError for a size that has one."""
    await conn.execute(Q.publish.text, head.size, head.root, head.note)


async def newest(conn: "Connection") -> Head | None:
    """The tree head of the largest size; None before the sequencer ran for the first time."""
    row = await conn.fetchrow(Q.newest_checkpoint.text)
    return Head(row["size"], row["root"], row["note"]) if row else None


async def origin(conn: "Connection") -> str | None:
    """The name under which the log signed its first tree head: it keeps it, whatever address it moves to."""
    text = await conn.fetchval(Q.first_note.text)
    return note.parse_checkpoint(note.parse_note(text).text).origin if text else None


async def served(conn: "Connection", at_least: int = 0, quorum: int = 0) -> str | None:
    """The note to show for a tree of `at_least` leaves or more, with the cosignatures there are; None if none.

    With a `quorum`, one that so many witnesses cosigned.
    """
    if quorum:
        row = await conn.fetchrow(Q.witnessed_checkpoint.text, at_least, quorum)
    else:
        row = await conn.fetchrow(Q.served_checkpoint.text, at_least)
    return row["note"] + "".join(row["lines"]) if row else None


async def heads_after(conn: "Connection", size: int, limit: int) -> list[str]:
    """The notes of signed heads of more than `size` leaves, in order, with the cosignatures there are."""
    rows = await conn.fetch(Q.heads_after.text, size, limit)
    return [row["note"] + "".join(row["lines"]) for row in rows]


async def tiles(conn: "Connection", wanted: Iterable[tuple[int, int]]) -> Tiles:
    """The stored tiles among the wanted (level, n)."""
    keys = list(set(wanted))
    rows = await conn.fetch(Q.read_tiles.text, [level for level, _ in keys], [n for _, n in keys])
    return {(row["level"], row["n"]): row["bytes"] for row in rows}


async def tile_bytes(conn: "Connection", tile: Tile) -> bytes | None:
    """The bytes of a tile at the given width; None if the tree has not come so far."""
    raw = await conn.fetchval(Q.tile_start.text, tile.level, tile.n, tile_size(tile))
    return raw if raw is not None and len(raw) == tile_size(tile) else None


async def edge(conn: "Connection", size: int) -> Edge:
    """The right edge of the tree of `size`. Raises ValueError if a tile is missing or has another width."""
    return edge_of(size, await tiles(conn, ((tile.level, tile.n) for tile in edge_tiles(size))))


async def path(conn: "Connection", spans: Sequence[Span], known: dict[Node, bytes] | None = None) -> list[bytes]:
    """The hashes of runs of leaves: a Merkle proof, read from as few tiles as it takes (at most ten at 2**40).

    `known` remembers the upper subtrees, which never change once they are full, from one proof to the next.
    """
    rows: list[list[Node]] = [span_nodes(start, end) for start, end in spans]
    wanted = {node for row in rows for node in row}
    found = {node: known[node] for node in wanted if node in known} if known else {}
    lacking = wanted - found.keys()
    stored = await tiles(conn, map(tile_of, lacking)) if lacking else {}
    found.update({node: node_in_tile(node, stored.get(tile_of(node), b"")) for node in lacking})
    if known is not None:
        if len(known) > MAX_KNOWN:
            known.clear()
        known.update((node, found[node]) for node in lacking if node[0] >= HEIGHT)
    return [fold(found[node] for node in row) for row in rows]


async def entry(conn: "Connection", index: int) -> bytes:
    """The 32 bytes of an entry. Raises IndexError if the tree has not come so far."""
    n, offset = divmod(index, 256)
    entries = unbundle((await tiles(conn, [(ENTRIES, n)])).get((ENTRIES, n), b""))
    if len(entries) < (offset + 1) * 32:
        raise IndexError(f"the log has no entry {index}")
    return entries[offset * 32 : (offset + 1) * 32]


async def place_of(conn: "Connection", person_id: PersonId, record_id: UUID) -> Place | None:
    """Where a record stands; None if the person has no such record. Lets the transaction see this person's records."""
    # SET LOCAL and not set_config(): only the former reaches the workers of Citus.
    await conn.execute(f"SET LOCAL msingi.reach = '{UUID(str(person_id))}'")
    row = await conn.fetchrow(Q.place_of.text, person_id, record_id)
    if row is None:
        return None
    index = None if row["first_index"] is None else row["first_index"] + row["entry_no"]
    return Place(index, row["inner_no"], row["commitments"] or b"")


async def place_of_root(conn: "Connection", root: bytes) -> int | None:
    """Where a batch root stands; None while it waits. Raises LookupError if no room left it."""
    row = await conn.fetchrow(Q.place_of_root.text, root)
    if row is None:
        raise LookupError("no batch left this root")
    return row["index"]


async def cosigned_size(conn: "Connection", witness: str) -> int:
    """The largest size that the witness has cosigned for this log; 0 for none."""
    return await conn.fetchval(Q.cosigned_size.text, witness) or 0


async def add_cosignature(conn: "Connection", size: int, witness: str, line: str) -> None:
    """Keep the signature line of a witness under the tree head of `size`."""
    await conn.execute(Q.add_cosignature.text, size, witness, line)


async def thin_heads(conn: "Connection") -> None:
    """Remove old heads that nobody needs: see the query. For the sequencer's role."""
    await conn.execute(Q.thin_heads.text)


async def heads_to_stamp(conn: "Connection", limit: int) -> list[tuple[int, str]]:
    """Heads without a time stamp, (size, note): the newest, then at most `limit` older ones."""
    return list(dict.fromkeys((row["size"], row["note"]) for row in await conn.fetch(Q.heads_to_stamp.text, limit)))


async def keep_timestamp(conn: "Connection", size: int, token: bytes, at: datetime) -> None:
    """Keep a verified token."""
    await conn.execute(Q.keep_timestamp.text, size, token, at)


async def timestamp_of(conn: "Connection", size: int) -> bytes | None:
    """The token over the head of this size."""
    return await conn.fetchval(Q.timestamp_of.text, size)


async def lock_followed(conn: "Connection", of: str) -> Head:
    """The newest tree head of another log that was cosigned here (size 0 for none), locked until the commit."""
    await conn.execute(Q.begin_following.text, of)
    row = await conn.fetchrow(Q.lock_followed.text, of)
    assert row is not None
    return Head(row["size"], row["root"] or b"", row["note"])


async def follow(conn: "Connection", of: str, head: Head) -> None:
    """Remember the tree head of another log that is about to be cosigned."""
    await conn.execute(Q.follow.text, of, head.size, head.root, head.note)


async def followed_note(conn: "Connection", origin_hash: bytes) -> str | None:
    """The newest cosigned note of the followed log whose origin has this SHA-256."""
    return await conn.fetchval(Q.followed_note.text, origin_hash)


async def begin_audit(conn: "Connection") -> "Row":
    """Turn the transaction into one unchanging, read-only view that sees where all records stand.

    Gives how much there is to check: `size`, `checkpoints`, `records`, `waiting`.
    """
    await conn.execute(Q.audit_view.text)
    await conn.execute("SET LOCAL msingi.reach = '*'")
    row = await conn.fetchrow(Q.audit_counts.text)
    assert row is not None
    return row


async def tile_counts(conn: "Connection") -> dict[int, tuple[int, int]]:
    """For each level: how many tiles there are, and the number of the last."""
    rows = await conn.fetch(Q.audit_tile_counts.text)
    return {row["level"]: (row["count"], row["last"]) for row in rows}


async def checkpoints(conn: "Connection", after: int, limit: int) -> "list[Row]":
    """Tree heads of more than `after` leaves in order: size, root, note, at."""
    return await conn.fetch(Q.audit_checkpoints.text, after, limit)


async def placed_in_order(conn: "Connection") -> AsyncIterator["Row"]:
    """All transactions by their places, a few thousand rows in memory at a time: pending_id, first_index, count,
    and for each entry entry_no with the numbers of its records, its inner commitments, or its batch root."""
    async for row in conn.cursor(Q.audit_placed.text, prefetch=2_000):
        yield row


async def records_of(conn: "Connection", pending_ids: Sequence[UUID]) -> "list[Row]":
    """The sealed records of some transactions."""
    return await conn.fetch(Q.audit_records.text, pending_ids)


async def strays(conn: "Connection", limit: int) -> list[UUID]:
    """Ids of records that no entry, placed or waiting, belongs to."""
    return [row["record_id"] for row in await conn.fetch(Q.audit_strays.text, limit)]


async def every_entry(conn: "Connection", size: int) -> AsyncIterator[bytes]:
    """All entries of the tree of `size` leaves in their order, 32 bytes each, read a run of bundles at a time."""
    bundles = -(-size // 256)
    for first in range(0, bundles, 64):
        numbers = range(first, min(first + 64, bundles))
        stored = await tiles(conn, ((ENTRIES, n) for n in numbers))
        for n in numbers:
            entries = unbundle(stored.get((ENTRIES, n), b""))
            for start in range(0, len(entries), 32):
                yield entries[start : start + 32]
