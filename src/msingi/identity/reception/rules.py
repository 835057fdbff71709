"""The laws of reception as pure functions: references, slots, and what becomes of a packet."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from msingi.identity.reception.model import Centre, Packet, Slot
from msingi.kernel.errors import Malformed

LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U, so that nothing is misread or spells a word."""
REFERENCE: Final = 12
KEPT: Final = timedelta(days=60)
AHEAD: Final = timedelta(days=45)
MOST_AN_HOUR: Final = 30
FUTURE: Final = timedelta(minutes=10)
_ALIKE: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})


def reference_of(number: int) -> str:
    """A reference of twelve letters (60 bits) from a random number below 2**60."""
    return "".join(LETTERS[number >> 5 * place & 31] for place in range(REFERENCE))


def reference_in(text: str) -> str:
    """The reference in what was typed or scanned: blanks, hyphens and small letters do not matter, nor do I, L and O.

    Raises Malformed for what is none.
    """
    plain = "".join(c for c in text[-40:].upper() if c.isalnum()).translate(_ALIKE)
    if len(plain) != REFERENCE or any(c not in LETTERS for c in plain):
        raise Malformed("A reference has twelve letters and digits.", field="reference", rule="12-letters")
    return plain


def reference_text(reference: str) -> str:
    """The reference as people read it aloud: three groups of four."""
    return "-".join(reference[i : i + 4] for i in range(0, REFERENCE, 4))


def check_centre(centre: Centre, regions: frozenset[str]) -> None:
    """Raises Malformed, naming field and rule, for a centre that could not work."""
    if not 2 <= len(centre.centre) <= 40 or not all(c.isalnum() or c == "-" for c in centre.centre):
        raise Malformed("Letters, digits and hyphens.", field="centre", rule="2-40-characters")
    if centre.region not in regions:
        raise Malformed("The region is not in the country profile.", field="region", rule="known-region")
    if not centre.name or not 1 <= centre.desks <= 200 or not 5 <= centre.slot_min <= 480:
        raise Malformed("A name, 1 to 200 desks, slots of 5 to 480 minutes.", field="desks", rule="possible-hours")
    if not 0 <= centre.opens_min <= centre.closes_min - centre.slot_min <= 1440 - centre.slot_min:
        raise Malformed("It opens before it closes, within one day.", field="closes_min", rule="possible-hours")
    if not centre.weekdays or not set(centre.weekdays) <= set(range(1, 8)):
        raise Malformed("Weekdays are 1 (Monday) to 7.", field="weekdays", rule="iso-8601-weekday")


def slots(centre: Centre, taken: Mapping[tuple[date, int], int], since: date, days: int = AHEAD.days) -> list[Slot]:
    """The times of a centre that have a free desk, from the day after `since` on."""
    found = []
    for ahead in range(1, days + 1):
        day = since + timedelta(days=ahead)
        if day.isoweekday() not in centre.weekdays:
            continue
        for at in range(centre.opens_min, centre.closes_min - centre.slot_min + 1, centre.slot_min):
            free = centre.desks - taken.get((day, at), 0)
            if free > 0:
                found.append(Slot(day, at, free))
    return found


def check_slot(centre: Centre, day: date | None, at_min: int | None, today: date) -> tuple[date, int]:
    """The day and time, if the centre is open then. Raises Malformed."""
    if day is None or at_min is None or not centre.open:
        raise Malformed("Choose a day and a time.", field="day", rule="a-slot")
    if not today < day <= today + AHEAD or day.isoweekday() not in centre.weekdays:
        raise Malformed("The centre takes nobody on this day.", field="day", rule="open-day")
    if not centre.opens_min <= at_min <= centre.closes_min - centre.slot_min or (
        (at_min - centre.opens_min) % centre.slot_min
    ):
        raise Malformed("The centre has no such time.", field="at_min", rule="a-slot")
    return day, at_min


def free_desk(desks: int, taken: Iterable[int]) -> int | None:
    """The first desk that nobody has, or None."""
    occupied = set(taken)
    return next((desk for desk in range(desks) if desk not in occupied), None)


def check_packet(packet: Packet, device: str, now: datetime) -> None:
    """Raises Malformed for a packet that is not its device's, or says that it comes from the future."""
    if packet.device != device:
        raise Malformed("The packet names another device than its signature.", field="device", rule="own-device")
    if not 1 <= packet.sequence < 2**31:
        raise Malformed("Packets are counted from 1.", field="sequence", rule="counted")
    if packet.captured_at.tzinfo is None or packet.captured_at > now + FUTURE:
        raise Malformed("The time lies ahead, or has no offset.", field="captured_at", rule="not-in-the-future")


def missing(sequences: Sequence[int], most: int = 100) -> tuple[int, ...]:
    """The numbers up to the highest that have not arrived (law 4), at most `most` of them."""
    known = set(sequences)
    gaps = (n for n in range(1, max(known, default=0)) if n not in known)
    return tuple(n for _, n in zip(range(most), gaps, strict=False))
