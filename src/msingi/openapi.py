"""The description of every door as OpenAPI 3.1: what the framework derives from types, and what it cannot know.

A door or router says more in its `opt`: `gives`, the media types of its answers, where they are not plain JSON; and
`takes`, the media types of the body that it reads by itself. What refusals look like follows from the dialects;
`refuses` names the media type of the refusals that a door words by itself.
"""

from typing import Any

from litestar import Litestar
from litestar.routes import HTTPRoute

from msingi.kernel import web
from msingi.kernel.errors import NotFound, Outage

STRUCTURED = ("json", "x-www-form-urlencoded")
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "A refusal (RFC 9457). `code` is stable; /problems/{code} explains it; further members are facts.",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "remedy": {"type": "string", "description": "What to do."},
        "instance": {"type": "string", "format": "uri", "description": "Names this request in the stack's log."},
    },
}


def document(app: Litestar) -> dict[str, Any]:
    """The whole description, made once for a running application."""
    known = app.state.get("openapi_document")
    if known is None:
        known = app.state.openapi_document = _completed(app.openapi_schema.to_schema(), _said(app))
    return known


def _said(app: Litestar) -> dict[tuple[str, str], dict[str, Any]]:
    """What each door says in its `opt`, by path and method."""
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    return {
        (route.path_format, str(method).lower()): handler.opt
        for route in routes
        for handler in route.route_handlers
        for method in handler.http_methods
    }


def _completed(schema: dict[str, Any], said: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    shapes = schema.setdefault("components", {}).setdefault("schemas", {})
    shapes["Problem"] = PROBLEM
    for shape in shapes.values():
        shape.pop("default", None)  # a shape has none; the framework leaves there that of a member which uses it
    for path, methods in schema["paths"].items():
        for method, door in methods.items():
            opt = said.get((path, method), {})
            if "parameters" in door:  # of a door with several paths they come in any order
                door["parameters"].sort(key=lambda p: (p["in"], p["name"]))
            answers = door["responses"]
            if "status_code" in str(answers.get("400", {}).get("content", {})):
                del answers["400"]  # the framework's own form of a refusal, which no door of ours gives
            for status, answer in answers.items():
                if status.startswith("2") and answer.get("content"):
                    answer["content"] = _media(opt.get("gives"), answer["content"])
            if opt.get("takes"):
                door["requestBody"] = {"content": _media(opt["takes"], {}), "required": True}
            answers["4XX"] = _refusal(path, NotFound(), "A refusal: what was wrong, and what to do.")
            if opt.get("refuses"):
                answers["4XX"]["content"] |= {kind: {"schema": {}} for kind in opt["refuses"]}
            answers["5XX"] = _refusal(path, Outage(), "Not now: repeat the request after the time in Retry-After.")
    return schema


def _media(kinds: tuple[str, ...] | None, derived: dict[str, Any]) -> dict[str, Any]:
    """The content of an answer or body in these media types; structured ones keep the schema that was derived."""
    if kinds is None:
        return derived
    first = next(iter(derived.values()), {}).get("schema") or {"type": "object"}
    return {kind: {"schema": first if kind.endswith(STRUCTURED) else {"type": "string"}} for kind in kinds}


def _refusal(path: str, ending: web.Ending, about: str) -> dict[str, Any]:
    _, kind = web.dialect_for(path)(ending, "")
    problem = {"$ref": "#/components/schemas/Problem"}
    forms = {web.PROBLEM: problem} if kind == web.PROBLEM else {kind.partition(";")[0]: {"type": "object"}}
    if kind.startswith("text/"):
        forms = {kind.partition(";")[0]: {"type": "string"}}
    return {"description": about, "content": {media: {"schema": form} for media, form in forms.items()}}
