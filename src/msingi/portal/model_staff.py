"""What the pages of staff show, as plain nouns."""

from datetime import datetime

from msgspec import Struct

from msingi.kernel.money import Money


class Desk(Struct, frozen=True):
    """A member of staff's first page; `roles` are names of texts."""

    name: str
    institution: str
    roles: tuple[str, ...]


class EnrolPage(Struct, frozen=True):
    """The form of enrolment, in groups of questions."""

    groups: tuple[str, ...] = ("name", "birth", "home")


class EnrolCheck(Struct, frozen=True):
    """An enrolment to confirm; `order` is sealed for this session."""

    order: str


class Enrolled(Struct, frozen=True):
    """How an enrolment ended: enrolled, or held as `case`. `person` is sealed, for the form that sets a PIN;
    `pin` is ask, done or no-phone. `note` is what to look at again; `next` is where the next person begins."""

    outcome: str
    name: str
    number: str = ""
    case: str = ""
    person: str = ""
    pin: str = ""
    note: str = ""
    next: str = "/staff/enrol"


class CaseLine(Struct, frozen=True):
    """A held registration in the queue; it names nobody. `alike` counts candidates; `score` is the best
    one's evidence in bits."""

    id: str
    alike: int
    score: int
    at: datetime


class Cases(Struct, frozen=True):
    """A page of the duplicates queue."""

    cases: tuple[CaseLine, ...]
    total: int
    newer: str = ""
    older: str = ""


class CompareRow(Struct, frozen=True):
    """One field of two registrations. `verdict`: same, similar, differs or missing; `weight` as the score saw it."""

    label: str
    new: str
    old: str
    verdict: str
    weight: str = ""


class Comparison(Struct, frozen=True):
    """A held registration beside one candidate; `score` is the evidence in bits, `number` as people write it."""

    place: int
    score: int
    number: str
    rows: tuple[CompareRow, ...]
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()


class CasePage(Struct, frozen=True):
    """A held registration, or (`found`) a record with a number, and everybody who may be the same person, the most
    alike first."""

    id: str
    comparisons: tuple[Comparison, ...]
    found: bool = False


class FileLine(Struct, frozen=True):
    """A payment file; `state`: waiting, running or done."""

    id: str
    name: str
    state: str
    lines: int
    total: Money
    at: datetime


class Files(Struct, frozen=True):
    """The payment files, newest first."""

    files: tuple[FileLine, ...]
    may_upload: bool = False


class FaultLine(Struct, frozen=True):
    """A line of a payment file that was not paid, and why."""

    line: str
    amount: Money
    why: str


class FilePage(Struct, frozen=True, kw_only=True):
    """One payment file and how far it is. `mine`: the visitor handed it in, and cannot approve it."""

    id: str
    name: str
    state: str
    payer: str
    lines: int
    done: int
    paid: int
    failed: int
    total: Money
    uploaded_by: str
    at: datetime
    approved_by: str = ""
    approved_at: datetime | None = None
    may_approve: bool = False
    mine: bool = False
    faults: tuple[FaultLine, ...] = ()


class LogState(Struct, frozen=True):
    """The log's last signed state; `root` in base64."""

    origin: str
    size: int
    root: str
    pending: int = 0
    at: datetime | None = None


class MessageLine(Struct, frozen=True):
    """A message of the simulated gateway."""

    at: datetime
    to: str
    text: str


class Console(Struct, frozen=True):
    """The operator's console."""

    log: LogState
    messages: tuple[MessageLine, ...] = ()


class CountRow(Struct, frozen=True):
    """How often an act was done: ever, and in the last 24 hours."""

    what: str
    count: int
    today: int


class Audit(Struct, frozen=True):
    """Access figures for an auditor: `total` entries in the log, `today` records of the last 24 hours."""

    total: int
    today: int
    rows: tuple[CountRow, ...] = ()
