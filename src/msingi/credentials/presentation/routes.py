"""Doors of presentation: for institutions (JSON), for wallets (OpenID4VP 1.0), and pages for the person asked."""

import secrets
from typing import Annotated, Any
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, get, post
from litestar.params import PathParameter, QueryParameter

from msingi.credentials.presentation import access, acts, envelope, page, rules, wire
from msingi.credentials.presentation.errors import NoSuchRequest, OtherSession, Unreadable
from msingi.credentials.presentation.model import Across, Device, Made, Order, Result, State
from msingi.kernel import clock, web
from msingi.kernel import context as contexts
from msingi.kernel.context import ANYBODY, Context
from msingi.kernel.errors import Malformed, Outage, Refusal, TooLarge

AnyRequest = Request[Any, Any, Any]
FORM_TYPE = "application/x-www-form-urlencoded"
RequestName = Annotated[str, PathParameter(pattern="^[A-Za-z0-9_-]{22}$", description="The name of a request.")]
DeviceName = Annotated[
    Device, PathParameter(description="`s` the device with the page, `o` another one, `b` the browser's own interface.")
]
NO_STORE = {"Cache-Control": "no-store"}


def _anybody(request: AnyRequest) -> Context:
    return contexts.context(ANYBODY, "public-service", "public-task", request_id=web.request_id(request))


@post("/", summary="Ask to be shown credentials")
async def ask(request: AnyRequest, data: Order) -> Made:
    """Ask a person to show something from a wallet, by a DCQL query (OpenID4VP 1.0, section 6).

    For software of institutions, signed as messages of the exchange are. 400 presentation.query-malformed;
    403 not-permitted, presentation.no-right.
    """
    ctx = await web.context(request, data.purpose, data.basis, signed_in=True)
    return await acts.ask_presentation(web.stack(request), ctx, data)


@get("/{request_id:str}", summary="What became of a request")
async def collect(
    request: AnyRequest, request_id: RequestName, code: Annotated[str, QueryParameter(max_length=64)] = ""
) -> Result:
    """The state of a request and, once it was answered, the claims asked for; for ten minutes.

    `code` is what the browser brought to `return_to`. 404 presentation.no-such-request.
    """
    ctx = await web.context(request, "data-exchange", "legal-obligation", signed_in=True)
    return await acts.collect_presentation(web.stack(request), ctx, request_id, code)


@get("/authority.pem", summary="The access authority's certificate", media_type="application/x-pem-file")
async def authority(request: AnyRequest) -> Response[str]:
    """The anchor by which wallets of the country recognise institutions that ask (HAIP 1.0, section 5.1)."""
    stack = web.stack(request)
    async with stack.db.reading(acts.ROOM) as tx:
        found = await acts.store.certificate(tx, "", stack.keys.signer("access-authority").kid, clock.now())
    if found is None:
        raise NoSuchRequest("Nobody has asked yet, so there is no certificate.")
    return Response(access.as_pem(found), media_type="application/x-pem-file", headers={"Cache-Control": "max-age=300"})


