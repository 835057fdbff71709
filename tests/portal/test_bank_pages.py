"""A person pays a shop and keeps a statement, a shopkeeper shows codes, an officer registers shops: as they see it."""

import base64
import re
from datetime import timedelta

import httpx
import pytest
from tests.portal.conftest import PIN

from msingi.credentials.picture import read_qr
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.model import AccountKind
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

SETUP = job_context("setup", "payment")


@pytest.fixture(scope="module")
async def shop(stack, town):
    order = MerchantOrder(
        key="pages", name="Duka la Baraka", latin="DUKA LA BARAKA", city="DODOMA", category="5411",
        number=town.baraka.number,
    )  # fmt: skip
    return await bank.register_merchant(stack, SETUP, order)


@pytest.fixture
async def asha(surf, town):
    return await surf().sign_in(town.asha.number, town.asha.phone)


def pictures(page: str) -> list[str]:
    """The texts of the square codes that a page shows."""
    return [read_qr(base64.b64decode(raw)) for raw in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)]


async def balance(stack, person) -> int:
    (one,) = await payments.accounts(stack, job_context("subject-access", "subject-access"), person)
    return one.balance_minor


async def test_a_person_types_the_number_of_a_shop_and_pays_once(stack, town, shop, asha):
    await asha.open("/me/money/pay")
    await asha.send("/me/money/pay", number="1234567")
    assert asha.answer.status_code == 422 and "No shop has this number" in asha.text
    await asha.send("/me/money/pay", number=shop.code)
    assert "Duka la Baraka" in asha.text
    await asha.send("/me/money/pay/amount", amount="0")
    assert asha.answer.status_code == 422
    await asha.send("/me/money/pay/amount", amount="1,200")
    assert "Duka la Baraka" in asha.text and "1,200" in asha.text
    had, form = await balance(stack, town.asha.id), asha.form("/me/money/pay/confirm")
    await asha.send("/me/money/pay/confirm")
    assert "/me/money/receipts/" in asha.path and "Duka la Baraka" in asha.text
    await asha.http.post("/me/money/pay/confirm", data=form)
    assert await balance(stack, town.asha.id) == had - 1200


async def test_a_person_photographs_the_code_of_a_sale(stack, town, shop, asha, surf):
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/shop")
    (wall,) = pictures(baraka.answer.text)
    assert wall == bank.text_of(stack, shop) and shop.code in baraka.text
    await baraka.send("/me/money/shop", amount="700", bill="ردود")
    assert baraka.answer.status_code == 422
    await baraka.send("/me/money/shop", amount="700", bill="S-9")
    (sale,) = pictures(baraka.answer.text)
    from msingi.credentials.picture import write_qr

    await asha.open("/me/money/pay")
    form = asha.form("/me/money/pay")
    form.pop("picture", None)
    sent = {"picture": ("photo.png", write_qr(sale), "image/png")}
    asha.answer = await asha.http.post("/me/money/pay", data=form, files=sent, headers={"accept": "text/html"})
    assert "/me/money/pay/check" in asha.path and "700" in asha.text and "S-9" in asha.text
    await asha.send("/me/money/pay/confirm")
    assert "/me/money/receipts/" in asha.path
    await baraka.open("/me/money")
    assert "S-9" in baraka.text and "700" in baraka.text


@pytest.mark.parametrize("raw", [b"no picture", b""], ids=["junk", "nothing"])
async def test_a_picture_without_a_code_is_told_in_words(asha, shop, raw):
    await asha.open("/me/money/pay")
    form = asha.form("/me/money/pay")
    form.pop("picture", None)
    sent = {"picture": ("photo.png", raw, "image/png")}
    answer = await asha.http.post("/me/money/pay", data=form, files=sent, headers={"accept": "text/html"})
    assert answer.status_code == 422 and 'role="alert"' in answer.text


async def test_a_sealed_sale_is_of_one_session_only(asha, shop, surf, town):
    await asha.open("/me/money/pay")
    await asha.send("/me/money/pay", number=shop.code)
    await asha.send("/me/money/pay/amount", amount="10")
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    assert (await baraka.open(asha.path)).status_code == 409


