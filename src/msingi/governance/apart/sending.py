"""Writing errands down for every machine of the stack, inside the transaction of what grants them (law 1)."""

import asyncio
from datetime import datetime
from uuid import UUID

from msingi.exchange.federation import acts as federation
from msingi.governance.apart import store
from msingi.governance.apart.model import Errand, What
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack

_WOKEN = "governance.errands"


def woken(stack: Stack) -> asyncio.Event:
    """What is set when something was written down in this program."""
    known = stack.local.setdefault(_WOKEN, asyncio.Event())
    assert isinstance(known, asyncio.Event)
    return known


async def send_out(
    stack: Stack, tx: Tx, person_id: PersonId, what: What, about: UUID, at: datetime, reference: str = ""
) -> int:
    """Write an errand for every machine that runs a part of this stack; how many.

    A machine that is suspended counts: what it holds is held. One that was only proposed never carried anything.
    """
    machines = await federation.machines(stack)
    for machine in machines:
        await store.put_errand(tx, Errand(uuid7(), person_id, machine, what, reference, about, at))
    if machines:
        tx.after_commit.append(woken(stack).set)
    return len(machines)
