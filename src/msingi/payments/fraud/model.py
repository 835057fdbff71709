"""Nouns of the fraud desk: rules, verdicts, what a payer sees of a stopped payment, and cases."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

Text = dict[str, str]


class Answer(StrEnum):
    """What a rule says of an order: it may go, an officer looks at it first, or it is refused."""

    ALLOW = "allow"
    REVIEW = "review"
    REFUSE = "refuse"


class Kind(StrEnum):
    """What a rule looks at (see `rules.py`)."""

    COUNT = "count"  # more than `most` payments within `window_s`
    SUM = "sum"  # more than `most_minor` within `window_s`
    BELOW = "below"  # at least `most` payments of `share` percent of `bound_minor` and more, yet below it
    THROUGH = "through"  # `payers` or more paid in within `window_s`, and `share` percent or more of it leaves
    WATCHED = "watched"  # more than `over_minor`, while one of `why` holds for the payer
    STRANGER = "stranger"  # more than `over_minor` to somebody whom the payer never paid before


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule as the country wrote it. `told` names the words that the payer reads; they name no bound."""

    code: str
    kind: Kind
    answer: Answer
    told: str
    text: Text
    window_s: int = 0
    most: int = 0
    most_minor: int = 0
    bound_minor: int = 0
    share: int = 0
    payers: int = 0
    each_minor: int = 0
    over_minor: int = 0
    why: tuple[str, ...] = ()


class Institution(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who reports to the country's financial intelligence unit, as goAML asks for it."""

    rentity_id: int
    name: str
    unit: Text


class DisputeTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the country says of a kind of dispute: within how many days it is opened, until when the other side answers
    and a person decides, and whether the payee's money is held meanwhile."""

    file_days: int
    answer_days: int
    decide_days: int
    hold: bool


class RecallTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Within how many days a bank answers one that asks a payment back, and until when its customer is heard."""

    answer_days: int
    customer_days: int


class Rulebook(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules in force. Orders under one of the acts in `exempt` are not weighed: they move the customer's money at
    an agent's, or pay something back."""

    version: str
    review_hours: int
    contest_days: int
    pass_hours: int
    new_device_hours: int
    exempt: tuple[str, ...]
    likeness_bits: float
    reporter: Institution
    rules: tuple[Rule, ...]
    disputes: dict[str, DisputeTerms] = {}
    recalls: RecallTerms | None = None


class Paid(NamedTuple):
    """A payment that left: when (microseconds since 1970 UTC), minor units, to which account, and its id."""

    at_us: int
    amount: int
    payee: int
    id: UUID | None = None


class Came(NamedTuple):
    """A payment that arrived: when, minor units, from which holder (the ledger's reference)."""

    at_us: int
    amount: int
    payer: int


class Facts(Struct, frozen=True):
    """What is known of an order when it is weighed. `paid` and `came` are in the order of time, oldest first."""

    at_us: int
    amount: int
    payee: int
    paid: tuple[Paid, ...] | list[Paid] = ()
    came: tuple[Came, ...] | list[Came] = ()
    watched: frozenset[str] = frozenset()
    stranger: bool = False


class Verdict(Struct, frozen=True):
    """What the rules say: the strictest answer, the codes of the rules that gave one, and the words of the first."""

    answer: Answer = Answer.ALLOW
    rules: tuple[str, ...] = ()
    told: str = ""


class State(StrEnum):
    """What became of a stopped payment, as its payer sees it."""

    STOPPED = "stopped"  # and not contested
    CHECKING = "checking"  # an officer has it until `due_at`
    ALLOWED = "allowed"  # it may be sent again until `until`
    USED = "used"  # and was
    REFUSED = "refused"  # an officer looked, and it stays stopped


class Stopped(Struct, frozen=True, kw_only=True):
    """A payment that did not go, as its payer sees it: minor units of `currency`; `why` names the words."""

    stop_id: str
    at: datetime
    payee: str
    amount_minor: int
    currency: str
    why: str
    state: State
    due_at: datetime | None = None
    until: datetime | None = None
    said: str = ""


class StoppedPage(Struct, frozen=True):
    """A page of them, newest first; pass `next_before` for the next page, None on the last one."""

    payments: list[Stopped]
    next_before: str | None


class CaseState(StrEnum):
    """Where a case is: waiting, taken by an officer, proposed to be confirmed, or decided."""

    OPEN = "open"
    TAKEN = "taken"
    PROPOSED = "proposed"
    CLEARED = "cleared"
    CONFIRMED = "confirmed"


class Case(Struct, frozen=True, kw_only=True):
    """A case as the queue shows it. `kind` is review, contest or sanctions; `reference` names no person."""

    case_id: UUID
    reference: str
    kind: str
    state: CaseState
    rules: list[str]
    opened_at: datetime
    due_at: datetime
    taken_by: str = ""
    proposed_by: str = ""
    amount_minor: int = 0
    currency: str = ""
    late: bool = False


class Note(Struct, frozen=True):
    """What an officer wrote into a case, or the person who contests (`author` is empty then)."""

    at: datetime
    author: str
    text: str


class Movement(Struct, frozen=True):
    """A movement of the account in question: negative amounts left it; the other side is masked."""

    at: datetime
    amount_minor: int
    other: str
    code: str


class Dossier(Struct, frozen=True, kw_only=True):
    """A case with all that an officer needs: who (initials), the payment, the rules' words, notes, movements."""

    case: Case
    name: str
    account: str
    payee: str
    payee_name: str
    version: str
    notes: list[Note]
    movements: list[Movement]
    has_report: bool = False


class CasePage(Struct, frozen=True):
    """A page of the queue, the most urgent first; pass `next_after` for the next page, None on the last one."""

    cases: list[Case]
    next_after: str | None


class Counts(Struct, frozen=True):
    """What everybody may know of the desk: payments stopped, contested, let go, refused; open and late cases."""

    stopped: int
    contested: int
    let_go: int
    stayed: int
    open_cases: int
    late_cases: int
