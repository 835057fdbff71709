"""Payments asked back between banks: out and in, the money through the switch, late ones, and who may do what."""

import json
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.payments import kit as people
from tests.payments_switch import kit
from tests.payments_switch.fsp import payee
from tests.payments_switch.recalling import BANK, PARTICIPANTS, Bank, calm, paid_in, refund, tell, wish

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger_acts
from msingi.payments.disputes import acts as disputes
from msingi.payments.disputes.errors import CannotDispute
from msingi.payments.disputes.model import DisputeOrder, Kind
from msingi.payments.errors import InsufficientFunds, NoSuchTransfer
from msingi.payments.fraud.model import DisputeTerms
from msingi.payments.model import Alias, TransferOrder
from msingi.payments.recalls import acts, jobs, rules, talking
from msingi.payments.recalls.errors import CannotRecall, NoSuchRecall, RecallEnded, RecallNotYetFurther
from msingi.payments.recalls.model import RecallOrder, State
from msingi.payments.switch import cancelling, errors, house, outside, recalling, roll

OFFICER = people.as_staff("account-officer", id="mbenki", institution="benki", purpose="redress")
HUB = people.as_staff("central-banker", id="gavana", institution="benki-kuu", purpose="operations")


@pytest.fixture
async def bank(stack, client):
    """Another bank, and how it behaves."""
    code, digits = stack.profile.currency.code, stack.profile.currency.digits
    await kit.currency(stack, code, digits)
    if BANK not in (await roll.of(stack)).fsps:
        await house.join(stack, kit.setup(), BANK, "benki", "People's Bank")
    stack.local[house.CARRIER] = talking.Carrier()
    behaves = Bank()
    made = await kit.participant(
        stack, client, f"mobile-{uuid4().hex[:6]}", currency=code, cover=10**9, limit=10**9, reply=behaves.reply
    )
    PARTICIPANTS[:] = [made]
    yield made, behaves
    await calm(stack)
    await made.stop()


def me(who, assurance=2):
    return people.as_person(who.id, assurance, "redress")


async def has(stack, who):
    (account,) = await ledger_acts.accounts(stack, people.as_person(who.id))
    return account.balance_minor, account.available_minor


async def agreed(stack):
    """Law 2: clearing and position tell the same, so no money of our own paid anybody."""
    await calm(stack)
    now = await kit.stands(stack, BANK, stack.profile.currency.code)
    number = await house.clearing(stack, BANK)
    async with stack.db.reading("payments") as tx:
        posted = (await house.ledger_store.account(tx, number))["posted"]
    assert (now.position_minor, now.reserved_minor) == (posted, 0)


async def paid_out(stack, other, amount=4_000):
    """Our customer, who paid somebody at the other bank; and the movement on the statement."""
    person = await people.enrolled(stack)
    account = await people.wallet(stack, person.id, 10_000, await people.treasury(stack, 10**6))
    to = outside.Found(other.name, "A. M.", "MSISDN", "255700000001")
    ctx = people.as_person(person.id)
    offer = await outside.ask_offer(stack, ctx, to, amount)
    await outside.pay_outside(stack, ctx, account.number, offer, "key-1")
    await calm(stack)
    (line, *_) = (await ledger_acts.statement(stack, ctx, account.number)).entries
    assert (line.amount_minor, line.other, line.code) == (-amount, "A. M.", "OUTB"), line
    return person, line.transfer_id


async def asked(stack, person, movement, kind=Kind.WRONG_PAYEE):
    found = await acts.ask_back(stack, me(person), RecallOrder(movement, kind, "The last digit was wrong"))
    await calm(stack)
    return await acts.recall(stack, me(person), found.recall_id)


