"""Every page in a real browser, by day and by night, on a small screen: contrast, targets, no sideways scroll."""

from pathlib import Path

import pytest
from tests.portal import fixtures

from msingi.countries import load
from msingi.portal import page

SETS = (("taifa", "en"), ("taifa", "sw"), ("wahat", "ar"), ("wahat", "fr"))
AXE = Path(__file__).parents[1] / "js" / "node_modules" / "axe-core" / "axe.min.js"
AXED = ("overview.wahat.ar", "money.taifa.sw", "accesses.wahat.fr", "enrol.taifa.sw", "duplicate.wahat.ar")
NARROW = {"width": 320, "height": 640}  # WCAG 2.2, 1.4.10 (reflow)

# For every element with text of its own: the contrast of the colours as they are painted, WCAG 2.2, 1.4.3.
CONTRAST = """() => {
  const rgb = t => { const m = t.match(/[\\d.]+/g).map(Number);
                     return {c: m.slice(0, 3), a: m[3] === undefined ? 1 : m[3]} };
  const lum = c => { const p = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4 });
                     return 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2] };
  const over = (top, under) => top.c.map((v, i) => v * top.a + under[i] * (1 - top.a));
  const ground = e => { let layers = [];
    for (let x = e; x; x = x.parentElement) {
      const b = rgb(getComputedStyle(x).backgroundColor); layers.push(b); if (b.a === 1) break }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255]) };
  const faults = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (!own || box.width < 2 || style.visibility === 'hidden' || e.closest('option,select')) continue;
    let fade = 1; for (let x = e; x; x = x.parentElement) fade *= Number(getComputedStyle(x).opacity);
    const under = ground(e), text = rgb(style.color);
    const shown = over({c: text.c, a: text.a * fade}, under);
    const [low, high] = [lum(shown), lum(under)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
    const least = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    const said = e.textContent.trim().slice(0, 30);
    if (ratio < least - 0.01) faults.push(`${e.tagName}.${e.className} "${said}" ${ratio.toFixed(2)}`);
  }
  return faults }"""

# Controls that stand alone are at least 44 px high and wide (house rule; WCAG 2.2, 2.5.8 asks for 24).
TARGETS = """() => [...document.querySelectorAll('button,input:not([type=hidden]),select,summary,.button,.menu a,'
  + '.tile[href],.tongues a,.to-menu,.back')]
  .filter(e => e.offsetParent && !(e.type === 'radio'))
  .map(e => [e, e.getBoundingClientRect()]).filter(([, b]) => b.width && (b.height < 43.5 || b.width < 43.5))
  .map(([e, b]) => `${e.tagName}.${e.className} ${Math.round(b.width)}x${Math.round(b.height)} ${e.id}`)"""

SIDEWAYS = """() => document.documentElement.scrollWidth > document.documentElement.clientWidth
  ? [...document.querySelectorAll('body *')]
      .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll'))
      .slice(0, 5).map(e => `${e.tagName}.${e.className}`) : []"""


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Every page as a file beside its style sheet."""
    folder = tmp_path_factory.mktemp("gallery")
    found = []
    for country, lang in SETS:
        raw, address = page.style(load(country).colours)
        (folder / address.rpartition("/")[2]).write_bytes(raw)
        for name, text in fixtures.every(country, lang):
            file = folder / f"{name}.{country}.{lang}.html"
            file.write_text(text.replace("/assets/", ""), "utf-8")
            found.append(file)
    return found


@pytest.fixture(scope="module")
def faults(browser, gallery):
    """What is wrong with any page, by kind; every page is opened once. Colours are a country's."""
    found: dict[str, list[str]] = {"light": [], "dark": [], "targets": [], "sideways": []}
    seen = browser.new_page(viewport=NARROW)
    for file in gallery:
        seen.emulate_media(color_scheme="light")
        seen.goto(file.as_uri())
        seen.evaluate("() => document.querySelectorAll('details').forEach(d => d.open = true)")
        for kind, script in (("targets", TARGETS), ("sideways", SIDEWAYS)):
            found[kind] += [f"{file.stem}: {fault}" for fault in seen.evaluate(script)]
        if file.stem.endswith((".sw", ".fr")):
            continue
        found["light"] += [f"{file.stem}: {fault}" for fault in seen.evaluate(CONTRAST)]
        seen.emulate_media(color_scheme="dark")
        found["dark"] += [f"{file.stem}: {fault}" for fault in seen.evaluate(CONTRAST)]
    seen.close()
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_stands_out_from_its_ground(faults, scheme):
    assert not faults[scheme], "\n".join(faults[scheme][:20])


def test_targets_are_large_enough_for_a_thumb(faults):
    assert not faults["targets"], "\n".join(faults["targets"][:20])


def test_no_page_scrolls_sideways_even_on_the_smallest_screen(faults):
    assert not faults["sideways"], "\n".join(faults["sideways"][:20])


def test_the_focus_is_visible_wherever_it_stands(browser, gallery):
    seen = browser.new_page(viewport={"width": 360, "height": 740})
    file = next(f for f in gallery if f.name.startswith("send_wrong.taifa.en"))
    seen.goto(file.as_uri())
    places = set()
    for _ in range(30):
        seen.keyboard.press("Tab")
        place, width, style = seen.evaluate(
            "() => { const e = document.activeElement, s = getComputedStyle(e);"
            " return [e.tagName + (e.id || e.textContent.trim()), parseFloat(s.outlineWidth), s.outlineStyle] }"
        )
        if place.startswith("BODY"):
            break
        places.add(place)
        assert width >= 2 and style == "solid", place
    assert len(places) >= 10


@pytest.mark.skipif(not AXE.exists(), reason="no npm packages here")
def test_axe_finds_nothing_on_the_pages_that_are_used_most(browser, gallery):
    """axe-core (Deque), all its rules but contrast, which is looked at above on every page, by day and by night."""
    seen, rules = browser.new_page(viewport=NARROW), AXE.read_text("utf-8")
    for name in AXED:
        seen.goto(next(file for file in gallery if file.stem == name).as_uri())
        seen.evaluate(rules)
        found = seen.evaluate("() => axe.run({rules: {'color-contrast': {enabled: false}}}).then(r => r.violations)")
        assert not found, "\n".join(f"{name}: {v['id']} {v['nodes'][0]['html'][:200]}" for v in found)
    seen.goto("data:text/html,<html><body><img src='x'><input></body></html>")  # it finds what is there to be found
    seen.evaluate(rules)
    assert seen.evaluate("() => axe.run().then(r => r.violations.map(v => v.id))") and seen.close() is None
