"""The whole ledger against a naive model: every kind of order, chains, expiry, freezes, limits, duplicates, and failed
commits that are decided again. The model is slow, obvious, and shares no line with the writer's memory."""

from copy import deepcopy
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from msingi.kernel.errors import DifferentContent
from msingi.payments import chain, rules
from msingi.payments.book import EXPIRY_CODE, Book
from msingi.payments.model import SHARD_BITS, Hold, Kind, Order, Outcome, Reason, Tier
from msingi.payments.moves import Original

TIERS = {0: (10**15, 10**18, 10**18), 1: (100, 250, 1000), 2: (1000, 3000, 10**9)}
DAY = rules.DAY_US
numbers, accounts, amounts = st.integers(1, 40), st.integers(1, 5), st.integers(1, 300)
simple = st.tuples(st.just(Kind.POST), numbers, accounts, accounts, amounts, st.sampled_from([7, 7, 7, 8]))
reserving = st.tuples(st.just(Kind.RESERVE), numbers, accounts, accounts, amounts, st.sampled_from([0, 1, 5]))
ending = st.tuples(
    st.sampled_from([Kind.COMMIT, Kind.ABORT]), numbers, numbers, st.integers(1, 300), st.sampled_from([7, 7, 8])
)
reversing = st.tuples(st.just(Kind.REVERSE), numbers, numbers, st.integers(1, 300), st.just(7))
one = st.one_of(simple, simple, reserving, ending, reversing)


