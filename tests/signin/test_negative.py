"""What must be refused: the negative list of FAPI 2.0 and its kin, each with the right error, and leading nowhere."""

import time
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from tests.signin.conftest import PIN
from tests.signin.party import ISSUER, answer_of
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel import clock
from msingi.signin.provider.model import REQUEST_URI


@pytest.fixture
async def browser(site, asha):
    """A browser in which Asha is signed in."""
    return await signed_in(site, asha)


async def code_for(site, browser, name="portal", **changes):
    party = site.party(name)
    if name == "bank":
        page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={await party.push(**changes)}")
    else:
        page = await browser.open(url_of(party, **changes))
    return party, answer_of(page)["code"]


async def test_fapi_client_must_push_its_request(site, browser):
    page = await browser.open(url_of(site.party("bank")))
    assert page.status_code == 400 and "signin.pushed-request-needed" in page.text and "location" not in page.headers


async def test_fapi_client_without_proof_of_key_gets_no_token(site, browser):
    bank, code = await code_for(site, browser, "bank")
    got = await bank.redeem(code, dpop=None)
    assert got.status_code == 400 and got.json()["error"] == "invalid_request"
    software = await bank.post("/oauth/token", {"grant_type": "client_credentials"}, dpop=None)
    assert software.status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [ISSUER]},
        {"aud": ISSUER + "/oauth/par"},
        {"aud": ISSUER + "/"},
        {"iss": "other"},
        {"sub": "shop"},
        {"exp": int(time.time()) - 3600},
        {"exp": int(time.time()) + 7200},
        {"exp": None},
        {"jti": None},
        {"iat": int(time.time()) + 86_400},
        {"nbf": int(time.time()) + 86_400},
    ],
)
async def test_wrong_assertions_are_refused(site, changes):
    bank = site.party("bank")
    got = await bank.post("/oauth/par", bank.request() | {"client_assertion": bank.assertion(**changes)})
    assert got.status_code == 401 and got.json()["error"] == "invalid_client", got.text
    assert "www-authenticate" in got.headers


async def test_slightly_fast_clock_is_accepted(site):
    bank = site.party("bank")
    ahead = int(time.time()) + 8
    got = await bank.post("/oauth/par", bank.request() | {"client_assertion": bank.assertion(iat=ahead, nbf=ahead)})
    assert got.status_code == 201


async def test_assertion_by_a_foreign_key_or_a_weak_algorithm_is_refused(site):
    bank = site.party("bank")
    good = bank.key
    bank.key = ECKey.generate_key("P-256")
    assert (await bank.post("/oauth/par", bank.request())).json()["error"] == "invalid_client"
    now = int(time.time())
    claims = {"iss": "bank", "sub": "bank", "aud": ISSUER, "jti": "x1", "exp": now + 60}
    forged = [
        jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(str(good.as_dict(private=False)))),
        jwt.encode({"alg": "RS256"}, claims, RSAKey.generate_key(2048)),
        "eyJhbGciOiJub25lIn0." + jwt.encode({"alg": "ES256"}, claims, good).split(".")[1] + ".",
        "no.jwt",
    ]
    for assertion in forged:
        got = await bank.post("/oauth/par", bank.request() | {"client_assertion": assertion})
        assert got.status_code == 401 and got.json()["error"] == "invalid_client"


async def test_assertion_works_once(site):
    bank = site.party("bank")
    assertion = {"client_assertion": bank.assertion()}
    assert (await bank.post("/oauth/par", bank.request() | assertion)).status_code == 201
    again = await bank.post("/oauth/par", bank.request() | assertion)
    assert again.status_code == 401 and again.json()["error"] == "invalid_client" and "jti" in again.text


