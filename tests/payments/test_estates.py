"""Estates on a real ledger: the register says it, two officers agree, each heir gets the share, nothing is twice."""

from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments import kit
from tests.payments.test_circles import opened, pays, purse

from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import DeathOrder
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.payments import acts as ledger
from msingi.payments import audit, holders, rules
from msingi.payments import errors as ledger_errors
from msingi.payments.bank import standing
from msingi.payments.bank.model import StandingOrder
from msingi.payments.circles import acts as circles
from msingi.payments.estates import acts, paying
from msingi.payments.estates import rules as laws
from msingi.payments.estates.errors import (
    EstateEnded,
    EstateExists,
    EstateNotEmpty,
    NoSuchEstate,
    NotDeceased,
    OwnEstate,
)
from msingi.payments.estates.model import EstateOrder, HeirShare, State
from msingi.payments.model import Alias, TransferOrder
from msingi.payments.seizures import acts as seizures
from msingi.payments.seizures.model import SeizureOrder

FIRST, SECOND = (kit.as_staff("account-officer", id=f"officer-{n}", institution="benki") for n in "12")
REGISTRAR = kit.as_staff("registrar", id="msajili", institution="usajili", purpose="identity-registration")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


async def dies(stack, who):
    """The register says so, and the bank hears it."""
    order = DeathOrder(who.number, clock.today(), "At home", informant="A daughter")
    await civil.register_death(stack, REGISTRAR, order, f"death-{who.number}")
    await holders.follow_identity(stack, job_context(holders.JOB), who.id, False)


async def family(stack, source, left=10_000, heirs=3):
    """Somebody who left money, with heirs of empty purses; the accounts' numbers."""
    dead, purse_ = await kit.enrolled(stack, "Mzee"), None
    purse_ = await kit.wallet(stack, dead.id, left, source)
    people = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema")[:heirs]]
    return dead, purse_, people, [await kit.wallet(stack, one.id) for one in people]


def certificate(account, those, parts=(2, 1, 1), **more):
    made = {
        "key": uuid4().hex, "account": account.number, "number": f"P/{uuid4().hex[:6]}", "authority": "District court",
        "issued_on": clock.today(),
        "heirs": [HeirShare(one.number, n) for one, n in zip(those, parts, strict=False)],
    }  # fmt: skip
    return EstateOrder(**made | more)


async def test_access_propose_estate(stack, source):
    dead, left, _, heirs = await family(stack, source)
    order = certificate(left, heirs)
    with pytest.raises(NotDeceased):
        await acts.propose_estate(stack, FIRST, order)
    await dies(stack, dead)
    for no in (kit.as_person(dead.id), kit.as_staff("account-officer", institution="benki", purpose="redress")):
        with pytest.raises(NotPermitted):
            await acts.propose_estate(stack, no, order)
    tomorrow = clock.today() + timedelta(days=2)
    for wrong in (
        {"heirs": []}, {"issued_on": tomorrow}, {"heirs": [HeirShare(heirs[0].number, 0)]}, {"number": ""},
        {"heirs": [HeirShare(heirs[0].number, 1)] * 2},
    ):  # fmt: skip
        with pytest.raises(Malformed):
            await acts.propose_estate(stack, FIRST, certificate(left, heirs, **wrong))
    with pytest.raises(ledger_errors.NoSuchAccount):  # the dead inherit nothing
        await acts.propose_estate(stack, FIRST, certificate(left, [left]))
    made = await acts.propose_estate(stack, FIRST, order)
    assert (made.state, made.made_by_me, [h.parts for h in made.heirs]) == (State.PROPOSED, True, [2, 1, 1])
    assert [(a.balance_minor, a.closed) for a in made.accounts] == [(10_000, False)]
    assert await acts.propose_estate(stack, FIRST, order) == made
    with pytest.raises(EstateExists):
        await acts.propose_estate(stack, SECOND, certificate(left, heirs))


