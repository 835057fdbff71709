"""How a transaction is carried out: whose it is, what is there already, what is written. Called by `acts` alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from uuid import UUID

from msgspec import Struct, field

from msingi.health import extraction, rules, searching, store, wire
from msingi.health.errors import (
    OwnerChanged,
    PatientExists,
    PersonNotNamed,
    PersonUnknown,
    SeveralMatches,
    UnresolvedReference,
    VersionConflict,
)
from msingi.health.extraction import Index
from msingi.health.model import COUNTED, EARLIEST, LATEST, REGISTRIES, Cohort, Json, Outcome, ResourceId, Row, Stored
from msingi.health.rules import Entry
from msingi.health.searching import Pairs
from msingi.identity import acts as identity
from msingi.kernel import log
from msingi.kernel.context import Context
from msingi.kernel.db import Row as Record
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, Malformed, NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

FIRST_PAGE = (LATEST, UUID(int=2**128 - 1))


class Plan(Struct):
    """What is known before the transaction opens: the entries, each one's owner, and the numbers to hide.

    `people` maps every address of a Patient (fullUrl, `Patient/id`, conditional reference) to its person.
    """

    entries: list[Entry]
    owners: list[PersonId | None] = field(default_factory=list)
    people: dict[str, PersonId] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    registry_ids: set[UUID] = field(default_factory=set)

    @property
    def subjects(self) -> tuple[PersonId, ...]:
        """The people whose records the transaction writes."""
        return tuple(dict.fromkeys(o for o in self.owners if o is not None))


def index_of(stack: Stack) -> Index:
    """The maker of blinded keys."""
    return _index(stack.keys.mac("blind"))


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
            return stack.pseudonym.person(ctx.actor.institution, value)
    except (Malformed, NotFound):
        raise PersonUnknown() from None
    return None


async def prepare(stack: Stack, ctx: Context, entries: list[Entry]) -> Plan:
    """Find the owner of every entry (law 1). Raises PersonNotNamed, PersonUnknown, RegistryOnly, NotFound."""
    plan = Plan(entries)
    wanted = {e.id for e in entries if e.id is not None}
    for entry in entries:
        for reference in rules.owner_references(entry.resource):
            kind, _, tail = extraction.relative(reference).partition("/")
            if kind == "Patient" and (found := searching.uuid_of(tail)):
                wanted.add(ResourceId(found))
    async with stack.db.reading("health") as tx:
        directory = {r["id"]: r for r in await store.owners(tx, list(wanted))}
        plan.registry_ids = {r["id"] for r in await store.registry_by_ids(tx, list(wanted - set(directory)))}
    mine = ctx.actor.institution
    for id, row in directory.items():
        if row["rtype"] == "Patient" and row["institution"] == mine:
            plan.people[f"Patient/{id}"] = PersonId(row["person_id"])
    for entry in entries:
        if entry.rtype == "Patient":
            await _patient(stack, ctx, plan, entry)
        for reference in rules.owner_references(entry.resource):
            if reference.startswith("Patient?") and reference not in plan.people:
                plan.people[reference] = await _by_condition(stack, ctx, rules.query_pairs(reference[8:]))
    for entry in entries:
        plan.owners.append(_owner(entry, plan, directory, mine))
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
                shown = stack.pseudonym.of(mine, person)
                plan.hidden.update({spelling: shown for spelling in rules.spellings(value)})
    if entry.id is not None and (owner := plan.people.get(f"Patient/{entry.id}")):
        found.add(owner)
    if entry.if_none_exist and not found:
        found.add(await _by_condition(stack, ctx, entry.if_none_exist))
    if len(found) > 1:
        raise OwnerChanged("The Patient carries identifiers of two people.", entry=entry.index)
    if not found:
        raise PersonNotNamed(
            f"Patient.identifier needs a value of system {number_system}.", entry=entry.index, field="Patient.identifier"
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


def _owner(entry: Entry, plan: Plan, directory: dict[UUID, Record], mine: str) -> PersonId | None:
    """The person in whose record an entry stands, None for a registry."""
    if entry.id is not None:
        row = directory.get(entry.id)
        known = row is not None and row["rtype"] == entry.rtype and row["institution"] == mine
        if not known and entry.id not in plan.registry_ids:
            raise NotFound(entry=entry.index)
        if row is not None and entry.rtype != "Patient":
            reference = rules.owned(entry, plan.people)
            if plan.people[reference] != row["person_id"]:
                raise OwnerChanged(entry=entry.index)
        if row is None:
            rules.owned(entry, plan.people)
        return PersonId(row["person_id"]) if row is not None else None
    if entry.rtype == "Patient":
        return plan.people[f"#{entry.index}"]
    reference = rules.owned(entry, plan.people)
    return plan.people[reference] if reference else None


async def carry_out(stack: Stack, tx: Tx, permit: Permit, plan: Plan) -> list[Outcome]:
    """Write what the plan asks for and leave a leaf for each person concerned; everything or nothing (law 2)."""
    mine = permit.context.actor.institution
    conditions = [e for e in plan.entries if e.if_none_exist or e.rtype == "Patient"]
    await store.lock_conditions(tx, [_condition(stack, plan, e, mine) for e in conditions])
    patients = await store.patients_of(tx, plan.subjects, mine)
    names: dict[str, str] = {}
    present: dict[int, Stored] = {}
    ids: dict[int, ResourceId] = {}
    for entry, owner in zip(plan.entries, plan.owners, strict=True):
        match = await _existing(stack, tx, entry, owner, mine, patients)
        if match is not None:
            present[entry.index] = match
        ids[entry.index] = match.id if match else entry.id or ResourceId(uuid7())
        for name in rules.bundle_names(entry):
            names[name] = f"{entry.rtype}/{ids[entry.index]}"
    await _resolve_conditions(stack, tx, plan, patients, names, ids)
    outcomes = await _write(stack, tx, permit, plan, names, present, ids)
    for subject in plan.subjects or (None,):
        kinds = Counter(e.rtype for e, o in zip(plan.entries, plan.owners, strict=True) if o == subject)
        listed = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common(12))
        log.append(tx, permit, subject=subject, detail={"resources": sum(kinds.values()), "types": listed})
    return outcomes


def _condition(stack: Stack, plan: Plan, entry: Entry, mine: str) -> int:
    owner = plan.owners[entry.index]
    what = "Patient" if entry.rtype == "Patient" else repr(entry.if_none_exist)
    return index_of(stack).key(entry.rtype, "condition", f"{mine}/{owner}", what)


async def _existing(
    stack: Stack, tx: Tx, entry: Entry, owner: PersonId | None, mine: str, patients: dict[PersonId, Record]
) -> Stored | None:
    """The resource that a conditional create finds (3.1.0.8.1). Raises PatientExists for a second Patient (law 3)."""
    if entry.method == "PUT":
        return None
    if entry.rtype == "Patient" and owner is not None:
        known = patients.get(owner)
        if known is not None and not entry.if_none_exist:
            raise PatientExists(id=str(known["id"]))
        return await opened(stack, tx, known) if known is not None else None
    if not entry.if_none_exist:
        return None
    found = await matches(stack, tx, entry.rtype, entry.if_none_exist, owner, mine)
    if len(found) > 1:
        raise SeveralMatches(entry=entry.index)
    return found[0] if found else None


async def matches(
    stack: Stack, tx: Tx, rtype: str, pairs: Pairs, owner: PersonId | None, mine: str
) -> list[Stored]:
    """Up to two resources that fit a condition: in the owner's record here, or in the registry."""
    query = searching.parse(rtype, pairs)
    if not query.clauses and not query.ids:
        raise UnresolvedReference("A condition needs at least one search parameter.")
    now = tx.permits[0].context.at
    rows = await store.candidates(
        tx, rtype, person_id=owner, institution=mine, registry=owner is None,
        keys=searching.probes(query, index_of(stack)), existing=LATEST, after=FIRST_PAGE,
        bounds=searching.bounds(query), ids=query.ids, limit=50,
    )
    found = [await opened(stack, tx, row) for row in rows]
    return [one for one in found if searching.fits(query, one.body, one.updated, now)][:2]


