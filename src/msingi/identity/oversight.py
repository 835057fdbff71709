"""How officers decide about duplicates, in figures: against decisions that nobody thought about."""

from datetime import timedelta
from typing import Final

from msgspec import Struct

from msingi.identity import store_notices
from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack

QUICK: Final = timedelta(seconds=20)


class OfficerFigures(Struct, frozen=True):
    """An officer's decisions: how many, how many said "one person", how many came within 20 seconds of the one before,
    and the median seconds between two (None: too few)."""

    officer: str
    decided: int
    same: int
    quick: int
    median_s: float | None

    @property
    def hasty(self) -> bool:
        """Whether so many came so quickly that somebody should look: a third, and ten at least."""
        return self.quick >= 10 and self.quick * 3 >= self.decided


async def decisions_by_officer(stack: Stack, ctx: Context, days: int = 30) -> list[OfficerFigures]:
    """The decisions of the last `days` (1 to 366) by officer, the busiest first. Raises Malformed."""
    if not 1 <= days <= 366:
        raise Malformed("From 1 to 366.", field="days", rule="1-366")
    permit = policy.decide(ctx, "identity.see-decisions", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store_notices.decisions_by_officer(tx, ctx.at - timedelta(days=days), QUICK)
        log.append(tx, permit, detail={"what": "decisions counted by officer", "days": days})
    return [OfficerFigures(r["decided_by"].partition(":")[2], *(r[k] for k in KEYS)) for r in found]


KEYS: Final = ("decided", "same", "quick", "median_s")
