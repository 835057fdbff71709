"""People and staff of a small town, and a browser without scripts that visits the portal as they do."""

import html
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from lxml import html as parser
from tests.site import web_app

from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder
from msingi.signin import acts as signin
from msingi.signin.model import NewStaff

PIN = "472910"


class Surfer:
    """A browser without scripts: keeps cookies, follows links, fills in the forms that a page really has."""

    def __init__(self, http: httpx.AsyncClient, stack: Stack) -> None:
        self.http, self.stack = http, stack
        self.answer: httpx.Response = httpx.Response(200)

    @property
    def text(self) -> str:
        """What the page says, without markup."""
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", self.answer.text)))

    @property
    def path(self) -> str:
        return self.answer.url.raw_path.decode()

    async def open(self, path: str, **more: Any) -> httpx.Response:
        self.answer = await self.http.get(path, headers={"accept": "text/html"}, **more)
        return self.answer

    def form(self, action: str) -> dict[str, str]:
        """The answers that a form of this page would send if nothing were typed."""
        tree = parser.document_fromstring(self.answer.text)
        (form,) = tree.xpath(f"//form[@action='{action}']")
        found = {f.get("name"): f.get("value", "") for f in form.xpath(".//input[@name and not(@type='radio')]")}
        return found | {f.get("name"): f.get("value", "") for f in form.xpath(".//input[@checked]")}

    async def send(self, action: str, to: str = "", **typed: str) -> httpx.Response:
        """Fill in a form of this page and send it; `to` where the pressed button names another address."""
        filled = self.form(action) | typed
        self.answer = await self.http.post(to or action, data=filled, headers={"accept": "text/html"})
        return self.answer

    async def press(self, action: str, **wanted: str) -> httpx.Response:
        """Press the first button whose form goes to an address and carries these values."""
        for form in parser.document_fromstring(self.answer.text).xpath(f"//form[@action='{action}']"):
            found = {f.get("name"): f.get("value", "") for f in form.xpath(".//input[@name]")}
            if wanted.items() <= found.items():
                self.answer = await self.http.post(action, data=found, headers={"accept": "text/html"})
                return self.answer
        raise AssertionError(f"no such button: {action} {wanted}")

    async def sign_in(self, login: str, phone: str, pin: str = PIN) -> "Surfer":
        await self.open("/sign-in")
        await self.send("/signin/pin", login=login, pin=pin)
        await self.stack.outbox.drain(self.stack)
        sent = (await self.http.get("/sandbox/sms", params={"to": phone})).json()
        code = next(filter(None, (re.search(r"\b(\d{6})\b", message["text"]) for message in sent)), None)
        assert code
        await self.send("/signin/code", code=code[1])
        assert self.answer.status_code == 200, self.text
        return self


@pytest.fixture
async def surf(stack: Stack) -> AsyncIterator[Any]:
    """Opens browsers on the whole application."""
    running, opened = web_app(stack), []

    def new(language: str = "en") -> Surfer:
        made = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=running),
            base_url=stack.settings.url,
            follow_redirects=True,
            headers={"accept-language": language},
        )
        opened.append(made)
        return Surfer(made, stack)

    yield new
    for each in opened:
        await each.aclose()


async def _person(stack: Stack, given: str, family: str, phone: str) -> SimpleNamespace:
    order = EnrolmentOrder(name=Name(given, family), birth=Birth("1990-05-17"), phone=phone, language="sw")
    ctx = job_context("setup", "identity-registration", "legal-obligation")
    outcome = await identity.enrol(stack, ctx, order, f"town-{phone}")
    assert isinstance(outcome, Enrolled)
    await signin.set_pin(stack, job_context("setup", "operations"), outcome.person_id, PIN)
    account = await payments.open_account(stack, job_context("setup", "payment"), outcome.person_id, AccountKind.WALLET)
    return SimpleNamespace(id=outcome.person_id, number=outcome.number, phone=phone, account=account.number)


@pytest.fixture(scope="module")
async def town(stack: Stack) -> SimpleNamespace:
    """Asha, who has 50,000; Baraka, who has nothing; and staff with one role each."""
    asha = await _person(stack, "Asha", "Mrisho", "+255711000001")
    baraka = await _person(stack, "Baraka", "Kileo", "+255711000002")
    ctx = job_context("setup", "payment")
    await payments.open_account(stack, ctx, "benki", AccountKind.ISSUE, label="issue")
    treasury = await payments.open_account(stack, ctx, "hazina", AccountKind.GOVERNMENT, label="treasury")
    issue = IssueOrder("town", treasury.number, 9_000_000, "")
    await payments.issue(stack, job_context("setup", "operations"), issue)
    staff = {}
    roles = (
        ("officer", ("enrolment-officer",), "rita"),
        ("judge", ("adjudicator",), "rita"),
        ("operator", ("operator",), "rita"),
        ("auditor", ("auditor",), "mkaguzi"),
        ("treasurer", ("treasurer",), "hazina"),
    )
    for place, (name, held, institution) in enumerate(roles):
        phone = f"+25561200000{place}"
        new = NewStaff(
            staff_id=f"{name}-1",
            institution=institution,
            roles=frozenset(held),
            name=f"{name.title()} One",
            phone=phone,
            pin=PIN,
        )
        await signin.add_staff(stack, job_context("setup", "operations"), new)
        staff[name] = SimpleNamespace(login=f"{name}-1", phone=phone)
    from msingi.kernel.context import Actor, Kind, context

    actor = Actor(Kind.STAFF, "treasurer-1", "hazina", frozenset({"treasurer"}), 2)
    order = TransferOrder("town", treasury.number, Alias("account", asha.account), 50_000, "TZS", "start")
    await payments.transfer(stack, context(actor, "payment", "contract"), order)
    return SimpleNamespace(asha=asha, baraka=baraka, staff=SimpleNamespace(**staff))
