"""Pages for engineers, without a network and without script: every door of the API, and every reason for a no."""

import inspect
from functools import cache
from importlib import import_module
from typing import Any

from litestar import Response, Router, get
from litestar.params import FromPath
from msgspec import Struct

from msingi import openapi
from msingi.kernel.errors import NotFound, Refusal
from msingi.portal import blocks
from msingi.portal.visit import WebRequest, visit

METHODS = ("get", "post", "put", "patch", "delete")
ABOUT = {
    "consent": "What people allow: agreements, consents, receipts, and who looked at their data.",
    "credentials": "ID cards, status lists, verification.",
    "evidence": "Published indicators.",
    "exchange": "Consented data exchange between institutions (X-Road message protocol for REST).",
    "health": "Health records, HL7 FHIR R4.",
    "identity": "Enrolment, identity numbers, duplicates, civil events.",
    "log": "The transparency log (C2SP tlog-tiles).",
    "operations": "Health, readiness, trust.",
    "payments": "Accounts, transfers, payment files (ISO 20022).",
    "registries": "Registers whose shape and rights are described (GovStack Digital Registries).",
    "signin": "OpenID provider, and yes/no answers.",
    "stewardship": "What the stack is made of, and which decisions it makes by rule.",
    "channels": "USSD and text messages.",
}


class Part(Struct, frozen=True):
    """A parameter or member: name, where, type in words, whether it is needed, and what it is."""

    name: str
    place: str
    kind: str
    needed: bool
    about: str


class Door(Struct, frozen=True):
    """One door as the page shows it."""

    method: str
    path: str
    summary: str
    about: str
    parts: tuple[Part, ...]
    answers: tuple[tuple[str, str], ...]
    anchor: str


class Room(Struct, frozen=True):
    """The doors of one tag."""

    name: str
    about: str
    doors: tuple[Door, ...]


class Overview(Struct, frozen=True):
    """All rooms with their doors."""

    title: str
    version: str
    about: str
    rooms: tuple[Room, ...]


class Problem(Struct, frozen=True):
    """One reason for a no."""

    code: str
    status: int
    title: str
    about: str
    remedy: str

    @property
    def room(self) -> str:
        """The building block that says it; a reason of all of them stands under `every`."""
        return self.code.partition(".")[0] if "." in self.code else "every"


def _resolved(schema: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document.get("components", {}).get("schemas", {}).get(name, schema) if name else schema


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    for many in ("oneOf", "anyOf"):
        if many in schema:
            return " or ".join(dict.fromkeys(_kind(s) for s in schema[many]))
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "enum" in schema:
        return " | ".join(str(v) for v in schema["enum"] if v is not None)
    return str(schema.get("format") or kind if isinstance(kind, str) else " or ".join(kind))


def _parts(door: dict[str, Any], document: dict[str, Any]) -> tuple[Part, ...]:
    found = [
        Part(p["name"], p["in"], _kind(p.get("schema", {})), bool(p.get("required")), p.get("description", "") or "")
        for p in door.get("parameters", [])
    ]
    for media, content in door.get("requestBody", {}).get("content", {}).items():
        schema = _resolved(content.get("schema", {}), document)
        needed = set(schema.get("required", []))
        members = schema.get("properties", {})
        for name, member in members.items():
            about = member.get("description", "") or ""
            found.append(Part(name, "body", _kind(member), name in needed, about))
        if not members:
            found.append(
                Part(media, "body", _kind(content.get("schema", {})), True, schema.get("description", "") or "")
            )
    return tuple(found)


def _summary(door: dict[str, Any]) -> str:
    """What the door is for, in a few words: the summary, or else the first sentence of its description."""
    summary, about = door.get("summary", ""), door.get("description", "") or ""
    return summary if " " in summary or not about else about.partition(". ")[0].partition("\n")[0].rstrip(".")


def _charter(name: str) -> str:
    """What a building block says of itself, in the first line of its charter."""
    return (import_module(f"msingi.{name}").__doc__ or "").partition("\n")[0] if name in blocks.rooms() else ""


def overview(document: dict[str, Any]) -> Overview:
    """The OpenAPI document as the page shows it: rooms by name, doors by path."""
    rooms: dict[str, list[Door]] = {}
    for path, methods in sorted(document["paths"].items()):
        for method in METHODS:
            if method not in methods:
                continue
            door = methods[method]
            answers = tuple((code, a.get("description", "")) for code, a in sorted(door.get("responses", {}).items()))
            shown = Door(
                method.upper(),
                path,
                _summary(door),
                door.get("description", "") or "",
                _parts(door, document),
                answers,
                f"{method}{path}".replace("/", "-").replace("{", "").replace("}", ""),
            )
            for tag in door.get("tags") or ["operations"]:
                rooms.setdefault(tag, []).append(shown)
    info = document["info"]
    listed = tuple(Room(name, ABOUT.get(name) or _charter(name), tuple(doors)) for name, doors in sorted(rooms.items()))
    return Overview(info["title"], info["version"], info.get("description", ""), listed)


@cache
def problems() -> dict[str, Problem]:
    """Every reason for a no that the running stack can give, by code."""
    found: dict[str, Problem] = {}
    waiting: list[type[Refusal]] = [Refusal]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            waiting.append(kind)
            about = inspect.cleandoc(kind.__doc__ or "")
            found[kind.code] = Problem(kind.code, kind.status, kind.title, about, kind.remedy)
    return dict(sorted(found.items()))


@get("/docs", include_in_schema=False)
async def docs(request: WebRequest) -> Response[bytes]:
    """Every door of the API."""
    view = overview(openapi.document(request.app))
    return (await visit(request)).page("public/reference.html", view)


@get("/docs/{name:str}", include_in_schema=False)
async def docs_of_room(request: WebRequest, name: FromPath[str]) -> Response[bytes]:
    """The doors of one room, with their parameters and answers."""
    view = overview(openapi.document(request.app))
    for room in view.rooms:
        if room.name == name:
            return (await visit(request)).page("public/reference_room.html", room)
    raise NotFound()


@get("/problems", include_in_schema=False)
async def all_problems(request: WebRequest) -> Response[bytes]:
    """Every reason for a no."""
    return (await visit(request)).page("public/problems.html", tuple(problems().values()))


@get("/problems/{code:str}", include_in_schema=False)
async def one_problem(request: WebRequest, code: FromPath[str]) -> Response[bytes]:
    """One reason for a no, and how to mend it: where the `type` of a problem leads (RFC 9457, section 3.1.1)."""
    if code not in problems():
        raise NotFound()
    return (await visit(request)).page("public/problems.html", (problems()[code],))


routers = [Router("/", route_handlers=[docs, docs_of_room, all_problems, one_problem])]
