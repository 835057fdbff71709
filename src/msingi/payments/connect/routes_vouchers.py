"""Doors of GovStack's Payments building block: vouchers, in both dialects.

In the older one every refusal has a status of its own, and a body with `message`; who calls is named by
`Gov_Stack_BB`, which must be one of the systems of a voucher scheme of the caller's institution.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import uuid4

import msgspec
from litestar import Request, Response, Router, get, patch, post, put
from litestar.params import FromPath, HeaderParameter, QueryParameter

from msingi.identity import numbers as identity_numbers
from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, NotFound, Refusal
from msingi.payments.bank.errors import NoSuchMerchant
from msingi.payments.connect import wire_vouchers as wire
from msingi.payments.vouchers import acts, errors, spending
from msingi.payments.vouchers.model import Scheme, Spending, State, Voucher, VoucherOrder

AnyRequest = Request[Any, Any, Any]
JSON = "application/json; charset=utf-8"
TAKES = {"takes": ("application/json",)}
MAX_BODY_BYTES = 1024 * 1024
Correlation = Annotated[
    str, HeaderParameter(name="X-CorrelationID", max_length=40, description="The caller's id of this request.")
]
Program = Annotated[str, HeaderParameter(name="X-Program-Id", max_length=20, description="The scheme's code.")]
Command = Annotated[str, QueryParameter(max_length=12, description="create, redeem, cancel or activate.")]
Fields = Annotated[str, QueryParameter(max_length=12, description="What is asked for: status.")]
TAKEN, NOT_TAKEN = "00", "01"


class Told(Exception):
    """An answer of the older dialect: status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


async def _ctx(request: AnyRequest) -> Context:
    return await web.context(request, "social-protection", "public-task", signed_in=True)


def _json(told: Any, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(told), status_code=status, media_type=JSON)


async def _old(request: AnyRequest, shape: Any, work: Any) -> Response[bytes]:
    """What the work answers to a body in the older dialect, or the status and message that the dialect has for it."""
    ctx = await _ctx(request)
    try:
        try:
            said = msgspec.json.decode(await request.body(), type=shape)
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            raise Told(400, f"Invalid request: {wrong}"[:160]) from None
        return await work(ctx, said)
    except Told as told:
        return _json({"message": told.message}, told.status)
    except Refusal as no:
        return _json({"message": f"{no.title}. {no.remedy}"}, no.status)


async def _of_system(request: AnyRequest, ctx: Context, system: object, status: int = 460) -> list[Scheme]:
    """The schemes for which a system acts. Raises Told where there is none."""
    name = system if isinstance(system, str) and 1 <= len(system) <= 40 else ""
    found = await acts.schemes_of_system(web.stack(request), ctx, name) if name else []
    if not found:
        raise Told(status, "Gov_Stack_BB does not act for any voucher scheme.")
    return found


async def _voucher(request: AnyRequest, ctx: Context, serial: object, schemes: list[Scheme], status: int) -> Voucher:
    """A voucher of some schemes by serial number. Raises Told with a status for any other."""
    text = str(serial)
    if wire.SERIAL.fullmatch(text):
        try:
            found, _ = await acts.voucher(web.stack(request), ctx, text)
        except NotFound:
            raise Told(status, "There is no such voucher.") from None
        if not schemes or found.scheme_id in {one.scheme_id for one in schemes}:
            return found
    raise Told(status, "There is no such voucher.")


def _minor(amount: object, digits: int) -> int:
    """An amount in minor units. Raises Told."""
    text = f"{amount:.4f}".rstrip("0").rstrip(".") if isinstance(amount, float) else str(amount)
    if not wire.DECIMAL.fullmatch(text) or (isinstance(amount, float) and float(text) != amount):
        raise Told(452, "The amount is not a plain decimal.")
    minor = Decimal(text).scaleb(digits)
    if minor != minor.to_integral_value() or not 0 < minor <= 10**15:
        raise Told(452, f"The amount is above zero and has at most {digits} decimals.")
    return int(minor)


