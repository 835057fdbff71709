"""What the fraud desk does by itself: puts the watch at the gate, hears of devices and recoveries, compares lists."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import msgspec

from msingi.kernel import clock, crossing, log, policy
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import gate, parties, rounds
from msingi.payments.book import micros
from msingi.payments.fraud import rulebook, sanctions, store, watch
from msingi.payments.fraud.stopping import job

logger = logging.getLogger("msingi.payments")
LOOK_S = 60.0


class _Recovered(msgspec.Struct):
    """What matters here of sign-in's news: of whom, and until when."""

    person_id: PersonId
    until: datetime


class _NewDevice(msgspec.Struct):
    """What matters here of sign-in's news: of whom, and since when."""

    person_id: PersonId
    at: datetime


async def watch_person(stack: Stack, person_id: PersonId, why: str, until: datetime | None) -> None:
    """Watch somebody for a reason, until an instant or until it is ended."""
    permit = policy.decide(job(), "payments.watch-person", person_id)
    async with stack.db.transaction(permit) as tx:
        await store.look_at(tx, person_id, why, clock.now(), until)
        log.append(tx, permit, detail={"what": "somebody is watched", "why": why})
    watching = watch.of(stack)
    if watching is not None:
        watching.look_at(parties.person_ref(stack, person_id), why, micros(until) if until else 0)


async def on_recovered(stack: Stack, payload: bytes) -> None:
    """An account was given back at a centre."""
    news = msgspec.json.decode(payload, type=_Recovered)
    await watch_person(stack, news.person_id, "recovered", news.until)


async def on_device(stack: Stack, payload: bytes) -> None:
    """Somebody who has other devices signed in on a new one."""
    news, book = msgspec.json.decode(payload, type=_NewDevice), rulebook.of(stack)
    if book is not None and book.new_device_hours:
        until = news.at + timedelta(hours=book.new_device_hours)
        if until > clock.now():
            await watch_person(stack, news.person_id, "new-device", until)


async def begin(stack: Stack) -> None:
    """At start: the country's rules are whole, and the watch stands at the gate. Raises RulebookWrong."""
    book = rulebook.of(stack)
    if book is not None and not crossing.elsewhere(stack, "payments"):
        stack.local[gate.KEY] = watch.Watch(stack, book)
        await watch.reload(stack)


async def keep_watching(stack: Stack) -> None:
    """Take over whom other programs of this stack watch, and forget those whose time is over."""
    await watch.reload(stack)
    while await sanctions.compare(stack):
        pass


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {
    "signin.recovered": on_recovered,
    "signin.device-added": on_device,
}
loops = [rounds.for_ever("the fraud desk", keep_watching, LOOK_S, first_s=LOOK_S)]
starts = [begin]
