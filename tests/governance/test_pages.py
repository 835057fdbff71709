"""Pages of requests and complaints, visited without scripts, as people and offices do."""

import re
from importlib.resources import files

import pytest
from tests.exchange import places
from tests.portal.conftest import PIN

from msingi.app import introduce
from msingi.exchange import acts as exchange
from msingi.exchange import registry
from msingi.exchange.federation import acts as federation
from msingi.governance import acts as cases
from msingi.governance.figures import acts as figures
from msingi.governance.model import CaseOrder, Kind
from msingi.kernel.ids import token
from msingi.kernel.log import sequencer
from msingi.portal import page, words

LANGUAGES = words.languages()
SAME_IN_FRENCH = {"governance.message", "governance.part_photo"}


@pytest.fixture(autouse=True)
def known():
    introduce()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_exists_in_every_language_with_the_same_blanks(language):
    here, english = words.read("governance", language), words.read("governance", "en")
    assert set(here) == set(english)
    blank = re.compile(r"\{([a-z_]+)\}")
    for key, entry in here.items():
        for text in entry.values() if isinstance(entry, dict) else [entry]:
            other = english[key]
            wanted = other["other"] if isinstance(other, dict) else other
            assert set(blank.findall(str(text))) <= set(blank.findall(str(wanted))), key
            for sentence in re.split(r"(?<=[.!?؟:؛])\s", str(text)):
                assert len(sentence.split()) <= 31, (key, sentence)
    assert language == "en" or not {k for k in here if here[k] == english[k]} - SAME_IN_FRENCH


def test_every_text_that_a_page_asks_for_exists():
    known = set(words.load("en").entries)
    for file in files("msingi.governance").joinpath("templates").iterdir():
        asked = set(re.findall(r"\bt\('([a-z_.0-9-]+)'[,)]", file.read_text("utf-8")))
        assert asked <= known, (file.name, asked - known)


async def _enter(surf, who, language="en"):
    return await surf(language).sign_in(getattr(who, "login", "") or who.number, who.phone, PIN)


async def test_a_complaint_goes_from_a_line_to_an_answer(surf, town, offices, stack):
    """From a line of who looked, to the office, its refusal, the appeal, and the authority's word."""
    officer = await _enter(surf, town.staff.officer)
    await officer.open("/staff/enrol")
    asha = await _enter(surf, town.asha)
    await asha.open("/me/accesses")
    line = re.findall(r'href="/me/accesses/([0-9a-f-]{36})"', asha.answer.text)[-1]
    await asha.open(f"/me/accesses/{line}")
    assert f"/me/rights/complaint?line={line}" in asha.answer.text
    await asha.open(f"/me/rights/complaint?line={line}")
    await asha.send("/me/rights/complaint", text="Why was I registered twice?")
    assert "It is open" in asha.text and asha.path.startswith("/me/cases/")
    case = asha.path.partition("?")[0]
    await sequencer.catch_up(stack)
    proof = await asha.http.get(f"{case}/evidence")
    assert proof.status_code == 200 and proof.text.startswith("c2sp.org/tlog-proof")
    dpo = await _enter(surf, offices.dpo)
    await dpo.open("/staff/cases")
    (found,) = re.findall(r'href="(/staff/cases/[a-z2-7]{26}/[0-9a-f-]{36})"', dpo.answer.text)[-1:]
    assert "Asha" not in dpo.text
    await dpo.open(found)
    assert "Why was I registered twice?" in dpo.text
    await dpo.send(found, outcome="refused", text="We registered you once only.")
    assert dpo.answer.status_code == 422 and "needs a ground" in dpo.text
    await dpo.send(found, outcome="refused", ground="not-founded", text="We registered you once only.")
    assert "can read your answer" in dpo.text
    await asha.open(case)
    assert "Refused" in asha.text and "We registered you once only." in asha.text
    await asha.send(case, what="appeal", text="I do not agree.")
    assert "The authority decides now." in asha.text
    authority = await _enter(surf, offices.authority)
    await authority.open("/staff/cases")
    (found,) = re.findall(r'href="(/staff/cases/[a-z2-7]{26}/[0-9a-f-]{36})"', authority.answer.text)
    await authority.open(found)
    await authority.send(found, outcome="granted", text="The person is right about this.")
    await asha.open(case)
    assert "Granted" in asha.text and 'name="what" value="appeal"' not in asha.answer.text


async def test_an_officer_opens_a_case_for_somebody_at_the_desk(surf, town, offices):
    officer = await _enter(surf, town.staff.officer)
    await officer.open("/staff/cases")
    assert "For somebody at the desk" in officer.text and "Oldest first" not in officer.text
    await officer.open("/staff/desk/rectification")
    typed = {"subject": "name", "wanted": "Baraka K. Kileo"}
    await officer.send("/staff/desk/rectification", number="000000000000", **typed)
    assert "Nobody in use has this number" in officer.text
    await officer.send("/staff/desk/rectification", number=town.baraka.number, **typed)
    found = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}", officer.text)
    assert found
    baraka = await _enter(surf, town.baraka)
    await baraka.open("/me/rights")
    assert found[0] in baraka.text


