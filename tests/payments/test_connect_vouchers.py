"""Vouchers and bills at the doors of GovStack's Payments building block: every status of the older dialect, and none of
them gives away more than its caller may know."""

import httpx
import pytest
from tests.payments import kit
from tests.payments.test_vouchers import BOSS, CLERK, SELLER
from tests.site import web_app

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind
from msingi.payments import acts as ledger
from msingi.payments.bank import acts as bank
from msingi.payments.bank import asking
from msingi.payments.bank.model import BillOrder, MerchantOrder
from msingi.payments.connect import routes
from msingi.payments.vouchers import acts, funding
from msingi.payments.vouchers.model import SchemeOrder, ShopOrder

WANTED = {
    "voucher_amount": "15.21",
    "voucher_currency": "AED",
    "voucher_group": "food",
    "Gov_Stack_BB": "bb-registries",
    "voucher_comment": "string",
}
BUYING = {
    "Gov_Stack_BB": "bb-registries",
    "merchant_name": "Duka",
    "merchant_bank_details": "Bank of Shops 9",
    "merchant_voucher_group": "anything",
    "override": "true",  # as the suite sends it
}


@pytest.fixture(scope="module")
async def ready(stack):
    """A scheme in dirhams, with a shop whose institution holds an account in them."""
    source = await kit.treasury(stack, 10**9, currency="AED")
    till = await ledger.open_account(stack, kit.SAMPLE, "zahanati", ledger_kind(), currency="AED")
    order = MerchantOrder(key="d1", name="Duka", latin="DUKA", city="MJINI", category="5411", account=till.number)
    shop = (await bank.register_merchant(stack, SELLER, order)).code
    order = SchemeOrder("AID", "Aid", source.number, ("food",), systems=("bb-registries",), digits=2)
    scheme = await acts.open_scheme(stack, CLERK, order)
    await funding.put_in(stack, BOSS, scheme.scheme_id, "in", 1_000_000)
    await acts.approve_shop(stack, BOSS, scheme.scheme_id, ShopOrder(shop, ("food",), "Bank of Shops 9"))
    return {"scheme": scheme, "shop": shop, "till": till}


def ledger_kind():
    from msingi.payments.model import AccountKind

    return AccountKind.MERCHANT


@pytest.fixture
async def doors(stack, ready):
    who = {
        "clerk": Actor(Kind.CLIENT, "ministry-software", "hazina", frozenset({"payment-clerk"}), 2),
        "bank": Actor(Kind.CLIENT, "bank-software", "hazina", frozenset({"treasurer"}), 2),
    }

    async def by_header(_, request):
        return who.get(request.headers.get("X-Test-Actor", ""))

    running = web_app(stack)
    web.register([by_header], routes.dialects)
    transport = httpx.ASGITransport(app=running)
    base = "http://127.0.0.1:8080"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"X-Test-Actor": "clerk"}) as client:
        yield client


async def made(doors, **changed):
    return await doors.post("/vouchers/voucher_preactivation", json=WANTED | changed)


async def test_the_older_dialect_issues_activates_takes_and_tells(doors, stack, ready):
    told = await made(doors)
    assert told.status_code == 200 and told.headers["content-type"].startswith("application/json")
    new = told.json()
    assert 16 <= len(new["voucher_number"]) <= 25 and len(new["voucher_serial_number"]) == 16
    path = f"/vouchers/voucherstatuscheck/{new['voucher_serial_number']}"
    assert (await doors.get(path)).json() == {"voucher_status": "Pre-Activated", "voucher_amount": "15.21"}
    early = await doors.post("/vouchers/voucher_redemption", json=BUYING | {"voucher_number": new["voucher_number"]})
    assert early.status_code == 462
    body = {"voucher_serial_number": int(new["voucher_serial_number"]), "Gov_Stack_BB": "bb-registries"}
    if len(str(body["voucher_serial_number"])) == 16:
        assert (await doors.patch("/vouchers/voucher_activation", json=body)).status_code == 200
    body["voucher_serial_number"] = new["voucher_serial_number"]
    assert (await doors.patch("/vouchers/voucher_activation", json=body)).json()["result_status"]
    assert (await doors.get(path)).json()["voucher_status"] == "Activated"
    took = await doors.post("/vouchers/voucher_redemption", json=BUYING | {"voucher_number": new["voucher_number"]})
    assert took.status_code == 200 and took.json()["result_status"]
    (till,) = [
        a
        for a in await ledger.accounts(stack, kit.as_staff("treasurer", institution="zahanati"))
        if a.number == ready["till"].number
    ]
    assert till.balance_minor == 1_521
    assert (await doors.get(path)).status_code == 458
    again = await doors.post("/vouchers/voucher_redemption", json=BUYING | {"voucher_number": new["voucher_number"]})
    assert again.status_code == 462 and again.json()["message"]


