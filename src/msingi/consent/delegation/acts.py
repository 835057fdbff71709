"""Verbs of acting for others: let somebody, take it back, see it, and take the right to act."""

from uuid import UUID

from msgspec.structs import replace

from msingi.consent.delegation import rules, store
from msingi.consent.delegation.model import (
    CHANNEL,
    DELEGABLE,
    By,
    Delegation,
    DelegationChanged,
    DelegationOrder,
    Delegations,
)
from msingi.consent.errors import DelegationUnknown, NotEntrusted
from msingi.identity import acts as identity
from msingi.identity.model import LinkKind
from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Context, Kind, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack


async def _name(stack: Stack, person_id: PersonId) -> str:
    """Somebody's name, for the record of the other party."""
    ctx = job_context("delegation", "operations", "legal-obligation")
    return (await identity.read_person(stack, ctx, person_id)).demographics.name.full


async def delegate(stack: Stack, ctx: Context, person_id: PersonId, order: DelegationOrder) -> Delegation:
    """Let somebody, named by identity number, act for the person (laws 1 and 2).

    Raises DelegationWrong, and what the identity room says no with for a number that is not in use.
    """
    permit = policy.decide(ctx, "consent.delegate", person_id)
    delegate_id = await identity.person_by_number(stack, ctx, order.number)
    names = await _name(stack, person_id), await _name(stack, delegate_id)
    async with stack.db.transaction(permit) as tx:
        live = await store.count_live(tx, person_id, ctx.at)
        rules.check_order(order, person_id, delegate_id, live)
        purposes = tuple(dict.fromkeys(order.purposes))
        made = Delegation(
            uuid7(), person_id, delegate_id, names[0], names[1], purposes, ctx.at, rules.until(order, ctx.at)
        )
        await store.put(tx, stack.seal, made)
        log.append(tx, permit, subject=person_id, detail={"to": names[1], "for": " ".join(purposes)})
        await stack.outbox.emit(
            tx, "consent.delegation-changed", DelegationChanged(person_id, made.delegation_id, True)
        )
    return made


async def end_delegation(stack: Stack, ctx: Context, person_id: PersonId, delegation_id: UUID) -> None:
    """The person takes a delegation back; it ends at once. Raises DelegationUnknown."""
    permit = policy.decide(ctx, "consent.end_delegation", person_id)
    async with stack.db.transaction(permit) as tx:
        if not await store.end(tx, person_id, delegation_id, ctx.at):
            raise DelegationUnknown()
        log.append(tx, permit, subject=person_id, detail={"delegation": str(delegation_id)})
        await stack.outbox.emit(tx, "consent.delegation-changed", DelegationChanged(person_id, delegation_id, False))


async def delegations(stack: Stack, ctx: Context, person_id: PersonId) -> Delegations:
    """What the person gave to others, and what others gave to them."""
    permit = policy.decide(ctx, "consent.delegations", person_id)
    async with stack.db.transaction(permit) as tx:
        found = Delegations(await store.given(tx, stack.seal, person_id), await store.received(tx, person_id, ctx.at))
        log.append(tx, permit, subject=person_id, detail={"count": len(found.given) + len(found.received)})
    named = [replace(each, person_name=await _name(stack, each.person_id)) for each in found.received]
    return Delegations(found.given, named)


async def act_for(stack: Stack, ctx: Context, person_id: PersonId, purpose: str) -> Context:
    """The context in which the caller acts once for `person_id`: by delegation, or as a guardian (laws 2 to 4).

    It is taken anew for every act; the person's record names the one who acts. Raises NotEntrusted, NotPermitted.
    """
    permit = policy.decide(ctx, "consent.act_for", person_id)
    me = PersonId(UUID(ctx.actor.id))
    if purpose not in DELEGABLE or me == person_id:
        raise NotEntrusted()
    guardian = await _is_guardian(stack, me, person_id, ctx)
    name = await _name(stack, me)
    async with stack.db.transaction(permit) as tx:
        found = await store.entrusted(tx, person_id, me, purpose, ctx.at)
        if found is None and not guardian:
            raise NotEntrusted()
        by = By.DELEGATION if found is not None else By.GUARDIAN
        log.append(tx, permit, subject=person_id, detail={"who": name, "by": by.value, "for": purpose})
    actor = Actor(Kind.PERSON, str(person_id), assurance=ctx.actor.assurance, name=f"{name} ({by.value})")
    return replace(ctx, actor=actor, purpose=purpose, channel=CHANNEL)


async def _is_guardian(stack: Stack, me: PersonId, person_id: PersonId, ctx: Context) -> bool:
    """Whether the register ties a child to the caller as guardian (law 3)."""
    try:
        child = await identity.read_person(
            stack, job_context("delegation", "operations", "legal-obligation"), person_id
        )
    except Refusal:
        return False
    tied = any(link.kind is LinkKind.GUARDIAN and link.other == me for link in child.links)
    return tied and rules.is_child(child.demographics.birth.date, stack.profile.adult_age, ctx.at.date())
