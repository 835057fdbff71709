"""Health and payments on machines and databases of their own; the rest of the country reaches them by the exchange."""

import asyncio
import json
import time
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from tests.payments_switch.fsp import Participant
from tests.payments_switch.kit import participant
from tests.running import Running

from msingi import app
from msingi.cli.running import at_work
from msingi.cli.tour_steps import Steps
from msingi.exchange import client
from msingi.exchange.federation import rooms
from msingi.governance import acts as governance
from msingi.governance.apart.model import Errand
from msingi.governance.model import Answer, Case, CaseOrder, Outcome
from msingi.governance.model import Kind as CaseKind
from msingi.identity import acts as identity
from msingi.kernel import crossing, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.errors import NotPermitted, Outage
from msingi.kernel.postgres import EmbeddedServer
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import files
from msingi.payments.bank import acts as bank
from msingi.payments.bank.model import MerchantOrder, Purchase
from msingi.payments.model import AccountKind, FileState, IssueOrder, PaymentFile
from msingi.payments.programmes import acts as programmes
from msingi.payments.programmes.errors import NoSuchProgramme
from msingi.payments.programmes.model import Eligibility, ProgrammeOrder, Why
from msingi.payments.switch import house


@pytest.fixture(scope="module")
def country(tmp_path_factory):
    """The main stack, and two machines that run health and payments alone; each knows the main one by its anchor."""
    folder = tmp_path_factory.mktemp("apart")
    main, apart = Running(folder / "main", 12), {r: Running(folder / r, 0) for r in ("health", "payments")}
    main.start()
    fingerprint = httpx.get(f"{main.url}/v1/exchange/anchor").json()["keys"][0]["kid"]
    for room, machine in apart.items():
        machine.launch("--rooms", room, "--peer", f"{main.url}#{fingerprint}")
    for room, machine in apart.items():
        machine.ready()
        fingerprint = httpx.get(f"{machine.url}/v1/exchange/anchor").json()["keys"][0]["kid"]
        add = ("peers", "add", "--home", str(main.home), f"{machine.url}#{fingerprint}")
        if room == "payments":  # the sample has accounts: they would stay behind, unseen
            refused = main.run(*add)
            assert refused.returncode == 1 and "move-room" in refused.stderr, refused.stdout
        added = main.run(*add, *(["--begin-anew"] if room == "payments" else []))
        assert added.returncode == 0 and f"runs {room}" in added.stdout, added.stderr
    time.sleep(3)  # the main stack notices within two seconds
    yield main, apart
    for machine in apart.values():
        machine.stop()
    main.stop()


@pytest.fixture(scope="module")
def machines(country):
    """The main stack and the machine that runs health."""
    return country[0], country[1]["health"]


async def rows(one: Running, query: str, *args) -> list[asyncpg.Record]:
    """What stands in an installation's own database."""
    conn = await asyncpg.connect(EmbeddedServer(one.home / "pg").url)
    try:
        return await conn.fetch(query, *args)
    finally:
        await conn.close()


