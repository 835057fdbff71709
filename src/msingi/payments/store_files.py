"""All SQL of payment files: the file, its blocks, its lines that wait and those that have ended."""

from collections.abc import Sequence
from datetime import datetime
from struct import Struct as Layout
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.book import micros
from msingi.payments.model import FileLine, FileState, PaymentFile
from msingi.payments.packing import stream

Q = sql.load(__name__)
STATUSES = ("waiting", "paid", "rejected")
PAID, REJECTED = 1, 2
_COLUMNS = (
    *("file_id", "line", "amount", "status", "at", "instruction_id", "end_to_end_id", "reason", "why", "transfer_id"),
)
_ROW = Layout(">hi16siiiqihiq")
_NULL, _SIXTEEN = (-1).to_bytes(4, signed=True), (16).to_bytes(4)
_2000_US = 946_684_800_000_000


class Ended(Struct, gc=False):
    """How a line ended: `status` 1 paid, 2 rejected; `reason` an ISO code, `why` its words."""

    line: int
    instruction_id: str
    end_to_end_id: str
    amount_minor: int
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


async def add_blocks(tx: Tx, file_id: UUID, blocks: Sequence[tuple[str, int, int, int]]) -> None:
    """Keep the blocks of a file: (block id, payer's account id, first line, lines), in their order."""
    await tx.many(Q.add_block, [(file_id, n, *block) for n, block in enumerate(blocks)])


async def add_part(
    tx: Tx, file_id: UUID, part: int, first_line: int, lines: int, total_minor: int, sealed: bytes
) -> None:
    """Keep lines that wait, sealed together; parts count from 0, lines from 1."""
    await tx.do(Q.add_part, file_id, part, first_line, lines, total_minor, sealed)


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
    """The blocks of a file: block, block_id, payer, first_line, lines."""
    return await tx.rows(Q.blocks, file_id)


async def waiting_part(tx: Tx, file_id: UUID, after: int) -> Row | None:
    """The next part that waits: part, first_line, lines, sealed."""
    return await tx.row(Q.waiting_part, file_id, after)


async def waiting_parts(tx: Tx, file_id: UUID, first: int, last: int) -> list[Row]:
    """The parts that wait and have lines from `first` to `last`: part, first_line, sealed."""
    return await tx.rows(Q.waiting_parts, file_id, first, last)


async def end_part(tx: Tx, file_id: UUID, part: int, at: datetime, ended: Sequence[Ended]) -> bool:
    """Write how the lines of a part ended, and forget what was sealed; False if somebody else did."""
    paid = [one for one in ended if one.status == PAID]
    counts = len(paid), len(ended) - len(paid), sum(one.amount_minor for one in paid)
    if await tx.do(Q.end_part, file_id, part, *counts, at) != 1:
        return False
    since_2000 = micros(at) - _2000_US
    tx.pour("payments.payment_line", _COLUMNS, stream([_packed(file_id.bytes, since_2000, one) for one in ended]))
    return True


def _packed(file_id: bytes, at: int, one: Ended) -> bytes:
    """A line as PostgreSQL's binary COPY takes it: to let the driver encode each column costs more than to pay it."""
    words = b"".join(
        [
            len(raw).to_bytes(4) + raw
            for raw in (one.instruction_id.encode(), one.end_to_end_id.encode(), one.reason.encode(), one.why.encode())
        ]
    )
    paid = one.transfer_id
    return (
        _ROW.pack(10, 16, file_id, 4, one.line, 8, one.amount_minor, 2, one.status, 8, at)
        + words
        + (_NULL if paid is None else _SIXTEEN + paid.bytes)
    )


def _line(row: Row) -> FileLine:
    return FileLine(
        row["line"],
        row["end_to_end_id"],
        row["amount"],
        STATUSES[row["status"]],
        row["reason"],
        row["why"],
        str(row["transfer_id"]) if row["transfer_id"] else None,
        row["at"],
        row["instruction_id"],
    )


async def lines_between(tx: Tx, file_id: UUID, first: int, last: int) -> list[FileLine]:
    """The lines from `first` to `last` that have ended."""
    return [_line(row) for row in await tx.rows(Q.lines_between, file_id, first, last)]


async def rejected_page(tx: Tx, file_id: UUID, after: int, limit: int) -> list[FileLine]:
    """A page of the lines that were rejected."""
    return [_line(row) for row in await tx.rows(Q.rejected_page, file_id, after, limit)]


async def decided(tx: Tx, ids: Sequence[UUID]) -> dict[UUID, int]:
    """The reasons (0: posted) of those of some transfers that the ledger has decided."""
    return {UUID(bytes=row["id"].bytes): row["reason"] for row in await tx.rows(Q.known_ids, ids)}
