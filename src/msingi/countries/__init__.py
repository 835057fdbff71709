"""A country is data: everything that differs between two countries stands in one profile folder.

A profile folder holds `profile.toml` (names, languages, currency, number format, colours, tiers, products,
purposes, institutions, immunisation schedule), `law.toml`, `regions.csv` and `names.toml`. `load` validates all of it.

Law: code never names a country; whatever the code needs to know of one, it reads from a `Profile`.
"""

import csv
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec

from msingi.countries import law as laws
from msingi.countries.law import ProtectionLaw
from msingi.kernel.context import BASES, PURPOSES
from msingi.kernel.money import Currency

Text = dict[str, str]
RTL = frozenset({"ar", "fa", "he", "ur"})
_BEFORE = re.compile(r" (?=[:;?!»%](?:[\s\"<]|$))")
_AFTER = re.compile(r"(?<=«) ")


def typeset(text: str, language: str) -> str:
    """The text as the language sets it: in French no line breaks before `: ; ? ! » %` nor after `«`."""
    return _AFTER.sub("\u00a0", _BEFORE.sub("\u00a0", text)) if language == "fr" else text


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of a profile refuses members that it does not know, so that a typing mistake is found."""


class Region(Strict, frozen=True):
    """A region: `code` (stable, upper case), name in the country's languages, population, ISO 3166-2 if any."""

    code: str
    name: Text
    population: int


class NumberFormat(Strict, frozen=True):
    """How the 12-digit identity number is written: sizes of its groups, and its name in each language."""

    groups: list[int]
    label: Text


class Colours(Strict, frozen=True):
    """Brand colours as #rrggbb: for the portal and the card."""

    primary: str
    accent: str
    sand: str
    ink: str


class Authority(Strict, frozen=True):
    """The authority that issues the identity: name per language, and its member code in the exchange."""

    name: Text
    member: str


class Tier(Strict, frozen=True):
    """A know-your-customer tier: limits in minor units."""

    tier: int
    name: Text
    per_transfer_minor: int
    per_day_minor: int
    balance_minor: int


class PurposeRule(Strict, frozen=True):
    """What the country's law says of a purpose: its legal bases, the reference, retention, and plain words."""

    purpose: str
    bases: list[str]
    law: str
    keep_days: int
    text: Text


class Member(Strict, frozen=True):
    """A sample institution: X-Road member class and code, subsystem, kind, names."""

    code: str
    member_class: str
    kind: str
    subsystem: str
    name: Text


class Dose(Strict, frozen=True):
    """One dose of the immunisation schedule: vaccine label, CVX codes that count, dose number, age due."""

    vaccine: str
    cvx: list[str]
    dose: int
    due_weeks: int
    name: Text


class Legal(Strict, frozen=True):
    """The data-protection law in force and its regulator."""

    data_protection: Text
    regulator: Text


class Evidence(Strict, frozen=True):
    """Something that the operator did and published: what it evidences (one of EVIDENCED), the day, its name in words,
    and where everybody can read it."""

    check: str
    on: date
    title: Text
    link: str = ""


class Profile(Strict, frozen=True):
    """A validated country profile. `languages` are ISO 639-1 codes, the default first.

    `credentials` are the kinds of credentials that institutions award, as `credentials.toml` describes them; the room
    of credentials reads and checks them. `bank`, `fraud` and `products` are what `bank.toml`, `fraud.toml`
    and `products.toml` say, read and checked by those rooms. `evidence` (`evidence.toml`) is what the operator did and
    published; the safeguards page shows it.
    """

    code: str
    alpha2: str
    alpha3: str
    name: Text
    synthetic: str
    languages: list[str]
    currency: Currency
    number: NumberFormat
    phone_prefix: str
    phone_digits: int
    colours: Colours
    authority: Authority
    legal: Legal
    law: ProtectionLaw
    tiers: list[Tier]
    purposes: list[PurposeRule]
    institutions: list[Member]
    immunisation: list[Dose]
    group_separator: str
    decimal_point: str
    card_years: int
    adult_age: int
    census_year: int
    under_five_share: float
    adult_share: float
    utc_offset_minutes: int = 0
    credentials: list[dict[str, Any]] = []
    bank: dict[str, Any] = {}
    fraud: dict[str, Any] = {}
    products: dict[str, Any] = {}
    evidence: list[Evidence] = []
    regions: list[Region] = []
    given_female: list[str] = []
    given_male: list[str] = []
    family: list[str] = []
    streets: list[str] = []

    @property
    def language(self) -> str:
        """The default language."""
        return self.languages[0]

    @property
    def number_system(self) -> str:
        """The URI that names the identity number as an identifier system, for example in FHIR."""
        return f"urn:msingi:{self.code}:number"

    def say(self, text: Mapping[str, str], language: str = "") -> str:
        """`text` in `language`, or else in the default language, or in English, or in any."""
        for wanted in (language, self.language, "en"):
            if wanted in text:
                return text[wanted]
        return next(iter(text.values()), "")

    @property
    def named(self) -> dict[str, Text]:
        """Names by code of everybody who acts here: institutions, courts, and who supervises data protection."""
        known = {c.code: c.name for c in self.law.courts} | {i.code: i.name for i in self.institutions}
        return {self.law.authority: self.legal.regulator} | known

    def retold(self, name: str, language: str) -> str:
        """The country's own name in `language`, whatever language `name` has it in; any other name as it is."""
        return self.say(self.name, language) if name in self.name.values() else name

    def direction(self, language: str) -> str:
        """`rtl` or `ltr`."""
        return "rtl" if language in RTL else "ltr"

    def number_text(self, number: str) -> str:
        """The identity number in groups, as people write it."""
        parts, start = [], 0
        for size in self.number.groups:
            parts.append(number[start : start + size])
            start += size
        return " ".join(p for p in [*parts, number[start:]] if p)


