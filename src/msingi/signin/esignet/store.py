"""The only file that runs SQL on sign-ins through eSignet's doors."""

from datetime import datetime

from msingi.kernel import sql
from msingi.kernel.db import Tx

Q = sql.load(__name__)


async def put_login(tx: Tx, login_hash: bytes, sealed: bytes, until: datetime) -> None:
    """Keep a sign-in that begins."""
    await tx.do(Q.put_login, login_hash, sealed, until)


async def login(tx: Tx, login_hash: bytes, now: datetime) -> bytes | None:
    """A sign-in that has not run out."""
    row = await tx.row(Q.login, login_hash, now)
    return None if row is None else row["sealed"]


async def held_login(tx: Tx, login_hash: bytes, now: datetime) -> bytes | None:
    """A sign-in that has not run out, held until this transaction ends."""
    row = await tx.row(Q.held_login, login_hash, now)
    return None if row is None else row["sealed"]


async def change_login(tx: Tx, login_hash: bytes, sealed: bytes) -> None:
    """Keep where the sign-in stands now."""
    await tx.do(Q.change_login, login_hash, sealed)


async def sweep(tx: Tx, before: datetime) -> int:
    """Forget sign-ins that ran out before this instant; the number of them."""
    return await tx.do(Q.sweep_logins, before)
