"""What upper rooms add: a grant type, a scope, authorization details, a client authentication, a factor, a card."""

import json
from typing import Any

import pytest
from litestar import Response
from tests.signin.conftest import PIN
from tests.signin.party import ISSUER, answer_of
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin import factors
from msingi.signin.bearer import acts as bearer
from msingi.signin.errors import InvalidAuthorizationDetails, InvalidGrant, InvalidToken
from msingi.signin.model import Place, Proved
from msingi.signin.provider import acts, extend
from msingi.signin.provider.model import Shown, Terms

PRE = "urn:example:grant:pre-authorized"
PLACE = Place(b"elsewhere", "10.9.9.0/24")


@pytest.fixture
def added(stack, asha):
    """An upper room with something of each kind; taken away again."""
    more = extend.of(stack)

    async def redeem(ask: extend.TokenAsk):
        if ask.params.get("pre-authorized_code") != "right":
            raise InvalidGrant(rule="pre-authorized code")
        terms = Terms(
            redirect_uri="",
            challenge="",
            scopes=("card",),
            factors=1,
            methods=("pin",),
            proved_at=int(ask.ctx.at.timestamp()),
        )
        return await acts.mint(ask.stack, ask.ctx, ask.client, asha.person_id, terms, ask.jkt, ask.onces)

    def check(_: Any, detail: dict[str, Any]) -> dict[str, Any]:
        if detail.get("credential_configuration_id") != "id":
            raise InvalidAuthorizationDetails(rule="credential_configuration_id")
        return {"type": "openid_credential", "credential_configuration_id": "id"}

    async def answer(_: Any, __: Any, ___: Any, detail: dict[str, Any]) -> dict[str, Any]:
        return detail | {"credential_identifiers": ["id-1"]}

    more.add(
        extend.Grant(name=PRE, redeem=redeem, anonymous=True),
        extend.Scope(name="card", audience="/cards", title={"en": "put your card into this wallet"}, open=True),
        extend.DetailsType(
            name="openid_credential",
            check=check,
            answer=answer,
            audience="/cards",
            title=lambda detail, lang: f"{lang}: a copy of your card",
        ),
    )
    more.passed.add("issuer_state")
    yield more
    more.grants.pop(PRE)
    more.scopes.clear()
    more.details.clear()
    more.passed.clear()


def shown(token: str, party, method: str = "POST", path: str = "/cards/credential") -> Shown:
    return Shown("dpop", token, party.proof(method, ISSUER + path, token), method, path)


async def test_an_added_grant_answers_an_anonymous_wallet_with_tokens_for_its_own_doors(site, added, stack, asha):
    wallet = site.party("app")
    form = {"grant_type": PRE, "pre-authorized_code": "right"}
    proof = {"DPoP": wallet.proof("POST", ISSUER + "/oauth/token")}
    got = await site.http.post("/oauth/token", data=form, headers=proof)
    assert got.status_code == 200 and got.json()["token_type"] == "DPoP", got.text
    token = got.json()["access_token"]
    held = await bearer.held(stack, shown(token, wallet), "/cards")
    assert held.person_id == asha.person_id and held.scopes == ("card",) and held.client_id == ""
    assert held.jkt == wallet.dpop.thumbprint()
    with pytest.raises(InvalidToken):
        await bearer.held(stack, shown(token, wallet), "/other")
    with pytest.raises(InvalidToken):
        await bearer.held(stack, shown(token, site.party("app")), "/cards")
    assert (await wallet.userinfo(token)).status_code == 401
    wrong = await site.http.post("/oauth/token", data=form | {"pre-authorized_code": "wrong"})
    assert wrong.status_code == 400 and wrong.json()["error"] == "invalid_grant"
    unknown = await site.http.post("/oauth/token", data={"grant_type": "urn:example:other", "client_id": "app"})
    assert unknown.json()["error"] == "unsupported_grant_type"


async def test_details_and_scopes_are_asked_of_the_person_and_come_back_with_the_tokens(site, added, stack, asha):
    app = site.party("app")
    details = json.dumps([{"type": "openid_credential", "credential_configuration_id": "id"}])
    browser = await signed_in(site, asha)
    url = url_of(app, scope="card", authorization_details=details, issuer_state="s-1", claims=None)
    page = await browser.open(url)
    assert "put your card into this wallet" in page.text and "a copy of your card" in page.text
    page = await browser.send("/signin/consent", claim=["scope:card", "details:0"], decision="agree")
    got = (await app.redeem(answer_of(page)["code"])).json()
    assert got["authorization_details"][0]["credential_identifiers"] == ["id-1"] and "id_token" not in got
    held = await bearer.held(stack, shown(got["access_token"], app), "/cards")
    assert held.passed == {"issuer_state": "s-1"} and held.scopes == ("card",)
    assert held.details == ({"type": "openid_credential", "credential_configuration_id": "id"},)


