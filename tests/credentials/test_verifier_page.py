"""The verifier page in a real browser: what a shopkeeper sees of good, bad, ended and doubtful cards."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
import uvicorn
import zxingcpp
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright
from tests.credentials.conftest import face
from tests.site import web_app

from msingi import app, countries
from msingi.countries.portrait import portrait
from msingi.credentials import acts, claim169, publish, wire
from msingi.credentials.model import IssuedCard, Place, Reason
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name, Sex
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
FLAGS += ["--disable-sync", "--no-first-run", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
SHOTS = os.environ.get("MSINGI_TEST_SHOTS", "")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@dataclass
class Shop:
    """A running stack whose page a shopkeeper has open, and one woman's card."""

    stack: Stack
    server: uvicorn.Server
    card: IssuedCard
    back: bytes

    @property
    def url(self) -> str:
        """The stack's address."""
        return self.stack.settings.url


def issuing():
    """The context in which the stack issues cards."""
    return job_context("setup", "credential-issuance")


async def enrol(stack: Stack, given: str, born: str):
    """Enrol a woman with a photo."""
    order = EnrolmentOrder(
        Name(given, "Mwakasege"),
        Birth(born),
        Sex.FEMALE,
        stack.profile.regions[1].code,
        photo=portrait("card", "female"),
    )
    outcome = await identity.enrol(stack, job_context("setup", "identity-registration"), order, f"b:{given}")
    assert isinstance(outcome, Enrolled)
    return outcome.person_id


@pytest.fixture(scope="module")
async def shop(owner_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shop]:
    """A stack that serves on a port of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=tmp_path_factory.mktemp("shop"), port=port, sandbox=True)
    stack = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    doors = web_app(stack)
    await app.start_rooms(stack)
    config = uvicorn.Config(doors, port=port, log_level="error", timeout_keep_alive=75, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    issued = await acts.issue_card(stack, issuing(), await enrol(stack, "Neema Upendo", "1988-01-02"))
    pdf = await acts.sheet_pdf(stack, issuing(), [issued.credential_id])
    with pypdfium2.PdfDocument(pdf) as document:
        out = BytesIO()
        document[1].render(scale=300 / 72).to_pil().save(out, "PNG")
    yield Shop(stack, server, issued, out.getvalue())
    server.should_exit = True
    await serving
    await stack.close()


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser, shop: Shop) -> AsyncIterator[Page]:
    """The page in English on a phone, ready; any message of the console that is an error fails the test."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2, locale="en")
    opened = await context.new_page()
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda line: wrong.append(line.text) if "Content Security Policy" in line.text else None)
    await opened.goto(f"{shop.url}/verify?lang=en")
    await opened.wait_for_selector("#verifier[data-ready]")
    yield opened
    await context.close()
    assert not wrong


def picture_of(text: str) -> bytes:
    """A QR code as a picture."""
    out = BytesIO()
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M").to_image(scale=5)
    Image.fromarray(code).save(out, "PNG")
    return out.getvalue()


async def upload(page: Page, content: bytes) -> str:
    """Upload a picture and wait for the verdict; its state."""
    await page.set_input_files("#picture", {"name": "p.png", "mimeType": "image/png", "buffer": content})
    await page.wait_for_selector("#verdict:not([hidden])")
    return await page.get_attribute("#verdict", "data-state") or ""


async def paste(page: Page, text: str) -> str:
    """Paste a code's text; the state of the verdict."""
    await page.click("details summary")
    await page.fill("#text", text)
    await page.click("#check")
    await page.wait_for_selector("#verdict:not([hidden])")
    return await page.get_attribute("#verdict", "data-state") or ""


async def shoot(page: Page, name: str) -> None:
    """Keep a picture of the page where the reviewer asked for one."""
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


