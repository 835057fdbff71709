"""The words of the card and of the verifier page, by language, read from `words.toml` when first needed."""

import tomllib
from functools import cache
from importlib.resources import files

LAST_RESORT = "en"


@cache
def _all() -> dict[str, dict[str, dict[str, str]]]:
    return tomllib.loads((files("msingi.credentials") / "words.toml").read_text("utf-8"))


def words(section: str, language: str) -> dict[str, str]:
    """The words of `section` in `language`, or in English where there are none in it."""
    known = _all()[section]
    return known[LAST_RESORT] | known.get(language, {})


def languages(section: str) -> list[str]:
    """The languages in which `section` is written, in the order of the file."""
    return list(_all()[section])
