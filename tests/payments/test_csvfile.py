"""Payment files as CSV: what is read, and what is refused and how clearly."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from msingi.kernel.errors import Malformed
from msingi.kernel.money import Currency
from msingi.payments import csvfile, spool, wire

TZS = Currency("TZS", 0, "834", "TSh")
SHEET = csvfile.Sheet("CSV-1", "7475614951182", "TZS")
GOOD = 'id,number,amount,reference\nE1,123456789012,1500,Cash January\n\nE2,223456789012,2500.00,"a, b"\n'


def read(text, pieces=1_000):
    reader = csvfile.Reader(SHEET, lambda _: TZS)
    raw = text if isinstance(text, bytes) else text.encode()
    for start in range(0, len(raw), pieces):
        reader.feed(raw[start : start + pieces])
    return reader.close()


@given(st.integers(1, 40), st.sampled_from([",", ";", "\t"]), st.booleans(), st.booleans())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_good_file_is_read_however_it_is_cut_and_written(pieces, delimiter, marked, windows):
    text = GOOD.replace('"a, b"', "A B").replace(",", delimiter).replace("\n", "\r\n" if windows else "\n")
    found = read(b"\xef\xbb\xbf" * marked + text.encode(), pieces)
    assert [(n.end_to_end_id, n.number, n.amount_minor) for n in found.lines] == [
        ("E1", "123456789012", 1500),
        ("E2", "223456789012", 2500),
    ]
    assert found.lines[0].reference == "Cash January" and found.total_minor == 4000
    assert (found.message_id, found.blocks[0].payer, found.blocks[0].count) == ("CSV-1", "7475614951182", 2)


def test_a_cell_may_hold_the_delimiter():
    assert read(GOOD).lines[1].reference == "a, b"


BAD = [
    ("empty", "", "row 0", "required"),
    ("head only", "id,number,amount\n", "row 1", "required"),
    ("unknown column", "id,number,amount,iban\nE1,1,5,x\n", "row 1", "known-columns"),
    ("no amount", "id,number\nE1,1\n", "row 1, amount", "required"),
    ("short row", GOOD + "E3,1\n", "row 5", "cells"),
    ("zero", GOOD + "E3,1,0,\n", "row 5, amount", "above zero"),
    ("decimals", GOOD + "E3,1,1.5,\n", "row 5, amount", "decimals<=0"),
    ("negative", GOOD + "E3,1,-5,\n", "row 5, amount", "decimal"),
    ("formula", GOOD + "E3,1,=1+1,\n", "row 5, amount", "decimal"),
    ("no number", GOOD + "E3,,5,\n", "row 5, number", "text of 1 to 34 characters"),
    ("long id", GOOD + "E" * 36 + ",1,5,\n", "row 5, id", csvfile.MAX35.rule),
    ("open quote", GOOD + 'E3,1,5,"x\n', "row 4", "csv"),
    ("latin", GOOD.encode() + b"E3,1,5,\xe9t\xe9\n", "row 0", "utf-8"),
    ("long row", GOOD + "x" * 5_000, "row 4", "length<=4096"),
]


@pytest.mark.parametrize(("text", "field", "rule"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_naming_row_and_rule(text, field, rule):
    with pytest.raises(Malformed) as refused:
        read(text)
    assert refused.value.facts["rule"] == rule
    if rule not in ("utf-8", "length<=4096", "csv"):  # where reading stops depends on how the file is cut
        assert refused.value.facts["field"] == field


def test_a_repeated_id_is_found():
    reader = csvfile.Reader(SHEET, lambda _: TZS)
    reader.feed(GOOD.encode() + b"E1,1,5,\n")
    found = reader.close()
    assert reader.repeated() == {hash("E1")}
    assert reader.same_id(found.blocks, 3, found.lines[2]).facts == {"field": "line 3, id", "rule": "unique"}


@given(st.lists(st.binary(max_size=90_000), max_size=6))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_kept_aside_comes_back_whole(pieces):
    import asyncio

    async def arriving():
        for piece in pieces:
            yield piece

    async def whole():
        async with spool.spooled(arriving()) as found:
            return b"".join([piece async for piece in found])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool, "IN_MEMORY", 100_000)
        assert asyncio.run(whole()) == b"".join(pieces)


def test_hashes_that_repeat_are_found_among_many():
    assert wire.repeated([5, 7, -3, 5, 1 << 40, -3, 8]) == {5, -3}
