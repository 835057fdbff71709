"""An SD-JWT VC with key binding, verified step by step (RFC 9901; SD-JWT VC draft 19; OpenID4VP 1.0, B.3).

Pure: keys come in, a verified credential goes out. Steps are numbered as in RFC 9901, 7.1 and 7.3.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from msingi.credentials.presentation.errors import (
    NotForThisRequest,
    NotGenuine,
    NotHolder,
    OutOfDate,
    Refused,
    Unreadable,
)
from msingi.credentials.presentation.model import SD_JWT, Binding, Shown, StatusPlace
from msingi.credentials.presentation.trust import Trusted, check_signature, key_of_jwk
from msingi.credentials.presentation.wire import Jwt, from_base64url, json_of, jwt_of, to_base64url

TYP_VC, TYP_KB = "dc+sd-jwt", "kb+jwt"
NEVER_HIDDEN = frozenset({"iss", "nbf", "exp", "cnf", "vct", "vct#integrity", "aka_vcts", "status"})  # SD-JWT VC 2.2.2
SKEW_S = 60
MOST_DISCLOSURES, MOST_DEPTH = 500, 24


class Parts(Struct, frozen=True):
    """An SD-JWT taken apart: the issuer's JWT, disclosures, key binding JWT (or empty), and what `sd_hash` covers."""

    issuer_jwt: str
    disclosures: tuple[str, ...]
    binding_jwt: str
    before_binding: str


def take_apart(text: str) -> Parts:
    """The parts of `<JWT>~<disclosure>~...~[<KB-JWT>]` (RFC 9901, 4). Raises Unreadable."""
    pieces = text.split("~")
    if len(pieces) < 2 or not all(pieces[:-1]):
        raise Unreadable("This is not a compact SD-JWT.", rule="sd-jwt-compact", clause="RFC 9901 4")
    if len(pieces) > MOST_DISCLOSURES:
        raise Unreadable("Too many disclosures.", rule="disclosures-most")
    before = text[: len(text) - len(pieces[-1])]
    return Parts(pieces[0], tuple(pieces[1:-1]), pieces[-1], before)


def verify(text: str, binding: Binding, trusted: Trusted, now: int, *, needs_holder: bool = True) -> Shown:
    """The verified credential in the presentation `text`; `now` in seconds since 1970.

    Raises a refusal that names rule and clause.
    """
    parts = take_apart(text)
    # 7.1, 2a-2b: the issuer's JWT, its type and its algorithm.
    jwt = jwt_of(parts.issuer_jwt, TYP_VC, "The issuer's JWT")
    kind, kinds = _kinds(jwt.claims)
    # 7.1, 2c: the key is of an issuer that is trusted for this kind (SD-JWT VC 3.5).
    issuer = trusted.issuer_of_jwt(jwt.header, jwt.claims, kinds, now)
    # 7.1, 2d: the signature.
    check_signature(issuer.key, str(jwt.header.get("alg")), jwt.signature, jwt.signed, NotGenuine)
    # 7.1, 3: the disclosures, each of them used exactly once.
    claims = disclosed(jwt.claims, parts.disclosures)
    # 7.1, 4: in its time.
    expires_at = _in_date(claims, now)
    # 7.3: the holder's key signed this request.
    hashes: tuple[str, ...] = ()
    if parts.binding_jwt:
        hashes = _check_binding(parts, claims, binding, now)
    elif needs_holder:
        raise NotHolder("There is no key binding.", rule="kb-missing", clause="RFC 9901 7.3")
    return Shown(
        format=SD_JWT,
        kind=kind,
        kinds=kinds,
        issuer=issuer.name,
        claims=claims,
        bound=bool(parts.binding_jwt),
        expires_at=expires_at,
        status=status_place(claims.get("status")),
        akis=issuer.akis,
        transaction_hashes=hashes,
        own=issuer.own,
    )


