"""The laws as pure functions, each with a property; and the writer's memory against a naive model."""

import hashlib
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from msingi.kernel.errors import DifferentContent, Malformed
from msingi.kernel.log.leaf import tree_hash
from msingi.payments import chain, rules
from msingi.payments.book import Book, instant, micros
from msingi.payments.model import Order, Outcome, Reason, Tier

amounts = st.integers(-(10**16), 10**16)
ids = st.integers(0, (1 << 36) - 1)
TIERS = [Tier(1, 100, 250, 1000), Tier(2, 1000, 3000, 10**9)]


def made(
    n: int, debit: int, credit: int, amount: int, currency: str = "AAA", reference: str = "", owner: int = 7
) -> Order:
    id = UUID(int=n)
    hashed = rules.body_hash(id, debit << 8, credit << 8, amount, currency, "P2P", reference)
    return Order(id, owner, debit << 8, credit << 8, amount, currency, "P2P", hashed, None, "test", reference)  # type: ignore[arg-type]


def opened(balances: list[int], tier: int = 0, currency: str = "AAA", floor: int = 0) -> Book:
    book = Book(0, TIERS)
    for index, balance in enumerate(balances, 1):
        book.put(index << 8, balance, 0, floor, 0, 0, tier, 1, 7, currency)
    return book


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 200)), max_size=40))
@settings(max_examples=60)
def test_law_1_every_transfer_sums_to_zero(orders):
    book = opened([100, 50, 0, 7])
    before = list(book.posted)
    batch = book.decide([made(n, *o) for n, o in enumerate(orders, 1)], 10**15)
    assert sum(book.posted) == sum(before)
    for row in batch.rows:
        debit, credit, amount, debit_after, credit_after, status = *row[5:10], row[12]
        d, c = debit >> 8, credit >> 8
        moved = amount if status == 1 else 0
        assert before[d] - moved == debit_after if d != c else moved == 0
        before[d] -= moved
        before[c] += moved
        assert before[c] == credit_after


@given(
    st.integers(-100, 0), st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 200)), max_size=30)
)
@settings(max_examples=60)
def test_law_2_no_account_passes_its_floor(floor, orders):
    book = opened([100, 0, 20], floor=floor)
    for n, order in enumerate(orders, 1):
        book.decide([made(n, *order)], 10**15)
        assert all(balance >= floor for balance in list(book.posted)[1:])


@given(amounts, amounts, st.integers(0, 7), st.integers(0, 7), st.booleans(), st.booleans(), amounts, amounts, amounts)
@settings(max_examples=300)
def test_law_3_what_is_not_allowed_is_rejected(amount, available, payer, payee, same, currency, room, limit, left):
    reason = rules.weigh(amount, available, payer, payee, same, currency, room, limit, left)
    allowed = (
        (0 < amount <= rules.MAX_AMOUNT_MINOR and amount <= min(available, room, limit, left))
        and (payer & 1 and payee & 1 and not payer & 2 and not payee & 4)
        and (currency and not same)
    )
    assert (reason == Reason.NONE) == bool(allowed)


def test_law_3_limits_of_the_tier_hold_per_transfer_per_day_and_as_a_balance():
    book = opened([1000, 0], tier=1)
    day = rules.DAY_US
    assert [
        e.reason for e in book.decide([made(1, 1, 2, 101), made(2, 1, 2, 100), made(3, 1, 2, 100)], day).endings
    ] == [*(Reason.TRANSFER_LIMIT, 0, 0)]
    assert book.decide([made(4, 1, 2, 51)], day + 5).endings[0].reason == Reason.DAY_LIMIT
    assert book.decide([made(5, 1, 2, 50)], day + 6).endings[0].reason == 0
    assert book.decide([made(6, 1, 2, 100)], 2 * day).endings[0].reason == 0  # a new day
    book.put(2 << 8, 950, 0, 0, 0, 0, 1, 1, 7, "AAA")
    assert book.decide([made(7, 1, 2, 100)], 2 * day + 1).endings[0].reason == Reason.BALANCE_LIMIT


@given(st.text(max_size=20), st.integers(1, 100), st.integers(1, 100), st.text(max_size=10))
def test_law_4_one_id_one_order(key, amount, other_amount, reference):
    book = opened([1000, 0])
    id = rules.transfer_id("me", key)
    assert id.version == 8 and id == rules.transfer_id("me", key) != rules.transfer_id("you", key)
    first, again = made(id.int, 1, 2, amount, reference=reference), made(id.int, 1, 2, amount, reference=reference)
    changed = made(id.int, 1, 2, other_amount, reference=reference + "!")
    batch = book.decide([first, again, changed], 10**15)
    assert isinstance(batch.endings[0], Outcome) and isinstance(batch.endings[2], DifferentContent)
    assert batch.endings[1].repeated and batch.endings[1].seq == batch.endings[0].seq
    later = book.decide([again], 10**15 + 1)
    assert later.rows == [] and later.head == batch.head and later.endings[0].repeated
    assert book.posted[1] == 1000 - amount


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 99)), min_size=1, max_size=20))
@settings(max_examples=50)
def test_law_6_the_chain_verifies_and_sees_every_change(orders):
    book = opened([100, 50, 0])
    batch = book.decide([made(n, *o) for n, o in enumerate(orders, 1)], 10**15)
    leaves = [chain.encode(row, batch.at_us) for row in batch.rows]
    assert leaves == batch.leaves
    assert chain.root(leaves) == batch.root == tree_hash(leaves)
    assert chain.head(batch.prev, 0, batch.first_seq, len(batch.rows), batch.root) == batch.head == book.head
    for column in range(len(chain.COLUMNS)):
        row = list(batch.rows[0])
        row[column] = altered(row[column])
        at = row[15]
        assert chain.root([chain.encode(row, at), *leaves[1:]]) != batch.root, chain.COLUMNS[column]


