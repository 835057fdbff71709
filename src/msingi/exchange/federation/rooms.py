"""Rooms that run on another machine of the same stack: their marked acts travel as messages of the exchange.

Each machine offers the marked acts of its rooms as one service per room (`health-acts`), and each other machine of the
stack has a right to exactly the acts that its rooms call, for every purpose; the act itself decides on actor, purpose
and legal basis as always, and leaves its leaf where it is done. The machine that carries a call leaves one too.

People have one name on each machine: a machine that runs a part of the stack knows a person by a pseudonym made for
that machine alone. Only the machine with the identity room can swap the two, and does so on everything that crosses.
"""

import base64
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from msingi.exchange import registry
from msingi.exchange import store as members
from msingi.exchange.federation import acts, outbound, rules, store
from msingi.exchange.federation.errors import PeerFailed
from msingi.exchange.federation.model import Peer, PublicKey
from msingi.exchange.governance import publish_registered
from msingi.exchange.model import Institution, InstitutionId, Right, ServiceCode, Standing, Subsystem, SubsystemId
from msingi.kernel import clock, crossing, log, policy
from msingi.kernel.context import PURPOSES, Context, job_context
from msingi.kernel.crossing import Crossing, Swap
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed, NotPermitted, Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

LAW = "the stack's own working: its rooms run on several machines"
_ACQUAINTED = "exchange.acquainted"
ON_EVERY_MACHINE = frozenset({"rights"})  # acts of no room: each machine that runs a part of the stack has them


class Carried(Struct, frozen=True):
    """A call on its way: for whom, and the arguments by name."""

    ctx: Context
    args: dict[str, msgspec.Raw]


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What came of it: the result, or a refusal."""

    result: msgspec.Raw = msgspec.Raw(b"")
    no: crossing.No | None = None


def carrier_code(room: str) -> ServiceCode:
    """The service that carries a room's acts."""
    return ServiceCode(f"{room}-acts")


def machine(stack: Stack, rooms: tuple[str, ...]) -> SubsystemId:
    """The subsystem that a machine of the stack is in the exchange; `rooms` is empty for the one that runs the rest."""
    member = next(m for m in stack.profile.institutions if m.code == stack.profile.authority.member)
    return SubsystemId(f"{member.member_class}/{member.code}/{'-'.join(('msingi', *rooms))}")


def _unchanged(person_id: PersonId) -> PersonId:
    return person_id


def swaps(stack: Stack, peer: Peer) -> tuple[Swap, Swap]:
    """How a person's id here becomes the id on the peer's machine, and back.

    Both are one AES block (see kernel.pseudonym), so the peer's id says nothing about ours.
    """
    if not peer.rooms or peer.same_names:  # the peer has the identity room: it swaps; or its records came from here
        return _unchanged, _unchanged
    name = f"machine:{peer.peer}"

    def out(person_id: PersonId) -> PersonId:
        text = stack.pseudonym.of(name, person_id).upper()
        return PersonId(UUID(bytes=base64.b32decode(text + "=" * (-len(text) % 8))))

    def back(person_id: PersonId) -> PersonId:
        return stack.pseudonym.person(name, base64.b32encode(person_id.bytes).decode().rstrip("=").lower())

    return out, back


async def connect(stack: Stack) -> None:
    """Let calls of rooms that run elsewhere be carried there: by the peers that are known, at start and after a change.

    A stack with no such peer carries nothing, and offers nothing of this kind.
    """
    here = frozenset(acts.rooms_here(stack))
    far: dict[str, crossing.Carrier] = {}
    machines = [
        p for p in await acts.peers(stack, fresh=True)
        if p.instance == stack.profile.alpha2 and p.standing == "active"
    ]  # fmt: skip
    if machines or here:
        offer(stack)
        await publish_registered(stack)
    for peer in machines:
        for room in crossing.rooms() - ON_EVERY_MACHINE if not peer.rooms else peer.rooms:
            if room not in here and (here or peer.rooms):
                far[room] = _carrier(peer)
    stack.local[crossing.FAR] = far
    stack.db.elsewhere = frozenset(far)


def _carrier(peer: Peer) -> crossing.Carrier:
    async def carry(stack: Stack, known: Crossing, ctx: Context, args: dict[str, Any]) -> Any:
        return await _carry(stack, peer.peer, known, ctx, args)

    return carry


