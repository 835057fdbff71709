"""Write the sample FHIR bundles of the package: two invented patients, as a clinic's software would send them.

    python -m tools.fhir_samples        (from the repository's root)

Everything in them is made up here, by a fixed seed; nobody's data is in them. The shape follows what public generators
of synthetic records send: one transaction, urn:uuid references, registry entries created only if they do not exist.
"""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

OUT = Path(__file__).parents[1] / "src/msingi/countries/samples/fhir"
SYSTEMS = {
    "loinc": "http://loinc.org",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "icd": "http://hl7.org/fhir/sid/icd-10",
    "atc": "http://www.whocc.no/atc",
    "ucum": "http://unitsofmeasure.org",
    "act": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
    "category": "http://terminology.hl7.org/CodeSystem/observation-category",
    "clinical": "http://terminology.hl7.org/CodeSystem/condition-clinical",
    "verified": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
    "allergy": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
    "sample": "urn:msingi:sample",
}
# Age in weeks: vaccine (CVX code, name, dose number).
SCHEDULE = {
    0: [("19", "BCG", 1), ("02", "OPV, trivalent", 0)],
    6: [("198", "DTP-Hib-Hep B pentavalent", 1), ("133", "PCV13", 1), ("119", "Rotavirus, monovalent", 1)],
    10: [("198", "DTP-Hib-Hep B pentavalent", 2), ("133", "PCV13", 2), ("119", "Rotavirus, monovalent", 2)],
    14: [("198", "DTP-Hib-Hep B pentavalent", 3), ("133", "PCV13", 3), ("10", "IPV", 1)],
    39: [("04", "Measles and rubella", 1)],
    65: [("04", "Measles and rubella", 2)],
}
Json = dict[str, Any]


def coding(system: str, code: str, display: str) -> Json:
    """A CodeableConcept with one coding and its text."""
    return {"coding": [{"system": SYSTEMS[system], "code": code, "display": display}], "text": display}


class Maker:
    """Builds one transaction: gives every entry its urn:uuid and keeps what the entries share."""

    def __init__(self, seed: int, sex: str, born: date, name: tuple[str, str]) -> None:
        self.random = random.Random(seed)
        self.entries: list[Json] = []
        self.born = born
        organisation = {"system": SYSTEMS["sample"], "value": "clinic-1"}
        self.clinic = self.add(
            {"resourceType": "Organization", "identifier": [organisation], "active": True, "name": "Sample Clinic"},
            unless=f"{organisation['system']}|{organisation['value']}",
        )
        doctor = {"system": SYSTEMS["sample"], "value": "practitioner-1"}
        person = {"family": "Sample", "given": ["Clinician"], "prefix": ["Dr."]}
        self.doctor = self.add(
            {"resourceType": "Practitioner", "identifier": [doctor], "active": True, "name": [person]},
            unless=f"{doctor['system']}|{doctor['value']}",
        )
        self.patient = self.add(
            {
                "resourceType": "Patient",
                "active": True,
                "name": [{"use": "official", "family": name[1], "given": [name[0]]}],
                "gender": sex,
                "birthDate": born.isoformat(),
                "managingOrganization": {"reference": self.clinic},
            }
        )

    def add(self, resource: Json, unless: str = "") -> str:
        """Add an entry; its fullUrl. `unless` makes its creation conditional on the identifier."""
        full_url = f"urn:uuid:{UUID(int=self.random.getrandbits(128), version=4)}"
        request = {"method": "POST", "url": resource["resourceType"]}
        if unless:
            request["ifNoneExist"] = f"identifier={unless}"
        self.entries.append({"fullUrl": full_url, "resource": resource, "request": request})
        return full_url

    def at(self, days: int) -> str:
        """The time of day, that many days after birth, as a dateTime with a zone."""
        return f"{self.born + timedelta(days=days)}T{self.random.randrange(8, 16):02}:30:00+03:00"

    def encounter(self, when: str, title: str) -> str:
        """A visit to the clinic."""
        return self.add(
            {
                "resourceType": "Encounter",
                "status": "finished",
                "class": {"system": SYSTEMS["act"], "code": "AMB"},
                "type": [{"text": title}],
                "subject": {"reference": self.patient},
                "participant": [{"individual": {"reference": self.doctor}}],
                "period": {"start": when, "end": when.replace(":30:00", ":50:00")},
                "serviceProvider": {"reference": self.clinic},
            }
        )

    def observation(self, encounter: str, when: str, kind: str, code: Json, **value: Any) -> str:
        """An observation of a category: vital-signs, laboratory or social-history."""
        return self.add(
            {
                "resourceType": "Observation",
                "status": "final",
                "category": [coding("category", kind, kind)],
                "code": code,
                "subject": {"reference": self.patient},
                "encounter": {"reference": encounter},
                "effectiveDateTime": when,
                "issued": when,
            }
            | value
        )

    def quantity(self, value: str, unit: str) -> Json:
        """A UCUM quantity; `value` is written as it stands, because its digits are part of it."""
        return {"value": Decimal(value), "unit": unit, "system": SYSTEMS["ucum"], "code": unit}

    def subject_of(self, kind: str, encounter: str, **more: Any) -> str:
        """Any other resource about the patient, from a visit."""
        about = {"subject": {"reference": self.patient}, "encounter": {"reference": encounter}}
        return self.add({"resourceType": kind} | more | about)


