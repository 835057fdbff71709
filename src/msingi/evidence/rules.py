"""The laws of publication as pure functions: counts and noise in, consistent figures out."""

from collections.abc import Callable, Iterable
from fractions import Fraction

from msingi.evidence.errors import BudgetSpent
from msingi.evidence.model import NATION, Cell, Figure, Population, Sex
from msingi.evidence.noise import margin_95

THRESHOLD = 20  # people in a denominator below which a share says too much and means too little
SEXES = (Sex.FEMALE, Sex.MALE)
Noise = Callable[[Fraction], int]


def spend(spent_milli: int, epsilon_milli: int, yearly_milli: int) -> int:
    """What the year has spent after one more edition (law 3). Raises BudgetSpent if that is over the budget."""
    total = spent_milli + epsilon_milli
    if total > yearly_milli:
        raise BudgetSpent(spent_milli=spent_milli, asked_milli=epsilon_milli, yearly_milli=yearly_milli)
    return total


def noisy(cells: Iterable[Cell], regions: list[str], epsilon_milli: int, noise: Noise) -> dict[tuple[str, str], int]:
    """Noisy counts for every region and sex, also for those with nobody in them, so that absence tells nothing.

    One person is in at most one cell, so the sensitivity is 1 and the scale 1/epsilon (laws 1 and 2). People whose
    sex is not registered as F or M are spread over neither: they count in the nation's total of their own cell.
    """
    exact: dict[tuple[str, str], int] = {}
    for cell in cells:
        exact[cell.region, cell.sex] = exact.get((cell.region, cell.sex), 0) + cell.count
    scale = Fraction(1000, epsilon_milli)
    return {(r, s): max(0, exact.get((r, s), 0) + noise(scale)) for r in regions for s in ("F", "M", "U")}


def figures(
    indicator: str, counts: dict[tuple[str, str], int], populations: Iterable[Population], epsilon_milli: int
) -> list[Figure]:
    """Figures for the nation, each sex and each region, made consistent (laws 4 and 6)."""
    people: dict[tuple[str, str], int] = {}
    for population in populations:
        people[population.region, population.sex] = population.people
    regions = sorted({r for r, _ in people})
    capped = dict(counts)
    for region in regions:
        for sex in SEXES:
            capped[region, sex] = min(counts.get((region, sex), 0), people.get((region, sex), 0))
        room_left = sum(people.get((region, s), 0) - capped[region, s] for s in SEXES)
        capped[region, "U"] = min(counts.get((region, "U"), 0), room_left)
    scale = Fraction(1000, epsilon_milli)

    def figure(region: str, sex: str, parts: list[tuple[str, str]], whole: list[tuple[str, str]]) -> Figure:
        top, bottom = sum(capped.get(p, 0) for p in parts), sum(people.get(w, 0) for w in whole)
        if bottom < THRESHOLD:
            return Figure(indicator, region, sex, top, bottom, None, None)
        margin = margin_95(scale, len(parts)) / bottom * 100
        return Figure(indicator, region, sex, top, bottom, round(top / bottom * 100, 1), round(margin, 1))

    every, both = ("F", "M", "U"), [s.value for s in SEXES]
    made = [figure(NATION, "_T", [(r, s) for r in regions for s in every], [(r, s) for r in regions for s in both])]
    made += [figure(NATION, s.value, [(r, s.value) for r in regions], [(r, s.value) for r in regions]) for s in SEXES]
    made += [figure(r, "_T", [(r, s) for s in every], [(r, s) for s in both]) for r in regions]
    return made
