"""The room on a real database: acts, access, status lists, and cards that follow the identity."""

import asyncio
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from msingi.credentials import acts, cose, publish, rules, statuslist, store
from msingi.credentials.errors import (
    CardEnded,
    CardSuspended,
    HolderHasCard,
    HolderIncomplete,
    HolderNotActive,
    NoSuchCard,
    NoSuchStatusList,
    TooManyCards,
)
from msingi.credentials.model import Card, CardState, CredentialId, Form, Place, Reason
from msingi.credentials.picture import read_qr
from msingi.credentials.verify import State, verify_card
from msingi.identity import acts as identity
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import DifferentContent, NotPermitted
from msingi.kernel.ids import PersonId, uuid7


async def verdict_on(stack, qr_text, at=None):
    """What an offline verifier says who has just fetched keys and list."""
    token = (await publish.status_list(stack, 1)).jwt
    return verify_card(qr_text, publish.issuer_keys(stack), token, at or clock.now(), issuer=stack.settings.url).state


async def test_access_issue_card(stack, officer, own, person):
    issued = await acts.issue_card(stack, officer(), person)
    assert len(issued.credential_id) == 9 and issued.expires_on.year == clock.today().year + stack.profile.card_years
    assert await verdict_on(stack, issued.qr_text) is State.VALID
    for nobody in (own(person), officer(roles=["clinician"]), officer(purpose="payment")):
        with pytest.raises(NotPermitted):
            await acts.issue_card(stack, nobody, person)


async def test_access_card_pdf(stack, officer, own, person, enrolled):
    issued = await acts.issue_card(stack, officer(), person)
    for reader in (officer(), own(person, assurance=1)):
        assert (await acts.card_pdf(stack, reader, issued.credential_id)).startswith(b"%PDF")
    with pytest.raises(NotPermitted):
        await acts.card_pdf(stack, own(await enrolled()), issued.credential_id)
    with pytest.raises(NoSuchCard):
        await acts.card_pdf(stack, officer(), CredentialId("222222222"))


async def test_access_card_code(stack, officer, own, person, enrolled):
    issued = await acts.issue_card(stack, officer(), person)
    for reader in (officer(), own(person, assurance=1)):
        assert read_qr(await acts.card_code(stack, reader, issued.credential_id)) == issued.qr_text
    with pytest.raises(NotPermitted):
        await acts.card_code(stack, own(await enrolled()), issued.credential_id)


async def test_access_sheet_pdf(stack, officer, own, enrolled):
    cards = [(await acts.issue_card(stack, officer(), await enrolled(photo=False))).credential_id for _ in range(3)]
    assert (await acts.sheet_pdf(stack, officer(), cards)).startswith(b"%PDF")
    with pytest.raises(NotPermitted):
        await acts.sheet_pdf(stack, own(uuid7()), cards)
    with pytest.raises(TooManyCards):
        await acts.sheet_pdf(stack, officer(), cards * 100)


async def test_access_cards_of(stack, officer, own, person, enrolled):
    issued = await acts.issue_card(stack, officer(), person)
    for reader in (officer(), own(person, assurance=1)):
        [line] = await acts.cards_of(stack, reader, person)
        assert (line.credential_id, line.state) == (issued.credential_id, "active")
    with pytest.raises(NotPermitted):
        await acts.cards_of(stack, own(await enrolled()), person)


async def test_access_revoke(stack, officer, own, person, enrolled):
    issued = await acts.issue_card(stack, officer(), person)
    with pytest.raises(NotPermitted):
        await acts.revoke(stack, own(await enrolled()), issued.credential_id, Reason.LOST)
    with pytest.raises(NotPermitted):  # an own card is ended for loss or theft only, with two factors
        await acts.revoke(stack, own(person), issued.credential_id, Reason.MISTAKE)
    with pytest.raises(NotPermitted):
        await acts.revoke(stack, own(person, assurance=1), issued.credential_id, Reason.STOLEN)
    await acts.revoke(stack, own(person), issued.credential_id, Reason.STOLEN)
    assert await verdict_on(stack, issued.qr_text) is State.REVOKED


