"""Verbs of civil registration: notify, see what waits, register, reject, correct, certify, verify, count."""

from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.identity import numbers, standing
from msingi.identity import rules as identity_rules
from msingi.identity import store as people
from msingi.identity.civil import certificate, register, rules, store
from msingi.identity.civil.model import (
    Certificate,
    Count,
    DeathOrder,
    EntryState,
    EventKind,
    EventState,
    Notification,
    NotificationId,
    NotificationPage,
    Notified,
    Verdict,
)
from msingi.identity.enrolment import content, number_key, unseal_version
from msingi.identity.errors import NoEntry, NotWaiting, UnknownNotification, UnknownNumber
from msingi.identity.model import Birth, BirthOrder, Cause, DeathRegistered, Enrolled, Outcome, Status, encoded
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

ROOM: Final = "identity"
LABEL: Final = "identity.notification"


def _who(ctx: Context) -> str:
    return f"{ctx.actor.kind}:{ctx.actor.id}"


def _regions(stack: Stack) -> frozenset[str]:
    return frozenset(region.code for region in stack.profile.regions)


async def notify_birth(stack: Stack, ctx: Context, order: BirthOrder, idempotency_key: str) -> NotificationId:
    """Tell of a birth; it waits for a registrar (law 1). Raises Malformed as the registration would."""
    today = clock.today()
    child = identity_rules.demographics(order.child, stack.profile, today)
    identity_rules.child_birth(child.birth, order.notified_on, today)
    identity_rules.short_text(order.place, "place")
    if order.mother.strip():
        numbers.parse(order.mother, "mother")
    told = msgspec.structs.replace(order, notified_on=order.notified_on or today)
    return await _notify(stack, ctx, EventKind.BIRTH, child.region, Notified(birth=told), idempotency_key)


async def notify_death(stack: Stack, ctx: Context, order: DeathOrder, idempotency_key: str) -> NotificationId:
    """Tell of a death; it waits for a registrar (law 1). Raises Malformed (NumberWrong)."""
    numbers.parse(order.number, "number")
    rules.check_death(order, Birth(), _regions(stack), clock.today())
    return await _notify(stack, ctx, EventKind.DEATH, order.region, Notified(death=order), idempotency_key)


async def _notify(stack: Stack, ctx: Context, kind: EventKind, region: str, told: Notified, key: str) -> NotificationId:
    permit = policy.decide(ctx, f"identity.notify-{kind}", policy.NOBODY)
    claimed = identity.own_key(ctx, f"notify-{kind}", key)
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, claimed, content(stack, told)):
            return NotificationId(UUID(bytes=first))
        where = region, ctx.actor.institution, clock.now()
        made = Notification(NotificationId(uuid7()), kind, EventState.NOTIFIED, *where)
        label = f"{LABEL}:{made.notification_id}"
        await store.add_notification(tx, made, stack.seal.seal_with_room_key(label, encoded(told)), _who(ctx))
        log.append(tx, permit, detail={"what": f"{kind} notified", "notification": str(made.notification_id)})
        await once.settle(tx, ROOM, claimed, made.notification_id.bytes)
    return made.notification_id


