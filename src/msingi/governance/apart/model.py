"""Nouns of rights across machines: an errand to a machine, what it says there, and the machine's receipt."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId


class What(StrEnum):
    """What a machine is to do: erase what no law keeps, keep everything for now, or no longer."""

    ERASE = "erase"
    HOLD = "hold"
    RELEASE = "release"


class Order(Struct, frozen=True, omit_defaults=True):
    """What travels to the machine: `hold_id` and what follows it are those of the legal hold that begins or ends."""

    errand_id: UUID
    what: What
    reference: str = ""
    hold_id: UUID | None = None
    because: str = ""
    ordered_by: str = ""
    until: datetime | None = None


class Receipt(Struct, frozen=True, omit_defaults=True):
    """What the machine did. `known` is false where it has never met the person, so that there was nothing to do.

    An erasure has a certificate: its JWS (EdDSA, key `kid`) verifies with the trust file of the machine at `address`.
    """

    address: str
    at: datetime
    known: bool = True
    destroyed: dict[str, int] = {}
    kept: dict[str, int] = {}
    certificate_id: UUID | None = None
    kid: str = ""
    jws: str = ""


class Waiting(Struct, frozen=True):
    """How many errands wait for a machine, and since when the oldest does."""

    machine: str
    waiting: int
    since: datetime


class Errand(Struct, frozen=True):
    """One thing that one machine must do about a person; `last` says why it has not been done so far."""

    errand_id: UUID
    person_id: PersonId
    machine: str
    what: What
    reference: str
    about: UUID
    made_at: datetime
    tries: int = 0
    last: str = ""
    done_at: datetime | None = None
    receipt: Receipt | None = None

    @property
    def rooms(self) -> tuple[str, ...]:
        """The rooms that the machine runs, as its name says: `XT+health+payments`."""
        return tuple(self.machine.split("+")[1:])
