"""The sign-in as eSignet's page and wallets take it: the same factors, consent and code, and no way round them."""

import asyncio
import hashlib
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from tests.signin.conftest import PIN
from tests.signin.party import b64

from msingi.kernel import clock, policy
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin import jobs
from msingi.signin.esignet import acts as esignet
from msingi.signin.esignet import linking, steps
from msingi.signin.esignet.model import Login
from msingi.signin.provider.model import Asked, Flow

V1 = "/v1/esignet"
TWO = "mosip:idp:acr:generated-code"
ONE = "mosip:idp:acr:static-code"


class Page:
    """What eSignet's page does: gets its token, asks for details, and sends them along hashed."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http, self.headers, self.details = http, {}, {}

    async def open(self, party: Any, **changes: Any) -> dict[str, Any]:
        token = (await self.http.get(f"{V1}/csrf/token")).json()
        self.headers = {token["headerName"]: token["token"]}
        asked = party.request()
        request = {
            "clientId": asked["client_id"],
            "scope": "openid profile",
            "responseType": "code",
            "redirectUri": asked["redirect_uri"],
            "display": "page",
            "prompt": "consent",
            "acrValues": TWO,
            "state": asked["state"],
            "nonce": asked["nonce"],
            "claims": {"userinfo": {"name": {"essential": True}, "birthdate": None, "email": None}},
            "codeChallenge": asked["code_challenge"],
            "codeChallengeMethod": "S256",
        }
        answer = await self.post("authorization/v2/oauth-details", request | changes)
        if "response" in answer:
            self.details = answer["response"]
            said = msgspec.json.encode(self.details)
            self.headers |= {
                "oauth-details-key": self.details["transactionId"],
                "oauth-details-hash": b64(hashlib.sha256(said).digest()),
            }
        return answer

    async def post(self, path: str, request: dict[str, Any]) -> dict[str, Any]:
        at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        got = await self.http.post(f"{V1}/{path}", json={"requestTime": at, "request": request}, headers=self.headers)
        assert got.status_code == 200, got.text
        return got.json()

    async def step(self, path: str, **request: Any) -> dict[str, Any]:
        """A step of this page's own sign-in."""
        return await self.post(f"authorization/{path}", {"transactionId": self.details["transactionId"], **request})


def fault(answer: dict[str, Any]) -> str:
    return answer["errors"][0]["errorCode"]


def pin(value: str) -> dict[str, str]:
    return {"authFactorType": "PIN", "challenge": value, "format": "number"}


def otp(value: str) -> dict[str, str]:
    return {"authFactorType": "OTP", "challenge": value, "format": "alpha-numeric"}


@pytest.fixture
async def desk(site):
    """A page in a browser of its own, and a wallet elsewhere without cookies."""
    shop = site.party("shop")
    shop.dpop = None
    return SimpleNamespace(page=Page(site.browser().http), wallet=Page(site.browser().http), shop=shop)


async def two_factors(page: Page, sms, person, individual="") -> dict[str, Any]:
    named = individual or person.number
    half = await page.step("v2/authenticate", individualId=named, challengeList=[pin(PIN)])
    assert fault(half) == "invalid_no_of_challenges" and "PIN was right" in half["errors"][0]["errorMessage"]
    sent = await page.step("send-otp", individualId=named, otpChannels=["phone"])
    assert sent["response"]["maskedMobile"] == f"XXXXXXX{person.phone[-2:]}"
    code = await sms.code(person.phone)
    return await page.step("v2/authenticate", individualId=named, challengeList=[otp(code)])


async def test_the_whole_way_to_tokens(site, desk, asha, sms):
    page, shop = desk.page, desk.shop
    told = (await page.open(shop))["response"]
    assert told["authFactors"][0] == [{"type": "PIN"}, {"type": "OTP"}] and told["clientName"] == {"@none": "The shop"}
    # An email is no claim of this country: it is left out, as OpenID Connect says.
    assert told["essentialClaims"] == ["name"] and told["voluntaryClaims"] == ["birthdate"]
    assert fault(await page.step("auth-code", acceptedClaims=["name"])) == "invalid_transaction"
    proved = await two_factors(page, sms, asha)
    assert proved["response"]["consentAction"] == "CAPTURE", proved
    known = (await page.http.get(f"{V1}/authorization/claim-details", headers=page.headers)).json()["response"]
    assert [c["available"] for c in known["claimStatus"]] == [True, True] and known["consentAction"] == "CAPTURE"
    assert fault(await page.step("auth-code", acceptedClaims=["birthdate"])) == "invalid_accepted_claim"
    assert fault(await page.step("auth-code", acceptedClaims=["name", "phone"])) == "invalid_accepted_claim"
    bad = await page.step("auth-code", acceptedClaims=["name"], permittedAuthorizeScopes=["payments"])
    assert fault(bad) == "invalid_permitted_scope"
    got = (await page.step("auth-code", acceptedClaims=["name"]))["response"]
    assert got["redirectUri"] == shop.redirect and got["state"] == shop.state and got["nonce"] == shop.nonce
    tokens = (await shop.redeem(got["code"], dpop=None)).json()
    assert (await shop.verify(tokens["id_token"]))[1]["acr"] == "urn:msingi:acr:2"
    told = (await shop.userinfo(tokens["access_token"], "Bearer")).json()
    assert told["name"] == "Asha Mushi" and "birthdate" not in told
    # The sign-in gave its code: nothing more comes of it.
    assert fault(await page.step("auth-code", acceptedClaims=["name"])) == "invalid_transaction_id"
    again = await page.step("v2/authenticate", individualId=asha.number, challengeList=[pin(PIN)])
    assert fault(again) == "invalid_transaction_id"


