"""The page of a service, read from its OpenAPI description: whole, in four languages, whatever a description says."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.portal.fixtures.exchange import TITLE, land

from msingi import countries
from msingi.exchange import acts as exchange
from msingi.exchange.membership import rules
from msingi.exchange.membership.model import OfferOrder
from msingi.kernel.context import job_context
from msingi.portal import words
from msingi.portal.views_offer import described


@pytest.fixture(scope="module")
async def offer(stack):
    order = OfferOrder(
        "land-title", "GOV/rita/identity", "", ("public-service",), ("public-task",),
        level="99.5 % of answers within two seconds",
    )  # fmt: skip
    made = rules.offer_of(order, TITLE)
    await exchange.publish_offer(stack, job_context("setup"), made)
    return made


async def test_the_page_tells_operations_parameters_fields_questions_and_service_level(offer, surf):
    page = surf()
    await page.open("/exchange/offers/land-title")
    for told in ("Who owns which plot.", "One title", "GET /titles/{plot}", "POST /titles/{plot}", "in the address",
                 "after the question mark", "may be left out", "list: ", "Numbers of plots", "owner.since",
                 "99.5 % of answers within two seconds", "Whether there is a value for", "the value that you name",
                 "msingi join ask XT/GOV/rita/identity/land-title PERSON --purpose public-service",
                 "/r1/XT/GOV/rita/identity/land-title/{person}", "buyer", "2.3"):  # fmt: skip
        assert told in page.text, told
    assert "No such &lt;b&gt;plot&lt;/b&gt;" in page.answer.text and "<b>plot" not in page.answer.text


@pytest.mark.parametrize(
    ("lang", "told"),
    [("fr", ("Un titre", "Région", "Questions par oui ou non")), ("ar", ("سندات الأراضي", "يملك أرضًا", "المنطقة")),
     ("sw", ("Hati za ardhi", "Maswali ya ndiyo au hapana")), ("en", ("Owns land",))],
)  # fmt: skip
def test_in_four_languages(lang, told):
    profile = countries.load("taifa")
    page = described(profile, lang, words.load(lang), land())
    speak = words.load(lang)
    shown = str(msgspec.to_builtins(page)) + profile.say(land().title, lang) + str(speak.say("offer.questions"))
    assert all(one in shown for one in told)


KEYS = st.sampled_from(
    "paths info get post parameters schema properties items type required $ref allOf responses 200 404 content "
    "application/json requestBody x-title description summary name in".split()
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["#/paths", "#", "array", "object", "string"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, ANY, max_size=4), st.dictionaries(st.just("/x"), st.dictionaries(KEYS, ANY, max_size=4)))
def test_no_description_breaks_the_page(openapi, paths):
    described(countries.load("taifa"), "ar", words.load("ar"), land(openapi | {"paths": paths}))
    described(countries.load("taifa"), "ar", words.load("ar"), land(openapi))
