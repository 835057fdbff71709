"""The laws of news as pure functions."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from msingi.exchange.errors import BadCall
from msingi.exchange.model import Right
from msingi.exchange.news.errors import CallbackRefused
from msingi.exchange.news.model import ANSWERS, SubscribeOrder
from msingi.exchange.rules import filtered

TYPE = re.compile(r"[a-z][a-z0-9-]{1,62}")
MOST_TRIES, KEEP_DAYS, MOST_FOLLOWED = 8, 30, 1_000


def event_type(text: str) -> str:
    """The name of a kind of event. Raises BadCall."""
    if not TYPE.fullmatch(text) or text == ANSWERS:
        raise BadCall("2 to 63 lower-case letters, digits and hyphens", field="eventType")
    return text


def callback(order: SubscribeOrder, hosts: Iterable[str]) -> str:
    """The callback of a subscription, if the operator named its host. Raises CallbackRefused, BadCall."""
    if len(order.follow) + len(order.unfollow) > MOST_FOLLOWED:
        raise BadCall(f"at most {MOST_FOLLOWED} people at once", field="follow")
    if not order.callback:
        return ""
    url = urlsplit(order.callback)
    if url.scheme not in ("http", "https") or url.username or len(order.callback) > 500:
        raise CallbackRefused("an http or https address", field="callback")
    if url.netloc.lower() not in {host.strip().lower() for host in hosts if host.strip()}:
        raise CallbackRefused("the operator has not named this host", field="callback")
    return order.callback


def due(tries: int, now: datetime) -> datetime | None:
    """When a callback that failed `tries` times is tried again; None when it is a dead letter (law 3)."""
    return None if tries >= MOST_TRIES else now + timedelta(seconds=2.0**tries)


def readable(rights: Iterable[Right], data: dict[str, Any]) -> list[tuple[Right, dict[str, Any]]]:
    """What each of a subscriber's rights lets it read of an event, the widest first (law 1)."""
    found = [(right, filtered(data, right.fields)) for right in rights]
    return sorted(((r, seen) for r, seen in found if seen), key=lambda one: -len(one[1]))
