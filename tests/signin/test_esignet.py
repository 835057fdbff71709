"""The doors that software written for eSignet knows: registration with its codes, and the same tokens behind them.

Its relying parties as they were written: no PKCE but a nonce, RS256, certified keys (decision 0039).
"""

import base64
import json
import time
from datetime import timedelta

import pytest
from cryptography import x509
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from msgspec import structs
from tests.signin.conftest import RP
from tests.signin.party import ISSUER, JWT_BEARER, answer_of
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel import clock, policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin.errors import BadRegistration
from msingi.signin.model import NewStaff, Profile
from msingi.signin.provider import rsakeys

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


async def staff(site, stack, staff_id, phone):
    """The headers of an operator's token at the portal's client."""
    roles = frozenset(["operator"])
    new = NewStaff(staff_id=staff_id, institution="rita", roles=roles, name="Op", phone=phone, pin="4711")
    await signin.add_staff(stack, job_context("sample"), new)
    portal, browser = site.party("portal"), site.browser()
    page = await site.sign_in(browser, new, "4711", url_of(portal, scope="openid api"))
    token = (await portal.redeem(answer_of(page)["code"], dpop=None)).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
async def operator(site, stack, sms):
    """An operator's headers."""
    return await staff(site, stack, "op-1", "+255700000901")


@pytest.fixture
async def colleague(site, stack, sms):
    """Another operator's headers."""
    return await staff(site, stack, "op-2", "+255700000902")


async def together(site, one, two, asked, method="POST", path=DOOR):
    """Both operators ask for the same; what the second is told."""
    first = (await site.http.request(method, path, json=asked, headers=one)).json()
    assert first["response"]["status"] == "PENDING", first
    return (await site.http.request(method, path, json=asked, headers=two)).json()


async def test_two_operators_register_and_update_and_one_ends_a_client(site, operator, colleague, stack):
    made = await together(site, operator, colleague, order())
    assert made["errors"] == [] and made["response"] == {"clientId": "health-portal", "status": "ACTIVE"}
    known = await signin.client(stack, "health-portal")
    assert known.claims == {"name", "birthdate"} and known.userinfo_signed and known.institution == "kliniki"
    again = (await site.http.post(DOOR, json=order(), headers=operator)).json()
    assert "response" not in again and again["errors"][0]["errorCode"] == "duplicate_client_id"
    changed = order(clientName="Other", status="active")
    del changed["request"]["publicKey"]
    put = await together(site, operator, colleague, changed, "PUT", f"{DOOR}/health-portal")
    assert put["errors"] == [] and put["response"]["status"] == "ACTIVE", put
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


NAMED = RSAKey.generate_key(2048, {"alg": "RS256", "use": "sig"})
BARE = {"code_challenge": None, "code_challenge_method": None}


async def consented(browser, url):
    page = await browser.open(url)
    if page.status_code == 200:
        page = await browser.send("/signin/consent", claim=["name"], decision="agree")
    return answer_of(page)


def signed(claims):
    now = int(time.time())
    said = {"iss": "mart", "sub": "mart", "aud": ISSUER, "jti": f"j{time.monotonic_ns()}", "iat": now, "exp": now + 60}
    return {
        "client_assertion_type": JWT_BEARER,
        "client_assertion": jwt.encode({"alg": "RS256"}, said | claims, NAMED, algorithms=["RS256"]),
    }


@pytest.fixture
async def mart(stack, keys, ctx_of):
    """Software that was registered for RS256, and signs its assertions with it."""
    shop = await signin.client(stack, "shop")
    new = structs.replace(
        shop,
        client_id="mart",
        institution="mart",
        jwks=(NAMED.as_dict(private=False),),
        userinfo_signed=True,
        id_token_signed_response_alg="RS256",
    )
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), new)
    return new


