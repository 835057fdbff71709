"""Quotes and transfers from participant to participant over real HTTP, and what attackers try."""

import asyncio
import json
from uuid import uuid4

import pytest
from tests.payments_switch import kit
from tests.payments_switch.fsp import Participant, at, fulfilment

from msingi.payments.switch import moving, post, store, talking
from msingi.payments.switch.model import State


@pytest.fixture
async def two(stack, client):
    await kit.currency(stack)
    tag = uuid4().hex[:6]
    payer = await kit.participant(stack, client, f"payer-{tag}", reply=None)
    other = await kit.participant(stack, client, f"payee-{tag}")
    yield payer, other
    await kit.quiet(stack)
    await payer.stop()
    await other.stop()


async def test_a_party_a_quote_and_a_transfer(stack, two):
    payer, other = two
    msisdn = f"2557{uuid4().int % 10**8:08d}"
    registered = await other.send("POST", f"/participants/MSISDN/{msisdn}", {"fspId": other.name, "currency": "USD"})
    assert registered.status_code == 202, registered.text
    assert (await other.wait("PUT", f"/participants/MSISDN/{msisdn}"))[0] == {"fspId": other.name}
    assert (await payer.send("GET", f"/parties/MSISDN/{msisdn}")).status_code == 202
    party, headers = await payer.wait("PUT", f"/parties/MSISDN/{msisdn}")
    assert party["party"]["partyIdInfo"]["fspId"] == other.name
    assert headers["fspiop-source"] == other.name and "fspiop-signature" in headers
    quote = payer.quote(other.name, "100", "USD")
    assert (await payer.send("POST", "/quotes", quote, other.name)).status_code == 202
    offer, _ = await payer.wait("PUT", f"/quotes/{quote['quoteId']}")
    wanted = payer.transfer(other.name, "100", "USD", ilpPacket=offer["ilpPacket"], condition=offer["condition"])
    sent = await payer.send("POST", "/transfers", wanted, other.name)
    assert (sent.status_code, sent.content) == (202, b"")
    done, headers = await payer.wait("PUT", f"/transfers/{wanted['transferId']}")
    assert done["transferState"] == "COMMITTED" and done["fulfilment"] == fulfilment(offer["ilpPacket"])
    await kit.quiet(stack)
    mine, theirs = await kit.stands(stack, payer.name), await kit.stands(stack, other.name)
    assert (mine.position_minor, mine.reserved_minor) == (100_00, 0)
    assert theirs.position_minor == -100_00
    async with stack.db.reading("payments") as tx:
        assert await store.due_letters(tx, kit.setup().at.replace(year=2100), 10) == []


async def test_a_repeated_transfer_pays_once_and_is_answered_again(stack, two):
    payer, other = two
    wanted = payer.transfer(other.name, "10", "USD")
    raw = json.dumps(wanted).encode()
    for _ in range(2):
        assert (await payer.send("POST", "/transfers", None, other.name, raw=raw)).status_code == 202
    await payer.wait("PUT", f"/transfers/{wanted['transferId']}")
    await kit.quiet(stack)
    before = len(payer.got)
    assert (await payer.send("POST", "/transfers", None, other.name, raw=raw)).status_code == 202
    again, headers = await payer.wait("PUT", f"/transfers/{wanted['transferId']}", before)
    assert again["transferState"] == "COMMITTED" and headers["fspiop-source"] == "hub"
    assert (await kit.stands(stack, payer.name)).position_minor == 10_00
    changed = wanted | {"amount": {"amount": "11", "currency": "USD"}}
    before = len(payer.got)
    assert (await payer.send("POST", "/transfers", changed, other.name)).status_code == 202
    refused, _ = await payer.wait("PUT", f"/transfers/{wanted['transferId']}/error", before)
    assert refused["errorInformation"]["errorCode"] == "3106"
    other_condition = wanted | {"expiration": at(50)}
    before = len(payer.got)
    await payer.send("POST", "/transfers", other_condition, other.name)
    assert (await payer.wait("PUT", f"/transfers/{wanted['transferId']}/error", before))[0]["errorInformation"][
        "errorCode"
    ] == "3106"
    assert (await kit.stands(stack, payer.name)).position_minor == 10_00


