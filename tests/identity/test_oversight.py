"""Decisions about duplicates: thin evidence needs a second officer, a refusal opens the case again, and figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.test_acts import adjudicator, enrolled, held, key, nobody, officer, registrar, someone

from msingi.identity import acts, oversight, rules
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle.model import ProposalDecision
from msingi.identity.model import Decision, Status
from msingi.kernel.context import Kind
from msingi.kernel.errors import NotPermitted

__all__ = ["adjudicator", "enrolled", "key", "nobody", "officer", "registrar", "someone"]


@given(st.floats(-50, 80), st.integers(0, 500))
def test_one_officer_merges_alone_only_on_strong_evidence_and_not_all_day(bits, today):
    alone = not rules.needs_second(bits, today)
    assert alone == (bits >= rules.ALONE_LEAST_BITS and today < rules.ALONE_A_DAY)


async def test_thin_evidence_needs_a_second_officer_and_a_refusal_opens_the_case_again(
    stack, officer, adjudicator, ctx_of, monkeypatch
):
    monkeypatch.setattr(rules, "ALONE_LEAST_BITS", 500.0)
    first, outcome = await held(stack, officer)
    decided = await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(0, "same person"))
    assert decided.proposed and not decided.merged
    assert await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(0, "same person")) == decided
    second = ctx_of(Kind.STAFF, "judge-9", institution="rita", roles=["adjudicator"], purpose="identity-registration")

    async def proposal():
        waiting = (await life.proposals_waiting(stack, second, None, 200)).proposals
        return [p for p in waiting if p.person_id == outcome.person_id][-1].proposal_id

    await life.decide_proposal(stack, second, await proposal(), ProposalDecision(False, "look again"))
    view = await acts.read_duplicate(stack, adjudicator, outcome.case_id)
    assert view.held.status is Status.HELD
    again = await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(0, "still the same"))
    assert again.proposed
    await life.decide_proposal(stack, second, await proposal(), ProposalDecision(True, "yes, the same"))
    done = await acts.read_person(stack, officer, outcome.person_id)
    assert done.status is Status.MERGED
    told = await acts.decide_duplicate(stack, adjudicator, outcome.case_id, Decision(0, "still the same"))
    assert told.merged and told.person_id == first.person_id


async def test_access_decisions_by_officer(stack, officer, ctx_of, nobody):
    quick = ctx_of(
        Kind.STAFF, "judge-quick", institution="rita", roles=["adjudicator"], purpose="identity-registration"
    )
    for _ in range(3):
        _, outcome = await held(stack, officer)
        await acts.decide_duplicate(stack, quick, outcome.case_id, Decision(None, "different"))
    auditor = ctx_of(Kind.STAFF, "auditor-1", roles=["auditor"], purpose="audit")
    [figures] = [f for f in await oversight.decisions_by_officer(stack, auditor) if f.officer == "judge-quick"]
    assert (figures.decided, figures.same, figures.quick) == (3, 0, 2) and figures.median_s is not None
    assert not figures.hasty
    assert oversight.OfficerFigures("x", 30, 30, 10, 5.0).hasty
    with pytest.raises(NotPermitted):
        await oversight.decisions_by_officer(stack, nobody)
