"""Interledger in FSPIOP: the packet that a payee makes, its fulfilment and condition (API definition 1.1, section 4).

To the switch a packet is opaque and goes on byte for byte. Only the house's own bank makes and reads packets, in the
form of the API definition: type 1, amount, address, content, each with its length (canonical OER).
"""

import hmac
from hashlib import sha256

from msgspec import Struct

from msingi.kernel.errors import Malformed
from msingi.payments.switch.jws import b64, unb64

FULFILMENT_BYTES = 32


class Packet(Struct, frozen=True):
    """What a packet says: the amount in minor units, the payee's Interledger address, and the transaction as JSON."""

    amount_minor: int
    address: str
    content: bytes


def condition_of(fulfilment: str) -> str:
    """The condition of a fulfilment: SHA-256, both base64url of 32 bytes. Raises Malformed unless it is one."""
    try:
        raw = unb64(fulfilment)
    except ValueError:
        raw = b""
    if len(raw) != FULFILMENT_BYTES:
        raise Malformed("A fulfilment is 32 bytes in base64url.", field="fulfilment", rule="base64url-32")
    return b64(sha256(raw).digest())


def fulfilment_of(secret: bytes, packet: str) -> str:
    """The fulfilment of a packet: HMAC-SHA-256 of its bytes under the payee's secret. Raises Malformed."""
    return b64(hmac.digest(secret, _bytes_of(packet), "sha256"))


def pack(packet: Packet) -> str:
    """The packet in base64url."""
    address = packet.address.encode()
    body = packet.amount_minor.to_bytes(8) + length_of(len(address)) + address
    return b64(b"\x01" + body + length_of(len(packet.content)) + packet.content)


def unpack(text: str) -> Packet:
    """What a packet of our own says. Raises Malformed for anything else, also what follows its end."""
    raw = _bytes_of(text)
    if len(raw) < 11 or raw[0] != 1:
        raise _wrong()
    address, at = taken(raw, 9)
    content, at = taken(raw, at)
    if at != len(raw):
        raise _wrong()
    try:
        return Packet(int.from_bytes(raw[1:9]), address.decode("ascii"), content)
    except UnicodeDecodeError:
        raise _wrong() from None


def _bytes_of(text: str) -> bytes:
    try:
        return unb64(text)
    except ValueError:
        raise _wrong() from None


def _wrong() -> Malformed:
    return Malformed("The ILP packet cannot be read.", field="ilpPacket", rule="ilp-packet")


def length_of(count: int) -> bytes:
    """A length as canonical OER: one byte under 128, otherwise the count of its bytes with the high bit, then them."""
    if count < 128:
        return bytes([count])
    raw = count.to_bytes((count.bit_length() + 7) // 8)
    return bytes([0x80 | len(raw)]) + raw


def taken(raw: bytes, at: int) -> tuple[bytes, int]:
    """The bytes after the length at `at`, and where they end."""
    if at >= len(raw):
        raise _wrong()
    count, at = raw[at], at + 1
    if count & 0x80:
        size = count & 0x7F
        count, at = int.from_bytes(raw[at : at + size]), at + size
        if not 1 <= size <= 4 or count < 128:
            raise _wrong()
    if at + count > len(raw):
        raise _wrong()
    return raw[at : at + count], at + count
