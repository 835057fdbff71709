"""What an account earns, as its holder sees it: chosen, earned, and computed line by line."""

from datetime import timedelta

import pytest
from msgspec import structs
from tests.portal.test_fraud_pages import keep

from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.payments import acts as payments
from msingi.payments import charges
from msingi.payments.fees import taking
from msingi.payments.model import AccountKind, Alias, TransferOrder
from msingi.payments.products import acts as products
from msingi.payments.products import catalogue, daily, store


async def test_an_account_is_chosen_and_each_day_is_explained(stack, town, surf):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money")
    assert "/me/money/products" in asha.answer.text
    await asha.open("/me/money/products")
    assert "Savings" in asha.text and "3.50" in asha.text and "From 1 March 2027 on" in asha.text
    form = {"_ticket": asha.answer.text.split('name="_ticket" value="')[1].split('"')[0], "product": "savings"}
    asha.answer = await asha.http.post("/me/money/products", data=form, headers={"accept": "text/html"})
    assert "The account is open" in asha.text and "You have it" in asha.text
    permit = policy.decide(daily.job(), "payments.count-interest", town.asha.id)
    last = daily.yesterday(stack)
    async with stack.db.transaction(permit) as tx:
        await store.counted(tx, town.asha.id, "savings", 0, last.replace(day=1) - timedelta(days=1))
        log.append(tx, permit, subject=town.asha.id)
    await daily.count(stack, town.asha.id, "savings", last)
    keep(asha, "products")
    await asha.open(f"/me/money/products/savings/{last:%Y-%m}")
    assert "How was this computed?" in asha.text and "0.00000000" in asha.text
    assert asha.answer.text.count("<tr>") == last.day + 2
    keep(asha, "product-month")
    await asha.open("/me/money/products/gold/2026-01")
    assert asha.answer.status_code == 404 and "There is no such product" in asha.text


async def test_a_fee_is_shown_before_and_explained_after(stack, town, surf):
    ctx = job_context("setup", "payment")
    await payments.open_account(stack, ctx, "benki", AccountKind.FEE, label="fees")
    await payments.open_account(stack, ctx, "hazina", AccountKind.GOVERNMENT, label="tax")
    found = catalogue.of(stack)
    made = [
        structs.replace(one, terms=tuple(
            structs.replace(t, transfers=structs.replace(t.transfers, free_per_month=0)) if t.transfers else t
            for t in one.terms
        ))
        for one in found.products
    ]  # fmt: skip
    stack.local[catalogue.KEY] = structs.replace(found, products=tuple(made))
    stack.local[charges.KEY] = taking.Taking(stack)
    person = context(Actor(Kind.PERSON, str(town.asha.id), assurance=2, name="Asha Mrisho"), "payment", "contract")
    own = await products.open_product(stack, person, "current")
    order = TransferOrder("to-current", town.asha.account, Alias("account", own.account), 20_000, "TZS")
    await payments.transfer(stack, person, order)
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open(f"/me/money/send?account={own.account}")
    await asha.send("/me/money/send", phone=town.baraka.phone, amount="20,000")
    assert asha.answer.status_code == 422
    await asha.send("/me/money/send", phone=town.baraka.phone, amount="1,000")
    assert "Leaves your account" in asha.text and "1,055" in asha.text  # 50, and a tenth of it
    keep(asha, "fee-check")
    await asha.send("/me/money/send/confirm")
    assert "/me/money/receipts/" in asha.path
    await asha.open(f"/me/money/fees?account={own.account}")
    assert "55" in asha.text and "Excise duty on fees" in asha.text and "Current account" in asha.text
    keep(asha, "fees")
    for month in ("2026-13", "x", "1999-01"):
        assert (await asha.open(f"/me/money/fees?month={month}")).status_code == 200


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_pages_speak_the_languages_of_the_country(town, surf, language):
    asha = await surf(language).sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/products")
    assert {"sw": "Akiba na akaunti", "en": "Savings and accounts"}[language] in asha.text
