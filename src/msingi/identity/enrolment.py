"""The pipeline of a batch of enrolments inside one transaction: search, compare, then number or hold.

A single enrolment is a batch of one. The steps of `enrol_all` are numbered; law 3 rests on their order.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from msingi.identity import blocking, numbers, photo, rules, scoring, store
from msingi.identity.blocking import Traits
from msingi.identity.lifecycle import store as lifecycle_store
from msingi.identity.lifecycle.model import GuardianKind, Guardianship
from msingi.identity.model import (
    Candidate,
    CaseId,
    Demographics,
    DuplicateCase,
    Enrolled,
    EnrolmentOrder,
    Held,
    Link,
    LinkKind,
    Outcome,
    PersonEnrolled,
    Status,
    encoded,
)
from msingi.kernel import clock, log
from msingi.kernel.db import Row, Tx
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

VERSION, NUMBER, PHOTO = "identity.version", "identity.number", "identity.photo"
BECAUSE = "identity.because"
GUARDIANS = {LinkKind.GUARDIAN: GuardianKind.KIN, LinkKind.MOTHER: GuardianKind.PARENT}
STRIPES = 1024
COMPARED = 12
SHOWN = 10


class Receipt(msgspec.Struct, omit_defaults=True):
    """What is kept to repeat an outcome: ids and nothing personal."""

    person_id: PersonId
    case_id: CaseId | None = None
    alike: int = 0
    phone_linked: bool = False


class Prepared(msgspec.Struct):
    """An order that obeys the rules, with all that can be made of it outside a transaction."""

    order: EnrolmentOrder
    person_id: PersonId
    demographics: Demographics
    traits: Traits
    keys: list[int]
    name_keys: dict[str, int]
    link_numbers: dict[str, str]
    photo: bytes | None
    links: list[Link]
    in_turn: bool = False  # whether every enrolment that could be of the same person was waited for


async def prepare(stack: Stack, order: EnrolmentOrder) -> Prepared:
    """Check and normalise an order. Raises Malformed (NumberWrong, PhotoRefused), naming field and rule."""
    person = rules.demographics(order, stack.profile, clock.today())
    links = rules.link_numbers(order)
    taken = await picture(order.photo)
    secret = stack.keys.mac("blind")
    traits = blocking.traits(person)
    keys, names = blocking.search_keys(secret, traits), blocking.name_keys(secret, traits)
    return Prepared(order, PersonId(uuid7()), person, traits, keys, names, links, taken, [])


async def picture(raw: bytes | None) -> bytes | None:
    """A photo in the register's form, made beside the other work; None without one. Raises PhotoRefused."""
    return None if raw is None else await asyncio.to_thread(photo.normalised, raw)


async def resolve_links(tx: Tx, stack: Stack, batch: Sequence[Prepared]) -> dict[int, Malformed]:
    """Find the guardians and introducers that a batch names; gives the faults by place in the batch."""
    wanted = {number for prepared in batch for number in prepared.link_numbers.values()}
    if not wanted:
        return {}
    found = await store.by_numbers(tx, [number_key(stack, number) for number in wanted])
    faults: dict[int, Malformed] = {}
    for place, prepared in enumerate(batch):
        for field, number in prepared.link_numbers.items():
            match = found.get(number_key(stack, number))
            if match is None:
                faults[place] = Malformed("Nobody has this number.", field=field, rule="known-number")
            else:
                prepared.links.append(Link(LinkKind(field), match[0]))
    return faults


async def take_turn(tx: Tx, batch: Sequence[Prepared]) -> None:
    """Wait for every enrolment under way that could be of one of these people; at the beginning of a transaction this
    costs no round trip. Whoever is in turn is not waited for again."""
    if waiting := [prepared for prepared in batch if not prepared.in_turn]:
        await store.lock_stripes(tx, (key % STRIPES for prepared in waiting for key in prepared.keys))
        for prepared in waiting:
            prepared.in_turn = True


