"""The laws of civil registration as pure functions."""

from datetime import date, timedelta
from typing import Final

from msingi.identity.civil.model import DeathOrder, EventKind, Facts
from msingi.identity.model import Birth, Demographics
from msingi.kernel.errors import Malformed

# A registration is late beyond these days; what a country charges or asks for then is its law's business.
LATE_AFTER: Final = {EventKind.BIRTH: timedelta(days=90), EventKind.DEATH: timedelta(days=30)}


def check_death(order: DeathOrder, birth: Birth, regions: frozenset[str], today: date) -> None:
    """Raises Malformed, naming field and rule, for a day that is no day of this life, or an unknown region (law 3)."""
    if order.died_on > today:
        raise Malformed("The day lies ahead.", field="died_on", rule="not-in-the-future")
    if birth.date and order.died_on.isoformat()[: len(birth.date)] < birth.date and not birth.approximate:
        raise Malformed("Nobody dies before birth.", field="died_on", rule="after-birth")
    if order.region and order.region not in regions:
        raise Malformed("The region is not in the country profile.", field="region", rule="known-region")


def is_late(kind: EventKind, happened_on: date, registered_on: date) -> bool:
    """Whether a registration comes later than the law wants."""
    return registered_on - happened_on > LATE_AFTER[kind]


def entry_number(kind: EventKind, year: int, number: int) -> str:
    """How an entry is called: its register, year and number, such as B-2026-000123."""
    return f"{kind.value[0].upper()}-{year}-{number:06d}"


def birth_facts(child: Demographics, place: str, mother: str) -> Facts:
    """What the entry of a birth says."""
    return Facts(child.name.full, child.sex.value, child.birth.date, place, child.region, mother=mother)


def death_facts(known: Demographics, order: DeathOrder, place: str, informant: str) -> Facts:
    """What the entry of a death says."""
    day, region = order.died_on.isoformat(), order.region or known.region
    return Facts(known.name.full, known.sex.value, day, place, region, known.birth.date, informant=informant)


def corrected(facts: Facts, known: Demographics, kind: EventKind, place: str | None) -> Facts:
    """The entry in the words of the record as it is now; a place only if one is given.

    Raises Malformed if nothing would change.
    """
    after = Facts(
        known.name.full,
        known.sex.value,
        known.birth.date if kind is EventKind.BIRTH else facts.day,
        facts.place if place is None else place,
        facts.region,
        known.birth.date if kind is EventKind.DEATH else "",
        facts.mother,
        facts.informant,
    )
    if after == facts:
        raise Malformed("The entry says so already.", field="entry", rule="a-change")
    return after
