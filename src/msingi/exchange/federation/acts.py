"""Verbs of federation: anchors, peers, directories, and messages that go to another instance or come from one."""

import logging
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from msingi.exchange import store as members
from msingi.exchange.acts import CHANNEL, client_actor
from msingi.exchange.errors import InstitutionExists, MessageSeen, NotStanding
from msingi.exchange.federation import outbound, rules, store, wire
from msingi.exchange.federation.errors import (
    DirectoryRefused,
    InstanceUnknown,
    NotListed,
    PeerFailed,
    PeerNotActive,
    PeerUnknown,
    RecordsHere,
)
from msingi.exchange.federation.model import (
    TTL_S,
    Anchor,
    Directory,
    Peer,
    PeerId,
    PeerStanding,
    PublicKey,
    Returned,
)
from msingi.exchange.model import Caller, Standing
from msingi.exchange.signature import Message
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

SHELF_S = 1.0  # how long peers are remembered between messages
ISSUED_S = 60.0  # how long a signed directory is handed out, unless anything about members changes
NEWER_S = 15.0  # how often at most strangers make us fetch a peer's directory anew
_SHELF, _ISSUED, _NAMES, _LOOKED = "exchange.peers", "exchange.directory", "exchange.names", "exchange.looked"
logger = logging.getLogger("msingi.federation")


def own_keys(stack: Stack) -> tuple[PublicKey, ...]:
    """The keys that this installation signs with, the newest first."""
    return tuple(PublicKey(key["kid"], key["x"]) for key in stack.keys.public("exchange"))


def rooms_here(stack: Stack) -> tuple[str, ...]:
    """The rooms that this machine was started for; empty for a whole stack."""
    return tuple(sorted(name.strip() for name in stack.settings.rooms.split(",") if name.strip()))


async def anchor(stack: Stack) -> Anchor:
    """What another authority needs to know this installation; public, and worth comparing by telephone."""
    profile = stack.profile
    return Anchor(profile.alpha2, dict(profile.name), stack.settings.url, own_keys(stack), rooms_here(stack))


async def directory(stack: Stack) -> str:
    """This instance's members and keys, signed, with a version that only grows; public."""
    known = stack.local.get(_ISSUED)
    at = int(clock.now().timestamp())
    async with stack.db.reading("exchange") as tx:
        edition = await store.edition(tx)
        if isinstance(known, tuple) and known[1] > time.monotonic() and known[2] == edition:
            return known[0]
        listed, services = await store.own_members(tx), await store.own_services(tx)
    made = Directory(
        stack.profile.alpha2, stack.settings.url, at, at, at + TTL_S, own_keys(stack), listed, services
    )  # fmt: skip
    signer = stack.keys.signer("exchange")
    token = wire.signed(made, signer.kid, signer.sign)
    stack.local[_ISSUED] = (token, time.monotonic() + ISSUED_S, edition)
    return token


async def peers(stack: Stack, *, fresh: bool = False) -> list[Peer]:
    """All peers; public, because with whom a country exchanges is everybody's business."""
    known = stack.local.get(_SHELF)
    if not fresh and isinstance(known, tuple) and known[1] > time.monotonic():
        return known[0]
    async with stack.db.reading("exchange") as tx:
        found = await store.peers(tx)
    stack.local[_SHELF] = (found, time.monotonic() + SHELF_S)
    return found


async def keys_of_peers(stack: Stack) -> dict[str, str]:
    """The keys of the peers that may be used now and of their members, by thumbprint."""
    found: dict[str, str] = {}
    for peer in await peers(stack):
        try:
            rules.usable(peer, clock.now())
        except PeerNotActive:
            continue
        found |= {key.kid: key.x for key in rules.keys_of(peer)}
    return found


async def peer_of_instance(stack: Stack, instance: str) -> Peer:
    """The peer that is this instance, if it may be used now; looks anew before it says no.

    Raises InstanceUnknown, PeerNotActive.
    """
    for fresh in (False, True):
        found = next((p for p in await peers(stack, fresh=fresh) if p.instance == instance and not p.rooms), None)
        if found is not None:
            try:
                return rules.usable(found, clock.now())
            except PeerNotActive:
                if fresh:
                    raise
    raise InstanceUnknown(instance=instance[:40])


async def learn_names(stack: Stack) -> None:
    """Read what members are called, if anything about members has changed since; public."""
    known = stack.local.get(_NAMES)
    async with stack.db.reading("exchange") as tx:
        edition = await store.edition(tx)
        if isinstance(known, tuple) and known[0] == edition:
            return
        found = await store.names(tx)
    countries = {peer.instance: peer.name for peer in await peers(stack) if not peer.rooms}
    stack.local[_NAMES] = (edition, {code: rules.name_abroad(code, name, countries) for code, name in found.items()})


