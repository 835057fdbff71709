"""The laws of writing, as pure functions: what a transaction asks for, whose it is, and how it is stored.

Sources: FHIR R4 3.1.0.10 (transactions), 3.1.0.8 (create), 3.1.0.4 (update); laws 1 to 4.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

from msgspec import Struct

from msingi.health import extraction, structure
from msingi.health.errors import (
    BadTransaction,
    IdsAreOurs,
    NotFhir,
    NotSupported,
    PersonNotNamed,
    RegistryOnly,
    TypeNotStored,
    UnresolvedReference,
)
from msingi.health.model import REGISTRIES, Issue, Json, ResourceId
from msingi.health.searching import Pairs, uuid_of

ENTRY_LIMIT = 5_000
_REFERRING = frozenset("reference url uri valueUri valueUrl valueUuid valueOid".split())
_IF_MATCH = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')


class Entry(Struct, frozen=True):
    """One thing that a transaction asks for: create (POST) or replace (PUT) a resource.

    `id` is set for PUT only. `if_match` is the version expected, 0 for none. `if_none_exist` are search pairs.
    """

    index: int
    method: str
    rtype: str
    resource: Json
    full_url: str = ""
    id: ResourceId | None = None
    if_match: int = 0
    if_none_exist: Pairs = ()


def plan(bundle: object) -> list[Entry]:
    """What a transaction bundle asks for, every entry checked against the definitions (law 6).

    Raises NotFhir with every broken rule, BadTransaction, TypeNotStored, NotSupported.
    """
    issues = structure.check(bundle)
    if issues:
        raise NotFhir(issues)
    assert isinstance(bundle, dict)
    if bundle["resourceType"] != "Bundle" or bundle.get("type") != "transaction":
        raise BadTransaction("The base address takes a Bundle of type transaction or batch.")
    raw = bundle.get("entry", [])
    if len(raw) > ENTRY_LIMIT:
        raise BadTransaction(f"A transaction has at most {ENTRY_LIMIT} entries.")
    entries = [read_entry(index, entry) for index, entry in enumerate(raw)]
    _all_different(entries)
    return entries


def read_entry(index: int, entry: Json) -> Entry:
    """One entry of a transaction. Raises BadTransaction or NotSupported, naming the entry."""
    request = entry.get("request")
    if not request:
        raise BadTransaction("bdl-3: an entry of a transaction needs a request.", entry=index)
    method, url = request["method"], request["url"]
    if method not in ("POST", "PUT"):
        raise NotSupported("A transaction takes POST and PUT entries.", entry=index, method=method)
    resource = entry.get("resource")
    if resource is None:
        raise BadTransaction("A POST or PUT entry needs a resource.", entry=index)
    rtype, _, tail = url.partition("/")
    if "?" in url:
        raise NotSupported("Conditional update is not offered; use PUT with the id.", entry=index)
    if rtype != resource["resourceType"]:
        raise BadTransaction("request.url must name the resource's type.", entry=index)
    stored_type(rtype)
    if method == "POST":
        if tail:
            raise BadTransaction("A POST entry names a type, not an id.", entry=index)
        condition = query_pairs(request.get("ifNoneExist", ""))
        return Entry(index, method, rtype, resource, entry.get("fullUrl", ""), if_none_exist=condition)
    target = uuid_of(tail)
    if target is None:
        raise IdsAreOurs(entry=index)
    if resource.get("id") != tail:
        raise BadTransaction("A PUT entry needs a resource with the id of its url.", entry=index)
    expected = version_of(request.get("ifMatch", ""))
    return Entry(index, method, rtype, resource, entry.get("fullUrl", ""), ResourceId(target), expected)


def stored_type(rtype: str) -> None:
    """Raises TypeNotStored unless the record keeps resources of this type."""
    if rtype not in extraction.stored_types():
        raise TypeNotStored(type=rtype if rtype in structure.resource_types() else "?")


def version_of(if_match: str) -> int:
    """The version that an If-Match names; 0 when it names none. Raises BadTransaction for any other form."""
    if not if_match:
        return 0
    found = _IF_MATCH.fullmatch(if_match.strip())
    if not found:
        raise BadTransaction('If-Match is written W/"version".')
    return int(found[1])


def query_pairs(text: str) -> Pairs:
    """The pairs of a query string, percent-decoded."""
    return tuple(parse_qsl(text.removeprefix("?"), keep_blank_values=True))


def _all_different(entries: list[Entry]) -> None:
    """The same identity twice among the writes contradicts law 2: the order would matter."""
    seen: set[str] = set()
    for entry in entries:
        names = {entry.full_url} if entry.full_url else set()
        if entry.id is not None:
            names.add(f"{entry.rtype}/{entry.id}")
        if names & seen:
            raise BadTransaction("Two entries write the same resource.", entry=entry.index)
        seen |= names


def owner_references(resource: Json) -> list[str]:
    """What the elements that put a resource into a patient's record refer to, the main one first."""
    found: list[str] = []
    for path in structure.definitions()["compartment"].get(resource["resourceType"], []):
        level: list[Any] = [resource]
        for step in path.split("."):
            level = [
                one
                for item in level
                if type(item) is dict and step in item
                for one in (item[step] if type(item[step]) is list else [item[step]])
            ]
        found += [str(item["reference"]) for item in level if type(item) is dict and "reference" in item]
    return found


