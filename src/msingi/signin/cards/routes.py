"""Doors of the sign-in with a card: the form, and its answer."""

import asyncio
from typing import Any, Final

from litestar import Response, get, post
from litestar.datastructures import UploadFile
from litestar.exceptions import HTTPException

from msingi.kernel import web
from msingi.kernel.errors import Malformed, NotFound, Refusal
from msingi.kernel.stack import Stack
from msingi.signin import acts, factors, flow, page, untold
from msingi.signin.model import Verdict
from msingi.signin.page import WebRequest
from msingi.signin.provider.model import Flow
from msingi.signin.wire import say

MOST_BYTES: Final = 5 * 1024 * 1024
MOST_TEXT: Final = 4096
_reading = asyncio.Semaphore(2)  # a picture takes some ten milliseconds of a core


def _shown(
    request: WebRequest, going: Flow, lang: str, client: str, wrong: str = "", status: int = 200
) -> Response[str]:
    text = flow.sealed(request, going)
    return page.show(
        request, "card", lang, status=status, goes_to=going.asked.redirect_uri, flow=text, here="/signin/card",
        client=client, wrong=wrong, number=flow.step("", text),
    )  # fmt: skip


def _language(request: WebRequest, going: Flow) -> str:
    chosen = request.query_params.get("lang", "")
    picked = chosen if chosen in page.offered(web.stack(request)) else going.language
    return page.language(request, picked, going.asked.ui_locales)


@get("/signin/card", include_in_schema=False)
async def card(request: WebRequest) -> Response[str]:
    """Step 1 by card: a picture of it, and the PIN."""
    going = flow.opened(request, request.query_params.get("flow", ""))
    stack = web.stack(request)
    if not factors.of(stack).cards:
        raise NotFound()
    client = await acts.client(stack, going.asked.client_id)
    return _shown(request, going, _language(request, going), client.name)


@post("/signin/card", include_in_schema=False, request_max_body_size=MOST_BYTES)
async def card_answer(request: WebRequest) -> Response[Any]:
    """Step 1 by card answered."""
    flow.check_origin(request)
    try:
        fields = await request.form()
    except HTTPException:
        raise Malformed("The form cannot be read, or its picture is too large.", field="picture", rule="form") from None
    going = flow.opened(request, str(fields.get("flow", "")))
    stack, lang = web.stack(request), _language(request, going)
    client = await acts.client(stack, going.asked.client_id)
    text, fault = await _code(stack, fields.get("picture"), str(fields.get("code", "")))
    if fault:
        return _shown(request, going, lang, client.name, say(fault, lang), 422)
    ctx = acts.proving(web.request_id(request))
    whose = await factors.of(stack).holder(stack, ctx, text)
    # Nobody's card is tried like somebody's: same work, same time, same answer, counted by itself and by this network.
    nobody = "" if whose else f"card:{stack.keys.blind(f'signin.card|{text}').hex()[:32]}"
    result = await acts.verify_pin(
        stack, ctx, nobody, str(fields.get("pin", "")), page.place_of(request),
        client.name, one_factor=going.asked.factors == 1, card=whose, untold=True,
    )  # fmt: skip
    if result.verdict is Verdict.UNTOLD:  # nobody is turned away, and nobody told whether the PIN was right
        going = await untold.sent(request, going, client, result.who)
        return page.go(flow.step("/code", flow.sealed(request, going)))
    if result.who is not None:
        if result.cookie:
            cookie = page.cookie(stack, page.SESSION, result.cookie)
            return await flow.go_on(request, going, client, result.cookie, [cookie])
        going = await flow.with_code(request, going, client, result.who)
        return page.go(flow.step("/code", flow.sealed(request, going)))
    if result.verdict is Verdict.LOCKED:
        wrong = say("locked", lang, minutes=(result.retry_after_s + 59) // 60)
        answer = _shown(request, going, lang, client.name, wrong, 429)
        answer.headers["Retry-After"] = str(result.retry_after_s)
        return answer
    return _shown(request, going, lang, client.name, say("wrong_card", lang), 403)


async def _code(stack: Stack, picture: Any, typed: str) -> tuple[str, str]:
    """The text of the card's code, or the name of the sentence that says why there is none."""
    if typed.strip():
        return typed[:MOST_TEXT], ""  # blanks are part of Base45
    read = factors.of(stack).read_picture
    content = await picture.read() if isinstance(picture, UploadFile) else b""
    if not content or read is None:
        return "", "card_missing"
    try:
        async with _reading:
            return await asyncio.to_thread(read, content), ""
    except Refusal:
        return "", "card_unread"


pages = [card, card_answer]
