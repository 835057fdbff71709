"""Agreements, grants, withdrawals, receipts and requests on a real database; one access test per act."""

import base64
import json
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from joserfc import jws
from joserfc.jwk import OKPKey
from tests.consent.people import agreement_order, newborn, oneself, steward

from msingi.consent import acts, wire
from msingi.consent.errors import AgreementUnknown, ConsentEnded, ConsentMissing, ConsentUnknown, RequestAnswered
from msingi.consent.model import AskOrder, GrantOrder, State
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.errors import NotFound, NotPermitted, Refusal
from msingi.kernel.log import proof, sequencer
from msingi.kernel.log import store as log_store

FIELDS = ("person.name", "person.birth_date")
# Another room's decision, which reads a consent in its own transaction.
RULE = '@id("demo.decide: for tests") permit (principal, action == Action::"demo.decide", resource);'


@pytest.fixture(scope="module", autouse=True)
def demo(stack):
    texts = {f"demo{n}": block for n, block in enumerate([RULE])}
    kept = policy._policies
    policy.load(["consent", "identity"], texts)
    yield
    policy._policies = kept


@pytest.fixture
async def person(stack, owner_url):
    return await newborn(stack, owner_url)


@pytest.fixture(scope="module")
async def summary(stack, ctx_of):
    return await acts.publish_agreement(stack, steward(ctx_of), agreement_order())


async def live(stack, person_id, institution="hospitali", purpose="health-care", fields=FIELDS, reach=None):
    """What a decision of another room finds."""
    permit = policy.decide(job_context("decider"), "demo.decide", reach or person_id)
    async with stack.db.transaction(permit) as tx:
        try:
            return await acts.live_consent(tx, person_id, institution, purpose, fields)
        finally:
            log.append(tx, permit, subject=None)


def yes(agreement, **more) -> GrantOrder:
    return GrantOrder(agreement.order.agreement, agreement.version, **more)


async def test_grant_then_withdraw_is_seen_by_the_next_decision(stack, ctx_of, person, summary):
    with pytest.raises(ConsentMissing):
        await live(stack, person)
    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    found = await live(stack, person)
    assert found.consent_id == receipt.consent_id and found.epoch == 1
    assert await live(stack, person, fields=("person.name.family",))
    for other in ({"institution": "benki"}, {"purpose": "payment"}, {"fields": ("person.photo",)}, {"fields": ()}):
        with pytest.raises(ConsentMissing):
            await live(stack, person, **other)
    ended = await acts.withdraw(stack, oneself(ctx_of, person), person, receipt.consent_id)
    assert ended.state is State.WITHDRAWN and ended.predecessor_hash == receipt.hash
    with pytest.raises(ConsentMissing):
        await live(stack, person)
    with pytest.raises(ConsentEnded):
        await acts.withdraw(stack, oneself(ctx_of, person), person, receipt.consent_id)


async def test_a_decision_reads_consents_only_of_whom_its_permit_reaches(stack, ctx_of, person, summary, owner_url):
    await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    with pytest.raises(ConsentMissing):
        await live(stack, person, reach=await newborn(stack, owner_url))


async def test_law_5_a_withdrawal_waits_for_the_decision_under_way(stack, ctx_of, person, summary):
    import asyncio

    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    permit = policy.decide(job_context("decider"), "demo.decide", person)
    async with stack.db.transaction(permit) as tx:
        await acts.live_consent(tx, person, "hospitali", "health-care", FIELDS)
        waiting = asyncio.create_task(acts.withdraw(stack, oneself(ctx_of, person), person, receipt.consent_id))
        done, _ = await asyncio.wait([waiting], timeout=0.2)
        assert not done  # the decision still holds its shared lock
        log.append(tx, permit, subject=None)
    await waiting
    with pytest.raises(ConsentMissing):
        await live(stack, person)


