"""Nouns of the safeguards report: checks with what they found, and the principles that rest on them."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """What a check says: it holds as measured now, it does not, only a document or a test says so, or no evidence."""

    HOLDS = "holds"
    FAILS = "fails"
    DOCUMENT = "document"
    MISSING = "missing"


class Check(Struct, frozen=True):
    """One piece of evidence: a sentence with its figure, and the door or page that shows it. `duty` says what the
    operator must do where it does not hold and no software can do it."""

    check: str
    verdict: Verdict
    figure: str
    says: str
    where: str
    duty: str = ""


class Principle(Struct, frozen=True):
    """One principle with its evidence."""

    principle: str
    title: str
    checks: tuple[Check, ...]


class Report(Struct, frozen=True):
    """The safeguards report: 18 principles, and how many checks hold, fail, rest on documents, or are missing."""

    framework: str
    country: str
    issuer: str
    sandbox: bool
    made_at: str
    counts: dict[str, int]
    principles: tuple[Principle, ...]
