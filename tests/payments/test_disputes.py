"""Disputes on a real ledger: opened in time and once, held at most what is there, ended once, taken further."""

from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit, homes
from msingi.payments.disputes import acts, moving, rules
from msingi.payments.disputes.errors import CannotDispute, DisputeEnded, NoSuchDispute, NotYetFurther
from msingi.payments.disputes.model import DisputeOrder, Kind, State
from msingi.payments.errors import InsufficientFunds, NoSuchTransfer
from msingi.payments.fraud.model import DisputeTerms
from msingi.payments.model import AccountKind, Alias, TransferOrder

OFFICER = kit.as_staff("account-officer", id="mbenki", institution="benki", purpose="redress")
OTHER = kit.as_staff("treasurer", id="other", institution="benki", purpose="redress")
MINISTRY = kit.as_staff("treasurer", id="boss", institution="hazina", purpose="redress")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


async def pair(stack, source, left=0):
    """Somebody who paid 1,000 to somebody else, who kept it all but `left` was moved on; and the transfer."""
    payer, payee = await kit.enrolled(stack, "Neema"), await kit.enrolled(stack, "Omari")
    purse, till = await kit.wallet(stack, payer.id, 5_000, source), await kit.wallet(stack, payee.id)
    paid = await ledger.transfer(
        stack,
        kit.as_person(payer.id),
        TransferOrder(str(uuid4()), purse.number, Alias("account", till.number), 1_000, "TZS"),
    )
    if left:
        away = TransferOrder(str(uuid4()), till.number, Alias("account", source.number), left, "TZS")
        await ledger.transfer(stack, kit.as_person(payee.id), away)
    return payer, payee, paid.transfer_id


def me(who, assurance=2):
    return kit.as_person(who.id, assurance, "redress")


async def has(stack, who):
    (account,) = await ledger.accounts(stack, kit.as_person(who.id))
    return account.balance_minor, account.available_minor


async def opened(stack, who, transfer_id, kind=Kind.NOT_MINE):
    return await acts.open_dispute(stack, me(who), DisputeOrder(transfer_id, kind, "I did not do this"))


async def test_a_payment_that_left_for_another_bank_is_not_refunded_by_this_one(stack, source):
    """The clearing account is not the payee: what is there belongs to the other bank."""
    payer = await kit.enrolled(stack, "Neema")
    purse = await kit.wallet(stack, payer.id, 5_000, source)
    clearing = await ledger.open_account(stack, kit.SAMPLE, "benki", AccountKind.SETTLEMENT)
    out = TransferOrder(str(uuid4()), purse.number, Alias("account", clearing.number), 1_000, "TZS")
    paid = await ledger.transfer(stack, kit.as_person(payer.id), out)
    with pytest.raises(CannotDispute) as refused:
        await opened(stack, payer, paid.transfer_id)
    assert refused.value.facts["rule"] == "other-bank"


async def test_access_open_dispute(stack, source):
    payer, payee, paid = await pair(stack, source)
    found = await opened(stack, payer, paid)
    assert (found.state, found.held_minor, found.mine, found.amount_minor) == (State.OPEN, 1_000, True, 1_000)
    assert await has(stack, payee) == (1_000, 0)  # held, and still theirs
    assert await opened(stack, payer, paid) == found
    with pytest.raises(CannotDispute):
        await opened(stack, payer, paid, Kind.DOUBLE)
    with pytest.raises(NoSuchTransfer):
        await opened(stack, payee, paid)  # only whoever paid
    for wrong in ("nonsense", str(uuid4())):
        with pytest.raises(NoSuchTransfer):
            await opened(stack, payer, wrong)
    for no in (kit.as_person(payer.id, 1, "redress"), kit.as_person(payer.id), OFFICER):
        with pytest.raises((NotPermitted, ValueError)):
            await acts.open_dispute(stack, no, DisputeOrder(paid, Kind.NOT_MINE, "x"))
    with pytest.raises(Malformed):
        await acts.open_dispute(stack, me(payer), DisputeOrder(paid, Kind.NOT_MINE, " "))


async def test_law_2_only_what_is_left_is_held_and_some_kinds_hold_nothing(stack, source):
    payer, payee, paid = await pair(stack, source, left=700)
    assert (await opened(stack, payer, paid)).held_minor == 300
    assert await has(stack, payee) == (300, 0)
    payer, payee, paid = await pair(stack, source)
    assert (await opened(stack, payer, paid, Kind.NOT_DELIVERED)).held_minor == 0
    assert await has(stack, payee) == (1_000, 1_000)
    payer, payee, paid = await pair(stack, source, left=1_000)
    assert (await opened(stack, payer, paid)).held_minor == 0


