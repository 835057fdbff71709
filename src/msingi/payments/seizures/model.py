"""Nouns of seizures: an order, and how it stands."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct


class State(StrEnum):
    """How a seizure stands."""

    ACTIVE = "active"
    PAID = "paid"
    LIFTED = "lifted"
    EXPIRED = "expired"


class SeizureOrder(Struct, frozen=True, kw_only=True):
    """What an officer types off a legal order: which account, how much (minor units), its number, who gave it and when,
    its last day, and the account of the authority to which the money is paid over."""

    key: str
    account: str
    amount_minor: int
    number: str
    authority: str
    issued_on: date
    last_day: date
    pay_to: str


class Seizure(Struct, frozen=True, kw_only=True):
    """A seizure as the holder and officers see it. `held_minor` cannot be spent now, `paid_minor` was paid over,
    `protected_minor` stays free whatever is ordered. `made_by_me` says that the reader entered it."""

    seizure_id: str
    account: str
    number: str
    authority: str
    issued_on: date
    last_day: date
    amount_minor: int
    held_minor: int
    paid_minor: int
    protected_minor: int
    currency: str
    pay_to: str
    state: State
    made_at: datetime
    made_by_me: bool
    why: str = ""


class SeizurePage(Struct, frozen=True):
    """A page of seizures, newest first; pass `next_place` for the next one, None on the last."""

    seizures: list[Seizure]
    next_place: str | None


class Kept(Struct, frozen=True, kw_only=True):
    """As kept."""

    seizure_id: UUID
    account: int
    pay_to: int
    pay_to_name: str
    number: str
    authority: str
    issued_on: date
    last_day: date
    amount: int
    protected: int
    currency: str
    state: str
    made_by: str
    made_at: datetime
    why: str
    held: int = 0
    paid: int = 0


class Part(Struct, frozen=True, kw_only=True):
    """As kept: one hold of a seizure. `state`: asked (the ledger may not know it yet), open, refused, paying (ordered
    by an officer, the ledger may not know it yet), paid, void."""

    place: int
    hold: UUID
    amount: int
    state: str
