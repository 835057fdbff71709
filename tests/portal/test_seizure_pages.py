"""A legal order on the pages: entered by one officer, paid over by another, read by the holder, lifted."""

from datetime import timedelta

from msgspec import structs
from tests.payments import kit
from tests.portal.conftest import PIN

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.bank import tariff
from msingi.payments.model import AccountKind
from msingi.portal.routes_seizures import DESK, HERE
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff


async def test_two_officers_carry_out_an_order_and_the_holder_reads_where_to_contest_it(stack, town, surf, monkeypatch):
    officers = []
    for n in (1, 2):
        phone = f"+25561300009{n}"
        new = NewStaff(
            staff_id=f"bailiff-{n}", institution="benki", roles=frozenset({"account-officer"}), name=f"Bailiff {n}",
            phone=phone, pin=PIN,
        )  # fmt: skip
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        officers.append(await surf().sign_in(f"bailiff-{n}", phone))
    first, second = officers
    court = await payments.open_account(stack, job_context("setup"), "hazina", AccountKind.GOVERNMENT, label="court")
    whole = tariff.of(stack)
    assert whole.seizure is not None
    protecting = structs.replace(whole.seizure, protected_minor=20_000)
    monkeypatch.setitem(stack.local, tariff.KEY, structs.replace(whole, seizure=protecting))
    await first.open(f"{DESK}/new")
    day, last = clock.now().date(), (clock.now() + timedelta(days=20)).date()
    typed = {
        "account": town.asha.account, "amount": "1,000", "number": "HC/2026/118", "authority": "Primary Court",
        "issued_day": f"{day.day}", "issued_month": f"{day.month}", "issued_year": f"{day.year}",
        "last_day": f"{last.day}", "last_month": f"{last.month}", "last_year": f"{last.year}",
    }  # fmt: skip
    await first.send(f"{DESK}/new", **typed, payee=town.baraka.account)
    assert first.answer.status_code == 422, first.text
    assert "no account of an institution" in first.text
    await first.send(f"{DESK}/new", **typed | {"number": ""}, payee=court.number)
    assert first.answer.status_code == 422
    await first.send(f"{DESK}/new", **typed, payee=court.number)
    assert "What the account can give is held, and the holder is told." in first.text
    assert f'action="{DESK}/pay"' not in first.answer.text  # whoever entered it does not pay it over
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open(HERE)
    assert "HC/2026/118 · Primary Court" in asha.text and "Primary Court, within 21 days" in asha.text
    assert (await asha.open(DESK)).status_code == 403
    await second.open(DESK)
    seizure = second.answer.text.split("/lift")[0].rpartition("/")[2]
    await second.press(f"{DESK}/pay")
    assert "It is paid over" in second.text
    assert await _holds(stack, court.number) == 1_000
    await second.open(f"{DESK}/{seizure}/lift")
    await second.send(f"{DESK}/{seizure}/lift", why="HC/2026/150")
    assert second.answer.status_code == 422  # paid in whole: there is nothing to lift
    assert (await second.open(f"{DESK}/nonsense/lift")).status_code == 404


async def _holds(stack, number):
    own = await payments.accounts(stack, kit.as_staff("treasurer"))
    return next(a.balance_minor for a in own if a.number == number)
