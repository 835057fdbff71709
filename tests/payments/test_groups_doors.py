"""Joint accounts, savings groups, floats and messages over HTTP, as an application of a bank uses them."""

from datetime import timedelta

import httpx
import pytest
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.groups.mandates import today


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

        async def ask(who: kit.Enrolled, method: str, path: str, key: str = "", **json):
            actor = Actor(Kind.PERSON, str(who.id), assurance=2, name="Asha Mrema")
            actors[actor.id] = actor
            sent = {"X-Test-Actor": actor.id} | ({"Idempotency-Key": key} if key else {})
            return await client.request(method, path, headers=sent, json=json or None)

        yield ask


@pytest.fixture(scope="module")
async def people(stack):
    source = await kit.treasury(stack)
    found = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema", "Zuberi", "Rehema")]
    for who in found:
        await kit.wallet(stack, who.id, 50_000, source)
    return found


async def test_two_hold_an_account_and_sign_over_http(doors, people):
    asha, juma = people[:2]
    made = await doors(asha, "POST", "/joint", "j", label="Nyumba", others=[juma.phone], bound_minor=0)
    assert made.status_code == 201, made.text
    body = made.json()["body_id"]
    (held,) = (await doors(juma, "POST", f"/joint/{body}/answer", accept=True)).json()
    assert held["mine"] == "active" and (await doors(juma, "GET", "/joint")).json() == [held]
    order = {"payee": {"kind": "account", "value": held["number"]}, "amount_minor": 900, "currency": "TZS"}
    (purse,) = [a for a in (await doors(asha, "GET", "/accounts")).json() if a["is_default"]]
    assert (await doors(asha, "POST", "/transfers", "in", payer=purse["number"], **order)).status_code in (200, 201)
    out = {"payee": {"kind": "phone", "value": juma.phone}, "amount_minor": 400, "currency": "TZS"}
    refused = await doors(asha, "POST", "/transfers", "alone", payer=held["number"], **out)
    assert refused.status_code == 409 and refused.json()["code"] == "payments.needs-signatures"
    wish = await doors(asha, "POST", "/joint/proposals", "p", payer=held["number"], payee=juma.phone, amount_minor=400)
    assert wish.status_code == 201 and wish.json()["signed"] == 1
    path = f"/joint/{body}/proposals/{wish.json()['proposal_id']}/signature"
    assert (await doors(people[2], "POST", path, agrees=True)).status_code == 404
    assert (await doors(juma, "POST", path, agrees=True)).json()["state"] == "paid"
    assert [p["state"] for p in (await doors(juma, "GET", "/joint/proposals")).json()] == ["paid"]
    left = await doors(juma, "POST", f"/joint/{body}/leaving")
    assert left.status_code == 200 and left.json() == []
    assert (await doors(asha, "POST", f"/joint/{body}/leaving")).json()["code"] == "payments.not-empty"
    assert (await doors(asha, "GET", "/wards")).json() == []


async def test_a_group_saves_and_lends_over_http(stack, doors, people):
    ends = str(today(stack) + timedelta(days=100))
    members = [{"typed": who.number, "name": f"M{n}"} for n, who in enumerate(people[1:])]
    founded = {"name": "Upendo", "name_of_founder": "Asha", "share_minor": 1_000, "ends_on": ends, "keys": [1, 2, 3]}
    made = await doors(people[0], "POST", "/groups", "g", members=members, **founded)
    assert made.status_code == 201, made.text
    at = f"/groups/{made.json()['body_id']}"
    for who in people[1:3]:
        (seen,) = (await doors(who, "POST", f"{at}/answer", accept=True)).json()
    assert seen["state"] == "open"
    paid = await doors(people[4], "POST", f"{at}/contributions", "c", shares=3)
    assert paid.status_code == 201 and paid.json()["pot_minor"] == 3_000
    over = await doors(people[4], "POST", f"{at}/contributions", "d", shares=3)
    assert over.status_code == 409 and over.json()["rule"] == "most-shares" and over.json()["most_minor"] == 2_000
    wish = (await doors(people[4], "POST", f"{at}/payouts", "l", kind="loan", amount_minor=2_000)).json()
    for who in people[:3]:
        done = await doors(who, "POST", f"{at}/payouts/{wish['proposal_id']}/signature", accept=True)
    assert done.json()["state"] == "paid"
    fined = await doors(people[0], "POST", f"{at}/fines", "f", place=5, amount_minor=100, why="late")
    assert fined.status_code == 201 and len(fined.json()["debts"]) == 2
    debt = next(d for d in fined.json()["debts"] if d["kind"] == "loan")
    back = await doors(people[4], "POST", f"{at}/debts/{debt['debt_id']}/payments", "r", amount_minor=2_200)
    assert back.status_code == 201 and back.json()["pot_minor"] == 3_200
    told = {"held_on": str(today(stack)), "present": [1, 5], "note": "Kikao cha kwanza"}
    assert (await doors(people[1], "POST", f"{at}/meetings", "m", **told)).json()["meetings"][0]["present"] == [1, 5]
    early = await doors(people[0], "POST", f"{at}/payouts", "s", kind="share-out")
    assert early.status_code == 409 and early.json()["rule"] == "ends-on"
    assert (
        len((await doors(people[3], "GET", "/groups")).json()) == 1 and (await doors(people[3], "GET", at)).is_success
    )


async def test_an_agent_closes_the_day_and_chooses_messages_over_http(stack, doors, people):
    officer = kit.as_staff("account-officer", id="mbenki", institution="benki")
    order = MerchantOrder(key="d", name="W", latin="W", city="DODOMA", category="6010", number=people[3].number)
    code = (await bank.register_merchant(stack, officer, order)).code
    opened = await doors(people[3], "POST", f"/agents/{code}/float")
    assert opened.status_code == 200 and len(opened.json()["account"]) == 13
    day = await doors(people[3], "GET", f"/agents/{code}/days/{today(stack)}")
    assert day.status_code == 200 and day.json()["closing_minor"] == 0
    assert (await doors(people[3], "GET", f"/agents/{code}/days/yesterday")).status_code == 400
    assert (await doors(people[2], "POST", f"/agents/{code}/float")).status_code == 404
    assert not any((await doors(people[3], "GET", "/messages")).json().values())
    kept = await doors(people[3], "PUT", "/messages", cash=True)
    assert kept.status_code == 200 and (await doors(people[3], "GET", "/messages")).json() == kept.json()
