"""Payment files as XML: what is read, what is refused and how clearly, and agreement with the official schema."""

from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.payments import kit, official

from msingi import countries
from msingi.kernel.errors import Malformed, TooLarge
from msingi.kernel.money import Currency
from msingi.payments import grammar, wire

TZS = Currency("TZS", 0, "834", "TSh")
TND = Currency("TND", 3, "788", "DT")
TODAY = date(2026, 2, 1)
LINES = [("E1", "123456789012", "1500"), ("E2", "223456789012", "2500.00"), ("E3", "323456789012", "007")]


def currency_of(code):
    if code == "TZS":
        return TZS
    if code == "TND":
        return TND
    raise Malformed("unknown", field="Ccy", rule="known-currency")


def read(raw):
    return wire.read_initiation(raw, currency_of, TODAY)


def test_a_good_file_is_read_whole():
    for in_account in (True, False):
        found = read(kit.pain_001("7475614951182", LINES, in_account=in_account))
        assert found.message_id == "MSG-1" and found.currency == "TZS" and found.total_minor == 4007
        assert [(n.end_to_end_id, n.number, n.amount_minor) for n in found.lines] == [
            ("E1", "123456789012", 1500),
            ("E2", "223456789012", 2500),
            ("E3", "323456789012", 7),
        ]
        assert found.lines[0].reference == "Cash transfer, January" and found.lines[0].instruction_id == "I-E1"
        assert [(b.block_id, b.payer, b.count, b.total_minor) for b in found.blocks] == [
            ("B-1", "7475614951182", 3, 4007)
        ]


def test_three_decimals_are_as_good_as_none():
    found = read(kit.pain_001("7475614951182", [("E1", "1", "1.5"), ("E2", "2", "0.001")], currency="TND"))
    assert [n.amount_minor for n in found.lines] == [1500, 1]


ROOT = "/Document/CstmrCdtTrfInitn"
BLK = ROOT + "/PmtInf[1]"
TX = BLK + "/CdtTrfTxInf"
GOOD = kit.pain_001("1", LINES)
METHOD = b"<PmtMtd>TRF</PmtMtd>"
PAYER = b"<Id><Othr><Id>1</Id></Othr></Id></DbtrAcct>"


def swapped(old: bytes, new: bytes) -> bytes:
    """The good file with its first `old` replaced."""
    assert old in GOOD
    return GOOD.replace(old, new, 1)


