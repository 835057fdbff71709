"""Whom the running stack trusts, and what is known of the status of credentials: read from memory and tables only.

`refresh` is the one place that makes connections, to addresses that the operator's list names, by a job and never
because somebody was checked (law 5).
"""

import logging
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from msingi.credentials import cose, publish, statuslist
from msingi.credentials.errors import NoSuchStatusList
from msingi.credentials.errors import NotGenuine as CardNotGenuine
from msingi.credentials.errors import Unreadable as CardUnreadable
from msingi.credentials.issuance import certificates
from msingi.credentials.presentation import store, trust
from msingi.credentials.presentation.errors import Refused, Revoked, Suspended
from msingi.credentials.presentation.mdoc import read_cbor
from msingi.credentials.presentation.model import Said, StatusPlace
from msingi.credentials.presentation.trust import Anchor, Published, Trusted
from msingi.credentials.presentation.wire import from_base64url, json_of
from msingi.kernel import clock
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.presentation")
ROOM = "credentials"
REMEMBERED_S = 30.0
MOST_FETCHED_BYTES = 20 * 1024 * 1024
WELL_KNOWN = "/.well-known/jwt-vc-issuer"
_KEPT = "presentation.trusted"


class Kept(Struct):
    """What is remembered for some seconds: whom to trust, the operator's list, and status lists that were read."""

    trusted: Trusted
    entries: tuple[trust.Entry, ...]
    until: float
    lists: dict[str, tuple[float, statuslist.StatusToken]]


def forget(stack: Stack) -> None:
    """Read everything anew at the next check; after the operator's list or a key has changed."""
    stack.local.pop(_KEPT, None)


async def kept(stack: Stack) -> Kept:
    """Whom the stack trusts now. Raises ValueError if the operator's list is malformed."""
    known = stack.local.get(_KEPT)
    if isinstance(known, Kept) and known.until > time.monotonic():
        return known
    entries = trust.read_list(Path(stack.settings.home) / trust.FILE)
    anchors = [anchor for entry in entries if (anchor := trust.anchor_of(entry))]
    anchors += [_own_anchor(stack, der) for der in (await certificates.anchors(stack)).roots]
    published = {e.issuer: p for e in entries if e.issuer and (p := await _published(stack, e))}
    made = Kept(Trusted(anchors, published), entries, time.monotonic() + REMEMBERED_S, {})
    stack.local[_KEPT] = made
    return made


def _own_anchor(stack: Stack, der: bytes) -> Anchor:
    from cryptography import x509

    name = stack.profile.say(stack.profile.authority.name, stack.profile.language)
    return Anchor(name, x509.load_der_x509_certificate(der), own=True)


async def _published(stack: Stack, entry: trust.Entry) -> Published | None:
    """An issuer's keys as they were last fetched (SD-JWT VC 3.4); None if they never were, or make no sense."""
    async with stack.db.reading(ROOM) as tx:
        body = await store.fetched(tx, _metadata_uri(entry.issuer))
    if body is None:
        return None
    try:
        told = json_of(body, "The issuer's metadata")
        if told["issuer"] != entry.issuer:
            return None
        keys = {str(jwk["kid"]): trust.key_of_jwk(jwk, Refused) for jwk in told["jwks"]["keys"]}
    except (Refused, KeyError, TypeError):
        return None
    return Published(entry.name, keys, frozenset(entry.kinds))


def _metadata_uri(issuer: str) -> str:
    """The well-known address goes between host and path (SD-JWT VC 3.4)."""
    scheme, _, rest = issuer.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host}{WELL_KNOWN}{slash}{path}".rstrip("/")


async def status(stack: Stack, place: StatusPlace | None) -> Said:
    """What a kept status list says: "valid", or "undetermined" where none is at hand (Token Status List, 8.3).

    Raises Revoked or Suspended if a verified, current list says so (law 5).
    """
    if place is None:
        return "valid"
    try:
        token = await _list(stack, place.uri)
        now = clock.now().timestamp()
        out_of_date = (token.expires is not None and now >= token.expires) or now + 300 < token.issued_at
        if token.uri != place.uri or out_of_date:
            return "undetermined"
        value = token.entries.status(place.index)
    except (LookupError, CardUnreadable, CardNotGenuine, Refused, NoSuchStatusList):
        return "undetermined"
    if value == statuslist.Status.VALID:
        return "valid"
    if value == statuslist.Status.SUSPENDED:
        raise Suspended(rule="status", clause="Token Status List 7.1")
    raise Revoked(rule="status", clause="Token Status List 7.1")


