"""Outside shapes of the room: sealed pointers (cookies, codes, flows), signed tokens, and texts of messages."""

import base64
import hashlib
import hmac
import tomllib
from binascii import b2a_base64
from collections.abc import Iterable
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, import_key
from joserfc.jws import JWSRegistry

from msingi.countries import typeset
from msingi.kernel.ids import PersonId
from msingi.kernel.keys import Keystore
from msingi.kernel.seal import Seals
from msingi.signin.errors import FlowLost, InvalidRequest, InvalidToken

T = TypeVar("T")
FALLBACK = "en"
ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
RS256 = "RS256"  # taken where a registration or a key says so by name, and never from a FAPI client (decision 0039)
_registry = JWSRegistry(algorithms=[*ALGORITHMS, RS256])
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_PLAIN = frozenset(("alg", "kid", "typ", "jwk"))
_MOST_HEADER = 512
_ES256 = ECDSA(SHA256())


class Pointer(msgspec.Struct, frozen=True, array_like=True):
    """What a code, refresh token or session cookie says once unsealed: whose, which, and its secret.

    For staff it also names the account, so that what is done under it can be attributed before any row is read.
    """

    person_id: PersonId
    item_id: UUID
    secret: bytes
    staff_id: str = ""
    institution: str = ""


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """What `b64` wrote. Raises ValueError for anything else."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if b64(raw) != text:
        raise ValueError("not base64url without padding")
    return raw


def secret_hash(secret: bytes) -> bytes:
    """How a random secret (32 bytes) stands in a table: SHA-256 suffices, it cannot be guessed."""
    return hashlib.sha256(secret).digest()


def same(one: bytes | None, other: bytes) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return one is not None and hmac.compare_digest(bytes(one), other)


def seal(seals: Seals, label: str, content: Any) -> str:
    """`content` as text that only this stack can read or make: a code, a cookie, a sign-in under way."""
    return b64(seals.seal_with_room_key(f"signin.{label}", msgspec.msgpack.encode(content)))


def unseal(seals: Seals, label: str, text: str, kind: type[T]) -> T:
    """What `seal` sealed under this label. Raises FlowLost if it is not that."""
    try:
        return msgspec.msgpack.decode(seals.unseal_with_room_key(f"signin.{label}", unb64(text)), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise FlowLost(rule="sealed by this stack") from None


def sign(keys: Keystore, typ: str, claims: Any) -> str:
    """A compact JWS over `claims` (anything msgspec encodes), by the current key of the provider (ES256).

    The three parts are put together here, because the key may live in hardware that signs bytes and nothing else.
    """
    signer = keys.signer("oidc")
    header = b64(msgspec.json.encode({"alg": "ES256", "kid": signer.kid, "typ": typ}))
    message = f"{header}.{b64(msgspec.json.encode(claims))}"
    return f"{message}.{b64(signer.sign(message.encode()))}"


def unverified(token: str) -> tuple[dict[str, Any], bytes]:
    """Header and payload of a compact JWS, not verified. Raises ValueError unless it is one."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > 16_000:
        raise ValueError("not a compact JWS")
    try:
        return msgspec.json.decode(unb64(parts[0]), type=dict[str, Any]), unb64(parts[1])
    except (ValueError, msgspec.DecodeError):
        raise ValueError("not a compact JWS") from None


def verify_own(keys: Keystore, token: str, typ: str, more: Iterable[dict[str, Any]] = ()) -> bytes:
    """The payload of a token that this provider signed with a key still valid (law 8). Raises InvalidToken.

    `more` are public keys beside the keystore's: its RSA keys, for tokens that may be signed by one.
    """
    try:
        header, payload = unverified(token)
        known = [k for k in (*keys.public("oidc"), *more) if k["kid"] == header.get("kid")]
        if header.get("typ") != typ or not known:
            raise InvalidToken(rule="typ or kid")
        if header.get("alg") != known[0]["alg"] or not signed(token, header, public_key(known[0])):
            raise InvalidToken(rule="signature")
    except (ValueError, JoseError):
        raise InvalidToken(rule="signature") from None
    return payload


