"""The whole sign-in, from the request to the claims, as a relying party and a browser see it."""

import json
import re
from datetime import date

import httpx
import pytest
from tests.signin.conftest import PIN, RP
from tests.signin.party import ISSUER, Browser, answer_of
from tests.signin.people import enrol

from msingi.identity import acts as identity
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import uuid7
from msingi.signin import acts
from msingi.signin.provider import acts as provider
from msingi.signin.provider.model import ACR


def url_of(party, **changes) -> str:
    return str(httpx.URL("/oauth/authorize", params=party.request(**changes)))


async def signed_in(site, person, pin=PIN) -> Browser:
    """A browser in which the person is signed in to the stack's own portal."""
    browser = site.browser()
    back = await site.sign_in(browser, person, pin, url_of(site.party("portal")))
    assert "code" in answer_of(back)
    return browser


async def test_metadata_names_what_is_offered(site):
    found = (await site.http.get("/.well-known/openid-configuration")).json()
    assert found == (await site.http.get("/.well-known/oauth-authorization-server")).json()
    assert found["issuer"] == ISSUER and found["code_challenge_methods_supported"] == ["S256"]
    beside = {  # doors of other rooms
        "registration_endpoint": "/v1/esignet/",
        "challenge_endpoint": "/oid4vci/",
        "status_list_aggregation_endpoint": "/credentials/status",
    }
    for name, value in found.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert value.startswith(ISSUER + beside.get(name, "/oauth/")), name
    keys = (await site.http.get("/oauth/jwks")).json()["keys"]
    assert keys and all(k["alg"] == "ES256" and "d" not in k for k in keys)


async def test_fapi_sign_in_from_pushed_request_to_claims(site, asha, stack):
    bank, browser = site.party("bank"), site.browser()
    uri = await bank.push(scope="openid profile phone offline_access")
    page = await site.sign_in(browser, asha, PIN, f"/oauth/authorize?client_id=bank&request_uri={uri}")
    assert "The bank" in page.text and 'value="birthdate"' in page.text
    back = await browser.send("/signin/consent", claim=["name", "phone_number"], decision="agree")
    assert back.headers["location"].startswith(RP)
    answer = answer_of(back)
    assert answer["state"] == bank.state and answer["iss"] == ISSUER
    got = await bank.redeem(answer["code"])
    assert got.status_code == 200, got.text
    tokens = got.json()
    assert tokens["token_type"] == "DPoP" and got.headers["cache-control"] == "no-store"
    header, claims = await bank.verify(tokens["id_token"])
    assert header["alg"] == "ES256" and claims["aud"] == "bank" and claims["nonce"] == bank.nonce
    assert claims["acr"] == ACR[2] and claims["amr"] == ["otp", "pin", "mfa"]
    assert claims["sub"] == stack.pseudonym.of("benki", asha.person_id)
    info = await bank.userinfo(tokens["access_token"])
    assert info.json() == {"sub": claims["sub"], "name": asha.full_name, "phone_number": asha.phone}
    again = await bank.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert again.status_code == 200 and again.json()["refresh_token"] == tokens["refresh_token"]
    assert (await bank.userinfo(again.json()["access_token"])).status_code == 200
    ended = await bank.post("/oauth/revoke", {"token": tokens["refresh_token"]}, dpop=None)
    assert ended.status_code == 200
    assert (await bank.userinfo(again.json()["access_token"])).status_code == 401
    later = await bank.post("/oauth/token", {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]})
    assert later.json()["error"] == "invalid_grant"


async def test_plain_request_of_a_confidential_client_with_bearer_token(site, asha):
    shop, browser = site.party("shop"), site.browser()
    await site.sign_in(browser, asha, PIN, url_of(shop, scope="openid profile"))
    answer = answer_of(await browser.send("/signin/consent", claim=["birthdate"], decision="agree"))
    tokens = (await shop.redeem(answer["code"], dpop=None)).json()
    assert tokens["token_type"] == "Bearer" and "refresh_token" not in tokens
    info = (await shop.userinfo(tokens["access_token"], "Bearer")).json()
    assert set(info) == {"sub", "birthdate"} and info["birthdate"] == asha.birth_date.isoformat()


async def test_public_client_proves_itself_by_pkce_alone(site, asha):
    app, browser = site.party("app"), site.browser()
    back = await site.sign_in(browser, asha, PIN, url_of(app))
    tokens = (await app.redeem(answer_of(back)["code"])).json()
    assert tokens["token_type"] == "DPoP" and "refresh_token" not in tokens
    assert set((await app.userinfo(tokens["access_token"])).json()) == {"sub"}


