"""Law 5 (every text in every language, with the same blanks) and law 7 (what is filled in is escaped and isolated)."""

import re
from datetime import UTC, datetime
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msingi.app import introduce, load_policies
from msingi.countries import load, shipped
from msingi.kernel.context import BASES, PURPOSES
from msingi.portal import rules, words

LANGUAGES = words.languages()
BLANK = re.compile(r"\{([a-z_]+)\}")
FORMS = {"ar": {"zero", "one", "two", "few", "many", "other"}}
# Acts that concern no person: nobody reads a line about them. They stand in an auditor's table under their code.
NOBODYS = {
    "channels.",
    "evidence.",
    "log.",
    "exchange.",
    "stewardship.",
    "consent.publish_agreement",
    "credentials.ask_presentation",
    "credentials.collect_presentation",
    "credentials.confirm_presentation",
    "credentials.forget_presentations",
    "credentials.keep_published",
    "credentials.open_presentation",
    "signin.make-provider-key",
    "signin.begin-login",
    "signin.follow-login",
    "signin.propose-client",
    "signin.client-proposals",
    "signin.decide-client",
    "health.forget",
    "health.immunisation-counts",
    "health.registry",
    "identity.compare-list",
    "identity.count",
    "identity.match",
    "identity.see-decisions",
    "identity.see-matcher",
    "identity.see-sweeps",
    "payments.approve-file",
    "payments.check-books",
    "payments.issue",
    "payments.read-file",
    "payments.reread-ledger",
    "payments.run-file",
    "payments.close-merchant",
    "payments.pay-commission",
    "payments.fraud-desk",
    "payments.read-history",
    "payments.watch-person",
    "payments.count-stopped",
    "payments.compare-list",
    "payments.count-disputes",
    "payments.import-list",
    "payments.list-merchants",
    "payments.switch-",
    "payments.fx-",
    "payments.upload-file",
    "payments.check-batch",
    "payments.send-answer",
    "payments.reconcile",
    "payments.settle-exception",
    "payments.read-reconciliation",
    "payments.link-address",
    "payments.read-batch",
    "payments.resolve-address",
    "payments.open-programme",
    "payments.close-programme",
    "payments.open-cycle",
    "payments.prepare-cycle",
    "payments.read-programme",
    "payments.write-batch",
    "payments.open-vouchers",
    "payments.fund-vouchers",
    "payments.approve-voucher-shop",
    "payments.close-vouchers",
    "payments.read-vouchers",
    "payments.pay-voucher",
    "payments.return-vouchers",
    "payments.open-months",
    "payments.tell",
    "payments.open-transit",
    "payments.open-shard",
    "payments.finish-crossing",
    "payments.count-holders",
    "registries.describe",
    "registries.end",
    "signin.add-",
    "signin.admit",
    "signin.client-token",
    "signin.close-staff",
    "signin.introspect",
    "signin.list-alarms",
    "signin.list-clients",
    "signin.list-staff",
    "signin.poll-approval",
    "signin.push",
    "signin.retire-client",
    "signin.rotate-client-key",
    "signin.sweep",
}


def entries(language: str) -> dict[str, words.Entry]:
    return words.load(language).entries


@pytest.mark.parametrize("country", shipped())
def test_every_language_of_every_country_is_spoken(country):
    assert set(load(country).languages) <= set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things_with_the_same_blanks(language):
    here, there = entries(language), entries("en")
    assert set(here) == set(there)
    for key, entry in here.items():
        other = there[key]
        assert isinstance(entry, list) == isinstance(other, list), key
        if isinstance(entry, dict):
            assert set(entry) == FORMS.get(language, {"one", "other"}), key
            entry, other = entry["other"], other["other"] if isinstance(other, dict) else other
        if isinstance(entry, str) and isinstance(other, str):
            assert set(BLANK.findall(entry)) == set(BLANK.findall(other)), key
            assert entry.strip() == entry and entry, key


def test_every_text_that_a_page_asks_for_exists():
    known = set(entries("en"))
    asked = set()
    for page in files("msingi.portal").joinpath("templates").rglob("*.html"):  # type: ignore[attr-defined]
        if page.parent.name != "signin":
            asked |= set(re.findall(r"\bt\('([a-z_.0-9-]+)'", page.read_text("utf-8")))
    whole = {key for key in asked if not key.endswith(("_", "."))}
    assert whole <= known, whole - known
    assert known >= rules.NEWS


def test_every_act_about_a_person_is_told_in_words():
    introduce()
    acts = set(load_policies().texts)
    told = {key.removeprefix("act.") for key in entries("en") if key.startswith("act.")}
    untold = {a for a in acts - told if not any(a == n or (n[-1] in ".-" and a.startswith(n)) for n in NOBODYS)}
    assert not untold, f"add to portal/texts/*.acts.toml: {sorted(untold)}"


def test_every_purpose_and_basis_is_told_in_words():
    known = set(entries("sw"))
    assert {f"purpose.{p}" for p in PURPOSES} | {f"basis.{b}" for b in BASES} | {
        f"basis_text.{b}" for b in BASES
    } <= known


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_short_because_plain_language_is_a_right(language):
    """Lower-secondary reading level is judged by people; what a program can hold is the length of sentences."""
    for key, entry in entries(language).items():
        for text in [entry] if isinstance(entry, str) else entry.values() if isinstance(entry, dict) else []:
            for sentence in re.split(r"(?<=[.!?؟:؛])\s", text):
                assert len(sentence.split()) <= 31, f"{language} {key}: {sentence}"


@given(st.text(max_size=60), st.sampled_from(LANGUAGES))
def test_what_is_filled_in_can_neither_open_a_tag_nor_turn_the_sentence(name, language):
    said = str(words.load(language).say("frame.signed_in_as", name=name))
    inside = re.search(r"<bdi[^>]*>(.*)</bdi>", said, re.S)
    assert inside is not None
    assert "<" not in inside[1] and '"' not in inside[1]
    assert len(re.findall("<", said)) == 2


def test_figures_run_from_left_to_right_between_arabic_words():
    assert '<bdi dir="ltr">*150*00#</bdi>' in words.load("ar").say("home.phone_text", ussd="*150*00#")
    assert '<bdi dir="ltr">+21620123456</bdi>' in words.load("ar").say("send.phone_hint", example="+21620123456")


@pytest.mark.parametrize(
    ("language", "n", "form"),
    [
        ("ar", 0, "zero"),
        ("ar", 2, "two"),
        ("ar", 7, "few"),
        ("ar", 11, "many"),
        ("ar", 100, "other"),
        ("ar", 103, "few"),
        ("fr", 0, "one"),
        ("fr", 2, "other"),
        ("sw", 1, "one"),
        ("sw", 0, "other"),
    ],
)
def test_plural_forms_are_those_of_cldr(language, n, form):
    assert words.plural(language, n) == form


def test_dates_are_written_as_people_write_them():
    at = datetime(2026, 3, 27, 21, 5, tzinfo=UTC)
    assert words.load("sw").moment(at) == "27 Machi 2026, saa 21:05"
    assert words.load("fr").day(at) == "27 mars 2026"
