"""Words: what the portal says, per language, from the TOML files in `texts/`.

Law 5: every language says the same things with the same blanks. Law 7: what is filled into a blank is escaped and
isolated (HTML `bdi`), so that a number or a name in another script cannot turn the sentence around.
"""

import re
import tomllib
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from html import unescape
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

from msingi.countries import RTL, typeset
from msingi.portal import blocks

Entry = str | dict[str, str] | list[str]
_BLANK = re.compile(r"\{([a-z_]+)\}")
_FIGURES = re.compile(r"^[+*#\d][\d\s*#+.,:-]*$")
_ISOLATED = re.compile(r'<bdi dir="ltr">([^<]*)</bdi>')
DIRECTLY = frozenset({"day", "time", "month", "d", "y"})  # parts of dates: plain words of this same language


def plural(language: str, n: int) -> str:
    """The CLDR plural category of the whole number `n`: zero, one, two, few, many or other."""
    if language == "ar":
        if n in (0, 1, 2):
            return ("zero", "one", "two")[n]
        last = n % 100
        return "few" if 3 <= last <= 10 else "many" if 11 <= last <= 99 else "other"
    if language == "fr":
        return "one" if n in (0, 1) else "other"
    return "one" if n == 1 else "other"


class Words:
    """All texts of one language. `say` is what templates call `t`."""

    def __init__(self, language: str, entries: dict[str, Entry]) -> None:
        self.language = language
        self.entries = entries

    def say(self, key: str, **blanks: Any) -> Markup:
        """The text named `key` with its blanks filled; KeyError for a name or a blank that is not there."""
        entry = self.entries[key]
        if isinstance(entry, list):
            raise KeyError(f"{key} is a list")
        if isinstance(entry, dict):
            entry = entry.get(plural(self.language, int(blanks["n"])), entry["other"])
        return Markup(_BLANK.sub(lambda m: self._fill(m[1], blanks), str(escape(entry)).replace("&#34;", '"')))

    def _fill(self, name: str, blanks: dict[str, Any]) -> str:
        value = blanks[name]
        if isinstance(value, Markup):
            return value
        if name in DIRECTLY:
            return str(escape(value))
        # A run of figures and signs has no direction of its own, and would be reversed between Arabic words.
        if _FIGURES.match(str(value)):
            together = str(value).replace(" ", "\u00a0")  # nor be torn apart at the end of a line
            return f'<bdi dir="ltr">{escape(together)}</bdi>'
        return f"<bdi>{escape(value)}</bdi>"

    def plain(self, key: str, **blanks: Any) -> str:
        """The same without markup, for titles, messages and attributes.

        Where people write from right to left, figures are isolated by characters instead: U+2066 and U+2069.
        """
        said = str(self.say(key, **blanks))
        if self.language in RTL:
            said = _ISOLATED.sub("\u2066\\1\u2069", said)
        return unescape(re.sub(r"</?bdi[^>]*>", "", said))

    def has(self, key: str) -> bool:
        """Whether there is a text with this name."""
        return key in self.entries

    def day(self, at: date | datetime, zone: tzinfo = UTC) -> Markup:
        """A date in words: 27 March 2026."""
        local = at.astimezone(zone) if isinstance(at, datetime) else at
        months = self.entries["language.months"]
        month = months[local.month - 1] if isinstance(months, list) else str(local.month)
        first = self.plain("language.first")
        return self.say("language.day", d=first if local.day == 1 else local.day, month=month, y=local.year)

    def month(self, text: str) -> str:
        """A month (YYYY-MM) in words: March 2026. What is no month stays as it is."""
        year, _, number = text.partition("-")
        months = self.entries["language.months"]
        if not (year.isdecimal() and number.isdecimal() and 1 <= int(number) <= len(months)):
            return text
        return f"{months[int(number) - 1]} {year}" if isinstance(months, list) else text

    def clock(self, at: datetime, zone: tzinfo = UTC) -> Markup:
        """The time of day."""
        return self.say("language.clock", time=f"{at.astimezone(zone):%H:%M}")

    def moment(self, at: datetime, zone: tzinfo = UTC) -> Markup:
        """A date in words and the time of day."""
        return self.say("language.moment", day=self.day(at, zone), time=f"{at.astimezone(zone):%H:%M}")


@cache
def languages() -> tuple[str, ...]:
    """The languages that the portal speaks, in the order of their codes."""
    names = [path.name for path in files("msingi.portal").joinpath("texts").iterdir()]
    return tuple(sorted(name.partition(".")[0] for name in names if name.count(".") == 1))


def load(language: str) -> Words:
    """The texts of `language`, the portal's and the blocks'. Raises ValueError if the portal does not speak it."""
    return _load(language, blocks.rooms())


@cache
def _load(language: str, rooms: tuple[str, ...]) -> Words:
    entries = read("portal", language)
    if not entries:
        raise ValueError(f"the portal does not speak {language}: add portal/texts/{language}.toml")
    for room in rooms:
        entries |= read(room, "en") | read(room, language)  # English stands in for what a block does not say yet
    return Words(language, entries)


def read(room: str, language: str) -> dict[str, Entry]:
    """The texts that a room brings in one language; none if it brings no folder `texts`."""
    entries: dict[str, Entry] = {}
    folder = files(f"msingi.{room}").joinpath("texts")
    for path in sorted(folder.iterdir(), key=lambda p: p.name) if folder.is_dir() else []:
        if path.name.partition(".")[0] == language:
            for section, texts in tomllib.loads(path.read_text("utf-8")).items():
                entries |= {f"{section}.{name}": _typeset(entry, language) for name, entry in texts.items()}
    return entries


def _typeset(entry: Entry, language: str) -> Entry:
    if isinstance(entry, dict):
        return {n: typeset(text, language) for n, text in entry.items()}
    return [typeset(t, language) for t in entry] if isinstance(entry, list) else typeset(entry, language)


def known_day(language: str, text: str) -> str:
    """A date as far as it is known (YYYY, YYYY-MM, YYYY-MM-DD): in words once the day is known."""
    try:
        return str(load(language).day(date.fromisoformat(text)))
    except ValueError:
        return text