class Naive:
    """Accounts as dictionaries, one order at a time."""

    def __init__(self):
        self.posted, self.tier, self.flags, self.spent = {}, {}, {}, {}
        self.holds, self.ended, self.paid = {}, {}, {}

    def reserved(self, account):
        return sum(h["amount"] for h in self.holds.values() if h["debit"] == account)

    def incoming(self, account):
        return sum(h["amount"] for h in self.holds.values() if h["credit"] == account)

    def refuse(self, d, c, a, owner, day):
        if d not in self.posted or owner != 7:
            return Reason.UNKNOWN_PAYER
        if c not in self.posted:
            return Reason.UNKNOWN_PAYEE
        if d == c:
            return Reason.SAME_ACCOUNT
        if self.flags[d] != 1:
            return Reason.PAYER_FROZEN
        at_once, per_day, _ = TIERS[self.tier[d]]
        if a > at_once:
            return Reason.TRANSFER_LIMIT
        if a + self.spent.get((d, day), 0) > per_day:
            return Reason.DAY_LIMIT
        if a > self.posted[d] - self.reserved(d):
            return Reason.INSUFFICIENT_FUNDS
        if self.posted[c] + self.incoming(c) + a > TIERS[self.tier[c]][2]:
            return Reason.BALANCE_LIMIT
        return Reason.NONE

    def expire(self, at):
        gone = [n for n, h in self.holds.items() if h["until"] and h["until"] <= at]
        for n in gone:
            self.free(n, 0, at // DAY)
        return len(gone)

    def free(self, n, kept, day):
        hold = self.holds.pop(n)
        self.ended[n] = hold
        if hold["day"] == day and (hold["debit"], day) in self.spent:
            self.spent[hold["debit"], day] -= hold["amount"] - kept
        return hold

    def do(self, what, at):
        kind, n, *rest = what
        day = at // DAY
        if kind in (Kind.POST, Kind.RESERVE):
            d, c, a, last = rest
            owner, seconds = (last, 0) if kind == Kind.POST else (7, last)
            if reason := self.refuse(d, c, a, owner, day):
                return reason
            if kind == Kind.POST:
                self.pay(n, d, c, a)
            else:
                until = at + seconds * 1_000_000 if seconds else 0
                self.holds[n] = {"debit": d, "credit": c, "amount": a, "until": until, "day": day}
            if self.tier[d]:
                self.spent[d, day] = self.spent.get((d, day), 0) + a
            return Reason.NONE
        named, a, owner = rest
        if kind == Kind.REVERSE:
            if named not in self.paid:
                return Reason.NO_ORIGINAL
            c, d, left = self.paid[named]
            reason = self.refuse(d, c, a, owner, day)
            if not reason and a > left:
                reason = Reason.OVER_ORIGINAL
            if reason:
                return reason
            self.paid[named] = (c, d, left - a)
            self.posted[d] -= a
            self.posted[c] += a
            if self.tier[d]:
                self.spent[d, day] = self.spent.get((d, day), 0) + a
            return Reason.NONE
        if named not in self.holds:
            return Reason.HOLD_ENDED if named in self.ended and owner == 7 else Reason.NO_HOLD
        if owner != 7:
            return Reason.NO_HOLD
        kept = a if kind == Kind.COMMIT else 0
        if kept > self.holds[named]["amount"]:
            return Reason.OVER_HOLD
        hold = self.free(named, kept, day)
        if kind == Kind.COMMIT:
            self.pay(n, hold["debit"], hold["credit"], a)
        return Reason.NONE

    def pay(self, n, d, c, a):
        self.posted[d] -= a
        self.posted[c] += a
        self.paid[n] = (d, c, a)


def ordered(what, linked=False):
    """The order that a tuple stands for."""
    kind, n, *rest = what
    pending, seconds, d, c, owner = None, 0, 0, 0, 7
    if kind == Kind.POST:
        d, c, a, owner = rest
    elif kind == Kind.RESERVE:
        d, c, a, seconds = rest
    else:
        named, a, owner = rest
        pending = UUID(int=named << SHARD_BITS)
    id, d, c = UUID(int=n << SHARD_BITS), d << SHARD_BITS, c << SHARD_BITS
    hashed = rules.body_hash(id, d, c, a, "AAA", "P2P", "", int(kind), pending, seconds)
    return Order(
        id, owner, d, c, a, "AAA", "P2P", hashed, None, "test", "", "", "", int(kind), pending, seconds, linked
    )


class LedgerMachine(RuleBasedStateMachine):
    """Whatever is ordered, in whatever order: writer's memory and model end every order alike."""

    def __init__(self):
        super().__init__()
        self.book = Book(0, [Tier(n, *limits) for n, limits in TIERS.items() if n])
        self.model = Naive()
        self.seen: dict[int, tuple] = {}
        self.rows: list[tuple] = []
        self.at = 10**15

    @precondition(lambda self: len(self.model.posted) < 4)
    @rule(balance=st.integers(0, 500), tier=st.integers(0, 2))
    def open_account(self, balance, tier):
        n = len(self.model.posted) + 1
        self.model.posted[n], self.model.tier[n], self.model.flags[n] = balance, tier, 1
        self.book.put(n << SHARD_BITS, balance, 0, 0, 0, 0, 0, tier, 1, 7, "AAA")
        self.rows.append(("start", n, balance))

    @rule(account=accounts, flags=st.sampled_from([1, 3]))
    def freeze(self, account, flags):
        if account in self.model.posted:
            self.model.flags[account] = flags
            self.book.flags[account] = flags

    @rule(seconds=st.sampled_from([1, 4, 86_400]))
    def time_passes(self, seconds):
        self.at += seconds * 1_000_000

    @rule(wanted=st.lists(one, min_size=1, max_size=6))
    def post(self, wanted):
        self.run([[what] for what in wanted])

    @rule(wanted=st.lists(one, min_size=2, max_size=4), alone=one)
    def post_linked(self, wanted, alone):
        self.run([wanted, [alone]])

    @rule(wanted=st.lists(one, min_size=1, max_size=4))
    def a_commit_fails_and_the_memory_is_read_again(self, wanted):
        """What was decided and not committed leaves no trace, in the way in which the writer recovers."""
        self.at += 1
        kept = {
            name: deepcopy(getattr(self.book, name)) for name in ("posted", "reserved", "spent", "day", "seq", "head")
        }
        holds = list(self.book.holds.values())
        batch = self.book.decide([ordered(what) for what in wanted], self.at)
        self.book.forget(batch)
        for name, value in kept.items():
            setattr(self.book, name, value)
        self.book.hold_on(
            Hold(h.id, h.debit, h.credit, h.amount, h.currency, h.owner, h.day, h.expires_us) for h in holds
        )

    def run(self, chains):
        self.at += 1
        orders = [ordered(what, n < len(wanted) - 1) for wanted in chains for n, what in enumerate(wanted)]
        for named in self.book.unknown_originals(orders):  # as the writer looks them up in the journal
            n = named.int >> SHARD_BITS
            if n in self.model.paid:
                d, c, left = self.model.paid[n]
                kind = self.seen[n][0][0]
                self.book.originals.put(named, Original(int(kind), d << SHARD_BITS, c << SHARD_BITS, "AAA", left))
            elif n in self.model.ended:
                hold = self.model.ended[n]
                ends = hold["debit"] << SHARD_BITS, hold["credit"] << SHARD_BITS
                self.book.originals.put(named, Original(int(Kind.RESERVE), *ends, "AAA", hold["amount"]))
        batch = self.book.decide(orders, self.at)
        expired = self.model.expire(self.at)
        assert [row[3] for row in batch.rows[:expired]] == [Kind.EXPIRE] * expired
        assert all(row[11] == EXPIRY_CODE for row in batch.rows[:expired])
        self.rows += batch.rows
        endings = iter(batch.endings)
        for wanted in chains:
            self.compare(wanted, [next(endings) for _ in wanted])
        assert next(endings, None) is None
        assert chain.root(batch.leaves) == batch.root if batch.rows else batch.head == batch.prev

    def compare(self, wanted, endings):
        known = [what[1] in self.seen for what in wanted]
        if any(known) or len({what[1] for what in wanted}) < len(wanted):
            same = all(self.seen.get(what[1], (None,))[0] == self.content(what) for what in wanted)
            for what, end in zip(wanted, endings, strict=True):
                if same:
                    assert isinstance(end, Outcome) and end.repeated and end.reason == self.seen[what[1]][1]
                else:
                    assert isinstance(end, DifferentContent)
            return
        before = deepcopy(self.model)
        reasons = []
        for what in wanted:
            reasons.append(self.model.do(what, self.at))
            if reasons[-1]:
                self.model = before
                reasons = [*(Reason.LINKED,) * (len(reasons) - 1), reasons[-1]]
                reasons += [Reason.LINKED] * (len(wanted) - len(reasons))
                break
        assert [end.reason for end in endings] == reasons
        for what, reason in zip(wanted, reasons, strict=True):
            self.seen[what[1]] = self.content(what), reason

    @staticmethod
    def content(what):
        """What makes an order the same one: an ABORT has no amount, and nobody signs with the owner."""
        kind, n, *rest = what
        return (kind, n, rest[0]) if kind == Kind.ABORT else (kind, n, *(rest[:-1] if kind != Kind.RESERVE else rest))

    @invariant()
    def books_agree(self):
        for n, balance in self.model.posted.items():
            assert self.book.posted[n] == balance
            assert self.book.reserved[n] == self.model.reserved(n)
            assert self.book.incoming[n] == self.model.incoming(n)
            assert balance - self.model.reserved(n) >= 0  # law 2
            today = self.at // DAY
            if self.book.day[n] == today:
                assert self.book.spent[n] == self.model.spent.get((n, today), 0)
        assert {h.int >> SHARD_BITS for h in self.book.holds} == set(self.model.holds)

    @invariant()
    def balances_are_the_sums_of_their_rows(self):
        """Law 5, from the rows alone, with the balance that each row states (law 1: what leaves arrives)."""
        sums: dict[int, int] = {}
        for row in self.rows:
            if row[0] == "start":
                sums[row[1]] = row[2]
                continue
            if row[12] == 1 and row[3] in (Kind.POST, Kind.COMMIT, Kind.REVERSE):
                d, c = row[5] >> SHARD_BITS, row[6] >> SHARD_BITS
                sums[d] -= row[7]
                sums[c] += row[7]
                assert (sums[d], sums[c]) == (row[8], row[9])
        assert sums == self.model.posted


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLedger = LedgerMachine.TestCase
