"""Requests and complaints on a real database: who may what, the clock, appeals, evidence; one access test per act."""

import asyncio
import io
import json
import zipfile
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace

from msingi.governance import acts, rules
from msingi.governance.errors import (
    CannotAppeal,
    CaseMalformed,
    CaseNotOpen,
    CaseUnknown,
    ExhibitRefused,
    GroundMissing,
    TooManyCases,
)
from msingi.governance.model import Answer, CaseOrder, Kind, NewExhibit, Outcome, Stage, State
from msingi.identity import acts as identity
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind as Who
from msingi.kernel.errors import DifferentContent, Erased, NotFound, NotPermitted
from msingi.kernel.ids import token
from msingi.kernel.log import proof, sequencer

WHY = "We looked at it and this is what we found."
GRANT = Answer(Outcome.GRANTED, WHY)
COMPLAINT = CaseOrder(Kind.COMPLAINT, "Somebody looked at my record.", institution="zahanati")


async def opened(stack, as_person, who, order=COMPLAINT, **more):
    return await acts.open_case(stack, as_person(who, **more), who, order, token(9))


def later(ctx, days):
    return replace(ctx, at=ctx.at + timedelta(days=days))


async def test_access_open_case(stack, town, as_person, as_office, ctx_of):
    case = await opened(stack, as_person, town.asha.id)
    assert case.state is State.OPEN and case.institution == "zahanati"
    assert (case.due_at - case.opened_at).days == stack.profile.law.complaints.institution_days
    with pytest.raises(NotPermitted):
        await acts.open_case(stack, as_person(town.baraka.id), town.asha.id, COMPLAINT, token(9))
    clerk = as_office("hazina", "payment-clerk")
    with pytest.raises(NotPermitted):
        await acts.open_case(stack, clerk, town.asha.id, COMPLAINT, token(9))
    officer = ctx_of(
        Who.STAFF, "officer-1", institution="rita", roles=["enrolment-officer"], purpose="redress", basis="public-task"
    )
    at_desk = await acts.open_case(stack, officer, town.asha.id, COMPLAINT, token(9))
    assert at_desk.channel == "desk" and at_desk.assisted_by == "officer-1"


async def test_access_cases(stack, town, as_person):
    mine = await acts.cases(stack, as_person(town.asha.id), town.asha.id)
    assert mine.items
    with pytest.raises(NotPermitted):
        await acts.cases(stack, as_person(town.baraka.id), town.asha.id)


async def test_access_case(stack, town, as_person):
    case = await opened(stack, as_person, town.asha.id)
    dossier = await acts.case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    assert dossier.text == COMPLAINT.text
    with pytest.raises(NotPermitted):
        await acts.case(stack, as_person(town.baraka.id), town.asha.id, case.case_id)
    with pytest.raises(CaseUnknown):  # one's own permit does not reach the case of somebody else
        await acts.case(stack, as_person(town.baraka.id), town.baraka.id, case.case_id)


async def test_access_case_by_reference(stack, town, as_person):
    case = await opened(stack, as_person, town.asha.id)
    typed = case.reference.lower().replace("-", " ").replace("0", "o")
    found = await acts.case_by_reference(stack, as_person(town.asha.id), town.asha.id, typed)
    assert found.case_id == case.case_id
    with pytest.raises(CaseUnknown):
        await acts.case_by_reference(stack, as_person(town.baraka.id), town.baraka.id, case.reference)
    with pytest.raises(NotPermitted):
        await acts.case_by_reference(stack, as_person(town.baraka.id), town.asha.id, case.reference)


async def test_access_write(stack, town, as_person):
    case = await opened(stack, as_person, town.asha.id)
    await acts.write(stack, as_person(town.asha.id), town.asha.id, case.case_id, "It was on Monday.")
    dossier = await acts.case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    assert [m.text for m in dossier.messages] == ["It was on Monday."]
    with pytest.raises(NotPermitted):
        await acts.write(stack, as_person(town.baraka.id), town.asha.id, case.case_id, "It was not.")
    with pytest.raises(CaseMalformed):
        await acts.write(stack, as_person(town.asha.id), town.asha.id, case.case_id, "  ")


