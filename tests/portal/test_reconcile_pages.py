"""A treasurer compares an account with the bank's statement and settles what does not agree, without scripts."""

import pytest
from tests.payments import kit
from tests.payments.test_reconciling import camt
from tests.portal.conftest import PIN

from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff


@pytest.fixture(scope="module")
async def source(stack, town):
    own = await payments.accounts(stack, kit.as_staff("treasurer"))
    return next(account for account in own if account.kind == "government")


async def test_from_the_statement_to_the_settled_queue(stack, town, source, surf):
    new = NewStaff(
        staff_id="purse-1", institution="hazina", roles=frozenset({"treasurer"}), name="purse-1", phone="+255613000031",
        pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    seen = await surf().sign_in("purse-1", "+255613000031")
    await seen.open("/staff/reconcile")
    assert "Bank statements" in seen.text and "Nothing was compared yet" in seen.text
    form = seen.form("/staff/reconcile") | {"account": source.number}
    form.pop("file", None)

    async def hand_in(raw):
        sent = {"file": ("s.xml", raw, "text/xml")}
        headers = {"accept": "text/html"}
        seen.answer = await seen.http.post("/staff/reconcile", data=form, files=sent, headers=headers)
        if seen.answer.status_code == 303:
            await seen.open(seen.answer.headers["location"])

    await hand_in(b"")
    assert "reconcile" in str(seen.answer.url) and "422" in str(seen.answer.status_code)
    await hand_in(camt(("5", "CRDT", "R", ""), closing=6))
    assert seen.answer.status_code == 422 and "opening+lines=closing" in seen.text
    await hand_in(camt(("77", "DBIT", "FT-1", "")))
    assert "Only the bank knows of it" in seen.text and "FT-1" in seen.text
    home = seen.path.partition("?")[0]
    await seen.send(f"{home}/1", note="x")
    assert seen.answer.status_code == 422 and "at least three letters" in seen.text
    await seen.open(home)
    await seen.send(f"{home}/1", note="fee of the bank")
    assert "It is noted" in seen.text and "Nothing is open" in seen.text
    report = await seen.http.get(f"{home}/report.jws")
    assert report.status_code == 200 and report.text.count(".") == 2
