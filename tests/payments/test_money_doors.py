"""The doors of the fraud desk, disputes and products over HTTP: they open for those who may, and strange requests get a
refusal that names the rule, never a bug."""

from uuid import uuid4

import pytest
from tests.payments import kit

from msingi.kernel import web

STRANGE = ("nonsense", "%00", "00000000-0000-0000-0000-000000000000", "٣", "a" * 200)


@pytest.fixture
async def as_caller(client, monkeypatch):
    """Makes requests as somebody: what sign-in would have said of them."""

    def of(actor):
        async def known(_stack, _request):
            return actor

        monkeypatch.setattr(web, "_authenticators", [known])
        return client

    return of


async def test_people_reach_their_own_pages_and_strange_ids_name_nothing(stack, as_caller):
    who = await kit.enrolled(stack)
    http = as_caller(kit.as_person(who.id).actor)
    for path in ("stopped", "disputes", "products", "products/own", "stopped/counts", "disputes/counts"):
        answer = await http.get(f"/v1/payments/{path}")
        assert answer.status_code == 200, (path, answer.text)
    for strange in STRANGE:
        for path in (f"stopped/{strange}", f"disputes/{strange}", f"products/{strange}/months/2026-01"):
            answer = await http.get(f"/v1/payments/{path}")
            assert answer.status_code in (400, 404), (path, answer.text)
        for path in ("stopped?before=", "disputes?place="):
            answer = await http.get(f"/v1/payments/{path}{strange}")
            assert answer.status_code == 400, (path, answer.text)
        order = {"transfer_id": strange, "kind": "double", "text": "x"}
        assert (await http.post("/v1/payments/disputes", json=order)).status_code in (400, 404)
        answer = await http.post(f"/v1/payments/disputes/{strange}/answer", json={"text": "x", "accept": True})
        assert answer.status_code in (400, 404)
        assert (await http.post(f"/v1/payments/products/{strange}/account")).status_code in (400, 404)
    for month in ("0000-01", "9999-12", "2026-00", "٢٠٢٦-٠١"):
        assert (await http.get(f"/v1/payments/products/savings/months/{month}")).status_code == 400
    for path in ("fraud/cases", "fraud/lists", "disputes/queue"):
        answer = await http.get(f"/v1/payments/{path}")
        assert answer.status_code == 403, (path, answer.text)
    opened = await http.post("/v1/payments/products/savings/account")
    assert opened.status_code == 201 and opened.json()["product"] == "savings"


async def test_officers_reach_their_desks(stack, as_caller):
    http = as_caller(kit.as_staff("compliance-officer", "account-officer", institution="benki").actor)
    for path in ("fraud/cases", "fraud/lists", "disputes/queue"):
        answer = await http.get(f"/v1/payments/{path}")
        assert answer.status_code == 200, (path, answer.text)
    for strange in (*STRANGE, str(uuid4())):
        for path in ("taking", "confirmation"):
            answer = await http.post(f"/v1/payments/fraud/cases/{strange}/{path}")
            assert answer.status_code in (400, 404), answer.text
        said = {"text": "x", "refund_minor": 1, "reason": "x"}
        for path in ("notes", "clearing", "proposal", "return"):
            answer = await http.post(f"/v1/payments/fraud/cases/{strange}/{path}", json={"text": said["text"]})
            assert answer.status_code in (400, 404), answer.text
        decision = {"refund_minor": 1, "reason": "x"}
        answer = await http.post(f"/v1/payments/disputes/{strange}/decision", json=decision)
        assert answer.status_code in (400, 404), answer.text
        answer = await http.put(f"/v1/payments/fraud/lists/{strange}", content=b"ref,name,born\nA,B C,1980\n")
        assert answer.status_code in (200, 400, 404), answer.text
    wrong = await http.put("/v1/payments/fraud/lists/un", content=b"\x00\xff<")
    assert wrong.status_code == 400 and wrong.json()["code"] == "payments.list-wrong"
