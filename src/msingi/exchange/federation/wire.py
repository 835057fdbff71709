"""The outside shapes of federation: a signed directory (RFC 7515), and the proof of a peer's answer."""

import base64
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from msingi.exchange import signature
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.federation.errors import AnchorWrong, DirectoryRefused
from msingi.exchange.federation.model import Anchor, Directory, PublicKey
from msingi.exchange.governance import public_key
from msingi.exchange.signature import Message

TYPE = "msingi-directory+jwt"
MOST_BYTES = 32 * 1024 * 1024


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def signed(directory: Directory, kid: str, sign: Callable[[bytes], bytes]) -> str:
    """The directory as a compact JWS by Ed25519 (RFC 7515 section 3.1, RFC 8037 section 3.1)."""
    head = _b64(msgspec.json.encode({"alg": "EdDSA", "kid": kid, "typ": TYPE}))
    body = _b64(msgspec.json.encode(directory))
    return f"{head}.{body}.{_b64(sign(f'{head}.{body}'.encode()))}"


def opened(token: str, keys: Iterable[PublicKey]) -> tuple[str, Directory]:
    """The key id and the directory of a compact JWS that one of `keys` signed. Raises DirectoryRefused.

    The format of a directory is checked after its signature (RFC 7515 section 5.2).
    """
    try:
        if len(token) > MOST_BYTES:
            raise ValueError("too long")
        head, body, mark = token.strip().split(".")
        header = msgspec.json.decode(_raw(head), type=dict[str, Any])
        kid = str(header.get("kid", ""))
        known = {key.kid: key.x for key in keys}
        if header.get("alg") != "EdDSA" or header.get("typ") != TYPE or kid not in known:
            raise DirectoryRefused("it is signed by a key that is not pinned, or in another way")
        public_key(known[kid]).verify(_raw(mark), f"{head}.{body}".encode())
        return kid, msgspec.json.decode(_raw(body), type=Directory)
    except DirectoryRefused:
        raise
    except Exception as wrong:  # InvalidSignature, ValueError, msgspec's own: none of them is a directory
        raise DirectoryRefused(f"it cannot be read, or its signature is wrong ({type(wrong).__name__})") from None


def anchor_of(raw: bytes) -> Anchor:
    """An anchor file. Raises AnchorWrong, saying what is wrong with it."""
    try:
        return msgspec.json.decode(raw, type=Anchor)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise AnchorWrong(str(wrong), field="anchor") from None


def proof(answer: Message) -> str:
    """What a third party needs to verify a peer's answer again: its signed fields and its request's signature."""
    assert answer.request is not None
    names = [n for n in (*signature.ANSWER_DECISIVE, "x-road-id", "content-digest", "signature", "signature-input")]
    kept = {
        "status": answer.status,
        "fields": {n: answer.fields[n] for n in names if n in answer.fields},
        "request": {"signature": answer.request.fields["signature"]},
        "target": [answer.request.method, answer.request.path, answer.request.query],
    }
    return _b64(msgspec.json.encode(kept))


class _Kept(msgspec.Struct, frozen=True):
    status: int
    fields: dict[str, str]
    request: dict[str, str]
    target: tuple[str, str, str]


def verify_proof(text: str, asked: Message, body: bytes, keys: Iterable[dict[str, str]], now: int) -> int:
    """The status of the peer's answer, if one of its `keys` signed exactly this body for what was `asked` (law 5).

    Raises SignatureRefused: the exchange between has changed something, or the answer is to another request.
    """
    try:
        kept = msgspec.json.decode(_raw(text), type=_Kept)
    except (ValueError, msgspec.DecodeError):
        raise SignatureRefused("the proof of the answer cannot be read", step=1) from None
    if tuple(kept.target) != (asked.method, asked.path, asked.query):
        raise SignatureRefused("this answer is to another request", step=8)
    if kept.fields.get("x-road-id", "").lower() != asked.fields.get("x-road-id", "").lower():
        raise SignatureRefused("this answer is to another message", step=8)
    request = Message(asked.method, "", asked.path, asked.query, dict(kept.request))
    known = {key["kid"]: public_key(key["x"]) for key in keys}
    signature.verify(Message(status=kept.status, fields=kept.fields, request=request), body, known.get, now)
    return kept.status
