"""Fees of payments: shown is taken, all or none, counted once, explained, taxed, given back."""

import asyncio
from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit

from msingi import countries
from msingi.kernel import clock, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit, charges, errors, holding
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import acts as bank
from msingi.payments.bank import asking, standing
from msingi.payments.bank.model import BillOrder, MerchantOrder, Purchase, StandingOrder
from msingi.payments.fees import acts, rules, taking
from msingi.payments.fees.errors import FeeChanged
from msingi.payments.fees.model import Kind
from msingi.payments.model import AccountKind, Alias, TransferOrder
from msingi.payments.products import acts as products
from msingi.payments.products import catalogue
from msingi.payments.products.model import Band, Charge, FeeBand, Product, Tax, Terms

BEGINS = date(2000, 1, 1)
LARGEST = 10**15


def terms(**more):
    return (
        Terms(begins=BEGINS, announced=BEGINS, day_count="ACT/365", bands=(Band(from_minor=0, rate_bp=0),), **more),
    )


CHARGE = Charge(
    free_per_month=1, bands=(FeeBand(up_to_minor=1_000, fee_minor=20), FeeBand(up_to_minor=LARGEST, rate_bp=100))
)
SALES = Charge(bands=(FeeBand(up_to_minor=500), FeeBand(up_to_minor=LARGEST, rate_bp=200, most_minor=70)))
STANDING = Charge(free_per_month=1, bands=(FeeBand(up_to_minor=LARGEST, fee_minor=30),))
BILLS = Charge(bands=(FeeBand(up_to_minor=LARGEST, fee_minor=40),))
MADE = catalogue.Catalogue(
    version="t", announce_days=0, tax=Tax(name={"en": "Excise"}, rate_bp=1_000, institution="hazina"),
    products=(
        Product(code="current", kind="current", name={"en": "C"}, text={}, terms=terms(transfers=CHARGE)),
        Product(
            code="full", kind="current", name={"en": "F"}, text={},
            terms=terms(transfers=CHARGE, standing=STANDING, bills=BILLS, own_free=True),
        ),
        Product(code="shop", kind="merchant", name={"en": "S"}, text={}, terms=terms(sales=SALES), standard=True),
    ),
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(0, 5_000), st.integers(0, 10**6), st.integers(1, LARGEST), st.integers(0, 10**4)
)
def test_fee_and_tax_are_cut_and_never_above_the_exact_ones(fixed, rate, most, amount, tax):
    band = FeeBand(up_to_minor=LARGEST, fee_minor=fixed, rate_bp=rate, most_minor=most)
    exact = fixed + Fraction(amount * rate, 10_000)
    fee = rules.fee_of(band, amount)
    assert 0 <= fee <= exact and (exact - fee < 1 or fee == most)
    assert 0 <= Fraction(fee * tax, 10_000) - rules.tax_of(fee, tax) < 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"bands": []}, "bands"), ({"bands": [{"up_to_minor": 5}, {"up_to_minor": 5}]}, "rise"),
        ({"bands": [{"up_to_minor": 5, "fee_minor": -1}]}, "below zero"), ({"free_per_month": -1}, "free_per_month"),
        ({"bands": [{"up_to_minor": 5, "rate_bp": 9_999}]}, "share"),
    ],
)  # fmt: skip
def test_wrong_charges_stop_the_start_and_are_named(change, told):
    whole = countries.load("taifa")
    bad = [dict(one) for one in whole.products["products"]]
    first = bad[1]["terms"][0]
    bad[1]["terms"] = [first | {"transfers": {"bands": [{"up_to_minor": 5}]} | change}]
    with pytest.raises(catalogue.CatalogueWrong) as wrong:
        catalogue.read(structs.replace(whole, products=whole.products | {"products": bad}))
    assert told in str(wrong.value)


