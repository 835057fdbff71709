"""Who may do which act: for each one yes, one no. And the doors, from outside."""

import uuid
from datetime import timedelta

import pytest
from tests.identity.test_acts import (
    adjudicator,
    enrolled,
    held,
    job_ctx,
    key,
    nobody,
    officer,
    registrar,
    someone,
)

from msingi.identity import acts
from msingi.identity.model import Birth, BirthOrder, Decision, Enrolled, Held, Row
from msingi.identity.store import Q
from msingi.kernel import clock, web
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId, uuid7

__all__ = ["adjudicator", "nobody", "officer", "registrar"]  # fixtures, imported by name


def person_ctx(ctx_of, person_id, purpose="subject-access", assurance=2):
    return ctx_of(Kind.PERSON, person_id, purpose=purpose, basis="legal-obligation", assurance=assurance)


async def test_access_enrol(stack, officer, nobody):
    assert isinstance(await acts.enrol(stack, officer, someone(), key()), Enrolled)
    with pytest.raises(NotPermitted):
        await acts.enrol(stack, nobody, someone(), key())


async def test_access_enrol_many(stack, nobody):
    assert len(await acts.enrol_many(stack, job_ctx(), [Row("1", someone())], key())) == 1
    with pytest.raises(NotPermitted):
        await acts.enrol_many(stack, nobody, [Row("1", someone())], key())


async def test_access_record_birth(stack, registrar, officer):
    born = (clock.today() - timedelta(days=9)).isoformat()
    assert await acts.record_birth(stack, registrar, BirthOrder(someone(birth=Birth(born))), key())
    with pytest.raises(NotPermitted):
        await acts.record_birth(stack, officer, BirthOrder(someone(birth=Birth(born))), key())


