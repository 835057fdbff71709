"""The writer's memory: the balances of one shard by dense index, and the decision of a batch upon them.

Balances live in `array('q')`, eight bytes each: a million Python objects would be hostile to cache and memory.
"""

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import Struct

from msingi.kernel.errors import DifferentContent
from msingi.payments import chain, rules
from msingi.payments.model import SHARD_BITS, Kind, Order, Outcome, Reason, Status, Tier

Ending = Outcome | DifferentContent
RECENT = 50_000
_POST, _POSTED, _REJECTED = int(Kind.POST), int(Status.POSTED), int(Status.REJECTED)  # plain for speed
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def instant(at_us: int) -> datetime:
    """The aware instant of microseconds since 1970-01-01 UTC, exactly."""
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


class Batch(Struct, frozen=True):
    """A decided batch: journal rows (in the order of chain.COLUMNS) and what must be written with them.

    `endings` answers the orders in their order; `state` holds the changed accounts as columns (id, posted, spent,
    day), sorted by id; `remarks` are rows of payments.remittance.
    """

    first_seq: int
    next_seq: int
    prev: bytes
    root: bytes
    head: bytes
    at_us: int
    rows: list[tuple[Any, ...]]
    endings: list[Ending]
    state: tuple[list[int], list[int], list[int], list[int]]
    remarks: list[tuple[int, int, str, str, str]]
    posted: int


