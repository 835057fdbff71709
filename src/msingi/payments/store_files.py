"""All SQL of payment files: the file, its blocks, its lines."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.model import FileLine, FileState, PaymentFile

Q = sql.load(__name__)
STATUSES = ("waiting", "paid", "rejected")
LINES_AT_ONCE = 5_000


class Ended(Struct, gc=False):
    """How a line ended: `status` 1 paid, 2 rejected; `reason` an ISO code, `why` its words."""

    line: int
    status: int
    reason: str = ""
    why: str = ""
    transfer_id: UUID | None = None


def _file(row: Row) -> PaymentFile:
    return PaymentFile(
        str(row["id"]),
        row["institution"],
        row["message_id"],
        FileState(row["state"]),
        row["currency"],
        row["lines"],
        row["total"],
        row["paid"],
        row["rejected"],
        row["paid_amount"],
        row["uploaded_by"],
        row["uploaded_at"],
        row["approved_by"],
        row["approved_at"],
        row["finished_at"],
    )


async def add_file(tx: Tx, values: Sequence[Any]) -> None:
    """Keep a file: the columns of payments.payment_file up to uploaded_at, in their order."""
    await tx.do(Q.add_file, *values)


async def add_blocks(tx: Tx, file_id: UUID, blocks: Sequence[tuple[str, int]]) -> None:
    """Keep the blocks of a file: (block id, payer's account id), in their order."""
    await tx.many(Q.add_block, [(file_id, n, block_id, payer) for n, (block_id, payer) in enumerate(blocks)])


async def add_lines(tx: Tx, file_id: UUID, lines: Sequence[tuple[int, str, str, int, bytes]]) -> None:
    """Keep lines, numbered from 1: (block, instruction id, end-to-end id, amount, sealed beneficiary)."""
    for start in range(0, len(lines), LINES_AT_ONCE):
        columns = [list(column) for column in zip(*lines[start : start + LINES_AT_ONCE], strict=True)]
        numbers = list(range(start + 1, start + 1 + len(columns[0])))
        await tx.do(Q.add_lines, file_id, numbers, *columns)


async def file(tx: Tx, file_id: UUID) -> PaymentFile | None:
    """A file with its progress."""
    row = await tx.row(Q.file, file_id)
    return _file(row) if row is not None else None


async def details(tx: Tx, file_id: UUID) -> Row:
    """A file with all its columns; the caller knows that it exists."""
    row = await tx.row(Q.file, file_id)
    assert row is not None
    return row


async def files(tx: Tx, institution: str, limit: int) -> list[PaymentFile]:
    """An institution's newest files."""
    return [_file(row) for row in await tx.rows(Q.files, institution, limit)]


async def approve(tx: Tx, file_id: UUID, approver: str, at: datetime) -> bool:
    """Approve a file; False unless it waits for approval."""
    return await tx.do(Q.approve_file, file_id, approver, at) == 1


async def lease(tx: Tx, file_id: UUID, until: datetime, mine: datetime | None) -> bool:
    """Become (or remain, if the lease until `mine` is still there) the one program that works a file off."""
    return await tx.do(Q.lease_file, file_id, until, mine) == 1


async def release(tx: Tx, file_id: UUID, mine: datetime) -> None:
    """Leave a file for whoever comes next."""
    await tx.do(Q.release_file, file_id, mine)


async def finish(tx: Tx, file_id: UUID, at: datetime) -> bool:
    """Mark a file as finished; False if a line still waits or somebody else did."""
    return await tx.do(Q.finish_file, file_id, at) == 1


async def due(tx: Tx) -> list[UUID]:
    """Approved files that nobody works off at present."""
    return [UUID(bytes=row["id"].bytes) for row in await tx.rows(Q.due_files)]


async def blocks(tx: Tx, file_id: UUID) -> list[Row]:
    """The blocks of a file: block, block_id, payer."""
    return await tx.rows(Q.blocks, file_id)


async def open_lines(tx: Tx, file_id: UUID, limit: int) -> list[Row]:
    """The next lines that wait: line, block, end_to_end_id, amount, beneficiary."""
    return await tx.rows(Q.open_lines, file_id, limit)


async def end_lines(tx: Tx, file_id: UUID, at: datetime, ended: Sequence[Ended]) -> None:
    """Write the outcomes of lines."""
    await tx.do(
        Q.end_lines,
        *(file_id, at, [e.line for e in ended], [e.status for e in ended], [e.reason for e in ended]),
        *([e.why for e in ended], [e.transfer_id for e in ended]),
    )


async def lines(tx: Tx, file_id: UUID, after: int, limit: int, rejected_only: bool) -> list[FileLine]:
    """A page of lines."""
    return [
        FileLine(
            r["line"],
            r["end_to_end_id"],
            r["amount"],
            STATUSES[r["status"]],
            r["reason"],
            r["why"],
            str(r["transfer_id"]) if r["transfer_id"] else None,
            r["at"],
        )
        for r in await tx.rows(Q.lines_page, file_id, after, limit, rejected_only)
    ]


async def report_lines(tx: Tx, file_id: UUID, block: int) -> AsyncIterator[dict[str, Any]]:
    """All lines of a block, for the status report."""
    last = 0
    while page := await tx.rows(Q.lines_page, file_id, last, LINES_AT_ONCE, False):
        for row in page:
            if row["block"] == block:
                yield dict(row) | {"status": STATUSES[row["status"]]}
        last = page[-1]["line"]
