"""Verbs of rights across machines: do here what was granted there, send what waits, and read what a machine wrote."""

from datetime import datetime

import msgspec

from msingi.consent import acts as consent
from msingi.consent.model import Access, Page
from msingi.exchange.federation import acts as federation
from msingi.governance.apart import rules, store
from msingi.governance.apart.model import Errand, Order, Receipt, Waiting, What
from msingi.governance.keeping import acts as keeping
from msingi.governance.keeping import store as kept
from msingi.governance.keeping.model import Erased, Hold
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.db import Tx
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack

RIGHTS = "rights"  # the acts below are offered by every machine of a stack under this name


@crossing("governance", room=RIGHTS)
async def carry_out(stack: Stack, ctx: Context, person_id: PersonId, order: Order) -> Receipt:
    """Do on this machine what the person was granted, once (law 2); the receipt, the same for every repetition.

    Raises UnderHold, RegisterIncomplete.
    """
    permit = policy.decide(ctx, "governance.carry_out", person_id)
    async with stack.db.transaction(permit) as tx:
        key = str(order.errand_id)
        first = await once.claim(tx, "governance", key, msgspec.to_builtins(order))
        if first is not None:
            return msgspec.json.decode(first, type=Receipt)
        known = not await stack.seal.without_key(tx, (person_id,))
        at = clock.now()
        erased = await _do(stack, tx, ctx, person_id, order, at, known=known)
        receipt = rules.receipt_of(erased, stack.settings.url, at, known=known)
        log.append(
            tx, permit, subject=person_id if known else None, detail=rules.told(order.what, order.reference, receipt)
        )
        await once.settle(tx, "governance", key, msgspec.json.encode(receipt))
    return receipt


async def _do(
    stack: Stack, tx: Tx, ctx: Context, person_id: PersonId, order: Order, at: datetime, *, known: bool
) -> Erased | None:
    """What the order says. A hold is kept for a stranger too: it holds once the machine meets them."""
    if order.what is What.ERASE:
        return await keeping.erase(stack, tx, ctx, person_id, order.reference) if known else None
    assert order.hold_id is not None
    if order.what is What.RELEASE or order.until is None:
        await store.end_hold_here(tx, person_id, order.hold_id, at)
    elif await store.hold_by_id(tx, person_id, order.hold_id) is None:
        await kept.put_hold(
            tx, stack.seal, Hold(order.hold_id, person_id, order.because, order.ordered_by, at, order.until)
        )
    return None


# Who looked, as this machine's log has it: the act of consent, which reads the log of the machine that it runs on.
crossing("governance", room=RIGHTS)(consent.accesses)


async def send_errand(stack: Stack, ctx: Context) -> Errand | None:
    """Send the errand whose turn it is, and keep the receipt (laws 2 and 3); None if nothing is due.

    A machine that is away puts off all that is meant for it, and nothing else (law 4). The errand stays locked until
    its answer is kept, so that two programs do not send it at once.
    """
    permit = policy.decide(ctx, "governance.send_errand", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        errand = await store.due_errand(tx, ctx.at)
        if errand is None:
            tx.repeated = True
            return None
        hold = await store.hold_by_id(tx, errand.person_id, errand.about) if errand.what is What.HOLD else None
        order = rules.order_of(errand, hold)
        detail = {"to": errand.machine, "tries": errand.tries + 1}
        stack.seal.forget((errand.person_id,))  # an erasure in another program has given the person a new key
        try:
            receipt: Receipt = await federation.on_machine(
                stack, errand.machine, ctx, RIGHTS, "apart.carry_out", person_id=errand.person_id, order=order
            )
        except Outage:
            await store.put_off(tx, errand, ctx.at, ctx.at + rules.wait_after(errand.tries), "away")
            log.append(tx, permit, detail=detail | {"last": "away"})
        except Refusal as no:
            await store.wait_alone(tx, errand, ctx.at + rules.wait_after(errand.tries), no.code)
            log.append(tx, permit, detail=detail | {"last": no.code})
        else:
            await store.errand_done(tx, errand, clock.now(), receipt)
            log.append(
                tx, permit, subject=errand.person_id,
                detail=detail | rules.told(errand.what, errand.reference, receipt),
            )  # fmt: skip
    return errand


async def waiting(stack: Stack) -> list[Waiting]:
    """What was granted and is not done on every machine yet; public, about nobody. Empty is as it should be."""
    async with stack.db.reading("governance") as tx:
        return await store.waiting_errands(tx)


async def looked_at_elsewhere(
    stack: Stack, ctx: Context, person_id: PersonId, machine: str, after: str = ""
) -> Page[Access]:
    """Who looked at the person's data on another machine, newest first. Raises Outage while the machine is away."""
    policy.decide(ctx, "consent.accesses", person_id)
    return await federation.on_machine(
        stack, machine, ctx, RIGHTS, "accesses", person_id=person_id, after=after, limit=200
    )
