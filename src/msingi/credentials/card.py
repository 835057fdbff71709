"""The ID card as a PDF: ID-1, 85.60 x 53.98 mm (ISO/IEC 7810), front and back, every line a vector.

Everything that is the same on all cards of a country (ground, guilloche, headings) is one form that a batch draws
many times; what differs is the photo, the letters, the machine-readable zone and the QR code.
"""

from functools import lru_cache
from io import BytesIO

import msgspec
from PIL import Image
from reportlab import rl_config
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from msingi.countries import Profile
from msingi.credentials import engraving, mrz
from msingi.credentials.lettering import MM, Colour, Pen, colour_of, load_fonts, mix
from msingi.credentials.model import Face
from msingi.credentials.words import words

rl_config.useA85 = 0  # a quarter smaller and twice as fast than the printable encoding that is the default
WIDTH, HEIGHT = 85.60, 53.98
RADIUS = 2.88  # the smallest that ISO/IEC 7810 allows, so that no blank shows a white corner
_WHITE: Colour = (1, 1, 1)
_PHOTO = (4.0, 9.2, 23.7, 31.6)  # x, y, width, height in mm
_GHOST = (67.6, 12.2, 13.2, 17.6)
_FIELDS_X = 31.0
_QR_SIDE = 25.0
_MRZ_TOP = 22.6  # the zone for reading machines is 23.2 mm high; its last line of microprint keeps clear of it


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


def document(faces: list[Face], design: Design) -> bytes:
    """A PDF with two pages for each face, front and back, of exactly the card's size."""
    out = BytesIO()
    canvas = open_canvas(out, (WIDTH * MM, HEIGHT * MM), design)
    for face in faces:
        front(canvas, face, design)
        canvas.showPage()
        back(canvas, face, design)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def open_canvas(out: BytesIO, size: tuple[float, float], design: Design) -> Canvas:
    """A canvas of `size` in points that knows the shared forms `front` and `back`.

    The document says nothing of when and where it was made: the same cards give the same bytes.
    """
    load_fonts()
    canvas = Canvas(out, pagesize=size, pageCompression=1, invariant=1)
    canvas.setTitle(_words(design, "title")[-1])
    canvas.setAuthor(design.authority[0])
    canvas.setSubject("ID-1")
    canvas.setCreator("Msingi")
    for name, draw in (("front", _front_form), ("back", _back_form)):
        canvas.beginForm(name, 0, 0, WIDTH * MM, HEIGHT * MM)
        draw(canvas, design)
        canvas.endForm()
    return canvas


def front(canvas: Canvas, face: Face, design: Design) -> None:
    """The front of one card at the origin of `canvas`."""
    canvas.doForm("front")
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    ink = colour_of(design.ink)
    _photos(pen, face, design)
    _fields(pen, face, design)
    pen.write(_FIELDS_X, 3.9, _grouped(face.number, design), 10.4, ink, bold=True, spacing=0.45)
    if design.specimen:
        _specimen(canvas, design)


def back(canvas: Canvas, face: Face, design: Design) -> None:
    """The back of one card at the origin of `canvas`."""
    canvas.doForm("back")
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    ink = colour_of(design.ink)
    pen.write(4.0, 38.2, face.credential_id, 7.4, ink, bold=True)
    pen.write(30.0, 38.2, f"{face.issued_on:%d.%m.%Y}", 7.4, ink, bold=True)
    canvas.addLiteral(engraving.qr_path(engraving.qr_modules(face.qr_text), *qr_corner(design), _QR_SIDE))
    lines = zone(face, design)
    for number, line in enumerate(lines):
        baseline = 15.0 - number * 4.25
        left = (WIDTH - mrz.LINE * engraving.OCRB_PITCH_MM) / 2
        canvas.addLiteral(engraving.ocrb(line, left, baseline, (0, 0, 0)))
        canvas.saveState()
        unseen = canvas.beginText(left * MM, baseline * MM)  # so that the zone can be selected and searched
        unseen.setFont("Courier", 12)
        unseen.setTextRenderMode(3)
        unseen.textOut(line)
        canvas.drawText(unseen)
        canvas.restoreState()
    if design.specimen:
        marks = "  ·  ".join(dict.fromkeys(_words(design, "specimen")))
        pen.write(4.0, 19.6, marks, 5.6, colour_of(design.accent), bold=True, spacing=0.6)


