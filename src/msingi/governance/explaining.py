"""Explanations of decisions by rule: what the public register says, and what of this person's data was weighed.

A rule that is not in the register cannot be explained, and one whose facts nobody registered is told as such.
"""

import contextlib
from collections.abc import Awaitable, Callable

from msingi.identity import acts as identity
from msingi.kernel import money
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.portal import words
from msingi.stewardship import acts as stewardship

Explainer = Callable[[Stack, Context, PersonId, str], Awaitable[list[str]]]
_explainers: dict[str, Explainer] = {}


def register(algorithm: str, explainer: Explainer) -> None:
    """Say who tells what a rule weighed of one person, in lines of `name: value`."""
    _explainers[algorithm] = explainer


async def explain(stack: Stack, person_id: PersonId, algorithm: str, language: str) -> str:
    """What the rule decides, how, its limits, who looks, what of the person it weighed, and how to contest it.

    Raises UnknownAlgorithm.
    """
    entry = stewardship.algorithm(algorithm)
    say = stack.profile.say
    parts = [say(getattr(entry, part), language) for part in ("decides", "logic", "limits", "person", "contest")]
    weigher = _explainers.get(algorithm)
    if weigher is not None:
        ctx = job_context("subject-access", "subject-access", "legal-obligation")
        with contextlib.suppress(Refusal):  # somebody who is not enrolled, or has no account: nothing was weighed
            parts.insert(2, "\n".join(await weigher(stack, ctx, person_id, language)))
    return "\n\n".join(part for part in parts if part)


async def _weighed_for_duplicates(stack: Stack, ctx: Context, person_id: PersonId, language: str) -> list[str]:
    known = (await identity.read_person(stack, ctx, person_id)).demographics
    region = next((r for r in stack.profile.regions if r.code == known.region), None)
    say = words.load(language if language in words.languages() else "en").plain
    weighed = {
        "name": f"{known.name.given} {known.name.family}",
        "birth_date": known.birth.date,
        "region": stack.profile.say(region.name, language) if region else known.region,
        "address": ", ".join(known.address.lines),
        "phone": known.phone,
    }
    # Figures are isolated, so that no Arabic sentence turns a date or a telephone number around (UAX 9).
    figures = {
        part: f"\u2066{value}\u2069" for part, value in weighed.items() if part in ("birth_date", "phone") and value
    }
    return [f"{say(f'governance.part_{part}')}: {value}" for part, value in (weighed | figures).items() if value]


async def _weighed_for_limits(stack: Stack, ctx: Context, person_id: PersonId, language: str) -> list[str]:
    profile = stack.profile
    lines = []
    for account in await payments.accounts(stack, ctx, person_id):
        lines.append(f"{account.number} ({account.currency})")
    for tier in profile.tiers:
        amounts = (tier.per_transfer_minor, tier.per_day_minor, tier.balance_minor)
        written = " / ".join(
            money.format(a, profile.currency, profile.group_separator, profile.decimal_point) for a in amounts
        )
        lines.append(f"{profile.say(tier.name, language)}: {written}")
    return lines


register("duplicate-candidates", _weighed_for_duplicates)
register("transfer-limits", _weighed_for_limits)
