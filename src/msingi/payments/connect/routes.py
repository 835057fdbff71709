"""Doors of GovStack's Payments building block: account mapper, checks, bulk payments. (Payments wait for an approval.)

The older paths are those that the building block's test suite calls; the others are those of its specification.
"""

from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, HeaderParameter, QueryParameter

from msingi.kernel import web
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.settings import LOOPBACK
from msingi.kernel.stack import Stack
from msingi.payments import files
from msingi.payments.connect import acts, routes_bills, routes_g2p, routes_rtp, routes_vouchers, wire
from msingi.payments.connect.wire import NOT_TAKEN, TAKEN, Answer, CheckAnswer, FailedAccount

AnyRequest = Request[Any, Any, Any]
MAX_BODY_BYTES = 8 * 1024 * 1024
TAGS = ["payments"]
JSON = "application/json; charset=utf-8"
TAKES = {"takes": ("application/json",)}
BatchId = Annotated[str, QueryParameter(min_length=1, max_length=50, description="The id of the batch.")]
RequestHeader = Annotated[
    str, HeaderParameter(name="X-CorrelationID", max_length=36, description="The caller's id of this request.")
]
SUITE = "payments:"
OLD = ("/register-beneficiary", "/update-beneficiary-details", "/prepayment-validation", "/bulk-payment")
OLD_VOUCHERS = ("/vouchers/voucher_", "/vouchers/voucherstatuscheck/")


async def authenticate(stack: Stack, request: AnyRequest) -> Actor | None:
    """Whom the building block's test suite, which authenticates nobody, is counted as: in a sandbox on a loopback
    address whose operator named an institution as `payments:<code>` in MSINGI_GOVSTACK_INSTANCES, and nowhere else."""
    if not (stack.settings.sandbox and stack.settings.host in LOOPBACK):
        return None
    if not request.scope["path"].startswith(OLD + OLD_VOUCHERS) or web.has_header(request, b"authorization"):
        return None
    for item in stack.settings.govstack_instances.replace(" ", "").split(","):
        if item.startswith(SUITE) and item != SUITE:
            code = item.removeprefix(SUITE)
            return Actor(Kind.CLIENT, "govstack-suite", code, frozenset({"payment-clerk"}), 2, "unauthenticated test")
    return None


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "social-protection", "public-task", signed_in=True)


async def _read(request: AnyRequest, shape: Any) -> Any:
    """The body. Raises Malformed, naming what is wrong."""
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Malformed(str(wrong)[:160], field="body", rule="shape") from None


def _answered(code: str, words: str, request_id: str, status: int = 200) -> Response[bytes]:
    raw = msgspec.json.encode(Answer(code, words[:200], request_id))
    return Response(raw, status_code=status, media_type=JSON)


async def _tried(request: AnyRequest, refused: int, work: Any) -> Response[bytes]:
    """What the work answers, or the refusal of a body in the older dialect under the status that it has there."""
    request_id = wire.id_of(await request.body())
    try:
        return await work()
    except Malformed as wrong:
        return _answered(NOT_TAKEN, f"{wrong.title}. {wrong.detail}", request_id, refused)
    except Refusal as no:
        return _answered(NOT_TAKEN, f"{no.title}. {no.remedy}", request_id, no.status)


async def _link_old(request: AnyRequest) -> Response[bytes]:
    ctx = await _ctx(request)

    async def work() -> Response[bytes]:
        said: wire.OldRegister = await _read(request, wire.OldRegister)
        await acts.link_addresses(web.stack(request), ctx, wire.links(said))
        return _answered(TAKEN, "The beneficiaries are linked.", said.RequestID)

    return await _tried(request, 400, work)


@post("/register-beneficiary", status_code=200, opt=TAKES)
async def register_old(request: AnyRequest) -> Response[bytes]:
    """Link payees to addresses (older dialect). 400, 401, 403."""
    return await _link_old(request)


@post("/update-beneficiary-details", status_code=200, opt=TAKES)
async def update_old(request: AnyRequest) -> Response[bytes]:
    """Link payees to other addresses (older dialect). 400, 401, 403."""
    return await _link_old(request)


@post("/prepayment-validation", status_code=200, opt=TAKES)
async def check_old(request: AnyRequest) -> Response[bytes]:
    """Check a batch before it is paid (older dialect); what is wrong with the body is told by ResponseCode 01. 401."""
    ctx = await _ctx(request)

    async def work() -> Response[bytes]:
        said: wire.OldCheck = await _read(request, wire.OldCheck)
        failed = await acts.check_batch(web.stack(request), ctx, wire.batch(said))
        return _answered(TAKEN, f"The batch was checked: {len(failed)} cannot be paid.", said.RequestID)

    return await _tried(request, 200, work)


