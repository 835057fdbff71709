"""Claim 169: identity facts in a QR code, signed as a CWT (specification 1.2.0).

Writing: map -> CWT claims -> COSE_Sign1 -> zlib -> Base45. Reading goes the other way and tolerates what other
writers are known to do: tag 61 around tag 18, a photo as text, a birth date with dashes, biometrics as a bare map.
"""

import base64
import zlib
from typing import Any

import cbor2
import msgspec

from msingi.credentials import base45, cose
from msingi.credentials.errors import Unreadable

CLAIM_ISS, CLAIM_SUB, CLAIM_EXP, CLAIM_NBF, CLAIM_IAT = 1, 2, 4, 5, 6
CLAIM_IDENTITY = 169
CLAIM_STATUS = 65535  # Token Status List, draft 20
MAX_INFLATED_BYTES = 65536
PHOTO_JPEG, PHOTO_JPEG2000, PHOTO_AVIF, PHOTO_WEBP = 1, 2, 3, 4
SEX_CODES = {"male": 1, "female": 2, "other": 3}

# key -> (attribute of Identity, type), as section "Claim 169 identity data" lists them.
_FIELDS: dict[int, tuple[str, type]] = {
    1: ("id", str),
    2: ("version", str),
    3: ("language", str),
    4: ("full_name", str),
    5: ("given_name", str),
    6: ("middle_name", str),
    7: ("family_name", str),
    8: ("birth_date", str),
    9: ("sex", int),
    10: ("address", str),
    11: ("email", str),
    12: ("phone", str),
    13: ("nationality", str),
    14: ("marital_status", int),
    15: ("guardian", str),
    16: ("photo", bytes),
    17: ("photo_format", int),
    18: ("best_fingers", list),
    19: ("second_name", str),
    20: ("second_language", str),
    21: ("location_code", str),
    22: ("legal_status", str),
    23: ("issuing_country", str),
}
_BIOMETRIC_KEYS = range(50, 66)
# The fixed code of RFC 1951, 3.2.6 as bits in the order of the stream.
_FIXED_CODE = [f"{0x30 + byte:08b}" if byte < 144 else f"{0x190 + byte - 144:09b}" for byte in range(256)]
_BLOCK_START, _BLOCK_END = "110", "0000000"  # BFINAL 1 and BTYPE 01, lowest bit first; symbol 256


