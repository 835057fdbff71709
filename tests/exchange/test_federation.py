"""Two countries, each with its own program and database, exchange with only public keys in common."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest
from click.testing import CliRunner
from msgspec.structs import replace
from tests.running import Running

from msingi.cli import cli
from msingi.cli.running import at_work
from msingi.cli.visitor import Visitor
from msingi.consent import acts as consents
from msingi.consent.model import AgreementId, AgreementOrder, AgreementText, Controller
from msingi.exchange import client, governance
from msingi.exchange.errors import SignatureRefused
from msingi.exchange.membership import acts as membership
from msingi.exchange.model import RightOrder, ServiceCode, SubsystemId
from msingi.identity import acts as identity
from msingi.kernel.context import Actor, Kind, context, job_context

XT_CLINIC = "XT/GOV/zahanati/records"
XT_HOSPITAL = "XT/GOV/hospitali/records"
XW_REGISTRY = "XW/GOV/etat-civil/identity"


@pytest.fixture(scope="module")
def countries(tmp_path_factory):
    """Taifa and Wahat side by side, each peer of the other; their anchors went from hand to hand as files."""
    folder = tmp_path_factory.mktemp("two")
    both = {name: Running(folder / name, 6, country=name) for name in ("taifa", "wahat")}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda one: one.start(), both.values()))
        anchors = {}
        for name, one in both.items():
            anchors[name] = folder / f"{name}.anchor.json"
            anchors[name].write_bytes(httpx.get(f"{one.url}/v1/exchange/anchor").content)
    for name, other in (("taifa", "wahat"), ("wahat", "taifa")):
        assert "active" in command(both[name], "add", str(anchors[other]))
    yield both
    for one in both.values():
        one.stop()


def command(one: Running, *args: str) -> str:
    """A command of the operator at one of the machines; gives what it prints."""
    done = CliRunner().invoke(cli, ["peers", args[0], "--home", str(one.home), *args[1:]], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def jwk(one: Running, code: str) -> dict[str, str]:
    return next(i["jwk"] for i in one.sample["institutions"] if i["code"] == code)


def keys(one: Running) -> list[dict[str, str]]:
    return httpx.get(f"{one.url}/v1/exchange/keys").json()["keys"]


async def grant(one: Running, client_id: str, service: str, fields: tuple[str, ...], law: str) -> None:
    """The governing authority of one country grants a right to another country's clinic."""
    order = RightOrder(
        SubsystemId(client_id), ServiceCode(service), "identity-proofing", "public-task", law, fields, by_number=True
    )
    async with at_work(one.home) as stack:
        await governance.grant_right(stack, job_context("setup", "data-exchange"), order)


def ask_for(one: Running, person: str, **headers: str) -> client.Prepared:
    named = {"msingi-purpose": "identity-proofing"} | {n.replace("_", "-"): v for n, v in headers.items()}
    path = client.service_path(f"{XW_REGISTRY}/person-facts", person)
    return client.prepare(one.url, XT_CLINIC, jwk(one, "zahanati"), path, headers=named)


async def test_a_clinic_of_one_country_asks_the_registry_of_the_other(countries):
    here, there = countries["taifa"], countries["wahat"]
    someone = there.sample["people"][0]
    refused = await client.send(ask_for(here, someone["number"]), keys(here))
    assert (refused.status, refused.problem) == (403, "exchange.no-right")
    await grant(there, XT_CLINIC, "person-facts", ("name.given", "birth_date"), "Treaty of the Two Lakes, article 4")

    prepared = ask_for(here, someone["number"])
    answer = await client.send(prepared, keys(here))
    assert answer.status == 200 and answer.json["birth_date"] == someone["birth_date"], answer.body
    assert set(answer.json) == {"name", "birth_date"} and set(answer.json["name"]) == {"given"}
    # End to end: the other country's key signed this body for this request; the exchange between is not believed.
    assert client.verify_origin(prepared, answer, keys(there)) == 200
    with pytest.raises(SignatureRefused):
        client.verify_origin(prepared, replace(answer, body=answer.body + b" "), keys(there))
    with pytest.raises(SignatureRefused):
        client.verify_origin(prepared, answer, keys(here))
    with pytest.raises(SignatureRefused):  # the proof of one answer does not serve for another question
        client.verify_origin(ask_for(here, someone["number"]), answer, keys(there))


