"""Verbs of news: describing and publishing events, subscribing, following, fetching; delivery to callbacks."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from msingi.consent import acts as consents
from msingi.consent.errors import ConsentMissing
from msingi.exchange import store as exchange
from msingi.exchange.errors import PersonUnknown
from msingi.exchange.federation import outbound
from msingi.exchange.model import Call, Caller, Released, Right, institution_of
from msingi.exchange.news import rules, store
from msingi.exchange.news.errors import EventTypeUnknown, NoEventRight, NotPublisher
from msingi.exchange.news.model import (
    ANSWERS,
    Box,
    CloudEvent,
    EventType,
    MailState,
    Published,
    PublishOrder,
    SubscribeOrder,
    Subscription,
    TypeOrder,
)
from msingi.exchange.rules import consent_fields
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

LABEL = "exchange.mail"
LATER = "exchange.asked-later"
BATCH = 20


class Later(msgspec.Struct, frozen=True):
    """A request to be answered later, sealed in the outbox: who asked what, and where the answer goes."""

    caller: Caller
    call: Call
    callback: str


class Waiting(msgspec.Struct, frozen=True):
    """What the outbox carries of it."""

    sealed: bytes


def _own(ctx: Context, owner: str) -> None:
    """Raises NotPublisher unless the actor is this software, or the stack itself."""
    if ctx.actor.kind == "client" and ctx.actor.id != owner:
        raise NotPublisher()


def _seal(stack: Stack, event: CloudEvent) -> bytes:
    return stack.seal.seal_with_room_key(LABEL, msgspec.json.encode(event))


def opened(stack: Stack, sealed: bytes) -> CloudEvent:
    """An event out of a mailbox."""
    return msgspec.json.decode(stack.seal.unseal_with_room_key(LABEL, sealed), type=CloudEvent)


async def describe_event(stack: Stack, ctx: Context, owner: str, order: TypeOrder, *, end: bool = False) -> EventType:
    """Describe a kind of event of one's own, or end it. Raises NotPublisher, BadCall, EventTypeUnknown."""
    permit = policy.decide(ctx, "exchange.describe_event", policy.NOBODY)
    _own(ctx, owner)
    made = EventType(owner, rules.event_type(order.eventType), order.service, order.title[:200], ctx.at)
    async with stack.db.transaction(permit) as tx:
        if end and not await store.drop_type(tx, owner, made.event_type):
            raise EventTypeUnknown()
        if not end:
            if await exchange.offer_by_code(tx, order.service) is None:
                raise EventTypeUnknown("the catalogue has no service of this code", field="service")
            await store.put_type(tx, made)
        log.append(tx, permit, detail={"event": f"{owner}/{made.event_type}", "ended": end})
    return made


async def subscribe(stack: Stack, ctx: Context, owner: str, name: str, order: SubscribeOrder) -> Subscription:
    """Subscribe to a kind of event, or change how it comes and whom one follows (laws 1, 2).

    Raises EventTypeUnknown, NoEventRight, CallbackRefused, PersonUnknown.
    """
    permit = policy.decide(ctx, "exchange.subscribe", policy.NOBODY)
    callback = rules.callback(order, stack.settings.callback_hosts.split(","))
    client = ctx.actor.id
    async with stack.db.transaction(permit) as tx:
        known = await store.type_named(tx, owner, name)
        if known is None:
            raise EventTypeUnknown()
        if not await exchange.rights_to(tx, client, known.service, ctx.at):
            raise NoEventRight()
        made = Subscription(client, owner, name, callback, ctx.at)
        await store.put_subscription(tx, made)
        log.append(tx, permit, detail={"event": f"{owner}/{name}", "callback": bool(callback)})
    for texts, on in ((order.follow, True), (order.unfollow, False)):
        for text in texts:
            await _follow(stack, ctx, made, text, on=on)
    return made


async def _follow(stack: Stack, ctx: Context, made: Subscription, text: str, *, on: bool) -> None:
    try:
        person_id = stack.pseudonym.person(ctx.actor.institution, text)
    except Malformed:
        raise PersonUnknown() from None
    permit = policy.decide(ctx, "exchange.follow", person_id)
    try:
        async with stack.db.transaction(permit) as tx:
            await store.follow(tx, person_id, made.client, made.owner, made.event_type, on=on)
            log.append(tx, permit, subject=person_id, detail={"event": made.event_type, "ended": not on})
    except Erased:
        raise PersonUnknown() from None