class Book:
    """The accounts of one shard in memory. Nothing here is true until the database says so."""

    def __init__(self, shard: int, tiers: Iterable[Tier]) -> None:
        self.shard = shard
        self.epoch = 0
        self.seq = 1
        self.head = chain.GENESIS
        self.owner = array("q")
        self.posted = array("q")
        self.reserved = array("q")
        self.floor = array("q")
        self.spent = array("q")
        self.day = array("i")
        self.tier = array("B")
        self.flags = array("B")
        self.currency = array("B")
        self.currencies: dict[str, int] = {}
        self.tiers = [rules.NO_TIER] * 256
        for tier in tiers:
            self.tiers[tier.number] = tier
        self._recent: dict[UUID, tuple[bytes, Outcome]] = {}
        self._older: dict[UUID, tuple[bytes, Outcome]] = {}
        self._last_us = 0

    def stand(self, epoch: int, seq: int, head: bytes, last_us: int) -> None:
        """Set where the shard stands in the database: the next seq, the chain's head, the last batch's instant."""
        self.epoch, self.seq, self.head = epoch, seq, head
        self._last_us = max(self._last_us, last_us)

    def put(
        self,
        account: int,
        posted: int,
        reserved: int,
        floor: int,
        spent: int,
        day: int,
        tier: int,
        flags: int,
        owner: int,
        currency: str,
    ) -> None:
        """Set an account to what the database says of it."""
        index = account >> SHARD_BITS
        lacking = index + 1 - len(self.flags)
        if lacking > 0:
            for column in (self.owner, self.posted, self.reserved, self.floor, self.spent):
                column.frombytes(bytes(8 * lacking))
            self.day.frombytes(bytes(4 * lacking))
            for column in (self.tier, self.flags, self.currency):
                column.frombytes(bytes(lacking))
        self.posted[index] = posted
        self.reserved[index] = reserved
        self.floor[index] = floor
        self.spent[index] = spent
        self.day[index] = day
        self.tier[index] = tier
        self.flags[index] = flags
        self.owner[index] = owner
        self.currency[index] = self.currencies.setdefault(currency, len(self.currencies))

    def strangers(self, orders: Sequence[Order]) -> set[int]:
        """Account ids in `orders` that this memory has not met; they may have been opened since."""
        flags, known, shard = self.flags, len(self.flags), self.shard
        mask = (1 << SHARD_BITS) - 1
        found = set()
        for order in orders:
            for account in (order.debit, order.credit):
                index = account >> SHARD_BITS
                if account & mask == shard and (index >= known or not flags[index]):
                    found.add(account)
        return found

    def restricted(self) -> set[int]:
        """Account ids that this memory knows as restricted: what restricted them may have been lifted."""
        return {index << SHARD_BITS | self.shard for index, flags in enumerate(self.flags) if flags > 1}

    def first_ending(self, transfer_id: UUID, body_hash: bytes) -> Ending | None:
        """How a recent order with this id ended, DifferentContent if it was another order, None if unknown."""
        known = self._recent.get(transfer_id) or self._older.get(transfer_id)
        if known is None:
            return None
        if known[0] != body_hash:
            return DifferentContent(key=str(transfer_id))
        first = known[1]
        return Outcome(first.seq, first.reason, first.debit_after, first.credit_after, first.at_us, True)

    def remember(self, transfer_id: UUID, body_hash: bytes, outcome: Outcome) -> None:
        """Keep how an order ended, for those who repeat it; the oldest are forgotten, the database never forgets."""
        if len(self._recent) >= RECENT:
            self._older, self._recent = self._recent, {}
        self._recent[transfer_id] = (body_hash, outcome)

    def forget(self, batch: Batch) -> None:
        """Forget the endings of a batch that was not committed."""
        for row in batch.rows:
            self._recent.pop(row[2], None)
            self._older.pop(row[2], None)

    def decide(self, orders: Sequence[Order], now_us: int) -> Batch:
        """Decide `orders` in sequence, move the balances in memory, and give the batch to persist.

        No await, no I/O: order, overdraft and limits are exact. Time never runs backwards within a shard.
        """
        at_us = self._last_us = max(now_us, self._last_us + 1)
        at, today = instant(at_us), rules.day_of(at_us)
        rows: list[tuple[Any, ...]] = []
        leaves: list[bytes] = []
        endings: list[Ending] = []
        remarks: list[tuple[int, int, str, str, str]] = []
        dirty: set[int] = set()
        seq, shard, accepted = self.seq, self.shard, 0
        for order in orders:
            repeated = self.first_ending(order.id, order.body_hash)
            if repeated is not None:
                endings.append(repeated)
                continue
            reason, debit_after, credit_after = self._post(order, today, dirty)
            status = _REJECTED if reason else _POSTED
            # fmt: off
            row = (
                shard, seq, order.id, _POST, None, order.debit, order.credit, order.amount, debit_after, credit_after,
                order.currency, order.code, status, reason, order.body_hash, at, order.permit_text,
            )
            # fmt: on
            rows.append(row)
            leaves.append(chain.encode(row, at_us))
            outcome = Outcome(seq, reason, debit_after, credit_after, at_us)
            self.remember(order.id, order.body_hash, outcome)
            endings.append(outcome)
            if not reason:
                accepted += 1
            if order.reference or order.payer or order.payee:
                remarks.append((shard, seq, order.reference, order.payer, order.payee))
            seq += 1
        return self._closed(rows, leaves, endings, remarks, dirty, seq, at_us, accepted)

    def _post(self, order: Order, today: int, dirty: set[int]) -> tuple[int, int, int]:
        """Post one order in memory, or leave everything as it is: (reason, debit_after, credit_after)."""
        payer, payee, amount = order.debit >> SHARD_BITS, order.credit >> SHARD_BITS, order.amount
        posted, flags, size = self.posted, self.flags, len(self.flags)
        mask = (1 << SHARD_BITS) - 1
        here = order.debit & mask == self.shard and 0 <= payer < size and self.owner[payer] == order.owner
        there = order.credit & mask == self.shard and 0 <= payee < size
        if not (here and there):
            reason = Reason.UNKNOWN_PAYEE if here and flags[payer] else Reason.UNKNOWN_PAYER
            return int(reason), posted[payer] if here else 0, posted[payee] if there else 0
        tier, payee_tier = self.tiers[self.tier[payer]], self.tiers[self.tier[payee]]
        spent = rules.spent_on(today, self.day[payer], self.spent[payer])
        before, payee_before = posted[payer], posted[payee]
        currency = self.currencies.get(order.currency)
        reason = rules.weigh(
            amount,
            rules.available(before, self.reserved[payer], self.floor[payer]),
            flags[payer],
            flags[payee],
            payer == payee,
            self.currency[payer] == currency == self.currency[payee],
            payee_tier.balance_limit_minor - payee_before,
            tier.transfer_limit_minor,
            tier.day_limit_minor - spent,
        )
        if reason:
            return reason, before, payee_before
        posted[payer] = before - amount
        posted[payee] = payee_before + amount
        if tier.number:
            self.spent[payer], self.day[payer] = spent + amount, today
        dirty.add(payer)
        dirty.add(payee)
        return 0, before - amount, payee_before + amount

    def _closed(
        self,
        rows: list[tuple[Any, ...]],
        leaves: list[bytes],
        endings: list[Ending],
        remarks: list[tuple[int, int, str, str, str]],
        dirty: set[int],
        next_seq: int,
        at_us: int,
        accepted: int,
    ) -> Batch:
        prev, first = self.head, self.seq
        if not rows:  # duplicates only: nothing to write, and the chain does not move
            return Batch(first, first, prev, prev, prev, at_us, [], endings, ([], [], [], []), [], 0)
        root = chain.root(leaves)
        self.head = chain.head(prev, self.shard, first, len(rows), root)
        self.seq = next_seq
        order = sorted(dirty)
        state = (
            [i << SHARD_BITS | self.shard for i in order],
            [self.posted[i] for i in order],
            [self.spent[i] for i in order],
            [self.day[i] for i in order],
        )
        return Batch(first, next_seq, prev, root, self.head, at_us, rows, endings, state, remarks, accepted)
