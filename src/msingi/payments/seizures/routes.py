"""Doors of seizures: for account officers, and for whoever holds the account."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.seizures import acts
from msingi.payments.seizures.model import Seizure, SeizureOrder, SeizurePage

SeizureId = Annotated[UUID, PathParameter(description="Id of a seizure.")]
Number = Annotated[str, Meta(max_length=24)]


class SeizureBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What stands on a legal order; see `SeizureOrder`."""

    account: Number
    amount_minor: Amount
    number: Annotated[str, Meta(min_length=1, max_length=60)]
    authority: Annotated[str, Meta(min_length=1, max_length=80)]
    issued_on: date
    last_day: date
    pay_to: Number


class LiftBody(Struct, frozen=True, forbid_unknown_fields=True):
    """By which paper an order ends before its day."""

    why: Annotated[str, Meta(min_length=1, max_length=140)]


@post("")
async def seize(request: AnyRequest, data: JSONBody[SeizureBody], key: Key) -> Seizure:
    """Enter a legal order; what the account can give is held at once. 400, 403, 404, 409."""
    order = SeizureOrder(
        key=key, account=data.account, amount_minor=data.amount_minor, number=data.number, authority=data.authority,
        issued_on=data.issued_on, last_day=data.last_day, pay_to=data.pay_to,
    )  # fmt: skip
    return await acts.seize(web.stack(request), await paying_context(request), order)


@get("")
async def see_seizures(
    request: AnyRequest,
    place: Annotated[str, QueryParameter(max_length=90, description="What the page before gave as `next_place`.")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many at most.")] = 25,
) -> SeizurePage:
    """All orders, newest first, for account officers. 400, 403."""
    return await acts.see_seizures(web.stack(request), await paying_context(request), place=place, limit=limit)


@get("/own")
async def own_seizures(request: AnyRequest) -> list[Seizure]:
    """The orders over the caller's accounts. 403."""
    ctx = await paying_context(request)
    return await acts.own_seizures(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@post("/{seizure_id:uuid}/payment", status_code=200)
async def pay_seized(request: AnyRequest, seizure_id: SeizureId) -> Seizure:
    """Pay over what is held; by another officer than the one who entered it. 403, 404, 409."""
    return await acts.pay_seized(web.stack(request), await paying_context(request), str(seizure_id))


@post("/{seizure_id:uuid}/lifting", status_code=200)
async def lift_seizure(request: AnyRequest, seizure_id: SeizureId, data: JSONBody[LiftBody]) -> Seizure:
    """End an order before its day. 400, 403, 404, 409."""
    return await acts.lift_seizure(web.stack(request), await paying_context(request), str(seizure_id), data.why)


routers = [
    Router(
        "/v1/payments/seizures",
        route_handlers=[seize, see_seizures, own_seizures, pay_seized, lift_seizure],
        tags=["payments"],
    )
]
