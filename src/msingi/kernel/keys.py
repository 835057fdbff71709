"""Keys: named, versioned, encrypted at rest; a hardware module can hold them instead.

The software keystore is one file, sealed with AES-256-GCM under a key that scrypt (RFC 7914) makes from a
passphrase: `MSINGI_KEY_PASSPHRASE`, or the file `keystore.secret` beside it, made at first start with mode 0600.
"""

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from nacl.bindings import crypto_sign

if TYPE_CHECKING:
    from msingi.kernel.hsm import HsmKeys

SIGNING = {
    "log": "Ed25519",
    "credentials": "Ed25519",
    "exchange": "Ed25519",
    "consent": "Ed25519",
    "witness": "Ed25519",
    "oidc": "ES256",
    "issuer": "ES256",
    "access": "ES256",  # requests for presentations, and the authority that certifies who asks
    "access-authority": "ES256",
}
SECRETS = ("blind", "pseudonym", "room", "wrap", "witness-ml-dsa")  # the last is the seed of an ML-DSA-44 key
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 2**26}


class Version(msgspec.Struct):
    """One version of a named key: `secret` is 32 bytes; `retired` versions verify but no longer sign."""

    name: str
    version: int
    secret: bytes
    retired: bool = False


class Signer(Protocol):
    """Signs with one version of a named key; the secret may live in a hardware module."""

    kid: str
    alg: str
    public_key: PublicKey
    jwk: dict[str, str]

    def sign(self, message: bytes) -> bytes: ...


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def public_jwk(key: PublicKey) -> dict[str, str]:
    """The public key as JWK with its RFC 7638 thumbprint as `kid`, `alg` and `use`."""
    if isinstance(key, ed25519.Ed25519PublicKey):
        raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
        members = {"crv": "Ed25519", "kty": "OKP", "x": _b64(raw)}
        alg = "EdDSA"
    else:
        numbers = key.public_numbers()
        members = {
            "crv": "P-256",
            "kty": "EC",
            "x": _b64(numbers.x.to_bytes(32)),
            "y": _b64(numbers.y.to_bytes(32)),
        }
        alg = "ES256"
    thumbprint = hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest()
    return members | {"kid": _b64(thumbprint), "alg": alg, "use": "sig"}


class SoftwareSigner:
    """A signing key in memory. `sign` gives 64 bytes: Ed25519, or r || s for ES256 (RFC 7518, section 3.4)."""

    def __init__(self, alg: str, secret: bytes) -> None:
        self.alg = alg
        if alg == "Ed25519":
            self._ed = ed25519.Ed25519PrivateKey.from_private_bytes(secret)
            self.public_key: PublicKey = self._ed.public_key()
            self._sodium = secret + self.public_key.public_bytes_raw()  # libsodium's form of the same key
        else:
            order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
            scalar = int.from_bytes(hashlib.sha512(b"P-256\0" + secret).digest()) % (order - 1) + 1
            self._ec = ec.derive_private_key(scalar, ec.SECP256R1())
            self.public_key = self._ec.public_key()
        self.jwk = public_jwk(self.public_key)
        self.kid = self.jwk["kid"]

    @property
    def private_key(self) -> ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey:
        """The key object, for libraries that sign by themselves; a hardware signer has none."""
        return self._ed if self.alg == "Ed25519" else self._ec

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes."""
        if self.alg == "Ed25519":
            return crypto_sign(message, self._sodium)[:64]  # the same bytes (RFC 8032) in less time than OpenSSL's
        r, s = decode_dss_signature(self._ec.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def derived(passphrase: bytes, salt: bytes) -> bytes:
    """The key of the keystore's file, 32 bytes (RFC 7914): slow on purpose, so that nobody tries many passphrases."""
    return hashlib.scrypt(passphrase, salt=salt, dklen=32, **_SCRYPT)