async def test_a_valid_card_from_a_picture_of_the_printed_sheet(page, shop):
    await shoot(page, "verify-start")
    assert await upload(page, shop.back) == "valid"
    assert await page.inner_text("#state") == "Valid"
    facts = await page.inner_text("#facts")
    assert "Neema Upendo Mwakasege" in facts and "January 2, 1988" in facts
    assert not await page.is_visible("#others"), "a shop sees no more than it needs before it asks"
    assert f"{shop.card.expires_on:%B} {shop.card.expires_on.day}, {shop.card.expires_on.year}" in facts
    await page.wait_for_function("() => document.getElementById('photo').naturalWidth === 42")
    assert await page.evaluate("document.activeElement.id") == "verdict", "the verdict is read out and has the focus"
    await page.click("#more summary")
    assert "Female" in await page.inner_text("#others")
    assert [await line.inner_text() for line in await page.query_selector_all("#steps b")] == ["yes"] * 4
    await shoot(page, "verify-valid")
    await page.click("#again")
    assert await page.is_visible("#scan") and not await page.is_visible("#verdict")


async def test_a_tampered_card(page, shop):
    message = claim169.unwrap(shop.card.qr_text)
    assert b"Neema" in message
    changed = claim169.wrap(message.replace(b"Neema", b"Meena"))
    assert await upload(page, picture_of(changed)) == "not-genuine"
    assert not await page.is_visible("#person"), "nothing of an unsigned content is shown"
    await shoot(page, "verify-tampered")


async def test_an_expired_card(page, shop):
    with clock.freeze(clock.now() - timedelta(days=365 * 11)):
        old = await acts.issue_card(shop.stack, issuing(), await enrol(shop.stack, "Zawadi Rehema", "1961-04-30"))
    assert await upload(page, picture_of(old.qr_text)) == "expired"
    assert "Zawadi Rehema" in await page.inner_text("#facts")
    await shoot(page, "verify-expired")


async def test_revoked_suspended_and_reinstated(page, shop, ctx_of):
    from msingi.kernel.context import Kind

    def officer():
        return ctx_of(
            Kind.STAFF,
            "o",
            roles=["card-officer"],
            institution="rita",
            purpose="credential-issuance",
            basis="public-task",
        )

    card = await acts.issue_card(shop.stack, issuing(), await enrol(shop.stack, "Halima Saida", "1999-09-09"))
    seen = []
    for act, reason in ((acts.suspend, Reason.LOST), (acts.reinstate, Reason.FOUND), (acts.revoke, Reason.STOLEN)):
        await act(shop.stack, officer(), card.credential_id, reason)
        seen.append(await paste(page, card.qr_text))
        await shoot(page, f"verify-{seen[-1]}")
        await page.click("#again")
        await page.click("details summary")
    assert seen == ["suspended", "valid", "revoked"]


async def test_strangers_rubbish_and_tomorrow(page, shop, stranger, es256):
    claims = wire.claims_of(face(), shop.url, Place(1, 5), "sw", "")
    assert await paste(page, wire.qr_text(claims, stranger)) == "unknown-issuer"
    await page.click("#again")
    await page.click("details summary")
    assert await paste(page, "HTTPS://EXAMPLE.COM") == "unreadable"
    await page.click("#again")
    with clock.freeze(clock.now() + timedelta(days=9)):
        early = await acts.issue_card(shop.stack, issuing(), await enrol(shop.stack, "Furaha Esther", "2001-01-01"))
    await page.click("details summary")
    assert await paste(page, early.qr_text) == "not-yet-valid"


