"""The doors, through HTTP: shapes, refusals as problem details, and the payment file's whole way."""

import httpx
import pytest
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind
from msingi.payments import routes, working


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

        def caller(actor: Actor) -> dict[str, str]:
            actors[actor.id] = actor
            return {"X-Test-Actor": actor.id}

        yield client, caller


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


def person(who):
    return Actor(Kind.PERSON, str(who.id), assurance=2, name="Asha Mrema")


def staff(id, *roles):
    return Actor(Kind.STAFF, id, "hazina", frozenset(roles), 2)


async def test_money_moves_through_the_doors(doors, stack, source):
    client, caller = doors
    asha, juma = await kit.enrolled(stack), await kit.enrolled(stack, "Juma", "Ngowi")
    mine = await kit.wallet(stack, asha.id, 10_000, source)
    await kit.wallet(stack, juma.id)
    me = caller(person(asha))
    (account,) = (await client.get("/accounts", headers=me)).json()
    assert account["number"] == mine.number and account["balance_minor"] == 10_000
    alias = {"kind": "phone", "value": juma.phone}
    name = await client.post("/aliases/resolve", headers=me, json=alias)
    assert name.status_code == 200 and name.json() == {"name": "J. N.", "currency": "TZS"}
    order = {"payer": mine.number, "payee": alias, "amount_minor": 4000, "currency": "TZS", "reference": "karanga"}
    keyed = me | {"Idempotency-Key": "first"}
    paid = await client.post("/transfers", headers=keyed, json=order)
    assert paid.status_code == 201 and paid.json()["balance_minor"] == 6000 and paid.json()["to"] == "J. N."
    assert (await client.post("/transfers", headers=keyed, json=order)).json() == paid.json()
    changed = await client.post("/transfers", headers=keyed, json=order | {"amount_minor": 1})
    assert changed.status_code == 409 and changed.json()["code"] == "different-content"
    receipt = await client.get(f"/transfers/{paid.json()['transfer_id']}", headers=me)
    assert receipt.status_code == 200 and receipt.json()["reference"] == "karanga"
    page = (await client.get(f"/accounts/{mine.number}/entries", headers=me, params={"limit": 1})).json()
    assert page["entries"][0]["amount_minor"] == -4000 and page["next_after"]
    rest = await client.get(f"/accounts/{mine.number}/entries", headers=me, params={"after": page["next_after"]})
    assert [e["amount_minor"] for e in rest.json()["entries"]] == [10_000]
    at = receipt.json()["at"]
    then = await client.get(f"/accounts/{mine.number}/balance", headers=me, params={"at": at})
    assert then.json()["balance_minor"] == 6000


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"amount_minor": 0}, 400, "malformed"),
        ({"amount_minor": -1}, 400, "malformed"),
        ({"amount_minor": 10**30}, 400, "malformed"),
        ({"amount_minor": 1.5}, 400, "malformed"),
        ({"currency": "usd"}, 400, "malformed"),
        ({"currency": "USD"}, 409, "payments.currency-mismatch"),
        ({"payer": "1234567890123"}, 400, "malformed"),
        ({"payee": {"kind": "account", "value": "x"}}, 400, "malformed"),
        ({"payee": {"kind": "carrier-pigeon", "value": "x"}}, 400, "malformed"),
        ({"surprise": 1}, 400, "malformed"),
        ({"amount_minor": 500_000}, 409, "payments.insufficient-funds"),
        ({"reference": "x" * 141}, 400, "malformed"),
    ],
)
async def test_bad_orders_are_refused_with_a_rule_and_a_remedy(doors, stack, source, change, status, code):
    client, caller = doors
    asha = await kit.enrolled(stack)
    mine = await kit.wallet(stack, asha.id, 100, source)
    order = {
        "payer": mine.number,
        "payee": {"kind": "account", "value": source.number},
        "amount_minor": 5,
        "currency": "TZS",
    }
    headers = caller(person(asha)) | {"Idempotency-Key": "k"}
    answer = await client.post("/transfers", headers=headers, json=order | change)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    assert body["remedy"] and body["title"]
    assert (await client.get("/accounts", headers=headers)).json()[0]["balance_minor"] == 100


async def test_nobody_gets_in_without_signing_in(doors, source):
    client, _ = doors
    for method, path in [
        ("GET", "/accounts"),
        ("GET", f"/accounts/{source.number}/entries"),
        ("GET", "/files"),
        ("POST", "/files"),
        ("GET", "/transfers/01a20053-5d88-7109-8b8d-2ad2b4c9985e"),
    ]:
        answer = await client.request(method, path)
        assert answer.status_code == 401, path
    missing_key = await client.post("/transfers", json={})
    assert missing_key.status_code == 400 and missing_key.json()["code"] == "malformed"


async def test_a_payment_file_goes_all_the_way_through_the_doors(doors, stack, source):
    client, caller = doors
    people = [await kit.enrolled(stack) for _ in range(3)]
    clerk, boss = caller(staff("clerk", "payment-clerk")), caller(staff("boss", "payment-approver"))
    wanted = [(f"E{n}", p.number, "700") for n, p in enumerate(people)] + [("E9", "999999999999", "1")]
    raw = kit.pain_001(source.number, wanted, message="DOOR-1")
    xml = {"Content-Type": "application/xml"}
    kept = await client.post("/files", headers=clerk | xml, content=raw)
    assert kept.status_code == 201 and kept.json()["state"] == "waiting"
    bad = await client.post("/files", headers=clerk | xml, content=raw.replace(b"<CtrlSum>2101", b"<CtrlSum>2102"))
    assert bad.status_code == 400
    assert bad.json()["field"].endswith("PmtInf[1]/CtrlSum") and bad.json()["rule"] == "control-sum"
    path = f"/files/{kept.json()['file_id']}"
    assert (await client.post(f"{path}/approval", headers=clerk)).status_code == 403
    assert (await client.post(f"{path}/approval", headers=boss)).json()["state"] == "approved"
    await working.run_file(stack, kept.json()["file_id"])
    seen = (await client.get(path, headers=boss, params={"limit": 2})).json()
    assert seen["file"]["paid"] == 3 and seen["file"]["rejected"] == 1 and len(seen["lines"]) == 2
    rejected = (await client.get(path, headers=boss, params={"rejected_only": "true"})).json()
    assert [n["reason"] for n in rejected["lines"]] == ["AC01"]
    report = await client.get(f"{path}/pain.002", headers=clerk)
    assert report.headers["content-type"].startswith("application/xml") and b"<GrpSts>PART</GrpSts>" in report.content
    assert (await client.get("/files/none", headers=clerk)).status_code == 404
    assert [f["message_id"] for f in (await client.get("/files", headers=clerk)).json()] == ["DOOR-1"]


def test_every_door_says_what_it_does():
    for router in routes.routers:
        for handler in router.routes:
            for route in getattr(handler, "route_handlers", []):
                assert route.fn.__doc__
