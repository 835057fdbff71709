"""An agent's float: apart from the own wallet, and a day that adds up."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as payments
from msingi.payments.bank import acts, agents, floats, tariff
from msingi.payments.bank.errors import NoSuchAgent
from msingi.payments.bank.model import CashIn, MerchantOrder
from msingi.payments.model import AccountKind, Alias, Entry, TransferOrder

OFFICER = kit.as_staff("account-officer", id="mbenki", institution="benki")


@pytest.fixture(scope="module")
async def town(stack):
    source = await kit.treasury(stack)
    agent, customer = await kit.enrolled(stack, "Juma"), await kit.enrolled(stack, "Asha")
    purse = await kit.wallet(stack, agent.id, 500_000, source)
    await kit.wallet(stack, customer.id, 50_000, source)
    fees = await payments.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE, label="fees")
    await payments.writer.of(stack).post([kit.order(stack, "institution:hazina", source.number, fees.number, 10_000)])
    order = MerchantOrder(
        key="a", name="Wakala", latin="WAKALA", city="DODOMA", category="6010", number=agent.number
    )  # fmt: skip
    code = (await acts.register_merchant(stack, OFFICER, order)).code
    return {"agent": agent, "customer": customer, "code": code, "purse": purse.number}


def me(who):
    return kit.as_person(who.id, name="Juma Mrema")


async def test_the_float_is_kept_apart_topped_up_used_and_given_back(stack, town):
    ctx, code = me(town["agent"]), town["code"]
    with pytest.raises(NoSuchAgent):
        await floats.open_float(stack, me(town["customer"]))
    with pytest.raises(NotPermitted):
        await floats.open_float(stack, kit.as_person(town["agent"].id, assurance=1))
    number = await floats.open_float(stack, ctx)
    assert number == await floats.open_float(stack, ctx) != town["purse"]
    assert floats.is_low(stack, 0) and not floats.is_low(stack, tariff.of(stack).agents.low_float_minor)
    await payments.transfer(stack, ctx, TransferOrder("top", town["purse"], Alias("account", number), 200_000, "TZS"))
    await agents.cash_in(stack, ctx, CashIn(key="i", customer=town["customer"].phone, amount_minor=20_000))
    asked = await agents.ask_cash(stack, me(town["customer"]), "o", code, 3_000)
    await agents.pay_cash(stack, ctx, code, asked.code)
    await payments.transfer(stack, ctx, TransferOrder("back", number, Alias("account", town["purse"]), 50_000, "TZS"))
    day = await floats.day_of_agency(stack, me(town["agent"]))
    assert (day.paid_in, day.paid_in_minor, day.paid_out, day.paid_out_minor) == (1, 20_000, 1, 3_000)
    assert (day.commission_minor, day.cash_minor, day.other_minor) == (700, 17_000, 150_000)
    assert (day.opening_minor, day.closing_minor) == (0, 133_700)
    held = {a.number: a.balance_minor for a in await payments.accounts(stack, ctx)}
    assert held[number] == 133_700 and held[town["purse"]] == 350_000
    with pytest.raises(NoSuchAgent):
        await floats.day_of_agency(stack, me(town["customer"]))
    with pytest.raises(Malformed):
        await floats.day_of_agency(stack, ctx, day=clock.today() + timedelta(days=3))


lines = st.tuples(st.sampled_from(["CSHI", "CSHO", "COMM", "P2P", "FEE"]), st.integers(-(10**9), 10**9))


@given(st.integers(0, 10**9), st.lists(lines, max_size=30))
def test_a_day_adds_up_whatever_moved(opening, moved):
    entries = [Entry(n, "", clock.now(), amount, 0, "", "", code) for n, (code, amount) in enumerate(moved)]
    day = floats.closed("1", "TZS", clock.today(), opening, entries)
    known = day.paid_out_minor - day.paid_in_minor + day.commission_minor + day.other_minor
    assert day.opening_minor + known == day.closing_minor == opening + sum(amount for _, amount in moved)
