"""What all cards of a country share: the design, and the forms that a batch draws many times.

Ground, guilloche, headings and labels never change from card to card; they are drawn once for each document.
"""

import zlib
from functools import lru_cache
from io import BytesIO

import msgspec
from reportlab import rl_config
from reportlab.pdfbase import pdfdoc
from reportlab.pdfgen.canvas import Canvas

from msingi.countries import Profile
from msingi.credentials import engraving
from msingi.credentials.lettering import BOLD, MM, Colour, Pen, colour_of, load_fonts, mix
from msingi.credentials.words import words

rl_config.useA85 = 0  # a quarter smaller and twice as fast than the printable encoding that is the default
WIDTH, HEIGHT = 85.60, 53.98
RADIUS = 2.88  # the smallest that ISO/IEC 7810 allows, so that no blank shows a white corner
WHITE: Colour = (1, 1, 1)
PHOTO = (4.0, 9.2, 23.7, 31.6)  # x, y, width, height in mm
GHOST = (67.6, 12.2, 13.2, 17.6)
FIELDS_X = 31.0
QR_SIDE = 25.0
_MRZ_TOP = 22.6  # the zone for reading machines is 23.2 mm high; its last line of microprint keeps clear of it
_LEFT, _RIGHT = FIELDS_X, FIELDS_X + 24
_NARROW = GHOST[0] - _RIGHT - 2
# name of the label, x, y of the value's baseline, room; all in mm
FRONT_FIELDS = (
    ("family_name", _LEFT, 35.4, WIDTH - _LEFT - 4),
    ("given_name", _LEFT, 28.6, 34),
    ("birth_date", _LEFT, 21.8, 21),
    ("sex", _RIGHT, 21.8, _NARROW),
    ("expires", _LEFT, 15.0, 21),
    ("place", _RIGHT, 15.0, _NARROW),
    ("number", _LEFT, 4.75, 34),
)


class Design(msgspec.Struct, frozen=True, kw_only=True):
    """What all cards of one issuer share. `languages` are the one or two whose labels are printed."""

    primary: str
    accent: str
    sand: str
    ink: str
    country: tuple[str, ...]
    authority: tuple[str, ...]
    number_label: tuple[str, ...]
    number_groups: tuple[int, ...]
    languages: tuple[str, ...]
    mirrored: bool
    issuing_state: str
    verify_url: str
    specimen: bool


def design_of(profile: Profile, url: str, *, specimen: bool) -> Design:
    """The design that follows from a country's profile; `url` is the stack's public address."""
    languages = tuple(profile.languages[:2])
    return Design(
        primary=profile.colours.primary,
        accent=profile.colours.accent,
        sand=profile.colours.sand,
        ink=profile.colours.ink,
        country=tuple(profile.say(profile.name, language) for language in languages),
        authority=tuple(profile.say(profile.authority.name, language) for language in languages),
        number_label=tuple(profile.say(profile.number.label, language) for language in languages),
        number_groups=tuple(profile.number.groups),
        languages=languages,
        mirrored=profile.direction(languages[0]) == "rtl",
        issuing_state=profile.alpha3,
        verify_url=url.partition("://")[2] + "/verify",
        specimen=specimen,
    )


def open_canvas(out: BytesIO, size: tuple[float, float], design: Design) -> Canvas:
    """A canvas of `size` in points that knows the shared forms `front`, `back` and `specimen`.

    The document says nothing of when and where it was made: the same cards give the same bytes.
    """
    load_fonts()
    canvas = Canvas(out, pagesize=size, pageCompression=1, invariant=1)
    canvas.setTitle(words_of(design, "title")[-1])
    canvas.setAuthor(design.authority[0])
    canvas.setSubject("ID-1")
    canvas.setCreator("Msingi")
    _add_lines(canvas, design)
    for name, draw in (("front", _front_form), ("back", _back_form), ("specimen", _specimen_form)):
        canvas.beginForm(name, 0, 0, WIDTH * MM, HEIGHT * MM)
        draw(canvas, design)
        canvas.endForm()
    return canvas


