"""Liquidity and settlement: cover, limits, windows, and the net amounts that settle them.

A limit is lent to a position by the participant's guarantee account, so that the ledger itself refuses what is over it.
Settling moves net amounts between covers and guarantees; positions never wait for it.
"""

from msgspec.structs import replace

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed, Refusal
from msingi.kernel.ids import random_id
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders
from msingi.payments.model import Order, Reason
from msingi.payments.switch import errors, moving, roll, rules, store
from msingi.payments.switch.model import (
    FspAccount,
    Report,
    SettledCurrency,
    Settlement,
    Standing,
    Window,
    WindowState,
)


async def set_limit(stack: Stack, ctx: Context, fsp: str, currency: str, limit_minor: int) -> Standing:
    """Set how much a participant may owe at most, in minor units: never above its cover (law 1).

    Raises OverCover, UnknownFsp.
    """
    permit = policy.decide(ctx, "payments.switch-set-limit", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held, settled = await _locked(tx, fsp, currency)
        now = await store.standing(tx, held)
        rules.coverable(limit_minor, now.cover_minor, now.position_minor, now.reserved_minor)
        await store.change_account(tx, fsp, currency, limit_minor, None)
        found = await _carry(stack, tx, permit, replace(held, wanted_minor=limit_minor), settled)
        log.append(tx, permit, detail={"participant": fsp, "currency": currency, "limit_minor": limit_minor})
    roll.forget(stack)
    return found


async def bring_cover(stack: Stack, ctx: Context, fsp: str, currency: str, amount_minor: int, key: str) -> Standing:
    """Money has arrived for a participant at the settlement bank: its cover grows. The same key brings it once.

    Raises UnknownFsp, AmountOutOfRange, DifferentContent.
    """
    permit = policy.decide(ctx, "payments.switch-bring-cover", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held, settled = await _locked(tx, fsp, currency)
        by = orders.By(permit, moving.holder(stack, roll.HUB), f"switch/cover/{fsp}")
        wanted = orders.pay(by, _key(key), settled.outside, held.cover, amount_minor, currency, "CVIN", reference=fsp)
        await _posted(stack, [wanted])
        found = await _carry(stack, tx, permit, held, settled)
        log.append(tx, permit, detail={"participant": fsp, "currency": currency, "amount_minor": amount_minor})
    return found


async def take_cover(stack: Stack, ctx: Context, fsp: str, currency: str, amount_minor: int, key: str) -> Standing:
    """A participant takes money out of its cover: what its limit rests on stays (law 1). The same key takes it once.

    Raises OverCover, UnknownFsp, AmountOutOfRange, DifferentContent.
    """
    permit = policy.decide(ctx, "payments.switch-take-cover", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        held, settled = await _locked(tx, fsp, currency)
        now = await store.standing(tx, held)
        by = orders.By(permit, moving.holder(stack, fsp), f"switch/cover/{fsp}")
        wanted = orders.pay(by, _key(key), held.cover, settled.outside, amount_minor, currency, "CVOT", reference=fsp)
        if settled.settlement is Settlement.NET:
            debts = await store.debts(tx, fsp, currency)
            rules.removable(amount_minor, now.cover_minor, now.limit_minor, debts)
        await _posted(stack, [wanted])
        found = await store.standing(tx, held)
        log.append(tx, permit, detail={"participant": fsp, "currency": currency, "amount_minor": amount_minor})
    return found


def _key(key: str) -> str:
    if not 1 <= len(key) <= 64 or not key.isprintable():
        raise Malformed("A key has 1 to 64 printable characters.", field="key", rule="length<=64")
    return key


async def _locked(tx: store.Tx, fsp: str, currency: str) -> tuple[FspAccount, SettledCurrency]:
    held = await store.locked(tx, fsp, currency)
    if held is None:
        raise errors.UnknownFsp(party="fsp")
    return held, rules.settled_in(await store.currencies(tx), currency)


async def _carry(stack: Stack, tx: store.Tx, permit: Permit, held: FspAccount, settled: SettledCurrency) -> Standing:
    """Bring the limit in force to what is wanted, as far as cover and position carry it; the row is locked.

    What moves is computed from the ledger itself, so that doing it again after a crash does no more.
    """
    now = await store.standing(tx, held)
    if settled.settlement is not Settlement.NET:
        return now
    more = rules.carried(now.wanted_minor, now.cover_minor, now.limit_minor, now.position_minor, now.reserved_minor)
    if not more:
        return now
    give, take = (held.guarantee, held.position) if more > 0 else (held.position, held.guarantee)
    by = orders.By(permit, moving.holder(stack, held.fsp), "switch/limit")
    await _posted(stack, [orders.pay(by, random_id(), give, take, abs(more), held.currency, "LIMT")])
    return replace(now, limit_minor=now.limit_minor + more)


async def _posted(stack: Stack, wanted: list[Order]) -> None:
    """Post a chain. Raises OverCover if an account has not enough, DifferentContent, or the ledger's reason."""
    reasons = set()
    for ending in await ledger.post_linked(stack, wanted):
        if isinstance(ending, Refusal):
            raise ending
        reasons.add(ending.reason)
    if Reason.INSUFFICIENT_FUNDS in reasons:
        raise errors.OverCover()
    for reason in reasons - {Reason.NONE, Reason.LINKED}:
        raise ledger_errors.refusal(reason)


async def windows(stack: Stack, ctx: Context, before: int | None = None, limit: int = 50) -> list[Window]:
    """Settlement windows, newest first; `before` is the last number of the page before. Raises Malformed."""
    if not 1 <= limit <= 500:
        raise Malformed("A page has 1 to 500 windows.", field="limit", rule="1..500")
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    async with stack.db.transaction(permit) as tx:
        found = await store.windows(tx, before or 1 << 62, limit)
        log.append(tx, permit, detail={"what": "settlement windows"})
    return found


async def currencies(stack: Stack, ctx: Context) -> list[SettledCurrency]:
    """The currencies that are settled, with their decimals."""
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    async with stack.db.transaction(permit) as tx:
        found = await store.currencies(tx)
        log.append(tx, permit, detail={"what": "settled currencies"})
    return found


async def report(stack: Stack, ctx: Context, number: int) -> Report:
    """The settlement report of a window: final once it is settled. Raises NoSuchWindow."""
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    async with stack.db.transaction(permit) as tx:
        window = await _window(tx, number)
        lines = await store.lines(tx, window)
        log.append(tx, permit, detail={"what": "settlement report", "window": number})
    return Report(window, lines)


async def _window(tx: store.Tx, number: int) -> Window:
    window = await store.window_locked(tx, number)
    if window is None:
        raise errors.NoSuchWindow()
    return window


async def close_window(stack: Stack, ctx: Context, number: int) -> Window:
    """Close the open window and open the next: transfers that commit from now on fall into that one.

    Raises NoSuchWindow, WindowNotReady.
    """
    permit = policy.decide(ctx, "payments.switch-close-window", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        window = await _window(tx, number)
        if not await store.close_window(tx, number, ctx.at):
            raise errors.WindowNotReady(state=window.state)
        await store.open_window(tx, ctx.at)
        log.append(tx, permit, detail={"window": number})
    return replace(window, state=WindowState.CLOSED, closed_at=ctx.at)


async def settle(stack: Stack, ctx: Context, number: int) -> Report:
    """Settle a closed window: who owes pays out of its cover, who is owed receives into its own (laws 1 and 8).

    All of it happens, or nothing; windows are settled in their order, and repeating it is harmless. Raises
    NoSuchWindow, WindowNotReady.
    """
    permit = policy.decide(ctx, "payments.switch-settle", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        window = await _window(tx, number)
        if window.state is WindowState.OPEN or await store.unsettled_before(tx, number):
            raise errors.WindowNotReady(state=window.state)
        lines = await store.lines(tx, window)
        if window.state is WindowState.CLOSED:
            await _moved(stack, tx, permit, number, rules.moves(lines))
            await store.settle_window(tx, number, ctx.at, lines)
        log.append(tx, permit, detail={"window": number, "lines": len(lines)})
    roll.forget(stack)
    return Report(replace(window, state=WindowState.SETTLED, settled_at=window.settled_at or ctx.at), lines)


async def _moved(stack: Stack, tx: store.Tx, permit: Permit, number: int, moves: list[tuple[str, str, int]]) -> None:
    """Post the net amounts of a window as one chain, then bring the limits to what the covers now carry."""
    currencies = await store.currencies(tx)
    chain: list[Order] = []
    touched: list[tuple[FspAccount, SettledCurrency]] = []
    for fsp, currency, owed in moves:
        held, settled = await _locked(tx, fsp, currency)
        if settled.settlement is Settlement.NET and settled in currencies:
            touched.append((held, settled))
            give, take = (held.cover, held.guarantee) if owed > 0 else (held.guarantee, held.cover)
            by = orders.By(permit, moving.holder(stack, fsp), f"switch/window/{number}")
            key, words = f"{fsp}/{currency}", f"window {number}"
            chain.append(orders.pay(by, key, give, take, abs(owed), currency, "STLM", reference=words))
    if chain:
        await _posted(stack, chain)
    for held, settled in touched:
        await _carry(stack, tx, permit, held, settled)