async def test_two_institutions_know_a_person_under_two_names(site, asha):
    subs = []
    for name in ("shop", "app"):
        party, browser = site.party(name), site.browser()
        back = await site.sign_in(browser, asha, PIN, url_of(party))
        _, claims = await party.verify((await party.redeem(answer_of(back)["code"])).json()["id_token"])
        subs.append(claims["sub"])
    assert len(set(subs)) == 2 and str(asha.person_id) not in subs and asha.number not in subs


async def test_claims_parameter_for_userinfo_and_id_token(site, asha):
    bank, browser = site.party("bank"), site.browser()
    wanted = {"userinfo": {"msingi:number": {"essential": True}, "email": None}, "id_token": {"birthdate": None}}
    uri = await bank.push(claims=json.dumps(wanted), scope="openid")
    await site.sign_in(browser, asha, PIN, f"/oauth/authorize?client_id=bank&request_uri={uri}")
    claims = ["msingi:number", "birthdate"]
    answer = answer_of(await browser.send("/signin/consent", claim=claims, decision="agree"))
    tokens = (await bank.redeem(answer["code"])).json()
    _, said = await bank.verify(tokens["id_token"])
    assert said["birthdate"] == asha.birth_date.isoformat() and "msingi:number" not in said
    info = (await bank.userinfo(tokens["access_token"])).json()
    assert info["msingi:number"] == asha.number and "email" not in info


async def test_a_client_gets_no_claim_that_it_was_not_registered_for(site, asha):
    shop, browser = site.party("shop"), site.browser()
    claims = json.dumps({"userinfo": {"msingi:number": None}})
    back = await site.sign_in(browser, asha, PIN, url_of(shop, claims=claims))
    tokens = (await shop.redeem(answer_of(back)["code"], dpop=None)).json()
    assert set((await shop.userinfo(tokens["access_token"], "Bearer")).json()) == {"sub"}


async def test_refused_consent_goes_back_as_access_denied(site, asha):
    shop, browser = site.party("shop"), site.browser()
    await site.sign_in(browser, asha, PIN, url_of(shop, scope="openid profile", prompt="consent"))
    answer = answer_of(await browser.send("/signin/consent", decision="refuse"))
    assert answer["error"] == "access_denied" and answer["state"] == shop.state and answer["iss"] == ISSUER


async def test_agreement_is_remembered_and_more_is_asked_anew(site, juma):
    shop, browser = site.party("shop"), site.browser()
    await site.sign_in(browser, juma, "8022", url_of(shop, scope="openid profile"))
    await browser.send("/signin/consent", claim=["name", "birthdate"], decision="agree")
    silent = site.party("shop")
    back = await browser.open(url_of(silent, scope="openid profile", prompt="none"))
    assert "code" in answer_of(back)
    bank = site.party("bank")
    uri = await bank.push(scope="openid profile", prompt="none")
    back = await browser.open(f"/oauth/authorize?client_id=bank&request_uri={uri}")
    assert answer_of(back)["error"] == "consent_required"


async def test_single_sign_on_prompt_none_and_prompt_login(site, asha):
    nobody = site.browser()
    back = await nobody.open(url_of(site.party("portal"), prompt="none"))
    assert answer_of(back)["error"] == "login_required"
    browser = await signed_in(site, asha)
    back = await browser.open(url_of(site.party("portal"), prompt="none"))
    assert "code" in answer_of(back)
    assert 'name="pin"' in (await browser.open(url_of(site.party("portal"), prompt="login"))).text
    assert 'name="pin"' in (await browser.open(url_of(site.party("portal"), max_age="0"))).text
    assert "code" in answer_of(await browser.open(url_of(site.party("portal"), max_age="600")))


async def test_one_factor_where_asked_and_the_second_when_more_is_needed(site, asha, sms):
    portal, browser = site.party("portal"), site.browser()
    await browser.open(url_of(portal, acr_values=ACR[1]))
    back = await browser.send("/signin/pin", login=asha.number, pin=PIN)
    _, claims = await portal.verify((await portal.redeem(answer_of(back)["code"])).json()["id_token"])
    assert claims["acr"] == ACR[1] and claims["amr"] == ["pin"]
    # The same browser now needs two factors: only the code is missing.
    more = site.party("portal")
    assert 'name="code"' in (await browser.open(url_of(more))).text
    back = await browser.send("/signin/code", code=await sms.code(asha.phone))
    _, claims = await more.verify((await more.redeem(answer_of(back)["code"])).json()["id_token"])
    assert claims["acr"] == ACR[2]