def qr_corner(design: Design) -> tuple[float, float]:
    """The lower left corner of the QR code on the back, in millimetres."""
    x = 3.6 if design.mirrored else WIDTH - 3.6 - QR_SIDE
    return x, HEIGHT - 3.4 - QR_SIDE


def words_of(design: Design, name: str) -> tuple[str, ...]:
    """The label `name` in each of the design's languages."""
    return tuple(words("card", language)[name] for language in design.languages)


def _both(texts: tuple[str, ...]) -> str:
    distinct = list(dict.fromkeys(texts))
    return "  /  ".join(distinct)


def _label(pen: Pen, x: float, y: float, name: str, design: Design, room: float) -> None:
    texts = design.number_label if name == "number" else words_of(design, name)
    pen.write(x, y + 3.15, _both(texts), 3.9, mix(colour_of(design.ink), WHITE, 0.28), room_mm=room)


def _specimen_form(canvas: Canvas, design: Design) -> None:
    """The word SPECIMEN in outline across the card, over everything, so that a sample is never taken for real."""
    canvas.translate(WIDTH / 2 * MM + 26, HEIGHT / 2 * MM - 18)
    canvas.rotate(24)
    canvas.setStrokeColorRGB(*mix(colour_of(design.accent), WHITE, 0.62))
    canvas.setLineWidth(0.5)
    label = words("card", "en")["specimen"]
    width = canvas.stringWidth(label, BOLD, 30) + 3 * len(label)
    text = canvas.beginText(-width / 2, -6)
    text.setFont(BOLD, 30)
    text.setTextRenderMode(1)
    text.setCharSpace(3)
    text.textOut(label)
    canvas.drawText(text)


@lru_cache(maxsize=8)
def _lines(design: Design) -> dict[str, bytes]:
    """The line work under everything, by the name of its form: operators, deflated; computed once."""
    primary, accent, pure_sand = colour_of(design.primary), colour_of(design.accent), colour_of(design.sand)
    sand = mix(pure_sand, WHITE, 0.35)
    pale, warm = mix(primary, sand, 0.74), mix(accent, sand, 0.72)
    middle, emblem = HEIGHT - 5.2, WIDTH - 8.1 if design.mirrored else 8.1
    drawn = {
        "front-lines": (
            engraving.rosette(68, 23, 23, 12, 18, mix(accent, sand, 0.82), depth=0.42),
            engraving.rosette(68, 23, 11, 9, 12, mix(primary, sand, 0.80), depth=0.5),
            engraving.ribbon(11, 6.5, 4, 14, WIDTH, pale, tilt=0.06),
            engraving.ribbon(30, 7.5, 3, 14, WIDTH, warm, tilt=-0.05),
        ),
        "head-lines": (
            engraving.ribbon(middle, 3.6, 7, 8, WIDTH, mix(primary, WHITE, 0.16), line_mm=0.07),
            engraving.rosette(emblem, middle, 3.9, 16, 6, mix(pure_sand, accent, 0.25), depth=0.2),
            engraving.star(emblem, middle, 2.3, 8, pure_sand),
        ),
        "back-lines": (
            engraving.rosette(22, 38, 17, 14, 16, mix(accent, sand, 0.82), depth=0.4),
            engraving.ribbon(33, 7, 4, 14, WIDTH, pale, tilt=0.05),
            engraving.ribbon(41, 6, 3, 12, WIDTH, warm, tilt=-0.06),
        ),
    }
    return {name: zlib.compress("\n".join(parts).encode(), 9) for name, parts in drawn.items()}


def _add_lines(canvas: Canvas, design: Design) -> None:
    """Add the line work as forms that were deflated before: deflating it for each document took half of its time."""
    for name, content in _lines(design).items():
        form = pdfdoc.PDFFormXObject(0, 0, WIDTH * MM, HEIGHT * MM)
        filters = pdfdoc.PDFArray([pdfdoc.PDFName("FlateDecode")])
        form.Contents = pdfdoc.PDFStream(pdfdoc.PDFDictionary({"Filter": filters}), content)
        canvas._doc.addForm(name, form)  # pyright: ignore[reportAttributeAccessIssue] - there is no public way


