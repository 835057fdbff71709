"""A certificate on paper: a page of A4, in the reader's language and direction, with the square code that proves it."""

from collections.abc import Callable
from io import BytesIO
from typing import Final

import segno
from reportlab.pdfgen.canvas import Canvas

from msingi.countries import Profile
from msingi.credentials.lettering import MM, Pen, colour_of, load_fonts, mix
from msingi.identity.civil.model import Certificate, EventKind, Facts
from msingi.portal.visit import Visit

WIDTH, HEIGHT = 210.0, 297.0
QR_MM: Final = 62.0
WHITE: Final = (1.0, 1.0, 1.0)
Say = Callable[..., str]


def facts(say: Say, profile: Profile, lang: str, kind: EventKind, told: Facts) -> tuple[tuple[str, str], ...]:
    """What an entry says, in the order of the paper; what is not known is left out."""
    regions = {r.code: profile.say(r.name, lang) for r in profile.regions}
    sexes = {"female": "f", "male": "m", "other": "x"}
    died = kind is EventKind.DEATH
    lines = (
        (say("counter.full_name"), told.name),
        (say("enrol.sex"), say(f"enrol.sex_{sexes[told.sex]}") if told.sex in sexes else ""),
        (say("enrol.born"), _day(told.birth if died else told.day)),
        (say("counter.died_on"), _day(told.day) if died else ""),
        (say("counter.ask_place"), told.place),
        (say("enrol.region"), regions.get(told.region, told.region)),
        (say("counter.mother"), told.mother),
        (say("counter.ask_informant"), told.informant),
    )
    return tuple((name, value) for name, value in lines if value)


def _day(text: str) -> str:
    return ".".join(reversed(text.split("-")))


def document(seen: Visit, made: Certificate) -> bytes:
    """The certificate as PDF, with embedded fonts; the same entry gives the same bytes."""
    load_fonts()
    profile, say, lang = seen.stack.profile, seen.say, seen.lang
    rtl = profile.direction(lang) == "rtl"
    primary, gold = colour_of(profile.colours.primary), colour_of(profile.colours.accent)
    ink = colour_of(profile.colours.ink)
    soft = mix(ink, WHITE, 0.35)
    out = BytesIO()
    canvas = Canvas(out, pagesize=(WIDTH * MM, HEIGHT * MM), pageCompression=1, invariant=1)
    title = say(f"counter.certificate_{made.entry.kind.value}")
    canvas.setTitle(f"{title} {made.entry.entry_number}")
    canvas.setAuthor(profile.say(profile.authority.name, lang))
    pen = Pen(canvas, WIDTH, mirrored=rtl)
    pen.box(0, HEIGHT - 34, WIDTH, 34, primary)
    pen.box(0, HEIGHT - 36, WIDTH, 2, gold)
    pen.write(18, HEIGHT - 16, profile.say(profile.name, lang), 20, WHITE, bold=True, room_mm=174)
    pen.write(18, HEIGHT - 26, profile.say(profile.authority.name, lang), 11, WHITE, room_mm=174)
    pen.write(18, HEIGHT - 56, title, 24, ink, bold=True, room_mm=174)
    pen.write(18, HEIGHT - 66, f"{say('counter.entry')}: {made.entry.entry_number}", 12, soft, room_mm=174)
    y = HEIGHT - 84
    for name, value in facts(say, profile, lang, made.entry.kind, made.entry.facts):
        pen.write(18, y, name, 10, soft, room_mm=54)
        pen.write(74, y, value, 13, ink, bold=True, room_mm=118)
        y -= 11
    when = made.entry.registered_at.date().strftime("%d.%m.%Y")
    late = f" ({say('counter.late')})" if made.entry.late else ""
    pen.write(18, y, say("counter.registered_on"), 10, soft, room_mm=54)
    pen.write(74, y, when + late, 13, ink, bold=True, room_mm=118)
    _square(canvas, seen, made, rtl)
    pen.write(18 + QR_MM + 8, 66, say("counter.proof_line"), 10, ink, room_mm=104)
    pen.write(18 + QR_MM + 8, 59, say("counter.proof_more"), 10, soft, room_mm=104)
    if seen.stack.settings.sandbox:
        pen.write(18, 14, profile.synthetic, 9, soft, room_mm=174)
    canvas.showPage()
    canvas.save()
    return out.getvalue()


def _square(canvas: Canvas, seen: Visit, made: Certificate, rtl: bool) -> None:
    """The square code, module by module, so that it stays sharp at any size."""
    code = segno.make(f"{seen.stack.settings.url}/certificate/{made.code}", error="l", micro=False)
    rows = [list(row) for row in code.matrix]
    side = QR_MM / len(rows)
    left, bottom = (WIDTH - 18 - QR_MM if rtl else 18.0), 24.0
    canvas.setFillColorRGB(0, 0, 0)
    for n, row in enumerate(rows):
        start = 0
        while start < len(row):
            if not row[start]:
                start += 1
                continue
            stop = start
            while stop < len(row) and row[stop]:
                stop += 1
            y = bottom + QR_MM - (n + 1) * side
            canvas.rect((left + start * side) * MM, y * MM, (stop - start) * side * MM, side * MM, stroke=0, fill=1)
            start = stop
