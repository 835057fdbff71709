"""FSPIOP signatures (Signature 1.1): a JWS over the exact body and the headers that route a message."""

import binascii
from collections.abc import Mapping
from functools import lru_cache

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from msingi.payments.switch.errors import BadKey, BadSignature

MIN_BITS = 2048
HASHES = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), str.maketrans("-_", "+/")
_PADDING = padding.PKCS1v15()
# Protected members, and the headers that must say the same where they are protected or required.
URI, METHOD, SOURCE, DESTINATION = "FSPIOP-URI", "FSPIOP-HTTP-Method", "FSPIOP-Source", "FSPIOP-Destination"


class Signature(msgspec.Struct, frozen=True, rename="camel"):
    """The value of the header FSPIOP-Signature."""

    signature: str
    protected_header: str


def b64(raw: bytes) -> str:
    """base64url without padding."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode()


def unb64(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ValueError."""
    if not text.isascii() or "=" in text or "+" in text or "/" in text:
        raise ValueError("not base64url")
    try:
        padded = text.translate(_FROM_URL) + "==="[: -len(text) % 4]
        return binascii.a2b_base64(padded, strict_mode=True)
    except binascii.Error as wrong:
        raise ValueError("not base64url") from wrong


@lru_cache(maxsize=4096)
def public_key(pem: str) -> rsa.RSAPublicKey:
    """The RSA public key in PEM. Raises BadKey for another kind of key, or one under 2048 bits."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadKey("The key is not a public key in PEM.", field="key", rule="pem") from None
    if not isinstance(key, rsa.RSAPublicKey) or not MIN_BITS <= key.key_size <= 8192:
        raise BadKey("The key is an RSA key of at least 2048 bits.", field="key", rule="rsa>=2048")
    return key


@lru_cache(maxsize=64)
def _private(pem: bytes) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


def new_key() -> tuple[bytes, str]:
    """A new RSA key of 2048 bits: the private key and the public key, both in PEM."""
    key = rsa.generate_private_key(65537, MIN_BITS)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public.decode()


def sign(pem: bytes, method: str, uri: str, source: str, destination: str, date: str, body: bytes) -> dict[str, str]:
    """The three headers of a signed message (RS256). `uri` begins at the service: /transfers/1."""
    protected = {"alg": "RS256", URI: uri, METHOD: method, SOURCE: source}
    if destination:
        protected[DESTINATION] = destination
    if date:
        protected["Date"] = date
    head = b64(msgspec.json.encode(protected))
    raw = _private(pem).sign(f"{head}.{b64(body)}".encode(), _PADDING, HASHES["RS256"])
    value = msgspec.json.encode(Signature(b64(raw), head)).decode()
    return {"FSPIOP-Signature": value, URI: uri, METHOD: method}


def verify(pem: str, headers: Mapping[str, str], method: str, uri: str, body: bytes) -> dict[str, str]:
    """The protected header of a message whose signature holds; `headers` by lower-case name, `body` as received.

    1. The header value has a signature and a protected header. 2. The algorithm is RS256, RS384 or RS512. 3. What is
    protected about address and method is what was asked for, and what the headers say. 4. Source, destination and
    date are those of the headers. 5. The signature is the key's. Raises BadSignature naming the step (Signature 1.1,
    section 4.2).
    """
    try:
        told = _VALUE.decode(headers.get("fspiop-signature", ""))
        protected = _PROTECTED.decode(unb64(told.protected_header))
        raw = unb64(told.signature)
    except (msgspec.DecodeError, ValueError):
        raise BadSignature("FSPIOP-Signature cannot be read.", field="FSPIOP-Signature", rule="jws") from None
    algorithm = HASHES.get(protected.get("alg", ""))
    if algorithm is None:
        raise BadSignature("The algorithm is RS256, RS384 or RS512.", field="alg", rule="RS256|RS384|RS512")
    if protected.get(METHOD) != method or headers.get("fspiop-http-method", method) != method:
        raise BadSignature("Another method was signed.", field=METHOD, rule="signed-method")
    if protected.get(URI) != uri or headers.get("fspiop-uri", uri) != uri:
        raise BadSignature("Another address was signed.", field=URI, rule="signed-uri")
    if protected.get(SOURCE) != headers.get("fspiop-source"):
        raise BadSignature("Another source was signed.", field=SOURCE, rule="signed-source")
    if protected.get(DESTINATION, "") != headers.get("fspiop-destination", ""):
        raise BadSignature("Another destination was signed.", field=DESTINATION, rule="signed-destination")
    if "Date" in protected and protected["Date"] != headers.get("date"):
        raise BadSignature("Another date was signed.", field="Date", rule="signed-date")
    try:
        public_key(pem).verify(raw, told.protected_header.encode() + b"." + b64(body).encode(), _PADDING, algorithm)
    except InvalidSignature:
        raise BadSignature(field="FSPIOP-Signature", rule="signature") from None
    return protected


_VALUE = msgspec.json.Decoder(Signature)
_PROTECTED = msgspec.json.Decoder(dict[str, str])
