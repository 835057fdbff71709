"""Pictures of every page: `PYTHONPATH=src python -m tests.portal.gallery OUT [--only NAME,...] [--dark]`.

Writes each page as HTML, and as PNG at the width of a cheap phone and of a desk, in each language.
"""

import argparse
from pathlib import Path

from tests.portal import fixtures

from msingi import countries
from msingi.portal import page

SETS = (("taifa", "en"), ("taifa", "sw"), ("wahat", "ar"), ("wahat", "fr"))
WIDTHS = (360, 1200)


def write(out: Path, only: set[str], sets: tuple[tuple[str, str], ...]) -> list[Path]:
    """The chosen pages as HTML files, with their style sheets beside them."""
    made = []
    for country, lang in sets:
        profile = countries.load(country)
        raw, address = page.style(profile.colours)
        (out / address.rpartition("/")[2]).write_bytes(raw)
        for name, text in fixtures.every(country, lang):
            if not only or name in only:
                file = out / f"{name}.{country}.{lang}.html"
                file.write_text(text.replace("/assets/", ""), "utf-8")
                made.append(file)
    return made


def shoot(files: list[Path], widths: tuple[int, ...], dark: bool) -> None:
    """A picture of each file at each width, by the system's Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        for width in widths:
            seen = browser.new_page(viewport={"width": width, "height": 740}, color_scheme="dark" if dark else "light")
            for file in files:
                seen.goto(file.resolve().as_uri())
                seen.screenshot(path=file.with_suffix(f".{width}{'.dark' if dark else ''}.png"), full_page=True)
        browser.close()


def main() -> None:
    """Read the options, write and shoot."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("out", type=Path)
    options.add_argument("--only", default="")
    options.add_argument("--lang", default="")
    options.add_argument("--width", type=int)
    options.add_argument("--dark", action="store_true")
    chosen = options.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    only = {n for n in chosen.only.split(",") if n}
    sets = tuple(s for s in SETS if not chosen.lang or s[1] in chosen.lang.split(","))
    shoot(write(chosen.out, only, sets), (chosen.width,) if chosen.width else WIDTHS, chosen.dark)


if __name__ == "__main__":
    main()
