"""Our own bank as one participant: its customers pay and are paid by people of other banks, through the switch."""

import asyncio
import json
import re
from uuid import uuid4

import pytest
from click.testing import CliRunner
from tests.payments import kit as people
from tests.payments_switch import kit

from msingi.cli import cli
from msingi.kernel import web
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted, TooMany
from msingi.payments import acts as ledger_acts
from msingi.payments import errors as ledger_errors
from msingi.payments import store as ledger_store
from msingi.payments.switch import deciding, errors, house, moving, outside, roll

BANK = "our-bank"


@pytest.fixture
async def other(stack, client):
    code, digits = stack.profile.currency.code, stack.profile.currency.digits
    await kit.currency(stack, code, digits)
    if BANK not in (await roll.of(stack)).fsps:
        await house.join(stack, kit.setup(), BANK, "benki", "People's Bank")
    made = await kit.participant(stack, client, f"mobile-{uuid4().hex[:6]}", currency=code, cover=10**9, limit=10**9)
    yield made
    await kit.quiet(stack)
    await made.stop()


async def balance(stack, person):
    (account,) = await ledger_acts.accounts(stack, people.as_person(person))
    return account.balance_minor, account.available_minor


async def clearing(stack):
    number = await house.clearing(stack, BANK)
    async with stack.db.reading("payments") as tx:
        return (await ledger_store.account(tx, number))["posted"]


async def customer(stack, amount=0):
    person = await people.enrolled(stack)
    source = await people.treasury(stack, 10**6) if amount else None
    return person, await people.wallet(stack, person.id, amount, source)


async def agreed(stack):
    """Clearing and position tell the same, with opposite signs."""
    await kit.quiet(stack)
    now = await kit.stands(stack, BANK, stack.profile.currency.code)
    assert (now.position_minor, now.reserved_minor) == (await clearing(stack), 0)


async def test_somebody_elsewhere_pays_our_customer_and_sees_initials_only(stack, other):
    person, _ = await customer(stack)
    msisdn = person.phone.lstrip("+")
    await other.send("GET", f"/parties/MSISDN/{msisdn}")
    party, headers = await other.wait("PUT", f"/parties/MSISDN/{msisdn}")
    assert headers["fspiop-source"] == BANK and "fspiop-signature" in headers
    assert party["party"]["name"] == "A. M." and party["party"]["partyIdInfo"]["fspId"] == BANK
    code = stack.profile.currency.code
    quote = other.quote(BANK, "2500", code)
    quote["payee"]["partyIdInfo"] |= {"partyIdentifier": msisdn}
    await other.send("POST", "/quotes", quote, BANK)
    offer, _ = await other.wait("PUT", f"/quotes/{quote['quoteId']}")
    wanted = other.transfer(BANK, "2500", code, ilpPacket=offer["ilpPacket"], condition=offer["condition"])
    await other.send("POST", "/transfers", wanted, BANK)
    done, _ = await other.wait("PUT", f"/transfers/{wanted['transferId']}")
    assert done["transferState"] == "COMMITTED"
    await agreed(stack)
    assert (await balance(stack, person.id))[0] == ledger_minor(stack, 2500)
    # A packet of ours with another amount is not fulfilled.
    false = other.transfer(BANK, "2501", code, ilpPacket=offer["ilpPacket"], condition=offer["condition"])
    await other.send("POST", "/transfers", false, BANK)
    refused, _ = await other.wait("PUT", f"/transfers/{false['transferId']}/error")
    assert refused["errorInformation"]["errorCode"] == "5100"
    await other.send("GET", "/parties/MSISDN/255799999999")
    assert (await other.wait("PUT", "/parties/MSISDN/255799999999/error"))[0]["errorInformation"]["errorCode"] == "3204"
    await agreed(stack)


def ledger_minor(stack, whole):
    return whole * 10**stack.profile.currency.digits


