"""A lean connection says what uvicorn's own says, byte for byte, whatever the application answers."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from msingi.kernel import lean

EVERY = [(b"x-frame-options", b"DENY"), (b"x-request-id", b"r1")]


def start(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers + EVERY}


def body(raw: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": raw, "more_body": more}


LENGTH = (b"content-length", b"2")
ANSWERS: dict[str, list[dict[str, Any]]] = {
    "/short": [start(200, [LENGTH, (b"content-type", b"text/plain")]), body(b"ok")],
    "/again": [start(200, [LENGTH, (b"content-type", b"text/plain")]), body(b"no")],
    "/empty": [start(202, [(b"content-length", b"0")]), body(b"")],
    "/capital": [start(200, [LENGTH, (b"X-Word", b"One")]), body(b"ok")],
    "/cookies": [start(200, [LENGTH, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]), body(b"ok")],
    "/nothing": [start(204, []), body(b"")],
    "/unmeasured": [start(200, []), body(b"ok")],
    "/stream": [start(200, [LENGTH]), body(b"o", True), body(b"k")],
    "/chunks": [start(200, []), body(b"o", True), body(b"k")],
    "/parting": [start(200, [LENGTH, (b"connection", b"close")]), body(b"ok")],
    "/too-long": [start(200, [LENGTH]), body(b"okay")],
    "/too-short": [start(200, [LENGTH]), body(b"o")],
    "/broken-in-two": [start(200, [LENGTH, (b"location", b"/a\r\nset-cookie: b=1")]), body(b"ok")],
    "/broken-name": [start(200, [LENGTH, (b"a\r\nb", b"c")]), body(b"ok")],
    "/silent": [],
    "/begun": [start(200, [LENGTH])],
    "/unbegun": [body(b"ok")],
}
GET = b"GET %b HTTP/1.1\r\nhost: a\r\n\r\n"
TALKS = [
    *[GET % path.encode() for path in ANSWERS],
    *[GET.replace(b"GET", b"HEAD") % path for path in (b"/short", b"/stream")],
    b"POST /short HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    b"POST /short HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc",
    (GET % b"/short") * 3 + GET % b"/stream" + GET % b"/again",
    b"GET /short HTTP/1.0\r\nhost: a\r\n\r\n",
    b"GET /short HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
]


async def answering(scope: Any, receive: Any, send: Any) -> None:
    if (await receive())["type"] == "http.disconnect":
        return
    for message in ANSWERS[scope["path"]]:
        await send(dict(message))


async def said(protocol: type[asyncio.Protocol], talk: bytes) -> bytes:
    """All that a server says to a talk before it is silent, or hangs up."""
    config = uvicorn.Config(answering, http=protocol, port=0, log_config=None, lifespan="off", date_header=False)
    server = uvicorn.Server(config)
    config.load()
    made = lambda: config.http_protocol_class(config=config, server_state=server.server_state, app_state={})  # noqa: E731
    listening = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname())
    writer.write(talk)
    whole = b""
    try:
        while more := await asyncio.wait_for(reader.read(65_536), 0.15 if whole else 2):
            whole += more
    except TimeoutError:
        pass
    writer.close()
    listening.close()
    return whole


def test_every_talk_is_answered_as_uvicorn_answers_it() -> None:
    async def both() -> list[list[bytes]]:
        ways = (HttpToolsProtocol, lean.LeanProtocol)
        return [await asyncio.gather(*[said(way, talk) for talk in TALKS]) for way in ways]

    usual, leaner = asyncio.run(both())
    for talk, expected, got in zip(TALKS, usual, leaner, strict=True):
        # An answer that fails after its head has left is cut off by uvicorn; a lean one fails before, and says so.
        begun = talk.split(b" ")[1] in (b"/too-long", b"/too-short", b"/begun")
        assert got == expected or (begun and got.startswith(b"HTTP/1.1 500")), talk
    assert b"\r\nset-cookie: b=1\r\n" not in leaner[TALKS.index(GET % b"/broken-in-two")]


def test_lines_that_differ_each_time_are_not_kept() -> None:
    lean._written(b"x-request-id", b"another")
    lean._written(b"etag", b'"1"')
    lean._written(b"x-word", b"kept")
    assert (b"x-word", b"kept") in lean._lines
    assert not {name for name, _ in lean._lines} & lean._OWN


@pytest.mark.parametrize("name, value", [(b"a", b"b\r\nc: d"), (b"a b", b"c"), (b"a", b"b\n")])
def test_a_header_that_would_break_an_answer_in_two_is_never_written(name: bytes, value: bytes) -> None:
    with pytest.raises(RuntimeError):
        lean._written(name, value)
