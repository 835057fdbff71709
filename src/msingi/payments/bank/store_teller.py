"""All SQL of tellers: drawers, counts, and tiers."""

from datetime import datetime

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.rules import shard_of

Q = sql.load(__name__)


async def till_of(tx: Tx, institution: str, label: str, currency: str) -> int | None:
    """The drawer of a teller."""
    return await tx.value(Q.till_of, institution, label, currency)


async def last_count(tx: Tx, till: int) -> Row | None:
    """When a drawer was last counted, and what was in it."""
    return await tx.row(Q.last_count, till)


async def add_count(tx: Tx, till: int, at: datetime, staff: str, expected: int, counted: int) -> None:
    """A drawer was counted."""
    await tx.do(Q.add_count, till, at, staff, expected, counted)


async def set_tier(near: Tx, account: int, tier: int) -> bool:
    """Put an account into another tier, and make its writer read it again; False if it is no open account of a
    person."""
    epoch = await near.value(Q.read_again, shard_of(account))
    if await near.do(Q.set_tier, shard_of(account), account, tier) != 1:
        return False
    await near.do(Q.note_changed, shard_of(account), account, epoch)
    return True