async def test_access_decide_estate(stack, source):
    """Everything free goes to the heirs to the last unit; standing orders end; what comes later goes the same way."""
    dead, left, people, heirs = await family(stack, source, left=10_001)
    mine = kit.as_person(dead.id)
    await standing.make_standing(
        stack, mine, StandingOrder(
            key="rent", payer=left.number, payee=heirs[0].number, amount_minor=500, reference="rent", every="month",
            first_day=clock.today() + timedelta(days=3),
        ),
    )  # fmt: skip
    await dies(stack, dead)
    made = await acts.propose_estate(stack, FIRST, certificate(left, heirs))
    with pytest.raises(OwnEstate):
        await acts.decide_estate(stack, FIRST, made.estate_id, agrees=True)
    with pytest.raises(NotPermitted):
        await acts.decide_estate(stack, kit.as_staff("treasurer", institution="benki"), made.estate_id, agrees=True)
    done = await acts.decide_estate(stack, SECOND, made.estate_id, agrees=True)
    assert (done.state, done.stopped, [h.paid_minor for h in done.heirs]) == (State.OPEN, 1, [5_001, 2_500, 2_500])
    assert [await purse(stack, one) for one in people] == [5_001, 2_500, 2_500]
    assert done.accounts[0].balance_minor == 0
    with pytest.raises(EstateEnded):
        await acts.decide_estate(stack, SECOND, made.estate_id, agrees=False)
    pension = TransferOrder(str(uuid4()), source.number, Alias("account", left.number), 400, "TZS")
    await ledger.transfer(stack, kit.as_staff("treasurer"), pension)
    for _ in range(2):
        await paying.run(stack, paying.job())
    assert [await purse(stack, one) for one in people] == [5_201, 2_600, 2_600]
    with pytest.raises(ledger_errors.TransferRejected):  # the phone of the dead still pays nobody
        await ledger.transfer(
            stack, mine, TransferOrder(str(uuid4()), left.number, Alias("account", heirs[0].number), 1, "TZS")
        )
    assert not (await audit.check_books(stack.db)).problems


async def test_access_close_estate(stack, source):
    there = seizures.law(stack).protected_minor + 3_000
    dead, left, people, heirs = await family(stack, source, left=there)
    await dies(stack, dead)
    made = await acts.propose_estate(stack, FIRST, certificate(left, heirs))
    with pytest.raises(EstateEnded):
        await acts.close_estate(stack, SECOND, made.estate_id)
    with pytest.raises(NotPermitted):
        await acts.close_estate(stack, kit.as_person(people[0].id), made.estate_id)
    async with held_by_order(stack, left, 1_000):
        await acts.decide_estate(stack, SECOND, made.estate_id, agrees=True)
        with pytest.raises(EstateNotEmpty):  # law 4: what a court's order holds stays held
            await acts.close_estate(stack, SECOND, made.estate_id)
        assert (await acts.see_estate(stack, FIRST, made.estate_id)).accounts[0].held_minor == 1_000
    closed = await acts.close_estate(stack, SECOND, made.estate_id)
    assert closed.state is State.CLOSED and all(a.closed and not a.balance_minor for a in closed.accounts)
    assert sum([await purse(stack, one) for one in people]) == there
    late = TransferOrder(str(uuid4()), source.number, Alias("account", left.number), 5, "TZS")
    with pytest.raises(ledger_errors.TransferRejected):
        await ledger.transfer(stack, kit.as_staff("treasurer"), late)


@asynccontextmanager
async def held_by_order(stack, account, amount):
    """Money of an account is held by a court's order for so long."""
    order = SeizureOrder(
        key=uuid4().hex, account=account.number, amount_minor=amount, number="HC/1", authority="Court",
        issued_on=clock.today(), last_day=clock.today() + timedelta(days=10), pay_to=(await kit.treasury(stack)).number,
    )  # fmt: skip
    made = await seizures.seize(stack, FIRST, order)
    yield
    await seizures.lift_seizure(stack, FIRST, made.seizure_id, "HC/2")


async def test_access_see_estate(stack, source):
    with pytest.raises(NoSuchEstate):
        await acts.see_estate(stack, FIRST, str(uuid4()))
    with pytest.raises(NoSuchEstate):
        await acts.see_estate(stack, FIRST, "x")
    with pytest.raises(NotPermitted):
        await acts.see_estate(stack, kit.as_staff("treasurer", institution="benki"), str(uuid4()))