def names(stack: Stack) -> Mapping[str, Mapping[str, str]]:
    """What members are called, by code and language, for pages, which do not wait: those of other countries with the
    country, those that joined after this installation was set up too."""
    known = stack.local.get(_NAMES)
    return known[1] if isinstance(known, tuple) else {}


async def propose_peer(stack: Stack, ctx: Context, told: Anchor) -> Peer:
    """Make another installation known by its anchor; a second person approves it (law 1).

    Raises AnchorWrong, and InstitutionExists while an active peer has this name.
    """
    permit = policy.decide(ctx, "exchange.propose_peer", policy.NOBODY)
    name = rules.check_anchor(told, stack.profile.alpha2, rooms_here(stack))
    made = Peer(
        name, told.instance, told.name, told.url.rstrip("/"), told.keys, told.rooms, PeerStanding.PROPOSED,
        ctx.actor.id, "", ctx.at, 0, None,
    )  # fmt: skip
    async with stack.db.transaction(permit) as tx:
        if not await store.put_peer(tx, made):
            raise InstitutionExists("this peer is active; suspend it before its anchor is replaced")
        log.append(tx, permit, detail={"peer": name, "fingerprint": told.fingerprint, "url": made.url})
    stack.local.pop(_SHELF, None)
    return made


async def _peer(stack: Stack, name: str) -> Peer:
    async with stack.db.reading("exchange") as tx:
        found = await store.peer(tx, name)
    if found is None:
        raise PeerUnknown(peer=name[:60])
    return found


async def approve_peer(stack: Stack, ctx: Context, name: str, *, anew: bool = False) -> Peer:
    """Exchange with a proposed or suspended peer from now on; `anew`: its rooms begin there without our records.

    Raises PeerUnknown, SameEyes, RecordsHere.
    """
    permit = policy.decide(ctx, "exchange.approve_peer", policy.NOBODY)
    found = await _peer(stack, name)
    if found.rooms and not found.approved_by and not anew and found.instance == stack.profile.alpha2:
        async with stack.db.reading("exchange") as tx:
            held = [room for room in found.rooms if await store.left_behind(tx, room, name)]
        if held:
            raise RecordsHere(f"this stack holds records of: {', '.join(held)}", peer=name)
    now = rules.approved(found, ctx.actor.id, alone=ctx.actor.kind is Kind.JOB)
    return await _keep(stack, permit, now, {"peer": name, "proposed_by": found.proposed_by})


async def suspend_peer(stack: Stack, ctx: Context, name: str, because: str) -> Peer:
    """Exchange nothing more with a peer, at once. Raises PeerUnknown."""
    permit = policy.decide(ctx, "exchange.suspend_peer", policy.NOBODY)
    found = await _peer(stack, name)
    now = replace(found, standing=PeerStanding.SUSPENDED)
    return await _keep(stack, permit, now, {"peer": name, "because": because[:500]})


async def _keep(stack: Stack, permit: policy.Permit, now: Peer, what: dict[str, str | int | bool]) -> Peer:
    async with stack.db.transaction(permit) as tx:
        await store.save_peer(tx, now)
        log.append(tx, permit, detail=what)
    stack.local.pop(_SHELF, None)
    return now


async def accept_directory(stack: Stack, ctx: Context, name: str, token: str) -> Peer:
    """Believe a peer's directory, and make its members known here under its instance (laws 1, 2, 3).

    Raises PeerUnknown, DirectoryRefused.
    """
    permit = policy.decide(ctx, "exchange.accept_directory", policy.NOBODY)
    found = await _peer(stack, name)
    kid, told = wire.opened(token, found.keys)
    now = rules.accepted(found, kid, told, ctx.at)
    async with stack.db.transaction(permit) as tx:
        await store.save_peer(tx, now)
        rights = 0
        if now.instance != stack.profile.alpha2:
            await store.mirror(tx, now.instance, told.members, ctx.at)
        else:  # a machine of our own instance tells of no members of its own
            rights = await _admit_machine(stack, tx, now)
        what: dict[str, str | int | bool] = {"rights": rights} if rights else {}
        what |= {"peer": name, "version": told.version, "members": len(told.members), "signed_by": kid}
        log.append(tx, permit, detail=what)
    stack.local.pop(_SHELF, None)
    stack.local.pop("exchange.keys", None)
    return now


async def _admit_machine(stack: Stack, tx: Tx, now: Peer) -> int:
    from msingi.exchange.federation import rooms  # it stands on these acts

    return await rooms.admit_machine(stack, tx, now)


