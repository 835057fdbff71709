"""Nouns of consent: data agreements, consents and their revisions, requests, and the lines of who looked."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NewType, TypeVar
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId

AgreementId = NewType("AgreementId", str)  # "clinic-summary"
ConsentId = NewType("ConsentId", UUID)
RequestId = NewType("RequestId", UUID)
T = TypeVar("T")


class AgreementText(Struct, frozen=True, forbid_unknown_fields=True):
    """What the person reads, in one language: title, what for, what happens, and the words for each field."""

    title: str
    purpose: str
    explanation: str
    fields: dict[str, str] = {}


class Controller(Struct, frozen=True, forbid_unknown_fields=True):
    """Who answers for the processing, as receipts name them; `name` by language code."""

    name: dict[str, str]
    address: str
    contact: str


class AgreementOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A data agreement to publish. Fields are written `service.field`; times are in days.

    `recipients` are third parties that receive the fields besides `institution`, the controller.
    """

    agreement: AgreementId
    institution: str
    controller: Controller
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    term_days: int
    keep_days: int
    texts: dict[str, AgreementText]
    policy_url: str = ""
    recipients: tuple[str, ...] = ()
    impact_assessment: str = ""
    storage: tuple[str, ...] = ()


class Agreement(Struct, frozen=True):
    """One published version of a data agreement, with its place in its chain of revisions (hashes in hex)."""

    order: AgreementOrder
    version: int
    published_at: datetime
    retired: bool
    hash: str
    predecessor_hash: str
    kid: str
    signature: str


class State(StrEnum):
    """Where a consent is in its life."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class Consent(Struct, frozen=True):
    """What one person allowed one institution; `ended_at` is when it was withdrawn."""

    consent_id: ConsentId
    person_id: PersonId
    agreement: AgreementId
    agreement_version: int
    agreement_hash: str
    institution: str
    purpose: str
    fields: tuple[str, ...]
    state: State
    granted_at: datetime
    expires_at: datetime
    language: str
    channel: str
    ended_at: datetime | None = None
    revision: int = 1


class GrantOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A person's yes to a version of an agreement. `fields` empty means all; `term_days` 0 means the agreement's.

    `request_id` names the institution's request that this answers, if any.
    """

    agreement: AgreementId
    version: int
    fields: tuple[str, ...] = ()
    term_days: int = 0
    language: str = ""
    request_id: UUID | None = None


class Receipt(Struct, frozen=True):
    """The signed state of a consent: the ISO/IEC TS 27560 receipt, and the JWS over it by the key `kid`."""

    consent_id: ConsentId
    state: State
    revision: int
    hash: str
    predecessor_hash: str
    kid: str
    receipt: dict[str, Any]
    jws: str


class RequestState(StrEnum):
    """Where an institution's request for a consent is."""

    PENDING = "pending"
    GRANTED = "granted"
    DECLINED = "declined"
    LAPSED = "lapsed"


class AskOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An institution asks a person for a consent; `person` is its own pseudonym of them, or their identity number."""

    person: str
    agreement: AgreementId
    reason: str = ""
    fields: tuple[str, ...] = ()


class Request(Struct, frozen=True):
    """A request for a consent as the person sees it."""

    request_id: RequestId
    agreement: AgreementId
    agreement_version: int
    institution: str
    purpose: str
    fields: tuple[str, ...]
    reason: str
    state: RequestState
    asked_at: datetime
    lapses_at: datetime
    consent_id: ConsentId | None = None


class Live(Struct, frozen=True):
    """The consent on which a decision rests; `epoch` counts the person's grants and withdrawals so far."""

    consent_id: ConsentId
    epoch: int
    expires_at: datetime


class Access(Struct, frozen=True):
    """One line of "who looked at my data": who, for whom, what, why, on which basis, when (RFC 3339)."""

    record_id: UUID
    at: str
    act: str
    actor_kind: str
    actor: str
    institution: str
    purpose: str
    basis: str
    request_id: str
    detail: dict[str, str | int | bool]


class Page(Struct, Generic[T], frozen=True):
    """Some items, and what to pass as `after` to get the next ones (empty: there are no more)."""

    items: list[T]
    after: str = ""


class ConsentChanged(Struct, frozen=True):
    """Event `consent.granted` and `consent.ended`: the institution may, or may no longer, ask for these fields."""

    person_id: PersonId
    consent_id: ConsentId
    institution: str
    purpose: str
    state: State


class ConsentAsked(Struct, frozen=True):
    """Event `consent.asked`: an institution asks the person for a consent."""

    person_id: PersonId
    request_id: RequestId
    institution: str
    purpose: str