@pytest.fixture(scope="module")
async def source(stack):
    """A country whose current accounts pay fees after one free payment a month, with a bank and a treasury for them."""
    source = await kit.treasury(stack)
    stack.local[catalogue.KEY] = MADE
    stack.local[charges.KEY] = taking.Taking(stack)
    await ledger.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE, label="fees")
    await ledger.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT, label="tax")
    return source


async def earned(stack):
    """What bank and treasury have got."""
    found = []
    for institution, label in (("benki", "fees"), ("hazina", "tax")):
        own = await ledger.accounts(stack, kit.as_staff("treasurer", institution=institution))
        found.append(next(a.balance_minor for a in own if a.label == label))
    return found


async def payer(stack, source, amount, product="current"):
    """Somebody with a current account and money, known to pay fees."""
    who = await kit.enrolled(stack)
    own = await products.open_product(stack, kit.as_person(who.id), product)
    if amount:
        await ledger.ledger.post(stack, [kit.order(stack, "institution:hazina", source.number, own.account, amount)])
    acts.taking(stack)._loaded = taking.EVER
    return who.id, own.account


async def payee(stack):
    return (await kit.wallet(stack, await kit.a_person(stack))).number


def order(own, to, amount, key, fee=None):
    return TransferOrder(key, own, Alias("account", to), amount, "TZS", "", fee)


async def balance(stack, who, number):
    return next(a.balance_minor for a in await ledger.accounts(stack, kit.as_person(who)) if a.number == number)


async def test_law_1_2_3_what_is_shown_is_taken_with_its_payment(stack, source):
    (who, own), to, before = await payer(stack, source, 10_000), await payee(stack), await earned(stack)
    ctx = kit.as_person(who)
    shown = await acts.quote_fee(stack, ctx, own, 5_000)
    assert (shown.total_minor, shown.free_left, shown.product, shown.begins) == (0, 1, "current", BEGINS)
    await ledger.transfer(stack, ctx, order(own, to, 1_000, "a", 0))
    assert await balance(stack, who, own) == 9_000
    shown = await acts.quote_fee(stack, ctx, own, 5_000)
    assert (shown.fee_minor, shown.tax_minor, shown.free_left) == (50, 5, 0)
    with pytest.raises(FeeChanged):  # the free payment has been used since it was shown
        await ledger.transfer(stack, ctx, order(own, to, 5_000, "b", 0))
    assert await balance(stack, who, own) == 9_000
    paid = await ledger.transfer(stack, ctx, order(own, to, 5_000, "c", shown.total_minor))
    assert await ledger.transfer(stack, ctx, order(own, to, 5_000, "c", shown.total_minor)) == paid
    assert await balance(stack, who, own) == 9_000 - 5_000 - 55
    assert await earned(stack) == [before[0] + 50, before[1] + 5]
    free, charged = reversed(await acts.fees_of_month(stack, ctx, own, f"{clock.now() + timedelta(hours=3):%Y-%m}"))
    assert (free.free, free.fee_minor, free.amount_minor) == (True, 0, 1_000)
    assert (charged.free, charged.fee_minor, charged.tax_minor, charged.band_minor) == (False, 50, 5, LARGEST)
    assert charged.transfer_id == paid.transfer_id and (await audit.check_books(stack.db)).ok


async def test_a_payment_without_words_about_its_fee_is_charged_all_the_same(stack, source):
    (who, own), to = await payer(stack, source, 1_000), await payee(stack)
    for key in "ab":
        await ledger.transfer(stack, kit.as_person(who), order(own, to, 100, key))
    found = await ledger.transfer_many(stack, kit.as_person(who), [order(own, to, 100, "c"), order(own, to, 0, "d")])
    assert await balance(stack, who, own) == 1_000 - 300 - 2 * 22 and found[0].amount_minor == 100


