"""A person pays at another bank and abroad, officers of the central bank set rates and run the switch: as they see it,
without scripts."""

import asyncio
import re
from types import SimpleNamespace

import pytest
from tests.payments import kit as people
from tests.payments_switch import kit, recalling
from tests.portal.conftest import PIN

from msingi.cli import sample_switch
from msingi.kernel.context import job_context
from msingi.payments import acts as payments
from msingi.payments.rates import converting
from msingi.payments.recalls import talking
from msingi.payments.switch import desk, house, neighbour, post
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

SETUP = job_context("setup", "payment")


@pytest.fixture(scope="module")
async def bankers(stack, town):
    """Two officers of the central bank."""
    made = []
    for n in (1, 2):
        new = NewStaff(
            staff_id=f"banker-{n}", institution="benki", roles=frozenset({"central-banker"}), name=f"Banker {n}",
            phone=f"+25561200001{n}", pin=PIN,
        )  # fmt: skip
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        made.append(SimpleNamespace(login=f"banker-{n}", phone=new.phone))
    return made


@pytest.fixture
async def banks(stack, town, client):
    """The sample's own simulated banks; what they say arrives at the door of the switch as over the network."""
    told = await sample_switch.join_switch(stack, "benki")
    started = []
    for plan in neighbour.plans(stack.settings.home):
        bank = neighbour.Neighbour(stack, plan)

        async def send(method, path, headers, body):
            return (await client.request(method, path, headers=headers, content=body)).status_code

        bank._way.send = send  # pyright: ignore[reportAttributeAccessIssue]
        await bank.start()
        await bank.register()
        started.append(bank)
    yield {one["fsp"]: next(iter(one["people"])) for one in told["simulated"]}
    for bank in started:
        bank.stop()
    for _ in range(5):
        await desk.of(stack).idle()
        await post.of(stack).idle()


@pytest.fixture
async def asha(surf, town, banks):
    return await surf().sign_in(town.asha.number, town.asha.phone)


async def balance(stack, person) -> tuple[int, int]:
    (one,) = await payments.accounts(stack, job_context("subject-access", "subject-access"), person)
    return one.balance_minor, one.available_minor


async def test_somebody_at_a_neighbouring_bank_is_paid_from_the_ordinary_page(stack, town, banks, asha):
    """Nobody here has the number, so that the switch is asked; then the same steps as for everybody."""
    before = await balance(stack, town.asha.id)
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone="+" + banks["sim-near"], amount="4000")
    assert "/me/money/outside/amount" in asha.path and "S. M. (simulated)" in asha.text
    assert asha.form("/me/money/outside/amount")["amount"] == "4000"
    await asha.send("/me/money/outside/amount")
    assert "Check before you send" in asha.text and "sim-near" in asha.text
    assert await balance(stack, town.asha.id) == before
    await asha.send("/me/money/outside/confirm")
    assert "The money has arrived at the other bank" in asha.text
    assert await balance(stack, town.asha.id) == (before[0] - 4_000, before[1] - 4_000)


async def test_what_went_to_another_bank_is_asked_back_from_there_step_by_step(stack, town, banks, asha):
    """From the movement: the other bank answers and pays back; what its customer keeps can be complained about."""
    stack.local[house.CARRIER] = talking.Carrier()
    before = await balance(stack, town.asha.id)
    for amount, kind, words in (
        ("3000", "wrong-payee", "Money came back from Benki ya majaribio (TZS)"),
        ("2000", "not-delivered", "Whoever was paid says that it was owed"),
    ):
        await asha.open("/me/money/send")
        await asha.send("/me/money/send", phone="+" + banks["sim-near"], amount=amount)
        await asha.send("/me/money/outside/amount")
        await asha.send("/me/money/outside/confirm")
        (account,) = await payments.accounts(stack, people.as_person(town.asha.id))
        line = (await payments.statement(stack, people.as_person(town.asha.id), account.number)).entries[0]
        here = f"/me/money/disputes/{line.transfer_id}"
        await asha.open(here)
        await asha.send(here, step="open", kind=kind, text="I typed a wrong number")
        assert "/me/money/recalls/" in asha.path and "You ask it back" in asha.text
        for _ in range(20):
            await desk.of(stack).idle()
            await post.of(stack).idle()
            await asha.open(here)  # leads to the same page
            if words in asha.text:
                break
            await asyncio.sleep(0.02)
        assert words in asha.text, asha.text
    assert await balance(stack, town.asha.id) == (before[0] - 2_000, before[1] - 2_000)
    await asha.send(asha.path, step="further", text="I got nothing for it")
    assert "A complaint is open under the reference" in asha.text
    await asha.open("/me/money/disputes")
    assert "Asked back between banks" in asha.text and "Not paid back" in asha.text


