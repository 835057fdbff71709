"""The International Patient Summary as a pure function: a person's resources in, one document bundle out.

Law 10. Source: HL7 IPS 2.0.0 (STU2, 2025-10): Bundle and Composition profiles, ips-comp-1, bdl-ips-1, ips-pat-1.
The guide sets no relevance window; ours: allergies, conditions not entered in error, and immunisations of all time;
medicines not ended; procedures of ten years; the newest result of each code, vital signs apart; devices, flags,
and plans that are not over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from html import escape

from msgspec import Struct

from msingi.health import extraction
from msingi.health.invariants import codes_of
from msingi.health.model import Json, Stored

LOINC = "http://loinc.org"
LATEST_RESULTS = 40
PROCEDURE_YEARS = 10
_OVER = frozenset("stopped completed cancelled revoked not-done unknown".split())
_NEVER = "entered-in-error"


class Section(Struct, frozen=True):
    """One section of the summary: LOINC code, title, the types it takes, and which resources belong in it."""

    code: str
    display: str
    title: str
    types: tuple[str, ...]
    belongs: Callable[[Json, datetime], bool]
    required: bool = False


def _live(body: Json, now: datetime) -> bool:
    errors = {code for _, code in codes_of(body.get("verificationStatus"))}
    return body.get("status") != _NEVER and _NEVER not in errors


def _clinical(body: Json) -> set[str]:
    return {code for _, code in codes_of(body.get("clinicalStatus"))}


def _problem(body: Json, now: datetime) -> bool:
    return _live(body, now) and not _clinical(body) & {"inactive", "remission", "resolved"}


def _past_problem(body: Json, now: datetime) -> bool:
    return _live(body, now) and bool(_clinical(body) & {"inactive", "remission", "resolved"})


def _ongoing(body: Json, now: datetime) -> bool:
    return _live(body, now) and body.get("status") not in _OVER


def _recent(body: Json, now: datetime) -> bool:
    start, _ = extraction.clinical_time(body, now)
    return _live(body, now) and start >= now - timedelta(days=365 * PROCEDURE_YEARS)


def _category(body: Json) -> set[str]:
    categories = body.get("category", [])
    return {code for one in (categories if isinstance(categories, list) else [categories]) for _, code in codes_of(one)}


def _vital(body: Json, now: datetime) -> bool:
    return _live(body, now) and "vital-signs" in _category(body)


def _social(body: Json, now: datetime) -> bool:
    return _live(body, now) and "social-history" in _category(body)


def _result(body: Json, now: datetime) -> bool:
    if body["resourceType"] == "DiagnosticReport":
        return _live(body, now)
    return _live(body, now) and bool(_category(body) & {"laboratory", "imaging", "exam"})


SECTIONS = (
    Section("11450-4", "Problem list - Reported", "Active problems", ("Condition",), _problem, True),
    Section(
        "48765-2",
        "Allergies and adverse reactions Document",
        "Allergies and intolerances",
        ("AllergyIntolerance",),
        _live,
        True,
    ),
    Section(
        "10160-0",
        "History of Medication use Narrative",
        "Medication summary",
        ("MedicationStatement", "MedicationRequest"),
        _ongoing,
        True,
    ),
    Section("11369-6", "History of Immunization note", "Immunizations", ("Immunization",), _live),
    Section(
        "30954-2",
        "Relevant diagnostic tests/laboratory data note",
        "Results",
        ("Observation", "DiagnosticReport"),
        _result,
    ),
    Section("8716-3", "Vital signs note", "Vital signs", ("Observation",), _vital),
    Section("47519-4", "History of Procedures Document", "History of procedures", ("Procedure",), _recent),
    Section("46264-8", "History of medical device use", "Medical devices", ("DeviceUseStatement",), _ongoing),
    Section("104605-1", "Alert", "Alerts", ("Flag",), _ongoing),
    Section("11348-0", "History of Past illness note", "Past problems", ("Condition",), _past_problem),
    Section("18776-5", "Plan of care note", "Plan of care", ("CarePlan", "ImmunizationRecommendation"), _ongoing),
    Section("29762-2", "Social history note", "Social history", ("Observation",), _social),
)
TYPES = tuple(dict.fromkeys(kind for section in SECTIONS for kind in section.types))
_ONE_PER_CODE = ("Observation", "DiagnosticReport")


def newest_per_code(found: Sequence[Stored]) -> list[Stored]:
    """Of results in order, newest first, the first of each code, up to LATEST_RESULTS."""
    seen: set[str] = set()
    kept: list[Stored] = []
    for one in found:
        codes = codes_of(one.body.get("code")) or {("", str(one.body.get("code", {}).get("text", one.id)))}
        name = repr((one.rtype, sorted(codes)))
        if name not in seen and len(kept) < LATEST_RESULTS:
            seen.add(name)
            kept.append(one)
    return kept


def chosen(section: Section, record: Sequence[Stored], now: datetime) -> list[Stored]:
    """The resources of a record that belong in a section, newest first."""
    found = [one for one in record if one.rtype in section.types and section.belongs(one.body, now)]
    return newest_per_code(found) if section.types[0] in _ONE_PER_CODE else found


def words(body: Json) -> str:
    """What a resource is about, in the words that it carries itself."""
    for name in ("code", "vaccineCode", "medicationCodeableConcept", "deviceCodeableConcept", "type", "category"):
        concept = body.get(name)
        for one in concept if isinstance(concept, list) else [concept]:
            if isinstance(one, dict):
                displays = [c.get("display") or c.get("code", "") for c in one.get("coding", [])]
                text = one.get("text") or next((d for d in displays if d), "")
                if text:
                    return str(text)
    reference = body.get("medicationReference") or body.get("device") or {}
    return str(reference.get("display") or body.get("title") or body["resourceType"])


def amount(body: Json) -> str:
    """The value of an observation in words, or nothing."""
    quantity = body.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        return f"{quantity['value']} {quantity.get('unit', quantity.get('code', ''))}".strip()
    if "valueCodeableConcept" in body:
        return words({"resourceType": "", "code": body["valueCodeableConcept"]})
    parts = [f"{words(c)} {amount(c)}" for c in ({"resourceType": ""} | c for c in body.get("component", []))]
    return "; ".join(parts) or str(body.get("valueString", ""))


def narrative(found: Sequence[Stored], otherwise: str) -> Json:
    """The section's text: one line for each entry (date, words, value), or the reason why there is none."""
    lines = []
    for one in found:
        start, _ = extraction.clinical_time(one.body, one.updated)
        value = amount(one.body) if one.rtype == "Observation" else ""
        parts = (start.date().isoformat(), words(one.body), value)
        lines.append(f"<li>{escape(' - '.join(part for part in parts if part))}</li>")
    inside = f"<ul>{''.join(lines)}</ul>" if lines else f"<p>{escape(otherwise)}</p>"
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'}