async def test_an_account_that_another_program_opened_a_moment_ago_pays_its_fee(stack, source):
    """This program has just asked who pays fees, and will not ask again for a minute (decision 47)."""
    here = acts.taking(stack)
    here._loaded = taking.EVER
    await here._learn()
    who = await kit.enrolled(stack)
    own = await products.open_product(stack, kit.as_person(who.id), "current")
    await ledger.ledger.post(stack, [kit.order(stack, "institution:hazina", source.number, own.account, 90_000)])
    known = ledger_rules.id_of(own.account)
    assert known not in here._known
    ctx, to = kit.as_person(who.id), await payee(stack)
    before = await earned(stack)
    for n in range(5):  # the first ones of a month are free, and counted all the same
        await ledger.transfer(stack, ctx, order(own.account, to, 5_000, f"another-{n}"))
    assert sum(await earned(stack)) > sum(before)
    assert known not in here._known


async def test_law_2_no_account_passes_its_floor_for_a_fee(stack, source):
    """Enough for the payment, not for the fee: nothing moves. What was refused does not count as a free payment."""
    (who, own), to = await payer(stack, source, 1_000), await payee(stack)
    ctx = kit.as_person(who)
    with pytest.raises(errors.InsufficientFunds):
        await ledger.transfer(stack, ctx, order(own, to, 1_001, "x"))
    assert (await acts.quote_fee(stack, ctx, own, 10)).free_left == 1
    await ledger.transfer(stack, ctx, order(own, to, 100, "a"))
    for amount, key in ((900, "b"), (879, "c")):
        with pytest.raises(errors.InsufficientFunds):
            await ledger.transfer(stack, ctx, order(own, to, amount, key))
    assert await balance(stack, who, own) == 900
    await ledger.transfer(stack, ctx, order(own, to, 878, "d"))
    assert await balance(stack, who, own) == 0


async def test_law_4_free_payments_are_counted_once_each_whatever_runs_at_once(stack, source):
    (who, own), to = await payer(stack, source, 10_000), await payee(stack)
    ctx = kit.as_person(who)
    await asyncio.gather(*[ledger.transfer(stack, ctx, order(own, to, 100, f"k{n % 4}")) for n in range(8)])
    assert await balance(stack, who, own) == 10_000 - 4 * 100 - 3 * 22
    month = f"{clock.now() + timedelta(hours=3):%Y-%m}"
    assert sorted(one.fee_minor for one in await acts.fees_of_month(stack, ctx, own, month)) == [0, 20, 20, 20]


async def shop_of(stack, key):
    owner = await kit.enrolled(stack)
    wallet = await kit.wallet(stack, owner.id)
    wanted = MerchantOrder(key=key, name="Duka", latin="DUKA", city="DODOMA", category="5411", number=owner.number)
    return owner.id, wallet.number, (await bank.register_merchant(stack, job_context("setup", "payment"), wanted)).code


async def test_a_shop_pays_for_its_sale_and_the_buyer_does_not(stack, source):
    buyer = await kit.a_person(stack)
    purse, before = await kit.wallet(stack, buyer, 20_000, source), await earned(stack)
    keeper, till, code = await shop_of(stack, "fees")
    for amount, key in ((500, "a"), (2_000, "b"), (10_000, "c"), (10_000, "c")):
        bought = Purchase(key=key, payer=purse.number, merchant=code, amount_minor=amount, currency="TZS")
        assert (await bank.pay_merchant(stack, kit.as_person(buyer), bought)).amount_minor == amount
    assert await balance(stack, buyer, purse.number) == 7_500
    assert await balance(stack, keeper, till) == 12_500 - (40 + 4) - (70 + 7)
    assert await earned(stack) == [before[0] + 110, before[1] + 11]


async def test_a_stopped_shop_still_sells_and_pays_nothing(stack, source):
    from msingi.payments import officers

    buyer = await kit.a_person(stack)
    purse = await kit.wallet(stack, buyer, 5_000, source)
    keeper, till, code = await shop_of(stack, "stopped")
    officer = kit.as_staff("account-officer", institution="benki")
    await officers.freeze(stack, officer, till, reason="Amri 9")
    bought = Purchase(key="a", payer=purse.number, merchant=code, amount_minor=2_000, currency="TZS")
    first = await bank.pay_merchant(stack, kit.as_person(buyer), bought)
    assert await bank.pay_merchant(stack, kit.as_person(buyer), bought) == first
    assert await balance(stack, keeper, till) == 2_000 and await balance(stack, buyer, purse.number) == 3_000