class ProfileWrong(ValueError):
    """A profile breaks rules; `mistakes` names every one of them."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


EVIDENCED = ("drills", "participation", "restores")  # what only the operator can do, and show
LISTS = {"credentials": "kinds", "evidence": "evidence"}  # files that hold a list, and its name there


def read(folder: Path) -> Profile:
    """The profile in `folder`. Raises ProfileWrong naming every mistake that can be told from the data."""
    parts: dict[str, Any] = {}
    try:
        parts = tomllib.loads((folder / "profile.toml").read_text("utf-8"))
        parts["law"] = tomllib.loads((folder / "law.toml").read_text("utf-8"))
        names = tomllib.loads((folder / "names.toml").read_text("utf-8"))
        with (folder / "regions.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError as missing:
        raise ProfileWrong([f"{Path(str(missing.filename)).name} is missing"]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise ProfileWrong([f"cannot be read: {wrong}"]) from None
    for name in ("credentials", "bank", "fraud", "products", "evidence"):
        extra = folder / f"{name}.toml"
        try:
            if extra.is_file():
                said = tomllib.loads(extra.read_text("utf-8"))
                parts[name] = said.get(LISTS[name], []) if name in LISTS else said
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            raise ProfileWrong([f"{name}.toml cannot be read: {wrong}"]) from None
    parts |= {k: names.get(k, []) for k in ("given_female", "given_male", "family", "streets")}
    parts["regions"] = [_region(row) for row in rows]
    try:
        profile = msgspec.convert(parts, Profile, strict=False)
    except msgspec.ValidationError as wrong:
        raise ProfileWrong([str(wrong)]) from None
    found = mistakes(profile)
    if found:
        raise ProfileWrong(found)
    return profile


def _region(row: dict[str, str]) -> dict[str, Any]:
    names = {k.removeprefix("name_"): v for k, v in row.items() if k and k.startswith("name_") and v}
    return {"code": row.get("code", ""), "name": names, "population": row.get("population", "")}


def mistakes(profile: Profile) -> list[str]:
    """Every rule that the profile breaks, as sentences; an empty list for a good one."""
    wrong = []
    if sum(profile.number.groups) != 12:
        wrong.append("number.groups: the sizes must add up to 12")
    if len(profile.alpha2) != 2 or len(profile.alpha3) != 3:
        wrong.append("alpha2, alpha3: must be 2 and 3 letters (ISO 3166-1; X… for invented countries)")
    if not 0 <= profile.currency.digits <= 5:
        wrong.append("currency.digits: must be 0 to 5")
    for label, text in _texts(profile):
        lacking = [lang for lang in profile.languages if lang not in text]
        if lacking:
            wrong.append(f"{label}: lacks the languages {', '.join(lacking)}")
    for rule in profile.purposes:
        if rule.purpose not in PURPOSES:
            wrong.append(f"purposes: {rule.purpose} is not a purpose; known are {', '.join(sorted(PURPOSES))}")
        wrong += [f"purposes.{rule.purpose}: {b} is not a legal basis" for b in rule.bases if b not in BASES]
    missing = PURPOSES - {r.purpose for r in profile.purposes}
    if missing:
        wrong.append(f"purposes: says nothing of {', '.join(sorted(missing))}")
    codes = [r.code for r in profile.regions]
    if len(codes) < 2 or len(set(codes)) != len(codes):
        wrong.append("regions.csv: needs at least two regions with distinct codes")
    for label in ("given_female", "given_male", "family"):
        if len(getattr(profile, label)) < 20:
            wrong.append(f"names.toml: {label} needs at least 20 names")
    if not profile.streets:
        wrong.append("names.toml: streets needs at least one name")
    for label, value in msgspec.structs.asdict(profile.colours).items():
        if len(value) != 7 or not value.startswith("#"):
            wrong.append(f"colours.{label}: must look like #1a2b3c")
    for shown in profile.evidence:
        lacking = [language for language in profile.languages if language not in shown.title]
        if shown.check not in EVIDENCED:
            wrong.append(f"evidence.{shown.check}: is one of {', '.join(EVIDENCED)}")
        if lacking:
            wrong.append(f"evidence.{shown.check}: lacks the languages {', '.join(lacking)}")
    wrong += laws.mistakes(profile.law, profile.languages)
    if profile.authority.member not in {m.code for m in profile.institutions}:
        wrong.append("authority.member: names no institution")
    return wrong


def _texts(profile: Profile) -> list[tuple[str, Text]]:
    found = [
        ("name", profile.name),
        ("number.label", profile.number.label),
        ("authority.name", profile.authority.name),
    ]
    found += [(f"purposes.{p.purpose}.text", p.text) for p in profile.purposes]
    found += [(f"institutions.{m.code}.name", m.name) for m in profile.institutions]
    found += [(f"immunisation.{d.vaccine}.name", d.name) for d in profile.immunisation]
    found += [(f"tiers.{t.tier}.name", t.name) for t in profile.tiers]
    return found


def shipped() -> list[str]:
    """The codes of the profiles that come with the package."""
    folder = files("msingi.countries")
    return sorted(f.name for f in folder.iterdir() if f.is_dir() and (f / "profile.toml").is_file())


@cache
def load(country: str) -> Profile:
    """The profile with a shipped code, or in a folder. Raises ProfileWrong."""
    if country in shipped():
        with as_file(files("msingi.countries") / country) as folder:
            return read(folder)
    folder = Path(country)
    if not folder.is_dir():
        raise ProfileWrong([f"{country} is neither a shipped profile ({', '.join(shipped())}) nor a folder"])
    return read(folder)
