"""Doors of a sign-in that begins in one browser and is proved and decided on another device (eSignet's link code)."""

from datetime import UTC, datetime
from typing import Any

from litestar import Response, post
from msgspec.structs import replace

from msingi.kernel import web
from msingi.signin import page, wire
from msingi.signin.esignet import acts, proving, reading
from msingi.signin.esignet.envelope import HERE, code_sent, told_at
from msingi.signin.esignet.model import WAIT_S, Link, Login
from msingi.signin.esignet.rules import Fault
from msingi.signin.esignet.steps import (
    Said,
    answered,
    check_browser,
    check_channels,
    client_of,
    coded,
    consent_action,
    ctx_of,
    waited,
)
from msingi.signin.model import Place
from msingi.signin.page import WebRequest

THERE = f"{HERE}/linked-authorization"


def _time(unix: int) -> str:
    return told_at(datetime.fromtimestamp(unix, UTC))


@post(f"{THERE}/link-code", status_code=200, tags=["signin"])
async def link_code(request: WebRequest) -> Response[dict[str, Any]]:
    """A code, shown as a QR, with which one other device may go on with this browser's sign-in."""

    async def step(asked: Said) -> Said:
        login_id = reading.text(asked, "transactionId", "invalid_transaction_id")
        key = acts.key_of(login_id)
        code, until = await acts.link_code(web.stack(request), ctx_of(request), key, device)
        return {"transactionId": login_id, "linkCode": code, "expireDateTime": _time(until)}

    device = check_browser(request)
    return await answered(request, step)


async def _linked_details(request: WebRequest, asked: Said, *, named: bool) -> Said:
    stack = web.stack(request)
    code = reading.text(asked, "linkCode", "invalid_link_code")
    linked_id, login = await acts.link(stack, ctx_of(request), code)
    shown = reading.details("", login.flow.asked, await client_of(stack, login), named=named)
    del shown["transactionId"], shown["redirectUri"]
    return {"linkTransactionId": linked_id, **shown}


@post(f"{THERE}/link-transaction", status_code=200, tags=["signin"])
async def link_transaction(request: WebRequest) -> Response[dict[str, Any]]:
    """The wallet's side: read a link code, once, and be told what is asked for."""
    return await answered(request, lambda asked: _linked_details(request, asked, named=False))


@post(f"{THERE}/v2/link-transaction", status_code=200, tags=["signin"])
async def link_transaction_by_language(request: WebRequest) -> Response[dict[str, Any]]:
    """The same, with the software's name by language."""
    return await answered(request, lambda asked: _linked_details(request, asked, named=True))


async def _watched(request: WebRequest, asked: Said, name: str) -> tuple[bytes, Link]:
    """The waiting browser's sign-in and the link code that it showed. Raises Fault."""
    device, stack = check_browser(request), web.stack(request)
    login_id = reading.text(asked, "transactionId", "invalid_transaction_id")
    found = acts.opened_code(stack, reading.text(asked, name, "invalid_link_code"))
    key = acts.key_of(login_id)
    login = acts.check_open(await acts.follow(stack, ctx_of(request), key, "waits"))
    if login.flow.device_hash != device:
        raise Fault("invalid_transaction_id", "this sign-in was begun in another browser")
    if found.login != key or not wire.same(login.link, wire.secret_hash(found.secret)):
        raise Fault("invalid_link_code", "the code of another sign-in")
    return key, found


@post(f"{THERE}/link-status", status_code=200, tags=["signin"])
async def link_status(request: WebRequest) -> Response[dict[str, Any]]:
    """Wait until a device has read the link code."""

    async def step(asked: Said) -> Said:
        stack, (key, _) = web.stack(request), await _watched(request, asked, "linkCode")

        async def look() -> Login:
            return await acts.follow(stack, ctx_of(request), key, "waits")

        login = await waited(look, lambda login: bool(login.linked_at), WAIT_S)
        at = _time(login.linked_at)
        return {"transactionId": asked["transactionId"], "linkStatus": "LINKED", "linkedDateTime": at}

    return await answered(request, step)


