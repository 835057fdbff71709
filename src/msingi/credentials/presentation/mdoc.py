"""An mdoc's DeviceResponse, verified step by step (ISO/IEC 18013-5, 9.1 and 9.3; OpenID4VP 1.0, B.2).

Pure: keys come in, a verified credential goes out.
"""

import hashlib
import hmac
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from io import BytesIO
from typing import Any, NamedTuple

import cbor2

from msingi.credentials.presentation.errors import (
    NotForThisRequest,
    NotGenuine,
    NotHolder,
    OutOfDate,
    Refused,
    Unreadable,
)
from msingi.credentials.presentation.model import MDOC, Binding, Shown
from msingi.credentials.presentation.sdjwt import SKEW_S, status_place
from msingi.credentials.presentation.trust import Trusted, check_signature, key_of_jwk
from msingi.credentials.presentation.wire import from_base64url, to_base64url

ENCODED, TDATE, FULL_DATE = 24, 0, 1004
_DIGESTS = {"SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}  # ISO/IEC 18013-5, 9.1.2.5
_FORBIDDEN = (1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 43000, 55799)
MOST_DEPTH, X5CHAIN = 20, 33
CLAUSE_ISSUER, CLAUSE_DEVICE = "ISO/IEC 18013-5 9.3.1", "ISO/IEC 18013-5 9.1.3.6"


def _forbid(*_: object) -> Any:
    raise ValueError("a CBOR tag that an mdoc has no use for")


_TAGS: dict[int, Any] = dict.fromkeys(_FORBIDDEN, _forbid) | {
    ENCODED: lambda value, _: cbor2.CBORTag(ENCODED, value),
    TDATE: lambda value, _: cbor2.CBORTag(TDATE, value),
    FULL_DATE: lambda value, _: cbor2.CBORTag(FULL_DATE, value),
}


def read_cbor(content: bytes) -> Any:
    """One CBOR item that fills `content`; of tags only 0, 24 and 1004, which stay. Raises Unreadable (RFC 8949)."""
    source = BytesIO(content)
    try:
        item = cbor2.load(
            source, tag_hook=_forbid, semantic_decoders=_TAGS, max_depth=MOST_DEPTH, allow_duplicate_keys=False
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as wrong:
        raise Unreadable("This is not well-formed CBOR.", rule="cbor", clause="RFC 8949 5.3.1") from wrong
    if source.read(1):
        raise Unreadable("Something follows the content.", rule="cbor", clause="RFC 8949 5.3.1")
    return item


def transcript(binding: Binding) -> bytes:
    """The SessionTranscript as CBOR (OpenID4VP B.2.6.1, and B.2.6.2 for the Digital Credentials API)."""
    if binding.origin:
        name, parts = "OpenID4VPDCAPIHandover", [binding.origin, binding.nonce, binding.thumbprint]
    else:
        name = "OpenID4VPHandover"
        parts = [binding.client_id, binding.nonce, binding.thumbprint, binding.response_uri]
    return cbor2.dumps([None, None, [name, hashlib.sha256(cbor2.dumps(parts)).digest()]])


class Signed(NamedTuple):
    """A COSE_Sign1 without tag (RFC 9052, 4.2): protected header as sent, algorithm, x5chain, payload, signature."""

    protected: bytes
    algorithm: str
    chain: tuple[bytes, ...]
    payload: bytes | None
    signature: bytes

    def covered(self, detached: bytes = b"") -> bytes:
        """What the signature is over (RFC 9052, 4.4)."""
        return cbor2.dumps(["Signature1", self.protected, b"", detached if self.payload is None else self.payload])


def verify(text: str, binding: Binding, trusted: Trusted, now: int) -> list[Shown]:
    """The verified documents in the base64url DeviceResponse `text`; `now` in seconds since 1970.

    Raises a refusal that names rule and clause.
    """
    try:
        raw = from_base64url(text)
    except ValueError:
        raise Unreadable("The response is not base64url.", rule="base64url", clause="OpenID4VP B.2.5") from None
    # 1. A DeviceResponse with status 0 and documents (8.3.2.1.2.2).
    response = _map(read_cbor(raw), "DeviceResponse")
    if response.get("version") not in ("1.0", "1.1") or response.get("status") != 0:
        raise Unreadable("The response has another version or status.", rule="version-status")
    documents = response.get("documents")
    if not isinstance(documents, list) or not 0 < len(documents) <= 8:
        raise Unreadable("The response holds no documents.", rule="documents")
    return [_verify_document(_map(document, "Document"), binding, trusted, now) for document in documents]


def _verify_document(document: Mapping[Any, Any], binding: Binding, trusted: Trusted, now: int) -> Shown:
    kind = document.get("docType")
    if not isinstance(kind, str):
        raise Unreadable("The document names no type.", rule="docType")
    issuer_signed = _map(document.get("issuerSigned"), "IssuerSigned", {"nameSpaces", "issuerAuth"})
    signed = _sign1(issuer_signed.get("issuerAuth"))
    # 2. The certificate of the issuer is trusted for this type (9.3.1, step 1; 9.3.3).
    issuer = trusted.issuer_of_chain(signed.chain, (kind,), now)
    # 3. The issuer's signature over the mobile security object (9.3.1, step 2).
    check_signature(issuer.key, signed.algorithm, signed.signature, signed.covered(), NotGenuine)
    mso = _map(_encoded(signed.payload, "MobileSecurityObject"), "MobileSecurityObject")
    if mso.get("version") != "1.0" or mso.get("docType") != kind:
        raise NotGenuine("The signed type is another one.", rule="docType", clause=f"{CLAUSE_ISSUER} 4")
    # 4. Every element has the digest that was signed (9.3.1, step 3).
    claims = _elements(issuer_signed.get("nameSpaces"), mso)
    # 5. In its time (9.3.1, step 5).
    expires_at = _in_date(mso.get("validityInfo"), now)
    # 6. The device's key signed this very session (9.1.3.4).
    _check_device(document.get("deviceSigned"), mso, kind, binding)
    return Shown(
        format=MDOC,
        kind=kind,
        kinds=(kind,),
        issuer=issuer.name,
        claims=claims,
        bound=True,
        expires_at=expires_at,
        status=status_place(mso.get("status")),
        akis=issuer.akis,
        own=issuer.own,
    )


def _map(value: Any, what: str, members: Set[str] = frozenset()) -> Mapping[Any, Any]:
    if not isinstance(value, dict) or (members and not value.keys() <= members):
        raise Unreadable(f"{what} is not the map it should be.", rule="cddl", clause="ISO/IEC 18013-5 8.3.2.1.2.2")
    return value


def _encoded(raw: bytes | None, what: str) -> Any:
    """The item inside #6.24(bstr) bytes."""
    outer = read_cbor(raw) if raw is not None else None
    if not isinstance(outer, cbor2.CBORTag) or outer.tag != ENCODED or not isinstance(outer.value, bytes):
        raise Unreadable(f"{what} is not encoded in tag 24.", rule="cddl")
    return read_cbor(outer.value)


def _sign1(value: Any) -> Signed:
    if not isinstance(value, list) or len(value) != 4:
        raise Unreadable("A signature is not a COSE_Sign1.", rule="cose-sign1", clause="RFC 9052 4.2")
    protected, open_, payload, signature = value
    header = read_cbor(protected) if isinstance(protected, bytes) and protected else {}
    right = isinstance(protected, bytes) and isinstance(header, dict) and isinstance(open_, dict)
    if not right or not isinstance(payload, bytes | None) or not isinstance(signature, bytes):
        raise Unreadable("A part of a signature has the wrong type.", rule="cose-sign1", clause="RFC 9052 4.2")
    if 2 in header or 2 in open_ or 1 in open_:
        raise Unreadable("A signature has headers that are not allowed.", rule="cose-header", clause="RFC 9052 3.1")
    algorithm = header.get(1)
    if type(algorithm) is not int:
        raise Unreadable("A signature names no algorithm.", rule="cose-alg", clause="RFC 9052 3.1")
    chain = open_.get(X5CHAIN, header.get(X5CHAIN, ()))  # RFC 9360: one certificate, or a list
    chain = (chain,) if isinstance(chain, bytes) else tuple(chain) if isinstance(chain, list) else ()
    if not all(isinstance(der, bytes) for der in chain):
        raise Unreadable("The certificates are not bytes.", rule="x5chain", clause="RFC 9360 2")
    return Signed(protected, str(algorithm), chain, payload, signature)


def _elements(spaces: Any, mso: Mapping[Any, Any]) -> dict[str, dict[str, Any]]:
    """Namespace -> element -> value, each checked against the signed digest of its tagged bytes."""
    named = _DIGESTS.get(str(mso.get("digestAlgorithm")))
    digests = _map(mso.get("valueDigests"), "valueDigests")
    if named is None:
        raise Unreadable("The digests are of an unknown kind.", rule="digestAlgorithm")
    found: dict[str, dict[str, Any]] = {}
    for space, items in _map(spaces if spaces is not None else {}, "IssuerNameSpaces").items():
        known = digests.get(space)
        if not isinstance(space, str) or not isinstance(items, list) or not isinstance(known, dict):
            raise NotGenuine("A namespace was not signed.", rule="valueDigests", clause=f"{CLAUSE_ISSUER} 3")
        taken: set[int] = set()
        for item in items:
            if not isinstance(item, cbor2.CBORTag) or item.tag != ENCODED or not isinstance(item.value, bytes):
                raise Unreadable("An element is not encoded in tag 24.", rule="IssuerSignedItem")
            inner = _map(read_cbor(item.value), "IssuerSignedItem")
            number, name, random = (inner.get(k) for k in ("digestID", "elementIdentifier", "random"))
            if type(number) is not int or not isinstance(name, str) or not isinstance(random, bytes):
                raise Unreadable("An element is malformed.", rule="IssuerSignedItem")
            digest = hashlib.new(named, cbor2.dumps(item)).digest()
            signed = known.get(number)
            if not isinstance(signed, bytes) or not hmac.compare_digest(digest, signed) or number in taken:
                raise NotGenuine("An element was changed.", rule="digest", clause=f"{CLAUSE_ISSUER} 3")
            if name in found.get(space, {}):
                raise Unreadable("An element stands twice.", rule="elementIdentifier")
            taken.add(number)
            found.setdefault(space, {})[name] = as_json(inner.get("elementValue"))
    return found


def as_json(value: Any) -> Any:
    """A CBOR value as JSON: dates as texts, bytes as base64url (RFC 8949, 6.1). Raises Unreadable for what has none."""
    if isinstance(value, cbor2.CBORTag):
        if value.tag == ENCODED and isinstance(value.value, bytes):
            return as_json(read_cbor(value.value))
        return as_json(value.value)
    if isinstance(value, bytes):
        return to_base64url(value)
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {str(name): as_json(item) for name, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise Unreadable("A value has no JSON form.", rule="elementValue", clause="RFC 8949 6.1")


def _moment(value: Any) -> int:
    text = value.value if isinstance(value, cbor2.CBORTag) and value.tag == TDATE else None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Unreadable("A time of the document is malformed.", rule="tdate", clause="ISO/IEC 18013-5 9.1.2.4")
    return int(moment.astimezone(UTC).timestamp())


def _in_date(validity: Any, now: int) -> int:
    times = _map(validity, "validityInfo")
    begins, expires = _moment(times.get("validFrom")), _moment(times.get("validUntil"))
    if now >= expires:
        raise OutOfDate("The document has expired.", rule="validUntil", clause=f"{CLAUSE_ISSUER} 5")
    if now + SKEW_S < begins:
        raise OutOfDate("The document is not valid yet.", rule="validFrom", clause=f"{CLAUSE_ISSUER} 5")
    return expires


def _device_jwk(mso: Mapping[Any, Any]) -> dict[str, str]:
    """The device key, a COSE_Key (RFC 9053, 7), as the JWK that says the same."""
    key = _map(_map(mso.get("deviceKeyInfo"), "deviceKeyInfo").get("deviceKey"), "deviceKey")
    kinds: dict[tuple[Any, Any], tuple[str, str]] = {(2, 1): ("EC", "P-256"), (1, 6): ("OKP", "Ed25519")}
    kind = kinds.get((key.get(1), key.get(-1)), ("", ""))
    x, y = key.get(-2), key.get(-3) if kind[0] == "EC" else b""
    if not isinstance(x, bytes) or not isinstance(y, bytes):
        raise NotHolder("The device key is malformed.", rule="deviceKey", clause="RFC 9053 7.1")
    return {"kty": kind[0], "crv": kind[1], "x": to_base64url(x), "y": to_base64url(y)}


def _check_device(value: Any, mso: Mapping[Any, Any], kind: str, binding: Binding) -> None:
    """ISO/IEC 18013-5, 9.1.3: the signature of the device over session, type and its own elements."""
    device = _map(value, "DeviceSigned", {"nameSpaces", "deviceAuth"})
    spaces, auth = device.get("nameSpaces"), _map(device.get("deviceAuth"), "DeviceAuth")
    if not isinstance(spaces, cbor2.CBORTag) or spaces.tag != ENCODED or not isinstance(spaces.value, bytes):
        raise Unreadable("The device's elements are not encoded in tag 24.", rule="DeviceNameSpaces")
    if _map(read_cbor(spaces.value), "DeviceNameSpaces"):
        # What a holder says of themselves is not what the issuer said: nothing asks for it, so nothing takes it.
        raise Refused("The device added elements of its own.", rule="DeviceNameSpaces", clause="law 3")
    if "deviceMac" in auth:
        raise NotHolder(
            "A MAC needs a reader's key; a signature is accepted.", rule="deviceMac", clause="OpenID4VP B.2.2"
        )
    signed = _sign1(auth.get("deviceSignature"))
    if signed.payload is not None:
        raise Unreadable("The device's signature is not detached.", rule="deviceSignature", clause=CLAUSE_DEVICE)
    key = key_of_jwk(_device_jwk(mso), NotHolder)
    session = read_cbor(transcript(binding))
    inner = cbor2.dumps(["DeviceAuthentication", session, kind, spaces])
    covered = signed.covered(cbor2.dumps(cbor2.CBORTag(ENCODED, inner)))
    # A proof of another session and a forged one look alike: both leave the holder's presence unproved.
    check_signature(key, signed.algorithm, signed.signature, covered, NotForThisRequest)