async def _resolve_conditions(
    stack: Stack, tx: Tx, plan: Plan, patients: dict[PersonId, Record], names: dict[str, str],
    ids: dict[int, ResourceId],
) -> None:
    """Give every conditional reference the one resource that it means; a Patient of the bundle itself may be it."""
    mine = tx.permits[0].context.actor.institution
    in_bundle = {plan.owners[e.index]: ids[e.index] for e in plan.entries if e.rtype == "Patient"}
    for entry in plan.entries:
        for reference in set(rules.open_references(entry.resource)) - set(names):
            kind, _, query = reference.partition("?")
            if not query:
                continue
            if kind == "Patient":
                person = plan.people.get(reference)
                known = patients.get(person) if person else None
                target = known["id"] if known else in_bundle.get(person)
                found = [target] if target else []
            elif kind in REGISTRIES:
                found = [one.id for one in await matches(stack, tx, kind, rules.query_pairs(query), None, mine)]
            else:
                found = []
            if len(found) != 1:
                raise UnresolvedReference(f"{len(found)} matches.", entry=entry.index)
            names[reference] = f"{kind}/{found[0]}"


async def _write(
    stack: Stack, tx: Tx, permit: Permit, plan: Plan, names: dict[str, str], present: dict[int, Stored],
    ids: dict[int, ResourceId],
) -> list[Outcome]:
    """Turn entries into rows, write the new ones together and the changed ones in turn."""
    outcomes: list[Outcome] = []
    fresh: list[Row] = []
    postings: list[tuple[PersonId, int, UUID, object]] = []
    for entry, owner in zip(plan.entries, plan.owners, strict=True):
        if entry.index in present:
            outcomes.append(Outcome(200, present[entry.index]))
            continue
        version = 1 if entry.id is None else await _next_version(tx, entry, owner)
        stored = _stored(stack, permit, plan, entry, names, ids[entry.index], version)
        row = await _row(stack, tx, stored)
        if version == 1:
            fresh.append(row)
        else:
            await store.replace(tx, row)
        if owner is not None:
            hashes = counted(index_of(stack), stored.body)
            if version > 1 and entry.rtype in COUNTED:
                await store.post(tx, owner, stored.id, row.started, hashes, anew=True)
            else:
                postings += [(owner, one, stored.id, row.started) for one in hashes]
            if entry.rtype == "Patient":
                await store.set_cohort(tx, _cohort(stack, owner, stored.body))
        outcomes.append(Outcome(201 if version == 1 else 200, stored))
    await store.add(tx, fresh)
    await store.post_all(tx, postings)  # type: ignore[arg-type]
    return outcomes