async def test_another_bank_asks_back_what_came_and_the_officer_decides_what_the_customer_reads(
    stack, town, client, banks, asha, surf, bankers
):
    stack.local[house.CARRIER] = talking.Carrier()
    behaves = recalling.Bank()
    other = await kit.participant(
        stack, client, "other-bank", currency="TZS", cover=10**9, limit=10**9, reply=behaves.reply
    )
    recalling.PARTICIPANTS[:] = [other]
    _, wanted = await recalling.paid_in(stack, other, 1_500, town.asha.phone)
    await recalling.wish(stack, other, wanted)
    here = f"/me/money/recalls/{wanted.id}"
    await asha.open(here)
    assert "Is it yours?" in asha.text and "Held until the decision" in asha.text
    await asha.send(here, step="keep", text="")
    assert asha.answer.status_code == 422
    await asha.send(here, step="agree", text="I do not know who sent it")
    assert "An officer of the bank decides" in asha.text
    new = NewStaff(
        staff_id="recalls-1", institution="benki", roles=frozenset({"account-officer"}), name="Rehema",
        phone="+255613000047", pin=PIN,
    )  # fmt: skip
    await signin.add_staff(stack, job_context("setup", "operations"), new)
    officer = await surf().sign_in("recalls-1", "+255613000047")
    await officer.open("/staff/disputes")
    away = f"/staff/recalls/{wanted.id}"
    assert f'href="{away}"' in officer.answer.text
    await officer.open(away)
    assert "I do not know who sent it" in officer.text and "Whoever was paid agreed" in officer.text
    for amount, reason, why in (("0", "", "Choose why nothing"), ("1,501", "", "At most what was paid")):
        await officer.send(away, amount=amount, reason=reason, text="x")
        assert officer.answer.status_code == 422 and why in officer.text, officer.text
    await officer.send(away, amount="1,500", text="The payee agreed")
    assert "It was paid back to other-bank" in officer.text, officer.text
    await asha.open(here)
    assert "The payee agreed" in asha.text and "You do not agree?" in asha.text
    hub = await surf().sign_in(bankers[0].login, bankers[0].phone)
    await hub.open("/staff/switch/recalls")
    assert "other-bank asks our-bank" in hub.text and "Every bank has answered in time." in hub.text
    await recalling.calm(stack)
    await other.stop()


async def test_what_the_house_does_not_deal_in_is_converted_by_a_provider_of_the_switch(stack, town, banks, asha):
    """Rate, charge and what arrives are shown, and are what happens; the provider stands between the two banks."""
    before = await balance(stack, town.asha.id)
    await asha.open("/me/money/outside")
    await asha.send("/me/money/outside", kind="MSISDN", whom="+" + banks["sim-farther"])
    assert "sim-farther" in asha.text and "What they receive, in USD" in asha.text
    await asha.send("/me/money/outside/amount", amount="10000", side="send")
    for words in ("Check before you send", "Exchanged by", "sim-near", "1 TZS = 0.00037903", "Fee of the exchange"):
        assert words in asha.text, words
    assert "3.74" in asha.text  # 10,000 - 80 at 0.00038 is 3.76; half a percent of it is 0.02
    assert await balance(stack, town.asha.id) == before
    await asha.send("/me/money/outside/confirm")
    assert "The money has arrived at the other bank" in asha.text
    assert await balance(stack, town.asha.id) == (before[0] - 10_000, before[1] - 10_000)
    await asha.open("/me/money/outside")
    await asha.send("/me/money/outside", kind="MSISDN", whom="+" + banks["sim-farther"])
    await asha.send("/me/money/outside/amount", amount="2", side="receive")
    assert "Exchanged by" in asha.text
    await asha.send("/me/money/outside/confirm")
    assert "The money has arrived at the other bank" in asha.text


