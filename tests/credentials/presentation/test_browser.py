"""The Digital Credentials API (OpenID4VP 1.0, A): other people's wallet answers, and Chromium runs our page."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import async_playwright
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.credentials.presentation.bank import browser, mdoc_query, running, sd_query
from tests.credentials.presentation.test_flow import authority as authority
from tests.credentials.presentation.test_flow import values

from msingi.credentials.presentation.model import State

JSON = {"Accept": "application/json"}


@pytest.fixture(scope="module")
async def bank(owner_url, tmp_path_factory, wallet, authority, holder):
    async with running(owner_url, tmp_path_factory.mktemp("bank"), wallet, authority, holder) as made:
        yield made


async def opened(bank, mine, query, **more):
    """A request whose page is open in a browser, and what that browser hands to wallets."""
    made = await bank.ask(query, return_to=f"{bank.url}/done", **more)
    page = await mine.get(f"/present/{made.request_id}")
    assert page.status_code == 200 and 'id="browser"' in page.text
    told = await mine.get(f"/present/{made.request_id}/browser", headers=JSON)
    assert told.status_code == 200, told.text
    return made, told.json()


async def given(bank, mine, made, data):
    form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
    return await mine.post(f"/present/wallet/{made.request_id}/b", data=form, headers=JSON)


@pytest.mark.parametrize("form", ["sd", "mdoc"])
async def test_a_signed_request_is_answered_by_somebody_elses_wallet(bank, form):
    async with browser(bank) as mine:
        made, request = await opened(bank, mine, sd_query() if form == "sd" else mdoc_query())
        assert request["protocol"] == "openid4vp-v1-signed" and list(request["data"]) == ["request"]
        credential = await (bank.sd() if form == "sd" else bank.mdoc())
        told = await bank.node("answer", browser=request, origin=bank.url, credentials=[credential])
        asked = told["payload"]
        assert asked["response_mode"] == "dc_api.jwt" and asked["expected_origins"] == [bank.url]
        assert "response_uri" not in asked and asked["client_id"].startswith("x509_hash:")
        assert list(told["data"]) == ["response"], "encrypted"
        answer = await given(bank, mine, made, told["data"])
        assert answer.status_code == 200, answer.text
        home = await mine.get(answer.json()["redirect_uri"])
        assert home.status_code == 303
        code = parse_qs(urlsplit(home.headers["location"]).query)["code"][0]
        result = await bank.result(made, code)
        assert result.state is State.ANSWERED and result.device == "browser" and "Neema" in values(result).values()


async def test_an_unsigned_request_names_nobody_but_the_origin(bank):
    async with browser(bank) as mine:
        made, request = await opened(bank, mine, sd_query(), client_id_prefix="redirect_uri")
        assert request["protocol"] == "openid4vp-v1-unsigned"
        assert not {"client_id", "response_uri", "expected_origins"} & set(request["data"])
        told = await bank.node("answer", browser=request, origin=bank.url, credentials=[await bank.sd()])
        assert (await given(bank, mine, made, told["data"])).status_code == 200


async def test_an_answer_that_is_not_encrypted_where_none_was_asked_for(bank):
    async with browser(bank) as mine:
        made, request = await opened(bank, mine, sd_query(), response_mode="direct_post")
        told = await bank.node("answer", browser=request, origin=bank.url, credentials=[await bank.sd()])
        assert told["payload"]["response_mode"] == "dc_api" and list(told["data"]) == ["vp_token"]
        assert (await given(bank, mine, made, told["data"])).status_code == 200


@pytest.mark.parametrize("form", ["sd", "mdoc"])
async def test_an_answer_for_another_origin_is_refused(bank, form):
    """A page elsewhere that shows our unsigned request gets answers that are worth nothing here (A.4)."""
    async with browser(bank) as mine:
        query = sd_query() if form == "sd" else mdoc_query()
        made, request = await opened(bank, mine, query, client_id_prefix="redirect_uri")
        credential = await (bank.sd() if form == "sd" else bank.mdoc())
        told = await bank.node("answer", browser=request, origin="https://evil.example", credentials=[credential])
        refused = await given(bank, mine, made, told["data"])
        assert refused.status_code == 400 and refused.json()["error"] == "invalid_request", refused.text


async def test_another_browser_neither_gets_the_request_nor_answers_it(bank):
    async with browser(bank) as mine, browser(bank) as thief:
        made, request = await opened(bank, mine, sd_query())
        assert (await thief.get(f"/present/{made.request_id}/browser", headers=JSON)).status_code == 403
        told = await bank.node("answer", browser=request, origin=bank.url, credentials=[await bank.sd()])
        stolen = await given(bank, thief, made, told["data"])
        assert stolen.status_code in (400, 403), stolen.text
        assert (await bank.result(made)).state is State.OPEN
        # Nor is what was made for the browser's interface taken at the door for redirects, or the other way round.
        form = {"response": told["data"]["response"]}
        assert (await mine.post(f"/present/wallet/{made.request_id}/s", data=form)).status_code == 400
        assert (await mine.get(f"/present/wallet/{made.request_id}/b/request")).status_code == 404
        declined = await given(bank, mine, made, {"error": "access_denied"})
        assert declined.status_code == 200 and (await bank.result(made)).state is State.DECLINED


WALLET = """
window.DigitalCredential = class { static userAgentAllowsProtocol(name) { return name === "openid4vp-v1-signed"; } };
navigator.credentials.get = async ({ digital }) => {
  const data = await window.someWallet(digital.requests[0]);
  if (!data) throw new DOMException("no wallet", "NotAllowedError");
  return { protocol: digital.requests[0].protocol, data };
};
"""


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
async def test_our_page_in_chromium_asks_the_browsers_wallet_and_falls_back(bank):
    """The wallet behind the browser's interface is @openid4vc; the page, its script and its policies are our own."""
    credential, willing = await bank.sd(), asyncio.Event()

    async def some_wallet(request):
        if not willing.is_set():
            return None
        told = await bank.node("answer", browser=request, origin=bank.url, credentials=[credential])
        return told["data"]

    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            plain = await chromium.new_page()
            made = await bank.ask(sd_query())
            await plain.goto(f"{bank.url}/present/{made.request_id}")
            assert await plain.locator("#wallet").is_visible(), "the link is there whatever the browser can do"
            context = await chromium.new_context()
            await context.add_init_script(WALLET)
            page = await context.new_page()
            await page.expose_function("someWallet", some_wallet)
            made = await bank.ask(sd_query())
            await page.goto(f"{bank.url}/present/{made.request_id}")
            await page.click("#browser")
            await page.wait_for_selector("#no-browser:not([hidden])")
            assert await page.locator("#wallet").is_visible()
            willing.set()
            await page.click("#browser")
            await page.wait_for_selector('[data-tone="good"], .good', timeout=20_000)
        finally:
            await chromium.close()
    result = await bank.result(made)
    assert result.state is State.ANSWERED and values(result)["given_name"] == "Neema"
