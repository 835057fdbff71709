"""Laws 1 to 3 of the charter as properties: the clock, the turn, and the ground of a refusal."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi import countries
from msingi.countries import law as laws
from msingi.governance import rules
from msingi.governance.errors import CannotAppeal, CaseNotOpen, GroundMissing
from msingi.governance.model import Answer, Case, CaseId, CaseOrder, Kind, Outcome, Stage, State
from msingi.kernel.context import Actor
from msingi.kernel.context import Kind as Who
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ME = Actor(Who.PERSON, str(UUID(int=1)), assurance=2)
PROFILES = [countries.load(code) for code in countries.shipped()]
kinds, profiles = st.sampled_from(list(Kind)), st.sampled_from(PROFILES)
steps = st.lists(st.tuples(st.sampled_from(["wait", "answer", "refuse", "appeal", "withdraw"]), st.integers(0, 90)))


def case_of(kind: Kind, profile: countries.Profile) -> Case:
    order = CaseOrder(kind, "text", subject="name")
    return rules.opened(order, profile.law, PersonId(UUID(int=1)), CaseId(UUID(int=2)), "", "x", NOW, ME, "web")


@given(kinds, profiles)
def test_law_1_the_deadline_is_the_laws(kind, profile):
    case = case_of(kind, profile)
    assert case.due_at - case.opened_at == timedelta(days=profile.law.days(kind)) and case.institution


@given(kinds, profiles, steps)
@settings(max_examples=200)
def test_laws_2_and_3_whatever_happens_a_case_is_answered_withdrawn_or_its_delay_is_counted(kind, profile, steps):
    case, now = case_of(kind, profile), NOW
    ground = next((g.code for g in profile.law.refusals(kind.value)), "")
    for step, days in steps:
        now += timedelta(days=days)
        while (moved := rules.after_deadline(case, profile.law, now)) is not None:
            assert moved != case
            case = moved
        before = case
        try:
            if step == "answer":
                case = rules.answered(case, Answer(Outcome.GRANTED, "because it is right"), profile.law, now, "o")
            elif step == "refuse":
                case = rules.answered(case, Answer(Outcome.REFUSED, "because of this", ground), profile.law, now, "o")
            elif step == "appeal":
                case = rules.appealed(case, profile.law, now)
            elif step == "withdraw":
                case = rules.withdrawn(case, now)
        except (CaseNotOpen, CannotAppeal, GroundMissing):
            assert case is before
        # No open case is past its time at an institution, and none at the authority without being counted as late.
        if case.state is State.OPEN and case.due_at <= now:
            assert case.stage is Stage.AUTHORITY and case.late
        assert (case.state is State.CLOSED) == (case.closed_at is not None)
        assert (case.outcome is Outcome.NONE) == (case.state is State.OPEN)
        if before.state is State.CLOSED:
            assert case is before  # what is closed stays closed


@given(kinds, profiles, st.text(max_size=20))
def test_law_3_a_refusal_names_a_ground_of_its_right(kind, profile, ground):
    allowed = {g.code for g in profile.law.refusals(kind.value)}
    case = case_of(kind, profile)
    if ground not in allowed:
        with pytest.raises(GroundMissing):
            rules.answered(case, Answer(Outcome.REFUSED, "because I say so", ground), profile.law, NOW, "o")
    for code in allowed:
        said = Answer(Outcome.REFUSED, "because of this", code)
        assert rules.answered(case, said, profile.law, NOW, "o").ground == code


@given(st.binary(min_size=5, max_size=5))
def test_a_reference_survives_how_people_write_it(raw):
    written = rules.reference(raw)
    assert rules.read_reference(written) == written
    assert rules.read_reference(written.lower().replace("-", "  ").replace("1", "l").replace("0", "o")) == written


@pytest.mark.parametrize("typed", ["", "4K7Q", "4K7Q-2MZU", "4K7Q-2MZAA", "ءءءء-ءءءء", "4K7Q-2MZ'"])
def test_what_is_no_reference_is_refused(typed):
    with pytest.raises(Malformed):
        rules.read_reference(typed)


def test_the_two_countries_have_different_laws_and_the_same_code():
    one, other = (p.law for p in PROFILES)
    assert one.complaints != other.complaints
    assert {d.purpose for d in one.duties} != {d.purpose for d in other.duties}
    assert [one.days(k) for k in Kind] != [other.days(k) for k in Kind]


def test_a_law_with_mistakes_is_told_all_of_them():
    import msgspec

    law = PROFILES[0].law
    broken = msgspec.structs.replace(
        law,
        rights=[msgspec.structs.replace(law.rights[0], days=0, checked="guess"), *law.rights[2:]],
        duties=[msgspec.structs.replace(law.duties[0], purpose="fun", text={})],
    )
    found = laws.mistakes(broken, ["sw"])
    for part in ("portability", "days must lie", "checked", "fun is not a purpose", "lacks the languages sw"):
        assert any(part in each for each in found), (part, found)
