"""Payments that nobody collected: told before, kept by a word or by using the account, sent back once, and reported."""

from datetime import timedelta

import pytest
from lxml import etree
from msgspec import structs
from tests.payments import kit, official
from tests.payments.test_programmes import BOSS, CLERK, OFFICER, balance, paid

from msingi.kernel import clock, crossing
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import files
from msingi.payments.bank import statements, telling, wire
from msingi.payments.bank.model import Period
from msingi.payments.model import Alias, TransferOrder
from msingi.payments.programmes import acts, preparing, uncollected
from msingi.payments.programmes.model import ProgrammeOrder


@pytest.fixture
async def cycle(stack, monkeypatch, request):
    """Four people who were paid twice: one who never comes, one who keeps it, one who spends, one who is a saver."""
    source = await kit.treasury(stack, 10**9)
    people = [await kit.enrolled(stack) for _ in range(4)]
    order = ProgrammeOrder(
        f"LATE-{len(request.node.name)}", "Late pay", source.number, 1_000, claim_days=60, warn_days=14
    )
    programme = await acts.open_programme(stack, CLERK, order)
    await acts.enrol_beneficiaries(stack, CLERK, programme.programme_id, [p.number for p in people])
    made = [await acts.open_cycle(stack, CLERK, programme.programme_id, label) for label in ("2026-01", "2026-02")]
    for file_id in made:
        await paid(stack, file_id)
    said = []

    async def kept(_stack, _ctx, person, texts, key):
        said.append((person, texts["en"], key))
        return True

    monkeypatch.setattr(telling, "tell_person", kept)
    return {"source": source, "people": people, "files": made, "said": said}


@pytest.fixture
def later(monkeypatch):
    """Lets the stack work so many days later."""
    job = preparing.job

    def on(days: int) -> None:
        at = clock.now() + timedelta(days=days)
        monkeypatch.setattr(preparing, "job", lambda institution: structs.replace(job(institution), at=at))

    return on


async def spends(stack, who, to):
    (purse,) = await ledger.accounts(stack, kit.as_person(who.id))
    order = TransferOrder("k", purse.number, Alias("identity", to.number), 10, "TZS")
    await ledger.transfer(stack, kit.as_person(who.id), order)


async def test_what_nobody_collected_goes_back_after_she_was_told(stack, cycle, later):
    lost, keeper, spender, saver = cycle["people"]
    await spends(stack, saver, spender)  # long before: an account in use
    later(45)
    assert await uncollected.tell(stack) == 0 == await uncollected.send_back(stack)
    later(47)
    assert await uncollected.tell(stack) == 6
    assert await uncollected.tell(stack) == 0  # once
    assert {person for person, *_ in cycle["said"]} == {lost.id, keeper.id, spender.id}
    assert len({key for *_, key in cycle["said"]}) == 6 and "Late pay" in cycle["said"][0][1]
    found = await uncollected.own_uncollected(stack, kit.as_person(keeper.id))
    assert [(one.amount_minor, one.programme) for one in found] == [(1_000, "Late pay")] * 2
    assert await uncollected.keep_payments(stack, kit.as_person(keeper.id)) == 2
    assert await uncollected.own_uncollected(stack, kit.as_person(keeper.id)) == []
    await spends(stack, spender, saver)
    assert await uncollected.send_back(stack) == 0
    before = await _held(stack, cycle)
    later(62)
    assert await uncollected.send_back(stack) == 4
    assert await uncollected.send_back(stack) == 0
    assert [await balance(stack, who) for who in cycle["people"]] == [0, 2_000, 2_000, 2_000]
    assert await _held(stack, cycle) - before == 2_000
    await _reported(stack, cycle, lost)


async def _held(stack, cycle) -> int:
    held = await ledger.accounts(stack, kit.as_staff("treasurer"))
    return next(a.balance_minor for a in held if a.number == cycle["source"].number)


async def _reported(stack, cycle, lost):
    """pain.002 names the line, camt.053 of the payer the money and the reason; both are valid."""
    lines = (await files.file_lines(stack, BOSS, str(cycle["files"][0]))).lines
    back = [line for line in lines if line.reason == "NOAS"]
    assert len(back) == 1 and back[0].status == "paid" and "returned on" in back[0].why
    report = etree.fromstring(await files.status_report(stack, BOSS, str(cycle["files"][0])))
    official.schema("pain.002.001.10").assertValid(report)
    assert [e.text for e in report.iter("{*}Cd")] == ["NOAS"]
    today = (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()  # the country's, not Greenwich's
    staff = structs.replace(kit.as_staff("treasurer"), at=clock.now())
    made = await statements.booked(stack, staff, cycle["source"].number, Period(today - timedelta(1), today))
    raw = wire.to_camt_053(made, stack.profile.currency, "Bank")
    statement = etree.fromstring(raw)
    official.schema("camt.053.001.08").assertValid(statement)
    assert [e.text for e in statement.iterfind(".//{*}RtrInf/{*}Rsn/{*}Cd")] == ["NOAS", "NOAS"]


async def test_whatever_breaks_off_is_taken_up_and_returned_once(stack, cycle, later, monkeypatch):
    later(47)
    await uncollected.tell(stack)
    later(70)
    post = uncollected.ledger.post

    async def dies(stack, orders):
        await post(stack, orders)
        raise RuntimeError("the program dies here")

    with monkeypatch.context() as broken:
        broken.setattr(uncollected.ledger, "post", dies)
        with pytest.raises(RuntimeError):
            await uncollected.send_back(stack)
    assert await uncollected.send_back(stack) == 8
    assert [await balance(stack, who) for who in cycle["people"]] == [0] * 4


async def test_access_own_uncollected(stack):
    who = await kit.enrolled(stack)
    assert await uncollected.own_uncollected(stack, kit.as_person(who.id)) == []
    for ctx in (CLERK, OFFICER):
        with pytest.raises(NotPermitted):
            await uncollected.own_uncollected(stack, ctx)
        with pytest.raises(NotPermitted):
            await uncollected.keep_payments(stack, ctx)
    assert not crossing.elsewhere(stack, "payments")


@pytest.mark.parametrize("days", [(-1, 14), (29, 14), (731, 14), (60, 6), (60, 31)], ids=str)
async def test_deadlines_that_nobody_could_keep_are_refused(stack, days):
    source = await kit.treasury(stack, 10)
    order = ProgrammeOrder("BAD", "Bad", source.number, 5, claim_days=days[0], warn_days=days[1])
    with pytest.raises(Malformed):
        await acts.open_programme(stack, CLERK, order)
