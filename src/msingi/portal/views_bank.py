"""From what the bank answers to what its pages show: pure, one function per page."""

from msingi.kernel.money import Money
from msingi.payments.bank.model import Booked
from msingi.payments.model import Entry as LedgerEntry
from msingi.portal import model as m
from msingi.portal.model_bank import StatementPage
from msingi.portal.views import KINDS, Speaker


def entry(speaker: Speaker, line: LedgerEntry, currency: str) -> m.Entry:
    """A movement as its reader understands it."""
    kind = KINDS.get(line.code, "other")
    amount, party = Money(line.amount_minor, currency), speaker.party(line.other)
    return m.Entry(line.at, amount, party, kind, line.reference, line.transfer_id)


def statement(speaker: Speaker, found: Booked, forms: tuple[tuple[str, str], ...]) -> StatementPage:
    """A statement: newest entries first, as on the page of movements."""
    amounts = [e.amount_minor for e in found.entries]
    return StatementPage(
        account=found.account,
        first=found.period.first,
        last=found.period.last,
        opening=Money(found.opening_minor, found.currency),
        closing=Money(found.closing_minor, found.currency),
        received=Money(sum(a for a in amounts if a > 0), found.currency),
        paid=Money(sum(a for a in amounts if a < 0), found.currency),
        entries=tuple(entry(speaker, e, found.currency) for e in reversed(found.entries)),
        forms=forms,
    )
