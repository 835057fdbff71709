"""The life cycle: two people for what says who somebody is, merges that come apart, guardians, the past, the told."""

import asyncio
import uuid
from datetime import date, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.test_acts import (
    adjudicator,
    enrolled,
    held,
    job_ctx,
    key,
    nobody,
    officer,
    portrait,
    registrar,
    someone,
)

from msingi.countries.portrait import portrait as face
from msingi.identity import acts, aliases, deliveries
from msingi.identity.aliases import AliasOrder
from msingi.identity.errors import (
    AlreadyDecided,
    EvidenceMissing,
    GuardianAlready,
    NotInThisState,
    NotInUse,
    Overtaken,
    PhotoAlready,
    SameHands,
    TooManyAliases,
    UnknownAlias,
    UnknownGuardianship,
    UnknownNumber,
    UnknownProposal,
)
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import guardians, relying, rules
from msingi.identity.lifecycle.model import (
    Amendment,
    GuardianKind,
    GuardianOrder,
    ProposalDecision,
    ProposalId,
    ProposalState,
    UpdateOrder,
)
from msingi.identity.model import Address, Birth, Cause, Decision, Document, Name, Row, Status
from msingi.identity.rules import majority
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import Malformed, NotFound, NotPermitted
from msingi.kernel.ids import PersonId, uuid7

__all__ = ["adjudicator", "nobody", "officer", "registrar"]  # fixtures, imported by name
YES = ProposalDecision(True, "Seen the papers.")
NO = ProposalDecision(False, "The papers do not say so.")
DEED = (Document("court order", "12/2026"),)


@pytest.fixture
def judge_2(ctx_of):
    """A second person who decides: adjudicator and registrar."""
    return ctx_of(
        Kind.STAFF,
        "judge-2",
        institution="rita",
        roles=["adjudicator", "registrar"],
        purpose="identity-registration",
        basis="legal-obligation",
    )


def own(ctx_of, person_id, purpose="identity-registration", assurance=2):
    return ctx_of(Kind.PERSON, person_id, purpose=purpose, basis="legal-obligation", assurance=assurance)


def institution(ctx_of, code="benki", purpose="identity-proofing"):
    return ctx_of(Kind.CLIENT, f"{code}-app", institution=code, purpose=purpose, basis="contract")


def renamed(name: Name, **more) -> UpdateOrder:
    return UpdateOrder(Amendment(name=name), "Married.", more.pop("evidence", DEED), **more)


async def merged(stack, adjudicator, judge_2, one, two):
    asked = await life.propose_merge(stack, adjudicator, one.person_id, two.person_id, "The same woman.")
    assert await life.decide_proposal(stack, judge_2, asked, YES) is ProposalState.APPROVED


async def status(stack, person_id) -> Status:
    return (await acts.status_of(stack, job_context("test"), person_id))[0]


# --- corrections -----------------------------------------------------------------------------------------------------


async def test_a_correction_needs_evidence_and_a_second_person_and_is_found_under_both_names(
    stack, officer, judge_2, ctx_of
):
    order = someone()
    one = await acts.enrol(stack, officer, order, key())
    new = Name(order.name.given, "Mwakasege")
    with pytest.raises(EvidenceMissing):
        await life.propose_update(stack, officer, one.person_id, renamed(new, evidence=()), key())
    again = key()
    asked = await life.propose_update(stack, officer, one.person_id, renamed(new, photo=portrait()), again)
    assert await life.propose_update(stack, officer, one.person_id, renamed(new, photo=portrait()), again) == asked
    assert (await acts.read_person(stack, officer, one.person_id)).demographics.name == order.name
    view = await life.read_proposal(stack, judge_2, asked)
    assert view.after.name == new and view.new_photo and view.proposal.fields == ("name", "photo")
    assert await life.decide_proposal(stack, judge_2, asked, YES) is ProposalState.APPROVED
    assert await life.decide_proposal(stack, judge_2, asked, YES) is ProposalState.APPROVED
    with pytest.raises(AlreadyDecided):
        await life.decide_proposal(stack, judge_2, asked, NO)
    known = await acts.read_person(stack, officer, one.person_id)
    assert known.demographics.name == new and known.demographics.documents == DEED and known.number == one.number
    assert await acts.read_photo(stack, officer, one.person_id)
    names = await life.name_history(stack, officer, one.person_id)
    assert [n.name for n in names] == [order.name, new] and names[0].valid_to == names[1].valid_from


