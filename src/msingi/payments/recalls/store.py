"""The only file of recalls that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.payments.recalls.model import Step

Q = sql.load(__name__)


async def add(tx: Tx, values: Sequence[Any]) -> bool:
    """Keep a recall, its columns in the order of the statement; False if the payment is asked back already."""
    return await tx.do(Q.add_recall, *values) == 1


async def recall(tx: Tx, recall_id: str) -> Row | None:
    """One recall, locked until the transaction ends."""
    return await tx.row(Q.recall, recall_id)


async def steps(tx: Tx, recall_id: str) -> tuple[Step, ...]:
    """What happened with it, in order."""
    return tuple(Step(row["at"], row["what"]) for row in await tx.rows(Q.recall_steps, recall_id))


async def step(tx: Tx, recall_id: str, at: datetime, what: str) -> None:
    """Something happened."""
    await tx.do(Q.add_step, recall_id, at, what)


async def note_sent(tx: Tx, recall_id: str, at: datetime) -> None:
    """When the other bank was last asked."""
    await tx.do(Q.note_sent, recall_id, at)


async def note_told(tx: Tx, recall_id: str, told: str) -> None:
    """What the other bank was last answered."""
    await tx.do(Q.note_told, recall_id, told)


async def note_late(tx: Tx, recall_id: str) -> bool:
    """Nobody answered in time; False if that was known."""
    return await tx.do(Q.note_late, recall_id) == 1


async def note_held(tx: Tx, recall_id: str, hold: UUID | None, held: int) -> None:
    """What is held of our customer's money."""
    await tx.do(Q.note_held, recall_id, hold, held)


async def note_answer(tx: Tx, recall_id: str, state: str, words: bytes | None, reason: str, at: datetime) -> bool:
    """What the other bank says; False where it is over."""
    return await tx.do(Q.note_answer, recall_id, state, words, reason, at) == 1


async def note_refund(tx: Tx, recall_id: str, transfer: str, amount: int, at: datetime) -> bool:
    """A transfer brought money back; False if it is counted already."""
    return await tx.do(Q.note_refund, recall_id, transfer, amount, at) == 1


async def note_words(tx: Tx, recall_id: str, words: bytes) -> bool:
    """What our customer says; False if it was said, or decided."""
    return await tx.do(Q.note_words, recall_id, words) == 1


async def intend(tx: Tx, recall_id: str, amount: int, at: datetime, words: bytes, who: str) -> int | None:
    """Be the one who pays back: the number of the attempt; None where somebody else is, or it is over."""
    return await tx.value(Q.intend_return, recall_id, amount, at, words, who)


async def return_again(tx: Tx, recall_id: str, attempt: int) -> bool:
    """An attempt did not go through; False if that was noted, or it went."""
    return await tx.do(Q.return_again, recall_id, attempt) == 1


async def end_return(tx: Tx, recall_id: str, at: datetime) -> bool:
    """The money has left; False if that was noted."""
    return await tx.do(Q.end_return, recall_id, at) == 1


async def end_refused(tx: Tx, recall_id: str, reason: str, words: bytes, who: str, at: datetime) -> bool:
    """An officer refuses; False where it is over."""
    return await tx.do(Q.end_refused, recall_id, reason, words, who, at) == 1


async def note_complaint(tx: Tx, recall_id: str, reference: str) -> None:
    """The case at the register of complaints."""
    await tx.do(Q.note_recall_complaint, recall_id, reference)


Place = tuple[datetime, str] | None


async def own(tx: Tx, person: PersonId | None, institution: str, place: Place, limit: int) -> list[Row]:
    """A page of the recalls that concern a person, or an institution."""
    at, last = place or (None, "")
    return await tx.rows(Q.own_recalls, person or UUID(int=0), institution, at, last, limit)


async def queue(tx: Tx, place: Place, limit: int, now: datetime) -> list[Row]:
    """A page of what waits for an officer, or is late."""
    at, last = place or (None, "")
    return await tx.rows(Q.recall_queue, at, last, limit, now)


async def to_carry(tx: Tx, after: str, now: datetime, asked_before: datetime, limit: int) -> list[Row]:
    """Recalls that the stack itself has to go on with."""
    return await tx.rows(Q.recalls_to_carry, after, now, asked_before, limit)


async def untold(tx: Tx, limit: int) -> list[Row]:
    """Ended recalls of other banks whose answer has not been sent."""
    return await tx.rows(Q.recalls_untold, limit)
