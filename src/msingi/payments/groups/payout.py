"""What the signatures of the three keys do: a loan, an aid, an expense, the share-out; in the ledger and in the book.

What is to be paid to whom is written before the ledger is asked, all of it in one chain: all or nothing, once.
"""

from datetime import timedelta
from uuid import UUID

from msingi.kernel import log
from msingi.kernel.context import Context
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import orders, shards
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.groups import rules, store, store_pot
from msingi.payments.groups.errors import GroupNotOpen, OwesTooMuch
from msingi.payments.groups.mandates import today
from msingi.payments.groups.model import Body, Kept, KeptDebt, KeptGroup, Payout
from msingi.payments.model import Order

SHARE_OUT, LOAN, AID, EXPENSE = "share-out", "loan", "aid", "expense"
UNDER_WAY = timedelta(minutes=10)


def _plan_id(kept: Kept) -> UUID:
    return ledger_rules.transfer_id(f"plan/{kept.proposal_id}", str(kept.attempt))


async def chain(stack: Stack, ctx: Context, permit: Permit, body: Body, kept: Kept, payer: str) -> list[Order]:
    """The orders that carry out what was signed. Raises GroupNotOpen, OwesTooMuch, NoSuchAccount for a share-out."""
    by = orders.By(permit, body.owner, f"proposal/{kept.proposal_id}")
    if kept.effect != SHARE_OUT:
        return [
            orders.pay(
                by, str(kept.attempt), kept.account_id, kept.credit, kept.amount, kept.currency, kept.code,
                reference=kept.reference, payer=payer, payee=kept.payee,
            )
        ]  # fmt: skip
    return [
        orders.pay(
            by, f"{kept.attempt}/{p.place}", p.account_id, p.credit, p.amount, kept.currency, kept.code,
            reference=kept.reference, payer=payer, payee=p.name,
        )
        for p in await _planned(stack, ctx, permit, kept)
    ]  # fmt: skip


async def _planned(stack: Stack, ctx: Context, permit: Permit, kept: Kept) -> list[Payout]:
    """Who gets what at the share-out, as it was planned first; from the plan on nobody pays in."""
    async with stack.db.transaction(permit) as tx:
        await store.body(tx, kept.body_id, hold=True)
        group = await store_pot.group(tx, kept.body_id)
        if group is None or group.pot is None or group.social_account is None:
            raise GroupNotOpen(state="forming")
        planned = await store_pot.payouts(tx, stack.seal, kept.body_id, _plan_id(kept))
        if not planned:
            if not await is_settled(stack, permit, tx, group, ctx):
                raise GroupNotOpen(state="contribution-under-way")
            pot = await balance(stack, permit, tx, group.pot)
            social = await balance(stack, permit, tx, group.social_account)
            planned = await _plan(stack, tx, group, pot, social)
            await store_pot.add_payouts(tx, stack.seal, kept.body_id, _plan_id(kept), planned)
            await store_pot.set_group(tx, kept.body_id, "sharing")
        log.append(tx, permit, detail={"what": "share-out planned", "count": len(planned)})
    return planned


async def _plan(stack: Stack, tx: store.Tx, group: KeptGroup, pot: int, social: int) -> list[Payout]:
    """The pot in proportion to shares, less debts; the social fund in equal parts to those who belong to the group."""
    assert group.pot is not None and group.social_account is not None
    members = await store_pot.members(tx, stack.seal, group.body_id)
    sums = await store_pot.sums(tx, group)
    owed = _owed(await store_pot.debts(tx, stack.seal, group.body_id))
    shares = [sums.get(m.person_id, {}).get("share", (0, 0))[1] for m in members]
    gets = rules.share_out(pot, shares, [owed.get(m.person_id, 0) for m in members])
    for member, part in zip(members, gets, strict=True):
        if part < 0:
            raise OwesTooMuch(place=member.place)
    active = [int(m.state == "active") for m in members]
    equal = rules.divided(social, active) if social and any(active) else [0] * len(members)
    wallets = await accounts.default_wallets(tx, [m.person_id for m in members])
    planned = []
    for source, amounts in ((group.pot, gets), (group.social_account, equal)):
        for member, amount in zip(members, amounts, strict=True):
            if amount:
                if member.person_id not in wallets:
                    raise ledger_errors.NoSuchAccount(party="payee")
                credit = wallets[member.person_id][0]
                planned.append(
                    Payout(
                        place=len(planned), person_id=member.person_id, account_id=source, credit=credit,
                        name=member.name, amount=amount,
                    )
                )  # fmt: skip
    return planned