async def test_both_logs_remember_each_with_its_own_name_of_the_person(countries):
    here, there = countries["taifa"], countries["wahat"]
    someone, mine = there.sample["people"][0], here.sample["people"][0]
    own = await pseudonym(here, mine["number"], "zahanati")
    answer = await client.send(ask_for(here, someone["number"], msingi_about=own), keys(here))
    assert answer.status == 200
    sent = await lines(here, mine["number"], "exchange.forwarded")
    told = await lines(there, someone["number"], "exchange.answered")
    assert sent[0]["detail"]["to"] == "XW" and sent[0]["institution"] == "zahanati"
    assert told[0]["institution"] == "XT:zahanati" and told[0]["detail"]["law"].startswith("Treaty")
    assert someone["number"] not in json.dumps(sent) and mine["number"] not in json.dumps(told)
    assert own not in json.dumps(told)


async def pseudonym(one: Running, number: str, institution: str) -> str:
    """How an institution names somebody."""
    async with at_work(one.home) as stack:
        who = await identity.person_by_number(stack, job_context("setup", "identity-proofing"), number)
        return stack.pseudonym.of(institution, who)


async def lines(one: Running, number: str, act: str) -> list[dict[str, Any]]:
    """A person's own record of who looked, newest first, only of one act."""
    async with at_work(one.home) as stack:
        who = await identity.person_by_number(stack, job_context("setup", "identity-proofing"), number)
        me = context(Actor(Kind.PERSON, str(who), assurance=2), "subject-access", "legal-obligation")
        page = await consents.accesses(stack, me, who)
    return [{"institution": x.institution, "detail": x.detail} for x in page.items if x.act == act]


async def test_a_light_consumer_asks_the_other_country_directly(countries):
    """Its own key signs, its country's directory vouches for it; no server of its own country is between."""
    here, there = countries["taifa"], countries["wahat"]
    someone = there.sample["people"][1]
    path = client.service_path(f"{XW_REGISTRY}/person-facts", someone["number"])
    named = {"msingi-purpose": "identity-proofing"}
    prepared = client.prepare(there.url, XT_CLINIC, jwk(here, "zahanati"), path, headers=named)
    answer = await client.send(prepared, keys(there))
    assert answer.status == 200 and answer.json["birth_date"] == someone["birth_date"]
    again = await client.send(prepared, keys(there))
    assert (again.status, again.problem) == (409, "exchange.message-seen")
    stranger = client.prepare(there.url, XT_CLINIC, client.new_key(), path, headers=named)
    assert (await client.send(stranger, keys(there))).problem == "exchange.signature-refused"
    other = client.prepare(there.url, "XT/GOV/hospitali/records", jwk(here, "zahanati"), path, headers=named)
    assert (await client.send(other, keys(there))).problem == "exchange.signature-refused"


