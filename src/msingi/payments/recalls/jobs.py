"""What recalls do by themselves: ask again each day, tell who is late, and end what broke off."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from msingi.kernel import clock, log
from msingi.kernel.db import Row
from msingi.kernel.stack import Stack
from msingi.payments import rounds
from msingi.payments.recalls import holding, store, talking, telling
from msingi.payments.recalls.model import State
from msingi.payments.switch import cancelling, house

LOOK_S, AT_ONCE = 60.0, 100
EACH = timedelta(days=1)  # so often the other bank is asked while it does not answer


async def carry(stack: Stack) -> int:
    """One look at the recalls with which the stack itself has to go on. Repeated, nothing is done twice."""
    by, now, after = talking.permit(), clock.now(), ""
    while True:
        async with stack.db.transaction(by) as tx:
            rows = await store.to_carry(tx, after, now, now - EACH, AT_ONCE)
            tx.repeated = True
        for row in rows:
            await _one(stack, row)
        if len(rows) < AT_ONCE:
            break
        after = rows[-1]["recall_id"]
    async with stack.db.transaction(by) as tx:
        ended = await store.untold(tx, AT_ONCE)
        tx.repeated = True
    for row in ended:
        await talking.close(stack, row["recall_id"])
    return 0


async def _one(stack: Stack, row: Row) -> None:
    by, now = talking.permit(), clock.now()
    if row["state"] == State.RETURNING:
        if await holding.finish(stack, by, row):
            await talking.close(stack, row["recall_id"])
    elif not row["outgoing"]:
        await talking.tell(stack, row, cancelling.PENDING)
    elif row["due_at"] >= now:
        await talking.ask(stack, row)
    else:
        async with stack.db.transaction(by) as tx:
            fresh = await store.note_late(tx, row["recall_id"])
            if fresh:
                await store.step(tx, row["recall_id"], now, "late")
            log.append(tx, by, detail={"what": "a bank did not answer in time", "bank": row["other"]})
        if fresh:
            await telling.tell(stack, row, "late")


async def carries(stack: Stack) -> None:
    """At start: what other banks say about recalls is brought here."""
    stack.local[house.CARRIER] = talking.Carrier()


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {}
loops = [rounds.for_ever("recalls", carry, LOOK_S)]
starts = [carries]
