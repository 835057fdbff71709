"""The room's acts on a real database: what they do, who may do them, and what stays hidden."""

import asyncio
import io
import itertools
from datetime import UTC, date, datetime, timedelta

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from msingi.identity import acts, blocking, numbers
from msingi.identity.errors import (
    AlreadyDecided,
    NotInThisState,
    NotInUse,
    NumberWrong,
    PhoneInUse,
    UnknownCase,
    UnknownNumber,
)
from msingi.identity.model import (
    Address,
    Birth,
    BirthOrder,
    CaseId,
    Decision,
    Enrolled,
    EnrolmentOrder,
    Held,
    LinkKind,
    Name,
    Row,
    Sex,
    Status,
)
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import DifferentContent, Malformed, NotFound
from msingi.kernel.ids import PersonId, uuid7

LETTERS = "bdfgklmnprstvz"
_serial = itertools.count(1)


@pytest.fixture
def officer(ctx_of):
    return ctx_of(
        Kind.STAFF,
        "officer-1",
        institution="rita",
        roles=["enrolment-officer"],
        purpose="identity-registration",
        basis="legal-obligation",
    )


@pytest.fixture
def adjudicator(ctx_of):
    return ctx_of(
        Kind.STAFF,
        "judge-1",
        institution="rita",
        roles=["adjudicator"],
        purpose="identity-registration",
        basis="legal-obligation",
    )


@pytest.fixture
def registrar(ctx_of):
    return ctx_of(
        Kind.STAFF,
        "registrar-1",
        institution="rita",
        roles=["registrar"],
        purpose="identity-registration",
        basis="legal-obligation",
    )


@pytest.fixture
def nobody(ctx_of):
    """A member of staff without any role in this room."""
    return ctx_of(Kind.STAFF, "x", institution="benki", purpose="identity-registration", basis="legal-obligation")


