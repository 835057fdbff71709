"""Nouns of programmes: the rules of eligibility, the programme, who stands in it, its cycles, and what it tells."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from msingi.kernel.ids import PersonId


class Eligibility(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Who may stand in a programme, as data; what is left out is not asked.

    `min_age` and `max_age` are whole years on the day of the check, both included. `regions` are codes of the country's
    profile, `sexes` words of the register.
    """

    min_age: int | None = None
    max_age: int | None = None
    sexes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()


class Facts(Struct, frozen=True):
    """What the rules see of a person: the birth date as far as it is known (YYYY[-MM[-DD]]), sex, region."""

    birth: str = ""
    sex: str = ""
    region: str = ""
    in_use: bool = True


class Why(StrEnum):
    """Why somebody was not taken into a programme, or was left out of a cycle."""

    MALFORMED = "malformed"
    NOT_FOUND = "not-found"
    NOT_IN_USE = "not-in-use"
    BIRTH_UNKNOWN = "birth-unknown"
    TOO_YOUNG = "too-young"
    TOO_OLD = "too-old"
    SEX = "sex"
    REGION = "region"


class ProgrammeOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A programme to open: paid out of `payer` (an account number), `amount_minor` to each person in each cycle.

    `code` (2-12 capital letters, digits, hyphens) is the institution's own, once; `name` is what people read. What
    nobody has collected `claim_days` after its cycle ended goes back (0: never), and whoever it is for is told
    `warn_days` before.
    """

    code: str
    name: str
    payer: str
    amount_minor: int
    eligibility: Eligibility = Eligibility()
    claim_days: int = 0
    warn_days: int = 14


class Programme(Struct, frozen=True):
    """A programme. `people` counts those who stand in it now."""

    programme_id: UUID
    institution: str
    code: str
    name: str
    payer: str
    currency: str
    amount_minor: int
    eligibility: Eligibility
    people: int
    opened_by: str
    opened_at: datetime
    closed_at: datetime | None = None
    claim_days: int = 0
    warn_days: int = 14


class Uncollected(Struct, frozen=True):
    """A payment that its receiver was told of: it goes back at `returns_at` unless she keeps it or uses the account."""

    programme: str
    amount_minor: int
    currency: str
    returns_at: datetime


class Taken(Struct, frozen=True):
    """What became of one identity number of a list: `line` counts from 1; `outcome` enrolled, already or refused."""

    line: int
    outcome: str
    why: Why | None = None


class Beneficiary(Struct, frozen=True):
    """Somebody in a programme, as its officials see the list: no name, no number."""

    person_id: PersonId
    enrolled_by: str
    enrolled_at: datetime


class Beneficiaries(Struct, frozen=True):
    """A page of the list; pass `next_after` as `after` for the next page, None on the last one."""

    people: list[Beneficiary]
    next_after: UUID | None


class Cycle(Struct, frozen=True):
    """One attempt at a cycle: `file_id` is its payment file. `ready`: everybody was checked; `left_out` counts those
    who are not in the file."""

    label: str
    attempt: int
    file_id: UUID
    opened_by: str
    opened_at: datetime
    ready: bool
    checked: int
    left_out: int
    state: str
    lines: int
    total_minor: int
    paid: int
    rejected: int
    currency: str


class LeftOut(Struct, frozen=True):
    """Somebody who was left out of a cycle, and why."""

    person_id: PersonId
    why: Why


class LeftOutPage(Struct, frozen=True):
    """A page of those left out; pass `next_after` as `after` for the next page, None on the last one."""

    people: list[LeftOut]
    next_after: UUID | None


class CycleOpened(Struct, frozen=True):
    """Event payments.cycle-opened: a cycle is to be checked and made into a payment file."""

    file_id: str


class Checked(Struct):
    """What a part of a list came to: whom its lines pay in all `total_minor`, the lines sealed, and those left out."""

    people: list[PersonId] = field(default_factory=list)
    total_minor: int = 0
    sealed: bytes = b""
    left_out: list[LeftOut] = field(default_factory=list)


class OpenCycle(Struct, frozen=True):
    """A cycle whose list is being checked: where the check stands (`cursor`), and what its lines need."""

    file_id: UUID
    programme_id: UUID
    label: str
    institution: str
    name: str
    amount_minor: int
    currency: str
    eligibility: Eligibility
    cursor: UUID | None
    lines: int
    on: date
