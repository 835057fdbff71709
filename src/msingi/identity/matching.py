"""Whether what somebody says of a person is what the register knows: names, dates, sex, telephone, address.

Pure. Spelling, order of names, accents and script are forgiven as far as they are no other name; nothing else is.
"""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from rapidfuzz.distance import JaroWinkler

from msingi.identity.blocking import compact, fold, sound
from msingi.identity.model import Birth, Demographics, Name
from msingi.identity.model_said import Said

ALIKE: Final = 0.92
SHORT: Final = 5
# Consonants as Latin spelling writes them; long vowels and carriers of vowels fall away.
_ARABIC = str.maketrans(
    dict(zip("بتثجحخدذرزسشصضطظغفقكلمنهگڤپچ", "bttjhkddrzsssdtdgfkklmnhgvpj", strict=True))
    | dict.fromkeys("اويعءأإآؤئىة", "")
)
_PAIRS = (("kh", "k"), ("sh", "s"), ("th", "t"), ("dh", "d"), ("gh", "g"), ("ch", "s"), ("ph", "f"), ("dj", "j"))


def skeleton(text: str) -> str:
    """The consonants of a name, alike for Arabic and Latin script: "Mohamed" and "محمد" are both `mhmd`."""
    found = []
    for word in re.sub(r"\babd[aeu]l", "abd ", fold(text)).split():
        if word.isascii():
            bare = "" if word in ("al", "el") else word
            for pair, single in _PAIRS:
                bare = bare.replace(pair, single)
        else:
            bare = word.removeprefix("ال") if len(word) > 4 else word
            bare = bare.removesuffix("ه").translate(_ARABIC)
        bare = re.sub(r"[aeiouyw]", "", bare.replace("c", "k").replace("q", "k"))
        found.append(bare[:1] + "".join(b for a, b in pairwise(bare) if a != b))
    return "".join(sorted(found))


def same_name(asked: str, known: str) -> bool:
    """Whether two names are the same name: word order, accents, spaces, one slip of the pen, or script apart.

    Short names forgive nothing but accents: "Ali" and "Ani" are two people.
    """
    one, other = sorted(fold(asked).split()), sorted(fold(known).split())
    if not one or not other:
        return False
    if one == other or compact(asked) == compact(known):
        return True
    if asked.isascii() != known.isascii() and not (fold(asked).isascii() and fold(known).isascii()):
        bones = skeleton(asked)
        return len(bones) >= 3 and bones == skeleton(known)
    return len(one) == len(other) and all(map(_same_word, one, other))


def _same_word(one: str, other: str) -> bool:
    if one == other:
        return True
    if min(len(one), len(other)) < SHORT or sound(one) != sound(other):
        return False
    return JaroWinkler.normalized_similarity(one, other) >= ALIKE


def same_birth(asked: str, known: Birth) -> bool:
    """Whether a date is the one that is known, as far as both are known; an estimate may be a year off."""
    if not asked or not known.date:
        return False
    if known.approximate:
        return abs(int(asked[:4]) - int(known.date[:4])) <= 1
    shared = min(len(asked), len(known.date))
    return asked[:shared] == known.date[:shared]


def _names(person: Demographics, part: Callable[[Name], str]) -> list[str]:
    both = (person.name, person.second_name)
    return [part(name) for name in both if name is not None]


def matches(said: Said, person: Demographics) -> dict[str, bool]:
    """For each thing that was said, whether it is so; what the register does not know is not so."""
    found: dict[str, bool] = {}
    parts: dict[str, tuple[str, Callable[[Name], str]]] = {
        "name": (said.name, lambda n: n.full),
        "given_name": (said.given_name, lambda n: n.given),
        "family_name": (said.family_name, lambda n: n.family),
    }
    for what, (text, part) in parts.items():
        if text:
            found[what] = any(same_name(text, known) for known in _names(person, part))
    if said.birth_date:
        found["birth_date"] = same_birth(said.birth_date, person.birth)
    if said.sex:
        found["sex"] = said.sex == person.sex
    if said.phone:
        found["phone"] = bool(person.phone) and said.phone == person.phone
    address = person.address
    if said.locality:
        found["locality"] = bool(address.locality) and same_name(said.locality, address.locality)
    if said.postal_code:
        found["postal_code"] = compact(said.postal_code) == compact(address.postal_code)
    if said.region:
        found["region"] = said.region == person.region
    if said.address:
        words = set(fold(said.address).split())
        known = {w for line in (*address.lines, address.locality, address.postal_code) for w in fold(line).split()}
        found["address"] = bool(words) and words <= known and bool(words & set(fold(" ".join(address.lines)).split()))
    return found
