"""Biometrics: sealed, compared by a matcher elsewhere, decided by people. The matcher here is for tests only."""

from datetime import timedelta
from uuid import UUID

import asyncpg
import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.identity.matcher import ReferenceMatcher, records
from tests.identity.test_acts import adjudicator, enrolled, nobody, officer
from tests.identity.test_sweep import case_of

from msingi import app
from msingi.identity.biometrics import acts, cbeff, store
from msingi.identity.biometrics.model import Answer, CaptureOrder, Missing, Modality, RequestId
from msingi.identity.errors import BiometricsWrong, NotTheMatcher, ShareExpired
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.kernel.ids import uuid7

__all__ = ["adjudicator", "nobody", "officer"]  # fixtures, imported by name
KEY = "key-between-stack-and-matcher"


def job():
    return job_context("biometrics", "identity-registration")


@pytest.fixture
async def matcher(stack, tmp_path, monkeypatch):
    """The stack with a matcher named by the operator, and each able to reach the other."""
    made = ReferenceMatcher(KEY)
    (tmp_path / "matcher.pem").write_bytes(made.certificate)
    chosen = msgspec.structs.replace(
        stack.settings, abis_url="http://matcher.test/", abis_key=KEY, abis_certificate=str(tmp_path / "matcher.pem")
    )
    monkeypatch.setattr(stack, "settings", chosen)
    doors = httpx.ASGITransport(app=app.build(stack, background=False))
    async with (
        httpx.AsyncClient(transport=made.transport()) as made.client,
        httpx.AsyncClient(transport=doors, base_url=stack.settings.url) as made.stack_client,
    ):
        yield made


async def work(stack, matcher):
    while await acts.work_off(stack, matcher.client):
        pass


FINGER, OTHER, FACE = ("Finger", b"ridges of one"), ("Finger", b"ridges of another"), ("Face", b"a face")


async def test_law_3_what_the_matcher_finds_becomes_a_question_with_the_reasons(stack, matcher, officer, adjudicator):
    one, two, three = [await enrolled(stack, officer) for _ in range(3)]
    for person, found in ((one, (FINGER, FACE)), (two, (FINGER,)), (three, (OTHER,))):
        await acts.add_biometrics(stack, officer, person.person_id, CaptureOrder(records(*found)))
        await work(stack, matcher)
    case = await case_of(stack, adjudicator, two.person_id)
    assert case.person_id == two.person_id and [c.person_id for c in case.candidates] == [one.person_id]
    told = {(r.field, r.level, r.bits) for r in case.candidates[0].reasons}
    assert ("finger", "same", 0.0) in told and any(field == "given" for field, *_ in told)
    assert await case_of(stack, adjudicator, three.person_id) is None
    [captured] = await acts.biometrics_of(stack, officer, two.person_id)
    assert captured.compared and captured.modalities == ("finger",)


async def test_law_2_the_matcher_learns_a_random_reference_and_what_was_captured(stack, matcher, officer):
    person = await enrolled(stack, officer)
    captured = await acts.add_biometrics(stack, officer, person.person_id, CaptureOrder(records(FINGER)))
    await work(stack, matcher)
    told = str(matcher.seen)
    assert str(captured.reference_id) in told and captured.reference_id.version == 4
    assert str(person.person_id) not in told and person.number not in told
    insert = next(m for m in matcher.seen if m["id"] == "mosip.abis.insert")
    with pytest.raises(ShareExpired):  # it was answered
        await acts.share(stack, job(), RequestId(UUID(insert["requestId"])))
    door = insert["referenceURL"].removeprefix(stack.settings.url)
    assert (await matcher.stack_client.get(door)).status_code == 403
    assert (await matcher.stack_client.get(door, headers={"Authorization": f"Bearer {KEY}"})).status_code == 404


async def test_law_5_without_an_answer_it_is_sent_again_and_an_answer_twice_counts_once(
    stack, matcher, officer, adjudicator, monkeypatch
):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    print_of = ("Finger", b"law 5")
    await acts.add_biometrics(stack, officer, one.person_id, CaptureOrder(records(print_of)))
    await work(stack, matcher)
    matcher.down = True
    await acts.add_biometrics(stack, officer, two.person_id, CaptureOrder(records(print_of)))
    assert await acts.work_off(stack, matcher.client) == 1 and await acts.work_off(stack, matcher.client) == 0
    matcher.down, matcher.later = False, True
    real = clock.now
    monkeypatch.setattr(acts.clock, "now", lambda: real() + timedelta(minutes=2))
    for _ in range(2):  # insert, then identify; each answer arrives by the door, twice
        assert await acts.work_off(stack, matcher.client) == 1
        said = matcher.waiting.pop()
        for _ in range(2):
            reply = await matcher.stack_client.post(
                "/v1/identity/abis/answers", json=said, headers={"Authorization": f"Bearer {KEY}"}
            )
            assert reply.status_code == 204
    case = await case_of(stack, adjudicator, two.person_id)
    assert [c.person_id for c in case.candidates] == [one.person_id]
    asked = [m["requestId"] for m in matcher.seen if m["id"] == "mosip.abis.identify"]
    assert len(asked) == len(set(asked))
    stranger = await matcher.stack_client.post("/v1/identity/abis/answers", json=said)
    assert stranger.status_code == 403


