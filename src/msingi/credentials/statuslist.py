"""Token Status List (draft 20): the status of many credentials in a few compressed bytes, signed.

A list is fetched whole, so that the publisher does not learn whose card is being checked. The draft is still
moving: its media types, claim numbers and `typ` values stand here and nowhere else.
"""

import zlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

import cbor2
import msgspec
from joserfc.util import urlsafe_b64decode, urlsafe_b64encode

from msingi.credentials import cose
from msingi.credentials.errors import NotGenuine, Unreadable

MEDIA_JWT = "application/statuslist+jwt"
MEDIA_CWT = "application/statuslist+cwt"
TYP_JWT = "statuslist+jwt"
CLAIM_SUB, CLAIM_EXP, CLAIM_IAT = 2, 4, 6
CLAIM_TTL, CLAIM_STATUS_LIST = 65534, 65533
MAX_LIST_BYTES = 16 * 1024 * 1024  # 64 million entries of 2 bits: far above any list this room publishes
_JWT_ALG = {"Ed25519": "EdDSA", "EdDSA": "EdDSA", "ES256": "ES256"}
_CURVE_OF_JWT_ALG = {"EdDSA": "Ed25519", "Ed25519": "Ed25519", "ES256": "P-256", "ESP256": "P-256"}


class Status(IntEnum):
    """Registered status values (section 7.1); what is not listed here is treated as not valid."""

    VALID = 0
    INVALID = 1
    SUSPENDED = 2


