"""The database: a transaction opens only with a permit, and commits only with a leaf."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from msingi.kernel.errors import LeafMissing, Malformed, Outage
from msingi.kernel.ids import PersonId
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.sql import Query

if TYPE_CHECKING:
    from msingi.kernel.seal import Seals

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

    `repeated` is set by `once.claim` when an earlier receipt is given again: then nothing is done and no leaf owed.
    """

    __slots__ = (
        "_conn",
        "after_commit",
        "owed",
        "permits",
        "person_keys",
        "repeated",
        "roots",
        "staged",
        "statements",
    )

    def __init__(self, conn: Connection, permits: Sequence[Permit]) -> None:
        self._conn = conn
        self.permits = permits
        self.owed = set(permits)
        self.staged: list[leaf.Staged] = []
        self.roots: list[tuple[bytes, int]] = []
        self.person_keys: dict[PersonId, AESGCM] = {}
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

    async def rows(self, query: Query, *args: Any) -> list[Row]:
        """All rows of a statement."""
        self.statements += 1
        return await self._conn.fetch(query.text, *args)

    async def row(self, query: Query, *args: Any) -> Row | None:
        """The first row of a statement, or None."""
        self.statements += 1
        return await self._conn.fetchrow(query.text, *args)

    async def value(self, query: Query, *args: Any) -> Any:
        """The first column of the first row, or None."""
        self.statements += 1
        return await self._conn.fetchval(query.text, *args)

    async def do(self, query: Query, *args: Any) -> int:
        """Run a statement; the number of rows that it touched."""
        self.statements += 1
        status = await self._conn.execute(query.text, *args)
        tail = status.rsplit(" ", 1)[-1]
        return int(tail) if tail.isdigit() else 0

    async def many(self, query: Query, args: Sequence[Sequence[Any]]) -> None:
        """Run a statement once per argument list, in one round trip."""
        self.statements += 1
        await self._conn.executemany(query.text, args)

    async def copy(self, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]) -> None:
        """Binary COPY of `records` into `schema.table`. Row-level security does not allow COPY: use it only for
        tables of the kernel's plumbing or of rooms that are walled without people."""
        self.statements += 1
        schema, _, name = table.partition(".")
        await self._conn.copy_records_to_table(name, schema_name=schema, columns=columns, records=records)


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
                dsn, min_size=1, max_size=size, reset=_no_reset, init=_set_codecs, command_timeout=60
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
        Raises LeafMissing for a forgotten leaf, Outage when the connection is lost.
        """
        permits = (permit, *more)
        if any(p.room != permit.room for p in more):
            raise ValueError("a transaction belongs to one room")
        async with self._begun(f"BEGIN; {_facts(permits)}") as conn:
            tx = Tx(conn, permits)
            yield tx
            await self._leave(tx)
            await conn.execute("COMMIT")
        for call in tx.after_commit:
            waiting = call()
            if waiting is not None:
                await waiting

    async def _leave(self, tx: Tx) -> None:
        if tx.repeated and not tx.staged and not tx.roots:
            return
        if tx.owed:
            acts = ", ".join(sorted({p.act for p in tx.owed}))
            raise LeafMissing(f"no leaf was left for: {acts}")
        if self.seals is None:
            raise RuntimeError("the database has no seals: start it through the stack")
        await leaf.flush(tx, self.seals)

    @asynccontextmanager
    async def reading(self, room: str) -> AsyncIterator[Tx]:
        """A read-only snapshot of a room's tables that hold nothing about people; needs no permit.

        Row-level security shows no row about a person, and PostgreSQL refuses every write.
        """
        opening = f"BEGIN READ ONLY; SET LOCAL msingi.room = {_quoted(room)}; SET LOCAL msingi.reach = ''"
        async with self._begun(opening) as conn:
            yield Tx(conn, ())
            await conn.execute("ROLLBACK")

    @asynccontextmanager
    async def _begun(self, opening: str) -> AsyncIterator[Connection]:
        """A connection in a transaction; whatever breaks, it goes back to the pool clean, or not at all.

        A driver's error on a connection that is dead is an Outage, whatever its name; a value that PostgreSQL cannot
        keep is Malformed, for it came from outside.
        """
        try:
            async with self._pool.acquire() as conn:
                try:
                    await conn.execute(opening)
                    yield conn
                except BaseException as failure:
                    alive = await _roll_back(conn)
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


def _quoted(text: str) -> str:
    if "\0" in text:
        raise ValueError("a session fact holds a NUL")
    return "'" + text.replace("'", "''") + "'"


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
    return "; ".join(f"SET LOCAL msingi.{name} = {_quoted(value)}" for name, value in facts.items())
