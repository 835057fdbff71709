"""The portal's doors on the whole stack: a browser without scripts signs in, pays, and is refused where it must be."""

import asyncio
import json
import re
from pathlib import Path
from urllib.parse import quote

import pytest
from lxml import html as parser

from msingi.channels import acts as channels
from msingi.countries import load
from msingi.kernel.context import job_context
from msingi.kernel.outbox import SmsRequested
from msingi.portal import page, session
from msingi.portal.session import Session


async def asha_in(surf, town, language="en"):
    return await surf(language).sign_in(town.asha.number, town.asha.phone)


async def staff_in(surf, town, name):
    who = getattr(town.staff, name)
    return await surf().sign_in(who.login, who.phone)


async def test_everybody_reads_the_public_pages_in_their_language(surf, town):
    for language, words in (("sw", "Utambulisho wako"), ("en", "Your identity"), ("fr", "Utambulisho wako")):
        visitor = surf(language)
        await visitor.open("/")
        assert words in visitor.text
    for path in ("/help", "/accessibility", "/figures"):
        assert (await visitor.open(path)).status_code == 200


async def test_choosing_a_language_is_remembered_and_returns_to_the_page(surf, town):
    visitor = surf("sw")
    await visitor.open("/language/en?next=/help")
    assert visitor.path == "/help" and "Help" in visitor.text
    await visitor.open("/")
    assert "Your identity" in visitor.text
    assert (await visitor.open("/language/xx")).status_code == 404


async def test_a_link_cannot_send_the_visitor_to_another_site(surf, town):
    visitor = surf()
    await visitor.open("/language/en?next=//evil.example/x", follow_redirects=False)
    assert visitor.answer.headers["location"] == "/"


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_returns(surf, town):
    visitor = surf()
    await visitor.open("/me/money?after=7", follow_redirects=False)
    assert visitor.answer.status_code == 303
    assert visitor.answer.headers["location"] == "/sign-in?next=/me/money%3Fafter%3D7"
    await visitor.open("/me/money")
    assert "/signin/pin" in visitor.answer.text


async def test_a_person_signs_in_with_two_factors_and_sees_their_own(surf, town):
    asha = await asha_in(surf, town)
    assert asha.path == "/me"
    assert "Asha Mrisho" in asha.text and load("taifa").number_text(town.asha.number) in asha.text
    assert "50,000" in asha.text
    for path in ("/me/card", "/me/money", "/me/health", "/me/consents", "/me/accesses", "/me/sessions"):
        assert (await asha.open(path)).status_code == 200, path
    assert (await asha.open("/staff")).status_code == 403
    assert (await asha.open("/staff/console")).status_code == 403


async def test_every_answer_forbids_scripts_and_keeping(surf, town):
    asha = await asha_in(surf, town)
    answer = await asha.open("/me")
    assert answer.headers["content-security-policy"] == page.HEADERS["Content-Security-Policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_money_is_sent_in_three_steps_and_once(surf, town):
    asha = await asha_in(surf, town)
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone="0711 000 002", amount="1,200", note="Karanga")
    assert "Check before you send" in asha.text and "TSh 1,200" in asha.text.replace("\u00a0", " ")
    assert "Baraka" not in asha.text.replace("B••••", ""), "the name is masked"
    typed = asha.form("/me/money/send/confirm")
    await asha.send("/me/money/send/confirm")
    assert asha.path.startswith("/me/money/receipts/")
    receipt = asha.path
    again = await asha.http.post("/me/money/send/confirm", data=typed)
    assert again.url.path == receipt, "a form that is sent twice gives the first receipt"
    await asha.open("/me/money")
    assert asha.text.count("1,200") == 1 and "48,800" in asha.text


async def test_mistakes_are_told_on_top_and_at_the_question(surf, town):
    asha = await asha_in(surf, town)
    await asha.open("/me/money/send")
    answer = await asha.send("/me/money/send", phone="12", amount="much")
    assert answer.status_code == 422
    assert asha.text.count("no number that we know") == 2 and asha.text.count("Write the amount in figures") == 2
    await asha.send("/me/money/send", phone="0799 999 999", amount="5")
    assert "Nobody can be paid at this number" in asha.text
    await asha.send("/me/money/send", phone="0711000002", amount="99999999")
    assert "You do not have enough money" in asha.text


async def test_a_change_of_language_keeps_what_was_typed(surf, town):
    asha = await asha_in(surf, town)
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone="0711000002", amount="77", note="Sukari", _lang="sw")
    assert "Tuma fedha" in asha.text and "Tafadhali rekebisha" not in asha.text
    assert asha.form("/me/money/send")["phone"] == "0711000002" and asha.form("/me/money/send")["note"] == "Sukari"
    await asha.send("/me/money/send")
    assert "Kagua kabla ya kutuma" in asha.text
    await asha.open(f"/language/en?next={quote(asha.path)}")
    assert "Check before you send" in asha.text and "77" in asha.text


