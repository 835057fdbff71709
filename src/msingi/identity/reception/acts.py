"""What people tell ahead, and when they come: centres, slots, applications, and the enrolment that ends one."""

import secrets
from datetime import date
from typing import Any, Final

import msgspec

from msingi.identity import acts as identity
from msingi.identity import enrolment, numbers
from msingi.identity import rules as identity_rules
from msingi.identity.errors import NoFreeDesk, TooManyApplications, UnknownApplication, UnknownCentre
from msingi.identity.model import Enrolled, EnrolmentOrder, Outcome, encoded
from msingi.identity.reception import rules, store
from msingi.identity.reception.model import (
    Application,
    ApplicationId,
    ApplicationOrder,
    Appointment,
    Centre,
    Slot,
)
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack

LABEL: Final = "identity.application"


async def keep_centre(stack: Stack, ctx: Context, centre: Centre) -> None:
    """Open a centre, change it, or close it (`open` false). Raises Malformed."""
    rules.check_centre(centre, frozenset(region.code for region in stack.profile.regions))
    permit = policy.decide(ctx, "identity.keep-centre", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await store.keep_centre(tx, centre)
        log.append(tx, permit, detail={"what": "centre kept", "centre": centre.centre})


async def centres(stack: Stack, region: str = "") -> list[Centre]:
    """The open centres, of a region or of all (at most 500); public, and about nobody."""
    async with stack.db.reading("identity") as tx:
        return await store.centres(tx, region)


async def free_slots(stack: Stack, centre: str) -> list[Slot]:
    """The times of the coming 45 days with a free desk; public, and about nobody. Raises UnknownCentre."""
    async with stack.db.reading("identity") as tx:
        found = await store.centre(tx, centre)
        if found is None or not found.open:
            raise UnknownCentre()
        return rules.slots(found, await store.taken(tx, centre, clock.today()), clock.today())


async def apply(stack: Stack, ctx: Context, order: ApplicationOrder, place: str) -> tuple[str, Application]:
    """Keep what somebody tells ahead of their enrolment; gives the reference that only they have, and the draft.

    `place` is where the request comes from, counted under a keyed hash. Nothing is looked up and nobody is found:
    whether somebody is known shows at the centre alone. Raises Malformed, NoFreeDesk, TooManyApplications.
    """
    checked = _checked(stack, order.person)
    now, today = clock.now(), clock.today()
    permit = policy.decide(ctx, "identity.apply", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        counted = stack.keys.blind(f"application-place:{place}")
        if await store.count_application(tx, counted, now) > rules.MOST_AN_HOUR:
            raise TooManyApplications(retry_after_s=3600)
        application_id = ApplicationId(uuid7())
        visit = await _book(tx, order, application_id, today)
        expires = now + rules.KEPT
        while True:
            reference = rules.reference_of(secrets.randbits(60))
            sealed = stack.seal.seal_with_room_key(f"{LABEL}:{application_id}", encoded(checked))
            when = (visit.centre, visit.day, visit.at_min) if visit else (None, None, None)
            key = _reference_key(stack, reference)
            if await store.add_application(tx, key, application_id, checked.region, sealed, *when, now, expires):
                break
        log.append(tx, permit, detail={"what": "application kept", "application": str(application_id)})
    return reference, Application("waiting", now, expires, visit)


def _checked(stack: Stack, order: EnrolmentOrder) -> EnrolmentOrder:
    """The order by the rules of enrolment, without a photo: that is taken at the centre."""
    if order.photo is not None:
        raise Malformed("The photo is taken at the centre.", field="person.photo", rule="no-photo")
    identity_rules.link_numbers(order)
    known = identity_rules.demographics(order, stack.profile, clock.today())
    fields: dict[str, Any] = {name: getattr(known, name) for name in known.__struct_fields__}
    for name in ("guardian", "introducer"):
        text = getattr(order, name).strip()
        fields[name] = numbers.parse(text, name) if text else ""
    return EnrolmentOrder(**fields)


async def _book(tx: Tx, order: ApplicationOrder, application_id: ApplicationId, today: date) -> Appointment | None:
    if not order.centre:
        return None
    centre = await store.centre(tx, order.centre)
    if centre is None:
        raise UnknownCentre()
    day, at_min = rules.check_slot(centre, order.day, order.at_min, today)
    if not await store.take_desk(tx, centre, day, at_min, application_id):
        raise NoFreeDesk()
    return Appointment(centre.centre, day, at_min)


def _reference_key(stack: Stack, reference: str) -> bytes:
    return stack.keys.blind(f"application:{reference}")


async def _found(tx: Tx, stack: Stack, reference: str) -> Row:
    row = await store.lock_application(tx, _reference_key(stack, rules.reference_in(reference)), clock.now())
    if row is None:
        raise UnknownApplication()
    return row


def _visit(row: Row) -> Appointment | None:
    return Appointment(row["centre"], row["day"], row["slot_min"]) if row["centre"] else None


async def read_application(stack: Stack, ctx: Context, reference: str) -> Application:
    """When whoever has the reference is expected, and whether it was used; nothing of what was told (law 1).

    Raises Malformed for what is no reference, UnknownApplication.
    """
    permit = policy.decide(ctx, "identity.read-application", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = await _found(tx, stack, reference)
        log.append(tx, permit, detail={"what": "application read", "application": str(row["application_id"])})
    return Application(row["state"], row["made_at"], row["expires_at"], _visit(row))


async def withdraw_application(stack: Stack, ctx: Context, reference: str) -> None:
    """Take back what was told ahead; it is forgotten at once, and the desk is free. Raises as `read_application`."""
    permit = policy.decide(ctx, "identity.withdraw-application", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = await _found(tx, stack, reference)
        if row["state"] == "waiting":
            key = _reference_key(stack, rules.reference_in(reference))
            await store.close_application(tx, key, "withdrawn", clock.now())
            if row["centre"]:
                await store.free_desk(tx, row["centre"], row["day"], row["application_id"])
        log.append(tx, permit, detail={"what": "application withdrawn", "application": str(row["application_id"])})


async def open_application(stack: Stack, ctx: Context, reference: str) -> Application:
    """What was told ahead, for the officer before whom the person stands. Raises as `read_application`."""
    permit = policy.decide(ctx, "identity.open-application", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        row = await _found(tx, stack, reference)
        log.append(tx, permit, detail={"what": "application opened", "application": str(row["application_id"])})
    person = None
    if row["sealed"] is not None:
        raw = stack.seal.unseal_with_room_key(f"{LABEL}:{row['application_id']}", bytes(row["sealed"]))
        person = msgspec.msgpack.decode(raw, type=EnrolmentOrder)
    return Application(row["state"], row["made_at"], row["expires_at"], _visit(row), person)


async def enrol_application(
    stack: Stack, ctx: Context, reference: str, order: EnrolmentOrder, idempotency_key: str
) -> Outcome:
    """Enrol whoever told ahead, by what the officer checked and completed; ends the application.

    Interrupted between the two steps, it is finished by repeating it. Raises as `identity.enrol`, UnknownApplication.
    """
    permit = policy.decide(ctx, "identity.open-application", policy.NOBODY)
    await enrolment.prepare(stack, order)  # what is wrong is said before anything is done
    async with stack.db.transaction(permit) as tx:
        row = await _found(tx, stack, reference)
        log.append(tx, permit, detail={"what": "application used", "application": str(row["application_id"])})
    if row["state"] == "withdrawn":
        raise UnknownApplication()
    outcome = await identity.enrol(stack, ctx, order, idempotency_key)
    if row["state"] == "waiting":
        permit = policy.decide(ctx, "identity.open-application", policy.NOBODY)
        async with stack.db.transaction(permit) as tx:
            state = "enrolled" if isinstance(outcome, Enrolled) else "held"
            key = _reference_key(stack, rules.reference_in(reference))
            await store.close_application(tx, key, state, clock.now())
            log.append(tx, permit, detail={"what": f"application {state}", "application": str(row["application_id"])})
    return outcome


async def day_of_centre(stack: Stack, ctx: Context, centre: str, day: date) -> list[tuple[int, int]]:
    """How many people are expected at each time of a centre's day (time in minutes, people); it names nobody."""
    permit = policy.decide(ctx, "identity.open-application", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.day_of_centre(tx, centre, day)
        log.append(tx, permit, detail={"what": "day of a centre read", "centre": centre})
    return found


async def forget_applications(stack: Stack, ctx: Context) -> int:
    """Forget applications whose time is over; how many."""
    permit = policy.decide(ctx, "identity.forget-applications", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.forget_applications(tx, clock.now())
        log.append(tx, permit, detail={"what": "old applications forgotten", "count": gone})
    return gone
