"""Reads what the code says of itself: columns about people and why they are kept, and the rules in force."""

import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from msingi.kernel.context import PURPOSES

_TABLE = re.compile(r"^CREATE TABLE IF NOT EXISTS ([a-z_.]+)")
_COLUMN = re.compile(r"^\s+(\w+)\s+.*-- personal: ([a-z-]+), keep ([^;]+?)(?:;.*)?$")
_RULE = re.compile(r'@id\("([^":]+): ([^"]+)"\)')
_COVERED = re.compile(r"\((?:sealed|masked)")
_CLEAR = re.compile(r"\((?:in clear|a code): ?(.+)\)$")
_CONTENT = re.compile(
    r"(?:.*_)?(?:names?|phone|address|words|answer|said|photo|born|birth_date|note|because|reasons?|why|title|label|"
    r"reference)"
)
_HIDDEN = re.compile(r"sealed|hash|body|face|keys?$|beneficiary|receipt")


class Column(Struct, frozen=True):
    """One column about people: purpose, retention as its room says it, and whether it is sealed, hashed or masked.

    `clear` is why a column that by its name may hold names, phones or words is not; empty where nobody says it.
    """

    name: str
    purpose: str
    keep: str
    hidden: bool
    clear: str = ""

    @property
    def exposed(self) -> bool:
        """Whether names, phones or words stand in it in clear, and nobody says why."""
        return bool(_CONTENT.fullmatch(self.name)) and not self.hidden and not self.clear


class Table(Struct, frozen=True):
    """A table with columns about people."""

    table: str
    columns: tuple[Column, ...]


class RuleText(Struct, frozen=True):
    """One rule in force: the act or acts that it speaks of, and what it says."""

    room: str
    acts: str
    says: str
    purposes: tuple[str, ...]


def _sources(name: str) -> list[Path]:
    return sorted(Path(str(files("msingi"))).rglob(name))


@cache
def tables() -> tuple[Table, ...]:
    """Every table with columns about people, from the comments of the rooms' schemas."""
    found: dict[str, list[Column]] = {}
    for file in _sources("schema.sql"):
        table = ""
        for row in file.read_text("utf-8").splitlines():
            begins = _TABLE.match(row)
            table = begins[1] if begins else table
            says = _COLUMN.match(row)
            if says and table:
                keep, why = says[3].strip(), _CLEAR.search(says[3].strip())
                covered = bool(_HIDDEN.search(says[1]) or _COVERED.search(keep))
                column = Column(says[1], says[2], keep, covered, why[1] if why else "")
                found.setdefault(table, []).append(column)
    return tuple(Table(name, tuple(columns)) for name, columns in sorted(found.items()))


@cache
def rules() -> tuple[RuleText, ...]:
    """Every rule in force, from the rooms' policies, with the purposes that it names."""
    found = []
    for file in _sources("policy.cedar"):
        for block in re.split(r"(?=^@id)", file.read_text("utf-8"), flags=re.M):
            says = _RULE.match(block)
            if says:
                named = tuple(sorted(p for p in PURPOSES if f'"{p}"' in block))
                found.append(RuleText(file.parent.name, says[1], says[2], named))
    return tuple(found)