@post(f"{THERE}/link-auth-code", status_code=200, tags=["signin"])
async def link_auth_code(request: WebRequest) -> Response[dict[str, Any]]:
    """Wait until the other device has decided, and get the authorization code."""

    async def step(asked: Said) -> Said:
        stack, (key, _) = web.stack(request), await _watched(request, asked, "linkedCode")

        async def look() -> Login:
            return await acts.follow(stack, ctx_of(request), key, "waits")

        login = await waited(look, lambda login: login.settled and login.by_link, WAIT_S)
        client = await client_of(stack, login)
        code = await acts.give_code(stack, ctx_of(request), key, login, client, login.accepted)
        return coded(login, code)

    return await answered(request, step)


def _place(request: WebRequest, found: Link) -> Place:
    """Where a linked device tries from: it sends no cookie, so it is a new device, known by its link alone."""
    return replace(page.place_of(request), device_hash=wire.secret_hash(found.secret))


@post(f"{THERE}/send-otp", status_code=200, tags=["signin"])
async def send_otp(request: WebRequest) -> Response[dict[str, Any]]:
    """Send the one-time code, once the PIN was right on the linked device."""

    async def step(asked: Said) -> Said:
        check_channels(asked)
        individual = reading.text(asked, "individualId", "invalid_identifier")
        linked_id = reading.text(asked, "transactionId", "invalid_transaction_id")
        stack, ctx = web.stack(request), ctx_of(request)
        found, login = await acts.linked_login(stack, ctx, linked_id, "wants a code")
        client, lang = await client_of(stack, login), page.language(request, login.flow.asked.ui_locales)
        bound_to = _place(request, found).device_hash
        tail = await acts.send_code(stack, ctx, found.login, login, client, individual, bound_to, lang, by_link=True)
        return code_sent(linked_id, tail)

    return await answered(request, step)


async def _proved(request: WebRequest, asked: Said, *, tell: bool) -> Said:
    said = reading.said(asked)
    linked_id = reading.text(asked, "linkedTransactionId", "invalid_transaction_id")
    stack, ctx = web.stack(request), ctx_of(request)
    found, login = await acts.linked_login(stack, ctx, linked_id, "tries to prove")
    if login.session:
        raise Fault("invalid_transaction_id", "somebody has signed in here already")
    client, place = await client_of(stack, login), _place(request, found)
    login = await proving.prove(stack, ctx, login, proving.Try(found.login, client, said, place, linked_id))
    action = await consent_action(request, login, client)
    if action["consentAction"] == "NOCAPTURE":
        await acts.accept(stack, ctx, found.login, None)
    return {"linkedTransactionId": linked_id} | (action if tell else {})


@post(f"{THERE}/authenticate", status_code=200, tags=["signin"])
async def authenticate(request: WebRequest) -> Response[dict[str, Any]]:
    """One try to prove who one is, on the linked device."""
    return await answered(request, lambda asked: _proved(request, asked, tell=False))


@post(f"{THERE}/v2/authenticate", status_code=200, tags=["signin"])
async def authenticate_and_tell(request: WebRequest) -> Response[dict[str, Any]]:
    """The same; the answer also says whether the person must still be asked for consent."""
    return await answered(request, lambda asked: _proved(request, asked, tell=True))


@post([f"{THERE}/consent", f"{THERE}/v2/consent"], status_code=200, tags=["signin"])
async def consent(request: WebRequest) -> Response[dict[str, Any]]:
    """Keep what was agreed on the linked device; the waiting browser then gets its code."""

    async def step(asked: Said) -> Said:
        given = reading.chosen(asked)
        linked_id = reading.text(asked, "linkedTransactionId", "invalid_transaction_id")
        stack, ctx = web.stack(request), ctx_of(request)
        found, login = await acts.linked_login(stack, ctx, linked_id, "decides")
        client = await client_of(stack, login)
        if await acts.undecided(stack, login, client, ctx.request_id):
            await acts.accept(stack, ctx, found.login, await acts.agree(stack, login, client, given, ctx.request_id))
        return {"linkedTransactionId": linked_id}

    return await answered(request, step)


doors = [
    link_code,
    link_transaction,
    link_transaction_by_language,
    link_status,
    link_auth_code,
    send_otp,
    authenticate,
    authenticate_and_tell,
    consent,
]