async def test_reserved_is_told_the_payee_when_it_is_committed(stack, two):
    payer, other = two

    async def reserved(me, method, path, headers, body):
        if method == "POST":
            asked = json.loads(body)
            told = {"transferState": "RESERVED", "fulfilment": fulfilment(asked["ilpPacket"])}
            await me.send("PUT", f"/transfers/{asked['transferId']}", told, headers["fspiop-source"])

    other.reply = reserved
    wanted = payer.transfer(other.name, "5", "USD")
    await payer.send("POST", "/transfers", wanted, other.name)
    patch, headers = await other.wait("PATCH", f"/transfers/{wanted['transferId']}")
    assert patch["transferState"] == "COMMITTED" and headers["fspiop-source"] == "hub"


async def test_a_refused_transfer_frees_what_was_reserved(stack, two):
    payer, other = two

    async def refuses(me, method, path, headers, body):
        if method == "POST":
            words = {"errorInformation": {"errorCode": "5104", "errorDescription": "Payee rejected"}}
            await me.send("PUT", f"{path}/{json.loads(body)['transferId']}/error", words, headers["fspiop-source"])

    other.reply = refuses
    wanted = payer.transfer(other.name, "7", "USD")
    await payer.send("POST", "/transfers", wanted, other.name)
    told, headers = await payer.wait("PUT", f"/transfers/{wanted['transferId']}/error")
    assert told["errorInformation"]["errorCode"] == "5104" and headers["fspiop-source"] == other.name
    await kit.quiet(stack)
    now = await kit.stands(stack, payer.name)
    assert (now.position_minor, now.reserved_minor) == (0, 0)


async def test_what_nobody_answers_is_aborted_and_a_late_fulfilment_moves_nothing(stack, two, monkeypatch):
    payer, other = two
    other.reply = None
    wanted = payer.transfer(other.name, "8", "USD", seconds=30)
    assert (await payer.send("POST", "/transfers", wanted, other.name)).status_code == 202
    await other.wait("POST", "/transfers")
    assert (await kit.stands(stack, payer.name)).reserved_minor == 8_00
    kit.later(monkeypatch, 32)
    assert await moving.expire(stack) >= 1
    for one in (payer, other):
        told, _ = await one.wait("PUT", f"/transfers/{wanted['transferId']}/error")
        assert told["errorInformation"]["errorCode"] == "3303"
    answer = {"transferState": "COMMITTED", "fulfilment": fulfilment(wanted["ilpPacket"])}
    late = await other.send("PUT", f"/transfers/{wanted['transferId']}", answer, payer.name)
    assert late.status_code == 409 and late.json()["errorInformation"]["errorCode"] == "3303"
    now = await kit.stands(stack, payer.name)
    assert (now.position_minor, now.reserved_minor) == (0, 0)
    assert (await kit.transfer_of(stack, wanted["transferId"])).state is State.ABORTED


async def test_more_than_the_limit_is_refused_and_reserves_nothing(stack, two):
    payer, other = two
    wanted = payer.transfer(other.name, "1000.01", "USD")
    await payer.send("POST", "/transfers", wanted, other.name)
    told, _ = await payer.wait("PUT", f"/transfers/{wanted['transferId']}/error")
    assert told["errorInformation"]["errorCode"] == "4001"
    assert (await kit.stands(stack, payer.name)).reserved_minor == 0


async def test_attack_only_the_named_payee_fulfils_and_only_with_the_right_fulfilment(stack, client, two):
    payer, other = two
    other.reply = None
    thief = await kit.participant(stack, client, f"thief-{uuid4().hex[:6]}", reply=None)
    wanted = payer.transfer(other.name, "9", "USD")
    await payer.send("POST", "/transfers", wanted, other.name)
    path = f"/transfers/{wanted['transferId']}"
    right = {"transferState": "COMMITTED", "fulfilment": fulfilment(wanted["ilpPacket"])}
    for forger in (thief, payer):  # a forged callback: another participant's, or the payer's own
        assert (await forger.send("PUT", path, right, payer.name)).status_code == 404
        words = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
        assert (await forger.send("PUT", path + "/error", words, payer.name)).status_code == 404
    false = right | {"fulfilment": fulfilment(wanted["ilpPacket"] + "AAAA")}
    wrong = await other.send("PUT", path, false, payer.name)
    assert wrong.status_code == 400 and wrong.json()["errorInformation"]["errorCode"] == "3100"
    now = await kit.stands(stack, payer.name)
    assert (now.position_minor, now.reserved_minor) == (0, 9_00)
    assert (await other.send("PUT", path, right, payer.name)).status_code == 200
    assert (await other.send("PUT", path, right, payer.name)).status_code == 200  # repeated: nothing more happens
    await kit.quiet(stack)
    assert (await kit.stands(stack, payer.name)).position_minor == 9_00
    await thief.stop()