def _kinds(claims: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """The `vct`, and with it the other names of the same type (SD-JWT VC 2.2.2.1)."""
    kind, others = claims.get("vct"), claims.get("aka_vcts", [])
    if not isinstance(kind, str) or not kind:
        raise Unreadable("The credential names no type.", rule="vct", clause="SD-JWT VC 2.2.2.1")
    if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
        raise Unreadable("The other names of the type are not texts.", rule="aka_vcts")
    return kind, (kind, *others)


def disclosed(claims: dict[str, Any], disclosures: tuple[str, ...]) -> dict[str, Any]:
    """The claims with what the disclosures add (RFC 9901, 7.1, step 3).

    Raises Unreadable for a disclosure that is malformed, unused or used twice, and for a claim that may not be hidden.
    """
    if claims.get("_sd_alg", "sha-256") != "sha-256":
        raise Unreadable("Another hash than SHA-256 was used.", rule="_sd_alg", clause="RFC 9901 4.1.1")
    waiting: dict[str, list[Any]] = {}
    for text in disclosures:
        digest = to_base64url(hashlib.sha256(text.encode()).digest())
        if digest in waiting:
            raise Unreadable("A disclosure stands twice.", rule="disclosure-twice", clause="RFC 9901 7.1 3")
        waiting[digest] = _disclosure(text)
    seen: set[str] = set()
    opened = _open(claims, waiting, seen, 0)
    if waiting:
        raise Unreadable("A disclosure belongs to nothing.", rule="disclosure-unused", clause="RFC 9901 7.1 5")
    opened.pop("_sd_alg", None)
    for name in NEVER_HIDDEN & opened.keys():
        if opened[name] != claims.get(name):
            raise Unreadable("A claim that must be open was hidden.", rule="sd-not-allowed", clause="SD-JWT VC 2.2.2")
    return opened


def _disclosure(text: str) -> list[Any]:
    try:
        raw = from_base64url(text)
    except ValueError:
        raise Unreadable("A disclosure is not base64url.", rule="disclosure", clause="RFC 9901 4.2") from None
    value = json_of(raw, "A disclosure")
    if not isinstance(value, list) or len(value) not in (2, 3) or not isinstance(value[0], str):
        raise Unreadable("A disclosure is malformed.", rule="disclosure", clause="RFC 9901 4.2")
    if len(value) == 3 and (not isinstance(value[1], str) or value[1] in ("_sd", "...")):
        raise Unreadable(
            "A disclosure has a name that is not allowed.", rule="disclosure-name", clause="RFC 9901 7.1 3c"
        )
    return value


def _take(digest: Any, waiting: dict[str, list[Any]], seen: set[str], length: int) -> list[Any] | None:
    """The disclosure of a digest; None for a decoy or what is not disclosed."""
    if not isinstance(digest, str):
        raise Unreadable("A digest is not a text.", rule="digest", clause="RFC 9901 7.1 3b")
    if digest in seen:
        raise Unreadable("A digest stands twice.", rule="digest-twice", clause="RFC 9901 7.1 4")
    seen.add(digest)
    found = waiting.pop(digest, None)
    if found is not None and len(found) != length:
        raise Unreadable("A disclosure is of the other kind.", rule="disclosure", clause="RFC 9901 7.1 3c")
    return found


def _open(node: Any, waiting: dict[str, list[Any]], seen: set[str], depth: int) -> Any:
    if depth > MOST_DEPTH:
        raise Unreadable("The claims are nested too deeply.", rule="depth")
    if isinstance(node, list):
        items: list[Any] = []
        for item in node:
            if isinstance(item, dict) and "..." in item:
                if len(item) != 1:
                    raise Unreadable("A placeholder has other members.", rule="placeholder", clause="RFC 9901 4.2.4.2")
                found = _take(item["..."], waiting, seen, 2)
                if found is not None:
                    items.append(_open(found[1], waiting, seen, depth + 1))
            else:
                items.append(_open(item, waiting, seen, depth + 1))
        return items
    if not isinstance(node, dict):
        return node
    digests = node.get("_sd", [])
    if not isinstance(digests, list) or "..." in node:
        raise Unreadable("The digests are not a list.", rule="_sd", clause="RFC 9901 4.2.4.1")
    opened = {name: _open(value, waiting, seen, depth + 1) for name, value in node.items() if name != "_sd"}
    for digest in digests:
        found = _take(digest, waiting, seen, 3)
        if found is not None:
            if found[1] in opened or (depth == 0 and found[1] in NEVER_HIDDEN):
                raise Unreadable("A disclosure names a claim that is there.", rule="sd-claim", clause="RFC 9901 7.1 3c")
            opened[found[1]] = _open(found[2], waiting, seen, depth + 1)
    return opened


def _time(claims: Mapping[str, Any], name: str) -> int | None:
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value < 2**40:
        raise Unreadable("A time is not a number of seconds.", rule=name, clause="RFC 7519 2")
    return int(value)


def _in_date(claims: Mapping[str, Any], now: int) -> int | None:
    """When it expires. Raises OutOfDate (RFC 7519, 4.1.4 and 4.1.5)."""
    begins, expires = _time(claims, "nbf"), _time(claims, "exp")
    if expires is not None and now >= expires:
        raise OutOfDate("The credential has expired.", rule="exp", clause="RFC 7519 4.1.4")
    if begins is not None and now + SKEW_S < begins:
        raise OutOfDate("The credential is not valid yet.", rule="nbf", clause="RFC 7519 4.1.5")
    return expires


def status_place(status: Any) -> StatusPlace | None:
    """Where the status stands (Token Status List, 6.1), or None. Raises Unreadable for a malformed reference."""
    if status is None:
        return None
    reference = status.get("status_list") if isinstance(status, Mapping) else None
    if isinstance(reference, Mapping):
        uri, index = reference.get("uri"), reference.get("idx")
        if isinstance(uri, str) and type(index) is int and index >= 0:
            return StatusPlace(uri, index)
    raise Unreadable("The reference to the status is malformed.", rule="status", clause="Token Status List 6.1")


def _check_binding(parts: Parts, claims: Mapping[str, Any], binding: Binding, now: int) -> tuple[str, ...]:
    """RFC 9901, 7.3, step 5: the key binding JWT. Gives the transaction hashes that it signed."""
    clause = "RFC 9901 7.3"
    confirmed = claims.get("cnf")
    jwk = confirmed.get("jwk") if isinstance(confirmed, Mapping) else None
    if not isinstance(jwk, Mapping):
        raise NotHolder("The credential is not bound to a key.", rule="cnf", clause=clause)
    kb: Jwt = jwt_of(parts.binding_jwt, TYP_KB, "The key binding JWT")
    check_signature(key_of_jwk(jwk, NotHolder), str(kb.header.get("alg")), kb.signature, kb.signed, NotHolder)
    wanted = {"aud": binding.audience, "nonce": binding.nonce}
    for name, value in wanted.items():
        if kb.claims.get(name) != value:
            raise NotForThisRequest("The key binding is of another request.", rule=name, clause="OpenID4VP B.3.6")
    made_at = _time(kb.claims, "iat")
    if made_at is None or not binding.asked_at - SKEW_S <= made_at <= now + SKEW_S:
        raise NotForThisRequest("The key binding is of another moment.", rule="iat", clause=clause)
    covered = to_base64url(hashlib.sha256(parts.before_binding.encode()).digest())
    if kb.claims.get("sd_hash") != covered:
        raise NotHolder("The key binding is of other disclosures.", rule="sd_hash", clause=clause)
    return _transaction_hashes(kb.claims, binding)


def _transaction_hashes(claims: Mapping[str, Any], binding: Binding) -> tuple[str, ...]:
    """OpenID4VP B.3.3.1: hashes over the texts of the request, none of them of anything else."""
    found = claims.get("transaction_data_hashes", [])
    clause = "OpenID4VP B.3.3.1"
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Refused("The transaction hashes are malformed.", rule="transaction_data_hashes", clause=clause)
    if found and claims.get("transaction_data_hashes_alg", "sha-256") != "sha-256":
        raise Refused("Another hash was used.", rule="transaction_data_hashes_alg", clause=clause)
    known = {to_base64url(hashlib.sha256(text.encode()).digest()) for text in binding.transaction_data}
    if not set(found) <= known:
        raise NotForThisRequest("Another transaction was authorised.", rule="transaction_data_hashes", clause=clause)
    return tuple(found)
