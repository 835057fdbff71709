"""Doors of the sign-in as eSignet's own page takes it: details, code, proof, claims, authorization code.

Every door answers in eSignet's envelope; all are bound to the browser that began (its cookie and `X-XSRF-TOKEN`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Response, get, post

from msingi.kernel import clock, web
from msingi.kernel.context import Context
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import token
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import page, wire
from msingi.signin.errors import ForgedRequest
from msingi.signin.esignet import acts, proving, reading, rules
from msingi.signin.esignet.envelope import HERE, body_of, code_sent, told
from msingi.signin.esignet.model import CHANNELS, Login
from msingi.signin.esignet.rules import Fault
from msingi.signin.model import Client
from msingi.signin.page import WebRequest
from msingi.signin.provider import extend
from msingi.signin.provider import routes as provider
from msingi.signin.provider import rules as checks
from msingi.signin.provider.model import FLOW_TTL_S, Asked, Flow

HEADER = "X-XSRF-TOKEN"
Said = dict[str, Any]


def _expected(stack: Stack, device: str) -> str:
    return wire.b64(stack.keys.blind(f"signin.xsrf|{device}"))


def check_browser(request: WebRequest) -> bytes:
    """The hash of the browser's cookie. Raises ForgedRequest unless the page got its token in the same browser."""
    device = page.cookie_of(request, page.DEVICE)
    sent = request.headers.get(HEADER, "")
    if not device or not wire.same(sent.encode(), _expected(web.stack(request), device).encode()):
        raise ForgedRequest()
    return page.device_hash(request)


def ctx_of(request: WebRequest) -> Context:
    """The context of somebody who is still to prove who they are."""
    return signin.proving(web.request_id(request))


async def answered(request: WebRequest, step: Callable[[Said], Awaitable[Said]]) -> Response[dict[str, Any]]:
    """What a step answers, or its fault, in the envelope."""
    try:
        asked = rules.check_time(await body_of(request), clock.now())
        return told(await step(asked))
    except Fault as fault:
        return told(None, fault)


async def client_of(stack: Stack, login: Login) -> Client:
    """The software that a sign-in is for."""
    return await signin.client(stack, login.flow.asked.client_id)


@get(f"{HERE}/csrf/token", tags=["signin"])
async def csrf(request: WebRequest) -> Response[dict[str, str]]:
    """The token that this browser's page sends along; it is of use in this browser alone."""
    stack, device, cookies = web.stack(request), page.cookie_of(request, page.DEVICE), []
    if not device:
        device = token(24)
        cookies.append(page.cookie(stack, page.DEVICE, device, page.DEVICE_AGE_S))
    known = {"token": _expected(stack, device), "headerName": HEADER, "parameterName": "_csrf"}
    answer = Response(known, headers={"Cache-Control": "no-store"}, cookies=cookies)
    answer.set_cookie("XSRF-TOKEN", known["token"], path="/", samesite="lax", secure=stack.settings.url[:6] == "https:")
    return answer


async def _read(request: WebRequest, asked: Said) -> tuple[Client, Asked]:
    """The software and its request, checked as at `/oauth/authorize`. Raises Fault."""
    stack, now = web.stack(request), int(clock.now().timestamp())
    params = reading.parameters(asked)
    try:
        client = await signin.client(stack, params.get("client_id", ""))
        if "requestUri" in asked:
            return client, provider.pushed(request, reading.text(asked, "requestUri", "invalid_request"), client)
        checks.check_destination(client, params.get("redirect_uri", ""))
        checks.check_route(client, pushed=False)
        read = checks.read_request(params, client, extend.of(stack), pushed=False, request_id=token(16), now=now)
        return client, await provider.hinted(stack, params, read)
    except Refusal as refusal:
        raise reading.fault_of(refusal) from None


async def _begin(request: WebRequest, asked: Said, *, named: bool) -> Said:
    stack, now, device = web.stack(request), clock.now().timestamp(), check_browser(request)
    client, read = await _read(request, asked)
    login_id = token(24)
    shown = reading.details(login_id, read, client, named=named)
    flow = Flow(asked=read, device_hash=device, begun_at=now, expires_at=int(now) + FLOW_TTL_S)
    await acts.begin(stack, ctx_of(request), login_id, Login(flow=flow, details_hash=reading.details_hash(shown)))
    return shown


@post(f"{HERE}/authorization/oauth-details", status_code=200, tags=["signin"])
async def oauth_details(request: WebRequest) -> Response[dict[str, Any]]:
    """Begin a sign-in, as eSignet's page asks for it; what may come without PKCE may do so everywhere."""
    return await answered(request, lambda asked: _begin(request, asked, named=False))


@post(
    [f"{HERE}/authorization/v2/oauth-details", f"{HERE}/authorization/v3/oauth-details"],
    status_code=200,
    tags=["signin"],
)
async def oauth_details_by_language(request: WebRequest) -> Response[dict[str, Any]]:
    """The same, with PKCE and the software's name by language."""
    return await answered(request, lambda asked: _begin(request, asked, named=True))


@post(f"{HERE}/authorization/par-oauth-details", status_code=200, tags=["signin"])
async def pushed_details(request: WebRequest) -> Response[dict[str, Any]]:
    """Begin a sign-in from a pushed request (RFC 9126), which FAPI 2.0 clients must make."""

    async def step(asked: Said) -> Said:
        reading.text(asked, "requestUri", "invalid_request")
        return await _begin(request, asked, named=True)

    return await answered(request, step)


