"""Outside shapes: base64url without a second spelling, JSON that decodes in one way, compact JWTs, and the answers
of the doors that wallets use."""

import base64
import re
from typing import Any
from urllib.parse import urlsplit

import msgspec

from msingi.credentials.presentation.errors import Unreadable
from msingi.kernel.errors import Outage, Refusal

_LETTERS = re.compile(r"[A-Za-z0-9_-]*")
MOST_RESPONSE_BYTES = 512 * 1024


def to_base64url(raw: bytes) -> str:
    """`raw` in base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """What `text` says in base64url. Raises ValueError for padding, other letters, or bits that mean nothing.

    Being strict leaves one spelling for one content, so that a changed letter always changes the content.
    """
    if not _LETTERS.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError("not base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if to_base64url(raw) != text:
        raise ValueError("bits that mean nothing")
    return raw


def json_of(raw: bytes, what: str) -> Any:
    """The JSON in `raw`. Raises Unreadable for anything else."""
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Unreadable(f"{what} is not JSON.", rule="json") from None


def object_of(text: str, what: str) -> dict[str, Any]:
    """The JSON object in base64url `text`. Raises Unreadable."""
    try:
        raw = from_base64url(text)
    except ValueError:
        raise Unreadable(f"{what} is not base64url.", rule="base64url") from None
    value = json_of(raw, what)
    if not isinstance(value, dict):
        raise Unreadable(f"{what} is not a JSON object.", rule="json")
    return value


def with_query(address: str, **more: str) -> str:
    """`address` with more in its query."""
    joint = "&" if urlsplit(address).query else "?"
    return address + joint + "&".join(f"{name}={value}" for name, value in more.items())


class Jwt(msgspec.Struct, frozen=True):
    """A compact JWS, read but not yet verified: header, claims, what was signed, and the signature."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def jwt_of(text: str, typ: str, what: str) -> Jwt:
    """The parts of a compact JWS (RFC 7515, 7.1) with this `typ` and no critical headers. Raises Unreadable."""
    parts = text.split(".")
    if len(parts) != 3:
        raise Unreadable(f"{what} is not a compact JWS.", rule="jws-compact", clause="RFC 7515 7.1")
    header = object_of(parts[0], what)
    if header.get("typ") != typ:
        raise Unreadable(f"{what} has another type.", rule="typ", expected=typ)
    if "crit" in header:
        raise Unreadable(f"{what} has critical headers.", rule="crit", clause="RFC 7515 4.1.11")
    claims = object_of(parts[1], what)
    try:
        signature = from_base64url(parts[2])
    except ValueError:
        raise Unreadable(f"{what} has no readable signature.", rule="base64url") from None
    return Jwt(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def oauth_dialect(ending: Refusal | Outage, rid: str) -> tuple[Any, str]:
    """Refusals at the wallet's doors as OAuth errors (RFC 6749, 5.2), with our code beside them."""
    if isinstance(ending, Outage):
        return {"error": "temporarily_unavailable", "error_description": "Try again."}, "application/json"
    rule = str(ending.facts.get("rule", ""))
    told = {
        "error": getattr(ending, "oauth", "invalid_request"),
        "error_description": f"{ending.title}{': ' + rule if rule else ''}",
        "code": ending.code,
        "request_id": rid,
    }
    if ending.facts.get("clause"):
        told["clause"] = str(ending.facts["clause"])
    return told, "application/json"
