"""One open transaction, and what travels together with its beginning and its end (docs/decisions/0010)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.kernel import sql
from msingi.kernel.errors import Erased, Outage, Overtaken
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import render, renders
from msingi.kernel.policy import Permit
from msingi.kernel.sql import Query

if TYPE_CHECKING:
    from msingi.kernel.log import leaf

Q = sql.load(__name__)
INLINE_BYTES = 64 * 1024  # more than this is not worth writing as text
KEYS_GONE, KEYS_RENEWED = "MS410", "MS411"
NOT_AS_EXPECTED = "MS409"
_COPY_DONE = b"c" + (4).to_bytes(4)
Row = asyncpg.Record
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class Tx:
    """One open transaction. Only a room's `store.py` uses its statements.

    BEGIN and the session facts travel with the first statement that can carry them, what is `later` with the COMMIT;
    functions that stand there one after the other are called by one statement, so none rests on what another wrote.
    `repeated` is set by `once.claim` when an earlier receipt is given again: then no leaf is owed, and nothing is
    kept of what was done. `statements` counts round trips.
    """

    __slots__ = (
        "_conn",
        "_opening",
        "_streams",
        "after_commit",
        "borrowed_keys",
        "claims",
        "events",
        "later",
        "owed",
        "permits",
        "person_keys",
        "receipts",
        "repeated",
        "roots",
        "staged",
        "statements",
    )

    def __init__(self, conn: Connection, permits: Sequence[Permit], opening: str = "") -> None:
        self._conn = conn
        self._opening = opening
        self._streams: list[bytes] = []
        self.permits = permits
        self.owed = set(permits)
        self.staged: list[leaf.Staged] = []
        self.roots: list[tuple[bytes, int]] = []
        self.person_keys: dict[PersonId, AESGCM] = {}
        self.borrowed_keys: dict[PersonId, bytes] | None = None  # from memory, to be looked up before anything counts
        self.events: list[tuple[str, bytes]] = []
        self.claims: dict[str, bytes] = {}  # keys claimed here, with the hash of their content
        self.receipts: dict[str, bytes] = {}
        self.later: list[tuple[Query, Sequence[Any]]] = []
        self.after_commit: list[Callable[[], Awaitable[None] | None]] = []
        self.repeated = False
        self.statements = 0

    def instead(self, permit: Permit, other: Permit) -> None:
        """Owe the leaf of `other` instead of that of `permit`: within a batch, its act turned out to be another one.

        Raises ValueError unless `other` is of the same room and reaches nobody whom `permit` does not reach.
        """
        within = permit.subjects is None or (other.subjects is not None and set(other.subjects) <= set(permit.subjects))
        if permit not in self.owed or other.room != permit.room or not within:
            raise ValueError("a permit stands for another only in the same room, for the same people")
        self.owed.discard(permit)
        self.owed.add(other)

    @property
    def begun(self) -> bool:
        """Whether the database knows of this transaction already."""
        return not self._opening

    def release(self, permit: Permit) -> None:
        """Nothing was done or read under this permit after all: it owes no leaf.

        A transaction in which no permit left a leaf is rolled back, so nothing can be done under a released one.
        """
        self.owed.discard(permit)

    def stand_still(self) -> None:
        """See one unchanging state of the database from here on. It comes before any statement: ordering fresh plans
        would take a snapshot first, so that order is left to another transaction."""
        if self.begun:
            raise RuntimeError("a transaction stands still from its beginning, or not at all")
        self._opening = "BEGIN ISOLATION LEVEL REPEATABLE READ" + self._opening.partition("BEGIN")[2]

    async def open(self) -> Connection:
        """The connection, with the transaction begun and its session facts set."""
        self.statements += 1
        if self._opening:
            opening, self._opening = self._opening, ""
            self.statements += 1
            await self._conn.execute(opening)
        return self._conn

    def ahead(self, query: Query, *args: Any) -> None:
        """A statement whose answer nobody reads, to travel with the beginning and before everything else.

        See `inline.literal` for the values that can travel like this. Raises RuntimeError once the transaction began.
        """
        if self.begun:
            raise RuntimeError("the beginning of this transaction was sent already")
        self._opening += f"; {render(query.text, args)}"

    async def rows(self, query: Query, *args: Any) -> list[Row]:
        """All rows of a statement."""
        return await (await self.open()).fetch(query.text, *args)

    async def row(self, query: Query, *args: Any) -> Row | None:
        """The first row of a statement, or None."""
        return await (await self.open()).fetchrow(query.text, *args)

    async def value(self, query: Query, *args: Any) -> Any:
        """The first column of the first row, or None."""
        return await (await self.open()).fetchval(query.text, *args)

    async def do(self, query: Query, *args: Any) -> int:
        """Run a statement; the number of rows that it touched."""
        return _touched(await (await self.open()).execute(query.text, *args))

    async def first(self, query: Query, *args: Any) -> int:
        """As `do`, in one round trip with the transaction's beginning if nothing was done yet.

        The kernel's own statements only: see `inline.literal` for the values that can travel like this.
        """
        if self.begun or sum(map(_size, args)) > INLINE_BYTES:
            return await self.do(query, *args)
        text = f"{self._opening}; {render(query.text, args)}"
        self._opening = ""
        self.statements += 1
        return _touched(await self._conn.execute(text))

    async def many(self, query: Query, args: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per argument list, in one round trip."""
        await (await self.open()).executemany(query.text, args)

    def pour(self, table: str, columns: Sequence[str], stream: bytes) -> None:
        """Rows for `schema.table`, in PostgreSQL's binary COPY format; they travel with the commit, after what was left
        for the end before them. Row-level security does not allow COPY: use it only for tables of rooms that are walled
        without people, and have bricks of their own."""
        copying = Query("pour", f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)", "")
        self.later.append((copying, ()))
        self._streams.append(stream)

    async def end(self, keep: bool) -> None:
        """Send what is left for the end, then COMMIT (or ROLLBACK unless `keep`), in one round trip if it is short.

        Raises Erased if a key that was remembered is gone by now, and Overtaken if a statement that was left for the
        end found something else than was expected: then nothing of this transaction happens.
        """
        if not keep:
            self.later.clear()
            self._streams.clear()
        elif self.receipts:
            self.later.append((Q.settle_many, (list(self.receipts), list(self.receipts.values()))))
        if keep and self.events:
            kinds, payloads = zip(*self.events, strict=True)
            self.later.append((Q.emit_many, (kinds, payloads)))
        if self.borrowed_keys:
            self.later.append((Q.keys_hold, (list(self.borrowed_keys), list(self.borrowed_keys.values()))))
        if self.later or self.begun:
            await self._send_the_end("COMMIT" if keep else "ROLLBACK")

    async def _send_the_end(self, ending: str) -> None:
        try:
            if self._streams and getattr(self._conn, "apart", False) and not self.begun:
                await self.open()  # the rows follow upon one message, and the beginning is none of its own there
            texts = renders([(query.text, args) for query, args in self.later])
            if sum(map(len, texts)) > 2 * INLINE_BYTES and not self._streams:  # bytes are written as two digits each
                for query, args in self.later:
                    await self.do(query, *args)
                texts.clear()
            if self._opening:
                texts.insert(0, self._opening)
            self._opening = ""
            self.statements += 1
            if self._streams:
                asyncio.get_running_loop().call_soon(_flow, self._conn, self._streams)
            status = await self._conn.execute("; ".join([*texts, ending]))
        except asyncpg.PostgresError as raised:
            if getattr(raised, "sqlstate", "") == KEYS_GONE:
                raise Erased() from None
            if getattr(raised, "sqlstate", "") == KEYS_RENEWED:
                raise Outage("a person's key is looked up anew", 1) from None
            if getattr(raised, "sqlstate", "") == NOT_AS_EXPECTED:
                raise Overtaken() from None
            raise
        if status != ending:
            raise AssertionError(f"the transaction ended with {status}, not {ending}")


def _flow(conn: Any, streams: Sequence[bytes]) -> None:
    """Send the rows of COPY statements right behind the message that holds these, without waiting to be asked.

    The server reads each stream when it comes to its statement. If it fails before, it ignores them, as the protocol
    says of data that no COPY is waiting for ("Message Flow", COPY Operations).
    """
    transport = conn._transport
    if not transport.is_closing():
        frames = [b"d" + (len(stream) + 4).to_bytes(4) + stream + _COPY_DONE for stream in streams]
        transport.write(b"".join(frames))


def _touched(status: str) -> int:
    tail = status.rsplit(" ", 1)[-1]
    return int(tail) if tail.isdigit() else 0


def _size(value: Any) -> int:
    if isinstance(value, bytes | str):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8
