"""Compare the rows of a file with each other and with the register, before anybody is enrolled from it."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from msingi.identity import blocking, enrolment, scoring
from msingi.identity.blocking import Traits
from msingi.identity.enrolment import Prepared
from msingi.identity.model import Reason, Row
from msingi.identity.sweep import linkage
from msingi.identity.sweep.model import FilePair, Record
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.stack import Stack

AT_ONCE: Final = 200


async def compare_file(
    stack: Stack, ctx: Context, rows: Iterable[Row], progress: Callable[[int], None] | None = None
) -> tuple[list[FilePair], list[tuple[str, Refusal]]]:
    """What is alike in a file, the most alike first, and the rows that cannot be read. Nobody is enrolled or held.

    A row that is alike to somebody in the register is told with an empty `other`: whom, an adjudicator sees once the
    row is enrolled. Raises LinkageMissing, NotPermitted, Malformed for a row key that stands twice.
    """
    linkage.compare([], 0)
    traits: dict[str, Traits] = {}
    found: list[FilePair] = []
    faults: list[tuple[str, Refusal]] = []
    waiting = iter(rows)
    while chunk := list(islice(waiting, AT_ONCE)):
        ready: dict[str, Prepared] = {}
        for row in chunk:
            try:
                if row.order is None:
                    raise row.fault or Malformed("An empty row.", field="row", rule="order")
                if row.key in traits:
                    raise Malformed("A row key stands twice.", field="row", rule="one-row-per-key")
                ready[row.key] = await enrolment.prepare(stack, row.order)
                traits[row.key] = ready[row.key].traits
            except Refusal as refusal:
                faults.append((row.key, refusal))
        found += await _with_register(stack, ctx, ready)
        if progress is not None:
            progress(len(chunk))
    found += await asyncio.to_thread(_with_each_other, stack.keys.mac("blind"), traits)
    return sorted(found, key=lambda pair: -pair.bits), faults


async def _with_register(stack: Stack, ctx: Context, ready: dict[str, Prepared]) -> list[FilePair]:
    permit = policy.decide(ctx, "identity.compare-file", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        alike = await enrolment.alike_in_register(tx, stack, list(ready.values()))
        for candidate in {c.person_id: c for found in alike for c in found}.values():
            log.append(tx, permit, subject=candidate.person_id, detail={"what": "found alike to a row of a file"})
        log.append(tx, permit, detail={"what": "rows of a file compared", "rows": len(ready)})
    best = {key: found[0] for key, found in zip(ready, alike, strict=True) if found}
    return [FilePair(key, "", round(c.bits, 1), _told(c.reasons)) for key, c in best.items()]


def _told(reasons: Sequence[Reason]) -> tuple[str, ...]:
    return tuple(f"{r.field} {r.level} {r.bits:+.1f}" for r in reasons)


async def records_of(stack: Stack, rows: Iterable[Row]) -> tuple[list[Record], list[tuple[str, Refusal]]]:
    """The rows of a file as records to compare among themselves, and those that cannot be read; asks the register
    nothing."""
    traits: dict[str, Traits] = {}
    faults: list[tuple[str, Refusal]] = []
    for row in rows:
        try:
            if row.order is None:
                raise row.fault or Malformed("An empty row.", field="row", rule="order")
            if row.key in traits:
                raise Malformed("A row key stands twice.", field="row", rule="one-row-per-key")
            traits[row.key] = (await enrolment.prepare(stack, row.order)).traits
        except Refusal as refusal:
            faults.append((row.key, refusal))
    return _records(stack.keys.mac("blind"), traits), faults


def _records(secret: bytes, traits: dict[str, Traits]) -> list[Record]:
    law = scoring.weights()
    names = {row: blocking.name_keys(secret, t) for row, t in traits.items()}
    bearers = Counter(key for found in names.values() for key in found.values())
    rarity = {
        row: {part: law.rarity(bearers[key] - 1, len(traits)) for part, key in found.items()}
        for row, found in names.items()
    }
    keys = {row: blocking.search_keys(secret, t) for row, t in traits.items()}
    worth = linkage.keys_worth(Counter(key for found in keys.values() for key in found))
    return [Record(row, t, tuple(k for k in keys[row] if k in worth), rarity[row]) for row, t in traits.items()]


def _with_each_other(secret: bytes, traits: dict[str, Traits]) -> list[FilePair]:
    records, bound, made = _records(secret, traits), scoring.weights().threshold(len(traits)), []
    rarity = {record.key: record.rarity for record in records}
    for pair in linkage.compare(records, bound - linkage.SLACK_BITS):
        reasons = scoring.reasons(traits[pair.one], traits[pair.other], rarity[pair.one])
        if (bits := scoring.bits(reasons)) >= bound:
            made.append(FilePair(pair.one, pair.other, round(bits, 1), _told(reasons)))
    return made
