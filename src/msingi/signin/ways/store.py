"""The only file of closed ways that runs SQL."""

from collections.abc import Iterable
from datetime import datetime

from msingi.kernel import sql
from msingi.kernel.db import Tx

Q = sql.load(__name__)


async def institutions(tx: Tx) -> list[str]:
    """The institutions that have software, and so ways to people."""
    return [row["institution"] for row in await tx.rows(Q.institutions)]


async def closed(tx: Tx, places: Iterable[bytes], now: datetime) -> dict[bytes, datetime]:
    """Which of these places are closed now, and until when."""
    return {bytes(row["place"]): row["locked_until"] for row in await tx.rows(Q.closed, list(places), now)}


async def open_all(tx: Tx, places: Iterable[bytes]) -> int:
    """Open these places; how many had been counted at."""
    return await tx.do(Q.open_places, list(places))
