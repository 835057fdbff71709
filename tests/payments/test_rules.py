"""The laws as pure functions, each with a property; and the writer's memory against a naive model."""

import hashlib
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.kernel.errors import DifferentContent, Malformed
from msingi.kernel.log.leaf import tree_hash
from msingi.payments import chain, rules
from msingi.payments.book import Book, instant, micros
from msingi.payments.model import Kind, Order, Outcome, Reason, Tier
from msingi.payments.moves import Original

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
        book.put(index << 8, balance, 0, floor, 0, 0, 0, tier, 1, 7, currency)
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
    book.put(2 << 8, 950, 0, 0, 0, 0, 0, 1, 1, 7, "AAA")
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
    row = (
        1,
        2,
        UUID(int=3),
        1,
        None,
        256,
        512,
        5,
        -5,
        5,
        "TZS",
        "P2P",
        1,
        0,
        bytes(32),
        instant(7),
        "who",
        60,
        True,
        8,
        9,
    )
    assert hashlib.sha256(chain.encode(row, 7)).hexdigest() == (
        hashlib.sha256(
            bytes.fromhex("0300010000000000000002" + "00" * 15 + "0301" + "00" * 16)
            + b"".join(v.to_bytes(8, "big", signed=True) for v in (256, 512, 5, -5, 5))
            + bytes.fromhex("010000")
            + bytes(32)
            + (7).to_bytes(8, "big")
            + bytes.fromhex("0000003c01")
            + (8).to_bytes(8, "big")
            + (9).to_bytes(8, "big")
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


def following(n: int, kind: Kind, pending: int, amount: int = 1, owner: int = 7) -> Order:
    """A commit, an abort or a reversal of order number `pending`."""
    id, named = UUID(int=n), UUID(int=pending)
    hashed = rules.body_hash(id, 0, 0, amount, "AAA", "P2P", "", kind, named)
    return Order(id, owner, 0, 0, amount, "AAA", "P2P", hashed, None, "test", "", "", "", int(kind), named)


def reserving(n: int, debit: int, credit: int, amount: int, timeout_s: int = 0) -> Order:
    """A reservation."""
    plain = made(n, debit, credit, amount)
    hashed = rules.body_hash(
        plain.id, plain.debit, plain.credit, amount, "AAA", "P2P", "", Kind.RESERVE, None, timeout_s
    )
    return msgspec.structs.replace(plain, kind=int(Kind.RESERVE), timeout_s=timeout_s, body_hash=hashed)


@given(st.integers(0, 200), st.lists(st.integers(1, 120), min_size=1, max_size=6), st.lists(st.integers(0, 130)))
@settings(max_examples=60)
def test_law_9_a_hold_is_ended_once_and_its_commit_does_not_fail(balance, wanted, commits):
    book = opened([balance, 0])
    batch = book.decide([reserving(n, 1, 2, amount) for n, amount in enumerate(wanted, 1)], 10**15)
    held = [amount if not ending.reason else 0 for amount, ending in zip(wanted, batch.endings, strict=True)]
    assert book.reserved[1] == sum(held) <= balance == book.posted[1]
    spend = made(90, 1, 2, balance - sum(held) + 1)  # what is reserved is not there for anything else
    assert book.decide([spend], 10**15).endings[0].reason == Reason.INSUFFICIENT_FUNDS
    for n, (amount, commit) in enumerate(zip(held, commits, strict=False), 1):
        first = following(100 + n, Kind.COMMIT if commit else Kind.ABORT, n, commit or 1)
        again = following(200 + n, Kind.COMMIT, n, 1)
        before = book.posted[1]
        reasons = [ending.reason for ending in book.decide([first, again], 10**15).endings]
        if not amount:
            assert reasons == [Reason.NO_HOLD, Reason.NO_HOLD]
        elif commit > amount:
            assert reasons == [Reason.OVER_HOLD, 0] and book.posted[1] == before - 1
        else:
            assert reasons == [0, Reason.HOLD_ENDED] and book.posted[1] == before - commit
    assert book.reserved[1] == sum(hold.amount for hold in book.holds.values())


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 150)), min_size=2, max_size=5))
@settings(max_examples=60)
def test_law_10_linked_orders_are_posted_all_or_none(wanted):
    book = opened([100, 50, 0])
    before = list(book.posted)
    orders = [msgspec.structs.replace(made(n, *o), linked=n < len(wanted)) for n, o in enumerate(wanted, 1)]
    batch = book.decide(orders, 10**15)
    posted = [not ending.reason for ending in batch.endings]
    assert all(posted) or not any(posted)
    if not any(posted):
        assert list(book.posted) == before
        assert [e.reason for e in batch.endings].count(Reason.LINKED) == len(wanted) - 1


@given(st.integers(1, 100), st.lists(st.integers(1, 60), max_size=6))
@settings(max_examples=60)
def test_law_11_reversals_never_pay_back_more_than_was_paid(paid, backs):
    book = opened([100, 500])
    book.decide([made(1, 1, 2, paid)], 10**15)
    book.originals.put(UUID(int=1), Original(int(Kind.POST), 1 << 8, 2 << 8, "AAA", paid))
    endings = book.decide([following(n, Kind.REVERSE, 1, back) for n, back in enumerate(backs, 2)], 10**15).endings
    left = paid
    for back, ending in zip(backs, endings, strict=True):
        assert ending.reason == (Reason.NONE if back <= left else Reason.OVER_ORIGINAL)
        left -= back if not ending.reason else 0
    assert book.posted[1] == 100 - left and book.posted[2] == 500 + left


@given(st.lists(st.integers(1, 9), unique=True, max_size=9).map(sorted), st.integers(0, 4))
@settings(max_examples=60)
def test_accounts_taken_page_by_page_are_those_taken_one_by_one(indexes, cut):
    rows = [
        (i << 8 | 3, i * 5, i, -i, i + 1, i + 2, i, 1 + i % 2, 1 + 2 * (i % 2), -i, "AB"[i % 2] * 3) for i in indexes
    ]
    one, many = Book(3, TIERS), Book(3, TIERS)
    for row in rows:
        one.put(*row)
    many.put_many(rows[:cut])
    many.put_many(rows[cut:])
    columns = "owner posted reserved incoming floor spent last day tier flags".split()
    assert all(getattr(one, name) == getattr(many, name) for name in columns)
    named = [{number: code for code, number in book.currencies.items()} for book in (one, many)]
    for row in rows:
        assert [names[book.currency[row[0] >> 8]] for names, book in zip(named, (one, many), strict=True)] == [
            row[10]
        ] * 2
