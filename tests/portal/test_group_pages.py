"""A savings group as its members see it: founded on a form, joined, paid into, a loan signed by three."""

from datetime import timedelta

from tests.portal.conftest import _person

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.portal import views_circles
from msingi.portal.views_groups import HOME


async def test_five_found_a_group_pay_in_and_lend(stack, town, surf):
    names = (("Neema", "Mushi"), ("Rukia", "Temu"), ("Juma", "Nassoro"))
    others = [await _person(stack, *name, f"+25571200000{n}") for n, name in enumerate(names)]
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open(f"{HOME}/new")
    ends = (clock.now() + timedelta(days=300)).date()
    typed = {
        "name": "Upendo", "founder": "Mama Asha", "share": "1,000", "most": "5", "social": "200", "interest": "10",
        "times": "3", "days": "90", "ends_day": f"{ends.day}", "ends_month": f"{ends.month}",
        "ends_year": f"{ends.year}",
    }  # fmt: skip
    await asha.send(f"{HOME}/new", **typed, name2="Baraka", who2="12")
    assert asha.answer.status_code == 422
    people = [town.baraka, *others]
    named = {f"name{n}": f"M{n}" for n in range(2, 6)} | {f"who{n}": p.number for n, p in enumerate(people, 2)}
    await asha.send(f"{HOME}/new", **typed, **named)
    assert "The group is founded." in asha.text and "Waits" not in asha.text.split("Members")[0].split("Pot")[0]
    at = asha.path.partition("?")[0]
    keys = [await surf().sign_in(who.number, who.phone) for who in people[:2]]
    for one in keys:
        await one.open(HOME)
        assert "You shall keep one of the three keys" in one.text and "Upendo" in one.text
        await one.press(f"{at}/answer", accept="yes")
        assert "You belong to the group." in one.text
    await asha.open(f"{at}/pay")
    await asha.send(f"{at}/pay", shares="9", place="1")
    assert asha.answer.status_code == 422 and "at most 5000" in asha.text
    await asha.send(f"{at}/pay", shares="5", place="1")
    assert "It is paid and stands in the book." in asha.text and "5,000" in asha.text and "200" in asha.text
    await asha.open(f"{at}/loan")
    await asha.send(f"{at}/loan", amount="3,000", why="Mbegu", place="1")
    assert "asked to sign" in asha.text and "1 of 3" in asha.text
    had = (await payments.accounts(stack, job_context("subject-access", "subject-access"), town.asha.id))[0]
    for one in keys:
        await one.open(at)
        assert "Mbegu" in one.text
        await one.press(f"{at}/sign")
    assert "All have signed. It is paid." in keys[-1].text
    now = (await payments.accounts(stack, job_context("subject-access", "subject-access"), town.asha.id))[0]
    assert now.balance_minor == had.balance_minor + 3_000
    await asha.open(at)
    await asha.open(f"{at}/repay?debt={asha.answer.text.partition('repay?debt=')[2][:36]}")
    await asha.send(f"{at}/repay", amount="4,000")
    assert asha.answer.status_code == 422 and "Less is owed." in asha.text
    await asha.send(f"{at}/repay", amount="3,300")
    assert "It is paid and stands in the book." in asha.text and "Owed to the group" not in asha.text
    await asha.open(f"{at}/meeting")
    await asha.send(f"{at}/meeting", note="Tulikubaliana mkopo", there5="no")
    assert "Tulikubaliana mkopo" in asha.text
    await asha.open(f"{at}/share-out")
    await asha.send(f"{at}/share-out")
    assert "has not come" in asha.text
    assert (await asha.open(f"{at}/nothing")).status_code == 404
    stranger = await surf().sign_in(others[2].number, others[2].phone)
    assert (await stranger.open(f"{HOME}/nobodys")).status_code == 404


async def test_three_take_turns(stack, town, surf):
    """A rotating group on the pages: founded, accepted by all, paid, turned, and left."""
    home = views_circles.HOME
    third = await _person(stack, "Mwajuma", "Kinyonga", "+255712000017")
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open(f"{home}/new")
    first = (clock.now() + timedelta(days=9)).date()
    typed = {
        "name": "Upatu wa soko", "founder": "Mama Asha", "amount": "1,000", "every": "week", "order": "agreed",
        "first_day": f"{first.day}", "first_month": f"{first.month}", "first_year": f"{first.year}",
    }  # fmt: skip
    named = {"name1": "Baraka", "who1": town.baraka.number, "name2": "Mwajuma", "who2": third.number}
    await asha.send(f"{home}/new", **typed, turn="9", **named)
    assert asha.answer.status_code == 422 and "not so many turns" in asha.text
    await asha.send(f"{home}/new", **typed, turn="2", **named)
    assert "The group is founded." in asha.text
    assert "\u20681. Baraka\u2069 · \u20682. Mama Asha\u2069 · \u20683. Mwajuma\u2069" in asha.text
    at = asha.path.partition("?")[0]
    for who in (town.baraka, third):
        one = await surf().sign_in(who.number, who.phone)
        await one.open(home)
        assert "Upatu wa soko" in one.text
        await one.press(f"{at}/answer", accept="yes")
    assert "You belong to the group." in one.text
    await asha.open(f"{at}/pay")
    await asha.send(f"{at}/pay", place="2", round="2")
    assert asha.answer.status_code == 422 and "Nothing is to be paid for this turn." in asha.text
    await asha.send(f"{at}/pay", place="2", round="0")
    assert "It is paid." in asha.text and "Has paid" in asha.text
    await asha.open(f"{at}/pay")
    await asha.send(f"{at}/pay", place="3", round="1")  # the cash of the third
    assert "the turn is paid out" in asha.text and "2,000" in asha.text
    await one.open(f"{at}/leave")
    await one.send(f"{at}/leave")
    assert "You have left the group." in one.text
    assert (await asha.open(f"{at}/nothing")).status_code == 404
