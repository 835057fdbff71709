"""Work of sign-in that nobody asks for: forget what has expired, and end what an identity out of use left open."""

import asyncio
import logging
from datetime import timedelta

import msgspec

from msingi.identity.model import Status, StatusChanged
from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.signin import acts, store
from msingi.signin.ciba import store as requests
from msingi.signin.ciba.routes import offer as offer_approvals
from msingi.signin.esignet import store as logins
from msingi.signin.model import Closed
from msingi.signin.passkeys.routes import offer as offer_passkeys
from msingi.signin.provider import goodbye
from msingi.signin.ways import acts as ways

logger = logging.getLogger("msingi.signin")
PAUSE_S = 3600


async def sweep(stack: Stack) -> int:
    """Forget expired codes, proofs, tries, sessions, grants and devices; gives how many rows were removed."""
    ctx = job_context("signin")
    permit = policy.decide(ctx, "signin.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        gone = await store.sweep(tx, ctx.at) + await requests.sweep(tx, ctx.at - timedelta(days=1))
        gone += await logins.sweep(tx, ctx.at)
        log.append(tx, permit, detail={"removed": gone})
    return gone


async def sweep_for_ever(stack: Stack) -> None:
    """Sweep every hour, also after an outage."""
    while True:
        await asyncio.sleep(PAUSE_S)
        try:
            await sweep(stack)
        except Outage:
            logger.warning("sweep postponed")


async def end_everything(stack: Stack, payload: bytes) -> None:
    """A person's identity went out of use: so do the sessions and tokens."""
    news = msgspec.json.decode(payload, type=StatusChanged)
    if news.status is not Status.ACTIVE:  # late news ends a session too many, never one too few
        await acts.end_everything(stack, job_context("signin"), news.person_id)


doers = {StatusChanged.kind: end_everything, "signin.signed-out": goodbye.tell, Closed.kind: ways.tell}
loops = [sweep_for_ever]
starts = [offer_approvals, offer_passkeys]
