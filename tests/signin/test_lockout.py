"""Attacks on the ways of signing in that need less than our own page: who guesses is held up, the holder never is.

Everywhere the same two questions: does a stranger who knows a number shut its holder out; and does whoever guesses
learn anything once too much was guessed.
"""

import html
import re
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey
from msgspec import structs
from tests.signin.conftest import PIN
from tests.signin.test_cards import begin, card, send
from tests.signin.test_ciba import DOOR, decide, poll, wish
from tests.signin.test_esignet_login import ONE, Page, fault, linked, otp, pin
from tests.signin.test_esignet_login import desk as esignet
from tests.signin.test_factors import STRANGER, at, officer_ctx, sign_in, wrong_pin, zawadi
from tests.signin.test_wallets import bind, on_the_wallet, provider, signs, wla
from tests.signin.test_wallets import desk as wallets

from msingi.kernel import policy
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import uuid7
from msingi.signin import acts, limits, rules, untold
from msingi.signin.answers import acts as answers
from msingi.signin.ciba.model import MOST_OPEN, MOST_TOLD
from msingi.signin.errors import TooManyTries
from msingi.signin.model import PIN_TRIES, Closed, Question, Verdict, Who
from msingi.signin.ways import acts as ways
from msingi.signin.ways.model import ClosedWay

__all__ = ["card", "esignet", "provider", "wallets", "zawadi"]  # fixtures, imported by name
WRONG = "9182"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """The time that a wrong answer takes is told elsewhere; here it is only waited for."""
    monkeypatch.setattr(acts, "ANSWER_FLOOR_S", 0.0)
    monkeypatch.setattr(untold, "FLOOR_S", 0.0)


async def guess(stack, http, login: str) -> None:
    """A stranger in the same network as `http` types wrong PINs until that network is closed for this login."""
    network = rules.network(http._transport.client[0])
    for n in range(PIN_TRIES):
        found = await acts.verify_pin(stack, acts.proving(), login, WRONG, at(f"stranger {n}", network), "test")
        assert found.verdict is Verdict.WRONG
    assert (await wrong_pin(stack, SimpleNamespace(number=login), at("x", network))).verdict is Verdict.LOCKED


def own(ctx_of, person, **more) -> Any:
    facts = {"purpose": "identity-proofing", "basis": "contract"} | more
    return ctx_of(Kind.PERSON, str(person.person_id), **facts)


async def told(stack, sms, person) -> list[str]:
    """The messages without code that a person got."""
    await stack.outbox.drain(stack)
    await stack.outbox.drain(stack)  # what was told, and the message that came of it
    return [m.text for m in sms.sent if m.to == person.phone and m.why == "closed"]


async def test_the_card_turns_nobody_away_and_tells_no_guesser_anything(stack, site, zawadi, card, sms):
    browser = await begin(site)
    await guess(stack, browser.http, zawadi.number)
    first, seen = browser.field("flow"), {}
    for name, code, typed in (("wrong", card[1], WRONG), ("right", card[1], PIN)):
        await stack.outbox.drain(stack)
        before = len(sms.sent)
        form = {"flow": first, "pin": typed, "code": code}
        files = {"picture": ("card.jpg", b"", "image/jpeg")}
        got = await browser.http.post("/signin/card", data=form, files=files, headers={"Origin": browser.origin})
        page = await browser._follow(got)
        await stack.outbox.drain(stack)
        text = page.text.replace(browser.field("flow"), "")
        seen[name] = (page.status_code, len(str(page.url)), text), len(sms.sent) - before
    assert seen["wrong"][0] == seen["right"][0] and 'name="code"' in seen["right"][0][2]
    assert (seen["wrong"][1], seen["right"][1]) == (0, 1)
    page = await browser.send("/signin/code", code=await sms.code(zawadi.phone))
    assert page.status_code == 303, page.text


