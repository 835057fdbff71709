"""The X-Road Message Protocol for REST as pure functions: targets, headers, hashes, errors, metadata."""

import base64
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote
from uuid import UUID
from xml.sax.saxutils import escape

import msgspec
from msgspec import Struct

from msingi.exchange import rules
from msingi.exchange.errors import BadCall, ExchangeRefusal
from msingi.exchange.model import Call, Caller, Inflow, Offer, Right, ServiceCode, SubsystemId
from msingi.exchange.signature import Message, Verified
from msingi.kernel.context import BASES, PURPOSES
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.web import Ending

META = frozenset(["listMethods", "allowedMethods", "getOpenAPI"])
# Hop-by-hop fields and those that X-Road leaves out of what it hashes.
_UNHASHED = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade "
    b"host user-agent server".split()
)
_MOST_PATH = 2_000
_CANONICAL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What is not passed on to a service: what belongs to the connection (X-Road REST 4.3), what is the exchange's own to
# say, and names that only proxies between us and the service set.
_NOT_PASSED = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade host user-agent "
    "server expect content-length accept-encoding signature signature-input client-cert msingi-purpose msingi-basis "
    "msingi-fields msingi-consent msingi-record forwarded x-forwarded-for x-forwarded-proto x-forwarded-host x-real-ip "
    "x-road-service x-road-client".split()
)


class Target(Struct, frozen=True):
    """What a request line names: instance, owner and service (or metaservice), and the path after them, with its
    slash."""

    instance: str
    owner: SubsystemId
    service: str
    rest: str


def target(raw_path: str, instance: str) -> Target:
    """The target of `/r1/{instance}/{class}/{code}/{subsystem}/{service}[/...]`; `raw_path` is percent-encoded.

    Every segment was encoded by itself (X-Road REST 4.1). Raises BadCall naming the part that is wrong.
    """
    parts = raw_path.split("/", 7)
    if len(raw_path) > _MOST_PATH or len(parts) < 7 or parts[1] != "r1":
        raise BadCall("the path is /r1/instance/class/member/subsystem/service", field="path")
    rest = "/" + parts[7] if len(parts) > 7 else ""
    return Target(instance, *_aim(*parts[2:7], instance), rest)


@lru_cache(maxsize=4096)
def _aim(
    here: str, member_class: str, member: str, subsystem: str, name: str, instance: str
) -> tuple[SubsystemId, str]:
    """Owner and service of the five segments of a path. Raises BadCall."""
    if unquote(here) != instance:
        raise BadCall("this exchange serves another X-Road instance", field="instance")
    owner = "/".join(unquote(part) for part in (member_class, member, subsystem))
    rules.member_parts(owner, 3, "service owner")
    service = unquote(name)
    if service not in META and not rules.IDENTIFIER.fullmatch(service):
        raise BadCall("this is not a service code", field="service")
    return SubsystemId(owner), service


def client_of(fields: dict[str, str], instance: str) -> SubsystemId:
    """The subsystem that `X-Road-Client` names; the last one counts (X-Road REST 4.3). Raises BadCall."""
    return _client(fields.get("x-road-client", ""), instance)


@lru_cache(maxsize=4096)
def _client(named: str, instance: str) -> SubsystemId:
    text = named.rpartition(",")[2].strip()
    first, _, rest = unquote(text).partition("/")
    if first != instance:
        raise BadCall("X-Road-Client is instance/class/member/subsystem", field="X-Road-Client")
    rules.member_parts(rest, 3, "X-Road-Client")
    return SubsystemId(rest)


