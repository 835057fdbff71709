"""Invented people at a country's proportions: same seed, same people, any number of them.

Households are drawn region by region by population; ages follow the pyramid of a young country. Names are
combined at random from the profile's lists, so nobody in particular is meant.
"""

import random
from bisect import bisect
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import accumulate

from msgspec import Struct

from msingi.countries import Profile

# Share of children by year of age in a household, and how many: gives about 15 % under five.
_CHILDREN = (0, 1, 1, 2, 2, 2, 3, 3, 4, 5)
_STRIDE = 48_271  # coprime with every power of ten: distinct people get distinct telephone numbers


class Invented(Struct, frozen=True):
    """An invented person. `mother` is the index of the mother in the same sample, or -1.

    `birth_date` is exact; `phone` is E.164 or empty (small children); `pin` has 6 digits.
    """

    index: int
    given: str
    family: str
    sex: str
    birth_date: date
    region: str
    address: str
    phone: str
    language: str
    pin: str
    mother: int
    birth_registered: bool


def phone_of(profile: Profile, seed: int, index: int) -> str:
    """A telephone number that no other index of the sample has: prefix, a 7, then digits."""
    space = 10 ** (profile.phone_digits - 1)
    return f"{profile.phone_prefix}7{(index * _STRIDE + seed * 7_919) % space:0{profile.phone_digits - 1}d}"


def people(profile: Profile, count: int, seed: int, today: date) -> Iterator[Invented]:
    """`count` invented people; the first are the same whatever `count` is."""
    ends = list(accumulate(r.population for r in profile.regions))
    index = household = 0
    while index < count:
        for person in _household(profile, seed, household, index, ends, today):
            if index >= count:
                return
            yield person
            index += 1
        household += 1


def _household(
    profile: Profile, seed: int, household: int, first: int, ends: list[int], today: date
) -> Iterator[Invented]:
    rng = random.Random(f"msingi:{profile.code}:{seed}:{household}")
    region = profile.regions[bisect(ends, rng.randrange(ends[-1]))].code
    address = f"{rng.choice(profile.streets)} {rng.randint(1, 240)}"
    family, fathers = rng.choice(profile.family), rng.choice(profile.family)
    language = profile.language if rng.random() < 0.9 else rng.choice(profile.languages)
    mother_age = 18 + int(rng.triangular(0, 62, 12))
    members = [("female", mother_age, -1)]
    if rng.random() < 0.7:
        members.append(("male", max(18, min(90, mother_age + rng.randint(-3, 9))), -1))
    young = mother_age < 46
    for _ in range(rng.choice(_CHILDREN) if young else rng.choice((0, 0, 1))):
        oldest = max(0, min(17, mother_age - 17))
        members.append((rng.choice(("female", "male")), rng.randint(0, oldest), first))
    for place, (sex, age, mother) in enumerate(members):
        index = first + place
        born = today - timedelta(days=age * 365 + age // 4 + rng.randrange(365))
        given = rng.choice(profile.given_female if sex == "female" else profile.given_male)
        yield Invented(
            index=index,
            given=given,
            family=family if mother < 0 and sex == "female" else fathers,
            sex=sex,
            birth_date=born,
            region=region,
            address=address,
            phone=phone_of(profile, seed, index) if age >= 14 else "",
            language=language,
            pin=f"{rng.randrange(10**6):06d}",
            mother=mother,
            birth_registered=age >= 5 or rng.random() < 0.72,
        )
