"""The database: a transaction opens only with a permit, and commits only with a leaf."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from msingi.kernel.errors import Erased, LeafMissing, Malformed, Outage
from msingi.kernel.inline import quoted, render
from msingi.kernel.link import Apart, Link
from msingi.kernel.log import leaf
from msingi.kernel.policy import Permit
from msingi.kernel.sql import Query
from msingi.kernel.tx import Connection as Connection
from msingi.kernel.tx import Row as Row
from msingi.kernel.tx import Tx as Tx

if TYPE_CHECKING:
    from msingi.kernel.seal import Seals

PLANS_LAST_S = 10.0
ROOM_MOVES = "MS503"  # what a table says of which nothing may change, because its room is on its way elsewhere
MAX_STATEMENTS = 2_000
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


class Lender:
    """Lends the connections of a pool, and keeps at hand those that came back well: to hand one back to the pool and to
    take it again costs more than a short statement. Whoever waits for the pool is served before it is kept."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self._kept: list[Connection] = []
        self._waiting = 0
        self._closed = False

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[Connection]:
        """A connection for the length of a block; one on which the block failed goes to the pool, which looks at it."""
        conn = await self._take()
        try:
            yield conn
        except BaseException:
            await self.pool.release(conn)
            raise
        if self._waiting or self._closed or not _is_open(conn):
            await self.pool.release(conn)
        else:
            self._kept.append(conn)

    async def _take(self) -> Connection:
        while self._kept:
            conn = self._kept.pop()
            if _is_open(conn):
                return conn
            await self.pool.release(conn)
        self._waiting += 1
        try:
            return await self.pool.acquire()
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Close all connections, waiting for those at work."""
        self._closed = True
        while self._kept:
            await self.pool.release(self._kept.pop())
        await self.pool.close()


def _is_open(conn: Connection) -> bool:
    try:
        return not conn.is_closed()
    except asyncpg.InterfaceError:  # it was closed, and the pool has taken it back by itself
        return False


class Database:
    """The pool of application connections, and the only way to open a transaction."""

    def __init__(self, pool: asyncpg.Pool, dsn: str) -> None:
        self._pool = pool
        self._lender = Lender(pool)
        self.dsn = dsn
        self.elsewhere: frozenset[str] = (
            frozenset()
        )  # rooms that run on another machine: nothing of theirs is done here
        self.seals: Seals | None = None  # set by the stack, which also needs this object to make them

    @classmethod
    async def connect(cls, dsn: str, size: int = 10) -> "Database":
        """Open the pool in the application's role. Raises Outage when the server does not answer."""
        try:
            pool = await _pool(dsn, size, Link)
            if await pool.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'citus'"):
                await pool.close()
                pool = await _pool(dsn, size, Apart)
        except (*_LOST, OSError) as lost:
            raise Outage(f"the database does not answer: {type(lost).__name__}") from lost
        return cls(pool, dsn)

    async def close(self) -> None:
        """Close all connections, waiting for those at work."""
        await self._lender.close()

    @asynccontextmanager
    async def transaction(self, permit: Permit, *more: Permit) -> AsyncIterator[Tx]:
        """A transaction under `permit` (and further permits of the same room, for a batch).

        It commits when the block ends well and every permit left its leaf, and rolls back otherwise.
        Raises LeafMissing for a forgotten leaf, Erased for a key that went meanwhile, Outage for a lost connection.
        """
        permits = (permit, *more)
        if any(p.room != permit.room for p in more):
            raise ValueError("a transaction belongs to one room")
        self._is_here(permit.room)
        async with self._begun(f"BEGIN; {_facts(permits)}", permits) as tx:
            tx.borrowed_keys = {}
            yield tx
            try:
                await tx.end(keep=await self._leave(tx))
            except (Erased, Outage):
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
        self._is_here(room)
        opening = f"BEGIN READ ONLY; SET LOCAL msingi.room = {quoted(room)}; SET LOCAL msingi.reach = ''"
        async with self._begun(opening, ()) as tx:
            yield tx
            await tx.end(keep=False)

    async def count(self, room: str, query: Query, *args: Any) -> int:
        """How many rows a statement finds in a room's tables that hold nothing about people, in one round trip.

        As in `reading`, no row about a person is seen, and nothing can be written. The message is a transaction of its
        own: its settings end with it (PostgreSQL, "Multiple Statements in a Simple Query").
        """
        self._is_here(room)
        facts = f"SET LOCAL msingi.room = {quoted(room)}; SET LOCAL msingi.reach = ''"
        async with self.glance() as conn:
            told = await conn.execute(f"SET TRANSACTION READ ONLY; {facts}; {render(query.text, args)}")
        return int(told.rpartition(" ")[2])

    def _is_here(self, room: str) -> None:
        """Raises Outage for a room that runs elsewhere: an act that cannot be carried there is not done here either,
        on tables that nobody else looks at."""
        if room in self.elsewhere:
            raise Outage(f"the room {room} runs on another machine, and this act of it does not travel")

    @asynccontextmanager
    async def _begun(self, opening: str, permits: Sequence[Permit]) -> AsyncIterator[Tx]:
        """A transaction on a connection that, whatever breaks, goes back to the pool clean, or not at all.

        A driver's error on a connection that is dead is an Outage, whatever its name; a value that PostgreSQL cannot
        keep is Malformed, for it came from outside.
        """
        try:
            async with self._lender.lent() as conn:
                tx = Tx(conn, permits, _with_fresh_plans(conn, opening))
                try:
                    yield tx
                except BaseException as failure:
                    alive = not tx.begun or await _roll_back(conn)
                    if alive and getattr(failure, "sqlstate", "") == ROOM_MOVES:
                        raise Outage("the room is closed while it moves to a machine of its own", 60) from failure
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
    async def glance(self) -> AsyncIterator[Connection]:
        """A raw connection outside any transaction, for reads of the kernel's own that stand for themselves."""
        try:
            async with self._lender.lent() as conn:
                try:
                    yield conn
                except _DRIVER as failure:
                    if await _roll_back(conn):
                        raise
                    raise Outage(f"the database connection was lost: {type(failure).__name__}") from failure
        except _LOST as lost:
            raise Outage(f"the database connection was lost: {type(lost).__name__}") from lost

    @asynccontextmanager
    async def plumbing(self) -> AsyncIterator[Connection]:
        """A raw connection in a transaction, for the kernel's own tables; only the kernel may use it."""
        try:
            async with self._lender.lent() as conn, conn.transaction():
                yield conn
        except _LOST as lost:
            raise Outage(f"the database connection was lost: {type(lost).__name__}") from lost


