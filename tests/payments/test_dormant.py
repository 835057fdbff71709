"""Dormant accounts: told, asleep, woken, handed over, claimed; whatever breaks off, and whoever asks."""

from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit

from msingi import countries
from msingi.countries import shipped
from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit, errors, officers
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import tariff
from msingi.payments.dormant import acts, daily, handing, rules
from msingi.payments.dormant.errors import AuthorityNotOpen, NoSuchCase, NotAsleep, NothingUnclaimed, SecondOfficial
from msingi.payments.dormant.model import HeirOrder, State
from msingi.payments.model import AccountKind, Alias, TransferOrder

LAW = tariff.Dormant(
    law={"en": "a law"}, kinds=["wallet", "joint"], after_months=6, warn_days=20, hand_over_years=2,
    authority="hazina", bank_debits=["FEES", "UNCL"], own_credits=["CSHI"],
)  # fmt: skip
FIRST, SECOND = (kit.as_staff("account-officer", id=f"officer-{n}", institution="benki") for n in "12")
DAYS = st.dates(date(2020, 1, 1), date(2060, 12, 31))


@settings(max_examples=150, deadline=None)
@given(DAYS, st.integers(0, 2400))
def test_months_later_is_the_same_day_or_the_months_last(day, months):
    found = rules.later(day, months)
    assert (found.year * 12 + found.month) - (day.year * 12 + day.month) == months
    assert found.day == day.day or (found.day < day.day and (found + timedelta(days=1)).day == 1)


@settings(max_examples=150, deadline=None)
@given(DAYS, st.lists(st.integers(0, 60), min_size=1, max_size=40), st.data())
def test_law_1_nobody_falls_asleep_untold_or_while_active(opened, waits, data):
    """Looks on any days, acts on any days: whoever sleeps was told so long before, and did nothing for so long."""
    state, falls, told, last, today = State.ACTIVE, None, None, opened, opened
    for wait in waits:
        today += timedelta(days=wait)
        if data.draw(st.integers(0, 9)) == 0:
            last = today
        found = rules.step(state, falls, last, today, LAW)
        if found.state is State.WARNED and state is State.ACTIVE:
            told = today
        if found.state is State.DORMANT:
            assert told is not None and (today - told).days >= LAW.warn_days
            assert today >= rules.later(last, LAW.after_months)
            return
        assert found.state is State.WARNED or today < rules.first_look(last, LAW)
        state, falls = found.state, found.falls_on


