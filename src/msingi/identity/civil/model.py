"""Nouns of civil registration: what is told, what is entered, what a certificate says."""

from datetime import date, datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.identity.model import BirthOrder
from msingi.kernel.ids import PersonId

NotificationId = NewType("NotificationId", UUID)


class EventKind(StrEnum):
    """What happened."""

    BIRTH = "birth"
    DEATH = "death"


class EventState(StrEnum):
    """Where a notification stands: `held` was registered, and its child waits as a probable duplicate."""

    NOTIFIED = "notified"
    HELD = "held"
    REGISTERED = "registered"
    REJECTED = "rejected"


class EntryState(StrEnum):
    """Where a version of an entry stands; only a `registered` one counts."""

    REGISTERED = "registered"
    CORRECTED = "corrected"
    VOID = "void"


class DeathOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A death to notify or register: the identity number of the deceased, the day, the place and its region.

    The medical cause is not asked: it belongs to the health record.
    """

    number: str
    died_on: date
    place: str = ""
    region: str = ""
    informant: str = ""


class Notified(Struct, frozen=True, omit_defaults=True):
    """What a notification holds sealed: one of the two."""

    birth: BirthOrder | None = None
    death: DeathOrder | None = None


class Notification(Struct, frozen=True, omit_defaults=True):
    """A notification as the queue shows it; it names nobody."""

    notification_id: NotificationId
    kind: EventKind
    state: EventState
    region: str
    institution: str
    notified_at: datetime
    because: str = ""
    person_id: PersonId | None = None


class NotificationPage(Struct, frozen=True):
    """A page of the queue, oldest first; `next_after` is the notification to continue after, None at the end."""

    notifications: tuple[Notification, ...]
    waiting: int
    next_after: NotificationId | None


class Facts(Struct, frozen=True, omit_defaults=True):
    """What an entry says, and a certificate with it. `day` is of the birth or the death."""

    name: str
    sex: str
    day: str
    place: str = ""
    region: str = ""
    birth: str = ""
    mother: str = ""
    informant: str = ""


class Entry(Struct, frozen=True):
    """An entry of the civil register in one version."""

    person_id: PersonId
    kind: EventKind
    version: int
    entry_number: str
    state: EntryState
    late: bool
    facts: Facts
    registered_at: datetime


class Certificate(Struct, frozen=True):
    """An entry as it is certified, and `code`: its signed form (JWS), for the square code on the paper."""

    entry: Entry
    code: str


class Verdict(Struct, frozen=True, omit_defaults=True):
    """What a certificate's code is worth. `state`: valid, corrected, void, unknown (no such entry) or forged."""

    state: str
    kind: str = ""
    entry_number: str = ""
    facts: Facts | None = None


class Count(Struct, frozen=True):
    """Entries of a region and month range: how many, and how many of them late."""

    kind: EventKind
    region: str
    entries: int
    late: int
