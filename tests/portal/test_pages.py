"""Every page in every language: laws 2, 3 and 8, and what WCAG asks of the markup."""

import gzip
import itertools
import re
from functools import cache

import pytest
from lxml import html as parser
from tests.portal import fixtures

from msingi.countries import load
from msingi.portal import page

SETS = (("taifa", "en"), ("taifa", "sw"), ("wahat", "ar"), ("wahat", "fr"))
PAGE_BYTES, SHEET_BYTES = 14_336, 8_192
VOID = "area base br col embed hr img input link meta source track wbr".split()


@cache
def pages() -> list[tuple[str, str, str, str]]:
    return [(c, lang, name, text) for c, lang in SETS for name, text in fixtures.every(c, lang)]


def every():
    return pytest.mark.parametrize(
        ("country", "lang", "name", "text"), [pytest.param(*p, id=f"{p[2]}-{p[1]}") for p in pages()]
    )


@pytest.mark.parametrize("country", ["taifa", "wahat"])
def test_the_style_sheet_weighs_at_most_8_kb(country):
    raw, _ = page.style(load(country).colours)
    assert len(gzip.compress(raw, 6)) <= SHEET_BYTES


@every()
def test_a_page_with_its_style_weighs_at_most_14_kb(country, lang, name, text):
    raw, _ = page.style(load(country).colours)
    assert page.weight(text) + len(gzip.compress(raw, 6)) <= PAGE_BYTES


@every()
def test_no_script_no_inline_style_no_third_party(country, lang, name, text):
    assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    for address in re.findall(r'(?:src|href|action)="([^"]+)"', text):
        assert address.startswith(("/", "#", "?")) and not address.startswith("//"), address


def test_the_browser_is_told_to_run_no_script():
    policy = page.HEADERS["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy


@every()
def test_language_direction_and_title_are_told(country, lang, name, text):
    tree = parser.document_fromstring(text)
    assert tree.get("lang") == lang
    assert tree.get("dir") == ("rtl" if lang == "ar" else "ltr")
    title = tree.findtext(".//title") or ""
    assert len(title) > 8 and load(country).say(load(country).name, lang) in title
    assert tree.xpath("count(//main)") == 1 and tree.xpath("count(//h1)") == 1


@every()
def test_headings_go_down_one_step_at_a_time(country, lang, name, text):
    tree = parser.document_fromstring(text)
    levels = [int(h.tag[1]) for h in tree.xpath("//h1|//h2|//h3|//h4")]
    # A summary of mistakes stands before the main heading, as an alert.
    levels = [x for x in levels if x] if levels and levels[0] == 1 else levels[1:]
    for before, after in itertools.pairwise(levels):
        assert after <= before + 1, (name, levels)


@every()
def test_every_question_has_a_label_and_every_button_a_name(country, lang, name, text):
    tree = parser.document_fromstring(text)
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids)), [i for i in ids if ids.count(i) > 1]
    for field in tree.xpath("//input[not(@type='hidden')]|//select|//textarea"):
        assert tree.xpath(f"//label[@for='{field.get('id')}']"), parser.tostring(field)
    for button in tree.xpath("//button|//a"):
        assert (button.text_content() or "").strip() or button.get("aria-label"), parser.tostring(button)
    for told in tree.xpath("//@aria-describedby|//@aria-labelledby"):
        assert all(part in ids for part in told.split()), told
    for link in tree.xpath("//a[starts-with(@href, '#')]/@href"):
        assert link[1:] in ids, link
    for picture in tree.xpath("//img"):
        assert picture.get("alt")


@every()
def test_the_markup_is_balanced(country, lang, name, text):
    stack: list[str] = []
    for close, tag, void in re.findall(r"<(/?)([a-z0-9]+)(?:\s[^<>]*?)?(/?)>", text):
        if close:
            assert stack and stack.pop() == tag, (name, tag)
        elif tag not in VOID and not void:
            stack.append(tag)
    assert not stack


@every()
def test_block_elements_do_not_stand_in_paragraphs(country, lang, name, text):
    for paragraph in re.findall(r"<p[ >].*?</p>", text, re.S):
        assert not re.search(r"<(div|h\d|ul|dl|form|section|p[ >])", paragraph[2:]), paragraph[:120]


def test_yes_and_no_weigh_the_same():
    """Law 8: same element, same class, side by side."""
    for _, _, name, text in pages():
        if name == "consent_request":
            tree = parser.document_fromstring(text)
            pair = tree.xpath("//div[contains(@class, 'even')]/button")
            assert len(pair) == 2
            assert pair[0].get("class") == pair[1].get("class")


@every()
def test_every_page_offers_the_other_languages_and_keeps_what_was_typed(country, lang, name, text):
    """Law 9: on a page with a form, the language is changed by a button of that form."""
    tree = parser.document_fromstring(text)
    others = [t.code for t in page.tongues(load(country)) if t.code != lang]
    keeps = tree.xpath("//nav//button[@name='_lang']")
    links = tree.xpath("//nav//a[starts-with(@href, '/language/')]")
    offered = [b.get("value") for b in keeps] or [a.get("hreflang") for a in links]
    assert offered == others
    if keeps:
        assert tree.xpath("//form[@id='form']") and all(b.get("form") == "form" for b in keeps)


def test_a_summary_of_mistakes_leads_to_each_question():
    text = dict((f"{lang}{name}", t) for _, lang, name, t in pages())["ensend_wrong"]
    tree = parser.document_fromstring(text)
    assert tree.xpath("//div[@role='alert']//a/@href") == ["#phone", "#amount"]
    assert tree.xpath("//input[@id='phone']/@aria-invalid") == ["true"]
    assert tree.findtext(".//title").startswith("Mistake")
