"""Entries of the civil register inside one transaction; the acts of the rooms around it call this."""

from datetime import date
from typing import Final

import msgspec

from msingi.identity import store as people
from msingi.identity.civil import rules, store
from msingi.identity.civil.model import Entry, EntryState, EventKind, Facts
from msingi.identity.model import Demographics, encoded
from msingi.kernel import clock
from msingi.kernel.db import Row, Tx
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

VERSION: Final = "identity.version"
LABEL: Final = "identity.civil-entry"
BIRTHPLACE: Final = "identity.birth"


async def enter(
    tx: Tx, stack: Stack, person_id: PersonId, kind: EventKind, happened_on: date, facts: Facts, by: str
) -> str:
    """Make a new entry; gives its number of the year's register (law 2)."""
    at = clock.now()
    before = await store.entries(tx, person_id, kind)
    number = await store.next_number(tx, f"{kind}-{at.year}")
    called = rules.entry_number(kind, at.year, number)
    late = rules.is_late(kind, happened_on, at.date())
    sealed = await stack.seal.seal(tx, person_id, encoded(facts), LABEL)
    where = happened_on, facts.region, late, sealed, by, at
    await store.add_entry(tx, person_id, kind, len(before) + 1, called, *where)
    return called


async def enter_birth(tx: Tx, stack: Stack, child: PersonId, by: str) -> str:
    """The entry of a birth whose child has just been enrolled; a child of the register whose birth day is known."""
    row, _ = (await people.people(tx, [child]))[child]
    known = await _known(tx, stack, child, row["sealed"])
    sealed, mother_id = await store.birth_of(tx, child)
    place = "" if sealed is None else (await stack.seal.unseal(tx, child, bytes(sealed), BIRTHPLACE)).decode()
    mother = ""
    if mother_id is not None:
        found = await people.people(tx, [mother_id])
        if mother_id in found:
            mother = (await _known(tx, stack, mother_id, found[mother_id][0]["sealed"])).name.full
    day = known.birth.day or clock.today()
    return await enter(tx, stack, child, EventKind.BIRTH, day, rules.birth_facts(known, place, mother), by)


async def _known(tx: Tx, stack: Stack, person_id: PersonId, sealed: bytes) -> Demographics:
    return msgspec.msgpack.decode(await stack.seal.unseal(tx, person_id, sealed, VERSION), type=Demographics)


async def opened(tx: Tx, stack: Stack, row: Row) -> Entry:
    """An entry from its row. Raises Erased."""
    person_id = PersonId(row["person_id"])
    facts = msgspec.msgpack.decode(await stack.seal.unseal(tx, person_id, row["sealed"], LABEL), type=Facts)
    return Entry(
        person_id,
        EventKind(row["kind"]),
        row["version"],
        row["entry_number"],
        EntryState(row["state"]),
        row["late"],
        facts,
        row["registered_at"],
    )