async def test_who_joined_a_minute_ago_asks_over_the_border_for_a_right_and_then_the_service(countries, tmp_path):
    """By the commands of an institution alone; the directories were exchanged before it joined."""
    here, there = countries["taifa"], countries["wahat"]
    folder, service = str(tmp_path / "relief"), f"{XW_REGISTRY}/person-facts"

    def join(*args: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["join", args[0], "--folder", folder, *args[1:]])
        return done.exit_code, done.output

    about = ["--code", "uokoaji", "--name", "Relief Office", "--contact", "it@uokoaji.example"]
    assert join("apply", "--to", here.url, *about)[0] == 0
    ctx = job_context("setup", "data-exchange")
    async with at_work(here.home) as stack:
        authority = replace(ctx, actor=Actor(Kind.STAFF, "g", "rita", frozenset({"governing-authority"}), 2))
        (asked,) = [a for a in await membership.applications(stack, authority) if a.institution == "uokoaji"]
        await membership.admit_member(stack, authority, asked.application)
    wish = ["--purpose", "identity-proofing", "--basis", "public-task", "--law", "Treaty, article 9", "--by-number"]
    wish += ["--why", "to find families after a flood", "--fields"]
    code, words = await asyncio.to_thread(join, "right", service, *wish, "salary")
    assert code == 1 and "no such field" in words, words
    assert (await asyncio.to_thread(join, "right", service.replace("person", "other"), *wish, "birth_date"))[0] == 1
    code, words = await asyncio.to_thread(join, "right", service, *wish, "birth_date")
    assert code == 3, words
    async with at_work(there.home) as stack:
        (wished,) = [r for r in await membership.requests(stack, "XT:uokoaji")]
        assert wished.order.client == "XT/GOV/uokoaji/main"
        steward = replace(ctx, actor=Actor(Kind.STAFF, "s", "etat-civil", frozenset({"data-steward"}), 2))
        await membership.decide_right(stack, steward, wished.request, True, "")
        assert [r.client for r, _ in await membership.rights(stack, institution="XT:uokoaji")] == [wished.order.client]
    code, words = await asyncio.to_thread(join, "right", service, *wish, "birth_date")
    assert code == 0 and "msingi join ask" in words, words
    someone = there.sample["people"][1]
    code, words = await asyncio.to_thread(join, "ask", service, someone["number"], "--purpose", "identity-proofing")
    assert code == 0 and json.loads(words) == {"birth_date": someone["birth_date"]}, words
    # Another member sees nothing of this request, and cannot ask in its name.
    for body, path in ((b"", f"/{wished.request}"), (msgspec.json.encode(wished.order), "")):
        made = client.prepare(
            here.url, XT_CLINIC, jwk(here, "zahanati"), f"/r1/{XW_REGISTRY}/rights{path}", body=body,
            method="POST" if body else "GET", headers={"msingi-purpose": "data-exchange"},
        )  # fmt: skip
        assert (await client.send(made, keys(here))).status in (400, 404)


async def test_metadata_and_noes_travel_too(countries):
    here, there = countries["taifa"], countries["wahat"]
    key, own = jwk(here, "zahanati"), keys(here)
    listed = await client.send(client.prepare(here.url, XT_CLINIC, key, f"/r1/{XW_REGISTRY}/listMethods"), own)
    assert "person-facts" in [s["service_code"] for s in listed.json["service"]]
    unknown = client.prepare(here.url, XT_CLINIC, key, "/r1/XZ/GOV/a/b/c", headers={"msingi-purpose": "payment"})
    assert (await client.send(unknown, own)).problem == "exchange.instance-unknown"
    unsigned = httpx.get(f"{here.url}/r1/{XW_REGISTRY}/person-facts/1", headers={"x-road-client": XT_CLINIC})
    assert (unsigned.status_code, unsigned.headers["msingi-problem"]) == (401, "exchange.signature-refused")
    bad = client.prepare(here.url, XT_CLINIC, key, f"/r1/{XW_REGISTRY}/person-facts/1")
    assert (await client.send(bad, own)).problem == "exchange.bad-call"
    assert httpx.get(f"{there.url}/v1/exchange/peers").json()[0]["standing"] == "active"
    names = [i["institution"] for i in httpx.get(f"{there.url}/v1/exchange/institutions").json()]
    assert "XT:zahanati" not in names  # strangers are not listed as members


HEALTH_LAW = "Loi sur la santé, art. 12"
FACTS = ("person-facts.name.given", "person-facts.birth_date")


async def prepare_consent(one: Running) -> None:
    """The home country publishes an agreement for another country's clinic, and two rights: to ask, and by consent."""
    texts = {
        language: AgreementText("La clinique peut lire deux de vos données", "vous soigner", "Elle lit deux données.")
        for language in ("fr", "ar", "en")
    }
    agreement = AgreementOrder(
        AgreementId("voyage"), "XT:zahanati", Controller({"en": "Clinic abroad"}, "1", "dpo@zahanati.example"),
        "health-care", "consent", HEALTH_LAW, FACTS, 30, 365, texts,
    )  # fmt: skip
    rights = [
        (XT_CLINIC, "consent-requests", "consent-management", "legal-obligation", ("request", "subject")),
        (XT_CLINIC, "person-facts", "health-care", "consent", ("name.given", "birth_date")),
        (XT_HOSPITAL, "person-facts", "health-care", "consent", ("name.given", "birth_date")),
    ]
    async with at_work(one.home) as stack:
        await consents.publish_agreement(stack, job_context("setup", "consent-management"), agreement)
        for client_id, service, purpose, basis, fields in rights:
            order = RightOrder(
                SubsystemId(client_id),
                ServiceCode(service),
                purpose,
                basis,
                HEALTH_LAW,
                fields,
                endpoints=("GET /**", "POST /"),
                by_number=True,
            )
            await governance.grant_right(stack, job_context("setup", "data-exchange"), order)


