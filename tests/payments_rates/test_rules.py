"""The laws of exchange with every number: nothing is gained or lost unexplained, and no trick makes money."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msingi.kernel.errors import Malformed
from msingi.payments.rates import rules
from msingi.payments.rates.errors import AmountNotConverted, BadRate
from msingi.payments.rates.model import RateOrder, Side

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
PLAIN = RateOrder("TZS", "KES", "0.0497", 150, NOW, NOW + timedelta(days=1), fee_minor=500, fee_bp=50, most_minor=10**9)
digits = st.integers(0, 4)
middles = st.builds(
    lambda whole, part, places: f"{whole}.{part:0{places}d}"[: 11 + places],
    *(st.integers(0, 9_999), st.integers(1, 9_999), st.integers(4, 8)),
)


@st.composite
def rates(draw, **fixed):
    order = RateOrder(
        *("AAA", "BBB", draw(middles), draw(st.integers(0, 3_000)), NOW, NOW + timedelta(days=1)),
        fee_minor=draw(st.integers(0, 5_000)), fee_bp=draw(st.integers(0, 2_000)), least_minor=1, most_minor=10**15,
    )  # fmt: skip
    return rules.checked(replace(order, **fixed), NOW)


def worked(order, ds, dt, amount, side):
    try:
        return rules.convert(order, ds, dt, amount, side)
    except AmountNotConverted:
        assume(False)


def test_known_numbers():
    """10,000 shillings at 0.0497 less 1.5 %, fee 500 and half a percent: 9,450 x 0.0489545 = 462.62 of the target."""
    done = rules.convert(PLAIN, 0, 2, 10_000, Side.SEND)
    assert (done.fee_minor, done.converted_minor, done.target_minor) == (550, 9_450, 46_262)
    assert done.margin_minor == 9_450 * 497 // 100 - 46_262 == 704
    assert rules.customer_rate(PLAIN) == "0.0489545"
    back = rules.convert(PLAIN, 0, 2, 46_262, Side.RECEIVE)
    assert (back.total_minor, back.fee_minor, back.converted_minor) == (10_000, 550, 9_450)
    dinar = RateOrder("TND", "JPY", "48.125", 0, NOW, NOW + timedelta(days=1))
    assert rules.convert(dinar, 3, 0, 1, Side.RECEIVE).total_minor == 21
    assert rules.convert(dinar, 3, 0, 1_000, Side.SEND).target_minor == 48


@pytest.mark.parametrize("amount", [0, -1, -(10**6), 10**15 + 1, 499, 10**9 + 1])
def test_amounts_out_of_range(amount):
    with pytest.raises(AmountNotConverted):
        rules.convert(replace(PLAIN, least_minor=500), 0, 2, amount, Side.SEND)


def test_limits_hold_for_what_leaves_and_nothing_may_arrive_as_nothing():
    tight = replace(PLAIN, least_minor=1_000, most_minor=20_000)
    assert rules.convert(tight, 0, 2, 1_000, Side.SEND).total_minor == 1_000
    assert rules.convert(tight, 0, 2, 20_000, Side.SEND).total_minor == 20_000
    for amount, side in ((999, Side.SEND), (20_001, Side.SEND), (1, Side.RECEIVE), (10**6, Side.RECEIVE)):
        with pytest.raises(AmountNotConverted):
            rules.convert(tight, 0, 2, amount, side)
    for amount in (500, 502):  # the fee takes all of it; what is left would be nothing
        with pytest.raises(AmountNotConverted):
            rules.convert(replace(PLAIN, middle="0.001"), 0, 0, amount, Side.SEND)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("middle", text) for text in ("0", "0.0", "-1", "1e3", "1,5", "", "NaN", "01", "1.12345678901", "9" * 10)],
        *[("source", text) for text in ("tzs", "TZ", "", "KES", "T S")],
        *[("target", text) for text in ("kes", "TZS", "KESH")],
        *[("spread_bp", n) for n in (-1, 10_000)],
        *[("fee_bp", n) for n in (-1, 10_000)],
        *[("fee_minor", n) for n in (-1, 10**15 + 1)],
        *[("least_minor", n) for n in (0, -5, 10**9 + 1)],
        *[("valid_until", NOW + ahead) for ahead in (timedelta(0), timedelta(-1), timedelta(31, seconds=1))],
        ("valid_until", (NOW + timedelta(1)).replace(tzinfo=None)),
    ],
)  # fmt: skip
def test_a_wrong_rate_is_named(field, value):
    with pytest.raises(BadRate) as refused:
        rules.checked(replace(PLAIN, **{field: value}), NOW)
    assert refused.value.facts["field"] in (field, "source", "target")


def test_the_ends_of_what_a_rate_may_be():
    for change in (
        {"spread_bp": 9_999},
        {"fee_bp": 9_999},
        {"valid_until": NOW + timedelta(31)},
        {"least_minor": 10**9},
    ):
        assert rules.checked(replace(PLAIN, **change), NOW)
    assert rules.checked(replace(PLAIN, most_minor=10**15, fee_minor=10**15), NOW)


HEAD = "source,target,middle,spread_bp,valid_from,valid_until,fee_minor\n"
LINE = "TZS,KES,0.0497,150,2026-11-22T00:00:00+00:00,2026-11-23T00:00:00Z,500\n"


def test_rates_are_read_from_a_file():
    found = rules.read_lines("\ufeff" + HEAD + LINE + LINE.replace("KES", "UGX"), NOW)
    assert [(r.source, r.target, r.middle, r.fee_minor, r.spread_bp) for r in found] == [
        *(("TZS", "KES", "0.0497", 500, 150), ("TZS", "UGX", "0.0497", 500, 150)),
    ]
    assert found[0].valid_until == datetime(2026, 11, 23, tzinfo=UTC) and found[0].most_minor == 10**12


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "header"),
        ("source,target\n", "header"),
        (HEAD.replace("fee_minor", "surprise") + LINE, "header"),
        (HEAD, "lines"),
        (HEAD + LINE * 1_001, "lines"),
        (HEAD + LINE + LINE, "source"),
        (HEAD + LINE.replace("150", "x"), "line 2"),
        (HEAD + LINE.replace("0.0497", "0"), "line 2, middle"),
        (HEAD + LINE.replace(",500", ""), "line 2"),
        (HEAD + LINE.replace("2026-11-23", "yesterday"), "line 2"),
        (HEAD + LINE + LINE.replace("KES", "tzs"), "line 3, target"),
    ],
)
def test_a_wrong_file_is_named(text, named):
    with pytest.raises(Malformed) as refused:
        rules.read_lines(text, NOW)
    assert refused.value.facts["field"] == named


@given(rates(), digits, digits, st.integers(1, 10**12), st.sampled_from(Side))
@example(PLAIN, 0, 2, 10_000, Side.SEND)
@settings(max_examples=150, deadline=None)
def test_law_2_every_minor_unit_is_explained(order, ds, dt, amount, side):
    done = worked(order, ds, dt, amount, side)
    assert done.total_minor == done.fee_minor + done.converted_minor
    assert done.fee_minor == rules.fee(order, done.total_minor) and done.fee_minor >= 0
    assert (done.total_minor if side is Side.SEND else done.target_minor) == amount
    exact = done.converted_minor * rules.price(order, ds, dt)
    if side is Side.SEND:  # the house keeps less than one minor unit of the target
        assert 0 <= exact - done.target_minor < 1
    else:  # and where the target is given, less than one minor unit of the source
        assert 0 <= done.converted_minor - done.target_minor / rules.price(order, ds, dt) < 1
    middle = done.converted_minor * rules.price(order, ds, dt, spread=False)
    assert 0 <= middle - (done.target_minor + done.margin_minor) < 1 and done.margin_minor >= 0


@given(rates(), digits, digits, st.integers(1, 10**9))
@settings(max_examples=100, deadline=None)
def test_both_ways_to_ask_agree(order, ds, dt, target):
    """What it costs to let an amount arrive is the least for which it arrives."""
    asked = worked(order, ds, dt, target, Side.RECEIVE)
    sent = rules.convert(order, ds, dt, asked.total_minor, Side.SEND)
    assert sent.target_minor >= target and sent.fee_minor == asked.fee_minor
    if asked.total_minor > 1:
        try:
            less = rules.convert(order, ds, dt, asked.total_minor - 1, Side.SEND).target_minor
        except AmountNotConverted:
            less = 0
        assert less < target


@given(rates(), digits, digits, st.integers(1, 10**9), st.integers(0, 2_000))
@settings(max_examples=100, deadline=None)
def test_law_3_there_and_back_is_never_a_gain(order, ds, dt, amount, spread):
    middle = Fraction(order.middle)
    assume(1 / middle == Fraction(f"{float(1 / middle):.10f}") or middle > Fraction(1, 1000))
    text = f"{int(10**10 / middle):011d}"  # the inverse, rounded down to ten decimals
    text = f"{int(text[:-10])}.{text[-10:]}"
    assume(Fraction(text) > 0 and len(text.partition(".")[0]) < 9)
    back = replace(order, source="BBB", target="AAA", middle=text, spread_bp=spread, fee_minor=0, fee_bp=0)
    there = worked(order, ds, dt, amount, Side.SEND)
    returned = worked(back, dt, ds, there.target_minor, Side.SEND)
    assert returned.target_minor <= amount


@given(rates(), digits, digits, st.lists(st.integers(1, 10**7), min_size=2, max_size=5))
@settings(max_examples=100, deadline=None)
def test_law_3_pieces_are_never_worth_more_than_the_whole(order, ds, dt, pieces):
    whole = worked(order, ds, dt, sum(pieces), Side.SEND)
    arrived = 0
    for piece in pieces:
        try:
            arrived += rules.convert(order, ds, dt, piece, Side.SEND).target_minor
        except AmountNotConverted:
            continue
    assert arrived <= whole.target_minor


@given(rates())
@settings(max_examples=60, deadline=None)
def test_the_rate_that_is_told_is_the_rate_that_is_used(order):
    assert Fraction(rules.customer_rate(order)) == rules.price(order, 0, 0)
    assert Fraction(order.middle) >= Fraction(rules.customer_rate(order))
