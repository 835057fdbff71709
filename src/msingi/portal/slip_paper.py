"""The receipt of a counter on paper: a strip of 80 millimetres, in the reader's language and direction."""

from io import BytesIO
from typing import Final

from reportlab.pdfgen.canvas import Canvas

from msingi.credentials.lettering import MM, Pen, colour_of, load_fonts
from msingi.kernel import money
from msingi.payments.model import Receipt
from msingi.portal import page
from msingi.portal.visit import Visit

WIDTH, HEIGHT, EDGE = 80.0, 118.0, 6.0
ROOM: Final = WIDTH - 2 * EDGE


def document(seen: Visit, done: Receipt, bank: str) -> bytes:
    """The strip as PDF with embedded fonts: bank, what was done, masked account, amount, number, a line to sign."""
    load_fonts()
    profile, say, out = seen.stack.profile, seen.say, BytesIO()
    ink = colour_of(profile.colours.ink)
    canvas = Canvas(out, pagesize=(WIDTH * MM, HEIGHT * MM), pageCompression=1, invariant=1)
    canvas.setTitle(f"{say('teller.slip')} {done.transfer_id[-8:]}")
    canvas.setAuthor(bank)
    pen = Pen(canvas, WIDTH, mirrored=profile.direction(seen.lang) == "rtl")
    pen.box(0, HEIGHT - 15, WIDTH, 15, colour_of(profile.colours.primary))
    pen.write(EDGE, HEIGHT - 9.5, bank, 12, (1.0, 1.0, 1.0), bold=True, room_mm=ROOM)
    written = money.format(done.amount_minor, profile.currency, profile.group_separator, profile.decimal_point)
    when = done.at.astimezone(page.zone_of(profile))
    lines = (
        (say("teller.do_in" if done.reference == "CSHI" else "teller.do_out"), written),
        (say("agent.name"), done.to),
        (say("teller.account"), done.payer),
        (say("statement.day"), f"{when:%d.%m.%Y %H:%M}"),
        (say("receipt.number"), done.transfer_id[:18]),
        ("", done.transfer_id[18:]),
    )
    y = HEIGHT - 24
    for label, text in lines:
        if label:
            pen.write(EDGE, y, label, 7, ink, room_mm=ROOM)
            y -= 5
        pen.write(EDGE, y, text, 12 if text == written else 9, ink, bold=text == written, room_mm=ROOM)
        y -= 7
    pen.box(EDGE, 14, ROOM, 0.2, ink)
    pen.write(EDGE, 10, say("teller.signed"), 7, ink, room_mm=ROOM)
    if seen.stack.settings.sandbox:
        pen.write(EDGE, 4, profile.synthetic, 5, ink, room_mm=ROOM)
    canvas.showPage()
    canvas.save()
    return out.getvalue()
