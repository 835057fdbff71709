"""The doors that software written for eSignet knows: registration with its codes, and the same tokens behind them."""

import json

import pytest
from joserfc.jwk import ECKey, RSAKey
from tests.signin.party import answer_of
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel import clock
from msingi.signin import acts as signin

DOOR = "/v1/esignet/client-mgmt/oidc-client"
KEY = RSAKey.generate_key(2048)


def order(**changes) -> dict:
    asked = {
        "clientId": "health-portal",
        "clientName": "Health portal",
        "relyingPartyId": "kliniki",
        "logoUri": "https://rp.example/logo.png",
        "publicKey": KEY.as_dict(private=False),
        "authContextRefs": ["mosip:idp:acr:generated-code"],
        "userClaims": ["name", "birthdate", "email"],
        "grantTypes": ["authorization_code"],
        "clientAuthMethods": ["private_key_jwt"],
        "redirectUris": ["https://rp.example/back"],
    }
    at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return {"requestTime": at, "request": asked | changes}


@pytest.fixture
async def operator(site, stack, sms, ctx_of):
    """The headers of an operator's token at the portal's client."""
    from msingi.kernel.context import job_context
    from msingi.signin.model import NewStaff

    new = NewStaff(
        staff_id="op-1", institution="rita", roles=frozenset(["operator"]), name="Op", phone="+255700000901", pin="4711"
    )
    await signin.add_staff(stack, job_context("sample"), new)
    portal, browser = site.party("portal"), site.browser()
    page = await site.sign_in(browser, new, "4711", url_of(portal, scope="openid api"))
    token = (await portal.redeem(answer_of(page)["code"], dpop=None)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_an_operator_registers_and_updates_and_ends_a_client(site, operator, stack):
    made = (await site.http.post(DOOR, json=order(), headers=operator)).json()
    assert made["errors"] == [] and made["response"] == {"clientId": "health-portal", "status": "ACTIVE"}
    known = await signin.client(stack, "health-portal")
    assert known.claims == {"name", "birthdate"} and known.userinfo_signed and known.institution == "kliniki"
    again = (await site.http.post(DOOR, json=order(), headers=operator)).json()
    assert "response" not in again and again["errors"][0]["errorCode"] == "duplicate_client_id"
    changed = order(clientName="Other", status="active")
    del changed["request"]["publicKey"]
    put = (await site.http.put(f"{DOOR}/health-portal", json=changed, headers=operator)).json()
    assert put["errors"] == [], put
    assert (await signin.client(stack, "health-portal")).name == "Other"
    ended = (await site.http.put(f"{DOOR}/health-portal", json=order(status="inactive"), headers=operator)).json()
    assert ended["response"]["status"] == "INACTIVE"
    unknown = (await site.http.put(f"{DOOR}/nobody", json=order(status="active"), headers=operator)).json()
    assert unknown["errors"][0]["errorCode"] == "invalid_client_id"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientId": ""}, "invalid_client_id"),
        ({"clientName": ""}, "invalid_client_name"),
        ({"relyingPartyId": ""}, "invalid_rp_id"),
        ({"logoUri": ""}, "invalid_uri"),
        ({"redirectUris": []}, "invalid_redirect_uri"),
        ({"redirectUris": ["http://rp.example/back"]}, "invalid_redirect_uri"),
        ({"userClaims": ["shoe_size"]}, "invalid_claim"),
        ({"authContextRefs": ["idbb:acr:invalid"]}, "invalid_acr"),
        ({"grantTypes": ["password"]}, "invalid_grant_type"),
        ({"clientAuthMethods": ["client_secret_basic"]}, "invalid_client_auth"),
        ({"publicKey": "not a key"}, "invalid_public_key"),
        ({"publicKey": KEY.as_dict(private=True)}, "invalid_public_key"),
        ({"publicKey": json.dumps({"kty": "RSA", "n": "x"})}, "invalid_public_key"),
        ({"clientId": 7}, "invalid_client_id"),
    ],
)
async def test_faults_have_esignets_codes(site, operator, changes, code):
    got = await site.http.post(DOOR, json=order(**changes), headers=operator)
    assert got.status_code == 200 and got.json()["errors"][0]["errorCode"] == code, got.text


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"requestTime":"2011-10-05","request":{}}'])
async def test_envelopes_without_a_request_are_refused(site, operator, body):
    got = await site.http.post(DOOR, content=body, headers=operator)
    assert got.status_code == 200 and got.json()["errors"][0]["errorCode"] == "invalid_request"


async def test_nobody_else_registers(site):
    got = await site.http.post(DOOR, json=order())
    assert got.status_code == 401 and got.json()["errors"][0]["errorCode"] == "not-signed-in"
    foreign = {"Authorization": "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x"}
    assert (await site.http.post(DOOR, json=order(), headers=foreign)).status_code == 401


async def test_the_old_addresses_lead_to_the_same_tokens(site, asha, stack):
    keys = (await site.http.get("/.well-known/jwks.json")).json()
    assert keys == (await site.http.get("/v1/esignet/oauth/.well-known/jwks.json")).json()
    known = (await site.http.get("/v1/esignet/oidc/.well-known/openid-configuration")).json()
    assert known["registration_endpoint"].endswith(DOOR)
    browser, shop = await signed_in(site, asha), site.party("shop")
    shop.dpop = ECKey.generate_key("P-256")
    page = await browser.open(url_of(shop).replace("/oauth/authorize", "/authorize", 1))
    if page.status_code == 200:
        page = await browser.send("/signin/consent", decision="agree")
    form = {
        "grant_type": "authorization_code",
        "code": answer_of(page)["code"],
        "redirect_uri": shop.redirect,
        "code_verifier": shop.verifier,
    }
    got = await shop.post("/v1/esignet/oauth/v2/token", form, dpop=None)
    assert got.status_code == 200, got.text
    headers = {"Authorization": f"Bearer {got.json()['access_token']}"}
    assert (await site.http.get("/v1/esignet/oidc/userinfo", headers=headers)).json()["sub"]
    wrong = await shop.post("/v1/esignet/oauth/v2/token", form, dpop=None)
    assert wrong.status_code == 400 and wrong.json()["error"] == "invalid_grant"
