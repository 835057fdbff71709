"""Recompute the whole log from its entries, and say everything that is not as it was signed.

The auditor trusts nothing but the log's verifier keys: every tile is compared with the hashes below it, every
signed head with the root over all entries before it, every record with the entry that it must be part of. What
cannot be seen from inside, a database that was exchanged as a whole, the witnesses and every carried proof see.
"""

from collections.abc import Callable, Container
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

from msgspec import Struct, field

from msingi.kernel.errors import Erased
from msingi.kernel.keys import Keystore
from msingi.kernel.log import merkle, note, store
from msingi.kernel.log.leaf import LABEL, NOBODY_ID, SALT_BYTES, commitment
from msingi.kernel.log.sequencer import log_vkeys
from msingi.kernel.log.tiles import ENTRIES, WIDTH, Tile, path, tile_size, unbundle

if TYPE_CHECKING:
    from msingi.kernel.db import Connection, Row, Tx
    from msingi.kernel.seal import Seals
    from msingi.kernel.stack import Stack

CHUNK = 16 * WIDTH
MAX_PROBLEMS = 200
Progress = Callable[[int, int], Any]


class Problem(Struct, frozen=True):
    """One thing that is wrong: a stable `code`, `where` (a tile's path, an entry, a size), and a sentence."""

    code: str
    where: str
    text: str


class Findings(Struct):
    """What was checked, and what is wrong. `problems` holds the first MAX_PROBLEMS; `unlisted` counts the rest.

    `waiting` entries have no place yet; `batches` are entries whose acts a room keeps itself; `opened` records
    were unsealed and hashed; of `erased` ones the key is gone.
    """

    entries: int = 0
    checkpoints: int = 0
    records: int = 0
    waiting: int = 0
    opened: int = 0
    erased: int = 0
    batches: int = 0
    problems: list[Problem] = field(default_factory=list)
    unlisted: int = 0

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.problems

    @property
    def wrong(self) -> list[str]:
        """The problems as lines for people."""
        lines = [f"{p.where}: {p.text} ({p.code})" for p in self.problems]
        return [*lines, f"and {self.unlisted} more"] if self.unlisted else lines

    @property
    def summary(self) -> str:
        """What was checked, as one line for people."""
        return (
            f"{self.entries} entries under {self.checkpoints} signed heads, {self.batches} of them batches, "
            f"{self.records} records ({self.opened} opened, {self.erased} erased), {self.waiting} entries waiting"
        )

    def add(self, code: str, where: str, text: str) -> None:
        """Note something that is wrong."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(code, where, text))
        else:
            self.unlisted += 1


async def check_log(
    stack: "Stack",
    *,
    unseal: bool = True,
    batch_roots: Container[bytes] | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Check the whole log in one unchanging view of it, while it goes on growing.

    With `unseal`, every record whose key still exists is opened, to be hashed and for nothing else. With
    `batch_roots` (the roots of the batches that rooms keep), a batch that no room knows is a problem.
    `progress` is called with (entries checked, all entries).
    """
    found = Findings()
    async with stack.db.plumbing() as conn:
        counts = await store.begin_audit(conn)
        found.waiting, found.records = counts["waiting"], counts["records"]
        seals = stack.seal if unseal else None
        auditor = _Auditor(conn, stack.keys, counts["size"], found, seals, batch_roots)
        await auditor.check_tile_counts()
        await auditor.take_heads()
        while auditor.frontier.size < auditor.size:
            await auditor.check_chunk()
            if progress is not None:
                progress(auditor.frontier.size, auditor.size)
        await auditor.check_upper_edge()
        for record_id in await store.strays(conn, MAX_PROBLEMS):
            found.add("record-without-entry", f"record {record_id}", "The entry of this record was removed.")
    found.entries = auditor.frontier.size
    return found


