"""The rows of news: the only file here that runs SQL."""

from datetime import datetime
from uuid import UUID

from msingi.exchange.news.model import EventType, MailState, Subscription
from msingi.kernel import sql
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId

Q = sql.load(__name__)
FIRST = UUID(int=0)


def _subscription(row: Row) -> Subscription:
    return Subscription(row["client"], row["owner"], row["event_type"], row["callback"], row["at"])


def _type(row: Row) -> EventType:
    return EventType(row["owner"], row["event_type"], row["service"], row["title"], row["at"])


async def put_type(tx: Tx, made: EventType) -> None:
    """Keep a kind of event."""
    await tx.do(Q.put_type, made.owner, made.event_type, made.service, made.title, made.at)


async def type_named(tx: Tx, owner: str, name: str) -> EventType | None:
    """One kind of event."""
    row = await tx.row(Q.type_by_name, owner, name)
    return None if row is None else _type(row)


async def types_of(tx: Tx, owner: str) -> list[EventType]:
    """The kinds of event of a publisher."""
    return [_type(row) for row in await tx.rows(Q.types_of, owner)]


async def drop_type(tx: Tx, owner: str, name: str) -> bool:
    """End a kind of event; False when there was none."""
    return await tx.do(Q.drop_type, owner, name) == 1


async def put_subscription(tx: Tx, made: Subscription) -> None:
    """Keep a subscription."""
    await tx.do(Q.put_subscription, made.client, made.owner, made.event_type, made.callback, made.at)


async def drop_subscription(tx: Tx, client: str, owner: str, name: str) -> bool:
    """End a subscription; False when there was none."""
    return await tx.do(Q.drop_subscription, client, owner, name) == 1


async def subscriptions(tx: Tx, client: str, owner: str) -> list[Subscription]:
    """A client's subscriptions to a publisher's events."""
    return [_subscription(row) for row in await tx.rows(Q.subscriptions_of, client, owner)]


async def readers(tx: Tx, owner: str, name: str) -> list[Subscription]:
    """Who subscribes to a kind of event."""
    return [_subscription(row) for row in await tx.rows(Q.readers, owner, name)]


async def followers(tx: Tx, person_id: PersonId, owner: str, name: str) -> set[str]:
    """Which clients follow a person."""
    return {row["client"] for row in await tx.rows(Q.followers, person_id, owner, name)}


async def follow(tx: Tx, person_id: PersonId, client: str, owner: str, name: str, *, on: bool) -> None:
    """Follow a person, or no longer."""
    await tx.do(Q.follow if on else Q.unfollow, person_id, client, owner, name)


async def put_mail(
    tx: Tx, client: str, mail_id: UUID, owner: str, name: str, at: datetime, callback: str, sealed: bytes
) -> None:
    """Put an event into a mailbox; one with a callback is due at once."""
    await tx.do(Q.put_mail, client, mail_id, owner, name, at, callback, at if callback else None, sealed)


async def box(tx: Tx, client: str, owner: str, name: str, state: MailState, after: UUID, limit: int) -> list[Row]:
    """A page of a mailbox, sealed."""
    return await tx.rows(Q.box, client, owner, name, state, after, limit)


async def drop_mail(tx: Tx, client: str, mail_id: UUID) -> bool:
    """Take a piece of mail out of its mailbox; False when it was not there."""
    return await tx.do(Q.drop_mail, client, mail_id) == 1


async def any_due(tx: Tx, at: datetime) -> bool:
    """Whether any callback is due."""
    return await tx.value(Q.any_due, at)


async def due(tx: Tx, at: datetime, limit: int) -> list[Row]:
    """Mail whose callback is due, sealed."""
    return await tx.rows(Q.due_mail, at, limit)


async def postpone(tx: Tx, client: str, mail_id: UUID, tries: int, due_at: datetime | None) -> None:
    """Try again later; without a time it is a dead letter."""
    await tx.do(Q.postpone_mail, client, mail_id, tries, due_at, MailState.WAITING if due_at else MailState.DEAD)


async def forget(tx: Tx, before: datetime) -> int:
    """Forget old mail; how much."""
    return await tx.do(Q.forget_mail, before)
