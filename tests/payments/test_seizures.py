"""Seizures: a part is held and paid over by two officers, the minimum stays free, and the holder knows why."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit

from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import officers
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import tariff
from msingi.payments.errors import AccountFrozen, InsufficientFunds, NoSuchAccount
from msingi.payments.groups.mandates import today
from msingi.payments.model import Alias, TransferOrder
from msingi.payments.seizures import acts, holding, rules
from msingi.payments.seizures.errors import NoSeizureLaw, NoSuchSeizure, NothingHeld, SecondOfficer, SeizureEnded
from msingi.payments.seizures.model import SeizureOrder, State

FIRST = kit.as_staff("account-officer", id="o-1", institution="benki")
SECOND = kit.as_staff("account-officer", id="o-2", institution="benki")
FREE = 60_000  # what the sample country protects


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


async def debtor(stack, source, amount):
    who = await kit.enrolled(stack)
    return who, await kit.wallet(stack, who.id, amount, source)


def paper(stack, account, source, amount, key="", **more):
    day = today(stack)
    said = {
        "key": key or f"k{account.number}", "account": account.number, "amount_minor": amount, "number": "HC/2026/118",
        "authority": "Mahakama ya Wilaya", "issued_on": day, "last_day": day + timedelta(days=30),
        "pay_to": source.number,
    }  # fmt: skip
    return SeizureOrder(**said | more)


async def state(stack, who):
    (account,) = await ledger.accounts(stack, kit.as_person(who.id))
    return account.balance_minor, account.available_minor


@given(*[st.integers(0, 10**9)] * 5)
def test_law_1_never_of_the_protected_minimum_and_never_more_than_ordered(left, posted, reserved, floor, protected):
    held = rules.holdable(left, posted, reserved, floor, protected)
    assert 0 <= held <= left and (held == 0 or posted - reserved - floor - held >= protected)


async def test_access_seize(stack, source):
    who, account = await debtor(stack, source, 100_000)
    order = paper(stack, account, source, 30_000)
    made = await acts.seize(stack, FIRST, order)
    assert made == await acts.seize(stack, FIRST, order)
    assert (made.held_minor, made.protected_minor, made.state, made.made_by_me) == (30_000, FREE, State.ACTIVE, True)
    assert await state(stack, who) == (100_000, 70_000)  # held, still theirs
    for wrong in (
        {"issued_on": today(stack) + timedelta(days=1)}, {"last_day": today(stack) - timedelta(days=1)},
        {"last_day": today(stack) + timedelta(days=366)}, {"number": ""}, {"authority": " "},
    ):  # fmt: skip
        with pytest.raises(Malformed):
            await acts.seize(stack, FIRST, paper(stack, account, source, 1, "w", **wrong))
    _, purse = await debtor(stack, source, 0)
    for wrong in ({"pay_to": purse.number}, {"account": "0000000000097"}):
        with pytest.raises((NoSuchAccount, Malformed)):
            await acts.seize(stack, FIRST, structs.replace(order, key="x", **wrong))
    for no in (kit.as_person(who.id), kit.as_staff("treasurer"), kit.as_staff("account-officer", purpose="audit")):
        with pytest.raises(NotPermitted):
            await acts.seize(stack, no, order)


async def test_law_1_2_the_minimum_stays_free_and_what_comes_in_is_held(stack, source):
    who, account = await debtor(stack, source, 70_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 50_000))
    assert made.held_minor == 10_000 and (await state(stack, who))[1] == FREE
    too_much = TransferOrder("t", account.number, Alias("account", source.number), FREE + 1, "TZS")
    with pytest.raises(InsufficientFunds):
        await ledger.transfer(stack, kit.as_person(who.id), too_much)
    await ledger.transfer(stack, kit.as_person(who.id), structs.replace(too_much, key="u", amount_minor=20_000))
    paid = [kit.order(stack, "institution:hazina", source.number, account.number, 55_000)]
    await ledger.ledger.post(stack, paid)
    for _ in range(2):  # looked at again, nothing is held twice
        await holding.run(stack, holding.job())
    (seen,) = await acts.own_seizures(stack, kit.as_person(who.id))
    assert (seen.held_minor, (await state(stack, who))[1]) == (45_000, FREE)


async def test_access_pay_seized(stack, source):
    who, account = await debtor(stack, source, 100_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 50_000))
    had = next(a.balance_minor for a in await ledger.accounts(stack, kit.as_staff("treasurer"))
               if a.number == source.number)  # fmt: skip
    with pytest.raises(SecondOfficer):
        await acts.pay_seized(stack, FIRST, made.seizure_id)
    with pytest.raises(NotPermitted):
        await acts.pay_seized(stack, kit.as_person(who.id), made.seizure_id)
    paid = await acts.pay_seized(stack, SECOND, made.seizure_id)
    assert (paid.paid_minor, paid.held_minor, paid.state) == (40_000, 0, State.ACTIVE)
    assert await state(stack, who) == (FREE, FREE)
    with pytest.raises(NothingHeld):
        await acts.pay_seized(stack, SECOND, made.seizure_id)
    await ledger.ledger.post(stack, [kit.order(stack, "institution:hazina", source.number, account.number, 15_000)])
    await holding.run(stack, holding.job())
    paid = await acts.pay_seized(stack, SECOND, made.seizure_id)
    assert (paid.paid_minor, paid.state) == (50_000, State.PAID) and await state(stack, who) == (65_000, 65_000)
    with pytest.raises(SeizureEnded):
        await acts.pay_seized(stack, SECOND, made.seizure_id)
    now = next(a.balance_minor for a in await ledger.accounts(stack, kit.as_staff("treasurer"))
               if a.number == source.number)  # fmt: skip
    assert now == had + 50_000 - 15_000


@pytest.mark.parametrize("last", [False, True], ids=["in force", "its day over"])
async def test_a_payment_that_was_cut_off_is_finished_by_the_bank_itself(stack, source, monkeypatch, last):
    who, account = await debtor(stack, source, 100_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 40_000))

    async def gone(*_):
        raise ConnectionError

    with monkeypatch.context() as broken, pytest.raises(ConnectionError):
        broken.setattr(holding, "_part", gone)  # the ledger has paid, and the program ends
        await acts.pay_seized(stack, SECOND, made.seizure_id)
    assert await state(stack, who) == (FREE, FREE)
    await holding.run(stack, holding.job(), today(stack) + timedelta(days=31 if last else 0))
    (seen,) = await acts.own_seizures(stack, kit.as_person(who.id))
    assert (seen.state, seen.paid_minor, seen.held_minor) == (State.PAID, 40_000, 0)
    assert await state(stack, who) == (FREE, FREE)


async def test_access_lift_seizure(stack, source):
    who, account = await debtor(stack, source, 100_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 30_000))
    with pytest.raises(NotPermitted):
        await acts.lift_seizure(stack, kit.as_person(who.id), made.seizure_id, "x")
    with pytest.raises(Malformed):
        await acts.lift_seizure(stack, FIRST, made.seizure_id, " ")
    lifted = await acts.lift_seizure(stack, FIRST, made.seizure_id, "HC/2026/150")
    assert (lifted.state, lifted.held_minor, lifted.why) == (State.LIFTED, 0, "HC/2026/150")
    assert await state(stack, who) == (100_000, 100_000)
    with pytest.raises(SeizureEnded):
        await acts.lift_seizure(stack, FIRST, made.seizure_id, "again")
    for wrong in ("nonsense", "01a203a3-5e64-70c0-8295-e72d1f5842bc"):
        with pytest.raises(NoSuchSeizure):
            await acts.lift_seizure(stack, FIRST, wrong, "x")


async def test_an_order_ends_with_its_day(stack, source):
    who, account = await debtor(stack, source, 100_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 30_000))
    await holding.run(stack, holding.job(), today(stack) + timedelta(days=30))
    assert (await state(stack, who))[1] == 70_000  # its last day is its own
    await holding.run(stack, holding.job(), today(stack) + timedelta(days=31))
    (seen,) = await acts.own_seizures(stack, kit.as_person(who.id))
    assert (seen.state, seen.held_minor, seen.seizure_id) == (State.EXPIRED, 0, made.seizure_id)
    assert await state(stack, who) == (100_000, 100_000)


async def test_a_freeze_is_another_thing_and_stays(stack, source):
    who, account = await debtor(stack, source, 100_000)
    made = await acts.seize(stack, FIRST, paper(stack, account, source, 30_000))
    await officers.freeze(stack, FIRST, account.number, reason="HC/2026/119")
    small = TransferOrder("f", account.number, Alias("account", source.number), 10, "TZS")
    with pytest.raises(AccountFrozen):
        await ledger.transfer(stack, kit.as_person(who.id), small)
    assert (await acts.pay_seized(stack, SECOND, made.seizure_id)).paid_minor == 30_000  # held before the freeze
    await officers.unfreeze(stack, FIRST, account.number, reason="HC/2026/120")
    again = structs.replace(small, key="g")
    assert (await ledger.transfer(stack, kit.as_person(who.id), again)).amount_minor == 10


async def test_law_4_the_holder_is_told_the_number_and_where_to_contest(stack, source, owner_url):
    import asyncpg

    _, account = await debtor(stack, source, 100_000)
    await acts.seize(stack, FIRST, paper(stack, account, source, 30_000, number="HC/2026/777"))
    conn = await asyncpg.connect(owner_url)
    rows = await conn.fetch("SELECT payload FROM kernel.outbox WHERE kind = 'sms.requested'")
    await conn.close()
    said = [bytes(r["payload"]).decode("utf-8", "replace") for r in rows]
    assert any("HC/2026/777" in one and ("21 days" in one or "siku 21" in one) for one in said)


async def test_access_see_seizures(stack, source):
    page = await acts.see_seizures(stack, SECOND, limit=2)
    assert len(page.seizures) == 2 and page.next_place and not page.seizures[0].made_by_me
    after = await acts.see_seizures(stack, SECOND, place=page.next_place, limit=100)
    assert {s.seizure_id for s in page.seizures}.isdisjoint(s.seizure_id for s in after.seizures)
    for wrong in ({"place": "x"}, {"limit": 0}, {"place": "2026-01-01T00:00:00|01a203a3-5e64-70c0-8295-e72d1f5842bc"}):
        with pytest.raises(Malformed):
            await acts.see_seizures(stack, SECOND, **wrong)
    with pytest.raises(NotPermitted):
        await acts.see_seizures(stack, kit.as_staff("auditor"))


async def test_access_own_seizures(stack, source):
    who, _ = await debtor(stack, source, 0)
    assert await acts.own_seizures(stack, kit.as_person(who.id, 1)) == []
    with pytest.raises(NotPermitted):
        await acts.own_seizures(stack, kit.as_person(who.id, purpose="audit"))


async def test_the_holders_limits_neither_stop_an_order_nor_are_they_used_up(stack, source):
    tier = next(t for t in stack.profile.tiers if t.tier == 1)
    who, account = await debtor(stack, source, tier.balance_minor)
    wanted = tier.per_day_minor + 500_000  # more than the holder may pay at once, and in a day
    made = await acts.seize(stack, FIRST, paper(stack, account, source, wanted))
    assert made.held_minor == wanted
    assert (await acts.pay_seized(stack, SECOND, made.seizure_id)).paid_minor == wanted
    own = TransferOrder("own", account.number, Alias("account", source.number), tier.per_transfer_minor, "TZS")
    assert (await ledger.transfer(stack, kit.as_person(who.id), own)).amount_minor == tier.per_transfer_minor


def test_only_the_work_of_a_court_or_of_the_law_is_without_limits():
    assert ledger_rules.by_law("job:payments-seizures@ payment legal-obligation")
    for text in ("person:job:payments-seizures@", "staff:payments-seizures@benki", "job:payments-seizures-2@", ""):
        assert not ledger_rules.by_law(text)


async def test_without_a_law_nothing_is_held(stack, source):
    _, account = await debtor(stack, source, 100_000)
    whole = tariff.of(stack)
    stack.local[tariff.KEY] = structs.replace(whole, seizure=None)
    try:
        with pytest.raises(NoSeizureLaw):
            await acts.seize(stack, FIRST, paper(stack, account, source, 1))
    finally:
        stack.local[tariff.KEY] = whole