async def test_the_health_part_of_the_main_job_passes_through_the_exchange(machines):
    main, _ = machines
    (main.home / "tour").mkdir()
    async with Steps(main.home, main.sample, main.home / "tour", 1) as steps:
        await steps.me.sign_in(steps.asha["number"], steps.asha["pin"], steps.asha["phone"])
        await steps.health()  # a clinic records; a hospital is refused, consented to, answered, refused again
        mine = await steps.me.open("/me/health")
        assert "Prediabetes" in mine.text or len(mine.main) > 400, mine.main
        token = await steps._token("clinic-app", "clinician")
        headers = {"Authorization": f"Bearer {token}"}
        named = {"identifier": f"{steps.profile.number_system}|{steps.asha['number']}"}
        async with httpx.AsyncClient(base_url=main.url, headers=headers) as clinic:
            found = (await clinic.get("/fhir/Patient", params=named)).json()
            patient = found["entry"][0]["resource"]
            pseudonym = patient["identifier"][0]["value"]
            assert steps.asha["number"] not in json.dumps(patient)
            conditions = (await clinic.get("/fhir/Condition", params={"patient": patient["id"]})).json()
            assert conditions["entry"][0]["resource"]["resourceType"] == "Condition"
            whole = (await clinic.get(f"/fhir/Patient/{patient['id']}/$everything?_count=5")).json()
            assert len([e for e in whole["entry"] if e["search"]["mode"] == "match"]) == 5
            assert any(link["relation"] == "next" for link in whole["link"])
            read = await clinic.get(f"/fhir/Patient/{patient['id']}")
            assert read.headers["etag"] == 'W/"1"'
            bad = await clinic.post("/fhir/Patient", json={"resourceType": "Patient", "birthDate": "never"})
            assert bad.status_code == 400 and bad.json()["issue"][0]["expression"] == ["Patient.birthDate"]
            lost = await clinic.get("/fhir/Patient/00000000-0000-0000-0000-000000000000")
            assert lost.status_code == 404
    async with at_work(main.home) as stack:  # the pseudonym is the one that main makes: the secret stayed there
        assert stack.pseudonym.person("zahanati", pseudonym)
        who = await identity.person_by_number(
            stack, job_context("setup", "payment"), main.sample["people"][0]["number"]
        )
        assert stack.pseudonym.of("zahanati", who) == pseudonym


async def test_each_side_keeps_its_part_and_its_own_name_of_the_person(machines):
    main, health = machines
    there = (await rows(health, "SELECT count(*) AS n, count(DISTINCT person_id) AS people FROM health.resource"))[0]
    assert there["n"] > 50 and there["people"] >= 1
    # The sample's own vaccinations were recorded before health moved out; nothing has been since.
    synthea = "SELECT count(*) FROM health.resource WHERE rtype NOT IN ('Patient', 'Immunization')"
    assert (await rows(main, synthea))[0][0] == 0
    acts = "SELECT act, person_id FROM log.record WHERE act = ANY ($1)"
    sent = await rows(main, acts, ["exchange.carried"])
    kept = await rows(health, acts, ["health.store-bundle", "health.summary-for-exchange", "exchange.answered"])
    assert {"health.store-bundle", "health.summary-for-exchange", "exchange.answered"} <= {r["act"] for r in kept}
    here_people = {r["person_id"] for r in await rows(main, "SELECT person_id FROM identity.person")}
    there_people = {r["person_id"] for r in await rows(health, "SELECT DISTINCT person_id FROM health.resource")}
    assert there_people and not here_people & there_people
    assert {r["person_id"] for r in sent} & here_people and {r["person_id"] for r in kept} & there_people
    assert (await rows(health, "SELECT count(*) FROM identity.person"))[0][0] == 0


async def test_only_machines_of_the_stack_carry_acts_and_only_those_that_their_rooms_call(machines):
    main, _ = machines
    key = next(i["jwk"] for i in main.sample["institutions"] if i["code"] == "hospitali")
    keys = httpx.get(f"{main.url}/v1/exchange/keys").json()["keys"]
    for act in ("person_by_number", "read_person"):
        prepared = client.prepare(
            main.url, "XT/GOV/hospitali/records", key, f"/r1/XT/GOV/rita/msingi/identity-acts/{act}", method="POST",
            body=b"{}", headers={"msingi-purpose": "health-care", "content-type": "application/json"},
        )  # fmt: skip
        assert (await client.send(prepared, keys)).problem == "exchange.no-right"
    listed = httpx.get(f"{main.url}/v1/exchange/services/identity-acts").json()["openapi"]["paths"]
    app.running(Settings(rooms="health"))  # says which acts are marked
    assert set(listed) == {f"/{name}" for name in crossing.known("identity")} >= {"/initials_of", "/person_by_number"}
    assert not {"/read_person", "/read_many", "/enrol"} & set(listed)  # what says more than a room needs is not marked
    with pytest.raises(ValueError, match="cannot run on a machine of its own"):
        app.running(Settings(rooms="portal"))


