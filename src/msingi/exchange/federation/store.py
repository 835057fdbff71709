"""The rows of federation: the only file here that runs SQL."""

from datetime import datetime
from typing import Any

import msgspec

from msingi.exchange.federation import rules
from msingi.exchange.federation.model import (
    Directory,
    MemberEntry,
    OfferEntry,
    Peer,
    PeerId,
    PeerStanding,
    PublicKey,
    SubsystemEntry,
)
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx

Q = sql.load(__name__)


def _peer(row: Row) -> Peer:
    told = row["directory"]
    return Peer(
        peer=PeerId(row["peer"]),
        instance=row["instance"],
        name=row["name"],
        url=row["url"],
        keys=msgspec.convert(row["keys"], tuple[PublicKey, ...]),
        rooms=tuple(row["rooms"]),
        standing=PeerStanding(row["standing"]),
        proposed_by=row["proposed_by"],
        approved_by=row["approved_by"],
        since=row["since"],
        version=row["version"],
        expires=row["expires"],
        directory=None if told is None else msgspec.convert(told, Directory),
        same_names=row["same_names"],
    )


def _plain(value: Any) -> Any:
    return None if value is None else msgspec.to_builtins(value)


async def put_peer(tx: Tx, made: Peer) -> bool:
    """A new peer; False when an active one has the name."""
    put = await tx.do(
        Q.put_peer, made.peer, made.instance, made.name, made.url, _plain(made.keys), list(made.rooms),
        made.proposed_by, made.since,
    )  # fmt: skip
    return put == 1


async def peer(tx: Tx, name: str) -> Peer | None:
    """One peer."""
    row = await tx.row(Q.peer_by_name, name)
    return None if row is None else _peer(row)


async def peers(tx: Tx) -> list[Peer]:
    """All peers."""
    return [_peer(row) for row in await tx.rows(Q.peers_all)]


async def save_peer(tx: Tx, now: Peer) -> None:
    """Keep a peer as it is now."""
    await tx.do(
        Q.save_peer, now.peer, _plain(now.keys), now.standing, now.approved_by, now.version, now.expires,
        _plain(now.directory),
    )  # fmt: skip


async def own_members(tx: Tx) -> tuple[MemberEntry, ...]:
    """This instance's active members with their software and keys."""
    members: dict[str, tuple[Row, dict[str, tuple[str, list[PublicKey]]]]] = {}
    for row in await tx.rows(Q.own_members):
        _, software = members.setdefault(row["institution"], (row, {}))
        if row["subsystem"]:
            _, keys = software.setdefault(row["subsystem"], (row["subsystem_name"], []))
            if row["kid"]:
                keys.append(PublicKey(row["kid"], row["x"]))
    return tuple(
        MemberEntry(
            code, row["member_class"], row["name"],
            tuple(SubsystemEntry(one, name, tuple(keys)) for one, (name, keys) in software.items()),
        )
        for code, (row, software) in members.items()
    )  # fmt: skip


async def own_services(tx: Tx) -> tuple[OfferEntry, ...]:
    """The catalogue by code, owner and title."""
    return tuple(OfferEntry(r["service"], r["owner"], r["title"]) for r in await tx.rows(Q.own_services))


async def mirror(tx: Tx, instance: str, members: tuple[MemberEntry, ...], at: datetime) -> None:
    """Make the members of a peer known here, and let those rest that it no longer lists (law 3)."""
    institutions: list[tuple[Any, ...]] = []
    software: list[tuple[Any, ...]] = []
    keys: list[tuple[Any, ...]] = []
    for member in members:
        name = rules.mirrored(instance, member.institution)
        institutions.append((name, member.member_class, member.name, at))
        for one in member.subsystems:
            here = f"{instance}/{one.subsystem}"
            software.append((here, name, one.name, at))
            keys += [(key.kid, here, key.x, at) for key in one.keys]
    if institutions:
        await tx.many(Q.mirror_institution, institutions)
    if software:
        await tx.many(Q.mirror_subsystem, software)
    if keys:
        await tx.many(Q.mirror_key, keys)
    await tx.do(Q.stop_missing_keys, instance, [kid for kid, *_ in keys])
    await tx.do(Q.stop_missing_members, instance, [name for name, *_ in institutions])


async def machine_keys(tx: Tx, subsystem: str, keys: list[PublicKey], at: datetime) -> None:
    """The keys of a machine of this stack: these, and no others."""
    await tx.many(Q.mirror_key, [(key.kid, subsystem, key.x, at) for key in keys])
    await tx.do(Q.stop_machine_keys, subsystem, [key.kid for key in keys])


async def edition(tx: Tx) -> int:
    """How often anything about members has changed."""
    return await tx.value(Q.edition_now)


async def names(tx: Tx) -> dict[str, dict[str, str]]:
    """What members are called, by code and language; those of other instances by `INSTANCE:code`."""
    return {row["institution"]: row["name"] for row in await tx.rows(Q.names_of_members)}


async def left_behind(tx: Tx, room: str, name: str) -> bool:
    """Whether a room has served people here, and is not on its way to this peer with its records."""
    return await tx.value(Q.left_behind, room, name)
