"""The doors of the consent room, as a signed-in person and as anybody."""

import json
from uuid import UUID

import pytest
from tests.consent.people import agreement_order, newborn, steward

from msingi.consent import acts
from msingi.kernel import web
from msingi.kernel.context import Actor, Kind


@pytest.fixture
def doors(client):
    """Lets a test header say who is signed in; signing in itself is another room's matter."""

    async def by_header(stack, request):
        who = request.headers.get("x-test-person")
        return Actor(Kind.PERSON, who, assurance=2) if who else None

    web._authenticators.insert(0, by_header)
    yield client
    web._authenticators.remove(by_header)


@pytest.fixture(scope="module")
async def agreement(stack, ctx_of):
    return await acts.publish_agreement(stack, steward(ctx_of), agreement_order("doors"))


@pytest.fixture
async def headers(stack, owner_url):
    return {"x-test-person": str(await newborn(stack, owner_url))}


async def test_a_person_reads_grants_receives_and_withdraws(doors, headers, agreement):
    offered = (await doors.get("/v1/consent/agreements")).json()
    assert "doors" in [a["order"]["agreement"] for a in offered["items"]]
    order = {"agreement": "doors", "version": 1, "fields": ["person.name"], "term_days": 30}
    made = await doors.post("/v1/consent/consents", json=order, headers=headers)
    assert made.status_code == 201, made.text
    receipt = made.json()
    assert receipt["receipt"]["schema_version"] == "ISO/IEC TS 27560:2023"
    url = receipt["receipt"]["pii_processing"]["purposes"][0]["withdrawal_method"]
    listed = (await doors.get("/v1/consent/consents", headers=headers)).json()
    assert listed["items"][0]["fields"] == ["person.name"]
    ended = await doors.post(url, headers=headers)  # the receipt itself says where to withdraw
    assert ended.status_code == 201 and ended.json()["state"] == "withdrawn"
    chain = (await doors.get(f"/v1/consent/consents/{receipt['consent_id']}/receipts", headers=headers)).json()
    assert [r["revision"] for r in chain] == [1, 2]
    lines = (await doors.get("/v1/consent/accesses", headers=headers)).json()["items"]
    assert [line["act"] for line in lines][:3] == ["consent.receipt", "consent.withdraw", "consent.consents_of"]
    assert UUID(lines[0]["record_id"])


async def test_refusals_are_told_as_problems(doors, headers, agreement):
    for order, status, code in (
        ({"agreement": "doors", "version": 9}, 404, "consent.agreement-unknown"),
        ({"agreement": "doors", "version": 1, "fields": ["person.photo"]}, 400, "consent.beyond-agreement"),
        ({"agreement": "doors", "version": 1, "term_days": 91}, 400, "consent.beyond-agreement"),
        ({"agreement": "doors", "version": 1, "extra": 1}, 400, "malformed"),
        ({"agreement": "doors"}, 400, "malformed"),
    ):
        got = await doors.post("/v1/consent/consents", json=order, headers=headers)
        assert (got.status_code, got.json()["code"]) == (status, code), got.text
        assert got.headers["content-type"] == "application/problem+json" and got.json()["remedy"]
    page = await doors.get("/v1/consent/consents?after=x", headers=headers)
    assert page.json()["code"] == "malformed"
    assert (await doors.get("/v1/consent/consents?limit=0", headers=headers)).status_code == 400


async def test_anybody_is_asked_to_sign_in(client):
    for method, path in (
        ("GET", "/consents"), ("GET", "/requests"), ("GET", "/accesses"),
        ("GET", f"/accesses/{UUID(int=7)}/proof"), ("POST", f"/consents/{UUID(int=7)}/withdrawal"),
    ):  # fmt: skip
        got = await client.request(method, "/v1/consent" + path)
        assert (got.status_code, got.json()["code"]) == (401, "not-signed-in"), path


async def test_agreements_and_keys_are_public_and_verify(client, agreement):
    from joserfc import jws
    from joserfc.jwk import OKPKey

    shown = (await client.get("/v1/consent/agreements/doors")).json()
    keys = (await client.get("/v1/consent/keys")).json()["keys"]
    key = next(OKPKey.import_key(k) for k in keys if k["kid"] == shown["kid"])
    seen = json.loads(jws.deserialize_compact(shown["signature"], key, algorithms=["EdDSA", "Ed25519"]).payload)
    assert seen["agreement"] == shown["order"] and seen["version"] == shown["version"]
    assert (await client.get("/v1/consent/agreements/doors/versions/1")).json() == shown
    for missing in ("/nothing", "/doors/versions/2", "/doors/versions/0"):
        assert (await client.get("/v1/consent/agreements" + missing)).status_code == 404