async def test_an_esignet_relying_party_signs_somebody_in_without_pkce_and_with_rs256(site, asha, mart, stack):
    browser = await signed_in(site, asha)
    party = site.party("shop")
    party.client_id = "mart"
    answer = await consented(browser, url_of(party, scope="openid profile", **BARE))
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": RP}
    # A verifier where no challenge was is a sign of somebody between (RFC 9700, section 2.1.1), and costs nothing.
    slipped = await site.http.post("/oauth/token", data=form | signed({}) | {"code_verifier": "v" * 43})
    assert slipped.status_code == 400 and slipped.json()["error"] == "invalid_grant"
    got = await site.http.post("/v1/esignet/oauth/v2/token", data=form | signed({}))
    assert got.status_code == 200, got.text
    listed = (await site.http.get("/.well-known/jwks.json")).json()["keys"]
    assert listed[0]["kty"] == "RSA" and listed[-1]["kty"] == "EC" and not {"d", "p"} & set(listed[0])
    certificate = x509.load_der_x509_certificate(base64.b64decode(listed[0]["x5c"][0]))
    certificate.verify_directly_issued_by(certificate)
    assert RSAKey.import_key(certificate.public_key()).as_dict(private=False)["n"] == listed[0]["n"]
    keys = KeySet.import_key_set({"keys": listed})
    read = jwt.decode(got.json()["id_token"], keys, algorithms=["RS256"])
    assert read.claims["nonce"] == party.nonce and read.claims["aud"] == "mart"
    headers = {"Authorization": f"Bearer {got.json()['access_token']}"}
    told = await site.http.get("/v1/esignet/oidc/userinfo", headers=headers)
    assert told.headers["content-type"].startswith("application/jwt")
    assert jwt.decode(told.text, keys, algorithms=["RS256"]).claims["name"] == "Asha Mushi"
    # The same ID token is a hint; one of a foreign key is not.
    hint = {"prompt": "none", "id_token_hint": got.json()["id_token"]}
    assert "code" in answer_of(await browser.open(url_of(party, **BARE, **hint)))
    forged = jwt.encode(
        {"alg": "RS256", "typ": "JWT", "kid": listed[0]["kid"]}, read.claims, NAMED, algorithms=["RS256"]
    )
    refused = answer_of(await browser.open(url_of(party, **BARE, prompt="none", id_token_hint=forged)))
    assert refused["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("app", BARE),  # public
        ("portal", BARE),  # the stack's own
        ("shop", BARE | {"nonce": None}),
        ("shop", BARE | {"nonce": ""}),
        ("shop", {"code_challenge": None}),
        ("shop", {"code_challenge_method": None}),
        ("shop", BARE | {"code_challenge": ""}),
    ],
    ids=["public", "own", "no-nonce", "empty-nonce", "half", "other-half", "empty"],
)
async def test_pkce_is_needed_wherever_the_nonce_does_not_do_its_work(site, asha, name, changes):
    party = site.party(name)
    url = url_of(party, **{k: v or None for k, v in changes.items()})
    url += "".join(f"&{k}=" for k, v in changes.items() if v == "")
    browser = await signed_in(site, asha)
    assert answer_of(await browser.open(url))["error"] == "invalid_request"


async def test_fapi_software_cannot_leave_pkce_out_nor_have_rs256(site, stack, ctx_of):
    bank = site.party("bank")
    pushed = await bank.post("/oauth/par", bank.request(**BARE))
    assert pushed.status_code == 400 and pushed.json()["error"] == "invalid_request"
    known = await signin.client(stack, "bank")
    wish = structs.replace(known, id_token_signed_response_alg="RS256")
    with pytest.raises(BadRegistration):
        await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), wish)
    with pytest.raises(BadRegistration):
        odd = structs.replace(known, profile=Profile.CONFIDENTIAL, id_token_signed_response_alg="none")
        await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), odd)


