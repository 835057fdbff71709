"""Doors of fees: what a payment would cost, and what payments of a month did cost."""

from typing import Annotated

from litestar import Router, get
from litestar.params import QueryParameter

from msingi.kernel import web
from msingi.payments import rules
from msingi.payments.bank.doors import AnyRequest, paying_context
from msingi.payments.fees import acts
from msingi.payments.fees.model import Charged, FeeQuote, Kind

Payer = Annotated[str, QueryParameter(min_length=13, max_length=24, description="The account that would pay.")]
Amount = Annotated[int, QueryParameter(ge=1, le=rules.MAX_AMOUNT_MINOR, description="Minor units.")]
Payee = Annotated[str, QueryParameter(max_length=24, description="The paid account, where it is an own one.")]
Month = Annotated[str, QueryParameter(min_length=7, max_length=7, description="YYYY-MM, by the country's calendar.")]


@get("/quote")
async def quote(
    request: AnyRequest, payer: Payer, amount_minor: Amount, payee: Payee = "", kind: Kind = Kind.TRANSFER
) -> FeeQuote:
    """What a payment would cost: send its total as `fee_minor` with the payment. 400, 404, 409."""
    stack, ctx = web.stack(request), await paying_context(request)
    return await acts.quote_fee(stack, ctx, payer, amount_minor, kind=kind, payee=payee)


@get("")
async def of_month(request: AnyRequest, payer: Payer, month: Month) -> list[Charged]:
    """What payments of a month out of an own account did cost, each with its terms. 400, 404."""
    return await acts.fees_of_month(web.stack(request), await paying_context(request), payer, month)


routers = [Router("/v1/payments/fees", route_handlers=[quote, of_month], tags=["payments"])]
