"""A batch decided in one message to the database: what is remembered is only an expectation, never a ground."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from msgspec.structs import replace
from tests.consent.people import agreement_order, newborn, oneself, steward
from tests.exchange import places
from tests.exchange.places import HOSPITAL, governor, right_order

from msingi.consent import acts as consents
from msingi.consent.errors import ConsentMissing, ProcessingStopped
from msingi.consent.model import GrantOrder
from msingi.exchange import acts, registry
from msingi.exchange.decisions import Docket, docket
from msingi.exchange.errors import MessageSeen, NoRight, NotStanding
from msingi.exchange.model import Call, Caller, ServiceCode, SubsystemId
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.ids import random_id

KID = places.KEYS[HOSPITAL]["kid"]
CALLER = Caller("hospitali", SubsystemId(HOSPITAL), "records", KID)


@pytest.fixture(scope="module", autouse=True)
async def agreed(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    await acts.grant_right(stack, governor(ctx_of), right_order(basis="contract", law="contract s.1"))
    yield await consents.publish_agreement(stack, steward(ctx_of), agreement_order("at-once"))
    registry._offered.clear()
    registry._offered.update(kept)


@pytest.fixture
async def person(stack, ctx_of, owner_url, agreed):
    """Somebody who consented, and of whom the exchange remembers it."""
    born = await newborn(stack, owner_url)
    order = GrantOrder(agreed.order.agreement, agreed.version)
    receipt = await consents.grant(stack, oneself(ctx_of, born), born, order)
    for basis in ("consent", "contract"):
        await acts.ask(stack, CALLER, call(stack, born, basis=basis))
    return born, receipt


@pytest.fixture
def sat(monkeypatch):
    """How often a batch was decided the careful way."""
    counted, careful = [], Docket._sit

    async def sit(self, batch):
        counted.append(len(batch))
        await careful(self, batch)

    monkeypatch.setattr(Docket, "_sit", sit)
    return counted


def call(stack, person_id, **changes) -> Call:
    made = Call(
        message_id=random_id(), client=SubsystemId(HOSPITAL), kid=KID, created=0,
        owner=SubsystemId(places.OWNER), service=ServiceCode("person"), method="GET", path="/", query="",
        person=stack.pseudonym.of("hospitali", person_id), purpose="health-care", basis="consent",
    )  # fmt: skip
    return replace(made, **changes)


def _remembered(stack):
    return {live.consent_id for live in docket(stack).expected.values()}


async def test_what_is_remembered_and_true_takes_one_message(stack, ctx_of, person, sat):
    born, receipt = person
    released = [await acts.ask(stack, CALLER, call(stack, born, basis=basis)) for basis in ("consent", "contract")]
    assert sat == [] and {one.consent for one in released} == {str(receipt.consent_id), ""}
    page = await consents.accesses(stack, oneself(ctx_of, born, "subject-access"), born)
    answered = [line.detail.get("consent", "") for line in page.items if line.act == "exchange.answered"]
    assert answered == ["", str(receipt.consent_id)] * 2  # each with its own record, and the consent it rests on


async def test_a_repeated_message_is_refused_and_hurts_nobody_beside_it(stack, person, sat):
    born, _ = person
    first = call(stack, born)
    await acts.ask(stack, CALLER, first)
    asked = [acts.ask(stack, CALLER, one) for one in (call(stack, born), first, call(stack, born))]
    one, again, other = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(again, MessageSeen) and sat
    assert not isinstance(one, BaseException) and not isinstance(other, BaseException)


async def test_a_withdrawn_consent_is_not_obeyed_though_it_is_remembered(stack, ctx_of, person, sat, agreed):
    born, receipt = person
    await consents.withdraw(stack, oneself(ctx_of, born), born, receipt.consent_id)
    assert receipt.consent_id in _remembered(stack)  # nobody told the exchange
    with pytest.raises(ConsentMissing):
        await acts.ask(stack, CALLER, call(stack, born))
    assert sat == [1] and receipt.consent_id not in _remembered(stack)
    newer = await consents.grant(stack, oneself(ctx_of, born), born, GrantOrder(agreed.order.agreement, agreed.version))
    assert (await acts.ask(stack, CALLER, call(stack, born))).consent == str(newer.consent_id)


async def test_epochs_of_people_whom_no_permit_reaches_are_told_to_nobody(stack, person):
    epochs = [live.epoch for live in docket(stack).expected.values() if live.consent_id == person[1].consent_id]
    async with stack.db.glance() as conn:
        assert not await conn.fetchval("SELECT consent.unchanged($1, $2)", [person[0]], epochs)


async def test_a_consent_that_ran_out_is_not_obeyed_though_it_is_remembered(stack, person, sat):
    born, receipt = person
    with clock.freeze(clock.now() + timedelta(days=10_000)), pytest.raises(ConsentMissing):
        await acts.ask(stack, CALLER, call(stack, born))
    assert sat == [1] and receipt.consent_id not in _remembered(stack)


async def test_an_upheld_objection_is_obeyed_at_once(stack, ctx_of, person, sat):
    born, _ = person
    ctx = replace(job_context("case"), purpose="redress")
    async with stack.db.transaction(_stop_permit(stack, ctx, born)) as tx:
        from msingi.consent import store
        from msingi.kernel import log

        await store.stop(tx, born, "hospitali", "health-care", "case-1", ctx.at)
        log.append(tx, tx.permits[0], subject=born)
    with pytest.raises(ProcessingStopped):
        await acts.ask(stack, CALLER, call(stack, born, basis="contract"))
    assert sat == [1]


def _stop_permit(stack, ctx, born):
    from msingi.kernel.policy import _SEAL, Permit

    return Permit(_SEAL, "consent.stop_use", ctx, (born,), "test")


async def test_ended_rights_and_suspended_institutions_are_obeyed_at_once(stack, ctx_of, person, sat):
    born, _ = person
    await acts.suspend(stack, governor(ctx_of), "hospitali")
    with pytest.raises(NotStanding):
        await acts.ask(stack, CALLER, call(stack, born))
    await acts.approve(stack, governor(ctx_of), "hospitali")
    await acts.ask(stack, CALLER, call(stack, born))
    await acts.end_right(stack, governor(ctx_of), HOSPITAL, "person", "health-care", "consent")
    with pytest.raises(NoRight):
        await acts.ask(stack, CALLER, call(stack, born))
    await acts.grant_right(stack, governor(ctx_of), right_order())
    assert len(sat) == 3  # each change was found out by the transaction itself


def test_random_ids_are_version_4():
    from uuid import UUID

    made = {UUID(random_id()) for _ in range(500)}
    assert len(made) == 500 and {(one.version, one.variant) for one in made} == {(4, uuid4().variant)}
