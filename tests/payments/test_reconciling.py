"""Reconciling: the laws of the comparison, statements as banks write them, the queue, the signed report, the doors."""

import base64
import json
from collections import Counter
from datetime import date, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.payments import kit
from tests.site import web_app

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted
from msingi.kernel.money import Currency
from msingi.payments import acts as ledger
from msingi.payments import errors as ledger_errors
from msingi.payments import files, working
from msingi.payments.bank import statements
from msingi.payments.bank import wire as bank_wire
from msingi.payments.bank.model import Period
from msingi.payments.reconciling import acts, errors, reading, rules
from msingi.payments.reconciling.model import Booked, How, Line, Mapping, Statement, Why

TREASURER = kit.as_staff("treasurer", id="treasurer")
AUDITOR = kit.as_staff("auditor", id="auditor", purpose="audit")
STRANGER = kit.as_staff("treasurer", id="other", institution="zahanati")
CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
TZS = Currency("TZS", 0, "834", "TSh")
DAY = date(2026, 3, 10)
BY_CSV = Mapping(date="Day", amount="In", debit="Out", reference="Ref", end_to_end="E2E", delimiter=";", decimal=",")

days = st.integers(0, 9).map(lambda n: DAY + timedelta(days=n))
amounts = st.sampled_from([5, 5, 7, -5, -9, 1000])
names = st.sampled_from(["", "", "a1", "a2", "b-1"])
lines = st.lists(st.builds(Line, days, amounts, names, names), max_size=9)
entries = st.lists(st.builds(Booked, days, amounts, st.sampled_from(["a1", "a2", "b1", "c"]), names), max_size=9)