async def test_attack_signatures(stack, client, two):
    payer, other = two
    wanted = payer.transfer(other.name, "3", "USD")
    headers, body = payer.signed("POST", "/transfers", wanted, other.name)

    async def refused(changed, content=body, method="POST", path="/transfers"):
        got = await client.request(method, f"/fspiop{path}", content=content, headers=changed)
        assert got.status_code in (400, 401), got.text
        assert got.json()["errorInformation"]["errorCode"] == "3105"

    await refused({k: v for k, v in headers.items() if k != "FSPIOP-Signature"})
    await refused(headers, body.replace(b'"3"', b'"4"'))
    await refused(headers | {"FSPIOP-Source": other.name})
    await refused(headers | {"FSPIOP-Destination": payer.name})
    await refused(headers | {"Date": "Sun, 01 Jan 2023 00:00:00 GMT"})
    await refused(headers | {"FSPIOP-URI": "/quotes"})
    stranger = Participant(payer.name)  # the right name, another key
    forged, content = stranger.signed("POST", "/transfers", wanted, other.name)
    await refused(forged, content)
    signature = json.loads(headers["FSPIOP-Signature"])
    none = json.dumps({"signature": "", "protectedHeader": "eyJhbGciOiJub25lIn0"})
    await refused(headers | {"FSPIOP-Signature": none})
    await refused(headers | {"FSPIOP-Signature": json.dumps(signature | {"signature": signature["signature"][:-4]})})
    # A message signed for one address is not taken at another.
    moved, content = payer.signed("PUT", f"/transfers/{wanted['transferId']}", {"transferState": "COMMITTED"})
    await refused(moved, content, "PUT", f"/transfers/{uuid4()}")
    assert (await kit.stands(stack, payer.name)).reserved_minor == 0


async def test_attack_reading_needs_a_token_or_a_signature_and_names_are_not_collected(stack, client, two):
    payer, _ = two
    headers, _ = payer.signed("GET", "/parties/MSISDN/1", None)
    plain = {k: v for k, v in headers.items() if k not in ("FSPIOP-Signature", "FSPIOP-URI", "FSPIOP-HTTP-Method")}
    assert (await client.get("/fspiop/parties/MSISDN/1", headers=plain)).status_code == 401
    good = plain | {"Authorization": f"Bearer {payer.token}"}
    statuses = [(await client.get(f"/fspiop/parties/MSISDN/{n}", headers=good)).status_code for n in range(70)]
    assert statuses[0] == 202 and statuses[-1] == 429


async def test_attack_quotes_do_not_tell_who_exists_for_ever(stack, two, monkeypatch):
    """Refused quotes count like look-ups that found nobody: both ways together end in 429."""
    monkeypatch.setattr(talking, "UNKNOWN_PER_WINDOW", 3)
    payer, other = two

    async def nobody(one, method, path, headers, body):
        words = {"errorInformation": {"errorCode": "3204", "errorDescription": "Party not found"}}
        await one.send("PUT", f"{path}/{json.loads(body)['quoteId']}/error", words, headers["fspiop-source"])

    other.reply = nobody
    for _ in range(3):
        wanted = payer.quote(other.name, "100", "USD")
        assert (await payer.send("POST", "/quotes", wanted, other.name)).status_code == 202
        await payer.wait("PUT", f"/quotes/{wanted['quoteId']}/error")
    refused = await payer.send("POST", "/quotes", payer.quote(other.name, "1", "USD"), other.name)
    assert refused.status_code == 429 and refused.json()["errorInformation"]["errorCode"] == "2005"
    assert (await payer.send("GET", "/parties/MSISDN/1")).status_code == 429
    assert (await other.send("POST", "/quotes", other.quote(payer.name, "1", "USD"), payer.name)).status_code == 202


