"""The package: a folder of enciphered parts and a signed manifest; and the answer of the machine that took it."""

import base64
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.bindings import (
    crypto_box_seal,
    crypto_box_seal_open,
    crypto_sign_ed25519_pk_to_curve25519,
    crypto_sign_ed25519_sk_to_curve25519,
)
from nacl.exceptions import CryptoError

from msingi.exchange.federation.model import PublicKey
from msingi.exchange.governance import public_key
from msingi.exchange.moving.errors import PackageWrong
from msingi.exchange.moving.model import Cells, Signed
from msingi.kernel.keys import Signer, SoftwareSigner

T = TypeVar("T")
MANIFEST, ANSWER = "manifest.json", "taken.json"


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def signed(document: msgspec.Struct, signer: Signer) -> bytes:
    """A document signed by this machine, as a file."""
    body = msgspec.json.encode(document)
    return msgspec.json.format(msgspec.json.encode(Signed(body.decode(), signer.kid, _b64(signer.sign(body)))))


def opened(raw: bytes, kind: type[T], keys: Iterable[PublicKey]) -> tuple[T, str]:
    """A document that one of `keys` signed, and the SHA-256 of what was signed. Raises PackageWrong."""
    try:
        told = msgspec.json.decode(raw, type=Signed)
        x = next(key.x for key in keys if key.kid == told.kid)
        public_key(x).verify(base64.b64decode(told.signature), told.body.encode())
        return msgspec.json.decode(told.body, type=kind), hashlib.sha256(told.body.encode()).hexdigest()
    except StopIteration:
        raise PackageWrong("it is signed by a key that is not pinned") from None
    except (msgspec.MsgspecError, ValueError, InvalidSignature) as wrong:
        raise PackageWrong(f"it cannot be read, or its signature is wrong ({type(wrong).__name__})") from None


def boxed(key: bytes, reader: PublicKey) -> str:
    """The package's key for one reader: a sealed box to the X25519 form of its Ed25519 key."""
    x = base64.urlsafe_b64decode(reader.x + "=" * (-len(reader.x) % 4))
    return _b64(crypto_box_seal(key, crypto_sign_ed25519_pk_to_curve25519(x)))


def unboxed(box: str, signer: Signer) -> bytes:
    """The package's key. Raises PackageWrong for another reader, or where a hardware module keeps the key to itself."""
    if not isinstance(signer, SoftwareSigner):
        raise PackageWrong("the key of this machine is in a hardware module, which opens no box: take it with another")
    public = signer.private_key.public_key().public_bytes_raw()  # type: ignore[union-attr]
    secret = signer.private_key.private_bytes_raw() + public  # type: ignore[union-attr]
    try:
        ours = crypto_sign_ed25519_sk_to_curve25519(secret)
        return crypto_box_seal_open(base64.b64decode(box), crypto_sign_ed25519_pk_to_curve25519(public), ours)
    except (CryptoError, ValueError):
        raise PackageWrong("it is for another machine") from None


def enciphered(key: bytes, name: str, plain: bytes) -> bytes:
    """Bytes that belong under this name of this package."""
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plain, name.encode())


def deciphered(key: bytes, name: str, blob: bytes) -> bytes:
    """What was enciphered under this name. Raises PackageWrong."""
    try:
        return AESGCM(key).decrypt(blob[:12], blob[12:], name.encode())
    except InvalidTag:
        raise PackageWrong(f"{name} was changed") from None


def part_name(number: int) -> str:
    """The name of a part in its folder."""
    return f"part-{number:06d}"


def write(folder: Path, name: str, raw: bytes) -> None:
    """Put a file in place at once, on disk, so that a sending that is cut off leaves no half of one."""
    draft = folder / f"{name}.new"
    with draft.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / name)


def part(key: bytes, number: int, rows: list[Cells]) -> bytes:
    """A part of a package."""
    return enciphered(key, part_name(number), msgspec.msgpack.encode(rows))


def rows_of(key: bytes, number: int, raw: bytes) -> list[Cells]:
    """What is in a part. Raises PackageWrong."""
    return msgspec.msgpack.decode(deciphered(key, part_name(number), raw), type=list[list[Any]])
