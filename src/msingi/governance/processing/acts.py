"""Makes the register of processing from what the system really does (laws 1 to 3)."""

from typing import Any

from msingi.countries import PurposeRule
from msingi.exchange.membership import acts as membership
from msingi.governance.keeping import acts as keeping
from msingi.governance.keeping.model import Kept
from msingi.governance.keeping.rules import instant
from msingi.governance.processing import reading
from msingi.governance.processing.model import Activity, Recipient, Register
from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.log import overview
from msingi.kernel.stack import Stack

PAGE = 200
MEASURES = (
    "Every act needs a permit from a rule in force, and leaves an entry in a log that nobody can rewrite.",
    "Rows about people stand behind row-level security: a permit reaches only the people it names.",
    "Content about people is sealed with a key of each person's own; erasing the key erases the content.",
    "Institutions know a person under pairwise pseudonyms; the exchange filters answers to the granted fields.",
    "A consent is read in the transaction of the decision that rests on it, so a withdrawal is obeyed at once.",
)


async def act_counts(stack: Stack) -> dict[str, int]:
    """How often each act was done in the last 24 hours; counting is an act too."""
    ctx = job_context("processing-register", "audit", "legal-obligation")
    return {c.act: c.last_day for c in await overview.count_acts(stack, ctx) if c.last_day}


async def recipients(stack: Stack) -> dict[str, list[Recipient]]:
    """Who may ask for what through the exchange, by purpose."""
    found: dict[str, list[Recipient]] = {}
    after: str | None = ""
    while after is not None:
        page = await membership.rights(stack, after=after, limit=PAGE)
        for right, _ in page:
            if not right.service.endswith("-acts"):  # machines of this stack, which give nothing to anybody else
                given = Recipient(right.client, right.service, right.basis, right.law, right.fields)
                found.setdefault(right.purpose, []).append(given)
        last = page[-1][0] if len(page) == PAGE else None
        after = f"{last.service} {last.client} {last.purpose}" if last else None
    return found


def _kept(purpose: str, register: dict[str, Kept]) -> tuple[dict[str, Any], ...]:
    """What is kept for a purpose, table by table; a table that nobody registered says so (law 2)."""
    lines = []
    for table in reading.tables():
        columns = [c for c in table.columns if c.purpose == purpose]
        if not columns:
            continue
        known = register.get(table.table)
        lines.append(
            {
                "table": table.table,
                "columns": [c.name for c in columns],
                "sealed": sum(c.hidden for c in columns),
                "in_clear": {c.name: c.clear for c in columns if c.clear},
                "room_says": columns[0].keep,
                "days": known.days if known else None,
                "destroyed_by": known.how.value if known else "nobody: not registered",
                "law": known.law if known else "",
            }
        )
    return tuple(lines)


async def register(stack: Stack, language: str = "") -> Register:
    """The register of processing as the system is now."""
    profile = stack.profile
    kept = {k.table: k for k in await keeping.register(stack)}
    asked = await recipients(stack)

    def activity(rule: PurposeRule) -> Activity:
        return Activity(
            purpose=rule.purpose,
            text=profile.say(rule.text, language),
            bases=tuple(rule.bases),
            law=rule.law,
            controller=profile.say(profile.authority.name, language),
            kept=_kept(rule.purpose, kept),
            recipients=tuple(asked.get(rule.purpose, ())),
            rules=tuple(f"{r.acts}: {r.says}" for r in reading.rules() if _speaks(r, rule.purpose)),
        )

    return Register(
        country=profile.say(profile.name, language),
        regulator=profile.say(profile.legal.regulator, language),
        law=profile.law.citation,
        sandbox=stack.settings.sandbox,
        made_at=instant(clock.now()),
        activities=tuple(activity(rule) for rule in profile.purposes),
        acts=await act_counts(stack),
        measures=MEASURES,
    )


def _speaks(rule: reading.RuleText, purpose: str) -> bool:
    return purpose in rule.purposes