async def test_an_unasked_answer_about_a_party_goes_nowhere(stack, two):
    payer, other = two
    who = {"partyIdType": "MSISDN", "partyIdentifier": "1", "fspId": other.name}
    answer = {"party": {"partyIdInfo": who, "name": "Somebody else"}}
    assert (await other.send("PUT", "/parties/MSISDN/1", answer, payer.name)).status_code == 404
    assert payer.got == []


async def test_a_participant_that_is_away_gets_its_message_later(stack, two):
    payer, other = two
    other.status = 503
    wanted = payer.transfer(other.name, "2", "USD")
    assert (await payer.send("POST", "/transfers", wanted, other.name)).status_code == 202
    await kit.quiet(stack)
    assert other.got == []
    other.status = 0
    async with asyncio.timeout(10):
        while not other.got:
            await post.of(stack).collect()
            await asyncio.sleep(0.1)
    await payer.wait("PUT", f"/transfers/{wanted['transferId']}")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": {"amount": "1.10", "currency": "USD"}}, "3101"),
        ({"amount": {"amount": "1.001", "currency": "USD"}}, "3101"),
        ({"amount": {"amount": "-1", "currency": "USD"}}, "3101"),
        ({"transferId": "00000000-0000-7000-8000-000000000000"}, "3101"),
        ({"condition": "short"}, "3101"),
        ({"expiration": "2026-01-01T00:00:00Z"}, "3101"),
        ({"payerFsp": None}, "3101"),
    ],
    ids=["zeros", "decimals", "negative", "uuid7", "condition", "time", "null"],
)
async def test_a_malformed_transfer_is_refused_at_once(two, change, code):
    payer, other = two
    wanted = payer.transfer(other.name, "1", "USD") | change
    got = await payer.send("POST", "/transfers", wanted, other.name)
    assert (got.status_code, got.json()["errorInformation"]["errorCode"]) == (400, code)


async def test_headers_and_versions(client, two):
    payer, other = two
    wanted = payer.transfer(other.name, "1", "USD")
    old = await payer.send("POST", "/transfers", wanted, other.name, version="9.0")
    assert old.status_code == 406
    told = old.json()["errorInformation"]
    assert told["errorCode"] == "3001"
    assert told["extensionList"]["extension"] == [{"key": "1", "value": "0"}, {"key": "1", "value": "1"}]
    headers, body = payer.signed("POST", "/transfers", wanted, other.name)
    for gone, code in (("Accept", "3101"), ("FSPIOP-Source", "3102"), ("Content-Type", "3102")):
        got = await client.post(
            "/fspiop/transfers", content=body, headers={k: v for k, v in headers.items() if k != gone}
        )
        assert (got.status_code, got.json()["errorInformation"]["errorCode"]) == (400, code), gone
    unknown = await payer.send("POST", "/transfers", wanted | {"payeeFsp": "nobody"}, "nobody")
    assert unknown.status_code == 202
    refused, _ = await payer.wait("PUT", f"/transfers/{wanted['transferId']}/error")
    assert refused["errorInformation"]["errorCode"] == "3201"


async def test_a_bulk_pays_what_was_fulfilled(stack, two):
    payer, other = two
    parts = [payer.transfer(other.name, str(n), "USD") for n in (1, 2, 3)]
    bulk = {
        "bulkTransferId": str(uuid4()), "bulkQuoteId": str(uuid4()), "payerFsp": payer.name, "payeeFsp": other.name,
        "expiration": at(60),
        "individualTransfers": [
            {"transferId": p["transferId"], "transferAmount": p["amount"], "ilpPacket": p["ilpPacket"],
             "condition": p["condition"]} for p in parts
        ],
    }  # fmt: skip
    other.reply = None
    assert (await payer.send("POST", "/bulkTransfers", bulk, other.name)).status_code == 202
    assert (await kit.stands(stack, payer.name)).reserved_minor == 6_00
    path = f"/bulkTransfers/{bulk['bulkTransferId']}"
    results = [{"transferId": p["transferId"], "fulfilment": fulfilment(p["ilpPacket"])} for p in parts]
    results[1] = {
        "transferId": parts[1]["transferId"],
        "errorInformation": {"errorCode": "5101", "errorDescription": "no"},
    }
    false = [results[0], results[1] | {"fulfilment": results[0]["fulfilment"]}, results[2]]
    done = {"bulkTransferState": "COMPLETED", "completedTimestamp": at(0), "individualTransferResults": results}
    wrong = await other.send("PUT", path, done | {"individualTransferResults": false}, payer.name)
    assert wrong.json()["errorInformation"]["errorCode"] == "3100"
    assert (await other.send("PUT", path, done, payer.name)).status_code == 200
    told, _ = await payer.wait("PUT", path)
    assert told == done
    await kit.quiet(stack)
    now = await kit.stands(stack, payer.name)
    assert (now.position_minor, now.reserved_minor) == (4_00, 0)


