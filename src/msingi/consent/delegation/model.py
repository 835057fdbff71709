"""Nouns of acting for others."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId

DELEGABLE = ("consent-management", "redress", "subject-access")
CHANNEL = "behalf"  # the channel of acts that somebody does for another: rules can tell, and forbid


class By(StrEnum):
    """Why somebody may act for another."""

    DELEGATION = "delegation"
    GUARDIAN = "guardian"


class DelegationOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom a person lets act for them (by identity number), for which purposes of DELEGABLE, for how many days."""

    number: str
    purposes: tuple[str, ...]
    days: int


class Delegation(Struct, frozen=True):
    """One delegation: `person_id` lets `delegate_id` act; names are as the parties may see them."""

    delegation_id: UUID
    person_id: PersonId
    delegate_id: PersonId
    person_name: str
    delegate_name: str
    purposes: tuple[str, ...]
    since: datetime
    until: datetime
    ended_at: datetime | None = None


class Delegations(Struct, frozen=True):
    """What a person gave to others, and what others gave to them."""

    given: list[Delegation]
    received: list[Delegation]


class DelegationChanged(Struct, frozen=True):
    """Event `consent.delegation-changed`: somebody may, or may no longer, act for a person."""

    person_id: PersonId
    delegation_id: UUID
    live: bool