async def test_an_officer_cannot_approve_what_they_proposed_and_the_database_says_so_too(
    stack, owner_url, ctx_of, officer
):
    both = ctx_of(
        Kind.STAFF,
        "mallory",
        institution="rita",
        roles=["enrolment-officer", "registrar", "adjudicator"],
        purpose="identity-registration",
    )
    one = await enrolled(stack, officer)
    asked = await life.propose_update(stack, both, one.person_id, renamed(Name("Mallory")), key())
    with pytest.raises(SameHands):
        await life.decide_proposal(stack, both, asked, YES)
    conn = await asyncpg.connect(owner_url)
    with pytest.raises(asyncpg.CheckViolationError):
        await conn.execute(
            "UPDATE identity.proposal SET state = 'approved', decided_by = proposed_by WHERE proposal_id = $1", asked
        )
    await conn.close()
    assert await life.decide_proposal(stack, both, asked, NO) is ProposalState.REFUSED  # taking back is allowed


async def test_what_was_proposed_on_an_older_record_is_not_carried_out(stack, officer, judge_2):
    one = await enrolled(stack, officer)
    asked = await life.propose_update(stack, officer, one.person_id, renamed(Name("Rehema")), key())
    await acts.set_phone(stack, officer, one.person_id, "0754 123 987")
    with pytest.raises(Overtaken):
        await life.decide_proposal(stack, judge_2, asked, YES)
    assert await life.decide_proposal(stack, judge_2, asked, NO) is ProposalState.REFUSED


async def test_a_person_proposes_about_themselves_and_of_two_approvers_at_once_one_decides(
    stack, officer, judge_2, registrar, ctx_of
):
    one = await enrolled(stack, officer)
    asked = await life.propose_update(stack, own(ctx_of, one.person_id), one.person_id, renamed(Name("Upendo")), key())
    seen = await life.proposals_of(stack, own(ctx_of, one.person_id, "subject-access"), one.person_id)
    assert [p.proposal_id for p in seen] == [asked]
    both = await asyncio.gather(
        *(life.decide_proposal(stack, ctx, asked, YES) for ctx in (judge_2, registrar)), return_exceptions=True
    )
    assert sorted(type(x).__name__ for x in both) == ["AlreadyDecided", "ProposalState"]
    assert len(await acts.read_history(stack, officer, one.person_id)) == 2


