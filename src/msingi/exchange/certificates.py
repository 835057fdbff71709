"""Certificates of mutual TLS: each registered key is the certificate authority of the software that holds it.

Trust comes from the exchange's own register of keys, so no other authority is needed, and stopping a key stops all that
it signed. A certificate belongs to a registered key in one of two ways.

1. The key signed it: the issuer is `CN=<thumbprint of the key>` (RFC 7638), and the certificate may hold a key of any
   kind, so that the one that signs messages need not lie where connections are made.
2. It holds the registered key itself, whoever signed it (RFC 8705 section 2.2, self-signed).

OpenSSL checks the first kind in the handshake, against an anchor made here for each registered key. A proxy that ends
TLS passes a certificate of either kind on, in `Client-Cert`: as RFC 9440 writes it (`:base64 of DER:`), or as nginx
does ($ssl_client_escaped_cert, percent-encoded PEM).
"""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from msingi.exchange.errors import SignatureRefused
from msingi.kernel.keys import public_jwk

_MOST = 16_384
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")
_ED25519 = bytes.fromhex("300506032b6570")  # AlgorithmIdentifier of RFC 8410 section 3
CLOCK_SKEW = timedelta(minutes=5)
ANCHOR_YEARS = 10
Sign = Callable[[bytes], bytes]


class Shown(Struct, frozen=True):
    """A certificate that a connection showed: the registered key it claims to be of, its time, and its signature.

    `own` holds the certificate's key where that is the registered one; otherwise `signature` is to be that key's.
    """

    kid: str
    first: datetime
    last: datetime
    own: bytes
    signed: bytes
    signature: bytes

    def is_of(self, key: bytes) -> bool:
        """Whether it belongs to this registered Ed25519 key."""
        if self.own:
            return self.own == key
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(self.signature, self.signed)
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=1024)
def _read(header: str | bytes) -> Shown:
    """A certificate as DER, or as a proxy writes it. Raises ValueError."""
    if isinstance(header, bytes):
        found = x509.load_der_x509_certificate(header)
    elif header.startswith(":") and header.endswith(":"):
        found = x509.load_der_x509_certificate(base64.b64decode(header[1:-1], validate=True))
    else:
        found = x509.load_pem_x509_certificate(unquote(header).encode())
    issuer = [one.value for one in found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
    kid, own, key = issuer[0] if len(issuer) == 1 else "", b"", found.public_key()
    if not isinstance(kid, str) or not _THUMBPRINT.fullmatch(kid):
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("of no registered key")
        kid, own = public_jwk(key)["kid"], key.public_bytes_raw()
    first, last = found.not_valid_before_utc, found.not_valid_after_utc
    return Shown(kid, first, last, own, found.tbs_certificate_bytes, found.signature)


def read(shown: str | bytes, now: datetime) -> Shown:
    """What a connection showed: DER where TLS ended here, otherwise what a proxy passed on.

    Raises SignatureRefused for none, an unreadable one, one of no registered key, or one whose time is not now.
    """
    if not shown or len(shown) > _MOST:
        raise SignatureRefused("this exchange asks for a client certificate, and the connection has none", step=5)
    try:
        found = _read(shown)
    except (ValueError, binascii.Error):
        raise SignatureRefused(
            "RFC 9440 2: the client certificate neither holds nor is signed by an Ed25519 key of the register", step=5
        ) from None
    if not found.first <= now <= found.last:
        raise SignatureRefused("RFC 5280 4.1.2.5: the client certificate is not valid now", step=3)
    return found


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(draft: x509.CertificateBuilder, sign: Sign) -> bytes:
    """The certificate (DER) with a signature by a key that may lie in a hardware module (RFC 5280 section 4.1.1)."""
    content = draft.sign(Ed25519PrivateKey.generate(), None).tbs_certificate_bytes
    inner = content + _ED25519 + b"\x03\x41\x00" + sign(content)
    size = len(inner).to_bytes((len(inner).bit_length() + 7) // 8)
    return b"\x30" + (bytes([len(inner)]) if len(inner) < 128 else bytes([0x80 | len(size)]) + size) + inner


def issued(
    kid: str, sign: Sign, subject: str, key: EllipticCurvePublicKey | Ed25519PublicKey, now: datetime, days: int
) -> bytes:
    """A certificate (DER) for the TLS key of `subject`, signed by the registered key `kid`; it can sign no other."""
    draft = x509.CertificateBuilder(_named(kid), _named(subject[:64]), key, x509.random_serial_number())
    draft = draft.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + timedelta(days=days))
    draft = draft.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    uses = [ExtendedKeyUsageOID.CLIENT_AUTH]
    return _signed(draft.add_extension(x509.ExtendedKeyUsage(uses), critical=False), sign)


def authority(kid: str, sign: Sign, key: Ed25519PublicKey, now: datetime) -> bytes:
    """A registered key as certificate authority (DER), for whoever checks what it signed with usual tools."""
    draft = x509.CertificateBuilder(_named(kid), _named(kid), key, 1)
    draft = draft.not_valid_before(now - CLOCK_SKEW).not_valid_after(now + timedelta(days=365 * ANCHOR_YEARS))
    draft = draft.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "crl_sign", "encipher_only", "decipher_only"), False,
    )  # fmt: skip
    return _signed(draft.add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True), sign)


_nobody = Ed25519PrivateKey.generate()  # signs anchors, whose signatures nobody looks at


def anchor(kid: str, key: bytes, now: datetime) -> bytes:
    """A registered key as trust anchor (DER) for OpenSSL, which believes anchors without looking at who signed them."""
    return authority(kid, _nobody.sign, Ed25519PublicKey.from_public_bytes(key), now)


def as_pem(der: bytes) -> bytes:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