async def _pool(dsn: str, size: int, made: type[Link]) -> asyncpg.Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        reset=_no_reset,
        init=_set_codecs,
        command_timeout=60,
        connection_class=made,
        statement_cache_size=MAX_STATEMENTS,
        max_cached_statement_lifetime=0,
        max_cacheable_statement_size=64 * 1024,
    )


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
    It is a transaction of its own: DISCARD takes a snapshot, after which an act could not choose its isolation.
    """
    now = monotonic()
    if now - conn.plans_from[0] < PLANS_LAST_S:
        return opening
    conn.plans_from[0] = now
    return f"BEGIN; DISCARD PLANS; COMMIT; {opening}"


def _facts(permits: Sequence[Permit]) -> str:
    """The permit as transaction-local settings; SET LOCAL reaches the workers of Citus, set_config does not."""
    first = permits[0]
    if any([p.subjects is None for p in permits]):
        reach = "*"
    else:
        reach = ",".join({str(s) for p in permits for s in p.subjects or ()})
    ctx, actor = first.context, first.context.actor
    told = _told(first.act, actor.kind, actor.id, actor.institution, ctx.purpose, ctx.basis)
    return f"SET LOCAL msingi.reach = {quoted(reach)}; {told}"


@lru_cache(maxsize=2048)
def _told(act: str, kind: str, actor_id: str, institution: str, purpose: str, basis: str) -> str:
    """All facts but whom the permit reaches: the same for most acts of one piece of software."""
    facts = {
        "room": act.partition(".")[0],
        "act": act,
        "actor": f"{kind}:{actor_id}",
        "institution": institution,
        "purpose": purpose,
        "basis": basis,
    }
    return "; ".join(f"SET LOCAL msingi.{name} = {quoted(value)}" for name, value in facts.items())
