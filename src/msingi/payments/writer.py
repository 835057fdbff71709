"""The writer: one sequential decider per shard, with group commit.

While one batch commits, the next is decided upon it in memory, and if it is large it is sent after it on another
connection, where it waits for the fence: then the database never waits for this program. Futures resolve only after
their COMMIT, in the order of the batches. A failed commit throws away the memory of all batches after it, re-reads the
truth, and decides again, so a writer that lost the fence to another one is harmless. A writer runs only while orders
wait: it needs no start and no stop.
"""

import asyncio
import logging
from asyncio import get_running_loop
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

from msgspec import Struct, field

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.stack import Stack
from msingi.payments import homes, rules, shards, store
from msingi.payments.batch import Batch, Ending
from msingi.payments.book import Book
from msingi.payments.model import SHARD_BITS, Order, Tier, TransfersPosted

logger = logging.getLogger("msingi.payments")
MAX_BATCH = 1_000
_MOST, _END = rules.MAX_AMOUNT_MINOR, 1 << 62
MAX_TRIES = 5
RETRY_S = 0.2
GROUP = 32
AT_ONCE = 2  # batches on their way to the database
FOLLOWS_FROM = 400  # rows of a batch that is sent before the one under way has ended; a smaller one waits, so that
#                     more orders come together in the next
JOB = "payments-writer"
_KEYS = tuple(f"payments.writer.{shard}" for shard in range(1 << SHARD_BITS))
POSTED = "payments.transfer-posted"


class Asked(Struct, gc=False):
    """Orders that arrived together and are answered together; `alone`: the answer is an ending, not a list of one."""

    orders: Sequence[Order]
    future: "asyncio.Future[Any]"
    alone: bool = False
    tries: int = 0


class Pending(Struct):
    """Who asked for a batch, and the batch once it is decided."""

    asked: list[Asked]
    batch: Batch = field(default_factory=lambda: Batch(0, 0))


