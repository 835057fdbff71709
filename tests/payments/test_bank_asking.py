"""Bills, requests to pay and standing orders: asked once, paid once, by whoever may, whatever breaks off."""

import asyncio
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit

from msingi.kernel import clock, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted, TooMany
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments.bank import asking, paying, rules, standing
from msingi.payments.bank.errors import BillEnded, NoSuchBill, NoSuchStanding, NotYours
from msingi.payments.bank.model import BillOrder, StandingOrder

WATER = kit.as_staff("treasurer", institution="hazina")


@pytest.fixture(scope="module")
async def town(stack):
    """A water company's account, Asha with 50,000 and Juma with 40,000."""
    source = await kit.treasury(stack)
    asha, juma = await kit.enrolled(stack, "Asha"), await kit.enrolled(stack, "Juma")
    purse = await kit.wallet(stack, asha.id, 50_000, source)
    other = await kit.wallet(stack, juma.id, 40_000, source)
    return {"source": source, "asha": asha, "juma": juma, "purse": purse.number, "other": other.number}


def asha(town):
    return kit.as_person(town["asha"].id, name="Asha Mrema")


def juma(town):
    return kit.as_person(town["juma"].id, name="Juma Mrema")


def bill(town, key: str, amount: int = 1_200, **more) -> BillOrder:
    return BillOrder(key=key, account=town["source"].number, amount_minor=amount, title="Water, October", **more)


async def balance(stack, ctx) -> int:
    return sum(a.balance_minor for a in await payments.accounts(stack, ctx))


async def test_access_make_bill(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "b1"))
    assert made == await asking.make_bill(stack, WATER, bill(town, "b1")) and made.state == "open"
    assert rules.is_bill_reference(made.reference)
    with pytest.raises(DifferentContent):
        await asking.make_bill(stack, WATER, bill(town, "b1", 5))
    with pytest.raises(ledger_errors.NoSuchAccount):  # money for somebody else's account
        await asking.make_bill(stack, asha(town), bill(town, "b2"))
    for wrong in ({"days": 0}, {"days": 9_999}, {"payer": town["source"].number}):
        with pytest.raises((Malformed, ledger_errors.NoSuchAccount)):
            await asking.make_bill(stack, WATER, bill(town, "b3", **wrong))
    with pytest.raises(NotPermitted):
        await asking.make_bill(stack, kit.as_staff("auditor"), bill(town, "b4"))


async def test_access_see_bill(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "see"))
    spaced = f"{made.reference[:4]} {made.reference[4:8]} {made.reference[8:]}"
    assert await asking.see_bill(stack, asha(town), spaced) == made
    with pytest.raises(NotPermitted):
        await asking.see_bill(stack, kit.as_staff("auditor"), made.reference)
    curious = kit.as_person((await kit.enrolled(stack, "Curious")).id)
    for n in range(10):
        with pytest.raises(NoSuchBill):
            await asking.see_bill(stack, curious, f"{n:012d}")
    with pytest.raises(TooMany):
        await asking.see_bill(stack, curious, made.reference)


async def test_access_pay_bill(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "pay"))
    had = await balance(stack, asha(town))
    paid = await asking.pay_bill(stack, asha(town), made.reference, town["purse"])
    assert paid == await asking.pay_bill(stack, asha(town), made.reference, town["purse"])
    assert await balance(stack, asha(town)) == had - 1_200 and made.reference in paid.reference
    with pytest.raises(BillEnded):
        await asking.pay_bill(stack, juma(town), made.reference, town["other"])
    with pytest.raises(NotPermitted):
        await asking.pay_bill(stack, kit.as_staff("auditor"), made.reference, town["purse"])


async def test_law_6_of_many_who_pay_a_bill_at_once_one_pays(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "race"))
    had = await balance(stack, asha(town)) + await balance(stack, juma(town))
    tries = [
        asking.pay_bill(stack, ctx, made.reference, number)
        for ctx, number in [(asha(town), town["purse"]), (juma(town), town["other"])] * 3
    ]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert all(isinstance(d, BillEnded) or d.amount_minor == 1_200 for d in done), done
    assert len({d.transfer_id for d in done if not isinstance(d, BaseException)}) == 1
    assert await balance(stack, asha(town)) + await balance(stack, juma(town)) == had - 1_200


async def test_who_cannot_pay_a_bill_does_not_stop_another(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "dear", 45_000))
    with pytest.raises(ledger_errors.InsufficientFunds):
        await asking.pay_bill(stack, juma(town), made.reference, town["other"])
    with pytest.raises(ledger_errors.NoSuchAccount):
        await asking.pay_bill(stack, juma(town), made.reference, town["purse"])
    assert (await asking.pay_bill(stack, asha(town), made.reference, town["purse"])).amount_minor == 45_000


