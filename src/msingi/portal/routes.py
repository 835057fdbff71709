"""Doors for everybody: home, help, figures, sign-in and out, language, style; and the doors of people and staff."""

from typing import Any

from litestar import Response, Router, get, post
from litestar.params import FromPath

from msingi.evidence import acts as evidence
from msingi.evidence.errors import NoEdition
from msingi.kernel import web
from msingi.kernel.errors import NotFound
from msingi.portal import (
    blocks,
    page,
    routes_agent,
    routes_asking,
    routes_bank,
    routes_cash,
    routes_circles,
    routes_disputes,
    routes_dormant,
    routes_estates,
    routes_exchange,
    routes_fees,
    routes_files,
    routes_fraud,
    routes_freeze,
    routes_givers,
    routes_groups,
    routes_joint,
    routes_money,
    routes_outside,
    routes_person,
    routes_products,
    routes_programmes,
    routes_rates,
    routes_recalls,
    routes_reconcile,
    routes_sandbox,
    routes_seizures,
    routes_shop,
    routes_staff,
    routes_switch,
    routes_teller,
    routes_telling,
    routes_vouchers,
    routes_wallet,
    rules,
    session,
    views,
)
from msingi.portal import model as m
from msingi.portal.trouble import HANDLERS
from msingi.portal.trouble import nowhere as nowhere
from msingi.portal.visit import Visit, WebRequest, language, offered, tongue_cookie, visit

USSD_CODE = "*150*00#"
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
FOR_A_DAY = {"Cache-Control": "public, max-age=86400", "X-Content-Type-Options": "nosniff"}


@get("/")
async def home(request: WebRequest) -> Response[bytes]:
    """What this is, and how to begin."""
    return (await visit(request)).page("public/home.html", m.Public(USSD_CODE, blocks.home()))


@get("/help")
async def help_page(request: WebRequest) -> Response[bytes]:
    """Short answers to frequent questions."""
    return (await visit(request)).page("public/help.html", m.Public(USSD_CODE))


@get("/accessibility")
async def accessibility(request: WebRequest) -> Response[bytes]:
    """The accessibility statement."""
    return (await visit(request)).page("public/accessibility.html", m.Public())


@get("/figures")
async def figures(request: WebRequest) -> Response[bytes]:
    """The published indicators, with definition, caveat, protection, chart and downloads."""
    seen = await visit(request)
    shown = []
    for indicator in evidence.indicators().values():
        try:
            shown.append((indicator, await evidence.newest(seen.stack, indicator.code)))
        except NoEdition:
            shown.append((indicator, None))
    return seen.page("public/figures.html", views.figures(seen.stack.profile, seen.lang, shown))


@get("/language/{code:str}")
async def choose_language(request: WebRequest, code: FromPath[str]) -> Response[bytes]:
    """Remember a language, and return to the page."""
    if code not in offered(request):
        raise NotFound()
    made = Visit(request, language(request), None, web.ANYBODY)
    made.cookies.append(tongue_cookie(request, code))
    return made.go(rules.local(request.query_params.get("next", "/")))


@get("/sign-in")
async def sign_in(request: WebRequest) -> Response[bytes]:
    """Begin the sign-in at the stack's own provider (authorization code with PKCE)."""
    made = Visit(request, language(request), None, web.ANYBODY)
    to = rules.local(request.query_params.get("next", ""), "")
    login = request.query_params.get("login", "")[:100]
    url, attempt = session.begin(made.stack, to, made.lang, login=login)
    made.cookies.append(attempt)
    return made.go(url)


@get("/sign-in/return")
async def sign_in_return(request: WebRequest) -> Response[bytes]:
    """Return from the provider: the code becomes a session."""
    made = Visit(request, language(request), None, web.ANYBODY)
    stack = made.stack
    kept = session.cookie_of(stack, request.cookies, session.ATTEMPT)
    signed_in, to = await session.complete(stack, dict(request.query_params), kept, web.request_id(request))
    made.cookies += [
        session.cookie(stack, session.SESSION, session.seal(stack, "session", signed_in)),
        session.cookie(stack, session.ATTEMPT, "", 0),
    ]
    return made.go(to or ("/me" if signed_in.number else "/staff"))


@post("/sign-out", status_code=303)
async def sign_out(request: WebRequest) -> Response[bytes]:
    """End the session here, then at the provider."""
    seen = await visit(request)
    seen.cookies.append(session.cookie(seen.stack, session.SESSION, "", 0))
    return seen.go(session.farewell(seen.stack, seen.session) if seen.session else "/")


@get("/assets/{name:str}")
async def asset(request: WebRequest, name: FromPath[str]) -> Response[bytes]:
    """The style sheet and the emblem, in the country's colours. `portal.css` is the newest style sheet."""
    colours = web.stack(request).profile.colours
    raw, address = page.style(colours)
    if f"/assets/{name}" == address:
        return Response(raw, media_type="text/css", headers=FOR_EVER)
    if name == "portal.css":
        return Response(raw, media_type="text/css", headers=FOR_A_DAY)
    if name == "mark.svg":
        return Response(page.mark(colours).encode(), media_type="image/svg+xml", headers=FOR_A_DAY)
    raise NotFound()


DOORS: list[Any] = [
    home,
    help_page,
    accessibility,
    figures,
    choose_language,
    sign_in,
    sign_in_return,
    sign_out,
    asset,
    *routes_person.doors,
    *routes_money.doors,
    *routes_outside.doors,
    *routes_shop.doors,
    *routes_bank.doors,
    *routes_cash.doors,
    *routes_asking.doors,
    *routes_joint.doors,
    *routes_groups.doors,
    *routes_circles.doors,
    *routes_telling.doors,
    *routes_agent.doors,
    *routes_vouchers.doors,
    *routes_givers.doors,
    *routes_freeze.doors,
    *routes_seizures.doors,
    *routes_fraud.doors,
    *routes_disputes.doors,
    *routes_recalls.doors,
    *routes_estates.doors,
    *routes_dormant.doors,
    *routes_teller.doors,
    *routes_products.doors,
    *routes_fees.doors,
    *routes_staff.doors,
    *routes_files.doors,
    *routes_programmes.doors,
    *routes_rates.doors,
    *routes_reconcile.doors,
    *routes_switch.doors,
    *routes_wallet.doors,
    *routes_exchange.doors,
]
routers = [Router("/", route_handlers=DOORS, exception_handlers=HANDLERS, include_in_schema=False)]
sandbox_routers = [
    Router("/", route_handlers=[routes_sandbox.practice], exception_handlers=HANDLERS, include_in_schema=False)
]
