"""The pages of a request for the person who is asked: what is asked and why, the way to the wallet, how it ended.

Plain HTML that works without script, at phone width, in every language of the profile.
"""

import tomllib
from base64 import b64encode
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie

from msingi.credentials import picture
from msingi.credentials.presentation import envelope
from msingi.credentials.presentation.model import Across, Asked, Device, State, fields_of
from msingi.kernel import web
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack

AnyRequest = Request[Any, Any, Any]
COOKIE = "msingi-present"
LAST_RESORT = "en"
POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
POLICY += "base-uri 'none'; frame-ancestors 'none'; "


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("msingi.credentials.presentation") / "texts.toml").read_text("utf-8"))


def languages(stack: Stack) -> list[str]:
    """The languages of the pages: the profile's that the texts are written in, or English."""
    return [code for code in stack.profile.languages if code in _texts()] or [LAST_RESORT]


def language(request: AnyRequest) -> str:
    """The language that was chosen, else what the browser asks for, else the country's."""
    offered = languages(web.stack(request))
    wishes = [request.query_params.get("lang", "")]
    wishes += [part.strip()[:2] for part in request.headers.get("accept-language", "").split(",")]
    return next((code for code in wishes if code in offered), offered[0])


def words(lang: str) -> dict[str, str]:
    """The texts in a language, in English where one is lacking."""
    return _texts()[LAST_RESORT] | _texts().get(lang, {})


def field_name(spoken: dict[str, str], field: str) -> str:
    """What people call a field; its own name where nobody wrote another."""
    last = field.rpartition(".")[2]
    return spoken.get(f"field {field}") or spoken.get(f"field {last}") or last.replace("_", " ")


def purpose_of(stack: Stack, asked: Asked, lang: str) -> str:
    """The purpose in the words of the country's profile."""
    for rule in stack.profile.purposes:
        if rule.purpose == asked.purpose:
            return stack.profile.say(rule.text, lang)
    return asked.purpose


@cache
def _pages() -> Environment:
    loader = PackageLoader("msingi.credentials.presentation", "page")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def show(
    request: AnyRequest,
    name: str,
    *,
    status: int = 200,
    cookies: list[Cookie] | None = None,
    goes_to: str = "",
    **facts: Any,
) -> Response[Any]:
    """The page `name`. `goes_to` is the address that its form may finally lead to, which the browser must know."""
    stack, lang = web.stack(request), language(request)
    html = (
        _pages()
        .get_template(f"{name}.html")
        .render(
            lang=lang,
            dir=stack.profile.direction(lang),
            country=stack.profile.say(stack.profile.name, lang),
            colours=stack.profile.colours,
            languages=[(code, words(code)["_name"]) for code in languages(stack)],
            here=request.url.path,
            t=words(lang),
            **facts,
        )
    )
    # Our own form must tell its origin, and other sites learn nothing: "no-referrer" would hide it from us too.
    headers = {"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Request-Id": web.request_id(request)}
    if goes_to:
        there = urlsplit(goes_to)
        headers["Content-Security-Policy"] = POLICY + f"form-action 'self' {there.scheme}://{there.netloc}"
    return Response(html, status_code=status, media_type="text/html", headers=headers, cookies=cookies or [])


def request_facts(stack: Stack, asked: Asked, lang: str) -> dict[str, Any]:
    """What the page of an open request shows: who asks, why, for which facts, and the ways to a wallet."""
    spoken = words(lang)
    code = ""
    if asked.across is not Across.NO:
        png = picture.write_qr(envelope.wallet_link(asked, Device.OTHER))
        code = "data:image/png;base64," + b64encode(png).decode()
    return {
        "asker": asked.asker.name,
        "purpose": purpose_of(stack, asked, lang),
        "law": asked.law,
        "fields": [field_name(spoken, field) for field in fields_of(asked.query)],
        "protocol": envelope.protocol(asked),
        "link": envelope.wallet_link(asked, Device.SAME),
        "code": code,
        "transactions": len(asked.transaction_data),
    }


def outcome(state: State) -> str:
    """The name of the text that tells how a request ended."""
    return f"ended {state.value}"


def refuse(request: AnyRequest, ending: Refusal | Outage) -> Response[Any]:
    """The page that names what went wrong and how to mend it."""
    spoken = words(language(request))
    code = ending.code if isinstance(ending, Refusal) else "outage"
    title = spoken.get(f"title {code}", ending.title if isinstance(ending, Refusal) else spoken["title outage"])
    mend = spoken.get(f"mend {code}", ending.remedy if isinstance(ending, Refusal) else spoken["mend outage"])
    status = ending.status if isinstance(ending, Refusal) else 503
    return show(request, "message", status=status, title=title, text=mend, tone="bad", code=code)


def asset(stack: Stack, name: str) -> Response[bytes]:
    """A file of the pages. Raises NoSuchDoor."""
    kinds = {"present.css": "text/css", "present.js": "text/javascript"}
    if name not in kinds:
        raise web.NoSuchDoor()
    content = (files("msingi.credentials.presentation") / "page" / name).read_text("utf-8")
    for colour, value in msgspec.structs.asdict(stack.profile.colours).items():
        content = content.replace(f" {colour.upper()};", f" {value};")
    return Response(content.encode(), media_type=kinds[name], headers={"Cache-Control": "no-cache"})


def cookie_name(stack: Stack) -> str:
    """The cookie's name; over https with the prefix that keeps other hosts from setting it."""
    return f"__Host-{COOKIE}" if stack.settings.url.startswith("https:") else COOKIE


def cookie(stack: Stack, value: str) -> Cookie:
    """The secret of this browser; a wallet's link brings it back, another site's form does not (SameSite=Lax)."""
    secure = stack.settings.url.startswith("https:")
    return Cookie(
        key=cookie_name(stack), value=value, path="/", max_age=86_400, httponly=True, samesite="lax", secure=secure
    )
