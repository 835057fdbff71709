"""Vouchers on paper: a sheet of A4 to be cut, each with its square code, its number in large print, and what it says.

The number stands in groups of four, so that it can be read out over a telephone; the amount and the goods are large
enough to be read without glasses. In the office's language and direction.
"""

from io import BytesIO
from typing import Final

import segno
from reportlab.pdfgen.canvas import Canvas

from msingi.credentials.lettering import MM, Pen, colour_of, load_fonts
from msingi.kernel import money
from msingi.payments.vouchers.model import Printed, Scheme
from msingi.portal import page
from msingi.portal.visit import Visit

WIDTH, HEIGHT, EDGE, TALL = 210.0, 297.0, 12.0, 66.0
A_PAGE: Final = 4


def spaced(number: str) -> str:
    """A number in groups of four, as it is read out."""
    return " ".join(number[n : n + 4] for n in range(0, len(number), 4))


def document(seen: Visit, scheme: Scheme, giver: str, found: list[Printed]) -> bytes:
    """The sheets as PDF with embedded fonts: four vouchers to a page, with a line to cut along."""
    load_fonts()
    out = BytesIO()
    canvas = Canvas(out, pagesize=(WIDTH * MM, HEIGHT * MM), pageCompression=1, invariant=1)
    canvas.setTitle(f"{scheme.code} {scheme.name}")
    canvas.setAuthor(giver)
    for begin in range(0, max(len(found), 1), A_PAGE):
        for place, one in enumerate(found[begin : begin + A_PAGE]):
            _draw(seen, canvas, scheme, giver, one, HEIGHT - EDGE - (place + 1) * (TALL + 2))
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw(seen: Visit, canvas: Canvas, scheme: Scheme, giver: str, one: Printed, y: float) -> None:
    profile, say = seen.stack.profile, seen.say
    ink, room = colour_of(profile.colours.ink), WIDTH - 2 * EDGE - 58
    rtl = profile.direction(seen.lang) == "rtl"
    pen = Pen(canvas, WIDTH, mirrored=rtl)
    pen.box(EDGE, y + TALL - 10, WIDTH - 2 * EDGE, 10, colour_of(profile.colours.primary))
    pen.write(EDGE + 3, y + TALL - 7, f"{giver} · {scheme.name}", 13, (1.0, 1.0, 1.0), bold=True, room_mm=180)
    amount = _written(seen, scheme, one.amount_minor)
    pen.write(EDGE + 3, y + TALL - 24, amount, 26, ink, bold=True, room_mm=room)
    pen.write(EDGE + 3, y + TALL - 34, one.group, 15, ink, room_mm=room)
    until = one.expires_at.astimezone(page.zone_of(profile))
    pen.write(EDGE + 3, y + TALL - 43, f"{say('voucher.until')} {until:%d.%m.%Y}", 11, ink, room_mm=room)
    pen.write(EDGE + 3, y + 13, spaced(one.number), 20, ink, bold=True, room_mm=room + 4)
    pen.write(EDGE + 3, y + 6, f"{say('givers.serial')} {one.serial} · {say('givers.keep')}", 8, ink, room_mm=room)
    _square(canvas, one.number, EDGE + 6 if rtl else WIDTH - EDGE - 48, y + 6, 42)
    pen.box(EDGE, y - 1, WIDTH - 2 * EDGE, 0.15, ink)
    if seen.stack.settings.sandbox:
        pen.write(EDGE + 3, y + 1, profile.synthetic, 6, ink, room_mm=room)


def _square(canvas: Canvas, text: str, x: float, y: float, side: float) -> None:
    """A square code, black on white, with its quiet zone."""
    rows = [list(row) for row in segno.make(text, error="m", micro=False).matrix]
    dot = side / len(rows)
    canvas.setFillColorRGB(0, 0, 0)
    for line, row in enumerate(rows):
        for column, dark in enumerate(row):
            if dark:
                left, below = (x + column * dot) * MM, (y + side - (line + 1) * dot) * MM
                canvas.rect(left, below, dot * MM * 1.02, dot * MM * 1.02, stroke=0, fill=1)


def _written(seen: Visit, scheme: Scheme, minor: int) -> str:
    profile = seen.stack.profile
    if scheme.currency != profile.currency.code:
        return f"{minor / 10**scheme.digits:.{scheme.digits}f} {scheme.currency}"
    return money.format(minor, profile.currency, profile.group_separator, profile.decimal_point)