@post("/prepayment-validation-response", status_code=200, opt=TAKES)
async def checked_old(request: AnyRequest) -> Response[bytes]:
    """What the check of a batch found, payment by payment (older dialect). 400, 401, 404 payments.no-such-batch."""
    ctx, said = await _ctx(request), await _read(request, wire.OldAsked)
    found = await acts.batch(web.stack(request), ctx, said.Source_BatchID)
    failed = [FailedAccount(one.instruction_id, one.why.value) for one in found.failed]
    answer = CheckAnswer(said.RequestID, said.Source_BatchID, len(failed), failed)
    return Response(msgspec.json.encode(answer), media_type=JSON)


@post("/bulk-payment", status_code=200, opt=TAKES)
async def bulk_old(request: AnyRequest) -> Response[bytes]:
    """Hand a batch in; it waits for the approval of an official (older dialect). 400, 401, 403, 409."""
    ctx = await _ctx(request)

    async def work() -> Response[bytes]:
        said: wire.OldBatch = await _read(request, wire.OldBatch)
        kept = await acts.hand_in_batch(web.stack(request), ctx, wire.batch(said))
        return _answered(TAKEN, f"The batch waits for its approval as file {kept.file_id}.", said.RequestID)

    return await _tried(request, 400, work)


async def _link(request: AnyRequest) -> Response[bytes]:
    ctx, said = await _ctx(request), await _read(request, wire.Register)
    await acts.link_addresses(web.stack(request), ctx, wire.links(said))
    told = {"responseCode": TAKEN, "responseDescription": "The beneficiaries are linked.", "requestID": said.RequestID}
    return Response(msgspec.json.encode(told), media_type=JSON)


@post("/identityAccountMapper/beneficiary", status_code=200, opt=TAKES)
async def register(request: AnyRequest) -> Response[bytes]:
    """Link payees to addresses. 400, 401, 403."""
    return await _link(request)


@put("/identityAccountMapper/beneficiary", opt=TAKES)
async def update(request: AnyRequest) -> Response[bytes]:
    """Link payees to other addresses. 400, 401, 403."""
    return await _link(request)


@post("/batchtransactions", status_code=202, opt=TAKES)
async def batch_transactions(request: AnyRequest, correlation: RequestHeader = "") -> Response[bytes]:
    """Hand a batch in; it waits for the approval of an official. The correlation id names the batch, so that repeating
    the request pays nobody twice. 400, 401, 403, 409."""
    ctx = await _ctx(request)
    said: list[wire.Transaction] = await _read(request, wire.Transactions)
    batch_id = correlation[:35] or uuid4().hex
    await acts.hand_in_batch(web.stack(request), ctx, wire.transactions(said, correlation[:12], batch_id))
    return Response(msgspec.json.encode({"batchId": batch_id}), status_code=202, media_type=JSON)


@get("/api/v1/batch/detail")
async def batch_detail(request: AnyRequest, batchId: BatchId) -> Response[bytes]:
    """How far a batch is. 401, 403, 404 payments.no-such-batch."""
    stack, ctx = web.stack(request), await _ctx(request)
    found = await acts.batch(stack, ctx, batchId)
    told: dict[str, Any] = {"batchId": batchId, "status": "CHECKED", "failedAccounts": len(found.failed)}
    if found.file_id is not None:
        file = await files.payment_file(stack, ctx, found.file_id)
        told |= {"status": file.state.upper(), "fileId": file.file_id, "total": file.lines, "failed": file.rejected}
        told |= {"ongoing": file.lines - file.paid - file.rejected, "successful": file.paid}
    return Response(msgspec.json.encode(told), media_type=JSON)


@post("/batches/{batch_id:str}", status_code=202)
async def authorise(request: AnyRequest, batch_id: FromPath[str]) -> Response[bytes]:
    """Approve a batch, as another official than the one, or the software, that handed it in. 403, 404, 409."""
    stack, ctx = web.stack(request), await _ctx(request)
    found = await acts.batch(stack, ctx, batch_id[:50])
    if found.file_id is None:
        raise Malformed("The batch was checked only, and not handed in.", field="batchId", rule="handed-in")
    file = await files.approve_payment_file(stack, ctx, found.file_id)
    told = {"responseCode": TAKEN, "responseDescription": f"The batch is {file.state}.", "batchId": batch_id}
    return Response(msgspec.json.encode(told), status_code=202, media_type=JSON)


routers = [
    Router(
        "/",
        route_handlers=[
            *(register_old, update_old, check_old, checked_old, bulk_old),
            *(register, update, batch_transactions, batch_detail, authorise),
        ],
        tags=TAGS,
        request_max_body_size=MAX_BODY_BYTES,
    ),
    routes_g2p.router,
    routes_vouchers.router,
    routes_bills.router,
    routes_rtp.router,
]
authenticators = [authenticate]
dialects = {path: wire.dialect for path in (*OLD, "/identityAccountMapper", "/batchtransactions")}
dialects[routes_g2p.PREFIX] = routes_g2p.dialect
dialects["/vouchers"] = routes_vouchers.dialect
dialects |= {
    path: routes_bills.dialect for path in ("/bills", "/billTransferRequests", "/rtpRequest", "/transferRequests")
}