async def test_requests_to_pay_and_authorisations_go_to_whom_they_are_for(stack, two):
    payer, other = two
    ids = {"partyIdType": "MSISDN", "partyIdentifier": "1"}
    ask = {
        "transactionRequestId": str(uuid4()), "payee": {"partyIdInfo": ids | {"fspId": other.name}},
        "payer": ids | {"fspId": payer.name}, "amount": {"amount": "1", "currency": "USD"},
        "transactionType": {"scenario": "PAYMENT", "initiator": "PAYEE", "initiatorType": "BUSINESS"},
    }  # fmt: skip
    assert (await other.send("POST", "/transactionRequests", ask, payer.name)).status_code == 202
    assert (await payer.wait("POST", "/transactionRequests"))[0] == ask
    path = f"/transactionRequests/{ask['transactionRequestId']}"
    yes = {"transactionRequestState": "ACCEPTED", "transactionId": str(uuid4())}
    assert (await other.send("PUT", path, yes, payer.name)).status_code == 404  # who asks does not answer
    assert (await payer.send("PUT", path, yes, other.name)).status_code == 200
    assert (await other.wait("PUT", path))[0] == yes
    query = "?authenticationType=OTP&retriesLeft=2&amount=1&currency=USD"
    question = f"/authorizations/{ask['transactionRequestId']}"
    assert (await other.send("GET", question + query, None, payer.name)).status_code == 202
    await payer.wait("GET", question)
    assert payer.got[-1][1] == question + query
    otp = {"responseType": "ENTERED", "authenticationInfo": {"authentication": "OTP", "authenticationValue": "1234"}}
    assert (await payer.send("PUT", question, otp, other.name)).status_code == 200
    assert (await other.wait("PUT", question))[0] == otp


async def test_strange_requests_are_refused_in_the_dialect(two):
    payer, other = two
    paths = ("/quotes", "/transfers", "/bulkTransfers", "/transactionRequests", "/bulkQuotes", "/participants/MSISDN/1")
    strange = (
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{}",
        b'{"transferId":1}',
        b"\xff\xfe",
        b"[" * 3000,
        b'{"quoteId":"\\u0000"}',
    )
    for path in paths:
        for raw in strange:
            got = await payer.send("POST", path, None, other.name, raw=raw)
            assert 400 <= got.status_code < 500 and got.json()["errorInformation"]["errorCode"], (path, raw, got.text)
    for path in ("/parties/X/1", "/parties/MSISDN/%00", "/parties/MSISDN/" + "9" * 200, "/quotes/x", "/transfers/%2F"):
        for method in ("GET", "PUT"):
            got = await payer.send(method, path, {} if method == "PUT" else None, other.name)
            assert got.status_code < 500, (method, path, got.text)


async def test_nobody_orders_answers_or_registers_for_somebody_else(client, two):
    """What the headers say and what the body says is one participant; what the API does not know is refused at once."""
    payer, other = two

    def order(**changed):
        return payer.transfer(other.name, "1", "USD") | changed

    for method, path, body, to, rule in (
        ("POST", "/transfers", order(payeeFsp=payer.name), payer.name, "payee"),
        ("POST", "/transfers", order(payerFsp=other.name, payeeFsp=payer.name), other.name, "payerFsp"),
        ("POST", "/participants/MSISDN/255700009", {"fspId": other.name, "currency": "USD"}, "", "fspId"),
        ("POST", "/transfers/abc/def/ghi", order(), other.name, "door"),
    ):
        got = await payer.send(method, path, body, to)
        if got.status_code == 202:
            about = f"/{body['transferId']}" if path == "/transfers" else ""
            told, _ = await payer.wait("PUT", f"{path}{about}/error")
        else:
            told = got.json()
            assert got.status_code in (400, 404), (path, got.status_code)
        assert rule.lower() in str(told["errorInformation"]).lower(), (path, told)
    assert other.got == []
