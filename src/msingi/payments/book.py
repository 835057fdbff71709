"""The writer's memory: the balances of one shard by dense index, and the decision of a batch upon them.

Balances live in `array('q')`, eight bytes each: a million Python objects would be hostile to cache and memory.
What an order does stands in `moves.py`; here they are taken in sequence, chains all or none, and closed as a batch.
"""

from array import array
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from heapq import heappop, heappush
from operator import itemgetter
from typing import Any
from uuid import UUID

from msingi.kernel.errors import DifferentContent
from msingi.payments import chain, moves, rules
from msingi.payments.batch import Batch, Ending
from msingi.payments.model import SHARD_BITS, Flag, Hold, Kind, Order, Outcome, Reason, Status, Tier

RECENT = 50_000
EXPIRED_AT_ONCE = 500
EXPIRY_PERMIT = "job:payments-writer@ operations public-task"
EXPIRY_CODE = "EXPI"
_POST, _EXPIRE = int(Kind.POST), int(Kind.EXPIRE)  # plain for speed
_POSTED, _REJECTED, _LINKED = int(Status.POSTED), int(Status.REJECTED), int(Reason.LINKED)
_SHARD = (1 << SHARD_BITS) - 1
_DORMANT = int(Flag.DORMANT)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def instant(at_us: int) -> datetime:
    """The aware instant of microseconds since 1970-01-01 UTC, exactly."""
    return _EPOCH + timedelta(microseconds=at_us)


