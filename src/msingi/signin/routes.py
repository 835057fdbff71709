"""Doors of sign-in for people: the steps of a sign-in, signing out, and one's own sessions."""

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec
from litestar import Response, Router, delete, get, post, route
from litestar.params import JSONBody

from msingi.identity import acts as identity
from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import NotFound, NotPermitted, Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.signin import acts, factors, flow, own, page, untold
from msingi.signin.answers import routes as answers
from msingi.signin.bearer import routes as bearer
from msingi.signin.cards import routes as cards
from msingi.signin.ciba import routes as ciba
from msingi.signin.errors import AccessDenied, FlowLost
from msingi.signin.esignet import routes as esignet
from msingi.signin.model import Agreement, Client, Verdict
from msingi.signin.page import WebRequest
from msingi.signin.passkeys import routes as passkeys
from msingi.signin.provider import acts as provider
from msingi.signin.provider import extend
from msingi.signin.provider import routes as provider_routes
from msingi.signin.provider.model import Flow
from msingi.signin.provider.wire import oauth_dialect
from msingi.signin.rules import is_client_id, staff_account_id
from msingi.signin.ways import routes as ways
from msingi.signin.wire import b64, say, secret_hash


async def _form(request: WebRequest) -> dict[str, list[str]]:
    """The fields of a form of ours, of this site."""
    flow.check_origin(request)
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl((await request.body()).decode("utf-8", "replace")):
        fields.setdefault(name, []).append(value)
    return fields


def _one(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0]


def _chosen(request: WebRequest, going: Flow) -> tuple[Flow, str]:
    """The flow in the language that a link has just chosen, and that language."""
    chosen = request.query_params.get("lang", "")
    if chosen in page.offered(web.stack(request)):
        going = msgspec.structs.replace(going, language=chosen)
    return going, page.language(request, going.language, going.asked.ui_locales)


def _step(
    request: WebRequest, name: str, going: Flow, lang: str, *, here: str, status: int = 200, **facts: Any
) -> Response[str]:
    text = flow.sealed(request, going)
    to = going.asked.redirect_uri
    if name == "start":
        ways = factors.of(web.stack(request)).ways.values()
        facts["ways"] = [(flow.step(f"/with/{way.name}", text), way.says(lang)) for way in ways]
        if factors.of(web.stack(request)).cards:
            facts["ways"].append((flow.step("/card", text), say("way_card", lang)))
    return page.show(request, name, lang, status=status, goes_to=to, flow=text, here=here, **facts)


@get("/signin", include_in_schema=False)
async def start(request: WebRequest) -> Response[str]:
    """Step 1: number and PIN."""
    going, lang = _chosen(request, flow.opened(request, request.query_params.get("flow", "")))
    client = await acts.client(web.stack(request), going.asked.client_id)
    hint = going.asked.login_hint
    return _step(request, "start", going, lang, here="/signin", client=client.name, login=hint, wrong="")


@post("/signin/pin", include_in_schema=False)
async def pin(request: WebRequest) -> Response[Any]:
    """Step 1 answered."""
    fields = await _form(request)
    going = flow.opened(request, _one(fields, "flow"))
    stack, lang = web.stack(request), page.language(request, going.language, going.asked.ui_locales)
    client = await acts.client(stack, going.asked.client_id)
    login = _one(fields, "login")[:100]
    ctx = acts.proving(web.request_id(request))
    alone = going.asked.factors == 1
    place = page.place_of(request)
    typed = _one(fields, "pin")
    result = await acts.verify_pin(stack, ctx, login, typed, place, client.name, one_factor=alone, untold=True)
    if result.verdict is Verdict.UNTOLD:
        going = await untold.sent(request, going, client, result.who, login)
        return page.go(flow.step("/code", flow.sealed(request, going)))
    if result.who is not None:
        if result.cookie:
            cookie = page.cookie(stack, page.SESSION, result.cookie)
            return await flow.go_on(request, going, client, result.cookie, [cookie])
        going = await flow.with_code(request, going, client, result.who)
        return page.go(flow.step("/code", flow.sealed(request, going)))
    locked = result.verdict is Verdict.LOCKED
    minutes = (result.retry_after_s + 59) // 60
    wrong = say("locked", lang, minutes=minutes) if locked else say("wrong_pin", lang)
    answer = _step(
        request,
        "start",
        going,
        lang,
        here="/signin",
        status=429 if locked else 403,
        client=client.name,
        login=login,
        wrong=wrong,
    )
    if locked:
        answer.headers["Retry-After"] = str(result.retry_after_s)
    return answer


@get("/signin/code", include_in_schema=False)
async def code(request: WebRequest) -> Response[str]:
    """Step 2: the one-time code."""
    going, lang = _chosen(request, flow.opened(request, request.query_params.get("flow", "")))
    return _step(request, "code", going, lang, here="/signin/code", tail=going.tail, wrong="")