@given(lines, entries, st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_disappears_nothing_is_matched_twice_and_the_order_does_not_count(said, booked, rng):
    found = rules.compare(said, booked)
    # laws 1 and 2: each line and each entry once, matched or in the queue
    assert Counter([m.line for m in found.matches] + [o.line for o in found.open if o.line]) == Counter(said)
    assert Counter([m.booked for m in found.matches] + [o.booked for o in found.open if o.booked]) == Counter(booked)
    for match in found.matches:  # law 3
        assert match.line.amount_minor == match.booked.amount_minor
        if match.how is How.REFERENCE:
            assert match.line.reference.replace("-", "") == match.booked.transfer
        elif match.how is How.END_TO_END:
            assert match.line.end_to_end == match.booked.end_to_end != ""
        else:
            assert abs(match.line.on - match.booked.on) <= rules.SLACK
    for one in found.open:
        if one.why is Why.OTHER_AMOUNT:
            assert one.line and one.booked and one.line.amount_minor != one.booked.amount_minor
    rng.shuffle(said)
    rng.shuffle(booked)
    assert rules.compare(said, booked) == found  # law 4


def test_each_way_to_match_and_each_reason():
    said = [
        Line(DAY, -50, "A1", ""),
        Line(DAY, -60, "", "E-2"),
        Line(DAY, -70),
        Line(DAY, -80, "a4"),
        Line(DAY, -90),
        Line(DAY, 11),
    ]
    booked = [
        Booked(DAY, -50, "a1"),
        Booked(DAY, -60, "a2", "E-2"),
        Booked(DAY + timedelta(days=2), -70, "a3"),
        Booked(DAY, -81, "a4"),
        Booked(DAY, -90, "a5"),
        Booked(DAY, -90, "a6"),
        Booked(DAY, 12, "a7"),
    ]
    found = rules.compare(said, booked)
    assert [(m.line.amount_minor, m.how) for m in found.matches] == [
        (-50, How.REFERENCE),
        (-60, How.END_TO_END),
        (-70, How.AMOUNT_AND_DATE),
    ]
    assert Counter(o.why for o in found.open) == {
        Why.OTHER_AMOUNT: 1,
        Why.AMBIGUOUS: 1,
        Why.NOT_IN_LEDGER: 1,
        Why.NOT_IN_STATEMENT: 3,
    }


def camt(*entries, opening="0", closing=None, version="08", currency="TZS", extra=""):
    made = []
    for amount, indicator, reference, end_to_end in entries:
        made.append(
            f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{indicator}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>'
            f"<BookgDt><Dt>2026-03-10</Dt></BookgDt><AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls><TxDtls><Refs>"
            f"<EndToEndId>{end_to_end or 'NOTPROVIDED'}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
        )
    moved = sum(int(a) * (1 if i == "CRDT" else -1) for a, i, _, _ in entries if a.isdigit())
    closing = int(opening) + moved if closing is None else closing

    def balance(kind, minor):
        sign = "DBIT" if int(minor) < 0 else "CRDT"
        return (
            f'<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{abs(int(minor))}</Amt>'
            f"<CdtDbtInd>{sign}</CdtDbtInd><Dt><Dt>2026-03-10</Dt></Dt></Bal>"
        )

    return (
        f'{extra}<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"><BkToCstmrStmt><Stmt>'
        f"<Id>S-1</Id>{balance('OPBD', opening)}{balance('CLBD', closing)}{''.join(made)}</Stmt>"
        "</BkToCstmrStmt></Document>"
    ).encode()


def test_statements_of_any_version_and_batches_by_their_details():
    found = reading.camt_053(camt(("5", "CRDT", "R1", "E1"), ("7", "DBIT", "R2", ""), version="02"), TZS)
    assert (found.opening_minor, found.closing_minor, found.statement_id) == (0, -2, "S-1")
    assert found.lines == (Line(DAY, 5, "R1", "E1"), Line(DAY, -7, "R2", ""))
    rules.check(found)
    detail = '<TxDtls><Refs><EndToEndId>E{0}</EndToEndId></Refs><Amt Ccy="TZS">{0}</Amt></TxDtls>'
    batch = camt(("5", "DBIT", "R", "x"))
    start, end = batch.index(b"<TxDtls>"), batch.index(b"</NtryDtls>")
    split = batch[:start] + (detail.format(2) + detail.format(3)).encode() + batch[end:]
    assert reading.camt_053(split, TZS).lines == (Line(DAY, -2, "", "E2"), Line(DAY, -3, "", "E3"))
    with pytest.raises(Malformed) as refused:
        reading.camt_053(split.replace(b">3<", b">4<"), TZS)
    assert refused.value.facts["rule"] == "sum"
    pending = reading.camt_053(camt(("5", "CRDT", "R", "")).replace(b"BOOK", b"PDNG"), TZS)
    assert pending.lines == ()


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"hello", "well-formed"),
        (camt(("5", "CRDT", "R", ""), extra="<!DOCTYPE Document>"), "no-doctype"),
        (camt(("5", "CRDT", "R", "")).replace(b"camt.053", b"camt.054"), "namespace"),
        (camt(("5", "CRDT", "R", ""), currency="USD"), "known-currency"),
        (camt(("5", "BOTH", "R", "")), "CRDT or DBIT"),
        (camt(("-5", "CRDT", "R", "")), "decimal"),
        (
            camt(("5", "CRDT", "R", "")).replace(b"</Ntry>", b"</Ntry>").replace(b"03-10</Dt></Bo", b"13-40</Dt></Bo"),
            "date",
        ),
        (camt(("5", "CRDT", "R", "")).replace(b"</Stmt>", b"</Stmt><Stmt/>"), "exactly one"),
    ],
    ids=["no-xml", "doctype", "other-message", "currency", "direction", "negative", "date", "two"],
)
def test_a_bad_statement_is_refused_by_its_rule(raw, rule):
    with pytest.raises(Malformed) as refused:
        reading.camt_053(raw, TZS)
    assert refused.value.facts["rule"] == rule


def test_a_statement_that_does_not_add_up_is_refused():
    with pytest.raises(Malformed):
        rules.check(reading.camt_053(camt(("5", "CRDT", "R", ""), closing=6), TZS))
    rules.check(Statement("S", "TZS", (Line(DAY, 5),)))  # CSV tells no balances


def test_csv_is_read_as_its_mapping_says():
    raw = "\ufeffDay;In;Out;Ref;E2E\n2026-03-10;1.500;;R1;E1\n2026-03-11;;2 500,00;R2;\n".encode()
    found = reading.from_csv(raw, BY_CSV, TZS, "C-1")
    assert found.lines == (Line(DAY, 1500, "R1", "E1"), Line(DAY + timedelta(days=1), -2500, "R2", ""))
    by_sign = Mapping(date="d", amount="a", sign="s", out="Dr", dates="%d/%m/%Y")
    assert reading.from_csv(b"d,a,s\n10/03/2026,007,dr\n", by_sign, TZS, "C").lines == (Line(DAY, -7),)
    plain = Mapping(date="d", amount="a")
    assert reading.from_csv(b'd,a\n2026-03-10,"-1,500"\n', plain, TZS, "C").lines == (Line(DAY, -1500),)
    for bad, rule in (
        (b"x,a\n", "known-column"),
        (b"d,a\n10.3.2026,5\n", "date"),
        (b"d,a\n2026-03-10,0\n", "above zero"),
        (b"d,a\n2026-03-10,=1+1\n", "decimal"),
        (b"d,a\n2026-03-10,1.5\n", "decimals<=0"),
        (b"\xff", "utf-8"),
    ):
        with pytest.raises(Malformed) as refused:
            reading.from_csv(bad, plain, TZS, "C")
        assert refused.value.facts["rule"] == rule


