"""Programmes from the list to the money: rules as data, four eyes, everybody accounted for, nobody paid twice."""

from datetime import date
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.payments import kit

from msingi.identity import acts as identity
from msingi.kernel.errors import Malformed, NotPermitted, Outage
from msingi.payments import acts as ledger
from msingi.payments import audit, files, working
from msingi.payments import errors as ledger_errors
from msingi.payments.model import FileState
from msingi.payments.programmes import acts, errors, jobs, preparing, rules, store
from msingi.payments.programmes.model import Eligibility, Facts, ProgrammeOrder, Why

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
BOTH = kit.as_staff("payment-clerk", "payment-approver", id="clerk", purpose="social-protection")
STRANGER = kit.as_staff(
    "payment-clerk", "payment-approver", id="other", institution="zahanati", purpose="social-protection"
)
OFFICER = kit.as_staff("adjudicator", id="judge", purpose="redress")
WRONG_PURPOSE = kit.as_staff("payment-clerk", purpose="statistics")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack, 10**9)


@pytest.fixture(scope="module")
async def people(stack):
    return [await kit.enrolled(stack) for _ in range(5)]


async def opened(stack, source, code, **rules_):
    order = ProgrammeOrder(code, f"Programme {code}", source.number, 1_000, Eligibility(**rules_))
    return await acts.open_programme(stack, CLERK, order)


async def balance(stack, person):
    held = await ledger.balances_of(stack, kit.as_person(person.id), person.id)
    return held.get(stack.profile.currency.code, 0)


async def paid(stack, file_id):
    await preparing.prepare(stack, file_id)
    await files.approve_payment_file(stack, BOSS, str(file_id))
    return await working.run_file(stack, str(file_id))


async def test_access_open_programme(stack, source):
    made = await opened(stack, source, "ELDERS", min_age=60)
    assert made == await opened(stack, source, "ELDERS", min_age=60)
    with pytest.raises(errors.ProgrammeCodeTaken):
        await opened(stack, source, "ELDERS", min_age=65)
    order = ProgrammeOrder("X1", "X", source.number, 5)
    for ctx in (BOSS, WRONG_PURPOSE, kit.as_person(uuid4())):
        with pytest.raises(NotPermitted):
            await acts.open_programme(stack, ctx, order)
    with pytest.raises(ledger_errors.NoSuchAccount):  # another ministry's money
        await acts.open_programme(stack, STRANGER, order)


@pytest.mark.parametrize(
    ("field", "order"),
    [
        ("code", {"code": "a b"}),
        ("name", {"name": " "}),
        ("amount_minor", {"amount_minor": 0}),
        ("amount_minor", {"amount_minor": 10**30}),
        ("amount_minor", {"amount_minor": -5}),
        ("eligibility.min_age", {"eligibility": Eligibility(min_age=-1)}),
        ("eligibility.max_age", {"eligibility": Eligibility(min_age=9, max_age=8)}),
        ("eligibility.sexes", {"eligibility": Eligibility(sexes=("x",))}),
        ("eligibility.regions", {"eligibility": Eligibility(regions=("nowhere",))}),
    ],
    ids=lambda v: v if isinstance(v, str) else "-".join(v),
)
async def test_wrong_programmes_are_refused_with_the_field(stack, source, field, order):
    whole = {"code": "W1", "name": "W", "payer": source.number, "amount_minor": 5} | order
    with pytest.raises(Malformed) as wrong:
        await acts.open_programme(stack, CLERK, ProgrammeOrder(**whole))
    assert wrong.value.facts["field"] == field


async def test_access_programmes(stack, source):
    made = await opened(stack, source, "LIST-1")
    assert made in await acts.programmes(stack, BOSS)
    assert made not in await acts.programmes(stack, BOSS, after="LIST-1")
    assert await acts.programmes(stack, STRANGER) == []
    with pytest.raises(NotPermitted):
        await acts.programmes(stack, kit.as_staff("clinician", purpose="social-protection"))


