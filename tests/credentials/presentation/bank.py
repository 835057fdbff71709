"""A running stack with a bank that has the right to be shown some fields, and a country that trusts an authority."""

import asyncio
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import uvicorn
from tests.credentials.presentation.conftest import issue_mdoc, issue_sd
from tests.credentials.presentation.wallet import DOCTYPE, SPACE, VCT, Authority, Wallet, public_of
from tests.site import web_app

from msingi import app, countries
from msingi.credentials.presentation import acts, issuers, trust
from msingi.credentials.presentation.model import Made, Order, Right
from msingi.kernel import clock
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

LAW = "Banking Act, section 12"
FIELDS = ("given_name", "family_name", "age_over_18", "address", "nationalities")
BANK = Actor(Kind.CLIENT, "COM/benki/accounts", "benki", frozenset(), 2, "People's Bank")


def sd_query(**more: Any) -> dict[str, Any]:
    """One SD-JWT VC with two claims."""
    asked = {"id": "card", "format": "dc+sd-jwt", "meta": {"vct_values": [VCT]}}
    return {"credentials": [asked | {"claims": [{"path": ["given_name"]}, {"path": ["address", "region"]}]} | more]}


def mdoc_query(**more: Any) -> dict[str, Any]:
    """One mdoc with two elements."""
    asked = {"id": "pid", "format": "mso_mdoc", "meta": {"doctype_value": DOCTYPE}}
    claims = [{"path": [SPACE, "given_name"]}, {"path": [SPACE, "age_over_18"]}]
    return {"credentials": [asked | {"claims": claims} | more]}


def order(query: dict[str, Any], **more: Any) -> Order:
    """An order of the bank's."""
    told = {"purpose": "identity-proofing", "basis": "contract", "dcql_query": query, "across": "counter"} | more
    return msgspec.json.decode(msgspec.json.encode(told), type=Order)


async def rights(stack: Stack, actor: Actor, purpose: str, basis: str) -> Right | None:
    """The one right that there is."""
    known = (actor.id, purpose, basis) == (BANK.id, "identity-proofing", "contract")
    return Right(LAW, FIELDS) if known else None


def banks(purpose: str = "identity-proofing", basis: str = "contract") -> Context:
    """The bank asks."""
    return context(BANK, purpose, basis)


class Bank:
    """The running stack, and what the tests do with it."""

    def __init__(self, stack: Stack, wallet: Wallet, authority: Authority, holder: dict[str, str]) -> None:
        self.stack, self.wallet, self.authority, self.holder = stack, wallet, authority, holder
        self.url = stack.settings.url

    async def node(self, verb: str, **order_: Any) -> Any:
        """Ask the wallet, without keeping the server from answering it."""
        return await asyncio.to_thread(lambda: self.wallet(verb, **order_))

    async def ask(self, query: dict[str, Any], **more: Any) -> Made:
        """The bank's request."""
        return await acts.ask_presentation(self.stack, banks(), order(query, **more))

    async def sd(self, **claims: Any) -> dict[str, Any]:
        """An SD-JWT VC as the wallet keeps it."""
        now = int(clock.now().timestamp())
        times = {"nbf": now - 60, "exp": now + 86_400}
        text = await asyncio.to_thread(lambda: issue_sd(self.wallet, self.authority, self.holder, **(times | claims)))
        shown = {
            "given_name": "Neema",
            "address": {"region": "Mashariki"},
            "age_over_18": True,
            "nationalities": ["UTO"],
        }
        return {"format": "dc+sd-jwt", "text": text, "vct": VCT, "holder": self.holder, "claims": shown}

    async def mdoc(self) -> dict[str, Any]:
        """An mdoc as the wallet keeps it."""
        begins = int(clock.now().timestamp()) - 60
        text = await asyncio.to_thread(lambda: issue_mdoc(self.wallet, self.authority, self.holder, begins))
        spaces = {SPACE: {"given_name": "Neema", "age_over_18": True}}
        return {"format": "mso_mdoc", "text": text, "doctype": DOCTYPE, "namespaces": spaces, "holder": self.holder}

    async def answered(self, made: Made, *credentials: dict[str, Any], link: str = "", **more: Any) -> dict[str, Any]:
        """The wallet answers a link."""
        return await self.node("answer", url=link or made.wallet_link, credentials=list(credentials), **more)

    async def result(self, made: Made, code: str = "") -> Any:
        """What the bank collects."""
        return await acts.collect_presentation(self.stack, banks(), made.request_id, code)


@asynccontextmanager
async def running(
    owner_url: str, home: Path, wallet: Wallet, authority: Authority, holder: dict[str, str], country: str = "taifa"
):
    """The stack on a port of its own; the operator's list names the authority."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    entry = f"[[issuer]]\nname = 'Civil Registry'\ncertificate = '''{authority.pem}'''\n"
    (home / trust.FILE).write_text(entry, "utf-8")
    stack = await Stack.open(Settings(home=home, port=port, sandbox=True), as_app(owner_url), countries.load(country))
    doors = web_app(stack)
    await app.start_rooms(stack)
    acts.register_rights(stack, rights)
    issuers.forget(stack)
    server = uvicorn.Server(uvicorn.Config(doors, port=port, log_level="error", timeout_keep_alive=75, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield Bank(stack, wallet, authority, holder)
    server.should_exit = True
    await serving
    await stack.close()


def browser(bank: Bank) -> httpx.AsyncClient:
    """Somebody's browser: it keeps its cookies and wants pages."""
    return httpx.AsyncClient(base_url=bank.url, headers={"Accept": "text/html", "Accept-Language": "en"})


def holder_claims(holder: dict[str, str]) -> dict[str, Any]:
    """How a credential names its holder's key."""
    return {"cnf": {"jwk": public_of(holder)}}
