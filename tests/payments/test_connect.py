"""Connecting: addresses, batches, and the doors of GovStack's Payments building block in both of its dialects."""

import asyncio

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import errors as ledger_errors
from msingi.payments import files, working
from msingi.payments.connect import acts, errors, routes, rules, wire
from msingi.payments.connect.model import Address, BatchOrder, Credit, Why
from msingi.payments.model import AccountKind, FileState

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
OTHER = kit.as_staff("payment-clerk", id="other", institution="zahanati", purpose="social-protection")
PENSION = "PEN-0001"


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack, 10**9)


@pytest.fixture(scope="module")
async def people(stack):
    return [await kit.enrolled(stack) for _ in range(4)]


def batch(name, *credits, currency="TZS"):
    made = tuple(Credit(f"I{n}", payee, amount, "Pension") for n, (payee, amount) in enumerate(credits))
    return BatchOrder("R1", "SOURCE", name, currency, made)


async def balance(stack, person):
    held = await ledger.balances_of(stack, kit.as_person(person.id), person.id)
    return held.get(stack.profile.currency.code, 0)


async def test_access_link_addresses(stack, people, owner_url):
    await acts.link_addresses(stack, CLERK, [Address(PENSION, people[0].number, "02")])
    for ctx in (BOSS, kit.as_person(people[0].id), kit.as_staff("payment-clerk", purpose="statistics")):
        with pytest.raises(NotPermitted):
            await acts.link_addresses(stack, ctx, [Address(PENSION, people[1].number)])
    for bad in (Address("", "x"), Address("x", "y" * 41), Address("a\nb", ""), Address("x", "y", "<b>")):
        with pytest.raises(Malformed):
            await acts.link_addresses(stack, CLERK, [bad])
    rows = await kit.owner_does(owner_url, "SELECT key, sealed FROM payments.address")
    kept = b"".join(row["key"] + row["sealed"] for row in rows)
    assert rows and PENSION.encode() not in kept and people[0].number.encode() not in kept  # law 4


async def test_access_resolve_addresses(stack, people):
    await acts.link_addresses(stack, CLERK, [Address("R-1", people[0].phone, "01")])
    assert await acts.resolve_addresses(stack, CLERK, ["R-1", "R-2"]) == {"R-1": Address("R-1", people[0].phone, "01")}
    assert await acts.resolve_addresses(stack, OTHER, ["R-1"]) == {}  # law 1
    with pytest.raises(NotPermitted):
        await acts.resolve_addresses(stack, BOSS, ["R-1"])


async def test_access_unlink_addresses(stack, people):
    await acts.link_addresses(stack, CLERK, [Address("U-1", people[0].phone)])
    assert await acts.unlink_addresses(stack, OTHER, ["U-1"]) == [False]
    with pytest.raises(NotPermitted):
        await acts.unlink_addresses(stack, BOSS, ["U-1"])
    assert await acts.unlink_addresses(stack, CLERK, ["U-1", "U-1", "U-2"]) == [True, True, False]
    assert await acts.resolve_addresses(stack, CLERK, ["U-1"]) == {}


async def test_access_check_batch(stack, source, people):
    await acts.link_addresses(
        stack, CLERK, [Address("C-IBAN", "LI4808800751423444466"), Address("C-TEL", "+255799999999")]
    )
    order = batch(
        "CHECK-1", (people[0].number, "5"), ("C-NONE", "5"), ("C-IBAN", "5"), ("C-TEL", "5"), (people[1].number, "0")
    )
    failed = await acts.check_batch(stack, CLERK, order)
    assert [(f.instruction_id, f.why) for f in failed] == [
        ("I1", Why.NOT_LINKED),
        ("I2", Why.NOT_HERE),
        ("I3", Why.NOT_IN_USE),
        ("I4", Why.AMOUNT),
    ]
    assert (await acts.batch(stack, CLERK, "CHECK-1")).failed == tuple(failed)
    assert len(await acts.check_batch(stack, CLERK, batch("CHECK-2", (people[0].number, "5"), currency="USD"))) == 1
    with pytest.raises(NotPermitted):
        await acts.check_batch(stack, BOSS, order)


