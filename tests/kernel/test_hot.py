"""A hot door answers exactly as the framework's door does: same bytes, same refusals, whatever is sent to it."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar, Request, Response, Router, post, put, route
from litestar.datastructures import Cookie
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta, Struct

from msingi.kernel import hot, web
from msingi.kernel.errors import Malformed, Outage, Refusal


class Inner(Struct, frozen=True, forbid_unknown_fields=True):
    kind: Annotated[str, Meta(max_length=10)]


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    n: Annotated[int, Meta(ge=0, le=10**15)]
    inner: Inner
    words: Annotated[str, Meta(max_length=5)] = ""


class Told(Struct, frozen=True):
    n: int
    key: str
    words: str


Key = Annotated[str, HeaderParameter(name="Idempotency-Key", required=True, min_length=1, max_length=64)]
opened: list[str] = []


async def work(request: Request[Any, Any, Any], data: Body, key: str) -> Told:
    opened.append(request.scope["path_template"])
    if data.n == 1:
        raise Malformed("One is none.", field="n", rule="not one")
    if data.n == 2:
        raise Outage("gone")
    if data.n == 3:
        raise RuntimeError("a bug")
    assert web.request_id(request)
    return Told(data.n, key, data.words)


@post("/keyed", status_code=201)
async def keyed(request: Request[Any, Any, Any], data: JSONBody[Body], key: Key) -> Told:
    return await work(request, data, key)


@post("/bare", status_code=200)
async def bare(request: Request[Any, Any, Any], data: JSONBody[Body]) -> Told:
    return await work(request, data, "")


class Odd(Refusal):
    """A refusal that its router tells in its own way."""


def oddly(request: Request[Any, Any, Any], refused: Odd) -> Response[bytes]:
    answer = web.on_refusal(request, refused)
    answer.headers["Retry-After"] = "7"
    return answer


@route("/raw", http_method=["GET", "POST"], status_code=200)
async def raw(request: Request[Any, Any, Any]) -> Response[Any]:
    opened.append(request.scope["path_template"])
    said = (await request.body()).decode()
    if said == "odd":
        raise Odd()
    if said == "cookie":
        return Response({"said": said}, cookies=[Cookie("a", "b")], headers={"Cache-Control": "no-store"})
    if said == "created":
        return Response(Told(1, "", said), status_code=201, headers={"Cache-Control": "no-store"})
    if said == "text":
        return Response("a.b.c", media_type="application/jwt")
    return Response(said.encode(), media_type="application/jwt" if said == '"jwt"' else "application/json")


@put("/many/{one:str}", status_code=200)
async def many(request: Request[Any, Any, Any]) -> Response[bytes]:
    opened.append(request.scope["path_template"])
    return Response(await request.body(), status_code=202, media_type="application/json")


app = Litestar(
    [
        Router("/", route_handlers=[keyed, bare, many]),
        Router("/", route_handlers=[raw], exception_handlers={Odd: oddly}),
    ],
    exception_handlers=web.EXCEPTION_HANDLERS,
    logging_config=None,
    openapi_config=None,
    request_max_body_size=64 * 1024,
)
RAW = [hot.Hot("/raw", raw.fn, endings={Odd: oddly})]
before = hot.of(app, [*RAW, hot.Hot("/keyed", work, Body, 201, keyed=True), hot.Hot("/bare", work, Body)])
GOOD = b'{"n": 7, "inner": {"kind": "a"}}'


async def sent(
    to: Any, path: str, body: bytes, headers: list[tuple[bytes, bytes]], pieces: int = 1, method: str = "POST"
) -> Any:
    """What an application answers: status, the headers that say something, and the content."""
    size = max(1, -(-len(body) // pieces))
    parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
    messages: list[Any] = [
        {"type": "http.request", "body": part, "more_body": n < len(parts) - 1} for n, part in enumerate(parts)
    ]
    answers: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        answers.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "scheme": "http", "headers": headers,
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "msingi_request_id": "same",
    }  # fmt: skip
    await to(scope, receive, send)
    content = b"".join(message.get("body", b"") for message in answers[1:])
    told = {n.lower(): v for n, v in answers[0]["headers"]}
    kept = (b"content-type", b"content-length", b"cache-control", b"retry-after", b"x-request-id", b"set-cookie")
    return answers[0]["status"], {name: told.get(name) for name in kept}, content


def headers_of(body: bytes, *more: tuple[bytes, bytes], kind: bytes = b"application/json") -> list[tuple[bytes, bytes]]:
    return [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *more]


KEYS = {
    "none": [],
    "one": [(b"idempotency-key", b"k1")],
    "two": [(b"idempotency-key", b"k1"), (b"idempotency-key", b"k2")],
    "empty": [(b"idempotency-key", b"")],
    "long": [(b"idempotency-key", b"k" * 65)],
    "not ascii": [(b"idempotency-key", "chai\u00e9".encode())],
}
BODIES = {
    "good": GOOD,
    "refused": b'{"n": 1, "inner": {"kind": "a"}}',
    "outage": b'{"n": 2, "inner": {"kind": "a"}}',
    "bug": b'{"n": 3, "inner": {"kind": "a"}}',
    "as text": b'{"n": "7", "inner": {"kind": "a"}}',
    "whole fraction": b'{"n": 7.0, "inner": {"kind": "a"}}',
    "half": b'{"n": 7.5, "inner": {"kind": "a"}}',
    "huge": b'{"n": 1' + b"0" * 40 + b', "inner": {"kind": "a"}}',
    "negative": b'{"n": -1, "inner": {"kind": "a"}}',
    "missing": b'{"n": 7}',
    "unknown": b'{"n": 7, "inner": {"kind": "a"}, "more": 1}',
    "twice": b'{"n": 7, "n": 8, "inner": {"kind": "a"}}',
    "null": b'{"n": null, "inner": {"kind": "a"}}',
    "cut": GOOD[:-1],
    "more behind": GOOD + b"{}",
    "nothing": b"",
    "no object": b"[]",
    "not UTF-8": b'{"n": 7, "inner": {"kind": "a"}, "words": "\xff"}',
    "deep": b"[" * 3_000,
    "long": b'{"n": 7, "inner": {"kind": "a"}, "words": "' + b"x" * 20_000 + b'"}',
    "too long": b" " * 70_000,
}


@pytest.mark.parametrize("what", list(BODIES))
async def test_a_hot_door_answers_every_body_as_the_framework_does(what):
    for path in ("/keyed", "/bare"):
        headers = headers_of(BODIES[what], *KEYS["one"])
        for pieces in (1, 3):
            hot_way = await sent(before, path, BODIES[what], headers, pieces)
            assert hot_way == await sent(app, path, BODIES[what], headers, pieces), path


@pytest.mark.parametrize("which", list(KEYS))
async def test_a_hot_door_takes_a_key_as_the_framework_does(which):
    headers = headers_of(GOOD, *KEYS[which])
    assert await sent(before, "/keyed", GOOD, headers) == await sent(app, "/keyed", GOOD, headers)


@pytest.mark.parametrize("kind", [b"application/json", b"application/json; charset=utf-8", b"text/plain", b""])
async def test_a_hot_door_takes_a_media_type_as_the_framework_does(kind):
    headers = headers_of(GOOD, *KEYS["one"], kind=kind)
    assert await sent(before, "/keyed", GOOD, headers) == await sent(app, "/keyed", GOOD, headers)


@pytest.mark.parametrize("said", ["odd", "cookie", "created", "text", '"jwt"', '"plain"', '"' + "x" * 20_000 + '"'])
async def test_a_raw_hot_door_answers_as_the_framework_does(said):
    both = [hot.Hot("/raw", raw.fn, endings={Odd: oddly}, method=method) for method in ("POST", "GET")]
    for door, body in ((both[0], said.encode()), (both[1], b""), (both[1], said.encode())):
        headers = headers_of(body, kind=b"text/anything") if body else []
        with_it = hot.of(app, [door])
        for pieces in (1, 3):
            hot_way = await sent(with_it, "/raw", body, headers, pieces, door.method)
            assert hot_way == await sent(app, "/raw", body, headers, pieces, door.method)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["n", "inner", "words", "more"]),
        st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6), st.just({"kind": "a"})),
    )
)
async def test_a_hot_door_and_the_framework_agree_about_any_object(content):
    body = msgspec.json.encode(content)
    headers = headers_of(body, *KEYS["one"])
    assert await sent(before, "/keyed", body, headers) == await sent(app, "/keyed", body, headers)


async def test_what_is_plain_does_take_the_short_way(monkeypatch):
    async def never(*_: Any) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(Litestar, "__call__", never)
    opened.clear()
    status, _, content = await sent(before, "/keyed", GOOD, headers_of(GOOD, *KEYS["one"]))
    assert (status, content) == (201, b'{"n":7,"key":"k1","words":""}') and opened == ["/keyed"]
    with pytest.raises(AssertionError, match="long way"):
        await sent(before, "/keyed", GOOD, headers_of(GOOD))


@pytest.mark.parametrize("path", ["/many/a", "/many/*", "/many/", "/many", "/many/a/b", "/many/a/", "/*", "/many/%2F"])
@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_door_to_every_step_below_a_path_is_open_where_the_frameworks_is(path, method):
    below = hot.of(app, [hot.Hot("/many/*", many.fn, method="PUT", template="/many/{one:str}")])
    hot_way = await sent(below, path, b"[1]", headers_of(b"[1]"), method=method)
    assert hot_way == await sent(app, path, b"[1]", headers_of(b"[1]"), method=method)


async def test_a_door_to_every_step_below_a_path_does_take_the_short_way(monkeypatch):
    async def never(*_: Any) -> None:
        raise AssertionError("the long way")

    monkeypatch.setattr(Litestar, "__call__", never)
    below = hot.of(app, [hot.Hot("/many/*", many.fn, method="PUT", template="/many/{one:str}")])
    opened.clear()
    assert (await sent(below, "/many/a", b"[1]", headers_of(b"[1]"), method="PUT"))[::2] == (202, b"[1]")
    assert opened == ["/many/{one:str}"]