async def unsubscribe(stack: Stack, ctx: Context, owner: str, name: str) -> None:
    """End a subscription. Raises EventTypeUnknown when there is none."""
    permit = policy.decide(ctx, "exchange.unsubscribe", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if not await store.drop_subscription(tx, ctx.actor.id, owner, name):
            raise EventTypeUnknown()
        log.append(tx, permit, detail={"event": f"{owner}/{name}"})


async def publish(
    stack: Stack, ctx: Context, owner: str, name: str, order: PublishOrder, person_id: PersonId | None = None
) -> Published:
    """Publish an event: into the mailbox of each reader that may have it, in the same transaction (laws 1 to 4).

    `person_id` may be given by the stack itself; software names the person by its own pseudonym in `order.subject`.
    Raises NotPublisher, EventTypeUnknown, PersonUnknown.
    """
    _own(ctx, owner)
    if order.subject:
        try:
            person_id = stack.pseudonym.person(ctx.actor.institution, order.subject)
        except Malformed:
            raise PersonUnknown() from None
    permit = policy.decide(ctx, "exchange.publish", policy.NOBODY if person_id is None else person_id)
    event_id, sent = uuid7(), 0
    try:
        async with stack.db.transaction(permit) as tx:
            known = await store.type_named(tx, owner, name)
            if known is None:
                raise EventTypeUnknown()
            readers = await store.readers(tx, owner, name)
            if person_id is not None:
                followers = await store.followers(tx, person_id, owner, name)
                readers = [r for r in readers if r.client in followers]
            for reader in readers:
                told = await _readable(tx, reader, known, order.data, ctx, person_id)
                if told is None:
                    continue
                right, data = told
                await _mail(stack, tx, ctx, reader, event_id, data, person_id)
                sent += 1
                what: dict[str, Any] = {"event": name, "to": reader.client, "law": right.law}
                log.append(tx, permit, subject=person_id, detail=what | {"fields": " ".join(sorted(data))})
            if not sent:
                log.append(tx, permit, detail={"event": f"{owner}/{name}", "readers": 0})
    except Erased:
        raise PersonUnknown() from None
    return Published(event_id, sent)


async def _readable(
    tx: Tx, reader: Subscription, known: EventType, data: dict[str, Any], ctx: Context, person_id: PersonId | None
) -> tuple[Right, dict[str, Any]] | None:
    """What a reader may have of an event, on which right; None for nothing (law 1)."""
    rights = await exchange.rights_to(tx, reader.client, known.service, ctx.at)
    for right, seen in rules.readable(rights, data):
        if right.basis != "consent":
            return right, seen
        if person_id is None:
            continue
        fields = consent_fields(known.service, seen)
        try:
            await consents.live_consent(tx, person_id, institution_of(reader.client), right.purpose, fields)
            return right, seen
        except ConsentMissing:
            continue
    return None


async def _mail(
    stack: Stack, tx: Tx, ctx: Context, reader: Subscription, event_id: UUID, data: Any, person_id: PersonId | None
) -> None:
    subject = msgspec.UNSET if person_id is None else stack.pseudonym.of(institution_of(reader.client), person_id)
    event = CloudEvent(
        str(event_id), f"/{stack.profile.alpha2}/{reader.owner}", reader.event_type, ctx.at.isoformat(), data, subject
    )
    await store.put_mail(
        tx, reader.client, event_id, reader.owner, reader.event_type, ctx.at, reader.callback, _seal(stack, event)
    )


async def fetch(
    stack: Stack, ctx: Context, owner: str, name: str, *, after: str = "", limit: int = 50, dead: bool = False
) -> Box:
    """A page of one's own mailbox, oldest first; what is fetched stays until it is acknowledged (law 3)."""
    permit = policy.decide(ctx, "exchange.fetch", policy.NOBODY)
    try:
        last = UUID(after) if after else store.FIRST
    except ValueError:
        raise Malformed("after is the id of the last event of the page before", field="after", rule="uuid") from None
    state = MailState.DEAD if dead else MailState.WAITING
    async with stack.db.transaction(permit) as tx:
        rows = await store.box(tx, ctx.actor.id, owner, name, state, last, limit + 1)
        log.append(tx, permit, detail={"event": f"{owner}/{name}", "fetched": min(len(rows), limit)})
    shown = rows[:limit]
    following = str(shown[-1]["mail_id"]) if len(rows) > limit else ""
    return Box(tuple(opened(stack, bytes(row["sealed"])) for row in shown), following)


async def acknowledge(stack: Stack, ctx: Context, event_id: UUID) -> bool:
    """Take an event out of one's own mailbox; False when it was not there (any more)."""
    permit = policy.decide(ctx, "exchange.acknowledge", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.drop_mail(tx, ctx.actor.id, event_id)
        log.append(tx, permit, detail={"acknowledged": gone})
    return gone


async def ask_later(stack: Stack, ctx: Context, caller: Caller, call: Call, callback: str) -> None:
    """Take a verified request to be answered later (law 5). Raises CallbackRefused."""
    permit = policy.decide(ctx, "exchange.ask_later", policy.NOBODY)
    callback = rules.callback(SubscribeOrder(callback), stack.settings.callback_hosts.split(","))
    sealed = stack.seal.seal_with_room_key(LATER, msgspec.json.encode(Later(caller, call, callback)))
    async with stack.db.transaction(permit) as tx:
        await stack.outbox.emit(tx, LATER, Waiting(sealed))
        log.append(tx, permit, detail={"service": call.service, "message": call.message_id})


async def put_answer(stack: Stack, ctx: Context, later: Later, told: Released | dict[str, Any]) -> None:
    """Put the answer to a request, or its refusal, into the asker's mailbox."""
    permit = policy.decide(ctx, "exchange.put_answer", policy.NOBODY)
    data: dict[str, Any]
    if isinstance(told, Released):
        record = str(told.record_id or "")
        data = {"status": told.status, "media_type": told.media_type, "record": record}
        data["body"] = told.body.decode("utf-8", "replace")
    else:
        data = told
    call = later.call
    event = CloudEvent(
        call.message_id, f"/{stack.profile.alpha2}/{call.owner}/{call.service}", ANSWERS, ctx.at.isoformat(), data
    )
    async with stack.db.transaction(permit) as tx:
        await store.put_mail(
            tx, call.client, UUID(call.message_id), call.client, ANSWERS, ctx.at, later.callback, _seal(stack, event)
        )
        log.append(tx, permit, detail={"service": call.service, "to": call.client})


async def deliver(stack: Stack, ctx: Context) -> int:
    """Send what is due to callbacks, one transaction each so that a slow one holds up nobody; how many were sent."""
    sent = 0
    policy.decide(ctx, "exchange.deliver", policy.NOBODY)
    for _ in range(BATCH):
        async with stack.db.reading("exchange") as tx:
            if not await store.any_due(tx, clock.now()):
                return sent
        permit = policy.decide(ctx, "exchange.deliver", policy.NOBODY)
        async with stack.db.transaction(permit) as tx:
            rows = await store.due(tx, clock.now(), 1)
            if not rows:
                log.append(tx, permit, detail={"sent": 0})
                return sent
            row = rows[0]
            taken = await outbound.told(stack, row["callback"], row["client"], row["mail_id"], bytes(
                msgspec.json.encode(opened(stack, bytes(row["sealed"])))))  # fmt: skip
            if taken:
                await store.drop_mail(tx, row["client"], row["mail_id"])
                sent += 1
            else:
                tries = row["tries"] + 1
                await store.postpone(tx, row["client"], row["mail_id"], tries, rules.due(tries, clock.now()))
            log.append(tx, permit, detail={"to": row["client"], "taken": taken, "tries": row["tries"] + 1})
    return sent


async def forget_mail(stack: Stack, ctx: Context) -> int:
    """Forget mail that nobody fetched in its time; how much."""
    permit = policy.decide(ctx, "exchange.forget_mail", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        gone = await store.forget(tx, ctx.at - timedelta(days=rules.KEEP_DAYS))
        log.append(tx, permit, detail={"count": gone})
    return gone


async def types_of(stack: Stack, owner: str) -> list[EventType]:
    """The kinds of event of a publisher; public."""
    async with stack.db.reading("exchange") as tx:
        return await store.types_of(tx, owner)


async def subscriptions(stack: Stack, client: str, owner: str) -> list[Subscription]:
    """A client's subscriptions; public, as its rights are."""
    async with stack.db.reading("exchange") as tx:
        return await store.subscriptions(tx, client, owner)
