"""The exchange's own HTTP/1.1 server: one small asyncio program per core, nothing between it and `messages`.

Limits stand here: connections, size of heads, time for a head, a body and the reading of an answer. A client that is
slow loses its connection, and others notice nothing.
"""

import asyncio
import contextlib
import hashlib
import logging
from collections import deque
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import parse_qs

import httptools
import msgspec

from msingi.exchange import acts, heads, messages, wire
from msingi.exchange.doorway import HANDSHAKE_S, Doorway
from msingi.exchange.errors import BadCall
from msingi.exchange.federation import door
from msingi.exchange.heads import Head
from msingi.exchange.inbound import Inbound, Limits
from msingi.exchange.messages import Exchange, Reply, message_from
from msingi.exchange.signature import Link, Message
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
MOST_HEAD_BYTES, MOST_HEADERS, MOST_QUEUED = 32 * 1024, 100, 8
HIGH_WATER, LOW_WATER = 256 * 1024, 64 * 1024
LINGER_S = 2.0
BUFFER = memoryview(bytearray(64 * 1024))
REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 408: "Request Timeout", 409: "Conflict", 413: "Content Too Large",
           500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable"}  # fmt: skip


class Server:
    """The listening exchange: its connections, and the stack on which it decides."""

    def __init__(self, stack: Stack, limits: Limits | None = None) -> None:
        self.stack = stack
        self._begin(limits, stack.settings.trusted_proxies)

    def _begin(self, limits: Limits | None, trusted_proxies: str) -> None:
        self.limits = limits or Limits()
        self.connections: set[Connection] = set()
        self.trusted = messages.trusted_proxies(trusted_proxies)
        self.doorway: Doorway | None = None
        self.stopping = False
        self.sweeper: asyncio.Task[None] | None = None
        self.listeners: list[asyncio.Server] = []

    async def start(self, **where: Any) -> asyncio.Server:
        """Listen: `host` and `port` (with `reuse_port` for several processes), `sock`, or `path` of a socket.

        With `doorway`, TLS ends here. Raises OSError or ssl.SSLError where its certificate cannot be used.
        """
        loop = asyncio.get_running_loop()
        self.doorway = where.pop("doorway", None)
        if self.doorway is not None:
            where |= {"ssl": await self.doorway.open(), "ssl_handshake_timeout": HANDSHAKE_S}
        if "path" in where:
            made = await loop.create_unix_server(self.connection, **where)
        else:
            made = await loop.create_server(self.connection, backlog=1024, **where)
        self.listeners.append(made)
        self.sweeper = self.sweeper or asyncio.create_task(self._sweep())
        return made

    def connection(self) -> "Connection":
        """What answers one client."""
        return Connection(self)

    async def stop(self, grace_s: float = 10.0) -> None:
        """Take no more, finish what is under way, close."""
        self.stopping = True
        for listener in self.listeners:
            listener.close()
        loop = asyncio.get_running_loop()
        ends = loop.time() + grace_s
        while any(c.busy for c in self.connections) and loop.time() < ends:
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.transport.abort()
        if self.doorway is not None:
            await self.doorway.close()
        if self.sweeper is not None:
            self.sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.sweeper

    async def _sweep(self) -> None:
        """Once a second, end what took too long."""
        while True:
            await asyncio.sleep(1.0)
            now = asyncio.get_running_loop().time()
            for connection in [c for c in self.connections if c.deadline and c.deadline < now]:
                connection.late()