@pytest.fixture(scope="module")
async def paid(stack):
    """An account that paid a file of three, and the statement that a bank writes of it (our own, as camt.053)."""
    account = await kit.treasury(stack, 10**6)
    people = [await kit.enrolled(stack) for _ in range(3)]
    wanted = [(f"REC{n}", p.number, str(100 + n)) for n, p in enumerate(people)]
    kept = await files.upload_payment_file(stack, CLERK, kit.pain_001(account.number, wanted, message="REC-1"))
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    assert (await working.run_file(stack, kept.file_id)).paid == 3
    today = kit.today(stack)
    period = Period(today - timedelta(days=1), today)
    now = kit.as_staff("treasurer", id="treasurer")  # a statement reaches to the instant at which it is asked for
    booked = await statements.booked(stack, now, account.number, period)
    return account, bank_wire.to_camt_053(booked, stack.profile.currency, "Bank")


async def test_access_reconcile(stack, paid):
    """The camt.053 that the stack writes of an institution's account agrees with its ledger to the last line."""
    account, raw = paid
    found = await acts.reconcile(stack, TREASURER, account.number, raw)
    assert (found.lines, found.by_reference, found.exceptions, found.open) == (4, 4, 0, 0)
    assert await acts.reconcile(stack, TREASURER, account.number, raw) == found
    with pytest.raises(DifferentContent):
        await acts.reconcile(stack, TREASURER, account.number, raw + b"\n")
    with pytest.raises(ledger_errors.NoSuchAccount):
        await acts.reconcile(stack, STRANGER, account.number, raw)
    for ctx in (CLERK, AUDITOR, kit.as_staff("treasurer", purpose="statistics")):
        with pytest.raises(NotPermitted):
            await acts.reconcile(stack, ctx, account.number, raw)


def table(*rows):
    return ("Day;In;Out;Ref;E2E\n" + "".join(";".join(row) + "\n" for row in rows)).encode()


async def queued(stack, account, name):
    today = kit.today(stack).isoformat()
    raw = table((today, "", "100", "", "REC0"), (today, "", "101", "", ""), (today, "", "999", "", "REC2"))
    return await acts.reconcile(stack, TREASURER, account.number, raw, mapping=BY_CSV, statement_id=name)


async def test_access_queue(stack, paid):
    account, _ = paid
    made = await queued(stack, account, "Q-1")
    assert (made.by_reference, made.by_end_to_end, made.by_amount) == (0, 1, 1)
    found = await acts.queue(stack, AUDITOR, made.reconciliation_id)
    assert sorted(i.why for i in found.items) == [Why.NOT_IN_STATEMENT, Why.OTHER_AMOUNT]  # the money from the bank
    other = next(i for i in found.items if i.why is Why.OTHER_AMOUNT)
    assert (other.amount_minor, other.booked_minor, other.end_to_end) == (-999, -102, "REC2") and other.transfer_id
    first = await acts.queue(stack, TREASURER, made.reconciliation_id, limit=1)
    rest = await acts.queue(stack, TREASURER, made.reconciliation_id, limit=1, after=first.next_after)
    assert first.items + rest.items == found.items and rest.next_after is None
    with pytest.raises(errors.NoSuchReconciliation):
        await acts.queue(stack, STRANGER, made.reconciliation_id)
    with pytest.raises(NotPermitted):
        await acts.queue(stack, kit.as_staff("clinician"), made.reconciliation_id)