async def refresh_peer(stack: Stack, ctx: Context, name: str) -> Peer:
    """Fetch a peer's directory and believe it if it is the peer's. Raises PeerFailed, DirectoryRefused."""
    policy.decide(ctx, "exchange.accept_directory", policy.NOBODY)
    found = await _peer(stack, name)
    token = await outbound.fetched(stack, f"{found.url}/v1/exchange/directory")
    return await accept_directory(stack, ctx, PeerId(name), token.decode("ascii", "replace"))


async def forward(
    stack: Stack, caller: Caller, peer: Peer, message: Message, body: bytes, purpose: str, basis: str,
    person_id: PersonId | None,
) -> Returned:  # fmt: skip
    """Pass a member's verified message to another instance: recorded here first, with the person as we know them.

    `person_id` is who the member says the message is about, by its own pseudonym, or None (law 4).
    Raises NotStanding, MessageSeen, PeerFailed.
    """
    fields = message.fields
    message_id = UUID(fields["x-road-id"])
    ctx = Context(client_actor(caller), purpose, basis, str(message_id), clock.now(), CHANNEL)
    permit = policy.decide(ctx, "exchange.forwarded", policy.NOBODY if person_id is None else person_id)
    parts = message.path.split("/", 7)
    async with stack.db.transaction(permit) as tx:
        held = await members.key_by_kid(tx, caller.kid)
        if held is None or not held.key.active or held.standing is not Standing.ACTIVE:
            raise NotStanding("the institution, its subsystem or this key is not active")
        if not await members.claim_message(tx, caller.subsystem, message_id, ctx.at):
            raise MessageSeen()
        what: dict[str, str | int | bool] = {
            "to": peer.instance,
            "owner": "/".join(parts[3:6]),
            "service": parts[6][:64],
            "method": message.method,
        }
        log.append(tx, permit, subject=person_id, detail=what)
    passed = {
        name: fields.get(name, "")
        for name in ("x-road-client", "x-road-id", "msingi-purpose", "msingi-basis", "msingi-fields", "content-type",
                     "accept", "x-road-issue", "x-road-userid")
    }  # fmt: skip
    sent = outbound.prepared(stack, peer.url, message.method, message.path, message.query, body, passed)
    return await outbound.send(stack, peer, sent, body)


async def machines(stack: Stack) -> list[str]:
    """The names of the machines that run a part of this stack, also of one that is suspended; public."""
    return [
        p.peer for p in await peers(stack, fresh=True)
        if p.instance == stack.profile.alpha2 and p.rooms and p.standing is not PeerStanding.PROPOSED
    ]  # fmt: skip


async def on_machine(stack: Stack, machine: str, ctx: Context, room: str, act: str, **args: Any) -> Any:
    """Call an act that every machine of the stack has, on one of them: recorded here, done there.

    Raises what the act refuses, and Outage where the machine is away or is not of this stack.
    """
    from msingi.exchange.federation import rooms  # it stands on these acts

    return await rooms.carry_to(stack, machine, room, act, ctx, args)


async def foreign_caller(stack: Stack, peer: Peer, subsystem: str) -> tuple[Peer, Caller]:
    """The software of a peer's member as this exchange knows it, by its newest active key, and the peer as known then.

    Whoever is not listed may have joined since: the peer's directory is fetched anew, at most every `NEWER_S` seconds.
    Raises NotListed.
    """
    found = rules.member_of(peer.directory, subsystem)
    if (found is None or not found[1]) and _may_look_again(stack, peer):
        try:
            peer = await refresh_peer(stack, job_context("federation", "data-exchange"), peer.peer)
        except (PeerFailed, DirectoryRefused) as no:
            logger.info("directory of %s not renewed: %s", peer.peer, no.detail or no.title)
        found = rules.member_of(peer.directory, subsystem)
    if found is None or not found[1]:
        raise NotListed(peer=peer.peer)
    member, keys = found
    here = f"{peer.instance}/{subsystem}"
    named = rules.mirrored(peer.instance, member.institution)
    return peer, Caller(named, here, subsystem, keys[-1].kid)  # type: ignore[arg-type]


def _may_look_again(stack: Stack, peer: Peer) -> bool:
    """Whether a peer's directory was not fetched just now for somebody unknown, who may be a stranger knocking."""
    looked: dict[str, float] = stack.local.setdefault(_LOOKED, {})  # type: ignore[assignment]
    if looked.get(peer.peer, 0.0) > time.monotonic():
        return False
    looked[peer.peer] = time.monotonic() + NEWER_S
    return True
