"""Nonces for proofs of keys: made without a table, told apart from invented ones by a keyed hash, used once."""

import hashlib
import hmac
import os

from msingi.credentials.forms import jose
from msingi.credentials.issuance.errors import InvalidNonce
from msingi.credentials.issuance.rules import NONCE_S
from msingi.kernel.stack import Stack

_RANDOM, _TIME, _MAC = 16, 4, 16


def make(stack: Stack, now: float) -> str:
    """A nonce of 128 random bits that is good for five minutes."""
    body = os.urandom(_RANDOM) + int(now + NONCE_S).to_bytes(_TIME)
    return jose.b64(body + _mac(stack, body))


def read(stack: Stack, nonce: object, now: float) -> tuple[bytes, int]:
    """What must not come twice of a nonce, and until when. Raises InvalidNonce, naming the check."""
    try:
        raw = jose.unb64(nonce) if isinstance(nonce, str) else b""
    except ValueError:
        raw = b""
    body = raw[:-_MAC]
    if len(raw) != _RANDOM + _TIME + _MAC or not hmac.compare_digest(raw[-_MAC:], _mac(stack, body)):
        raise InvalidNonce("The nonce is not one of this issuer.", rule="nonce of this issuer")
    until = int.from_bytes(body[_RANDOM:])
    if until <= now:
        raise InvalidNonce("The nonce is too old.", rule=f"used within {NONCE_S} seconds")
    return body[:_RANDOM], until


def _mac(stack: Stack, body: bytes) -> bytes:
    return hmac.digest(stack.keys.mac("room"), b"credentials.nonce" + body, hashlib.sha256)[:_MAC]
