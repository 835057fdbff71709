"""All SQL of cash at agents: what was asked for, and how it ended."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


class Asked(Struct, frozen=True, kw_only=True):
    """Cash that a person asked for at an agent's; `code` is the keyed hash of what the agent types."""

    agent: str
    code: bytes
    person: PersonId
    payer: str
    holder: int
    hold: UUID
    fee_hold: UUID | None
    amount: int
    fee: int
    currency: str
    asked_at: datetime
    expires_at: datetime
    state: str = "waiting"


async def account_of_kind(tx: Tx, institution: str, kind: str, currency: str) -> int | None:
    """The first account of a kind that an institution holds in a currency."""
    return await tx.value(Q.account_of_kind, institution, kind, currency)


async def ask(tx: Tx, asked: Asked) -> bool:
    """Keep what was asked for; whether its code was free."""
    a = asked
    money = (a.hold, a.fee_hold, a.amount, a.fee, a.currency)
    kept = await tx.do(Q.ask_cash, a.agent, a.code, a.person, a.payer, a.holder, *money, a.asked_at, a.expires_at)
    return kept == 1


async def asked(tx: Tx, agent: str, code: bytes) -> Asked | None:
    """What a code stands for at an agent's."""
    row = await tx.row(Q.cash_asked, agent, code)
    return _asked(row) if row else None


async def waiting(tx: Tx, person: PersonId, at: datetime) -> list[Asked]:
    """What a person asked for and has not fetched yet, the newest first."""
    return [_asked(row) for row in await tx.rows(Q.cash_of_person, person, at)]


async def end(tx: Tx, asked: Asked, state: str) -> None:
    """Say how it ended; nothing changes if it had ended before."""
    await tx.do(Q.end_cash, asked.agent, asked.code, state)


def _asked(row: Row) -> Asked:
    return Asked(
        agent=row["agent"],
        code=bytes(row["code"]),
        person=PersonId(UUID(bytes=row["person_id"].bytes)),
        payer=row["payer"],
        holder=row["holder"],
        hold=UUID(bytes=row["hold"].bytes),
        fee_hold=UUID(bytes=row["fee_hold"].bytes) if row["fee_hold"] else None,
        amount=row["amount"],
        fee=row["fee"],
        currency=row["currency"],
        asked_at=row["asked_at"],
        expires_at=row["expires_at"],
        state=row["state"],
    )
