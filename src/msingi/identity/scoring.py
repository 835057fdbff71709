"""Fellegi-Sunter comparison of two people: levels of agreement per field, their weights, and reasons in words.

Pure. The weights stand in `weights.toml`, estimated without labels by expectation maximisation
(I. Fellegi, A. Sunter, "A theory for record linkage", JASA 64 (1969); W. Winkler's EM for m and u).
"""

import msgspec
from rapidfuzz.distance import OSA, JaroWinkler

from msingi.identity.blocking import Traits, sound

MISSING, DIFFERENT, ALIKE, CLOSE, SAME = range(5)
LEVELS = ("missing", "different", "alike", "close", "same")


class Weights(msgspec.Struct, frozen=True):
    """Bits of evidence per field and level, the number of bits from which a pair is held, and where they come from."""

    threshold_bits: float
    address_cap_bits: float
    provenance: str
    bits: dict[str, dict[str, float]]


class Comparison(msgspec.Struct, frozen=True):
    """How far two people agree: bits of evidence for "the same person", and one (field, level) per compared field."""

    bits: float
    levels: dict[str, str]


def text_level(one: str, other: str) -> int:
    """How far two folded texts agree; one typing error is CLOSE, the same sound or an abbreviation is ALIKE."""
    if not one or not other:
        return MISSING
    if one == other:
        return SAME
    likeness = JaroWinkler.similarity(one, other)
    edits = OSA.distance(one, other)
    if likeness >= 0.93 or (edits == 1 and min(len(one), len(other)) >= 3) or (edits == 2 and len(one) >= 7):
        return CLOSE
    if likeness >= 0.84 or edits * 3 <= max(len(one), len(other)):
        return ALIKE
    shorter, longer = sorted((one, other), key=len)
    if longer.startswith(shorter) or sound(one) == sound(other):
        return ALIKE
    return DIFFERENT


def digits_level(one: str, other: str) -> int:
    """How far two codes agree: SAME, CLOSE for one wrong or two exchanged characters, otherwise DIFFERENT."""
    if not one or not other:
        return MISSING
    if one == other:
        return SAME
    return CLOSE if len(one) > 1 and OSA.distance(one, other) == 1 else DIFFERENT


def _births(one: str, other: str) -> dict[str, int]:
    """Whole dates compare as "birth"; where one is known to the year or month only, years compare as "birth-year"."""
    if len(one) < 4 or len(other) < 4:
        return {"birth": MISSING, "birth-year": MISSING}
    if len(one) < 8 or len(other) < 8:
        apart = abs(int(one[:4]) - int(other[:4]))
        return {"birth": MISSING, "birth-year": SAME if not apart else ALIKE if apart <= 2 else DIFFERENT}
    if one == other:
        level = SAME
    elif OSA.distance(one, other) == 1 or one == other[:4] + other[6:8] + other[4:6]:
        level = CLOSE
    else:
        parts = (one[:4] == other[:4]) + (one[4:6] == other[4:6]) + (one[6:8] == other[6:8])
        level = ALIKE if parts == 2 or OSA.distance(one, other) == 2 else DIFFERENT
    return {"birth": level, "birth-year": MISSING}


def _names(one: Traits, other: Traits) -> dict[str, int]:
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


def levels(one: Traits, other: Traits) -> dict[str, int]:
    """The level of agreement of every field; locality and postal code tell the same thing, so the better one counts."""
    area = max(text_level(one.locality, other.locality), digits_level(one.postal_code, other.postal_code))
    return {
        **_names(one, other),
        **_births(one.birth, other.birth),
        "sex": MISSING if not one.sex or not other.sex else SAME if one.sex == other.sex else DIFFERENT,
        "phone": digits_level(one.phone, other.phone),
        **_lines(one, other),
        "house": digits_level(one.house, other.house),
        "area": area,
    }