async def test_a_form_of_another_site_or_session_does_nothing(surf, town):
    asha = await asha_in(surf, town)
    forged = {"phone": "0711000002", "amount": "5", "_ticket": "0" * 64}
    answer = await asha.http.post("/me/money/send", data=forged)
    assert answer.status_code == 409 and "too old" in answer.text
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone="0711000002", amount="5")
    order = asha.form("/me/money/send/confirm")["order"]
    other = await asha_in(surf, town)
    await other.open("/me/money/send")
    mine = other.form("/me/money/send") | {"order": order}
    assert (await other.http.post("/me/money/send/confirm", data=mine)).status_code == 409
    cut = mine | {"order": order[:-4] + "AAAA"}
    assert (await other.http.post("/me/money/send/confirm", data=cut)).status_code == 409


async def test_the_return_from_the_provider_belongs_to_this_browser(surf, town):
    visitor = surf()
    answer = await visitor.open("/sign-in/return?code=x&state=y")
    assert answer.status_code == 401 and "not completed" in visitor.text
    await visitor.open("/sign-in", follow_redirects=False)
    answer = await visitor.open("/sign-in/return?code=x&state=forged&iss=http://127.0.0.1:8080")
    assert answer.status_code == 401


async def test_signing_out_ends_the_session_everywhere(surf, town):
    asha = await asha_in(surf, town)
    stolen = dict(asha.http.cookies)
    await asha.open("/me")
    await asha.send("/sign-out")
    assert (asha.answer.status_code == 200 and asha.path in ("/", "/oauth/logout")) or asha.path.startswith("/")
    thief = surf()
    thief.http.cookies.update({k: v for k, v in stolen.items() if k == session.SESSION})
    await thief.open("/me", follow_redirects=False)
    assert thief.answer.status_code == 303, "the cookie of an ended session opens nothing"


async def test_a_person_ends_another_session(surf, town):
    phone = await asha_in(surf, town)
    await asyncio.sleep(1.1)  # sessions are told apart by the second in which they began
    desk = await asha_in(surf, town)
    await desk.open("/me/sessions")
    ends = re.findall(r'action="(/me/sessions/[^"]+/end)"', desk.answer.text)
    assert ends
    for end in ends:
        await desk.open("/me/sessions")
        await desk.send(end)
    await phone.open("/me", follow_redirects=False)
    assert phone.answer.status_code == 303
    assert (await desk.open("/me")).status_code == 200


async def test_the_person_sees_who_looked_and_gets_no_lines_of_others(surf, town):
    asha = await asha_in(surf, town)
    older = ["/me/accesses"]
    links: list[str] = []
    while older and "Registered you" not in asha.text:
        await asha.open(older[-1])
        links = re.findall(r'href="(/me/accesses/[0-9a-f-]{36})"', asha.answer.text)
        older = re.findall(r'rel="next" href="([^"]+)"', asha.answer.text)
    assert "Registered you" in asha.text
    await asha.open(links[-1])
    assert "Registered you" in asha.text and "Legal basis" in asha.text
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    assert (await baraka.open(links[0])).status_code == 404
    assert (await baraka.open("/me/accesses/not-an-id")).status_code == 404


async def test_an_officer_enrols_and_the_person_types_a_pin(surf, town):
    officer = await staff_in(surf, town, "officer")
    assert officer.path == "/staff" and "Registration officer" in officer.text
    await officer.open("/staff/enrol")
    await officer.send("/staff/enrol")
    assert officer.answer.status_code == 422 and "Fill in: Given names" in officer.text
    await officer.send(
        "/staff/enrol",
        given_name="Zawadi",
        family_name="Ngowi",
        born_year="1999",
        born_month="2",
        born_day="30",
        phone="0711000009",
    )
    assert "Write a real date" in officer.text
    await officer.send("/staff/enrol", born_day="28", sex="female")
    assert "Check with the person" in officer.text and "Zawadi" in officer.text
    await officer.send("/staff/enrol/confirm", to="/staff/enrol", change="1")
    assert officer.form("/staff/enrol")["given_name"] == "Zawadi"
    await officer.send("/staff/enrol")
    await officer.send("/staff/enrol/confirm")
    number = re.search(r'id="number">([^<]+)<', officer.answer.text)
    assert number and "Enrolled" in officer.text
    await officer.send("/staff/enrol/pin", pin="1111")
    assert "too easy" in officer.text
    await officer.send("/staff/enrol/pin", pin="582039")
    assert "The PIN is set" in officer.text
    zawadi = await surf().sign_in(re.sub(r"\s", "", number[1]), "+255711000009", "582039")
    assert "Zawadi Ngowi" in zawadi.text


