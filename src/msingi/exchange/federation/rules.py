"""The laws of federation as pure functions."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from msgspec.structs import replace

from msingi.exchange.errors import BadCall
from msingi.exchange.federation.errors import AnchorWrong, DirectoryRefused, PeerNotActive, SameEyes
from msingi.exchange.federation.model import (
    ANCHOR,
    DIRECTORY,
    Anchor,
    Directory,
    MemberEntry,
    Peer,
    PeerId,
    PeerStanding,
    PublicKey,
)
from msingi.exchange.rules import IDENTIFIER

INSTANCE = re.compile(r"[A-Z]{2}[A-Za-z0-9-]{0,20}")
SKEW_S = 300  # how far the clocks of two installations may be apart


def check_anchor(anchor: Anchor, own_instance: str, own_rooms: tuple[str, ...] = ()) -> PeerId:
    """The name under which an anchor is kept; `own_rooms` are those of a machine that runs a part of a stack.

    Raises AnchorWrong naming the member that is wrong (law 1).
    """
    url = urlsplit(anchor.url)
    if anchor.format != ANCHOR:
        raise AnchorWrong(f"format is {ANCHOR}", field="format")
    if not INSTANCE.fullmatch(anchor.instance):
        raise AnchorWrong("an instance begins with the two capital letters of its country", field="instance")
    if url.scheme not in ("http", "https") or not url.netloc or url.query or url.path not in ("", "/"):
        raise AnchorWrong("url is the address of the other stack, without a path", field="url")
    if not anchor.keys or any(key.kty != "OKP" or key.crv != "Ed25519" for key in anchor.keys):
        raise AnchorWrong("keys are public Ed25519 keys (RFC 8037)", field="keys")
    if not anchor.rooms and anchor.instance == own_instance and not own_rooms:
        raise AnchorWrong("this is our own instance, and the anchor names no room that moved out", field="instance")
    if anchor.rooms and anchor.instance != own_instance:
        raise AnchorWrong("only a machine of our own instance runs rooms of ours", field="rooms")
    return PeerId("+".join((anchor.instance, *anchor.rooms)))


def approved(peer: Peer, by: str, *, alone: bool = False) -> Peer:
    """The peer, approved by a second person; `alone` where the installation itself does both (law 1).

    Raises SameEyes.
    """
    if peer.standing is PeerStanding.PROPOSED and peer.proposed_by == by and not alone:
        raise SameEyes()
    return replace(peer, standing=PeerStanding.ACTIVE, approved_by=by)


def accepted(peer: Peer, kid: str, told: Directory, now: datetime) -> Peer:
    """The peer as its new directory says, whose signature by `kid` was verified (laws 1, 2, 3).

    Raises DirectoryRefused.
    """
    at = now.timestamp()
    if told.format != DIRECTORY or told.instance != peer.instance:
        raise DirectoryRefused("it is of another instance, or of a format not known here", peer=peer.peer)
    if kid not in {key.kid for key in peer.keys}:
        raise DirectoryRefused("it is signed by a key that is not pinned", peer=peer.peer)
    if told.version < peer.version:
        raise DirectoryRefused("it is older than the one accepted before", peer=peer.peer)
    if told.expires <= at or told.issued > at + SKEW_S:
        raise DirectoryRefused("it has expired, or comes from the future", peer=peer.peer)
    if not told.keys or any(not _well_formed(member) for member in told.members):
        raise DirectoryRefused("it has no keys, or a member that is not well formed", peer=peer.peer)
    expires = datetime.fromtimestamp(told.expires, UTC)
    return replace(peer, keys=told.keys, version=told.version, expires=expires, directory=told)


def _well_formed(member: MemberEntry) -> bool:
    parts = (member.institution, member.member_class)
    prefix = f"{member.member_class}/{member.institution}/"
    return all(IDENTIFIER.fullmatch(part) for part in parts) and all(
        one.subsystem.startswith(prefix) and IDENTIFIER.fullmatch(one.subsystem.removeprefix(prefix))
        for one in member.subsystems
    )


def usable(peer: Peer, now: datetime) -> Peer:
    """The peer, if messages may go to it and come from it now (law 2). Raises PeerNotActive."""
    if peer.standing is not PeerStanding.ACTIVE:
        raise PeerNotActive(f"it is {peer.standing.value}", peer=peer.peer)
    if peer.expires is None or peer.expires <= now:
        raise PeerNotActive("its directory has expired", peer=peer.peer)
    return peer


def mirrored(instance: str, institution: str) -> str:
    """The name that a foreign institution has here: its instance, a colon, its code (law 3)."""
    return f"{instance}:{institution}"


def name_abroad(code: str, name: Mapping[str, str], countries: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What a member is called in each language: of another instance, with its country in brackets."""
    instance, foreign, _ = code.partition(":")
    country = countries.get(instance, {"en": instance})
    if not foreign:
        return dict(name)
    anyhow = country.get("en", next(iter(country.values()), instance))
    return {language: f"{text} ({country.get(language, anyhow)})" for language, text in name.items()}


def client_named(text: str) -> tuple[str, str]:
    """Instance and subsystem of an `X-Road-Client` value; the last one counts. Raises BadCall."""
    parts = text.rpartition(",")[2].strip().split("/")
    if len(parts) != 4 or not all(IDENTIFIER.fullmatch(part) for part in parts):
        raise BadCall("X-Road-Client is instance/class/member/subsystem", field="X-Road-Client")
    return parts[0], "/".join(parts[1:])


def keys_of(peer: Peer) -> tuple[PublicKey, ...]:
    """The keys of a peer's exchange, and those of its members' software."""
    members = peer.directory.members if peer.directory else ()
    return peer.keys + tuple(key for member in members for one in member.subsystems for key in one.keys)


def member_of(directory: Directory | None, subsystem: str) -> tuple[MemberEntry, tuple[PublicKey, ...]] | None:
    """The member whose software this is, with that software's keys; None where the directory knows none."""
    for member in directory.members if directory else ():
        for one in member.subsystems:
            if one.subsystem == subsystem:
                return member, one.keys
    return None
