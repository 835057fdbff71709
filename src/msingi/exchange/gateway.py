"""The door of messages: /r1/..., below the web framework, because every answer and every error is signed here.

It reads a request, verifies it, hands the call to `acts.ask`, and signs what comes back, bound to the request.
"""

import logging
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID, uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Request
from litestar.types import Receive, Scope, Send

from msingi.exchange import acts, signature, wire
from msingi.exchange.errors import BadCall, ExchangeRefusal, MessageTooLarge, SignatureRefused
from msingi.exchange.governance import public_key
from msingi.exchange.model import Caller
from msingi.exchange.signature import Message
from msingi.kernel import clock
from msingi.kernel.context import Actor
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
MOST_BODY_BYTES = 4 * 1024 * 1024
KEYS_MOST = 10_000


class Reply(msgspec.Struct):
    """What goes back: status, body, and the fields to be signed."""

    status: int
    body: bytes
    fields: dict[str, str]


def instance_of(stack: Stack) -> str:
    """The X-Road instance of this installation: the country's two letters."""
    return stack.profile.alpha2


def message_of(scope: Any) -> Message:
    """The request line and header fields of an HTTP request, for verification (RFC 9421 sections 2.1 and 2.2)."""
    fields = signature.combine((n.decode("latin-1"), v.decode("latin-1")) for n, v in scope["headers"])
    authority = fields.get("host", "").lower()
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return Message(
        method=scope["method"],
        authority=authority.removesuffix(":443").removesuffix(":80"),  # TLS may end before us
        path=raw.partition(b"?")[0].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        fields=fields,
    )


async def _body(scope: Any, receive: Receive) -> bytes:
    """The request's body, at most MOST_BODY_BYTES. Raises MessageTooLarge as soon as it is known."""
    declared = next((v for n, v in scope["headers"] if n == b"content-length"), b"0")
    if not declared.isdigit() or int(declared) > MOST_BODY_BYTES:
        raise MessageTooLarge(limit_bytes=MOST_BODY_BYTES)
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


async def _holder(stack: Stack, kid: str) -> tuple[Caller, Ed25519PublicKey] | None:
    """Whose key `kid` is. Remembered: whether it may still be used is read again by each decision."""
    known = stack.local.setdefault("exchange.keys", {})
    assert isinstance(known, dict)
    if kid not in known:
        found = await acts.caller_of(stack, kid)
        if found is None:
            return None
        if len(known) >= KEYS_MOST:
            known.clear()
        known[kid] = (found[0], public_key(found[1]))
    return known[kid]


async def recognise(stack: Stack, message: Message, body: bytes) -> tuple[Caller, signature.Verified]:
    """Whose message this is: signed for this exchange, its signature verified, and its client the key's own (law 4).

    Raises SignatureRefused, BadCall.
    """
    # What was signed for another host, such as a test installation, is not repeated here (RFC 9421 section 7.2.2).
    if message.authority != urlsplit(stack.settings.url).netloc.lower().removesuffix(":443").removesuffix(":80"):
        raise SignatureRefused("RFC 9421 2.2.3: @authority is not this exchange's public address", step=4)
    holder = await _holder(stack, signature.keyid_of(message.fields))
    now = int(clock.now().timestamp())
    proof = signature.verify(message, body, lambda _: holder[1] if holder else None, now)
    assert holder is not None
    if wire.client_of(message.fields, instance_of(stack)) != holder[0].subsystem:
        raise SignatureRefused("this key is not of the subsystem that X-Road-Client names", step=5)
    return holder[0], proof


async def authenticate(stack: Stack, request: Request[Any, Any, Any]) -> Actor | None:
    """The software that signed a request to any door of the stack; None where there is no signature (RFC 9421).

    Raises SignatureRefused, BadCall, NotStanding, MessageSeen.
    """
    if "signature-input" not in request.headers:
        return None
    known = request.scope.get("msingi_client")
    if isinstance(known, Actor):
        return known
    message = message_of(request.scope)
    caller, _ = await recognise(stack, message, await request.body())
    actor = await acts.admit(stack, caller, UUID(wire.message_id(message.fields)))
    request.scope["msingi_client"] = actor  # type: ignore[typeddict-unknown-key]
    return actor


