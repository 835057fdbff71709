"""What officers do about exchange: deal in a currency, propose and approve rates, look at positions."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as ledger_store
from msingi.payments.homes import home
from msingi.payments.model import AccountKind
from msingi.payments.rates import errors, rules, store
from msingi.payments.rates.model import Offered, Position, Rate, RateOrder, RateState

HOUSE = "fx/house"
LATEST = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=(1 << 128) - 1))
MAX_PAGE = 200


def owner(stack: Stack) -> int:
    """The ledger's reference of who holds the positions: nobody but exchange may debit them."""
    return parties.institution_ref(stack, HOUSE)


async def open_position(stack: Stack, ctx: Context, currency: str, digits: int, limit_minor: int) -> Position:
    """Deal in a currency from now on, owing at most `limit_minor` of it (law 6). Repeating it is harmless.

    Raises BadRate for what is no currency, Malformed.
    """
    rules.currency_code(currency, "currency")
    if not 0 <= digits <= rules.MOST_DIGITS:
        raise Malformed("A currency has 0 to 4 decimals.", field="digits", rule="0..4")
    if not 0 <= limit_minor <= ledger_rules.MAX_AMOUNT_MINOR:
        raise Malformed("The limit is out of range.", field="limit_minor", rule="0..10^15")
    permit = policy.decide(ctx, "payments.fx-open-position", policy.NOBODY)
    await _opened(stack, permit, store.Dealt(currency, 0, digits, 0, 0, limit_minor), ctx.at)
    return next(p for p in await _positions(stack, permit) if p.currency == currency)


async def _opened(stack: Stack, permit: policy.Permit, wanted: store.Dealt, at: datetime) -> store.Dealt:
    """A position with its accounts on one shard, opened if it is missing. An account that nobody knows of after a
    crash between the two databases holds nothing."""
    async with stack.db.transaction(permit) as tx:
        known = {(p.currency, p.shard): p for p in await store.positions(tx)}
        found = known.get((wanted.currency, wanted.shard))
        if found is None:
            there = home(stack, wanted.shard)
            if there is stack:
                opened = await _accounts(tx, stack, wanted, at)
            else:
                async with there.db.transaction(permit) as far:
                    opened = await _accounts(far, stack, wanted, at)
                    log.append(far, permit, detail={"what": "position accounts", "currency": wanted.currency})
            found = wanted._replace(position=opened[0], fees=opened[1])
            await store.put_position(tx, found)
        log.append(tx, permit, detail={"what": "position", "currency": wanted.currency, "shard": wanted.shard})
    return found


async def _accounts(tx: store.Tx, stack: Stack, wanted: store.Dealt, at: datetime) -> list[int]:
    kinds = ((AccountKind.POSITION, -wanted.limit_minor, "position"), (AccountKind.FEE, 0, "fees"))
    return [
        await ledger_store.open_institution_account(
            tx, HOUSE, owner(stack), kind, wanted.currency, floor, label, at, wanted.shard
        )
        for kind, floor, label in kinds
    ]


async def dealt(stack: Stack, permit: policy.Permit, currency: str, shard: int) -> store.Dealt:
    """The house's accounts in a currency on a shard; a further shard's are opened when they are first needed. Raises
    NoPosition."""
    async with stack.db.reading("payments") as tx:
        known = {(p.currency, p.shard): p for p in await store.positions(tx)}
    if (currency, shard) in known:
        return known[currency, shard]
    if (currency, 0) not in known:
        raise errors.NoPosition(currency=currency)
    return await _opened(stack, permit, known[currency, 0]._replace(shard=shard), clock.now())


async def positions(stack: Stack, ctx: Context) -> list[Position]:
    """What the house holds and owes, by currency, over all shards."""
    return await _positions(stack, policy.decide(ctx, "payments.fx-see-positions", policy.NOBODY))


async def _positions(stack: Stack, permit: policy.Permit) -> list[Position]:
    async with stack.db.transaction(permit) as tx:
        known = await store.positions(tx)
        log.append(tx, permit, detail={"what": "positions of exchange"})
    found: dict[str, Position] = {}
    for one in known:
        async with home(stack, one.shard).db.reading("payments") as tx:
            rows = {r["id"]: r for r in await ledger_store.some_accounts(tx, one.shard, [one.position, one.fees])}
        held, fees = rows[one.position], rows[one.fees]
        before = found.get(one.currency, Position(one.currency, one.digits, 0, 0, 0, 0))
        found[one.currency] = Position(
            *(one.currency, one.digits, before.held_minor + held["posted"], before.reserved_minor + held["reserved"]),
            *(before.limit_minor + one.limit_minor, before.fees_minor + fees["posted"]),
        )
    return list(found.values())