async def test_cards_that_do_not_count_lock_nobody_s_card_but_themselves(stack, site, zawadi, card):
    """Five blurred pictures of one card were once five of everybody's in that network."""
    browser = await begin(site)
    for _ in range(PIN_TRIES):
        assert (await send(browser, PIN, b"", card[1][:-4] + "0000")).status_code == 403
    page = await send(browser, PIN, b"", card[1][:-4] + "1111")
    assert page.status_code == 403 and 'name="code"' not in page.text.split("<details>")[0]
    assert 'action="/signin/code"' in (await send(browser, PIN, b"", card[1])).text


@pytest.mark.parametrize("acr", [{}, {"acrValues": ONE}], ids=["two factors", "one factor"])
async def test_esignets_page_turns_nobody_away_and_tells_no_guesser_anything(stack, site, esignet, zawadi, sms, acr):
    said: dict[str, Any] = {}
    await guess(stack, esignet.page.http, zawadi.number)
    for name, typed in (("wrong", WRONG), ("right", PIN)):
        page = Page(esignet.page.http)
        await page.open(esignet.shop, **acr)
        await stack.outbox.drain(stack)
        before = len(sms.sent)
        steps = [await page.step("v2/authenticate", individualId=zawadi.number, challengeList=[pin(typed)])]
        steps.append(await page.step("send-otp", individualId=zawadi.number, otpChannels=["phone"]))
        steps.append(await page.step("v2/authenticate", individualId=zawadi.number, challengeList=[otp("000000")]))
        assert fault(steps[0]) == "invalid_no_of_challenges" and fault(steps[2]) == "auth_failed"
        await stack.outbox.drain(stack)
        bare = msgspec.json.encode([s.get("response") or s["errors"] for s in steps]).decode()
        said[name] = bare.replace(page.details["transactionId"], ""), len(sms.sent) - before
    assert said["wrong"][0] == said["right"][0] and (said["wrong"][1], said["right"][1]) == (0, 1)
    code = await sms.code(zawadi.phone)
    done = await page.step("v2/authenticate", individualId=zawadi.number, challengeList=[otp(code)])
    assert done["errors"] == [] and done["response"]["consentAction"] == "CAPTURE"


async def test_a_linked_device_is_not_turned_away_either(stack, esignet, zawadi, sms):
    """All wallets of one provider can come from one address: a stranger's guesses there close it to nobody."""
    await guess(stack, esignet.wallet.http, zawadi.number)
    _, mine = await linked(esignet)
    said = {"linkedTransactionId": mine, "individualId": zawadi.number}
    half = await esignet.wallet.post("linked-authorization/v2/authenticate", said | {"challengeList": [pin(PIN)]})
    assert fault(half) == "invalid_no_of_challenges"
    sending = {"transactionId": mine, "individualId": zawadi.number, "otpChannels": ["phone"]}
    sent = await esignet.wallet.post("linked-authorization/send-otp", sending)
    assert sent["response"]["maskedMobile"] == "XXXXXXX", "the end of the number would tell that the PIN was right"
    code = [otp(await sms.code(zawadi.phone))]
    done = await esignet.wallet.post("linked-authorization/v2/authenticate", said | {"challengeList": code})
    assert done["errors"] == []


async def test_a_stolen_wallet_does_not_tell_the_pin(stack, wallets, zawadi, sms):
    """Who holds somebody's wallet and not their PIN: five guesses, however many links; none where nothing is told."""
    key = ECKey.generate_key("P-256")
    assert (await bind(wallets, sms, zawadi, key))["errors"] == []
    await guess(stack, wallets.wallet.http, zawadi.number)
    said = []
    for typed in (WRONG, PIN):  # the PIN first, which nobody is told about; then the wallet's signature
        _, mine = await linked(wallets)
        await on_the_wallet(wallets, zawadi, mine, pin(typed))
        said.append((await on_the_wallet(wallets, zawadi, mine, signs(wla(key, zawadi.number))))["errors"])
    assert said[0] == said[1] and said[0][0]["errorCode"] == "invalid_no_of_challenges"
    for n in range(PIN_TRIES + 1):  # the wallet first: its tries count with it, whatever link and network
        _, mine = await linked(wallets)
        got = await on_the_wallet(wallets, zawadi, mine, signs(wla(key, zawadi.number)), pin(WRONG))
        assert fault(got) == ("auth_failed" if n < PIN_TRIES else "individual_id_blocked")


