"""Nouns of news: event types, subscriptions, what lies in a mailbox."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

ANSWERS = "answers"  # the event type under which answers to requests for later lie in the asker's mailbox


class MailState(StrEnum):
    """Where a piece of mail is: waiting for its reader, or a dead letter whose callback never took it."""

    WAITING = "waiting"
    DEAD = "dead"


class EventType(Struct, frozen=True):
    """A kind of event of a publisher; rights to `service` say who may get it and which fields."""

    owner: str
    event_type: str
    service: str
    title: str
    at: datetime


class TypeOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """A publisher describes a kind of event."""

    eventType: str
    service: str
    title: str = ""


class Subscription(Struct, frozen=True):
    """Who gets which events; `callback` empty: they wait in the mailbox."""

    client: str
    owner: str
    event_type: str
    callback: str
    at: datetime


class SubscribeOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """How a subscriber wants its events, and whom it follows or follows no longer, by its own pseudonyms."""

    callback: str = ""
    follow: tuple[str, ...] = ()
    unfollow: tuple[str, ...] = ()


class PublishOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """An event: `subject` is the publisher's own pseudonym of the person, empty for an event about nobody."""

    data: dict[str, Any]
    subject: str = ""


class CloudEvent(Struct, frozen=True):
    """An event as its reader gets it (CloudEvents 1.0); `subject` is the reader's own pseudonym of the person."""

    id: str
    source: str
    type: str
    time: str
    data: Any
    subject: str | UnsetType = UNSET
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


class Box(Struct, frozen=True):
    """A page of a mailbox, oldest first; `next` is the id to go on after, empty at the end."""

    events: tuple[CloudEvent, ...]
    next: str


class Published(Struct, frozen=True):
    """What became of a publication: its id, and to how many it goes."""

    id: UUID
    readers: int
