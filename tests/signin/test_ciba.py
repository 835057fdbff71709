"""Approval on the person's own phone: CIBA in poll mode, and what of it must be refused."""

import html
import re
import time
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.signin.conftest import PIN
from tests.signin.party import ISSUER
from tests.signin.test_flow import signed_in

from msingi.kernel import clock
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotFound, NotPermitted
from msingi.kernel.ids import uuid7
from msingi.signin import acts as signin
from msingi.signin.ciba import acts, rules
from msingi.signin.ciba.model import GRANT, Decision
from msingi.signin.provider.acts import client_context

DOOR = "/oauth/bc-authorize"


def wish(person, **changes) -> dict[str, str]:
    asked = {"scope": "openid profile", "login_hint": person.number, "binding_message": "KITE-42"}
    return {k: v for k, v in (asked | changes).items() if v is not None}


def signed(party, claims: dict, **changes) -> dict[str, str]:
    now = int(time.time())
    more = {"iss": party.client_id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": str(uuid7())}
    body = {k: v for k, v in (more | claims | changes).items() if v is not None}
    assert party.key is not None
    return {"request": jwt.encode({"alg": "ES256", "typ": "oauth-authz-req+jwt"}, body, party.key)}


async def asked(site, person, name="shop", **changes) -> tuple:
    party = site.party(name)
    body = wish(person, **changes)
    got = await party.post(DOOR, signed(party, body) if name == "bank" else body, dpop=None)
    assert got.status_code == 200, got.text
    return party, got.json()


async def poll(party, accepted, **more):
    return await party.post("/oauth/token", {"grant_type": GRANT, "auth_req_id": accepted["auth_req_id"]}, **more)


async def decide(browser, decision: str, *claims: str, origin: str = ISSUER):
    page = await browser.open("/signin/requests")
    token = html.unescape(re.findall(r'name="request" value="([^"]+)"', page.text)[0])
    form = {"request": token, "decision": decision, "claim": list(claims)}
    answer = await browser.http.post("/signin/requests", data=form, headers={"Origin": origin})
    return await browser._follow(answer)


async def test_a_signed_request_is_approved_on_the_persons_page_and_redeemed_once(site, asha, sms, stack):
    bank, accepted = await asked(site, asha, "bank")
    assert accepted["interval"] == 5 and accepted["expires_in"] == 300
    waiting = await poll(bank, accepted)
    assert waiting.status_code == 400 and waiting.json()["error"] == "authorization_pending"
    assert (await poll(bank, accepted)).json()["error"] == "slow_down"
    await stack.outbox.drain(stack)
    assert "KITE-42" in sms.sent[-1].text and sms.sent[-1].to == asha.phone
    browser = await signed_in(site, asha)
    page = await browser.open("/signin/requests")
    assert "KITE-42" in page.text and "The bank" in page.text and 'value="birthdate"' in page.text
    page = await decide(browser, "agree", "name")
    assert page.status_code == 200, page.text
    got = await poll(bank, accepted)
    assert got.status_code == 200 and got.json()["token_type"] == "DPoP", got.text
    _, claims = await bank.verify(got.json()["id_token"])
    assert claims["sub"] == stack.pseudonym.of("benki", asha.person_id) and claims["acr"].endswith(":2")
    known = (await bank.userinfo(got.json()["access_token"])).json()
    assert known["name"] == asha.full_name and "birthdate" not in known
    assert (await poll(bank, accepted)).json()["error"] == "invalid_grant"


async def test_a_refusal_is_told_and_who_is_not_signed_in_signs_in_first(site, asha, sms):
    shop, accepted = await asked(site, asha, login_hint=asha.phone)
    browser = site.browser()
    page = await browser.open("/signin/requests")
    assert 'name="pin"' in page.text
    page = await browser.send("/signin/pin", login=asha.number, pin=PIN)
    assert "KITE-42" in page.text
    await decide(browser, "refuse")
    assert (await poll(shop, accepted)).json()["error"] == "access_denied"


async def test_one_factor_sees_but_must_prove_the_second_to_approve(site, juma, sms):
    shop, accepted = await asked(site, juma)
    browser = site.browser()
    await browser.open("/signin/requests")
    await browser.send("/signin/pin", login=juma.number, pin="8022")
    page = await decide(browser, "agree")
    assert 'name="code"' in page.text
    page = await browser.send("/signin/code", code=await sms.code(juma.phone))
    assert "KITE-42" in page.text
    await decide(browser, "agree")
    assert (await poll(shop, accepted)).status_code == 200


async def test_a_hint_by_pseudonym_or_earlier_id_token_finds_the_person(site, asha, stack):
    sub = stack.pseudonym.of("benki", asha.person_id)
    shop, accepted = await asked(site, asha, login_hint=sub)
    browser = await signed_in(site, asha)
    await decide(browser, "agree")
    first = (await poll(shop, accepted)).json()
    shop, accepted = await asked(site, asha, login_hint=None, id_token_hint=first["id_token"])
    await decide(browser, "agree")
    assert (await poll(shop, accepted)).status_code == 200


async def test_nobodys_request_waits_and_runs_out_like_somebodys(site, asha):
    shop, nobody = await asked(site, asha, login_hint="111111111111")
    _, somebody = await asked(site, asha, requested_expiry="300")
    assert len(nobody["auth_req_id"]) == len(somebody["auth_req_id"])
    assert (await poll(shop, nobody)).json()["error"] == "authorization_pending"
    assert (await poll(shop, nobody)).json()["error"] == "slow_down"
    late = clock.now() + timedelta(seconds=301)
    with clock.freeze(late):
        exp = int(late.timestamp()) + 60
        form = {"grant_type": GRANT, "client_assertion": shop.assertion(exp=exp)}
        for accepted in (nobody, somebody):
            got = await shop.post("/oauth/token", form | {"auth_req_id": accepted["auth_req_id"]}, dpop=None)
            assert got.json()["error"] in ("expired_token", "invalid_client"), got.text
            form["client_assertion"] = shop.assertion(exp=exp)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"login_hint": None}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"login_hint": None, "login_hint_token": "x"}, "invalid_request"),
        ({"login_hint": None, "id_token_hint": "x"}, "invalid_request"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"scope": "openid api"}, "invalid_scope"),
        ({"binding_message": "x" * 101}, "invalid_binding_message"),
        ({"binding_message": "a\u202eb"}, "invalid_binding_message"),
        ({"requested_expiry": "-1"}, "invalid_request"),
        ({"requested_expiry": "soon"}, "invalid_request"),
        ({"request": "x"}, "invalid_request_object"),
    ],
)
async def test_wrong_requests_are_refused(site, asha, changes, error):
    got = await site.party("shop").post(DOOR, wish(asha, **changes), dpop=None)
    assert got.status_code == 400 and got.json()["error"] == error, got.text


