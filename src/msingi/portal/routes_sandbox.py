"""The practice room of a sandbox: whom one can sign in as, the messages that invented phones got, and what to try."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from litestar import Response, get
from msgspec import Struct

from msingi.kernel.context import job_context
from msingi.portal import model_staff as d
from msingi.portal.routes_person import speaker
from msingi.portal.routes_staff import MESSAGES_OF, NewestMessages
from msingi.portal.visit import Visit, WebRequest, visit

SAMPLE = "sample.json"  # what the maker of the sample wrote into the stack's folder
PEOPLE, MESSAGES = 5, 12


class Login(Struct, frozen=True):
    """Somebody to sign in as: what they are called, what an official may do, and what they type."""

    name: str
    what: str
    login: str
    pin: str


class Got(Struct, frozen=True):
    """A message, and whose phone got it."""

    at: datetime
    to: str
    text: str


class Practice(Struct, frozen=True):
    """The page. Without a sample both lists of logins are empty."""

    people: tuple[Login, ...]
    staff: tuple[Login, ...]
    messages: tuple[Got, ...]


def _known(seen: Visit) -> dict[str, Any]:
    file = Path(seen.stack.settings.home) / SAMPLE
    return json.loads(file.read_text("utf-8")) if file.exists() else {"people": [], "staff": []}


def _roles(seen: Visit, roles: list[str]) -> str:
    return ", ".join(seen.say(f"desk.role_{r}") for r in roles if seen.words.has(f"desk.role_{r}"))


@get("/sandbox")
async def practice(request: WebRequest) -> Response[bytes]:
    """Logins of the sample and the newest messages; this door stands in a sandbox only."""
    seen = await visit(request)
    known, say = _known(seen), speaker(seen)
    newest = cast(NewestMessages, seen.stack.local[MESSAGES_OF])
    found = await newest(seen.stack, job_context("sandbox"), limit=MESSAGES)
    names = {one["phone"]: one["name"] for one in (*known["people"], *known["staff"])}
    view = Practice(
        tuple(Login(p["name"], "", p["number"], p["pin"]) for p in known["people"][:PEOPLE]),
        tuple(
            Login(s["name"], f"{_roles(seen, s['roles'])} · {say.institution(s['institution'])}", s["id"], s["pin"])
            for s in known["staff"]
        ),
        tuple(Got(x.at, names.get(x.to, x.to), x.text) for x in cast(list[d.MessageLine], found)),
    )
    return seen.page("public/practice.html", view)
