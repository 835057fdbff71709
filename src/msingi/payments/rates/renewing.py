"""In a sandbox: rates that the installation set go on, so that a sample country can still exchange after a month.

Where officers set rates, nothing is renewed: two of them answer for each rate.
"""

from datetime import timedelta

from msgspec.structs import replace

from msingi.kernel import clock
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack
from msingi.payments.rates import acts, store

INSTALLATION = "job:setup"
AHEAD, MONTH = timedelta(days=7), timedelta(days=30)


async def renew_sample(stack: Stack) -> int:
    """Propose and approve again what ends within a week and has no successor; how many rates."""
    if not stack.settings.sandbox:
        return 0
    now = clock.now()
    async with stack.db.reading("payments") as tx:
        ending = [
            rate
            for rate in await store.in_force(tx, now)
            if rate.proposed_by == INSTALLATION and rate.order.valid_until < now + AHEAD
        ]
        later = {(r.order.source, r.order.target) for r in await store.in_force(tx, now + AHEAD)}
    orders = [
        replace(rate.order, valid_from=now, valid_until=now + MONTH)
        for rate in ending
        if (rate.order.source, rate.order.target) not in later
    ]
    if orders:
        (first, *_) = await acts.propose_rates(stack, job_context("setup"), orders)
        await acts.decide_rates(stack, job_context("setup-second"), first.batch, True)
    return len(orders)
