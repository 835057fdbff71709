"""A simple phone talks to the whole stack: balance, sending, who looked, language (laws 4 to 7)."""

import itertools
import re
from types import SimpleNamespace

import pytest

from msingi.channels import acts, routes, rules
from msingi.channels.errors import NotTheGateway
from msingi.channels.model import Dial
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.payments import acts as payments
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder
from msingi.signin import acts as signin

PIN = "472910"
_sessions = itertools.count(1)


class Phone:
    """A phone that dials the country's number; what was typed is repeated by the network, as networks do."""

    def __init__(self, http, number: str) -> None:
        self.http, self.number = http, number
        self.session, self.typed = "", []

    async def dial(self) -> str:
        self.session, self.typed = f"session-{next(_sessions)}", []
        return await self.send()

    async def send(self, *answers: str) -> str:
        """Type answers one after the other; the last screen."""
        screen = "" if answers else await self._post()
        for answer in answers:
            self.typed.append(answer)
            screen = await self._post()
        return screen

    async def _post(self) -> str:
        form = {
            "sessionId": self.session,
            "serviceCode": "*150*00#",
            "networkCode": "64001",
            "phoneNumber": self.number,
            "text": "*".join(self.typed),
        }
        answer = await self.http.post("/channels/ussd", data=form)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain"), answer.text
        screen = answer.text.partition(" ")[2]
        assert len(screen) <= (rules.SCREEN if rules.is_gsm(screen) else rules.SCREEN_UCS2)
        return answer.text


@pytest.fixture(scope="module")
async def people(stack):
    made = {}
    setup = job_context("setup", "identity-registration", "legal-obligation")
    for given, family, born, phone in (
        ("Asha", "Mrisho", "1990-05-17", "+255711000001"),
        ("Baraka", "Kileo", "1974-11-02", "+255711000002"),
    ):
        order = EnrolmentOrder(name=Name(given, family), birth=Birth(born), phone=phone)
        outcome = await identity.enrol(stack, setup, order, phone)
        assert isinstance(outcome, Enrolled)
        await signin.set_pin(stack, job_context("setup", "operations"), outcome.person_id, PIN)
        account = await payments.open_account(
            stack, job_context("setup", "payment"), outcome.person_id, AccountKind.WALLET
        )
        made[given.lower()] = SimpleNamespace(phone=phone, account=account.number)
    ctx = job_context("setup", "payment")
    await payments.open_account(stack, ctx, "benki", AccountKind.ISSUE, label="issue")
    treasury = await payments.open_account(stack, ctx, "hazina", AccountKind.GOVERNMENT, label="treasury")
    await payments.issue(stack, job_context("setup", "operations"), IssueOrder("x", treasury.number, 900_000, ""))
    actor = Actor(Kind.STAFF, "t-1", "hazina", frozenset({"treasurer"}), 2)
    order = TransferOrder("t", treasury.number, Alias("account", made["asha"].account), 50_000, "TZS", "start")
    await payments.transfer(stack, context(actor, "payment", "contract"), order)
    return SimpleNamespace(**made)


async def test_the_menu_is_in_the_countrys_language_and_can_be_changed(client, people):
    phone = Phone(client, "+255712000111")
    assert (await phone.dial()).startswith("CON Jamhuri ya Taifa\n1 Salio")
    assert "1 Kiswahili\n2 English" in await phone.send("4")
    assert "1 Balance" in await phone.send("2")
    assert "1 Balance" in await phone.dial(), "the line keeps its language"


async def test_the_balance_needs_the_pin(client, people):
    phone = Phone(client, people.asha.phone)
    await phone.dial()
    assert (await phone.send("1")).startswith("CON PIN yako")
    assert (await phone.send("000111")).startswith("END PIN au namba si sahihi")
    await phone.dial()
    assert await phone.send("1", PIN) == "END Una TSh 50,000."


async def test_money_is_sent_and_a_repeated_answer_pays_once(client, people):
    phone = Phone(client, people.asha.phone)
    await phone.dial()
    assert "Tuma kwa namba gani" in await phone.send("2", PIN)
    assert "Hakuna wa kulipwa" in await phone.send("0799999999")
    assert "Kiasi gani" in await phone.send("0711000002")
    assert "Andika kiasi" in await phone.send("mbili")
    screen = await phone.send("1500")
    assert "Tuma TSh 1,500" in screen and "Baraka" not in screen
    before = await phone.http.post(
        "/channels/ussd", data={"sessionId": "none", "phoneNumber": phone.number, "text": "1"}
    )
    assert before.text == "END Umechelewa. Piga tena."
    assert (await phone.send("1")).startswith("END Imetumwa: TSh 1,500")
    assert (await phone._post()).startswith("END"), "the network repeats the last answer"
    await phone.dial()
    assert await phone.send("1", PIN) == "END Una TSh 48,500."


