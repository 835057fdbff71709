"""The laws of the registries as pure functions."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from msgspec.structs import replace

from msingi.kernel.context import BASES, PURPOSES
from msingi.registries.errors import BadContent, BadDescription, FieldNotGranted
from msingi.registries.model import EVERY, Content, Field, FieldType, Register, RegisterOrder

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{0,19}")
MAX_TEXT, MAX_FIELDS = 4_000, 200
NUMBER = "{indexNoByCode}"
_TYPES: dict[FieldType, tuple[type, ...]] = {
    FieldType.STRING: (str,),
    FieldType.INTEGER: (int,),
    FieldType.NUMBER: (int, float),
    FieldType.BOOLEAN: (bool,),
    FieldType.DATE: (str,),
    FieldType.OBJECT: (dict,),
}


def described(order: RegisterOrder) -> RegisterOrder:
    """The description if a register can be like this (law 1). Raises BadDescription."""
    if not NAME.fullmatch(order.code):
        raise BadDescription("a letter, then letters, digits, _ and -", field="code", rule="name")
    if not VERSION.fullmatch(order.version):
        raise BadDescription("digits, letters and dots", field="version", rule="version")
    if order.purpose not in PURPOSES:
        raise BadDescription("not a purpose that this stack knows", field="purpose", rule="purpose")
    if order.basis not in BASES - {"consent", "contract"}:
        raise BadDescription("a register rests on a law, not on single people's will", field="basis", rule="basis")
    if not order.law.strip() or not order.title.strip():
        raise BadDescription("a register has a title and a law", field="law", rule="given")
    key = order.fields.get(order.key)
    if key is None or key.type is not FieldType.STRING or order.key == order.subject:
        raise BadDescription("the key is one of the fields, a string, not the subject", field="key", rule="key")
    subject = order.fields.get(order.subject) if order.subject else key
    if subject is None or subject.type is not FieldType.STRING:
        raise BadDescription("the subject is one of the fields, a string", field="subject", rule="subject")
    _fields(order.fields, top=True, key=order.key)
    return order


def _fields(fields: Mapping[str, Field], *, top: bool, key: str) -> None:
    if len(fields) > MAX_FIELDS:
        raise BadDescription(f"at most {MAX_FIELDS} fields", field="fields", rule="count")
    for name, one in fields.items():
        if not NAME.fullmatch(name):
            raise BadDescription("a letter, then letters, digits, _ and -", field=name[:60], rule="name")
        if one.fields and (one.type is not FieldType.OBJECT or not top):
            raise BadDescription("only a field of type object, at the top, has fields", field=name, rule="nesting")
        if one.numbered and (name != key or one.numbered.count(NUMBER) != 1):
            raise BadDescription(f"only the key is numbered, with {NUMBER} once", field=name, rule="numbered")
        for grants in (one.read, one.write):
            if any(purpose not in PURPOSES for purposes in grants.values() for purpose in purposes):
                raise BadDescription("a grant names purposes that this stack knows", field=name, rule="purpose")
            if grants and not top:
                raise BadDescription("rights are granted for whole fields at the top", field=name, rule="nesting")
        _fields(one.fields, top=False, key="")


def granted(register: Register, institution: str, purpose: str, *, write: bool = False) -> frozenset[str]:
    """The fields that an institution may read, or write, for a purpose (law 2)."""
    order = register.order
    if institution == register.keeper and purpose == order.purpose:
        return frozenset(order.fields)
    found = set()
    for name, one in order.fields.items():
        grants = one.write if write else one.read
        if institution and purpose in (*grants.get(institution, ()), *grants.get(EVERY, ())):
            found.add(name)
    return frozenset(found)


def allow(wanted: Iterable[str], register: Register, fields: frozenset[str]) -> None:
    """Raises BadContent for a field that the register does not have, FieldNotGranted for one outside `fields`."""
    for name in wanted:
        if name not in register.order.fields:
            raise BadContent("the register has no such field", field=str(name)[:60], rule="known")
        if name not in fields:
            raise FieldNotGranted(field=name)


def checked(fields: Mapping[str, Field], content: Content, *, whole: bool) -> Content:
    """The content if it fits the fields (law 1); `whole` asks for all that are mandatory. Raises BadContent."""
    for name, value in content.items():
        one = fields.get(name)
        if one is None:
            raise BadContent("the register has no such field", field=str(name)[:60], rule="known")
        _value(name, one, value)
    for name, one in fields.items():
        if whole and one.required and content.get(name) in (None, ""):
            raise BadContent("this field is mandatory", field=name, rule="required")
    return content


def _value(name: str, one: Field, value: Any) -> None:
    wrong = isinstance(value, bool) and one.type is not FieldType.BOOLEAN
    if wrong or not isinstance(value, _TYPES[one.type]):
        raise BadContent(f"this field holds a {one.type}", field=name, rule="type")
    if isinstance(value, str) and (len(value) > MAX_TEXT or "\0" in value):
        raise BadContent(f"at most {MAX_TEXT} characters", field=name, rule="length")
    if isinstance(value, int) and abs(value) >= 2**53:
        raise BadContent("a number that JSON can carry", field=name, rule="size")
    if one.type is FieldType.DATE and isinstance(value, str):
        try:
            told = date.fromisoformat(value).isoformat()
        except ValueError:
            told = None
        if told != value:  # ISO 8601 knows other ways to write the same day, and a register one
            raise BadContent("a day as YYYY-MM-DD", field=name, rule="date")
    if one.type is FieldType.OBJECT and isinstance(value, dict):
        checked(one.fields, value, whole=True)


def fits(content: Content, query: Content) -> bool:
    """Whether a record has every value of the query."""
    return all(name in content and content[name] == value for name, value in query.items())


def seen(content: Content, fields: frozenset[str]) -> Content:
    """What a reader with these fields sees of a record (law 2)."""
    return {name: value for name, value in content.items() if name in fields}


def same_shape(old: RegisterOrder, new: RegisterOrder) -> bool:
    """Whether records under the old description stay true under the new one: only words and rights differ."""

    def bare(order: RegisterOrder) -> Any:
        plain = {n: replace(f, read={}, write={}, about="", example="") for n, f in order.fields.items()}
        return plain, order.key, order.subject, order.purpose, order.basis

    return bare(old) == bare(new)
