"""Doors of vouchers: for whoever gives them, whoever holds them, and the shops that take them."""

from typing import Annotated
from uuid import UUID

from litestar import Router, get, post
from litestar.params import FromPath, JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct, structs

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.payments.bank.doors import Amount, AnyRequest, Key, paying_context
from msingi.payments.vouchers import acts, funding, rules, spending, store
from msingi.payments.vouchers import model as m

After = Annotated[str, QueryParameter(max_length=40, description="The last one of the page before.")]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE)]
Serial = Annotated[str, PathParameter(max_length=25, description="Serial number of a voucher.")]
Number = Annotated[str, Meta(min_length=1, max_length=40, description="As the holder told or showed it.")]


class FundsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """What is put into a scheme, in minor units of its currency."""

    amount_minor: Amount


class VouchersBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Vouchers to issue, all or none."""

    vouchers: Annotated[list[m.VoucherOrder], Meta(min_length=1, max_length=rules.MAX_LIST)]


class SerialsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Vouchers by serial number."""

    serials: Annotated[list[Annotated[str, Meta(max_length=25)]], Meta(min_length=1, max_length=rules.MAX_LIST)]


class ShownBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A voucher that is shown at a shop of the caller's (the first one, without `shop`)."""

    number: Number
    shop: Annotated[str, Meta(max_length=12)] = ""


class TakeBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A voucher to take: `amount_minor` 0 is all that is left."""

    number: Number
    shop: Annotated[str, Meta(max_length=12)] = ""
    amount_minor: Annotated[int, Meta(ge=0, le=10**15)] = 0


class Looked(Struct, frozen=True):
    """A voucher, and what shops took of it."""

    voucher: m.Voucher
    taken: list[store.Spending]


async def _giving(request: AnyRequest) -> Context:
    return await web.context(request, "social-protection", "public-task", signed_in=True)


@post("/voucher-schemes")
async def open_scheme(request: AnyRequest, data: JSONBody[m.SchemeOrder]) -> m.Scheme:
    """Open a voucher scheme. 400, 403, 404, 409 payments.voucher-scheme-taken."""
    return await acts.open_scheme(web.stack(request), await _giving(request), data)


@get("/voucher-schemes")
async def schemes(request: AnyRequest, after: After = "", limit: Limit = 50) -> list[m.Scheme]:
    """A page of the institution's voucher schemes by code. 403."""
    return await acts.schemes(web.stack(request), await _giving(request), after=after, limit=limit)


@get("/voucher-schemes/{scheme_id:uuid}")
async def scheme(request: AnyRequest, scheme_id: FromPath[UUID]) -> m.Scheme:
    """A voucher scheme with its money. 403, 404."""
    return await acts.scheme(web.stack(request), await _giving(request), scheme_id)


@post("/voucher-schemes/{scheme_id:uuid}/funds", status_code=200)
async def put_in(request: AnyRequest, scheme_id: FromPath[UUID], data: JSONBody[FundsBody], key: Key) -> m.Scheme:
    """Put money in for vouchers, as another official than the one who opened the scheme. 403, 404, 409."""
    return await funding.put_in(web.stack(request), await _giving(request), scheme_id, key, data.amount_minor)


@post("/voucher-schemes/{scheme_id:uuid}/shops", status_code=200)
async def approve_shop(request: AnyRequest, scheme_id: FromPath[UUID], data: JSONBody[m.ShopOrder]) -> m.ShopOrder:
    """Let a shop take vouchers of some groups, or of none any more. 400, 403, 404."""
    return await acts.approve_shop(web.stack(request), await _giving(request), scheme_id, data)


@get("/voucher-schemes/{scheme_id:uuid}/shops")
async def shops(
    request: AnyRequest, scheme_id: FromPath[UUID], after: After = "", limit: Limit = 100
) -> list[m.ShopOrder]:
    """A page of the shops that take vouchers of a scheme. 403, 404."""
    ctx = await _giving(request)
    return await acts.approved_shops(web.stack(request), ctx, scheme_id, after=after, limit=limit)