async def treasury(main: Running, label: str = "treasury") -> str:
    """A ministry's account with money, opened from the main stack; the ledger stands on its own machine."""
    async with at_work(main.home) as stack:
        await rooms.connect(stack)
        ctx, ministry = job_context("setup", "payment"), main.sample["treasury"]["institution"]
        bank = next(m.code for m in stack.profile.institutions if m.kind == "bank")
        await payments.open_account(stack, ctx, bank, AccountKind.ISSUE, label="issue")
        opened = await payments.open_account(stack, ctx, ministry, AccountKind.GOVERNMENT, label=label)
        issue = IssueOrder(f"apart-{label}", opened.number, 5_000_000_000)
        await payments.issue(stack, job_context("setup", "operations"), issue)
        return opened.number


async def test_the_payments_part_of_the_main_job_passes_through_the_exchange(country):
    main, apart = country
    folder = main.home / "paying"
    folder.mkdir()
    known = main.sample | {"treasury": main.sample["treasury"] | {"number": await treasury(main)}}
    before = await rows(main, "SELECT count(*) FROM payments.journal")
    async with Steps(main.home, known, folder, 1) as steps:
        await steps.me.sign_in(steps.asha["number"], steps.asha["pin"], steps.asha["phone"])
        await steps.pay()  # a file by identity number, approved and paid; then by phone, masked, with a receipt
    assert await rows(main, "SELECT count(*) FROM payments.journal") == before
    there = apart["payments"]
    # The issue, a file of five, and a payment by phone.
    assert (await rows(there, "SELECT count(*) AS n FROM payments.journal"))[0]["n"] >= 7
    here = {r["person_id"] for r in await rows(main, "SELECT person_id FROM identity.person")}
    held = {r["person_id"] for r in await rows(there, "SELECT DISTINCT person_id FROM payments.account_owner")}
    assert held and not held & here
    kept = {r["act"] for r in await rows(there, "SELECT DISTINCT act FROM log.record")}
    assert {"payments.resolve-alias", "payments.open-account"} <= kept
    assert (await rows(there, "SELECT count(*) AS n FROM log.batch"))[0]["n"] >= 3  # the ledger's own leaves
    assert (await rows(there, "SELECT count(*) FROM identity.person"))[0][0] == 0
    proved = there.run("fsck", "--home", str(there.home))
    assert proved.returncode == 0, proved.stdout + proved.stderr


async def test_programmes_and_the_bank_answer_though_the_payments_run_apart(country):
    """A list of identity numbers becomes money: judged where the record is, paid where the ledger is."""
    main, apart = country
    there, code = apart["payments"], f"A-{time.time_ns() % 10**5}"
    ministry, known = main.sample["treasury"]["institution"], main.sample["people"]

    tables = "SELECT (SELECT count(*) FROM payments.programme), (SELECT count(*) FROM payments.merchant)"
    before = (await rows(main, tables))[0]
    looked = (await rows(main, "SELECT count(*) FROM log.record WHERE act = 'identity.read'"))[0][0]

    def staff(role: str) -> Context:
        who = Actor(Kind.STAFF, role, ministry, frozenset({role}), 2)
        return context(who, "social-protection", "public-task")

    async with at_work(main.home) as stack:
        await rooms.connect(stack)
        clerk, boss = staff("payment-clerk"), staff("payment-approver")
        order = ProgrammeOrder(code, "Grants", await treasury(main, "grants"), 1_000, Eligibility(min_age=0))
        made = await programmes.open_programme(stack, clerk, order)
        numbers = [p["number"] for p in known[:3]] + ["999999999999"]
        taken = await programmes.enrol_beneficiaries(stack, clerk, made.programme_id, numbers)
        assert [t.outcome for t in taken] == ["enrolled"] * 3 + ["refused"]
        nobody = ProgrammeOrder(code + "-OLD", "Old", order.payer, 1_000, Eligibility(min_age=149))
        old = await programmes.open_programme(stack, clerk, nobody)
        (refused,) = await programmes.enrol_beneficiaries(stack, clerk, old.programme_id, numbers[:1])
        assert refused.why is Why.TOO_YOUNG
        file_id = str(await programmes.open_cycle(stack, clerk, made.programme_id, "2026-11"))
        await until(stack, boss, file_id, FileState.WAITING)
        with pytest.raises(NotPermitted):
            await files.approve_payment_file(stack, clerk, file_id)
        await files.approve_payment_file(stack, boss, file_id)
        done = await until(stack, boss, file_id, FileState.FINISHED)
        assert (done.lines, done.paid) == (3, 3)
        with pytest.raises(NoSuchProgramme):
            await programmes.programme(stack, clerk, uuid4())
        shop = MerchantOrder(
            key="apart-shop", name="Duka", latin="Duka", city="Mji", category="5411", number=known[2]["number"]
        )
        registered = await bank.register_merchant(stack, job_context("setup", "payment"), shop)
        who = await identity.person_by_number(stack, job_context("setup", "payment"), known[0]["number"])
        me = context(Actor(Kind.PERSON, str(who), assurance=2), "payment", "contract")
        purse = (await payments.accounts(stack, me))[0]
        receipt = await bank.pay_merchant(
            stack, me, Purchase(key="p-1", merchant=registered.code, payer=purse.number, amount_minor=100,
                                currency=purse.currency),
        )  # fmt: skip
        assert receipt.amount_minor == 100
    assert (await rows(main, tables))[0] == before and all((await rows(there, tables))[0])
    # Neither a birth date nor a region came there: the rules were asked where the record is.
    assert not await rows(there, "SELECT act FROM log.record WHERE act LIKE 'identity.%'")
    assert (await rows(main, "SELECT count(*) FROM log.record WHERE act = 'identity.read'"))[0][0] - looked >= 7


