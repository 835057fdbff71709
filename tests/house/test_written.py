"""Measures of the house about documents and snapshots: what outsiders see is written down, and changes show."""

import json
import re

import msgspec
import pytest
from click.testing import CliRunner
from tests.house.code import ROOT, acts, rooms, settle
from tools import reference

from msingi.kernel.context import PURPOSES
from msingi.kernel.settings import Settings

SNAPSHOTS = ROOT / "tests" / "house" / "snapshots"


def test_every_act_has_an_access_test_because_a_forgotten_check_is_the_worst_bug():
    """One yes and one no: a test named `test_access_<act>` in the room's tests."""
    faults = []
    for room in rooms():
        parts = room.relative_to(ROOT / "src" / "msingi").parts
        folders = [ROOT / "tests" / parts[0], ROOT / "tests" / "_".join(parts)]
        text = "\n".join(p.read_text("utf-8") for folder in folders for p in folder.rglob("test_*.py"))
        faults += [f"{room.name}.{act}" for act in acts(room) if f"def test_access_{act}" not in text]
    settle("act-without-access-test", faults)


def test_problems_page_is_generated_from_the_docstrings():
    assert (ROOT / "docs" / "problems.md").read_text("utf-8") == reference.problems(), "run: python -m tools.reference"


def test_settings_page_is_generated_from_the_fields():
    assert (ROOT / "docs" / "how-to" / "settings.md").read_text("utf-8") == reference.settings()
    assert all(f"MSINGI_{f.name.upper()}" in reference.settings() for f in msgspec.structs.fields(Settings))


def test_the_contents_name_every_how_to_page_and_every_decision():
    page = (ROOT / "docs" / "README.md").read_text("utf-8")
    assert page == reference.contents(), "run: python -m tools.reference"
    assert all(f"({file.parent.name}/{file.name})" in page for kind in ("how-to", "decisions")
               for file in (ROOT / "docs" / kind).glob("*.md"))  # fmt: skip


def test_no_page_leads_to_a_file_that_is_not_there():
    faults = []
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for way in re.findall(r"\]\(([^)#\s:]+)[^)]*\)", page.read_text("utf-8")):
            if not (page.parent / way).exists():
                faults.append(f"{page.relative_to(ROOT)}: {way}")
    assert not faults, "\n".join(faults)


def test_every_purpose_is_explained():
    page = (ROOT / "docs" / "purposes.md").read_text("utf-8")
    assert page == reference.purposes()
    assert all(f"`{p}`" in page for p in PURPOSES)


def compare(name: str, now: str) -> None:
    """Compare with the snapshot; MSINGI_TEST_SNAPSHOTS=write renews it, and the change shows in review."""
    import os

    file = SNAPSHOTS / name
    if os.environ.get("MSINGI_TEST_SNAPSHOTS") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(now, "utf-8")
    assert file.exists() and file.read_text("utf-8") == now, f"{name} changed: look, then MSINGI_TEST_SNAPSHOTS=write"


async def test_the_openapi_document_is_a_snapshot(client):
    document = (await client.get("/openapi.json")).json()
    compare("openapi.json", json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


async def test_every_door_says_what_it_is_for(client):
    document = (await client.get("/openapi.json")).json()
    faults = [
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, door in methods.items()
        if not door.get("summary") or not (door.get("description") or "").strip()
    ]
    settle("door-without-description", faults)


def test_help_is_a_snapshot():
    from msingi.cli import COMMANDS, cli

    runner = CliRunner()
    pages = [runner.invoke(cli, ["--help"], prog_name="msingi").output]
    for command in COMMANDS:
        result = runner.invoke(cli, [command, "--help"], prog_name="msingi")
        assert result.exit_code == 0, result.output
        pages.append(f"$ msingi {command} --help\n{result.output}")
    compare("help.txt", "\n".join(re.sub(r"[ \t]+$", "", p, flags=re.M) for p in pages))


def test_event_shapes_are_a_snapshot():
    compare("events.json", json.dumps(reference.events(), indent=1, sort_keys=True) + "\n")


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "GOVERNANCE.md", "CHANGELOG.md", "LICENSE"]
)
def test_the_papers_of_an_open_project_exist(page):
    assert len((ROOT / page).read_text("utf-8")) > 400


def test_links_between_documents_lead_somewhere():
    faults = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not (page.parent / target).exists():
                faults.append(f"{page.relative_to(ROOT)} -> {target}")
    settle("dead-link", faults)
