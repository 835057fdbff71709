"""Interest and fees: exact to the last fraction, each day once, each month once, explained line by line."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit

from msingi import countries
from msingi.countries import shipped
from msingi.kernel import log, policy
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit
from msingi.payments.model import AccountKind
from msingi.payments.products import acts, catalogue, daily, rules, store
from msingi.payments.products.errors import NoSuchProduct
from msingi.payments.products.model import Band, Product, Terms

YEARS = st.sampled_from(("ACT/365", "ACT/360"))
DAY = date(2026, 3, 1)


@st.composite
def some_terms(draw) -> Terms:
    starts = [0, *sorted(draw(st.sets(st.integers(1, 10**7), max_size=3)))]
    bands = tuple(Band(from_minor=start, rate_bp=draw(st.integers(0, 5_000))) for start in starts)
    return Terms(begins=DAY, announced=DAY, day_count=draw(YEARS), bands=bands)


def exactly(balance: int, terms: Terms) -> Fraction:
    """A day's interest, said as plainly as possible."""
    year, total = rules.YEARS[terms.day_count], Fraction(0)
    for place, band in enumerate(terms.bands):
        top = terms.bands[place + 1].from_minor if place + 1 < len(terms.bands) else None
        part = max(0, (balance if top is None else min(balance, top)) - band.from_minor)
        total += Fraction(part * band.rate_bp, 10_000 * year)
    return total


@settings(max_examples=150, deadline=None)
@given(some_terms(), st.lists(st.integers(-(10**6), 10**15), min_size=1, max_size=40), st.lists(st.integers(1, 9)))
def test_law_1_no_fraction_is_lost(terms, balances, months):
    accrued, paid, earned = 0, 0, Fraction(0)
    for place, balance in enumerate(balances):
        accrued += rules.day_units(balance, terms)
        earned += exactly(balance, terms)
        if place in months:
            whole, accrued = rules.settled(accrued)
            paid += whole
    assert paid + Fraction(accrued, rules.UNIT) == earned and 0 <= paid <= earned


@settings(max_examples=80, deadline=None)
@given(some_terms(), st.integers(0, 10**15))
def test_the_parts_of_a_balance_are_the_balance(terms, balance):
    assert sum(part for _, part in rules.parts(balance, terms.bands)) == balance


@given(st.integers(0, 10**25))
def test_a_decimal_is_cut_and_never_rounded_up(units):
    shown = Fraction(rules.decimal(units))
    assert 0 <= Fraction(units, rules.UNIT) - shown < Fraction(1, 10**rules.DIGITS)


@pytest.mark.parametrize("country", shipped())
def test_the_shipped_products_are_whole(country):
    found = catalogue.read(countries.load(country))
    assert {one.kind for one in found.products} == {"savings", "current", "merchant"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"day_count": "30/365"}, "day_count"), ({"bands": []}, "bands"),
        ({"announced": date(2026, 5, 1)}, "announced"),
        ({"bands": [{"from_minor": 5, "rate_bp": 1}]}, "bands"), ({"monthly_fee_minor": -1}, "below zero"),
        ({"bands": [{"from_minor": 0, "rate_bp": 9_999}]}, "rates"), ({"speed": 1}, "speed"),
        ({"begins": date(2025, 1, 1)}, "order"),
    ],
)  # fmt: skip
def test_wrong_terms_stop_the_start_and_are_named(change, told):
    """Law 3: a change that was not announced in time is none."""
    whole = countries.load("taifa")
    (first,) = whole.products["products"][0]["terms"]
    later = first | {"begins": date(2026, 6, 1), "announced": date(2026, 1, 1)} | change
    bad = [whole.products["products"][0] | {"terms": [first, later]}]
    with pytest.raises(catalogue.CatalogueWrong) as wrong:
        catalogue.read(structs.replace(whole, products=whole.products | {"products": bad}))
    assert told in str(wrong.value)


