"""Publishes the figures of a quarter, protected as evidence protects all figures; and shows them."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from msgspec import Struct

from msingi.evidence import acts as evidence
from msingi.exchange.federation import acts as federation
from msingi.governance.errors import CaseMalformed
from msingi.governance.figures import store
from msingi.governance.model import Kind
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.stack import Stack

EPSILON_MILLI = 1_000
LEVELS = ("kind", "ending", "institution", "clock")
THRESHOLD = 20
ENDINGS = ("granted", "partly", "refused", "withdrawn", "waiting")


class Figures(Struct, frozen=True):
    """One quarter: noisy counts by level and name; None stands for fewer than `threshold`."""

    period: str
    at: datetime
    epsilon_milli: int
    threshold: int
    levels: dict[str, dict[str, int | None]]


def quarter(at: datetime) -> str:
    """The quarter of an instant, such as 2026-Q3."""
    return f"{at.year}-Q{(at.month + 2) // 3}"


def bounds(period: str) -> tuple[datetime, datetime]:
    """When a quarter begins and ends, in UTC. Raises CaseMalformed for something else."""
    if not re.fullmatch(r"20\d\d-Q[1-4]", period):
        raise CaseMalformed("period: is a quarter such as 2026-Q3", field="period", rule="quarter")
    year, number = int(period[:4]), int(period[-1])
    begin = datetime(year, 3 * number - 2, 1, tzinfo=UTC)
    return begin, datetime(year + number // 4, 3 * number % 12 + 1, 1, tzinfo=UTC)


def before(at: datetime) -> str:
    """The quarter before the one of an instant."""
    begin, _ = bounds(quarter(at))
    return f"{begin.year - 1}-Q4" if begin.month == 1 else f"{begin.year}-Q{begin.month // 3}"


def cells(profile: Any, members: Iterable[str] = ()) -> dict[str, list[str]]:
    """Every cell of every level, also those with nobody in them, so that absence tells nothing (law 2); `members` are
    the institutions that joined the exchange."""
    return {
        "kind": [k.value for k in Kind],
        "ending": list(ENDINGS),
        "institution": list(dict.fromkeys((*(m.code for m in profile.institutions), *members))),
        "clock": ["in-time", "late"],
    }


async def publish_figures(stack: Stack, ctx: Context, period: str) -> Figures | None:
    """Publish the figures of a quarter that has ended; None if they are published already (law 1).

    Raises CaseMalformed for a quarter that has not ended.
    """
    permit = policy.decide(ctx, "governance.publish_figures", policy.ANYONE)
    begin, end = bounds(period)
    if end > ctx.at:
        raise CaseMalformed("period: has ended", field="period", rule="ended")
    await federation.learn_names(stack)
    members = [code for code in federation.names(stack) if ":" not in code]
    async with stack.db.transaction(permit) as tx:
        counted: dict[str, dict[str, int]] = {
            level: dict.fromkeys(names, 0) for level, names in cells(stack.profile, members).items()
        }
        for row in await store.counts(tx, begin, end):
            late = row["escalated"] or row["late"]
            placed = {
                "kind": row["kind"],
                "ending": row["outcome"] or "waiting",
                "institution": row["institution"],
                "clock": "late" if late else "in-time",
            }
            for level, name in placed.items():
                counted[level][name] = counted[level].get(name, 0) + row["count"]
        scale = Fraction(len(LEVELS) * 1000, EPSILON_MILLI)
        levels = {level: _shown(evidence.with_noise(names, scale)) for level, names in counted.items()}
        made = Figures(period, ctx.at, EPSILON_MILLI, THRESHOLD, levels)
        if not await store.put(tx, made):
            tx.repeated = True  # published before: nothing was done, and no leaf is owed
            return None
        log.append(tx, permit, detail={"period": period, "epsilon_milli": EPSILON_MILLI})
    return made


def _shown(counts: dict[str, int]) -> dict[str, int | None]:
    """Counts under the threshold say only that they are (law 3)."""
    return {name: (count if count >= THRESHOLD else None) for name, count in counts.items()}


async def published(stack: Stack) -> list[Figures]:
    """All published quarters, newest first; public, about nobody."""
    async with stack.db.reading("governance") as tx:
        return await store.editions(tx)
