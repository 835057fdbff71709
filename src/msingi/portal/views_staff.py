"""From what the acts answer to what the pages of staff show: pure, one function per page."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msingi.countries import Profile
from msingi.identity.model import CaseKind, CaseView, Demographics, DuplicatePage, Person
from msingi.identity.model import Reason as Likeness
from msingi.kernel.log.overview import ActCount
from msingi.kernel.money import Money
from msingi.payments.model import FileLine as PaidLine
from msingi.payments.model import PaymentFile
from msingi.portal import model as m
from msingi.portal import model_staff as d
from msingi.portal import words
from msingi.portal.views import Speaker

Say = Callable[..., str]
VERDICTS = {"same": "same", "close": "similar", "alike": "similar", "different": "differs"}
# Which reasons of the score speak of which row: the row shows the strongest of them.
REASONS = {
    "given_name": ("given",),
    "family_name": ("family",),
    "born": ("birth", "birth-year"),
    "sex": ("sex",),
    "phone": ("phone",),
    "address": ("line-1", "line-2", "house"),
    "postcode": ("area",),
    "finger": ("finger",),
    "iris": ("iris",),
    "face": ("face",),
    "biometrics": ("biometrics",),
}
MATCHER = frozenset(("finger", "iris", "face", "biometrics"))
STRONG_BITS, SLIGHT_BITS = 6.0, 1.0
SEXES = {"female": "f", "male": "m", "other": "x"}


def facts(profile: Profile, lang: str, say: Say, known: Demographics) -> dict[str, str]:
    """What is compared of a person, as text, by the name of the row."""
    regions = {r.code: profile.say(r.name, lang) for r in profile.regions}
    sex = SEXES.get(known.sex.value, "")
    return {
        "given_name": known.name.given,
        "family_name": known.name.family,
        "born": words.known_day(lang, known.birth.date or known.birth.reported),
        "sex": say(f"enrol.sex_{sex}") if sex else "",
        "region": regions.get(known.region, known.region),
        "address": ", ".join(known.address.lines),
        "postcode": " ".join(p for p in (known.address.locality, known.address.postal_code) if p),
        "phone": known.phone,
        "documents": ", ".join(d.number or d.kind for d in known.documents),
    }


def rows(
    say: Say, new: Mapping[str, str], old: Mapping[str, str], likeness: Iterable[Likeness]
) -> tuple[d.CompareRow, ...]:
    """The fields of two people side by side, with what the score made of each; empty ones on both sides left out."""
    by_field = {r.field: r for r in likeness}
    made = []
    for name, mine in new.items():
        theirs = old.get(name, "")
        if not mine and not theirs:
            continue
        told = [by_field[f] for f in REASONS.get(name, ()) if f in by_field]
        strongest = max(told, key=lambda r: abs(r.bits), default=None)
        verdict = _verdict(mine, theirs, strongest)
        weight = f"{strongest.bits:+.1f}".replace("-", "\u2212") if strongest else ""
        made.append(d.CompareRow(say(f"duplicate.field_{name}"), mine, theirs, verdict, weight))
    return tuple(made)


def _verdict(mine: str, theirs: str, strongest: Likeness | None) -> str:
    if not mine or not theirs:
        return "missing"
    if strongest is not None:
        return VERDICTS.get(strongest.level, "differs")
    return "same" if mine == theirs else "differs"


def in_words(say: Say, likeness: Iterable[Likeness]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What speaks for one person and what against, each reason a sentence, the strongest first."""
    row_of = {field: row for row, fields in REASONS.items() for field in fields}
    speaks_for, against = [], []
    heard: set[tuple[str, str]] = set()  # street and house number are one row: the stronger of them speaks
    for r in sorted(likeness, key=lambda r: -abs(r.bits)):
        if r.field in MATCHER:
            speaks_for.append(say("duplicate.why_matcher", what=say(f"duplicate.field_{r.field}")))
        elif r.field == "order":
            if r.level == "different":
                against.append(say("duplicate.why_order"))
        elif r.field in row_of and abs(r.bits) >= SLIGHT_BITS and (row_of[r.field], r.level) not in heard:
            heard.add((row_of[r.field], r.level))
            strength = "strong" if abs(r.bits) >= STRONG_BITS else "some"
            what = say(f"duplicate.field_{row_of[r.field]}")
            how = say(f"duplicate.level_{r.level}")
            told = say(f"duplicate.why_{strength}", what=what, how=how)
            (speaks_for if r.bits > 0 else against).append(told)
    return tuple(dict.fromkeys(speaks_for)), tuple(dict.fromkeys(against))


