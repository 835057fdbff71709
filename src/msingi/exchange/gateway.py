"""The door of messages in the main program: /r1/..., below the web framework, because every answer is signed.

It is for light use: bodies are held in memory. `msingi gateway` (`server`) is the same exchange in a process of its
own, faster, and with bodies of any size.
"""

from typing import Any

from litestar import Request
from litestar.types import Receive, Scope, Send

from msingi.exchange import acts, messages, signature, wire
from msingi.exchange.errors import BadCall, MessageTooLarge
from msingi.exchange.messages import Exchange, instance_of, message_from, trusted_proxies
from msingi.exchange.model import Caller
from msingi.exchange.signature import Link, Message, Verified
from msingi.kernel import web
from msingi.kernel.context import Actor
from msingi.kernel.stack import Stack

MOST_BODY_BYTES = 4 * 1024 * 1024
__all__ = ["MOST_BODY_BYTES", "authenticate", "gateway", "instance_of", "message_of", "recognise"]


class Received:
    """The body of an ASGI request, at most MOST_BODY_BYTES."""

    def __init__(self, scope: Any, receive: Receive) -> None:
        self.receive = receive
        declared = next((v for n, v in scope["headers"] if n == b"content-length"), None)
        self.size = int(declared) if declared is not None and declared.isdigit() else None
        self.got, self.whole = 0, False

    async def next(self) -> bytes:
        """The next piece. Raises MessageTooLarge as soon as it is known, BadCall when the client has gone."""
        if self.size is not None and self.size > MOST_BODY_BYTES:
            raise MessageTooLarge(limit_bytes=MOST_BODY_BYTES)
        while not self.whole:
            event: Any = await self.receive()
            if event["type"] == "http.disconnect":
                raise BadCall("the client went away", field="body")
            self.whole = not event.get("more_body", False)
            chunk: bytes = event.get("body", b"")
            self.got += len(chunk)
            if self.got > MOST_BODY_BYTES:
                raise MessageTooLarge(limit_bytes=MOST_BODY_BYTES)
            if chunk:
                return chunk
        return b""


async def recognise(stack: Stack, message: Message, body: bytes) -> tuple[Caller, Verified]:
    """Whose message this is, its head and its body verified (law 4). Raises SignatureRefused, BadCall."""
    found = await messages.recognise(stack, message)
    signature.check_digest(message, body)
    return found


async def authenticate(stack: Stack, request: Request[Any, Any, Any]) -> Actor | None:
    """The software that signed a request to any door of the stack; None where there is no signature (RFC 9421).

    Raises SignatureRefused, BadCall, NotStanding, MessageSeen.
    """
    if not web.has_header(request, b"signature-input"):
        return None
    known = request.scope.get("msingi_client")
    if isinstance(known, Actor):
        return known
    message = message_of(request.scope, stack)
    caller, _ = await recognise(stack, message, await request.body())
    actor = await acts.admit(stack, caller, messages.message_uuid(message))
    request.scope["msingi_client"] = actor  # type: ignore[typeddict-unknown-key]
    return actor


def message_of(scope: Any, stack: Stack) -> Message:
    """The request line and header fields of an ASGI request, for verification, and the connection that it came on."""
    link: Link | None = scope.get("msingi_link")  # a server of ours says it
    if link is None:
        client = scope.get("client")
        link = Link(trusted=bool(client) and client[0] in trusted_proxies(stack.settings.trusted_proxies))
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path, query = raw.partition(b"?")[0].decode("latin-1"), scope["query_string"].decode("latin-1")
    return message_from(scope["method"], path, query, signature.combine(scope["headers"]), link)


async def gateway(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one message (ASGI)."""
    stack: Stack = Request(scope).app.state.stack
    asked = Exchange(message_of(scope, stack), wire.hashed_lines(scope["headers"]), Received(scope, receive))
    reply = await messages.respond(stack, asked)
    if reply.stream is not None:  # no trailers here: a document is held, within the limit of its service
        reply.body = b"".join([chunk async for chunk in reply.stream])
        reply.stream, reply.digest = None, ""
    fields = messages.seal(stack, asked.message, reply)
    headers = [(name.encode(), value.encode()) for name, value in fields.items()]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})  # type: ignore[typeddict-item]
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})
