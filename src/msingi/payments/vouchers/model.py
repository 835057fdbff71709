"""Nouns of vouchers: the scheme with its trust account, the voucher, the shop that takes it, and what was taken."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class State(StrEnum):
    """How far a voucher is. Only an active one can be spent."""

    WAITING = "waiting"  # issued, and not handed out yet
    ACTIVE = "active"
    USED = "used"
    BLOCKED = "blocked"  # too many wrong numbers were tried
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class SchemeOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A scheme to open, paid for out of `payer` (an account number) in that account's currency.

    `code` (2-12 capital letters, digits, hyphens) is the institution's own, once. `groups` are the kinds of goods that
    its vouchers are for; `days` how long one lasts after it was issued; `systems` the names by which software of the
    institution calls itself when it acts for the scheme. `digits`: decimals of a currency that is not the country's.
    """

    code: str
    name: str
    payer: str
    groups: tuple[str, ...]
    days: int = 90
    systems: tuple[str, ...] = ()
    digits: int | None = None


class Scheme(Struct, frozen=True, kw_only=True):
    """A scheme. `funded_minor` was put in for vouchers and has not gone back; `allotted_minor` of it was given to
    vouchers, spent or not. `trust` is the account that holds what was not spent."""

    scheme_id: UUID
    institution: str
    code: str
    name: str
    payer: str
    trust: str
    currency: str
    digits: int
    groups: tuple[str, ...]
    days: int
    systems: tuple[str, ...]
    funded_minor: int
    allotted_minor: int
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None = None


class ShopOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A shop (its number in the register) that may take vouchers of some groups. `details` is how the institution's
    own register of merchants names where it is paid, where that register is older than this one."""

    shop: str
    groups: tuple[str, ...]
    details: str = ""


class VoucherOrder(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A voucher to issue. `instruction_id` is the caller's own, once in a scheme; `person` an identity number, or empty
    for one that serves whoever holds it; `in_parts` lets it be spent piece by piece.

    `serial` and `number` are those of paper that was printed before; otherwise both are made here.
    """

    instruction_id: str
    amount_minor: int
    group: str
    person: str = ""
    in_parts: bool = False
    comment: str = ""
    serial: str = ""
    number: str = ""


class Issued(Struct, frozen=True):
    """A voucher that was issued: `number` is the secret that spends it, told here and to its holder only."""

    instruction_id: str
    serial: str
    number: str
    expires_at: datetime


class Voucher(Struct, frozen=True, kw_only=True):
    """A voucher as its issuer sees it: amounts in minor units of `currency`, `left_minor` can still be spent."""

    serial: str
    scheme_id: UUID
    instruction_id: str
    group: str
    amount_minor: int
    left_minor: int
    currency: str
    in_parts: bool
    state: State
    comment: str
    issued_by: str
    issued_at: datetime
    expires_at: datetime


class Printed(Struct, frozen=True):
    """A voucher as it is printed to be handed out, with the number that spends it."""

    serial: str
    number: str
    group: str
    amount_minor: int
    expires_at: datetime


class Waiting(Struct, frozen=True):
    """Vouchers of a scheme that were issued together and wait to be handed out; `paper` of them are nobody's yet."""

    issued_at: datetime
    vouchers: int
    amount_minor: int
    paper: int


class Redemption(Struct, frozen=True):
    """What a shop took of a voucher of a scheme; minor units of the scheme's currency."""

    serial: str
    shop: str
    amount_minor: int
    at: datetime


class OwnVoucher(Struct, frozen=True):
    """A voucher as its holder sees it: who gives it, and the number to show at the shop."""

    giver: str
    scheme: str
    number: str
    voucher: Voucher
    digits: int


class Spending(Struct, frozen=True):
    """An order to take a voucher: `number` as the holder told or showed it, `shop` the shop's number, `amount_minor` 0
    for all that is left. `key` is the caller's own, once for a voucher."""

    key: str
    number: str
    shop: str = ""
    amount_minor: int = 0


class Offered(Struct, frozen=True):
    """What a shop sees of a voucher before it hands anything over."""

    serial: str
    scheme: str
    group: str
    left_minor: int
    currency: str
    digits: int
    in_parts: bool
    expires_at: datetime


class Spent(Struct, frozen=True):
    """What a shop was paid for a voucher; `left_minor` can still be spent of it."""

    serial: str
    shop: str
    amount_minor: int
    left_minor: int
    currency: str
    transfer_id: str
    at: datetime


class Changed(Struct, frozen=True):
    """What became of one voucher of a list: `done`, or the code of the reason why not."""

    serial: str
    done: bool
    why: str = ""


class VoucherPage(Struct, frozen=True):
    """A page of a scheme's vouchers; pass `next_after` as `after` for the next page, "" on the last one."""

    vouchers: list[Voucher]
    next_after: str
