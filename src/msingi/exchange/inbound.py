"""The body of a request as it arrives at the exchange's own server, and what a client may take of that server."""

import asyncio
from collections import deque
from typing import Protocol

from msgspec import Struct

from msingi.exchange.errors import MessageTooLarge, TooSlow


class Limits(Struct, frozen=True):
    """What a client may take of this server; times in seconds."""

    connections: int = 2_048
    idle_s: float = 75.0
    head_s: float = 10.0
    body_bytes: int = 4 * 1024**3
    body_wait_s: float = 15.0  # for the next piece of a body
    body_rate: int = 1_024  # bytes a second that a body has to reach on the whole
    read_s: float = 30.0  # for a client to take what was sent


class Reader(Protocol):
    """The connection that a body comes from."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    transport: asyncio.Transport

    def flow(self) -> None:
        """Read no more than is being used."""
        ...


class Inbound:
    """The body of one request, as its connection brings it."""

    size: int | None = None  # declared; None where it comes in chunks
    held = got = 0
    whole = expected = False
    failure: Exception | None = None
    more: "asyncio.Future[None] | None" = None

    def __init__(self, connection: "Reader") -> None:
        self.connection = connection
        self.chunks: deque[bytes] = deque()
        self.began = connection.loop.time()

    def add(self, chunk: bytes) -> None:
        """A piece came."""
        self.chunks.append(chunk)
        self.held += len(chunk)
        self.got += len(chunk)
        if self.got > self.connection.limits.body_bytes:
            self.failure = MessageTooLarge(limit_bytes=self.connection.limits.body_bytes)
        self.wake()

    def wake(self) -> None:
        """Something changed for whoever waits."""
        if self.more is not None and not self.more.done():
            self.more.set_result(None)

    async def next(self) -> bytes:
        """The next piece; empty at the end. Raises MessageTooLarge, TooSlow, BadCall."""
        limits, loop = self.connection.limits, self.connection.loop
        if self.size is not None and self.size > limits.body_bytes:
            raise MessageTooLarge(limit_bytes=limits.body_bytes)
        while not self.chunks:
            if self.failure is not None:
                raise self.failure
            if self.whole:
                return b""
            if self.expected:  # only now is the body wanted (RFC 9110 section 10.1.1)
                self.expected = False
                self.connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            took = loop.time() - self.began - limits.body_wait_s
            if took > 0 and self.got < took * limits.body_rate:
                raise TooSlow()
            self.more = loop.create_future()
            timer = loop.call_later(limits.body_wait_s, self._late)
            try:
                await self.more
            finally:
                timer.cancel()
        if self.failure is not None:
            raise self.failure
        chunk = self.chunks.popleft()
        self.held -= len(chunk)
        self.connection.flow()
        return chunk

    def _late(self) -> None:
        self.failure = self.failure or TooSlow()
        self.wake()
