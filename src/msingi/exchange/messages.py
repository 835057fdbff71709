"""One message, whatever brought it: verify, decide, ask, sign. The doors (`gateway`, `server`) only move bytes.

A body of up to HELD_BYTES is read and checked before anything is decided. A larger one is decided upon when its head
is verified, and passed on while it arrives, in constant memory: its last piece is held back until the digest that
the client signed is known to be right, so that a service never receives a whole request that was tampered with.
An answer is signed in its head; a streamed one whose digest nobody told beforehand is signed in its trailers.
"""

import base64
import hashlib
import logging
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec

from msingi.exchange import acts, certificates, rules, signature, wire
from msingi.exchange.errors import BadCall, ExchangeRefusal, SignatureRefused
from msingi.exchange.governance import public_key
from msingi.exchange.model import Caller
from msingi.exchange.signature import UNKNOWN, Link, Message
from msingi.kernel import clock, ids
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.exchange")
HELD_BYTES = 64 * 1024
KEYS_MOST = 10_000


class Source(Protocol):
    """The body of a request as a door brings it."""

    size: int | None  # declared length; None where it comes in chunks

    async def next(self) -> bytes:
        """The next piece; empty at the end. Raises a Refusal when it is too large or too slow."""
        ...


class Arriving:
    """A body that is passed on while it arrives: hashes it, and holds its last piece back until it is known good."""

    def __init__(self, source: Source, message: Message, held: list[bytes]) -> None:
        self.source, self.size, self.held = source, source.size, held
        self.sha512 = hashlib.sha512()
        self.wanted = signature.digests_of(message.fields["content-digest"])
        self.hashes = [hashlib.new(one[1]) for one in self.wanted if one]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        last = b""
        while chunk := self.held.pop(0) if self.held else await self.source.next():
            self.sha512.update(chunk)
            for one in self.hashes:
                one.update(chunk)
            if last:
                yield last
            last = chunk
        right = [base64.b64encode(one.digest()).decode() for one in self.hashes]
        if [one and one[2] for one in self.wanted] != right:
            raise SignatureRefused("RFC 9530 2: the body does not have this Content-Digest", step=8)
        if last:
            yield last


class Reply(msgspec.Struct):
    """What goes back: status, body or stream, and the fields to be signed; `close` when the request was not read."""

    status: int
    body: bytes
    fields: dict[str, str]
    stream: AsyncIterator[bytes] | None = None
    digest: str = ""
    close: bool = False


class Exchange(msgspec.Struct):
    """One request on its way through, with what is known of its body."""

    message: Message
    lines: bytes  # the header lines that X-Road hashes
    source: Source
    request_id: str = ""
    body_sha512: bytes | None = None
    arriving: Arriving | None = None
    read: bool = False


@lru_cache(maxsize=8)
def _authority(url: str) -> str:
    return urlsplit(url).netloc.lower().removesuffix(":443").removesuffix(":80")


@lru_cache(maxsize=8)
def trusted_proxies(listed: str) -> frozenset[str]:
    """The addresses of proxies that may speak for the certificates of their clients."""
    return frozenset(filter(None, listed.replace(" ", "").split(",")))


def instance_of(stack: Stack) -> str:
    """The X-Road instance of this installation: the country's two letters."""
    return stack.profile.alpha2


def message_from(method: str, raw_path: str, query: str, fields: dict[str, str], link: Link = UNKNOWN) -> Message:
    """The request line and the (combined) header fields of an HTTP request, for verification (RFC 9421 2.1, 2.2)."""
    if "information-mediator-client" in fields:  # GovStack's name of the same field
        fields.setdefault("x-road-client", fields["information-mediator-client"])
    authority = fields.get("host", "").lower().removesuffix(":443").removesuffix(":80")  # TLS may end before us
    return Message(method, authority, raw_path, query, fields, link=link)


async def _holder(stack: Stack, kid: str) -> tuple[Caller, bytes] | None:
    """Whose key `kid` is. Remembered: whether it may still be used is read again by each decision."""
    known = stack.local.setdefault("exchange.keys", {})
    assert isinstance(known, dict)
    if kid not in known:
        found = await acts.caller_of(stack, kid)
        if found is None:
            return None
        if len(known) >= KEYS_MOST:
            known.clear()
        known[kid] = (found[0], public_key(found[1]).public_bytes_raw())
    return known[kid]


