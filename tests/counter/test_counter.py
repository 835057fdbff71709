"""The counter's laws, by a browser without scripts: an application, a record, two people, a certificate, the field."""

import re
from datetime import timedelta
from importlib.resources import files

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.identity.test_acts import key, registrar, someone
from tests.identity.test_reception import HOUSE, Tablet
from tests.portal.conftest import PIN, surf, town

from msingi.cli.sample_members import join
from msingi.identity import acts as identity
from msingi.identity.civil import acts as civil
from msingi.identity.civil.model import EventKind
from msingi.identity.model import Birth, BirthOrder, Enrolled
from msingi.identity.reception import acts as reception
from msingi.identity.reception import field
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.keys import public_jwk
from msingi.portal import page
from msingi.portal.words import load
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

__all__ = ["registrar", "surf", "town"]  # fixtures, imported by name
LANGUAGES = ("en", "sw", "fr", "ar")


@pytest.fixture(scope="module")
async def desk(stack):
    """An officer and a registrar with accounts."""
    hired = {}
    for place, (name, roles) in enumerate(
        {
            "counter-officer": ["enrolment-officer", "adjudicator"],
            "counter-registrar": ["registrar", "adjudicator"],
            "counter-judge": ["court"],
            "counter-leaver": ["registrar"],
        }.items()
    ):
        phone = f"+25569900010{place}"
        new = NewStaff(
            staff_id=name, institution="rita", roles=frozenset(roles), name=name.title(), phone=phone, pin=PIN
        )
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        hired[name.removeprefix("counter-")] = (name, phone)
    return hired


async def told_ahead(surf, stack, registrar, language="en"):
    await reception.keep_centre(stack, registrar, HOUSE)
    visitor = surf(language)
    await visitor.open("/apply")
    order = someone()
    named = {"given_name": order.name.given, "family_name": order.name.family}
    await visitor.send("/apply", **named, born_year="1991", phone="+255712345678")
    await visitor.send("/apply/confirm", centre=HOUSE.centre)
    slots = re.findall(r'<option value="(\d{4}-\d\d-\d\d\.\d+)"', visitor.answer.text)
    await visitor.send("/apply/confirm", centre=HOUSE.centre, slot=slots[-1])
    found = re.search(r'id="figure">([^<]+)<', visitor.answer.text)
    assert found, visitor.text
    return visitor, found[1], order


async def test_law_5_whoever_tells_ahead_gets_a_reference_and_nobody_else_sees_it(surf, stack, registrar):
    visitor, reference, order = await told_ahead(surf, stack, registrar)
    assert "data:image/png;base64," in visitor.answer.text
    stranger = surf()
    await stranger.open(f"/apply/{reference}")
    assert stranger.answer.status_code == 200 and order.name.family not in stranger.answer.text
    await stranger.open("/apply/0000-0000-0000")
    assert stranger.answer.status_code == 404
    await visitor.open(f"/apply/{reference}")
    path = f"/apply/{reference.replace('-', '')}/withdraw"
    await visitor.send(path)
    assert "Withdrawn" in visitor.text


async def test_law_2_a_wrong_answer_and_another_language_lose_nothing(surf):
    visitor = surf()
    await visitor.open("/apply")
    await visitor.send("/apply", address="Mtaa wa Uhuru 3", born_year="99")
    assert visitor.answer.status_code == 422 and "Mtaa wa Uhuru 3" in visitor.answer.text
    await visitor.send("/apply", _lang="sw")
    assert "Jiandikishe mapema" in visitor.answer.text and "Mtaa wa Uhuru 3" in visitor.answer.text


async def test_an_officer_enrols_by_the_reference_once(surf, stack, registrar, desk):
    _, reference, order = await told_ahead(surf, stack, registrar)
    officer = await surf().sign_in(*desk["officer"])
    await officer.open("/staff/reception")
    await officer.send("/staff/reception", reference="AAAA-BBBB-CCCC")
    assert officer.answer.status_code == 422
    await officer.send("/staff/reception", reference=f"http://127.0.0.1/apply/{reference}")
    assert order.name.family in officer.text
    await officer.send("/staff/reception/enrol", lacking="no-fingers")
    number = re.search(r'id="number">([^<]+)<', officer.answer.text)
    assert number and "Enrolled" in officer.text
    await officer.send("/staff/enrol/pin", pin="1111")
    assert "PIN" in officer.text and 'id="pin-wrong"' in officer.answer.text
    await officer.send("/staff/enrol/pin", pin="135790")
    assert 'id="pin"' not in officer.answer.text and 'href="/staff/reception"' in officer.answer.text
    await officer.open("/staff/reception")
    await officer.send("/staff/reception", reference=reference)
    assert "Used: enrolled" in officer.text


