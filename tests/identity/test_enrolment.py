"""The pipeline of enrolment where many candidates meet: what it costs, and who is no longer found."""

import itertools
from datetime import date, timedelta

import asyncpg
import msgspec
import pytest

from msingi.identity import acts, numbers, store
from msingi.identity.model import Address, Birth, Enrolled, EnrolmentOrder, Held, Name, Row
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import Conflict, Outage
from msingi.kernel.ids import uuid7
from msingi.kernel.tx import Tx

LETTERS = "bdfgklmnprstvz"
_serial = itertools.count(1)


def ctx():
    return job_context("bulk", "identity-registration", "legal-obligation")


def someone() -> EnrolmentOrder:
    """An order about somebody unlike everybody else in this file."""
    n = next(_serial)
    word = "".join(LETTERS[(n * 7919 // 14**i) % 14] + "aeiou"[(n * 31 // 5**i) % 5] for i in range(5))
    born = date(1950, 1, 1) + timedelta(days=n * 137 % 20_000)
    return EnrolmentOrder(
        name=Name(word.title(), word[::-1].title()),
        birth=Birth(born.isoformat()),
        region=f"R{n % 20 + 1:02d}",
        address=Address((f"{word[2:7]}street {n}",), f"Town{n}", str(n)),
    )


def written_differently(order: EnrolmentOrder) -> EnrolmentOrder:
    return msgspec.structs.replace(order, name=Name(order.name.family, order.name.given + "h"))


@pytest.fixture
def trips(monkeypatch):
    """Counts the statements that transactions send, but for the first and the last message of each."""
    counted = [0]
    real = Tx.open

    async def counting(self):
        counted[0] += 1
        return await real(self)

    monkeypatch.setattr(Tx, "open", counting)
    return counted


async def test_round_trips_do_not_grow_with_the_batch_nor_with_candidates(stack, trips):
    known = [someone() for _ in range(30)]
    spent = {}
    for size, orders in (("new", known), ("known", [written_differently(order) for order in known])):
        for batch in (orders[:3], orders[3:]):
            trips[0] = 0
            rows = [Row(str(n), order) for n, order in enumerate(batch)]
            outcomes = await acts.enrol_many(stack, ctx(), rows, str(uuid7()))
            spent[size, len(batch)] = trips[0]
            assert {type(row.outcome) for row in outcomes} == {Enrolled if size == "new" else Held}
    assert spent["new", 27] <= spent["new", 3] + 1  # keys of candidates are fetched once, if there are any
    assert spent["known", 27] <= spent["known", 3] + 1
    assert max(spent.values()) <= 14


async def test_an_enrolment_of_one_asks_once_between_its_first_and_its_last_message(stack, trips):
    order, key = someone(), str(uuid7())
    trips[0] = 0
    outcome = await acts.enrol(stack, ctx(), order, key)
    assert isinstance(outcome, Enrolled) and trips[0] == 1  # who is alike, and whom the phone finds
    officer = Actor(Kind.STAFF, "officer", "rita", frozenset(["enrolment-officer"]), 2)
    reading = context(officer, "identity-registration", "legal-obligation")
    person = await acts.read_person(stack, reading, outcome.person_id)
    assert person.demographics.name == order.name and person.number == outcome.number
    assert (await acts.enrol(stack, ctx(), order, key)).person_id == outcome.person_id
    held = await acts.enrol(stack, ctx(), written_differently(order), str(uuid7()))
    assert isinstance(held, Held) and held.person_id != outcome.person_id


async def test_a_number_that_somebody_has_is_drawn_again_although_the_commit_finds_it(stack, monkeypatch):
    first = await acts.enrol(stack, ctx(), someone(), str(uuid7()))
    assert isinstance(first, Enrolled)
    other, real = numbers.draw(), numbers.draw
    drawn = [first.number, other]
    monkeypatch.setattr(numbers, "draw", lambda: drawn.pop(0) if drawn else real())
    second = await acts.enrol(stack, ctx(), someone(), str(uuid7()))
    assert isinstance(second, Enrolled) and second.number == other and second.person_id != first.person_id


async def test_a_phone_that_was_given_away_meanwhile_is_noticed_at_the_commit(stack, monkeypatch):
    phone = "+255712345678"
    first = await acts.enrol(stack, ctx(), msgspec.structs.replace(someone(), phone=phone), str(uuid7()))
    assert isinstance(first, Enrolled) and first.phone_linked
    real, looked = store.search, []

    async def blind_at_first(*args):
        found = await real(*args)
        looked.append(set(found.phones))
        if len(looked) == 1:
            found.phones.clear()  # as if the other had come between the search and the commit
        return found

    monkeypatch.setattr(store, "search", blind_at_first)
    second = await acts.enrol(stack, ctx(), msgspec.structs.replace(someone(), phone=phone), str(uuid7()))
    assert isinstance(second, Enrolled) and not second.phone_linked
    assert len(looked) == 2 and looked[0] == looked[1] != set()


async def test_whoever_is_overtaken_each_time_is_told_to_come_again(stack, monkeypatch):
    first = await acts.enrol(stack, ctx(), someone(), str(uuid7()))
    assert isinstance(first, Enrolled)
    with monkeypatch.context() as patched:
        patched.setattr(numbers, "draw", lambda: first.number)
        with pytest.raises(Outage):
            await acts.enrol(stack, ctx(), order := someone(), key := str(uuid7()))
    assert isinstance(await acts.enrol(stack, ctx(), order, key), Enrolled)  # the key was not used up


async def test_a_key_that_stands_twice_in_a_batch_is_claimed_once(stack):
    one, other, source = someone(), someone(), str(uuid7())
    rows = [Row("a", one), Row("a", other), Row("b", someone())]
    outcomes = await acts.enrol_many(stack, ctx(), rows, source)
    assert [type(row.outcome) for row in outcomes] == [Enrolled, type(None), Enrolled]
    assert isinstance(outcomes[1].refusal, Conflict)
    again = await acts.enrol_many(stack, ctx(), rows, source)
    assert [row.repeated for row in again] == [True, False, True]
    assert [row.outcome for row in again] == [row.outcome for row in outcomes]


async def test_an_erased_person_is_not_found_even_while_the_key_is_remembered(stack, owner_url):
    order = someone()
    [first] = await acts.enrol_many(stack, ctx(), [Row("a", order)], str(uuid7()))
    [second] = await acts.enrol_many(stack, ctx(), [Row("a", order)], str(uuid7()))
    assert isinstance(first.outcome, Enrolled) and isinstance(second.outcome, Held)  # now the key is remembered
    owner = await asyncpg.connect(owner_url)
    gone = [first.outcome.person_id, second.outcome.person_id]
    assert await owner.execute("DELETE FROM kernel.person_key WHERE person_id = ANY ($1)", gone) == "DELETE 2"
    await owner.close()
    [third] = await acts.enrol_many(stack, ctx(), [Row("a", order)], str(uuid7()))
    assert isinstance(third.outcome, Enrolled)
