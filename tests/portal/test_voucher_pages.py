"""Vouchers as people meet them: shown by whoever holds one, taken by a shop, with every no in plain words."""

import re
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.payments import kit
from tests.portal.conftest import PIN
from tests.portal.test_fraud_pages import keep

from msingi.kernel import log
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.model import AccountKind
from msingi.payments.programmes import store_uncollected, uncollected
from msingi.payments.vouchers import acts, funding
from msingi.payments.vouchers.model import SchemeOrder, ShopOrder, VoucherOrder
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

G2P = "social-protection"
CLERK = kit.as_staff("payment-clerk", id="v-clerk", purpose=G2P)
BOSS = kit.as_staff("payment-approver", id="v-boss", purpose=G2P)
SELLER = kit.as_staff("account-officer", id="mbenki", institution="benki")


@pytest.fixture(scope="module")
async def given(stack, town):
    """A food voucher of 12,000 for Asha, and a shop of Baraka's that takes it."""
    source = await payments.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT, label="vouchers")
    await payments.issue(stack, kit.SAMPLE, payments.IssueOrder("vouchers", source.number, 50_000))
    order = SchemeOrder("FOOD", "Food for families", source.number, ("Food",))
    scheme = await acts.open_scheme(stack, CLERK, order)
    await funding.put_in(stack, BOSS, scheme.scheme_id, "in", 50_000)
    wanted = MerchantOrder(
        key="v", name="Duka la Baraka", latin="DUKA", city="MJINI", category="5411", number=town.baraka.number
    )
    shop = await bank.register_merchant(stack, SELLER, wanted)
    await acts.approve_shop(stack, BOSS, scheme.scheme_id, ShopOrder(shop.code, ("Food",)))
    orders = [
        VoucherOrder("1", 12_000, "Food", town.asha.number, in_parts=True),
        VoucherOrder("2", 900, "Food", town.asha.number),
    ]
    issued = await acts.issue_vouchers(stack, CLERK, scheme.scheme_id, orders)
    await acts.activate_vouchers(stack, CLERK, [one.serial for one in issued])
    return issued


async def test_a_voucher_is_shown_by_one_and_taken_by_the_other(town, surf, given):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money")
    assert "/me/money/vouchers" in asha.answer.text
    await asha.open("/me/money/vouchers")
    shown = " ".join(given[0].number[n : n + 4] for n in range(0, 22, 4))
    keep(asha, "vouchers")
    assert "Food for families" in asha.text and shown in asha.text
    assert re.search(r"12\D?000", asha.text)
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number="1234")
    assert baraka.answer.status_code == 422 and "There is no such voucher" in baraka.text
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number=shown, amount="999999")
    assert "The voucher holds less than that" in baraka.text
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number=shown, amount="5000")
    assert "Take this voucher?" in baraka.text and "Food" in baraka.text
    keep(baraka, "voucher-check")
    await baraka.send("/me/money/vouchers/confirm")
    assert baraka.path.startswith("/me/money/receipts/") and baraka.answer.status_code == 200
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number=shown)
    assert re.search(r"7\D?000", baraka.text)
    await baraka.send("/me/money/vouchers/confirm")
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number=shown)
    assert "This voucher has been spent" in baraka.text
    await asha.open("/me/money/vouchers")
    assert "Spent" in asha.text and shown not in asha.text
    await asha.open("/me/money/vouchers/take")  # she runs no shop
    await asha.send("/me/money/vouchers/take", number=given[1].number)
    assert "Your shop does not take vouchers of this kind" in asha.text
    await asha.open("/me/money/vouchers/check?taking=rubbish")
    assert asha.answer.status_code in (400, 409)


async def test_the_pages_speak_the_languages_of_the_country(town, surf, given):
    asha = await surf("sw").sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/vouchers")
    assert "Inatumika hadi" in asha.text


async def test_a_payment_that_nobody_collected_is_kept_with_one_press(stack, town, surf):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/uncollected")
    assert "Nothing waits" in asha.text
    ctx, permit = uncollected._job()
    cycle = {"file_id": uuid4(), "currency": "TZS", "name": "Pensions"}
    row = {"person_id": town.asha.id, "line": 1, "transfer_id": uuid4(), "amount": 7_500}
    async with stack.db.transaction(permit) as tx:
        await store_uncollected.add(tx, cycle, [row], [256], ctx.at, ctx.at + timedelta(days=14))
        log.append(tx, permit, subject=town.asha.id)
    await asha.open("/me/money/uncollected")
    keep(asha, "uncollected")
    assert "Pensions" in asha.text and re.search(r"7\D?500", asha.text)
    await asha.press("/me/money/uncollected")
    assert "You keep these payments" in asha.text and "Nothing waits" in asha.text


