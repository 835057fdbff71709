"""From an International Patient Summary to the words of a page: pure, and forgiving of what a clinic left out."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from msingi.portal import model as m

SECTIONS = {
    "48765-2": "allergies",
    "10160-0": "medications",
    "11450-4": "problems",
    "11369-6": "immunizations",
    "30954-2": "results",
    "47519-4": "procedures",
    "8716-3": "vital-signs",
}  # LOINC codes of the IPS sections, in the order in which they are shown
SHOWN_LINES = 60
_TAG = re.compile(r" \([a-z /]{4,30}\)$")  # the semantic tag of a SNOMED CT name: "Fish (substance)"


def health(document: Mapping[str, Any]) -> m.HealthPage:
    """The sections of an International Patient Summary in words: what each entry is, and when."""
    resources = {e.get("fullUrl", ""): e["resource"] for e in document.get("entry", ()) if "resource" in e}
    by_name = {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources.values()}
    composition = next((r for r in resources.values() if r.get("resourceType") == "Composition"), {})
    found: dict[str, list[m.HealthLine]] = {}
    for section in composition.get("section", ()):
        codes = [c.get("code", "") for c in section.get("code", {}).get("coding", ())]
        name = next((SECTIONS[c] for c in codes if c in SECTIONS), "other")
        for entry in section.get("entry", ()):
            reference = entry.get("reference", "")
            resource = resources.get(reference) or by_name.get(reference)
            if resource:
                line = _health_line(resource, by_name, resources)
                if line.text:
                    found.setdefault(name, []).append(line)
        found.setdefault(name, [])
    order = [*SECTIONS.values(), "other"]
    return m.HealthPage(
        tuple(m.HealthSection(name, tuple(found[name][:SHOWN_LINES])) for name in order if found.get(name) is not None)
    )


def _health_line(resource: Mapping[str, Any], by_name: Mapping[str, Any], by_url: Mapping[str, Any]) -> m.HealthLine:
    concept = next(
        (
            resource[k]
            for k in ("code", "vaccineCode", "medicationCodeableConcept", "type")
            if isinstance(resource.get(k), dict)
        ),
        {},
    )
    reference = resource.get("medicationReference", {}).get("reference", "")
    if reference:
        concept = (by_url.get(reference) or by_name.get(reference) or {}).get("code", concept)
    when = next(
        (
            resource[k]
            for k in (
                "occurrenceDateTime",
                "onsetDateTime",
                "effectiveDateTime",
                "performedDateTime",
                "recordedDate",
                "authoredOn",
                "date",
            )
            if isinstance(resource.get(k), str)
        ),
        resource.get("performedPeriod", {}).get("start", ""),
    )
    return m.HealthLine(_concept(concept), _quantity(resource), _day(when))


def _concept(concept: Mapping[str, Any]) -> str:
    coding = next(iter(concept.get("coding", ())), {})
    told = str(concept.get("text") or coding.get("display") or coding.get("code") or "")
    return _TAG.sub("", told) or told


def _quantity(resource: Mapping[str, Any]) -> str:
    value = resource.get("valueQuantity", {})
    if "value" in value:
        number = value["value"]
        shown = f"{float(number):.4g}" if not isinstance(number, int) else str(number)
        return f"{shown} {value.get('unit', '')}".strip()
    if "valueCodeableConcept" in resource:
        return _concept(resource["valueCodeableConcept"])
    dose = next(iter(resource.get("protocolApplied", ())), {}).get("doseNumberPositiveInt", "")
    return str(dose)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
