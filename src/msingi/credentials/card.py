"""The ID card as a PDF: ID-1, 85.60 x 53.98 mm (ISO/IEC 7810), front and back, every line a vector.

What is the same on all cards stands in `ground`; here is what differs: the photo, the letters, the machine-readable
zone and the QR code.
"""

from functools import lru_cache
from io import BytesIO

from PIL import Image
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from msingi.credentials import engraving, mrz
from msingi.credentials.ground import (
    FIELDS_X,
    FRONT_FIELDS,
    GHOST,
    HEIGHT,
    PHOTO,
    QR_SIDE,
    WHITE,
    WIDTH,
    Design,
    open_canvas,
    qr_corner,
    words_of,
)
from msingi.credentials.lettering import MM, Colour, Pen, colour_of, mix
from msingi.credentials.model import Face
from msingi.credentials.words import words


class _Jpeg(ImageReader):
    """A JPEG that is put into the document as it is. The library would decode it only to name it by its pixels."""

    def __init__(self, content: bytes) -> None:
        super().__init__(BytesIO(content))
        self._content = content
        self._dataA = None  # no transparency

    def getRGBData(self) -> bytes:
        """What the image is named by: here the compressed bytes."""
        return self._content


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


def front(canvas: Canvas, face: Face, design: Design) -> None:
    """The front of one card at the origin of `canvas`."""
    canvas.doForm("front")
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    ink = colour_of(design.ink)
    _photos(pen, face, design)
    if design.specimen:
        canvas.doForm("specimen")
    _fields(pen, face, design)
    pen.write(FIELDS_X, 3.9, _grouped(face.number, design), 10.4, ink, bold=True, spacing=0.45)


def back(canvas: Canvas, face: Face, design: Design) -> None:
    """The back of one card at the origin of `canvas`."""
    canvas.doForm("back")
    pen = Pen(canvas, WIDTH, mirrored=design.mirrored)
    ink = colour_of(design.ink)
    pen.write(4.0, 38.2, face.credential_id, 7.4, ink, bold=True)
    pen.write(30.0, 38.2, f"{face.issued_on:%d.%m.%Y}", 7.4, ink, bold=True)
    canvas.addLiteral(engraving.qr_path(engraving.qr_modules(face.qr_text), *qr_corner(design), QR_SIDE))
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
        marks = "  ·  ".join(dict.fromkeys(words_of(design, "specimen")))
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


def _grouped(number: str, design: Design) -> str:
    parts, start = [], 0
    for size in design.number_groups:
        parts.append(number[start : start + size])
        start += size
    return " ".join(part for part in (*parts, number[start:]) if part)


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
    for name, x, y, room in FRONT_FIELDS[:-1]:
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
    canvas = pen.canvas
    primary, sand = colour_of(design.primary), colour_of(design.sand)
    x, y, width, height = PHOTO
    if not face.photo_jpeg:
        pen.box(x, y, width, height, mix(primary, sand, 0.86), 1.2)
        return
    box = (pen.x(x, width), y * MM, width * MM, height * MM)
    outline = engraving.round_box(*box, 1.2 * MM, 1.2 * MM)
    _framed(canvas, _Jpeg(face.photo_jpeg), box, outline, engraving.ink(primary, 0.2))
    x, y, width, height = GHOST
    box = (pen.x(x, width), y * MM, width * MM, height * MM)
    ghost = _Jpeg(_ghost(face.photo_jpeg, primary, mix(sand, WHITE, 0.5)))
    _framed(canvas, ghost, box, engraving.oval(*box), engraving.ink(mix(primary, sand, 0.55), 0.12))


def _framed(canvas: Canvas, image: _Jpeg, box: tuple[float, float, float, float], outline: str, ink: str) -> None:
    """`image` cut to `outline`, which is then drawn with `ink`."""
    canvas.saveState()
    canvas.addLiteral(f"{outline} W n")
    canvas.drawImage(image, *box)
    canvas.restoreState()
    canvas.addLiteral(f"{ink} {outline} S")


def _ghost(photo: bytes, dark: Colour, light: Colour) -> bytes:
    """The photo again, small, pale and in the country's colour: whoever swaps one must match the other."""
    with Image.open(BytesIO(photo)) as opened:
        opened.draft("L", (120, 160))
        grey = opened.convert("L").resize((90, 120), Image.Resampling.BILINEAR)
    tinted = Image.merge("RGB", [grey.point(table) for table in _tints(dark, light)])
    out = BytesIO()
    tinted.save(out, "JPEG", quality=70)
    return out.getvalue()


@lru_cache(maxsize=8)
def _tints(dark: Colour, light: Colour) -> list[list[int]]:
    """For red, green and blue: what each grey becomes."""
    lows = [0.45 * d + 0.55 * w for d, w in zip(dark, light, strict=True)]
    return [
        [round(255 * (low + (high - low) * value / 255)) for value in range(256)]
        for low, high in zip(lows, light, strict=True)
    ]
