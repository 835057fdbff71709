"""Portraits of people who do not exist: drawn from a seed, plainly an illustration, the same on every machine.

A sample country needs faces, and a photo of anybody real would be a breach. Law: the same seed, sex and age give
the same picture; nothing outside the arguments has an influence.
"""

import random
from io import BytesIO
from typing import NamedTuple

from PIL import Image, ImageDraw

SIZE = (240, 320)  # width and height in pixels: 3 to 4, as on an ID photo
_SCALE = 2  # drawn twice as large and reduced, which smooths all edges
Colour = tuple[int, int, int]
_SKINS: tuple[Colour, ...] = (
    (74, 46, 34), (92, 58, 41), (111, 71, 50), (128, 84, 58), (146, 98, 69), (166, 117, 84), (188, 140, 104),
)  # fmt: skip
_HAIRS: tuple[Colour, ...] = ((24, 20, 20), (34, 26, 22), (46, 32, 24), (20, 22, 28))
_GREY: Colour = (150, 146, 142)
_CLOTHS: tuple[Colour, ...] = (
    (31, 92, 110), (122, 46, 60), (44, 84, 60), (176, 118, 48), (72, 62, 120), (60, 70, 84), (150, 74, 44),
    (34, 58, 96),
)  # fmt: skip
_GROUNDS: tuple[Colour, ...] = ((226, 231, 234), (232, 229, 222), (222, 230, 226), (229, 226, 233))
_WHITE: Colour = (250, 248, 244)


class _Face(NamedTuple):
    """The choices that make one person, all measures in pixels of the finished picture."""

    skin: Colour
    hair: Colour
    cloth: Colour
    second: Colour
    ground: Colour
    style: str
    beard: str
    width: float
    height: float
    eye_gap: float
    nose: float
    mouth: float
    brow: float
    glasses: bool
    lines: bool
    pattern: int