async def test_law_6_what_is_paid_back_in_full_gives_its_fee_back_once(stack, source):
    (who, own), before = await payer(stack, source, 10_000), await earned(stack)
    other = await kit.a_person(stack)
    to = (await kit.wallet(stack, other)).number
    ctx, paid = kit.as_person(who), []
    for key in "abc":
        paid.append(await ledger.transfer(stack, ctx, order(own, to, 1_000, key)))
    for place, amount in ((1, 400), (2, 1_000), (2, 1_000)):
        back = holding.ReversalOrder(f"back-{place}", paid[place].transfer_id, amount, "wrong")
        await holding.reverse(stack, kit.as_person(other), back)
    assert await balance(stack, who, own) == 10_000 - 3_000 - 2 * 22 + 400 + 1_000 + 22
    assert await earned(stack) == [before[0] + 20, before[1] + 2]
    month = f"{clock.now() + timedelta(hours=3):%Y-%m}"
    states = [one.state for one in await acts.fees_of_month(stack, ctx, own, month)]
    assert states.count("returned") == 1 and (await audit.check_books(stack.db)).ok


async def test_what_broke_off_is_settled_by_what_the_ledger_says(stack, source, monkeypatch):
    (who, own), to = await payer(stack, source, 1_000), await payee(stack)
    ctx, charged = kit.as_person(who), acts.taking(stack)
    await ledger.transfer(stack, ctx, order(own, to, 100, "a"))

    async def dies(*_):
        raise ConnectionError("the machine died")

    with monkeypatch.context() as patched:
        patched.setattr(charged, "_ended", dies)
        with pytest.raises(ConnectionError):
            await ledger.transfer(stack, ctx, order(own, to, 100, "b"))
        patched.setattr(taking.ledger, "post_linked", dies)
        with pytest.raises(ConnectionError):
            await ledger.transfer(stack, ctx, order(own, to, 100, "c"))
    with clock.freeze(clock.now() + timedelta(hours=1)):
        assert await charged.mend() >= 2
        assert await charged.mend() == 0
    month = f"{clock.now() + timedelta(hours=3):%Y-%m}"
    assert [one.fee_minor for one in await acts.fees_of_month(stack, ctx, own, month)] == [20, 0]
    assert await balance(stack, who, own) == 1_000 - 200 - 22


async def test_law_1_a_bill_costs_what_was_shown(stack, source):
    (who, own), before = await payer(stack, source, 10_000, "full"), await earned(stack)
    asker = await kit.enrolled(stack)
    till = await kit.wallet(stack, asker.id)
    ctx, asking_for = kit.as_person(who), BillOrder(key="b", account=till.number, amount_minor=900, title="Maji")
    bill = await asking.make_bill(stack, kit.as_person(asker.id), asking_for)
    shown = await acts.quote_fee(stack, ctx, own, 900, kind=Kind.BILL)
    assert (shown.fee_minor, shown.tax_minor) == (40, 4)
    with pytest.raises(FeeChanged):
        await asking.pay_bill(stack, ctx, bill.reference, own, 43)
    assert await balance(stack, who, own) == 10_000
    paid = await asking.pay_bill(stack, ctx, bill.reference, own, 44)
    assert paid == await asking.pay_bill(stack, ctx, bill.reference, own, 44)
    assert await balance(stack, who, own) == 10_000 - 944
    assert [b - a for a, b in zip(before, await earned(stack), strict=True)] == [40, 4]
    (line,) = await acts.fees_of_month(stack, ctx, own, f"{clock.now():%Y-%m}")
    assert (line.kind, line.fee_minor, line.amount_minor) == (Kind.BILL, 40, 900)
    with pytest.raises(Malformed):
        await acts.quote_fee(stack, ctx, own, 900, kind=Kind.SALE)


