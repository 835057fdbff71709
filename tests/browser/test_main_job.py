"""The main job, points 2 to 7, in a real browser against the stack as `msingi up` starts it.

What institutions' software does between the pages (FHIR, signed questions) goes through the same doors as the tour's.
"""

import asyncio
import json
import re
import time
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from tests.browser.pages import Somebody, code_on_console, messages

from msingi.cli.tour_steps import Steps, _synthea

PAID = 25_000  # beside the 50,000 that the sample gave them
SENT = 7_000


@pytest.fixture(scope="module")
def world(browser, running, pictures, tmp_path_factory):
    """Everybody who takes part, with a browser each."""
    sample = running.sample
    asha, juma = sample["people"][0], sample["people"][1]
    staff = {s["role"]: s for s in sample["staff"]}

    class World:
        """The people of the story."""

        folder = tmp_path_factory.mktemp("kept")
        me = Somebody(browser, running.url, pictures, asha)
        friend = Somebody(browser, running.url, pictures, juma)
        clerk = Somebody(browser, running.url, pictures, staff["clerk"], wide=True)
        approver = Somebody(browser, running.url, pictures, staff["approver"], wide=True)
        operator = Somebody(browser, running.url, pictures, staff["operator"], wide=True)

        def steps(self) -> Steps:
            """The tour's hands for what is not a page."""
            return Steps(running.home, sample, self.folder, 10)

    world = World()
    yield world
    for each in (world.me, world.friend, world.clerk, world.approver, world.operator):
        each.leave()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a piece of the tour, outside of Playwright's own loop."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as other:
        return other.submit(asyncio.run, work).result()


def test_3_a_person_signs_in_with_a_second_factor_that_only_the_operator_sees(world, running):
    world.operator.sign_in()
    world.operator.open("/staff/console")
    assert "No real message is sent" in world.operator.words
    known = len(messages(running.url, world.me.who["phone"]))
    world.me.begin_sign_in()
    code = code_on_console(world.operator, world.me.who["phone"], known)
    world.operator.picture("console")
    world.me.finish_sign_in(code)
    assert world.me.page.url == f"{running.url}/me"
    assert world.me.heading == world.me.who["name"]
    world.me.picture("overview")


def test_2_the_card_verifies_on_the_web_page(world, running):
    me = world.me
    me.open("/me/card")
    me.picture("card")
    assert me.download("Download card").startswith(b"%PDF")
    me.page.locator("summary").click()
    me.page.wait_for_function("() => document.querySelector('img.code').naturalWidth > 0")
    picture = world.folder / "code.png"
    picture.write_bytes(me.page.request.get(f"{running.url}/me/card.png").body())
    me.open("/verify")
    me.page.set_input_files("#picture", picture)
    me.page.wait_for_selector("#verdict:not([hidden])")
    me.picture("verified")
    verdict = me.page.locator("#verdict").inner_text()
    assert world.me.who["name"].split()[0] in verdict, verdict