async def test_confidential_client_cannot_pose_as_public(site):
    got = await site.http.post("/oauth/par", data=site.party("shop").request())
    assert got.status_code == 401 and got.json()["error"] == "invalid_client"
    got = await site.http.post("/oauth/token", data={"client_id": "nobody", "grant_type": "client_credentials"})
    assert got.status_code == 401
    got = await site.party("app").post("/oauth/token", {"grant_type": "client_credentials"})
    assert got.status_code == 400 and got.json()["error"] == "unauthorized_client"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"request": "eyJ"}, "invalid_request_object"),
        ({"scope": "openid api"}, "invalid_scope"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"claims": "[1]"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
    ],
)
async def test_wrong_requests_are_refused_pushed_and_plain(site, browser, changes, error):
    bank = site.party("bank")
    pushed = await bank.post("/oauth/par", bank.request(**changes))
    assert pushed.status_code == 400 and pushed.json()["error"] == error, pushed.text
    shop = site.party("shop")
    answer = answer_of(await browser.open(url_of(shop, **changes)))
    assert answer["error"] == error and answer["state"] == shop.state and answer["iss"] == ISSUER


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/back",
        "https://rp.example/back/",
        "https://rp.example/back?x=1",
        "HTTPS://rp.example/back",
        "https://rp.example/back#f",
        "",
    ],
)
async def test_foreign_redirect_address_shows_a_page_and_leads_nowhere(site, browser, uri):
    page = await browser.open(url_of(site.party("shop"), redirect_uri=uri))
    assert page.status_code == 400 and "location" not in page.headers
    assert "signin.redirect-mismatch" in page.text and "evil.example" not in page.text
    bank = site.party("bank")
    assert (await bank.post("/oauth/par", bank.request(redirect_uri=uri))).status_code == 400


async def test_unknown_client_and_doubled_parameters_show_a_page(site, browser):
    page = await browser.open("/oauth/authorize?client_id=nobody&response_type=code")
    assert page.status_code == 401 and "signin.invalid-client" in page.text
    page = await browser.open(url_of(site.party("shop")) + "&state=again")
    assert page.status_code == 400 and "comes twice" in page.text


async def test_pushed_request_belongs_to_its_client_and_works_once_and_not_for_long(site, browser, stack):
    bank = site.party("bank")
    uri = await bank.push()
    page = await browser.open(f"/oauth/authorize?client_id=shop&request_uri={uri}")
    assert page.status_code == 400 and "signin.flow-lost" in page.text
    assert "code" in answer_of(await browser.open(f"/oauth/authorize?client_id=bank&request_uri={uri}"))
    page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={uri}")
    assert page.status_code == 400 and "signin.flow-lost" in page.text
    for bad in (REQUEST_URI + "AAAA", uri[:-4] + "AAAA", "https://evil.example/request.jwt"):
        page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={bad}")
        assert page.status_code == 400 and "location" not in page.headers
    late = await bank.push()
    with clock.freeze(clock.now() + timedelta(seconds=95)):
        page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={late}")
    assert page.status_code == 400 and "90 seconds" in page.text


async def test_code_works_once_and_its_second_use_ends_the_tokens(site, browser):
    portal, code = await code_for(site, browser)
    token = (await portal.redeem(code)).json()["access_token"]
    assert (await portal.userinfo(token)).status_code == 200
    again = await portal.redeem(code)
    assert again.status_code == 400 and again.json()["error"] == "invalid_grant"
    assert (await portal.userinfo(token)).status_code == 401


async def test_code_is_bound_to_client_address_verifier_and_time(site, browser):
    portal, code = await code_for(site, browser)
    for changes in ({"redirect_uri": "https://rp.example/other"}, {"code_verifier": "a" * 43}, {"code_verifier": ""}):
        got = await portal.redeem(code, **changes)
        assert got.status_code == 400 and got.json()["error"] == "invalid_grant"
    other = site.party("shop")
    other.verifier = portal.verifier
    assert (await other.redeem(code)).json()["error"] == "invalid_grant"
    assert (await portal.redeem(code[:-2] + "xx")).json()["error"] == "invalid_grant"
    with clock.freeze(clock.now() + timedelta(seconds=61)):
        late = await portal.post(
            "/oauth/token",
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": portal.redirect,
                "code_verifier": portal.verifier,
                "client_assertion": portal.assertion(exp=int(time.time()) + 300),
            },
            dpop=None,
        )
    assert late.json()["error"] == "invalid_grant", late.text
    assert (await portal.redeem(code)).status_code == 200


async def test_code_is_bound_to_the_key_that_the_push_showed(site, browser):
    bank, code = await code_for(site, browser, "bank")
    first, bank.dpop = bank.dpop, ECKey.generate_key("P-256")
    got = await bank.redeem(code)
    assert got.status_code == 400 and got.json()["error"] == "invalid_grant"
    bank.dpop = first
    assert (await bank.redeem(code)).status_code == 200
    named = bank.request(dpop_jkt="another-key")
    assert (await bank.post("/oauth/par", named)).json()["error"] == "invalid_request"


