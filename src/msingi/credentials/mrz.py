"""The machine-readable zone of a card, size TD1 (ICAO Doc 9303, parts 3 and 5): three lines of 30 characters."""

import re
import unicodedata
from datetime import date
from itertools import cycle

from msgspec import Struct

from msingi.credentials.errors import Unreadable

LINE = 30
FILLER = "<"
_WEIGHTS = (7, 3, 1)
_VALUE = {character: value for value, character in enumerate("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")} | {"<": 0}

# Doc 9303-3, section 6: recommended transliterations. Letters that decompose into an ASCII letter and marks are
# not listed, because dropping the marks is what the table recommends for them.
_LATIN = {
    "Ä": "AE", "Æ": "AE", "Å": "AA", "Ö": "OE", "Ø": "OE", "Œ": "OE", "Ü": "UE", "ẞ": "SS", "ß": "SS", "Đ": "D",
    "Ð": "D", "Ħ": "H", "Ł": "L", "Ŋ": "N", "Þ": "TH", "Ŧ": "T", "Ĳ": "IJ", "ĸ": "Q", "Ɓ": "B",
    "Ɗ": "D", "Ƙ": "K", "Ƴ": "Y", "Ɛ": "E", "Ɔ": "O", "Ə": "E",
}  # fmt: skip
_CYRILLIC = {
    "А": "A", "Б": "B", "В": "V", "Г": "G", "Д": "D", "Е": "E", "Ё": "E", "Ж": "ZH", "З": "Z", "И": "I", "Й": "I",
    "К": "K", "Л": "L", "М": "M", "Н": "N", "О": "O", "П": "P", "Р": "R", "С": "S", "Т": "T", "У": "U", "Ф": "F",
    "Х": "KH", "Ц": "TS", "Ч": "CH", "Ш": "SH", "Щ": "SHCH", "Ъ": "IE", "Ы": "Y", "Ь": "", "Э": "E", "Ю": "IU",
    "Я": "IA", "І": "I", "Ї": "I", "Є": "IE", "Ґ": "G", "Ћ": "C", "Ђ": "D", "Ј": "J", "Љ": "LJ", "Њ": "NJ",
    "Џ": "DZ", "Ў": "U",
}  # fmt: skip
_ARABIC = {
    "ء": "XE", "آ": "XAA", "أ": "XAE", "ؤ": "U", "إ": "I", "ئ": "XI", "ا": "A", "ب": "B", "ة": "XTA", "ت": "T",
    "ث": "XTH", "ج": "J", "ح": "XH", "خ": "XKH", "د": "D", "ذ": "XDH", "ر": "R", "ز": "Z", "س": "S", "ش": "XSH",
    "ص": "XSS", "ض": "XDZ", "ط": "XTT", "ظ": "XZZ", "ع": "E", "غ": "G", "ف": "F", "ق": "Q", "ك": "K", "ل": "L",
    "م": "M", "ن": "N", "ه": "H", "و": "W", "ى": "XAY", "ي": "Y", "ٱ": "XXA", "پ": "P", "چ": "XC", "ژ": "XZH",
    "گ": "XG", "ک": "XKK", "ی": "XYA",
}  # fmt: skip
_TABLE = _LATIN | _CYRILLIC | _ARABIC
_SEPARATORS = frozenset(" -<_/,\u00a0\u2010\u2011\u2013")


class TD1(Struct, frozen=True, kw_only=True):
    """What a TD1 zone says. `number` has at most 9 characters, sex is M, F or "".

    `birth_date` is YYYY-MM-DD, or YYYY-MM, YYYY or "" as far as it is known.
    """

    document_code: str
    issuing_state: str
    number: str
    birth_date: str
    sex: str
    expires: date
    nationality: str
    primary: str
    secondary: str
    optional_1: str = ""
    optional_2: str = ""


def check_digit(field: str) -> str:
    """The check digit of `field`: weights 7, 3, 1, sum modulo 10 (Doc 9303-3, 4.9)."""
    return str(sum(_VALUE[c] * weight for c, weight in zip(field, cycle(_WEIGHTS), strict=False)) % 10)


def transliterate(text: str) -> str:
    """`text` in the letters of the zone, A to Z, with `<` between words (Doc 9303-3, section 6).

    Latin, Cyrillic and Arabic follow the tables; apostrophes vanish; a letter of another script becomes X, so that
    nobody is without a zone.
    """
    out: list[str] = []
    for character in unicodedata.normalize("NFC", text).upper():
        if "A" <= character <= "Z":
            out.append(character)
        elif character in _TABLE:
            out.append(_TABLE[character])
        elif character in _SEPARATORS:
            out.append(FILLER)
        else:
            out.append(_without_marks(character))
    return re.sub("<+", FILLER, "".join(out)).strip(FILLER)


def _without_marks(character: str) -> str:
    """The ASCII base letter of `character`, "" for marks and signs, X for letters nothing is known about."""
    base = unicodedata.normalize("NFKD", character)[0].upper()
    if "A" <= base <= "Z":
        return base
    return "X" if unicodedata.category(character) in ("Lu", "Lo", "Ll") else ""