async def test_a_locked_network_does_not_stop_a_wallets_owner(stack, wallets, zawadi, sms):
    key = ECKey.generate_key("P-256")
    assert (await bind(wallets, sms, zawadi, key))["errors"] == []
    await guess(stack, wallets.wallet.http, zawadi.number)
    _, mine = await linked(wallets)
    done = await on_the_wallet(wallets, zawadi, mine, signs(wla(key, zawadi.number)), pin(PIN))
    assert done["errors"] == []


async def test_staff_are_not_turned_away_and_nobody_learns_who_is_staff(stack, site, officer, sms):
    """A visitor in the office's network knows a colleague's staff id."""
    browser = site.browser()
    await browser.open(site.party("portal").http.build_request("GET", url_of(site)).url.raw_path.decode())
    await guess(stack, browser.http, officer.staff_id)
    await guess(stack, browser.http, "officer-9")
    first, seen = browser.field("flow"), {}
    tries = {"right": ("officer-1", PIN), "wrong": ("officer-1", WRONG), "nobody": ("officer-9", PIN)}
    for name, (login, typed) in tries.items():
        await stack.outbox.drain(stack)
        before, form = len(sms.sent), {"flow": first, "login": login, "pin": typed}
        got = await browser.http.post("/signin/pin", data=form, headers={"Origin": browser.origin})
        page = await browser._follow(got)
        await stack.outbox.drain(stack)
        carried = browser.field("flow")
        seen[name] = (page.status_code, len(carried), page.text.replace(carried, "")), len(sms.sent) - before
        if name == "right":
            mine = carried
    assert seen["right"][0] == seen["wrong"][0] == seen["nobody"][0]
    assert [seen[name][1] for name in seen] == [1, 0, 0]
    form = {"flow": mine, "code": await sms.code(officer.phone)}
    done = await browser.http.post("/signin/code", data=form, headers={"Origin": browser.origin})
    assert done.status_code == 303 and "msingi-session" in done.headers["set-cookie"], done.text


def url_of(site) -> str:
    from tests.signin.test_flow import url_of as made

    return made(site.party("portal"))


async def test_binding_codes_that_a_stranger_asked_for_do_not_shut_out_the_holder(
    stack, site, wallets, zawadi, sms, ctx_of
):
    asked = {"individualId": zawadi.number, "otpChannels": ["phone"]}
    got = [(await wallets.server.post("binding/binding-otp", asked))["errors"] for _ in range(rules.SMS_TRIES + 1)]
    assert [bool(errors) for errors in got] == [False] * rules.SMS_TRIES + [True]
    [text] = await told(stack, sms, zawadi)
    assert "Pochi" in text and "/signin/ways" in text
    browser = site.browser()
    await browser.open("/signin/ways")
    await browser.send("/signin/pin", login=zawadi.number, pin=PIN)
    page = await browser.send("/signin/code", code=await sms.code(zawadi.phone))
    assert page.status_code == 200 and "pochi" in page.text
    way = html.unescape(re.findall(r'name="way" value="([^"]+)"', page.text)[0])
    forged = await browser.http.post("/signin/ways", data={"way": way}, headers={"Origin": "https://evil.example"})
    assert forged.status_code == 400
    done = await browser.http.post("/signin/ways", data={"way": way}, headers={"Origin": browser.origin})
    assert done.status_code == 303
    assert await ways.list_closed_ways(stack, own(ctx_of, zawadi), zawadi.person_id) == []
    assert (await bind(wallets, sms, zawadi, ECKey.generate_key("P-256"), with_pin=PIN))["errors"] == []


