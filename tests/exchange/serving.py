"""The exchange's own server on a free port, an institution's HTTP service behind it, and raw clients."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace
from tests.running import free_port

from msingi.exchange import client, signature
from msingi.exchange.server import Limits, Server
from msingi.kernel.stack import Stack

PERSON = {
    "name": {"given": "Asha", "family": "Mrisho", "secret": "never"},
    "birth_date": "1990-02-03",
    "region": "Dodoma",
    "visits": [{"day": "2026-01-02", "note": "never"}, {"day": "2026-03-04", "note": "never"}],
    "hiv": "never",
}
BIG = 24 * 1024 * 1024


class Institution:
    """An institution's own HTTP server, as plain as they are: what it was asked stands in `asked`."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer requests until the client goes."""
        try:
            while line := await reader.readline():
                method, target, _ = line.decode().split(" ", 2)
                fields: dict[str, str] = {}
                while (line := await reader.readline()) not in (b"\r\n", b""):
                    name, _, value = line.decode("latin-1").partition(":")
                    fields[name.strip().lower()] = value.strip()
                one: dict[str, Any] = {"method": method, "target": target, "fields": fields, "whole": False}
                self.asked.append(one)
                one |= await self.body(reader, fields)
                one["whole"] = True
                await self.say(writer, target)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def body(self, reader: asyncio.StreamReader, fields: dict[str, str]) -> dict[str, Any]:
        """Read a body of known length or in chunks; its size and SHA-256."""
        digest, size = hashlib.sha256(), 0
        if fields.get("transfer-encoding") == "chunked":
            while length := int((await reader.readline()).strip() or b"0", 16):
                digest.update(await reader.readexactly(length))
                size += length
                await reader.readline()
            await reader.readline()
        else:
            left = int(fields.get("content-length", "0"))
            while left:
                chunk = await reader.readexactly(min(left, 65_536))
                digest.update(chunk)
                size, left = size + len(chunk), left - len(chunk)
        return {"size": size, "sha256": digest.hexdigest()}

    async def say(self, writer: asyncio.StreamWriter, target: str) -> None:
        """What it says depends on the last part of the path."""
        last = target.partition("?")[0].rpartition("/")[2]
        status, kind, body = "200 OK", "application/json", json.dumps(PERSON).encode()
        more = ""
        if last == "big":
            block = os.urandom(65_536)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/pdf\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(BIG // len(block)):
                writer.write(b"%x\r\n%b\r\n" % (len(block), block))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            return await writer.drain()
        if last == "told":
            body = bytes(2 * 1024 * 1024)
            kind, more = "application/pdf", f"content-digest: {signature.content_digest(body)}\r\n"
        elif last == "lied":
            body = bytes(2 * 1024 * 1024)
            kind, more = "application/pdf", f"content-digest: {signature.content_digest(b'other')}\r\n"
        elif last == "no":
            status, kind = "404 Not Found", "application/problem+json"
            body = b'{"title":"No record","status":404,"patient":"Asha Mrisho"}'
        elif last == "html":
            kind, body = "text/html", b"<p>Asha Mrisho</p>"
        elif last == "moved":
            status, more = "302 Found", "location: http://127.0.0.1:1/\r\n"
        elif last == "silent":
            await asyncio.sleep(60)
        elif last == "gone":
            return writer.close()
        elif last == "list":
            body = json.dumps([PERSON, PERSON]).encode()
        head = f'HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nset-cookie: a=b\r\netag: "7"\r\n{more}'
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


@asynccontextmanager
async def listening(stack: Stack, limits: Limits | None = None) -> AsyncIterator[Server]:
    """The exchange's server, at the address that messages to this stack are signed for."""
    port = free_port()
    stack.settings = replace(stack.settings, gateway_url=f"http://127.0.0.1:{port}", trusted_proxies="127.0.0.1")
    server = Server(stack, limits)
    await server.start(host="127.0.0.1", port=port)
    yield server
    await server.stop(1.0)


@asynccontextmanager
async def institution() -> AsyncIterator[Institution]:
    """An institution's server on a free port."""
    made = Institution()
    listener = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = listener.sockets[0].getsockname()[1]
    yield made
    listener.close()


async def raw(url: str, sent: bytes, wait_s: float = 10.0) -> tuple[int, dict[str, str], bytes]:
    """Send bytes on a fresh connection: status, header fields and body of the first answer (0: closed without one)."""
    host, _, port = url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(sent)
        async with asyncio.timeout(wait_s):
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(int(fields.get("content-length", "0")))
            return int(lines[0].split(" ")[1]), fields, body
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, {}, b""
    finally:
        writer.close()


def on_wire(prepared: client.Prepared, **changes: str) -> bytes:
    """A prepared request as bytes, with header fields changed or added on the way."""
    fields = prepared.message.fields | {name.replace("_", "-"): value for name, value in changes.items()}
    if prepared.body:
        fields.setdefault("content-length", str(len(prepared.body)))
    target = prepared.message.path + ("?" + prepared.message.query if prepared.message.query else "")
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"{prepared.method} {target} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + prepared.body
