"""A search, read and judged: the query string becomes clauses, and a clause says whether a resource fits it.

Law 8: an unknown parameter or modifier is refused; every candidate of the index is judged again by `fits`.
Source: FHIR R4 3.1.1 (search), 3.1.1.4.6 (prefixes), 3.1.1.5 (result parameters).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from msingi.health import extraction
from msingi.health.errors import BadSearchValue, TypeNotStored, UnknownParameter
from msingi.health.extraction import Interval, Parameter
from msingi.health.model import EARLIEST, LATEST, MAIN_DATE, Json

PAGE_DEFAULT = 20
PAGE_LIMIT = 200
PREFIXES = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")
_PART = re.compile(r"((?:\\.|[^\\,])*)(?:,|$)")
Pairs = tuple[tuple[str, str], ...]


class Clause(Struct, frozen=True):
    """One condition: a resource fits if one of `values` fits (comma = or); clauses of a query are joined by and.

    Values are (system or None, code) for tokens, (`Type/id`, "") for references, (prefix, text) for dates.
    """

    parameter: Parameter
    values: tuple[tuple[str | None, str], ...]


class Query(Struct, frozen=True):
    """A search that was understood: its clauses, ids asked for, page size, and the parameters as they were used.

    `patients` are the ids of Patients, `people` the patient identifiers (system, value), that it is limited to.
    """

    rtype: str
    clauses: tuple[Clause, ...]
    ids: tuple[UUID, ...]
    updated: tuple[tuple[str | None, str], ...]
    patients: tuple[UUID, ...]
    people: tuple[tuple[str, str], ...]
    count: int
    pairs: Pairs
    nothing: bool = False


class Bounds(NamedTuple):
    """Which clinical times can fit at all: limits of start and end, for the index."""

    started_from: datetime = EARLIEST
    started_to: datetime = LATEST
    ended_from: datetime = EARLIEST
    ended_to: datetime = LATEST


def split(text: str) -> list[str]:
    r"""The alternatives of a value; `\,` is a comma of the value itself (3.1.1.4.3)."""
    return [part for part in (m.group(1) for m in _PART.finditer(text)) if part]


def unescape(text: str) -> str:
    r"""`\,` `\|` `\$` `\\` as the characters that they stand for."""
    return re.sub(r"\\([,|$\\])", r"\1", text)


def token(text: str) -> tuple[str | None, str]:
    """(system, code) of a token value; None for any system, "" for none (3.1.1.4.10)."""
    parts = re.split(r"(?<!\\)\|", text)
    if len(parts) > 2:
        raise BadSearchValue("A token is written code, system|code, |code or system|.")
    if len(parts) == 1:
        return None, unescape(parts[0])
    if not parts[0] and not parts[1]:
        raise BadSearchValue("A token needs a system or a code.")
    return unescape(parts[0]), unescape(parts[1])


def parse(rtype: str, pairs: Pairs, own_address: str = "") -> Query:
    """The query of a search on one type.

    `own_address` is this server's FHIR base: absolute references below it mean the same as relative ones.
    Raises TypeNotStored, UnknownParameter, BadSearchValue.
    """
    if rtype not in extraction.stored_types():
        raise TypeNotStored(type=rtype if rtype.isalpha() and len(rtype) < 40 else "?")
    known = extraction.parameters(rtype)
    clauses: list[Clause] = []
    ids: list[UUID] | None = None
    updated: tuple[tuple[str | None, str], ...] = ()
    people: list[tuple[str, str]] = []
    count, used = PAGE_DEFAULT, []
    for name, value in pairs:
        if not value:
            continue  # empty parameters are ignored (3.1.1.4)
        used.append((name, value))
        if name == "_count":
            count = _count(value)
        elif name == "_id":
            some = [found for text in split(value) if (found := uuid_of(text))]
            ids = some if ids is None else [one for one in ids if one in some]
        elif name == "_lastUpdated":
            updated += tuple(_date(text, name) for text in split(value))
        elif name == "_sort":
            _sort(rtype, value)
        elif name == "_total":
            _none_only(name, value, "none")
        elif name in ("_format", "_pretty"):
            used.pop()
        elif name in ("patient.identifier", "subject.identifier") and name.split(".")[0] in known:
            people += [(system or "", code) for system, code in map(token, split(value))]
        else:
            clauses.append(_clause(rtype, known, name, value, own_address))
    return Query(
        rtype,
        tuple(clauses),
        tuple(ids or ()),
        updated,
        _patients(rtype, clauses, ids),
        tuple(people),
        count,
        tuple(used),
        nothing=ids is not None and not ids,
    )


def uuid_of(text: str) -> UUID | None:
    """The id, if it has the form of ours."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if str(found) == text else None


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value) or not 1 <= int(value) <= 100_000:
        raise BadSearchValue("_count is a whole number from 1.", parameter="_count")
    return min(int(value), PAGE_LIMIT)


