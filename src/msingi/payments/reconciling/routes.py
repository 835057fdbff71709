"""Doors of reconciling: hand a bank's statement in, work the queue off, fetch the signed report."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import HeaderParameter, JSONBody, QueryParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.payments.reconciling import acts, reading
from msingi.payments.reconciling import model as m

AnyRequest = Request[Any, Any, Any]
Limit = Annotated[int, QueryParameter(ge=1, le=acts.MAX_PAGE, description="How many items at most.")]
After = Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="What the page before gave as `next_after`.")]
Account = Annotated[str, QueryParameter(min_length=1, max_length=24, description="The institution's account number.")]
StatementId = Annotated[str, QueryParameter(max_length=35, description="Of a CSV statement: its id at the bank.")]
MappingHeader = Annotated[
    str, HeaderParameter(name="Statement-Mapping", max_length=2_000, description="How to read CSV, as JSON.")
]


class Note(Struct, frozen=True, forbid_unknown_fields=True):
    """What an exception is, in an official's words."""

    note: Annotated[str, Meta(min_length=3, max_length=acts.MAX_NOTE)]


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "payment", "public-task", signed_in=True)


@post("/", request_max_body_size=reading.MAX_BYTES, opt={"takes": ("application/xml", "text/csv")})
async def reconcile(
    request: AnyRequest,
    account: Account,
    statement_id: StatementId = "",
    mirrored: bool = False,
    mapping: MappingHeader = "",
) -> m.Reconciliation:
    """Compare a statement with an account: camt.053 (application/xml), or CSV (text/csv) with Statement-Mapping and
    `statement_id`. 400 names place and rule; 403, 404 payments.no-such-account, 409, 413."""
    ctx, stack = await _ctx(request), web.stack(request)
    how = None
    if (request.content_type[0] or "").lower() == "text/csv":
        try:
            how = msgspec.json.decode(mapping.encode(), type=m.Mapping)
        except (msgspec.DecodeError, UnicodeError) as wrong:
            raise Malformed(str(wrong)[:160], field="Statement-Mapping", rule="mapping") from None
    raw = await request.body()
    return await acts.reconcile(stack, ctx, account, raw, mapping=how, statement_id=statement_id, mirrored=mirrored)


@get("/")
async def reconciliations(request: AnyRequest, limit: Limit = 50) -> list[m.Reconciliation]:
    """The institution's newest comparisons. 403."""
    return await acts.reconciliations(web.stack(request), await _ctx(request), limit)


@get("/{reconciliation_id:uuid}/exceptions")
async def queue(
    request: AnyRequest, reconciliation_id: UUID, after: After = 0, limit: Limit = 100, open_only: bool = True
) -> m.Queue:
    """What did not agree. 403, 404 payments.no-such-reconciliation."""
    page = {"after": after, "limit": limit, "open_only": open_only}
    return await acts.queue(web.stack(request), await _ctx(request), reconciliation_id, **page)


@post("/{reconciliation_id:uuid}/exceptions/{item:int}", status_code=204)
async def settle(request: AnyRequest, reconciliation_id: UUID, item: int, data: JSONBody[Note]) -> None:
    """Say what an exception is. 403, 404, 409 payments.exception-already-settled."""
    if not 0 < item < 2**31:
        raise Malformed("Items count from 1.", field="item", rule="1..")
    await acts.settle_exception(web.stack(request), await _ctx(request), reconciliation_id, item, data.note)


@get("/{reconciliation_id:uuid}/report", opt={"gives": ("application/jose",)})
async def report(request: AnyRequest, reconciliation_id: UUID) -> Response[str]:
    """The signed report (compact JWS). 403, 404 payments.no-such-reconciliation."""
    told = await acts.report(web.stack(request), await _ctx(request), reconciliation_id)
    return Response(told, media_type="application/jose")


routers = [
    Router(
        "/v1/payments/reconciliations",
        route_handlers=[reconcile, reconciliations, queue, settle, report],
        tags=["payments"],
    )
]
