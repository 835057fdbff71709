"""A question that is asked again and again gets the same permit as `decide`, and none once the rules have changed."""

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from msingi.kernel import clock, policy
from msingi.kernel.context import BASES, PURPOSES, Actor, Context, Kind, context
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId, token, uuid_of_text

ACT = "payments.transfer"
PERSON = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
OF_PEOPLE = policy.Question(ACT, holder="person", own_account=False)
OF_OTHERS = policy.Question(ACT, holder="institution", own_account=True)


def asked(question: policy.Question, ctx: Context) -> policy.Permit:
    return question.of_own(ctx) if question is OF_PEOPLE else question.of_nobody(ctx)


def decided(question: policy.Question, ctx: Context) -> policy.Permit:
    if question is OF_PEOPLE:
        return policy.decide(ctx, ACT, PersonId(UUID(ctx.actor.id)), holder="person", own_account=False)
    return policy.decide(ctx, ACT, policy.NOBODY, holder="institution", own_account=True)


def told(how, *args):
    """A permit as what it says; None for a no."""
    try:
        permit = how(*args)
    except NotPermitted:
        return None
    return permit.act, permit.room, permit.context, permit.subjects, permit.rule


@pytest.fixture(scope="module", autouse=True)
def rules():
    before = policy._policies
    policy.load(["payments"])
    yield
    policy._policies = before


CONTEXTS = st.builds(
    lambda kind, purpose, basis, roles, assurance, institution, channel, consent: replace(
        context(Actor(kind, str(PERSON), institution, frozenset(roles), assurance), purpose, basis, channel=channel),
        consent=consent,
    ),
    st.sampled_from(Kind),
    st.sampled_from(["payment", "audit", "unheard-of", *sorted(PURPOSES)[:3]]),
    st.sampled_from(["contract", "unheard-of", *sorted(BASES)]),
    st.sets(st.sampled_from(["treasurer", "payment-clerk", "nurse"])),
    st.integers(0, 2),
    st.sampled_from(["", "benki"]),
    st.sampled_from(["web", "job", "ussd"]),
    st.sampled_from(["", "a consent"]),
)


@settings(max_examples=40, deadline=None)
@given(CONTEXTS, st.sampled_from([OF_PEOPLE, OF_OTHERS]))
def test_a_question_is_answered_as_decide_answers_it(ctx, question):
    expected = told(decided, question, ctx)
    assert told(asked, question, ctx) == expected
    assert told(asked, question, ctx) == expected  # also out of its memory


def test_a_yes_is_forgotten_with_the_rules_that_gave_it():
    mine = context(Actor(Kind.PERSON, str(PERSON), assurance=2), "payment", "contract")
    assert OF_PEOPLE.of_own(mine).subjects == (PERSON,)
    policy.load([])
    with pytest.raises(NotPermitted):
        OF_PEOPLE.of_own(mine)
    policy.load(["payments"])
    assert OF_PEOPLE.of_own(mine)


def test_the_clock_in_microseconds_is_the_clock(monkeypatch):
    now = clock.now()
    assert abs(clock.now_us() / 1e6 - now.timestamp()) < 60
    with clock.freeze(now):
        assert clock.now_us() == round(now.timestamp() * 1e6)
    monkeypatch.setattr(clock, "now", lambda: now)
    assert clock.now_us() == round(now.timestamp() * 1e6)


def test_ids_and_tokens_are_what_they_say():
    assert uuid_of_text(str(PERSON)) == PERSON and hash(uuid_of_text(str(PERSON))) == hash(PERSON)
    made = {token(9) for _ in range(500)} | {token(16) for _ in range(500)}
    assert len(made) == 1000 and {len(one) for one in made} == {12, 22}
    assert all(set(one) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") for one in made)
