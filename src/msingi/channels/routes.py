"""Doors of the channels: USSD for the gateway, and in a sandbox the simulated messages for programs."""

import hmac
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request, Response, Router, get, post
from msgspec import Struct

from msingi.channels import acts, rules
from msingi.channels.errors import BadDialogue, NotTheGateway
from msingi.kernel import web
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack

TAGS = ["channels"]
FORM_BYTES = 8_192


class Shown(Struct, frozen=True):
    """A simulated message, for programs of a sandbox: instant (RFC 3339), phone (E.164), text and why it was sent."""

    at: str
    to: str
    text: str
    why: str


def check_gateway(stack: Stack, authorization: str) -> None:
    """Raises NotTheGateway unless the request shows the gateway's key; a sandbox, on loopback only, needs none."""
    key = stack.settings.ussd_key
    if not key and stack.settings.sandbox:
        return
    shown = authorization.partition(" ")[2]
    if not key or not hmac.compare_digest(shown.encode(), key.encode()):
        raise NotTheGateway()


@post(
    "/channels/ussd",
    status_code=200,
    tags=TAGS,
    summary="One step of a USSD dialogue",
    media_type="text/plain",
    opt={"takes": ("application/x-www-form-urlencoded",)},
)
async def ussd(request: Request[Any, Any, Any]) -> Response[str]:
    """Form fields sessionId, phoneNumber, text (and serviceCode, networkCode); the answer begins with CON or END.

    Only the last segment of `text` is read; nothing of it is logged.
    """
    stack = web.stack(request)
    check_gateway(stack, request.headers.get("authorization", ""))
    raw = await request.body()
    if len(raw) > FORM_BYTES:
        raise BadDialogue("The form is too long.", field="body", rule=f"bytes<={FORM_BYTES}")
    try:
        form = dict(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise BadDialogue("The form is not UTF-8.", field="body", rule="form") from None
    ctx = job_context("ussd-gateway")
    screen = await acts.dial(stack, ctx, rules.read(form))
    return Response(screen.wire, media_type="text/plain", headers={"Cache-Control": "no-store"})


@get("/sandbox/sms", include_in_schema=False)
async def simulated_messages(request: Request[Any, Any, Any]) -> list[Shown]:
    """The newest messages of the simulated gateway, to one phone with `?to=`; this door stands in a sandbox only."""
    stack, to = web.stack(request), request.query_params.get("to", "")
    # A plus sign that was not escaped arrives as a blank.
    phone = "+" + to.strip().lstrip("+") if to.strip() else ""
    found = await acts.messages(stack, job_context("sandbox"), phone)
    return [Shown(x.at.isoformat(), x.to, x.text, x.why) for x in found]


def plain(ending: Refusal | Outage, _: str) -> tuple[str, str]:
    """The dialect of gateways: a refusal ends the dialogue with one sentence."""
    text = ending.title if isinstance(ending, Refusal) else "Try again later."
    return f"END {text}", "text/plain"


routers = [Router("/", route_handlers=[ussd])]
sandbox_routers = [Router("/", route_handlers=[simulated_messages])]
dialects = {"/channels/ussd": plain}
