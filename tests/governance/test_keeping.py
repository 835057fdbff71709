"""Retention, erasure, holds and their certificates on a real database; forged ways in are tried behind the wall."""

import json
import re
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from msgspec.structs import replace
from tests.consent.people import agreement_order, newborn, oneself, steward

from msingi import countries
from msingi.consent import acts as consent
from msingi.consent.model import GrantOrder
from msingi.governance import acts
from msingi.governance.errors import CaseMalformed, HoldUnknown, NothingKept, RegisterIncomplete, UnderHold
from msingi.governance.keeping import acts as keeping
from msingi.governance.keeping.model import HoldOrder
from msingi.governance.model import Answer, CaseOrder, Kind, Outcome
from msingi.governance.processing import reading
from msingi.identity import acts as identity
from msingi.identity.lifecycle import acts as life
from msingi.kernel import clock
from msingi.kernel.context import Kind as Who
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import token

ERASE = CaseOrder(Kind.ERASURE, institution="rita", language="en")
YES = Answer(Outcome.GRANTED, "What no law keeps is destroyed.")
WORDS = "SELECT because FROM identity.status_change WHERE person_id = $1 AND because IS NOT NULL"
ORDER = HoldOrder("Order 17 of the High Court", 90)


@pytest.fixture
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()


@pytest.fixture(scope="module")
async def agreement(stack, ctx_of):
    return await consent.publish_agreement(stack, steward(ctx_of), agreement_order())


async def ended_consent(stack, ctx_of, person_id, agreement):
    me = oneself(ctx_of, person_id)
    given = await consent.grant(stack, me, person_id, GrantOrder(agreement.order.agreement, agreement.version))
    await consent.withdraw(stack, me, person_id, given.consent_id)
    return given.consent_id


def authority(as_office, **more):
    return as_office("tume", "data-protection-authority", **more)


async def verified(client, certificate):
    keys = (await client.get("/v1/consent/keys")).json()["keys"]
    key = OKPKey.import_key(next(k for k in keys if k["kid"] == certificate.kid))
    return json.loads(jws.deserialize_compact(certificate.jws, key, algorithms=["EdDSA"]).payload)


async def test_access_destroy_due(stack, ctx_of, owner_url, owner, as_job, as_office, agreement, client):
    """What has had its time goes, with a signed certificate whose digest an old copy can be checked against."""
    person_id = await newborn(stack, owner_url)
    await ended_consent(stack, ctx_of, person_id, agreement)
    job = as_job("retention", "operations")
    with pytest.raises(NotPermitted):
        await keeping.destroy_due(stack, authority(as_office), "consent.record")
    assert await keeping.destroy_due(stack, job, "consent.record") is None  # not yet
    await owner.execute(
        "UPDATE consent.record SET ended_at = now() - interval '3651 days' WHERE person_id = $1", person_id
    )
    row = await owner.fetchval(
        "SELECT sha256(convert_to(t::text, 'UTF8')) FROM consent.record t WHERE person_id = $1", person_id
    )
    made = await keeping.destroy_due(stack, job, "consent.record")
    assert made is not None and made.body["destroyed"] == {"consent.record": 1}
    import hashlib

    assert made.body["digest"] == hashlib.sha256(row).hexdigest()
    assert await verified(client, made) == made.body
    assert await owner.fetchval("SELECT count(*) FROM consent.record WHERE person_id = $1", person_id) == 0
    assert person_id.hex not in repr(made) and str(person_id) not in repr(made)
    shown = (await client.get(f"/v1/governance/destructions/{made.certificate_id}")).json()
    assert shown["jws"] == made.jws
    with pytest.raises(NothingKept):
        await keeping.destroy_due(stack, job, "payments.journal")
    with pytest.raises(NothingKept):
        await keeping.destroy_due(stack, job, "consent.record; DROP TABLE consent.record")