def _sort(rtype: str, value: str) -> None:
    """Results stand newest first; that order may be asked for by its name, no other is offered."""
    main = MAIN_DATE.get(rtype, "date")
    _none_only("_sort", value, f"-{main}")


def _none_only(name: str, value: str, only: str) -> None:
    if value != only:
        raise UnknownParameter(f"{name} is offered as {name}={only} only.", parameter=name)


def _date(text: str, name: str) -> tuple[str, str]:
    prefix = text[:2] if text[:2] in PREFIXES else "eq"
    rest = text.removeprefix(prefix) if text[:2] in PREFIXES else text
    if extraction.interval(rest) is None:
        raise BadSearchValue("A date is written yyyy-mm-dd, with an optional time and zone.", parameter=name)
    return prefix, rest


def _clause(rtype: str, known: dict[str, Parameter], name: str, value: str, own_address: str) -> Clause:
    stem, _, modifier = name.partition(":")
    parameter = known.get(stem)
    if parameter is None or (modifier and parameter.kind != "reference"):
        shown = name if re.fullmatch(r"[\w:.-]{1,60}", name) else "?"
        raise UnknownParameter(f"{rtype} offers: {', '.join(sorted(known))}.", parameter=shown)
    if parameter.kind == "token":
        return Clause(parameter, tuple(token(text) for text in split(value)))
    if parameter.kind == "date":
        return Clause(parameter, tuple(_date(text, stem) for text in split(value)))
    return Clause(parameter, tuple((_reference(parameter, modifier, text, own_address), "") for text in split(value)))


def _reference(parameter: Parameter, modifier: str, text: str, own_address: str) -> str:
    text = unescape(text)
    if own_address and text.startswith(own_address + "/"):
        text = text.removeprefix(own_address + "/")
    if modifier and modifier not in extraction.stored_types():
        raise UnknownParameter("A reference takes a resource type as modifier, no other.", parameter=parameter.name)
    if "/" in text or text.startswith("urn:"):
        return text
    target = modifier or parameter.target
    if not target:
        raise BadSearchValue("Say which type is meant: Type/id.", parameter=parameter.name)
    return f"{target}/{text}"


def _patients(rtype: str, clauses: list[Clause], ids: list[UUID] | None) -> tuple[UUID, ...]:
    """Ids of the Patients that the query is limited to: by `patient`, `subject`, or a Patient's own `_id`."""
    if rtype == "Patient" and ids:
        return tuple(ids)
    for clause in clauses:
        if clause.parameter.name in ("patient", "subject") and clause.parameter.kind == "reference":
            texts = [str(value).split("/") for value, _ in clause.values]
            found = [uuid_of(text[1]) if text[0] == "Patient" and len(text) == 2 else None for text in texts]
            if all(found):
                return tuple(one for one in found if one)
    return ()