async def test_contact_is_changed_by_one_but_never_who_somebody_is(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    me = own(ctx_of, one.person_id)
    await life.update_contact(stack, me, one.person_id, Amendment(address=Address(("Njia 3",)), region="R02"), "Moved.")
    known = (await acts.read_person(stack, officer, one.person_id)).demographics
    assert known.address.lines == ("Njia 3",) and known.region == "R02"
    for change in (Amendment(name=Name("X Y")), Amendment(birth=Birth("1901"))):
        with pytest.raises(Malformed):
            await life.update_contact(stack, me, one.person_id, change, "Moved.")
    with pytest.raises(Malformed):
        await life.update_contact(stack, me, one.person_id, Amendment(region="R02"), "Nothing changes.")


async def test_a_record_is_read_as_the_register_knew_it(stack, officer, adjudicator, judge_2):
    before = clock.now()
    one = await enrolled(stack, officer)
    then = clock.now()
    asked = await life.propose_update(stack, officer, one.person_id, renamed(Name("Zawadi")), key())
    await life.decide_proposal(stack, judge_2, asked, YES)
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.", Cause.OWN_REQUEST)
    past = await life.read_as_of(stack, officer, one.person_id, then)
    assert past.demographics.name != Name("Zawadi") and past.status.status is Status.ACTIVE
    now = await life.read_as_of(stack, officer, one.person_id, clock.now())
    assert now.demographics.name == Name("Zawadi")
    assert (now.status.status, now.status.cause) == (Status.SUSPENDED, Cause.OWN_REQUEST)
    with pytest.raises(NotFound):
        await life.read_as_of(stack, officer, one.person_id, before)


# --- merge, unmerge, death --------------------------------------------------------------------------------------------


async def test_a_merge_is_undone_without_a_trace_but_in_the_history(stack, officer, adjudicator, judge_2):
    one = await enrolled(stack, officer, phone="0754 000 201")
    two = await enrolled(stack, officer, phone="0754 000 202")
    before = [await acts.read_person(stack, officer, x.person_id) for x in (one, two)]
    await merged(stack, adjudicator, judge_2, one, two)
    assert await acts.status_of(stack, job_context("test"), one.person_id) == (Status.MERGED, two.person_id)
    with pytest.raises(NotInUse):
        await acts.person_by_number(stack, officer, one.number)
    with pytest.raises(NotFound):
        await acts.person_by_phone(stack, officer, "0754 000 201")
    for act in (acts.suspend, acts.reactivate, acts.deactivate):
        with pytest.raises(NotInThisState):
            await act(stack, adjudicator, one.person_id, "A short cut.")
    asked = await life.propose_unmerge(stack, judge_2, one.person_id, "Twins.")
    assert await life.decide_proposal(stack, adjudicator, asked, YES) is ProposalState.APPROVED
    after = [await acts.read_person(stack, officer, x.person_id) for x in (one, two)]
    assert after == before
    assert await acts.person_by_phone(stack, officer, "0754 000 201") == one.person_id
    history = await life.read_as_of(stack, officer, one.person_id, clock.now())
    assert history.status.cause is Cause.ERROR


async def test_a_held_record_that_was_merged_wrongly_gets_what_it_never_had(stack, officer, adjudicator, judge_2):
    first, second = await held(stack, officer)
    await acts.decide_duplicate(stack, adjudicator, second.case_id, Decision(0, "The same man."))
    asked = await life.propose_unmerge(stack, adjudicator, second.person_id, "A brother after all.")
    await life.decide_proposal(stack, judge_2, asked, YES)
    person = await acts.read_person(stack, officer, second.person_id)
    assert person.status is Status.ACTIVE and person.number and person.number != first.number


async def test_merges_that_would_steal_or_loop_are_refused(stack, officer, adjudicator, judge_2):
    one, two, three = [await enrolled(stack, officer) for _ in range(3)]
    with pytest.raises(Malformed):
        await life.propose_merge(stack, adjudicator, one.person_id, one.person_id, "Myself.")
    await merged(stack, adjudicator, judge_2, one, two)
    with pytest.raises(NotInThisState):  # a ring
        await life.propose_merge(stack, adjudicator, two.person_id, one.person_id, "Back.")
    asked = await life.propose_merge(stack, adjudicator, two.person_id, three.person_id, "Onward.")
    await acts.deactivate(stack, adjudicator, three.person_id, "Issued in error.")
    with pytest.raises(NotInThisState):  # what was true when it was proposed is asked for again
        await life.decide_proposal(stack, judge_2, asked, YES)
    assert await status(stack, two.person_id) is Status.ACTIVE


# --- guardians -------------------------------------------------------------------------------------------------------


async def child(stack, officer, years: int = 9, **more):
    born = clock.today().replace(day=1) - timedelta(days=365 * years)
    return await enrolled(stack, officer, birth=Birth(born.isoformat()), **more)


async def test_a_child_has_several_guardians_until_it_is_an_adult(stack, officer, registrar, ctx_of):
    mother, uncle = await enrolled(stack, officer), await enrolled(stack, officer)
    ward = await child(stack, officer, guardian=mother.number)
    order = GuardianOrder(uncle.number, GuardianKind.KIN, "The mother works abroad.")
    right = await guardians.grant_guardian(stack, registrar, ward.person_id, order)
    assert right.until.year - clock.today().year in (8, 9, 10)
    with pytest.raises(GuardianAlready):
        await guardians.grant_guardian(stack, registrar, ward.person_id, order)
    found = await guardians.guardians_of(stack, registrar, ward.person_id)
    assert {g.guardian_id for g in found} == {mother.person_id, uncle.person_id}
    mine = await guardians.my_wards(stack, own(ctx_of, uncle.person_id, "subject-access"))
    assert [person.number for _, person in mine] == [ward.number]
    assert not await guardians.guardians_of(stack, registrar, ward.person_id, right.until)
    await guardians.end_guardian(stack, registrar, ward.person_id, mother.person_id, "By order of the court.")
    with pytest.raises(UnknownGuardianship):
        await guardians.end_guardian(stack, registrar, ward.person_id, mother.person_id, "Again.")
    await guardians.end_guardian(stack, registrar, ward.person_id, uncle.person_id, "Taken back on the same day.")
    assert not await guardians.my_wards(stack, own(ctx_of, uncle.person_id, "subject-access"))
    assert (await guardians.grant_guardian(stack, registrar, ward.person_id, order)).guardian_id == uncle.person_id


async def test_a_guardians_right_ends_with_majority_and_everybody_is_told(stack, officer, ctx_of):
    mother = await enrolled(stack, officer)
    ward = await child(stack, officer, 17, guardian=mother.number)
    job = job_context("identity-life-cycle")
    with clock.freeze(clock.now() + timedelta(days=500)):
        assert await guardians.tell_ended(stack, job) >= 1
        assert not await guardians.my_wards(stack, own(ctx_of, mother.person_id, "subject-access"))
        assert await guardians.tell_ended(stack, job) == 0
    assert ward


async def test_an_adult_gets_a_guardian_from_a_court_only_and_not_for_ever(stack, officer, registrar):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    until = clock.today() + timedelta(days=365)
    for wrong in (
        GuardianOrder(two.number, GuardianKind.KIN, "Says so."),
        GuardianOrder(two.number, GuardianKind.COURT, "For ever."),
        GuardianOrder(two.number, GuardianKind.COURT, "Past.", clock.today()),
        GuardianOrder(one.number, GuardianKind.COURT, "Oneself.", until),
    ):
        with pytest.raises(Malformed):
            await guardians.grant_guardian(stack, registrar, one.person_id, wrong)
    right = await guardians.grant_guardian(
        stack, registrar, one.person_id, GuardianOrder(two.number, GuardianKind.COURT, "Case 9/2026.", until)
    )
    assert right.until == until


@given(
    st.dates(date(1950, 1, 1), date(2026, 11, 1)),
    st.sampled_from(GuardianKind),
    st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2060, 1, 1))),
    st.sampled_from([4, 7, 10]),
)
def test_law_4_no_right_without_a_court_reaches_beyond_majority(born, kind, until, known):
    today, adult_on = date(2026, 11, 22), majority(Birth(born.isoformat()[:known]), 18)
    assert adult_on is not None and adult_on.year - born.year in (18, 19)
    assert adult_on >= majority(Birth(born.isoformat()), 18)  # what is not known protects the child
    try:
        end = rules.guardian_until(adult_on, kind, until, today, same=False)
    except Malformed:
        return
    assert end is not None and end > today
    assert kind is GuardianKind.COURT or end <= adult_on


