"""What the house rules look at: the source tree, parsed once."""

import ast
from functools import cache
from pathlib import Path

from msingi.app import ROOMS

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "msingi"


@cache
def modules() -> dict[Path, ast.Module]:
    """Every module of the package by its path."""
    return {p: ast.parse(p.read_text("utf-8")) for p in sorted(SRC.rglob("*.py"))}


def name(path: Path) -> str:
    """The path as written in messages."""
    return str(path.relative_to(ROOT))


def rooms() -> list[Path]:
    """The folders of all rooms that exist."""
    return [SRC / r.replace(".", "/") for r in ROOMS if (SRC / r.replace(".", "/")).is_dir()]


def room_of(path: Path) -> str:
    """The first folder under the package, such as `payments`."""
    return path.relative_to(SRC).parts[0]


def acts(room: Path) -> list[str]:
    """The public acts of a room: async functions of `acts.py` whose first arguments are a stack and a context."""
    file = room / "acts.py"
    if not file.exists():
        return []
    return [
        f.name
        for f in modules()[file].body
        if isinstance(f, ast.AsyncFunctionDef)
        and not f.name.startswith("_")
        and [a.arg for a in f.args.args[:2]] == ["stack", "ctx"]
    ]


@cache
def debts() -> dict[str, list[str]]:
    """The ratchet: known exceptions from house rules. Lines may be removed, never added."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "tests" / "house" / "debts.txt").read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            rule, _, what = line.partition(": ")
            found.setdefault(rule, []).append(what.strip())
    return found


def settle(rule: str, faults: list[str]) -> None:
    """Fail on faults that are not known debts, and on debts that no longer exist (so the ratchet only shrinks)."""
    known = set(debts().get(rule, []))
    new = sorted(set(faults) - known)
    gone = sorted(known - set(faults))
    assert not new, f"{rule}: {len(new)} new: " + "; ".join(new[:20])
    assert not gone, f"{rule}: paid off, remove from debts.txt: " + "; ".join(gone[:20])
