"""Rights on machines of their own: done there once, sent until it is done, in order, and nobody else waits."""

import zipfile
from datetime import timedelta
from io import BytesIO

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.consent.people import newborn

from msingi.exchange.federation import acts as federation
from msingi.exchange.federation.model import Anchor, PublicKey
from msingi.governance import acts
from msingi.governance.apart import acts as apart
from msingi.governance.apart import rules, sending
from msingi.governance.apart.model import Order, What
from msingi.governance.keeping import acts as keeping
from msingi.governance.keeping.model import HoldOrder
from msingi.governance.model import Answer, CaseOrder, Kind, Outcome
from msingi.kernel.context import job_context
from msingi.kernel.errors import DifferentContent, NotPermitted
from msingi.kernel.ids import token, uuid7

AWAY = ("XT+health", "XT+payments")
KEY = "SELECT wrapped FROM kernel.person_key WHERE person_id = $1"


@pytest.fixture(scope="module")
async def machines(stack):
    """Two machines of this stack that are away: nobody listens at their addresses."""
    own = (await federation.anchor(stack)).keys
    for place, room in enumerate(("health", "payments")):
        keys = tuple(PublicKey(f"{room}-key", key.x) for key in own)
        told = Anchor(stack.profile.alpha2, {"en": "Part"}, f"http://127.0.0.1:{place + 1}", keys, (room,))
        made = await federation.propose_peer(stack, job_context("setup", "data-exchange"), told)
        await federation.approve_peer(stack, job_context("setup", "data-exchange"), made.peer)
    return AWAY


@pytest.fixture
async def owner(owner_url):
    conn = await asyncpg.connect(owner_url)
    yield conn
    await conn.close()


@pytest.fixture
def rights(as_job):
    return as_job("rights", "redress")


async def test_access_carry_out(stack, owner_url, owner, rights, as_office):
    """The key goes, once; the receipt is the same for every repetition; a stranger's is empty, and leaves no key."""
    person_id = await newborn(stack, owner_url)
    order = Order(uuid7(), What.ERASE, "ABCD-EFGH")
    with pytest.raises(NotPermitted):
        await apart.carry_out(stack, as_office("rita"), person_id, order)
    before = await owner.fetchval(KEY, person_id)
    done = await apart.carry_out(stack, rights, person_id, order)
    after = await owner.fetchval(KEY, person_id)
    assert done.known and done.certificate_id and done.jws and after and after != before
    assert await apart.carry_out(stack, rights, person_id, order) == done
    assert await owner.fetchval(KEY, person_id) == after
    with pytest.raises(DifferentContent):
        await apart.carry_out(stack, rights, person_id, replace(order, reference="OTHER"))
    stranger = uuid7()
    told = await apart.carry_out(stack, rights, stranger, Order(uuid7(), What.ERASE, "ABCD-EFGH"))
    assert not told.known and told.certificate_id is None and await owner.fetchval(KEY, stranger) is None


async def test_a_hold_travels_with_its_end(stack, owner_url, owner, rights, as_person, as_office):
    person_id, hold_id = await newborn(stack, owner_url), uuid7()
    until = rights.at + timedelta(days=9)
    order = Order(uuid7(), What.HOLD, "", hold_id, "Order 17 of the High Court", "Authority", until)
    await apart.carry_out(stack, rights, person_id, order)
    assert await owner.fetchval("SELECT governance.held($1)", person_id)
    await apart.carry_out(stack, rights, person_id, Order(uuid7(), What.RELEASE, "", hold_id))
    assert not await owner.fetchval("SELECT governance.held($1)", person_id)


async def test_access_send_errand(stack, owner_url, owner, machines, rights, as_person, as_office, client):
    """What is granted stands in the case for every machine; one that is away puts off its own errands only."""
    person_id = await newborn(stack, owner_url)
    with pytest.raises(NotPermitted):
        await apart.send_errand(stack, as_office("rita"))
    case = await acts.open_case(stack, as_person(person_id), person_id, CaseOrder(Kind.ERASURE), token(9))
    sending.woken(stack).clear()
    await acts.answer(stack, as_office("rita"), person_id, case.case_id, Answer(Outcome.GRANTED, "What no law keeps."))
    assert sending.woken(stack).is_set()
    waiting = (await acts.case(stack, as_person(person_id), person_id, case.case_id)).machines
    assert {e.machine for e in waiting} == set(machines) and not any(e.done_at for e in waiting)
    later = await keeping.hold(
        stack, as_office("tume", "data-protection-authority"), person_id, HoldOrder("Order 17 of the High Court", 90)
    )
    await keeping.release(stack, as_office("tume", "data-protection-authority"), person_id, later.hold_id)
    now = replace(rights, at=later.since + timedelta(seconds=1))
    for _ in machines:  # the first of either machine; what follows for the person waits behind it
        tried = await apart.send_errand(stack, now)
        assert tried and tried.what is What.ERASE
    assert await apart.send_errand(stack, now) is None
    states = await owner.fetch("SELECT what, tries, last FROM governance.errand WHERE person_id = $1", person_id)
    assert sorted((r["what"], r["tries"]) for r in states) == sorted(
        [("erase", 1)] * 2 + [("hold", 0)] * 2 + [("release", 0)] * 2
    )
    assert {r["last"] for r in states} == {"away"}
    told = (await client.get("/v1/governance/errands")).json()
    assert {(w["machine"], w["waiting"] >= 3) for w in told} == {(m, True) for m in machines}
    soon = replace(now, at=now.at + timedelta(minutes=1))
    again = await apart.send_errand(stack, soon)
    assert again and again.what is What.ERASE and again.tries == 1


async def test_access_looked_at_elsewhere(stack, owner_url, machines, as_person):
    """A machine that is away is named in the full copy, and withholds nothing else."""
    person_id, other = await newborn(stack, owner_url), await newborn(stack, owner_url)
    with pytest.raises(NotPermitted):
        await apart.looked_at_elsewhere(stack, as_person(other, "subject-access"), person_id, machines[0])
    raw = await acts.full_copy(stack, as_person(person_id, "subject-access"), person_id)
    files = zipfile.ZipFile(BytesIO(raw)).namelist()
    assert {"accesses-health.missing.json", "accesses-payments.missing.json", "accesses.jsonl"} <= set(files)


@given(st.lists(st.integers(0, 60), min_size=2, max_size=5))
@settings(max_examples=20)
def test_law_2_a_try_follows_however_many_failed(tries):
    waits = [rules.wait_after(n) for n in sorted(tries)]
    assert waits == sorted(waits) and timedelta(0) < waits[0] and waits[-1] <= timedelta(hours=6)