def call_of(
    aim: Target, message: Message, body: bytes, caller: Caller, proof: Verified, about_person: bool,
    inflow: Inflow | None = None,
) -> Call:  # fmt: skip
    """The call that a verified message makes. Raises BadCall naming the header that is wrong."""
    fields = message.fields
    get = fields.get
    purpose, basis = get("msingi-purpose", ""), get("msingi-basis", "")
    if purpose not in PURPOSES:
        raise BadCall(f"one of: {', '.join(sorted(PURPOSES))}", field="Msingi-Purpose")
    if basis and basis not in BASES:
        raise BadCall(f"one of: {', '.join(sorted(BASES))}", field="Msingi-Basis")
    person, rest = "", aim.rest or "/"
    if about_person:
        person, _, tail = aim.rest[1:].partition("/")
        if "%" in person:
            person = unquote(person)
        rest = "/" + tail
    return Call(
        message_id(fields), caller.subsystem, caller.kid, proof.created, aim.owner, ServiceCode(aim.service),
        message.method, rest, message.query, person, purpose, basis,
        _asked(fields["msingi-fields"]) if "msingi-fields" in fields else (), body, get("content-type", ""),
        get("x-road-issue", "")[:200], _passed(fields, f"{aim.instance}/{aim.owner}/{aim.service}"), inflow,
        caller.tls_kid,
    )  # fmt: skip


@lru_cache(maxsize=1024)
def _asked(text: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(text.replace(",", " ").split()))
    if any(not rules.ASKED.fullmatch(name) for name in named) or len(named) > 100:
        raise BadCall("field names, separated by blanks", field="Msingi-Fields")
    return named


def _passed(fields: dict[str, str], service: str) -> str:
    """The header lines that reach the service: the client's, apart from those of connections, and who asks what."""
    client = fields["x-road-client"]
    if "," in client:  # the last one counts, and was verified
        client = client.rpartition(",")[2].strip()
    named = _named(fields["connection"]) if "connection" in fields else ()  # RFC 9110 section 7.6.1
    lines = _passing(tuple(fields), named) % tuple(fields.values())
    return f"{lines}x-road-client: {client}\r\nx-road-service: {service}\r\n"


@lru_cache(maxsize=64)
def _named(connection: str) -> tuple[str, ...]:
    """The fields that a `Connection` field names."""
    return tuple(name.strip().lower() for name in connection.split(","))


@lru_cache(maxsize=512)
def _passing(names: tuple[str, ...], besides: tuple[str, ...]) -> str:
    """The template of the lines of those fields that are passed on; the others leave nothing."""
    kept = [name for name in names if name not in _NOT_PASSED and name not in besides]
    lines = "".join([f"{name.replace('%', '%%')}: %s\r\n" if name in kept else "%.0s" for name in names])
    return lines if "accept" in kept else lines + "accept: application/json\r\n"


def message_id(fields: dict[str, str]) -> str:
    """The `X-Road-Id` in canonical form. Raises BadCall unless it is a UUID."""
    given = fields.get("x-road-id", "")
    if _CANONICAL.fullmatch(given):
        return given
    try:
        return str(UUID(given))
    except ValueError:
        raise BadCall("X-Road-Id is a UUID", field="X-Road-Id") from None


def request_head(method: str, target_line: str, lines: bytes) -> bytes:
    """SHA-512 of the head of a request, of which `X-Road-Request-Hash` is made: the request line and the header
    fields as they reached this exchange (`lines`; X-Road REST 4.4)."""
    return hashlib.sha512(f"{method} {target_line} HTTP/1.1\r\n".encode() + lines).digest()