def zone(face: Face, design: Design) -> tuple[str, str, str]:
    """The card's machine-readable zone: its own number as document number, the person's in the optional data.

    Where the second name is the one in Latin letters, it is used: people transcribe their names better than tables.
    """
    second_is_latin = face.second_name.isascii() and not face.full_name.isascii() and bool(face.second_name)
    return mrz.td1(
        mrz.TD1(
            document_code="I",
            issuing_state=design.issuing_state,
            number=face.credential_id,
            birth_date=face.birth_date,
            sex={"female": "F", "male": "M"}.get(face.sex, ""),
            expires=face.expires_on,
            nationality=face.nationality,
            primary=face.second_family if second_is_latin else face.family_name,
            secondary=face.second_given if second_is_latin else face.given_name,
            optional_1=face.number,
        )
    )


def qr_corner(design: Design) -> tuple[float, float]:
    """The lower left corner of the QR code on the back, in millimetres."""
    x = 3.6 if design.mirrored else WIDTH - 3.6 - _QR_SIDE
    return x, HEIGHT - 3.4 - _QR_SIDE


def _words(design: Design, name: str) -> tuple[str, ...]:
    return tuple(words("card", language)[name] for language in design.languages)


def _both(texts: tuple[str, ...]) -> str:
    distinct = list(dict.fromkeys(texts))
    return "  /  ".join(distinct)


def _grouped(number: str, design: Design) -> str:
    parts, start = [], 0
    for size in design.number_groups:
        parts.append(number[start : start + size])
        start += size
    return " ".join(part for part in (*parts, number[start:]) if part)


def _label(pen: Pen, x: float, y: float, name: str, design: Design, room: float) -> None:
    texts = design.number_label if name == "number" else _words(design, name)
    pen.write(x, y + 3.15, _both(texts), 3.9, mix(colour_of(design.ink), _WHITE, 0.28), room_mm=room)


_LEFT, _RIGHT = _FIELDS_X, _FIELDS_X + 24
_NARROW = _GHOST[0] - _RIGHT - 2
# name of the label, x, y of the value's baseline, room; all in mm
_FRONT_FIELDS = (
    ("family_name", _LEFT, 35.4, WIDTH - _LEFT - 4),
    ("given_name", _LEFT, 28.6, 34),
    ("birth_date", _LEFT, 21.8, 21),
    ("sex", _RIGHT, 21.8, _NARROW),
    ("expires", _LEFT, 15.0, 21),
    ("place", _RIGHT, 15.0, _NARROW),
    ("number", _LEFT, 4.75, 34),
)


def _fields(pen: Pen, face: Face, design: Design) -> None:
    values = {
        "family_name": face.family_name or face.given_name,
        "given_name": face.given_name if face.family_name else "",
        "birth_date": _birth(face.birth_date),
        "sex": _sex(face, design),
        "expires": f"{face.expires_on:%d.%m.%Y}",
        "place": face.place,
    }
    ink = colour_of(design.ink)
    for name, x, y, room in _FRONT_FIELDS[:-1]:
        if name == "family_name" and face.second_name:
            room = 26
        pen.write(x, y, values[name], 7.4, ink, bold=True, room_mm=room)
    if face.second_name:
        pen.write(WIDTH - 4, 35.4, face.second_name, 8.4, ink, bold=True, align="right", room_mm=27)


def _birth(iso: str) -> str:
    """DD.MM.YYYY, with XX for parts that nobody knows (Doc 9303-3, 3.4)."""
    year, month, day = (*iso.split("-"), "", "", "")[:3]
    return f"{day or 'XX'}.{month or 'XX'}.{year or 'XXXX'}"


def _sex(face: Face, design: Design) -> str:
    if face.sex not in ("female", "male", "other"):
        return "-"
    return {"female": "F", "male": "M", "other": "X"}[face.sex] + " · " + words("card", design.languages[0])[face.sex]


