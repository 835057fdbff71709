"""Cash at agents: nobody can lose it, whoever types what, however often, and every fee is accounted for."""

from datetime import timedelta

import pytest
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import NotPermitted, TooMany
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments.bank import acts, agents, tariff
from msingi.payments.bank.errors import IsAgent, NoSuchAgent, NoSuchCash
from msingi.payments.bank.model import CashIn, MerchantOrder, Purchase
from msingi.payments.model import AccountKind


def officer():
    return kit.as_staff("account-officer", id="mbenki", institution="benki")


async def agency(stack, who: kit.Enrolled, key: str) -> str:
    order = MerchantOrder(
        key=key, name="Wakala Juma", latin="WAKALA JUMA", city="DODOMA", category="6010", number=who.number
    )
    return (await acts.register_merchant(stack, officer(), order)).code


@pytest.fixture(scope="module")
async def town(stack):
    """An agent with a float of 500,000, a customer with 50,000, and the bank's account of fees with 10,000."""
    source = await kit.treasury(stack)
    agent, customer = await kit.enrolled(stack, "Juma"), await kit.enrolled(stack, "Asha")
    await kit.wallet(stack, agent.id, 500_000, source)
    await kit.wallet(stack, customer.id, 50_000, source)
    fees = await payments.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE, label="fees")
    paid = kit.order(stack, "institution:hazina", source.number, fees.number, 10_000)
    (ending,) = await payments.writer.of(stack).post([paid])
    assert not ending.reason
    return {"agent": agent, "customer": customer, "number": await agency(stack, agent, "a1")}


def runs(town):
    return kit.as_person(town["agent"].id, name="Juma Mrema")


def buys(town):
    return kit.as_person(town["customer"].id, name="Asha Mrema")


async def standing(stack, town) -> tuple[int, int, int]:
    """Balances of agent, customer and the bank's fees."""
    (float_,) = await payments.accounts(stack, runs(town))
    (purse,) = await payments.accounts(stack, buys(town))
    bank = await payments.accounts(stack, kit.as_staff("treasurer", institution="benki"))
    (fees,) = [a for a in bank if a.kind is AccountKind.FEE]
    return float_.balance_minor, purse.balance_minor, fees.balance_minor