BAD = [
    ("not xml", b"hello", "/", "well-formed"),
    ("empty", b"", "/", "well-formed"),
    ("cut off", GOOD[:-30], ROOT, "well-formed"),
    ("doctype", swapped(b"<Document", b"<!DOCTYPE Document><Document"), "/", "no-doctype"),
    ("another message", swapped(b"pain.001.001.09", b"pain.001.001.03"), "/Document", "namespace"),
    ("no total", kit.pain_001("1", LINES, total="4008"), BLK + "/CtrlSum", "control-sum"),
    ("wrong count", swapped(b"<NbOfTxs>3", b"<NbOfTxs>4"), ROOT + "/GrpHdr/NbOfTxs", "count"),
    ("late", swapped(METHOD, b"").replace(b"<DbtrAgt>", METHOD + b"<DbtrAgt>"), BLK + "/PmtMtd", "required"),
    ("order", swapped(b"<DbtrAgt>", b"<BtchBookg>true</BtchBookg><DbtrAgt>"), BLK + "/BtchBookg", "order"),
    ("missing", swapped(METHOD, b""), BLK + "/PmtMtd", "required"),
    ("twice", swapped(METHOD, METHOD * 2), BLK + "/PmtMtd", "at most 1"),
    ("cheque", swapped(b"TRF", b"CHK"), BLK + "/PmtMtd", grammar.TRANSFER.rule),
    ("unknown element", swapped(b"<Amt>", b"<Bribe>1</Bribe><Amt>"), TX + "[1]/Bribe", "known-element"),
    ("equivalent amount", swapped(b"<InstdAmt", b"<EqvtAmt"), TX + "[1]/Amt/EqvtAmt", "known-element"),
    ("zero", kit.pain_001("1", [*LINES, ("E4", "1", "0")]), TX + "[4]/Amt/InstdAmt", "above zero"),
    ("negative", kit.pain_001("1", [("E1", "1", "-5")], total="5"), TX + "[1]/Amt/InstdAmt", grammar.AMOUNT.rule),
    ("too many decimals", kit.pain_001("1", [("E1", "1", "1.5")]), TX + "[1]/Amt/InstdAmt", "decimals<=0"),
    ("unknown currency", kit.pain_001("1", LINES, currency="USD"), TX + "[1]/Amt/InstdAmt/@Ccy", "known-currency"),
    ("two currencies", swapped(b'"TZS">2500', b'"TND">2500'), TX + "[2]/Amt/InstdAmt/@Ccy", "one-currency"),
    ("no currency", swapped(b' Ccy="TZS"', b""), TX + "[1]/Amt/InstdAmt/@Ccy", "iso4217"),
    ("same id twice", kit.pain_001("1", [*LINES, LINES[0]]), TX + "[4]/PmtId/EndToEndId", "unique"),
    ("long id", kit.pain_001("1", [("E" * 36, "1", "5")]), TX + "[1]/PmtId/InstrId", grammar.MAX35.rule),
    ("another scheme", kit.pain_001("1", LINES, scheme="BBAN"), TX + "[1]/CdtrAcct/Id/Othr/Id", "scheme MSINGI-ID"),
    ("future", kit.pain_001("1", LINES, day="2026-02-02"), BLK + "/ReqdExctnDt/Dt", "not in the future"),
    ("no such day", kit.pain_001("1", LINES, day="2025-02-30"), BLK + "/ReqdExctnDt/Dt", grammar.DAY.rule),
    ("no such hour", swapped(b"T08:", b"T28:"), ROOT + "/GrpHdr/CreDtTm", grammar.MOMENT.rule),
    ("stray text", swapped(b"<Amt>", b"stray<Amt>"), TX + "[1]", "elements-only"),
    ("attribute", swapped(b"<Amt>", b'<Amt x="1">'), TX + "[1]/Amt", "known-attribute"),
    ("iban", swapped(PAYER, b"<Id><IBAN>TZ1</IBAN></Id></DbtrAcct>"), BLK + "/DbtrAcct/Id/Othr/Id", "required"),
]


