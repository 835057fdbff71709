"""Colours: every text stands out from its ground, whatever colours a country gives (law 4).

A country names four brand colours. All others follow from them, and each is moved towards black or white until
its contrast, as WCAG 2.2 computes it, is reached. Two sets: for light, and for dark surroundings.
"""

import colorsys

from msingi.countries import Colours

Rgb = tuple[float, float, float]
BLACK: Rgb = (0.0, 0.0, 0.0)
WHITE: Rgb = (255.0, 255.0, 255.0)
AMBER: Rgb = (242.0, 193.0, 78.0)
RED: Rgb = (161.0, 32.0, 47.0)
GREEN: Rgb = (23.0, 100.0, 63.0)
TEXT = 4.5  # WCAG 2.2, 1.4.3: contrast of text
SHAPE = 3.0  # WCAG 2.2, 1.4.11: contrast of edges and of focus
_STEP = 0.04

# Which colour is read on which ground, at which least contrast: what the tests check, and what the style uses.
PAIRS: tuple[tuple[str, str, float], ...] = (
    *((text, ground, TEXT) for text in ("ink", "soft", "link") for ground in ("page", "paper", "tint")),
    ("ink", "mark", TEXT),
    ("ink", "field", TEXT),
    ("on-deep", "deep", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-gold", "gold", TEXT),
    ("on-clay", "clay", TEXT),
    ("bad", "bad-paper", TEXT),
    ("bad", "page", TEXT),
    ("bad", "paper", TEXT),
    ("good", "good-paper", TEXT),
    ("good", "page", TEXT),
    ("good", "paper", TEXT),
    ("edge", "page", SHAPE),
    ("edge", "paper", SHAPE),
    ("focus", "page", SHAPE),
    ("focus", "paper", SHAPE),
    ("gold", "deep", SHAPE),
)


def parse(colour: str) -> Rgb:
    """The red, green and blue (0 to 255) of `#rrggbb`."""
    return (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))


def text(colour: Rgb) -> str:
    """`#rrggbb`."""
    return "#" + "".join(f"{round(part):02x}" for part in colour)


def mix(colour: Rgb, other: Rgb, share: float) -> Rgb:
    """`colour` with the `share` (0 to 1) of `other` in it."""
    r, g, b = (a + (z - a) * share for a, z in zip(colour, other, strict=True))
    return (r, g, b)


def glow(colour: Rgb, lightness: float = 0.68) -> Rgb:
    """The colour as it reads on a dark ground: same hue, light, and not washed out."""
    hue, _, strength = colorsys.rgb_to_hls(*(c / 255 for c in colour))
    r, g, b = colorsys.hls_to_rgb(hue, lightness, min(strength, 0.55))
    return (r * 255, g * 255, b * 255)


