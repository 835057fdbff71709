"""Signed requests, server nonces, hints about who is meant, and decisions that are remembered."""

import json
import time

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from msgspec import structs
from tests.signin.party import ISSUER, answer_of
from tests.signin.test_ciba import signed
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel.context import Kind
from msingi.signin import acts as signin


@pytest.fixture
async def browser(site, asha):
    """A browser in which Asha is signed in."""
    return await signed_in(site, asha)


def inside(party, **changes) -> dict[str, str]:
    return signed(party, party.request(**changes.pop("asked", {})), **changes)


async def test_a_signed_request_counts_alone_pushed_and_plain(site, browser):
    bank = site.party("bank")
    form = inside(bank) | {"redirect_uri": "https://evil.example", "scope": "openid api"}
    pushed = await bank.post("/oauth/par", form)
    assert pushed.status_code == 201, pushed.text
    page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={pushed.json()['request_uri']}")
    assert answer_of(page)["state"] == bank.state
    shop = site.party("shop")
    plain = inside(shop)["request"]
    page = await browser.open(f"/oauth/authorize?client_id=shop&request={plain}")
    assert answer_of(page)["state"] == shop.state


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"},
        {"aud": ISSUER + "/oauth/par"},
        {"iss": "shop"},
        {"iss": None},
        {"client_id": "shop"},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"exp": int(time.time()) + 86_400},
        {"nbf": int(time.time()) + 3_600},
        {"nbf": int(time.time()) - 86_400},
        {"exp": "soon"},
        {"request": "x"},
        {"request_uri": "https://rp.example/r"},
    ],
)
async def test_wrong_signed_requests_are_refused(site, changes):
    bank = site.party("bank")
    got = await bank.post("/oauth/par", inside(bank, **changes))
    assert got.status_code == 400 and got.json()["error"] == "invalid_request_object", got.text


async def test_signed_requests_by_a_foreign_key_a_weak_algorithm_or_another_type_are_refused(site):
    bank, stranger = site.party("bank"), site.party("bank")
    stranger.key = ECKey.generate_key("P-256")
    now = int(time.time())
    body = bank.request() | {"iss": "bank", "aud": ISSUER, "exp": now + 60, "nbf": now}
    typed = jwt.encode({"alg": "ES256", "typ": "dpop+jwt"}, body, bank.key)
    none = "eyJhbGciOiJub25lIn0." + typed.split(".")[1] + "."
    for text in (inside(stranger)["request"], typed, none, "x.y.z"):
        got = await bank.post("/oauth/par", {"request": text})
        assert got.status_code == 400 and got.json()["error"] == "invalid_request_object", text
    uri = await bank.post("/oauth/par", bank.request(request_uri="https://rp.example/r"))
    assert uri.json()["error"] == "request_uri_not_supported"


async def test_a_client_registered_for_nonces_needs_ours_in_each_proof(site, browser, stack, ctx_of):
    bank = await signin.client(stack, "bank")
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), structs.replace(bank, dpop_nonce=True))
    try:
        party, door = site.party("bank"), ISSUER + "/oauth/par"
        first = await party.post("/oauth/par", party.request())
        assert first.status_code == 400 and first.json()["error"] == "use_dpop_nonce"
        nonce = first.headers["dpop-nonce"]
        good = party.proof("POST", door, nonce=nonce)
        assert (await party.post("/oauth/par", party.request(), dpop=good)).status_code == 201
        # Our nonce shows freshness, so a wrong clock does not shut anybody out; the proof still works once.
        slow = party.proof("POST", door, nonce=nonce, iat=int(time.time()) - 7_200)
        assert (await party.post("/oauth/par", party.request(), dpop=slow)).status_code == 201
        assert (await party.post("/oauth/par", party.request(), dpop=slow)).json()["error"] == "invalid_dpop_proof"
        stale = party.proof("POST", door, nonce="invented")
        assert (await party.post("/oauth/par", party.request(), dpop=stale)).json()["error"] == "use_dpop_nonce"
    finally:
        await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), bank)


async def test_hints_name_who_must_be_signed_in(site, browser, juma):
    portal = site.party("portal")
    tokens = (await portal.redeem(answer_of(await browser.open(url_of(portal)))["code"])).json()
    _, claims = await portal.verify(tokens["id_token"])
    again = answer_of(await browser.open(url_of(portal, id_token_hint=tokens["id_token"], prompt="none")))
    assert "code" in again
    named = json.dumps({"id_token": {"sub": {"value": claims["sub"]}}})
    assert "code" in answer_of(await browser.open(url_of(portal, claims=named, prompt="none")))
    other = await signed_in(site, juma, "8022")
    assert answer_of(await other.open(url_of(portal, claims=named, prompt="none")))["error"] == "login_required"
    assert 'name="pin"' in (await other.open(url_of(portal, id_token_hint=tokens["id_token"]))).text
    for wrong in ({"id_token_hint": "x"}, {"id_token_hint": tokens["access_token"]}):
        assert answer_of(await browser.open(url_of(portal, **wrong)))["error"] == "invalid_request"
    foreign = answer_of(await browser.open(url_of(site.party("shop"), id_token_hint=tokens["id_token"])))
    assert foreign["error"] == "invalid_request"


async def test_a_strength_that_is_demanded_and_unknown_is_refused(site, browser):
    portal = site.party("portal")
    demanded = json.dumps({"id_token": {"acr": {"essential": True, "values": ["urn:example:gold"]}}})
    error = answer_of(await browser.open(url_of(portal, claims=demanded)))["error"]
    assert error == "unmet_authentication_requirements"
    wished = json.dumps({"id_token": {"acr": {"values": ["urn:example:gold"]}}})
    assert "code" in answer_of(await browser.open(url_of(portal, claims=wished)))


async def test_refused_claims_are_not_asked_for_again_and_needed_ones_go_with_the_yes(site, juma, stack):
    shop, browser = site.party("shop"), await signed_in(site, juma, "8022")
    claims = json.dumps({"userinfo": {"name": {"essential": True}, "birthdate": None}})
    page = await browser.open(url_of(shop, claims=claims))
    assert 'value="birthdate"' in page.text and 'value="name"' not in page.text
    page = await browser.send("/signin/consent", decision="agree")
    token = (await shop.redeem(answer_of(page)["code"])).json()["access_token"]
    known = (await shop.userinfo(token)).json()
    assert known["name"] == juma.full_name and "birthdate" not in known
    assert "code" in answer_of(await browser.open(url_of(site.party("shop"), claims=claims, prompt="none")))
    portal = site.party("portal")
    code = answer_of(await browser.open(url_of(portal, scope="openid api")))["code"]
    own = (await portal.redeem(code, dpop=None)).json()["access_token"]
    mine = (await site.http.get("/v1/agreements", headers={"Authorization": f"Bearer {own}"})).json()
    agreed = next(a for a in mine if a["client_id"] == "shop")
    assert agreed["claims"] == ["name"] and agreed["refused"] == ["birthdate"]
    header, receipt = await shop.verify(agreed["receipt"])
    assert header["typ"] == "consent-receipt+jwt" and receipt["claims"] == ["name"]
    assert receipt["sub"] == stack.pseudonym.of("benki", juma.person_id)
