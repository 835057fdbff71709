"""Hot doors: the shortest way to an act, for the few doors that are opened thousands of times a second.

The framework's way from bytes to a function and back costs more than the transfer that it asks for. A hot door takes
what is plain (a small body that came whole, JSON of the right shape where one is asked for) straight to its function.
Whatever is not plain goes to the framework, which refuses or accepts it exactly as if there were no hot door: there is
one set of rules, and one OpenAPI description. What the function refuses is told by the same dialects.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState
from msgspec import Struct

from msingi.kernel import web
from msingi.kernel.errors import Outage, Refusal

MAX_BODY_BYTES = 16 * 1024
_TYPE, _LENGTH, _KEY = b"content-type", b"content-length", b"idempotency-key"
_JSON = b"application/json"
_WRONG = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
_MEDIA = {"application/json": _JSON, "application/jwt": b"application/jwt"}
Endings = dict[Any, Callable[[Request[Any, Any, Any], Any], Response[Any]]]


class Hot(Struct, frozen=True):
    """A door of the framework's at `path` that has a shorter way to its function.

    With `body`, a type, what comes is JSON of that type, and the function is called as `opens(request, body, key)`; the
    key is the Idempotency-Key, empty for a door that takes none (`keyed`). Without `body`, the function reads the
    request itself, as `opens(request)`. `endings` are the exception handlers of the door's router. A path that ends in
    `/*` is open to every one step below it; `template` is then what the access log calls the door.
    """

    path: str
    opens: Callable[..., Awaitable[Any]]
    body: Any = None
    status: int = 200
    keyed: bool = False
    method: str = "POST"
    endings: Endings = {}
    template: str = ""


class HotDoors:
    """An application with hot doors before it."""

    def __init__(self, app: Litestar, doors: Sequence[Hot]) -> None:
        self._app = app
        self._doors = {
            door.path: (door, None if door.body is None else msgspec.json.Decoder(door.body)) for door in doors
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open the hot door of this path if what comes is plain; otherwise let the application answer."""
        found = self._found(scope["path"]) if scope["type"] == "http" else None
        if found is None or scope.get("method") != found[0].method:
            return await self._app(scope, receive, send)  # type: ignore[arg-type]
        door, decoder = found
        brings = door.method != "GET"
        key = _plain(scope, decoder is not None, door.keyed) if brings else _bare(scope)
        if key is None:
            return await self._app(scope, receive, send)  # type: ignore[arg-type]
        given, content = (), b""
        if brings:
            message = await receive()
            try:
                if message["type"] != "http.request" or message.get("more_body", False):
                    raise msgspec.DecodeError("not whole")
                content = message["body"]
                if decoder is not None:
                    given = decoder.decode(content), key
            except _WRONG:
                return await self._app(scope, _again(message, receive), send)  # type: ignore[arg-type]
        ScopeState.from_scope(scope).body = content
        scope["app"] = scope["litestar_app"] = self._app  # type: ignore[typeddict-unknown-key]
        scope["path_template"] = door.template or door.path
        request: Request[Any, Any, Any] = Request(scope, receive, send)  # type: ignore[arg-type]
        try:
            answer = await door.opens(request, *given)
        except Exception as failure:
            answer = _told(request, failure, door.endings)
        await _send(scope, receive, send, request, answer, door.status)

    def _found(self, path: str) -> "tuple[Hot, msgspec.json.Decoder[Any] | None] | None":
        found = self._doors.get(path)
        if found is None:
            above, _, last = path.rpartition("/")
            return self._doors.get(above + "/*") if last and last != "*" else None
        return found


async def _send(
    scope: Scope, receive: Receive, send: Send, request: Request[Any, Any, Any], answer: Any, status: int
) -> None:
    """Send what a door's function gave: something to be told as JSON, or a response."""
    kind, headers = _JSON, []
    if isinstance(answer, Response):
        known = _MEDIA.get(str(answer.media_type or "application/json"))
        if known is None or answer.cookies or answer.background is not None:
            return await answer.to_asgi_response(None, request)(scope, receive, send)
        kind, status = known, answer.status_code or status
        headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers.items()]
        answer = answer.content.encode() if isinstance(answer.content, str) else answer.content
    raw = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    headers += [(_TYPE, kind), (_LENGTH, str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw, "more_body": False})


def _plain(scope: Scope, json: bool, keyed: bool) -> str | None:
    """The Idempotency-Key of a request that is plain (empty where none is asked for); None if it is not."""
    headers: Sequence[tuple[bytes, bytes]] = scope["headers"]  # type: ignore[assignment]
    told = dict(headers)
    if len(told) != len(headers) or (json and told.get(_TYPE) != _JSON):  # a header that comes twice is not plain
        return None
    length = told.get(_LENGTH, b"")
    if not length.isdigit() or len(length) > 6 or int(length) > MAX_BODY_BYTES:
        return None
    if not keyed:
        return ""
    key = told.get(_KEY, b"")
    return key.decode() if 1 <= len(key) <= 64 and key.isascii() else None


def _bare(scope: Scope) -> str | None:
    """Nothing, for a request without content; None for any other."""
    told = dict(scope["headers"])
    return "" if told.get(_LENGTH, b"0") == b"0" and b"transfer-encoding" not in told else None


def _again(message: Message, receive: Receive) -> Receive:
    """What gives `message` once more, and then what comes after it."""
    waiting: list[Message] = [message]

    async def again() -> Any:
        return waiting.pop() if waiting else await receive()

    return again


def _told(request: Request[Any, Any, Any], failure: Exception, endings: Endings) -> Response[Any]:
    own = next((endings[kind] for kind in type(failure).__mro__ if kind in endings), None)
    if own is not None:
        return own(request, failure)
    if isinstance(failure, Refusal):
        return web.on_refusal(request, failure)
    return web.on_outage(request, failure) if isinstance(failure, Outage) else web.on_bug(request, failure)


def of(app: Litestar, doors: Sequence[Hot]) -> ASGIApp:
    """The application with these hot doors, or itself where something stands between it and every door."""
    return app if app.middleware or not doors else HotDoors(app, doors)  # type: ignore[return-value]
