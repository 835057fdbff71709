"""The fraud desk on a real database: every door to the ledger is weighed, people contest, two officers decide."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from lxml import etree
from msgspec import structs
from tests.payments import kit

from msingi.consent import acts as consent
from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import gate
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder, Purchase
from msingi.payments.fraud import acts, desk, jobs, rulebook, watch
from msingi.payments.fraud.errors import (
    CannotContest,
    NoReport,
    NoSuchFraudCase,
    NoSuchStop,
    NotYourStep,
    PaymentHeld,
    PaymentStopped,
)
from msingi.payments.fraud.model import State
from msingi.payments.model import Alias, TransferOrder

ANNA = kit.as_staff("compliance-officer", id="anna", institution="benki", purpose="fraud-prevention")
BEN = kit.as_staff("compliance-officer", id="ben", institution="benki", purpose="fraud-prevention")
STRANGER = kit.as_staff("account-officer", id="other", institution="benki", purpose="fraud-prevention")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


@pytest.fixture
def strict(stack):
    """Rules small enough for a test: 4 payments an hour; over 1,000 to a stranger; 2 near 500; 3 payers; devices."""
    book = rulebook.read(stack.profile)
    assert book is not None
    small = {
        "pace-hour": {"most": 4}, "stranger": {"over_minor": 1_000}, "new-device": {"over_minor": 50},
        "structuring": {"bound_minor": 500, "most": 2}, "through": {"payers": 3, "each_minor": 100},
        "sum-week": {"most_minor": 5_000},
    }  # fmt: skip
    fitted = tuple(structs.replace(rule, **small.get(rule.code, {})) for rule in book.rules)
    made = structs.replace(book, rules=fitted)
    before = stack.local[gate.KEY], stack.local[rulebook.KEY]
    stack.local[gate.KEY], stack.local[rulebook.KEY] = watch.Watch(stack, made), made
    yield made
    stack.local[gate.KEY], stack.local[rulebook.KEY] = before


async def someone(stack, source, amount=10_000):
    who = await kit.enrolled(stack)
    return who, await kit.wallet(stack, who.id, amount, source)


def me(who, purpose="payment"):
    return kit.as_person(who.id, purpose=purpose, name="Asha Mrema")


async def pay(stack, who, purse, to, amount, key=""):
    order = TransferOrder(key or str(uuid4()), purse.number, Alias("account", to.number), amount, "TZS", "x")
    return await ledger.transfer(stack, me(who), order)


async def seen_by(stack, who):
    lines = await consent.accesses(stack, me(who, "subject-access"), who.id)
    return [str(line) for line in lines.items]


async def test_law_1_and_4_too_many_payments_are_refused_and_told_without_a_bound(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source), await someone(stack, source)
    paid = [await pay(stack, who, purse, other, 100, f"k{n}") for n in range(4)]
    with pytest.raises(PaymentStopped) as stopped:
        await pay(stack, who, purse, other, 100, "k4")
    assert stopped.value.facts["why"] == "pace" and not any(c.isdigit() for c in str(stopped.value.title))
    assert "4" not in str({k: v for k, v in stopped.value.facts.items() if k != "stop"})
    assert (await pay(stack, who, purse, other, 100, "k2")).transfer_id == paid[2].transfer_id  # law 3
    with pytest.raises(PaymentStopped) as again:
        await pay(stack, who, purse, other, 100, "k4")
    assert again.value.facts == stopped.value.facts
    page = await acts.stopped_payments(stack, me(who))
    assert [p.why for p in page.payments] == ["pace"] and page.next_before is None
    (mine,) = await ledger.accounts(stack, me(who))
    assert mine.balance_minor == 10_000 - 400


async def test_law_1_shops_are_weighed_like_people(stack, source, strict):
    who, purse = await someone(stack, source)
    officer = kit.as_staff("account-officer", institution="benki")
    order = MerchantOrder(
        key="fraud-shop", name="Duka", latin="DUKA", city="DODOMA", category="5411", account=source.number
    )
    shop = await bank.register_merchant(stack, officer, order)

    async def buy(n):
        wanted = Purchase(key=f"b{n}", payer=purse.number, merchant=shop.code, amount_minor=10, currency="TZS")
        return await bank.pay_merchant(stack, me(who), wanted)

    for n in range(4):
        await buy(n)
    with pytest.raises(PaymentStopped):
        await buy(4)


async def test_law_1_orders_at_the_same_time_do_not_pass_a_bound_together(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source), await someone(stack, source)
    done = await asyncio.gather(*[pay(stack, who, purse, other, 10, f"c{n}") for n in range(9)], return_exceptions=True)
    assert sum(isinstance(d, PaymentStopped) for d in done) == 5
    orders = [TransferOrder(f"m{n}", purse.number, Alias("account", other.number), 10, "TZS") for n in range(3)]
    told = await ledger.transfer_many(stack, me(who), orders)
    assert all(isinstance(one, PaymentStopped) for one in told)


async def test_what_the_ledger_rejects_does_not_count(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source, 100), await someone(stack, source)
    for n in range(6):
        with pytest.raises(Exception, match="not enough"):
            await pay(stack, who, purse, other, 101, f"r{n}")
    await pay(stack, who, purse, other, 100, "good")


async def test_a_new_program_reads_what_was_paid_before_it_began(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source), await someone(stack, source)
    first = [await pay(stack, who, purse, other, 10, f"n{n}") for n in range(4)]
    stack.local[gate.KEY] = watch.Watch(stack, strict)  # as after a restart
    with pytest.raises(PaymentStopped):
        await pay(stack, who, purse, other, 10, "n4")
    stack.local[gate.KEY] = watch.Watch(stack, strict)
    assert (await pay(stack, who, purse, other, 10, "n0")).transfer_id == first[0].transfer_id


async def test_an_unusual_payee_is_looked_at_and_then_let_go(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source), await someone(stack, source)
    with pytest.raises(PaymentHeld) as held:
        await pay(stack, who, purse, other, 1_500, "s1")
    stop = held.value.facts["stop"]
    shown = await acts.stopped_payment(stack, me(who), stop)
    assert shown.state is State.CHECKING and shown.due_at and shown.why == "payee"
    case = next(c for c in (await desk.queue(stack, ANNA)).cases if c.amount_minor == 1_500)
    assert case.rules == ["stranger"] and case.kind == "review"
    with pytest.raises(NotYourStep):
        await desk.clear(stack, ANNA, str(case.case_id), "not taken")
    await desk.take(stack, ANNA, str(case.case_id))
    await desk.write(stack, ANNA, str(case.case_id), "Who is it?", to_payer=True)
    assert (await acts.stopped_payment(stack, me(who), stop)).said == "Who is it?"
    await acts.contest(stack, me(who, "redress"), stop, "My landlord")
    dossier = await desk.see_case(stack, ANNA, str(case.case_id))
    assert [note.text for note in dossier.notes] == ["Who is it?", "My landlord"]
    assert dossier.account == purse.number and dossier.name == "A. M."
    with pytest.raises(NotYourStep):
        await desk.clear(stack, BEN, str(case.case_id), "not Ben's")
    await desk.clear(stack, ANNA, str(case.case_id), "a rent", "You can send it now")
    shown = await acts.stopped_payment(stack, me(who), stop)
    assert shown.state is State.ALLOWED and shown.until and shown.said == "You can send it now"
    assert (await pay(stack, who, purse, other, 1_500, "s1")).amount_minor == 1_500  # the same order, now
    assert (await acts.stopped_payment(stack, me(who), stop)).state is State.USED
    await pay(stack, who, purse, other, 1_600, "s2")  # known by now


async def test_law_6_two_officers_confirm_and_nobody_tips_off(stack, source, strict):
    mule, purse = await someone(stack, source, 1_000)
    _, away = await someone(stack, source)
    for _ in range(3):
        friend, his = await someone(stack, source, 1_000)
        await pay(stack, friend, his, purse, 400)
    before = len(await seen_by(stack, mule))
    with pytest.raises(PaymentHeld) as held:
        await pay(stack, mule, purse, away, 999, "away")
    assert held.value.facts["why"] == "check"
    case = next(c for c in (await desk.queue(stack, ANNA, limit=100)).cases if c.amount_minor == 999)
    id_ = str(case.case_id)
    await desk.take(stack, ANNA, id_)
    with pytest.raises(NotYourStep):  # a question would be a tip
        await desk.write(stack, ANNA, id_, "Why?", to_payer=True)
    await desk.propose(stack, ANNA, id_, "Three people paid in, and it left within minutes")
    with pytest.raises(NotYourStep):
        await desk.confirm(stack, ANNA, id_)
    with pytest.raises(NoReport):
        await desk.report(stack, BEN, id_)
    await desk.send_back(stack, BEN, id_, "Look again")
    await desk.propose(stack, ANNA, id_, "Three people paid in, and it left within minutes")
    await desk.confirm(stack, BEN, id_)
    report = etree.fromstring(await desk.report(stack, ANNA, id_))
    assert report.findtext("report_code") == "STR" and report.findtext("entity_reference") == case.reference
    assert report.findtext("reason") == "Three people paid in, and it left within minutes"
    assert report.findtext("transaction/t_from_my_client/from_account/account") == purse.number
    assert [e.text for e in report.iter("indicator")] == ["through"]
    assert mule.number not in etree.tostring(report).decode()
    shown = await acts.stopped_payment(stack, me(mule), held.value.facts["stop"])
    assert shown.state is State.REFUSED and shown.said == ""
    told = "\n".join((await seen_by(stack, mule))[: len(await seen_by(stack, mule)) - before])
    assert "payments.stop-payment" in told
    for secret in ("through", "fraud-desk", "anna", "ben", case.reference, "report"):
        assert secret not in told
    with pytest.raises(CannotContest):
        await acts.contest(stack, me(mule, "redress"), held.value.facts["stop"], "But")


async def test_structuring_and_a_new_device_are_looked_at(stack, source, strict):
    (who, purse), (_, other) = await someone(stack, source), await someone(stack, source)
    await pay(stack, who, purse, other, 490)
    with pytest.raises(PaymentHeld) as held:
        await pay(stack, who, purse, other, 495)
    assert held.value.facts["why"] == "check"
    who, purse = await someone(stack, source)
    news = b'{"person_id":"%s","at":"%s"}' % (str(who.id).encode(), clock.now().isoformat().encode())
    await jobs.on_device(stack, news)
    await pay(stack, who, purse, other, 50)
    with pytest.raises(PaymentHeld) as held:
        await pay(stack, who, purse, other, 51)
    assert held.value.facts["why"] == "device"
    await watch.reload(stack)  # as another program of the stack does each minute
    with pytest.raises(PaymentHeld):
        await pay(stack, who, purse, other, 51)
    watching = watch.of(stack)
    assert watching is not None
    ended = b'{"person_id":"%s","until":"%s"}' % (
        str(who.id).encode(), (clock.now() - timedelta(days=1)).isoformat().encode(),
    )  # fmt: skip
    await jobs.on_recovered(stack, ended)  # late news: over already


async def test_access_stopped_payments(stack, source):
    who, _ = await someone(stack, source)
    assert (await acts.stopped_payments(stack, me(who))).payments == []
    with pytest.raises(NotPermitted):
        await acts.stopped_payments(stack, kit.as_person(who.id, assurance=0))
    for wrong in (
        {"limit": 0},
        {"before": "yesterday"},
        {"before": f"2026-01-01T00:00:00|{uuid4()}"},
        {"before": f"0001-01-01T00:00:00+23:00|{uuid4()}"},
    ):
        with pytest.raises(Malformed):
            await acts.stopped_payments(stack, me(who), **wrong)


async def test_access_stopped_payment(stack, source, strict):
    (who, purse), (other, till) = await someone(stack, source), await someone(stack, source)
    with pytest.raises(PaymentHeld) as held:
        await pay(stack, who, purse, till, 1_500)
    assert (await acts.stopped_payment(stack, me(who), held.value.facts["stop"])).amount_minor == 1_500
    for wanted in (held.value.facts["stop"], "nonsense"):
        with pytest.raises(NoSuchStop):
            await acts.stopped_payment(stack, me(other), wanted)
    with pytest.raises(NotPermitted):
        await acts.stopped_payment(stack, kit.as_person(who.id, purpose="statistics"), held.value.facts["stop"])


async def test_access_contest(stack, source, strict):
    (who, purse), (other, till) = await someone(stack, source), await someone(stack, source)
    for n in range(4):
        await pay(stack, who, purse, till, 10, f"k{n}")
    with pytest.raises(PaymentStopped) as stopped:
        await pay(stack, who, purse, till, 10)
    stop = stopped.value.facts["stop"]
    shown = await acts.contest(stack, me(who, "redress"), stop, "It is my shop's work")
    assert shown.state is State.CHECKING and shown.due_at == shown.due_at
    assert shown.due_at and timedelta(days=4) < shown.due_at - clock.now() <= timedelta(days=strict.contest_days)
    assert any(c.kind == "contest" for c in (await desk.queue(stack, ANNA, limit=100)).cases)
    with pytest.raises(NoSuchStop):
        await acts.contest(stack, me(other, "redress"), stop, "mine")
    with pytest.raises(NotPermitted):
        await acts.contest(stack, kit.as_person(who.id, assurance=1, purpose="redress"), stop, "no")
    with pytest.raises(Malformed):
        await acts.contest(stack, me(who, "redress"), stop, "  ")


async def test_access_public_counts(stack):
    found = await acts.public_counts(stack, kit.as_person(uuid4(), assurance=0, purpose="statistics"))
    assert found.stopped >= 1 and found.contested >= 1 and found.open_cases >= 1 and found.late_cases == 0


async def test_the_desk_is_for_compliance_officers(stack):
    missing = str(uuid4())
    for act in (
        desk.queue(stack, STRANGER), desk.see_case(stack, STRANGER, missing), desk.take(stack, STRANGER, missing),
        desk.write(stack, STRANGER, missing, "x"), desk.clear(stack, STRANGER, missing, "x"),
        desk.propose(stack, STRANGER, missing, "x"), desk.send_back(stack, STRANGER, missing, "x"),
        desk.confirm(stack, STRANGER, missing), desk.report(stack, STRANGER, missing),
    ):  # fmt: skip
        with pytest.raises(NotPermitted):
            await act
    for wanted in (missing, "nonsense"):
        with pytest.raises(NoSuchFraudCase):
            await desk.take(stack, ANNA, wanted)
    page = await desk.queue(stack, ANNA, limit=1)
    assert len(page.cases) == 1 and page.next_after
    after = await desk.queue(stack, ANNA, limit=1, after=page.next_after)
    assert after.cases and after.cases[0].case_id != page.cases[0].case_id
    assert isinstance(page.cases[0].case_id, UUID)