async def test_the_older_dialect_has_a_status_for_every_refusal(doors):
    cases = (
        ({"voucher_amount": None}, 452),
        ({"voucher_amount": "1.234"}, 452),
        ({"voucher_amount": "-5"}, 452),
        ({"voucher_amount": "Infinity"}, 452),
        ({"voucher_amount": "1e999999999"}, 452),
        ({"voucher_amount": {"a": 1}}, 452),
        ({"voucher_currency": "000"}, 453),
        ({"voucher_group": None}, 454),
        ({"Gov_Stack_BB": "not_exist"}, 460),
        ({"voucher_amount": "99999999"}, 409),
    )
    for changed, status in cases:
        no = await made(doors, **changed)
        assert (no.status_code, list(no.json())) == (status, ["message"]), changed
    assert (await doors.post("/vouchers/voucher_preactivation", json={})).status_code == 400
    serial = (await made(doors)).json()["voucher_serial_number"]
    one = {"voucher_serial_number": serial, "Gov_Stack_BB": "bb-registries"}
    for changed, status in (({"voucher_serial_number": "invalid"}, 456), ({"Gov_Stack_BB": "no"}, 460)):
        assert (await doors.patch("/vouchers/voucher_activation", json=one | changed)).status_code == status
    assert (await doors.patch("/vouchers/voucher_activation", json={})).status_code == 400
    for wrong, status in (("%7B%7D", 400), ("notAnumber", 456), ("123", 456)):
        assert (await doors.get(f"/vouchers/voucherstatuscheck/{wrong}")).status_code == status
    for changed, status in (
        ({"voucher_number": "notAnumber"}, 461),
        ({"voucher_number": "1234567890123456"}, 461),
        ({"voucher_number": 1, "Gov_Stack_BB": "no"}, 460),
        ({"voucher_number": 1, "merchant_bank_details": "Unknown"}, 463),
    ):
        assert (await doors.post("/vouchers/voucher_redemption", json=BUYING | changed)).status_code == status
    assert (await doors.post("/vouchers/voucher_redemption")).status_code == 400
    path, body = f"/vouchers/voucherstatuscheck/{serial}", {"voucherserialnumber": serial}
    for bad, status in (
        (body, 400),
        ({"Gov_Stack_BB": "bb-registries"}, 400),
        (body | {"Gov_Stack_BB": "no"}, 463),
        (body | {"Gov_Stack_BB": "bb-registries"}, 200),
        (body | {"Gov_Stack_BB": "bb-registries"}, 464),
    ):
        assert (await doors.patch(path, json=bad)).status_code == status
    assert (await doors.patch(path)).status_code == 400
    assert (await doors.get(path)).json()["voucher_status"] == "Purged"
    nobody = await doors.get(path, headers={"X-Test-Actor": ""})
    assert nobody.status_code == 401 and nobody.json()["message"]


async def test_one_correlation_id_is_one_voucher(doors):
    told = [await doors.post("/vouchers/voucher_preactivation", json=WANTED, headers={"X-CorrelationID": "c-1"})] * 2
    assert told[0].json() == told[1].json()


