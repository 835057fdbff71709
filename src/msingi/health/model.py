"""Nouns of the health room."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NewType
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId

ResourceId = NewType("ResourceId", UUID)
Json = dict[str, Any]

EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 12, 31, tzinfo=UTC)

# Types of the national registries: about institutions, places, professionals and products, never about a patient.
REGISTRIES = frozenset(
    "Endpoint HealthcareService Location Medication Organization Practitioner PractitionerRole Questionnaire "
    "Substance".split()
)

# The search parameter that gives a type its clinical time; where the type has none, the time of storing stands in.
MAIN_DATE = {
    "AllergyIntolerance": "date",
    "Claim": "created",
    "Condition": "recorded-date",
    "ExplanationOfBenefit": "created",
    "Goal": "start-date",
    "ImagingStudy": "started",
    "Media": "created",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "Patient": "birthdate",
    "Provenance": "recorded",
    "QuestionnaireResponse": "authored",
    "ServiceRequest": "authored",
    "Specimen": "collected",
    "Task": "authored-on",
}

# Codes that are counted across people: they get a blinded posting each, so that counting unseals nobody's record.
COUNTED = {"Immunization": "vaccine-code"}


class Issue(Struct, frozen=True):
    """One broken rule: FHIR issue code, the rule in words, the FHIRPath of the element. Never holds a value."""

    code: str
    rule: str
    expression: str = ""
    severity: str = "error"


class Stored(Struct, frozen=True):
    """One version of a resource as it is kept: `body` is the FHIR JSON with exact decimals.

    `person_id` is None in a registry; `institution` is the code of the one that stored it.
    """

    rtype: str
    id: ResourceId
    version: int
    updated: datetime
    institution: str
    person_id: PersonId | None
    body: Json

    @property
    def etag(self) -> str:
        """The weak entity tag of this version (FHIR R4 3.1.0.1.5)."""
        return f'W/"{self.version}"'

    @property
    def location(self) -> str:
        """`Type/id/_history/version`."""
        return f"{self.rtype}/{self.id}/_history/{self.version}"


class Row(Struct, frozen=True):
    """What is written for one resource: the body compressed and, unless a registry's, sealed; the index beside it."""

    rtype: str
    id: ResourceId
    version: int
    institution: str
    person_id: PersonId | None
    updated: datetime
    started: datetime
    ended: datetime
    keys: list[int]
    body: bytes


class Outcome(Struct, frozen=True):
    """What became of one entry of a transaction: HTTP status 200 or 201, and the resource as it now stands."""

    status: int
    stored: Stored


class Page(Struct, frozen=True):
    """One page of results: matches in order, what they refer to, and the sealed token of the next page or nothing."""

    matches: list[Stored]
    included: list[Stored] = []
    next_token: str = ""


class DoseCount(Struct, frozen=True):
    """How many children of a birth cohort have had a dose, by region and sex as identity knows them; counts only.

    `children` is the number of children with a health record, `covered` those of them with at least `dose` doses.
    """

    vaccine: str
    dose: int
    region: str
    sex: str
    children: int
    covered: int