def case(profile: Profile, lang: str, say: Say, seen: CaseView) -> d.CasePage:
    """A held registration beside each candidate."""
    new = facts(profile, lang, say, seen.held.demographics)
    pairs: Iterable[tuple[int, Person]] = enumerate(seen.candidates)
    made = []
    for place, person in pairs:
        candidate = seen.case.candidates[place]
        old = facts(profile, lang, say, person.demographics)
        number = profile.number_text(person.number)
        told = in_words(say, candidate.reasons)
        made.append(d.Comparison(place, round(candidate.bits), number, rows(say, new, old, candidate.reasons), *told))
    return d.CasePage(str(seen.case.case_id), tuple(made), seen.case.kind is CaseKind.FOUND)


def queue(page: DuplicatePage, after: str) -> d.Cases:
    """A page of the queue; it names nobody."""
    lines = tuple(
        d.CaseLine(
            str(c.case_id), len(c.candidates), round(max((x.bits for x in c.candidates), default=0)), c.opened_at
        )
        for c in page.cases
    )
    older = f"/staff/duplicates?after={page.next_after}" if page.next_after else ""
    return d.Cases(lines, page.waiting, "/staff/duplicates" if after else "", older)


def enrol_form(profile: Profile, lang: str, say: Say, languages: tuple[m.Tongue, ...]) -> m.Form:
    """The questions of an enrolment: only a name is needed."""
    example = profile.phone_prefix + "712345678"[: profile.phone_digits]
    regions = tuple(sorted(((r.code, profile.say(r.name, lang)) for r in profile.regions), key=lambda r: r[1]))

    def ask(name: str, group: str, kind: str = "text", **more: Any) -> m.Field:
        return m.Field(
            name=name, label=say(f"enrol.{name}"), kind=kind, group=group, optional=True, autocomplete="off", **more
        )

    return m.Form(
        (
            ask("given_name", "name", longest=100),
            ask("family_name", "name", longest=100),
            ask("born", "birth", "date", hint=say("enrol.born_hint")),
            ask("sex", "birth", "choice", options=tuple((v, say(f"enrol.sex_{k}")) for v, k in SEXES.items())),
            ask("region", "home", "select", options=regions),
            ask("address", "home", longest=120),
            ask("phone", "home", "phone", hint=say("enrol.phone_hint", example=example)),
            ask("language", "home", "select", options=tuple((t.code, t.name) for t in languages)),
        )
    )


def audit(speaker: Speaker, counts: Iterable[ActCount], size: int) -> d.Audit:
    """Access figures: acts by their name in words, or by their code where only machines do them."""
    rows = tuple(d.CountRow(speaker.word("act", c.act), c.count, c.last_day) for c in counts)
    return d.Audit(size, sum(r.today for r in rows), rows)


STATES = {
    "preparing": "preparing",
    "waiting": "waiting",
    "approved": "running",
    "running": "running",
    "finished": "done",
}


def by_whom(told: str) -> str:
    """The id in `kind:id`."""
    return told.partition(":")[2] or told


def files(found: Iterable[PaymentFile], may_upload: bool) -> d.Files:
    """The payment files of an institution."""
    return d.Files(
        tuple(
            d.FileLine(
                f.file_id, f.message_id, STATES[f.state], f.lines, Money(f.total_minor, f.currency), f.uploaded_at
            )
            for f in found
        ),
        may_upload,
    )


def file(found: PaymentFile, faults: Iterable[PaidLine], payer: str, may_approve: bool, mine: bool) -> d.FilePage:
    """One payment file and how far it is."""
    return d.FilePage(
        id=found.file_id,
        name=found.message_id,
        state=STATES[found.state],
        payer=payer,
        lines=found.lines,
        done=found.paid + found.rejected,
        paid=found.paid,
        failed=found.rejected,
        total=Money(found.total_minor, found.currency),
        uploaded_by=by_whom(found.uploaded_by),
        at=found.uploaded_at,
        approved_by=by_whom(found.approved_by or ""),
        approved_at=found.approved_at,
        may_approve=may_approve,
        mine=mine,
        faults=tuple(
            d.FaultLine(
                x.end_to_end_id or str(x.line), Money(x.amount_minor, found.currency), f"{x.reason} {x.why}".strip()
            )
            for x in faults
        ),
    )
