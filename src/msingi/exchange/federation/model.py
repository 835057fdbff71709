"""Nouns of federation: anchors, directories, peers, and what comes back from one."""

from datetime import datetime
from enum import StrEnum
from typing import NewType

from msgspec import Struct

PeerId = NewType("PeerId", str)  # the X-Road instance of the other installation, or the name of a room's machine

ANCHOR = "msingi-anchor-1"
DIRECTORY = "msingi-directory-1"
TTL_S = 24 * 3600  # how long a directory holds; peers fetch a new one long before
REFRESH_S = 900.0


class PeerStanding(StrEnum):
    """Where a peer is: proposed by one person, then active by another, or suspended."""

    PROPOSED = "proposed"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class PublicKey(Struct, frozen=True):
    """A public Ed25519 key (RFC 8037) with its thumbprint (RFC 7638)."""

    kid: str
    x: str
    kty: str = "OKP"
    crv: str = "Ed25519"


class Anchor(Struct, frozen=True, forbid_unknown_fields=True):
    """What two authorities hand each other once: who the other is, where it answers, and the keys that it signs with.

    `rooms` is empty for another country, and names the rooms that run there for a machine of the same stack.
    """

    instance: str
    name: dict[str, str]
    url: str
    keys: tuple[PublicKey, ...]
    rooms: tuple[str, ...] = ()
    format: str = ANCHOR

    @property
    def fingerprint(self) -> str:
        """The thumbprint of the first key: short enough to be read out on the telephone."""
        return self.keys[0].kid if self.keys else ""


class SubsystemEntry(Struct, frozen=True):
    """A member's software and its keys."""

    subsystem: str
    name: str
    keys: tuple[PublicKey, ...]


class MemberEntry(Struct, frozen=True):
    """An active member of an instance."""

    institution: str
    member_class: str
    name: dict[str, str]
    subsystems: tuple[SubsystemEntry, ...] = ()


class OfferEntry(Struct, frozen=True):
    """A service of the catalogue, by code, owner and title."""

    service: str
    owner: str
    title: dict[str, str]


class Directory(Struct, frozen=True):
    """Everything that others must know of an instance; times are unix seconds, `version` only grows."""

    instance: str
    url: str
    version: int
    issued: int
    expires: int
    keys: tuple[PublicKey, ...]
    members: tuple[MemberEntry, ...]
    services: tuple[OfferEntry, ...]
    format: str = DIRECTORY


class Peer(Struct, frozen=True):
    """Another installation, as it is known here. `version` is that of the last directory, 0 before the first.

    `same_names`: a machine of this stack to which a room moved with its records; it knows people by the ids that stand
    in them, and in the chain over them, and not by ids of its own.
    """

    peer: PeerId
    instance: str
    name: dict[str, str]
    url: str
    keys: tuple[PublicKey, ...]
    rooms: tuple[str, ...]
    standing: PeerStanding
    proposed_by: str
    approved_by: str
    since: datetime
    version: int
    expires: datetime | None
    directory: Directory | None = None
    same_names: bool = False


class Returned(Struct, frozen=True):
    """A peer's verified answer; `proof` lets others verify it again, against the peer's keys."""

    status: int
    body: bytes
    fields: dict[str, str]
    proof: str
