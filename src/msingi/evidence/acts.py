"""What the evidence room does: take in a census, publish editions, show what is published."""

import secrets
import tomllib
from collections.abc import Awaitable, Callable
from fractions import Fraction
from functools import cache
from importlib.resources import files

import msgspec

from msingi.evidence import noise, rules, store
from msingi.evidence.errors import NoEdition, UnknownIndicator
from msingi.evidence.model import Cell, Edition, EditionId, Indicator, Population
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack

Counter = Callable[[Stack, Context], Awaitable[list[Cell]]]
YEARLY_MILLI = 4_000  # epsilon 4 a year and indicator, published with every edition
EDITION_MILLI = 1_000
_counters: dict[str, Counter] = {}


def register_counter(indicator: str, counter: Counter) -> None:
    """Say who counts the numerator of an indicator; the composition root does, so that rooms stay blind."""
    _counters[indicator] = counter


@cache
def indicators() -> dict[str, Indicator]:
    """The indicators that the stack can publish, by SDG code."""
    raw = tomllib.loads((files("msingi.evidence") / "indicators.toml").read_text("utf-8"))
    return {i.code: i for i in msgspec.convert(raw["indicators"], list[Indicator])}


def indicator(code: str) -> Indicator:
    """One indicator. Raises UnknownIndicator."""
    try:
        return indicators()[code]
    except KeyError:
        raise UnknownIndicator(indicator=code[:20]) from None


async def set_populations(stack: Stack, ctx: Context, populations: list[Population], source: str) -> None:
    """Take in denominators from a census or projection named `source`.

    Raises Malformed for a region that the country does not have, or a sex other than F and M.
    """
    permit = policy.decide(ctx, "evidence.set_populations", policy.NOBODY)
    known = {r.code for r in stack.profile.regions}
    for population in populations:
        if population.region not in known:
            raise Malformed(field="region", rule="region-of-the-country")
        if population.sex not in ("F", "M") or population.people < 0:
            raise Malformed(field="sex", rule="F-or-M, people>=0")
    async with stack.db.transaction(permit) as tx:
        await store.put_populations(tx, populations, source)
        log.append(tx, permit, detail={"cells": len(populations), "source": source[:80]})


async def publish(stack: Stack, ctx: Context, code: str, *, noise_of: rules.Noise | None = None) -> Edition:
    """Compute and publish a new edition of an indicator; only noisy figures are kept (law 1).

    Raises UnknownIndicator, or BudgetSpent when the year's privacy budget does not suffice (law 3).
    """
    shown = indicator(code)
    permit = policy.decide(ctx, "evidence.publish", policy.NOBODY)
    counted = await _counters[code](stack, ctx)
    regions = [r.code for r in stack.profile.regions]
    async with stack.db.transaction(permit) as tx:
        spent = rules.spend(await store.spent(tx, code, ctx.at.year), EDITION_MILLI, YEARLY_MILLI)
        people, source = await store.populations(tx, shown.age)
        counts = rules.noisy(counted, regions, EDITION_MILLI, noise_of or _noise)
        figures = rules.figures(code, counts, people, EDITION_MILLI)
        edition = Edition(EditionId(uuid7()), code, ctx.at, EDITION_MILLI, spent, source, figures)
        await store.add(tx, edition)
        log.append(tx, permit, detail={"indicator": code, "epsilon_milli": EDITION_MILLI})
    return edition


def _noise(scale: Fraction) -> int:
    return noise.discrete_laplace(scale, secrets.randbelow)


def with_noise(counts: dict[str, int], scale: Fraction) -> dict[str, int]:
    """Counts of another room, protected as this room protects its own (laws 1 and 2): noise, and none below zero.

    `scale` is the number of levels that share the budget, over its epsilon.
    """
    return {name: max(0, count + _noise(scale)) for name, count in counts.items()}


async def newest(stack: Stack, code: str) -> Edition:
    """The newest published edition; public, about nobody. Raises UnknownIndicator or NoEdition."""
    indicator(code)
    async with stack.db.reading("evidence") as tx:
        edition = await store.newest(tx, code)
    if edition is None:
        raise NoEdition(indicator=code)
    return edition
