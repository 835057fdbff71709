"""Line work that a copier finds hard: guilloche ribbons, rosettes, a country's star, OCR-B characters, QR modules.

Everything here is a pure function that gives PDF path operators (ISO 32000-1, 8.5) in points.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from math import cos, pi, sin

from msingi.credentials.lettering import MM, Colour

Curve = Callable[[float], tuple[float, float]]


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def trace(curve: Curve, start: float, end: float, pieces: int) -> str:
    """`curve` from `start` to `end` as cubic Bezier pieces that have its points and its slopes."""
    step = (end - start) / pieces
    tiny = step / 64
    parts: list[str] = []
    here, heading = curve(start), None
    parts.append(f"{_number(here[0] * MM)} {_number(here[1] * MM)} m")
    for piece in range(pieces + 1):
        at = start + piece * step
        there = curve(at)
        before, after = curve(at - tiny), curve(at + tiny)
        slope = ((after[0] - before[0]) / (2 * tiny), (after[1] - before[1]) / (2 * tiny))
        if heading is not None:
            third = step / 3
            points = (
                here[0] + heading[0] * third,
                here[1] + heading[1] * third,
                there[0] - slope[0] * third,
                there[1] - slope[1] * third,
                *there,
            )
            parts.append(" ".join(_number(value * MM) for value in points) + " c")
        here, heading = there, slope
    return "\n".join(parts)


def ink(colour: Colour, width_mm: float) -> str:
    """Stroke with `colour`, `width_mm` wide, from here on."""
    return " ".join(f"{part:.3f}" for part in colour) + f" RG {width_mm * MM:.3f} w"


def ribbon(
    base: float, swing: float, waves: float, lines: int, width: float, colour: Colour, *, tilt: float = 0, line_mm=0.09
) -> str:
    """A guilloche ribbon across `width` mm: `lines` waves around height `base`, which swell and cross each other."""

    def wave(phase: float) -> Curve:
        def at(x: float) -> tuple[float, float]:
            swell = 0.55 + 0.45 * cos(2 * pi * x / width * 1.5 + 0.8)
            drift = 2.6 * sin(2 * pi * x / width + base) + tilt * x
            return x, base + drift + swing * swell * sin(2 * pi * waves * x / width + phase)

        return at

    drawn = [trace(wave(2 * pi * line / lines), 0, width, round(waves * 6)) for line in range(lines)]
    return "\n".join([ink(colour, line_mm), *drawn, "S"])


def rosette(
    x: float, y: float, radius: float, petals: int, rings: int, colour: Colour, *, depth: float = 0.3, line_mm=0.09
) -> str:
    """A rosette of `rings` closed curves with `petals` petals each, centred at (x, y), `radius` mm."""

    def ring(turn: float) -> Curve:
        def at(angle: float) -> tuple[float, float]:
            r = radius * (1 - depth + depth * sin(petals * angle + turn))
            return x + r * cos(angle), y + r * sin(angle)

        return at

    drawn = [trace(ring(2 * pi * i / rings), 0, 2 * pi, petals * 4) for i in range(rings)]
    return "\n".join([ink(colour, line_mm), *drawn, "S"])


def star(x: float, y: float, radius: float, points: int, colour: Colour, *, inner: float = 0.45) -> str:
    """A filled star: the stand-in for a country's emblem."""
    corners = []
    for corner in range(points * 2):
        r = radius if corner % 2 == 0 else radius * inner
        angle = pi / 2 + corner * pi / points
        corners.append(f"{_number((x + r * cos(angle)) * MM)} {_number((y + r * sin(angle)) * MM)}")
    fill = " ".join(f"{part:.3f}" for part in colour)
    return f"{fill} rg {corners[0]} m " + " ".join(f"{corner} l" for corner in corners[1:]) + " h f"


@lru_cache(maxsize=64)
def oval(x: float, y: float, width: float, height: float) -> str:
    """The outline of an oval in the box at (x, y), all in points, as path operators without paint."""
    return round_box(x, y, width, height, width / 2, height / 2)


@lru_cache(maxsize=64)
def round_box(x: float, y: float, width: float, height: float, radius_x: float, radius_y: float) -> str:
    """The outline of a box with round corners, all in points, as path operators without paint."""
    right, top = x + width, y + height
    in_x, in_y = radius_x * 0.4477, radius_y * 0.4477  # where the handles of a quarter of a circle lie
    steps = (
        ((x + radius_x, y), "m"),
        ((right - radius_x, y), "l"),
        ((right - in_x, y, right, y + in_y, right, y + radius_y), "c"),
        ((right, top - radius_y), "l"),
        ((right, top - in_y, right - in_x, top, right - radius_x, top), "c"),
        ((x + radius_x, top), "l"),
        ((x + in_x, top, x, top - in_y, x, top - radius_y), "c"),
        ((x, y + radius_y), "l"),
        ((x, y + in_y, x + in_x, y, x + radius_x, y), "c"),
    )
    return " ".join(f"{' '.join(map(_number, numbers))} {operator}" for numbers, operator in steps) + " h"


