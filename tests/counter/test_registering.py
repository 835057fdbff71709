"""Registering without code: an institution describes a type of credential, operators register software; two people."""

import json
import re

import pytest
from joserfc.jwk import ECKey
from lxml.html import fromstring
from tests.portal.conftest import PIN, surf, town

from msingi.credentials.issuance import kinds
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotFound, NotPermitted
from msingi.signin import acts as signin
from msingi.signin.errors import BadRegistration, SameHand
from msingi.signin.model import Client, NewStaff, Profile

__all__ = ["surf", "town"]  # fixtures, imported by name
KEY = ECKey.generate_key("P-256", {"kid": "k1"})


@pytest.fixture(scope="module")
async def staff(stack):
    """Two operators, an officer of credentials, and an approver."""
    hired = {}
    roles = {
        "first": ["operator"],
        "second": ["operator"],
        "clerk": ["credential-officer"],
        "approver": ["credential-approver", "credential-officer"],
    }
    for place, (name, has) in enumerate(roles.items()):
        phone = f"+25569900020{place}"
        new = NewStaff(
            staff_id=f"desk-{name}", institution="hazina", roles=frozenset(has), name=name, phone=phone, pin=PIN
        )
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        hired[name] = (f"desk-{name}", phone)
    return hired


async def press(visitor, action: str, **typed: str):
    """Press the button of the form at `action` that carries what is told of it; the rest of `typed` is filled in."""
    tree = fromstring(visitor.answer.text)
    for form in tree.xpath(f"//form[@action='{action}']"):
        held = {f.get("name"): f.get("value", "") for f in form.xpath(".//input[@name and not(@type='radio')]")}
        wanted = {k: v for k, v in typed.items() if k in ("kind", "client", "approve", "drop")}
        if all(held.get(k) == v for k, v in wanted.items()) and ("_sent" in typed) == ("_sent" in held):
            answer = await visitor.http.post(action, data=held | typed, headers={"accept": "text/html"})
            visitor.answer = answer
            return answer
    raise AssertionError(f"no such button: {action} {typed}\n{visitor.text}")


async def test_an_institution_gets_a_type_of_credential_from_pages_alone(surf, stack, staff):
    clerk = await surf().sign_in(*staff["clerk"])
    await clerk.open("/staff/kinds")
    assert "Types of credentials" in clerk.text and "In force" in clerk.text
    await clerk.open("/staff/kinds/new")
    await clerk.send("/staff/kinds/new", kind_id="Bad Name")
    assert clerk.answer.status_code == 422 and 'value="Bad Name"' in clerk.answer.text, "nothing typed is lost"
    names = {"kind_name_sw": "Kibali cha uvuvi", "kind_name_en": "Fishing permit"}
    await clerk.send(
        "/staff/kinds/new", **names, kind_id="fishing-permit", formats="dc+sd-jwt mso_mdoc", years="2", several="no",
        approval="no", haip="yes",
    )  # fmt: skip
    assert "Add what the credential says" in clerk.text
    sources = re.findall(r'<option value="([^"]+)"', clerk.answer.text)
    assert {"institution:text", "register.full_name"} <= set(sources) or "register.given_name" in sources
    said = {
        "_sent": "1",
        "claim_name_sw": "Jina",
        "claim_name_en": "Given names",
        "claim_source": "register.given_name",
    }
    await press(clerk, "/staff/kinds/claims", **said)
    assert "Added." in clerk.text and "From the register" in clerk.text
    await press(clerk, "/staff/kinds/claims", **said)
    assert clerk.answer.status_code == 422 and "in it already" in clerk.text
    lake = {
        "claim_name_sw": "Ziwa", "claim_name_en": "Lake", "claim_source": "institution:text",
        "claim_choices": "Nyasa, Victoria", "claim_needed": "yes",
    }  # fmt: skip
    await press(clerk, "/staff/kinds/claims", _sent="1", **lake)
    await press(clerk, "/staff/kinds/claims", _sent="1", **(lake | {"claim_name_en": "Boat"}))
    await press(clerk, "/staff/kinds/claims", drop="2")
    await press(clerk, "/staff/kinds/propose")
    assert "Proposed. Somebody else decides" in clerk.text, clerk.text
    await press(clerk, "/staff/kinds/look", kind="fishing-permit")
    assert "a colleague decides" in clerk.text and "Put in force" not in clerk.text
    approver = await surf().sign_in(*staff["approver"])
    await approver.open("/staff/kinds")
    await press(approver, "/staff/kinds/look", kind="fishing-permit")
    seen = approver.text
    assert all(word in seen for word in ("Fishing permit", "Kibali cha uvuvi", "Nyasa, Victoria", "desk-clerk", "mdoc"))
    await press(approver, "/staff/kinds/decide", approve="1")
    assert "In force. It can be awarded now." in approver.text
    made = await kinds.named(stack, "fishing-permit")
    assert [c.key for c in made.claims] == ["given_names", "lake"] and made.haip and made.institution == "hazina"
    assert made.claims[1].choices == ("Nyasa", "Victoria") and made.claims[1].required
    assert made.claims[0].element == (made.doctype, "given_names")


