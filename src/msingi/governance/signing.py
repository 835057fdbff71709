"""What governance signs: canonical JSON (RFC 8785) under a compact JWS (RFC 7515) by the stack's `consent` key."""

import base64
from typing import Any

import msgspec

from msingi.kernel.stack import Stack


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def canonical(value: Any) -> bytes:
    """Members sorted, no blanks; fractions do not occur in what is signed here."""
    return msgspec.json.encode(value, order="sorted")


def sign(stack: Stack, value: Any) -> tuple[str, str]:
    """The JWS over `value`, and the id of the key, which /v1/consent/keys and the trust file publish."""
    signer = stack.keys.signer("consent")
    header = canonical({"alg": "EdDSA", "kid": signer.kid, "typ": "JOSE"})
    signed = f"{_b64(header)}.{_b64(canonical(value))}"
    return f"{signed}.{_b64(signer.sign(signed.encode()))}", signer.kid
