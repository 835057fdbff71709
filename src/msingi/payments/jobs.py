"""Endless work of the payments room: approved payment files are worked off, whoever approved them and wherever."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from msingi.identity.model import StatusChanged
from msingi.kernel import clock, crossing, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Stack
from msingi.payments import (
    across,
    between,
    holders,
    homes,
    recovering,
    rounds,
    store,
    store_files,
    subaccounts,
    working,
    writer,
)
from msingi.payments.book import micros
from msingi.payments.recovering import RECOVERED

logger = logging.getLogger("msingi.payments")
LOOK_S = 2.0
CHAPTERS_S = 5.0
DUE_S = 1.0
TIDY_S = 600.0


async def on_file_approved(stack: Stack, payload: bytes) -> None:
    """Wake the loop; the file itself stands in the database, so nothing is lost if nobody listens."""
    _woken(stack).set()


def _woken(stack: Stack) -> asyncio.Event:
    found = stack.local.get("payments.files")
    if not isinstance(found, asyncio.Event):
        found = stack.local["payments.files"] = asyncio.Event()
    return found


async def work_files_off(stack: Stack) -> None:
    """For ever: take up approved files that nobody works off, also those that a crashed program left behind."""
    woken, tidied = _woken(stack), 0.0
    while True:
        woken.clear()
        if crossing.elsewhere(stack, "payments"):  # the machine that runs the room works them off
            await asyncio.sleep(LOOK_S)
            continue
        try:
            async with stack.db.reading("payments") as tx:
                due = await store_files.due(tx)
            for file_id in due:
                await working.run_file(stack, str(file_id))
            if not due and len(homes.known(stack)) > 1 and time.monotonic() > tidied + TIDY_S:
                tidied = time.monotonic()
                await subaccounts.bring_all_home(stack)
        except (Outage, Refusal) as later:
            logger.warning("payment files wait: %s", later)
        except Exception:
            logger.exception("a payment file could not be worked off")
        try:
            await asyncio.wait_for(woken.wait(), LOOK_S)
        except TimeoutError:
            continue


async def index_chapters(stack: Stack) -> None:
    """Index the journal's chapters that are full, each leg in a transaction of its own, wherever they live; what a
    crash cut off is done by the next round."""
    for home in homes.databases(stack):
        async with home.db.reading("payments") as tx:
            full = await store.full_chapters(tx)
        for shard, first_seq in full:
            for legs in ("debit", "credit"):
                permit = policy.decide(job_context("payments-writer"), "payments.index-journal", policy.NOBODY)
                async with home.db.transaction(permit) as tx:
                    if await store.index_chapter(tx, shard, first_seq, legs):
                        told = {"what": "journal indexed", "shard": shard, "from": first_seq, "legs": legs}
                        log.append(tx, permit, detail=told)
                    else:
                        tx.release(permit)


async def end_what_is_due(stack: Stack) -> None:
    """End holds whose time is over, and finish transfers between shards that a crash left behind."""
    for shard in homes.known(stack):
        async with homes.home(stack, shard).db.reading("payments") as tx:
            due = shard in await store.shards_due(tx, micros(clock.now()))
        if due:
            await writer.of(stack, shard).expire()
    if len(homes.known(stack)) > 1:
        await between.finish_crossings(stack)
        await across.follow_up(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {
    "payments.file-approved": on_file_approved,
    StatusChanged.kind: holders.on_status,
    RECOVERED: recovering.on_recovered,
}
loops = [
    work_files_off,
    rounds.for_ever("what is due in the ledger", end_what_is_due, DUE_S, first_s=DUE_S),
    rounds.for_ever("the journal's chapters", index_chapters, CHAPTERS_S, first_s=CHAPTERS_S),
    rounds.for_ever("recoveries", recovering.lift, recovering.LOOK_S),
    homes.keep_shards,
]
starts = [homes.open_shards]
