"""Nouns of passkeys."""

from datetime import datetime

from msgspec import Struct

SECTOR = "msingi passkey"
TTL_S = 10 * 60
MOST = 10
METHODS = ("pop", "user")


class Passkey(Struct, frozen=True, kw_only=True):
    """A passkey of somebody: the id by which browsers name it, what its owner calls it, and when it was used."""

    passkey_id: bytes
    public_key: bytes
    sign_count: int
    name: str
    made_at: datetime
    seen_at: datetime


class Ceremony(Struct, frozen=True, array_like=True):
    """What a registration under way must answer: its challenge, until a Unix time."""

    challenge: bytes
    expires_at: int
