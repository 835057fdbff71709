"""Access control: whose data each caller can reach, through every kind of door."""

from types import SimpleNamespace
from typing import Any

import pytest
from tests.consent.people import agreement_order, oneself, steward
from tests.portal.conftest import PIN

from msingi.consent import acts as consents
from msingi.consent.model import AgreementId, GrantOrder
from msingi.credentials import acts as credentials
from msingi.exchange import client
from msingi.health import acts as health
from msingi.kernel.context import Actor, Kind, job_context
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.signin import acts as signin
from msingi.signin.model import Place

PURPOSES = ("social-protection", "data-exchange", "identity-proofing", "health-care", "redress")


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_software_cannot_read_the_register_beside_the_exchange(town: Any, desks: Any, purpose: str) -> None:
    """Rights, fields and consents are decided by the exchange; the officers' door must not be a way around it."""
    desk, path = desks.bank, f"/v1/identity/persons/{town.asha.number}"
    named = {"msingi-purpose": purpose}
    signed = client.prepare(desk.stack.settings.url, f"XT/{desk.subsystem}", desk.key, path, headers=named)
    got = await desk.raw(signed)
    assert got.status_code == 403, got.text
    assert "Asha" not in got.text


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_nor_with_a_token_of_its_own(town: Any, http: Any, token_of: Any, purpose: str) -> None:
    shown = token_of(Actor(Kind.CLIENT, "any-client", "benki", frozenset({"authenticate"})))
    got = await http().get(f"/v1/identity/persons/{town.asha.number}", headers=shown | {"msingi-purpose": purpose})
    assert got.status_code == 403, got.text


async def test_who_may_do_nothing_with_a_person_does_not_learn_whether_there_is_one(
    town: Any, http: Any, token_of: Any
) -> None:
    """The answer about somebody's number and about nobody's is the same, and nobody's record is filled by strangers."""
    nobody, client = "100000000016", http()
    system = "urn:msingi:taifa:number"
    seen = await client.get(
        "/v1/consent/accesses", headers=token_of(Actor(Kind.PERSON, str(town.asha.id), assurance=2))
    )
    before = len(seen.json()["items"])
    for actor in (
        Actor(Kind.CLIENT, "any-client", "benki", frozenset({"authenticate"}), 1),
        Actor(Kind.STAFF, "treasurer-1", "hazina", frozenset({"treasurer"}), 2),
    ):
        shown, told = token_of(actor), []
        for number in (town.asha.number, nobody):
            patient = {"resourceType": "Patient", "identifier": [{"system": system, "value": number}]}
            asked = {"agreement": "no-such", "person": number, "reason": "x"}
            found = await client.get(f"/fhir/Patient?identifier={system}|{number}", headers=shown)
            fhir = shown | {"content-type": "application/fhir+json"}
            made = await client.post("/fhir/Patient", headers=fhir, json=patient)
            wish = await client.post("/v1/consent/requests", headers=shown, json=asked)
            purpose = shown | {"msingi-purpose": "redress"}
            read = await client.get(f"/v1/identity/persons/{number}", headers=purpose)
            told.append([a.status_code for a in (found, made, wish, read)])
        assert told[0] == told[1] and set(told[0]) <= {403, 404}, (actor, told)
    seen = await client.get(
        "/v1/consent/accesses", headers=token_of(Actor(Kind.PERSON, str(town.asha.id), assurance=2))
    )
    assert len(seen.json()["items"]) == before + 1  # the person's own look at the list


@pytest.fixture(scope="module")
async def belongings(stack: Stack, town: Any, members: None, ctx_of: Any) -> SimpleNamespace:
    """What Asha has, by id: a card, a consent, a line of her record, a session, a transfer, a patient record."""
    issuing = job_context("setup", "credential-issuance")
    card = await credentials.issue_card(stack, issuing, town.asha.id, "attack")
    await consents.publish_agreement(stack, steward(ctx_of), agreement_order("attacked"))
    me = oneself(ctx_of, town.asha.id)
    given = await consents.grant(stack, me, town.asha.id, GrantOrder(AgreementId("attacked"), 1))
    clinician = ctx_of(Kind.STAFF, "doc-1", institution="zahanati", roles=["clinician"], purpose="health-care")
    number = {"system": stack.profile.number_system, "value": town.asha.number}
    patient = {"resourceType": "Patient", "identifier": [number]}
    found = f"identifier={stack.profile.number_system}|{town.asha.number}"
    record = await health.create(stack, clinician, "Patient", patient, if_none_exist=found)
    own = oneself(ctx_of, town.asha.id, "subject-access")
    lines = await consents.accesses(stack, own, town.asha.id)
    account = (await payments.accounts(stack, own))[0]
    moved = (await payments.statement(stack, own, account.number)).entries[-1]
    place = Place(b"asha", "192.0.2.0/24")
    seen = await signin.verify_pin(stack, signin.proving(), town.asha.number, PIN, place, "t", one_factor=True)
    assert seen.cookie
    session = (await signin.list_sessions(stack, own, town.asha.id))[0]
    return SimpleNamespace(
        card=card.credential_id, consent=given.consent_id, line=lines.items[0].record_id, session=session.session_id,
        transfer=moved.transfer_id, patient=record.stored.id,
    )  # fmt: skip