async def enrol_all(
    tx: Tx, stack: Stack, batch: Sequence[Prepared], permits: Sequence[Permit], *, last: bool = False
) -> list[Outcome]:
    """Enrol or hold each of a batch, one permit each; leaves the leaves and emits the events. With `last`, nothing in
    the transaction needs what is written here, so that it may travel with the commit, which then raises Overtaken if
    a number or a phone was given to somebody else meanwhile."""
    at = clock.now()
    # 1. Wait for every enrolment under way that could be of the same person: from here on its rows are visible.
    await take_turn(tx, batch)
    # 2. Search and compare, with those already in the register and with those earlier in the batch.
    wanted = {phone_key(stack, p.demographics.phone): p.person_id for p in reversed(batch) if p.demographics.phone}
    alike, taken = await _compare(tx, stack, batch, list(wanted))
    # 3. Those who are like nobody get a number; the others a case.
    fresh = [p for p, found in zip(batch, alike, strict=True) if not found]
    last = last and len(fresh) == len(batch) and not any(p.photo or p.links for p in batch)
    phones = {phone_key(stack, p.demographics.phone): p.person_id for p in reversed(fresh) if p.demographics.phone}
    if last:
        issued = {p.person_id: numbers.draw() for p in fresh}
        phones = {key: person_id for key, person_id in phones.items() if key not in taken}
        linked = set(phones.values())
    else:
        issued = await issue_numbers(tx, stack, [p.person_id for p in fresh], at)
        linked = await store.link_phones(tx, phones)
    await _write(tx, stack, batch, issued, at, phones if last else None)
    cases = [
        DuplicateCase(CaseId(uuid7()), prepared.person_id, at, found[:SHOWN])
        for prepared, found in zip(batch, alike, strict=True)
        if found
    ]
    if cases:
        await store.add_cases(tx, cases, at)
    held = {case.person_id: case for case in cases}
    return [
        await _told(tx, stack, prepared, permit, held.get(prepared.person_id), issued, linked)
        for prepared, permit in zip(batch, permits, strict=True)
    ]


async def _told(
    tx: Tx,
    stack: Stack,
    prepared: Prepared,
    permit: Permit,
    case: DuplicateCase | None,
    issued: Mapping[PersonId, str],
    linked: set[PersonId],
) -> Outcome:
    """The outcome of one, with its leaves and its event."""
    person_id = prepared.person_id
    if case is None:
        await stack.outbox.emit(tx, PersonEnrolled.kind, PersonEnrolled(person_id))
        log.append(tx, permit, subject=person_id, detail={"what": "enrolled"})
        return Enrolled(person_id, issued[person_id], person_id in linked)
    for other in case.candidates:
        log.append(tx, permit, subject=other.person_id, detail={"what": "found alike to a new enrolment"})
    detail: dict[str, str | int | bool] = {"what": "held: may be somebody known", "alike": len(case.candidates)}
    log.append(tx, permit, subject=person_id, detail=detail)
    return Held(case.case_id, person_id, len(case.candidates))


async def _compare(
    tx: Tx, stack: Stack, batch: Sequence[Prepared], phones: Sequence[bytes] = ()
) -> tuple[list[tuple[Candidate, ...]], set[bytes]]:
    """For each of the batch, who reaches the threshold, the most alike first; and which of `phones` find somebody."""
    totals = blocking.total_keys(stack.keys.mac("blind"))
    names = {*totals, *(key for prepared in batch for key in prepared.name_keys.values())}
    asked = await store.search(tx, [prepared.keys for prepared in batch], COMPARED, names, phones)
    counts = asked.bearers
    people = sum(counts.get(key, 0) for key in totals)
    found = await unsealed(tx, stack, asked.candidates, len(batch))
    seen: dict[int, list[int]] = {}
    alike = []
    for place, prepared in enumerate(batch):
        earlier = Counter(other for key in prepared.keys for other in seen.get(key, ()))
        others = [(batch[other].person_id, batch[other].demographics) for other, _ in earlier.most_common(COMPARED)]
        alike.append(_alike(prepared, found[place] + others, counts, people + place))
        for key in prepared.keys:
            seen.setdefault(key, []).append(place)
    merged = await store.merged(tx, {c.person_id for candidates in alike for c in candidates})
    return [_standing(candidates, merged) for candidates in alike], asked.phones