class Writer:
    """Decides and persists the orders of one shard."""

    def __init__(self, stack: Stack, shard: int = 0) -> None:
        self._stack = stack
        self._shard = shard
        self._book: Book | None = None
        self._waiting: deque[Asked] = deque()
        self._decided: deque[Pending] = deque()  # each stands on the one before
        self._commits: deque[asyncio.Task[Exception | None]] = deque()  # of the first of them
        self._asleep: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None

    @property
    def book(self) -> Book | None:
        """The accounts in memory; None before the first order, and while they are read again."""
        return self._book

    def post(self, orders: Sequence[Order]) -> "asyncio.Future[list[Ending]]":
        """Post up to MAX_BATCH orders as they come; to await: their endings, in their order, once they are durable.

        The future raises Outage when it cannot be told in time; repeating with the same ids is always safe.
        """
        if len(orders) > MAX_BATCH:
            raise ValueError(f"a call holds at most {MAX_BATCH} orders")
        for order in orders:
            _check_range(order)
        if orders and orders[-1].linked:
            raise ValueError("the last order of a call is not linked to another one")
        return self._asked(orders)

    def post_one(self, order: Order) -> "asyncio.Future[Ending]":
        """Post an order that stands alone; to await: its ending, as for `post`."""
        if order.linked:
            raise ValueError("an order that stands alone is not linked to another one")
        if not (0 < order.amount <= _MOST and 0 <= order.debit | order.credit < _END):
            _check_range(order)
        future = get_running_loop().create_future()
        self._waiting.append(Asked((order,), future, True))
        self._go_on()
        return future

    async def expire(self) -> None:
        """End the holds whose time is over by this writer's clock; durable when it returns."""
        await self._asked(())

    def _asked(self, orders: Sequence[Order]) -> "asyncio.Future[Any]":
        future = get_running_loop().create_future()
        self._waiting.append(Asked(orders, future))
        self._go_on()
        return future

    def _go_on(self) -> None:
        if self._asleep is not None:
            self._awaken()
        elif self._running is None:
            self._running = asyncio.create_task(self._run())

    def _awaken(self) -> None:
        """There is work: go on."""
        asleep, self._asleep = self._asleep, None
        if asleep is not None and not asleep.done():
            asleep.set_result(None)

    async def _sleep(self) -> None:
        """Wait until there is work."""
        self._asleep = get_running_loop().create_future()
        try:
            await self._asleep
        finally:
            self._asleep = None

    def last_day(self, account: int) -> int | None:
        """The day (since 1970, UTC) on which an account of this shard last counted a payment against its limit, 0 for
        never; None while the books are not in memory, and for accounts without limits."""
        book, index = self._book, rules.index_of(account)
        if book is None:
            return None
        if index >= len(book.flags) or not book.flags[index]:
            return 0  # opened since, so it has paid nobody
        return book.day[index] if book.tier[index] else None

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        while self._running is not None:
            await asyncio.wait([self._running])

    async def _run(self) -> None:
        """Work until nothing waits; whatever breaks, every future gets an answer."""
        try:
            if self._book is None:
                self._book = await self._loaded()
            while self._waiting or self._decided:
                if self._commits and self._commits[0].done():
                    await self._finish_commit()
                elif self._may_start():
                    await self._start_commit()
                elif self._waiting and len(self._decided) <= len(self._commits):
                    await self._decide(halve=not self._commits)
                else:
                    await self._sleep()
        except BaseException as failure:
            await self._give_up(failure)
            if not isinstance(failure, Exception):
                raise
        finally:
            self._running = None

    async def _give_up(self, failure: BaseException) -> None:
        """Answer everybody and forget everything; the next order begins with the database's truth."""
        logger.error("the writer stopped", exc_info=failure)
        self._book = None
        commits, self._commits = self._commits, deque()
        if commits:
            await asyncio.wait(commits)
        for commit in commits:
            if commit.cancelled() or commit.exception() or commit.result() is not None:
                break
            await _resolve(self._decided.popleft())  # it did commit, whatever broke meanwhile
        told = failure if isinstance(failure, Exception) else Outage("the writer was stopped")
        for asked in [*(a for pending in self._decided for a in pending.asked), *self._waiting]:
            _fail(asked, told)
        self._decided.clear()
        self._waiting.clear()

    def _may_start(self) -> bool:
        """Whether a decided batch is to be sent: at once if none is under way, after one that is only if large."""
        under_way = len(self._commits)
        if len(self._decided) <= under_way or under_way >= AT_ONCE:
            return False
        return not under_way or len(self._decided[under_way].batch.rows) >= FOLLOWS_FROM

    async def _start_commit(self) -> None:
        commit = asyncio.create_task(self._persist(self._decided[len(self._commits)].batch))
        commit.add_done_callback(lambda _: self._awaken())
        self._commits.append(commit)
        await asyncio.sleep(0)  # its message leaves before the next batch is decided on top of it

    async def _finish_commit(self) -> None:
        """The first of the batches under way has ended."""
        if self._commits[0].result() is not None:
            return await self._recover()
        self._commits.popleft()
        done = self._decided.popleft()
        if self._may_start():
            await self._start_commit()  # before the answers, so that the database does not wait for their readers
        return await _resolve(done)

    async def _decide(self, halve: bool = False) -> None:
        """Take what waits and decide it. When nothing is under way half is taken, so that both stages overlap."""
        assert self._book is not None
        queue = self._waiting
        room = MAX_BATCH
        if halve:
            room = min(MAX_BATCH, max(64, sum([len(asked.orders) for asked in queue]) // 2))
        asked: list[Asked] = []
        orders: list[Order] = []
        while queue and (not asked or len(orders) + len(queue[0].orders) <= room):
            one = queue.popleft()
            asked.append(one)
            orders += one.orders
        pending = Pending(asked)
        self._decided.append(pending)
        await self._meet(self._book, orders)
        pending.batch = self._book.decide(orders, clock.now_us())

    async def _meet(self, book: Book, orders: Sequence[Order]) -> None:
        """Bring into memory whatever these orders name and it does not know."""
        orders = book.unusual(orders)
        if not orders:
            return
        transits = book.unknown_transits(orders)
        if transits:
            await shards.open_transits(self._stack, book, transits)
        strangers = book.strangers(orders)
        if strangers:
            async with self._stack.db.reading("payments") as tx:
                await store.meet(tx, book, strangers)
        unknown = book.unknown_originals(orders)
        if unknown:
            permit = policy.decide(job_context(JOB), "payments.reread-ledger", policy.ANYONE)
            async with self._stack.db.transaction(permit) as tx:
                found = await store.meet_originals(tx, book, unknown)
                log.append(tx, permit, detail={"what": "transfers looked up that orders name", "found": found})

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
                if self._stack.outbox.wanted(POSTED):  # one event for each batch would otherwise cost a tenth
                    told = TransfersPosted(self._shard, batch.first_seq, len(batch.rows), batch.posted)
                    await self._stack.outbox.emit(tx, POSTED, told)
        except Exception as failure:
            return store.failure_of(failure)
        return None

    async def _recover(self) -> None:
        """After a failed commit: read what is true. What was not committed is decided again, or failed."""
        await asyncio.wait(self._commits)  # what follows a failed one cannot pass the fence
        failures = [commit.result() for commit in self._commits]
        self._commits.clear()
        truth = await self._standing()
        stood = [(p.batch.next_seq, p.batch.head) == (truth["seq"], bytes(truth["head"])) for p in self._decided]
        committed = max((n for n, here in enumerate(stood[: len(failures)], 1) if here), default=0)
        for _ in range(committed):  # only the answer of the COMMIT was lost
            await _resolve(self._decided.popleft())
        if committed < len(failures):
            await self._decide_again(failures[committed] or store.FenceLost())

    async def _decide_again(self, failure: Exception) -> None:
        """The first decided batch was not committed: forget all of them, and what they changed in memory."""
        book, failed = self._book, self._decided[0]
        assert book is not None
        suspects: set[int] = set()
        for pending in self._decided:
            book.forget(pending.batch)
            suspects.update(pending.batch.state[0])
        taken = [row[2] for row in failed.batch.rows] if isinstance(failure, store.IdsTaken) else []
        permit = policy.decide(job_context(JOB), "payments.reread-ledger", policy.ANYONE)
        async with self._stack.db.transaction(permit) as tx:
            await store.catch_up(tx, book, failed.batch.first_seq, suspects)
            known = await store.recall(tx, book, taken) if taken else 0
            why = type(failure).__name__
            log.append(tx, permit, detail={"what": "ledger re-read", "reason": why, "repeats": known})
        again = isinstance(failure, store.FenceLost | Outage) or known > 0
        for pending in reversed(self._decided):
            for asked in reversed(pending.asked):
                asked.tries += pending is failed
                if pending is failed and not (again and asked.tries < MAX_TRIES):
                    _fail(asked, Outage("the ledger is contended") if again else failure)
                else:
                    self._waiting.appendleft(asked)
        self._decided.clear()

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
    found = stack.local.get(_KEYS[shard])
    if found is None:
        found = stack.local[_KEYS[shard]] = Writer(homes.home(stack, shard), shard)
    return cast(Writer, found)


def _check_range(order: Order) -> None:
    if not 0 < order.amount <= _MOST or not 0 <= order.debit | order.credit < _END:
        raise ValueError("an amount or an account id is out of range")


async def _resolve(pending: Pending) -> None:
    """Answer everybody, in small groups, so that the commit that is under way is served in between."""
    endings, start, answered = pending.batch.endings, 0, 0
    groups = iter(pending.asked)
    try:
        for asked in groups:
            if asked.alone and not asked.future.done():
                asked.future.set_result(endings[start])
                start += 1
            else:
                start = _answer(asked, endings, start)
            answered += 1
            if answered == GROUP:
                answered = 0
                await asyncio.sleep(0)
    finally:
        for asked in groups:  # cancelled half-way: they are committed all the same
            start = _answer(asked, endings, start)


def _answer(asked: Asked, endings: list[Ending], start: int) -> int:
    stop = start + len(asked.orders)
    if not asked.future.done():
        asked.future.set_result(endings[start] if asked.alone else endings[start:stop])
    return stop


def _fail(asked: Asked, failure: Exception) -> None:
    if not asked.future.done():
        asked.future.set_exception(failure)
