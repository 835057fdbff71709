"""Public data that is not part of the package: run where a folder of it is named, skipped elsewhere.

MSINGI_TEST_SYNTHEA names a folder of Synthea R4 patient transaction bundles (for example `data/fhir` of GitHub
smart-on-fhir/bulk-data-server, Apache-2.0). MSINGI_TEST_FHIR_EXAMPLES names the unpacked npm package
hl7.fhir.r4.examples 4.0.1 (CC0-1.0).
"""

import os
from pathlib import Path

import pytest
from tests.health.test_summary import breaches

from msingi.health import acts, extraction, structure, wire

SYNTHEA = sorted(Path(os.environ.get("MSINGI_TEST_SYNTHEA", "/nowhere")).glob("*.json"), key=lambda f: f.stat().st_size)
EXAMPLES = sorted(Path(os.environ.get("MSINGI_TEST_FHIR_EXAMPLES", "/nowhere")).glob("*.json"))
CONFORMANCE = {"CodeSystem", "ConceptMap", "OperationDefinition", "SearchParameter", "StructureDefinition", "ValueSet"}
# Official examples that break the standard's own definitions: missing mandatory elements, references to a type
# that the element does not allow, extensions without value.
DEFECTIVE = {
    "Bundle-v2-valuesets",
    "DeviceMetric-example",
    "DeviceUseStatement-example",
    "ImplementationGuide-fhir",
    "MedicationRequest-medrx0301",
    "Observation-clinical-gender",
    "Questionnaire-qs1",
    "ig-r4",
}


def patient_of(bundle: dict) -> dict | None:
    """The Patient of a bundle."""
    found = [e["resource"] for e in bundle.get("entry", []) if e["resource"]["resourceType"] == "Patient"]
    return found[0] if found else None


@pytest.mark.skipif(not SYNTHEA, reason="MSINGI_TEST_SYNTHEA names no folder of Synthea bundles")
async def test_synthea_bundles_are_stored_whole_and_summarised(stack, clinician, enrolled):
    for file in SYNTHEA[: int(os.environ.get("MSINGI_TEST_SYNTHEA_FILES", "6"))]:
        bundle = wire.decode(file.read_bytes())
        patient = patient_of(bundle)
        if patient is None:
            continue
        person = await enrolled()
        patient["identifier"].append({"system": stack.profile.number_system, "value": person.number})
        answer = await acts.store_bundle(stack, clinician(), bundle)
        assert len(answer["entry"]) == len(bundle["entry"])
        assert breaches(await acts.summary(stack, clinician(), person.id)) == []


@pytest.mark.skipif(not SYNTHEA, reason="MSINGI_TEST_SYNTHEA names no folder of Synthea bundles")
def test_synthea_resources_pass_and_give_keys():
    index = extraction.Index(b"k" * 32)
    for file in SYNTHEA:
        for entry in wire.decode(file.read_bytes()).get("entry", []):
            assert structure.check(entry["resource"]) == []
            assert index.keys(entry["resource"])


@pytest.mark.skipif(not EXAMPLES, reason="MSINGI_TEST_FHIR_EXAMPLES names no folder of official examples")
def test_official_examples_pass_but_for_the_defective_ones():
    wrong = set()
    for file in EXAMPLES:
        if file.name.partition("-")[0] in CONFORMANCE | {"package.json", ".index.json"}:
            continue
        resource = wire.decode(file.read_bytes())
        if "resourceType" in resource and structure.check(resource):
            wrong.add(file.stem)
    assert wrong == DEFECTIVE
