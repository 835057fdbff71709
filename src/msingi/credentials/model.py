"""Nouns of the credentials room: a card, its face, its place in a status list, and what others hear of it."""

from datetime import date
from enum import StrEnum
from typing import NewType

import msgspec

from msingi.kernel.ids import PersonId

CredentialId = NewType("CredentialId", str)
"""Nine characters without vowels and look-alikes; also the document number printed on the card and in its MRZ."""


class Form(StrEnum):
    """The forms in which an identity is shown; later forms share the engine and the status."""

    ID_CARD = "id-card"


class CardState(StrEnum):
    """What the issuer says of a card. Whether it has expired follows from its date."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    REVOKED = "revoked"


class Reason(StrEnum):
    """Why a card's state changed. The holder sees it; a verifier does not."""

    LOST = "lost"
    STOLEN = "stolen"
    FOUND = "found"
    DAMAGED = "damaged"
    REPLACED = "replaced"
    CHANGED = "record-changed"
    MISTAKE = "issued-in-error"
    HOLDER_SUSPENDED = "identity-suspended"
    HOLDER_REINSTATED = "identity-reinstated"
    HOLDER_DEACTIVATED = "identity-deactivated"


class Place(msgspec.Struct, frozen=True):
    """A credential's entry in the published status lists."""

    list_id: int
    index: int


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is printed on a card, frozen when it was issued (law 7).

    `second_given` and `second_family` are the name in the country's second script, or empty; `birth_date` is
    YYYY-MM-DD, YYYY-MM, YYYY or empty; `place` is the region's name; `photo_jpeg` may be empty; `nationality` is
    alpha-3; `qr_text` is the signed credential.
    """

    credential_id: CredentialId
    number: str
    given_name: str
    family_name: str
    second_given: str = ""
    second_family: str = ""
    birth_date: str
    sex: str
    nationality: str
    place: str
    issued_on: date
    expires_on: date
    photo_jpeg: bytes = b""
    qr_text: str

    @property
    def full_name(self) -> str:
        """Given names, then family name."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def second_name(self) -> str:
        """The full name in the second script, or empty."""
        return f"{self.second_given} {self.second_family}".strip()


class Card(msgspec.Struct, frozen=True):
    """A card as the room knows it, without its face. `reason` says why it is not active, or is empty."""

    credential_id: CredentialId
    person_id: PersonId
    form: Form
    state: CardState
    reason: str
    place: Place
    issued_on: date
    expires_on: date


class IssuedCard(msgspec.Struct, frozen=True):
    """The receipt of an issuance; `ended` names the card that this one replaced, or is empty."""

    credential_id: CredentialId
    status_list: int
    status_index: int
    qr_text: str
    issued_on: date
    expires_on: date
    ended: str = ""


class CardSummary(msgspec.Struct, frozen=True):
    """One line of a person's list of cards; `state` is a CardState, or `expired`."""

    credential_id: CredentialId
    form: Form
    state: str
    reason: str
    issued_on: date
    expires_on: date


class StatusChange(msgspec.Struct, frozen=True):
    """The receipt of a revocation, suspension or reinstatement."""

    credential_id: CredentialId
    state: CardState
    reason: Reason


class CardIssued(msgspec.Struct, frozen=True):
    """Event `credentials.card-issued`."""

    person_id: PersonId
    credential_id: CredentialId
    expires_on: date


class CardStateChanged(msgspec.Struct, frozen=True):
    """Event `credentials.card-state-changed`."""

    person_id: PersonId
    credential_id: CredentialId
    state: CardState
    reason: Reason


EVENTS: dict[str, type[msgspec.Struct]] = {
    "credentials.card-issued": CardIssued,
    "credentials.card-state-changed": CardStateChanged,
}