async def test_laws_3_and_4_two_people_correct_a_record_and_no_number_stands_in_an_address(
    surf, stack, registrar, desk, ctx_of
):
    made = await identity.enrol(stack, ctx_of(Kind.JOB, "setup", purpose="identity-registration"), someone(), key())
    assert isinstance(made, Enrolled)
    officer = await surf().sign_in(*desk["officer"])
    await officer.open("/staff/person")
    await officer.send("/staff/person", number="123")
    assert officer.answer.status_code == 422
    await officer.send("/staff/person", number=made.number)
    assert made.number not in officer.path and "Propose a correction" in officer.text
    forms = re.findall(r'name="verb" value="(\w+)"', officer.answer.text)
    assert {"update", "suspend", "merge"} <= set(forms) and "death" not in forms
    who = re.search(r'name="who" value="([^"]+)"', officer.answer.text)[1]
    ticket = re.search(r'name="_ticket" value="([^"]+)"', officer.answer.text)[1]
    page_ = await officer.http.post("/staff/person/change", data={"who": who, "verb": "update", "_ticket": ticket})
    officer.answer = page_
    assert "two people" in officer.text
    await officer.send("/staff/person/change", given_name="Zuhura", family_name="Mwakasege", because="Married.")
    assert officer.answer.status_code == 422  # evidence is missing
    await officer.send("/staff/person/change", given_name="Zuhura", family_name="Mwakasege", because="Married.",
                       document_kind="court order")  # fmt: skip
    assert "A colleague decides" in officer.text
    await officer.open("/staff/proposals")
    links = re.findall(r'href="(/staff/proposals/[0-9a-f-]{36})"', officer.answer.text)
    await officer.open(links[-1])
    assert 'value="yes"' not in officer.answer.text and "somebody else must decide" in officer.text
    await officer.send(links[-1], answer="yes", because="I say so.")
    assert "Somebody else must approve it" in officer.text
    stranger = await surf().sign_in(*desk["registrar"])
    stale = await stranger.http.post("/staff/person/change", data={"who": who, "verb": "update"})
    assert stale.status_code == 409  # what one session opened is of no use to another
    await stranger.open(links[-1])
    await stranger.send(links[-1], answer="yes", because="Seen the order.")
    person = await identity.read_person(stack, registrar, made.person_id)
    assert person.demographics.name.full == "Zuhura Mwakasege"


async def test_an_account_is_given_back_after_two_checks_and_says_until_when_to_go_slowly(
    surf, stack, registrar, desk, ctx_of
):
    old, new = "+255699000177", "+255799000178"
    setup = ctx_of(Kind.JOB, "setup", purpose="identity-registration")
    made = await identity.enrol(stack, setup, someone(phone=old), key())
    assert isinstance(made, Enrolled)
    officer = await surf().sign_in(*desk["officer"])
    await officer.open("/staff/person")
    await officer.send("/staff/person", number=made.number)
    who, ticket = (re.search(rf'name="{n}" value="([^"]+)"', officer.answer.text)[1] for n in ("who", "_ticket"))
    change, sent = "/staff/person/change", {"who": who, "verb": "recover", "_ticket": ticket}
    officer.answer = await officer.http.post(change, data=sent)
    assert "three days" in officer.text
    await officer.send(change, check_one="photo", check_two="photo", pin="8351")
    assert officer.answer.status_code == 422 and "two different ones" in officer.text
    assert "8351" not in officer.answer.text  # a PIN that was typed is not sent back
    await officer.send(change, check_one="photo", check_two="document", pin="1234")
    assert "too easy" in officer.text
    await officer.send(change, check_one="photo", check_two="document", pin="8351", new_phone="12")
    assert officer.answer.status_code == 422
    await officer.send(change, check_one="photo", check_two="document", pin="8351", new_phone=new)
    assert "The account is given back" in officer.text and "new phone is written down" in officer.text
    person = await identity.read_person(stack, registrar, made.person_id)
    assert person.demographics.phone == new
    await stack.outbox.drain(stack)
    assert "PIN" in (await officer.http.get("/sandbox/sms", params={"to": old})).json()[0]["text"]
    back = await surf().sign_in(made.number, new, "8351")
    assert back.path == "/me"