def certificate_shown(stack: Stack, message: Message) -> certificates.Shown | None:
    """The certificate of the connection on which a request came; None where there is none, and none is asked for.

    Only the connection itself, or a proxy of this exchange, says which it is. Raises BadCall, SignatureRefused.
    """
    link, told = message.link, message.fields.get("client-cert", "")
    if told and (link.ends_tls or not link.trusted):
        raise BadCall("only a trusted proxy of this exchange says which certificate was shown", field="Client-Cert")
    shown = link.certificate or told
    return certificates.read(shown, clock.now()) if shown or stack.settings.gateway_mtls else None


async def recognise(stack: Stack, message: Message) -> tuple[Caller, signature.Verified]:
    """Whose message this is: signed for this exchange, its signature verified, and its client the key's own (law 4).

    The body is still to be checked. Raises SignatureRefused, BadCall.
    """
    # What was signed for another host, such as a test installation, is not repeated here (RFC 9421 section 7.2.2).
    settings = stack.settings
    here = message.authority
    if not here or (here != _authority(settings.gateway_url) and here != _authority(settings.url)):
        raise SignatureRefused("RFC 9421 2.2.3: @authority is not this exchange's public address", step=4)
    holder = await _holder(stack, signature.keyid_of(message.fields))
    now = clock.now()
    proof = signature.verify_head(message, lambda _: holder[1] if holder else None, int(now.timestamp()))
    assert holder is not None
    if wire.client_of(message.fields, instance_of(stack)) != holder[0].subsystem:
        raise SignatureRefused("this key is not of the subsystem that X-Road-Client names", step=5)
    shown = certificate_shown(stack, message)
    if shown is None:
        return holder[0], proof
    on_tls = await _holder(stack, shown.kid)
    if on_tls is None or on_tls[0].subsystem != holder[0].subsystem or not shown.is_of(on_tls[1]):
        raise SignatureRefused("the certificate of this connection is not of the subsystem that signed", step=5)
    return msgspec.structs.replace(holder[0], tls_kid=shown.kid), proof


async def respond(stack: Stack, asked: Exchange) -> Reply:
    """The answer to a request, with all fields that X-Road expects; never raises."""
    message = asked.message
    asked.request_id = ids.random_id()
    try:
        reply = await _answer(stack, asked)
    except (Refusal, Outage) as ending:
        status, kind, told = wire.error(ending, asked.request_id)
        reply = Reply(status, told, {"content-type": "application/json", "x-road-error": kind})
        if isinstance(ending, Refusal):
            reply.fields["msingi-problem"] = ending.code
            logger.info("refused", extra={"code": ending.code, "request_id": asked.request_id})
    except Exception as bug:
        logger.error("bug", exc_info=bug, extra={"request_id": asked.request_id})
        kind = "Server.ServerProxy.InternalError"
        told = {"type": kind, "message": "The exchange made a mistake", "detail": asked.request_id}
        reply = Reply(500, msgspec.json.encode(told), {"content-type": "application/json", "x-road-error": kind})
    reply.close = not asked.read
    line = f"{message.path}?{message.query}" if message.query else message.path
    digest = asked.arriving.sha512.digest() if asked.arriving else asked.body_sha512
    fields, given = reply.fields, message.fields
    fields["x-road-request-id"] = asked.request_id
    fields["x-road-request-hash"] = wire.hash_of(wire.request_head(message.method, line, asked.lines), digest)
    fields["x-road-id"] = given.get("x-road-id") or ids.random_id()
    fields["cache-control"] = "no-store"
    if "x-road-client" in given:
        fields["x-road-client"] = given["x-road-client"]
    if message.method == "HEAD":
        reply.body, reply.stream = b"", None
    return reply


