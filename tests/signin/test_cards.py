"""Signing in with the printed card and the PIN: a picture in, the same counting as by number, nothing copied gains."""

import io

import pytest
from msgspec import structs
from PIL import Image
from tests.signin.conftest import PIN
from tests.signin.party import answer_of
from tests.signin.test_factors import at, zawadi
from tests.signin.test_flow import url_of

from msingi.credentials import acts as cards
from msingi.credentials import factor, picture
from msingi.credentials.model import Reason
from msingi.identity import acts as identity
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.signin import acts, factors, limits, untold
from msingi.signin.model import PIN_TRIES, Verdict

__all__ = ["zawadi"]  # fixture, imported by name
OWN = job_context("bulk", "credential-issuance")


@pytest.fixture
async def card(stack, zawadi):
    """Zawadi's card: its id and the text of its code."""
    issued = await cards.issue_card(stack, OWN, zawadi.person_id)
    [face] = await cards._faces(stack, OWN, "credentials.sheet_pdf", [issued.credential_id])
    return issued.credential_id, face.qr_text


def photographed(text: str) -> bytes:
    """The code as a telephone would take it: turned, grey, in the midst of something."""
    with Image.open(io.BytesIO(picture.write_qr(text, 4))) as code:
        scene = Image.new("L", (code.width + 300, code.height + 300), 120)
        scene.paste(code.convert("L"), (150, 150))
    out = io.BytesIO()
    scene.rotate(4, fillcolor=120, expand=True).save(out, "JPEG", quality=80)
    return out.getvalue()


async def begin(site):
    browser = site.browser()
    page = await browser.open(url_of(site.party("portal")))
    way = page.text.split('href="/signin/card?')[1].split('"')[0].replace("&amp;", "&")
    shown = await browser.open("/signin/card?" + way)
    assert shown.status_code == 200 and 'capture="environment"' in shown.text and "<script" not in shown.text
    return browser


async def send(browser, pin, content=b"", code=""):
    fields = {"flow": browser.field("flow"), "pin": pin, "code": code}
    files = {"picture": ("card.jpg", content, "image/jpeg")}
    answer = await browser.http.post("/signin/card", data=fields, files=files, headers={"Origin": browser.origin})
    return await browser._follow(answer)


async def test_a_picture_of_the_card_and_the_pin_sign_in(site, sms, zawadi, card):
    browser = await begin(site)
    page = await send(browser, PIN, photographed(card[1]))
    assert 'name="code"' in page.text, page.text  # two factors are asked for, and a card is none of them
    done = await browser.send("/signin/code", code=await sms.code(zawadi.phone))
    assert answer_of(done)["code"]


async def test_what_a_scanner_types_signs_in_too_and_every_mistake_is_told(site, zawadi, card):
    browser = await begin(site)
    for content, code, status, words in (
        (b"", "", 422, "picha ya kadi"),
        (b"not a picture", "", 422, "Hakuna msimbo"),
        (b"", card[1][:-4] + "0000", 403, "haikukubaliwa"),
    ):
        page = await send(browser, PIN, content, code)
        assert page.status_code == status and words in page.text
    page = await send(browser, "0000", b"", card[1])
    assert page.status_code == 403 and "haikukubaliwa" in page.text
    page = await send(browser, PIN, b"", card[1])
    assert 'action="/signin/code"' in page.text


