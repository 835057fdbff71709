"""Nouns of the pages about stopped payments, of disputes, and of the desks that decide them."""

from datetime import datetime

from msgspec import Struct

from msingi.kernel.money import Money
from msingi.portal.model_bank import Fact


class StopLine(Struct, frozen=True, kw_only=True):
    """A stopped payment in the list; `state` names the words of its state."""

    id: str
    payee: str
    amount: Money
    at: datetime
    state: str


class StopsPage(Struct, frozen=True):
    """One's own stopped payments."""

    lines: tuple[StopLine, ...]
    older: str


class StopPage(Struct, frozen=True, kw_only=True):
    """One stopped payment: `why` and `state` name words; `said` is what the desk wrote."""

    line: StopLine
    why: str
    said: str
    due_at: datetime | None = None
    until: datetime | None = None
    may_write: bool = False


class CaseLine(Struct, frozen=True, kw_only=True):
    """A case in a queue. `kind` and `state` name words; `what` are the rules or the reason in words."""

    id: str
    reference: str
    kind: str
    state: str
    what: tuple[str, ...]
    due_at: datetime
    late: bool
    by: str = ""
    amount: Money | None = None


class QueuePage(Struct, frozen=True):
    """A queue, the most urgent first, and what is counted."""

    lines: tuple[CaseLine, ...]
    older: str
    counts: tuple[Fact, ...] = ()


class Said(Struct, frozen=True):
    """What somebody wrote into a case; no name: the person."""

    name: str
    at: datetime
    text: str


class Moved(Struct, frozen=True):
    """A movement of the account in question."""

    at: datetime
    amount: Money
    other: str
    kind: str


class CasePage(Struct, frozen=True, kw_only=True):
    """One case of the fraud desk: `steps` are what this officer may do now."""

    line: CaseLine
    facts: tuple[Fact, ...]
    notes: tuple[Said, ...]
    moved: tuple[Moved, ...]
    steps: tuple[str, ...]
    report: str
    may_ask: bool


class DisputeLine(Struct, frozen=True, kw_only=True):
    """A dispute in a list; `kind` and `state` name words, `mine` says that the reader paid."""

    id: str
    other: str
    kind: str
    state: str
    mine: bool
    amount: Money
    at: datetime
    due_at: datetime
    late: bool


class DisputesPage(Struct, frozen=True):
    """Disputes in which one takes part, or that wait for a decision; and what is counted."""

    lines: tuple[DisputeLine, ...]
    older: str
    counts: tuple[Fact, ...] = ()
    recalls: tuple[DisputeLine, ...] = ()  # payments that are asked back between banks
    older_recalls: str = ""


class DisputePage(Struct, frozen=True, kw_only=True):
    """One dispute, or (without a `line`) the form to open one: `steps` are what the reader may do."""

    action: str
    line: DisputeLine | None = None
    facts: tuple[Fact, ...] = ()
    said: tuple[tuple[str, str], ...] = ()
    steps: tuple[str, ...] = ()
    complaint: str = ""
