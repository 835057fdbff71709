"""`msingi room`: in a copy of the checkout, a room is made, tested, run, used, and changed as the how-to says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests import running
from tests.house.test_shape import BANNED
from tests.running import ROOT, Running

from msingi import app
from msingi.cli import room
from msingi.cli.visitor import Visitor

HOW_TO = ROOT / "docs" / "how-to" / "build-on-it.md"


def run(copy: Path, *command: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command in the copy, with this environment's Python and the copy's sources."""
    env = os.environ | {"PYTHONPATH": f"{copy / 'src'}:{copy}", "NO_COLOR": "1"}
    return subprocess.run(command, cwd=copy, env=env, input=stdin, capture_output=True, text=True, timeout=120)


def python(copy: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return run(copy, sys.executable, "-m", *args)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The checkout as it is, without blocks that somebody may have added to it."""
    made = tmp_path_factory.mktemp("checkout")
    every = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(every, cwd=ROOT, capture_output=True, text=True, check=True)
    own = {"src/msingi/migrations/1", *(f"src/msingi/{b}/" for b in app.BLOCKS), *(f"tests/{b}/" for b in app.BLOCKS)}
    for name in listed.stdout.split("\0"):
        if (ROOT / name).is_file() and not name.startswith(tuple(own)):
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, made / name)
    code, layers = made / "src" / "msingi" / "app.py", made / "pyproject.toml"
    code.write_text(room.BLOCKS.sub("BLOCKS: tuple[str, ...] = ()", code.read_text("utf-8")), "utf-8")
    layers.write_text(room.LAYER.sub(r"\1", layers.read_text("utf-8")), "utf-8")
    subprocess.run(["git", "init", "-q"], cwd=made, check=True)
    return made


@pytest.fixture(scope="module")
def licences(copy) -> Path:
    """The copy with the room licences in it."""
    made = python(copy, "msingi", "room", "licences")
    assert made.returncode == 0, made.stderr
    assert '+BLOCKS: tuple[str, ...] = ("licences",)' in made.stdout and '+  "msingi.licences",' in made.stdout
    return copy


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Licences", "lower-case word"), ("school_meals", "lower-case word"), ("x", "lower-case word"),
        ("service", "bans"), ("class", "word of Python or SQL"), ("grant", "word of Python or SQL"),
        ("payments", "already"), ("doors", "already"), ("house", "already"), ("accesses", "already"),
        ("desk", "already"),
    ],
)  # fmt: skip
def test_a_name_that_would_not_do_is_refused_with_a_reason(name, why):
    assert why in room.fault(name, ROOT)


def test_the_command_knows_the_names_that_the_house_bans():
    assert room.BANNED == BANNED


def test_nothing_is_written_for_a_refused_name(licences):
    refused = python(licences, "msingi", "room", "licences")
    assert refused.returncode == 1 and "already" in refused.stderr and not refused.stdout


def test_a_second_block_joins_the_layer_of_the_first(licences):
    code, layers = room.edits("permits", licences).values()
    assert 'BLOCKS: tuple[str, ...] = ("licences", "permits")' in code
    assert '"msingi.licences | msingi.permits",\n' in layers and layers.count("msingi.licences") == 1


def test_the_room_is_as_clean_as_the_house(licences):
    mine = ["src/msingi/licences", "tests/licences"]
    for check in (["check", "-q"], ["format", "-q", "--check"]):
        done = python(licences, "ruff", *check, *mine, "src/msingi/app.py")
        assert done.returncode == 0, done.stdout + done.stderr
    types = python(licences, "basedpyright", "--pythonpath", sys.executable, "--level", "error", mine[0])
    assert types.returncode == 0, types.stdout
    layers = run(licences, str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    assert "msingi.licences" not in layers.stdout, layers.stdout


def test_what_works_passes_and_what_is_missing_is_said_in_sentences(licences):
    said = python(licences, "pytest", "tests/licences", "-W", "ignore", "-p", "no:cacheprovider").stdout
    failed = set(re.findall(r"^FAILED tests/licences/(\S+?)::(\w+)", said, re.M))
    assert {file for file, _ in failed} == {"test_yours.py"}, said
    assert len(failed) == 4 and " error" not in said.splitlines()[-1]
    assert re.search(r"^Open src/msingi/licences/__init__.py and write, in its first line", said, re.M)
    assert re.search(r"^Copy en.toml to sw.toml in src/msingi/licences/texts.", said, re.M)
    assert "Traceback" not in said


async def test_people_apply_and_case_workers_see_what_people_allow(licences, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "ROOT", licences)
    stack = Running(tmp_path / "home", 12).start()
    try:
        await _use(stack)
    finally:
        stack.stop()


async def _use(stack: Running) -> None:
    me, desk = stack.sample["people"][0], next(s for s in stack.sample["staff"] if s["role"] == "caseworker")
    async with Visitor(stack.url) as person, Visitor(stack.url) as worker:
        await person.sign_in(me["number"], me["pin"], me["phone"])
        page = await person.open("/me/licences")
        page = await person.submit(page, page.form("what"), what="A stall at the market", allow="yes")
        assert "Waits for a decision" in page.main

        await worker.sign_in(desk["id"], desk["pin"], desk["phone"])
        page = await worker.open("/staff/licences")
        assert me["name"] not in page.text
        case = page.link("/staff/licences/")
        page = await worker.open(case)
        assert me["name"] in page.main and me["birth_date"] in page.main

        printed = stack.run("token", "--home", str(stack.home), "cases-app")
        assert printed.returncode == 0, printed.stderr
        door = f"{stack.url}/v1/licences/cases/{case.rpartition('/')[2]}"
        asked = httpx.get(door, headers={"Authorization": f"Bearer {printed.stdout.strip()}"}, trust_env=False).json()
        assert asked["name"] == me["name"] and me["number"] not in json.dumps(asked)

        page = await worker.submit(page, page.form("reason"), answer="yes", reason="All papers are here.")
        assert "Nothing waits" in page.main
        page = await person.open("/me/licences")
        assert "Granted" in page.main and "All papers are here." in page.main
        page = await person.open("/me/accesses")
        assert "Opened your application" in page.main and desk["name"] in page.main

        page = await person.open((await person.open("/me/consents")).link("/withdraw"))
        await person.submit(page, page.form(action="/withdraw"))
        page = await worker.open(case)
        assert me["name"] not in page.text and "does not allow you to see this" in page.main


def test_the_how_to_makes_the_room_ones_own(licences):
    """The changes that the page asks for apply as they stand there, and satisfy what they say they satisfy."""
    blocks = re.findall(r"^git apply <<'END'\n(.*?)^END$", HOW_TO.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 2
    for block in blocks:
        applied = run(licences, "git", "apply", stdin=block)
        assert applied.returncode == 0, applied.stderr
    fast = [
        "tests/licences/test_yours.py",
        "tests/licences/test_laws.py",
        "-k",
        "not law_3",
        "-W",
        "ignore",
        "--noconftest",
    ]
    said = python(licences, "pytest", *fast, "-p", "no:cacheprovider").stdout
    assert set(re.findall(r"^FAILED \S+::(\w+)", said, re.M)) == {
        "test_the_room_speaks_every_language_of_the_portal"
    }, said
    for check in (["check", "-q"], ["format", "-q", "--check"]):
        done = python(licences, "ruff", *check, "src/msingi/licences", "tests/licences")
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_how_to_names_what_exists():
    """Commands of the page are commands of the program; files that it names stand in a room."""
    from msingi.cli import COMMANDS

    page = HOW_TO.read_text("utf-8")
    assert set(re.findall(r"\.venv/bin/msingi (\w+)", page)) <= set(COMMANDS)
    made = {path.name for path in room.new_files("licences", ROOT)}
    table = page.partition("## 0:25")[2].partition("## 0:30")[0]
    assert set(re.findall(r"`(\w+\.(?:py|sql|cedar))`", table)) <= made
