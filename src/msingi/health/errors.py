"""Every expected no of the health room; `issue` is its code in a FHIR OperationOutcome."""

from __future__ import annotations

from typing import ClassVar

from msingi.health.model import Issue
from msingi.kernel.errors import Refusal


class HealthRefusal(Refusal):
    """The health record refused the request; the issue says why."""

    issue: ClassVar[str] = "processing"


class NotFhir(HealthRefusal):
    """The content is not the JSON form of a FHIR R4 resource, or breaks its definition.

    Every broken rule is named with the path of the element. Nothing was stored.
    """

    code = "health.not-fhir"
    status = 400
    title = "The content breaks the definition of FHIR R4"
    remedy = "Correct the elements named in the issues and send the resource again."
    issue = "structure"

    carried: ClassVar[dict[str, type]] = {"issues": list[Issue]}

    def __init__(self, issues: list[Issue]) -> None:
        super().__init__(f"{len(issues)} rules are broken.", issues=len(issues))
        self.issues = issues


class NotJson(HealthRefusal):
    """Only the JSON form of FHIR is spoken here, not XML or Turtle."""

    code = "health.json-only"
    status = 406
    title = "Only application/fhir+json is spoken here"
    remedy = "Ask for application/fhir+json in Accept or _format."
    issue = "not-supported"


class NotJsonSent(HealthRefusal):
    """The body is not declared as JSON."""

    code = "health.json-only-sent"
    status = 415
    title = "Only application/fhir+json is read here"
    remedy = "Send the resource as application/fhir+json."
    issue = "not-supported"


class TypeNotStored(HealthRefusal):
    """The resource type is unknown, or not one that this record keeps; /fhir/metadata lists those it does."""

    code = "health.type-not-stored"
    status = 404
    title = "This resource type is not kept here"
    remedy = "Use one of the resource types in /fhir/metadata."
    issue = "not-supported"


class BadTransaction(HealthRefusal):
    """The bundle cannot be carried out as a whole: an entry has no valid request, or two entries contradict.

    `entry` is the position of the entry, counted from 0. Nothing of the bundle was stored.
    """

    code = "health.bad-transaction"
    status = 400
    title = "The bundle cannot be carried out"
    remedy = "Correct the entry and send the whole bundle again."
    issue = "value"


class UnresolvedReference(HealthRefusal):
    """A reference in the bundle points at nothing: no entry has that fullUrl, or a conditional reference has no match.

    A conditional reference must match exactly one resource.
    """

    code = "health.unresolved-reference"
    status = 400
    title = "A reference points at nothing"
    remedy = "Add the missing entry, or refer to a resource that is stored."
    issue = "not-found"


class PersonNotNamed(HealthRefusal):
    """The resource belongs to a patient's record, but does not say of which person.

    A Patient names its person by the national identity number, or by the institution's pseudonym of the person;
    every other clinical resource refers to a Patient.
    """

    code = "health.person-not-named"
    status = 422
    title = "The record does not say whose it is"
    remedy = "Give Patient.identifier with the identity number's system, or refer to a Patient of this institution."
    issue = "required"


class PersonUnknown(HealthRefusal):
    """No person is known by the number or pseudonym that the Patient carries."""

    code = "health.person-unknown"
    status = 422
    title = "No such person is known"
    remedy = "Check the identity number with the person, or enrol the person first."
    issue = "not-found"


class PatientExists(HealthRefusal):
    """The institution already has a Patient for this person; `id` names it."""

    code = "health.patient-exists"
    status = 409
    title = "There is a Patient for this person already"
    remedy = "Use the Patient that is there: update it, refer to it, or create with If-None-Exist."
    issue = "duplicate"


class OwnerChanged(HealthRefusal):
    """An update would move a resource into another person's record."""

    code = "health.owner-changed"
    status = 422
    title = "A resource stays in its person's record"
    remedy = "Mark the resource as entered-in-error and create a new one for the right person."
    issue = "business-rule"


class RegistryOnly(HealthRefusal):
    """A registry resource (organisation, place, professional, product) must not speak of a patient."""

    code = "health.registry-only"
    status = 422
    title = "A registry entry must not speak of a patient"
    remedy = "Put what concerns the patient into a resource of the patient's record."
    issue = "business-rule"


class VersionConflict(HealthRefusal):
    """The resource has changed since the version that If-Match names."""

    code = "health.version-conflict"
    status = 412
    title = "The resource was changed by somebody else"
    remedy = "Read the resource again, apply the change to the present version, and repeat."
    issue = "conflict"


class SeveralMatches(HealthRefusal):
    """A condition that must match one resource matches several."""

    code = "health.several-matches"
    status = 412
    title = "The condition matches several resources"
    remedy = "Make the condition exact: use an identifier with its system."
    issue = "multiple-matches"


class IdsAreOurs(HealthRefusal):
    """A resource cannot be created under an id that the client chose."""

    code = "health.ids-are-ours"
    status = 405
    title = "The record gives the ids"
    remedy = "Create the resource with POST; its id is in the answer."
    issue = "not-supported"


class NotSupported(HealthRefusal):
    """The interaction is part of FHIR, but this record does not offer it; /fhir/metadata lists what it does."""

    code = "health.not-supported"
    status = 400
    title = "This interaction is not offered"
    remedy = "Use one of the interactions in /fhir/metadata."
    issue = "not-supported"


class UnknownParameter(HealthRefusal):
    """The search has a parameter or modifier that is not offered for this type.

    It is refused rather than ignored, because an ignored filter would answer with other people's records.
    """

    code = "health.unknown-parameter"
    status = 400
    title = "This search parameter is not offered"
    remedy = "Use the parameters that /fhir/metadata lists for the type."
    issue = "not-supported"


class BadSearchValue(HealthRefusal):
    """A search value does not have the form of its parameter's type."""

    code = "health.bad-search-value"
    status = 400
    title = "The search value is malformed"
    remedy = "Write dates as yyyy-mm-dd, codes as system|code, references as Type/id."
    issue = "value"