async def test_the_receipt_is_a_27560_record_signed_and_chained(stack, ctx_of, person, summary):
    first = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary, language="sw"))
    await acts.withdraw(stack, oneself(ctx_of, person), person, first.consent_id)
    chain = await acts.receipts(stack, oneself(ctx_of, person), person, first.consent_id)
    assert [r.state for r in chain] == [State.GRANTED, State.WITHDRAWN]
    assert chain[1].predecessor_hash == chain[0].hash
    keys = {key["kid"]: key for key in stack.keys.public("consent")}
    for each in chain:
        seen = jws.deserialize_compact(each.jws, OKPKey.import_key(keys[each.kid]), algorithms=["EdDSA", "Ed25519"])
        assert json.loads(seen.payload) == each.receipt
        assert wire.digest(seen.payload) == each.hash
    body = chain[0].receipt
    purpose = body["pii_processing"]["purposes"][0]
    # ISO/IEC TS 27560: what each section must hold.
    assert {"schema_version", "record_id", "pii_principal_id"} <= body.keys()
    assert {"privacy_notice", "language"} <= body["pii_processing"].keys()
    assert {
        "purpose", "lawful_basis", "pii_information", "pii_controllers", "storage_locations", "retention_period",
        "jurisdiction", "recipient_third_parties", "withdrawal_method",
    } <= purpose.keys()  # fmt: skip
    assert purpose["pii_information"][0] == {"pii_type": "Jina", "pii_attribute_id": "person.name"}
    party = body["party_identification"][0]
    assert {"party_id", "party_address", "party_name", "party_contact", "party_type"} <= party.keys()
    assert {"event_time", "validity_duration", "entity_id", "event_type", "event_state"} <= body["events"][0].keys()
    assert body["pii_principal_id"] == stack.pseudonym.of("hospitali", person)
    assert str(person) not in json.dumps(body)


async def test_receipts_are_sealed_with_the_persons_key(stack, ctx_of, person, summary, owner_url):
    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    conn = await asyncpg.connect(owner_url)
    raw = await conn.fetchval("SELECT sealed FROM consent.revision WHERE consent_id = $1", receipt.consent_id)
    await conn.close()
    assert b"hospitali" not in raw and base64.urlsafe_b64encode(b"hospitali")[:8] not in raw


async def test_the_same_yes_twice_is_one_consent_and_a_different_one_replaces_it(stack, ctx_of, person, summary):
    ctx = oneself(ctx_of, person)
    first = await acts.grant(stack, ctx, person, yes(summary))
    assert await acts.grant(stack, ctx, person, yes(summary)) == first
    narrower = await acts.grant(stack, ctx, person, yes(summary, fields=("person.name",)))
    page = await acts.consents_of(stack, ctx, person)
    assert [(c.consent_id, c.state) for c in page.items] == [
        (narrower.consent_id, State.GRANTED),
        (first.consent_id, State.WITHDRAWN),
    ]
    with pytest.raises(ConsentMissing):
        await live(stack, person)


async def test_a_consent_expires_by_itself_and_its_end_is_signed(stack, ctx_of, person, summary):
    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary, term_days=7))
    with clock.freeze(clock.now() + timedelta(days=7, seconds=1)):
        with pytest.raises(ConsentMissing):
            await live(stack, person)
        page = await acts.consents_of(stack, oneself(ctx_of, person), person)
        assert page.items[0].state is State.EXPIRED
        assert await acts.expire_due(stack, job_context("consent-expiry")) >= 1
        assert await acts.expire_due(stack, job_context("consent-expiry")) == 0
        chain = await acts.receipts(stack, oneself(ctx_of, person), person, receipt.consent_id)
    assert [r.state for r in chain] == [State.GRANTED, State.EXPIRED]
    assert chain[1].receipt["events"][1]["entity_id"] == "record_keeper"


async def test_an_institution_asks_and_the_person_answers(stack, ctx_of, person, summary):
    order = AskOrder("", summary.order.agreement, "Umeletwa kwetu leo")
    asked = await acts.request_consent(stack, steward(ctx_of), person, order)
    again = await acts.request_consent(stack, steward(ctx_of), person, order)
    assert again.request_id == asked.request_id  # one open request for one agreement
    page = await acts.requests_of(stack, oneself(ctx_of, person), person)
    assert [r.reason for r in page.items] == ["Umeletwa kwetu leo"]
    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary, request_id=asked.request_id))
    assert not (await acts.requests_of(stack, oneself(ctx_of, person), person)).items
    every = await acts.requests_of(stack, oneself(ctx_of, person), person, only_open=False)
    assert every.items[0].consent_id == receipt.consent_id
    with pytest.raises(RequestAnswered):
        await acts.decline(stack, oneself(ctx_of, person), person, asked.request_id)


async def test_agreements_are_versioned_signed_and_chained(stack, ctx_of):
    first = await acts.publish_agreement(stack, steward(ctx_of), agreement_order("chain-test"))
    second = await acts.publish_agreement(stack, steward(ctx_of), agreement_order("chain-test", term_days=30))
    assert (second.version, second.predecessor_hash) == (2, first.hash)
    key = OKPKey.import_key(stack.keys.public("consent")[0])
    seen = jws.deserialize_compact(second.signature, key, algorithms=["EdDSA", "Ed25519"])
    assert wire.digest(seen.payload) == second.hash
    assert (await acts.agreement(stack, "chain-test", 1)).retired
    assert [a.version for a in (await acts.agreements(stack)).items if a.order.agreement == "chain-test"] == [2]
    await acts.retire_agreement(stack, steward(ctx_of), "chain-test")
    assert "chain-test" not in [a.order.agreement for a in (await acts.agreements(stack)).items]
    with pytest.raises(AgreementUnknown):
        await acts.agreement(stack, "no-such")


