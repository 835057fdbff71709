"""Governance of the exchange, and its own acts: one access test each, and what they refuse."""

from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.consent.people import newborn, oneself
from tests.exchange import places
from tests.exchange.places import BANK, HOSPITAL, governor, join_order, right_order

from msingi.exchange import acts, client, registry
from msingi.exchange.errors import (
    BadCall,
    BadKey,
    InstitutionExists,
    InstitutionUnknown,
    MessageSeen,
    NoRight,
    NotStanding,
    OfferUnknown,
    RightExceedsOffer,
)
from msingi.exchange.model import Call, Caller, KeyOrder, ServiceCode, Standing, SubsystemId, SubsystemOrder
from msingi.kernel.context import job_context
from msingi.kernel.errors import NotPermitted


@pytest.fixture(scope="module", autouse=True)
async def open_exchange(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    yield await places.opened(stack, ctx_of)
    registry._offered.clear()
    registry._offered.update(kept)


def public() -> dict[str, str]:
    return client.public_part(client.new_key())


def technician(ctx_of, institution="hospitali"):
    return governor(ctx_of, ("exchange-operator",), institution)


async def refuses(act) -> None:
    with pytest.raises(NotPermitted):
        await act


async def test_access_join_institution(stack, ctx_of):
    order = join_order("GOV/maji/billing", public())
    order = replace(order, key=public())
    await refuses(acts.join_institution(stack, technician(ctx_of, "maji"), order))
    made = await acts.join_institution(stack, governor(ctx_of), order)
    assert made.standing is Standing.PENDING
    with pytest.raises(InstitutionExists):
        await acts.join_institution(stack, governor(ctx_of), replace(order, key=public()))
    with pytest.raises(InstitutionExists):  # one key, one holder
        await acts.join_institution(stack, governor(ctx_of), join_order("GOV/umeme/billing", order.key))
    for wrong in ({"subsystem": "a/b"}, {"member_class": ""}, {"institution": "no%2Fway"}):
        with pytest.raises(BadCall):
            await acts.join_institution(stack, governor(ctx_of), replace(order, key=public(), **wrong))


async def test_a_private_key_is_never_taken(stack, ctx_of):
    for key in (client.new_key(), {"kty": "EC"}, {"kty": "OKP", "crv": "Ed25519", "x": "AA"}):
        order = replace(join_order("GOV/posta/mail", public()), key=key)
        with pytest.raises(BadKey):
            await acts.join_institution(stack, governor(ctx_of), order)


async def test_access_approve(stack, ctx_of):
    await refuses(acts.approve(stack, technician(ctx_of), "hospitali"))
    assert (await acts.approve(stack, governor(ctx_of), "hospitali")).standing is Standing.ACTIVE
    with pytest.raises(InstitutionUnknown):
        await acts.approve(stack, governor(ctx_of), "nobody")


async def test_access_suspend(stack, ctx_of):
    await refuses(acts.suspend(stack, technician(ctx_of, "benki"), "benki"))
    assert (await acts.suspend(stack, governor(ctx_of), "benki")).standing is Standing.SUSPENDED
    await acts.approve(stack, governor(ctx_of), "benki")


async def test_access_add_subsystem(stack, ctx_of):
    order = SubsystemOrder(SubsystemId("GOV/hospitali/laboratory"), "Laboratory", public())
    await refuses(acts.add_subsystem(stack, technician(ctx_of, "benki"), order))
    await acts.add_subsystem(stack, technician(ctx_of), order)
    with pytest.raises(InstitutionExists):
        await acts.add_subsystem(stack, technician(ctx_of), replace(order, key=public()))
    with pytest.raises(InstitutionUnknown):  # another class is another member
        other = replace(order, subsystem=SubsystemId("COM/hospitali/laboratory"), key=public())
        await acts.add_subsystem(stack, governor(ctx_of), other)


async def test_access_add_key(stack, ctx_of):
    order = KeyOrder(SubsystemId(HOSPITAL), public())
    await refuses(acts.add_key(stack, technician(ctx_of, "benki"), order))
    await acts.add_key(stack, technician(ctx_of), order)
    with pytest.raises(InstitutionExists):
        await acts.add_key(stack, technician(ctx_of), order)


async def test_access_stop_key(stack, ctx_of):
    key = await acts.add_key(stack, technician(ctx_of), KeyOrder(SubsystemId(HOSPITAL), public()))
    await refuses(acts.stop_key(stack, technician(ctx_of, "benki"), key.kid))
    await refuses(acts.stop_key(stack, technician(ctx_of), "unknown"))
    await acts.stop_key(stack, technician(ctx_of), key.kid)


async def test_access_grant_right(stack, ctx_of):
    order = right_order(BANK, "contract", purpose="payment")
    await refuses(acts.grant_right(stack, technician(ctx_of), order))
    await refuses(acts.grant_right(stack, governor(ctx_of, ("data-steward",), "benki"), order))  # not the owner
    first = await acts.grant_right(stack, governor(ctx_of, ("data-steward",), "rita"), order)
    again = await acts.grant_right(stack, governor(ctx_of), order)
    assert again.version == first.version + 1
    with pytest.raises(RightExceedsOffer):
        await acts.grant_right(stack, governor(ctx_of), replace(order, fields=("secret",)))
    with pytest.raises(OfferUnknown):
        await acts.grant_right(stack, governor(ctx_of), replace(order, service=ServiceCode("no-such")))
    with pytest.raises(InstitutionUnknown):
        await acts.grant_right(stack, governor(ctx_of), replace(order, client=SubsystemId("GOV/x/y")))


async def test_access_end_right(stack, ctx_of):
    order = right_order(BANK, "contract", purpose="identity-proofing")
    await acts.grant_right(stack, governor(ctx_of), order)
    which = (order.client, order.service, order.purpose, order.basis)
    await refuses(acts.end_right(stack, governor(ctx_of, ("data-steward",), "benki"), *which))
    await acts.end_right(stack, governor(ctx_of), *which)
    with pytest.raises(NoRight):
        await acts.end_right(stack, governor(ctx_of), *which)
    assert order.purpose not in [r.purpose for r in await acts.rights_of(stack, BANK, places.OWNER)]


async def test_access_publish_offer(stack, ctx_of):
    offer = replace(registry.offered()[0], service=ServiceCode("person-two"))
    await refuses(acts.publish_offer(stack, governor(ctx_of), offer))
    await acts.publish_offer(stack, job_context("setup"), offer)
    with pytest.raises(InstitutionExists):
        await acts.publish_offer(stack, job_context("setup"), replace(offer, owner=SubsystemId("COM/benki/accounts")))
    assert "person-two" in [o.service for o in await acts.catalogue(stack, words="person")]
    await acts.publish_offer(stack, job_context("setup"), replace(offer, active=False))
    assert "person-two" not in [o.service for o in await acts.catalogue(stack)]


async def test_the_catalogue_is_written_only_when_it_changes(stack, owner_url):
    import asyncpg

    conn = await asyncpg.connect(owner_url)
    count = "SELECT count(*) FROM log.record WHERE act = 'exchange.publish_offer'"
    before = await conn.fetchval(count)
    await acts.publish_registered(stack)
    assert await conn.fetchval(count) == before
    await conn.close()


def hospital(stack) -> Caller:
    kid = places.KEYS[HOSPITAL]["kid"]
    return Caller("hospitali", SubsystemId(HOSPITAL), "records", kid)


def call(stack, person_id, **changes) -> Call:
    made = Call(
        message_id=str(uuid4()), client=SubsystemId(HOSPITAL), kid=places.KEYS[HOSPITAL]["kid"], created=0,
        owner=SubsystemId(places.OWNER), service=ServiceCode("person"), method="GET", path="/", query="",
        person=stack.pseudonym.of("hospitali", person_id), purpose="health-care", basis="vital-interest",
    )  # fmt: skip
    return replace(made, **changes)


async def test_access_ask(stack, ctx_of, owner_url):
    person = await newborn(stack, owner_url)
    with pytest.raises(NoRight):
        await acts.ask(stack, hospital(stack), call(stack, person))
    await acts.grant_right(stack, governor(ctx_of), right_order(basis="vital-interest", law="s.9"))
    released = await acts.ask(stack, hospital(stack), call(stack, person))
    assert released.status == 200 and b"Asha" in released.body and b"secret" not in released.body
    await acts.suspend(stack, governor(ctx_of), "hospitali")
    with pytest.raises(NotStanding):
        await acts.ask(stack, hospital(stack), call(stack, person))
    await acts.approve(stack, governor(ctx_of), "hospitali")


async def test_law_5_no_decision_without_a_record(stack, ctx_of, owner_url):
    from msingi.consent import acts as consents

    person = await newborn(stack, owner_url)
    await acts.grant_right(stack, governor(ctx_of), right_order(basis="vital-interest", law="s.9"))
    outcomes = []
    for changes in ({}, {"purpose": "payment"}, {"method": "DELETE"}, {"fields": ("phone",)}, {"kid": "other"}):
        try:
            await acts.ask(stack, hospital(stack), call(stack, person, **changes))
            outcomes.append("")
        except Exception as no:
            outcomes.append(getattr(no, "code", repr(no)))
    page = await consents.accesses(stack, oneself(ctx_of, person, "subject-access"), person)
    assert [line.detail.get("reason", "") for line in reversed(page.items)] == outcomes
    assert outcomes == ["", *["exchange.no-right"] * 3, "exchange.not-standing"]


async def test_access_admit(stack, ctx_of):
    message = uuid4()
    actor = await acts.admit(stack, hospital(stack), message)
    assert (actor.kind, actor.institution, actor.id) == ("client", "hospitali", HOSPITAL)
    with pytest.raises(MessageSeen):
        await acts.admit(stack, hospital(stack), message)
    with pytest.raises(NotStanding):
        await acts.admit(stack, replace(hospital(stack), kid="unknown"), uuid4())


async def test_access_forget_messages(stack):
    await refuses(acts.forget_messages(stack, job_context("sweeper"), 0))
    assert await acts.forget_messages(stack, job_context("exchange-forget"), 900) == 0
    assert await acts.forget_messages(stack, job_context("exchange-forget"), -60) >= 1
