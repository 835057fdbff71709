"""Sign-in's own pages and doors for people: who is signed in in this browser, or calls from an app."""

from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Response

from msingi.kernel import clock, log, policy, web
from msingi.kernel.context import Actor, Context, Kind, context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId, token
from msingi.kernel.stack import Stack
from msingi.signin import acts, flow, page, wire
from msingi.signin.clients import OWN
from msingi.signin.errors import FlowLost
from msingi.signin.model import Session
from msingi.signin.page import WebRequest
from msingi.signin.provider.acts import self_context
from msingi.signin.provider.model import FLOW_TTL_S, Asked, Flow


class Visitor(msgspec.Struct, frozen=True):
    """Whoever is signed in in this browser, for whom a page is made."""

    stack: Stack
    session: Session
    request_id: str

    @property
    def person_id(self) -> PersonId:
        """Whose page it is."""
        return self.session.person_id

    def ctx(self, purpose: str) -> Context:
        """The context of what they do for themselves, with the factors that this session proved."""
        actor = Actor(Kind.PERSON, str(self.person_id), assurance=self.session.factors)
        return context(actor, purpose, "contract", request_id=self.request_id)

    def token(self, what: str) -> str:
        """`what` for a hidden field, bound to this session: no other site can make a form of it."""
        return wire.seal(self.stack.seal, "own", (self.session.session_id, what))

    def opened(self, text: str) -> str:
        """What a hidden field says. Raises FlowLost unless it was made for this session."""
        session_id, what = wire.unseal(self.stack.seal, "own", text, tuple[UUID, str])
        if session_id != self.session.session_id:
            raise FlowLost(rule="a form of this session")
        return what


async def caller(request: WebRequest, purpose: str, act: str) -> tuple[Context, PersonId]:
    """The context of what a person does for themselves from an app, and who they are.

    Raises NotPermitted, naming `act`, for staff and software: these doors are for people.
    """
    ctx = await web.context(request, purpose, "contract", signed_in=True)
    if ctx.actor.kind is not Kind.PERSON:
        raise NotPermitted(act=act)
    return ctx, PersonId(UUID(ctx.actor.id))


async def fields(request: WebRequest) -> dict[str, list[str]]:
    """The fields of a form."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return found


async def visitor(request: WebRequest, here: str) -> Visitor | Response[Any]:
    """Who is signed in in this browser; the way to signing in, and back `here`, if nobody is."""
    stack = web.stack(request)
    try:
        pointer = wire.unseal(stack.seal, "session", page.cookie_of(request, page.SESSION), wire.Pointer)
    except FlowLost:
        return await _sign_in(request, here, 1)
    if pointer.staff_id:
        raise FlowLost(rule="people's own pages; staff sign in at the portal")
    ctx = self_context(pointer, "identity-proofing", web.request_id(request))
    permit = policy.decide(ctx, "signin.authorize", pointer.person_id, self=False, first_party=True)
    async with stack.db.transaction(permit) as tx:
        session = await acts.live_session(stack, tx, ctx, pointer)
        log.append(tx, permit, subject=pointer.person_id, detail={"to": here, "result": "page" if session else "over"})
    return await _sign_in(request, here, 1) if session is None else Visitor(stack, session, web.request_id(request))


async def stronger(request: WebRequest, here: str) -> Response[Any]:
    """The way to signing in with two factors, and back `here`."""
    return await _sign_in(request, here, 2)


async def _sign_in(request: WebRequest, here: str, factors: int) -> Response[Any]:
    stack, now = web.stack(request), clock.now().timestamp()
    cookies, device = [], page.cookie_of(request, page.DEVICE)
    if not device:
        device = token(24)
        cookies.append(page.cookie(stack, page.DEVICE, device, page.DEVICE_AGE_S))
    asked = Asked(
        client_id=OWN,
        redirect_uri=here,
        scopes=("openid",),
        challenge="",
        request_id=token(16),
        expires_at=int(now) + FLOW_TTL_S,
        factors=factors,
    )
    going = Flow(
        asked=asked,
        device_hash=wire.secret_hash(device.encode()),
        begun_at=now,
        expires_at=int(now) + FLOW_TTL_S,
        language=request.query_params.get("lang", ""),
    )
    client = await acts.client(stack, OWN)
    return await flow.go_on(request, going, client, page.cookie_of(request, page.SESSION), cookies)