async def test_officials_open_fund_issue_print_hand_out_and_see_what_was_taken(stack, town, surf):
    """From a scheme to a shop that takes a printed voucher, on the pages alone; the square codes read by others."""
    import io

    import pypdfium2
    import zxingcpp

    people = {}
    for n, role in enumerate(("payment-clerk", "payment-approver")):
        new = NewStaff(staff_id=f"giver-{n}", institution="hazina", roles=frozenset({role}), name=f"Giver {n}",
                       phone=f"+25561300008{n}", pin=PIN)  # fmt: skip
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        people[role] = await surf().sign_in(f"giver-{n}", new.phone)
    clerk, boss = people.values()
    source = await payments.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT, label="paper")
    await payments.issue(stack, kit.SAMPLE, payments.IssueOrder("paper", source.number, 50_000))
    await clerk.open("/staff/vouchers/new")
    said = {"name": "Seed for farmers", "groups": "Seed, Food", "days": "30"}
    await clerk.send("/staff/vouchers/new", **said, code="x", payer=source.number)
    assert clerk.answer.status_code == 422
    await clerk.send("/staff/vouchers/new", **said, code="SEED", payer=source.number)
    assert "The scheme is open." in clerk.text
    at = clerk.path.partition("?")[0]
    assert (await clerk.open(f"{at}/fund")).status_code == 403  # another official's
    await boss.open(f"{at}/fund")
    await boss.send(f"{at}/fund", amount="30,000")
    assert "The money is in the trust account." in boss.text and "30,000" in boss.text
    assert (await clerk.open(f"{at}/sheet.pdf", follow_redirects=False)).status_code == 303  # nothing to print yet
    await clerk.open(f"{at}/issue")
    await clerk.send(f"{at}/issue", group="Seed", amount="9,000", count="5")
    assert clerk.answer.status_code == 422 and "not so much money" in clerk.text
    await clerk.send(f"{at}/issue", group="Seed", amount="5,000", count="5")
    assert "The vouchers are issued." in clerk.text and clerk.text.count("Not handed out") == 5
    serials = re.findall(r"<bdi>(\d{16,})</bdi>", clerk.answer.text)
    issue = re.search(rf'{at}/(sheet.pdf\?issue=[^"]+)"', clerk.answer.text)
    assert issue and "5 vouchers" in clerk.text
    paper = await clerk.open(f"{at}/{issue[1]}")
    assert paper.headers["content-type"] == "application/pdf" and paper.content.startswith(b"%PDF")
    pages = pypdfium2.PdfDocument(io.BytesIO(paper.content))
    picture = pages[0].render(scale=2).to_pil()
    numbers = sorted(code.text for code in zxingcpp.read_barcodes(picture))
    assert len(numbers) == 4 and len(pages) == 2 and numbers[0].startswith(serials[0])
    await clerk.open(at)
    await clerk.press(f"{at}/hand")
    assert "They are handed out" in clerk.text and "Not handed out" not in clerk.text
    assert (await clerk.open(f"{at}/{issue[1]}", follow_redirects=False)).status_code == 303  # nothing waits any more
    shop = await bank.register_merchant(
        stack, SELLER,
        MerchantOrder(key="w", name="Mbegu", latin="MBEGU", city="MJINI", category="5411", number=town.baraka.number),
    )  # fmt: skip
    await boss.open(f"{at}/shop")
    await boss.send(f"{at}/shop", shop="999", group="Seed")
    assert boss.answer.status_code == 422 and "No open shop" in boss.text
    await boss.send(f"{at}/shop", shop=shop.code, group="*")
    assert "The shops are saved." in boss.text and shop.code in boss.text
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/vouchers/take")
    await baraka.send("/me/money/vouchers/take", number=numbers[0])
    await baraka.send("/me/money/vouchers/confirm")
    await clerk.open(at)
    assert f"{serials[0]} → {shop.code}" in clerk.text
    await clerk.open(f"{at}/cancel")
    await clerk.send(f"{at}/cancel", first=serials[4])
    assert "The voucher is cancelled." in clerk.text
    await boss.open(f"{at}/close")
    await boss.send(f"{at}/close")
    assert "This scheme is closed." in boss.text
    assert (await baraka.open("/staff/vouchers")).status_code == 403
    assert (await clerk.open(f"{at}/nothing")).status_code == 404