async def test_a_certificate_is_printed_in_every_language_and_asked_by_its_code(surf, stack, registrar, desk):
    born = clock.today() - timedelta(days=3)
    order = BirthOrder(someone(birth=Birth(born.isoformat())), place="Clinic")
    child = await identity.record_birth(stack, registrar, order, key())
    assert isinstance(child, Enrolled)
    code = (await civil.certify(stack, registrar, child.person_id, EventKind.BIRTH)).code
    visitor = surf()
    await visitor.open(f"/certificate/{code}")
    assert "Good." in visitor.text and order.child.name.family in visitor.text
    await visitor.open(f"/certificate/{code[:-3]}AAA")
    assert "Not genuine" in visitor.text
    staff = await surf().sign_in(*desk["registrar"])
    await staff.open("/staff/civil")
    await staff.send("/staff/civil/certificate.pdf", number=child.number, paper="birth")
    assert staff.answer.headers["content-type"] == "application/pdf" and staff.answer.content[:5] == b"%PDF-"
    await staff.open("/staff/civil")
    await staff.send("/staff/civil/certificate.pdf", number=child.number, paper="death")
    assert "no such entry" in staff.text


async def test_a_court_orders_within_the_law_sees_its_orders_and_lifts_them_and_everybody_sees_how_many(
    surf, stack, town, desk
):
    member = next(m for m in stack.profile.institutions if m.code == "benki")
    await join(stack, member, public_jwk(Ed25519PrivateKey.generate().public_key()))
    judge = await surf().sign_in(*desk["judge"])
    await judge.open("/staff")
    assert 'href="/staff/veils"' in judge.answer.text and 'href="/staff/register"' not in judge.answer.text
    await judge.open("/staff/veils")
    assert "given no order" in judge.text
    pseudonym = stack.pseudonym.of("benki", town.asha.id)
    day = clock.today() + timedelta(days=30)
    until = {"veil_until_day": str(day.day), "veil_until_month": str(day.month), "veil_until_year": str(day.year)}
    asked = {"institution": "benki", "purpose": "fraud-prevention", "reference_order": "HC 7/2026", **until}
    await judge.send("/staff/veils", pseudonym="Asha Mrisho", **asked)
    assert judge.answer.status_code == 422 and "HC 7/2026" in judge.answer.text
    await judge.send("/staff/veils", pseudonym="a" * 26, **asked)
    assert judge.answer.status_code == 422 and "knows nobody" in judge.text
    await judge.send("/staff/veils", pseudonym=pseudonym, **asked | {"veil_until_year": str(day.year + 3)})
    assert judge.answer.status_code == 422 and "does not allow" in judge.text
    await judge.send("/staff/veils", pseudonym=pseudonym, **asked)
    assert "Ordered" in judge.text and pseudonym in judge.text
    stranger = surf()
    await stranger.open("/safeguards")
    assert 'href="/veiled"' in stranger.answer.text
    await stranger.open("/veiled")
    assert "1 order, 0 hidden entries" in stranger.text and pseudonym not in stranger.text
    await stranger.open("/veiled?after=never")
    assert stranger.answer.status_code == 404
    await judge.send("/staff/veils/lift")
    assert "cannot be taken back" in judge.text
    await judge.open("/staff/veils")
    assert pseudonym in judge.text  # asked, not yet lifted
    await judge.send("/staff/veils/lift")
    await judge.send("/staff/veils/lift")
    assert "Lifted" in judge.text and pseudonym not in judge.text
    officer = await surf().sign_in(*desk["officer"])
    assert (await officer.open("/staff/veils")).status_code == 403


async def test_an_operator_closes_an_account_after_being_asked_and_never_their_own(surf, town, desk):
    left = await surf().sign_in(*desk["leaver"])
    operator = await surf().sign_in(town.staff.operator.login, town.staff.operator.phone)
    await operator.open("/staff/accounts?after=counter-j")
    line = operator.answer.text.partition("counter-leaver")[2].partition("</li>")[0]
    assert "Registrar" in line and "/staff/accounts/close" in line
    own = operator.answer.text.partition(town.staff.operator.login)[2].partition("</li>")[0]
    assert "Yours" in own and "/staff/accounts/close" not in own
    ticket = re.search(r'name="_ticket" value="([^"]+)"', operator.answer.text)[1]

    async def close(staff, **more):
        sent = {"_ticket": ticket, "staff": staff, **more}
        operator.answer = await operator.http.post("/staff/accounts/close", data=sent)
        return operator.text

    assert "Close this account?" in await close("counter-leaver")
    assert (await left.open("/staff")).url.path == "/staff"  # asked, not yet closed
    assert "has ended" in await close("counter-leaver", sure="1")
    await left.open("/staff/register")
    assert "/signin" in left.path or "/sign-in" in left.path
    assert "Ask another operator" in await close(town.staff.operator.login, sure="1")
    assert "no open account" in await close("counter-leaver", sure="1")
    officer = await surf().sign_in(*desk["officer"])
    assert (await officer.open("/staff/accounts")).status_code == 403


