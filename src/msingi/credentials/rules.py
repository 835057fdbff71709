"""The laws of cards as pure functions: how long one is valid, and what may become of it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from msingi.credentials.errors import CardEnded, CardSuspended, HolderIncomplete, HolderNotActive
from msingi.credentials.model import Card, CardState, Place, Reason
from msingi.credentials.statuslist import Status

LIST_SIZE = 1 << 20
"""Entries of one status list: a million holders hide each other, and the list still fetches in a moment."""
LIST_BITS = 2
LIST_LIFE_S = 72 * 3600
"""How long a fetched list may answer without the network (`exp`); afterwards the status is undetermined."""
LIST_TTL_S = 3600
"""After how long a verifier who has the network should fetch a list again (`ttl`)."""
MINOR_YEARS = 5
MAX_SHEET_CARDS = 200

_IDENTITY_STATES = {
    "suspended": (CardState.SUSPENDED, Reason.HOLDER_SUSPENDED),
    "deactivated": (CardState.REVOKED, Reason.HOLDER_DEACTIVATED),
    "deceased": (CardState.REVOKED, Reason.HOLDER_DEACTIVATED),
    "merged": (CardState.SUSPENDED, Reason.HOLDER_SUSPENDED),  # a merge can be undone
    "active": (CardState.ACTIVE, Reason.HOLDER_REINSTATED),
}


def expiry(issued_on: date, birth_date: str, card_years: int, adult_age: int) -> date:
    """The last day of a card: `card_years` after its issue, at most five for a child, whose face changes.

    A birth date that is not known to the year counts as an adult's.
    """
    years = card_years
    if birth_date and issued_on.year - int(birth_date[:4]) < adult_age:
        years = min(years, MINOR_YEARS)
    try:
        return issued_on.replace(year=issued_on.year + years)
    except ValueError:  # issued on 29 February
        return issued_on.replace(year=issued_on.year + years, day=28)


def validity(issued_on: date, expires_on: date) -> tuple[int, int]:
    """`nbf` and `exp` in seconds since 1970: whole days in UTC, so that no instant links two credentials (law 6).

    The card is good until the end of its last day everywhere, which in UTC is twelve hours after that day ended.
    """
    start = datetime.combine(issued_on, time(), UTC)
    end = datetime.combine(expires_on, time(), UTC) + timedelta(days=1, hours=12)
    return int(start.timestamp()), int(end.timestamp())


def state_on(card: Card, day: date) -> str:
    """What a holder is told: the card's state, or `expired`."""
    if card.state is not CardState.REVOKED and day > card.expires_on:
        return "expired"
    return card.state.value


def may_hold(status: str, name: str, number: str) -> None:
    """Nothing, if a person whose identity has this status, name and number can be given a card.

    Raises HolderNotActive unless the identity is active, HolderIncomplete without a name or a number.
    """
    if status != "active":
        raise HolderNotActive(f"The identity is {status}.", status_of_identity=status)
    for field, value in (("name", name), ("number", number)):
        if not value.strip():
            raise HolderIncomplete(f"The record has no {field}.", field=field)


def may_print(card: Card, today: date) -> None:
    """Nothing, if the card may be printed. Raises CardEnded (law 2) or CardSuspended."""
    _not_ended(card, today)
    if card.state is CardState.SUSPENDED:
        raise CardSuspended()


def change(card: Card, wanted: CardState, reason: Reason, today: date) -> Card:
    """`card` in the wanted state; the same card if it is in that state already.

    Raises CardEnded for a card that is revoked or expired, unless it is only to be revoked (law 2).
    """
    if card.state is wanted:
        return card
    if wanted is not CardState.REVOKED or card.state is CardState.REVOKED:
        _not_ended(card, today)
    return msgspec.structs.replace(card, state=wanted, reason="" if wanted is CardState.ACTIVE else reason.value)


def follow(card: Card, identity_status: str, today: date) -> Card:
    """`card` as it must be when the holder's identity has this status.

    Only a suspension that the identity caused is undone with it: a card that was reported lost stays suspended.
    """
    wanted, reason = _IDENTITY_STATES[identity_status]
    if state_on(card, today) in ("expired", CardState.REVOKED):
        return card
    if wanted is CardState.ACTIVE and card.reason != Reason.HOLDER_SUSPENDED:
        return card
    if wanted is CardState.SUSPENDED and card.state is CardState.SUSPENDED:
        return card
    return change(card, wanted, reason, today)


def listed(state: CardState) -> Status:
    """What the published status list says of a card in this state."""
    return {CardState.ACTIVE: Status.VALID, CardState.SUSPENDED: Status.SUSPENDED}.get(state, Status.INVALID)


def first_free(list_id: int, candidates: Sequence[int], taken: frozenset[int]) -> Place | None:
    """The first of the randomly drawn `candidates` that nobody has; None if the list is as good as full (law 6)."""
    free = next((index for index in candidates if index not in taken), None)
    return None if free is None else Place(list_id, free)


def _not_ended(card: Card, today: date) -> None:
    if card.state is CardState.REVOKED:
        raise CardEnded("The card was revoked.", state="revoked")
    if today > card.expires_on:
        raise CardEnded("The card has expired.", state="expired")
