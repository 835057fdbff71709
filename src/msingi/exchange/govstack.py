"""GovStack's Information Mediator, directory services: X-Road's metaservices with other names and shapes.

Its specification writes them under /r1, its test suite without; both stand here. A provider that is not known offers
nothing, so its lists are empty; a description that is asked for and not there is an error, as a JSON text.
"""

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.params import Parameter

from msingi.exchange import acts, messages, wire
from msingi.exchange.errors import BadCall, ExchangeRefusal
from msingi.exchange.model import Offer, Right
from msingi.kernel import web
from msingi.kernel.stack import Stack

CLIENT = "information-mediator-client"
JSON = "application/json; charset=utf-8"
Segment = Annotated[str, Parameter(max_length=200)]
AnyRequest = Request[Any, Any, Any]


def clients(instance: str, rows: Iterable[tuple[str, str, dict[str, str], str, str]]) -> dict[str, Any]:
    """`listClients` in GovStack's shape."""
    found = []
    for member_class, code, _, subsystem, _ in rows:
        one = {"GovStackInstance": instance, "memberClass": member_class, "memberCode": code}
        kind = "MEMBER"
        if subsystem:
            kind, one["applicationCode"] = "SUBSYSTEM", subsystem.split("/")[2]
        found.append({"objectType": {"object_type": kind}} | one)
    return {"member": found}


def methods(instance: str, offers: Iterable[Offer], rights: Iterable[Right] | None) -> dict[str, Any]:
    """`listMethods`, or `allowedMethods` when `rights` are given, in GovStack's shape."""
    found = []
    for one in wire.methods(instance, offers, rights)["service"]:
        endpoints = {"member": one["endpoint_list"]}
        found.append({
            "objectType": {"object_type": "SERVICE"}, "serviceType": one["service_type"], "endpointList": endpoints,
            "GovStackInstance": instance, "memberClass": one["member_class"], "memberCode": one["member_code"],
            "applicationCode": one["subsystem_code"], "serviceCode": one["service_code"],
        })  # fmt: skip
    return {"member": found}


def _named(stack: Stack, instance: str) -> bool:
    """Whether GovStack's clients mean this installation by `instance`."""
    also = stack.settings.govstack_instances.replace(" ", "").split(",")
    return instance in (messages.instance_of(stack), *filter(None, also))


async def listed(stack: Stack, instance: str, owner: str, client: str | None) -> dict[str, Any]:
    """The methods of an owner's services, or those that `client` may use; empty for an owner that is not known."""
    if not _named(stack, instance):
        return {"member": []}
    offers = await acts.catalogue(stack, limit=1_000, owner=owner)
    rights = None
    if client is not None:
        rights = await acts.rights_of(stack, client.partition("/")[2], owner)
    return methods(instance, offers, rights)


async def description(stack: Stack, instance: str, owner: str, service: str) -> bytes:
    """A service's OpenAPI document as a JSON text in a JSON text. Raises BadCall, OfferUnknown."""
    if not _named(stack, instance):
        raise BadCall("no such instance", field="GovStackInstance")
    offer = await acts.offer_of(stack, owner, service)
    return msgspec.json.encode(msgspec.json.encode(offer.openapi).decode())


@get("/{instance:str}/{member_class:str}/{member:str}/{application:str}/listMethods")
async def list_methods(
    request: AnyRequest, instance: Segment, member_class: Segment, member: Segment, application: Segment
) -> Response[bytes]:
    """Methods of a provider's services (GovStack Information Mediator)."""
    told = await listed(web.stack(request), instance, f"{member_class}/{member}/{application}", None)
    return Response(msgspec.json.encode(told), media_type=JSON)


@get("/{instance:str}/{member_class:str}/{member:str}/{application:str}/allowedMethods")
async def allowed_methods(
    request: AnyRequest, instance: Segment, member_class: Segment, member: Segment, application: Segment
) -> Response[bytes]:
    """Methods that the client named in Information-Mediator-Client may use (GovStack Information Mediator)."""
    client = request.headers.get(CLIENT, "")
    told = await listed(web.stack(request), instance, f"{member_class}/{member}/{application}", client)
    return Response(msgspec.json.encode(told), media_type=JSON)


@get("/{instance:str}/{member_class:str}/{member:str}/{application:str}/getOpenAPI", refuses=(JSON,))
async def get_openapi(
    request: AnyRequest, instance: Segment, member_class: Segment, member: Segment, application: Segment,
    serviceCode: str = "",
) -> Response[bytes]:  # fmt: skip
    """A service's description as JSON text (GovStack Information Mediator). 400 for anything that is not there."""
    owner = f"{member_class}/{member}/{application}"
    try:
        told, status = await description(web.stack(request), instance, owner, serviceCode), 200
    except ExchangeRefusal as no:
        told, status = msgspec.json.encode(f"{no.title}: {no.detail or no.remedy}"), 400
    return Response(told, status_code=status, media_type=JSON)


doors = [list_methods, allowed_methods, get_openapi]
