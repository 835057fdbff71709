"""When a case moves, the person hears of it by text message: that it moved, and nothing of what it is about."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from msingi.channels import acts as channels
from msingi.governance import acts, telling
from msingi.governance.model import Answer, CaseMoved, CaseOrder, Kind, Outcome, Stage, State
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.ids import token

ORDER = CaseOrder(Kind.COMPLAINT, "Somebody looked at my record.", institution="zahanati", language="sw")
GSM = set("@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ÄÖÑÜ§¿äöñüà\n") | set(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)


def test_every_message_fits_into_one_text_in_every_language():
    assert {frozenset(words) for words in telling.texts().values()} == {frozenset(telling.texts()["en"])}
    for lang, words in telling.texts().items():
        for key, text in words.items():
            said = text.format(reference="ABCD-EFGH")
            assert len(said) <= (70 if lang == "ar" else 160), (lang, key, len(said))
            assert lang == "ar" or set(said) <= GSM, (lang, key, set(said) - GSM)


@pytest.mark.parametrize(
    ("state", "stage", "by", "late", "key"),
    [
        (State.OPEN, Stage.INSTITUTION, "office", False, "wrote"),
        (State.OPEN, Stage.AUTHORITY, "office", True, "wrote"),
        (State.ANSWERED, Stage.AUTHORITY, "office", False, "answered"),
        (State.OPEN, Stage.AUTHORITY, "clock", False, "escalated"),
        (State.OPEN, Stage.AUTHORITY, "clock", True, "late"),
        (State.CLOSED, Stage.INSTITUTION, "clock", False, "closed"),
    ],
)  # fmt: skip
def test_what_is_said(state, stage, by, late, key):
    moved = CaseMoved(None, None, "K1", Kind.ACCESS, stage, state, Outcome.NONE, by, "fr", late)  # type: ignore[arg-type]
    assert telling.said(moved, "sw") == telling.texts()["fr"][key].format(reference="K1")
    assert telling.said(replace(moved, language="xx"), "sw") == telling.texts()["sw"][key].format(reference="K1")
    assert telling.said(replace(moved, by="person"), "sw") == ""


async def got(stack, phone):
    await stack.outbox.drain(stack)
    found = await channels.messages(stack, job_context("sandbox", "operations"), phone)
    return [one.text for one in found if one.why == telling.WHY]


async def test_the_office_answers_and_the_person_hears_of_it(stack, town, as_person, as_office):
    case = await acts.open_case(stack, as_person(town.asha.id), town.asha.id, ORDER, token(9))
    assert await got(stack, town.asha.phone) == []  # who opened it knows
    office = as_office("zahanati")
    await acts.reply(stack, office, town.asha.id, case.case_id, "Please send us the paper of 3 March.")
    await acts.answer(
        stack, office, town.asha.id, case.case_id, Answer(Outcome.GRANTED, "You are right about the nurse.")
    )
    told = await got(stack, town.asha.phone)
    words = telling.texts()["sw"]
    assert sorted(told) == sorted(words[key].format(reference=case.reference) for key in ("wrote", "answered"))
    assert not any("nurse" in text or "March" in text for text in told)


async def test_time_alone_moves_a_case_and_the_person_hears_of_it(stack, town, as_person, as_job):
    case = await acts.open_case(stack, as_person(town.baraka.id), town.baraka.id, ORDER, token(9))
    late = clock.now() + timedelta(days=stack.profile.law.complaints.institution_days + 1)
    with clock.freeze(late):
        while await acts.move_due(stack, as_job("case-clock")):
            pass
    expected = telling.texts()["sw"]["escalated"].format(reference=case.reference)
    assert expected in await got(stack, town.baraka.phone)
