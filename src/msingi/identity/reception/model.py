"""Nouns of reception: centres and slots, applications, devices and packets."""

from datetime import date, datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.identity.model import EnrolmentOrder

ApplicationId = NewType("ApplicationId", UUID)
PacketId = NewType("PacketId", UUID)


class Centre(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A place of enrolment: its name by language, region, desks, hours (minutes after midnight, local time), length
    of a slot in minutes, and weekdays (1 is Monday)."""

    centre: str
    name: dict[str, str]
    region: str
    desks: int = 2
    opens_min: int = 8 * 60
    closes_min: int = 16 * 60
    slot_min: int = 30
    weekdays: tuple[int, ...] = (1, 2, 3, 4, 5)
    open: bool = True


class Slot(Struct, frozen=True):
    """A time at a centre: the day, minutes after midnight, and how many desks are free."""

    day: date
    at_min: int
    free: int


class Appointment(Struct, frozen=True):
    """A time that was given to an application."""

    centre: str
    day: date
    at_min: int


class ApplicationOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody tells ahead; only a name is needed, and a photo is taken at the centre. `centre`, `day` and
    `at_min` ask for an appointment."""

    person: EnrolmentOrder
    centre: str = ""
    day: date | None = None
    at_min: int | None = None


class Application(Struct, frozen=True, omit_defaults=True):
    """An application: `state` is waiting, enrolled, held or withdrawn. `person` only an officer sees."""

    state: str
    made_at: datetime
    expires_at: datetime
    appointment: Appointment | None = None
    person: EnrolmentOrder | None = None


class PacketState(StrEnum):
    """Where a packet stands; `conflict` and `quarantined` wait for a person."""

    RECEIVED = "received"
    ENROLLED = "enrolled"
    HELD = "held"
    CONFLICT = "conflict"
    QUARANTINED = "quarantined"
    DISMISSED = "dismissed"


class DeviceOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A device to register: its name, the officer who enrols with it, and its public key (Ed25519 JWK)."""

    device: str
    officer: str
    jwk: dict[str, str]


class Device(Struct, frozen=True, omit_defaults=True):
    """A registered device; `missing` are the sequence numbers that have not arrived although later ones have."""

    device: str
    officer: str
    institution: str
    registered_at: datetime
    revoked_at: datetime | None = None
    packets: int = 0
    missing: tuple[int, ...] = ()


class Packet(Struct, frozen=True, forbid_unknown_fields=True):
    """What a device signs: one enrolment, as it was taken in the field.

    `sequence` counts the device's packets from 1; `previous` is the SHA-256 (hex) of the device's packet before, or
    empty; `place` is where the officer was, in words.
    """

    packet_id: UUID
    device: str
    sequence: int
    previous: str
    captured_at: datetime
    order: EnrolmentOrder
    place: str = ""


class PacketLine(Struct, frozen=True, omit_defaults=True):
    """A packet as the queue shows it; it names nobody. `rule` is the rule that it broke."""

    packet_id: PacketId
    device: str
    sequence: int
    state: PacketState
    captured_at: datetime
    received_at: datetime
    rule: str = ""
    because: str = ""


class PacketPage(Struct, frozen=True):
    """A page of packets that wait for a person, oldest first; `next_after` as everywhere."""

    packets: tuple[PacketLine, ...]
    waiting: int
    next_after: PacketId | None
