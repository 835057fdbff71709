"""What a search parameter finds in a resource: compiled paths to tokens, references and date intervals.

Sources: FHIR R4 3.1.1.4 (parameter types); the paths come from the standard's SearchParameter expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Any, NamedTuple

from msingi.health.model import EARLIEST, LATEST, MAIN_DATE, Json
from msingi.health.structure import definitions

Interval = tuple[datetime, datetime]
# Types whose code system is implied, so that a search value's system says nothing more (3.1.1.4.10).
_PLAIN = frozenset("code boolean string id uri url canonical oid uuid ContactPoint".split())


class Token(NamedTuple):
    """One code found in a resource; `system` is None where the element's type implies it, "" where it is missing."""

    system: str | None
    code: str


class Path(NamedTuple):
    """One compiled path: steps of (element, filter key, filter value), and the type of what it reaches."""

    steps: tuple[tuple[str, str, str], ...]
    type: str


class Parameter(NamedTuple):
    """A search parameter of a type: `kind` is token, reference or date; `target` is what a bare id means."""

    name: str
    kind: str
    paths: tuple[Path, ...]
    target: str

    @property
    def plain(self) -> bool:
        """True if some path reaches a type whose code system is implied."""
        return any(path.type in _PLAIN for path in self.paths)


@cache
def parameters(rtype: str) -> dict[str, Parameter]:
    """The search parameters that are offered for a type, by name."""
    found: dict[str, Parameter] = {}
    for name, (kind, text, target) in definitions()["search"].get(rtype, {}).items():
        found[name] = Parameter(name, kind, tuple(_path(part) for part in text.split("|")), target)
    return found


@cache
def stored_types() -> frozenset[str]:
    """The resource types that the record keeps."""
    return frozenset(definitions()["search"])


def _path(text: str) -> Path:
    steps: list[tuple[str, str, str]] = []
    body, _, kind = text.rpartition(":")
    for step in body.split("."):
        name, _, condition = step.partition("?")
        key, equals, value = condition.partition("=")
        steps.append((name, key if equals else "reference" if condition else "", value if equals else condition))
    return Path(tuple(steps), kind)


def values(resource: Json, path: Path) -> Iterator[Any]:
    """Everything that a path reaches in a resource."""
    level: list[Any] = [resource]
    for name, key, wanted in path.steps:
        reached: list[Any] = []
        for item in level:
            found = item.get(name) if type(item) is dict else None
            if found is None:
                continue
            for one in found if type(found) is list else (found,):
                if not key or (type(one) is dict and _fits(one, key, wanted)):
                    reached.append(one)
        level = reached
    return iter(level)


def _fits(item: Json, key: str, wanted: str) -> bool:
    if key != "reference":
        return item.get(key) == wanted
    return relative(str(item.get("reference", ""))).startswith(wanted + "/") or item.get("type") == wanted


def relative(reference: str) -> str:
    """`Type/id` of a reference: without the base address and the version."""
    parts = reference.partition("/_history/")[0].rsplit("/", 2)
    return "/".join(parts[-2:]) if len(parts) > 1 else reference


def tokens(resource: Json, parameter: Parameter) -> Iterator[Token]:
    """Every code of a token parameter: codings, identifiers, contact values, codes, booleans (3.1.1.4.10)."""
    for path in parameter.paths:
        for item in values(resource, path):
            if type(item) is bool:
                yield Token(None, "true" if item else "false")
            elif type(item) is str:
                yield Token(None, item)
            elif type(item) is dict:
                yield from _coded(item, path.type)


def _coded(item: Json, kind: str) -> Iterator[Token]:
    if kind == "CodeableConcept":
        for coding in item.get("coding") or ():
            yield from _coded(coding, "Coding")
    elif kind == "ContactPoint" and "value" in item:
        yield Token(None, str(item["value"]))
    else:
        code = item.get("value" if kind == "Identifier" else "code")
        if code is not None:
            yield Token(str(item.get("system", "")), str(code))


