"""Laws 3 and 4 of the channels: what fits a screen, and what is read of what was typed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msingi.channels import dialogue, rules
from msingi.channels.errors import BadDialogue
from msingi.channels.model import Dialogue, Screen, Step
from msingi.countries import load, shipped

FORM = {"sessionId": "s1", "phoneNumber": "+255711000001", "text": ""}
LONG = {
    "country": "Jamhuri ya Taifa",
    "amount": "TSh 999,999,999",
    "fee": "TSh 9,999",
    "balance": "TSh 999,999,999",
    "name": "B*** K*** M***",
    "receipt": "0c1d2e3f",
    "minutes": "1440",
    "why": "inazidi kikomo.",
    "day": "21/11",
    "who": "Zahanati ya Mwembeni",
    "list": "1 Kiswahili\n2 English",
    "saved": "TSh 9,999,999",
    "owes": "TSh 9,999,999",
    "whose": "Mwanahamisi Juma",
    "price": "TSh 9,999,999",
    "signed": "2",
    "needed": "3",
}


@given(st.text(max_size=400))
def test_every_screen_fits(text):
    shown = rules.fit(text)
    assert len(shown) <= (rules.SCREEN if rules.is_gsm(shown) else rules.SCREEN_UCS2)


@given(st.lists(st.text(max_size=120), max_size=4))
def test_lines_fit_together(lines):
    shown = rules.fit_lines(lines)
    assert len(shown) <= (rules.SCREEN if rules.is_gsm(shown) else rules.SCREEN_UCS2)


@pytest.mark.parametrize("language", sorted(dialogue.texts()))
def test_texts_are_whole_on_one_screen_with_their_blanks_filled(language):
    said = dialogue.texts()
    assert set(said[language]) == set(said["en"])
    for name, text in said[language].items():
        filled = text.format(**LONG)
        assert rules.fit(filled) == rules.gsm(filled), f"{language} {name} does not fit: {len(filled)}"
        assert rules.is_gsm(rules.gsm(filled)) or language == "ar", f"{language} {name}: {filled}"


@pytest.mark.parametrize("country", shipped())
def test_every_country_has_a_language_that_phones_can_show(country):
    assert set(load(country).languages) <= set(dialogue.texts())


def test_accents_are_lost_only_where_the_alphabet_lacks_them():
    assert rules.gsm("Reçu n'est prêt, à Noël •••") == "Recu n'est pret, à Noel ***"


@given(st.lists(st.text("0123456789*", max_size=6), min_size=1, max_size=5))
def test_only_the_last_segment_is_read(typed):
    dial = rules.read(FORM | {"text": "1*4711*" + "*".join(typed)})
    assert (dial.said is not None and "*" not in dial.said and "4711" not in dial.said) or "4711" in "".join(typed)


@pytest.mark.parametrize("field", ["sessionId", "phoneNumber", "text"])
def test_a_missing_field_is_named(field):
    with pytest.raises(BadDialogue) as refused:
        rules.read({k: v for k, v in FORM.items() if k != field})
    assert refused.value.facts == {"field": field, "rule": "present"}


@pytest.mark.parametrize(
    "changes",
    [{"phoneNumber": "abc"}, {"phoneNumber": "12"}, {"sessionId": " "}, {"sessionId": "x" * 200}, {"text": "1" * 2000}],
)
def test_a_malformed_field_is_refused(changes):
    with pytest.raises(BadDialogue):
        rules.read(FORM | changes)


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=40), max_size=6))
def test_whatever_a_gateway_sends_is_read_or_refused(form):
    with contextlib.suppress(BadDialogue):
        assert rules.read(FORM | form).phone.startswith("+")


def test_the_answer_begins_as_gateways_expect():
    assert Screen("Yes?", True).wire == "CON Yes?" and Screen("Bye.", False).wire == "END Bye."


def test_a_choice_asks_for_the_pin_once():
    asked = rules.chosen(Dialogue(), "2")
    assert asked.step is Step.PIN and asked.choice == "2"
    assert rules.chosen(Dialogue(person="p"), "2").step is Step.PHONE
    assert rules.chosen(Dialogue(), "4").step is Step.TONGUE
    assert rules.chosen(Dialogue(), "9") == Dialogue()
