"""Doors that an access token opens: userinfo, its own end; and who calls every other door."""

from typing import Any

from litestar import Response, Router, post, route

from msingi.kernel import web
from msingi.kernel.context import Actor
from msingi.kernel.hot import Hot
from msingi.kernel.stack import Stack
from msingi.signin.bearer import acts
from msingi.signin.errors import InvalidRequest, InvalidToken, UnauthorizedClient
from msingi.signin.page import WebRequest
from msingi.signin.provider import rsakeys
from msingi.signin.provider.acts import client_context
from msingi.signin.provider.model import Shown
from msingi.signin.provider.proofs import ALGORITHMS
from msingi.signin.provider.routes import FORM_TYPE, form, proven_client


def shown(request: WebRequest) -> Shown | None:
    """The access token in the Authorization header, and the proof beside it (RFC 6750, 2.1; RFC 9449, 7.1).

    A token in the query is never looked at: addresses end up in histories and logs (FAPI 2.0, section 5.3.3).
    """
    told = dict(request.scope["headers"])  # the framework's own map of them costs ten times as much
    scheme, _, text = told.get(b"authorization", b"").decode("latin-1").partition(" ")
    scheme = scheme.lower()
    if scheme not in ("bearer", "dpop"):
        return None
    proofs = []
    if b"dpop" in told:
        proofs = [value.decode("latin-1") for name, value in request.scope["headers"] if name == b"dpop"]
    if len(proofs) > 1:
        raise InvalidToken(rule="one DPoP header")
    return Shown(scheme, text.strip(), proofs[0] if proofs else "", request.method, request.scope["path"])


async def authenticate(stack: Stack, request: WebRequest) -> Actor | None:
    """Who calls, by access token; None where the request shows none. Raises InvalidToken for a bad one."""
    token = shown(request)
    return None if token is None else await acts.admit(stack, token)


@route(["/oauth/userinfo", "/v1/esignet/oidc/userinfo"], http_method=["GET", "POST"], status_code=200, tags=["signin"])
async def userinfo(request: WebRequest) -> Response[Any]:
    """The claims that the person granted (OpenID Connect Core, section 5.3)."""
    token = shown(request)
    if token is None:
        raise InvalidToken(rule="Authorization header")
    stack = web.stack(request)
    claims, client = await acts.userinfo(stack, token, web.request_id(request))
    if client.userinfo_signed:
        # Signed for clients that registered for it (OpenID Connect Core, section 5.3.2).
        said = claims | {"iss": stack.settings.url, "aud": client.client_id}
        signed = await rsakeys.signed_for(stack, client, "JWT", said)
        return Response(signed, headers={"Cache-Control": "no-store"}, media_type="application/jwt")
    return Response(claims, headers={"Cache-Control": "no-store"})


@post("/oauth/revoke", status_code=200, tags=["signin"], opt={"takes": (FORM_TYPE,)})
async def revoke(request: WebRequest) -> Response[dict[str, Any]]:
    """End a token and all of its grant; the answer is the same when there is nothing to end (RFC 7009, 2.2)."""
    params = await form(request)
    client, onces = await proven_client(request, params)
    if not params.get("token"):
        raise InvalidRequest("token is missing.", field="token", rule="present")
    ctx = client_context(client, bool(onces), web.request_id(request))
    await acts.revoke(web.stack(request), ctx, client, params["token"], onces)
    return Response({}, headers={"Cache-Control": "no-store"})


@post("/oauth/introspect", status_code=200, tags=["signin"], opt={"takes": (FORM_TYPE,)})
async def introspect(request: WebRequest) -> Response[dict[str, Any]]:
    """What a token of this client's institution is good for; `active` false for every other one (RFC 7662)."""
    params = await form(request)
    client, onces = await proven_client(request, params)
    if not onces:
        raise UnauthorizedClient(rule="a client that holds a key")
    if not params.get("token"):
        raise InvalidRequest("token is missing.", field="token", rule="present")
    ctx = client_context(client, True, web.request_id(request))
    found = await acts.introspect(web.stack(request), ctx, client, params["token"], onces)
    return Response(found, headers={"Cache-Control": "no-store"})


def challenge(request: WebRequest, refused: InvalidToken) -> Response[bytes]:
    """A refused token, with the reason in the challenge too (RFC 6750, section 3; RFC 9449, section 7.1)."""
    answer = web.on_refusal(request, refused)
    scheme = "DPoP" if request.headers.get("authorization", "").lower().startswith("dpop") else "Bearer"
    algorithms = f', algs="{" ".join(ALGORITHMS)}"' if scheme == "DPoP" else ""
    answer.headers["WWW-Authenticate"] = f'{scheme} realm="msingi", error="{refused.oauth}"{algorithms}'
    return answer


_endings: Any = {InvalidToken: challenge}
doors = Router(
    "/",
    route_handlers=[userinfo, revoke, introspect],
    request_max_body_size=64 * 1024,
    exception_handlers=_endings,
)
hot = [Hot("/oauth/userinfo", userinfo.fn, method="GET", endings=_endings)]