async def test_access_suspend(stack, officer, own, person, enrolled):
    issued = await acts.issue_card(stack, officer(), person)
    with pytest.raises(NotPermitted):
        await acts.suspend(stack, own(await enrolled()), issued.credential_id, Reason.LOST)
    await acts.suspend(stack, own(person, assurance=1), issued.credential_id, Reason.LOST)
    assert await verdict_on(stack, issued.qr_text) is State.SUSPENDED
    with pytest.raises(CardSuspended):
        await acts.card_pdf(stack, officer(), issued.credential_id)


async def test_access_reinstate(stack, officer, own, person):
    issued = await acts.issue_card(stack, officer(), person)
    await acts.suspend(stack, officer(), issued.credential_id, Reason.LOST)
    with pytest.raises(NotPermitted):
        await acts.reinstate(stack, own(person), issued.credential_id, Reason.FOUND)
    await acts.reinstate(stack, officer(), issued.credential_id, Reason.FOUND)
    assert await verdict_on(stack, issued.qr_text) is State.VALID


async def test_access_follow_identity(stack, officer, person):
    assert await acts.follow_identity(stack, job_context("credentials", "credential-issuance"), person, "active") == 0
    with pytest.raises(NotPermitted):
        await acts.follow_identity(stack, officer(), person, "suspended")


async def test_law_1_a_new_card_ends_the_one_before(stack, officer, person):
    first = await acts.issue_card(stack, officer(), person)
    second = await acts.issue_card(stack, officer(), person)
    assert second.ended == first.credential_id != second.credential_id
    assert await verdict_on(stack, first.qr_text) is State.REVOKED
    assert await verdict_on(stack, second.qr_text) is State.VALID
    states = [(line.state, line.reason) for line in await acts.cards_of(stack, officer(), person)]
    assert sorted(states) == [("active", ""), ("revoked", "replaced")]


async def test_law_1_holds_when_two_orders_come_at_once(stack, officer, person):
    outcomes = await asyncio.gather(
        *(acts.issue_card(stack, officer(), person) for _ in range(4)), return_exceptions=True
    )
    assert all(not isinstance(o, BaseException) or isinstance(o, HolderHasCard) for o in outcomes)
    live = [line for line in await acts.cards_of(stack, officer(), person) if line.state == "active"]
    assert len(live) == 1


async def test_an_order_that_is_repeated_gives_the_same_card(stack, officer, person, enrolled):
    first = await acts.issue_card(stack, officer(), person, "order-7")
    assert await acts.issue_card(stack, officer(), person, "order-7") == first
    assert len(await acts.cards_of(stack, officer(), person)) == 1
    other = await enrolled()
    assert (await acts.issue_card(stack, officer(), other, "order-7")).credential_id != first.credential_id
    ctx = officer()
    await acts.suspend(stack, ctx, first.credential_id, Reason.LOST)
    await acts.suspend(stack, ctx, first.credential_id, Reason.LOST)
    with pytest.raises(DifferentContent):
        await acts.suspend(stack, ctx, first.credential_id, Reason.STOLEN)


async def test_law_2_a_revoked_card_stays_revoked(stack, officer, person):
    issued = await acts.issue_card(stack, officer(), person)
    await acts.revoke(stack, officer(), issued.credential_id, Reason.DAMAGED)
    await acts.revoke(stack, officer(), issued.credential_id, Reason.DAMAGED)
    for act in (acts.suspend, acts.reinstate):
        with pytest.raises(CardEnded):
            await act(stack, officer(), issued.credential_id, Reason.FOUND)
    with pytest.raises(CardEnded):
        await acts.card_pdf(stack, officer(), issued.credential_id)