async def test_access_sweep(stack, ctx_of, owner_url, owner, as_job, as_office, agreement):
    """Retention runs through all tables, and goes on where it broke off; no office can make it run."""
    people = [await newborn(stack, owner_url) for _ in range(3)]
    for person_id in people:
        await ended_consent(stack, ctx_of, person_id, agreement)
    await owner.execute(
        "UPDATE consent.record SET ended_at = now() - interval '20 years' WHERE person_id = ANY ($1)", people
    )
    await owner.execute(
        "UPDATE consent.revision SET at = now() - interval '20 years' WHERE person_id = ANY ($1)", people
    )
    job = as_job("retention", "operations")
    with pytest.raises(NotPermitted):
        await keeping.sweep(stack, authority(as_office))
    first = await keeping.destroy_due(stack, job, "consent.record", most=1)  # as if it had been killed after one batch
    assert first is not None and first.body["destroyed"] == {"consent.record": 3}  # all of one age go together
    made = await keeping.sweep(stack, job)
    assert {table for c in made for table in c.body["destroyed"]} == {"consent.revision"}
    assert await keeping.sweep(stack, job) == []
    left = await owner.fetchval("SELECT count(*) FROM consent.revision WHERE person_id = ANY ($1)", people)
    assert left == 0


async def test_access_hold(stack, ctx_of, owner_url, owner, as_office, as_job, as_person, agreement):
    person_id = await newborn(stack, owner_url)
    await ended_consent(stack, ctx_of, person_id, agreement)
    await owner.execute(
        "UPDATE consent.record SET ended_at = now() - interval '20 years' WHERE person_id = $1", person_id
    )
    with pytest.raises(NotPermitted):
        await keeping.hold(stack, as_office("rita"), person_id, ORDER)
    with pytest.raises(CaseMalformed):
        await keeping.hold(stack, authority(as_office), person_id, HoldOrder("x", 90))
    made = await keeping.hold(stack, authority(as_office), person_id, ORDER)
    assert await keeping.destroy_due(stack, as_job("retention", "operations"), "consent.record") is None
    case = await acts.open_case(stack, as_person(person_id), person_id, ERASE, token(9))
    with pytest.raises(UnderHold):
        await acts.answer(stack, as_office("rita"), person_id, case.case_id, YES)
    await keeping.release(stack, authority(as_office), person_id, made.hold_id)
    with pytest.raises(HoldUnknown):
        await keeping.release(stack, authority(as_office), person_id, made.hold_id)
    assert await keeping.destroy_due(stack, as_job("retention", "operations"), "consent.record") is not None


async def test_access_release(stack, owner_url, as_office):
    person_id = await newborn(stack, owner_url)
    made = await keeping.hold(stack, authority(as_office), person_id, ORDER)
    with pytest.raises(NotPermitted):
        await keeping.release(stack, as_office("rita"), person_id, made.hold_id)
    await keeping.release(stack, authority(as_office), person_id, made.hold_id)


