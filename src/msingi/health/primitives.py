"""What each FHIR R4 primitive may hold: `TESTS[type](value)` gives nothing, or the rule that the value breaks.

Sources: FHIR R4 datatypes (2.24.0.1 primitive types), JSON representation (2.6.2), narrative (2.4.0).
The answers never repeat the value: it can be personal.
"""

from __future__ import annotations

import binascii
import re
from calendar import monthrange
from collections.abc import Callable
from decimal import Decimal

type_of = type
Test = Callable[[object], str]

STRING_LIMIT = 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_CODE = re.compile(r"[^\s]+(\s[^\s]+)*").fullmatch
_URI = re.compile(r"\S+").fullmatch
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+").fullmatch
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?").fullmatch
_DATE = re.compile(r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?").fullmatch
_CLOCK = r"T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]){_CLOCK}").fullmatch
_BLANK = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]").search


def boolean(value: object) -> str:
    """`true` or `false`, not a string or number."""
    return "" if type_of(value) is bool else "must be true or false"


def _whole(low: int, high: int, rule: str) -> Test:
    def test(value: object) -> str:
        return "" if type_of(value) is int and low <= value <= high else rule  # pyright: ignore[reportOperatorIssue]

    return test


def decimal(value: object) -> str:
    """A JSON number; it stays exact (`Decimal`), because its precision is part of the value (2.24.0.1)."""
    return (
        ""
        if type_of(value) is int or (type_of(value) is Decimal and len(str(value)) <= 64)
        else "must be a JSON number"
    )


def string(value: object) -> str:
    """Text with at least one character that is not blank, up to 1 MiB, no control characters."""
    if type_of(value) is not str:
        return "must be a string"
    text: str = value  # type: ignore[assignment]
    if len(text) > STRING_LIMIT:
        return "must not be longer than 1 MiB"
    if _CONTROL(text):
        return "must not contain control characters"
    return "" if text and not text.isspace() else "must not be empty"


def _pattern(match: Callable[[str], object], rule: str) -> Test:
    def test(value: object) -> str:
        return "" if type_of(value) is str and match(value) else rule  # type: ignore[arg-type]

    return test


def date(value: object) -> str:
    """`YYYY`, `YYYY-MM` or `YYYY-MM-DD`, a day that exists."""
    found = _DATE(value) if type_of(value) is str else None  # type: ignore[arg-type]
    if not found:
        return "must be a date: YYYY, YYYY-MM or YYYY-MM-DD"
    return _real_day(*found.group(1, 2, 3))


def _real_day(year: str, month: str | None, day: str | None) -> str:
    if int(year) == 0:
        return "must be a year after 0000"
    if month and day and int(day) > monthrange(int(year), int(month))[1]:
        return "must be a day that exists in the calendar"
    return ""


def instant(value: object) -> str:
    """A date and time to the second with a zone."""
    found = _INSTANT(value) if type_of(value) is str else None  # type: ignore[arg-type]
    if not found:
        return "must be an instant: YYYY-MM-DDThh:mm:ss with Z or an offset"
    return _real_day(*found.group(1, 2, 3))


def date_time(value: object) -> str:
    """A date, or a date and time with a zone."""
    if type_of(value) is str and "T" in value:  # type: ignore[operator]
        return instant(value).replace("an instant", "a dateTime")
    return date(value).replace("a date:", "a dateTime:")


def base64(value: object) -> str:
    """Base64 with padding; blanks are allowed."""
    if type_of(value) is not str or not value:
        return "must be base64"
    try:
        binascii.a2b_base64(_BLANK.sub("", value), strict_mode=True)  # type: ignore[call-overload]
    except (binascii.Error, ValueError):
        return "must be base64"
    return ""


# 2.4.0: basic HTML 4 formatting (chapters 7 to 11 and 15), no forms, scripts, frames, objects or external styles.
_ALLOWED = frozenset(
    "div p span a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd dfn dir dl dt "
    "em font h1 h2 h3 h4 h5 h6 hr i img ins del kbd li ol pre q s samp small strike strong sub sup table tbody td "
    "tfoot th thead tr tt u ul var".split()
)
_TAG = re.compile(
    r"""<(/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(/?)>|<!--.*?-->""", re.S
)
_HANDLER = re.compile(r"""\son\w+\s*=|(javascript|vbscript)\s*:|data\s*:\s*text""", re.I)


def xhtml(value: object) -> str:
    """One `<div>` of well-formed XHTML with formatting only: nothing that runs or loads a program (txt-1, txt-2)."""
    if type_of(value) is not str:
        return "must be a string with one XHTML div"
    text = value.strip()  # type: ignore[attr-defined]
    if not text.startswith("<div"):
        return "must begin with <div"
    open_tags: list[str] = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        tag = _TAG.match(text, start)
        if not tag:
            return "must be well-formed XHTML"
        position = tag.end()
        closing, name, attributes, empty = tag.groups()
        if name is None:
            continue
        if name not in _ALLOWED or (attributes and _HANDLER.search(attributes)):
            return "must hold formatting only: no scripts, forms or event attributes (txt-1)"
        if closing:
            if not open_tags or open_tags.pop() != name or (not open_tags and position < len(text)):
                return "must be well-formed XHTML"
        elif not empty:
            open_tags.append(name)
        elif not open_tags and position < len(text):
            return "must be well-formed XHTML"
    return "must be well-formed XHTML" if open_tags or len(text) > STRING_LIMIT else ""


_uri = _pattern(_URI, "must be a URI without blanks")
TESTS: dict[str, Test] = {
    "boolean": boolean,
    "integer": _whole(-(2**31), 2**31 - 1, "must be a whole number of 32 bits"),
    "unsignedInt": _whole(0, 2**31 - 1, "must be a whole number from 0"),
    "positiveInt": _whole(1, 2**31 - 1, "must be a whole number from 1"),
    "decimal": decimal,
    "string": string,
    "markdown": string,
    "uri": _uri,
    "url": _uri,
    "canonical": _uri,
    "oid": _pattern(_OID, "must be urn:oid: and numbers"),
    "uuid": _pattern(_UUID, "must be urn:uuid: and a lower-case UUID"),
    "id": _pattern(_ID, "must be 1 to 64 letters, digits, '-' or '.'"),
    "code": _pattern(_CODE, "must be a code without leading, trailing or double blanks"),
    "date": date,
    "dateTime": date_time,
    "instant": instant,
    "time": _pattern(_TIME, "must be a time hh:mm:ss"),
    "base64Binary": base64,
    "xhtml": xhtml,
}