async def test_an_expired_card_is_not_printed(stack, officer, person):
    issued = await acts.issue_card(stack, officer(), person)
    with clock.freeze(clock.now() + timedelta(days=366 * 11)):
        with pytest.raises(CardEnded):
            await acts.card_pdf(stack, officer(), issued.credential_id)
        assert [line.state for line in await acts.cards_of(stack, officer(), person)] == ["expired"]
        assert await verdict_on(stack, issued.qr_text) is State.EXPIRED


async def test_law_7_a_reprint_is_the_same_card(stack, officer, person):
    issued = await acts.issue_card(stack, officer(), person)
    first = await acts.card_pdf(stack, officer(), issued.credential_id)
    assert await acts.card_pdf(stack, officer(), issued.credential_id) == first


async def test_cards_follow_the_identity(stack, officer, ctx_of, enrolled):
    person, lost = await enrolled(), await enrolled()
    card, missing = await acts.issue_card(stack, officer(), person), await acts.issue_card(stack, officer(), lost)
    await acts.suspend(stack, officer(), missing.credential_id, Reason.LOST)

    def judge():
        return ctx_of(Kind.STAFF, "judge", roles=["adjudicator"], institution="rita", purpose="fraud-prevention")

    for who in (person, lost):
        await identity.suspend(stack, judge(), who, "photo does not match")
    await stack.outbox.drain(stack)
    assert await verdict_on(stack, card.qr_text) is State.SUSPENDED
    with pytest.raises(HolderNotActive):
        await acts.issue_card(stack, officer(), person)
    for who in (person, lost):
        await identity.reactivate(stack, judge(), who, "cleared")
    await stack.outbox.drain(stack)
    assert await verdict_on(stack, card.qr_text) is State.VALID
    assert await verdict_on(stack, missing.qr_text) is State.SUSPENDED, "reported lost, and still lost"
    await identity.deactivate(stack, judge(), person, "died")
    await stack.outbox.drain(stack)
    assert await verdict_on(stack, card.qr_text) is State.REVOKED


async def test_status_lists_are_published_in_both_forms_and_kept_until_they_change(stack, officer, person):
    issued = await acts.issue_card(stack, officer(), person)
    keys = cose.keys_of_jwks(stack.keys.public("issuer"))
    before = await publish.status_list(stack, issued.status_list)
    assert await publish.status_list(stack, issued.status_list) is before
    await acts.revoke(stack, officer(), issued.credential_id, Reason.STOLEN)
    after = await publish.status_list(stack, issued.status_list)
    for token in (after.jwt, after.cwt):
        read = statuslist.read(token, keys)
        assert read.uri == publish.list_uri(stack, issued.status_list)
        assert read.entries.status(issued.status_index) == statuslist.Status.INVALID
        assert len(read.entries.packed) * 4 == rules.LIST_SIZE
    assert statuslist.read(before.jwt, keys).entries.status(issued.status_index) == statuslist.Status.VALID
    with clock.freeze(clock.now() + timedelta(hours=40)):
        assert (await publish.status_list(stack, issued.status_list)).issued_at > after.issued_at
    with pytest.raises(NoSuchStatusList):
        await publish.status_list(stack, 99)


async def test_law_6_indices_spread_over_the_whole_list(stack, officer, enrolled):
    indices = [(await acts.issue_card(stack, officer(), await enrolled(photo=False))).status_index for _ in range(8)]
    assert len(set(indices)) == 8
    assert max(indices) - min(indices) > rules.LIST_SIZE // 50
    assert indices != sorted(indices)


async def test_a_full_list_is_followed_by_the_next(stack, officer, person, monkeypatch):
    monkeypatch.setattr(rules, "LIST_SIZE", 1)
    monkeypatch.setattr(acts.secrets, "randbelow", lambda most: 0)
    first = await acts.issue_card(stack, officer(), person)
    second = await acts.issue_card(stack, officer(), person)
    assert (second.status_list, second.status_index) == (first.status_list + 1, 0)
    async with stack.db.reading("credentials") as tx:
        assert max(await store.all_lists(tx)) == second.status_list