def bounds(query: Query) -> Bounds:
    """Limits of the clinical time that every match keeps; only to narrow the index, `fits` decides."""
    limits = Bounds()
    main = MAIN_DATE.get(query.rtype, "date")
    for clause in query.clauses:
        if clause.parameter.name != main or len(clause.values) != 1:
            continue
        prefix, text = clause.values[0]
        lo, hi = extraction.interval(text) or (EARLIEST, LATEST)
        narrowed = {
            "eq": Bounds(lo, hi, lo, hi),
            "gt": Bounds(ended_from=hi),
            "ge": Bounds(ended_from=lo),
            "lt": Bounds(started_to=lo),
            "le": Bounds(started_to=hi),
            "sa": Bounds(started_from=hi),
            "eb": Bounds(ended_to=lo),
        }.get(prefix or "eq", Bounds())
        limits = Bounds(
            max(limits[0], narrowed[0]),
            min(limits[1], narrowed[1]),
            max(limits[2], narrowed[2]),
            min(limits[3], narrowed[3]),
        )
    return limits


def probes(query: Query, index: extraction.Index) -> tuple[list[int], list[int]]:
    """(keys that every match has, keys of which every match has one): what the index is asked for."""
    every: list[int] = []
    some: list[int] = []
    for clause in query.clauses:
        if clause.parameter.kind == "date":
            continue
        keys = [_probe(query.rtype, clause.parameter, value, index) for value in clause.values]
        if len(keys) == 1:
            every += keys
        elif not some:
            some = keys
    return every, some


def _probe(rtype: str, parameter: Parameter, value: tuple[str | None, str], index: extraction.Index) -> int:
    first, code = value
    if parameter.kind == "reference":
        return index.key(rtype, parameter.name, "ref", str(first))
    if first is None or (parameter.plain and code):
        return index.key(rtype, parameter.name, "any", code)
    if not code:
        return index.key(rtype, parameter.name, "all", first)
    return index.key(rtype, parameter.name, "sys", f"{first}|{code}")


def fits(query: Query, resource: Json, updated: datetime, now: datetime) -> bool:
    """Whether a resource is a match: every clause holds on its own content (law 8)."""
    if query.updated:
        moment = (updated, updated + timedelta(microseconds=1))
        if not all(compare(str(prefix), moment, text, now) for prefix, text in query.updated):
            return False
    return all(_holds(clause, resource, now) for clause in query.clauses)


def _holds(clause: Clause, resource: Json, now: datetime) -> bool:
    parameter = clause.parameter
    if parameter.kind == "reference":
        wanted = {value for value, _ in clause.values}
        return any(found in wanted for found in extraction.references(resource, parameter))
    if parameter.kind == "date":
        found = list(extraction.intervals(resource, parameter))
        return any(compare(str(p), one, text, now) for one in found for p, text in clause.values)
    return any(_same(found, value) for found in extraction.tokens(resource, parameter) for value in clause.values)


def _same(found: extraction.Token, wanted: tuple[str | None, str]) -> bool:
    system, code = wanted
    if system is None or found.system is None:
        return found.code == code
    return found.system == system and (not code or found.code == code)


def compare(prefix: str, stored: Interval, text: str, now: datetime) -> bool:
    """Whether a stored interval stands to a search date as its prefix says (3.1.1.4.6, edge reading of gt and lt)."""
    start, end = stored
    lo, hi = extraction.interval(text) or (LATEST, EARLIEST)
    equal = start >= lo and end <= hi
    if prefix == "ap":
        slack = abs((now - lo).total_seconds()) * 0.1
        lo, hi = _shift(lo, -slack), _shift(hi, slack)
        return start < hi and end > lo
    return {
        "eq": equal,
        "ne": not equal,
        "gt": end > hi,
        "lt": start < lo,
        "ge": end > hi or equal,
        "le": start < lo or equal,
        "sa": start >= hi,
        "eb": end <= lo,
    }[prefix]


def _shift(moment: datetime, seconds: float) -> datetime:
    try:
        return moment + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else EARLIEST
