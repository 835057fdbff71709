"""Law 10: the summary follows the rules of the International Patient Summary 2.0.0."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.health import acts, structure, summary, wire
from msingi.health.model import ResourceId, Stored
from msingi.kernel.ids import uuid7

NOW = datetime(2026, 11, 21, tzinfo=UTC)
REQUIRED = {"11450-4", "48765-2", "10160-0"}
# Section code -> types that the Composition profile allows there (IPS 2.0.0).
ALLOWED = {
    "11450-4": {"Condition"},
    "48765-2": {"AllergyIntolerance"},
    "10160-0": {"MedicationStatement", "MedicationRequest", "MedicationAdministration", "MedicationDispense"},
    "11369-6": {"Immunization"},
    "30954-2": {"Observation", "DiagnosticReport"},
    "8716-3": {"Observation"},
    "47519-4": {"Procedure"},
    "46264-8": {"DeviceUseStatement"},
    "104605-1": {"Flag"},
    "11348-0": {"Condition"},
    "18776-5": {"CarePlan", "ImmunizationRecommendation"},
    "29762-2": {"Observation"},
}


def breaches(bundle: dict) -> list[str]:
    """The rules of IPS 2.0.0 that a document breaks, written anew from the guide, not from the code under test."""
    wrong = [f"structure: {i.expression} {i.rule}" for i in structure.check(bundle)]
    entries = {e.get("fullUrl", ""): e["resource"] for e in bundle["entry"]}
    first = bundle["entry"][0]["resource"]
    rules = {
        "type document": bundle["type"] == "document",
        "identifier": {"system", "value"} <= bundle["identifier"].keys(),
        "timestamp": "timestamp" in bundle,
        "fullUrl everywhere, no two alike": "" not in entries and len(entries) == len(bundle["entry"]),
        "Composition first": first["resourceType"] == "Composition",
        "bdl-ips-1 one Composition": sum(r["resourceType"] == "Composition" for r in entries.values()) == 1,
        "Patient present": entries.get(first["subject"]["reference"], {}).get("resourceType") == "Patient",
        "type 60591-5": {"http://loinc.org|60591-5"} <= _codes(first["type"]),
        "author": all(a["reference"] in entries for a in first["author"]),
        "three sections": len(first["section"]) >= 3,
        "required sections": {s["code"]["coding"][0]["code"] for s in first["section"]} >= REQUIRED,
    }
    wrong += [name for name, holds in rules.items() if not holds]
    patient = entries.get(first["subject"]["reference"], {})
    if not any(n.keys() & {"given", "family", "text", "_text"} for n in patient.get("name", [])):
        wrong.append("ips-pat-1 name")
    if not patient.keys() & {"birthDate", "_birthDate"}:
        wrong.append("birthDate")
    for section in first["section"]:
        code = section["code"]["coding"][0]["code"]
        if not {"title", "code", "text"} <= section.keys():
            wrong.append(f"{code}: title, code, text")
        if ("entry" in section) == ("emptyReason" in section):
            wrong.append(f"{code}: ips-comp-1 entries or a reason")
        for entry in section.get("entry", []):
            if entries.get(entry["reference"], {}).get("resourceType") not in ALLOWED.get(code, set()):
                wrong.append(f"{code}: an entry that does not belong, or is missing")
    return wrong


def _codes(concept: dict) -> set[str]:
    return {f"{c['system']}|{c['code']}" for c in concept["coding"]}


def stored(rtype: str, **body) -> Stored:
    id = ResourceId(uuid7())
    return Stored(rtype, id, 1, NOW, "zahanati", None, {"resourceType": rtype, "id": str(id)} | body)


def document(record: list[Stored], patient: Stored | None = None) -> dict:
    patient = patient or stored("Patient", name=[{"text": "Asha"}], birthDate="1980-01-01")
    author = {"resourceType": "Organization", "id": "zahanati", "name": "Clinic"}
    return summary.assemble(
        patient,
        record,
        [],
        author=author,
        document_id=str(uuid7()),
        now=NOW,
        instant=wire.instant(NOW),
        base="http://x",
    )


def section(bundle: dict, code: str) -> list[dict]:
    entries = {e["fullUrl"]: e["resource"] for e in bundle["entry"]}
    for one in bundle["entry"][0]["resource"]["section"]:
        if one["code"]["coding"][0]["code"] == code:
            return [entries[e["reference"]] for e in one.get("entry", [])]
    return []


@pytest.mark.parametrize("sample", ["adult", "infant"])
async def test_law_10_summaries_of_samples(stack, clinician, recorded, sample):
    person, _ = await recorded(sample)
    bundle = await acts.summary(stack, clinician(), person.id)
    assert breaches(bundle) == []
    if sample == "adult":
        problems = {c["code"]["text"] for c in section(bundle, "11450-4")}
        assert problems == {"Type 2 diabetes mellitus", "Essential (primary) hypertension"}
        assert [c["code"]["text"] for c in section(bundle, "11348-0")] == ["Unspecified malaria"]
        assert len(section(bundle, "10160-0")) == 2 and len(section(bundle, "48765-2")) == 1
        # The newest of each code: one pressure, one weight; one result, one report.
        assert len(section(bundle, "8716-3")) == 2 and len(section(bundle, "30954-2")) == 2
        assert any(e["resource"]["resourceType"] == "Practitioner" for e in bundle["entry"])
    else:
        assert len(section(bundle, "11369-6")) == 13
        reasons = [s.get("emptyReason") for s in bundle["entry"][0]["resource"]["section"]][:3]
        assert all(reasons)


def test_law_10_nothing_known_is_said():
    bundle = document([], stored("Patient"))
    assert breaches(bundle) == []
    assert len(bundle["entry"][0]["resource"]["section"]) == 3


def test_what_was_entered_in_error_or_is_over_is_left_out():
    wrong = {"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}
    record = [
        stored("Condition", subject={"reference": "Patient/1"}, **wrong),
        stored("AllergyIntolerance", patient={"reference": "Patient/1"}, **wrong),
        stored("MedicationRequest", status="stopped", intent="order", medicationCodeableConcept={"text": "x"}),
        stored("Immunization", status="entered-in-error", vaccineCode={"text": "x"}, occurrenceDateTime="2020"),
        stored("Procedure", status="completed", performedDateTime="1999"),
    ]
    bundle = document(record)
    assert [e["resource"]["resourceType"] for e in bundle["entry"]] == ["Composition", "Patient", "Organization"]


def test_text_is_escaped():
    bundle = document(
        [stored("Condition", code={"text": "<script>alert(1)</script>"}, subject={"reference": "Patient/1"})]
    )
    assert "<script" not in str(bundle["entry"][0]["resource"]["section"]) and breaches(bundle) == []


STATUS = st.sampled_from(["active", "completed", "stopped", "final", "entered-in-error", "preliminary"])
CATEGORY = st.sampled_from(["vital-signs", "laboratory", "social-history", "survey"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(summary.TYPES), STATUS, CATEGORY, st.sampled_from("abc")), max_size=20))
def test_law_10_any_record_makes_a_right_composition(parts):
    record = []
    for rtype, status, category, code in parts:
        concept = {"coding": [{"system": "urn:x", "code": code}]}
        categories = [{"coding": [{"code": category}]}]
        record.append(stored(rtype, status=status, category=categories, code=concept))
    bundle = document(record)
    # The bodies here are not whole resources, so only the rules of the document itself are asked for.
    assert [b for b in breaches(bundle) if not b.startswith("structure:")] == []
    seen = [e["resource"]["id"] for e in bundle["entry"]]
    assert len(seen) == len(set(seen))
