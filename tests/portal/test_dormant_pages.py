"""Accounts that sleep, as their owner and two officials see them."""

from datetime import timedelta

import pytest
from msgspec import structs
from tests.portal.conftest import PIN
from tests.portal.test_fraud_pages import keep

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.bank import tariff
from msingi.payments.dormant import daily, rules
from msingi.payments.model import AccountKind
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

QUIET = timedelta(days=1)


async def officer(stack, surf, n, role="account-officer", institution="benki"):
    phone = f"+25561300000{n}"
    new = NewStaff(
        staff_id=f"sleep-{n}", institution=institution, roles=frozenset({role}), name=f"Official {n}", phone=phone,
        pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return await surf().sign_in(f"sleep-{n}", phone)


async def follow(stack, months, days=0):
    """The law followed on a day so far from today."""
    moment = clock.now() + timedelta(days=days, hours=2)
    moment += rules.later(moment.date(), months) - moment.date()
    with clock.freeze(moment):
        while await daily.run(stack):
            pass


@pytest.fixture(scope="module")
async def sleeping(stack, town):
    """Baraka's and Asha's accounts sleep; in this country after six months."""
    law = structs.replace(tariff.of(stack).dormant, after_months=6, warn_days=20, hand_over_years=2)
    stack.local[tariff.KEY] = structs.replace(tariff.of(stack), dormant=law)
    await payments.open_account(stack, job_context("setup", "payment"), "hazina", AccountKind.TRUST, label="unclaimed")
    await follow(stack, 0)
    await follow(stack, 6)
    await follow(stack, 6, 20)
    return law


async def test_an_owner_wakes_an_account(stack, town, surf, sleeping):
    asha = await surf().sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/sleeping")
    assert "Asleep since" in asha.text and "Unclaimed Money Act" in asha.text and town.asha.account in asha.text
    keep(asha, "sleeping")
    await asha.press("/me/money/sleeping/wake", account=town.asha.account)
    assert "The account is awake" in asha.text and "None of your accounts sleeps" in asha.text
    form = (
        {"_ticket": asha.answer.text.split('name="_ticket" value="')[1].split('"')[0]}
        if "_ticket" in asha.answer.text
        else {}
    )
    for action in ("wake", "claim"):
        answer = await asha.http.post(
            f"/me/money/sleeping/{action}",
            data=form | {"account": town.baraka.account},
            headers={"accept": "text/html"},
        )
        assert answer.status_code in (400, 403, 409, 422)


async def test_two_officials_wake_an_account_and_the_owner_reads_it(stack, town, surf, sleeping):
    one, two = await officer(stack, surf, 1), await officer(stack, surf, 2)
    await one.open("/staff/sleepers")
    await one.send("/staff/sleepers", account="12", reason="Known")
    assert one.answer.status_code == 422 and "No sleeping account" in one.text
    await one.send("/staff/sleepers", account=town.baraka.account, reason="Identity card seen")
    assert "Another official can confirm" in one.text and "Identity card seen" in one.text
    keep(one, "sleepers")
    where = one.answer.text.split('href="/staff/sleepers/')
    case = next(part.split('"')[0] for part in where[1:] if len(part.split('"')[0]) == 36)
    await one.open(f"/staff/sleepers/{case}")
    assert "You proposed this" in one.text and "<form" not in one.answer.text.split("<main")[1].split("</main")[0]
    await two.open(f"/staff/sleepers/{case}")
    keep(two, "sleeper-case")
    await two.press(f"/staff/sleepers/{case}", agrees="yes")
    assert "It is done" in two.text and "Identity card seen" not in two.text
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open("/me/money/sleeping")
    assert "None of your accounts sleeps" in baraka.text
    await baraka.open("/me/accesses")
    assert "Decided to wake your account" in baraka.text


async def test_an_heir_is_proposed_and_the_report_is_a_table(stack, town, surf, sleeping):
    one = await officer(stack, surf, 3)
    await one.open("/staff/sleepers/heirs")
    await one.send(
        "/staff/sleepers/heirs", account=town.asha.account, heir=town.baraka.account, amount="10", reason="7/31"
    )
    assert one.answer.status_code == 422, one.text
    assert "not kept of this account" in one.text
    keep(one, "heirs")
    await one.send("/staff/sleepers/heirs", account=town.asha.account, heir="12", amount="10", reason="7/31")
    assert one.answer.status_code == 422 and "No open account" in one.text
    await one.open("/staff/sleepers/report")
    assert "Report of unclaimed money" in one.text and "Accounts that sleep" in one.text
    keep(one, "unclaimed")
    await one.open("/staff/sleepers/report?year=2031&form=csv")
    assert one.answer.text.startswith("account,kind,currency") and one.answer.headers["content-type"].startswith(
        "text/csv"
    )
    treasurer = await officer(stack, surf, 4, "treasurer", "hazina")
    await treasurer.open("/staff/sleepers")
    assert treasurer.path.startswith("/staff/sleepers/report") and treasurer.answer.status_code == 200
    stranger = await officer(stack, surf, 5, "treasurer", "rita")
    assert (await stranger.open("/staff/sleepers/report")).status_code == 403


@pytest.mark.parametrize("language", ["sw", "en"])
async def test_the_page_speaks_the_languages_of_the_country(town, surf, sleeping, language):
    asha = await surf(language).sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/money/sleeping")
    assert {"sw": "Akaunti zilizolala", "en": "Sleeping accounts"}[language] in asha.text