async def test_law_1_a_standing_order_costs_what_was_shown_or_is_not_paid(stack, source):
    (who, own), to = await payer(stack, source, 10_000, "full"), await payee(stack)
    ctx, day = kit.as_person(who), standing._today(stack)
    shown = await acts.quote_fee(stack, ctx, own, 500, kind=Kind.STANDING)
    assert (shown.total_minor, shown.free_left) == (33, 0)  # the full price, whatever is free on the day
    plan = StandingOrder(key="s", payer=own, payee=to, amount_minor=500, every="week", first_day=day, fee_minor=33)
    made = await standing.make_standing(stack, ctx, plan)
    cheap = await standing.make_standing(stack, ctx, structs.replace(plan, key="t", fee_minor=32, amount_minor=700))
    await standing.run_standing(stack, standing.job(), day)
    await standing.run_standing(stack, standing.job(), day + timedelta(days=7))
    assert await balance(stack, who, own) in (10_000 - 500 - 533, 10_000 - 500 - 533 - 700)  # one of them was free
    found = {one.standing_id: one.last_result for one in await standing.own_standing(stack, ctx)}
    assert found == {made.standing_id: "paid", cheap.standing_id: "payments.fee-changed"}


async def test_between_own_accounts_nothing_is_charged_and_nothing_is_shown(stack, source):
    (who, own), to = await payer(stack, source, 10_000, "full"), await payee(stack)
    ctx = kit.as_person(who)
    second = await kit.wallet(stack, who)
    for n in range(2):
        shown = await acts.quote_fee(stack, ctx, own, 2_000, payee=second.number)
        assert (shown.total_minor, shown.product) == (0, "")
        await ledger.transfer(stack, ctx, order(own, second.number, 2_000, f"own{n}", 0))
    assert await balance(stack, who, own) == 6_000
    assert (await acts.quote_fee(stack, ctx, own, 2_000, payee=to)).free_left == 1  # somebody else's: as any other
    await ledger.transfer(stack, ctx, order(own, to, 2_000, "free", 0))
    with pytest.raises(FeeChanged):
        await ledger.transfer(stack, ctx, order(own, to, 2_000, "paid", 0))


async def test_access_quote_fee(stack, source):
    who, own = await payer(stack, source, 10)
    assert (await acts.quote_fee(stack, kit.as_person(who, 1), own, 10)).free_left == 1
    with pytest.raises(errors.NoSuchAccount):
        await acts.quote_fee(stack, kit.as_person(await kit.a_person(stack)), own, 10)
    with pytest.raises(NotPermitted):
        await acts.quote_fee(stack, kit.as_person(who, 0), own, 10)
    for wrong in (0, -1, ledger_rules.MAX_AMOUNT_MINOR + 1):
        with pytest.raises(errors.AmountOutOfRange):
            await acts.quote_fee(stack, kit.as_person(who), own, wrong)


async def test_access_fees_of_month(stack, source):
    who, own = await payer(stack, source, 10)
    assert await acts.fees_of_month(stack, kit.as_person(who), own, "2026-01") == []
    with pytest.raises(errors.NoSuchAccount):
        await acts.fees_of_month(stack, kit.as_person(await kit.a_person(stack)), own, "2026-01")
    with pytest.raises(NotPermitted):
        await acts.fees_of_month(stack, kit.as_person(who, purpose="statistics"), own, "2026-01")
    with pytest.raises(Malformed):
        await acts.fees_of_month(stack, kit.as_person(who), own, "2026-13")


async def test_access_charge_fee(stack, source):
    assert policy.decide(taking.job(), "payments.charge-fee", policy.ANYONE)
    with pytest.raises(NotPermitted):
        policy.decide(kit.as_staff("account-officer"), "payments.charge-fee", policy.ANYONE)
