"""Paper: the numbers of vouchers that wait to be handed out, for the office to print; and what shops took."""

from datetime import UTC, datetime
from uuid import UUID

from msingi.kernel import log
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.stack import Stack
from msingi.payments.vouchers import acts, numbers, rules, store
from msingi.payments.vouchers.model import Printed, Redemption, Waiting

MOST_ISSUES = 30
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@crossing("payments", "portal")
async def print_vouchers(stack: Stack, ctx: Context, scheme_id: UUID, issued_at: datetime) -> list[Printed]:
    """The vouchers of one issue that wait and are nobody's yet, with their numbers.

    A number spends nothing before its voucher is handed out. Whoever prints stands in the log. Raises NoSuchScheme.
    """
    permit = acts.permit_of(ctx, "payments.print-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await acts.own_scheme(tx, ctx, scheme_id)
        rows = await store.waiting_paper(tx, scheme_id, issued_at, ctx.at, rules.MAX_LIST)
        log.append(tx, permit, detail={"what": "vouchers printed", "scheme": found.code, "count": len(rows)})
    return [
        Printed(r["serial"], numbers.number_of(stack, r["serial"]), r["category"], r["amount"], r["expires_at"])
        for r in rows
    ]


@crossing("payments", "portal")
async def waiting(stack: Stack, ctx: Context, scheme_id: UUID) -> list[Waiting]:
    """What of a scheme was issued together and waits to be handed out, newest first. Raises NoSuchScheme."""
    permit = acts.permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await acts.own_scheme(tx, ctx, scheme_id)
        rows = await store.issues(tx, scheme_id, ctx.at, MOST_ISSUES)
        log.append(tx, permit, detail={"what": "vouchers that wait", "scheme": found.code})
    return [Waiting(row["issued_at"], row["vouchers"], row["amount"], row["paper"]) for row in rows]


@crossing("payments", "portal")
async def hand_out(stack: Stack, ctx: Context, scheme_id: UUID, issued_at: datetime) -> int:
    """Hand out all vouchers of one issue: from now on they can be spent; how many. Raises NoSuchScheme."""
    permit = acts.permit_of(ctx, "payments.activate-voucher")
    async with stack.db.transaction(permit) as tx:
        found = await acts.own_scheme(tx, ctx, scheme_id)
        serials = await store.serials_of_issue(tx, scheme_id, issued_at, rules.MAX_LIST)
        log.append(tx, permit, detail={"what": "vouchers to be handed out", "scheme": found.code})
    done = await acts.activate_vouchers(stack, ctx, serials) if serials else []
    return sum(one.done for one in done)


@crossing("payments", "portal")
async def redemptions(
    stack: Stack, ctx: Context, scheme_id: UUID, *, before: datetime = LATEST, limit: int = 50
) -> list[Redemption]:
    """What shops took of a scheme's vouchers, newest first; `before` is the last one's instant. Raises NoSuchScheme."""
    permit = acts.permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await acts.own_scheme(tx, ctx, scheme_id)
        rows = await store.redemptions(tx, scheme_id, before, max(1, min(limit, acts.MAX_PAGE)))
        log.append(tx, permit, detail={"what": "vouchers taken", "scheme": found.code, "count": len(rows)})
    return [Redemption(row["serial"], row["shop"], row["amount"], row["begun_at"]) for row in rows]