def test_4_a_ministry_pays_and_the_person_sends_some_to_somebody_else(world, running):
    steps = world.steps()
    file = world.folder / "payment.xml"
    file.write_text(steps._pain001(running.sample["people"][:5], PAID), "utf-8")
    clerk = world.clerk.sign_in()
    clerk.open("/staff/payments")
    clerk.press("Upload and check")
    assert "Choose a file first" in clerk.words
    clerk.page.set_input_files("#file", file)
    clerk.press("Upload and check")
    assert "Waits for approval" in clerk.words and "somebody else must approve" in clerk.words
    clerk.picture("uploaded")
    address = clerk.page.url.removeprefix(running.url)
    approver = world.approver.sign_in()
    approver.open(address)
    approver.press("Approve and pay")
    for _ in range(60):
        approver.open(address)
        if approver.page.locator("#state").get_attribute("data-state") == "done":
            break
        time.sleep(0.25)
    approver.picture("paid")
    assert "5 of 5 lines done" in approver.words, approver.words
    me = world.me
    me.open("/me/money")
    assert "75,000" in me.page.locator("#balance").inner_text()
    me.press("Send money")
    me.press("Continue")
    assert me.page.locator("#wrongs li").count() == 2
    me.picture("corrections")
    me.page.fill("#phone", world.friend.who["phone"])
    me.page.fill("#amount", "7,000")
    me.page.fill("#note", "Asante")
    me.press("Kiswahili")
    assert me.page.locator("#amount").input_value() == "7,000" and me.heading == "Tuma fedha"
    me.press("English")
    me.press("Continue")
    payee = me.page.locator("#payee").inner_text()
    assert payee and world.friend.who["name"] not in payee, "the payee's name is masked"
    me.picture("check")
    me.press("Send now")
    assert "/me/money/receipts/" in me.page.url and "7,000" in me.words
    me.picture("receipt")
    receipt = me.page.url
    me.page.go_back()
    me.press("Send now")
    assert me.page.url == receipt, "who goes back and sends again gets the first receipt"
    me.open("/me/money")
    assert "68,000" in me.page.locator("#balance").inner_text()
    me.picture("money")
    world.friend.sign_in()
    world.friend.open("/me/money")
    assert "+TSh\u00a07,000" in world.friend.page.locator("#entries").inner_text()
    assert "82,000" in world.friend.page.locator("#balance").inner_text()


def test_5_health_is_refused_allowed_answered_withdrawn_refused(world, running):
    asked = run(_clinic_and_first_question(world))
    assert asked == "refused"
    me = world.me
    me.open("/me/health")
    assert me.page.locator("main section").count() >= 3
    me.picture("health")
    me.open("/me/consents")
    me.picture("request")
    me.press("Read and decide")
    assert "Why" in me.words and "How long" in me.words
    both = [me.page.get_by_role("button", name=n).bounding_box() for n in ("I allow it", "I refuse")]
    assert both[0] and both[1]
    assert (round(both[0]["width"]), round(both[0]["height"])) == (round(both[1]["width"]), round(both[1]["height"]))
    me.picture("consent")
    me.press("I allow it")
    assert "You allowed it" in me.words
    assert run(_ask(world)) == "answered"
    me.open("/me/consents")
    me.press("Withdraw")
    me.picture("withdraw")
    me.press("Withdraw now")
    assert "can no longer see" in me.words
    assert run(_ask(world)) == "refused"


async def _clinic_and_first_question(world) -> str:
    async with world.steps() as steps:
        hospital = steps.institution("hospital")
        token = await steps._token("clinic-app", "clinician")
        for name in ("organizations", "practitioners"):
            await steps._store(token, _synthea(name))
        bundle = _synthea("adult")
        system, number = steps.profile.number_system, world.me.who["number"]
        for entry in bundle["entry"]:
            if entry["resource"]["resourceType"] == "Patient":
                entry["resource"]["identifier"] = [{"system": system, "value": number}]
                entry["request"]["ifNoneExist"] = f"identifier={system}|{number}"
        await steps._store(token, bundle)
        first = await steps._ask(hospital)
        wish = {"person": number, "agreement": "patient-summary", "reason": "an appointment tomorrow"}
        answer = await steps._signed(hospital, "/v1/consent/requests", wish)
        assert answer.status in (200, 201), answer.body
        return first


async def _ask(world) -> str:
    async with world.steps() as steps:
        return await steps._ask(steps.institution("hospital"))