def luminance(colour: Rgb) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2, glossary)."""
    parts = [round(c) / 255 for c in colour]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Rgb, other: Rgb) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, glossary)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def legible(colour: Rgb, grounds: tuple[Rgb, ...], ratio: float) -> Rgb:
    """`colour`, moved as little as needed to black or white until it reaches `ratio` on every ground.

    The goal is the end that contrasts better with the worst ground; where no colour can reach the ratio on all
    grounds, that end itself.
    """
    ends = sorted((BLACK, WHITE), key=lambda end: min(contrast(end, g) for g in grounds))
    share = 0.0
    while share < 1:
        tried = mix(colour, ends[1], share)
        if min(contrast(tried, g) for g in grounds) >= ratio:
            return tried
        share += _STEP
    return ends[1]


def ground(colour: Rgb, reader: Rgb, ratio: float) -> Rgb:
    """`colour` as a ground, moved away from `reader` until text in that colour reaches `ratio` on it."""
    away = BLACK if luminance(reader) > 0.18 else WHITE
    share = 0.0
    while contrast(mix(colour, away, share), reader) < ratio and share < 1:
        share += _STEP
    return mix(colour, away, min(share, 1.0))


def light(brand: Colours) -> dict[str, Rgb]:
    """The colours for light surroundings, by name."""
    primary, accent, sand, dark = (parse(c) for c in (brand.primary, brand.accent, brand.sand, brand.ink))
    page = ground(sand, BLACK, 15)
    paper = mix(page, WHITE, 0.68)
    tint = ground(mix(mix(page, WHITE, 0.3), primary, 0.09), BLACK, 10)
    grounds = (page, paper, tint)
    on_deep = mix(page, WHITE, 0.5)
    deep = ground(primary, on_deep, 7)
    mark = ground(mix(paper, AMBER, 0.45), BLACK, 10)
    on_clay = WHITE
    found = {
        "page": page,
        "paper": paper,
        "tint": tint,
        "field": WHITE,
        "mark": mark,
        "ink": legible(dark, (*grounds, mark), 9),
        "soft": legible(mix(dark, sand, 0.3), grounds, 5),
        "link": legible(primary, grounds, 5.5),
        "line": mix(page, dark, 0.13),
        "edge": legible(mix(dark, sand, 0.45), grounds, 3.4),
        "focus": legible(accent, grounds, 3.2),
        "deep": deep,
        "on-deep": on_deep,
        "accent": deep,
        "on-accent": on_deep,
        "clay": ground(accent, on_clay, 4.7),
        "on-clay": on_clay,
    }
    return found | _shared(accent, deep) | _news(paper, (page, paper), RED, GREEN, 0.08)


def dark(brand: Colours) -> dict[str, Rgb]:
    """The colours for dark surroundings, by name."""
    primary, accent, sand = (parse(c) for c in (brand.primary, brand.accent, brand.sand))
    page = ground(mix(mix(primary, BLACK, 0.7), (18, 18, 18), 0.55), WHITE, 16)
    paper = ground(mix(page, mix(primary, WHITE, 0.25), 0.1), WHITE, 13)
    tint = ground(mix(page, primary, 0.42), WHITE, 10)
    grounds = (page, paper, tint)
    on_deep = mix(sand, WHITE, 0.5)
    deep = ground(mix(primary, BLACK, 0.3), on_deep, 8)
    bright = legible(glow(primary), grounds, 6.5)
    mark = ground(mix(page, AMBER, 0.28), WHITE, 9.5)
    ink = legible(mix(sand, WHITE, 0.2), (*grounds, mark), 9)
    found = {
        "page": page,
        "paper": paper,
        "tint": tint,
        "field": mix(page, BLACK, 0.35),
        "mark": mark,
        "ink": ink,
        "soft": legible(mix(ink, page, 0.3), grounds, 5.5),
        "link": bright,
        "line": mix(page, ink, 0.17),
        "edge": legible(mix(page, ink, 0.4), grounds, 3.4),
        "focus": legible(AMBER, grounds, 4),
        "deep": deep,
        "on-deep": on_deep,
        "accent": bright,
        "on-accent": legible(page, (bright,), 6),
        "clay": ground(accent, WHITE, 4.7),
        "on-clay": WHITE,
    }
    news = _news(paper, (page, paper), glow(RED, 0.75), glow(GREEN, 0.7), 0.14)
    return found | _shared(accent, deep) | news


def _shared(accent: Rgb, deep: Rgb) -> dict[str, Rgb]:
    gold = legible(mix(accent, AMBER, 0.6), (deep,), 4)
    return {"gold": gold, "on-gold": legible(mix(gold, BLACK, 0.85), (gold,), 6)}


def _news(paper: Rgb, grounds: tuple[Rgb, ...], bad: Rgb, good: Rgb, share: float) -> dict[str, Rgb]:
    bad_paper, good_paper = mix(paper, bad, share), mix(paper, good, share)
    return {
        "bad-paper": bad_paper,
        "good-paper": good_paper,
        "bad": legible(bad, (*grounds, bad_paper), 4.8),
        "good": legible(good, (*grounds, good_paper), 4.8),
    }


def style(brand: Colours) -> str:
    """The CSS custom properties of both sets, to stand before the style sheet."""
    sets = [";".join(f"--{name}:{text(c)}" for name, c in found.items()) for found in (light(brand), dark(brand))]
    return f":root{{color-scheme:light dark;{sets[0]}}}\n@media(prefers-color-scheme:dark){{:root{{{sets[1]}}}}}\n"
