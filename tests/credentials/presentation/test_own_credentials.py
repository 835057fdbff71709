"""What this stack issues, from the offer to the presentation, in somebody else's wallet; and signing in with it."""

import re
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from tests.credentials.presentation.bank import browser, running
from tests.credentials.presentation.wallet import Authority

from msingi.consent import acts as consent
from msingi.countries.portrait import portrait
from msingi.credentials.issuance import acts as issuance
from msingi.credentials.issuance import kinds
from msingi.credentials.model import CardState, Reason
from msingi.credentials.presentation.model import State
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name, Sex
from msingi.kernel import clock
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.ids import PersonId

SPACE = "org.iso.23220.1"


@pytest.fixture(scope="module")
async def bank(owner_url, tmp_path_factory, wallet, holder):
    authority = Authority("Elsewhere's Registry", int(clock.now().timestamp()) - 86_400)
    async with running(owner_url, tmp_path_factory.mktemp("bank"), wallet, authority, holder) as made:
        yield made


@pytest.fixture(scope="module")
async def neema(bank) -> PersonId:
    order = EnrolmentOrder(
        Name("Neema", "Mwakasege"), Birth("1988-01-02"), Sex.FEMALE, bank.stack.profile.regions[1].code,
        phone="+255700123456", photo=portrait("card", "female"),
    )  # fmt: skip
    outcome = await identity.enrol(bank.stack, job_context("setup", "identity-registration"), order, "e:neema")
    assert isinstance(outcome, Enrolled)
    return outcome.person_id


def own(person_id: PersonId, purpose: str = "credential-issuance"):
    return context(Actor(Kind.PERSON, str(person_id), assurance=2), purpose, "contract")


@pytest.fixture(scope="module")
async def held(bank, neema) -> dict:
    """Both forms of the national ID, in the wallet's own words."""
    offer = await issuance.make_offer(bank.stack, own(neema), neema, "national-id")
    wanted = ["national-id.sd-jwt", "national-id.mdoc"]
    found = await bank.node("accept", offer=offer.link, txCode=offer.tx_code, configuration=wanted, holder=bank.holder)
    kind = await kinds.named(bank.stack, "national-id")
    shown = {"given_name": "Neema", "age_over_18": True}
    spaces = {SPACE: {"given_name_latin1": "Neema", "age_over_18": True}}
    return {
        "sd": {"format": "dc+sd-jwt", "text": found[wanted[0]], "vct": kinds.vct(bank.stack, kind), "claims": shown,
               "holder": bank.holder},
        "mdoc": {"format": "mso_mdoc", "text": found[wanted[1]], "doctype": kind.doctype, "namespaces": spaces,
                 "holder": bank.holder},
    }  # fmt: skip


def query_for(held) -> dict:
    sd = {"id": "sd", "format": "dc+sd-jwt", "meta": {"vct_values": [held["sd"]["vct"]]}}
    mdoc = {"id": "mdoc", "format": "mso_mdoc", "meta": {"doctype_value": held["mdoc"]["doctype"]}}
    names = [[SPACE, "age_over_18"]]
    return {"credentials": [
        sd | {"claims": [{"path": ["given_name"]}, {"path": ["age_over_18"], "values": [True]}]},
        mdoc | {"claims": [{"path": path} for path in names]},
    ]}  # fmt: skip


async def test_from_the_offer_to_the_bank_in_both_forms(bank, held, neema):
    made = await bank.ask(query_for(held), status_required=True)
    told = await bank.answered(made, held["sd"], held["mdoc"])
    assert told["status"] == 200, told["body"]
    result = await bank.result(made)
    assert result.state is State.ANSWERED and [c.status for c in result.credentials] == ["valid", "valid"]
    assert [c.value for one in result.credentials for c in one.claims] == ["Neema", True, True]


async def test_law_8_the_person_sees_who_looked_and_at_what(bank, held, neema):
    made = await bank.ask(query_for(held))
    assert (await bank.answered(made, held["sd"], held["mdoc"]))["status"] == 200
    seen = await consent.accesses(bank.stack, own(neema, "subject-access"), neema)
    line = next(one for one in seen.items if one.act == "credentials.receive_presentation")
    assert (line.actor, line.institution, line.purpose, line.basis) == (
        "People's Bank", "benki", "identity-proofing", "contract",
    )  # fmt: skip
    assert line.detail["fields"] == "given_name age_over_18" and "section 12" in str(line.detail["law"])
    assert "Neema" not in str(line.detail)


async def test_what_is_suspended_or_revoked_is_refused_in_both_forms(bank, held, neema):
    officer = context(
        Actor(Kind.STAFF, "o", "rita", frozenset({"credential-officer"}), 2), "credential-issuance", "legal-obligation"
    )
    held_now = await issuance.holdings_of(bank.stack, own(neema), neema)
    holding = next(one for one in held_now if one.kind == "national-id")
    told = []
    for state, why in ((CardState.SUSPENDED, Reason.LOST), (CardState.ACTIVE, Reason.FOUND)):
        await issuance.change_holding(bank.stack, officer, neema, holding.holding_id, state, why)
        for form in ("sd", "mdoc"):
            query = {"credentials": [q for q in query_for(held)["credentials"] if q["id"] == form]}
            answer = await bank.answered(await bank.ask(query), held[form])
            told.append(answer["body"].get("code", answer["status"]))
    assert told == ["presentation.suspended", "presentation.suspended", 200, 200]


