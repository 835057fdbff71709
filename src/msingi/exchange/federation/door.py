"""The door /r1 where it concerns other instances: it sends messages of our members out, and takes those of theirs in.

Everything else goes to the gateway as it came. Below the web framework for the same reason as the gateway: every
answer and every error is signed here.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from litestar import Request
from litestar.types import Receive, Scope, Send

from msingi.exchange import acts as exchange
from msingi.exchange import gateway, messages, signature, wire
from msingi.exchange.errors import BadCall, ExchangeRefusal, MessageTooLarge, SignatureRefused
from msingi.exchange.federation import acts
from msingi.exchange.federation import rules as laws
from msingi.exchange.federation.model import Peer
from msingi.exchange.governance import public_key
from msingi.exchange.model import Caller
from msingi.exchange.rules import UNSTATED
from msingi.exchange.signature import Message, Verified
from msingi.kernel import clock
from msingi.kernel.context import BASES, PURPOSES
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
MOST_BODY_BYTES = 4 * 1024 * 1024
ABOUT = "msingi-about"
# What of a peer's answer is passed on as it is.
_PASSED = ("content-type", "x-road-service", "x-road-error", "msingi-problem", "msingi-record")


class Reply(msgspec.Struct):
    """What goes back: status, body, and the fields to be signed."""

    status: int
    body: bytes
    fields: dict[str, str]


Answerer = Callable[[Stack, Message, bytes], Awaitable[Reply]]
# Other parts of the exchange that answer under /r1 register here: by the word after a subsystem that no service code
# may be, and, under the empty word, who takes requests that carry the header Msingi-Reply.
besides: dict[str, Answerer] = {}


async def read_body(scope: Any, receive: Receive) -> bytes:
    """The request's body, at most MOST_BODY_BYTES. Raises MessageTooLarge, BadCall."""
    chunks, size = [], 0
    while True:
        event: Any = await receive()
        if event["type"] == "http.disconnect":
            raise BadCall("the client went away", field="body")
        chunks.append(event.get("body", b""))
        size += len(chunks[-1])
        if size > MOST_BODY_BYTES:
            raise MessageTooLarge(limit_bytes=MOST_BODY_BYTES)
        if not event.get("more_body", False):
            return b"".join(chunks)


def own_authority(stack: Stack) -> str:
    """The host for which messages to this exchange are signed."""
    return urlsplit(stack.settings.url).netloc.lower().removesuffix(":443").removesuffix(":80")


