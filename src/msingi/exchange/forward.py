"""Asking an institution's own HTTP server, and letting out of its answer what was granted. Part of the acts."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from msingi.exchange import mutual, rules
from msingi.exchange.decisions import Yes
from msingi.exchange.errors import AnswerFailed
from msingi.exchange.model import Call, Released
from msingi.exchange.upstream import Line, Pool
from msingi.kernel import clock
from msingi.kernel.stack import Stack

MOST_FILTERED_BYTES = 8 * 1024 * 1024  # an answer whose fields are filtered is held in memory
MOST_HELD_BYTES = 1024 * 1024  # a document up to this size is signed in its head, a larger one is streamed
MOST_PROBLEM_BYTES = 64 * 1024
KEPT = frozenset(["content-language", "etag", "last-modified", "retry-after"])  # header fields that hold no facts
PROBLEM = ("type", "title", "status", "detail", "code", "remedy")  # RFC 9457 section 3.1, and our own


@lru_cache(maxsize=1024)
def _split(url: str) -> tuple[str, str, str]:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}", parts.netloc, parts.path.rstrip("/")


@lru_cache(maxsize=256)
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _pool(stack: Stack, origin: str) -> Pool:
    pools = stack.local.setdefault("exchange.pools", {})
    assert isinstance(pools, dict)
    pool = pools.get(origin)
    if pool is None:
        pool = pools[origin] = Pool(origin, tls=lambda: mutual.outward(stack))
    return pool


def head_of(stack: Stack, call: Call, yes: Yes, size: int | None) -> tuple[str, bytes]:
    """The origin to ask, and the head of the request to it.

    The service learns the person's name at its own institution, never the asker's; who asks, for what, on which
    right; and every header field of the client's that X-Road passes on. `size` is the body's length, None: chunked.
    """
    offer = yes.granted.offer
    origin, host, path = _split(offer.url)
    if offer.about_person and yes.person_id is not None:
        path += "/" + stack.pseudonym.of(offer.owner.split("/")[1], yes.person_id)
    path += call.path if call.path != "/" else ""
    line = (path or "/") + ("?" + call.query if call.query else "")
    consent = f"msingi-consent: {yes.ctx.consent}\r\n" if yes.ctx.consent else ""
    length = ""
    if size is None:
        length = "transfer-encoding: chunked\r\n"
    elif size or call.method in ("POST", "PUT", "PATCH"):
        length = f"content-length: {size}\r\n"
    return origin, (
        f"{call.method} {line} HTTP/1.1\r\nhost: {host}\r\naccept-encoding: identity\r\n{call.passed}"
        f"msingi-purpose: {call.purpose}\r\nmsingi-basis: {yes.ctx.basis}\r\nmsingi-record: {yes.record_id}\r\n"
        f"msingi-fields: {' '.join(yes.granted.sources)}\r\n{consent}{length}\r\n"
    ).encode("latin-1")


async def released(stack: Stack, call: Call, yes: Yes) -> Released:
    """Ask the service, and let out what was granted of its answer (law 2).

    An error of the service is told by its status and, where it is a problem document, by that document's members.
    Raises AnswerFailed, AnswerUnreachable.
    """
    inflow = call.inflow
    size = len(call.body) if inflow is None else inflow.size
    origin, head = head_of(stack, call, yes, size)
    line = await _pool(stack, origin).ask(call.method, head, b"" if inflow is not None else call.body, inflow)
    given = line.given()
    media_type = _media_type(given.get("content-type", ""))
    fields = {name: given[name] for name in told} if (told := KEPT.intersection(given)) else {}
    if line.status >= 400:
        return Released(line.status, await _problem(line, media_type), "application/problem+json", yes.record_id,
                        yes.ctx.consent, fields)  # fmt: skip
    if line.status >= 300:
        line.release()
        raise AnswerFailed("the service answered with a redirect, which the exchange does not follow")
    if yes.granted.offer.document:
        return await _document(line, yes, given, fields)
    body = await _read(line, MOST_FILTERED_BYTES)
    if line.status == 204 or call.method == "HEAD" or not body:
        return Released(line.status, b"", "", yes.record_id, yes.ctx.consent, fields)
    if (media_type != "application/json" and not media_type.endswith("+json")) or "content-encoding" in given:
        raise AnswerFailed("the service's answer is not plain JSON, so its fields cannot be told apart")
    try:
        values: Any = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise AnswerFailed("the service's answer is not well-formed JSON") from None
    kept = msgspec.json.encode(rules.answered(values, yes.granted, clock.today()))
    return Released(line.status, kept, "application/json", yes.record_id, yes.ctx.consent, fields)


async def _read(line: Line, most: int) -> bytes:
    """The whole body. Raises AnswerFailed if it is larger than `most`."""
    if line.complete and len(line.chunks) == 1:  # it came with its head
        body = line.chunks.popleft()
        line.release()
        return body
    held, size = [], 0
    async with aclosing(line.body()) as chunks:
        async for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise AnswerFailed("the service's answer is too large")
            held.append(chunk)
    return b"".join(held)


async def _problem(line: Line, media_type: str) -> bytes:
    """What is told of a service's error: of a problem document its standard members, of anything else the status."""
    told: dict[str, Any] = {"type": "about:blank", "title": "The service refused", "status": line.status}
    try:
        body = await _read(line, MOST_PROBLEM_BYTES)
        said = msgspec.json.decode(body) if media_type == "application/problem+json" else None
    except (AnswerFailed, msgspec.DecodeError):
        said = None
    if isinstance(said, dict):
        told |= {name: said[name] for name in PROBLEM if isinstance(said.get(name), str | int)}
    return msgspec.json.encode(told)


async def _document(line: Line, yes: Yes, given: dict[str, str], fields: dict[str, str]) -> Released:
    """A document: held and signed in the head while it is small, streamed otherwise."""
    if "content-encoding" in given:
        fields = fields | {"content-encoding": given["content-encoding"]}
    media_type = given.get("content-type", yes.granted.offer.media_type)
    held: list[bytes] = []
    size = 0
    chunks = line.body()
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size > MOST_HELD_BYTES:
            break
    else:
        return Released(line.status, b"".join(held), media_type, yes.record_id, yes.ctx.consent, fields)

    async def rest() -> AsyncIterator[bytes]:
        async with aclosing(chunks):
            while held:
                yield held.pop(0)
            async for chunk in chunks:
                yield chunk

    return Released(line.status, b"", media_type, yes.record_id, yes.ctx.consent, fields, rest(), _told(given))


def _told(given: dict[str, str]) -> str:
    """The digest that the service told of its answer beforehand, if it is one that we compute (SHA-256)."""
    digest = given.get("content-digest", "")
    return digest if digest.startswith("sha-256=:") and "," not in digest else ""
