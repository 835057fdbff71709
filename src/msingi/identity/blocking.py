"""From a person's demographics to the blinded keys under which likely duplicates meet each other.

Pure: no clock, no database. The plain texts built here leave this file only through `blind`, so that the
index in the database holds numbers from which no name can be read without the country's blinding key.
"""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import jellyfish
import msgspec

from msingi.identity.model import Demographics

# Letters that decomposition leaves alone although writers drop or exchange them freely.
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "æ": "ae", "œ": "oe", "ß": "ss", "ə": "e", "ŋ": "ng"}
    | {"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ئ": "ي", "ؤ": "و", "ة": "ه", "ـ": ""}
)
TOTALS: Final = 16
_NOT_DIGIT = re.compile(r"\D")
_NOT_WORD = re.compile(r"[^\w]+|_+")


class Traits(msgspec.Struct, frozen=True):
    """What the comparison looks at: folded text without spaces inside a field; "" means not known."""

    given: str = ""
    family: str = ""
    birth: str = ""  # up to eight digits, YYYYMMDD, as reported
    sex: str = ""
    phone: str = ""
    house: str = ""
    lines: tuple[str, ...] = ()
    locality: str = ""
    postal_code: str = ""
    region: str = ""


@lru_cache(maxsize=65536)
def fold(text: str) -> str:
    """`text` in lower case without accents, marks and punctuation; words stay apart by one space."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(_NOT_WORD.sub(" ", bare.replace("'", "").replace("’", "")).split())


def compact(text: str) -> str:
    """`fold` without any space: "van der Berg" and "Vanderberg" become one text."""
    return fold(text).replace(" ", "")


@lru_cache(maxsize=65536)
def sound(folded: str) -> str:
    """How a folded name sounds: Metaphone for Latin letters, the consonant skeleton for every other script."""
    if not folded:
        return ""
    if folded.isascii():
        return jellyfish.metaphone(folded)[:6] or folded[:4]
    return re.sub(r"[اويأ]", "", folded)[:6] or folded[:4]


def own_traits(person: Demographics) -> Traits:
    """What tells of the person alone, without phone and address: enough to see that two people are not one."""
    return Traits(
        given=compact(person.name.given),
        family=compact(person.name.family),
        birth=_NOT_DIGIT.sub("", person.birth.date or person.birth.reported)[:8],
        sex="" if person.sex == "unknown" else str(person.sex),
    )


def traits(person: Demographics) -> Traits:
    """The comparable form of `person`."""
    address = person.address
    house, lines = "", []
    for line in address.lines:
        words = fold(line).split(" ")
        for end in (0, -1):
            # The number stands before the street in some countries, behind it in others.
            if not house and words and words[end][:1].isdigit():
                house = words.pop(end)
        lines.append("".join(words))
    return msgspec.structs.replace(
        own_traits(person),
        phone=_NOT_DIGIT.sub("", person.phone),
        house=house,
        lines=tuple(line for line in lines if line),
        locality=compact(address.locality),
        postal_code=compact(address.postal_code),
        region=person.region,
    )


def _dated_texts(person: Traits) -> Iterator[tuple[str, ...]]:
    """Keys around the birth date: whole (day and month in either order), without year, without day."""
    year, month, day = person.birth[:4], person.birth[4:6], person.birth[6:8]
    names = {sound(person.given), sound(person.family)} - {""}
    if day:
        whole = (year, *sorted((month, day)))
        for name in names:
            yield ("date", name, *whole)
            yield ("no-year", name, person.family[:1] + person.given[:1], month, day)
            yield ("no-day", name, year, month)
        for place in (person.postal_code, person.locality[:5], *(line[:6] for line in person.lines)):
            if place:
                yield ("date-place", place, *whole)
    if year and len(names) == 2:
        yield ("year", *sorted(names), year)


def _placed_texts(person: Traits) -> Iterator[tuple[str, ...]]:
    """Keys around names and address, for people whose birth date is unknown or wrong."""
    names = sorted({sound(person.given), sound(person.family)} - {""})
    places = {person.postal_code, sound(person.locality)} - {""}
    for place in places:
        if len(names) == 2:
            yield ("names-place", *names, place)
    for line in person.lines:
        for name in names:
            yield ("name-line", name, line[:6])
        if person.house:
            yield ("house", person.house, line[:8])


def key_texts(person: Traits) -> set[tuple[str, ...]]:
    """Every key of `person`, in plain; two people are compared if they share at least one."""
    texts = {*_dated_texts(person), *_placed_texts(person)}
    if person.phone:
        texts.add(("phone", person.phone))
    return texts


def blind(secret: bytes, *parts: str) -> int:
    """A keyed 63-bit number for `parts`: equal parts, equal number; without `secret` nothing can be read back."""
    text = "\x1f".join(parts).encode()
    return int.from_bytes(hmac.digest(secret, text, hashlib.sha256)[:8]) >> 1


def search_keys(secret: bytes, person: Traits) -> list[int]:
    """The blinded keys of `person`, ascending."""
    return sorted({blind(secret, *text) for text in key_texts(person)})


def name_keys(secret: bytes, person: Traits) -> dict[str, int]:
    """The blinded keys under which the bearers of the given and of the family name are counted."""
    parts = {"given": person.given, "family": person.family}
    return {part: blind(secret, "bearers", part, text) for part, text in parts.items() if text}


@lru_cache(maxsize=8)
def total_keys(secret: bytes) -> tuple[int, ...]:
    """The blinded keys over which the count of all people is spread."""
    return tuple(blind(secret, "people", str(place)) for place in range(TOTALS))
