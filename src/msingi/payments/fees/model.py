"""Nouns of fees: what a payment would cost, and what payments of a month did cost."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Kind(StrEnum):
    """What is charged: a payment to anybody, a standing order or a bill, out of the payer's account; a sale, out of the
    shop's."""

    TRANSFER = "transfer"
    SALE = "sale"
    STANDING = "standing"
    BILL = "bill"


class FeeQuote(Struct, frozen=True, kw_only=True):
    """What a payment costs: fee and tax in minor units, and why. `band_minor` is the band's upper bound, `free_left`
    how many payments of this month are still free (before this one), `product` empty where no terms charge it."""

    kind: Kind
    amount_minor: int
    fee_minor: int
    tax_minor: int
    currency: str
    product: str = ""
    begins: date | None = None
    band_minor: int = 0
    free_left: int = 0

    @property
    def total_minor(self) -> int:
        """Fee and tax together."""
        return self.fee_minor + self.tax_minor


class Charged(Struct, frozen=True, kw_only=True):
    """A payment of a month, with what it cost and by which terms. `state`: taken, returned."""

    transfer_id: str
    kind: Kind
    at: datetime
    amount_minor: int
    fee_minor: int
    tax_minor: int
    currency: str
    product: str
    begins: date
    band_minor: int
    free: bool
    state: str


class Due(Struct, frozen=True, kw_only=True):
    """A fee as it is kept before the ledger is asked: fixed for its payment for ever."""

    account: int
    transfer_id: UUID
    kind: Kind
    month: str
    amount: int
    fee: int
    tax: int
    currency: str
    product: str
    begins: date
    band: int
    free: bool
    returned: bool
    at: datetime
    state: str = "due"
