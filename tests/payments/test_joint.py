"""Joint accounts: nobody alone beyond the bound, nobody who has left, and never twice, whatever runs at once."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.payments import kit

from msingi.identity import acts as identity
from msingi.kernel import clock, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed, NotPermitted
from msingi.kernel.ids import PersonId, uuid7
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import holders, holding, officers
from msingi.payments.bank import acts as bank
from msingi.payments.bank import standing, statements
from msingi.payments.bank.model import MerchantOrder, Period, Purchase, StandingOrder
from msingi.payments.groups import acts, rules, signing, store
from msingi.payments.groups.errors import (
    InvitationEnded,
    LastHolder,
    NeedsSignatures,
    NoSuchJoint,
    NoSuchProposal,
    ProposalEnded,
)
from msingi.payments.groups.model import JointOrder, ProposalOrder, Removal, Signer
from msingi.payments.model import AccountKind, Alias, TransferOrder

OFFICER = kit.as_staff("account-officer", id="mbenki", institution="benki")


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Asha Mrema")


@pytest.fixture(scope="module")
async def town(stack):
    source = await kit.treasury(stack)
    asha, juma, neema = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema")]
    for who in (asha, juma, neema):
        await kit.wallet(stack, who.id, 10_000, source)
    return {"source": source, "asha": asha, "juma": juma, "neema": neema}


async def joint(stack, town, key, bound, *others, money=50_000):
    """A joint account of Asha and others, accepted by all, with money."""
    asha = town["asha"]
    order = JointOrder(key=key, label=f"Nyumba {key}", others=[o.number for o in others], bound_minor=bound)
    made = await acts.open_joint(stack, me(asha), order)
    for other in others:
        await acts.answer_joint(stack, me(other), made.body_id, True)
    found = next(j for j in await acts.own_joint(stack, me(asha)) if j.body_id == made.body_id)
    if money:
        paid = kit.order(stack, "institution:hazina", town["source"].number, found.number, money)
        (ending,) = await payments.writer.of(stack).post([paid])
        assert not ending.reason
    return found


async def balance(stack, who, number) -> int:
    return next(a.balance_minor for a in await payments.accounts(stack, me(who)) if a.number == number)


def pays(number, town, key, amount=1_000):
    return TransferOrder(key, number, Alias("phone", town["neema"].phone), amount, "TZS")


def removal(made, who) -> Removal:
    return Removal(account=made.number, number=who.number, because="High Court 12/2026")


async def test_access_open_joint(stack, town):
    order = JointOrder(key="o1", label="Familia", others=[town["juma"].phone], bound_minor=5)
    made = await acts.open_joint(stack, me(town["asha"]), order)
    assert made == await acts.open_joint(stack, me(town["asha"]), order)
    assert made.number == "" and [h.state for h in made.holders] == ["active", "invited"]
    for wrong in (
        {"others": []},
        {"others": [town["asha"].number]},
        {"others": [town["juma"].number, town["juma"].phone]},
        {"label": ""},
        {"bound_minor": -1},
    ):
        with pytest.raises(Malformed):
            parts = {"key": "o2", "label": "x", "others": ["1"]} | wrong
            await acts.open_joint(stack, me(town["asha"]), JointOrder(**parts))
    with pytest.raises(ledger_errors.NoSuchAccount):
        await acts.open_joint(stack, me(town["asha"]), JointOrder(key="o3", label="x", others=["12"]))
    with pytest.raises(NotPermitted):
        await acts.open_joint(stack, kit.as_person(town["asha"].id, assurance=1), order)


async def test_names_of_holders_are_sealed_at_rest(stack, town, owner_url):
    import asyncpg

    made = await joint(stack, town, "sealed", None, town["juma"], money=0)
    assert {h.name for h in made.holders} and all(h.name for h in made.holders)
    conn = await asyncpg.connect(owner_url)
    kept = [bytes(row["name"]) for row in await conn.fetch("SELECT name FROM payments.signer")]
    await conn.close()
    assert kept and not any(h.name.encode() in one for one in kept for h in made.holders)


async def test_access_answer_joint(stack, town):
    order = JointOrder(key="a1", label="Shamba", others=[town["juma"].number, town["neema"].number])
    made = await acts.open_joint(stack, me(town["asha"]), order)
    with pytest.raises(NoSuchJoint):
        await acts.answer_joint(stack, me(await kit.enrolled(stack)), made.body_id, True)
    with pytest.raises(NotPermitted):
        await acts.answer_joint(stack, OFFICER, made.body_id, True)
    await acts.answer_joint(stack, me(town["juma"]), made.body_id, True)
    seen = next(j for j in await acts.own_joint(stack, me(town["juma"])) if j.body_id == made.body_id)
    assert seen.number == "" and seen.mine == "active"  # one has not answered: there is no account yet
    with pytest.raises(InvitationEnded):
        await acts.answer_joint(stack, me(town["juma"]), made.body_id, True)
    await acts.answer_joint(stack, me(town["neema"]), made.body_id, False)
    assert all(j.body_id != made.body_id for j in await acts.own_joint(stack, me(town["asha"])))
    late = await acts.open_joint(stack, me(town["asha"]), JointOrder(key="a2", label="x", others=[town["juma"].number]))
    with clock.freeze(late.lapses_at + timedelta(seconds=1)), pytest.raises(InvitationEnded):
        await acts.answer_joint(stack, me(town["juma"]), late.body_id, True)


async def test_access_own_joint(stack, town):
    made = await joint(stack, town, "own", None, town["juma"])
    for who in (town["asha"], town["juma"]):
        seen = next(j for j in await acts.own_joint(stack, me(who)) if j.body_id == made.body_id)
        assert seen.balance_minor == 50_000 and len(seen.holders) == 2
        assert made.number in [a.number for a in await payments.accounts(stack, me(who)) if a.kind is AccountKind.JOINT]
        assert (await payments.statement(stack, me(who), made.number)).entries[0].amount_minor == 50_000
        days = Period(clock.today() - timedelta(days=1), clock.today() + timedelta(days=1))
        assert (await statements.booked(stack, me(who), made.number, days)).closing_minor == 50_000
    assert made.number not in [j.number for j in await acts.own_joint(stack, me(town["neema"]))]
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.statement(stack, me(town["neema"]), made.number)
    with pytest.raises(NotPermitted):
        await acts.own_joint(stack, OFFICER)


async def test_one_holder_alone_pays_up_to_the_bound_of_a_day_however_it_is_split(stack, town):
    made = await joint(stack, town, "split", 5_000, town["juma"])
    order = pays(made.number, town, "s1", 3_000)
    first = await payments.transfer(stack, me(town["asha"]), order)
    assert first == await payments.transfer(stack, me(town["asha"]), order)  # repeated: counted once
    assert first.payer == made.number
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(town["juma"]), pays(made.number, town, "s2", 2_001))
    with pytest.raises(NeedsSignatures):  # a small order that never reached the ledger does not open the door
        await payments.transfer(stack, me(town["juma"]), pays(made.number, town, "s2", 9_000))
    await payments.transfer(stack, me(town["juma"]), pays(made.number, town, "s2", 2_000))
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(town["asha"]), pays(made.number, town, "s4", 1))
    with pytest.raises(NeedsSignatures):
        await holding.reserve(stack, me(town["asha"]), pays(made.number, town, "s5", 1), 60)
    with clock.freeze(clock.now() + timedelta(days=1)):
        await payments.transfer(stack, me(town["asha"]), pays(made.number, town, "s6", 5_000))
    assert await balance(stack, town["asha"], made.number) == 40_000


async def test_two_holders_at_once_do_not_pass_the_bound_together(stack, town):
    made = await joint(stack, town, "race", 5_000, town["juma"])
    tries = [
        payments.transfer(stack, me(who), pays(made.number, town, f"r{n}/{who.number}", 1_000))
        for n in range(4)
        for who in (town["asha"], town["juma"])
    ]
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(not isinstance(d, Exception) for d in done) == 5
    assert all(isinstance(d, NeedsSignatures) for d in done if isinstance(d, Exception))
    assert await balance(stack, town["asha"], made.number) == 45_000


async def test_shops_holds_and_standing_orders_know_joint_accounts(stack, town):
    made = await joint(stack, town, "paths", 20_000, town["juma"])
    shop = await bank.register_merchant(
        stack, OFFICER,
        MerchantOrder(key="j", name="Duka", latin="DUKA", city="DODOMA", category="5411", number=town["neema"].number),
    )  # fmt: skip
    bought = Purchase(key="b1", payer=made.number, merchant=shop.code, amount_minor=1_000, currency="TZS")
    assert (await bank.pay_merchant(stack, me(town["juma"]), bought)).balance_minor == 49_000
    held = await holding.reserve(stack, me(town["juma"]), pays(made.number, town, "h1", 2_000), 60)
    await holding.commit_hold(stack, me(town["asha"]), "h1c", held.hold_id, made.number, 2_000, "TZS")
    today = standing._today(stack)
    weekly = StandingOrder(
        key="w1", payer=made.number, payee=town["neema"].phone, amount_minor=500, every="week", first_day=today
    )
    await standing.make_standing(stack, me(town["asha"]), weekly)
    await standing.run_standing(stack, standing.job(), today)
    assert (await standing.own_standing(stack, me(town["asha"])))[0].last_result == "paid"
    assert await balance(stack, town["asha"], made.number) == 46_500
    with pytest.raises(ledger_errors.NoSuchAccount):  # a stranger's order fails as for any foreign account
        await payments.transfer(stack, me(town["neema"]), pays(made.number, town, "x"))


async def test_all_sign_above_the_bound_and_one_of_two_alone_moves_nothing(stack, town):
    made = await joint(stack, town, "sign", 0, town["juma"])
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(town["asha"]), pays(made.number, town, "p0", 1))
    order = ProposalOrder(key="p1", payer=made.number, payee=town["neema"].phone, amount_minor=7_000, reference="ada")
    wish = await signing.propose(stack, me(town["asha"]), order)
    assert wish == await signing.propose(stack, me(town["asha"]), order)
    assert (wish.state, wish.signed, wish.needed, wish.by_me) == ("open", 1, 2, True)
    again = await signing.sign(
        stack, me(town["asha"]), wish.body_id, wish.proposal_id
    )  # signing twice is one signature
    assert again.state == "open" and again.signed == 1
    for stranger in (town["neema"], await kit.enrolled(stack)):
        with pytest.raises(NoSuchProposal):
            await signing.sign(stack, me(stranger), wish.body_id, wish.proposal_id)
    assert await balance(stack, town["asha"], made.number) == 50_000
    done = await asyncio.gather(
        *(signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id) for _ in range(3))
    )
    assert {d.state for d in done} == {"paid"} and await balance(stack, town["asha"], made.number) == 43_000
    with pytest.raises(ProposalEnded):
        await signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id, False)
    assert [p.state for p in await signing.proposals(stack, me(town["juma"])) if p.body_id == wish.body_id] == ["paid"]


async def test_a_refused_or_late_payment_is_never_made(stack, town):
    made = await joint(stack, town, "refuse", 0, town["juma"])
    order = ProposalOrder(key="n1", payer=made.number, payee=town["neema"].phone, amount_minor=7_000)
    wish = await signing.propose(stack, me(town["asha"]), order)
    assert (await signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id, False)).state == "refused"
    with pytest.raises(ProposalEnded):
        await signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id)
    late = await signing.propose(stack, me(town["asha"]), ProposalOrder(
        key="n2", payer=made.number, payee=town["neema"].phone, amount_minor=1))  # fmt: skip
    with clock.freeze(late.expires_at + timedelta(seconds=1)), pytest.raises(ProposalEnded):
        await signing.sign(stack, me(town["juma"]), late.body_id, late.proposal_id)
    assert await balance(stack, town["asha"], made.number) == 50_000


async def test_what_the_ledger_refuses_is_told_and_can_be_tried_again(stack, town):
    made = await joint(stack, town, "poor", 0, town["juma"], money=10)
    order = ProposalOrder(key="q1", payer=made.number, payee=town["neema"].phone, amount_minor=500)
    wish = await signing.propose(stack, me(town["asha"]), order)
    tried = await signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id)
    assert (tried.state, tried.why) == ("open", "payments.insufficient-funds")
    paid = kit.order(stack, "institution:hazina", town["source"].number, made.number, 1_000)
    await payments.writer.of(stack).post([paid])
    done = await signing.sign(stack, me(town["asha"]), wish.body_id, wish.proposal_id)
    assert done.state == "paid" and await balance(stack, town["asha"], made.number) == 510


async def test_access_leave_joint(stack, town):
    made = await joint(stack, town, "leave", 0, town["juma"])
    wish = await signing.propose(
        stack, me(town["juma"]),
        ProposalOrder(key="l1", payer=made.number, payee=town["juma"].number, amount_minor=50_000),
    )  # fmt: skip
    with pytest.raises(NoSuchJoint):
        await acts.leave_joint(stack, me(town["neema"]), made.body_id)
    await acts.leave_joint(stack, me(town["juma"]), made.body_id)
    with pytest.raises(NoSuchProposal):
        await signing.sign(stack, me(town["juma"]), wish.body_id, wish.proposal_id)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.transfer(stack, me(town["juma"]), pays(made.number, town, "l2"))
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.statement(stack, me(town["juma"]), made.number)
    with pytest.raises(ledger_errors.NotEmpty):
        await acts.leave_joint(stack, me(town["asha"]), made.body_id)
    out = await signing.propose(
        stack, me(town["asha"]),
        ProposalOrder(key="l3", payer=made.number, payee=town["asha"].number, amount_minor=50_000),
    )  # fmt: skip
    assert out.state == "paid"  # the last holder's signature is everybody's
    await acts.leave_joint(stack, me(town["asha"]), made.body_id)
    assert all(j.body_id != made.body_id for j in await acts.own_joint(stack, me(town["asha"])))


async def test_access_remove_joint_holder(stack, town):
    made = await joint(stack, town, "remove", None, town["juma"])
    order = removal(made, town["juma"])
    with pytest.raises(NotPermitted):
        await acts.remove_joint_holder(stack, me(town["asha"]), order)
    with pytest.raises(NoSuchJoint):
        await acts.remove_joint_holder(stack, OFFICER, removal(made, town["neema"]))
    await acts.remove_joint_holder(stack, OFFICER, order)
    with pytest.raises(ledger_errors.NoSuchAccount):  # a removed holder pays nothing and sees nothing
        await payments.transfer(stack, me(town["juma"]), pays(made.number, town, "m1"))
    assert made.number not in [a.number for a in await payments.accounts(stack, me(town["juma"]))]
    with pytest.raises(LastHolder):
        await acts.remove_joint_holder(stack, OFFICER, removal(made, town["asha"]))


async def test_after_a_death_the_others_go_on_below_the_bound_and_above_it_once_an_officer_saw_the_paper(stack, town):
    dead = await kit.enrolled(stack, "Zuberi")
    await kit.wallet(stack, dead.id, 5_000, town["source"])
    made = await joint(stack, town, "death", 2_000, dead)
    await holders.follow_identity(stack, job_context(holders.JOB), dead.id, False)
    with pytest.raises(ledger_errors.NoSuchAccount):  # whoever has the phone of the dead
        await payments.transfer(stack, me(dead), pays(made.number, town, "d1", 10))
    await payments.transfer(stack, me(town["asha"]), pays(made.number, town, "d2", 1_500))
    order = ProposalOrder(key="d3", payer=made.number, payee=town["asha"].number, amount_minor=40_000)
    wish = await signing.propose(stack, me(town["asha"]), order)
    assert (wish.state, wish.signed, wish.needed) == ("open", 1, 2)
    with pytest.raises(NoSuchProposal):
        await signing.sign(stack, me(dead), wish.body_id, wish.proposal_id)
    staff = kit.as_staff("registrar", "adjudicator", institution="rita", purpose="identity-registration")
    await identity.deactivate(stack, staff, dead.id, "death certificate")
    await acts.remove_joint_holder(stack, OFFICER, removal(made, dead))
    assert (await signing.sign(stack, me(town["asha"]), wish.body_id, wish.proposal_id)).state == "paid"


async def test_a_frozen_joint_account_pays_nobody_and_every_holder_reads_why(stack, town):
    made = await joint(stack, town, "freeze", None, town["juma"])
    await officers.freeze(stack, OFFICER, made.number, reason="High Court 1/2026")
    for who in (town["asha"], town["juma"]):
        with pytest.raises(ledger_errors.AccountFrozen):
            await payments.transfer(stack, me(who), pays(made.number, town, f"f{who.number}"))
    with pytest.raises(ledger_errors.NoSuchAccount):  # nobody closes alone what several hold
        await officers.close_account(stack, me(town["asha"]), made.number)
    with pytest.raises(Malformed):
        await payments.open_account(stack, OFFICER, town["asha"].id, AccountKind.JOINT)


people = st.lists(st.tuples(st.sampled_from(["active", "left", "removed", "invited"]), st.booleans()), max_size=5)


@given(people, st.sets(st.integers(0, 4)))
def test_law_2_only_the_signatures_of_all_who_hold_now_are_enough(states, signed):
    ids = [PersonId(uuid7()) for _ in range(5)]
    signers = [Signer(person_id=ids[n], name="A", state=s, in_use=u) for n, (s, u) in enumerate(states)]
    by = {ids[n] for n in signed}
    enough = rules.is_signed(signers, by)
    now = [s for s in signers if s.state == "active"]
    assert enough == (bool(now) and all(s.person_id in by and s.in_use for s in now))
    assert all(rules.may_act(signers, s.person_id) == (s.state == "active" and s.in_use) for s in signers)


async def test_law_1_the_count_of_a_day_never_passes_its_bound(stack, town):
    """Against the table itself, in one transaction that is thrown away."""
    permit = policy.decide(me(town["asha"]), "payments.use-mandate", policy.ANYONE)
    day, at, account = clock.today(), clock.now(), 77 << 8
    with pytest.raises(ZeroDivisionError):
        async with stack.db.transaction(permit) as tx:
            taken = 0
            for n, amount in enumerate((400, 700, 600, 1, 0, 5_000, 299)):
                if await store.spend_alone(tx, account, town["asha"].id, f"k{n}", amount, day, at, 1_000):
                    taken += amount
                assert await store.spent_alone(tx, account, day) == taken <= 1_000
            raise ZeroDivisionError


async def test_any_holder_disputes_a_payment_out_of_the_joint_account_and_the_money_comes_back_there(stack, town):
    from msingi.payments.disputes import acts as disputes
    from msingi.payments.disputes.model import DisputeOrder, Kind

    made = await joint(stack, town, "disputed", None, town["juma"])
    paid = await payments.transfer(stack, me(town["asha"]), pays(made.number, town, "wrong"))
    redress = kit.as_person(town["juma"].id, 2, "redress")  # not the one who paid
    order = DisputeOrder(paid.transfer_id, Kind.NOT_MINE, "None of us did this")
    found = await disputes.open_dispute(stack, redress, order)
    assert found.held_minor == 1_000 and found.mine
    officer = kit.as_staff("account-officer", id="mbenki", institution="benki", purpose="redress")
    await disputes.decide(stack, officer, found.dispute_id, 1_000, "The device was stolen")
    assert await balance(stack, town["asha"], made.number) == 50_000