async def test_access_ask_back(stack, bank):
    """The other bank is asked by message, says that it asks its customer, then pays back: through the switch alone."""
    other, behaves = bank
    behaves.answers = [(cancelling.PENDING, ""), (cancelling.COMES_BACK, "")]
    person, movement = await paid_out(stack, other)
    with pytest.raises(CannotDispute) as refused:  # there is nothing here that could be held
        await disputes.open_dispute(stack, me(person), DisputeOrder(movement, Kind.WRONG_PAYEE, "x"))
    assert refused.value.facts["rule"] == "other-bank"
    found = await asked(stack, person, movement)
    (wanted,) = behaves.wanted
    assert (wanted.asker, wanted.reason, wanted.words) == (BANK, "AC03", "The last digit was wrong")
    assert (found.state, found.refunded_minor, found.answer, found.other) == (
        State.REFUNDED, 4_000, "words CNCL", other.name,
    )  # fmt: skip
    assert {one.what for one in found.steps} == {"asked", "pending", "promised", "came"}
    assert await has(stack, person) == (10_000, 10_000)
    await agreed(stack)
    again = await acts.ask_back(stack, me(person), RecallOrder(movement, Kind.WRONG_PAYEE, "The last digit was wrong"))
    assert again.recall_id == found.recall_id and len(behaves.wanted) == 1  # law 1
    with pytest.raises(CannotRecall):
        await acts.ask_back(stack, me(person), RecallOrder(movement, Kind.DOUBLE, "twice"))
    stranger = await people.enrolled(stack)
    with pytest.raises(NoSuchTransfer):
        await asked(stack, stranger, movement)
    for no in (me(person, 1), people.as_person(person.id), OFFICER):
        with pytest.raises(NotPermitted):
            await acts.ask_back(stack, no, RecallOrder(movement, Kind.DOUBLE, "x"))


async def test_attack_a_bank_pays_back_no_more_than_it_got_and_only_what_is_asked_back(stack, bank):
    other, behaves = bank
    person, movement = await paid_out(stack, other)
    sent = json.loads(next(b for m, p, _, b in other.got if (m, p) == ("POST", "/transfers")))
    unasked = cancelling.Request("-", BANK, other.name, sent["transferId"], "4000", stack.profile.currency.code, "CUST")
    quote = refund(other, unasked)
    await other.send("POST", "/quotes", quote, BANK)
    assert (await other.wait("PUT", f"/quotes/{quote['quoteId']}/error"))[0]["errorInformation"]["errorCode"] == "3204"
    behaves.answers, behaves.back = [(cancelling.COMES_BACK, "")], 5_000
    found = await asked(stack, person, movement)
    assert (found.state, found.refunded_minor) == (State.PROMISED, 0)
    behaves.back = 1_500
    for _ in range(2):  # in parts is well; more than was paid is not taken
        await other.send("POST", "/quotes", refund(other, behaves.wanted[-1], 1_500), BANK)
        await calm(stack)
    await other.send("POST", "/quotes", refund(other, behaves.wanted[-1], 1_500), BANK)
    await calm(stack)
    found = await acts.recall(stack, me(person), found.recall_id)
    assert (found.state, found.refunded_minor) == (State.REFUNDED, 3_000)
    assert (await has(stack, person))[0] == 9_000
    await agreed(stack)


async def test_access_take_recall_further(stack, bank):
    """Refused by the other bank with a reason: nothing is paid by ours, and the customer may complain, once."""
    other, behaves = bank
    person, movement = await paid_out(stack, other)
    stack.local[disputes.FURTHER] = _complained
    found = await asked(stack, person, movement, Kind.NOT_DELIVERED)
    with pytest.raises(RecallNotYetFurther):
        await acts.take_recall_further(stack, me(person), found.recall_id, "x")
    await tell(other, behaves.wanted[0], cancelling.REFUSED, "CUST")
    await calm(stack)
    found = await acts.recall(stack, me(person), found.recall_id)
    assert (found.state, found.reason, found.answer) == (State.REFUSED, "CUST", "words RJCR")
    assert await has(stack, person) == (6_000, 6_000)
    stranger = await people.enrolled(stack)
    for no in (me(stranger), me(person, 1)):
        with pytest.raises((NoSuchRecall, NotPermitted)):
            await acts.take_recall_further(stack, no, found.recall_id, "x")
    further = await acts.take_recall_further(stack, me(person), found.recall_id, "I do not accept it")
    assert further.complaint == "C-1"
    with pytest.raises(RecallNotYetFurther):
        await acts.take_recall_further(stack, me(person), found.recall_id, "again")
    await tell(other, behaves.wanted[0], cancelling.COMES_BACK, "")  # law 3: it has ended
    await calm(stack)
    assert (await acts.recall(stack, me(person), found.recall_id)).state is State.REFUSED
    await agreed(stack)


async def _complained(stack, ctx, person, text, key):
    return "C-1"