async def test_paging_goes_through_everything_once(stack, ctx_of, person):
    for n in range(5):
        made = await acts.publish_agreement(stack, steward(ctx_of), agreement_order(f"page-{n}"))
        await acts.grant(stack, oneself(ctx_of, person), person, yes(made))
    seen, after = [], ""
    while True:
        page = await acts.consents_of(stack, oneself(ctx_of, person), person, after, 2)
        seen += [c.agreement for c in page.items]
        after = page.after
        if not after:
            break
    assert seen == [f"page-{n}" for n in reversed(range(5))]


async def test_who_looked_shows_every_act_newest_first(stack, ctx_of, person, summary):
    receipt = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    await acts.request_consent(stack, steward(ctx_of), person, AskOrder("", summary.order.agreement))
    ctx = oneself(ctx_of, person, "subject-access")
    lines = (await acts.accesses(stack, ctx, person)).items
    assert [line.act for line in lines] == ["consent.request", "consent.grant"]
    assert (lines[0].institution, lines[0].actor_kind, lines[0].purpose) == (
        "hospitali", "staff", "consent-management"
    )  # fmt: skip
    assert lines[1].detail["consent"] == str(receipt.consent_id)
    page = await acts.accesses(stack, ctx, person, "", 2)  # now the reading itself stands there too
    assert page.items[0].act == "consent.accesses"
    rest = await acts.accesses(stack, ctx, person, page.after)
    assert [line.act for line in rest.items] == ["consent.grant"]


# Access: who may, and who may not


async def refuses(act) -> None:
    with pytest.raises(NotPermitted):
        await act


async def test_access_publish_agreement(stack, ctx_of):
    await acts.publish_agreement(stack, steward(ctx_of), agreement_order("access-a"))
    await acts.publish_agreement(stack, steward(ctx_of, "rita", ("governing-authority",)), agreement_order("access-a"))
    await refuses(acts.publish_agreement(stack, steward(ctx_of, "benki"), agreement_order("access-b")))
    await refuses(acts.publish_agreement(stack, steward(ctx_of, roles=("clinician",)), agreement_order("access-b")))
    bank = agreement_order("access-a", institution="benki")  # another's agreement cannot be taken over
    await refuses(acts.publish_agreement(stack, steward(ctx_of, "benki"), bank))


async def test_access_retire_agreement(stack, ctx_of):
    await acts.publish_agreement(stack, steward(ctx_of), agreement_order("access-r"))
    await refuses(acts.retire_agreement(stack, steward(ctx_of, "benki"), "access-r"))
    await acts.retire_agreement(stack, steward(ctx_of), "access-r")


async def test_access_grant(stack, ctx_of, person, summary, owner_url):
    other = await newborn(stack, owner_url)
    await refuses(acts.grant(stack, oneself(ctx_of, other), person, yes(summary)))
    await refuses(acts.grant(stack, oneself(ctx_of, person, assurance=1), person, yes(summary)))
    await refuses(acts.grant(stack, steward(ctx_of), person, yes(summary)))
    await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))


async def test_access_withdraw(stack, ctx_of, person, summary, owner_url):
    made = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    other = await newborn(stack, owner_url)
    await refuses(acts.withdraw(stack, oneself(ctx_of, other), person, made.consent_id))
    with pytest.raises(ConsentUnknown):  # nor by naming another's consent as one's own
        await acts.withdraw(stack, oneself(ctx_of, other), other, made.consent_id)
    await acts.withdraw(stack, oneself(ctx_of, person, assurance=1), person, made.consent_id)


async def test_access_expire_due(stack, ctx_of):
    await refuses(acts.expire_due(stack, job_context("sweeper")))
    await acts.expire_due(stack, job_context("consent-expiry"))


async def test_access_receipts(stack, ctx_of, person, summary, owner_url):
    made = await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    other = await newborn(stack, owner_url)
    await refuses(acts.receipts(stack, oneself(ctx_of, other), person, made.consent_id))
    assert await acts.receipts(stack, oneself(ctx_of, person, "subject-access", 1), person, made.consent_id)
    with pytest.raises(ConsentUnknown):
        await acts.receipts(stack, oneself(ctx_of, person), person, uuid4())


async def test_access_consents_of(stack, ctx_of, person, owner_url):
    await refuses(acts.consents_of(stack, oneself(ctx_of, await newborn(stack, owner_url)), person))
    await refuses(acts.consents_of(stack, steward(ctx_of), person))
    await acts.consents_of(stack, oneself(ctx_of, person, assurance=1), person)


