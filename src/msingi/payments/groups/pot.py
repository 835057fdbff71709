"""Savings groups (VICOBA, chama, tontine): founded by people who know each other, kept by the three who have the keys.

Members buy shares at each meeting and pay into the social fund; loans are paid out of the pot with the interest that
the group agreed; at the end of the cycle the pot is shared out in proportion to shares.
"""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import ledger, orders, parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import paying, tariff
from msingi.payments.bank import rules as bank_rules
from msingi.payments.groups import naming, rules, store, store_pot
from msingi.payments.groups.errors import AgainstConstitution, GroupNotOpen, InvitationEnded, NoSuchDebt, NoSuchGroup
from msingi.payments.groups.mandates import today
from msingi.payments.groups.model import (
    Body,
    Contribution,
    GroupOrder,
    KeptDebt,
    KeptGroup,
    KeptMember,
    Meeting,
    Signer,
)
from msingi.payments.model import AccountKind, Order

GROUP = "group"
MOST_MEMBERS, FEWEST_MEMBERS, LONGEST_DAYS = 50, 5, 400
FINE_DAYS = 30


def check_constitution(order: GroupOrder, most_days: int) -> None:
    """Raises Malformed unless a constitution can be kept: amounts, places of the keys, the length of the cycle."""
    bank_rules.check_key(order.key)
    bank_rules.check_words("name", order.name, 60)
    for name in (order.name_of_founder, *(m.name for m in order.members)):
        bank_rules.check_words("members", name, 40)
    bank_rules.check_amount(order.share_minor)
    total = len(order.members) + 1
    for field, value, least, most in (
        ("social_minor", order.social_minor, 0, ledger_rules.MAX_AMOUNT_MINOR),
        ("most_shares", order.most_shares, 1, 100),
        ("interest_permille", order.interest_permille, 0, 1000),
        ("loan_times", order.loan_times, 0, 10),
        ("loan_days", order.loan_days, 1, LONGEST_DAYS),
        ("members", total, FEWEST_MEMBERS, MOST_MEMBERS),
        ("ends_on", most_days, 1, LONGEST_DAYS),
    ):
        if not least <= value <= most:
            raise Malformed(f"{field} is from {least} to {most}.", field=field, rule=f"{least}..{most}")
    if len(set(order.keys)) != rules.KEYS or not all(1 <= place <= total for place in order.keys):
        raise Malformed("Three members keep the keys, each another one.", field="keys", rule="three")


@crossing("payments", "portal")
async def found_group(stack: Stack, ctx: Context, order: GroupOrder) -> str:
    """Found a savings group: its id. It opens when all three who keep the keys have accepted; the others join by
    their first contribution. The same key again gives the same group.

    Raises Malformed, NoSuchAccount where a member is nobody.
    """
    day = today(stack)
    check_constitution(order, (order.ends_on - day).days)
    me = parties.person_of(ctx)
    policy.decide(ctx, "payments.found-group", me)  # before anybody is looked up
    people = [me, *[await naming.person_meant(stack, ctx, m.typed) for m in order.members]]
    if len(set(people)) < len(people):
        raise Malformed("Name each member once.", field="members", rule="distinct")
    names = [order.name_of_founder, *(m.name for m in order.members)]
    members = [
        KeptMember(person_id=p, place=n, name=name.strip(), state="active" if p == me else "invited")
        for n, (p, name) in enumerate(zip(people, names, strict=True), 1)
    ]
    keys = [
        Signer(person_id=m.person_id, name=m.name, state=m.state, in_use=True) for m in members if m.place in order.keys
    ]
    permit = policy.decide(ctx, "payments.found-group", tuple(people))
    async with stack.db.transaction(permit) as tx:
        scope = f"group:{ctx.actor.id}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=str)
        body_id = uuid7()
        body = Body(
            body_id=body_id, kind=GROUP, account_id=None, owner=parties.holder_ref(stack, f"body:{body_id}"),
            label=order.name.strip(), bound=0, currency=stack.profile.currency.code, state="inviting",
            lapses_at=ctx.at + timedelta(days=tariff.of(stack).shared.invitation_days),
        )  # fmt: skip
        await store.add_body(tx, stack.seal, body, keys, ctx.at)
        await store_pot.add_group(tx, body_id, order, body.currency, day)
        await store_pot.add_members(tx, stack.seal, body_id, members)
        for person in people:
            log.append(tx, permit, subject=person, detail={"what": "named in a savings group"})
        await once.settle(tx, "payments", scope, msgspec.json.encode(str(body_id)))
    return str(body_id)