TOKEN_URL = ISSUER + "/oauth/token"


@pytest.mark.parametrize(
    ("method", "url", "header", "changes"),
    [
        ("GET", TOKEN_URL, {}, {}),
        ("POST", ISSUER + "/oauth/par", {}, {}),
        ("POST", "https://evil.example/oauth/token", {}, {}),
        ("POST", TOKEN_URL, {"typ": "JWT"}, {}),
        ("POST", TOKEN_URL, {"jwk": None}, {}),
        ("POST", TOKEN_URL, {"jwk": ECKey.generate_key("P-256").as_dict(private=False)}, {}),
        ("POST", TOKEN_URL, {}, {"iat": int(time.time()) - 86_400}),
        ("POST", TOKEN_URL, {}, {"iat": int(time.time()) + 86_400}),
        ("POST", TOKEN_URL, {}, {"jti": ""}),
    ],
    ids=["htm", "htu-path", "htu-host", "typ", "no-jwk", "foreign-jwk", "old", "future", "jti"],
)
async def test_wrong_proofs_of_key_are_refused(site, browser, method, url, header, changes):
    portal, code = await code_for(site, browser)
    got = await portal.redeem(code, dpop=portal.proof(method, url, header=header, **changes))
    assert got.status_code == 400 and got.json()["error"] == "invalid_dpop_proof", got.text


async def test_proof_with_private_key_inside_or_used_before_is_refused(site, browser):
    portal, code = await code_for(site, browser)
    private = portal.proof("POST", TOKEN_URL, header={"jwk": portal.dpop.as_dict(private=True)})
    assert (await portal.redeem(code, dpop=private)).json()["error"] == "invalid_dpop_proof"
    proof = portal.proof("POST", TOKEN_URL)
    assert (await portal.redeem(code, dpop=proof)).status_code == 200
    other, code = await code_for(site, browser)
    assert (await other.redeem(code, dpop=proof)).json()["error"] == "invalid_dpop_proof"


async def test_bound_token_needs_its_own_fresh_proof_everywhere(site, browser):
    portal, code = await code_for(site, browser, scope="openid api")
    token = (await portal.redeem(code)).json()["access_token"]
    thief = site.party("portal")
    userinfo = ISSUER + "/oauth/userinfo"
    wrong = [
        ("Bearer", ""),
        ("DPoP", thief.proof("GET", userinfo, token)),
        ("DPoP", portal.proof("GET", userinfo)),
        ("DPoP", portal.proof("GET", userinfo, token + "x")),
        ("DPoP", portal.proof("POST", userinfo, token)),
    ]
    for scheme, proof in wrong:
        got = await portal.userinfo(token, scheme, proof)
        assert got.status_code == 401 and got.json()["error"] == "invalid_token", got.text
    once = portal.proof("GET", userinfo, token)
    assert (await portal.userinfo(token, proof=once)).status_code == 200
    assert (await portal.userinfo(token, proof=once)).status_code == 401
    door = portal.proof("GET", ISSUER + "/v1/sessions", token)
    headers = {"Authorization": f"DPoP {token}", "DPoP": door}
    assert (await site.http.get("/v1/sessions", headers=headers)).status_code == 200
    assert (await site.http.get("/v1/sessions", headers=headers)).status_code == 401
    assert (await site.http.get("/v1/sessions", headers={"Authorization": f"Bearer {token}"})).status_code == 401
    assert (await site.http.get(f"/v1/sessions?access_token={token}")).status_code == 401
    assert (await site.http.get(f"/oauth/userinfo?access_token={token}")).status_code == 401


async def test_third_partys_token_opens_userinfo_and_no_other_door(site, browser):
    app, code = await code_for(site, browser, "app")
    token = (await app.redeem(code)).json()["access_token"]
    assert (await app.userinfo(token)).status_code == 200
    headers = {"Authorization": f"DPoP {token}", "DPoP": app.proof("GET", ISSUER + "/v1/sessions", token)}
    assert (await site.http.get("/v1/sessions", headers=headers)).status_code == 401