async def notifications_waiting(
    stack: Stack, ctx: Context, after: NotificationId | None = None, limit: int = 50
) -> NotificationPage:
    """What waits for a registrar, oldest first, at most `limit` (1 to 200); names nobody."""
    if not 1 <= limit <= 200:
        raise Malformed("From 1 to 200.", field="limit", rule="1-200")
    permit = policy.decide(ctx, "identity.see-notifications", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found, waiting = await store.waiting_notifications(tx, after or NotificationId(UUID(int=0)), limit)
        log.append(tx, permit, detail={"what": "notifications listed"})
    return NotificationPage(tuple(found), waiting, found[-1].notification_id if len(found) == limit else None)


async def read_notification(
    stack: Stack, ctx: Context, notification_id: NotificationId
) -> tuple[Notification, Notified | None]:
    """A notification with what was told, None once it is decided. Raises UnknownNotification."""
    permit = policy.decide(ctx, "identity.see-notifications", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.lock_notification(tx, stack.seal, notification_id)
        log.append(tx, permit, detail={"what": "notification read", "notification": str(notification_id)})
    if found is None:
        raise UnknownNotification()
    made, sealed = found
    if sealed is None:
        return made, None
    raw = stack.seal.unseal_with_room_key(f"{LABEL}:{notification_id}", sealed)
    return made, msgspec.msgpack.decode(raw, type=Notified)


async def register_notified(stack: Stack, ctx: Context, notification_id: NotificationId) -> Outcome | PersonId:
    """Register what was told: the child's enrolment, or the deceased. Again gives the same answer.

    Interrupted between the two steps, it is finished by repeating it: the first claims the notification's own key.
    Raises UnknownNotification, NotWaiting for a rejected one, and whatever the registration raises.
    """
    made, told = await read_notification(stack, ctx, notification_id)
    if told is None:
        if made.state is EventState.REJECTED or made.person_id is None:
            raise NotWaiting(state=made.state)
        return made.person_id
    key = f"notification:{notification_id}"
    if told.birth is not None:
        outcome: Outcome | PersonId = await identity.record_birth(stack, ctx, told.birth, key)
        assert not isinstance(outcome, UUID)
        state = EventState.REGISTERED if isinstance(outcome, Enrolled) else EventState.HELD
        await _close(stack, ctx, notification_id, state, outcome.person_id, "registered")
        return outcome
    assert told.death is not None
    outcome = await register_death(stack, ctx, told.death, key)
    await _close(stack, ctx, notification_id, EventState.REGISTERED, outcome, "registered")
    return outcome


async def reject_notification(stack: Stack, ctx: Context, notification_id: NotificationId, because: str) -> None:
    """Reject what was told, with a reason that the notifier can read. Raises UnknownNotification, NotWaiting."""
    why = identity_rules.reason(because)
    await _close(stack, ctx, notification_id, EventState.REJECTED, None, why)


async def _close(
    stack: Stack,
    ctx: Context,
    notification_id: NotificationId,
    state: EventState,
    person_id: PersonId | None,
    because: str,
) -> None:
    permit = policy.decide(ctx, "identity.decide-notification", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.lock_notification(tx, stack.seal, notification_id)
        if found is None:
            raise UnknownNotification()
        if found[0].state is not EventState.NOTIFIED:
            if found[0].state is not state or found[0].person_id != person_id:
                raise NotWaiting(state=found[0].state)
        else:
            became = state, person_id, _who(ctx), clock.now(), because
            await store.close_notification(tx, stack.seal, notification_id, *became)
        log.append(tx, permit, detail={"what": f"notification {state}", "notification": str(notification_id)})


async def register_death(stack: Stack, ctx: Context, order: DeathOrder, idempotency_key: str) -> PersonId:
    """Register a death, also a late one: the entry, and the end of the identity's use. Gives whose it was.

    Raises NumberWrong, UnknownNumber, NotInThisState for somebody dead or merged, Malformed, DifferentContent.
    """
    place = identity_rules.short_text(order.place, "place")
    informant = identity_rules.short_text(order.informant, "informant")
    number = number_key(stack, numbers.parse(order.number, "number"))
    permit = policy.decide(ctx, "identity.register-death", policy.ANYONE)
    key = identity.own_key(ctx, "death", idempotency_key)
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, content(stack, order)):
            return PersonId(UUID(bytes=first))
        found = (await people.by_numbers(tx, [number])).get(number)
        if found is None:
            raise UnknownNumber()
        person_id = found[0]
        identity_rules.check_change((await standing.locked(tx, person_id))[0], Status.DECEASED)
        row, _ = (await people.people(tx, [person_id]))[person_id]
        known = await unseal_version(tx, stack, person_id, row["sealed"])
        rules.check_death(order, known.birth, _regions(stack), clock.today())
        facts = rules.death_facts(known, order, place, informant)
        called = await register.enter(tx, stack, person_id, EventKind.DEATH, order.died_on, facts, _who(ctx))
        await standing.change(tx, stack, person_id, Status.DECEASED, Cause.DEATH, f"entry {called}")
        await stack.outbox.emit(tx, DeathRegistered.kind, DeathRegistered(person_id))
        log.append(tx, permit, subject=person_id, detail={"what": "death registered"})
        await once.settle(tx, ROOM, key, person_id.bytes)
    return person_id


async def correct_entry(
    stack: Stack, ctx: Context, person_id: PersonId, kind: EventKind, because: str, place: str | None = None
) -> str:
    """Bring an entry in line with the record as it is now (who somebody is, two people corrected there before), or
    correct its place; gives the entry's number, which stays. Raises NoEntry, Malformed if nothing would change."""
    why = identity_rules.reason(because)
    where = None if place is None else identity_rules.short_text(place, "place")
    permit = policy.decide(ctx, "identity.correct-entry", person_id)
    async with stack.db.transaction(permit) as tx:
        await standing.locked(tx, person_id)
        rows = await store.entries(tx, person_id, kind)
        if not rows or rows[-1]["state"] != EntryState.REGISTERED:
            raise NoEntry()
        newest = await register.opened(tx, stack, rows[-1])
        row, _ = (await people.people(tx, [person_id]))[person_id]
        known = await unseal_version(tx, stack, person_id, row["sealed"])
        facts = rules.corrected(newest.facts, known, kind, where)
        sealed = await stack.seal.seal(tx, person_id, encoded(facts), register.LABEL)
        await store.supersede(tx, person_id, kind, newest.version)
        kept = rows[-1]["month"], rows[-1]["region"], newest.late, sealed, _who(ctx), clock.now()
        await store.add_entry(tx, person_id, kind, newest.version + 1, newest.entry_number, *kept)
        log.append(tx, permit, subject=person_id, detail={"what": f"{kind} entry corrected", "because": why})
    return newest.entry_number


async def certify(stack: Stack, ctx: Context, person_id: PersonId, kind: EventKind) -> Certificate:
    """The newest entry of a birth or death, with its signed code, for a certificate. Raises NoEntry, Erased."""
    permit = policy.decide(ctx, "identity.certify", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = await store.entries(tx, person_id, kind)
        if not rows or rows[-1]["state"] != EntryState.REGISTERED:
            raise NoEntry()
        entry = await register.opened(tx, stack, rows[-1])
        log.append(tx, permit, subject=person_id, detail={"what": f"{kind} certificate made"})
    return Certificate(entry, certificate.signed(stack, entry))


async def verify_certificate(stack: Stack, ctx: Context, code: str) -> Verdict:
    """What a certificate's code is worth now (law 4); nothing of the register is told that the paper does not say."""
    said = certificate.opened(stack, code)
    if said is None:
        return Verdict("forged")
    person_id = stack.pseudonym.person("civil-certificate", said.sub)
    kind = EventKind(said.kind)
    permit = policy.decide(ctx, "identity.verify-certificate", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = [r for r in await store.entries(tx, person_id, kind) if r["version"] == said.version]
        log.append(tx, permit, subject=person_id if rows else None, detail={"what": "certificate verified"})
    known = rows[0] if rows and rows[0]["entry_number"] == said.entry else None
    state = "unknown" if known is None else str(known["state"]).replace(EntryState.REGISTERED, "valid")
    return Verdict(state, said.kind, said.entry, said.facts)


async def count_entries(stack: Stack, ctx: Context, since: date, until: date) -> list[Count]:
    """Registered births and deaths of the months from `since` to `until`, by region, and how many came late."""
    permit = policy.decide(ctx, "identity.count", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.counts(tx, since, until)
        log.append(tx, permit, detail={"what": "civil entries counted by region"})
    return found
