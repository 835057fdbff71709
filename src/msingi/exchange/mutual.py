"""Mutual TLS of the connections that the exchange and its clients make: what they show, and whom they believe."""

import ssl
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from msingi.exchange import certificates
from msingi.kernel import clock
from msingi.kernel.stack import Stack

OWN_DAYS = 2  # the exchange's certificate towards services is made anew after half of this time


def holding(certificate: Path | None, key: Path | None = None, trusted: Path | None = None) -> ssl.SSLContext:
    """The context of a client that shows a certificate (PEM), and believes servers by the machine's authorities, or by
    `trusted` (PEM)."""
    made = ssl.create_default_context(cafile=None if trusted is None else str(trusted))
    if certificate is not None:
        made.load_cert_chain(certificate, key)
    return made


def outward(stack: Stack) -> ssl.SSLContext:
    """The context of connections to services and peers: this exchange shows a certificate that its own key signed."""
    known: Any = stack.local.get("exchange.outward")
    signer, now = stack.keys.signer("exchange"), clock.now()
    if known is None or known[0] != signer.kid or (now - known[1]).days >= OWN_DAYS // 2:
        context: ssl.SSLContext = ssl.create_default_context() if known is None else known[2]
        _certify(stack, context, now)  # a context that is in use shows the new one from its next connection on
        known = stack.local["exchange.outward"] = (signer.kid, now, context)
    return known[2]


def _certify(stack: Stack, context: ssl.SSLContext, now: datetime) -> None:
    key, signer = ec.generate_private_key(ec.SECP256R1()), stack.keys.signer("exchange")
    name = f"exchange of {stack.profile.alpha2}"
    made = certificates.issued(signer.kid, signer.sign, name, key.public_key(), now, OWN_DAYS)
    raw = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.NamedTemporaryFile() as file:  # readable by this user alone; Python's ssl takes keys from files only
        file.write(certificates.as_pem(made) + raw)
        file.flush()
        context.load_cert_chain(file.name)


def authorities(stack: Stack) -> bytes:
    """The keys of this exchange as certificate authorities (PEM): services check with them who connects."""
    signer, now = stack.keys.signer("exchange"), clock.now()
    key = signer.public_key
    assert isinstance(key, Ed25519PublicKey)
    return certificates.as_pem(certificates.authority(signer.kid, signer.sign, key, now))
