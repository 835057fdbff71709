"""The code on a certificate: a JWS (RFC 7515) of what the entry says, by the key that also signs cards.

Whoever has the trust file can check it without a network; whether the entry still stands is asked at its door.
"""

import base64
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from msingi.identity.civil.model import Entry, Facts
from msingi.kernel.stack import Stack

TYPE: Final = "civil-certificate+jwt"
KEY: Final = "credentials"


class Signed(msgspec.Struct, frozen=True):
    """What the code says: issuer, the entry's kind, number and version, the pseudonym of the registry, the facts."""

    iss: str
    kind: str
    entry: str
    version: int
    sub: str
    facts: Facts


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(stack: Stack, entry: Entry) -> str:
    """The code of an entry."""
    signer = stack.keys.signer(KEY)
    head = _b64(msgspec.json.encode({"alg": signer.alg, "typ": TYPE, "kid": signer.kid}))
    # The subject is a pseudonym of the certificates alone: it joins with nothing that any institution holds.
    subject = stack.pseudonym.of("civil-certificate", entry.person_id)
    what = Signed(stack.settings.url, entry.kind, entry.entry_number, entry.version, subject, entry.facts)
    message = f"{head}.{_b64(msgspec.json.encode(what))}"
    return f"{message}.{_b64(signer.sign(message.encode()))}"


def opened(stack: Stack, code: str) -> Signed | None:
    """What a code says, if a key of this registry signed exactly that; None for anything else."""
    parts = code.split(".")
    if len(code) > 4096 or len(parts) != 3 or not code.isascii():
        return None
    try:
        # 1. The header is one of ours: EdDSA, our type, a key of our register (RFC 7515, 4.1; RFC 8725, 3.1 and 3.11).
        head = msgspec.json.decode(_raw(parts[0]), type=dict[str, str])
        if (head.get("alg"), head.get("typ")) not in ((("EdDSA"), TYPE), ("Ed25519", TYPE)):
            return None
        key = next(k for k in stack.keys.public(KEY) if k["kid"] == head.get("kid"))
        # 2. The signature is over exactly these characters (RFC 7515, 5.2).
        public = Ed25519PublicKey.from_public_bytes(_raw(key["x"]))
        public.verify(_raw(parts[2]), f"{parts[0]}.{parts[1]}".encode())
        # 3. One writing only: a signature that decodes to the same bytes from other characters is another text.
        if [_b64(_raw(part)) for part in parts] != parts:
            return None
        return msgspec.json.decode(_raw(parts[1]), type=Signed)
    except (ValueError, StopIteration, InvalidSignature, msgspec.DecodeError):
        return None
