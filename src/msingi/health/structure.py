"""Strict structure of FHIR R4: a walker over the compact definitions in `definitions/r4.json`.

Law 6: what is stored matches the standard's definitions: no unknown element, no wrong type, nothing mandatory missing.
Sources: FHIR R4 2.6.2 (JSON), 2.24.0 (types), 5.1 (StructureDefinition); invariants are cited by their key.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from msingi.health import invariants
from msingi.health.model import Issue
from msingi.health.primitives import TESTS

ISSUE_LIMIT = 50
# (parent, element name, index or -1): the way to an element, rendered only when something is wrong with it.
Place = tuple[Any, str, int]
Check = Callable[[object, Place, "Walk"], None]


class Slot(NamedTuple):
    """What one JSON property of a type may hold."""

    label: str
    many: bool
    check: Check
    primitive: bool


class Shape(NamedTuple):
    """One type or group: its properties, what must be there, and of what there may be only one."""

    name: str
    slots: dict[str, Slot]
    required: tuple[tuple[str, tuple[str, ...]], ...]
    choices: tuple[tuple[str, frozenset[str]], ...]
    laws: tuple[invariants.Law, ...]


class Walk:
    """The issues of one resource, and what must be looked at once all of it was seen."""

    __slots__ = ("depth", "issues", "local")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.local: list[tuple[str, Place]] = []
        self.depth = 0

    def no(self, code: str, rule: str, place: Place) -> None:
        """Note one broken rule at a place."""
        if len(self.issues) < ISSUE_LIMIT:
            self.issues.append(Issue(code=code, rule=rule, expression=render(place)))


def render(place: Place) -> str:
    """The FHIRPath of a place, such as `Bundle.entry[3].resource.status`."""
    parts: list[str] = []
    step: Any = place
    while step is not None:
        parent, name, index = step
        parts.append(name if index < 0 else f"{name}[{index}]")
        step = parent
    return ".".join(reversed(parts))


@cache
def definitions() -> dict[str, Any]:
    """The compact definitions, read once."""
    return json.loads(files("msingi.health").joinpath("definitions/r4.json").read_text("utf-8"))


@cache
def resource_types() -> frozenset[str]:
    """Every R4 resource type that can be checked."""
    bases = definitions()["bases"]
    return frozenset(
        name for name, base in bases.items() if base in ("DomainResource", "Resource") and name != "DomainResource"
    )


def check(resource: object, root: str = "") -> list[Issue]:
    """Every broken rule of one resource (up to 50), in document order; empty when it is right.

    `root` prefixes the expressions, such as `Bundle.entry[2].resource`.
    """
    walk = Walk()
    kind = resource.get("resourceType") if type(resource) is dict else None
    name = root or (kind if isinstance(kind, str) and kind in resource_types() else "Resource")
    _resource(resource, (None, name, -1), walk)
    return walk.issues


def _resource(value: object, place: Place, walk: Walk) -> None:
    """Check one resource (root, contained, bundle entry) by its own type."""
    if type(value) is not dict:
        return walk.no("structure", "must be a JSON object", place)
    kind = value.get("resourceType")
    if type(kind) is not str or kind not in resource_types():
        return walk.no("structure", "resourceType must name a FHIR R4 resource", place)
    walk.depth += 1
    outer, walk.local = walk.local, []
    walk_object(shape(kind), value, place, walk)
    contained = value.get("contained")
    here = {c.get("id") for c in contained if type(c) is dict} if type(contained) is list else set()
    inside_contained = place[1] == "contained"
    if inside_contained:
        if contained is not None:
            walk.no("invariant", "dom-2: a contained resource must not contain others", place)
        outer += walk.local
    else:
        for reference, at in walk.local:
            if reference not in here:
                walk.no("invariant", "ref-1: a local reference must point at a contained resource", at)
    walk.local = outer
    walk.depth -= 1


def walk_object(of: Shape, value: object, place: Place, walk: Walk) -> None:
    """Check one object against its shape, properties in the order they stand."""
    if type(value) is not dict:
        return walk.no("structure", "must be a JSON object", place)
    if not value:
        return walk.no("structure", "must not be an empty object", place)
    slots = of.slots
    for name, item in value.items():
        slot = slots.get(name)
        if slot is None:
            _stranger(name, value, place, walk)
        elif slot.many:
            _list(slot, name, item, value, place, walk)
        elif item is None:
            walk.no("structure", "must not be null", (place, slot.label, -1))
        else:
            slot.check(item, (place, slot.label, -1), walk)
    for label, names in of.required:
        for name in names:
            if name in value:
                break
        else:
            walk.no("required", "is mandatory", (place, label, -1))
    for label, names in of.choices:
        if len(value) > 1 and len(names & value.keys()) > 1:
            walk.no("structure", "only one of its types may be given", (place, label, -1))
    for law in of.laws:
        if broken := law(value):
            walk.no("invariant", broken, place)


def _stranger(name: str, value: dict[str, Any], place: Place, walk: Walk) -> None:
    """A property that the type does not have; its name is shown only if it looks like an element's name."""
    if name == "resourceType" and (place[1] in ("contained", "resource", "outcome") or place[0] is None):
        return
    shown = name if name.isidentifier() and len(name) <= 40 else "?"
    walk.no("structure", "is not an element of this type", (place, shown, -1))


