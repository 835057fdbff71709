"""Counts of what must not be done too often by one caller, kept for a while and by all processes together.

The count is written in the transaction of the act that is counted, so it is as durable as the act. What this process
has seen counted is remembered, so that a caller who is over the limit is refused without asking the database.
"""

import logging
import secrets
from datetime import UTC, datetime

from msgspec import Struct

from msingi.kernel import sql
from msingi.kernel.db import Tx
from msingi.kernel.errors import TooMany
from msingi.kernel.stack import Stack

Q = sql.load(__name__)
logger = logging.getLogger("msingi.tally")
_MOST_KNOWN = 50_000
_SWEEP_ONE_IN = 64


class Limit(Struct, frozen=True):
    """At most `most` of what `name` says, by one caller, in each window of `window_s` seconds."""

    name: str
    most: int
    window_s: int


def _known(stack: Stack) -> dict[tuple[str, str], tuple[int, int]]:
    found = stack.local.setdefault("kernel.tally", {})
    assert isinstance(found, dict)
    return found


def check(stack: Stack, limit: Limit, who: str, at: datetime) -> None:
    """Raises TooMany, with the seconds until the next window, if `who` is known to have reached the limit."""
    window, gone = divmod(int(at.timestamp()), limit.window_s)
    if _known(stack).get((limit.name, who), (0, 0)) >= (window, limit.most):
        raise TooMany(retry_after_s=limit.window_s - gone)


async def add(stack: Stack, tx: Tx, limit: Limit, who: str, at: datetime, count: int = 1) -> int:
    """Count what `who` did; the sum of the present window. The operator's log tells who reaches the limit, once."""
    window = int(at.timestamp()) // limit.window_s
    key = stack.keys.blind(f"tally|{limit.name}|{who}|{window}")
    until = datetime.fromtimestamp((window + 1) * limit.window_s, UTC)
    total = await tx.value(Q.count_up, key, count, until)
    known = _known(stack)
    if len(known) > _MOST_KNOWN:
        known.clear()
    known[limit.name, who] = (window, total)
    if total >= limit.most > total - count:
        logger.warning("a limit was reached: %s", limit.name, extra={"event": limit.name, "actor": who})
    if secrets.randbelow(_SWEEP_ONE_IN) == 0:
        await tx.do(Q.forget_counts, at)
    return total
