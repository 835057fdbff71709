"""Pages of sign-in: plain HTML that works without script, at phone width, in every language of the profile.

Another room restyles them with `prefer`: a template of its own called `signin/layout.html` takes the place of ours.
"""

import secrets
from typing import Any
from urllib.parse import urlsplit

from jinja2 import BaseLoader, ChoiceLoader, Environment, PackageLoader, StrictUndefined
from litestar import Request, Response
from litestar.datastructures import Cookie

from msingi.kernel import web
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.signin import wire
from msingi.signin.model import Place
from msingi.signin.rules import network

DEVICE, SESSION = "msingi-device", "msingi-session"
DEVICE_AGE_S = 365 * 86_400
_ours = PackageLoader("msingi.signin", "templates")
_loaders = ChoiceLoader([_ours])
_pages = Environment(loader=_loaders, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
WebRequest = Request[Any, Any, Any]


def prefer(loader: BaseLoader) -> None:
    """Look for templates in `loader` first; `signin/layout.html` there restyles every page."""
    _loaders.loaders = [loader, _ours]
    if _pages.cache is not None:
        _pages.cache.clear()


def offered(stack: Stack) -> list[str]:
    """The languages in which pages are offered, the country's default first."""
    spoken = wire.languages()
    return [code for code in stack.profile.languages if code in spoken] or [wire.FALLBACK]


def language(request: WebRequest, *wished: str) -> str:
    """The language of a page: what was chosen, else what the client or the browser asks for, else the country's."""
    wishes = [w for text in wished for w in text.split()]
    wishes += wire.accepted_languages(request.headers.get("accept-language", ""))
    return wire.best_language(wishes, offered(web.stack(request)))


def cookie_name(stack: Stack, name: str) -> str:
    """The cookie's name; over https with the prefix that keeps other hosts from setting it (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if stack.settings.url.startswith("https:") else name


def cookie_of(request: WebRequest, name: str) -> str:
    """The value of a cookie of ours, empty if there is none."""
    return request.cookies.get(cookie_name(web.stack(request), name), "")


def cookie(stack: Stack, name: str, value: str, max_age_s: int | None = None) -> Cookie:
    """A cookie that scripts cannot read and that other sites' forms do not send."""
    return Cookie(
        key=cookie_name(stack, name),
        value=value,
        path="/",
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=stack.settings.url.startswith("https:"),
    )


def device_hash(request: WebRequest) -> bytes:
    """The hash of this browser's device cookie; of nothing when it has none."""
    return wire.secret_hash(cookie_of(request, DEVICE).encode())


def place_of(request: WebRequest) -> Place:
    """Where this request comes from."""
    address = request.client.host if request.client else ""
    return Place(device_hash(request), network(address), request.headers.get("user-agent", "")[:300])


def show(
    request: WebRequest,
    name: str,
    lang: str,
    *,
    status: int = 200,
    goes_to: str = "",
    cookies: list[Cookie] | None = None,
    script: bool = False,
    **facts: Any,
) -> Response[str]:
    """The page `name`. `goes_to` is the address that its form may finally lead to, which the browser must know.

    With `script` the page may run scripts of this site's own files; no page runs any other.
    """
    stack = web.stack(request)
    nonce = secrets.token_urlsafe(12)
    if "client" in facts:
        facts["client"] = stack.profile.retold(facts["client"], lang)
    html = _pages.get_template(f"signin/{name}.html").render(
        lang=lang,
        dir=stack.profile.direction(lang),
        nonce=nonce,
        country=stack.profile.say(stack.profile.name, lang),
        colours=stack.profile.colours,
        sandbox=stack.settings.sandbox,
        languages=[(code, wire.say("_name", code)) for code in offered(stack)],
        say=lambda text, **parts: wire.say(text, lang, **parts),
        **facts,
    )
    target = urlsplit(goes_to)
    origin = f" {target.scheme}://{target.netloc}" if target.netloc else ""
    scripts = "script-src 'self'; " if script else ""
    policy = (
        f"default-src 'none'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; font-src 'self'; "
        f"{scripts}form-action 'self'{origin}; base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        # The browser tells our own forms' origin, and other sites nothing.
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Request-Id": web.request_id(request),
    }
    return Response(html, status_code=status, media_type="text/html", headers=headers, cookies=cookies or [])


def go(to: str, cookies: list[Cookie] | None = None) -> Response[bytes]:
    """Send the browser on; 303, so that what was typed is not sent along."""
    headers = {"Location": to, "Cache-Control": "no-store", "Referrer-Policy": "same-origin"}
    return Response(b"", status_code=303, headers=headers, cookies=cookies or [], media_type="text/plain")


def refuse(request: WebRequest, ending: Refusal | Outage) -> Response[str]:
    """The page that names what went wrong and how to mend it; it leads nowhere by itself (law 6)."""
    lang = language(request)
    code = ending.code if isinstance(ending, Refusal) else "outage"
    said = {"title": "Temporarily unavailable", "mend": "Try again in a moment.", "detail": ""}
    if isinstance(ending, Refusal):
        rule = str(ending.facts.get("rule", ""))
        field = str(ending.facts.get("field", ""))
        more = [ending.detail, f"field: {field}" if field else "", f"rule: {rule}" if rule else ""]
        said = {"title": ending.title, "mend": ending.remedy, "detail": " · ".join(m for m in more if m)}
    for part in ("title", "mend"):
        said[part] = wire.say_or(f"{part} {code}", lang, said[part])
    status = ending.status if isinstance(ending, Refusal) else 503
    answer = show(request, "error", lang, status=status, code=code, said=said)
    if isinstance(ending, Outage):
        answer.headers["Retry-After"] = str(ending.retry_after_s)
    return answer
