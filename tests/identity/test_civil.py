"""Civil registration: told, registered, corrected, certified; nothing lost, nobody dead twice, no forged paper."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.identity.test_acts import adjudicator, enrolled, key, nobody, officer, registrar, someone
from tests.identity.test_lifecycle import YES, judge_2, own, renamed, status

from msingi.identity import acts
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder, EventKind, EventState, NotificationId
from msingi.identity.errors import NoEntry, NotInThisState, NotInUse, NotWaiting, SameHands, UnknownNotification
from msingi.identity.lifecycle import acts as life
from msingi.identity.model import Birth, BirthOrder, Decision, Enrolled, Held, Name, Status
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted
from msingi.kernel.ids import uuid7

__all__ = ["adjudicator", "judge_2", "nobody", "officer", "registrar"]  # fixtures, imported by name


@pytest.fixture
def nurse(ctx_of):
    return ctx_of(Kind.STAFF, "nurse-1", institution="zahanati", roles=["clinician"], purpose="identity-registration")


@pytest.fixture
def anybody(ctx_of):
    return ctx_of(Kind.PUBLIC, "anybody", purpose="public-service")


def newborn(**more) -> BirthOrder:
    born = more.pop("born", clock.today() - timedelta(days=5))
    return BirthOrder(someone(birth=Birth(born.isoformat())), place="Mwembeni Clinic", **more)


async def test_a_birth_is_told_registered_certified_and_corrected(stack, officer, nurse, registrar, judge_2, anybody):
    mother = await enrolled(stack, officer)
    order, again = newborn(mother=mother.number), key()
    told = await civil.notify_birth(stack, nurse, order, again)
    assert await civil.notify_birth(stack, nurse, order, again) == told
    with pytest.raises(DifferentContent):
        await civil.notify_birth(stack, nurse, newborn(), again)
    assert told in {n.notification_id for n in (await civil.notifications_waiting(stack, registrar)).notifications}
    child = await civil.register_notified(stack, registrar, told)
    assert isinstance(child, Enrolled) and await civil.register_notified(stack, registrar, told) == child.person_id
    made, what = await civil.read_notification(stack, registrar, told)
    assert (made.state, what) == (EventState.REGISTERED, None)  # what is registered is not kept twice
    paper = await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)
    mother_name = (await acts.read_person(stack, officer, mother.person_id)).demographics.name.full
    assert paper.entry.facts.mother == mother_name and paper.entry.facts.place == "Mwembeni Clinic"
    assert not paper.entry.late and paper.entry.entry_number.startswith(f"B-{clock.today().year}-")
    assert (await civil.verify_certificate(stack, anybody, paper.code)).state == "valid"
    with pytest.raises(Malformed):  # nothing to correct yet
        await civil.correct_entry(stack, registrar, child.person_id, EventKind.BIRTH, "Asked.")
    asked = await life.propose_update(stack, officer, child.person_id, renamed(Name("Furaha", "Mushi")), key())
    await life.decide_proposal(stack, judge_2, asked, YES)
    number = await civil.correct_entry(stack, registrar, child.person_id, EventKind.BIRTH, "Name corrected.")
    newer = await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)
    assert number == newer.entry.entry_number == paper.entry.entry_number and newer.entry.facts.name == "Furaha Mushi"
    assert (await civil.verify_certificate(stack, anybody, paper.code)).state == "corrected"
    assert (await civil.verify_certificate(stack, anybody, newer.code)).state == "valid"


async def test_a_held_birth_is_entered_with_the_decision(stack, officer, registrar, adjudicator):
    order = newborn()
    await acts.enrol(stack, officer, order.child, key())
    told = await civil.notify_birth(stack, registrar, order, key())
    outcome = await civil.register_notified(stack, registrar, told)
    assert isinstance(outcome, Held)
    with pytest.raises(NoEntry):
        await civil.certify(stack, registrar, outcome.person_id, EventKind.BIRTH)
    await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(None, "A twin."))
    assert await civil.certify(stack, registrar, outcome.person_id, EventKind.BIRTH)


async def test_a_late_registration_counts_as_late(stack, registrar, ctx_of):
    order = newborn(born=clock.today() - timedelta(days=900))
    child = await acts.record_birth(stack, registrar, order, key())
    assert (await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)).entry.late
    counts = await civil.count_entries(
        stack, ctx_of(Kind.JOB, "evidence", purpose="statistics"), clock.today() - timedelta(days=1000), clock.today()
    )
    mine = next(c for c in counts if c.kind is EventKind.BIRTH and c.region == order.child.region)
    assert 1 <= mine.late <= mine.entries


async def test_a_death_ends_the_use_of_an_identity_and_two_registrars_can_undo_an_error(
    stack, officer, nurse, registrar, judge_2, adjudicator, anybody
):
    one = await enrolled(stack, officer)
    order = DeathOrder(one.number, clock.today(), "At home", informant="A daughter")
    told = await civil.notify_death(stack, nurse, order, key())
    assert await civil.register_notified(stack, registrar, told) == one.person_id
    assert await civil.register_notified(stack, registrar, told) == one.person_id
    assert await status(stack, one.person_id) is Status.DECEASED
    with pytest.raises(NotInUse):
        await acts.person_by_number(stack, officer, one.number)
    with pytest.raises(NotInThisState):  # nobody dies twice
        await civil.register_death(stack, registrar, order, key())
    for act in (acts.reactivate, acts.suspend, acts.deactivate):  # the dead stay dead
        with pytest.raises(NotInThisState):
            await act(stack, adjudicator, one.person_id, "Alive after all.")
    with pytest.raises(NotInThisState):
        await acts.set_phone(stack, officer, one.person_id, "0754 000 501")
    paper = await civil.certify(stack, registrar, one.person_id, EventKind.DEATH)
    asked = await life.propose_revival(stack, registrar, one.person_id, "The wrong number was read.")
    with pytest.raises(SameHands):
        await life.decide_proposal(stack, registrar, asked, YES)
    with pytest.raises(NotPermitted):
        await life.decide_proposal(stack, adjudicator, asked, YES)
    await life.decide_proposal(stack, judge_2, asked, YES)
    assert await acts.person_by_number(stack, officer, one.number) == one.person_id
    assert (await civil.verify_certificate(stack, anybody, paper.code)).state == "void"
    with pytest.raises(NoEntry):
        await civil.certify(stack, registrar, one.person_id, EventKind.DEATH)
    await civil.register_death(stack, registrar, order, key())  # and then, years later
    assert (await civil.certify(stack, registrar, one.person_id, EventKind.DEATH)).entry.version == 2


async def test_impossible_deaths_are_refused_with_their_rule(stack, officer, registrar):
    one = await enrolled(stack, officer, birth=Birth("2001-05-03"))
    for wrong, rule in (
        (DeathOrder(one.number, clock.today() + timedelta(days=2)), "not-in-the-future"),
        (DeathOrder(one.number, clock.today().replace(year=1999, day=1)), "after-birth"),
        (DeathOrder(one.number, clock.today(), region="R99"), "known-region"),
    ):
        with pytest.raises(Malformed) as refused:
            await civil.register_death(stack, registrar, wrong, key())
        assert refused.value.facts["rule"] == rule
    both = await asyncio.gather(
        *(civil.register_death(stack, registrar, DeathOrder(one.number, clock.today()), key()) for _ in range(2)),
        return_exceptions=True,
    )
    assert sorted(type(x).__name__ for x in both) == ["NotInThisState", "UUID"]


async def test_law_2_entry_numbers_have_no_gap_and_no_twin(stack, registrar):
    made = await asyncio.gather(*(acts.record_birth(stack, registrar, newborn(), key()) for _ in range(6)))
    papers = [await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH) for child in made]
    numbers = sorted(int(paper.entry.entry_number[-6:]) for paper in papers)
    assert numbers == list(range(numbers[0], numbers[0] + 6))


@pytest.fixture(scope="module")
def code():
    return {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_law_4_no_changed_certificate_is_believed(stack, registrar, code, anybody, data):
    if not code:
        child = await acts.record_birth(stack, registrar, newborn(), key())
        code["text"] = (await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)).code
    text: str = code["text"]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("Aa0-_.=z\u0661"))
    changed = text[:place] + letter + text[place + 1 :]
    found = await civil.verify_certificate(stack, anybody, changed)
    assert found.state == ("valid" if changed == text else "forged")


async def test_what_is_rejected_says_why_and_stays_rejected(stack, nurse, registrar):
    told = await civil.notify_birth(stack, nurse, newborn(), key())
    await civil.reject_notification(stack, registrar, told, "Registered last week.")
    made, what = await civil.read_notification(stack, registrar, told)
    assert (made.state, made.because, what) == (EventState.REJECTED, "Registered last week.", None)
    with pytest.raises(NotWaiting):
        await civil.register_notified(stack, registrar, told)
    with pytest.raises(UnknownNotification):
        await civil.read_notification(stack, registrar, NotificationId(uuid7()))


async def test_access_notify_birth(stack, nurse, nobody):
    assert await civil.notify_birth(stack, nurse, newborn(), key())
    with pytest.raises(NotPermitted):
        await civil.notify_birth(stack, nobody, newborn(), key())


async def test_access_notify_death(stack, officer, nurse, nobody):
    order = DeathOrder((await enrolled(stack, officer)).number, clock.today())
    assert await civil.notify_death(stack, nurse, order, key())
    with pytest.raises(NotPermitted):
        await civil.notify_death(stack, nobody, order, key())


async def test_access_notifications_waiting(stack, nurse, registrar):
    await civil.notify_birth(stack, nurse, newborn(), key())
    page = await civil.notifications_waiting(stack, registrar, limit=1)
    assert len(page.notifications) == 1 and page.waiting >= 1 and page.next_after
    with pytest.raises(NotPermitted):
        await civil.notifications_waiting(stack, nurse)


async def test_access_read_notification(stack, nurse, registrar):
    told = await civil.notify_birth(stack, nurse, newborn(), key())
    assert (await civil.read_notification(stack, registrar, told))[1]
    with pytest.raises(NotPermitted):
        await civil.read_notification(stack, nurse, told)


async def test_access_register_notified(stack, nurse, registrar):
    told = await civil.notify_birth(stack, nurse, newborn(), key())
    with pytest.raises(NotPermitted):
        await civil.register_notified(stack, nurse, told)
    assert await civil.register_notified(stack, registrar, told)


async def test_access_reject_notification(stack, nurse, registrar):
    told = await civil.notify_birth(stack, nurse, newborn(), key())
    with pytest.raises(NotPermitted):
        await civil.reject_notification(stack, nurse, told, "No.")
    await civil.reject_notification(stack, registrar, told, "Yes.")


async def test_access_register_death(stack, officer, registrar, nurse, ctx_of):
    one = await enrolled(stack, officer)
    order = DeathOrder(one.number, clock.today())
    weak = msgspec.structs.replace(registrar, actor=msgspec.structs.replace(registrar.actor, assurance=1))
    for ctx in (officer, nurse, weak):
        with pytest.raises(NotPermitted):
            await civil.register_death(stack, ctx, order, key())
    assert await civil.register_death(stack, registrar, order, key()) == one.person_id


async def test_access_certify(stack, registrar, officer, ctx_of):
    child = await acts.record_birth(stack, registrar, newborn(), key())
    me, other = own(ctx_of, child.person_id, "subject-access"), own(ctx_of, uuid7(), "subject-access")
    for ctx in (me, registrar):
        assert await civil.certify(stack, ctx, child.person_id, EventKind.BIRTH)
    for ctx in (officer, other):
        with pytest.raises(NotPermitted):
            await civil.certify(stack, ctx, child.person_id, EventKind.BIRTH)


async def test_access_correct_entry(stack, registrar, officer):
    child = await acts.record_birth(stack, registrar, newborn(), key())
    with pytest.raises(NotPermitted):
        await civil.correct_entry(stack, officer, child.person_id, EventKind.BIRTH, "No.", "Elsewhere")
    assert await civil.correct_entry(stack, registrar, child.person_id, EventKind.BIRTH, "Yes.", "Elsewhere")


async def test_access_verify_certificate(stack, registrar, anybody):
    child = await acts.record_birth(stack, registrar, newborn(), key())
    paper = await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)
    assert (await civil.verify_certificate(stack, anybody, paper.code)).state == "valid"
    with pytest.raises(NotPermitted):
        await civil.verify_certificate(stack, job_context("x", "operations"), paper.code)


async def test_access_count_entries(stack, registrar, ctx_of):
    job = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    assert isinstance(await civil.count_entries(stack, job, clock.today(), clock.today()), list)
    with pytest.raises(NotPermitted):
        await civil.count_entries(stack, registrar, clock.today(), clock.today())