def _list(slot: Slot, name: str, items: object, value: dict[str, Any], place: Place, walk: Walk) -> None:
    """Check a repeating element; `null` stands only where the primitive's `_name` sibling speaks (2.6.2.3)."""
    if type(items) is not list:
        return walk.no("structure", "must be a JSON array", (place, slot.label, -1))
    if not items:
        return walk.no("structure", "must not be an empty array", (place, slot.label, -1))
    for index, item in enumerate(items):
        if item is None:
            twin = value.get(name[1:] if name[0] == "_" else "_" + name)
            if not slot.primitive or type(twin) is not list or len(twin) <= index or twin[index] is None:
                walk.no("structure", "must not be null", (place, slot.label, index))
        else:
            slot.check(item, (place, slot.label, index), walk)


@cache
def shape(name: str) -> Shape:
    """The compiled shape of a type or group path, the elements of its bases included."""
    known = definitions()
    base = known["bases"].get(name, "BackboneElement" if "." in name else "")
    slots: dict[str, Slot] = {}
    required: list[tuple[str, tuple[str, ...]]] = []
    choices: list[tuple[str, frozenset[str]]] = []
    if base:
        above = shape(base)
        slots.update(above.slots)
        required += above.required
        choices += above.choices
    for element, text in known["types"].get(name, {}).items():
        _add_element(element, text, slots, required, choices)
    if name in resource_types():
        slots["id"] = Slot("id", False, _primitive("id", ""), True)  # the definitions lose the pattern (2.20)
    return Shape(name, slots, tuple(required), tuple(choices), invariants.LAWS.get(name, ()))


def _add_element(element: str, text: str, slots: dict[str, Slot], required: list[Any], choices: list[Any]) -> None:
    """Read one line of the definitions into slots: `"0..* Reference >Patient,Group"`."""
    cardinality, kinds, *rest = text.split(" ")
    low, high = cardinality.split("..")
    codes = next((word[1:] for word in rest if word[0] == "@"), "")
    targets = next((word[1:] for word in rest if word[0] == ">"), "")
    label = element.removesuffix("[x]")
    names: list[str] = []
    for kind in kinds.split("|"):
        name = label + kind[0].upper() + kind[1:] if element.endswith("[x]") else element
        names.append(name)
        primitive = kind in TESTS
        checker = _primitive(kind, codes) if primitive else _complex(kind, targets)
        slots[name] = Slot(label, high != "1", checker, primitive)
        if primitive:
            slots["_" + name] = Slot(label, high != "1", _complex("Element", ""), True)
    present = tuple(names + ["_" + name for name in names if slots[name].primitive])
    if low != "0":
        required.append((label, present))
    if len(names) > 1:
        choices.append((label, frozenset(names)))


def _primitive(kind: str, codes: str) -> Check:
    test = TESTS[kind]
    allowed = frozenset(definitions()["codes"][codes].split(" ")) if codes else None

    def checker(value: object, place: Place, walk: Walk) -> None:
        broken = test(value)
        if broken:
            walk.no("value", broken, place)
        elif allowed is not None and value not in allowed:
            walk.no("code-invalid", f"must be one of the codes of {codes}", place)

    return checker


def _complex(kind: str, targets: str) -> Check:
    if kind == "Resource":
        return _resource
    if kind == "Reference":
        return _reference(frozenset(targets.split(",")) if targets else None)
    held: list[Shape] = []

    def checker(value: object, place: Place, walk: Walk) -> None:
        if not held:
            held.append(shape(kind))
        walk_object(held[0], value, place, walk)

    return checker


def _reference(targets: frozenset[str] | None) -> Check:
    """A Reference: local ones are collected for ref-1, `Type/id` must be a type that the element allows."""

    def checker(value: object, place: Place, walk: Walk) -> None:
        walk_object(shape("Reference"), value, place, walk)
        text = value.get("reference") if type(value) is dict else None
        if type(text) is not str:
            return
        if text[:1] == "#":
            if len(text) > 1:
                walk.local.append((text[1:], place))
            return
        if targets is None or ":" in text:
            return
        kind = text.partition("/")[0].partition("?")[0]
        if kind in resource_types() and kind not in targets:
            walk.no("structure", f"must point at {', '.join(sorted(targets))}", place)

    return checker
