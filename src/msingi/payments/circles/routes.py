"""Doors of rotating groups, for programs that people use to keep them."""

from datetime import date
from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.circles import acts, rules, turning
from msingi.payments.circles.model import Circle, CircleOrder, PaidIn, TurnPayment
from msingi.payments.groups.model import Named

BodyId = Annotated[UUID, PathParameter(description="Id of a rotating group.")]
Place = Annotated[int, Meta(ge=0, le=rules.MOST)]


class CircleBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A rotating group to found; see `CircleOrder`."""

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    name_of_founder: Annotated[str, Meta(min_length=1, max_length=40)]
    amount_minor: Amount
    every: Annotated[str, Meta(max_length=12)]
    first_day: date
    members: Annotated[list[Named], Meta(max_length=rules.MOST)]
    by_lot: bool = False
    founder_turn: Annotated[int, Meta(ge=1, le=rules.MOST)] = 1


class JoinBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Take the place, or decline it, which ends the group."""

    accept: bool


class TurnBody(Struct, frozen=True, forbid_unknown_fields=True):
    """For which round (0: the first that is not paid), and for the member at which place (0: the caller)."""

    round: Place = 0
    place: Place = 0


class Begun(Struct, frozen=True):
    """The id of a new rotating group."""

    body_id: str


@post("/circles")
async def found_circle(request: AnyRequest, data: JSONBody[CircleBody], key: Key) -> Begun:
    """Found a rotating group; it begins when everybody has accepted. 400, 403, 404."""
    order = CircleOrder(
        key=key, name=data.name, name_of_founder=data.name_of_founder, amount_minor=data.amount_minor,
        every=data.every, first_day=data.first_day, members=data.members, by_lot=data.by_lot,
        founder_turn=data.founder_turn,
    )  # fmt: skip
    return Begun(await acts.found_circle(web.stack(request), await paying_context(request), order))


@get("/circles")
async def own_circles(request: AnyRequest) -> list[Circle]:
    """The caller's rotating groups and invitations. 403."""
    ctx = await paying_context(request)
    return await acts.own_circles(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@get("/circles/{body_id:uuid}")
async def see_circle(request: AnyRequest, body_id: BodyId) -> Circle:
    """One rotating group: turns, and who has paid for which. 404."""
    return await acts.see_circle(web.stack(request), await paying_context(request), str(body_id))


@post("/circles/{body_id:uuid}/answer", status_code=200)
async def answer_circle(request: AnyRequest, body_id: BodyId, data: JSONBody[JoinBody]) -> list[Circle]:
    """Take the place, or decline it; the caller's rotating groups as they stand now. 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    await acts.answer_circle(stack, ctx, str(body_id), data.accept)
    return await acts.own_circles(stack, ctx)


@post("/circles/{body_id:uuid}/contributions")
async def pay_turn(request: AnyRequest, body_id: BodyId, data: JSONBody[TurnBody], key: Key) -> PaidIn:
    """Pay for a round out of the own wallet. 404, 409."""
    order = TurnPayment(key=key, body_id=str(body_id), round=data.round, place=data.place)
    return await turning.pay_turn(web.stack(request), await paying_context(request), order)


@post("/circles/{body_id:uuid}/leaving", status_code=200)
async def leave_circle(request: AnyRequest, body_id: BodyId) -> list[Circle]:
    """Leave; whoever was paid by others pays them first. 404, 409 payments.still-owing."""
    stack, ctx = web.stack(request), await paying_context(request)
    await acts.leave_circle(stack, ctx, str(body_id))
    return await acts.own_circles(stack, ctx)


routers = [
    Router(
        "/v1/payments",
        route_handlers=[found_circle, own_circles, see_circle, answer_circle, pay_turn, leave_circle],
        tags=["payments"],
    )
]