async def test_erasure_destroys_the_key_and_keeps_what_the_law_keeps(
    stack, town, ctx_of, owner, as_person, as_office, agreement, client
):
    """Old copies become unreadable; the register, the record of who looked and the case itself stay readable."""
    person_id = town.baraka.id
    await ended_consent(stack, ctx_of, person_id, agreement)
    key_before = await owner.fetchval("SELECT wrapped FROM kernel.person_key WHERE person_id = $1", person_id)
    judge = ctx_of(Who.STAFF, "judge-1", institution="rita", roles=["adjudicator"], purpose="identity-registration")
    for change in (identity.suspend, identity.reactivate):
        await change(stack, judge, person_id, "The neighbours said so.")
    copied = await owner.fetchval("SELECT sealed FROM identity.version WHERE person_id = $1", person_id)
    said = await owner.fetch(WORDS, person_id)
    case = await acts.open_case(stack, as_person(person_id), person_id, ERASE, token(9))
    await acts.answer(stack, as_office("rita"), person_id, case.case_id, YES)
    key_after = await owner.fetchval("SELECT wrapped FROM kernel.person_key WHERE person_id = $1", person_id)
    assert key_after is not None and key_after != key_before
    now = await owner.fetchval("SELECT sealed FROM identity.version WHERE person_id = $1", person_id)
    assert now != copied  # a backup's copy is sealed with a key that is nowhere any more
    anew = await owner.fetch(WORDS, person_id)  # so are the words that officers wrote, which are read like before
    assert len(anew) == len(said) == 2 and not {r[0] for r in said} & {r[0] for r in anew}
    officer = ctx_of(
        Who.STAFF, "officer-1", institution="rita", roles=["enrolment-officer"], purpose="identity-registration"
    )
    assert (await life.read_as_of(stack, officer, person_id, clock.now())).status.because == "The neighbours said so."
    for table in ("consent.record", "consent.revision", "signin.device"):
        assert await owner.fetchval(f"SELECT count(*) FROM {table} WHERE person_id = $1", person_id) == 0
    dossier = await acts.case(stack, as_person(person_id), person_id, case.case_id)
    report = dossier.messages[0].text
    assert "− consent.record: 1" in report and "+ Records of payments are kept" in report
    found = re.search(r"/v1/governance/destructions/([0-9a-f-]{36})", report)
    assert found
    shown = (await client.get(f"/v1/governance/destructions/{found[1]}")).json()
    assert shown["body"]["key"] == "destroyed" and shown["body"]["kept"]["identity.version"] == 1
    raw = await acts.full_copy(stack, as_person(person_id, "subject-access"), person_id)
    assert b"PK" in raw[:4]
    from msingi.consent.acts import accesses

    lines = await accesses(stack, as_person(person_id, "subject-access"), person_id)
    assert any(line.act == "identity.enrol" or line.act == "consent.grant" for line in lines.items)


async def test_another_country_erases_what_this_one_keeps(stack, town, owner, as_person, as_office, monkeypatch):
    """Wahat's law has no duty to keep medical records: the same code destroys them there, and keeps them here."""
    from msingi.health import acts as health
    from msingi.kernel.context import Actor, context

    nurse = context(
        Actor(Who.STAFF, "nurse-1", "zahanati", frozenset({"clinician"}), 2), "health-care", "vital-interest"
    )
    person = {"identifier": {"system": stack.profile.number_system, "value": town.asha.number}}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
                "resource": {"resourceType": "Patient", "identifier": [person["identifier"]]},
                "request": {"method": "POST", "url": "Patient"},
            }
        ],
    }
    await health.store_bundle(stack, nurse, bundle, key=token(9))
    count = "SELECT count(*) FROM health.resource WHERE person_id = $1"
    assert await owner.fetchval(count, town.asha.id) == 1
    case = await acts.open_case(stack, as_person(town.asha.id), town.asha.id, ERASE, token(9))
    await acts.answer(stack, as_office("rita"), town.asha.id, case.case_id, YES)
    assert await owner.fetchval(count, town.asha.id) == 1
    assert await health.copy_of(stack, as_person(town.asha.id, "subject-access"), town.asha.id)  # readable still
    wahat = countries.load("wahat").law
    duties = [d for d in wahat.duties]
    monkeypatch.setattr(stack, "profile", replace(stack.profile, law=replace(stack.profile.law, duties=duties)))
    case = await acts.open_case(stack, as_person(town.asha.id), town.asha.id, ERASE, token(9))
    await acts.answer(stack, as_office("rita"), town.asha.id, case.case_id, YES)
    for table in ("resource", "resource_version", "posting", "cohort", "directory"):
        assert await owner.fetchval(f"SELECT count(*) FROM health.{table} WHERE person_id = $1", town.asha.id) == 0


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM governance.destroy_due('consent.record', now() + interval '1 day', 10)",
        "SELECT * FROM governance.destroy_due('log.tile', now(), 10)",
        "SELECT * FROM governance.destroy_of('consent.record', '00000000-0000-0000-0000-000000000001')",
        "SELECT * FROM governance.sealed_of('identity.version', '00000000-0000-0000-0000-000000000001')",
        "SELECT governance.reseal('log.record', '00000000-0000-0000-0000-000000000001', '{}', '{}')",
        "INSERT INTO governance.keeping (place, tab, purpose, keep_days, how) VALUES (1, 'x', 'audit', 1, 'book')",
        "UPDATE governance.certificate SET body = '{}'",
        "DELETE FROM governance.message",
    ],
)
async def test_the_application_cannot_destroy_by_another_way(stack, statement):
    """Even code that runs its own SQL in the application's role, under facts that it made up."""
    async with stack.db.plumbing() as conn:
        await conn.execute(
            "SET LOCAL msingi.room = 'governance'; SET LOCAL msingi.reach = '*'; SET LOCAL msingi.act = 'x.y'"
        )
        with pytest.raises(asyncpg.PostgresError):
            async with conn.transaction():
                await conn.execute(statement)