def _owed(debts: list[KeptDebt]) -> dict[PersonId, int]:
    found: dict[PersonId, int] = {}
    for debt in debts:
        found[debt.person_id] = found.get(debt.person_id, 0) + debt.owed - debt.paid
    return found


async def balance(stack: Stack, permit: Permit, tx: store.Tx, account: int) -> int:
    """What an account of the group holds, by the ledger."""
    async with shards.beside(stack, account, permit, tx) as near:
        row = await accounts.account(near, account)
    return row["posted"] if row is not None else 0


async def is_settled(stack: Stack, permit: Permit, tx: store.Tx, group: KeptGroup, ctx: Context) -> bool:
    """Bring the book into line with the ledger where a program broke off between the two (law 8); whether it is."""
    posted, dropped, waiting = [], [], False
    for entry_id, at in await store_pot.pending_entries(tx, group.body_id):
        async with shards.beside(stack, ledger_rules.shard_of(entry_id.int), permit, tx) as near:
            row = await accounts.transfer(near, entry_id)
        if row is not None:
            (posted if row["status"] == 1 else dropped).append(entry_id)
        elif at + UNDER_WAY < ctx.at:
            dropped.append(entry_id)  # it never reached the ledger, and will not any more
        else:
            waiting = True
    if posted:
        await store_pot.post_entries(tx, group.body_id, posted)
    if dropped:
        await store_pot.drop_entries(tx, group.body_id, dropped)
    return not waiting


async def paid(tx: store.Tx, kept: Kept, posted: list[Order], ctx: Context, stack: Stack) -> None:
    """Write into the group's book what the ledger has paid; safe to repeat."""
    group = await store_pot.group(tx, kept.body_id)
    if group is None:
        return
    if kept.effect == SHARE_OUT:
        await _shared(tx, group, kept, posted, ctx, stack)
        return
    first = (await store_pot.members(tx, stack.seal, kept.body_id))[0].person_id
    member = PersonId(kept.member) if kept.member is not None else first
    await store_pot.add_entry(tx, group, posted[0].id, member, kept.effect, -kept.amount, ctx.at)
    await store_pot.post_entries(tx, kept.body_id, [posted[0].id])
    if kept.effect == LOAN:
        debt = KeptDebt(
            debt_id=kept.proposal_id, person_id=member, kind=LOAN, lent=kept.amount, why=kept.reference, paid=0,
            owed=kept.amount + rules.interest(kept.amount, group.interest_permille),
            due=today(stack) + timedelta(days=group.loan_days),
        )  # fmt: skip
        await store_pot.add_debt(tx, stack.seal, group, debt, ctx.at)


async def _shared(tx: store.Tx, group: KeptGroup, kept: Kept, posted: list[Order], ctx: Context, stack: Stack) -> None:
    """The cycle is shared out: what was owed is set off, and the next cycle begins."""
    planned = await store_pot.payouts(tx, stack.seal, kept.body_id, _plan_id(kept))
    for payout, order in zip(planned, posted, strict=True):
        await store_pot.add_entry(tx, group, order.id, payout.person_id, SHARE_OUT, -payout.amount, ctx.at)
    await store_pot.post_entries(tx, kept.body_id, [order.id for order in posted])
    for debt in await store_pot.debts(tx, stack.seal, kept.body_id):
        left, person = debt.owed - debt.paid, debt.person_id
        off, back = (ledger_rules.transfer_id(f"set-off/{kept.proposal_id}/{way}", str(debt.debt_id)) for way in "io")
        await store_pot.add_entry(tx, group, off, person, "repayment", left, ctx.at, about=debt.debt_id)
        await store_pot.add_entry(tx, group, back, person, SHARE_OUT, -left, ctx.at)
        await store_pot.post_entries(tx, kept.body_id, [off, back])
    await store_pot.next_cycle(tx, kept.body_id, group.cycle, today(stack))


async def failed(tx: store.Tx, kept: Kept) -> None:
    """The ledger has refused: the group is open again."""
    if kept.effect == SHARE_OUT:
        await store_pot.set_group(tx, kept.body_id, "open")