async def carry_to(stack: Stack, name: str, room: str, act: str, ctx: Context, args: dict[str, Any]) -> Any:
    """Carry one act that every machine has to the machine that is meant."""
    return await _carry(stack, name, crossing.known(room)[act], ctx, args)


async def _carry(stack: Stack, name: str, known: Crossing, ctx: Context, args: dict[str, Any]) -> Any:
    """One call, recorded here, done there. Raises what the act refuses, and Outage where the machine is away."""
    peer = next((p for p in await acts.peers(stack) if p.peer == name), None)
    if peer is None:
        raise Outage(f"the machine that runs {known.room} is not a peer any more")
    try:
        rules.usable(peer, clock.now())
    except Refusal as no:
        raise Outage(f"the machine that runs {known.room}: {no.detail}") from None
    out, back = swaps(stack, peer)
    people = _people(known, args)
    subject = people[0] if len(people) == 1 else None
    permit = policy.decide(ctx, "exchange.carried", policy.NOBODY if subject is None else subject)
    async with stack.db.transaction(permit) as tx:
        log.append(tx, permit, subject=subject, detail={"act": f"{known.room}.{known.name}", "to": peer.peer})
    carried = Carried(
        crossing.context_for(ctx, out), {name: known.written(name, value, out) for name, value in args.items()}
    )
    body = msgspec.json.encode(carried)
    instance = stack.profile.alpha2
    owner = machine(stack, peer.rooms)
    fields = {
        "x-road-client": f"{instance}/{machine(stack, acts.rooms_here(stack))}",
        "x-road-id": str(uuid4()),
        "msingi-purpose": ctx.purpose,
        "msingi-basis": "public-task",
        "content-type": "application/json",
    }
    path = f"/r1/{instance}/{owner}/{carrier_code(known.room)}/{known.name}"
    try:
        returned = await outbound.send(
            stack, peer, outbound.prepared(stack, peer.url, "POST", path, "", body, fields), body
        )
    except PeerFailed as failed:
        raise Outage(f"the machine that runs {known.room} does not answer: {failed.detail}") from None
    if returned.status != 200:
        code = returned.fields.get("msingi-problem", str(returned.status))
        raise Outage(f"the machine that runs {known.room} refuses the message: {code}")
    outcome = msgspec.json.decode(returned.body, type=Outcome)
    if outcome.no is not None:
        raise crossing.refusal_read(outcome.no)
    result = known.read("return", outcome.result, back)
    await acquaint(stack, _people_in(result, known.hints.get("return", Any)))
    return result


def _people_in(value: Any, hint: Any) -> list[PersonId]:
    found: dict[PersonId, None] = {}

    def note(person_id: PersonId) -> PersonId:
        found[person_id] = None
        return person_id

    crossing.swapped(value, hint, note)
    return list(found)


def _people(known: Crossing, args: dict[str, Any]) -> list[PersonId]:
    return [p for name, value in args.items() if isinstance(value, UUID | tuple | list | Struct)
            for p in _people_in(value, known.hints.get(name, Any))]  # fmt: skip


async def acquaint(stack: Stack, people: list[PersonId]) -> None:
    """Give people whom this machine meets for the first time a key of their own here (a part of a stack only)."""
    if not stack.settings.rooms:
        return  # who is enrolled here has a key already
    shelf = stack.local.setdefault(_ACQUAINTED, set())
    assert isinstance(shelf, set)
    new = [p for p in dict.fromkeys(people) if p not in shelf]
    for start in range(0, len(new), 200):
        some = tuple(new[start : start + 200])
        permit = policy.decide(job_context("rooms"), "exchange.acquaint", some)
        async with stack.db.transaction(permit) as tx:
            for person_id in some:
                await stack.seal.create_key(tx, person_id)
            log.append(tx, permit, detail={"people": len(some)})
        shelf.update(some)


