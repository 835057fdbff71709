"""Acting for others on a real database: who may, for what, until when; forged and raced."""

import asyncio
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.consent.people import agreement_order, oneself, steward

from msingi.consent import acts
from msingi.consent.delegation import acts as behalf
from msingi.consent.delegation import rules
from msingi.consent.delegation.model import By, DelegationOrder
from msingi.consent.errors import ConsentEnded, DelegationUnknown, DelegationWrong, NotEntrusted
from msingi.consent.model import GrantOrder
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotPermitted, Refusal

WHY = ("consent-management",)


@pytest.fixture(scope="module")
async def family(stack, ctx_of) -> SimpleNamespace:
    """Asha; her friend Baraka; her daughter Neema of eight; and Zawadi, who is grown up and has her as guardian."""
    ctx, made = job_context("setup", "identity-registration", "legal-obligation"), {}
    for given_name, born, guardian in (
        ("Asha", "1990-05-17", ""), ("Baraka", "1985-01-02", ""), ("Neema", "2018-03-03", "Asha"),
        ("Zawadi", "2001-03-03", "Asha"),
    ):  # fmt: skip
        tied = made[guardian.lower()].number if guardian else ""
        order = EnrolmentOrder(name=Name(given_name, "Mrisho"), birth=Birth(born), guardian=tied)
        outcome = await identity.enrol(stack, ctx, order, given_name)
        assert isinstance(outcome, Enrolled)
        made[given_name.lower()] = SimpleNamespace(id=outcome.person_id, number=outcome.number)
    offered = await acts.publish_agreement(stack, steward(ctx_of), agreement_order("family"))
    return SimpleNamespace(**made, agreement=offered, yes=GrantOrder(offered.order.agreement, offered.version))


async def lets(stack, ctx_of, who, other, purposes=WHY, days=30):
    return await behalf.delegate(stack, oneself(ctx_of, who.id), who.id, DelegationOrder(other.number, purposes, days))


async def test_access_delegate(stack, ctx_of, family):
    made = await lets(stack, ctx_of, family.asha, family.baraka)
    assert made.delegate_name == "Baraka Mrisho"
    order = DelegationOrder(family.baraka.number, WHY, 30)
    for ctx in (oneself(ctx_of, family.baraka.id), oneself(ctx_of, family.asha.id, assurance=1), steward(ctx_of)):
        with pytest.raises(NotPermitted):
            await behalf.delegate(stack, ctx, family.asha.id, order)
    for wrong in (
        {"purposes": ()},
        {"purposes": ("payment",)},
        {"days": 0},
        {"days": 400},
        {"number": family.asha.number},
    ):
        with pytest.raises(DelegationWrong):
            await behalf.delegate(stack, oneself(ctx_of, family.asha.id), family.asha.id, replace(order, **wrong))
    await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)


async def test_access_act_for(stack, ctx_of, family):
    """A friend grants and withdraws within the limits, stands by name in the record, and cannot pass it on."""
    asha, baraka = family.asha.id, oneself(ctx_of, family.baraka.id)
    with pytest.raises(NotEntrusted):
        await behalf.act_for(stack, baraka, asha, "consent-management")
    made = await lets(stack, ctx_of, family.asha, family.baraka)
    theirs = await behalf.act_for(stack, baraka, asha, "consent-management")
    given = await acts.grant(stack, theirs, asha, family.yes)
    lines = await acts.accesses(stack, oneself(ctx_of, asha, "subject-access"), asha)
    (line,) = [each for each in lines.items if each.act == "consent.grant"]
    assert line.actor == "Baraka Mrisho (delegation)"
    for purpose in ("redress", "payment", "health-care"):
        with pytest.raises(NotEntrusted):
            await behalf.act_for(stack, baraka, asha, purpose)
    with pytest.raises(NotPermitted):  # one factor is not enough to act for somebody
        await behalf.act_for(stack, oneself(ctx_of, family.baraka.id, assurance=1), asha, "consent-management")
    with pytest.raises(NotPermitted):  # law 1: it is not passed on
        await behalf.delegate(stack, theirs, asha, DelegationOrder(family.zawadi.number, WHY, 30))
    with pytest.raises(Refusal):
        await behalf.act_for(stack, theirs, family.neema.id, "consent-management")
    await acts.withdraw(stack, await behalf.act_for(stack, baraka, asha, "consent-management"), asha, given.consent_id)
    await behalf.end_delegation(stack, oneself(ctx_of, asha), asha, made.delegation_id)
    with pytest.raises(NotEntrusted):  # at once
        await behalf.act_for(stack, baraka, asha, "consent-management")