# OCR-B (ISO 1073-2) is drawn with one pen: each character is its centre line on a grid 10 wide and 17 high.
_OCRB = {
    "0": "M5 17C2 17 .9 13 .9 8.5C.9 4 2 0 5 0C8 0 9.1 4 9.1 8.5C9.1 13 8 17 5 17Z",
    "1": "M1.4 13.4L5.4 17L5.4 0M1.6 0L9.2 0",
    "2": "M.8 13.6C1 15.8 2.6 17 4.9 17C7.5 17 9.2 15.4 9.2 12.9C9.2 8.4 .6 6 .6 0L9.5 0",
    "3": "M1 17L8.9 17L4.5 10.3C7.6 10.3 9.3 8.2 9.3 5.3C9.3 2 7.3 0 4.6 0C2.6 0 1.2 .9 .6 2.5",
    "4": "M5.6 17L.6 4.8L9.6 4.8M7.1 9.4L7.1 0",
    "5": "M8.8 17L2 17L1.5 9.7C2.4 10.4 3.5 10.7 4.6 10.7C7.4 10.7 9.3 8.6 9.3 5.5C9.3 2.2 7.4 0 4.5 0"
    "C2.6 0 1.2 .8 .5 2.2",
    "6": "M7 17C3.2 14 .7 9.8 .7 5.4C.7 2.2 2.4 0 5 0C7.6 0 9.3 2.2 9.3 5.2C9.3 8.2 7.6 10.2 5.2 10.2"
    "C3.3 10.2 1.9 9.2 1.2 7.6",
    "7": "M.7 17L9.3 17L9.3 16C6 12 4.3 7 4.3 0",
    "8": "M5 9.4C2.7 10.2 1.3 11.4 1.3 13.3C1.3 15.6 2.8 17 5 17C7.2 17 8.7 15.6 8.7 13.3C8.7 11.4 7.3 10.2 5 9.4"
    "C2 8.5 .6 7 .6 4.6C.6 1.8 2.3 0 5 0C7.7 0 9.4 1.8 9.4 4.6C9.4 7 8 8.5 5 9.4",
    "9": "M3 0C6.8 3 9.3 7.2 9.3 11.6C9.3 14.8 7.6 17 5 17C2.4 17 .7 14.8 .7 11.8C.7 8.8 2.4 6.8 4.8 6.8"
    "C6.7 6.8 8.1 7.8 8.8 9.4",
    "A": "M.4 0L5 17L9.6 0M2 5.8L8 5.8",
    "B": "M1.2 0L1.2 17L5.2 17C7.5 17 8.8 15.6 8.8 13.3C8.8 11 7.4 9.3 5.2 9.3L1.2 9.3M5.2 9.3C8 9.3 9.4 7.5 9.4 4.7"
    "C9.4 1.8 8 0 5.2 0L1.2 0",
    "C": "M9.3 15.3C8.4 16.4 7.3 17 6 17C2.5 17 .7 13.5 .7 8.5C.7 3.5 2.5 0 6 0C7.3 0 8.4 .6 9.3 1.7",
    "D": "M1.2 0L1.2 17L4.2 17C7.8 17 9.4 13.7 9.4 8.5C9.4 3.3 7.8 0 4.2 0Z",
    "E": "M9.2 17L1.4 17L1.4 0L9.2 0M1.4 9L7.7 9",
    "F": "M9.2 17L1.4 17L1.4 0M1.4 9L7.7 9",
    "G": "M9 15.4C8.2 16.5 7.2 17 5.9 17C2.4 17 .6 13.5 .6 8.5C.6 3.5 2.3 0 5.7 0C7.2 0 8.4 .5 9.3 1.4L9.3 7.8L5.6 7.8",
    "H": "M1 0L1 17M9 0L9 17M1 9L9 9",
    "I": "M1.8 17L8.2 17M5 17L5 0M1.8 0L8.2 0",
    "J": "M3 17L8.4 17L8.4 5C8.4 1.8 7 0 4.5 0C2.6 0 1.3 .9 .6 2.4",
    "K": "M1.2 0L1.2 17M9 17L1.2 7.2M3.9 10.6L9.4 0",
    "L": "M1.4 17L1.4 0L9.2 0",
    "M": "M.7 0L.7 17L5 7.6L9.3 17L9.3 0",
    "N": "M1 0L1 17L9 0L9 17",
    "O": "M5 17C1.7 17 .2 13.4 .2 8.5C.2 3.6 1.7 0 5 0C8.3 0 9.8 3.6 9.8 8.5C9.8 13.4 8.3 17 5 17Z",
    "P": "M1.2 0L1.2 17L5 17C7.8 17 9.3 15.2 9.3 12.3C9.3 9.4 7.8 7.6 5 7.6L1.2 7.6",
    "Q": "M5 17C1.7 17 .2 13.4 .2 8.5C.2 3.6 1.7 0 5 0C8.3 0 9.8 3.6 9.8 8.5C9.8 13.4 8.3 17 5 17ZM5.4 4.6L9.8 -.4",
    "R": "M1.2 0L1.2 17L5 17C7.8 17 9.3 15.2 9.3 12.3C9.3 9.4 7.8 7.6 5 7.6L1.2 7.6M5.2 7.6L9.5 0",
    "S": "M9 15C8.2 16.3 6.8 17 5 17C2.5 17 1 15.5 1 13.2C1 10.7 3 9.8 5 9C7.4 8 9.4 7 9.4 4.3"
    "C9.4 1.6 7.6 0 4.9 0C2.9 0 1.4 .8 .5 2.3",
    "T": "M.5 17L9.5 17M5 17L5 0",
    "U": "M1 17L1 5.2C1 2 2.5 0 5 0C7.5 0 9 2 9 5.2L9 17",
    "V": "M.5 17L5 0L9.5 17",
    "W": "M.3 17L2.5 0L5 11L7.5 0L9.7 17",
    "X": "M.7 17L9.3 0M9.3 17L.7 0",
    "Y": "M.6 17L5 8.6L9.4 17M5 8.6L5 0",
    "Z": "M.9 17L9.2 17L.8 0L9.4 0",
    "<": "M8.8 14.5L1.6 8.5L8.8 2.5",
}  # fmt: skip
OCRB_PITCH_MM = 2.54  # ten characters to the inch
_OCRB_GRID_MM, _OCRB_PEN_MM = 0.14, 0.35
_OPERATORS = {"M": "m", "L": "l", "C": "c", "Z": "h"}