async def test_while_a_table_is_not_registered_nobody_is_erased(stack, owner_url, owner, as_person, as_office):
    """What an unknown table holds would be lost with the key: nothing is destroyed by oversight."""
    person_id = await newborn(stack, owner_url)
    case = await acts.open_case(stack, as_person(person_id), person_id, ERASE, token(9))
    await owner.execute("CREATE TABLE identity.stray (person_id uuid, sealed bytea)")
    with pytest.raises(RegisterIncomplete) as no:
        await acts.answer(stack, as_office("rita"), person_id, case.case_id, YES)
    assert no.value.facts["tables"] == "identity.stray"
    await owner.execute("DROP TABLE identity.stray")
    await acts.answer(stack, as_office("rita"), person_id, case.case_id, YES)


async def test_every_table_with_content_about_people_is_registered(owner):
    """Because erasing seals anew what is registered, and loses what is not: add a line to governance/schema.sql."""
    assert [r[0] for r in await owner.fetch("SELECT * FROM governance.unregistered()")] == []


async def test_every_column_that_a_persons_key_seals_is_registered(owner):
    """Because erasing seals anew the column that the register names, and loses any other with the old key."""
    rules = {r["tab"]: r for r in await owner.fetch("SELECT tab, person, how, sealed FROM governance.keeping")}
    lost = []
    for table in reading.tables():
        rule = rules[table.table]
        if not rule["person"] or rule["how"] in ("book", "room") or table.table == "governance.hold":
            continue  # sealed with the key of a room, or nobody's; a hold may come before the person
        sealed = [c.name for c in table.columns if "sealed" in c.name or c.keep.endswith("(sealed)")]
        lost += [f"{table.table}.{name}" for name in sealed if name != rule["sealed"]]
    assert lost == []
    assert not [(t.table, c.name) for t in reading.tables() for c in t.columns if c.exposed]


async def test_the_register_and_the_schemas_say_the_same(stack):
    """Every table with personal columns is registered with a purpose that its schema names; what is not is shown."""
    src = Path(countries.__file__).parents[1]
    pattern = re.compile(r"^\s+\w+\s+.*-- personal: ([a-z-]+), keep (.+)$")
    found: dict[str, set[str]] = {}
    for file in [*src.rglob("schema.sql")]:
        table = ""
        for row in file.read_text("utf-8").splitlines():
            begins = re.match(r"CREATE TABLE IF NOT EXISTS ([a-z_.]+)", row)
            table = begins[1] if begins else table
            says = pattern.match(row)
            if says:
                found.setdefault(table, set()).add(says[1])
    register = {k.table: k for k in await keeping.register(stack)}
    for table in set(found) & set(register):
        assert register[table].purpose in found[table], table
    from msingi.governance.processing import reading

    assert {t.table for t in reading.tables() if t.table not in register} == set(found) - set(register)
    assert len(set(found) & set(register)) > 35
    assert timedelta(days=register["log.record"].days) == timedelta(days=3650)
