"""Doors of the provider: metadata, keys, pushed requests, authorization, tokens, signing out."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Response, Router, get, post

from msingi.kernel import clock, web
from msingi.kernel.errors import Refusal
from msingi.kernel.hot import Hot
from msingi.kernel.ids import token
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import flow as flows
from msingi.signin import page, wire
from msingi.signin.errors import (
    FlowLost,
    InvalidClient,
    InvalidProof,
    InvalidRequest,
    InvalidRequestObject,
    RedirectMismatch,
    RequestNotSupported,
    UnauthorizedClient,
    UnsupportedGrant,
    UseDpopNonce,
)
from msingi.signin.model import Client, Profile
from msingi.signin.page import WebRequest
from msingi.signin.provider import acts, extend, rsakeys, rules
from msingi.signin.provider.model import (
    FLOW_TTL_S,
    REQUEST_TTL_S,
    REQUEST_URI,
    Asked,
    Flow,
    Once,
    Pushed,
    TokenOrder,
    Tokens,
)
from msingi.signin.provider.proofs import (
    assertion_client,
    known_nonces,
    verify_assertion,
    verify_dpop,
    verify_request_object,
)
from msingi.signin.provider.wire import metadata

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FORM_TYPE = "application/x-www-form-urlencoded"
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class Ticket(msgspec.Struct, frozen=True):
    """A wish to sign out that waits for confirmation in the same browser: where to go then."""

    to: str
    device_hash: bytes
    expires_at: int


async def form(request: WebRequest) -> dict[str, str]:
    """The parameters of a form. Raises InvalidRequest for another media type or a parameter that comes twice."""
    if request.content_type[0] != FORM_TYPE:
        raise InvalidRequest(f"Send {FORM_TYPE}.", field="Content-Type", rule=FORM_TYPE)
    try:
        pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise InvalidRequest("The form is not UTF-8, or too long.", field="body", rule="form") from None
    return rules.single(pairs)


async def proven_client(
    request: WebRequest, params: dict[str, str], *, anonymous: bool = False
) -> tuple[Client, tuple[Once, ...]]:
    """The client that asks, proved as its registration promises, and what of the proof may not come twice.

    Raises InvalidClient. (RFC 6749, section 2.3; RFC 7521, section 4.2)
    """
    stack = web.stack(request)
    assertion = params.get("client_assertion", "")
    if not assertion:
        for added in extend.of(stack).proofs.values():
            found = await added.prove(request, params)
            if found is not None:
                if found[0].auth != added.method:
                    raise InvalidClient(rule=f"registered for {found[0].auth}")
                return found
        if anonymous and "client_id" not in params:
            return extend.ANONYMOUS, ()
        client = await signin.client(stack, params.get("client_id", ""))
        if client.profile is not Profile.PUBLIC:
            raise InvalidClient(rule=client.auth)
        return client, ()
    if params.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(rule="client_assertion_type")
    client_id = assertion_client(assertion)
    if params.get("client_id", client_id) != client_id:
        raise InvalidClient(rule="client_id is the assertion's sub")
    client = await signin.client(stack, client_id)
    if client.auth != "private_key_jwt":
        raise InvalidClient(rule=f"registered for {client.auth}")
    once = verify_assertion(assertion, client, stack.settings.url, clock.now().timestamp())
    return client, (once,)


def shown_key(request: WebRequest, client: Client) -> tuple[str, tuple[Once, ...]]:
    """The key that a DPoP proof of this request shows, empty without proof. Raises InvalidProof, UseDpopNonce."""
    proofs = request.headers.getall("dpop", [])
    if not proofs:
        return "", ()
    if len(proofs) > 1:
        raise InvalidProof(rule="one DPoP header")
    stack, now = web.stack(request), clock.now().timestamp()
    url = stack.settings.url + request.url.path
    proof = verify_dpop(
        proofs[0], request.method, url, now, nonces=known_nonces(stack.keys, now), nonce_demanded=client.dpop_nonce
    )
    return proof.jkt, (proof.once,)


def fresh(request: WebRequest) -> dict[str, str]:
    """Headers of an answer that nobody keeps, with the nonce for the next DPoP proof (RFC 9449, section 8.2)."""
    return NO_STORE | {"DPoP-Nonce": known_nonces(web.stack(request).keys, clock.now().timestamp())[0]}


def with_nonce(request: WebRequest, refused: UseDpopNonce) -> Response[bytes]:
    """The refusal of a proof without our nonce, with that nonce (RFC 9449, section 8)."""
    answer = web.on_refusal(request, refused)
    answer.headers.update(fresh(request))
    return answer


@get(
    [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
        "/v1/esignet/oidc/.well-known/openid-configuration",
    ],
    tags=["signin"],
)
async def provider_metadata(request: WebRequest) -> Response[dict[str, Any]]:
    """What this provider offers (OpenID Connect Discovery 1.0; RFC 8414)."""
    stack = web.stack(request)
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return Response(metadata(stack.settings.url, page.offered(stack), extend.of(stack)), headers=headers)


@get(
    ["/oauth/jwks", "/.well-known/jwks.json", "/v1/esignet/oauth/.well-known/jwks.json"],
    tags=["signin"],
)
async def jwks(request: WebRequest) -> Response[dict[str, Any]]:
    """The keys that verify this provider's tokens, current ones first (RFC 7517); an RSA key leads, if there is one."""
    stack = web.stack(request)
    headers = {"Cache-Control": "public, max-age=300", "Access-Control-Allow-Origin": "*"}
    return Response({"keys": [*await rsakeys.public(stack), *stack.keys.public("oidc")]}, headers=headers)


