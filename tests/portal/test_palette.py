"""Law 4: text stands out at WCAG's level AA, whatever colours a country gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msingi.countries import Colours, load, shipped
from msingi.portal import page, palette

COLOUR = st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}")


def test_contrast_is_that_of_wcag():
    assert palette.contrast(palette.BLACK, palette.WHITE) == pytest.approx(21)
    assert palette.contrast(palette.parse("#777777"), palette.WHITE) == pytest.approx(4.48, abs=0.01)


@given(COLOUR, COLOUR, COLOUR, COLOUR)
def test_every_pair_is_legible_by_day_and_by_night(primary, accent, sand, ink):
    brand = Colours(primary=primary, accent=accent, sand=sand, ink=ink)
    for colours in (palette.light(brand), palette.dark(brand)):
        for text, ground, least in palette.PAIRS:
            found = palette.contrast(colours[text], colours[ground])
            assert found >= least, f"{text} on {ground}: {found:.2f}"


@pytest.mark.parametrize("country", shipped())
def test_the_style_sheet_uses_only_colours_that_are_judged(country):
    raw, _ = page.style(load(country).colours)
    sheet = raw.decode()
    known = set(palette.light(load(country).colours))
    used = {part.partition(")")[0] for part in sheet.split("var(--")[1:]}
    assert used <= known, used - known
    judged = {t for t, _, _ in palette.PAIRS} | {g for _, g, _ in palette.PAIRS} | {"line"}
    assert used <= judged, used - judged