def portrait(seed: int | str, sex: str = "", age_years: int = 30, quality: int = 82) -> bytes:
    """A JPEG of 240 x 320 pixels, about 8 kB, of an invented person.

    `seed` names the person; `sex` ("female", "male" or anything) and `age_years` steer hair, beard and lines.
    """
    face = _choose(random.Random(f"portrait:{seed}:{sex}"), sex, age_years)
    image = Image.new("RGB", (SIZE[0] * _SCALE, SIZE[1] * _SCALE), face.ground)
    pen = _Pen(ImageDraw.Draw(image))
    _ground(pen, face)
    _hair_behind(pen, face)
    _body(pen, face)
    _head(pen, face)
    _hair_before(pen, face)
    _features(pen, face)
    out = BytesIO()
    image.resize(SIZE, Image.Resampling.LANCZOS).save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def _choose(dice: random.Random, sex: str, age: int) -> _Face:
    woman = sex == "female" or (sex != "male" and dice.random() < 0.5)
    child = age < 13
    if woman:
        style = dice.choice(("scarf", "scarf", "bun", "braids", "afro", "short", "wrap"))
    else:
        style = dice.choice(("short", "short", "shaved", "afro", "cap", "short"))
    if child and style in ("wrap", "cap", "shaved"):
        style = "short"
    beard = "" if woman or age < 20 else dice.choice(("", "", "", "moustache", "goatee", "full"))
    cloth, second = dice.sample(_CLOTHS, 2)
    return _Face(
        skin=dice.choice(_SKINS),
        hair=_mix(dice.choice(_HAIRS), _GREY, max(0.0, min(0.85, (age - 42) / 30))),
        cloth=cloth,
        second=second,
        ground=dice.choice(_GROUNDS),
        style=style,
        beard=beard,
        width=(52 if child else 55) + dice.uniform(-4, 4) - (2 if woman else 0),
        height=(64 if child else 73) + dice.uniform(-4, 4),
        eye_gap=dice.uniform(22.5, 26),
        nose=dice.uniform(8, 12.5),
        mouth=dice.uniform(16, 22),
        brow=dice.uniform(2.4, 4.2) + (0 if woman else 1.1),
        glasses=dice.random() < (0.12 if age < 45 else 0.35),
        lines=age >= 50,
        pattern=dice.randrange(4),
    )


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one` with `share` (0 to 1) of `other` in it."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return (red, green, blue)


class _Pen:
    """Draws in the coordinates of the finished picture, at the larger scale; x is measured from the middle line."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def _at(self, points: tuple[float, ...] | list[float]) -> list[float]:
        middle = SIZE[0] / 2
        return [(value + middle if i % 2 == 0 else value) * _SCALE for i, value in enumerate(points)]

    def oval(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        self._draw.ellipse(self._at((x - rx, y - ry, x + rx, y + ry)), fill=fill)

    def shape(self, points: list[float], fill: Colour) -> None:
        self._draw.polygon(self._at(points), fill=fill)

    def line(self, points: list[float], fill: Colour, width: float) -> None:
        self._draw.line(self._at(points), fill=fill, width=round(width * _SCALE), joint="curve")

    def arc(self, box: tuple[float, ...], start: float, end: float, fill: Colour, width: float) -> None:
        self._draw.arc(self._at(box), start, end, fill=fill, width=round(width * _SCALE))

    def slice(self, box: tuple[float, ...], start: float, end: float, fill: Colour) -> None:
        self._draw.chord(self._at(box), start, end, fill=fill)

    def block(self, box: tuple[float, ...], radius: float, fill: Colour) -> None:
        self._draw.rounded_rectangle(self._at(box), radius * _SCALE, fill=fill)


_Y = 146  # the height of the middle of the face


def _ground(pen: _Pen, face: _Face) -> None:
    for step in range(16):
        pen.oval(0, 150, 210 - step * 8, 230 - step * 8, _mix(face.ground, _WHITE, step / 22))


def _hair_behind(pen: _Pen, face: _Face) -> None:
    w, h = face.width, face.height
    if face.style == "afro":
        pen.oval(0, _Y - 26, w + 25, h + 11, face.hair)
    elif face.style == "bun":
        pen.oval(0, _Y - h - 22, 27, 24, face.hair)
        pen.oval(0, _Y - 12, w + 5, h + 4, face.hair)
    elif face.style == "braids":
        pen.block((-w - 10, _Y - 40, w + 10, _Y + 106), 30, face.hair)
        for x in range(-int(w) - 6, int(w) + 8, 9):
            pen.line([x, _Y, x, _Y + 104], _mix(face.hair, face.skin, 0.28), 1.2)
    elif face.style == "scarf":
        pen.oval(0, _Y - 8, w + 21, h + 23, _mix(face.second, (0, 0, 0), 0.18))


def _body(pen: _Pen, face: _Face) -> None:
    neck = _mix(face.skin, (0, 0, 0), 0.16)
    pen.block((-24, _Y + 40, 24, _Y + 118), 12, neck)
    pen.oval(0, 330, 112, 96, face.cloth)
    pen.block((-112, 296, 112, 340), 30, face.cloth)
    if face.style == "scarf":
        pen.shape([-60, _Y + 50, 60, _Y + 50, 84, 300, 0, 336, -84, 300], face.second)
        pen.oval(0, _Y + 74, 58, 44, face.second)
        for turn in range(3):
            shade = _mix(face.second, (0, 0, 0), 0.16)
            pen.arc((-66 + turn * 6, _Y + 20 + turn * 17, 66 + turn * 5, _Y + 118 + turn * 17), 25, 150, shade, 1.8)
        return
    light = _mix(face.cloth, _WHITE, 0.82)
    if face.pattern == 0:  # shirt and jacket
        pen.shape([-30, 242, 30, 242, 0, 322], light)
        pen.shape([-7, 262, 7, 262, 10, 320, -10, 320], face.second)
        pen.line([-34, 238, -6, 322], _mix(face.cloth, (0, 0, 0), 0.3), 2.4)
        pen.line([34, 238, 6, 322], _mix(face.cloth, (0, 0, 0), 0.3), 2.4)
    elif face.pattern == 1:  # printed cloth
        for row in range(5):
            for column in range(-5, 6):
                x, y = column * 22 + row % 2 * 11, 254 + row * 16
                if (x / 106) ** 2 + ((y - 330) / 90) ** 2 < 0.94:
                    pen.oval(x, y, 5.4, 5.4, face.second)
                    pen.oval(x, y, 2.2, 2.2, light)
    elif face.pattern == 2:  # stripes
        for x in range(-90, 91, 20):
            pen.line([x, 264 + abs(x) // 4, x, 322], face.second, 4)
    pen.arc((-36, 196, 36, 262), 10, 170, _mix(face.cloth, (0, 0, 0), 0.32), 5)
    pen.slice((-29, 196, 29, 256), 0, 180, neck)


def _head(pen: _Pen, face: _Face) -> None:
    w, h = face.width, face.height
    shade = _mix(face.skin, (0, 0, 0), 0.14)
    if face.style != "scarf":
        for side in (-1, 1):
            pen.oval(side * (w + 1), _Y + 3, 9, 15, shade)
            pen.oval(side * w, _Y + 3, 6, 11, face.skin)
    pen.oval(0, _Y - 8, w, h - 8, face.skin)
    pen.oval(0, _Y + 16, w - 6.5, h - 14, face.skin)
    pen.oval(0, _Y + h - 22, w * 0.52, 24, face.skin)
    for side in (-1, 1):
        pen.oval(side * w * 0.56, _Y + 24, 12, 9, _mix(face.skin, (196, 84, 62), 0.16))


def _features(pen: _Pen, face: _Face) -> None:
    dark = _mix(face.skin, (0, 0, 0), 0.62)
    fold = _mix(face.skin, (0, 0, 0), 0.28)
    brow = _mix(face.hair, (0, 0, 0), 0.25)
    for side in (-1, 1):
        x = side * face.eye_gap
        pen.oval(x, _Y - 4, 11, 6.6, _WHITE)
        pen.oval(x, _Y - 4, 5.7, 5.9, (56, 36, 24))
        pen.oval(x, _Y - 4, 2.8, 2.9, (12, 10, 10))
        pen.oval(x + 1.8, _Y - 6, 1.4, 1.4, _WHITE)
        pen.arc((x - 12, _Y - 12, x + 12, _Y + 6), 200, 340, dark, 2.2)
        pen.arc((x - 17, _Y - 24, x + 17, _Y + 8), 214, 326, brow, face.brow)
        if face.lines:
            pen.arc((x - 13, _Y - 6, x + 13, _Y + 12), 40, 140, fold, 1.2)
            start, end = (300, 352) if side > 0 else (188, 240)
            pen.arc((side * 22 - 15, _Y + 22, side * 22 + 15, _Y + 54), start, end, fold, 1.2)
    soft = _mix(face.skin, (0, 0, 0), 0.2)
    pen.oval(0, _Y + 22, face.nose, 7.4, _mix(face.skin, (0, 0, 0), 0.07))
    pen.arc((-face.nose, _Y + 13, face.nose, _Y + 30), 20, 160, soft, 2.6)
    for side in (-1, 1):
        pen.oval(side * face.nose * 0.52, _Y + 27, 2.7, 1.6, _mix(face.skin, (0, 0, 0), 0.45))
    lips, m = _mix(face.skin, (150, 52, 54), 0.42), face.mouth
    if face.beard == "full":
        w, h = face.width, face.height
        pen.slice((-w + 3, _Y - 30, w - 3, _Y + h + 4), 22, 158, face.hair)
        pen.oval(0, _Y + 42, m + 7, 13, face.skin)
    elif face.beard == "goatee":
        pen.oval(0, _Y + 58, m * 0.72, 13, face.hair)
    pen.oval(0, _Y + 45, m, 5.6, lips)
    pen.oval(0, _Y + 40.4, m * 0.9, 2.6, _mix(lips, (0, 0, 0), 0.1))
    pen.arc((-m - 2, _Y + 26, m + 2, _Y + 47), 22, 158, _mix(lips, (0, 0, 0), 0.5), 1.9)
    if face.beard in ("moustache", "full"):
        pen.arc((-m - 5, _Y + 32, m + 5, _Y + 58), 206, 334, face.hair, 5)
    if face.glasses:
        for side in (-1, 1):
            x = side * face.eye_gap
            pen.arc((x - 18, _Y - 19, x + 18, _Y + 13), 0, 360, (44, 42, 44), 2.4)
            pen.line([side * (face.eye_gap + 18), _Y - 4, side * face.width, _Y - 8], (44, 42, 44), 2.2)
        pen.line([-face.eye_gap + 18, _Y - 5, face.eye_gap - 18, _Y - 5], (44, 42, 44), 2.4)


def _hair_before(pen: _Pen, face: _Face) -> None:
    w, h = face.width, face.height
    top = _Y - h
    if face.style == "scarf":
        pen.arc((-w - 17, top - 20, w + 17, _Y + h + 34), 168, 372, face.second, 19)
        pen.slice((-w - 8, top - 19, w + 8, _Y + 42), 197, 343, face.second)
        pen.arc((-w - 3, top - 4, w + 3, _Y + 62), 205, 335, _mix(face.second, _WHITE, 0.25), 1.6)
        return
    if face.style == "wrap":
        pen.slice((-w - 9, top - 42, w + 9, _Y + 44), 188, 352, face.second)
        pen.oval(0, top - 18, 26, 19, _mix(face.second, _WHITE, 0.14))
        for turn in range(3):
            shade = _mix(face.second, (0, 0, 0), 0.2)
            pen.arc((-w - 8 + turn * 9, top - 34 + turn * 12, w + 8, _Y + 20), 192 + turn * 8, 330, shade, 1.8)
        return
    if face.style == "cap":
        pen.slice((-w - 2, top - 12, w + 2, _Y + 34), 188, 352, face.hair)
        pen.block((-w + 3, top - 19, w - 3, top + 29), 11, _mix(face.cloth, _WHITE, 0.75))
        for x in range(-int(w) + 10, int(w) - 6, 12):
            pen.oval(x, top + 14, 2.6, 2.6, face.cloth)
            pen.oval(x + 6, top + 4, 1.8, 1.8, face.second)
        return
    if face.style == "shaved":
        pen.slice((-w + 2, top - 1, w - 2, _Y + 32), 198, 342, _mix(face.skin, face.hair, 0.3))
        return
    depth = {"afro": 22, "short": 8, "bun": 4, "braids": 6}[face.style]
    pen.slice((-w - 2, top - depth, w + 2, _Y + 40), 193, 347, face.hair)
    pen.slice((-w + 8, top + 22, w - 8, _Y + 52), 200, 340, face.skin)
    if face.style in ("braids", "bun"):
        pen.line([0, top - depth + 3, 0, top + 22], _mix(face.hair, face.skin, 0.4), 1.6)