async def begun(
    stack: Stack, tx: store.Tx, body_id: str, me: PersonId, *, hold: bool = False
) -> tuple[Body, KeptGroup, list[Signer], dict[int, KeptMember], KeptMember]:
    """A group of the actor's: its body, constitution, keys, members by place, and the actor's own entry.

    Raises NoSuchGroup unless the actor belongs to it.
    """
    try:
        wanted = UUID(body_id)
    except ValueError:
        raise NoSuchGroup() from None
    body, group = await store.body(tx, wanted, hold=hold), await store_pot.group(tx, wanted)
    members = {m.place: m for m in await store_pot.members(tx, stack.seal, wanted)}
    mine = next((m for m in members.values() if m.person_id == me and m.state != "left"), None)
    if body is None or group is None or mine is None:
        raise NoSuchGroup()
    return body, group, (await store.signers(tx, stack.seal, [wanted]))[wanted], members, mine


@crossing("payments", "portal", "channels")
async def answer_group(stack: Stack, ctx: Context, body_id: str, accept: bool) -> None:
    """Join a group that one was named in, or decline; for a keeper of a key also the key. The last key opens the pot.

    Raises NoSuchGroup, InvitationEnded.
    """
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.answer-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body, _, signers, members, mine = await begun(stack, tx, body_id, me, hold=True)
        key = next((s for s in signers if s.person_id == me), None)
        if mine.state != "invited" or (body.state == "inviting" and body.lapses_at <= ctx.at):
            raise InvitationEnded()
        await store_pot.set_member(tx, body.body_id, me, "active" if accept else "left")
        if key is not None:
            await store.set_signer(tx, body.body_id, me, "active" if accept else "declined", ctx.at)
            signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id]
            if not accept:
                await store.end_body(tx, body.body_id)
                await store_pot.set_group(tx, body.body_id, "ended")
            elif rules.is_everybody_in(signers):
                tier = max(t.tier for t in stack.profile.tiers)
                opening = [s.person_id for s in signers], body.owner, AccountKind.GROUP, tier, ctx
                pot = await shards.open_shared_account(stack, permit, tx, *opening)
                await store.open_body(tx, body.body_id, pot)
                social = await shards.open_shared_account(stack, permit, tx, *opening)
                await store_pot.open_group(tx, body.body_id, social)
        for member in members.values():
            log.append(tx, permit, subject=member.person_id, detail={"what": "member answered", "accepted": accept})


