"""A lean way to a participant's HTTP/1.1 server: kept connections, one request at a time on each, small answers.

Only the status of an answer matters to the switch; its body is read and dropped. Redirects are never followed.
"""

import asyncio
import ssl
import time
from typing import cast
from urllib.parse import urlsplit

import httptools

from msingi.kernel.errors import Outage

CONNECT_S = 3.0
ANSWER_S = 8.0
IDLE_S = 4.0  # many servers close idle connections after five seconds
MOST_CONNECTIONS = 32
MOST_ANSWER_BYTES = 256 * 1024
BUFFER = memoryview(bytearray(64 * 1024))


class _Line(asyncio.BufferedProtocol):
    """One connection, and the answer that is arriving on it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.open, self.idle_since, self.size = True, 0.0, 0
        self.answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to put what comes: one place for all connections, for it is parsed before the next comes."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Parse what came."""
        self.size += nbytes
        if self.answer is None or self.answer.done() or self.size > MOST_ANSWER_BYTES:
            return self._end(Outage("the participant says more than it was asked"))
        try:
            self.parser.feed_data(BUFFER[:nbytes])
        except httptools.HttpParserError:
            self._end(Outage("the participant does not speak HTTP/1.1"))
        return None

    def on_message_complete(self) -> None:
        """The answer is whole; interim answers (1xx) are passed over."""
        status = self.parser.get_status_code()
        if status >= 200 and self.answer is not None and not self.answer.done():
            self.open = self.open and self.parser.should_keep_alive()
            self.answer.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(Outage("the participant closed the connection"))

    def _end(self, why: Exception) -> None:
        self.open = False
        self.transport.abort()
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(why)

    async def ask(self, raw: bytes) -> int:
        """Send a request; the status of its answer. Raises Outage."""
        self.parser = httptools.HttpResponseParser(self)
        self.size = 0
        self.answer = self.loop.create_future()
        self.transport.write(raw)
        late = self.loop.call_later(ANSWER_S, self._end, Outage("the participant did not answer in time"))
        try:
            return await self.answer
        finally:
            late.cancel()


class Way:
    """The connections to one participant. Requests wait their turn when all connections are in use."""

    def __init__(self, endpoint: str) -> None:
        url = urlsplit(endpoint)
        self._host, self._tls = url.hostname or "", url.scheme == "https"
        self._port = url.port or (443 if self._tls else 80)
        self._prefix = url.path.rstrip("/")
        self._name = url.netloc.rpartition("@")[2]
        self._idle: list[_Line] = []
        self._free = asyncio.Semaphore(MOST_CONNECTIONS)

    async def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> int:
        """Send a request; the status of the answer. Raises Outage if there is none."""
        head = [f"{method} {self._prefix}{path} HTTP/1.1", f"Host: {self._name}", f"Content-Length: {len(body)}"]
        head += [f"{name}: {value}" for name, value in headers.items()]
        raw = "\r\n".join(head).encode("latin-1", "replace") + b"\r\n\r\n" + body
        async with self._free:
            line = await self._line()
            try:
                return await line.ask(raw)
            except BaseException:
                line.open = False
                line.transport.abort()
                raise
            finally:
                line.idle_since = time.monotonic()
                if line.open:
                    self._idle.append(line)

    async def _line(self) -> _Line:
        while self._idle:
            line = self._idle.pop()
            if line.open and line.idle_since > time.monotonic() - IDLE_S:
                return line
            line.transport.abort()
        context = ssl.create_default_context() if self._tls else None
        try:
            async with asyncio.timeout(CONNECT_S):
                _, line = await asyncio.get_running_loop().create_connection(_Line, self._host, self._port, ssl=context)
        except (OSError, TimeoutError):
            raise Outage("the participant cannot be reached") from None
        return line

    def close(self) -> None:
        """Close what is idle."""
        for line in self._idle:
            line.transport.abort()
        self._idle.clear()