@post("/oauth/par", status_code=201, tags=["signin"], opt={"takes": (FORM_TYPE,)})
async def push(request: WebRequest) -> Response[Pushed]:
    """Accept a pushed authorization request (RFC 9126, section 2), also as a signed request object (RFC 9101)."""
    stack = web.stack(request)
    params = await form(request)
    client, onces = await proven_client(request, params)
    jkt, proofs = shown_key(request, client)
    ctx = acts.client_context(client, bool(onces), web.request_id(request))
    now = int(clock.now().timestamp())
    params, signed = unpacked(stack, params, client)
    rules.check_destination(client, params.get("redirect_uri", ""))
    more = extend.of(stack)
    asked = rules.read_request(params, client, more, pushed=True, request_id=token(16), now=now, jkt=jkt)
    sealed = await acts.push(stack, ctx, await hinted(stack, params, asked), onces + proofs + signed)
    return Response(Pushed(REQUEST_URI + sealed, REQUEST_TTL_S), status_code=201, headers=fresh(request))


def unpacked(stack: Stack, params: dict[str, str], client: Client) -> tuple[dict[str, str], tuple[Once, ...]]:
    """The parameters inside a signed request object, and nothing beside it (RFC 9101, section 6.3)."""
    if "request" not in params:
        return params, ()
    inside, once = verify_request_object(params["request"], client, stack.settings.url, clock.now().timestamp())
    if params.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequestObject(rule="client_id")
    return inside, (once,) if once else ()


async def hinted(stack: Stack, params: dict[str, str], asked: Asked) -> Asked:
    """The request with the subject that `id_token_hint` names (OpenID Connect Core, section 3.1.2.1)."""
    if hint := params.get("id_token_hint", ""):
        claims = wire.own_claims(stack.keys, hint, acts.ID_TYPE, await rsakeys.public(stack))
        sub = rules.hinted_subject(claims, asked.client_id)
        if asked.subject not in ("", sub):
            raise InvalidRequest("id_token_hint and claims name different people.", field="id_token_hint", rule="sub")
        return msgspec.structs.replace(asked, subject=sub)
    return asked


