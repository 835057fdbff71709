"""Paper: the numbers of vouchers that wait to be handed out, for the office to print; and what shops took."""

from datetime import UTC, datetime
from uuid import UUID

from msingi.kernel import log
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.stack import Stack
from msingi.payments.vouchers import acts, numbers, store
from msingi.payments.vouchers.model import Printed, Redemption

A_SHEET = 200
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


@crossing("payments", "portal")
async def print_vouchers(stack: Stack, ctx: Context, scheme_id: UUID, *, after: str = "") -> list[Printed]:
    """Up to 200 vouchers of a scheme that wait and are nobody's yet, with their numbers; serial numbers above `after`.

    A number spends nothing before its voucher is handed out. Whoever prints stands in the log. Raises NoSuchScheme.
    """
    permit = acts.permit_of(ctx, "payments.print-vouchers")
    async with stack.db.transaction(permit) as tx:
        found = await acts.own_scheme(tx, ctx, scheme_id)
        rows = await store.waiting_paper(tx, scheme_id, after, ctx.at, A_SHEET)
        log.append(tx, permit, detail={"what": "vouchers printed", "scheme": found.code, "count": len(rows)})
    return [
        Printed(r["serial"], numbers.number_of(stack, r["serial"]), r["category"], r["amount"], r["expires_at"])
        for r in rows
    ]


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
