"""Doors of reception: centres and times, applications by reference, devices, and packets from the field."""

from datetime import date
from typing import Annotated, Final
from uuid import UUID

import msgspec
from litestar import Response, Router, get, post
from litestar.params import FromPath, QueryParameter

from msingi.identity.model import EnrolmentOrder, Held
from msingi.identity.reception import acts, envelope, field, rules
from msingi.identity.reception.model import (
    Application,
    ApplicationOrder,
    Centre,
    Device,
    DeviceOrder,
    Packet,
    PacketId,
    PacketLine,
    Slot,
)
from msingi.identity.routes import Asked, as_officer
from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed

TAGS: Final = ["identity"]


class Told(msgspec.Struct):
    """An application that was kept: the reference to bring along, and when."""

    reference: str
    application: Application


class Because(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, in words."""

    because: str


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do with a waiting packet: enrol this (corrected) order, or dismiss it (null)."""

    because: str
    order: EnrolmentOrder | None = None


class PacketQueue(msgspec.Struct, omit_defaults=True):
    """A page of packets that wait for a person, oldest first."""

    waiting: int
    packets: list[PacketLine]
    next_after: str = ""


class PacketDetail(msgspec.Struct, omit_defaults=True):
    """A packet with what was taken in the field, as long as it waits."""

    line: PacketLine
    packet: Packet | None = None


async def _anybody(request: Asked) -> Context:
    return await web.context(request, "identity-registration", "public-task")


@get("/v1/identity/centres", tags=TAGS, summary="Where people are enrolled")
async def centres(
    request: Asked, region: Annotated[str, QueryParameter(description="Only this region.")] = ""
) -> list[Centre]:
    """The open centres; public."""
    return await acts.centres(web.stack(request), region)


@get("/v1/identity/centres/{centre:str}/slots", tags=TAGS, summary="Free times at a centre")
async def slots(request: Asked, centre: FromPath[str]) -> list[Slot]:
    """The times of the coming 45 days with a free desk; public."""
    return await acts.free_slots(web.stack(request), centre)


@post("/v1/identity/centres", tags=TAGS, summary="Open, change or close a centre", status_code=204)
async def keep_centre(request: Asked, data: Centre) -> None:
    """Write a centre as it is now. Roles: `registrar`, `operator`."""
    await acts.keep_centre(web.stack(request), await as_officer(request), data)


@post("/v1/identity/applications", tags=TAGS, summary="Tell ahead of an enrolment", status_code=201)
async def apply(request: Asked, data: ApplicationOrder) -> Told:
    """Keep a draft and, if asked, a time; gives the reference that finds it. For everybody; nobody is looked up."""
    place = request.client.host if request.client else ""
    reference, made = await acts.apply(web.stack(request), await _anybody(request), data, place)
    return Told(rules.reference_text(reference), made)


@get("/v1/identity/applications/{reference:str}", tags=TAGS, summary="When one is expected")
async def read_application(request: Asked, reference: FromPath[str]) -> Application:
    """The state and the time of an application, and nothing of what was told; for whoever has the reference."""
    return await acts.read_application(web.stack(request), await _anybody(request), reference)


@post("/v1/identity/applications/{reference:str}/withdraw", tags=TAGS, summary="Take an application back",
      status_code=204)  # fmt: skip
async def withdraw(request: Asked, reference: FromPath[str]) -> None:
    """Forget what was told, and free the time; for whoever has the reference."""
    await acts.withdraw_application(web.stack(request), await _anybody(request), reference)


@get("/v1/identity/centres/{centre:str}/days/{day:str}", tags=TAGS, summary="Who is expected")
async def day(request: Asked, centre: FromPath[str], day: FromPath[date]) -> list[tuple[int, int]]:
    """(Minutes after midnight, people) of a centre's day. Role: `enrolment-officer`."""
    return await acts.day_of_centre(web.stack(request), await as_officer(request), centre, day)


@post("/v1/identity/devices", tags=TAGS, summary="Register a device for the field", status_code=204)
async def register_device(request: Asked, data: DeviceOrder) -> None:
    """Trust a device's key for enrolments by one officer. Role: `registrar`."""
    await field.register_device(web.stack(request), await as_officer(request), data)


@get("/v1/identity/devices", tags=TAGS, summary="Devices, and what has not arrived from them")
async def devices(request: Asked) -> list[Device]:
    """The devices of one's institution. Role: `registrar`."""
    return await field.devices(web.stack(request), await as_officer(request))


@post("/v1/identity/devices/{device:str}/revoke", tags=TAGS, summary="Trust a device no more", status_code=204)
async def revoke_device(request: Asked, device: FromPath[str], data: Because) -> None:
    """A stolen or lost device: its packets wait for a person from now on. Role: `registrar`."""
    await field.revoke_device(web.stack(request), await as_officer(request), device, data.because)


@get("/v1/identity/packets/key", tags=TAGS, summary="The key to encrypt packets to")
async def packet_key(request: Asked) -> dict[str, str]:
    """The registry's public X25519 key (JWK); public."""
    return envelope.registry_jwk(web.stack(request))


@post("/v1/identity/packets", tags=TAGS, summary="Hand in a packet from the field", status_code=202)
async def receive(request: Asked) -> Response[PacketLine]:
    """Keep a packet (JWE compact, as text); it is enrolled soon after. Repeating it is harmless. The signature of a
    registered device admits it, whoever brings it."""
    raw = await request.body()
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError:
        raise Malformed("A packet is ASCII.", field="packet", rule="ascii") from None
    kept = await field.receive_packet(web.stack(request), await _anybody(request), text)
    return Response(kept, status_code=202)


@get("/v1/identity/packets", tags=TAGS, summary="Packets that wait for a person")
async def packets(
    request: Asked,
    after: Annotated[UUID | None, QueryParameter(description="The packet to continue after: `next_after`.")] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
) -> PacketQueue:
    """Conflicts and quarantined packets, oldest first, naming nobody. Roles: `adjudicator`, `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    page = await field.packets_waiting(stack, ctx, after and PacketId(after), limit)
    return PacketQueue(page.waiting, list(page.packets), str(page.next_after or ""))


@get("/v1/identity/packets/{packet_id:uuid}", tags=TAGS, summary="A packet")
async def packet(request: Asked, packet_id: UUID) -> PacketDetail:
    """A packet with what was taken in the field. Roles: `adjudicator`, `registrar`."""
    return PacketDetail(*await field.read_packet(web.stack(request), await as_officer(request), PacketId(packet_id)))


@post("/v1/identity/packets/{packet_id:uuid}/resolution", tags=TAGS, summary="Resolve a packet", status_code=200)
async def resolve(request: Asked, packet_id: UUID, data: Resolution) -> dict[str, str]:
    """Enrol a waiting packet, corrected if need be, or dismiss it. Roles: `adjudicator`, `registrar`."""
    stack, ctx = web.stack(request), await as_officer(request)
    outcome = await field.resolve_packet(stack, ctx, PacketId(packet_id), data.because, data.order)
    if outcome is None:
        return {"state": "dismissed"}
    if isinstance(outcome, Held):
        return {"state": "held", "case_id": str(outcome.case_id)}
    return {"state": "enrolled", "number": outcome.number}


routers = [
    Router(
        "/",
        route_handlers=[
            centres, slots, keep_centre, apply, read_application, withdraw, day, register_device, devices,
            revoke_device, packet_key, receive, packets, packet, resolve,
        ],
    )
]  # fmt: skip
