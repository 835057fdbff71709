"""Joint accounts and children's accounts as people see them: invited, accepted, paid alone, signed, left."""

import pytest

from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.model import AccountKind


@pytest.fixture
async def pair(surf, town):
    return await surf().sign_in(town.asha.number, town.asha.phone), await surf().sign_in(
        town.baraka.number, town.baraka.phone
    )


async def open_together(pair, town, rule: str, amount: str = "") -> str:
    asha, baraka = pair
    await asha.open("/me/money/joint/new")
    await asha.send("/me/money/joint/new", label=f"Shamba {rule}", other=town.baraka.number, rule=rule, amount=amount)
    assert asha.path.startswith("/me/money/joint?said="), asha.text
    await baraka.open("/me/money/joint")
    assert f"Shamba {rule}" in baraka.text and "You are invited" in baraka.text
    await baraka.press("/me/money/joint/answer", accept="yes")
    assert "You have accepted." in baraka.text
    held = await payments.accounts(town.stack, job_context("subject-access", "subject-access"), town.asha.id)
    return held[-1].number


@pytest.fixture(autouse=True)
def _stack(town, stack):
    town.stack = stack


async def test_two_open_an_account_pay_alone_below_the_limit_and_sign_above_it(stack, town, pair):
    asha, baraka = pair
    number = await open_together(pair, town, "bound", "1,000")
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone=number, amount="20,000", note="")
    assert "A. M. & B. K." in asha.text
    await asha.send("/me/money/send/confirm")
    await baraka.open("/me/money")
    assert "Shamba bound" in baraka.text and "Your other accounts" in baraka.text
    await baraka.open(f"/me/money?account={number}")
    assert "20,000" in baraka.text and "Shamba bound" in baraka.text
    await baraka.open(f"/me/money/send?account={number}")
    await baraka.send("/me/money/send", phone=town.asha.phone, amount="900")
    assert "Out of" in baraka.text and "Shamba bound" in baraka.text
    await baraka.send("/me/money/send/confirm")
    assert "/me/money/receipts/" in baraka.path
    await baraka.open(f"/me/money/send?account={number}")
    await baraka.send("/me/money/send", phone=town.asha.phone, amount="5,000", note="mbegu")
    await baraka.send("/me/money/send/confirm")
    assert "more than you may pay alone" in baraka.text and "1 of 2" in baraka.text
    await asha.open("/me/money/joint")
    assert "mbegu" in asha.text and "5,000" in asha.text
    await asha.press("/me/money/joint/sign")
    assert "All have signed. It is paid." in asha.text
    await asha.open(f"/me/money?account={number}")
    assert "14,100" in asha.text and f"/me/money/statement?account={number}" in asha.answer.text
    await asha.open(f"/me/money/statement?account={number}")
    await asha.send(f"/me/money/statement?account={number}")
    assert f"account={number}" in asha.path and "14,100" in asha.text and "mbegu" in asha.text
    assert (await asha.open(asha.path.replace("?", "/csv?"))).status_code == 200 and "mbegu" in asha.answer.text
    assert (await asha.open(asha.path.replace(number, town.baraka.account))).status_code == 404


async def test_what_is_wrong_with_an_invitation_is_said(town, pair):
    asha, _ = pair
    await asha.open("/me/money/joint/new")
    await asha.send("/me/money/joint/new", label="X", other="12", rule="all")
    assert asha.answer.status_code == 422 and "Nobody is found" in asha.text
    await asha.send("/me/money/joint/new", label="X", other=town.baraka.number, rule="bound", amount="")
    assert asha.answer.status_code == 422 and "how much one may pay alone" in asha.text
    await asha.send("/me/money/joint/new", label="", other=town.baraka.number, rule="all")
    assert asha.answer.status_code == 422


async def test_a_holder_leaves_after_reading_what_that_means(town, pair):
    _, baraka = pair
    await open_together(pair, town, "any")
    await baraka.open("/me/money/joint")
    await baraka.press("/me/money/joint/leave")
    assert "You will not see or use this account any more" in baraka.text
    await baraka.send("/me/money/joint/leave", do="confirm")
    assert "You have left the account." in baraka.text


async def test_a_guardian_opens_an_account_for_a_child_and_pays_for_it(stack, town, pair):
    asha, _ = pair
    born = clock.today().replace(year=clock.today().year - 8, day=1)
    order = EnrolmentOrder(name=Name("Tumaini", "Mrisho"), birth=Birth(born.isoformat()), guardian=town.asha.number)
    child = await identity.enrol(stack, job_context("setup", "identity-registration"), order, "child")
    assert isinstance(child, Enrolled)
    await asha.open("/me/money/children")
    assert "T. M." in asha.text
    await asha.press("/me/money/children", kind="wallet")
    assert "The account is open." in asha.text
    (held,) = await payments.accounts(stack, job_context("subject-access", "subject-access"), child.person_id)
    assert held.kind is AccountKind.WALLET
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone=child.number, amount="500")
    await asha.send("/me/money/send/confirm")
    await asha.open(f"/me/money/send?account={held.number}")
    await asha.send("/me/money/send", phone=town.baraka.phone, amount="120", note="shule")
    await asha.send("/me/money/send/confirm")
    assert "It is paid." in asha.text and "380" in asha.text


async def test_an_account_that_is_not_ones_own_is_not_shown(town, pair):
    asha, _ = pair
    assert (await asha.open(f"/me/money?account={town.baraka.account}")).status_code == 404
    assert (await asha.open(f"/me/money/send?account={town.baraka.account}")).status_code == 404
