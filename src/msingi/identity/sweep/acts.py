"""Compare all records, part by part, and ask people about what is alike; or the rows of a file, and only tell."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final, TypeVar
from uuid import UUID

from msingi.identity import blocking, enrolment, pairs, scoring
from msingi.identity import store as people_store
from msingi.identity.blocking import Traits
from msingi.identity.model import Reason
from msingi.identity.sweep import linkage, store
from msingi.identity.sweep.model import Pair, Record, Sweep, SweepId
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

SHARE_PEOPLE: Final = 250_000
READ_AT_ONCE: Final = 2_000
ASKED_AT_ONCE: Final = 100

T = TypeVar("T")


class _Known:
    """What a part has read: traits, names' rarity, days of enrolment. It stays in memory, and is forgotten with it."""

    def __init__(self) -> None:
        self.traits: dict[PersonId, Traits] = {}
        self.enrolled_at: dict[PersonId, datetime] = {}
        self.rarity: dict[PersonId, dict[str, float]] = {}
        self.people = 0


def _chunks(found: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(found)
    while chunk := list(islice(rest, size)):
        yield chunk


async def sweep(
    stack: Stack, ctx: Context, progress: Callable[[Sweep], None] | None = None, *, share_people: int = SHARE_PEOPLE
) -> Sweep:
    """Compare all records with each other; every pair from the threshold on waits in the queue, with its reasons.

    An interrupted comparison goes on where it was (law 4). Raises LinkageMissing, NotPermitted, Outage.
    """
    linkage.compare([], 0)
    state = await _begin(stack, ctx, share_people)
    while not state.over:
        state = await _part(stack, ctx, state)
        if progress is not None:
            progress(state)
    return state


async def sweeps(stack: Stack, ctx: Context, limit: int = 20) -> list[Sweep]:
    """The newest comparisons, and how far each is."""
    permit = policy.decide(ctx, "identity.see-sweeps", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.sweeps(tx, limit)
        log.append(tx, permit, detail={"what": "comparisons listed"})
    return found


async def _begin(stack: Stack, ctx: Context, share_people: int) -> Sweep:
    permit = policy.decide(ctx, "identity.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.unfinished(tx)
        what = "comparison of the register goes on"
        if found is None:
            what = "comparison of the register begun"
            shares = max(1, -(-await _people(tx, stack) // share_people))
            sweep_id, at = SweepId(uuid7()), clock.now()
            await store.begin(tx, sweep_id, at, shares)
            found = Sweep(sweep_id, at, at, shares, 0, 0, 0, 0)
        log.append(tx, permit, detail={"what": what})
    return found


async def _people(tx: Tx, stack: Stack) -> int:
    return sum((await people_store.name_counts(tx, blocking.total_keys(stack.keys.mac("blind")))).values())


async def _part(stack: Stack, ctx: Context, state: Sweep) -> Sweep:
    """One part: the records that meet under its keys, Splink's pairs, the last word of `scoring`, the questions."""
    permit = policy.decide(ctx, "identity.sweep", policy.ANYONE)
    keys: dict[PersonId, list[int]] = defaultdict(list)
    async with stack.db.transaction(permit) as tx:
        for key, bearers in await store.meeting_keys(tx, state.shares, state.done, linkage.MOST_BEARERS):
            for person_id in bearers:
                keys[person_id].append(key)
        log.append(tx, permit, detail={"what": "search keys compared", "part": state.done, "of": state.shares})
    known = _Known()
    for chunk in _chunks(keys, READ_AT_ONCE):
        await _read(stack, ctx, chunk, known)
    records = [Record(str(p), t, tuple(keys[p]), known.rarity[p]) for p, t in known.traits.items()]
    bound = scoring.weights().threshold(known.people)
    found = await asyncio.to_thread(linkage.compare, records, bound - linkage.SLACK_BITS)
    alike = [pair for pair in (_weighed(known, p) for p in found) if pair[3] >= bound]
    opened = 0
    for chunk in _chunks(alike, ASKED_AT_ONCE):
        opened += await _ask(stack, ctx, chunk)
    counts = len(records), len(alike), opened
    permit = policy.decide(ctx, "identity.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        at = clock.now()
        await store.advance(tx, state.sweep_id, at, state.done, *counts)
        log.append(tx, permit, detail={"what": "part of the register compared", "records": len(records)})
    totals = (old + new for old, new in zip((state.compared, state.pairs, state.opened), counts, strict=True))
    return Sweep(state.sweep_id, state.begun_at, at, state.shares, state.done + 1, *totals)


async def _read(stack: Stack, ctx: Context, people: Sequence[PersonId], known: _Known) -> None:
    secret = stack.keys.mac("blind")
    permit = policy.decide(ctx, "identity.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        rows = await store.standing(tx, people)
        await stack.seal.fetch(tx, [PersonId(row["person_id"]) for row in rows])
        here: dict[PersonId, Traits] = {}
        for row in rows:
            person_id = PersonId(row["person_id"])
            if person_id in tx.person_keys:  # those whose key was erased are no longer there
                here[person_id] = blocking.traits(await enrolment.unseal_version(tx, stack, person_id, row["sealed"]))
                known.enrolled_at[person_id] = row["enrolled_at"]
        names = {p: blocking.name_keys(secret, t) for p, t in here.items()}
        totals = blocking.total_keys(secret)
        counts = await people_store.name_counts(tx, [*totals, *(k for found in names.values() for k in found.values())])
        log.append(tx, permit, detail={"what": "records read to compare them", "records": len(here)})
    known.people = sum(counts.get(key, 0) for key in totals)
    law = scoring.weights()
    for person_id, traits in here.items():
        known.traits[person_id] = traits
        known.rarity[person_id] = {
            part: law.rarity(max(counts.get(key, 1) - 1, 0), known.people) for part, key in names[person_id].items()
        }


def _weighed(known: _Known, pair: Pair) -> tuple[PersonId, PersonId, tuple[Reason, ...], float]:
    """A pair with the later record first, and the reasons as enrolment would give them (law 1)."""
    later, earlier = pairs.order(known.enrolled_at, PersonId(UUID(pair.one)), PersonId(UUID(pair.other)))
    reasons = scoring.reasons(known.traits[later], known.traits[earlier], known.rarity[later])
    return later, earlier, reasons, scoring.bits(reasons)


async def _ask(
    stack: Stack, ctx: Context, found: Sequence[tuple[PersonId, PersonId, tuple[Reason, ...], float]]
) -> int:
    permit = policy.decide(ctx, "identity.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        opened = await pairs.note(tx, permit, found, "found alike when all records were compared")
        log.append(tx, permit, detail={"what": "alike records queued", "pairs": opened})
    return opened