async def door(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one message (ASGI): to another instance, from one, or, as nearly always, neither."""
    stack: Stack = Request(scope).app.state.stack
    crossing = of_other_instances(gateway.message_of(scope, stack), gateway.instance_of(stack))
    if crossing is not None:
        return await answered(stack, scope, receive, send, crossing)
    return await gateway.gateway(scope, receive, send)


def of_other_instances(message: Message, own: str) -> Answerer | None:
    """What answers a message to another instance or from one, and what is no plain message between our own members;
    None for those, which are nearly all."""
    parts = message.path.split("/", 7)
    if len(parts) < 7:
        return None
    if parts[2] != own:
        return _outward
    if parts[6] in besides:
        return besides[parts[6]]
    foreign = message.fields.get("x-road-client", "").rpartition(",")[2].strip().partition("/")[0]
    if foreign not in ("", own) and parts[6] not in wire.META:
        return _inward
    return besides.get("") if "msingi-reply" in message.fields else None


async def answered(stack: Stack, scope: Scope, receive: Receive, send: Send, answer: Answerer) -> None:
    """Read a message, let `answer` speak, and send what it says, or its refusal, signed and bound to the message."""
    message, body = gateway.message_of(scope, stack), b""
    detail = str(uuid4())
    try:
        body = await read_body(scope, receive)
        reply = await answer(stack, message, body)
    except (Refusal, Outage) as ending:
        status, kind, told = wire.error(ending, detail)
        reply = Reply(status, told, {"content-type": "application/json", "x-road-error": kind})
        if isinstance(ending, Refusal):
            reply.fields["msingi-problem"] = ending.code
            logger.info("refused", extra={"code": ending.code, "request_id": detail})
    except Exception as bug:
        logger.error("bug", exc_info=bug, extra={"request_id": detail})
        kind = "Server.ServerProxy.InternalError"
        told = {"type": kind, "message": "The exchange made a mistake", "detail": detail}
        reply = Reply(500, msgspec.json.encode(told), {"content-type": "application/json", "x-road-error": kind})
    line = message.path + ("?" + message.query if message.query else "")
    marks = {
        "x-road-request-id": detail,
        "x-road-request-hash": wire.request_hash(message.method, line, scope["headers"], body),
        "x-road-client": message.fields.get("x-road-client", ""),
        "x-road-id": message.fields.get("x-road-id") or detail,
    }
    await _send(stack, message, reply, marks, send)


async def _send(stack: Stack, message: Message, reply: Reply, marks: dict[str, str], send: Send) -> None:
    fields = marks | reply.fields | {"content-digest": signature.content_digest(reply.body)}
    fields = {name: value for name, value in fields.items() if value and value.isascii() and value.isprintable()}
    signer = stack.keys.signer("exchange")
    answer = Message(status=reply.status, fields=fields, request=message)
    try:
        fields |= signature.sign(answer, signer.sign, signer.kid, int(clock.now().timestamp()))
    except ExchangeRefusal:  # the request cannot be named in ASCII: nothing to bind the answer to
        logger.info("answer left unsigned", extra={"request_id": marks["x-road-request-id"]})
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    headers += [(b"content-length", str(len(reply.body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


async def _outward(stack: Stack, message: Message, body: bytes) -> Reply:
    """A member's message to another instance."""
    parts = message.path.split("/", 7)
    if not all(parts[2:7]):
        raise BadCall("the path is /r1/instance/class/member/subsystem/service", field="path")
    peer = await acts.peer_of_instance(stack, parts[2])
    caller, proof = await gateway.recognise(stack, message, body)
    wire.message_id(message.fields)
    purpose, basis = message.fields.get("msingi-purpose", ""), message.fields.get("msingi-basis", "") or UNSTATED
    if parts[6] in wire.META:
        purpose = purpose or "data-exchange"
    if purpose not in PURPOSES:
        raise BadCall(f"one of: {', '.join(sorted(PURPOSES))}", field="Msingi-Purpose")
    if basis not in BASES:
        raise BadCall(f"one of: {', '.join(sorted(BASES))}", field="Msingi-Basis")
    person_id = _about(stack, caller, message, proof)
    back = await acts.forward(stack, caller, peer, message, body, purpose, basis, person_id)
    passed = {name: back.fields[name] for name in _PASSED if name in back.fields}
    return Reply(back.status, back.body, passed | {"msingi-origin": back.proof})


def _about(stack: Stack, caller: Caller, message: Message, proof: Verified) -> PersonId | None:
    """Whom the member means, by its own pseudonym; the header counts only if it was signed. Raises BadCall."""
    text = message.fields.get(ABOUT, "")
    if not text:
        return None
    if f'"{ABOUT}"' not in proof.covered:
        raise SignatureRefused("RFC 9421 7.2.1: not covered: msingi-about", step=4)
    try:
        return stack.pseudonym.person(caller.institution, text)
    except Malformed:
        raise BadCall("the institution's own pseudonym of the person", field="Msingi-About") from None


async def _inward(stack: Stack, message: Message, body: bytes) -> Reply:
    """A message of another instance's member to one of our services."""
    caller, proof = await _of_peer(stack, message, body)
    aim = wire.target(message.path, gateway.instance_of(stack))
    about_person = await exchange.about_person(stack, aim.service)
    call = wire.call_of(aim, message, body, caller, proof, about_person)
    released = await exchange.ask(stack, caller, call)
    body = released.body
    if released.stream is not None:  # no trailers between instances: a document is held
        body = b"".join([chunk async for chunk in released.stream])
    named = f"{gateway.instance_of(stack)}/{aim.owner}/{aim.service}"
    fields = {"content-type": released.media_type, "x-road-service": named}
    if released.record_id is not None:
        fields["msingi-record"] = str(released.record_id)
    return Reply(released.status, body, fields)


async def caller_of(stack: Stack, message: Message, body: bytes) -> Caller:
    """Whose message this is, of our own members or of another instance's. Raises what recognising either raises."""
    foreign = message.fields.get("x-road-client", "").rpartition(",")[2].strip().partition("/")[0]
    if foreign in ("", gateway.instance_of(stack)):
        return (await gateway.recognise(stack, message, body))[0]
    return (await _of_peer(stack, message, body))[0]


async def _of_peer(stack: Stack, message: Message, body: bytes) -> tuple[Caller, Verified]:
    """Whose message of another instance this is. Raises BadCall, InstanceUnknown, and what `_recognised` raises."""
    instance, subsystem = laws.client_named(message.fields.get("x-road-client", ""))
    return await _recognised(stack, await acts.peer_of_instance(stack, instance), subsystem, message, body)


async def _recognised(
    stack: Stack, peer: Peer, subsystem: str, message: Message, body: bytes
) -> tuple[Caller, Verified]:
    """Whose message this is: passed on and signed by the peer itself, or signed by its member, whom it vouches for.

    Raises PeerNotActive, SignatureRefused, NotListed.
    """
    if message.authority != own_authority(stack):
        raise SignatureRefused("RFC 9421 2.2.3: @authority is not this exchange's public address", step=4)
    peer, caller = await acts.foreign_caller(stack, peer, subsystem)
    found = laws.member_of(peer.directory, subsystem)
    known = {key.kid: key.x for key in (*peer.keys, *(found[1] if found else ()))}
    now = int(clock.now().timestamp())
    proof = signature.verify(message, body, lambda kid: public_key(known[kid]) if kid in known else None, now)
    own = {key.kid for key in peer.keys}
    direct = proof.keyid not in own
    shown = messages.certificate_shown(stack, message)
    if shown is not None:  # the certificate is of the side that signed: the peer's exchange, or its member
        right = shown.kid in known and (shown.kid in own) != direct
        if not right or not shown.is_of(public_key(known[shown.kid]).public_bytes_raw()):
            raise SignatureRefused("the certificate of this connection is not of the side that signed", step=5)
    return (msgspec.structs.replace(caller, kid=proof.keyid) if direct else caller), proof
