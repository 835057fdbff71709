"""Signed notes and checkpoints, read strictly: what is accepted writes back to the very same bytes.

Clauses: C2SP signed-note, tlog-checkpoint, tlog-cosignature. Signature types 0x01 (Ed25519), 0x04 (timestamped
Ed25519 cosignature) and 0x06 (timestamped ML-DSA-44 cosignature, FIPS 204, which a quantum computer does not forge);
signatures by unknown keys are kept and ignored, as the clause demands.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey
from msgspec import Struct

from msingi.kernel.ed25519 import is_signed

ED25519 = 0x01
COSIGNATURE = 0x04
ML_DSA = 0x06
COSIGNS = (COSIGNATURE, ML_DSA)
KEY_SIZE = {ED25519: 32, COSIGNATURE: 32, ML_DSA: 1312}
MAX_SIGNATURES = 64
MAX_NOTE_SIZE = 400_000
MAX_TREE_SIZE = (1 << 63) - 1
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteBroken(ValueError):
    """A note, a checkpoint or a key is not written as the standard demands, or a signature on it is wrong."""


class NoTrustedSignature(NoteBroken):
    """No signature of a key that was asked for stands under the note."""


class WrongSignature(NoteBroken):
    """A signature that names a known key does not verify: the note or the signature was changed."""


class Signs(Protocol):
    """What can sign: a keystore's signer, or a private Ed25519 key."""

    def sign(self, data: bytes, /) -> bytes: ...


class Vkey(Struct, frozen=True):
    """A verifier key: `name`, signature `kind` (0x01, 0x04 or 0x06), `public` key (32 bytes, ML-DSA-44: 1,312)."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || kind || public)[:4] (signed-note, Signatures)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64(bytes([self.kind]) + self.public)}"


class Signature(Struct, frozen=True):
    """One signature line: key `name`, 4-byte `key_id`, and what the kind of key puts behind it."""

    name: str
    key_id: bytes
    blob: bytes

    def __str__(self) -> str:
        return f"— {self.name} {b64(self.key_id + self.blob)}\n"


class Note(Struct, frozen=True):
    """A signed note: `text` with its final newline, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(map(str, self.signatures))


class Checkpoint(Struct, frozen=True):
    """A tree head: who issued it, how many leaves, which 32-byte root, and opaque extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "\n".join([self.origin, str(self.size), b64(self.root), *self.extensions]) + "\n"


class Verified(Struct, frozen=True):
    """A signature that was checked: by which key, and for a cosignature when (POSIX seconds)."""

    vkey: Vkey
    at_s: int | None = None


def b64(raw: bytes) -> str:
    """Standard base64 with padding (RFC 4648, section 4)."""
    return base64.b64encode(raw).decode()


def unb64(text: str, what: str) -> bytes:
    """The bytes of canonical base64: no other text gives the same bytes. Raises NoteBroken, naming `what`."""
    try:
        raw = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise NoteBroken(f"{what} is not base64") from None
    if b64(raw) != text:
        raise NoteBroken(f"{what} is not canonical base64")
    return raw


def number(text: str, what: str) -> int:
    """A decimal number without leading zeros, below 2**63. Raises NoteBroken, naming `what`."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_TREE_SIZE:
        raise NoteBroken(f"{what} is not a plain decimal number")
    return int(text)


def hash_line(text: str, what: str) -> bytes:
    """The 32 bytes of a hash in base64. Raises NoteBroken, naming `what`."""
    raw = unb64(text, what)
    if len(raw) != 32:
        raise NoteBroken(f"{what} has {len(raw)} bytes, not 32")
    return raw


def check_name(name: str) -> str:
    """`name` if it can name a key: not empty, no space, no plus (signed-note, Format). Raises NoteBroken."""
    if not name or "+" in name or any(c.isspace() for c in name) or _CONTROL.search(name):
        raise NoteBroken("a key name must not be empty or hold spaces or plus signs")
    return name


def parse_vkey(text: str) -> Vkey:
    """The verifier key written as `name+hex+base64`. Raises NoteBroken."""
    parts = text.split("+", 2)
    if len(parts) != 3 or not _KEY_ID.fullmatch(parts[1]):
        raise NoteBroken("a verifier key is written name+id+key")
    raw = unb64(parts[2], "the verifier key")
    if not raw or len(raw) - 1 != KEY_SIZE.get(raw[0]):
        raise NoteBroken("only verifier keys of the types 0x01, 0x04 (Ed25519) and 0x06 (ML-DSA-44) are supported")
    vkey = Vkey(check_name(parts[0]), raw[0], raw[1:])
    if vkey.key_id.hex() != parts[1]:
        raise NoteBroken("the verifier key does not belong to its name and id")
    return vkey


def parse_signature(line: str) -> Signature:
    """A signature line without its newline. Raises NoteBroken."""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise NoteBroken("a signature line is an em dash, the key name and base64, one space between")
    raw = unb64(parts[2], "a signature")
    if len(raw) < 5:
        raise NoteBroken("a signature is too short")
    return Signature(check_name(parts[1]), raw[:4], raw[4:])


def parse_signatures(text: str) -> tuple[Signature, ...]:
    """Signature lines, each ended by a newline. Raises NoteBroken."""
    if not text.endswith("\n"):
        raise NoteBroken("a note ends with a newline")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteBroken(f"a note with more than {MAX_SIGNATURES} signatures is not read")
    return tuple(parse_signature(line) for line in lines)


