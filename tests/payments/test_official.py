"""What leaves the stack as ISO 20022 is valid by the official schemas, and what is read back of them is the schemas."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from tests.payments import kit, official
from tests.payments.test_bank import a_statement

from msingi.countries import load
from msingi.payments.bank import wire

LINES = [("E1", "123456789012", "100"), ("E2", "123456789012", "250.5")]


def valid(message: str, raw: bytes) -> None:
    official.schema(message).assertValid(etree.fromstring(raw))


@pytest.mark.parametrize("amounts", [[], [1], [-1_500, 20_000], [5] * 40], ids=["none", "one", "both", "many"])
def test_statements_are_valid_camt_053(amounts):
    raw = wire.to_camt_053(a_statement(amounts), load("wahat").currency, "Banque postale & « fils »")
    valid("camt.053.001.08", raw)
    broken = raw.replace(b"<CdtDbtInd>CRDT</CdtDbtInd>", b"<CdtDbtInd>PLUS</CdtDbtInd>", 1)
    assert not official.schema("camt.053.001.08").validate(etree.fromstring(broken))


def _changed(tree, data) -> None:
    """Remove, double, move or change something of a message at random."""
    nodes = [node for node in tree.iter() if node is not tree]
    if not nodes:
        return
    node = data.draw(st.sampled_from(nodes))
    what = data.draw(st.sampled_from(["remove", "double", "text", "attribute", "move"]))
    if what == "remove":
        node.getparent().remove(node)
    elif what == "double":
        node.addnext(etree.fromstring(etree.tostring(node)))
    elif what == "text":
        node.text = data.draw(st.sampled_from(["", "x", "9" * 40, "2026-13-40", "-1", "1.123456", "TRF"]))
    elif what == "attribute":
        node.set("x", "y")
    elif node.getnext() is not None:
        node.getnext().addnext(node)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_read_back_judges_as_the_official_schema_does(data):
    """pain.001.001.09, whose XSD itself ships with a package: the same verdict on every message."""
    tree = etree.fromstring(kit.pain_001("7475614951182", LINES))
    for _ in range(data.draw(st.integers(0, 2))):
        _changed(tree, data)
    raw = etree.tostring(tree)
    told = official.schema("pain.001.001.09").validate(etree.fromstring(raw))
    assert told == official.itself().validate(etree.fromstring(raw)), raw