def micros(at: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


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
        self.incoming = array("q")  # what open holds will bring: it counts against the balance limit already
        self.floor = array("q")
        self.spent = array("q")
        self.last = array("q")  # the seq of the newest row, which the next row of the account names
        self.day = array("i")
        self.tier = array("B")
        self.flags = array("B")
        self.currency = array("B")
        self.currencies: dict[str, int] = {}
        self.transit: dict[tuple[int, str], int] = {}  # the index of the account towards another shard
        self.tiers = [rules.NO_TIER] * 256
        for tier in tiers:
            self.tiers[tier.number] = tier
        self.holds: dict[UUID, Hold] = {}
        self.originals = moves.Originals()
        self._expiring: list[tuple[int, UUID]] = []
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
        last: int,
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
            columns = self.owner, self.posted, self.reserved, self.incoming, self.floor, self.spent, self.last
            for column in columns:
                column.frombytes(bytes(8 * lacking))
            self.day.frombytes(bytes(4 * lacking))
            for column in (self.tier, self.flags, self.currency):
                column.frombytes(bytes(lacking))
        self.posted[index] = posted
        self.reserved[index] = reserved
        self.floor[index] = floor
        self.spent[index] = spent
        self.last[index] = last
        self.day[index] = day
        self.tier[index] = tier
        self.flags[index] = flags
        self.owner[index] = owner
        self.currency[index] = self.currencies.setdefault(currency, len(self.currencies))

    def put_many(self, rows: Sequence[Sequence[Any]]) -> None:
        """As `put` for each of `rows`, column by column where they are the next accounts in order: at the start of a
        writer all are."""
        start = len(self.flags) or 1
        if not rows or [row[0] >> SHARD_BITS for row in rows] != list(range(start, start + len(rows))):
            for row in rows:
                self.put(*row)
            return
        if not self.flags:
            self.put(self.shard, 0, 0, 0, 0, 0, 0, 0, 0, 0, rows[0][10])  # the place 0, which is nobody's
        _, posted, reserved, floor, spent, last, day, tier, flags, owner, currency = zip(*rows, strict=True)
        for column, values in (
            *((self.posted, posted), (self.reserved, reserved), (self.floor, floor), (self.spent, spent)),
            *((self.last, last), (self.day, day), (self.tier, tier), (self.flags, flags), (self.owner, owner)),
        ):
            column.extend(values)
        self.incoming.frombytes(bytes(8 * len(rows)))
        codes = self.currencies
        self.currency.extend([codes.setdefault(code, len(codes)) for code in currency])

    def holder_of(self, index: int) -> int | None:
        """The reference of an account's holder; None for one that the book has not met."""
        return self.owner[index] if 0 <= index < len(self.flags) and self.flags[index] else None

    def hold_on(self, holds: Iterable[Hold]) -> None:
        """Set the open holds to what the database says; the accounts are known, and `reserved` counts them already."""
        self.holds, self._expiring = {}, []
        self.incoming = array("q", bytes(8 * len(self.flags)))
        self.originals = moves.Originals()
        for hold in holds:
            self.begin(hold)

    def begin(self, hold: Hold) -> None:
        """Remember a hold, and when its time is over."""
        self.holds[hold.id] = hold
        self.incoming[self.place(hold.credit, hold.currency)] += hold.amount
        if hold.expires_us:
            heappush(self._expiring, (hold.expires_us, hold.id))

    def place(self, account: int, currency: str) -> int:
        """The index of an account here, or of the transit account towards its shard; -1 if there is none."""
        if account & _SHARD == self.shard:
            index = account >> SHARD_BITS
            return index if index < len(self.flags) else -1
        return self.transit.get((account & _SHARD, currency), -1)

    def unusual(self, orders: Sequence[Order]) -> list[Order]:
        """Those of `orders` that name what this memory may not know: all but payments between two known accounts of
        this shard. Only for these are `strangers`, `unknown_originals` and `unknown_transits` worth asking."""
        flags, known, shard, found = self.flags, len(self.flags), self.shard, []
        for order in orders:
            debit, credit = order.debit, order.credit
            payer, payee = debit >> SHARD_BITS, credit >> SHARD_BITS
            here = debit & _SHARD == shard == credit & _SHARD and payer < known > payee
            if not here or order.pending is not None or not flags[payer] or not flags[payee]:
                found.append(order)
        return found

    def strangers(self, orders: Sequence[Order]) -> set[int]:
        """Account ids in `orders` that this memory has not met; they may have been opened since."""
        flags, known, shard = self.flags, len(self.flags), self.shard
        found = set()
        for order in orders:
            for account in (order.debit, order.credit):
                index = account >> SHARD_BITS
                if account & _SHARD == shard and account and (index >= known or not flags[index]):
                    found.add(account)
        return found

    def unknown_originals(self, orders: Sequence[Order]) -> set[UUID]:
        """Ids of holds and transfers that `orders` name and this memory does not know."""
        return {
            order.pending
            for order in orders
            if order.pending is not None
            and order.kind in rules.FOLLOWING
            and order.pending not in self.holds
            and order.pending not in self.originals
        }

    def unknown_transits(self, orders: Sequence[Order]) -> set[tuple[int, str]]:
        """The other shards, with the currency, to or from which `orders` lead and no transit account is known."""
        found = set()
        for order in orders:
            for account in (order.debit, order.credit):
                way = account & _SHARD, order.currency
                if account and way[0] != self.shard and way not in self.transit:
                    found.add(way)
        return found

    def restricted(self) -> set[int]:
        """Account ids that this memory knows as restricted: what restricted them may have been lifted."""
        return {index << SHARD_BITS | self.shard for index, flags in enumerate(self.flags) if flags & ~_DORMANT > 1}

    def due(self, now_us: int) -> bool:
        """Whether the time of some hold is over."""
        return bool(self._expiring) and self._expiring[0][0] <= now_us

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
        if len(self._recent) >= RECENT:  # between batches only: the members of a chain are forgotten together
            self._older, self._recent = self._recent, {}
        self.originals.age()
        at_us = self._last_us = max(now_us, self._last_us + 1)
        batch = Batch(self.seq, at_us, self.head)
        self._expire(batch)
        today, recent, older = rules.day_of(at_us), self._recent, self._older
        linked: list[Order] = []
        for order in orders:
            if linked or order.linked:
                linked.append(order)
                if not order.linked:
                    self._chain(linked, batch, today)
                    linked = []
            elif order.id in recent or order.id in older:
                repeated = self.first_ending(order.id, order.body_hash)
                assert repeated is not None
                batch.endings.append(repeated)
            elif order.kind != _POST or not self._plain(order, batch, today):
                reason, debit, credit, amount = moves.move(self, order, batch, today)
                self._write(batch, order, reason, debit, credit, amount)
        if linked:
            raise ValueError("the last order of a chain is not linked to another one")
        return self._closed(batch)

    def _plain(self, order: Order, batch: Batch, today: int) -> bool:
        """Post an order between two unrestricted accounts of this shard that nothing speaks against: nearly all are
        like that, and this is `moves.move` and `rules.weigh` without their calls. False: nothing was done."""
        debit, credit, amount, shard = order.debit, order.credit, order.amount, self.shard
        payer, payee, flags, posted = debit >> SHARD_BITS, credit >> SHARD_BITS, self.flags, self.posted
        known = debit & _SHARD == shard == credit & _SHARD and payer < len(flags) > payee != payer
        if not known or flags[payer] != 1 or flags[payee] != 1 or self.owner[payer] != order.owner:
            return False
        currency, before = self.currency[payer], posted[payer]
        if currency != self.currency[payee] or currency != self.currencies.get(order.currency):
            return False
        payee_after = posted[payee] + amount
        room = self.tiers[self.tier[payee]].balance_limit_minor - self.incoming[payee]
        if not 0 < amount <= before - self.reserved[payer] - self.floor[payer] or payee_after > room:
            return False
        tier = self.tiers[self.tier[payer]]
        spent = (self.spent[payer] if self.day[payer] == today else 0) + amount
        if amount > tier.transfer_limit_minor or spent > tier.day_limit_minor:
            return False
        if tier.number:
            self.spent[payer], self.day[payer] = spent, today
        posted[payer] = after = before - amount
        posted[payee] = payee_after
        batch.dirty.add(payer)
        batch.dirty.add(payee)
        seq, at_us, last = batch.first_seq + len(batch.rows), batch.at_us, self.last
        payer_before, payee_before = last[payer], last[payee]
        last[payer] = last[payee] = seq
        # fmt: off
        batch.add((
            shard, seq, order.id, _POST, None, debit, credit, amount, after, payee_after, order.currency, order.code,
            _POSTED, 0, order.body_hash, at_us, order.permit_text, 0, False, payer_before, payee_before,
        ))
        # fmt: on
        outcome = Outcome(seq, 0, after, payee_after, at_us)
        self._recent[order.id] = (order.body_hash, outcome)
        batch.endings.append(outcome)
        batch.posted += 1
        if order.reference or order.payer or order.payee:
            batch.remarks.append((shard, seq, order.reference, order.payer, order.payee))
        return True

    def _chain(self, orders: list[Order], batch: Batch, today: int) -> None:
        """All orders of a chain, or none: repeated as a whole, or decided as a whole."""
        known = [self.first_ending(order.id, order.body_hash) for order in orders]
        if any(ending is not None for ending in known) or len({order.id for order in orders}) < len(orders):
            same = all(isinstance(ending, Outcome) for ending in known)
            other = DifferentContent(key=str(orders[0].id))
            batch.endings.extend(ending if same and ending is not None else other for ending in known)
            return
        undo = moves.Undo(self, batch, orders)
        written = len(batch.rows), len(batch.remarks), batch.posted
        for order in orders:
            reason, debit, credit, amount = moves.move(self, order, batch, today)
            if reason:
                break
            self._write(batch, order, 0, debit, credit, amount)
        else:
            return
        undo.run()
        failed = batch.cut(*written)
        for place, order in enumerate(orders):
            self._write(batch, order, reason if place == failed else _LINKED, *moves.accounts_of(self, order))

    def _expire(self, batch: Batch) -> None:
        """End the holds whose time is over, before anything else is weighed."""
        expired = 0
        while expired < EXPIRED_AT_ONCE and self.due(batch.at_us):
            _, hold_id = heappop(self._expiring)
            hold = self.holds.get(hold_id)
            if hold is None:
                continue  # ended by an order
            moves.release(self, hold, batch, rules.day_of(batch.at_us))
            row_id = rules.expiry_id(hold.id)
            hashed = rules.body_hash(row_id, 0, 0, 0, hold.currency, EXPIRY_CODE, "", _EXPIRE, hold.id)
            order = Order(
                *(row_id, hold.owner, hold.debit, hold.credit, hold.amount, hold.currency, EXPIRY_CODE, hashed, None),
                *(EXPIRY_PERMIT, "", "", "", _EXPIRE, hold.id),
            )
            self._write(batch, order, 0, hold.debit, hold.credit, hold.amount, answered=False)
            expired += 1

    def _write(
        self, batch: Batch, order: Order, reason: int, debit: int, credit: int, amount: int, answered: bool = True
    ) -> None:
        """Put a decided order into the batch: `debit`, `credit` and `amount` are what the row says of them."""
        seq, posted = batch.first_seq + len(batch.rows), self.posted
        payer, payee = self.place(debit, order.currency), self.place(credit, order.currency)
        known = payer >= 0 and (debit & _SHARD != self.shard or self.owner[payer] == order.owner)
        debit_after = posted[payer] if known else 0
        credit_after = posted[payee] if payee >= 0 else 0
        debit_before = credit_before = 0
        if not reason:  # whoever pays or reserves has changed, whoever is paid too; of other shards' accounts they know
            batch.posted += 1
            if debit & _SHARD == self.shard:
                debit_before, self.last[payer] = self.last[payer], seq
            if credit & _SHARD == self.shard and order.kind in moves.MOVING:
                credit_before, self.last[payee] = self.last[payee], seq
        # fmt: off
        row = (
            self.shard, seq, order.id, order.kind, order.pending, debit, credit, amount, debit_after, credit_after,
            order.currency, order.code, _REJECTED if reason else _POSTED, reason, order.body_hash,
            batch.at_us, order.permit_text, order.timeout_s, order.linked, debit_before, credit_before,
        )
        # fmt: on
        batch.add(row)
        outcome = Outcome(seq, reason, debit_after, credit_after, batch.at_us)
        self.remember(order.id, order.body_hash, outcome)
        if answered:
            batch.endings.append(outcome)
        if order.reference or order.payer or order.payee:
            batch.remarks.append((self.shard, seq, order.reference, order.payer, order.payee))

    def _closed(self, batch: Batch) -> Batch:
        """Root, chain, and the state of every account that changed."""
        batch.next_seq = self.seq = batch.first_seq + len(batch.rows)
        if not batch.rows:  # duplicates only: nothing to write, and the chain does not move
            batch.root = batch.head = batch.prev
            return batch
        batch.root = chain.root(batch.leaves)
        batch.head = self.head = chain.head(batch.prev, self.shard, batch.first_seq, len(batch.rows), batch.root)
        if batch.dirty:
            order = sorted(batch.dirty)
            picked = itemgetter(0, *order)  # of two places at least, so that it gives a tuple: the place 0 is nobody's
            ids = [i << SHARD_BITS | self.shard for i in order]
            columns = self.posted, self.reserved, self.spent, self.day, self.last
            batch.state = (ids, *[list(picked(column)[1:]) for column in columns])
        return batch