async def test_a_pin_is_enough_where_the_software_asks_for_no_more(desk, asha):
    page = desk.page
    told = (await page.open(desk.shop, acrValues=ONE))["response"]
    assert told["authFactors"] == [[{"type": "PIN"}], [{"type": "WLA"}]]
    wrong = await page.step("authenticate", individualId=asha.number, challengeList=[pin("9999")])
    assert fault(wrong) == "auth_failed"
    nobody = await page.step("authenticate", individualId="999999999999", challengeList=[pin(PIN)])
    assert nobody["errors"] == wrong["errors"], "a wrong PIN and an unknown number read alike"
    right = await page.step("authenticate", individualId=asha.number, challengeList=[pin(PIN)])
    assert right["errors"] == [] and list(right["response"]) == ["transactionId"]
    got = await page.step("auth-code", acceptedClaims=["name", "birthdate"])
    tokens = (await desk.shop.redeem(got["response"]["code"], dpop=None)).json()
    assert (await desk.shop.verify(tokens["id_token"]))[1]["acr"] == "urn:msingi:acr:1"


async def test_no_code_leaves_for_a_number_that_somebody_typed(desk, juma, sms):
    page = desk.page
    await page.open(desk.shop)
    before = len(sms.sent)
    refused = await page.step("send-otp", individualId=juma.number, otpChannels=["phone"])
    await sms.stack.outbox.drain(sms.stack)
    assert fault(refused) == "send_otp_failed" and len(sms.sent) == before
    # Nor for one number once the PIN of another was right; nor does its code prove anybody else.
    await page.step("authenticate", individualId=juma.number, challengeList=[pin("8022")])
    assert fault(await page.step("send-otp", individualId="1", otpChannels=["phone"])) == "invalid_identifier"
    assert fault(await page.step("send-otp", individualId=juma.number, otpChannels=["email"])) == "invalid_otp_channel"
    none = await page.step("authenticate", individualId=juma.number, challengeList=[otp("123456")])
    assert fault(none) == "auth_failed"


async def test_another_browser_and_another_site_get_nowhere(site, desk, asha):
    page, thief = desk.page, Page(site.browser().http)
    await page.open(desk.shop, acrValues=ONE)
    await thief.open(desk.shop)
    own = thief.headers["X-XSRF-TOKEN"]
    thief.headers, thief.details = page.headers | {"X-XSRF-TOKEN": own}, page.details
    stolen = await thief.step("authenticate", individualId=asha.number, challengeList=[pin(PIN)])
    assert fault(stolen) == "invalid_transaction_id"
    # A form of another site has neither the token nor our cookie's match.
    at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    body = {"requestTime": at, "request": {"transactionId": page.details["transactionId"]}}
    for headers in ({}, {"X-XSRF-TOKEN": "X-XSRF-TOKEN"}, {"X-XSRF-TOKEN": own}):
        got = await page.http.post(f"{V1}/authorization/auth-code", json=body, headers=page.headers | headers)
        if headers:
            assert got.status_code == 403 and got.json()["errors"][0]["errorCode"] == "signin.forged-request"
    # A page that shows other details than it was given does not go on.
    page.headers["oauth-details-hash"] = b64(hashlib.sha256(b"{}").digest())
    assert fault(await page.step("auth-code", acceptedClaims=[])) == "invalid_transaction"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientId": "nobody"}, "invalid_client_id"),
        ({"redirectUri": "https://evil.example/"}, "invalid_redirect_uri"),
        ({"responseType": "token"}, "invalid_response_type"),
        ({"scope": "payments"}, "invalid_scope"),
        ({"prompt": "shout"}, "invalid_prompt"),
        ({"display": "billboard"}, "invalid_display"),
        ({"codeChallenge": None}, "invalid_pkce_challenge"),
        ({"claims": []}, "invalid_claim"),
        ({"state": 7}, "invalid_request"),
        ({"id_token_hint": "x.y.z"}, "invalid_id_token_hint"),
        ({"clientId": "bank"}, "invalid_request"),  # FAPI: it must push its request
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
async def test_requests_that_are_wrong_have_esignets_codes(desk, changes, code):
    assert fault(await desk.page.open(desk.shop, **changes)) == code


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"individualId": None, "challengeList": [pin(PIN)]}, "invalid_identifier"),
        ({"individualId": "1", "challengeList": []}, "invalid_no_of_challenges"),
        ({"individualId": "1", "challengeList": [pin(PIN), pin(PIN)]}, "invalid_auth_factor_type"),
        ({"individualId": "1", "challengeList": ["x"]}, "invalid_auth_factor_type"),
        ({"individualId": "1", "challengeList": [pin(PIN) | {"format": "jwt"}]}, "invalid_challenge_format"),
        ({"individualId": "1", "challengeList": [pin("")]}, "invalid_challenge"),
        ({"individualId": "op-1", "challengeList": [pin(PIN)]}, "invalid_identifier"),
    ],
    ids=["nobody", "none", "twice", "text", "format", "empty", "staff"],
)
async def test_tries_that_are_wrong_have_esignets_codes(desk, request_, code):
    await desk.page.open(desk.shop)
    assert fault(await desk.page.step("authenticate", **request_)) == code


