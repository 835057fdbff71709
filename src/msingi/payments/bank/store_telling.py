"""All SQL of receipts by text message."""

from collections.abc import Sequence
from datetime import datetime

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


async def telling(tx: Tx, person: PersonId) -> tuple[bool, ...] | None:
    """What a person has chosen: cash, received, made, balance."""
    row = await tx.row(Q.telling, person)
    return tuple(row) if row else None


async def choose(tx: Tx, person: PersonId, wish: Sequence[bool], at: datetime) -> None:
    """Choose: cash, received, made, balance."""
    await tx.do(Q.choose_telling, person, *wish, at)


async def told(tx: Tx, shard: int) -> tuple[int, int, bool]:
    """How far a shard has been told, how far it has got, and whether it was never told."""
    row = await tx.row(Q.told, shard)
    return (row["seq"], row["next_seq"], row["is_new"]) if row else (0, 0, False)


async def tell_on(tx: Tx, shard: int, seq: int) -> None:
    """A shard is told up to before a seq."""
    await tx.do(Q.tell_on, shard, seq)


async def to_be_told(tx: Tx, shard: int, first: int, last: int) -> list[Row]:
    """The movements of the rows from `first` until before `last` whose holders want a message."""
    return await tx.rows(Q.to_be_told, shard, first, last)