def _plain(minor: int, digits: int) -> str:
    return f"{Decimal(minor).scaleb(-digits):f}"


@post("/vouchers/voucher_preactivation", status_code=200, opt=TAKES)
async def preactivate(request: AnyRequest, correlation: Correlation = "") -> Response[bytes]:
    """Issue a voucher (older dialect). 400, 401, 403, 409; 452 amount, 453 currency, 454 group, 460 building block."""

    async def work(ctx: Context, said: wire.OldWanted) -> Response[bytes]:
        asked = said.voucher_amount, said.voucher_currency, said.voucher_group, said.Gov_Stack_BB
        if asked == (None, None, None, None):
            raise Told(400, "The request is empty.")
        schemes = await _of_system(request, ctx, said.Gov_Stack_BB)
        schemes = [one for one in schemes if one.currency == said.voucher_currency]
        if not schemes:
            raise Told(453, "No voucher scheme pays in this currency.")
        amount = _minor(said.voucher_amount, schemes[0].digits)
        scheme = next((one for one in schemes if said.voucher_group in one.groups), None)
        if scheme is None:
            raise Told(454, "No voucher scheme has this group.")
        order = VoucherOrder(correlation or uuid4().hex, amount, said.voucher_group, comment=said.voucher_comment)
        (made,) = await acts.issue_vouchers(web.stack(request), ctx, scheme.scheme_id, [order])
        return _json(wire.OldMade(made.number, made.serial, made.expires_at))

    return await _old(request, wire.OldWanted, work)


@patch("/vouchers/voucher_activation", opt=TAKES)
async def activate_old(request: AnyRequest) -> Response[bytes]:
    """Let a voucher be spent (older dialect). 400, 401, 403; 456 serial number, 460 building block."""

    async def work(ctx: Context, said: wire.OldActivation) -> Response[bytes]:
        schemes = await _of_system(request, ctx, said.Gov_Stack_BB)
        found = await _voucher(request, ctx, said.voucher_serial_number, schemes, 456)
        (done,) = await acts.activate_vouchers(web.stack(request), ctx, [found.serial])
        if not done.done:
            raise Told(456, f"The voucher cannot be activated: it is {found.state.value}.")
        return _json({"result_status": "The voucher is activated."})

    return await _old(request, wire.OldActivation, work)


@post("/vouchers/voucher_redemption", status_code=200, opt=TAKES)
async def redeem_old(request: AnyRequest, correlation: Correlation = "") -> Response[bytes]:
    """Pay an approved shop for a voucher (older dialect). 400, 401, 403, 429; 460 building block, 461 number, 462
    nothing can be spent of it, 463 the shop is not approved."""

    async def work(ctx: Context, said: wire.OldRedemption) -> Response[bytes]:
        await _of_system(request, ctx, said.Gov_Stack_BB)
        number = str(said.voucher_number)
        if not wire.SERIAL.fullmatch(number):
            raise Told(461, "A voucher number has digits only.")
        order = Spending(correlation or uuid4().hex, number)
        try:
            done = await spending.take_for_shop(web.stack(request), ctx, order, said.merchant_bank_details)
        except (NoSuchMerchant, errors.ShopNotApproved):
            raise Told(463, "This merchant takes no vouchers of this kind and cannot be credited.") from None
        except errors.NoSuchVoucher:
            raise Told(461, "There is no such voucher.") from None
        except errors.VoucherEnded as ended:
            raise Told(462, f"Nothing can be spent of this voucher: {ended.facts['state']}.") from None
        return _json({"result_status": "The voucher is redeemed.", "transaction_id": done.transfer_id})

    return await _old(request, wire.OldRedemption, work)