async def test_law_1_a_card_that_does_not_count_is_nobody_s(stack, site, zawadi, card):
    credential_id, text = card
    ctx = acts.proving()
    assert await factors.of(stack).holder(stack, ctx, text) == zawadi.person_id
    await cards.suspend(stack, issuer(), credential_id, Reason.LOST)
    assert await factors.of(stack).holder(stack, ctx, text) is None
    await cards.reinstate(stack, issuer(), credential_id, Reason.FOUND)
    assert await factor.holder(stack, ctx, text) == zawadi.person_id
    await identity.suspend(stack, judge(), zawadi.person_id, "found")
    assert await factor.holder(stack, ctx, text) is None
    browser = await begin(site)
    assert (await send(browser, PIN, b"", text)).status_code == 403
    for other in ("", "6BF", "HC1:" + text, text[: len(text) // 2], "A" * 4000):
        assert await factor.holder(stack, ctx, other) is None


def issuer():
    actor = Actor(Kind.STAFF, "officer", "rita", frozenset({"registrar", "card-officer"}), 2)
    return context(actor, "credential-issuance", "public-task")


def judge():
    return context(Actor(Kind.STAFF, "judge", "rita", frozenset({"adjudicator"}), 2), "fraud-prevention", "public-task")


async def test_law_2_tries_by_card_and_by_number_count_together(stack, zawadi):
    place = at("new", "198.18.7.0/24")
    for n in range(PIN_TRIES):
        by_card = {"card": zawadi.person_id} if n % 2 else {}
        found = await acts.verify_pin(stack, acts.proving(), zawadi.number, "0000", place, "test", **by_card)
        assert found.verdict is Verdict.WRONG
    assert (await acts.verify_pin(stack, acts.proving(), zawadi.number, PIN, place, "t")).verdict is Verdict.LOCKED
    shown = await acts.verify_pin(stack, acts.proving(), "", PIN, place, "t", card=zawadi.person_id)
    assert shown.verdict is Verdict.LOCKED


async def test_a_pin_that_is_tried_on_many_people_is_not_enough_alone_and_locks_nobody(stack, zawadi, monkeypatch):
    monkeypatch.setattr(limits, "SPRAY", structs.replace(limits.SPRAY, name="test spray", most=6))
    ctx = acts.proving()  # one moment, so that no window ends in between

    async def alone(device, network):
        return await acts.verify_pin(
            stack, ctx, zawadi.number, PIN, at(device, network), "t", one_factor=True
        )  # fmt: skip

    assert (await alone("first", "198.18.1.0/24")).cookie
    for n in range(6):  # strangers' numbers, each from a network of its own
        await acts.verify_pin(stack, ctx, f"0000000000{n:02d}", PIN, at(f"d{n}", f"198.18.{n + 20}.0/24"), "t")
    sprayed = await alone("second", "198.18.2.0/24")
    assert sprayed.verdict is Verdict.RIGHT and not sprayed.cookie  # a code is asked for as well
    other = await acts.verify_pin(stack, ctx, zawadi.number, "0000", at("third", "198.18.3.0/24"), "t")
    assert other.verdict is Verdict.WRONG


async def test_a_locked_network_turns_nobody_away_it_only_tells_no_more(stack, site, juma, sms, monkeypatch):
    """Whoever shares a network with somebody could else close it to them (law 2)."""
    monkeypatch.setattr(acts, "ANSWER_FLOOR_S", 0.0)
    monkeypatch.setattr(untold, "FLOOR_S", 0.0)
    browser = site.browser()
    await browser.open("/signin/passkeys")
    first = browser.field("flow")
    for guess in ("9182", "8273", "7364", "6455", "5546"):
        page = await browser.send("/signin/pin", login=juma.number, pin=guess)
        assert page.status_code == 403
    told = {}
    for name, pin in (("wrong", "4637"), ("right", "8022")):
        await stack.outbox.drain(stack)
        before = len(sms.sent)
        form = {"flow": first, "login": juma.number, "pin": pin}
        answer = await browser.http.post("/signin/pin", data=form, headers={"Origin": browser.origin})
        page = await browser._follow(answer)
        await stack.outbox.drain(stack)
        text = page.text.replace(browser.field("flow"), "")
        again = await browser.send("/signin/code", code="000000")
        assert again.status_code == 403
        said = page.status_code, len(str(page.url)), text, again.text.replace(browser.field("flow"), "")
        told[name] = said, len(sms.sent) - before
    assert told["wrong"][0] == told["right"][0], "nothing says which it was"
    assert (told["wrong"][1], told["right"][1]) == (0, 1)
    # Who has the phone goes on, also with a second code.
    await browser.send("/signin/code/again")
    page = await browser.send("/signin/code", code=await sms.code(juma.phone))
    assert page.status_code == 200 and "/signin/passkeys" in str(page.url)