async def test_pushed_requests_are_shown_as_well(site, asha, sms):
    bank, page = site.party("bank"), Page(site.browser().http)
    token = (await page.http.get(f"{V1}/csrf/token")).json()
    page.headers = {"X-XSRF-TOKEN": token["token"]}
    request = {"requestUri": await bank.push(scope="openid"), "clientId": "bank"}
    told = (await page.post("authorization/par-oauth-details", request))["response"]
    assert told["essentialClaims"] == [] and told["authFactors"][0][1] == {"type": "OTP"}
    assert fault(await page.post("authorization/par-oauth-details", {"clientId": "bank"})) == "invalid_request"


async def linked(desk, **changes: Any) -> tuple[str, str]:
    """A browser's sign-in, linked to a wallet: the link code, and the wallet's id."""
    await desk.page.open(desk.shop, **changes)
    login = {"transactionId": desk.page.details["transactionId"]}
    code = (await desk.page.post("linked-authorization/link-code", login))["response"]["linkCode"]
    told = await desk.wallet.post("linked-authorization/v2/link-transaction", {"linkCode": code})
    assert told["response"]["essentialClaims"] == ["name"] and "transactionId" not in told["response"]
    return code, told["response"]["linkTransactionId"]


async def test_a_wallet_elsewhere_proves_and_decides(desk, asha, sms):
    page, wallet = desk.page, desk.wallet
    code, mine = await linked(desk)
    login = {"transactionId": page.details["transactionId"]}
    assert (await page.post("linked-authorization/link-status", login | {"linkCode": code}))["response"]["linkStatus"]
    used = await wallet.post("linked-authorization/link-transaction", {"linkCode": code})
    assert fault(used) == "invalid_link_code"
    early = await wallet.post("linked-authorization/consent", {"linkedTransactionId": mine, "acceptedClaims": ["name"]})
    assert fault(early) == "invalid_transaction"
    said = {"linkedTransactionId": mine, "individualId": asha.number}
    await wallet.post("linked-authorization/authenticate", said | {"challengeList": [pin(PIN)]})
    # The browser gets nothing out of it that the wallet's owner typed the PIN elsewhere.
    assert fault(await page.step("send-otp", individualId=asha.number, otpChannels=["phone"])) == "send_otp_failed"
    sending = {"transactionId": mine, "individualId": asha.number, "otpChannels": ["phone"]}
    assert (await wallet.post("linked-authorization/send-otp", sending))["errors"] == []
    answers = [otp(await sms.code(asha.phone))]
    proved = await wallet.post("linked-authorization/v2/authenticate", said | {"challengeList": answers})
    assert proved["response"]["consentAction"] == "CAPTURE"
    # The browser that showed the code decides nothing that the wallet's owner did not.
    assert fault(await page.step("auth-code", acceptedClaims=["name", "birthdate"])) == "invalid_transaction"
    waiting = asyncio.create_task(
        page.post("linked-authorization/link-auth-code", login | {"linkedCode": code}),
    )
    await asyncio.sleep(0.2)
    gave = await wallet.post("linked-authorization/consent", {"linkedTransactionId": mine, "acceptedClaims": "name"})
    assert gave["response"]["linkedTransactionId"] == mine
    got = (await waiting)["response"]
    tokens = (await desk.shop.redeem(got["code"], dpop=None)).json()
    told = (await desk.shop.userinfo(tokens["access_token"], "Bearer")).json()
    assert told["name"] == "Asha Mushi" and "birthdate" not in told
    again = await wallet.post("linked-authorization/authenticate", said | {"challengeList": [pin(PIN)]})
    assert fault(again) == "invalid_transaction_id"