async def test_law_6_a_payment_that_broke_off_is_found_in_the_ledger_and_not_made_twice(stack, town, monkeypatch):
    made = await asking.make_bill(stack, WATER, bill(town, "broken", 300))

    class Killed(Exception):
        pass

    posted = paying.post

    async def killed(*args):
        await posted(*args)
        raise Killed()

    monkeypatch.setattr(asking.paying, "post", killed)
    with pytest.raises(Killed):
        await asking.pay_bill(stack, juma(town), made.reference, town["other"])
    monkeypatch.undo()
    with clock.freeze(clock.now() + timedelta(hours=1)), pytest.raises(BillEnded):
        await asking.pay_bill(stack, asha(town), made.reference, town["purse"])
    found = {b.reference: b for b in await asking.made_bills(stack, WATER, limit=100)}
    assert found[made.reference].state == "paid"
    assert (await asking.pay_bill(stack, juma(town), made.reference, town["other"])).amount_minor == 300


async def test_access_bills_for_me(stack, town):
    sent = await asking.make_bill(
        stack,
        juma(town),
        BillOrder(key="r1", account=town["other"], amount_minor=70, title="Chai", payer=town["asha"].phone),
    )
    assert sent.name == "J. M." and [b.reference for b in await asking.bills_for_me(stack, asha(town))] == [
        sent.reference
    ]
    with pytest.raises(NoSuchBill):  # nobody else sees it
        await asking.see_bill(stack, kit.as_person((await kit.enrolled(stack, "Third")).id), sent.reference)
    with pytest.raises(NotPermitted):
        await asking.bills_for_me(stack, kit.as_person(town["asha"].id, assurance=1))
    assert (await asking.pay_bill(stack, asha(town), sent.reference, town["purse"])).to == "J. M."
    assert await asking.bills_for_me(stack, asha(town)) == []


async def test_access_refuse_bill(stack, town):
    order = BillOrder(key="r2", account=town["other"], amount_minor=70, title="Chai", payer=town["asha"].number)
    sent = await asking.make_bill(stack, juma(town), order)
    with pytest.raises(NoSuchBill):
        await asking.refuse_bill(stack, kit.as_person((await kit.enrolled(stack, "Fourth")).id), sent.reference)
    assert (await asking.refuse_bill(stack, asha(town), sent.reference)).state == "refused"
    for again in (asking.refuse_bill, lambda *a: asking.pay_bill(*a, town["purse"])):
        with pytest.raises(BillEnded):
            await again(stack, asha(town), sent.reference)
    public = await asking.make_bill(stack, WATER, bill(town, "public"))
    with pytest.raises(NotYours):
        await asking.refuse_bill(stack, asha(town), public.reference)


async def test_access_withdraw_bill(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "gone"))
    with pytest.raises(NoSuchBill):
        await asking.withdraw_bill(stack, juma(town), made.reference)
    with pytest.raises(NotPermitted):
        await asking.withdraw_bill(stack, kit.as_staff("auditor"), made.reference)
    assert (await asking.withdraw_bill(stack, WATER, made.reference)).state == "withdrawn"
    with pytest.raises(BillEnded):
        await asking.pay_bill(stack, asha(town), made.reference, town["purse"])


async def test_access_made_bills(stack, town):
    newest, *_ = await asking.made_bills(stack, WATER, limit=1)
    older = await asking.made_bills(stack, WATER, before=newest.made_at, before_reference=newest.reference, limit=100)
    assert newest.reference not in {b.reference for b in older} and len(older) > 2
    assert all(b.title == "Chai" for b in await asking.made_bills(stack, juma(town)))
    with pytest.raises(NotPermitted):
        await asking.made_bills(stack, kit.as_staff("auditor"))


async def test_a_bill_ends_with_its_days(stack, town):
    made = await asking.make_bill(stack, WATER, bill(town, "short", days=1))
    with clock.freeze(made.expires_at + timedelta(seconds=1)), pytest.raises(BillEnded) as ended:
        await asking.pay_bill(stack, asha(town), made.reference, town["purse"])
    assert ended.value.facts["state"] == "expired"


def rent(town, key: str, first: date, **more) -> StandingOrder:
    said = {"payer": town["purse"], "payee": town["juma"].phone, "amount_minor": 100, "every": "month"}
    return StandingOrder(key=key, first_day=first, **(said | more))