async def test_a_probable_duplicate_is_held_and_decided_by_a_person(surf, town):
    officer = await staff_in(surf, town, "officer")
    await officer.open("/staff/enrol")
    await officer.send(
        "/staff/enrol",
        given_name="Asha",
        family_name="Mrisho",
        born_year="1990",
        born_month="5",
        born_day="17",
        phone="0711000001",
    )
    await officer.send("/staff/enrol/confirm")
    assert "may be registered already" in officer.text
    assert (await officer.open("/staff/duplicates")).status_code == 403, "who enrols does not decide"
    judge = await staff_in(surf, town, "judge")
    await judge.open("/staff/duplicates")
    case = re.search(r'href="(/staff/duplicates/[^"]+)"', judge.answer.text)
    assert case and "Asha" not in judge.text, "the queue names nobody"
    await judge.open(case[1])
    assert judge.text.count("Mrisho") >= 2 and "Same" in judge.text
    await judge.send(case[1], answer="0")
    assert judge.answer.status_code == 422
    await judge.send(case[1], answer="0", reason="Same phone, same birth date, same name.")
    assert judge.path == "/staff/duplicates?said=duplicate.done_same" and "Decided: the same person" in judge.text


async def test_the_operator_reads_messages_that_no_page_of_a_person_shows(surf, town):
    asha = await asha_in(surf, town)
    operator = await staff_in(surf, town, "operator")
    await operator.open("/staff/console")
    assert town.asha.phone in operator.text and "No real message is sent" in operator.text
    assert "operator" not in asha.text
    officer = await staff_in(surf, town, "officer")
    assert (await officer.open("/staff/console")).status_code == 403


async def test_the_auditor_sees_counts_and_no_names(surf, town):
    auditor = await staff_in(surf, town, "auditor")
    await auditor.open("/staff/audit")
    assert auditor.answer.status_code == 200 and "Registered you" in auditor.text
    assert "Asha" not in auditor.text and town.asha.number not in auditor.text
    officer = await staff_in(surf, town, "officer")
    assert (await officer.open("/staff/audit")).status_code == 403


async def test_unknown_addresses_are_a_page_for_people_and_a_problem_for_programs(surf, town):
    visitor = surf()
    answer = await visitor.open("/staff/nothing/here")
    assert answer.status_code == 404 and "This page is not here" in visitor.text
    answer = await visitor.http.get("/nothing", headers={"accept": "application/json"})
    assert answer.status_code == 404 and answer.headers["content-type"] == "application/problem+json"


async def test_the_style_sheet_is_kept_for_ever_under_an_address_that_changes_with_it(surf, town):
    visitor = surf()
    raw, address = page.style(load("taifa").colours)
    answer = await visitor.http.get(address)
    assert answer.content == raw and "immutable" in answer.headers["cache-control"]
    assert (await visitor.http.get("/assets/portal.css")).content == raw
    assert (await visitor.http.get("/assets/mark.svg")).headers["content-type"].startswith("image/svg+xml")
    assert (await visitor.open("/assets/other.css")).status_code == 404


@pytest.mark.parametrize("cut", [0, 7, -1])
async def test_a_cookie_that_was_changed_is_nobodys(stack, cut):
    made = Session(sid="s", access="a", refresh="r", id_token="i", until=0, ends_at=0, proved_at=0, name="n")
    sealed = session.seal(stack, "session", made)
    assert session.unseal(stack, "session", sealed, Session) == made
    changed = list(sealed)
    changed[cut] = "A" if changed[cut] != "A" else "B"
    with pytest.raises(ValueError):
        session.unseal(stack, "session", "".join(changed), Session)
    with pytest.raises(ValueError):
        session.unseal(stack, "order", sealed, Session)
    assert await session.recognise(stack, "not a cookie", "r") is None


async def test_the_practice_room_tells_logins_and_messages_and_expects_who_was_chosen(surf, town, stack):
    visitor = surf("en")
    await visitor.open("/sandbox")
    assert visitor.answer.status_code == 200 and "People" not in visitor.text, "no sample, no logins"
    official = {"id": "officer-1", "name": "Rose Ally", "pin": "246810", "phone": "+255600000001"}
    official |= {"roles": ["enrolment-officer"], "institution": "rita"}
    person = {"number": town.asha.number, "name": "Asha", "pin": "028008", "phone": town.asha.phone}
    file = Path(stack.settings.home) / "sample.json"
    file.write_text(json.dumps({"people": [person], "staff": [official]}), "utf-8")
    await channels.deliver(stack, job_context("outbox"), SmsRequested(town.asha.phone, "123456 opens it", "code"))
    try:
        visitor = await surf("en").sign_in(town.asha.number, town.asha.phone)
        await visitor.open("/sandbox")
    finally:
        file.unlink()
    assert "Registration officer" in visitor.text and "028008" in visitor.text
    assert re.search(r"Asha .{12,40} 123456 opens it", visitor.text), "whose phone got which message"
    (chosen,) = parser.document_fromstring(visitor.answer.text).xpath("//a[contains(@href, 'login=officer-1')]/@href")
    await visitor.open(chosen)
    field = parser.document_fromstring(visitor.answer.text).get_element_by_id("login")
    assert visitor.path.startswith("/signin") and field.get("value") == "officer-1", "another may sign in here"