def _photos(pen: Pen, face: Face, design: Design) -> None:
    x, y, width, height = _PHOTO
    canvas = pen.canvas
    primary, sand = colour_of(design.primary), colour_of(design.sand)
    if not face.photo_jpeg:
        pen.box(x, y, width, height, mix(primary, sand, 0.86), 1.2)
        return
    canvas.saveState()
    outline = canvas.beginPath()
    outline.roundRect(pen.x(x, width), y * MM, width * MM, height * MM, 1.2 * MM)
    canvas.clipPath(outline, stroke=0, fill=0)
    canvas.drawImage(ImageReader(BytesIO(face.photo_jpeg)), pen.x(x, width), y * MM, width * MM, height * MM)
    canvas.restoreState()
    canvas.setStrokeColorRGB(*primary)
    canvas.setLineWidth(0.2 * MM)
    canvas.roundRect(pen.x(x, width), y * MM, width * MM, height * MM, 1.2 * MM, stroke=1, fill=0)
    x, y, width, height = _GHOST
    ghost = ImageReader(BytesIO(_ghost(face.photo_jpeg, primary, mix(sand, _WHITE, 0.5))))
    left, bottom = pen.x(x, width), y * MM
    canvas.saveState()
    window = canvas.beginPath()
    window.ellipse(left, bottom, width * MM, height * MM)
    canvas.clipPath(window, stroke=0, fill=0)
    canvas.drawImage(ghost, left, bottom, width * MM, height * MM)
    canvas.restoreState()
    canvas.setStrokeColorRGB(*mix(primary, sand, 0.55))
    canvas.setLineWidth(0.12 * MM)
    canvas.ellipse(left, bottom, left + width * MM, bottom + height * MM)


def _ghost(photo: bytes, dark: Colour, light: Colour) -> bytes:
    """The photo again, small, pale and in the country's colour: whoever swaps one must match the other."""
    with Image.open(BytesIO(photo)) as opened:
        opened.draft("L", (120, 160))
        grey = opened.convert("L").resize((90, 120), Image.Resampling.BILINEAR)
    start = [0.45 * d + 0.55 * w for d, w in zip(dark, light, strict=True)]
    tables = [
        [round(255 * (low + (high - low) * value / 255)) for value in range(256)]
        for low, high in zip(start, light, strict=True)
    ]
    tinted = Image.merge("RGB", [grey.point(table) for table in tables])
    out = BytesIO()
    tinted.save(out, "JPEG", quality=70)
    return out.getvalue()


def _specimen(canvas: Canvas, design: Design) -> None:
    """The word SPECIMEN in outline across the card, over everything, so that a sample is never taken for real."""
    canvas.saveState()
    canvas.translate(WIDTH / 2 * MM + 26, HEIGHT / 2 * MM - 18)
    canvas.rotate(24)
    canvas.setStrokeColorRGB(*mix(colour_of(design.accent), _WHITE, 0.35))
    canvas.setStrokeAlpha(0.4)
    canvas.setLineWidth(0.5)
    label = words("card", "en")["specimen"]
    text = canvas.beginText(0, 0)
    text.setFont("FiraGO-Bold", 30)
    text.setTextRenderMode(1)
    text.setCharSpace(3)
    width = canvas.stringWidth(label, "FiraGO-Bold", 30) + 3 * len(label)
    text.setTextOrigin(-width / 2, -6)
    text.textOut(label)
    canvas.drawText(text)
    canvas.restoreState()


