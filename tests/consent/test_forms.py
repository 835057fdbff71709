"""A consent in other standards' forms: GovStack's doors, Kantara's receipt, the Account Aggregator artefact."""

import hashlib
import json

import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from tests.consent.people import agreement_order, newborn, steward
from tests.consent.test_doors import doors

from msingi.consent import acts

__all__ = ["doors"]
KANTARA = {
    "version", "jurisdiction", "consentTimestamp", "collectionMethod", "consentReceiptID", "publicKey", "language",
    "piiPrincipalId", "piiControllers", "policyUrl", "services", "sensitive", "spiCat",
}  # fmt: skip
DETAIL = {
    "consentStart", "consentExpiry", "consentMode", "fetchType", "consentTypes", "fiTypes", "DataConsumer",
    "DataProvider", "Customer", "Accounts", "Purpose", "FIDataRange", "DataLife", "Frequency", "DataFilter",
}  # fmt: skip
AT = "/v1/consent/govstack"


@pytest.fixture(scope="module")
async def agreement(stack, ctx_of):
    return await acts.publish_agreement(stack, steward(ctx_of), agreement_order("forms"))


@pytest.fixture
async def headers(stack, owner_url):
    return {"x-test-person": str(await newborn(stack, owner_url))}


@pytest.fixture
async def granted(doors, headers, agreement):
    made = await doors.post("/v1/consent/consents", json={"agreement": "forms", "version": 1}, headers=headers)
    return made.json()["consent_id"]


async def key_of(doors, kid):
    keys = (await doors.get("/v1/consent/keys")).json()["keys"]
    return OKPKey.import_key(next(k for k in keys if k["kid"] == kid))


async def test_the_kantara_receipt_says_what_the_iso_receipt_says(doors, headers, granted):
    url = f"/v1/consent/consents/{granted}/receipts"
    iso = (await doors.get(url, headers=headers)).json()[-1]["receipt"]
    made = (await doors.get(f"{url}/kantara", headers=headers)).json()
    assert set(made) == KANTARA and made["version"] == "KI-CR-v1.1.0"
    (purpose,) = made["services"][0]["purposes"]
    assert purpose["piiCategory"] == ["person.name", "person.birth_date"] and purpose["consentType"] == "EXPLICIT"
    assert made["piiPrincipalId"] == iso["pii_principal_id"] and made["sensitive"] and made["spiCat"] == ["health"]
    assert isinstance(made["consentTimestamp"], int)


async def test_the_artefact_is_signed_and_follows_the_withdrawal(doors, headers, granted):
    url = f"/v1/consent/consents/{granted}/receipts"
    made = (await doors.get(f"{url}/artefact", headers=headers)).json()
    assert set(made["ConsentDetail"]) == DETAIL and made["status"] == "ACTIVE"
    newest = (await doors.get(url, headers=headers)).json()[-1]
    seen = jws.deserialize_compact(made["signedConsent"], await key_of(doors, newest["kid"]), algorithms=["EdDSA"])
    assert json.loads(seen.payload) == made["ConsentDetail"]
    assert made["ConsentDetail"]["DataLife"] == {"unit": "DAY", "value": 3650}
    await doors.post(f"/v1/consent/consents/{granted}/withdrawal", headers=headers)
    assert (await doors.get(f"{url}/artefact", headers=headers)).json()["status"] == "REVOKED"


async def test_nobody_takes_the_forms_of_somebody_elses_consent(doors, stack, owner_url, granted):
    other = {"x-test-person": str(await newborn(stack, owner_url))}
    for form in ("kantara", "artefact"):
        assert (await doors.get(f"/v1/consent/consents/{granted}/receipts/{form}", headers=other)).status_code == 404
        assert (await doors.get(f"/v1/consent/consents/{granted}/receipts/{form}")).status_code == 401


async def test_the_four_scenarios_of_govstacks_suite(doors, agreement):
    """The same that the suite of bb-consent asks: an agreement by number, two wrong names, and a policy."""
    found = await doors.get(f"{AT}/config/data-agreement/1/")
    assert found.status_code == 200 and found.json()["dataAgreement"]["id"] == "1"
    for wrong in ("invalid_id", "123!%40%23", "0", "999999", "1;DROP"):
        assert (await doors.get(f"{AT}/config/data-agreement/{wrong}/")).status_code == 400, wrong
    policy = (await doors.get(f"{AT}/service/policy/1/")).json()
    assert isinstance(policy["policy"], dict) and isinstance(policy["revision"], dict)


async def test_govstacks_objects_have_their_required_members(doors, agreement):
    told = (await doors.get(f"{AT}/service/data-agreement/forms/")).json()
    assert {"id", "version", "purpose", "lawfulBasis", "dpia"} <= set(told["dataAgreement"])
    revision = told["revision"]
    required = {"id", "schemaName", "objectId", "serializedSnapshot", "serializedHash", "timestamp"}
    assert required <= set(revision)
    assert hashlib.sha256(revision["serializedSnapshot"].encode()).hexdigest() == revision["serializedHash"]
    sealed = told["dataAgreement"]["signature"]
    key = await key_of(doors, sealed["verificationSignedBy"])
    payload = jws.deserialize_compact(sealed["verificationPayload"], key, algorithms=["EdDSA"]).payload
    assert payload.decode() == revision["serializedSnapshot"]
    assert {"id", "name", "version", "url"} <= set((await doors.get(f"{AT}/config/policy/forms/")).json()["policy"])
    listed = (await doors.get(f"{AT}/config/data-agreements/?limit=1")).json()
    assert len(listed["dataAgreements"]) == 1 and listed["pagination"]["totalItems"] >= 1
    assert (await doors.get(f"{AT}/config/policies/")).json()["policies"]
    assert (await doors.get(f"{AT}/audit/data-agreement/forms/?revisionId=forms.1")).status_code == 200


async def test_an_individual_opts_in_and_out_by_govstacks_doors(doors, headers, agreement):
    made = await doors.post(f"{AT}/service/individual/record/data-agreement/forms/", headers=headers)
    assert made.status_code == 200, made.text
    record = made.json()["consentRecord"]
    assert record["optIn"] and record["state"] == "signed"
    assert {"id", "dataAgreementRevisionHash", "state", "signature"} <= set(record)
    mine = await doors.get(f"{AT}/service/individual/record/data-agreement/forms/", headers=headers)
    assert mine.json()["consentRecord"]["id"] == record["id"]
    listed = (await doors.get(f"{AT}/service/individual/record/consent-record/", headers=headers)).json()
    assert [r["id"] for r in listed["consentRecords"]] == [record["id"]]
    there = f"{AT}/service/individual/record/consent-record/{record['id']}/"
    assert (await doors.put(there, json={"optIn": True}, headers=headers)).status_code == 400
    ended = await doors.put(there, json={"optIn": False}, headers=headers)
    assert ended.status_code == 200 and not ended.json()["consentRecord"]["optIn"]
    assert ended.json()["revision"]["predecessorHash"] == made.json()["revision"]["serializedHash"]
    assert (await doors.put(there, json={"optIn": False}, headers=headers)).status_code == 409
    assert (await doors.get(f"{AT}/service/individual/record/consent-record/")).status_code == 401
