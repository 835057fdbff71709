"""Nouns of estates: the certificate, the heirs with their shares, the accounts, and how it stands."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId


class State(StrEnum):
    """How an estate stands."""

    PROPOSED = "proposed"  # waits for a second officer
    OPEN = "open"  # what is there, and what still comes in, is paid to the heirs
    CLOSED = "closed"
    REFUSED = "refused"


class HeirShare(Struct, frozen=True, forbid_unknown_fields=True):
    """An heir: the account to be paid, and the share in whole parts (2 of 2 + 1 + 1 is a half)."""

    account: str
    parts: int


class EstateOrder(Struct, frozen=True, kw_only=True):
    """What stands on the certificate: `account` is any account of the dead person, `number` and `authority` name the
    paper, `heirs` are all who inherit."""

    key: str
    account: str
    number: str
    authority: str
    issued_on: date
    heirs: list[HeirShare]


class Heir(Struct, frozen=True, kw_only=True):
    """An heir as an officer sees it: initials, share, and minor units paid and still to be paid; `why` is the code of
    the ledger's last refusal."""

    account: str
    name: str
    parts: int
    paid_minor: int
    waiting_minor: int
    why: str = ""


class EstateAccount(Struct, frozen=True, kw_only=True):
    """An account of the estate: what is in it, and what of that is held by orders; minor units."""

    account: str
    kind: str
    currency: str
    balance_minor: int
    held_minor: int
    closed: bool


class Estate(Struct, frozen=True, kw_only=True):
    """An estate as an officer sees it. `stopped` counts the standing orders that ended, `owed_minor` what is still owed
    to rotating groups; `made_by_me` says that the reader proposed it."""

    estate_id: str
    name: str
    number: str
    authority: str
    issued_on: date
    state: State
    made_by_me: bool
    made_at: datetime
    currency: str
    heirs: list[Heir]
    accounts: list[EstateAccount]
    stopped: int
    owed_minor: int


class Kept(Struct, frozen=True, kw_only=True):
    """As kept."""

    person_id: PersonId
    estate_id: UUID
    account: int
    number: str
    authority: str
    issued_on: date
    currency: str
    heirs: list[HeirShare]
    state: State
    made_by: str
    made_at: datetime
    stopped: int


class Part(Struct, frozen=True, kw_only=True):
    """As kept: what one heir gets of what was divided at one time. `state`: asked, paid or refused."""

    account: int
    round: int
    place: int
    heir: int
    amount: int
    attempt: int
    state: str
    why: str
