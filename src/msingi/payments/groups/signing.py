"""Payments that several people must sign: proposed by one, signed by all who hold the account then, paid once.

The payment's id in the ledger is derived from the proposal, so whoever signs last, and however many sign at the same
time, it is posted once. Nothing is reserved before: one holder alone cannot lock the others' money.
"""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import errors as ledger_errors
from msingi.payments import parties
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import paying, standing, tariff
from msingi.payments.bank import rules as bank_rules
from msingi.payments.groups import acts, mandates, payout, rules, store
from msingi.payments.groups.errors import GroupNotOpen, NoSuchProposal, OwesTooMuch, ProposalEnded
from msingi.payments.groups.model import Body, Kept, Proposal, ProposalOrder, Signer

MOST_SHOWN = 100


@crossing("payments", "portal")
async def propose(stack: Stack, ctx: Context, order: ProposalOrder) -> Proposal:
    """Propose a payment out of a joint account, and sign it; it is made once all holders have signed.

    The same key again gives the same proposal. Raises NoSuchAccount unless the actor holds the account with others,
    or where nobody is to be paid; Malformed, AmountOutOfRange.
    """
    bank_rules.check_key(order.key)
    bank_rules.check_amount(order.amount_minor)
    bank_rules.check_words("reference", order.reference, 100, needed=False)
    me, account = parties.person_of(ctx), ledger_rules.id_of(order.payer)
    permit = policy.decide(ctx, "payments.propose", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body = await store.body_of_account(tx, account)
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id] if body else []
        log.append(tx, permit, subject=me, detail={"what": "right to propose looked up"})
    if body is None or body.kind != acts.JOINT or not rules.may_act(signers, me):
        raise mandates.unknown_payer()
    credit, name = await standing.payee_of(stack, ctx, order.payee)
    if credit == account:
        raise ledger_errors.SameAccount()
    kept = Kept(
        body_id=body.body_id, proposal_id=ledger_rules.transfer_id(f"proposal/{body.body_id}/{me}", order.key),
        account_id=account, credit=credit, payee=name, amount=order.amount_minor, currency=body.currency, code="P2P",
        reference=order.reference, made_at=ctx.at,
        expires_at=ctx.at + timedelta(days=tariff.of(stack).shared.proposal_days),
    )  # fmt: skip
    return await keep(stack, ctx, permit, kept, signers)


async def keep(stack: Stack, ctx: Context, permit: Permit, kept: Kept, signers: list[Signer]) -> Proposal:
    """Keep a payment that waits, for all who sign to read of; the proposer signs it, if it is one of them."""
    async with stack.db.transaction(permit) as tx:
        if not await store.add_proposal(tx, kept):
            first = await store.proposal(tx, kept.body_id, kept.proposal_id)
            if first is None or (first.credit, first.amount, first.reference) != (
                kept.credit, kept.amount, kept.reference
            ):  # fmt: skip
                raise ledger_errors.DifferentContent(key="")
        for person in rules.holding(signers):
            log.append(tx, permit, subject=person, detail={"what": "payment proposed"})
    return await _sign(stack, ctx, kept.body_id, kept.proposal_id, None)


@crossing("payments", "portal", "channels")
async def sign(stack: Stack, ctx: Context, body_id: str, proposal_id: str, agrees: bool = True) -> Proposal:
    """Sign a payment that waits, or refuse it, which ends it for all. The last signature pays (law 2).

    If the ledger refuses, the proposal stays open and says why; signing again tries again. Raises NoSuchProposal,
    ProposalEnded.
    """
    try:
        ids = acts.body_id_of(body_id), UUID(proposal_id)
    except ValueError:
        raise NoSuchProposal() from None
    return await _sign(stack, ctx, *ids, agrees)


