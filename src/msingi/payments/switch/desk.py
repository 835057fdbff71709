"""The desk: what messages leave behind is kept in batches, one transaction and one leaf for all that arrived together.

A message is acknowledged only after the commit that holds what it began or ended and the letters that it causes.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Outage
from msingi.kernel.log.leaf import tree_hash
from msingi.kernel.stack import Stack
from msingi.payments.switch import store
from msingi.payments.switch.model import Letter, Talk, Transfer

logger = logging.getLogger("msingi.switch")
JOB = "switch-desk"
MAX_BATCH = 500
GATHER_S = 0.004  # what arrives within this time is kept together
NOTE_S = 0.25
IN_HAND = timedelta(seconds=20)  # so long this program tries a letter by itself before anybody may take it up


class Slip(Struct, gc=False):
    """What one message leaves: what it begins, what it ends, letters to send, letters that were taken.

    `record` is what the log's batch root covers: who did what, under which permit. `promised` is a conversion that the
    exchange provider has fulfilled, `besides` one that ends with the transfer that decided it.
    """

    record: bytes
    talk: Talk | None = None
    begun: Transfer | None = None
    ended: Transfer | None = None
    promised: Transfer | None = None
    besides: Transfer | None = None
    letters: Sequence[Letter] = ()
    taken: Sequence[UUID] = ()


class _Waiting(Struct):
    slip: Slip
    future: "asyncio.Future[bool] | None"


class Desk:
    """Keeps slips, in batches; at most one batch is being committed, and the others gather meanwhile."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._waiting: deque[_Waiting] = deque()
        self._running: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    async def keep(self, slip: Slip) -> bool:
        """Keep a slip; True once it is durable, False if what it begins, promises or ends had been so before.

        Then nothing of it was kept, its letters neither. Raises Outage when the database does not answer.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(slip, future))
        self._start()
        return await future

    def note(self, slip: Slip) -> None:
        """Keep a slip some time: for letters that were taken, which are otherwise only sent once more.

        It travels with the next batch, or alone after a while.
        """
        self._waiting.append(_Waiting(slip, None))
        if self._running is None and self._later is None:
            self._later = asyncio.get_running_loop().call_later(NOTE_S, self._start)

    async def idle(self) -> None:
        """Wait until everything is kept."""
        while self._running is not None or self._waiting:
            self._start()
            assert self._running is not None
            await asyncio.wait([self._running])

    def _start(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._running is None:
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._waiting:
                await asyncio.sleep(GATHER_S)
                batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                try:
                    kept = await self._kept([w.slip for w in batch])
                except Outage as outage:
                    _fail(batch, outage)
                    continue
                for waiting, whether in zip(batch, kept, strict=True):
                    if waiting.future is not None and not waiting.future.done():
                        waiting.future.set_result(whether)
        except BaseException as broken:  # whatever breaks, everybody gets an answer
            told = broken if isinstance(broken, Exception) else Outage("the switch was stopped")
            logger.error("the desk stopped", exc_info=broken)
            _fail([*batch, *self._waiting], told)
            self._waiting.clear()
            if not isinstance(broken, Exception):
                raise
        finally:
            self._running = None

    async def _kept(self, slips: Sequence[Slip]) -> list[bool]:
        """Commit a batch; for each slip whether it was new."""
        now = clock.now()
        talks = {(s.talk.resource, s.talk.id): s for s in reversed(slips) if s.talk}
        ended = {s.ended.id: s for s in reversed(slips) if s.ended}
        permit = policy.decide(job_context(JOB, "payment", "contract"), "payments.switch-keep", policy.NOBODY)
        async with self._stack.db.transaction(permit) as tx:
            new_talks = await store.begin_talks(tx, [s.talk for s in talks.values() if s.talk], now) if talks else set()
            begun = {s.begun.id: s for s in reversed(slips) if s.begun and _first(s, talks, new_talks)}
            new = await store.begin_transfers(tx, [s.begun for s in begun.values() if s.begun]) if begun else set()
            over = await store.end_transfers(tx, _both(ended.values())) if ended else set()
            sure = await _linked(tx, [s.begun for s in begun.values() if s.begun and s.begun.id in new], slips)
            kept = [
                _first(s, talks, new_talks)
                and (not s.begun or (begun[s.begun.id] is s and s.begun.id in new))
                and (not s.ended or (ended[s.ended.id] is s and s.ended.id in over))
                and (not s.promised or s.promised.id in sure)
                for s in slips
            ]
            letters = [letter for s, yes in zip(slips, kept, strict=True) if yes for letter in s.letters]
            if letters:
                await store.post_letters(tx, letters, now + IN_HAND)
            taken = [id_ for s in slips for id_ in s.taken]
            if taken:
                await store.drop_letters(tx, taken)
            records = [sha256(s.record).digest() for s, yes in zip(slips, kept, strict=True) if yes and s.record]
            if records:
                root = tree_hash(records).hex()
                log.append(tx, permit, detail={"what": "messages of the switch", "count": len(records), "root": root})
            elif taken:
                log.append(tx, permit, detail={"what": "letters delivered", "count": len(taken)})
            else:
                tx.release(permit)
        return kept


def _both(ended: Iterable[Slip]) -> list[Transfer]:
    """What ends: transfers, and the conversions behind them."""
    return [one for s in ended for one in (s.ended, s.besides) if one is not None]


def _first(slip: Slip, talks: dict[tuple[str, str], Slip], new: set[tuple[str, str]]) -> bool:
    """Whether the request that a slip begins is new; one that begins none is."""
    if slip.talk is None:
        return True
    key = slip.talk.resource, slip.talk.id
    return talks[key] is slip and key in new


async def _linked(tx: Tx, begun: Sequence[Transfer], slips: Sequence[Slip]) -> set[str]:
    """Keep promises of conversions, and let conversions wait for what decides them; the ids promised now."""
    deciding = [one for one in begun if one.funder]
    if deciding:
        await store.prolong(tx, deciding)
    promised = {s.promised.id: s.promised for s in slips if s.promised}
    return await store.promise(tx, list(promised.values())) if promised else set()


def _fail(waiting: Sequence[_Waiting], failure: Exception) -> None:
    for one in waiting:
        if one.future is not None and not one.future.done():
            one.future.set_exception(failure)


def of(stack: Stack) -> Desk:
    """The desk of this stack; the same one for the whole program."""
    found = stack.local.get("payments.switch.desk")
    if not isinstance(found, Desk):
        found = stack.local["payments.switch.desk"] = Desk(stack)
    return found
