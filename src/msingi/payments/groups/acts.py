"""Verbs of joint accounts: open one together, accept, see, leave; and what an officer does after a death."""

from datetime import timedelta
from uuid import UUID

import msgspec

from msingi.identity import acts as identity
from msingi.kernel import log, once, policy, tally
from msingi.kernel.context import Context
from msingi.kernel.crossing import crossing
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.kernel.tally import Limit
from msingi.payments import acts as payments
from msingi.payments import errors as ledger_errors
from msingi.payments import parties, shards
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import rules as bank_rules
from msingi.payments.bank import tariff
from msingi.payments.groups import naming, rules, store
from msingi.payments.groups.errors import InvitationEnded, LastHolder, NoSuchJoint
from msingi.payments.groups.model import Body, Joint, JointHolder, JointOrder, Removal, Signer
from msingi.payments.model import Account, AccountKind

ASKED = Limit("payments.joint-invitations", most=20, window_s=86_400)
JOINT = "joint"


@crossing("payments", "portal")
async def open_joint(stack: Stack, ctx: Context, order: JointOrder) -> Joint:
    """Invite others to hold an account together with the actor; it opens when all have accepted (law 5).

    The same key again gives the same account. Raises NoSuchAccount where nobody is meant, Malformed, TooMany after
    twenty on a day.
    """
    bank_rules.check_key(order.key)
    bank_rules.check_words("label", order.label, 40)
    rules.check_bound(order.bound_minor)
    if not 1 <= len(order.others) <= rules.MOST_OTHERS:
        raise Malformed(f"Name 1 to {rules.MOST_OTHERS} others.", field="others", rule=f"1..{rules.MOST_OTHERS}")
    me = parties.person_of(ctx)
    policy.decide(ctx, "payments.open-joint", me)  # before anybody is looked up
    tally.check(stack, ASKED, ctx.actor.id, ctx.at)
    others = [await naming.person_meant(stack, ctx, typed) for typed in order.others]
    if me in others or len(set(others)) < len(others):
        raise Malformed("Name others, each once.", field="others", rule="distinct")
    people = (me, *others)
    names = [await parties.initials_of(stack, ctx, person) for person in people]
    permit = policy.decide(ctx, "payments.open-joint", people)
    async with stack.db.transaction(permit) as tx:
        scope = f"joint:{ctx.actor.id}:{order.key}"
        if first := await once.claim(tx, "payments", scope, order):
            return msgspec.json.decode(first, type=Joint)
        body_id = uuid7()
        body = Body(
            body_id=body_id, kind=JOINT, account_id=None, owner=parties.holder_ref(stack, f"body:{body_id}"),
            label=order.label.strip(), bound=order.bound_minor, currency=stack.profile.currency.code, state="inviting",
            lapses_at=ctx.at + timedelta(days=tariff.of(stack).shared.invitation_days),
        )  # fmt: skip
        states = ["active", *["invited"] * len(others)]
        signers = [
            Signer(person_id=p, name=n, state=s, in_use=True) for p, n, s in zip(people, names, states, strict=True)
        ]
        await store.add_body(tx, stack.seal, body, signers, ctx.at)
        await tally.add(stack, tx, ASKED, ctx.actor.id, ctx.at)
        for person in people:
            log.append(tx, permit, subject=person, detail={"what": "invited to a joint account"})
        made = _shown(body, signers, me, None)
        await once.settle(tx, "payments", scope, msgspec.json.encode(made))
    return made


def _shown(body: Body, signers: list[Signer], me: PersonId, account: Account | None) -> Joint:
    mine = next(s for s in signers if s.person_id == me)
    return Joint(
        body_id=str(body.body_id),
        label=body.label,
        number=ledger_rules.number_of(body.account_id) if body.account_id is not None else "",
        currency=body.currency,
        bound_minor=body.bound,
        balance_minor=account.balance_minor if account else 0,
        available_minor=account.available_minor if account else 0,
        mine=mine.state,
        holders=[
            JointHolder(s.name, s.state, s.in_use, s.person_id == me)
            for s in signers
            if s.state in ("invited", "active")
        ],
        lapses_at=body.lapses_at,
    )


def body_id_of(text: str) -> UUID:
    """The id of a body as it came from outside. Raises NoSuchJoint."""
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchJoint() from None


