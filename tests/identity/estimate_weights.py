"""Estimate the weights of the duplicate search without labels, and print them as `weights.toml` wants them.

    python -m tests.identity.estimate_weights

m comes from expectation maximisation over the pairs that the search keys bring together, u from random pairs, both
on FEBRL 1, 2 and 4. FEBRL 3 takes no part, and no pair's truth is read. The bounds in `weights.toml` are not estimated
here; they were chosen with all four sets in view.
"""

import math
import random
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import date

from tests.identity import febrl

from msingi import countries
from msingi.identity import blocking, rules, scoring, wire
from msingi.identity.blocking import Traits
from msingi.kernel.errors import Malformed

FIELDS = ("given", "family", "order", "birth", "line-1", "line-2", "house", "area")
RANDOM_PAIRS = 60_000
ROUNDS = 60
Levels = tuple[int, ...]
Table = dict[str, dict[int, float]]


def traits_of(number: int) -> dict[str, Traits]:
    """The comparable people of a FEBRL set, read through the same mapping and rules as an enrolment."""
    rows, _ = febrl.records(number)
    mapping = wire.mapping(febrl.MAPPING.read_text("utf-8"))
    profile, found = countries.load("taifa"), {}
    for row in wire.rows(rows, list(febrl.COLUMNS), mapping):
        with suppress(Malformed):
            assert row.order is not None
            found[row.key] = blocking.traits(rules.demographics(row.order, profile, date(2026, 1, 1)))
    return found


def met(people: dict[str, Traits]) -> set[febrl.Pair]:
    """The pairs that share a search key."""
    index: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = set()
    for name, person in people.items():
        for key in blocking.key_texts(person):
            found |= {(min(name, other), max(name, other)) for other in index[key]}
            index[key].append(name)
    return found


def _levels(people: dict[str, Traits], pair: febrl.Pair) -> Levels:
    found = scoring.levels(people[pair[0]], people[pair[1]])
    return tuple(found[field] for field in FIELDS)


def _shares(counted: dict[str, Counter[int]]) -> Table:
    """Counts as probabilities, with half a count for what was never seen."""
    return {
        field: {level: (seen[level] + 0.5) / (seen.total() + 2) for level in (1, 2, 3, 4)}
        for field, seen in counted.items()
    }


def _log(table: Table, levels: Levels) -> float:
    return sum(math.log(table[f][level]) for f, level in zip(FIELDS, levels, strict=True) if level)


def maximise(counts: Counter[Levels], u: Table) -> Table:
    """m by EM: a mixture of matches (m) and other pairs that met (their own table, begun at u)."""
    m: Table = {f: {4: 0.8, 3: 0.1, 2: 0.05, 1: 0.05} for f in FIELDS}
    others, share = u, 0.5
    for _ in range(ROUNDS):
        as_match: dict[str, Counter[int]] = {f: Counter() for f in FIELDS}
        as_other: dict[str, Counter[int]] = {f: Counter() for f in FIELDS}
        matches = 0.0
        for levels, count in counts.items():
            against = _log(others, levels) + math.log(1 - share) - _log(m, levels) - math.log(share)
            belief = 1 / (1 + math.exp(min(700, against)))
            matches += belief * count
            for field, level in zip(FIELDS, levels, strict=True):
                if level:
                    as_match[field][level] += belief * count  # type: ignore[assignment]
                    as_other[field][level] += (1 - belief) * count  # type: ignore[assignment]
        share = matches / counts.total()
        m, others = _shares(as_match), _shares(as_other)
    return m


def main() -> None:
    chance = random.Random(1)
    counts: Counter[Levels] = Counter()
    strangers: dict[str, Counter[int]] = {f: Counter() for f in FIELDS}
    for number in (1, 2, 4):
        people = traits_of(number)
        counts.update(_levels(people, pair) for pair in met(people))
        names = list(people)
        for _ in range(RANDOM_PAIRS):
            one, other = chance.sample(names, 2)
            for field, level in zip(FIELDS, _levels(people, (one, other)), strict=True):
                if level:
                    strangers[field][level] += 1
    u = _shares(strangers)
    m = maximise(counts, u)
    for field in FIELDS:
        bits = ", ".join(f"{scoring.LEVELS[k]} = {math.log2(m[field][k] / u[field][k]):.1f}" for k in (4, 3, 2, 1))
        print(f"{field} = {{ {bits} }}")


if __name__ == "__main__":
    main()