async def test_links_are_soon_old_and_belong_to_one_sign_in(desk, site, monkeypatch):
    page = desk.page
    await page.open(desk.shop)
    login = {"transactionId": page.details["transactionId"]}
    first = (await page.post("linked-authorization/link-code", login))["response"]["linkCode"]
    code = (await page.post("linked-authorization/link-code", login))["response"]["linkCode"]
    replaced = await desk.wallet.post("linked-authorization/link-transaction", {"linkCode": first})
    assert fault(replaced) == "invalid_link_code"
    other = Page(site.browser().http)
    await other.open(desk.shop)
    theirs = {"transactionId": other.details["transactionId"]}
    for path, name in (("link-status", "linkCode"), ("link-auth-code", "linkedCode")):
        for text in (code, "random", ""):
            told = await other.post(f"linked-authorization/{path}", theirs | {name: text})
            assert fault(told) == "invalid_link_code"
        told = await other.post(f"linked-authorization/{path}", login | {name: code})
        assert fault(told) == "invalid_transaction_id", "another browser's"
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=31))
    late = await desk.wallet.post("linked-authorization/link-transaction", {"linkCode": code})
    assert fault(late) == "invalid_link_code"


async def test_sign_ins_that_ran_out_are_forgotten(stack, desk, monkeypatch):
    await desk.page.open(desk.shop)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(hours=1))
    assert await jobs.sweep(stack) >= 1
    late = await desk.page.step("auth-code", acceptedClaims=[])
    assert fault(late) == "invalid_transaction_id"


async def test_access_signin_begin_login(stack, ctx_of):
    flow = Flow(
        asked=Asked(client_id="x", redirect_uri="x", scopes=(), challenge="", request_id="", expires_at=0),
        device_hash=b"",
        begun_at=0,
        expires_at=int(clock.now().timestamp()) + 60,
    )
    await esignet.begin(stack, signin.proving(), "an id", Login(flow=flow, details_hash=""))
    with pytest.raises(NotPermitted):
        policy.decide(ctx_of(Kind.STAFF, "officer-1", purpose="identity-proofing"), "signin.begin-login", policy.NOBODY)


async def test_access_signin_follow_login(stack, ctx_of):
    assert (await esignet.follow(stack, signin.proving(), esignet.key_of("an id"), "looks")).details_hash == ""
    with pytest.raises(NotPermitted):
        policy.decide(
            ctx_of(Kind.STAFF, "officer-1", purpose="identity-proofing"), "signin.follow-login", policy.NOBODY
        )


async def test_no_door_breaks_on_rubbish(desk):
    """Whatever stands where, the answer is a fault in the envelope, or a refusal; never a 500."""
    page = desk.page
    await page.open(desk.shop)
    whole = {"individualId": "1", "challengeList": [pin("1")], "otpChannels": ["phone"], "acceptedClaims": ["name"]}
    known = {"transactionId": page.details["transactionId"], "linkedTransactionId": "x", "linkCode": "x"}
    wrong = [{}, {"transactionId": 7}, {"transactionId": "\0"}, known, known | whole, known | {"acceptedClaims": [7]}]
    wrong += [known | whole | {"challengeList": [{"authFactorType": [], "challenge": 1}]}, {"linkCode": "é" * 3000}]
    found = [path for route in (*steps.doors, *linking.doors) for path in route.paths if "/authorization" in path]
    found += [path for route in (*steps.doors, *linking.doors) for path in route.paths if "linked-" in path]
    for path in dict.fromkeys(found):
        for request in wrong:
            if "link-status" in path or "link-auth-code" in path:
                request = request | {"linkCode": "x", "linkedCode": "x"}
            at = clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            body = {"requestTime": at, "request": request}
            got = await page.http.request("POST", path, json=body, headers=page.headers)
            assert got.status_code in (200, 405), f"{path} {request} {got.text}"
    for raw in (b"", b"[]", b"\xff", b'{"requestTime": 1}', b"[" * 100_000):
        got = await page.http.post(f"{V1}/authorization/v3/authenticate", content=raw, headers=page.headers)
        assert got.status_code in (200, 413) and (got.status_code == 413 or fault(got.json()) == "invalid_request")