async def test_access_end_delegation(stack, ctx_of, family):
    made = await lets(stack, ctx_of, family.asha, family.baraka)
    with pytest.raises(NotPermitted):
        await behalf.end_delegation(stack, oneself(ctx_of, family.baraka.id), family.asha.id, made.delegation_id)
    with pytest.raises(DelegationUnknown):
        await behalf.end_delegation(stack, oneself(ctx_of, family.baraka.id), family.baraka.id, made.delegation_id)
    await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)
    with pytest.raises(DelegationUnknown):
        await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)


async def test_access_delegations(stack, ctx_of, family):
    made = await lets(stack, ctx_of, family.asha, family.baraka)
    mine = await behalf.delegations(stack, oneself(ctx_of, family.asha.id), family.asha.id)
    assert made.delegation_id in {d.delegation_id for d in mine.given} and not mine.received
    theirs = await behalf.delegations(stack, oneself(ctx_of, family.baraka.id), family.baraka.id)
    assert [d.person_name for d in theirs.received] == ["Asha Mrisho"] and not theirs.given
    with pytest.raises(NotPermitted):
        await behalf.delegations(stack, oneself(ctx_of, family.baraka.id), family.asha.id)
    await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)


async def test_a_guardian_acts_for_a_child_and_no_longer_for_a_grown_up(stack, ctx_of, family):
    asha = oneself(ctx_of, family.asha.id)
    theirs = await behalf.act_for(stack, asha, family.neema.id, "consent-management")
    assert theirs.actor.name == f"Asha Mrisho ({By.GUARDIAN})"
    await acts.grant(stack, theirs, family.neema.id, family.yes)
    with pytest.raises(NotEntrusted):
        await behalf.act_for(stack, asha, family.zawadi.id, "consent-management")
    with pytest.raises(NotEntrusted):
        await behalf.act_for(stack, oneself(ctx_of, family.baraka.id), family.neema.id, "consent-management")


async def test_a_delegation_ends_by_itself_at_its_time(stack, ctx_of, family):
    made = await lets(stack, ctx_of, family.asha, family.baraka, days=1)
    baraka = oneself(ctx_of, family.baraka.id)
    late = replace(baraka, at=baraka.at + timedelta(days=1, seconds=1))
    with pytest.raises(NotEntrusted):
        await behalf.act_for(stack, late, family.asha.id, "consent-management")
    await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)


async def test_a_consent_that_two_withdraw_at_once_ends_once(stack, ctx_of, family):
    """The person and the delegate race: one withdrawal, one revision, one clear refusal."""
    asha = family.asha.id
    made = await lets(stack, ctx_of, family.asha, family.baraka)
    given = await acts.grant(stack, oneself(ctx_of, asha), asha, family.yes)
    theirs = await behalf.act_for(stack, oneself(ctx_of, family.baraka.id), asha, "consent-management")
    sent = [acts.withdraw(stack, ctx, asha, given.consent_id) for ctx in (oneself(ctx_of, asha), theirs) for _ in "ab"]
    ended = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(isinstance(each, ConsentEnded) for each in ended) == 3
    chain = await acts.receipts(stack, oneself(ctx_of, asha), asha, given.consent_id)
    assert [each.revision for each in chain] == [1, 2]
    await behalf.end_delegation(stack, oneself(ctx_of, asha), asha, made.delegation_id)


async def test_the_list_of_who_lets_me_act_is_not_for_others(stack, ctx_of, family):
    """The function below the wall shows nothing to a permit that does not reach its person."""
    from msingi.consent.delegation import store
    from msingi.kernel import clock, log, policy

    made = await lets(stack, ctx_of, family.asha, family.baraka)
    permit = policy.decide(oneself(ctx_of, family.zawadi.id), "consent.delegations", family.zawadi.id)
    async with stack.db.transaction(permit) as tx:
        assert await store.received(tx, family.baraka.id, clock.now()) == []
        log.append(tx, permit, subject=family.zawadi.id)
    await behalf.end_delegation(stack, oneself(ctx_of, family.asha.id), family.asha.id, made.delegation_id)


@given(st.dates(date(1950, 1, 1), date(2026, 11, 22)), st.sampled_from([4, 7, 10]), st.sampled_from([18, 20, 21]))
def test_law_3_who_is_of_age_is_nobodys_child(born, known, adult):
    """However little of a birth date is known, somebody who has surely come of age is not taken for a child."""
    today = date(2026, 11, 22)
    text = born.isoformat()[:known]
    latest = {4: date(born.year, 12, 31), 7: date(born.year, born.month, 28) + timedelta(days=4), 10: born}[known]
    years = today.year - latest.year - ((today.month, today.day) < (latest.month, latest.day))
    if years >= adult:
        assert not rules.is_child(text, adult, today)
    assert not rules.is_child("", adult, today)