@get("/vouchers/voucherstatuscheck/{serial:str}")
async def status_old(request: AnyRequest, serial: FromPath[str]) -> Response[bytes]:
    """How a voucher stands (older dialect). 400, 401, 403; 456 serial number, 458 spent, 459 its time is over."""
    ctx = await _ctx(request)
    try:
        if not wire.WRITTEN.fullmatch(serial):
            raise Told(400, "A serial number has digits only.")
        found = await _voucher(request, ctx, serial, [], 456)
        if found.state is State.USED:
            raise Told(458, "The voucher has been spent.")
        if found.state is State.EXPIRED or (found.state is not State.CANCELLED and found.expires_at <= ctx.at):
            raise Told(459, "The time of the voucher is over.")
        scheme = await acts.scheme(web.stack(request), ctx, found.scheme_id)
    except Told as told:
        return _json({"message": told.message}, told.status)
    left = _plain(found.left_minor, scheme.digits)
    return _json({"voucher_status": wire.STATUS[found.state], "voucher_amount": left})


@patch("/vouchers/voucherstatuscheck/{serial:str}", opt=TAKES)
async def cancel_old(request: AnyRequest, serial: FromPath[str]) -> Response[bytes]:
    """End a voucher for good (older dialect). 400, 401, 403; 463 serial number or building block, 464 ended before."""

    async def work(ctx: Context, said: wire.OldCancellation) -> Response[bytes]:
        if str(said.voucherserialnumber) != serial:
            raise Told(400, "The path names another voucher than the body.")
        schemes = await _of_system(request, ctx, said.Gov_Stack_BB, 463)
        found = await _voucher(request, ctx, serial, schemes, 463)
        if found.state is State.CANCELLED:
            raise Told(464, "The voucher was cancelled before.")
        (done,) = await acts.cancel_vouchers(web.stack(request), ctx, [found.serial])
        if not done.done:
            raise Told(463, f"The voucher cannot be cancelled: it is {found.state.value}.")
        return _json({"message": "The voucher is cancelled."})

    return await _old(request, wire.OldCancellation, work)


