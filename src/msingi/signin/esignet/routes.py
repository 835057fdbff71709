"""Doors as eSignet names them. Faults come in eSignet's envelope, with status 200, as its clients expect."""

from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Response, Router, get, post, put

from msingi.kernel import clock, web
from msingi.kernel.context import Context
from msingi.signin import acts, page
from msingi.signin.errors import BadRegistration, InvalidClient, InvalidRequest, UseDpopNonce
from msingi.signin.esignet import binding, linking, rules, steps
from msingi.signin.esignet.envelope import HERE, body_of, told
from msingi.signin.esignet.envelope import esignet_dialect as esignet_dialect
from msingi.signin.esignet.rules import Fault
from msingi.signin.page import WebRequest
from msingi.signin.provider import routes as provider

PENDING = "PENDING"  # until another operator sends the same, or presses the button at /staff/clients


async def _ctx(request: WebRequest) -> Context:
    return await web.context(request, "operations", "public-task", channel="api", signed_in=True)


@post(f"{HERE}/client-mgmt/oidc-client", status_code=200, tags=["signin"])
async def create(request: WebRequest) -> Response[dict[str, Any]]:
    """Register software of an institution, as eSignet's client management does: two operators ask for the same."""
    ctx, stack = await _ctx(request), web.stack(request)
    try:
        asked = rules.check_time(await body_of(request), clock.now())
        client_id = asked.get("clientId")
        client_id = client_id if isinstance(client_id, str) else ""
        if rules.is_client_id(client_id) and await _known(request, client_id):
            raise Fault("duplicate_client_id", "this client id is registered already")
        new = rules.read(asked, client_id)
        in_force = await acts.add_client_together(stack, ctx, new)
    except Fault as fault:
        return told(None, fault)
    except BadRegistration as wrong:
        return told(None, Fault("invalid_input", str(wrong.facts.get("rule", ""))))
    return told({"clientId": new.client_id, "status": "ACTIVE" if in_force else PENDING})


async def _known(request: WebRequest, client_id: str) -> Any:
    try:
        return await acts.client(web.stack(request), client_id)
    except InvalidClient:
        return None


@put(HERE + "/client-mgmt/oidc-client/{client_id:str}", tags=["signin"])
async def update(request: WebRequest, client_id: str) -> Response[dict[str, Any]]:
    """Replace a registration, which two operators ask for, or end it with the status INACTIVE, which one can."""
    ctx, stack = await _ctx(request), web.stack(request)
    try:
        asked = rules.check_time(await body_of(request), clock.now())
        known = await _known(request, client_id)
        if known is None:
            raise Fault("invalid_client_id", "this client id is not registered")
        status = str(asked.get("status", "")).upper()
        if status not in ("ACTIVE", "INACTIVE"):
            raise Fault("invalid_status", "ACTIVE or INACTIVE")
        # eSignet's update leaves the key and the institution as they are.
        new = rules.read({"publicKey": known.jwks[0], **asked}, client_id, known.institution)
        if status == "INACTIVE":
            await acts.retire_client(stack, ctx, client_id)
        else:
            changed = msgspec.structs.replace(new, institution=known.institution)
            status = status if await acts.add_client_together(stack, ctx, changed) else PENDING
    except Fault as fault:
        return told(None, fault)
    except BadRegistration as wrong:
        return told(None, Fault("invalid_input", str(wrong.facts.get("rule", ""))))
    return told({"clientId": client_id, "status": status})


@post(
    [f"{HERE}/oauth/token", f"{HERE}/oauth/v2/token"],
    status_code=200,
    tags=["signin"],
    opt={"takes": (provider.FORM_TYPE,)},
    exception_handlers={UseDpopNonce: provider.with_nonce},
)
async def tokens(request: WebRequest) -> Response[Any]:
    """The token endpoint; what a form lacks is told by eSignet's names, all else as everywhere."""
    try:
        sent = await provider.form(request)
    except InvalidRequest:
        sent = {}
    fault = rules.token_fault(sent)
    if fault is None:
        return await provider.tokens.fn(request)
    told_by = {"error": fault.code, "error_description": fault.message}
    return Response(told_by, status_code=400, headers=provider.NO_STORE)


@get("/authorize", include_in_schema=False)
async def authorize(request: WebRequest) -> Response[Any]:
    """Where eSignet's own page stands: the same request at our door."""
    query = urlsplit(str(request.url)).query
    return page.go(f"/oauth/authorize?{query}" if query else "/oauth/authorize")


pages = [authorize]
_handlers = [create, update, tokens, *steps.doors, *linking.doors, *binding.doors]
doors = Router("/", route_handlers=_handlers, request_max_body_size=64 * 1024)
