"""The way to an institution's own HTTP server: kept connections, streamed bodies in constant memory, and time limits.

One request at a time on a connection (HTTP/1.1). Redirects are not followed, and nothing is decompressed.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from typing import cast
from urllib.parse import urlsplit

import httptools

from msingi.exchange.errors import AnswerFailed, AnswerUnreachable
from msingi.exchange.model import Inflow

CONNECT_S = 5.0
ANSWER_S = 30.0  # until the answer begins, and between two pieces of it
IDLE_S = 4.0  # many servers close idle connections after five seconds
MOST_CONNECTIONS = 64  # to one server
MOST_HEAD_BYTES = 64 * 1024
HIGH_WATER = 256 * 1024
BUFFER = memoryview(bytearray(64 * 1024))
REPEATABLE = frozenset(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])  # RFC 9110 section 9.2.2


@lru_cache(maxsize=256)
def _names(raw: tuple[bytes, ...]) -> tuple[str, ...]:
    return tuple(name.decode("latin-1").lower() for name in raw)


class Lost(Exception):
    """The connection ended before the answer began: whoever asked may ask again, if the method is idempotent."""


class Line(asyncio.BufferedProtocol):
    """One connection to a server, and the answer that is arriving on it."""

    def __init__(self, pool: "Pool") -> None:
        self.pool = pool
        self.loop = asyncio.get_running_loop()
        self.idle_since = 0.0
        self.used = False
        self.open = True
        self.deadline = 0.0  # by when something has to come; 0: no limit
        self.timer: asyncio.TimerHandle | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def begin(self) -> None:
        """Get ready for the next answer."""
        self.parser = httptools.HttpResponseParser(self)  # a new one: nothing of an earlier answer is left in it
        self.status, self.head_bytes = 0, 0
        self._head, self._tail = list[tuple[bytes, bytes]](), list[tuple[bytes, bytes]]()
        self.told = self._head
        self.chunks: deque[bytes] = deque()
        self.held, self.complete, self.paused, self.keep = 0, False, False, False
        self.failure: Exception | None = None
        self.head: asyncio.Future[None] = self.loop.create_future()
        self.more: asyncio.Future[None] | None = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes: one place for all connections, for it is parsed before the next comes."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came."""
        if not self.used or self.complete:
            self.fail(AnswerFailed("the service said something that nobody asked"))
            return
        try:
            self.parser.feed_data(BUFFER[:nbytes])
            if not self.head.done():
                self.head_bytes += nbytes
                if self.head_bytes > MOST_HEAD_BYTES:
                    self.fail(AnswerFailed("the head of the service's answer is too large"))
        except httptools.HttpParserError:
            self.fail(AnswerFailed("the service does not speak HTTP/1.1"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field of the answer, or of its trailers."""
        self.told.append((name, value))

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The header fields of the answer, names in lower case."""
        return _decoded(self._head)

    @property
    def trailers(self) -> list[tuple[str, str]]:
        """The fields after its body."""
        return _decoded(self._tail)

    def given(self) -> dict[str, str]:
        """The header fields of the answer; of one that comes twice the last."""
        return dict(_decoded(self._head))

    def on_headers_complete(self) -> None:
        """The head is whole; an interim answer (1xx) is passed over."""
        self.status = self.parser.get_status_code()
        if self.status < 200:
            self._head.clear()
        elif not self.head.done():
            self.told = self._tail
            self.head.set_result(None)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self.chunks.append(body)
        self.held += len(body)
        if self.held > HIGH_WATER and not self.paused:
            self.paused = True
            self.transport.pause_reading()
        self._wake()

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self.status >= 200:
            self.complete, self.keep = True, self.parser.should_keep_alive()
            self._wake()

    def _wake(self) -> None:
        if self.more is not None and not self.more.done():
            self.more.set_result(None)

    def fail(self, failure: Exception) -> None:
        """Give up on this connection."""
        self.failure = self.failure or failure
        self.open = False
        self.transport.abort()
        if self.used:
            if not self.head.done():
                self.head.set_exception(self.failure)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has gone."""
        self.open = False
        self.writable.set()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.used and not self.complete:
            if not self.head.done():
                self.head.set_exception(Lost())
            self.failure = self.failure or AnswerFailed("the service went away in the middle of its answer")
            self._wake()
        self.pool.gone(self)

    def pause_writing(self) -> None:
        """The server reads slowly."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """It reads again."""
        self.writable.set()

    def within(self, seconds: float) -> None:
        """Give up unless something comes within this time; 0: no limit any more. One timer serves many requests."""
        self.deadline = self.loop.time() + seconds if seconds else 0.0
        if self.timer is not None and self.deadline and self.timer.when() > self.deadline:
            self.timer.cancel()
            self.timer = None
        if seconds and self.timer is None:
            self.timer = self.loop.call_at(self.deadline, self._due)

    def _due(self) -> None:
        self.timer = None
        if self.deadline > self.loop.time():
            self.timer = self.loop.call_at(self.deadline, self._due)
        elif self.deadline:
            self.fail(AnswerFailed("the service did not answer in time"))

    async def ask(self, head: bytes, body: bytes, inflow: Inflow | None) -> None:
        """Send a request and wait for the head of its answer. Raises Lost, AnswerFailed."""
        self.begin()
        self.used = True
        self.within(ANSWER_S)
        self.transport.write(head + body)
        if inflow is not None:
            framed = inflow.size is None
            async for chunk in inflow:
                await self.writable.wait()
                if not self.open:
                    break
                self.transport.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if framed else chunk)
                self.within(ANSWER_S)
            if framed and self.open:
                self.transport.write(b"0\r\n\r\n")
        await self.head

    async def body(self) -> AsyncGenerator[bytes]:
        """The body of the answer as it comes; the connection is free when it ends."""
        try:
            while True:
                while self.chunks:
                    chunk = self.chunks.popleft()
                    self.held -= len(chunk)
                    if self.paused and self.held < HIGH_WATER // 2:
                        self.paused = False
                        self.transport.resume_reading()
                    yield chunk
                if self.complete:
                    return
                if self.failure is not None:
                    raise self.failure
                self.within(ANSWER_S)
                self.more = self.loop.create_future()
                await self.more
        finally:
            self.release()

    def release(self) -> None:
        """Back to the pool if the answer was read whole, and closed otherwise."""
        self.within(0)
        if not (self.open and self.complete and not self.chunks and self.keep):
            self.open = False
            self.transport.abort()
        self.used = False
        self.pool.back(self)


def _decoded(pairs: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    if not pairs:
        return []
    names, values = zip(*pairs, strict=True)
    told = b"\n".join(values).decode("latin-1").split("\n")
    if len(told) != len(names):  # a value on several lines
        told = [value.decode("latin-1") for value in values]
    return list(zip(_names(names), told, strict=True))


class Pool:
    """The connections to one server."""

    def __init__(
        self, origin: str, most: int = MOST_CONNECTIONS, tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    ) -> None:
        url = urlsplit(origin)
        self.context = tls
        self.host, self.tls = url.hostname or "", url.scheme == "https"
        self.port = url.port or (443 if self.tls else 80)
        self.idle: list[Line] = []
        self.free = most  # how many more may be in use at once
        self.waiting: deque[asyncio.Future[None]] = deque()

    async def _line(self) -> Line:
        while self.idle:
            line = self.idle.pop()
            if line.open and line.idle_since > time.monotonic() - IDLE_S:
                return line
            line.transport.abort()
        context = self.context() if self.tls else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await asyncio.get_running_loop().create_connection(
                    lambda: Line(self), self.host, self.port, ssl=context
                )
        except (OSError, TimeoutError):
            raise AnswerUnreachable() from None
        return line

    async def ask(self, method: str, head: bytes, body: bytes, inflow: Inflow | None = None) -> Line:
        """Send a request; the line on which its answer has begun. Its `body` must be read, or it must be released.

        Raises AnswerUnreachable, AnswerFailed.
        """
        if self.free > 0:
            self.free -= 1
        else:
            await self._turn()
        for again in (True, False):
            try:
                line = await self._line()
            except BaseException:
                self._done()
                raise
            fresh = not line.idle_since
            try:
                await line.ask(head, body, inflow)
                return line
            except Lost:
                line.used = False
                # A kept connection that the server has closed meanwhile: only then, and only once, a new one.
                if fresh or not again or inflow is not None or method not in REPEATABLE:
                    self._done()
                    raise AnswerFailed("the service closed the connection without an answer") from None
            except BaseException:
                line.release()
                raise
        raise AssertionError("unreachable")

    async def _turn(self) -> None:
        """Wait until a connection may be used; it is then this one's to give back. Raises AnswerUnreachable."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            async with asyncio.timeout(ANSWER_S):
                await turn
        except BaseException as ended:
            if turn.done() and not turn.cancelled():
                self._done()  # it came in the same moment
            if isinstance(ended, TimeoutError):
                raise AnswerUnreachable("all connections to the service are in use") from None
            raise

    def _done(self) -> None:
        """One connection fewer is in use: whoever waits first is next."""
        while self.waiting:
            turn = self.waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def back(self, line: Line) -> None:
        """A line is not used any more."""
        self._done()
        if line.open:
            line.idle_since = time.monotonic()
            self.idle.append(line)

    def gone(self, line: Line) -> None:
        """A line was closed."""
        if line in self.idle:
            self.idle.remove(line)

    def close(self) -> None:
        """Close what is idle."""
        for line in self.idle:
            line.transport.abort()
        self.idle.clear()
