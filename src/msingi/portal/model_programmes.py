"""Nouns of the pages of programmes: the list, one programme, what became of a list of people, and the cycles."""

from datetime import datetime

from msgspec import Struct

from msingi.kernel.money import Money


class ProgrammeLine(Struct, frozen=True, kw_only=True):
    """A programme in the list."""

    id: str
    name: str
    code: str
    people: int
    amount: Money
    open: bool


class ProgrammesPage(Struct, frozen=True, kw_only=True):
    """The programmes of an institution; `may_keep`: the visitor may open one. `older` leads to the next page."""

    lines: tuple[ProgrammeLine, ...]
    may_keep: bool
    older: str = ""


class RefusedLine(Struct, frozen=True):
    """A number of a list that was not taken in, by its line, and why in words."""

    line: int
    why: str


class TakenIn(Struct, frozen=True):
    """What became of a list: how many were taken in, stood there already, were refused, and the first of those."""

    enrolled: int
    already: int
    refused: int
    lines: tuple[RefusedLine, ...]


class CycleLine(Struct, frozen=True, kw_only=True):
    """One file of a cycle. `state` names a text; `may_retry`: it has ended and left somebody unpaid."""

    file_id: str
    label: str
    attempt: int
    at: datetime
    state: str
    lines: int
    total: Money
    paid: int
    rejected: int
    left_out: int
    reasons: tuple[tuple[str, int], ...] = ()
    may_retry: bool = False


class ProgrammePage(Struct, frozen=True, kw_only=True):
    """One programme: its rules as sentences, its people, its cycles."""

    programme: ProgrammeLine
    payer: str
    rules: tuple[str, ...]
    cycles: tuple[CycleLine, ...]
    may_keep: bool
    taken: TakenIn | None = None