# --- who is told -----------------------------------------------------------------------------------------------------


async def test_institutions_are_told_under_their_own_pseudonym_in_order_and_nothing_of_others(
    stack, officer, adjudicator, judge_2, ctx_of
):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    bank, clinic = institution(ctx_of), institution(ctx_of, "zahanati")
    mine, theirs = (stack.pseudonym.of(code, one.person_id) for code in ("benki", "zahanati"))
    with pytest.raises(NotFound):  # the clinic's pseudonym means nobody to the bank
        await relying.rely(stack, bank, theirs)
    await relying.rely(stack, bank, mine)
    await relying.note_relying(stack, job_context("consent"), two.person_id, "zahanati")
    start = (await relying.notices(stack, bank)).next_after
    await acts.set_phone(stack, officer, one.person_id, "0754 000 301")
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.")
    await acts.reactivate(stack, adjudicator, one.person_id, "Found.")
    await merged(stack, adjudicator, judge_2, one, two)
    asked = await life.propose_unmerge(stack, adjudicator, one.person_id, "No.")
    await life.decide_proposal(stack, judge_2, asked, YES)
    told, page = [], await relying.notices(stack, bank, start, 2)
    while page.notices:
        told += page.notices
        page = await relying.notices(stack, bank, page.next_after, 2)
    assert [(n.what, n.status) for n in told] == [
        ("changed", ""), ("status", "suspended"), ("status", "active"), ("merged", ""),
        ("status", "active"), ("unmerged", ""),
    ]  # fmt: skip
    assert {n.pseudonym for n in told} == {mine}
    assert told[3].other == stack.pseudonym.of("benki", two.person_id) == told[5].other
    assert all(n.pseudonym != theirs for n in (await relying.notices(stack, clinic)).notices)
    await relying.rely(stack, bank, mine, wanted=False)
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.")
    assert not (await relying.notices(stack, bank, page.next_after)).notices
    with clock.freeze(clock.now() + timedelta(days=91)):
        assert await relying.forget_notices(stack, job_context("identity-life-cycle")) >= 6