async def test_access_pay_outside(stack, other):
    person, account = await customer(stack, 10_000)
    me = people.as_person(person.id)
    msisdn = f"2557{uuid4().int % 10**8:08d}"
    await other.send("POST", f"/participants/MSISDN/{msisdn}", {"fspId": other.name})
    await other.wait("PUT", f"/participants/MSISDN/{msisdn}")
    found = await outside.find(stack, me, "MSISDN", msisdn)
    assert (found.fsp, found.name) == (other.name, "A. M.")
    offer = await outside.ask_offer(stack, me, found, 4_000)
    assert (offer.send_minor, offer.receive_minor, offer.fee_minor) == (4_000, 4_000, 0)
    for _ in range(2):  # the same key pays once
        sent = await outside.pay_outside(stack, me, account.number, offer, "key-1")
        assert sent.amount_minor == 4_000
    await agreed(stack)
    assert await balance(stack, person.id) == (6_000, 6_000)
    with pytest.raises(NotPermitted):
        await outside.pay_outside(stack, people.as_person(person.id, assurance=1), account.number, offer, "key-2")
    stranger, _ = await customer(stack)
    with pytest.raises(ledger_errors.NoSuchAccount):
        await outside.pay_outside(stack, people.as_person(stranger.id), account.number, offer, "key-3")
    with pytest.raises(ledger_errors.InsufficientFunds):
        more = await outside.ask_offer(stack, me, found, 9_000)
        await outside.pay_outside(stack, me, account.number, more, "key-4")


async def test_a_payment_that_is_refused_or_never_answered_comes_back(stack, other, monkeypatch):
    person, account = await customer(stack, 10_000)
    me = people.as_person(person.id)
    to = outside.Found(other.name, "A. M.", "MSISDN", "255700000001")
    offer = await outside.ask_offer(stack, me, to, 3_000)

    async def refuses(one, method, path, headers, body):
        if path == "/transfers":
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
            await one.send("PUT", f"{path}/{json.loads(body)['transferId']}/error", words, headers["fspiop-source"])

    other.reply = refuses
    with pytest.raises(errors.UnknownParty):
        await outside.pay_outside(stack, me, account.number, offer, "refused")
    await agreed(stack)
    assert await balance(stack, person.id) == (10_000, 10_000)
    other.reply = None
    monkeypatch.setattr(house, "ANSWER_S", 1.5)
    with pytest.raises(outside.Outage):
        await outside.pay_outside(stack, me, account.number, offer, "silent")
    assert await balance(stack, person.id) == (10_000, 7_000)
    await asyncio.sleep(1.5)
    await moving.expire(stack)
    await agreed(stack)
    assert await balance(stack, person.id) == (10_000, 10_000)
    with pytest.raises(errors.UnknownParty):
        await outside.pay_outside(stack, me, account.number, offer, "silent")


async def test_attack_a_customer_cannot_collect_names_by_look_ups_or_offers(stack, other, monkeypatch):
    """Each customer has so many tries, whoever else asks; an offer says that somebody exists, so it counts too."""
    monkeypatch.setattr(outside, "LOOK_UPS", 2)
    monkeypatch.setattr(outside, "OFFERS", 2)
    person, _ = await customer(stack)
    me, them = people.as_person(person.id), people.as_person((await customer(stack))[0].id)
    for why in (errors.UnknownParty, errors.UnknownParty, TooMany, TooMany):
        with pytest.raises(why):
            await outside.find(stack, me, "MSISDN", "255799000000")
    to = outside.Found(other.name, "?", "MSISDN", "255700000001")
    for _ in range(2):
        await outside.ask_offer(stack, me, to, 100)
    with pytest.raises(TooMany):
        await outside.ask_offer(stack, me, to, 100)
    with pytest.raises(errors.UnknownParty):
        await outside.find(stack, them, "MSISDN", "255799000000")


