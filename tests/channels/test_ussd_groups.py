"""A savings group and a rotating group on simple phones: join, see, pay in, borrow, vote, repay."""

from datetime import timedelta

import pytest
from tests.channels.test_ussd import PIN, Phone
from tests.payments import kit

from msingi.kernel.context import job_context
from msingi.payments.circles import acts as circles
from msingi.payments.circles.model import CircleOrder
from msingi.payments.groups import mandates, pot, seeing
from msingi.payments.groups.model import GroupOrder, Named
from msingi.signin import acts as signin


@pytest.fixture(scope="module")
async def village(stack):
    """Five people with phones, PINs and 50,000 each."""
    source = await kit.treasury(stack)
    people = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema", "Zuberi", "Rehema")]
    for who in people:
        await kit.wallet(stack, who.id, 50_000, source)
        await signin.set_pin(stack, job_context("setup", "operations"), who.id, PIN)
    return people


def line(client, who) -> Phone:
    return Phone(client, who.phone)


async def says(phone, *typed) -> str:
    """Dial, choose groups, give the PIN, and type on; the last screen."""
    await phone.dial()
    return await phone.send("6", PIN, *typed)


async def test_a_savings_group_lives_on_simple_phones(stack, client, village):
    order = GroupOrder(
        key="g", name="Upendo", name_of_founder="Mama Asha", share_minor=1_000, most_shares=5, social_minor=200,
        interest_permille=100, loan_times=3, loan_days=90, ends_on=mandates.today(stack) + timedelta(days=99),
        keys=[1, 2, 3], members=[Named(who.number, f"M{n}") for n, who in enumerate(village[1:], 2)],
    )  # fmt: skip
    me = kit.as_person(village[0].id)
    body_id = await pot.found_group(stack, me, order)
    asha, juma, neema, zuberi = [line(client, who) for who in village[:4]]
    for keeper in (juma, neema):
        screen = await says(keeper)
        assert screen.startswith("CON Upendo wanakualika. TSh 1,000")
        assert await keeper.send("1") == "END Umejiunga."
    assert "Hisa moja ni TSh 1,000" in await says(asha, "1")
    assert "Andika kwa tarakimu" in await asha.send("elfu")
    assert "Lipa TSh 5,200 kwa Upendo?" in await asha.send("5")
    paid = await asha.send("1")
    assert paid == "END Imelipwa: TSh 5,200. Iko kwenye daftari."
    assert (await asha._post()).startswith("END"), "the network repeats the last answer"
    assert "Katiba inaruhusu hadi TSh 0" in await says(asha, "1", "1", "1")
    assert await says(asha, "1", "1", "0") == "END Hakuna kilichofanyika."
    assert "Katiba inaruhusu hadi TSh 15,000" in await says(asha, "3", "20000", "1")
    assert "Watatu wenye funguo" in await says(asha, "3", "3000")
    assert (await asha.send("1")).startswith("END Umeomba TSh 3,000")
    seen = await seeing.see_group(stack, me, body_id)
    assert seen.pot_minor == 5_000 and [w.signed for w in seen.proposals] == [1]  # the asker keeps a key and signs
    assert "4 Piga kura" not in await says(asha)
    assert "TSh 3,000 kwa Mama Asha. Saini 1 kati ya 3." in await says(juma, "4")
    assert await juma.send("1") == "END Umekubali. Saini 2 kati ya 3."
    assert "4 Piga kura" not in await says(juma)
    assert await says(neema, "4", "1") == "END Umekubali. Wote wamesaini na imelipwa."
    assert "deni TSh 3,300" in await says(asha)
    assert "Rejesha TSh 3,300?" in await asha.send("2", "3300")
    assert (await asha.send("1")).startswith("END Imelipwa: TSh 3,300")
    assert "Hudaiwi kitu" in await says(asha, "2")
    assert (await says(zuberi)).startswith("CON Upendo wanakualika")
    assert await zuberi.send("2") == "END Umekataa."
    assert await says(zuberi) == "END Bado huna kikundi."
    seen = await seeing.see_group(stack, me, body_id)
    assert seen.pot_minor == 5_300 and seen.debts == []


async def test_a_rotating_group_lives_on_simple_phones(stack, client, village):
    founder, others = village[4], village[2:4]
    order = CircleOrder(
        key="c", name="Upatu", name_of_founder="Rehema", amount_minor=2_000, every="month",
        first_day=mandates.today(stack) + timedelta(days=5), members=[Named(w.number, w.phone[-2:]) for w in others],
    )  # fmt: skip
    body_id = await circles.found_circle(stack, kit.as_person(founder.id), order)
    rehema, neema, zuberi = line(client, founder), line(client, others[0]), line(client, others[1])
    listed = await says(neema)
    assert "1 Upendo" in listed and "2 Upatu" in listed and "Kikundi gani?" in listed
    assert "Upatu wanakualika. TSh 2,000" in await neema.send("9", "2")
    assert await neema.send("1") == "END Umejiunga."
    await zuberi.dial()
    assert "1 Balance" in await zuberi.send("4", "2")  # in English from here on
    assert "Upatu invites you" in await zuberi.send("6", PIN)
    assert await zuberi.send("1") == "END You have joined."
    assert "turn of Rehema" in await says(zuberi) and "You owe TSh 2,000" in await zuberi.send("7")
    assert "Pay TSh 2,000 into Upatu?" in await zuberi.send("1")
    assert await zuberi.send("1") == "END Paid: TSh 2,000. It stands in the book."
    assert (await says(neema, "2", "1", "1")).startswith("END Imelipwa: TSh 2,000. Wote wamelipa")
    assert "Unadaiwa TSh 2,000" in await says(rehema, "2")  # for the second turn, which is collected now
    seen = await circles.see_circle(stack, kit.as_person(founder.id), body_id)
    assert seen.now == 2 and seen.turns[0].paid_minor == 4_000