def test_6_the_person_sees_every_access_and_keeps_a_proof_that_survives_a_restart(world, running):
    me = world.me
    me.open("/me/accesses")
    me.picture("accesses")
    words = me.words
    older = me.page.locator("a[rel=next]")
    while older.count() and "Made your ID card" not in words:
        me.press("Older")
        words += me.words
    me.open("/me/accesses")
    for told in (
        "Got the summary of your health",
        "asked about you and was refused",
        "Wrote into your health record",
        "Looked you up by number or phone",
        "Gave a permission",
        "Withdrew a permission",
        "Made your ID card",
        "Ministry of Social Welfare",
    ):
        assert told in words, f"{told!r} is not among: {words}"
    line = me.page.locator("article", has_text="Got the summary of your health").first
    assert "Your treatment" in line.inner_text() and "Your permission" in line.inner_text()
    line.get_by_role("link").click()
    for part in ("Who", "Institution", "Purpose", "Legal basis", "When"):
        assert part in me.words
    me.picture("access")
    proof = _proof(me)
    trust = world.folder / "trust.json"
    trust.write_bytes(httpx.get(f"{running.url}/.well-known/msingi-trust.json").content)
    assert _verify(running, world, proof, trust).startswith("genuine")
    running.stop()
    running.start()
    assert _verify(running, world, proof, trust).startswith("genuine")
    place = len(proof) // 2
    changed = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
    assert not _verify(running, world, changed, trust).startswith("genuine")
    fsck = running.run("fsck", "--home", str(running.home))
    assert fsck.returncode == 0, fsck.stdout + fsck.stderr
    me.open("/me")
    assert me.heading == me.who["name"], "the session outlives a restart"


def _proof(me: Somebody) -> bytes:
    for _ in range(20):
        if me.page.get_by_role("link", name="Download the proof").count():
            return me.download("Download the proof")
        time.sleep(0.5)
        me.page.reload()
    raise AssertionError("the proof did not become ready")


def _verify(running, world, proof: bytes, trust) -> str:
    file = world.folder / "line.tlog-proof"
    file.write_bytes(proof)
    answer = running.run("verify", str(file), "--trust", str(trust))
    return answer.stdout if answer.returncode == 0 else answer.stderr or "refused"


def test_7_the_figures_are_a_page_a_chart_and_files(world, running):
    me = world.me
    me.open("/figures")
    me.picture("figures")
    words = me.words
    for code in ("16.9.1", "8.10.2", "3.b.1"):
        assert code in words
    assert "What it counts" in words and "Be careful" in words and "Protection" in words
    me.page.wait_for_function("() => [...document.querySelectorAll('img.chart')].some(i => i.naturalWidth > 0)")
    for href in me.page.locator("a[href*='/figures/8.10.2.']").evaluate_all("all => all.map(a => a.href)"):
        answer = httpx.get(href)
        assert answer.status_code == 200, href
        if ".json" in href:
            assert json.loads(answer.content)["indicator"] == "8.10.2"


def test_8_a_person_signs_out_and_the_way_back_is_closed(world, running):
    me = world.me
    me.open("/me")
    me.press("Sign out")
    me.page.goto(f"{running.url}/me")
    assert re.search(r"/signin|/oauth", me.page.url) or me.page.locator("#login").count()


def test_the_staff_enrol_and_decide_in_a_browser(world, running, browser, pictures):
    staff = {s["role"]: s for s in running.sample["staff"]}
    officer = Somebody(browser, running.url, pictures, staff["officer"], wide=True).sign_in()
    officer.picture("desk")
    officer.open("/staff/enrol")
    officer.page.fill("#given_name", "Zuhura")
    officer.page.fill("#family_name", "Mbwambo")
    officer.page.fill("#born", "27")
    officer.page.fill("#born_month", "3")
    officer.page.fill("#born_year", "1988")
    officer.page.get_by_label("Woman").check()
    officer.picture("enrol")
    officer.press("Continue")
    officer.picture("enrol-check")
    officer.press("Enrol")
    assert re.search(r"\d{4}\s\d{4}\s\d{4}", officer.page.locator("#number").inner_text())
    officer.picture("enrolled")
    auditor = Somebody(browser, running.url, pictures, staff["auditor"], wide=True).sign_in()
    auditor.open("/staff/audit")
    assert "Registered you" in auditor.words and "Zuhura" not in auditor.words
    auditor.picture("audit")
    officer.leave()
    auditor.leave()