def someone(**more) -> EnrolmentOrder:
    """An order about somebody unlike everybody else in this file."""
    n = next(_serial)
    word = "".join(LETTERS[(n * 7919 // 14**i) % 14] + "aeiou"[(n * 31 // 5**i) % 5] for i in range(5))
    born = date(1950, 1, 1) + timedelta(days=n * 137 % 20_000)
    order = EnrolmentOrder(
        name=Name(word.title(), word[::-1].title()), birth=Birth(born.isoformat()), region=f"R{n % 20 + 1:02d}"
    )
    return msgspec.structs.replace(order, **more)


def key() -> str:
    return str(uuid7())


async def enrolled(stack, officer, **more) -> Enrolled:
    outcome = await acts.enrol(stack, officer, someone(**more), key())
    assert isinstance(outcome, Enrolled)
    return outcome


async def held(stack, officer, **more) -> tuple[Enrolled, Held]:
    """Somebody enrolled, and a second enrolment of the same person, held."""
    order = someone(**more)
    first = await acts.enrol(stack, officer, order, key())
    again = msgspec.structs.replace(order, name=Name(order.name.family, order.name.given + "h"))
    second = await acts.enrol(stack, officer, again, key())
    assert isinstance(first, Enrolled) and isinstance(second, Held)
    return first, second


def portrait() -> bytes:
    target = io.BytesIO()
    Image.linear_gradient("L").resize((300, 400)).save(target, "PNG")
    return target.getvalue()


async def test_an_enrolment_gives_a_number_and_everything_back(stack, officer):
    order = someone(
        sex=Sex.FEMALE,
        address=Address((" Mtaa  wa Uhuru 12",), "Mwembeni"),
        phone="0712 000 111",
        second_name=Name("فاطمة"),
        second_language="ar",
        photo=portrait(),
    )
    outcome = await acts.enrol(stack, officer, order, key())
    assert isinstance(outcome, Enrolled) and numbers.is_valid(outcome.number) and outcome.phone_linked
    person = await acts.read_person(stack, officer, outcome.person_id)
    assert (person.number, person.status) == (outcome.number, Status.ACTIVE)
    assert person.demographics.name.full == order.name.full
    assert person.demographics.address.lines == ("Mtaa wa Uhuru 12",)
    assert person.phone == "+255712000111" and person.demographics.second_name == Name("فاطمة")
    photo = await acts.read_photo(stack, officer, outcome.person_id)
    tiny = await acts.read_photo(stack, officer, outcome.person_id, tiny=True)
    assert photo and tiny and photo[:2] == b"\xff\xd8" and len(tiny) <= 1024
    assert await acts.person_by_phone(stack, officer, "+255712000111") == outcome.person_id


async def test_the_same_request_is_done_once(stack, officer):
    order, once = someone(), key()
    first = await acts.enrol(stack, officer, order, once)
    assert await acts.enrol(stack, officer, order, once) == first
    with pytest.raises(DifferentContent):
        await acts.enrol(stack, officer, someone(), once)
    with pytest.raises(Malformed):
        await acts.enrol(stack, officer, order, "")


async def test_law_1_a_number_is_issued_once(stack, officer, owner_url, monkeypatch):
    """Even if chance repeats itself: the register refuses the number, and another one is drawn."""
    first = await enrolled(stack, officer)
    fresh = numbers.draw()
    drawn = iter([first.number, first.number, fresh])
    monkeypatch.setattr(numbers, "draw", lambda: next(drawn))
    assert (await enrolled(stack, officer)).number == fresh
    # And the application's role can neither take a number back nor give it to somebody else.
    conn = await asyncpg.connect(stack.db.dsn)
    for statement in ("DELETE FROM identity.number", "UPDATE identity.number SET person_id = uuidv7()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
    await conn.close()


async def test_law_3_nobody_is_enrolled_twice_silently(stack, officer, adjudicator):
    first, second = await held(stack, officer)
    page = await acts.duplicates_waiting(stack, adjudicator, limit=200)
    case = next(c for c in page.cases if c.case_id == second.case_id)
    assert case.candidates[0].person_id == first.person_id and page.waiting >= 1
    assert {r.field for r in case.candidates[0].reasons} >= {"given", "family", "birth", "order"}
    view = await acts.read_duplicate(stack, adjudicator, second.case_id)
    assert view.held.status is Status.HELD and view.held.number == "" and view.candidates[0].number == first.number


async def test_law_3_enrolments_at_the_same_time_cannot_slip_past_each_other(stack, officer):
    order = someone()
    outcomes = await asyncio.gather(*(acts.enrol(stack, officer, order, key()) for _ in range(6)))
    assert sum(isinstance(o, Enrolled) for o in outcomes) == 1


@given(
    st.text("abdeghijklmnorstuw", min_size=4, max_size=10),
    st.text("abdeghijklmnorstuw", min_size=4, max_size=10),
    st.dates(date(1940, 1, 1), date(2020, 12, 31)),
    st.integers(0, 9),
    st.sampled_from(["swap-names", "typo", "swap-day-month", "none"]),
)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_law_3_as_property(stack, officer, given_, family, born, place, slip):
    """Whoever comes again with one ordinary slip is held, whatever the name and date."""
    order = EnrolmentOrder(Name(given_, family), Birth(born.isoformat()), region="R01")
    await acts.enrol(stack, officer, order, key())
    again = order
    if slip == "swap-names":
        again = msgspec.structs.replace(order, name=Name(family, given_))
    elif slip == "typo":
        at = place % len(family)
        again = msgspec.structs.replace(order, name=Name(given_, family[:at] + family[at : at + 1] + family[at:]))
    elif slip == "swap-day-month" and born.day <= 12:
        swapped = born.replace(month=born.day, day=born.month)
        again = msgspec.structs.replace(order, birth=Birth(swapped.isoformat()))
    outcome = await acts.enrol(stack, officer, again, key())
    assert isinstance(outcome, Held)


async def test_law_4_versions_follow_each_other_and_cannot_be_changed(stack, officer):
    person = await enrolled(stack, officer)
    same_instant = datetime(2030, 1, 1, tzinfo=UTC)
    with clock.freeze(same_instant):
        for phone in ("+255713000001", "+255713000002", ""):
            await acts.set_phone(stack, officer, person.person_id, phone)
    found = await acts.read_history(stack, officer, person.person_id)
    assert [v.demographics.phone for v in found] == ["", "+255713000001", "+255713000002", ""]
    assert [v.valid_to for v in found[:-1]] == [v.valid_from for v in found[1:]] and found[-1].valid_to is None
    conn = await asyncpg.connect(stack.db.dsn)
    for statement in ("DELETE FROM identity.version", "UPDATE identity.version SET valid_from = now()"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute(statement)
    await conn.close()


async def test_law_5_nothing_plain_stands_in_the_database(stack, officer, owner_url):
    """No name, phone, number or street of a person is found in any column of any of the room's tables."""
    plain = {"Xylander", "Quorthon", "712999888", "Wunderstrasse"}
    order = EnrolmentOrder(
        Name("Xylander", "Quorthon"), Birth("1977-07-07"), address=Address(("Wunderstrasse 1",)), phone="0712999888"
    )
    outcome = await acts.enrol(stack, officer, order, key())
    assert isinstance(outcome, Enrolled)
    conn = await asyncpg.connect(owner_url)
    tables = await conn.fetch(
        "SELECT schemaname || '.' || tablename AS tab FROM pg_tables WHERE schemaname IN ('identity', 'kernel', 'log')"
    )
    for table in tables:
        for row in await conn.fetch(f"SELECT * FROM {table['tab']}"):
            for column, value in row.items():
                text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                for word in plain | {outcome.number}:
                    assert word.lower() not in text.lower(), f"{table['tab']}.{column} holds {word}"
    found = {r["key"] for r in await conn.fetch("SELECT key FROM identity.search_key")}
    await conn.close()
    person = (await acts.read_person(stack, officer, outcome.person_id)).demographics
    assert set(blocking.search_keys(stack.keys.mac("blind"), blocking.traits(person))) <= found


async def test_law_6_nobody_is_turned_away_for_what_they_lack(stack, officer):
    await enrolled(stack, officer, name=Name("Zzubwa"), birth=Birth(), region="")
    estimated = await enrolled(stack, officer, birth=Birth("1961", approximate=True))
    assert (await acts.read_person(stack, officer, estimated.person_id)).demographics.birth.approximate
    await enrolled(stack, officer, birth=Birth(reported="year of the great flood"))


async def test_guardian_and_introducer_are_linked(stack, officer):
    adult = await enrolled(stack, officer)
    child = await enrolled(stack, officer, guardian=adult.number, introducer=adult.number)
    links = (await acts.read_person(stack, officer, child.person_id)).links
    assert {(link.kind, link.other) for link in links} == {
        (LinkKind.GUARDIAN, adult.person_id),
        (LinkKind.INTRODUCER, adult.person_id),
    }
    with pytest.raises(Malformed) as refused:
        await acts.enrol(stack, officer, someone(guardian=numbers.draw()), key())
    assert refused.value.facts == {"field": "guardian", "rule": "known-number"}


async def test_a_phone_finds_one_person(stack, officer):
    one = await enrolled(stack, officer, phone="+255714000001")
    two = await enrolled(stack, officer, phone="+255714000001")
    assert one.phone_linked and not two.phone_linked
    assert await acts.person_by_phone(stack, officer, "0714000001") == one.person_id
    with pytest.raises(PhoneInUse):
        await acts.set_phone(stack, officer, two.person_id, "+255714000001")
    await acts.set_phone(stack, officer, one.person_id, "")
    await acts.set_phone(stack, officer, two.person_id, "+255714000001")
    assert await acts.person_by_phone(stack, officer, "0714000001") == two.person_id
    with pytest.raises(NotFound):
        await acts.person_by_phone(stack, officer, "0714999999")


async def test_finding_by_number(stack, officer):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    spaced = stack.profile.number_text(two.number)
    unknown = numbers.draw()
    found = await acts.persons_by_number(stack, officer, [one.number, spaced, unknown])
    assert found == {one.number: one.person_id, spaced: two.person_id}
    with pytest.raises(UnknownNumber):
        await acts.person_by_number(stack, officer, unknown)
    with pytest.raises(NumberWrong):
        await acts.person_by_number(stack, officer, "123456789012")


async def test_same_person_merges_without_a_new_number(stack, officer, adjudicator):
    first, second = await held(stack, officer, phone="+255715000001")
    same = Decision(0, "Same face, same parents.")
    done = await acts.decide_duplicate(stack, adjudicator, second.case_id, same)
    assert (done.merged, done.person_id, done.number) == (True, first.person_id, first.number)
    assert await acts.decide_duplicate(stack, adjudicator, second.case_id, same) == done
    with pytest.raises(AlreadyDecided):
        await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(None, "Somebody else."))
    merged = await acts.read_person(stack, officer, second.person_id)
    assert (merged.status, merged.number) == (Status.MERGED, "")
    page = await acts.duplicates_waiting(stack, adjudicator, limit=200)
    assert second.case_id not in {case.case_id for case in page.cases}


async def test_a_third_enrolment_meets_the_person_and_not_the_merged_record(stack, officer, adjudicator):
    order = someone()
    first = await acts.enrol(stack, officer, order, key())
    second = await acts.enrol(stack, officer, order, key())
    assert isinstance(second, Held)
    await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(0, "Same."))
    third = await acts.enrol(stack, officer, order, key())
    assert isinstance(third, Held) and third.alike == 1
    view = await acts.read_duplicate(stack, adjudicator, third.case_id)
    assert [person.person_id for person in view.candidates] == [first.person_id]


async def test_different_person_is_enrolled(stack, officer, adjudicator):
    first, second = await held(stack, officer)
    done = await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(None, "Twins, both present."))
    assert not done.merged and numbers.is_valid(done.number) and done.number != first.number
    assert await acts.person_by_number(stack, officer, done.number) == second.person_id
    with pytest.raises(AlreadyDecided):
        await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(0, "Same after all."))


async def test_merges_of_held_records_lead_back_to_the_first(stack, officer, adjudicator):
    """A held record merged into another held one follows it, whatever is decided of that one later."""
    order = someone()
    await acts.enrol(stack, officer, order, key())
    rows = [Row(str(n), order) for n in range(2)]
    one, two = (o.outcome for o in await acts.enrol_many(stack, job_ctx(), rows, key()))
    assert isinstance(one, Held) and isinstance(two, Held)
    view = await acts.read_duplicate(stack, adjudicator, two.case_id)
    at = [p.person_id for p in view.candidates].index(one.person_id)
    await acts.decide_duplicate(stack, adjudicator, two.case_id, Decision(at, "Same as the other held one."))
    earlier = await acts.read_duplicate(stack, adjudicator, one.case_id)
    assert two.person_id not in {p.person_id for p in earlier.candidates}
    done = await acts.decide_duplicate(stack, adjudicator, one.case_id, Decision(0, "Same as the first."))
    again = await acts.decide_duplicate(stack, adjudicator, two.case_id, Decision(at, "Same as the other held one."))
    assert done.merged and done.number and (again.number, again.person_id) == (done.number, done.person_id)


async def test_wrong_decisions_are_refused(stack, officer, adjudicator):
    _, second = await held(stack, officer)
    with pytest.raises(UnknownCase):
        await acts.decide_duplicate(stack, adjudicator, CaseId(uuid7()), Decision(None, "x"))
    for decision in (Decision(99, "x"), Decision(-1, "x"), Decision(0, " ")):
        with pytest.raises(Malformed):
            await acts.decide_duplicate(stack, adjudicator, second.case_id, decision)


async def test_the_queue_is_paged(stack, officer, adjudicator):
    for _ in range(3):
        await held(stack, officer)
    seen, after = [], None
    while True:
        page = await acts.duplicates_waiting(stack, adjudicator, after, 2)
        seen += [case.case_id for case in page.cases]
        after = page.next_after
        if after is None:
            break
    assert seen == sorted(seen) and len(seen) == page.waiting == len(set(seen))
    with pytest.raises(Malformed):
        await acts.duplicates_waiting(stack, adjudicator, limit=0)


async def test_the_life_cycle(stack, officer, adjudicator):
    person = await enrolled(stack, officer)
    await acts.suspend(stack, adjudicator, person.person_id, "Reported as lost.")
    with pytest.raises(NotInUse):
        await acts.person_by_number(stack, officer, person.number)
    assert await acts.person_by_number(stack, officer, person.number, any_status=True) == person.person_id
    with pytest.raises(NotInThisState):
        await acts.suspend(stack, adjudicator, person.person_id, "Again.")
    await acts.reactivate(stack, adjudicator, person.person_id, "Found.")
    await acts.deactivate(stack, adjudicator, person.person_id, "Issued in error.")
    with pytest.raises(Malformed):
        await acts.reactivate(stack, adjudicator, person.person_id, "")
    _, second = await held(stack, officer)
    with pytest.raises(NotInThisState):
        await acts.reactivate(stack, adjudicator, second.person_id, "No short cut past the queue.")
    with pytest.raises(NotFound):
        await acts.suspend(stack, adjudicator, PersonId(uuid7()), "Nobody.")


def job_ctx():
    return job_context("bulk", "identity-registration", "legal-obligation")


async def test_bulk_reports_each_row_and_resumes(stack, officer):
    orders = [someone() for _ in range(5)]
    adult = await enrolled(stack, officer)
    rows = [Row(f"r{n}", order) for n, order in enumerate(orders)]
    rows[1] = Row("r1", EnrolmentOrder(Name()))
    rows[3] = Row("r3", orders[0])
    rows += [Row("r5", someone(guardian=numbers.draw())), Row("r6", someone(guardian=adult.number)), rows[0]]
    source, told = key(), []
    first = await acts.enrol_many(stack, job_ctx(), rows[:4], source, told.append, batch_rows=3)
    assert [type(o.outcome) for o in first] == [Enrolled, type(None), Enrolled, Held]
    assert first[1].refusal is not None and first[1].refusal.facts["rule"] == "one-name"
    assert (told[-1].done, told[-1].enrolled, told[-1].held, told[-1].refused) == (4, 2, 1, 1)
    second = await acts.enrol_many(stack, job_ctx(), rows, source, told.append)
    assert [o.repeated for o in second] == [True, False, True, True, False, False, False, True]
    assert [o.outcome for o in second[:4]] == [o.outcome for o in first]
    assert isinstance(second[4].outcome, Enrolled) and isinstance(second[6].outcome, Enrolled)
    assert second[5].refusal is not None and second[5].refusal.facts["field"] == "guardian"
    changed = await acts.enrol_many(stack, job_ctx(), [Row("r0", someone())], source)
    assert isinstance(changed[0].refusal, DifferentContent)


async def test_births_are_registered_and_counted(stack, officer, registrar, adjudicator, ctx_of):
    statistics = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    today = clock.today()

    async def registered() -> int:
        counts = await acts.register_births_by_region(stack, statistics, today)
        return sum(count for (region, _), count in counts.items() if region == "R31")

    before = await registered()
    mother = await enrolled(stack, officer, sex=Sex.FEMALE)
    child = someone(region="R31", birth=Birth((today - timedelta(days=40)).isoformat()))
    order = BirthOrder(child, mother.number, "Mwembeni Clinic", today - timedelta(days=39))
    born = await acts.record_birth(stack, registrar, order, key())
    assert isinstance(born, Enrolled)
    person = await acts.read_person(stack, officer, born.person_id)
    assert [(link.kind, link.other) for link in person.links] == [(LinkKind.MOTHER, mother.person_id)]
    assert await registered() == before + 1
    # A twin is held; once a person has decided, the birth counts.
    twin = msgspec.structs.replace(order, child=msgspec.structs.replace(child, name=Name("Kulwa", child.name.family)))
    again = await acts.record_birth(stack, registrar, twin, key())
    assert isinstance(again, Held)
    assert await registered() == before + 1
    await acts.decide_duplicate(stack, adjudicator, again.case_id, Decision(None, "Twins."))
    assert await registered() == before + 2
    for wrong in (Birth("2026"), Birth(), Birth((today - timedelta(days=3)).isoformat())):
        with pytest.raises(Malformed):
            changed = msgspec.structs.replace(order, child=msgspec.structs.replace(child, birth=wrong))
            await acts.record_birth(stack, registrar, changed, key())


async def test_everything_about_a_person_leaves_a_record(stack, officer, owner_url):
    person = await enrolled(stack, officer)
    await acts.person_by_number(stack, officer, person.number)
    await acts.read_person(stack, officer, person.person_id)
    conn = await asyncpg.connect(owner_url)
    told = await conn.fetch("SELECT act FROM log.record WHERE person_id = $1 ORDER BY at", person.person_id)
    events = await conn.fetch("SELECT kind, payload FROM kernel.outbox WHERE kind = 'identity.person-enrolled'")
    await conn.close()
    assert [r["act"] for r in told] == ["identity.enrol", "identity.find", "identity.read"]
    assert msgspec.json.encode({"person_id": person.person_id}) in {bytes(e["payload"]) for e in events}
