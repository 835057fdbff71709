"""Public pages and doors: safeguards, the register of processing, the impact assessment, and figures of redress."""

from typing import Any, Generic, TypeVar

import msgspec
from litestar import Request, Response, Router, get

from msingi.governance import signing
from msingi.governance.figures import acts as figures
from msingi.governance.keeping import acts as keeping
from msingi.governance.keeping.model import Kept
from msingi.governance.processing import acts as processing
from msingi.governance.processing.model import Assessment, Register
from msingi.governance.safeguards import acts as safeguards
from msingi.governance.safeguards.model import Report
from msingi.governance.views import institution
from msingi.kernel import web
from msingi.kernel.context import Kind
from msingi.kernel.stack import Stack
from msingi.portal import blocks
from msingi.portal.trouble import HANDLERS
from msingi.portal.visit import Visit, WebRequest, visit

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")
Lang = str


class Signed(msgspec.Struct, Generic[T], frozen=True):
    """A document, and the JWS (EdDSA) over its canonical JSON by the key `kid` of /v1/consent/keys."""

    document: T
    kid: str
    jws: str


def _signed(stack: Stack, document: T) -> Signed[T]:
    jws, kid = signing.sign(stack, document)
    return Signed(document, kid, jws)


def _language(stack: Stack, lang: str) -> str:
    return lang if lang in stack.profile.languages or lang == "en" else stack.profile.language


@get("/safeguards")
async def safeguards_door(request: AnyRequest, lang: str = "") -> Signed[Report]:
    """The 18 principles of the Universal DPI Safeguards Framework with what evidences each now, signed."""
    stack = web.stack(request)
    return _signed(stack, await safeguards.report(stack, _language(stack, lang)))


@get("/processing")
async def processing_door(request: AnyRequest, lang: str = "") -> Signed[Register]:
    """The register of processing (GDPR article 30 in substance), read from what the system does, signed."""
    stack = web.stack(request)
    return _signed(stack, await processing.register(stack, _language(stack, lang)))


@get("/assessment")
async def assessment_door(request: AnyRequest, lang: str = "") -> Signed[Assessment]:
    """The data-protection impact assessment (GDPR article 35 in substance) from the running checks, signed."""
    stack = web.stack(request)
    return _signed(stack, await safeguards.assessment(stack, _language(stack, lang)))


@get("/figures")
async def figures_door(request: AnyRequest) -> list[figures.Figures]:
    """Protected figures of requests and complaints, one edition a quarter, newest first."""
    return await figures.published(web.stack(request))


class ProcessingPage(msgspec.Struct, frozen=True):
    """The register and the assessment as people read them."""

    register: Register
    assessment: Assessment
    kept: dict[str, Kept]


class Level(msgspec.Struct, frozen=True):
    """One way of counting the cases of a quarter: its name, the rows large enough to show, the others by name."""

    title: str
    rows: tuple[tuple[str, int], ...]
    small: tuple[str, ...]


class RedressPage(msgspec.Struct, frozen=True):
    """Figures of cases, quarter by quarter."""

    quarters: list[tuple[str, list[Level]]]
    threshold: int


class SafeguardsPage(msgspec.Struct, frozen=True):
    """The report, and for each check where this reader may see what it speaks of: an address, empty for none."""

    report: Report
    ways: dict[str, str]


# A check names the door for programs; people are shown the page that says the same.
PAGES = {
    "/v1/governance/processing": "/processing",
    "/v1/governance/law": "/processing",
    "/v1/governance/keeping": "/processing",
    "/v1/governance/assessment": "/processing#risks",
    "/v1/governance/figures": "/redress",
    "/me/copy.zip": "/me/rights",
}


def _way(seen: Visit, where: str) -> str:
    """The page that shows it, where this reader may open it: nobody is led to a refusal."""
    shown, kind = PAGES.get(where, where), seen.actor.kind
    if shown.startswith("/me"):
        return "" if kind is Kind.STAFF else shown
    if shown.startswith("/staff"):
        return shown if any(item.href == shown for item in blocks.menu_of(seen.actor)) else ""
    return shown


@get("/safeguards")
async def safeguards_page(request: WebRequest) -> Response[bytes]:
    """The 18 principles, each with its evidence, or what is missing."""
    seen = await visit(request)
    report = await safeguards.report(seen.stack, seen.lang)
    ways = {c.where: _way(seen, c.where) for one in report.principles for c in one.checks}
    return seen.page("governance/safeguards.html", SafeguardsPage(report, ways))


@get("/processing")
async def processing_page(request: WebRequest) -> Response[bytes]:
    """What the system does with data about people, and the risks that are left."""
    seen = await visit(request)
    view = ProcessingPage(
        await processing.register(seen.stack, seen.lang),
        await safeguards.assessment(seen.stack, seen.lang),
        {k.table: k for k in await keeping.register(seen.stack)},
    )
    return seen.page("governance/processing.html", view)


def _named(seen: Visit, level: str, name: str) -> str:
    if level == "institution":
        return institution(seen, name)
    return seen.say(f"governance.{'outcome' if level == 'ending' else level}_{name}")


def _level(seen: Visit, level: str, names: dict[str, int | None]) -> Level:
    rows = tuple((_named(seen, level, n), c) for n, c in names.items() if c is not None)
    small = tuple(_named(seen, level, n) for n, c in names.items() if c is None)
    return Level(seen.say(f"governance.by_{level}"), rows, small)


@get("/redress")
async def redress_page(request: WebRequest) -> Response[bytes]:
    """How requests and complaints end, by quarter; small numbers are not shown."""
    seen = await visit(request)
    quarters = [
        (
            seen.say("governance.quarter", n=f.period[-1], y=f.period[:4]),
            [_level(seen, level, names) for level, names in f.levels.items()],
        )
        for f in await figures.published(seen.stack)
    ]
    return seen.page("governance/redress.html", RedressPage(quarters, figures.THRESHOLD))


doors = Router(
    "/v1/governance",
    route_handlers=[safeguards_door, processing_door, assessment_door, figures_door],
    tags=["governance"],
)
router = Router(
    "/",
    route_handlers=[safeguards_page, processing_page, redress_page],
    exception_handlers=HANDLERS,
    include_in_schema=False,
)