@pytest.mark.parametrize("typed", ["identity", "account", "shop"])
async def test_money_is_sent_to_whatever_number_was_typed(stack, town, shop, asha, typed):
    to = {"identity": town.baraka.number, "account": town.baraka.account, "shop": shop.code}[typed]
    had = await balance(stack, town.baraka.id)
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone=to, amount="30", note="asante")
    assert ("Duka la Baraka" if typed == "shop" else "B. K.") in asha.text
    await asha.send("/me/money/send/confirm")
    assert "/me/money/receipts/" in asha.path and await balance(stack, town.baraka.id) == had + 30


async def test_a_statement_is_read_and_kept_in_three_forms(stack, town, asha):
    today = (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()
    await asha.open("/me/money/statement")
    await asha.send("/me/money/statement", first_day="40")
    assert asha.answer.status_code == 422
    await asha.open("/me/money/statement")
    await asha.send("/me/money/statement")
    assert asha.path.endswith(f"/{today}") and "50,000" in asha.text
    for form, begin in (("csv", b"\xef\xbb\xbfbooked,"), ("xml", b"<?xml"), ("pdf", b"%PDF")):
        kept = await asha.http.get(f"{asha.path}/{form}")
        assert kept.status_code == 200 and kept.content.startswith(begin)
        assert "attachment" in kept.headers["content-disposition"]
    for wrong in ("/me/money/statement/x/y", f"{asha.path}/doc"):
        assert (await asha.http.get(wrong)).status_code == 404
    assert (await asha.http.get(f"/me/money/statement/2019-01-01/{today}")).status_code == 422


async def test_an_officer_registers_a_shop_and_closes_it(stack, town, surf):
    new = NewStaff(
        staff_id="banker-1", institution="benki", roles=frozenset({"account-officer"}), name="Banker One",
        phone="+255613000001", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    officer = await surf().sign_in("banker-1", "+255613000001")
    await officer.open("/staff/shops")
    said = {"name": "Soko Letu", "latin": "SOKO LETU", "city": "MOROGORO", "category": "5499"}
    await officer.send("/staff/shops", holder="123", **said)
    assert officer.answer.status_code == 422 and "Nobody with a wallet" in officer.text
    await officer.send("/staff/shops", holder=town.baraka.number, **said)
    assert "The shop is registered" in officer.text and "Soko Letu" in officer.text

    code = re.search(r"Soko Letu · (\d{7})", officer.text)
    assert code
    ticket = officer.form("/staff/shops")["_ticket"]
    answer: httpx.Response = await officer.http.post("/staff/shops/close", data={"_ticket": ticket, "shop": code[1]})

    assert "Closed" in answer.text


async def test_cash_is_asked_for_at_an_agents_and_handed_over_against_the_code(stack, town, surf, asha):
    order = MerchantOrder(
        key="agency", name="Wakala Baraka", latin="WAKALA BARAKA", city="DODOMA", category="6010",
        number=town.baraka.number,
    )  # fmt: skip
    agency = await bank.register_merchant(stack, SETUP, order)
    await asha.open("/me/money/cash")
    await asha.send("/me/money/cash", agent=agency.code, amount="5000")
    await asha.send("/me/money/cash/confirm")
    assert asha.answer.status_code == 409 and "does not offer this yet" in asha.text  # it has no account of fees
    await payments.open_account(stack, SETUP, "benki", AccountKind.FEE)
    await asha.open("/me/money/cash")
    await asha.send("/me/money/cash", agent="1234567", amount="5000")
    assert asha.answer.status_code == 422 and "No agent has this number" in asha.text
    await asha.send("/me/money/cash", agent=agency.code, amount="5000")
    assert "Wakala Baraka" in asha.text and "400" in asha.text
    await asha.send("/me/money/cash/confirm")
    code = re.search(r'id="code"><bdi[^>]*>(\d{6})<', asha.answer.text)
    assert code
    baraka = await surf("sw").sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/agent")
    wrong = "000000" if code[1] != "000000" else "111111"
    await baraka.send("/me/money/agent/code", code=wrong)
    assert baraka.answer.status_code == 422
    await baraka.send("/me/money/agent/code", code=code[1])
    assert "A. M." in baraka.text and "5,000" in baraka.text
    had = await balance(stack, town.asha.id)
    await baraka.send("/me/money/agent/out")
    assert "Umelipwa" in baraka.text and await balance(stack, town.asha.id) == had - 5400
    await baraka.open("/me/money/agent")
    await baraka.send("/me/money/agent", customer=town.asha.phone, amount="1000")
    assert "A. M." in baraka.text
    await baraka.send("/me/money/agent/into")
    assert "Mteja ana fedha" in baraka.text and await balance(stack, town.asha.id) == had - 4400
    await asha.open("/me/money/cash")
    await asha.send("/me/money/cash", agent=agency.code, amount="2000")
    await asha.send("/me/money/cash/confirm")
    await asha.send("/me/money/cash/stop")
    assert "yours again" in asha.text
    assert (await asha.open("/me/money/agent")).status_code == 404


async def test_somebody_asks_for_money_and_is_paid_by_the_person_or_refused(stack, town, shop, surf, asha):
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/ask")
    await baraka.send("/me/money/ask", payer="+255711999999", amount="90", title="Chai")
    assert baraka.answer.status_code == 422
    await baraka.send("/me/money/ask", payer=town.asha.phone, amount="90", title="Chai")
    assert "The request is made" in baraka.text and "Waits" in baraka.text
    await asha.open("/me/money/bills")
    assert "B. K." in asha.text and "Chai" in asha.text
    link = re.search(r'href="(/me/money/bills/(\d{12}))"', asha.answer.text)
    assert link
    await asha.open(link[1])
    had = await balance(stack, town.asha.id)
    await asha.send("/me/money/bills/pay")
    assert "/me/money/receipts/" in asha.path and await balance(stack, town.asha.id) == had - 90
    await asha.open("/me/money/bills")
    await asha.send("/me/money/bills", reference=link[2])
    assert asha.answer.status_code == 422 and "Nothing was paid now" in asha.text
    await baraka.open("/me/money/ask")
    await baraka.send("/me/money/ask", payer=town.asha.number, amount="91", title="Sukari")
    await asha.open("/me/money/bills")
    await asha.send("/me/money/bills/refuse")
    assert "You refused" in asha.text
    await baraka.open("/me/money/bills")
    assert "Refused" in baraka.text and "Paid" in baraka.text


async def test_a_payment_is_ordered_to_repeat_and_stopped(stack, town, shop, asha):
    await asha.open("/me/money/standing")
    await asha.send("/me/money/standing", payee=shop.code, amount="15")
    assert asha.answer.status_code == 422
    await asha.send("/me/money/standing", payee=shop.code, amount="15", every="week", first_year="2020")
    assert asha.answer.status_code == 422
    await asha.open("/me/money/standing")
    await asha.send("/me/money/standing", payee=shop.code, amount="15", every="week")
    assert "Duka la Baraka" in asha.text and "Every week" in asha.text
    await asha.send("/me/money/standing/confirm")
    assert "It is ordered" in asha.text and "Runs" in asha.text
    await asha.send("/me/money/standing/stop")
    assert "It is stopped" in asha.text and "Over" in asha.text


async def test_an_officer_stops_an_account_by_an_order_and_its_holder_reads_which(stack, town, shop, surf, asha):
    new = NewStaff(
        staff_id="banker-2", institution="benki", roles=frozenset({"account-officer"}), name="Banker Two",
        phone="+255613000002", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    officer = await surf().sign_in("banker-2", "+255613000002")
    await officer.open("/staff/freeze")
    await officer.send("/staff/freeze", account="12", way="debits", order="High Court 7/2026")
    assert officer.answer.status_code == 422
    await officer.send("/staff/freeze", account=town.asha.account, way="debits", order="")
    assert officer.answer.status_code == 422
    await officer.send("/staff/freeze", account=town.asha.account, way="debits", order="High Court 7/2026")
    assert "The account is stopped" in officer.text
    await asha.open("/me/money/pay")
    await asha.send("/me/money/pay", number=shop.code)
    await asha.send("/me/money/pay/amount", amount="10")
    await asha.send("/me/money/pay/confirm")
    assert asha.answer.status_code == 422 and "frozen" in asha.text
    await asha.open("/me/accesses")
    assert "Stopped your account" in asha.text
    await officer.open("/staff/freeze")
    await officer.send("/staff/freeze", account=town.asha.account, way="release", order="High Court 8/2026")
    assert "free again" in officer.text
    assert (await asha.open("/staff/freeze")).status_code == 403
