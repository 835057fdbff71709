"""Hot doors: the shortest way to an act, for the few doors that are opened thousands of times a second.

The framework's way from bytes to a function and back costs more than the transfer that it asks for. A hot door takes
what is plain (one JSON body of the right shape, small and whole) straight to its function. Whatever is not plain goes
to the framework, which refuses or accepts it exactly as if there were no hot door: there is one set of rules, and one
OpenAPI description. What the function refuses is told by the same dialects.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Litestar, Request
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import Struct

from msingi.kernel import web
from msingi.kernel.errors import Outage, Refusal

MAX_BODY_BYTES = 16 * 1024
_TYPE, _LENGTH, _KEY = b"content-type", b"content-length", b"idempotency-key"
_JSON = b"application/json"
_WRONG = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


class Hot(Struct, frozen=True):
    """A door of the framework's (POST `path`) that has a shorter way: `opens(request, body, key)` is its function.

    `body` is the type that the body has; `key` the Idempotency-Key, empty for a door that takes none (`keyed`).
    """

    path: str
    body: Any
    opens: Callable[[Request[Any, Any, Any], Any, str], Awaitable[Any]]
    status: int = 200
    keyed: bool = False


class HotDoors:
    """An application with hot doors before it."""

    def __init__(self, app: Litestar, doors: Sequence[Hot]) -> None:
        self._app = app
        self._doors = {door.path: (door, msgspec.json.Decoder(door.body)) for door in doors}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the hot door of this path if what comes is plain; otherwise let the application answer."""
        found = self._doors.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            return await self._app(scope, receive, send)  # type: ignore[arg-type]
        door, decoder = found
        key = _plain(scope, door.keyed)
        if key is None:
            return await self._app(scope, receive, send)  # type: ignore[arg-type]
        message = await receive()
        try:
            if message["type"] != "http.request" or message.get("more_body", False):
                raise msgspec.DecodeError("not whole")
            body = decoder.decode(message["body"])
        except _WRONG:
            return await self._app(scope, _again(message, receive), send)  # type: ignore[arg-type]
        scope["app"] = scope["litestar_app"] = self._app  # type: ignore[typeddict-unknown-key]
        scope["path_template"] = door.path
        request: Request[Any, Any, Any] = Request(scope, receive, send)  # type: ignore[arg-type]
        try:
            raw = msgspec.json.encode(await door.opens(request, body, key))
        except Exception as failure:
            answer = _told(request, failure).to_asgi_response(None, request)
            return await answer(scope, receive, send)
        headers = [(_TYPE, _JSON), (_LENGTH, str(len(raw)).encode())]
        await send({"type": "http.response.start", "status": door.status, "headers": headers})
        await send({"type": "http.response.body", "body": raw, "more_body": False})


def _plain(scope: Scope, keyed: bool) -> str | None:
    """The Idempotency-Key of a request that is plain (empty where none is asked for); None if it is not."""
    kind, length, keys = b"", -1, []
    for name, value in scope["headers"]:
        if name == _TYPE:
            kind = _JSON if not kind and value == _JSON else b"not plain"
        elif name == _LENGTH:
            length = int(value) if value.isdigit() and length < 0 else MAX_BODY_BYTES + 1
        elif name == _KEY:
            keys.append(value)
    if kind is not _JSON or not 0 <= length <= MAX_BODY_BYTES:
        return None
    if not keyed:
        return ""
    key = keys[0] if len(keys) == 1 else b""
    return key.decode() if 1 <= len(key) <= 64 and key.isascii() else None


def _again(message: Message, receive: Receive) -> Receive:
    """What gives `message` once more, and then what comes after it."""
    waiting: list[Message] = [message]

    async def again() -> Any:
        return waiting.pop() if waiting else await receive()

    return again


def _told(request: Request[Any, Any, Any], failure: Exception) -> Any:
    if isinstance(failure, Refusal):
        return web.on_refusal(request, failure)
    return web.on_outage(request, failure) if isinstance(failure, Outage) else web.on_bug(request, failure)


def of(app: Litestar, doors: Sequence[Hot]) -> ASGIApp:
    """The application with these hot doors, or itself where something stands between it and every door."""
    return app if app.middleware or not doors else HotDoors(app, doors)  # type: ignore[return-value]
