"""Letters on a card: the fonts, Arabic joined and put in visual order, and text that shrinks until it fits.

The fonts are FiraGO (SIL OFL 1.1, Latin, Cyrillic, Arabic and more) from the package `pymupdf-fonts`; they are
unpacked when the first card is drawn, so that an idle stack does not carry them.
"""

import re
import unicodedata
from functools import cache, lru_cache
from io import BytesIO
from itertools import groupby
from typing import Literal

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

MM = 72 / 25.4
REGULAR, BOLD = "FiraGO", "FiraGO-Bold"
Colour = tuple[float, float, float]
Align = Literal["left", "right", "centre"]
_SMALLEST = 0.62  # below this share of its size a text is squeezed sideways instead
_NARROWEST = 0.55


@cache
def load_fonts() -> None:
    """Register the two fonts with reportlab, once in the life of the program."""
    import pymupdf_fonts

    for name, key in ((REGULAR, "figo"), (BOLD, "figbo")):
        pdfmetrics.registerFont(TTFont(name, BytesIO(pymupdf_fonts.myfont(key))))


@cache
def _joined_forms() -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """(letter, "initial" | "medial" | "final") -> glyph, and the lam-alef ligatures, as Unicode defines them."""
    forms: dict[tuple[str, str], str] = {}
    ligatures: dict[str, str] = {}
    for code in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        kind, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        source = "".join(chr(int(letter, 16)) for letter in letters)
        if len(source) == 1 and kind in ("<initial>", "<medial>", "<final>"):
            forms[source, kind[1:-1]] = chr(code)
        elif len(source) == 2 and source[0] == "\u0644" and kind in ("<isolated>", "<final>"):
            ligatures[source + kind[1:-1]] = chr(code)
    return forms, ligatures


def is_arabic(character: str) -> bool:
    """Whether `character` is written from right to left as part of Arabic text."""
    return "\u0600" <= character <= "\u06ff" and not "\u0660" <= character <= "\u0669"


def _join(word: str) -> str:
    """`word` (Arabic letters, logical order) with each letter in the form its neighbours ask for."""
    forms, ligatures = _joined_forms()
    letters = [c for c in unicodedata.normalize("NFC", word) if unicodedata.category(c) != "Mn"]
    out: list[str] = []
    joins_before = False
    position = 0
    while position < len(letters):
        letter = letters[position]
        following = letters[position + 1] if position + 1 < len(letters) else ""
        ligature = ligatures.get(letter + following + ("final" if joins_before else "isolated"))
        if ligature:
            out.append(ligature)
            joins_before = False  # alef joins nothing after it
            position += 2
            continue
        joins_after = (letter, "initial") in forms and (following, "final") in forms
        if joins_before and joins_after:
            shape = "medial"
        else:
            shape = "final" if joins_before else "initial" if joins_after else ""
        out.append(forms.get((letter, shape), letter))
        joins_before = joins_after
        position += 1
    return "".join(out)


@lru_cache(maxsize=2048)
def visual(text: str) -> str:
    """`text` in the order and the letter forms in which it is drawn from left to right.

    Runs of Arabic are joined and reversed; if the text begins with Arabic, its runs stand from right to left.
    This covers names and labels, which mix scripts by whole runs; it is not the whole of UAX 9.
    """
    if not any(map(is_arabic, text)):
        return text
    runs: list[str] = []
    for arabic, characters in groupby(_with_bound_blanks(text), key=lambda pair: pair[1]):
        run = "".join(character for character, _ in characters)
        # Blanks and strokes around a foreign run belong to the line's direction, not to the run's.
        runs += [_join(run)[::-1]] if arabic else [part for part in _EDGES.split(run) if part]
    if is_arabic(text.strip()[:1]):
        runs.reverse()
    return "".join(runs)


_EDGES = re.compile(r"(^[\s/.·:-]+|[\s/.·:-]+$)")


def _with_bound_blanks(text: str) -> list[tuple[str, bool]]:
    """Each character, and whether it belongs to an Arabic run: a blank does if both its neighbours do."""
    marks = [is_arabic(c) for c in text]
    for position in range(1, len(text) - 1):
        if text[position] in " -\u00a0" and marks[position - 1]:
            rest = next((i for i in range(position, len(text)) if text[i] not in " -\u00a0"), None)
            marks[position] = rest is not None and is_arabic(text[rest])
    return list(zip(text, marks, strict=True))


class Pen:
    """Writes and draws on one card, in millimetres from its lower left corner, or mirrored for right-to-left."""

    def __init__(self, canvas: Canvas, width_mm: float, *, mirrored: bool = False) -> None:
        self.canvas = canvas
        self._width = width_mm
        self._mirrored = mirrored

    def x(self, x_mm: float, extent_mm: float = 0) -> float:
        """The left edge in points of something that starts at `x_mm` and is `extent_mm` wide."""
        return (self._width - x_mm - extent_mm if self._mirrored else x_mm) * MM

    def write(
        self,
        x_mm: float,
        y_mm: float,
        text: str,
        size: float,
        colour: Colour,
        *,
        bold: bool = False,
        align: Align = "left",
        room_mm: float = 0,
        spacing: float = 0,
    ) -> None:
        """`text` with its baseline at `y_mm`, `size` in points, made smaller, then narrower, to fit `room_mm`."""
        if not text:
            return
        font = BOLD if bold else REGULAR
        shown = visual(text)
        width = pdfmetrics.stringWidth(shown, font, size) + spacing * len(shown)
        squeeze = 1.0
        if room_mm and width > room_mm * MM:
            smaller = max(_SMALLEST, room_mm * MM / width)
            size, spacing = size * smaller, spacing * smaller
            width *= smaller
            squeeze = min(1.0, max(_NARROWEST, room_mm * MM / width))
            while squeeze == _NARROWEST and width * squeeze > room_mm * MM and len(text) > 1:
                text = text.rstrip("…")[:-1] + "…"
                shown = visual(text)
                width = pdfmetrics.stringWidth(shown, font, size) + spacing * len(shown)
            width *= squeeze
        if self._mirrored and align != "centre":
            align = "left" if align == "right" else "right"
        left = self.x(x_mm) - {"left": 0, "right": width, "centre": width / 2}[align]
        pencil = self.canvas.beginText(left, y_mm * MM)
        pencil.setFont(font, size)
        pencil.setFillColorRGB(*colour)
        # Spacing and squeezing outlive the text object: they are set only where needed, and set back.
        if spacing:
            pencil.setCharSpace(spacing)
        if squeeze != 1.0:
            pencil.setHorizScale(squeeze * 100)
        pencil.textOut(shown)
        if spacing:
            pencil.setCharSpace(0)
        if squeeze != 1.0:
            pencil.setHorizScale(100)
        self.canvas.drawText(pencil)

    def box(self, x_mm: float, y_mm: float, width_mm: float, height_mm: float, colour: Colour, radius: float = 0):
        """A filled rectangle with corners of `radius` millimetres."""
        self.canvas.setFillColorRGB(*colour)
        left = self.x(x_mm, width_mm)
        self.canvas.roundRect(left, y_mm * MM, width_mm * MM, height_mm * MM, radius * MM, stroke=0, fill=1)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0 to 1) of `other` in it."""
    red, green, blue = (a + (b - a) * share for a, b in zip(one, other, strict=True))
    return (red, green, blue)


def colour_of(text: str) -> Colour:
    """`#rrggbb` as three shares of 1."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return (red, green, blue)
