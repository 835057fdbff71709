"""Passkeys in a real browser with a virtual authenticator, and what of them must be refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from playwright.async_api import async_playwright
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.running import free_port
from tests.signin.conftest import PIN, Sms
from tests.site import web_app

from msingi import countries
from msingi.kernel import log, policy
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import uuid7
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.errors import ChecksMissing, CoolingOff, PasskeyWrong
from msingi.signin.model import Place
from msingi.signin.passkeys import acts


@pytest.fixture
async def live(owner_url: str, stack: Stack, keys: Any) -> AsyncIterator[tuple[Stack, Sms]]:
    """The country behind a real port of `localhost`, a name that passkeys accept without https."""
    port = free_port()
    url = f"http://localhost:{port}"
    settings = Settings(home=stack.settings.home, host="127.0.0.1", port=port, base_url=url, sandbox=True)
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    server = uvicorn.Server(uvicorn.Config(web_app(made), port=port, log_level="warning", timeout_keep_alive=75))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    box = Sms(made)
    made.outbox.subscribe("sms.requested", box.take)
    yield made, box
    server.should_exit = True
    await serving


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    """A page of Chromium whose device unlocks by itself."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        context = await browser.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
        made = await context.new_page()
        cdp = await context.new_cdp_session(made)
        await cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made.authenticator = (await cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options}))[
            "authenticatorId"
        ]
        made.cdp = cdp
        yield made
        await browser.close()


async def test_a_passkey_is_added_signs_in_with_two_factors_and_is_removed(live, page, asha):
    stack, sms = live
    url = stack.settings.url
    await page.goto(f"{url}/signin/passkeys")
    await page.fill("#login", asha.number)
    await page.fill("#pin", PIN)
    await page.click("main button")
    if await page.query_selector("#code"):
        await page.fill("#code", await sms.code(asha.phone))
        await page.click("main button")
    await page.fill("#name", "My phone")
    await page.click("form[data-options] button")
    await page.wait_for_url("**/signin/passkeys?done=added")
    assert "My phone" in await page.inner_text("main")
    await stack.outbox.drain(stack)
    assert "My phone" in sms.sent[-1].text and sms.sent[-1].to == asha.phone

    await page.context.clear_cookies()
    await page.goto(f"{url}/signin/requests")
    await page.click("a[href*='/signin/with/passkey']")
    await page.click("form[data-options] button")
    await page.wait_for_url("**/signin/requests")

    await page.goto(f"{url}/signin/passkeys")
    assert "My phone" in await page.inner_text("main")  # two factors: nothing more was asked
    await page.click("form:has(input[name=remove]) button")
    await page.wait_for_url("**/signin/passkeys?done=removed")
    await page.context.clear_cookies()
    await page.goto(f"{url}/signin/requests")
    await page.click("a[href*='/signin/with/passkey']")
    await page.click("form[data-options] button")
    await page.wait_for_selector("text=signin.passkey-wrong")


async def test_without_unlocking_the_device_nothing_is_signed(live, page, asha):
    stack, _ = live
    await page.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": page.authenticator, "isUserVerified": False})
    await page.goto(f"{stack.settings.url}/signin/requests")
    await page.click("a[href*='/signin/with/passkey']")
    await page.click("form[data-options] button")
    await page.wait_for_selector("[data-wrong]:visible")
    assert "/signin/with/passkey" in page.url


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"id": "AA", "rawId": "AA", "type": "public-key"})])
async def test_what_is_no_passkey_is_refused(stack, text):
    with pytest.raises(PasskeyWrong):
        await acts.prove(stack, signin.proving(), text, b"c" * 32, "test")


async def test_access_passkeys(stack, asha, ctx_of):
    own = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing", basis="contract")
    assert await acts.list_passkeys(stack, own, asha.person_id) == []
    assert not await acts.remove_passkey(stack, own, asha.person_id, b"x")
    with pytest.raises(PasskeyWrong):
        await acts.add_passkey(stack, own, asha.person_id, "{}", b"c" * 32, "x")
    weak = ctx_of(Kind.PERSON, str(asha.person_id), purpose="identity-proofing", assurance=1)
    other = ctx_of(Kind.PERSON, str(uuid7()), purpose="identity-proofing")
    for no in (weak, other):
        with pytest.raises(NotPermitted):
            await acts.list_passkeys(stack, no, asha.person_id)
        with pytest.raises(NotPermitted):
            await acts.remove_passkey(stack, no, asha.person_id, b"x")


async def test_the_sign_in_page_offers_it_in_every_language(site):
    for code in ("sw", "en", "fr", "ar"):
        shown = await site.browser().open(
            f"/signin/requests?{urlencode({'lang': code})}", headers={"Accept-Language": code}
        )
        assert "/signin/with/passkey" in shown.text


async def test_access_recover(stack, juma, ctx_of, sms):
    own = ctx_of(Kind.PERSON, str(juma.person_id), purpose="identity-proofing", basis="contract")
    officer = ctx_of(Kind.STAFF, "o", institution="rita", roles=["enrolment-officer"], purpose="identity-registration")
    for no in (own, ctx_of(Kind.STAFF, "o", roles=["clinician"], purpose="identity-registration")):
        with pytest.raises(NotPermitted):
            await signin.recover(stack, no, juma.person_id, "9137", ("document", "photo"))
    for few in ((), ("document",), ("document", "document"), ("document", "horoscope")):
        with pytest.raises(ChecksMissing):
            await signin.recover(stack, officer, juma.person_id, "9137", few)
    until = await signin.recover(stack, officer, juma.person_id, "9137", ("document", "photo"))
    assert until > officer.at
    await stack.outbox.drain(stack)
    assert sms.sent[-1].to == juma.phone and "PIN" in sms.sent[-1].text
    place = Place(b"r", "10.7.7.0/24")
    assert (await signin.verify_pin(stack, signin.proving(), juma.number, "9137", place, "t")).who
    permit = policy.decide(own, "signin.list-passkeys", juma.person_id)
    async with stack.db.transaction(permit) as tx:
        with pytest.raises(CoolingOff):
            await signin.check_not_recovering(tx, juma.person_id, own.at)
        await signin.check_not_recovering(tx, juma.person_id, until)
        log.append(tx, permit)


async def test_access_list_and_retire_client(stack, keys, ctx_of):
    operator = ctx_of(Kind.STAFF, "op", roles=["operator"])
    names = [c.client_id for c in await signin.list_clients(stack, operator, "", 2)]
    assert names == sorted(names) and len(names) == 2
    assert {c.institution for c in await signin.list_clients(stack, operator, institution="benki")} == {"benki"}
    assert not await signin.retire_client(stack, operator, "nobody")
    officer = ctx_of(Kind.STAFF, "o", roles=["enrolment-officer"])
    for act in (signin.list_clients(stack, officer), signin.retire_client(stack, officer, "shop")):
        with pytest.raises(NotPermitted):
            await act