@post("/signin/code", include_in_schema=False)
async def code_answer(request: WebRequest) -> Response[Any]:
    """Step 2 answered."""
    fields = await _form(request)
    going = flow.opened(request, _one(fields, "flow"))
    if going.who is None or going.challenge_id is None:
        raise FlowLost(rule="a code was sent")
    stack, lang = web.stack(request), page.language(request, going.language, going.asked.ui_locales)
    client = await acts.client(stack, going.asked.client_id)
    ctx, typed = acts.proving(web.request_id(request)), _one(fields, "code")
    if going.untold:
        verdict, opened = await untold.tried(request, going, client, typed)
    else:
        place = page.place_of(request)
        verdict, opened = await acts.verify_code(stack, ctx, going.who, going.challenge_id, typed, place, client.name)
    if verdict is not Verdict.RIGHT:
        wrong = say("code_wrong" if verdict is Verdict.WRONG else "code_dead", lang)
        return _step(request, "code", going, lang, here="/signin/code", status=403, tail=going.tail, wrong=wrong)
    going = msgspec.structs.replace(going, who=None, challenge_id=None, tail="", untold=0)
    return await flow.go_on(request, going, client, opened, [page.cookie(stack, page.SESSION, opened)])


@post("/signin/code/again", include_in_schema=False)
async def code_again(request: WebRequest) -> Response[Any]:
    """Another code, for whom the first did not reach."""
    going = flow.opened(request, _one(await _form(request), "flow"))
    if going.who is None:
        raise FlowLost(rule="a code was sent")
    client = await acts.client(web.stack(request), going.asked.client_id)
    anew = untold.again(request, going, client) if going.untold else flow.with_code(request, going, client, going.who)
    return page.go(flow.step("/code", flow.sealed(request, await anew)))


@get("/signin/consent", include_in_schema=False)
async def consent(request: WebRequest) -> Response[str]:
    """Step 3, for software of others: what may it learn?"""
    going, lang = _chosen(request, flow.opened(request, request.query_params.get("flow", "")))
    stack = web.stack(request)
    client = await acts.client(stack, going.asked.client_id)
    members = {m.code: stack.profile.say(m.name, lang) for m in stack.profile.institutions}
    return _step(
        request,
        "consent",
        going,
        lang,
        here="/signin/consent",
        client=client.name,
        institution=members.get(client.institution, client.institution),
        claims=list(dict.fromkeys(going.asked.claims + going.asked.id_claims)),
        essential=going.asked.essential,
        powers=[(p, extend.of(stack).says(p, going.asked.details, lang)) for p in going.asked.powers],
    )


@post("/signin/consent", include_in_schema=False)
async def consent_answer(request: WebRequest) -> Response[Any]:
    """Step 3 answered."""
    fields = await _form(request)
    going = flow.opened(request, _one(fields, "flow"))
    if _one(fields, "decision") != "agree":
        return page.go(flow.back(request, going.asked, **flow.told(AccessDenied())))
    stack, session = web.stack(request), page.cookie_of(request, page.SESSION)
    client = await acts.client(stack, going.asked.client_id)
    wanted = dict.fromkeys(going.asked.claims + going.asked.id_claims + going.asked.powers)
    # What the client cannot do without is agreed to with the button, or refused with the other one.
    ticked = tuple(c for c in wanted if c in fields.get("claim", []) or c in going.asked.essential)
    kept = tuple(c for c in ticked if not c.startswith("details:"))
    await provider.agree(stack, session, client, going.asked, kept, web.request_id(request))
    return await flow.go_on(request, going, client, session, decided=ticked)


async def _visit(request: WebRequest, name: str, text: str) -> tuple[factors.Factor, factors.Visit, Flow, Client]:
    """A factor and this browser's try of it. Raises FlowLost, NotFound for a factor that is not offered."""
    stack, going = web.stack(request), flow.opened(request, text)
    way = factors.of(stack).ways.get(name)
    if way is None:
        raise NotFound()
    client = await acts.client(stack, going.asked.client_id)
    ticket = b64(secret_hash(f"{name}|{going.asked.request_id}".encode() + going.device_hash))
    visit = factors.Visit(
        stack=stack,
        request=request,
        ticket=ticket,
        here=flow.step(f"/with/{name}", text),
        done=flow.step(f"/with/{name}/done", text),
        language=page.language(request, going.language, going.asked.ui_locales),
        client=client.name,
    )
    return way, visit, going, client


@get("/signin/with/{name:str}", include_in_schema=False)
async def other_way(request: WebRequest, name: str) -> Response[Any]:
    """Step 1 by a factor of another room."""
    way, visit, _, _ = await _visit(request, name, request.query_params.get("flow", ""))
    return await way.begin(visit)


