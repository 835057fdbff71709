"""What becomes of a person's accounts when the sign-in was given back at a centre: small amounts for three days.

Whoever deceives an officer holds the sign-in, and is gone with the money before the owner reads the message. So the
accounts pay out a tenth of what they may (`rules.while_recovering`), by a flag that every writer obeys, and no more is
looked up when a transfer is weighed. The event of sign-in sets it, and a loop lifts it when its time has come.
"""

import logging
from datetime import datetime
from typing import Final

import msgspec

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context, job_context
from msingi.kernel.crossing import crossing
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import shards, store
from msingi.payments.model import Flag
from msingi.signin.model import Recovered

logger = logging.getLogger("msingi.payments")
JOB: Final = "payments-holders"
RECOVERED: Final = "signin.recovered"
LOOK_S: Final = 60.0
BATCH: Final = 100


@crossing("signin")
async def follow_recovery(stack: Stack, ctx: Context, person_id: PersonId, until: datetime) -> int:
    """Let a person's accounts pay small amounts only until then; how many changed. Safe to repeat, also late."""
    permit = policy.decide(ctx, "payments.follow-identity", person_id)
    async with stack.db.transaction(permit) as tx:
        changed = 0
        if until > clock.now():
            await store.keep_recovering(tx, person_id, until)
            changed = await shards.restrict_holder(stack, permit, tx, person_id, Flag.RECOVERED, True)
        log.append(tx, permit, subject=person_id, detail={"what": "recovered", "accounts": changed})
    return changed


async def lift_recoveries(stack: Stack, ctx: Context) -> int:
    """Let those pay as usual whose days are over; how many people."""
    permit = policy.decide(ctx, "payments.follow-identity", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        at, lifted = clock.now(), 0
        for person_id in await store.recovered_by(tx, at, BATCH):
            if await store.end_recovering(tx, person_id, at):
                await shards.restrict_holder(stack, permit, tx, person_id, Flag.RECOVERED, False)
                log.append(tx, permit, subject=person_id, detail={"what": "days after a recovery are over"})
                lifted += 1
        tx.repeated = not lifted
        if not lifted:
            tx.release(permit)
    return lifted


async def on_recovered(stack: Stack, payload: bytes) -> None:
    """An account was given back at a centre."""
    news = msgspec.json.decode(payload, type=Recovered)
    await follow_recovery(stack, job_context(JOB), news.person_id, news.until)


async def lift(stack: Stack) -> None:
    """Lift what is over."""
    while await lift_recoveries(stack, job_context(JOB)) == BATCH:
        pass
