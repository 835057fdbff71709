"""Makes the safeguards report and the impact assessment from the running checks; both are public and name nobody."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from msingi.countries import RTL, typeset
from msingi.governance.keeping.rules import instant
from msingi.governance.processing import reading
from msingi.governance.processing.model import Assessment, Risk
from msingi.governance.safeguards import checks
from msingi.governance.safeguards.model import Check, Principle, Report, Verdict
from msingi.kernel import clock
from msingi.kernel.stack import Stack
from msingi.portal import words

FRAMEWORK = "Universal DPI Safeguards Framework 1.0 (UN ODET, UNDP; CC BY-SA 4.0)"
FRESH_S = 60
KEPT = "governance.checks"


class Written(msgspec.Struct, frozen=True):
    """A principle as written in `principles.toml`."""

    id: str
    title: dict[str, str]
    checks: list[str]


@cache
def principles() -> tuple[Written, ...]:
    """The 18 principles and the checks that evidence them."""
    raw = tomllib.loads((files("msingi.governance.safeguards") / "principles.toml").read_text("utf-8"))
    return tuple(msgspec.convert(raw["principles"], list[Written]))


@cache
def sentences() -> dict[str, dict[str, str]]:
    """What each check says, by language, and the door that shows it."""
    return tomllib.loads((files("msingi.governance.safeguards") / "checks.toml").read_text("utf-8"))


@cache
def duties() -> dict[str, dict[str, str]]:
    """What the operator must do where a check does not hold that no software can make hold."""
    return tomllib.loads((files("msingi.governance.safeguards") / "duties.toml").read_text("utf-8"))


@cache
def risks() -> tuple[dict[str, Any], ...]:
    """The 13 risks of the framework, with the checks that speak against each."""
    raw = tomllib.loads((files("msingi.governance.safeguards") / "risks.toml").read_text("utf-8"))
    return tuple(raw["risks"])


async def found(stack: Stack) -> dict[str, checks.Found]:
    """What every check finds, measured anew when the last time is more than a minute ago."""
    known: Any = stack.local.get(KEPT)
    if known is not None and (clock.now() - known[0]).total_seconds() < FRESH_S:
        return known[1]
    measured = {name: await run(stack) for name, run in checks.RUNNING.items()}
    against = _against(measured)
    measured["assessment"] = (Verdict.FAILS if against else Verdict.HOLDS), str(against)
    stack.local[KEPT] = (clock.now(), measured)
    return measured


def _against(measured: dict[str, checks.Found]) -> int:
    """How many risks have something open."""
    return sum(any(measured[c][0] in (Verdict.FAILS, Verdict.MISSING) for c in r["checks"]) for r in risks())


def _in_words(name: str, figure: str, language: str) -> str:
    """What a check found, as people say it: names of languages and fields, days, sizes."""
    language = language if language in words.languages() else "en"
    speak = words.load(language)
    if name == "ussd":
        return ", ".join(words.load(code).plain("language.name") for code in figure.split(", ") if code)
    if name == "documents":
        return ", ".join(speak.plain(f"field.{f}") if speak.has(f"field.{f}") else f for f in figure.split(", "))
    if name == "footprint":
        memory, disk = re.findall(r"\d+", figure)
        return speak.plain("governance.footprint", memory=memory, disk=disk)
    return words.known_day(language, figure)


def _check(name: str, measured: dict[str, checks.Found], language: str) -> Check:
    verdict, figure = measured[name]
    said = sentences()[name]
    duty = duties().get(name, {}) if verdict in (Verdict.FAILS, Verdict.MISSING) else {}
    shown = _in_words(name, figure, language)
    shown = f"\u2066{shown}\u2069" if language in RTL and shown == figure else shown  # no order of its own
    says = typeset(said.get(language, said["en"]).format(figure=shown), language)
    return Check(name, verdict, figure, says, said["where"], typeset(duty.get(language, duty.get("en", "")), language))


async def report(stack: Stack, language: str = "") -> Report:
    """The safeguards report as the system is now (laws 1 and 2)."""
    measured = await found(stack)
    language = language or stack.profile.language
    counts = dict.fromkeys((v.value for v in Verdict), 0)
    for verdict, _ in measured.values():
        counts[verdict.value] += 1
    return Report(
        framework=FRAMEWORK,
        country=stack.profile.say(stack.profile.name, language),
        issuer=stack.settings.url,
        sandbox=stack.settings.sandbox,
        made_at=instant(clock.now()),
        counts=counts,
        principles=tuple(
            Principle(
                w.id, w.title.get(language, w.title["en"]), tuple(_check(c, measured, language) for c in w.checks)
            )
            for w in principles()
        ),
    )


async def assessment(stack: Stack, language: str = "") -> Assessment:
    """The data-protection impact assessment: each risk with what speaks against it, and what is open."""
    measured = await found(stack)
    language = language or stack.profile.language
    columns = [c for t in reading.tables() for c in t.columns]

    def sentence(names: list[str], verdicts: tuple[Verdict, ...]) -> tuple[str, ...]:
        return tuple(_check(n, measured, language).says for n in names if measured[n][0] in verdicts)

    made = tuple(
        Risk(
            r["id"],
            r["title"].get(language, r["title"]["en"]),
            sentence(r["checks"], (Verdict.HOLDS, Verdict.DOCUMENT)),
            sentence(r["checks"], (Verdict.FAILS, Verdict.MISSING)),
        )
        for r in risks()
    )
    return Assessment(
        country=stack.profile.say(stack.profile.name, language),
        law=stack.profile.law.citation,
        made_at=instant(clock.now()),
        purposes=len(stack.profile.purposes),
        columns=len(columns),
        sealed=sum(c.hidden for c in columns),
        consented=tuple(p.purpose for p in stack.profile.purposes if "consent" in p.bases),
        risks=made,
        open_risks=sum(bool(r.open) for r in made),
    )
