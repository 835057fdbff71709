"""A country's sign-in for tests: software of four kinds, a person, a member of staff, and the messages sent to them."""

import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import httpx
import msgspec
import pytest
from joserfc.jwk import ECKey
from tests.signin.party import ISSUER, Browser, Party
from tests.signin.people import enrol
from tests.site import web_app

from msingi.kernel.context import job_context
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack
from msingi.signin import acts
from msingi.signin.ciba.model import GRANT
from msingi.signin.model import Client, NewStaff, Profile

PIN = "4711"
RP = "https://rp.example/back"


class Sms:
    """The messages that left, newest last."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.sent: list[SmsRequested] = []

    async def take(self, _: Stack, payload: bytes) -> None:
        self.sent.append(msgspec.json.decode(payload, type=SmsRequested))

    async def code(self, to: str) -> str:
        """The newest code that was sent to a phone; messages come in no promised order."""
        await self.stack.outbox.drain(self.stack)
        found = [re.search(r"\b(\d{6})\b", m.text) for m in self.sent if m.to == to]
        codes = [code[1] for code in found if code]
        assert codes, self.sent
        return codes[-1]


@pytest.fixture(scope="module")
def sms(stack: Stack) -> Sms:
    box = Sms(stack)
    stack.outbox.subscribe("sms.requested", box.take)
    return box


@pytest.fixture(scope="module")
async def keys(stack: Stack) -> dict[str, ECKey | None]:
    """The private keys of four registered clients: fapi, confidential, public and the stack's own portal."""
    made: dict[str, ECKey | None] = {}
    everything = frozenset(["name", "birthdate", "phone_number", "msingi:number"])
    some = frozenset(["name", "birthdate"])
    kinds: list[tuple[str, Profile, bool, list[str], frozenset[str]]] = [
        ("bank", Profile.FAPI, False, ["openid", "profile", "phone", "offline_access", "authenticate"], everything),
        ("shop", Profile.CONFIDENTIAL, False, ["openid", "profile", "phone"], some),
        ("app", Profile.PUBLIC, False, ["openid", "profile"], some),
        ("portal", Profile.CONFIDENTIAL, True, ["openid", "profile", "api"], everything),
    ]
    for name, profile, own, scopes, claims in kinds:
        key = None if profile is Profile.PUBLIC else ECKey.generate_key("P-256")
        made[name] = key
        await acts.add_client(
            stack,
            job_context("sample"),
            Client(
                client_id=name,
                name=f"The {name}",
                institution="benki" if name in ("bank", "shop") else name,
                profile=profile,
                jwks=(key.as_dict(private=False),) if key else (),
                redirect_uris=(RP,),
                logout_uris=("https://rp.example/bye",),
                scopes=frozenset(scopes),
                claims=claims,
                first_party=own,
                grants=frozenset([GRANT]) if name in ("bank", "shop") else frozenset(),
            ),
        )
    return made


@pytest.fixture(scope="module")
async def asha(stack: Stack) -> Any:
    """A person with a phone and a PIN."""
    person = await enrol(stack, "Asha", "Mushi", "+255700000001")
    await acts.set_pin(stack, job_context("sample"), person.person_id, PIN)
    return person


@pytest.fixture(scope="module")
async def juma(stack: Stack) -> Any:
    """Another person with a phone and a PIN."""
    person = await enrol(stack, "Juma", "Kombo", "+255700000002")
    await acts.set_pin(stack, job_context("sample"), person.person_id, "8022")
    return person


@pytest.fixture(scope="module")
async def officer(stack: Stack) -> NewStaff:
    """A member of staff who enrols people."""
    new = NewStaff(
        staff_id="officer-1",
        institution="rita",
        roles=frozenset(["enrolment-officer"]),
        name="Neema Officer",
        phone="+255700000900",
        pin=PIN,
    )
    await acts.add_staff(stack, job_context("sample"), new)
    return new


@pytest.fixture
async def site(stack: Stack, keys: Any, sms: Sms) -> AsyncIterator[Any]:
    """The running site: `party(client_id)` makes a relying party, `browser()` a fresh browser, `sign_in` walks."""
    running = web_app(stack)
    browsers: list[httpx.AsyncClient] = []

    def http() -> httpx.AsyncClient:
        transport = httpx.ASGITransport(cast(Any, running), client=(f"10.0.{len(browsers)}.1", 1))
        browsers.append(httpx.AsyncClient(transport=transport, base_url=ISSUER))
        return browsers[-1]

    async def sign_in(browser: Browser, person: Any, pin: str, url: str) -> httpx.Response:
        page = await browser.open(url)
        assert page.status_code == 200, page.text
        login = person.staff_id if isinstance(person, NewStaff) else person.number
        page = await browser.send("/signin/pin", login=login, pin=pin)
        assert 'name="code"' in page.text, page.text
        return await browser.send("/signin/code", code=await sms.code(person.phone))

    yield SimpleNamespace(
        http=http(),
        browser=lambda: Browser(http()),
        party=lambda name: Party(http(), name, keys[name], RP),
        sign_in=sign_in,
    )
    for each in browsers:
        await each.aclose()
