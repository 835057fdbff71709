"""The identity number: twelve digits, the last of them a Verhoeff check digit. Pure, apart from `draw`.

J. Verhoeff, "Error detecting decimal codes", Mathematical Centre Tracts 29 (1969): the check runs in the dihedral
group of order ten, where multiplication does not commute; so it finds every wrong digit and every exchange of
two neighbouring digits, which the common check of weights modulo ten does not.
"""

import secrets
import unicodedata

from msingi.identity.errors import NumberWrong

DIGITS = 12


def _product(one: int, other: int) -> int:
    """Multiplication in the dihedral group D5: 0-4 are the rotations, 5-9 the reflections."""
    if one < 5:
        return (one + other) % 5 if other < 5 else (one + other - 5) % 5 + 5
    return (one - 5 - other) % 5 + 5 if other < 5 else (one - other) % 5


_PRODUCT = [[_product(i, j) for j in range(10)] for i in range(10)]
_INVERSE = [0, 4, 3, 2, 1, 5, 6, 7, 8, 9]
_FIRST = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _permutations() -> list[list[int]]:
    """Verhoeff's permutation for each place: the first one applied again and again; it repeats after eight places."""
    table = [list(range(10))]
    for _ in range(7):
        table.append([_FIRST[d] for d in table[-1]])
    return table


_PERMUTED = _permutations()


def _checksum(digits: str, start: int) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits), start):
        total = _PRODUCT[total][_PERMUTED[place % 8][ord(digit) - 48]]
    return total


def check_digit(payload: str) -> str:
    """The check digit that belongs behind `payload` (ASCII digits)."""
    return str(_INVERSE[_checksum(payload, 1)])


def is_valid(number: str) -> bool:
    """Whether `number` has twelve ASCII digits, does not begin with 0, and its check digit is right (law 2)."""
    well_formed = len(number) == DIGITS and number.isascii() and number.isdigit() and number[0] != "0"
    return well_formed and _checksum(number, 0) == 0


def draw() -> str:
    """A random number with its check digit; 9 * 10^10 are possible, and nothing about a person shows in it."""
    payload = str(10 ** (DIGITS - 2) + secrets.randbelow(9 * 10 ** (DIGITS - 2)))
    return payload + check_digit(payload)


def parse(text: str, field: str = "number") -> str:
    """The twelve digits in `text`, which may hold spaces, hyphens, and decimal digits of any script.

    Raises NumberWrong, naming `field` and the broken rule: `12-digits`, `first-digit` or `check-digit`.
    """
    digits = ""
    for letter in text[:64]:
        value = unicodedata.decimal(letter, None)
        if value is not None:
            digits += str(value)
        elif not (letter.isspace() or unicodedata.category(letter) in ("Pd", "Cf")):
            raise NumberWrong(field=field, rule="12-digits")
    if len(digits) != DIGITS or len(text) > 64:
        raise NumberWrong(field=field, rule="12-digits")
    if digits[0] == "0":
        raise NumberWrong(field=field, rule="first-digit")
    if not is_valid(digits):
        raise NumberWrong("The check digit does not fit: at least one digit is wrong.", field=field, rule="check-digit")
    return digits


ALIAS_DIGITS = 16


def _digits(text: str) -> str:
    """The decimal digits in a text of digits, blanks and hyphens of any script; empty if it holds anything else."""
    digits = ""
    for letter in text[:64]:
        value = unicodedata.decimal(letter, None)
        if value is not None:
            digits += str(value)
        elif not (letter.isspace() or unicodedata.category(letter) in ("Pd", "Cf")):
            return ""
    return digits


def is_alias(text: str) -> bool:
    """Whether a text has the sixteen digits of a virtual id, right or wrong."""
    return len(_digits(text)) == ALIAS_DIGITS


def draw_alias() -> str:
    """A random virtual id with its check digit; its length alone tells it from a number."""
    payload = str(10 ** (ALIAS_DIGITS - 2) + secrets.randbelow(9 * 10 ** (ALIAS_DIGITS - 2)))
    return payload + check_digit(payload)


def parse_alias(text: str, field: str = "number") -> str:
    """The sixteen digits of a virtual id. Raises NumberWrong with rule `16-digits`, `first-digit` or `check-digit`."""
    digits = _digits(text)
    if len(digits) != ALIAS_DIGITS:
        raise NumberWrong(field=field, rule="16-digits")
    if digits[0] == "0":
        raise NumberWrong(field=field, rule="first-digit")
    if _checksum(digits, 0) != 0:
        raise NumberWrong("The check digit does not fit: at least one digit is wrong.", field=field, rule="check-digit")
    return digits