async def _answer(stack: Stack, asked: Exchange) -> Reply:
    message, instance = asked.message, instance_of(stack)
    aim = wire.target(message.path, instance)
    if aim.service in wire.META:
        return await describe(stack, message, aim)
    named = aim.service
    if not rules.CODE.fullmatch(named):  # X-Road's codes may have capitals; ours name one thing in a country
        aim = msgspec.structs.replace(aim, service=await acts.code_of(stack, aim.owner, named))
    caller, proof = await recognise(stack, message)
    body = await _first(asked)
    about_person = await acts.about_person(stack, aim.service)
    call = wire.call_of(aim, message, body, caller, proof, about_person, asked.arriving)
    released = await acts.ask(stack, caller, call)
    asked.read = True
    fields = {"x-road-service": f"{instance}/{aim.owner}/{named}", **released.fields}
    if released.media_type:
        fields["content-type"] = released.media_type
    if released.record_id is not None:
        fields["msingi-record"] = str(released.record_id)
    return Reply(released.status, released.body, fields, released.stream, released.digest)


async def _first(asked: Exchange) -> bytes:
    """The whole body, checked, if it is small; otherwise it is left to arrive. Raises SignatureRefused."""
    source, message = asked.source, asked.message
    held: list[bytes] = []
    size = 0
    while size <= HELD_BYTES:
        chunk = await source.next()
        if not chunk:
            body = b"".join(held)
            signature.check_digest(message, body)
            asked.read = True
            asked.body_sha512 = hashlib.sha512(body).digest() if body else None
            return body
        held.append(chunk)
        size += len(chunk)
    asked.arriving = Arriving(source, message, held)
    return b""


async def describe(stack: Stack, message: Message, aim: wire.Target) -> Reply:
    """The metaservices: public, because they say nothing about people (X-Road service metadata for REST)."""
    if message.method != "GET":
        raise BadCall("metaservices are read with GET", field="method")
    instance = instance_of(stack)
    fields = {"content-type": "application/json", "x-road-service": f"{instance}/{aim.owner}/{aim.service}"}
    if aim.service == "getOpenAPI":
        wanted = dict(parse_qsl(message.query)).get("serviceCode", "")
        offer = await acts.offer_of(stack, aim.owner, wanted)
        return Reply(200, msgspec.json.encode(offer.openapi), fields)
    offers = await acts.catalogue(stack, limit=1_000, owner=aim.owner)
    rights = None
    if aim.service == "allowedMethods":
        rights = await acts.rights_of(stack, wire.client_of(message.fields, instance), aim.owner)
    return Reply(200, msgspec.json.encode(wire.methods(instance, offers, rights)), fields)


def seal(stack: Stack, message: Message, reply: Reply) -> dict[str, str]:
    """All fields of an answer, signed and bound to its request (RFC 9421 section 2.4).

    A stream whose digest is not known yet is left unsigned: `trailers` signs it at its end.
    """
    fields, told = reply.fields, "".join(reply.fields.values())
    if not (told.isascii() and told.isprintable()):
        fields = {name: value for name, value in fields.items() if value.isascii() and value.isprintable()}
    if reply.stream is not None and not reply.digest:
        return fields | {"trailer": "content-digest, signature-input, signature"}
    fields["content-digest"] = reply.digest or signature.content_digest(reply.body)
    fields.update(_signed(stack, Message(status=reply.status, fields=fields, request=message)))
    return fields


def trailers(stack: Stack, message: Message, reply: Reply, fields: dict[str, str], sha256: bytes) -> dict[str, str]:
    """The trailers of a streamed answer: the digest of all that was sent, and the signature (RFC 9421 2.1, `tr`)."""
    last = {"content-digest": f"sha-256=:{base64.b64encode(sha256).decode()}:"}
    return last | _signed(stack, Message(status=reply.status, fields=fields, request=message, trailers=last))


def _signed(stack: Stack, answer: Message) -> dict[str, str]:
    signer = stack.keys.signer("exchange")
    try:
        return signature.sign(answer, signer.sign, signer.kid, int(clock.now().timestamp()))
    except ExchangeRefusal:  # the request itself cannot be named in ASCII: nothing to bind the answer to
        logger.info("answer left unsigned", extra={"request_id": answer.fields.get("x-road-request-id", "")})
        return {}


def message_uuid(message: Message) -> UUID:
    """The `X-Road-Id` of a message. Raises BadCall."""
    return UUID(wire.message_id(message.fields))


def same_digest(told: str, sha256: bytes) -> bool:
    """Whether the SHA-256 that a service told beforehand is that of what it sent."""
    found = [one for one in signature.digests_of(told) if one and one[1] == "sha256"]
    return bool(found) and all(one[2] == base64.b64encode(sha256).decode() for one in found)
