"""Nouns of the identity room: what is asked, what is known of a person, what enrolment answers, what is told."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, NewType
from uuid import UUID

import msgspec
from msgspec import Struct

from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId

CaseId = NewType("CaseId", UUID)
Day = date  # a name for the type inside structs that have a member called date


class Sex(StrEnum):
    """Sex as registered; `unknown` where it was not stated."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Status(StrEnum):
    """Where a person's record stands. `held` waits for a decision and has no number; `merged` was the same person."""

    HELD = "held"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    DECEASED = "deceased"
    MERGED = "merged"


class Cause(StrEnum):
    """Why a status changed, in one word that may travel: the officer's own words stay in the record."""

    OFFICER = "officer"
    FRAUD = "suspected-fraud"
    OWN_REQUEST = "own-request"
    DEATH = "death"
    DUPLICATE = "duplicate"
    ERROR = "put-right"


class LinkKind(StrEnum):
    """How one person is tied to another: the other is the guardian, the mother, or who vouched for the person."""

    GUARDIAN = "guardian"
    MOTHER = "mother"
    INTRODUCER = "introducer"


class Name(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A person's name. Either part may be empty, for people who have one name only."""

    given: str = ""
    family: str = ""

    @property
    def full(self) -> str:
        """Both parts, given name first."""
        return f"{self.given} {self.family}".strip()


class Birth(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A birth date as far as it is known: `date` is YYYY-MM-DD, YYYY-MM, YYYY or empty.

    `approximate` marks an estimate. `reported` keeps what a document says where that is not a calendar date.
    """

    date: str = ""
    approximate: bool = False
    reported: str = ""

    @property
    def day(self) -> Day | None:
        """The date, if it is known to the day."""
        return Day.fromisoformat(self.date) if len(self.date) == 10 else None

    @property
    def year(self) -> int | None:
        """The year, if it is known."""
        return int(self.date[:4]) if self.date else None


class Address(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a person lives; all of it may be empty. `locality` is the ward, village, suburb or town."""

    lines: tuple[str, ...] = ()
    locality: str = ""
    postal_code: str = ""


class Document(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A document that was shown: its kind, its number, who issued it."""

    kind: str
    number: str = ""
    issuer: str = ""


class Demographics(Struct, frozen=True, omit_defaults=True):
    """What is known of a person, as sealed in one version. `phone` is E.164, `region` a code of the profile.
    `exceptions` say what the person does not have, in words of `rules.EXCEPTIONS`, so that nobody asks for it again.
    `second_name` is the name in `second_language`, for example in another script.
    """

    name: Name
    birth: Birth = Birth()
    sex: Sex = Sex.UNKNOWN
    region: str = ""
    address: Address = Address()
    phone: str = ""
    language: str = ""
    second_name: Name | None = None
    second_language: str = ""
    documents: tuple[Document, ...] = ()
    exceptions: tuple[str, ...] = ()


class EnrolmentOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What an officer asks to enrol. Only a name is needed; `guardian` and `introducer` are identity numbers.

    `photo` is a JPEG or PNG (base64 in JSON), at most 5 MB.
    """

    name: Name
    birth: Birth = Birth()
    sex: Sex = Sex.UNKNOWN
    region: str = ""
    address: Address = Address()
    phone: str = ""
    language: str = ""
    second_name: Name | None = None
    second_language: str = ""
    documents: tuple[Document, ...] = ()
    exceptions: tuple[str, ...] = ()
    guardian: str = ""
    introducer: str = ""
    photo: bytes | None = None


class BirthOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The notification of a birth and the child to register. `mother` is an identity number, or empty if unknown.

    `notified_on` is the day on which the birth was notified, for example by the clinic named in `place`.
    """

    child: EnrolmentOrder
    mother: str = ""
    place: str = ""
    notified_on: date | None = None


class Enrolled(Struct, frozen=True, tag="enrolled", tag_field="outcome"):
    """The person was enrolled. `phone_linked` is false if the phone already finds somebody else, or none was given."""

    person_id: PersonId
    number: str
    phone_linked: bool = False


class Held(Struct, frozen=True, tag="held", tag_field="outcome"):
    """A probable duplicate: nobody was enrolled; a person decides case `case_id`. `alike` counts the candidates."""

    case_id: CaseId
    person_id: PersonId
    alike: int


Outcome = Enrolled | Held


class Row(Struct, frozen=True):
    """One row of a bulk enrolment: its key in the source, and the order or the reason why there is none."""

    key: str
    order: EnrolmentOrder | None = None
    fault: Refusal | None = None


class RowOutcome(Struct, frozen=True):
    """What became of a row: an outcome, or a refusal. `repeated` rows had been dealt with before."""

    key: str
    outcome: Outcome | None = None
    refusal: Refusal | None = None
    repeated: bool = False


class Progress(Struct, frozen=True):
    """How far a bulk enrolment is: rows seen so far, by outcome."""

    done: int
    enrolled: int
    held: int
    refused: int
    repeated: int


class Link(Struct, frozen=True):
    """A tie to another person."""

    kind: LinkKind
    other: PersonId


class Person(Struct, frozen=True):
    """A person as read: `number` is empty while held; `links` name the guardian, mother or introducer."""

    person_id: PersonId
    number: str
    status: Status
    enrolled_at: datetime
    demographics: Demographics
    links: tuple[Link, ...] = ()

    @property
    def birth_date(self) -> Day | None:
        """The birth date, if it is known to the day."""
        return self.demographics.birth.day

    @property
    def phone(self) -> str:
        """The phone as E.164, or empty."""
        return self.demographics.phone

    @property
    def sex(self) -> Sex:
        """Sex as registered."""
        return self.demographics.sex

    @property
    def region(self) -> str:
        """The region's code, or empty."""
        return self.demographics.region

    @property
    def language(self) -> str:
        """The language to address the person in."""
        return self.demographics.language


class Version(Struct, frozen=True):
    """One version of a person: valid from `valid_from` until before `valid_to` (None: still), and why it came."""

    valid_from: datetime
    valid_to: datetime | None
    reason: str
    demographics: Demographics


class StatusPeriod(Struct, frozen=True):
    """A status that a person had, from `valid_from` until before `valid_to` (None: still), and why."""

    valid_from: datetime
    valid_to: datetime | None
    status: Status
    cause: Cause
    because: str


class Reason(Struct, frozen=True):
    """Why two records are alike: a field, how far it agrees, and the bits of evidence that this gives."""

    field: str
    level: str
    bits: float


class Candidate(Struct, frozen=True):
    """Somebody who may be the held person: bits of evidence in all, and the reasons, strongest first."""

    person_id: PersonId
    bits: float
    reasons: tuple[Reason, ...]


class CaseKind(StrEnum):
    """A held enrolment, or two people with numbers who were found alike later."""

    HELD = "held"
    FOUND = "found"


class DuplicateCase(Struct, frozen=True):
    """A case of the queue, with its candidates, the most alike first; names nobody."""

    case_id: CaseId
    person_id: PersonId
    opened_at: datetime
    candidates: tuple[Candidate, ...]
    kind: CaseKind = CaseKind.HELD


class DuplicatePage(Struct, frozen=True):
    """A page of the queue, oldest first; `next_after` is the case to continue after, None at the end."""

    cases: tuple[DuplicateCase, ...]
    waiting: int
    next_after: CaseId | None


class CaseView(Struct, frozen=True):
    """A case with the records that the officer compares: the held one, and its candidates in the case's order."""

    case: DuplicateCase
    held: Person
    candidates: tuple[Person, ...]


class Decision(Struct, frozen=True, forbid_unknown_fields=True):
    """An officer's decision of a case: `same_as` names the candidate (0 is the first), None means somebody else."""

    same_as: int | None
    because: str


class Decided(Struct, frozen=True):
    """What a decision brought about: merged, enrolled with a number, or proposed to a second officer."""

    case_id: CaseId
    person_id: PersonId
    number: str
    merged: bool
    proposed: bool = False
    found: bool = False


class Event(Struct, frozen=True):
    """News for the other rooms: names the person and nothing else."""

    kind: ClassVar[str] = ""
    person_id: PersonId


class PersonEnrolled(Event, frozen=True):
    """Somebody has a number now."""

    kind: ClassVar[str] = "identity.person-enrolled"


class PersonChanged(Event, frozen=True):
    """There is a new version of a person."""

    kind: ClassVar[str] = "identity.person-changed"


class StatusChanged(Event, frozen=True):
    """A person's status is another one: only an `active` identity can be relied on. News may overtake news, so
    whoever acts on it asks `acts.status_of` for the present one."""

    kind: ClassVar[str] = "identity.status-changed"
    status: Status
    because: Cause


class PersonMerged(Event, frozen=True):
    """The record of `person_id` turned out to be of the person `into`."""

    kind: ClassVar[str] = "identity.person-merged"
    into: PersonId


class PersonUnmerged(Event, frozen=True):
    """The records of `person_id` and `parted_from` are of two people after all; each stands for itself again."""

    kind: ClassVar[str] = "identity.person-unmerged"
    parted_from: PersonId


class GuardiansChanged(Event, frozen=True):
    """Who may act for `person_id`, a child or a person under guardianship, is no longer the same."""

    kind: ClassVar[str] = "identity.guardians-changed"


class BirthRegistered(Event, frozen=True):
    """A birth was registered; `person_id` is the child."""

    kind: ClassVar[str] = "identity.birth-registered"


class DeathRegistered(Event, frozen=True):
    """A death was registered."""

    kind: ClassVar[str] = "identity.death-registered"


EVENTS = {event.kind: event for event in Event.__subclasses__()}


def encoded(value: Any) -> bytes:
    """A struct as it is sealed or kept as a receipt (MessagePack)."""
    return msgspec.msgpack.encode(value)
