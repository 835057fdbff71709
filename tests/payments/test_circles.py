"""Rotating groups: everybody gets what everybody paid, nobody moves the pot, and what is missed stays owed."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.kernel.ids import PersonId
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments.circles import acts, rules, turning
from msingi.payments.circles.errors import CircleNotOpen, NoSuchCircle, NothingDue, StillOwing
from msingi.payments.circles.model import CircleOrder, KeptRound, TurnPayment
from msingi.payments.groups import mandates
from msingi.payments.groups.errors import InvitationEnded, NeedsSignatures
from msingi.payments.groups.model import Named
from msingi.payments.model import Alias, TransferOrder


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Asha Mrema")


@pytest.fixture(scope="module")
async def street(stack):
    """Four neighbours with 100,000 each."""
    source = await kit.treasury(stack)
    people = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema", "Zuberi")]
    for who in people:
        await kit.wallet(stack, who.id, 100_000, source)
    return people


def wish(stack, street, key: str, **more) -> CircleOrder:
    parts = {
        "key": key, "name": f"Upatu {key}", "name_of_founder": "Mama Asha", "amount_minor": 1_000, "every": "week",
        "first_day": mandates.today(stack) + timedelta(days=3),
        "members": [Named(who.number, f"M{n}") for n, who in enumerate(street[1:], 2)],
    }  # fmt: skip
    return CircleOrder(**parts | more)


async def opened(stack, street, key: str, **more) -> str:
    body_id = await acts.found_circle(stack, me(street[0]), wish(stack, street, key, **more))
    for who in street[1:]:
        await acts.answer_circle(stack, me(who), body_id, True)
    return body_id


async def pays(stack, who, body_id, key, **more):
    return await turning.pay_turn(stack, me(who), TurnPayment(key=key, body_id=body_id, **more))


async def purse(stack, who) -> int:
    return next(a.balance_minor for a in await payments.accounts(stack, me(who)) if a.is_default)


async def test_everybody_must_accept_before_it_begins_and_one_no_ends_it(stack, street):
    order = wish(stack, street, "begin")
    body_id = await acts.found_circle(stack, me(street[0]), order)
    assert body_id == await acts.found_circle(stack, me(street[0]), order)
    await acts.answer_circle(stack, me(street[1]), body_id, True)
    seen = await acts.see_circle(stack, me(street[3]), body_id)
    assert (seen.state, seen.mine, [s.turn for s in seen.seats], seen.turns) == ("forming", "invited", [1, 2, 3, 4], [])
    with pytest.raises(CircleNotOpen):
        await pays(stack, street[1], body_id, "early")
    with pytest.raises(CircleNotOpen):
        await acts.leave_circle(stack, me(street[1]), body_id)
    with pytest.raises(InvitationEnded):
        await acts.answer_circle(stack, me(street[1]), body_id, True)
    await acts.answer_circle(stack, me(street[2]), body_id, False)
    assert all(c.body_id != body_id for c in await acts.own_circles(stack, me(street[0])))
    today = mandates.today(stack)
    for wrong in (
        {"every": "day"}, {"first_day": today}, {"first_day": today + timedelta(days=200)}, {"members": []},
        {"amount_minor": 0}, {"founder_turn": 5}, {"name": ""}, {"members": [Named(street[0].number, "me")] * 3},
    ):  # fmt: skip
        with pytest.raises((Malformed, ledger_errors.AmountOutOfRange)):
            await acts.found_circle(stack, me(street[0]), wish(stack, street, "bad", **wrong))


async def test_a_whole_circle_gives_everybody_what_everybody_paid(stack, street):
    before = [await purse(stack, who) for who in street]
    body_id = await opened(stack, street, "whole", founder_turn=2)
    seen = await acts.see_circle(stack, me(street[0]), body_id)
    assert [s.is_me for s in seen.seats] == [False, True, False, False] and seen.now == 1 and seen.lot == ""
    turns = [street[1], street[0], street[2], street[3]]
    for n, whose in enumerate(turns, 1):
        others = [who for who in turns if who is not whose]
        for who in others:
            paid = await pays(stack, who, body_id, f"w{n}")
            assert paid == await pays(stack, who, body_id, f"w{n}") or who is others[-1]  # repeated: paid once
            assert (paid.round, paid.paid_out) == (n, who is others[-1])
    seen = await acts.see_circle(stack, me(street[0]), body_id)
    assert seen.state == "ended" and seen.pot_minor == 0
    assert [(t.in_minor, t.of_minor, t.paid_minor) for t in seen.turns] == [(3_000, 3_000, 3_000)] * 4
    assert [await purse(stack, who) for who in street] == before
    with pytest.raises(NothingDue):
        await pays(stack, street[0], body_id, "more")


async def test_a_missed_contribution_stays_owed_and_comes_out_of_the_own_turn(stack, street):
    body_id = await opened(stack, street, "missed")
    day = (await acts.see_circle(stack, me(street[0]), body_id)).first_day
    await pays(stack, street[1], body_id, "m1")
    await pays(stack, street[1], body_id, "m2", place=3)  # the cash of the third, paid by the second
    assert await turning.run_circles(stack, turning.job(), day) == 0  # the day itself is not over
    start = await purse(stack, street[0])
    assert await turning.run_circles(stack, turning.job(), day + timedelta(days=1)) == 1
    assert await purse(stack, street[0]) == start + 2_000  # what was there
    assert await turning.run_circles(stack, turning.job(), day + timedelta(days=1)) == 0
    for who in (0, 2):
        await pays(stack, street[who], body_id, "m3")
    assert (await pays(stack, street[3], body_id, "m4", round=2)).paid_out  # pays the second round, not the missed one
    seen = await acts.see_circle(stack, me(street[3]), body_id)
    assert seen.now == 3 and {d.place: d.state for d in seen.dues if d.round == 1} == {2: "paid", 3: "paid", 4: "open"}
    assert [s.late for s in seen.seats] == [0] * 4  # by the calendar its day is still to come
    for n, who in enumerate((0, 1, 3)):
        await pays(stack, street[who], body_id, f"m5{n}", round=3)
    held = [await purse(stack, who) for who in street]
    for n, who in enumerate((0, 1, 2)):
        last = await pays(stack, street[who], body_id, f"m6{n}", round=4)
    assert last.paid_out
    now = [await purse(stack, who) for who in street]
    assert [b - a for a, b in zip(held, now, strict=True)] == [0, -1_000, -1_000, 2_000]  # the first has it back
    assert (await acts.see_circle(stack, me(street[0]), body_id)).state == "ended"


async def test_a_late_contribution_goes_straight_to_whose_turn_it_was(stack, street):
    body_id = await opened(stack, street, "late")
    day = (await acts.see_circle(stack, me(street[0]), body_id)).first_day + timedelta(days=1)
    await turning.run_circles(stack, turning.job(), day)
    start = await purse(stack, street[0])
    paid = await pays(stack, street[2], body_id, "l1")
    assert (paid.round, paid.paid_out, await purse(stack, street[0])) == (1, False, start + 1_000)
    seen = await acts.see_circle(stack, me(street[0]), body_id)
    assert [d.state for d in seen.dues if d.round == 1 and d.place == 3] == ["paid"] and seen.pot_minor == 0


async def test_leaving_ends_what_neither_has_paid_and_keeps_what_one_has(stack, street):
    before = [await purse(stack, who) for who in street]
    body_id = await opened(stack, street, "leave")
    for n, who in enumerate((1, 2, 3)):
        await pays(stack, street[who], body_id, f"v{n}", round=1)
    with pytest.raises(StillOwing) as owing:
        await acts.leave_circle(stack, me(street[0]), body_id)  # has had the turn
    assert owing.value.facts["left_minor"] == 3_000
    await acts.leave_circle(stack, me(street[3]), body_id)  # has paid the first, and nobody else
    with pytest.raises(NoSuchCircle):
        await acts.see_circle(stack, me(street[3]), body_id)
    for n, (who, round_) in enumerate(((0, 2), (2, 2), (0, 3), (1, 3), (0, 4))):
        last = await pays(stack, street[who], body_id, f"x{n}", round=round_)
    assert last.paid_out and [await purse(stack, who) for who in street] == before


async def test_nobody_moves_the_pot(stack, street):
    body_id = await opened(stack, street, "pot")
    await pays(stack, street[1], body_id, "p1")
    permit = turning.policy.decide(turning.job(), "payments.turn-circle", turning.policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        kept = await turning.store.circle(tx, ledger_rules.UUID(body_id))
        tx.repeated = True
    steal = TransferOrder("steal", ledger_rules.number_of(kept.pot), Alias("phone", street[0].phone), 10, "TZS")
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(street[0]), steal)
    stranger = await kit.enrolled(stack)
    await kit.wallet(stack, stranger.id)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.transfer(stack, me(stranger), steal)
    for act in (
        acts.see_circle(stack, me(stranger), body_id), acts.see_circle(stack, me(stranger), "x"),
        acts.answer_circle(stack, me(stranger), body_id, True), acts.leave_circle(stack, me(stranger), body_id),
        pays(stack, stranger, body_id, "p2"), pays(stack, street[0], body_id, "p3", place=9),
    ):  # fmt: skip
        with pytest.raises(NoSuchCircle):
            await act
    with pytest.raises(NothingDue):
        await pays(stack, street[0], body_id, "p4", round=1)  # the own turn


async def test_what_broke_off_between_book_and_ledger_is_found(stack, street):
    body_id = await opened(stack, street, "broken")
    await pays(stack, street[1], body_id, "k1")
    permit = turning.policy.decide(turning.job(), "payments.turn-circle", turning.policy.ANYONE)
    async with stack.db.transaction(permit) as tx:  # as if the program had died after the ledger's yes
        kept = await turning.store.circle(tx, ledger_rules.UUID(body_id))
        (due,) = [d for d in await turning.store.dues(tx, kept.body_id) if d.state == "in"]
        never = next(d for d in await turning.store.dues(tx, kept.body_id) if d.round == 1 and d.state == "open")
        lost = msgspec.structs.replace(never, state="to-pot", transfer_id=ledger_rules.transfer_id("x", "never"),
                                       at=clock.now() - timedelta(minutes=11))  # fmt: skip
        await turning.store.set_dues(tx, kept.body_id, [msgspec.structs.replace(due, state="to-pot"), lost])
        tx.repeated = True
    seen = await acts.see_circle(stack, me(street[1]), body_id)
    assert sorted(d.state for d in seen.dues if d.round == 1) == ["in", "open", "open"] and seen.pot_minor == 1_000


async def test_a_contribution_that_the_ledger_refuses_is_open_again(stack, street):
    poor = await kit.enrolled(stack)
    await kit.wallet(stack, poor.id)
    body_id = await opened(stack, [*street[:3], poor], "poor")
    with pytest.raises(ledger_errors.InsufficientFunds):
        await pays(stack, poor, body_id, "q1")
    seen = await acts.see_circle(stack, me(poor), body_id)
    assert {d.state for d in seen.dues} == {"open"}


async def test_the_lot_was_sealed_before_anybody_accepted_and_can_be_drawn_again(stack, street):
    body_id = await acts.found_circle(stack, me(street[0]), wish(stack, street, "lot", by_lot=True))
    sealed = await acts.see_circle(stack, me(street[0]), body_id)
    assert sealed.lot and not sealed.seed and {s.turn for s in sealed.seats} == {0}
    for who in street[1:]:
        await acts.answer_circle(stack, me(who), body_id, True)
    seen = await acts.see_circle(stack, me(street[0]), body_id)
    assert seen.lot == sealed.lot == rules.seal_of(bytes.fromhex(seen.seed))
    assert sorted(s.turn for s in seen.seats) == [1, 2, 3, 4]
    told = [(s.place, s.answered_at) for s in seen.seats if s.answered_at]  # what any member can do from the outside
    again = rules.drawn(bytes.fromhex(seen.seed), told)
    assert [next(s.turn for s in seen.seats if s.place == place) for place in again] == [1, 2, 3, 4]


@settings(max_examples=60)
@given(st.integers(3, 6), st.data())
def test_whoever_pays_late_or_leaves_nobody_gains_and_nobody_loses(total, data):
    people = [PersonId(ledger_rules.transfer_id("p", str(n))) for n in range(total)]
    dues, gone = rules.dues(people), set()
    rounds = [KeptRound(round=n, person_id=p, day=rules.day_of(clock.now().date(), "week", n), state="open", attempt=1,
                        paid=0, why="") for n, p in enumerate(people, 1)]  # fmt: skip
    got = dict.fromkeys(people, 0)

    def put(index, **new):
        dues[index] = msgspec.structs.replace(dues[index], **new)

    def turned(day):
        while one := rules.next_turn(rounds, dues, day, set()):
            plan = rules.plan(dues, one.round, one.person_id, {r.round for r in rounds if r.state == "paid"})
            got[one.person_id] += plan.own
            for due in (*plan.spent, *plan.set_off):
                put(dues.index(due), state="out")
            for due in plan.set_off:
                got[due.to_person] += 1
            rounds[one.round - 1] = msgspec.structs.replace(one, state="paid")

    def pay(index):
        due = dues[index]
        got[due.person_id] -= 1
        late = rounds[due.round - 1].state == "paid"
        got[due.to_person] += late
        put(index, state="out" if late else "in")

    day = clock.now().date()
    for _ in range(data.draw(st.integers(0, 40))):
        what = data.draw(st.sampled_from(("pay", "pay", "pay", "day", "leave")))
        still = [n for n, d in enumerate(dues) if d.state == "open"]
        if what == "pay" and still:
            pay(data.draw(st.sampled_from(still)))
        elif what == "day":
            day += timedelta(days=4)
        elif what == "leave":
            who = data.draw(st.sampled_from(people))
            try:
                for due in rules.leaving(dues, who, 1):
                    put(dues.index(due), state="void")
                gone.add(who)
            except StillOwing:
                assert any(d.person_id == who and d.state == "open" for d in dues)
        turned(day)
        assert sum(got.values()) + sum(d.state == "in" for d in dues) == 0  # law 6
        assert not any(d.state == "open" and d.person_id in gone for d in dues)  # law 5: nobody who left owes
    while still := [n for n, d in enumerate(dues) if d.state == "open"]:
        pay(still[0])
        turned(day)
    turned(day + timedelta(days=400))
    assert set(got.values()) == {0}, "law 3"


def test_months_keep_their_day_or_end_on_the_last():
    first = clock.now().date().replace(year=2027, month=12, day=31)
    assert [str(rules.day_of(first, "month", n)) for n in (1, 2, 3, 5)] == [
        "2027-12-31", "2028-01-31", "2028-02-29", "2028-04-30",
    ]  # fmt: skip
    assert (rules.day_of(first, "two-weeks", 3) - first).days == 28


async def test_access_found_circle(stack, street):
    with pytest.raises(NotPermitted):
        await acts.found_circle(stack, kit.as_staff("treasurer"), wish(stack, street, "no"))
    assert await acts.found_circle(stack, me(street[0]), wish(stack, street, "yes"))


async def _refused_to_staff(stack, act, *more):
    """No official sees or does what belongs to members; a member may."""
    with pytest.raises(NotPermitted):
        await act(stack, kit.as_staff("treasurer", id=str(PersonId(ledger_rules.transfer_id("s", "a")))), *more)


async def test_access_answer_circle(stack, street):
    body_id = await acts.found_circle(stack, me(street[0]), wish(stack, street, "answer"))
    await _refused_to_staff(stack, acts.answer_circle, body_id, True)
    await acts.answer_circle(stack, me(street[1]), body_id, True)


async def test_access_see_circle(stack, street):
    body_id = await acts.found_circle(stack, me(street[0]), wish(stack, street, "see"))
    await _refused_to_staff(stack, acts.see_circle, body_id)
    assert (await acts.see_circle(stack, me(street[1]), body_id)).mine == "invited"


async def test_access_leave_circle(stack, street):
    body_id = await opened(stack, street, "leaving")
    await _refused_to_staff(stack, acts.leave_circle, body_id)
    await acts.leave_circle(stack, me(street[1]), body_id)


async def test_access_own_circles(stack, street):
    await _refused_to_staff(stack, acts.own_circles)
    assert await acts.own_circles(stack, me(street[1]))
