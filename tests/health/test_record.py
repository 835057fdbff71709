"""Laws 1 to 5 and 9 on a real database: whose it is, all or nothing, one Patient, no number, sealed, stable pages."""

import asyncio
import copy
from datetime import date

import asyncpg
import pytest
from tests.health.conftest import only

from msingi.health import acts, samples, wire
from msingi.health.errors import (
    BadSearchValue,
    BadTransaction,
    IdsAreOurs,
    NotFhir,
    NotSupported,
    OwnerChanged,
    PatientExists,
    PersonNotNamed,
    PersonUnknown,
    RegistryOnly,
    SeveralMatches,
    TypeNotStored,
    UnresolvedReference,
    VersionConflict,
)
from msingi.kernel.context import Kind
from msingi.kernel.errors import DifferentContent, Erased, NotFound
from msingi.kernel.ids import uuid7
from msingi.kernel.postgres import as_app


def observation(patient: str, code: str = "29463-7", when: str = "2026-03-01", **more) -> dict:
    """A body weight."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": patient},
        "effectiveDateTime": when,
    } | more


def transaction(*entries: dict, **more) -> dict:
    """A transaction that creates these resources (a `request` inside an entry goes before)."""
    full = []
    for entry in entries:
        resource = {k: v for k, v in entry.items() if k not in ("request", "fullUrl")}
        request = entry.get("request") or {"method": "POST", "url": resource["resourceType"]}
        full.append({"resource": resource, "request": request} | {k: entry[k] for k in ("fullUrl",) if k in entry})
    return {"resourceType": "Bundle", "type": "transaction"} | ({"entry": full} if full else {}) | more


def patient(system: str, number: str, **more) -> dict:
    """A Patient who is the person with this number."""
    return {"resourceType": "Patient", "identifier": [{"system": system, "value": number}]} | more


@pytest.fixture
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()


async def rows_of(owner, person_id) -> int:
    return await owner.fetchval("SELECT count(*) FROM health.resource WHERE person_id = $1", person_id)


async def test_law_1_a_clinical_resource_without_a_person_is_refused(stack, clinician, enrolled):
    ctx = clinician()
    system = stack.profile.number_system
    for entry, refusal in (
        (observation(f"Patient/{uuid7()}"), PersonNotNamed),
        ({"resourceType": "Patient", "name": [{"text": "Somebody"}]}, PersonNotNamed),
        (patient("urn:somebody:else", "1"), PersonNotNamed),
        (patient(system, "123456789012"), PersonUnknown),
        (patient(system, "not a number"), PersonUnknown),
        (patient(f"urn:msingi:{stack.profile.code}:pseudonym:zahanati", "x"), PersonUnknown),
    ):
        with pytest.raises(refusal):
            await acts.store_bundle(stack, ctx, transaction(entry))
    forged = stack.pseudonym.of("zahanati", uuid7())
    entry = patient(f"urn:msingi:{stack.profile.code}:pseudonym:zahanati", forged)
    with pytest.raises(PersonUnknown):
        await acts.store_bundle(stack, ctx, transaction(entry))


async def test_law_1_a_patient_is_known_by_the_institutions_own_pseudonym(stack, clinician, enrolled):
    person = await enrolled()
    system = f"urn:msingi:{stack.profile.code}:pseudonym:zahanati"
    entry = patient(system, stack.pseudonym.of("zahanati", person.id))
    outcome = await acts.create(stack, clinician(), "Patient", entry)
    assert outcome.status == 201 and outcome.stored.person_id == person.id
    other = transaction(patient(system, stack.pseudonym.of("zahanati", person.id)))
    with pytest.raises(PersonNotNamed):  # zahanati's pseudonyms say nothing to the hospital
        await acts.store_bundle(stack, clinician("hospitali"), other)


async def test_law_1_two_numbers_or_another_owner_are_refused(stack, clinician, enrolled, recorded):
    one, other = await enrolled(), await enrolled()
    system = stack.profile.number_system
    both = patient(system, one.number)
    both["identifier"].append({"system": system, "value": other.number})
    with pytest.raises(OwnerChanged):
        await acts.store_bundle(stack, clinician(), transaction(both))
    _, first = await recorded(person=one)
    _, second = await recorded(person=other)
    id = only(first, "Observation")
    moved = observation(f"Patient/{only(second, 'Patient')}", id=id)
    with pytest.raises(OwnerChanged):
        await acts.update(stack, clinician(), "Observation", id, moved)


async def test_a_registry_entry_must_not_speak_of_a_patient(stack, clinician, recorded):
    await recorded()
    hidden = {"resourceType": "Patient", "id": "p", "name": [{"text": "Somebody"}]}
    product = {"resourceType": "Medication", "contained": [hidden], "code": {"text": "x"}}
    with pytest.raises(RegistryOnly):
        await acts.create(stack, clinician(), "Medication", product)


@pytest.mark.parametrize("reverse", [False, True])
async def test_law_2_a_transaction_is_stored_whole_in_any_order(stack, clinician, enrolled, owner, reverse):
    person = await enrolled()
    bundle = samples.for_person("adult", stack.profile.number_system, person.number)
    if reverse:
        bundle["entry"].reverse()
    answer = await acts.store_bundle(stack, clinician(), bundle)
    assert answer["type"] == "transaction-response" and len(answer["entry"]) == len(bundle["entry"])
    locations = [e["response"]["location"].partition("/_history")[0] for e in answer["entry"]]
    assert [one.partition("/")[0] for one in locations] == [e["resource"]["resourceType"] for e in bundle["entry"]]
    seen = await acts.read(stack, clinician(), "Encounter", only(locations, "Encounter"))
    assert seen.body["subject"]["reference"] == f"Patient/{only(locations, 'Patient')}"
    assert seen.body["serviceProvider"]["reference"] == f"Organization/{only(locations, 'Organization')}"
    assert "urn:uuid" not in wire.encode(seen.body).decode()


BREAKING = [
    ({"resourceType": "Observation", "status": "final"}, NotFhir),
    (observation("urn:uuid:00000000-0000-4000-8000-000000000000"), PersonNotNamed),
    (observation("P", encounter={"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}), UnresolvedReference),
    (observation("P", encounter={"reference": "Encounter?identifier=x|1"}), UnresolvedReference),
    (observation("P", performer=[{"reference": "Practitioner?identifier=x|1"}]), UnresolvedReference),
    (observation("P", request={"method": "DELETE", "url": "Observation/1"}), NotSupported),
    (observation("P", request={"method": "PATCH", "url": "Observation/1"}), NotSupported),
    (observation("P", request={"method": "POST", "url": "Condition"}), BadTransaction),
    (observation("P", request={"method": "POST", "url": "Observation/1"}), BadTransaction),
    (observation("P", request={"method": "PUT", "url": "Observation/1"}), IdsAreOurs),
    (observation("P", request={"method": "PUT", "url": "Observation?code=1"}), NotSupported),
    (observation("P", fullUrl="urn:uuid:11111111-1111-4111-8111-111111111111"), BadTransaction),
    ({"resourceType": "Group", "type": "person", "actual": True}, TypeNotStored),
]


@pytest.mark.parametrize(("bad", "refusal"), BREAKING, ids=range(len(BREAKING)))
async def test_law_2_one_bad_entry_stores_nothing(stack, clinician, enrolled, owner, bad, refusal):
    person = await enrolled()
    mine = "urn:uuid:11111111-1111-4111-8111-111111111111"
    bad = copy.deepcopy(bad)
    if bad.get("subject", {}).get("reference") == "P":
        bad["subject"]["reference"] = mine
    first = patient(stack.profile.number_system, person.number, fullUrl=mine)
    with pytest.raises(refusal):
        await acts.store_bundle(stack, clinician(), transaction(first, observation(mine), bad))
    assert await rows_of(owner, person.id) == 0
    assert await owner.fetchval("SELECT count(*) FROM health.directory WHERE person_id = $1", person.id) == 0


async def test_an_empty_transaction_is_valid_and_others_are_not(stack, clinician):
    assert await acts.store_bundle(stack, clinician(), transaction()) is not None
    for bad in ({"resourceType": "Bundle", "type": "searchset"}, {"resourceType": "Patient"}, [], None):
        with pytest.raises((BadTransaction, NotFhir)):
            await acts.store_bundle(stack, clinician(), bad)


async def test_references_can_go_in_circles_and_by_condition(stack, clinician, enrolled):
    person = await enrolled()
    me, a, b = (f"urn:uuid:{uuid7()}" for _ in range(3))
    system = stack.profile.number_system
    bundle = transaction(
        observation(f"Patient?identifier={system}|{person.number}", fullUrl=a, derivedFrom=[{"reference": b}]),
        observation(me, fullUrl=b, derivedFrom=[{"reference": a}]),
        patient(system, person.number, fullUrl=me),
    )
    answer = await acts.store_bundle(stack, clinician(), bundle)
    first, second, third = (e["response"]["location"].partition("/_history")[0] for e in answer["entry"])
    seen = await acts.read(stack, clinician(), "Observation", first.partition("/")[2])
    assert seen.body["derivedFrom"][0]["reference"] == second and seen.body["subject"]["reference"] == third
    # Later the same person is found without knowing an id.
    again = transaction(observation(f"Patient?identifier={system}|{person.number}"))
    answer = await acts.store_bundle(stack, clinician(), again)
    assert answer["entry"][0]["response"]["status"].startswith("201")


async def test_conditional_create_finds_what_is_there(stack, clinician, recorded):
    person, first = await recorded()
    _, second = await recorded(person=person)
    assert only(first, "Patient") == only(second, "Patient")
    assert only(first, "Organization") == only(second, "Organization")
    assert only(first, "Observation") != only(second, "Observation")
    ctx = clinician()
    mine = observation(f"Patient/{only(first, 'Patient')}", identifier=[{"system": "urn:x", "value": "7"}])
    condition = "identifier=urn:x|7"
    one = await acts.create(stack, ctx, "Observation", mine, if_none_exist=condition)
    two = await acts.create(stack, ctx, "Observation", mine, if_none_exist=condition)
    assert (one.status, two.status) == (201, 200) and one.stored.id == two.stored.id
    await acts.create(stack, ctx, "Observation", mine)
    with pytest.raises(SeveralMatches):
        await acts.create(stack, ctx, "Observation", mine, if_none_exist=condition)


async def test_conditional_creates_at_the_same_moment_make_one(stack, clinician, recorded):
    _, locations = await recorded()
    mine = observation(f"Patient/{only(locations, 'Patient')}", identifier=[{"system": "urn:x", "value": "race"}])
    outcomes = await asyncio.gather(
        *(acts.create(stack, clinician(), "Observation", mine, if_none_exist="identifier=urn:x|race") for _ in range(6))
    )
    assert sorted(o.status for o in outcomes) == [200] * 5 + [201] and len({o.stored.id for o in outcomes}) == 1


async def test_law_3_one_patient_for_a_person_in_an_institution(stack, clinician, enrolled):
    person = await enrolled()
    entry = patient(stack.profile.number_system, person.number)
    first = await acts.create(stack, clinician(), "Patient", entry)
    with pytest.raises(PatientExists) as refused:
        await acts.create(stack, clinician(), "Patient", entry)
    assert refused.value.facts["id"] == str(first.stored.id)
    with pytest.raises(PatientExists):
        await acts.store_bundle(stack, clinician(), transaction(entry, copy.deepcopy(entry)))
    assert (await acts.create(stack, clinician("hospitali"), "Patient", entry)).status == 201
    many = await asyncio.gather(
        *(acts.create(stack, clinician("rita"), "Patient", entry) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(one, PatientExists) for one in many) == 3


async def test_law_3_another_institution_finds_nothing(stack, clinician, recorded):
    person, locations = await recorded()
    other = clinician("hospitali")
    id = only(locations, "Patient")
    for call in (
        acts.read(stack, other, "Patient", id),
        acts.history(stack, other, "Patient", id),
        acts.everything(stack, other, id),
        acts.summary(stack, other, person.id),
        acts.summary_of_patient(stack, other, id),
        acts.update(stack, other, "Patient", id, {"resourceType": "Patient", "id": id}),
    ):
        with pytest.raises((NotFound, PersonNotNamed)):
            await call
    for pairs in ((), (("patient", id),), (("patient.identifier", f"{stack.profile.number_system}|{person.number}"),)):
        page, _ = await acts.search(stack, other, "Observation", pairs)
        assert page.matches == []


async def test_law_4_the_number_is_not_kept_anywhere(stack, clinician, enrolled, owner):
    person = await enrolled()
    digits = person.number.replace(" ", "")
    spaced = stack.profile.number_text(digits)
    system = stack.profile.number_system
    told = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">No. {spaced}</div>'}
    me = f"urn:uuid:{uuid7()}"
    bundle = transaction(
        patient(system, person.number, fullUrl=me, text=told, name=[{"text": f"Asha ({digits})"}]),
        observation(me, note=[{"text": f"card {digits[:4]}-{digits[4:8]}-{digits[8:]}"}]),
        identifier={"system": "urn:x", "value": f"visit-{uuid7()}"},
    )
    answer = await acts.store_bundle(stack, clinician(), bundle)
    id = only([e["response"]["location"].partition("/_history")[0] for e in answer["entry"]], "Patient")
    page = await acts.everything(stack, clinician(), id)
    kept = wire.encode([one.body for one in page.matches]).decode()
    assert len(page.matches) == 2 and not any(one in kept for one in (digits, spaced, spaced.replace(" ", "-")))
    pseudonym = stack.pseudonym.of("zahanati", person.id)
    named = next(one for one in page.matches if one.rtype == "Patient").body["identifier"]
    assert named == [
        {"use": "official", "system": f"urn:msingi:{stack.profile.code}:pseudonym:zahanati", "value": pseudonym}
    ]
    for table in ("health.resource", "health.resource_version", "kernel.once", "kernel.outbox"):
        found = await owner.fetch(f"SELECT t::text AS line FROM {table} t")
        assert not any(digits in row["line"] or digits.encode().hex() in row["line"] for row in found)


async def test_law_5_bodies_are_sealed_and_go_with_the_key(stack, clinician, recorded, owner):
    person, locations = await recorded()
    raw = await owner.fetch("SELECT body FROM health.resource WHERE person_id = $1", person.id)
    assert raw and not any(b"Mfano" in bytes(row["body"]) for row in raw)
    await owner.execute("DELETE FROM kernel.person_key WHERE person_id = $1", person.id)
    with pytest.raises(Erased):
        await acts.read(stack, clinician(), "Patient", only(locations, "Patient"))
    page, _ = await acts.search(stack, clinician(), "Condition", (("_count", "200"),))
    assert person.id not in {one.person_id for one in page.matches}


async def test_law_5_forgetting_leaves_nothing_to_find_or_count(stack, recorded, owner):
    person, _ = await recorded("infant", born=date(2025, 2, 1))
    assert await acts.forget(stack, person.id) > 0
    assert await owner.fetchval("SELECT count(*) FROM health.posting WHERE person_id = $1", person.id) == 0
    assert await owner.fetchval("SELECT count(*) FROM health.cohort WHERE person_id = $1", person.id) == 0
    keys = "SELECT count(*) FROM health.resource WHERE person_id = $1 AND keys <> '{}'"
    assert await owner.fetchval(keys, person.id) == 0


async def test_update_makes_versions_and_history_keeps_them(stack, clinician, recorded):
    _, locations = await recorded()
    ctx, id = clinician(), only(locations, "Condition")
    first = await acts.read(stack, ctx, "Condition", id)
    changed = first.body | {"note": [{"text": "seen again"}]}
    second = await acts.update(stack, ctx, "Condition", id, changed, if_match=first.etag)
    assert second.status == 200 and second.stored.version == 2
    with pytest.raises(VersionConflict):
        await acts.update(stack, ctx, "Condition", id, changed, if_match=first.etag)
    third = await acts.update(stack, ctx, "Condition", id, first.body)
    assert third.stored.version == 3
    versions = await acts.history(stack, ctx, "Condition", id)
    assert [v.version for v in versions] == [3, 2, 1]
    assert (await acts.read(stack, ctx, "Condition", id, version=2)).body["note"][0]["text"] == "seen again"
    assert (await acts.read(stack, ctx, "Condition", id, version=1)).body == first.body
    assert versions[2].body == first.body
    with pytest.raises(NotFound):
        await acts.read(stack, ctx, "Condition", id, version=9)
    bundle = wire.history(versions, "http://x/fhir", "http://x/fhir/Condition/1/_history")
    assert [e["request"]["method"] for e in bundle["entry"]] == ["PUT", "PUT", "POST"]


async def test_writers_at_the_same_moment_lose_nothing(stack, clinician, recorded):
    _, locations = await recorded()
    ctx, id = clinician(), only(locations, "Condition")
    body = (await acts.read(stack, ctx, "Condition", id)).body
    outcomes = await asyncio.gather(
        *(acts.update(stack, ctx, "Condition", id, body, if_match='W/"1"') for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(o, VersionConflict) for o in outcomes) == 4


async def test_an_id_is_given_never_taken(stack, clinician, recorded):
    _, locations = await recorded()
    id = str(uuid7())
    body = observation(f"Patient/{only(locations, 'Patient')}", id=id)
    with pytest.raises(NotFound):
        await acts.update(stack, clinician(), "Observation", id, body)
    created = await acts.create(stack, clinician(), "Observation", body | {"meta": {"versionId": "77"}})
    assert str(created.stored.id) != id and created.stored.body["meta"]["versionId"] == "1"


async def test_a_repetition_gives_the_first_answer(stack, clinician, enrolled, owner):
    person = await enrolled()
    bundle = samples.for_person("adult", stack.profile.number_system, person.number)
    bundle["identifier"] = {"system": "urn:clinic", "value": f"visit-{uuid7()}"}
    first = await acts.store_bundle(stack, clinician(), bundle)
    before = await rows_of(owner, person.id)
    assert await acts.store_bundle(stack, clinician(), bundle) == first
    assert await rows_of(owner, person.id) == before
    other = copy.deepcopy(bundle)
    other["entry"] = other["entry"][:3]
    with pytest.raises(DifferentContent):
        await acts.store_bundle(stack, clinician(), other)


async def test_law_7_digits_survive_storage(stack, clinician, recorded):
    _, locations = await recorded()
    raw = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/%s"},'
    raw = raw % only(locations, "Patient").encode() + b'"valueQuantity":{"value":61.500,"unit":"kg"}}'
    made = await acts.create(stack, clinician(), "Observation", wire.decode(raw))
    seen = await acts.read(stack, clinician(), "Observation", str(made.stored.id))
    assert b'"value":61.500' in wire.encode(seen.body)


async def test_law_9_pages_are_stable_while_others_write(stack, clinician, recorded):
    _, locations = await recorded()
    me = f"Patient/{only(locations, 'Patient')}"
    for day in range(1, 24):
        await acts.create(stack, clinician(), "Observation", observation(me, "8310-5", f"2026-06-{day:02}"))
    pairs = (("patient", me), ("code", "8310-5"), ("_count", "5"))
    expected, _ = await acts.search(stack, clinician(), "Observation", (*pairs[:2], ("_count", "100")))
    page, _ = await acts.search(stack, clinician(), "Observation", pairs)
    seen = list(page.matches)
    while page.next_token:
        await acts.create(stack, clinician(), "Observation", observation(me, "8310-5", "2026-06-02"))
        last = seen[-1].body
        await acts.update(stack, clinician(), "Observation", last["id"], last | {"note": [{"text": "changed"}]})
        page, _ = await acts.search(stack, clinician(), "Observation", (), token=page.next_token)
        seen += page.matches
    assert [one.id for one in seen] == [one.id for one in expected.matches] and len(seen) == 23


async def test_a_page_address_cannot_be_changed(stack, clinician, recorded):
    await recorded()
    page, _ = await acts.search(stack, clinician(), "Observation", (("_count", "2"),))
    token = page.next_token
    for bad in ("", "zz", token[:-2], token[:-1] + ("0" if token[-1] != "0" else "1")):
        if bad:
            with pytest.raises(BadSearchValue):
                await acts.search(stack, clinician(), "Observation", (), token=bad)
    with pytest.raises(BadSearchValue):
        await acts.search(stack, clinician(), "Condition", (), token=token)


async def test_the_database_itself_refuses(stack, clinician, recorded, owner_url):
    """Row-level security: a connection in the application's role sees nothing without a permit's facts."""
    person, _ = await recorded()
    other, _ = await recorded()
    conn = await asyncpg.connect(as_app(owner_url))
    tables = ("resource", "resource_version", "posting", "cohort")
    try:
        for table in tables:
            assert await conn.fetchval(f"SELECT count(*) FROM health.{table}") == 0
        for room, reach, seen in (("payments", person.id, 0), ("health", person.id, 34), ("health", "", 0)):
            async with conn.transaction():
                await conn.execute(f"SET LOCAL msingi.room = '{room}'; SET LOCAL msingi.reach = '{reach}'")
                assert await conn.fetchval("SELECT count(*) FROM health.resource") == seen
        async with conn.transaction():
            await conn.execute(f"SET LOCAL msingi.room = 'health'; SET LOCAL msingi.reach = '{person.id}'")
            moved = await conn.execute("UPDATE health.resource SET version = 9 WHERE person_id = $1", other.id)
            assert moved == "UPDATE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("DELETE FROM health.resource_version")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.execute("UPDATE health.registry_version SET version = 1")
    finally:
        await conn.close()


async def test_counts_are_of_children_and_doses(stack, clinician, enrolled, recorded, ctx_of):
    region = stack.profile.regions[3].code
    born = date(2019, 7, 1)
    for today in (date(2019, 7, 20), date(2019, 8, 20), date(2020, 6, 1), date(2020, 6, 1)):
        child = await enrolled(region, born, "male")
        await recorded("infant", born=born, today=today, person=child)
    ctx = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    counts = await acts.immunisation_counts(stack, ctx, born_from=born, born_to=date(2019, 7, 2))
    assert [(c.dose, c.region, c.sex, c.children, c.covered) for c in counts if c.vaccine == "DTP"] == [
        (1, region, "male", 4, 3),
        (2, region, "male", 4, 2),
        (3, region, "male", 4, 2),
    ]


async def test_a_dose_entered_in_error_no_longer_counts(stack, clinician, enrolled, recorded, ctx_of):
    born = date(2018, 3, 1)
    child = await enrolled(born=born)
    _, locations = await recorded("infant", born=born, today=date(2018, 4, 20), person=child)
    job = ctx_of(Kind.JOB, "evidence", purpose="statistics")
    doses = [await acts.read(stack, clinician(), "Immunization", one.partition("/")[2]) for one in locations
             if one.startswith("Immunization/")]  # fmt: skip
    first = next(d for d in doses if d.body["vaccineCode"]["coding"][0]["code"] == "198")

    async def covered() -> int:
        counts = await acts.immunisation_counts(stack, job, born_from=born, born_to=date(2018, 3, 2))
        return next(c.covered for c in counts if c.dose == 1)

    assert await covered() == 1
    wrong = first.body | {"status": "entered-in-error"}
    await acts.update(stack, clinician(), "Immunization", str(first.id), wrong)
    assert await covered() == 0
