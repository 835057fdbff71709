"""The bank's doors over HTTP, as a bank's own application uses them: shapes, keys, refusals as problem details."""

from datetime import timedelta

import httpx
import pytest
from lxml import etree
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import clock, web
from msingi.kernel.context import Actor, Kind
from msingi.payments import acts as payments
from msingi.payments.model import AccountKind


@pytest.fixture
async def doors(stack):
    """The application, with callers recognised by a test header instead of by sign-in."""
    running = web_app(stack)
    actors: dict[str, Actor] = {}

    async def by_header(_, request):
        return actors.get(request.headers.get("X-Test-Actor", ""))

    web.register([by_header], {})
    transport = httpx.ASGITransport(app=running)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080/v1/payments") as client:

        def caller(actor: Actor, key: str = "k") -> dict[str, str]:
            actors[actor.id] = actor
            return {"X-Test-Actor": actor.id, "Idempotency-Key": key}

        yield client, caller


@pytest.fixture(scope="module")
async def town(stack):
    source = await kit.treasury(stack)
    asha, juma = await kit.enrolled(stack), await kit.enrolled(stack, "Juma", "Ngowi")
    purse = await kit.wallet(stack, asha.id, 50_000, source)
    await kit.wallet(stack, juma.id, 20_000, source)
    return {"asha": asha, "juma": juma, "purse": purse.number}


def person(who: kit.Enrolled) -> Actor:
    return Actor(Kind.PERSON, str(who.id), assurance=2, name="Asha Mrema")


OFFICER = Actor(Kind.STAFF, "banker", "benki", frozenset({"account-officer"}), 2)


def shop_of(who: kit.Enrolled, category: str = "5411") -> dict[str, str]:
    return {"name": "Duka", "latin": "DUKA", "city": "DODOMA", "category": category, "number": who.number}


async def test_a_shop_is_registered_scanned_paid_and_stands_on_the_statement(stack, doors, town):
    client, caller = doors
    made = await client.post("/merchants", headers=caller(OFFICER, "s1"), json=shop_of(town["juma"]))
    assert made.status_code == 201, made.text
    code = made.json()["code"]
    keeper, me = caller(person(town["juma"])), caller(person(town["asha"]), "buy")
    text = (
        await client.get(f"/merchants/{code}/code", headers=keeper, params={"amount_minor": 250, "bill": "A"})
    ).json()
    seen = await client.post("/merchants/scan", headers=me, json=text)
    assert seen.status_code == 200 and seen.json()["amount_minor"] == 250 and seen.json()["bill"] == "A"
    broken = await client.post("/merchants/scan", headers=me, json={"text": text["text"].replace("250", "251")})
    assert broken.status_code == 400 and broken.json()["code"] == "payments.not-a-code" and broken.json()["rule"]
    order = {"payer": town["purse"], "amount_minor": 250, "currency": "TZS", "bill": "A"}
    paid = await client.post(f"/merchants/{code}/payments", headers=me, json=order)
    assert paid.status_code == 201 and paid.json()["to"] == "Duka"
    assert (await client.post(f"/merchants/{code}/payments", headers=me, json=order)).json() == paid.json()
    found = await client.post("/payees/find", headers=me, json={"typed": town["juma"].phone})
    assert found.json()["name"] == "J. N."
    days = {"first": str(kit.today(stack)), "last": str(kit.today(stack))}
    for form, kind in (("csv", "text/csv"), ("camt.053", "application/xml")):
        kept = await client.get(f"/accounts/{town['purse']}/statement", headers=me, params=days | {"form": form})
        assert kept.status_code == 200 and kept.headers["content-type"].startswith(kind)
    assert [e.text for e in etree.fromstring(kept.content).iter("{*}Ustrd")][-1] == "A"
    for wrong in ({"form": "doc"}, {"last": "2019-01-01"}, {"first": "2020-01-01"}, {"first": "x"}):
        answer = await client.get(f"/accounts/{town['purse']}/statement", headers=me, params=days | wrong)
        assert answer.status_code == 400, answer.text
    assert [m["merchant"]["code"] for m in (await client.get("/merchants", headers=keeper)).json()] == [code]
    closed = await client.post(f"/merchants/{code}/closing", headers=caller(OFFICER))
    assert closed.json()["is_open"] is False
    assert (await client.get(f"/merchants/{code}", headers=me)).status_code == 404


async def test_cash_goes_in_and_out_at_an_agents_doors(stack, doors, town):
    client, caller = doors
    await payments.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE)
    made = await client.post("/merchants", headers=caller(OFFICER, "s2"), json=shop_of(town["juma"], "6010"))
    code = made.json()["code"]
    agent, me = caller(person(town["juma"]), "in"), caller(person(town["asha"]), "out")
    done = await client.post(
        f"/agents/{code}/cash-in", headers=agent, json={"customer": town["asha"].phone, "amount_minor": 900}
    )
    assert done.status_code == 201 and done.json()["receipt"]["amount_minor"] == 900
    asked = (await client.post("/cash", headers=me, json={"agent": code, "amount_minor": 400})).json()
    assert [w["code"] for w in (await client.get("/cash", headers=me)).json()] == [asked["code"]]
    told = {"code": asked["code"]}
    assert (await client.post(f"/agents/{code}/cash-out/check", headers=agent, json=told)).json()["amount_minor"] == 400
    paid = await client.post(f"/agents/{code}/cash-out", headers=agent, json=told)
    assert paid.status_code == 200 and paid.json()["receipt"]["amount_minor"] == 400
    assert (await client.post("/cash/stop", headers=me, json=told)).status_code == 404


async def test_bills_and_standing_orders_have_doors(doors, town):
    client, caller = doors
    me, juma = caller(person(town["asha"]), "b"), caller(person(town["juma"]), "b")
    (held,) = (await client.get("/accounts", headers=juma)).json()
    bill = {"account": held["number"], "amount_minor": 30, "title": "Chai", "payer": town["asha"].number}
    made = await client.post("/bills", headers=juma, json=bill)
    assert made.status_code == 201, made.text
    reference = made.json()["reference"]
    assert [b["reference"] for b in (await client.get("/bills/received", headers=me)).json()] == [reference]
    assert (await client.get(f"/bills/{reference}", headers=me)).json()["title"] == "Chai"
    paid = await client.post(f"/bills/{reference}/payment", headers=me, json={"payer": town["purse"]})
    assert paid.status_code == 200 and paid.json()["amount_minor"] == 30
    refused = await client.post(f"/bills/{reference}/refusal", headers=me)
    assert refused.status_code == 409 and refused.json()["code"] == "payments.bill-ended"
    assert (await client.post(f"/bills/{reference}/withdrawal", headers=juma)).status_code == 409
    assert (await client.get("/bills", headers=juma)).json()[0]["state"] == "paid"
    assert (await client.get("/bills", headers=juma, params={"before": "2026-01-01T00:00:00"})).status_code == 400
    plan = {"payer": town["purse"], "payee": town["juma"].phone, "amount_minor": 5, "every": "week"}
    day = (clock.now() + timedelta(days=2)).date()
    ordered = await client.post("/standing-orders", headers=me, json=plan | {"first_day": str(day)})
    assert ordered.status_code == 201, ordered.text
    address = f"/standing-orders/{ordered.json()['standing_id']}"
    (stopped,) = (await client.delete(address, headers=me)).json()
    assert stopped["due"] is None and (await client.delete(address, headers=me)).status_code == 404
    assert (await client.get("/standing-orders", headers=juma)).json() == []