async def test_the_specifications_paths_create_activate_redeem_and_cancel(doors, ready):
    people = {"instructionID": "i1", "groupCode": "food", "currency": "AED", "amount": 20.5, "narration": "rice"}
    body = {"RequestID": "r1", "BatchID": "b1", "VoucherInstructions": [people, people | {"instructionID": "i2"}]}
    program = {"X-Program-Id": "AID"}
    told = (await doors.post("/vouchers", json=body, headers=program)).json()
    first, second = told["voucherInstructions"]
    assert told["ResponseCode"] == "00" and first["voucherNumber"].startswith(first["serialNumber"])
    assert (await doors.post("/vouchers", json=body, headers=program)).json() == told
    assert (await doors.post("/vouchers", json=body)).status_code == 404
    assert (await doors.post("/vouchers?command=burn", json=body)).status_code == 400
    named = {"RequestID": "r2", "VoucherInstructions": [{"serialNumber": first["serialNumber"]}, {"serialNumber": "9"}]}
    done = (await doors.put("/vouchers?command=activate", json=named)).json()
    assert (done["ResponseCode"], done["numberFailedCases"]) == ("00", 1)
    secret = first["voucherNumber"][16:]
    taking = {"requestID": "t1", "voucherSerialNumber": first["serialNumber"], "agentID": ready["shop"]}
    wrong = {"voucherSecretNumber": f"{(int(secret) + 1) % 10**6:06d}"}
    assert (await doors.post("/vouchers?command=redeem", json=taking | wrong)).json()["status"] == 0
    got = (await doors.post("/vouchers?command=redeem", json=taking | {"voucherSecretNumber": secret})).json()
    assert (got["status"], got["value"]) == (1, 20.5)
    assert (await doors.get(f"/vouchers/{first['serialNumber']}?fields=status")).json()["status"] == 4
    gone = {"requestID": "r3", "voucherInstructions": [{"serialNumber": second["serialNumber"]}]}
    assert (await doors.post("/vouchers?command=cancel", json=gone)).json()["numberFailedCases"] == 0
    assert (await doors.get(f"/vouchers/{second['serialNumber']}")).json()["status"] == 3
    assert (await doors.get("/vouchers/12")).json()["status"] == 9


async def test_a_bill_is_inquired_about_and_paid_once(doors, stack):
    office = kit.as_staff("treasurer", institution="zahanati")
    await kit.treasury(stack, 10**6)
    till = await ledger.open_account(stack, kit.SAMPLE, "zahanati", ledger_kind())
    order = BillOrder(key="b", account=till.number, amount_minor=700, title="Licence", days=3, payer="")
    bill = await asking.make_bill(stack, office, order)
    as_bank = {"X-Test-Actor": "bank", "X-CorrelationID": "q1"}
    seen = await doors.get(f"/bills/{bill.reference}?fields=inquiry", headers=as_bank)
    assert seen.status_code == 202 and seen.json()["billDetails"]["amountonDueDate"] == 700
    assert (await doors.get("/bills/123", headers=as_bank)).json()["responseCode"] == "01"
    assert (await doors.get(f"/bills/{bill.reference}", headers={"X-Test-Actor": ""})).status_code == 401
    body = {"requestId": "p1", "billInquiryRequestId": "q1", "billId": bill.reference, "paymentReferenceID": "x"}
    told = [await doors.post("/billTransferRequests", json=body, headers=as_bank) for _ in range(2)]
    assert [t.status_code for t in told] == [202, 202] and told[0].json() == told[1].json()
    (got,) = [a for a in await ledger.accounts(stack, office) if a.number == till.number]
    assert got.balance_minor == 700
    missing = await doors.post("/billTransferRequests", json=body | {"billId": "123"}, headers=as_bank)
    assert missing.status_code == 400 and missing.json()["status"] == "RJC"
    empty = await doors.post("/billTransferRequests", json={}, headers=as_bank)
    assert empty.status_code == 400 and empty.json()["responseCode"] == "01" and empty.json()["reason"]


