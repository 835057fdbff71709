"""Laws 1 to 3 of the bank: square codes by the standard, read by other people's code; and what a payer typed."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from msingi.countries import load
from msingi.kernel.errors import Malformed
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import emv, rules
from msingi.payments.bank.errors import ForeignCode, NotACode

JS = Path(__file__).parents[1] / "js"
DOMAIN = "tz.go.demo"
TAIFA, WAHAT = load("taifa"), load("wahat")
# The vector that promptparse 1.6.0 (strict) and emvqr 0.0.5 read, made by hand before there was any code here.
VECTOR = (
    "00020101021226290010tz.go.demo0111MERCHANT123520454115303834540415005802TZ5912DUKA LA MAMA6006DODOMA"
    "62150105INV420702T163041138"
)
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=15)


def a_code(**more) -> emv.Code:
    said = {"merchant": "1234566", "name": "DUKA LA MAMA", "city": "DODOMA", "country": "XT", "currency": "TZS"}
    return emv.Code(**(said | {"category": "5411"} | more))


def sealed(text: str) -> str:
    """A text with the right checksum, whatever it says."""
    return text + "6304" + emv.checksum(text + "6304")


def test_the_published_vector_is_read():
    found = emv.read(VECTOR, DOMAIN, TAIFA.currency, "TZ")
    assert found == emv.Code(
        merchant="MERCHANT123", name="DUKA LA MAMA", city="DODOMA", country="TZ", currency="TZS", category="5411",
        amount_minor=1500, bill="INV42", terminal="T1",
    )  # fmt: skip


@given(
    ASCII, ASCII, st.integers(0, 10**15), ASCII, st.sampled_from([TAIFA, WAHAT]), st.integers(0, 10_000),
    st.text(st.characters(categories=["L"]), max_size=25),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_law_3_what_is_written_is_read_back(name, city, amount, bill, country, tip, local):
    said = a_code(
        name=name, city=city, amount_minor=amount, bill="" if bill == "***" else bill, tip_percent=tip,
        country=country.alpha2, currency=country.currency.code, local_name=local, language="sw" if local else "",
    )  # fmt: skip
    text = emv.write(said, DOMAIN, country.currency)
    assert emv.read(text, DOMAIN, country.currency, country.alpha2) == said
    assert text[6:12] == ("010212" if amount else "010211") and text.isprintable()


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_law_2_a_code_with_one_changed_letter_is_never_paid(data):
    text = emv.write(a_code(amount_minor=1500, bill="INV42"), DOMAIN, TAIFA.currency)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    assume(letter != text[place])
    with pytest.raises(NotACode):
        emv.read(text[:place] + letter + text[place + 1 :], DOMAIN, TAIFA.currency, "XT")


@given(st.text(max_size=200))
@example("000201")
@example(sealed("000201"))
@example(sealed("00020100"))
@example(sealed("000201" + "5400"))
@settings(max_examples=100, deadline=None)
def test_law_2_whatever_is_scanned_is_refused_or_read_and_breaks_nothing(text):
    for scanned in (text, sealed(text), sealed("000201" + text)):
        with pytest.raises(NotACode):
            emv.read(scanned, DOMAIN, TAIFA.currency, "XT")


HEAD = "0002010102122625" + "0010tz.go.demo01071234566"
TAIL = "5204541153038345802XT5904DUKA6006DODOMA"


@pytest.mark.parametrize(
    ("text", "rule", "kind"),
    [
        (HEAD + TAIL + "5405-1500", "amount (id 54)", NotACode),
        (HEAD + TAIL + "54010", "amount (id 54)", NotACode),
        (HEAD + TAIL + "540415.5", "amount (id 54)", NotACode),
        (HEAD + TAIL + "54191000000000000000000", "amount (id 54)", NotACode),
        (HEAD + TAIL + "5502025600", "length (id 56)", NotACode),
        (HEAD + TAIL + "5502035703100" + "56015", "tip (id 55)", NotACode),
        (HEAD + TAIL + "5502035701-", "tip (id 57)", NotACode),
        (HEAD + TAIL + "550209", "tip (id 55)", NotACode),
        (HEAD + TAIL + "5904DUKA", "length (id 59)", NotACode),
        (HEAD + TAIL[:-10], "required (id 60)", NotACode),
        (HEAD + TAIL.replace("834", "404"), "", ForeignCode),
        (HEAD + TAIL.replace("XT", "KE"), "", ForeignCode),
        (HEAD.replace("demo", "fake") + TAIL, "", ForeignCode),
        ("000202" + HEAD[6:] + TAIL, "payload format (id 00)", NotACode),
    ],
)
def test_law_2_codes_that_break_a_rule_are_refused_by_it(text, rule, kind):
    with pytest.raises(kind) as refused:
        emv.read(sealed(text), DOMAIN, TAIFA.currency, "XT")
    assert type(refused.value) is kind and refused.value.facts.get("rule", "") == rule


def test_what_a_code_cannot_carry_is_refused_when_it_is_made():
    for wrong in ({"name": "Ma’am"}, {"name": "x" * 26}, {"city": ""}, {"bill": "b" * 26}, {"local_name": "ا" * 26}):
        with pytest.raises(Malformed):
            emv.write(a_code(**wrong), DOMAIN, TAIFA.currency)


def test_a_tip_of_the_shop_is_added_once():
    assert a_code(amount_minor=1000, tip_percent=1250).extra_minor == 125
    assert a_code(amount_minor=1000, tip_minor=70).extra_minor == 70 and a_code(tip_percent=500).extra_minor == 0


@pytest.mark.skipif(
    not (JS / "node_modules" / "promptparse").exists() or not shutil.which("node"), reason="no npm here"
)
def test_independent_parsers_read_what_is_written():
    said = [
        (a_code(country="TZ"), TAIFA),  # emvqr knows the assigned countries only, and none that is invented
        (a_code(country="TZ", amount_minor=1500, bill="INV42"), TAIFA),
        (
            a_code(amount_minor=12_345, country="TN", currency="TND"),
            WAHAT,
        ),  # promptparse takes its checksum of ASCII only
    ]
    texts = [emv.write(code, DOMAIN, country.currency) for code, country in said]
    broken = texts[1].replace("INV42", "INV43")
    asked = json.dumps([*texts, broken])
    ran = subprocess.run(["node", "read_codes.mjs"], cwd=JS, input=asked, capture_output=True, text=True, check=True)
    *found, refused = json.loads(ran.stdout)
    assert refused is None
    for (code, country), seen in zip(said, found, strict=True):
        assert seen["merchant"] == code.merchant and seen["domain"] == DOMAIN
        assert (seen["name"], seen["city"], seen["country"]) == (code.name, code.city, code.country)
        assert (seen["currency"], seen["category"]) == (country.currency.numeric, code.category)
        assert seen["bill"] == code.bill
        other = seen["other"]
        assert other["59"]["data"] == code.name and other["26"]["data"]["01"]["data"] == code.merchant
    assert [f["amount"] for f in found] == ["", "1500", "12.345"]
    assert [f["method"] for f in found] == ["11", "12", "12"]


@given(st.integers(0, rules.MERCHANT_SPACE - 1), st.integers(0, 6), st.integers(1, 9))
@settings(max_examples=80, deadline=None)
def test_numbers_of_shops_differ_and_find_a_wrong_digit(place, wrong, shift):
    code = rules.merchant_code(place)
    assert rules.is_merchant_code(code) and rules.merchant_code((place + 1) % rules.MERCHANT_SPACE) != code
    changed = code[:wrong] + str((int(code[wrong]) + shift) % 10) + code[wrong + 1 :]
    assert not rules.is_merchant_code(changed)


def test_no_two_places_of_the_register_have_the_same_number():
    assert len({rules.merchant_code(place) for place in range(0, rules.MERCHANT_SPACE, 7)}) == -(
        -rules.MERCHANT_SPACE // 7
    )


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("0712 345 678", "phone"), ("+255712345678", "phone"), ("255712345678", "phone"), ("712345678", "phone"),
        (rules.merchant_code(5), "merchant"), (ledger_rules.number_of(7 << 8), "account"),
        (" " + ledger_rules.number_of(9 << 8) + " ", "account"), ("asha", None), ("", None), ("12", None),
        ("7475614951183", None), ("9" * 40, None), ("٠٧١٢", None),
    ],
)  # fmt: skip
def test_what_a_payer_typed_is_recognised(typed, kind):
    found = rules.alias_of(typed, TAIFA.phone_prefix, TAIFA.phone_digits)
    assert (found.kind if found else None) == kind
    if kind == "phone":
        assert found and found.value == "+255712345678"


@given(st.text(max_size=30) | st.from_regex(r"[0-9 +-]{0,20}", fullmatch=True))
@settings(max_examples=120, deadline=None)
def test_whatever_is_typed_is_one_alias_or_none(typed):
    found = rules.alias_of(typed, WAHAT.phone_prefix, WAHAT.phone_digits)
    assert found is None or found.kind in ("phone", "merchant", "account", "identity")
