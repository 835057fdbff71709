"""Every message that the hub and our own bank make is valid by Mojaloop's OpenAPI documents, in both flavours."""

import functools
from pathlib import Path
from uuid import uuid4

import jsonschema_rs
import msgspec
import pytest
import yaml
from tests.payments_switch.fsp import at

from msingi.payments.switch import ilp, jws, sending, translating, wire

DOCS = Path(__file__).parents[1] / "js" / "node_modules" / "@mojaloop" / "api-snippets" / "docs"
FILES = {
    "fspiop": "fspiop-rest-v1.1-openapi3-snippets.yaml",
    "fspiop 2.0": "fspiop-rest-v2.0-openapi3-snippets.yaml",
    "iso20022": "fspiop-rest-v2.0-ISO20022-openapi3-snippets.yaml",
}
pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="no npm packages here")
UUID = str(uuid4())
FULFILMENT = jws.b64(b"\1" * 32)
CONDITION = ilp.condition_of(FULFILMENT)
PACKET = ilp.pack(ilp.Packet(1250, "g.bank.msisdn.255700000001", b'{"quoteId": "q"}'))
MONEY = {"currency": "USD", "amount": "12.5"}


@functools.cache
def document(flavour):
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return meant(yaml.load((DOCS / FILES[flavour]).read_text("utf-8"), loader))