class _Auditor:
    """The state of one audit: how far it is, and the hashes that the next level needs."""

    def __init__(
        self,
        conn: "Connection",
        keystore: Keystore,
        size: int,
        found: Findings,
        seals: "Seals | None",
        batch_roots: Container[bytes] | None,
    ) -> None:
        self.conn, self.keystore, self.size, self.found = conn, keystore, size, found
        self.seals, self.batch_roots = seals, batch_roots
        self.frontier = merkle.Frontier()
        self.rows: list[bytes] = []  # hashes of level 1 and above that are not in a full tile yet
        self.tiles_done: list[int] = []  # how many full tiles of level 1 and above are behind us
        self.heads: list[Row] = []  # signed heads still to be compared, in order
        self.origin = ""
        self.vkeys: list[note.Vkey] = []
        self.last_at: datetime | None = None
        self.places = store.placed_in_order(conn)
        self.ahead: Row | None = None
        self.last_id: UUID | None = None
        self.next_index = 0  # where the next transaction's entries must begin

    async def check_tile_counts(self) -> None:
        """Each level has exactly the tiles that a tree of this size has."""
        wanted: dict[int, int] = {}
        for level in range(ENTRIES, 8):
            wanted[level] = -(-(self.size >> 8 * max(level, 0)) // WIDTH)
        stored = await store.tile_counts(self.conn)
        for level in sorted(wanted.keys() | stored.keys()):
            count, last = stored.get(level, (0, -1))
            name = "entries" if level == ENTRIES else str(level)
            if count != wanted.get(level, 0) or last != wanted.get(level, 0) - 1:
                self.found.add(
                    "tile-count", f"tile/{name}", f"There are {count} tiles where {wanted.get(level, 0)} belong."
                )

    async def take_heads(self) -> None:
        """Fetch the next signed heads, checking note, signature and order; the roots are compared later."""
        after = self.heads[-1]["size"] if self.heads else self.frontier.size if self.found.checkpoints else -1
        self.heads = await store.checkpoints(self.conn, after, 1_000)
        for head in self.heads:
            self.found.checkpoints += 1
            where = f"checkpoint {head['size']}"
            try:
                signed = note.parse_note(head["note"])
                point = note.parse_checkpoint(signed.text)
                if not self.origin:
                    self.origin, self.vkeys = point.origin, log_vkeys(self.keystore, point.origin)
                note.verify(signed, self.vkeys)
            except note.NoteBroken as why:
                self.found.add("checkpoint-signature", where, f"{why}.")
                continue
            if (point.origin, point.size, point.root) != (self.origin, head["size"], head["root"]):
                self.found.add("checkpoint-row", where, "The row does not say what its signed note says.")
            if self.last_at is not None and head["at"] < self.last_at:
                self.found.add("checkpoint-order", where, "It is older than the head of a smaller tree.")
            self.last_at = head["at"]
        if self.heads and self.heads[0]["size"] == 0:
            self._compare(self.heads.pop(0), merkle.EMPTY_ROOT)

    def _compare(self, head: "Row", root: bytes) -> None:
        if head["root"] != root:
            self.found.add(
                "checkpoint-root",
                f"checkpoint {head['size']}",
                "The entries of today do not give the root that was signed: one at or before this size "
                "was changed, removed or moved.",
            )

    async def check_chunk(self) -> None:
        """The next CHUNK entries: bundles against level 0, level 0 into the tree, transactions and records."""
        start = self.frontier.size
        end = min(start + CHUNK, self.size)
        numbers = range(start // WIDTH, -(-end // WIDTH))
        stored = await store.tiles(self.conn, [(level, n) for level in (ENTRIES, 0) for n in numbers])
        entries: list[bytes] = []
        for n in numbers:
            width = min(WIDTH, end - n * WIDTH)
            leaves, own = self._read_tile(n, width, stored)
            entries += own
            await self._push(leaves)
            if width == WIDTH:
                await self._carry(0, merkle.perfect_root(leaves))
        here = await self._check_placed(start, end, entries)
        if self.seals is not None:
            await self._open_records(here, start, entries)

    def _read_tile(self, n: int, width: int, stored: store.Tiles) -> tuple[bytes, list[bytes]]:
        """A level 0 tile and the entries of its bundle, compared leaf by leaf (missing ones as empty bytes)."""
        tile, bundle = Tile(0, n, width), Tile(ENTRIES, n, width)
        hashes, raw = stored.get((0, n), b""), stored.get((ENTRIES, n), b"")
        try:
            if len(raw) != tile_size(bundle):
                raise ValueError
            joined = unbundle(raw)
        except ValueError:
            self.found.add("tile-size", path(bundle), "The bundle is missing or is not a row of entries.")
            joined = b""
        if len(hashes) != tile_size(tile):
            self.found.add("tile-size", path(tile), "The tile is missing or has the wrong size.")
            hashes = merkle.leaf_hashes(joined) or bytes(tile_size(tile))
        entries = [joined[i * 32 : i * 32 + 32] for i in range(width)]
        if joined and merkle.leaf_hashes(joined) != hashes:
            for i, entry in enumerate(entries):
                if merkle.leaf_hash(entry) != hashes[i * 32 : i * 32 + 32]:
                    where = f"entry {n * WIDTH + i}"
                    self.found.add("entry-changed", where, "The entry is not the one that the tile commits to.")
        return hashes, entries

    async def _push(self, leaves: bytes) -> None:
        for i in range(0, len(leaves), 32):
            self.frontier.push(leaves[i : i + 32])
            while self.heads and self.heads[0]["size"] <= self.frontier.size:
                head = self.heads[0]
                self._compare(head, self.frontier.root())
                if len(self.heads) == 1:
                    await self.take_heads()
                else:
                    self.heads.pop(0)

    async def _carry(self, level: int, root: bytes) -> None:
        """A full tile of `level` gave `root`: it stands in the level above, whose full tiles are compared."""
        if len(self.rows) == level:
            self.rows.append(b"")
            self.tiles_done.append(0)
        self.rows[level] += root
        if len(self.rows[level]) == WIDTH * 32:
            await self._compare_tile(level + 1, self.tiles_done[level], self.rows[level])
            self.tiles_done[level] += 1
            full, self.rows[level] = self.rows[level], b""
            await self._carry(level + 1, merkle.perfect_root(full))

    async def _compare_tile(self, level: int, n: int, wanted: bytes) -> None:
        stored = (await store.tiles(self.conn, [(level, n)])).get((level, n), b"")
        if stored != wanted:
            where = path(Tile(level, n, len(wanted) // 32))
            self.found.add("tile-changed", where, "The tile is not what the tiles below it give.")

    async def check_upper_edge(self) -> None:
        """The partial tiles of level 1 and above; and no place is behind the end of the tree."""
        for level, row in enumerate(self.rows, start=1):
            if row:
                await self._compare_tile(level, self.tiles_done[level - 1], row)
        if self.next_index != self.size or await self._peek() is not None:
            text = f"The places of transactions end at {self.next_index} or later, the tree at {self.size}."
            self.found.add("place-gap", f"entry {self.next_index}", text)

    async def _peek(self) -> "Row | None":
        """The next transaction, which stays the next one until `self.ahead` is cleared."""
        if self.ahead is None:
            self.ahead = await anext(self.places, None)
        return self.ahead

    async def _check_placed(self, start: int, end: int, entries: list[bytes]) -> "list[Row]":
        """Transactions stand one behind the other, and their records under their entries; gives the rows of the
        entries that stand here."""
        claimed: set[int] = set()
        here: list[Row] = []
        while (row := await self._peek()) is not None:
            index = row["first_index"] + (row["entry_no"] or 0)
            if index >= end:
                break
            self.ahead = None
            where = f"entry {index}"
            if row["pending_id"] != self.last_id:
                self.last_id = row["pending_id"]
                if row["first_index"] != self.next_index:
                    self.found.add("place-gap", where, f"A transaction should begin at {self.next_index}.")
                self.next_index = row["first_index"] + row["count"]
            if row["entry_no"] is None or index < start:
                continue  # nothing says what the entry is (see below), or its place is wrong (see above)
            if row["entry_no"] >= row["count"]:
                self.found.add("record-place", where, "A record names an entry that its transaction has not.")
                continue
            here.append(row)
            claimed.add(index)
            if row["root"] is None:
                self._check_inner(index, entries[index - start], row["numbers"] or [], row["commitments"])
            else:
                self._check_batch(index, entries[index - start], row)
        self._check_unclaimed(sorted(set(range(start, end)) - claimed))
        return here

    def _check_inner(self, index: int, entry: bytes, numbers: list[int], commitments: bytes | None) -> None:
        where = f"entry {index}"
        count = 1
        if commitments is not None:
            row = [commitments[i : i + 32] for i in range(0, len(commitments), 32)]
            count = len(row)
            if merkle.tree_root([merkle.leaf_hash(c) for c in row]) != entry:
                self.found.add("commitments-changed", where, "The commitments do not give this entry.")
        if numbers != list(range(count)):
            text = f"{count} records belong to this entry, and {len(numbers)} are there."
            self.found.add("record-missing", where, text)

    def _check_batch(self, index: int, entry: bytes, row: "Row") -> None:
        self.found.batches += 1
        if row["root"] != entry or row["numbers"] or row["commitments"]:
            self.found.add("batch-changed", f"entry {index}", "The batch that left this entry had another root.")
        elif self.batch_roots is not None and entry not in self.batch_roots:
            self.found.add("batch-unknown", f"entry {index}", "No room keeps the batch that this entry stands for.")

    def _check_unclaimed(self, missing: list[int]) -> None:
        for _, run in groupby(enumerate(missing), key=lambda pair: pair[1] - pair[0]):
            indexes = [index for _, index in run]
            where = f"entry {indexes[0]}" if len(indexes) == 1 else f"entries {indexes[0]} to {indexes[-1]}"
            text = "No record and no batch belongs here: what left it, or its place, was removed."
            self.found.add("record-missing", where, text)

    async def _open_records(self, here: "list[Row]", start: int, entries: list[bytes]) -> None:
        """Unseal each record of these transactions and compare its commitment with what the tree holds."""
        from msingi.kernel.db import Tx

        tx = Tx(self.conn, ())
        by_entry = {(row["pending_id"], row["entry_no"]): row for row in here}
        for record in await store.records_of(self.conn, list({row["pending_id"] for row in here})):
            place = by_entry.get((record["pending_id"], record["entry_no"]))
            if place is None:
                continue  # reported as a record that names an entry its transaction has not
            try:
                plain = await self._unseal(tx, record)
            except Erased:
                self.found.erased += 1
                continue
            except ValueError:
                plain = b""
            self.found.opened += 1
            mine = commitment(plain[:SALT_BYTES], plain[SALT_BYTES:])
            index, at = place["first_index"] + place["entry_no"], record["inner_no"] * 32
            if place["commitments"] is not None:
                right = place["commitments"][at : at + 32] == mine
            else:
                right = entries[index - start] == merkle.leaf_hash(mine)
            if not right:
                self.found.add("record-changed", f"entry {index}", "The record is not the one that was logged.")

    async def _unseal(self, tx: "Tx", record: "Row") -> bytes:
        assert self.seals is not None
        if record["person_id"] == NOBODY_ID:
            return self.seals.unseal_with_room_key(LABEL, record["sealed"])
        return await self.seals.unseal(tx, record["person_id"], record["sealed"], LABEL)