async def test_access_withdraw_case(stack, town, as_person):
    case = await opened(stack, as_person, town.asha.id)
    with pytest.raises(NotPermitted):
        await acts.withdraw_case(stack, as_person(town.baraka.id), town.asha.id, case.case_id)
    ended = await acts.withdraw_case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    assert ended.state is State.CLOSED and ended.outcome is Outcome.WITHDRAWN
    with pytest.raises(CaseNotOpen):
        await acts.withdraw_case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    with pytest.raises(CaseNotOpen):
        await acts.write(stack, as_person(town.asha.id), town.asha.id, case.case_id, "One more thing.")


async def test_access_queue(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    found, after = [], ""
    while True:
        page = await acts.queue(stack, as_office("zahanati"), after, 2)
        found += page.items
        after = page.after
        if not after:
            break
    assert case.case_id in {each.case.case_id for each in found}
    assert all(each.case.institution == "zahanati" for each in found)
    assert town.asha.id.hex not in repr([each.subject_id for each in found])
    others = await acts.queue(stack, as_office("rita"))
    assert case.case_id not in {each.case.case_id for each in others.items}
    with pytest.raises(NotPermitted):
        await acts.queue(stack, as_office("zahanati", "clinician"))


async def test_access_review(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    dossier = await acts.review(stack, as_office("zahanati"), town.asha.id, case.case_id)
    assert dossier.text == COMPLAINT.text
    for other in (as_office("rita"), as_office("tume", "data-protection-authority")):
        with pytest.raises(CaseUnknown):  # it is not their turn
            await acts.review(stack, other, town.asha.id, case.case_id)
    with pytest.raises(NotPermitted):
        await acts.review(stack, as_office("zahanati", assurance=1), town.asha.id, case.case_id)


async def test_access_reply(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    taken = await acts.reply(stack, as_office("zahanati"), town.asha.id, case.case_id, "When was it?")
    assert taken.officer == "zahanati-dpo"
    with pytest.raises(CaseUnknown):
        await acts.reply(stack, as_office("rita"), town.asha.id, case.case_id, "When was it?")


async def test_access_answer(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    office = as_office("zahanati")
    with pytest.raises(CaseUnknown):
        await acts.answer(stack, as_office("rita"), town.asha.id, case.case_id, GRANT)
    with pytest.raises(GroundMissing):
        await acts.answer(stack, office, town.asha.id, case.case_id, Answer(Outcome.REFUSED, WHY))
    with pytest.raises(GroundMissing):  # a ground of another right
        refusal = Answer(Outcome.REFUSED, WHY, "not-wrong")
        await acts.answer(stack, office, town.asha.id, case.case_id, refusal)
    with pytest.raises(CaseMalformed):
        await acts.answer(stack, office, town.asha.id, case.case_id, Answer(Outcome.GRANTED, "No."))
    answered = await acts.answer(stack, office, town.asha.id, case.case_id, GRANT)
    assert answered.state is State.ANSWERED and answered.officer == "zahanati-dpo"
    with pytest.raises(CaseNotOpen):
        await acts.answer(stack, office, town.asha.id, case.case_id, GRANT)


async def test_access_appeal(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    me, authority = as_person(town.asha.id), as_office("tume", "data-protection-authority")
    with pytest.raises(CannotAppeal):
        await acts.appeal(stack, me, town.asha.id, case.case_id, "I disagree.")
    refusal = Answer(Outcome.REFUSED, WHY, "not-founded")
    await acts.answer(stack, as_office("zahanati"), town.asha.id, case.case_id, refusal)
    with pytest.raises(NotPermitted):
        await acts.appeal(stack, as_person(town.baraka.id), town.asha.id, case.case_id, "I disagree.")
    with pytest.raises(CannotAppeal):
        await acts.appeal(stack, later(me, 31), town.asha.id, case.case_id, "Too late.")
    moved = await acts.appeal(stack, me, town.asha.id, case.case_id, "I disagree.")
    assert moved.stage is Stage.AUTHORITY and moved.state is State.OPEN and moved.appealed
    with pytest.raises(CaseUnknown):  # the institution has had its turn
        await acts.answer(stack, as_office("zahanati"), town.asha.id, case.case_id, GRANT)
    final = await acts.answer(stack, authority, town.asha.id, case.case_id, GRANT)
    assert final.state is State.CLOSED
    with pytest.raises(CannotAppeal):
        await acts.appeal(stack, me, town.asha.id, case.case_id, "Again.")


async def test_access_move_due(stack, town, as_person, as_office, as_job):
    with pytest.raises(NotPermitted):
        await acts.move_due(stack, as_office("rita"))
    case = await opened(stack, as_person, town.baraka.id)
    job = as_job("case-clock")
    assert await acts.move_due(stack, job) == 0
    assert await acts.move_due(stack, later(job, 22)) >= 1
    dossier = await acts.case(stack, as_person(town.baraka.id), town.baraka.id, case.case_id)
    assert dossier.case.stage is Stage.AUTHORITY and dossier.messages[-1].text == "escalated"
    await acts.move_due(stack, later(job, 53))
    dossier = await acts.case(stack, as_person(town.baraka.id), town.baraka.id, case.case_id)
    assert dossier.case.late and dossier.case.state is State.OPEN  # late is counted; nobody is left without an answer
    authority = as_office("tume", "data-protection-authority")
    await acts.answer(stack, authority, town.baraka.id, case.case_id, GRANT)


async def test_access_evidence(stack, town, as_person, as_office, ctx_of):
    """A complaint about a line carries the line and its proof, which verifies without the stack."""
    officer = ctx_of(
        Who.STAFF, "officer-1", institution="rita", roles=["enrolment-officer"], purpose="identity-registration",
        basis="legal-obligation",
    )  # fmt: skip
    await identity.read_person(stack, officer, town.asha.id)
    from msingi.consent import acts as consent

    reader = as_person(town.asha.id, "subject-access")
    lines = await consent.accesses(stack, reader, town.asha.id)
    line = next(each for each in lines.items if each.act == "identity.read" and each.institution == "rita")
    order = CaseOrder(Kind.COMPLAINT, about=line.record_id)
    case = await opened(stack, as_person, town.asha.id, order)
    assert case.institution == "rita"  # the one whose officer looked
    await sequencer.catch_up(stack)
    for ctx in (as_person(town.asha.id), as_office("rita")):
        text = await acts.evidence(stack, ctx, town.asha.id, case.case_id)
        origin = next(row for row in text.splitlines() if row == stack.settings.url.partition("//")[2] + "/log")
        keys = sequencer.log_vkeys(stack.keys, origin)
        assert proof.verify(text, keys).record["act"] == "identity.read"
    dossier = await acts.review(stack, as_office("rita"), town.asha.id, case.case_id)
    assert dossier.line is not None and dossier.line.actor == "officer-1"
    with pytest.raises(CaseUnknown):
        await acts.evidence(stack, as_office("zahanati"), town.asha.id, case.case_id)
    with pytest.raises(NotFound):  # a line about somebody else is no line of mine
        await opened(stack, as_person, town.baraka.id, order)


async def test_access_add_exhibit(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    picture = NewExhibit("photo.png", "image/png", b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    made = await acts.add_exhibit(stack, as_person(town.asha.id), town.asha.id, case.case_id, picture)
    found = await acts.exhibit(stack, as_office("zahanati"), town.asha.id, case.case_id, made)
    assert (found.name, found.body) == (
        "evidence-1.png",
        picture.body,
    )  # its own name may tell more than its sender means to
    with pytest.raises(NotPermitted):
        await acts.add_exhibit(stack, as_person(town.baraka.id), town.asha.id, case.case_id, picture)
    for wrong in (
        NewExhibit("page.html", "text/html", b"<script>"),
        NewExhibit("photo.png", "image/png", b"MZ not a picture"),
        NewExhibit("big.txt", "text/plain", b"x" * 1_000_001),
        NewExhibit("empty.txt", "text/plain", b""),
    ):
        with pytest.raises(ExhibitRefused):
            await acts.add_exhibit(stack, as_person(town.asha.id), town.asha.id, case.case_id, wrong)


async def test_access_exhibit(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    note = NewExhibit("note.txt", "text/plain", b"Habari")
    made = await acts.add_exhibit(stack, as_person(town.asha.id), town.asha.id, case.case_id, note)
    assert (await acts.exhibit(stack, as_person(town.asha.id), town.asha.id, case.case_id, made)).body == note.body
    with pytest.raises(CaseUnknown):
        await acts.exhibit(stack, as_office("rita"), town.asha.id, case.case_id, made)
    with pytest.raises(NotFound):
        await acts.exhibit(stack, as_person(town.asha.id), town.asha.id, case.case_id, uuid4())


async def test_access_full_copy(stack, town, as_person):
    """The copy holds every room's part in open formats, and the lines of who looked, this one excepted."""
    await opened(stack, as_person, town.asha.id)
    raw = await acts.full_copy(stack, as_person(town.asha.id, "subject-access"), town.asha.id)
    files = zipfile.ZipFile(io.BytesIO(raw))
    names = set(files.namelist())
    wanted = {"README.txt", "identity.json", "cards.json", "accounts.csv", "consents.json", "accesses.jsonl"}
    assert wanted | {"requests.json"} <= names
    person = json.loads(files.read("identity.json"))["person"]
    assert person["demographics"]["name"]["given"] == "Asha" and person["number"] == town.asha.number
    assert any(n.startswith("entries-") and b"50000" in files.read(n) for n in names)
    assert any(c["case"]["kind"] == "complaint" for c in json.loads(files.read("requests.json")))
    assert not any(n.endswith(".missing.json") for n in names), names
    with pytest.raises(NotPermitted):
        await acts.full_copy(stack, as_person(town.baraka.id, "subject-access"), town.asha.id)
    with pytest.raises(NotPermitted):  # a stolen PIN is not enough for everything at once
        await acts.full_copy(stack, as_person(town.asha.id, "subject-access", assurance=1), town.asha.id)


async def test_what_the_stack_can_give_it_gives_at_once(stack, town, as_person):
    copy = await opened(stack, as_person, town.asha.id, CaseOrder(Kind.ACCESS))
    assert copy.state is State.ANSWERED and copy.outcome is Outcome.GRANTED
    order = CaseOrder(Kind.EXPLANATION, subject="duplicate-candidates", language="en")
    case = await opened(stack, as_person, town.asha.id, order)
    dossier = await acts.case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    text = dossier.messages[0].text
    assert "Fellegi" in text and "Asha Mrisho" in text and "1990-05-17" in text
    moved = await acts.appeal(stack, as_person(town.asha.id), town.asha.id, case.case_id, "A person shall decide.")
    assert moved.stage is Stage.AUTHORITY


async def test_a_correction_is_handed_over_to_the_register(stack, town, as_person, as_office, ctx_of):
    """Granted here, proposed there by the stack with the case as evidence, decided there by a second person."""
    from msingi.identity.lifecycle import acts as lifecycle
    from msingi.identity.lifecycle.model import ProposalState

    order = CaseOrder(Kind.RECTIFICATION, "See my certificate.", subject="name", wanted="Asha Mrisho Juma")
    case = await opened(stack, as_person, town.asha.id, order)
    await acts.answer(stack, as_office("rita"), town.asha.id, case.case_id, GRANT)
    await stack.outbox.drain(stack)
    judge = ctx_of(
        Who.STAFF, "judge-9", institution="rita", roles=["adjudicator", "registrar"], purpose="identity-registration",
        basis="legal-obligation",
    )  # fmt: skip
    waiting = next(
        p for p in (await lifecycle.proposals_waiting(stack, judge)).proposals if p.person_id == town.asha.id
    )
    assert waiting.state is ProposalState.OPEN and waiting.fields == ("name",)
    view = await lifecycle.read_proposal(stack, judge, waiting.proposal_id)
    assert view.after.name.full == "Asha Mrisho Juma"


@pytest.mark.parametrize(
    "order",
    [
        CaseOrder(Kind.COMPLAINT),
        CaseOrder(Kind.COMPLAINT, "x", institution="nobody"),
        CaseOrder(Kind.COMPLAINT, "x" * 4001),
        CaseOrder(Kind.RECTIFICATION, "x", subject="soul", wanted="pure"),
        CaseOrder(Kind.RECTIFICATION, "x", subject="name"),
        CaseOrder(Kind.OBJECTION, "x", subject="world-domination"),
        CaseOrder(Kind.EXPLANATION, subject="the-oracle"),
    ],
)
async def test_an_incomplete_request_is_refused_with_the_field(stack, town, as_person, order):
    with pytest.raises(CaseMalformed) as no:
        await opened(stack, as_person, town.asha.id, order)
    assert no.value.facts["field"]


async def test_a_request_that_is_sent_twice_is_opened_once(stack, town, as_person):
    key = token(9)
    me = as_person(town.asha.id)
    sent = [acts.open_case(stack, me, town.asha.id, COMPLAINT, key) for _ in range(4)]
    made = await asyncio.gather(*sent)
    assert len({case.case_id for case in made}) == 1
    with pytest.raises(DifferentContent):
        await acts.open_case(stack, me, town.asha.id, replace(COMPLAINT, text="Other."), key)


async def test_two_officers_who_answer_at_once_give_one_answer(stack, town, as_person, as_office):
    case = await opened(stack, as_person, town.asha.id)
    refuse = Answer(Outcome.REFUSED, WHY, "not-founded")
    sent = [acts.answer(stack, as_office("zahanati"), town.asha.id, case.case_id, said) for said in (GRANT, refuse)]
    ended = await asyncio.gather(*sent, return_exceptions=True)
    assert sum(isinstance(e, CaseNotOpen) for e in ended) == 1
    dossier = await acts.case(stack, as_person(town.asha.id), town.asha.id, case.case_id)
    assert len(dossier.messages) == 1


async def test_nobody_is_drowned_in_cases(stack, owner_url, as_person):
    from tests.consent.people import newborn

    person_id = await newborn(stack, owner_url)
    for _ in range(rules.MOST_OPEN):
        await opened(stack, as_person, person_id)
    with pytest.raises(TooManyCases):
        await opened(stack, as_person, person_id)


async def test_what_a_person_wrote_is_sealed_and_goes_with_their_key(stack, owner_url, as_person):
    import asyncpg
    from tests.consent.people import newborn

    person_id = await newborn(stack, owner_url)
    case = await opened(stack, as_person, person_id, replace(COMPLAINT, text="The secret of Mwembeni."))
    owner = await asyncpg.connect(owner_url)
    rows = await owner.fetch("SELECT c::text AS row FROM governance.case c WHERE person_id = $1", person_id)
    assert rows and "Mwembeni" not in rows[0]["row"] and b"Mwembeni".hex() not in rows[0]["row"]
    await owner.execute("DELETE FROM kernel.person_key WHERE person_id = $1", person_id)
    await owner.close()
    with pytest.raises(Erased):
        await acts.case(stack, as_person(person_id), person_id, case.case_id)


async def test_the_wall_holds_where_a_check_is_forgotten(stack, town, as_person):
    """A permit that reaches Baraka shows no row of Asha's, whatever the statement asks for."""
    from msingi.governance import store

    case = await opened(stack, as_person, town.asha.id)
    permit = policy.decide(as_person(town.baraka.id), "governance.cases", town.baraka.id)
    async with stack.db.transaction(permit) as tx:
        assert await store.case_by_id(tx, town.asha.id, case.case_id) is None
        log.append(tx, permit, subject=town.baraka.id)
    assert clock.now() > case.opened_at
