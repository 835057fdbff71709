"""Doors of GovStack's Payments building block: people's bills of the government, inquired about and paid by the payer's
institution. The bills are those of the bank (`payments.bank.asking`): each is paid once, whoever asks how often."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import acts as ledger
from msingi.payments.bank import asking
from msingi.payments.bank.model import Bill
from msingi.payments.connect import wire_vouchers as wire
from msingi.payments.connect.errors import NoPayerAccount
from msingi.payments.model import AccountKind

AnyRequest = Request[Any, Any, Any]
JSON = "application/json; charset=utf-8"
TAKES = {"takes": ("application/json",)}
PAYING = (AccountKind.GOVERNMENT, AccountKind.SETTLEMENT, AccountKind.FLOAT, AccountKind.TRUST)
TAKEN, NOT_TAKEN = "00", "01"
BillId = Annotated[str, PathParameter(max_length=20, description="Reference of a bill, 12 digits.")]
Correlation = Annotated[
    str, HeaderParameter(name="X-CorrelationID", max_length=36, description="The caller's id of this request.")
]
PayerBank = Annotated[
    str, HeaderParameter(name="X-PayerFI-Id", max_length=20, description="Label of the account that pays.")
]
Fields = Annotated[str, QueryParameter(max_length=12, description="What is asked for: inquiry.")]


async def signed_in(request: AnyRequest) -> Context:
    """Who calls, for the purpose of payment."""
    return await web.context(request, "payment", "contract", signed_in=True)


def answer(code: str, reason: str, request_id: str, status: int, more: dict[str, Any] | None = None) -> Response[bytes]:
    """An answer as the specification has it: "00" or "01", and why."""
    told = {"responseCode": code, "reason": reason[:200], "requestId": request_id[:12]} | (more or {})
    return Response(msgspec.json.encode(told), status_code=status, media_type=JSON)


def _details(bill: Bill) -> dict[str, Any]:
    """A bill as the specification's `billDetails`; amounts are minor units, dates seconds since 1970."""
    due = int(bill.expires_at.timestamp())
    return {
        "billerName": bill.name, "billStatus": bill.state, "dueDate": due, "amountonDueDate": bill.amount_minor,
        "amountAfterDueDate": bill.amount_minor, "currency": bill.currency, "title": bill.title,
    }  # fmt: skip


@get("/bills/{bill_id:str}", status_code=202)
async def inquire(
    request: AnyRequest, bill_id: BillId, correlation: Correlation = "", fields: Fields = "inquiry"
) -> Response[bytes]:
    """What a bill asks for; it stands in the answer. 400 (01) where there is none, 401, 403, 429 for too many wrong."""
    ctx = await signed_in(request)
    if fields != "inquiry":
        raise Malformed("Here an inquiry is asked for.", field="fields", rule="inquiry")
    try:
        bill = await asking.see_bill(web.stack(request), ctx, bill_id)
    except Refusal as no:
        return answer(NOT_TAKEN, f"{no.title}. {no.remedy}", correlation, 400 if no.status == 404 else no.status)
    more = {"billId": bill.reference, "billDetails": _details(bill)}
    return answer(TAKEN, "The bill was found.", correlation, 202, more)


@post("/billTransferRequests", status_code=202, opt=TAKES)
async def pay(request: AnyRequest, payer: PayerBank = "") -> Response[bytes]:
    """Pay a bill out of the institution's account (that labelled as X-PayerFI-Id says, or the first); it is paid once.
    Unlike in the specification nothing is marked as paid on somebody's word. 400 (01) with the reason, 401, 403."""
    ctx, stack = await signed_in(request), web.stack(request)
    try:
        said = msgspec.json.decode(await request.body(), type=wire.BillPayment)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Malformed(str(wrong)[:160], field="body", rule="shape") from None
    try:
        receipt = await asking.pay_bill(stack, ctx, said.billId, await account_of(stack, ctx, payer))
    except Refusal as no:
        status = no.status if no.status in (401, 403, 429) else 400
        return answer(
            NOT_TAKEN, f"{no.title}. {no.remedy}", said.requestId, status, {"status": "RJC", "billId": said.billId}
        )
    more = {"status": "ACK", "billId": said.billId, "transferId": receipt.transfer_id}
    return answer(TAKEN, "The bill is paid.", said.requestId, 202, more)


async def account_of(stack: Stack, ctx: Context, label: str) -> str:
    """The account that pays: the one with a label, or the institution's first. Raises NoPayerAccount."""
    held = [a for a in await ledger.accounts(stack, ctx) if a.kind in PAYING]
    held = [a for a in held if a.currency == stack.profile.currency.code]
    if not held:
        raise NoPayerAccount()
    return next((a.number for a in held if label and a.label == label), held[0].number)


def dialect(ending: Refusal | Outage, request_id: str) -> tuple[Any, str]:
    """A refusal as problem details, and as the specification's answer beside it."""
    told, _ = web.problem(ending, request_id)
    words = f"{told.get('title', '')} {told.get('detail', '')}".strip()[:200]
    return told | {"responseCode": NOT_TAKEN, "reason": words or "refused", "requestId": ""}, "application/json"


router = Router("/", route_handlers=[inquire, pay], tags=["payments"], request_max_body_size=64 * 1024)
