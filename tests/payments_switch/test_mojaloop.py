"""Mojaloop's own modules for signatures and Interledger (its SDK) hold ours against theirs."""

import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from msingi.payments.switch import errors, ilp, jws, rules, translating

JS = Path(__file__).parents[1] / "js"
SDK = JS / "node_modules" / "@mojaloop" / "sdk-standard-components"
PRIVATE, PUBLIC = jws.new_key()
HEADERS = {"fspiop-source": "hub", "fspiop-destination": "bank", "date": "Sun, 22 Nov 2026 08:00:00 GMT"}
BODY = {
    "transferState": "COMMITTED",
    "fulfilment": "f",
    "completedTimestamp": "2026-11-22T08:00:00.000Z",
    "n": {"b": 1},
}
UNTIL = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
PARTY = {"partyIdInfo": {"partyIdType": "MSISDN", "partyIdentifier": "255700000001", "fspId": "bank"}}
QUOTE = {
    "quoteId": "q", "transactionId": "t", "payee": PARTY, "payer": PARTY, "amountType": "SEND",
    "transactionType": {"scenario": "TRANSFER", "initiator": "PAYER", "initiatorType": "CONSUMER"},
}  # fmt: skip
ANSWER = {"transferAmount": {"currency": "USD", "amount": "12.5"}, "expiration": "2026-11-22T09:00:00.000Z"}


def signed(body, uri="/transfers/1", method="PUT", **other):
    raw = msgspec.json.encode(body, order="sorted")
    made = jws.sign(PRIVATE, method, uri, HEADERS["fspiop-source"], HEADERS["fspiop-destination"], HEADERS["date"], raw)
    return HEADERS | {name.lower(): value for name, value in made.items()} | other


@pytest.fixture(scope="module")
def told():
    """Everything that is asked of the real modules, in one process."""
    if not SDK.exists() or not shutil.which("node"):
        pytest.skip("no npm packages here")
    inner = ilp.pack(ilp.Packet(1250, "g.bank.msisdn.255700000001", b'{"quoteId": "q"}'))
    fulfilment = ilp.fulfilment_of(b"secret", inner)
    condition = ilp.condition_of(fulfilment)
    asked = {
        "keys": {"hub": PUBLIC},
        "private": PRIVATE.decode(),
        "signed": [
            {"headers": signed(BODY), "body": BODY},
            {"headers": signed(BODY), "body": BODY | {"transferState": "ABORTED"}},
            {"headers": signed(BODY, **{"fspiop-destination": "other"}), "body": BODY},
            {"headers": signed(BODY, **{"fspiop-uri": "/transfers/2"}), "body": BODY},
            {"headers": signed(BODY, **{"date": "Sun, 22 Nov 2026 08:00:01 GMT"}), "body": BODY},
        ],
        "sign": {
            "method": "post",
            "uri": "http://switch.example/fspiop/quotes",
            "headers": dict(HEADERS),
            "body": BODY,
        },
        "quote": QUOTE,
        "answer": ANSWER,
        "fulfilments": [[fulfilment, condition], [fulfilment, ilp.condition_of(jws.b64(bytes(32)))]],
        "carried": translating.carry(inner, condition, UNTIL),
    }
    done = subprocess.run(
        ["node", "mojaloop.mjs"], cwd=JS, input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"inner": inner, "condition": condition}


def test_their_validator_holds_our_signature_and_no_changed_message(told):
    assert told["held"][0] is True
    assert [type(one) for one in told["held"][1:]] == [str] * 4


def test_their_signature_holds_here_and_no_changed_message(told):
    request = told["request"]
    headers, body = request["headers"], request["body"].encode()
    assert json.loads(body) == BODY
    assert jws.verify(PUBLIC, headers, "POST", "/quotes", body)["FSPIOP-Source"] == "hub"
    for method, uri, changed in (
        ("PUT", "/quotes", body), ("POST", "/transfers", body), ("POST", "/quotes", body + b" "),
    ):  # fmt: skip
        with pytest.raises(errors.BadSignature):
            jws.verify(PUBLIC, headers, method, uri, changed)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_fulfilment_of_theirs_fits_its_condition_and_no_other(told, version):
    theirs = told[version]
    rules.fulfils(theirs["fulfilment"], theirs["condition"])
    with pytest.raises(errors.BadFulfilment):
        rules.fulfils(theirs["fulfilment"], told["condition"])
    raw = hashlib.sha256(jws.unb64(theirs["fulfilment"])).digest()
    assert jws.b64(raw) == theirs["condition"]


def test_our_fulfilment_fits_for_them_and_no_other(told):
    assert told["fulfils"] == [True, False]


def test_their_packet_of_api_2_says_its_condition_and_travels_unchanged(told):
    theirs = told["v4"]
    assert translating.condition_of(theirs["ilpPacket"]) == theirs["condition"]
    assert translating.carry(theirs["ilpPacket"], theirs["condition"], UNTIL) == theirs["ilpPacket"]
    assert translating.uncarry(theirs["ilpPacket"]) == theirs["ilpPacket"]


def test_they_open_the_packet_in_which_we_carry_one_of_api_1(told):
    carried = told["carried"]
    assert carried["condition"] == told["condition"] and carried["data"] == told["inner"]
    assert datetime.fromisoformat(carried["until"]) == UNTIL