async def test_access_see_estates(stack, source):
    page = await acts.see_estates(stack, FIRST, limit=1)
    assert len(page.estates) <= 1
    for wrong in ({"limit": 0}, {"place": "nonsense"}):
        with pytest.raises(Malformed):
            await acts.see_estates(stack, FIRST, **wrong)
    with pytest.raises(NotPermitted):
        await acts.see_estates(stack, kit.as_staff("clerk", institution="benki"))


async def test_law_3_a_part_that_the_ledger_refuses_waits_for_that_heir_alone(stack, source, monkeypatch):
    """One heir's account is full; the others are paid, and what broke off is paid once."""
    dead, left, people, heirs = await family(stack, source, left=4_000)
    await dies(stack, dead)
    made = await acts.propose_estate(stack, FIRST, certificate(left, heirs))
    post, full = paying.ledger.post, rules.id_of(heirs[0].number)

    async def refuses(stack_, orders):
        if orders[0].credit == full:
            return [ledger_errors.NoSuchAccount(party="payee")]
        return await post(stack_, orders)

    async def dies_after(stack_, orders):
        await post(stack_, orders)
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr(paying.ledger, "post", refuses)
        done = await acts.decide_estate(stack, SECOND, made.estate_id, agrees=True)
        assert [(h.paid_minor, h.waiting_minor) for h in done.heirs] == [(0, 2_000), (1_000, 0), (1_000, 0)]
        assert done.heirs[0].why == "payments.no-such-account"
        await paying.run(stack, paying.job())
        assert [await purse(stack, one) for one in people] == [0, 1_000, 1_000]
        broken.setattr(paying.ledger, "post", dies_after)
        with pytest.raises(RuntimeError):
            await paying.settle(stack, paying.UUID(made.estate_id))
    for _ in range(2):
        await paying.run(stack, paying.job())
    assert [await purse(stack, one) for one in people] == [2_000, 1_000, 1_000]


async def test_law_4_a_seat_in_a_rotating_group_ends_debts_come_first_and_turns_go_on(stack, source):
    """She was paid by three, had paid one, and dies: the heirs get what is left after what she owes."""
    street = [await kit.enrolled(stack, name) for name in ("Mzee", "Juma", "Neema", "Zuberi")]
    wallets = [await kit.wallet(stack, who.id, 10_000, source) for who in street]
    heir = await kit.enrolled(stack, "Asha")
    heirs = [await kit.wallet(stack, heir.id)]
    body_id = await opened(stack, street, "death")
    for n, who in enumerate(street[1:]):
        await pays(stack, who, body_id, f"d{n}")
    assert await purse(stack, street[0]) == 13_000
    await pays(stack, street[0], body_id, "d9")  # for the second turn
    await dies(stack, street[0])
    made = await acts.propose_estate(stack, FIRST, certificate(wallets[0], heirs, (1,)))
    done = await acts.decide_estate(stack, SECOND, made.estate_id, agrees=True)
    assert (done.owed_minor, done.heirs[0].paid_minor) == (0, 10_000)  # 12,000 less two turns to come
    seen = await circles.see_circle(stack, kit.as_person(street[1].id), body_id)
    assert seen.seats[0].state == "left" and seen.state == "open"
    for n, who in enumerate((1, 2, 3), 2):
        for other in {1, 2, 3} - {who}:
            await pays(stack, street[other], body_id, f"r{n}")
    seen = await circles.see_circle(stack, kit.as_person(street[1].id), body_id)
    assert seen.state == "ended" and [t.paid_minor for t in seen.turns] == [3_000] * 4
    assert [await purse(stack, who) for who in street[1:]] == [10_000] * 3
    await acts.close_estate(stack, SECOND, made.estate_id)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**12), st.integers(0, 10**6), st.lists(st.integers(1, 10_000), min_size=1, max_size=30))
def test_law_2_the_parts_are_the_whole(available, waiting, parts):
    found = laws.shares(available, waiting, parts)
    assert sum(found) == max(0, available - waiting)
    whole = sum(parts)
    for part, got in zip(parts, found, strict=False):
        assert abs(got * whole - (available - waiting) * part) < whole
