"""What people and officers see of credentials: fetch one, pause it, award one, decide a request."""

import re
from types import SimpleNamespace

import pytest

from msingi.credentials.issuance import acts
from msingi.credentials.picture import read_qr
from msingi.kernel.context import job_context
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

PIN = "472910"


@pytest.fixture(scope="module")
async def clerk(stack, town):
    """An officer who awards for the ministry."""
    new = NewStaff(
        staff_id="clerk-1", institution="hazina", roles=frozenset({"credential-officer"}), name="Clerk One",
        phone="+255612000090", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return SimpleNamespace(login="clerk-1", phone="+255612000090")


def picture_in(page: str) -> str:
    """What the code on a page says."""
    import base64

    found = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert found
    return read_qr(base64.b64decode(found[1]))


async def test_a_person_fetches_a_credential_and_pauses_it(stack, surf, town):
    browser = await surf().sign_in(town.asha.number, town.asha.phone)
    page = await browser.open("/me/wallet")
    assert page.status_code == 200 and "National ID" in browser.text
    await browser.send("/me/wallet/offer", kind="national-id")
    link = picture_in(browser.answer.text)
    assert link.startswith("openid-credential-offer://?credential_offer_uri=")
    assert link.replace("&", "&amp;") in browser.answer.text and "We sent it to your phone" in browser.text
    await stack.outbox.drain(stack)
    messages = (await browser.http.get("/sandbox/sms", params={"to": town.asha.phone})).json()
    assert re.search(r"\b\d{6}\b", messages[0]["text"])
    await browser.open("/me/wallet")
    assert "Valid" in browser.text and "Mrisho" in browser.text
    await browser.send("/me/wallet/pause")
    assert "Paused" in browser.text and browser.path == "/me/wallet"


async def test_an_officer_awards_and_decides(stack, surf, town, clerk):
    browser = await surf().sign_in(clerk.login, clerk.phone)
    await browser.open("/staff/credentials")
    assert "Farmer card" in browser.text and "Vaccination" not in browser.text, "of the own institution only"
    await browser.open("/staff/credentials/farmer-card")
    door = "/staff/credentials/farmer-card"
    answer = await browser.send(door, number=town.baraka.number, farmer_number="F-7", crops="poppies")
    assert answer.status_code == 422 and "does not fit" in browser.text
    answer = await browser.send(door, number="1234", farmer_number="F-7", crops="maize")
    assert answer.status_code == 422 and "No person" in browser.text
    answer = await browser.send(
        door, number=town.baraka.number, farmer_number="F-7", crops="maize, rice", subsidy="yes"
    )
    assert answer.status_code == 200 and "Awarded" in browser.text and picture_in(browser.answer.text)
    await browser.open("/staff/credentials/driving-licence")
    rows = "B, 2026-01-02, 2031-01-01"
    answer = await browser.send(
        "/staff/credentials/driving-licence", number=town.baraka.number, driving_privileges=rows
    )
    assert answer.status_code == 200, browser.text
    assert (await browser.open("/staff/credentials/vaccination")).status_code == 404
    assert await acts.holdings_of(stack, job_context("copy", "subject-access"), town.baraka.id)


async def test_others_do_not_get_to_the_desk(surf, town):
    browser = await surf().sign_in(town.staff.officer.login, town.staff.officer.phone)
    assert (await browser.open("/staff/credentials")).status_code in (403, 404)


@pytest.mark.parametrize("language", ["sw", "fr", "ar"])
async def test_the_pages_speak_every_language(surf, town, language):
    browser = surf(language)
    await browser.sign_in(town.baraka.number, town.baraka.phone)
    assert (await browser.open("/me/wallet")).status_code == 200
