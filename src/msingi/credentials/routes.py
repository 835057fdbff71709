"""Doors of the credentials room: cards for staff and holders; keys, status lists and the verifier for anybody."""

import asyncio
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.params import PathParameter, QueryParameter

from msingi.credentials import acts, picture, publish, statuslist
from msingi.credentials.errors import HistoryNotKept, PictureTooLarge
from msingi.credentials.model import CardSummary, CredentialId, IssuedCard, StatusChange
from msingi.credentials.wire import CardOrder, SheetOrder, StateOrder
from msingi.credentials.words import languages, words
from msingi.kernel import web
from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId

AnyRequest = Request[Any, Any, Any]
CardNumber = Annotated[
    str, PathParameter(pattern="^[2-9A-Z]{9}$", description="The nine characters of a card's number.")
]
ANY_ORIGIN = {"Access-Control-Allow-Origin": "*"}
PDF = "application/pdf"
_reading = asyncio.Semaphore(2)  # pictures decoded at once: the door is open to anybody, the processor is not


async def _issuing(request: AnyRequest) -> Context:
    return await web.context(request, "credential-issuance", "legal-obligation", signed_in=True)


def _pdf(content: bytes, name: str) -> Response[bytes]:
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=PDF, headers=headers)


@post("/cards", summary="Issue an ID card")
async def issue(request: AnyRequest, data: CardOrder) -> IssuedCard:
    """Issue an ID card to a person; the live card before it ends. The same `order_id` gives the same card again.

    403, 404; 409 credentials.holder-not-active, credentials.holder-incomplete, credentials.holder-has-card.
    """
    ctx = await _issuing(request)
    return await acts.issue_card(web.stack(request), ctx, data.person_id, data.order_id[:80])


@get("/cards/{credential_id:str}/card.pdf", summary="A card as PDF")
async def card_pdf(request: AnyRequest, credential_id: CardNumber) -> Response[bytes]:
    """Both sides at 85.60 x 53.98 mm (ISO/IEC 7810 ID-1), for the holder and for officers.

    403; 404 credentials.no-such-card; 409 credentials.card-ended, credentials.card-suspended.
    """
    ctx = await _issuing(request)
    number = CredentialId(credential_id)
    return _pdf(await acts.card_pdf(web.stack(request), ctx, number), f"card-{number}")


@get("/cards/{credential_id:str}/code.png", summary="A card's QR code as a picture", media_type="image/png")
async def card_code(request: AnyRequest, credential_id: CardNumber) -> Response[bytes]:
    """The QR code that the card carries, for the holder's telephone. 403, 404, 409 as for the PDF."""
    ctx = await _issuing(request)
    picture_png = await acts.card_code(web.stack(request), ctx, CredentialId(credential_id))
    return Response(picture_png, media_type="image/png", headers={"Cache-Control": "private, no-store"})


@post("/sheets", summary="Cards on A4 sheets", status_code=200)
async def sheet(request: AnyRequest, data: SheetOrder) -> Response[bytes]:
    """Up to 200 cards as a PDF of A4 sheets, eight on each, fronts and backs with crop marks.

    403, 404, 409 as for one card; 413 credentials.too-many-cards.
    """
    ctx = await _issuing(request)
    return _pdf(await acts.sheet_pdf(web.stack(request), ctx, data.credential_ids), "cards")


@post("/cards/{credential_id:str}/revoke", summary="End a card", status_code=200)
async def revoke(request: AnyRequest, credential_id: CardNumber, data: StateOrder) -> StatusChange:
    """End a card for good; its entry of the status list says so from now on. 403; 404 credentials.no-such-card."""
    ctx = await _issuing(request)
    return await acts.revoke(web.stack(request), ctx, CredentialId(credential_id), data.reason)


@post("/cards/{credential_id:str}/suspend", summary="Pause a card", status_code=200)
async def suspend(request: AnyRequest, credential_id: CardNumber, data: StateOrder) -> StatusChange:
    """Pause a card, for example while it is missed; holders may do it to their own. 403; 404; 409 card-ended."""
    ctx = await _issuing(request)
    return await acts.suspend(web.stack(request), ctx, CredentialId(credential_id), data.reason)


@post("/cards/{credential_id:str}/reinstate", summary="Make a paused card valid again", status_code=200)
async def reinstate(request: AnyRequest, credential_id: CardNumber, data: StateOrder) -> StatusChange:
    """Make a suspended card valid again. 403; 404; 409 credentials.card-ended."""
    ctx = await _issuing(request)
    return await acts.reinstate(web.stack(request), ctx, CredentialId(credential_id), data.reason)


@get("/persons/{person_id:uuid}/cards", summary="A person's cards")
async def cards_of(request: AnyRequest, person_id: PersonId) -> tuple[CardSummary, ...]:
    """All cards of a person with their states, the newest first, for the person and for officers. 403."""
    return await acts.cards_of(web.stack(request), await _issuing(request), person_id)


@get("/.well-known/msingi-issuer-keys.json", summary="The issuer's public keys")
async def issuer_keys(request: AnyRequest) -> Response[dict[str, object]]:
    """The keys that verify cards and status lists, as a JWK Set (RFC 7517). Keep a copy: it is all one needs."""
    headers = ANY_ORIGIN | {"Cache-Control": "public, max-age=300"}
    return Response(publish.issuer_keys(web.stack(request)), headers=headers)