async def test_access_hand_in_batch(stack, source, people):
    """Three ways to name a payee; nothing is paid before somebody else approves, and a repetition pays nobody twice."""
    before = [await balance(stack, p) for p in people]
    mine = await kit.wallet(stack, people[3].id)
    links = [Address("H-1", people[1].phone), Address("H-2", mine.number), Address("H-3", "LI4808800751423444466")]
    await acts.link_addresses(stack, CLERK, links)
    await kit.wallet(stack, people[1].id)
    order = batch("HAND-1", (people[0].number, "10"), ("H-1", "20"), ("H-2", "40"), ("H-3", "80"), ("H-4", "160"))
    kept = await acts.hand_in_batch(stack, CLERK, order)
    assert (kept.state, kept.lines, kept.message_id) == (FileState.WAITING, 5, "HAND-1")
    await acts.link_addresses(stack, CLERK, [Address("H-4", people[2].number)])  # too late for this batch
    again = await asyncio.gather(*[acts.hand_in_batch(stack, CLERK, order) for _ in range(3)])
    assert {one.file_id for one in again} == {kept.file_id}
    with pytest.raises(DifferentContent):
        await acts.hand_in_batch(stack, CLERK, batch("HAND-1", (people[0].number, "11")))
    with pytest.raises(NotPermitted):
        await acts.hand_in_batch(stack, BOSS, order)
    with pytest.raises(errors.NoPayerAccount):
        await acts.hand_in_batch(stack, OTHER, batch("HAND-2", (people[0].number, "1")))
    with pytest.raises(ledger_errors.FileNotReady):
        await working.run_file(stack, kept.file_id)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    done = await working.run_file(stack, kept.file_id)
    assert (done.paid, done.rejected, done.paid_minor) == (3, 2, 70)
    after = [await balance(stack, p) for p in people]
    assert [b - a for a, b in zip(before, after, strict=True)] == [10, 20, 0, 40]


async def test_a_source_has_an_account_of_its_own(stack, source, people):
    own = await ledger.open_account(stack, kit.SAMPLE, "hazina", AccountKind.GOVERNMENT, label="SOURCE")
    kept = await acts.hand_in_batch(stack, CLERK, batch("OWN-1", (people[0].number, "10")))
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    done = await working.run_file(stack, kept.file_id)
    (line,) = (await files.file_lines(stack, BOSS, kept.file_id)).lines
    assert (done.paid, line.reason) == (0, "AM04") and own.balance_minor == 0  # its own account, which is empty


async def test_access_batch(stack, source, people):
    await acts.hand_in_batch(stack, CLERK, batch("READ-1", (people[0].number, "10")))
    assert (await acts.batch(stack, BOSS, "READ-1")).file_id
    with pytest.raises(errors.NoSuchBatch):
        await acts.batch(stack, OTHER, "READ-1")
    with pytest.raises(NotPermitted):
        await acts.batch(stack, kit.as_person(people[0].id), "READ-1")


@given(st.text(max_size=40))
@settings(max_examples=200, deadline=None)
def test_an_address_leads_to_an_account_a_phone_a_number_or_nowhere(text):
    found = rules.payable(text)
    assert found == rules.NOWHERE or found.removeprefix("account:").removeprefix("tel:") == text
    assert found.isascii() and len(found) <= 34 and found.isprintable()


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=12), st.text(max_size=50)), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_no_text_of_a_batch_becomes_another_line(wanted):
    credits = tuple(Credit(f"I{n}", payee, amount, words) for n, (payee, amount, words) in enumerate(wanted))
    raw = rules.table(BatchOrder("R", "S", "B", "TZS", credits), {})
    reader = files.csvfile.Reader(files.Sheet("B", "1", "TZS"), lambda _: kit_currency())
    try:
        reader.feed(raw)
        found = reader.close()
    except Malformed:
        return
    assert [line.end_to_end_id for line in found.lines] == [one.instruction_id for one in credits]


def kit_currency():
    from msingi.kernel.money import Currency

    return Currency("TZS", 0, "834", "TSh")


# The doors, in the shapes of the building block's own suite.

GOOD = {
    "RequestID": "RequestID222",
    "SourceBBID": "SourceBBID22",
    "BatchID": "BatchID22222",
    "CreditInstructions": [
        {
            "InstructionID": "InstructionID222",
            "PayeeFunctionalID": "PayeeFunctionalID222",
            "Amount": 100,
            "Currency": "TZS",
            "Narration": "string",
        }
    ],
}
LINK = {
    "RequestID": "90566839-ad0",
    "SourceBBID": "9d9b39d4-9a0",
    "Beneficiaries": [{"PayeeFunctionalID": "2d042389-6410-4ec7-8", "FinancialAddress": "LI4808800751423444466"}],
}


@pytest.fixture
async def doors(stack):
    who = {
        "clerk": Actor(Kind.CLIENT, "ministry-software", "hazina", frozenset({"payment-clerk"}), 2),
        "boss": Actor(Kind.STAFF, "boss", "hazina", frozenset({"payment-approver"}), 2),
    }

    async def by_header(_, request):
        return who.get(request.headers.get("X-Test-Actor", ""))

    running = web_app(stack)
    web.register([by_header], routes.dialects)
    transport = httpx.ASGITransport(app=running)
    base = "http://127.0.0.1:8080"
    async with httpx.AsyncClient(transport=transport, base_url=base, headers={"X-Test-Actor": "clerk"}) as client:
        yield client


def without(body, *path):
    """A copy of a body that lacks one member."""
    name, *rest = path
    if not rest:
        return {key: value for key, value in body.items() if key != name}
    return body | {name: [without(body[name][0], *rest)]}


def changed(body, value, *path):
    """A copy of a body with another value in one place."""
    name, *rest = path
    return body | {name: [changed(body[name][0], value, *rest)] if rest else value}


