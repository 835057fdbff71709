"""The laws of the life cycle as pure functions: a proposal and what is known -> what becomes of it, or a refusal."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import msgspec

from msingi.countries import Profile
from msingi.identity import rules as identity_rules
from msingi.identity.errors import EvidenceMissing, NotInThisState, SameHands
from msingi.identity.lifecycle.model import Amendment, GuardianKind, NamePeriod
from msingi.identity.model import Demographics, Document, EnrolmentOrder, Status, StatusPeriod, Version
from msingi.kernel.errors import Malformed

LEGAL: Final = ("name", "birth", "sex")
CONTACT: Final = ("region", "address", "language", "second_name", "second_language")
STANDS: Final = frozenset({Status.ACTIVE, Status.SUSPENDED})
DOCUMENTS: Final = 10


def amended(
    before: Demographics, change: Amendment, evidence: Sequence[Document], profile: Profile, today: date
) -> Demographics:
    """The record with the change in it, by the same rules as at enrolment; the evidence joins its documents.

    Raises Malformed, naming field and rule, also if nothing would change.
    """
    wanted = {field: value for field in Amendment.__struct_fields__ if (value := getattr(change, field)) is not None}
    order = msgspec.convert(
        msgspec.to_builtins(msgspec.structs.replace(before, **wanted, documents=tuple(evidence))), EnrolmentOrder
    )
    after = identity_rules.demographics(order, profile, today)
    if not changed_fields(before, after):
        raise Malformed("Nothing would change.", field="change", rule="a-change")
    return msgspec.structs.replace(after, documents=(*before.documents, *after.documents)[-DOCUMENTS:])


def changed_fields(before: Demographics, after: Demographics) -> tuple[str, ...]:
    """Which fields differ, those that say who somebody is first."""
    return tuple(field for field in (*LEGAL, *CONTACT) if getattr(before, field) != getattr(after, field))


def check_evidence(fields: Sequence[str], evidence: Sequence[Document]) -> None:
    """Raises EvidenceMissing for a change of who somebody is without any evidence."""
    if set(fields) & set(LEGAL) and not evidence:
        raise EvidenceMissing(field="evidence", rule="at-least-one")


def check_contact(fields: Sequence[str]) -> None:
    """Raises Malformed if a change by one person alone touches who somebody is (law 1)."""
    for field in fields:
        if field in LEGAL:
            raise Malformed("This needs evidence and a second person: propose it.", field=field, rule="proposal")


def check_hands(proposed_by: str, decided_by: str, *, approve: bool) -> None:
    """Raises SameHands if somebody would approve what they proposed (law 1); taking it back is allowed."""
    if approve and proposed_by == decided_by:
        raise SameHands()


def check_merge(merged: Status, kept: Status, *, same: bool) -> None:
    """Raises NotInThisState unless both records stand for themselves (law 2); Malformed for one and the same."""
    if same:
        raise Malformed("A record cannot be merged into itself.", field="kept", rule="another-person")
    for present in (merged, kept):
        if present not in STANDS:
            raise NotInThisState(status=present, wanted=Status.MERGED)


def check_joinable(merged: Status, kept: Status, *, same: bool) -> None:
    """As `check_merge`, for a record that may still be held as well."""
    check_merge(Status.ACTIVE if merged is Status.HELD else merged, kept, same=same)


def before_the(end: Status, history: Sequence[StatusPeriod]) -> Status:
    """The status that a record had before its newest `end`. Raises NotInThisState unless it stands there now."""
    if not history or history[-1].status is not end:
        raise NotInThisState(status=history[-1].status if history else "unknown", wanted="restored")
    earlier = [period.status for period in history if period.status is not end]
    return earlier[-1] if earlier else Status.HELD


def guardian_until(
    majority: date | None, kind: GuardianKind, until: date | None, today: date, *, same: bool
) -> date | None:
    """The day on which a guardian's right ends (law 4); None where no birth year is known and none is named.

    Raises Malformed for oneself, a day that is past, a child's guardian beyond majority, and an adult's guardian
    without a court or without an end.
    """
    if same:
        raise Malformed("Nobody is their own guardian.", field="guardian", rule="another-person")
    if until is not None and until <= today:
        raise Malformed("The last day is past.", field="until", rule="ahead")
    if majority is None or majority > today:
        if kind is GuardianKind.COURT and until is not None:
            return until  # a court may decide beyond majority
        return min((day for day in (majority, until) if day is not None), default=None)
    if kind is not GuardianKind.COURT:
        raise Malformed("Only a court gives an adult a guardian.", field="kind", rule="court-for-adults")
    if until is None:
        raise Malformed("Name the day until which the court decided.", field="until", rule="known-end")
    return until


def names(versions: Sequence[Version]) -> tuple[NamePeriod, ...]:
    """The names that a person bore, oldest first; versions that changed something else are passed over."""
    found: list[NamePeriod] = []
    for version in versions:
        name = version.demographics.name
        if found and found[-1].name == name:
            found[-1] = msgspec.structs.replace(found[-1], valid_to=version.valid_to)
        else:
            found.append(NamePeriod(name, version.valid_from, version.valid_to, version.reason))
    return tuple(found)
