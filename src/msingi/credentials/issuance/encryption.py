"""Encrypted credential requests and answers (OpenID4VCI 1.0, sections 8.2 and 10): ECDH-ES on P-256 with AES-GCM."""

import hashlib
import hmac
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey

from msingi.credentials.issuance.errors import InvalidCredentialRequest, InvalidEncryption
from msingi.kernel.keys import public_jwk
from msingi.kernel.stack import Stack

ALGORITHM = "ECDH-ES"
ENCODINGS = ("A128GCM", "A256GCM")
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_registry = JWERegistry(algorithms=[ALGORITHM, *ENCODINGS])


class AnswerKey(msgspec.Struct, frozen=True):
    """How a wallet wants its answer encrypted: its public key with `alg`, and the content encryption."""

    jwk: dict[str, Any]
    enc: str


@lru_cache(maxsize=4)
def _private(secret: bytes) -> ECKey:
    digest = hmac.digest(secret, b"credentials.request-encryption", hashlib.sha512)
    key = derive_private_key(int.from_bytes(digest) % (_ORDER - 1) + 1, SECP256R1())
    numbers = key.private_numbers()
    members = public_jwk(key.public_key())
    from msingi.credentials.forms.jose import b64

    return ECKey.import_key({**members, "use": "enc", "alg": ALGORITHM, "d": b64(numbers.private_value.to_bytes(32))})


def public(stack: Stack) -> dict[str, Any]:
    """The key to which wallets encrypt their requests, as a JWK with `kid`, `use` and `alg`."""
    return {**_private(stack.keys.mac("room")).as_dict(private=False)}


def opened(stack: Stack, text: bytes) -> bytes:
    """The request inside a compact JWE. Raises InvalidCredentialRequest."""
    try:
        return jwe.decrypt_compact(text, _private(stack.keys.mac("room")), registry=_registry).plaintext or b""
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidCredentialRequest("The request cannot be decrypted.", field="body", rule="JWE") from None


def asked(parameters: Any, *, encrypted_request: bool) -> AnswerKey:
    """What a wallet asked for, checked. Raises InvalidEncryption."""
    if not encrypted_request:
        raise InvalidEncryption("An encrypted answer needs an encrypted request.", rule="encrypted request")
    if not isinstance(parameters, dict):
        raise InvalidEncryption("The parameters are an object.", rule="object")
    jwk, enc = parameters.get("jwk"), parameters.get("enc")
    if enc not in ENCODINGS or "zip" in parameters:
        raise InvalidEncryption("This content encryption is not offered.", rule="enc_values_supported")
    if not isinstance(jwk, dict) or jwk.get("alg", ALGORITHM) != ALGORITHM:
        raise InvalidEncryption("This algorithm is not offered.", rule="alg_values_supported")
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or "d" in jwk:
        raise InvalidEncryption("The key is a public one on P-256.", rule="jwk")
    try:
        ECKey.import_key(jwk)
    except (JoseError, ValueError, TypeError, KeyError):
        raise InvalidEncryption("The key cannot be read.", rule="jwk") from None
    return AnswerKey(jwk, enc)


def sealed(answer: bytes, to: AnswerKey) -> str:
    """An answer as a compact JWE to the wallet's key, whose `kid` is told where it has one."""
    header = {"alg": ALGORITHM, "enc": to.enc}
    if to.jwk.get("kid"):
        header["kid"] = str(to.jwk["kid"])
    return jwe.encrypt_compact(header, answer, ECKey.import_key(to.jwk), registry=_registry)