def facts_for(one: Running, person: str, subsystem: str = XT_CLINIC) -> client.Prepared:
    """A question of another country's institution, through its own exchange, for health care."""
    path = client.service_path(f"{XW_REGISTRY}/person-facts", person)
    key = jwk(one, subsystem.split("/")[2])
    return client.prepare(one.url, subsystem, key, path, headers={"msingi-purpose": "health-care"})


async def test_a_consent_given_at_home_opens_a_service_to_another_country_until_it_is_withdrawn(countries):
    """Asked for over the border, read and given on the person's own pages, obeyed at once when it is taken back."""
    here, there = countries["taifa"], countries["wahat"]
    traveller = there.sample["people"][2]
    await prepare_consent(there)
    own = keys(here)
    no = await client.send(facts_for(here, traveller["number"]), own)
    assert (no.status, no.problem) == (403, "consent.missing")

    path = client.service_path(f"{XW_REGISTRY}/consent-requests", traveller["number"])
    wish = json.dumps({"agreement": "voyage", "reason": "She fell ill on her journey."}).encode()
    named = {"msingi-purpose": "consent-management", "content-type": "application/json"}

    def asking(body: bytes, method: str = "POST") -> client.Prepared:
        key = jwk(here, "zahanati")
        return client.prepare(here.url, XT_CLINIC, key, path, method=method, body=body, headers=named)

    asked = await client.send(asking(wish), own)
    assert asked.status == 200 and set(asked.json) == {"request", "subject"}, asked.body
    for bad in (b"no", b'{"agreement": 1}', b'{"agreement": "voyage", "more": 1}'):
        assert (await client.send(asking(bad), own)).status == 400
    elses = json.dumps({"agreement": "patient-summary"}).encode()  # of an institution at home
    assert (await client.send(asking(elses), own)).status == 403
    pseudonym = asked.json["subject"]

    async with Visitor(there.url, "fr") as me:
        await me.sign_in(traveller["number"], traveller["pin"], traveller["phone"])
        page = await me.open("/me/consents")
        assert "Mwembeni Clinic (Republic of Taifa)" in page.main, page.main
        page = await me.open(page.link("/me/consents/requests/"))
        assert "She fell ill" in page.main
        await me.submit(page, page.form(action="/me/consents/requests/"), button=("answer", "grant"))
        for name in (traveller["number"], pseudonym):  # from now on it need not use the number
            yes = await client.send(facts_for(here, name), own)
            assert yes.status == 200 and yes.json["birth_date"] == traveller["birth_date"], yes.body
        # Another institution of that country has the same right, and not the consent.
        other = await client.send(facts_for(here, traveller["number"], XT_HOSPITAL), own)
        assert (other.status, other.problem) == (403, "consent.missing")
        told = await lines(there, traveller["number"], "exchange.answered")
        assert told[0]["institution"] == "XT:zahanati" and told[0]["detail"]["consent"]

        page = await me.open("/me/consents")
        page = await me.open(page.link("/withdraw"))
        answers: list[tuple[float, float, int]] = []

        async def keep_asking() -> None:
            while not done.is_set():
                sent = time.perf_counter()
                got = await client.send(facts_for(here, pseudonym), own)
                answers.append((sent, time.perf_counter(), got.status))

        done = asyncio.Event()
        clinic = [asyncio.create_task(keep_asking()) for _ in range(2)]
        while sum(status == 200 for _, _, status in answers) < 3:
            await asyncio.sleep(0.01)
        pressed = time.perf_counter()
        await me.submit(page, page.form(action="/withdraw"))
        ended = time.perf_counter()
        while sum(sent > ended for sent, _, _ in answers) < 4:
            await asyncio.sleep(0.01)
        done.set()
        await asyncio.gather(*clinic)
    assert {status for sent, _, status in answers if sent > ended} == {403}
    last_yes = max(end for _, end, status in answers if status == 200)
    print(f"\nwithdrawn at home in {ended - pressed:.3f} s; last answer abroad {last_yes - pressed:+.3f} s after")