async def alike_in_register(tx: Tx, stack: Stack, batch: Sequence[Prepared]) -> list[tuple[Candidate, ...]]:
    """For each of a batch that is not enrolled, whom of the register it is alike to, from the threshold on."""
    own = {prepared.person_id for prepared in batch}
    return [tuple(c for c in found if c.person_id not in own) for found in (await _compare(tx, stack, batch))[0]]


async def unsealed(tx: Tx, stack: Stack, rows: Sequence[Row], places: int) -> list[list[tuple[PersonId, Demographics]]]:
    """For each place of a search the records that it found; those whose key was erased are no longer there."""
    found: list[list[tuple[PersonId, Demographics]]] = [[] for _ in range(places)]
    stack.seal.take(tx, {row["person_id"]: row["wrapped"] for row in rows})
    known: dict[PersonId, Demographics] = {}
    for row in rows:
        person_id = row["person_id"]
        if person_id not in known:
            known[person_id] = await unseal_version(tx, stack, person_id, row["sealed"])
        found[row["place"]].append((person_id, known[person_id]))
    return found


def _alike(
    prepared: Prepared, others: Sequence[tuple[PersonId, Demographics]], counts: Mapping[int, int], people: int
) -> tuple[Candidate, ...]:
    """The records of `others` that reach the threshold."""
    law = scoring.weights()
    rarity = {part: law.rarity(counts.get(key, 0), people) for part, key in prepared.name_keys.items()}
    bound = law.threshold(people)
    may_reach = scoring.sieve(prepared.traits, rarity, bound)
    alike = []
    for person_id, person in others:
        if not may_reach(blocking.own_traits(person)):
            continue  # as with most of those who share a key
        reasons = scoring.reasons(prepared.traits, blocking.traits(person), rarity)
        bits = scoring.bits(reasons)
        if bits >= bound:
            alike.append(Candidate(person_id, bits, reasons))
    return tuple(alike)


def _standing(found: Sequence[Candidate], merged: Mapping[PersonId, PersonId]) -> tuple[Candidate, ...]:
    """For whom records speak, a merged one for whom it merged into: each person once, the most alike first."""
    best: dict[PersonId, Candidate] = {}
    for candidate in sorted(found, key=lambda c: -c.bits):
        person_id = merged.get(candidate.person_id, candidate.person_id)
        best.setdefault(person_id, msgspec.structs.replace(candidate, person_id=person_id))
    return tuple(best.values())


async def issue_numbers(tx: Tx, stack: Stack, person_ids: Sequence[PersonId], at: datetime) -> dict[PersonId, str]:
    """A number for each person that nobody ever had (law 1): drawn again until the register takes it."""
    issued: dict[PersonId, str] = {}
    while waiting := [p for p in person_ids if p not in issued]:
        drawn = {number_key(stack, number): (p, number) for p, number in ((p, numbers.draw()) for p in waiting)}
        free = await store.issue_numbers(tx, {key: p for key, (p, _) in drawn.items()}, at)
        issued |= {p: number for key, (p, number) in drawn.items() if key in free}
    return issued