async def test_staff_sign_in_with_roles_and_institution(site, officer):
    portal, browser = site.party("portal"), site.browser()
    back = await site.sign_in(browser, officer, PIN, url_of(portal, scope="openid api profile"))
    tokens = (await portal.redeem(answer_of(back)["code"])).json()
    _, claims = await portal.verify(tokens["access_token"])
    assert claims["kind"] == "staff" and claims["roles"] == ["enrolment-officer"] and claims["institution"] == "rita"
    assert (await portal.userinfo(tokens["access_token"])).json() == {"sub": "officer-1", "name": "Neema Officer"}
    # A third party's software is no place for a staff account.
    page = await browser.open(url_of(site.party("shop")))
    assert page.status_code == 403 and "signin.access-denied" in page.text


async def test_sign_in_by_phone_number(site, asha, sms):
    browser = site.browser()
    await browser.open(url_of(site.party("portal")))
    page = await browser.send("/signin/pin", login="+255 700 000 001", pin=PIN)
    assert f"ends in {asha.phone[-2:]}" in page.text or asha.phone[-2:] in page.text
    assert await sms.code(asha.phone) not in page.text


async def test_pages_speak_the_persons_language_and_keep_to_the_rules_of_the_web(site):
    browser, portal = site.browser(), site.party("portal")
    page = await browser.open(url_of(portal), headers={"Accept-Language": "en-GB,en;q=0.9"})
    assert '<html lang="en" dir="ltr">' in page.text or '<html lang="sw"' in page.text
    page = await browser.open(url_of(site.party("portal"), ui_locales="en"))
    assert '<html lang="en" dir="ltr">' in page.text and "<script" not in page.text
    policy = page.headers["content-security-policy"]
    assert (
        "default-src 'none'" in policy
        and "script-src" not in policy
        and "form-action 'self' https://rp.example" in policy
    )
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce and page.text.count("<style") == page.text.count(f'<style nonce="{nonce[1]}"')
    assert ' style="' not in page.text
    other = re.search(r'href="(/signin\?flow=[^"]+lang=sw)"', page.text)
    assert other
    page = await browser.open(other[1].replace("&amp;", "&"))
    assert '<html lang="sw"' in page.text and "Namba ya siri" in page.text


async def test_cookies_are_closed_to_scripts_and_foreign_forms(site, asha):
    browser = site.browser()
    first = await browser.http.get(url_of(site.party("portal")))
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie  # http on loopback


async def test_logout_ends_the_session_and_its_tokens(site, asha):
    portal, browser = site.party("portal"), site.browser()
    back = await site.sign_in(browser, asha, PIN, url_of(portal, scope="openid api profile"))
    tokens = (await portal.redeem(answer_of(back)["code"])).json()
    assert (await portal.userinfo(tokens["access_token"])).status_code == 200
    # A link without proof asks first; with the ID token it acts.
    asked = await browser.open("/oauth/logout")
    assert 'action="/signin/leave"' in asked.text
    hint = f"/oauth/logout?id_token_hint={tokens['id_token']}&post_logout_redirect_uri=https://rp.example/bye&state=x"
    gone = await browser.open(hint)
    assert gone.headers["location"] == "https://rp.example/bye?state=x"
    assert (await portal.userinfo(tokens["access_token"])).status_code == 401
    assert answer_of(await browser.open(url_of(site.party("portal"), prompt="none")))["error"] == "login_required"


async def test_logout_confirmed_in_the_page(site, asha):
    browser = await signed_in(site, asha)
    page = await browser.open("/oauth/logout")
    gone = await browser.http.post(
        "/signin/leave", data={"ticket": browser.field("ticket")}, headers={"Origin": ISSUER}
    )
    assert gone.status_code == 200 and page.status_code == 200
    assert answer_of(await browser.open(url_of(site.party("portal"), prompt="none")))["error"] == "login_required"


async def test_key_rotation_stops_nothing(site, asha, stack):
    portal, browser = site.party("portal"), site.browser()
    back = await site.sign_in(browser, asha, PIN, url_of(portal))
    old = (await portal.redeem(answer_of(back)["code"])).json()
    first, _ = await portal.verify(old["id_token"])
    stack.keys.rotate("oidc")
    assert (await portal.userinfo(old["access_token"])).status_code == 200
    newer = site.party("portal")
    back = await browser.open(url_of(newer))
    header, _ = await newer.verify((await newer.redeem(answer_of(back)["code"])).json()["id_token"])
    assert header["kid"] != first["kid"]
    stack.keys.retire("oidc", first["kid"])
    assert (await portal.userinfo(old["access_token"])).status_code == 401


