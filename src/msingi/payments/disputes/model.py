"""Nouns of disputes: what is disputed, by whom, until when, and how it ended."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What is wrong with a payment."""

    NOT_MINE = "not-mine"
    WRONG_PAYEE = "wrong-payee"
    NOT_DELIVERED = "not-delivered"
    DOUBLE = "double"


class State(StrEnum):
    """How a dispute stands. Paid back in part is REFUNDED too; `refunded_minor` says how much."""

    OPEN = "open"  # waits for the other side's answer
    ANSWERED = "answered"  # waits for the decision
    REFUNDED = "refunded"
    REFUSED = "refused"


class DisputeOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer says of a transfer: its id, what is wrong, and words for the other side and the bank."""

    transfer_id: str
    kind: Kind
    text: str


class Dispute(Struct, frozen=True, kw_only=True):
    """A dispute as those see it who take part. `mine` says that the reader is the payer; minor units of `currency`.

    `answer` and `reason` are the words of the other side and of the decision. `complaint` is the reference of the case
    at the register of complaints, if it was taken there.
    """

    dispute_id: str
    kind: Kind
    state: State
    mine: bool
    other: str
    amount_minor: int
    currency: str
    held_minor: int
    refunded_minor: int
    paid_at: datetime
    opened_at: datetime
    answer_due: datetime
    decide_due: datetime
    text: str
    answer: str = ""
    reason: str = ""
    ended_at: datetime | None = None
    complaint: str = ""
    late: bool = False


class DisputePage(Struct, frozen=True):
    """A page of disputes; pass `next_place` for the next page, None on the last one."""

    disputes: list[Dispute]
    next_place: str | None


class DisputeCounts(Struct, frozen=True):
    """What everybody may know: disputes of a year, how they ended, how many wait and how many wait too long."""

    opened: int
    refunded: int
    refused: int
    waiting: int
    late: int
    taken_further: int
