"""What each kind of order does to the writer's memory: post, reserve, commit, abort, reverse, arrive.

Every move gives (reason, debit, credit, amount) for the journal row; with a reason nothing has changed.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from msingi.payments import rules
from msingi.payments.model import SHARD_BITS, Flag, Hold, Kind, Order, Reason, Tier

if TYPE_CHECKING:
    from msingi.payments.batch import Batch
    from msingi.payments.book import Book

Move = tuple[int, int, int, int]
KEPT = 50_000
SECOND_US = 1_000_000
NO_LIMITS = Tier(0, rules.MAX_BALANCE_MINOR, rules.MAX_BALANCE_MINOR, rules.MAX_BALANCE_MINOR)
MOVING = frozenset((int(Kind.POST), int(Kind.COMMIT), int(Kind.REVERSE), int(Kind.ARRIVE)))
_POST, _RESERVE, _COMMIT, _ABORT = int(Kind.POST), int(Kind.RESERVE), int(Kind.COMMIT), int(Kind.ABORT)
_REVERSE, _ARRIVE, _EXPECT = int(Kind.REVERSE), int(Kind.ARRIVE), int(Kind.EXPECT)
_INCOMING = (_ARRIVE, _EXPECT)
_SHARD = (1 << SHARD_BITS) - 1
_DEATH = int(Flag.OUT_OF_USE | Flag.DORMANT)
_RECOVERED, _LIMITS = int(Flag.RECOVERED), frozenset((Reason.TRANSFER_LIMIT, Reason.DAY_LIMIT))


class Original(Struct, gc=False):
    """A posted row that others may name: a transfer with what can still be paid back, or a hold that has ended."""

    kind: int
    debit: int
    credit: int
    currency: str
    left: int
    owner: int = 0


class Originals:
    """Rows that were named lately. The older half is forgotten in time; the database never forgets."""

    def __init__(self) -> None:
        self._recent: dict[UUID, Original] = {}
        self._older: dict[UUID, Original] = {}

    def __contains__(self, row_id: UUID) -> bool:
        return row_id in self._recent or row_id in self._older

    def get(self, row_id: UUID) -> Original | None:
        """What is known of a row; to be asked keeps it young."""
        found = self._recent.get(row_id) or self._older.pop(row_id, None)
        if found is not None:
            self._recent[row_id] = found
        return found

    def put(self, row_id: UUID, original: Original) -> None:
        """Remember a row."""
        self._recent[row_id] = original

    def drop(self, row_id: UUID) -> None:
        """Forget a row: it is not as it was remembered."""
        self._recent.pop(row_id, None)
        self._older.pop(row_id, None)

    def age(self) -> None:
        """Between batches: forget what nobody has asked for in a long time."""
        if len(self._recent) >= KEPT:
            self._older, self._recent = self._recent, {}


def move(book: "Book", order: Order, batch: "Batch", today: int) -> Move:
    """Do what an order says, or give the reason why nothing was done."""
    if order.kind in (_COMMIT, _ABORT):
        return _end(book, order, batch, today)
    debit, credit, amount, original = order.debit, order.credit, order.amount, None
    if order.kind == _REVERSE:
        original = book.originals.get(order.pending) if order.pending is not None else None
        if original is None or original.kind not in (_POST, _COMMIT, _ARRIVE):
            return int(Reason.NO_ORIGINAL), 0, 0, amount
        debit, credit = original.credit, original.debit
    lawful = rules.by_law(order.permit_text)
    reason, payer, payee = _weighed(book, order, debit, credit, today, lawful)
    if not reason and original is not None:
        if original.currency != order.currency:
            reason = int(Reason.CURRENCY)
        elif amount > original.left:
            reason = int(Reason.OVER_ORIGINAL)
        else:
            original.left -= amount
    if reason:
        return reason, debit, credit, amount
    if order.kind in (_RESERVE, _EXPECT):
        book.reserved[payer] += amount
        expires_us = batch.at_us + order.timeout_s * SECOND_US if order.timeout_s else 0
        day = 0 if lawful else today  # what uses no limit up gives none back
        hold = Hold(order.id, debit, credit, amount, order.currency, order.owner, day, expires_us)
        book.begin(hold)
        batch.held[hold.id] = hold
        batch.dirty.add(payer)
    else:
        book.posted[payer] -= amount
        book.posted[payee] += amount
        batch.dirty.add(payer)
        batch.dirty.add(payee)
    if book.tier[payer] and not lawful:
        book.spent[payer] = rules.spent_on(today, book.day[payer], book.spent[payer]) + amount
        book.day[payer] = today
    return 0, debit, credit, amount


def _weighed(book: "Book", order: Order, debit: int, credit: int, today: int, lawful: bool) -> tuple[int, int, int]:
    """Why an order is rejected, and the places of payer and payee."""
    shard, size = book.shard, len(book.flags)
    here, there = debit & _SHARD == shard, credit & _SHARD == shard
    payer = debit >> SHARD_BITS if here else book.place(debit, order.currency)
    payee = credit >> SHARD_BITS if there else book.place(credit, order.currency)
    # Only a reservation leaves for another shard, and what came from there, and only an arrival, or its promise, comes.
    fits = here == (order.kind not in _INCOMING)
    known = 0 <= payer < size and fits and (not here or book.owner[payer] == order.owner)
    if not (known and book.flags[payer]):
        return int(Reason.UNKNOWN_PAYER), payer, payee
    if not (0 <= payee < size and (there or order.kind in (_RESERVE, _REVERSE))):
        return int(Reason.UNKNOWN_PAYEE), payer, payee
    tier, posted, cooling = book.tiers[book.tier[payer]], book.posted, book.flags[payer] & _RECOVERED
    stops = book.flags[payer]
    if lawful:
        tier, cooling = NO_LIMITS, 0
        if rules.after_death(order.permit_text):
            stops = book.flags[payer] & ~_DEATH
    elif cooling:
        tier = rules.while_recovering(tier)
    reason = rules.weigh(
        order.amount,
        rules.available(posted[payer], book.reserved[payer], book.floor[payer]),
        stops,
        book.flags[payee],
        payer == payee,
        book.currency[payer] == book.currencies.get(order.currency) == book.currency[payee],
        book.tiers[book.tier[payee]].balance_limit_minor - posted[payee] - book.incoming[payee],
        tier.transfer_limit_minor,
        tier.day_limit_minor - rules.spent_on(today, book.day[payer], book.spent[payer]),
    )
    if cooling and reason in _LIMITS:
        reason = Reason.COOLING_OFF
    return int(reason), payer, payee


def _end(book: "Book", order: Order, batch: "Batch", today: int) -> Move:
    """Commit or abort a hold."""
    hold = book.holds.get(order.pending) if order.pending is not None else None
    amount = order.amount if order.kind == _COMMIT else 0
    if hold is None:
        ended = book.originals.get(order.pending) if order.pending is not None else None
        was = ended is not None and ended.kind == _RESERVE
        same = ended is not None and ended.owner in (0, order.owner)
        reason = rules.weigh_end(None, was, same, amount)
        return int(reason), (ended.debit if was and ended else 0), (ended.credit if was and ended else 0), amount
    same = hold.owner == order.owner and hold.currency == order.currency
    reason = rules.weigh_end(hold.amount, False, same, amount)
    if reason:
        return int(reason), (hold.debit if same else 0), (hold.credit if same else 0), amount
    release(book, hold, batch, today, amount)
    if order.kind == _ABORT:
        return 0, hold.debit, hold.credit, hold.amount
    payer, payee = book.place(hold.debit, hold.currency), book.place(hold.credit, hold.currency)
    book.posted[payer] -= amount
    book.posted[payee] += amount
    batch.dirty.add(payee)
    return 0, hold.debit, hold.credit, amount


def release(book: "Book", hold: Hold, batch: "Batch", today: int, kept: int = 0) -> None:
    """A hold ends. What was reserved over `kept` no longer counts against the limit of its day."""
    payer, payee = book.place(hold.debit, hold.currency), book.place(hold.credit, hold.currency)
    book.reserved[payer] -= hold.amount
    book.incoming[payee] -= hold.amount
    if book.tier[payer] and book.day[payer] == hold.day == today:
        book.spent[payer] -= hold.amount - kept
    del book.holds[hold.id]
    book.originals.put(hold.id, Original(_RESERVE, hold.debit, hold.credit, hold.currency, 0, hold.owner))
    if batch.held.pop(hold.id, None) is None:
        batch.released.add(hold.id)
    batch.dirty.add(payer)


def accounts_of(book: "Book", order: Order) -> tuple[int, int, int]:
    """The accounts and the amount that a row says of an order, whether it was carried out or not."""
    if order.pending is None or order.kind not in rules.FOLLOWING:
        return order.debit, order.credit, order.amount
    hold = book.holds.get(order.pending)
    if hold is not None:
        same = hold.owner == order.owner and hold.currency == order.currency
        return (hold.debit, hold.credit, order.amount) if same else (0, 0, order.amount)
    original = book.originals.get(order.pending)
    if original is None or (order.kind != _REVERSE and original.owner not in (0, order.owner)):
        return 0, 0, order.amount
    if order.kind == _REVERSE:
        return original.credit, original.debit, order.amount
    return original.debit, original.credit, order.amount


class Undo:
    """How everything stood that the orders of a chain can change, to put it back if one of them is rejected."""

    def __init__(self, book: "Book", batch: "Batch", orders: list[Order]) -> None:
        self._book, self._batch = book, batch
        named = [order.pending for order in orders if order.pending is not None]
        self._holds = {hold_id: hold for hold_id in named if (hold := book.holds.get(hold_id)) is not None}
        self._originals = {row_id: original for row_id in named if (original := book.originals.get(row_id)) is not None}
        self._left = {row_id: original.left for row_id, original in self._originals.items()}
        self._begun = [order.id for order in orders if order.kind == _RESERVE]
        self._batch_held = {hold_id: batch.held[hold_id] for hold_id in self._holds if hold_id in batch.held}
        self._released = {hold_id for hold_id in self._holds if hold_id in batch.released}
        ends = [accounts_of(book, order)[:2] for order in orders]
        places = {
            book.place(account, order.currency)
            for pair, order in zip(ends, orders, strict=True)
            for account in pair
            if account
        }
        columns = book.posted, book.reserved, book.incoming, book.spent, book.day, book.last
        self._state = [(column, place, column[place]) for place in places if place >= 0 for column in columns]

    def run(self) -> None:
        """Put everything back. What was noted as changed may stay noted: it is written as it is."""
        for column, place, value in self._state:
            column[place] = value
        book, batch = self._book, self._batch
        for hold_id in self._begun:
            if hold_id not in self._holds:
                book.holds.pop(hold_id, None)
                batch.held.pop(hold_id, None)
                book.originals.drop(hold_id)
        for hold_id, hold in self._holds.items():
            if hold_id not in book.holds:
                book.holds[hold_id] = hold
            if hold_id in self._batch_held:
                batch.held[hold_id] = hold
            elif hold_id not in self._released:
                batch.released.discard(hold_id)
            book.originals.drop(hold_id)
        for row_id, left in self._left.items():
            self._originals[row_id].left = left