def signed(token: str, header: dict[str, Any], key: Key) -> bool:
    """Whether a compact JWS with this header is signed by this key.

    ES256 under a header that says nothing unusual, which nearly all are, is verified here; the library takes a third
    longer. Everything else is the library's affair. Raises ValueError or JoseError for what is no JWS.
    """
    message, _, text = token.rpartition(".")
    plain = header.get("alg") == "ES256" and header.keys() <= _PLAIN and message.find(".") <= _MOST_HEADER
    named = isinstance(header.get("kid", ""), str) and isinstance(header.get("typ", ""), str)
    if not (plain and named and isinstance(key, ECKey) and key.curve_name == "P-256"):
        jws.deserialize_compact(token, key, registry=_registry)
        return True
    raw = unb64(text)
    if len(raw) != 64:
        return False
    pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    try:
        key.public_key.verify(pair, message.encode(), _ES256)
    except InvalidSignature:
        return False
    return True


def own_claims(keys: Keystore, token: str, typ: str, more: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The claims of an ID token of ours that a client sends as a hint; `more` as above. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(verify_own(keys, token, typ, more), type=dict[str, Any])
    except InvalidToken:
        raise InvalidRequest("id_token_hint is not ours.", field="id_token_hint", rule="signature") from None


@lru_cache(4096)
def _public_key(members: tuple[tuple[str, str], ...]) -> Key:
    return import_key(dict(members))  # type: ignore[return-value]


@lru_cache(4096)
def _thumbprint(members: tuple[tuple[str, str], ...]) -> str:
    return _public_key(members).thumbprint()


def _members(jwk: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((m, str(jwk[m])) for m in ("kty", "crv", "x", "y", "n", "e") if m in jwk)


def public_key(jwk: dict[str, Any]) -> Key:
    """A public key from its JWK, private members left out. Raises ValueError, KeyError or JoseError for no key."""
    return _public_key(_members(jwk))


def thumbprint(jwk: dict[str, Any]) -> str:
    """The thumbprint of a public key (RFC 7638). Raises as `public_key`."""
    return _thumbprint(_members(jwk))


@cache
def _texts() -> dict[str, dict[str, str]]:
    raw = tomllib.loads((files("msingi.signin") / "texts.toml").read_text("utf-8"))
    return {code: {name: typeset(text, code) for name, text in texts.items()} for code, texts in raw.items()}


def languages() -> list[str]:
    """The languages in which sign-in speaks."""
    return list(_texts())


def say(name: str, language: str, **parts: str | int) -> str:
    """The text `name` in `language`, or in English where it is missing, with its {parts} filled in."""
    found = _texts().get(language, {}).get(name) or _texts()[FALLBACK][name]
    for part, value in parts.items():
        found = found.replace("{" + part + "}", str(value))
    return found


def say_or(name: str, language: str, otherwise: str) -> str:
    """The text `name` in `language`; `otherwise` where that language does not have it."""
    return _texts().get(language, {}).get(name, otherwise)


def best_language(wished: list[str], offered: list[str]) -> str:
    """The first wished language (`sw-TZ` counts as `sw`) that is offered; otherwise the first offered."""
    for wish in wished:
        code = wish.split("-")[0].strip().lower()
        if code in offered:
            return code
    return offered[0]


def accepted_languages(header: str) -> list[str]:
    """The languages of an Accept-Language header (RFC 9110, section 12.5.4), best first."""
    weighed: list[tuple[float, str]] = []
    for part in header[:300].split(","):
        tag, _, quality = part.partition(";q=")
        try:
            weighed.append((-float(quality or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for _, tag in sorted(weighed, key=lambda pair: pair[0])]
