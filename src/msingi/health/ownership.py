"""Whose record every entry of a transaction belongs to (laws 1, 3 and 4). Called by `acts` and `finding`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from sys import intern
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct, field

from msingi.health import extraction, rules, searching, store
from msingi.health.errors import OwnerChanged, PersonNotNamed, PersonUnknown, UnresolvedReference
from msingi.health.extraction import Index
from msingi.health.model import ResourceId
from msingi.health.rules import Entry
from msingi.health.searching import Pairs
from msingi.identity import acts as identity
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.pseudonym import person_behind, pseudonym_of
from msingi.kernel.stack import Stack

REMEMBERED = 10_000


class Place(NamedTuple):
    """Where an id stands: resource type, institution, person."""

    rtype: str
    institution: str
    person_id: PersonId


class Plan(Struct):
    """What is known before the transaction opens: the entries, each one's owner, and the numbers to hide.

    `people` maps every address of a Patient (fullUrl, `Patient/id`, conditional reference) to its person, `pseudonyms`
    the people of Patients that are written to what the writing institution calls them.
    """

    entries: list[Entry]
    owners: list[PersonId | None] = field(default_factory=list)
    people: dict[str, PersonId] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    pseudonyms: dict[PersonId, str] = field(default_factory=dict)
    registry_ids: set[UUID] = field(default_factory=set)

    @property
    def subjects(self) -> tuple[PersonId, ...]:
        """The people whose records the transaction writes."""
        return tuple(dict.fromkeys(o for o in self.owners if o is not None))


def index_of(stack: Stack) -> Index:
    """The maker of blinded keys."""
    return _index(stack.keys.mac("blind", "health"))


@lru_cache(maxsize=4)
def _index(secret: bytes) -> Index:
    return Index(secret)


def pseudonym_system(stack: Stack, institution: str) -> str:
    """The identifier system of an institution's pseudonyms of people."""
    return f"urn:msingi:{stack.profile.code}:pseudonym:{institution}"


async def person_of(stack: Stack, ctx: Context, system: str, value: str) -> PersonId | None:
    """The person behind an identity number or this institution's pseudonym; None for any other system.

    Raises PersonUnknown if the number or pseudonym has not the form of one, or nobody has it.
    """
    try:
        if system == stack.profile.number_system:
            return await identity.person_by_number(stack, ctx, value)
        if system == pseudonym_system(stack, ctx.actor.institution):
            return await person_behind(stack, ctx, ctx.actor.institution, value)
    except (Malformed, NotFound):
        raise PersonUnknown() from None
    return None


async def places(stack: Stack, ids: Sequence[UUID]) -> dict[UUID, Place]:
    """In whose record, as what and where each id stands; unknown ids are absent.

    An id never changes its type, institution or person, so what was read once is remembered.
    """
    shelf = stack.local.setdefault("health.places", OrderedDict())
    assert isinstance(shelf, OrderedDict)
    missing = [id for id in ids if id not in shelf]
    if missing:
        async with stack.db.reading("health") as tx:
            for row in await store.owners(tx, missing):
                shelf[row["id"]] = Place(intern(row["rtype"]), intern(row["institution"]), PersonId(row["person_id"]))
    found = {id: shelf[id] for id in ids if id in shelf}
    while len(shelf) > REMEMBERED:
        shelf.popitem(last=False)
    return found


async def prepare(stack: Stack, ctx: Context, entries: list[Entry]) -> Plan:
    """Find the owner of every entry (law 1). Raises PersonNotNamed, PersonUnknown, RegistryOnly, NotFound."""
    plan = Plan(entries)
    wanted = {e.id for e in entries if e.id is not None}
    for entry in entries:
        for reference in rules.owner_references(entry.resource):
            kind, _, tail = extraction.relative(reference).partition("/")
            if kind == "Patient" and (found := searching.uuid_of(tail)):
                wanted.add(ResourceId(found))
    directory = await places(stack, list(wanted))
    if others := [e.id for e in entries if e.id is not None and e.id not in directory]:
        async with stack.db.reading("health") as tx:
            plan.registry_ids = {r["id"] for r in await store.registry_by_ids(tx, others)}
    mine = ctx.actor.institution
    for id, place in directory.items():
        if place.rtype == "Patient" and place.institution == mine:
            plan.people[f"Patient/{id}"] = place.person_id
    for entry in entries:
        if entry.rtype == "Patient":
            await _patient(stack, ctx, plan, entry)
        for reference in rules.owner_references(entry.resource):
            if reference.startswith("Patient?") and reference not in plan.people:
                plan.people[reference] = await _by_condition(stack, ctx, rules.query_pairs(reference[8:]))
    for entry in entries:
        owner = _owner(entry, plan, directory, mine)
        plan.owners.append(owner)
        if entry.rtype == "Patient" and owner is not None:
            plan.pseudonyms[owner] = await pseudonym_of(stack, ctx, mine, owner)
    return plan


async def _patient(stack: Stack, ctx: Context, plan: Plan, entry: Entry) -> None:
    """Learn which person a Patient is, and which number must not be kept (laws 1 and 4)."""
    mine = ctx.actor.institution
    number_system = stack.profile.number_system
    found: set[PersonId] = set()
    for system in (number_system, pseudonym_system(stack, mine)):
        for value in rules.identifiers(entry.resource, system):
            person = await person_of(stack, ctx, system, value)
            if person is None:
                continue
            found.add(person)
            if system == number_system:
                shown = await pseudonym_of(stack, ctx, mine, person)
                plan.hidden.update({spelling: shown for spelling in rules.spellings(value)})
    if entry.id is not None and (owner := plan.people.get(f"Patient/{entry.id}")):
        found.add(owner)
    if entry.if_none_exist and not found:
        found.add(await _by_condition(stack, ctx, entry.if_none_exist))
    if len(found) > 1:
        raise OwnerChanged("The Patient carries identifiers of two people.", entry=entry.index)
    if not found:
        raise PersonNotNamed(
            f"Patient.identifier needs a value of system {number_system}.",
            entry=entry.index,
            field="Patient.identifier",
        )
    person = found.pop()
    for name in [*rules.bundle_names(entry), f"#{entry.index}"]:
        plan.people[name] = person


async def _by_condition(stack: Stack, ctx: Context, pairs: Pairs) -> PersonId:
    """The person whom `identifier=system|value` names."""
    for name, value in pairs:
        if name == "identifier":
            system, code = searching.token(value)
            person = await person_of(stack, ctx, system or "", code)
            if person is not None:
                return person
    raise UnresolvedReference("A Patient is found by identity number or by the institution's pseudonym.")


def _owner(entry: Entry, plan: Plan, directory: dict[UUID, Place], mine: str) -> PersonId | None:
    """The person in whose record an entry stands, None for a registry."""
    if entry.id is not None:
        place = directory.get(entry.id)
        if place is None and entry.id in plan.registry_ids:
            rules.owned(entry, plan.people)
            return None
        if place is None or (place.rtype, place.institution) != (entry.rtype, mine):
            raise NotFound(entry=entry.index)
        if entry.rtype != "Patient" and plan.people[rules.owned(entry, plan.people)] != place.person_id:
            raise OwnerChanged(entry=entry.index)
        return place.person_id
    if entry.rtype == "Patient":
        return plan.people[f"#{entry.index}"]
    reference = rules.owned(entry, plan.people)
    return plan.people[reference] if reference else None
