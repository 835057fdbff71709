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
from msingi.governance.figures import acts as figures
from msingi.governance.keeping import rules as keeping
from msingi.governance.keeping.model import How, Rule
from msingi.governance.model import Answer, Case, CaseId, CaseOrder, Kind, Outcome, Stage, State
from msingi.kernel.context import PURPOSES, Actor
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


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40_000), st.sampled_from(sorted(PURPOSES)), st.booleans(), st.sampled_from(How), st.booleans())
def test_law_2_of_keeping_no_longer_than_the_room_needs_or_a_duty_asks(days, purpose, duty, how, personal):
    """And law 1: nothing goes before its time, and an erasure touches only what no law keeps and no life needs."""
    for profile in PROFILES:
        said = {p.purpose: p.keep_days for p in profile.purposes}[purpose]
        known = keeping.kept(Rule("a.b", purpose, days, how, personal, "at", sealed=True, duty=duty), profile)
        law = profile.law.duty(purpose) if duty else None
        assert known.days == (said if law else min(said, days)) and known.law == (law.law if law else "")
        now = datetime(2026, 1, 1, tzinfo=UTC)
        until = keeping.before(known, now)
        assert until == (now - timedelta(days=known.days) if how is How.DELETE else None)
        assert keeping.erasable(known) == (personal and not law and how in (How.DELETE, How.ROOM))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5), st.randoms())
def test_law_3_of_keeping_the_digest_names_the_rows_whatever_their_order(rows, chance):
    mixed = list(rows)
    chance.shuffle(mixed)
    assert keeping.digest(mixed) == keeping.digest(rows) and bool(rows) == bool(keeping.digest(rows))
    assert keeping.digest([*rows, b"x" * 32]) != keeping.digest(rows)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text(max_size=3), st.integers(-50, 500)))
def test_law_3_of_figures_no_count_under_the_threshold_is_a_number(counts):
    shown = figures._shown(counts)
    assert set(shown) == set(counts)
    assert all(n is None or n >= figures.THRESHOLD for n in shown.values())
    assert all(shown[name] == n for name, n in counts.items() if n >= figures.THRESHOLD)