def altered(value):
    """The same sort of value, changed a little."""
    if isinstance(value, bool):
        return not value
    if value is None:
        return UUID(int=1)
    if isinstance(value, UUID):
        return UUID(int=value.int ^ 1)
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, str):
        return value + "x"
    return instant(micros(value) + 1) if hasattr(value, "tzinfo") else value + 1


def test_the_canonical_form_is_the_one_that_is_written_down():
    row = (1, 2, UUID(int=3), 1, None, 256, 512, 5, -5, 5, "TZS", "P2P", 1, 0, bytes(32), instant(7), "who", 60, True)
    assert hashlib.sha256(chain.encode(row, 7)).hexdigest() == (
        hashlib.sha256(
            bytes.fromhex("0200010000000000000002" + "00" * 15 + "0301" + "00" * 16)
            + b"".join(v.to_bytes(8, "big", signed=True) for v in (256, 512, 5, -5, 5))
            + bytes.fromhex("010000")
            + bytes(32)
            + (7).to_bytes(8, "big")
            + bytes.fromhex("0000003c01")
            + b"\0\3TZS\0\3P2P\0\3who"
        ).hexdigest()
    )


@given(ids, ids)
def test_account_numbers_name_one_account_and_show_every_wrong_digit(account, other):
    number = rules.number_of(account)
    assert len(number) == 13 and rules.id_of(number) == account
    assert (rules.number_of(other) == number) == (account == other)
    for place in range(13):
        wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        with pytest.raises(Malformed):
            rules.id_of(wrong)
    for place in range(12):
        swapped = number[:place] + number[place + 1] + number[place] + number[place + 2 :]
        if swapped != number:
            with pytest.raises(Malformed):
                rules.id_of(swapped)


@given(st.text(max_size=16))
def test_no_text_but_an_account_number_is_one(text):
    try:
        account = rules.id_of(text)
    except Malformed:
        return
    assert rules.number_of(account) == text.replace(" ", "")


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_masked_name_tells_two_letters_at_most(given_name, family):
    masked = rules.masked(given_name, family)
    assert len([c for c in masked if c not in ". "]) <= 2 * 3  # one letter can be several when upper-cased
    assert rules.masked("Asha", "Mrema") == "A. M." and rules.masked("", "Juma") == "J." and rules.masked("", "") == "?"


class LedgerMachine(RuleBasedStateMachine):
    """The writer's memory does what twenty naive lines do, order by order."""

    def __init__(self):
        super().__init__()
        self.book = Book(0, TIERS)
        self.balances: dict[int, int] = {}
        self.spent: dict[tuple[int, int], int] = {}
        self.tiers: dict[int, int] = {}
        self.seen: dict[int, tuple[tuple, int]] = {}
        self.rows = 0
        self.at = 10**15

    @rule(balance=st.integers(0, 500), tier=st.integers(0, 2))
    def open_account(self, balance, tier):
        n = len(self.balances) + 1
        self.balances[n], self.tiers[n] = balance, tier
        self.book.put(n << 8, balance, 0, 0, 0, 0, tier, 1, 7, "AAA")

    @rule()
    def next_day(self):
        self.at += rules.DAY_US

    @rule(
        wanted=st.lists(
            st.tuples(
                st.integers(1, 60), st.integers(1, 6), st.integers(1, 6), st.integers(1, 300), st.sampled_from([7, 8])
            ),
            min_size=1,
            max_size=8,
        )
    )
    def post(self, wanted):
        self.at += 1
        batch = self.book.decide([made(n, d, c, a, owner=o) for n, d, c, a, o in wanted], self.at)
        assert len(batch.endings) == len(wanted)
        for (n, d, c, a, o), ending in zip(wanted, batch.endings, strict=True):
            if n in self.seen:
                if self.seen[n][0] == (d, c, a):
                    assert ending.repeated and ending.reason == self.seen[n][1]
                else:
                    assert isinstance(ending, DifferentContent)
                continue
            reason = self.naive(d, c, a, o)
            assert ending.reason == reason
            self.seen[n] = ((d, c, a), reason)
            self.rows += 1

    def naive(self, d, c, a, o):
        if d not in self.balances or o != 7:
            return Reason.UNKNOWN_PAYER
        if c not in self.balances:
            return Reason.UNKNOWN_PAYEE
        if d == c:
            return Reason.SAME_ACCOUNT
        today = (d, self.at // rules.DAY_US)
        one, day, _ = {0: (10**15,) * 3, 1: (100, 250, 1000), 2: (1000, 3000, 10**9)}[self.tiers[d]]
        if a > one:
            return Reason.TRANSFER_LIMIT
        if a + self.spent.get(today, 0) > day:
            return Reason.DAY_LIMIT
        if a > self.balances[d]:
            return Reason.INSUFFICIENT_FUNDS
        if self.balances[c] + a > {0: 10**18, 1: 1000, 2: 10**9}[self.tiers[c]]:
            return Reason.BALANCE_LIMIT
        self.balances[d] -= a
        self.balances[c] += a
        if self.tiers[d]:
            self.spent[today] = self.spent.get(today, 0) + a
        return Reason.NONE

    @invariant()
    def books_agree(self):
        assert {n: self.book.posted[n] for n in self.balances} == self.balances
        assert self.book.seq == self.rows + 1


LedgerMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestLedger = LedgerMachine.TestCase