def terms(begins: date, rate_bp: int, fee: int = 0, minimum: int = 0) -> Terms:
    bands = (Band(from_minor=0, rate_bp=rate_bp),)
    return Terms(
        begins=begins, announced=begins, day_count="ACT/365", bands=bands, monthly_fee_minor=fee, minimum_minor=minimum
    )


def test_law_3_the_terms_of_a_day_are_those_in_force():
    some = (terms(date(2026, 1, 1), 100), terms(date(2026, 3, 1), 200))
    found = Product(code="p", kind="savings", name={}, text={}, terms=some)
    assert rules.terms_on(found, date(2026, 2, 28)).bands[0].rate_bp == 100
    assert rules.terms_on(found, date(2026, 3, 1)).bands[0].rate_bp == 200
    with pytest.raises(NoSuchProduct):
        rules.terms_on(found, date(2025, 12, 31))


def test_a_fee_is_due_where_the_balance_fell_below_the_minimum():
    assert rules.fee(terms(DAY, 0, 500, 1_000), [2_000, 999, 5_000]) == 500
    assert rules.fee(terms(DAY, 0, 500, 1_000), [1_000, 5_000]) == 0
    assert rules.fee(terms(DAY, 0, 500), [10**9]) == 500 and rules.fee(terms(DAY, 10), [0]) == 0


@pytest.fixture(scope="module")
async def bank(stack):
    """A country whose savings earn 36.5 % a year and whose current accounts cost 500 a month; a bank with money."""
    source = await kit.treasury(stack)
    begins = date(2000, 1, 1)
    made = (
        Product(code="savings", kind="savings", name={"en": "S"}, text={}, terms=(terms(begins, 3_650),)),
        Product(code="current", kind="current", name={"en": "C"}, text={}, terms=(terms(begins, 0, 500, 20_000),)),
    )
    stack.local[catalogue.KEY] = catalogue.Catalogue(version="t", announce_days=0, products=made)
    earning = await ledger.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE, label="fees")
    (ending,) = await ledger.ledger.post(
        stack, [kit.order(stack, "institution:hazina", source.number, earning.number, 10**6)]
    )
    assert not ending.reason  # type: ignore[union-attr]
    return source


async def holder(stack, source, code, amount):
    """Somebody with an account of a product and money, who opened it some days ago."""
    who = await kit.enrolled(stack)
    own = await acts.open_product(stack, kit.as_person(who.id), code)
    if amount:
        paid = kit.order(stack, "institution:hazina", source.number, own.account, amount)
        await ledger.ledger.post(stack, [paid])
    return who, own


async def months_of(stack, who):
    (own,) = await acts.own_products(stack, kit.as_person(who.id))
    return own


async def test_access_open_product(stack, bank):
    who, own = await holder(stack, bank, "savings", 0)
    assert (await acts.open_product(stack, kit.as_person(who.id), "savings")).account == own.account
    accounts = await ledger.accounts(stack, kit.as_person(who.id))
    assert [(a.number, a.kind) for a in accounts] == [(own.account, "savings")]
    with pytest.raises(NoSuchProduct):
        await acts.open_product(stack, kit.as_person(who.id), "gold")
    with pytest.raises(NotPermitted):
        await acts.open_product(stack, kit.as_person(who.id, 1), "savings")


async def test_access_own_products(stack, bank):
    who, own = await holder(stack, bank, "savings", 0)
    assert [one.account for one in await acts.own_products(stack, kit.as_person(who.id, 1))] == [own.account]
    with pytest.raises(NotPermitted):
        await acts.own_products(stack, kit.as_person(who.id, purpose="statistics"))