def owned(entry: Entry, patients: Mapping[str, Any]) -> str:
    """The reference by which a resource has its owner: the first that is among `patients` (law 1).

    "" for a registry entry. Raises PersonNotNamed, or RegistryOnly for a registry entry that speaks of a patient.
    """
    if entry.rtype in REGISTRIES:
        if any(kind in ("Patient", "RelatedPerson") for kind in _types_inside(entry.resource)):
            raise RegistryOnly(entry=entry.index)
        return ""
    for reference in owner_references(entry.resource):
        key = reference if "?" in reference or reference.startswith("urn:") else extraction.relative(reference)
        if key in patients:
            return key
    raise PersonNotNamed(f"{entry.rtype} must refer to a Patient of this institution.", entry=entry.index)


def _types_inside(value: Any) -> Iterable[str]:
    """Types that a resource contains or refers to."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "resourceType" or (key == "type" and isinstance(item, str)):
                yield item
            elif key == "reference" and isinstance(item, str):
                yield extraction.relative(item).partition("/")[0].partition("?")[0]
            else:
                yield from _types_inside(item)
    elif isinstance(value, list):
        for item in value:
            yield from _types_inside(item)


def identifiers(patient: Json, system: str) -> list[str]:
    """The values of a Patient's identifiers of one system, in order, without doubles."""
    found = [i.get("value", "") for i in patient.get("identifier", []) if i.get("system") == system]
    return list(dict.fromkeys(value for value in found if value))


def spellings(number: str) -> tuple[str, ...]:
    """The ways in which a number may stand in a text: as given, and its digits in groups of 3 or 4 or none."""
    digits = "".join(c for c in number if c.isalnum())
    groups = {
        gap.join(digits[i : i + size] for i in range(0, len(digits), size))
        for size in (3, 4)
        for gap in (" ", "-", ".")
    }
    return tuple(sorted({number, digits, *groups}, key=len, reverse=True))


def with_pseudonym(patient: Json, number_system: str, system: str, pseudonym: str) -> Json:
    """The Patient under the institution's pseudonym of the person, without the identity number (law 4)."""
    others = [i for i in patient.get("identifier", []) if i.get("system") not in (number_system, system)]
    mine = {"use": "official", "system": system, "value": pseudonym}
    return patient | {"identifier": [mine, *others]}


def rewrite(value: Any, names: Mapping[str, str], hidden: Mapping[str, str], key: str = "") -> Any:
    """A copy in which references use the ids that were given, and numbers to hide are replaced (3.1.0.10.3, law 4).

    `names` maps a fullUrl, a relative address or a conditional reference to `Type/id`.
    """
    if isinstance(value, dict):
        return {k: rewrite(v, names, hidden, k) for k, v in value.items()}
    if isinstance(value, list):
        return [rewrite(v, names, hidden, key) for v in value]
    if not isinstance(value, str):
        return value
    if key in _REFERRING and value in names:
        return names[value]
    if key == "div":
        for old, new in names.items():
            if old.startswith("urn:") and old in value:
                value = value.replace(old, new)
    for secret, shown in hidden.items():
        if secret in value:
            value = value.replace(secret, shown)
    return value


def open_references(value: Any, key: str = "") -> Iterable[str]:
    """The `urn:uuid:` and conditional references that still wait to be resolved."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from open_references(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from open_references(item, key)
    elif (
        isinstance(value, str) and key == "reference" and (value.startswith(("urn:uuid:", "urn:oid:")) or "?" in value)
    ):
        yield value


def all_resolved(entry: Entry, resource: Json) -> None:
    """Raises UnresolvedReference if a reference of the entry points at nothing."""
    for _ in open_references(resource):
        raise UnresolvedReference("Every urn: reference needs an entry with that fullUrl.", entry=entry.index)


def bundle_names(entry: Entry) -> list[str]:
    """The addresses by which other entries may refer to this one."""
    names = [entry.full_url] if entry.full_url else []
    if entry.full_url.startswith(("http://", "https://")):
        names.append(extraction.relative(entry.full_url))
    return names


def stored_form(resource: Json, rtype: str, id: UUID, version: int, updated: str) -> Json:
    """The resource as it is kept: our id, version and time; what the client claimed of these is dropped (3.1.0.8)."""
    meta = {k: v for k, v in resource.get("meta", {}).items() if k not in ("versionId", "lastUpdated")}
    head: Json = {"resourceType": rtype, "id": str(id)}
    head["meta"] = {"versionId": str(version), "lastUpdated": updated} | meta
    return head | {k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta")}


def check_one(resource: object, rtype: str) -> Json:
    """A single resource that may be stored under this type. Raises NotFhir, TypeNotStored."""
    stored_type(rtype)
    issues = structure.check(resource)
    if not issues and isinstance(resource, dict) and resource["resourceType"] != rtype:
        issues = [Issue(code="value", rule="resourceType must be the type in the address", expression="resourceType")]
    if issues:
        raise NotFhir(issues)
    assert isinstance(resource, dict)
    return resource


def born(patient: Json) -> date | None:
    """The birth date of a Patient, the first day of what is known of it."""
    found = extraction.interval(patient.get("birthDate"))
    return found[0].date() if found else None
