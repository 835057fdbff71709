"""An institution's server for large bodies, a program of its own: `python -m tests.bench.body_service PORT`."""

import asyncio
import sys

BLOCK = bytes(range(256)) * 256


class Service(asyncio.Protocol):
    """An institution's server: counts what it is sent, and answers a GET with a body of the size in its query."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.head, self.left, self.writable = transport, b"", 0, asyncio.Event()
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """A head, or a part of a body."""
        if not self.left:
            self.head += data
            head, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return
            self.head = b""
            if head.startswith(b"GET"):
                size = int(head.partition(b"size=")[2].partition(b" ")[0])
                self.sending = asyncio.get_running_loop().create_task(self.send(size))
                return
            self.left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.left -= len(data)
        if not self.left:
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\ncontent-length: 5\r\n\r\ntaken")

    def pause_writing(self) -> None:
        """The reader is slow."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """It has read."""
        self.writable.set()

    async def send(self, size: int) -> None:
        """A body of this size."""
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // len(BLOCK)):
            await self.writable.wait()
            self.transport.write(BLOCK)


def serve(port: int) -> None:
    """The institution's program."""

    async def listen() -> None:
        server = await asyncio.get_running_loop().create_server(Service, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(listen())


if __name__ == "__main__":
    serve(int(sys.argv[1]))