@pytest.mark.parametrize(
    "changes",
    [{"aud": "https://other.example"}, {"iss": "shop"}, {"exp": int(time.time()) - 60}, {"exp": None}, {"sub": "x"}],
)
async def test_fapi_clients_sign_what_they_ask(site, asha, changes):
    bank = site.party("bank")
    plain = await bank.post(DOOR, wish(asha), dpop=None)
    assert plain.status_code == 400 and plain.json()["error"] == "invalid_request_object"
    if changes == {"sub": "x"}:  # signed by a foreign key
        stranger = site.party("bank")
        stranger.key = ECKey.generate_key("P-256")
        request = signed(stranger, wish(asha))
    else:
        request = signed(bank, wish(asha), **changes)
    got = await bank.post(DOOR, request, dpop=None)
    assert got.status_code == 400 and got.json()["error"] == "invalid_request_object", got.text
    silent = await bank.post(DOOR, signed(bank, wish(asha, binding_message=None)), dpop=None)
    assert silent.status_code == 400 and silent.json()["error"] == "invalid_request"


async def test_only_registered_clients_with_a_key_ask_and_only_they_redeem(site, asha):
    got = await site.party("app").post(DOOR, wish(asha), dpop=None)
    assert got.status_code == 400 and got.json()["error"] == "unauthorized_client"
    got = await site.party("portal").post(DOOR, wish(asha), dpop=None)
    assert got.status_code == 400 and got.json()["error"] == "unauthorized_client"
    _, accepted = await asked(site, asha)
    other = await poll(site.party("bank"), accepted)
    assert other.status_code == 400 and other.json()["error"] == "invalid_grant"
    forged = {"auth_req_id": accepted["auth_req_id"][:-4] + "AAAA"}
    assert (await poll(site.party("shop"), forged)).json()["error"] == "invalid_grant"


async def test_a_foreign_form_decides_nothing(site, juma, asha):
    await asked(site, asha)
    mine, other = await signed_in(site, asha), await signed_in(site, juma, "8022")
    page = await mine.open("/signin/requests")
    token = html.unescape(re.findall(r'name="request" value="([^"]+)"', page.text)[0])
    stolen = await other.http.post("/signin/requests", data={"request": token, "decision": "agree"})
    assert stolen.status_code == 400
    form = {"request": token, "decision": "agree"}
    forged = await mine.http.post("/signin/requests", data=form, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 400


async def test_an_institution_cannot_pester(site, zuri, monkeypatch):
    """What is heard of it stands in test_lockout.py; here, that nobody's number is taken like somebody's."""
    monkeypatch.setattr(acts, "MOST_OPEN", 8)
    for asked in (wish(zuri), wish(zuri, login_hint="222222222222")):
        codes = [(await site.party("shop").post(DOOR, asked, dpop=None)).status_code for _ in range(9)]
        assert codes == [200] * 8 + [429]


async def test_access_ask_and_decide(stack, rehema, ctx_of, keys):
    asha = rehema
    client = await signin.client(stack, "shop")
    want = rules.read_wish({"scope": "openid", "login_hint": "x"}, client)
    assert (await acts.ask(stack, client_context(client, True, "r"), client, want, asha.person_id, ())).auth_req_id
    with pytest.raises(NotPermitted):
        await acts.ask(stack, client_context(client, False, "r"), client, want, asha.person_id, ())
    own = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing", basis="contract")
    weak = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing", basis="contract", assurance=1)
    request = (await acts.waiting(stack, own, asha.person_id))[0].request_id
    with pytest.raises(NotPermitted):
        await acts.decide(stack, weak, asha.person_id, request, Decision(approve=True), ("pin",), 0)
    with pytest.raises(NotPermitted):
        stranger = ctx_of(Kind.PERSON, str(uuid7()), purpose="identity-proofing")
        await acts.waiting(stack, stranger, asha.person_id)
    await acts.decide(stack, own, asha.person_id, request, Decision(approve=True), ("pin", "otp"), 0)
    with pytest.raises(NotFound):
        await acts.decide(stack, own, asha.person_id, request, Decision(approve=True), ("pin", "otp"), 0)


@pytest.fixture(scope="module")
async def rehema(stack):
    """A person whom nobody has asked yet."""
    from tests.signin.people import enrol

    return await enrol(stack, "Rehema", "Kweka", "+255700000045")


@pytest.fixture(scope="module")
async def zuri(stack):
    """A person whom one institution pesters."""
    from tests.signin.people import enrol

    return await enrol(stack, "Zuri", "Banda", "+255700000044")
