"""Fellegi-Sunter comparison of two people: how far each field agrees, what that weighs, and reasons in words.

Pure. The weights stand in `weights.toml`, estimated without labels by expectation maximisation. I. Fellegi and
A. Sunter, "A theory for record linkage", JASA 64 (1969): the weight of an agreement is log2(m / u), with m its
probability among records of one person and u among records of two.
"""

import math
import tomllib
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final

import msgspec
from rapidfuzz.distance import OSA, JaroWinkler

from msingi.identity.blocking import Traits, sound
from msingi.identity.model import Reason

MISSING, DIFFERENT, ALIKE, CLOSE, SAME = range(5)
LEVELS: Final = ("missing", "different", "alike", "close", "same")
CONTACT: Final = ("phone", "line-1", "line-2", "house", "area")


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bits of evidence per field and level, and the bounds that keep a household from looking like one person.

    A pair is held from log2(people) + `margin_bits` on, within `least_bits` and `most_bits`: among n people,
    at most 2 ** -margin_bits strangers per enrolment reach log2(n) + margin_bits.
    """

    provenance: str
    margin_bits: float
    least_bits: float
    most_bits: float
    contact_least_bits: float
    contact_most_bits: float
    name_people: float
    name_least_bits: float
    name_most_bits: float
    bits: dict[str, dict[str, float]]

    def threshold(self, people: float) -> float:
        """The bits from which a pair is held when `people` are enrolled."""
        return min(max(math.log2(max(people, 1)) + self.margin_bits, self.least_bits), self.most_bits)

    def rarity(self, bearers: int, people: int) -> float:
        """Bits to add where a name agrees that `bearers` of `people` have; negative for a common one."""
        share = (bearers + 1) / (people + self.name_people)
        return min(max(-math.log2(share * self.name_people), self.name_least_bits), self.name_most_bits)


@cache
def weights() -> Weights:
    """The weights in force."""
    raw = tomllib.loads((files("msingi.identity") / "weights.toml").read_text("utf-8"))
    return msgspec.convert(raw, Weights)


@lru_cache(maxsize=65536)
def text_level(one: str, other: str) -> int:
    """How far two folded texts agree: CLOSE is a slip of the pen, ALIKE the same sound, an initial, or half of it."""
    if not one or not other:
        return MISSING
    if one == other:
        return SAME
    edits = OSA.distance(one, other)
    short, long = sorted((len(one), len(other)))
    likeness = JaroWinkler.similarity(one, other)
    if likeness >= 0.93 or (edits == 1 and short >= 3) or (edits == 2 and short >= 7):
        return CLOSE
    if likeness >= 0.84 or edits * 3 <= long or one.startswith(other) or other.startswith(one):
        return ALIKE
    return ALIKE if sound(one) == sound(other) else DIFFERENT


def code_level(one: str, other: str) -> int:
    """How far two codes agree: SAME, CLOSE for one wrong or two exchanged characters, otherwise DIFFERENT."""
    if not one or not other:
        return MISSING
    if one == other:
        return SAME
    return CLOSE if len(one) > 1 and OSA.distance(one, other) == 1 else DIFFERENT


def birth_levels(one: str, other: str) -> dict[str, int]:
    """Whole dates compare as "birth"; where one is known to the year or month only, years compare as "birth-year".

    CLOSE is one slip, or day and month exchanged; ALIKE two slips, or two of the three parts.
    """
    if len(one) < 4 or len(other) < 4:
        return {"birth": MISSING, "birth-year": MISSING}
    if len(one) < 8 or len(other) < 8:
        apart = abs(int(one[:4]) - int(other[:4]))
        return {"birth": MISSING, "birth-year": SAME if not apart else ALIKE if apart <= 2 else DIFFERENT}
    if one == other:
        return {"birth": SAME, "birth-year": MISSING}
    edits = OSA.distance(one, other)
    if edits == 1 or one == other[:4] + other[6:8] + other[4:6]:
        return {"birth": CLOSE, "birth-year": MISSING}
    parts = (one[:4] == other[:4]) + (one[4:6] == other[4:6]) + (one[6:8] == other[6:8])
    return {"birth": ALIKE if parts == 2 or edits == 2 else DIFFERENT, "birth-year": MISSING}


def _names(one: Traits, other: Traits) -> dict[str, int]:
    """Given and family name; crossed where they agree better that way, which "order" then tells."""
    straight = (text_level(one.given, other.given), text_level(one.family, other.family))
    crossed = (text_level(one.given, other.family), text_level(one.family, other.given))
    if sum(crossed) > sum(straight) and max(crossed) >= CLOSE:
        return {"given": crossed[0], "family": crossed[1], "order": DIFFERENT}
    return {"given": straight[0], "family": straight[1], "order": SAME if max(straight) >= CLOSE else MISSING}


def _lines(one: Traits, other: Traits) -> dict[str, int]:
    """Address lines pair off best with best, because forms exchange them."""
    pairs = sorted(
        ((text_level(a, b), i, j) for i, a in enumerate(one.lines) for j, b in enumerate(other.lines)), reverse=True
    )
    found: list[int] = []
    while pairs and len(found) < 2:
        best, i, j = pairs[0]
        found.append(best)
        pairs = [pair for pair in pairs if pair[1] != i and pair[2] != j]
    first, second = (*found, MISSING, MISSING)[:2]
    return {"line-1": first, "line-2": second}


def _area(one: Traits, other: Traits) -> int:
    """Locality and postal code tell the same thing, so the better of them counts. A region is too large to speak
    for two records, but where nothing else is known, two regions speak against them."""
    level = max(text_level(one.locality, other.locality), code_level(one.postal_code, other.postal_code))
    apart = one.region and other.region and one.region != other.region
    return DIFFERENT if level == MISSING and apart else level


def _person_levels(one: Traits, other: Traits) -> dict[str, int]:
    """How far the fields agree that tell of a person."""
    return {
        **_names(one, other),
        **birth_levels(one.birth, other.birth),
        "sex": MISSING if not one.sex or not other.sex else SAME if one.sex == other.sex else DIFFERENT,
    }


def _contact_levels(one: Traits, other: Traits) -> dict[str, int]:
    """How far the fields agree that tell of a household."""
    return {
        "phone": code_level(one.phone, other.phone),
        **_lines(one, other),
        "house": code_level(one.house, other.house),
        "area": _area(one, other),
    }


def levels(one: Traits, other: Traits) -> dict[str, int]:
    """How far every field agrees."""
    return _person_levels(one, other) | _contact_levels(one, other)


def _weight(field: str, level: int, rarity: Mapping[str, float]) -> float:
    extra = rarity.get(field, 0.0) if level >= CLOSE else 0.0
    return round(weights().bits[field][LEVELS[level]] + (extra if level == SAME else min(extra, 0.0)), 1)


def reasons(one: Traits, other: Traits, rarity: Mapping[str, float] = MappingProxyType({})) -> tuple[Reason, ...]:
    """What each field that both have says for (positive bits) or against the same person, strongest first.

    `rarity` holds the bits by which the names of `one` ("given", "family") differ from an average name.
    """
    found = [
        Reason(field, LEVELS[level], _weight(field, level, rarity))
        for field, level in levels(one, other).items()
        if level != MISSING
    ]
    return tuple(sorted(found, key=lambda reason: -abs(reason.bits)))


def bits(found: tuple[Reason, ...]) -> float:
    """The evidence in all. What tells of a household (phone, address) counts within bounds, so that neither a
    family under one roof looks like one person, nor a person who moved like two."""
    law = weights()
    contact = sum(reason.bits for reason in found if reason.field in CONTACT)
    person = sum(reason.bits for reason in found if reason.field not in CONTACT)
    return round(person + min(max(contact, law.contact_least_bits), law.contact_most_bits), 2)


def sieve(one: Traits, rarity: Mapping[str, float], bound: float) -> Callable[[Traits], bool]:
    """Says of others whether the evidence with `one` can come to `bound`, whatever phone and address say: they are not
    looked at. What is known before any name is compared rules most strangers out."""
    law = weights()
    given, family, order, sex = (
        tuple(_weight(field, level, rarity) if level else 0.0 for level in range(len(LEVELS)))
        for field in ("given", "family", "order", "sex")
    )
    most_of_names = max(given) + max(family) + max(order)
    least = bound - law.contact_most_bits - 0.005  # what `bits` rounds up to it counts as well

    def may_reach(other: Traits) -> bool:
        person = sum(_weight(f, level, rarity) for f, level in birth_levels(one.birth, other.birth).items() if level)
        if one.sex and other.sex:
            person += sex[SAME if one.sex == other.sex else DIFFERENT]
        if person + most_of_names < least:
            return False
        names = _names(one, other)
        return person + given[names["given"]] + family[names["family"]] + order[names["order"]] >= least

    return may_reach
