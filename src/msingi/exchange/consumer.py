"""The consumer's side: a small server beside an institution's software, which signs for it and checks the answers.

To software written for X-Road it is the security server: plain HTTP on a loopback address, `/r1/...`, `/listClients`,
the headers and errors of the X-Road Message Protocol for REST. What the exchange asks for beyond X-Road, the purpose
and the legal basis, comes from its headers or, where software knows nothing of them, from the choices made here.
An answer is passed on only if the exchange signed it for this request. A large one is checked at its end; if that
fails the connection is cut, so that no client takes it for whole.
"""

import base64
import hashlib
import logging
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import IO, Any
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from msgspec import Struct

from msingi.exchange import client, signature, wire
from msingi.exchange.errors import BadCall, ExchangeRefusal, SignatureRefused
from msingi.exchange.heads import Head
from msingi.exchange.inbound import Inbound, Limits
from msingi.exchange.server import REASONS, Connection, Server
from msingi.exchange.signature import Message
from msingi.exchange.upstream import Line, Pool

logger = logging.getLogger("msingi.exchange")
HELD_BYTES = 1024 * 1024
_OWN = frozenset(
    "host connection keep-alive te trailer transfer-encoding upgrade content-length expect user-agent signature "
    "signature-input content-digest x-road-client x-road-id proxy-authenticate proxy-authorization".split()
)
_SHOWN_NOT = frozenset("connection keep-alive transfer-encoding trailer content-length server date".split())


class Choices(Struct, frozen=True):
    """For whom this server signs, where, and what it says when its client does not."""

    exchange: str
    client: str
    key: dict[str, str]
    exchange_keys: tuple[dict[str, str], ...]
    purpose: str = ""
    basis: str = ""
    tls: ssl.SSLContext | None = None  # shows a certificate, where the exchange asks for one


class Spooled:
    """A request body, in memory while it is small and on disk otherwise, with its digest."""

    def __init__(self, file: IO[bytes], size: int | None, digest: str) -> None:
        self.file, self.size, self.digest = file, size, digest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(64 * 1024):
            yield chunk


class Desk(Server):
    """The listening consumer."""

    def __init__(self, choices: Choices, limits: Limits | None = None) -> None:
        self.choices = choices
        self.pool = Pool(choices.exchange, tls=lambda: choices.tls or ssl.create_default_context())
        self._begin(limits, "")

    def connection(self) -> Connection:
        """What answers one client."""
        return Counter(self)


