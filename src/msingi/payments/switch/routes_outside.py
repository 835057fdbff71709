"""Doors of customers of our own bank: find somebody elsewhere, see what it costs, confirm. Amounts are minor units."""

from typing import Annotated, Any

from litestar import Request, Router, post
from litestar.params import HeaderParameter, JSONBody
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments.rates.model import Side
from msingi.payments.rules import MAX_AMOUNT_MINOR
from msingi.payments.switch import abroad, outside, provider

AnyRequest = Request[Any, Any, Any]
Currency = Annotated[str, Meta(min_length=3, max_length=3)]
Amount = Annotated[int, Meta(ge=1, le=MAX_AMOUNT_MINOR)]
Key = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key", required=True, min_length=1, max_length=64, description="Repeat harmlessly."
    ),
]


class FindBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody at another participant: type (MSISDN, ACCOUNT_ID, PERSONAL_ID, ...) and identifier."""

    kind: Annotated[str, Meta(min_length=1, max_length=32)]
    identifier: Annotated[str, Meta(min_length=1, max_length=128)]


class OfferBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to pay, as found, and how much, in minor units of the country's currency."""

    to: outside.Found
    amount_minor: Amount


class PayBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An offer that is accepted, and the own account that pays."""

    account: Annotated[str, Meta(min_length=1, max_length=24)]
    offer: outside.Offer


async def _paying(request: AnyRequest) -> Context:
    return await web.context(request, "payment", "contract", signed_in=True)


@post("/find", status_code=200)
async def find(request: AnyRequest, data: JSONBody[FindBody]) -> outside.Found:
    """Somebody at another bank or operator, with the name to confirm. 401, 403, 404, 503."""
    return await outside.find(web.stack(request), await _paying(request), data.kind, data.identifier)


@post("/offers", status_code=200)
async def offers(request: AnyRequest, data: JSONBody[OfferBody]) -> outside.Offer:
    """What a payment costs and what arrives, before it is confirmed. 400, 401, 403, 404, 503."""
    return await outside.ask_offer(web.stack(request), await _paying(request), data.to, data.amount_minor)


@post("/payments", status_code=200)
async def pay_outside(request: AnyRequest, data: JSONBody[PayBody], key: Key) -> outside.Sent:
    """Pay what was offered; the same key pays once. 400, 401, 403, 404, 409, 503."""
    return await outside.pay_outside(web.stack(request), await _paying(request), data.account, data.offer, key)


class AbroadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to pay, as found, in which of their currencies, and how much: in minor units of the country's currency what
    leaves (`send`, fees included), or of the target what arrives (`receive`)."""

    to: outside.Found
    currency: Currency
    amount_minor: Amount
    side: Side = Side.SEND


class PayAbroadBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An offer that is accepted, by its quote's id, and the own account that pays."""

    account: Annotated[str, Meta(min_length=1, max_length=24)]
    quote: Annotated[str, Meta(min_length=1, max_length=36)]


@post("/offers/abroad", status_code=200)
async def offers_abroad(request: AnyRequest, data: JSONBody[AbroadBody]) -> abroad.AbroadOffer:
    """What a payment in another currency costs: rate, fees, what arrives, until when. 400, 401, 403, 404, 503."""
    wanted = data.to, data.currency, data.amount_minor, data.side
    return await abroad.ask_abroad(web.stack(request), await _paying(request), *wanted)


@post("/payments/abroad", status_code=200)
async def pay_abroad(request: AnyRequest, data: JSONBody[PayAbroadBody], key: Key) -> outside.Sent:
    """Pay what was offered in another currency; the same key pays once. 401, 403, 404, 409, 503."""
    return await abroad.pay_abroad(web.stack(request), await _paying(request), data.account, data.quote, key)


class PayConvertedBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An offer by way of an exchange provider that is accepted, and the own account that pays."""

    account: Annotated[str, Meta(min_length=1, max_length=24)]
    offer: provider.Converted


@post("/offers/exchange", status_code=200)
async def offers_exchange(request: AnyRequest, data: JSONBody[AbroadBody]) -> provider.Converted:
    """What a payment by way of an exchange provider of the switch costs: the best of those who convert; rate, charge,
    what arrives, until when. 400, 401, 403, 404, 503."""
    wanted = data.to, data.currency, data.amount_minor, data.side
    return await provider.ask(web.stack(request), await _paying(request), *wanted)


@post("/payments/exchange", status_code=200)
async def pay_exchange(request: AnyRequest, data: JSONBody[PayConvertedBody], key: Key) -> outside.Sent:
    """Pay what was offered by way of an exchange provider, once. 400, 401, 403, 404, 409, 503."""
    return await provider.pay(web.stack(request), await _paying(request), data.account, data.offer, key)


routers = [
    Router(
        "/v1/payments/outside",
        route_handlers=[find, offers, pay_outside, offers_abroad, pay_abroad, offers_exchange, pay_exchange],
        tags=["payments"],
    ),
]
