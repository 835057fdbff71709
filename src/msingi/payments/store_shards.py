"""SQL of what spans shards: holds and the promises that stand for them elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.model import Hold

Q = sql.load(__name__)


def _uuid(found: UUID) -> UUID:
    return UUID(bytes=found.bytes)


async def hold_of(tx: Tx, shard: int, hold: UUID) -> Hold | None:
    """A hold, if it is open."""
    row = await tx.row(Q.hold_of, shard, hold)
    return Hold(_uuid(row["id"]), *tuple(row)[1:]) if row is not None else None


async def promises(tx: Tx, shard: int, after: UUID, before: datetime) -> list[Row]:
    """Open promises of a shard, a page in the order of their ids: id, debit, credit, amount, currency, owner."""
    return await tx.rows(Q.promises, shard, after, before)


async def still_held(tx: Tx, shard: int, holds: Sequence[UUID]) -> set[UUID]:
    """Those of some holds that are open."""
    return {_uuid(row["id"]) for row in await tx.rows(Q.still_held, shard, holds)}