class Counter(Connection):
    """One connection of the institution's software."""

    sent_bytes = 0  # of a large answer that has begun to pass

    async def _answer(self, head: Head, inbound: Inbound) -> bool:
        """Sign a request, send it, check what comes back, and pass it on."""
        desk = self.server
        assert isinstance(desk, Desk)
        method, keep = head.method, head.keep
        path, _, query = head.url.decode("latin-1").partition("?")
        begun = False
        try:
            with tempfile.SpooledTemporaryFile(HELD_BYTES) as file:
                body = await _spooled(file, inbound)
                prepared = self._prepared(desk.choices, method, path, query, head.fields(), body)
                line = await desk.pool.ask(method, _head(prepared, body.size or 0), b"", body if body.size else None)
                begun = True
                return await self._pass_on(desk.choices, prepared, line, method, keep)
        except ExchangeRefusal as no:
            if begun and isinstance(no, SignatureRefused) and self.sent_bytes:
                logger.error("an answer was cut off: %s", no)
                self.transport.abort()
                return False
            kind = "Client.BadRequest" if isinstance(no, BadCall) else _kind(no)
            self._error(400 if isinstance(no, BadCall) else 500, kind, f"{no.title}: {no.detail}", keep)
            return keep and inbound.whole

    def _prepared(
        self, choices: Choices, method: str, path: str, query: str, fields: dict[str, str], body: Spooled
    ) -> client.Prepared:
        if not path.startswith("/r1/") and path != "/listClients":
            raise BadCall("the path is /r1/... or /listClients", field="path")
        named = fields.get("x-road-client", fields.get("information-mediator-client", choices.client))
        if named.rpartition(",")[2].strip() != choices.client:
            raise BadCall(f"this server signs for {choices.client}", field="X-Road-Client")
        passed = {name: value for name, value in fields.items() if name not in _OWN}
        if choices.purpose:
            passed.setdefault("msingi-purpose", choices.purpose)
        if choices.basis:
            passed.setdefault("msingi-basis", choices.basis)
        passed["x-road-id"] = wire.message_id(fields) if fields.get("x-road-id") else str(uuid4())
        passed["content-digest"] = body.digest
        return client.prepare(
            choices.exchange, choices.client, choices.key, path, method=method, query=query, headers=passed
        )

    async def _pass_on(self, choices: Choices, prepared: client.Prepared, line: Line, method: str, keep: bool) -> bool:
        """Give the answer to the client: checked first if it is small, and while it passes otherwise."""
        self.sent_bytes = 0
        sha256 = hashlib.sha256()
        held: list[bytes] = []
        size = 0
        public = prepared.message.path == "/listClients"
        async with aclosing(line.body()) as chunks:
            async for chunk in chunks:
                sha256.update(chunk)
                size += len(chunk)
                if self.sent_bytes:
                    await self._more(chunk)
                    continue
                held.append(chunk)
                if size > HELD_BYTES:
                    self._start(line, None, keep)
                    await self._more(b"".join(held))
                    held.clear()
        if not public:
            _check(choices, prepared, line, sha256.digest())
        if self.sent_bytes:
            self.transport.write(b"0\r\n\r\n")
            return keep
        self._start(line, 0 if method == "HEAD" else size, keep)
        self.transport.write(b"".join(held))
        return keep

    def _start(self, line: Line, size: int | None, keep: bool) -> None:
        fields = {name: value for name, value in line.headers if name not in _SHOWN_NOT}
        fields |= {"transfer-encoding": "chunked"} if size is None else {"content-length": str(size)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        ending = "" if keep else "connection: close\r\n"
        reason = REASONS.get(line.status, "Status")
        self.transport.write(f"HTTP/1.1 {line.status} {reason}\r\n{lines}{ending}\r\n".encode("latin-1"))

    async def _more(self, chunk: bytes) -> None:
        self.sent_bytes += len(chunk)
        self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        if self.writable is not None:
            await self.writable

    def _error(self, status: int, kind: str, message: str, keep: bool) -> None:
        told = msgspec.json.encode({"type": kind, "message": message, "detail": str(uuid4())})
        ending = "" if keep else "connection: close\r\n"
        head = f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\nx-road-error: {kind}\r\n"
        self.transport.write(f"{head}content-length: {len(told)}\r\n{ending}\r\n".encode() + told)


async def _spooled(file: IO[bytes], inbound: Inbound) -> Spooled:
    """Take a whole request body in, to hash it before it is signed."""
    sha256, size = hashlib.sha256(), 0
    while chunk := await inbound.next():
        sha256.update(chunk)
        size += len(chunk)
        file.write(chunk)
    return Spooled(file, size, f"sha-256=:{base64.b64encode(sha256.digest()).decode()}:")


def _head(prepared: client.Prepared, size: int) -> bytes:
    url = urlsplit(prepared.url)
    target = url.path + (f"?{url.query}" if url.query else "")
    lines = "".join(f"{name}: {value}\r\n" for name, value in prepared.message.fields.items())
    length = f"content-length: {size}\r\n" if size or prepared.method in ("POST", "PUT", "PATCH") else ""
    return f"{prepared.method} {target} HTTP/1.1\r\n{lines}{length}\r\n".encode("latin-1")


def _check(choices: Choices, prepared: client.Prepared, line: Line, sha256: bytes) -> None:
    """The answer is the exchange's own, to this request, and whole. Raises SignatureRefused."""
    fields = signature.combine(line.headers)
    trailers = signature.combine(line.trailers) if "signature" not in fields else None
    answer = Message(status=line.status, fields=fields, request=prepared.message, trailers=trailers)
    client.believed(prepared, answer, choices.exchange_keys)
    digest = (fields if trailers is None else trailers)["content-digest"]
    if digest != f"sha-256=:{base64.b64encode(sha256).decode()}:":
        raise SignatureRefused("RFC 9530 2: the body does not have this Content-Digest", step=8)


def _kind(no: Any) -> str:
    """X-Road's word for what went wrong on this side."""
    if isinstance(no, SignatureRefused):
        return "Server.ClientProxy.InvalidSignatureValue"
    return "Server.ClientProxy.NetworkError"