def references(resource: Json, parameter: Parameter) -> Iterator[str]:
    """Every `Type/id` (or absolute address) that a reference parameter finds."""
    for path in parameter.paths:
        for item in values(resource, path):
            text = item.get("reference") if type(item) is dict else item
            if type(text) is str and text[:1] != "#":
                yield text if text.startswith("urn:") else relative(text)


def intervals(resource: Json, parameter: Parameter) -> Iterator[Interval]:
    """Every date of a date parameter as a half-open interval of UTC instants."""
    for path in parameter.paths:
        for item in values(resource, path):
            found = _interval(item)
            if found:
                yield found


def _interval(item: Any) -> Interval | None:
    if type(item) is str:
        return interval(item)
    if type(item) is not dict:
        return None
    if "start" in item or "end" in item:
        start, end = interval(item.get("start", "")), interval(item.get("end", ""))
        return (start[0] if start else EARLIEST, end[1] if end else LATEST)
    events = [found for text in item.get("event") or () if (found := interval(text))]
    bounds = _interval((item.get("repeat") or {}).get("boundsPeriod"))
    events += [bounds] if bounds else []
    return (min(e[0] for e in events), max(e[1] for e in events)) if events else None


_MOMENT = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?",
    re.ASCII,
).fullmatch


def interval(text: object) -> Interval | None:
    """The interval that a date or time stands for, by its precision; without a zone it is taken as UTC (3.1.1.4.8)."""
    found = _MOMENT(text) if type(text) is str else None
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        start = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),
            tzinfo=UTC,
        )
        if fraction:
            start += timedelta(microseconds=int(fraction[1:7].ljust(6, "0")))
        if zone and zone != "Z":
            offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            start += offset if zone[0] == "-" else -offset
        return start, _end(start, month, day, hour, second, fraction)
    except (ValueError, OverflowError):
        return None


def _end(start: datetime, month: str, day: str, hour: str, second: str, fraction: str) -> datetime:
    if not month:
        return start.replace(year=start.year + 1) if start.year < 9999 else LATEST
    if not day:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    if not hour:
        return start + timedelta(days=1)
    if not second:
        return start + timedelta(minutes=1)
    return start + (timedelta(microseconds=1) if fraction else timedelta(seconds=1))


class Index:
    """Makes the blinded search keys: without the secret, a key tells nothing about the code that it stands for."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def key(self, rtype: str, parameter: str, form: str, value: str) -> int:
        """The signed 64-bit key of a value. Forms: `any` (code alone), `sys` (system|code), `all` (system), `ref`.

        Keys can collide, so every match is checked again on the resource itself.
        """
        text = f"{rtype}\0{parameter}\0{form}\0{value}".encode()
        return int.from_bytes(blake2b(text, key=self._secret, digest_size=8).digest(), signed=True)

    def keys(self, resource: Json) -> list[int]:
        """All keys of a resource, sorted and without doubles."""
        rtype = str(resource["resourceType"])
        found: set[int] = set()
        for name, parameter in parameters(rtype).items():
            if parameter.kind == "token":
                for system, code in tokens(resource, parameter):
                    found.add(self.key(rtype, name, "any", code))
                    if system is not None:
                        found.add(self.key(rtype, name, "sys", f"{system}|{code}"))
                        found.add(self.key(rtype, name, "all", system))
            elif parameter.kind == "reference":
                found.update(self.key(rtype, name, "ref", text) for text in references(resource, parameter))
        return sorted(found)


def clinical_time(resource: Json, otherwise: datetime) -> Interval:
    """The interval by which a resource is ordered: its type's main date, or the time of storing."""
    rtype = str(resource["resourceType"])
    parameter = parameters(rtype).get(MAIN_DATE.get(rtype, "date"))
    if parameter is not None and parameter.kind == "date":
        for found in intervals(resource, parameter):
            return found
    return otherwise, otherwise
