"""Doors of the exchange: messages under /r1, the X-Road client list, the public catalogue, and its governance."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, asgi, get, post
from litestar.params import Parameter
from msgspec import Struct

from msingi.exchange import acts, gateway, govstack, mutual, wire
from msingi.exchange import model as m
from msingi.exchange.federation.door import door
from msingi.kernel import web
from msingi.kernel.context import Context

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, Parameter(ge=1, le=200, description="How many items at most.")]
After = Annotated[str, Parameter(max_length=80, description="The last code of the page before.")]


class RightEnd(Struct, frozen=True, forbid_unknown_fields=True):
    """Which right ends."""

    client: str
    service: str
    purpose: str
    basis: str


async def _governing(request: AnyRequest) -> Context:
    return await web.context(request, "data-exchange", "legal-obligation", signed_in=True)


@get("/institutions")
async def institutions(request: AnyRequest, after: After = "", limit: Limit = 50) -> list[m.Institution]:
    """The members of the exchange, by code, with their standing."""
    return await acts.institutions(web.stack(request), after, limit)


@get("/institutions/{code:str}")
async def institution(request: AnyRequest, code: str) -> m.Institution:
    """One member. 404 exchange.institution-unknown."""
    return await acts.institution(web.stack(request), code)


@post("/institutions")
async def join_institution(request: AnyRequest, data: m.JoinOrder) -> m.Institution:
    """Register an institution with its first subsystem and key; it is pending until its reinstatement, with a reason.

    The usual way is an application: /v1/exchange/applications. 400, 403, 409.
    """
    return await acts.join_institution(web.stack(request), await _governing(request), data)


@post("/subsystems")
async def add_subsystem(request: AnyRequest, data: m.SubsystemOrder) -> m.Subsystem:
    """One more piece of software of an institution, with its first key. 400, 403, 404, 409."""
    return await acts.add_subsystem(web.stack(request), await _governing(request), data)


@post("/keys")
async def add_key(request: AnyRequest, data: m.KeyOrder) -> m.Key:
    """One more key of a subsystem (RFC 8037). 400 exchange.bad-key, 403, 404, 409."""
    return await acts.add_key(web.stack(request), await _governing(request), data)


@post("/keys/{kid:str}/stop", status_code=204)
async def stop_key(request: AnyRequest, kid: str) -> None:
    """Accept a key no longer. 403, 404."""
    await acts.stop_key(web.stack(request), await _governing(request), kid)


@post("/rights")
async def grant_right(request: AnyRequest, data: m.RightOrder) -> m.Right:
    """Give a subsystem a right to a service, or say anew what it gives. 400, 403, 404, 409."""
    return await acts.grant_right(web.stack(request), await _governing(request), data)


@post("/rights/end", status_code=204)
async def end_right(request: AnyRequest, data: RightEnd) -> None:
    """End a right now. 403 also when there is none."""
    ctx = await _governing(request)
    await acts.end_right(web.stack(request), ctx, data.client, data.service, data.purpose, data.basis)


@get("/services")
async def offers(
    request: AnyRequest, after: After = "", limit: Limit = 50, owner: str = "", words: str = ""
) -> list[m.Offer]:
    """The catalogue: owner, legal bases, purposes, fields and OpenAPI description of every service."""
    return await acts.catalogue(web.stack(request), after, limit, owner, words)


@get("/services/{code:str}")
async def one_offer(request: AnyRequest, code: str) -> m.Offer:
    """One service of the catalogue. 404 exchange.service-unknown."""
    return await acts.offer(web.stack(request), code)


@get("/keys")
async def keys(request: AnyRequest) -> dict[str, Any]:
    """The public keys that sign this exchange's answers (RFC 7517), and its X-Road instance."""
    stack = web.stack(request)
    return {"keys": stack.keys.public("exchange"), "instance": gateway.instance_of(stack)}


@get("/authority", media_type="application/x-pem-file")
async def authority(request: AnyRequest) -> bytes:
    """The key that signs this exchange's answers, as a certificate authority (PEM): it signs the certificate that the
    exchange shows where a service asks for one (mutual TLS)."""
    return mutual.authorities(web.stack(request))


@get("/listClients", opt={"gives": ("text/xml", "application/json")})
async def list_clients(request: AnyRequest, xRoadInstance: str = "") -> Response[bytes]:
    """Members and subsystems, as JSON or XML (X-Road service metadata protocol, listClients)."""
    stack = web.stack(request)
    instance = gateway.instance_of(stack)
    if govstack.CLIENT in request.headers or "instanceId" in request.query_params:
        told = govstack.clients(instance, await acts.client_list(stack))
        return Response(msgspec.json.encode(told), media_type=govstack.JSON)
    here = xRoadInstance in ("", instance)
    found = wire.client_list(instance, await acts.client_list(stack) if here else [])
    if "json" in request.headers.get("accept", ""):
        return Response(msgspec.json.encode({"member": found}), media_type="application/json")
    return Response(wire.client_list_xml(found).encode(), media_type="text/xml")


messages = asgi("/r1", is_mount=True, copy_scope=True)(door)

routers = [
    Router(
        "/v1/exchange",
        route_handlers=[
            institutions, institution, join_institution, add_subsystem, add_key, stop_key,
            grant_right, end_right, offers, one_offer, keys, authority,
        ],
        tags=["exchange"],
    ),
    Router("/", route_handlers=[list_clients, messages, *govstack.doors], tags=["exchange"]),
]  # fmt: skip
dialects = {"/r1": wire.dialect, "/listClients": wire.dialect}
authenticators = [gateway.authenticate]
