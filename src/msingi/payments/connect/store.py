"""The only file of connecting that runs SQL: addresses and batches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.payments.connect.model import Batch, BatchOrder, Failed

Q = sql.load(__name__)


async def link(tx: Tx, institution: str, sealed: Mapping[bytes, bytes], who: str, at: datetime) -> None:
    """Keep sealed addresses by their keys."""
    await tx.do(Q.link, institution, list(sealed), list(sealed.values()), who, at)


async def unlink(tx: Tx, institution: str, keys: Sequence[bytes]) -> set[bytes]:
    """Forget addresses; the keys of those that were there."""
    return {bytes(row["key"]) for row in await tx.rows(Q.unlink, institution, keys)}


async def linked(tx: Tx, institution: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    """Sealed addresses by their keys."""
    return {bytes(row["key"]): bytes(row["sealed"]) for row in await tx.rows(Q.linked, institution, keys)}


async def keep_batch(
    tx: Tx,
    institution: str,
    order: BatchOrder,
    at: datetime,
    *,
    file_id: UUID | None = None,
    content: bytes | None = None,
    failed: Sequence[Failed] | None = None,
) -> None:
    """Note a batch: the file that it became with the hash of its content, or what a check found."""
    said = None if failed is None else msgspec.to_builtins(failed)
    names = institution, order.batch_id, order.request_id, order.source_id
    await tx.do(Q.keep_batch, *names, file_id, content, said, at)


async def batch(tx: Tx, institution: str, batch_id: str) -> Batch | None:
    """A batch of an institution's."""
    row = await tx.row(Q.batch, institution, batch_id)
    if row is None:
        return None
    failed = msgspec.convert(row["failed"], tuple[Failed, ...])
    file_id = str(row["file_id"]) if row["file_id"] else None
    names = row["institution"], row["batch_id"], row["request_id"], row["source_id"]
    return Batch(*names, file_id, bytes(row["content"] or b""), failed, row["at"])


async def answer_to(tx: Tx, institution: str, batch_id: str, peer: str) -> None:
    """Note which peer is told when a batch has ended."""
    await tx.do(Q.answer_to, institution, batch_id, peer)


async def batch_of_file(tx: Tx, file_id: UUID) -> tuple[str, str, str] | None:
    """The institution, batch id and peer of a payment file whose end a peer wants to be told."""
    row = await tx.row(Q.batch_of_file, file_id)
    return None if row is None else (row["institution"], row["batch_id"], row["answer_to"])