async def _here(request: WebRequest, asked: Said, step: str) -> tuple[bytes, Login]:
    """The sign-in that this browser began and whose details its page still holds. Raises Fault, ForgedRequest."""
    device = check_browser(request)
    login_id = reading.text(asked, "transactionId", "invalid_transaction_id")
    if request.headers.get("oauth-details-key", "") != login_id:
        raise Fault("invalid_transaction", "oauth-details-key is the transaction's id")
    key = acts.key_of(login_id)
    login = acts.check_open(await acts.follow(web.stack(request), ctx_of(request), key, step))
    if login.flow.device_hash != device:
        raise Fault("invalid_transaction_id", "this sign-in was begun in another browser")
    reading.check_shown(login, request.headers.get("oauth-details-hash", ""))
    return key, login


def check_channels(asked: Said) -> None:
    """Raises Fault unless the code is wanted on a telephone."""
    wanted = asked.get("otpChannels")
    if not isinstance(wanted, list) or not wanted or not all(c in CHANNELS for c in wanted):
        raise Fault("invalid_otp_channel", f"codes are sent to: {', '.join(CHANNELS)}")


@post(f"{HERE}/authorization/send-otp", status_code=200, tags=["signin"])
async def send_otp(request: WebRequest) -> Response[dict[str, Any]]:
    """Send the one-time code, once the PIN was right."""

    async def step(asked: Said) -> Said:
        check_channels(asked)
        individual = reading.text(asked, "individualId", "invalid_identifier")
        key, login = await _here(request, asked, "wants a code")
        stack = web.stack(request)
        client, lang = await client_of(stack, login), page.language(request, login.flow.asked.ui_locales)
        bound_to = login.flow.device_hash
        ctx = ctx_of(request)
        tail = await acts.send_code(stack, ctx, key, login, client, individual, bound_to, lang, by_link=False)
        return code_sent(asked["transactionId"], tail)

    return await answered(request, step)


async def _proved(request: WebRequest, asked: Said, *, tell: bool) -> Said:
    said = reading.said(asked)
    key, login = await _here(request, asked, "tries to prove")
    if login.session:
        raise Fault("invalid_transaction", "somebody has signed in here already")
    stack, ctx = web.stack(request), ctx_of(request)
    client, place = await client_of(stack, login), page.place_of(request)
    login = await proving.prove(stack, ctx, login, proving.Try(key, client, said, place))
    return {"transactionId": asked["transactionId"]} | (await consent_action(request, login, client) if tell else {})


async def consent_action(request: WebRequest, login: Login, client: Client) -> dict[str, str]:
    """Whether the person must still be asked what the software may learn."""
    more = await acts.undecided(web.stack(request), login, client, web.request_id(request))
    return {"consentAction": "CAPTURE" if more else "NOCAPTURE"}


@post(f"{HERE}/authorization/authenticate", status_code=200, tags=["signin"])
async def authenticate(request: WebRequest) -> Response[dict[str, Any]]:
    """One try to prove who one is: a PIN, or a PIN and the code that was sent for it."""
    return await answered(request, lambda asked: _proved(request, asked, tell=False))


@post(
    [f"{HERE}/authorization/v2/authenticate", f"{HERE}/authorization/v3/authenticate"], status_code=200, tags=["signin"]
)
async def authenticate_and_tell(request: WebRequest) -> Response[dict[str, Any]]:
    """The same; the answer also says whether the person must still be asked for consent."""
    return await answered(request, lambda asked: _proved(request, asked, tell=True))


@get(f"{HERE}/authorization/claim-details", tags=["signin"])
async def claim_details(request: WebRequest) -> Response[dict[str, Any]]:
    """Which of the claims that were asked for the register holds, and whether the person must still decide."""
    try:
        login_id = request.headers.get("oauth-details-key", "")
        _, login = await _here(request, {"transactionId": login_id}, "reads claims")
        stack = web.stack(request)
        client = await client_of(stack, login)
        action = await consent_action(request, login, client)
        held, asked = await acts.known_claims(stack, login), login.flow.asked
        claims = [
            {"claim": reading.theirs(c), "available": c in held, "verified": c in held}
            for c in dict.fromkeys(asked.claims + asked.id_claims)
        ]
        return told({"transactionId": login_id, **action, "claimStatus": claims, "profileUpdateRequired": False})
    except Fault as fault:
        return told(None, fault)


@post(f"{HERE}/authorization/auth-code", status_code=200, tags=["signin"])
async def auth_code(request: WebRequest) -> Response[dict[str, Any]]:
    """Keep what was agreed, and give the authorization code for the software."""

    async def step(asked: Said) -> Said:
        given = reading.chosen(asked)
        key, login = await _here(request, asked, "wants the code")
        if login.by_link:
            raise Fault("invalid_transaction", "the other device decides")
        stack, rid = web.stack(request), web.request_id(request)
        client = await client_of(stack, login)
        decided = None
        if await acts.undecided(stack, login, client, rid):
            decided = await acts.agree(stack, login, client, given, rid)
        code = await acts.give_code(stack, ctx_of(request), key, login, client, decided)
        return coded(login, code)

    return await answered(request, step)


def coded(login: Login, code: str) -> Said:
    """The code, and where the browser takes it."""
    asked = login.flow.asked
    return {"code": code, "redirectUri": asked.redirect_uri, "nonce": asked.nonce, "state": asked.state}


async def waited(follow: Callable[[], Awaitable[Login]], done: Callable[[Login], bool], seconds: int) -> Login:
    """The sign-in once it is `done`. Raises Fault after so many seconds, and then the page asks again."""
    for _ in range(seconds):
        login = await follow()
        if done(login):
            return login
        await asyncio.sleep(1)
    raise Fault("response_timeout", "not yet: ask again")


doors = [
    csrf,
    oauth_details,
    oauth_details_by_language,
    pushed_details,
    send_otp,
    authenticate,
    authenticate_and_tell,
    claim_details,
    auth_code,
]
