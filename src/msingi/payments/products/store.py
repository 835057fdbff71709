"""The only file of products that runs SQL."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


async def ask(tx: Tx, person: PersonId, product: str, currency: str, at: datetime, day: date, before: datetime) -> bool:
    """Be the one who opens an account with a product; False where it is open or somebody is opening it."""
    if await tx.do(Q.ask_product, person, product, currency, at, day) == 1:
        return True
    return await tx.do(Q.take_over, person, product, at, day, before) == 1


async def name_account(tx: Tx, person: PersonId, product: str, account: int) -> None:
    """The account is open."""
    await tx.do(Q.name_account, person, product, account)


async def own(tx: Tx, person: PersonId) -> list[Row]:
    """The accounts with products that somebody has."""
    return await tx.rows(Q.own_products, person)


async def due(tx: Tx, day: date, limit: int) -> list[tuple[PersonId, str]]:
    """Accounts whose days are not counted up to a day."""
    rows = await tx.rows(Q.due, day, limit)
    return [(PersonId(UUID(bytes=row["person_id"].bytes)), row["product"]) for row in rows]


async def product_account(tx: Tx, person: PersonId, product: str) -> Row | None:
    """One of them, locked until the transaction ends."""
    return await tx.row(Q.product_account, person, product)


async def add_day(tx: Tx, person: PersonId, product: str, day: date, balance: int, units: int, begins: date) -> None:
    """A day's line."""
    await tx.do(Q.add_day, person, product, day, balance, Decimal(units), begins)


async def counted(tx: Tx, person: PersonId, product: str, accrued: int, to: date) -> None:
    """How far the days are counted."""
    await tx.do(Q.counted, person, product, Decimal(accrued), to)


async def days(tx: Tx, person: PersonId, product: str, first: date, last: date) -> list[Row]:
    """The lines of some days."""
    return await tx.rows(Q.days, person, product, first, last)


async def add_month(tx: Tx, person: PersonId, product: str, month: str, interest: int, fee: int, carried: int) -> None:
    """A month is settled; where nothing is to move, it is done."""
    result = "due" if interest or fee else "paid"
    await tx.do(Q.add_month, person, product, month, interest, fee, Decimal(carried), result)


async def months(tx: Tx, person: PersonId, product: str, limit: int) -> list[Row]:
    """The settled months of an account, newest first."""
    return await tx.rows(Q.months, person, product, limit)


async def months_due(tx: Tx, limit: int) -> list[Row]:
    """Months whose money has not moved."""
    return await tx.rows(Q.months_due, limit)


async def month_result(tx: Tx, row: Row, result: str, fee: int) -> None:
    """What became of a month's money; a refusal makes the next try another one."""
    again = 0 if result in ("due", "paid") else 1
    await tx.do(Q.month_result, row["person_id"], row["product"], row["month"], result, again, fee)


async def earning_account(tx: Tx, institution: str, currency: str) -> int | None:
    """The account out of which the bank pays interest, and on which fees arrive."""
    return await tx.value(Q.earning_account, institution, currency)