async def test_own_sessions_are_listed_and_ended_at_the_api(site, asha):
    portal, browser = site.party("portal"), site.browser()
    back = await site.sign_in(browser, asha, PIN, url_of(portal, scope="openid api"))
    token = (await portal.redeem(answer_of(back)["code"])).json()["access_token"]

    def headers(method: str, path: str) -> dict[str, str]:
        return {"Authorization": f"DPoP {token}", "DPoP": portal.proof(method, ISSUER + path, token)}

    found = (await site.http.get("/v1/sessions", headers=headers("GET", "/v1/sessions"))).json()
    assert found and found[0]["factors"] == 2
    path = f"/v1/sessions/{found[0]['session_id']}"
    assert (await site.http.delete(path, headers=headers("DELETE", path))).status_code == 204
    # Its own token died with the session.
    assert (await site.http.get("/v1/sessions", headers=headers("GET", "/v1/sessions"))).status_code == 401


async def test_software_of_an_institution_gets_a_token_for_itself(site):
    bank = site.party("bank")
    got = (await bank.post("/oauth/token", {"grant_type": "client_credentials", "scope": "authenticate"})).json()
    _, claims = await bank.verify(got["access_token"])
    assert claims["kind"] == "client" and claims["institution"] == "benki" and claims["roles"] == ["authenticate"]
    assert got["token_type"] == "DPoP" and "id_token" not in got and "refresh_token" not in got


async def test_tokens_end_with_the_identity(site, stack, ctx_of):
    person = await enrol(stack, "Mwajuma", "Shija", "+255700000066", date(1961, 5, 9))
    await acts.set_pin(stack, job_context("sample"), person.person_id, "60391")
    portal, browser = site.party("portal"), site.browser()
    back = await site.sign_in(browser, person, "60391", url_of(portal, scope="openid profile"))
    token = (await portal.redeem(answer_of(back)["code"])).json()["access_token"]
    adjudicator = ctx_of(Kind.STAFF, "a-1", roles=["adjudicator"], institution="rita", purpose="redress")
    await identity.suspend(stack, adjudicator, person.person_id, "reported stolen")
    assert (await portal.userinfo(token)).status_code == 401  # at once, whatever the outbox does
    await stack.outbox.drain(stack)
    assert answer_of(await browser.open(url_of(site.party("portal"), prompt="none")))["error"] == "login_required"
    await browser.open(url_of(site.party("portal")))
    page = await browser.send("/signin/pin", login=person.number, pin="60391")
    assert page.status_code == 403


async def test_agreements_are_listed_and_withdrawn(site, stack, ctx_of):
    person = await enrol(stack, "Subira", "Laizer", "+255700000067", date(1971, 6, 8))
    await acts.set_pin(stack, job_context("sample"), person.person_id, "60391")
    bank, browser = site.party("bank"), site.browser()
    uri = await bank.push(scope="openid profile offline_access")
    await site.sign_in(browser, person, "60391", f"/oauth/authorize?client_id=bank&request_uri={uri}")
    answer = answer_of(await browser.send("/signin/consent", claim=["name"], decision="agree"))
    theirs = (await bank.redeem(answer["code"])).json()["access_token"]
    portal = site.party("portal")
    code = answer_of(await browser.open(url_of(portal, scope="openid api")))["code"]
    token = (await portal.redeem(code, dpop=None)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    [found] = (await site.http.get("/v1/agreements", headers=headers)).json()
    assert found["client_id"] == "bank" and found["claims"] == ["name"]
    # Signing out leaves what was allowed to last; taking the agreement back does not.
    assert (await bank.userinfo(theirs)).status_code == 200
    assert (await site.http.delete("/v1/agreements/bank", headers=headers)).status_code == 204
    assert (await bank.userinfo(theirs)).status_code == 401
    assert (await site.http.delete("/v1/agreements/bank", headers=headers)).status_code == 404
    assert (await site.http.get("/v1/agreements", headers=headers)).json() == []


async def test_access_list_agreements_and_withdraw(stack, asha, ctx_of):
    own = ctx_of(Kind.PERSON, asha.person_id, purpose="consent-management", basis="contract")
    await provider.list_agreements(stack, own, asha.person_id)
    for no in (ctx_of(Kind.PERSON, uuid7(), purpose="consent-management"), ctx_of(Kind.STAFF, "officer-1")):
        with pytest.raises(NotPermitted):
            await provider.list_agreements(stack, no, asha.person_id)
        with pytest.raises(NotPermitted):
            await provider.withdraw(stack, no, asha.person_id, "bank")
