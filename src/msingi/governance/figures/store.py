"""Rows of the figures: exact counts for the publishing job alone, and what is published."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from msingi.kernel import sql
from msingi.kernel.db import Row, Tx

if TYPE_CHECKING:
    from msingi.governance.figures.acts import Figures

Q = sql.load(__name__)


async def counts(tx: Tx, begin: datetime, end: datetime) -> list[Row]:
    """Exact counts of the cases of a period; they leave the job only with noise."""
    return await tx.rows(Q.counts, begin, end)


async def put(tx: Tx, made: "Figures") -> bool:
    """Publish a quarter; False if it is published already."""
    return await tx.do(Q.put_edition, made.period, made.at, msgspec.to_builtins(made)) == 1


async def editions(tx: Tx) -> "list[Figures]":
    """Published quarters, newest first."""
    from msingi.governance.figures.acts import Figures

    return [msgspec.convert(row["body"], Figures) for row in await tx.rows(Q.editions)]