async def test_access_explain(stack, bank):
    who, _ = await holder(stack, bank, "savings", 0)
    assert (await acts.explain(stack, kit.as_person(who.id), "savings", "2026-01")).days == []
    with pytest.raises(NotPermitted):
        await acts.explain(stack, kit.as_person(who.id, 0), "savings", "2026-01")
    for month in ("2026-13", "x", "0000-01", "9999-12"):
        with pytest.raises(Malformed):
            await acts.explain(stack, kit.as_person(who.id), "savings", month)
    with pytest.raises(NoSuchProduct):
        await acts.explain(stack, kit.as_person((await kit.enrolled(stack)).id), "savings", "2026-01")


async def backdated(stack, who, code, to):
    """As if the days had been counted up to one only; the account's balance is what it is since."""
    permit = policy.decide(daily.job(), "payments.count-interest", who.id)
    async with stack.db.transaction(permit) as tx:
        await store.counted(tx, who.id, code, 0, to)
        log.append(tx, permit, subject=who.id)


async def test_law_2_and_4_each_day_and_month_counts_once_and_can_be_computed_again(stack, bank):
    who, own = await holder(stack, bank, "savings", 100_007)
    today = own.since
    first = (today.replace(day=1) + timedelta(days=31)).replace(day=1)  # of the next month: every day has the balance
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    await backdated(stack, who, "savings", first - timedelta(days=1))
    assert await daily.count(stack, who.id, "savings", last) == last.day
    assert await daily.count(stack, who.id, "savings", last) == 0
    told = await acts.explain(stack, kit.as_person(who.id), "savings", rules.month_of(first))
    exact = Fraction(100_007 * 3_650, 10_000 * 365) * last.day  # 100.007 a day
    assert len(told.days) == last.day and {one.balance_minor for one in told.days} == {100_007}
    assert told.settled is not None and told.settled.interest_minor == exact // 1 and told.settled.result == "due"
    assert Fraction(told.sum) == exact and Fraction(told.settled.carried) == exact % 1
    assert [await daily.pay(stack), await daily.pay(stack)] == [1, 0]
    own = await months_of(stack, who)
    assert (own.months[0].result, own.months[0].fee_minor) == ("paid", 0)
    (account,) = await ledger.accounts(stack, kit.as_person(who.id))
    assert account.balance_minor == 100_007 + exact // 1
    (entry, *_) = (await ledger.statement(stack, kit.as_person(who.id), own.account)).entries
    assert (entry.code, entry.reference) == ("INTR", rules.month_of(first))


async def test_law_5_a_fee_takes_no_more_than_there_is(stack, bank):
    for has, taken in ((30_000, 0), (2_000, 500), (300, 300), (0, 0)):
        who, own = await holder(stack, bank, "current", has)
        first = (own.since.replace(day=1) + timedelta(days=31)).replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        await backdated(stack, who, "current", first - timedelta(days=1))
        await daily.count(stack, who.id, "current", last)
        await daily.pay(stack)
        own = await months_of(stack, who)
        (account,) = await ledger.accounts(stack, kit.as_person(who.id))
        assert (own.months[0].fee_minor, account.balance_minor) == (taken, has - taken), has
        assert own.months[0].result == "paid"


async def test_interest_that_the_ledger_refuses_stays_due_and_is_told(stack, bank):
    who, own = await holder(stack, bank, "savings", 4_900_000)  # with the interest it would be over its limit
    first = (own.since.replace(day=1) + timedelta(days=31)).replace(day=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    await backdated(stack, who, "savings", first - timedelta(days=1))
    await daily.count(stack, who.id, "savings", last)
    await daily.pay(stack)
    assert (await months_of(stack, who)).months[0].result == "payments.over-limit"
    assert await daily.pay(stack) == 0  # tried again, told again, never paid twice


async def test_days_are_counted_by_the_loop_up_to_yesterday(stack, bank):
    who, own = await holder(stack, bank, "savings", 1_000)
    await backdated(stack, who, "savings", own.since - timedelta(days=4))
    while await daily.run(stack):
        pass
    own = await months_of(stack, who)
    assert own.accrued_to == daily.yesterday(stack)
    assert (await audit.check_books(stack.db)).ok