async def test_access_programme(stack, source):
    made = await opened(stack, source, "ONE")
    assert await acts.programme(stack, BOSS, made.programme_id) == made
    with pytest.raises(errors.NoSuchProgramme):
        await acts.programme(stack, STRANGER, made.programme_id)
    with pytest.raises(NotPermitted):
        await acts.programme(stack, WRONG_PURPOSE, made.programme_id)


async def test_access_close_programme(stack, source, people):
    made = await opened(stack, source, "CLOSE")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[0].number])
    with pytest.raises(NotPermitted):
        await acts.close_programme(stack, BOSS, made.programme_id)
    with pytest.raises(errors.NoSuchProgramme):
        await acts.close_programme(stack, STRANGER, made.programme_id)
    assert (await acts.close_programme(stack, CLERK, made.programme_id)).closed_at
    for again in (
        acts.close_programme(stack, CLERK, made.programme_id),
        acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[1].number]),
        acts.open_cycle(stack, CLERK, made.programme_id, "2026-01"),
    ):
        with pytest.raises(errors.ProgrammeClosed):
            await again


async def test_access_enrol_beneficiaries(stack, source, people):
    made = await opened(stack, source, "ENROL", max_age=70)
    numbers = [people[0].number, "hello", "234567890128", people[1].number, people[0].number, "999999999999"]
    told = await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, numbers)
    assert [t.line for t in told] == [1, 2, 3, 4, 5, 6]
    assert told[1].why is Why.MALFORMED and told[4].outcome in ("already", "refused")
    assert {t.outcome for t in (told[1], told[2], told[5])} == {"refused"}
    again = await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, numbers)
    assert "enrolled" not in {t.outcome for t in again}
    old = await opened(stack, source, "OLD", min_age=149)
    assert {t.why for t in await acts.enrol_beneficiaries(stack, CLERK, old.programme_id, [people[0].number])} == {
        Why.TOO_YOUNG
    }
    with pytest.raises(NotPermitted):
        await acts.enrol_beneficiaries(stack, BOSS, made.programme_id, numbers)
    with pytest.raises(errors.NoSuchProgramme):
        await acts.enrol_beneficiaries(stack, STRANGER, made.programme_id, numbers)
    with pytest.raises(Malformed):
        await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, ["1"] * 1_001)


async def test_access_end_beneficiary(stack, source, people):
    made = await opened(stack, source, "LEAVE")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[0].number])
    for ctx, wrong in ((BOSS, NotPermitted), (STRANGER, errors.NoSuchProgramme)):
        with pytest.raises(wrong):
            await acts.end_beneficiary(stack, ctx, made.programme_id, people[0].id)
    assert await acts.end_beneficiary(stack, CLERK, made.programme_id, people[0].id)
    assert not await acts.end_beneficiary(stack, CLERK, made.programme_id, people[0].id)
    assert (await acts.programme(stack, CLERK, made.programme_id)).people == 0
    (back,) = await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[0].number])
    assert back.outcome == "enrolled"


async def test_access_beneficiaries(stack, source, people):
    made = await opened(stack, source, "WHO")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [p.number for p in people[:3]])
    first = await acts.beneficiaries(stack, BOSS, made.programme_id, limit=2)
    rest = await acts.beneficiaries(stack, BOSS, made.programme_id, after=first.next_after, limit=2)
    assert {b.person_id for b in first.people + rest.people} == {p.id for p in people[:3]} and rest.next_after is None
    with pytest.raises(errors.NoSuchProgramme):
        await acts.beneficiaries(stack, STRANGER, made.programme_id)
    with pytest.raises(NotPermitted):
        await acts.beneficiaries(stack, kit.as_person(people[0].id), made.programme_id)