async def test_rs256_assertions_only_from_whoever_registered_such_a_key(site, mart, stack, ctx_of):
    ask = {"grant_type": "authorization_code", "code": "x", "redirect_uri": RP}
    right = await site.http.post("/oauth/token", data=ask | signed({}))
    assert right.json()["error"] == "invalid_grant", "the assertion was taken, the code was not"
    for wrong in (signed({"aud": f"{ISSUER}/oauth/token"}), signed({"sub": "shop"})):
        assert (await site.http.post("/oauth/token", data=ask | wrong)).status_code == 401
    unnamed = {k: v for k, v in NAMED.as_dict(private=False).items() if k != "alg"}
    for changes in ({"jwks": (unnamed,)}, {"profile": Profile.FAPI, "id_token_signed_response_alg": "ES256"}):
        await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), structs.replace(mart, **changes))
        assert (await site.http.post("/oauth/token", data=ask | signed({}))).status_code == 401


async def test_what_a_token_request_lacks_is_told_in_esignets_words_at_its_door(site):
    whole = {
        "grant_type": "authorization_code",
        "code": "code",
        "client_id": "mart",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.",
        "redirect_uri": RP,
    }
    told = {
        "client_assertion": "invalid_assertion",
        "client_assertion_type": "invalid_assertion_type",
        "redirect_uri": "invalid_redirect_uri",
        "grant_type": "invalid_input",
    }
    for missing, error in told.items():
        form = {k: v for k, v in whole.items() if k != missing}
        got = await site.http.post("/v1/esignet/oauth/token", data=form)
        assert (got.status_code, got.json()["error"]) == (400, error)
    empty = await site.http.post("/v1/esignet/oauth/token")
    assert (empty.status_code, empty.json()["error"]) == (400, "invalid_payload")
    forged = await site.http.post("/v1/esignet/oauth/token", data=whole)
    assert (forged.status_code, forged.json()["error"]) == (401, "invalid_client")
    # Our own door speaks RFC 6749.
    ours = await site.http.post("/oauth/token", data={k: v for k, v in whole.items() if k != "client_assertion"})
    assert ours.json()["error"] == "invalid_client"


async def test_the_rsa_key_is_made_anew_before_it_is_old_and_the_old_one_goes_on(stack, mart, monkeypatch):
    first = await rsakeys.signer(stack)
    assert await rsakeys.signer(stack) is first
    real, later = clock.now, timedelta(days=366)
    monkeypatch.setattr(clock, "now", lambda: real() + later)
    old = await rsakeys.signer(stack)
    listed = [k["kid"] for k in await rsakeys.public(stack)]
    assert old.jwk["kid"] == first.jwk["kid"] and len(listed) == 2, "a new key is published before it signs"
    later = timedelta(days=366, minutes=11)
    assert (await rsakeys.signer(stack)).jwk["kid"] == listed[0] != first.jwk["kid"]
    later = timedelta(days=731)
    assert [one.jwk["kid"] for one in await rsakeys.known(stack, fresh=True)] == listed[:1]


async def test_esignets_door_registers_for_rs256_unless_told_otherwise(site, operator, colleague, stack):
    made = await together(site, operator, colleague, order(clientId="clinic-1"))
    assert made["errors"] == []
    assert (await signin.client(stack, "clinic-1")).id_token_signed_response_alg == "RS256"
    more = order(clientId="clinic-2", additionalConfig={"id_token_signed_response_alg": "ES256"})
    assert (await together(site, operator, colleague, more))["errors"] == []
    assert (await signin.client(stack, "clinic-2")).id_token_signed_response_alg == "ES256"
    odd = order(clientId="clinic-3", id_token_signed_response_alg="HS256")
    told = (await site.http.post(DOOR, json=odd, headers=operator)).json()
    assert told["errors"][0]["errorCode"] == "invalid_additional_config"


async def test_access_signin_make_provider_key(stack, ctx_of):
    policy.decide(ctx_of(Kind.JOB, "signin"), "signin.make-provider-key", policy.NOBODY)
    with pytest.raises(NotPermitted):
        policy.decide(ctx_of(Kind.STAFF, "op-1", roles=["operator"]), "signin.make-provider-key", policy.NOBODY)
