"""Endless work of sign-in: once an hour, forget what has expired."""

import asyncio
import logging

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.signin import store

logger = logging.getLogger("msingi.signin")
PAUSE_S = 3600


async def sweep(stack: Stack) -> int:
    """Forget expired codes, proofs, tries, sessions, grants and devices; gives how many rows were removed."""
    ctx = job_context("signin")
    permit = policy.decide(ctx, "signin.sweep", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        gone = await store.sweep(tx, ctx.at)
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


loops = [sweep_for_ever]
