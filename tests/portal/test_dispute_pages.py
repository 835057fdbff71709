"""A payment is disputed from the movements, answered, decided and taken further: as both sides and the desk see it."""

import pytest
from tests.portal.conftest import PIN
from tests.portal.test_fraud_pages import keep, send

from msingi.kernel.context import job_context
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff


async def test_from_the_movement_to_the_decision(stack, town, surf):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await send(asha, town, "2,000")
    transfer = asha.path.rpartition("/")[2]
    await asha.open("/me/money")
    here = f"/me/money/disputes/{transfer}"
    assert f'href="{here}"' in asha.answer.text
    await asha.open(here)
    assert "What is wrong with this payment?" in asha.text
    await asha.send(here, step="open", text="")
    assert asha.answer.status_code == 422
    keep(asha, "dispute-open")
    await asha.send(here, step="open", kind="wrong-payee", text="I typed a wrong number")
    assert "the other side is asked" in asha.text and "Held until the decision" in asha.text
    keep(asha, "dispute-mine")
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/disputes")
    assert "You were paid" in baraka.text and "I paid the wrong person" in baraka.text
    keep(baraka, "disputes")
    await baraka.open(here)
    assert "I typed a wrong number" in baraka.text
    keep(baraka, "dispute-against")
    await baraka.send(here, step="answer", text="She owed it to me")
    assert "Your answer was sent" in baraka.text
    new = NewStaff(
        staff_id="disputes-1", institution="benki", roles=frozenset({"account-officer"}), name="Rehema",
        phone="+255613000041", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    desk = await surf().sign_in("disputes-1", "+255613000041")
    await desk.open("/staff/disputes")
    assert "Waits for the decision" in desk.text
    keep(desk, "staff-disputes")
    away = f"/staff/disputes/{transfer}"
    await desk.open(away)
    assert "She owed it to me" in desk.text
    keep(desk, "staff-dispute")
    await desk.send(away, amount="2,001", text="x")
    assert desk.answer.status_code == 422 and "At most what was paid" in desk.text
    await desk.send(away, amount="0", text="She owed it")
    assert "Not paid back" in desk.text
    await asha.open(here)
    assert "The bank decided, because" in asha.text and "You do not agree?" in asha.text
    await asha.send(here, step="further", text="I owe nothing")
    assert "A complaint is open under the reference" in asha.text
    keep(asha, "dispute-further")


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_pages_speak_the_languages_of_the_country(town, surf, language):
    asha = await surf(language).sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/disputes")
    assert {"sw": "Mabishano", "en": "Disputes"}[language] in asha.text