def name_field(primary: str, secondary: str, length: int = LINE) -> str:
    """The name field: `PRIMARY<<SECONDARY`, filled; or, if that is too long, cut so that it ends with a letter.

    At least six characters of the secondary name stay (Doc 9303-3, 4.6: truncation, and 9303-5, 4.2.3).
    """
    first, given = transliterate(primary), transliterate(secondary)
    if not first:  # a person with one name: it is the primary identifier, and the rest is filler
        first, given = given, ""
    whole = f"{first}<<{given}"
    if len(whole.rstrip(FILLER)) <= length:
        return whole.rstrip(FILLER).ljust(length, FILLER)
    kept = _cut(first, length - 2 - min(6, len(given))) if given else _cut(first, length)
    return (kept + "<<" + _cut(given, length - 2 - len(kept)) if given else kept).ljust(length, FILLER)


def _cut(words: str, length: int) -> str:
    """The first `length` characters of `words`; where that would end with filler, the next word's initial follows."""
    if len(words) <= length:
        return words
    if words[length - 1] != FILLER:
        return words[:length]
    return words[: length - 2] + FILLER + words[length]


def td1(zone: TD1) -> tuple[str, str, str]:
    """The three lines for `zone` (Doc 9303-5, 4.2.2).

    Raises ValueError if a code or number has characters or a length that the zone cannot hold: a caller's bug.
    """
    number = _field(zone.number, 9)
    upper = number + check_digit(number) + _field(zone.optional_1, 15)
    birth = zone.birth_date[2:].replace("-", "").ljust(6, FILLER)  # unknown parts are filler (9303-3, 4.8)
    expiry = f"{zone.expires:%y%m%d}"
    birth, expiry = birth + check_digit(birth), expiry + check_digit(expiry)
    optional_2 = _field(zone.optional_2, 11)
    composite = check_digit(upper + birth + expiry + optional_2)
    return (
        _field(zone.document_code, 2) + _field(zone.issuing_state, 3) + upper,
        birth + _field(zone.sex, 1) + expiry + _field(zone.nationality, 3) + optional_2 + composite,
        name_field(zone.primary, zone.secondary),
    )


def _field(text: str, length: int) -> str:
    if len(text) > length or not set(text) <= _VALUE.keys():
        raise ValueError("a field of the machine-readable zone does not fit")
    return text.ljust(length, FILLER)


def parse_td1(text: str, today: date) -> TD1:
    """What three lines of 30 characters say, after all four check digits were verified.

    `today` decides centuries: a birth lies in the past, an expiry from 30 years back to 69 years ahead. Document
    numbers longer than 9 characters, which continue in the optional data, are joined.
    Raises Unreadable if the zone has another shape or a check digit is wrong.
    """
    lines = text.upper().split()
    if len(lines) != 3 or any(len(line) != LINE or not set(line) <= _VALUE.keys() for line in lines):
        raise Unreadable("A TD1 zone has three lines of 30 characters, A to Z, 0 to 9 and <.", rule="mrz-shape")
    one, two, three = lines
    number, optional_1 = one[5:14], one[15:]
    digit = one[14]
    if digit == FILLER:  # a long number: its rest and its check digit begin the optional data
        rest, _, optional_1 = optional_1.partition(FILLER)
        number, digit = number + rest[:-1], rest[-1:]
    checked = (
        (number, digit, "number"),
        (two[:6], two[6], "birth-date"),
        (two[8:14], two[14], "expiry"),
        (one[5:] + two[:7] + two[8:15] + two[18:29], two[29], "composite"),
    )
    for field, digit, name in checked:
        if check_digit(field) != digit:
            raise Unreadable("A check digit of the zone is wrong.", rule="mrz-check-digit", field=name)
    primary, _, secondary = three.partition("<<")
    return TD1(
        document_code=one[:2].strip(FILLER),
        issuing_state=one[2:5].strip(FILLER),
        number=number.strip(FILLER),
        birth_date=_birth(two[:6], today.year),
        sex=two[7].strip(FILLER),
        expires=_day(two[8:14], today.year + 69),
        nationality=two[15:18].strip(FILLER),
        primary=primary.replace(FILLER, " ").strip(),
        secondary=secondary.replace(FILLER, " ").strip(),
        optional_1=optional_1.strip(FILLER),
        optional_2=two[18:29].strip(FILLER),
    )


def _birth(digits: str, latest_year: int) -> str:
    known = digits.rstrip(FILLER)
    if len(known) % 2 or (known and not known.isdigit()):
        raise Unreadable("The birth date of the zone is not a date.", rule="mrz-date")
    whole = _day(known + "000101"[len(known) :], latest_year).isoformat() if known else ""
    return whole[: {0: 0, 2: 4, 4: 7, 6: 10}[len(known)]]


def _day(digits: str, latest_year: int) -> date:
    try:
        year = latest_year - (latest_year - int(digits[:2])) % 100
        return date(year, int(digits[2:4]), int(digits[4:6]))
    except ValueError:
        raise Unreadable("A date of the zone is not a day.", rule="mrz-date") from None