def offer(stack: Stack) -> None:
    """Offer the marked acts of this machine's rooms to the other machines of the stack, as services of the exchange."""
    here = acts.rooms_here(stack)
    for room in sorted(crossing.rooms()):
        if not _runs(here, room):
            continue
        titles = {"en": f"Acts of the room {room}, for other machines of this stack"}
        endpoints = {
            f"/{name}": {"post": {"summary": (one.act.__doc__ or name).partition("\n")[0]}}
            for name, one in sorted(crossing.known(room).items())
        }
        described = {"openapi": "3.1.0", "info": {"title": titles["en"], "version": "1"}, "paths": endpoints}
        registry.register_offer(
            carrier_code(room), machine(stack, here), _doer(room), described, fields=("outcome",),
            purposes=tuple(sorted(PURPOSES)), bases=("public-task",), title=titles, about_person=False,
            document="outcome",
        )  # fmt: skip


def _runs(here: tuple[str, ...], room: str) -> bool:
    """Whether a machine that runs the rooms `here` (none named: the rest) does a room's acts for other machines."""
    return bool(here) if room in ON_EVERY_MACHINE else not here or room in here


def _doer(room: str) -> Any:
    async def answer(
        stack: Stack, ctx: Context, person_id: PersonId | None, *, method: str, path: str, query: str, body: bytes,
        fields: tuple[str, ...],
    ) -> dict[str, Any]:  # fmt: skip
        return {"outcome": msgspec.Raw(msgspec.json.encode(await _done(stack, ctx, room, path.strip("/"), body)))}

    return answer


async def _done(stack: Stack, ctx: Context, room: str, name: str, body: bytes) -> Outcome:
    """Do a carried call as if it had been made here. Only a machine of this stack can say for whom it calls."""
    peer = next((p for p in await acts.peers(stack) if _speaks_for(stack, p, ctx.actor.id)), None)
    known = crossing.known(room).get(name)
    if peer is None or known is None or not _may(stack, peer, known):
        raise NotPermitted("Only a machine of this stack carries acts, and only those that its rooms call.")
    out, back = swaps(stack, peer)
    try:
        carried = msgspec.json.decode(body, type=Carried)
        args = {name: known.read(name, raw, back) for name, raw in carried.args.items()}
        known.signature.bind(stack, ctx, **args)
    except (msgspec.MsgspecError, TypeError, ValueError) as wrong:
        raise Malformed(str(wrong), field="body", rule="call") from None
    told = crossing.context_for(carried.ctx, back)
    actor = [msgspec.convert(told.actor.id, PersonId)] if told.actor.kind == "person" else []
    if room not in ON_EVERY_MACHINE:  # a right concerns those whom this machine has met before
        await acquaint(stack, [*_people(known, args), *actor])
    try:
        result = await known.act(stack, told, **args)
    except Refusal as no:
        return Outcome(no=crossing.refusal_written(no))
    return Outcome(result=known.written("return", result, out))


def _speaks_for(stack: Stack, peer: Peer, subsystem: str) -> bool:
    own = peer.instance == stack.profile.alpha2 and peer.standing == "active"
    return own and machine(stack, peer.rooms) == subsystem


def _may(stack: Stack, peer: Peer, known: Crossing) -> bool:
    """Whether the rooms on the peer's machine call this act."""
    return not peer.rooms or bool(set(known.callers) & set(peer.rooms))


async def admit_machine(stack: Stack, tx: Tx, peer: Peer) -> int:
    """Make another machine of this stack a member's software with its keys, and give it its rights; how many."""
    at = clock.now()
    authority = stack.profile.authority
    name = machine(stack, peer.rooms)
    member_class, code, _ = name.split("/")
    await members.put_institution(
        tx, Institution(InstitutionId(code), member_class, dict(authority.name), Standing.ACTIVE, "", at)
    )
    await members.put_subsystem(tx, Subsystem(name, name.rpartition("/")[2], at), code)
    keys = [PublicKey(key.kid, key.x) for key in peer.keys]
    await store.machine_keys(tx, name, keys, at)
    granted = 0
    for room in crossing.rooms():
        if not _runs(acts.rooms_here(stack), room):
            continue
        endpoints = tuple(f"POST /{one.name}" for one in crossing.known(room).values() if _may(stack, peer, one))
        for purpose in sorted(PURPOSES) if endpoints else ():
            right = Right(
                name, carrier_code(room), purpose, "public-task", LAW, ("outcome",), endpoints, False, 1
            )  # fmt: skip
            await members.put_right(tx, right)
            granted += 1
    return granted
