"""Shards: which writer an account belongs to, and the accounts that stand between two of them."""

from collections.abc import Iterable

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack
from msingi.payments import parties, store
from msingi.payments.book import Book

JOB = "payments-writer"
KEEPER = "ledger"  # who holds the transit accounts


async def open_transits(stack: Stack, book: Book, ways: Iterable[tuple[int, str]]) -> None:
    """Open the accounts of a book's shard towards other shards, one for each currency, and take them into the book."""
    permit = policy.decide(job_context(JOB), "payments.open-transit", policy.NOBODY)
    owner = parties.institution_ref(stack, KEEPER)
    async with stack.db.transaction(permit) as tx:
        for other, currency in ways:
            await store.open_transit(tx, book.shard, other, currency, owner, clock.now())
        await store.meet_transits(tx, book)
        log.append(tx, permit, detail={"what": "transit account opened", "shard": book.shard})