async def test_access_settle_exception(stack, paid):
    account, _ = paid
    made = await queued(stack, account, "Q-2")
    await acts.settle_exception(stack, TREASURER, made.reconciliation_id, 1, "  The bank's\nerror, it books it back ")
    with pytest.raises(errors.AlreadySettled):
        await acts.settle_exception(stack, TREASURER, made.reconciliation_id, 1, "something else")
    with pytest.raises(errors.NoSuchReconciliation):
        await acts.settle_exception(stack, TREASURER, made.reconciliation_id, 99, "something else")
    with pytest.raises(Malformed):
        await acts.settle_exception(stack, TREASURER, made.reconciliation_id, 2, " ")
    with pytest.raises(NotPermitted):
        await acts.settle_exception(stack, AUDITOR, made.reconciliation_id, 2, "something else")
    with pytest.raises(errors.NoSuchReconciliation):
        await acts.settle_exception(stack, STRANGER, made.reconciliation_id, 2, "something else")
    left = await acts.queue(stack, TREASURER, made.reconciliation_id)
    assert [i.item for i in left.items] == [2]
    (first, _) = (await acts.queue(stack, TREASURER, made.reconciliation_id, open_only=False)).items
    assert (first.note, first.settled_by) == ("The bank's error, it books it back", "staff:treasurer")


async def test_access_reconciliations(stack, paid):
    account, _ = paid
    made = await queued(stack, account, "Q-3")
    assert made in await acts.reconciliations(stack, AUDITOR)
    assert await acts.reconciliations(stack, STRANGER) == []
    with pytest.raises(NotPermitted):
        await acts.reconciliations(stack, kit.as_staff("clinician"))


async def test_access_report(stack, paid):
    account, _ = paid
    made = await queued(stack, account, "Q-4")
    told = await acts.report(stack, AUDITOR, made.reconciliation_id)
    message, _, signature = told.rpartition(".")
    key = stack.keys.public("exchange")[0]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=="))
    public.verify(base64.urlsafe_b64decode(signature + "=="), message.encode())
    said = json.loads(base64.urlsafe_b64decode(message.split(".")[1] + "==="))
    assert said["reconciliation"]["exceptions"] == 2 == len(said["items"])
    with pytest.raises(errors.NoSuchReconciliation):
        await acts.report(stack, STRANGER, made.reconciliation_id)
    with pytest.raises(NotPermitted):
        await acts.report(stack, kit.as_staff("clinician"), made.reconciliation_id)


async def test_a_mirrored_statement_is_turned_round(stack, paid):
    account, _ = paid
    today = kit.today(stack).isoformat()
    raw = table((today, "100", "", "", "REC0"))
    found = await acts.reconcile(
        stack, TREASURER, account.number, raw, mapping=BY_CSV, statement_id="MIRROR", mirrored=True
    )
    assert found.by_end_to_end == 1
    assert (await ledger.accounts(stack, TREASURER))[0].number


async def test_the_doors_take_both_kinds_and_give_the_report(stack, paid):
    account, raw = paid
    who = {"t": Actor(Kind.STAFF, "treasurer", "hazina", frozenset({"treasurer"}), 2)}

    async def by_header(_, request):
        return who.get(request.headers.get("X-Test-Actor", ""))

    running = web_app(stack)
    web.register([by_header], {})
    base = "http://127.0.0.1:8080/v1/payments/reconciliations"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=running), base_url=base) as client:
        me, xml = {"X-Test-Actor": "t"}, {"Content-Type": "application/xml"}
        asked = {"account": account.number}
        made = await client.post("", headers=me | xml, params=asked, content=raw)
        assert made.status_code == 201 and made.json()["exceptions"] == 0
        mapping = json.dumps({"date": "Day", "amount": "In", "debit": "Out", "delimiter": ";"})
        sheet = me | {"Content-Type": "text/csv", "Statement-Mapping": mapping}
        body = table((kit.today(stack).isoformat(), "", "7", "", ""))
        second = await client.post("", headers=sheet, params=asked | {"statement_id": "D-1"}, content=body)
        assert second.status_code == 201 and second.json()["open"] > 0
        path = f"/{second.json()['reconciliation_id']}"
        item = (await client.get(f"{path}/exceptions", headers=me)).json()["items"][0]["item"]
        done = await client.post(f"{path}/exceptions/{item}", headers=me, json={"note": "fee of the bank"})
        assert done.status_code == 204
        again = await client.post(f"{path}/exceptions/{item}", headers=me, json={"note": "fee of the bank"})
        assert again.status_code == 409 and again.json()["code"] == "payments.exception-already-settled"
        assert (await client.get(f"{path}/report", headers=me)).headers["content-type"].startswith("application/jose")
        for bad in ("{", '{"date": 1}', '{"x": "y"}'):
            no = await client.post("", headers=sheet | {"Statement-Mapping": bad}, params=asked, content=body)
            assert no.status_code == 400 and no.json()["field"] == "Statement-Mapping"
        assert (await client.post("", headers=xml, params=asked, content=raw)).status_code == 401
