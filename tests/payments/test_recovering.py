"""After a sign-in was given back at a centre, accounts pay out little for three days: by the event, end to end."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit
from tests.payments.test_rules import made

from msingi.kernel import clock
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.payments import acts, errors, recovering
from msingi.payments.book import Book
from msingi.payments.model import Alias, Flag, Tier, TransferOrder
from msingi.signin import acts as signin

JOB = job_context("payments-holders")
TIERS = [Tier(1, 1000, 3000, 10**9)]


def wanted(payer, payee, amount, key):
    return TransferOrder(key, payer.number, Alias("account", payee.number), amount, "TZS", "")


async def test_a_recovered_account_pays_little_until_its_time_is_over(stack, monkeypatch):
    source = await kit.treasury(stack)
    asha, juma = await kit.enrolled(stack), await kit.a_person(stack)
    mine, his = await kit.wallet(stack, asha.id, 4_000_000, source), await kit.wallet(stack, juma)
    me = kit.as_person(asha.id)
    assert await acts.transfer(stack, me, wanted(mine, his, 500_000, "before"))
    officer = Actor(Kind.STAFF, "o", "rita", frozenset({"enrolment-officer"}), 2, "Officer")
    until = await signin.recover(
        stack, context(officer, "identity-registration", "public-task"), asha.id, "9137", ("document", "photo")
    )
    await stack.outbox.drain(stack)
    with pytest.raises(errors.CoolingOff):  # a tenth of 1,000,000 at once
        await acts.transfer(stack, me, wanted(mine, his, 100_001, "large"))
    with pytest.raises(errors.CoolingOff):  # a tenth of 3,000,000 a day, and more was paid today
        await acts.transfer(stack, me, wanted(mine, his, 100_000, "today"))
    there = kit.as_person(juma)
    assert await acts.transfer(stack, there, wanted(his, mine, 400_000, "in"))  # money still arrives
    assert await recovering.lift_recoveries(stack, JOB) == 0
    monkeypatch.setattr(recovering.clock, "now", lambda: until + timedelta(seconds=1))
    assert await recovering.lift_recoveries(stack, JOB) == 1
    assert await acts.transfer(stack, me, wanted(mine, his, 500_000, "after"))
    await recovering.follow_recovery(stack, JOB, asha.id, until)  # the event again, late: nothing
    assert await acts.transfer(stack, me, wanted(mine, his, 500_000, "late"))


@settings(max_examples=80)
@given(st.lists(st.integers(1, 1200), max_size=40))
def test_whatever_is_tried_in_a_day_a_tenth_of_the_day_leaves(amounts):
    book = Book(0, TIERS)
    book.put(1 << 8, 10**8, 0, 0, 0, 0, 0, 1, int(Flag.OPEN | Flag.RECOVERED), 7, "AAA")
    book.put(2 << 8, 0, 0, 0, 0, 0, 0, 0, 1, 7, "AAA")
    endings = book.decide([made(n, 1, 2, amount) for n, amount in enumerate(amounts, 1)], 10**15).endings
    paid = [amount for amount, ending in zip(amounts, endings, strict=True) if not ending.reason]
    assert all(amount <= 100 for amount in paid) and sum(paid) <= 300
    assert all(isinstance(errors.refusal(e.reason), errors.CoolingOff) for e in endings if e.reason)


async def test_access_follow_recovery(stack):
    person = await kit.a_person(stack)
    assert await recovering.follow_recovery(stack, JOB, person, clock.now() + timedelta(days=1)) == 0
    with pytest.raises(NotPermitted):
        await recovering.follow_recovery(stack, kit.as_person(person), person, clock.now())


async def test_access_lift_recoveries(stack):
    assert await recovering.lift_recoveries(stack, JOB) >= 0
    with pytest.raises(NotPermitted):
        await recovering.lift_recoveries(stack, kit.as_staff("treasurer"))
