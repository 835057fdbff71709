"""What becomes of a person's accounts when the identity behind them does: no debits while it is out of use.

Money still arrives (a salary, a pension that nobody has stopped yet), and nothing leaves: neither by whoever has the
phone of a dead person, nor by whoever brought two records together. What belongs to whom after a death or a merge is
for a court or the bank's officers; the person's own return lifts it at once.
"""

from typing import Final

import msgspec

from msingi.identity import acts as identity
from msingi.identity.model import Status
from msingi.kernel import log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import NotFound
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import shards
from msingi.payments.model import Flag

JOB: Final = "payments-holders"


class _Named(msgspec.Struct):
    """The one member of identity's news that matters here: of whom. The status itself is asked for."""

    person_id: PersonId


@crossing("identity")
async def follow_identity(stack: Stack, ctx: Context, person_id: PersonId, in_use: bool) -> int:
    """Restrict a person's accounts, or lift that; how many changed. Once it returns, no writer debits them."""
    permit = policy.decide(ctx, "payments.follow-identity", person_id)
    async with stack.db.transaction(permit) as tx:
        changed = await shards.restrict_holder(stack, permit, tx, person_id, Flag.OUT_OF_USE, not in_use)
        log.append(tx, permit, subject=person_id, detail={"identity in use": in_use, "accounts": changed})
    return changed


async def on_status(stack: Stack, payload: bytes) -> None:
    """A status changed. News may overtake news, so the present one counts; safe to repeat."""
    person_id = msgspec.json.decode(payload, type=_Named).person_id
    try:
        status, _ = await identity.status_of(stack, job_context(JOB), person_id)
    except NotFound:
        return
    await follow_identity(stack, job_context(JOB), person_id, status is Status.ACTIVE)
