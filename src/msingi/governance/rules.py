"""The laws of cases as pure functions: who answers until when, and what may follow what (laws 1 to 4)."""

import re
from collections.abc import Container
from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from msingi.countries.law import ProtectionLaw
from msingi.governance.errors import (
    CannotAppeal,
    CaseMalformed,
    CaseNotOpen,
    CaseUnknown,
    ExhibitRefused,
    GroundMissing,
    TooManyCases,
)
from msingi.governance.model import Answer, Case, CaseId, CaseOrder, Kind, NewExhibit, Outcome, Stage, State
from msingi.kernel.context import PURPOSES, Actor
from msingi.kernel.context import Kind as Who
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId

LONGEST = 4000  # characters of a message
SHORTEST_ANSWER = 10
MOST_OPEN = 20
MOST = 100  # items on a page
EXHIBIT_BYTES = 1_000_000
EXHIBIT_TYPES = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n",
    "text/plain": b"",
}
PARTS = ("name", "birth_date", "sex", "address", "region", "phone", "photo", "other")  # of a record, to be corrected
OFFICER, AUTHORITY = "data-protection-officer", "data-protection-authority"
AT_ONCE = frozenset({Kind.ACCESS, Kind.PORTABILITY, Kind.EXPLANATION})  # the stack itself answers these
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def page_size(limit: int) -> int:
    """`limit`, between 1 and MOST. Raises Malformed."""
    if not 1 <= limit <= MOST:
        raise Malformed(f"limit lies between 1 and {MOST}", field="limit", rule="range")
    return limit


def cursor(after: str) -> UUID | None:
    """Where the page before ended; None to begin. Raises Malformed."""
    try:
        return UUID(after) if after else None
    except ValueError:
        raise Malformed("after is what the page before gave", field="after", rule="uuid") from None


def reference(raw: bytes) -> str:
    """What a person writes down: eight characters without I, L, O and U, from five random bytes, as XXXX-XXXX."""
    number = int.from_bytes(raw[:5])
    text = "".join(_CROCKFORD[number >> 5 * place & 31] for place in range(7, -1, -1))
    return f"{text[:4]}-{text[4:]}"


def read_reference(typed: str) -> str:
    """The reference that was meant: any case, with or without the hyphen, O for 0, I and L for 1. Raises Malformed."""
    plain = re.sub(r"[\s-]", "", typed.upper()).translate(str.maketrans("OIL", "011"))
    if not re.fullmatch(f"[{_CROCKFORD}]{{8}}", plain):
        raise Malformed("A reference has eight characters, such as 4K7Q-2MZA.", field="reference", rule="reference")
    return f"{plain[:4]}-{plain[4:]}"


def _must(holds: bool, field: str, rule: str) -> None:
    if not holds:
        raise CaseMalformed(f"{field}: {rule}", field=field, rule=rule)


def check_order(order: CaseOrder, institutions: Container[str], algorithms: frozenset[str]) -> None:
    """An order says what its kind needs. Raises CaseMalformed naming the field."""
    _must(len(order.text) <= LONGEST, "text", f"has at most {LONGEST} characters")
    _must(len(order.wanted) <= 500, "wanted", "has at most 500 characters")
    if order.kind is Kind.COMPLAINT:
        _must(bool(order.text.strip()) or order.about is not None, "text", "says what happened, or names a line")
    elif order.kind is Kind.RECTIFICATION:
        _must(order.subject in PARTS, "subject", f"is one of {', '.join(PARTS)}")
        _must(bool(order.wanted.strip()), "wanted", "says what would be right")
    elif order.kind is Kind.OBJECTION:
        _must(order.subject in PURPOSES, "subject", "is a purpose")
        _must(bool(order.text.strip()), "text", "says why")
    elif order.kind is Kind.EXPLANATION:
        _must(order.subject in algorithms, "subject", "is a decision of the public register of algorithms")
    known = not order.institution or order.institution in institutions
    _must(known, "institution", "is one of the country's institutions, or a member of its exchange")


def check_open_cases(count: int) -> None:
    """So many cases of one person can be open at once. Raises TooManyCases."""
    if count >= MOST_OPEN:
        raise TooManyCases(most=MOST_OPEN)


def opened(
    order: CaseOrder, law: ProtectionLaw, person_id: PersonId, case_id: CaseId, written: str, institution: str,
    now: datetime, actor: Actor, channel: str,
) -> Case:  # fmt: skip
    """A new case, with the law's own deadline from its first moment (law 1)."""
    return Case(
        case_id=case_id,
        person_id=person_id,
        reference=written,
        kind=order.kind,
        institution=institution,
        stage=Stage.INSTITUTION,
        state=State.OPEN,
        opened_at=now,
        due_at=now + timedelta(days=law.days(order.kind)),
        subject=order.subject,
        about=order.about,
        language=order.language,
        channel="desk" if actor.kind is Who.STAFF else channel,
        assisted_by=(actor.name or actor.id) if actor.kind is Who.STAFF else "",
    )


