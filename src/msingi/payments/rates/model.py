"""Nouns of exchange: rates with spread, fee and validity; positions; quotes that bind until their end."""

from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from msgspec import Struct


class Side(StrEnum):
    """Which amount is given: what leaves the payer's account (fees included), or what arrives."""

    SEND = "send"
    RECEIVE = "receive"


class RateState(StrEnum):
    """A rate waits for a second officer, is approved, or was refused or taken back."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class RateOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A rate as an officer sets it, or a file brings it.

    `middle` is how many units of `target` one unit of `source` is worth, as decimal text; `spread_bp` (1/100 of a
    percent) is taken off it. The fee is `fee_minor` and `fee_bp` of what leaves, in minor units of `source`;
    `least_minor` and `most_minor` limit what may leave at once.
    """

    source: str
    target: str
    middle: str
    spread_bp: int
    valid_from: datetime
    valid_until: datetime
    fee_minor: int = 0
    fee_bp: int = 0
    least_minor: int = 1
    most_minor: int = 10**12


class Rate(Struct, frozen=True):
    """A rate with its history: who proposed it and who decided; rates proposed together share a `batch`."""

    id: UUID
    batch: UUID
    order: RateOrder
    state: RateState
    proposed_by: str
    proposed_at: datetime
    decided_by: str = ""
    decided_at: datetime | None = None


class Offered(Struct, frozen=True):
    """A rate in force, as anybody may read it: `rate` is what the customer gets, `middle` before the spread."""

    source: str
    target: str
    rate: str
    middle: str
    fee_minor: int
    fee_bp: int
    least_minor: int
    most_minor: int
    valid_until: datetime


class Position(Struct, frozen=True):
    """What the house holds (above 0) or owes (below 0) of a currency, and how far below 0 it may go; minor units."""

    currency: str
    digits: int
    held_minor: int
    reserved_minor: int
    limit_minor: int
    fees_minor: int


class Worked(Struct, frozen=True):
    """A conversion worked out. All of `total_minor` is explained: the fee and what is converted.

    `margin_minor` is how much less arrives than at the middle rate, in minor units of the target.
    """

    total_minor: int
    fee_minor: int
    converted_minor: int
    target_minor: int
    margin_minor: int


class QuoteState(IntEnum):
    """A quote is offered, held (both sides reserve), being paid (nothing frees it now), paid, or freed."""

    OFFERED = 1
    HELD = 2
    PAYING = 3
    PAID = 4
    FREED = 5


class Quote(Struct, frozen=True):
    """What a conversion costs and gives, binding until `valid_until`; amounts are minor units of their currency."""

    id: str
    source: str
    target: str
    total_minor: int
    fee_minor: int
    converted_minor: int
    target_minor: int
    margin_minor: int
    rate: str
    middle: str
    valid_until: datetime
    state: QuoteState = QuoteState.OFFERED


class Exchanged(Struct, frozen=True):
    """A conversion that was made between two accounts of one holder."""

    quote: Quote
    payer: str
    payee: str
