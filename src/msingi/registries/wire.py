"""Outside shapes: GovStack's Database and Data API, and a register's description in GovStack's schema.

What GovStack's schema cannot say stands in members whose names begin with `x-`: at the schema `x-version`, `x-law`,
`x-purpose`, `x-basis` and `x-subject`; at a field `x-read` and `x-write`, each {institution: [purposes]}.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from msingi.consent.model import Access
from msingi.kernel import web
from msingi.kernel.web import Ending
from msingi.registries import rules
from msingi.registries.errors import BadDescription
from msingi.registries.model import Content, Field, FieldType, Listed, Register, RegisterOrder

TYPES = frozenset(str(one) for one in FieldType)


class Box(Struct, frozen=True, forbid_unknown_fields=True):
    """A record's content, in its box."""

    content: Content


class Write(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of create."""

    write: Box


class Query(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of read."""

    query: Box


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of update, update-entries and update-or-create."""

    query: Box
    write: Box


class Answer(Struct, frozen=True):
    """Whether a record exists, and that in words."""

    status: bool
    message: str


class Exists(Struct, frozen=True):
    """Answer of exists."""

    answer: Answer


class Results(Struct, frozen=True, omit_defaults=True):
    """A page of records: `count` of them, and the address of the next page."""

    count: int
    results: list[Content]
    previous: str | None = None
    next: str | UnsetType = UNSET


class Reference(Struct, frozen=True):
    """A register that was used."""

    ReferenceID: str


class Usage(Struct, frozen=True):
    """One use of a person's records; `Refrences` is the specification's own spelling."""

    ID: str
    ReaderID: str
    ReaderInitials: str
    ReaderInstitutionID: str
    ReaderInstitutionName: str
    ReaderApplicationName: str
    SearchDateTime: str
    Refrences: list[Reference]


class Modify(Struct, frozen=True):
    """Body of /database/modify."""

    catalog_name: str
    code: str
    schema: dict[str, Any]
    group_name: str = ""


class Databases(Struct, frozen=True):
    """Answer of /databases."""

    id: int
    name: str
    code: str
    databases: list[dict[str, Any]]
    group_id: int
    order: int
    data_index_increment: int = 1


def order_of(told: Modify, institution: str) -> RegisterOrder:
    """A register's description out of GovStack's schema. Raises BadDescription."""
    schema = told.schema
    properties = _mapping(schema.get("properties"), "properties")
    required = schema.get("required", [])
    if not isinstance(required, list):
        raise BadDescription("a list of names", field="required", rule="type")
    keys = [n for n, p in properties.items() if isinstance(p, Mapping) and p.get("primaryKey") is True]
    if len(keys) != 1:
        raise BadDescription("exactly one property has primaryKey: true", field="properties", rule="primaryKey")
    fields = {name: _field(name, one, name in required, top=True) for name, one in properties.items()}
    if fields[keys[0]].numbered:  # the key is filled in by the register, so nobody has to give it
        fields[keys[0]] = replace(fields[keys[0]], required=False)
    said = {n: schema.get(f"x-{n}", d) for n, d in _SAID.items()}
    if not all(isinstance(text, str) for text in said.values()):
        raise BadDescription("texts", field="x-", rule="type")
    law = said.pop("law") or f"The register's own order, kept by {institution}"
    first = schema.get("incrementIndex", 1)
    if not isinstance(first, int) or not 0 <= first < 2**53:
        raise BadDescription("a whole number", field="incrementIndex", rule="type")
    return RegisterOrder(
        told.code, told.catalog_name, law, key=keys[0], fields=fields, group=told.group_name, first_number=first, **said
    )


_SAID = {"version": "1.0", "law": "", "purpose": "public-service", "basis": "public-task", "subject": ""}


def _mapping(told: Any, name: str) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise BadDescription("an object", field=name[:60], rule="type")
    return told


def _field(name: str, told: Any, required: bool, *, top: bool) -> Field:
    told = _mapping(told, name)
    words = str(told.get("type", "string")).split()  # GovStack's own example says "some string"
    if not words or words[-1] not in TYPES:
        raise BadDescription(f"one of {', '.join(FieldType)}", field=name, rule="type")
    nested = _mapping(told.get("properties", {}), name)
    return Field(
        FieldType.OBJECT if nested else FieldType(words[-1]),
        required,
        str(told.get("description", ""))[:500],
        str(told.get("example", ""))[:200],
        _numbered(name, told.get("triggers", [])),
        _grants(name, told.get("x-read", {})),
        _grants(name, told.get("x-write", {})),
        {n: _field(n, one, False, top=False) for n, one in nested.items()} if top else {},
    )


def _numbered(name: str, triggers: Any) -> str:
    """The pattern of the only trigger that a register carries out: number a key that was left empty."""
    if not triggers:
        return ""
    try:
        (trigger,) = triggers
        (condition,), (action,) = trigger["conditions"], trigger["actions"]
        empty = condition["logic"] == "==" and condition["value"] == ""
        if empty and action["type"] == "set-value" and rules.NUMBER in action["value"]:
            return str(action["value"])[:60]
    except (TypeError, ValueError, KeyError):
        pass
    raise BadDescription("the only trigger is: set an empty key to a number", field=name, rule="triggers")


def _grants(name: str, told: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(told, dict) or not all(isinstance(purposes, list) for purposes in told.values()):
        raise BadDescription("{institution: [purposes]}", field=name, rule="grants")
    return {str(one)[:60]: tuple(map(str, purposes)) for one, purposes in told.items()}


def _property(name: str, one: Field, key: str) -> dict[str, Any]:
    told: dict[str, Any] = {"type": one.type, "description": one.about, "example": one.example}
    if name == key:
        told |= {"primaryKey": True, "readOnly": bool(one.numbered)}
    if one.numbered:
        condition, action = {"logic": "==", "value": "", "gate": "&&"}, {"type": "set-value", "value": one.numbered}
        told["triggers"] = [{"conditions": [condition], "actions": [action]}]
    if one.fields:
        told["properties"] = {n: _property(n, f, "") for n, f in one.fields.items()}
    rights = {"x-read": one.read, "x-write": one.write}
    return told | {n: {i: list(p) for i, p in grants.items()} for n, grants in rights.items() if grants}


def schema_of(order: RegisterOrder) -> dict[str, Any]:
    """A register's description in GovStack's schema."""
    return {
        "type": "object",
        "properties": {name: _property(name, one, order.key) for name, one in order.fields.items()},
        "incrementIndex": order.first_number,
        "required": [name for name, one in order.fields.items() if one.required],
        **{f"x-{name}": getattr(order, name) for name in _SAID},
    }


def database(register: Register) -> dict[str, Any]:
    """A register as GovStack's Database API tells it."""
    order = register.order
    return {
        "id": register.register_id,
        "version": order.version,
        "name": order.title,
        "code": order.code,
        "description": order.law,
        "institution": register.keeper,
        "schema": schema_of(order),
        "fields_uniques": [[order.key]],
        "is_draft": False,
        "is_disabled": False,
        "is_archived": False,
        "modified_at": register.at.isoformat(),
    }


def databases(registers: Iterable[Register], name: str) -> Databases:
    """All registers of this installation as one group."""
    return Databases(1, name, "registries", [database(one) for one in registers], 1, 1)


def results(page: Listed, address: str) -> Results:
    """A page of records; `address` is that of the next page without its `page`."""
    following = f"{address}{'&' if '?' in address else '?'}page={page.after}" if page.after else UNSET
    return Results(len(page.records), [one.content for one in page.records], next=following)


def dialect(ending: Ending, request_id: str) -> tuple[Any, str]:
    """A refusal as problem details under the media type that GovStack's clients expect; `detail` says why."""
    return web.problem(ending, request_id)[0], "application/json"


def usage(line: Access, name: str, register: str) -> Usage:
    """One use of a person's records; `name` is that of the institution."""
    reader = line.actor or line.institution
    initials = "".join(word[0] for word in reader.replace("/", " ").split())[:5].upper()
    return Usage(
        str(line.record_id), reader, initials, line.institution, name, f"{line.act} ({line.purpose})", line.at,
        [Reference(register)],
    )  # fmt: skip