async def test_who_has_not_the_code_closes_no_wallet_by_wrong_pins(stack, wallets, zawadi, sms):
    for _ in range(PIN_TRIES * 2):
        got = await bind(wallets, sms, zawadi, ECKey.generate_key("P-256"), with_pin=WRONG, code="000000")
        assert fault(got) == "invalid_auth_challenge"
    assert (await bind(wallets, sms, zawadi, ECKey.generate_key("P-256"), with_pin=PIN))["errors"] == []


async def test_who_has_the_phone_guesses_the_pin_five_times_at_a_wallet(stack, wallets, zawadi, sms):
    code = ""
    for _ in range(PIN_TRIES):
        got = await bind(wallets, sms, zawadi, ECKey.generate_key("P-256"), with_pin=WRONG, code=code)
        assert fault(got) == "invalid_auth_challenge"
        code = await sms.code(zawadi.phone)
    got = await bind(wallets, sms, zawadi, ECKey.generate_key("P-256"), with_pin=PIN)
    assert fault(got) == "key_binding_failed" and "again in" in got["errors"][0]["errorMessage"]


async def test_requests_that_a_stranger_asked_for_pester_nobody_and_shut_nobody_out(stack, site, zawadi, sms):
    shop = site.party("shop")

    async def ask():
        return await shop.post(DOOR, wish(zawadi), dpop=None)

    for _ in range(MOST_TOLD + 3):  # a stranger at the shop's site, with this number
        assert (await ask()).status_code == 200
    assert len(await told(stack, sms, zawadi)) == 1, "once, that there is no more to be heard of it"
    assert len([m for m in sms.sent if m.to == zawadi.phone and m.why == "approval"]) == MOST_TOLD
    accepted = (await ask()).json()  # the holder, at last
    browser = site.browser()
    await browser.open("/signin/passkeys")  # which wants two factors, as the shop does
    await browser.send("/signin/pin", login=zawadi.number, pin=PIN)
    await browser.send("/signin/code", code=await sms.code(zawadi.phone))
    await decide(browser, "agree")
    assert (await poll(shop, accepted)).status_code == 200


async def test_sixty_requests_close_the_way_and_its_owner_opens_it(stack, site, zawadi, ctx_of):
    key = limits.way_key(stack, limits.Way.REQUESTS, str(zawadi.person_id), "benki")
    permit = policy.decide(acts.proving(), "signin.verify-pin", zawadi.person_id)
    async with stack.db.transaction(permit) as tx:
        for _ in range(MOST_OPEN):
            assert not (await limits.take_code(tx, key, acts.proving().at, MOST_OPEN)).wait_s
        acts.log.append(tx, permit)
    shop = site.party("shop")
    assert (await shop.post(DOOR, wish(zawadi), dpop=None)).status_code == 429
    assert await ways.open_way(stack, own(ctx_of, zawadi), zawadi.person_id, "benki", limits.Way.REQUESTS)
    assert (await shop.post(DOOR, wish(zawadi), dpop=None)).status_code == 200


async def test_wrong_answers_at_one_counter_are_told_and_taken_back_by_the_holder(stack, zawadi, sms, ctx_of):
    asking = Actor(Kind.CLIENT, "bank", "benki", frozenset({"authenticate"}), 1)

    async def ask(typed: str) -> bool:
        ctx = context(asking, "identity-proofing", "contract")
        answer = await answers.answer(stack, ctx, Question(number=zawadi.number, pin=typed))
        return msgspec.json.decode(acts.wire.unverified(answer.answer)[1])["result"] == "yes"

    assert [await ask(WRONG) for _ in range(PIN_TRIES)] == [False] * PIN_TRIES
    with pytest.raises(TooManyTries):
        await ask(PIN)
    assert len(await told(stack, sms, zawadi)) == 1
    me = own(ctx_of, zawadi)
    [closed] = await ways.list_closed_ways(stack, me, zawadi.person_id)
    assert (closed.institution, closed.way) == ("benki", limits.Way.SECRETS) and isinstance(closed, ClosedWay)
    assert not await ways.open_way(stack, me, zawadi.person_id, "benki", limits.Way.FACTS)
    assert await ways.open_way(stack, me, zawadi.person_id, "benki", limits.Way.SECRETS)
    assert await ask(PIN)


