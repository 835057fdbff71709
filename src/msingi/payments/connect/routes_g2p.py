"""Doors of G2P Connect 1.0.0: disbursements and the account mapper, answered at once (`sync`) or by a callback."""

from typing import Any

import msgspec
from litestar import Request, Response, Router, post

from msingi.kernel import clock, web
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.ids import uuid7
from msingi.payments.connect import g2p, messages, peers

AnyRequest = Request[Any, Any, Any]
PREFIX = "/g2p-connect/v1.0.0"
TAKES = {"takes": ("application/json",)}
MAX_BODY_BYTES = 8 * 1024 * 1024


async def _heard(request: AnyRequest, action: str, later: bool) -> Response[bytes]:
    """One message, answered at once or later. What is refused is told as an error of the envelope."""
    stack = web.stack(request)
    try:
        ctx = await web.context(request, "social-protection", "public-task", signed_in=True)
        envelope: g2p.Envelope = g2p.read(await request.body(), g2p.Envelope)
        header: g2p.Header = g2p.read(envelope.header, g2p.Header)
        peer = peers.sender_of(stack, ctx, envelope, header, later)
        said = await messages.carry_out(stack, ctx, action, header, envelope.message)
        if later and peer is not None:
            await messages.promise(stack, ctx, action, peer, said)
            return _acknowledged()
    except Refusal as no:
        return _refused(no)
    now = clock.now()
    answer = {"version": g2p.VERSION, "message_id": uuid7().hex, "message_ts": g2p.moment(now), "status": "succ"}
    answer |= {"action": f"on-{action}", "sender_id": messages.ME, "receiver_id": header.sender_id}
    return _json({"header": answer, "message": said}, 200)


def _json(told: dict[str, Any], status: int) -> Response[bytes]:
    return Response(msgspec.json.encode(told), status_code=status, media_type="application/json")


def _acknowledged() -> Response[bytes]:
    told = {"ack_status": "ACK", "timestamp": g2p.moment(clock.now()), "correlation_id": uuid7().hex}
    return _json({"message": told}, 202)


def _refused(no: Refusal) -> Response[bytes]:
    words = f"{no.title}. {no.detail or no.remedy}"[:999]
    told = {"ack_status": "ERR", "timestamp": g2p.moment(clock.now()), "correlation_id": uuid7().hex}
    return _json({"message": told | {"error": {"code": messages.error_code(no), "message": words}}}, no.status)


def dialect(ending: Refusal | Outage, request_id: str) -> tuple[Any, str]:
    """A refusal before the door, in the shape that the specification gives to errors of the transport."""
    told, _ = web.problem(ending, request_id)
    words = f"{told.get('title', '')} {told.get('detail', '')}".strip()
    return told | {"errors": [{"code": str(told.get("code", "")), "message": words}]}, "application/json"


@post("/disburse", status_code=202, opt=TAKES)
async def disburse(request: AnyRequest) -> Response[bytes]:
    """Hand disbursements in; /on-disburse tells the sender how they ended. 400, 401, 403, 409."""
    return await _heard(request, "disburse", True)


@post("/disburse/sync/disburse", status_code=200, opt=TAKES)
async def disburse_now(request: AnyRequest) -> Response[bytes]:
    """Hand disbursements in, and hear how far each is. 400, 401, 403, 409."""
    return await _heard(request, "disburse", False)


@post("/disburse/txn/status", status_code=202, opt=TAKES)
async def status(request: AnyRequest) -> Response[bytes]:
    """How far disbursements are, told by a callback. 400, 401, 403, 404."""
    return await _heard(request, "status", True)


@post("/disburse/sync/txn/status", status_code=200, opt=TAKES)
async def status_now(request: AnyRequest) -> Response[bytes]:
    """How far disbursements are. 400, 401, 403, 404."""
    return await _heard(request, "status", False)


@post("/mapper/link", status_code=202, opt=TAKES)
async def link(request: AnyRequest) -> Response[bytes]:
    """Link payees to addresses, answered by a callback. 400, 401, 403."""
    return await _heard(request, "link", True)


@post("/mapper/sync/link", status_code=200, opt=TAKES)
async def link_now(request: AnyRequest) -> Response[bytes]:
    """Link payees to addresses. 400, 401, 403."""
    return await _heard(request, "link", False)


@post("/mapper/update", status_code=202, opt=TAKES)
async def update(request: AnyRequest) -> Response[bytes]:
    """Link payees to other addresses, answered by a callback. 400, 401, 403."""
    return await _heard(request, "update", True)


@post("/mapper/sync/update", status_code=200, opt=TAKES)
async def update_now(request: AnyRequest) -> Response[bytes]:
    """Link payees to other addresses. 400, 401, 403."""
    return await _heard(request, "update", False)


@post("/mapper/unlink", status_code=202, opt=TAKES)
async def unlink(request: AnyRequest) -> Response[bytes]:
    """Forget where payees are paid, answered by a callback. 400, 401, 403."""
    return await _heard(request, "unlink", True)


@post("/mapper/sync/unlink", status_code=200, opt=TAKES)
async def unlink_now(request: AnyRequest) -> Response[bytes]:
    """Forget where payees are paid. 400, 401, 403."""
    return await _heard(request, "unlink", False)


@post("/mapper/resolve", status_code=202, opt=TAKES)
async def resolve(request: AnyRequest) -> Response[bytes]:
    """Whether payees are linked (and, with scope `details`, where), answered by a callback. 400, 401, 403."""
    return await _heard(request, "resolve", True)


@post("/mapper/sync/resolve", status_code=200, opt=TAKES)
async def resolve_now(request: AnyRequest) -> Response[bytes]:
    """Whether payees are linked, and, with scope `details`, where. 400, 401, 403."""
    return await _heard(request, "resolve", False)


router = Router(
    PREFIX,
    route_handlers=[
        *(disburse, disburse_now, status, status_now, link, link_now),
        *(update, update_now, unlink, unlink_now, resolve, resolve_now),
    ],
    tags=["payments"],
    request_max_body_size=MAX_BODY_BYTES,
)
