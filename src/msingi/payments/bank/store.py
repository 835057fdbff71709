"""The only file of the bank that runs SQL: the register of shops, and entries for statements."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.bank.model import Merchant
from msingi.payments.model import Entry
from msingi.payments.rules import masked_number, number_of, shard_of

Q = sql.load(__name__)


class Shop(Struct, frozen=True):
    """A shop with the account that its customers pay into, and who registered it."""

    merchant: Merchant
    account: int
    registrar: str


async def merchant_place(tx: Tx) -> int:
    """Draw the next place in the register of shops."""
    return await tx.value(Q.merchant_place)


async def add_merchant(tx: Tx, shop: Shop) -> None:
    """Register a shop."""
    m = shop.merchant
    who = (shop.registrar, m.registered_at)
    await tx.do(Q.add_merchant, m.code, shop.account, m.name, m.latin, m.city, m.category, *who)


async def merchant(tx: Tx, code: str) -> Shop | None:
    """A shop by its number."""
    row = await tx.row(Q.merchant, code)
    return _shop(row) if row else None


async def merchants(tx: Tx, codes: Sequence[str]) -> list[Shop]:
    """Those shops of some numbers that the register knows."""
    return [_shop(row) for row in await tx.rows(Q.merchants, codes)]


async def merchants_of_accounts(tx: Tx, accounts: Sequence[int]) -> list[Shop]:
    """The shops that are paid into some accounts, oldest first."""
    return [_shop(row) for row in await tx.rows(Q.merchants_of_accounts, accounts)]


async def merchants_of_registrar(tx: Tx, registrar: str, before: tuple[datetime, str], limit: int) -> list[Shop]:
    """A page of the shops that an institution registered, newest first."""
    return [_shop(row) for row in await tx.rows(Q.merchants_of_registrar, registrar, *before, limit)]


async def move_float(tx: Tx, code: str, old: int, new: int) -> None:
    """An agency's cash moves through another account from now on."""
    await tx.do(Q.move_float, code, old, new)


async def close_merchant(tx: Tx, code: str, registrar: str, at: datetime) -> bool:
    """Close a shop; whether there was an open one."""
    return await tx.do(Q.close_merchant, code, registrar, at) == 1


def _shop(row: Row) -> Shop:
    return Shop(
        Merchant(
            code=row["code"],
            name=row["name"],
            latin=row["latin"],
            city=row["city"],
            category=row["category"],
            is_open=row["closed_at"] is None,
            registered_at=row["registered_at"],
        ),
        row["account_id"],
        row["registrar"],
    )


async def entries_between(tx: Tx, account: int, start: datetime, stop: datetime, limit: int) -> list[Entry]:
    """The posted entries of an account from `start` until before `stop`, in the order in which they were booked."""
    rows = await tx.rows(Q.entries_between, shard_of(account), account, start, stop, limit)
    return [
        Entry(
            r["seq"],
            str(r["id"]),
            r["at"],
            r["amount"],
            r["balance"],
            r["name"] or masked_number(number_of(r["other"])),
            r["reference"] or "",
            r["code"],
        )
        for r in rows
    ]