async def test_access_open_cycle(stack, source, people):
    made = await opened(stack, source, "CYCLE")
    with pytest.raises(errors.NobodyLeft):
        await acts.open_cycle(stack, CLERK, made.programme_id, "2026-01")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[0].number])
    with pytest.raises(NotPermitted):
        await acts.open_cycle(stack, BOSS, made.programme_id, "2026-01")
    with pytest.raises(errors.NoSuchProgramme):
        await acts.open_cycle(stack, STRANGER, made.programme_id, "2026-01")
    with pytest.raises(Malformed):
        await acts.open_cycle(stack, CLERK, made.programme_id, "2026/01")
    file_id = await acts.open_cycle(stack, BOTH, made.programme_id, "2026-01")
    assert file_id == await acts.open_cycle(stack, CLERK, made.programme_id, "2026-01")
    with pytest.raises(errors.CycleUnderWay):
        await acts.open_cycle(stack, CLERK, made.programme_id, "2026-01", retry=True)
    with pytest.raises(ledger_errors.FileNotReady):  # nobody approves a list that has not been checked
        await files.approve_payment_file(stack, BOSS, str(file_id))
    await preparing.prepare(stack, file_id)
    with pytest.raises(ledger_errors.FourEyes):  # one official in two offices is still one pair of eyes
        await files.approve_payment_file(stack, BOTH, str(file_id))
    assert (await files.payment_file(stack, BOSS, str(file_id))).uploaded_by == "staff:clerk"


async def test_everybody_is_paid_left_out_or_rejected_and_a_retry_pays_only_the_others(stack, source, people):
    """Laws 3 and 4: of five people one is suspended before the cycle, and one only after it was approved."""
    made = await opened(stack, source, "MAIN")
    told = await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [p.number for p in people])
    assert [t.outcome for t in told] == ["enrolled"] * 5
    before = [await balance(stack, p) for p in people]
    await identity.suspend(stack, OFFICER, people[0].id, "test")
    file_id = await acts.open_cycle(stack, CLERK, made.programme_id, "2026-02")
    assert await preparing.prepare(stack, file_id) == 5 and await preparing.prepare(stack, file_id) == 0
    waiting = await files.payment_file(stack, BOSS, str(file_id))
    assert (waiting.state, waiting.lines, waiting.total_minor) == (FileState.WAITING, 4, 4_000)
    assert waiting.message_id == "MAIN/2026-02"
    await files.approve_payment_file(stack, BOSS, str(file_id))
    await identity.suspend(stack, OFFICER, people[1].id, "test")
    done = await working.run_file(stack, str(file_id))
    assert (done.paid, done.rejected) == (3, 1)
    out = await acts.left_out(stack, BOSS, file_id)
    assert [(o.person_id, o.why) for o in out.people] == [(people[0].id, Why.NOT_IN_USE)]
    for person in people[:2]:
        await identity.reactivate(stack, OFFICER, person.id, "test")
    again = await acts.open_cycle(stack, CLERK, made.programme_id, "2026-02", retry=True)
    assert again != file_id and (await paid(stack, again)).paid == 2
    with pytest.raises(errors.NobodyLeft):
        await acts.open_cycle(stack, CLERK, made.programme_id, "2026-02", retry=True)
    assert [await balance(stack, p) for p in people] == [b + 1_000 for b in before]
    newest, first = await acts.cycles(stack, BOSS, made.programme_id)
    assert (newest.attempt, newest.paid, newest.checked, first.attempt, first.left_out) == (2, 2, 2, 1, 1)
    entry = await entry_of(stack, people[2])
    assert (entry.amount_minor, entry.reference) == (1_000, "Programme MAIN 2026-02")
    assert (await audit.check_books(stack.db)).ok


async def entry_of(stack, person):
    me = kit.as_person(person.id)
    wallet = (await ledger.accounts(stack, me))[0]
    return (await ledger.statement(stack, me, wallet.number)).entries[0]


async def test_a_check_that_broke_off_goes_on_where_it_stopped(stack, source, people, monkeypatch):
    made = await opened(stack, source, "BREAK")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [p.number for p in people])
    file_id = await acts.open_cycle(stack, CLERK, made.programme_id, "1")
    monkeypatch.setattr(preparing, "PART", 2)
    real, calls = store.add_checked, 0

    async def dies(*args):
        nonlocal calls
        calls += 1
        await real(*args)
        if calls == 2:
            raise Outage("in the middle of the second part")

    monkeypatch.setattr(store, "add_checked", dies)
    with pytest.raises(Outage):
        await preparing.prepare(stack, file_id)
    (half,) = await acts.cycles(stack, BOSS, made.programme_id)
    assert (half.checked, half.ready, half.state) == (2, False, "preparing")
    monkeypatch.setattr(jobs, "LOOK_S", 0.05)
    assert await preparing.prepare(stack, file_id) == 3
    done = await files.payment_file(stack, BOSS, str(file_id))
    assert (done.state, done.lines) == (FileState.WAITING, 5)
    lines = (await files.file_lines(stack, BOSS, str(file_id))).lines
    assert [n.end_to_end_id for n in lines] == [f"1-{n}" for n in range(1, 6)]


