"""The questions of the counter's forms, and what the answers mean to the acts."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from msingi.countries import Profile
from msingi.identity.model import Address, Birth, Demographics, Document, EnrolmentOrder, Name, Sex
from msingi.identity.rules import EXCEPTIONS
from msingi.kernel.errors import Refusal
from msingi.portal import rules, words
from msingi.portal.model import Field, Form
from msingi.portal.page import zone_of
from msingi.portal.visit import Visit

Say = Callable[..., str]


def field(say: Say, name: str, kind: str = "text", **more: Any) -> Field:
    """A question of the counter: its words are `counter.ask_<name>`, optional unless said otherwise."""
    more.setdefault("optional", True)
    more.setdefault("autocomplete", "off")
    return Field(name=name, label=say(f"counter.ask_{name}"), kind=kind, **more)


def told(seen: Visit, refusal: Refusal) -> str:
    """Why not, in the visitor's language; in English where nobody has translated the reason yet."""
    key = f"refusal.{refusal.code}"
    if seen.words.has(key):
        return seen.say(key)
    return f"{refusal.title}. {refusal.detail or refusal.remedy}"


def reason(say: Say) -> Field:
    """Why, in words."""
    return field(say, "because", optional=False, longest=280, hint=say("counter.ask_because_hint"))


def extra_fields(say: Say) -> tuple[Field, ...]:
    """What an officer adds at the desk: who brings or vouches for the person, a document, what the person lacks."""
    lacking = tuple((code, say(f"counter.lack_{code}")) for code in EXCEPTIONS)
    return (
        field(say, "guardian", "number", longest=20),
        field(say, "introducer", "number", longest=20, hint=say("counter.ask_introducer_hint")),
        field(say, "document_kind", longest=60),
        field(say, "document_number", longest=60),
        field(say, "lacking", "select", options=lacking),
    )


def order_of(profile: Profile, value: Callable[[str], str]) -> EnrolmentOrder:
    """The enrolment that a filled form asks for; `value` gives an answer by the name of its question."""
    document = (Document(value("document_kind"), value("document_number")),) if value("document_kind") else ()
    return EnrolmentOrder(
        name=Name(value("given_name"), value("family_name")),
        birth=Birth(rules.iso_date(value("born"))),
        sex=Sex(value("sex")) if value("sex") else Sex.UNKNOWN,
        region=value("region"),
        address=Address((value("address"),) if value("address") else ()),
        phone=rules.phone_of(value("phone"), profile.phone_prefix, profile.phone_digits),
        language=value("language"),
        documents=document,
        exceptions=(value("lacking"),) if value("lacking") else (),
        guardian=value("guardian"),
        introducer=value("introducer"),
    )


def judged(form: Form, profile: Profile, say: Say, today: date) -> Form:
    """The form of a person's details with a sentence at each answer that must be corrected; only a name is needed."""
    example = profile.phone_prefix + "712345678"[: profile.phone_digits]

    def phone(text: str) -> str:
        known = rules.phone_of(text, profile.phone_prefix, profile.phone_digits)
        return "" if known else say("form.not_phone", example=example)

    checked = rules.judged(form, say, {"phone": phone, "born": lambda t: rules.date_wrong(t, today, say)})
    if not checked.value("given_name") and not checked.value("family_name"):
        return rules.with_wrong(checked, "given_name", say("counter.no_name"))
    return checked


def facts(profile: Profile, lang: str, say: Say, known: Demographics | EnrolmentOrder) -> tuple[tuple[str, str], ...]:
    """What is known of somebody, as people read it; what is not known is left out."""
    regions = {r.code: profile.say(r.name, lang) for r in profile.regions}
    sexes = {Sex.FEMALE: "f", Sex.MALE: "m", Sex.OTHER: "x"}
    told = {
        say("enrol.given_name"): known.name.given,
        say("enrol.family_name"): known.name.family,
        say("enrol.born"): words.known_day(lang, known.birth.date or known.birth.reported),
        say("enrol.sex"): say(f"enrol.sex_{sexes[known.sex]}") if known.sex in sexes else "",
        say("enrol.region"): regions.get(known.region, known.region),
        say("enrol.address"): ", ".join(known.address.lines),
        say("enrol.phone"): known.phone,
        say("counter.documents"): ", ".join(f"{d.kind} {d.number}".strip() for d in known.documents),
        say("counter.lacks"): ", ".join(say(f"counter.lack_{code}") for code in known.exceptions),
    }
    return tuple((name, value) for name, value in told.items() if value)


def day(seen: Visit, at: date | datetime) -> str:
    """A date in words, in the visitor's language and the country's time."""
    return str(seen.words.day(at, zone_of(seen.stack.profile)))


def moment(seen: Visit, at: datetime) -> str:
    """The same with the time of day."""
    return str(seen.words.moment(at, zone_of(seen.stack.profile)))


def clock(minutes: int) -> str:
    """Minutes after midnight as a time of day."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
