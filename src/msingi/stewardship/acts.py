"""What the stewardship room shows: the inventory of what runs, and the register of rule-based decisions.

Nothing here is about a person, so nothing here needs a permit; the public can read all of it.
"""

import re
import tomllib
from functools import cache
from importlib import metadata
from importlib.resources import files
from typing import Any

import msgspec

from msingi.stewardship import rules
from msingi.stewardship.errors import UnknownAlgorithm
from msingi.stewardship.model import Algorithm, Component, Vendored

_NEED = re.compile(r"^([A-Za-z0-9._-]+)")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needs(found: metadata.Distribution) -> tuple[str, ...]:
    names = set()
    for line in found.requires or []:
        condition = line.partition(";")[2]
        match = _NEED.match(line)
        if match and "extra ==" not in condition:
            names.add(_plain(match[1]))
    return tuple(sorted(names))


def declared() -> tuple[str, ...]:
    """The packages that the stack itself names, from its own metadata or, in a checkout, its pyproject.toml."""
    try:
        return _needs(metadata.distribution("msingi"))
    except metadata.PackageNotFoundError:
        source = files("msingi").joinpath("../../pyproject.toml")
        lines = tomllib.loads(source.read_text("utf-8"))["project"]["dependencies"]
        return tuple(sorted(_plain(m[1]) for line in lines if (m := _NEED.match(line))))


@cache
def inventory() -> list[Component]:
    """Every package that the stack runs with, by name: what is installed and followed (law 1), and what is vendored."""
    installed = {_plain(d.metadata["Name"]): d for d in metadata.distributions() if d.metadata["Name"]}
    direct, wanted, seen = set(declared()), list(declared()), set()
    found = []
    while wanted:
        name = wanted.pop()
        if name in seen or name not in installed:
            continue
        seen.add(name)
        component = _component(installed[name], name in direct)
        found.append(component)
        wanted += component.needs
    found += [
        Component(v.name, v.version, v.licence, v.summary, v.homepage, True, (), rules.judge(v.licence), v.kind)
        for v in vendored()
    ]
    return sorted(found, key=lambda c: c.name.lower())


def vendored() -> list[Vendored]:
    """The packages whose files stand in this one."""
    raw = tomllib.loads((files("msingi.stewardship") / "vendored.toml").read_text("utf-8"))
    return msgspec.convert(raw["vendored"], list[Vendored])


def _from_files(found: metadata.Distribution) -> str:
    """The title line of a shipped licence text, for packages whose metadata says nothing."""
    for file in found.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE")) and ".dist-info" in str(file):
            lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
            return lines[0] if lines else ""
    return ""


def _component(found: metadata.Distribution, direct: bool) -> Component:
    about: Any = found.metadata
    licence = rules.spdx(
        about.get("License-Expression") or "",
        about.get("License") or _from_files(found),
        found.metadata.get_all("Classifier") or [],
    )
    links = dict(line.split(", ", 1) for line in found.metadata.get_all("Project-URL") or [] if ", " in line)
    home = about.get("Home-page") or links.get("Homepage") or links.get("Source") or links.get("Repository") or ""
    return Component(
        name=about["Name"],
        version=found.version,
        licence=licence,
        summary=about.get("Summary") or "",
        homepage=home,
        direct=direct,
        needs=_needs(found),
        verdict=rules.judge(licence),
    )


@cache
def algorithms() -> dict[str, Algorithm]:
    """The public register of rule-based decisions about people, by name (law 3)."""
    raw = tomllib.loads((files("msingi.stewardship") / "algorithms.toml").read_text("utf-8"))
    return {a.name: a for a in msgspec.convert(raw["algorithms"], list[Algorithm])}


def algorithm(name: str) -> Algorithm:
    """One entry of the register. Raises UnknownAlgorithm."""
    try:
        return algorithms()[name]
    except KeyError:
        raise UnknownAlgorithm() from None