class StatusList(msgspec.Struct, frozen=True):
    """The unpacked body: `bits` per entry (1, 2, 4 or 8) in `packed`, lowest bits first."""

    bits: int
    packed: bytes

    def status(self, index: int) -> int:
        """The value of entry `index`. Raises Unreadable if the list has no such entry (section 8.3)."""
        per_byte = 8 // self.bits
        if not 0 <= index < len(self.packed) * per_byte:
            raise Unreadable("The status list has no such entry.", rule="status-index")
        shift = index % per_byte * self.bits
        return self.packed[index // per_byte] >> shift & ((1 << self.bits) - 1)


class StatusToken(msgspec.Struct, frozen=True, kw_only=True):
    """One signed publication of a list; times in seconds since 1970, `ttl_s` how long a copy may be reused."""

    uri: str
    entries: StatusList
    issued_at: int
    expires: int | None = None
    ttl_s: int | None = None


def pack(size: int, bits: int, exceptions: Mapping[int, int]) -> StatusList:
    """A list of `size` entries that are all 0 except `exceptions` (index -> value).

    Raises ValueError if an index or a value does not fit: that would be a bug of the publisher.
    """
    per_byte = 8 // bits
    packed = bytearray(-(-size // per_byte))
    for index, value in exceptions.items():
        if not (0 <= index < size and 0 <= value < 1 << bits):
            raise ValueError("a status outside its list")
        packed[index // per_byte] |= value << index % per_byte * bits
    return StatusList(bits, bytes(packed))


def compress(entries: StatusList) -> bytes:
    """The `lst` member: ZLIB at its highest level (section 4.1)."""
    return zlib.compress(entries.packed, 9)


def inflate(bits: Any, lst: bytes) -> StatusList:
    """The list in `lst`. Raises Unreadable if it is damaged, larger than 16 MB or of another entry size."""
    if bits not in (1, 2, 4, 8) or type(bits) is not int:
        raise Unreadable("The status list has an unknown entry size.", rule="status-list")
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(lst, MAX_LIST_BYTES)
    except zlib.error as error:
        raise Unreadable("The status list is damaged.", rule="status-list") from error
    if not inflater.eof or inflater.unused_data:
        raise Unreadable("The status list is incomplete or too large.", rule="status-list")
    return StatusList(bits, packed)


def write_jwt(token: StatusToken, signer: cose.Signer, x5c: tuple[str, ...] = ()) -> str:
    """`token` as a Status List Token in JWT form, signed by `signer`, with its certificates if any (section 5.1)."""
    header: dict[str, Any] = {"alg": _JWT_ALG[signer.alg], "kid": signer.kid, "typ": TYP_JWT}
    if x5c:
        header["x5c"] = x5c
    lst = urlsafe_b64encode(compress(token.entries)).decode()
    claims: dict[str, Any] = {
        "sub": token.uri,
        "iat": token.issued_at,
        "status_list": {"bits": token.entries.bits, "lst": lst},
    }
    if token.expires is not None:
        claims["exp"] = token.expires
    if token.ttl_s is not None:
        claims["ttl"] = token.ttl_s
    signed = b".".join(urlsafe_b64encode(msgspec.json.encode(part)) for part in (header, claims))
    return (signed + b"." + urlsafe_b64encode(signer.sign(signed))).decode()


def write_cwt(token: StatusToken, signer: cose.Signer, certificate: bytes = b"") -> bytes:
    """`token` as a Status List Token in CWT form: COSE_Sign1, tag 18, with `certificate` in DER (section 5.2)."""
    claims: dict[int, Any] = {
        CLAIM_SUB: token.uri,
        CLAIM_IAT: token.issued_at,
        CLAIM_STATUS_LIST: {"bits": token.entries.bits, "lst": compress(token.entries)},
    }
    if token.expires is not None:
        claims[CLAIM_EXP] = token.expires
    if token.ttl_s is not None:
        claims[CLAIM_TTL] = token.ttl_s
    beside = {cose.HEADER_X5CHAIN: certificate} if certificate else {}
    return cose.sign(cbor2.dumps(claims, canonical=True), signer, {cose.HEADER_TYPE: MEDIA_CWT}, beside)


def read(token: str | bytes, keys: Mapping[bytes, cose.VerificationKey]) -> StatusToken:
    """The verified content of a Status List Token in either form.

    Raises Unreadable if it is malformed, NotGenuine if none of `keys` signed it (section 8.3, steps 1 to 4).
    """
    if isinstance(token, str):
        return _read_jwt(token, keys)
    return _read_cwt(token, keys)


def _read_jwt(token: str, keys: Mapping[bytes, cose.VerificationKey]) -> StatusToken:
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
        header, claims = (msgspec.json.decode(urlsafe_b64decode(part)) for part in signed.split(b"."))
        signature = urlsafe_b64decode(signature)
    except (ValueError, RecursionError) as error:  # msgspec and binascii errors are ValueErrors
        raise Unreadable("The status list is not a JWT.", rule="status-jwt") from error
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise Unreadable("The status list is not a JWT.", rule="status-jwt")
    if header.get("typ") != TYP_JWT or "crit" in header:
        raise Unreadable("The token is not a status list.", rule="status-typ")
    key = keys.get(str(header.get("kid")).encode())
    if key is None or _CURVE_OF_JWT_ALG.get(str(header.get("alg"))) != key.curve:
        raise NotGenuine("The status list was not signed with one of the issuer's keys.", rule="key")
    cose.verify_raw(key, signature, signed)
    body = claims.get("status_list")
    if not isinstance(body, dict) or not isinstance(body.get("lst"), str):
        raise Unreadable("The token holds no status list.", rule="status-list")
    try:
        lst = urlsafe_b64decode(body["lst"].encode())
    except ValueError as error:
        raise Unreadable("The status list is damaged.", rule="status-list") from error
    return _token(claims, ("sub", "iat", "exp", "ttl"), inflate(body.get("bits"), lst))


def _read_cwt(token: bytes, keys: Mapping[bytes, cose.VerificationKey]) -> StatusToken:
    message = cose.parse(token)
    if message.header.get(cose.HEADER_TYPE) != MEDIA_CWT:
        raise Unreadable("The token is not a status list.", rule="status-typ")
    claims = cose.read_cbor(cose.verify(message, keys))
    body = claims.get(CLAIM_STATUS_LIST) if isinstance(claims, dict) else None
    if not isinstance(body, dict) or not isinstance(body.get("lst"), bytes):
        raise Unreadable("The token holds no status list.", rule="status-list")
    entries = inflate(body.get("bits"), body["lst"])
    return _token(claims, (CLAIM_SUB, CLAIM_IAT, CLAIM_EXP, CLAIM_TTL), entries)


def _token(claims: dict[Any, Any], names: tuple[Any, ...], entries: StatusList) -> StatusToken:
    uri, issued_at, expires, ttl_s = (claims.get(name) for name in names)
    if not isinstance(uri, str) or type(issued_at) is not int:
        raise Unreadable("The status list lacks its address or its time.", rule="status-claims")
    if not all(value is None or type(value) is int for value in (expires, ttl_s)):
        raise Unreadable("A time of the status list is not a number.", rule="status-claims")
    return StatusToken(uri=uri, entries=entries, issued_at=issued_at, expires=expires, ttl_s=ttl_s)