async def _form(request: AnyRequest) -> dict[str, str]:
    """The fields of a form of a wallet. Raises Unreadable for one that stands twice, TooLarge above 512 KB."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > wire.MOST_RESPONSE_BYTES:
            raise TooLarge(limit_bytes=wire.MOST_RESPONSE_BYTES)
    if not body:
        return {}
    if kind != FORM_TYPE:
        raise Malformed("Send a form.", field="content-type", rule=FORM_TYPE)
    try:
        fields = parse_qsl(bytes(body).decode("utf-8"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise Unreadable("The form is not UTF-8, or has too many fields.", rule="form") from None
    if len({name for name, _ in fields}) != len(fields):
        raise Unreadable("A field of the form stands twice.", rule="form", clause="RFC 6749 3.1")
    return dict(fields)


async def _request_object(request: AnyRequest, request_id: str, device: Device, nonce: str) -> Response[str]:
    signed = await acts.request_for_wallet(web.stack(request), request_id, device, nonce[:512])
    return Response(signed, media_type=envelope.MEDIA, headers=NO_STORE)


@get("/{request_id:str}/{device:str}/request", summary="A request object", media_type=envelope.MEDIA)
async def request_object(request: AnyRequest, request_id: RequestName, device: DeviceName) -> Response[str]:
    """The signed request object, as often as it is asked for (RFC 9101, section 5.2.3). 404; 409 ended."""
    return await _request_object(request, request_id, device, "")


@post(
    "/{request_id:str}/{device:str}/request",
    summary="A request object with the wallet's nonce",
    media_type=envelope.MEDIA,
    status_code=200,
    opt={"takes": (FORM_TYPE,)},
)
async def request_object_post(request: AnyRequest, request_id: RequestName, device: DeviceName) -> Response[str]:
    """The same with `wallet_nonce` in it (OpenID4VP 1.0, section 5.10). 404; 409 ended."""
    return await _request_object(request, request_id, device, (await _form(request)).get("wallet_nonce", ""))


@post(
    "/{request_id:str}/{device:str}",
    summary="A wallet's answer",
    status_code=200,
    opt={"takes": (FORM_TYPE,)},
)
async def answer(request: AnyRequest, request_id: RequestName, device: DeviceName) -> Response[dict[str, str]]:
    """`direct_post` and `direct_post.jwt` (OpenID4VP 1.0, sections 8.2 and 8.3.1); for `b` what the page got from the
    browser, `dc_api` and `dc_api.jwt` (A.4).

    400 `invalid_request` names rule and clause; 404; 409 for a request that has ended.
    """
    form, stack = await _form(request), web.stack(request)
    session = _session(request, request_id)[1]
    told = await acts.receive_presentation(stack, _anybody(request), request_id, device, form, session)
    return Response({"redirect_uri": told.redirect_uri} if told.redirect_uri else {}, headers=NO_STORE)


def _session(request: AnyRequest, request_id: str) -> tuple[str, bytes]:
    """The browser's secret, made if it has none, and its hash for this request."""
    held = request.cookies.get(page.cookie_name(web.stack(request)), "")
    secret = held if len(held) == 43 else secrets.token_urlsafe(32)
    return secret, acts.hashed(request_id, secret)


@get("/{request_id:str}", summary="The page of a request", media_type="text/html")
async def shown_page(request: AnyRequest, request_id: RequestName) -> Response[Any]:
    """Who asks for what and why, with a link to the wallet and a QR code for another device; later how it ended."""
    stack = web.stack(request)
    secret, session = _session(request, request_id)
    row = await acts.open_presentation(stack, _anybody(request), request_id, session)
    if row.session != session:
        raise OtherSession()
    cookies = [page.cookie(stack, secret)]
    state = rules.state_now(row, int(clock.now().timestamp()))
    if state is State.OPEN:
        facts = page.request_facts(stack, row.asked, page.language(request))
        return page.show(request, "ask", cookies=cookies, wrong=row.reason, asked=row.asked, **facts)
    number = row.asked.across is Across.NUMBER and row.device == Device.OTHER
    if state is State.SHOWN and number:
        facts = {"number": "", "request_id": request_id, "wrong": row.tries > 0}
        return page.show(request, "number", cookies=cookies, goes_to=row.asked.return_to, **facts)
    spoken = page.words(page.language(request))
    tone = "good" if state is State.ANSWERED else "unsure"
    text = spoken[page.outcome(state)]
    return page.show(
        request, "message", cookies=cookies, title=spoken["title_" + tone], text=text, tone=tone, code=state.value
    )


@get("/{request_id:str}/state", summary="The state of a request, for its page")
async def state_of(request: AnyRequest, request_id: RequestName) -> Response[dict[str, str]]:
    """The state, for the browser that opened the page. 403 presentation.other-session; 404."""
    row = await acts.look(web.stack(request), request_id)
    if row.session != _session(request, request_id)[1]:
        raise OtherSession()
    told = {"state": rules.state_now(row, int(clock.now().timestamp())).value}
    return Response(told, headers=NO_STORE)