@post("/voucher-schemes/{scheme_id:uuid}/closing", status_code=200)
async def close_scheme(request: AnyRequest, scheme_id: FromPath[UUID]) -> m.Scheme:
    """Close a scheme; what was given to no voucher goes back. 403, 404, 409."""
    return await funding.close_scheme(web.stack(request), await _giving(request), scheme_id)


@get("/voucher-schemes/{scheme_id:uuid}/movements")
async def movements(request: AnyRequest, scheme_id: FromPath[UUID], limit: Limit = 100) -> list[store.Move]:
    """What was put into a scheme, and what went back for how many vouchers, newest first. 403, 404."""
    return await funding.moves(web.stack(request), await _giving(request), scheme_id, limit)


@post("/voucher-schemes/{scheme_id:uuid}/vouchers")
async def issue(request: AnyRequest, scheme_id: FromPath[UUID], data: JSONBody[VouchersBody]) -> list[m.Issued]:
    """Issue vouchers, all or none; the answer holds the secret numbers. 400, 403, 404, 409."""
    return await acts.issue_vouchers(web.stack(request), await _giving(request), scheme_id, data.vouchers)


@get("/voucher-schemes/{scheme_id:uuid}/vouchers")
async def listed(
    request: AnyRequest, scheme_id: FromPath[UUID], after: After = "", limit: Limit = 100
) -> m.VoucherPage:
    """A page of a scheme's vouchers by serial number. 403, 404."""
    return await acts.vouchers(web.stack(request), await _giving(request), scheme_id, after=after, limit=limit)


@post("/vouchers/activation", status_code=200)
async def activate(request: AnyRequest, data: JSONBody[SerialsBody]) -> list[m.Changed]:
    """Let vouchers be spent, when they are handed out or after they were blocked. 403."""
    return await acts.activate_vouchers(web.stack(request), await _giving(request), data.serials)


@post("/vouchers/cancellation", status_code=200)
async def cancel(request: AnyRequest, data: JSONBody[SerialsBody]) -> list[m.Changed]:
    """End vouchers for good; what was not taken goes back. 403."""
    return await acts.cancel_vouchers(web.stack(request), await _giving(request), data.serials)


@get("/vouchers/own")
async def own(request: AnyRequest) -> list[m.OwnVoucher]:
    """The vouchers that the caller was given, with the numbers to show. 403."""
    return await acts.own_vouchers(web.stack(request), await paying_context(request))


@post("/vouchers/shown", status_code=200)
async def shown(request: AnyRequest, data: JSONBody[ShownBody]) -> m.Offered:
    """What a voucher holds that is shown at the caller's shop. Wrong numbers are limited. 403, 404, 409, 429."""
    return await spending.see_voucher(web.stack(request), await paying_context(request), data.number, data.shop)


@post("/vouchers/taken", status_code=200)
async def taken(request: AnyRequest, data: JSONBody[TakeBody], key: Key) -> m.Spent:
    """Take a voucher at the caller's shop, which is paid at once. 403, 404, 409, 429."""
    order = m.Spending(key, **structs.asdict(data))
    return await spending.take_voucher(web.stack(request), await paying_context(request), order)


@get("/vouchers/{serial:str}")
async def voucher(request: AnyRequest, serial: Serial) -> Looked:
    """A voucher of the institution, and what was taken of it. 403, 404."""
    return Looked(*await acts.voucher(web.stack(request), await _giving(request), serial))


routers = [
    Router(
        "/v1/payments",
        route_handlers=[
            *(open_scheme, schemes, scheme, put_in, approve_shop, shops, close_scheme, movements, issue, listed),
            *(activate, cancel, own, shown, taken, voucher),
        ],
        tags=["payments"],
    )
]