@pytest.mark.parametrize(("raw", "field", "rule"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_naming_the_element_and_the_rule(raw, field, rule):
    with pytest.raises(Malformed) as refused:
        read(raw)
    assert refused.value.facts == {"field": field, "rule": rule}
    assert refused.value.detail and "123456789012" not in refused.value.detail


def test_no_entity_file_or_network_is_ever_touched(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("123456789012")
    for entity in (f'SYSTEM "{secret.as_uri()}"', 'SYSTEM "http://127.0.0.1:9/"', '"123456789012"'):
        raw = kit.pain_001("1", [("E1", "&who;", "5")])
        raw = raw.replace(b"<Document", f"<!DOCTYPE Document [<!ENTITY who {entity}>]><Document".encode(), 1)
        with pytest.raises(Malformed) as refused:
            read(raw)
        assert refused.value.facts["rule"] == "no-doctype"
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    raw = kit.pain_001("1", [("E1", "&l11;", "5")])
    raw = raw.replace(b"<Document", f'<!DOCTYPE Document [<!ENTITY l0 "ha">{laughs}]><Document'.encode(), 1)
    with pytest.raises(Malformed):
        read(raw)


def test_size_limits_hold(monkeypatch):
    monkeypatch.setattr(wire, "MAX_LINES", 2)
    with pytest.raises(TooLarge):
        read(kit.pain_001("1", LINES))
    monkeypatch.setattr(wire, "MAX_FILE_BYTES", 100)
    with pytest.raises(TooLarge):
        read(kit.pain_001("1", LINES))


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_changed_file_is_read_or_refused_and_never_breaks_the_reader(data):
    raw = bytearray(kit.pain_001("7475614951182", LINES))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(60, len(raw) - 1))
        raw[place : place + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=6))
    try:
        found = read(bytes(raw))
    except Malformed as refused:
        assert refused.facts["field"] and refused.facts["rule"]
        return
    assert found.total_minor == sum(n.amount_minor for n in found.lines)


def test_what_is_accepted_is_valid_by_the_official_schema():
    itself = official.itself()
    for raw in (kit.pain_001("7475614951182", LINES), kit.pain_001("7475614951182", LINES, in_account=False)):
        itself.assertValid(etree.fromstring(raw))
    for _, raw, _, rule in BAD:
        # What the schema refuses for its shape, the reader refuses too; the reverse holds for the stack's own rules.
        shape = ("order", "required", "at most 1", "known-element", "iso4217", grammar.MAX35.rule, "known-attribute")
        if rule in shape and b"EqvtAmt" not in raw and b"IBAN" not in raw:
            assert not itself.validate(etree.fromstring(raw)), rule


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_file_is_accepted_that_the_official_schema_refuses(data):
    """Elements are moved, doubled and removed at random; the reader is never laxer than the schema."""
    itself = official.itself()
    tree = etree.fromstring(kit.pain_001("7475614951182", LINES))
    unread = {n for agent in tree.iter("{*}DbtrAgt") for n in agent.iter()}  # parts that the stack does not use
    nodes = [n for n in tree.iter() if n is not tree and n not in unread]
    for _ in range(data.draw(st.integers(1, 2))):
        node = data.draw(st.sampled_from(nodes))
        what = data.draw(st.sampled_from(["remove", "double", "text", "attribute", "move"]))
        if node.getparent() is None:
            continue
        if what == "remove":
            node.getparent().remove(node)
        elif what == "double":
            node.addnext(etree.fromstring(etree.tostring(node)))
        elif what == "text":
            node.text = data.draw(st.sampled_from(["", "x", "9" * 40, "2026-13-40"]))
        elif what == "attribute":
            node.set("x", "y")
        elif node.getnext() is not None:
            node.getnext().addnext(node)
    raw = etree.tostring(tree)
    if itself.validate(etree.fromstring(raw)):
        return
    with pytest.raises(Malformed):
        read(raw)


def test_the_profiles_currencies_are_the_ones_used_here():
    assert countries.load("taifa").currency.digits == 0 and countries.load("wahat").currency.digits == 3


def streamed(raw, pieces):
    """What a reader makes of a file that comes in pieces of these sizes, or how it refuses it."""
    reader, start = wire.Reader(currency_of, TODAY), 0
    try:
        for size in pieces:
            reader.feed(raw[start : start + size])
            start += size
        reader.feed(raw[start:])
        return reader.close()
    except Malformed as refused:
        return refused.facts


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_lines_that_look_alike_are_read_as_the_parser_reads_them(data):
    """The short way (lines matched as bytes) and the long one say the same of every file, however it is cut."""
    texts = st.sampled_from(
        ["E1", "E2", "E3", "x y", "", "&amp;", "\u0645\u0639\u0627\u0634", "a<!-- -->b", "]]>", "\ufffe", "\t"]
    )
    wanted = [(data.draw(texts), "123456789012", data.draw(st.sampled_from(["1", "02.00", "0"]))) for _ in range(5)]
    raw = kit.pain_001("1", wanted, total="5", in_account=data.draw(st.booleans()))
    raw = raw.replace(b"</CdtTrfTxInf>", data.draw(st.sampled_from([b"</CdtTrfTxInf>", b"</CdtTrfTxInf> \n"])))
    remark = data.draw(st.sampled_from([b"", b"<!-- </CdtTrfTxInf> -->", b" <!-- ", b"<?p </CdtTrfTxInf>?>"]))
    place = data.draw(st.integers(0, len(raw)))
    raw = raw[:place] + remark + raw[place:]
    pieces = data.draw(st.lists(st.integers(1, 900), max_size=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire.alike, "shape_of", lambda _: None)
        long_way = streamed(raw, [])
    assert streamed(raw, pieces) == long_way


def test_the_short_way_is_taken():
    lines = [(f"E{n}", "123456789012", "5") for n in range(200)]
    reader, asked = wire.Reader(currency_of, TODAY), []
    parse = reader._parse
    reader._parse = lambda raw, last=False: (asked.append(len(raw)), parse(raw, last))
    raw = kit.pain_001("1", lines)
    reader.feed(raw)
    assert len(reader.close().lines) == 200 and sum(asked) < len(raw) / 20
