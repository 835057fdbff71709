"""Nouns of keeping: the rules of the register, legal holds, and certificates of what was destroyed."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId


class How(StrEnum):
    """Who destroys the rows of a table: retention, their own room sooner, nobody while a life or a book lasts."""

    DELETE = "delete"
    ROOM = "room"
    LIFE = "life"
    BOOK = "book"


class Rule(Struct, frozen=True):
    """One table of the register. `keep_days` is what the room needs; `clock` is empty where age cannot be counted."""

    table: str
    purpose: str
    keep_days: int
    how: How
    personal: bool
    clock: str
    sealed: bool
    duty: bool


class Kept(Struct, frozen=True):
    """How long a table's rows are kept in this country: days, and the law where it is a duty."""

    table: str
    purpose: str
    how: How
    days: int
    law: str
    personal: bool
    clock: str
    sealed: bool


class Hold(Struct, frozen=True):
    """An order to keep a person's records for now."""

    hold_id: UUID
    person_id: PersonId
    because: str
    ordered_by: str
    since: datetime
    until: datetime
    ended_at: datetime | None = None


class HoldOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What a court or the authority orders: why, and for how many days."""

    because: str
    days: int


class Certificate(Struct, frozen=True):
    """Proof of a destruction: `body` is what the JWS (EdDSA, key `kid` of the set `consent`) is over."""

    certificate_id: UUID
    at: datetime
    kind: str
    body: dict[str, Any]
    kid: str
    jws: str


class Erased(Struct, frozen=True):
    """What an erasure did: rows destroyed and kept by table, the laws behind what was kept, and its certificate."""

    destroyed: dict[str, int]
    kept: dict[str, int]
    duties: list[str]
    certificate: Certificate
