"""The only file of disputes that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.disputes.model import DisputeCounts, State

Q = sql.load(__name__)


def person(value: Any) -> PersonId | None:
    """A person id as the driver gives it, None for none."""
    return PersonId(UUID(bytes=value.bytes)) if value else None


async def add(tx: Tx, values: Sequence[Any]) -> bool:
    """Open a dispute, its columns in the order of the statement; False if the transfer is disputed already."""
    return await tx.do(Q.add_dispute, *values) == 1


async def dispute(tx: Tx, dispute_id: UUID) -> Row | None:
    """One dispute, locked until the transaction ends."""
    return await tx.row(Q.dispute, dispute_id)


async def note_hold(tx: Tx, dispute_id: UUID, hold: UUID, held: int) -> None:
    """What is held of the payee's money."""
    await tx.do(Q.note_hold, dispute_id, hold, held)


async def answer(tx: Tx, dispute_id: UUID, words: bytes) -> bool:
    """The other side's answer; False if it has answered."""
    return await tx.do(Q.answer, dispute_id, words) == 1


async def intend(tx: Tx, dispute_id: UUID, amount: int) -> int | None:
    """Be the one who ends a dispute by paying back an amount: the attempt, None where somebody else is."""
    return await tx.value(Q.intend, dispute_id, amount)


async def try_again(tx: Tx, dispute_id: UUID, attempt: int) -> None:
    """The ledger refused an attempt."""
    await tx.do(Q.try_again, dispute_id, attempt)


async def end(tx: Tx, dispute_id: UUID, state: State, refunded: int, reason: bytes, who: str, at: datetime) -> bool:
    """How a dispute ended; False if it had ended."""
    return await tx.do(Q.end_dispute, dispute_id, state.value, refunded, reason, who, at) == 1


async def note_complaint(tx: Tx, dispute_id: UUID, reference: str) -> None:
    """The case at the register of complaints."""
    await tx.do(Q.note_complaint, dispute_id, reference)


async def own(
    tx: Tx, who: PersonId | None, institution: str, place: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """A page of the disputes in which a person, or an institution, takes part."""
    at, last = place or (None, None)
    return await tx.rows(Q.own_disputes, who or UUID(int=0), institution, at, last, limit)


async def queue(tx: Tx, place: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
    """A page of disputes that wait for a decision."""
    at, last = place or (None, None)
    return await tx.rows(Q.dispute_queue, at, last, limit)


async def counts(tx: Tx, since: datetime, now: datetime) -> DisputeCounts:
    """What everybody may know."""
    row = await tx.row(Q.dispute_counts, since, now)
    assert row is not None
    return DisputeCounts(*row.values())