async def test_the_older_dialect_links_checks_and_hands_in(doors, source, people):
    for path in ("/register-beneficiary", "/update-beneficiary-details"):
        told = await doors.post(path, json=LINK)
        assert told.status_code == 200 and told.headers["content-type"] == "application/json; charset=utf-8"
        assert told.json()["ResponseCode"] == "00" and told.json()["RequestID"] == LINK["RequestID"]
        for bad in (
            without(LINK, "SourceBBID"),
            without(LINK, "Beneficiaries", "PayeeFunctionalID"),
            changed(LINK, "invalid", "SourceBBID"),
            changed(LINK, "invalid", "Beneficiaries", "PayeeFunctionalID"),
        ):
            no = await doors.post(path, json=bad)
            assert no.status_code == 400 and no.json()["ResponseCode"] == "01"
            assert no.json()["RequestID"] == LINK["RequestID"] and no.json()["ResponseDescription"]
    credit = "CreditInstructions"
    for bad in (
        *(without(GOOD, name) for name in ("SourceBBID", "BatchID", "RequestID", credit)),
        *(without(GOOD, credit, name) for name in ("InstructionID", "PayeeFunctionalID", "Amount", "Currency")),
        GOOD | {credit: []},
        changed(GOOD, "invalid", "SourceBBID"),
        changed(GOOD, "100.10.1", credit, "Amount"),
        changed(GOOD, "US", credit, "Currency"),
    ):
        no = await doors.post("/bulk-payment", json=bad)
        assert no.status_code == 400 and no.json()["ResponseCode"] == "01" and len(no.json()["RequestID"]) == 12
        no = await doors.post("/prepayment-validation", json=bad)
        assert no.status_code == 200 and no.json()["ResponseCode"] == "01" and len(no.json()["RequestID"]) == 12
    assert (await doors.post("/bulk-payment", content=b"{")).json()["RequestID"] == wire.NO_ID
    told = await doors.post("/prepayment-validation", json=GOOD)
    assert told.json()["ResponseCode"] == "00"
    asked = {"RequestID": GOOD["RequestID"], "Source_BatchID": GOOD["BatchID"]}
    found = (await doors.post("/prepayment-validation-response", json=asked)).json()
    assert found["NumberFailedCases"] == 1 and found["FailedAccounts"][0]["InstructionID"] == "InstructionID222"
    for _ in range(2):
        assert (await doors.post("/bulk-payment", json=GOOD)).json()["ResponseCode"] == "00"
    other = await doors.post("/bulk-payment", json=changed(GOOD, 101, credit, "Amount"))
    assert other.status_code == 409 and other.json()["ResponseCode"] == "01"
    nobody = await doors.post("/bulk-payment", json=GOOD, headers={"X-Test-Actor": ""})
    assert nobody.status_code == 401 and nobody.json()["ResponseCode"] == "01"


async def test_the_specifications_paths_pay_after_an_approval(doors, stack, source, people):
    said = {"RequestID": "r1", "Beneficiaries": [{"payeeIdentity": "S-1", "FinancialAddress": people[2].number}]}
    assert (await doors.post("/identityAccountMapper/beneficiary", json=said)).json()["responseCode"] == "00"
    assert (await doors.put("/identityAccountMapper/beneficiary", json=said)).status_code == 200
    party = [{"key": "payeeidentity", "value": "S-1"}]
    one = {"requestId": "t1", "creditParty": party, "debitParty": [{"key": "tenant", "value": "PENSIONS"}]}
    body = [one | {"paymentMode": "CLOSEDLOOP", "amount": 25.0, "currency": "TZS"}]
    sent = await doors.post("/batchtransactions?type=raw", json=body, headers={"X-CorrelationID": "corr-1"})
    assert sent.status_code == 202 and sent.json() == {"batchId": "corr-1"}
    assert (await doors.post("/batches/corr-1")).status_code == 403
    assert (await doors.post("/batches/corr-1", headers={"X-Test-Actor": "boss"})).status_code == 202
    found = await acts.batch(stack, BOSS, "corr-1")
    await working.run_file(stack, found.file_id)
    seen = (await doors.get("/api/v1/batch/detail", params={"batchId": "corr-1"})).json()
    assert (seen["status"], seen["successful"], seen["failed"]) == ("FINISHED", 1, 0)
    missing = await doors.get("/api/v1/batch/detail", params={"batchId": "nothing"})
    assert missing.status_code == 404


async def test_the_suite_is_believed_in_a_loopback_sandbox_only(stack):
    class Asked:
        headers = frozenset()

        class url:
            path = "/bulk-payment"

    def as_if(**more):
        from msgspec import structs

        class Seen:
            settings = structs.replace(stack.settings, **more)

        return Seen()

    open_ = {"sandbox": True, "host": "127.0.0.1", "govstack_instances": "payments:hazina"}
    found = await routes.authenticate(as_if(**open_), Asked())
    assert found is not None and found.institution == "hazina"
    for shut in ({"sandbox": False}, {"host": "0.0.0.0"}, {"govstack_instances": "payments:"}):
        assert await routes.authenticate(as_if(**(open_ | shut)), Asked()) is None
    Asked.url.path = "/v1/payments/files"
    assert await routes.authenticate(as_if(**open_), Asked()) is None
