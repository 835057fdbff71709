"""Doors of estates, for account officers."""

from datetime import date
from typing import Annotated

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments.bank.doors import AnyRequest, Key, paying_context
from msingi.payments.estates import acts
from msingi.payments.estates.model import Estate, EstateOrder, HeirShare

Number = Annotated[str, Meta(min_length=1, max_length=24)]


class CertificateBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands on the certificate; see `EstateOrder`."""

    account: Number
    number: Annotated[str, Meta(min_length=1, max_length=60)]
    authority: Annotated[str, Meta(min_length=1, max_length=80)]
    issued_on: date
    heirs: Annotated[list[HeirShare], Meta(min_length=1, max_length=30)]


class AgreeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a second officer agrees."""

    agrees: bool


@post("")
async def propose(request: AnyRequest, data: JSONBody[CertificateBody], key: Key) -> Estate:
    """Enter a certificate. 400, 403, 404, 409 payments.not-deceased, payments.estate-exists."""
    order = EstateOrder(
        key=key, account=data.account, number=data.number, authority=data.authority, issued_on=data.issued_on,
        heirs=data.heirs,
    )  # fmt: skip
    return await acts.propose_estate(web.stack(request), await paying_context(request), order)


@get("")
async def estates(
    request: AnyRequest,
    place: Annotated[str, QueryParameter(max_length=90, description="What the page before gave as `next_place`.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many at most.")] = 25,
) -> acts.EstatePage:
    """All estates, the newest first. 400, 403."""
    return await acts.see_estates(web.stack(request), await paying_context(request), place=place, limit=limit)


@get("/{estate_id:str}")
async def one(request: AnyRequest, estate_id: FromPath[str]) -> Estate:
    """The statement of an estate. 403, 404 payments.no-such-estate."""
    return await acts.see_estate(web.stack(request), await paying_context(request), estate_id)


@post("/{estate_id:str}/decision", status_code=200)
async def decide(request: AnyRequest, estate_id: FromPath[str], data: JSONBody[AgreeBody]) -> Estate:
    """Agree to what another officer entered, or refuse it. 403, 404, 409 payments.own-estate, payments.estate-ended."""
    return await acts.decide_estate(web.stack(request), await paying_context(request), estate_id, agrees=data.agrees)


@post("/{estate_id:str}/close", status_code=200)
async def close(request: AnyRequest, estate_id: FromPath[str]) -> Estate:
    """Close an estate whose accounts are empty. 403, 404, 409 payments.estate-not-empty."""
    return await acts.close_estate(web.stack(request), await paying_context(request), estate_id)


routers = [Router("/v1/payments/estates", route_handlers=[propose, estates, one, decide, close], tags=["payments"])]