@route("/signin/with/{name:str}/done", http_method=["GET", "POST"], include_in_schema=False)
async def other_way_done(request: WebRequest, name: str) -> Response[Any]:
    """A factor of another room may have proved something: go on if it has, else show its page again."""
    if request.method == "POST":
        flow.check_origin(request)
    way, visit, going, client = await _visit(request, name, request.query_params.get("flow", ""))
    proved = await way.finish(visit)
    if proved is None:
        return page.go(visit.here)
    stack, ctx = web.stack(request), acts.proving(web.request_id(request))
    opened = await acts.accept_factor(stack, ctx, proved, page.place_of(request), client.name)
    return await flow.go_on(request, going, client, opened, [page.cookie(stack, page.SESSION, opened)])


@post("/signin/leave", include_in_schema=False)
async def leave(request: WebRequest) -> Response[Any]:
    """Sign out, once it was confirmed."""
    ticket = provider_routes.opened_ticket(request, _one(await _form(request), "ticket"))
    return await provider_routes.sign_out(request, ticket)


class OpenSession(msgspec.Struct, frozen=True):
    """One of the caller's own sessions: id, browser, how many factors were proved, and when."""

    session_id: UUID
    browser: str
    factors: int
    signed_in_at: datetime
    seen_at: datetime


async def _own(request: WebRequest) -> tuple[Context, PersonId]:
    ctx = await web.context(request, "subject-access", "contract", signed_in=True)
    if ctx.actor.kind is Kind.PERSON:
        return ctx, PersonId(UUID(ctx.actor.id))
    if ctx.actor.kind is Kind.STAFF:
        return ctx, staff_account_id(ctx.actor.id)
    raise NotPermitted(act="signin.list-sessions")


@get("/v1/sessions", tags=["signin"])
async def list_sessions(request: WebRequest) -> list[OpenSession]:
    """Where the caller is signed in, newest first."""
    ctx, account = await _own(request)
    found = await acts.list_sessions(web.stack(request), ctx, account)
    return [OpenSession(s.session_id, s.agent, s.factors, s.proved_at, s.seen_at) for s in found]


@delete("/v1/sessions/{session_id:uuid}", tags=["signin"])
async def end_session(request: WebRequest, session_id: UUID) -> None:
    """End one of the caller's sessions, and the tokens that came out of it."""
    ctx, account = await _own(request)
    if not await acts.end_session(web.stack(request), ctx, account, session_id):
        raise NotFound()


@get("/v1/agreements", tags=["signin"])
async def list_agreements(request: WebRequest) -> list[Agreement]:
    """What the caller agreed that software may learn at sign-in."""
    ctx, person_id = await own.caller(request, "consent-management", "signin.list-agreements")
    return await provider.list_agreements(web.stack(request), ctx, person_id)


@delete("/v1/agreements/{client_id:str}", tags=["signin"])
async def withdraw(request: WebRequest, client_id: str) -> None:
    """Take an agreement back; all tokens of that software end at once."""
    ctx, person_id = await own.caller(request, "consent-management", "signin.list-agreements")
    if not is_client_id(client_id) or not await provider.withdraw(web.stack(request), ctx, person_id, client_id):
        raise NotFound()


class RecoveryOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account to give back: the person's number, the PIN that they typed, and the checks that were made."""

    number: str
    pin: str
    checks: tuple[str, ...]


class Given(msgspec.Struct, frozen=True):
    """Until when weighty acts wait."""

    until: datetime


@post("/v1/signin/recoveries", status_code=200, tags=["signin"])
async def recover(request: WebRequest, data: JSONBody[RecoveryOrder]) -> Given:
    """Give somebody back their account at a centre, after an officer's checks; everything that was known ends."""
    ctx, stack = await web.context(request, "identity-registration", "public-task", signed_in=True), web.stack(request)
    person_id = await identity.person_by_number(stack, ctx, data.number, to="signin.recover")
    return Given(await acts.recover(stack, ctx, person_id, data.pin, data.checks))


PAGE_ENDINGS: dict[Any, Any] = {Refusal: page.refuse, Outage: page.refuse}
pages = Router(
    "/",
    route_handlers=[
        start,
        pin,
        code,
        code_answer,
        code_again,
        consent,
        consent_answer,
        other_way,
        other_way_done,
        leave,
        *provider_routes.pages,
        *ciba.pages,
        *esignet.pages,
        *passkeys.pages,
        *cards.pages,
        *ways.pages,
    ],
    exception_handlers=PAGE_ENDINGS,
    request_max_body_size=flow.FORM,
)
doors = Router("/", route_handlers=[list_sessions, end_session, list_agreements, withdraw, recover])
routers = [pages, doors, provider_routes.doors, bearer.doors, answers.doors, ciba.doors, esignet.doors, ways.doors]
dialects = {
    "/oauth": oauth_dialect,
    "/v1/esignet": esignet.esignet_dialect,
    "/v1/esignet/oauth": oauth_dialect,
    "/v1/esignet/oidc": oauth_dialect,
}
authenticators = [bearer.authenticate]
hot = [*provider_routes.hot, *bearer.hot, *answers.hot]