async def test_the_command_lists_and_proposes_and_approves_nothing(
    stack, other, owner_url, tmp_path, monkeypatch, ctx_of
):
    code, digits = stack.profile.currency.code, stack.profile.currency.digits
    monkeypatch.setenv("MSINGI_DATABASE_URL", owner_url)

    async def told(*words):
        home = ["--home", str(stack.settings.home)]
        ran = await asyncio.to_thread(CliRunner().invoke, cli, ["switch", *words, *home])
        return ran.exit_code, ran.output

    (tmp_path / "key.pem").write_text(other.public)
    fresh = f"fresh-{uuid4().hex[:6]}"
    words = ["join", fresh, "--institution", "i", "--name", "Fresh", "--key", str(tmp_path / "key.pem")]
    words += ["--endpoint", "https://fresh.example", "--currency", code.lower()]
    found, text = await told(*words)
    assert found == 0 and "Proposed." in text, text
    found, text = await told("cover", other.name, code, "5000")
    assert found == 0, text
    found, text = await told("limit", other.name, "XXX", "1")
    assert found == 1 and "The currency is not settled here" in text
    found, text = await told("waiting")
    assert fresh in text and f"{5000 * 10**digits} (minor units)  by job:operator" in text
    found, text = await told("members")
    assert found == 0 and f"{other.name:24}" in text and fresh not in text
    assert re.search(r"cover 1\d+, limit 1\d+, owes 0, under way 0", text), text
    officer = ctx_of(Kind.STAFF, "o-1", roles=["central-banker"], institution="benki", purpose="operations")
    waits = {one.wanted.fsp: one.id for one in await deciding.proposals(stack, officer)}
    assert (await deciding.decide(stack, officer, waits[fresh], True)).token
    with pytest.raises(NotPermitted):
        await deciding.decide(stack, job_context("operator"), waits[other.name], True)


async def test_the_operators_doors_take_two_officers(stack, client, other, monkeypatch):
    """Over HTTP: propose, be refused alone, be approved by a colleague; strange requests name the rule."""
    acting = []

    async def known(_stack, _request):
        return acting[-1]

    monkeypatch.setattr(web, "_authenticators", [known])

    async def ask(who, method, path, body=None, **headers):
        acting.append(people.as_staff("central-banker", "treasurer", id=who, institution="benki-kuu").actor)
        return await client.request(method, f"/v1/{path}", json=body, headers=headers)

    code, fresh = stack.profile.currency.code, f"fresh-{uuid4().hex[:6]}"
    at = f"switch/participants/{fresh}"
    joins = {"fsp": fresh, "institution": "i", "name": "Fresh", "key": other.public, "endpoint": "https://f.example"}
    steps = (
        ("POST", "switch/participants", joins | {"currencies": [code]}, {}),
        ("POST", f"{at}/{code}/cover", {"amount_minor": 900}, {"Idempotency-Key": "in-1"}),
        ("PUT", f"{at}/{code}/limit", {"limit_minor": 500}, {}),
        ("POST", f"{at}/{code}/withdrawals", {"amount_minor": 100}, {"Idempotency-Key": "out-1"}),
        ("PATCH", at, {"active": True}, {}),
    )
    for method, path, body, headers in steps:
        made = await ask("one", method, path, body, **headers)
        assert made.status_code == 202, (path, made.text)
        decision = f"switch/proposals/{made.json()['id']}/decision"
        alone = await ask("one", "POST", decision, {"approve": True})
        assert (alone.status_code, alone.json()["code"]) == (409, "payments.switch-own-proposal")
        done = await ask("two", "POST", decision, {"approve": True})
        assert done.status_code == 200 and done.json()["proposal"]["state"] == "approved", done.text
    standing = (await ask("one", "GET", f"{at}/{code}")).json()
    assert (standing["cover_minor"], standing["limit_minor"], standing["low"]) == (800, 500, False)
    stopped = await ask("one", "POST", f"{at}/suspension")
    assert stopped.status_code == 200 and stopped.json()["active"] is False
    assert (await ask("one", "GET", "switch/proposals")).status_code == 200
    for strange in ("nonsense", "%00", "٣", "a" * 60):
        assert (await ask("two", "POST", f"switch/proposals/{strange}/decision", {"approve": True})).status_code in (
            400,
            404,
        )
        assert (await ask("one", "PUT", f"{at}/{strange}/limit", {"limit_minor": 1})).status_code == 400
        assert (await ask("one", "PATCH", f"switch/participants/{strange}", {"active": True})).status_code in (400, 404)
        assert (await ask("one", "GET", f"payments/accounts/{strange}/sub-accounts")).status_code in (400, 404)
    assert (await ask("one", "PATCH", at, {})).status_code == 400
