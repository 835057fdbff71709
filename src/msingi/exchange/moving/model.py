"""Nouns of moving: a room on its way, the package that carries it, and what both sides say of it."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

FORMAT = "msingi-room/1"
Cells = list[str | bytes | None]  # a row: PostgreSQL's text of each value, and bytes where one was unsealed


class Table(NamedTuple):
    """A table of a room as the database tells of it; `sealed` names the column that is sealed for a person, or none."""

    tab: str
    cols: list[str]
    types: list[str]
    keys: list[str]
    person: str
    sealed: str
    label: str


class Raw(NamedTuple):
    """A row as it stands in the database, with the label and the person of its sealed value."""

    cells: list[str | None]
    label: str | None
    person: UUID | None


class Move(Struct, frozen=True):
    """A room on its way: `side` out or in, `other` the peer, `root` the hash of the manifest once there is one."""

    room: str
    side: str
    other: str
    state: str
    since: datetime
    root: str = ""


class Sum(Struct, frozen=True):
    """What a table holds: how many rows, the SHA-256 over them in order, and, in a package, in how many parts."""

    tab: str
    cols: tuple[str, ...]
    rows: int
    sha256: str
    parts: int = 0


class Manifest(Struct, frozen=True):
    """What a package holds, for whom, and the package's key in a box that only the reader opens (base64)."""

    room: str
    instance: str
    to: str
    box: str
    secrets: str
    tables: tuple[Sum, ...]
    counters: dict[str, int]
    format: str = FORMAT

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return sum(table.parts for table in self.tables)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(table.rows for table in self.tables)


class Taken(Struct, frozen=True):
    """What the new machine says once it has the room: the hash of the manifest, and its own sums."""

    room: str
    manifest: str
    tables: tuple[Sum, ...]
    format: str = FORMAT


class Signed(Struct, frozen=True):
    """A document with the signature of the machine that says it (base64, Ed25519 over `body` as it stands)."""

    body: str
    kid: str
    signature: str