def moved(before: tuple[int, int, int], after: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(b - a for a, b in zip(before, after, strict=True))


async def test_access_cash_in(stack, town):
    before = await standing(stack, town)
    order = CashIn(key="in-1", customer=town["customer"].phone, amount_minor=20_000)
    done = await agents.cash_in(stack, runs(town), order)
    assert done == await agents.cash_in(stack, runs(town), order)
    assert moved(before, await standing(stack, town)) == (-19_500, 20_000, -500)
    assert (done.receipt.to, done.commission_minor, done.fee_minor) == ("A. M.", 500, 0)
    with pytest.raises(NoSuchAgent):
        await agents.cash_in(stack, buys(town), order)
    with pytest.raises(NotPermitted):
        await agents.cash_in(stack, kit.as_person(town["agent"].id, assurance=1), order)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await agents.cash_in(stack, runs(town), CashIn(key="in-2", customer="12", amount_minor=5))
    with pytest.raises(ledger_errors.SameAccount):
        await agents.cash_in(stack, runs(town), CashIn(key="in-3", customer=town["agent"].number, amount_minor=5))


async def test_cash_is_paid_in_even_when_the_bank_cannot_pay_the_commission(stack, town):
    before = await standing(stack, town)
    await _empty_the_fees(stack)
    order = CashIn(key="poor", customer=town["customer"].number, amount_minor=100)
    done = await agents.cash_in(stack, runs(town), order)
    assert done == await agents.cash_in(stack, runs(town), order) and done.commission_minor == 0
    assert (await standing(stack, town))[1] > before[1]


async def _empty_the_fees(stack) -> None:
    bank = await payments.accounts(stack, kit.as_staff("treasurer", institution="benki"))
    (fees,) = [a for a in bank if a.kind is AccountKind.FEE]
    if fees.balance_minor:
        issue = await payments.accounts(stack, kit.as_staff("treasurer", institution="benki-kuu"))
        paid = kit.order(stack, "institution:benki", fees.number, issue[0].number, fees.balance_minor)
        (ending,) = await payments.writer.of(stack).post([paid])
        assert not ending.reason


async def test_access_ask_cash(stack, town):
    asked = await agents.ask_cash(stack, buys(town), "out-0", town["number"], 3_000)
    assert asked == await agents.ask_cash(stack, buys(town), "out-0", town["number"], 3_000)
    assert asked.fee_minor == 400 and len(asked.code) == 6 and asked.agent.code == town["number"]
    (purse,) = await payments.accounts(stack, buys(town))
    assert purse.balance_minor - purse.available_minor == 3_400
    with pytest.raises(NoSuchAgent):
        shop = MerchantOrder(
            key="shop", name="Duka", latin="DUKA", city="DODOMA", category="5411", number=town["agent"].number
        )
        plain = await acts.register_merchant(stack, officer(), shop)
        await agents.ask_cash(stack, buys(town), "out-x", plain.code, 3_000)
    with pytest.raises(ledger_errors.AmountOutOfRange):
        await agents.ask_cash(stack, buys(town), "out-y", town["number"], 10**9)
    with pytest.raises(NotPermitted):
        await agents.ask_cash(stack, kit.as_person(town["customer"].id, assurance=1), "out-z", town["number"], 3_000)
    await agents.stop_cash(stack, buys(town), asked.code)


async def test_access_cash_waiting(stack, town):
    asked = await agents.ask_cash(stack, buys(town), "wait-1", town["number"], 1_000)
    assert [w.code for w in await agents.cash_waiting(stack, buys(town))] == [asked.code]
    assert await agents.cash_waiting(stack, runs(town)) == []
    with pytest.raises(NotPermitted):
        await agents.cash_waiting(stack, officer())
    await agents.stop_cash(stack, buys(town), asked.code)


async def test_access_stop_cash(stack, town):
    before = await standing(stack, town)
    asked = await agents.ask_cash(stack, buys(town), "stop-1", town["number"], 1_000)
    with pytest.raises(NoSuchCash):
        await agents.stop_cash(stack, runs(town), asked.code)
    await agents.stop_cash(stack, buys(town), asked.code)
    assert await standing(stack, town) == before
    with pytest.raises(NoSuchCash):
        await agents.pay_cash(stack, runs(town), town["number"], asked.code)
    (purse,) = await payments.accounts(stack, buys(town))
    assert purse.balance_minor == purse.available_minor


async def test_access_see_cash(stack, town):
    asked = await agents.ask_cash(stack, buys(town), "see-1", town["number"], 2_000)
    seen = await agents.see_cash(stack, runs(town), town["number"], asked.code)
    assert (seen.name, seen.amount_minor, seen.fee_minor) == ("A. M.", 2_000, 400)
    other = await kit.enrolled(stack, "Mgeni")
    await kit.wallet(stack, other.id)
    theirs = await agency(stack, other, "a2")
    with pytest.raises(NoSuchCash):  # a code is good at one agent's only
        await agents.see_cash(stack, kit.as_person(other.id), theirs, asked.code)
    with pytest.raises(NoSuchAgent):
        await agents.see_cash(stack, buys(town), town["number"], asked.code)
    with pytest.raises((NotPermitted, NoSuchAgent)):
        await agents.see_cash(stack, officer(), town["number"], asked.code)
    for _ in range(9):
        with pytest.raises(NoSuchCash):
            await agents.see_cash(stack, kit.as_person(other.id), theirs, "000000")
    with pytest.raises(TooMany):
        await agents.see_cash(stack, kit.as_person(other.id), theirs, "000000")
    await agents.stop_cash(stack, buys(town), asked.code)


async def test_access_pay_cash(stack, town):
    before = await standing(stack, town)
    asked = await agents.ask_cash(stack, buys(town), "pay-1", town["number"], 20_000)
    done = await agents.pay_cash(stack, runs(town), town["number"], asked.code)
    assert done == await agents.pay_cash(stack, runs(town), town["number"], asked.code)
    rate = tariff.band(tariff.of(stack).agents.cash_out, 20_000)
    assert (done.fee_minor, done.commission_minor) == (rate.fee_minor, rate.commission_minor) == (1_500, 800)
    assert moved(before, await standing(stack, town)) == (20_800, -21_500, 700)
    assert done.receipt.amount_minor == 20_000 and done.receipt.to == "A. M."
    with pytest.raises(NoSuchCash):
        await agents.stop_cash(stack, buys(town), asked.code)
    with pytest.raises((NotPermitted, NoSuchAgent)):
        await agents.pay_cash(stack, buys(town), town["number"], asked.code)


async def test_a_code_that_is_too_late_pays_nothing_and_frees_the_money(stack, town):
    before = await standing(stack, town)
    asked = await agents.ask_cash(stack, buys(town), "late-1", town["number"], 1_000)
    with clock.freeze(asked.expires_at + timedelta(seconds=1)), pytest.raises(NoSuchCash):
        await agents.pay_cash(stack, runs(town), town["number"], asked.code)
    assert await standing(stack, town) == before


async def test_an_agent_is_not_paid_like_a_shop_because_the_fee_would_be_lost(stack, town):
    (purse,) = await payments.accounts(stack, buys(town))
    order = Purchase(key="dodge", payer=purse.number, merchant=town["number"], amount_minor=100, currency="TZS")
    with pytest.raises(IsAgent):
        await acts.pay_merchant(stack, buys(town), order)
