"""Pages against a hostile neighbour, in a real browser: frames, foreign scripts, foreign forms, other devices."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright
from tests.credentials.presentation.bank import running, sd_query
from tests.credentials.presentation.wallet import Authority
from tests.credentials.test_verifier_page import CHROMIUM, FLAGS

from msingi.credentials.presentation.model import State
from msingi.kernel import clock

SHOTS = os.environ.get("MSINGI_TEST_SHOTS", "")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@pytest.fixture(scope="module")
async def bank(owner_url, tmp_path_factory, wallet, holder):
    authority = Authority("Civil Registry", int(clock.now().timestamp()) - 86_400)
    async with running(owner_url, tmp_path_factory.mktemp("walls"), wallet, authority, holder, "wahat") as made:
        yield made


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        await started.close()


@pytest.fixture(scope="module")
async def evil() -> AsyncIterator[str]:
    """A site of somebody else that frames and posts whatever its address says."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readline()).decode()
        target = re.sub(r"^GET /\??| HTTP/.*$", "", line).strip()
        frame = f'<iframe src="{target}" width=400 height=800></iframe>'
        form = f'<form id="f" method="post" action="{target}"><input name="number" value="000000"></form>'
        body = f"<!doctype html><title>evil</title><p>bait</p>{frame}{form}".encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def pages_of(bank, page: Page) -> dict[str, str]:
    """The pages that a thief would like to lay under a click, with a word that stands in each."""
    made = await bank.ask(sd_query(), across="number")
    await page.goto(f"{bank.url}/sign-in")
    return {
        f"{bank.url}/verify?lang=en": "Check an ID card",
        page.url: "PIN",
        f"{bank.url}/present/{made.request_id}?lang=fr": "Ouvrir le portefeuille",
    }


async def shoot(page: Page, name: str) -> None:
    if SHOTS:
        await page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


async def test_no_page_can_be_framed_by_another_site(bank, chromium, evil):
    context = await chromium.new_context(locale="en")
    page = await context.new_page()
    for address, word in (await pages_of(bank, page)).items():
        await page.goto(address)
        assert word in await page.inner_text("body"), address
        await page.goto(f"{evil}/?{address}")
        await page.wait_for_load_state("networkidle")
        framed = page.frames[1]
        assert framed.url.startswith("chrome-error:"), f"{address} was framed"
        assert word not in await framed.inner_text("body")
    await context.close()


async def test_no_foreign_script_style_or_connection_runs_in_a_page(bank, chromium, evil):
    context = await chromium.new_context(locale="en")
    page = await context.new_page()
    for address in await pages_of(bank, page):
        wrong: list[str] = []
        page.on(
            "console", lambda line, wrong=wrong: wrong.append(line.text) if "Content Security" in line.text else None
        )
        await page.goto(address)
        assert wrong == [], f"{address} breaks its own policy"
        for tag in ({"content": "window.stolen = 1"}, {"url": f"{evil}/x.js"}):
            with pytest.raises(Error):
                await page.add_script_tag(**tag)
        assert await page.evaluate("typeof window.stolen") == "undefined"
        injected = """async (evil) => {
            const box = document.createElement('div');
            box.innerHTML = '<img src=x onerror="window.stolen=2"><form action="' + evil + '"></form>';
            document.body.append(box);
            let evaled = 'ran';
            try { (0, eval)('1'); } catch { evaled = 'refused'; }
            const sent = await fetch(evil).then(() => 'sent', () => 'refused');
            await new Promise((done) => setTimeout(done, 200));
            return [evaled, sent, typeof window.stolen];
        }"""
        # evaluate() itself stands outside the page's policy, what it puts into the page does not.
        evaled, sent, stolen = await page.evaluate(injected, evil)
        assert (sent, stolen) == ("refused", "undefined") and evaled in ("refused", "ran"), address
        assert any("Content Security Policy" in text for text in wrong)
    await context.close()


async def test_a_form_of_another_site_confirms_nothing(bank, chromium, evil):
    made = await bank.ask(sd_query(), across="number")
    context = await chromium.new_context(locale="en")
    page = await context.new_page()
    await page.goto(f"{bank.url}/present/{made.request_id}")
    await bank.answered(made, await bank.sd())
    await page.goto(f"{evil}/?{bank.url}/present/{made.request_id}/number")
    async with page.expect_navigation() as going:
        await page.evaluate("document.getElementById('f').submit()")
    answer = await going.value
    assert answer is not None and answer.status == 403
    assert await page.locator(".stamp").get_attribute("data-code") == "presentation.other-session"
    assert (await bank.result(made)).state is State.SHOWN
    await context.close()


@pytest.mark.parametrize("lang", ["fr", "ar"])
async def test_a_person_shows_something_across_two_devices(bank, chromium, lang):
    """What people see, at phone width and with the keyboard alone, without and with script."""
    made = await bank.ask(sd_query(), across="number")
    size = {"width": 360, "height": 740}
    desk = await chromium.new_context(viewport=size, locale=lang)
    phone = await chromium.new_context(viewport=size, locale=lang, java_script_enabled=False)
    page, other = await desk.new_page(), await phone.new_page()
    await page.goto(f"{bank.url}/present/{made.request_id}?lang={lang}")
    await shoot(page, f"present-ask-{lang}")
    assert await page.get_attribute("html", "dir") == ("rtl" if lang == "ar" else "ltr")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "fits the width of a phone"
    told = await bank.answered(made, await bank.sd())
    await page.wait_for_selector("#number")
    await shoot(page, f"present-type-{lang}")
    await other.goto(told["body"]["redirect_uri"])
    await shoot(other, f"present-number-{lang}")
    number = await other.inner_text(".number")
    await page.keyboard.type(number)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".stamp.good")
    await shoot(page, f"present-done-{lang}")
    assert (await bank.result(made)).state is State.ANSWERED
    await desk.close()
    await phone.close()