def meant(node):
    """The document forbids all members beside a choice, those that are chosen from too: no body could be valid. What is
    meant is that no others are allowed."""
    if isinstance(node, list):
        return [meant(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {name: meant(one) for name, one in node.items()}
    choices = [one for kind in ("oneOf", "anyOf") for one in found.get(kind, ()) if isinstance(one, dict)]
    if choices and found.get("additionalProperties") is False:
        chosen = {name: {} for one in choices for name in (*one.get("properties", ()), *one.get("required", ()))}
        found["properties"] = chosen | found.get("properties", {})
    return found


@functools.cache
def schema(flavour, method, path):
    """The schema of the body that a path of the document takes, its references resolved in the document."""
    known = document(flavour)
    body = known["paths"][path][method.lower()]["requestBody"]
    while "$ref" in body:
        body = functools.reduce(lambda found, step: found[step], body["$ref"].split("/")[1:], known)
    (content,) = body["content"].values()
    return jsonschema_rs.validator_for({**content["schema"], "components": known["components"]})


def party(fsp, **more):
    who = {"partyIdType": "MSISDN", "partyIdentifier": "255700000001", "fspId": fsp}
    return {"partyIdInfo": who, "name": "A. M.", **more}


NAMED = {"personalInfo": {"complexName": {"firstName": "Asha", "lastName": "Mrema"}}}
SHOP = {"partyIdInfo": {"partyIdType": "BUSINESS", "partyIdentifier": "duka-1", "fspId": "two"}, "name": "Duka"}
PARTY, QUOTE, TRANSFER = "/parties/{Type}/{ID}", "/quotes/{ID}", "/transfers/{ID}"


def quoted(**more):
    return {
        "quoteId": UUID, "transactionId": str(uuid4()), "payer": party("one"), "payee": party("two"),
        "amountType": "SEND", "amount": MONEY, "expiration": at(60),
        "transactionType": {"scenario": "TRANSFER", "initiator": "PAYER", "initiatorType": "CONSUMER"}, **more,
    }  # fmt: skip


def offered(**more):
    terms = {"expiration": at(60), "ilpPacket": PACKET, "condition": CONDITION}
    return {"transferAmount": MONEY, **terms, **more}


ordered = {
    "transferId": UUID, "payerFsp": "one", "payeeFsp": "two", "amount": MONEY, "ilpPacket": PACKET,
    "condition": CONDITION, "expiration": at(60),
}  # fmt: skip
wrong = {"errorInformation": {"errorCode": "5104", "errorDescription": "Payee rejected"}}
done = {"completedTimestamp": at(0), "transferState": "COMMITTED"}
BODIES = {
    "party": ("parties", "PUT", PARTY, {"party": party("two", **NAMED)}),
    "party-of-a-shop": ("parties", "PUT", PARTY, {"party": SHOP}),
    "party-that-tells-its-currencies": ("parties", "PUT", PARTY, {"party": party("two", supportedCurrencies=["USD"])}),
    "no-party": ("parties", "PUT", f"{PARTY}/error", wrong),
    "quote": ("quotes", "POST", "/quotes", quoted()),
    "quote-for-what-arrives": ("quotes", "POST", "/quotes", quoted(amountType="RECEIVE", payee=SHOP)),
    "offer": ("quotes", "PUT", QUOTE, offered()),
    "offer-with-fee": ("quotes", "PUT", QUOTE, offered(payeeReceiveAmount=MONEY, payeeFspFee=MONEY)),
    "no-offer": ("quotes", "PUT", f"{QUOTE}/error", wrong),
    "transfer": ("transfers", "POST", "/transfers", ordered),
    "fulfilment": ("transfers", "PUT", TRANSFER, {"fulfilment": FULFILMENT, **done}),
    "reserved": ("transfers", "PUT", TRANSFER, {"fulfilment": FULFILMENT, **done, "transferState": "RESERVED"}),
    "committed": ("transfers", "PATCH", TRANSFER, done),
    "no-transfer": ("transfers", "PUT", f"{TRANSFER}/error", wrong),
}


def valid(flavour, method, path, body):
    faults = [
        f"{'.'.join(map(str, e.instance_path))}: {e.message}" for e in schema(flavour, method, path).iter_errors(body)
    ]
    assert not faults, (faults, body)


@pytest.mark.parametrize("name", BODIES)
def test_what_is_translated_is_valid_by_the_iso_20022_document(name):
    resource, method, path, body = BODIES[name]
    failed = path.endswith("/error")
    made = translating.to_iso(resource, method, failed, body, ("one", "two"), UUID, at(0), translating.ulid_of(UUID))
    valid("iso20022", method, path, made)


@pytest.mark.parametrize("name", BODIES)
def test_what_comes_back_is_valid_by_the_document_in_json(name):
    resource, method, path, body = BODIES[name]
    failed = path.endswith("/error")
    made = translating.to_iso(resource, method, failed, body, ("one", "two"), UUID, at(0), "M1")
    # API 2.0 is the first whose ids may be ULIDs, and what began in the other flavour has one.
    valid("fspiop 2.0", method, path, translating.from_iso(resource, method, failed, made))


def test_what_our_bank_and_the_hub_say_is_valid_by_the_document_of_api_1():
    who, money = wire.PartyName("MSISDN", "255700000001", None, "one"), wire.Money("USD", "12.5")
    said = {
        ("PUT", PARTY): wire.PartyAnswer(wire.Party(who, "A. M.")),
        ("POST", "/quotes"): wire.QuoteRequest(
            UUID, str(uuid4()), wire.Party(who), wire.Party(who), "SEND", money,
            wire.TransactionType("TRANSFER", "PAYER", "CONSUMER"),
        ),
        ("PUT", QUOTE): wire.QuoteAnswer(money, at(60), PACKET, CONDITION, money),
        ("POST", "/transfers"): wire.TransferRequest(UUID, "two", "one", money, PACKET, CONDITION, at(60)),
        ("PUT", TRANSFER): wire.TransferAnswer("COMMITTED", FULFILMENT, at(0)),
        ("PUT", f"{TRANSFER}/error"): sending.failed("3303", "Transfer expired"),
        ("PUT", f"{QUOTE}/error"): sending.failed("5100", "Generic payee rejection"),
        ("PUT", "/bulkTransfers/{ID}"): wire.BulkAnswer("COMPLETED", at(0)),
    }  # fmt: skip
    for (method, path), body in said.items():
        valid("fspiop", method, path, msgspec.json.decode(msgspec.json.encode(body)))


@pytest.mark.parametrize("flavour", FILES)
def test_a_wrong_body_is_seen(flavour):
    """The documents judge: a body without what they require, or with another amount, is not valid."""
    resource, method, path, body = BODIES["transfer"]
    made = dict(body)
    if flavour == "iso20022":
        made = translating.to_iso(resource, method, False, body, ("one", "two"), UUID, at(0), "M1")
    key = "GrpHdr" if flavour == "iso20022" else "expiration"
    assert list(schema(flavour, method, path).iter_errors({k: v for k, v in made.items() if k != key}))
