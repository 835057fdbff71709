"""The laws of consent, for any agreement, any choice and any instant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.consent.people import agreement_order

from msingi.consent import rules
from msingi.consent.errors import (
    AgreementRetired,
    AgreementWrong,
    BeyondAgreement,
    ConsentEnded,
    NotByConsent,
    RequestAnswered,
)
from msingi.consent.model import Agreement, AskOrder, ConsentId, GrantOrder, RequestId, State
from msingi.kernel.ids import PersonId, uuid7

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PURPOSES = {"health-care": ["consent", "vital-interest"], "payment": ["contract"]}
FIELDS = ("person.name", "person.birth_date", "health.summary")


def offered(retired: bool = False, **changes) -> Agreement:
    return Agreement(agreement_order(**changes), 1, NOW, retired, "h", "", "k", "s")


def granted(order: GrantOrder, agreement: Agreement):
    return rules.grant(order, agreement, PersonId(uuid7()), ConsentId(uuid7()), NOW, "web", "sw")


@settings(deadline=None)
@given(st.sets(st.sampled_from(FIELDS), min_size=1), st.sets(st.sampled_from(FIELDS)), st.integers(0, 200))
def test_law_2_a_consent_never_exceeds_its_agreement(offer, chosen, days):
    agreement = offered(fields=tuple(sorted(offer)))
    try:
        made = granted(GrantOrder(agreement.order.agreement, 1, tuple(chosen), days), agreement)
    except BeyondAgreement:
        assert chosen - offer or days > agreement.order.term_days
        return
    assert set(made.fields) <= offer and (not chosen or set(made.fields) == chosen)
    assert made.expires_at - made.granted_at <= timedelta(days=agreement.order.term_days)
    assert (made.purpose, made.institution) == (agreement.order.purpose, agreement.order.institution)


@settings(deadline=None)
@given(st.integers(-10, 100), st.integers(1, 90), st.integers(0, 100))
def test_law_3_live_from_grant_to_withdrawal_or_expiry_and_never_again(at, term, withdrawn_on):
    made = granted(GrantOrder(offered().order.agreement, 1, (), term), offered())
    moment = NOW + timedelta(days=at)
    if withdrawn_on < term:
        ended = rules.end(made, State.WITHDRAWN, NOW + timedelta(days=withdrawn_on))
        assert not rules.covers(ended, made.institution, made.purpose, made.fields, moment)
        for how in (State.WITHDRAWN, State.EXPIRED):
            with pytest.raises(ConsentEnded):
                rules.end(ended, how, moment)
    else:
        with pytest.raises(ConsentEnded):
            rules.end(made, State.WITHDRAWN, NOW + timedelta(days=withdrawn_on))
        ended = rules.end(made, State.EXPIRED, NOW + timedelta(days=withdrawn_on))
        assert ended.ended_at == made.expires_at
    assert rules.covers(made, made.institution, made.purpose, made.fields, moment) == (at < term)


@settings(deadline=None)
@given(st.lists(st.sampled_from([*FIELDS, "person.name.family", "person"]), max_size=4))
def test_a_consent_covers_only_what_it_names(fields):
    made = granted(GrantOrder(offered().order.agreement, 1), offered())
    inside = {"person.name", "person.birth_date", "person.name.family"}
    covered = rules.covers(made, "hospitali", "health-care", tuple(fields), NOW)
    assert covered == (bool(fields) and set(fields) <= inside)
    assert not rules.covers(made, "benki", "health-care", tuple(fields), NOW)
    assert not rules.covers(made, "hospitali", "payment", tuple(fields), NOW)


def test_nobody_consents_to_what_is_not_offered():
    order = GrantOrder(offered().order.agreement, 1)
    with pytest.raises(AgreementRetired):
        granted(order, offered(retired=True))
    with pytest.raises(NotByConsent):
        granted(order, offered(basis="vital-interest"))


def test_a_request_is_answered_once_and_within_its_time():
    request = rules.ask(AskOrder("x", offered().order.agreement), offered(), RequestId(uuid7()), NOW)
    rules.check_open(request, NOW)
    with pytest.raises(RequestAnswered):
        rules.check_open(request, NOW + timedelta(days=rules.REQUEST_DAYS))
    with pytest.raises(BeyondAgreement):
        rules.ask(
            AskOrder("x", offered().order.agreement, fields=("person.photo",)), offered(), RequestId(uuid7()), NOW
        )


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"purpose": "curiosity"}, "purpose"),
        ({"basis": "contract"}, "basis"),
        ({"fields": ()}, "fields"),
        ({"fields": ("name",)}, "fields"),
        ({"fields": ("person.name", "person.name")}, "fields"),
        ({"term_days": 0}, "term_days"),
        ({"law": " "}, "law"),
        ({"texts": {}}, "texts.sw"),
        ({"keep_days": -1}, "keep_days"),
        ({"name": "A"}, "agreement"),
    ],
)
def test_a_wrong_agreement_is_told_what_is_wrong(changes, field):
    with pytest.raises(AgreementWrong) as told:
        rules.check_agreement(agreement_order(**changes), PURPOSES, ["sw", "en"])
    assert told.value.facts["field"] == field
