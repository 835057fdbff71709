"""Nouns of recalls: what is asked back, from whom, until when, what happened, and how it ended."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from msingi.payments.disputes.model import Kind


class State(StrEnum):
    """How a recall stands. Paid back in part is REFUNDED too; `refunded_minor` says how much."""

    ASKED = "asked"  # waits for the bank that was asked; of our own customer: waits for the customer's words
    PENDING = "pending"  # the other bank is asking whoever was paid
    ANSWERED = "answered"  # our customer has answered: waits for the officer
    PROMISED = "promised"  # the other bank pays back: the money is to come
    RETURNING = "returning"  # our bank pays back: the money is on its way
    REFUNDED = "refunded"
    REFUSED = "refused"


class RecallOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What a payer says of a payment to another bank: its id, what is wrong, and words for the other bank."""

    transfer_id: str
    kind: Kind
    text: str


class Step(Struct, frozen=True):
    """Something that happened: `what` names it (asked, sent-again, pending, promised, refused, came, late, heard,
    agreed, declined, decided, failed, further)."""

    at: datetime
    what: str


class Recall(Struct, frozen=True, kw_only=True):
    """A recall as our customer, or an officer, sees it; minor units of `currency`.

    `number` is the payment's at both banks. `outgoing` says that our customer paid; else another bank asks back what
    our customer received. `text` are the words of whoever asks, `answer` of whoever was paid, or of the other bank,
    `decision` our officer's; `reason` is a code of camt.029 where it was refused. `complaint` is the reference of the
    case at the register of complaints.
    """

    recall_id: str
    outgoing: bool
    kind: Kind
    state: State
    other: str
    number: str
    amount_minor: int
    currency: str
    held_minor: int
    refunded_minor: int
    paid_at: datetime
    opened_at: datetime
    answer_due: datetime
    due_at: datetime
    text: str
    answer: str = ""
    reason: str = ""
    decision: str = ""
    ended_at: datetime | None = None
    complaint: str = ""
    late: bool = False
    steps: tuple[Step, ...] = ()


class RecallPage(Struct, frozen=True):
    """A page of recalls; pass `next_place` for the next page, None on the last one."""

    recalls: list[Recall]
    next_place: str | None
