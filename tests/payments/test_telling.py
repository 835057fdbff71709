"""Receipts by text message: as chosen, in the person's language, once, and without the balance unless it is wanted."""

import asyncio

import pytest
from tests.payments import kit

from msingi.channels import acts as channels
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotPermitted
from msingi.payments import acts as payments
from msingi.payments.bank import store_telling, telling
from msingi.payments.model import Alias, TransferOrder

WATCH = kit.as_staff("operator", institution="rita", purpose="operations")


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Asha Mrema")


@pytest.fixture(scope="module")
async def town(stack):
    source = await kit.treasury(stack)
    asha, juma = await kit.enrolled(stack, "Asha"), await kit.enrolled(stack, "Juma")
    purses = [(await kit.wallet(stack, who.id, 50_000, source)).number for who in (asha, juma)]
    return {"asha": asha, "juma": juma, "purse": purses[0], "other": purses[1]}


async def pays(stack, town, key: str, amount: int = 1_250):
    order = TransferOrder(key, town["purse"], Alias("phone", town["juma"].phone), amount, "TZS")
    return await payments.transfer(stack, me(town["asha"]), order)


async def sent_to(stack, who: kit.Enrolled) -> list[str]:
    await stack.outbox.drain(stack)
    found = await channels.messages(stack, job_context("sandbox"), to=who.phone)
    return [one.text for one in found if one.why == "receipt"]


async def test_receipts_are_sent_as_chosen_once_and_without_the_balance(stack, town):
    await telling.tell(stack)
    await pays(stack, town, "before")
    assert await telling.tell(stack) == 0 and await sent_to(stack, town["juma"]) == []  # nobody has chosen
    await telling.choose_telling(stack, me(town["juma"]), telling.Wish(received=True))
    paid = await pays(stack, town, "t1")
    assert await telling.tell(stack) == 1 and await telling.tell(stack) == 0
    (text,) = await sent_to(stack, town["juma"])
    assert "1,250" in text and "A. M." in text and paid.transfer_id[:8] in text
    assert "51,250" not in text and "52,500" not in text and "Una " not in text
    await telling.choose_telling(stack, me(town["juma"]), telling.Wish(received=True, balance=True))
    await telling.choose_telling(stack, me(town["asha"]), telling.Wish(cash=True))
    await pays(stack, town, "t2")
    await telling.tell(stack)
    newest = (await sent_to(stack, town["juma"]))[0]
    assert "Una " in newest and "53,750" in newest  # Swahili is the country's language
    assert await sent_to(stack, town["asha"]) == []  # she wanted cash only


async def test_a_message_that_broke_off_is_sent_and_not_twice(stack, town, monkeypatch):
    await telling.choose_telling(stack, me(town["asha"]), telling.Wish(made=True))
    await pays(stack, town, "b1", 77)

    async def breaks(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(store_telling, "tell_on", breaks)
        with pytest.raises(ZeroDivisionError):
            await telling.tell(stack)
    await asyncio.gather(telling.tell(stack), telling.tell(stack))
    assert len([t for t in await sent_to(stack, town["asha"]) if "77" in t]) == 1


async def test_only_the_person_chooses(stack, town):
    assert await telling.own_telling(stack, me(town["asha"])) == telling.Wish(made=True)
    for ctx in (WATCH, kit.as_person(town["asha"].id, assurance=1)):
        with pytest.raises(NotPermitted):
            await telling.choose_telling(stack, ctx, telling.Wish())