@get("/{request_id:str}/browser", summary="The request for the browser's own interface to wallets")
async def for_browser(request: AnyRequest, request_id: RequestName) -> Response[dict[str, Any]]:
    """What `navigator.credentials.get` takes, signed or not (OpenID4VP 1.0, appendix A), for the page's browser.

    403 presentation.other-session; 404; 409 ended.
    """
    session = _session(request, request_id)[1]
    return Response(await acts.request_for_browser(web.stack(request), request_id, session), headers=NO_STORE)


def _go(to: str) -> Response[bytes]:
    return Response(b"", status_code=303, headers={"Location": to, **NO_STORE, "Referrer-Policy": "same-origin"})


@get("/{request_id:str}/back", summary="Back from the wallet", media_type="text/html")
async def back(
    request: AnyRequest, request_id: RequestName, response_code: Annotated[str, QueryParameter(max_length=64)] = ""
) -> Response[Any]:
    """Where a wallet on the same device sends the browser (OpenID4VP 1.0, section 8.2): on to the institution.

    403 presentation.other-session in any browser but the one that opened the page; 409 the second time.
    """
    ctx, (_, session) = _anybody(request), _session(request, request_id)
    row = await acts.look(web.stack(request), request_id)
    device = Device.BROWSER if row.device == Device.BROWSER else Device.SAME
    to = await acts.confirm_presentation(web.stack(request), ctx, request_id, session, response_code, device)
    return _go(to or f"/present/{request_id}")


@get("/{request_id:str}/number", summary="The number to type on the other device", media_type="text/html")
async def number_page(
    request: AnyRequest, request_id: RequestName, response_code: Annotated[str, QueryParameter(max_length=64)] = ""
) -> Response[Any]:
    """What the device with the wallet shows after an answer to a request on another device. 404; 409."""
    stack = web.stack(request)
    row = await acts.look(stack, request_id)
    number = acts.number_of(stack, row.request_id, response_code)
    if row.state is not State.SHOWN or acts.hashed(row.request_id, number) != row.code:
        raise NoSuchRequest()
    return page.show(request, "number", number=f"{number[:3]} {number[3:]}", request_id=request_id, wrong=False)


@post("/{request_id:str}/number", summary="The number, typed", status_code=200, opt={"takes": (FORM_TYPE,)})
async def number_typed(request: AnyRequest, request_id: RequestName) -> Response[Any]:
    """The number that the other device shows, typed where the request was opened. 403; 409."""
    origin = request.headers.get("origin")
    if origin is not None and origin != web.stack(request).settings.url:
        raise OtherSession()
    typed = "".join(c for c in (await _form(request)).get("number", "")[:40] if c.isdigit())
    ctx, (_, session) = _anybody(request), _session(request, request_id)
    to = await acts.confirm_presentation(web.stack(request), ctx, request_id, session, typed, Device.OTHER)
    return _go(to or f"/present/{request_id}")


@get("/{name:str}", summary="Style and script of the pages", media_type="text/plain")
async def asset(request: AnyRequest, name: str) -> Response[bytes]:
    """`present.css` and `present.js`."""
    return page.asset(web.stack(request), name)


def _refused(request: AnyRequest, ending: Refusal | Outage) -> Response[Any]:
    if "text/html" in request.headers.get("accept", ""):
        return page.refuse(request, ending)
    return web.on_refusal(request, ending) if isinstance(ending, Refusal) else web.on_outage(request, ending)


routers = [
    Router("/v1/credentials/presentations", route_handlers=[ask, collect], tags=["presentation"]),
    Router("/credentials/access", route_handlers=[authority], tags=["presentation"]),
    Router(
        "/present/wallet",
        route_handlers=[request_object, request_object_post, answer],
        request_max_body_size=None,
        tags=["presentation"],
    ),
    Router(
        "/present",
        route_handlers=[shown_page, state_of, for_browser, back, number_page, number_typed],
        exception_handlers={Refusal: _refused, Outage: _refused},
        tags=["presentation"],
    ),
    Router("/present/page", route_handlers=[asset], tags=["presentation"]),
]
dialects = {"/present/wallet": wire.oauth_dialect}