@given(st.integers(-5, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_law_4_no_more_is_paid_back_than_was_handed_over(wanted, handed, claimed):
    if wanted > 0 and wanted + claimed <= handed:
        rules.check_claim(wanted, handed, claimed)
    else:
        with pytest.raises(NothingUnclaimed):
            rules.check_claim(wanted, handed, claimed)


@pytest.mark.parametrize("country", shipped())
def test_the_shipped_laws_are_whole(country):
    assert tariff.read(countries.load(country)).dormant is not None


@pytest.mark.parametrize(
    ("change", "told"),
    [({"authority": "nobody"}, "authority"), ({"kinds": ["float"]}, "kinds"), ({"after_months": 0}, "after_months"),
     ({"warn_days": 0}, "warn_days"), ({"law": {}}, "language")],
)  # fmt: skip
def test_a_wrong_law_stops_the_start_and_is_named(change, told):
    whole = countries.load("taifa")
    bad = whole.bank | {"dormant": whole.bank["dormant"] | change}
    with pytest.raises(tariff.TariffWrong) as wrong:
        tariff.read(structs.replace(whole, bank=bad))
    assert told in str(wrong.value)


@pytest.fixture(scope="module")
async def source(stack):
    """A country with a law, an authority with a trust account, and money."""
    stack.local[tariff.KEY] = structs.replace(tariff.of(stack), dormant=LAW)
    source = await kit.treasury(stack)
    await ledger.open_account(stack, kit.SAMPLE, "hazina", AccountKind.TRUST, label="unclaimed")
    return source


async def holder(stack, source, amount=1000):
    who = await kit.enrolled(stack)
    return who, await kit.wallet(stack, who.id, amount, source)


async def on(stack, months=0, days=0):
    """The law followed to the end on a day so far from today, as the hourly loop does it."""
    moment = clock.now() + timedelta(days=days, hours=2)
    moment += rules.later(moment.date(), months) - moment.date()
    with clock.freeze(moment):
        while await daily.run(stack):
            pass


async def asleep(stack):
    await on(stack)
    await on(stack, LAW.after_months)
    await on(stack, LAW.after_months, LAW.warn_days)


async def seen(stack, who, assurance=2):
    return await acts.own_sleepers(stack, kit.as_person(who.id, assurance))


def order(payer, payee, key="k"):
    return TransferOrder(key, payer.number, Alias("account", payee.number), 10, "TZS")


async def texts_to(owner_url, phone):
    rows = await kit.owner_does(owner_url, "SELECT encode(payload, 'escape') AS told FROM kernel.outbox")
    return [row["told"] for row in rows if phone in row["told"]]


async def test_law_1_and_2_told_then_asleep_then_woken(stack, source, owner_url):
    quiet, active = await holder(stack, source), await holder(stack, source)
    await on(stack)
    assert await seen(stack, quiet[0]) == []
    await on(stack, LAW.after_months)
    (warned,) = await seen(stack, quiet[0])
    assert warned.state is State.WARNED and warned.falls_on is not None
    await on(stack, LAW.after_months)
    assert len([t for t in await texts_to(owner_url, quiet[0].phone) if warned.falls_on.isoformat() in t]) == 1  # law 5
    with clock.freeze(clock.now() + timedelta(days=LAW.after_months * 30)):
        await ledger.transfer(stack, kit.as_person(active[0].id), order(active[1], quiet[1]))
    await on(stack, LAW.after_months, LAW.warn_days)
    (sleeping,) = await seen(stack, quiet[0])
    assert sleeping.state is State.DORMANT and sleeping.since is not None and sleeping.falls_on is None
    assert await seen(stack, active[0]) == []
    with pytest.raises(errors.AccountDormant):
        await ledger.transfer(stack, kit.as_person(quiet[0].id), order(*reversed((active[1], quiet[1]))))
    await ledger.transfer(stack, kit.as_person(active[0].id), order(active[1], quiet[1], "k2"))  # it receives
    await acts.wake(stack, kit.as_person(quiet[0].id), quiet[1].number)
    await ledger.transfer(stack, kit.as_person(quiet[0].id), order(quiet[1], active[1], "k3"))
    assert await seen(stack, quiet[0]) == []


async def test_access_wake_account(stack, source):
    (who, own), (other, _) = await holder(stack, source), await holder(stack, source)
    with pytest.raises(NotAsleep):
        await acts.wake(stack, kit.as_person(who.id), own.number)
    await asleep(stack)
    with pytest.raises(NotPermitted):
        await acts.wake(stack, kit.as_person(who.id, 1), own.number)
    with pytest.raises(errors.NoSuchAccount):
        await acts.wake(stack, kit.as_person(other.id), own.number)
    await acts.wake(stack, kit.as_person(who.id), own.number)
    with pytest.raises(NotAsleep):
        await acts.wake(stack, kit.as_person(who.id), own.number)


async def test_access_own_sleepers(stack, source):
    who, own = await holder(stack, source)
    await asleep(stack)
    assert [one.account for one in await seen(stack, who, 1)] == [own.number]
    with pytest.raises(NotPermitted):
        await acts.own_sleepers(stack, kit.as_person(who.id, purpose="statistics"))


async def test_access_follow_dormancy(stack, source):
    from msingi.kernel import policy
    from msingi.kernel.context import job_context

    assert policy.decide(daily.job(), "payments.follow-dormancy", policy.ANYONE)
    with pytest.raises(NotPermitted):
        policy.decide(job_context("payments-bank", "payment"), "payments.follow-dormancy", policy.ANYONE)


async def test_access_pay_unclaimed(stack, source):
    from msingi.kernel import policy

    assert policy.decide(daily.job(), "payments.pay-unclaimed", policy.ANYONE)
    with pytest.raises(NotPermitted):
        policy.decide(FIRST, "payments.pay-unclaimed", policy.ANYONE)


async def test_access_propose_waking(stack, source):
    _, own = await holder(stack, source)
    with pytest.raises(NotAsleep):
        await acts.propose_waking(stack, FIRST, own.number, "Kitambulisho kimeonekana")
    await asleep(stack)
    with pytest.raises(NotPermitted):
        await acts.propose_waking(stack, kit.as_staff("treasurer"), own.number, "Nataka")
    with pytest.raises(Malformed):
        await acts.propose_waking(stack, FIRST, own.number, " ")
    assert UUID(await acts.propose_waking(stack, FIRST, own.number, "Kitambulisho kimeonekana"))


async def test_access_decide_for_sleeper(stack, source):
    """Four eyes: who proposed does not confirm; another official does, once."""
    who, own = await holder(stack, source)
    await asleep(stack)
    case = await acts.propose_waking(stack, FIRST, own.number, "Kitambulisho kimeonekana")
    with pytest.raises(SecondOfficial):
        await acts.decide(stack, FIRST, case, agrees=True)
    with pytest.raises(NotPermitted):
        await acts.decide(stack, kit.as_person(who.id), case, agrees=True)
    assert case in {one.case_id for one in await acts.cases(stack, SECOND)}
    assert (await acts.decide(stack, SECOND, case, agrees=True)).state == "done"
    assert await seen(stack, who) == []
    for wrong in (case, str(UUID(int=7))):
        with pytest.raises(NoSuchCase):
            await acts.decide(stack, SECOND, wrong, agrees=True)
    with pytest.raises(Malformed):
        await acts.decide(stack, SECOND, "x", agrees=True)


async def handed_over(stack, source, amount=1000):
    """Somebody whose money the authority keeps; an amount above what the tier lets a person pay at once."""
    who, own = await holder(stack, source, amount)
    await asleep(stack)
    await on(stack, LAW.after_months + 12 * LAW.hand_over_years, 2 * LAW.warn_days)
    return who, own


async def test_law_3_money_is_handed_over_whole_and_once_and_the_owner_gets_it_back(stack, source):
    limit = min(t.per_transfer_minor for t in stack.profile.tiers)
    who, own = await handed_over(stack, source, limit + 7)
    (kept,) = await seen(stack, who)
    assert (kept.balance_minor, kept.unclaimed_minor, kept.state) == (0, limit + 7, State.DORMANT)
    await on(stack, LAW.after_months + 12 * LAW.hand_over_years, 3 * LAW.warn_days)
    assert (await seen(stack, who))[0].unclaimed_minor == limit + 7
    assert await acts.claim(stack, kit.as_person(who.id), own.number) == limit + 7
    (account,) = await ledger.accounts(stack, kit.as_person(who.id))
    assert account.balance_minor == limit + 7 and await seen(stack, who) == []
    with pytest.raises(errors.OverTierLimit):  # the tier that was lent is back
        await ledger.transfer(stack, kit.as_person(who.id), structs.replace(order(own, source), amount_minor=limit + 1))
    assert (await audit.check_books(stack.db)).ok


async def test_access_cases(stack, source):
    assert all(one.state == "open" for one in await acts.cases(stack, FIRST))
    with pytest.raises(NotPermitted):
        await acts.cases(stack, kit.as_staff("treasurer", institution="hazina"))


async def test_access_claim_unclaimed(stack, source):
    (who, own), (other, _) = await handed_over(stack, source), await holder(stack, source)
    with pytest.raises(NotPermitted):
        await acts.claim(stack, kit.as_person(who.id, 1), own.number)
    with pytest.raises(errors.NoSuchAccount):
        await acts.claim(stack, kit.as_person(other.id), own.number)
    assert await acts.claim(stack, kit.as_person(who.id), own.number) == 1000
    with pytest.raises(NothingUnclaimed):
        await acts.claim(stack, kit.as_person(who.id), own.number)


async def test_access_propose_heir_with_four_eyes_and_never_more_than_there_is(stack, source):
    (who, own), (heir, hers) = await handed_over(stack, source), await holder(stack, source, 0)
    wish = HeirOrder(key="a", account=own.number, to=hers.number, amount_minor=600, reason="Hati ya mirathi 12/2031")
    first = await acts.propose_heir(stack, FIRST, wish)
    assert await acts.propose_heir(stack, FIRST, wish) == first
    second = await acts.propose_heir(stack, FIRST, structs.replace(wish, key="b"))
    with pytest.raises(SecondOfficial):
        await acts.decide(stack, FIRST, first, agrees=True)
    assert (await acts.decide(stack, SECOND, first, agrees=True)).amount_minor == 600
    with pytest.raises(NothingUnclaimed):  # both together are more than was handed over
        await acts.decide(stack, SECOND, second, agrees=True)
    assert (await acts.decide(stack, SECOND, second, agrees=False)).state == "refused"
    (account,) = await ledger.accounts(stack, kit.as_person(heir.id))
    assert account.balance_minor == 600
    for wrong in ({"amount_minor": 401}, {"amount_minor": -1}):
        with pytest.raises(NothingUnclaimed):
            await acts.propose_heir(stack, FIRST, structs.replace(wish, key="c", **wrong))
    assert await acts.claim(stack, kit.as_person(who.id), own.number) == 400


async def test_what_breaks_off_is_taken_up_again_and_nothing_moves_twice(stack, source, monkeypatch):
    who, own = await holder(stack, source)
    await asleep(stack)
    real, broken, account = handing.ledger.post, [], ledger_rules.id_of(own.number)

    async def dies_after(stack_, orders):
        ended = await real(stack_, orders)
        if account in (orders[0].debit, orders[0].credit) and not broken:
            broken.append(orders[0].id)
            raise ConnectionError("the machine died")
        return ended

    monkeypatch.setattr(handing.ledger, "post", dies_after)
    with pytest.raises(ConnectionError):
        await on(stack, LAW.after_months + 12 * LAW.hand_over_years, 2 * LAW.warn_days)
    with pytest.raises(errors.NoSuchAccount):  # meanwhile the account is nobody's: no order meets it half done
        await ledger.transfer(stack, kit.as_person(who.id), order(own, source))
    with pytest.raises(NotAsleep):
        await acts.wake(stack, kit.as_person(who.id), own.number)
    await on(stack, LAW.after_months + 12 * LAW.hand_over_years, 2 * LAW.warn_days)
    assert [one.unclaimed_minor for one in await seen(stack, who)] == [1000]
    broken.clear()
    with pytest.raises(ConnectionError):
        await acts.claim(stack, kit.as_person(who.id), own.number)
    await on(stack)
    (account,) = await ledger.accounts(stack, kit.as_person(who.id))
    assert account.balance_minor == 1000 and await seen(stack, who) == []


async def test_a_court_order_comes_before_the_handing_over(stack, source):
    who, own = await holder(stack, source)
    await officers.freeze(stack, FIRST, own.number, reason="Amri ya mahakama 7")
    await asleep(stack)
    await on(stack, LAW.after_months + 12 * LAW.hand_over_years, 2 * LAW.warn_days)
    (kept,) = await seen(stack, who)
    assert (kept.balance_minor, kept.unclaimed_minor) == (1000, 0)
    await acts.wake(stack, kit.as_person(who.id), own.number)
    with pytest.raises(errors.AccountFrozen):  # waking lifts sleep and nothing else
        await ledger.transfer(stack, kit.as_person(who.id), order(own, source))


async def test_without_the_authoritys_account_money_stays_and_claims_say_so(stack, source):
    law = structs.replace(LAW, authority="rita")
    who, own = await handed_over(stack, source)
    stack.local[tariff.KEY] = structs.replace(tariff.of(stack), dormant=law)
    try:
        with pytest.raises(AuthorityNotOpen):
            await acts.claim(stack, kit.as_person(who.id), own.number)
    finally:
        stack.local[tariff.KEY] = structs.replace(tariff.of(stack), dormant=LAW)


async def test_access_report_unclaimed(stack, source):
    await handed_over(stack, source, 77)
    when = clock.now() + timedelta(hours=2)
    year = (rules.later(when.date(), LAW.after_months + 24) + timedelta(days=2 * LAW.warn_days)).year
    for ctx in (FIRST, kit.as_staff("treasurer", institution="hazina")):
        found = await acts.report(stack, ctx, year)
        assert 77 in {line.amount_minor for line in found.lines} and found.handed_minor >= 77
    one = await acts.report(stack, FIRST, year, limit=1)
    assert len(one.lines) == 1 and one.next_after
    assert (await acts.report(stack, FIRST, year, after=one.next_after)).lines != one.lines
    with pytest.raises(NotPermitted):
        await acts.report(stack, kit.as_staff("treasurer", institution="rita"), year)
    for wrong in ({"year": 1}, {"limit": 0}, {"after": "x"}):
        with pytest.raises(Malformed):
            await acts.report(stack, FIRST, **({"year": year} | wrong))
