"""Signed JSON: the compact serialization of RFC 7515, section 7.1, for headers that repeat a million times."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import b2a_base64
from typing import Any

import msgspec

from msingi.credentials.cose import Signer

_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_JWS_ALG = {"Ed25519": "EdDSA", "EdDSA": "EdDSA", "ES256": "ES256"}
_PUBLIC_MEMBERS = {"EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x"), "RSA": ("kty", "n", "e")}


def b64(raw: bytes) -> str:
    """base64url without padding (RFC 7515, section 2)."""
    return b2a_base64(raw, newline=False).translate(_URL_SAFE).rstrip(b"=").decode()


def unb64(text: str | bytes) -> bytes:
    """The bytes of unpadded base64url. Raises ValueError for anything else, also for bits that mean nothing."""
    raw = text.encode("ascii") if isinstance(text, str) else text
    found = urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    if urlsafe_b64encode(found).rstrip(b"=") != raw:
        raise ValueError("not canonical base64url")
    return found


def header(signer: Signer, typ: str, x5c: tuple[str, ...] = (), **more: Any) -> str:
    """A protected header, encoded: algorithm, `kid`, `typ`, and the certificates without their anchor."""
    members: dict[str, Any] = {"alg": _JWS_ALG[signer.alg], "kid": signer.kid, "typ": typ, **more}
    if x5c:
        members["x5c"] = x5c
    return b64(msgspec.json.encode(members))


def compact(encoded_header: str, payload: bytes, signer: Signer) -> str:
    """`payload` as a compact JWS under a header that `header` made."""
    signed = f"{encoded_header}.{b64(payload)}"
    return f"{signed}.{b64(signer.sign(signed.encode()))}"


def bare_key(jwk: dict[str, Any]) -> dict[str, Any]:
    """The members of a public key and nothing else: a holder's `kid` or `use` in `cnf` would be one more mark."""
    return {name: jwk[name] for name in _PUBLIC_MEMBERS[jwk["kty"]]}
