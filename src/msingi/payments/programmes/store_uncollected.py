"""SQL of payments that nobody collected."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.programmes.model import Uncollected

Q = sql.load(__name__)


def person(row: Row) -> PersonId:
    """Whom a row is about."""
    return PersonId(UUID(bytes=row["person_id"].bytes))


async def unlooked(tx: Tx, now: datetime) -> list[Row]:
    """Cycles whose people are to be told."""
    return await tx.rows(Q.unlooked, now)


async def paid_lines(tx: Tx, file_id: UUID, after: int, last: int) -> list[Row]:
    """Of the lines after one up to another those that were paid, with their people."""
    return await tx.rows(Q.paid_lines, file_id, after, last)


async def paid_into(tx: Tx, transfers: Sequence[UUID]) -> dict[UUID, int]:
    """Into which account each of some transfers of one shard was paid."""
    return {UUID(bytes=row["id"].bytes): row["credit"] for row in await tx.rows(Q.paid_into, transfers)}


async def used_accounts(tx: Tx, shard: int, accounts: Sequence[int]) -> set[int]:
    """Those of some accounts of a shard that have ever paid anything out."""
    return {row["debit"] for row in await tx.rows(Q.used_accounts, shard, accounts)}


async def looked_at(tx: Tx, file_id: UUID, line: int, done: bool) -> None:
    """How far a cycle was looked at."""
    await tx.do(Q.looked_at, file_id, line, done)


async def add(
    tx: Tx, cycle: Row, found: Sequence[Row], accounts: Sequence[int], at: datetime, returns_at: datetime
) -> None:
    """Note payments that people are told of, each with the account that it was paid into."""
    people, lines, transfers, amounts = (
        [row[name] for row in found] for name in ("person_id", "line", "transfer_id", "amount")
    )
    columns = people, lines, list(accounts), transfers, amounts
    if found:
        said = cycle["currency"], cycle["name"], at, returns_at
        await tx.do(Q.add_uncollected, cycle["file_id"], *columns, *said)


async def own(tx: Tx, who: PersonId) -> list[Uncollected]:
    """What a person was told of and can keep."""
    rows = await tx.rows(Q.own_uncollected, who)
    return [Uncollected(r["programme"], r["amount"], r["currency"], r["returns_at"]) for r in rows]


async def keep(tx: Tx, who: PersonId) -> int:
    """A person keeps what she was told of; how many payments."""
    return await tx.do(Q.keep_uncollected, who)


async def overdue(tx: Tx, now: datetime, limit: int) -> list[Row]:
    """What goes back now."""
    return await tx.rows(Q.overdue, now, limit)


async def begin(tx: Tx, row: Row) -> bool:
    """A payment is being ended; False where its holder has kept it meanwhile."""
    return await tx.do(Q.begin_return, row["person_id"], row["file_id"], row["line"]) == 1


async def end(tx: Tx, row: Row, transfer_id: UUID | None, at: datetime) -> None:
    """A payment went back by a transfer, or is kept."""
    await tx.do(Q.end_uncollected, row["person_id"], row["file_id"], row["line"], "returned" if transfer_id else "kept")
    if transfer_id is not None:
        await tx.do(Q.add_returned, row["file_id"], row["line"], transfer_id, at)
