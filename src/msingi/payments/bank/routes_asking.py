"""Doors of bills, requests to pay and standing orders, for programs of banks, shops and institutions."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from litestar import Router, delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.payments import model as m
from msingi.payments.bank import asking, standing
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.bank.model import Bill, BillOrder, Standing, StandingOrder

Reference = Annotated[str, PathParameter(max_length=20, description="Reference of a bill, 12 digits.")]
Limit = Annotated[int, QueryParameter(ge=1, le=asking.MAX_PAGE)]
Name = Annotated[str, Meta(min_length=1, max_length=40)]


class BillBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A bill: paid into `account` within `days`, by anybody who has the reference or by `payer` alone."""

    account: Annotated[str, Meta(max_length=24)]
    amount_minor: Amount
    title: Annotated[str, Meta(min_length=1, max_length=80)]
    days: Annotated[int, Meta(ge=1, le=366)] = 30
    payer: Annotated[str, Meta(max_length=40)] = ""


class PayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Out of which own account a bill is paid, and what was shown that paying costs (none: whatever the terms say)."""

    payer: Annotated[str, Meta(max_length=24)]
    fee_minor: Annotated[int, Meta(ge=0)] | None = None


class StandingBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A payment that repeats each `every` (week or month)."""

    payer: Annotated[str, Meta(max_length=24)]
    payee: Name
    amount_minor: Amount
    every: Annotated[str, Meta(max_length=8)]
    first_day: date
    last_day: date | None = None
    reference: Annotated[str, Meta(max_length=100)] = ""
    fee_minor: Annotated[int, Meta(ge=0)] | None = None


@post("/bills")
async def make_bill(request: AnyRequest, data: JSONBody[BillBody], key: Key) -> Bill:
    """Ask for an amount. The answer holds the reference. 400, 403, 404, 429."""
    order = BillOrder(
        key=key, account=data.account, amount_minor=data.amount_minor, title=data.title, days=data.days,
        payer=data.payer,
    )  # fmt: skip
    return await asking.make_bill(web.stack(request), await paying_context(request), order)


@get("/bills")
async def made_bills(
    request: AnyRequest, before: datetime = asking.LATEST, before_reference: str = "", limit: Limit = 25
) -> list[Bill]:
    """A page of the bills that the caller made, newest first; `before` is the last one's `made_at`. 403."""
    stack, ctx = web.stack(request), await paying_context(request)
    if before.tzinfo is None:
        raise asking.Malformed("An instant names its offset from UTC.", field="before", rule="rfc3339")
    return await asking.made_bills(stack, ctx, before=before, before_reference=before_reference, limit=limit)


@get("/bills/received")
async def bills_for_me(request: AnyRequest) -> list[Bill]:
    """The open requests to pay that were sent to the caller. 403."""
    ctx = await paying_context(request)
    if ctx.actor.kind != "person":
        return []
    return await asking.bills_for_me(web.stack(request), ctx)


@get("/bills/{reference:str}")
async def see_bill(request: AnyRequest, reference: Reference) -> Bill:
    """What a reference asks for. Ten wrong ones in ten minutes are the limit. 404, 429."""
    return await asking.see_bill(web.stack(request), await paying_context(request), reference)


@post("/bills/{reference:str}/payment", status_code=200)
async def pay_bill(request: AnyRequest, reference: Reference, data: JSONBody[PayBody]) -> m.Receipt:
    """Pay a bill, once, whoever asks how often. 404, 409 payments.bill-ended or the ledger's reason."""
    stack, ctx = web.stack(request), await paying_context(request)
    return await asking.pay_bill(stack, ctx, reference, data.payer, data.fee_minor)


@post("/bills/{reference:str}/refusal", status_code=200)
async def refuse_bill(request: AnyRequest, reference: Reference) -> Bill:
    """Refuse a request to pay that was sent to the caller. 404, 409."""
    return await asking.refuse_bill(web.stack(request), await paying_context(request), reference)


@post("/bills/{reference:str}/withdrawal", status_code=200)
async def withdraw_bill(request: AnyRequest, reference: Reference) -> Bill:
    """Take back an own bill that was not paid. 404, 409."""
    return await asking.withdraw_bill(web.stack(request), await paying_context(request), reference)


@post("/standing-orders")
async def make_standing(request: AnyRequest, data: JSONBody[StandingBody], key: Key) -> Standing:
    """Order a payment that repeats. 400, 403, 404."""
    order = StandingOrder(
        key=key, payer=data.payer, payee=data.payee, amount_minor=data.amount_minor, every=data.every,
        first_day=data.first_day, last_day=data.last_day, reference=data.reference, fee_minor=data.fee_minor,
    )  # fmt: skip
    return await standing.make_standing(web.stack(request), await paying_context(request), order)


@get("/standing-orders")
async def own_standing(request: AnyRequest) -> list[Standing]:
    """The caller's standing orders, newest first. 403."""
    ctx = await paying_context(request)
    return await standing.own_standing(web.stack(request), ctx) if ctx.actor.kind == "person" else []


@delete("/standing-orders/{standing_id:uuid}", status_code=200)
async def stop_standing(request: AnyRequest, standing_id: Annotated[UUID, PathParameter()]) -> list[Standing]:
    """Stop a standing order; all of them as they stand now. 404."""
    stack, ctx = web.stack(request), await paying_context(request)
    await standing.stop_standing(stack, ctx, str(standing_id))
    return await standing.own_standing(stack, ctx)


router = Router(
    "/v1/payments",
    route_handlers=[
        *(make_bill, made_bills, bills_for_me, see_bill, pay_bill, refuse_bill, withdraw_bill),
        *(make_standing, own_standing, stop_standing),
    ],
    tags=["payments"],
)