def hashed_lines(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The header lines that are hashed: without hop-by-hop fields, Host, User-Agent and Server."""
    return b"".join([start + value + b"\r\n" for name, value in headers if (start := hashed_start(name))])


@lru_cache(maxsize=4096)
def hashed_start(name: bytes) -> bytes:
    """How the line of a header field begins in what is hashed; empty for those that are not."""
    return b"" if name.lower() in _UNHASHED else name + b": "


def hash_of(head: bytes, body_digest: bytes | None) -> str:
    """`X-Road-Request-Hash` of a head and the SHA-512 of the body, if there is one."""
    return base64.b64encode(head if body_digest is None else hashlib.sha512(head + body_digest).digest()).decode()


def request_hash(method: str, target_line: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> str:
    """`X-Road-Request-Hash`: base64(SHA-512(SHA-512(head) || SHA-512(body))), without body base64(SHA-512(head))."""
    head = request_head(method, target_line, hashed_lines(headers))
    return hash_of(head, hashlib.sha512(body).digest() if body else None)


def error(ending: Ending, detail: str) -> tuple[int, str, bytes]:
    """Status, `X-Road-Error` type and body {type, message, detail} of a refusal (X-Road REST 4.6).

    `detail` is a UUID, the request id under which the exchange wrote down what happened.
    """
    if isinstance(ending, Outage):
        status, kind, message = 503, "Server.ServerProxy.ServiceFailed.Unavailable", "try again later"
    else:
        status = ending.status
        kind = ending.xroad if isinstance(ending, ExchangeRefusal) else _kind(ending)
        message = ". ".join(
            dict.fromkeys(part.rstrip(".") for part in (ending.title, ending.detail, ending.remedy) if part)
        )
    return status, kind, msgspec.json.encode({"type": kind, "message": message, "detail": detail})


def _kind(refusal: Refusal) -> str:
    if refusal.status in (401, 403, 404):
        return "Server.ServerProxy.AccessDenied"
    return "Client.BadRequest" if refusal.status < 500 else "Server.ServerProxy.InternalError"


def dialect(ending: Ending, request_id: str) -> tuple[Any, str]:
    """A refusal at an X-Road door outside the gateway, as {type, message, detail}."""
    return error(ending, request_id)[2], "application/json"


def _id(instance: str, subsystem: str, kind: str) -> dict[str, str]:
    member_class, member_code, code = subsystem.split("/")
    named = {"member_class": member_class, "member_code": member_code, "object_type": kind, "xroad_instance": instance}
    return named | {"subsystem_code": code}


def methods(instance: str, offers: Iterable[Offer], rights: Iterable[Right] | None = None) -> dict[str, Any]:
    """`listMethods` of `offers`, or `allowedMethods` when `rights` are given (X-Road service metadata for REST)."""
    allowed: dict[str, set[str]] = {}
    for right in rights or ():
        allowed.setdefault(right.service, set()).update(right.endpoints)
    found = []
    for offer in offers:
        endpoints = sorted(allowed.get(offer.service, ())) if rights is not None else ["* /**"]
        if endpoints:
            split = [endpoint.partition(" ") for endpoint in endpoints]
            found.append(
                _id(instance, offer.owner, "SERVICE")
                | {
                    "service_code": offer.openapi.get("x-xroad-service-code") or offer.service,
                    "service_type": "OPENAPI",
                    "endpoint_list": [{"method": method, "path": path} for method, _, path in split],
                }
            )
    return {"service": found}


def client_list(instance: str, rows: Iterable[tuple[str, str, dict[str, str], str, str]]) -> list[dict[str, Any]]:
    """The members and subsystems of `listClients` (X-Road service metadata for REST); names in English if known."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    for member_class, code, name, subsystem, subsystem_name in rows:
        text = name.get("en") or next(iter(name.values()), code)
        member = {"member_class": member_class, "member_code": code, "xroad_instance": instance}
        if code not in seen:
            seen.add(code)
            found.append({"id": member | {"object_type": "MEMBER"}, "name": text})
        if subsystem:
            found.append({"id": _id(instance, subsystem, "SUBSYSTEM"), "name": text, "subsystem_name": subsystem_name})
    return found


def client_list_xml(clients: Iterable[dict[str, Any]]) -> str:
    """The same as XML (X-Road service metadata protocol, clientList)."""
    tags = (("xroad_instance", "xRoadInstance"), ("member_class", "memberClass"), ("member_code", "memberCode"),
            ("subsystem_code", "subsystemCode"))  # fmt: skip
    members = "".join(
        f'<xrd:member><xrd:id id:objectType="{client["id"]["object_type"]}">'
        + "".join(f"<id:{tag}>{escape(client['id'][key])}</id:{tag}>" for key, tag in tags if key in client["id"])
        + f"</xrd:id><xrd:name>{escape(client['name'])}</xrd:name></xrd:member>"
        for client in clients
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><xrd:clientList xmlns:xrd="http://x-road.eu/xsd/xroad.xsd" '
        f'xmlns:id="http://x-road.eu/xsd/identifiers">{members}</xrd:clientList>'
    )
