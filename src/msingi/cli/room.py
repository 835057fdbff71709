"""`msingi room NAME`: a building block that works from the first minute, with tests that say what is missing."""

import difflib
import keyword
import re
import subprocess
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path

import click

import msingi
from msingi.portal import words

SHAPE = re.compile(r"[a-z][a-z0-9]{2,15}")
BANNED = frozenset("manager helper util utils common base impl process handle data info misc service".split())
# Words that PostgreSQL does not take for the name of a schema (appendix C, reserved), and schemas that it has.
SQL_WORDS = frozenset(
    """all analyse analyze and any array asc asymmetric authorization binary both case cast check collate collation
    column concurrently constraint create cross default deferrable desc distinct else end except false fetch for
    foreign freeze from full grant group having ilike initially inner intersect into isnull join lateral leading
    left like limit localtime localtimestamp natural not notnull null offset only order outer overlaps placing
    primary public references returning right select similar some symmetric table tablesample then trailing true
    union unique user using variadic verbose when where window with""".split()
)
BLOCKS = re.compile(r"^BLOCKS: tuple\[str, \.\.\.\] = \((.*)\)", re.M)
LAYER = re.compile(r'(\n  # building blocks: .*\n)(  "msingi\..*",\n)??(?=  "msingi\.governance)')
Files = dict[Path, str]


def fault(name: str, root: Path) -> str:
    """Why there can be no room of this name, as a sentence; empty if there can."""
    if not SHAPE.fullmatch(name):
        return "A room's name is one lower-case word of 3 to 16 letters and digits, such as licences."
    if name in BANNED:
        return f"The house bans the name {name}, because it says nothing. Name the room after what people get there."
    if keyword.iskeyword(name) or name in SQL_WORDS:
        return f"{name} is a word of Python or SQL. Choose another, such as {name}s."
    if find_spec(f"msingi.{name}") or (root / "tests" / name).exists():
        return f"There is a room, a module or a folder of tests named {name} already."
    if any(key.startswith(f"{name}.") or key == f"menu.{name}" for key in words.load("en").entries):
        return f"The portal has a page or texts named {name} already."
    return ""


def _templates(folder: Traversable, below: Path) -> Files:
    found: Files = {}
    for entry in folder.iterdir():
        if entry.is_dir():
            found |= _templates(entry, below / entry.name)
        elif entry.name.endswith(".in"):
            found[below / entry.name.removesuffix(".in")] = entry.read_text("utf-8")
    return found


def new_files(name: str, root: Path) -> Files:
    """The files of the room, its migration and its tests, by path."""
    scaffold, source = files("msingi.cli") / "scaffold", root / "src" / "msingi"
    made = _templates(scaffold / "room", source / name) | _templates(scaffold / "tests", root / "tests" / name)
    # Blocks have numbers of their own, so that a team can merge the house's next migrations without a clash.
    last = max([1000, *(int(file.name[:4]) for file in (source / "migrations").glob("[1-9]*.sql"))])
    made[source / "migrations" / f"{last + 1:04d}_{name}.sql"] = made[source / name / "schema.sql"]
    return {path: made[path].replace("NAME", name).replace("TITLE", name.capitalize()) for path in sorted(made)}


def edits(name: str, root: Path) -> Files:
    """The two files that must learn of the room, as they will be. Raises ClickException where there is no place."""
    app, project = root / "src" / "msingi" / "app.py", root / "pyproject.toml"
    code, layers = app.read_text("utf-8"), project.read_text("utf-8")
    line = BLOCKS.search(code)
    if line is None or not LAYER.search(layers):
        raise click.ClickException("app.py lacks its line BLOCKS, or pyproject.toml its comment on building blocks.")
    rooms = [*re.findall(r'"(\w+)"', line[1]), name]
    listed = ", ".join(f'"{room}"' for room in rooms) + ("," if len(rooms) == 1 else "")
    layer = f'  "{" | ".join(f"msingi.{room}" for room in rooms)}",\n'
    return {
        app: code[: line.start(1)] + listed + code[line.end(1) :],
        project: LAYER.sub(lambda found: found[1] + layer, layers),
    }


def _show(path: Path, after: str, root: Path) -> None:
    here = str(path.relative_to(root))
    before = path.read_text("utf-8").splitlines(keepends=True)
    for line in difflib.unified_diff(before, after.splitlines(keepends=True), here, here, n=1):
        colour = {"+": "green", "-": "red"}.get(line[0]) if not line.startswith(("+++", "---")) else None
        click.secho("  " + line.rstrip("\n"), fg=colour)


def _tidy(made: Files) -> None:
    """Order imports and wrap lines as the house does: both depend on how long the room's name is."""
    code = [str(path) for path in made if path.suffix == ".py"]
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        subprocess.run([sys.executable, "-m", "ruff", *command, "--quiet", *code], check=False)


NEXT = """
Next:
  make up                                 start again, then look, as the start's sample logins say:
    /me/{name:<30}   as a person: apply
    /staff/{name:<27}   as caseworker-1: look and decide
    /docs/{name:<28}   the API
  .venv/bin/pytest tests/{name:<16} what works, and, failing on purpose, what makes it your own
  .venv/bin/python -m tools.reference && MSINGI_TEST_SNAPSHOTS=write .venv/bin/pytest tests/house
                                          renew what outsiders see: problems, API, events
To undo: git checkout src/msingi/app.py pyproject.toml
         rm -r src/msingi/{name} tests/{name} src/msingi/migrations/*_{name}.sql
"""


@click.command()
@click.argument("name")
def room(name: str) -> None:
    """Scaffold the building block NAME: one lower-case word, such as licences.

    It is a register that works: people apply on a page of the portal and may let the institution read their name;
    case workers decide with a reason; there is an API, a policy, a table behind a wall, events, and tests. Change it
    into what you need. Tests that fail on purpose say what is still missing to make it yours.
    """
    root = Path(msingi.__file__).parents[2]
    if not (root / "pyproject.toml").exists() or not (root / "tests").is_dir():
        raise click.ClickException("A room is made in a checkout of the sources: git clone, then make room NAME=...")
    wrong = fault(name, root)
    if wrong:
        raise click.ClickException(wrong)
    made, changed = new_files(name, root), edits(name, root)
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    _tidy(made)
    click.echo(f"The room {name} stands. New:")
    for path in made:
        click.echo(f"  {path.relative_to(root)}")
    click.echo("Changed, so that the stack knows it:")
    for path, text in changed.items():
        _show(path, text, root)
        path.write_text(text, "utf-8")
    click.echo(NEXT.format(name=name))