async def test_a_power_that_is_refused_is_not_in_the_token(site, added, asha):
    app = site.party("app")
    details = json.dumps([{"type": "openid_credential", "credential_configuration_id": "id"}])
    browser = await signed_in(site, asha)
    page = await browser.open(url_of(app, scope="openid", authorization_details=details, prompt="consent"))
    page = await browser.send("/signin/consent", decision="agree")
    got = (await app.redeem(answer_of(page)["code"])).json()
    assert "authorization_details" not in got and "id_token" in got


@pytest.mark.parametrize("text", ["{}", "[", '[{"type":"other"}]', '[{"type":"openid_credential"}]', "[1]"])
async def test_unknown_details_are_refused(site, added, text):
    bank = site.party("bank")
    got = await bank.post("/oauth/par", bank.request(authorization_details=text))
    assert got.status_code == 400 and got.json()["error"] == "invalid_authorization_details", got.text


async def test_an_added_authentication_serves_the_clients_that_registered_it(site, added, stack, ctx_of, keys):
    async def prove(request: Any, params: Any) -> Any:
        if "x-proof" not in request.headers:
            return None
        return await signin.client(stack, params["client_id"]), ()

    added.add(extend.ClientProof(method="x_proof", prove=prove))
    try:
        known = (await site.http.get("/.well-known/openid-configuration")).json()
        assert "x_proof" in known["token_endpoint_auth_methods_supported"] and PRE in known["grant_types_supported"]
        form = {"client_id": "shop", "grant_type": "client_credentials"}
        got = await site.http.post("/oauth/token", data=form, headers={"X-Proof": "1"})
        assert got.status_code == 401 and "private_key_jwt" in got.text
    finally:
        added.proofs.clear()


async def test_an_added_factor_opens_a_session_of_its_strength(site, stack, asha):
    tickets: list[str] = []

    async def begin(visit: factors.Visit) -> Response[Any]:
        tickets.append(visit.ticket)
        return Response(f"<p>{visit.done}</p>", media_type="text/html")

    async def finish(visit: factors.Visit) -> Proved | None:
        assert visit.ticket in tickets
        return Proved(asha.person_id, ("vp",), 2) if visit.request.query_params.get("shown") else None

    factors.of(stack).add(factors.Factor(name="wallet", title={"en": "With a wallet"}, begin=begin, finish=finish))
    try:
        portal, browser = site.party("portal"), site.browser()
        page = await browser.open(url_of(portal))
        assert "With a wallet" in page.text
        flow = browser.field("flow")
        page = await browser.open(f"/signin/with/wallet?flow={flow}")
        page = await browser.open(f"/signin/with/wallet/done?flow={flow}")
        assert page.status_code == 200 and tickets[0] == tickets[1]
        page = await browser.open(f"/signin/with/wallet/done?flow={flow}&shown=1")
        _, claims = await portal.verify((await portal.redeem(answer_of(page)["code"])).json()["id_token"])
        assert claims["amr"] == ["vp"] and claims["acr"].endswith(":2")
        assert (await browser.open(f"/signin/with/other?flow={flow}")).status_code == 404
        stranger = site.browser()
        await stranger.open(url_of(portal))
        assert (await stranger.open(f"/signin/with/wallet/done?flow={flow}&shown=1")).status_code == 400
    finally:
        factors.of(stack).ways.clear()


async def test_access_accept_factor(stack, asha, ctx_of):
    proved = Proved(asha.person_id, ("vp",), 1)
    assert await signin.accept_factor(stack, signin.proving(), proved, PLACE, "test")
    with pytest.raises(NotPermitted):
        await signin.accept_factor(stack, ctx_of(ctx_kind(), "bank"), proved, PLACE, "test")


def ctx_kind() -> Any:
    from msingi.kernel.context import Kind

    return Kind.CLIENT


async def test_pin_still_works_beside_the_other_ways(site, asha, sms):
    portal, browser = site.party("portal"), site.browser()
    page = await site.sign_in(browser, asha, PIN, url_of(portal))
    assert answer_of(page)["code"]