async def test_a_packet_in_conflict_is_resolved_at_the_counter(surf, stack, registrar, desk, ctx_of):
    tablet = Tablet(stack, f"counter-{key()[-6:]}")
    await field.register_device(stack, registrar, tablet.order())
    anybody = ctx_of(Kind.PUBLIC, "anybody", purpose="identity-registration")
    line = await field.receive_packet(stack, anybody, tablet.pack(someone(guardian="507429214777")))
    await field.work_off(stack)
    staff = await surf().sign_in(*desk["registrar"])
    await staff.open("/staff/field")
    assert tablet.name in staff.text
    await staff.open(f"/staff/field/{line.packet_id}")
    await staff.send(f"/staff/field/{line.packet_id}", answer="without", because="The guardian comes later.")
    assert "Enrolled" in staff.text, staff.text


async def test_people_and_strangers_find_no_page_of_the_desk(surf, town, stack):
    pages = ["/staff/register", "/staff/person", "/staff/proposals", "/staff/civil", "/staff/field", "/staff/imports",
             "/staff/reception"]  # fmt: skip
    visitor = surf()
    for path in pages:
        await visitor.open(path)
        assert "/signin" in visitor.path or "/sign-in" in visitor.path, path


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_of_the_counter_exists(language):
    words = load(language)
    root = files("msingi.counter")
    code = "\n".join(
        (root / n).read_text("utf-8")
        for n in ("pages.py", "pages_staff.py", "pages_queues.py", "recovery.py", "paper.py")
    )
    asked = {k for k in re.findall(r'"(counter\.[a-z_-]+)"', code) if not k.endswith("_")}
    assert len(asked) > 80 and all(words.has(k) for k in asked), [k for k in asked if not words.has(k)]
    english = {k for k in load("en").entries if k.startswith("counter.")}
    assert {k for k in words.entries if k.startswith("counter.")} == english
    assert all("'" not in str(words.entries[k]).strip("{}'") or isinstance(words.entries[k], dict) for k in english)


def test_law_2_no_page_runs_a_script():
    assert "script-src" not in page.HEADERS["Content-Security-Policy"]
    text = (files("msingi.counter") / "templates" / "sheet.html").read_text("utf-8")
    assert "<script" not in text and " style=" not in text


async def test_an_operator_opens_an_account_that_signs_in_and_takes_nobody_s_id(surf, town, desk):
    operator = await surf().sign_in(town.staff.operator.login, town.staff.operator.phone)
    await operator.open("/staff/accounts/open")
    ticket = re.search(r'name="_ticket" value="([^"]+)"', operator.answer.text)[1]
    answers = {
        "staff_id": "counter-new", "full_name": "Neema New", "workplace": "rita", "role": "card-officer",
        "second_role": "", "phone": "+255699000177", "pin": PIN,
    }  # fmt: skip

    async def send(**more):
        sent = {"_ticket": ticket, **answers, **more}
        operator.answer = await operator.http.post("/staff/accounts/open", data=sent, follow_redirects=True)
        return operator.text

    assert "too easy to guess" in await send(pin="1111")
    assert PIN not in operator.answer.text
    assert "has an open account" in await send(staff_id="counter-judge")
    assert 'aria-invalid="true"' in (await send(phone="12") and operator.answer.text)
    assert "Opened" in await send()
    assert "Card officer" in operator.text
    new = await surf().sign_in("counter-new", "+255699000177")
    assert (await new.open("/staff")).url.path == "/staff"
    officer = await surf().sign_in(*desk["officer"])
    assert (await officer.open("/staff/accounts/open")).status_code == 403
    assert (await officer.open("/staff/decisions")).status_code == 403
    await operator.open("/staff/decisions")
    assert operator.answer.status_code == 200


async def test_an_officer_makes_the_card_and_prints_it(surf, stack, desk, ctx_of):
    made = await identity.enrol(stack, ctx_of(Kind.JOB, "setup", purpose="identity-registration"), someone(), key())
    assert isinstance(made, Enrolled)
    officer = await surf().sign_in(*desk["registrar"])
    await officer.open("/staff/person")
    await officer.send("/staff/person", number=made.number)
    await officer.send("/staff/person/cards")
    assert "There is no card yet" in officer.text and "Print the card" not in officer.text
    await officer.send("/staff/person/cards/make")
    assert "The card is made" in officer.text and "In force" in officer.text
    await officer.send("/staff/person/cards/print")
    assert officer.answer.content.startswith(b"%PDF")
    other = await surf().sign_in(*desk["officer"])
    await other.open("/staff/person")
    await other.send("/staff/person", number=made.number)
    assert "/staff/person/cards" not in other.answer.text