async def propose_rates(stack: Stack, ctx: Context, orders: Sequence[RateOrder]) -> list[Rate]:
    """Propose rates; another officer decides about all of them together (law 4).

    Raises BadRate, NoPosition for a currency that the house does not deal in, Malformed.
    """
    permit = policy.decide(ctx, "payments.fx-propose-rates", policy.NOBODY)
    if not 1 <= len(orders) <= rules.MOST_LINES:
        raise Malformed(f"Propose 1 to {rules.MOST_LINES} rates.", field="rates", rule=f"1..{rules.MOST_LINES}")
    batch, who = uuid7(), f"{ctx.actor.kind}:{ctx.actor.id}"
    made = [Rate(uuid7(), batch, rules.checked(order, ctx.at), RateState.WAITING, who, ctx.at) for order in orders]
    async with stack.db.transaction(permit) as tx:
        known = {p.currency for p in await store.positions(tx)}
        for rate in made:
            for code in (rate.order.source, rate.order.target):
                if code not in known:
                    raise errors.NoPosition(currency=code)
        await store.add_rates(tx, made)
        log.append(tx, permit, detail={"what": "rates proposed", "batch": str(batch), "count": len(made)})
    return made


async def import_rates(stack: Stack, ctx: Context, text: str) -> list[Rate]:
    """Propose the rates of a CSV file, all or none; as `propose_rates`. Raises BadRate naming line and column."""
    policy.decide(ctx, "payments.fx-propose-rates", policy.NOBODY)
    return await propose_rates(stack, ctx, rules.read_lines(text, ctx.at))


async def decide_rates(stack: Stack, ctx: Context, batch: UUID, approve: bool) -> int:
    """Approve or refuse what was proposed together; how many rates. Raises OwnRate for who proposed it, NoSuchRate."""
    permit = policy.decide(ctx, "payments.fx-decide-rates", policy.NOBODY)
    who = f"{ctx.actor.kind}:{ctx.actor.id}"
    async with stack.db.transaction(permit) as tx:
        proposers = await store.proposers(tx, batch)
        if not proposers:
            raise errors.NoSuchRate()
        if who in proposers and approve:
            raise errors.OwnRate()
        state = RateState.APPROVED if approve else RateState.REFUSED
        count = await store.decide(tx, batch, state, who, ctx.at)
        log.append(tx, permit, detail={"what": f"rates {state}", "batch": str(batch), "count": count})
    return count


async def withdraw_rate(stack: Stack, ctx: Context, rate: UUID) -> None:
    """Take an approved rate back at once: no new quote uses it. Quotes that were made still bind. Raises NoSuchRate."""
    permit = policy.decide(ctx, "payments.fx-decide-rates", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        if not await store.withdraw(tx, rate, f"{ctx.actor.kind}:{ctx.actor.id}", ctx.at):
            raise errors.NoSuchRate()
        log.append(tx, permit, detail={"what": "rate withdrawn", "rate": str(rate)})


async def rates(
    stack: Stack, ctx: Context, *, before: datetime = LATEST[0], before_id: UUID = LATEST[1], limit: int = 50
) -> list[Rate]:
    """Rates with who proposed and decided them, newest first; `before` and its id are the last of the page before."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} rates.", field="limit", rule=f"1..{MAX_PAGE}")
    permit = policy.decide(ctx, "payments.fx-see-positions", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        found = await store.rates(tx, (before, before_id), limit)
        log.append(tx, permit, detail={"what": "exchange rates and who set them"})
    return found


async def offered(stack: Stack, ctx: Context) -> list[Offered]:
    """The rates in force at the time of the context, for everybody to read."""
    async with stack.db.reading("payments") as tx:
        found = await store.in_force(tx, ctx.at)
    return [
        Offered(
            *(o.source, o.target, rules.customer_rate(o), o.middle, o.fee_minor, o.fee_bp, o.least_minor),
            *(o.most_minor, o.valid_until),
        )
        for o in (rate.order for rate in found)
    ]
