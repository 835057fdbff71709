"""Enrolment where there is no network: devices, the packets that they sign, and what becomes of each."""

from datetime import datetime
from typing import Final
from uuid import UUID

from msgspec import structs

from msingi.identity import acts as identity
from msingi.identity import rules as identity_rules
from msingi.identity.errors import DeviceExists, PacketNotWaiting, PacketUnreadable, UnknownDevice, UnknownPacket
from msingi.identity.model import Enrolled, EnrolmentOrder, Outcome
from msingi.identity.reception import envelope, rules, store
from msingi.identity.reception.model import (
    Device,
    DeviceOrder,
    Packet,
    PacketId,
    PacketLine,
    PacketPage,
    PacketState,
)
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import Conflict, DifferentContent, Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack

LABEL: Final = "identity.packet"
WHY: Final = "identity.packet-because"
OFFICER_ROLE: Final = frozenset({"enrolment-officer"})


async def register_device(stack: Stack, ctx: Context, order: DeviceOrder) -> None:
    """Trust a device's key for enrolments by one officer of the own institution. Raises Malformed, DeviceExists."""
    name = identity_rules.short_text(order.device, "device")
    officer = identity_rules.short_text(order.officer, "officer")
    if not name or not officer:
        raise Malformed("A device has a name and an officer.", field="device", rule="not-empty")
    key = envelope.public_key(order.jwk)
    permit = policy.decide(ctx, "identity.register-device", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if not await store.add_device(tx, name, officer, ctx.actor.institution, key, clock.now()):
            known = await store.device(tx, name)
            if known is None or bytes(known["public_key"]) != key or known["institution"] != ctx.actor.institution:
                raise DeviceExists()
        log.append(tx, permit, detail={"what": "device registered", "device": name, "officer": officer})


async def revoke_device(stack: Stack, ctx: Context, device: str, because: str) -> None:
    """Trust a device no more, because it was stolen or lost: its packets wait for a person (law 5).

    Raises UnknownDevice, Malformed without a reason.
    """
    why = identity_rules.reason(because)
    permit = policy.decide(ctx, "identity.revoke-device", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if not await store.revoke_device(tx, device, ctx.actor.institution, clock.now(), why):
            raise UnknownDevice()
        log.append(tx, permit, detail={"what": "device revoked", "device": device})


async def devices(stack: Stack, ctx: Context) -> list[Device]:
    """The devices of one's institution, newest first, with what has not arrived from each."""
    permit = policy.decide(ctx, "identity.see-devices", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.devices(tx, ctx.actor.institution)
        log.append(tx, permit, detail={"what": "devices listed"})
    return found


async def receive_packet(stack: Stack, ctx: Context, text: str) -> PacketLine:
    """Take a packet in: once this returns it is kept, and `work_off` enrols it. Repeated, it answers the same.

    Raises PacketUnreadable for what no registered device made for this registry, Malformed for what it may not say,
    DifferentContent for an id that came with another content. The signature of the device is what admits it.
    """
    # 1. Open, find the device that it says it is of, and believe it only if that device's key signed it (law 3).
    signed = envelope.decrypted(stack, text.strip())
    name = envelope.named_device(signed)
    permit = policy.decide(ctx, "identity.send-packet", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        device = await store.device(tx, name, lock=True)
        if device is None:
            raise PacketUnreadable("No registered device signed this.", field="packet", rule="signature")
        packet, digest = envelope.verified(signed, bytes(device["public_key"]))
        now, packet_id = clock.now(), PacketId(packet.packet_id)
        rules.check_packet(packet, name, now)
        # 2. Keep it as it came. A revoked device's packets wait for a person, whenever they say they were made.
        trusted = device["revoked_at"] is None
        state = PacketState.RECEIVED if trusted else PacketState.QUARANTINED
        sealed = stack.seal.seal_with_room_key(f"{LABEL}:{packet_id}", signed.encode())
        facts = packet.device, packet.sequence, state, packet.captured_at, now, sealed, digest
        new = await store.add_packet(tx, packet_id, *facts, "" if trusted else "revoked-device")
        row = await store.lock_packet(tx, packet_id)
        assert row is not None
        if not new and bytes(row["content_hash"]) != digest:
            raise DifferentContent(key=str(packet_id))
        log.append(tx, permit, detail={"what": "packet received", "packet": str(packet_id), "device": name})
    return _line(stack, row)


async def work_off(stack: Stack, limit: int = 50) -> int:
    """Enrol what has arrived, each under its officer's name; how many. A crash leaves them to the next round."""
    async with stack.db.reading("identity") as tx:
        due = await store.due_packets(tx, limit)
    for packet_id in due:
        await _enrol(stack, packet_id)
    return len(due)


async def _enrol(stack: Stack, packet_id: PacketId) -> None:
    """One packet: enrolled, held, or waiting for a person with the rule that it broke (law 4)."""
    ctx = job_context("field-packets", "identity-registration")
    row, packet = await _opened(stack, ctx, packet_id)
    if row.state is not PacketState.RECEIVED or packet is None:
        return
    permit = policy.decide(ctx, "identity.work-packets", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:  # 3. The device may have been revoked since it arrived (law 5).
        device = await store.device(tx, row.device, lock=True)
        assert device is not None
        if device["revoked_at"] is not None:
            await store.settle_packet(tx, packet_id, PacketState.QUARANTINED, "revoked-device")
        log.append(tx, permit, detail={"what": "packet taken up", "packet": str(packet_id)})
    if device["revoked_at"] is not None:
        return
    who = Actor(Kind.STAFF, device["officer"], device["institution"], OFFICER_ROLE, 1, device["officer"])
    acting = context(who, "identity-registration", "public-task", channel="field")
    try:
        outcome = await identity.enrol(stack, acting, packet.order, f"packet:{packet_id}")
    except (Malformed, Conflict) as refused:
        rule = str(refused.facts.get("rule", refused.code))[:60]
        await _settle(stack, ctx, packet_id, PacketState.CONFLICT, rule, None)
        return
    await _settle(stack, ctx, packet_id, _state_of(outcome), "", outcome)


def _state_of(outcome: Outcome) -> PacketState:
    return PacketState.ENROLLED if isinstance(outcome, Enrolled) else PacketState.HELD


async def _settle(
    stack: Stack,
    ctx: Context,
    packet_id: PacketId,
    state: PacketState,
    rule: str,
    outcome: Outcome | None,
    by: str | None = None,
    because: str | None = None,
) -> None:
    act = "identity.work-packets" if by is None else "identity.resolve-packet"
    permit = policy.decide(ctx, act, policy.ANYONE)
    person_id = None if outcome is None else outcome.person_id
    async with stack.db.transaction(permit) as tx:
        why = because and stack.seal.seal_with_room_key(f"{WHY}:{packet_id}", because.encode())
        await store.settle_packet(tx, packet_id, state, rule, person_id, by, why or None)
        log.append(tx, permit, subject=person_id, detail={"what": f"packet {state}", "packet": str(packet_id)})


def _line(stack: Stack, row: Row) -> PacketLine:
    """A packet with the reason of what became of it. It is sealed for the room: the packet may be about nobody."""
    if row["because"] is None:
        return store.line_of(row)
    why = stack.seal.unseal_with_room_key(f"{WHY}:{row['packet_id']}", bytes(row["because"]))
    return store.line_of(row, why.decode())


async def _opened(stack: Stack, ctx: Context, packet_id: PacketId) -> tuple[PacketLine, Packet | None]:
    """A packet with its content, None once that is gone. Raises UnknownPacket."""
    act = "identity.work-packets" if ctx.actor.kind is Kind.JOB else "identity.see-packets"
    permit = policy.decide(ctx, act, policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = await store.lock_packet(tx, packet_id)
        device = None if row is None else await store.device(tx, row["device"])
        log.append(tx, permit, detail={"what": "packet opened", "packet": str(packet_id)})
    if row is None or device is None:
        raise UnknownPacket()
    if row["sealed"] is None:
        return _line(stack, row), None
    signed = stack.seal.unseal_with_room_key(f"{LABEL}:{packet_id}", bytes(row["sealed"])).decode()
    packet, _ = envelope.verified(signed, bytes(device["public_key"]))
    return _line(stack, row), packet


async def packets_waiting(stack: Stack, ctx: Context, after: PacketId | None = None, limit: int = 50) -> PacketPage:
    """Packets that wait for a person, oldest first, at most `limit` (1 to 200); names nobody."""
    if not 1 <= limit <= 200:
        raise Malformed("From 1 to 200.", field="limit", rule="1-200")
    permit = policy.decide(ctx, "identity.see-packets", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found, waiting = await store.waiting_packets(tx, after or PacketId(UUID(int=0)), limit)
        log.append(tx, permit, detail={"what": "queue of packets listed"})
    return PacketPage(tuple(found), waiting, found[-1].packet_id if len(found) == limit else None)


async def read_packet(stack: Stack, ctx: Context, packet_id: PacketId) -> tuple[PacketLine, Packet | None]:
    """A packet with what was taken in the field, for whoever resolves it. Raises UnknownPacket."""
    return await _opened(stack, ctx, packet_id)


async def resolve_packet(
    stack: Stack, ctx: Context, packet_id: PacketId, because: str, order: EnrolmentOrder | None
) -> Outcome | None:
    """Enrol a waiting packet, as it is or corrected (`order`), or dismiss it (None), with a reason.

    Raises UnknownPacket, PacketNotWaiting, Malformed, and whatever the enrolment raises; then it goes on waiting.
    """
    why = identity_rules.reason(because)
    policy.decide(ctx, "identity.resolve-packet", policy.ANYONE)
    line, _ = await _opened(stack, ctx, packet_id)
    if line.state not in (PacketState.CONFLICT, PacketState.QUARANTINED):
        raise PacketNotWaiting(state=line.state)
    by = f"{ctx.actor.kind}:{ctx.actor.id}"
    if order is None:
        await _settle(stack, ctx, packet_id, PacketState.DISMISSED, line.rule, None, by, why)
        return None
    resolving = structs.replace(ctx, channel="field")
    outcome = await identity.enrol(stack, resolving, order, f"packet:{packet_id}")
    await _settle(stack, ctx, packet_id, _state_of(outcome), line.rule, outcome, by, why)
    return outcome


def made_packet(device: str, sequence: int, previous: str, order: EnrolmentOrder, place: str, at: datetime) -> Packet:
    """A packet as a device makes it; its id grows with time."""
    return Packet(uuid7(), device, sequence, previous, at, order, place)
