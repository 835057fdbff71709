"""The only file of this sub-room that runs SQL. It decides nothing."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from msingi.identity.sweep.model import Sweep, SweepId
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)


def _sweep(row: Row) -> Sweep:
    return msgspec.convert(dict(row), Sweep)


async def unfinished(tx: Tx) -> Sweep | None:
    """The newest comparison that is not over, locked."""
    row = await tx.row(Q.unfinished)
    return None if row is None else _sweep(row)


async def begin(tx: Tx, sweep_id: SweepId, at: datetime, shares: int) -> None:
    """A comparison in so many parts begins."""
    await tx.do(Q.begin, sweep_id, at, shares)


async def advance(tx: Tx, sweep_id: SweepId, at: datetime, done: int, *counts: int) -> bool:
    """The part `done` is done; `counts` are records compared, pairs found, questions asked. False if it was already."""
    return await tx.do(Q.advance, sweep_id, at, done, *counts) > 0


async def sweeps(tx: Tx, limit: int) -> list[Sweep]:
    """Comparisons, the newest first."""
    return [_sweep(row) for row in await tx.rows(Q.sweeps, limit)]


async def meeting_keys(tx: Tx, shares: int, share: int, most: int) -> list[tuple[int, list[PersonId]]]:
    """The keys of one part under which two to `most` records meet, and which records."""
    return [(row["key"], row["people"]) for row in await tx.rows(Q.meeting_keys, shares, share, most)]


async def standing(tx: Tx, people: Sequence[PersonId]) -> list[Row]:
    """Rows (person_id, enrolled_at, sealed) of those who stand for themselves."""
    return await tx.rows(Q.standing, list(people))