@get("/credentials/status", summary="All status lists")
async def status_lists(request: AnyRequest) -> Response[dict[str, list[str]]]:
    """The addresses of all status lists (Token Status List, section 9.3), for those who fetch them ahead."""
    headers = ANY_ORIGIN | {"Cache-Control": "public, max-age=300"}
    return Response({"status_lists": await publish.all_list_uris(web.stack(request))}, headers=headers)


@get(
    "/credentials/status/{list_id:int}",
    summary="A signed status list",
    media_type=statuslist.MEDIA_JWT,
    opt={"gives": (statuslist.MEDIA_JWT, statuslist.MEDIA_CWT)},
)
async def status_list(request: AnyRequest, list_id: int) -> Response[str | bytes]:
    """The status of up to a million credentials, as JWT, or as CWT if `Accept` asks for application/statuslist+cwt.

    Token Status List, section 8.1. 404 credentials.no-such-status-list; 501 credentials.history-not-kept.
    """
    if "time" in request.query_params:
        raise HistoryNotKept()
    token = await publish.status_list(web.stack(request), min(list_id, 2**31 - 1) if list_id > 0 else 0)
    headers = ANY_ORIGIN | {"Cache-Control": "public, max-age=60", "ETag": token.etag, "Vary": "Accept"}
    if request.headers.get("if-none-match") == token.etag:
        return Response(b"", status_code=304, headers=headers, media_type=statuslist.MEDIA_JWT)
    if statuslist.MEDIA_CWT in request.headers.get("accept", ""):
        return Response(token.cwt, media_type=statuslist.MEDIA_CWT, headers=headers)
    return Response(token.jwt.encode(), media_type=statuslist.MEDIA_JWT, headers=headers)


@get("/verify", summary="The verifier page", media_type="text/html")
async def page(request: AnyRequest, lang: Annotated[str, QueryParameter(max_length=8)] = "") -> Response[str]:
    """A page for a shop or an officer that checks a card on the device itself, also offline after the first visit."""
    stack = web.stack(request)
    known = languages("verify")
    accepted = [part.strip()[:2] for part in request.headers.get("accept-language", "").split(",")]
    chosen = next((code for code in (lang, *accepted, stack.profile.language, "en") if code in known), "en")
    spoken = words("verify", chosen)
    html = _template().render(
        language=chosen,
        direction=stack.profile.direction(chosen),
        languages=[(code, words("verify", code)["name"]) for code in known],
        words=spoken,
        words_json=msgspec.json.encode(spoken).decode(),
        issuer=stack.settings.url,
        groups=" ".join(str(size) for size in stack.profile.number.groups),
        country=stack.profile.say(stack.profile.name, chosen),
        colours=stack.profile.colours,
    )
    return Response(html, media_type="text/html", headers={"Cache-Control": "no-cache", "Vary": "Accept-Language"})


@get("/verify/{name:str}", summary="The verifier's script and style", media_type="text/plain")
async def asset(request: AnyRequest, name: str) -> Response[bytes]:
    """`verifier.js`, which is also the service worker of the page, `reader.js`, and `verifier.css`."""
    if name in ("verifier.js", "reader.js"):
        headers = {"Cache-Control": "no-cache", "Service-Worker-Allowed": "/verify"}
        return Response(_asset(name), media_type="text/javascript", headers=headers)
    if name != "verifier.css":
        raise web.NoSuchDoor()
    style = _asset(name).decode()
    for colour, value in msgspec.structs.asdict(web.stack(request).profile.colours).items():
        style = style.replace(f" {colour.upper()};", f" {value};")
    return Response(style.encode(), media_type="text/css", headers={"Cache-Control": "no-cache"})


@get("/verify/qr/{name:str}", summary="The verifier's reader of QR codes", media_type="text/javascript")
async def decoder(name: str) -> Response[bytes]:
    """The decoder for browsers that have none: `decode.js` and `index.js` of the package `qr`, and its licences."""
    if name not in ("decode.js", "index.js", "LICENSE", "LICENSE-MIT"):
        raise web.NoSuchDoor()
    media_type = "text/javascript" if name.endswith(".js") else "text/plain"
    return Response(_asset(f"qr/{name}"), media_type=media_type, headers={"Cache-Control": "no-cache"})


@post(
    "/verify/read",
    summary="Read a QR code from a picture",
    status_code=200,
    request_max_body_size=None,
    opt={"takes": ("image/jpeg", "image/png", "image/webp")},
)
async def read_picture(request: AnyRequest) -> dict[str, str]:
    """The text of the QR code in a JPEG, PNG or WebP picture that the page could not read, if its user sends it.

    The picture is read in memory and never kept; what the text means is checked in the browser.
    400 credentials.unreadable; 413 credentials.picture-too-large; 422 credentials.no-code-found.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > picture.MAX_PICTURE_BYTES:
            raise PictureTooLarge(most_bytes=picture.MAX_PICTURE_BYTES)
    async with _reading:
        return {"text": await asyncio.to_thread(picture.read_qr, bytes(content))}


@cache
def _asset(name: str) -> bytes:
    return (files("msingi.credentials") / "page" / name).read_bytes()


@cache
def _template() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    pages = Environment(loader=PackageLoader("msingi.credentials", "page"), autoescape=True, undefined=StrictUndefined)
    return pages.get_template("verify.html")


routers = [
    Router(
        "/v1/credentials",
        route_handlers=[issue, card_pdf, card_code, sheet, revoke, suspend, reinstate, cards_of],
        tags=["credentials"],
    ),
    Router("/", route_handlers=[issuer_keys, status_lists, status_list], tags=["credentials"]),
    Router("/", route_handlers=[page, asset, decoder, read_picture], tags=["verifier"]),
]