def _clip_to_card(canvas: Canvas) -> None:
    outline = canvas.beginPath()
    outline.roundRect(0, 0, WIDTH * MM, HEIGHT * MM, RADIUS * MM)
    canvas.clipPath(outline, stroke=0, fill=0)


def _gradient(canvas: Canvas, bottom: Colour, top: Colour) -> None:
    """The ground, from `bottom` to `top` in even strips (a shading would not be found from inside a form)."""
    strips = 32
    for strip in range(strips):
        canvas.setFillColorRGB(*mix(bottom, top, strip / (strips - 1)))
        canvas.rect(0, HEIGHT * MM * strip / strips, WIDTH * MM, HEIGHT * MM / strips + 0.5, stroke=0, fill=1)


def _front_form(canvas: Canvas, design: Design) -> None:
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    primary, accent, sand = colour_of(design.primary), colour_of(design.accent), colour_of(design.sand)
    _clip_to_card(canvas)
    _gradient(canvas, mix(sand, WHITE, 0.05), mix(sand, WHITE, 0.75))
    canvas.doForm("front-lines")
    top = HEIGHT - 10.4
    pen.box(0, top, WIDTH, 10.4, primary)
    pen.box(0, top - 0.75, WIDTH, 0.75, accent)
    canvas.doForm("head-lines")
    pen.write(14.2, top + 5.3, design.country[0].upper(), 8.2, WHITE, bold=True, room_mm=40, spacing=0.25)
    if len(design.country) > 1:
        pen.write(14.2, top + 2.2, design.country[1].upper(), 5.0, sand, room_mm=40, spacing=0.3)
    for name, x, y, room in FRONT_FIELDS:
        _label(pen, x, y, name, design, room)
    titles = words_of(design, "title")
    pen.write(WIDTH - 4, top + 5.4, titles[0], 5.6, WHITE, bold=True, align="right", room_mm=29)
    if len(titles) > 1:
        pen.write(WIDTH - 4, top + 2.3, titles[1], 4.6, sand, align="right", room_mm=29)


def _back_form(canvas: Canvas, design: Design) -> None:
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    primary, accent, sand = colour_of(design.primary), colour_of(design.accent), colour_of(design.sand)
    ink = colour_of(design.ink)
    _clip_to_card(canvas)
    _gradient(canvas, mix(sand, WHITE, 0.75), mix(sand, WHITE, 0.05))
    canvas.doForm("back-lines")
    canvas.setFillColorRGB(1, 1, 1)
    canvas.rect(0, 0, WIDTH * MM, _MRZ_TOP * MM, stroke=0, fill=1)
    pen.box(0, _MRZ_TOP, WIDTH, 0.35, accent)
    pen.box(0, HEIGHT - 2.2, WIDTH, 2.2, primary)
    x, y = qr_corner(design)
    canvas.setFillColorRGB(1, 1, 1)
    margin = 1.15
    canvas.roundRect(
        (x - margin) * MM, (y - margin) * MM, (QR_SIDE + 2 * margin) * MM, (QR_SIDE + 2 * margin) * MM,
        0.8 * MM, stroke=0, fill=1,
    )  # fmt: skip
    for name, place_x, place_y in (("authority", 4, 45), ("card", 4, 38.2), ("issued", 30, 38.2), ("check", 4, 31.4)):
        _label(pen, place_x, place_y, name, design, 49 if place_x == 4 else 23)
    pen.write(4, 45, _both(design.authority), 7.4, ink, bold=True, room_mm=49)
    pen.write(4, 31.4, design.verify_url, 7.4, ink, bold=True, room_mm=49)
    for number, text in enumerate(dict.fromkeys(words_of(design, "found"))):
        pen.write(4.0, 27.6 - number * 2.3, text, 4.2, mix(ink, WHITE, 0.15), room_mm=49)
