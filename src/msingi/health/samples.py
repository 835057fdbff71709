"""The sample bundles of the package, addressed to a person of a sample country. For demonstrations and tests only."""

from __future__ import annotations

import re
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

from msingi.health import extraction, wire
from msingi.health.model import Json

NAMES = ("infant", "adult")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(T.*)?").fullmatch


def load(name: str) -> Json:
    """A sample transaction bundle, `infant` or `adult`; its Patient names no person yet."""
    return wire.decode(files("msingi.countries").joinpath(f"samples/fhir/{name}.json").read_bytes())


def for_person(
    name: str,
    system: str,
    number: str,
    *,
    family: str = "",
    given: str = "",
    sex: str = "",
    born: date | None = None,
    today: date | None = None,
    region: str = "",
) -> Json:
    """The sample `name` as the record of the person with an identity number of `system`.

    With `born` every date moves to that person's age; what would then lie after `today` is left out. Sending the
    result again finds the Patient that is there (If-None-Exist), and stores the rest once more.
    """
    bundle = load(name)
    patient = next(e for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    if born is not None:
        days = (born - date.fromisoformat(patient["resource"]["birthDate"])).days
        bundle = _moved(bundle, days)
        patient = next(e for e in bundle["entry"] if e["resource"]["resourceType"] == "Patient")
    body = patient["resource"]
    body["identifier"] = [{"system": system, "value": number}]
    patient["request"]["ifNoneExist"] = f"identifier={system}|{number}"
    if family or given:
        body["name"] = [{"use": "official", "family": family or given, "given": [given or family]}]
    if sex:
        body["gender"] = sex
    if region:
        body["address"] = [{"state": region}]
    if today is not None:
        bundle["entry"] = [e for e in bundle["entry"] if _past(e["resource"], today)]
    return bundle


def _moved(value: Any, days: int) -> Any:
    if isinstance(value, dict):
        return {k: _moved(v, days) for k, v in value.items()}
    if isinstance(value, list):
        return [_moved(v, days) for v in value]
    found = _DATE(value) if isinstance(value, str) else None
    if not found:
        return value
    moved = date.fromisoformat(found[1]) + timedelta(days=days)
    return moved.isoformat() + (found[2] or "")


def _past(resource: Json, today: date) -> bool:
    start, _ = extraction.clinical_time(resource, extraction.EARLIEST)
    return start.date() <= today