def today(stack) -> date:
    return (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()


async def test_access_make_standing(stack, town):
    day = today(stack)
    made = await standing.make_standing(stack, asha(town), rent(town, "s1", day))
    assert made == await standing.make_standing(stack, asha(town), rent(town, "s1", day)) and made.name == "J. M."
    for wrong in ({"every": "day"}, {"last_day": day - timedelta(days=1)}, {"first_day": day - timedelta(days=1)}):
        with pytest.raises(Malformed):
            await standing.make_standing(stack, asha(town), rent(town, "s2", wrong.pop("first_day", day), **wrong))
    with pytest.raises(NotPermitted):
        await standing.make_standing(stack, kit.as_person(town["asha"].id, assurance=1), rent(town, "s3", day))
    await standing.stop_standing(stack, asha(town), made.standing_id)


async def test_access_own_standing(stack, town):
    assert len(await standing.own_standing(stack, asha(town))) == 1
    assert await standing.own_standing(stack, juma(town)) == []
    with pytest.raises(NotPermitted):
        await standing.own_standing(stack, kit.as_person(town["asha"].id, purpose="audit"))


async def test_access_stop_standing(stack, town):
    made = await standing.make_standing(stack, asha(town), rent(town, "s4", today(stack)))
    with pytest.raises(NoSuchStanding):
        await standing.stop_standing(stack, juma(town), made.standing_id)
    await standing.stop_standing(stack, asha(town), made.standing_id)
    with pytest.raises(NoSuchStanding):
        await standing.stop_standing(stack, asha(town), made.standing_id)


async def test_access_run_standing(stack, town):
    day = today(stack)
    week = await standing.make_standing(
        stack, asha(town), rent(town, "s5", day, every="week", last_day=day + timedelta(days=7))
    )
    dear = await standing.make_standing(stack, asha(town), rent(town, "s6", day, amount_minor=900_000))
    with pytest.raises(NotPermitted):
        await standing.run_standing(stack, asha(town))
    had = await balance(stack, asha(town))
    done = await asyncio.gather(*[standing.run_standing(stack, standing.job(), day) for _ in range(3)])
    assert sum(done) >= 2 and await balance(stack, asha(town)) == had - 100  # once, however many run
    later = day + timedelta(days=40)
    while await standing.run_standing(stack, standing.job(), later):
        pass
    assert await balance(stack, asha(town)) == had - 200
    told = {s.standing_id: s for s in await standing.own_standing(stack, asha(town))}
    assert told[week.standing_id].due is None and told[week.standing_id].last_result == "paid"
    assert told[dear.standing_id].last_result in ("payments.insufficient-funds", "payments.over-limit")
    assert told[dear.standing_id].due and told[dear.standing_id].due > day
    with pytest.raises(NotPermitted):
        policy.decide(job_context("somebody", "payment"), "payments.run-standing", town["asha"].id)


@given(st.dates(date(2020, 1, 1), date(2090, 1, 1)), st.sampled_from(["week", "month"]), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_days_come_once_and_keep_the_day_of_the_month(first, every, times):
    day = first
    for _ in range(times):
        after = rules.next_day(day, every, first)
        assert 0 < (after - day).days <= 31
        if every == "month":
            assert after.day == first.day or (after.day < first.day and (after + timedelta(days=1)).day == 1)
            assert (after.year * 12 + after.month) - (day.year * 12 + day.month) == 1
        day = after


@given(st.integers(0, rules.BILL_SPACE - 1), st.integers(0, 11), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_references_find_a_wrong_digit(place, wrong, shift):
    text = rules.bill_reference(place)
    assert rules.is_bill_reference(text)
    assert not rules.is_bill_reference(text[:wrong] + str((int(text[wrong]) + shift) % 10) + text[wrong + 1 :])


async def test_access_own_bill(stack, town):
    """Who made a bill reads it, also one that was sent to one person; nobody else, and no person's wrong purpose."""
    made = await asking.make_bill(stack, WATER, bill(town, "own", payer=town["juma"].number))
    assert await asking.own_bill(stack, WATER, made.reference) == made
    await asking.refuse_bill(stack, juma(town), made.reference)
    assert (await asking.own_bill(stack, WATER, made.reference)).state == "refused"
    for other in (asha(town), kit.as_staff("treasurer", institution="zahanati")):
        with pytest.raises(NoSuchBill):
            await asking.own_bill(stack, other, made.reference)
    with pytest.raises(NoSuchBill):
        await asking.own_bill(stack, WATER, "123")
    with pytest.raises(NotPermitted):
        await asking.own_bill(stack, kit.as_staff("enrolment-officer"), made.reference)