async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one message (ASGI)."""
    stack: Stack = Request(scope).app.state.stack
    message, body = message_of(scope), b""
    marks = {"x-road-request-id": str(uuid4())}
    try:
        body = await _body(scope, receive)
        reply = await _answer(stack, message, body)
    except (Refusal, Outage) as ending:
        status, kind, told = wire.error(ending, marks["x-road-request-id"])
        reply = Reply(status, told, {"content-type": "application/json", "x-road-error": kind})
        if isinstance(ending, Refusal):
            reply.fields["msingi-problem"] = ending.code
            logger.info("refused", extra={"code": ending.code, "request_id": marks["x-road-request-id"]})
    except Exception as bug:
        logger.error("bug", exc_info=bug, extra={"request_id": marks["x-road-request-id"]})
        kind = "Server.ServerProxy.InternalError"
        told = {"type": kind, "message": "The exchange made a mistake", "detail": marks["x-road-request-id"]}
        reply = Reply(500, msgspec.json.encode(told), {"content-type": "application/json", "x-road-error": kind})
    line = message.path + ("?" + message.query if message.query else "")
    marks["x-road-request-hash"] = wire.request_hash(message.method, line, scope["headers"], body)
    marks["x-road-id"] = message.fields.get("x-road-id") or str(uuid4())
    marks["x-road-client"] = message.fields.get("x-road-client", "")
    await _send(stack, message, reply, {n: v for n, v in marks.items() if v or n == "x-road-id"}, send)


async def _answer(stack: Stack, message: Message, body: bytes) -> Reply:
    aim = wire.target(message.path, instance_of(stack))
    if aim.service in wire.META:
        return await _describe(stack, message, aim)
    caller, proof = await recognise(stack, message, body)
    about_person = await acts.about_person(stack, aim.service)
    call = wire.call_of(aim, message, body, caller, proof, about_person)
    released = await acts.ask(stack, caller, call)
    named = f"{instance_of(stack)}/{aim.owner}/{aim.service}"
    fields = {"content-type": released.media_type, "x-road-service": named}
    if released.record_id is not None:
        fields["msingi-record"] = str(released.record_id)
    return Reply(released.status, released.body, fields)


async def _describe(stack: Stack, message: Message, aim: wire.Target) -> Reply:
    """The metaservices: public, because they say nothing about people (X-Road service metadata for REST)."""
    if message.method != "GET":
        raise BadCall("metaservices are read with GET", field="method")
    instance = instance_of(stack)
    fields = {"content-type": "application/json", "x-road-service": f"{instance}/{aim.owner}/{aim.service}"}
    if aim.service == "getOpenAPI":
        wanted = dict(parse_qsl(message.query)).get("serviceCode", "")
        offer = await acts.offer(stack, wanted)
        return Reply(200, msgspec.json.encode(offer.openapi), fields)
    offers = await acts.catalogue(stack, limit=1_000, owner=aim.owner)
    rights = None
    if aim.service == "allowedMethods":
        rights = await acts.rights_of(stack, wire.client_of(message.fields, instance), aim.owner)
    return Reply(200, msgspec.json.encode(wire.methods(instance, offers, rights)), fields)


async def _send(stack: Stack, message: Message, reply: Reply, marks: dict[str, str], send: Send) -> None:
    """Sign the answer, bound to its request (RFC 9421 section 2.4), and send it."""
    fields = {**marks, **reply.fields, "content-digest": signature.content_digest(reply.body)}
    fields = {name: value for name, value in fields.items() if value.isascii() and value.isprintable()}
    fields.setdefault("x-road-id", "")
    signer = stack.keys.signer("exchange")
    answer = Message(status=reply.status, fields=fields, request=message)
    try:
        fields |= signature.sign(answer, signer.sign, signer.kid, int(clock.now().timestamp()))
    except ExchangeRefusal:  # the request itself cannot be named in ASCII: nothing to bind the answer to
        logger.info("answer left unsigned", extra={"request_id": marks["x-road-request-id"]})
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    headers += [(b"content-length", str(len(reply.body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
