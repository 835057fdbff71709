"""The town of the portal's tests, attacked: people, staff, institutions' software, and a person whom nobody likes."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from tests.exchange.places import BANK, HOSPITAL, Desk, offer_services, opened
from tests.portal.conftest import surf as surf
from tests.portal.conftest import town as town
from tests.site import web_app

from msingi.kernel import clock
from msingi.kernel.context import Actor, Kind
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.signin.provider.model import ACCESS_TTL_S, AccessClaims
from msingi.signin.provider.wire import ACCESS_TYPE
from msingi.signin.wire import sign


@pytest.fixture(scope="module")
async def members(stack: Stack, ctx_of: Any) -> None:
    """Hospital and bank are members of the exchange; the hospital has one right, the bank none."""
    offer_services()
    await opened(stack, ctx_of)


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[Any]:
    """Makes plain HTTP clients on the whole application; `address` is where they come from."""
    running, made = web_app(stack), []

    def new(address: str = "127.0.0.1", **more: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(cast(Any, running), client=(address, 1), raise_app_exceptions=False)
        made.append(httpx.AsyncClient(transport=transport, base_url=stack.settings.url, **more))
        return made[-1]

    yield new
    for each in made:
        await each.aclose()


@pytest.fixture
def desks(stack: Stack, http: Any, members: None) -> SimpleNamespace:
    """The software of a hospital and of a bank, each with a key of its own."""
    return SimpleNamespace(hospital=Desk(http(), stack, HOSPITAL), bank=Desk(http(), stack, BANK))


@pytest.fixture
def token_of(stack: Stack) -> Any:
    """A genuine access token for an actor, as the provider would give it to whoever signed in so."""

    def make(actor: Actor, **changes: Any) -> dict[str, str]:
        now, issuer = int(clock.now().timestamp()), stack.settings.url
        person = actor.kind is Kind.PERSON
        sub = stack.pseudonym.of("rita", PersonId(UUID(actor.id))) if person else actor.id
        facts: dict[str, Any] = {
            "iss": issuer, "sub": sub, "aud": issuer, "exp": now + ACCESS_TTL_S, "iat": now, "jti": "j",
            "client_id": "portal" if actor.kind is not Kind.CLIENT else actor.id, "scope": "api", "sector": "rita",
            "kind": actor.kind, "grant": str(uuid7()), "acr": f"urn:msingi:acr:{actor.assurance}",
            "roles": tuple(actor.roles), "institution": actor.institution,
        }  # fmt: skip
        text = sign(stack.keys, ACCESS_TYPE, AccessClaims(**facts | changes))
        return {"authorization": f"Bearer {text}"}

    return make
