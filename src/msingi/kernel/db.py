"""The database: a transaction opens only with a permit, and commits only with a leaf."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.kernel import sql
from msingi.kernel.errors import Erased, LeafMissing, Malformed, Outage
from msingi.kernel.ids import PersonId
from msingi.kernel.inline import quoted, render
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.sql import Query

if TYPE_CHECKING:
    from msingi.kernel.seal import Seals

Q = sql.load(__name__)
PLANS_LAST_S = 10.0
MAX_STATEMENTS = 2_000
INLINE_BYTES = 64 * 1024  # more than this is not worth writing as text
KEYS_GONE = "MS410"
Row = asyncpg.Record
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    ConnectionError,
    TimeoutError,
)
# What no check of a door knows of: a NUL in a text, a number beyond its column, a key too long for an index.
_UNSTORABLE = (
    asyncpg.CharacterNotInRepertoireError,
    asyncpg.UntranslatableCharacterError,
    asyncpg.NumericValueOutOfRangeError,
    asyncpg.ProgramLimitExceededError,
)
_DRIVER = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Tx:
    """One open transaction. Only a room's `store.py` uses its statements.

    BEGIN and the session facts travel with the first statement that can carry them, what is `later` with the COMMIT.
    `repeated` is set by `once.claim` when an earlier receipt is given again: then no leaf is owed, and nothing is
    kept of what was done. `statements` counts round trips.
    """

    __slots__ = (
        "_conn",
        "_opening",
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

    async def open(self) -> Connection:
        """The connection, with the transaction begun and its session facts set."""
        self.statements += 1
        if self._opening:
            opening, self._opening = self._opening, ""
            self.statements += 1
            await self._conn.execute(opening)
        return self._conn

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

    async def copy(self, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]) -> None:
        """Binary COPY of `records` into `schema.table`. Row-level security does not allow COPY: use it only for
        tables of the kernel's plumbing or of rooms that are walled without people."""
        schema, _, name = table.partition(".")
        conn = await self.open()
        await conn.copy_records_to_table(name, schema_name=schema, columns=columns, records=records)

    async def end(self, keep: bool) -> None:
        """Send what is left for the end, then COMMIT (or ROLLBACK unless `keep`), in one round trip if it is short.

        Raises Erased if a key that was remembered is gone by now: then nothing of this transaction happens.
        """
        if not keep:
            self.later.clear()
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
            if sum(_size(arg) for _, args in self.later for arg in args) > INLINE_BYTES:
                for query, args in self.later:
                    await self.do(query, *args)
                self.later.clear()
            texts = [self._opening] if self._opening else []
            texts += [render(query.text, args) for query, args in self.later]
            self._opening = ""
            self.statements += 1
            status = await self._conn.execute("; ".join([*texts, ending]))
        except asyncpg.PostgresError as raised:
            if getattr(raised, "sqlstate", "") == KEYS_GONE:
                raise Erased() from None
            raise
        if status != ending:
            raise AssertionError(f"the transaction ended with {status}, not {ending}")


