"""Nouns of the comparison of many records at once: a record, a pair that was found, a run and how far it is."""

from datetime import datetime
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.identity.blocking import Traits

SweepId = NewType("SweepId", UUID)


class Record(Struct, frozen=True):
    """A record to compare: an id of the caller's choice, what is compared, its blinded search keys, and how many bits
    its names weigh more (rare) or less (common) than an average name."""

    key: str
    traits: Traits
    search_keys: tuple[int, ...]
    rarity: dict[str, float]


class Pair(Struct, frozen=True):
    """Two records that may be of one person, and the bits of evidence for it."""

    one: str
    other: str
    bits: float


class Sweep(Struct, frozen=True):
    """A comparison of the whole register in `shares` parts: how many are done, and what they found so far.

    `compared` counts records that share a key with another one, `pairs` those from the threshold on, and `opened` the
    pairs among them that nobody had been asked about before.
    """

    sweep_id: SweepId
    begun_at: datetime
    at: datetime
    shares: int
    done: int
    compared: int
    pairs: int
    opened: int

    @property
    def over(self) -> bool:
        """Whether all parts are done."""
        return self.done >= self.shares


class FilePair(Struct, frozen=True):
    """Two rows of a file (or a row and somebody of the register, `other` empty) that may be one person."""

    row: str
    other: str
    bits: float
    reasons: tuple[str, ...]