def pushed(request: WebRequest, request_uri: str, client: Client) -> Asked:
    """The request that was pushed. Raises FlowLost for another's, an old or an invented one (RFC 9126, section 4)."""
    text = request_uri.removeprefix(REQUEST_URI)
    if text == request_uri:
        raise RequestNotSupported(field="request_uri", rule="request_uri is one that this provider gave")
    asked = wire.unseal(web.stack(request).seal, "request", text, Asked)
    if asked.client_id != client.client_id:
        raise FlowLost(rule="request_uri of this client")
    if asked.expires_at <= clock.now().timestamp():
        raise FlowLost(rule=f"request_uri is used within {REQUEST_TTL_S} seconds")
    return asked


async def _begin(request: WebRequest, params: dict[str, str]) -> Response[Any]:
    stack, now = web.stack(request), int(clock.now().timestamp())
    client = await signin.client(stack, params.get("client_id", ""))
    if "request_uri" in params:
        asked = pushed(request, params["request_uri"], client)
        rules.check_destination(client, asked.redirect_uri)
    else:
        # Until the address is known to be the client's own, a refusal is a page (law 6).
        if "request" not in params or "redirect_uri" in params:
            rules.check_destination(client, params.get("redirect_uri", ""))
        rules.check_route(client, pushed=False)
        try:
            params, _ = unpacked(stack, params, client)
            rules.check_destination(client, params.get("redirect_uri", ""))
            asked = rules.read_request(params, client, extend.of(stack), pushed=False, request_id=token(16), now=now)
            asked = await hinted(stack, params, asked)
        except Refusal as refusal:
            if isinstance(refusal, RedirectMismatch) or "redirect_uri" not in params:
                raise
            known = {**flows.told(refusal), "state": params.get("state", ""), "iss": stack.settings.url}
            return page.go(rules.with_query(params["redirect_uri"], known))
    cookies, device = [], page.cookie_of(request, page.DEVICE)
    if not device:
        device = token(24)
        cookies.append(page.cookie(stack, page.DEVICE, device, page.DEVICE_AGE_S))
    hashed = wire.secret_hash(device.encode())
    flow = Flow(asked=asked, device_hash=hashed, begun_at=clock.now().timestamp(), expires_at=now + FLOW_TTL_S)
    return await flows.go_on(request, flow, client, page.cookie_of(request, page.SESSION), cookies)


@get("/oauth/authorize", include_in_schema=False)
async def authorize(request: WebRequest) -> Response[Any]:
    """Begin a sign-in (RFC 6749, section 4.1.1; OpenID Connect Core, section 3.1.2.1)."""
    return await _begin(request, rules.single(parse_qsl(request.url.query, keep_blank_values=True)))


@post("/oauth/authorize", include_in_schema=False)
async def authorize_by_form(request: WebRequest) -> Response[Any]:
    """The same by POST, which OpenID Connect Core asks for (section 3.1.2.1)."""
    return await _begin(request, await form(request))


@post("/oauth/token", status_code=200, tags=["signin"], opt={"takes": (FORM_TYPE,)})
async def tokens(request: WebRequest) -> Response[Tokens]:
    """Tokens for a code, a refresh token, a grant of another room, or software itself (RFC 6749, section 3.2)."""
    stack = web.stack(request)
    params = await form(request)
    grant = params.get("grant_type", "")
    added = extend.of(stack).grants.get(grant)
    client, onces = await proven_client(request, params, anonymous=added is not None and added.anonymous)
    jkt, proofs = shown_key(request, client)
    ctx = acts.client_context(client, bool(onces), web.request_id(request))
    if grant == "client_credentials":
        answer = await acts.software_token(stack, ctx, client, params.get("scope", ""), jkt, onces + proofs)
    elif grant in ("authorization_code", "refresh_token"):
        order = TokenOrder(
            grant_type=grant,
            code=params.get("code", ""),
            redirect_uri=params.get("redirect_uri", ""),
            verifier=params.get("code_verifier", ""),
            refresh_token=params.get("refresh_token", ""),
            scope=params.get("scope", ""),
        )
        answer = await acts.redeem(stack, ctx, client, order, jkt, onces + proofs)
    elif added is not None:
        if added.registered and grant not in client.grants:
            raise UnauthorizedClient(field="grant_type", rule="registered for this grant")
        ask = extend.TokenAsk(stack=stack, ctx=ctx, client=client, params=params, jkt=jkt, onces=onces + proofs)
        answer = await added.redeem(ask)
    else:
        raise UnsupportedGrant(field="grant_type")
    return Response(answer, status_code=200, headers=fresh(request))


