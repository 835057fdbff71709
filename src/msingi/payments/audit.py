"""Recompute all books from the journal alone, and say everything that is not as it was decided and signed.

The checker trusts neither the balances nor the chain: it replays every row, recomputes every root, and looks every
root up among the entries of the transparency log, which a database administrator cannot rewrite unseen.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable

from msingi.kernel import log, policy
from msingi.kernel.context import job_context
from msingi.kernel.db import Database
from msingi.kernel.stack import Stack
from msingi.payments import homes, rules, store, store_books
from msingi.payments.replay import PAGE_BATCHES, Findings, Progress, Replay

LOOKAHEAD = 4_096


async def check_books(
    db: Database, *, entries: AsyncIterable[bytes] | None = None, progress: Progress | None = None
) -> Findings:
    """Check all books in one unchanging view of them, while the writer goes on.

    `entries` are the transparency log's entries (32 bytes each) in their order, read after this call began; without
    them the roots are recomputed but not looked up. `progress` is called with (rows checked, all rows).
    """
    found = Findings()
    roots: list[bytes] = []
    permit = policy.decide(job_context("fsck", "audit", "legal-obligation"), "payments.check-books", policy.ANYONE)
    async with db.transaction(permit) as tx:
        tx.stand_still()
        for shard in await store.shards(tx):
            found.shards += 1
            await Replay(tx, shard, found, roots, progress).run()
        for currency, total in found.sums.items():
            if total:
                found.add("sum", currency, f"All balances sum to {total}, not to zero.")
        log.append(tx, permit, detail={"what": "books checked", "rows": found.rows, "problems": len(found.problems)})
    if entries is not None:
        await _look_up(entries, roots, found)
    return found


async def roots_in_order(stack: Stack) -> AsyncIterator[list[tuple[bytes, int]]]:
    """The roots of all batches with how many orders each covers, in the ledger's order, some at a time: what a machine
    that takes the ledger over leaves in its own log."""
    async with stack.db.reading("payments") as tx:
        shards = [row["shard"] for row in await store.shards(tx)]
    for shard in shards:
        last = 0
        while True:
            async with stack.db.reading("payments") as tx:
                page = await store_books.batches(tx, shard, last, PAGE_BATCHES)
            if not page:
                break
            yield [(bytes(batch["root"]), batch["n"]) for batch in page]
            last = page[-1]["first_seq"]


async def batch_roots(db: Database) -> set[bytes]:
    """The roots of all batches as stored: those entries of the log belong to the ledger."""
    found: set[bytes] = set()
    async with db.reading("payments") as tx:
        for shard in await store.shards(tx):
            last = 0
            while page := await store_books.batches(tx, shard["shard"], last, PAGE_BATCHES):
                found.update(bytes(batch["root"]) for batch in page)
                last = page[-1]["first_seq"]
    return found


async def _look_up(entries: AsyncIterable[bytes], roots: Iterable[bytes], found: Findings) -> None:
    """Every recomputed root is an entry of the log, in the ledger's order (up to LOOKAHEAD batches apart)."""
    ahead = iter(roots)
    wanted: dict[bytes, int] = {}
    number = found.logged = 0
    for root in ahead:
        wanted[root] = number = number + 1
        if len(wanted) >= LOOKAHEAD:
            break
    async for entry in entries:
        if wanted.pop(entry, None) is not None:
            found.logged += 1
            following = next(ahead, None)
            if following is not None:
                wanted[following] = number = number + 1
    for n in [*wanted.values(), *(range(number + 1, number + 1 + sum(1 for _ in ahead)))]:
        found.add("root-not-logged", f"batch {n}", "The transparency log holds no entry with this batch's root.")


async def money_under_way(stack: Stack) -> str:
    """What is wrong with the money between shards; "" if nothing is.

    All transit accounts of a currency together stand between zero and what open reservations for other shards hold:
    an arrival takes from one what the commit gives to the other. A hold is committed first and paid out afterwards, so
    that they may also stand above zero by what is promised.
    """
    owed: dict[str, int] = {}
    held: dict[str, int] = {}
    promised: dict[str, int] = {}
    wrong: list[str] = []
    for attempt in range(3):  # databases are read one after the other, while transfers go on
        owed.clear()
        held.clear()
        promised.clear()
        for shard in homes.known(stack):
            async with homes.home(stack, shard).db.reading("payments") as tx:
                ways = await store_books.transits(tx, shard)
                balances = {r["id"]: r["posted"] for r in await store.some_accounts(tx, shard, list(ways.values()))}
                for (_, currency), account in ways.items():
                    owed[currency] = owed.get(currency, 0) + balances.get(account, 0)
                for hold in (await store_books.open_holds(tx, shard)).values():
                    if rules.shard_of(hold.credit) != shard:
                        held[hold.currency] = held.get(hold.currency, 0) + hold.amount
                    if rules.shard_of(hold.debit) != shard:
                        promised[hold.currency] = promised.get(hold.currency, 0) + hold.amount
        wrong = [c for c, total in owed.items() if not -held.get(c, 0) <= total <= promised.get(c, 0)]
        if not wrong:
            return ""
        await asyncio.sleep(0.5 * (attempt < 2))
    return (
        f"The accounts between shards sum to {owed[wrong[0]]} in {wrong[0]}, and {held.get(wrong[0], 0)} is under way."
    )
