"""Nouns of governance: cases with their clock, messages, exhibits, and what they are decided with."""

from datetime import datetime
from enum import StrEnum
from typing import Generic, NewType, TypeVar
from uuid import UUID

from msgspec import Struct

from msingi.consent.model import Access
from msingi.governance.apart.model import Errand
from msingi.kernel.ids import PersonId

CaseId = NewType("CaseId", UUID)
T = TypeVar("T")


class Kind(StrEnum):
    """What a case is about: a complaint, or one of the rights of the country's law."""

    COMPLAINT = "complaint"
    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    ERASURE = "erasure"
    OBJECTION = "objection"
    EXPLANATION = "explanation"


class Stage(StrEnum):
    """Whose turn it is: the institution that answers for the data, or the authority above it."""

    INSTITUTION = "institution"
    AUTHORITY = "authority"


class State(StrEnum):
    """Where a case is: waiting for an answer, answered (an appeal is possible), or closed."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


class Outcome(StrEnum):
    """How a case ended; NONE while it is open."""

    NONE = ""
    GRANTED = "granted"
    PARTLY = "partly"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class CaseOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What a person asks or complains of. `about` names a line of "who looked"; `institution` is then the line's.

    `subject` says what it is about: the part of the record that is wrong, the purpose that is objected to, or the
    decision to be explained. `wanted` is what a wrong entry should say.
    """

    kind: Kind
    text: str = ""
    about: UUID | None = None
    institution: str = ""
    subject: str = ""
    wanted: str = ""
    language: str = ""


class Case(Struct, frozen=True):
    """One case. `reference` is what people write down; `late` says that the authority's deadline passed too.

    `officer` is who answers for it; `assisted_by` the officer at a desk who typed it for the person.
    """

    case_id: CaseId
    person_id: PersonId
    reference: str
    kind: Kind
    institution: str
    stage: Stage
    state: State
    opened_at: datetime
    due_at: datetime
    subject: str = ""
    about: UUID | None = None
    language: str = ""
    channel: str = "web"
    assisted_by: str = ""
    officer: str = ""
    outcome: Outcome = Outcome.NONE
    ground: str = ""
    answered_at: datetime | None = None
    closed_at: datetime | None = None
    escalated_at: datetime | None = None
    appealed: bool = False
    late: bool = False


class Author(StrEnum):
    """Who wrote a message of a case: the person (or who acts for them), an office, or the stack itself."""

    PERSON = "person"
    OFFICE = "office"
    STACK = "stack"


class Message(Struct, frozen=True):
    """One message of a case; `name` and `institution` are empty for the person. `text` of the stack is a code."""

    message_id: UUID
    at: datetime
    author: Author
    name: str
    institution: str
    text: str


class Exhibit(Struct, frozen=True):
    """A file that was added as evidence; its content is read by an act of its own."""

    exhibit_id: UUID
    at: datetime
    name: str
    media_type: str
    size_bytes: int


class NewExhibit(Struct, frozen=True):
    """A file: its name, which is not kept, its media type as sent, its bytes."""

    name: str
    media_type: str
    body: bytes


class Dossier(Struct, frozen=True):
    """A case with all that belongs to it: `line` is the line of the log that it is about, `machines` is how far what
    was granted has got on the machines that run a part of the stack."""

    case: Case
    text: str
    wanted: str
    messages: list[Message]
    exhibits: list[Exhibit]
    line: Access | None = None
    machines: list[Errand] = []


class Listed(Struct, frozen=True):
    """A case as an office's queue shows it: nobody is named; `subject_id` is the office's own pseudonym of them."""

    case: Case
    subject_id: str


class Answer(Struct, frozen=True, forbid_unknown_fields=True):
    """An office's answer: granted, partly or refused; a refusal names its `ground`; `text` is what the person reads."""

    outcome: Outcome
    text: str
    ground: str = ""


class Page(Struct, Generic[T], frozen=True):
    """Some items, and what to pass as `after` to get the next ones (empty: there are no more)."""

    items: list[T]
    after: str = ""


class CaseMoved(Struct, frozen=True):
    """Event `governance.case-moved`: a case was opened, answered, appealed, escalated or closed.

    `by` is who moved it: "person", "office", or "clock" where time alone did. `language` is that of the case.
    """

    person_id: PersonId
    case_id: CaseId
    reference: str
    kind: Kind
    stage: Stage
    state: State
    outcome: Outcome
    by: str = "person"
    language: str = ""
    late: bool = False


class RectificationGranted(Struct, frozen=True):
    """Event `governance.rectification-granted`: the register shall say `wanted` where it says something wrong."""

    person_id: PersonId
    case_id: CaseId
    subject: str
    wanted: str
    officer: str


class ObjectionGranted(Struct, frozen=True):
    """Event `governance.objection-granted`: the institution may no longer use the person's data for this purpose."""

    person_id: PersonId
    reference: str
    institution: str
    purpose: str