async def test_saying_no_sends_nothing(client, people):
    phone = Phone(client, people.asha.phone)
    await phone.dial()
    assert await phone.send("2", PIN, "0711000002", "700", "0") == "END Hakuna kilichotumwa."
    await phone.dial()
    assert "fedha hazitoshi" in await phone.send("2", PIN, "0711000002", "900000", "1")


async def test_a_repeated_confirmation_is_one_transfer(stack, client, people):
    """Law 7, below the door: the same dialogue confirmed twice gives one transfer."""
    from msingi.channels.dialogue import Talk
    from msingi.channels.model import Dialogue, Step

    person = await identity.person_by_phone(stack, job_context("signin", "identity-proofing"), people.asha.phone)
    state = Dialogue(
        step=Step.CONFIRM,
        language="sw",
        choice="2",
        person=str(person),
        payer=people.asha.account,
        to=people.baraka.phone,
        payee="B***",
        amount_minor=10,
        turn=5,
    )
    screens = []
    for _ in range(2):
        talk = Talk(stack, Dial("same", people.asha.phone, "1"), state, "sw", "r")
        screens.append((await talk.answer())[1].text)
    assert screens[0] == screens[1]


async def test_the_person_sees_who_looked(client, people):
    phone = Phone(client, people.baraka.phone)
    await phone.dial()
    screen = await phone.send("3", PIN)
    assert screen.startswith("END ") and ("Mamlaka" in screen or "Wizara" in screen or "Hakuna mwingine" in screen)


async def test_a_complaint_is_opened_from_a_line_and_asked_after_by_its_reference(stack, client, people):
    """From dial to reference; nobody else hears of the case."""
    asha = await identity.person_by_phone(stack, job_context("signin", "identity-proofing"), people.asha.phone)
    officer = Actor(Kind.STAFF, "o-1", "rita", frozenset({"enrolment-officer"}), 2)
    await identity.read_person(stack, context(officer, "identity-registration", "public-task"), asha)
    phone = Phone(client, people.asha.phone)
    await phone.dial()
    screen = await phone.send("5", PIN)
    assert screen.startswith("CON 1 ") and "Namba" in screen
    screen = await phone.send("1")
    found = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}", screen)
    assert screen.startswith("END Lalamiko limefunguliwa") and found
    await phone.dial()
    await phone.send("5", PIN)
    assert (await phone.send(found[0].lower().replace("-", ""))).startswith("END Shauri lako linasubiri")
    other = Phone(client, people.baraka.phone)
    await other.dial()
    await other.send("5", PIN)
    assert (await other.send(found[0])).startswith("END Hakuna shauri hilo")
    await other.dial()
    await other.send("5", PIN)
    assert (await other.send("77")).startswith("END Hakuna shauri hilo")


async def test_zero_leads_back_and_an_unknown_choice_shows_the_menu_again(client, people):
    phone = Phone(client, people.asha.phone)
    await phone.dial()
    assert "1 Salio" in await phone.send("9")
    assert "1 Salio" in await phone.send("1", "0")
    assert "1 Salio" in await phone.send("00")


async def test_the_pin_is_nowhere(stack, client, people, owner_url, caplog):
    import asyncpg

    phone = Phone(client, people.asha.phone)
    await phone.dial()
    with caplog.at_level("DEBUG"):
        await phone.send("2", PIN)
    assert PIN not in caplog.text
    conn = await asyncpg.connect(owner_url)
    rows = await conn.fetch("SELECT sealed FROM channels.dialogue")
    await conn.close()
    assert rows and all(PIN.encode() not in bytes(r["sealed"]) for r in rows)


@pytest.mark.parametrize("form", [{}, {"sessionId": "1", "phoneNumber": "x", "text": ""}, {"sessionId": "1"}])
async def test_what_cannot_be_read_ends_the_dialogue_in_one_sentence(client, form):
    answer = await client.post("/channels/ussd", data=form)
    assert answer.status_code == 400 and answer.text.startswith("END ") and "\n" not in answer.text


async def test_access_dial(stack, ctx_of, people):
    screen = await acts.dial(stack, job_context("ussd-gateway"), Dial("a", people.asha.phone, None))
    assert screen.more
    with pytest.raises(NotPermitted):
        await acts.dial(stack, ctx_of(Kind.PUBLIC, "anybody"), Dial("a", people.asha.phone, None))


def test_outside_a_sandbox_only_the_gateway_with_its_key_is_heard():
    closed = SimpleNamespace(settings=SimpleNamespace(sandbox=False, ussd_key="k3y"))
    routes.check_gateway(closed, "Bearer k3y")
    for shown in ("", "Bearer", "Bearer k3", "k3y"):
        with pytest.raises(NotTheGateway):
            routes.check_gateway(closed, shown)
    keyless = SimpleNamespace(settings=SimpleNamespace(sandbox=False, ussd_key=""))
    with pytest.raises(NotTheGateway):
        routes.check_gateway(keyless, "Bearer ")