async def test_law_5_a_cursor_never_runs_past_news_of_a_transaction_still_under_way(stack, owner_url, officer, ctx_of):
    """A slow transaction told first and commits last: whoever reads in between waits for it, and misses nothing."""
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    shop = institution(ctx_of, "duka")
    for person in (one, two):
        await relying.note_relying(stack, job_context("consent"), person.person_id, "duka")
    conn = await asyncpg.connect(owner_url)
    slow = conn.transaction()
    await slow.start()
    told = "INSERT INTO identity.notice (institution, person_id, kind, at) VALUES ('duka', $1, 'changed', now())"
    await conn.execute(told, one.person_id)
    await acts.set_phone(stack, officer, two.person_id, "0754 000 401")
    between = await relying.notices(stack, shop)
    await slow.commit()
    after = await relying.notices(stack, shop, between.next_after)
    await conn.close()
    seen = {n.pseudonym for n in (*between.notices, *after.notices)}
    assert seen == {stack.pseudonym.of("duka", p.person_id) for p in (one, two)}


# --- virtual ids ------------------------------------------------------------------------------------------------------


async def test_a_virtual_id_stands_for_the_number_until_it_ends(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    me = own(ctx_of, one.person_id, "identity-proofing", 1)
    short = await aliases.create_alias(stack, me, one.person_id, AliasOrder(days=1))
    once_only = await aliases.create_alias(stack, me, one.person_id, AliasOrder(uses=1))
    ended = await aliases.create_alias(stack, me, one.person_id, AliasOrder())
    bank = institution(ctx_of)
    spaced = " ".join(short.number[i : i + 4] for i in range(0, 16, 4))
    assert await acts.person_by_number(stack, bank, spaced) == one.person_id
    assert await acts.persons_by_number(stack, bank, [short.number, one.number]) == {
        short.number: one.person_id,
        one.number: one.person_id,
    }
    for _ in range(2):  # a code is sent, then answered: one errand of one asker
        assert await acts.person_by_number(stack, bank, once_only.number) == one.person_id
    with pytest.raises(UnknownNumber):
        await acts.person_by_number(stack, institution(ctx_of, "duka"), once_only.number)
    await aliases.revoke_alias(stack, me, one.person_id, ended.alias_id)
    with clock.freeze(clock.now() + timedelta(days=2)):
        for dead in (short, once_only, ended):
            with pytest.raises(UnknownNumber):
                await acts.person_by_number(stack, bank, dead.number)
        states = [a.state for a in await aliases.list_aliases(stack, me, one.person_id)]
    assert states == ["revoked", "used-up", "expired"]
    with pytest.raises(UnknownAlias):
        await aliases.revoke_alias(stack, me, one.person_id, aliases.AliasId(uuid7()))


async def test_virtual_ids_have_limits_and_a_suspended_person_makes_none(stack, officer, adjudicator, ctx_of):
    one = await enrolled(stack, officer)
    me = own(ctx_of, one.person_id, "identity-proofing")
    for wrong in (AliasOrder(days=-1), AliasOrder(uses=-1), AliasOrder(days=10**9)):
        with pytest.raises(Malformed):
            await aliases.create_alias(stack, me, one.person_id, wrong)
    for _ in range(aliases.MOST_LIVE):
        made = await aliases.create_alias(stack, me, one.person_id, AliasOrder())
    with pytest.raises(TooManyAliases):
        await aliases.create_alias(stack, me, one.person_id, AliasOrder())
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.")
    with pytest.raises(NotInUse):
        await acts.person_by_number(stack, institution(ctx_of), made.number)
    with pytest.raises(UnknownAlias):
        await aliases.create_alias(stack, me, one.person_id, AliasOrder())


# --- access ----------------------------------------------------------------------------------------------------------


async def test_access_status_of(stack, officer, nobody):
    one = await enrolled(stack, officer)
    assert await status(stack, one.person_id) is Status.ACTIVE
    with pytest.raises(NotPermitted):
        await acts.status_of(stack, nobody, one.person_id)
    with pytest.raises(NotFound):
        await acts.status_of(stack, job_context("test"), PersonId(uuid.uuid4()))


async def test_access_propose_update(stack, officer, nobody, ctx_of):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    assert await life.propose_update(stack, officer, one.person_id, renamed(Name("Tatu")), key())
    for ctx in (nobody, own(ctx_of, two.person_id), own(ctx_of, one.person_id, assurance=1)):
        with pytest.raises(NotPermitted):
            await life.propose_update(stack, ctx, one.person_id, renamed(Name("Tatu")), key())


async def test_access_propose_merge(stack, officer, adjudicator):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    assert await life.propose_merge(stack, adjudicator, one.person_id, two.person_id, "Alike.")
    with pytest.raises(NotPermitted):
        await life.propose_merge(stack, officer, one.person_id, two.person_id, "Alike.")


async def test_access_propose_unmerge(stack, officer, adjudicator, judge_2):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    with pytest.raises(NotInThisState):
        await life.propose_unmerge(stack, adjudicator, one.person_id, "It is not merged.")
    await merged(stack, adjudicator, judge_2, one, two)
    with pytest.raises(NotPermitted):
        await life.propose_unmerge(stack, officer, one.person_id, "No.")
    assert await life.propose_unmerge(stack, adjudicator, one.person_id, "Yes.")


async def test_access_propose_revival(stack, officer, registrar, adjudicator):
    one = await enrolled(stack, officer)
    with pytest.raises(NotPermitted):
        await life.propose_revival(stack, adjudicator, one.person_id, "Alive.")
    with pytest.raises(NotInThisState):
        await life.propose_revival(stack, registrar, one.person_id, "Alive.")


async def test_access_proposals_waiting(stack, officer, adjudicator):
    page = await life.proposals_waiting(stack, adjudicator, limit=1)
    assert page.waiting >= len(page.proposals) == 1 and page.next_after
    more = await life.proposals_waiting(stack, adjudicator, page.next_after)
    assert page.proposals[0].proposal_id not in {p.proposal_id for p in more.proposals}
    with pytest.raises(NotPermitted):
        await life.proposals_waiting(stack, officer)


async def test_access_proposals_of(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    assert await life.proposals_of(stack, own(ctx_of, one.person_id, "subject-access"), one.person_id) == ()
    with pytest.raises(NotPermitted):
        await life.proposals_of(stack, own(ctx_of, uuid7(), "subject-access"), one.person_id)


async def test_access_read_proposal(stack, officer, registrar):
    one = await enrolled(stack, officer)
    asked = await life.propose_update(stack, officer, one.person_id, renamed(Name("Sita")), key())
    assert (await life.read_proposal(stack, registrar, asked)).before.number == one.number
    with pytest.raises(NotPermitted):
        await life.read_proposal(stack, officer, asked)
    with pytest.raises(UnknownProposal):
        await life.read_proposal(stack, registrar, ProposalId(uuid.uuid4()))


async def test_access_decide_proposal(stack, officer, registrar, adjudicator, ctx_of):
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    asked = await life.propose_merge(stack, adjudicator, one.person_id, two.person_id, "Alike.")
    weak = ctx_of(
        Kind.STAFF, "judge-3", institution="rita", roles=["adjudicator"], assurance=1, purpose="identity-registration"
    )
    for ctx in (officer, registrar, weak):  # a registrar does not merge
        with pytest.raises(NotPermitted):
            await life.decide_proposal(stack, ctx, asked, YES)
    assert await life.decide_proposal(stack, adjudicator, asked, NO) is ProposalState.REFUSED


async def test_access_update_contact(stack, officer, nobody):
    one = await enrolled(stack, officer)
    await life.update_contact(stack, officer, one.person_id, Amendment(language="fr"), "Asked for.")
    with pytest.raises(NotPermitted):
        await life.update_contact(stack, nobody, one.person_id, Amendment(language="en"), "Asked for.")


async def test_access_read_as_of(stack, officer, nobody):
    one = await enrolled(stack, officer)
    assert await life.read_as_of(stack, officer, one.person_id, clock.now())
    with pytest.raises(NotPermitted):
        await life.read_as_of(stack, nobody, one.person_id, clock.now())


async def test_access_name_history(stack, officer, nobody):
    one = await enrolled(stack, officer)
    assert await life.name_history(stack, officer, one.person_id)
    with pytest.raises(NotPermitted):
        await life.name_history(stack, nobody, one.person_id)


async def test_access_guardian_acts(stack, officer, registrar, nobody, ctx_of):
    one, two = await enrolled(stack, officer), await child(stack, officer)
    order = GuardianOrder(one.number, GuardianKind.PARENT, "Birth certificate.")
    with pytest.raises(NotPermitted):
        await guardians.grant_guardian(stack, officer, two.person_id, order)
    await guardians.grant_guardian(stack, registrar, two.person_id, order)
    with pytest.raises(NotPermitted):
        await guardians.end_guardian(stack, officer, two.person_id, one.person_id, "No.")
    for ctx in (nobody, own(ctx_of, one.person_id, "subject-access")):
        with pytest.raises(NotPermitted):
            await guardians.guardians_of(stack, ctx, two.person_id)
    assert await guardians.guardians_of(stack, own(ctx_of, two.person_id, "subject-access"), two.person_id)
    with pytest.raises(NotPermitted):
        await guardians.my_wards(stack, registrar)
    with pytest.raises(NotPermitted):
        await guardians.tell_ended(stack, registrar)


async def test_access_relying_acts(stack, officer, registrar, ctx_of):
    one = await enrolled(stack, officer)
    pseudonym = stack.pseudonym.of("rita", one.person_id)
    for act in (
        relying.rely(stack, registrar, pseudonym),
        relying.notices(stack, registrar),
        relying.note_relying(stack, institution(ctx_of), one.person_id, "benki"),
        relying.forget_notices(stack, institution(ctx_of)),
    ):
        with pytest.raises(NotPermitted):
            await act
    for wrong in ("x", "1", "99999999999999999999." + "0" * 32, "1." + "g" * 32):
        with pytest.raises(Malformed):
            await relying.notices(stack, institution(ctx_of), wrong)


async def test_access_alias_acts(stack, officer, nobody, ctx_of):
    one = await enrolled(stack, officer)
    other = own(ctx_of, uuid7(), "identity-proofing")
    made = await aliases.create_alias(stack, officer, one.person_id, AliasOrder())
    for ctx in (nobody, other):
        for act in (
            aliases.create_alias(stack, ctx, one.person_id, AliasOrder()),
            aliases.list_aliases(stack, ctx, one.person_id),
            aliases.revoke_alias(stack, ctx, one.person_id, made.alias_id),
        ):
            with pytest.raises(NotPermitted):
                await act


async def test_access_add_photo(stack, officer, adjudicator):
    one = await enrolled(stack, officer)
    with pytest.raises(NotPermitted):
        await life.add_photo(stack, adjudicator, one.person_id, portrait())
    assert "framing" not in await life.add_photo(stack, officer, one.person_id, face("7:1", "female", 30))
    with pytest.raises(PhotoAlready):  # from now on two people decide which face it is
        await life.add_photo(stack, officer, one.person_id, portrait())


async def test_a_delivery_shows_how_far_it_is_also_after_a_restart(stack, officer, nobody):
    rows = [Row(str(n), someone()) for n in range(5)] + [Row("wrong", fault=Malformed("No.", field="x", rule="y"))]
    source = key()
    with pytest.raises(RuntimeError):

        def dies(progress):
            if progress.done >= 4:
                raise RuntimeError("killed")

        await acts.enrol_many(stack, job_ctx(), rows, source, dies, batch_rows=2, total=6)
    mine = next(d for d in await deliveries.deliveries(stack, officer) if d.source == source)
    assert (mine.done, mine.total) == (4, 6)
    for _ in range(2):  # resumed, and run once more: the counts are exact
        await acts.enrol_many(stack, job_ctx(), rows, source, batch_rows=2, total=6)
        mine = next(d for d in await deliveries.deliveries(stack, officer) if d.source == source)
        assert (mine.enrolled + mine.held, mine.refused, mine.done) == (5, 1, 6)
    with pytest.raises(NotPermitted):
        await deliveries.deliveries(stack, nobody)