@crossing("payments", "portal", "channels")
async def contribute(stack: Stack, ctx: Context, order: Contribution) -> int:
    """Pay shares and social fund out of the own wallet, for oneself or another member; the minor units paid.

    The same key again pays nothing again. Raises NoSuchGroup, GroupNotOpen, AgainstConstitution above the shares of a
    meeting (a day), or the ledger's reason.
    """
    bank_rules.check_key(order.key)
    me = parties.person_of(ctx)
    who = paying.payer(stack, ctx, "payments.contribute")
    purse = await wallet_of(stack, ctx)
    permit = policy.decide(ctx, "payments.know-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body, group, _, members, mine = await begun(stack, tx, order.body_id, me, hold=True)
        member = members.get(order.place) if order.place else mine
        if member is None or member.state == "left":
            raise NoSuchGroup()
        if group.state != "open" or group.pot is None or group.social_account is None:
            raise GroupNotOpen(state=group.state)
        by = who.by(f"group/{body.body_id}")
        paid: list[tuple[str, int, Order]] = []
        for kind, minor, account in (
            ("share", order.shares * group.share, group.pot),
            ("social", group.social * order.social, group.social_account),
        ):
            if minor > 0:
                names = {"payer": member.name, "payee": group.name}
                key = f"{order.key}/{kind}"
                made = orders.pay(by, key, purse, account, minor, group.currency, "SAVG", **names)
                paid.append((kind, minor, made))
        if not paid or order.shares < 0:
            raise Malformed("Buy at least one share, or pay the social fund.", field="shares", rule="shares>0")
        but = next((made.id for kind, _, made in paid if kind == "share"), None)
        begin = datetime.combine(ctx.at.astimezone(UTC).date(), time(), UTC)
        bought = await store_pot.shares_on(tx, body.body_id, member.person_id, begin, begin + timedelta(days=1), but)
        if bought + order.shares > group.most_shares:
            raise AgainstConstitution(rule="most-shares", most_minor=(group.most_shares - bought) * group.share)
        for kind, minor, made in paid:
            shares = order.shares if kind == "share" else 0
            await store_pot.add_entry(tx, group, made.id, member.person_id, kind, minor, ctx.at, shares=shares)
        log.append(tx, permit, subject=member.person_id, detail={"what": "contribution to a savings group"})
    await _post(stack, permit, group, [made for _, _, made in paid], member, me)
    return sum(minor for _, minor, _ in paid)


async def _post(
    stack: Stack, permit: Permit, group: KeptGroup, chain: list[Order], member: KeptMember, me: PersonId
) -> None:
    """Ask the ledger, and write into the book how it ended; whatever breaks off, `payout.is_settled` finds it."""
    ids = [made.id for made in chain]
    endings = await (ledger.post_linked(stack, chain) if len(chain) > 1 else ledger.post(stack, chain))
    try:
        ledger_errors.check(endings)
    except (ledger_errors.TransferRejected, ledger_errors.NoSuchAccount):
        async with stack.db.transaction(permit) as tx:
            await store_pot.drop_entries(tx, group.body_id, ids)
            log.append(tx, permit, subject=me, detail={"what": "contribution refused by the ledger"})
        raise
    async with stack.db.transaction(permit) as tx:
        await store_pot.post_entries(tx, group.body_id, ids)
        if member.state == "invited":
            await store_pot.set_member(tx, group.body_id, member.person_id, "active")
        log.append(tx, permit, subject=member.person_id, detail={"what": "contribution in the book"})


async def wallet_of(stack: Stack, ctx: Context) -> int:
    """The account that the actor pays contributions out of. Raises NoSuchAccount."""
    for account in await payments.accounts(stack, ctx):
        if account.is_default:
            return ledger_rules.id_of(account.number)
    raise ledger_errors.NoSuchAccount(party="payer")


@crossing("payments", "portal", "channels")
async def repay(stack: Stack, ctx: Context, key: str, body_id: str, debt_id: str, amount_minor: int) -> None:
    """Pay a loan back, or a fine, in whole or in part, out of the own wallet; any member may, for any other.

    Raises NoSuchGroup, NoSuchDebt where less is owed, or the ledger's reason.
    """
    bank_rules.check_key(key)
    bank_rules.check_amount(amount_minor)
    me = parties.person_of(ctx)
    who = paying.payer(stack, ctx, "payments.contribute")
    purse = await wallet_of(stack, ctx)
    permit = policy.decide(ctx, "payments.know-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        _, group, _, members, _ = await begun(stack, tx, body_id, me, hold=True)
        if group.state != "open" or group.pot is None:
            raise GroupNotOpen(state=group.state)
        by = who.by(f"group/{group.body_id}")
        paid = orders.pay(
            by, f"{key}/{debt_id}", purse, group.pot, amount_minor, group.currency, "SAVG", payee=group.name
        )
        owner = await store_pot.person_of_entry(tx, group.body_id, paid.id)
        if owner is None:
            debts = await store_pot.debts(tx, stack.seal, group.body_id)
            debt = next((d for d in debts if str(d.debt_id) == debt_id and d.owed - d.paid >= amount_minor), None)
            if debt is None:
                raise NoSuchDebt()
            owner, kind = debt.person_id, "fine" if debt.kind == "fine" else "repayment"
            about = debt.debt_id
            await store_pot.add_entry(tx, group, paid.id, owner, kind, amount_minor, ctx.at, about=about)
        log.append(tx, permit, subject=owner, detail={"what": "repayment to a savings group"})
    member = next(m for m in members.values() if m.person_id == owner)
    await _post(stack, permit, group, [paid], member, me)


@crossing("payments", "portal")
async def fine_member(
    stack: Stack, ctx: Context, key: str, body_id: str, place: int, amount_minor: int, why: str
) -> None:
    """Whoever keeps a key writes down a fine that the group has set. Raises NoSuchGroup, Malformed."""
    bank_rules.check_key(key)
    bank_rules.check_amount(amount_minor)
    bank_rules.check_words("why", why, 80)
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.keep-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body, group, signers, members, _ = await begun(stack, tx, body_id, me, hold=True)
        if not rules.may_act(signers, me) or place not in members:
            raise NoSuchGroup()
        debt = KeptDebt(
            debt_id=ledger_rules.transfer_id(f"fine/{body.body_id}/{me}", key), person_id=members[place].person_id,
            kind="fine", lent=0, owed=amount_minor, why=why.strip(), paid=0,
            due=today(stack) + timedelta(days=FINE_DAYS),
        )  # fmt: skip
        await store_pot.add_debt(tx, stack.seal, group, debt, ctx.at)
        log.append(tx, permit, subject=debt.person_id, detail={"what": "fine of a savings group", "why": why})


@crossing("payments", "portal")
async def record_meeting(stack: Stack, ctx: Context, key: str, body_id: str, told: Meeting) -> None:
    """Whoever keeps a key writes the record of a meeting: who was there, and what was decided.

    Raises NoSuchGroup, Malformed.
    """
    bank_rules.check_key(key)
    bank_rules.check_words("note", told.note.replace("\n", " ").replace("\r", ""), 2_000)
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.keep-group", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body, _, signers, members, _ = await begun(stack, tx, body_id, me)
        if not rules.may_act(signers, me):
            raise NoSuchGroup()
        if not set(told.present) <= set(members) or told.held_on > today(stack):
            raise Malformed("Name members by their places, and a day that has come.", field="present", rule="members")
        meeting_id = ledger_rules.transfer_id(f"meeting/{body.body_id}/{me}", key)
        await store_pot.add_meeting(tx, stack.seal, body.body_id, meeting_id, told, me, ctx.at)
        log.append(tx, permit, subject=me, detail={"what": "record of a meeting", "present": len(told.present)})