class Keystore:
    """All keys of the stack. Every change is on disk, synced, before it is used."""

    def __init__(self, path: Path, passphrase: bytes, hsm: "HsmKeys | None" = None) -> None:
        self._path = path
        self._hsm = hsm
        self._passphrase = passphrase
        self._file_key: AESGCM | None = None
        self._file_salt = b""
        self._versions: list[Version] = self._read() if path.exists() else []
        self._signers: dict[tuple[str, int], SoftwareSigner] = {}
        self._current: dict[str, Signer] = {}
        self._accepted: dict[str, frozenset[str]] = {}
        missing = [n for n in (*SIGNING, *SECRETS) if not self._of(n)]
        for name in missing:
            self._versions.append(self._made(name, 1))
        if missing:
            self._write()
        self._wrap = AESGCM(self.mac("wrap"))

    @classmethod
    def open(cls, home: Path, passphrase: str = "", hsm: "HsmKeys | None" = None) -> "Keystore":
        """The keystore under `home`, made if absent; `hsm` holds the signing keys instead, where there is one.

        Raises ValueError for a wrong passphrase.
        """
        home.mkdir(parents=True, exist_ok=True)
        if hsm is not None:
            passphrase = passphrase or hsm.passphrase()
        secret = home / "keystore.secret"
        if not passphrase:
            if not secret.exists():
                descriptor = os.open(secret, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_urlsafe(32))
            passphrase = secret.read_text().strip()
        return cls(home / "keystore", passphrase.encode())

    def _of(self, name: str) -> list[Version]:
        return [v for v in self._versions if v.name == name]

    def _sealer(self, salt: bytes) -> AESGCM:
        if self._file_key is None or salt != self._file_salt:
            self._file_salt = salt
            self._file_key = AESGCM(derived(self._passphrase, salt))
        return self._file_key

    def _read(self) -> list[Version]:
        raw = self._path.read_bytes()
        try:
            plain = self._sealer(raw[:16]).decrypt(raw[16:28], raw[28:], b"keystore")
        except InvalidTag:
            raise ValueError(f"{self._path}: wrong passphrase, or the file was changed") from None
        return msgspec.msgpack.decode(plain, type=list[Version])

    def _write(self) -> None:
        salt = self._file_salt or os.urandom(16)
        nonce = os.urandom(12)
        body = self._sealer(salt).encrypt(nonce, msgspec.msgpack.encode(self._versions), b"keystore")
        draft = self._path.with_suffix(".new")
        descriptor = os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(salt + nonce + body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _signer(self, version: Version) -> Signer:
        if self._hsm is not None:
            return self._hsm.signer(version.name, version.version, SIGNING[version.name])
        key = (version.name, version.version)
        if key not in self._signers:
            self._signers[key] = SoftwareSigner(SIGNING[version.name], version.secret)
        return self._signers[key]

    def _made(self, name: str, version: int) -> Version:
        """A new version: random, or made inside the hardware module, and then this file keeps only its number."""
        if self._hsm is None or name not in SIGNING:
            return Version(name, version, secrets.token_bytes(32))
        if version in self._hsm.versions(name):
            return Version(name, version, b"")
        return Version(name, self._hsm.make(name, SIGNING[name]), b"")

    def signer(self, name: str) -> Signer:
        """The current version of a signing key. Raises KeyError for an unknown name."""
        known = self._current.get(name)
        if known is None:
            if name not in SIGNING:
                raise KeyError(f"no signing key is named {name}")
            known = self._current[name] = self._signer(max(self._of(name), key=lambda v: v.version))
        return known

    def public(self, name: str) -> list[dict[str, str]]:
        """The public keys of all versions that verifiers must accept, newest first, as JWKs."""
        versions = sorted(self._of(name), key=lambda v: -v.version)
        return [self._signer(v).jwk for v in versions if not v.retired]

    def accepts(self, name: str, kid: str) -> bool:
        """Whether verifiers must accept what the version `kid` of a signing key signed."""
        known = self._accepted.get(name)
        if known is None:
            known = self._accepted[name] = frozenset(self._signer(v).kid for v in self._of(name) if not v.retired)
        return kid in known

    def mac(self, name: str, room: str = "") -> bytes:
        """A symmetric secret of 32 bytes; these are never rotated in place, because blinded indexes rest on them.

        With `room`, the secret of that room alone: made from the common one, which it does not tell, or inherited from
        the machine on which the room ran before.
        """
        if not room:
            return self._of(name)[0].secret
        inherited = self._of(f"{name}/{room}")
        return inherited[0].secret if inherited else hmac.digest(self.mac(name), f"room/{room}".encode(), "sha256")

    def inherit(self, name: str, room: str, secret: bytes) -> None:
        """Take over a room's secret from the machine that it comes from. Raises ValueError for another than before."""
        before = self._of(f"{name}/{room}")
        if before and before[0].secret != secret:
            raise ValueError(f"the secret {name} of {room} was inherited before, and was another one")
        if not before:
            self._versions.append(Version(f"{name}/{room}", 1, secret))
            self._write()

    def rotate(self, name: str) -> Signer:
        """Make a new version the current one; the older ones stay published, so nothing stops."""
        newest = max(v.version for v in self._of(name))
        self._versions.append(self._made(name, newest + 1))
        self._write()
        self._current.pop(name, None)
        self._accepted.pop(name, None)
        return self.signer(name)

    def retire(self, name: str, kid: str) -> None:
        """Publish an old version no longer. Raises ValueError for the current version or an unknown kid."""
        if self.signer(name).kid == kid:
            raise ValueError("the current version signs: rotate before you retire it")
        for version in self._of(name):
            if self._signer(version).kid == kid:
                version.retired = True
                self._accepted.pop(name, None)
                return self._write()
        raise ValueError(f"{name} has no version with kid {kid}")

    def wrap(self, secret: bytes, label: bytes) -> bytes:
        """A small secret enciphered for storage elsewhere; `label` binds it to its owner."""
        nonce = os.urandom(12)
        return nonce + self._wrap.encrypt(nonce, secret, label)

    def unwrap(self, wrapped: bytes, label: bytes) -> bytes:
        """What `wrap` enciphered. Raises ValueError if it or its label was changed."""
        try:
            return self._wrap.decrypt(wrapped[:12], wrapped[12:], label)
        except InvalidTag:
            raise ValueError("a wrapped key was changed, or belongs to somebody else") from None

    def blind(self, text: str, room: str = "") -> bytes:
        """A keyed hash (HMAC-SHA-256, 32 bytes) of `text`, for indexes that must hold nothing plain; see `mac`."""
        return hmac.digest(self.mac("blind", room), text.encode(), hashlib.sha256)