async def test_access_answer(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    stranger = await kit.enrolled(stack)
    for no in (me(stranger), me(payer), MINISTRY):
        with pytest.raises(NoSuchDispute):
            await acts.answer(stack, no, paid, "mine")
    with pytest.raises(NotPermitted):
        await acts.answer(stack, me(payee, 1), paid, "x")
    told = await acts.answer(stack, me(payee), paid, "He bought a bicycle")
    assert (told.state, told.answer, told.mine, told.complaint) == (State.ANSWERED, "He bought a bicycle", False, "")
    with pytest.raises(DisputeEnded):
        await acts.answer(stack, me(payee), paid, "again")


async def test_the_other_side_may_pay_back_at_once(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    ended = await acts.answer(stack, me(payee), paid, "My mistake", accept=True)
    assert (ended.state, ended.refunded_minor, ended.held_minor) == (State.REFUNDED, 1_000, 0)
    assert await has(stack, payer) == (5_000, 5_000) and await has(stack, payee) == (0, 0)


async def test_access_decide(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    for no in (OTHER, me(payer)):
        with pytest.raises(NotPermitted):
            await acts.decide(stack, no, paid, 1, "x")
    for refund in (-1, 1_001):
        with pytest.raises(Malformed):
            await acts.decide(stack, OFFICER, paid, refund, "x")
    with pytest.raises(NoSuchDispute):
        await acts.decide(stack, OFFICER, str(uuid4()), 1, "x")
    ended = await acts.decide(stack, OFFICER, paid, 400, "Half of it was delivered")
    assert (ended.state, ended.refunded_minor, ended.reason) == (State.REFUNDED, 400, "Half of it was delivered")
    assert await has(stack, payer) == (4_400, 4_400) and await has(stack, payee) == (600, 600)
    with pytest.raises(DisputeEnded):  # law 3
        await acts.decide(stack, OFFICER, paid, 400, "again")
    seen = await acts.dispute(stack, me(payee), paid)
    assert seen.reason == "Half of it was delivered" and not seen.mine


async def test_law_3_a_refusal_frees_what_was_held(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    ended = await acts.decide(stack, OFFICER, paid, 0, "The goods were delivered")
    assert (ended.state, ended.refunded_minor) == (State.REFUSED, 0)
    assert await has(stack, payee) == (1_000, 1_000)


async def test_where_the_payee_has_not_enough_the_officer_decides_again(stack, source):
    payer, payee, paid = await pair(stack, source, left=700)
    await opened(stack, payer, paid)
    with pytest.raises(InsufficientFunds):
        await acts.decide(stack, OFFICER, paid, 1_000, "All of it")
    assert await has(stack, payee) == (300, 0)  # rejected together: it is still held
    ended = await acts.decide(stack, OFFICER, paid, 300, "What is left")
    assert ended.refunded_minor == 300 and await has(stack, payer) == (4_300, 4_300)


async def test_a_hold_whose_time_is_over_does_not_stop_the_decision(stack, source):
    payer, _payee, paid = await pair(stack, source)
    await opened(stack, payer, paid, Kind.NOT_DELIVERED)
    permit = acts.policy.decide(moving.job(), "payments.hold-disputed", acts.policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        row = await acts.store.dispute(tx, acts.UUID(paid))
        acts.log.append(tx, permit)
    brief = DisputeTerms(file_days=1, answer_days=1, decide_days=-1, hold=True)  # a hold of no time
    assert row is not None and await moving.hold(stack, row, structs.replace(brief, decide_days=0)) == 1_000
    permit = acts.policy.decide(moving.job(), "payments.hold-disputed", acts.policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        row = await acts.store.dispute(tx, acts.UUID(paid))
        acts.log.append(tx, permit)
    freed = acts.moving.orders.void(
        acts.moving.orders.By(permit, (await homes.account_and_holder(stack, row["credit"]))[1], "test"),
        "early", acts.UUID(bytes=row["hold"].bytes), "TZS", "DISP",
    )  # fmt: skip
    await acts.moving.ledger.post(stack, [freed])  # as the clock would have done
    assert (await acts.decide(stack, OFFICER, paid, 1_000, "Never came")).refunded_minor == 1_000
    assert await has(stack, payer) == (5_000, 5_000)


async def test_access_dispute(stack, source):
    payer, _payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    assert (await acts.dispute(stack, me(payer), paid)).text == "I did not do this"
    with pytest.raises(NoSuchDispute):
        await acts.dispute(stack, me(await kit.enrolled(stack)), paid)
    with pytest.raises(NotPermitted):
        await acts.dispute(stack, kit.as_person(payer.id), paid)


async def test_access_disputes(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    assert [d.dispute_id for d in (await acts.disputes(stack, me(payee))).disputes] == [paid]
    assert (await acts.disputes(stack, OTHER)).disputes == []
    with pytest.raises(NotPermitted):
        await acts.disputes(stack, kit.as_staff("auditor", purpose="redress"))
    with pytest.raises(Malformed):
        await acts.disputes(stack, me(payer), limit=0)


async def test_an_institution_that_was_paid_answers(stack, source):
    payer = await kit.enrolled(stack)
    purse = await kit.wallet(stack, payer.id, 5_000, source)
    paid = await ledger.transfer(
        stack, kit.as_person(payer.id), TransferOrder("tax", purse.number, Alias("account", source.number), 500, "TZS")
    )
    assert (await opened(stack, payer, paid.transfer_id, Kind.DOUBLE)).held_minor == 500
    ended = await acts.answer(stack, MINISTRY, paid.transfer_id, "Paid twice indeed", accept=True)
    assert ended.state is State.REFUNDED and await has(stack, payer) == (5_000, 5_000)


async def test_access_queue(stack, source):
    payer, _, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    page = await acts.queue(stack, OFFICER, limit=1)
    assert len(page.disputes) == 1 and page.next_place
    assert (await acts.queue(stack, OFFICER, limit=1, place=page.next_place)).disputes != page.disputes
    with pytest.raises(NotPermitted):
        await acts.queue(stack, OTHER)


async def test_access_review(stack, source):
    payer, _, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    assert (await acts.review(stack, OFFICER, paid)).amount_minor == 1_000
    with pytest.raises(NoSuchDispute):
        await acts.review(stack, OFFICER, str(uuid4()))
    with pytest.raises(NotPermitted):
        await acts.review(stack, me(payer), paid)


async def test_access_take_further(stack, source):
    payer, payee, paid = await pair(stack, source)
    await opened(stack, payer, paid)
    with pytest.raises(NotYetFurther):
        await acts.take_further(stack, me(payer), paid, "Too slow")
    await acts.decide(stack, OFFICER, paid, 0, "No")
    with pytest.raises(NoSuchDispute):
        await acts.take_further(stack, me(payee), paid, "x")
    with pytest.raises(NotPermitted):
        await acts.take_further(stack, me(payer, 1), paid, "x")
    further = await acts.take_further(stack, me(payer), paid, "Nobody looked at my papers")
    assert further.complaint
    from msingi.governance import acts as governance

    case = await governance.case_by_reference(stack, me(payer), payer.id, further.complaint)
    assert (case.kind.value, case.institution) == ("complaint", "benki")
    with pytest.raises(NotYetFurther):
        await acts.take_further(stack, me(payer), paid, "again")


async def test_access_dispute_counts(stack):
    found = await acts.dispute_counts(stack, kit.as_person(uuid4(), 0, "statistics"))
    assert found.opened >= found.refunded + found.refused > 1 and found.taken_further == 1 and found.late == 0


async def test_the_books_agree_after_all_of_it(stack):
    assert (await audit.check_books(stack.db)).ok


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_law_2_never_more_than_paid_nor_than_there_is(amount, posted, reserved):
    held = rules.holdable(amount, posted, reserved, 0)
    assert 0 <= held <= amount and held <= max(0, posted - reserved)
    assert held == amount or held == max(0, posted - reserved)


@given(st.integers(1, 500), st.integers(1, 60), st.integers(0, 800))
def test_law_1_the_last_day_is_the_last(days, more, gone):
    terms, now = DisputeTerms(file_days=days, answer_days=1, decide_days=more, hold=True), clock.now()
    paid_at = now - timedelta(days=gone)
    if gone <= days:
        rules.check_opening(terms, paid_at, now)
    else:
        with pytest.raises(CannotDispute):
            rules.check_opening(terms, paid_at, now)