async def test_law_1_templates_are_sealed_and_when_they_are_destroyed_the_matcher_deletes(
    stack, matcher, officer, owner_url
):
    person = await enrolled(stack, officer)
    captured = await acts.add_biometrics(stack, officer, person.person_id, CaptureOrder(records(("Iris", b"very own"))))
    await work(stack, matcher)
    owner = await asyncpg.connect(owner_url)
    sealed = await owner.fetchval("SELECT sealed FROM identity.biometric WHERE person_id = $1", person.person_id)
    assert b"very own" not in sealed and b"BIR" not in sealed
    assert await owner.fetchval("SELECT how FROM governance.keeping WHERE tab = 'identity.biometric'") == "delete"
    assert str(captured.reference_id) in matcher.gallery
    await owner.execute("DELETE FROM identity.biometric WHERE person_id = $1", person.person_id)  # as an erasure does
    await owner.close()
    await work(stack, matcher)
    assert str(captured.reference_id) not in matcher.gallery
    permit = policy.decide(job(), "identity.work-biometrics", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        assert not await store.people_behind(tx, [captured.reference_id])
        log.append(tx, permit, detail={"what": "looked"})


async def test_law_4_whoever_has_no_fingers_is_recorded_and_not_turned_away(stack, matcher, officer):
    person = await enrolled(stack, officer)
    lack = Missing(Modality.FINGER, "lost both hands in an accident")
    captured = await acts.add_biometrics(stack, officer, person.person_id, CaptureOrder(missing=(lack,)))
    assert captured.missing == ("finger: lost both hands in an accident",) and not captured.modalities
    assert await acts.work_off(stack, matcher.client) == 0
    for wrong in (CaptureOrder(), CaptureOrder(missing=(Missing(Modality.FACE, " "),))):
        with pytest.raises(BiometricsWrong):
            await acts.add_biometrics(stack, officer, person.person_id, wrong)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=400), st.binary(max_size=80).map(lambda b: records(("Finger", b"x")) + b)))
def test_whatever_is_sent_as_records_is_read_or_refused(raw):
    try:
        assert cbeff.modalities(raw)
    except BiometricsWrong as refusal:
        assert refusal.facts["rule"] in ("bytes", "xml", "records", "data")


def test_records_that_would_open_files_or_grow_are_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + records(("Finger", b"x"))
    for raw in (bomb, records(("Toe", b"x")), records(("Finger", b"")), records(*[("Face", b"x")] * 41), b"<BIR/>"):
        with pytest.raises(BiometricsWrong):
            cbeff.modalities(raw)


async def test_the_operator_sees_how_the_matcher_does(stack, matcher, ctx_of):
    operator = ctx_of(Kind.STAFF, "op", roles=["operator"])
    state = await acts.matcher_state(stack, operator, matcher.client)
    assert state.answers and state.references == str(len(matcher.gallery))
    matcher.down = True
    assert not (await acts.matcher_state(stack, operator, matcher.client)).answers


async def test_access_add_biometrics(stack, officer, nobody):
    person, order = await enrolled(stack, officer), CaptureOrder(records(FINGER))
    assert await acts.add_biometrics(stack, officer, person.person_id, order)
    with pytest.raises(NotPermitted):
        await acts.add_biometrics(stack, nobody, person.person_id, order)


async def test_access_biometrics_of(stack, officer, nobody):
    person = await enrolled(stack, officer)
    assert await acts.biometrics_of(stack, officer, person.person_id) == []
    with pytest.raises(NotPermitted):
        await acts.biometrics_of(stack, nobody, person.person_id)


async def test_access_work_off(stack, matcher):
    assert await acts.work_off(stack, matcher.client) >= 0
    with pytest.raises(NotTheMatcher):
        acts.check_matcher(stack, "Bearer another")


async def test_access_share(stack, nobody):
    with pytest.raises(ShareExpired):
        await acts.share(stack, job(), RequestId(uuid7()))
    with pytest.raises(NotPermitted):
        await acts.share(stack, nobody, RequestId(uuid7()))


async def test_access_take_answer(stack, nobody):
    await acts.take_answer(stack, job(), Answer(RequestId(uuid7()), True))
    with pytest.raises(NotPermitted):
        await acts.take_answer(stack, nobody, Answer(RequestId(uuid7()), True))


async def test_access_take_raw_answer(stack, nobody):
    with pytest.raises(Refusal):
        await acts.take_raw_answer(stack, job(), {"id": "mosip.abis.insert"})
    said = {"id": "mosip.abis.insert", "requestId": str(uuid7()), "returnValue": 1}
    with pytest.raises(NotPermitted):
        await acts.take_raw_answer(stack, nobody, said)


async def test_access_matcher_state(stack, matcher, ctx_of, nobody):
    assert await acts.matcher_state(stack, ctx_of(Kind.STAFF, "op", roles=["operator"]), matcher.client)
    with pytest.raises(NotPermitted):
        await acts.matcher_state(stack, nobody, matcher.client)