async def test_signing_in_with_a_wallet_on_the_same_device(bank, held, neema):
    async with browser(bank) as mine, browser(bank) as thief:
        mine.follow_redirects = True
        start = await mine.get("/sign-in")
        if "/signin/with/wallet" not in start.text:
            start = await mine.get("/signin-start") if start.status_code == 404 else start
        way = re.search(r'href="([^"]*/signin/with/wallet[^"]*)"', start.text)
        assert way, start.text[:2000]
        page = await mine.get(way[1].replace("&amp;", "&"))
        assert "/present/" in str(page.url) and page.status_code == 200, page.text[:500]
        link = re.search(r'id="wallet" href="([^"]+)"', page.text)[1].replace("&amp;", "&")
        told = await bank.answered(None, held["sd"], link=link)
        assert told["status"] == 200, told["body"]
        assert told["tokens"]["national-id-s"][0].count("~") == 1 or "given_name" not in told["tokens"]
        stolen = await thief.get(told["body"]["redirect_uri"])
        assert stolen.status_code == 403
        mine.follow_redirects = False
        back = await mine.get(told["body"]["redirect_uri"])
        assert back.status_code == 303 and "/signin/with/wallet/done" in back.headers["location"]
        assert (await thief.get(back.headers["location"])).status_code in (400, 403), "bound to the browser that began"
        done = await mine.get(back.headers["location"])
        assert done.status_code == 303, done.text[:800]
        assert "msingi-session" in str(done.headers.get_list("set-cookie"))
    seen = await consent.accesses(bank.stack, own(neema, "subject-access"), neema)
    assert any(one.act == "signin.verify-factor" and one.detail["by"] == "pop" for one in seen.items)


async def test_no_check_makes_a_connection(bank, held, monkeypatch):
    """Law 5: the verifier opens no socket between the wallet's answer and its own (no phone-home)."""
    import socket

    made = await bank.ask(query_for(held), status_required=True)
    ready = await bank.answered(made, held["sd"], held["mdoc"], hold=True)
    jwk = ready["payload"]["client_metadata"]["jwks"]["keys"][0]
    content = {"vp_token": ready["tokens"]}
    response = await bank.node("encrypt", jwk=jwk, alg="ECDH-ES", enc="A128GCM", kid=jwk["kid"], content=content)
    calls: list[object] = []
    real = socket.socket.connect
    async with httpx.AsyncClient() as client:
        await client.get(f"{bank.url}/healthz")  # the test's own connection stands before anybody counts

        def counted(self, address):
            calls.append(address)
            return real(self, address)

        monkeypatch.setattr(socket.socket, "connect", counted)
        for name in ("create_connection", "getaddrinfo"):
            monkeypatch.setattr(socket, name, lambda *args, _name=name, **_: calls.append((_name, args)))
        answer = await client.post(ready["payload"]["response_uri"], data={"response": response})
    assert answer.status_code == 200 and calls == []
    assert parse_qs(urlsplit(made.wallet_link).query)


async def test_an_institution_asks_and_collects_over_http_with_its_right_of_the_exchange(bank, held):
    """Law 1: the same rights, the same signed messages as for every other service of the exchange."""
    from msingi import offers
    from msingi.exchange import acts as exchange
    from msingi.exchange import client as software
    from msingi.exchange.model import InstitutionId, JoinOrder, RightOrder, ServiceCode, SubsystemId

    stack, key = bank.stack, software.new_key()
    setup = job_context("setup", "data-exchange", "legal-obligation")
    await exchange.publish_registered(stack)
    shown = software.public_part(key)
    await exchange.join_institution(
        stack, setup, JoinOrder(InstitutionId("duka"), "COM", {"en": "Duka la Dawa"}, "it@duka", "till", shown)
    )
    await exchange.approve(stack, setup, "duka")
    subsystem, instance = SubsystemId("COM/duka/till"), stack.profile.alpha2

    async def call(method: str, path: str, body: bytes = b"") -> httpx.Response:
        named = f"{instance}/{subsystem}"
        headers = {"content-type": "application/json"} if body else {}
        asked = software.prepare(bank.url, named, key, path, method=method, body=body, headers=headers)
        async with httpx.AsyncClient() as client:
            return await client.request(method, asked.url, content=body or None, headers=asked.headers)

    query = {"credentials": query_for(held)["credentials"][:1]}
    order = {"purpose": "identity-proofing", "basis": "contract", "dcql_query": query, "across": "counter"}
    original = stack.local["presentation.rights"]
    try:
        stack.local.pop("presentation.rights")
        offers.offer_shown(stack)
        await exchange.publish_registered(stack)
        door = "/v1/credentials/presentations"
        refused = await call("POST", door, msgspec.json.encode(order))
        assert (refused.status_code, refused.json()["code"]) == (403, "presentation.no-right"), refused.text
        right = RightOrder(
            client=subsystem, service=ServiceCode(offers.SHOWN), purpose="identity-proofing", basis="contract",
            law="Pharmacy Act", fields=("given_name", "age_over_18"),
        )  # fmt: skip
        await exchange.grant_right(stack, setup, right)
        answer = await call("POST", door, msgspec.json.encode(order))
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert (await bank.answered(None, held["sd"], link=made["wallet_link"]))["status"] == 200
        found = (await call("GET", f"{door}/{made['request_id']}")).json()
        assert found["state"] == "answered"
        assert [c["value"] for c in found["credentials"][0]["claims"]] == ["Neema", True]
        beyond = msgspec.json.encode(order | {"dcql_query": {"credentials": [
            query["credentials"][0] | {"claims": [{"path": ["birth_date"]}]},
        ]}})  # fmt: skip
        refused = await call("POST", door, beyond)
        assert (refused.status_code, refused.json()["fields"]) == (403, "birth_date")
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{bank.url}{door}/{made['request_id']}")).status_code == 401
    finally:
        stack.local["presentation.rights"] = original
