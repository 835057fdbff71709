"""How a transaction is carried out: whose it is, what is there already, what is written. Called by `acts` alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from msingi.health import extraction, rules, searching, store, wire
from msingi.health.errors import (
    PatientExists,
    PersonUnknown,
    SeveralMatches,
    UnresolvedReference,
    VersionConflict,
)
from msingi.health.extraction import Index
from msingi.health.model import COUNTED, EARLIEST, LATEST, REGISTRIES, Json, Outcome, ResourceId, Row, Stored
from msingi.health.ownership import Plan, index_of, pseudonym_system
from msingi.health.rules import Entry
from msingi.health.searching import Pairs
from msingi.kernel import log
from msingi.kernel.db import Row as Record
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

FIRST_PAGE = (LATEST, UUID(int=2**128 - 1))


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


async def matches(stack: Stack, tx: Tx, rtype: str, pairs: Pairs, owner: PersonId | None, mine: str) -> list[Stored]:
    """Up to two resources that fit a condition: in the owner's record here, or in the registry."""
    query = searching.parse(rtype, pairs)
    if not query.clauses and not query.ids:
        raise UnresolvedReference("A condition needs at least one search parameter.")
    now = tx.permits[0].context.at
    rows = await store.candidates(
        tx,
        rtype,
        person_id=owner,
        institution=mine,
        registry=owner is None,
        keys=searching.probes(query, index_of(stack)),
        existing=LATEST,
        after=FIRST_PAGE,
        bounds=searching.bounds(query),
        ids=query.ids,
        limit=50,
    )
    found = [await opened(stack, tx, row) for row in rows]
    return [one for one in found if searching.fits(query, one.body, one.updated, now)][:2]


async def _resolve_conditions(
    stack: Stack,
    tx: Tx,
    plan: Plan,
    patients: dict[PersonId, Record],
    names: dict[str, str],
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
    stack: Stack,
    tx: Tx,
    permit: Permit,
    plan: Plan,
    names: dict[str, str],
    present: dict[int, Stored],
    ids: dict[int, ResourceId],
) -> list[Outcome]:
    """Turn entries into rows, write the new ones together and the changed ones in turn."""
    outcomes: list[Outcome] = []
    fresh: list[Row] = []
    postings: list[tuple[PersonId, int, UUID, datetime]] = []
    versions: dict[int, int] = {}
    pairs = list(zip(plan.entries, plan.owners, strict=True))
    # Rows are locked in the order of their ids, so that two writers never wait for each other in a circle.
    for entry, owner in sorted(pairs, key=lambda pair: str(pair[0].id)):
        if entry.id is not None:
            versions[entry.index] = await _next_version(tx, entry, owner)
    for entry, owner in pairs:
        if entry.index in present:
            outcomes.append(Outcome(200, present[entry.index]))
            continue
        version = versions.get(entry.index, 1)
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
            if entry.rtype == "Patient" and (born := rules.born(stored.body)):
                await store.set_cohort(tx, owner, born)
        outcomes.append(Outcome(201 if version == 1 else 200, stored))
    await store.add(tx, fresh)
    await store.post_all(tx, postings)
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
        body = rules.with_pseudonym(body, stack.profile.number_system, system, plan.pseudonyms[owner])
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
    return Row(
        stored.rtype,
        stored.id,
        stored.version,
        stored.institution,
        stored.person_id,
        stored.updated,
        started,
        ended,
        keys,
        packed,
    )


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


def types_of(found: Sequence[Stored]) -> str:
    """`Observation 3, Condition 1`: what a leaf says of the resources that were shown."""
    return ", ".join(f"{kind} {count}" for kind, count in Counter(s.rtype for s in found).most_common(12))
