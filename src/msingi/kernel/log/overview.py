"""How the log stands, for those who run it, and how often each act was done, for those who supervise it."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from msgspec import Struct

from msingi.kernel import policy, sql
from msingi.kernel.context import Context
from msingi.kernel.log import leaf, note, store

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack

Q = sql.load(__name__)
DAY = timedelta(days=1)


class Standing(Struct, frozen=True):
    """The newest signed head: `origin`, `size`, 32-byte `root`, when; and how many transactions wait."""

    origin: str
    size: int
    root: bytes
    at: datetime | None
    waiting: int


class ActCount(Struct, frozen=True):
    """How many records an act has left: in all, and in the last 24 hours. Nobody is named."""

    act: str
    count: int
    last_day: int


async def standing(stack: "Stack") -> Standing:
    """How the log stands now; public, about nobody."""
    async with stack.db.plumbing() as conn:
        head = await store.newest(conn)
        row = await conn.fetchrow(Q.standing.text)
    if head is None or row is None:
        return Standing(stack.settings.origin, 0, b"", None, 0)
    point = note.parse_checkpoint(note.parse_note(head.note).text)
    return Standing(point.origin, head.size, head.root, row["at"], row["waiting"])


async def count_acts(stack: "Stack", ctx: Context) -> list[ActCount]:
    """How often each act was done, the most frequent first; for auditors, and counts only. Raises NotPermitted."""
    permit = policy.decide(ctx, "log.count-acts", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await tx.rows(Q.count_acts, ctx.at - DAY)
        leaf.append(tx, permit, detail={"acts": len(rows)})
    return [ActCount(r["act"], r["count"], r["last_day"]) for r in rows]
