"""What can be done with a health record. Each verb: permit, transaction, leaf for each person concerned."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from msingi.health import finding, ownership, recording, rules, searching, store, wire
from msingi.health import summary as ips
from msingi.health.errors import BadSearchValue
from msingi.health.finding import Cursor, cursor_of, next_token, scope
from msingi.health.model import REGISTRIES, DoseCount, Json, Outcome, Page, Stored
from msingi.health.ownership import index_of
from msingi.health.recording import FIRST_PAGE, opened, types_of
from msingi.health.searching import Pairs, Query
from msingi.identity import acts as identity
from msingi.kernel import log, once, policy
from msingi.kernel.context import Context, Kind, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.pseudonym import pseudonym_of
from msingi.kernel.stack import Stack

SUMMARY_LIMIT = 5_000


@crossing("health", "cli")
async def store_bundle(stack: Stack, ctx: Context, bundle: object, *, key: str = "") -> Json:
    """Carry out a transaction bundle whole or not at all (law 2); the transaction-response bundle.

    `key` (or else the bundle's identifier) makes a repetition give the first answer again.
    Raises NotFhir, BadTransaction, PersonNotNamed, PersonUnknown, PatientExists, VersionConflict, DifferentContent
    and others of `errors`. FHIR R4 3.1.0.10.
    """
    entries = rules.plan(bundle)
    assert isinstance(bundle, dict)
    identifier = bundle.get("identifier", {})
    if not key and identifier.get("value"):
        key = f"{identifier.get('system', '')}|{identifier['value']}"
    policy.decide(ctx, "health.store-bundle", policy.NOBODY)  # who may not write learns nothing of who is known
    plan = await ownership.prepare(stack, ctx, entries)
    permit = policy.decide(ctx, "health.store-bundle", plan.subjects)
    async with stack.db.transaction(permit) as tx:
        if key:
            key = f"{ctx.actor.institution}:{key}"
            first = await once.claim(tx, "health", key, wire.encode(bundle))
            if first is not None:
                return msgspec.json.decode(first)
        outcomes = await recording.carry_out(stack, tx, permit, plan)
        answer = wire.transaction_response(outcomes)
        if key:
            await once.settle(tx, "health", key, msgspec.json.encode(answer))
    return answer


@crossing("health")
async def create(stack: Stack, ctx: Context, rtype: str, resource: object, *, if_none_exist: str = "") -> Outcome:
    """Store a new resource: 201, or 200 with the one that `if_none_exist` found. FHIR R4 3.1.0.8."""
    body = rules.check_one(resource, rtype)
    entry = rules.Entry(0, "POST", rtype, body, if_none_exist=rules.query_pairs(if_none_exist))
    return await _one(stack, ctx, entry, "health.store-bundle")


@crossing("health")
async def update(stack: Stack, ctx: Context, rtype: str, id: str, resource: object, *, if_match: str = "") -> Outcome:
    """Replace a resource by a new version of it. Raises VersionConflict, OwnerChanged, NotFound. FHIR R4 3.1.0.4."""
    body = rules.check_one(resource, rtype)
    request = {"method": "PUT", "url": f"{rtype}/{id}", "ifMatch": if_match}
    return await _one(stack, ctx, rules.read_entry(0, {"request": request, "resource": body}), "health.update")


async def _one(stack: Stack, ctx: Context, entry: rules.Entry, act: str) -> Outcome:
    policy.decide(ctx, act, policy.NOBODY)
    plan = await ownership.prepare(stack, ctx, [entry])
    permit = policy.decide(ctx, act, plan.subjects)
    async with stack.db.transaction(permit) as tx:
        return (await recording.carry_out(stack, tx, permit, plan))[0]


async def _owner(stack: Stack, ctx: Context, rtype: str, id: str) -> tuple[UUID, PersonId | None]:
    """The id and the person whose record it stands in, None for a registry entry. Raises NotFound.

    What another institution keeps is not found, exactly like what does not exist.
    """
    rules.stored_type(rtype)
    wanted = searching.uuid_of(id)
    if wanted is None:
        raise NotFound()
    place = (await ownership.places(stack, [wanted])).get(wanted)
    if place is None and rtype in REGISTRIES:
        async with stack.db.reading("health") as tx:
            entries = await store.registry_by_ids(tx, [wanted])
        if entries and entries[0]["rtype"] == rtype:
            return wanted, None
    if place is None or place.rtype != rtype or scope(ctx) not in ("", place.institution):
        raise NotFound()
    return wanted, place.person_id


@crossing("health")
async def read(stack: Stack, ctx: Context, rtype: str, id: str, *, version: int = 0) -> Stored:
    """A resource as it is, or as it was in `version`. Raises NotFound, NotPermitted. FHIR R4 3.1.0.2, 3.1.0.3."""
    wanted, owner = await _owner(stack, ctx, rtype, id)
    if owner is None:
        policy.decide(ctx, "health.registry", policy.NOBODY)
        async with stack.db.reading("health") as tx:
            for row in await store.registry_history(tx, rtype, wanted):
                if version in (0, row["version"]):
                    return await opened(stack, tx, row)
        raise NotFound()
    permit = policy.decide(ctx, "health.read", owner)
    async with stack.db.transaction(permit) as tx:
        row = await store.resource(tx, owner, rtype, wanted, version)
        if row is None:
            raise NotFound()
        detail = {"type": rtype} | ({"version": version} if version else {})
        log.append(tx, permit, subject=owner, detail=detail)
        return await opened(stack, tx, row)


@crossing("health")
async def history(stack: Stack, ctx: Context, rtype: str, id: str) -> list[Stored]:
    """Every version of a resource, newest first. Raises NotFound, NotPermitted. FHIR R4 3.1.0.11."""
    wanted, owner = await _owner(stack, ctx, rtype, id)
    if owner is None:
        policy.decide(ctx, "health.registry", policy.NOBODY)
        async with stack.db.reading("health") as tx:
            return [await opened(stack, tx, row) for row in await store.registry_history(tx, rtype, wanted)]
    permit = policy.decide(ctx, "health.read", owner)
    async with stack.db.transaction(permit) as tx:
        rows = await store.resource_history(tx, owner, rtype, wanted)
        log.append(tx, permit, subject=owner, detail={"type": rtype, "versions": len(rows)})
        return [await opened(stack, tx, row) for row in rows]


@crossing("health")
async def search(stack: Stack, ctx: Context, rtype: str, pairs: Pairs, *, token: str = "") -> tuple[Page, Query]:
    """One page of what fits the parameters, newest first, and the query as it was used (laws 8 and 9).

    With `token` the page after an earlier one. Each person whose resource is shown, and each one asked for by name,
    gets a record of it. Raises UnknownParameter, BadSearchValue, NotPermitted. FHIR R4 3.1.1.
    """
    cursor = cursor_of(stack, token) if token else Cursor(rtype, pairs, ctx.at, *FIRST_PAGE)
    if cursor.rtype != rtype:
        raise BadSearchValue("The address of a page is used as it was given.", parameter="_page")
    query = searching.parse(rtype, cursor.pairs, f"{stack.settings.url}/fhir")
    if rtype in REGISTRIES:
        policy.decide(ctx, "health.registry", policy.NOBODY)
        async with stack.db.reading("health") as tx:
            return await finding.page_of(stack, tx, ctx, query, cursor, None, registry=True), query
    if ctx.actor.kind is not Kind.PERSON:  # a person's right depends on whom the search is about
        policy.decide(ctx, "health.search", policy.NOBODY)
    query, named = await finding.named_people(stack, ctx, query)
    permit = policy.decide(ctx, "health.search", named)
    async with stack.db.transaction(permit) as tx:
        person = named[0] if named is not None and len(named) == 1 else None
        empty = query.nothing or named == ()
        page = Page([]) if empty else await finding.page_of(stack, tx, ctx, query, cursor, person, registry=False)
        shown = {one.person_id for one in page.matches}
        for subject in shown | set(named or ()) or {None}:
            count = sum(one.person_id == subject for one in page.matches)
            log.append(tx, permit, subject=subject, detail={"type": rtype, "found": count})
    return page, query


@crossing("health")
async def everything(
    stack: Stack, ctx: Context, patient_id: str, *, count: int = searching.PAGE_LIMIT, token: str = ""
) -> Page:
    """A page of a person's whole record, newest first, with the registry entries that it refers to.

    Raises NotFound, NotPermitted. FHIR R4 Patient-everything.
    """
    wanted, owner = await _owner(stack, ctx, "Patient", patient_id)
    pairs: Pairs = (("_id", str(wanted)),)
    cursor = cursor_of(stack, token) if token else Cursor("", pairs, ctx.at, *FIRST_PAGE)
    if cursor.rtype or cursor.pairs != pairs or owner is None:
        raise BadSearchValue("The address of a page is used as it was given.", parameter="_page")
    permit = policy.decide(ctx, "health.everything", owner)
    async with stack.db.transaction(permit) as tx:
        after = (cursor.started, cursor.last)
        rows = await store.everything_of(tx, owner, scope(ctx), cursor.began, after, count + 1)
        found = [await opened(stack, tx, row) for row in rows[:count]]
        referred = await _referred(stack, tx, found, REGISTRIES)
        log.append(tx, permit, subject=owner, detail={"resources": len(found), "types": types_of(found)})
    if len(rows) <= count:
        return Page(found, referred)
    return Page(found, referred, next_token(stack, cursor, (rows[count - 1]["started"], rows[count - 1]["id"])))


@crossing("cli", "consent")
async def copy_of(stack: Stack, ctx: Context, person_id: PersonId) -> Json:
    """Everything on record about a person as one collection Bundle, for the person's right to a copy."""
    permit = policy.decide(ctx, "health.everything", person_id)
    entries: list[Json] = []
    async with stack.db.transaction(permit) as tx:
        after, step = FIRST_PAGE, 500
        while rows := await store.everything_of(tx, person_id, scope(ctx), ctx.at, after, step):
            entries += [{"resource": (await opened(stack, tx, row)).body} for row in rows]
            after = (rows[-1]["started"], rows[-1]["id"])
        log.append(tx, permit, subject=person_id, detail={"resources": len(entries), "what": "copy for the person"})
    return {"resourceType": "Bundle", "type": "collection", "timestamp": wire.instant(ctx.at), "entry": entries}


async def _referred(stack: Stack, tx: Tx, found: list[Stored], kinds: frozenset[str]) -> list[Stored]:
    names = ips.referred(found, kinds)
    ids = [one for name in names if (one := searching.uuid_of(name.partition("/")[2]))]
    rows = await store.registry_by_ids(tx, ids)
    return [await opened(stack, tx, row) for row in rows if f"{row['rtype']}/{row['id']}" in names]


def fhir_json(document: Json) -> bytes:
    """FHIR JSON of a document that these acts gave, with every decimal exactly as it was sent (law 7).

    Other encoders write decimals as strings or drop their zeros: use this one for whatever leaves the stack.
    """
    return wire.encode(document)


@crossing("health", "portal")
async def summary(stack: Stack, ctx: Context, person_id: PersonId) -> Json:
    """The patient summary of what the asking institution (or, for the person, every institution) has on record.

    An IPS document Bundle. Raises NotFound if there is no Patient, NotPermitted. IPS 2.0.0 $summary.
    """
    permit = policy.decide(ctx, "health.summary", person_id)
    async with stack.db.transaction(permit) as tx:
        document, count = await _document(stack, tx, person_id, scope(ctx), ctx.at)
        log.append(tx, permit, subject=person_id, detail={"resources": count})
    return document


@crossing("health")
async def summary_of_patient(stack: Stack, ctx: Context, patient_id: str) -> Json:
    """The patient summary of the person whose Patient this is. Raises NotFound, NotPermitted."""
    _, owner = await _owner(stack, ctx, "Patient", patient_id)
    if owner is None:
        raise NotFound()
    return await summary(stack, ctx, owner)


@crossing("exchange")
async def summary_for_exchange(stack: Stack, ctx: Context, person_id: PersonId, provider: str) -> Json:
    """What institution `provider` has on record of a person, as a summary for the institution that asks.

    The exchange calls this once it has found a live consent, whose id stands in `ctx.consent`. The Patient carries
    the asking institution's pseudonym of the person and no other identifier. Raises NotFound, NotPermitted.
    """
    permit = policy.decide(ctx, "health.summary-for-exchange", person_id)
    asking = ctx.actor.institution
    named = ownership.pseudonym_system(stack, asking), await pseudonym_of(stack, ctx, asking, person_id)
    async with stack.db.transaction(permit) as tx:
        document, count = await _document(stack, tx, person_id, provider, ctx.at, named)
        detail = {"resources": count, "from": provider, "to": asking, "consent": ctx.consent}
        log.append(tx, permit, subject=person_id, detail=detail)
    return document


async def _document(
    stack: Stack, tx: Tx, person_id: PersonId, institution: str, now: datetime, named: tuple[str, str] | None = None
) -> tuple[Json, int]:
    """The summary and the number of resources in it; `named` is the identifier under which another institution
    knows the person."""
    rows = await store.record_of(tx, person_id, institution, [*ips.TYPES, "Patient"], SUMMARY_LIMIT)
    record = [await opened(stack, tx, row) for row in rows]
    patients = [one for one in record if one.rtype == "Patient"]
    if not patients:
        raise NotFound()
    patient = max(patients, key=lambda one: one.updated)
    if named:
        body = patient.body | {"identifier": [{"system": named[0], "value": named[1]}]}
        patient = msgspec.structs.replace(patient, body={k: v for k, v in body.items() if k != "text"})
    kept = {one.id: one for section in ips.SECTIONS for one in ips.chosen(section, record, now)}
    kinds = frozenset({"Medication", "Organization", "Practitioner"})
    referred = await _referred(stack, tx, list(kept.values()), kinds)
    document = ips.assemble(
        patient,
        record,
        referred,
        author=_author(stack, institution),
        document_id=str(uuid7()),
        now=now,
        instant=wire.instant(now),
        base=f"{stack.settings.url}/fhir",
    )
    return document, len(kept)


def _author(stack: Stack, institution: str) -> Json:
    """The Organization that answers for a summary; for a person's own one, the stack's authority."""
    code = institution or stack.profile.authority.member
    names = {m.code: stack.profile.say(m.name) for m in stack.profile.institutions}
    id = "".join(c if c.isascii() and (c.isalnum() or c in "-.") else "-" for c in code)[:64]
    system = f"urn:msingi:{stack.profile.code}:institution"
    identifier = [{"system": system, "value": code}]
    return {"resourceType": "Organization", "id": id, "identifier": identifier, "name": names.get(code, code)}


@crossing("evidence")
async def immunisation_counts(
    stack: Stack, ctx: Context, *, born_from: date | None = None, born_to: date | None = None
) -> list[DoseCount]:
    """How many children have had each dose of the country's schedule, by region and sex; counts, never people.

    The cohort is born in [born_from, born_to); by default those who are 12 to 23 months old, as SDG 3.b.1 counts.
    Identity says in which region they live and of which sex they are. Raises NotPermitted.
    """
    born_to = born_to or _year_before(ctx.at.date())
    born_from = born_from or _year_before(born_to)
    permit = policy.decide(ctx, "health.immunisation-counts", policy.ANYONE)
    index, given = index_of(stack), {}
    async with stack.db.transaction(permit) as tx:
        for vaccine in dict.fromkeys(dose.vaccine for dose in stack.profile.immunisation):
            codes = sorted({code for d in stack.profile.immunisation if d.vaccine == vaccine for code in d.cvx})
            hashes = [index.key("Immunization", "vaccine-code", "sys", f"{s}|{code}") for code in codes for s in CVX]
            given[vaccine] = await store.doses_of_cohort(tx, born_from, born_to, hashes)
        log.append(tx, permit, detail={"born_from": str(born_from), "born_to": str(born_to)})
    counts: list[DoseCount] = []
    children: dict[tuple[str, str], int] | None = None
    for vaccine, doses in given.items():
        if children is None:
            children = await identity.count_people(stack, ctx, doses, born_to)
        for dose in sorted(d.dose for d in stack.profile.immunisation if d.vaccine == vaccine):
            people = [person for person, had in doses.items() if had >= dose]
            covered = await identity.count_people(stack, ctx, people, born_to)
            counts += [DoseCount(vaccine, dose, *cell, n, covered.get(cell, 0)) for cell, n in children.items()]
    return counts


def _year_before(day: date) -> date:
    return day.replace(year=day.year - 1, day=min(day.day, 28))


# The two names of the CVX code system.
CVX = ("http://hl7.org/fhir/sid/cvx", "urn:oid:2.16.840.1.113883.12.292")


async def forget(stack: Stack, person_id: PersonId) -> int:
    """Remove what finds and counts a person's record, once the key that it is sealed with was erased (law 5)."""
    permit = policy.decide(job_context("health.forget"), "health.forget", person_id)
    async with stack.db.transaction(permit) as tx:
        touched = await store.forget(tx, person_id)
        log.append(tx, permit, detail={"resources": touched})
    return touched
