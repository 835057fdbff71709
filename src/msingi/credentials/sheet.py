"""Sheets for printing a batch: A4, eight cards with crop marks; the backs fit the fronts when turned over.

For an office with a duplex printer and a cutter. A card printer takes `card.document` instead.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO

from reportlab.pdfgen.canvas import Canvas

from msingi.credentials import card
from msingi.credentials.ground import HEIGHT, WIDTH, Design, open_canvas
from msingi.credentials.lettering import MM
from msingi.credentials.model import Face

PAGE = (210.0, 297.0)
COLUMNS, ROWS = 2, 4
PER_SHEET = COLUMNS * ROWS
_GAP = 6.0
_MARK, _CLEAR = 3.5, 1.0  # length of a crop mark, and its distance from the corner, in mm
_LEFT = (PAGE[0] - COLUMNS * WIDTH - (COLUMNS - 1) * _GAP) / 2
_BOTTOM = (PAGE[1] - ROWS * HEIGHT - (ROWS - 1) * _GAP) / 2


def document(faces: list[Face], design: Design) -> bytes:
    """A PDF of A4 pages in pairs, fronts then backs, for printing on both sides, turned over the long edge."""
    out = BytesIO()
    canvas = open_canvas(out, (PAGE[0] * MM, PAGE[1] * MM), design)
    for start in range(0, len(faces), PER_SHEET):
        sheet = faces[start : start + PER_SHEET]
        for side, draw in (("front", card.front), ("back", card.back)):
            for face, (x, y) in zip(sheet, places(side), strict=False):
                canvas.saveState()
                canvas.translate(x * MM, y * MM)
                draw(canvas, face, design)
                canvas.restoreState()
                canvas.addLiteral(_crop_marks(x, y))
            _footer(canvas, side, start // PER_SHEET + 1, -(-len(faces) // PER_SHEET))
            canvas.showPage()
    canvas.save()
    return out.getvalue()


def places(side: str) -> Iterator[tuple[float, float]]:
    """The lower left corners of the eight places in millimetres, row by row from the top.

    On the backs each row runs from right to left, so that a back lies behind its own front.
    """
    for row in range(ROWS):
        y = _BOTTOM + (ROWS - 1 - row) * (HEIGHT + _GAP)
        for column in range(COLUMNS):
            x = _LEFT + column * (WIDTH + _GAP)
            yield (x, y) if side == "front" else (PAGE[0] - WIDTH - x, y)


@cache
def _crop_marks(x: float, y: float) -> str:
    """Two short lines at each corner of the card at (x, y), as path operators."""
    parts = ["0 0 0 RG 0.25 w"]
    for corner_x, across in ((x, -1), (x + WIDTH, 1)):
        for corner_y, up in ((y, -1), (y + HEIGHT, 1)):
            far = _GAP - 2 * _CLEAR if _between(corner_x, corner_y) else _CLEAR + _MARK
            for dx, dy in ((across, 0), (0, up)):
                near_end = f"{(corner_x + dx * _CLEAR) * MM:.2f} {(corner_y + dy * _CLEAR) * MM:.2f}"
                parts.append(f"{near_end} m {(corner_x + dx * far) * MM:.2f} {(corner_y + dy * far) * MM:.2f} l")
    return "\n".join([*parts, "S"])


def _between(x: float, y: float) -> bool:
    """Whether a corner faces a neighbouring card, where its marks must stay short."""
    inside = _LEFT + 1 < x < PAGE[0] - _LEFT - 1
    return inside or _BOTTOM + 1 < y < PAGE[1] - _BOTTOM - 1


def _footer(canvas: Canvas, side: str, number: int, total: int) -> None:
    canvas.setFillColorRGB(0.4, 0.4, 0.4)
    canvas.setFont("Helvetica", 6)
    canvas.drawCentredString(PAGE[0] / 2 * MM, 8 * MM, f"{number}/{total} {side} - 85.60 x 53.98 mm - print at 100 %")
