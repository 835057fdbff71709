"""Payments out of a savings group, proposed for the three keys to sign: loans, aid, expenses, and the share-out."""

from datetime import timedelta

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties
from msingi.payments import rules as ledger_rules
from msingi.payments import store as accounts
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import standing, tariff
from msingi.payments.groups import payout, pot, rules, signing, store, store_pot
from msingi.payments.groups.errors import AgainstConstitution, GroupNotOpen, NoSuchGroup
from msingi.payments.groups.mandates import today
from msingi.payments.groups.model import Kept, KeptGroup, KeptMember, PayOut, Proposal

CODES = {payout.LOAN: "LOAN", payout.AID: "AIDP", payout.EXPENSE: "EXPN", payout.SHARE_OUT: "SHRE"}


@crossing("payments", "portal", "channels")
async def propose_payout(stack: Stack, ctx: Context, order: PayOut) -> Proposal:
    """Ask for a loan (any member for oneself, a keeper of a key for any), or propose aid or an expense (keepers only).

    The same key again gives the same proposal. Raises NoSuchGroup, GroupNotOpen, AgainstConstitution above what the
    member's shares allow, NoSuchAccount for a member without a wallet.
    """
    bank_rules.check_key(order.key)
    bank_rules.check_amount(order.amount_minor)
    bank_rules.check_words("reference", order.reference, 100, needed=False)
    if order.kind not in (payout.LOAN, payout.AID, payout.EXPENSE):
        raise Malformed("A payment out is a loan, aid or an expense.", field="kind", rule="loan, aid, expense")
    me = parties.person_of(ctx)
    whom = await standing.payee_of(stack, ctx, order.payee) if order.kind == payout.EXPENSE else None
    permit = policy.decide(ctx, "payments.propose-payout", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        _, group, signers, members, mine = await pot.begun(stack, tx, order.body_id, me)
        member = members.get(order.place) if order.place else mine
        own_loan = order.kind == payout.LOAN and member is mine
        if member is None or not (own_loan or rules.may_act(signers, me)):
            raise NoSuchGroup()
        if group.state != "open" or group.pot is None or group.social_account is None:
            raise GroupNotOpen(state=group.state)
        if order.kind == payout.LOAN:
            await _check_loan(stack, tx, group, member, order.amount_minor)
        if whom is None:
            wallets = await accounts.default_wallets(tx, [member.person_id])
            if member.person_id not in wallets:
                raise ledger_errors.NoSuchAccount(party="payee")
            whom = wallets[member.person_id][0], member.name
        log.append(tx, permit, subject=member.person_id, detail={"what": f"{order.kind} asked for"})
    source = group.social_account if order.kind == payout.AID else group.pot
    kept = Kept(
        body_id=group.body_id, account_id=source, credit=whom[0], payee=whom[1], amount=order.amount_minor,
        proposal_id=ledger_rules.transfer_id(f"payout/{group.body_id}/{me}", order.key), currency=group.currency,
        code=CODES[order.kind], reference=order.reference, made_at=ctx.at, effect=order.kind, member=member.person_id,
        expires_at=ctx.at + timedelta(days=tariff.of(stack).shared.proposal_days),
    )  # fmt: skip
    return await signing.keep(stack, ctx, permit, kept, signers)


async def _check_loan(stack: Stack, tx: store.Tx, group: KeptGroup, member: KeptMember, amount: int) -> None:
    """Raises AgainstConstitution above the agreed multiple of the own shares, what is lent already counted."""
    saved = (await store_pot.sums(tx, group)).get(member.person_id, {}).get("share", (0, 0))[0]
    lent = sum(d.lent for d in await store_pot.debts(tx, stack.seal, group.body_id) if d.person_id == member.person_id)
    most = rules.most_lent(saved, group.loan_times) - lent
    if amount > most:
        raise AgainstConstitution(rule="loan-times", most_minor=max(0, most))


@crossing("payments", "portal")
async def propose_share_out(stack: Stack, ctx: Context, key: str, body_id: str) -> Proposal:
    """Propose to share out the cycle; once all three have signed, everything in pot and social fund is paid out.

    Raises NoSuchGroup, GroupNotOpen, AgainstConstitution before the last day of the cycle.
    """
    bank_rules.check_key(key)
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.propose-payout", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        _, group, signers, members, mine = await pot.begun(stack, tx, body_id, me)
        if not rules.may_act(signers, me):
            raise NoSuchGroup()
        if group.state != "open" or group.pot is None or group.social_account is None:
            raise GroupNotOpen(state=group.state)
        if today(stack) < group.ends_on:
            raise AgainstConstitution(rule="ends-on", most_minor=0)
        total = await payout.balance(stack, permit, tx, group.pot)
        total += await payout.balance(stack, permit, tx, group.social_account)
        if not total:
            raise ledger_errors.InsufficientFunds()
        for member in members.values():
            log.append(tx, permit, subject=member.person_id, detail={"what": "share-out proposed"})
    kept = Kept(
        body_id=group.body_id, account_id=group.pot, credit=group.pot, payee=group.name, amount=total,
        proposal_id=ledger_rules.transfer_id(f"share-out/{group.body_id}/{group.cycle}/{me}", key),
        member=mine.person_id,
        currency=group.currency, code=CODES[payout.SHARE_OUT], reference=group.name, made_at=ctx.at,
        effect=payout.SHARE_OUT, expires_at=ctx.at + timedelta(days=tariff.of(stack).shared.proposal_days),
    )  # fmt: skip
    return await signing.keep(stack, ctx, permit, kept, signers)
