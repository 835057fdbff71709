"""Two people with numbers who may be one: they become a case of the queue, and a decision that they are one becomes a
proposal that a second officer approves. Inside one transaction, like `adjudication`, which calls it."""

from collections.abc import Mapping, Sequence
from typing import Final

from msingi.identity import standing, store
from msingi.identity.lifecycle import rules as lifecycle_rules
from msingi.identity.lifecycle import store as lifecycle_store
from msingi.identity.lifecycle.model import Proposal, ProposalId, ProposalKind, ProposalState, Proposed
from msingi.identity.model import Candidate, CaseId, CaseKind, DuplicateCase, Reason, encoded
from msingi.kernel import clock, log
from msingi.kernel.db import Tx
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

LABEL: Final = "identity.proposal"


async def note(
    tx: Tx, permit: Permit, found: Sequence[tuple[PersonId, PersonId, tuple[Reason, ...], float]], what: str
) -> int:
    """Ask people about pairs (the later record, the earlier one, reasons, bits): how many questions are new.

    A pair that somebody was asked about, or that two officers joined or parted, is asked about again only if a field
    speaks now that was silent then. A case that still waits gets the new reasons.
    """
    before: dict[int, list[tuple[CaseId | None, float, tuple[Reason, ...]]]] = {}
    for row in await store.asked_before(tx, [(later, earlier) for later, earlier, *_ in found]):
        reasons = tuple(Reason(r["field"], r["level"], r["bits"]) for r in row["reasons"])
        before.setdefault(row["place"], []).append((row["case_id"], row["bits"], reasons))
    opened = 0
    for place, (later, earlier, reasons, bits) in enumerate(found):
        earlier_reasons = {r.field: r for _, _, told in before.get(place, ()) for r in told}
        new = [r for r in reasons if r.field not in earlier_reasons]
        decided_otherwise = any(not told for _, _, told in before.get(place, ()))
        if place in before and (not new or decided_otherwise):
            continue
        case_id = next((c for c, *_ in before.get(place, ()) if c is not None), None)
        if place in before:
            reasons = tuple(sorted((*earlier_reasons.values(), *new), key=lambda r: -abs(r.bits)))
            bits = round(max(b for _, b, _ in before[place]) + sum(r.bits for r in new), 2)
        case_id = case_id or await store.waiting_case_of(tx, later)
        case = DuplicateCase(
            case_id or CaseId(uuid7()), later, clock.now(), (Candidate(earlier, bits, reasons),), CaseKind.FOUND
        )
        await (store.add_candidates(tx, [case]) if case_id else store.add_cases(tx, [case], case.opened_at))
        opened += 1
        for subject in (later, earlier):
            log.append(tx, permit, subject=subject, detail={"what": what})
    return opened


async def propose_same(
    tx: Tx, stack: Stack, permit: Permit, merged: PersonId, kept: PersonId, because: str
) -> ProposalId:
    """Propose to a second officer that the record `merged` is of the person `kept`.

    Raises NotInThisState unless both stand for themselves.
    """
    statuses = {person: (await standing.locked(tx, person))[0] for person in sorted({merged, kept})}
    lifecycle_rules.check_joinable(statuses[merged], statuses[kept], same=merged == kept)
    row, _ = (await store.people(tx, [merged]))[merged]
    by = f"{permit.context.actor.kind}:{permit.context.actor.id}"
    made = Proposal(ProposalId(uuid7()), ProposalKind.MERGE, ProposalState.OPEN, by, clock.now(), merged, other_id=kept)
    sealed = await stack.seal.seal(tx, merged, encoded(Proposed(because)), LABEL)
    await lifecycle_store.add_proposal(tx, made, row["valid_from"], sealed)
    for subject in (merged, kept):
        log.append(tx, permit, subject=subject, detail={"what": "proposed: merge"})
    return made.proposal_id


def order(enrolled_at: Mapping[PersonId, object], one: PersonId, other: PersonId) -> tuple[PersonId, PersonId]:
    """The later enrolled of two, and the earlier: the later one is asked about, and would merge into the earlier."""
    key = lambda person: (str(enrolled_at[person]), str(person))  # noqa: E731
    return (one, other) if key(one) > key(other) else (other, one)
