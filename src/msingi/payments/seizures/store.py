"""The only file of seizures that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.groups.store import parts as plain
from msingi.payments.seizures.model import Kept, Part

Q = sql.load(__name__)


async def add(tx: Tx, kept: Kept) -> None:
    """Enter an order."""
    k = kept
    paper = k.number, k.authority, k.issued_on, k.last_day, k.amount, k.protected, k.currency
    await tx.do(Q.add_seizure, k.seizure_id, k.account, k.pay_to, k.pay_to_name, *paper, k.made_by, k.made_at)


async def seizure(tx: Tx, seizure_id: UUID, *, hold: bool = False) -> Kept | None:
    """One seizure; with `hold` nobody else changes it until the transaction ends."""
    if hold:
        await tx.row(Q.hold_seizure, seizure_id)
    row = await tx.row(Q.seizure, seizure_id)
    return Kept(**plain(row)) if row else None


async def parts(tx: Tx, seizure_id: UUID) -> list[Part]:
    """What a seizure holds, held, or asked for."""
    return [Part(**plain(row)) for row in await tx.rows(Q.parts, seizure_id)]


async def add_part(tx: Tx, seizure_id: UUID, part: Part) -> None:
    """Hold something more."""
    await tx.do(Q.add_part, seizure_id, part.place, part.hold, part.amount)


async def set_part(tx: Tx, seizure_id: UUID, place: int, state: str) -> None:
    """How a part stands."""
    await tx.do(Q.set_part, seizure_id, place, state)


async def end(tx: Tx, seizure_id: UUID, state: str, officer: str, why: str) -> bool:
    """How a seizure ended; False if it had ended."""
    return await tx.do(Q.end_seizure, seizure_id, state, officer, why) == 1


async def active(tx: Tx, after: UUID, limit: int) -> list[UUID]:
    """Seizures in force, after one."""
    return [UUID(bytes=row["seizure_id"].bytes) for row in await tx.rows(Q.active, after, limit)]


async def of_accounts(tx: Tx, accounts: Sequence[int]) -> list[UUID]:
    """The seizures of some accounts, newest first."""
    return [UUID(bytes=row["seizure_id"].bytes) for row in await tx.rows(Q.of_accounts, list(accounts))]


async def page(tx: Tx, place: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
    """A page of all seizures, newest first: seizure_id, made_at."""
    at, last = place or (None, None)
    return await tx.rows(Q.page_of_seizures, at, last, limit)