class Identity(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The map of claim 169; empty text, 0 or b"" means: not stated.

    `birth_date` is YYYYMMDD, `sex` 1 male, 2 female, 3 other, languages ISO 639-3, countries ISO 3166-1.
    `biometrics` holds modality key (50-65) -> list of maps as they were read; `unknown` every other key.
    """

    id: str = ""
    version: str = ""
    language: str = ""
    full_name: str = ""
    given_name: str = ""
    middle_name: str = ""
    family_name: str = ""
    birth_date: str = ""
    sex: int = 0
    address: str = ""
    email: str = ""
    phone: str = ""
    nationality: str = ""
    marital_status: int = 0
    guardian: str = ""
    photo: bytes = b""
    photo_format: int = 0
    best_fingers: tuple[int, ...] = ()
    second_name: str = ""
    second_language: str = ""
    location_code: str = ""
    legal_status: str = ""
    issuing_country: str = ""
    biometrics: dict[int, Any] = {}
    unknown: dict[int, Any] = {}


class StatusReference(msgspec.Struct, frozen=True):
    """Where the status of a credential stands: entry `index` of the list at `uri`."""

    uri: str
    index: int


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of the CWT; times in seconds since 1970, None where the credential does not state them."""

    identity: Identity
    issuer: str = ""
    subject: str = ""
    expires: int | None = None
    not_before: int | None = None
    issued_at: int | None = None
    status: StatusReference | None = None


def write(claims: Claims, signer: cose.Signer) -> str:
    """The QR code's text: `claims`, signed by `signer`."""
    return wrap(cose.sign(write_claims(claims), signer))


def write_claims(claims: Claims) -> bytes:
    """The CWT claims set of `claims` in deterministic CBOR (RFC 8392, 3)."""
    identity: dict[int, Any] = {
        key: value for key, (name, _) in _FIELDS.items() if (value := getattr(claims.identity, name))
    }
    identity.update(claims.identity.biometrics)
    content: dict[int, Any] = {CLAIM_IDENTITY: identity}
    for key, value in (
        (CLAIM_ISS, claims.issuer or None),
        (CLAIM_SUB, claims.subject or None),
        (CLAIM_EXP, claims.expires),
        (CLAIM_NBF, claims.not_before),
        (CLAIM_IAT, claims.issued_at),
    ):
        if value is not None:
            content[key] = value
    if claims.status:
        content[CLAIM_STATUS] = {"status_list": {"idx": claims.status.index, "uri": claims.status.uri}}
    return cbor2.dumps(content, canonical=True)


def wrap(message: bytes) -> str:
    """`message` deflated (RFC 1950) and in Base45.

    Written with the fixed Huffman code and literals only: nearly all of a credential is random anyway (5 % larger
    than zlib's best), every zlib version gives the same characters, no second spelling of a back reference can
    come out as the same message, and pixelpass 0.6, which fails on stored blocks, can read it.
    """
    return base45.encode(_deflate_fixed(message))


def unwrap(text: str) -> bytes:
    """The signed message in a QR code's text; at most 64 KB.

    Raises Unreadable if `text` is not Base45 around exactly one complete zlib stream, or has bits to spare.
    """
    stream = base45.decode(text)
    message = _inflate(stream)
    if _inflates_to(stream, message):
        raise Unreadable("The compressed content has bits set that mean nothing.", rule="zlib-slack")
    return message


def read_claims(payload: bytes) -> Claims:
    """The claims of a CWT payload that was verified before.

    Raises Unreadable if it is no claims set with claim 169, or a claim has a type that no writer is known to use.
    """
    content = cose.read_cbor(payload)
    if not isinstance(content, dict) or not isinstance(content.get(CLAIM_IDENTITY), dict):
        raise Unreadable("The credential holds no identity (claim 169).", rule="claims")
    return Claims(
        identity=_read_identity(content[CLAIM_IDENTITY]),
        issuer=_typed(content, CLAIM_ISS, str, ""),
        subject=_typed(content, CLAIM_SUB, str, ""),
        expires=_seconds(content, CLAIM_EXP),
        not_before=_seconds(content, CLAIM_NBF),
        issued_at=_seconds(content, CLAIM_IAT),
        status=_read_status(content.get(CLAIM_STATUS)),
    )


def _read_identity(content: dict[Any, Any]) -> Identity:
    found: dict[str, Any] = {}
    biometrics: dict[int, Any] = {}
    unknown: dict[int, Any] = {}
    for key, value in content.items():
        if type(key) is not int:
            raise Unreadable("A key of the identity is not a number.", rule="claims")
        if key in _BIOMETRIC_KEYS:
            biometrics[key] = value if isinstance(value, list) else [value]
        elif key in _FIELDS:
            name, kind = _FIELDS[key]
            found[name] = _tolerated(key, value, kind)
        else:
            unknown[key] = value
    return Identity(**found, biometrics=biometrics, unknown=unknown)


def _tolerated(key: int, value: Any, kind: type) -> Any:
    """`value` of field `key` in the type this room works with; the known liberties of other writers pass."""
    if key == 16 and isinstance(value, str):  # the specification's table says text, the libraries write bytes
        try:
            return base64.b64decode(value, validate=True)
        except ValueError:  # not base64, or not even ASCII
            raise Unreadable("The photo is not readable.", rule="claims") from None
    if key == 18 and isinstance(value, list | bytes) and all(type(finger) is int for finger in value):
        return tuple(value)
    if type(value) is not kind:
        raise Unreadable("A field of the identity has the wrong type.", rule="claims", field=key)
    if key == 8:
        day = str(value).replace("-", "")
        if len(day) != 8 or not (day.isascii() and day.isdigit()):
            raise Unreadable("The birth date is not written YYYYMMDD.", rule="claims", field=key)
        return day
    return value


def _read_status(value: Any) -> StatusReference | None:
    if value is None:
        return None
    reference = value.get("status_list") if isinstance(value, dict) else None
    if isinstance(reference, dict):
        uri, index = reference.get("uri"), reference.get("idx")
        if isinstance(uri, str) and type(index) is int and index >= 0:
            return StatusReference(uri, index)
    raise Unreadable("The reference to the status is malformed.", rule="claims")


def _typed(content: dict[Any, Any], key: int, kind: type, default: Any) -> Any:
    value = content.get(key, default)
    if type(value) is not type(default) and type(value) is not kind:
        raise Unreadable("A claim has the wrong type.", rule="claims", field=key)
    return value


def _seconds(content: dict[Any, Any], key: int) -> int | None:
    value = content.get(key)
    if value is None:
        return None
    if type(value) not in (int, float) or not -(2**40) < value < 2**40:
        raise Unreadable("A time is not a number of seconds.", rule="claims", field=key)
    return int(value)


def _inflate(stream: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        message = inflater.decompress(stream, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise Unreadable("The compressed content is damaged.", rule="zlib") from error
    if not inflater.eof or inflater.unused_data:
        raise Unreadable("The compressed content is incomplete, too large or followed by more.", rule="zlib")
    return message


def _inflates_to(stream: bytes, message: bytes) -> bool:
    """Whether clearing the highest bit that is set in the last byte of the deflate stream changes nothing.

    Then that bit was padding: the one place where a single changed bit would otherwise pass unseen.
    """
    last = len(stream) - 5  # before the Adler-32 of RFC 1950
    if last < 2 or stream[last] == 0:
        return False
    cleared = stream[last] & ~(1 << (stream[last].bit_length() - 1))
    try:
        return _inflate(stream[:last] + bytes([cleared]) + stream[last + 1 :]) == message
    except Unreadable:
        return False


def _deflate_fixed(message: bytes) -> bytes:
    """One final block in the fixed Huffman code, literals only (RFC 1951, 3.2.6), in a zlib wrapper."""
    bits = "".join([_BLOCK_START, *map(_FIXED_CODE.__getitem__, message), _BLOCK_END])
    block = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    return b"\x78\xda" + block + zlib.adler32(message).to_bytes(4)
