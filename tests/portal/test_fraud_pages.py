"""A payment is stopped, contested, looked at and let go: as payer and officers see it, without scripts."""

import os
import re
from pathlib import Path

import pytest
from msgspec import structs
from tests.portal.conftest import PIN

from msingi.kernel.context import job_context
from msingi.payments import gate
from msingi.payments.fraud import rulebook, watch
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

KEPT = os.environ.get("MSINGI_TEST_PAGES", "")  # a folder: keep the pages, to be looked at


def keep(browser, name: str) -> None:
    if KEPT:
        (Path(KEPT) / f"{name}.html").write_text(browser.answer.text.replace("/assets/", ""), "utf-8")


@pytest.fixture(scope="module")
def strict(stack):
    book = rulebook.read(stack.profile)
    assert book is not None
    small = {"stranger": {"over_minor": 1_000}, "pace-hour": {"most": 1}}
    made = structs.replace(book, rules=tuple(structs.replace(rule, **small.get(rule.code, {})) for rule in book.rules))
    stack.local[gate.KEY], stack.local[rulebook.KEY] = watch.Watch(stack, made), made
    return made


async def officer(stack, surf, name, phone):
    roles = frozenset({"compliance-officer"})
    new = NewStaff(staff_id=name, institution="benki", roles=roles, name=name.title(), phone=phone, pin=PIN)
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return await surf().sign_in(name, phone)


async def send(browser, town, amount):
    await browser.open("/me/money/send")
    await browser.send("/me/money/send", phone=town.baraka.phone, amount=amount, note="Rent")
    await browser.send("/me/money/send/confirm")


async def test_from_the_stop_to_the_decision(stack, town, surf, strict):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/stopped")
    assert "Nothing was stopped" in asha.text
    await send(asha, town, "2,000")
    assert asha.path.startswith("/me/money/stopped/") and "whom you never paid before" in asha.text
    assert "A person decides until" in asha.text and "2,000" in asha.text
    here = asha.path
    await asha.send(here, text="")
    assert asha.answer.status_code == 422 and "up to 1,000" in asha.text
    await asha.send(here, text="It is my rent")
    assert "A person will look at it" in asha.text
    keep(asha, "person-stop")
    await asha.open("/me/money/stopped")
    assert "A person looks at it" in asha.text and "50,000" not in asha.text
    keep(asha, "person-stops")
    anna = await officer(stack, surf, "anna", "+255613000031")
    await anna.open("/staff/fraud")
    assert "A large amount to somebody who was never paid before" in anna.text and "To be checked" in anna.text
    keep(anna, "staff-fraud")
    case = re.search(r'href="(/staff/fraud/[0-9a-f-]+)"', anna.answer.text)
    assert case
    await anna.open(case[1])
    assert "It is my rent" in anna.text and town.asha.number not in anna.text
    await anna.send(case[1], step="take")
    await anna.send(case[1], step="clear", text=" ")
    assert anna.answer.status_code == 422
    await anna.send(case[1], step="ask", text="From when is the contract?")
    keep(anna, "staff-fraud-case")
    await asha.open(here)
    assert "From when is the contract?" in asha.text
    await anna.send(case[1], step="clear", text="A rent")
    assert "Let go" in anna.text
    await asha.open(here)
    assert "You may send it again until" in asha.text
    await send(asha, town, "2,000")
    assert asha.path.startswith("/me/money/receipts/")
    await send(asha, town, "10")
    assert "There were many payments" in asha.text and "Ask a person to decide" in asha.text
    keep(asha, "person-stop-pace")
    await asha.send(asha.path, text="I sell vegetables")
    assert "A person decides until" in asha.text


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_pages_speak_the_languages_of_the_country(town, surf, strict, language):
    asha = await surf(language).sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/stopped")
    title = {"sw": "Malipo yaliyosimamishwa", "en": "Stopped payments"}[language]
    assert asha.answer.status_code == 200 and title in asha.text
