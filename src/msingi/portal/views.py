"""From what the acts answer to what a person's pages show: pure, one function per page."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any
from uuid import UUID

from msingi.consent.model import Access as LogLine
from msingi.consent.model import Agreement, Consent, Request, State
from msingi.countries import Profile
from msingi.kernel.money import Money
from msingi.payments.model import Account, Statement
from msingi.payments.model import Receipt as Paid
from msingi.portal import model as m
from msingi.portal.words import Words
from msingi.signin.model import Session as SignedIn

KINDS = {"P2P": "transfer", "G2P": "bulk", "BULK": "bulk", "SALA": "bulk", "FEE": "fee", "ISSU": "opening"}
OWN_LOOK_PURPOSES = frozenset({"subject-access", "consent-management"})
SECTIONS = {
    "48765-2": "allergies",
    "10160-0": "medications",
    "11450-4": "problems",
    "11369-6": "immunizations",
    "30954-2": "results",
    "47519-4": "procedures",
    "8716-3": "vital-signs",
}  # LOINC codes of the IPS sections, in the order in which they are shown
SHOWN_LINES = 60


class Speaker:
    """Words of one language and names of one country: what a log line or a code means to its reader."""

    def __init__(self, profile: Profile, words: Words) -> None:
        self.profile = profile
        self.words = words
        self._institutions = {i.code: i.name for i in profile.institutions}
        self._rules = {r.purpose: r for r in profile.purposes}

    def institution(self, code: str) -> str:
        """An institution's name; its code where the country does not list it."""
        name = self._institutions.get(code)
        return self.profile.say(name, self.words.language) if name else code

    def word(self, section: str, name: str) -> str:
        """A text named by a code; the code itself where there is none."""
        key = f"{section}.{name}"
        return self.words.plain(key) if self.words.has(key) else name

    def law(self, purpose: str, basis: str) -> str:
        """What the legal basis means, and the country's law for this purpose."""
        rule = self._rules.get(purpose)
        text = self.word("basis_text", basis)
        return f"{text} ({rule.law})" if rule and rule.law and basis != "consent" else text

    def who(self, line: LogLine, own: bool) -> str:
        """Who acted: the person, a named member of staff, an institution's software, or the system."""
        if own:
            return self.words.plain("words.yourself")
        if line.actor_kind == "job":
            return self.words.plain("words.system")
        if line.actor_kind == "client" or not line.actor:
            return self.institution(line.institution) or self.words.plain("words.unknown_person")
        return line.actor


def is_own(line: LogLine) -> bool:
    """Whether the person acted themselves."""
    return line.actor_kind == "person" and bool(line.actor)


def is_own_look(line: LogLine) -> bool:
    """Whether the person only looked at their own data, which is not worth a line each."""
    looks = (
        "read",
        "list",
        "summary",
        "accesses",
        "access_proof",
        "consents_of",
        "requests_of",
        "receipt",
        "authorize",
    )
    return is_own(line) and line.act.partition(".")[2].partition("-")[0] in looks


def access(speaker: Speaker, line: LogLine, settled_before: datetime) -> m.Access:
    """One line of the log in words. Lines younger than `settled_before` may not be in the tree yet."""
    at, own = datetime.fromisoformat(line.at), is_own(line)
    facts = [
        (speaker.word("fact", name), _fact(speaker, name, value))
        for name, value in line.detail.items()
        if speaker.words.has(f"fact.{name}")
    ]
    return m.Access(
        id=str(line.record_id),
        at=at,
        who=speaker.who(line, own),
        institution=speaker.institution(line.institution) if line.institution else "",
        what=speaker.word("act", line.act),
        purpose=speaker.word("purpose", line.purpose),
        basis=speaker.word("basis", line.basis),
        basis_text=speaker.law(line.purpose, line.basis),
        facts=tuple(facts),
        provable=at <= settled_before,
        file=f"access-{str(line.record_id)[:13]}.tlog-proof",
    )