async def test_access_request_consent(stack, ctx_of, person, summary):
    order = AskOrder("", summary.order.agreement)
    await refuses(acts.request_consent(stack, steward(ctx_of, "benki"), person, order))
    await refuses(acts.request_consent(stack, oneself(ctx_of, person), person, order))
    software = Context(
        actor=ctx_of(Kind.CLIENT, "GOV/hospitali/records", institution="hospitali").actor,
        purpose="consent-management", basis="legal-obligation", request_id="r", at=clock.now(), channel="exchange",
    )  # fmt: skip
    await acts.request_consent(stack, software, person, order)


async def test_access_requests_of(stack, ctx_of, person, owner_url):
    await refuses(acts.requests_of(stack, oneself(ctx_of, await newborn(stack, owner_url)), person))
    await acts.requests_of(stack, oneself(ctx_of, person, assurance=1), person)


async def test_access_decline(stack, ctx_of, person, summary, owner_url):
    order = AskOrder("", summary.order.agreement)
    asked = await acts.request_consent(stack, steward(ctx_of), person, order)
    other = await newborn(stack, owner_url)
    await refuses(acts.decline(stack, oneself(ctx_of, other), person, asked.request_id))
    await acts.decline(stack, oneself(ctx_of, person, assurance=1), person, asked.request_id)


async def test_access_accesses(stack, ctx_of, person, owner_url):
    await refuses(acts.accesses(stack, oneself(ctx_of, await newborn(stack, owner_url), "subject-access"), person))
    await refuses(acts.accesses(stack, oneself(ctx_of, person), person))  # another purpose
    await acts.accesses(stack, oneself(ctx_of, person, "subject-access"), person)


async def test_access_access_proof(stack, ctx_of, person, summary, owner_url):
    """The proof verifies with the log's public key alone, and not when a byte of it changes."""
    await acts.grant(stack, oneself(ctx_of, person), person, yes(summary))
    mine = oneself(ctx_of, person, "subject-access")
    line = (await acts.accesses(stack, mine, person)).items[-1]
    await sequencer.catch_up(stack)
    other = await newborn(stack, owner_url)
    await refuses(acts.access_proof(stack, oneself(ctx_of, other, "subject-access"), person, line.record_id))
    with pytest.raises(NotFound):  # nor as a record of one's own
        await acts.access_proof(stack, oneself(ctx_of, other, "subject-access"), other, line.record_id)
    text = await acts.access_proof(stack, mine, person, line.record_id)
    async with stack.db.plumbing() as conn:
        origin = await log_store.origin(conn)
    keys = sequencer.log_vkeys(stack.keys, origin or "")
    seen = proof.verify(text, keys)
    assert seen.record["act"] == "consent.grant" and seen.record["institution"] == ""
    with pytest.raises(Refusal):
        proof.verify(text.replace("A", "B", 1), keys)


@pytest.fixture(scope="module")
async def enrolled(stack):
    order = EnrolmentOrder(name=Name("Zawadi", "Komba"), birth=Birth("1979-01-02"))
    made = await identity.enrol(stack, job_context("loader", "identity-registration"), order, "consent-1")
    assert isinstance(made, Enrolled)
    return made


async def test_access_person_by_number(stack, ctx_of, enrolled):
    asking = ctx_of(Kind.STAFF, "s", institution="hospitali", purpose="data-exchange", basis="public-task")
    assert await acts.person_by_number(stack, asking, enrolled.number) == enrolled.person_id
    await refuses(acts.person_by_number(stack, oneself(ctx_of, enrolled.person_id, "subject-access"), enrolled.number))


async def test_access_person_named(stack, ctx_of, enrolled):
    await acts.publish_agreement(stack, steward(ctx_of), agreement_order("who-is-meant"))
    name, asked = stack.pseudonym.of("hospitali", enrolled.person_id), "who-is-meant"
    assert await acts.person_named(stack, steward(ctx_of), name, asked) == enrolled.person_id
    assert await acts.person_named(stack, steward(ctx_of), enrolled.number, asked) == enrolled.person_id
    anybody = ctx_of(Kind.STAFF, "s", purpose="consent-management", basis="consent")
    for who in (anybody, steward(ctx_of, "benki")):  # another institution's agreement is nothing to ask about
        await refuses(acts.person_named(stack, who, enrolled.number, asked))


async def test_access_stop_use(stack, ctx_of, person):
    job = job_context("objection", "consent-management", "legal-obligation")
    await acts.stop_use(stack, job, person, "hospitali", "payment", "X")
    await refuses(acts.stop_use(stack, oneself(ctx_of, person), person, "benki", "payment", "X"))
