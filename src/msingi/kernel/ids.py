"""Identifiers: what they look like and how they are made."""

import os
import secrets
import time
from binascii import b2a_base64
from typing import NewType
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID

PersonId = NewType("PersonId", UUID)
RecordId = NewType("RecordId", UUID)

_TO_URL = bytes.maketrans(b"+/", b"-_")
_last_ms = 0
_counter = 0


def uuid_of(block: bytes) -> UUID:
    """The UUID of 16 bytes, as the database's driver makes them: equal to any other of the same bytes, and made,
    compared and written in a seventh of the time."""
    return DriverUUID(block)


def uuid_of_text(text: str) -> UUID:
    """The UUID that a text spells, as `uuid_of` makes them. Raises ValueError."""
    return DriverUUID(text)


def uuid7() -> UUID:
    """A version 7 UUID that sorts by time within this program (RFC 9562, section 5.7, method 1).

    A 12-bit counter orders ids of the same millisecond; when it runs over, the clock part is moved ahead.
    """
    global _last_ms, _counter
    now = time.time_ns() // 1_000_000
    if now > _last_ms:
        _last_ms, _counter = now, secrets.randbits(10)
    else:
        _counter += 1
        if _counter > 0xFFF:
            _last_ms, _counter = _last_ms + 1, 0
    tail = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    return uuid_of(((_last_ms << 80) | (0x7 << 76) | (_counter << 64) | (0b10 << 62) | tail).to_bytes(16))


def random_id() -> str:
    """A version 4 UUID as text, in a tenth of the time of `str(uuid4())`."""
    number = int.from_bytes(os.urandom(16)) & ~(0xF << 76 | 0b11 << 62) | 4 << 76 | 0b10 << 62
    return str(uuid_of(number.to_bytes(16)))


def token(n_bytes: int = 16) -> str:
    """A URL-safe random text with `n_bytes` bytes of entropy."""
    return b2a_base64(os.urandom(n_bytes), newline=False).translate(_TO_URL, b"=").decode()