async def test_a_picture_without_a_code_says_so_aloud(page):
    await page.set_input_files("#picture", {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": portrait(5)})
    await page.wait_for_function("() => document.getElementById('progress').textContent.includes('no QR code')")
    assert await page.get_attribute("#progress", "aria-live") == "polite"
    assert not await page.is_visible("#verdict")


async def test_the_page_is_used_with_the_keyboard_alone(page, shop):
    await page.focus("#text", timeout=500) if await page.is_visible("#text") else await page.focus("details summary")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "text"
    await page.keyboard.insert_text(shop.card.qr_text)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.wait_for_selector("#verdict:not([hidden])")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.parentElement.id") == "more"
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.id") == "again"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "scan"


async def test_the_camera_opens_and_stops(page):
    await page.click("#scan")
    await page.wait_for_selector("#viewfinder:not([hidden])")
    await page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    await page.click("#stop")
    assert not await page.is_visible("#viewfinder")


@pytest.mark.parametrize("language", ["sw", "fr", "ar"])
async def test_the_page_in_other_languages(page, shop, language):
    await page.goto(f"{shop.url}/verify?lang={language}")
    await page.wait_for_selector("#verifier[data-ready]")
    assert await upload(page, shop.back) == "valid"
    assert await page.inner_text("#state") == {"sw": "Ni halali", "fr": "Valable", "ar": "صالحة"}[language]
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no scrolling sideways"
    await shoot(page, f"verify-{language}")


async def test_what_python_and_the_browser_say_is_the_same(page, shop, stranger):
    """The two implementations are held against each other on many damaged cards."""
    from msingi.credentials.verify import verify_card

    text = shop.card.qr_text
    message = claim169.unwrap(text)
    samples = [
        text,
        text[:-3],
        text[3:],
        text + "A",
        text + "ABC",
        "",
        claim169.wrap(b""),
        claim169.wrap(message + b"\0"),
    ]
    samples += [
        claim169.wrap(message[:i] + bytes([message[i] ^ 1]) + message[i + 1 :]) for i in range(0, len(message), 9)
    ]
    samples += [text[:i] + ("0" if text[i] != "0" else "1") + text[i + 1 :] for i in range(0, len(text), 29)]
    samples += [claim169.wrap(b"\xd8\x3d" + message), claim169.wrap(message[1:])]
    jwks = publish.issuer_keys(shop.stack)
    token = (await publish.status_list(shop.stack, shop.card.status_list)).jwt
    expected = [str(verify_card(s.strip(), jwks, token, clock.now(), issuer=shop.url).state) for s in samples]
    script = """async ([samples, jwks, token, issuer]) => {
        const source = (await (await fetch('/verify/verifier.js')).text()).replace(/else startPage\\(\\);\\s*$/, '');
        const blob = new Blob([source + '\\nexport { verifyCard };'], {type: 'text/javascript'});
        const { verifyCard } = await import(URL.createObjectURL(blob));
        const states = [];
        for (const s of samples) {
            states.push((await verifyCard(s.trim(), issuer, jwks, async () => token, Date.now() / 1000)).state);
        }
        return states;
    }"""
    opened = await page.context.browser.new_context(bypass_csp=True)  # the test's own module, not the page's
    other = await opened.new_page()
    await other.goto(f"{shop.url}/verify")
    found = await other.evaluate(script, [samples, jwks["keys"], token, shop.url])
    await opened.close()
    assert found == expected
    assert expected[0] == "valid" and len(set(expected)) >= 4


async def test_pictures_are_read_on_the_device_and_sent_only_on_demand(page, shop):
    """Law 8: whatever the picture, nothing goes to the server by itself."""
    posted: list[str] = []
    page.on("request", lambda request: posted.append(request.url) if request.method == "POST" else None)
    assert await upload(page, photographed(shop.card.qr_text)) == "valid"
    await page.click("#again")
    assert not await page.is_visible("#send")
    for content in (blurred(shop.card.qr_text), portrait("card", "female")):
        await page.set_input_files("#picture", {"name": "p.png", "mimeType": "image/png", "buffer": content})
        await page.wait_for_selector("#send:not([hidden])")
        assert (
            await page.inner_text("#progress")
            == "There is no QR code in the picture. Take it again: close, sharp, in good light."
        )
    assert posted == []
    await shoot(page, "verify-not-read")
    await page.click("#send")
    await page.wait_for_selector("#send", state="hidden")
    assert posted == [f"{shop.url}/verify/read"]


async def test_the_camera_finds_the_code_by_itself(shop, tmp_path):
    """A film of a hand-held card is what Chromium takes for its camera."""
    film = tmp_path / "card.y4m"
    with Image.open(BytesIO(photographed(shop.card.qr_text))) as still:
        frame = still.convert("L").resize((1280, 960))
    with film.open("wb") as out:
        out.write(b"YUV4MPEG2 W1280 H960 F5:1 Ip A1:1 C420jpeg\n")
        for _ in range(3):
            out.write(b"FRAME\n" + frame.tobytes() + bytes([128]) * (1280 * 960 // 2))
    async with async_playwright() as playwright:
        args = [*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        context = await running.new_context(locale="fr", permissions=["camera"])
        opened = await context.new_page()
        await opened.goto(f"{shop.url}/verify?lang=fr")
        await opened.wait_for_selector("#verifier[data-ready]")
        await opened.click("#scan")
        await opened.wait_for_selector("#verdict:not([hidden])")
        assert await opened.get_attribute("#verdict", "data-state") == "valid"
        assert not await opened.is_visible("#viewfinder"), "the camera is off"
        await running.close()


def photographed(text: str) -> bytes:
    """A code as a hand-held camera sees it: turned, out of the middle, a little out of focus, in uneven light."""
    from PIL import ImageFilter

    code = Image.open(BytesIO(picture_of(text))).convert("L").resize((900, 900))
    turned = code.rotate(14, expand=True, fillcolor=255, resample=Image.Resampling.BICUBIC)
    table = Image.new("L", (1800, 1350), 150)
    table.paste(turned, (420, 110))
    skewed = table.transform(
        table.size, Image.Transform.QUAD, (40, 20, 90, 1330, 1780, 1290, 1740, 60), Image.Resampling.BICUBIC
    )
    light = Image.linear_gradient("L").resize(table.size).point(lambda v: 160 + v // 3)
    from PIL import ImageChops

    out = BytesIO()
    ImageChops.multiply(skewed.filter(ImageFilter.GaussianBlur(1.2)), light).save(out, "JPEG", quality=80)
    return out.getvalue()


def blurred(text: str) -> bytes:
    """A code that nobody can read."""
    from PIL import ImageFilter

    out = BytesIO()
    Image.open(BytesIO(picture_of(text))).convert("L").filter(ImageFilter.GaussianBlur(14)).save(out, "PNG")
    return out.getvalue()


async def test_z_without_network_the_page_still_reads_and_verifies(page, shop):
    """The server stops: the page comes back from the device, reads a picture, and says what it can no longer know."""
    await page.wait_for_function("() => navigator.serviceWorker.ready.then(() => true)")
    await page.reload()
    await page.wait_for_selector("#verifier[data-ready]")
    shop.server.should_exit = True
    while shop.server.started and shop.server.servers and any(s.is_serving() for s in shop.server.servers):
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    await page.context.set_offline(True)
    await page.goto(f"{shop.url}/verify?lang=sw")
    assert await page.inner_text("h1") == "Hakiki kitambulisho"
    await page.wait_for_selector("#verifier[data-ready]")
    assert await upload(page, photographed(shop.card.qr_text)) == "valid", "read, and checked with what is kept here"
    await shoot(page, "verify-offline-sw")
    await page.click("#again")
    assert await paste(page, shop.card.qr_text) == "valid", "keys and list are on the device, and still fresh"
    await page.evaluate(
        "Object.keys(localStorage).filter((k) => k.includes('list')).forEach((k) => localStorage.removeItem(k))"
    )
    await page.click("#again")
    await page.click("details summary")
    assert await paste(page, shop.card.qr_text) == "undetermined", "never revoked when it only could not check"
    await shoot(page, "verify-undetermined")
    await page.evaluate("localStorage.clear()")
    await page.click("#again")
    await page.click("details summary")
    assert await paste(page, shop.card.qr_text) == "unchecked"