async def _next_version(tx: Tx, entry: Entry, owner: PersonId | None) -> int:
    assert entry.id is not None
    row = await store.lock(tx, owner, entry.rtype, entry.id)
    mine = tx.permits[0].context.actor.institution
    if row is None or row["institution"] != mine:
        raise NotFound(entry=entry.index)
    if entry.if_match and entry.if_match != row["version"]:
        raise VersionConflict(entry=entry.index, version=row["version"])
    return int(row["version"]) + 1


def _stored(
    stack: Stack, permit: Permit, plan: Plan, entry: Entry, names: dict[str, str], id: ResourceId, version: int
) -> Stored:
    """The resource as it will be kept: references rewritten, number hidden, our id and version (laws 2 and 4)."""
    ctx, owner = permit.context, plan.owners[entry.index]
    mine = ctx.actor.institution
    body: Json = entry.resource
    if entry.rtype == "Patient" and owner is not None:
        system = pseudonym_system(stack, mine)
        body = rules.with_pseudonym(body, stack.profile.number_system, system, stack.pseudonym.of(mine, owner))
    body = rules.rewrite(body, names, plan.hidden)
    rules.all_resolved(entry, body)
    updated = ctx.at.replace(microsecond=ctx.at.microsecond // 1000 * 1000)
    body = rules.stored_form(body, entry.rtype, id, version, wire.instant(updated))
    return Stored(entry.rtype, id, version, updated, mine, owner, body)


def label(rtype: str, id: UUID, version: int) -> str:
    """What binds a sealed body to its place."""
    return f"health.{rtype}/{id}/{version}"


async def _row(stack: Stack, tx: Tx, stored: Stored) -> Row:
    packed = wire.pack(stored.body)
    if stored.person_id is not None:
        try:
            name = label(stored.rtype, stored.id, stored.version)
            packed = await stack.seal.seal(tx, stored.person_id, packed, name)
        except Erased:
            raise PersonUnknown() from None  # a forged pseudonym, or a person whose key was erased
    started, ended = extraction.clinical_time(stored.body, stored.updated)
    started, ended = max(started, EARLIEST + timedelta(days=2)), min(ended, LATEST)
    keys = index_of(stack).keys(stored.body)
    return Row(stored.rtype, stored.id, stored.version, stored.institution, stored.person_id, stored.updated,
               started, ended, keys, packed)


async def opened(stack: Stack, tx: Tx, row: Record) -> Stored:
    """A row, unsealed. Raises Erased if the person's key is gone."""
    packed = bytes(row["body"])
    person_id = row["person_id"]
    if person_id is not None:
        name = label(row["rtype"], row["id"], row["version"])
        packed = await stack.seal.unseal(tx, PersonId(person_id), packed, name)
    owner = PersonId(person_id) if person_id is not None else None
    body = wire.unpack(packed)
    return Stored(row["rtype"], ResourceId(row["id"]), row["version"], row["updated"], row["institution"], owner, body)


def counted(index: Index, body: Json) -> list[int]:
    """Keys of the codes that are counted across people; an act that was not done, or entered in error, counts not."""
    name = COUNTED.get(body["resourceType"])
    if name is None or body.get("status") != "completed":
        return []
    parameter = extraction.parameters(body["resourceType"])[name]
    codes = {f"{t.system}|{t.code}" for t in extraction.tokens(body, parameter)}
    return [index.key(body["resourceType"], name, "sys", code) for code in sorted(codes)]


def _cohort(stack: Stack, owner: PersonId, patient: Json) -> Cohort:
    regions = {n.casefold(): r.code for r in stack.profile.regions for n in (r.code, *r.name.values())}
    return Cohort(owner, patient.get("gender", "unknown"), rules.born(patient), rules.region_of(patient, regions))


def types_of(found: Sequence[Stored]) -> str:
    """`Observation 3, Condition 1`: what a leaf says of the resources that were shown."""
    return ", ".join(f"{kind} {count}" for kind, count in Counter(s.rtype for s in found).most_common(12))
