"""Nouns of dormant accounts: what an owner sees of an account, cases of officials, and the report to the authority."""

from datetime import date, datetime
from enum import StrEnum

from msgspec import Struct


class State(StrEnum):
    """How an account stands: in use, its customer told that it will fall asleep, asleep."""

    ACTIVE = "active"
    WARNED = "warned"
    DORMANT = "dormant"


class What(StrEnum):
    """What an official proposes: to wake an account whose customer stands there, or to pay money to an heir."""

    WAKE = "wake"
    HEIR = "heir"


class Sleeper(Struct, frozen=True, kw_only=True):
    """An account that is about to fall asleep or does, as its owner sees it. `falls_on` is the day on which it falls
    asleep, `since` the one on which it did; `unclaimed_minor` is what the authority keeps of it for its owner."""

    account: str
    kind: str
    currency: str
    state: State
    balance_minor: int
    falls_on: date | None = None
    since: date | None = None
    hand_on: date | None = None
    unclaimed_minor: int = 0


class SleeperCase(Struct, frozen=True, kw_only=True):
    """A proposal that a second official confirms or refuses; amounts in minor units, of a waking 0."""

    case_id: str
    what: What
    account: str
    amount_minor: int
    currency: str
    to: str
    reason: str
    asked_by: str
    asked_at: datetime
    state: str
    decided_by: str = ""


class HeirOrder(Struct, frozen=True, kw_only=True):
    """To pay an heir out of what was handed over from an account; `to` is the heir's account, `reason` names the
    court's certificate (1-140 characters)."""

    key: str
    account: str
    to: str
    amount_minor: int
    reason: str


class Handed(Struct, frozen=True, kw_only=True):
    """A line of the report to the authority: what was handed over from an account, and what was claimed of it since."""

    account: str
    kind: str
    amount_minor: int
    claimed_minor: int
    currency: str
    dormant_since: date
    handed_on: date
    transfer_id: str


class UnclaimedReport(Struct, frozen=True, kw_only=True):
    """A year's report: how many accounts sleep or are about to, and the lines of what was handed over in the year.
    Pass `next_after` as `after` for the next page."""

    year: int
    warned: int
    dormant: int
    handed_minor: int
    claimed_minor: int
    lines: list[Handed]
    next_after: str | None
