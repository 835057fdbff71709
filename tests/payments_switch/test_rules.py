"""The laws of the switch as properties: amounts, versions, conditions, signatures, packets, limits, netting."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi.kernel.errors import Malformed
from msingi.payments.switch import acts, errors, ilp, iso, jws, rules, translating, wire
from msingi.payments.switch.model import Message, NetLine, Part, State, Transfer

QUICK = settings(max_examples=60, deadline=None)
MEDIA = "application/vnd.interoperability.quotes+json"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)


@QUICK
@given(st.integers(1, 10**15), st.integers(0, 4))
def test_an_amount_is_told_and_read_without_loss(minor, digits):
    text = rules.amount(minor, digits)
    assert rules.minor(text, digits) == minor and ("." not in text or not text.endswith("0"))


@pytest.mark.parametrize(
    "text", ["0", "1.0", "01", "-1", "1e3", ".5", "1.", "1.123456", "9" * 19, "1,5", "１", "", " 1"]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(errors.BadSyntax):
        rules.minor(text, 2)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("application/vnd.interoperability.quotes+json;version=1", "1.1"),
        ("application/vnd.interoperability.quotes+json;version=1.0", "1.0"),
        (
            "application/vnd.interoperability.quotes+json; version=9, application/vnd.interoperability.quotes+json",
            "1.1",
        ),
        ("application/vnd.interoperability.iso20022.quotes+json;version=2", "2.0"),
    ],
    ids=["major", "minor", "latest", "iso"],
)
def test_the_best_version_that_both_speak(text, version):
    assert rules.accepted(text, "quotes") == version


def test_versions_that_nobody_speaks():
    with pytest.raises(errors.BadVersion):
        rules.accepted("application/vnd.interoperability.quotes+json;version=3", "quotes")
    for text in ("application/json", "*/*", "application/vnd.interoperability.parties+json;version=1", ""):
        with pytest.raises(errors.BadSyntax):
            rules.accepted(text, "quotes")
    with pytest.raises(errors.BadVersion):
        rules.content_type("application/vnd.interoperability.quotes+json;version=2.0", "quotes")


@pytest.mark.parametrize(
    "text",
    ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000", "2026-02-30T00:00:00.000Z", "2026-01-01 00:00:00.000Z", "x"],
    ids=range(5),
)
def test_what_is_no_instant_is_refused(text):
    with pytest.raises(errors.BadSyntax):
        rules.instant(text, "expiration")


def test_instants_have_milliseconds_and_a_zone():
    assert rules.instant("2026-01-02T06:04:05.678+03:00", "x") == NOW
    assert rules.told(NOW) == "2026-01-02T03:04:05.678Z"
    rules.still_open(NOW + timedelta(seconds=1), NOW)
    for wrong, kind in ((NOW, errors.Expired), (NOW + timedelta(days=2), errors.BadSyntax)):
        with pytest.raises(kind):
            rules.still_open(wrong, NOW)


def test_law_3_the_vector_of_the_standard():
    rules.fulfils("mhPUT9ZAwd-BXLfeSd7-YPh46rBWRNBiTCSWjpku90s", "fH9pAYDQbmoZLPbvv3CSW2RfjU4jvM4ApG_fqGnR7Xs")


@QUICK
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_law_3_only_the_fulfilment_whose_hash_is_the_condition(one, other):
    condition = jws.b64(sha256(one).digest())
    rules.fulfils(jws.b64(one), condition)
    if one != other:
        with pytest.raises(errors.BadFulfilment):
            rules.fulfils(jws.b64(other), condition)
    with pytest.raises(Malformed):
        rules.fulfils(jws.b64(one[:31]), condition)


@QUICK
@given(st.integers(0, 2**63 - 1), st.text("abc.123", min_size=1, max_size=200), st.binary(max_size=400))
def test_a_packet_says_what_was_packed(amount, address, content):
    packet = ilp.Packet(amount, address, content)
    text = ilp.pack(packet)
    assert ilp.unpack(text) == packet
    raw = jws.unb64(text)
    for wrong in (raw[:-1], raw + b"x", b"\x02" + raw[1:]):
        with pytest.raises(Malformed):
            ilp.unpack(jws.b64(wrong))
    assert ilp.condition_of(ilp.fulfilment_of(b"k", text)) == jws.b64(
        sha256(jws.unb64(ilp.fulfilment_of(b"k", text))).digest()
    )


@QUICK
@given(st.binary(max_size=300))
def test_no_packet_breaks_the_reader(raw):
    for reader in (ilp.unpack, translating.condition_of):
        try:
            reader(jws.b64(raw))
        except Malformed:
            continue


def test_law_5_a_request_is_its_sender_and_its_exact_body():
    assert rules.content_hash("a", b"{}") == rules.content_hash("a", b"{}")
    assert len({rules.content_hash("a", b"{}"), rules.content_hash("b", b"{}"), rules.content_hash("a", b"{ }")}) == 3


@pytest.fixture(scope="module")
def keys():
    return jws.new_key(), jws.new_key()


def test_law_6_a_signature_is_over_every_part_that_routes(keys):
    (private, public), (_, stranger) = keys
    headers = jws.sign(private, "POST", "/quotes", "a", "b", "today", b'{"x":1}')
    headers |= {"FSPIOP-Source": "a", "FSPIOP-Destination": "b", "Date": "today"}
    low = {name.lower(): value for name, value in headers.items()}
    assert jws.verify(public, low, "POST", "/quotes", b'{"x":1}')["alg"] == "RS256"
    wrongs = [
        (stranger, low, "POST", "/quotes", b'{"x":1}'),
        (public, low, "PUT", "/quotes", b'{"x":1}'),
        (public, low, "POST", "/transfers", b'{"x":1}'),
        (public, low, "POST", "/quotes", b'{"x": 1}'),
        *[
            (public, low | {n: "c"}, "POST", "/quotes", b'{"x":1}')
            for n in ("fspiop-source", "fspiop-destination", "date")
        ],
        (public, low | {"fspiop-signature": "{}"}, "POST", "/quotes", b'{"x":1}'),
    ]
    for wrong in wrongs:
        with pytest.raises(errors.BadSignature):
            jws.verify(*wrong)
    for pem in ("", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(errors.BadKey):
            jws.public_key(pem)


@QUICK
@given(*[st.integers(0, 10**6) for _ in range(5)])
def test_law_1_a_limit_in_force_is_never_above_the_cover_nor_below_what_is_owed(wanted, cover, limit, owed, reserved):
    limit, used = min(limit, cover), min(owed + reserved, min(limit, cover))
    after = limit + rules.carried(wanted, cover, limit, used, 0)
    assert used <= after <= cover
    assert after == min(wanted, cover) or after == used or wanted > cover


@QUICK
@given(*[st.integers(0, 1_000) for _ in range(4)])
def test_law_1_what_limits_and_windows_rest_on_is_not_taken_out(amount, cover, limit, debts):
    try:
        rules.removable(amount, cover, limit, debts)
    except errors.OverCover:
        assert cover - amount < max(limit, debts)
    else:
        assert cover - amount >= max(limit, debts)
    try:
        rules.coverable(limit, cover, debts, amount)
    except errors.OverCover:
        assert limit > cover or limit < debts + amount
    else:
        assert debts + amount <= limit <= cover


@QUICK
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd"), st.integers(1, 10**6)), max_size=30))
def test_law_8_net_amounts_sum_to_zero_and_are_what_was_sent_less_what_was_received(paid):
    lines = {n: [0, 0, 0, 0] for n in "abcd"}
    for payer, payee, amount in paid:
        lines[payer][0] += 1
        lines[payer][1] += amount
        lines[payee][2] += 1
        lines[payee][3] += amount
    made = [NetLine(n, "USD", *line) for n, line in lines.items()]
    moved = rules.moves(made)
    assert sum(amount for _, _, amount in moved) == 0
    assert {n: a for n, _, a in moved} == {n: x[1] - x[3] for n, x in lines.items() if x[1] != x[3]}
    if moved:
        with pytest.raises(ValueError):
            rules.moves([*made, NetLine("e", "USD", 1, 1, 0, 0)])


def test_law_3_a_bulk_pays_each_fulfilled_part_once():
    fulfilments = {f"p{n}": jws.b64(bytes([n]) * 32) for n in range(3)}
    parts = tuple(Part(i, 10 + n, ilp.condition_of(f)) for n, (i, f) in enumerate(fulfilments.items()))
    bulk = Transfer(NOW, b"", "bulkTransfers", "a", "b", "USD", 33, "", NOW, NOW, "fspiop", parts, State.RESERVED)  # type: ignore[arg-type]
    assert rules.payable(bulk, {"p0": fulfilments["p0"], "p2": fulfilments["p2"]})[0] == 22
    with pytest.raises(errors.BadFulfilment):
        rules.payable(bulk, {"p0": fulfilments["p1"]})
    with pytest.raises(errors.UnknownId):
        rules.payable(bulk, {"p9": fulfilments["p1"]})


def test_errors_are_told_with_the_codes_of_the_api():
    told = json.loads(__import__("msgspec").json.encode(wire.refused(errors.Modified(field="ID"))))
    assert told["errorInformation"]["errorCode"] == "3106"
    assert wire.refused(Malformed("x")).error_information.error_code == "3101"


def test_the_condition_of_an_ilpv4_packet():
    raw = b"\x0c\x81\x80" + (5).to_bytes(8) + b"20260102030405678" + b"\x07" * 32 + b"\x03g.a" + b"\x42" + b"x" * 66
    assert translating.condition_of(urlsafe_b64encode(raw).decode()) == jws.b64(b"\x07" * 32)


@given(st.integers(0, 10**12), st.integers(-(10**12), 10**12), st.integers(0, 10**12))
@settings(max_examples=60, deadline=None)
def test_who_is_close_to_its_limit_is_seen_before_the_ledger_refuses(most, owed, reserved):
    assert rules.is_low(most, owed, reserved) == (most > 0 and (owed + reserved) / most >= 0.8)
    if most and rules.is_low(most, owed, reserved):
        assert rules.is_low(most, owed + 1, reserved) and rules.is_low(most - 1, owed, reserved) == (most > 1)


def _said(**headers: str) -> Message:
    return Message("POST", "/transfers", headers, b"{}")


SHORT = """-----BEGIN PUBLIC KEY-----
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC29EovatdiEJKe3SyeMXoen+DG
e/Ot9Gr61yjTmVjQe9MdLiQx0V5hprFjGzHa/Z/WGROup3te4G6YtcB9V84H8Rar
WvYDF6WOWQM6kNjR9+/RBZMf2aAzYSTHo2sSa+FL44k+3UiZ2BLAX6yuAXSnE1Gd
7t+muQ/ZwXOaSm6+pQIDAQAB
-----END PUBLIC KEY-----
"""  # 1024 bits


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: ilp.unpack("not base64!"), "ilp-packet"),
        (lambda: ilp.unpack(jws.b64(b"\x02" + bytes(20))), "ilp-packet"),
        (lambda: ilp.unpack(jws.b64(b"\x01" + bytes(8) + b"\x01\xff\x00")), "ilp-packet"),
        (lambda: ilp.unpack(jws.b64(b"\x01" + bytes(8) + b"\x00\x00\x07")), "ilp-packet"),
        (lambda: jws.public_key(SHORT), "rsa>=2048"),
        (lambda: jws.public_key("nothing"), "pem"),
        (lambda: rules.content_type("application/json", "quotes"), "application/vnd.interoperability.quotes"),
        (lambda: rules.content_type(f"{MEDIA};version=1.1", "transfers"), "application/vnd.interoperability.transfers"),
        (lambda: rules.dated({}), "required"),
        (lambda: rules.dated({"date": "yesterday"}), "http-date"),
        (lambda: iso.members(b"{"), "json"),
        (lambda: iso.members(b"[]"), "object"),
        (lambda: iso.wanted(_said(), "transfers"), "required"),
        (lambda: iso.wanted(_said(), "bulkTransfers"), "fspiop"),
        (lambda: acts.checked("ftp://bank.example", "Bank"), "http(s)"),
        (lambda: acts.checked("https://user@bank.example", "Bank"), "plain-url"),
        (lambda: acts.checked("https://bank.example", ""), "length<=200"),
        (lambda: acts.checked("https://bank.example", "x" * 201), "length<=200"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_refused_by_its_rule(call, rule):
    with pytest.raises(Malformed) as caught:
        call()
    assert str(caught.value.facts["rule"]).startswith(rule)
