"""The edge: who calls, and how refusals are told. Doors decode and validate; acts decide."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import Scope

from msingi.kernel import context as contexts
from msingi.kernel.context import ANYBODY, Actor, Context
from msingi.kernel.errors import Malformed, NotSignedIn, Outage, Refusal, TooLarge
from msingi.kernel.ids import token
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.web")
Authenticator = Callable[[Stack, Request[Any, Any, Any]], Awaitable[Actor | None]]
Ending = Refusal | Outage
Dialect = Callable[[Ending, str], tuple[Any, str]]
PROBLEM = "application/problem+json"

Page = Callable[[Request[Any, Any, Any]], Response[bytes]]

_authenticators: list[Authenticator] = []
_dialects: dict[str, Dialect] = {}
_nowhere: list[Page] = []


def register(authenticators: list[Authenticator], dialects: dict[str, Dialect], nowhere: Page | None = None) -> None:
    """Say how callers are recognised, in order, and which path prefixes speak which dialect of refusals.

    `nowhere` makes the page for people who ask for an address that no room has; programs get a problem.
    """
    _nowhere[:] = [nowhere] if nowhere else []
    _authenticators[:] = authenticators
    _dialects.clear()
    _dialects.update(dialects)


def stack(request: Request[Any, Any, Any]) -> Stack:
    """The running stack."""
    return request.app.state.stack


def request_id(request: Request[Any, Any, Any] | Scope) -> str:
    """This request's id, made once, told in the `X-Request-Id` answer header and in every log line."""
    scope = request.scope if isinstance(request, Request) else request
    known = scope.get("msingi_request_id")
    if not isinstance(known, str):
        known = token(9)
        scope["msingi_request_id"] = known  # type: ignore[typeddict-unknown-key]
    return known


def has_header(request: Request[Any, Any, Any], name: bytes) -> bool:
    """Whether a request has a header of this (lower-case) name; cheaper than the framework's map of all of them."""
    return name in dict(request.scope["headers"])


async def actor(request: Request[Any, Any, Any]) -> Actor:
    """Who calls; ANYBODY where the request carries no credentials. Raises NotSignedIn for invalid ones."""
    running = stack(request)
    for authenticate in _authenticators:
        found = await authenticate(running, request)
        if found is not None:
            return found
    return ANYBODY


async def context(
    request: Request[Any, Any, Any],
    purpose: str,
    basis: str,
    *,
    channel: str = "web",
    signed_in: bool = False,
) -> Context:
    """The context of an act asked for by this request. With `signed_in`, raises NotSignedIn for anybody."""
    who = await actor(request)
    if signed_in and who is ANYBODY:
        raise NotSignedIn()
    return contexts.context(who, purpose, basis, request_id=request_id(request), channel=channel)


def problem(ending: Ending, rid: str) -> tuple[Any, str]:
    """The default dialect: problem details (RFC 9457)."""
    if isinstance(ending, Refusal):
        return ending.problem(rid), PROBLEM
    body = {"type": "/problems/outage", "title": "Temporarily unavailable", "status": 503, "code": "outage"}
    return body | {"remedy": "Repeat the request after the time in Retry-After."}, PROBLEM


def dialect_for(path: str) -> Dialect:
    """The dialect of the longest registered prefix of `path`."""
    fits = [p for p in _dialects if path == p or path.startswith(p.rstrip("/") + "/")]
    return _dialects[max(fits, key=len)] if fits else problem


def _answer(request: Request[Any, Any, Any], ending: Ending, more: Mapping[str, str] | None = None) -> Response[bytes]:
    rid = request_id(request)
    status = ending.status if isinstance(ending, Refusal) else 503
    body, media_type = dialect_for(request.url.path)(ending, rid)
    headers = {"X-Request-Id": rid, "Cache-Control": "no-store", **(more or {})}
    if isinstance(ending, Outage):
        headers["Retry-After"] = str(ending.retry_after_s)
    elif status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="msingi", DPoP algs="ES256 EdDSA"'
    elif "retry_after_s" in ending.facts:
        headers["Retry-After"] = str(ending.facts["retry_after_s"])
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else msgspec.json.encode(body)
    return Response(raw, status_code=status, media_type=media_type, headers=headers)


def on_refusal(request: Request[Any, Any, Any], ending: Refusal) -> Response[bytes]:
    """An expected no, in the dialect of the door."""
    logger.info("refused", extra={"code": ending.code, "request_id": request_id(request)})
    return _answer(request, ending)


def on_outage(request: Request[Any, Any, Any], ending: Outage) -> Response[bytes]:
    """Try later."""
    logger.warning("outage: %s", ending, extra={"request_id": request_id(request)})
    return _answer(request, ending)


class NoSuchDoor(Refusal):
    """No door of this stack has this path, or it does not open by this method.

    The API reference at /docs lists every door.
    """

    code = "no-such-door"
    status = 404
    title = "There is no such door"
    remedy = "Check the path and the method against the API reference at /docs."


class WrongMethod(NoSuchDoor):
    """The path exists, but not for this HTTP method."""

    code = "wrong-method"
    status = 405
    title = "This door does not open by this method"


def on_http(request: Request[Any, Any, Any], raised: HTTPException) -> Response[bytes]:
    """The framework's own noes, told like ours."""
    ending: Refusal
    if isinstance(raised, ValidationException) or raised.status_code == 400:
        first = raised.extra[0] if isinstance(raised.extra, list) and raised.extra else {}
        field = str(first.get("key", "body")) if isinstance(first, dict) else "body"
        rule = str(first.get("message", raised.detail)) if isinstance(first, dict) else raised.detail
        ending = Malformed(f"{field}: {rule}", field=field, rule=rule)
    elif raised.status_code == 413:
        ending = TooLarge()
    elif raised.status_code == 401:
        ending = NotSignedIn()
    elif raised.status_code == 405:
        ending = WrongMethod()
    elif raised.status_code == 404:
        if _nowhere and "text/html" in request.headers.get("accept", ""):
            return _nowhere[0](request)
        ending = NoSuchDoor()
    elif raised.status_code < 500:
        ending = Malformed(raised.detail, field="request", rule=f"http-{raised.status_code}")
    else:
        return on_bug(request, raised)
    known = (raised.headers or {}).get("allow", "") if raised.status_code == 405 else ""
    known += ", HEAD" if "GET" in known else ""
    return _answer(request, ending, {"Allow": known} if known else None)


def on_undecodable(request: Request[Any, Any, Any], _: RecursionError | UnicodeDecodeError) -> Response[bytes]:
    """A body that is no UTF-8, or nested deeper than anything that is meant: this is how decoders say it."""
    return _answer(request, Malformed("The body is not UTF-8, or nested too deeply.", field="body", rule="decodable"))


def on_bug(request: Request[Any, Any, Any], bug: Exception) -> Response[bytes]:
    """A bug: the answer carries the request id and nothing else."""
    rid = request_id(request)
    logger.error("bug", exc_info=bug, extra={"request_id": rid})
    body = {"type": "/problems/bug", "title": "The stack made a mistake", "status": 500, "code": "bug"}
    raw = msgspec.json.encode(body | {"instance": f"urn:msingi:request:{rid}"})
    return Response(raw, status_code=500, media_type=PROBLEM, headers={"X-Request-Id": rid})


EXCEPTION_HANDLERS: dict[Any, Any] = {
    Refusal: on_refusal,
    Outage: on_outage,
    HTTPException: on_http,
    RecursionError: on_undecodable,
    UnicodeDecodeError: on_undecodable,
    Exception: on_bug,
}