async def test_evidence_of_the_wrong_kind_is_told_before_anything_is_opened(surf, town):
    asha = await _enter(surf, town.asha)
    await asha.open("/me/rights/rectification")
    filled = asha.form("/me/rights/rectification") | {"subject": "name", "wanted": "Asha"}
    wrong = {"evidence": ("run.exe", b"MZ\x90\x00\xff", "image/png")}
    answer = await asha.http.post("/me/rights/rectification", data=filled, files=wrong)
    assert answer.status_code == 422 and "Send a photo" in answer.text
    right = {"evidence": ("certificate.pdf", b"%PDF-1.7 ...", "application/pdf")}
    answer = await asha.http.post("/me/rights/rectification", data=filled, files=right)
    assert answer.status_code == 200 and "certificate.pdf" in answer.text


async def test_the_copy_is_one_zip(surf, town):
    asha = await _enter(surf, town.asha)
    found = await asha.http.get("/me/copy.zip")
    assert found.headers["content-type"] == "application/zip" and found.content.startswith(b"PK")


@pytest.mark.parametrize("language", ["en", "sw"])
async def test_pages_are_light_and_speak(surf, town, language):
    asha = await _enter(surf, town.asha, language)
    for path in ("/me/rights", *(f"/me/rights/{k}" for k in ("complaint", "erasure", "objection", "explanation"))):
        answer = await asha.open(path)
        assert answer.status_code == 200 and page.weight(answer.text) < 8_000
        assert "governance." not in asha.text


async def test_somebody_is_let_act_and_is_stopped(surf, town, stack):
    """Asha lets Baraka; he sees what she allowed; she takes it back and he is shown the door."""
    asha = await _enter(surf, town.asha)
    await asha.open("/me/delegates")
    typed = {"purpose": "consent-management", "days": "7"}
    await asha.send("/me/delegates", number="000000000000", **typed)
    assert "Nobody in use has this number" in asha.text
    await asha.send("/me/delegates", number=town.asha.number, **typed)
    assert "This cannot be" in asha.text
    await asha.send("/me/delegates", number=town.baraka.number, **typed)
    assert "They may act for you now." in asha.text and "Baraka Kileo" in asha.text
    baraka = await _enter(surf, town.baraka)
    await baraka.open("/me/delegates")
    assert "Asha Mrisho" in baraka.text
    assert (await baraka.open(f"/me/for/{town.asha.id}")).status_code == 200
    (end,) = re.findall(r'action="(/me/delegates/[0-9a-f-]{36}/end)"', asha.answer.text)
    await asha.send(end)
    assert "Taken back" in asha.text
    assert (await baraka.open(f"/me/for/{town.asha.id}")).status_code == 403
    await asha.open("/me/accesses")
    assert "Took the right to act for you" in asha.text


async def test_an_address_that_is_nobodys_is_not_found(surf, town, offices):
    asha = await _enter(surf, town.asha)
    for path in (
        "/me/rights/everything",
        "/me/cases/00000000-0000-0000-0000-000000000001",
        "/me/rights/complaint?line=x",
    ):
        assert (await asha.open(path)).status_code == 404
    dpo = await _enter(surf, offices.dpo)
    assert (await dpo.open("/staff/cases/nobody/00000000-0000-0000-0000-000000000001")).status_code == 404
    assert (await asha.open("/staff/cases")).status_code == 403


async def test_what_joined_the_exchange_can_be_complained_of_and_stands_in_the_register(
    stack, town, client, ctx_of, as_person, surf
):
    """Institutions that the country's file does not name: in the form, in the case, in figures and in the register."""
    kept = dict(registry._offered)
    places.offer_services()
    await exchange.publish_registered(stack)
    registry._offered.clear()
    registry._offered.update(kept)
    joined = places.join_order("NGO/msalaba/main", places.client.new_key())
    await exchange.join_institution(stack, places.governor(ctx_of), joined)
    await exchange.approve(stack, places.governor(ctx_of), "msalaba")
    order = places.right_order("NGO/msalaba/main")
    await exchange.grant_right(stack, places.governor(ctx_of), order)
    register = (await client.get("/v1/governance/processing")).json()["document"]
    clinical = next(a for a in register["activities"] if a["purpose"] == order.purpose)
    assert "NGO/msalaba/main" in [r["institution"] for r in clinical["recipients"]]
    asked = CaseOrder(Kind.COMPLAINT, "why?", institution="msalaba")
    case = await cases.open_case(stack, as_person(town.asha.id), town.asha.id, asked, token(9))
    assert case.institution == "msalaba"
    asha = await _enter(surf, town.asha)
    await asha.open("/me/rights/complaint")
    assert "Msalaba" in asha.text
    await asha.open(f"/me/cases/{case.case_id}")
    assert "Msalaba" in asha.text and "msalaba" not in asha.text
    assert "msalaba" in figures.cells(stack.profile, federation.names(stack))["institution"]
