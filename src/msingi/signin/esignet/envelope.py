"""The envelope in which eSignet speaks: the time, the answer or the faults; faults come with status 200."""

from datetime import datetime
from typing import Any

import msgspec
from litestar import Response

from msingi.kernel import clock
from msingi.kernel.errors import Refusal
from msingi.signin.esignet.rules import Fault
from msingi.signin.page import WebRequest

HERE = "/v1/esignet"


def told_at(at: datetime) -> str:
    """A time as eSignet writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def code_sent(transaction: str, tail: str) -> dict[str, Any]:
    """That a one-time code is on its way to the phone that ends in `tail`; there is no other channel."""
    return {"transactionId": transaction, "maskedEmail": None, "maskedMobile": f"XXXXXXX{tail}"}


def told(response: dict[str, Any] | None, fault: Fault | None = None) -> Response[dict[str, Any]]:
    """An answer, or a fault, in the envelope."""
    errors = [{"errorCode": fault.code, "errorMessage": fault.message}] if fault else []
    # A response that is absent is left out: GovStack's schema wants an object where it stands.
    said = {"responseTime": told_at(clock.now()), "errors": errors} | ({"response": response} if response else {})
    return Response(said, status_code=200, headers={"Cache-Control": "no-store"})


async def body_of(request: WebRequest) -> dict[str, Any]:
    """The JSON object that was sent. Raises Fault."""
    try:
        found = msgspec.json.decode(await request.body())
    except (msgspec.DecodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Fault("invalid_request", "the body is a JSON object")
    return found


def esignet_dialect(ending: Any, request_id: str) -> tuple[dict[str, Any], str]:
    """Refusals in eSignet's envelope; whoever may not register gets the status of our own doors."""
    code = ending.code if isinstance(ending, Refusal) else "outage"
    message = f"{ending.title} {ending.remedy}" if isinstance(ending, Refusal) else "Try again later."
    errors = [{"errorCode": code, "errorMessage": message}]
    said = {"responseTime": told_at(clock.now()), "response": None, "errors": errors, "requestId": request_id}
    return said, "application/json"
