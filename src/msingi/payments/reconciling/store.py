"""The only file of reconciling that runs SQL: comparisons and their queues."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.reconciling.model import Item, Open, Reconciliation, Why
from msingi.payments.rules import number_of

Q = sql.load(__name__)


def _one(row: Row) -> Reconciliation:
    return Reconciliation(
        UUID(bytes=row["reconciliation_id"].bytes),
        row["institution"],
        number_of(row["account"]),
        *(row["statement_id"], row["first"], row["last"], row["lines"], row["entries"], row["by_reference"]),
        *(row["by_end_to_end"], row["by_amount"], row["exceptions"], row["open"], row["made_by"], row["made_at"]),
    )


def _item(row: Row) -> Item:
    return Item(
        *(row["item"], Why(row["why"]), row["on_day"], row["amount"], row["booked"], row["reference"]),
        *(row["end_to_end"], row["transfer"], row["settled_by"], row["settled_at"], row["note"]),
    )


async def add(tx: Tx, values: Sequence[Any], found: Sequence[Open]) -> None:
    """Keep a comparison (the columns of payments.reconciliation) and its queue, numbered from 1."""
    await tx.do(Q.add, *values)
    rows = []
    for number, one in enumerate(found, 1):
        said = one.line or one.booked
        assert said is not None
        both = one.line is not None and one.booked is not None
        booked = one.booked.amount_minor if both and one.booked is not None else None
        reference = one.line.reference if one.line is not None else ""
        transfer = one.booked.transfer if one.booked is not None else None
        rows.append((number, one.why, said.on, said.amount_minor, booked, reference, said.end_to_end, transfer))
    if rows:
        await tx.do(Q.add_items, values[0], *[list(column) for column in zip(*rows, strict=True)])


async def page(tx: Tx, institution: str, limit: int) -> list[Reconciliation]:
    """An institution's newest comparisons."""
    return [_one(row) for row in await tx.rows(Q.page, institution, limit)]


async def one(tx: Tx, reconciliation_id: UUID, institution: str) -> Reconciliation | None:
    """A comparison of an institution's."""
    row = await tx.row(Q.one, reconciliation_id, institution)
    return None if row is None else _one(row)


async def items(tx: Tx, reconciliation_id: UUID, after: int, limit: int, open_only: bool) -> list[Item]:
    """A page of the queue."""
    return [_item(row) for row in await tx.rows(Q.items, reconciliation_id, after, limit, open_only)]


async def item(tx: Tx, reconciliation_id: UUID, number: int) -> Item | None:
    """One item of the queue."""
    row = await tx.row(Q.item, reconciliation_id, number)
    return None if row is None else _item(row)


async def settle(tx: Tx, reconciliation_id: UUID, number: int, who: str, at: datetime, note: str) -> bool:
    """Note what an official says of an item; False if it is settled, or not there."""
    return await tx.do(Q.settle, reconciliation_id, number, who, at, note) == 1


async def end_to_end(tx: Tx, institution: str, transfers: Sequence[UUID], since: datetime) -> dict[str, str]:
    """The end-to-end ids of transfers (as 32 hex digits) that payment files made since an instant."""
    rows = await tx.rows(Q.end_to_end, institution, transfers, since)
    return {UUID(bytes=row["transfer_id"].bytes).hex: row["end_to_end_id"] for row in rows}
