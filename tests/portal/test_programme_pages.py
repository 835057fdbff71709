"""A clerk opens a programme, takes people in and opens a cycle, an approver approves it: as they see it, no scripts."""

import re
from uuid import UUID

import pytest
from tests.payments import kit
from tests.portal.conftest import PIN

from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments import working
from msingi.payments.programmes import acts, preparing
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")


@pytest.fixture(scope="module")
async def source(stack, town):
    own = await payments.accounts(stack, kit.as_staff("treasurer"))
    return next(account for account in own if account.kind == "government")


async def signed_in(stack, surf, role, name, phone):
    new = NewStaff(staff_id=name, institution="hazina", roles=frozenset({role}), name=name, phone=phone, pin=PIN)
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    return await surf().sign_in(name, phone)


async def test_from_the_list_to_the_money(stack, town, source, surf):
    clerk = await signed_in(stack, surf, "payment-clerk", "paying-1", "+255613000011")
    await clerk.open("/staff/programmes")
    said = {"name": "Wazee", "payer": source.number}
    await clerk.send("/staff/programmes", code="a", amount="0", min_age="old", **said)
    assert clerk.answer.status_code == 422 and 'href="#amount"' in clerk.answer.text
    await clerk.send("/staff/programmes", code="a", amount="500", min_age="", **said)
    assert clerk.answer.status_code == 422 and "capital letters" in clerk.text
    await clerk.send("/staff/programmes", code="WAZEE", amount="1,500", max_age="140", **said)
    assert "The programme is open" in clerk.text and "Up to 140 years" in clerk.text
    home = clerk.path.partition("?")[0]
    form = clerk.form(f"{home}/people")
    form.pop("list", None)
    listed = f"{town.baraka.number};\nhello\n".encode()
    sent = {"list": ("list.csv", listed, "text/csv")}
    clerk.answer = await clerk.http.post(
        f"{home}/people", data=form | {"number": town.asha.number}, files=sent, headers={"accept": "text/html"}
    )
    assert clerk.answer.status_code == 200 and "2 taken in" in clerk.text and "1 refused" in clerk.text
    assert "This is no identity number" in clerk.text and town.asha.number not in clerk.text
    await clerk.send(f"{home}/cycles", label="2026/03")
    assert clerk.answer.status_code == 422 and "at most 16" in clerk.text
    await clerk.send(f"{home}/cycles", label="2026-03")
    assert "The list is being checked" in clerk.text
    file_id = await acts.open_cycle(stack, CLERK, UUID(home.rpartition("/")[2]), "2026-03")
    await preparing.prepare(stack, file_id)
    await clerk.open(home)
    assert "Waits for approval" in clerk.text and "3,000" in clerk.text
    boss = await signed_in(stack, surf, "payment-approver", "paying-2", "+255613000012")
    await boss.open("/staff/programmes")
    assert "Wazee" in boss.text and 'name="code"' not in boss.answer.text
    await boss.open(home)
    assert f'action="{home}/people"' not in boss.answer.text
    await boss.open(f"/staff/payments/{file_id}")
    await boss.send(f"/staff/payments/{file_id}/approve")
    assert (await working.run_file(stack, str(file_id))).paid == 2
    await clerk.open(home)
    assert "2 paid" in clerk.text and not re.search('name="retry"', clerk.answer.text)
    await clerk.send(f"{home}/closing")
    assert "The programme is closed" in clerk.text
    assert (await clerk.http.get("/staff/programmes/none")).status_code == 404


async def test_only_who_pays_sees_programmes(town, surf):
    officer = await surf().sign_in(town.staff.officer.login, town.staff.officer.phone)
    assert (await officer.http.get("/staff/programmes")).status_code == 403