async def _read(request: AnyRequest, shape: Any) -> Any:
    try:
        return msgspec.json.decode(wire.lowered(await request.body()), type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise Malformed(str(wrong)[:160], field="body", rule="shape") from None


@post("/vouchers", status_code=200, opt=TAKES)
async def vouchers(request: AnyRequest, command: Command = "create", program: Program = "") -> Response[bytes]:
    """Create, redeem or cancel vouchers, by `command`; numbers of new ones stand in the answer. 400, 403, 404, 409."""
    ctx = await _ctx(request)
    if command == "redeem" or (command == "cancel" and b"oucherSecretNumber" in await request.body()):
        return await _redeem(request, ctx)
    if command == "cancel":
        return await _change(request, ctx, await _read(request, wire.Change), acts.cancel_vouchers)
    if command != "create":
        raise Malformed("Commands are create, redeem, cancel and activate.", field="command", rule="known-command")
    said: wire.Creation = await _read(request, wire.Creation)
    scheme = next((s for s in await acts.schemes(web.stack(request), ctx, limit=500) if s.code == program), None)
    if scheme is None:
        raise errors.NoSuchScheme("X-Program-Id names no scheme of the institution.")
    if any(one.currency != scheme.currency for one in said.voucherInstructions):
        raise Malformed("The scheme pays in another currency.", field="currency", rule="currency-of-scheme")
    try:
        orders = [
            VoucherOrder(
                f"{said.batchID}/{one.instructionID}", _minor(one.amount, scheme.digits), one.groupCode,
                one.payeeFunctionalID if _is_number(one.payeeFunctionalID) else "", comment=one.narration,
            )
            for one in said.voucherInstructions
        ]  # fmt: skip
    except Told as wrong:
        raise Malformed(wrong.message, field="amount", rule="decimal") from None
    made = await acts.issue_vouchers(web.stack(request), ctx, scheme.scheme_id, orders)
    told = [
        {"instructionID": asked.instructionID, "serialNumber": one.serial, "voucherNumber": one.number,
         "currency": asked.currency, "amount": asked.amount, "narration": asked.narration}
        for asked, one in zip(said.voucherInstructions, made, strict=True)
    ]  # fmt: skip
    words = f"{len(made)} vouchers wait to be handed out."
    return _json(_said(TAKEN, words, said.requestID) | {"batchID": said.batchID, "voucherInstructions": told})


def _is_number(text: str) -> bool:
    """Whether a payee's id is an identity number; any other id is the caller's own, and the voucher its bearer's."""
    return len(text) == identity_numbers.DIGITS and text.isdigit() and identity_numbers.is_valid(text)


def _said(code: str, words: str, request_id: str) -> dict[str, Any]:
    return {"ResponseCode": code, "ResponseDescription": words[:200], "RequestID": request_id}


async def _redeem(request: AnyRequest, ctx: Context) -> Response[bytes]:
    said: wire.Redemption = await _read(request, wire.Redemption)
    number = f"{said.voucherSerialNumber}{said.voucherSecretNumber}"
    order = Spending(said.requestID, number, said.agentID)
    told: dict[str, Any] = {"serialNumber": said.voucherSerialNumber, "timestamp": datetime.now(UTC)}
    try:
        done = await spending.take_for_shop(web.stack(request), ctx, order)
    except Refusal as no:
        return _json(told | {"status": 0, "message": no.title, "value": 0, "transactionId": ""})
    found, _ = await acts.voucher(web.stack(request), ctx, done.serial)
    scheme = await acts.scheme(web.stack(request), ctx, found.scheme_id)
    paid = {"value": float(_plain(done.amount_minor, scheme.digits)), "timestamp": done.at}
    return _json(told | {"status": 1, "message": "redeemed", "transactionId": done.transfer_id[:12]} | paid)


async def _change(request: AnyRequest, ctx: Context, said: wire.Change, act: Any) -> Response[bytes]:
    told = await act(web.stack(request), ctx, [one.serialNumber for one in said.voucherInstructions])
    failed = [{"serialNumber": one.serial, "failureReason": one.why} for one in told if not one.done]
    words = f"{len(told) - len(failed)} vouchers changed, {len(failed)} not."
    code = TAKEN if len(failed) < len(told) else NOT_TAKEN
    return _json(_said(code, words, said.requestID) | {"numberFailedCases": len(failed), "failedCases": failed})


@put("/vouchers", opt=TAKES)
async def activate(request: AnyRequest, command: Command = "activate") -> Response[bytes]:
    """Let vouchers be spent; those that cannot are named in the answer. 400, 401, 403."""
    ctx = await _ctx(request)
    if command != "activate":
        raise Malformed("Here the command is activate.", field="command", rule="known-command")
    return await _change(request, ctx, await _read(request, wire.Change), acts.activate_vouchers)


@get("/vouchers/{serial:str}")
async def status(request: AnyRequest, serial: FromPath[str], fields: Fields = "status") -> Response[bytes]:
    """How a voucher stands: 1 created, 2 activated, 3 cancelled, 4 spent, 5 blocked, 6 expired; 9 and 400 for a wrong
    number. 401, 403."""
    ctx = await _ctx(request)
    try:
        found = await _voucher(request, ctx, serial, [], 400)
        scheme = await acts.scheme(web.stack(request), ctx, found.scheme_id)
    except Told as told:
        return _json({"status": 9, "message": told.message, "serialNumber": serial[:20], "value": 0.0}, 400)
    value = float(_plain(found.left_minor, scheme.digits))
    return _json({"status": wire.NUMBERED[found.state], "serialNumber": found.serial, "value": value})


def dialect(ending: Any, request_id: str) -> tuple[Any, str]:
    """A refusal as problem details, and as the older dialect's message beside it."""
    told, _ = web.problem(ending, request_id)
    return told | {"message": str(told.get("title", "refused"))}, "application/json"


router = Router(
    "/",
    route_handlers=[preactivate, activate_old, redeem_old, status_old, cancel_old, vouchers, activate, status],
    tags=["payments"],
    request_max_body_size=MAX_BODY_BYTES,
)