async def _sign(stack: Stack, ctx: Context, body_id: UUID, proposal_id: UUID, wish: bool | None) -> Proposal:
    """Sign or refuse; None: sign what the actor has proposed, if the actor is one of those who sign."""
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.sign", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body = await store.body(tx, body_id, hold=True)
        signers = (await store.signers(tx, stack.seal, [body_id]))[body_id]
        kept = await store.proposal(tx, body_id, proposal_id)
        signs = rules.may_act(signers, me)
        agrees = wish is not False
        if body is None or kept is None or (wish is not None and not signs):
            raise NoSuchProposal()
        if kept.state == "open" and kept.expires_at <= ctx.at:
            raise ProposalEnded(state="late")
        if kept.state == "refused" or (kept.state == "paid" and not agrees):
            raise ProposalEnded(state=kept.state)
        if signs:
            await store.add_signature(tx, kept, me, agrees, ctx.at)
        signed = (await store.signatures(tx, [kept]))[proposal_id]
        if not agrees and kept.state == "open":
            await store.end_proposal(tx, kept, "refused", ctx.at)
            kept = msgspec.structs.replace(kept, state="refused")
        for person in rules.holding(signers):
            log.append(tx, permit, subject=person, detail={"what": "signature", "agrees": agrees})
    if kept.state == "open" and agrees and rules.is_signed(signers, signed):
        kept = await _pay(stack, ctx, permit, body, signers, kept)
    return shown(body, signers, signed, kept, me)


async def _pay(stack: Stack, ctx: Context, permit: Permit, body: Body, signers: list[Signer], kept: Kept) -> Kept:
    """Pay what all have signed. What the ledger says is kept with the proposal."""
    payer = mandates.names_of(signers) if body.kind == acts.JOINT else body.label
    why, chain = "", []
    try:
        chain = await payout.chain(stack, ctx, permit, body, kept, payer)
        await paying.post(stack, chain)
    except (ledger_errors.TransferRejected, ledger_errors.NoSuchAccount, GroupNotOpen, OwesTooMuch) as refused:
        why = refused.code
    async with stack.db.transaction(permit) as tx:
        now = await store.proposal(tx, kept.body_id, kept.proposal_id)
        mine = now is not None and (now.state, now.attempt) == ("open", kept.attempt)  # else somebody was faster
        if mine and why:
            await payout.failed(tx, kept)
            await store.try_again(tx, kept, why)
        elif mine:
            if body.kind != acts.JOINT:
                await payout.paid(tx, kept, chain, ctx, stack)
            await store.end_proposal(tx, kept, "paid", ctx.at)
        told: dict[str, str | int | bool] = {"what": "signed payment", "result": why or "paid"}
        log.append(tx, permit, subject=parties.person_of(ctx), detail=told)
    return msgspec.structs.replace(kept, state="open" if why else "paid", why=why)


def shown(body: Body, signers: list[Signer], signed: set[PersonId], kept: Kept, me: PersonId) -> Proposal:
    """A proposal as one of those who sign sees it."""
    needed = rules.holding(signers)
    return Proposal(
        proposal_id=str(kept.proposal_id), body_id=str(body.body_id), label=body.label,
        payer=ledger_rules.number_of(kept.account_id), payee=kept.payee, amount_minor=kept.amount,
        currency=kept.currency, reference=kept.reference, made_at=kept.made_at, expires_at=kept.expires_at,
        state=kept.state, signed=len(signed & set(needed)), needed=len(needed), by_me=me in signed, why=kept.why,
    )  # fmt: skip


@crossing("payments", "portal")
async def proposals(stack: Stack, ctx: Context, limit: int = 25) -> list[Proposal]:
    """The newest payments of all joint accounts that the actor holds; those that wait first."""
    if not 1 <= limit <= MOST_SHOWN:
        raise Malformed(f"A page has 1 to {MOST_SHOWN} payments.", field="limit", rule=f"1..{MOST_SHOWN}")
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.own-joint", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        bodies = {b.body_id: b for b in await store.bodies_of(tx, me, acts.JOINT, ctx.at)}
        signers = await store.signers(tx, stack.seal, list(bodies))
        mine = [body_id for body_id in bodies if rules.may_act(signers[body_id], me)]
        kept = await store.proposals(tx, mine, limit)
        signed = await store.signatures(tx, kept)
        log.append(tx, permit, subject=me, detail={"what": "payments to sign", "count": len(kept)})
    told = [shown(bodies[k.body_id], signers[k.body_id], signed[k.proposal_id], late(k, ctx), me) for k in kept]
    return sorted(told, key=lambda one: one.state != "open")


def late(kept: Kept, ctx: Context) -> Kept:
    """The proposal, late if its time is over."""
    over = kept.state == "open" and kept.expires_at <= ctx.at
    return msgspec.structs.replace(kept, state="late") if over else kept