def check_turn(case: Case, actor: Actor) -> None:
    """It is this member of staff's turn: their institution's, or the authority's (law 4). Raises CaseUnknown."""
    if case.stage is Stage.AUTHORITY:
        allowed = AUTHORITY in actor.roles
    else:
        allowed = OFFICER in actor.roles and actor.institution == case.institution
    if not allowed:
        raise CaseUnknown()


def check_text(text: str) -> None:
    """A message says something, and not too much. Raises CaseMalformed."""
    _must(0 < len(text.strip()) <= LONGEST, "text", f"has 1 to {LONGEST} characters")


def check_not_closed(case: Case) -> None:
    """Something can still be added to the case. Raises CaseNotOpen."""
    if case.state is State.CLOSED:
        raise CaseNotOpen()


def check_waits(case: Case) -> None:
    """The case waits for an answer. Raises CaseNotOpen."""
    if case.state is not State.OPEN:
        raise CaseNotOpen()


def answered(case: Case, answer: Answer, law: ProtectionLaw, now: datetime, officer: str) -> Case:
    """The case with its answer; the authority's answer closes it (law 3).

    Raises CaseNotOpen, GroundMissing for a refusal without a ground of this right, CaseMalformed.
    """
    check_waits(case)
    allowed = (Outcome.GRANTED, Outcome.PARTLY, Outcome.REFUSED)
    _must(answer.outcome in allowed, "outcome", "is granted, partly or refused")
    _must(SHORTEST_ANSWER <= len(answer.text.strip()) <= LONGEST, "text", "tells the person why, in words")
    grounds = {g.code for g in law.refusals(case.kind)}
    if answer.outcome is Outcome.REFUSED and answer.ground not in grounds:
        raise GroundMissing(grounds=", ".join(sorted(grounds)))
    if answer.outcome is not Outcome.REFUSED and answer.ground and answer.ground not in grounds:
        raise GroundMissing(grounds=", ".join(sorted(grounds)))
    final = case.stage is Stage.AUTHORITY
    return replace(
        case,
        state=State.CLOSED if final else State.ANSWERED,
        outcome=answer.outcome,
        ground=answer.ground,
        officer=officer,
        answered_at=now,
        closed_at=now if final else None,
    )


def appeal_until(case: Case, law: ProtectionLaw) -> datetime | None:
    """Until when the person can appeal; None when they cannot."""
    if case.state is not State.ANSWERED or case.answered_at is None or case.appealed:
        return None
    return case.answered_at + timedelta(days=law.complaints.appeal_days)


def appealed(case: Case, law: ProtectionLaw, now: datetime) -> Case:
    """The case before the authority, with the authority's deadline (law 3). Raises CannotAppeal."""
    until = appeal_until(case, law)
    if until is None or until <= now:
        raise CannotAppeal()
    return replace(_before_authority(case, law, now), appealed=True)


def _before_authority(case: Case, law: ProtectionLaw, now: datetime) -> Case:
    return replace(
        case,
        stage=Stage.AUTHORITY,
        state=State.OPEN,
        due_at=now + timedelta(days=law.complaints.authority_days),
        escalated_at=now,
        officer="",
        outcome=Outcome.NONE,
        ground="",
        answered_at=None,
    )


def after_deadline(case: Case, law: ProtectionLaw, now: datetime) -> Case | None:
    """What becomes of a case by time alone (law 2); None if nothing does.

    An institution's missed deadline moves the case to the authority; the authority's own is marked as late; an
    answer that nobody appealed in time closes.
    """
    if case.state is State.OPEN and case.due_at <= now:
        if case.stage is Stage.INSTITUTION:
            return _before_authority(case, law, now)
        return None if case.late else replace(case, late=True)
    until = appeal_until(case, law)
    if until is not None and until <= now:
        return replace(case, state=State.CLOSED, closed_at=now)
    return None


def withdrawn(case: Case, now: datetime) -> Case:
    """The person needs no answer any more. Raises CaseNotOpen."""
    check_waits(case)
    return replace(case, state=State.CLOSED, outcome=Outcome.WITHDRAWN, closed_at=now)


def check_exhibit(exhibit: NewExhibit) -> None:
    """A file is small, and is what it says it is. Raises ExhibitRefused."""
    begins = EXHIBIT_TYPES.get(exhibit.media_type)
    if begins is None or not exhibit.body.startswith(begins):
        raise ExhibitRefused(rule="kind")
    if not 0 < len(exhibit.body) <= EXHIBIT_BYTES:
        raise ExhibitRefused(rule=f"bytes<={EXHIBIT_BYTES}")


def media_type_of(body: bytes) -> str:
    """What a file is, by how it begins; empty if it is nothing that is taken as evidence."""
    for media_type, begins in EXHIBIT_TYPES.items():
        if begins and body.startswith(begins):
            return media_type
    try:
        body.decode()
    except UnicodeDecodeError:
        return ""
    return "text/plain"