@lru_cache(maxsize=8)
def _ground_lines(design: Design, side: str) -> str:
    """The line work under everything on one side, as operators; computed once."""
    primary, accent = colour_of(design.primary), colour_of(design.accent)
    sand = mix(colour_of(design.sand), _WHITE, 0.35)
    pale, warm = mix(primary, sand, 0.74), mix(accent, sand, 0.72)
    if side == "front":
        return "\n".join(
            (
                engraving.rosette(68, 23, 23, 12, 18, mix(accent, sand, 0.82), depth=0.42),
                engraving.rosette(68, 23, 11, 9, 12, mix(primary, sand, 0.80), depth=0.5),
                engraving.ribbon(11, 6.5, 4, 14, WIDTH, pale, tilt=0.06),
                engraving.ribbon(30, 7.5, 3, 14, WIDTH, warm, tilt=-0.05),
            )
        )
    return "\n".join(
        (
            engraving.rosette(22, 38, 17, 14, 16, mix(accent, sand, 0.82), depth=0.4),
            engraving.ribbon(33, 7, 4, 14, WIDTH, pale, tilt=0.05),
            engraving.ribbon(41, 6, 3, 12, WIDTH, warm, tilt=-0.06),
        )
    )


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
    _gradient(canvas, mix(sand, _WHITE, 0.05), mix(sand, _WHITE, 0.75))
    canvas.addLiteral(_ground_lines(design, "front"))
    top = HEIGHT - 10.4
    pen.box(0, top, WIDTH, 10.4, primary)
    pen.box(0, top - 0.75, WIDTH, 0.75, accent)
    canvas.addLiteral(engraving.ribbon(top + 5.2, 3.6, 7, 8, WIDTH, mix(primary, _WHITE, 0.16), line_mm=0.07))
    emblem = pen.x(8.1) / MM
    canvas.addLiteral(engraving.rosette(emblem, top + 5.2, 3.9, 16, 6, mix(sand, accent, 0.25), depth=0.2))
    canvas.addLiteral(engraving.star(emblem, top + 5.2, 2.3, 8, sand))
    pen.write(14.2, top + 5.3, design.country[0].upper(), 8.2, _WHITE, bold=True, room_mm=40, spacing=0.25)
    if len(design.country) > 1:
        pen.write(14.2, top + 2.2, design.country[1].upper(), 5.0, sand, room_mm=40, spacing=0.3)
    for name, x, y, room in _FRONT_FIELDS:
        _label(pen, x, y, name, design, room)
    titles = _words(design, "title")
    pen.write(WIDTH - 4, top + 5.4, titles[0], 5.6, _WHITE, bold=True, align="right", room_mm=29)
    if len(titles) > 1:
        pen.write(WIDTH - 4, top + 2.3, titles[1], 4.6, sand, align="right", room_mm=29)


def _back_form(canvas: Canvas, design: Design) -> None:
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    primary, accent, sand = colour_of(design.primary), colour_of(design.accent), colour_of(design.sand)
    ink = colour_of(design.ink)
    _clip_to_card(canvas)
    _gradient(canvas, mix(sand, _WHITE, 0.75), mix(sand, _WHITE, 0.05))
    canvas.addLiteral(_ground_lines(design, "back"))
    canvas.setFillColorRGB(1, 1, 1)
    canvas.rect(0, 0, WIDTH * MM, _MRZ_TOP * MM, stroke=0, fill=1)
    pen.box(0, _MRZ_TOP, WIDTH, 0.35, accent)
    pen.box(0, HEIGHT - 2.2, WIDTH, 2.2, primary)
    x, y = qr_corner(design)
    canvas.setFillColorRGB(1, 1, 1)
    margin = 1.15
    canvas.roundRect(
        (x - margin) * MM, (y - margin) * MM, (_QR_SIDE + 2 * margin) * MM, (_QR_SIDE + 2 * margin) * MM,
        0.8 * MM, stroke=0, fill=1,
    )  # fmt: skip
    for name, place_x, place_y in (("authority", 4, 45), ("card", 4, 38.2), ("issued", 30, 38.2), ("check", 4, 31.4)):
        _label(pen, place_x, place_y, name, design, 49 if place_x == 4 else 23)
    pen.write(4, 45, _both(design.authority), 7.4, ink, bold=True, room_mm=49)
    pen.write(4, 31.4, design.verify_url, 7.4, ink, bold=True, room_mm=49)
    for number, text in enumerate(dict.fromkeys(_words(design, "found"))):
        pen.write(4.0, 27.6 - number * 2.3, text, 4.2, mix(ink, _WHITE, 0.15), room_mm=49)