@crossing("payments", "portal")
async def answer_joint(stack: Stack, ctx: Context, body_id: str, accept: bool) -> None:
    """Accept an invitation, or decline it, which ends it for all. The last to accept opens the account.

    Raises NoSuchJoint, InvitationEnded.
    """
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.answer-joint", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body = await store.body(tx, body_id_of(body_id), hold=True)
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id] if body else []
        mine = next((s for s in signers if s.person_id == me), None)
        if body is None or body.kind != JOINT or mine is None:
            raise NoSuchJoint()
        if body.state != "inviting" or body.lapses_at <= ctx.at or mine.state != "invited":
            raise InvitationEnded()
        await store.set_signer(tx, body.body_id, me, "active" if accept else "declined", ctx.at)
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id]
        people = [s.person_id for s in signers]
        if not accept:
            await store.end_body(tx, body.body_id)
        elif rules.is_everybody_in(signers):
            tier = min(t.tier for t in stack.profile.tiers)
            opening = people, body.owner, AccountKind.JOINT, tier, ctx
            account = await shards.open_shared_account(stack, permit, tx, *opening)
            await store.open_body(tx, body.body_id, account)
        for person in people:
            log.append(tx, permit, subject=person, detail={"what": "joint account answered", "accepted": accept})


@crossing("payments", "portal")
async def own_joint(stack: Stack, ctx: Context) -> list[Joint]:
    """The joint accounts that the actor holds or is invited to, the newest first."""
    me = parties.person_of(ctx)
    held = {a.number: a for a in await payments.accounts(stack, ctx)}
    permit = policy.decide(ctx, "payments.own-joint", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        bodies = await store.bodies_of(tx, me, JOINT, ctx.at)
        signers = await store.signers(tx, stack.seal, [b.body_id for b in bodies])
        log.append(tx, permit, subject=me, detail={"what": "joint accounts", "count": len(bodies)})
    found = []
    for body in bodies:
        number = ledger_rules.number_of(body.account_id) if body.account_id is not None else ""
        found.append(_shown(body, signers[body.body_id], me, held.get(number)))
    return found


@crossing("payments", "portal")
async def leave_joint(stack: Stack, ctx: Context, body_id: str) -> None:
    """Hold a joint account no more. The last holder closes it by leaving, once it is empty.

    Raises NoSuchJoint, NotEmpty.
    """
    me = parties.person_of(ctx)
    permit = policy.decide(ctx, "payments.leave-joint", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        body = await store.body(tx, body_id_of(body_id), hold=True)
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id] if body else []
        if body is None or body.kind != JOINT or body.account_id is None or not rules.may_act(signers, me):
            raise NoSuchJoint()
        if len(rules.holding(signers)) == 1:
            async with shards.beside(stack, body.account_id, permit, tx) as near:
                if not await shards.store.close(near, body.account_id):
                    raise ledger_errors.NotEmpty()
            await store.end_body(tx, body.body_id)
        await _part(tx, permit, body, signers, me, "left", ctx)


async def _part(
    tx: store.Tx, permit: policy.Permit, body: Body, signers: list[Signer], who: PersonId, state: str, ctx: Context
) -> None:
    """Somebody holds an account no more, from this commit on; everybody who holds it reads of it."""
    assert body.account_id is not None
    await store.set_signer(tx, body.body_id, who, state, ctx.at)
    await store.forget_holder(tx, who, body.account_id)
    for person in rules.holding(signers):
        log.append(tx, permit, subject=person, detail={"what": f"holder {state}"})


@crossing("payments", "portal")
async def remove_joint_holder(stack: Stack, ctx: Context, order: Removal) -> None:
    """An officer removes a holder from a joint account: after a death, or by order of a court; the others go on.

    Raises NoSuchAccount, NoSuchJoint where this person does not hold it, LastHolder, Malformed without a paper.
    """
    bank_rules.check_words("because", order.because, 140)
    account = ledger_rules.id_of(order.account)
    permit = policy.decide(ctx, "payments.remove-joint-holder", policy.ANYONE)
    # The dead are not in use, and are the ones to be removed.
    act = "payments.remove-joint-holder"
    person = await identity.person_by_number(stack, ctx, order.number, any_status=True, to=act)
    async with stack.db.transaction(permit) as tx:
        body = await store.body_of_account(tx, account)
        body = await store.body(tx, body.body_id, hold=True) if body else None
        if body is None:
            raise ledger_errors.NoSuchAccount()
        signers = (await store.signers(tx, stack.seal, [body.body_id]))[body.body_id]
        holders = rules.holding(signers)
        if person not in holders:
            raise NoSuchJoint("This person does not hold the account.")
        if len(holders) == 1:
            raise LastHolder()
        await _part(tx, permit, body, signers, person, "removed", ctx)
        log.append(tx, permit, subject=person, detail={"what": "removed by an officer", "why": order.because})
