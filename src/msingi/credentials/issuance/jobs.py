"""What issuance does by itself: its certificate at start, facts that went stale, and forgetting what has expired."""

import asyncio
import logging

import msgspec

from msingi.credentials.issuance import acts, certificates, grants, kinds
from msingi.identity.model import PersonChanged
from msingi.kernel.context import job_context
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.credentials")
SWEEP_MINUTES = 10


class _Named(msgspec.Struct):
    """The one member of identity's events that matters here."""

    person_id: PersonId


async def register_changed(stack: Stack, payload: bytes) -> None:
    """Read the person's facts again before the next copy; safe to repeat."""
    person_id = msgspec.json.decode(payload, type=_Named).person_id
    await acts.register_changed(stack, job_context("credentials", "credential-issuance"), person_id)


async def prepare(stack: Stack) -> None:
    """A certificate for the signing key, the country's kinds, and the authorization server's part of issuance."""
    await certificates.start(stack)
    kinds.forget(stack)
    grants.connect(stack)
    await kinds.known(stack)


async def sweep(stack: Stack) -> None:
    """Learn every minute which kinds another process approved; every ten minutes forget what has expired, and renew
    the certificate in time."""
    minute = 0
    while True:
        await asyncio.sleep(60)
        minute += 1
        try:
            await kinds.known(stack)
            if minute % SWEEP_MINUTES == 0:
                await acts.sweep(stack, job_context("credentials", "credential-issuance"))
                await certificates.start(stack)
        except Exception:
            logger.exception("sweep of issuance failed")


doers = {PersonChanged.kind: register_changed}
loops = [sweep]
starts = [prepare]
