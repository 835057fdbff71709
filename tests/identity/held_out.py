"""Bounds chosen on three FEBRL sets and tried on the fourth: `python -m tests.identity.held_out`.

Every combination in GRID is tried on the three sets; the one with the best recall on the worst of them, at a precision
of 0.999 on each, is then tried on the set left out. The bounds in force are tried beside it, and the same with FEBRL's
national number, where two equal numbers are one person whatever else differs. The comparison is that of an enrolment,
outside the database: a whole set at once, no limit on candidates, and an adjudicator who is always right.
"""

import itertools
from collections import Counter

import msgspec
from tests.identity import febrl
from tests.identity.estimate_weights import met, traits_of

from msingi.identity import scoring

PRECISION = 0.999
GRID = tuple(itertools.product((0.0, 1.0, 2.0), (11.0, 12.0, 13.0, 14.0, 15.0), (-6.0, -4.0, -2.0), (10.0, 12.0, 14.0)))
Bounds = tuple[float, float, float, float]  # margin, least, contact least, contact most


class Scored(msgspec.Struct):
    """One FEBRL set: who is in it, who is one person, and each pair that met with its bits, contact apart."""

    nodes: list[str]
    truth: set[febrl.Pair]
    pairs: list[tuple[febrl.Pair, float, float]]
    same_number: list[febrl.Pair]

    def figures(self, bounds: Bounds, *, with_number: bool = False) -> tuple[float, float]:
        """Precision and recall of the clusters' pairs."""
        margin, least, low, high = bounds
        law = msgspec.structs.replace(scoring.weights(), margin_bits=margin, least_bits=least)
        threshold = law.threshold(len(self.nodes))
        links = [pair for pair, person, contact in self.pairs if person + min(max(contact, low), high) >= threshold]
        found = febrl.pairs(febrl.clusters(self.nodes, links + (self.same_number if with_number else [])))
        return len(found & self.truth) / max(len(found), 1), len(found & self.truth) / len(self.truth)


def scored(number: int) -> Scored:
    """FEBRL `number`, compared. Rows without a name are not among the people, and so are missed."""
    rows, truth = febrl.records(number)
    people, law = traits_of(number), scoring.weights()
    bearers = Counter(("given", person.given) for person in people.values())
    bearers.update(("family", person.family) for person in people.values())
    pairs = []
    for pair in met(people):
        one, other = people[pair[0]], people[pair[1]]
        rarity = {part: law.rarity(bearers[part, getattr(one, part)], len(people)) for part in ("given", "family")}
        found = scoring.reasons(one, other, rarity)
        contact = sum(reason.bits for reason in found if reason.field in scoring.CONTACT)
        person = sum(reason.bits for reason in found if reason.field not in scoring.CONTACT)
        if person + max(high for *_, high in GRID) >= min(least for _, least, *_ in GRID):
            pairs.append((pair, person, contact))
    by_number: dict[str, list[str]] = {}
    for row in rows:
        if row["soc_sec_id"].strip() and row["rec_id"] in people:
            by_number.setdefault(row["soc_sec_id"].strip(), []).append(row["rec_id"])
    return Scored(list(people), truth, pairs, sorted(febrl.pairs(by_number.values())))


def chosen(sets: list[Scored]) -> Bounds:
    """The bounds with the best recall on the worst set, among those precise enough on each; the stricter on a tie."""
    tried = []
    for bounds in GRID:
        figures = [one.figures(bounds) for one in sets]
        if min(precision for precision, _ in figures) >= PRECISION:
            tried.append((min(recall for _, recall in figures), bounds[:2], -bounds[3], -bounds[2], bounds))
    return max(tried)[-1]


def main() -> None:
    """One line a set that was left out."""
    law = scoring.weights()
    in_force = (law.margin_bits, law.least_bits, law.contact_least_bits, law.contact_most_bits)
    sets = {number: scored(number) for number in (1, 2, 3, 4)}
    print("precision and recall; bounds: margin, least, contact least, contact most")
    print("| left out | bounds chosen on the others | with these | in force | in force, with the number |")
    print("|---|---|---|---|---|")
    for number, left in sets.items():
        bounds = chosen([one for other, one in sets.items() if other != number])
        cells = (left.figures(bounds), left.figures(in_force), left.figures(in_force, with_number=True))
        told = " | ".join(f"{precision:.4f}, {recall:.4f}" for precision, recall in cells)
        print(f"| FEBRL {number} | {', '.join(f'{bound:g}' for bound in bounds)} | {told} |", flush=True)


if __name__ == "__main__":
    main()
