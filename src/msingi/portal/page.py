"""Making a page: template + words + what to show -> HTML, with the headers that keep it safe (laws 2 and 3)."""

import gzip
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from litestar import Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from msingi.countries import Colours, Profile
from msingi.kernel import money
from msingi.kernel.money import Money
from msingi.portal import blocks, palette, rules, words
from msingi.portal.model import Form, Shell, Tongue

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
MARK = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><path fill="{deep}" d="m20 1 19 19-19 19L1 20Z"/>'
    '<path fill="none" stroke="{gold}" stroke-width="2.4" d="m20 8 12 12-12 12L8 20Z"/>'
    '<path fill="{gold}" d="m20 14.5 5.5 5.5-5.5 5.5-5.5-5.5Z"/></svg>'
)


@cache
def _environment(rooms: tuple[str, ...]) -> jinja2.Environment:
    with_pages = [room for room in rooms if (files(f"msingi.{room}") / "templates").is_dir()]
    of_blocks = jinja2.PrefixLoader({room: jinja2.PackageLoader(f"msingi.{room}") for room in with_pages})
    made = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader("msingi.portal"), of_blocks]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
    )
    for name in ("amount", "day", "month", "clock", "moment", "spaced", "count", "typed"):
        made.filters[name] = _in_manner(name)
    return made


def _in_manner(name: str) -> Callable[..., Any]:
    """The filter `name`: the method of the same name of the page's Manner."""

    @jinja2.pass_context
    def written(context: jinja2.runtime.Context, value: Any, **how: Any) -> Any:
        return getattr(context["manner"], name)(value, **how)

    return written


@cache
def style(colours: Colours) -> tuple[bytes, str]:
    """The style sheet of a country and the address that changes with its content."""
    sheet = (files("msingi.portal") / "style.css").read_text("utf-8")
    raw = (palette.style(colours) + sheet.partition("*/\n")[2]).encode()
    return raw, f"/assets/portal.{hashlib.sha256(raw).hexdigest()[:10]}.css"


def mark(colours: Colours) -> str:
    """The emblem, as SVG, in the country's colours."""
    found = palette.light(colours)
    return MARK.format(deep=palette.text(found["deep"]), gold=palette.text(found["gold"]))


@cache
def deep(colours: Colours) -> str:
    """The colour of the band at the top, which a phone also gives to its own frame."""
    return palette.text(palette.light(colours)["deep"])


def zone_of(profile: Profile) -> tzinfo:
    """The country's time of day."""
    return timezone(timedelta(minutes=profile.utc_offset_minutes)) if profile.utc_offset_minutes else UTC


def tongues(profile: Profile) -> tuple[Tongue, ...]:
    """The country's languages that the portal speaks, in the country's order."""
    spoken = [words.load(code) for code in profile.languages if code in words.languages()]
    return tuple(Tongue(w.language, w.plain("language.name"), w.plain("language.short")) for w in spoken)


class Manner:
    """How values are written in one country and one language: the filters of the templates."""

    def __init__(self, profile: Profile, language: str) -> None:
        self.profile = profile
        self.words = words.load(language)
        self.zone = zone_of(profile)

    def amount(self, value: Money, sign: bool = False) -> Markup:
        """Money, isolated, figures always from left to right."""
        currency = self.profile.currency
        written = money.format(
            abs(value.amount_minor), currency, self.profile.group_separator, self.profile.decimal_point
        )
        before = "\u2212" if value.amount_minor < 0 else "+" if sign and value.amount_minor > 0 else ""
        return Markup('<bdi class="n" dir="ltr">{}{}</bdi>').format(before, written)

    def day(self, value: date | datetime) -> Markup:
        """A date in words."""
        return Markup("<bdi>{}</bdi>").format(self.words.day(value, self.zone))

    def month(self, value: str) -> Markup:
        """A month, written YYYY-MM, in words."""
        return Markup("<bdi>{}</bdi>").format(self.words.month(value))

    def typed(self, value: str) -> Markup:
        """A date as somebody typed it, year-month-day, as far as it goes: in words once the day is known."""
        return Markup("<bdi>{}</bdi>").format(words.known_day(self.words.language, rules.iso_date(value)))

    def clock(self, value: datetime) -> Markup:
        """The time of day."""
        return Markup("<bdi>{}</bdi>").format(self.words.clock(value, self.zone))

    def moment(self, value: datetime) -> Markup:
        """A date in words with the time of day."""
        return Markup("<bdi>{}</bdi>").format(self.words.moment(value, self.zone))

    def spaced(self, number: str) -> str:
        """The identity number in its groups."""
        return self.profile.number_text(number).replace(" ", "\u00a0")

    def count(self, value: int) -> Markup:
        """A whole number, thousands grouped."""
        return Markup('<bdi class="n">{}</bdi>').format(f"{value:,}".replace(",", self.profile.group_separator))


def html(profile: Profile, shell: Shell, template: str, view: Any, form: Form | None = None) -> str:
    """The page as HTML."""
    manner = Manner(profile, shell.lang)
    found = _environment(blocks.rooms()).get_template(template)
    return found.render(
        shell=shell,
        view=view,
        form=form or Form(()),
        t=manner.words.say,
        manner=manner,
    )


def answer(
    page: str, status: int = 200, cookies: Sequence[Cookie] = (), headers: dict[str, str] | None = None
) -> Response[bytes]:
    """The page as an HTTP answer with the headers of law 2."""
    return Response(
        page.encode(),
        status_code=status,
        media_type="text/html",
        headers=HEADERS | (headers or {}),
        cookies=list(cookies),
    )


def weight(page: str) -> int:
    """What a page weighs on the wire, in bytes, gzip level 6."""
    return len(gzip.compress(page.encode(), 6))
