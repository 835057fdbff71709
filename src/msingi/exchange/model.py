"""Nouns of the exchange: institutions and keys, services and rights, one message and its answer."""

from collections.abc import AsyncIterator
from datetime import datetime
from enum import StrEnum
from typing import Any, NewType, Protocol
from uuid import UUID

from msgspec import Struct

from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

InstitutionId = NewType("InstitutionId", str)  # "zahanati": the member code, which names one institution
SubsystemId = NewType("SubsystemId", str)  # "GOV/zahanati/records": member class, member code, a piece of software
ServiceCode = NewType("ServiceCode", str)  # "patient-summary": names one thing in a country


def institution_of(subsystem: str) -> str:
    """Whose software this is: the member's code; of another instance, `INSTANCE:code`."""
    parts = subsystem.split("/")
    return f"{parts[0]}:{parts[2]}" if len(parts) == 4 else parts[1]


class Standing(StrEnum):
    """Where an institution is in its membership."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class Institution(Struct, frozen=True):
    """A member of the exchange; `name` by language code."""

    institution: InstitutionId
    member_class: str
    name: dict[str, str]
    standing: Standing
    contact: str
    since: datetime


class Subsystem(Struct, frozen=True):
    """A piece of an institution's software that has keys and rights of its own."""

    subsystem: SubsystemId
    name: str
    since: datetime


class Key(Struct, frozen=True):
    """A public key of a subsystem; `kid` is its RFC 7638 thumbprint."""

    kid: str
    subsystem: SubsystemId
    x: str
    active: bool
    since: datetime


class Check(StrEnum):
    """How a question looks at the value of its field."""

    EQUALS = "equals"  # the value is the one given, capitals aside
    ONE_OF = "one-of"  # the value is among those given
    AT_LEAST = "at-least"  # a number, or a date, not below the one given
    AT_MOST = "at-most"
    AGE_AT_LEAST = "age-at-least"  # a date of birth (or the year, or year and month) at least that many years ago
    AGE_UNDER = "age-under"
    PRESENT = "present"  # there is a value


class Question(Struct, frozen=True, forbid_unknown_fields=True):
    """A yes/no question that a service answers without telling the value: `test` of `field` against `value`.

    With `asked` the client gives the value ("lives-in=dodoma"), one for each message, so that probing is seen.
    """

    field: str
    test: Check
    value: str | int | tuple[str, ...] = ""
    asked: bool = False
    title: dict[str, str] = {}


class Offer(Struct, frozen=True):
    """A service as the catalogue shows it. One `about_person` is asked about one person, named in the path.

    With `document` the answer is the value of that one field itself, as `media_type`; otherwise it is an object of
    the granted fields. The names of `questions` are granted like fields, and answered with true or false.
    """

    service: ServiceCode
    owner: SubsystemId
    title: dict[str, str]
    fields: tuple[str, ...]
    purposes: tuple[str, ...]
    bases: tuple[str, ...]
    needs_consent: bool
    about_person: bool
    openapi: dict[str, Any]
    document: str = ""
    media_type: str = "application/json"
    url: str = ""  # empty: answered by a room of this stack
    active: bool = True
    questions: dict[str, Question] = {}


class Right(Struct, frozen=True):
    """What `client` may ask of `service`: for one purpose, on one legal basis, these endpoints, these fields.

    `law` cites what the legal basis rests on. `by_number` allows naming a person by identity number. `version` grows
    with every change, so that a remembered right is recognised as old.
    """

    client: SubsystemId
    service: ServiceCode
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    endpoints: tuple[str, ...]
    by_number: bool
    version: int
    until: datetime | None = None


class JoinOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An institution asks to join, with its first subsystem and that subsystem's first key (Ed25519 JWK)."""

    institution: InstitutionId
    member_class: str
    name: dict[str, str]
    contact: str
    subsystem: str
    key: dict[str, str]


class SubsystemOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """One more subsystem of an institution, with its first key."""

    subsystem: SubsystemId
    name: str
    key: dict[str, str]


class KeyOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """One more public key (Ed25519 JWK) for a subsystem; the older ones stay valid until they are revoked."""

    subsystem: SubsystemId
    key: dict[str, str]


class RightOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What the governing authority, or the owner of the service, grants to a subsystem."""

    client: SubsystemId
    service: ServiceCode
    purpose: str
    basis: str
    law: str
    fields: tuple[str, ...]
    endpoints: tuple[str, ...] = ("GET /**",)
    by_number: bool = False
    until: datetime | None = None


class Call(Struct, frozen=True):
    """One message, its signature verified: who asks what of whom, about whom, and why.

    `person` is how the client names the person (pseudonym or identity number); empty for services about nobody.
    `path` begins with a slash and is what follows the person. `fields` empty means all that the right gives.
    """

    message_id: str
    client: SubsystemId
    kid: str
    created: int
    owner: SubsystemId
    service: ServiceCode
    method: str
    path: str
    query: str
    person: str
    purpose: str
    basis: str = ""
    fields: tuple[str, ...] = ()
    body: bytes = b""
    media_type: str = ""
    issue: str = ""
    passed: str = ""  # header lines for the service, as they came
    inflow: "Inflow | None" = None  # the rest of a body that is too large to be held
    tls_kid: str = ""  # the key of the certificate that the connection showed, where it did


class Inflow(Protocol):
    """A large request body on its way: what follows `Call.body`, held back until its digest is known to be right.

    `size` is its whole length, or None where it comes in chunks of unknown number.
    """

    size: int | None

    def __aiter__(self) -> AsyncIterator[bytes]: ...


class Released(Struct, frozen=True):
    """What leaves the exchange: the filtered body, and the record that tells the person.

    A large document comes as a `stream` of chunks instead of a body; `digest` is its Content-Digest where the service
    told it beforehand.
    """

    status: int
    body: bytes
    media_type: str
    record_id: UUID | None
    consent: str = ""
    fields: dict[str, str] = {}
    stream: AsyncIterator[bytes] | None = None
    digest: str = ""


class Caller(Struct, frozen=True):
    """Whose signature a message carries: institution, subsystem, and the key that verified it."""

    institution: InstitutionId
    subsystem: SubsystemId
    name: str
    kid: str
    tls_kid: str = ""  # of the certificate that the connection showed, where it did


class Handler(Protocol):
    """What answers a service: a function of some room, registered by the composition root.

    It gives values by field name; the exchange lets out those that were granted. `ctx` carries the institution, the
    purpose, the legal basis and the consent of the decision, and the channel `exchange`. A Refusal that it raises is
    passed to the institution as the service's own answer.
    """

    async def __call__(
        self, stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str,
        body: bytes, fields: tuple[str, ...],
    ) -> dict[str, Any]: ...  # fmt: skip