class Link(asyncpg.Connection):
    """A pooled connection that knows how old the plans of its statements can be."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.plans_from = [monotonic()]


class Database:
    """The pool of application connections, and the only way to open a transaction."""

    def __init__(self, pool: asyncpg.Pool, dsn: str) -> None:
        self._pool = pool
        self.dsn = dsn
        self.seals: Seals | None = None  # set by the stack, which also needs this object to make them

    @classmethod
    async def connect(cls, dsn: str, size: int = 10) -> "Database":
        """Open the pool in the application's role. Raises Outage when the server does not answer."""
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                reset=_no_reset,
                init=_set_codecs,
                command_timeout=60,
                connection_class=Link,
                statement_cache_size=MAX_STATEMENTS,
                max_cached_statement_lifetime=0,
                max_cacheable_statement_size=64 * 1024,
            )
        except (*_LOST, OSError) as lost:
            raise Outage(f"the database does not answer: {type(lost).__name__}") from lost
        return cls(pool, dsn)

    async def close(self) -> None:
        """Close all connections, waiting for those at work."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, permit: Permit, *more: Permit) -> AsyncIterator[Tx]:
        """A transaction under `permit` (and further permits of the same room, for a batch).

        It commits when the block ends well and every permit left its leaf, and rolls back otherwise.
        Raises LeafMissing for a forgotten leaf, Erased for a key that went meanwhile, Outage for a lost connection.
        """
        permits = (permit, *more)
        if any(p.room != permit.room for p in more):
            raise ValueError("a transaction belongs to one room")
        async with self._begun(f"BEGIN; {_facts(permits)}", permits) as tx:
            tx.borrowed_keys = {}
            yield tx
            try:
                await tx.end(keep=await self._leave(tx))
            except Erased:
                if self.seals is not None:
                    self.seals.forget(tx.borrowed_keys)
                raise
        for call in tx.after_commit:
            waiting = call()
            if waiting is not None:
                await waiting

    async def _leave(self, tx: Tx) -> bool:
        """Prepare what the transaction leaves; False if it leaves nothing, and therefore must change nothing."""
        if not tx.staged and not tx.roots and (tx.repeated or not tx.owed):
            return False
        if tx.owed:
            acts = ", ".join(sorted({p.act for p in tx.owed}))
            raise LeafMissing(f"no leaf was left for: {acts}")
        if self.seals is None:
            raise RuntimeError("the database has no seals: start it through the stack")
        await leaf.flush(tx, self.seals)
        return True

    @asynccontextmanager
    async def reading(self, room: str) -> AsyncIterator[Tx]:
        """A read-only snapshot of a room's tables that hold nothing about people; needs no permit.

        Row-level security shows no row about a person, and PostgreSQL refuses every write.
        """
        opening = f"BEGIN READ ONLY; SET LOCAL msingi.room = {quoted(room)}; SET LOCAL msingi.reach = ''"
        async with self._begun(opening, ()) as tx:
            yield tx
            await tx.end(keep=False)

    @asynccontextmanager
    async def _begun(self, opening: str, permits: Sequence[Permit]) -> AsyncIterator[Tx]:
        """A transaction on a connection that, whatever breaks, goes back to the pool clean, or not at all.

        A driver's error on a connection that is dead is an Outage, whatever its name; a value that PostgreSQL cannot
        keep is Malformed, for it came from outside.
        """
        try:
            async with self._pool.acquire() as conn:
                tx = Tx(conn, permits, _with_fresh_plans(conn, opening))
                try:
                    yield tx
                except BaseException as failure:
                    alive = not tx.begun or await _roll_back(conn)
                    if alive and _is_unstorable(failure):
                        raise Malformed(
                            "A text holds a character, or a number is of a size, that cannot be kept.",
                            field="request",
                            rule="storable",
                        ) from failure
                    if alive or not isinstance(failure, _DRIVER):
                        raise
                    raise Outage(f"the database connection was lost: {type(failure).__name__}") from failure
        except _LOST as lost:
            raise Outage(f"the database connection was lost: {type(lost).__name__}") from lost

    @asynccontextmanager
    async def plumbing(self) -> AsyncIterator[Connection]:
        """A raw connection in a transaction, for the kernel's own tables; only the kernel may use it."""
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                yield conn
        except _LOST as lost:
            raise Outage(f"the database connection was lost: {type(lost).__name__}") from lost


async def _roll_back(conn: Any) -> bool:
    """End the transaction; False if the connection cannot: it is dead, or of no use, and the pool drops it."""
    try:
        await conn.execute("ROLLBACK")
        return True
    except (*_DRIVER, *_LOST):
        with suppress(asyncpg.InterfaceError):  # the pool has dropped it already
            conn.terminate()
        return False


def _is_unstorable(failure: BaseException) -> bool:
    # The driver itself refuses integers that do not fit their parameter, and says so in words only.
    refused = isinstance(failure, asyncpg.DataError) and "out of int" in str(failure)
    return refused or isinstance(failure, _UNSTORABLE)


async def _no_reset(_: asyncpg.Connection) -> None:
    """Nothing to reset: all session facts are transaction-local, and a reset would cost a round trip."""


async def _set_codecs(conn: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(
            name,
            schema="pg_catalog",
            encoder=lambda v: msgspec.json.encode(v).decode(),
            decoder=msgspec.json.decode,
        )


def _with_fresh_plans(conn: Any, opening: str) -> str:
    """The opening, with an order to forget statement plans if this connection's may be too old.

    After five executions PostgreSQL keeps one plan for all values. Made while a table was almost empty it scans, and
    goes on scanning while the table grows, until statistics are gathered. A new plan looks at the table's real size.
    """
    now = monotonic()
    if now - conn.plans_from[0] < PLANS_LAST_S:
        return opening
    conn.plans_from[0] = now
    return f"DISCARD PLANS; {opening}"


def _touched(status: str) -> int:
    tail = status.rsplit(" ", 1)[-1]
    return int(tail) if tail.isdigit() else 0


def _size(value: Any) -> int:
    if isinstance(value, bytes | str):
        return len(value)
    return sum(map(_size, value)) if isinstance(value, list | tuple) else 8


def _facts(permits: Sequence[Permit]) -> str:
    """The permit as transaction-local settings; SET LOCAL reaches the workers of Citus, set_config does not."""
    first = permits[0]
    if any(p.subjects is None for p in permits):
        reach = "*"
    else:
        reach = ",".join({str(s) for p in permits for s in p.subjects or ()})
    ctx = first.context
    facts = {
        "room": first.room,
        "reach": reach,
        "act": first.act,
        "actor": f"{ctx.actor.kind}:{ctx.actor.id}",
        "institution": ctx.actor.institution,
        "purpose": ctx.purpose,
        "basis": ctx.basis,
    }
    return "; ".join(f"SET LOCAL msingi.{name} = {quoted(value)}" for name, value in facts.items())