def _fact(speaker: Speaker, name: str, value: Any) -> str:
    if name in ("to", "institution"):
        return speaker.institution(str(value))
    if name == "for":
        return speaker.word("purpose", str(value))
    return str(value)


def accesses(
    speaker: Speaker, lines: list[LogLine], zone: tzinfo, settled_before: datetime, newer: str, older: str
) -> m.Accesses:
    """A page of lines by day. What the person only looked at themselves becomes one line a day with a count."""
    days: list[tuple[date, tuple[m.Access, ...]]] = []
    shown = [(datetime.fromisoformat(x.at).astimezone(zone).date(), x) for x in lines]
    for day, group in groupby(shown, key=lambda pair: pair[0]):
        of_day = [x for _, x in group]
        looks = [x for x in of_day if is_own_look(x)]
        made = [access(speaker, x, settled_before) for x in of_day if not is_own_look(x)]
        if looks:
            first = access(speaker, looks[0], settled_before)
            what = speaker.words.plain("accesses.own_looks", n=len(looks))
            made.append(m.Access(**{f: getattr(first, f) for f in first.__struct_fields__} | {"what": what}))
        days.append((day, tuple(made)))
    return m.Accesses(tuple(days), newer, older)


def others(speaker: Speaker, lines: Iterable[LogLine], settled_before: datetime, most: int) -> tuple[m.Access, ...]:
    """The newest lines that are more than the person's own looks."""
    kept = [x for x in lines if not is_own_look(x)]
    return tuple(access(speaker, x, settled_before) for x in kept[:most])


def default_account(accounts: list[Account], currency: str) -> Account | None:
    """The account that phone number and identity number lead to, else the first in the country's currency."""
    own = [a for a in accounts if a.currency == currency]
    return next((a for a in own if a.is_default), own[0] if own else None)


def money(account: Account | None, statement: Statement | None, newer: str) -> m.MoneyPage:
    """An account and a page of its movements."""
    if account is None or statement is None:
        return m.MoneyPage("", None)
    entries = tuple(
        m.Entry(e.at, Money(e.amount_minor, statement.currency), e.other, KINDS.get(e.code, "other"), e.reference)
        for e in statement.entries
    )
    older = f"/me/money?after={statement.next_after}" if statement.next_after is not None else ""
    return m.MoneyPage(account.number, Money(account.balance_minor, account.currency), entries, newer, older)


def receipt(paid: Paid, phone: str = "") -> m.Receipt:
    """What was paid; people's transfers are free."""
    amount, nothing = Money(paid.amount_minor, paid.currency), Money(0, paid.currency)
    return m.Receipt(
        paid.transfer_id, paid.at, amount, nothing, paid.to, phone, Money(paid.balance_minor, paid.currency)
    )


def consent_request(speaker: Speaker, asked: Request, agreement: Agreement, now: datetime) -> m.ConsentLine:
    """A request with what it means, from the text of its agreement."""
    text = _agreement_text(speaker, agreement)
    return m.ConsentLine(
        id=str(asked.request_id),
        who=speaker.institution(asked.institution),
        what=text.title,
        purpose=text.purpose or speaker.word("purpose", asked.purpose),
        state="waiting",
        until=(now + timedelta(days=agreement.order.term_days)).date(),
        asked=asked.asked_at.date(),
        items=tuple(text.fields.get(f, f) for f in asked.fields or agreement.order.fields),
        reason=asked.reason,
    )


def consent(speaker: Speaker, given: Consent, agreement: Agreement) -> m.ConsentLine:
    """A consent with what it means."""
    text = _agreement_text(speaker, agreement)
    state = {State.GRANTED: "live", State.WITHDRAWN: "withdrawn", State.EXPIRED: "expired"}[given.state]
    ended = given.ended_at or (given.expires_at if state == "expired" else None)
    return m.ConsentLine(
        id=str(given.consent_id),
        who=speaker.institution(given.institution),
        what=text.title,
        purpose=text.purpose or speaker.word("purpose", given.purpose),
        state=state,
        until=given.expires_at.date(),
        ended=ended.date() if ended else None,
        items=tuple(text.fields.get(f, f) for f in given.fields),
    )


