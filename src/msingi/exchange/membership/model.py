"""Nouns of membership: applications, changes of standing, descriptions of services, requests for rights."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from msingi.exchange.model import Standing, SubsystemId


class State(StrEnum):
    """Where an application or a request is; all but `waiting` are final."""

    WAITING = "waiting"
    APPROVED = "approved"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ApplyOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An institution asks to join with its first software and that software's public key (Ed25519 JWK).

    `law` says by what law or decision it works, for the authority to check.
    """

    institution: str
    member_class: str
    name: dict[str, str]
    contact: str
    subsystem: str
    key: dict[str, str]
    law: str = ""


class Application(Struct, frozen=True):
    """An application as the authority sees it; `proved` when the request was signed with the key that it names."""

    application: UUID
    institution: str
    member_class: str
    name: dict[str, str]
    contact: str
    subsystem: str
    kid: str
    x: str
    law: str
    proved: bool
    state: State
    because: str
    at: datetime
    decided_at: datetime | None = None


class ApplicationShown(Struct, frozen=True):
    """An application as everybody may see it who knows its number."""

    application: UUID
    institution: str
    fingerprint: str
    proved: bool
    state: State
    because: str
    client: str


class Change(Struct, frozen=True):
    """How an institution's standing changed, when and why; public."""

    institution: str
    at: datetime
    standing: Standing
    because: str
    by: str


class OfferOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A service to be offered, by its OpenAPI description (JSON or YAML, as text).

    What a description does not say stands beside it: purposes, legal bases, and the fields, unless its first answer
    names them. `level` is what the owner promises, in words. `url` is where the service answers.
    """

    service: str
    owner: SubsystemId
    openapi: str
    purposes: tuple[str, ...]
    bases: tuple[str, ...]
    url: str = ""
    fields: tuple[str, ...] = ()
    needs_consent: bool = False
    about_person: bool = True
    level: str = ""


class AskRight(Struct, frozen=True, forbid_unknown_fields=True):
    """A subsystem's institution asks for a right; `days` is how long it is needed, `reason` why."""

    client: SubsystemId
    service: str
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    reason: str
    days: int = 365
    by_number: bool = False
    endpoints: tuple[str, ...] = ("GET /**",)


class RightAsked(Struct, frozen=True):
    """A request for a right and what became of it; public."""

    request: UUID
    order: AskRight
    owner: str
    asked_by: str
    at: datetime
    state: State
    because: str
    decided_by: str = ""
    decided_at: datetime | None = None
    until: datetime | None = None
