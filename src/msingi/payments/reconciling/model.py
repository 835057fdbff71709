"""Nouns of reconciling: a statement as read, entries to compare it with, matches, exceptions, the result."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class Line(Struct, frozen=True, order=True):
    """One line of a bank's statement: `amount_minor` is positive for what came in."""

    on: date
    amount_minor: int
    reference: str = ""
    end_to_end: str = ""


class Statement(Struct, frozen=True):
    """A bank's statement as read: balances where the file tells them."""

    statement_id: str
    currency: str
    lines: tuple[Line, ...]
    opening_minor: int | None = None
    closing_minor: int | None = None


class Booked(Struct, frozen=True, order=True):
    """One entry of the ledger: the transfer's id as 32 hex digits, and the end-to-end id if a payment file had one."""

    on: date
    amount_minor: int
    transfer: str
    end_to_end: str = ""


class How(StrEnum):
    """By what a line was matched."""

    REFERENCE = "reference"
    END_TO_END = "end-to-end"
    AMOUNT_AND_DATE = "amount-and-date"


class Why(StrEnum):
    """Why a line or an entry stands in the queue."""

    NOT_IN_LEDGER = "not-in-ledger"
    NOT_IN_STATEMENT = "not-in-statement"
    OTHER_AMOUNT = "other-amount"
    AMBIGUOUS = "ambiguous"


class Match(Struct, frozen=True):
    """A line and the entry that it is."""

    line: Line
    booked: Booked
    how: How


class Open(Struct, frozen=True):
    """A line, an entry, or both, that could not be matched."""

    why: Why
    line: Line | None = None
    booked: Booked | None = None


class Result(Struct, frozen=True):
    """What a comparison gave."""

    matches: tuple[Match, ...]
    open: tuple[Open, ...]


class Mapping(Struct, frozen=True, forbid_unknown_fields=True):
    """How to read a CSV statement: the names of its columns. `debit`: a column of its own for what went out; `sign`: a
    column that says the direction, with the word for what went out. `dates`: day, month and year as in `%d/%m/%Y`."""

    date: str
    amount: str
    reference: str = ""
    end_to_end: str = ""
    debit: str = ""
    sign: str = ""
    out: str = "D"
    dates: str = "%Y-%m-%d"
    delimiter: str = ","
    decimal: str = "."


class Reconciliation(Struct, frozen=True):
    """A statement that was compared: counts of lines and entries; `open` still stand in the queue."""

    reconciliation_id: UUID
    institution: str
    account: str
    statement_id: str
    first: date
    last: date
    lines: int
    entries: int
    by_reference: int
    by_end_to_end: int
    by_amount: int
    exceptions: int
    open: int
    made_by: str
    made_at: datetime


class Item(Struct, frozen=True):
    """One item of the queue: what the statement says, what the ledger says, and what an official said of it."""

    item: int
    why: Why
    on: date
    amount_minor: int
    booked_minor: int | None
    reference: str
    end_to_end: str
    transfer_id: str | None
    settled_by: str | None = None
    settled_at: datetime | None = None
    note: str = ""


class Queue(Struct, frozen=True):
    """A page of exceptions; pass `next_after` as `after` for the next page, None on the last one."""

    items: list[Item]
    next_after: int | None
