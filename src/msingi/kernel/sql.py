"""Named SQL: every statement lives in a `queries.sql`, under a name and with a description."""

import re
from functools import cache
from importlib.resources import files

from msgspec import Struct

_HEAD = re.compile(r"^-- name: ([a-z][a-z0-9_]*)\s*$")


class Query(Struct, frozen=True):
    """One statement: `name` as in the file, `text` with $1 parameters, `about` its description."""

    name: str
    text: str
    about: str


class Queries:
    """The statements of one room as attributes: `Q.person_by_id`."""

    def __init__(self, by_name: dict[str, Query]) -> None:
        self.by_name = by_name

    def __getattr__(self, name: str) -> Query:
        try:
            return self.by_name[name]
        except KeyError:
            raise AttributeError(f"queries.sql has no statement named {name}") from None


def parse(text: str, source: str) -> dict[str, Query]:
    """The statements in `text`. Raises ValueError, naming `source`, for one without description or doubled."""
    found: dict[str, Query] = {}
    blocks: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        head = _HEAD.match(line)
        if head:
            blocks.append((head[1], []))
        elif blocks:
            blocks[-1][1].append(line)
    for name, lines in blocks:
        about = []
        while lines and lines[0].startswith("--"):
            about.append(lines.pop(0)[2:].strip())
        body = "\n".join(lines).strip().rstrip(";")
        if not about or not body or name in found:
            raise ValueError(f"{source}: statement {name} needs a description, a body and a name of its own")
        found[name] = Query(name, body, " ".join(about))
    return found


@cache
def load(module: str) -> Queries:
    """The `queries.sql` that stands beside `module` (pass `__name__`)."""
    package = module.rsplit(".", 1)[0]
    return Queries(parse((files(package) / "queries.sql").read_text("utf-8"), package))