class Connection(asyncio.BufferedProtocol):
    """One client connection: requests are answered one after the other, in their order."""

    def __init__(self, server: Server) -> None:
        self.server, self.limits = server, server.limits
        self.loop = asyncio.get_running_loop()
        self.deadline = self.loop.time() + server.limits.head_s
        self.queue: deque[tuple[Head, Inbound]] = deque()
        self.task: asyncio.Task[None] | None = None  # answers what is in the queue, as long as the connection lasts
        self.asked: asyncio.Future[None] | None = None  # it waits for a request
        self.busy = self.paused = self.lost = self.in_head = False
        self.arriving: Inbound | None = None
        self.writable: asyncio.Future[None] | None = None
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come; one too many is told so."""
        self.transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        named = peer[0] if isinstance(peer, tuple) else "unix:"
        secure = transport.get_extra_info("ssl_object")
        shown = b"" if secure is None else secure.getpeercert(True) or b""
        self.link = Link(secure is not None, shown, secure is None and named in self.server.trusted)
        self.server.connections.add(self)
        if len(self.server.connections) > self.server.limits.connections or self.server.stopping:
            self._plain(503)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: a body that was arriving is cut off; what is decided is decided."""
        self.lost = True
        self.server.connections.discard(self)
        if self.arriving is not None and not self.arriving.whole:
            self.arriving.failure = self.arriving.failure or BadCall("the client went away", field="body")
            self.arriving.wake()
        self.resume_writing()
        self._wake()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes: one place for all connections, for it is parsed before the next comes."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came; no head grows for ever."""
        try:
            self.parser.feed_data(BUFFER[:nbytes])
            if self.in_head:
                self.head_bytes += nbytes
                if self.head_bytes > MOST_HEAD_BYTES:
                    raise httptools.HttpParserError("the head is too large")
        except (httptools.HttpParserUpgrade, httptools.HttpParserError):
            self.in_head = False
            self._plain(400)
        if self.paused or len(self.queue) > 1 or (self.arriving is not None and self.arriving.held):
            self.flow()

    def on_message_begin(self) -> None:
        """A request begins: it has a short time to bring its head."""
        self.url, self.headers, self.head_bytes, self.in_head = b"", list[tuple[bytes, bytes]](), 0, True
        if not self.busy:
            self.deadline = self.loop.time() + self.server.limits.head_s

    def on_url(self, url: bytes) -> None:
        """A part of the request target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field."""
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request can be answered from here; its body may still arrive."""
        self.in_head, inbound = False, Inbound(self)
        self.arriving = inbound
        names, values = zip(*self.headers, strict=True) if self.headers else ((), ())
        shape = heads.shape_of(names)
        if shape.length_at >= 0:
            inbound.size = int(values[shape.length_at])
        if shape.expect_at >= 0:
            inbound.expected = values[shape.expect_at].lower() == b"100-continue"
        if len(self.url) + shape.size + sum(map(len, values)) > MOST_HEAD_BYTES or len(names) > MOST_HEADERS:
            raise httptools.HttpParserError("the head is too large")
        method, keep = self.parser.get_method().decode(), self.parser.should_keep_alive()
        self.queue.append((Head(method, self.url, shape, values, keep), inbound))
        self.deadline, self.busy = 0.0, True
        if self.task is None:
            self.task = self.loop.create_task(self._serve())
        else:
            self._wake()

    def _wake(self) -> None:
        """There is something for the task that answers, or the connection ends."""
        if self.asked is not None and not self.asked.done():
            self.asked.set_result(None)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        assert self.arriving is not None
        self.arriving.add(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        assert self.arriving is not None
        self.arriving.whole = True
        self.arriving.wake()

    def flow(self) -> None:
        """Read no more than is being used."""
        held = self.arriving.held if self.arriving is not None else 0
        if self.queue:
            held += sum(one[1].held for one in self.queue)
        if not self.paused and (held > HIGH_WATER or len(self.queue) > MOST_QUEUED):
            self.paused = True
            self.transport.pause_reading()
        elif self.paused and held < LOW_WATER and len(self.queue) <= MOST_QUEUED and not self.lost:
            self.paused = False
            self.transport.resume_reading()

    def late(self) -> None:
        """It took too long: a head that does not come, or an answer that is not read."""
        self.transport.abort()

    def _plain(self, status: int) -> None:
        """An answer to what is not even HTTP, or one too many; unsigned, for there is no request to sign it for."""
        if not self.transport.is_closing():
            kind = "Client.BadRequest" if status == 400 else "Server.ServerProxy.ServiceFailed.Unavailable"
            told = msgspec.json.encode({"type": kind, "message": REASONS[status], "detail": ""})
            self.transport.write(
                _head(status, {"content-type": "application/json", "x-road-error": kind}, len(told), True)
            )
            self.transport.write(told)
            self.transport.close()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        if self.writable is None:
            self.writable = self.loop.create_future()
            self.deadline = self.loop.time() + self.server.limits.read_s

    def resume_writing(self) -> None:
        """It has read."""
        waiting, self.writable = self.writable, None
        self.deadline = 0.0
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def _serve(self) -> None:
        """Answer requests one after the other, until the connection ends."""
        try:
            while not self.transport.is_closing():
                if not self.queue:
                    self.asked = self.loop.create_future()
                    await self.asked
                    continue
                head, inbound = self.queue.popleft()
                head.keep = head.keep and not self.server.stopping
                if not await self._answer(head, inbound):
                    await self._linger()
                    return
                if not self.queue:
                    self._at_rest()
        except ConnectionError:
            self.transport.abort()
        except Exception:
            logger.exception("a connection of the exchange failed")
            self.transport.abort()
        finally:
            self._at_rest()

    def _at_rest(self) -> None:
        """All is answered: the next request may take its time."""
        self.busy = False
        self.deadline = self.loop.time() + self.server.limits.idle_s
        if self.paused:
            self.flow()

    async def _answer(self, head: Head, inbound: Inbound) -> bool:
        """Answer one request; False when the connection ends with it."""
        path, _, query = head.url.decode("latin-1").partition("?")
        if not path.startswith("/r1/"):
            return await self._outside(path, query, head, head.keep and inbound.whole)
        message = message_from(head.method, path, query, head.fields(), self.link)
        stack = self.server.stack
        crossing = door.of_other_instances(message, messages.instance_of(stack))
        if crossing is not None:
            return await self._across(crossing, message, head, inbound)
        asked = Exchange(message, head.lines(), inbound)
        reply = await messages.respond(stack, asked)
        keep = head.keep and inbound.whole
        fields = messages.seal(stack, message, reply)
        if reply.stream is None:
            empty = head.method == "HEAD" or reply.status == 204
            told = _head(reply.status, fields, None if empty else len(reply.body), not keep)
            self.transport.write(told if empty else told + reply.body)
            if self.writable is not None:
                await self.writable
            return keep
        return await self._stream(message, reply, fields, keep)

    async def _stream(self, message: Any, reply: Reply, fields: dict[str, str], keep: bool) -> bool:
        """Send a long answer piece by piece, and sign it at its end unless its head was signed."""
        assert reply.stream is not None
        sha256 = hashlib.sha256()
        head = _head(reply.status, fields | {"transfer-encoding": "chunked"}, None, not keep)
        self.transport.write(head)
        async with aclosing(reply.stream) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                sha256.update(chunk)
                self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                if self.writable is not None:
                    await self.writable
                if self.lost:
                    return False
        last: dict[str, str] = {}
        if not reply.digest:
            last = messages.trailers(self.server.stack, message, reply, fields, sha256.digest())
        elif not messages.same_digest(reply.digest, sha256.digest()):
            logger.error(
                "a service's answer is not of the digest that it told", extra={"id": fields["x-road-request-id"]}
            )
            self.transport.abort()  # the last chunk is never sent, so nobody takes this for the whole
            return False
        lines = "".join(f"{name}: {value}\r\n" for name, value in last.items())
        self.transport.write(f"0\r\n{lines}\r\n".encode("latin-1"))
        return keep

    async def _across(self, crossing: door.Answerer, message: Message, head: Head, inbound: Inbound) -> bool:
        """A message to another instance or from one: federation speaks ASGI, and holds bodies in memory."""
        path = message.path.encode("latin-1")
        scope = {"method": head.method, "path": message.path, "raw_path": path, "headers": head.pairs(),
                 "query_string": message.query.encode("latin-1"), "msingi_link": self.link}  # fmt: skip
        told: dict[str, Any] = {}

        async def receive() -> Any:
            try:
                chunk = await inbound.next()
            except BadCall:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": chunk, "more_body": bool(chunk)}

        async def send(event: Any) -> None:
            told.update(event)

        await door.answered(self.server.stack, cast(Any, scope), receive, send, crossing)
        keep = head.keep and inbound.whole
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in told["headers"])
        ending = b"" if keep else b"connection: close\r\n"
        status = f"HTTP/1.1 {told['status']} {REASONS.get(told['status'], 'Status')}\r\n".encode()
        self.transport.write(status + lines + ending + b"\r\n" + told["body"])
        return keep

    async def _outside(self, path: str, query: str, head: Head, keep: bool) -> bool:
        """What else is asked of a security server: whether it lives, and who is there (listClients)."""
        status, told, media_type = (
            404,
            b'{"type":"Client.BadRequest","message":"no such path","detail":""}',
            "application/json",
        )
        if path == "/healthz":
            status, told = 200, b'{"status":"alive"}'
        elif path == "/listClients":
            accept = head.fields().get("accept", "")
            instance = (parse_qs(query).get("xRoadInstance") or [""])[0]
            told, media_type = await wire_clients(self.server.stack, instance, accept)
            status = 200
        self.transport.write(_head(status, {"content-type": media_type}, len(told), not keep) + told)
        return keep

    async def _linger(self) -> None:
        """Close so that the client gets to read the answer: what it still sends is thrown away for a moment."""
        if self.lost:
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
            ends = self.loop.time() + LINGER_S
            while self.arriving is not None and not self.arriving.whole and not self.lost and self.loop.time() < ends:
                self.arriving.chunks.clear()
                self.arriving.held = 0
                self.flow()
                await asyncio.sleep(0.02)
        self.transport.close()


async def wire_clients(stack: Stack, instance: str, accept: str) -> tuple[bytes, str]:
    """`listClients` of an instance as JSON or XML, whichever is accepted, and its media type."""
    here = messages.instance_of(stack)
    found = wire.client_list(here, await acts.client_list(stack) if instance in ("", here) else [])
    if "json" in accept:
        return msgspec.json.encode({"member": found}), "application/json"
    return wire.client_list_xml(found).encode(), "text/xml"


def _head(status: int, fields: dict[str, str], length: int | None, close: bool) -> bytes:
    size = "" if length is None else f"content-length: {length}\r\n"
    ending = "connection: close\r\n" if close else ""
    reason = REASONS.get(status, "Status")
    return f"HTTP/1.1 {status} {reason}\r\n{heads.lines_of(fields)}{size}{ending}\r\n".encode("latin-1")
