"""The only file of fees that runs SQL."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import structs

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.payments.fees.model import Due, Kind

Q = sql.load(__name__)


async def charged_accounts(tx: Tx, products: Sequence[str], since: datetime) -> list[int]:
    """The accounts with some products, opened since an instant."""
    return [row["account_id"] for row in await tx.rows(Q.charged_accounts, list(products), since)]


async def opened(tx: Tx) -> dict[int, int]:
    """The index that the next account of each shard in this database will have."""
    return {row["shard"]: row["next_index"] for row in await tx.rows(Q.opened)}


async def product_of(tx: Tx, account: int) -> str | None:
    """The product of an account."""
    return await tx.value(Q.product_of, account)


def _due(row: Row) -> Due:
    return Due(
        account=row["account_id"], transfer_id=UUID(bytes=row["transfer_id"].bytes), kind=Kind(row["kind"]),
        month=row["month"], amount=row["amount"], fee=row["fee"], tax=row["tax"], currency=row["currency"],
        product=row["product"], begins=row["begins"], band=row["band"], free=row["free"], returned=row["returned"],
        at=row["at"], state=row["state"],
    )  # fmt: skip


async def fee(tx: Tx, account: int, transfer: UUID) -> Due | None:
    """What was fixed for a payment."""
    row = await tx.row(Q.fee, account, transfer)
    return _due(row) if row else None


async def fees_of_transfer(tx: Tx, transfer: UUID) -> list[Due]:
    """What was fixed for a payment, whoever pays it."""
    return [_due(row) for row in await tx.rows(Q.fees_of_transfer, transfer)]


async def count_one(tx: Tx, account: int, month: str, kind: Kind) -> int:
    """Count a payment of a month; which one it is."""
    return await tx.value(Q.count_one, account, month, kind.value)


async def used(tx: Tx, account: int, month: str, kind: Kind) -> int:
    """How many payments of a month were counted."""
    return await tx.value(Q.used, account, month, kind.value) or 0


async def fix(tx: Tx, due: Due) -> None:
    """Fix what a payment costs."""
    values = structs.astuple(due)[:-1]
    await tx.do(Q.add_fee, *values[:2], due.kind.value, *values[3:])


async def ended(tx: Tx, due: Due, state: str) -> None:
    """What became of a fee. A payment that was refused counts no more."""
    if await tx.do(Q.fee_state, due.account, due.transfer_id, state, due.state) == 1 and state == "void":
        await tx.do(Q.count_back, due.account, due.month, due.kind.value)


async def due_before(tx: Tx, before: datetime, limit: int) -> list[Due]:
    """Fees whose payment may have broken off."""
    return [_due(row) for row in await tx.rows(Q.fees_due, before, limit)]


async def of_month(tx: Tx, account: int, month: str, limit: int) -> list[Due]:
    """What payments of a month cost."""
    return [_due(row) for row in await tx.rows(Q.fees_of_month, account, month, limit)]


async def account_of(tx: Tx, institution: str, currency: str, label: str, kind: str) -> int | None:
    """The account of an institution with a label, or of a kind."""
    return await tx.value(Q.labelled_account, institution, currency, label, kind)
