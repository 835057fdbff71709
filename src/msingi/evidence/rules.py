"""The laws of publication as pure functions: counts and noise in, consistent figures out."""

from collections.abc import Callable, Iterable
from fractions import Fraction

from msgspec import Struct

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


class Counts(Struct, frozen=True):
    """Noisy counts of two levels: by sex (F, M, and U where it is not registered) and by region."""

    by_sex: dict[str, int]
    by_region: dict[str, int]


def level_scale(epsilon_milli: int) -> Fraction:
    """The scale of the noise on each count: half of the budget goes to each of the two levels."""
    return Fraction(2 * 1000, epsilon_milli)


def noisy(cells: Iterable[Cell], regions: list[str], epsilon_milli: int, noise: Noise) -> Counts:
    """Noisy counts by sex and by region, also of those with nobody in them, so that absence tells nothing.

    One person is in one cell of each level, so each level has sensitivity 1 and the levels' budgets add up
    (laws 1 and 2). Two levels give a nation's figure a margin that does not grow with the number of regions.
    """
    sexes: dict[str, int] = dict.fromkeys(("F", "M", "U"), 0)
    places: dict[str, int] = dict.fromkeys(regions, 0)
    for cell in cells:
        sexes[cell.sex] += cell.count
        if cell.region in places:
            places[cell.region] += cell.count
    scale = level_scale(epsilon_milli)
    return Counts(
        {sex: count + noise(scale) for sex, count in sexes.items()},
        {region: count + noise(scale) for region, count in places.items()},
    )


def fitted(parts: dict[str, int], limits: dict[str, int], total: int) -> dict[str, int]:
    """The parts moved as little and as evenly as it takes to lie within [0, limit] and to add up to `total` (law 4).

    `total` must lie between 0 and the sum of the limits.
    """
    found = {name: min(max(0, value), limits[name]) for name, value in parts.items()}
    while missing := total - sum(found.values()):
        step = 1 if missing > 0 else -1
        free = [n for n in found if (found[n] < limits[n] if step > 0 else found[n] > 0)]
        share = max(1, abs(missing) // len(free))
        for name in sorted(free, key=lambda n: (-limits[n], n))[: abs(missing)]:
            found[name] = min(max(0, found[name] + step * share), limits[name])
    return found


def figures(indicator: str, counts: Counts, populations: Iterable[Population], epsilon_milli: int) -> list[Figure]:
    """Figures for the nation, each sex and each region, made consistent (laws 4 and 6)."""
    people: dict[tuple[str, str], int] = {}
    for population in populations:
        people[population.region, population.sex] = population.people
    regions = sorted({r for r, _ in people})
    whole_sex = {s.value: sum(people.get((r, s), 0) for r in regions) for s in SEXES}
    whole_region = {r: sum(people.get((r, s), 0) for s in SEXES) for r in regions}
    whole = sum(whole_sex.values())
    sexes = {s: min(max(0, counts.by_sex.get(s, 0)), whole_sex[s]) for s in whole_sex}
    nation = min(sum(sexes.values()) + max(0, counts.by_sex.get("U", 0)), whole)
    parts = fitted({r: counts.by_region.get(r, 0) for r in regions}, whole_region, nation)
    scale = level_scale(epsilon_milli)

    def figure(region: str, sex: str, top: int, bottom: int, cells: int) -> Figure:
        if bottom < THRESHOLD:
            return Figure(indicator, region, sex, top, bottom, None, None)
        margin = margin_95(scale, cells) / bottom * 100
        return Figure(indicator, region, sex, top, bottom, round(top / bottom * 100, 1), round(margin, 1))

    made = [figure(NATION, "_T", nation, whole, 3)]
    made += [figure(NATION, s, sexes[s], whole_sex[s], 1) for s in whole_sex]
    made += [figure(r, "_T", parts[r], whole_region[r], 1) for r in regions]
    return made