async def test_after_a_recovery_in_person_nothing_of_before_holds_anybody_up(stack, zawadi, sms, ctx_of, keys):
    """A thief with the PIN used up the codes, and closed the network; the phone is lost, and no device is left."""
    text = ("sms_signin", "en", "test")
    await sign_in(stack, sms, zawadi, at("lost phone"))
    for n in range(rules.SMS_TRIES):
        await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), f"thief {n}".encode(), "", text)
    with pytest.raises(TooManyTries):
        await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"new phone", "", text)
    for _ in range(PIN_TRIES):
        await wrong_pin(stack, zawadi, STRANGER)
    assert (await wrong_pin(stack, zawadi, STRANGER)).verdict is Verdict.LOCKED
    await acts.recover(stack, officer_ctx(ctx_of), zawadi.person_id, "9137", ("document", "photo"))
    found = await acts.verify_pin(stack, acts.proving(), zawadi.number, "9137", STRANGER, "test")
    assert found.verdict is Verdict.RIGHT, "the holder stands at the centre, in the network where the thief guessed"
    await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"new phone", "", text)


async def test_the_holder_hears_of_guesses_once_a_day(stack, zawadi, sms):
    for n in range(3):  # three networks, each until it is closed
        for _ in range(PIN_TRIES):
            await wrong_pin(stack, zawadi, at("s", f"192.0.{n}.0/24"))
    [text] = await told(stack, sms, zawadi)
    assert "PIN" in text


async def test_access_list_closed_ways_and_open_way(stack, zawadi, ctx_of, keys):
    assert await ways.list_closed_ways(stack, own(ctx_of, zawadi), zawadi.person_id) == []
    for no in (
        own(ctx_of, zawadi, assurance=1),
        ctx_of(Kind.PERSON, str(uuid7()), purpose="identity-proofing"),
        officer_ctx(ctx_of),
        acts.proving(),
    ):
        with pytest.raises(NotPermitted):
            await ways.list_closed_ways(stack, no, zawadi.person_id)
        with pytest.raises(NotPermitted):
            await ways.open_way(stack, no, zawadi.person_id, "benki", limits.Way.CODES)


async def test_access_list_closed_ways(stack, site, zawadi, sms):
    """The same for apps, at its door."""
    assert (await site.http.get("/v1/signin/ways")).status_code == 401
    assert (await site.http.post("/v1/signin/ways", json={"institution": "x", "way": "codes"})).status_code == 401


async def test_access_open_way(stack, zawadi, ctx_of):
    assert not await ways.open_way(stack, own(ctx_of, zawadi), zawadi.person_id, "nobody", limits.Way.CODES)
    with pytest.raises(NotPermitted):
        await ways.open_way(stack, job_context("signin"), zawadi.person_id, "nobody", limits.Way.CODES)


async def test_access_tell_closed_way(stack, officer, sms):
    news = Closed(person_id=rules.staff_account_id(officer.staff_id), how="pin", via="x", wait_s=900, staff=True)
    for _ in range(2):
        await ways.tell(stack, msgspec.json.encode(structs.replace(news, via="The portal")))
    assert len([t for t in await told(stack, sms, officer) if "The portal" in t]) <= 1
    with pytest.raises(NotPermitted):
        policy.decide(job_context("another"), "signin.tell-closed-way", news.person_id)
