"""The money of a scheme: put into its trust account before vouchers are given, and back where they ended unspent.

Each movement is written down first and posted under one id, so that whatever breaks off, it is made once. Money on its
way back is neither free nor allotted any more, so that no voucher is ever given twice the same money (laws 1 and 5).
"""

from uuid import UUID

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import DifferentContent, Refusal
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties
from msingi.payments import rules as ledger_rules
from msingi.payments.vouchers import acts, store
from msingi.payments.vouchers.errors import SchemeClosed
from msingi.payments.vouchers.model import Scheme
from msingi.payments.vouchers.spending import job

AT_ONCE = 1_000


async def put_in(stack: Stack, ctx: Context, scheme_id: UUID, key: str, amount_minor: int) -> Scheme:
    """Put money of the scheme's payer into its trust account, for vouchers: by another official than the one who opened
    the scheme. The same key again puts nothing in twice.

    Raises FourEyes, NoSuchScheme, SchemeClosed, AmountOutOfRange, DifferentContent, or the ledger's reason.
    """
    ledger_rules.check_key(key)
    if not 0 < amount_minor <= ledger_rules.MAX_AMOUNT_MINOR:
        raise ledger_errors.AmountOutOfRange(largest_minor=ledger_rules.MAX_AMOUNT_MINOR)
    permit = acts.permit_of(ctx, "payments.fund-vouchers")
    async with stack.db.transaction(permit) as tx:
        scheme = await acts.own_scheme(tx, ctx, scheme_id, open_=True)
        if scheme.opened_by == acts.who_is(ctx):
            raise ledger_errors.FourEyes()
        wanted = store.Move(scheme_id, f"in/{key}", amount_minor, 0, False, False, None, ctx.at)
        if not await store.add_move(tx, wanted, acts.who_is(ctx)):
            first = await store.move(tx, scheme_id, wanted.key)
            if first is None or first.amount != amount_minor:
                raise DifferentContent(key=key)
        log.append(tx, permit, detail={"what": "money for vouchers", "scheme": scheme.code})
    await _carry(stack, permit, scheme, wanted)
    return await acts.scheme(stack, ctx, scheme_id)


async def _carry(stack: Stack, permit: policy.Permit, scheme: Scheme, move: store.Move) -> None:
    """Post a movement that was written down, and settle it. Raises the ledger's reason."""
    payer, trust = ledger_rules.id_of(scheme.payer), ledger_rules.id_of(scheme.trust)
    name = parties.institution_name(stack, scheme.institution)
    by = orders.By(permit, parties.institution_ref(stack, scheme.institution), f"vouchers/{scheme.scheme_id}")
    debit, credit = (trust, payer) if move.is_return else (payer, trust)
    words = f"Vouchers {scheme.code}"
    if move.is_return:
        words = f"Vouchers {scheme.code}: {move.vouchers} ended unspent" if move.vouchers else f"{words}: closed"
    code = "VCHX" if move.is_return else "VCHI"
    names = {"reference": words, "payer": name, "payee": name}
    paid = orders.pay(by, move.key, debit, credit, move.amount, scheme.currency, code, **names)
    ledger_errors.check(await ledger.post(stack, [paid]))
    async with stack.db.transaction(permit) as tx:
        await store.settle_move(tx, move, paid.id)
        log.append(tx, permit, detail={"what": "money of vouchers moved", "scheme": scheme.code})


async def close_scheme(stack: Stack, ctx: Context, scheme_id: UUID) -> Scheme:
    """Close a scheme: nothing more is issued, and what was given to no voucher goes back. Vouchers that people hold can
    be spent until they end. Raises NoSuchScheme, SchemeClosed."""
    permit = acts.permit_of(ctx, "payments.close-vouchers")
    async with stack.db.transaction(permit) as tx:
        scheme = await acts.own_scheme(tx, ctx, scheme_id)
        free = await store.close_scheme(tx, scheme_id, ctx.at)
        if free is None:
            raise SchemeClosed()
        if free:
            await store.give_back(tx, scheme_id, free, 0)
            back = store.Move(scheme_id, "closed", free, 0, True, False, None, ctx.at)
            await store.add_move(tx, back, acts.who_is(ctx))
        log.append(tx, permit, detail={"what": "voucher scheme closed", "scheme": scheme.code})
    await bring_back(stack)
    return await acts.scheme(stack, ctx, scheme_id)


async def moves(stack: Stack, ctx: Context, scheme_id: UUID, limit: int = 100) -> list[store.Move]:
    """The newest movements of a scheme's money: what was put in, and what went back for how many vouchers."""
    permit = acts.permit_of(ctx, "payments.read-vouchers")
    async with stack.db.transaction(permit) as tx:
        await acts.own_scheme(tx, ctx, scheme_id)
        found = await store.moves(tx, scheme_id, max(1, min(limit, acts.MAX_PAGE)))
        log.append(tx, permit, detail={"what": "movements of a voucher scheme"})
    return found


async def release(stack: Stack) -> int:
    """End vouchers whose time is over, and write down what goes back of all that ended; how many vouchers."""
    permit = policy.decide(job(), "payments.return-vouchers", policy.ANYONE)
    async with stack.db.reading("payments") as tx:
        due = await store.restful(tx, job().at)
    ended = 0
    for scheme_id in due:
        now, key, count = job().at, uuid7().hex, AT_ONCE
        while count == AT_ONCE:
            async with stack.db.transaction(permit) as tx:
                freed, count = await store.release(tx, scheme_id, now, AT_ONCE)
                if freed:
                    await store.give_back(tx, scheme_id, freed, freed)
                    back = store.Move(scheme_id, f"back/{key}/{ended}", freed, count, True, False, None, now)
                    await store.add_move(tx, back, f"job:{permit.context.actor.id}")
                log.append(tx, permit, detail={"what": "vouchers ended", "count": count})
            ended += count
    return ended


async def bring_back(stack: Stack) -> int:
    """Post what goes back and has not arrived; how many movements arrived. What the ledger refuses waits."""
    permit = policy.decide(job(), "payments.return-vouchers", policy.ANYONE)
    async with stack.db.reading("payments") as tx:
        due = await store.moves_open(tx, AT_ONCE)
        schemes = {move.scheme_id: await store.scheme(tx, move.scheme_id) for move in due}
    done = 0
    for move in due:
        scheme = schemes[move.scheme_id]
        assert scheme is not None
        try:
            await _carry(stack, permit, scheme, move)
        except Refusal:
            continue
        done += 1
    return done