def parse_note(raw: str | bytes) -> Note:
    """A signed note out of its bytes; `str(note)` gives the same bytes again. Raises NoteBroken."""
    if len(raw) > MAX_NOTE_SIZE:
        raise NoteBroken("the note is too long")
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        text.encode("utf-8")
    except UnicodeError:
        raise NoteBroken("a note is UTF-8") from None
    if _CONTROL.search(text):
        raise NoteBroken("a note holds no control characters but newlines")
    body, gap, tail = text.rpartition("\n\n")
    if not gap or not body:
        raise NoteBroken("a blank line must separate the text from the signatures")
    note = Note(body + "\n", parse_signatures(tail))
    if str(note) != text:  # the strict readers above leave no other way to write it; this holds them to it
        raise NoteBroken("the note is not written in its one canonical form")
    return note


def parse_checkpoint(text: str) -> Checkpoint:
    """The tree head in the text of a note (tlog-checkpoint, Note text). Raises NoteBroken."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise NoteBroken("a checkpoint is at least three lines, none empty")
    point = Checkpoint(
        lines[0], number(lines[1], "the tree size"), hash_line(lines[2], "the root hash"), tuple(lines[3:-1])
    )
    if str(point) != text:
        raise NoteBroken("the checkpoint is not written in its one canonical form")
    return point


def sign(text: str, name: str, signer: Signs, public: bytes) -> Signature:
    """A plain Ed25519 signature (type 0x01) over a note's text."""
    return Signature(name, Vkey(name, ED25519, public).key_id, signer.sign(text.encode()))


def cosigned_message(text: str, at_s: int) -> bytes:
    """What an Ed25519 cosignature signs (tlog-cosignature, Ed25519 signed message)."""
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def cosign(text: str, name: str, signer: Signs, public: bytes, at_s: int) -> Signature:
    """A timestamped cosignature (type 0x04) over a checkpoint's text; `at_s` in POSIX seconds."""
    blob = at_s.to_bytes(8, "big") + signer.sign(cosigned_message(text, at_s))
    return Signature(name, Vkey(name, COSIGNATURE, public).key_id, blob)


def subtree_message(cosigner: str, at_s: int, origin: str, size: int, root: bytes) -> bytes:
    """What an ML-DSA-44 cosignature of a whole tree signs (tlog-cosignature, ML-DSA-44 signed message)."""
    name, log = cosigner.encode(), origin.encode()
    if not (0 < len(name) < 256 and 0 < len(log) < 256):
        raise NoteBroken("the names of log and cosigner have 1 to 255 bytes")
    named = bytes([len(name)]) + name + at_s.to_bytes(8, "big") + bytes([len(log)]) + log
    return b"subtree/v1\n\0" + named + (0).to_bytes(8, "big") + size.to_bytes(8, "big") + root


def cosign_ml_dsa(text: str, name: str, key: MLDSA44PrivateKey, at_s: int) -> Signature:
    """A timestamped ML-DSA-44 cosignature (type 0x06) over a checkpoint; `at_s` in POSIX seconds, not 0."""
    point = parse_checkpoint(text)
    signed = key.sign(subtree_message(name, at_s, point.origin, point.size, point.root))
    public = key.public_key().public_bytes_raw()
    return Signature(name, Vkey(name, ML_DSA, public).key_id, at_s.to_bytes(8, "big") + signed)


def check_signature(text: str, signature: Signature, vkey: Vkey) -> Verified:
    """Check one signature with the key it names. Raises WrongSignature."""
    at_s: int | None = None
    message, blob = text.encode(), signature.blob
    if vkey.kind != ED25519:
        at_s, blob = int.from_bytes(blob[:8], "big"), blob[8:]
        if at_s > MAX_TREE_SIZE:
            raise WrongSignature(f"the cosignature of {vkey.name} has an impossible time")
    try:
        if vkey.kind == ML_DSA:
            point = parse_checkpoint(text)
            message = subtree_message(vkey.name, at_s or 0, point.origin, point.size, point.root)
            MLDSA44PublicKey.from_public_bytes(vkey.public).verify(blob, message)
        else:
            message = message if at_s is None else cosigned_message(text, at_s)
            if not is_signed(vkey.public, message, blob):
                raise InvalidSignature
    except (InvalidSignature, ValueError):
        raise WrongSignature(f"the signature of {vkey.name} does not verify") from None
    return Verified(vkey, at_s)


def verify(note: Note, vkeys: Iterable[Vkey]) -> list[Verified]:
    """The signatures by known keys, all checked; others are ignored (signed-note, Signatures).

    Raises WrongSignature if one of a known key fails, NoTrustedSignature if there is none.
    """
    known = {(vkey.name, vkey.key_id): vkey for vkey in vkeys}
    found = [
        check_signature(note.text, signature, vkey)
        for signature in note.signatures
        if (vkey := known.get((signature.name, signature.key_id))) is not None
    ]
    if not found:
        raise NoTrustedSignature("no signature of a trusted key stands under the note")
    return found


def log_keys(vkeys: Sequence[Vkey], origin: str) -> list[Vkey]:
    """Of `vkeys`, those with which the log called `origin` signs (its name is its origin line)."""
    return [vkey for vkey in vkeys if vkey.kind == ED25519 and vkey.name == origin]


def check(raw: str | bytes, vkeys: Sequence[Vkey]) -> tuple[Checkpoint, list[Verified]]:
    """The checkpoint in a note that its log signed, and all signatures by known keys.

    Raises NoteBroken: for another form, for an origin without a key in `vkeys`, for a wrong signature.
    """
    note = parse_note(raw)
    point = parse_checkpoint(note.text)
    verify(note, log_keys(vkeys, point.origin))
    return point, verify(note, vkeys)