async def _write(
    tx: Tx,
    stack: Stack,
    batch: Sequence[Prepared],
    issued: Mapping[PersonId, str],
    at: datetime,
    phones: Mapping[bytes, PersonId] | None,
) -> None:
    """Write the people of a batch; with `phones`, which nobody has, all of it with the commit, numbers included."""
    new, names = [], Counter[int]()
    totals, last = blocking.total_keys(stack.keys.mac("blind")), phones is not None
    await stack.seal.create_keys(tx, [prepared.person_id for prepared in batch], last=last)
    for prepared in batch:
        person_id, person = prepared.person_id, prepared.demographics
        number = issued.get(person_id)
        new.append(
            store.NewPerson(
                person_id,
                Status.HELD if number is None else Status.ACTIVE,
                person.region,
                person.birth.year,
                person.sex,
                await seal_version(tx, stack, person_id, person),
                prepared.keys,
                None if number is None else await seal_number(tx, stack, person_id, number),
                None if prepared.photo is None else await stack.seal.seal(tx, person_id, prepared.photo, PHOTO),
                prepared.links,
            )
        )
        names.update(prepared.name_keys.values())
        names[totals[person_id.int % len(totals)]] += 1
    kept = {number_key(stack, number): person_id for person_id, number in issued.items()} if last else {}
    await store.add_people(tx, new, names, "enrolment", at, numbers=kept, phones=phones or {}, last=last)
    await _write_guardians(tx, stack, batch, at)


async def _write_guardians(tx: Tx, stack: Stack, batch: Sequence[Prepared], at: datetime) -> None:
    """Whoever brought a child as guardian, and its mother, may act for it until it is an adult."""
    rights = []
    for prepared in batch:
        until = rules.majority(prepared.demographics.birth, stack.profile.adult_age)
        for link in prepared.links:
            if link.kind in GUARDIANS:
                right = GUARDIANS[link.kind]
                rights.append(Guardianship(prepared.person_id, link.other, right, at.date(), until))
    if rights:
        await lifecycle_store.add_enrolled_guardians(tx, rights, at.date(), at)


def number_key(stack: Stack, number: str) -> bytes:
    """The blinded key (32 bytes) under which a number is kept."""
    return stack.keys.blind(f"number:{number}")


def phone_key(stack: Stack, phone: str) -> bytes:
    """The blinded key (32 bytes) under which a phone (E.164) finds a person."""
    return stack.keys.blind(f"phone:{phone}")


async def seal_version(tx: Tx, stack: Stack, person_id: PersonId, person: Demographics) -> bytes:
    """Demographics as one sealed text."""
    return await stack.seal.seal(tx, person_id, encoded(person), VERSION)


async def unseal_version(tx: Tx, stack: Stack, person_id: PersonId, sealed: bytes) -> Demographics:
    """The demographics in a sealed version. Raises Erased."""
    return msgspec.msgpack.decode(await stack.seal.unseal(tx, person_id, sealed, VERSION), type=Demographics)


async def seal_number(tx: Tx, stack: Stack, person_id: PersonId, number: str) -> bytes:
    """A number, sealed for its person."""
    return await stack.seal.seal(tx, person_id, number.encode(), NUMBER)


async def unseal_number(tx: Tx, stack: Stack, person_id: PersonId, sealed: bytes | None) -> str:
    """The number of a person, or empty for a held one. Raises Erased."""
    return "" if sealed is None else (await stack.seal.unseal(tx, person_id, sealed, NUMBER)).decode()


def content(stack: Stack, order: msgspec.Struct) -> bytes:
    """An order as keyed hash, for `once`: a plain hash of a name and a birth date could be guessed."""
    return stack.keys.blind(encoded(order).hex())


def receipt(outcome: Outcome) -> bytes:
    """The outcome as it is kept, for whoever repeats the request."""
    if isinstance(outcome, Held):
        return encoded(Receipt(outcome.person_id, outcome.case_id, outcome.alike))
    return encoded(Receipt(outcome.person_id, phone_linked=outcome.phone_linked))


async def repeated(tx: Tx, stack: Stack, first: bytes) -> Outcome:
    """The outcome that a receipt stands for."""
    kept = msgspec.msgpack.decode(first, type=Receipt)
    if kept.case_id is not None:
        return Held(kept.case_id, kept.person_id, kept.alike)
    row, _ = (await store.people(tx, [kept.person_id]))[kept.person_id]
    return Enrolled(
        kept.person_id, await unseal_number(tx, stack, kept.person_id, row["number_sealed"]), kept.phone_linked
    )
