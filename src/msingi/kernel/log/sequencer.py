"""The one sequencer: it gives waiting entries their places, grows the tree and signs its head, in one transaction.

Why it can die at any point: entries leave the queue, enter the tiles and come under a signed head in the same
transaction, on the connection that holds the lock. Either all of it is on disk or none; a head that was signed
but not committed was never shown. The primary key of `log.checkpoint` refuses a second root for a size, and
before its first signature a sequencer recomputes the root of what it found and compares it with the last head.
"""

import asyncio
import base64
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import TYPE_CHECKING

import asyncpg
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from msingi.kernel.keys import Keystore, Signer
from msingi.kernel.log import store
from msingi.kernel.log.note import ED25519, Checkpoint, Note, Vkey, parse_checkpoint, parse_note, sign
from msingi.kernel.log.tiles import Edge, grow
from msingi.kernel.postgres import as_sequencer

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.log")
ROUND_S = 0.2
STANDBY_S = 1.0
THIN_EVERY_S = 600.0
MAX_TRANSACTIONS = 20_000
MAX_ENTRIES = 20_000
_IN_LOOP = 512  # more entries than this are hashed in a thread, so that doors go on answering


class LogBroken(Exception):
    """The stored tree is not the one that was signed last. Nothing is signed on top of it; run `msingi fsck`."""


def public_bytes(signer: Signer) -> bytes:
    """The 32-byte Ed25519 public key of a signer."""
    return signer.public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def log_vkeys(keystore: Keystore, origin: str) -> list[Vkey]:
    """The verifier keys of all published versions of the log's key, newest first."""
    keys = [base64.urlsafe_b64decode(jwk["x"] + "=") for jwk in keystore.public("log")]
    return [Vkey(origin, ED25519, key) for key in keys]


class Sequencer:
    """Owns the lock, the connection and the right edge of the tree. Make one with `Sequencer.begin`.

    After any exception it must be thrown away: the next one reads the edge afresh.
    """

    def __init__(self, conn: asyncpg.Connection, keystore: Keystore, origin: str, edge: Edge) -> None:
        self.conn, self.keystore, self.origin, self.edge = conn, keystore, origin, edge

    @classmethod
    async def begin(cls, conn: asyncpg.Connection, keystore: Keystore, origin: str) -> "Sequencer | None":
        """Take the lock and the edge of the tree; None if another sequencer is at work.

        An empty log gets its first head, of size 0, under the name `origin`; later it keeps that name.
        Raises LogBroken if the stored tree is not the one that was signed last.
        """
        if not await store.take_lock(conn):
            return None
        head = await store.newest(conn)
        if head is None:
            made = cls(conn, keystore, origin, Edge())
            async with conn.transaction():
                await store.publish(conn, made.sign(made.edge))
            return made
        point = parse_checkpoint(parse_note(head.note).text)
        try:
            edge = await store.edge(conn, head.size)
        except ValueError as missing:
            raise LogBroken(str(missing)) from None
        if (point.size, point.root) != (head.size, head.root) or edge.root() != head.root:
            raise LogBroken(f"the tiles of size {head.size} do not give the root that was signed")
        return cls(conn, keystore, point.origin, edge)

    def sign(self, edge: Edge) -> store.Head:
        """The signed head of a tree, by the current version of the log's key."""
        signer = self.keystore.signer("log")
        root = edge.root()
        text = str(Checkpoint(self.origin, edge.size, root))
        signed = Note(text, (sign(text, self.origin, signer, public_bytes(signer)),))
        return store.Head(edge.size, root, str(signed))

    async def round(self) -> int:
        """Integrate what waits (at most MAX_ENTRIES and the rest of a transaction); the number of entries."""
        if not await store.something_waits(self.conn):
            return 0
        async with self.conn.transaction():
            await self.conn.execute("SET LOCAL synchronous_commit = on")
            taken = await store.take_pending(self.conn, MAX_TRANSACTIONS, MAX_ENTRIES)
            if not taken:
                return 0
            placed, index = [], self.edge.size
            for pending_id, entries in taken:
                placed.append((pending_id, index, len(entries) // 32))
                index += len(entries) // 32
            fresh = b"".join([entries for _, entries in taken])
            if index - self.edge.size > _IN_LOOP:
                edge, written = await asyncio.to_thread(grow, self.edge, fresh)
            else:
                edge, written = grow(self.edge, fresh)
            await store.write_growth(self.conn, placed, written)
            await store.publish(self.conn, self.sign(edge))
        count, self.edge = index - self.edge.size, edge
        return count

    async def thin(self) -> None:
        """Remove old heads that neither witnesses nor auditors need."""
        async with self.conn.transaction():
            await store.thin_heads(self.conn)


@asynccontextmanager
async def connection(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the sequencer's own, in its own role: its lock ends with it."""
    conn = await asyncpg.connect(as_sequencer(dsn), command_timeout=60)
    try:
        yield conn
    finally:
        with suppress(Exception):
            await conn.close(timeout=2)


class Bell:
    """Wakes this process's sequencer before its time, and tells those who wait that a new head stands."""

    def __init__(self) -> None:
        self.rung = asyncio.Event()
        self.published = asyncio.Event()


def bell(stack: "Stack") -> Bell:
    """The bell of this stack."""
    found = stack.local.setdefault("log.bell", Bell())
    assert isinstance(found, Bell)
    return found


async def run(stack: "Stack") -> None:
    """Sequence for ever, every ROUND_S or when the bell rings; stand by while another process does it."""
    while True:
        try:
            async with connection(stack.db.dsn) as conn:
                await _work(stack, conn)
        except LogBroken:
            logger.critical("the log is broken: nothing is signed until it is repaired", exc_info=True)
            await asyncio.sleep(30)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as lost:
            logger.warning("the sequencer lost the database: %s", type(lost).__name__)
        except Exception:
            logger.exception("the sequencer failed, and begins again")
        await asyncio.sleep(STANDBY_S)


async def _work(stack: "Stack", conn: asyncpg.Connection) -> None:
    ring = bell(stack)
    while (sequencer := await Sequencer.begin(conn, stack.keys, stack.settings.origin)) is None:
        await asyncio.sleep(STANDBY_S)
    ring.published.set()
    thin_at = monotonic() + THIN_EVERY_S
    while True:
        ring.rung.clear()
        count = await sequencer.round()
        if monotonic() > thin_at and count < MAX_ENTRIES:
            await sequencer.thin()
            thin_at = monotonic() + THIN_EVERY_S
        if count:
            ring.published.set()
        if count < MAX_ENTRIES:
            with suppress(TimeoutError):
                await asyncio.wait_for(ring.rung.wait(), ROUND_S)


async def catch_up(stack: "Stack", timeout_s: float = 30.0) -> None:
    """Return once nothing waits: by sequencing here, unless another sequencer is at work and does it.

    Raises LogBroken as the sequencer does, TimeoutError if the other one does not get there.
    """
    ends = monotonic() + timeout_s
    async with connection(stack.db.dsn) as conn:
        sequencer = await Sequencer.begin(conn, stack.keys, stack.settings.origin)
        if sequencer is not None:
            while await sequencer.round():
                pass
            return
        while await store.something_waits(conn) or await store.newest(conn) is None:
            if monotonic() > ends:
                raise TimeoutError("entries still wait for the sequencer")
            bell(stack).rung.set()
            await asyncio.sleep(0.02)