async def test_a_cycle_of_which_everybody_is_left_out_is_finished_with_nothing_paid(stack, source, people):
    made = await opened(stack, source, "EMPTY")
    one = await kit.enrolled(stack)
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [one.number])
    await identity.suspend(stack, OFFICER, one.id, "test")
    file_id = await acts.open_cycle(stack, CLERK, made.programme_id, "1")
    await preparing.prepare(stack, file_id)
    done = await files.payment_file(stack, BOSS, str(file_id))
    assert (done.state, done.lines, done.total_minor) == (FileState.FINISHED, 0, 0)


async def test_access_cycles(stack, source, people):
    made = await opened(stack, source, "SEEN")
    assert await acts.cycles(stack, BOSS, made.programme_id) == []
    with pytest.raises(errors.NoSuchProgramme):
        await acts.cycles(stack, STRANGER, made.programme_id)
    with pytest.raises(NotPermitted):
        await acts.cycles(stack, WRONG_PURPOSE, made.programme_id)


async def test_access_left_out(stack, source, people):
    made = await opened(stack, source, "OUT")
    await acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [people[0].number])
    file_id = await acts.open_cycle(stack, CLERK, made.programme_id, "1")
    assert (await acts.left_out(stack, BOSS, file_id)).people == []
    with pytest.raises(errors.NoSuchProgramme):
        await acts.left_out(stack, STRANGER, file_id)
    with pytest.raises(ledger_errors.NoSuchFile):
        await acts.left_out(stack, BOSS, uuid4())
    with pytest.raises(NotPermitted):
        await acts.left_out(stack, WRONG_PURPOSE, file_id)


BIRTHS = st.one_of(
    st.just(""),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)).map(str),
    st.integers(1900, 2025).map(str),
    st.dates(date(1900, 1, 1), date(2026, 1, 1)).map(lambda d: str(d)[:7]),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BIRTHS, st.integers(0, 120), st.integers(0, 120), st.sampled_from(["female", "male", "unknown"]), st.booleans())
def test_law_1_the_same_rules_on_the_same_facts_give_one_answer_that_names_its_rule(birth, low, high, sex, in_use):
    on = date(2026, 6, 30)
    facts = Facts(birth, sex, "R1", in_use)
    why = rules.refusal(Eligibility(low, high, ("female",), ("R1",)), facts, on)
    span = rules.ages(birth, on)
    expected = None
    if not in_use:
        expected = Why.NOT_IN_USE
    elif span is None:
        expected = Why.BIRTH_UNKNOWN
    elif span[1] < low:
        expected = Why.TOO_YOUNG
    elif span[0] > high:
        expected = Why.TOO_OLD
    elif sex != "female":
        expected = Why.SEX
    assert why is expected
    assert span is None or 0 <= span[1] - span[0] <= 1
    assert rules.refusal(Eligibility(), Facts(in_use=True), on) is None


@pytest.mark.parametrize(
    ("birth", "on", "span"),
    [
        ("1960-06-30", date(2026, 6, 30), (66, 66)),
        ("1960-07-01", date(2026, 6, 30), (65, 65)),
        ("1960", date(2026, 6, 30), (65, 66)),
        ("1960-06", date(2026, 6, 15), (65, 66)),
        ("2000-02-29", date(2026, 2, 28), (25, 25)),
        ("2000-02-29", date(2026, 3, 1), (26, 26)),
    ],
    ids=str,
)
def test_ages(birth, on, span):
    assert rules.ages(birth, on) == span