async def test_law_5_who_does_not_answer_is_asked_again_and_then_seen_by_whoever_runs_the_switch(
    stack, bank, monkeypatch
):
    other, behaves = bank
    person, movement = await paid_out(stack, other)
    found = await asked(stack, person, movement)
    kit.later(monkeypatch, 2 * 86_400)
    await jobs.carry(stack)
    await calm(stack)
    assert len(behaves.wanted) == 2 and behaves.wanted[0] == behaves.wanted[1]
    kit.later(monkeypatch, 11 * 86_400)
    for _ in range(2):
        await jobs.carry(stack)
    await calm(stack)
    assert len(behaves.wanted) == 2
    monkeypatch.undo()
    then = later(me(person))
    seen = await acts.recall(stack, then, found.recall_id)
    assert seen.late and [one.what for one in seen.steps].count("late") == 1
    hub = later(HUB)
    late = await recalling.see_recalls(stack, hub, late=True)
    assert [(one.asker, one.asked, one.late) for one in late if one.recall_id == found.recall_id] == [
        (BANK, other.name, True)
    ]
    queue = await acts.recall_queue(stack, later(OFFICER))
    assert found.recall_id in [one.recall_id for one in queue.recalls]
    await tell(other, behaves.wanted[0], cancelling.REFUSED, "NOAS")
    await calm(stack)
    assert found.recall_id not in [one.recall_id for one in await recalling.see_recalls(stack, hub, late=True)]
    with pytest.raises(NotPermitted):
        await recalling.see_recalls(stack, OFFICER)
    with pytest.raises(Malformed):
        await recalling.see_recalls(stack, HUB, limit=0)


def later(ctx, days=11):
    return structs.replace(ctx, at=clock.now() + timedelta(days=days))


async def answers(other, recall_id):
    return [cancelling.answer(b) for m, p, _, b in other.got if (m, p) == ("PUT", f"/recalls/{recall_id}")]


async def test_access_decide_recall(stack, bank):
    """Another bank asks ours: money is held, the customer is asked, an officer decides, and it goes back."""
    other, _ = bank
    person, wanted = await paid_in(stack, other)
    await wish(stack, other, wanted)
    assert [one.answer for one in await answers(other, wanted.id)] == [cancelling.PENDING]
    assert await has(stack, person) == (2_500, 0)  # held, and still theirs
    (seen,) = (await acts.recalls(stack, me(person))).recalls
    assert (seen.outgoing, seen.kind, seen.text, seen.held_minor) == (False, Kind.WRONG_PAYEE, "A slip", 2_500)
    heard = await acts.answer_recall(stack, me(person), wanted.id, "It is not mine", agree=True)
    assert heard.state is State.ANSWERED
    for no in (me(person), people.as_staff("treasurer", id="t", institution="benki", purpose="redress")):
        with pytest.raises(NotPermitted):
            await acts.decide_recall(stack, no, wanted.id, 2_500, "x")
    for back, reason in ((2_501, ""), (-1, ""), (0, ""), (0, "XXXX")):
        with pytest.raises(Malformed):
            await acts.decide_recall(stack, OFFICER, wanted.id, back, "x", reason=reason)
    ended = await acts.decide_recall(stack, OFFICER, wanted.id, 2_500, "The payee agreed")
    assert (ended.state, ended.refunded_minor, ended.held_minor) == (State.REFUNDED, 2_500, 0)
    await calm(stack)
    assert await has(stack, person) == (0, 0)
    assert [one.answer for one in await answers(other, wanted.id)] == [cancelling.PENDING, cancelling.COMES_BACK]
    quote = next(json.loads(b) for m, p, _, b in other.got if (m, p) == ("POST", "/quotes"))
    assert quote["transactionType"]["refundInfo"]["originalTransactionId"] == wanted.transfer_id
    with pytest.raises(RecallEnded):
        await acts.decide_recall(stack, OFFICER, wanted.id, 1, "again")
    await wish(stack, other, wanted)  # the same again is answered again, and nothing is paid twice
    assert (await answers(other, wanted.id))[-1].answer == cancelling.COMES_BACK
    await agreed(stack)


