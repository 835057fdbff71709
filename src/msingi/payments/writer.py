"""The writer: one sequential decider per shard, with group commit.

While one batch commits, the next is decided upon it in memory; futures resolve only after their COMMIT. A failed
commit throws away the memory of both batches, re-reads the truth, and decides again, so a writer that lost the
fence to another one is harmless. A writer runs only while orders wait: it needs no start and no stop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.payments import rules, store
from msingi.payments.book import Batch, Book, Ending, micros
from msingi.payments.model import Order, Tier, TransfersPosted

logger = logging.getLogger("msingi.payments")
MAX_BATCH = 1_000
MAX_TRIES = 5
RETRY_S = 0.2
SLICE = 8
JOB = "payments-writer"


class Asked(Struct, gc=False):
    """Orders that arrived together and are answered together."""

    orders: Sequence[Order]
    future: "asyncio.Future[list[Ending]]"
    tries: int = 0


class Pending(Struct):
    """A decided batch and who asked for it."""

    batch: Batch
    asked: list[Asked]


class Writer:
    """Decides and persists the orders of one shard."""

    def __init__(self, stack: Stack, shard: int = 0) -> None:
        self._stack = stack
        self._shard = shard
        self._book: Book | None = None
        self._waiting: deque[Asked] = deque()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def post(self, orders: Sequence[Order]) -> list[Ending]:
        """Post up to MAX_BATCH orders as they come; their endings, in their order, once they are durable.

        Raises Outage when it cannot be told in time; repeating with the same ids is always safe.
        """
        if len(orders) > MAX_BATCH:
            raise ValueError(f"a call holds at most {MAX_BATCH} orders")
        if not orders:
            return []
        for order in orders:
            if not 0 < order.amount <= rules.MAX_AMOUNT_MINOR or not 0 <= order.debit | order.credit < 1 << 62:
                raise ValueError("an amount or an account id is out of range")
        asked = Asked(orders, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        self._wake.set()
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await asked.future

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        """Work until nothing waits; whatever breaks, every future gets an answer."""
        try:
            await self._work()
        except Exception as failure:
            logger.exception("the writer stopped")
            self._book = None
            while self._waiting:
                _fail(self._waiting.popleft(), failure)
        finally:
            self._running = None

    async def _work(self) -> None:
        if self._book is None:
            self._book = await self._loaded()
        current: Pending | None = None
        ahead: Pending | None = None
        commit: asyncio.Task[Exception | None] | None = None
        try:
            while self._waiting or current or ahead:
                if commit is None:
                    current, ahead = ahead or await self._decide(halve=True), None
                    commit = self._committing(current)
                    await asyncio.sleep(0)  # let the commit send its first message before deciding on top of it
                elif commit.done():
                    failure, done = commit.result(), current
                    current, ahead, commit = ahead, None, None
                    if failure is None:
                        if current is not None:
                            commit = self._committing(current)
                            await asyncio.sleep(0)
                        await _resolve(done)
                    else:
                        assert done is not None
                        current = await self._recover(failure, done, current)
                        commit = self._committing(current) if current else None
                elif ahead is None and self._waiting:
                    ahead = await self._decide()
                else:
                    self._wake.clear()
                    if not commit.done() and not (self._waiting and ahead is None):
                        await self._wake.wait()
        except BaseException as failure:
            if commit is not None and current is not None and await commit is None:
                await _resolve(current)  # it did commit, whatever broke meanwhile
            for pending in (current, ahead):
                for asked in pending.asked if pending else ():
                    _fail(asked, failure if isinstance(failure, Exception) else Outage("the writer was stopped"))
            raise

    def _committing(self, pending: Pending) -> "asyncio.Task[Exception | None]":
        task = asyncio.create_task(self._persist(pending.batch))
        task.add_done_callback(lambda _: self._wake.set())
        return task

    async def _decide(self, halve: bool = False) -> Pending:
        """Take what waits and decide it. When nothing is under way half is taken, so that both stages overlap."""
        assert self._book is not None
        waiting = sum(len(asked.orders) for asked in self._waiting)
        room = min(MAX_BATCH, max(64, waiting // 2)) if halve else MAX_BATCH
        asked, orders = [], []
        while self._waiting and (not orders or len(orders) + len(self._waiting[0].orders) <= room):
            one = self._waiting.popleft()
            asked.append(one)
            orders.extend(one.orders)
        strangers = self._book.strangers(orders)
        if strangers:
            try:
                async with self._stack.db.reading("payments") as tx:
                    await store.meet(tx, self._book, strangers)
            except Exception:
                self._waiting.extendleft(reversed(asked))
                raise
        return Pending(self._book.decide(orders, micros(clock.now())), asked)

    async def _persist(self, batch: Batch) -> Exception | None:
        """Commit a batch; None, or what went wrong."""
        assert self._book is not None
        if not batch.rows:
            return None
        try:
            permit = policy.decide(job_context(JOB), "payments.write-batch", policy.NOBODY)
            async with self._stack.db.transaction(permit) as tx:
                await store.persist(tx, self._book, batch)
                log.append_root(tx, permit, root=batch.root, count=len(batch.rows))
                told = TransfersPosted(self._shard, batch.first_seq, len(batch.rows), batch.posted)
                await self._stack.outbox.emit(tx, "payments.transfer-posted", told)
        except Exception as failure:
            return failure
        return None

    async def _recover(self, failure: Exception, failed: Pending, ahead: Pending | None) -> Pending | None:
        """After a failed commit: read what is true. What was not committed is decided again, or failed.

        Gives the batch to commit next if the failed one turns out to be committed.
        """
        book = self._book
        assert book is not None
        truth = await self._standing()
        if truth["seq"] == failed.batch.next_seq and bytes(truth["head"]) == failed.batch.head:
            await _resolve(failed)
            return ahead
        lost = [pending for pending in (failed, ahead) if pending is not None]
        suspects: set[int] = set()
        for pending in lost:
            book.forget(pending.batch)
            suspects.update(pending.batch.state[0])
        taken = [row[2] for row in failed.batch.rows] if isinstance(failure, store.IdsTaken) else []
        permit = policy.decide(job_context(JOB), "payments.reread-ledger", policy.ANYONE)
        async with self._stack.db.transaction(permit) as tx:
            await store.catch_up(tx, book, failed.batch.first_seq, suspects)
            known = await store.recall(tx, book, taken) if taken else 0
            log.append(
                tx, permit, detail={"what": "ledger re-read", "reason": type(failure).__name__, "repeats": known}
            )
        again = isinstance(failure, store.FenceLost | Outage) or known > 0
        for pending in reversed(lost):
            for asked in reversed(pending.asked):
                asked.tries += pending is failed
                if pending is failed and not (again and asked.tries < MAX_TRIES):
                    _fail(asked, failure if not again else Outage("the ledger is contended"))
                else:
                    self._waiting.appendleft(asked)
        return None

    async def _standing(self) -> store.Row:
        for attempt in range(MAX_TRIES):
            try:
                async with self._stack.db.reading("payments") as tx:
                    return await store.standing(tx, self._shard)
            except Outage:
                if attempt == MAX_TRIES - 1:
                    raise
                await asyncio.sleep(RETRY_S * 2**attempt)
        raise AssertionError("unreachable")

    async def _loaded(self) -> Book:
        book = Book(self._shard, tiers_of(self._stack))
        async with self._stack.db.reading("payments") as tx:
            await store.load(tx, book)
        return book


def tiers_of(stack: Stack) -> list[Tier]:
    """The know-your-customer tiers of the country."""
    return [Tier(t.tier, t.per_transfer_minor, t.per_day_minor, t.balance_minor) for t in stack.profile.tiers]


def of(stack: Stack, shard: int = 0) -> Writer:
    """The writer of a shard for this stack; the same one for the whole program."""
    key = f"payments.writer.{shard}"
    found = stack.local.get(key)
    if not isinstance(found, Writer):
        found = stack.local[key] = Writer(stack, shard)
    return found


async def _resolve(pending: Pending | None) -> None:
    if pending is None:
        return
    endings, start = pending.batch.endings, 0
    for asked in pending.asked:
        stop = start + len(asked.orders)
        if not asked.future.done():
            asked.future.set_result(endings[start:stop])
        start = stop
        if not start % SLICE:
            await asyncio.sleep(0)


def _fail(asked: Asked, failure: Exception) -> None:
    if not asked.future.done():
        asked.future.set_exception(failure)