def section_json(section: Section, found: Sequence[Stored], base: str) -> Json:
    """One section of the Composition: entries, or `emptyReason` (cmp-2, ips-comp-1)."""
    coding = {"system": LOINC, "code": section.code, "display": section.display}
    body: Json = {"title": section.title, "code": {"coding": [coding]}}
    body["text"] = narrative(found, "No information is available about this.")
    if found:
        body["entry"] = [{"reference": f"{base}/{one.rtype}/{one.id}"} for one in found]
    else:
        reason = {
            "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason",
            "code": "unavailable",
            "display": "Unavailable",
        }
        body["emptyReason"] = {"coding": [reason]}
    return body


def referred(found: Iterable[Stored], kinds: Iterable[str]) -> set[str]:
    """`Type/id` of everything of these kinds that the resources refer to."""
    wanted = tuple(f"{kind}/" for kind in kinds)
    names: set[str] = set()
    stack: list[object] = [one.body for one in found]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            reference = item.get("reference")
            if isinstance(reference, str) and reference.startswith(wanted):
                names.add(extraction.relative(reference))
            stack += item.values()
        elif isinstance(item, list):
            stack += item
    return names


def presentable(patient: Json) -> Json:
    """The Patient as IPS needs it: a name, and a birth date or the statement that it is unknown (ips-pat-1)."""
    unknown = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
    }
    shown = dict(patient)
    if not any(n.keys() & {"given", "family", "text"} for n in patient.get("name", [])):
        shown["name"] = [{"_text": unknown}]
    if "birthDate" not in patient:
        shown["_birthDate"] = unknown
    return shown


def assemble(
    patient: Stored,
    record: Sequence[Stored],
    referred_to: Sequence[Stored],
    *,
    author: Json,
    document_id: str,
    now: datetime,
    instant: str,
    base: str,
) -> Json:
    """The summary as a document Bundle: Composition first, the Patient, entries of each section, what they refer to.

    `record` stands newest first; `author` is the Organization resource (with id) that answers for the document;
    `base` is the address under which entries are named, without a slash at its end.
    """
    sections = [(s, chosen(s, record, now)) for s in SECTIONS]
    kept = [(s, found) for s, found in sections if found or s.required]
    organisation = f"{base}/Organization/{author['id']}"
    composition: Json = {
        "resourceType": "Composition",
        "id": document_id,
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"{base}/Patient/{patient.id}"},
        "date": instant,
        "author": [{"reference": organisation, "display": author["name"]}],
        "title": "Patient summary",
        "confidentiality": "N",
        "custodian": {"reference": organisation},
        "section": [section_json(s, found, base) for s, found in kept],
    }
    entries: dict[str, Json] = {f"{base}/Composition/{document_id}": composition}
    entries[f"{base}/Patient/{patient.id}"] = presentable(patient.body)
    entries[organisation] = author
    for one in [*(one for _, found in kept for one in found), *referred_to]:
        entries[f"{base}/{one.rtype}/{one.id}"] = one.body
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{document_id}"},
        "type": "document",
        "timestamp": instant,
        "entry": [{"fullUrl": url, "resource": body} for url, body in entries.items()],
    }