async def test_a_draft_of_another_session_and_wrong_words_are_refused(surf, staff):
    clerk, other = await surf().sign_in(*staff["clerk"]), await surf().sign_in(*staff["approver"])
    for visitor in (clerk, other):
        await visitor.open("/staff/kinds/new")
        names = {"kind_name_sw": "A", "kind_name_en": "B"}
        await visitor.send("/staff/kinds/new", **names, kind_id="boat", formats="dc+sd-jwt")
    stolen = re.search(r'name="draft" value="([^"]+)"', clerk.answer.text)[1]
    await press(other, "/staff/kinds/claims", _sent="1", draft=stolen)
    assert other.answer.status_code in (400, 403, 409) and "Add what" not in other.text
    needed = {"claim_name_sw": "سعر", "claim_name_en": "سعر", "claim_source": "institution:number"}
    await press(clerk, "/staff/kinds/claims", _sent="1", **needed)
    assert clerk.answer.status_code == 422, "a claim without a Latin name needs a short one"
    await press(clerk, "/staff/kinds/claims", _sent="1", **needed, claim_key="price")
    assert "Added." in clerk.text


async def test_two_operators_register_software_from_pages(surf, stack, staff):
    first, second = await surf().sign_in(*staff["first"]), await surf().sign_in(*staff["second"])
    await first.open("/staff/clients/new")
    public, private = KEY.as_dict(private=False), KEY.as_dict(private=True)
    typed = {
        "client_name": "Health portal", "client_id": "health-portal", "workplace": "hazina", "profile": "fapi",
        "redirects": "https://rp.example/back https://rp.example/two", "scope_profile": "yes", "scope_phone": "no",
        "scope_number": "no", "scope_offline_access": "no", "scope_authenticate": "yes",
    }  # fmt: skip
    await first.send("/staff/clients/new", **typed, keys="{")
    assert first.answer.status_code == 422 and 'value="health-portal"' in first.answer.text
    await first.send("/staff/clients/new", **typed, keys=json.dumps(private))
    assert "breaks a rule" in first.text and "public keys only" in first.text
    await first.send("/staff/clients/new", **typed, keys=json.dumps({"keys": [public]}))
    assert "Another operator decides" in first.text
    await press(first, "/staff/clients/look", client="health-portal")
    assert "Put in force" not in first.text
    await second.open("/staff/clients")
    await press(second, "/staff/clients/look", client="health-portal")
    assert "https://rp.example/two" in second.text and "Yes or no questions" in second.text
    await press(second, "/staff/clients/decide", approve="1", client="health-portal")
    assert "It can be used now" in second.text
    known = await signin.client(stack, "health-portal")
    assert known.scopes == {"openid", "profile", "authenticate"} and "birthdate" in known.claims
    assert known.redirect_uris == ("https://rp.example/back", "https://rp.example/two")
    await press(second, "/staff/clients/retire", client="health-portal")
    assert "Retire this software?" in second.text
    await press(second, "/staff/clients/retire", client="health-portal")
    assert "Retired." in second.text


@pytest.mark.parametrize("language", ["sw", "fr", "ar"])
async def test_the_pages_speak_every_language(surf, staff, language):
    words = {"sw": "Aina za hati", "fr": "Types d’attestations", "ar": "أنواع المستندات"}
    approver = await surf(language).sign_in(*staff["approver"])
    for path in ("/staff/kinds", "/staff/kinds/new"):
        answer = await approver.open(path, params={})
        assert answer.status_code == 200
    assert words["sw"] in approver.text or words[language] in approver.text


SOFTWARE = Client(
    client_id="proposed", name="P", institution="hazina", profile=Profile.FAPI, jwks=(KEY.as_dict(private=False),)
)


def operator(ctx_of, name="op-1", **more):
    return ctx_of(Kind.STAFF, name, **({"roles": ["operator"], "purpose": "operations"} | more))


async def test_access_signin_propose_client(stack, ctx_of):
    await signin.propose_client(stack, operator(ctx_of), SOFTWARE)
    with pytest.raises(NotPermitted):
        await signin.propose_client(stack, operator(ctx_of, roles=["auditor"]), SOFTWARE)
    with pytest.raises(BadRegistration):
        wrong = Client(client_id="x", name="x", institution="x", profile=Profile.FAPI)
        await signin.propose_client(stack, operator(ctx_of), wrong)


async def test_access_signin_client_proposals(stack, ctx_of):
    found = await signin.client_proposals(stack, operator(ctx_of))
    assert [p.proposed_by for p in found if p.registration.client_id == "proposed"] == ["op-1"]
    with pytest.raises(NotPermitted):
        await signin.client_proposals(stack, operator(ctx_of, assurance=1))


async def test_access_signin_decide_client(stack, ctx_of):
    with pytest.raises(SameHand):
        await signin.decide_client(stack, operator(ctx_of), "proposed", True)
    with pytest.raises(NotPermitted):
        await signin.decide_client(stack, operator(ctx_of, "op-2", roles=["teller"]), "proposed", True)
    await signin.decide_client(stack, operator(ctx_of, "op-2"), "proposed", True)
    assert (await signin.client(stack, "proposed")).name == "P"
    with pytest.raises(NotFound):
        await signin.decide_client(stack, operator(ctx_of, "op-2"), "proposed", True)
