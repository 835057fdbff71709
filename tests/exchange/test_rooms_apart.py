"""The room health on a machine and a database of its own; the rest of the country reaches it through the exchange."""

import json
import time

import asyncpg
import httpx
import pytest
from tests.running import Running

from msingi import app
from msingi.cli.running import at_work
from msingi.cli.tour_steps import Steps
from msingi.exchange import client
from msingi.identity import acts as identity
from msingi.kernel.context import job_context
from msingi.kernel.postgres import EmbeddedServer
from msingi.kernel.settings import Settings


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """The main stack, and a machine that runs health alone; each knows the other by its anchor."""
    folder = tmp_path_factory.mktemp("apart")
    main, health = Running(folder / "main", 12), Running(folder / "health", 0)
    main.start()
    fingerprint = httpx.get(f"{main.url}/v1/exchange/anchor").json()["keys"][0]["kid"]
    health.start(180, "--rooms", "health", "--peer", f"{main.url}#{fingerprint}")
    fingerprint = httpx.get(f"{health.url}/v1/exchange/anchor").json()["keys"][0]["kid"]
    added = main.run("peers", "add", "--home", str(main.home), f"{health.url}#{fingerprint}")
    assert added.returncode == 0 and "runs health" in added.stdout, added.stderr
    time.sleep(3)  # the main stack notices within two seconds
    yield main, health
    health.stop()
    main.stop()


async def rows(one: Running, query: str, *args) -> list[asyncpg.Record]:
    """What stands in an installation's own database."""
    conn = await asyncpg.connect(EmbeddedServer(one.home / "pg").url)
    try:
        return await conn.fetch(query, *args)
    finally:
        await conn.close()


async def test_the_health_part_of_the_main_job_passes_through_the_exchange(machines):
    main, _ = machines
    (main.home / "tour").mkdir()
    async with Steps(main.home, main.sample, main.home / "tour", 1) as steps:
        await steps.me.sign_in(steps.asha["number"], steps.asha["pin"], steps.asha["phone"])
        await steps.health()  # a clinic records; a hospital is refused, consented to, answered, refused again
        mine = await steps.me.open("/me/health")
        assert "Prediabetes" in mine.text or len(mine.main) > 400, mine.main
        token = await steps._token("clinic-app", "clinician")
        headers = {"Authorization": f"Bearer {token}"}
        named = {"identifier": f"{steps.profile.number_system}|{steps.asha['number']}"}
        async with httpx.AsyncClient(base_url=main.url, headers=headers) as clinic:
            found = (await clinic.get("/fhir/Patient", params=named)).json()
            patient = found["entry"][0]["resource"]
            pseudonym = patient["identifier"][0]["value"]
            assert steps.asha["number"] not in json.dumps(patient)
            conditions = (await clinic.get("/fhir/Condition", params={"patient": patient["id"]})).json()
            assert conditions["entry"][0]["resource"]["resourceType"] == "Condition"
            whole = (await clinic.get(f"/fhir/Patient/{patient['id']}/$everything?_count=5")).json()
            assert len([e for e in whole["entry"] if e["search"]["mode"] == "match"]) == 5
            assert any(link["relation"] == "next" for link in whole["link"])
            read = await clinic.get(f"/fhir/Patient/{patient['id']}")
            assert read.headers["etag"] == 'W/"1"'
            bad = await clinic.post("/fhir/Patient", json={"resourceType": "Patient", "birthDate": "never"})
            assert bad.status_code == 400 and bad.json()["issue"][0]["expression"] == ["Patient.birthDate"]
            lost = await clinic.get("/fhir/Patient/00000000-0000-0000-0000-000000000000")
            assert lost.status_code == 404
    async with at_work(main.home) as stack:  # the pseudonym is the one that main makes: the secret stayed there
        assert stack.pseudonym.person("zahanati", pseudonym)
        who = await identity.person_by_number(
            stack, job_context("setup", "payment"), main.sample["people"][0]["number"]
        )
        assert stack.pseudonym.of("zahanati", who) == pseudonym


async def test_each_side_keeps_its_part_and_its_own_name_of_the_person(machines):
    main, health = machines
    there = (await rows(health, "SELECT count(*) AS n, count(DISTINCT person_id) AS people FROM health.resource"))[0]
    assert there["n"] > 50 and there["people"] >= 1
    # The sample's own vaccinations were recorded before health moved out; nothing has been since.
    synthea = "SELECT count(*) FROM health.resource WHERE rtype NOT IN ('Patient', 'Immunization')"
    assert (await rows(main, synthea))[0][0] == 0
    acts = "SELECT act, person_id FROM log.record WHERE act = ANY ($1)"
    sent = await rows(main, acts, ["exchange.carried"])
    kept = await rows(health, acts, ["health.store-bundle", "health.summary-for-exchange", "exchange.answered"])
    assert {"health.store-bundle", "health.summary-for-exchange", "exchange.answered"} <= {r["act"] for r in kept}
    here_people = {r["person_id"] for r in await rows(main, "SELECT person_id FROM identity.person")}
    there_people = {r["person_id"] for r in await rows(health, "SELECT DISTINCT person_id FROM health.resource")}
    assert there_people and not here_people & there_people
    assert {r["person_id"] for r in sent} & here_people and {r["person_id"] for r in kept} & there_people
    assert (await rows(health, "SELECT count(*) FROM identity.person"))[0][0] == 0


async def test_only_machines_of_the_stack_carry_acts_and_only_those_that_their_rooms_call(machines):
    main, _ = machines
    key = next(i["jwk"] for i in main.sample["institutions"] if i["code"] == "hospitali")
    keys = httpx.get(f"{main.url}/v1/exchange/keys").json()["keys"]
    for act in ("person_by_number", "read_person"):
        prepared = client.prepare(
            main.url, "XT/GOV/hospitali/records", key, f"/r1/XT/GOV/rita/msingi/identity-acts/{act}", method="POST",
            body=b"{}", headers={"msingi-purpose": "health-care", "content-type": "application/json"},
        )  # fmt: skip
        assert (await client.send(prepared, keys)).problem == "exchange.no-right"
    listed = httpx.get(f"{main.url}/v1/exchange/services/identity-acts").json()["openapi"]["paths"]
    assert sorted(listed) == ["/count_people", "/person_behind", "/person_by_number", "/pseudonym_of"]
    with pytest.raises(ValueError, match="cannot run on a machine of its own"):
        app.running(Settings(rooms="portal"))


async def test_a_machine_that_is_away_is_an_outage_and_nothing_else_stops(machines):
    main, health = machines
    health.stop()
    async with Steps(main.home, main.sample, main.home / "tour", 1) as steps:
        await steps.me.sign_in(steps.juma["number"], steps.juma["pin"], steps.juma["phone"])
        away = await steps.me.client.get("/me/health")
        assert away.status_code == 503 and away.headers["retry-after"]
        assert (await steps.me.client.get("/me/money")).status_code == 200