async def test_law_8_the_database_shows_no_name_outside_the_seal(stack, officer, person, owner_url):
    import asyncpg

    issued = await acts.issue_card(stack, officer(), person)
    known = await identity.read_person(stack, officer(), person)
    conn = await asyncpg.connect(owner_url)
    rows = await conn.fetch("SELECT * FROM credentials.card WHERE credential_id = $1", issued.credential_id)
    await conn.close()
    raw = b"|".join(v if isinstance(v, bytes) else str(v).encode() for v in rows[0].values())
    for secret in (known.number, known.demographics.name.family, known.demographics.name.given):
        assert secret.encode() not in raw


async def test_a_person_sees_who_issued_and_printed_the_card(stack, officer, person, owner_url):
    import asyncpg

    issued = await acts.issue_card(stack, officer(), person)
    await acts.card_pdf(stack, officer(), issued.credential_id)
    conn = await asyncpg.connect(owner_url)
    tables = await conn.fetch("SELECT table_schema||'.'||table_name AS t FROM information_schema.columns "
                              "WHERE column_name = 'act' AND table_schema IN ('kernel', 'log')")  # fmt: skip
    acts_left = [r["act"] for t in tables for r in await conn.fetch(f"SELECT act FROM {t['t']}")]
    await conn.close()
    assert "credentials.issue_card" in acts_left and "credentials.card_pdf" in acts_left


# ---- the laws as pure functions -------------------------------------------------------------------------------

DAY = date(2027, 5, 5)
states = st.sampled_from(list(CardState))
reasons = st.sampled_from(list(Reason))


def card_in(state: CardState, reason: str = "", expires: date = date(2030, 1, 1)) -> Card:
    """A card of somebody."""
    return Card(
        CredentialId("B"), PersonId(uuid7()), Form.ID_CARD, state, reason, Place(1, 1), date(2025, 1, 1), expires
    )


@given(states, st.lists(st.tuples(states, reasons), max_size=8), st.integers(-400, 4000))
def test_law_2_nothing_comes_back_from_the_end(start, steps, days):
    card, today = card_in(start), DAY + timedelta(days=days)
    ended = rules.state_on(card, today) in ("revoked", "expired")
    for wanted, reason in steps:
        try:
            card = rules.change(card, wanted, reason, today)
        except CardEnded:
            continue
        ended = ended or card.state is CardState.REVOKED
        if ended:
            assert rules.state_on(card, today) in ("revoked", "expired")


@given(
    states,
    reasons.map(str) | st.just(""),
    st.lists(st.sampled_from(["suspended", "active", "deactivated"]), max_size=6),
)
def test_a_card_that_identity_did_not_pause_is_not_reinstated_by_it(state, reason, history):
    card = card_in(state, reason)
    after = card
    for status in history:
        after = rules.follow(after, status, DAY)
    if state is CardState.SUSPENDED and reason != Reason.HOLDER_SUSPENDED:
        assert after.state is not CardState.ACTIVE
    if "deactivated" in history or state is CardState.REVOKED:
        assert after.state is CardState.REVOKED


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 110), st.integers(1, 15))
def test_a_childs_card_is_short_and_times_are_whole_days(issued, age, years):
    birth = f"{max(1900, issued.year - age)}-01-01"
    ends = rules.expiry(issued, birth, years, 18)
    assert ends.year - issued.year == (min(years, 5) if issued.year - int(birth[:4]) < 18 else years)
    start, end = rules.validity(issued, ends)
    assert start % 86400 == 0 and end % 86400 == 43200 and start < end
    assert rules.expiry(issued, "", years, 18).year == issued.year + years


def test_who_may_hold_a_card():
    rules.may_hold("active", "Asha", "482910337516")
    with pytest.raises(HolderNotActive):
        rules.may_hold("held", "Asha", "4")
    with pytest.raises(HolderIncomplete):
        rules.may_hold("active", " ", "4")
    assert rules.listed(CardState.SUSPENDED) == 2 and rules.listed(CardState.REVOKED) == 1
    assert replace(card_in(CardState.ACTIVE), reason="x").state is CardState.ACTIVE