async def test_people_at_the_desk_and_at_home_decide_and_see_it_all(countries):
    """An institution applies on the page; the authority admits it; a hospital asks for a right and the owner grants."""
    here = countries["taifa"]

    def staff(role: str) -> dict[str, Any]:
        return next(s for s in here.sample["staff"] if s["role"] == role)

    async def desk(role: str) -> Visitor:
        made = Visitor(here.url)
        await made.sign_in(staff(role)["id"], staff(role)["pin"], staff(role)["phone"])
        return made

    async with Visitor(here.url) as outside:
        page = await outside.open("/exchange?words=facts")
        page = await outside.open(page.link("/exchange/offers/"))
        assert "name.given" in page.main and "Everybody" not in page.heading
        page = await outside.open("/exchange/join")
        answers = {"name": "Red Cross", "code": "msalaba", "member_class": "NGO", "contact": "it@msalaba.example"}
        answers |= {"subsystem": "main", "key": json.dumps(client.public_part(client.new_key()))}
        bad = await outside.client.post("/exchange/join", data=answers | {"key": "nonsense"})
        assert bad.status_code == 422 and "not a public Ed25519 key" in bad.text
        page = await outside.submit(page, page.form("code"), **answers)
        assert "waiting" in page.main
        mine = page.url.removeprefix(here.url)
        async with await desk("operator") as authority:
            waiting = await authority.open("/staff/institutions")
            assert "Red Cross" in waiting.main and "has not proved" in waiting.main
            form = next(f for f in waiting.tree.forms if dict(f.form_values()).get("what") == "approve")
            done = await authority.submit(waiting, form)
            assert "stands in the log" in done.text
            form = next(f for f in done.tree.forms if dict(f.form_values()).get("which") == "msalaba")
            stopped = await authority.submit(done, form, because="its key was lost")
            form = next(f for f in stopped.tree.forms if dict(f.form_values()).get("which") == "msalaba")
            sent = dict(form.form_values()) | {"because": "all is well again"}
            again = await authority.client.post("/staff/institutions", data=sent)
            assert again.status_code == 422 and "A colleague must do this" in again.text
        assert "approved" in (await outside.open(mine)).main
        assert "its key was lost" in (await outside.open("/exchange/members")).main
        async with await desk("technician") as hospital:
            page = await hospital.open("/staff/rights")
            wish = {"service": "person-facts", "client": "GOV/hospitali/records", "purpose": "health-care"}
            wish |= {"basis": "legal-obligation", "law": "Health Act s.4", "fields": "birth_date", "days": "30"}
            page = await hospital.submit(page, page.form("fields"), **wish, reason="to choose the right dose")
            assert "sent to the owner" in page.text
        async with await desk("steward") as owner:
            page = await owner.open("/staff/rights")
            page = await owner.submit(page, page.form("because"), because="", what="grant")
            assert "The right is granted" in page.text
        page = await outside.open("/exchange/offers/person-facts")
        assert "Health Act s.4" in page.main and "Regional Hospital" in page.main


async def test_a_suspended_peer_is_cut_off_at_once(countries):
    here, there = countries["taifa"], countries["wahat"]
    words = await asyncio.to_thread(command, there, "suspend", "XT", "--because", "their authority asked for it")
    assert "suspended" in words
    await asyncio.sleep(1.1)  # peers are remembered for a second
    answer = await client.send(ask_for(here, there.sample["people"][0]["number"]), keys(here))
    assert (answer.status, answer.problem) == (403, "exchange.peer-not-active")
