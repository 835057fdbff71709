"""What a member sees of a savings group: constitution, members, book, debts, meetings, payments that wait."""

from datetime import timedelta

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.ids import PersonId
from msingi.kernel.stack import Stack
from msingi.payments import parties
from msingi.payments.groups import payout, pot, rules, signing, store, store_pot
from msingi.payments.groups.model import Debt, Group, GroupMember, KeptDebt, KeptMember, PotEntry

LINES = 30


@crossing("payments", "portal", "channels")
async def own_groups(stack: Stack, ctx: Context) -> list[Group]:
    """The groups that the actor belongs to or is invited to."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-groups", me)
    async with stack.db.transaction(permit) as tx:
        ids = await store_pot.groups_of(tx, me)
        log.append(tx, permit, subject=me, detail={"what": "savings groups", "count": len(ids)})
    return [await see_group(stack, ctx, str(one)) for one in ids]


@crossing("payments", "portal", "channels")
async def see_group(stack: Stack, ctx: Context, body_id: str) -> Group:
    """One group of the actor's, brought into line with the ledger first (law 8). Raises NoSuchGroup."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.know-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body, group, signers, members, mine = await pot.begun(stack, tx, body_id, me)
        await payout.is_settled(stack, permit, tx, group, ctx)
        debts = await store_pot.debts(tx, stack.seal, group.body_id)
        sums = await store_pot.sums(tx, group)
        lines = await store_pot.entries(tx, group.body_id, ctx.at + timedelta(days=1), LINES)
        meetings = await store_pot.meetings(tx, stack.seal, group.body_id)
        kept = await store.proposals(tx, [group.body_id], LINES)
        signed = await store.signatures(tx, kept)
        held = [
            await payout.balance(stack, permit, tx, account) if account else 0
            for account in (group.pot, group.social_account)
        ]
        log.append(tx, permit, subject=me, detail={"what": "savings group"})
    places = {m.person_id: m.place for m in members.values()}
    keys = {s.person_id for s in signers}
    wishes = [signing.shown(body, signers, signed[k.proposal_id], signing.late(k, ctx), me) for k in kept]
    return Group(
        body_id=str(group.body_id), name=group.name, state=group.state, currency=group.currency,
        share_minor=group.share, most_shares=group.most_shares, social_minor=group.social,
        interest_permille=group.interest_permille, loan_times=group.loan_times, loan_days=group.loan_days,
        cycle=group.cycle, ends_on=group.ends_on, pot_minor=held[0], social_fund_minor=held[1],
        lent_minor=sum(d.owed - d.paid for d in debts if d.kind == "loan"), mine=mine.state,
        keeps_key=rules.may_act(signers, me), key_waits=me in keys and mine.state == "invited",
        members=[_member(m, sums, debts, keys, me) for m in members.values()],
        debts=[_debt(d, places) for d in debts],
        book=[
            PotEntry(
                place=places[PersonId(row["person_id"])], kind=row["kind"], amount_minor=row["amount"],
                shares=row["shares"], at=row["at"],
            )
            for row in lines
        ],
        meetings=meetings, proposals=sorted(wishes, key=lambda one: one.state != "open"),
    )  # fmt: skip


def _member(
    member: KeptMember,
    sums: dict[PersonId, dict[str, tuple[int, int]]],
    debts: list[KeptDebt],
    keys: set[PersonId],
    me: PersonId,
) -> GroupMember:
    own = sums.get(member.person_id, {})
    return GroupMember(
        place=member.place, name=member.name, state=member.state, keeps_key=member.person_id in keys,
        is_me=member.person_id == me, shares=own.get("share", (0, 0))[1], saved_minor=own.get("share", (0, 0))[0],
        social_minor=own.get("social", (0, 0))[0],
        owes_minor=sum(d.owed - d.paid for d in debts if d.person_id == member.person_id),
    )  # fmt: skip


def _debt(debt: KeptDebt, places: dict[PersonId, int]) -> Debt:
    return Debt(
        debt_id=str(debt.debt_id), place=places[debt.person_id], kind=debt.kind, owed_minor=debt.owed,
        left_minor=debt.owed - debt.paid, why=debt.why, due=debt.due,
    )  # fmt: skip
