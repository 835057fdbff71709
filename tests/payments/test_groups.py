"""Savings groups: every shilling that goes in comes out, and nothing leaves without three signatures."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.payments import kit

from msingi.kernel import clock, policy
from msingi.kernel.errors import Malformed, NotPermitted, Outage
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments.groups import mandates, paying_out, pot, rules, seeing, signing, store_pot
from msingi.payments.groups.errors import (
    AgainstConstitution,
    GroupNotOpen,
    InvitationEnded,
    NeedsSignatures,
    NoSuchDebt,
    NoSuchGroup,
    NoSuchProposal,
)
from msingi.payments.groups.model import Contribution, GroupOrder, Meeting, Named, PayOut
from msingi.payments.model import Alias, TransferOrder


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Asha Mrema")


@pytest.fixture(scope="module")
async def village(stack):
    """Six people with 100,000 each; the first three will keep the keys."""
    source = await kit.treasury(stack)
    people = [await kit.enrolled(stack, name) for name in ("Asha", "Juma", "Neema", "Zuberi", "Rehema", "Baraka")]
    for who in people:
        await kit.wallet(stack, who.id, 100_000, source)
    return people


def constitution(stack, village, key: str, **more) -> GroupOrder:
    parts = {
        "key": key, "name": f"Vicoba {key}", "name_of_founder": "Mama Asha", "share_minor": 1_000, "most_shares": 5,
        "social_minor": 200, "interest_permille": 100, "loan_times": 3, "loan_days": 90,
        "ends_on": mandates.today(stack) + timedelta(days=300), "keys": [1, 2, 3],
        "members": [Named(who.number, f"M{n}") for n, who in enumerate(village[1:], 2)],
    }  # fmt: skip
    return GroupOrder(**parts | more)


async def opened(stack, village, key: str, **more) -> str:
    body_id = await pot.found_group(stack, me(village[0]), constitution(stack, village, key, **more))
    for who in village[1:3]:
        await pot.answer_group(stack, me(who), body_id, True)
    return body_id


async def pays_in(stack, who, body_id, key, shares, **more) -> int:
    return await pot.contribute(stack, me(who), Contribution(key=key, body_id=body_id, shares=shares, **more))


async def all_sign(stack, village, wish):
    for who in village[:3]:
        wish = await signing.sign(stack, me(who), wish.body_id, wish.proposal_id)
    return wish


async def wallets(stack, village) -> int:
    return sum([a.balance_minor for who in village for a in await payments.accounts(stack, me(who))])


async def test_found_group(stack, village):
    order = constitution(stack, village, "found")
    body_id = await pot.found_group(stack, me(village[0]), order)
    assert body_id == await pot.found_group(stack, me(village[0]), order)
    seen = await seeing.see_group(stack, me(village[0]), body_id)
    assert seen.state == "forming" and [m.state for m in seen.members] == ["active", *["invited"] * 5]
    with pytest.raises(GroupNotOpen):
        await pays_in(stack, village[0], body_id, "early", 1)
    today = mandates.today(stack)
    for wrong in (
        {"keys": [1, 2]}, {"keys": [1, 2, 7]}, {"keys": [1, 2, 2]}, {"share_minor": 0}, {"most_shares": 0},
        {"interest_permille": -1}, {"ends_on": today}, {"members": []}, {"name": ""},
        {"members": [Named(village[0].number, "me")] * 4},
    ):  # fmt: skip
        with pytest.raises((Malformed, ledger_errors.AmountOutOfRange)):
            await pot.found_group(stack, me(village[0]), constitution(stack, village, "bad", **wrong))
    with pytest.raises(NotPermitted):
        await pot.found_group(stack, kit.as_staff("treasurer"), order)


async def test_the_keys_must_be_accepted_and_a_declined_key_ends_it(stack, village):
    body_id = await pot.found_group(stack, me(village[0]), constitution(stack, village, "keys"))
    await pot.answer_group(stack, me(village[1]), body_id, True)
    assert (await seeing.see_group(stack, me(village[1]), body_id)).state == "forming"
    with pytest.raises(InvitationEnded):
        await pot.answer_group(stack, me(village[1]), body_id, True)
    stranger = await kit.enrolled(stack)
    for act in (pot.answer_group(stack, me(stranger), body_id, True), seeing.see_group(stack, me(stranger), body_id)):
        with pytest.raises(NoSuchGroup):
            await act
    await pot.answer_group(stack, me(village[2]), body_id, False)
    assert all(g.body_id != body_id for g in await seeing.own_groups(stack, me(village[0])))


async def test_members_buy_shares_within_the_constitution_and_one_pays_for_those_without_a_phone(stack, village):
    body_id = await opened(stack, village, "in")
    assert await pays_in(stack, village[0], body_id, "c1", 3) == 3_200
    assert await pays_in(stack, village[0], body_id, "c1", 3) == 3_200  # repeated: paid once
    with pytest.raises(AgainstConstitution):
        await pays_in(stack, village[0], body_id, "c2", 3)
    assert await pays_in(stack, village[0], body_id, "c3", 2, social=False) == 2_000
    await pays_in(stack, village[1], body_id, "c4", 1, place=6)  # the cash of the sixth, paid by the second
    for wrong in ({"shares": 0, "social": False}, {"shares": -5}):
        with pytest.raises(Malformed):
            await pot.contribute(stack, me(village[1]), Contribution(key="c5", body_id=body_id, **wrong))
    seen = await seeing.see_group(stack, me(village[5]), body_id)
    assert (seen.pot_minor, seen.social_fund_minor) == (6_000, 400)
    assert [(m.shares, m.state) for m in seen.members][::5] == [(5, "active"), (1, "active")]
    assert sum(line.amount_minor for line in seen.book) == 6_400
    with pytest.raises(ledger_errors.InsufficientFunds):
        poor = await kit.enrolled(stack)
        await kit.wallet(stack, poor.id)
        other = await opened(stack, [*village[:3], poor, *village[3:]], "poor")
        await pays_in(stack, poor, other, "c6", 1)
    assert (await seeing.see_group(stack, me(poor), other)).book == []


async def test_a_loan_goes_out_with_three_signatures_and_comes_back_with_interest(stack, village):
    body_id = await opened(stack, village, "loan")
    await pays_in(stack, village[3], body_id, "l0", 2, social=False)
    await pays_in(stack, village[0], body_id, "l1", 5, social=False)
    with pytest.raises(AgainstConstitution) as above:
        await paying_out.propose_payout(
            stack, me(village[3]), PayOut(key="l2", body_id=body_id, kind="loan", amount_minor=6_001)
        )
    assert above.value.facts["most_minor"] == 6_000
    order = PayOut(key="l3", body_id=body_id, kind="loan", amount_minor=5_001, reference="mbegu")
    wish = await paying_out.propose_payout(stack, me(village[3]), order)
    assert (wish.state, wish.signed, wish.needed) == ("open", 0, 3)
    with pytest.raises(NoSuchProposal):  # whoever keeps no key signs nothing, also not the own loan
        await signing.sign(stack, me(village[3]), wish.body_id, wish.proposal_id)
    for who in village[:2]:
        assert (await signing.sign(stack, me(who), wish.body_id, wish.proposal_id)).state == "open"
    assert (await seeing.see_group(stack, me(village[3]), body_id)).pot_minor == 7_000  # two of three move nothing
    assert (await all_sign(stack, village, wish)).state == "paid"
    seen = await seeing.see_group(stack, me(village[3]), body_id)
    (debt,) = seen.debts
    assert (seen.pot_minor, debt.owed_minor, debt.place, seen.lent_minor) == (1_999, 5_502, 4, 5_502)
    with pytest.raises(NoSuchDebt):
        await pot.repay(stack, me(village[3]), "r0", body_id, debt.debt_id, 5_503)
    for _ in range(2):
        await pot.repay(stack, me(village[3]), "r1", body_id, debt.debt_id, 5_000)
    await pot.repay(stack, me(village[4]), "r2", body_id, debt.debt_id, 502)  # any member may, for another
    seen = await seeing.see_group(stack, me(village[3]), body_id)
    assert seen.debts == [] and seen.pot_minor == 7_501 == sum(line.amount_minor for line in seen.book)


async def test_nobody_moves_the_pot_alone_by_any_other_door(stack, village):
    body_id = await opened(stack, village, "doors")
    await pays_in(stack, village[0], body_id, "d0", 1)
    permit = policy.decide(me(village[0]), "payments.know-group", policy.ANYONE)
    with pytest.raises(ZeroDivisionError):
        async with stack.db.transaction(permit) as tx:
            group = await store_pot.group(tx, ledger_rules.UUID(body_id))
            raise ZeroDivisionError
    number = ledger_rules.number_of(group.pot)
    steal = TransferOrder("steal", number, Alias("phone", village[0].phone), 10, "TZS")
    with pytest.raises(NeedsSignatures):
        await payments.transfer(stack, me(village[0]), steal)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await payments.transfer(stack, me(village[4]), steal)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await signing.propose(
            stack, me(village[0]),
            signing.ProposalOrder(key="x", payer=number, payee=village[0].phone, amount_minor=10),
        )  # fmt: skip
    for who, order in (
        (village[4], PayOut(key="d1", body_id=body_id, kind="aid", amount_minor=10)),
        (village[4], PayOut(key="d2", body_id=body_id, kind="loan", amount_minor=10, place=1)),
        (village[4], PayOut(key="d3", body_id=body_id, kind="expense", amount_minor=10, payee=village[4].phone)),
    ):
        with pytest.raises(NoSuchGroup):
            await paying_out.propose_payout(stack, me(who), order)
    with pytest.raises(NoSuchGroup):
        await pot.fine_member(stack, me(village[4]), "d4", body_id, 1, 100, "late")
    with pytest.raises(NoSuchGroup):
        await pot.record_meeting(stack, me(village[4]), "d5", body_id, Meeting(mandates.today(stack), [1], "x"))


async def test_fines_aid_expenses_and_meetings_stand_in_the_book(stack, village):
    body_id = await opened(stack, village, "book")
    await pays_in(stack, village[0], body_id, "b0", 5)
    await pot.fine_member(stack, me(village[1]), "b1", body_id, 5, 300, "late")
    (fine,) = (await seeing.see_group(stack, me(village[4]), body_id)).debts
    assert (fine.kind, fine.place, fine.left_minor) == ("fine", 5, 300)
    await pot.repay(stack, me(village[4]), "b2", body_id, fine.debt_id, 300)
    aid = PayOut(key="b3", body_id=body_id, kind="aid", amount_minor=150, place=5, reference="hospital")
    assert (await all_sign(stack, village, await paying_out.propose_payout(stack, me(village[0]), aid))).state == "paid"
    book = PayOut(key="b4", body_id=body_id, kind="expense", amount_minor=100, payee=village[5].phone)
    wish = await paying_out.propose_payout(stack, me(village[1]), book)
    assert (await all_sign(stack, village, wish)).state == "paid"
    await pot.record_meeting(stack, me(village[2]), "b5", body_id, Meeting(mandates.today(stack), [1, 2, 5], "Kikao"))
    seen = await seeing.see_group(stack, me(village[4]), body_id)
    assert (seen.pot_minor, seen.social_fund_minor) == (5_200, 50) and seen.meetings[0].present == [1, 2, 5]
    assert sum(line.amount_minor for line in seen.book) == 5_250
    with pytest.raises(Malformed):
        await pot.record_meeting(stack, me(village[2]), "b6", body_id, Meeting(mandates.today(stack), [99], "x"))


async def test_the_share_out_pays_every_shilling_and_the_next_cycle_begins(stack, village):
    before = await wallets(stack, village)
    body_id = await opened(stack, village, "out")
    for n, shares in ((0, 5), (1, 3), (2, 1), (3, 2)):
        await pays_in(stack, village[n], body_id, f"o{n}", shares)
    loan = PayOut(key="o4", body_id=body_id, kind="loan", amount_minor=1_333)
    await all_sign(stack, village, await paying_out.propose_payout(stack, me(village[3]), loan))
    with pytest.raises(AgainstConstitution):
        await paying_out.propose_share_out(stack, me(village[0]), "o5", body_id)
    with clock.freeze(clock.now() + timedelta(days=301)):
        wish = await paying_out.propose_share_out(stack, me(village[0]), "o6", body_id)
        done = await asyncio.gather(
            *(signing.sign(stack, me(who), wish.body_id, wish.proposal_id) for who in (*village[:3], village[2]))
        )
        assert "paid" in {d.state for d in done}
        seen = await seeing.see_group(stack, me(village[0]), body_id)
        assert (seen.pot_minor, seen.social_fund_minor, seen.cycle, seen.state, seen.debts) == (0, 0, 2, "open", [])
        assert await wallets(stack, village) == before  # nothing was left behind, and nothing was made
        assert sum(line.amount_minor for line in seen.book) == 0 and seen.members[0].shares == 0
        await pays_in(stack, village[0], body_id, "o7", 1)
    gone = await payments.transfer(
        stack, me(village[0]), TransferOrder("z", (await payments.accounts(stack, me(village[0])))[0].number,
                                             Alias("phone", village[1].phone), 1, "TZS"))  # fmt: skip
    assert gone.amount_minor == 1


async def test_a_contribution_that_broke_off_is_found_in_the_ledger(stack, village, monkeypatch):
    body_id = await opened(stack, village, "broken")

    async def breaks(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as broken:
        broken.setattr(store_pot, "post_entries", breaks)
        with pytest.raises(Outage):
            await pays_in(stack, village[0], body_id, "k0", 2, social=False)
    seen = await seeing.see_group(stack, me(village[0]), body_id)
    assert seen.pot_minor == 2_000 == sum(line.amount_minor for line in seen.book)


amounts = st.integers(0, 10**12)


@given(amounts, st.lists(st.tuples(st.integers(0, 500), amounts), min_size=1, max_size=50))
def test_law_6_a_share_out_divides_to_the_last_unit(pot_minor, members):
    shares, owes = [s for s, _ in members], [o for _, o in members]
    if not any(shares):
        with pytest.raises(Malformed):
            rules.share_out(pot_minor, shares, owes)
        return
    gets = rules.share_out(pot_minor, shares, owes)
    assert sum(gets) == pot_minor
    whole, total = pot_minor + sum(owes), sum(shares)
    for share, owed, got in zip(shares, owes, gets, strict=True):
        assert abs((got + owed) * total - whole * share) < total  # within one minor unit of the exact part
    assert rules.share_out(pot_minor, shares, owes) == gets


@given(amounts, st.integers(0, 1000))
def test_interest_is_agreed_and_never_rounded_away(lent, permille):
    got = rules.interest(lent, permille)
    assert 0 <= got * 1000 - lent * permille < 1000
