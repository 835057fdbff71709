"""Two participants that speak different flavours of FSPIOP find, quote and pay each other through the switch."""

import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.payments_switch import kit
from tests.payments_switch.fsp import at, condition, fulfilment

from msingi.payments.switch import errors, ilp, jws, roll, translating
from msingi.payments.switch.model import Speaks

TO_ISO, FROM_ISO = translating.to_iso, translating.from_iso
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ISO = {"flavour": "iso20022.", "version": "2.0"}


@given(st.uuids(), st.binary(min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_ids_and_packets_go_there_and_back_unchanged(number: UUID, inner: bytes):
    ulid = translating.ulid_of(str(number))
    assert len(ulid) == 26 and translating.uuid_of(ulid) == str(number) and translating.ulid_of(ulid) == ulid
    packet, wanted = jws.b64(inner), ilp.condition_of(jws.b64(bytes(32)))
    carried = translating.carry(packet, wanted, NOW)
    if inner[0] != translating.PREPARE:
        assert translating.condition_of(carried) == wanted and translating.uncarry(carried) == packet
    assert translating.carry(carried, wanted, NOW) == carried  # what is such a packet already stays as it is


@pytest.mark.parametrize("packet", ["", "AA", "DAAA", "DB_", "not base64!", jws.b64(bytes([12, 57]) + bytes(57))])
def test_what_is_no_packet_is_refused(packet):
    with pytest.raises(errors.BadSyntax):
        translating.condition_of(packet)


names = st.text("abcdefgh ", min_size=1, max_size=12).map(str.strip).filter(bool)
money = st.builds(lambda n: {"currency": "USD", "amount": str(n)}, st.integers(1, 10**9))
party = st.builds(
    lambda kind, number, fsp, name, given: {
        "partyIdInfo": {"partyIdType": kind, "partyIdentifier": number, "fspId": fsp},
        "name": name,
        **({"personalInfo": {"complexName": {"firstName": given, "lastName": name}}} if given else {}),
    },
    *(st.sampled_from(["MSISDN", "BUSINESS", "IBAN"]), st.text("0123456789", min_size=5, max_size=12)),
    *(names.map(lambda n: n.replace(" ", "")), names, st.none() | names),
)


def there_and_back(resource, method, body, failed=False):
    made = TO_ISO(resource, method, failed, body, ("one", "two"), body.get("quoteId", "x"), at(0), "M1")
    return FROM_ISO(resource, method, failed, made)


@given(party, party, money, st.sampled_from(["SEND", "RECEIVE"]))
@settings(max_examples=40, deadline=None)
def test_a_quote_and_a_party_say_the_same_in_both_flavours(payer, to, amount, kind):
    ulid = translating.ulid_of(str(uuid4()))
    body = {
        "quoteId": ulid, "transactionId": ulid, "payer": payer, "payee": to, "amountType": kind, "amount": amount,
        "transactionType": {"scenario": "TRANSFER", "initiator": "PAYER", "initiatorType": "CONSUMER"},
        "expiration": at(60),
    }  # fmt: skip
    assert there_and_back("quotes", "POST", body) == body
    assert there_and_back("parties", "PUT", {"party": to}) == {"party": to}


def test_answers_and_errors_say_the_same_in_both_flavours():
    wrong = {"errorInformation": {"errorCode": "5104", "errorDescription": "no"}}
    for resource in ("quotes", "transfers"):
        assert there_and_back(resource, "PUT", wrong, True) == wrong
    assert there_and_back("parties", "PUT", wrong, True)["errorInformation"]["errorCode"] == "5104"
    for state in translating.CODES:
        answer = {"transferState": state, "fulfilment": jws.b64(bytes(32)), "completedTimestamp": at(0)}
        assert there_and_back("transfers", "PUT", answer) == answer
    with pytest.raises(errors.MissingElement):
        FROM_ISO("transfers", "PUT", False, {"GrpHdr": {}})
    with pytest.raises(errors.BadSyntax):
        FROM_ISO("transfers", "PUT", False, {"TxInfAndSts": {"TxSts": "WHAT"}})


async def iso_payee(me, method, path, headers, body):
    """A willing payee that speaks ISO 20022 only."""
    asker, pieces = headers["fspiop-source"], path.split("/")
    assert "iso20022" in headers["content-type"], headers
    group = {"MsgId": uuid4().hex, "CreDtTm": at(0)}
    if method == "GET" and pieces[1] == "parties":
        body = TO_ISO("parties", "PUT", False, {"party": whom(me.name)}, (me.name, asker), "", at(0), "M1")
        await me.send("PUT", path, body, asker, **ISO)
    elif method == "POST" and pieces[1] == "quotes":
        asked = json.loads(body)["CdtTrfTxInf"]
        content = ilp.length_of(4) + b"g.me" + ilp.length_of(2) + b"{}"
        secret = jws.b64(b"\1" * 32)
        packet = bytes(8) + b"20270101000000000" + jws.unb64(ilp.condition_of(secret)) + content
        one = {
            "PmtId": asked["PmtId"], "ChrgBr": "SHAR", "IntrBkSttlmAmt": asked["IntrBkSttlmAmt"],
            "VrfctnOfTerms": {"IlpV4PrepPacket": jws.b64(b"\x0c" + ilp.length_of(len(packet)) + packet)},
        }  # fmt: skip
        body = {"GrpHdr": group | {"PmtInstrXpryDtTm": at(60)}, "CdtTrfTxInf": one}
        await me.send("PUT", f"/quotes/{asked['PmtId']['TxId']}", body, asker, **ISO)
    elif method == "POST" and pieces[1] == "transfers":
        asked = json.loads(body)["CdtTrfTxInf"]["PmtId"]["TxId"]
        status = {"ExctnConf": jws.b64(b"\1" * 32), "PrcgDt": {"DtTm": at(0)}, "TxSts": "RESV"}
        await me.send("PUT", f"/transfers/{asked}", {"GrpHdr": group, "TxInfAndSts": status}, asker, **ISO)


def whom(fsp):
    return {"partyIdInfo": {"partyIdType": "MSISDN", "partyIdentifier": "255700000009", "fspId": fsp}, "name": "A. M."}


async def signed_by_hub(stack, headers, method, path, body):
    """What was translated is signed by the hub, with the sender still named."""
    hub = (await roll.of(stack)).fsps[roll.HUB]
    jws.verify(hub.key, headers, method, path, body)


@pytest.fixture
async def pair(stack, client):
    await kit.currency(stack)
    old = await kit.participant(stack, client, f"json-{uuid4().hex[:6]}", speaks=Speaks.FSPIOP)
    new = await kit.participant(stack, client, f"iso-{uuid4().hex[:6]}", reply=iso_payee, speaks=Speaks.ISO20022)
    yield old, new
    await kit.quiet(stack)
    await old.stop()
    await new.stop()


async def test_a_participant_of_json_pays_one_of_iso_20022(stack, pair):
    old, new = pair
    await old.send("GET", "/parties/MSISDN/255700000009", to=new.name)
    found, headers = await old.wait("PUT", "/parties/MSISDN/255700000009")
    assert found["party"] == whom(new.name) and headers["fspiop-source"] == new.name
    quote = old.quote(new.name, "12.5", "USD")
    await old.send("POST", "/quotes", quote, new.name)
    offer, headers = await old.wait("PUT", f"/quotes/{quote['quoteId']}")
    assert "iso20022" not in headers["content-type"]
    assert offer["transferAmount"] == {"currency": "USD", "amount": "12.5"}
    wanted = old.transfer(new.name, "12.5", "USD", ilpPacket=offer["ilpPacket"], condition=offer["condition"])
    await old.send("POST", "/transfers", wanted, new.name)
    done, _ = await old.wait("PUT", f"/transfers/{wanted['transferId']}")
    assert ilp.condition_of(done["fulfilment"]) == offer["condition"]
    ulid = translating.ulid_of(wanted["transferId"])
    ended, headers = await new.wait("PATCH", f"/transfers/{ulid}")
    assert ended["TxInfAndSts"]["TxSts"] == "COMM" and "iso20022" in headers["content-type"]
    await kit.quiet(stack)
    assert (await kit.stands(stack, old.name)).position_minor == 12_50
    assert (await kit.stands(stack, new.name)).position_minor == -12_50
    for method, path, headers, body in new.got:
        await signed_by_hub(stack, headers, method, path, body)
    # The same answer again is taken as the same; another's fulfilment is not.
    status = {"ExctnConf": jws.b64(b"\2" * 32), "TxSts": "COMM"}
    refused = await new.send("PUT", f"/transfers/{ulid}", {"GrpHdr": {}, "TxInfAndSts": status}, old.name, **ISO)
    assert refused.status_code == 400


async def test_a_participant_of_iso_20022_pays_one_of_json(stack, pair):
    old, new = pair
    new.reply, id_ = None, translating.ulid_of(str(uuid4()))
    quote = old.quote(old.name, "7", "USD", id_)
    quote["payer"]["partyIdInfo"]["fspId"] = new.name
    asked = TO_ISO("quotes", "POST", False, quote, (new.name, old.name), id_, at(0), "M1")
    await new.send("POST", "/quotes", asked, old.name, **ISO)
    offer, headers = await new.wait("PUT", f"/quotes/{id_}")
    assert "iso20022" in headers["content-type"] and offer["CdtTrfTxInf"]["PmtId"]["TxId"] == id_
    transfer, group = translating.ulid_of(str(uuid4())), {"MsgId": "M2", "CreDtTm": at(0), "PmtInstrXpryDtTm": at(60)}
    one = offer["CdtTrfTxInf"] | {"PmtId": {"TxId": transfer, "EndToEndId": transfer}}
    one["DbtrAgt"], one["CdtrAgt"] = ({"FinInstnId": {"Othr": {"Id": name}}} for name in (new.name, old.name))
    await new.send("POST", "/transfers", {"GrpHdr": group, "CdtTrfTxInf": one}, old.name, **ISO)
    done, _ = await new.wait("PUT", f"/transfers/{transfer}")
    assert done["TxInfAndSts"]["TxSts"] == "COMM"
    inner = next(json.loads(body) for verb, path, _, body in old.got if (verb, path) == ("POST", "/transfers"))
    # The payee's own packet came back unchanged, so that it could fulfil it.
    assert fulfilment(inner["ilpPacket"]) == done["TxInfAndSts"]["ExctnConf"]
    assert condition(inner["ilpPacket"]) == inner["condition"]
    await kit.quiet(stack)
    assert (await kit.stands(stack, new.name)).position_minor == 7_00


async def test_refusals_arrive_in_the_flavour_of_whoever_asked(stack, pair):
    old, new = pair

    async def refuses(me, method, path, headers, body):
        words = {"errorInformation": {"errorCode": "5103", "errorDescription": "no"}}
        if method == "POST":
            id_ = json.loads(body).get("quoteId")
            await me.send("PUT", f"{path}/{id_}/error", words, headers["fspiop-source"])

    old.reply, new.reply, id_ = refuses, None, translating.ulid_of(str(uuid4()))
    quote = old.quote(old.name, "7", "USD", id_)
    quote["payer"]["partyIdInfo"]["fspId"] = new.name
    asked = TO_ISO("quotes", "POST", False, quote, (new.name, old.name), id_, at(0), "M1")
    await new.send("POST", "/quotes", asked, old.name, **ISO)
    wrong, headers = await new.wait("PUT", f"/quotes/{id_}/error")
    assert wrong["TxInfAndSts"]["StsRsnInf"]["Rsn"]["Prtry"] == "5103" and "iso20022" in headers["content-type"]
    await new.send("GET", "/parties/MSISDN/255788888888", **ISO)
    wrong, headers = await new.wait("PUT", "/parties/MSISDN/255788888888/error")
    assert wrong["Rpt"]["Rsn"]["Cd"] == "3204" and wrong["Rpt"]["Vrfctn"] is False
    before = len(new.got)
    bulk = {"bulkQuoteId": str(uuid4()), "payer": whom(old.name), "individualQuotes": [{}]}
    refused = await old.send("POST", "/bulkQuotes", bulk, new.name)  # this resource has one flavour only
    assert refused.status_code == 400 and len(new.got) == before
