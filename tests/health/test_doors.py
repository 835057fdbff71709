"""The FHIR doors from outside: HTTP as the standard says it, bad input told as OperationOutcome, a foreign client."""

import asyncio
import contextlib
import json
import socket
from urllib.parse import urlencode

import msgspec
import pytest
import uvicorn
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound
from tests.health.conftest import only
from tests.site import web_app

from msingi.health import samples, structure, wire
from msingi.kernel import web
from msingi.kernel.context import ANYBODY, Actor, Kind

DOCTOR = Actor(Kind.STAFF, "doctor", "zahanati", frozenset({"clinician"}), 2)


def check(answer, status: int = 200) -> dict:
    """The answer's body: FHIR JSON of the right status that passes our own validation."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/fhir+json")
    body = wire.decode(answer.content)
    assert structure.check(body) == []
    return body


def issue(answer, status: int, code: str) -> dict:
    """The first issue of an OperationOutcome with this status and code."""
    body = check(answer, status)
    assert body["resourceType"] == "OperationOutcome"
    assert body["issue"][0]["code"] == code, body
    return body["issue"][0]


async def test_metadata_is_generated_and_open(client, acting):
    body = check(await client.get("/fhir/metadata"))
    assert body["resourceType"] == "CapabilityStatement" and body["fhirVersion"] == "4.0.1"
    offered = {r["type"]: r for r in body["rest"][0]["resource"]}
    assert {"Patient", "Observation", "Immunization", "Organization"} <= offered.keys()
    names = {p["name"] for p in offered["Observation"]["searchParam"]}
    assert {"patient", "code", "date", "identifier", "_id", "_lastUpdated"} <= names


async def test_every_parameter_that_is_told_works(client, acting):
    acting(DOCTOR)
    body = check(await client.get("/fhir/metadata"))
    for kind in ("Observation", "Patient", "Immunization", "Practitioner"):
        offered = next(r for r in body["rest"][0]["resource"] if r["type"] == kind)
        for parameter in offered["searchParam"]:
            value = {"date": "2026", "reference": "Patient/0192f3a1-0000-7000-8000-000000000000"}.get(parameter["type"])
            answer = await client.get(f"/fhir/{kind}", params={parameter["name"]: value or "x"})
            assert answer.status_code == 200, (parameter, answer.text)


async def test_a_clinic_sends_reads_searches_and_changes(client, acting, stack, enrolled):
    acting(DOCTOR)
    person = await enrolled()
    bundle = samples.for_person("adult", stack.profile.number_system, person.number)
    body = check(await client.post("/fhir", content=wire.encode(bundle), headers={"content-type": wire.FHIR_JSON}))
    locations = [e["response"]["location"].partition("/_history")[0] for e in body["entry"]]
    answer = await client.get(f"/fhir/{locations[2]}")
    patient = check(answer)
    assert patient["resourceType"] == "Patient" and answer.headers["etag"] == 'W/"1"'
    assert answer.headers["last-modified"].endswith("GMT") and answer.headers["cache-control"] == "no-store"

    # By number, without the number in an address (search by form) or in the answer.
    form = {"identifier": f"{stack.profile.number_system}|{person.number}"}
    content = urlencode(form)
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = await client.post("/fhir/Patient/_search", content=content, headers=headers)
    found = check(answer)
    assert [e["resource"]["id"] for e in found["entry"]] == [patient["id"]]
    assert found["entry"][0]["fullUrl"] == f"{stack.settings.url}/fhir/Patient/{patient['id']}"

    changed = patient | {"active": False}
    put = {"content": wire.encode(changed), "headers": {"if-match": 'W/"1"', "content-type": "application/json"}}
    answer = await client.put(f"/fhir/Patient/{patient['id']}", **put)
    assert check(answer)["active"] is False and answer.headers["etag"] == 'W/"2"'
    issue(await client.put(f"/fhir/Patient/{patient['id']}", **put), 412, "conflict")
    assert check(await client.get(f"/fhir/Patient/{patient['id']}/_history/1"))["active"] is True
    versions = check(await client.get(f"/fhir/Patient/{patient['id']}/_history"))
    assert versions["total"] == 2 and [e["request"]["method"] for e in versions["entry"]] == ["PUT", "POST"]

    page = check(await client.get("/fhir/Observation", params={"patient": patient["id"], "_count": 5}))
    seen = [e["resource"]["id"] for e in page["entry"]]
    while following := next((one["url"] for one in page["link"] if one["relation"] == "next"), None):
        page = check(await client.get(following.removeprefix(stack.settings.url)))
        seen += [e["resource"]["id"] for e in page["entry"]]
    assert len(seen) == len(set(seen)) == sum(one.startswith("Observation/") for one in locations)

    summary = check(await client.get(f"/fhir/Patient/{patient['id']}/$summary"))
    assert summary["type"] == "document"
    record = check(await client.get(f"/fhir/Patient/{patient['id']}/$everything?_count=20"))
    assert sum(e["search"]["mode"] == "match" for e in record["entry"]) == 20
    assert any(one["relation"] == "next" for one in record["link"])


async def test_create_tells_where_and_minimal_is_short(client, acting, recorded):
    acting(DOCTOR)
    _, locations = await recorded()
    body = wire.encode({"resourceType": "Flag", "status": "active", "code": {"text": "x"},
                        "subject": {"reference": f"Patient/{only(locations, 'Patient')}"}})  # fmt: skip
    answer = await client.post("/fhir/Flag", content=body)
    made = check(answer, 201)
    assert answer.headers["location"].endswith(f"/fhir/Flag/{made['id']}/_history/1")
    short = await client.post("/fhir/Flag", content=body, headers={"prefer": "return=minimal"})
    assert short.status_code == 201 and short.content == b""


async def test_a_batch_tells_each_entry_its_own(client, acting, recorded):
    acting(DOCTOR)
    _, locations = await recorded()
    me = only(locations, "Patient")
    flag = {
        "resourceType": "Flag",
        "status": "active",
        "code": {"text": "x"},
        "subject": {"reference": f"Patient/{me}"},
    }
    entries = [
        {"request": {"method": "GET", "url": f"Patient/{me}"}},
        {"request": {"method": "POST", "url": "Flag"}, "resource": flag},
        {"request": {"method": "POST", "url": "Flag"}, "resource": {"resourceType": "Flag"}},
        {"request": {"method": "GET", "url": f"Observation?patient={me}&_count=3"}},
        {"request": {"method": "DELETE", "url": f"Patient/{me}"}},
        {},
    ]
    bundle = {"resourceType": "Bundle", "type": "batch", "entry": entries}
    body = check(await client.post("/fhir", content=wire.encode(bundle)))
    statuses = [e["response"]["status"][:3] for e in body["entry"]]
    assert statuses == ["200", "201", "400", "200", "400", "400"]
    assert body["entry"][2]["response"]["outcome"]["issue"][0]["expression"] == ["Flag.status"]
    assert len(body["entry"][3]["resource"]["entry"]) == 3


BAD = [
    ("POST", "/fhir", b"{", 400, "structure"),
    ("POST", "/fhir", b'{"resourceType":"Patient"}', 400, "value"),
    ("POST", "/fhir/Observation", b'{"resourceType":"Observation"}', 400, "required"),
    ("POST", "/fhir/Observation", b'{"resourceType":"Patient"}', 400, "value"),
    ("POST", "/fhir/Animal", b'{"resourceType":"Animal"}', 404, "not-supported"),
    ("POST", "/fhir/Condition", b'{"resourceType":"Condition","subject":{"reference":"Patient/1"}}', 422, "required"),
    ("POST", "/fhir/Patient", b'{"resourceType":"Patient"}', 422, "required"),
    ("PUT", "/fhir/Patient/abc", b'{"resourceType":"Patient","id":"abc"}', 405, "not-supported"),
    ("PUT", "/fhir/Patient/0192f3a1-0000-7000-8000-000000000000", b'{"resourceType":"Patient"}', 400, "value"),
    ("GET", "/fhir/Patient/abc", None, 404, "not-found"),
    ("GET", "/fhir/Patient/0192f3a1-0000-7000-8000-000000000000", None, 404, "not-found"),
    ("GET", "/fhir/Patient/0192f3a1-0000-7000-8000-000000000000/_history/x", None, 404, "not-found"),
    ("GET", "/fhir/Animal/1", None, 404, "not-supported"),
    ("GET", "/fhir/Patient?colour=red", None, 400, "not-supported"),
    ("GET", "/fhir/Patient?birthdate=soon", None, 400, "value"),
    ("GET", "/fhir/Patient?_page=00", None, 400, "value"),
    ("GET", "/fhir/Patient?_page=00&gender=male", None, 400, "value"),
    ("GET", "/fhir/Patient?_format=xml", None, 406, "not-supported"),
    ("GET", "/fhir/no/such/door/at/all", None, 404, "not-found"),
    ("DELETE", "/fhir/Patient/abc", None, 405, "not-supported"),
]


@pytest.mark.parametrize(("method", "path", "content", "status", "code"), BAD, ids=[f"{b[0]} {b[1]}" for b in BAD])
async def test_bad_input_is_told_as_operation_outcome(client, acting, method, path, content, status, code):
    acting(DOCTOR)
    told = issue(await client.request(method, path, content=content), status, code)
    assert told["severity"] == "error" and told["details"]["text"]


async def test_other_forms_are_refused(client, acting):
    acting(DOCTOR)
    issue(await client.get("/fhir/metadata", headers={"accept": "application/fhir+xml"}), 406, "not-supported")
    check(await client.get("/fhir/metadata", headers={"accept": "application/fhir+xml, application/fhir+json;q=0.5"}))
    xml = {"content": b"<Patient/>", "headers": {"content-type": "application/fhir+xml"}}
    issue(await client.post("/fhir/Patient", **xml), 415, "not-supported")


async def test_nobody_and_the_wrong_ones_are_told_so(client, acting):
    acting(ANYBODY)
    issue(await client.get("/fhir/Patient"), 401, "login")
    acting(Actor(Kind.STAFF, "clerk", "zahanati", frozenset({"clerk"}), 2))
    issue(await client.get("/fhir/Patient"), 403, "forbidden")


@pytest.fixture
async def address(stack, acting, monkeypatch):
    """The application on a real port, for clients that bring their own HTTP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    moved = msgspec.structs.replace(stack.settings, base_url=f"http://127.0.0.1:{port}")
    monkeypatch.setattr(stack, "settings", moved)
    running = web_app(stack)
    web.register([_doctor], {"/fhir": wire.outcome})
    server = uvicorn.Server(
        uvicorn.Config(running, port=port, lifespan="off", timeout_keep_alive=75, log_level="error")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{port}/fhir"
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await serving


async def _doctor(_stack, _request) -> Actor:
    return DOCTOR


async def test_an_independent_client_reads_searches_and_writes(address, stack, enrolled):
    """fhirpy, a client that we did not write, against the running application."""
    person = await enrolled()
    bundle = samples.for_person("adult", stack.profile.number_system, person.number)
    foreign = AsyncFHIRClient(address)
    await foreign.execute("", method="post", data=json.loads(wire.encode(bundle)))
    who = f"{stack.profile.number_system}|{person.number}"
    patient = await foreign.resources("Patient").search(identifier=who).first()
    assert patient is not None and patient["name"][0]["family"] == "Mfano"
    pressures = foreign.resources("Observation").search(patient=patient.id, code="http://loinc.org|85354-9")
    assert len(await pressures.limit(2).fetch()) == 2
    assert len(await pressures.limit(2).fetch_all()) == 5
    weight = foreign.resource(
        "Observation",
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        subject=patient.to_reference(),
        effectiveDateTime="2026-11-01",
        valueQuantity={"value": 80.5, "unit": "kg"},
    )
    await weight.save()
    assert weight.id and weight["meta"]["versionId"] == "1"
    weight["note"] = [{"text": "by an independent client"}]
    await weight.save()
    again = await foreign.reference("Observation", weight.id).to_resource()
    assert again["meta"]["versionId"] == "2" and again["note"][0]["text"] == "by an independent client"
    with pytest.raises(ResourceNotFound):
        await foreign.reference("Observation", "0192f3a1-0000-7000-8000-000000000000").to_resource()
    with pytest.raises(OperationOutcome):
        await foreign.resource("Observation", status="final").save()
    with pytest.raises(OperationOutcome):
        await foreign.resources("Observation").search(colour="red").fetch()