async def test_the_switch_answers_at_either_machine_though_the_payments_run_apart(country):
    """A participant that knows only the main stack's address finds a customer, whose ledger is on another machine."""
    main, _ = country
    customer = main.sample["people"][0]
    async with at_work(main.home) as stack, httpx.AsyncClient(base_url=main.url) as outside:
        await rooms.connect(stack)
        await house.join(stack, job_context("setup"), "our-bank", "benki", "People's Bank")
        code = stack.profile.currency.code
        other = await participant(stack, outside, "mobile", currency=code, cover=10**9, limit=10**9)
        try:
            keys = (await outside.get("/v1/switch/keys")).json()
            assert {"hub", "our-bank", "mobile"} <= set(keys) and keys["mobile"] == other.public
            who = await identity.person_by_number(stack, job_context("setup", "payment"), customer["number"])
            me = context(Actor(Kind.PERSON, str(who), assurance=2), "payment", "contract")
            await payments.open_account(stack, me, who, AccountKind.WALLET)
            msisdn = customer["phone"].lstrip("+")
            await other.send("GET", f"/parties/MSISDN/{msisdn}")
            party, headers = await other.wait("PUT", f"/parties/MSISDN/{msisdn}")
            assert headers["fspiop-source"] == "our-bank", party
            assert len(party["party"]["name"]) <= 8
            stranger = Participant("mobile", outside)  # another's name, a key of its own
            refused = await stranger.send("GET", f"/parties/MSISDN/{msisdn}")
            assert refused.status_code == 400 and "errorInformation" in refused.json()
        finally:
            await other.stop()


async def until(stack: Stack, ctx: Context, file_id: str, state: FileState) -> PaymentFile:
    """The payment file once it is in a state."""
    for _ in range(600):
        found = await files.payment_file(stack, ctx, file_id)
        if found.state is state:
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(found)


async def test_what_cannot_travel_is_refused_and_never_done_on_the_wrong_machine(country):
    main, _ = country
    async with at_work(main.home) as stack:
        await rooms.connect(stack)
        with pytest.raises(Outage, match="payments runs on another machine"):
            async with stack.db.reading("payments"):
                pass
        permit = policy.decide(job_context("payments-writer"), "payments.index-journal", policy.NOBODY)
        with pytest.raises(Outage, match="payments runs on another machine"):
            async with stack.db.transaction(permit):
                pass