async def _list(stack: Stack, uri: str) -> statuslist.StatusToken:
    """A status list, verified; our own from the tables, another from what was fetched. Raises LookupError."""
    known = await kept(stack)
    own = f"{stack.settings.url}/credentials/status/"
    if uri.startswith(own):
        number = uri.removeprefix(own)
        if not number.isdigit() or len(number) > 9:
            raise LookupError(uri)
        published = await publish.status_list(stack, int(number))
        mark = f"{uri}#{published.etag}"
        if mark not in known.lists:
            keys = cose.keys_of_jwks([*stack.keys.public("credentials"), *stack.keys.public("issuer")])
            known.lists = {m: t for m, t in known.lists.items() if not m.startswith(uri + "#")}
            known.lists[mark] = (0.0, statuslist.read(published.jwt, keys))
        return known.lists[mark][1]
    remembered = known.lists.get(uri)
    if remembered is None:
        async with stack.db.reading(ROOM) as tx:
            body = await store.fetched(tx, uri)
        if body is None:
            raise LookupError(uri)
        remembered = known.lists[uri] = (0.0, read_list(body, known.trusted, int(clock.now().timestamp())))
    return remembered[1]


def read_list(body: bytes, trusted: Trusted, now: int) -> statuslist.StatusToken:
    """A Status List Token of an issuer that is trusted, in either form, by its certificate or a published key.

    Raises Refused, or what reading a list raises.
    """
    if body[:2] == b"ey":
        text = body.decode("ascii", "replace").strip()
        header = json_of(from_base64url_or_refuse(text.partition(".")[0]), "The header of the list")
        if not isinstance(header, dict):
            raise CardUnreadable("The status list is not a JWT.", rule="status-jwt")
        issuer = trusted.issuer_of_jwt(header, _claims_of(text), (), now)
        return statuslist.read(text, {str(header.get("kid")).encode(): _as_key(issuer.key)})
    message = read_cbor(body.removeprefix(b"\xd2"))
    open_ = message[1] if isinstance(message, list) and len(message) == 4 else {}
    chain = open_.get(33, ()) if isinstance(open_, dict) else ()
    chain = (chain,) if isinstance(chain, bytes) else tuple(chain)
    issuer = trusted.issuer_of_chain(chain, (), now)
    return statuslist.read(body, {cose.parse(body).kid: _as_key(issuer.key)})


def from_base64url_or_refuse(text: str) -> bytes:
    """base64url, as a refusal where it is none."""
    try:
        return from_base64url(text)
    except ValueError:
        raise CardUnreadable("The status list is not a JWT.", rule="status-jwt") from None


def _claims_of(text: str) -> dict[str, Any]:
    claims = json_of(from_base64url_or_refuse([*text.split("."), ""][1]), "The status list")
    if not isinstance(claims, dict):
        raise CardUnreadable("The status list is not a JWT.", rule="status-jwt")
    # Which issuer's keys to use follows from the list's own address where it names no issuer (Token Status List 5.1).
    sub = str(claims.get("sub", ""))
    host = "/".join(sub.split("/")[:3])
    return {"iss": claims.get("iss", host)}


def _as_key(key: trust.PublicKey) -> cose.VerificationKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return cose.VerificationKey(b"", "Ed25519" if isinstance(key, Ed25519PublicKey) else "P-256", key)


async def refresh(stack: Stack, client: httpx.AsyncClient) -> dict[str, bytes]:
    """Fetch what the issuers of the operator's list publish; address -> content. What cannot be had is left out."""
    found: dict[str, bytes] = {}
    for entry in (await kept(stack)).entries:
        if entry.issuer:
            await _fetch(client, _metadata_uri(entry.issuer), found)
        for uri in entry.status_lists:
            body = await _fetch(client, uri, found)
            for listed in _aggregated(body, uri):
                await _fetch(client, listed, found)
    return found


async def _fetch(client: httpx.AsyncClient, uri: str, found: dict[str, bytes]) -> bytes:
    accept = f"{statuslist.MEDIA_JWT}, {statuslist.MEDIA_CWT}, application/json"
    try:
        answer = await client.get(uri, headers={"Accept": accept})
        answer.raise_for_status()
    except httpx.HTTPError as failed:
        logger.warning("not fetched", extra={"event": type(failed).__name__})
        return b""
    if len(answer.content) <= MOST_FETCHED_BYTES:
        found[uri] = answer.content
    return found.get(uri, b"")


def _aggregated(body: bytes, uri: str) -> list[str]:
    """The lists of an aggregation (Token Status List, 9.3), of the same origin only."""
    try:
        told = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return []
    origin = "/".join(uri.split("/")[:3]) + "/"
    lists = told.get("status_lists", [])
    return [one for one in lists if isinstance(one, str) and one.startswith(origin)][:64]
