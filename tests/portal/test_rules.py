"""The portal's pure laws: where a link may lead, what people type, what is corrected."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msingi.countries import load
from msingi.kernel import money
from msingi.kernel.context import Actor, Kind
from msingi.kernel.errors import Malformed
from msingi.portal import rules, words
from msingi.portal.model import Field, Form

SAY = words.load("en").plain


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "https://evil.example", "", "/a b", "me", "/x\\y"]
)
def test_a_link_never_leads_to_another_site(path):
    assert rules.local(path, "/safe") == "/safe"


@given(st.text(max_size=80))
def test_whatever_a_link_says_it_stays_here(path):
    found = rules.local(path)
    assert found.startswith("/") and not found.startswith(("//", "/\\")) and "\n" not in found


def test_staff_see_only_the_desks_of_their_roles():
    clerk = Actor(Kind.STAFF, "clerk-1", "hazina", frozenset({"payment-clerk"}))
    assert [i.name for i in rules.menu_of(clerk)] == ["desk", "payments", "programmes", "givers"]
    person = Actor(Kind.PERSON, "1")
    assert "desk" not in [i.name for i in rules.menu_of(person, 2)]
    assert next(i.count for i in rules.menu_of(person, 2) if i.name == "consents") == 2


@pytest.mark.parametrize(
    ("header", "best"), [("fr;q=0.9, ar", "ar"), ("en-GB,fr;q=.5", "fr"), ("", "ar"), ("xx;q=z,,;", "ar")]
)
def test_the_browsers_languages_are_heard(header, best):
    assert rules.accepted(header, ["ar", "fr"]) == best


@given(st.integers(1, 10**12))
def test_an_amount_is_read_as_the_country_writes_it(minor):
    for country in ("taifa", "wahat"):
        profile = load(country)
        shown = money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)
        typed = shown.partition("\u00a0")[2]
        found = rules.amount_minor(typed, profile.currency, profile.group_separator, profile.decimal_point)
        assert found == minor, typed


@given(st.text(max_size=24))
def test_whatever_is_typed_as_an_amount_is_an_amount_or_refused(typed):
    profile = load("wahat")
    try:
        assert rules.amount_minor(typed, profile.currency, " ", ",") >= 0
    except Malformed:
        assert rules.amount_wrong(typed, profile.currency, " ", ",", SAY)


@pytest.mark.parametrize("typed", ["0712345678", "712345678", "+255 712 345 678", "255712345678", "00255712345678"])
def test_a_phone_number_is_understood_in_every_way_of_writing_it(typed):
    assert rules.phone_of(typed, "+255", 9) == "+255712345678"


@given(st.text(max_size=30))
def test_whatever_is_typed_as_a_phone_is_e164_or_nothing(typed):
    found = rules.phone_of(typed, "+255", 9)
    assert found == "" or (found[0] == "+" and found[1:].isdigit() and 8 <= len(found) <= 16)


@pytest.mark.parametrize(
    ("typed", "ok"),
    [
        ("1988-3-27", True),
        ("1988--", True),
        ("1988-3-", True),
        ("1988-2-30", False),
        ("88-3-1", False),
        ("-3-1", False),
        ("1988--4", False),
        ("2999-1-1", False),
        ("x-y-z", False),
    ],
)
def test_dates_are_judged_as_far_as_they_are_known(typed, ok):
    assert (rules.date_wrong(typed, date(2026, 11, 21), SAY) == "") is ok


def test_known_parts_of_a_date_become_iso():
    assert rules.iso_date("1988-3-7") == "1988-03-07"
    assert rules.iso_date("1988--") == "1988" and rules.iso_date("") == ""


def test_a_form_says_at_each_question_what_to_correct():
    form = Form(
        (
            Field(name="a", label="Name"),
            Field(name="b", label="Sex", kind="choice", options=(("F", "x"),), value="Q"),
            Field(name="c", label="Note", optional=True, longest=3, value="long"),
            Field(name="d", label="Age", value="9"),
        )
    )
    judged = rules.judged(form, SAY, {"d": lambda text: f"not {text}"})
    assert [f.wrong for f in judged.fields] == [
        "Fill in: Name.",
        "Choose one of the answers.",
        "Use no more than 3 characters.",
        "not 9",
    ]
