"""Nouns of the payments room: accounts, orders, outcomes, receipts, statements, and the events it tells."""

from datetime import datetime
from enum import IntEnum, IntFlag, StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.kernel.policy import Permit

AccountId = NewType("AccountId", int)
TransferId = NewType("TransferId", UUID)
SHARD_BITS = 8


class AccountKind(StrEnum):
    """What an account is for; people hold wallets, current, savings and joint accounts, institutions the others."""

    WALLET = "wallet"
    CURRENT = "current"
    SAVINGS = "savings"
    JOINT = "joint"  # of several people: see groups
    GROUP = "group"  # of a savings group: the pot, or the social fund
    GOVERNMENT = "government"
    MERCHANT = "merchant"
    AGENT = "agent"
    TRUST = "trust"
    FLOAT = "float"
    FEE = "fee"  # what the institution has earned
    TRANSIT = "transit"  # money between two shards, or between two systems
    SETTLEMENT = "settlement"  # a participant's position: its floor is the net debit cap
    POSITION = "position"  # one leg of currency exchange
    ISSUE = "issue"


class Flag(IntFlag):
    """What an account may do; an account that is not OPEN does not exist for the writer."""

    OPEN = 1
    NO_DEBIT = 2
    NO_CREDIT = 4
    OUT_OF_USE = 8  # the holder's identity cannot be relied on, or the holder has died: no debits
    CLOSED = 16  # for good: neither debits nor credits
    RECOVERED = 32  # the holder's sign-in was given back at a centre days ago: small debits only
    DORMANT = 64  # the holder has not been heard of for months: no debits until they say that they are there


class Kind(IntEnum):
    """What a journal row does. Only POST, COMMIT, REVERSE and ARRIVE move money; the others reserve or release it."""

    POST = 1
    RESERVE = 2
    COMMIT = 3  # posts a hold, in whole or in part; what is left of it is released
    ABORT = 4  # releases a hold
    REVERSE = 5  # pays back, in whole or in part, what another transfer paid
    EXPIRE = 6  # releases a hold whose time has passed by the writer's clock
    ARRIVE = 7  # the payee's side of a transfer that another shard has reserved
    EXPECT = 8  # the payee's side of a hold of another shard: it may take what that hold will pay


class Status(IntEnum):
    """How an order ended."""

    POSTED = 1
    REJECTED = 2


class Reason(IntEnum):
    """Why an order was rejected, as journalled; NONE for a posted one."""

    NONE = 0
    UNKNOWN_PAYER = 1
    UNKNOWN_PAYEE = 2
    SAME_ACCOUNT = 3
    CURRENCY = 4
    PAYER_FROZEN = 5
    PAYEE_FROZEN = 6
    INSUFFICIENT_FUNDS = 7
    TRANSFER_LIMIT = 8
    DAY_LIMIT = 9
    AMOUNT = 10
    BALANCE_LIMIT = 11
    LINKED = 12  # another order of its chain was rejected
    NO_HOLD = 13
    HOLD_ENDED = 14
    OVER_HOLD = 15
    NO_ORIGINAL = 16
    OVER_ORIGINAL = 17
    CLOSED = 18
    COOLING_OFF = 19
    PAYER_DORMANT = 20


class Tier(Struct, frozen=True):
    """What a know-your-customer tier allows, in minor units: paid out at once, paid out per day (UTC), and held."""

    number: int
    transfer_limit_minor: int
    day_limit_minor: int
    balance_limit_minor: int


class Account(Struct, frozen=True):
    """An account as its holder sees it. `number` has two check digits; amounts are in minor units of `currency`."""

    number: str
    kind: AccountKind
    currency: str
    tier: int
    balance_minor: int
    available_minor: int
    is_default: bool
    opened_at: datetime
    label: str = ""


class Alias(Struct, frozen=True):
    """How a payer names a payee: `kind` is "phone" (E.164), "account" (number) or "identity" (identity number)."""

    kind: str
    value: str


class MaskedPayee(Struct, frozen=True):
    """What a payer sees of a payee before confirming: initials only, or the name of an institution."""

    name: str
    currency: str


class TransferOrder(Struct, frozen=True):
    """An order to pay: from the payer's account number, to an alias, an amount in minor units of `currency`.

    `key` is the caller's idempotency key (1-64 characters); `reference` are up to 140 characters for both sides.
    `fee_minor` is what the payer was told that it costs, and the most that it may; None: whatever the terms say.
    """

    key: str
    payer: str
    payee: Alias
    amount_minor: int
    currency: str
    reference: str = ""
    fee_minor: int | None = None