async def test_access_answer_recall(stack, bank):
    """The customer says no, the officer refuses with a reason: freed, told, and nobody is paid."""
    other, _ = bank
    person, wanted = await paid_in(stack, other)
    await wish(stack, other, wanted)
    stranger = await people.enrolled(stack)
    for no in (me(stranger), people.as_staff("treasurer", id="t", institution="benki", purpose="redress")):
        with pytest.raises(NoSuchRecall):
            await acts.answer_recall(stack, no, wanted.id, "mine")
    with pytest.raises(NotPermitted):
        await acts.answer_recall(stack, me(person, 1), wanted.id, "mine")
    await acts.answer_recall(stack, me(person), wanted.id, "It was the rent")
    with pytest.raises(RecallEnded):
        await acts.answer_recall(stack, me(person), wanted.id, "again")
    ended = await acts.decide_recall(stack, OFFICER, wanted.id, 0, "It was owed", reason="CUST")
    assert (ended.state, ended.reason, ended.decision) == (State.REFUSED, "CUST", "It was owed")
    await calm(stack)
    assert await has(stack, person) == (2_500, 2_500)
    last = (await answers(other, wanted.id))[-1]
    assert (last.answer, last.reason, last.words) == (cancelling.REFUSED, "CUST", "It was owed")
    await agreed(stack)


async def test_a_payment_back_that_does_not_go_through_leaves_the_decision_open(stack, bank):
    """What the customer has spent cannot go back; what the other bank does not take is held again."""
    other, behaves = bank
    person, wanted = await paid_in(stack, other)
    (account,) = await ledger_acts.accounts(stack, people.as_person(person.id))
    source = await people.treasury(stack)
    away = TransferOrder(str(uuid4()), account.number, Alias("account", source.number), 500, account.currency)
    await ledger_acts.transfer(stack, people.as_person(person.id), away)
    await wish(stack, other, wanted)
    assert await has(stack, person) == (2_000, 0)
    with pytest.raises(InsufficientFunds):
        await acts.decide_recall(stack, OFFICER, wanted.id, 2_500, "All of it")
    found = await acts.review_recall(stack, OFFICER, wanted.id)
    assert (found.state, found.held_minor, found.decision) == (State.ANSWERED, 2_000, "")
    other.reply = None

    async def refuses(one, method, path, headers, body):
        if path == "/transfers":
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
            await one.send("PUT", f"{path}/{json.loads(body)['transferId']}/error", words, headers["fspiop-source"])
        elif path == "/quotes":
            await payee(one, method, path, headers, body)

    other.reply = refuses
    with pytest.raises(errors.UnknownParty):
        await acts.decide_recall(stack, OFFICER, wanted.id, 2_000, "What is left")
    await calm(stack)
    assert await has(stack, person) == (2_000, 0)
    other.reply = behaves.reply
    ended = await acts.decide_recall(stack, OFFICER, wanted.id, 2_000, "What is left")
    assert (ended.state, ended.refunded_minor) == (State.REFUNDED, 2_000)
    await calm(stack)
    assert await has(stack, person) == (0, 0)
    await agreed(stack)


async def test_what_broke_off_between_the_payment_back_and_its_note_is_ended_once(stack, bank, monkeypatch):
    other, _ = bank
    person, wanted = await paid_in(stack, other)
    await wish(stack, other, wanted)

    async def stopped(*_):
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr(acts.holding, "finish", stopped)
        with pytest.raises(RuntimeError):
            await acts.decide_recall(stack, OFFICER, wanted.id, 2_500, "It is theirs")
    await calm(stack)
    assert (await acts.review_recall(stack, OFFICER, wanted.id)).state is State.RETURNING
    for _ in range(2):
        await jobs.carry(stack)
    await calm(stack)
    found = await acts.recall(stack, me(person), wanted.id)
    assert (found.state, found.refunded_minor, await has(stack, person)) == (State.REFUNDED, 2_500, (0, 0))
    assert [one.answer for one in await answers(other, wanted.id)] == [cancelling.PENDING, cancelling.COMES_BACK]
    await agreed(stack)


async def test_access_recall(stack, bank):
    other, _ = bank
    person, wanted = await paid_in(stack, other)
    await wish(stack, other, wanted)
    assert (await acts.recall(stack, me(person), wanted.id)).recall_id == wanted.id
    stranger = await people.enrolled(stack)
    for who, id_ in ((stranger, wanted.id), (person, "x"), (person, str(uuid4())), (person, "\x00"), (person, "٣")):
        with pytest.raises(NoSuchRecall):
            await acts.recall(stack, me(who), id_)
    with pytest.raises(NotPermitted):
        await acts.review_recall(stack, me(person), wanted.id)
    assert (await acts.review_recall(stack, OFFICER, wanted.id)).text == "A slip"