async def _logout_target(request: WebRequest, params: dict[str, str]) -> tuple[str, bool]:
    """Where to go after signing out, and whether the hint names who is signed in (RP-Initiated Logout 1.0, 2).

    Raises RedirectMismatch for an address that the client did not register.
    """
    stack = web.stack(request)
    client_id, sub = params.get("client_id", ""), ""
    if hint := params.get("id_token_hint", ""):
        claims = wire.own_claims(stack.keys, hint, acts.ID_TYPE, await rsakeys.public(stack))
        sub = rules.hinted_subject(claims, client_id or str(claims["aud"]))
        client_id = str(claims["aud"])
    to = params.get("post_logout_redirect_uri", "")
    if not to and not sub:
        return "", False
    client = await signin.client(stack, client_id)
    if to and to not in client.logout_uris:
        raise RedirectMismatch(field="post_logout_redirect_uri")
    known = bool(sub) and acts.is_subject(stack, client, page.cookie_of(request, page.SESSION), sub)
    return to and rules.with_query(to, {"state": params.get("state", "")}), known


async def _logout(request: WebRequest, params: dict[str, str]) -> Response[Any]:
    stack = web.stack(request)
    to, known = await _logout_target(request, params)
    ticket = Ticket(to, page.device_hash(request), int(clock.now().timestamp()) + FLOW_TTL_S)
    if known or not page.cookie_of(request, page.SESSION):
        return await sign_out(request, ticket)
    # Without proof that the client knows who is signed in, the person is asked, so that nobody is signed out by a link.
    sealed = wire.seal(stack.seal, "ticket", ticket)
    lang = page.language(request, params.get("ui_locales", ""))
    return page.show(request, "leave", lang, goes_to=to, ticket=sealed)


def opened_ticket(request: WebRequest, text: str) -> Ticket:
    """The wish to sign out that a form carries. Raises FlowLost unless it is this browser's."""
    ticket = wire.unseal(web.stack(request).seal, "ticket", text, Ticket)
    if ticket.device_hash != page.device_hash(request) or ticket.expires_at <= clock.now().timestamp():
        raise FlowLost(rule="same browser, with cookies")
    return ticket


async def sign_out(request: WebRequest, ticket: Ticket) -> Response[Any]:
    """End the browser's session with all that came out of it, and go where the client asked."""
    stack, cookie = web.stack(request), page.cookie_of(request, page.SESSION)
    if cookie:
        await acts.leave(stack, cookie, web.request_id(request))
    gone = [page.cookie(stack, page.SESSION, "", 0)]
    if ticket.to:
        return page.go(ticket.to, gone)
    return page.show(request, "leave", page.language(request), cookies=gone, ticket="")


@get("/oauth/logout", include_in_schema=False)
async def logout(request: WebRequest) -> Response[Any]:
    """Sign out at the wish of a client (OpenID Connect RP-Initiated Logout 1.0, section 2)."""
    return await _logout(request, rules.single(parse_qsl(request.url.query, keep_blank_values=True)))


@post("/oauth/logout", include_in_schema=False)
async def logout_by_form(request: WebRequest) -> Response[Any]:
    """The same by POST, which the standard asks for."""
    return await _logout(request, await form(request))


pages = [authorize, authorize_by_form, logout, logout_by_form]
_endings: Any = {UseDpopNonce: with_nonce}
doors = Router(
    "/",
    route_handlers=[provider_metadata, jwks, push, tokens],
    request_max_body_size=64 * 1024,
    exception_handlers=_endings,
)
hot = [Hot(f"/oauth/{path}", door.fn, endings=_endings) for path, door in (("par", push), ("token", tokens))]
