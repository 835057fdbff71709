"""COSE_Sign1 (RFC 9052, 4.2) with EdDSA or ES256, and the strict CBOR reading below it.

Written here because the libraries for it are slower or carry pure-Python elliptic curves. Every constant of the
two moving registries (algorithms, header labels) that the room uses stands in this file.
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, NamedTuple, Protocol

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.util import urlsafe_b64decode

from msingi.credentials.errors import NotGenuine, Unreadable
from msingi.kernel.ed25519 import is_signed

TAG_SIGN1 = 18
_SIGN1_PREFIX = b"\xd2"  # tag 18 and tag 61 in their only deterministic spelling
_CWT_PREFIX = b"\xd8\x3d"
HEADER_ALG = 1
HEADER_CRIT = 2
HEADER_KID = 4
HEADER_TYPE = 16
HEADER_X5CHAIN = 33
ALG_EDDSA = -8
ALG_ES256 = -7
# RFC 9864 gave both algorithms fully specified numbers; read, not yet written (claim 169 names -8 and -7).
_CURVE_OF_ALG = {ALG_EDDSA: "Ed25519", -19: "Ed25519", ALG_ES256: "P-256", -9: "P-256"}
_ALG_OF_SIGNER = {"Ed25519": ALG_EDDSA, "EdDSA": ALG_EDDSA, "ES256": ALG_ES256}
MAX_DEPTH = 16


class Signer(Protocol):
    """What signs: the current version of a named key of the keystore."""

    @property
    def kid(self) -> str: ...
    @property
    def alg(self) -> str: ...
    def sign(self, message: bytes, /) -> bytes: ...


class VerificationKey(NamedTuple):
    """One public key of an issuer, parsed once."""

    kid: bytes
    curve: str
    key: Ed25519PublicKey | EllipticCurvePublicKey


class Sign1(NamedTuple):
    """The parts of one COSE_Sign1 message, read but not yet verified."""

    protected: bytes
    header: Mapping[Any, Any]
    unprotected: Mapping[Any, Any]
    payload: bytes
    signature: bytes
    curve: str
    kid: bytes


def _forbid(*_: object) -> Any:
    raise ValueError("a CBOR tag that a credential has no use for")


# Decoders for dates, big numbers, regular expressions, shared references ... are attack surface: none may run.
_DECODED_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_NO_SEMANTICS: dict[int, Any] = dict.fromkeys(_DECODED_TAGS, _forbid)


def read_cbor(content: bytes) -> Any:
    """One CBOR item that fills `content` exactly; maps become `dict`, arrays `list`.

    Raises Unreadable for anything but definite lengths, distinct keys, at most 16 levels and no tags
    (RFC 8949, 4.2.1 and 5.6).
    """
    source = BytesIO(content)
    try:
        item = cbor2.load(
            source,
            tag_hook=_forbid,
            semantic_decoders=_NO_SEMANTICS,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
        raise Unreadable("The content is not well-formed CBOR.", rule="cbor") from error
    if source.read(1):
        raise Unreadable("Something follows the content.", rule="cbor")
    return item


def key_of_jwk(jwk: Mapping[str, Any]) -> VerificationKey:
    """The public key in `jwk` (RFC 7517: OKP Ed25519 or EC P-256, with a `kid`).

    Raises Unreadable if it is another kind of key or malformed.
    """
    try:
        kid = str(jwk["kid"]).encode()
        x = urlsafe_b64decode(str(jwk["x"]).encode())
        if (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
            return VerificationKey(kid, "Ed25519", Ed25519PublicKey.from_public_bytes(x))
        if (jwk["kty"], jwk["crv"]) == ("EC", "P-256"):
            y = urlsafe_b64decode(str(jwk["y"]).encode())
            numbers = EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), SECP256R1())
            return VerificationKey(kid, "P-256", numbers.public_key())
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("An issuer's key is malformed.", rule="jwk") from error
    raise Unreadable("An issuer's key is of a kind that signs no card.", rule="jwk")


def keys_of_jwks(jwks: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> dict[bytes, VerificationKey]:
    """The keys of a JWK Set (`{"keys": [...]}` or the bare list) by `kid`.

    Raises Unreadable if the set, or a key in it, is malformed.
    """
    found: Any = jwks
    entries = found.get("keys") if isinstance(found, Mapping) else found
    if not isinstance(entries, list | tuple):
        raise Unreadable("The issuer's key set has no keys.", rule="jwk")
    keys = [key_of_jwk(entry) for entry in entries if isinstance(entry, Mapping)]
    return {key.kid: key for key in keys}


def sign(
    payload: bytes,
    signer: Signer,
    protected_extra: Mapping[int, Any] | None = None,
    unprotected_extra: Mapping[int, Any] | None = None,
) -> bytes:
    """`payload` as a tagged COSE_Sign1 (tag 18), signed by `signer`.

    The protected header holds the algorithm and `protected_extra`; the key's name stands in the unprotected
    header, where the example of claim 169 has it: exchanging it only makes the signature fail.
    """
    protected = cbor2.dumps({HEADER_ALG: _ALG_OF_SIGNER[signer.alg], **(protected_extra or {})}, canonical=True)
    signature = signer.sign(_to_be_signed(protected, payload))
    beside = {HEADER_KID: signer.kid.encode(), **(unprotected_extra or {})}
    message = [protected, beside, payload, signature]
    return cbor2.dumps(cbor2.CBORTag(TAG_SIGN1, message))


def parse(message: bytes) -> Sign1:
    """The parts of a COSE_Sign1, bare, in tag 18, or in the CWT tag 61 around it.

    Raises Unreadable if it is not one, names an algorithm other than EdDSA and ES256, carries critical headers,
    has its algorithm outside the signature, or does not name its key exactly once.
    """
    item = read_cbor(message.removeprefix(_CWT_PREFIX).removeprefix(_SIGN1_PREFIX))
    if not isinstance(item, list) or len(item) != 4:
        raise Unreadable("The content is not a signed message.", rule="cose-sign1")
    protected, unprotected, payload, signature = item
    if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
        raise Unreadable("A part of the signed message has the wrong type.", rule="cose-sign1")
    header = read_cbor(protected) if protected else {}
    if not isinstance(header, dict) or not isinstance(unprotected, dict):
        raise Unreadable("A header of the signed message is not a map.", rule="cose-header")
    if HEADER_CRIT in header or HEADER_CRIT in unprotected or HEADER_ALG in unprotected:
        raise Unreadable("The signed message has a header that is not allowed.", rule="cose-header")
    algorithm = header.get(HEADER_ALG)
    if not isinstance(algorithm, int) or algorithm not in _CURVE_OF_ALG:
        raise Unreadable("The signature's algorithm is not EdDSA or ES256.", rule="cose-algorithm")
    kids = [bucket[HEADER_KID] for bucket in (header, unprotected) if HEADER_KID in bucket]
    if len(kids) != 1 or not isinstance(kids[0], bytes):
        raise Unreadable("The signed message does not name its key.", rule="cose-kid")
    return Sign1(protected, header, unprotected, payload, signature, _CURVE_OF_ALG[algorithm], kids[0])


def verify(message: Sign1, keys: Mapping[bytes, VerificationKey]) -> bytes:
    """The payload of `message`, after its signature was verified with the key that it names.

    Raises NotGenuine if the issuer has no such key, the key is of another algorithm, or the signature does not
    fit (RFC 9052, 4.4).
    """
    key = keys.get(message.kid)
    if key is None:
        raise NotGenuine("The key that it names is not one of the issuer's.", rule="key")
    if key.curve != message.curve or len(message.signature) != 64:
        raise NotGenuine("Signature and key are of different kinds.", rule="algorithm")
    verify_raw(key, message.signature, _to_be_signed(message.protected, message.payload))
    return message.payload


def verify_raw(key: VerificationKey, signature: bytes, signed: bytes) -> None:
    """Nothing, if the 64-byte `signature` over `signed` is of `key` (JOSE and COSE share this form).

    Raises NotGenuine otherwise.
    """
    if len(signature) != 64:
        raise NotGenuine("The signature has a wrong length.", rule="signature")
    try:
        if isinstance(key.key, Ed25519PublicKey):
            if not is_signed(key.key.public_bytes_raw(), signed, signature):
                raise InvalidSignature
        else:
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            key.key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise NotGenuine("The signature does not fit the content.", rule="signature") from None


def _to_be_signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, 4.4, without external data."""
    return cbor2.dumps(["Signature1", protected, b"", payload])