async def test_token_of_another_type_or_altered_is_refused(site, browser):
    portal, code = await code_for(site, browser, scope="openid api")
    tokens = (await portal.redeem(code, dpop=None)).json()
    header, payload, signature = tokens["access_token"].split(".")
    altered = [
        tokens["id_token"],
        f"{header}.{payload[:-2]}AA.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
        "x",
    ]
    for token in altered:
        got = await site.http.get("/v1/sessions", headers={"Authorization": f"Bearer {token}"})
        assert got.status_code == 401, token


async def test_foreign_form_or_foreign_browser_cannot_go_on(site, asha):
    mine, other = site.browser(), site.browser()
    await mine.open(url_of(site.party("portal")))
    await other.open(url_of(site.party("portal")))
    flow = mine.field("flow")
    stolen = await other.http.post("/signin/pin", data={"flow": flow, "login": asha.number, "pin": PIN})
    assert stolen.status_code == 400 and "signin.flow-lost" in stolen.text
    form = {"flow": flow, "login": asha.number, "pin": PIN}
    forged = await mine.http.post("/signin/pin", data=form, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 400 and "signin.flow-lost" in forged.text
    # The code page of somebody who has not proved the PIN does not exist.
    early = await mine.http.post("/signin/code", data={"flow": flow, "code": "123456"}, headers={"Origin": ISSUER})
    assert early.status_code == 400


async def test_logout_leads_only_to_registered_addresses(site, browser):
    portal, code = await code_for(site, browser)
    hint = (await portal.redeem(code)).json()["id_token"]
    page = await browser.open(f"/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri=https://evil.example/")
    assert page.status_code == 400 and "location" not in page.headers
    page = await browser.open("/oauth/logout?post_logout_redirect_uri=https://rp.example/bye")
    assert page.status_code == 401 and "location" not in page.headers
    page = await browser.open(f"/oauth/logout?id_token_hint={hint[:-6]}AAAAAA")
    assert page.status_code == 400


async def test_nonsense_at_every_door_is_refused_and_never_a_bug(site, browser):
    bank = site.party("bank")
    odd = bank.assertion(sub="\0", iss="\0")
    assert (await bank.post("/oauth/par", bank.request() | {"client_assertion": odd})).status_code == 401
    for path in ("/oauth/authorize?client_id=%00", "/oauth/authorize?client_id=a%00b&request_uri=%F0%9F%98%80"):
        assert (await browser.open(path)).status_code == 400
    for path in ("/signin", "/signin/code", "/signin/consent"):
        for flow in ("", "x", "é", "%00", "A" * 200):
            assert (await browser.open(f"{path}?flow={flow}")).status_code == 400
    for path in ("/signin/pin", "/signin/code", "/signin/code/again", "/signin/consent", "/signin/leave"):
        got = await browser.http.post(path, content=b"\xff\x00=%00&flow=%F0", headers={"Origin": ISSUER})
        assert got.status_code == 400, path
    for path in ("/oauth/par", "/oauth/token", "/oauth/revoke"):
        for body in (b"", b"\xff\xfe", b"a=1&a=2", b"client_id=%00", b"&".join([b"x=1"] * 60)):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            got = await site.http.post(path, content=body, headers=headers)
            assert got.status_code in (400, 401) and got.json()["error"], (path, body)
    for header in ("", "DPoP", "DPoP x", "Bearer é", "Basic YTpi"):
        got = await site.http.get("/oauth/userinfo", headers={"Authorization": header.encode()})
        assert got.status_code == 401 and got.json()["error"] == "invalid_token"


async def test_token_endpoint_speaks_oauth(site):
    bank = site.party("bank")
    got = await bank.post("/oauth/token", {"grant_type": "password", "username": "a", "password": "b"})
    assert got.status_code == 400 and got.json()["error"] == "unsupported_grant_type"
    got = await site.http.post("/oauth/token", json={"grant_type": "authorization_code"})
    assert got.status_code == 400 and got.json()["error"] == "invalid_request"
    got = await bank.post("/oauth/token", {"grant_type": "client_credentials", "scope": "openid"})
    assert got.json()["error"] == "invalid_scope"
    got = await bank.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": "x"})
    assert got.json()["error"] == "invalid_grant"
    assert set(got.json()) == {"error", "error_description", "request_id"}
    got = await bank.post("/oauth/revoke", {"token": "unknown"}, dpop=None)
    assert got.status_code == 200
