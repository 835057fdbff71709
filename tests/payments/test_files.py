"""Payment files from upload to report: four eyes, line by line, resumable, nobody twice."""

import asyncio
from uuid import uuid4

import pytest
from lxml import etree
from tests.payments import kit, official

from msingi.kernel import web
from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.errors import DifferentContent, Malformed, NotFound, NotPermitted, Outage
from msingi.payments import acts, audit, errors, files, jobs, rules, wire, working
from msingi.payments.model import FileState

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
STRANGER = kit.as_staff("payment-clerk", "payment-approver", id="other", institution="zahanati")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack, 10**9)


@pytest.fixture(scope="module")
async def people(stack):
    return [await kit.enrolled(stack) for _ in range(6)]


def lines_for(people, amount="1000"):
    return [(f"E{n}", p.number, amount) for n, p in enumerate(people, 1)]


async def balance(stack, person):
    held = await acts.balances_of(stack, kit.as_person(person.id), person.id)
    return held.get(stack.profile.currency.code, 0)


async def test_access_upload_payment_file(stack, source, people):
    raw = kit.pain_001(source.number, lines_for(people), message="UP-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    assert (kept.state, kept.lines, kept.total_minor, kept.paid) == (FileState.WAITING, 6, 6000, 0)
    assert await files.upload_payment_file(stack, CLERK, raw) == kept
    with pytest.raises(DifferentContent):
        await files.upload_payment_file(
            stack, CLERK, kit.pain_001(source.number, lines_for(people[:1]), message="UP-1")
        )
    for ctx in (BOSS, kit.as_person(people[0].id), kit.as_staff("payment-clerk", purpose="statistics")):
        with pytest.raises(NotPermitted):
            await files.upload_payment_file(stack, ctx, raw)
    with pytest.raises(errors.NoSuchAccount):  # the account is another institution's
        await files.upload_payment_file(stack, STRANGER, raw)
    with pytest.raises(Malformed):
        await files.upload_payment_file(stack, CLERK, kit.pain_001("1234567890123", lines_for(people)))
    other = context(Actor(Kind.CLIENT, "ministry-site", "hazina"), "social-protection", "public-task")
    with pytest.raises(NotPermitted):  # not every program of a ministry may hand in payments
        await files.upload_payment_file(stack, other, raw)
    actor = Actor(Kind.CLIENT, "ministry-software", "hazina", frozenset({"payment-clerk"}))
    software = context(actor, "social-protection", "public-task")
    raw = kit.pain_001(source.number, lines_for(people), message="UP-2")
    assert (await files.upload_payment_file(stack, software, raw)).uploaded_by == "client:ministry-software"


async def test_access_approve_payment_file(stack, source, people):
    raw = kit.pain_001(source.number, lines_for(people), message="AP-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    both = kit.as_staff("payment-clerk", "payment-approver", id="clerk", purpose="social-protection")
    with pytest.raises(errors.FourEyes):
        await files.approve_payment_file(stack, both, kept.file_id)
    with pytest.raises(NotPermitted):
        await files.approve_payment_file(stack, CLERK, kept.file_id)
    with pytest.raises(errors.NoSuchFile):
        await files.approve_payment_file(stack, STRANGER, kept.file_id)
    with pytest.raises(errors.FileNotReady):
        await working.run_file(stack, kept.file_id)
    approved = await files.approve_payment_file(stack, BOSS, kept.file_id)
    assert approved.state is FileState.APPROVED and approved.approved_by == "staff:boss"
    with pytest.raises(errors.FileNotReady):
        await files.approve_payment_file(stack, BOSS, kept.file_id)
    assert (await working.run_file(stack, kept.file_id)).paid == 6


async def test_everybody_is_paid_once_and_each_line_has_an_outcome(stack, source, people):
    before = [await balance(stack, p) for p in people]
    wanted = lines_for(people)
    wanted += [("E7", "999999999999", "5"), ("E8", "hello", "5"), ("E9", people[0].number, "6000000")]
    raw = kit.pain_001(source.number, wanted, message="PAY-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    seen = []
    done = await working.run_file(stack, kept.file_id, seen.append)
    assert (done.state, done.paid, done.rejected, done.paid_minor) == (FileState.FINISHED, 6, 3, 6000)
    assert sum(seen) == 9
    again = await working.run_file(stack, kept.file_id)
    assert again == done and [await balance(stack, p) for p in people] == [b + 1000 for b in before]
    page = await files.file_lines(stack, BOSS, kept.file_id, limit=7)
    assert [n.status for n in page.lines] == ["paid"] * 6 + ["rejected"] and page.next_after == 7
    rejected = await files.file_lines(stack, BOSS, kept.file_id, rejected_only=True)
    assert [(n.end_to_end_id, n.reason) for n in rejected.lines] == [("E7", "AC01"), ("E8", "AC01"), ("E9", "AM02")]
    # the person sees the money, from whom, and what for
    wallet = (await acts.accounts(stack, kit.as_person(people[0].id)))[0]
    entry = (await acts.statement(stack, kit.as_person(people[0].id), wallet.number)).entries[0]
    assert (entry.amount_minor, entry.other) == (1000, "Wizara ya Ustawi wa Jamii")
    assert entry.reference == "Cash transfer, January"
    assert (await audit.check_books(stack.db)).ok


async def test_who_is_paid_is_forgotten_and_was_never_in_clear(stack, source, people, owner_url):
    raw = kit.pain_001(source.number, lines_for(people[:2]), message="SEAL-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    query = "SELECT sealed FROM payments.payment_part WHERE file_id = $1"
    for row in await kit.owner_does(owner_url, query, kept.file_id):
        assert people[0].number.encode() not in row["sealed"]
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    await working.run_file(stack, kept.file_id)
    assert {row["sealed"] for row in await kit.owner_does(owner_url, query, kept.file_id)} == {None}


async def test_an_interrupted_file_goes_on_where_it_stopped(stack, source, people, owner_url, monkeypatch):
    before = [await balance(stack, p) for p in people]
    monkeypatch.setattr(files, "PART", 2)
    raw = kit.pain_001(source.number, lines_for(people), message="CRASH-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    real, calls = working.store_files.end_part, 0

    async def dies(*args):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Outage("after paying, before writing the outcomes")
        return await real(*args)

    monkeypatch.setattr(working.store_files, "end_part", dies)
    with pytest.raises(Outage):
        await working.run_file(stack, kept.file_id)
    half = await files.payment_file(stack, BOSS, kept.file_id)
    assert (half.state, half.paid) == (FileState.RUNNING, 2)
    assert [await balance(stack, p) for p in people[:4]] == [b + 1000 for b in before[:4]]
    # the crashed program's lease ends, and the endless loop of another one takes the file up
    await kit.owner_does(owner_url, "UPDATE payments.payment_file SET leased_until = now() WHERE id = $1", kept.file_id)
    loop = asyncio.create_task(jobs.work_files_off(stack))
    for _ in range(100):
        await asyncio.sleep(0.05)
        done = await files.payment_file(stack, BOSS, kept.file_id)
        if done.state is FileState.FINISHED:
            break
    loop.cancel()
    assert (done.state, done.paid, done.rejected) == (FileState.FINISHED, 6, 0)
    assert [await balance(stack, p) for p in people] == [b + 1000 for b in before]


async def test_two_programs_on_one_file_pay_nobody_twice(stack, source, people):
    before = [await balance(stack, p) for p in people]
    raw = kit.pain_001(source.number, lines_for(people), message="TWO-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    one, two = await asyncio.gather(working.run_file(stack, kept.file_id), working.run_file(stack, kept.file_id))
    assert one == two and one.paid == 6
    assert [await balance(stack, p) for p in people] == [b + 1000 for b in before]


async def test_when_the_money_runs_out_the_rest_is_told_line_by_line(stack, people):
    small = await kit.treasury(stack, 2500)
    raw = kit.pain_001(small.number, lines_for(people), message="POOR-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    done = await working.run_file(stack, kept.file_id)
    assert (done.paid, done.rejected) == (2, 4)
    lines = (await files.file_lines(stack, BOSS, kept.file_id)).lines
    assert [n.reason for n in lines] == ["", ""] + ["AM04"] * 4


async def test_access_payment_files(stack, source, people):
    raw = kit.pain_001(source.number, lines_for(people), message="LIST-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    assert kept in await files.payment_files(stack, BOSS)
    assert await files.payment_files(stack, STRANGER) == []
    with pytest.raises(NotPermitted):
        await files.payment_files(stack, kit.as_staff("clinician"))


async def test_access_payment_file(stack, source, people):
    raw = kit.pain_001(source.number, lines_for(people), message="READ-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    assert await files.payment_file(stack, BOSS, kept.file_id) == kept
    with pytest.raises(errors.NoSuchFile):
        await files.payment_file(stack, STRANGER, kept.file_id)
    with pytest.raises(NotPermitted):
        await files.payment_file(stack, kit.as_person(people[0].id), kept.file_id)
    with pytest.raises(Malformed):
        await files.payment_file(stack, BOSS, "no-uuid")


async def test_access_file_lines(stack, source, people):
    raw = kit.pain_001(source.number, lines_for(people), message="LINES-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    assert len((await files.file_lines(stack, CLERK, kept.file_id)).lines) == 6
    with pytest.raises(NotFound):
        await files.file_lines(stack, STRANGER, kept.file_id)
    with pytest.raises(NotPermitted):
        await files.file_lines(stack, kit.as_staff("clinician"), kept.file_id)


async def test_access_status_report(stack, source, people):
    wanted = [*lines_for(people[:2]), ("E3", "999999999999", "5")]
    kept = await files.upload_payment_file(stack, CLERK, kit.pain_001(source.number, wanted, message="REP-1"))
    first = etree.fromstring(await files.status_report(stack, CLERK, kept.file_id))
    assert first.findtext(".//{*}GrpSts") == "RCVD"
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    await working.run_file(stack, kept.file_id)
    raw = await files.status_report(stack, CLERK, kept.file_id)
    found = etree.fromstring(raw)
    assert found.findtext(".//{*}OrgnlMsgId") == "REP-1" and found.findtext(".//{*}GrpSts") == "PART"
    assert [e.text for e in found.iter("{*}TxSts")] == ["ACSC", "ACSC", "RJCT"]
    assert [e.text for e in found.iter("{*}OrgnlEndToEndId")] == ["E1", "E2", "E3"]
    assert found.findtext(".//{*}Rsn/{*}Cd") == "AC01" and people[0].number.encode() not in raw
    with pytest.raises(errors.NoSuchFile):
        await files.status_report(stack, STRANGER, kept.file_id)
    for report in (etree.tostring(first), raw):
        official.schema("pain.002.001.10").assertValid(etree.fromstring(report))


async def test_the_report_leaves_in_pieces_and_refusals_before_the_first(stack, source, people, client, monkeypatch):
    """Its memory does not grow with the file; and who may not have it gets a refusal, not half an answer."""
    kept = await files.upload_payment_file(
        stack, CLERK, kit.pain_001(source.number, lines_for(people[:3]), message="REP-2")
    )
    monkeypatch.setattr(files.report, "LINES_A_PIECE", 1)
    pieces = [piece async for piece in files.report_pieces(stack, CLERK, kept.file_id)]
    assert len(pieces) == 4 and all(pieces)
    official.schema("pain.002.001.10").assertValid(etree.fromstring(b"".join(pieces)))

    async def known(_stack, _request):
        return CLERK.actor

    monkeypatch.setattr(web, "_authenticators", [known])
    sent = await client.get(f"/v1/payments/files/{kept.file_id}/pain.002")
    assert sent.status_code == 200 and sent.headers["content-type"].startswith("application/xml")
    assert [e.text for e in etree.fromstring(sent.content).iter("{*}OrgnlEndToEndId")] == ["E1", "E2", "E3"]
    missing = await client.get(f"/v1/payments/files/{uuid4()}/pain.002")
    assert missing.status_code == 404 and missing.json()["code"] == "payments.no-such-file"


async def test_a_new_wallet_leads_to_the_phone_and_the_masked_name_is_all_a_payer_sees(stack, source):
    asha, juma = await kit.enrolled(stack, "Asha"), await kit.enrolled(stack, "Juma", "Ngowi")
    mine = await kit.wallet(stack, asha.id, 5000, source)
    me = kit.as_person(asha.id, name="Asha Mrema")
    with pytest.raises(errors.NoSuchAccount):
        await acts.resolve_alias(stack, me, acts.Alias("phone", juma.phone))
    await kit.wallet(stack, juma.id)
    seen = await acts.resolve_alias(stack, me, acts.Alias("phone", juma.phone))
    assert seen.name == "J. N." == (await acts.resolve_alias(stack, me, acts.Alias("identity", juma.number))).name
    order = acts.TransferOrder("p1", mine.number, acts.Alias("phone", juma.phone), 1500, "TZS", "karanga")
    paid = await acts.transfer(stack, me, order)
    assert paid.to == "J. N." and paid.balance_minor == 3500 and await balance(stack, juma) == 1500
    his = (await acts.accounts(stack, kit.as_person(juma.id)))[0]
    entry = (await acts.statement(stack, kit.as_person(juma.id), his.number)).entries[0]
    assert entry.other == "A. M." and entry.reference == "karanga"
    by_number = await acts.resolve_alias(stack, me, acts.Alias("account", his.number))
    assert by_number.name == "J. N." and rules.id_of(his.number)
    with pytest.raises(errors.NoSuchAccount):
        await acts.resolve_alias(stack, me, acts.Alias("phone", "+255799999999"))


def test_the_reader_and_the_runner_agree_on_the_scheme():
    assert wire.SCHEME == "MSINGI-ID"


async def test_access_take_payment_file(stack, source, people):
    """A file that comes as a stream, here CSV: the same checks, the same four eyes."""

    async def pieces(text):
        for start in range(0, len(text), 7):
            yield text[start : start + 7].encode()

    sheet = files.Sheet("CSV-1", source.number, "TZS")
    text = "number;id;amount\n" + "".join(f"{p.number};C{n};50\n" for n, p in enumerate(people))
    kept = await files.take_payment_file(stack, CLERK, pieces(text), sheet)
    assert (kept.lines, kept.total_minor, kept.message_id) == (6, 300, "CSV-1")
    assert await files.take_payment_file(stack, CLERK, pieces(text), sheet) == kept
    with pytest.raises(NotPermitted):
        await files.take_payment_file(stack, kit.as_person(people[0].id), pieces(text), sheet)
    twice = files.Sheet("CSV-2", source.number, "TZS")
    with pytest.raises(Malformed) as refused:
        await files.take_payment_file(stack, CLERK, pieces(text + f"{people[0].number};C0;1\n"), twice)
    assert refused.value.facts == {"field": "line 7, id", "rule": "unique"}
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    assert (await working.run_file(stack, kept.file_id)).paid == 6


async def test_who_was_paid_before_a_crash_is_told_as_paid_whatever_became_of_them(stack, source, monkeypatch):
    people = [await kit.enrolled(stack) for _ in range(3)]
    raw = kit.pain_001(source.number, lines_for(people), message="GONE-1")
    kept = await files.upload_payment_file(stack, CLERK, raw)
    await files.approve_payment_file(stack, BOSS, kept.file_id)

    async def dies(*_):
        raise Outage("paid, and nothing written")

    with monkeypatch.context() as patch:
        patch.setattr(working.store_files, "end_part", dies)
        patch.setattr(working, "LEASE_S", -1)
        with pytest.raises(Outage):
            await working.run_file(stack, kept.file_id)
    real = working.identity.payees_by_number

    async def without_first(*args):  # as if suspended meanwhile
        found = await real(*args)
        return {number: person for number, person in found.items() if number != people[0].number}

    monkeypatch.setattr(working.identity, "payees_by_number", without_first)
    done = await working.run_file(stack, kept.file_id)
    assert (done.paid, done.rejected) == (3, 0)
    assert [await balance(stack, p) for p in people] == [1000] * 3
