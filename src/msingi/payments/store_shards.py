"""SQL of what spans shards: holds and the promises that stand for them elsewhere."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msingi.kernel import clock, sql
from msingi.kernel.db import Row, Tx
from msingi.payments.model import Hold

Q = sql.load(__name__)


def _uuid(found: UUID) -> UUID:
    return UUID(bytes=found.bytes)


async def hold_of(tx: Tx, shard: int, hold: UUID) -> Hold | None:
    """A hold, if it is open."""
    row = await tx.row(Q.hold_of, shard, hold)
    return Hold(_uuid(row["id"]), *tuple(row)[1:]) if row is not None else None


async def promises(tx: Tx, shard: int, after: UUID, before: datetime) -> list[Row]:
    """Open promises of a shard, a page in the order of their ids: id, debit, credit, amount, currency, owner."""
    return await tx.rows(Q.promises, shard, after, before)


async def still_held(tx: Tx, shard: int, holds: Sequence[UUID]) -> set[UUID]:
    """Those of some holds that are open."""
    return {_uuid(row["id"]) for row in await tx.rows(Q.still_held, shard, holds)}


async def sub_accounts(tx: Tx, main: int) -> dict[int, int]:
    """The sub-accounts of an account by their shards."""
    return {row["shard"]: row["sub_id"] for row in await tx.rows(Q.sub_accounts, main)}


async def take_sub_accounts(tx: Tx, main: int) -> dict[int, int]:
    """The sub-accounts of an account by their shards; nobody else uses them before the transaction ends."""
    return {row["shard"]: row["sub_id"] for row in await tx.rows(Q.take_sub_accounts, main)}


async def add_sub_account(tx: Tx, main: int, shard: int, sub: int, at: datetime) -> int:
    """Keep a sub-account; the one that was there first if somebody else had opened one."""
    return await tx.value(Q.add_sub_account, main, shard, sub, at)


async def use_sub_account(tx: Tx, main: int, shard: int, at: datetime) -> None:
    """Note that a sub-account is being used."""
    await tx.do(Q.use_sub_account, main, shard, at)


async def pays_now(tx: Tx, main: int) -> bool:
    """Whether a file is being paid out of an account."""
    return await tx.value(Q.pays_now, main)


async def mains(tx: Tx) -> list[int]:
    """The accounts that have sub-accounts."""
    return [row["account_id"] for row in await tx.rows(Q.mains)]


async def name_institution_account(tx: Tx, institution: str, account: int, like: Row) -> None:
    """Say whose an account of another database is, like the one that it is a part of."""
    await tx.do(
        Q.add_institution_account, institution, account, like["kind"], like["currency"], like["label"], clock.now()
    )


async def listed(tx: Tx, ids: Sequence[UUID]) -> list[UUID]:
    """Those of some transfer ids that have been decided."""
    return [_uuid(row["id"]) for row in await tx.rows(Q.listed_ids, ids)]