async def test_access_recalls_and_recall_of(stack):
    stranger = await people.enrolled(stack)
    assert (await acts.recalls(stack, me(stranger))).recalls == []
    with pytest.raises(NotPermitted):
        await acts.recalls(stack, me(stranger, 1))
    for wrong in ({"limit": 0}, {"place": "x"}, {"place": f"{clock.now().isoformat()}|\x00"}):
        with pytest.raises(Malformed):
            await acts.recalls(stack, me(stranger), **wrong)


async def test_access_recall_of(stack):
    stranger = await people.enrolled(stack)
    with pytest.raises(NoSuchTransfer):
        await acts.recall_of(stack, me(stranger), str(uuid4()))
    for no in (OFFICER, me(stranger, 1)):
        with pytest.raises((NoSuchRecall, NotPermitted)):
            await acts.recall_of(stack, no, str(uuid4()))


async def test_access_recall_queue(stack):
    assert len((await acts.recall_queue(stack, OFFICER, limit=1)).recalls) <= 1
    for no in (HUB, me(await people.enrolled(stack))):
        with pytest.raises(NotPermitted):
            await acts.recall_queue(stack, no)
    with pytest.raises(Malformed):
        await acts.recall_queue(stack, OFFICER, limit=0)


async def test_access_review_recall(stack):
    with pytest.raises(NoSuchRecall):
        await acts.review_recall(stack, OFFICER, str(uuid4()))
    with pytest.raises(NotPermitted):
        await acts.review_recall(stack, HUB, str(uuid4()))


async def test_attack_a_bank_asks_back_only_what_it_paid_itself(stack, bank, client):
    other, _ = bank
    person, wanted = await paid_in(stack, other)
    thief = await kit.participant(
        stack, client, f"thief-{uuid4().hex[:6]}", currency=wanted.currency, cover=10**6, limit=10**6
    )
    for wrong, code in (
        (
            cancelling.Request(str(uuid4()), thief.name, BANK, wanted.transfer_id, "2500", wanted.currency, "AC03"),
            "3200",
        ),
        (cancelling.Request(str(uuid4()), thief.name, BANK, str(uuid4()), "2500", wanted.currency, "AC03"), "3200"),
    ):
        await wish(stack, thief, wrong)
        body, _ = await thief.wait("PUT", f"/recalls/{wrong.id}/error")
        assert code in json.dumps(body)
    more = cancelling.Request(str(uuid4()), other.name, BANK, wanted.transfer_id, "9999", wanted.currency, "AC03")
    for said in (more, cancelling.Request(str(uuid4()), BANK, other.name, wanted.transfer_id, "2500", "TZS", "AC03")):
        body = cancelling.asking(said, clock.now())
        sent = await other.send("POST", "/recalls", body, BANK, version="2.0", flavour="iso20022.")
        assert sent.status_code == 400, sent.text
    assert (await acts.recalls(stack, me(person))).recalls == []
    await wish(stack, other, wanted)
    said = cancelling.Answer(wanted.id, other.name, thief.name, wanted.transfer_id, cancelling.REFUSED, "CUST")
    forged = await thief.send(
        "PUT", f"/recalls/{wanted.id}", cancelling.answering(said, clock.now()), other.name, version="2.0",
        flavour="iso20022.",
    )  # fmt: skip
    assert forged.status_code == 404 and len((await acts.recalls(stack, me(person))).recalls) == 1
    await calm(stack)
    await thief.stop()


TERMS = DisputeTerms(file_days=30, answer_days=10, decide_days=30, hold=True)


@given(st.sampled_from(State), st.sampled_from(cancelling.ANSWERS))
def test_law_3_a_recall_that_is_over_stays_over(state, told):
    after = rules.after_answer(state, told)
    assert state not in rules.OVER or after is None
    assert state not in (State.RETURNING, State.ANSWERED) or after is None


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.integers(-10, 10**9))
def test_law_2_and_4_never_more_than_was_paid(amount, refunded, wanted):
    try:
        assert 0 < rules.refundable(State.PROMISED, amount, refunded, wanted) <= amount - refunded
    except RecallEnded:
        assert not 0 < wanted <= amount - refunded
    try:
        rules.check_decision(State.ASKED, wanted, amount, "")
        assert 0 < wanted <= amount
    except Malformed:
        assert not 0 < wanted <= amount


@given(st.integers(0, 60))
def test_law_1_within_the_days_of_its_kind(days):
    now = clock.now()
    try:
        rules.check_asking(TERMS, now - timedelta(days=days), now)
        assert days <= 30
    except CannotRecall:
        assert days > 30
