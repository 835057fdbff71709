"""What federation does by itself: keeping the directories of its peers fresh, long before they expire."""

import asyncio
import logging

from msingi.exchange.errors import ExchangeRefusal
from msingi.exchange.federation import acts, outbound
from msingi.exchange.federation.model import REFRESH_S, PeerStanding
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.federation")


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
    return done


async def keep_peers(stack: Stack) -> None:
    """Refresh at start and every quarter of an hour."""
    try:
        while True:
            try:
                await refresh_all(stack)
            except Outage as outage:
                logger.warning("directories wait: %s", outage)
            await asyncio.sleep(REFRESH_S)
    finally:
        await outbound.close(stack)


loops = [keep_peers]
