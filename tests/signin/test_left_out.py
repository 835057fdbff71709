"""Checks of the provider that every other test passed without when they were left out, one after the other."""

import secrets
import time
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from msgspec import structs
from tests.signin.party import ISSUER, answer_of, b64
from tests.signin.test_ciba import poll, signed, wish
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.ids import uuid7
from msingi.signin import acts, wire
from msingi.signin.ciba.model import GRANT, Pointer
from msingi.signin.errors import FlowLost, InvalidScope
from msingi.signin.provider import acts as provider
from msingi.signin.provider import rules
from msingi.signin.provider.extend import Extensions, Scope
from msingi.signin.provider.model import Asked


def refused(answer, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text


async def test_a_refresh_gives_no_more_than_was_granted_and_works_for_its_secret_alone(site, asha, stack):
    bank, browser = site.party("bank"), await signed_in(site, asha)
    uri = await bank.push(scope="openid offline_access")
    page = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={uri}")
    tokens = (await bank.redeem(answer_of(page)["code"])).json()
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refused(await bank.post("/oauth/token", refresh | {"scope": "openid phone"}), "invalid_scope")
    assert (await bank.post("/oauth/token", refresh | {"scope": "openid"})).json()["scope"] == "openid"
    pointer = wire.unseal(stack.seal, "refresh", tokens["refresh_token"], wire.Pointer)
    guess = wire.seal(stack.seal, "refresh", structs.replace(pointer, secret=secrets.token_bytes(32)))
    refused(await bank.post("/oauth/token", refresh | {"refresh_token": guess}), "invalid_grant")


async def test_the_key_that_is_named_is_the_key_that_is_shown(site):
    bank = site.party("bank")
    refused(await bank.post("/oauth/par", bank.request(dpop_jkt=b64(bytes(32)))), "invalid_request")


async def test_one_proof_of_key_by_an_algorithm_that_is_good_enough(site):
    bank, there = site.party("bank"), ISSUER + "/oauth/par"
    proofs = [("DPoP", bank.proof("POST", there)), ("DPoP", bank.proof("POST", there))]
    both = await bank.http.post("/oauth/par", data=bank.proven(bank.request()), headers=proofs)
    refused(both, "invalid_dpop_proof")
    key = RSAKey.generate_key(2048)
    head = {"alg": "RS256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}
    claims = {"htm": "POST", "htu": there, "iat": int(time.time()), "jti": str(uuid7())}
    weak = jwt.encode(head, claims, key, algorithms=["RS256"])
    refused(await bank.post("/oauth/par", bank.request(), dpop=weak), "invalid_dpop_proof")


@pytest.mark.parametrize("jti", ["", "x" * 501], ids=["empty", "long"])
async def test_an_assertion_names_itself_in_a_few_letters(site, jti):
    bank = site.party("bank")
    asked = bank.request() | {"client_assertion": bank.assertion(jti=jti)}
    refused(await bank.post("/oauth/par", asked), "invalid_client", 401)


async def test_an_assertion_of_the_promised_kind_by_software_that_promised_it(site, stack, keys):
    bank = site.party("bank")
    other = bank.request() | {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"}
    refused(await bank.post("/oauth/par", other), "invalid_client", 401)
    nobody = bank.request() | {"client_assertion": bank.assertion(sub=7)}
    refused(await bank.post("/oauth/par", nobody), "invalid_client", 401)
    sworn = structs.replace(await acts.client(stack, "shop"), client_id="sworn", auth="attest_jwt_client_auth")
    await acts.add_client(stack, job_context("sample"), sworn)
    keys["sworn"] = keys["shop"]
    party = site.party("sworn")
    refused(await party.post("/oauth/par", party.request()), "invalid_client", 401)


async def test_a_grant_beyond_the_usual_is_for_software_that_registered_it(site, stack, keys):
    plain = structs.replace(await acts.client(stack, "shop"), client_id="plain", grants=frozenset())
    await acts.add_client(stack, job_context("sample"), plain)
    keys["plain"] = keys["shop"]
    asked = {"grant_type": GRANT, "auth_req_id": "x"}
    refused(await site.party("plain").post("/oauth/token", asked, dpop=None), "unauthorized_client")
    refused(await site.party("shop").post("/oauth/token", asked, dpop=None), "invalid_grant")


async def test_who_guesses_a_request_to_approve_gets_nothing_of_it(site, asha, stack):
    shop = site.party("shop")
    accepted = (await shop.post("/oauth/bc-authorize", wish(asha), dpop=None)).json()
    pointer = wire.unseal(stack.seal, "ciba", accepted["auth_req_id"], Pointer)
    guess = wire.seal(stack.seal, "ciba", structs.replace(pointer, secret=bytes(32)))
    refused(await poll(shop, {"auth_req_id": guess}), "invalid_grant")
    refused(await poll(shop, accepted), "authorization_pending")


async def test_a_signed_request_is_its_senders(site):
    bank, shop = site.party("bank"), site.party("shop")
    inside = signed(bank, bank.request())
    form = {"client_id": "shop"} | inside
    answer = await bank.http.post(
        "/oauth/par",
        data=bank.proven(form),
        headers={"DPoP": bank.proof("POST", ISSUER + "/oauth/par")},
    )
    assert answer.status_code in (400, 401), answer.text
    page = await site.browser().open(f"/oauth/authorize?client_id={shop.client_id}&request={inside['request']}")
    assert page.status_code == 400 and "location" not in page.headers


async def test_hints_that_name_two_people_are_refused(site, asha, juma):
    subjects = []
    for person, pin in ((asha, "4711"), (juma, "8022")):
        shop, browser = site.party("shop"), await signed_in(site, person, pin)
        page = await browser.open(url_of(shop))
        tokens = (await shop.redeem(answer_of(page)["code"])).json()
        subjects.append(((await shop.verify(tokens["id_token"]))[1]["sub"], tokens["id_token"]))
    shop = site.party("shop")
    claims = f'{{"id_token":{{"sub":{{"value":"{subjects[0][0]}"}}}}}}'
    hinted = shop.request(id_token_hint=subjects[1][1], claims=claims)
    refused(await shop.post("/oauth/par", hinted), "invalid_request")
    same = shop.request(id_token_hint=subjects[0][1], claims=claims)
    assert (await shop.post("/oauth/par", same)).status_code == 201


async def test_a_wish_to_sign_out_is_of_the_browser_that_has_it_and_of_now(site, asha):
    browser, other = await signed_in(site, asha), await signed_in(site, asha)
    await browser.open("/oauth/logout")
    ticket = browser.field("ticket")
    for where, ahead in ((other, 0), (browser, 3_600)):
        with clock.freeze(clock.now() + timedelta(seconds=ahead)):
            form = {"ticket": ticket}
            answer = await where.http.post("/signin/leave", data=form, headers={"Origin": ISSUER})
        assert answer.status_code == 400 and "signin.flow-lost" in answer.text
    assert answer_of(await other.open(url_of(site.party("portal"))))["code"], "nobody was signed out"


async def test_who_was_signed_out_meanwhile_agrees_to_nothing(site, asha, stack):
    browser = await signed_in(site, asha)
    cookie = browser.http.cookies["msingi-session"]
    await provider.leave(stack, cookie, "r")
    asked = Asked(client_id="shop", redirect_uri="x", scopes=("openid",), challenge="", request_id="", expires_at=0)
    with pytest.raises(FlowLost):
        await provider.agree(stack, cookie, await acts.client(stack, "shop"), asked, ("name",), "r")


async def test_a_scope_for_fapi_software_is_for_no_other(stack, keys):
    more = Extensions()
    more.scopes["strict"] = Scope(name="strict", open=True, fapi=True)
    with pytest.raises(InvalidScope):
        rules.read_scopes("openid strict", await acts.client(stack, "shop"), more)
    assert rules.read_scopes("openid strict", await acts.client(stack, "bank"), more) == ("openid", "strict")
