"""A branch's counter as a teller sees it, and what the customer reads of it."""

import pytest
from tests.portal.conftest import PIN
from tests.portal.test_fraud_pages import keep

from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.model import Alias, TransferOrder
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

HERE = "/staff/teller"


@pytest.fixture
async def counter(stack, surf, town):
    new = NewStaff(
        staff_id="counter-1", institution="benki", roles=frozenset({"account-officer"}), name="Counter One",
        phone="+255614000001", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return await surf().sign_in("counter-1", new.phone)


async def test_a_teller_serves_a_customer_and_counts_the_drawer(stack, town, surf, counter):
    one = counter
    await one.open(f"{HERE}/day")
    till = one.text.split("Account of the drawer")[1].split()[0]
    keep(one, "teller-day")
    from msingi.kernel.context import Actor, Kind, context

    treasurer = context(Actor(Kind.STAFF, "treasurer-1", "hazina", frozenset({"treasurer"}), 2), "payment", "contract")
    (treasury,) = [a for a in await payments.accounts(stack, treasurer) if a.label == "treasury"]
    order = TransferOrder("till", treasury.number, Alias("account", till), 80_000, "TZS")
    await payments.transfer(stack, treasurer, order)
    await one.open(HERE)
    keep(one, "teller")
    await one.send(HERE, customer="+255799000111", reason="Card seen")
    assert one.answer.status_code == 422 and "Nobody is found" in one.text
    await one.send(HERE, customer=town.baraka.number, reason="Card seen, pays in")
    assert "B. K." in one.text and town.baraka.account in one.text
    keep(one, "teller-customer")
    page = one.path
    at = page.split("at=")[1]
    await one.open(f"{HERE}/do?way=in&at={at}")
    keep(one, "teller-in")
    await one.send(f"{HERE}/do", amount="x")
    assert one.answer.status_code == 422
    await one.send(f"{HERE}/do", amount="7,000")
    assert "The money is in the account" in one.text and "7,000" in one.text
    keep(one, "teller-done")
    slip = one.answer.text.split(f'href="{HERE}/slip/')[1].split('"')[0]
    await one.open(f"{HERE}/slip/{slip}")
    assert one.answer.content.startswith(b"%PDF") and len(one.answer.content) > 2_000
    await one.open(f"{HERE}/do?way=out&at={at}")
    await one.send(f"{HERE}/do", amount="900,000")
    assert one.answer.status_code == 422 and "ask for cash with a code" in one.text
    await one.send(f"{HERE}/do", amount="2,000")
    assert "Hand over the cash now" in one.text
    for way, typed in (("open", {"kind": "savings"}), ("tier", {"account": town.baraka.account, "tier": "2"})):
        await one.open(f"{HERE}/do?way={way}&at={at}")
        await one.send(f"{HERE}/do", **typed)
        assert one.answer.status_code == 200 and "B. K." in one.text, one.text
    assert "Savings" in one.text and "Full" in one.text
    await one.open(f"{HERE}/day")
    assert "5,000" in one.text
    await one.send(f"{HERE}/day", amount="5,000")
    assert "The count is kept" in one.text
    assert (await one.open(f"{HERE}/do?way=steal&at={at}")).status_code in (400, 403, 409, 422)
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/accesses")
    assert "A bank officer looked you up at a counter" in baraka.text
    for path in (HERE, f"{HERE}/day", page, f"{HERE}/slip/{slip}"):
        assert (await baraka.open(path)).status_code in (400, 403, 409)


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_counter_speaks_the_languages_of_the_country(stack, town, surf, language):
    new = NewStaff(
        staff_id=f"counter-{language}", institution="benki", roles=frozenset({"account-officer"}), name="Counter Two",
        phone=f"+25561400001{len(language)}{ord(language[0]) % 10}"[:13], pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    one = await surf(language).sign_in(new.staff_id, new.phone)
    await one.open(HERE)
    assert {"sw": "Mtafute mteja", "en": "Find the customer"}[language] in one.text
