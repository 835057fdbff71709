"""How figures look outside: CSV, SDMX-CSV, JSON, and a chart that needs no script."""

import csv
import io
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from msingi.countries import Profile
from msingi.evidence.acts import EDITION_MILLI, YEARLY_MILLI
from msingi.evidence.model import NATION, Edition, Figure, Indicator

SDMX_COLUMNS = tuple(
    """STRUCTURE STRUCTURE_ID ACTION FREQ REPORTING_TYPE SERIES REF_AREA SEX AGE URBANISATION INCOME_WEALTH_QUANTILE
    EDUCATION_LEV OCCUPATION CUST_BREAKDOWN COMPOSITE_BREAKDOWN DISABILITY_STATUS ACTIVITY PRODUCT TIME_PERIOD
    OBS_VALUE UNIT_MEASURE UNIT_MULT NATURE OBS_STATUS""".split()
)


def region_name(profile: Profile, code: str, language: str) -> str:
    """The name of a region, or of the country for the total."""
    if code == NATION:
        return profile.say(profile.name, language)
    return next((profile.say(r.name, language) for r in profile.regions if r.code == code), code)


def as_json(profile: Profile, shown: Indicator, edition: Edition, language: str) -> dict[str, Any]:
    """An edition for programs, with all that is needed to read it rightly."""
    return {
        "indicator": shown.code,
        "series": shown.series,
        "title": profile.say(shown.title, language),
        "definition": profile.say(shown.definition, language),
        "caveat": profile.say(shown.caveat, language),
        "unit": "percent",
        "published_at": edition.at.isoformat(),
        "denominator_source": edition.source,
        "privacy": {
            "method": "discrete Laplace noise on every count (Canonne, Kamath, Steinke 2020)",
            "epsilon": EDITION_MILLI / 1000,
            "epsilon_of_the_year": YEARLY_MILLI / 1000,
            "epsilon_spent": edition.spent_milli / 1000,
        },
        "synthetic": profile.synthetic,
        "figures": [
            {
                "region": f.region,
                "name": region_name(profile, f.region, language),
                "sex": f.sex,
                "numerator": f.numerator,
                "denominator": f.denominator,
                "percent": f.percent,
                "margin_95": f.margin,
            }
            for f in edition.figures
        ],
    }


def as_csv(profile: Profile, edition: Edition, language: str) -> str:
    """An edition as CSV (RFC 4180): one row per figure, percent and 95 % margin in points."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["indicator", "region", "name", "sex", "numerator", "denominator", "percent", "margin_95", "at"])
    for f in edition.figures:
        name = region_name(profile, f.region, language)
        shown = ("" if f.percent is None else f.percent, "" if f.margin is None else f.margin)
        writer.writerow([f.indicator, f.region, name, f.sex, f.numerator, f.denominator, *shown, edition.at.date()])
    return out.getvalue()


def as_sdmx_csv(profile: Profile, shown: Indicator, edition: Edition) -> str:
    """An edition as SDMX-CSV 2.1 for the structure IAEG-SDGs:SDG, as a national source reports it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(SDMX_COLUMNS)
    for f in edition.figures:
        if f.percent is None:
            continue
        area = profile.alpha3 if f.region == NATION else f"{profile.alpha3}_{f.region}"
        head = ["dataflow", "IAEG-SDGs:DF_SDG_GLH(1.0)", "R", "A", "N", shown.series, area, f.sex, shown.age]
        writer.writerow([*head, *["_T"] * 9, edition.at.year, f.percent, "PT", 0, "E", "A"])
    return out.getvalue()


def as_svg(profile: Profile, shown: Indicator, edition: Edition, language: str) -> str:
    """A bar chart with margins of error: readable without colour, by a screen reader too, and without any script."""
    bars = [f for f in edition.figures if f.sex == "_T"]
    known = [f for f in bars if f.percent is not None]
    ordered = [f for f in bars if f.region == NATION] + sorted(
        (f for f in bars if f.region != NATION), key=lambda f: -(f.percent if f.percent is not None else -1)
    )
    row, left, wide = 24, 190, 360
    height = 16 + row * len(ordered) + 26
    rtl = profile.direction(language) == "rtl"
    title = profile.say(shown.title, language)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" role="img" '
        f"aria-label={quoteattr(_sentence(profile, title, known, language))} "
        f'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="640" height="{height}" fill="#ffffff"/>',
    ]
    for tick in (0, 25, 50, 75, 100):
        x = left + wide * tick / 100
        lines.append(f'<line x1="{x}" y1="10" x2="{x}" y2="{height - 24}" stroke="#d9d4c8"/>')
        lines.append(f'<text x="{x}" y="{height - 8}" text-anchor="middle" fill="#555">{tick} %</text>')
    for place, figure in enumerate(ordered):
        lines += _bar(profile, figure, 14 + place * row, left, wide, language, rtl)
    lines.append("</svg>")
    return "\n".join(lines)


def _bar(profile: Profile, f: Figure, y: int, left: int, wide: int, language: str, rtl: bool) -> list[str]:
    nation = f.region == NATION
    weight = ' font-weight="700"' if nation else ""
    name = escape(region_name(profile, f.region, language))
    anchor = 'text-anchor="end"' if not rtl else 'text-anchor="start" direction="rtl"'
    lines = [f'<text x="{left - 8}" y="{y + 14}" {anchor}{weight} fill="#1d2b28">{name}</text>']
    if f.percent is None or f.margin is None:
        lines.append(f'<text x="{left + 6}" y="{y + 14}" fill="#777">…</text>')
        return lines
    end = left + wide * min(100.0, f.percent) / 100
    low, high = max(0.0, f.percent - f.margin), min(100.0, f.percent + f.margin)
    x1, x2 = left + wide * low / 100, left + wide * high / 100
    colour = profile.colours.accent if nation else profile.colours.primary
    lines.append(f'<rect x="{left}" y="{y + 3}" width="{end - left:.1f}" height="14" rx="2" fill="{colour}"/>')
    lines.append(f'<path d="M{x1:.1f} {y + 6}v8m0-4H{x2:.1f}m0-4v8" stroke="#1d2b28" fill="none"/>')
    text = f"{f.percent:.1f} % ± {f.margin:.1f}"
    lines.append(f'<text x="{left + wide + 8}" y="{y + 14}"{weight} fill="#1d2b28">{text}</text>')
    return lines


def _sentence(profile: Profile, title: str, known: list[Figure], language: str) -> str:
    nation = next((f for f in known if f.region == NATION), None)
    if nation is None:
        return title
    return f"{title}: {region_name(profile, NATION, language)} {nation.percent} % (± {nation.margin})"
