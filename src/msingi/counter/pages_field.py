"""The page for enrolment where there is no network, which works offline after the first visit; and its devices.

The page is public and knows nothing: what admits a packet is the key of a device that a registrar registered. What an
officer takes down is signed and encrypted in the browser at once (docs/how-to/enrol-in-the-field.md).
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response, get, post

from msingi.counter import forms
from msingi.counter.model import Sheet
from msingi.counter.pages_staff import REGISTRAR, ctx_of, shown
from msingi.identity.reception import field
from msingi.identity.reception.model import DeviceOrder
from msingi.identity.rules import EXCEPTIONS
from msingi.kernel import web
from msingi.kernel.errors import NotPermitted, Refusal
from msingi.kernel.stack import Stack
from msingi.portal import page as portal_page
from msingi.portal import rules
from msingi.portal.model import Form
from msingi.portal.visit import Visit, WebRequest, language, visit_as_staff
from msingi.portal.words import load

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "manifest-src 'self'; worker-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
KINDS: Final = {
    "field.js": "text/javascript",
    "packet.js": "text/javascript",
    "offline.js": "text/javascript",
    "field.css": "text/css",
    "icon.svg": "image/svg+xml",
}
# What the script says; the rest of the words stands in the page itself.
SPOKEN: Final = (
    "device_hint", "needs_network", "waiting", "online", "offline", "needs_name", "wrong_date", "wrong_phone",
    "kept_as", "not_kept", "cannot", "state_kept", "state_received", "state_enrolled", "state_held", "state_conflict",
    "state_quarantined", "state_dismissed", "state_refused",
)  # fmt: skip


@cache
def _pages() -> Environment:
    loader = PackageLoader("msingi.counter", "field")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


class _Words:
    """The texts of the page by name, in one language."""

    def __init__(self, lang: str) -> None:
        self.found = load(lang)

    def __getitem__(self, name: str) -> str:
        return self.found.plain(f"field.{name}", n="{n}") if name == "waiting" else self.found.plain(f"field.{name}")

    __getattr__ = __getitem__


def _questions(stack: Stack, lang: str) -> dict[str, Any]:
    """The questions about a person: texts, choices, and texts that most people leave empty."""
    profile, say = stack.profile, load(lang).plain
    sexes = tuple(
        (value, say(f"enrol.sex_{short}")) for value, short in (("female", "f"), ("male", "m"), ("other", "x"))
    )
    regions = tuple((r.code, profile.say(r.name, lang)) for r in profile.regions)
    tongues = tuple((t.code, t.name) for t in portal_page.tongues(profile))
    lacking = tuple((code, say(f"counter.lack_{code}")) for code in EXCEPTIONS)
    return {
        "texts": (("given", say("enrol.given_name")), ("family", say("enrol.family_name"))),
        "choices": (
            ("sex", say("enrol.sex"), sexes),
            ("region", say("enrol.region"), regions),
            ("language", say("field.language"), tongues),
            ("lacking", say("counter.ask_lacking"), lacking),
        ),
        "more": (
            ("address", say("enrol.address")),
            ("phone", say("enrol.phone")),
            ("guardian", say("counter.ask_guardian")),
            ("introducer", say("counter.ask_introducer")),
            ("document_kind", say("counter.ask_document_kind")),
            ("document_number", say("counter.ask_document_number")),
            ("place", say("field.place")),
        ),
    }


@get("/field")
async def field_page(request: WebRequest) -> Response[bytes]:
    """The page; whoever opens it once has it from then on."""
    stack, known = web.stack(request), [t.code for t in portal_page.tongues(web.stack(request).profile)]
    wished = request.query_params.get("lang", "")
    lang = wished if wished in known else language(request)
    words, profile = _Words(lang), stack.profile
    html = _pages().get_template("field.html").render(
        t=words,
        lang=lang,
        dir=profile.direction(lang),
        country=profile.say(profile.name, lang),
        colours=profile.colours,
        languages=[(t.code, t.name) for t in portal_page.tongues(profile)],
        words=msgspec.json.encode({name: words[name] for name in SPOKEN}).decode(),
        prefix=profile.phone_prefix,
        digits=profile.phone_digits,
        **_questions(stack, lang),
    )  # fmt: skip
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "Referrer-Policy": "no-referrer",
               "X-Content-Type-Options": "nosniff"}  # fmt: skip
    return Response(html.encode(), media_type="text/html", headers=headers)


@get("/field/{name:str}")
async def asset(request: WebRequest, name: str) -> Response[bytes]:
    """The page's parts. Raises NoSuchDoor."""
    stack, kept = web.stack(request), {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    colours = msgspec.structs.asdict(stack.profile.colours)
    if name == "manifest.webmanifest":
        lang = language(request)
        title = load(lang).plain("field.title")
        icon = {"src": "/field/icon.svg", "sizes": "any", "type": "image/svg+xml"}
        told = {"name": title, "short_name": title[:12], "start_url": "/field", "scope": "/field", "lang": lang,
                "display": "standalone", "theme_color": colours["primary"], "icons": [icon]}  # fmt: skip
        return Response(msgspec.json.encode(told), media_type="application/manifest+json", headers=kept)
    if name not in KINDS:
        raise web.NoSuchDoor()
    content = (files("msingi.counter") / "field" / name).read_text("utf-8")
    if name in ("field.css", "icon.svg"):
        for colour, value in colours.items():
            content = content.replace(colour.upper(), str(value))
    headers = kept | {"Service-Worker-Allowed": "/field"}
    return Response(content.encode(), media_type=KINDS[name], headers=headers)


# --- devices ---------------------------------------------------------------------------------------------------------


def _blank(seen: Visit) -> Form:
    say = seen.say
    return Form(
        (
            forms.field(say, "device_key", longest=400, hint=say("counter.ask_device_key_hint"), optional=False),
            forms.field(say, "device_officer", longest=60, hint=say("counter.ask_device_officer_hint"), optional=False),
        )
    )


def _asking(seen: Visit, form: Form, note: str = "") -> Response[bytes]:
    view = Sheet(
        title=seen.say("counter.new_field_device"),
        lead=seen.say("counter.new_field_device_lead"),
        note=note,
        back=("/staff/field", seen.say("counter.field")),
        action="/staff/field/new",
        submit=seen.say("counter.trust_device"),
    )
    return shown(seen, view, form)


@get("/staff/field/new")
async def blank(request: WebRequest) -> Response[bytes]:
    """The questions about a device to be trusted."""
    seen = await visit_as_staff(request, REGISTRAR)
    return _asking(seen, _blank(seen))


@post("/staff/field/new", status_code=200)
async def register(request: WebRequest) -> Response[bytes]:
    """Trust a device's key for one officer of the own institution."""
    seen = await visit_as_staff(request, REGISTRAR)
    form = rules.filled(_blank(seen), seen.fields)
    if seen.in_other_language:
        return _asking(seen, form)
    form = rules.judged(form, seen.say, {})
    if form.wrongs:
        return _asking(seen, form)
    try:
        told = msgspec.json.decode(form.value("device_key"), type=dict[str, Any])
        order = msgspec.convert(told | {"officer": form.value("device_officer")}, DeviceOrder)
    except (msgspec.ValidationError, msgspec.DecodeError, RecursionError):
        return _asking(seen, rules.with_wrong(form, "device_key", seen.say("counter.ask_device_key_hint")))
    try:
        await field.register_device(seen.stack, ctx_of(seen), order)
    except NotPermitted:
        raise
    except Refusal as refusal:
        return _asking(seen, form, forms.told(seen, refusal))
    return seen.go("/staff/field", "counter.said_trusted")


doors = [field_page, asset, blank, register]
