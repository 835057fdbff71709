"""What federation does by itself: keeping the directories of its peers fresh, long before they expire."""

import asyncio
import logging
import time

from msingi.exchange.errors import ExchangeRefusal
from msingi.exchange.federation import acts, outbound, rooms
from msingi.exchange.federation.model import REFRESH_S, PeerStanding
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.federation")
LOOK_S = 2.0


async def refresh_all(stack: Stack) -> int:
    """Fetch every active peer's directory; how many were accepted. One that fails keeps what it had."""
    done = 0
    for peer in await acts.peers(stack, fresh=True):
        if peer.standing is PeerStanding.ACTIVE:
            try:
                await acts.refresh_peer(stack, job_context("federation", "data-exchange"), peer.peer)
                done += 1
            except ExchangeRefusal as no:
                logger.warning("directory of %s not renewed: %s", peer.peer, no.detail or no.title)
    await rooms.connect(stack)
    return done


async def keep_peers(stack: Stack) -> None:
    """Refresh at start and every quarter of an hour; notice within seconds what the operator changed by command."""
    due, seen = 0.0, None
    try:
        while True:
            try:
                if time.monotonic() >= due:
                    await refresh_all(stack)
                    due = time.monotonic() + REFRESH_S
                known = [(p.peer, p.standing, p.url) for p in await acts.peers(stack, fresh=True)]
                if known != seen:
                    await rooms.connect(stack)
                    seen = known
                await acts.learn_names(stack)
            except Outage as outage:
                logger.warning("directories wait: %s", outage)
            await asyncio.sleep(LOOK_S)
    finally:
        await outbound.close(stack)


starts = [rooms.connect, acts.learn_names]
loops = [keep_peers]