def _agreement_text(speaker: Speaker, agreement: Agreement) -> Any:
    texts = agreement.order.texts
    for lang in (speaker.words.language, speaker.profile.language, "en"):
        if lang in texts:
            return texts[lang]
    return next(iter(texts.values()))


def health(document: Mapping[str, Any]) -> m.HealthPage:
    """The sections of an International Patient Summary in words: what each entry is, and when."""
    resources = {e.get("fullUrl", ""): e["resource"] for e in document.get("entry", ()) if "resource" in e}
    by_name = {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources.values()}
    composition = next((r for r in resources.values() if r.get("resourceType") == "Composition"), {})
    found: dict[str, list[m.HealthLine]] = {}
    for section in composition.get("section", ()):
        codes = [c.get("code", "") for c in section.get("code", {}).get("coding", ())]
        name = next((SECTIONS[c] for c in codes if c in SECTIONS), "other")
        for entry in section.get("entry", ()):
            reference = entry.get("reference", "")
            resource = resources.get(reference) or by_name.get(reference)
            if resource:
                line = _health_line(resource, by_name, resources)
                if line.text:
                    found.setdefault(name, []).append(line)
        found.setdefault(name, [])
    order = [*SECTIONS.values(), "other"]
    return m.HealthPage(
        tuple(m.HealthSection(name, tuple(found[name][:SHOWN_LINES])) for name in order if found.get(name) is not None)
    )


def _health_line(resource: Mapping[str, Any], by_name: Mapping[str, Any], by_url: Mapping[str, Any]) -> m.HealthLine:
    concept = next(
        (
            resource[k]
            for k in ("code", "vaccineCode", "medicationCodeableConcept", "type")
            if isinstance(resource.get(k), dict)
        ),
        {},
    )
    reference = resource.get("medicationReference", {}).get("reference", "")
    if reference:
        concept = (by_url.get(reference) or by_name.get(reference) or {}).get("code", concept)
    when = next(
        (resource[k] for k in ("occurrenceDateTime", "onsetDateTime", "effectiveDateTime", "performedDateTime",
                               "recordedDate", "authoredOn", "date") if isinstance(resource.get(k), str)),
        resource.get("performedPeriod", {}).get("start", ""),
    )  # fmt: skip
    return m.HealthLine(_concept(concept), _quantity(resource), _day(when))


def _concept(concept: Mapping[str, Any]) -> str:
    coding = next(iter(concept.get("coding", ())), {})
    return str(concept.get("text") or coding.get("display") or coding.get("code") or "")


def _quantity(resource: Mapping[str, Any]) -> str:
    value = resource.get("valueQuantity", {})
    if "value" in value:
        number = value["value"]
        shown = f"{float(number):.4g}" if not isinstance(number, int) else str(number)
        return f"{shown} {value.get('unit', '')}".strip()
    if "valueCodeableConcept" in resource:
        return _concept(resource["valueCodeableConcept"])
    dose = next(iter(resource.get("protocolApplied", ())), {}).get("doseNumberPositiveInt", "")
    return str(dose)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def sessions(found: Iterable[SignedIn], proved_at: int) -> m.Sessions:
    """Where somebody is signed in; this visit's is the one that was proved at the same second."""
    return m.Sessions(
        tuple(
            m.SessionLine(str(s.session_id), s.agent, s.seen_at, s.factors, int(s.proved_at.timestamp()) == proved_at)
            for s in found
        )
    )


def uuid_of(text: str) -> UUID | None:
    """The UUID in an address, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


Translate = Callable[..., str]
