"""Client certificates of mutual TLS: bound to the institution's registered key, whoever issued them.

TLS ends in a proxy before the gateway, which checks that the client holds the certificate's key and passes the
certificate on in `Client-Cert`: as RFC 9440 writes it (`:base64 of DER:`), or as nginx does ($ssl_client_escaped_cert,
percent-encoded PEM). Trust comes from the exchange's own register of keys: a certificate is that of a subsystem if its
public key is one of the subsystem's keys. So no certificate authority is needed, and stopping a key stops both.
"""

import base64
import binascii
from datetime import datetime
from functools import lru_cache
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from msingi.exchange.errors import SignatureRefused
from msingi.kernel.keys import public_jwk

_MOST = 16_384


@lru_cache(maxsize=1024)
def _read(header: str) -> tuple[str, datetime, datetime]:
    """The RFC 7638 thumbprint of a certificate's key, and from when to when it is valid. Raises ValueError."""
    if header.startswith(":") and header.endswith(":"):
        found = x509.load_der_x509_certificate(base64.b64decode(header[1:-1], validate=True))
    else:
        found = x509.load_pem_x509_certificate(unquote(header).encode())
    key = found.public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("another kind of key")
    return public_jwk(key)["kid"], found.not_valid_before_utc, found.not_valid_after_utc


def kid_of(header: str, now: datetime) -> str:
    """The thumbprint of the key of the certificate that a proxy passed on.

    Raises SignatureRefused for none, an unreadable one, one of another kind of key, or one whose time is not now.
    """
    if not header or len(header) > _MOST:
        raise SignatureRefused("this exchange asks for a client certificate, and the connection has none", step=5)
    try:
        kid, first, last = _read(header)
    except (ValueError, binascii.Error):
        raise SignatureRefused("RFC 9440 2: the client certificate is not one of an Ed25519 key", step=5) from None
    if not first <= now <= last:
        raise SignatureRefused("RFC 5280 4.1.2.5: the client certificate is not valid now", step=3)
    return kid
