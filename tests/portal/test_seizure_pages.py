"""A legal order on the pages: entered by one officer, paid over by another, read by the holder, lifted."""

from datetime import timedelta

from msgspec import structs
from tests.payments import kit
from tests.portal.conftest import PIN

from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments import holders
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


async def test_heirs_are_paid_after_two_officers_read_the_certificate(stack, town, surf):
    """The paper is entered, compared, and paid; what the officer typed wrongly is said; the heir sees it come."""
    officers = []
    for n in (1, 2):
        phone = f"+25561300006{n}"
        new = NewStaff(
            staff_id=f"heirs-{n}", institution="benki", roles=frozenset({"account-officer"}), name=f"Officer {n}",
            phone=phone, pin=PIN,
        )  # fmt: skip
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        officers.append(await surf().sign_in(f"heirs-{n}", phone))
    first, second = officers
    dead = await kit.enrolled(stack, "Mzee")
    left = await kit.wallet(stack, dead.id, 9_000, await kit.treasury(stack))
    day, desk = clock.now().date(), "/staff/estates"
    typed = {
        "account": left.number, "number": "PC/2026/7", "authority": "Primary Court", "issued_day": f"{day.day}",
        "issued_month": f"{day.month}", "issued_year": f"{day.year}",
        "heirs": f"{town.asha.account} 2\n{town.baraka.account} 1",
    }  # fmt: skip
    await first.open(f"{desk}/new")
    await first.send(f"{desk}/new", **typed)
    assert first.answer.status_code == 422 and "does not say that this holder has died" in first.text
    registrar = kit.as_staff("registrar", id="msajili", institution="usajili", purpose="identity-registration")
    await civil.register_death(stack, registrar, DeathOrder(dead.number, day), "death-of-mzee")
    await holders.follow_identity(stack, job_context(holders.JOB), dead.id, False)
    for wrong in (left.number, "one and a half", f"{town.asha.account} 0"):
        await first.send(f"{desk}/new", **typed | {"heirs": wrong})
        assert first.answer.status_code == 422 and "Write each heir on a line of its own" in first.text, first.text
    await first.send(f"{desk}/new", **typed)
    assert "It waits for a second officer." in first.text and "PC/2026/7" in first.text
    assert f'action="{desk}/decide"' not in first.answer.text
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    before = await _balance(stack, town.asha.id)
    here = first.path
    await second.open(here)
    await second.press(f"{desk}/decide", agrees="yes")
    assert "The heirs were paid what is free." in second.text and "6,000" in second.text, second.text
    assert await _balance(stack, town.asha.id) == before + 6_000
    await asha.open("/me/money")
    assert "PC/2026/7" in asha.text
    await second.open(here)
    await second.press(f"{desk}/close")
    assert "The accounts are closed." in second.text


async def _balance(stack, person) -> int:
    (one,) = await payments.accounts(stack, kit.as_person(person))
    return one.balance_minor
