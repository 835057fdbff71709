"""A sign-in under way in one browser: how it is carried from page to page, and where it goes next."""

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.datastructures import Cookie

from msingi.kernel import clock, web
from msingi.kernel.errors import Refusal
from msingi.signin import acts, page, wire
from msingi.signin.clients import OWN
from msingi.signin.errors import ConsentRequired, FlowLost, LoginRequired
from msingi.signin.model import Client, Session, Who
from msingi.signin.page import WebRequest
from msingi.signin.provider import acts as provider
from msingi.signin.provider.model import Asked, Flow
from msingi.signin.provider.rules import session_suffices, with_query

FORM = 32 * 1024


def sealed(request: WebRequest, flow: Flow) -> str:
    """The flow as text for a hidden field or a link."""
    return wire.seal(web.stack(request).seal, "flow", flow)


def opened(request: WebRequest, text: str) -> Flow:
    """The flow that a form or link carries. Raises FlowLost unless it was begun in this browser, not long ago.

    Because it must match the device cookie, which other sites' forms do not send, it also stops forged forms.
    """
    flow = wire.unseal(web.stack(request).seal, "flow", text, Flow)
    if flow.expires_at <= clock.now().timestamp():
        raise FlowLost(rule="15 minutes")
    if flow.device_hash != page.device_hash(request):
        raise FlowLost(rule="same browser, with cookies")
    return flow


def check_origin(request: WebRequest) -> None:
    """Raises FlowLost for a form that another site sent (Fetch standard: Origin of a navigation)."""
    origin = request.headers.get("origin")
    if origin is not None and origin != web.stack(request).settings.url:
        raise FlowLost(rule="a form of this site")


def step(name: str, text: str) -> str:
    """The address of a step."""
    return f"/signin{name}?{urlencode({'flow': text})}"


def back(request: WebRequest, asked: Asked, **parameters: str) -> str:
    """The client's address with the answer, its state, and who answers (RFC 9207)."""
    issuer = web.stack(request).settings.url
    return with_query(asked.redirect_uri, {**parameters, "state": asked.state, "iss": issuer})


def told(refusal: Refusal) -> dict[str, str]:
    """A refusal as an authorization error response (RFC 6749, section 4.1.2.1)."""
    return {
        "error": getattr(refusal, "oauth", "server_error"),
        "error_description": (refusal.detail or refusal.title).encode("ascii", "replace").decode(),
    }


def _owner(session: Session) -> Who:
    return Who(session.person_id, session.staff_id, session.institution, session.roles, session.name)


async def go_on(
    request: WebRequest,
    flow: Flow,
    client: Client,
    session: str,
    cookies: list[Cookie] | None = None,
    decided: tuple[str, ...] | None = None,
) -> Response[Any]:
    """Where the browser goes now: back to the client with a code, or to the next step.

    `session` is the session cookie's value; `decided` the claims that were just ticked, None if nobody was asked.
    """
    asked = flow.asked
    rid = web.request_id(request)
    outcome = await provider.authorize(web.stack(request), session, flow, client, rid, decided)
    if outcome.code and client.client_id == OWN:
        return page.go(asked.redirect_uri, cookies)
    if outcome.code:
        return page.go(back(request, asked, code=outcome.code), cookies)
    silent = "none" in asked.prompt
    if outcome.undecided:
        if silent:
            return page.go(back(request, asked, **told(ConsentRequired())), cookies)
        return page.go(step("/consent", sealed(request, flow)), cookies)
    if silent:
        return page.go(back(request, asked, **told(LoginRequired())), cookies)
    one_factor = msgspec.structs.replace(asked, factors=1)
    now = clock.now().timestamp()
    if outcome.session is not None and session_suffices(one_factor, flow.begun_at, outcome.session, now):
        flow = await with_code(request, flow, client, _owner(outcome.session))
        return page.go(step("/code", sealed(request, flow)), cookies)
    return page.go(step("", sealed(request, flow)), cookies)


async def with_code(request: WebRequest, flow: Flow, client: Client, who: Who) -> Flow:
    """The flow once a one-time code is on its way to `who`. Raises NoPhone, TooManyTries."""
    stack = web.stack(request)
    place = page.place_of(request)
    lang = page.language(request, flow.language, flow.asked.ui_locales)
    ctx = acts.proving(web.request_id(request))
    text = ("sms_signin", lang, client.name)
    challenge_id, tail = await acts.send_code(stack, ctx, who, place.device_hash, "", text)
    return msgspec.structs.replace(flow, who=who, challenge_id=challenge_id, tail=tail)