@cache
def _ocrb_path(character: str) -> str:
    steps = "".join(f"\n{c}" if c in _OPERATORS else c for c in _OCRB[character]).split("\n")[1:]
    return " ".join(
        " ".join(_number(float(n) * _OCRB_GRID_MM * MM) for n in step[1:].split()) + f" {_OPERATORS[step[0]]}"
        for step in steps
    )


def ocrb(line: str, x_mm: float, y_mm: float, colour: Colour) -> str:
    """`line` (A-Z, 0-9, <) in OCR-B size 1, 10 characters to the inch, baseline at `y_mm`."""
    margin = (OCRB_PITCH_MM - 10 * _OCRB_GRID_MM) / 2
    parts = [f"q 1 0 0 1 {(x_mm + margin) * MM:.3f} {y_mm * MM:.3f} cm", ink(colour, _OCRB_PEN_MM), "1 J 1 j"]
    step = f"S 1 0 0 1 {OCRB_PITCH_MM * MM:.3f} 0 cm"
    for character in line:
        parts += (_ocrb_path(character), step)
    return "\n".join([*parts, "Q"])


def qr_modules(text: str, level: str = "M") -> list[bytes]:
    """The QR code of `text` as rows of modules, 1 dark and 0 light, without its quiet zone (ISO/IEC 18004)."""
    import zxingcpp  # five times as fast as the pure-Python writers; loaded with the first card

    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level=level)
    picture = memoryview(code.to_image(scale=1, add_quiet_zones=False))  # pyright: ignore[reportArgumentType]
    size = picture.shape[0] if picture.shape else 0
    flat = bytes(picture.cast("B") if picture.format != "B" else picture).translate(_DARK)
    return [flat[row * size : (row + 1) * size] for row in range(size)]


_DARK = bytes(1 if value < 128 else 0 for value in range(256))


def qr_path(modules: list[bytes], x_mm: float, y_mm: float, side_mm: float) -> str:
    """`modules` as filled rows of horizontal bars, `side_mm` wide, the lower left corner at (x, y)."""
    size = len(modules)
    unit = side_mm * MM / size
    # Bars are a trifle higher than a module, so that no viewer shows a light seam between two rows.
    top = (y_mm + side_mm) * MM - unit
    parts = [f"q 0 0 0 rg {unit:.5f} 0 0 {unit * _HIGHER:.5f} {x_mm * MM:.3f} {top:.3f} cm"]
    columns, width = range(0, size, 8), (size + 7) // 8 * 8
    down = f"f 1 0 0 1 0 {-1 / _HIGHER:.7f} cm"
    for row in modules:
        eights = int(row.translate(_DIGITS).ljust(width, b"0"), 2).to_bytes(width // 8)
        parts += (*map(_bars, columns, eights), down)
    return "\n".join([*parts, "Q"])


@cache
def _bars(column: int, eight: int) -> str:
    """The bars of eight modules of a row, the first at `column`: there are only 256 patterns of them."""
    found = re.finditer("1+", f"{eight:08b}")
    return " ".join(f"{column + start} 0 {end - start} 1 re" for start, end in map(re.Match.span, found))


_HIGHER = 1.02
_DIGITS = bytes(value + ord("0") if value < 2 else ord("0") for value in range(256))