def infant() -> Json:
    """A child with the vaccines of the first 15 months and weights at each visit."""
    maker = Maker(1, "female", date(2025, 6, 10), ("Asha", "Mfano"))
    weights = ("3.20", "4.85", "5.60", "6.25", "8.40", "10.15")
    for (weeks, vaccines), weight in zip(SCHEDULE.items(), weights, strict=True):
        when = maker.at(weeks * 7 + maker.random.randrange(4))
        visit = maker.encounter(when, "Well child visit")
        code = coding("loinc", "29463-7", "Body weight")
        maker.observation(visit, when, "vital-signs", code, valueQuantity=maker.quantity(weight, "kg"))
        for cvx, name, dose in vaccines:
            maker.add(
                {
                    "resourceType": "Immunization",
                    "status": "completed",
                    "vaccineCode": coding("cvx", cvx, name),
                    "patient": {"reference": maker.patient},
                    "encounter": {"reference": visit},
                    "occurrenceDateTime": when,
                    "primarySource": True,
                    "performer": [{"actor": {"reference": maker.doctor}}],
                    "protocolApplied": [{"doseNumberString" if not dose else "doseNumberPositiveInt": dose or "birth"}],
                }
            )
    return {"resourceType": "Bundle", "type": "transaction", "entry": maker.entries}


def adult() -> Json:
    """An adult with hypertension and diabetes under treatment, an allergy, a healed malaria, laboratory results."""
    maker = Maker(2, "male", date(1979, 2, 14), ("Juma", "Mfano"))
    days = (date(2026, 1, 12) - maker.born).days
    first = maker.at(days)
    visit = maker.encounter(first, "General examination")
    active = {"clinicalStatus": coding("clinical", "active", "Active")}
    confirmed = {"verificationStatus": coding("verified", "confirmed", "Confirmed")}
    pressure_illness = maker.subject_of(
        "Condition", visit, code=coding("icd", "I10", "Essential (primary) hypertension"),
        onsetDateTime="2021-05", recordedDate=first, **active, **confirmed,
    )  # fmt: skip
    maker.subject_of(
        "Condition", visit, code=coding("icd", "E11.9", "Type 2 diabetes mellitus"),
        onsetDateTime="2023", recordedDate=first, **active, **confirmed,
    )  # fmt: skip
    maker.subject_of(
        "Condition", visit, code=coding("icd", "B54", "Unspecified malaria"), onsetDateTime="2024-11-02",
        abatementDateTime="2024-11-09", recordedDate="2024-11-02",
        clinicalStatus=coding("clinical", "resolved", "Resolved"), **confirmed,
    )  # fmt: skip
    maker.add(
        {
            "resourceType": "AllergyIntolerance",
            "clinicalStatus": coding("allergy", "active", "Active"),
            "type": "allergy",
            "criticality": "high",
            "code": coding("atc", "J01C", "Beta-lactam antibacterials, penicillins"),
            "patient": {"reference": maker.patient},
            "recordedDate": first,
            "reaction": [{"manifestation": [{"text": "Urticaria"}]}],
        }
    )
    for atc, name in (("C08CA01", "Amlodipine 5 mg, once a day"), ("A10BA02", "Metformin 500 mg, twice a day")):
        maker.subject_of(
            "MedicationRequest", visit, status="active", intent="order", authoredOn=first,
            medicationCodeableConcept=coding("atc", atc, name), requester={"reference": maker.doctor},
        )  # fmt: skip
    for month in range(0, 9, 2):
        when = maker.at(days + month * 30)
        check = visit if not month else maker.encounter(when, "Follow-up visit")
        _follow_up(maker, check, when, month)
    maker.subject_of(
        "Procedure", visit, status="completed", code={"text": "Dilated eye examination"}, performedDateTime=first
    )
    maker.subject_of(
        "CarePlan", visit, status="active", intent="plan", title="Blood pressure and sugar control",
        period={"start": first}, addresses=[{"reference": pressure_illness}],
    )  # fmt: skip
    return {"resourceType": "Bundle", "type": "transaction", "entry": maker.entries}


def _follow_up(maker: Maker, visit: str, when: str, month: int) -> None:
    """Blood pressure, weight and a blood sugar report of one visit."""
    component = [
        {"code": coding("loinc", code, name), "valueQuantity": maker.quantity(value, "mm[Hg]")}
        for code, name, value in (
            ("8480-6", "Systolic blood pressure", str(158 - 3 * month)),
            ("8462-4", "Diastolic blood pressure", str(96 - month)),
        )
    ]
    maker.observation(
        visit, when, "vital-signs", coding("loinc", "85354-9", "Blood pressure panel"), component=component
    )
    weight = maker.quantity(f"{86.5 - 0.5 * month:.1f}", "kg")
    maker.observation(visit, when, "vital-signs", coding("loinc", "29463-7", "Body weight"), valueQuantity=weight)
    sugar = maker.quantity(f"{8.4 - 0.2 * month:.2f}", "%")
    name = "Hemoglobin A1c/Hemoglobin.total in Blood"
    result = maker.observation(visit, when, "laboratory", coding("loinc", "4548-4", name), valueQuantity=sugar)
    maker.subject_of(
        "DiagnosticReport", visit, status="final", code=coding("loinc", "4548-4", name), effectiveDateTime=when,
        issued=when, result=[{"reference": result}],
    )  # fmt: skip


def main() -> None:
    """Write both files and print their sizes."""
    OUT.mkdir(parents=True, exist_ok=True)
    for name, bundle in (("infant", infant()), ("adult", adult())):
        raw = msgspec.json.Encoder(decimal_format="number").encode(bundle)
        text = msgspec.json.format(raw, indent=1).decode() + "\n"
        (OUT / f"{name}.json").write_text(text, "utf-8")
        print(f"{name}.json: {len(text):,} bytes, {len(bundle['entry'])} entries")


if __name__ == "__main__":
    main()
