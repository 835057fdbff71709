"""The doors of the registries: GovStack's shapes, spoken by institutions' software that signs its requests."""

import json
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from tests.consent.people import newborn
from tests.exchange import places
from tests.exchange.places import BANK, HOSPITAL, KEYS

from msingi.exchange import client as light
from msingi.exchange import registry
from msingi.registries import acts, jobs

SUITE = {"Information-Mediator-Client": "eGovStack/GOV/90000009/digitalregistries"}
GRANT = {"benki": ["payment"]}
SCHEMA = {
    "type": "object",
    "x-law": "Licences Act",
    "x-subject": "Holder",
    "properties": {
        "ID": {"type": "string", "primaryKey": True, "x-read": GRANT},
        "Holder": {"type": "string", "x-read": GRANT},
        "Class": {"type": "string"},
    },
    "required": ["ID", "Holder"],
}


@pytest.fixture(scope="module", autouse=True)
async def open_exchange(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    yield
    registry._offered.clear()
    registry._offered.update(kept)


@pytest.fixture
def call(client, stack):
    """Send a signed request of an institution's software."""

    async def send(method, path, body=None, *, subsystem=HOSPITAL, query="", **headers):
        raw = b"" if body is None else json.dumps(body).encode()
        more = {name.replace("_", "-"): text for name, text in headers.items()}
        path = quote(path, safe="/")
        made = light.prepare(
            stack.settings.url, "XT/" + subsystem, KEYS[subsystem], path, method=method, query=query, body=raw,
            headers=more | ({"content-type": "application/json"} if raw else {}),
        )  # fmt: skip
        return await client.request(made.method, made.url, content=made.body, headers=made.headers)

    return send


async def test_a_register_lives_its_whole_life_over_signed_http(call, stack, owner_url):
    told = {"group_name": "Roads", "catalog_name": "Licences", "code": "licences", "schema": SCHEMA}
    made = await call("POST", "/database/modify", told)
    assert made.status_code == 200, made.text
    number = made.json()["id"]
    assert made.json()["schema"]["x-subject"] == "Holder" and made.json()["institution"] == "hospitali"
    person = await newborn(stack, owner_url)
    mine, theirs = (stack.pseudonym.of(i, person) for i in ("hospitali", "benki"))
    at = "/data/licences/1.0"
    entry = {"ID": "L1", "Holder": mine, "Class": "B"}
    assert (await call("POST", f"{at}/create", {"write": {"content": entry}})).json() == {"content": entry}
    again = await call("POST", f"{at}/create", {"write": {"content": entry}})
    assert (again.status_code, again.json()["code"]) == (409, "registries.key-taken")

    bank = {"subsystem": BANK, "msingi_purpose": "payment"}
    asked = {"query": {"content": {"ID": "L1"}}}
    got = await call("POST", f"{at}/read", asked, **bank)
    assert got.json() == {"content": {"ID": "L1", "Holder": theirs}}
    assert (await call("POST", f"{at}/read", asked, subsystem=BANK)).status_code == 403  # for the register's purpose
    assert (await call("GET", f"{at}/L1/readValue/Class.json", **bank)).status_code == 403
    assert (await call("GET", f"{at}/L1/read-value/ID.json", **bank)).json() == "L1"
    assert (await call("DELETE", f"{at}/L1/delete", **bank)).status_code == 403
    there = await call("POST", f"{at}/exists", {"ID": "L1", "Holder": theirs}, **bank)
    assert there.json()["answer"]["status"] is True
    none = await call("POST", f"{at}/read", {"query": {"content": {"ID": "L7"}}})
    assert (none.status_code, none.json()["detail"]) == (404, "no record found")
    usage = await call("GET", "/data/myPersonalDataUsage", query="userId=me&databaseId=licences")
    assert usage.status_code == 403  # only the person

    change = {"query": {"content": {"ID": "L1"}}, "write": {"content": {"Class": "C"}}}
    done = (await call("PUT", f"{at}/update", change)).json()
    assert (done["query"]["content"]["Class"], done["write"]["content"]["Class"]) == ("B", "C")
    assert (await call("PUT", f"{at}/update-entries", change)).json()["count"] == 1
    for path in ("updateOrCreate", "update-or-create"):
        assert (await call("POST", f"{at}/{path}", change)).json()["content"]["Class"] == "C"
    assert (await call("DELETE", f"/database/{number}")).status_code == 409
    assert (await call("DELETE", f"{at}/L1/delete")).status_code == 204
    assert (await call("DELETE", f"/database/{number}")).json() == "Success"
    assert (await call("GET", f"/database/{number}")).status_code == 404


async def test_pages_follow_one_another(call):
    schema = {"properties": {"ID": {"type": "string", "primaryKey": True}, "Size": {"type": "integer"}}}
    await call("POST", "/database/modify", {"catalog_name": "Wells", "code": "wells", "schema": schema})
    for number in range(5):
        made = await call("POST", "/data/wells/1.0/create", {"write": {"content": {"ID": f"W{number}", "Size": 4}}})
        assert made.status_code == 200, made.text
    found, query = [], "filter=Size&search=4&ordering=descending&pageSize=2"
    while query:
        page = (await call("GET", "/data/wells/1.0", query=query)).json()
        found += [one["ID"] for one in page["results"]]
        assert page["count"] == len(page["results"])
        query = page.get("next", "").partition("?")[2]
    assert found == ["W4", "W3", "W2", "W1", "W0"]
    for wrong in ("ordering=up", "search=4", "page=2", "filter=Size&search=x", "filter=No&search=x", "pageSize=0"):
        assert (await call("GET", "/data/wells/1.0", query=wrong)).status_code == 400, wrong


BAD_SCHEMAS = [
    {"properties": []},
    {"properties": {"ID": {"type": "string"}}},
    {"properties": {"ID": {"type": "blob", "primaryKey": True}}},
    {"properties": {"ID": {"primaryKey": True, "triggers": [{"conditions": [], "actions": []}]}}},
    {"properties": {"ID": {"primaryKey": True, "x-read": {"benki": "payment"}}}},
    {"properties": {"ID": {"primaryKey": True, "x-read": {"benki": ["gossip"]}}}},
    {"properties": {"ID": {"primaryKey": True}}, "required": 3},
    {"properties": {"ID": {"primaryKey": True}}, "x-law": 3},
    {"properties": {"ID": {"primaryKey": True}}, "incrementIndex": "x"},
]


async def test_a_bad_description_is_refused_by_field(call):
    for schema in BAD_SCHEMAS:
        told = await call("POST", "/database/modify", {"catalog_name": "Bad", "code": "bad", "schema": schema})
        assert (told.status_code, told.json()["code"]) == (400, "registries.bad-description"), told.text


async def test_nobody_is_believed_without_a_signature_outside_the_named_sandbox(client, stack, monkeypatch):
    doors = (("GET", "/data/registryname/111"), ("POST", "/database/modify"), ("DELETE", "/database/1"))

    async def answers(**changes) -> set[int]:
        monkeypatch.setattr(stack, "settings", replace(stack.settings, **changes))
        body = {"catalog_name": "x", "code": "x", "schema": {}}
        return {(await client.request(m, path, json=body, headers=SUITE)).status_code for m, path in doors}

    assert await answers() == {401}
    assert await answers(govstack_instances="other") == {401}
    assert await answers(govstack_instances="eGovStack", sandbox=False) == {401}
    assert await answers(sandbox=True, host="10.0.0.1") == {401}


async def test_the_sandbox_named_by_its_operator_answers_the_suite(client, stack, monkeypatch):
    monkeypatch.setattr(stack, "settings", replace(stack.settings, govstack_instances="eGovStack"))
    await jobs.fill(stack)
    await jobs.fill(stack)
    john = {"filter": "FirstName", "search": "John", "ordering": "ascending"}
    found = (await client.get("/data/registryname/111", params=john, headers=SUITE)).json()
    assert [one["LastName"] for one in found["results"]] == ["Bon"]
    first = await client.get(f"/data/registryname/111/{jobs.FIRST_ID}/read-value/FirstName.json", headers=SUITE)
    assert first.json() == "John"
    for user, status in (("EE378129127223", 200), ("...", 400)):
        asked = {"userID": user, "DatabaseID": "MCTS"}
        assert (await client.get("/data/MyPersonalDataUsage/1.0", params=asked, headers=SUITE)).status_code == status
    for body in (b"", b"{", b"[]", b'{"write": {"content": 3}}'):
        told = await client.post("/data/registryname/111/create", content=body, headers=SUITE)
        assert told.status_code == 400
    assert [r.register_id for r in await acts.registers(stack, 0, 2)] == [1, 123]
