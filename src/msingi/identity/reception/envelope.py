"""The envelope of a packet: signed by the device (JWS), then encrypted to the registry (JWE). Pure, apart from chance.

Whoever takes a device's storage learns nothing of those enrolled with it, and whoever changes a packet is found out.
"""

import base64
import hashlib
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from msingi.identity.errors import PacketUnreadable
from msingi.identity.reception.model import Packet
from msingi.kernel.stack import Stack

TYPE: Final = "msingi-packet+jws"
ALGORITHM: Final = {"alg": "ECDH-ES", "enc": "A256GCM"}
KEY: Final = "identity.packet-key:1"
MOST_BYTES: Final = 8 * 1024 * 1024


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def device_jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    """The public key of a device as JWK (RFC 8037)."""
    return {"kty": "OKP", "crv": "Ed25519", "x": _b64(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))}


def public_key(jwk: dict[str, str]) -> bytes:
    """The 32 bytes of a device's public key. Raises PacketUnreadable for any other key."""
    try:
        raw = _raw(jwk.get("x", ""))
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raw = b""
    if jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519" or len(raw) != 32 or "d" in jwk:
        raise PacketUnreadable("A public Ed25519 key (RFC 8037), without its secret.", field="jwk", rule="ed25519")
    return raw


def _registry(stack: Stack) -> X25519PrivateKey:
    # Derived (HMAC-SHA-256) from a secret that is never rotated: a packet may come back from the field after a year.
    return X25519PrivateKey.from_private_bytes(stack.keys.blind(KEY))


def registry_jwk(stack: Stack) -> dict[str, str]:
    """The public key to encrypt packets to, as JWK; `kid` is its thumbprint's beginning."""
    raw = _registry(stack).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return {"kty": "OKP", "crv": "X25519", "x": _b64(raw), "kid": hashlib.sha256(raw).hexdigest()[:16], "use": "enc"}


def sealed(packet: Packet, device: Ed25519PrivateKey, registry: dict[str, str]) -> str:
    """A packet in its envelope, as a device makes it: JWE compact (RFC 7516) around JWS compact (RFC 7515)."""
    head = _b64(msgspec.json.encode({"alg": "EdDSA", "typ": TYPE, "kid": packet.device}))
    message = f"{head}.{_b64(msgspec.json.encode(packet))}"
    signed = f"{message}.{_b64(device.sign(message.encode()))}"
    wanted: dict[str, Any] = {k: registry[k] for k in ("kty", "crv", "x", "kid")}
    header = {**ALGORITHM, "cty": "JWS", "kid": registry["kid"]}
    return jwe.encrypt_compact(header, signed.encode(), OKPKey.import_key(wanted), algorithms=list(ALGORITHM.values()))


def decrypted(stack: Stack, text: str) -> str:
    """The signed packet in an envelope. Raises PacketUnreadable, naming the rule."""
    if len(text) > MOST_BYTES or not text.isascii():
        raise PacketUnreadable("At most 8 MB of ASCII.", field="packet", rule="size")
    secret = _registry(stack).private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    whole: dict[str, Any] = registry_jwk(stack) | {"d": _b64(secret)}
    mine = OKPKey.import_key(whole)
    try:
        # 1. Only one algorithm, whatever the header wishes for (RFC 8725, 3.1); no compression, so no bomb.
        found = jwe.decrypt_compact(text, mine, algorithms=list(ALGORITHM.values()))
        if "zip" in found.headers():
            raise PacketUnreadable("Not compressed.", field="packet", rule="no-compression")
        return (found.plaintext or b"").decode("ascii")
    except (JoseError, ValueError, KeyError, TypeError, AttributeError):
        raise PacketUnreadable("It is not encrypted to this registry.", field="packet", rule="envelope") from None


def named_device(signed: str) -> str:
    """The device that a signed packet says it is of; believed only once `verified`. Raises PacketUnreadable."""
    try:
        head = msgspec.json.decode(_raw(signed.split(".")[0]), type=dict[str, str])
    except (ValueError, msgspec.DecodeError):
        head = {}
    if head.get("alg") != "EdDSA" or head.get("typ") != TYPE or not head.get("kid"):
        raise PacketUnreadable("The inside is not a signed packet.", field="packet", rule="signed")
    return head["kid"][:100]


def verified(signed: str, key: bytes) -> tuple[Packet, bytes]:
    """The packet, if this key signed exactly it, and its SHA-256. Raises PacketUnreadable."""
    parts = signed.split(".")
    try:
        # 2. The signature is over exactly these characters (RFC 7515, 5.2), in their only writing.
        if len(parts) != 3 or [_b64(_raw(part)) for part in parts] != parts:
            raise ValueError("not a compact JWS")
        Ed25519PublicKey.from_public_bytes(key).verify(_raw(parts[2]), f"{parts[0]}.{parts[1]}".encode())
        # 3. The content has the packet's shape and no other.
        return msgspec.json.decode(_raw(parts[1]), type=Packet), hashlib.sha256(signed.encode()).digest()
    except InvalidSignature:
        raise PacketUnreadable("No registered device signed this.", field="packet", rule="signature") from None
    except (ValueError, msgspec.ValidationError, msgspec.DecodeError):
        raise PacketUnreadable("The inside is not a packet.", field="packet", rule="content") from None