async def test_access_person_by_number(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    payer = person_ctx(ctx_of, uuid7(), "payment")
    assert await acts.person_by_number(stack, payer, one.number) == one.person_id
    with pytest.raises(NotPermitted):
        await acts.person_by_number(stack, ctx_of(Kind.PUBLIC, "anybody", purpose="payment"), one.number)


async def test_access_persons_by_number(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    ministry = ctx_of(Kind.CLIENT, "hazina", institution="hazina", purpose="social-protection")
    assert await acts.persons_by_number(stack, ministry, [one.number]) == {one.number: one.person_id}
    with pytest.raises(NotPermitted):
        wrong = ctx_of(Kind.CLIENT, "hazina", institution="hazina", purpose="statistics")
        await acts.persons_by_number(stack, wrong, [one.number])


async def test_access_payees_by_number(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    runner = ctx_of(Kind.JOB, "payments-file-runner", purpose="social-protection")
    spaced = stack.profile.number_text(one.number)
    found = await acts.payees_by_number(stack, runner, [one.number, spaced, "hello", "0", "1234567890123456"])
    assert found == {one.number: one.person_id, spaced: one.person_id}
    assert await acts.payees_by_number(stack, runner, []) == {}
    with pytest.raises(NotPermitted):
        await acts.payees_by_number(stack, officer, [one.number])


async def test_access_person_by_phone(stack, officer, ctx_of):
    one = await enrolled(stack, officer, phone="+255716000001")
    job = ctx_of(Kind.JOB, "signin", purpose="identity-proofing")
    assert await acts.person_by_phone(stack, job, "+255716000001") == one.person_id
    with pytest.raises(NotPermitted):
        await acts.person_by_phone(stack, ctx_of(Kind.PUBLIC, "anybody"), "+255716000001")


async def test_access_read_person(stack, officer, ctx_of):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    assert (await acts.read_person(stack, person_ctx(ctx_of, one.person_id), one.person_id)).number == one.number
    with pytest.raises(NotPermitted):
        await acts.read_person(stack, person_ctx(ctx_of, one.person_id), two.person_id)


async def test_staff_of_an_institution_read_what_a_person_consented_to_show_it(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    facts = {"roles": ["caseworker"], "institution": "hazina", "purpose": "public-service", "basis": "consent"}
    asks = ctx_of(Kind.STAFF, "worker-1", consent="a-live-consent", **facts)
    assert (await acts.read_person(stack, asks, one.person_id)).number == one.number
    with pytest.raises(NotPermitted):
        await acts.read_person(stack, ctx_of(Kind.STAFF, "worker-1", **facts), one.person_id)


async def test_access_read_many(stack, officer, ctx_of):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    job = ctx_of(Kind.JOB, "cards", purpose="credential-issuance")
    assert len(await acts.read_many(stack, job, [one.person_id, two.person_id, PersonId(uuid7())])) == 2
    with pytest.raises(NotPermitted):
        await acts.read_many(stack, person_ctx(ctx_of, one.person_id), [one.person_id, two.person_id])


async def test_access_read_history(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    assert len(await acts.read_history(stack, person_ctx(ctx_of, one.person_id), one.person_id)) == 1
    with pytest.raises(NotPermitted):
        await acts.read_history(stack, ctx_of(Kind.JOB, "cards", purpose="credential-issuance"), one.person_id)


async def test_access_read_photo(stack, officer, nobody, ctx_of):
    one = await enrolled(stack, officer)
    assert await acts.read_photo(stack, person_ctx(ctx_of, one.person_id), one.person_id) is None
    with pytest.raises(NotPermitted):
        await acts.read_photo(stack, nobody, one.person_id)


async def test_access_duplicates_waiting(stack, adjudicator, officer):
    assert (await acts.duplicates_waiting(stack, adjudicator)).waiting >= 0
    with pytest.raises(NotPermitted):
        await acts.duplicates_waiting(stack, officer)


async def test_access_read_duplicate(stack, adjudicator, officer):
    _, second = await held(stack, officer)
    assert (await acts.read_duplicate(stack, adjudicator, second.case_id)).held.person_id == second.person_id
    with pytest.raises(NotPermitted):
        await acts.read_duplicate(stack, officer, second.case_id)


async def test_access_decide_duplicate(stack, adjudicator, officer):
    _, second = await held(stack, officer)
    with pytest.raises(NotPermitted):
        await acts.decide_duplicate(stack, officer, second.case_id, Decision(None, "I say so."))
    assert not (await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(None, "Twins."))).merged


async def test_access_set_phone(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    await acts.set_phone(stack, person_ctx(ctx_of, one.person_id, "identity-registration"), one.person_id, "")
    with pytest.raises(NotPermitted):
        weak = person_ctx(ctx_of, one.person_id, "identity-registration", assurance=1)
        await acts.set_phone(stack, weak, one.person_id, "")


async def test_access_suspend(stack, officer, adjudicator):
    one = await enrolled(stack, officer)
    with pytest.raises(NotPermitted):
        await acts.suspend(stack, officer, one.person_id, "No.")
    await acts.suspend(stack, adjudicator, one.person_id, "Yes.")


async def test_access_reactivate(stack, officer, adjudicator):
    one = await enrolled(stack, officer)
    await acts.suspend(stack, adjudicator, one.person_id, "Yes.")
    with pytest.raises(NotPermitted):
        await acts.reactivate(stack, officer, one.person_id, "No.")
    await acts.reactivate(stack, adjudicator, one.person_id, "Yes.")


async def test_access_deactivate(stack, officer, adjudicator):
    one = await enrolled(stack, officer)
    with pytest.raises(NotPermitted):
        await acts.deactivate(stack, officer, one.person_id, "No.")
    await acts.deactivate(stack, adjudicator, one.person_id, "Yes.")


async def test_access_register_births_by_region(stack, officer, ctx_of):
    statistics = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    assert isinstance(await acts.register_births_by_region(stack, statistics, clock.today()), dict)
    with pytest.raises(NotPermitted):
        await acts.register_births_by_region(stack, officer, clock.today())


async def test_access_count_people(stack, officer, ctx_of):
    statistics = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    one = await enrolled(stack, officer, region="R09", birth=Birth("1980-05-06"))
    counts = await acts.count_people(stack, statistics, [one.person_id, PersonId(uuid7())], clock.today())
    assert counts == {("R09", "unknown"): 1}
    with pytest.raises(NotPermitted):
        await acts.count_people(stack, officer, [one.person_id], clock.today())


async def test_access_adults_by_region(stack, officer, ctx_of):
    statistics = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    before = (await acts.adults_by_region(stack, statistics, clock.today())).get("R05", 0)
    await enrolled(stack, officer, region="R05", birth=Birth("1971-01-02"))
    await enrolled(stack, officer, region="R05", birth=Birth(str(clock.today().year - 10)))
    assert (await acts.adults_by_region(stack, statistics, clock.today()))["R05"] == before + 1
    with pytest.raises(NotPermitted):
        await acts.adults_by_region(stack, officer, clock.today())


async def test_the_search_uses_the_index_behind_the_wall(stack, officer):
    """As the application's role, with row-level security, and with a plan for any keys: no scan of the keys."""
    async with stack.db.plumbing() as conn:
        await conn.execute("SET LOCAL msingi.room = 'identity'; SET LOCAL msingi.reach = '*'")
        await conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        plan = "\n".join(r[0] for r in await conn.fetch(f"EXPLAIN {Q.search.text}", [1, 2], [0, 0], 12, [], []))
    assert "search_key_pkey" in plan and "Seq Scan on search_key" not in plan


@pytest.fixture
async def as_staff(client):
    """A client whose requests are made by a member of staff with all roles of the room."""
    from msingi.kernel.context import Actor

    roles = frozenset(["enrolment-officer", "adjudicator", "registrar"])

    async def authenticate(_, request):
        if request.headers.get("x-test") == "staff":
            return Actor(Kind.STAFF, "officer-7", "rita", roles, 2)
        return None

    web._authenticators.insert(0, authenticate)
    client.headers["x-test"] = "staff"
    yield client
    web._authenticators.remove(authenticate)


def body(order) -> dict:
    import msgspec

    return msgspec.to_builtins(order)


async def test_doors_enrol_read_hold_and_decide(as_staff):
    order = body(someone(phone="+255717000001"))
    path = "/v1/identity/enrolments"
    made = await as_staff.post(path, json=order, headers={"Idempotency-Key": key()})
    assert made.status_code == 201, made.text
    number = made.json()["number"]
    assert made.json() == {
        "outcome": "enrolled",
        "number": number,
        "number_text": " ".join(number[i : i + 4] for i in (0, 4, 8)),
        "phone_linked": True,
    }
    seen = await as_staff.get(f"/v1/identity/persons/{number}", headers={"Msingi-Purpose": "redress"})
    assert seen.status_code == 200 and seen.json()["name"] == order["name"] and "person_id" not in seen.text
    again = await as_staff.post(path, json=order, headers={"Idempotency-Key": key()})
    assert again.status_code == 202 and again.json()["outcome"] == "held"
    case = again.json()["case_id"]
    queue = await as_staff.get("/v1/identity/duplicates", params={"limit": 200})
    assert case in {c["case_id"] for c in queue.json()["cases"]}
    assert order["name"]["given"] not in queue.text and number not in queue.text
    detail = await as_staff.get(f"/v1/identity/duplicates/{case}")
    assert detail.json()["held"]["name"] == detail.json()["records"][0]["name"] == order["name"]
    decision = {"same_as": 0, "because": "Same face."}
    done = await as_staff.post(f"/v1/identity/duplicates/{case}/decision", json=decision)
    assert done.status_code == 200 and done.json()["merged"] and done.json()["number"] == number
    other = await as_staff.post(
        f"/v1/identity/duplicates/{case}/decision", json={"same_as": None, "because": "Not so."}
    )
    assert other.status_code == 409 and other.json()["code"] == "identity.already-decided"


async def test_doors_register_a_birth(as_staff):
    child = body(someone(birth=Birth((clock.today() - timedelta(days=20)).isoformat())))
    made = await as_staff.post(
        "/v1/identity/births", json={"child": child, "place": "Home"}, headers={"Idempotency-Key": key()}
    )
    assert made.status_code == 201, made.text


@pytest.mark.parametrize(
    ("method", "path", "headers", "json", "status", "field"),
    [
        ("POST", "enrolments", {}, {"name": {"given": "A"}}, 400, "Idempotency-Key"),
        ("POST", "enrolments", {"Idempotency-Key": "k"}, {"name": {}}, 400, "name"),
        ("POST", "enrolments", {"Idempotency-Key": "k"}, {"nom": "A"}, 400, None),
        ("POST", "enrolments", {"Idempotency-Key": "k"}, {"name": {"given": "A"}, "photo": "AAAA"}, 400, "photo"),
        ("POST", "births", {"Idempotency-Key": "k"}, {"child": {"name": {"given": "A"}}}, 400, "child.birth.date"),
        ("GET", "persons/123456789012", {"Msingi-Purpose": "redress"}, None, 400, "number"),
        ("GET", "persons/111111111113", {"Msingi-Purpose": "gossip"}, None, 400, "Msingi-Purpose"),
        ("GET", "persons/111111111113", {}, None, 400, "Msingi-Purpose"),
        ("GET", "duplicates?limit=0", {}, None, 400, "limit"),
        ("GET", f"duplicates/{uuid.UUID(int=5)}", {}, None, 404, None),
        ("POST", f"duplicates/{uuid.UUID(int=5)}/decision", {}, {"same_as": None, "because": "x"}, 404, None),
    ],
)
async def test_doors_refuse_with_field_and_rule(as_staff, method, path, headers, json, status, field):
    answer = await as_staff.request(method, f"/v1/identity/{path}", headers=headers, json=json)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    if field is not None:
        assert answer.json()["field"] == field and answer.json()["rule"]


async def test_doors_are_closed_to_the_public(client):
    answer = await client.get("/v1/identity/duplicates")
    assert answer.status_code == 401 and answer.json()["code"] == "not-signed-in"


async def test_the_public_learns_nothing_from_held(stack, officer):
    _, second = await held(stack, officer)
    assert isinstance(second, Held) and set(second.__struct_fields__) == {"case_id", "person_id", "alike"}
