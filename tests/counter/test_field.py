"""The field page in Chromium: offline after the first visit, sealed at once, handed in later, conflicts shown."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import uvicorn
from playwright.async_api import async_playwright
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.identity.matcher import records
from tests.identity.test_acts import key, someone
from tests.portal.conftest import PIN, Surfer, surf, town
from tests.running import free_port
from tests.site import web_app

from msingi import countries
from msingi.identity import acts as identity
from msingi.identity.biometrics import acts as biometrics
from msingi.identity.reception import envelope, field
from msingi.kernel.context import Kind, job_context
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

__all__ = ["surf", "town"]  # fixtures, imported by name


@pytest.fixture
async def live(owner_url: str, stack: Stack) -> AsyncIterator[Stack]:
    """The same country behind a real port."""
    port = free_port()
    settings = Settings(home=stack.settings.home, host="127.0.0.1", port=port, sandbox=True)
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    server = uvicorn.Server(uvicorn.Config(web_app(made), port=port, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield made
    server.should_exit = True
    await serving
    await made.close()


@pytest.fixture(scope="module")
async def hired(stack):
    """A registrar, and an officer who goes into the field."""
    for place, (name, roles) in enumerate({"reg-f": ["registrar"], "off-f": ["enrolment-officer"]}.items()):
        new = NewStaff(
            staff_id=name, institution="rita", roles=frozenset(roles), name=name, phone=f"+25569900030{place}", pin=PIN
        )
        await signin.add_staff(stack, job_context("setup", "operations"), new)
    return {"registrar": ("reg-f", "+255699000300"), "officer": ("off-f", "+255699000301")}


async def test_scans_are_sealed_or_the_reason_is_kept(surf, stack, hired, ctx_of):
    made = await identity.enrol(stack, ctx_of(Kind.JOB, "setup", purpose="identity-registration"), someone(), key())
    officer = await surf().sign_in(*hired["officer"])
    await officer.open("/staff/capture")
    assert "claims no accuracy" in officer.text and "No matcher is connected" in officer.text
    held = officer.form("/staff/capture") | {"number": made.number, "modality": "finger"}

    async def send(file: bytes = b"", **typed: str) -> None:
        files = {"record": ("f.iso", file, "application/octet-stream")}
        officer.answer = await officer.http.post("/staff/capture", data=held | typed, files=files)

    await send()
    assert officer.answer.status_code == 422 and "Choose a file" in officer.text
    await send(b"FMR\0 20\0 a template")
    assert "Sealed and kept." in officer.text
    await send(records(("Face", b"a face"), ("Iris", b"an iris")))
    assert "Sealed and kept." in officer.text
    await send(b"<?xml version='1.0'?><no/>")
    assert officer.answer.status_code == 422
    await send(capture_missing="no fingers")
    assert "The reason is kept." in officer.text
    reader = ctx_of(Kind.STAFF, "off-f", roles=["enrolment-officer"], purpose="identity-registration")
    found = await biometrics.biometrics_of(stack, reader, made.person_id)
    assert len(found) == 3 and {m for one in found for m in one.modalities} >= {"finger"}
    assert any("no fingers" in text for one in found for text in one.missing)


KEPT = """async () => {
  const result = (asked) => new Promise((done) => { asked.onsuccess = () => done(asked.result); });
  const db = await result(indexedDB.open("msingi-field"));
  const all = (name) => result(db.transaction(name).objectStore(name).getAll());
  const [own] = await all("device");
  let secret = "cannot";
  try { secret = JSON.stringify(await crypto.subtle.exportKey("jwk", own.keys.privateKey)); } catch {}
  return { packets: await all("packets"), secret, cached: await caches.keys() };
}"""


async def states(page: Any) -> list[str]:
    return await page.eval_on_selector_all("#packets .badge", "all => all.map((one) => one.dataset.state)")


async def until(page: Any, wanted: list[str]) -> None:
    for _ in range(60):
        if await states(page) == wanted:
            return
        await asyncio.sleep(0.25)
    raise AssertionError(f"{await states(page)} is not {wanted}")


@pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")
async def test_an_officer_enrols_without_network_and_hands_in_later(live, hired):
    async with async_playwright() as play:
        chromium = await play.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        try:
            context = await chromium.new_context(viewport={"width": 390, "height": 800}, locale="en")
            page = await context.new_page()
            await page.goto(f"{live.settings.url}/field")
            await page.fill("#device-name", "x")
            await page.click("#make-device button")
            assert await page.locator("#device-wrong").is_visible()
            await page.fill("#device-name", "tablet-7")
            await page.click("#make-device button")
            await page.wait_for_selector("#device-key:not(:empty)")
            shown = await page.text_content("#device-key")
            assert shown and json.loads(shown)["device"] == "tablet-7"
            await page.wait_for_function("navigator.serviceWorker.ready.then(() => true)")
            await page.wait_for_selector("#field[data-ready=true]")
            # A registrar trusts the key, by the line that the device shows.
            spoken = {"accept-language": "en"}
            http = httpx.AsyncClient(base_url=live.settings.url, follow_redirects=True, headers=spoken)
            registrar = await Surfer(http, live).sign_in(*hired["registrar"])
            await registrar.open("/staff/field")
            assert "Register a field device" in registrar.text
            await registrar.open("/staff/field/new")
            await registrar.send("/staff/field/new", device_key="{", device_officer="off-f")
            assert registrar.answer.status_code == 422
            await registrar.send("/staff/field/new", device_key=shown, device_officer="off-f")
            assert "The device is trusted." in registrar.text and "tablet-7" in registrar.text
            # No network: the page is there after a reload, and takes people down.
            await context.set_offline(True)
            await page.reload()
            await page.wait_for_selector("#field[data-ready=true]")
            await page.fill("#phone", "12")
            await page.click("#person button")
            assert await page.locator("#wrong-given").is_visible() and await page.locator("#wrong-phone").is_visible()
            await page.fill("#given", "Zubeda")
            await page.fill("#family", "Mwinyikombo")
            await page.fill("#phone", "0713555777")
            await page.fill("#born_year", "1971")
            await page.check("[name=estimated]")
            await page.select_option("#lacking", "no-fingers")
            await page.click("#person button")
            await until(page, ["kept"])
            await page.fill("#given", "Omari")
            await page.fill("#guardian", "111111111111")  # nobody's number
            await page.click("#person button")
            await until(page, ["kept", "kept"])
            assert await page.text_content("#network") == "No network"
            # What is kept says nothing, and the secret cannot leave the browser.
            kept = await page.evaluate(KEPT)
            told = json.dumps(kept)
            assert "Zubeda" not in told and "Omari" not in told and "1971" not in told and kept["secret"] == "cannot"
            assert all(len(one["text"].split(".")) == 5 for one in kept["packets"])
            packet, _ = envelope.verified(
                envelope.decrypted(live, kept["packets"][0]["text"]), envelope.public_key(json.loads(shown)["jwk"])
            )
            assert (
                packet.order.name.given == "Zubeda" and packet.order.phone == "+255713555777" and packet.sequence == 1
            )
            # The network is back: both arrive by themselves; one is enrolled, the other's conflict is shown.
            await context.set_offline(False)
            await until(page, ["received", "received"])
            assert await field.work_off(live) == 2
            await page.click("#hand-in")
            await until(page, ["conflict", "enrolled"])
            assert "Conflict" in (await page.text_content("#packets") or "")
            left = (await page.evaluate(KEPT))["packets"]
            assert [bool(one["text"]) for one in left] == [False, True], "what is enrolled is not kept here any more"
            if folder := os.environ.get("MSINGI_PICTURES"):
                await page.screenshot(path=f"{folder}/field.png", full_page=True)
                await page.goto(f"{live.settings.url}/field?lang=sw")
                await page.wait_for_selector("#field[data-ready=true]")
                await page.screenshot(path=f"{folder}/field-sw.png", full_page=True)
        finally:
            await chromium.close()
    found = await identity.person_by_phone(live, job_context("signin", "identity-proofing"), "+255713555777")
    assert found is not None


async def test_the_page_and_its_parts_are_public_and_say_how_they_may_be_used(live):
    async with httpx.AsyncClient(base_url=live.settings.url) as http:
        page = await http.get("/field?lang=sw")
        assert page.status_code == 200 and 'lang="sw"' in page.text and "Andikisha vijijini" in page.text
        assert "script-src 'self'" in page.headers["content-security-policy"]
        worker = await http.get("/field/offline.js")
        assert worker.headers["service-worker-allowed"] == "/field"
        assert (await http.get("/field/manifest.webmanifest")).json()["start_url"] == "/field"
        assert "PRIMARY" not in (await http.get("/field/field.css")).text
        assert (await http.get("/field/secret.txt")).status_code == 404
