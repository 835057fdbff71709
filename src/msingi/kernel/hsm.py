"""Signing keys in a hardware module, by PKCS#11: the secrets never enter this program's memory.

Keys are labelled `msingi-<name>-<version>`; the newest version signs, the older ones verify. Needs the extra `hsm`.
The file keystore, which still holds the symmetric secrets, is then opened with a passphrase that only the module
can make: the encryption of a fixed block under an AES key that never leaves it.
"""

import hashlib
import threading
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from msingi.kernel.errors import Outage

if TYPE_CHECKING:
    from msingi.kernel.keys import PublicKey

_ED25519_OID = bytes.fromhex("130c656477617264733235353139")  # "edwards25519" as PrintableString (PKCS#11 v3.0)
_PREFIX = "msingi"


class HsmSigner:
    """A signing key in the module. `sign` gives 64 bytes: Ed25519, or r || s for ES256."""

    def __init__(self, alg: str, private: Any, public_key: "PublicKey", lock: threading.Lock) -> None:
        from msingi.kernel.keys import public_jwk

        self.alg = alg
        self.public_key = public_key
        self.jwk = public_jwk(public_key)
        self.kid = self.jwk["kid"]
        self._private = private
        self._lock = lock

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`. Raises Outage when the module does not answer."""
        import pkcs11

        mechanism = pkcs11.Mechanism.EDDSA if self.alg == "Ed25519" else pkcs11.Mechanism.ECDSA
        content = message if self.alg == "Ed25519" else hashlib.sha256(message).digest()
        try:
            with self._lock:  # a PKCS#11 session does one operation at a time
                return bytes(self._private.sign(content, mechanism=mechanism))
        except pkcs11.PKCS11Error as failure:
            raise Outage(f"the hardware module does not sign: {type(failure).__name__}") from failure


class HsmKeys:
    """The signing keys of one PKCS#11 token, opened with its user PIN."""

    def __init__(self, module: str, token: str, pin: str) -> None:
        try:
            import pkcs11
        except ImportError:
            raise ValueError("a hardware module needs: pip install 'msingi[hsm]'") from None
        try:
            found = pkcs11.lib(module).get_token(token_label=token)
            try:
                self._session = found.open(user_pin=pin, rw=True)
            except pkcs11.UserAlreadyLoggedIn:  # the login belongs to the program, not to the session
                self._session = found.open(rw=True)
        except (pkcs11.PKCS11Error, RuntimeError, OSError) as failure:
            raise ValueError(f"PKCS#11 token {token}: {type(failure).__name__} {failure}".strip()) from None
        self._lock = threading.Lock()
        self._signers: dict[tuple[str, int], HsmSigner] = {}

    def versions(self, name: str) -> list[int]:
        """The versions of a named key that the token holds, oldest first."""
        import pkcs11

        found = []
        with self._lock:
            for key in self._session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}):
                label = str(getattr(key, "label", ""))
                if label.startswith(f"{_PREFIX}-{name}-"):
                    found.append(int(label.rsplit("-", 1)[1]))
        return sorted(found)

    def make(self, name: str, alg: str) -> int:
        """A new version of a named key, generated inside the token and marked as never to be extracted."""
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        version = max(self.versions(name), default=0) + 1
        kind, params = (
            (pkcs11.KeyType.EC_EDWARDS, _ED25519_OID)
            if alg == "Ed25519"
            else (pkcs11.KeyType.EC, encode_named_curve_parameters("secp256r1"))
        )
        with self._lock:
            domain = self._session.create_domain_parameters(kind, {pkcs11.Attribute.EC_PARAMS: params}, local=True)
            mechanism = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN if alg == "Ed25519" else None
            domain.generate_keypair(
                store=True,
                label=f"{_PREFIX}-{name}-{version}",
                mechanism=mechanism,
                private_template={
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                },
            )
        return version

    def signer(self, name: str, version: int, alg: str) -> HsmSigner:
        """The signer of one version. Raises ValueError if the token does not hold it."""
        import pkcs11

        known = self._signers.get((name, version))
        if known is not None:
            return known
        label = f"{_PREFIX}-{name}-{version}"
        try:
            with self._lock:
                private = self._session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
                public = self._session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label)
                point = bytes(public[pkcs11.Attribute.EC_POINT])
        except pkcs11.PKCS11Error:
            raise ValueError(f"the token holds no key {label}") from None
        raw = point[2:] if point[0] == 0x04 and point[1] == len(point) - 2 else point  # DER OCTET STRING
        public_key: PublicKey = (
            ed25519.Ed25519PublicKey.from_public_bytes(raw)
            if alg == "Ed25519"
            else ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        )
        made = self._signers[name, version] = HsmSigner(alg, private, public_key, self._lock)
        return made

    def passphrase(self) -> str:
        """A passphrase that only this token can make, for the file keystore."""
        import pkcs11

        label = f"{_PREFIX}-keystore"
        with self._lock:
            found = list(self._session.get_objects({pkcs11.Attribute.LABEL: label}))
            key: Any = (
                found[0]
                if found
                else self._session.generate_key(
                    pkcs11.KeyType.AES,
                    256,
                    label=label,
                    store=True,
                    template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
                )
            )
            block = hashlib.sha256(b"msingi keystore passphrase").digest()
            return bytes(key.encrypt(block, mechanism=pkcs11.Mechanism.AES_ECB)).hex()
