"""The only file of the evidence room that runs SQL."""

from msingi.evidence.model import Edition, EditionId, Figure, Population
from msingi.kernel import sql
from msingi.kernel.db import Tx

Q = sql.load(__name__)


async def put_populations(tx: Tx, populations: list[Population], source: str) -> None:
    """Set denominators."""
    await tx.do(
        Q.put_population,
        [p.group for p in populations],
        [p.region for p in populations],
        [p.sex for p in populations],
        [p.people for p in populations],
        source,
    )


async def populations(tx: Tx, group: str) -> tuple[list[Population], str]:
    """The denominators of an age group, and where they come from."""
    rows = await tx.rows(Q.population_of, group)
    found = [Population(r["age_group"], r["region"], r["sex"], r["people"]) for r in rows]
    return found, rows[0]["source"] if rows else ""


async def spent(tx: Tx, indicator: str, year: int) -> int:
    """The thousandths of the privacy budget that the year has used, held still until the transaction ends."""
    await tx.do(Q.lock_year)
    return await tx.value(Q.spent, indicator, year)


async def add(tx: Tx, edition: Edition) -> None:
    """Record a publication with all its figures."""
    await tx.do(
        Q.add_edition,
        edition.edition_id,
        edition.indicator,
        edition.at,
        edition.at.year,
        edition.epsilon_milli,
        edition.spent_milli,
        edition.source,
    )
    figures = edition.figures
    await tx.do(
        Q.add_figures,
        edition.edition_id,
        [f.region for f in figures],
        [f.sex for f in figures],
        [f.numerator for f in figures],
        [f.denominator for f in figures],
        [f.percent for f in figures],
        [f.margin for f in figures],
    )


async def newest(tx: Tx, indicator: str) -> Edition | None:
    """The newest publication of an indicator with its figures, or None."""
    row = await tx.row(Q.newest_edition, indicator)
    if row is None:
        return None
    figures = [Figure(indicator, *f.values()) for f in await tx.rows(Q.figures_of, row["edition_id"])]
    return Edition(
        EditionId(row["edition_id"]),
        indicator,
        row["at"],
        row["epsilon_milli"],
        row["spent_milli"],
        row["source"],
        figures,
    )