async def test_a_payment_abroad_shows_rate_fees_and_what_arrives_and_then_does_just_that(stack, town, banks, asha):
    before = await balance(stack, town.asha.id)
    await asha.open("/me/money/outside")
    await asha.send("/me/money/outside", kind="MSISDN", whom="+999 777 00012")
    assert asha.answer.status_code == 422 and "Nobody can be paid at this number" in asha.text
    await asha.send("/me/money/outside", kind="MSISDN", whom="+" + banks["sim-abroad"])
    assert "sim-abroad" in asha.text and "What leaves my account, all fees included, in TZS" in asha.text
    await asha.send("/me/money/outside/amount", amount="500")
    assert asha.answer.status_code == 422 and "Choose an amount between" in asha.text
    await asha.send("/me/money/outside/amount", amount="20000", side="send")
    # 20,000 - 600 = 19,400 at 0.0525 less 1.2 % = 1,006.27; less 1 % rounded up = 996.20
    for told in ("20,000", "600", "0.05187", "0.0525", "12.23", "10.07", "996.20"):
        assert re.search(rf"(?<![\d.,]){re.escape(told)}(?![\d,])", asha.text), (told, asha.text)
    await asha.send("/me/money/outside/confirm")
    assert "The money has arrived at the other bank" in asha.text and "996.20" in asha.text
    assert await balance(stack, town.asha.id) == (before[0] - 20_000, before[1] - 20_000)
    await asha.open("/me/money")
    assert "Other bank or abroad" in asha.text


async def test_an_offer_that_ended_is_not_paid_and_a_new_one_is_made(stack, town, banks, asha, monkeypatch):
    before = await balance(stack, town.asha.id)
    await asha.open("/me/money/outside")
    await asha.send("/me/money/outside", kind="MSISDN", whom="+" + banks["sim-abroad"])
    with monkeypatch.context() as short:
        short.setattr(converting, "QUOTED_S", 0)
        await asha.send("/me/money/outside/amount", amount="100", side="receive")
    assert "100.00" not in asha.text or "Check before you send" in asha.text
    await asha.send("/me/money/outside/confirm")
    assert "This offer has ended, and nothing was paid" in asha.text
    assert await balance(stack, town.asha.id) == before
    await asha.send("/me/money/outside/amount", amount="100", side="receive")
    assert "Check before you send" in asha.text and "100.00" in asha.text


async def test_a_form_of_another_session_is_stale(stack, town, banks, asha, surf):
    await asha.open("/me/money/outside")
    await asha.send("/me/money/outside", kind="MSISDN", whom="+" + banks["sim-abroad"])
    page = asha.path
    baraka = await surf().sign_in(town.baraka.number, town.baraka.phone)
    await baraka.open(page)
    assert baraka.answer.status_code >= 400 and "S. M." not in baraka.text


async def test_a_rate_needs_two_officers(stack, bankers, banks, surf, town):
    first, second = [await surf().sign_in(one.login, one.phone) for one in bankers]
    await first.open("/staff/rates")
    assert "TZS → KES" in first.text and "In force" in first.text and "May owe at most" in first.text
    await first.send(
        "/staff/rates", source="TZS", target="TZS", middle="0.06", spread_bp="100", most_minor="900000", days="1"
    )
    assert first.answer.status_code == 422
    await first.send(
        "/staff/rates", source="TZS", target="KES", middle="0.06", spread_bp="1.5", most_minor="900000", days="1"
    )
    assert first.answer.status_code == 422 and "Write a whole number" in first.text
    await first.send(
        "/staff/rates", source="TZS", target="KES", middle="0.06", spread_bp="100", most_minor="900000", days="1"
    )
    assert "A colleague can approve it now" in first.text and "Take back" in first.text
    assert "Approve" not in first.answer.text
    await second.open("/staff/rates")
    await second.send("/staff/rates/decide")
    assert "Approved." in second.text and "0.0594" in second.text
    reader = await surf().sign_in(town.staff.auditor.login, town.staff.auditor.phone)
    await reader.open("/staff/rates")
    assert "0.0594" in reader.text and "Propose a rate" not in reader.text
    clerk = await surf().sign_in(town.staff.officer.login, town.staff.officer.phone)
    await clerk.open("/staff/rates")
    assert clerk.answer.status_code == 403


