"""Measures of the house about the shape of the code, each with its because."""

import ast
import re

from tests.house.code import SRC, modules, name, room_of, rooms, settle

BANNED = {
    "manager",
    "helper",
    "util",
    "utils",
    "common",
    "base",
    "impl",
    "process",
    "handle",
    "data",
    "info",
    "misc",
    "service",
}
# Names that other people's interfaces or standards force on us.
FORCED = {"signature_base", "service_path"}  # RFC 9421, section 2.5; X-Road message protocol


def test_files_are_under_400_lines_because_a_reader_holds_no_more():
    faults = [name(p) for p in modules() if len(p.read_text("utf-8").splitlines()) >= 400]
    settle("long-file", faults)


def test_functions_are_under_70_lines_because_a_screen_holds_no_more():
    faults = []
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length >= 70:
                    faults.append(f"{name(path)} {node.name}")
    settle("long-function", faults)


def test_no_file_is_a_crumb_because_the_disease_of_the_field_is_fragmentation():
    faults = [
        name(p)
        for p in modules()
        if p.name not in ("__init__.py", "__main__.py", "errors.py") and len(p.read_text("utf-8").splitlines()) <= 15
    ]
    settle("crumb", faults)


def test_no_room_is_a_cupboard_because_a_room_of_300_lines_is_a_function_of_its_neighbour():
    faults = []
    for room in rooms():
        lines = sum(len(p.read_text("utf-8").splitlines()) for p in room.rglob("*.py"))
        if lines < 300:
            faults.append(name(room))
    settle("small-room", faults)


def _words(identifier: str) -> set[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    return set(spaced.lower().strip("_").split("_"))


def test_no_banned_name_because_it_says_nothing():
    faults = []
    for path, tree in modules().items():
        if _words(path.stem) & BANNED:
            faults.append(name(path))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name in FORCED:
                continue
            if _words(node.name) & BANNED:
                faults.append(f"{name(path)} {node.name}")
    settle("banned-name", faults)


def test_only_stores_run_sql_because_decisions_and_statements_must_not_mix():
    """Outside the kernel, only a room's `store.py` (and its parts) calls a transaction's statement methods."""
    verbs = {"rows", "row", "value", "do", "many", "copy"}
    faults = []
    for path, tree in modules().items():
        if room_of(path) in ("kernel", "cli", "doors.py") or path.stem.startswith("store"):
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in verbs
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "tx"
            ):
                faults.append(f"{name(path)} tx.{node.func.attr}")
            if isinstance(node, ast.Attribute) and node.attr == "plumbing":
                faults.append(f"{name(path)} plumbing")
    settle("sql-outside-store", faults)


def test_laws_are_pure_because_they_are_what_a_property_test_can_reach():
    """`rules.py` has no await, no SQL, no clock and no chance."""
    faults = []
    for path, tree in modules().items():
        if path.name != "rules.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef | ast.Await):
                faults.append(f"{name(path)} await")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = node.func.attr
                if called in ("now", "today", "token_bytes", "urandom", "token_urlsafe"):
                    faults.append(f"{name(path)} {called}")
    settle("impure-law", faults)


def test_public_things_have_docstrings_because_names_alone_do_not_give_units_and_errors():
    faults = []
    for path, tree in modules().items():
        if not ast.get_docstring(tree):
            faults.append(name(path))
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                faults.append(f"{name(path)} {node.name}")
    settle("no-docstring", faults)


def test_rooms_have_charters_because_a_newcomer_starts_there():
    faults = [
        name(r)
        for r in rooms()
        if not re.search(r"Laws?\n", (ast.get_docstring(modules()[r / "__init__.py"]) or "") + "\n")
    ]
    settle("no-charter", faults)


def test_code_never_names_a_country_because_a_country_is_data():
    names = re.compile(r"\b(tanzania|taifa|wahat|tunisia|kenya)\b", re.I)
    faults = []
    for path in modules():
        if room_of(path) in ("countries", "cli") or path == SRC / "kernel" / "settings.py":
            continue
        if names.search(path.read_text("utf-8")):
            faults.append(name(path))
    settle("named-country", faults)
