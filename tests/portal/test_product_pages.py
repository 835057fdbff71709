"""What an account earns, as its holder sees it: chosen, earned, and computed line by line."""

from datetime import timedelta

import pytest
from tests.portal.test_fraud_pages import keep

from msingi.kernel import log, policy
from msingi.payments.products import daily, store


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


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_pages_speak_the_languages_of_the_country(town, surf, language):
    asha = await surf(language).sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/products")
    assert {"sw": "Akiba na akaunti", "en": "Savings and accounts"}[language] in asha.text
