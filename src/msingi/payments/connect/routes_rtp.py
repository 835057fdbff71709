"""Doors of GovStack's Payments building block for requests to pay: a biller asks one person for a bill's amount, and
asks later how it stands. The requests are those of the bank (`payments.bank.asking`): nobody else pays or refuses one.

The specification's X-Callback-URL is not followed: nobody outside tells this stack where to connect to.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, Router, get, post
from litestar.params import HeaderParameter, PathParameter
from msgspec import Meta, Struct

from msingi.kernel import web
from msingi.kernel.errors import Malformed, Refusal
from msingi.payments.bank import asking
from msingi.payments.bank.model import Bill, BillOrder
from msingi.payments.connect import routes_bills as bills
from msingi.payments.connect.wire_vouchers import Id12

STATES = {"open": "PND", "paid": "COM", "refused": "RJC", "withdrawn": "CAN"}
EXPIRED, TO_AN_ADDRESS, TO_AN_ALIAS = "EXP", "00", "01"
Words30 = Annotated[str, Meta(min_length=1, max_length=30)]
Biller = Annotated[
    str, HeaderParameter(name="X-billerId", max_length=20, description="Label of the account that is to be paid.")
]
RequestId = Annotated[str, PathParameter(max_length=20, description="The transferRequestId of the answer, 12 digits.")]


class PayerBank(Struct, frozen=True):
    """The payer where requestType is 00: a phone or an identity number."""

    financialAddress: Words30
    payerFIBIC: Annotated[str, Meta(max_length=11)] = ""


class PayerAlias(Struct, frozen=True):
    """The payer where requestType is 01: a phone or an identity number, whatever aliasType says of it."""

    aliasId: Words30
    aliasType: Literal["", "00", "01", "02"] = ""


class Asked(Struct, frozen=True):
    """What the bill asks for, in minor units; who asks is known, and its name here is not shown to the payer."""

    amount: Annotated[int, Meta(gt=0)]
    billerName: Annotated[str, Meta(max_length=80)] = ""


class RequestToPay(Struct, frozen=True):
    """POST /rtpRequest."""

    requestId: Id12
    billID: Annotated[str, Meta(min_length=1, max_length=20)]
    billDetails: Asked
    requestType: Literal["00", "01"] = TO_AN_ADDRESS
    rtpId: Annotated[int, Meta(ge=0, le=999_999_999_999)] | None = None
    payerFiDetails: PayerBank | None = None
    alias: PayerAlias | None = None


def _payer(said: RequestToPay) -> str:
    """Whom the request is sent to. Raises Malformed where the member that requestType names is missing."""
    if said.requestType == TO_AN_ALIAS and said.alias is not None:
        return said.alias.aliasId
    if said.requestType == TO_AN_ADDRESS and said.payerFiDetails is not None:
        return said.payerFiDetails.financialAddress
    wanted = "alias" if said.requestType == TO_AN_ALIAS else "payerFiDetails"
    raise Malformed(f"requestType {said.requestType} asks for {wanted}.", field=wanted, rule="required")


def _status(bill: Bill, now: datetime) -> str:
    return EXPIRED if bill.state == "open" and bill.expires_at <= now else STATES[bill.state]


def _told(code: str, words: str, request_id: str, status: int, more: dict[str, Any]) -> Response[bytes]:
    told = {"responseCode": code, "responseDescription": words[:200], "requestID": request_id[:12]} | more
    return Response(msgspec.json.encode(told), status_code=status, media_type=bills.JSON)


@post("/rtpRequest", status_code=200, opt=bills.TAKES)
async def ask(request: bills.AnyRequest, biller: Biller = "", correlation: bills.Correlation = "") -> Response[bytes]:
    """Ask a person to pay a bill into the institution's account (that labelled as X-billerId says, or the first).

    The same requestId again gives the same request. 400 (01) with the reason, 401, 403, 429.
    """
    ctx, stack = await bills.signed_in(request), web.stack(request)
    try:
        said = msgspec.json.decode(await request.body(), type=RequestToPay)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Malformed(str(wrong)[:160], field="body", rule="shape") from None
    try:
        order = BillOrder(
            key=f"rtp/{said.requestId}", account=await bills.account_of(stack, ctx, biller), payer=_payer(said),
            amount_minor=said.billDetails.amount, title=said.billID,
        )  # fmt: skip
        bill = await asking.make_bill(stack, ctx, order)
    except Refusal as no:
        status = no.status if no.status in (401, 403, 429) else 400
        return _told(bills.NOT_TAKEN, f"{no.title}. {no.remedy}", said.requestId, status, {})
    more: dict[str, Any] = {"transferRequestId": bill.reference, "requestStatus": _status(bill, ctx.at)}
    if said.rtpId is not None:
        more["rtpId"] = said.rtpId
    return _told(bills.TAKEN, "The payer was asked.", said.requestId, 200, more)


@get("/transferRequests/{transfer_request_id:str}", status_code=202)
async def inquire(
    request: bills.AnyRequest, transfer_request_id: RequestId, correlation: bills.Correlation = ""
) -> Response[bytes]:
    """How an own request to pay stands: COM, PND, EXP, CAN or RJC. 400 (01) where there is none, 401, 403."""
    ctx, stack = await bills.signed_in(request), web.stack(request)
    try:
        bill = await asking.own_bill(stack, ctx, transfer_request_id)
    except Refusal as no:
        return bills.answer(
            bills.NOT_TAKEN, f"{no.title}. {no.remedy}", correlation, 400 if no.status == 404 else no.status
        )
    at = bill.paid_at or bill.made_at
    more = {"requestStatus": _status(bill, ctx.at), "transferRequestId": bill.reference, "billId": bill.title}
    more |= {"lastUpdateDate": int(at.timestamp()), "amount": bill.amount_minor}
    return bills.answer(bills.TAKEN, "The request was found.", correlation, 202, more)


router = Router("/", route_handlers=[ask, inquire], tags=["payments"], request_max_body_size=64 * 1024)