async def test_the_operator_lets_a_bank_join_and_gives_it_cover_and_a_limit(stack, bankers, banks, surf, town):
    """As an operator does it: join with a key, the token shown once, cover, a limit no higher, suspended, and back."""
    from msingi.payments.switch import jws, roll

    desk_ = await surf().sign_in(bankers[0].login, bankers[0].phone)
    await desk_.open("/staff/switch")
    assert "Benki ya majaribio (TZS)" in desk_.text and "Our own bank" in desk_.text
    typed = {
        "fsp": "fresh-bank", "institution": "fresh", "title": "Fresh Bank", "endpoint": "https://fresh.example/fspiop",
        "currencies": "tzs",
    }  # fmt: skip

    async def sent(key: bytes, **more):
        form = desk_.form("/staff/switch") | typed | more
        desk_.answer = await desk_.http.post("/staff/switch", data=form, files={"key": ("key.pem", key)})
        return desk_.answer.status_code, desk_.text

    good = jws.new_key()[1].encode()
    for status, words, key, more in (
        (422, "no public RSA key", b"nonsense", {}),
        (422, "does not settle in one", good, {"currencies": "XXX"}),
        (422, "This name is taken", good, {"fsp": "sim-near"}),
        (422, "Correct this answer", good, {"endpoint": "ftp://here"}),
    ):
        found, text = await sent(key, **more)
        assert (found, words in text) == (status, True), (words, text[-900:])
    await sent(good)
    await desk_.open("/staff/switch")
    assert "fresh-bank · Take part" in desk_.text and "Take it back" in desk_.text and "Approve" not in desk_.text
    second = await surf().sign_in(bankers[1].login, bankers[1].phone)

    async def approved(words):
        await second.open("/staff/switch")
        await second.press("/staff/switch/proposals", approve="yes")
        assert words in second.text, second.text[-1500:]

    await approved("Token of fresh-bank")
    token = re.search(r"Token of fresh-bank ([\w-]{20,})", second.text)
    assert token and (await roll.of(stack)).knows_token("fresh-bank", token[1])
    at = "/staff/switch/fresh-bank"
    for what, amount, words in (
        ("limit", "5000", "The cover is too small"),
        ("cover", "9,000", "Done."),
        ("limit", "5000", "Done."),
        ("withdrawal", "4001", "The cover is too small"),
    ):
        await desk_.open(at)
        assert token[1] not in desk_.text
        await desk_.send(at, what=what, currency="TZS", amount=amount)
        assert "Proposed." in desk_.text
        await approved(words)
        if words != "Done.":
            await desk_.open("/staff/switch")
            await desk_.send("/staff/switch/proposals")
            assert "Refused." in desk_.text
    await desk_.open(at)
    assert re.search(r"TZS · Cover TZS.?9.000", desk_.text) and re.search(r"owe at most TZS.?5.000", desk_.text)
    await desk_.send(f"{at}/active")
    assert "Suspended" in desk_.text
    await desk_.send(f"{at}/active")
    assert "Proposed." in desk_.text
    await approved("Done.")
    await desk_.open(at)
    assert "Takes part" in desk_.text
    await desk_.open("/staff/switch/nobody")
    assert desk_.answer.status_code == 404
    reader = await surf().sign_in(town.staff.auditor.login, town.staff.auditor.phone)
    await reader.open(at)
    assert "Fresh Bank" in reader.text and "Do it" not in reader.text


async def test_a_window_is_closed_settled_and_downloaded(stack, bankers, banks, asha, surf):
    await asha.open("/me/money/send")
    await asha.send("/me/money/send", phone="+" + banks["sim-near"], amount="1000")
    await asha.send("/me/money/outside/amount")
    await asha.send("/me/money/outside/confirm")
    desk_ = await surf().sign_in(bankers[1].login, bankers[1].phone)
    await desk_.open("/staff/switch")
    window = desk_.form("/staff/switch/windows/close")["window"]
    await desk_.send("/staff/switch/windows/close")
    assert "The next window is open" in desk_.text
    await desk_.open(f"/staff/switch/windows/{window}")
    assert "Waits for settlement" in desk_.text and "sim-near" in desk_.text
    await desk_.open("/staff/switch")
    await desk_.send("/staff/switch/windows/settle")
    assert "All net amounts have moved" in desk_.text
    lines = (await desk_.http.get(f"/staff/switch/windows/{window}/csv")).text.splitlines()
    assert lines[0].startswith("window,state,participant") and len(lines) >= 3
    owes = [int(line.rpartition(",")[2]) for line in lines[1:] if ",TZS," in line]
    assert sum(owes) == 0 and max(owes) >= 1_000