async def test_a_person_is_asked_to_pay_and_the_biller_hears_how_it_stands(doors, stack):
    """The specification's /rtpRequest and /transferRequests: pending, refused, paid; nobody else's, nobody unknown."""
    source = await kit.treasury(stack, 10**6)
    who, as_bank = await kit.enrolled(stack), {"X-Test-Actor": "bank", "X-CorrelationID": "r1", "X-billerId": "none"}
    purse = await kit.wallet(stack, who.id, 5_000, source)
    body = {"requestId": "r1", "rtpId": 7, "billID": "TAX-9", "requestType": "01",
            "alias": {"aliasType": "01", "aliasId": who.number},
            "billDetails": {"billerName": "X", "amount": 900}}  # fmt: skip
    told = [(await doors.post("/rtpRequest", json=body, headers=as_bank)).json() for _ in range(2)]
    assert told[0] == told[1] and told[0]["responseCode"] == "00" and told[0]["requestStatus"] == "PND"
    path, person = f"/transferRequests/{told[0]['transferRequestId']}", kit.as_person(who.id)
    (asked,) = await asking.bills_for_me(stack, person)
    assert (asked.title, asked.amount_minor) == ("TAX-9", 900) and asked.name != "X"
    await asking.pay_bill(stack, person, asked.reference, purse.number)
    seen = await doors.get(path, headers=as_bank)
    assert seen.status_code == 202 and seen.json()["requestStatus"] == "COM"
    by_phone = {"payerFiDetails": {"financialAddress": who.number, "payerFIBIC": "X"}, "requestType": "00"}
    second = (await doors.post("/rtpRequest", json=body | by_phone | {"requestId": "r2"}, headers=as_bank)).json()
    await asking.refuse_bill(stack, person, second["transferRequestId"])
    refused = await doors.get(f"/transferRequests/{second['transferRequestId']}", headers=as_bank)
    assert refused.json()["requestStatus"] == "RJC"
    for wrong in ({"requestType": "00"}, {"alias": {"aliasId": "123"}}, {"billDetails": {"amount": 0}}, {"billID": ""},
                  {"billDetails": {"amount": 901}}):  # fmt: skip
        no = await doors.post("/rtpRequest", json=body | wrong, headers=as_bank)
        assert no.status_code == 400 and no.json()["responseCode"] == "01"
    assert (await doors.get("/transferRequests/123", headers=as_bank)).json()["responseCode"] == "01"
    for door in (
        doors.get(path, headers={"X-Test-Actor": ""}),
        doors.post("/rtpRequest", json=body, headers={"X-Test-Actor": ""}),
    ):
        assert (await door).status_code == 401
    assert (await doors.get(path, headers={"X-Test-Actor": "clerk"})).status_code in (400, 403)


async def test_the_own_doors_of_vouchers(doors, stack, ready):
    path = f"/v1/payments/voucher-schemes/{ready['scheme'].scheme_id}"
    assert [one["code"] for one in (await doors.get("/v1/payments/voucher-schemes")).json()] == ["AID"]
    wanted = {"vouchers": [{"instruction_id": "o1", "amount_minor": 5, "group": "food"}]}
    (one,) = (await doors.post(f"{path}/vouchers", json=wanted)).json()
    done = await doors.post("/v1/payments/vouchers/activation", json={"serials": [one["serial"]]})
    assert done.json()[0]["done"] and (await doors.get(f"{path}/shops")).json()[0]["shop"] == ready["shop"]
    found = (await doors.get(f"/v1/payments/vouchers/{one['serial']}")).json()
    assert found["voucher"]["state"] == "active" and one["number"] not in str(found)
    assert len((await doors.get(f"{path}/vouchers?limit=1")).json()["vouchers"]) == 1
    assert (await doors.get(f"{path}/movements")).json()[0]["amount"] == 1_000_000
    bodies = {"funds": {"amount_minor": 5}, "closing": {}, "shops": {"shop": "1", "groups": []}}
    for door, body in bodies.items():
        door = f"{path}/{door}"
        assert (await doors.post(door, json=body, headers={"Idempotency-Key": "k"})).status_code == 403
    assert (await doors.get("/v1/payments/vouchers/own")).status_code == 403
    assert (await doors.post("/v1/payments/vouchers/shown", json={"number": "1"})).status_code == 403