async def test_nobody_reaches_what_is_ashas_by_its_id(
    town: Any, http: Any, token_of: Any, belongings: SimpleNamespace
) -> None:
    """Every door that names something by id, tried by everybody who should not get through."""
    has, asha = belongings, town.asha
    doors = [
        ("GET", f"/v1/credentials/persons/{asha.id}/cards"),
        ("GET", f"/v1/credentials/cards/{has.card}/card.pdf"),
        ("GET", f"/v1/credentials/cards/{has.card}/code.png"),
        ("POST", f"/v1/credentials/cards/{has.card}/suspend"),
        ("POST", f"/v1/credentials/cards/{has.card}/revoke"),
        ("POST", f"/v1/credentials/cards/{has.card}/reinstate"),
        ("GET", f"/v1/consent/consents/{has.consent}/receipts"),
        ("POST", f"/v1/consent/consents/{has.consent}/withdrawal"),
        ("GET", f"/v1/consent/accesses/{has.line}/proof"),
        ("DELETE", f"/v1/sessions/{has.session}"),
        ("GET", f"/v1/identity/persons/{asha.number}"),
        ("GET", f"/fhir/Patient/{has.patient}"),
        ("GET", f"/fhir/Patient/{has.patient}/_history"),
        ("GET", f"/fhir/Patient/{has.patient}/$everything"),
        ("GET", f"/fhir/Patient/{has.patient}/$summary"),
    ]
    strangers = {
        "baraka": token_of(Actor(Kind.PERSON, str(town.baraka.id), assurance=2)),
        "staff without a role": token_of(Actor(Kind.STAFF, "nobody-1", "rita", frozenset(), 2)),
        "a treasurer": token_of(Actor(Kind.STAFF, "treasurer-1", "hazina", frozenset({"treasurer"}), 2)),
        "another clinic": token_of(Actor(Kind.STAFF, "doc-2", "hospitali", frozenset({"clinician"}), 2)),
        "a bank's software": token_of(Actor(Kind.CLIENT, "bank", "benki", frozenset({"authenticate"}), 1)),
        "a person as software": token_of(Actor(Kind.CLIENT, str(asha.id), "", frozenset(), 1)),
        "anybody": {},
    }
    client, let_in = http(), []
    for who, shown in strangers.items():
        for method, door in doors:
            body = {"json": {"reason": "lost"}} if method == "POST" else {}
            got = await client.request(method, door, headers=shown | {"msingi-purpose": "redress"}, **body)
            if got.status_code not in (401, 403, 404, 410):  # 410: an account that was made up has no key
                let_in.append((who, method, door, got.status_code))
    assert not let_in


async def test_nobody_reaches_it_through_the_portal_either(town: Any, surf: Any, belongings: SimpleNamespace) -> None:
    has, baraka = belongings, surf()
    await baraka.sign_in(town.baraka.number, town.baraka.phone)
    for page in (
        f"/me/money/receipts/{has.transfer}", f"/me/accesses/{has.line}", f"/me/accesses/{has.line}/proof",
        f"/me/consents/{has.consent}/withdraw", f"/me/consents/requests/{has.consent}",
    ):  # fmt: skip
        assert (await baraka.open(page)).status_code == 404, page
    await baraka.open("/me/sessions")
    ticket = baraka.form("/sign-out")["_ticket"]
    for form in (f"/me/consents/{has.consent}/withdraw", f"/me/consents/requests/{has.consent}"):
        got = await baraka.http.post(form, data={"_ticket": ticket, "answer": "grant"}, follow_redirects=False)
        assert got.status_code == 404, form
    await baraka.http.post(f"/me/sessions/{has.session}/end", data={"_ticket": ticket})
    asha = surf()
    await asha.sign_in(town.asha.number, town.asha.phone)
    await asha.open("/me/consents")
    assert f"/me/consents/{has.consent}/withdraw" in asha.answer.text
    await asha.open("/me/sessions")
    assert f"/me/sessions/{has.session}/end" in asha.answer.text


async def test_people_at_the_desk_and_staff_without_the_role(town: Any, surf: Any) -> None:
    """A page of the desk opens for its role alone, and staff have no pages of a person."""
    desk = {
        "/staff/enrol": "officer", "/staff/duplicates": "judge", "/staff/console": "operator",
        "/staff/audit": "auditor", "/staff/payments": "treasurer",
    }  # fmt: skip
    asha = surf()
    await asha.sign_in(town.asha.number, town.asha.phone)
    for page in ("/staff", *desk):
        assert (await asha.open(page)).status_code == 403, page
    for name, who in vars(town.staff).items():
        surfer = surf()
        await surfer.sign_in(who.login, who.phone)
        for page, role in desk.items():
            wanted = 200 if name == role else 403
            assert (await surfer.open(page)).status_code == wanted, (name, page)
        for page in ("/me", "/me/card", "/me/money", "/me/health", "/me/health.json", "/me/accesses", "/me/card.pdf"):
            assert (await surfer.open(page)).status_code == 403, (name, page)
