"""The SQL of the checker: pages of journal, batches and accounts, and what they must agree with."""

from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.model import Hold
from msingi.payments.store import PAGE

Q = sql.load(__name__)


async def batches(tx: Tx, shard: int, after_seq: int, limit: int) -> list[Row]:
    """A page of batches in order."""
    return await tx.rows(Q.batches_page, shard, after_seq, limit)


async def journal(tx: Tx, shard: int, start: int, stop: int) -> list[Row]:
    """Journal rows [start, stop): the columns of chain.COLUMNS, then reference and listed."""
    return await tx.rows(Q.journal_page, shard, start, stop)


async def journal_extent(tx: Tx, shard: int) -> Row:
    """How many rows and ids a shard has, and its last seq."""
    found = await tx.row(Q.journal_extent, shard)
    assert found is not None
    return found


async def accounts_page(tx: Tx, shard: int, after_id: int) -> list[Row]:
    """A page of a shard's accounts in the order of their ids."""
    return await tx.rows(Q.accounts_page, shard, after_id, PAGE)


async def open_holds(tx: Tx, shard: int) -> dict[UUID, Hold]:
    """The open holds of a shard by their ids."""
    rows = await tx.rows(Q.holds, shard)
    return {row["id"]: Hold(UUID(bytes=row["id"].bytes), *tuple(row)[1:]) for row in rows}


async def transits(tx: Tx, shard: int) -> dict[tuple[int, str], int]:
    """The account ids of a shard towards others, by the other shard and the currency."""
    return {(row["other"], row["currency"]): row["account_id"] for row in await tx.rows(Q.transits, shard)}


async def reversed_ids(tx: Tx, shard: int) -> set[UUID]:
    """The transfers that some row of a shard reverses."""
    return {row["pending_id"] for row in await tx.rows(Q.reversed_ids, shard)}
