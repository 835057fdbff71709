"""Invariants of FHIR R4 that the structure cannot say, as plain functions: an object in, the broken rule or "" out.

Each is cited by its key in the standard. They are the ones whose breach makes a record wrong or unsafe to read; the
definitions hold about 200.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Law = Callable[[dict[str, Any]], str]


def _has_value(item: dict[str, Any], stem: str = "value") -> bool:
    size = len(stem)
    return any(name[:size] == stem and name[size : size + 1].isupper() for name in item)


def ext_1(item: dict[str, Any]) -> str:
    """An extension has extensions or a value, not both, not neither."""
    return (
        "ext-1: an extension must have either extensions or a value"
        if _has_value(item) == ("extension" in item)
        else ""
    )


def per_1(item: dict[str, Any]) -> str:
    """A period does not end before it starts; compared as far as both are precise."""
    start, end = item.get("start"), item.get("end")
    if type(start) is not str or type(end) is not str:
        return ""
    size = min(len(start), len(end), 10)
    return "per-1: a period must not end before it starts" if end[:size] < start[:size] else ""


def codes_of(concept: object) -> set[tuple[str, str]]:
    """(system, code) of every coding in a CodeableConcept."""
    codings = concept.get("coding") if type(concept) is dict else None
    return (
        {(str(c.get("system", "")), str(c["code"])) for c in codings if type(c) is dict and "code" in c}
        if type(codings) is list
        else set()
    )


def obs_6(item: dict[str, Any]) -> str:
    """A reason for absence stands only where the value is absent."""
    if "dataAbsentReason" in item and _has_value(item):
        return "obs-6: dataAbsentReason must not stand beside a value"
    return ""


def obs_7(item: dict[str, Any]) -> str:
    """No value when a component carries the observation's own code."""
    components = item.get("component")
    if not _has_value(item) or type(components) is not list:
        return ""
    own = codes_of(item.get("code"))
    if any(own & codes_of(c.get("code")) for c in components if type(c) is dict):
        return "obs-7: no value when a component has the same code"
    return ""


def cmp_2(item: dict[str, Any]) -> str:
    """A section is empty for a reason, or has entries."""
    return "cmp-2: emptyReason must not stand beside entries" if "emptyReason" in item and "entry" in item else ""


def cmp_1(item: dict[str, Any]) -> str:
    """A section has text, entries or sub-sections."""
    return "" if item.keys() & {"text", "entry", "section"} else "cmp-1: a section must have text, entries or sections"


def att_1(item: dict[str, Any]) -> str:
    """Attached content says what it is."""
    return (
        "att-1: an attachment with content must have a contentType"
        if "data" in item and "contentType" not in item
        else ""
    )


def qty_3(item: dict[str, Any]) -> str:
    """A unit's code needs its system."""
    return "qty-3: a unit code must have a system" if "code" in item and "system" not in item else ""


def cpt_2(item: dict[str, Any]) -> str:
    """A contact value needs its system."""
    return "cpt-2: a contact value must have a system" if "value" in item and "system" not in item else ""


def pat_1(item: dict[str, Any]) -> str:
    """A contact has more than a relationship."""
    known = item.keys() & {"name", "telecom", "address", "organization"}
    return "" if known else "pat-1: a contact must have a name, telecom, address or organization"


def con_4(item: dict[str, Any]) -> str:
    """An abated condition is not active."""
    status = {code for _, code in codes_of(item.get("clinicalStatus"))}
    if _has_value(item, "abatement") and not status & {"inactive", "resolved", "remission"}:
        return "con-4: a condition with an abatement must be inactive, resolved or in remission"
    return ""


def con_5(item: dict[str, Any]) -> str:
    """A condition entered in error has no clinical status."""
    if "clinicalStatus" in item and "entered-in-error" in {c for _, c in codes_of(item.get("verificationStatus"))}:
        return "con-5: no clinicalStatus when verificationStatus is entered-in-error"
    return ""


def ait_2(item: dict[str, Any]) -> str:
    """An allergy entered in error has no clinical status; any other has one (ait-1)."""
    error = "entered-in-error" in {c for _, c in codes_of(item.get("verificationStatus"))}
    if error and "clinicalStatus" in item:
        return "ait-2: no clinicalStatus when verificationStatus is entered-in-error"
    if not error and "clinicalStatus" not in item:
        return "ait-1: clinicalStatus is mandatory unless verificationStatus is entered-in-error"
    return ""


def bdl_1(item: dict[str, Any]) -> str:
    """A total is for search results and history only."""
    if "total" in item and item.get("type") not in ("searchset", "history"):
        return "bdl-1: total is for searchset and history only"
    return ""


def bdl_document(item: dict[str, Any]) -> str:
    """A document has an identifier, a time and a Composition first."""
    if item.get("type") != "document":
        return ""
    identifier = item.get("identifier")
    if type(identifier) is not dict or not {"system", "value"} <= identifier.keys():
        return "bdl-9: a document must have an identifier with system and value"
    if "timestamp" not in item:
        return "bdl-10: a document must have a timestamp"
    entries = item.get("entry")
    first = entries[0].get("resource", {}) if type(entries) is list and entries and type(entries[0]) is dict else {}
    if type(first) is not dict or first.get("resourceType") != "Composition":
        return "bdl-11: a document must have a Composition as the first resource"
    return ""


LAWS: dict[str, tuple[Law, ...]] = {
    "AllergyIntolerance": (ait_2,),
    "Attachment": (att_1,),
    "Bundle": (bdl_1, bdl_document),
    "Composition.section": (cmp_1, cmp_2),
    "Condition": (con_4, con_5),
    "ContactPoint": (cpt_2,),
    "Extension": (ext_1,),
    "Observation": (obs_6, obs_7),
    "Patient.contact": (pat_1,),
    "Period": (per_1,),
} | {name: (qty_3,) for name in ("Quantity", "Age", "Count", "Distance", "Duration")}
