"""SQL of recalls between participants."""

from datetime import datetime

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.switch.cancelling import Request
from msingi.payments.switch.model import Transfer

Q = sql.load(__name__)


async def begin(tx: Tx, wanted: Request, paid: Transfer, now: datetime, due: datetime) -> bool:
    """Keep that a payment is asked back; False if it is under another id already."""
    values = wanted.id, paid.id, paid.payer, paid.payee, paid.amount_minor, paid.currency, wanted.reason, now, due
    await tx.do(Q.begin_recall, *values)
    return await tx.value(Q.recall_of, paid.id) == wanted.id


async def answer(tx: Tx, recall_id: str, told: str, now: datetime) -> bool:
    """How it was answered; False where it had been."""
    return await tx.do(Q.answer_recall, recall_id, told, now) == 1


async def seen(tx: Tx, now: datetime, late: bool, limit: int) -> list[Row]:
    """The recalls, all or the late ones."""
    return await tx.rows(Q.late_recalls if late else Q.newest_recalls, *((now,) if late else ()), limit)