async def test_a_machine_that_is_away_is_an_outage_and_what_was_granted_reaches_it_when_it_is_back(machines, country):
    """An erasure is done at once where somebody answers, and on the other machine after it has come back: once, with
    a receipt that its own keys prove, a leaf in either log, and a line that the person reads."""
    main, health = machines
    at_health = "SELECT (SELECT count(*) FROM health.resource), wrapped FROM kernel.person_key WHERE person_id = $1"
    (someone,) = await rows(health, "SELECT DISTINCT person_id FROM health.resource LIMIT 1")
    before = (await rows(health, at_health, someone["person_id"]))[0]
    health.stop()
    async with Steps(main.home, main.sample, main.home / "tour", 1) as steps:
        await steps.me.sign_in(steps.juma["number"], steps.juma["pin"], steps.juma["phone"])
        away = await steps.me.client.get("/me/health")
        assert away.status_code == 503 and away.headers["retry-after"]
        assert (await steps.me.client.get("/me/money")).status_code == 200
    case = await granted(main, main.sample["people"][0]["number"])
    waiting = await errands(main, case, lambda found: found["XT+payments"].done_at)
    assert waiting["XT+health"].done_at is None and waiting["XT+health"].last in ("", "away")
    health.start()
    done = await errands(main, case, lambda found: found["XT+health"].done_at)
    after = (await rows(health, at_health, someone["person_id"]))[0]
    assert before["count"] == after["count"] > 50 and before["wrapped"] != after["wrapped"]  # this law keeps records
    receipt = done["XT+health"].receipt
    assert receipt.kept["health.resource"] > 50 and not receipt.destroyed.get("health.resource")
    trust = httpx.get(f"{health.url}/.well-known/msingi-trust.json").json()["consent"]["keys"]
    key = OKPKey.import_key(next(k for k in trust if k["kid"] == receipt.kid))
    said = json.loads(jws.deserialize_compact(receipt.jws, key, algorithms=["EdDSA"]).payload)
    assert said["key"] == "destroyed" and said["case"] == case.reference
    assert httpx.get(f"{health.url}/v1/governance/destructions/{receipt.certificate_id}").json()["jws"] == receipt.jws
    leaves = "SELECT act, person_id FROM log.record WHERE act = ANY ($1) AND person_id = $2"
    assert await rows(health, leaves, ["governance.carry_out"], someone["person_id"])
    assert len(await rows(main, leaves, ["governance.send_errand"], case.person_id)) == 2
    async with Steps(main.home, main.sample, main.home / "tour", 1) as steps:
        await steps.me.sign_in(steps.asha["number"], steps.asha["pin"], steps.asha["phone"])
        shown = await steps.me.open(f"/me/cases/{case.case_id}")
        assert f"{receipt.address}/v1/governance/destructions/{receipt.certificate_id}".encode() in shown.raw
        copy = zipfile.ZipFile(BytesIO((await steps.me.client.get("/me/copy.zip")).content))
        lines = [json.loads(line) for line in copy.read("accesses-health.jsonl").decode().splitlines()]
        assert {"governance.carry_out", "health.store-bundle"} <= {line["act"] for line in lines}
        assert "health.json" in copy.namelist()  # readable still


async def granted(main: Running, number: str) -> Case:
    """An erasure that a person asked for and an officer granted, on the main stack."""
    async with at_work(main.home) as stack:
        who = await identity.person_by_number(stack, job_context("setup", "payment"), number)
        me = context(Actor(Kind.PERSON, str(who), assurance=2), "redress", "legal-obligation")
        officer = Actor(Kind.STAFF, "dpo", "rita", frozenset({"data-protection-officer"}), 2)
        case = await governance.open_case(stack, me, who, CaseOrder(CaseKind.ERASURE, institution="rita"), "apart")
        said = Answer(Outcome.GRANTED, "What no law keeps is destroyed.")
        return await governance.answer(
            stack, context(officer, "redress", "legal-obligation"), who, case.case_id, said
        )  # fmt: skip


async def errands(main: Running, case: Case, enough: Callable[[dict[str, Errand]], Any]) -> dict[str, Errand]:
    """What the machines were asked to do for a case, once it is enough."""
    async with at_work(main.home) as stack:
        me = context(Actor(Kind.PERSON, str(case.person_id), assurance=2), "redress", "legal-obligation")
        for _ in range(300):
            dossier = await governance.case(stack, me, case.person_id, case.case_id)
            found = {one.machine: one for one in dossier.machines}
            if enough(found):
                return found
            await asyncio.sleep(0.2)
        raise AssertionError(found)