class IssueOrder(Struct, frozen=True):
    """An order to create money on an institution's account: minor units of that account's currency."""

    key: str
    payee: str
    amount_minor: int
    reference: str = ""


class Order(Struct, frozen=True, gc=False):
    """What enters the writer: accounts, amount, and a permit; `permit_text` is what the journal keeps of the permit.

    `owner` is the keyed hash of the holder whom the permit reaches: the writer debits no account of anybody else.
    `kind` is a Kind. COMMIT and ABORT name the hold, REVERSE the transfer, as `pending`, and have no accounts of
    their own. A RESERVE lasts `timeout_s` seconds (0: until it is ended). `linked` chains an order to the next one:
    the orders of a chain are posted all or none.
    """

    id: UUID
    owner: int
    debit: int
    credit: int
    amount: int
    currency: str
    code: str
    body_hash: bytes
    permit: Permit | None  # None: the writer's own order, to end a hold whose time is over
    permit_text: str
    reference: str = ""
    payer: str = ""
    payee: str = ""
    kind: int = 1
    pending: UUID | None = None
    timeout_s: int = 0
    linked: bool = False


class Hold(Struct, frozen=True, gc=False):
    """Money reserved by a RESERVE row, as the writer remembers it; `expires_us` is 0 if nothing ends it by itself.

    `owner` is whoever may commit or abort it; `day` is the day whose limit it counts against.
    """

    id: UUID
    debit: int
    credit: int
    amount: int
    currency: str
    owner: int
    day: int
    expires_us: int


class Outcome(Struct, frozen=True, gc=False):
    """How the writer ended an order: its journal row, and the balances after it, in minor units."""

    seq: int
    reason: int
    debit_after: int
    credit_after: int
    at_us: int
    repeated: bool = False


class Receipt(Struct, frozen=True):
    """The proof to a payer that an order was posted; `to` is the masked name of the payee.

    `seq` is its journal row. `balance_minor` is the payer's balance after it.
    """

    transfer_id: str
    seq: int
    payer: str
    to: str
    amount_minor: int
    currency: str
    reference: str
    balance_minor: int
    at: datetime


class Entry(Struct, frozen=True):
    """One line of a statement: negative amounts were paid, positive ones received."""

    seq: int
    transfer_id: str
    at: datetime
    amount_minor: int
    balance_minor: int
    other: str
    reference: str
    code: str


class Statement(Struct, frozen=True):
    """A page of entries, newest first; pass `next_after` as `after` for the next page, None on the last one."""

    account: str
    currency: str
    entries: list[Entry]
    next_after: int | None


class FileState(StrEnum):
    """How far a payment file is: a programme's list being checked, waiting for approval, approved, being paid, every
    line ended."""

    PREPARING = "preparing"
    WAITING = "waiting"
    APPROVED = "approved"
    RUNNING = "running"
    FINISHED = "finished"


class PaymentFile(Struct, frozen=True):
    """A payment file with its progress: counts of lines, amounts in minor units of `currency`."""

    file_id: str
    institution: str
    message_id: str
    state: FileState
    currency: str
    lines: int
    total_minor: int
    paid: int
    rejected: int
    paid_minor: int
    uploaded_by: str
    uploaded_at: datetime
    approved_by: str | None = None
    approved_at: datetime | None = None
    finished_at: datetime | None = None


class FileLine(Struct, frozen=True):
    """The outcome of one line: `status` waiting, paid or rejected; `reason` an ISO 20022 code, `why` its words."""

    line: int
    end_to_end_id: str
    amount_minor: int
    status: str
    reason: str
    why: str
    transfer_id: str | None
    at: datetime | None
    instruction_id: str = ""


class FileLines(Struct, frozen=True):
    """A page of lines in their order; pass `next_after` as `after` for the next page, None on the last one."""

    lines: list[FileLine]
    next_after: int | None


class TransfersPosted(Struct, frozen=True):
    """Event payments.transfer-posted: one committed batch, journal rows [first_seq, first_seq + count) of a shard.

    It is emitted only where some room listens to it.
    """

    shard: int
    first_seq: int
    count: int
    posted: int


class FileApproved(Struct, frozen=True):
    """Event payments.file-approved: a payment file may be paid."""

    file_id: str


class FileFinished(Struct, frozen=True):
    """Event payments.file-finished: every line has an outcome; amounts in minor units of `currency`."""

    file_id: str
    institution: str
    paid: int
    rejected: int
    paid_minor: int
    currency: str
