"""Nouns of the bank: shops and their codes, what a payer typed, statements, and the orders for all of them."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct

from msingi.payments.model import Alias, Entry, Receipt

Text = dict[str, str]


class Merchant(Struct, frozen=True, kw_only=True):
    """A shop in the register, as everybody may see it. `code` has a check digit; `category` is an ISO 18245 code.

    `name` is what payers read, in any script; `latin` and `city` are what its square code can carry.
    """

    code: str
    name: str
    latin: str
    city: str
    category: str
    is_open: bool
    registered_at: datetime


class OwnMerchant(Struct, frozen=True):
    """A shop of one's own, with the account (masked for officers) that its customers pay into."""

    merchant: Merchant
    account: str


class MerchantOrder(Struct, frozen=True, kw_only=True):
    """A shop to register: of a person (`number`: identity number, paid into the default wallet) or an institution
    (`account`: one of its account numbers). One of the two is empty."""

    key: str
    name: str
    latin: str
    city: str
    category: str
    number: str = ""
    account: str = ""


class Purchase(Struct, frozen=True, kw_only=True):
    """An order to pay a shop, named by `merchant`, from the own account `payer`; minor units of `currency`."""

    key: str
    payer: str
    merchant: str
    amount_minor: int
    currency: str
    bill: str = ""


class Scanned(Struct, frozen=True):
    """What a payer sees of a square code: the shop from the register, and what the code asks for.

    `amount_minor` and `extra_minor` (what the shop adds) are 0 where the code leaves the amount to the payer.
    """

    merchant: Merchant
    currency: str
    amount_minor: int
    extra_minor: int
    bill: str


class Payee(Struct, frozen=True):
    """Whom a text that a payer typed means: how it is named, and the name to be confirmed (masked for people)."""

    alias: Alias
    name: str
    currency: str


class Form(StrEnum):
    """How a statement is written: for spreadsheets, for software of banks (camt.053), for paper."""

    CSV = "csv"
    CAMT = "camt.053"
    PDF = "pdf"


class Period(Struct, frozen=True):
    """A period of whole days of the country's calendar, both inclusive."""

    first: date
    last: date


class Booked(Struct, frozen=True, kw_only=True):
    """An account over a period: balances in minor units of `currency` before the first and after the last entry.

    Entries stand in the order in which they were booked. `sequence` numbers the statements of an account.
    """

    account: str
    kind: str
    holder: str
    currency: str
    period: Period
    start: datetime
    stop: datetime
    opening_minor: int
    closing_minor: int
    entries: list[Entry]
    made_at: datetime
    statement_id: str


class CashIn(Struct, frozen=True, kw_only=True):
    """Cash that a customer handed to an agent: `customer` as typed (phone, identity number, account), minor units of
    the customer's currency. `agent` may be empty for somebody who runs one agency."""

    key: str
    customer: str
    amount_minor: int
    agent: str = ""


class CashReceipt(Struct, frozen=True):
    """What happened with cash at an agent's; the receipt's balance is that of the agent's float."""

    receipt: Receipt
    agent: str
    fee_minor: int
    commission_minor: int


class CashAsked(Struct, frozen=True):
    """Cash that waits at an agent's: six digits to be told there, until when; minor units of `currency`."""

    code: str
    agent: Merchant
    amount_minor: int
    fee_minor: int
    currency: str
    expires_at: datetime


class CashWaiting(Struct, frozen=True):
    """Cash that waits at an agent's (its number), as customer and agent see it; `name` is the customer's, masked."""

    code: str
    agent: str
    name: str
    amount_minor: int
    fee_minor: int
    currency: str
    expires_at: datetime


class BillOrder(Struct, frozen=True, kw_only=True):
    """An amount to ask for, to be paid into the own `account` within `days`. With `payer` (a phone, an identity number)
    it is sent to that person alone; without, anybody who has the reference may pay."""

    key: str
    account: str
    amount_minor: int
    title: str
    days: int = 30
    payer: str = ""


class Bill(Struct, frozen=True, kw_only=True):
    """A bill as payer and asker see it; `name` is who asks. `state`: open, paid, refused or withdrawn."""

    reference: str
    name: str
    title: str
    amount_minor: int
    currency: str
    made_at: datetime
    expires_at: datetime
    state: str
    paid_at: datetime | None = None


class StandingOrder(Struct, frozen=True, kw_only=True):
    """A payment to be repeated each `every` ("week" or "month") from `first_day` to `last_day` (None: until stopped),
    to whomever `payee` means (as typed: phone, number, account, shop). `fee_minor` is what the payer was shown that
    each day costs: a day that would cost more is not paid (None: whatever the terms say)."""

    key: str
    payer: str
    payee: str
    amount_minor: int
    every: str
    first_day: date
    last_day: date | None = None
    reference: str = ""
    fee_minor: int | None = None


class Standing(Struct, frozen=True, kw_only=True):
    """A payment that repeats. `due` is its next day, None once it is over. `last_result` is empty, "paid", or the code
    of the refusal of the last day."""

    standing_id: str
    name: str
    amount_minor: int
    currency: str
    every: str
    due: date | None
    reference: str = ""
    last_result: str = ""
    fee_minor: int | None = None
