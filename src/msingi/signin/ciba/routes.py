"""Doors of requests to approve: where software asks, and where people decide, on a page or from an app."""

from typing import Any
from uuid import UUID

from litestar import Response, Router, get, post
from litestar.params import JSONBody

from msingi.kernel import web
from msingi.kernel.errors import NotFound, NotPermitted, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import flow, own, page, wire
from msingi.signin.ciba import acts, rules
from msingi.signin.ciba.model import GRANT, Accepted, Decision, Waiting
from msingi.signin.errors import InvalidRequestObject, UnauthorizedClient, UseDpopNonce
from msingi.signin.model import Client, Profile
from msingi.signin.page import WebRequest
from msingi.signin.provider import extend, rsakeys
from msingi.signin.provider.acts import ID_TYPE, client_context
from msingi.signin.provider.proofs import ALGORITHMS
from msingi.signin.provider.routes import FORM_TYPE, form, proven_client, unpacked, with_nonce
from msingi.signin.provider.rules import hinted_subject

NO_STORE = {"Cache-Control": "no-store"}
APPROVALS = "/signin/requests"


async def offer(stack: Stack) -> None:
    """Let the provider know the grant, and say so in its metadata (CIBA, section 4)."""
    more, url = extend.of(stack), stack.settings.url
    more.add(extend.Grant(name=GRANT, redeem=acts.redeem, registered=True))
    more.metadata |= {
        "backchannel_authentication_endpoint": f"{url}/oauth/bc-authorize",
        "backchannel_token_delivery_modes_supported": ["poll"],
        "backchannel_authentication_request_signing_alg_values_supported": list(ALGORITHMS),
        "backchannel_user_code_parameter_supported": False,
    }


async def _person(stack: Stack, client: Client, params: dict[str, str]) -> PersonId | None:
    """Whom the hint names; None for nobody, which the software is not told (law 2)."""
    if hint := params.get("id_token_hint", ""):
        sub = hinted_subject(wire.own_claims(stack.keys, hint, ID_TYPE, await rsakeys.public(stack)), client.client_id)
    else:
        sub = params["login_hint"][:100]
    own_work = signin.own_work()
    try:
        person_id = stack.pseudonym.person(client.institution, sub)
        return person_id if await signin.active_person(stack, person_id, own_work) else None
    except Refusal:
        return None if hint or signin.is_staff_login(sub) else await signin.find_account(stack, sub, own_work)


@post("/oauth/bc-authorize", status_code=200, tags=["signin"], opt={"takes": (FORM_TYPE,)})
async def ask(request: WebRequest) -> Response[Accepted]:
    """Ask a person who is elsewhere to approve a sign-in (CIBA, section 7)."""
    stack = web.stack(request)
    params = await form(request)
    client, onces = await proven_client(request, params)
    if GRANT not in client.grants or not onces:
        raise UnauthorizedClient(rule="registered for CIBA, with a key")
    if client.profile is Profile.FAPI and "request" not in params:
        raise InvalidRequestObject(field="request", rule="FAPI-CIBA asks for a signed request")
    params, signed = unpacked(stack, params, client)
    wish = rules.read_wish(params, client)
    ctx = client_context(client, True, web.request_id(request))
    person_id = await _person(stack, client, params)
    accepted = await acts.ask(stack, ctx, client, wish, person_id, onces + signed, params.get("login_hint", ""))
    return Response(accepted, status_code=200, headers=NO_STORE)


@get("/v1/signin/requests", tags=["signin"])
async def list_requests(request: WebRequest) -> list[Waiting]:
    """What waits for the caller's approval, newest first."""
    ctx, person_id = await own.caller(request, "identity-proofing", "signin.list-approvals")
    return await acts.waiting(web.stack(request), ctx, person_id)


@post("/v1/signin/requests/{request_id:uuid}", status_code=204, tags=["signin"])
async def answer_request(request: WebRequest, request_id: UUID, data: JSONBody[Decision]) -> None:
    """Approve or refuse a request, and say which claims go with a yes."""
    ctx, person_id = await own.caller(request, "identity-proofing", "signin.list-approvals")
    methods = ("app",) if ctx.actor.assurance < 2 else ("app", "mfa")
    await acts.decide(web.stack(request), ctx, person_id, request_id, data, methods, int(ctx.at.timestamp()))


@get(APPROVALS, include_in_schema=False)
async def show_requests(request: WebRequest) -> Response[Any]:
    """The page with what waits for whoever is signed in; signing in comes first."""
    held = await own.visitor(request, APPROVALS)
    if isinstance(held, Response):
        return held
    stack = web.stack(request)
    lang = page.language(request, request.query_params.get("lang", ""))
    found = await acts.waiting(stack, held.ctx("identity-proofing"), held.person_id)
    members = {m.code: stack.profile.say(m.name, lang) for m in stack.profile.institutions}
    shown = [(w, members.get(w.institution, w.institution), held.token(str(w.request_id))) for w in found]
    done = request.query_params.get("done", "")
    return page.show(request, "requests", lang, here=APPROVALS, waiting=shown, done=done)


@post(APPROVALS, include_in_schema=False)
async def decide(request: WebRequest) -> Response[Any]:
    """The person's yes or no from the page."""
    flow.check_origin(request)
    held = await own.visitor(request, APPROVALS)
    if isinstance(held, Response):
        return held
    fields = await own.fields(request)
    request_id = held.opened(fields.get("request", [""])[0])
    decision = Decision(approve=fields.get("decision") == ["agree"], claims=tuple(fields.get("claim", [])))
    session = held.session
    try:
        proved_at = int(session.proved_at.timestamp())
        ctx = held.ctx("identity-proofing")
        stack = web.stack(request)
        await acts.decide(stack, ctx, held.person_id, UUID(request_id), decision, session.methods, proved_at)
    except NotFound:
        return page.go(f"{APPROVALS}?done=late")
    except NotPermitted:
        return await own.stronger(request, APPROVALS)
    return page.go(f"{APPROVALS}?done={'yes' if decision.approve else 'no'}")


pages = [show_requests, decide]
doors = Router(
    "/",
    route_handlers=[ask, list_requests, answer_request],
    request_max_body_size=64 * 1024,
    exception_handlers={UseDpopNonce: with_nonce},
)
