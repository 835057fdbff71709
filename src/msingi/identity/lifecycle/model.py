"""Nouns of the life cycle: proposals and their decisions, guardianship, the past, and what institutions are told."""

from datetime import date, datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.identity.model import Address, Birth, Demographics, Document, Name, Person, Sex, StatusPeriod
from msingi.kernel.ids import PersonId

ProposalId = NewType("ProposalId", UUID)


class ProposalKind(StrEnum):
    """What is proposed: a correction, that two records are one person, that they are not, or that a death is none."""

    UPDATE = "update"
    MERGE = "merge"
    UNMERGE = "unmerge"
    REVIVAL = "revival"


class ProposalState(StrEnum):
    """Where a proposal stands."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"


class Amendment(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What changes in a record; whatever is left out stays as it is."""

    name: Name | None = None
    birth: Birth | None = None
    sex: Sex | None = None
    region: str | None = None
    address: Address | None = None
    language: str | None = None
    second_name: Name | None = None
    second_language: str | None = None


class UpdateOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A proposed correction with its evidence: documents, or a sworn statement and who took it. A `photo` is a JPEG
    or PNG (base64 in JSON), at most 5 MB."""

    change: Amendment
    because: str
    evidence: tuple[Document, ...] = ()
    photo: bytes | None = None


class Proposed(Struct, frozen=True, omit_defaults=True):
    """What a proposal holds sealed: why it was made, what it would change, and why it was decided as it was."""

    because: str
    change: Amendment = Amendment()
    evidence: tuple[Document, ...] = ()
    photo: bytes | None = None
    decision: str = ""


class Proposal(Struct, frozen=True, omit_defaults=True):
    """A proposal as the queue shows it; it names nobody. `fields` are those that would change."""

    proposal_id: ProposalId
    kind: ProposalKind
    state: ProposalState
    proposed_by: str
    proposed_at: datetime
    person_id: PersonId
    fields: tuple[str, ...] = ()
    other_id: PersonId | None = None
    decided_by: str = ""
    decided_at: datetime | None = None


class ProposalPage(Struct, frozen=True):
    """A page of the queue, oldest first; `next_after` is the proposal to continue after, None at the end."""

    proposals: tuple[Proposal, ...]
    waiting: int
    next_after: ProposalId | None


class ProposalView(Struct, frozen=True):
    """A proposal with what the second person must see: the record as it is, as it would be, or the other record.

    `decision` is why it was decided as it was, empty while it is open.
    """

    proposal: Proposal
    because: str
    before: Person
    evidence: tuple[Document, ...] = ()
    after: Demographics | None = None
    other: Person | None = None
    new_photo: bool = False
    decision: str = ""


class ProposalDecision(Struct, frozen=True, forbid_unknown_fields=True):
    """The second person's decision, with a reason."""

    approve: bool
    because: str


class GuardianKind(StrEnum):
    """On what a guardian's right rests."""

    PARENT = "parent"
    KIN = "kin"
    COURT = "court"
    INSTITUTION = "institution"


class GuardianOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A guardianship to grant: the guardian's identity number, on what it rests, and until when.

    Without `until` it ends on the first day as an adult; an adult's guardian needs a court, and a last day.
    """

    guardian: str
    kind: GuardianKind
    because: str
    until: date | None = None


class Guardianship(Struct, frozen=True):
    """One guardian's right over one person: from the day `since` until before the day `until` (None: not known)."""

    person_id: PersonId
    guardian_id: PersonId
    kind: GuardianKind
    since: date
    until: date | None


class NamePeriod(Struct, frozen=True):
    """A name that a person bore in the register, from `valid_from` until before `valid_to` (None: still), and why."""

    name: Name
    valid_from: datetime
    valid_to: datetime | None
    reason: str


class Past(Struct, frozen=True):
    """A record as the register knew it at one instant."""

    at: datetime
    demographics: Demographics
    status: StatusPeriod
    guardians: tuple[Guardianship, ...] = ()


class Notice(Struct, frozen=True, omit_defaults=True):
    """What an institution is told of a person, who is named by the institution's own pseudonym and nothing else.

    `what`: changed, status (with the new `status`), merged (the person is now `other`), unmerged (and is not any
    more), or guardians.
    """

    id: str
    what: str
    pseudonym: str
    at: datetime
    status: str = ""
    other: str = ""


class NoticePage(Struct, frozen=True, omit_defaults=True):
    """Notices in order; ask again with `after` = `next_after`, also when there is none yet."""

    notices: tuple[Notice, ...]
    next_after: str
