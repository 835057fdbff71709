"""What two people change of who somebody is: propose, see, decide; and the small changes that one may make alone."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from msingi.identity import adjudication, enrolment, photo, standing, store_notices
from msingi.identity import rules as identity_rules
from msingi.identity import store as people
from msingi.identity.enrolment import phone_key, unseal_version
from msingi.identity.errors import AlreadyDecided, Overtaken, PhotoAlready, UnknownProposal
from msingi.identity.lifecycle import rules, store
from msingi.identity.lifecycle.model import (
    Amendment,
    NamePeriod,
    Past,
    Proposal,
    ProposalDecision,
    ProposalId,
    ProposalKind,
    ProposalPage,
    ProposalState,
    ProposalView,
    Proposed,
    UpdateOrder,
)
from msingi.identity.model import Cause, PersonUnmerged, Status, encoded
from msingi.kernel import clock, log, once, policy
from msingi.kernel.context import Context
from msingi.kernel.db import Tx
from msingi.kernel.errors import Malformed, NotFound
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

ROOM: Final = "identity"
LABEL: Final = "identity.proposal"
SEEN: Final = 50


def _who(ctx: Context) -> str:
    return f"{ctx.actor.kind}:{ctx.actor.id}"


def _key(ctx: Context, act: str, key: str) -> str:
    if not 1 <= len(key) <= 200:
        raise Malformed("Send a key of 1 to 200 characters.", field="Idempotency-Key", rule="1-200-characters")
    return f"{act}:{_who(ctx)}:{key}"


async def propose_update(
    stack: Stack, ctx: Context, person_id: PersonId, order: UpdateOrder, idempotency_key: str
) -> ProposalId:
    """Propose a correction of a record, with evidence; a second person decides (law 1).

    Raises Malformed (EvidenceMissing, PhotoRefused), NotFound, NotInThisState, DifferentContent.
    """
    because = identity_rules.reason(order.because)
    picture = await enrolment.picture(order.photo)
    permit = policy.decide(ctx, "identity.propose-update", person_id)
    key = _key(ctx, "propose-update", idempotency_key)
    async with stack.db.transaction(permit) as tx:
        if first := await once.claim(tx, ROOM, key, enrolment.content(stack, order)):
            return ProposalId(UUID(bytes=first))
        identity_rules.check_living((await standing.locked(tx, person_id))[0])
        row, _ = (await people.people(tx, [person_id]))[person_id]
        before = await unseal_version(tx, stack, person_id, row["sealed"])
        fields: tuple[str, ...] = ()
        if order.change != Amendment() or picture is None:
            after = rules.amended(before, order.change, order.evidence, stack.profile, clock.today())
            fields = rules.changed_fields(before, after)
        fields += ("photo",) if picture is not None else ()
        rules.check_evidence(fields, order.evidence)
        made = _made(ctx, ProposalKind.UPDATE, person_id, fields)
        held = Proposed(because, order.change, order.evidence, picture)
        await _keep(tx, stack, permit, made, row["valid_from"], held)
        await once.settle(tx, ROOM, key, made.proposal_id.bytes)
    return made.proposal_id


def _made(
    ctx: Context, kind: ProposalKind, person_id: PersonId, fields: tuple[str, ...] = (), other: PersonId | None = None
) -> Proposal:
    where = ProposalId(uuid7()), kind, ProposalState.OPEN, _who(ctx), clock.now()
    return Proposal(*where, person_id, fields, other)


async def _keep(tx: Tx, stack: Stack, permit: Permit, made: Proposal, expected: datetime, held: Proposed) -> ProposalId:
    sealed = await stack.seal.seal(tx, made.person_id, encoded(held), LABEL)
    await store.add_proposal(tx, made, expected, sealed)
    for subject in dict.fromkeys((made.person_id, made.other_id)):
        if subject is not None:
            log.append(tx, permit, subject=subject, detail={"what": f"proposed: {made.kind}"})
    return made.proposal_id


async def propose_merge(stack: Stack, ctx: Context, merged: PersonId, kept: PersonId, because: str) -> ProposalId:
    """Propose that the record `merged` is of the person `kept`. Raises NotFound, NotInThisState, Malformed."""
    why = identity_rules.reason(because)
    permit = policy.decide(ctx, "identity.propose-merge", (merged, kept))
    async with stack.db.transaction(permit) as tx:
        statuses = await _both(tx, merged, kept)
        rules.check_merge(statuses[merged], statuses[kept], same=merged == kept)
        row, _ = (await people.people(tx, [merged]))[merged]
        made = _made(ctx, ProposalKind.MERGE, merged, other=kept)
        return await _keep(tx, stack, permit, made, row["valid_from"], Proposed(why))


async def propose_unmerge(stack: Stack, ctx: Context, person_id: PersonId, because: str) -> ProposalId:
    """Propose that a merged record is of somebody else after all. Raises NotFound, NotInThisState, Malformed."""
    return await _propose_return(stack, ctx, ProposalKind.UNMERGE, person_id, Status.MERGED, because)


async def propose_revival(stack: Stack, ctx: Context, person_id: PersonId, because: str) -> ProposalId:
    """Propose that a death was registered in error. Raises NotFound, NotInThisState, Malformed."""
    return await _propose_return(stack, ctx, ProposalKind.REVIVAL, person_id, Status.DECEASED, because)


async def _propose_return(
    stack: Stack, ctx: Context, kind: ProposalKind, person_id: PersonId, end: Status, because: str
) -> ProposalId:
    why = identity_rules.reason(because)
    permit = policy.decide(ctx, f"identity.propose-{kind}", policy.ANYONE)  # it is about the other record too
    async with stack.db.transaction(permit) as tx:
        _, other = await standing.locked(tx, person_id)
        rules.before_the(end, await standing.statuses(tx, stack, person_id))
        row, _ = (await people.people(tx, [person_id]))[person_id]
        made = _made(ctx, kind, person_id, other=other)
        return await _keep(tx, stack, permit, made, row["valid_from"], Proposed(why))


async def _both(tx: Tx, one: PersonId, other: PersonId) -> dict[PersonId, Status]:
    """The statuses of two records, locked in the order of their ids, so that two merges never wait in a ring."""
    return {person: (await standing.locked(tx, person))[0] for person in sorted({one, other})}


async def proposals_waiting(
    stack: Stack, ctx: Context, after: ProposalId | None = None, limit: int = 50
) -> ProposalPage:
    """Proposals that wait for a second person, oldest first, at most `limit` (1 to 200); names nobody."""
    if not 1 <= limit <= 200:
        raise Malformed("From 1 to 200.", field="limit", rule="1-200")
    permit = policy.decide(ctx, "identity.see-proposals", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found, waiting = await store.open_proposals(tx, after or ProposalId(UUID(int=0)), limit)
        log.append(tx, permit, detail={"what": "queue of proposals listed"})
    return ProposalPage(tuple(found), waiting, found[-1].proposal_id if len(found) == limit else None)


async def proposals_of(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[Proposal, ...]:
    """What was proposed about a person, newest first; people see what is under way about themselves."""
    permit = policy.decide(ctx, "identity.see-proposals-of", person_id)
    async with stack.db.transaction(permit) as tx:
        found = await store.proposals_of(tx, person_id, SEEN)
        log.append(tx, permit, subject=person_id, detail={"what": "proposals listed"})
    return tuple(found)


async def read_proposal(stack: Stack, ctx: Context, proposal_id: ProposalId) -> ProposalView:
    """A proposal with what it rests on, for the second person. Raises UnknownProposal, Erased."""
    permit = policy.decide(ctx, "identity.see-proposals", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.lock_proposal(tx, proposal_id)
        if found is None:
            raise UnknownProposal()
        made = found.proposal
        held = await _opened(tx, stack, found)
        wanted = [p for p in (made.person_id, made.other_id) if p is not None]
        seen = await adjudication.read_people(tx, stack, wanted)
        for person_id in seen:
            log.append(tx, permit, subject=person_id, detail={"what": f"proposal looked at: {made.kind}"})
    before, after = seen[made.person_id], None
    if made.kind is ProposalKind.UPDATE and made.state is ProposalState.OPEN and held.change != Amendment():
        after = rules.amended(before.demographics, held.change, held.evidence, stack.profile, clock.today())
    other = None if made.other_id is None else seen.get(made.other_id)
    new = held.photo is not None
    return ProposalView(made, held.because, before, held.evidence, after, other, new, held.decision)


async def _opened(tx: Tx, stack: Stack, found: store.Kept) -> Proposed:
    raw = await stack.seal.unseal(tx, found.proposal.person_id, found.sealed, LABEL)
    return msgspec.msgpack.decode(raw, type=Proposed)


async def decide_proposal(
    stack: Stack, ctx: Context, proposal_id: ProposalId, decision: ProposalDecision
) -> ProposalState:
    """Approve or refuse a proposal of somebody else (law 1); whoever made it may only take it back.

    Repeating a decision is harmless. Raises UnknownProposal, SameHands, Overtaken, AlreadyDecided, NotInThisState,
    PhoneInUse, NotPermitted for a kind that the role does not decide.
    """
    because = identity_rules.reason(decision.because)
    kind = (await read_proposal(stack, ctx, proposal_id)).proposal.kind
    permit = policy.decide(ctx, "identity.decide-proposal", policy.ANYONE, kind=kind.value)
    state = ProposalState.APPROVED if decision.approve else ProposalState.REFUSED
    async with stack.db.transaction(permit) as tx:
        found = await store.lock_proposal(tx, proposal_id)
        if found is None:
            raise UnknownProposal()
        made = found.proposal
        if made.state is not ProposalState.OPEN:
            if (made.state, made.decided_by) != (state, _who(ctx)):
                raise AlreadyDecided()
            log.append(tx, permit, subject=made.person_id, detail={"what": "decision repeated; nothing changed"})
            return state
        rules.check_hands(made.proposed_by, _who(ctx), approve=decision.approve)
        if decision.approve:
            await _carry_out(tx, stack, found, because, _who(ctx))
        elif made.kind is ProposalKind.MERGE and (await standing.locked(tx, made.person_id))[0] is Status.HELD:
            await store_notices.reopen_case(tx, made.person_id)  # somebody decides it anew
        held = msgspec.structs.replace(await _opened(tx, stack, found), decision=because)
        sealed = await stack.seal.seal(tx, made.person_id, encoded(held), LABEL)
        await store.close_proposal(tx, made, state, _who(ctx), clock.now(), sealed)
        for subject in dict.fromkeys((made.person_id, made.other_id)):
            if subject is not None:
                log.append(tx, permit, subject=subject, detail={"what": f"{kind} {state}"})
    return state


async def _carry_out(tx: Tx, stack: Stack, found: store.Kept, because: str, by: str) -> None:
    made = found.proposal
    if made.kind is ProposalKind.UPDATE:
        return await _update(tx, stack, found)
    if made.kind is ProposalKind.MERGE:
        assert made.other_id is not None
        return await _merge(tx, stack, made.person_id, made.other_id, because, by)
    if made.kind is ProposalKind.UNMERGE:
        return await _unmerge(tx, stack, made.person_id, because, by)
    return await _revive(tx, stack, made.person_id, because)


async def _update(tx: Tx, stack: Stack, found: store.Kept) -> None:
    person_id = found.proposal.person_id
    identity_rules.check_living((await standing.locked(tx, person_id))[0])
    held = await _opened(tx, stack, found)
    row, _ = (await people.people(tx, [person_id]))[person_id]
    after = await unseal_version(tx, stack, person_id, row["sealed"])
    if held.change != Amendment():
        after = rules.amended(after, held.change, held.evidence, stack.profile, clock.today())
    why = ", ".join(found.proposal.fields) + " corrected"
    if not await standing.revise(tx, stack, person_id, after, why, expected=found.expected, picture=held.photo):
        raise Overtaken()


async def _merge(tx: Tx, stack: Stack, merged: PersonId, kept: PersonId, because: str, by: str) -> None:
    statuses = await _both(tx, merged, kept)
    rules.check_joinable(statuses[merged], statuses[kept], same=merged == kept)
    if statuses[merged] is Status.HELD:
        await adjudication.settle_birth(tx, stack, merged, kept, by)
        return await adjudication.join(tx, stack, merged, kept, because)
    row, _ = (await people.people(tx, [merged]))[merged]
    known = await unseal_version(tx, stack, merged, row["sealed"])
    if known.phone:
        await people.unlink_phone(tx, phone_key(stack, known.phone), merged)
    await adjudication.join(tx, stack, merged, kept, because)


async def _unmerge(tx: Tx, stack: Stack, person_id: PersonId, because: str, by: str) -> None:
    """Both stand for themselves again: number and phone as they were, the phone only if nobody has it by now."""
    _, kept = await standing.locked(tx, person_id)
    before = rules.before_the(Status.MERGED, await standing.statuses(tx, stack, person_id))
    assert kept is not None
    await people.part_birth(tx, person_id, kept)
    if before is Status.HELD:
        await adjudication.enrol_held(tx, stack, person_id, Cause.ERROR, because)
        await adjudication.settle_birth(tx, stack, person_id, None, by)
    else:
        identity_rules.check_change(Status.MERGED, before)
        await standing.change(tx, stack, person_id, before, Cause.ERROR, because)
        row, _ = (await people.people(tx, [person_id]))[person_id]
        known = await unseal_version(tx, stack, person_id, row["sealed"])
        if known.phone:
            await people.link_phones(tx, {phone_key(stack, known.phone): person_id})
    await store_notices.tell(tx, person_id, "unmerged", clock.now(), other=kept)
    await stack.outbox.emit(tx, PersonUnmerged.kind, PersonUnmerged(person_id, kept))


async def _revive(tx: Tx, stack: Stack, person_id: PersonId, because: str) -> None:
    await standing.locked(tx, person_id)
    before = rules.before_the(Status.DECEASED, await standing.statuses(tx, stack, person_id))
    identity_rules.check_change(Status.DECEASED, before)
    await people.void_death(tx, person_id)
    await standing.change(tx, stack, person_id, before, Cause.ERROR, because)


async def update_contact(stack: Stack, ctx: Context, person_id: PersonId, change: Amendment, because: str) -> None:
    """Change where and in which language somebody is reached; one person may. Raises Malformed, NotInThisState."""
    why = identity_rules.reason(because)
    permit = policy.decide(ctx, "identity.update-contact", person_id)
    async with stack.db.transaction(permit) as tx:
        identity_rules.check_living((await standing.locked(tx, person_id))[0])
        row, _ = (await people.people(tx, [person_id]))[person_id]
        before = await unseal_version(tx, stack, person_id, row["sealed"])
        after = rules.amended(before, change, (), stack.profile, clock.today())
        rules.check_contact(rules.changed_fields(before, after))
        await standing.revise(tx, stack, person_id, after, "contact changed")
        log.append(tx, permit, subject=person_id, detail={"what": "contact changed", "because": why})


async def add_photo(stack: Stack, ctx: Context, person_id: PersonId, raw: bytes) -> tuple[str, ...]:
    """Add the first photo of a record; another one needs a proposal. Gives what to look at again (`photo.quality`).

    Raises PhotoRefused, PhotoAlready, NotInThisState.
    """
    picture = await enrolment.picture(raw)
    assert picture is not None
    permit = policy.decide(ctx, "identity.add-photo", person_id)
    async with stack.db.transaction(permit) as tx:
        identity_rules.check_living((await standing.locked(tx, person_id))[0])
        if await people.newest_photo(tx, person_id) is not None:
            raise PhotoAlready()
        sealed = await stack.seal.seal(tx, person_id, picture, enrolment.PHOTO)
        await people.add_photo(tx, person_id, sealed, clock.now())
        log.append(tx, permit, subject=person_id, detail={"what": "photo added"})
    return photo.quality(raw)


async def read_as_of(stack: Stack, ctx: Context, person_id: PersonId, at: datetime) -> Past:
    """A record as the register knew it at an instant: what was known, status, guardians. Raises NotFound, Erased."""
    permit = policy.decide(ctx, "identity.read-history", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = [r for r in await people.versions(tx, person_id) if r["valid_from"] <= at]
        periods = [p for p in await standing.statuses(tx, stack, person_id) if p.valid_from <= at]
        if not rows or not periods:
            raise NotFound("The register did not know the person then.")
        known = await unseal_version(tx, stack, person_id, rows[-1]["sealed"])
        guardians = await store.guardians(tx, person_id, at.date(), at)
        log.append(tx, permit, subject=person_id, detail={"what": "read as of an earlier day"})
    return Past(at, known, periods[-1], tuple(guardians))


async def name_history(stack: Stack, ctx: Context, person_id: PersonId) -> tuple[NamePeriod, ...]:
    """The names that a person bore, oldest first. Raises NotFound, Erased."""
    permit = policy.decide(ctx, "identity.read-history", person_id)
    async with stack.db.transaction(permit) as tx:
        rows = await people.versions(tx, person_id)
        if not rows:
            raise NotFound()
        begun = [(r["valid_from"], r["reason"], await unseal_version(tx, stack, person_id, r["sealed"])) for r in rows]
        log.append(tx, permit, subject=person_id, detail={"what": "names read"})
    return rules.names(identity_rules.with_ends(begun))
