"""Nouns of the stewardship room: components, findings, registered algorithms."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """What the licence policy says of a component."""

    ALLOWED = "allowed"
    REVIEW = "review"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Component(Struct, frozen=True):
    """One installed package that the stack runs with: `licence` is an SPDX expression, empty if it cannot be told.

    `needs` are the names of the components that it depends on; `direct` says that the stack itself names it; `kind` is
    the type of its package URL.
    """

    name: str
    version: str
    licence: str
    summary: str
    homepage: str
    direct: bool
    needs: tuple[str, ...]
    verdict: Verdict
    kind: str = "pypi"

    @property
    def purl(self) -> str:
        """The package URL, such as `pkg:pypi/asyncpg@0.32.0`."""
        return f"pkg:{self.kind}/{self.name.lower().replace('_', '-')}@{self.version}"


class Vendored(Struct, frozen=True):
    """A package whose files stand in `folder` of this one, unchanged."""

    name: str
    version: str
    kind: str
    licence: str
    summary: str
    homepage: str
    folder: str


class Algorithm(Struct, frozen=True):
    """A decision about people that the stack makes or prepares by rule, as the public register shows it.

    `decides` says what follows from it, `person` who looks before anything happens, `contest` what one can do.
    """

    name: str
    room: str
    decides: dict[str, str]
    logic: dict[str, str]
    limits: dict[str, str]
    person: dict[str, str]
    contest: dict[str, str]
    source: str
