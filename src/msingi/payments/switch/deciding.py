"""Four eyes over the switch: one officer proposes who joins or converts, and how limits change; another one decides.

What was proposed is carried out in the name of whoever approved it, with the channel "four-eyes", without which the
policy lets no officer do it. Only to suspend a participant one officer is enough.
"""

from uuid import UUID

from msgspec.structs import replace

from msingi.kernel import log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import uuid7
from msingi.kernel.stack import Stack
from msingi.payments import rules as ledger_rules
from msingi.payments.switch import acts, errors, jws, providing, roll, rules, settling, store
from msingi.payments.switch.model import Decided, Pair, Proposal, ProposalState, Standing, Wanted, What

CHANNEL = "four-eyes"
MOST_WAITING = 200
AMOUNTS = (What.COVER, What.WITHDRAWAL, What.LIMIT)


def _who(ctx: Context) -> str:
    return f"{ctx.actor.kind}:{ctx.actor.id}"


async def propose(stack: Stack, ctx: Context, wanted: Wanted, key: str = "") -> Proposal:
    """Propose a change of who takes part, or of cover or limit; the same key of the same officer proposes it once.

    Raises BadKey, BadSyntax, Malformed, FspExists, UnknownFsp, BadCurrency: what could never be carried out.
    """
    permit = policy.decide(ctx, "payments.switch-propose", policy.NOBODY)
    await _possible(stack, wanted)
    id_ = ledger_rules.transfer_id(f"switch-proposal/{_who(ctx)}", settling._key(key)) if key else uuid7()
    made = Proposal(str(id_), wanted, _who(ctx), ctx.at)
    async with stack.db.transaction(permit) as tx:
        kept = await store.put_proposal(tx, made)
        log.append(tx, permit, detail={"what": f"{wanted.what} proposed", "participant": wanted.fsp})
    if kept.wanted != wanted:
        raise errors.Modified(field="key", rule="same-key-same-content")
    return kept


async def _possible(stack: Stack, wanted: Wanted) -> None:
    rules.fsp_id(wanted.fsp, "fsp")
    book = await roll.of(stack)
    if wanted.what is What.JOIN:
        if wanted.fsp in book.fsps:
            raise errors.FspExists()
        acts.checked(wanted.endpoint, wanted.name)
        if not 0 < len(wanted.institution) <= 32 or not wanted.institution.isprintable():
            raise Malformed("An institution's code has 1 to 32 characters.", field="institution", rule="length<=32")
        jws.public_key(wanted.key)
        for code in wanted.currencies:
            rules.settled_in(book.currencies, code)
        return None
    if wanted.fsp not in book.fsps:
        raise errors.UnknownFsp(party="fsp")
    if wanted.what is What.CONVERT:
        return providing.possible(_pair(wanted), book.fsps.values(), book.accounts.values())
    if wanted.what in AMOUNTS:
        least = 0 if wanted.what is What.LIMIT else 1
        if not least <= wanted.amount_minor <= ledger_rules.MAX_AMOUNT_MINOR:
            raise Malformed("The amount is out of range.", field="amount_minor", rule=f"{least}..10^15")
        if (wanted.fsp, wanted.currency) not in book.accounts:
            raise errors.BadCurrency(currency=wanted.currency[:3])
        return None
    if not wanted.key and not wanted.endpoint and wanted.active is None:
        raise Malformed("Nothing would change.", field="active", rule="key|endpoint|active")
    if wanted.key:
        jws.public_key(wanted.key)
    if wanted.endpoint:
        acts.checked(wanted.endpoint, wanted.fsp)
    return None


def _pair(wanted: Wanted) -> Pair:
    return Pair(wanted.fsp, wanted.currency, wanted.target)


async def proposals(stack: Stack, ctx: Context) -> list[Proposal]:
    """What waits for a second officer, oldest first."""
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    async with stack.db.transaction(permit) as tx:
        found = await store.proposals(tx, MOST_WAITING)
        log.append(tx, permit, detail={"what": "proposals for the switch", "count": len(found)})
    return found


async def decide(stack: Stack, ctx: Context, proposal_id: str, approve: bool) -> Decided:
    """Approve a colleague's proposal, and it is carried out; or refuse it, as whoever proposed it may as well.

    Repeating an approval after a crash does nothing twice. Raises OwnProposal, NoSuchProposal, and whatever stands
    against it, such as OverCover: then it still waits.
    """
    permit = policy.decide(ctx, "payments.switch-decide", policy.NOBODY)
    try:
        wanted_id = UUID(proposal_id)
    except ValueError:
        raise errors.NoSuchProposal() from None
    async with stack.db.reading("payments") as tx:
        found = await store.proposal(tx, wanted_id)
    if found is None or found.state is not ProposalState.WAITING:
        raise errors.NoSuchProposal()
    if approve and found.proposed_by == _who(ctx):
        raise errors.OwnProposal()
    token, standing = "", None
    if approve:
        second = replace(ctx, channel=CHANNEL)
        if found.wanted.what in AMOUNTS:
            standing = await _amount(stack, second, found)
        else:
            token = await _membership(stack, second, found.wanted)
    state = ProposalState.APPROVED if approve else ProposalState.REFUSED
    async with stack.db.transaction(permit) as tx:
        await store.end_proposal(tx, wanted_id, state, _who(ctx), ctx.at)
        log.append(
            tx, permit, detail={"what": f"{found.wanted.what} {state}", "participant": found.wanted.fsp, "id": found.id}
        )
    return Decided(replace(found, state=state, decided_by=_who(ctx), decided_at=ctx.at), token, standing)


async def _amount(stack: Stack, ctx: Context, found: Proposal) -> Standing:
    one = found.wanted
    if one.what is What.LIMIT:
        return await settling.set_limit(stack, ctx, one.fsp, one.currency, one.amount_minor)
    move = settling.bring_cover if one.what is What.COVER else settling.take_cover
    return await move(stack, ctx, one.fsp, one.currency, one.amount_minor, found.id)


async def _membership(stack: Stack, ctx: Context, one: Wanted) -> str:
    """Carry out a join or a change; the token of a new participant."""
    if one.what is What.CONVERT:
        await providing.change_pair(stack, ctx, _pair(one), active=True)
        return ""
    if one.what is What.CHANGE:
        await acts.change(stack, ctx, one.fsp, endpoint=one.endpoint or None, key=one.key or None, active=one.active)
        return ""
    words = one.fsp, one.institution, one.name, one.key, one.endpoint
    token = await acts.join(stack, ctx, *words, one.proof, one.speaks)
    for code in one.currencies:
        await acts.open_accounts(stack, ctx, one.fsp, code)
    return token
